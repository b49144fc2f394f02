/*
 * virtio-gpu-2d.c - resources, scanouts and the cursor of the virtio display.
 *
 * Lobby, over pixman and ui/console.h.  Specification: VIRTIO 1.2, section 5.7.6.8.
 * Locks: machine lock.
 * Invariants: hostmem is the sum of all `charged` and at most max_hostmem; a scanout's rectangle lies
 * in its resource, which exists; what viewers see (scanout->surface) is a copy that the guest changes
 * only by a flush or a cursor command.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "hw/display/virtio-gpu.h"
#include "system/machine.h"

enum { BYTES_PER_PIXEL = 4, RESOURCE_OVERHEAD = 512 };

/* The formats name their bytes in order of address; pixman names them from the top of a LE word. */
static const struct {
    uint32_t format;
    pixman_format_code_t pixman;
} formats[] = {
    {1, PIXMAN_a8r8g8b8}, {2, PIXMAN_x8r8g8b8}, {3, PIXMAN_b8g8r8a8}, {4, PIXMAN_b8g8r8x8},
    {67, PIXMAN_a8b8g8r8}, {68, PIXMAN_r8g8b8x8}, {121, PIXMAN_r8g8b8a8}, {134, PIXMAN_x8b8g8r8},
};

pixman_format_code_t gpu_pixman_format(uint32_t format)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(formats); i++) {
        if (formats[i].format == format) {
            return formats[i].pixman;
        }
    }
    return 0;
}

/* ---- resources ---- */

static bool charge(VirtIOGPU *g, GpuResource *res, uint64_t bytes)
{
    if (bytes > g->max_hostmem - g->hostmem) {
        return false;
    }
    g->hostmem += bytes;
    res->charged += bytes;
    return true;
}

static void discharge(VirtIOGPU *g, GpuResource *res, uint64_t bytes)
{
    g->hostmem -= bytes;
    res->charged -= bytes;
}

GpuResource *gpu_resource_find(VirtIOGPU *g, uint32_t id)
{
    return g_hash_table_lookup(g->resources, GUINT_TO_POINTER(id));
}

static void resource_free(GpuResource *res)
{
    if (res->image) {
        pixman_image_unref(res->image);
    }
    g_free(res->backing);
    g_free(res);
}

uint32_t gpu_resource_create(VirtIOGPU *g, uint32_t id, uint32_t format, uint32_t width,
                             uint32_t height)
{
    if (id == 0 || gpu_resource_find(g, id)) {
        return GPU_RESP_ERR_INVALID_RESOURCE_ID;
    }
    pixman_format_code_t pixman = gpu_pixman_format(format);
    if (!pixman || width == 0 || height == 0) {
        return GPU_RESP_ERR_INVALID_PARAMETER;
    }
    if (width > GPU_MAX_DIMENSION || height > GPU_MAX_DIMENSION) {
        return GPU_RESP_ERR_OUT_OF_MEMORY;
    }
    GpuResource *res = g_new0(GpuResource, 1);
    if (!charge(g, res, (uint64_t)width * height * BYTES_PER_PIXEL + RESOURCE_OVERHEAD)) {
        resource_free(res);
        return GPU_RESP_ERR_OUT_OF_MEMORY;
    }
    res->image = pixman_image_create_bits(pixman, width, height, NULL, 0);
    if (!res->image) {
        discharge(g, res, res->charged);
        resource_free(res);
        return GPU_RESP_ERR_OUT_OF_MEMORY;
    }
    res->id = id;
    res->format = format;
    res->width = width;
    res->height = height;
    res->link.data = res;
    g_hash_table_insert(g->resources, GUINT_TO_POINTER(id), res);
    g_queue_push_tail_link(&g->order, &res->link);
    return GPU_RESP_OK_NODATA;
}

