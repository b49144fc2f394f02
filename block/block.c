/*
 * block.c - the layer: nodes by name, who uses them, and who owns the images at the moment.
 *
 * Lobby; below it the drivers and system/.
 * Threads and locks: the machine's lock, except block_node_*() I/O, which any thread may call.
 * Invariant: a node has at most one user (a node above it, or a backend).  While the layer is
 * active every node in use holds its image's lock; while it is inactive none does, and nothing is
 * written.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "block/block.h"

#include <errno.h>
#include <string.h>

#include "block/block-aio.h"
#include "block/block-int.h"
#include "system/machine.h"
#include "system/runstate.h"
#include "trace/block.h"
#include "util/keyval.h"

#define NODE_NAME_SIZE 32   /* a node's name has fewer characters, as in QEMU */

/* ---- nodes by name ---- */

BlockNode *block_node_find(Machine *m, const char *name)
{
    for (BlockNode *bs = m->block->nodes; bs; bs = bs->next) {
        if (strcmp(bs->node_name, name) == 0) {
            return bs;
        }
    }
    return NULL;
}

/* Names are shared with drive ids, since -device drive= may mean either. */
static bool block_node_name_ok(struct BlockLayer *layer, const char *name, Error **errp)
{
    bool ok = g_ascii_isalpha(name[0]);
    for (const char *p = name; *p; p++) {
        ok = ok && (g_ascii_isalnum(*p) || *p == '-' || *p == '_' || *p == '.');
    }
    if (!ok) {
        error_setg(errp,
                   "Invalid node-name '%s': it begins with a letter, and letters, digits, '-', "
                   "'.' and '_' follow",
                   name);
        return false;
    }
    if (strlen(name) >= NODE_NAME_SIZE) {
        error_setg(errp, "node-name '%s' is longer than %d characters", name,
                   NODE_NAME_SIZE - 1);
        return false;
    }
    if (block_node_find(layer->machine, name)) {
        error_setg(errp, "Duplicate nodes with node-name='%s'", name);
        return false;
    }
    if (blk_find(layer->machine, name)) {
        error_setg(errp, "node-name=%s is conflicting with a device id", name);
        return false;
    }
    return true;
}

static void block_layer_notice_incoming(struct BlockLayer *layer)
{
    /* Images of a machine that is about to arrive still belong to the source. */
    if (layer->machine->runstate && runstate_get(layer->machine) == RUN_STATE_INMIGRATE) {
        layer->inactive = true;
    }
}

BlockNode *block_node_open(struct BlockLayer *layer, const json_t *options, bool owned,
                           Error **errp)
{
    const char *driver = NULL, *name = NULL;
    if (!keyval_get_str(options, "driver", &driver, errp) ||
        !keyval_get_str(options, "node-name", &name, errp)) {
        return NULL;
    }
    const BlockDriver *drv = block_driver_find(driver, errp);
    if (!drv || (name && !block_node_name_ok(layer, name, errp)) ||
        !block_options_check(drv, options, errp)) {
        return NULL;
    }
    block_layer_notice_incoming(layer);
    BlockNode *bs = g_new0(BlockNode, 1);
    bs->layer = layer;
    bs->drv = drv;
    bs->owned = owned;
    /* '#' cannot begin a name of the user's choice. */
    bs->node_name = name ? g_strdup(name) : g_strdup_printf("#block%03u", layer->next_name++);
    if (!block_options_common(bs, options, errp) || !drv->open(bs, options, errp)) {
        g_free(bs->filename);
        g_free(bs->node_name);
        g_free(bs);
        return NULL;
    }
    /* At the end: what a node stands on is always found before it. */
    BlockNode **at = &layer->nodes;
    while (*at) {
        at = &(*at)->next;
    }
    *at = bs;
    trace_block_node_open(bs->node_name, drv->name, bs->filename ? bs->filename : "", bs->length);
    return bs;
}

void block_node_close(BlockNode *bs)
{
    BlockNode *child = bs->child;
    BlockNode **at = &bs->layer->nodes;
    while (*at && *at != bs) {
        at = &(*at)->next;
    }
    if (*at) {
        *at = bs->next;
    }
    /* Locks first: the descriptor they belong to goes with close(). */
    block_node_unuse(bs);
    bs->drv->close(bs);
    trace_block_node_close(bs->node_name);
    if (child) {
        child->parent = NULL;
        if (child->owned) {
            block_node_close(child);
        }
    }
    g_free(bs->filename);
    g_free(bs->node_name);
    g_free(bs);
}

