/*
 * socket.c - migration over TCP and unix sockets.
 *
 * Floor F2; below it io/socket.h and descriptor channels.  No state; any thread.
 * Nothing waits that cannot be cancelled: names are looked up beside cancel_fd, sockets connect without
 * blocking, and the connected socket is made blocking again for the channel.
 * Invariant: when listen returns, every address of the name is listened on, under one port number.
 *
 * "tcp:HOST:PORT[,to=N][,ipv4=on|off][,ipv6=on|off]"; "[V6]" for an IPv6 address, an empty host for every
 * interface (or the loopback, when connecting).  "unix:PATH"; a leading '@' is the abstract name space.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "io/socket.h"
#include "migration/channel-internal.h"
#include "migration/resolve.h"

#define LISTEN_BACKLOG 1        /* one peer is awaited */
#define LISTEN_MAX 8            /* addresses of one name */
#define LISTEN_TRIES 8          /* to find a port that is free on each of them */
#define UNIX_RETRY_MS 10

/* ---- tcp: addresses ---- */

static bool parse_on_off(const char *value, json_t *args, const char *key, Error **errp)
{
    bool on = strcmp(value, "on") == 0;
    if (!on && strcmp(value, "off") != 0) {
        error_setg(errp, "tcp: %s=%.20s: on or off is expected", key, value);
        return false;
    }
    json_object_set_new(args, key, json_boolean(on));
    return true;
}

static bool tcp_parse_option(const char *option, json_t *args, Error **errp)
{
    guint64 to;
    const char *value = strchr(option, '=');
    value = value ? value + 1 : "";
    if (g_str_has_prefix(option, "to=")) {
        if (!g_ascii_string_to_unsigned(value, 10, 1, 65535, &to, NULL)) {
            error_setg(errp, "tcp: to=%.20s: a port from 1 to 65535 is expected", value);
            return false;
        }
        json_object_set_new(args, "to", json_integer(to));
        return true;
    }
    if (g_str_has_prefix(option, "ipv4=")) {
        return parse_on_off(value, args, "ipv4", errp);
    }
    if (g_str_has_prefix(option, "ipv6=")) {
        return parse_on_off(value, args, "ipv6", errp);
    }
    error_setg(errp, "tcp: '%.40s' is unexpected; there are to=, ipv4= and ipv6=", option);
    return false;
}

static bool tcp_parse(const char *rest, json_t *args, Error **errp)
{
    g_auto(GStrv) parts = g_strsplit(rest, ",", -1);
    bool ok = migration_args_set_inet(args, parts[0] ? parts[0] : "", "tcp", errp);
    for (char **option = parts + 1; ok && parts[0] && *option; option++) {
        ok = tcp_parse_option(*option, args, errp);
    }
    return ok;
}

static bool tcp_check(const json_t *args, Error **errp)
{
    static const MigrationArg keys[] = {
        { "host", JSON_STRING, true }, { "port", JSON_STRING, true },       { "to", JSON_INTEGER, false },
        { "ipv4", JSON_TRUE, false },  { "ipv6", JSON_TRUE, false },        { "keep-alive", JSON_TRUE, false },
        { NULL },
    };
    if (!migration_args_check(args, keys, "tcp", errp) || !migration_args_check_inet(args, "tcp", errp)) {
        return false;
    }
    json_int_t number = (json_int_t)g_ascii_strtoull(migration_args_str(args, "port"), NULL, 10);
    const json_t *to = json_object_get(args, "to");
    if (to && (json_integer_value(to) < MAX(number, 1) || json_integer_value(to) > 65535)) {
        error_setg(errp, "tcp: to=%lld must be from the port to 65535", (long long)json_integer_value(to));
        return false;
    }
    if (json_is_false(json_object_get(args, "ipv4")) && json_is_false(json_object_get(args, "ipv6"))) {
        error_setg(errp, "tcp: with ipv4=off and ipv6=off no address is left");
        return false;
    }
    return true;
}

