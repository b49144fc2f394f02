/*
 * rdma-channel.h - the state of an rdma channel, shared by its stream and its direct memory.
 *
 * Floor F2, private to migration/rdma*.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_RDMA_CHANNEL_H
#define MIGRATION_RDMA_CHANNEL_H

#include "migration/rdma-internal.h"

/*
 * A message: u8 type, u8 0, be16 credits given back, be32 bytes that follow.  REGISTER and those below it are
 * direct memory's (rdma-direct.c).
 */
typedef enum RdmaType {
    RDMA_DATA = 1,              /* bytes of the stream; costs a credit */
    RDMA_CREDIT = 2,            /* nothing but its head */
    RDMA_END = 3,               /* nothing: the stream ends here */
    RDMA_REGISTER = 4,          /* be64 offset, be64 length, u8 length and name of the memory */
    RDMA_REGISTERED = 5,        /* be64 offset, be64 length, be64 key, be64 address; or text, after be64 0, be64 0 */
    RDMA_REACHED = 6,           /* be32 number of the mark */
} RdmaType;

#define RDMA_HEAD 8
#define RDMA_MESSAGE_SIZE (64 * 1024)   /* head included */
#define RDMA_DATA_MESSAGES 32           /* received and not read yet: what a credit stands for */
#define RDMA_OTHER_MESSAGES 16          /* room for the rest, which costs no credit */
#define RDMA_SEND_MESSAGES 16
#define RDMA_CONTROL_MESSAGES 8
#define RDMA_CONTROL_MAX 320            /* bytes that follow the head of one that is not DATA */
#define RDMA_MESSAGES \
    (RDMA_DATA_MESSAGES + RDMA_OTHER_MESSAGES + RDMA_SEND_MESSAGES + RDMA_CONTROL_MESSAGES)

typedef struct RdmaMessage RdmaMessage;
struct RdmaMessage {
    RdmaOp op;
    RdmaChannel *channel;
    RdmaMessage *next;          /* in one of the lists below */
    uint8_t *bytes;             /* RDMA_MESSAGE_SIZE */
    size_t length, at;          /* of what is in it; what has been read */
    bool is_control;            /* which of the lists of free ones it belongs to */
};

typedef struct RdmaList {
    RdmaMessage *first, **last;
} RdmaList;

/* A message that waits for a place in the send queue. */
typedef struct RdmaControl {
    uint8_t type;
    uint16_t length;
    uint8_t bytes[RDMA_CONTROL_MAX];
} RdmaControl;

typedef struct RdmaDirect RdmaDirect;

struct RdmaChannel {
    MigrationChannel parent;
    RdmaEndpoint *e;
    bool is_source;
    bool started;
    uint8_t *slab;              /* of all messages */
    RdmaMemory slab_memory;
    RdmaMessage messages[RDMA_MESSAGES];
    RdmaGreeting peer;

    GMutex lock;                /* all below; calls into libfabric are made with it held, but for writes */
    GCond readable;             /* received, or an end */
    GCond writable;             /* something was done, credits, an answer, or an end */
    bool down;                  /* shut down here */
    bool peer_ended;            /* END has come */
    char *end;                  /* why nothing more comes and goes, once that is so */
    RdmaList received;          /* DATA that waits for the reader */
    unsigned received_count;
    RdmaList unposted;          /* receives that found a queue full */
    unsigned give_back;         /* credits that the peer is owed */
    unsigned credits;           /* DATA messages that may be sent */
    RdmaList free_data, free_control;
    RdmaControl waiting[RDMA_CONTROL_MESSAGES];
    unsigned waiting_count;
    unsigned sending;           /* messages that are under way */

    RdmaDirect *direct;
};

/* False, with the reason, if the channel is shut down or has ended. Lock held. */
bool rdma_channel_usable_locked(RdmaChannel *c, Error **errp);
/* The connection is of no use any more. Lock held. */
void rdma_channel_fail_locked(RdmaChannel *c, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* As above, for an operation that ended with a positive errno. Lock held. */
void rdma_channel_failed_locked(RdmaChannel *c, const char *doing, int error);
/* Sends such a message as soon as that is possible. False: too many wait already. Lock held. */
bool rdma_channel_control_locked(RdmaChannel *c, RdmaType type, const void *bytes, size_t length);

/* ---- rdma-direct.c ---- */

extern const MigrationDirectOps rdma_direct_ops;
RdmaDirect *rdma_direct_new(RdmaChannel *c);
/* Releases all memory. The endpoint has been stopped. */
void rdma_direct_free(RdmaDirect *d);
/* A message that the stream does not know. Serving thread, lock held. False: it has no meaning. */
bool rdma_direct_message_locked(RdmaChannel *c, uint8_t type, const uint8_t *bytes, size_t length);
/* Does what a message has asked for. Serving thread, no lock held. */
void rdma_direct_work(RdmaChannel *c);

static inline uint64_t rdma_be64(const uint8_t *p)
{
    uint64_t v = 0;
    for (int i = 0; i < 8; i++) {
        v = v << 8 | p[i];
    }
    return v;
}

static inline void rdma_put_be64(uint8_t *p, uint64_t v)
{
    for (int i = 0; i < 8; i++) {
        p[i] = (uint8_t)(v >> (56 - 8 * i));
    }
}

#endif
