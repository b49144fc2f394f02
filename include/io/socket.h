/*
 * socket.h - addresses and stream sockets: listen, connect, accept, and bytes with descriptors.
 *
 * Floor F1 (io).  Plain functions on descriptors; no locks, any thread.  The caller owns every
 * descriptor that it is given.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_IO_SOCKET_H
#define GODWIT_IO_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "util/error.h"

#define SOCKET_MAX_FDS 16   /* descriptors that one message may carry */

typedef enum SocketAddressType {
    SOCKET_ADDRESS_INET,
    SOCKET_ADDRESS_UNIX,
    SOCKET_ADDRESS_FD,
} SocketAddressType;

typedef struct SocketAddress {
    SocketAddressType type;
    char *host;         /* INET; "" is every interface when listening, the loopback when connecting */
    char *port;         /* INET: number or service name */
    uint16_t to;        /* INET listening: the last port to try, 0: only `port` */
    bool ipv4, ipv6;    /* INET: restrict to one family if just one is set */
    char *path;         /* UNIX; a leading '@' is the abstract name space */
    int fd;             /* FD: an inherited socket, already listening or connected */
} SocketAddress;

/* "HOST:PORT", "[V6]:PORT", ":PORT". The error says which part is wrong. */
SocketAddress *socket_address_new_inet(const char *text, Error **errp);
SocketAddress *socket_address_new_unix(const char *path, Error **errp);
/* fd must be a socket. */
SocketAddress *socket_address_new_fd(int fd, Error **errp);
void socket_address_free(SocketAddress *address);
/* "tcp:127.0.0.1:4444", "unix:/path", "fd:7"; the caller frees it. */
char *socket_address_text(const SocketAddress *address);

/* A listening socket, close-on-exec, non-blocking; -1 on failure. A stale unix path is replaced. */
int socket_listen(const SocketAddress *address, Error **errp);
/* A connected socket, close-on-exec, blocking; -1 on failure. Tries every address of a host name. */
int socket_connect(const SocketAddress *address, Error **errp);
/* Accepts one connection, close-on-exec, blocking; -1 with no error set if none is waiting. */
int socket_accept(int listener, Error **errp);
/* Where a listening or connected socket really is, as text; the caller frees it. NULL if unknown. */
char *socket_local_text(int fd);
/* The port of a listening INET socket, 0 if it has none. */
uint16_t socket_local_port(int fd);

bool fd_set_nonblocking(int fd, bool on, Error **errp);

/*
 * As read(2) and write(2) on a stream socket, with EINTR retried. recv collects up to SOCKET_MAX_FDS
 * descriptors into fds and their number into *nfds. SIGPIPE is never raised.
 */
ssize_t socket_recv(int fd, void *buf, size_t len, int *fds, size_t *nfds);
ssize_t socket_send(int fd, const void *buf, size_t len);

#endif
