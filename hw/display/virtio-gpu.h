/*
 * virtio-gpu.h - what the files of the virtio display share.
 *
 * Lobby, private to hw/display. Machine lock held.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_HW_DISPLAY_VIRTIO_GPU_H
#define GODWIT_HW_DISPLAY_VIRTIO_GPU_H

#include <pixman.h>

#include "hw/virtio.h"
#include "ui/console.h"

#define GPU_MAX_SCANOUTS 16
#define GPU_MAX_DIMENSION 16384     /* pixels each way */
#define GPU_MAX_BACKING 16384       /* pieces of one resource's memory */
#define GPU_CURSOR_SIZE 64          /* pixels each way */

typedef struct GpuBacking {
    hwaddr addr;
    uint32_t len;
    uint8_t *host;
} GpuBacking;

typedef struct GpuResource {
    uint32_t id, width, height, format;
    pixman_image_t *image;
    GpuBacking *backing;            /* NULL: none attached */
    uint32_t nr_backing;
    uint64_t charged;               /* bytes of max_hostmem that it takes */
    GList link;
} GpuResource;

typedef struct GpuRect {
    uint32_t x, y, width, height;
} GpuRect;

typedef struct GpuScanout {
    UiConsole *con;
    uint32_t resource_id;           /* 0: shows nothing */
    GpuRect rect;                   /* the part of the resource that it shows */
    pixman_image_t *surface;        /* x8r8g8b8 copy of that part, cursor drawn in */
    uint32_t cursor_id, hot_x, hot_y, cursor_x, cursor_y;
    pixman_image_t *cursor;
} GpuScanout;

typedef struct VirtIOGPU {
    VirtIODevice vdev;
    uint32_t xres, yres, max_outputs;
    uint64_t max_hostmem, hostmem;  /* bytes: limit, in use */
    bool edid;
    uint32_t events;
    GHashTable *resources;          /* id -> GpuResource, which the table owns */
    GQueue order;                   /* the same, oldest first */
    GpuScanout scanouts[GPU_MAX_SCANOUTS];
} VirtIOGPU;

/* ---- virtio-gpu-2d.c ---- */
enum {                              /* responses, section 5.7.6.7 */
    GPU_RESP_OK_NODATA = 0x1100, GPU_RESP_OK_DISPLAY_INFO = 0x1101, GPU_RESP_OK_EDID = 0x1104,
    GPU_RESP_ERR_UNSPEC = 0x1200, GPU_RESP_ERR_OUT_OF_MEMORY = 0x1201,
    GPU_RESP_ERR_INVALID_SCANOUT_ID = 0x1202, GPU_RESP_ERR_INVALID_RESOURCE_ID = 0x1203,
    GPU_RESP_ERR_INVALID_PARAMETER = 0x1205,
};

/* The pixman format of a resource format, 0 if there is none. */
pixman_format_code_t gpu_pixman_format(uint32_t format);
GpuResource *gpu_resource_find(VirtIOGPU *g, uint32_t id);
/* These return a response code. The new resource is black. */
uint32_t gpu_resource_create(VirtIOGPU *g, uint32_t id, uint32_t format, uint32_t width,
                             uint32_t height);
uint32_t gpu_resource_unref(VirtIOGPU *g, uint32_t id);
/* Takes over entries (len and addr filled in) if it succeeds. */
uint32_t gpu_attach_backing(VirtIOGPU *g, uint32_t id, GpuBacking *entries, uint32_t count);
uint32_t gpu_detach_backing(VirtIOGPU *g, uint32_t id);
uint32_t gpu_transfer(VirtIOGPU *g, uint32_t id, GpuRect rect, uint64_t offset);
uint32_t gpu_set_scanout(VirtIOGPU *g, uint32_t scanout, uint32_t id, GpuRect rect);
uint32_t gpu_flush(VirtIOGPU *g, uint32_t id, GpuRect rect);
/* id 0 hides the cursor. */
uint32_t gpu_update_cursor(VirtIOGPU *g, uint32_t scanout, uint32_t id, uint32_t hot_x, uint32_t hot_y);
uint32_t gpu_move_cursor(VirtIOGPU *g, uint32_t scanout, uint32_t x, uint32_t y);
/* Forgets every resource and darkens every scanout. */
void gpu_reset_2d(VirtIOGPU *g);

/* ---- virtio-gpu-edid.c ---- */
#define GPU_EDID_SIZE 128
/* Describes a monitor of that many pixels (each at most 4095), 60 Hz, 100 dpi. */
void gpu_edid(uint8_t edid[GPU_EDID_SIZE], uint32_t xres, uint32_t yres);

/* ---- virtio-gpu-migrate.c ---- */
extern const VMStateDescription vmstate_virtio_gpu;

#endif
