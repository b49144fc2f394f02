/*
 * snapshot-list.c - which snapshots there are.
 *
 * Floor F5; below it POSIX.  Main thread, machine lock held.  Nothing is locked or changed: a snapshot that appears
 * or goes while the list is made is in it or not.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "migration/migration-internal.h"
#include "migration/snapshot-internal.h"

static void disk_free(gpointer data)
{
    SnapshotDisk *disk = data;
    g_free(disk->name);
    g_free(disk->node_name);
    g_free(disk);
}

static void entry_free(gpointer data)
{
    SnapshotEntry *entry = data;
    g_free(entry->name);
    g_free(entry->broken);
    g_ptr_array_unref(entry->disks);
    g_free(entry);
}

static const json_t *get(const json_t *object, const char *key)
{
    return json_object_get(object, key);
}

static void entry_fill(SnapshotEntry *entry, const json_t *index)
{
    size_t i;
    json_t *disk;
    entry->date_ns = json_integer_value(get(index, "date-ns"));
    entry->vm_clock_ns = json_integer_value(get(index, "vm-clock-ns"));
    entry->vm_size = (uint64_t)json_integer_value(get(get(index, "vm-state"), "size"));
    entry->icount = json_is_true(get(get(index, "machine"), "icount"));
    json_array_foreach(get(index, "disks"), i, disk) {
        SnapshotDisk *one = g_new0(SnapshotDisk, 1);
        one->name = g_strdup(json_string_value(get(disk, "name")));
        one->node_name = g_strdup(json_string_value(get(disk, "node-name")));
        one->size = (uint64_t)json_integer_value(get(disk, "size"));
        g_ptr_array_add(entry->disks, one);
    }
}

static SnapshotEntry *entry_new(const struct Snapshots *s, const char *name)
{
    int folder = snapshot_open(s, name, NULL);
    if (folder < 0) {
        return NULL;
    }
    Error *err = NULL;
    SnapshotEntry *entry = g_new0(SnapshotEntry, 1);
    entry->name = g_strdup(name);
    entry->disks = g_ptr_array_new_with_free_func(disk_free);
    json_t *index = snapshot_index_read(folder, &err);
    if (index) {
        entry_fill(entry, index);
    } else {
        entry->broken = g_strdup(error_get_pretty(err));
        error_free(err);
    }
    json_decref(index);
    close(folder);
    return entry;
}

static gint by_date(gconstpointer a, gconstpointer b)
{
    const SnapshotEntry *x = *(SnapshotEntry *const *)a, *y = *(SnapshotEntry *const *)b;
    return x->date_ns != y->date_ns ? (x->date_ns < y->date_ns ? -1 : 1) : strcmp(x->name, y->name);
}

GPtrArray *snapshot_list(MigrationState *s, Error **errp)
{
    if (!snapshot_folder_given(s->snapshots, NULL)) {
        return g_ptr_array_new();
    }
    int fd = openat(s->snapshots->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        error_setg_errno(errp, errno, "snapshot folder '%s' cannot be read", s->snapshots->path);
        if (fd >= 0) {
            close(fd);
        }
        return NULL;
    }
    GPtrArray *list = g_ptr_array_new_with_free_func(entry_free);
    const struct dirent *found;
    while ((found = readdir(dir))) {
        SnapshotEntry *entry = snapshot_name_check(found->d_name, NULL) ? entry_new(s->snapshots, found->d_name)
                                                                         : NULL;
        if (entry) {
            g_ptr_array_add(list, entry);
        }
    }
    closedir(dir);
    g_ptr_array_sort(list, by_date);
    return list;
}
