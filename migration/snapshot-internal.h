/*
 * snapshot-internal.h - what the files of snapshots share: the folder, and the index of one snapshot.
 *
 * Floor F5, private to migration/snapshot*.c.  Main thread, machine lock held.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_SNAPSHOT_INTERNAL_H
#define MIGRATION_SNAPSHOT_INTERNAL_H

#include <jansson.h>

#include "migration/snapshot.h"

#define SNAPSHOT_INDEX "index.json"
#define SNAPSHOT_STATE "state"
#define SNAPSHOT_FORMAT 1

struct Snapshots {
    const SnapshotHooks *hooks;     /* NULL: a machine without disks */
    char *path;                     /* NULL: no folder was named */
    int folder;                     /* descriptor of it */
};

/* ---- snapshot-folder.c ---- */

/* False: no folder was named. */
bool snapshot_folder_given(const struct Snapshots *s, Error **errp);
bool snapshot_name_check(const char *name, Error **errp);
/* Keeps other programs from changing the folder until the descriptor is closed. -1: one is at it. */
int snapshot_folder_lock(const struct Snapshots *s, Error **errp);
bool snapshot_exists(const struct Snapshots *s, const char *name);
/* The snapshot's own folder; -1 if there is none of that name. */
int snapshot_open(const struct Snapshots *s, const char *name, Error **errp);
/* A new, empty folder that is no snapshot yet; its name, and in *fd the folder. Locked. */
char *snapshot_temp_new(const struct Snapshots *s, int *fd, Error **errp);
/* Removes a folder and the files in it. Locked. */
bool snapshot_remove_folder(const struct Snapshots *s, const char *name, Error **errp);
/* The finished folder temp becomes the snapshot of that name. Locked. On failure temp is still there. */
bool snapshot_publish(const struct Snapshots *s, const char *temp, const char *name, bool replace, Error **errp);
/* The snapshot is gone when this returns true. Locked. */
bool snapshot_unpublish(const struct Snapshots *s, const char *name, Error **errp);
/* What unfinished work of a program that has died has left. Locked. */
void snapshot_sweep(const struct Snapshots *s);

/* ---- snapshot-index.c ---- */

/* Writes the index. disks: json array. */
bool snapshot_index_write(int folder, Machine *m, const char *name, json_t *disks, Error **errp);
/* Reads it, and checks that its parts have their types and that the files in the folder are whole. */
json_t *snapshot_index_read(int folder, Error **errp);
/* True if the machine is one like that which was saved. Looks at the state's bytes. */
bool snapshot_index_check(const json_t *index, int folder, Machine *m, Error **errp);
/* "disks" of an index: the one of that name or NULL. */
const json_t *snapshot_index_disk(const json_t *index, const char *name);

#endif