static void scanout_disable(GpuScanout *scanout)
{
    if (scanout->surface) {
        ui_console_set_surface(scanout->con, NULL);
        pixman_image_unref(scanout->surface);
        scanout->surface = NULL;
    }
    scanout->resource_id = 0;
    scanout->rect = (GpuRect){0};
}

static void resource_destroy(VirtIOGPU *g, GpuResource *res)
{
    for (unsigned i = 0; i < g->max_outputs; i++) {
        if (g->scanouts[i].resource_id == res->id) {
            scanout_disable(&g->scanouts[i]);
        }
    }
    discharge(g, res, res->charged);
    g_queue_unlink(&g->order, &res->link);
    g_hash_table_remove(g->resources, GUINT_TO_POINTER(res->id));
    resource_free(res);
}

uint32_t gpu_resource_unref(VirtIOGPU *g, uint32_t id)
{
    GpuResource *res = gpu_resource_find(g, id);
    if (!res) {
        return GPU_RESP_ERR_INVALID_RESOURCE_ID;
    }
    resource_destroy(g, res);
    return GPU_RESP_OK_NODATA;
}

uint32_t gpu_attach_backing(VirtIOGPU *g, uint32_t id, GpuBacking *entries, uint32_t count)
{
    GpuResource *res = gpu_resource_find(g, id);
    if (!res) {
        return GPU_RESP_ERR_INVALID_RESOURCE_ID;
    }
    if (res->backing || count == 0) {
        return GPU_RESP_ERR_UNSPEC;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint64_t len = entries[i].len;
        entries[i].host = len ? memory_map(g->vdev.parent.machine, entries[i].addr, &len, false) : NULL;
        if (len < entries[i].len || (len && !entries[i].host)) {
            return GPU_RESP_ERR_INVALID_PARAMETER;
        }
    }
    if (!charge(g, res, count * sizeof(GpuBacking))) {
        return GPU_RESP_ERR_OUT_OF_MEMORY;
    }
    res->backing = entries;
    res->nr_backing = count;
    return GPU_RESP_OK_NODATA;
}

uint32_t gpu_detach_backing(VirtIOGPU *g, uint32_t id)
{
    GpuResource *res = gpu_resource_find(g, id);
    if (!res || !res->backing) {
        return GPU_RESP_ERR_INVALID_RESOURCE_ID;
    }
    discharge(g, res, res->nr_backing * sizeof(GpuBacking));
    g_clear_pointer(&res->backing, g_free);
    res->nr_backing = 0;
    return GPU_RESP_OK_NODATA;
}

/* ---- from guest memory into a resource ---- */

static bool rect_inside(GpuRect r, uint32_t width, uint32_t height)
{
    return r.x <= width && r.y <= height && r.width <= width - r.x && r.height <= height - r.y;
}

/* Reads a backing in ascending order: remembers the piece where the last read ended. */
typedef struct BackingReader {
    const GpuResource *res;
    uint32_t piece;
    uint64_t base;                  /* offset at which that piece begins */
} BackingReader;

/* What lies behind the end of the backing is not copied. */
static void backing_read(BackingReader *r, uint64_t offset, uint8_t *to, size_t len)
{
    while (len > 0 && r->piece < r->res->nr_backing) {
        const GpuBacking *b = &r->res->backing[r->piece];
        if (offset >= r->base + b->len) {
            r->base += b->len;
            r->piece++;
            continue;
        }
        size_t n = MIN(len, r->base + b->len - offset);
        memcpy(to, b->host + (offset - r->base), n);
        to += n;
        offset += n;
        len -= n;
    }
}

