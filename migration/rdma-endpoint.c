/*
 * rdma-endpoint.c - one connection of libfabric: its endpoint, its queues, and the thread that serves them.
 *
 * Floor F2; below it libfabric.
 * Threads: providers make progress only while somebody looks at the queues, at the target of a remote write as
 * well: so each endpoint has a thread that looks, and sleeps in poll(2) while there is nothing to see.  Any
 * thread may post (FI_THREAD_SAFE).  No lock here.
 * Invariant: every op that was posted is done exactly once, unless the endpoint is stopped before.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "migration/rdma-internal.h"

#define REAP_MAX 16
/* Something that found a queue full is tried again after so long. */
#define RETRY_MS 1

void rdma_error(Error **errp, const RdmaLibrary *lib, ssize_t result, const char *what)
{
    error_setg(errp, "%s: %s", what, lib->strerror((int)-result));
}

/* ---- the fabric ---- */

RdmaFabric *rdma_fabric_new(const RdmaLibrary *lib, struct fi_info *info, Error **errp)
{
    RdmaFabric *fabric = g_atomic_rc_box_new0(RdmaFabric);
    fabric->lib = lib;
    int result = lib->fabric(info->fabric_attr, &fabric->fid, NULL);
    if (result) {
        rdma_error(errp, lib, result, "cannot open the fabric");
        g_atomic_rc_box_release(fabric);
        return NULL;
    }
    return fabric;
}

static void fabric_close(gpointer opaque)
{
    RdmaFabric *fabric = opaque;
    fi_close(&fabric->fid->fid);
}

void rdma_fabric_unref(RdmaFabric *fabric)
{
    if (fabric) {
        g_atomic_rc_box_release_full(fabric, fabric_close);
    }
}

/* ---- waiting ---- */

/* The descriptor to poll for that queue; -1: it has none. */
static int queue_fd(struct fid *queue)
{
    int fd = -1;
    return fi_control(queue, FI_GETWAIT, &fd) == 0 ? fd : -1;
}

/* What the event that stands in the error queue says. */
static void event_error(RdmaFabric *fabric, struct fid_eq *eq, const char *doing, Error **errp)
{
    struct fi_eq_err_entry entry = { 0 };
    if (fi_eq_readerr(eq, &entry, 0) < 0 || !entry.err) {
        error_setg(errp, "%s failed, and libfabric does not say why", doing);
    } else {
        rdma_error(errp, fabric->lib, -entry.err, doing);
    }
}

/* 1: there was one; 0: there is none; -1: an error. */
static int read_event(RdmaFabric *fabric, struct fid_eq *eq, const char *doing, RdmaEvent *event, Error **errp)
{
    union {
        struct fi_eq_cm_entry cm;
        uint8_t bytes[sizeof(struct fi_eq_cm_entry) + sizeof(event->data)];
    } entry = { .cm.info = NULL };
    ssize_t n = fi_eq_read(eq, &event->type, &entry, sizeof(entry), 0);
    if (n == -FI_EAGAIN) {
        return 0;
    }
    if (n == -FI_EAVAIL) {
        event_error(fabric, eq, doing, errp);
        return -1;
    }
    if (n < 0) {
        rdma_error(errp, fabric->lib, n, doing);
        return -1;
    }
    size_t head = sizeof(struct fi_eq_cm_entry);
    event->info = event->type == FI_CONNREQ ? entry.cm.info : NULL;
    event->size = (size_t)n > head ? (size_t)n - head : 0;
    memcpy(event->data, entry.bytes + head, MIN(event->size, sizeof(event->data)));
    return 1;
}

bool rdma_wait_event(RdmaFabric *fabric, struct fid_eq *eq, int cancel_fd, int timeout_ms, const char *doing,
                     RdmaEvent *event, Error **errp)
{
    struct fid *fids[] = { &eq->fid };
    int fd = queue_fd(&eq->fid);
    *event = (RdmaEvent){ 0 };
    for (;;) {
        int n = read_event(fabric, eq, doing, event, errp);
        if (n != 0) {
            return n > 0;
        }
        if (fi_trywait(fabric->fid, fids, 1) != 0) {
            continue;
        }
        gint64 start = g_get_monotonic_time();
        if (!migration_wait_fd(fd, POLLIN, cancel_fd, timeout_ms, doing, errp)) {
            return false;
        }
        if (timeout_ms >= 0) {
            timeout_ms -= (int)MIN((g_get_monotonic_time() - start) / 1000, timeout_ms);
            if (timeout_ms == 0) {
                return read_event(fabric, eq, doing, event, errp) >= 0;
            }
        }
    }
}

