/*
 * block-migrate.c - what disk migration does to the machine's images (include/migration/disk.h).
 *
 * Lobby; below it block.c's nodes.
 * Threads and locks: as disk.h says; reads and writes go straight to the nodes, on the caller's thread.
 * Invariant: the images are locked before they are marked: who gives both sides the same image by mistake is told so,
 * and nothing of it is touched.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "block/block-int.h"
#include "system/machine.h"

static bool disk_get(Machine *m, unsigned n, MigrationDisk *disk)
{
    for (BlockBackend *blk = m->block->backends; blk; blk = blk->next) {
        if (!blk->device_path || !blk->root || !blk->root->used_write || n-- > 0) {
            continue;
        }
        *disk = (MigrationDisk) {
            .name = blk->drive_id ? blk->drive_id : blk->root->node_name,
            .bytes = blk->root->length, .has_base = blk->base_fd >= 0, .handle = blk,
        };
        return true;
    }
    return false;
}

static void disk_track(void *handle, MigrationDiskWritten *fn, void *opaque)
{
    BlockBackend *blk = handle;
    Machine *m = blk->layer->machine;
    if (fn) {
        blk->written_opaque = opaque;
        atomic_store(&blk->written, fn);
        return;
    }
    atomic_store(&blk->written, NULL);
    /* With -icount requests are executed with the lock held, so none is under way. */
    if (!m->config || !m->config->icount) {
        blk_drain(blk);
    }
}

static int disk_read(void *handle, uint64_t offset, void *buf, uint64_t bytes)
{
    struct iovec iov = { .iov_base = buf, .iov_len = bytes };
    return block_node_preadv(((BlockBackend *)handle)->root, offset, &iov, 1);
}

/* What the base image lacks at its end reads as zeroes. */
static int disk_read_base(void *handle, uint64_t offset, void *buf, uint64_t bytes)
{
    uint64_t done = 0;
    while (done < bytes) {
        ssize_t n = pread(((BlockBackend *)handle)->base_fd, (uint8_t *)buf + done, bytes - done,
                          (off_t)(offset + done));
        if (n < 0 && errno != EINTR) {
            return -errno;
        }
        if (n == 0) {
            memset((uint8_t *)buf + done, 0, bytes - done);
            break;
        }
        done += n > 0 ? (uint64_t)n : 0;
    }
    return 0;
}

static int disk_write(void *handle, uint64_t offset, const void *buf, uint64_t bytes)
{
    struct iovec iov = { .iov_base = (void *)buf, .iov_len = bytes };
    return block_node_pwritev(((BlockBackend *)handle)->root, offset, &iov, 1);
}

static int disk_write_zeroes(void *handle, uint64_t offset, uint64_t bytes)
{
    /* Nobody has asked for the space to stay allocated. */
    const BlockNode *root = ((BlockBackend *)handle)->root;
    return root->drv->pwrite_zeroes((BlockNode *)root, offset, bytes, true);
}

static int disk_flush(void *handle)
{
    return block_node_flush(((BlockBackend *)handle)->root);
}

/* ---- whose the images are ---- */

static bool flush_images(Machine *m, Error **errp)
{
    for (BlockNode *bs = m->block->nodes; bs; bs = bs->next) {
        int ret = bs->used_write && bs->drv->is_protocol ? block_node_flush(bs) : 0;
        if (ret < 0) {
            error_setg_errno(errp, -ret, "Node '%s' could not be flushed", bs->node_name);
            return false;
        }
    }
    return true;
}

static bool disk_mark(Machine *m, MigrationDiskMark mark, Error **errp)
{
    if (!flush_images(m, errp)) {
        return false;
    }
    for (BlockNode *bs = m->block->nodes; bs; bs = bs->next) {
        if (bs->used_write && bs->drv->mark && !bs->drv->mark(bs, mark, errp)) {
            return false;
        }
    }
    if (mark == MIGRATION_DISK_GOOD) {
        m->block->receiving = false;
    }
    return true;
}

static void disk_release(Machine *m)
{
    block_inactivate_all(m, NULL);
    m->block->receiving = false;
}

static bool disk_receive(Machine *m, Error **errp)
{
    if (!m->block->inactive) {
        error_setg(errp, "the images here are in use: disks can only arrive at a machine started with -incoming");
        return false;
    }
    m->block->receiving = true;
    if (!block_activate_all(m, errp)) {
        m->block->receiving = false;
        error_append_hint(errp, "A destination that is to receive disks needs images of its own; where both sides share "
                          "them, move the machine without its disks");
        return false;
    }
    if (!disk_mark(m, MIGRATION_DISK_INCOMPLETE, errp)) {
        disk_release(m);
        return false;
    }
    return true;
}

const MigrationDiskOps block_migration_ops = {
    .get = disk_get, .track = disk_track, .read = disk_read, .read_base = disk_read_base, .write = disk_write,
    .write_zeroes = disk_write_zeroes, .flush = disk_flush, .receive = disk_receive, .release = disk_release, .mark = disk_mark,
};
