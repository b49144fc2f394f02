/*
 * socket.c - stream sockets by address: IPv4, IPv6, unix, inherited.
 *
 * Floor F1 (io); below it POSIX.  No state, any thread.
 * Invariant: every descriptor made here is close-on-exec, received ones included.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "io/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define LISTEN_BACKLOG 16   /* that wait while the main loop is busy; a migration opens several */

/* ---- addresses ---- */

SocketAddress *socket_address_new_inet(const char *text, Error **errp)
{
    const char *host = text, *host_end, *colon;
    if (text[0] == '[') {
        host = text + 1;
        host_end = strchr(text, ']');
        colon = host_end ? host_end + 1 : NULL;
        if (!host_end || *colon != ':') {
            error_setg(errp, "address '%s': an IPv6 address is written [ADDRESS]:PORT", text);
            return NULL;
        }
    } else {
        colon = strrchr(text, ':');
        if (!colon) {
            error_setg(errp, "address '%s' has no port; it is written HOST:PORT", text);
            return NULL;
        }
        host_end = colon;
        if (memchr(text, ':', host_end - text)) {
            error_setg(errp, "address '%s': an IPv6 address is written [ADDRESS]:PORT", text);
            return NULL;
        }
    }
    if (!colon[1]) {
        error_setg(errp, "address '%s' has an empty port", text);
        return NULL;
    }
    SocketAddress *address = g_new0(SocketAddress, 1);
    address->type = SOCKET_ADDRESS_INET;
    address->host = g_strndup(host, host_end - host);
    address->port = g_strdup(colon + 1);
    address->fd = -1;
    return address;
}

SocketAddress *socket_address_new_unix(const char *path, Error **errp)
{
    struct sockaddr_un un;
    if (!path[0]) {
        error_setg(errp, "the path of a unix socket is empty");
        return NULL;
    }
    if (strlen(path) >= sizeof(un.sun_path)) {
        error_setg(errp, "unix socket path '%s' is longer than %zu bytes", path,
                   sizeof(un.sun_path) - 1);
        return NULL;
    }
    SocketAddress *address = g_new0(SocketAddress, 1);
    address->type = SOCKET_ADDRESS_UNIX;
    address->path = g_strdup(path);
    address->fd = -1;
    return address;
}

SocketAddress *socket_address_new_fd(int fd, Error **errp)
{
    struct stat st;
    if (fstat(fd, &st) < 0) {
        error_setg_errno(errp, errno, "descriptor %d", fd);
        return NULL;
    }
    if (!S_ISSOCK(st.st_mode)) {
        error_setg(errp, "descriptor %d is not a socket", fd);
        return NULL;
    }
    SocketAddress *address = g_new0(SocketAddress, 1);
    address->type = SOCKET_ADDRESS_FD;
    address->fd = fd;
    return address;
}

void socket_address_free(SocketAddress *address)
{
    if (address) {
        g_free(address->host);
        g_free(address->port);
        g_free(address->path);
        g_free(address);
    }
}

static char *inet_text(const char *host, const char *port)
{
    return g_strdup_printf(strchr(host, ':') ? "tcp:[%s]:%s" : "tcp:%s:%s", host, port);
}

char *socket_address_text(const SocketAddress *address)
{
    switch (address->type) {
    case SOCKET_ADDRESS_INET:
        return inet_text(address->host, address->port);
    case SOCKET_ADDRESS_UNIX:
        return g_strdup_printf("unix:%s", address->path);
    default:
        return g_strdup_printf("fd:%d", address->fd);
    }
}

static socklen_t unix_sockaddr(const char *path, struct sockaddr_un *un)
{
    memset(un, 0, sizeof(*un));
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, strlen(path));
    /* The abstract name space: no file, and the length says where the name ends. */
    if (path[0] == '@') {
        un->sun_path[0] = '\0';
        return offsetof(struct sockaddr_un, sun_path) + strlen(path);
    }
    return sizeof(*un);
}

/* ---- listening ---- */

/* Removes a socket that nobody listens on any more; one that is alive is left to make bind() fail. */
static void remove_stale_path(const char *path, const struct sockaddr_un *un, socklen_t len)
{
    struct stat st;
    if (path[0] == '@' || lstat(path, &st) < 0 || !S_ISSOCK(st.st_mode)) {
        return;
    }
    /* A datagram socket finds the other one, and makes no connection that it would have to handle. */
    int probe = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (probe < 0) {
        return;
    }
    if (connect(probe, (const struct sockaddr *)un, len) < 0 && errno == ECONNREFUSED) {
        unlink(path);
    }
    close(probe);
}

