/*
 * channel.h - a connected byte channel under a migration stream, and the one list of transports.
 *
 * Floor F2.  A transport (tcp, unix, exec, fd, file) turns an address into channels; it never sees a
 * MigrationState.  A channel is read by one thread and written by one; any thread may shut it down, after
 * which every blocked read or write returns with an error at once.  The process ignores SIGPIPE and SIGXFSZ.
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
typedef struct MigrationDirectOps MigrationDirectOps;

/* ---- a channel ---- */

/* Required: all but lend and finish. */
typedef struct MigrationChannelOps {
    /* Writes all bytes of iov (which it may change) or fails. */
    bool (*writev)(MigrationChannel *ch, struct iovec *iov, int niov, Error **errp);
    /*
     * Writes iov (which may be empty) and then the pages at host, all of both or fails. The pages (both numbers
     * multiples of the host's page size) need not be copied: they may be read from their place until the channel
     * is closed, and what they hold then is sent. NULL: as writev.
     */
    bool (*lend)(MigrationChannel *ch, struct iovec *iov, int niov, const struct iovec *pages, Error **errp);
    /* Reads 1 … len bytes; *got = 0 at the end of the stream. */
    bool (*read)(MigrationChannel *ch, void *buf, size_t len, size_t *got, Error **errp);
    /* Makes blocked and later reads and writes fail. Any thread, more than once. */
    void (*shutdown)(MigrationChannel *ch);
    /* See migration_channel_finish(); NULL where nothing is left to be done or told. */
    bool (*finish)(MigrationChannel *ch, Error **errp);
    /* Frees the channel. Must not block once the channel is finished or shut down. */
    bool (*close)(MigrationChannel *ch, Error **errp);
} MigrationChannelOps;

/* First member of a transport's own struct. */
struct MigrationChannel {
    const MigrationChannelOps *ops;
    char *name;             /* "tcp:127.0.0.1:4444", for error texts; owned */
    bool two_way;           /* there is a way back: one thread may read while another writes */
    bool file_like;         /* bytes end up in a file or child; nobody answers */
    bool finished;          /* by migration_channel_finish() */
    const MigrationDirectOps *direct;   /* writes into the peer's memory (direct.h); NULL: it cannot */
};

/*
 * The writer's last call: waits until everything written is where it belongs (fsync of a file, end of a
 * child) and tells what went wrong there: a full disk, a child's exit code. May block; a shutdown from another
 * thread ends that. Does nothing on a socket or when called again.
 */
bool migration_channel_finish(MigrationChannel *ch, Error **errp);
/*
 * Finishes a channel that is neither finished nor shut down, and frees it in every case. No other thread may
 * use the channel any more, not even for a shutdown. To be sure not to block, call finish or shutdown before.
 */
bool migration_channel_close(MigrationChannel *ch, Error **errp);
void migration_channel_shutdown(MigrationChannel *ch);
/*
 * Over two descriptors that the channel owns from now on (-1: none; the same one twice for a socket). Sockets
 * (connected, stream), pipes, regular files (used from their current offset) and character devices.
 */
MigrationChannel *migration_channel_new_fds(const char *name, int read_fd, int write_fd);

/* ---- an address ---- */

/*
 * An address, parsed and checked but not opened. uri is "tcp:HOST:PORT[,to=N][,ipv4=on|off][,ipv6=on|off]",
 * "unix:PATH", "exec:COMMAND", "fd:NAME-OR-NUMBER", "file:PATH[,offset=N]", "rdma:HOST:PORT"; channels is the `channels`
 * argument of `migrate`. Exactly one is given, the other is NULL. The error names what is wrong, and for an
 * unknown protocol the transports that there are.
 */
typedef struct MigrationAddress {
    const MigrationTransport *transport;
    char *uri;              /* as text, for query-migrate and messages */
    json_t *args;           /* the transport's own keys, as in `channels`; checked */
} MigrationAddress;
MigrationAddress *migration_address_parse(const char *uri, json_t *channels, Error **errp);
void migration_address_free(MigrationAddress *address);
/* The name that the surface must look up among getfd's (→ named_fd), or NULL if there is none to look up. */
const char *migration_address_fd_name(const MigrationAddress *address);

/* ---- transports ---- */

typedef struct MigrationConnectContext {
    Machine *machine;       /* file: its descriptor sets; may be NULL */
    int named_fd;           /* fd: the descriptor, taken when the command was given; else -1 */
    int cancel_fd;          /* readable when the attempt shall end (polled while connecting); -1: none */
} MigrationConnectContext;

struct MigrationTransport {
    const char *scheme;     /* "tcp" of a URI */
    const char *old_scheme; /* what it was called before; NULL: nothing */
    const char *transport;  /* "socket" and "inet" of a `channels` argument */
    const char *type;       /* NULL where there is none */
    /* Splits what follows "scheme:" into args. */
    bool (*parse)(const char *rest, json_t *args, Error **errp);
    /* Checks args, from wherever they came; everything that can be known without opening. */
    bool (*check)(const json_t *args, Error **errp);
    /* args as the text after "scheme:"; the caller frees it. */
    char *(*text)(const json_t *args);
    /*
     * Opens the outgoing channel. May block; returns soon after cancel_fd is readable. Any thread; the machine
     * lock may be held or not. Takes ctx->named_fd in every case. NULL (this and listen): not in this build.
     */
    MigrationChannel *(*connect)(const MigrationAddress *address, const MigrationConnectContext *ctx,
                                 Error **errp);
    /* Prepares for an incoming stream; when it returns, a peer can connect. Does not wait for one. As above. */
    MigrationListener *(*listen)(const MigrationAddress *address, const MigrationConnectContext *ctx,
                                 Error **errp);
};

/* By address->transport, and with an error where that is not in this build. */
MigrationChannel *migration_connect(const MigrationAddress *address, const MigrationConnectContext *ctx,
                                    Error **errp);
MigrationListener *migration_listen(const MigrationAddress *address, const MigrationConnectContext *ctx,
                                    Error **errp);

typedef struct MigrationListenerOps {
    /* Waits for the channel. May block; returns soon after cancel_fd (-1: none) is readable. Once only. */
    MigrationChannel *(*accept)(MigrationListener *l, int cancel_fd, Error **errp);
    void (*free)(MigrationListener *l);
} MigrationListenerOps;

struct MigrationListener {
    const MigrationListenerOps *ops;
    char *name;             /* the address really listened on ("tcp:127.0.0.1:40123"), owned */
};

/* Incoming thread. */
MigrationChannel *migration_accept(MigrationListener *l, int cancel_fd, Error **errp);
/* Stops listening; NULL is allowed. Not while another thread is in migration_accept(). */
void migration_listener_free(MigrationListener *l);

/* Every transport of this program, NULL-terminated: the only list. */
extern const MigrationTransport *const migration_transports[];

#endif
