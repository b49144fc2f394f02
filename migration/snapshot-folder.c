/*
 * snapshot-folder.c - the folder of snapshots: names, folders that are not snapshots yet, renames.
 *
 * Floor F5; below it POSIX.
 * Threads and locks: main thread.  Programs exclude each other by flock(2) on the folder.
 * Invariant: a folder whose name can be a snapshot's is a finished snapshot: it is made, and unmade, under a
 * name that begins with ".godwit-", and renamed.  Folders without an index are nobody's and left alone.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "migration/snapshot-internal.h"

#define NAME_LENGTH_MAX 128
#define TEMP_PREFIX ".godwit-"

bool snapshot_folder_given(const struct Snapshots *s, Error **errp)
{
    if (!s->path) {
        error_setg(errp, "There is no folder for snapshots: start with -snapshots DIR");
    }
    return s->path != NULL;
}

bool snapshot_name_check(const char *name, Error **errp)
{
    bool ok = g_ascii_isalnum(name[0]) && strlen(name) <= NAME_LENGTH_MAX;
    for (const char *p = name; ok && *p; p++) {
        ok = g_ascii_isalnum(*p) || strchr("-_.+", *p);
    }
    if (!ok) {
        error_setg(errp, "'%.*s' cannot be a snapshot's name: a letter or digit first, then letters, digits, "
                   "'-', '_', '.' and '+', at most %d of them", NAME_LENGTH_MAX, name, NAME_LENGTH_MAX);
    }
    return ok;
}

int snapshot_folder_lock(const struct Snapshots *s, Error **errp)
{
    int fd = openat(s->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        error_setg_errno(errp, errno, "snapshot folder '%s' cannot be opened", s->path);
        return -1;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno == EWOULDBLOCK) {
            error_setg(errp, "another program works in the snapshot folder '%s'; try again when it is done",
                       s->path);
        } else {
            error_setg_errno(errp, errno, "snapshot folder '%s' cannot be locked", s->path);
        }
        close(fd);
        return -1;
    }
    return fd;
}

bool snapshot_exists(const struct Snapshots *s, const char *name)
{
    g_autofree char *index = g_build_filename(name, SNAPSHOT_INDEX, NULL);
    return faccessat(s->folder, index, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int snapshot_open(const struct Snapshots *s, const char *name, Error **errp)
{
    int fd = snapshot_exists(s, name) ? openat(s->folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
                                      : -1;
    if (fd < 0) {
        error_setg(errp, "Snapshot '%s' does not exist in '%s'", name, s->path);
    }
    return fd;
}

char *snapshot_temp_new(const struct Snapshots *s, int *fd, Error **errp)
{
    g_autofree char *name = NULL;
    for (int tried = 0; tried < 100; tried++) {
        g_free(name);
        name = g_strdup_printf(TEMP_PREFIX "%08x", g_random_int());
        if (mkdirat(s->folder, name, 0700) == 0) {
            *fd = openat(s->folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            if (*fd >= 0) {
                return g_steal_pointer(&name);
            }
            unlinkat(s->folder, name, AT_REMOVEDIR);
            break;
        }
        if (errno != EEXIST) {
            break;
        }
    }
    error_setg_errno(errp, errno, "cannot make a folder in '%s'", s->path);
    return NULL;
}

bool snapshot_remove_folder(const struct Snapshots *s, const char *name, Error **errp)
{
    int fd = openat(s->folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (dir) {
        const struct dirent *entry;
        while ((entry = readdir(dir))) {
            unlinkat(fd, entry->d_name, 0);     /* not "." and "..", which rmdir does */
        }
        closedir(dir);
    } else if (fd >= 0) {
        close(fd);
    }
    if (unlinkat(s->folder, name, AT_REMOVEDIR) < 0) {
        error_setg_errno(errp, errno, "folder '%s' in '%s' cannot be removed", name, s->path);
        return false;
    }
    return true;
}

static bool sync_folder(const struct Snapshots *s, Error **errp)
{
    if (fsync(s->folder) < 0) {
        error_setg_errno(errp, errno, "snapshot folder '%s' cannot be synchronized", s->path);
        return false;
    }
    return true;
}

/* The old snapshot's contents go to temp. File systems without an exchange have it in two steps. */
static bool exchange(const struct Snapshots *s, const char *temp, const char *name)
{
    if (renameat2(s->folder, temp, s->folder, name, RENAME_EXCHANGE) == 0) {
        return true;
    }
    g_autofree char *old = g_strdup_printf("%s-old", temp);
    if ((errno != EINVAL && errno != ENOSYS) || renameat(s->folder, name, s->folder, old) < 0) {
        return false;
    }
    if (renameat(s->folder, temp, s->folder, name) < 0) {
        int saved = errno;
        renameat(s->folder, old, s->folder, name);
        errno = saved;
        return false;
    }
    renameat(s->folder, old, s->folder, temp);
    return true;
}

bool snapshot_publish(const struct Snapshots *s, const char *temp, const char *name, bool replace, Error **errp)
{
    bool swap = replace && snapshot_exists(s, name);
    bool ok = swap ? exchange(s, temp, name)
                   : renameat2(s->folder, temp, s->folder, name, RENAME_NOREPLACE) == 0;
    if (!ok && !swap && (errno == EINVAL || errno == ENOSYS)) {
        /* A rename onto a folder that is not empty fails anyhow. */
        ok = renameat(s->folder, temp, s->folder, name) == 0;
    }
    if (!ok) {
        error_setg_errno(errp, errno, "snapshot '%s' cannot be put into '%s'", name, s->path);
        return false;
    }
    if (swap) {
        snapshot_remove_folder(s, temp, NULL);
    }
    return sync_folder(s, errp);
}

bool snapshot_unpublish(const struct Snapshots *s, const char *name, Error **errp)
{
    int fd;
    g_autofree char *temp = snapshot_temp_new(s, &fd, errp);
    if (!temp) {
        return false;
    }
    close(fd);
    if (renameat(s->folder, name, s->folder, temp) < 0) {
        error_setg_errno(errp, errno, "snapshot '%s' cannot be removed", name);
        unlinkat(s->folder, temp, AT_REMOVEDIR);
        return false;
    }
    /* It is gone; what may be left of it is swept up next time. */
    return sync_folder(s, errp) && snapshot_remove_folder(s, temp, errp);
}

void snapshot_sweep(const struct Snapshots *s)
{
    int fd = openat(s->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        if (fd >= 0) {
            close(fd);
        }
        return;
    }
    const struct dirent *entry;
    while ((entry = readdir(dir))) {
        if (g_str_has_prefix(entry->d_name, TEMP_PREFIX)) {
            snapshot_remove_folder(s, entry->d_name, NULL);
        }
    }
    closedir(dir);
}
