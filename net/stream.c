/*
 * stream.c - -netdev stream, and socket with listen= and connect=: a cable over a byte stream.
 *
 * Lobby; below it io/socket, net-addr.c and the main loop.
 * Threads and locks: the machine's lock; nothing waits.
 * Invariant: at most one connection at a time; a server does not accept while it has one.  At most
 * one frame is partly sent; while it is, further frames wait in the peer's queue.
 * Format: stream-frame.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/net-addr.h"
#include "net/net-int.h"
#include "net/stream-frame.h"
#include "system/clock.h"
#include "system/machine.h"
#include "trace/net.h"
#include "util/iov.h"
#include "util/keyval.h"

#define READ_SIZE (64 * 1024)
#define RECONNECT_MAX_MS 3600000

typedef struct NetStream {
    NetClientState *nc;
    SocketAddress *addr;
    bool server;
    uint64_t reconnect_ms;      /* 0: a lost connection is not made again */
    QEMUTimer *retry;
    int listen_fd;              /* -1: a client */
    FDHandler *listener;
    int fd;                     /* -1: not connected */
    FDHandler *io;
    bool connecting;            /* fd is not connected yet */
    bool paused;                /* a frame waits at the peer: nothing is read */
    StreamFrame in;
    uint8_t *out;               /* the frame that is being sent, header included */
    size_t out_len, out_sent;   /* out_len 0: none */
} NetStream;

static void stream_connect_again(NetStream *s);

/* ---- the connection ---- */

/* The one place that decides what is watched, from the state alone. */
static void stream_update_events(NetStream *s)
{
    GIOCondition events = 0;
    if (s->fd < 0) {
        return;
    }
    if (s->connecting) {
        events = G_IO_OUT;
    } else {
        events = (s->paused ? 0 : G_IO_IN) | (s->out_len ? G_IO_OUT : 0);
    }
    fd_handler_set_events(s->io, events);
}

static void stream_show(NetStream *s, const char *how)
{
    g_autofree char *text = socket_address_text(s->addr);
    trace_net_stream_connected(s->nc->name, how);
    net_set_info(s->nc, g_strdup_printf("%s %s", how, text));
}

static void stream_close(NetStream *s, const char *why)
{
    trace_net_stream_closed(s->nc->name, why);
    fd_handler_remove(s->io);
    s->io = NULL;
    close(s->fd);
    s->fd = -1;
    s->connecting = s->paused = false;
    s->out_len = s->out_sent = 0;
    stream_frame_reset(&s->in);
    /* The state is clean from here on; what follows may call back into this file. */
    stream_show(s, s->server ? "listening on" : "disconnected from");
    if (s->listener) {
        fd_handler_set_events(s->listener, G_IO_IN);
    } else if (s->reconnect_ms) {
        timer_mod(s->retry, qemu_clock_get_ns(s->nc->machine, QEMU_CLOCK_REALTIME) +
                  (int64_t)s->reconnect_ms * 1000000);
    }
    /* What waited for the connection goes nowhere now. */
    net_flush_queued(s->nc);
}

static bool stream_take_frame(void *opaque, const uint8_t *frame, size_t len)
{
    NetStream *s = opaque;
    struct iovec iov = { .iov_base = (void *)frame, .iov_len = len };
    if (net_send(s->nc, &iov, 1) == 0) {
        s->paused = true;
    }
    /* The answer to this frame may have found the connection broken. */
    return s->fd >= 0;
}

static void stream_readable(NetStream *s)
{
    static const char too_long[] = "a frame longer than any network has";
    /* As much as there is, up to a limit, and then back to the loop: other work waits too. */
    g_autofree uint8_t *buf = g_malloc(READ_SIZE);
    ssize_t n = socket_recv(s->fd, buf, READ_SIZE, NULL, NULL);
    if (n < 0 && errno == EAGAIN) {
        return;
    }
    if (n <= 0) {
        stream_close(s, n < 0 ? g_strerror(errno) : "closed by the other side");
        return;
    }
    if (!stream_frame_feed(&s->in, buf, n, stream_take_frame, s) && s->fd >= 0) {
        stream_close(s, too_long);
        return;
    }
    stream_update_events(s);
}