/* ---- the serving thread ---- */

/* Takes what is done off the queue; false: it is empty. */
static bool reap(RdmaEndpoint *e)
{
    struct fi_cq_msg_entry entries[REAP_MAX];
    struct fi_cq_err_entry failed = { 0 };
    ssize_t n = fi_cq_read(e->cq, entries, REAP_MAX);
    for (ssize_t i = 0; i < n; i++) {
        RdmaOp *op = entries[i].op_context;
        if (op) {
            op->done(op, entries[i].len, 0);
        }
    }
    if (n == -FI_EAVAIL && fi_cq_readerr(e->cq, &failed, 0) == 1) {
        RdmaOp *op = failed.op_context;
        if (op) {
            op->done(op, 0, failed.err ? failed.err : EIO);
        }
        return true;
    }
    return n > 0;
}

static void wait_queues(RdmaEndpoint *e, bool retry)
{
    struct fid *fids[] = { &e->cq->fid, &e->eq->fid };
    struct pollfd p[] = {
        { .fd = e->wake_fd, .events = POLLIN },
        { .fd = queue_fd(&e->cq->fid), .events = POLLIN },
        { .fd = queue_fd(&e->eq->fid), .events = POLLIN },
    };
    uint64_t count;
    if (fi_trywait(e->fabric->fid, fids, G_N_ELEMENTS(fids)) == 0) {
        poll(p, G_N_ELEMENTS(p), retry ? RETRY_MS : -1);
    }
    if (p[0].revents) {
        (void)!read(e->wake_fd, &count, sizeof(count));
    }
}

/* Whether the connection has ended, and then tells so. */
static bool has_gone(RdmaEndpoint *e)
{
    RdmaEvent event;
    Error *err = NULL;
    int n = read_event(e->fabric, e->eq, "the connection", &event, &err);
    if (n == 0 || (n > 0 && event.type != FI_SHUTDOWN)) {
        return false;
    }
    while (reap(e)) {
    }
    e->ops->gone(e->opaque, err ? error_get_pretty(err) : "the peer has hung up");
    error_free(err);
    return true;
}

static gpointer serve(gpointer opaque)
{
    RdmaEndpoint *e = opaque;
    struct pollfd wake = { .fd = e->wake_fd, .events = POLLIN };
    while (!atomic_load(&e->stop)) {
        bool busy = reap(e);
        bool retry = e->ops->tick(e->opaque);
        if (busy) {
            continue;
        }
        if (has_gone(e)) {
            break;
        }
        wait_queues(e, retry);
    }
    while (!atomic_load(&e->stop)) {
        poll(&wake, 1, -1);
    }
    return NULL;
}

void rdma_endpoint_start(RdmaEndpoint *e, const RdmaEndpointOps *ops, void *opaque)
{
    e->ops = ops;
    e->opaque = opaque;
    e->thread = g_thread_new("rdma", serve, e);
}

void rdma_endpoint_wake(RdmaEndpoint *e)
{
    uint64_t one = 1;
    /* It fails only when the counter is full, and then the thread is awake. */
    (void)!write(e->wake_fd, &one, sizeof(one));
}

void rdma_endpoint_shutdown(RdmaEndpoint *e)
{
    fi_shutdown(e->ep, 0);
    rdma_endpoint_wake(e);
}

/* ---- posting ---- */

ssize_t rdma_endpoint_send(RdmaEndpoint *e, const struct iovec *iov, const RdmaMemory *memory, bool delivered,
                           RdmaOp *op)
{
    void *desc = fi_mr_desc(memory->mr);
    struct fi_msg msg = { .msg_iov = iov, .desc = &desc, .iov_count = 1, .context = op };
    return fi_sendmsg(e->ep, &msg, FI_COMPLETION | (delivered ? FI_DELIVERY_COMPLETE : 0));
}

ssize_t rdma_endpoint_receive(RdmaEndpoint *e, const struct iovec *iov, const RdmaMemory *memory, RdmaOp *op)
{
    void *desc = fi_mr_desc(memory->mr);
    struct fi_msg msg = { .msg_iov = iov, .desc = &desc, .iov_count = 1, .context = op };
    return fi_recvmsg(e->ep, &msg, FI_COMPLETION);
}

ssize_t rdma_endpoint_write(RdmaEndpoint *e, const struct iovec *iov, const RdmaMemory *memory,
                            const struct fi_rma_iov *there, RdmaOp *op)
{
    void *desc = fi_mr_desc(memory->mr);
    struct fi_msg_rma msg = {
        .msg_iov = iov, .desc = &desc, .iov_count = 1, .rma_iov = there, .rma_iov_count = 1, .context = op,
    };
    /* Without DELIVERY_COMPLETE data would be called done that has only left. */
    return fi_writemsg(e->ep, &msg, FI_COMPLETION | FI_DELIVERY_COMPLETE);
}

