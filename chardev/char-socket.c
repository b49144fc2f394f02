/*
 * char-socket.c - a stream socket as character device: server or client, tcp, unix or inherited.
 *
 * Lobby, private to chardev/; below it io/socket.  Main loop's thread, machine lock held.
 * Invariant: one peer at a time; a server listens again when its peer has gone.  While there is no peer,
 * output is dropped.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "chardev/char-priv.h"
#include "io/socket.h"
#include "system/clock.h"
#include "util/keyval.h"

typedef struct SocketChardev {
    SocketAddress *address;
    bool server;
    uint64_t reconnect_ms;      /* client: 0 never */
    int listener, fd;           /* -1: none */
    FDHandler *listen_handler, *handler;
    QEMUTimer *reconnect;
    char *own_path;             /* unix path that we made and remove */
} SocketChardev;

static void set_name(Chardev *chr)
{
    SocketChardev *s = chr->priv;
    g_autofree char *real = s->listener >= 0 ? socket_local_text(s->listener) : NULL;
    g_autofree char *asked = socket_address_text(s->address);
    chardev_set_filename(chr, "%s%s%s", s->fd >= 0 ? "" : "disconnected:", real ? real : asked,
                         s->server ? ",server=on" : "");
}

static void try_again_later(Chardev *chr)
{
    SocketChardev *s = chr->priv;
    if (!s->server && s->reconnect_ms) {
        timer_mod(s->reconnect, qemu_clock_get_ns(chr->machine, QEMU_CLOCK_REALTIME) +
                                    (int64_t)s->reconnect_ms * 1000000);
    }
}

static void socket_disconnect(Chardev *chr)
{
    SocketChardev *s = chr->priv;
    if (s->fd < 0) {
        return;
    }
    fd_handler_remove(s->handler);
    s->handler = NULL;
    close(s->fd);
    s->fd = -1;
    if (s->listen_handler) {
        fd_handler_set_events(s->listen_handler, G_IO_IN);
    }
    set_name(chr);
    chardev_set_open(chr, false);
    try_again_later(chr);
}

static void socket_readable(Chardev *chr)
{
    SocketChardev *s = chr->priv;
    uint8_t buf[4096];
    int fds[SOCKET_MAX_FDS];
    size_t nfds = 0, room = MIN(chardev_can_receive(chr), sizeof(buf));
    if (!room) {
        return;
    }
    ssize_t n = socket_recv(s->fd, buf, room, fds, &nfds);
    if (n > 0) {
        chardev_add_fds(chr, fds, nfds);
        chardev_receive(chr, buf, n);
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        socket_disconnect(chr);
    }
}

static void socket_ready(int fd, GIOCondition events, void *opaque)
{
    Chardev *chr = opaque;
    SocketChardev *s = chr->priv;
    if (events & G_IO_OUT) {
        chardev_writable(chr);
    }
    if (s->fd != fd) {
        return;     /* the front end hung up in its callback */
    }
    int waiting = 0;
    if (events & G_IO_IN) {
        socket_readable(chr);
    } else if (!(events & (G_IO_HUP | G_IO_ERR))) {
        return;
    } else if (ioctl(fd, FIONREAD, &waiting) == 0 && waiting > 0) {
        /* The peer has gone, but what it sent is still to be delivered when there is room. */
        fd_handler_set_events(s->handler, 0);
    } else {
        socket_disconnect(chr);
    }
}

static void socket_watch(Chardev *chr, bool input, bool output)
{
    SocketChardev *s = chr->priv;
    if (s->handler) {
        fd_handler_set_events(s->handler,
                              (input ? G_IO_IN : 0) | (output ? G_IO_OUT : 0) | G_IO_HUP);
    }
}

static size_t socket_write(Chardev *chr, const uint8_t *buf, size_t len)
{
    SocketChardev *s = chr->priv;
    if (s->fd < 0) {
        return len;
    }
    ssize_t n = socket_send(s->fd, buf, len);
    if (n < 0) {
        /* A peer that is gone is noticed by the read side; until then its bytes are lost. */
        return errno == EAGAIN ? 0 : len;
    }
    return n;
}

