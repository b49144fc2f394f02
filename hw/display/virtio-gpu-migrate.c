/*
 * virtio-gpu-migrate.c - how resources and scanouts of the virtio display stand in a stream.
 *
 * Lobby, over migration/vmstate.h.  Locks: machine lock, machine stopped.
 * Invariant: what arrives passes the same checks and limits as a guest's commands.
 *
 * Behind the common part of virtio stands one field "virtio-gpu" (QEMU's version 1), big-endian:
 *   for each resource, newest first: u32 id, width, height, format, number of pieces;
 *     each piece u64 address, u32 length; then width * height pixels as they lie in memory
 *   u32 0
 *   u32 a scanout is on; u32 number of scanouts, for each: u32 resource, width, height, x, y,
 *     cursor resource, hot x, hot y, cursor x, y
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "hw/display/virtio-gpu.h"

enum { BYTES_PER_PIXEL = 4 };

/* ---- save ---- */

static void save_resource(const GpuResource *res, QEMUFile *f)
{
    const uint8_t *pixels = (const uint8_t *)pixman_image_get_data(res->image);
    size_t stride = pixman_image_get_stride(res->image);
    qemu_put_be32(f, res->id);
    qemu_put_be32(f, res->width);
    qemu_put_be32(f, res->height);
    qemu_put_be32(f, res->format);
    qemu_put_be32(f, res->nr_backing);
    for (uint32_t i = 0; i < res->nr_backing; i++) {
        qemu_put_be64(f, res->backing[i].addr);
        qemu_put_be32(f, res->backing[i].len);
    }
    for (uint32_t row = 0; row < res->height; row++) {
        qemu_put_buffer(f, pixels + row * stride, res->width * (size_t)BYTES_PER_PIXEL);
    }
}

static void save_scanout(const GpuScanout *scanout, QEMUFile *f)
{
    qemu_put_be32(f, scanout->resource_id);
    qemu_put_be32(f, scanout->rect.width);
    qemu_put_be32(f, scanout->rect.height);
    qemu_put_be32(f, scanout->rect.x);
    qemu_put_be32(f, scanout->rect.y);
    qemu_put_be32(f, scanout->cursor_id);
    qemu_put_be32(f, scanout->hot_x);
    qemu_put_be32(f, scanout->hot_y);
    qemu_put_be32(f, scanout->cursor_x);
    qemu_put_be32(f, scanout->cursor_y);
}

static bool gpu_put(QEMUFile *f, const void *pv, const VMStateField *field, Error **errp)
{
    const VirtIOGPU *g = pv;
    bool on = false;
    (void)field;
    (void)errp;
    for (const GList *l = g->order.tail; l; l = l->prev) {
        save_resource(l->data, f);
    }
    qemu_put_be32(f, 0);
    for (unsigned i = 0; i < g->max_outputs; i++) {
        on |= g->scanouts[i].resource_id != 0;
    }
    qemu_put_be32(f, on);
    qemu_put_be32(f, g->max_outputs);
    for (unsigned i = 0; i < g->max_outputs; i++) {
        save_scanout(&g->scanouts[i], f);
    }
    return true;
}

/* ---- load ---- */

static bool load_backing(VirtIOGPU *g, uint32_t id, uint32_t count, QEMUFile *f, Error **errp)
{
    if (count > GPU_MAX_BACKING) {
        error_setg(errp, "virtio-gpu: resource %u has %u pieces of memory; right are at most %d", id,
                   count, GPU_MAX_BACKING);
        return false;
    }
    if (count == 0) {
        return true;
    }
    g_autofree GpuBacking *entries = g_new0(GpuBacking, count);
    for (uint32_t i = 0; i < count; i++) {
        entries[i].addr = qemu_get_be64(f);
        entries[i].len = qemu_get_be32(f);
    }
    if (gpu_attach_backing(g, id, entries, count) != GPU_RESP_OK_NODATA) {
        error_setg(errp, "virtio-gpu: memory of resource %u is not in RAM, or too much for "
                   "max_hostmem=%" G_GUINT64_FORMAT, id, g->max_hostmem);
        return false;
    }
    entries = NULL;
    return true;
}