static char *tcp_text(const json_t *args)
{
    const char *host = migration_args_str(args, "host"), *port = migration_args_str(args, "port");
    return g_strdup_printf(strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
}

/* As the -netdev and -chardev options: one family given as on, or the other as off, restricts to it. */
static int tcp_family(const json_t *args)
{
    const json_t *v4 = json_object_get(args, "ipv4"), *v6 = json_object_get(args, "ipv6");
    if (json_is_false(v4) || (json_is_true(v6) && !json_is_true(v4))) {
        return AF_INET6;
    }
    if (json_is_false(v6) || (json_is_true(v4) && !json_is_true(v6))) {
        return AF_INET;
    }
    return AF_UNSPEC;
}

static struct addrinfo *tcp_resolve(const MigrationAddress *address, bool passive, int cancel_fd, Error **errp)
{
    const ResolveQuery query = {
        .host = migration_args_str(address->args, "host"),
        .port = migration_args_str(address->args, "port"),
        .family = tcp_family(address->args),
        .passive = passive,
    };
    return migration_resolve(&query, cancel_fd, errp);
}

/* ---- connecting ---- */

static bool is_loopback(const struct sockaddr *sa)
{
    if (sa->sa_family == AF_INET) {
        return ntohl(((const struct sockaddr_in *)sa)->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    }
    if (sa->sa_family != AF_INET6) {
        return false;
    }
    const struct in6_addr *a = &((const struct sockaddr_in6 *)sa)->sin6_addr;
    return IN6_IS_ADDR_LOOPBACK(a) || (IN6_IS_ADDR_V4MAPPED(a) && a->s6_addr[12] == IN_LOOPBACKNET);
}

/*
 * Within one host there is no line whose speed could be probed: bbr's pacing only costs timers there, half of all
 * CPU time. It stays on in a connection that began with bbr, whatever the congestion control is later, so this is
 * done before connect(). To other hosts, and with any other default, the administrator's choice stands. reno needs
 * no privilege.
 */
static void unpace_loopback(int fd, const struct sockaddr *peer)
{
    char name[16] = "";
    socklen_t len = sizeof(name) - 1;
    if (is_loopback(peer) && getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &len) == 0 &&
        strcmp(name, "bbr") == 0 && setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5) < 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
    }
}

static void tcp_tune(int fd, const MigrationAddress *address)
{
    int on = 1;
    /* The last words of a handover are short and are waited for: they must not linger in the socket. */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (json_is_true(json_object_get(address->args, "keep-alive"))) {
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    }
}

/* Waits for a connect() under way. False with *errp set if cancelled; *result is the connect's errno. */
static bool wait_connected(int fd, int cancel_fd, const char *doing, int *result, Error **errp)
{
    socklen_t len = sizeof(*result);
    if (!migration_wait_fd(fd, POLLOUT, cancel_fd, -1, doing, errp)) {
        return false;
    }
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, result, &len) < 0) {
        *result = errno;
    }
    return true;
}

/* Starts one connect() and waits for it. False as above. */
static bool connect_wait(int fd, const struct addrinfo *ai, int cancel_fd, int *result, const char *doing,
                         Error **errp)
{
    for (;;) {
        *result = connect(fd, ai->ai_addr, ai->ai_addrlen) < 0 ? errno : 0;
        if (*result == EINPROGRESS || *result == EINTR) {
            return wait_connected(fd, cancel_fd, doing, result, errp);
        }
        if (*result != EAGAIN || ai->ai_family != AF_UNIX) {
            return true;
        }
        /* A unix listener whose queue is full gives no descriptor to wait for. */
        if (!migration_wait_fd(-1, 0, cancel_fd, UNIX_RETRY_MS, doing, errp)) {
            return false;
        }
    }
}

/* Tries the addresses one after the other; a blocking socket or -1. */
static int connect_any(const struct addrinfo *list, const char *name, int cancel_fd, Error **errp)
{
    g_autofree char *doing = g_strdup_printf("connecting to %s", name);
    int result = EADDRNOTAVAIL;
    for (const struct addrinfo *ai = list; ai; ai = ai->ai_next) {
        int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0) {
            result = errno;
            continue;
        }
        unpace_loopback(fd, ai->ai_addr);
        bool waited = connect_wait(fd, ai, cancel_fd, &result, doing, errp);
        if (waited && result == 0 && fd_set_nonblocking(fd, false, errp)) {
            return fd;
        }
        close(fd);
        if (!waited || result == 0) {
            return -1;
        }
    }
    error_setg_errno(errp, result, "cannot connect to %s", name);
    return -1;
}

static MigrationChannel *tcp_connect(const MigrationAddress *address, const MigrationConnectContext *ctx,
                                     Error **errp)
{
    struct addrinfo *list = tcp_resolve(address, false, ctx->cancel_fd, errp);
    if (!list) {
        return NULL;
    }
    int fd = connect_any(list, address->uri, ctx->cancel_fd, errp);
    freeaddrinfo(list);
    if (fd < 0) {
        return NULL;
    }
    tcp_tune(fd, address);
    return migration_channel_new_fds(address->uri, fd, fd);
}

/* ---- listening ---- */

typedef struct SocketListener {
    MigrationListener parent;
    int fds[LISTEN_MAX];
    unsigned n;
    bool keep_alive, is_tcp;
    char *path;             /* unix: to be removed at the end if it is still this socket */
    struct stat path_stat;
} SocketListener;

static void listener_close_fds(SocketListener *sl)
{
    for (unsigned i = 0; i < sl->n; i++) {
        close(sl->fds[i]);
    }
    sl->n = 0;
}

