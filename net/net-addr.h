/*
 * net-addr.h - where a stream or dgram back end finds its other half.
 *
 * Lobby, private to net/.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_NET_NET_ADDR_H
#define GODWIT_NET_NET_ADDR_H

#include <jansson.h>

#include "io/socket.h"

/* Reads an address object {"type": "inet"|"unix"|"fd", …}; what names it in errors. */
SocketAddress *net_addr_parse(const json_t *addr, const char *what, Error **errp);
/* A descriptor's number, given as a string or a number. */
bool net_addr_parse_fd(const json_t *value, const char *what, int *fd, Error **errp);
/*
 * Starts to connect and does not wait: a non-blocking, close-on-exec socket; *pending if it is not
 * connected yet (it becomes writable then, and SO_ERROR tells how it went). -1 with *errp set.
 */
int net_addr_connect_start(const SocketAddress *addr, bool *pending, Error **errp);

#endif
