/*
 * channel.h - a connected byte channel under a migration stream, and the one list of transports.
 *
 * Floor F2.  A transport (tcp, unix, exec, fd, file) turns an address into channels; it never sees a
 * MigrationState.  A channel is read by one thread and written by one; any thread may shut it down, after
 * which every blocked read or write returns with an error at once.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_MIGRATION_CHANNEL_H
#define GODWIT_MIGRATION_CHANNEL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "util/error.h"

typedef struct Machine Machine;
typedef struct MigrationChannel MigrationChannel;
typedef struct MigrationListener MigrationListener;
typedef struct MigrationTransport MigrationTransport;

typedef struct MigrationChannelOps {
    /* Writes all bytes of iov (which it may change) or fails. */
    bool (*writev)(MigrationChannel *ch, struct iovec *iov, int niov, Error **errp);
    /* Reads 1 … len bytes; *got = 0 at the end of the stream. */
    bool (*read)(MigrationChannel *ch, void *buf, size_t len, size_t *got, Error **errp);
    /* Makes blocked and later reads and writes fail. Any thread, more than once. */
    void (*shutdown)(MigrationChannel *ch);
    /* Ends the channel: what could still go wrong (a child's exit code, a full disk) is told here. */
    bool (*close)(MigrationChannel *ch, Error **errp);
} MigrationChannelOps;

/* First member of a transport's own struct. */
struct MigrationChannel {
    const MigrationChannelOps *ops;
    char *name;             /* "tcp:127.0.0.1:4444", for error texts; owned */
    bool two_way;           /* there is a way back: one thread may read while another writes */
    bool file_like;         /* bytes end up in a file or child; nobody answers */
};

/* The caller owns the channel; close frees it in every case. */
bool migration_channel_close(MigrationChannel *ch, Error **errp);
void migration_channel_shutdown(MigrationChannel *ch);
/* Over two descriptors that the channel owns from now on (-1: none; the same one twice for a socket). */
MigrationChannel *migration_channel_new_fds(const char *name, int read_fd, int write_fd);

/*
 * An address, parsed and checked but not opened. uri is "tcp:HOST:PORT", "unix:PATH", "exec:COMMAND",
 * "fd:NAME-OR-NUMBER", "file:PATH[,offset=N]"; channels is the `channels` argument of `migrate`. Exactly one is
 * given. The error names what is wrong and lists the transports.
 */
typedef struct MigrationAddress {
    const MigrationTransport *transport;
    char *uri;              /* as text, for query-migrate and messages */
    json_t *args;           /* the transport's own keys: host, port, path, args, str, filename, offset */
} MigrationAddress;
MigrationAddress *migration_address_parse(const char *uri, json_t *channels, Error **errp);
void migration_address_free(MigrationAddress *address);

/* Takes a descriptor that was given a name by getfd; -1 with *errp set. Set by F6. */
typedef int MigrationFdLookup(void *opaque, const char *name, Error **errp);

typedef struct MigrationConnectContext {
    Machine *machine;
    int named_fd;           /* fd: the descriptor, taken when the command was given; else -1 */
    int cancel_fd;          /* readable when the attempt shall end (poll it while connecting) */
} MigrationConnectContext;

struct MigrationTransport {
    const char *scheme;
    /* Checks and splits what follows "scheme:"; fills address->args. */
    bool (*parse)(const char *rest, json_t *args, Error **errp);
    /* Opens the outgoing channel. May block; returns soon after cancel_fd is readable. */
    MigrationChannel *(*connect)(const MigrationAddress *address, const MigrationConnectContext *ctx,
                                 Error **errp);
    /* Prepares for an incoming stream; when it returns, a peer can connect. Does not wait for one. */
    MigrationListener *(*listen)(const MigrationAddress *address, const MigrationConnectContext *ctx,
                                 Error **errp);
};

typedef struct MigrationListenerOps {
    /* Waits for the channel. May block; returns soon after cancel_fd is readable. */
    MigrationChannel *(*accept)(MigrationListener *l, int cancel_fd, Error **errp);
    void (*free)(MigrationListener *l);
} MigrationListenerOps;

struct MigrationListener {
    const MigrationListenerOps *ops;
    char *name;             /* the address really listened on ("tcp:127.0.0.1:40123"), owned */
};

/* Every transport of this program, NULL-terminated: the only list. */
extern const MigrationTransport *const migration_transports[];

#endif