/* Sends what is left of the current frame. False if the connection is gone. */
static bool stream_push(NetStream *s)
{
    while (s->out_len) {
        ssize_t n = socket_send(s->fd, s->out + s->out_sent, s->out_len - s->out_sent);
        if (n < 0 && errno == EAGAIN) {
            break;
        }
        if (n < 0) {
            stream_close(s, g_strerror(errno));
            return false;
        }
        s->out_sent += n;
        if (s->out_sent == s->out_len) {
            s->out_len = s->out_sent = 0;
        }
    }
    stream_update_events(s);
    return true;
}

static void stream_connected(NetStream *s)
{
    s->connecting = false;
    stream_show(s, s->server ? "connection on" : "connected to");
    stream_update_events(s);
}

/* The socket has become writable: connected, or failed with a reason. */
static void stream_connect_done(NetStream *s)
{
    int error = 0;
    socklen_t len = sizeof(error);
    if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0) {
        error = errno;
    }
    if (error) {
        stream_close(s, g_strerror(error));
    } else {
        stream_connected(s);
    }
}

static void stream_ready(int fd, GIOCondition events, void *opaque)
{
    NetStream *s = opaque;
    (void)fd;
    if (s->connecting) {
        stream_connect_done(s);
        return;
    }
    /* Output first: it makes room for what waits in the queue. */
    if ((events & G_IO_OUT) && s->out_len) {
        if (!stream_push(s)) {
            return;
        }
        if (!s->out_len) {
            net_flush_queued(s->nc);
        }
    }
    if (s->fd >= 0 && !s->paused && (events & (G_IO_IN | G_IO_HUP | G_IO_ERR))) {
        stream_readable(s);
    } else if (s->fd >= 0 && s->paused && (events & (G_IO_HUP | G_IO_ERR))) {
        /* poll() reports these whether asked or not: without an end the loop would never sleep. */
        stream_close(s, "closed by the other side");
    }
}

static void stream_use_fd(NetStream *s, int fd, bool connecting)
{
    s->fd = fd;
    s->connecting = connecting;
    s->io = main_loop_add_fd(s->nc->machine->loop, fd, 0, stream_ready, s);
    if (connecting) {
        stream_update_events(s);
    } else {
        stream_connected(s);
    }
}

static void stream_accept(int listener, GIOCondition events, void *opaque)
{
    NetStream *s = opaque;
    (void)events;
    int fd = socket_accept(listener, NULL);
    if (fd < 0) {
        return;
    }
    if (!fd_set_nonblocking(fd, true, NULL)) {
        close(fd);
        return;
    }
    /* Further callers wait in the kernel's queue until this one has gone. */
    fd_handler_set_events(s->listener, 0);
    stream_use_fd(s, fd, false);
}

static void stream_retry(void *opaque)
{
    stream_connect_again(opaque);
}

static void stream_connect_again(NetStream *s)
{
    /* Never socket_connect(): a host that does not answer would hold up the machine. */
    bool pending;
    int fd = net_addr_connect_start(s->addr, &pending, NULL);
    if (fd >= 0) {
        stream_use_fd(s, fd, pending);
    } else {
        timer_mod(s->retry, qemu_clock_get_ns(s->nc->machine, QEMU_CLOCK_REALTIME) +
                  (int64_t)s->reconnect_ms * 1000000);
    }
}

/* ---- the client ---- */

static bool stream_can_receive(NetClientState *nc)
{
    const NetStream *s = nc->opaque;
    /* Without a connection frames are dropped rather than kept. */
    return s->fd < 0 || s->out_len == 0;
}

