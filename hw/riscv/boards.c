/*
 * boards.c - every machine class that this program has.
 *
 * Lobby (hw/riscv): the one list.  Immutable, no locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "hw/machine-layers.h"
#include "virt.h"

/* A machine with nothing in it: what a monitor client starts to ask what this program can do. */
static const MachineClass none_machine_class = {
    .name = "none",
    .desc = "empty machine",
    .max_cpus = 1,
    .layers = &machine_layers,
};

static const MachineClass *const classes[] = {
    &virt_machine_class,
    &none_machine_class,
    NULL,
};

const MachineClass *const *machine_classes(void)
{
    return classes;
}

const MachineClass *machine_class_find(const char *name)
{
    for (unsigned i = 0; classes[i]; i++) {
        if (strcmp(classes[i]->name, name) == 0) {
            return classes[i];
        }
    }
    return NULL;
}
