/*
 * block-image.c - the files behind the disks that a machine writes, for whoever copies them (snapshots).
 *
 * Lobby; below it block.c's nodes.
 * Threads and locks: the machine's lock; the machine is stopped and nothing is in flight.
 * Invariant: the images' locks stay where they are: a copy is made through another descriptor of the same file.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "block/block-int.h"
#include "io/file-copy.h"
#include "system/machine.h"

/* What people call the disk: the drive's id, or the node-name of the node on top. */
static const char *image_name(const BlockNode *bs)
{
    while (bs->parent) {
        bs = bs->parent;
    }
    return bs->blk && bs->blk->drive_id ? bs->blk->drive_id : bs->node_name;
}

/* Opened anew, which gives it an offset of its own and no O_DIRECT; else a duplicate. */
static int image_open(int fd)
{
    char path[32];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int own = open(path, O_RDWR | O_CLOEXEC);
    return own >= 0 ? own : fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

static bool image_show(BlockNode *bs, SnapshotImageFunc *fn, void *opaque, Error **errp)
{
    SnapshotImage image = {
        .name = image_name(bs), .node_name = bs->node_name, .file = bs->filename ? bs->filename : "",
        .fd = image_open(bs->drv->descriptor(bs)),
    };
    if (image.fd < 0) {
        error_setg(errp, "disk '%s' (%s): no file descriptor is free", image.name, image.file);
        return false;
    }
    bool ok = file_get_size(image.fd, &image.size, errp);
    if (!ok) {
        error_prepend(errp, "disk '%s' (%s): ", image.name, image.file);
    }
    ok = ok && fn(&image, opaque, errp);
    close(image.fd);
    return ok;
}

bool block_images_foreach(Machine *m, SnapshotImageFunc *fn, void *opaque, Error **errp)
{
    for (BlockNode *bs = m->block->nodes; bs; bs = bs->next) {
        bool keeps_nothing = bs->drv == &block_driver_null_co || bs->drv == &block_driver_null_aio;
        if (!bs->used || !bs->used_write || !bs->drv->is_protocol || keeps_nothing) {
            continue;
        }
        if (!bs->drv->descriptor) {
            error_setg(errp, "Disk '%s' (%s) is no file of this host, of which a copy could be made; attach it "
                       "read-only, or let its server make snapshots", image_name(bs), bs->drv->name);
            return false;
        }
        if (!image_show(bs, fn, opaque, errp)) {
            return false;
        }
    }
    return true;
}

bool block_images_changed(Machine *m, Error **errp)
{
    /* A filter's child is older than the filter, so that lengths come from below. */
    for (BlockNode *bs = m->block->nodes; bs; bs = bs->next) {
        if (bs->used && bs->drv->refresh && !bs->drv->refresh(bs, errp)) {
            return false;
        }
    }
    return true;
}
