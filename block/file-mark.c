/*
 * file-mark.c - the mark beside an image file that keeps everybody from using it by mistake.
 *
 * Lobby; below it POSIX.  Machine lock held.
 * Invariant: a mark that has been set or removed is on the medium when the function returns, so that the order of
 * marks on two hosts is the order in which they were made.
 * Format owned: IMAGE.godwit-move, one line: the state's name, a blank, the time as ISO 8601, a newline.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "block/file.h"
#include "util/fdset.h"

static const struct {
    const char *name, *means;
} states[] = {
    [MIGRATION_DISK_GOOD] = { "good", "" },
    [MIGRATION_DISK_INCOMPLETE] = { "incomplete", "it is an incomplete copy: a machine was about to arrive here and did "
                                    "not. The source's image is the good one. To receive it again, start with "
                                    "-incoming" },
    [MIGRATION_DISK_READY] = { "ready", "it is a copy that was never started: the source had not yet handed its machine "
                               "over. The source's image is the good one. To receive it again, start with -incoming" },
    [MIGRATION_DISK_MOVING] = { "moving", "its machine was being handed over. Look beside the destination's image: if "
                                "there is a mark too, that one was never started and this is the good one; if there is "
                                "none, that is the good one" },
    [MIGRATION_DISK_MOVED] = { "moved", "its machine has moved away, and this image is old: the destination's image is the "
                               "good one" },
};

/* NULL for an image whose path is not a name in a folder. */
static char *mark_path(const BlockNode *bs)
{
    return fdset_is_path(bs->filename) ? NULL : g_strconcat(bs->filename, ".godwit-move", NULL);
}

/* Makes the folder's entries permanent. */
static bool sync_folder(const char *path)
{
    g_autofree char *folder = g_path_get_dirname(path);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && (fsync(fd) == 0 || errno == EINVAL);
    int saved = errno;
    if (fd >= 0) {
        close(fd);
    }
    errno = saved;
    return ok;
}

static bool write_mark(const char *path, MigrationDiskMark mark)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_utc();
    g_autofree char *when = g_date_time_format_iso8601(now);
    g_autofree char *line = g_strdup_printf("%s %s\n", states[mark].name, when);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    bool ok = fd >= 0 && write(fd, line, strlen(line)) == (ssize_t)strlen(line) && fsync(fd) == 0;
    int saved = errno;
    if (fd >= 0) {
        close(fd);
    }
    errno = saved;
    return ok && sync_folder(path);
}

bool file_mark(BlockNode *bs, MigrationDiskMark mark, Error **errp)
{
    g_autofree char *path = mark_path(bs);
    if (!path) {
        return true;
    }
    if (mark == MIGRATION_DISK_GOOD ? (unlink(path) == 0 ? sync_folder(path) : errno == ENOENT)
                                    : write_mark(path, mark)) {
        return true;
    }
    error_setg_errno(errp, errno, "The mark '%s', which says whose image is the good one, could not be %s", path,
                     mark == MIGRATION_DISK_GOOD ? "removed" : "written");
    return false;
}

bool file_mark_check(const BlockNode *bs, Error **errp)
{
    char line[64] = "";
    g_autofree char *path = mark_path(bs);
    FILE *f = path ? fopen(path, "re") : NULL;
    if (!f) {
        return true;
    }
    if (!fgets(line, sizeof(line), f)) {
        line[0] = 0;
    }
    fclose(f);
    /* A mark that was cut off by a crash, or of another version, still keeps people out. */
    const char *means = "what its mark means is not known here";
    for (size_t i = 0; i < G_N_ELEMENTS(states); i++) {
        size_t length = strlen(states[i].name);
        if (strncmp(line, states[i].name, length) == 0 && line[length] == ' ') {
            means = states[i].means;
        }
    }
    const char *time = strchr(g_strchomp(line), ' ');
    error_setg(errp, "image '%s' is marked by '%s'%s%s: %s. To use this image nevertheless, remove the mark",
               bs->filename, path, time ? " of" : "", time ? time : "", means);
    return false;
}
