/*
 * resolve.h - host names to addresses, with a way to give up waiting.
 *
 * Floor F2, private to the transports.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_RESOLVE_H
#define MIGRATION_RESOLVE_H

#include <netdb.h>
#include <stdbool.h>

#include "util/error.h"

/* What is asked for. "" as host is every interface (passive) or the loopback. */
typedef struct ResolveQuery {
    const char *host;
    const char *port;       /* number or service name */
    int family;             /* AF_UNSPEC, AF_INET, AF_INET6 */
    bool passive;           /* for listening */
} ResolveQuery;

/*
 * The stream addresses of a name, in the order in which they should be tried; freeaddrinfo() frees them. May
 * wait for a name server; returns soon after cancel_fd (-1: none) is readable. NULL with *errp set on failure.
 */
struct addrinfo *migration_resolve(const ResolveQuery *query, int cancel_fd, Error **errp);

#endif
