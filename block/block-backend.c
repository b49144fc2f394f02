/*
 * block-backend.c - a device's handle on a node: requests, counters, waiting for quiet.
 *
 * Lobby; below it block.c's nodes and block-aio.c.
 * Threads and locks: the machine's lock, except blk_request_execute(), which runs on a worker and
 * touches the request and the node's I/O callbacks only.
 * Invariant: in_flight counts the requests whose callback has not been entered; a backend with
 * requests in flight is neither freed nor given another node.  No callback runs inside the
 * submitting call.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "block/block-aio.h"
#include "block/block-int.h"
#include "system/clock.h"
#include "system/machine.h"
#include "trace/block.h"
#include "util/iov.h"

/* ---- backends by name ---- */

BlockBackend *blk_find(Machine *m, const char *drive_id)
{
    for (BlockBackend *blk = m->block->backends; blk; blk = blk->next) {
        if (blk->drive_id && strcmp(blk->drive_id, drive_id) == 0) {
            return blk;
        }
    }
    return NULL;
}

/* The new backend has no node yet; whoever makes it inserts one or frees it again. */
BlockBackend *blk_new(struct BlockLayer *layer, const char *drive_id)
{
    BlockBackend *blk = g_new0(BlockBackend, 1);
    blk->layer = layer;
    blk->drive_id = g_strdup(drive_id);
    blk->write_cache = true;
    blk->base_fd = -1;
    blk->on_write_error = BLOCK_ON_ERROR_ENOSPC;
    BlockBackend **at = &layer->backends;
    while (*at) {
        at = &(*at)->next;
    }
    *at = blk;
    return blk;
}

bool blk_insert(BlockBackend *blk, BlockNode *root, Error **errp)
{
    /* A node that is read-only by its options is never asked to be more. */
    if (!block_node_is_free(root, errp) || !block_node_use(root, !root->read_only, errp)) {
        return false;
    }
    blk->root = root;
    root->blk = blk;
    return true;
}

void blk_free(BlockBackend *blk)
{
    BlockBackend **at = &blk->layer->backends;
    blk_drain(blk);
    block_aio_forget(blk->layer->aio, blk);
    while (*at != blk) {
        at = &(*at)->next;
    }
    *at = blk->next;
    BlockNode *root = blk->root;
    if (root) {
        /* What was written must not be lost with the last handle on it. */
        if (root->used_write && !blk->layer->inactive) {
            block_node_flush(root);
        }
        block_node_unuse(root);
        root->blk = NULL;
        if (root->owned) {
            block_node_close(root);
        }
    }
    if (blk->base_fd >= 0) {
        close(blk->base_fd);
    }
    g_free(blk->drive_id);
    g_free(blk->device_path);
    g_free(blk->serial);
    g_free(blk);
}

BlockBackend *blk_attach(Machine *m, const char *name, const char *device_path, Error **errp)
{
    BlockBackend *blk = blk_find(m, name);
    if (blk && blk->device_path) {
        error_setg(errp, "Drive '%s' is already in use by device '%s'", name, blk->device_path);
        return NULL;
    }
    if (!blk) {
        BlockNode *root = block_node_find(m, name);
        if (!root) {
            error_setg(errp, "there is no drive with id '%s' and no block node of that node-name",
                       name);
            return NULL;
        }
        blk = blk_new(m->block, NULL);
        if (!blk_insert(blk, root, errp)) {
            blk_free(blk);
            return NULL;
        }
    }
    blk->device_path = g_strdup(device_path);
    return blk;
}

void blk_detach(BlockBackend *blk)
{
    /*
     * A drive outlives its device, as -drive made it; a backend made for the device goes with it.
     */
    blk_drain(blk);
    if (!blk->drive_id) {
        blk_free(blk);
        return;
    }
    g_free(blk->device_path);
    blk->device_path = NULL;
}

/* ---- properties ---- */

uint64_t blk_length(BlockBackend *blk)
{
    return blk->root->length;
}

bool blk_is_read_only(BlockBackend *blk)
{
    return blk->root->read_only;
}