BlockNode *block_node_new(Machine *m, const json_t *options, Error **errp)
{
    if (!json_object_get(options, "node-name")) {
        error_setg(errp, "'node-name' must be specified for the root node");
        return NULL;
    }
    return block_node_open(m->block, options, false, errp);
}

bool block_node_is_free(const BlockNode *bs, Error **errp)
{
    if (bs->parent) {
        error_setg(errp, "Node '%s' is in use by node '%s'", bs->node_name, bs->parent->node_name);
    } else if (bs->blk) {
        const BlockBackend *blk = bs->blk;
        error_setg(errp, "Node '%s' is in use by %s '%s'", bs->node_name,
                   blk->device_path ? "device" : "drive",
                   blk->device_path ? blk->device_path : blk->drive_id);
    }
    return !bs->parent && !bs->blk;
}

bool block_node_remove(Machine *m, const char *name, Error **errp)
{
    BlockNode *bs = block_node_find(m, name);
    if (!bs) {
        error_setg(errp, "Failed to find node with node-name='%s'", name);
        return false;
    }
    if (!block_node_is_free(bs, errp)) {
        return false;
    }
    block_node_close(bs);
    return true;
}

/* ---- use: access mode and locks ---- */

/* Idempotent, since activation passes over nodes that are locked already. */
static bool block_node_lock(BlockNode *bs, bool write, Error **errp)
{
    if (bs->locked || !bs->drv->lock) {
        return true;
    }
    bs->locked = bs->drv->lock(bs, write, errp);
    return bs->locked;
}

static void block_node_unlock(BlockNode *bs)
{
    if (bs->locked) {
        bs->drv->unlock(bs);
        bs->locked = false;
    }
}

bool block_node_use(BlockNode *bs, bool write, Error **errp)
{
    BlockNode *child = bs->child;
    /* From below upwards: only then is it known whether writing is possible. */
    if (child && !block_node_use(child, write, errp)) {
        return false;
    }
    if (write && child && child->read_only) {
        if (!bs->auto_read_only) {
            error_setg(errp, "Node '%s' is read-only, so node '%s' above it cannot be written; "
                       "open it with read-only=on", child->node_name, bs->node_name);
            goto fail;
        }
        bs->read_only = true;
    }
    if (bs->drv->set_access && !bs->drv->set_access(bs, write, errp)) {
        goto fail;
    }
    /* auto-read-only may have ended in reading only. */
    bs->used_write = write && !bs->read_only;
    if (!bs->layer->inactive && !block_node_lock(bs, bs->used_write, errp)) {
        goto fail;
    }
    bs->used = true;
    return true;
fail:
    if (child) {
        block_node_unuse(child);
    }
    return false;
}

void block_node_unuse(BlockNode *bs)
{
    /* From above downwards, the reverse of taking into use. */
    block_node_unlock(bs);
    bs->used = false;
    if (bs->child) {
        block_node_unuse(bs->child);
    }
}

/* ---- I/O, any thread ---- */

int block_node_preadv(BlockNode *bs, uint64_t offset, const struct iovec *iov, int niov)
{
    return bs->drv->preadv(bs, offset, iov, niov);
}

int block_node_pwritev(BlockNode *bs, uint64_t offset, const struct iovec *iov, int niov)
{
    uint64_t bytes = block_iov_size(iov, niov);
    if (bs->detect_zeroes != DETECT_ZEROES_OFF && block_iov_is_zero(iov, niov)) {
        bool unmap = bs->detect_zeroes == DETECT_ZEROES_UNMAP && bs->unmap;
        return bs->drv->pwrite_zeroes(bs, offset, bytes, unmap);
    }
    return bs->drv->pwritev(bs, offset, iov, niov);
}

int block_node_flush(BlockNode *bs)
{
    return bs->cache_no_flush ? 0 : bs->drv->flush(bs);
}

int block_node_pdiscard(BlockNode *bs, uint64_t offset, uint64_t bytes)
{
    /* A discard is a hint: where the image is not to shrink it has succeeded. */
    return bs->unmap ? bs->drv->pdiscard(bs, offset, bytes) : 0;
}

int block_node_pwrite_zeroes(BlockNode *bs, uint64_t offset, uint64_t bytes, bool unmap)
{
    return bs->drv->pwrite_zeroes(bs, offset, bytes, unmap && bs->unmap);
}

/*
 * Nobody touches an image any more. With -icount that is so already: a request is executed when it
 * is submitted, and what is pending is the guest's being told, at a moment that a stop must not
 * change.
 */
static void block_quiesce(struct BlockLayer *layer)
{
    Machine *m = layer->machine;
    if (!m->config || !m->config->icount) {
        block_drain_all(m);
    }
}

/* ---- handing images to another process and back ---- */