uint32_t gpu_transfer(VirtIOGPU *g, uint32_t id, GpuRect rect, uint64_t offset)
{
    GpuResource *res = gpu_resource_find(g, id);
    if (!res || !res->backing) {
        return GPU_RESP_ERR_INVALID_RESOURCE_ID;
    }
    if (!rect_inside(rect, res->width, res->height) || offset > UINT32_MAX) {
        return GPU_RESP_ERR_INVALID_PARAMETER;
    }
    uint8_t *pixels = (uint8_t *)pixman_image_get_data(res->image);
    size_t stride = pixman_image_get_stride(res->image);
    BackingReader reader = {.res = res};
    for (uint32_t row = 0; row < rect.height; row++) {
        backing_read(&reader, offset + row * (uint64_t)res->width * BYTES_PER_PIXEL,
                     pixels + (rect.y + row) * stride + rect.x * (size_t)BYTES_PER_PIXEL,
                     rect.width * (size_t)BYTES_PER_PIXEL);
    }
    return GPU_RESP_OK_NODATA;
}

/* ---- onto the screen ---- */

/* Draws part of a scanout anew, cursor on top, and tells the viewers. Clips to the surface. */
static void scanout_redraw(VirtIOGPU *g, GpuScanout *scanout, int64_t x, int64_t y, int64_t width,
                           int64_t height)
{
    const GpuResource *res = gpu_resource_find(g, scanout->resource_id);
    int64_t x1 = MAX(x, 0), y1 = MAX(y, 0);
    int64_t x2 = MIN(x + width, scanout->rect.width), y2 = MIN(y + height, scanout->rect.height);
    if (!res || !scanout->surface || x1 >= x2 || y1 >= y2) {
        return;
    }
    pixman_image_composite32(PIXMAN_OP_SRC, res->image, NULL, scanout->surface, scanout->rect.x + x1,
                             scanout->rect.y + y1, 0, 0, x1, y1, x2 - x1, y2 - y1);
    if (scanout->cursor) {
        /* The part of the cursor that lies in the redrawn part. */
        int64_t cx = (int64_t)(int32_t)scanout->cursor_x - scanout->hot_x;
        int64_t cy = (int64_t)(int32_t)scanout->cursor_y - scanout->hot_y;
        int64_t ax = MAX(x1, cx), ay = MAX(y1, cy);
        int64_t bx = MIN(x2, cx + GPU_CURSOR_SIZE), by = MIN(y2, cy + GPU_CURSOR_SIZE);
        if (ax < bx && ay < by) {
            pixman_image_composite32(PIXMAN_OP_OVER, scanout->cursor, NULL, scanout->surface, ax - cx,
                                     ay - cy, 0, 0, ax, ay, bx - ax, by - ay);
        }
    }
    ui_console_update(scanout->con, x1, y1, x2 - x1, y2 - y1);
}

static void cursor_redraw(VirtIOGPU *g, GpuScanout *scanout)
{
    scanout_redraw(g, scanout, (int64_t)(int32_t)scanout->cursor_x - scanout->hot_x,
                   (int64_t)(int32_t)scanout->cursor_y - scanout->hot_y, GPU_CURSOR_SIZE, GPU_CURSOR_SIZE);
}

uint32_t gpu_set_scanout(VirtIOGPU *g, uint32_t index, uint32_t id, GpuRect rect)
{
    if (index >= g->max_outputs) {
        return GPU_RESP_ERR_INVALID_SCANOUT_ID;
    }
    GpuScanout *scanout = &g->scanouts[index];
    if (id == 0) {
        scanout_disable(scanout);
        return GPU_RESP_OK_NODATA;
    }
    const GpuResource *res = gpu_resource_find(g, id);
    if (!res) {
        return GPU_RESP_ERR_INVALID_RESOURCE_ID;
    }
    if (rect.width == 0 || rect.height == 0 || !rect_inside(rect, res->width, res->height)) {
        return GPU_RESP_ERR_INVALID_PARAMETER;
    }
    if (!scanout->surface || scanout->rect.width != rect.width || scanout->rect.height != rect.height) {
        pixman_image_t *surface =
            pixman_image_create_bits(PIXMAN_x8r8g8b8, rect.width, rect.height, NULL, 0);
        if (!surface) {
            return GPU_RESP_ERR_OUT_OF_MEMORY;
        }
        scanout_disable(scanout);
        scanout->surface = surface;
        ui_console_set_surface(scanout->con, surface);
    }
    scanout->resource_id = id;
    scanout->rect = rect;
    scanout_redraw(g, scanout, 0, 0, rect.width, rect.height);
    return GPU_RESP_OK_NODATA;
}

