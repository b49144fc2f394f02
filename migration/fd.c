/*
 * fd.c - migration over a descriptor that the process has been given.
 *
 * Floor F2; below it descriptor channels.  No state; any thread.
 * "fd:NAME" is a descriptor of the monitor's getfd, looked up by the surface and handed down as named_fd;
 * "fd:NUMBER" is one that this process inherited.  A connected socket goes both ways; a pipe, a file or a
 * device one way, and a file is used from where it stands: a management program may have put a header before.
 * Invariant: only an inherited descriptor is taken by number.  Every one that this program makes is
 * close-on-exec, an inherited one cannot be; taken once, it is marked.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "migration/channel-internal.h"

static bool fd_parse(const char *rest, json_t *args, Error **errp)
{
    if (json_object_set_new(args, "str", json_string(rest)) < 0) {
        error_setg(errp, "fd: the name is not UTF-8");
        return false;
    }
    return true;
}

static bool fd_check(const json_t *args, Error **errp)
{
    static const MigrationArg keys[] = { { "str", JSON_STRING, true }, { NULL } };
    if (!migration_args_check(args, keys, "fd", errp)) {
        return false;
    }
    const char *str = migration_args_str(args, "str");
    guint64 number;
    if (!str[0]) {
        error_setg(errp, "fd: a name given by getfd or the number of an inherited descriptor is expected");
        return false;
    }
    if (g_ascii_isdigit(str[0]) && !g_ascii_string_to_unsigned(str, 10, 0, G_MAXINT, &number, NULL)) {
        error_setg(errp, "fd: '%.40s' is neither a number nor a name; names do not begin with a digit", str);
        return false;
    }
    return true;
}

static char *fd_text(const json_t *args)
{
    return g_strdup(migration_args_str(args, "str"));
}

/* The descriptor that the address means, or -1. *named: it is ours already, since getfd gave it. */
static int find_fd(const char *str, const MigrationConnectContext *ctx, bool *named, Error **errp)
{
    *named = !g_ascii_isdigit(str[0]);
    if (*named) {
        if (ctx->named_fd < 0) {
            error_setg(errp, "fd: there is no descriptor of the name '%.40s'; getfd gives names", str);
        }
        return ctx->named_fd;
    }
    int fd = g_ascii_strtoull(str, NULL, 10);
    int flags = fcntl(fd, F_GETFD);
    if (flags < 0) {
        error_setg_errno(errp, errno, "fd: descriptor %d was not inherited", fd);
        return -1;
    }
    if (flags & FD_CLOEXEC) {
        error_setg(errp, "fd: descriptor %d has not been inherited, or is in use already", fd);
        return -1;
    }
    return fd;
}

static bool check_socket(int fd, const char *uri, Error **errp)
{
    int type = 0, listening = 0;
    socklen_t len = sizeof(int);
    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len);
    len = sizeof(int);
    getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len);
    if (type != SOCK_STREAM || listening) {
        error_setg(errp, "%s is a %s socket; a connected stream socket is expected", uri,
                   listening ? "listening" : "message");
        return false;
    }
    return true;
}

/* What can be done with the descriptor; stores whether it is a socket. */
static bool check_fd(int fd, bool output, const char *uri, bool *is_socket, Error **errp)
{
    struct stat st;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fstat(fd, &st) < 0) {
        error_setg_errno(errp, errno, "cannot look at %s", uri);
        return false;
    }
    *is_socket = S_ISSOCK(st.st_mode);
    if (*is_socket) {
        return check_socket(fd, uri, errp);
    }
    if (S_ISDIR(st.st_mode) || (flags & O_PATH)) {
        error_setg(errp, "%s is a directory or a mere path; a socket, pipe or file is expected", uri);
        return false;
    }
    if ((flags & O_ACCMODE) == (output ? O_RDONLY : O_WRONLY)) {
        error_setg(errp, "%s is open for %s only, but the migration %s it", uri,
                   output ? "reading" : "writing", output ? "writes to" : "reads from");
        return false;
    }
    return true;
}

static MigrationChannel *fd_open(const MigrationAddress *address, const MigrationConnectContext *ctx,
                                 bool output, Error **errp)
{
    bool is_socket = false, named;
    int fd = find_fd(migration_args_str(address->args, "str"), ctx, &named, errp);
    if (!named && ctx->named_fd >= 0) {
        close(ctx->named_fd);
    }
    if (fd < 0) {
        return NULL;
    }
    if (!check_fd(fd, output, address->uri, &is_socket, errp)) {
        if (named) {
            close(fd);
        }
        return NULL;
    }
    fcntl(fd, F_SETFD, FD_CLOEXEC);     /* ours from now on */
    return migration_channel_new_fds(address->uri, is_socket || !output ? fd : -1,
                                     is_socket || output ? fd : -1);
}

static MigrationChannel *fd_connect(const MigrationAddress *address, const MigrationConnectContext *ctx,
                                    Error **errp)
{
    return fd_open(address, ctx, true, errp);
}

static MigrationListener *fd_listen(const MigrationAddress *address, const MigrationConnectContext *ctx,
                                    Error **errp)
{
    MigrationChannel *ch = fd_open(address, ctx, false, errp);
    return ch ? migration_listener_new_ready(ch) : NULL;
}

const MigrationTransport migration_transport_fd = {
    .scheme = "fd",
    .transport = "socket",
    .type = "fd",
    .parse = fd_parse,
    .check = fd_check,
    .text = fd_text,
    .connect = fd_connect,
    .listen = fd_listen,
};