static size_t stream_receive(NetClientState *nc, const struct iovec *iov, int niov)
{
    NetStream *s = nc->opaque;
    size_t len = iov_size(iov, niov);
    /* A cable that is not plugged in loses frames. */
    if (s->fd < 0 || s->connecting) {
        return len;
    }
    if (!s->out) {
        s->out = g_malloc(STREAM_FRAME_HEADER + NET_PACKET_MAX);
    }
    stream_frame_put_header(s->out, len);
    iov_to_buf(iov, niov, 0, s->out + STREAM_FRAME_HEADER, len);
    s->out_len = STREAM_FRAME_HEADER + len;
    /* What the kernel does not take now goes when the socket is writable; the frame is taken. */
    stream_push(s);
    return len;
}

/* The peer has emptied its queue: reading goes on. */
static void stream_sent(NetClientState *nc)
{
    NetStream *s = nc->opaque;
    s->paused = false;
    stream_update_events(s);
}

static void stream_cleanup(NetClientState *nc)
{
    NetStream *s = nc->opaque;
    fd_handler_remove(s->io);
    fd_handler_remove(s->listener);
    if (s->fd >= 0) {
        close(s->fd);
    }
    if (s->listen_fd >= 0) {
        close(s->listen_fd);
        if (s->addr->type == SOCKET_ADDRESS_UNIX && s->addr->path[0] != '@') {
            unlink(s->addr->path);
        }
    }
    timer_free(s->retry);
    socket_address_free(s->addr);
    stream_frame_reset(&s->in);
    g_free(s->out);
    g_free(s);
}

static const NetClientOps stream_ops = {
    .type = "stream",
    .receive = stream_receive,
    .can_receive = stream_can_receive,
    .sent = stream_sent,
    .cleanup = stream_cleanup,
};

static const NetClientOps socket_ops = {
    .type = "socket",
    .receive = stream_receive,
    .can_receive = stream_can_receive,
    .sent = stream_sent,
    .cleanup = stream_cleanup,
};

/* ---- options ---- */

static bool stream_listen(NetStream *s, Error **errp)
{
    s->listen_fd = socket_listen(s->addr, errp);
    if (s->listen_fd < 0) {
        return false;
    }
    s->listener = main_loop_add_fd(s->nc->machine->loop, s->listen_fd, G_IO_IN, stream_accept, s);
    g_autofree char *where = socket_local_text(s->listen_fd);
    net_set_info(s->nc, g_strdup_printf("listening on %s", where ? where : "?"));
    return true;
}

/* The first connection: without reconnect the user wants to know now that there is none. */
static bool stream_connect(NetStream *s, Error **errp)
{
    if (s->reconnect_ms) {
        stream_connect_again(s);
        return true;
    }
    int fd = socket_connect(s->addr, errp);
    if (fd < 0) {
        return false;
    }
    if (!fd_set_nonblocking(fd, true, errp)) {
        close(fd);
        return false;
    }
    stream_use_fd(s, fd, false);
    return true;
}

/* Takes addr. */
static NetClientState *stream_start(Machine *m, const char *id, const NetClientOps *ops,
                                    NetStream *s, Error **errp)
{
    s->nc = net_client_new(m, ops, id, s);
    s->fd = s->listen_fd = -1;
    s->retry = timer_new_ns(m, QEMU_CLOCK_REALTIME, stream_retry, s);
    if (s->server ? !stream_listen(s, errp) : !stream_connect(s, errp)) {
        net_client_free(s->nc);
        return NULL;
    }
    return s->nc;
}

static bool stream_read_reconnect(NetStream *s, const json_t *options, Error **errp)
{
    uint64_t seconds = 0;
    if (!keyval_get_uint(options, "reconnect", RECONNECT_MAX_MS / 1000, &seconds, errp) ||
        !keyval_get_uint(options, "reconnect-ms", RECONNECT_MAX_MS, &s->reconnect_ms, errp)) {
        return false;
    }
    if (seconds && s->reconnect_ms) {
        error_setg(errp, "reconnect and reconnect-ms cannot be used together");
        return false;
    }
    if (seconds) {
        s->reconnect_ms = seconds * 1000;
    }
    if (s->reconnect_ms && (s->server || s->addr->type == SOCKET_ADDRESS_FD)) {
        error_setg(errp,
                   "reconnect is for a client that knows an address (server=off, addr.type=inet or "
                   "unix)");
        return false;
    }
    return true;
}

