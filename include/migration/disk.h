/*
 * disk.h - what disk migration needs of a machine's images, and the marks that say whose turn it is.
 *
 * Floor F4's face to the lobby, which fills in the table (block/block-migrate.c).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_MIGRATION_DISK_H
#define GODWIT_MIGRATION_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "util/error.h"

typedef struct Machine Machine;

/* One disk that the guest can write. */
typedef struct MigrationDisk {
    const char *name;           /* on the stream; the lobby's, as long as the disk */
    uint64_t bytes;
    bool has_base;              /* it began as a copy of an image that is still there to be read */
    void *handle;
} MigrationDisk;

/*
 * A mark lies beside an image, outlives the process, and keeps everybody from using the image by mistake. An image
 * without a mark is good; of a source's and a destination's image, the destination's mark alone decides:
 * where it is, the source's image is the good one.
 */
typedef enum MigrationDiskMark {
    MIGRATION_DISK_GOOD,        /* no mark */
    MIGRATION_DISK_INCOMPLETE,  /* destination: something is still to come */
    MIGRATION_DISK_READY,       /* destination: all is here, but the machine is still the source's */
    MIGRATION_DISK_MOVING,      /* source: the destination is being told to start */
    MIGRATION_DISK_MOVED,       /* source: it has started */
} MigrationDiskMark;

/* A range of a disk has been written. Any thread, with or without the lock; must not call back. */
typedef void MigrationDiskWritten(void *opaque, uint64_t offset, uint64_t bytes);

/* All required. read, read_base, write, write_zeroes, flush: any thread; 0 or -errno; ranges are inside the disk. */
typedef struct MigrationDiskOps {
    /* The n-th disk; false if there are not so many. Lock held. */
    bool (*get)(Machine *m, unsigned n, MigrationDisk *disk);
    /*
     * From now on fn hears of each write, between its execution and its completion; NULL: of none any more, and
     * no call is under way when this returns. Lock held.
     */
    void (*track)(void *handle, MigrationDiskWritten *fn, void *opaque);
    int (*read)(void *handle, uint64_t offset, void *buf, uint64_t bytes);
    int (*read_base)(void *handle, uint64_t offset, void *buf, uint64_t bytes);
    int (*write)(void *handle, uint64_t offset, const void *buf, uint64_t bytes);
    int (*write_zeroes)(void *handle, uint64_t offset, uint64_t bytes);
    int (*flush)(void *handle);
    /* A destination takes its images to write what arrives (marked incomplete first), or lets them go. Lock held. */
    bool (*receive)(Machine *m, Error **errp);
    void (*release)(Machine *m);
    /* Flushes every image that can be written, then marks it. Lock held. */
    bool (*mark)(Machine *m, MigrationDiskMark mark, Error **errp);
} MigrationDiskOps;

/* Registers the machine's disks as a live section; undone before the machine is freed. Lock held. */
bool block_mig_register(Machine *m, const MigrationDiskOps *ops, Error **errp);
void block_mig_unregister(Machine *m);

#endif