static void take_connection(Chardev *chr, int fd)
{
    SocketChardev *s = chr->priv;
    if (!fd_set_nonblocking(fd, true, NULL)) {
        close(fd);
        return;
    }
    s->fd = fd;
    s->handler = main_loop_add_fd(chr->machine->loop, fd, G_IO_HUP, socket_ready, chr);
    if (s->listen_handler) {
        fd_handler_set_events(s->listen_handler, 0);
    }
    set_name(chr);
    chardev_set_open(chr, true);
}

static void socket_accept_ready(int fd, GIOCondition events, void *opaque)
{
    Chardev *chr = opaque;
    Error *err = NULL;
    int peer = socket_accept(fd, &err);
    error_free(err);    /* a connection that failed before it was one; the next may come */
    if (peer >= 0) {
        take_connection(chr, peer);
    }
}

static void socket_reconnect(void *opaque)
{
    Chardev *chr = opaque;
    SocketChardev *s = chr->priv;
    int fd = socket_connect(s->address, NULL);
    if (fd >= 0) {
        take_connection(chr, fd);
    } else {
        try_again_later(chr);
    }
}

static SocketAddress *address_from_options(const json_t *options, Error **errp)
{
    const char *path = NULL, *host = "", *port = NULL, *fd_text = NULL;
    uint64_t to = 0, fd = 0;
    bool abstract = false;
    const json_t *fd_json = json_object_get(options, "fd");
    if (!keyval_get_str(options, "path", &path, errp) || !keyval_get_str(options, "host", &host, errp) ||
        !keyval_get_uint(options, "to", 65535, &to, errp) ||
        !keyval_get_bool(options, "abstract", &abstract, errp)) {
        return NULL;
    }
    g_autofree char *port_text = NULL;
    const json_t *port_json = json_object_get(options, "port");
    if (json_is_integer(port_json)) {
        port_text = g_strdup_printf("%" JSON_INTEGER_FORMAT, json_integer_value(port_json));
        port = port_text;
    } else if (!keyval_get_str(options, "port", &port, errp)) {
        return NULL;
    }
    if (!!path + !!port + !!fd_json != 1) {
        error_setg(errp, "a socket has either path=, or host= and port=, or fd=");
        return NULL;
    }
    if (fd_json) {
        fd_text = json_string_value(fd_json);
        if (fd_text ? !keyval_parse_uint(fd_text, G_MAXINT, &fd, errp)
                    : !keyval_get_uint(options, "fd", G_MAXINT, &fd, errp)) {
            return NULL;
        }
        return socket_address_new_fd((int)fd, errp);
    }
    if (path) {
        g_autofree char *full = abstract ? g_strconcat("@", path, NULL) : g_strdup(path);
        return socket_address_new_unix(full, errp);
    }
    g_autofree char *text = strchr(host, ':') && host[0] != '[' ? g_strdup_printf("[%s]:%s", host, port)
                                                                : g_strdup_printf("%s:%s", host, port);
    SocketAddress *address = socket_address_new_inet(text, errp);
    if (address && (!keyval_get_bool(options, "ipv4", &address->ipv4, errp) ||
                    !keyval_get_bool(options, "ipv6", &address->ipv6, errp))) {
        socket_address_free(address);
        return NULL;
    }
    if (address) {
        address->to = to;
    }
    return address;
}

/* server=on,wait=on: nothing starts before somebody has connected. */
static bool wait_for_peer(Chardev *chr, Error **errp)
{
    SocketChardev *s = chr->priv;
    struct pollfd p = { .fd = s->listener, .events = POLLIN };
    g_message("waiting for connection on: %s", chr->filename);
    while (s->fd < 0) {
        if (poll(&p, 1, -1) < 0 && errno != EINTR) {
            error_setg_errno(errp, errno, "chardev '%s': waiting for a connection", chr->id);
            return false;
        }
        Error *err = NULL;
        int peer = socket_accept(s->listener, &err);
        if (err) {
            error_propagate(errp, err);
            return false;
        }
        if (peer >= 0) {
            take_connection(chr, peer);
        }
    }
    return true;
}

