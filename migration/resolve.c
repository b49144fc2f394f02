/*
 * resolve.c - host names to addresses, with a way to give up waiting.
 *
 * Floor F2; below it the C library.
 * Threads: getaddrinfo() cannot be interrupted and may take half a minute.  Numbers are resolved in place; a
 * name is asked for on a thread of its own, which the caller leaves behind when it is cancelled.  The two share
 * a Lookup; whoever lets go of it last frees it.
 * Invariant: `list` and `rc` belong to the thread until it has written to done_fd, to the caller after that.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "migration/resolve.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "migration/channel-internal.h"
#include "util/thread.h"

typedef struct Lookup {
    atomic_int refs;
    int done_fd;
    char *host, *port;
    struct addrinfo hints;
    int rc, os_errno;
    struct addrinfo *list;
} Lookup;

static void lookup_unref(Lookup *l)
{
    if (atomic_fetch_sub(&l->refs, 1) > 1) {
        return;
    }
    if (l->list) {
        freeaddrinfo(l->list);
    }
    if (l->done_fd >= 0) {
        close(l->done_fd);
    }
    g_free(l->host);
    g_free(l->port);
    g_free(l);
}

static void lookup_run(Lookup *l)
{
    const char *host = l->host[0] ? l->host : NULL;
    l->rc = getaddrinfo(host, l->port, &l->hints, &l->list);
    if (l->rc != 0 && (l->hints.ai_flags & AI_ADDRCONFIG)) {
        /* A machine with nothing but a loopback has no "configured" family. */
        l->hints.ai_flags &= ~AI_ADDRCONFIG;
        l->rc = getaddrinfo(host, l->port, &l->hints, &l->list);
    }
    l->os_errno = errno;
}

static gpointer lookup_thread(gpointer opaque)
{
    Lookup *l = opaque;
    uint64_t one = 1;
    lookup_run(l);
    (void)!write(l->done_fd, &one, sizeof(one));
    lookup_unref(l);
    return NULL;
}

static Lookup *lookup_new(const ResolveQuery *query)
{
    Lookup *l = g_new0(Lookup, 1);
    l->refs = 1;
    l->done_fd = -1;
    l->host = g_strdup(query->host);
    l->port = g_strdup(query->port);
    l->hints.ai_socktype = SOCK_STREAM;
    l->hints.ai_family = query->family;
    l->hints.ai_flags = query->passive ? AI_PASSIVE : AI_ADDRCONFIG;
    return l;
}

/* Runs the lookup on a thread and waits for it or for cancel_fd. */
static bool lookup_wait(Lookup *l, int cancel_fd, Error **errp)
{
    uint64_t count;
    l->done_fd = eventfd(0, EFD_CLOEXEC);
    if (l->done_fd < 0) {
        error_setg_errno(errp, errno, "cannot look up %s", l->host);
        return false;
    }
    atomic_fetch_add(&l->refs, 1);
    GThread *thread = thread_new("mig/resolve", lookup_thread, l, errp);
    if (!thread) {
        lookup_unref(l);
        return false;
    }
    g_thread_unref(thread);
    g_autofree char *doing = g_strdup_printf("looking up %s", l->host);
    return migration_wait_fd(l->done_fd, POLLIN, cancel_fd, -1, doing, errp) &&
           read(l->done_fd, &count, sizeof(count)) == sizeof(count);
}

struct addrinfo *migration_resolve(const ResolveQuery *query, int cancel_fd, Error **errp)
{
    Lookup *l = lookup_new(query);
    struct addrinfo *list = NULL;
    int flags = l->hints.ai_flags;
    l->hints.ai_flags = (flags & AI_PASSIVE) | AI_NUMERICHOST;
    lookup_run(l);
    bool known = true;
    if (l->rc == EAI_NONAME && query->host[0]) {
        l->hints.ai_flags = flags;
        known = lookup_wait(l, cancel_fd, errp);
    }
    if (known && l->rc == 0) {
        list = g_steal_pointer(&l->list);
    } else if (known) {
        error_setg(errp, "address resolution failed for %s:%s: %s", query->host, query->port,
                   l->rc == EAI_SYSTEM ? g_strerror(l->os_errno) : gai_strerror(l->rc));
    }
    lookup_unref(l);
    return list;
}