NetClientState *net_stream_init(Machine *m, const char *id, const json_t *options, Error **errp)
{
    static const char *const keys[] = { "type",      "id",           "server", "addr",
                                        "reconnect", "reconnect-ms", NULL };
    NetStream *s = g_new0(NetStream, 1);
    if (keyval_check_known(options, keys, "netdev stream", errp) &&
        keyval_get_bool(options, "server", &s->server, errp)) {
        s->addr = net_addr_parse(json_object_get(options, "addr"), "addr", errp);
    }
    if (!s->addr || !stream_read_reconnect(s, options, errp)) {
        socket_address_free(s->addr);
        g_free(s);
        return NULL;
    }
    return stream_start(m, id, &stream_ops, s, errp);
}

/* "HOST:PORT", ":PORT" or "PORT". */
static SocketAddress *socket_parse_place(const char *text, Error **errp)
{
    g_autofree char *full = strchr(text, ':') ? g_strdup(text) : g_strconcat(":", text, NULL);
    return socket_address_new_inet(full, errp);
}

/* udp=REMOTE,localaddr=LOCAL is what dgram does. */
static NetClientState *socket_as_dgram(Machine *m, const char *id, const char *remote_text,
                                       const char *local_text, Error **errp)
{
    if (!local_text) {
        error_setg(errp, "netdev socket with udp= needs localaddr= as well");
        return NULL;
    }
    SocketAddress *remote = socket_parse_place(remote_text, errp);
    SocketAddress *local = remote ? socket_parse_place(local_text, errp) : NULL;
    NetClientState *nc = NULL;
    if (local) {
        json_t *options = json_pack("{ss ss s{ss ss ss} s{ss ss ss}}", "type", "dgram", "id", id,
                                    "remote", "type", "inet", "host", remote->host, "port",
                                    remote->port, "local", "type", "inet", "host", local->host,
                                    "port", local->port);
        nc = net_dgram_init(m, id, options, errp);
        json_decref(options);
    }
    socket_address_free(remote);
    socket_address_free(local);
    return nc;
}

NetClientState *net_socket_init(Machine *m, const char *id, const json_t *options, Error **errp)
{
    static const char *const keys[] = { "type", "id", "fd", "listen", "connect", "mcast", "udp",
                                        "localaddr", NULL };
    const char *listen = NULL, *connect = NULL, *udp = NULL, *local = NULL;
    const json_t *fd_value = json_object_get(options, "fd");
    int fd;
    if (!keyval_check_known(options, keys, "netdev socket", errp) ||
        !keyval_get_str(options, "listen", &listen, errp) ||
        !keyval_get_str(options, "connect", &connect, errp) ||
        !keyval_get_str(options, "udp", &udp, errp) ||
        !keyval_get_str(options, "localaddr", &local, errp)) {
        return NULL;
    }
    if (json_object_get(options, "mcast")) {
        error_setg(errp,
                   "mcast is not available; connect two machines with netdev stream or dgram, or "
                   "several with tap");
        return NULL;
    }
    /* Each is a different cable. */
    if (!!listen + !!connect + !!udp + !!fd_value != 1) {
        error_setg(errp, "netdev socket needs exactly one of listen=, connect=, udp= and fd=");
        return NULL;
    }
    if (udp) {
        return socket_as_dgram(m, id, udp, local, errp);
    }
    NetStream *s = g_new0(NetStream, 1);
    s->server = listen != NULL;
    if (fd_value) {
        s->addr = net_addr_parse_fd(fd_value, "fd", &fd, errp) ? socket_address_new_fd(fd, errp)
                                                               : NULL;
    } else {
        s->addr = socket_parse_place(listen ? listen : connect, errp);
    }
    if (!s->addr) {
        g_free(s);
        return NULL;
    }
    return stream_start(m, id, &socket_ops, s, errp);
}
