/*
 * rdma-internal.h - the parts of the rdma transport to each other: link, endpoint, channel, direct memory.
 *
 * Floor F2, private to migration/rdma*.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_RDMA_INTERNAL_H
#define MIGRATION_RDMA_INTERNAL_H

#include <glib.h>
#include <rdma/fabric.h>
#include <rdma/fi_cm.h>
#include <rdma/fi_domain.h>
#include <rdma/fi_endpoint.h>
#include <rdma/fi_eq.h>
#include <rdma/fi_rma.h>
#include <stdatomic.h>

#include "migration/channel-internal.h"
#include "migration/direct.h"
#include "migration/rdma-library.h"

/* libfabric's interface of this version is spoken. */
#define RDMA_API FI_VERSION(1, 11)

/* ---- rdma-endpoint.c: one connection's endpoint, its queues, and the thread that serves them ---- */

/* What is under way; the first member of whatever its owner wants to find again. */
typedef struct RdmaOp RdmaOp;
struct RdmaOp {
    /* Serving thread, no lock held. bytes: received; error: 0, or a positive errno. */
    void (*done)(RdmaOp *op, size_t bytes, int error);
};

/* Memory that the endpoint may use. */
typedef struct RdmaMemory {
    struct fid_mr *mr;          /* NULL: none */
    uint64_t key, address;      /* what a peer needs to write there */
} RdmaMemory;

/* A fabric is shared by a listener and what it has accepted. */
typedef struct RdmaFabric {
    const RdmaLibrary *lib;
    struct fid_fabric *fid;
} RdmaFabric;
RdmaFabric *rdma_fabric_new(const RdmaLibrary *lib, struct fi_info *info, Error **errp);
void rdma_fabric_unref(RdmaFabric *fabric);

/* What the serving thread tells its owner; no lock held. */
typedef struct RdmaEndpointOps {
    /* After each look at the queues. True: something has to be tried again soon (a queue was full). */
    bool (*tick)(void *opaque);
    /* The connection has ended; once, after everything that came before the end. */
    void (*gone)(void *opaque, const char *why);
} RdmaEndpointOps;

typedef struct RdmaEndpoint {
    RdmaFabric *fabric;         /* a reference */
    struct fi_info *info;       /* owned */
    struct fid_domain *domain;
    struct fid_eq *eq;
    struct fid_cq *cq;
    struct fid_ep *ep;
    const RdmaEndpointOps *ops;
    void *opaque;
    GThread *thread;
    int wake_fd;                /* written to when the thread shall look again */
    _Atomic bool stop;
    _Atomic uint64_t next_key;  /* for providers that let us choose */
} RdmaEndpoint;

/* Opened and enabled, so that receives can be posted; not connected. Takes info in every case. */
RdmaEndpoint *rdma_endpoint_new(RdmaFabric *fabric, struct fi_info *info, Error **errp);
/* Connected: serve the queues from now on. */
void rdma_endpoint_start(RdmaEndpoint *e, const RdmaEndpointOps *ops, void *opaque);
/* Ends the thread and the connection: no op is under way, and no memory is touched any more. More than once. */
void rdma_endpoint_stop(RdmaEndpoint *e);
/* Stops it; memory must have been released. NULL is allowed. */
void rdma_endpoint_free(RdmaEndpoint *e);
/* Any thread. */
void rdma_endpoint_shutdown(RdmaEndpoint *e);
/* Makes the thread look at its queues and tick. Any thread. */
void rdma_endpoint_wake(RdmaEndpoint *e);

/* Negative errno; -FI_EAGAIN: again later. Any thread. delivered: done only when the peer has it. */
ssize_t rdma_endpoint_send(RdmaEndpoint *e, const struct iovec *iov, const RdmaMemory *memory, bool delivered,
                           RdmaOp *op);
ssize_t rdma_endpoint_receive(RdmaEndpoint *e, const struct iovec *iov, const RdmaMemory *memory, RdmaOp *op);
/* Done when the bytes stand in the peer's memory. */
ssize_t rdma_endpoint_write(RdmaEndpoint *e, const struct iovec *iov, const RdmaMemory *memory,
                            const struct fi_rma_iov *there, RdmaOp *op);

/* access: FI_SEND | FI_RECV | FI_WRITE | FI_REMOTE_WRITE. Any thread. */
bool rdma_memory_register(RdmaMemory *memory, RdmaEndpoint *e, const struct iovec *iov, uint64_t access,
                          Error **errp);
void rdma_memory_release(RdmaMemory *memory);

/* error_setg with libfabric's text of result, a negative errno. */
void rdma_error(Error **errp, const RdmaLibrary *lib, ssize_t result, const char *what);
/*
 * Waits for the next event of eq. False: cancelled, or the event is an error, whose text is in *errp.
 * Returns 0 in *event if timeout_ms (-1: none) has passed.
 */
typedef struct RdmaEvent {
    uint32_t type;
    struct fi_info *info;       /* FI_CONNREQ: owned by the caller */
    size_t size;                /* of data, what the peer sent along */
    uint8_t data[64];
} RdmaEvent;
bool rdma_wait_event(RdmaFabric *fabric, struct fid_eq *eq, int cancel_fd, int timeout_ms, const char *doing,
                     RdmaEvent *event, Error **errp);

/* ---- rdma-channel.c: a stream of bytes in messages, with credits ---- */

/* What the sides tell each other while they connect; both directions the same. */
typedef struct RdmaGreeting {
    uint32_t messages;          /* DATA messages that there is room for */
    uint32_t message_size;      /* the longest, head included */
} RdmaGreeting;
#define RDMA_GREETING_SIZE 16
void rdma_greeting_put(uint8_t wire[RDMA_GREETING_SIZE]);
bool rdma_greeting_get(const uint8_t *wire, size_t size, RdmaGreeting *greeting, Error **errp);

typedef struct RdmaChannel RdmaChannel;
/* Takes e in every case, and posts its receives. */
RdmaChannel *rdma_channel_new(const char *name, RdmaEndpoint *e, Error **errp);
/* Connected: bytes may flow. is_source: we have connected, and not accepted. */
MigrationChannel *rdma_channel_start(RdmaChannel *c, const RdmaGreeting *peer, bool is_source);
/* One that was not started, or is closed. */
void rdma_channel_free(RdmaChannel *c);

#endif
