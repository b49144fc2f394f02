/*
 * dgram.c - -netdev dgram: a cable over datagrams, one frame each, UDP or a unix socket.
 *
 * Lobby; below it sockets and the main loop.
 * Threads and locks: the machine's lock; nothing waits.
 * Invariant: a frame is one datagram or is lost; there is neither order nor repetition.  Over UDP
 * only what comes from the remote address is taken.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/net-addr.h"
#include "net/net-int.h"
#include "system/machine.h"
#include "trace/net.h"
#include "util/iov.h"
#include "util/keyval.h"

#define FRAMES_A_WAKEUP 64      /* so that a flood leaves time for the rest of the machine */

typedef struct NetDgram {
    NetClientState *nc;
    int fd;
    FDHandler *io;
    char *unlink_path;
    struct sockaddr_storage remote;
    socklen_t remote_len;       /* 0: the socket is connected (fd) */
    bool check_source;
    uint8_t *in;
} NetDgram;

/* ---- frames ---- */

static bool dgram_from_remote(const NetDgram *s, const struct sockaddr_storage *from)
{
    if (!s->check_source || from->ss_family != s->remote.ss_family) {
        return !s->check_source;
    }
    if (from->ss_family == AF_INET6) {
        const struct sockaddr_in6 *a = (void *)from, *b = (void *)&s->remote;
        return a->sin6_port == b->sin6_port && memcmp(&a->sin6_addr, &b->sin6_addr, 16) == 0;
    }
    const struct sockaddr_in *a = (void *)from, *b = (void *)&s->remote;
    return a->sin_port == b->sin_port && a->sin_addr.s_addr == b->sin_addr.s_addr;
}

static void dgram_ready(int fd, GIOCondition events, void *opaque)
{
    NetDgram *s = opaque;
    (void)events;
    /* The source must be seen, so that recvfrom() and not read(). */
    for (unsigned i = 0; i < FRAMES_A_WAKEUP; i++) {
        struct sockaddr_storage from = { 0 };
        socklen_t from_len = sizeof(from);
        ssize_t n = recvfrom(fd, s->in, NET_PACKET_MAX, 0, (struct sockaddr *)&from, &from_len);
        if (n < 0 && errno == EAGAIN) {
            return;
        }
        if (n <= 0 || !dgram_from_remote(s, &from)) {
            /* An error here is the news that an earlier frame found nobody: lost, like others. */
            continue;
        }
        struct iovec iov = { .iov_base = s->in, .iov_len = n };
        if (net_send(s->nc, &iov, 1) == 0) {
            fd_handler_set_events(s->io, 0);
            return;
        }
    }
}

static void dgram_sent(NetClientState *nc)
{
    NetDgram *s = nc->opaque;
    fd_handler_set_events(s->io, G_IO_IN);
}

static size_t dgram_receive(NetClientState *nc, const struct iovec *iov, int niov)
{
    NetDgram *s = nc->opaque;
    size_t len = iov_size(iov, niov);
    g_autofree uint8_t *flat = niov == 1 ? NULL : g_malloc(len);
    const void *data = niov == 1 ? iov[0].iov_base : flat;
    if (flat) {
        iov_to_buf(iov, niov, 0, flat, len);
    }
    const struct sockaddr *to = s->remote_len ? (struct sockaddr *)&s->remote : NULL;
    /* A full socket loses the frame, as the datagram itself could be lost. */
    ssize_t n;
    do {
        n = sendto(s->fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT, to, s->remote_len);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        trace_net_drop(nc->name, len, g_strerror(errno));
    }
    return len;
}

static void dgram_cleanup(NetClientState *nc)
{
    NetDgram *s = nc->opaque;
    fd_handler_remove(s->io);
    if (s->fd >= 0) {
        close(s->fd);
    }
    if (s->unlink_path) {
        unlink(s->unlink_path);
    }
    g_free(s->unlink_path);
    g_free(s->in);
    g_free(s);
}

static const NetClientOps dgram_ops = {
    .type = "dgram",
    .receive = dgram_receive,
    .sent = dgram_sent,
    .cleanup = dgram_cleanup,
};

/* ---- addresses ---- */

