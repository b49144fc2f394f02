/*
 * file.c - migration into and out of a file.
 *
 * Floor F2; below it descriptor channels, descriptor sets and POSIX.  No state; any thread.
 * Invariant: what lies before the offset is never touched; what lies behind it is dropped before the first
 * byte is written, so that the end of the file is the end of the stream.
 *
 * "file:PATH[,offset=N]": N in bytes, decimal (with k, M, G, T: powers of 1024) or 0x hexadecimal.
 * PATH may be /dev/fdset/N (util/fdset.h), a device or a FIFO; an offset needs something that can seek.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "migration/channel-internal.h"
#include "system/machine.h"
#include "util/fdset.h"

#define FIFO_RETRY_MS 20

/* ---- the address ---- */

static bool parse_offset(const char *text, json_int_t *offset, Error **errp)
{
    static const char units[] = "kMGT";
    char *end = NULL;
    bool hex = g_str_has_prefix(text, "0x") || g_str_has_prefix(text, "0X");
    errno = 0;
    guint64 n = g_ascii_isdigit(text[0]) ? g_ascii_strtoull(text, &end, hex ? 16 : 10) : 0;
    unsigned shift = 0;
    if (end && !hex && *end && !end[1]) {
        const char *unit = strchr(units, *end == 'K' ? 'k' : *end);
        shift = unit ? 10 * (unit - units + 1) : 0;
        end += unit ? 1 : 0;
    }
    if (!end || *end || errno || n > (guint64)G_MAXINT64 >> shift) {
        error_setg(errp, "file: bad offset '%.40s'; a number of bytes is expected, such as 4096, 64k or 0x1000",
                   text);
        return false;
    }
    *offset = n << shift;
    return true;
}

static bool file_parse(const char *rest, json_t *args, Error **errp)
{
    json_int_t offset = 0;
    const char *option = g_strrstr(rest, ",offset=");
    if (option && !parse_offset(option + strlen(",offset="), &offset, errp)) {
        return false;
    }
    size_t len = option ? (size_t)(option - rest) : strlen(rest);
    if (json_object_set_new(args, "filename", json_stringn(rest, len)) < 0) {
        error_setg(errp, "file: the path is not UTF-8");
        return false;
    }
    json_object_set_new(args, "offset", json_integer(offset));
    return true;
}

static bool file_check(const json_t *args, Error **errp)
{
    static const MigrationArg keys[] = {
        { "filename", JSON_STRING, true }, { "offset", JSON_INTEGER, false }, { NULL },
    };
    if (!migration_args_check(args, keys, "file", errp)) {
        return false;
    }
    if (!migration_args_str(args, "filename")[0]) {
        error_setg(errp, "file: a path is expected");
        return false;
    }
    if (json_integer_value(json_object_get(args, "offset")) < 0) {
        error_setg(errp, "file: bad offset %lld; a number of bytes is expected",
                   (long long)json_integer_value(json_object_get(args, "offset")));
        return false;
    }
    return true;
}

static char *file_text(const json_t *args)
{
    long long offset = json_integer_value(json_object_get(args, "offset"));
    const char *path = migration_args_str(args, "filename");
    return offset ? g_strdup_printf("%s,offset=%lld", path, offset) : g_strdup(path);
}

/* ---- opening ---- */

/* The sets belong to the machine's lock, which this thread may hold or not. */
static int open_fdset(Machine *m, const char *path, int flags, Error **errp)
{
    if (!m || !m->fdsets) {
        error_setg(errp, "'%s': there are no descriptor sets; add-fd makes them", path);
        return -1;
    }
    bool locked = machine_locked(m);
    if (!locked) {
        machine_lock(m);
    }
    int fd = fdsets_open(m->fdsets, path, flags, errp);
    if (!locked) {
        machine_unlock(m);
    }
    return fd;
}

/* Opens without blocking on a FIFO: its other end is waited for beside cancel_fd. */
static int open_path(const char *path, int flags, int cancel_fd, Error **errp)
{
    for (;;) {
        /* RAM is in it: nobody else's business. */
        int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK, 0600);
        if (fd >= 0) {
            return fd;
        }
        struct stat st;
        if (errno != ENXIO || stat(path, &st) < 0 || !S_ISFIFO(st.st_mode)) {
            error_setg_errno(errp, errno, "cannot open '%s'", path);
            return -1;
        }
        g_autofree char *doing = g_strdup_printf("opening '%s'", path);
        if (!migration_wait_fd(-1, 0, cancel_fd, FIFO_RETRY_MS, doing, errp)) {
            return -1;
        }
    }
}

/* Moves to the offset; for output the rest of the file is cut off. */
static bool seek_to(int fd, const char *path, off_t offset, bool output, Error **errp)
{
    struct stat st;
    if (fstat(fd, &st) < 0 || S_ISDIR(st.st_mode)) {
        error_setg_errno(errp, EISDIR, "cannot use '%s'", path);
        return false;
    }
    if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)) {
        if (offset) {
            error_setg(errp, "'%s' is not a file or disk: offset=%lld cannot be reached", path,
                       (long long)offset);
        }
        return !offset;
    }
    if (S_ISREG(st.st_mode) && !output && offset > st.st_size) {
        error_setg(errp, "offset %lld is past the end of '%s', which has %lld bytes", (long long)offset, path,
                   (long long)st.st_size);
        return false;
    }
    if ((S_ISREG(st.st_mode) && output && ftruncate(fd, offset) < 0) || lseek(fd, offset, SEEK_SET) < 0) {
        error_setg_errno(errp, errno, "cannot go to offset %lld of '%s'", (long long)offset, path);
        return false;
    }
    return true;
}

static MigrationChannel *file_open(const MigrationAddress *address, const MigrationConnectContext *ctx,
                                   bool output, Error **errp)
{
    const char *path = migration_args_str(address->args, "filename");
    off_t offset = json_integer_value(json_object_get(address->args, "offset"));
    int fd = fdset_is_path(path)
                 ? open_fdset(ctx->machine, path, output ? O_WRONLY : O_RDONLY, errp)
                 : open_path(path, output ? O_WRONLY | O_CREAT : O_RDONLY, ctx->cancel_fd, errp);
    if (fd < 0) {
        return NULL;
    }
    if (!seek_to(fd, path, offset, output, errp)) {
        close(fd);
        return NULL;
    }
    MigrationChannel *ch = migration_channel_new_fds(address->uri, output ? -1 : fd, output ? fd : -1);
    ch->file_like = true;
    return ch;
}

static MigrationChannel *file_connect(const MigrationAddress *address, const MigrationConnectContext *ctx,
                                      Error **errp)
{
    return file_open(address, ctx, true, errp);
}

static MigrationListener *file_listen(const MigrationAddress *address, const MigrationConnectContext *ctx,
                                      Error **errp)
{
    MigrationChannel *ch = file_open(address, ctx, false, errp);
    return ch ? migration_listener_new_ready(ch) : NULL;
}

const MigrationTransport migration_transport_file = {
    .scheme = "file",
    .transport = "file",
    .parse = file_parse,
    .check = file_check,
    .text = file_text,
    .connect = file_connect,
    .listen = file_listen,
};
