/*
 * raw.c - the format of images that have none: a window (offset, size) on the node below.
 *
 * Lobby; below it another node.
 * Threads and locks: the window changes under the machine lock while nothing is in flight; workers
 * read it without.
 * Invariant: offset + length never reaches past the node below, so that no request leaves the
 * window.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>

#include "block/block-int.h"
#include "system/machine.h"
#include "util/keyval.h"

typedef struct RawState {
    uint64_t offset;
    uint64_t size;      /* as asked for */
    bool has_size;
} RawState;

/* Again after each hand-over: the file may have grown or shrunk. */
static bool raw_set_window(BlockNode *bs, Error **errp)
{
    const RawState *s = bs->opaque;
    const BlockNode *child = bs->child;
    if (s->offset > child->length) {
        error_setg(errp,
                   "Offset (%" G_GUINT64_FORMAT ") is greater than the size of the containing file "
                   "(%" G_GUINT64_FORMAT ")",
                   s->offset, child->length);
        return false;
    }
    uint64_t room = child->length - s->offset;
    if (s->has_size && s->size > room) {
        error_setg(errp,
                   "The sum of offset (%" G_GUINT64_FORMAT ") and size (%" G_GUINT64_FORMAT
                   ") is greater than the actual size of the containing file (%" G_GUINT64_FORMAT
                   ")",
                   s->offset, s->size, child->length);
        return false;
    }
    bs->length = s->has_size ? s->size : room;
    return true;
}

/* What a node below, given in place, takes over from raw unless it says otherwise. */
static json_t *raw_child_options(const BlockNode *bs, const json_t *file)
{
    json_t *child = json_deep_copy(file);
    json_t *inherited = json_pack("{sb sb s{sb sb} ss}", "read-only", bs->read_only, "force-share",
                                  bs->force_share, "cache", "direct", bs->cache_direct, "no-flush",
                                  bs->cache_no_flush, "discard", bs->unmap ? "unmap" : "ignore");
    if (bs->auto_read_only) {
        json_object_set_new(inherited, "auto-read-only", json_true());
    }
    json_object_update_missing(child, inherited);
    json_decref(inherited);
    return child;
}

static BlockNode *raw_open_child(BlockNode *bs, const json_t *file, Error **errp)
{
    if (json_is_string(file)) {
        BlockNode *child = block_node_find(bs->layer->machine, json_string_value(file));
        if (!child) {
            error_setg(errp, "Cannot find device='' nor node-name='%s'", json_string_value(file));
            return NULL;
        }
        return block_node_is_free(child, errp) ? child : NULL;
    }
    if (!json_is_object(file)) {
        error_setg(errp, file ? "Parameter 'file' expects a node-name or the options of a node"
                              : "A block device must be specified for \"file\"");
        return NULL;
    }
    json_t *options = raw_child_options(bs, file);
    BlockNode *child = block_node_open(bs->layer, options, true, errp);
    json_decref(options);
    return child;
}

static bool raw_open(BlockNode *bs, const json_t *options, Error **errp)
{
    RawState s = { .has_size = json_object_get(options, "size") != NULL };
    if (!keyval_get_size(options, "offset", &s.offset, errp) ||
        !keyval_get_size(options, "size", &s.size, errp)) {
        return false;
    }
    /* Otherwise an aligned request of the guest would be unaligned below. */
    if ((s.offset | s.size) % BDRV_SECTOR_SIZE) {
        error_setg(errp, "Specified offset and size must be multiples of %d", BDRV_SECTOR_SIZE);
        return false;
    }
    BlockNode *child = raw_open_child(bs, json_object_get(options, "file"), errp);
    if (!child) {
        return false;
    }
    if (child->read_only && !child->auto_read_only && !bs->read_only && !bs->auto_read_only) {
        error_setg(errp, "Block node '%s' is read-only; give '%s' read-only=on as well",
                   child->node_name, bs->node_name);
        goto fail;
    }
    /* The child is this node's only when nothing can fail any more. */
    bs->opaque = g_memdup2(&s, sizeof(s));
    bs->child = child;
    if (!raw_set_window(bs, errp)) {
        bs->child = NULL;
        g_free(bs->opaque);
        goto fail;
    }
    child->parent = bs;
    return true;
fail:
    if (child->owned) {
        block_node_close(child);
    }
    return false;
}

static void raw_close(BlockNode *bs)
{
    g_free(bs->opaque);
}

static bool raw_refresh(BlockNode *bs, Error **errp)
{
    return raw_set_window(bs, errp);
}

static uint64_t raw_actual_size(BlockNode *bs)
{
    return bs->child->drv->actual_size(bs->child);
}

/* ---- I/O, any thread ---- */

static uint64_t raw_offset(const BlockNode *bs)
{
    return ((const RawState *)bs->opaque)->offset;
}

static int raw_preadv(BlockNode *bs, uint64_t offset, const struct iovec *iov, int niov)
{
    return block_node_preadv(bs->child, raw_offset(bs) + offset, iov, niov);
}

static int raw_pwritev(BlockNode *bs, uint64_t offset, const struct iovec *iov, int niov)
{
    return block_node_pwritev(bs->child, raw_offset(bs) + offset, iov, niov);
}

static int raw_flush(BlockNode *bs)
{
    return block_node_flush(bs->child);
}

static int raw_pdiscard(BlockNode *bs, uint64_t offset, uint64_t bytes)
{
    return block_node_pdiscard(bs->child, raw_offset(bs) + offset, bytes);
}

static int raw_pwrite_zeroes(BlockNode *bs, uint64_t offset, uint64_t bytes, bool unmap)
{
    return block_node_pwrite_zeroes(bs->child, raw_offset(bs) + offset, bytes, unmap);
}

static const char *const raw_keys[] = { "file", "offset", "size", NULL };

const BlockDriver block_driver_raw = {
    .name = "raw",
    .keys = raw_keys,
    .open = raw_open,
    .close = raw_close,
    .refresh = raw_refresh,
    .actual_size = raw_actual_size,
    .preadv = raw_preadv,
    .pwritev = raw_pwritev,
    .flush = raw_flush,
    .pdiscard = raw_pdiscard,
    .pwrite_zeroes = raw_pwrite_zeroes,
};
