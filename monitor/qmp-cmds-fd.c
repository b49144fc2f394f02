/*
 * qmp-cmds-fd.c - the commands by which a client passes file descriptors.
 *
 * Floor F6; below it the hub and util/fdset.  Main loop's thread, machine lock held.
 * Invariant: a descriptor that came with a command is in a table, in a set, or closed.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <inttypes.h>
#include <limits.h>
#include <unistd.h>

#include "monitor/hub.h"
#include "qapi/qapi-commands.h"

bool qmp_getfd(QmpContext *ctx, const GetfdArgs *args, Error **errp)
{
    int fd = monitor_take_fd(ctx->mon, errp);
    if (fd < 0) {
        return false;
    }
    /* Names stand beside numbers in URIs: fd:7 is a number, fd:migrate is a name. */
    if (args->fdname[0] == '\0' || g_ascii_isdigit(args->fdname[0])) {
        close(fd);
        error_setg(errp, "Parameter 'fdname' expects a name not starting with a digit");
        return false;
    }
    monitor_keep_fd(ctx->mon, args->fdname, fd);
    return true;
}

bool qmp_closefd(QmpContext *ctx, const ClosefdArgs *args, Error **errp)
{
    int fd = monitor_get_fd(ctx->mon, args->fdname, errp);
    if (fd < 0) {
        return false;
    }
    close(fd);
    return true;
}

bool qmp_add_fd(QmpContext *ctx, const AddFdArgs *args, AddfdInfo **ret, Error **errp)
{
    int64_t id = args->has_fdset_id ? args->fdset_id : -1;
    if (args->has_fdset_id && id < 0) {
        error_setg(errp, "Parameter 'fdset-id' expects a non-negative value");
        return false;
    }
    int fd = monitor_take_fd(ctx->mon, errp);
    if (fd < 0) {
        return false;
    }
    fdsets_add(monitor_hub_fdsets(ctx->hub), &id, fd, args->opaque);
    *ret = g_new0(AddfdInfo, 1);
    (*ret)->fdset_id = id;
    (*ret)->fd = fd;
    return true;
}

bool qmp_remove_fd(QmpContext *ctx, const RemoveFdArgs *args, Error **errp)
{
    if (args->has_fd && (args->fd < 0 || args->fd > INT_MAX)) {
        error_setg(errp, "File descriptor %" PRId64 " not found in set %" PRId64, args->fd,
                   args->fdset_id);
        return false;
    }
    return fdsets_remove(monitor_hub_fdsets(ctx->hub), args->fdset_id,
                         args->has_fd ? (int)args->fd : -1, errp);
}

/* Descriptors come ordered by set: each goes into the last set of the list or begins a new one. */
typedef struct FdsetsQuery {
    FdsetInfoList **sets;
    FdsetInfo *last;
    FdsetFdInfoList **fds;
} FdsetsQuery;

static void add_to_query(int64_t id, int fd, const char *opaque, void *user)
{
    FdsetsQuery *query = user;
    if (!query->last || query->last->fdset_id != id) {
        query->last = g_new0(FdsetInfo, 1);
        query->last->fdset_id = id;
        query->fds = &query->last->fds;
        QAPI_LIST_APPEND(query->sets, query->last);
    }
    FdsetFdInfo *info = g_new0(FdsetFdInfo, 1);
    info->fd = fd;
    info->opaque = g_strdup(opaque);
    QAPI_LIST_APPEND(query->fds, info);
}

bool qmp_query_fdsets(QmpContext *ctx, FdsetInfoList **ret, Error **errp)
{
    FdsetsQuery query = { .sets = ret };
    fdsets_foreach(monitor_hub_fdsets(ctx->hub), add_to_query, &query);
    return true;
}