bool block_inactivate_all(Machine *m, Error **errp)
{
    struct BlockLayer *layer = m->block;
    int ret = 0;
    const char *failed = NULL;
    if (layer->inactive) {
        return true;
    }
    block_quiesce(layer);
    /* Only protocols hold data; what is above them passes a flush down anyway. */
    for (BlockNode *bs = layer->nodes; bs; bs = bs->next) {
        int one = bs->used_write && bs->drv->is_protocol ? block_node_flush(bs) : 0;
        if (one < 0 && !ret) {
            ret = one;
            failed = bs->node_name;
        }
    }
    if (ret < 0) {
        /* The images stay here: what another process would find in them is not what was written. */
        error_setg_errno(errp, -ret,
                         "Node '%s' could not be flushed before its image was handed over", failed);
        return false;
    }
    for (BlockNode *bs = layer->nodes; bs; bs = bs->next) {
        block_node_unlock(bs);
    }
    layer->inactive = true;
    trace_block_inactivate();
    return true;
}

static bool block_node_activate(BlockNode *bs, Error **errp)
{
    /* The lock first: before it is held the size may still change. */
    if (bs->used && !block_node_lock(bs, bs->used_write, errp)) {
        return false;
    }
    return !bs->drv->refresh || bs->drv->refresh(bs, errp);
}

bool block_activate_all(Machine *m, Error **errp)
{
    struct BlockLayer *layer = m->block;
    if (!layer->inactive) {
        return true;
    }
    /* A filter's child is older than the filter, so that lengths come from below. */
    for (BlockNode *bs = layer->nodes; bs; bs = bs->next) {
        if (!block_node_activate(bs, errp)) {
            for (BlockNode *undo = layer->nodes; undo; undo = undo->next) {
                block_node_unlock(undo);
            }
            return false;
        }
    }
    layer->inactive = false;
    trace_block_activate();
    return true;
}

/* ---- queries ---- */

void block_node_foreach(Machine *m, void (*fn)(const BlockInfo *info, void *opaque), void *opaque)
{
    for (BlockNode *bs = m->block->nodes; bs; bs = bs->next) {
        const BlockNode *protocol = bs;
        while (protocol->child) {
            protocol = protocol->child;
        }
        BlockInfo info = {
            .device = "",
            .node_name = bs->node_name,
            .driver = bs->drv->name,
            .file = protocol->filename ? protocol->filename : "",
            .read_only = bs->read_only,
            .cache_direct = protocol->cache_direct,
            .cache_writeback = true,
            .cache_no_flush = bs->cache_no_flush,
            .size = bs->length,
            .actual_size = bs->drv->actual_size(bs),
            .stats.wr_highest_offset = bs->wr_highest_offset,
        };
        fn(&info, opaque);
    }
}

/* ---- life ---- */

/* Runs at every stop of the machine, so that nothing is in flight when its state is saved. */
static bool block_layer_drained(void *opaque, Error **errp)
{
    struct BlockLayer *layer = opaque;
    block_quiesce(layer);
    for (BlockBackend *blk = layer->backends; blk; blk = blk->next) {
        int ret = blk->root && blk->root->used_write && !layer->inactive ? blk_flush(blk) : 0;
        if (ret < 0) {
            error_setg_errno(errp, -ret, "Drive '%s' could not be flushed", blk->root->node_name);
            return false;
        }
    }
    return true;
}

void block_flush_all(Machine *m)
{
    for (BlockBackend *blk = m->block->backends; blk; blk = blk->next) {
        if (blk->root && blk->root->used_write) {
            blk_flush(blk);
        }
    }
}

struct BlockLayer *block_layer_new(Machine *m)
{
    struct BlockLayer *layer = g_new0(struct BlockLayer, 1);
    layer->machine = m;
    layer->next_name = 1;
    layer->aio = block_aio_new(m);
    vm_add_drain_handler(m, block_layer_drained, layer);
    layer->vm_entry = vm_add_change_state_handler(m, block_error_vm_state, layer);
    return layer;
}

void block_layer_free(struct BlockLayer *layer)
{
    if (!layer) {
        return;
    }
    vm_del_drain_handler(layer->machine, block_layer_drained, layer);
    vm_del_change_state_handler(layer->vm_entry);
    /* Backends first: each flushes what was written through it. */
    while (layer->backends) {
        blk_free(layer->backends);
    }
    /* From the end: what stands on a node is younger than it. */
    while (layer->nodes) {
        BlockNode *last = layer->nodes;
        while (last->next) {
            last = last->next;
        }
        block_node_close(last);
    }
    block_aio_free(layer->aio);
    g_free(layer);
}
