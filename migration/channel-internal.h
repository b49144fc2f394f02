/*
 * channel-internal.h - what the transports share with each other.
 *
 * Floor F2, private to channel*.c and the transports.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_CHANNEL_INTERNAL_H
#define MIGRATION_CHANNEL_INTERNAL_H

#include "migration/channel.h"

extern const MigrationTransport migration_transport_tcp, migration_transport_unix, migration_transport_exec,
    migration_transport_fd, migration_transport_file, migration_transport_rdma;

/* One key of a transport's args. Keys that are not listed are refused. */
typedef struct MigrationArg {
    const char *key;        /* NULL ends the list */
    json_type type;         /* JSON_TRUE stands for both truth values */
    bool required;
} MigrationArg;
/* Types, required and unknown keys, NUL bytes in strings; what names the transport in the error. */
bool migration_args_check(const json_t *args, const MigrationArg *list, const char *what, Error **errp);
/* HOST:PORT of a URI of that scheme into args as "host" and "port". */
bool migration_args_set_inet(json_t *args, const char *text, const char *scheme, Error **errp);
/* "host" and "port", both there, as an address has them: no comma, which would end it in a URI; the port is a number or a name. */
bool migration_args_check_inet(const json_t *args, const char *scheme, Error **errp);
/* A string argument, or NULL. */
const char *migration_args_str(const json_t *args, const char *key);

/*
 * Waits until fd is ready for `events` (POLLIN, POLLOUT), or for timeout_ms (-1: without end; then true as
 * well). False with *errp "`doing` was cancelled" if cancel_fd (-1: none) is readable. fd may be -1.
 */
bool migration_wait_fd(int fd, short events, int cancel_fd, int timeout_ms, const char *doing, Error **errp);

/* A listener whose channel exists already: accept hands it over at once. */
MigrationListener *migration_listener_new_ready(MigrationChannel *ch);

#endif
