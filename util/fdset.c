/*
 * fdset.c - numbered sets of file descriptors.
 *
 * Floor F0; below it GLib and util/error.  No threads, no lock: the machine's lock guards a FdSets.
 * Invariant: every descriptor in a set is open and belongs to the set; a set is never empty.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/fdset.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#define FDSET_PREFIX "/dev/fdset/"

typedef struct FdSetEntry {
    int64_t id;
    int fd;
    char *opaque;
} FdSetEntry;

struct FdSets {
    GPtrArray *entries;     /* ordered by id, then by age */
};

static void entry_free(gpointer data)
{
    FdSetEntry *entry = data;
    close(entry->fd);
    g_free(entry->opaque);
    g_free(entry);
}

FdSets *fdsets_new(void)
{
    FdSets *sets = g_new0(FdSets, 1);
    sets->entries = g_ptr_array_new_with_free_func(entry_free);
    return sets;
}

void fdsets_free(FdSets *sets)
{
    if (sets) {
        g_ptr_array_unref(sets->entries);
        g_free(sets);
    }
}

static FdSetEntry *entry_at(FdSets *sets, guint i)
{
    return g_ptr_array_index(sets->entries, i);
}

/* The lowest number that no set has: entries are sorted, so one pass tells. */
static int64_t unused_id(FdSets *sets)
{
    int64_t id = 0;
    for (guint i = 0; i < sets->entries->len && entry_at(sets, i)->id <= id; i++) {
        id = entry_at(sets, i)->id + 1;
    }
    return id;
}

void fdsets_add(FdSets *sets, int64_t *id, int fd, const char *opaque)
{
    if (*id < 0) {
        *id = unused_id(sets);
    }
    guint at = 0;
    while (at < sets->entries->len && entry_at(sets, at)->id <= *id) {
        at++;
    }
    FdSetEntry *entry = g_new0(FdSetEntry, 1);
    entry->id = *id;
    entry->fd = fd;
    entry->opaque = g_strdup(opaque);
    g_ptr_array_insert(sets->entries, at, entry);
}

bool fdsets_remove(FdSets *sets, int64_t id, int fd, Error **errp)
{
    bool found = false;
    for (guint i = sets->entries->len; i-- > 0;) {
        FdSetEntry *entry = entry_at(sets, i);
        if (entry->id == id && (fd < 0 || entry->fd == fd)) {
            g_ptr_array_remove_index(sets->entries, i);
            found = true;
        }
    }
    if (!found && fd < 0) {
        error_setg(errp, "File descriptor set %" PRId64 " not found", id);
    } else if (!found) {
        error_setg(errp, "File descriptor %d not found in set %" PRId64, fd, id);
    }
    return found;
}

void fdsets_foreach(FdSets *sets,
                    void (*fn)(int64_t id, int fd, const char *opaque, void *user), void *user)
{
    for (guint i = 0; i < sets->entries->len; i++) {
        FdSetEntry *entry = entry_at(sets, i);
        fn(entry->id, entry->fd, entry->opaque, user);
    }
}

bool fdset_is_path(const char *path)
{
    return g_str_has_prefix(path, FDSET_PREFIX);
}

static bool mode_fits(int fd, int flags)
{
    int have = fcntl(fd, F_GETFL);
    if (have < 0) {
        return false;
    }
    have &= O_ACCMODE;
    return have == O_RDWR || have == (flags & O_ACCMODE);
}

int fdsets_open(FdSets *sets, const char *path, int flags, Error **errp)
{
    guint64 id;
    if (!fdset_is_path(path)
        || !g_ascii_string_to_unsigned(path + strlen(FDSET_PREFIX), 10, 0, INT64_MAX, &id, NULL)) {
        error_setg(errp, "'%s' is no path of a descriptor set, which is " FDSET_PREFIX "N", path);
        return -1;
    }
    bool seen = false;
    /* An exact fit first: a client may have put a read-only and a read-write one into the set. */
    for (int exact = 1; exact >= 0; exact--) {
        for (guint i = 0; i < sets->entries->len; i++) {
            FdSetEntry *entry = entry_at(sets, i);
            if (entry->id != (int64_t)id) {
                continue;
            }
            seen = true;
            int have = fcntl(entry->fd, F_GETFL) & O_ACCMODE;
            if (exact ? have != (flags & O_ACCMODE) : !mode_fits(entry->fd, flags)) {
                continue;
            }
            int copy = fcntl(entry->fd, F_DUPFD_CLOEXEC, 0);
            if (copy < 0) {
                error_setg_errno(errp, errno, "Cannot duplicate file descriptor %d", entry->fd);
            }
            return copy;
        }
    }
    if (seen) {
        error_setg(errp, "'%s' has no descriptor with the access mode that is needed", path);
    } else {
        error_setg(errp, "'%s': there is no such descriptor set", path);
    }
    return -1;
}