static void socket_listener_free(MigrationListener *l)
{
    SocketListener *sl = (SocketListener *)l;
    struct stat st;
    listener_close_fds(sl);
    if (sl->path && lstat(sl->path, &st) == 0 && st.st_ino == sl->path_stat.st_ino &&
        st.st_dev == sl->path_stat.st_dev) {
        unlink(sl->path);
    }
    g_free(sl->path);
    g_free(l->name);
    g_free(l);
}

/* The first connection that waits on any of the sockets; -1 without an error if there is none. */
static int accept_any(SocketListener *sl, Error **errp)
{
    Error *err = NULL;
    int fd = -1;
    for (unsigned i = 0; i < sl->n && fd < 0 && !err; i++) {
        fd = socket_accept(sl->fds[i], &err);
    }
    error_propagate(errp, err);
    return fd;
}

static bool wait_listeners(SocketListener *sl, int cancel_fd, Error **errp)
{
    struct pollfd p[LISTEN_MAX + 1] = { { .fd = cancel_fd, .events = POLLIN } };
    for (unsigned i = 0; i < sl->n; i++) {
        p[i + 1] = (struct pollfd){ .fd = sl->fds[i], .events = POLLIN };
    }
    while (poll(p, sl->n + 1, -1) < 0) {
        if (errno != EINTR) {
            error_setg_errno(errp, errno, "waiting on %s", sl->parent.name);
            return false;
        }
    }
    if (p[0].revents) {
        error_setg(errp, "waiting on %s was cancelled", sl->parent.name);
        return false;
    }
    return true;
}

static MigrationChannel *socket_listener_accept(MigrationListener *l, int cancel_fd, Error **errp)
{
    SocketListener *sl = (SocketListener *)l;
    int on = 1;
    for (;;) {
        Error *err = NULL;
        if (!wait_listeners(sl, cancel_fd, errp)) {
            return NULL;
        }
        int fd = accept_any(sl, &err);
        if (err) {
            error_propagate(errp, err);
            return NULL;
        }
        if (fd < 0) {
            continue;   /* who was there has gone again */
        }
        if (sl->is_tcp) {
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        }
        if (sl->keep_alive) {
            setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
        }
        return migration_channel_new_fds(l->name, fd, fd);
    }
}

static const MigrationListenerOps socket_listener_ops = {
    .accept = socket_listener_accept, .free = socket_listener_free,
};

static void set_port(struct sockaddr *sa, uint16_t port)
{
    if (sa->sa_family == AF_INET6) {
        ((struct sockaddr_in6 *)sa)->sin6_port = htons(port);
    } else {
        ((struct sockaddr_in *)sa)->sin_port = htons(port);
    }
}

static uint16_t get_port(const struct sockaddr *sa)
{
    return ntohs(sa->sa_family == AF_INET6 ? ((const struct sockaddr_in6 *)sa)->sin6_port
                                           : ((const struct sockaddr_in *)sa)->sin_port);
}

/* A listening socket on one address, or -1 with errno. */
static int listen_one(const struct addrinfo *ai, uint16_t port, bool v6_only)
{
    int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -1;
    }
    int on = 1, only = v6_only;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (ai->ai_family == AF_INET6) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only));
    }
    set_port(ai->ai_addr, port);
    if (bind(fd, ai->ai_addr, ai->ai_addrlen) < 0 || listen(fd, LISTEN_BACKLOG) < 0) {
        int err = errno;
        close(fd);
        errno = err;
        return -1;
    }
    return fd;
}

/*
 * Listens on every address of the list under one port (0: the kernel's choice for the first). An address whose
 * family this host does not have is left out. 0, or the errno of the address that could not be had.
 */
static int listen_all(SocketListener *sl, const struct addrinfo *list, uint16_t port, bool v6_only)
{
    int result = EADDRNOTAVAIL;
    for (const struct addrinfo *ai = list; ai && sl->n < LISTEN_MAX; ai = ai->ai_next) {
        int fd = listen_one(ai, port, v6_only);
        if (fd >= 0) {
            sl->fds[sl->n++] = fd;
            port = port ? port : socket_local_port(fd);
        } else {
            result = errno;
            if (result != EAFNOSUPPORT && result != EADDRNOTAVAIL) {
                listener_close_fds(sl);
                return result;
            }
        }
    }
    return sl->n ? 0 : result;
}

static bool has_family(const struct addrinfo *list, int family)
{
    while (list && list->ai_family != family) {
        list = list->ai_next;
    }
    return list;
}

