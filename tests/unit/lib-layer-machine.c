/*
 * lib-layer-machine.c - a machine with one layer of the lobby and nothing else, for unit tests.
 *
 * The machine lock is held from the machine's birth to its end, as it is in the main loop's callbacks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "lib-layer-machine.h"

#include <glib.h>

#include "block/block.h"
#include "migration/register.h"
#include "net/net.h"

static bool attach_block(Machine *m, Error **errp)
{
    m->block = block_layer_new(m);
    return true;
}

static void detach_block(Machine *m)
{
    block_layer_free(m->block);
    m->block = NULL;
}

static bool attach_net(Machine *m, Error **errp)
{
    m->savevm = savevm_new(m);
    m->net = net_layer_new(m);
    return true;
}

static void detach_net(Machine *m)
{
    net_layer_free(m->net);
    savevm_free(m->savevm);
    m->net = NULL;
    m->savevm = NULL;
}

static Machine *layer_machine_new(const MachineClass *klass, bool icount)
{
    MachineConfig *config = machine_config_new(klass);
    config->icount = icount;
    Machine *m = machine_new(klass, config, NULL);
    g_assert_nonnull(m);
    machine_lock(m);
    return m;
}

Machine *block_machine_new(bool icount)
{
    static const MachineLayerOps layers = { .attach = attach_block, .detach = detach_block };
    static const MachineClass klass = { .name = "disks", .desc = "block only", .layers = &layers };
    return layer_machine_new(&klass, icount);
}

Machine *net_machine_new(bool icount)
{
    static const MachineLayerOps layers = { .attach = attach_net, .detach = detach_net };
    static const MachineClass klass = { .name = "wires", .desc = "network only", .layers = &layers };
    return layer_machine_new(&klass, icount);
}

void layer_machine_free(Machine *m)
{
    machine_unlock(m);
    machine_free(m);
}
