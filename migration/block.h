/*
 * block.h - disks on their way: what the control floor asks of disk migration, and its files of each other.
 *
 * Floor F4, private to migration/.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_BLOCK_H
#define MIGRATION_BLOCK_H

#include <glib.h>
#include <stdatomic.h>

#include "migration/disk.h"
#include "migration/qemu-file.h"

/* ---- for the control floor; a machine without disk migration: nothing happens, and that is success ---- */

/* Counters that any thread may read; bytes. total 0: no disk moves. */
typedef struct BlockCounters {
    _Atomic uint64_t transferred, remaining, total;
} BlockCounters;
/* NULL for a machine without a block layer. */
const BlockCounters *block_mig_counters(const Machine *m);

/* Whether the disks go with the next run. False where they cannot. Before savevm_state_setup(), lock held. */
bool block_mig_configure(Machine *m, bool disks, bool incremental, Error **errp);

/* The run is over: the next stream is without disks, unless it is configured otherwise. Lock held. */
void block_mig_forget(Machine *m);

/* The source is about to say GO: its images are marked as moving. Lock held. */
bool block_mig_give(Machine *m, Error **errp);
/* How that ended: the destination has the machine, or it stays here (the mark goes). Lock held. */
void block_mig_given(Machine *m);
bool block_mig_keep(Machine *m, Error **errp);

/* The destination has loaded everything; what has arrived is on the medium when this returns. Lock held. */
bool block_mig_ready(Machine *m, Error **errp);
/* It takes the machine over: its images are good from now on. Lock held. */
bool block_mig_take(Machine *m, Error **errp);
/* It does not: the images are let go, marked as they are. Lock held. */
void block_mig_drop(Machine *m);

/* ---- block.c, block-save.c, block-load.c ---- */

#define BLOCK_MIG_CHUNK (1u << 20)

/* A disk that is being sent. */
typedef struct SendDisk {
    MigrationDisk disk;
    uint64_t chunks;
    _Atomic uint64_t *left;     /* a bit for each chunk; any thread sets, the migration thread clears */
} SendDisk;

/* Machine.block_migration; lives as long as the machine. */
typedef struct BlockMigration {
    Machine *machine;
    const MigrationDiskOps *ops;
    BlockCounters counters;
    bool disks, incremental;    /* of the next or present run */
    bool marked;                /* our images are marked as moving or moved */
    /* Saving; the migration thread's: */
    GArray *sending;            /* SendDisk, between save_setup and save_cleanup; else NULL */
    guint at_disk;              /* where the round goes on */
    uint64_t at_chunk;
    bool first_pass;            /* what the base has need not be sent */
    uint8_t *buffer, *base;     /* a chunk each */
    /* Loading; the incoming thread's: */
    bool receiving;             /* our images have been taken to be written */
    GArray *loading;            /* MigrationDisk */
    uint64_t unflushed;         /* bytes written since the last flush */
} BlockMigration;

/* A chunk's memory into *buffer. False if the host has none. */
bool block_mig_buffer(uint8_t **buffer, Error **errp);

/* block-save.c */
bool block_save_is_active(void *opaque);
bool block_save_setup(QEMUFile *f, void *opaque, Error **errp);
bool block_save_iterate(QEMUFile *f, void *opaque, bool *done, Error **errp);
uint64_t block_save_pending(void *opaque, bool exact);
bool block_save_complete(QEMUFile *f, void *opaque, Error **errp);
void block_save_cleanup(void *opaque);

/* block-load.c */
bool block_load_setup(QEMUFile *f, void *opaque, Error **errp);
bool block_load_state(QEMUFile *f, void *opaque, int version_id, Error **errp);
void block_load_cleanup(void *opaque);

#endif