static bool dgram_resolve(const SocketAddress *addr, int family, struct sockaddr_storage *out,
                          socklen_t *len, Error **errp)
{
    if (addr->type == SOCKET_ADDRESS_UNIX) {
        struct sockaddr_un *un = (struct sockaddr_un *)out;
        /* The address's maker has checked the length. */
        un->sun_family = AF_UNIX;
        g_strlcpy(un->sun_path, addr->path, sizeof(un->sun_path));
        *len = sizeof(*un);
        if (addr->path[0] == '@') {
            un->sun_path[0] = '\0';
            *len = offsetof(struct sockaddr_un, sun_path) + strlen(addr->path);
        }
        return true;
    }
    struct addrinfo hints = { .ai_socktype = SOCK_DGRAM, .ai_family = family }, *list = NULL;
    int rc = getaddrinfo(addr->host[0] ? addr->host : "127.0.0.1", addr->port, &hints, &list);
    if (rc != 0) {
        error_setg(errp, "address resolution failed for %s:%s: %s", addr->host, addr->port,
                   gai_strerror(rc));
        return false;
    }
    memcpy(out, list->ai_addr, list->ai_addrlen);
    *len = list->ai_addrlen;
    freeaddrinfo(list);
    return true;
}

static bool dgram_is_multicast(const struct sockaddr_storage *ss)
{
    if (ss->ss_family == AF_INET6) {
        return IN6_IS_ADDR_MULTICAST(&((const struct sockaddr_in6 *)ss)->sin6_addr);
    }
    return ss->ss_family == AF_INET &&
           IN_MULTICAST(ntohl(((const struct sockaddr_in *)ss)->sin_addr.s_addr));
}

static bool dgram_bind(NetDgram *s, const SocketAddress *local, const SocketAddress *remote,
                       Error **errp)
{
    struct sockaddr_storage here = { 0 };
    socklen_t here_len;
    if (local->type != remote->type) {
        error_setg(errp, "local and remote must be of the same type");
        return false;
    }
    if (!dgram_resolve(remote, AF_UNSPEC, &s->remote, &s->remote_len, errp) ||
        !dgram_resolve(local, s->remote.ss_family, &here, &here_len, errp)) {
        return false;
    }
    /* A group would need membership, loops and time-to-live; none of it is here. */
    if (dgram_is_multicast(&s->remote)) {
        error_setg(errp,
                   "a multicast group is not possible; remote is the address of one other machine");
        return false;
    }
    /* Unix sockets are guarded by the file system; anybody can send UDP. */
    s->check_source = remote->type == SOCKET_ADDRESS_INET;
    s->fd = socket(here.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s->fd < 0 || bind(s->fd, (struct sockaddr *)&here, here_len) < 0) {
        int saved = errno;
        g_autofree char *text = socket_address_text(local);
        error_setg_errno(errp, saved, "cannot bind a datagram socket to %s", text);
        return false;
    }
    if (local->type == SOCKET_ADDRESS_UNIX && local->path[0] != '@') {
        s->unlink_path = g_strdup(local->path);
    }
    return true;
}

static bool dgram_use_fd(NetDgram *s, int fd, Error **errp)
{
    int type;
    socklen_t len = sizeof(type);
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || type != SOCK_DGRAM) {
        error_setg(errp, "local.str: descriptor %d is not a datagram socket", fd);
        return false;
    }
    s->fd = fd;
    return fd_set_nonblocking(fd, true, errp);
}

static bool dgram_open(NetDgram *s, const json_t *options, Error **errp)
{
    static const char *const keys[] = { "type", "id", "local", "remote", NULL };
    const json_t *remote_options = json_object_get(options, "remote");
    if (!keyval_check_known(options, keys, "netdev dgram", errp)) {
        return false;
    }
    SocketAddress *local = net_addr_parse(json_object_get(options, "local"), "local", errp);
    if (!local) {
        return false;
    }
    SocketAddress *remote = NULL;
    bool ok = false;
    if (local->type == SOCKET_ADDRESS_FD) {
        if (remote_options) {
            error_setg(errp, "local.type=fd brings its own remote address; leave out remote");
        } else {
            ok = dgram_use_fd(s, local->fd, errp);
        }
    } else {
        remote = net_addr_parse(remote_options, "remote", errp);
        ok = remote && dgram_bind(s, local, remote, errp);
    }
    socket_address_free(local);
    socket_address_free(remote);
    return ok;
}

NetClientState *net_dgram_init(Machine *m, const char *id, const json_t *options, Error **errp)
{
    NetDgram *s = g_new0(NetDgram, 1);
    s->fd = -1;
    s->nc = net_client_new(m, &dgram_ops, id, s);
    if (!dgram_open(s, options, errp)) {
        net_client_free(s->nc);
        return NULL;
    }
    s->in = g_malloc(NET_PACKET_MAX);
    s->io = main_loop_add_fd(m->loop, s->fd, G_IO_IN, dgram_ready, s);
    g_autofree char *where = socket_local_text(s->fd);
    net_set_info(s->nc, g_strdup_printf("datagrams on %s", where ? where : "?"));
    return s->nc;
}
