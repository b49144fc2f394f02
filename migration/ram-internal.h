/*
 * ram-internal.h - the RAM section's state, shared by its saving and its loading half.
 *
 * Floor F4, private to migration/ram*.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_RAM_INTERNAL_H
#define MIGRATION_RAM_INTERNAL_H

#include "migration/ram.h"

/* Machine.ram_migration; lives as long as the machine. */
typedef struct RAMMigration {
    Machine *machine;
    RAMCounters counters;       /* atomic: any thread reads them */
    RAMDirty *dirty;            /* between save_setup and save_cleanup */
    int64_t last_sync_ns;       /* for the dirty rate */
    RAMBlock *loaded_block;     /* the incoming stream's last record was of this block */
    bool stopped;               /* the machine stands still: bytes count as downtime's */
} RAMMigration;

/* ram-save.c */
bool ram_save_setup(QEMUFile *f, void *opaque, Error **errp);
bool ram_save_iterate(QEMUFile *f, void *opaque, bool *done, Error **errp);
uint64_t ram_save_pending(void *opaque, bool exact);
bool ram_save_complete(QEMUFile *f, void *opaque, Error **errp);
void ram_save_cleanup(void *opaque);

/* ram-load.c */
bool ram_load_setup(QEMUFile *f, void *opaque, Error **errp);
bool ram_load_state(QEMUFile *f, void *opaque, int version_id, Error **errp);
void ram_load_cleanup(void *opaque);

#endif
