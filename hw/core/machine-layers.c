/*
 * machine-layers.c - gives a machine its registry, back ends and devices, and takes them away again.
 *
 * Lobby (hw/core): the table that system/ calls up through (MachineLayerOps).  Machine lock held.
 * Invariant: devices are freed before the back ends that they hold on to.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "hw/machine-layers.h"

#include "block/block.h"
#include "chardev/char.h"
#include "hw/qdev.h"
#include "migration/disk.h"
#include "migration/migration.h"
#include "migration/register.h"
#include "migration/snapshot.h"
#include "net/net.h"
#include "system/runstate.h"
#include "ui/console.h"

static const MigrationHooks migration_hooks = {
    .inactivate_images = block_inactivate_all,
    .activate_images = block_activate_all,
    .announce = net_announce_all,
};

static const SnapshotHooks snapshot_hooks = {
    .foreach_image = block_images_foreach,
    .images_changed = block_images_changed,
};

static bool layers_attach(Machine *m, Error **errp)
{
    m->savevm = savevm_new(m);
    migration_set_hooks(migration_new(m), &migration_hooks);
    snapshot_set_hooks(m->migration, &snapshot_hooks);
    m->block = block_layer_new(m);
    if (!block_mig_register(m, &block_migration_ops, errp)) {
        return false;
    }
    m->chardevs = char_layer_new(m);
    m->net = net_layer_new(m);
    m->ui = ui_layer_new(m);
    m->devices = qdev_tree_new(m);
    return true;
}

static void layers_reset(Machine *m)
{
    if (m->devices) {
        qdev_reset_all(m);
    }
}

static void layers_detach(Machine *m)
{
    block_mig_unregister(m);
    migration_free(m->migration);
    qdev_tree_free(m->devices);
    ui_layer_free(m->ui);
    net_layer_free(m->net);
    char_layer_free(m->chardevs);
    block_layer_free(m->block);
    savevm_free(m->savevm);
    m->devices = NULL;
    m->ui = NULL;
    m->net = NULL;
    m->chardevs = NULL;
    m->block = NULL;
    m->savevm = NULL;
}

const MachineLayerOps machine_layers = {
    .attach = layers_attach,
    .reset = layers_reset,
    .detach = layers_detach,
};