static int listen_unix(const char *path, Error **errp)
{
    struct sockaddr_un un;
    socklen_t len = unix_sockaddr(path, &un);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        error_setg_errno(errp, errno, "cannot make a unix socket");
        return -1;
    }
    remove_stale_path(path, &un, len);
    if (bind(fd, (struct sockaddr *)&un, len) < 0 || listen(fd, LISTEN_BACKLOG) < 0) {
        error_setg_errno(errp, errno, "cannot listen on unix:%s", path);
        close(fd);
        return -1;
    }
    return fd;
}

static struct addrinfo *resolve(const SocketAddress *address, bool passive, Error **errp)
{
    struct addrinfo hints = {
        .ai_socktype = SOCK_STREAM,
        .ai_flags = passive ? AI_PASSIVE : AI_ADDRCONFIG,
        .ai_family = address->ipv4 == address->ipv6 ? AF_UNSPEC
                     : address->ipv4                ? AF_INET
                                                    : AF_INET6,
    };
    struct addrinfo *list = NULL;
    const char *host = address->host[0] ? address->host : NULL;
    int rc = getaddrinfo(host, address->port, &hints, &list);
    if (rc == EAI_NONAME && !passive) {
        hints.ai_flags = 0;     /* a machine with nothing but a loopback has no "configured" family */
        rc = getaddrinfo(host, address->port, &hints, &list);
    }
    if (rc != 0) {
        error_setg(errp, "address resolution failed for %s:%s: %s", address->host, address->port,
                   gai_strerror(rc));
        return NULL;
    }
    return list;
}

static void sockaddr_set_port(struct sockaddr *sa, uint16_t port)
{
    if (sa->sa_family == AF_INET6) {
        ((struct sockaddr_in6 *)sa)->sin6_port = htons(port);
    } else {
        ((struct sockaddr_in *)sa)->sin_port = htons(port);
    }
}

static uint16_t sockaddr_port(const struct sockaddr *sa)
{
    return ntohs(sa->sa_family == AF_INET6 ? ((const struct sockaddr_in6 *)sa)->sin6_port
                                           : ((const struct sockaddr_in *)sa)->sin_port);
}

/* Tries one address on each port from its own up to `to`; errno tells of the last failure. */
static int listen_addrinfo(const struct addrinfo *ai, uint16_t to)
{
    int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, ai->ai_protocol);
    if (fd < 0) {
        return -1;
    }
    int on = 1, off = 0;
    /* Or a program started again would wait for the last one's connections to time out. */
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (ai->ai_family == AF_INET6) {
        /* One socket for both families: [::] takes IPv4 connections as well. */
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    }
    unsigned first = sockaddr_port(ai->ai_addr), last = MAX(first, to);
    for (unsigned port = first; port <= last; port++) {
        sockaddr_set_port(ai->ai_addr, port);
        if (bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen(fd, LISTEN_BACKLOG) == 0) {
            return fd;
        }
        /* Only a port that is taken makes the next one worth trying. */
        if (errno != EADDRINUSE) {
            break;
        }
    }
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

static int listen_inet(const SocketAddress *address, Error **errp)
{
    struct addrinfo *list = resolve(address, true, errp);
    if (!list) {
        return -1;
    }
    int fd = -1, saved = 0;
    /* IPv6 first: bound to the wildcard it serves both families. */
    for (int pass = 0; pass < 2 && fd < 0; pass++) {
        for (struct addrinfo *ai = list; ai && fd < 0; ai = ai->ai_next) {
            if ((ai->ai_family == AF_INET6) == (pass == 0)) {
                fd = listen_addrinfo(ai, address->to);
                saved = fd < 0 ? errno : 0;
            }
        }
    }
    freeaddrinfo(list);
    if (fd < 0) {
        g_autofree char *text = socket_address_text(address);
        error_setg_errno(errp, saved, "cannot listen on %s", text);
    }
    return fd;
}

int socket_listen(const SocketAddress *address, Error **errp)
{
    int fd;
    switch (address->type) {
    case SOCKET_ADDRESS_UNIX:
        return listen_unix(address->path, errp);
    case SOCKET_ADDRESS_INET:
        return listen_inet(address, errp);
    default:
        /* A duplicate: the inherited number stays as it is for whoever names it again. */
        fd = fcntl(address->fd, F_DUPFD_CLOEXEC, 0);
        if (fd < 0 || listen(fd, LISTEN_BACKLOG) < 0) {
            error_setg_errno(errp, errno, "cannot listen on inherited socket %d", address->fd);
            if (fd >= 0) {
                close(fd);
            }
            return -1;
        }
        if (!fd_set_nonblocking(fd, true, errp)) {
            close(fd);
            return -1;
        }
        return fd;
    }
}

