/*
 * qmp-cmds-block.c - the commands that show disks and their counters.
 *
 * Floor F6; below it the block layer.  Main loop's thread, machine lock held.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "block/block.h"
#include "qapi/qapi-commands.h"

static BlockDeviceInfo *device_info(const BlockInfo *info)
{
    BlockDeviceInfo *out = g_new0(BlockDeviceInfo, 1);
    out->file = g_strdup(info->file ? info->file : "");
    out->node_name = g_strdup(info->node_name);
    out->drv = g_strdup(info->driver);
    out->ro = info->read_only;
    out->image = g_new0(ImageInfo, 1);
    out->image->filename = g_strdup(out->file);
    out->image->format = g_strdup(info->driver);
    out->image->virtual_size = (int64_t)info->size;
    out->image->has_actual_size = true;
    out->image->actual_size = (int64_t)info->actual_size;
    out->cache = g_new0(BlockdevCacheInfo, 1);
    out->cache->writeback = info->cache_writeback;
    out->cache->direct = info->cache_direct;
    out->cache->no_flush = info->cache_no_flush;
    return out;
}

/*
 * Where clients look for a disk's device. A virtio-mmio disk is named by its back end's path: by the
 * device's own path, statistics are not found by management programs.
 */
static char *qdev_path(const BlockInfo *info)
{
    return info->qdev ? g_strdup_printf("%s/virtio-backend", info->qdev) : NULL;
}

static void add_device(const BlockInfo *info, void *opaque)
{
    BlockDeviceList ***tail = opaque;
    BlockDevice *out = g_new0(BlockDevice, 1);
    out->device = g_strdup(info->device ? info->device : "");
    out->qdev = qdev_path(info);
    out->type = g_strdup("unknown");
    out->inserted = device_info(info);
    out->has_io_status = true;
    out->io_status = info->io_status == BLOCK_IO_OK        ? BLOCK_DEVICE_IO_STATUS_OK
                     : info->io_status == BLOCK_IO_NOSPACE ? BLOCK_DEVICE_IO_STATUS_NOSPACE
                                                           : BLOCK_DEVICE_IO_STATUS_FAILED;
    QAPI_LIST_APPEND(*tail, out);
}

bool qmp_query_block(QmpContext *ctx, BlockDeviceList **ret, Error **errp)
{
    BlockDeviceList **tail = ret;
    blk_foreach(ctx->machine, add_device, &tail);
    return true;
}

static void add_statistics(const BlockInfo *info, void *opaque)
{
    BlockDeviceStatisticsList ***tail = opaque;
    const BlockStats *s = &info->stats;
    BlockDeviceStatistics *out = g_new0(BlockDeviceStatistics, 1);
    out->device = g_strdup(info->device);
    out->qdev = qdev_path(info);
    out->node_name = g_strdup(info->node_name);
    out->stats = g_new0(BlockDeviceStats, 1);
    *out->stats = (BlockDeviceStats){
        .rd_bytes = (int64_t)s->rd_bytes, .wr_bytes = (int64_t)s->wr_bytes,
        .unmap_bytes = (int64_t)s->unmap_bytes, .rd_operations = (int64_t)s->rd_operations,
        .wr_operations = (int64_t)s->wr_operations, .flush_operations = (int64_t)s->flush_operations,
        .unmap_operations = (int64_t)s->unmap_operations,
        .rd_total_time_ns = (int64_t)s->rd_total_time_ns,
        .wr_total_time_ns = (int64_t)s->wr_total_time_ns,
        .flush_total_time_ns = (int64_t)s->flush_total_time_ns,
        .wr_highest_offset = (int64_t)s->wr_highest_offset,
        .failed_rd_operations = (int64_t)s->failed_rd, .failed_wr_operations = (int64_t)s->failed_wr,
        .failed_flush_operations = (int64_t)s->failed_flush, .account_failed = true,
        .account_invalid = true,
    };
    QAPI_LIST_APPEND(*tail, out);
}

bool qmp_query_blockstats(QmpContext *ctx, const QueryBlockstatsArgs *args,
                          BlockDeviceStatisticsList **ret, Error **errp)
{
    BlockDeviceStatisticsList **tail = ret;
    if (args->has_query_nodes && args->query_nodes) {
        block_node_foreach(ctx->machine, add_statistics, &tail);
    } else {
        blk_foreach(ctx->machine, add_statistics, &tail);
    }
    return true;
}

static void add_node(const BlockInfo *info, void *opaque)
{
    BlockDeviceInfoList ***tail = opaque;
    QAPI_LIST_APPEND(*tail, device_info(info));
}

bool qmp_query_named_block_nodes(QmpContext *ctx, const QueryNamedBlockNodesArgs *args,
                                 BlockDeviceInfoList **ret, Error **errp)
{
    BlockDeviceInfoList **tail = ret;
    block_node_foreach(ctx->machine, add_node, &tail);
    return true;
}