bool blk_write_cache(BlockBackend *blk)
{
    return blk->write_cache;
}

void blk_set_write_cache(BlockBackend *blk, bool on)
{
    blk->write_cache = on;
}

const char *blk_serial(BlockBackend *blk)
{
    return blk->serial;
}

/* ---- execution, any thread ---- */

void blk_request_execute(BlockRequest *req)
{
    BlockNode *bs = req->blk->root;
    switch (req->type) {
    case BLOCK_REQUEST_READ:
        req->ret = block_node_preadv(bs, req->offset, req->iov, req->niov);
        break;
    case BLOCK_REQUEST_WRITE:
        req->ret = block_node_pwritev(bs, req->offset, req->iov, req->niov);
        break;
    case BLOCK_REQUEST_FLUSH:
        req->ret = block_node_flush(bs);
        break;
    case BLOCK_REQUEST_DISCARD:
        req->ret = block_node_pdiscard(bs, req->offset, req->bytes);
        break;
    case BLOCK_REQUEST_ZEROES:
        req->ret = block_node_pwrite_zeroes(bs, req->offset, req->bytes, req->unmap);
        break;
    }
    MigrationDiskWritten *written = atomic_load(&req->blk->written);
    if (written && req->type != BLOCK_REQUEST_READ && req->type != BLOCK_REQUEST_FLUSH) {
        /* Also what failed: part of it may have been written. */
        written(req->blk->written_opaque, req->offset, req->bytes);
    }
    if (req->ret == 0 && req->flush_after) {
        req->ret = block_node_flush(bs);
    }
}

/* ---- completion ---- */

/*
 * Requests that failed count as failures only, so that bytes and times are those of real
 * transfers.
 */
static void blk_count(uint64_t *operations, uint64_t *bytes, uint64_t *time_ns, uint64_t *failed,
                      const BlockRequest *req)
{
    const Machine *m = req->blk->layer->machine;
    /* Host time would make the counters of a deterministic run differ. */
    bool icount = m->config && m->config->icount;
    QEMUClockType clock = icount ? QEMU_CLOCK_VIRTUAL : QEMU_CLOCK_REALTIME;
    if (req->ret < 0) {
        if (failed) {
            ++*failed;
        }
        return;
    }
    ++*operations;
    if (bytes) {
        *bytes += req->bytes;
    }
    if (time_ns) {
        *time_ns += qemu_clock_get_ns(req->blk->layer->machine, clock) - req->start_ns;
    }
}

/* Zeroes are writes: that is what the guest asked for, whatever the image makes of them. */
static void blk_account(const BlockRequest *req)
{
    BlockStats *s = &req->blk->stats;
    uint64_t end = req->offset + req->bytes;
    switch (req->type) {
    case BLOCK_REQUEST_READ:
        blk_count(&s->rd_operations, &s->rd_bytes, &s->rd_total_time_ns, &s->failed_rd, req);
        break;
    case BLOCK_REQUEST_WRITE:
    case BLOCK_REQUEST_ZEROES:
        blk_count(&s->wr_operations, &s->wr_bytes, &s->wr_total_time_ns, &s->failed_wr, req);
        if (req->ret == 0) {
            s->wr_highest_offset = MAX(s->wr_highest_offset, end);
            req->blk->root->wr_highest_offset = MAX(req->blk->root->wr_highest_offset, end);
        }
        break;
    case BLOCK_REQUEST_FLUSH:
        blk_count(&s->flush_operations, NULL, &s->flush_total_time_ns, &s->failed_flush, req);
        break;
    case BLOCK_REQUEST_DISCARD:
        blk_count(&s->unmap_operations, &s->unmap_bytes, NULL, NULL, req);
        break;
    }
}

/* What the device is told: rerror=ignore and werror=ignore hide a failure. */
static int blk_visible_result(const BlockRequest *req)
{
    bool read = req->type == BLOCK_REQUEST_READ;
    if (req->ret == 0 || !blk_error_is_hidden(req->blk, read, -req->ret)) {
        return req->ret;
    }
    if (read) {
        /* Never what happened to stand in the buffer. */
        iov_memset(req->iov, req->niov, 0, 0, req->bytes);
    }
    return 0;
}