/* ---- connecting ---- */

static int connect_sockaddr(int family, const struct sockaddr *sa, socklen_t len)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    int rc;
    do {
        rc = connect(fd, sa, len);
    } while (rc < 0 && errno == EINTR);
    if (rc < 0) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    int on = 1;
    /* Replies and handshakes are small and answered one by one: none may wait to be joined to the next. */
    if (family != AF_UNIX) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    }
    return fd;
}

static int connect_inet(const SocketAddress *address, Error **errp)
{
    struct addrinfo *list = resolve(address, false, errp);
    if (!list) {
        return -1;
    }
    int fd = -1;
    for (struct addrinfo *ai = list; ai && fd < 0; ai = ai->ai_next) {
        fd = connect_sockaddr(ai->ai_family, ai->ai_addr, ai->ai_addrlen);
    }
    int saved = errno;
    freeaddrinfo(list);
    if (fd < 0) {
        g_autofree char *text = socket_address_text(address);
        error_setg_errno(errp, saved, "cannot connect to %s", text);
    }
    return fd;
}

int socket_connect(const SocketAddress *address, Error **errp)
{
    struct sockaddr_un un;
    int fd;
    switch (address->type) {
    case SOCKET_ADDRESS_INET:
        return connect_inet(address, errp);
    case SOCKET_ADDRESS_UNIX:
        fd = connect_sockaddr(AF_UNIX, (struct sockaddr *)&un, unix_sockaddr(address->path, &un));
        if (fd < 0) {
            error_setg_errno(errp, errno, "cannot connect to unix:%s", address->path);
        }
        return fd;
    default:
        fd = fcntl(address->fd, F_DUPFD_CLOEXEC, 0);
        if (fd < 0) {
            error_setg_errno(errp, errno, "inherited socket %d", address->fd);
        }
        return fd;
    }
}

int socket_accept(int listener, Error **errp)
{
    int fd;
    do {
        fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    } while (fd < 0 && errno == EINTR);
    /* Gone again, or never there: no error, the next one comes. */
    if (fd < 0 && errno != EAGAIN && errno != ECONNABORTED) {
        error_setg_errno(errp, errno, "cannot accept a connection");
    }
    return fd;
}

/* ---- what a socket says of itself ---- */

char *socket_local_text(int fd)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof(ss);
    char host[NI_MAXHOST], port[NI_MAXSERV];
    if (getsockname(fd, (struct sockaddr *)&ss, &len) < 0) {
        return NULL;
    }
    if (ss.ss_family == AF_UNIX) {
        const struct sockaddr_un *un = (struct sockaddr_un *)&ss;
        return len > offsetof(struct sockaddr_un, sun_path) && un->sun_path[0]
                   ? g_strdup_printf("unix:%s", un->sun_path) : g_strdup("unix:");
    }
    if (getnameinfo((struct sockaddr *)&ss, len, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
        return NULL;
    }
    return inet_text(host, port);
}

uint16_t socket_local_port(int fd)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof(ss);
    if (getsockname(fd, (struct sockaddr *)&ss, &len) < 0 ||
        (ss.ss_family != AF_INET && ss.ss_family != AF_INET6)) {
        return 0;
    }
    return sockaddr_port((struct sockaddr *)&ss);
}

bool fd_set_nonblocking(int fd, bool on, Error **errp)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK) < 0) {
        error_setg_errno(errp, errno, "descriptor %d", fd);
        return false;
    }
    return true;
}

/* ---- bytes and descriptors ---- */

static void collect_fds(struct msghdr *msg, int *fds, size_t *nfds)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
            /* The kernel has opened them all: those that nobody takes must not stay open for ever. */
            if (fds && *nfds < SOCKET_MAX_FDS) {
                fds[(*nfds)++] = fd;
            } else {
                close(fd);
            }
        }
    }
}

ssize_t socket_recv(int fd, void *buf, size_t len, int *fds, size_t *nfds)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(SOCKET_MAX_FDS * sizeof(int))];
    } control;
    struct iovec iov = { .iov_base = buf, .iov_len = len };
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control),
    };
    ssize_t n;
    do {
        n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
    } while (n < 0 && errno == EINTR);
    if (nfds) {
        *nfds = 0;
    }
    if (n >= 0) {
        collect_fds(&msg, nfds ? fds : NULL, nfds);
    }
    return n;
}

ssize_t socket_send(int fd, const void *buf, size_t len)
{
    ssize_t n;
    do {
        n = send(fd, buf, len, MSG_NOSIGNAL);   /* EPIPE rather than a signal that ends the process */
    } while (n < 0 && errno == EINTR);
    return n;
}
