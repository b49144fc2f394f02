/*
 * ram.c - guest RAM as a live section: the SaveVMHandlers and nothing else.
 *
 * Floor F4; below it ram-save, ram-load and the section registry.  Locks as SaveVMHandlers say.
 * Invariant: from save_setup to save_cleanup the machine's dirty tracking is on.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "migration/ram.h"

#include <glib.h>

#include "migration/savevm.h"
#include "migration/ram-internal.h"
#include "system/machine.h"

#define RAM_SECTION "ram"
#define RAM_SECTION_VERSION 4

RAMCounters *ram_counters(Machine *m)
{
    return &m->ram_migration->counters;
}

void ram_migration_set_standing(Machine *m, bool standing)
{
    m->ram_migration->standing = standing;
}

void ram_migration_configure(Machine *m, const RAMSaveConfig *config)
{
    m->ram_migration->config = *config;
}

void ram_migration_configure_load(Machine *m, const RAMLoadConfig *config)
{
    m->ram_migration->load_config = *config;
}

uint64_t ram_total_bytes(Machine *m)
{
    uint64_t total = 0;
    for (RAMBlock *block = ram_block_first(m); block; block = block->next) {
        total += block->used_length;
    }
    return total;
}

void ram_counters_reset(RAMCounters *c)
{
    _Atomic uint64_t *const all[] = {
        &c->transferred, &c->duplicate, &c->normal, &c->dirty_sync_count, &c->dirty_pages_rate,
        &c->downtime_bytes, &c->cache_bytes, &c->xbzrle_pages, &c->xbzrle_bytes, &c->xbzrle_misses,
        &c->xbzrle_overflows, &c->compress_threads, &c->compress_pages, &c->compress_bytes,
        &c->compress_batches, &c->compress_busy,
    };
    for (size_t i = 0; i < G_N_ELEMENTS(all); i++) {
        atomic_store(all[i], 0);
    }
}

uint64_t ram_counters_pages(const RAMCounters *c)
{
    return atomic_load(&c->normal) + atomic_load(&c->duplicate) + atomic_load(&c->xbzrle_pages) +
           atomic_load(&c->compress_pages);
}

static const SaveVMHandlers ram_handlers = {
    .save_setup = ram_save_setup,
    .save_live_iterate = ram_save_iterate,
    .state_pending = ram_save_pending,
    .save_live_complete = ram_save_complete,
    .save_cleanup = ram_save_cleanup,
    .load_setup = ram_load_setup,
    .load_state = ram_load_state,
    .load_cleanup = ram_load_cleanup,
};

bool ram_mig_register(Machine *m, Error **errp)
{
    m->ram_migration = g_new0(RAMMigration, 1);
    m->ram_migration->machine = m;
    return register_savevm_live(m, RAM_SECTION, 0, RAM_SECTION_VERSION, &ram_handlers, m->ram_migration,
                                errp);
}

void ram_mig_unregister(Machine *m)
{
    if (m->ram_migration) {
        unregister_savevm_live(m, RAM_SECTION, m->ram_migration);
        ram_save_cleanup(m->ram_migration);
        ram_load_cleanup(m->ram_migration);
        g_clear_pointer(&m->ram_migration, g_free);
    }
}