uint32_t gpu_flush(VirtIOGPU *g, uint32_t id, GpuRect rect)
{
    const GpuResource *res = gpu_resource_find(g, id);
    if (!res) {
        return GPU_RESP_ERR_INVALID_RESOURCE_ID;
    }
    if (!rect_inside(rect, res->width, res->height)) {
        return GPU_RESP_ERR_INVALID_PARAMETER;
    }
    for (unsigned i = 0; i < g->max_outputs; i++) {
        GpuScanout *scanout = &g->scanouts[i];
        if (scanout->resource_id == id) {
            scanout_redraw(g, scanout, (int64_t)rect.x - scanout->rect.x,
                           (int64_t)rect.y - scanout->rect.y, rect.width, rect.height);
        }
    }
    return GPU_RESP_OK_NODATA;
}

/* ---- cursor ---- */

uint32_t gpu_update_cursor(VirtIOGPU *g, uint32_t index, uint32_t id, uint32_t hot_x, uint32_t hot_y)
{
    const GpuResource *res = id ? gpu_resource_find(g, id) : NULL;
    if (index >= g->max_outputs) {
        return GPU_RESP_ERR_INVALID_SCANOUT_ID;
    }
    if (id && !res) {
        return GPU_RESP_ERR_INVALID_RESOURCE_ID;
    }
    GpuScanout *scanout = &g->scanouts[index];
    pixman_image_t *old = scanout->cursor;
    scanout->cursor = NULL;
    if (old) {
        pixman_image_unref(old);
        cursor_redraw(g, scanout);
    }
    scanout->cursor_id = id;
    scanout->hot_x = hot_x;
    scanout->hot_y = hot_y;
    if (res) {
        /* A copy: the guest may change or drop the resource. */
        scanout->cursor = pixman_image_create_bits(PIXMAN_a8r8g8b8, GPU_CURSOR_SIZE, GPU_CURSOR_SIZE,
                                                   NULL, 0);
    }
    if (scanout->cursor) {
        pixman_image_composite32(PIXMAN_OP_SRC, res->image, NULL, scanout->cursor, 0, 0, 0, 0, 0, 0,
                                 MIN(res->width, GPU_CURSOR_SIZE), MIN(res->height, GPU_CURSOR_SIZE));
        cursor_redraw(g, scanout);
    }
    return GPU_RESP_OK_NODATA;
}

uint32_t gpu_move_cursor(VirtIOGPU *g, uint32_t index, uint32_t x, uint32_t y)
{
    if (index >= g->max_outputs) {
        return GPU_RESP_ERR_INVALID_SCANOUT_ID;
    }
    GpuScanout *scanout = &g->scanouts[index];
    pixman_image_t *cursor = scanout->cursor;
    if (cursor) {
        scanout->cursor = NULL;
        cursor_redraw(g, scanout);
        scanout->cursor = cursor;
    }
    scanout->cursor_x = x;
    scanout->cursor_y = y;
    if (cursor) {
        cursor_redraw(g, scanout);
    }
    return GPU_RESP_OK_NODATA;
}

void gpu_reset_2d(VirtIOGPU *g)
{
    GList *link;
    for (unsigned i = 0; i < g->max_outputs; i++) {
        GpuScanout *scanout = &g->scanouts[i];
        scanout_disable(scanout);
        g_clear_pointer(&scanout->cursor, pixman_image_unref);
        scanout->cursor_id = scanout->hot_x = scanout->hot_y = 0;
        scanout->cursor_x = scanout->cursor_y = 0;
    }
    while ((link = g->order.head)) {
        resource_destroy(g, link->data);
    }
}