/* ---- memory ---- */

bool rdma_memory_register(RdmaMemory *memory, RdmaEndpoint *e, const struct iovec *iov, uint64_t access,
                          Error **errp)
{
    uint64_t key = atomic_fetch_add(&e->next_key, 1);
    int result = fi_mr_reg(e->domain, iov->iov_base, iov->iov_len, access, 0, key, 0, &memory->mr, NULL);
    if (result) {
        memory->mr = NULL;
        error_setg(errp, "cannot register %zu bytes of memory: %s%s", iov->iov_len,
                   e->fabric->lib->strerror(-result),
                   result == -FI_ENOMEM ? " (how much a process may lock is limited: ulimit -l)" : "");
        return false;
    }
    memory->key = fi_mr_key(memory->mr);
    memory->address = e->info->domain_attr->mr_mode & FI_MR_VIRT_ADDR ? (uintptr_t)iov->iov_base : 0;
    return true;
}

void rdma_memory_release(RdmaMemory *memory)
{
    if (memory->mr) {
        fi_close(&memory->mr->fid);
    }
    *memory = (RdmaMemory){ 0 };
}

/* ---- life ---- */

static bool open_queues(RdmaEndpoint *e, Error **errp)
{
    const RdmaLibrary *lib = e->fabric->lib;
    struct fi_eq_attr eq_attr = { .wait_obj = FI_WAIT_FD };
    struct fi_cq_attr cq_attr = {
        .wait_obj = FI_WAIT_FD,
        .format = FI_CQ_FORMAT_MSG,
        .size = e->info->tx_attr->size + e->info->rx_attr->size,
    };
    int result = fi_domain(e->fabric->fid, e->info, &e->domain, NULL);
    if (result) {
        rdma_error(errp, lib, result, "cannot open a domain");
        return false;
    }
    result = fi_eq_open(e->fabric->fid, &eq_attr, &e->eq, NULL);
    if (!result) {
        result = fi_cq_open(e->domain, &cq_attr, &e->cq, NULL);
    }
    if (result) {
        rdma_error(errp, lib, result, "cannot open a queue");
    }
    return !result;
}

static bool open_endpoint(RdmaEndpoint *e, Error **errp)
{
    int result = fi_endpoint(e->domain, e->info, &e->ep, NULL);
    if (!result) {
        result = fi_ep_bind(e->ep, &e->eq->fid, 0);
    }
    if (!result) {
        result = fi_ep_bind(e->ep, &e->cq->fid, FI_TRANSMIT | FI_RECV);
    }
    if (!result) {
        result = fi_enable(e->ep);
    }
    if (result) {
        rdma_error(errp, e->fabric->lib, result, "cannot open an endpoint");
    }
    return !result;
}

RdmaEndpoint *rdma_endpoint_new(RdmaFabric *fabric, struct fi_info *info, Error **errp)
{
    RdmaEndpoint *e = g_new0(RdmaEndpoint, 1);
    e->fabric = g_atomic_rc_box_acquire(fabric);
    e->info = info;
    e->next_key = 1;
    e->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (e->wake_fd < 0) {
        error_setg(errp, "no file descriptor is free");
    } else if (open_queues(e, errp) && open_endpoint(e, errp)) {
        return e;
    }
    rdma_endpoint_free(e);
    return NULL;
}

static void close_fid(struct fid *fid)
{
    if (fid) {
        fi_close(fid);
    }
}

void rdma_endpoint_stop(RdmaEndpoint *e)
{
    if (e->thread) {
        atomic_store(&e->stop, true);
        rdma_endpoint_wake(e);
        g_thread_join(e->thread);
        e->thread = NULL;
    }
    close_fid(e->ep ? &e->ep->fid : NULL);
    e->ep = NULL;
}

void rdma_endpoint_free(RdmaEndpoint *e)
{
    if (!e) {
        return;
    }
    rdma_endpoint_stop(e);
    close_fid(e->cq ? &e->cq->fid : NULL);
    close_fid(e->eq ? &e->eq->fid : NULL);
    close_fid(e->domain ? &e->domain->fid : NULL);
    e->fabric->lib->freeinfo(e->info);
    rdma_fabric_unref(e->fabric);
    if (e->wake_fd >= 0) {
        close(e->wake_fd);
    }
    g_free(e);
}