static bool open_server(Chardev *chr, bool wait, Error **errp)
{
    SocketChardev *s = chr->priv;
    s->listener = socket_listen(s->address, errp);
    if (s->listener < 0) {
        return false;
    }
    if (s->address->type == SOCKET_ADDRESS_UNIX && s->address->path[0] != '@') {
        s->own_path = g_strdup(s->address->path);
    }
    set_name(chr);
    s->listen_handler = main_loop_add_fd(chr->machine->loop, s->listener, G_IO_IN, socket_accept_ready,
                                         chr);
    return !wait || wait_for_peer(chr, errp);
}

static bool open_client(Chardev *chr, Error **errp)
{
    SocketChardev *s = chr->priv;
    Error *err = NULL;
    int fd = socket_connect(s->address, &err);
    if (fd >= 0) {
        take_connection(chr, fd);
        return true;
    }
    set_name(chr);
    if (!s->reconnect_ms) {
        error_propagate(errp, err);
        return false;
    }
    error_free(err);
    try_again_later(chr);
    return true;
}

static bool socket_open(Chardev *chr, const json_t *options, Error **errp)
{
    SocketChardev *s = chr->priv;
    bool wait = true, nodelay = false, telnet = false;
    uint64_t reconnect_s = 0;
    s->listener = s->fd = -1;
    if (!keyval_get_bool(options, "server", &s->server, errp) ||
        !keyval_get_bool(options, "wait", &wait, errp) ||
        !keyval_get_bool(options, "nodelay", &nodelay, errp) ||
        !keyval_get_bool(options, "telnet", &telnet, errp) ||
        !keyval_get_uint(options, "reconnect", 3600, &reconnect_s, errp) ||
        !keyval_get_uint(options, "reconnect-ms", 3600000, &s->reconnect_ms, errp)) {
        return false;
    }
    if (telnet) {
        error_setg(errp, "telnet=on: the telnet protocol is not spoken; connect with a plain client");
        return false;
    }
    if (json_object_get(options, "wait") && !s->server) {
        error_setg(errp, "'wait' option is incompatible with socket in client mode; add server=on");
        return false;
    }
    if (reconnect_s) {
        s->reconnect_ms = reconnect_s * 1000;
    }
    if (s->server && s->reconnect_ms) {
        error_setg(errp, "'reconnect' option is incompatible with socket in server listen mode");
        return false;
    }
    s->address = address_from_options(options, errp);
    if (!s->address) {
        return false;
    }
    s->reconnect = timer_new_ns(chr->machine, QEMU_CLOCK_REALTIME, socket_reconnect, chr);
    return s->server ? open_server(chr, wait, errp) : open_client(chr, errp);
}

static void socket_close(Chardev *chr)
{
    SocketChardev *s = chr->priv;
    if (s->handler) {
        fd_handler_remove(s->handler);
    }
    if (s->listen_handler) {
        fd_handler_remove(s->listen_handler);
    }
    if (s->fd >= 0) {
        close(s->fd);
    }
    if (s->listener >= 0) {
        close(s->listener);
    }
    if (s->reconnect) {
        timer_free(s->reconnect);
    }
    if (s->own_path) {
        unlink(s->own_path);
    }
    g_free(s->own_path);
    socket_address_free(s->address);
}

static const char *const socket_keys[] = {
    "host", "port", "to", "ipv4", "ipv6", "path", "abstract", "fd", "server", "wait", "nodelay",
    "telnet", "reconnect", "reconnect-ms", NULL,
};

const ChardevClass chardev_socket = {
    .name = "socket", .keys = socket_keys, .priv_size = sizeof(SocketChardev), .open = socket_open,
    .write = socket_write, .watch = socket_watch, .disconnect = socket_disconnect,
    .close = socket_close,
};