/* Tries the ports one after the other. */
static bool listen_ports(SocketListener *sl, const struct addrinfo *list, const MigrationAddress *address,
                         Error **errp)
{
    unsigned first = get_port(list->ai_addr);
    unsigned last = MAX(first, (unsigned)json_integer_value(json_object_get(address->args, "to")));
    /* [::] alone takes both families; beside 0.0.0.0, or where IPv4 is not wanted, it must not. */
    bool v6_only = has_family(list, AF_INET) || tcp_family(address->args) == AF_INET6;
    int result = EADDRINUSE;
    if (first == 0) {
        /* The number that the kernel chose for one address may be taken on the next: ask again. */
        for (int i = 0; i < LISTEN_TRIES && result == EADDRINUSE; i++) {
            result = listen_all(sl, list, 0, v6_only);
        }
    }
    for (unsigned port = MAX(first, 1); port <= last && result == EADDRINUSE; port++) {
        result = listen_all(sl, list, port, v6_only);
    }
    if (result == 0) {
        return true;
    }
    if (last > first) {
        error_setg_errno(errp, result, "cannot listen on %s or a port up to %u", address->uri, last);
    } else {
        error_setg_errno(errp, result, "cannot listen on %s", address->uri);
    }
    return false;
}

static MigrationListener *tcp_listen(const MigrationAddress *address, const MigrationConnectContext *ctx,
                                     Error **errp)
{
    struct addrinfo *list = tcp_resolve(address, true, ctx->cancel_fd, errp);
    if (!list) {
        return NULL;
    }
    SocketListener *sl = g_new0(SocketListener, 1);
    sl->parent.ops = &socket_listener_ops;
    sl->is_tcp = true;
    sl->keep_alive = json_is_true(json_object_get(address->args, "keep-alive"));
    bool ok = listen_ports(sl, list, address, errp);
    freeaddrinfo(list);
    if (!ok) {
        socket_listener_free(&sl->parent);
        return NULL;
    }
    sl->parent.name = socket_local_text(sl->fds[0]);
    if (!sl->parent.name) {
        sl->parent.name = g_strdup(address->uri);
    }
    return &sl->parent;
}

const MigrationTransport migration_transport_tcp = {
    .scheme = "tcp",
    .transport = "socket",
    .type = "inet",
    .parse = tcp_parse,
    .check = tcp_check,
    .text = tcp_text,
    .connect = tcp_connect,
    .listen = tcp_listen,
};

/* ---- unix ---- */

static bool unix_parse(const char *rest, json_t *args, Error **errp)
{
    if (json_object_set_new(args, "path", json_stringn(rest, strlen(rest))) < 0) {
        error_setg(errp, "unix: the path is not UTF-8");
        return false;
    }
    return true;
}

static bool unix_check(const json_t *args, Error **errp)
{
    static const MigrationArg keys[] = { { "path", JSON_STRING, true }, { NULL } };
    if (!migration_args_check(args, keys, "unix", errp)) {
        return false;
    }
    SocketAddress *address = socket_address_new_unix(migration_args_str(args, "path"), errp);
    bool ok = address != NULL;
    socket_address_free(address);
    return ok;
}

static char *unix_text(const json_t *args)
{
    return g_strdup(migration_args_str(args, "path"));
}

static MigrationChannel *unix_connect(const MigrationAddress *address, const MigrationConnectContext *ctx,
                                      Error **errp)
{
    const char *path = migration_args_str(address->args, "path");
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    struct addrinfo ai = {
        .ai_family = AF_UNIX, .ai_addr = (struct sockaddr *)&un, .ai_addrlen = sizeof(un),
    };
    memcpy(un.sun_path, path, MIN(strlen(path), sizeof(un.sun_path) - 1));
    if (path[0] == '@') {
        un.sun_path[0] = '\0';
        ai.ai_addrlen = offsetof(struct sockaddr_un, sun_path) + strlen(path);
    }
    int fd = connect_any(&ai, address->uri, ctx->cancel_fd, errp);
    return fd < 0 ? NULL : migration_channel_new_fds(address->uri, fd, fd);
}

static MigrationListener *unix_listen(const MigrationAddress *address, const MigrationConnectContext *ctx,
                                      Error **errp)
{
    const char *path = migration_args_str(address->args, "path");
    SocketAddress *where = socket_address_new_unix(path, errp);
    int fd = where ? socket_listen(where, errp) : -1;
    socket_address_free(where);
    if (fd < 0) {
        return NULL;
    }
    SocketListener *sl = g_new0(SocketListener, 1);
    sl->parent.ops = &socket_listener_ops;
    sl->parent.name = g_strdup(address->uri);
    sl->fds[sl->n++] = fd;
    if (path[0] != '@' && lstat(path, &sl->path_stat) == 0) {
        sl->path = g_strdup(path);
    }
    return &sl->parent;
}

const MigrationTransport migration_transport_unix = {
    .scheme = "unix",
    .transport = "socket",
    .type = "unix",
    .parse = unix_parse,
    .check = unix_check,
    .text = unix_text,
    .connect = unix_connect,
    .listen = unix_listen,
};
