/*
 * ram-machine.h - the class of a machine with a registry of sections and, if wanted, RAM as one of them; no devices.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_TESTS_RAM_MACHINE_H
#define GODWIT_TESTS_RAM_MACHINE_H

#include "migration/ram.h"
#include "migration/register.h"
#include "system/machine.h"

static inline bool ram_machine_attach_registry(Machine *m, Error **errp)
{
    m->savevm = savevm_new(m);
    return true;
}

static inline bool ram_machine_attach(Machine *m, Error **errp)
{
    return ram_machine_attach_registry(m, errp) && ram_mig_register(m, errp);
}

static inline void ram_machine_reset(Machine *m)
{
}

static inline void ram_machine_detach(Machine *m)
{
    ram_mig_unregister(m);
    savevm_free(m->savevm);
    m->savevm = NULL;
}

/* A new one; registered: RAM is a section from the start. Without blocks; lock not held. */
static inline Machine *ram_machine_new(bool registered)
{
    static const MachineLayerOps with_ram = { .attach = ram_machine_attach, .reset = ram_machine_reset,
                                              .detach = ram_machine_detach };
    static const MachineLayerOps without = { .attach = ram_machine_attach_registry, .reset = ram_machine_reset,
                                             .detach = ram_machine_detach };
    static const MachineClass bare = { .name = "bare", .desc = "no devices", .layers = &with_ram };
    static const MachineClass empty = { .name = "bare", .desc = "no devices", .layers = &without };
    const MachineClass *klass = registered ? &bare : &empty;
    return machine_new(klass, machine_config_new(klass), NULL);
}

#endif
