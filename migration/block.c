/*
 * block.c - disk migration as a live section, and whose the images are at each step of the handover.
 *
 * Floor F4; below it block-save, block-load and the section registry.  Locks as SaveVMHandlers and block.h say.
 * Invariant: from the first byte that a destination writes until it takes the machine over its images are marked; a
 * source's are from GO on.  So at every moment, also after a crash, one side's images are good and can be told.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "migration/block.h"

#include "migration/savevm.h"
#include "system/machine.h"

#define BLOCK_SECTION "block"
#define BLOCK_SECTION_VERSION 1

static const SaveVMHandlers block_handlers = {
    .is_active = block_save_is_active,
    .save_setup = block_save_setup,
    .save_live_iterate = block_save_iterate,
    .state_pending = block_save_pending,
    .save_live_complete = block_save_complete,
    .save_cleanup = block_save_cleanup,
    .load_setup = block_load_setup,
    .load_state = block_load_state,
    .load_cleanup = block_load_cleanup,
};

bool block_mig_register(Machine *m, const MigrationDiskOps *ops, Error **errp)
{
    BlockMigration *b = m->block_migration = g_new0(BlockMigration, 1);
    b->machine = m;
    b->ops = ops;
    return register_savevm_live(m, BLOCK_SECTION, 0, BLOCK_SECTION_VERSION, &block_handlers, b, errp);
}

void block_mig_unregister(Machine *m)
{
    BlockMigration *b = m->block_migration;
    if (b) {
        unregister_savevm_live(m, BLOCK_SECTION, b);
        block_save_cleanup(b);
        g_clear_pointer(&m->block_migration, g_free);
    }
}

const BlockCounters *block_mig_counters(const Machine *m)
{
    return m->block_migration ? &m->block_migration->counters : NULL;
}

bool block_mig_configure(Machine *m, bool disks, bool incremental, Error **errp)
{
    BlockMigration *b = m->block_migration;
    if (!b) {
        if (disks) {
            error_setg(errp, "this machine has no disks that could move");
        }
        return !disks;
    }
    MigrationDisk disk;
    for (unsigned n = 0; disks && incremental && b->ops->get(m, n, &disk); n++) {
        if (!disk.has_base) {
            error_setg(errp, "Disk '%s' has no base image, so an incremental move cannot tell what is new: give "
                       "-drive the key base=FILE, or move the whole disk", disk.name);
            return false;
        }
    }
    b->disks = disks;
    b->incremental = incremental;
    atomic_store(&b->counters.total, 0);
    return true;
}

void block_mig_forget(Machine *m)
{
    if (m->block_migration) {
        m->block_migration->disks = false;
    }
}

bool block_mig_buffer(uint8_t **buffer, Error **errp)
{
    *buffer = g_try_malloc(BLOCK_MIG_CHUNK);
    if (!*buffer) {
        error_setg(errp, "there is no memory for a buffer of %u bytes for disks", BLOCK_MIG_CHUNK);
    }
    return *buffer != NULL;
}

/* ---- the source ---- */

bool block_mig_give(Machine *m, Error **errp)
{
    BlockMigration *b = m->block_migration;
    if (!b || !b->disks) {
        return true;
    }
    b->marked = true;
    return b->ops->mark(m, MIGRATION_DISK_MOVING, errp);
}

void block_mig_given(Machine *m)
{
    BlockMigration *b = m->block_migration;
    if (b && b->marked) {
        /* The mark of before says enough where this one cannot be made. */
        b->ops->mark(m, MIGRATION_DISK_MOVED, NULL);
    }
}

bool block_mig_keep(Machine *m, Error **errp)
{
    BlockMigration *b = m->block_migration;
    if (!b || !b->marked) {
        return true;
    }
    b->marked = false;
    return b->ops->mark(m, MIGRATION_DISK_GOOD, errp);
}

/* ---- the destination ---- */

bool block_mig_ready(Machine *m, Error **errp)
{
    BlockMigration *b = m->block_migration;
    return !b || !b->receiving || b->ops->mark(m, MIGRATION_DISK_READY, errp);
}

bool block_mig_take(Machine *m, Error **errp)
{
    BlockMigration *b = m->block_migration;
    if (!b || !b->receiving) {
        return true;
    }
    if (!b->ops->mark(m, MIGRATION_DISK_GOOD, errp)) {
        return false;
    }
    b->receiving = false;
    return true;
}

void block_mig_drop(Machine *m)
{
    BlockMigration *b = m->block_migration;
    if (b && b->receiving) {
        b->ops->release(m);
    }
}