void blk_request_complete(BlockRequest *req)
{
    BlockBackend *blk = req->blk;
    BlockCompletionFunc *cb = req->cb;
    void *opaque = req->opaque;
    trace_blk_complete(blk->root->node_name, req->type, req->offset, req->ret);
    blk_account(req);
    int ret = blk_visible_result(req);
    g_free(req);
    /* First the count: the callback itself may drain, or free the backend. */
    blk->in_flight--;
    cb(opaque, ret);
}

/* ---- submission ---- */

/* 0 if the request can be tried, else what it fails with. */
static int blk_check(const BlockRequest *req)
{
    const BlockNode *bs = req->blk->root;
    bool writes = req->type != BLOCK_REQUEST_READ && req->type != BLOCK_REQUEST_FLUSH;
    if (writes && (bs->read_only || bs->layer->inactive)) {
        return -EPERM;
    }
    /* Written so that no sum can wrap: both numbers come from the guest. */
    if (req->offset > bs->length || req->bytes > bs->length - req->offset) {
        return -EIO;
    }
    return 0;
}

static BlockRequest *blk_submit(BlockBackend *blk, BlockRequest *req)
{
    Machine *m = blk->layer->machine;
    bool icount = m->config && m->config->icount;
    req->blk = blk;
    req->start_ns = qemu_clock_get_ns(m, icount ? QEMU_CLOCK_VIRTUAL : QEMU_CLOCK_REALTIME);
    req->flush_after = !blk->write_cache &&
                       (req->type == BLOCK_REQUEST_WRITE || req->type == BLOCK_REQUEST_ZEROES);
    if (block_aio_resume(blk->layer->aio, req)) {
        blk->in_flight++;
        return req;
    }
    req->ret = blk_check(req);
    blk->in_flight++;
    trace_blk_submit(blk->root->node_name, req->type, req->offset, req->bytes);
    /* Nothing to do for a worker: refused, or a flush of what nobody writes. */
    if (req->ret < 0 || (req->type == BLOCK_REQUEST_FLUSH && !blk->root->used_write)) {
        block_aio_submit_finished(blk->layer->aio, req);
    } else {
        block_aio_submit(blk->layer->aio, req);
    }
    return req;
}

static BlockRequest *blk_request_new(BlockRequestType type, uint64_t offset, uint64_t bytes,
                                     BlockCompletionFunc *cb, void *opaque)
{
    BlockRequest *req = g_new0(BlockRequest, 1);
    req->type = type;
    req->offset = offset;
    req->bytes = bytes;
    req->cb = cb;
    req->opaque = opaque;
    return req;
}

BlockRequest *blk_aio_preadv(BlockBackend *blk, uint64_t offset, const struct iovec *iov, int niov,
                             BlockCompletionFunc *cb, void *opaque)
{
    BlockRequest *req = blk_request_new(BLOCK_REQUEST_READ, offset, block_iov_size(iov, niov), cb,
                                        opaque);
    req->iov = iov;
    req->niov = niov;
    return blk_submit(blk, req);
}

BlockRequest *blk_aio_pwritev(BlockBackend *blk, uint64_t offset, const struct iovec *iov, int niov,
                              BlockCompletionFunc *cb, void *opaque)
{
    BlockRequest *req = blk_request_new(BLOCK_REQUEST_WRITE, offset, block_iov_size(iov, niov), cb,
                                        opaque);
    req->iov = iov;
    req->niov = niov;
    return blk_submit(blk, req);
}

BlockRequest *blk_aio_flush(BlockBackend *blk, BlockCompletionFunc *cb, void *opaque)
{
    return blk_submit(blk, blk_request_new(BLOCK_REQUEST_FLUSH, 0, 0, cb, opaque));
}

