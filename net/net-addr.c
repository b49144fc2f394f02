/*
 * net-addr.c - addresses of stream and dgram back ends, and connecting without waiting.
 *
 * Lobby; below it io/socket.  No state; machine lock held.
 * Format owned: {"type": "inet", "host", "port"}, {"type": "unix", "path"}, {"type": "fd", "str"};
 * on the command line addr.type=inet,addr.host=…,addr.port=….
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "net/net-addr.h"

#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/keyval.h"

static SocketAddress *net_addr_parse_inet(const json_t *addr, const char *what, Error **errp)
{
    static const char *const keys[] = { "type", "host", "port", "ipv4", "ipv6", "to", "keep-alive",
                                        "numeric", NULL };
    const char *host = NULL;
    uint64_t port = 0;
    const json_t *port_value = json_object_get(addr, "port");
    bool ipv4 = false, ipv6 = false;
    if (!keyval_check_known(addr, keys, what, errp) || !keyval_get_str(addr, "host", &host, errp) ||
        !keyval_get_bool(addr, "ipv4", &ipv4, errp) ||
        !keyval_get_bool(addr, "ipv6", &ipv6, errp) ||
        !keyval_get_uint(addr, "port", 65535, &port, errp)) {
        return NULL;
    }
    if (!host || !port_value) {
        error_setg(errp, "%s of type inet needs host and port", what);
        return NULL;
    }
    SocketAddress *out = g_new0(SocketAddress, 1);
    out->type = SOCKET_ADDRESS_INET;
    out->host = g_strdup(host);
    out->port = g_strdup_printf("%u", (unsigned)port);
    out->ipv4 = ipv4;
    out->ipv6 = ipv6;
    out->fd = -1;
    return out;
}

static SocketAddress *net_addr_parse_unix(const json_t *addr, const char *what, Error **errp)
{
    static const char *const keys[] = { "type", "path", "abstract", "tight", NULL };
    const char *path = NULL;
    bool abstract = false;
    if (!keyval_check_known(addr, keys, what, errp) || !keyval_get_str(addr, "path", &path, errp) ||
        !keyval_get_bool(addr, "abstract", &abstract, errp)) {
        return NULL;
    }
    if (!path) {
        error_setg(errp, "%s of type unix needs path", what);
        return NULL;
    }
    g_autofree char *name = abstract ? g_strconcat("@", path, NULL) : g_strdup(path);
    return socket_address_new_unix(name, errp);
}

bool net_addr_parse_fd(const json_t *value, const char *what, int *fd, Error **errp)
{
    uint64_t number;
    if (json_is_integer(value) && json_integer_value(value) >= 0 &&
        json_integer_value(value) <= INT32_MAX) {
        *fd = json_integer_value(value);
        return true;
    }
    if (json_is_string(value) &&
        keyval_parse_uint(json_string_value(value), INT32_MAX, &number, NULL)) {
        *fd = number;
        return true;
    }
    error_setg(errp, "%s must be the number of an inherited descriptor", what);
    return false;
}

SocketAddress *net_addr_parse(const json_t *addr, const char *what, Error **errp)
{
    const char *type = NULL;
    int fd;
    if (!json_is_object(addr)) {
        error_setg(
            errp,
            "%s is missing: %s.type is inet, unix or fd, and %s.host and %s.port, %s.path or "
            "%s.str say where",
            what, what, what, what, what, what);
        return NULL;
    }
    if (!keyval_get_str(addr, "type", &type, errp)) {
        return NULL;
    }
    if (type && strcmp(type, "inet") == 0) {
        return net_addr_parse_inet(addr, what, errp);
    }
    if (type && strcmp(type, "unix") == 0) {
        return net_addr_parse_unix(addr, what, errp);
    }
    if (type && strcmp(type, "fd") == 0) {
        const json_t *str = json_object_get(addr, "str");
        return net_addr_parse_fd(str, what, &fd, errp) ? socket_address_new_fd(fd, errp) : NULL;
    }
    error_setg(errp, "%s.type '%s' is not inet, unix or fd", what, type ? type : "");
    return NULL;
}

/* ---- connecting ---- */

static int net_addr_try(int family, const struct sockaddr *sa, socklen_t len, bool *pending)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -1;
    }
    *pending = false;
    if (connect(fd, sa, len) < 0) {
        *pending = errno == EINPROGRESS;
        if (!*pending) {
            int saved = errno;
            close(fd);
            errno = saved;
            return -1;
        }
    }
    return fd;
}

static int net_addr_connect_unix(const SocketAddress *addr, bool *pending)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    socklen_t len = sizeof(un);
    if (strlen(addr->path) >= sizeof(un.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(un.sun_path, addr->path);
    if (addr->path[0] == '@') {
        un.sun_path[0] = '\0';
        len = offsetof(struct sockaddr_un, sun_path) + strlen(addr->path);
    }
    return net_addr_try(AF_UNIX, (struct sockaddr *)&un, len, pending);
}

static int net_addr_connect_inet(const SocketAddress *addr, bool *pending)
{
    struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list = NULL;
    int fd = -1, saved = EHOSTUNREACH;
    if (addr->ipv4 != addr->ipv6) {
        hints.ai_family = addr->ipv4 ? AF_INET : AF_INET6;
    }
    if (getaddrinfo(addr->host, addr->port, &hints, &list) != 0) {
        errno = saved;
        return -1;
    }
    for (struct addrinfo *ai = list; ai && fd < 0; ai = ai->ai_next) {
        fd = net_addr_try(ai->ai_family, ai->ai_addr, ai->ai_addrlen, pending);
        saved = errno;
    }
    freeaddrinfo(list);
    errno = saved;
    return fd;
}

int net_addr_connect_start(const SocketAddress *addr, bool *pending, Error **errp)
{
    int fd = addr->type == SOCKET_ADDRESS_UNIX ? net_addr_connect_unix(addr, pending)
                                               : net_addr_connect_inet(addr, pending);
    if (fd < 0) {
        int saved = errno;
        g_autofree char *text = socket_address_text(addr);
        error_setg_errno(errp, saved, "cannot connect to %s", text);
    }
    return fd;
}
