/*
 * device-table.c - every device class that this program has.
 *
 * Lobby (hw/core): the one list; a new device adds a declaration and a row.  Immutable, no locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "hw/qdev.h"

extern const DeviceClass aclint_mtimer_class;
extern const DeviceClass aclint_swi_class;
extern const DeviceClass serial_mm_class;
extern const DeviceClass sifive_plic_class;
extern const DeviceClass sifive_test_class;

static const DeviceClass *const table[] = {
    &aclint_swi_class,
    &aclint_mtimer_class,
    &sifive_plic_class,
    &sifive_test_class,
    &serial_mm_class,
    NULL,
};

const DeviceClass *const *device_classes(void)
{
    return table;
}

const DeviceClass *device_class_find(const char *name)
{
    for (unsigned i = 0; table[i]; i++) {
        if (strcmp(table[i]->name, name) == 0) {
            return table[i];
        }
    }
    return NULL;
}
