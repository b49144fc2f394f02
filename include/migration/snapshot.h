/*
 * snapshot.h - a stopped machine and its disks in a folder, and back from there.
 *
 * Floor F5's public face for the surface and for the room that has the images.  Main thread, machine lock held;
 * saving stops the machine and drops the lock while its vCPUs come to rest, loading also while the state is read.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_MIGRATION_SNAPSHOT_H
#define GODWIT_MIGRATION_SNAPSHOT_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "util/error.h"

typedef struct Machine Machine;
typedef struct MigrationState MigrationState;

/* An image that the machine writes. Everything is valid during the call only. */
typedef struct SnapshotImage {
    const char *name;       /* the drive's id, or the name of the node that the device has */
    const char *node_name;  /* of the node that is the file */
    const char *file;       /* for people */
    int fd;                 /* readable and writable; not O_DIRECT where that can be avoided */
    uint64_t size;          /* bytes of the file */
} SnapshotImage;
/* False with *errp set ends the walk. */
typedef bool SnapshotImageFunc(const SnapshotImage *image, void *opaque, Error **errp);

/* What the lobby does for snapshots; both required. Lock held. */
typedef struct SnapshotHooks {
    /* Calls fn for each image. An image that no one can copy (nbd) is an error that names it. */
    bool (*foreach_image)(Machine *m, SnapshotImageFunc *fn, void *opaque, Error **errp);
    /* The images' contents are others now; nothing is in flight. */
    bool (*images_changed)(Machine *m, Error **errp);
} SnapshotHooks;
void snapshot_set_hooks(MigrationState *s, const SnapshotHooks *hooks);

/* Where snapshots are kept. The folder is made if only its last part is missing. Once. */
bool snapshot_set_folder(MigrationState *s, const char *path, Error **errp);

/*
 * Stops the machine, saves it and its disks under that name, and lets it run again if it ran. replace: a
 * snapshot of that name is replaced, in one moment. On failure nothing is there that was not there before.
 */
bool snapshot_save(MigrationState *s, const char *name, bool replace, Error **errp);
/*
 * Puts the machine and its disks back. It runs afterwards if it ran before, else it is paused. What is wrong
 * with the snapshot, as far as that can be seen, is an error that has changed nothing; a failure behind that
 * leaves the machine in state internal-error.
 */
bool snapshot_load(MigrationState *s, const char *name, Error **errp);
bool snapshot_delete(MigrationState *s, const char *name, Error **errp);

typedef struct SnapshotDisk {
    char *name, *node_name;
    uint64_t size;          /* bytes */
} SnapshotDisk;
typedef struct SnapshotEntry {
    char *name;
    char *broken;           /* why it cannot be loaded; the rest is unknown then. Else NULL */
    int64_t date_ns;        /* since the epoch */
    int64_t vm_clock_ns;
    uint64_t vm_size;       /* bytes of the state, RAM included */
    bool icount;
    GPtrArray *disks;       /* SnapshotDisk */
} SnapshotEntry;
/* All of them, oldest first; free with g_ptr_array_unref(). NULL with *errp set if the folder cannot be read. */
GPtrArray *snapshot_list(MigrationState *s, Error **errp);

#endif