BlockRequest *blk_aio_pdiscard(BlockBackend *blk, uint64_t offset, uint64_t bytes,
                               BlockCompletionFunc *cb, void *opaque)
{
    return blk_submit(blk, blk_request_new(BLOCK_REQUEST_DISCARD, offset, bytes, cb, opaque));
}

BlockRequest *blk_aio_pwrite_zeroes(BlockBackend *blk, uint64_t offset, uint64_t bytes, bool unmap,
                                    BlockCompletionFunc *cb, void *opaque)
{
    BlockRequest *req = blk_request_new(BLOCK_REQUEST_ZEROES, offset, bytes, cb, opaque);
    req->unmap = unmap;
    return blk_submit(blk, req);
}

/* ---- synchronous ---- */

/* Loaders and flash are not the guest's disk traffic: they are not counted. */
static int blk_rw_sync(BlockBackend *blk, BlockRequestType type, uint64_t offset, void *buf,
                       uint64_t bytes)
{
    struct iovec iov = { .iov_base = buf, .iov_len = bytes };
    BlockRequest req = {
        .blk = blk, .type = type, .offset = offset, .bytes = bytes, .iov = &iov, .niov = 1,
        .flush_after = type == BLOCK_REQUEST_WRITE && !blk->write_cache,
    };
    /* On this thread and at once: loaders run before the guest, and flash is small. */
    req.ret = blk_check(&req);
    if (req.ret == 0 && bytes) {
        blk_request_execute(&req);
    }
    if (req.ret == 0 && type == BLOCK_REQUEST_WRITE) {
        BlockNode *root = blk->root;
        root->wr_highest_offset = MAX(root->wr_highest_offset, offset + bytes);
        blk->stats.wr_highest_offset = MAX(blk->stats.wr_highest_offset, offset + bytes);
    }
    return req.ret;
}

int blk_pread(BlockBackend *blk, uint64_t offset, void *buf, uint64_t bytes)
{
    return blk_rw_sync(blk, BLOCK_REQUEST_READ, offset, buf, bytes);
}

int blk_pwrite(BlockBackend *blk, uint64_t offset, const void *buf, uint64_t bytes)
{
    return blk_rw_sync(blk, BLOCK_REQUEST_WRITE, offset, (void *)buf, bytes);
}

int blk_flush(BlockBackend *blk)
{
    return blk->root->used_write ? block_node_flush(blk->root) : 0;
}

/* ---- quiet ---- */

void blk_drain(BlockBackend *blk)
{
    if (blk->in_flight) {
        trace_blk_drain(blk->root->node_name, blk->in_flight);
    }
    /* Whichever request finishes next is completed, also one of another backend. */
    while (blk->in_flight) {
        block_aio_wait(blk->layer->aio);
    }
}

static bool block_layer_is_busy(const struct BlockLayer *layer)
{
    for (const BlockBackend *blk = layer->backends; blk; blk = blk->next) {
        if (blk->in_flight) {
            return true;
        }
    }
    return false;
}

void block_drain_all(Machine *m)
{
    while (block_layer_is_busy(m->block)) {
        block_aio_wait(m->block->aio);
    }
}

/* ---- queries ---- */

void blk_foreach(Machine *m, void (*fn)(const BlockInfo *info, void *opaque), void *opaque)
{
    for (BlockBackend *blk = m->block->backends; blk; blk = blk->next) {
        const BlockNode *root = blk->root, *protocol = root;
        while (protocol->child) {
            protocol = protocol->child;
        }
        BlockInfo info = {
            .device = blk->drive_id ? blk->drive_id : "",
            .qdev = blk->device_path,
            .node_name = root->node_name,
            .driver = root->drv->name,
            .file = protocol->filename ? protocol->filename : "",
            .read_only = root->read_only,
            .cache_direct = protocol->cache_direct,
            .cache_writeback = blk->write_cache,
            .cache_no_flush = root->cache_no_flush,
            .size = root->length,
            .actual_size = root->drv->actual_size(blk->root),
            .stats = blk->stats,
            .io_status = blk->io_status,
            .serial = blk->serial,
        };
        fn(&info, opaque);
    }
}