static bool load_resource(VirtIOGPU *g, uint32_t id, QEMUFile *f, Error **errp)
{
    uint32_t width = qemu_get_be32(f), height = qemu_get_be32(f), format = qemu_get_be32(f);
    uint32_t pieces = qemu_get_be32(f);
    uint32_t got = gpu_resource_create(g, id, format, width, height);
    if (got != GPU_RESP_OK_NODATA) {
        error_setg(errp, "virtio-gpu: resource %u of %u x %u pixels, format %u: %s", id, width, height,
                   format, got == GPU_RESP_ERR_OUT_OF_MEMORY ? "more than max_hostmem allows here"
                                                             : "not possible, or twice in the stream");
        return false;
    }
    if (!load_backing(g, id, pieces, f, errp)) {
        return false;
    }
    GpuResource *res = gpu_resource_find(g, id);
    uint8_t *pixels = (uint8_t *)pixman_image_get_data(res->image);
    size_t stride = pixman_image_get_stride(res->image);
    for (uint32_t row = 0; row < height; row++) {
        qemu_get_buffer(f, pixels + row * stride, width * (size_t)BYTES_PER_PIXEL);
    }
    /* The stream begins with the newest; the list, with the oldest. */
    g_queue_unlink(&g->order, &res->link);
    g_queue_push_head_link(&g->order, &res->link);
    return true;
}

static bool load_scanout(VirtIOGPU *g, unsigned index, QEMUFile *f, Error **errp)
{
    uint32_t id = qemu_get_be32(f);
    GpuRect rect;
    rect.width = qemu_get_be32(f);
    rect.height = qemu_get_be32(f);
    rect.x = qemu_get_be32(f);
    rect.y = qemu_get_be32(f);
    uint32_t cursor = qemu_get_be32(f), hot_x = qemu_get_be32(f), hot_y = qemu_get_be32(f);
    uint32_t x = qemu_get_be32(f), y = qemu_get_be32(f);
    if (gpu_set_scanout(g, index, id, rect) != GPU_RESP_OK_NODATA) {
        error_setg(errp, "virtio-gpu: scanout %u shows %u x %u pixels at %u, %u of resource %u, which is "
                   "not there or smaller", index, rect.width, rect.height, rect.x, rect.y, id);
        return false;
    }
    gpu_move_cursor(g, index, x, y);
    /* The guest may have dropped the resource since: then there is nothing to draw. */
    gpu_update_cursor(g, index, gpu_resource_find(g, cursor) ? cursor : 0, hot_x, hot_y);
    g->scanouts[index].cursor_id = cursor;
    return true;
}

static bool gpu_get(QEMUFile *f, void *pv, const VMStateField *field, Error **errp)
{
    VirtIOGPU *g = pv;
    uint32_t id;
    (void)field;
    while ((id = qemu_get_be32(f))) {
        if (!load_resource(g, id, f, errp)) {
            return false;
        }
    }
    qemu_get_be32(f);
    uint32_t outputs = qemu_get_be32(f);
    if (qemu_file_get_error(f)) {
        return true;                /* the walker reports it */
    }
    if (outputs != g->max_outputs) {
        error_setg(errp, "virtio-gpu: max_outputs is %u in the stream and %u here", outputs,
                   g->max_outputs);
        return false;
    }
    for (unsigned i = 0; i < outputs; i++) {
        if (!load_scanout(g, i, f, errp)) {
            return false;
        }
    }
    return true;
}

static const VMStateInfo vmstate_info_gpu = {
    .name = "virtio-gpu",
    .get = gpu_get,
    .put = gpu_put,
};

const VMStateDescription vmstate_virtio_gpu = {
    .name = "virtio-gpu",
    .version_id = 1,
    .minimum_version_id = 1,
    .save_blob = virtio_save_blob,
    .load_blob = virtio_load_blob,
    .fields = (const VMStateField[]) {
        {.name = "virtio-gpu", .size = sizeof(VirtIOGPU), .num = 1, .info = &vmstate_info_gpu},
        VMSTATE_END_OF_LIST(),
    },
};
