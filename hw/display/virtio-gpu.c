/*
 * virtio-gpu.c - the virtio display, two-dimensional: its queues and commands.
 *
 * Lobby, over hw/virtio.h; what the commands do is in virtio-gpu-2d.c.  Specification: VIRTIO 1.2,
 * section 5.7.
 * Locks: machine lock, loop's thread.
 * Invariant: each command is answered at once and in order, so none is in flight between two calls and
 * a fence is signalled by the answer itself.
 *
 * The device has no legacy form: its slot is modern whatever virtio-mmio.force-legacy says.
 * Queues: 0 control, 1 cursor.  Configuration space, le32: 0 events, 4 events to clear, 8 scanouts,
 * 12 capability sets (0).
 * A command begins, as does its answer: le32 type, le32 flags (1: fence), le64 fence, le32 context,
 * u8 ring, 3 zero bytes. A rectangle: le32 x, y, width, height.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "hw/display/virtio-gpu.h"
#include "system/machine.h"
#include "util/iov.h"

enum { GPU_F_EDID = 1, FLAG_FENCE = 1 };
enum {
    CMD_GET_DISPLAY_INFO = 0x100, CMD_RESOURCE_CREATE_2D, CMD_RESOURCE_UNREF, CMD_SET_SCANOUT,
    CMD_RESOURCE_FLUSH, CMD_TRANSFER_TO_HOST_2D, CMD_RESOURCE_ATTACH_BACKING,
    CMD_RESOURCE_DETACH_BACKING, CMD_GET_CAPSET_INFO, CMD_GET_CAPSET, CMD_GET_EDID,
    CMD_UPDATE_CURSOR = 0x300, CMD_MOVE_CURSOR,
};
enum { CONFIG_EVENTS_CLEAR = 4, CONFIG_LEN = 16, HEADER_LEN = 24, EDID_MAX = 1024 };
enum { DISPLAY_ENTRY = 24, ANSWER_MAX = HEADER_LEN + 8 + EDID_MAX };

/* A command and the answer that grows behind its header. */
typedef struct GpuCommand {
    const VirtQueueElement *elem;
    uint32_t type;
    uint32_t words[8];              /* the command's body, as far as it has numbers */
    uint8_t answer[ANSWER_MAX];
    size_t answer_len;
} GpuCommand;

static void put_le32(uint8_t *p, uint32_t v)
{
    v = GUINT32_TO_LE(v);
    memcpy(p, &v, 4);
}

/* Reads n numbers behind the header. */
static bool body(GpuCommand *c, unsigned n)
{
    if (iov_to_buf(c->elem->out_sg, c->elem->out_num, HEADER_LEN, c->words, 4 * n) != 4 * n) {
        return false;
    }
    for (unsigned i = 0; i < n; i++) {
        c->words[i] = GUINT32_FROM_LE(c->words[i]);
    }
    return true;
}

static GpuRect rect_of(const GpuCommand *c)
{
    return (GpuRect){c->words[0], c->words[1], c->words[2], c->words[3]};
}

/* ---- commands with an answer of their own ---- */

static uint32_t cmd_display_info(VirtIOGPU *g, GpuCommand *c)
{
    c->answer_len = HEADER_LEN + GPU_MAX_SCANOUTS * DISPLAY_ENTRY;
    put_le32(c->answer + HEADER_LEN + 8, g->xres);
    put_le32(c->answer + HEADER_LEN + 12, g->yres);
    put_le32(c->answer + HEADER_LEN + 16, 1);
    return GPU_RESP_OK_DISPLAY_INFO;
}

static uint32_t cmd_edid(VirtIOGPU *g, GpuCommand *c)
{
    if (!body(c, 1) || c->words[0] >= g->max_outputs || !virtio_has(&g->vdev, GPU_F_EDID)) {
        return GPU_RESP_ERR_INVALID_PARAMETER;
    }
    put_le32(c->answer + HEADER_LEN, EDID_MAX);
    gpu_edid(c->answer + HEADER_LEN + 8, g->xres, g->yres);
    c->answer_len = ANSWER_MAX;
    return GPU_RESP_OK_EDID;
}

/* Body: resource, count, then count times { le64 address, le32 length, le32 0 }. */
static uint32_t cmd_attach_backing(VirtIOGPU *g, GpuCommand *c)
{
    const VirtQueueElement *elem = c->elem;
    if (!body(c, 2) || c->words[1] > GPU_MAX_BACKING) {
        return GPU_RESP_ERR_UNSPEC;
    }
    uint32_t count = c->words[1];
    g_autofree GpuBacking *entries = g_new0(GpuBacking, MAX(count, 1));
    for (uint32_t i = 0; i < count; i++) {
        uint8_t raw[16];
        if (iov_to_buf(elem->out_sg, elem->out_num, HEADER_LEN + 8 + 16 * (size_t)i, raw,
                       sizeof(raw)) != sizeof(raw)) {
            return GPU_RESP_ERR_UNSPEC;
        }
        memcpy(&entries[i].addr, raw, 8);
        memcpy(&entries[i].len, raw + 8, 4);
        entries[i].addr = GUINT64_FROM_LE(entries[i].addr);
        entries[i].len = GUINT32_FROM_LE(entries[i].len);
    }
    uint32_t result = gpu_attach_backing(g, c->words[0], entries, count);
    if (result == GPU_RESP_OK_NODATA) {
        entries = NULL;
    }
    return result;
}

/* Body: rectangle, le64 offset, resource. */
static uint32_t cmd_transfer(VirtIOGPU *g, GpuCommand *c)
{
    if (!body(c, 7)) {
        return GPU_RESP_ERR_UNSPEC;
    }
    return gpu_transfer(g, c->words[6], rect_of(c), c->words[4] | (uint64_t)c->words[5] << 32);
}

static uint32_t run_control(VirtIOGPU *g, GpuCommand *c)
{
    const uint32_t *w = c->words;
    switch (c->type) {
    case CMD_GET_DISPLAY_INFO:
        return cmd_display_info(g, c);
    case CMD_GET_EDID:
        return cmd_edid(g, c);
    case CMD_RESOURCE_CREATE_2D:
        return body(c, 4) ? gpu_resource_create(g, w[0], w[1], w[2], w[3]) : GPU_RESP_ERR_UNSPEC;
    case CMD_RESOURCE_UNREF:
        return body(c, 1) ? gpu_resource_unref(g, w[0]) : GPU_RESP_ERR_UNSPEC;
    case CMD_SET_SCANOUT:
        return body(c, 6) ? gpu_set_scanout(g, w[4], w[5], rect_of(c)) : GPU_RESP_ERR_UNSPEC;
    case CMD_RESOURCE_FLUSH:
        return body(c, 5) ? gpu_flush(g, w[4], rect_of(c)) : GPU_RESP_ERR_UNSPEC;
    case CMD_TRANSFER_TO_HOST_2D:
        return cmd_transfer(g, c);
    case CMD_RESOURCE_ATTACH_BACKING:
        return cmd_attach_backing(g, c);
    case CMD_RESOURCE_DETACH_BACKING:
        return body(c, 1) ? gpu_detach_backing(g, w[0]) : GPU_RESP_ERR_UNSPEC;
    default:
        return GPU_RESP_ERR_UNSPEC;
    }
}

/* Body: scanout, x, y, 0, resource, hot x, hot y, 0; a move has only the position. */
static uint32_t run_cursor(VirtIOGPU *g, GpuCommand *c)
{
    const uint32_t *w = c->words;
    if (!body(c, 8) || (c->type != CMD_UPDATE_CURSOR && c->type != CMD_MOVE_CURSOR)) {
        return GPU_RESP_ERR_UNSPEC;
    }
    uint32_t result = gpu_move_cursor(g, w[0], w[1], w[2]);
    if (result == GPU_RESP_OK_NODATA && c->type == CMD_UPDATE_CURSOR) {
        result = gpu_update_cursor(g, w[0], w[4], w[5], w[6]);
    }
    return result;
}

/* ---- queues ---- */

/* Runs one command and writes its answer; returns the answer's length. */
static uint32_t run_command(VirtIOGPU *g, const VirtQueueElement *elem, bool cursor)
{
    g_autofree GpuCommand *c = g_new0(GpuCommand, 1);
    uint8_t header[HEADER_LEN] = {0};
    uint32_t result = GPU_RESP_ERR_UNSPEC, flags;
    c->elem = elem;
    c->answer_len = HEADER_LEN;
    if (iov_to_buf(elem->out_sg, elem->out_num, 0, header, HEADER_LEN) == HEADER_LEN) {
        memcpy(&c->type, header, 4);
        c->type = GUINT32_FROM_LE(c->type);
        result = cursor ? run_cursor(g, c) : run_control(g, c);
    }
    memcpy(&flags, header + 4, 4);
    flags = GUINT32_FROM_LE(flags) & FLAG_FENCE;
    put_le32(c->answer, result);
    put_le32(c->answer + 4, flags);
    if (flags) {
        memcpy(c->answer + 8, header + 8, 12);
    }
    return iov_from_buf(elem->in_sg, elem->in_num, 0, c->answer, c->answer_len);
}

static void gpu_handle_queue(VirtIODevice *vdev, VirtQueue *vq)
{
    VirtIOGPU *g = (VirtIOGPU *)vdev;
    VirtQueueElement *elem;
    unsigned budget = VIRTQUEUE_BUDGET;
    bool pushed = false;
    while (budget > 0 && (elem = virtqueue_pop(vq))) {
        budget--;
        virtqueue_push(vq, elem, run_command(g, elem, virtqueue_index(vq) == 1));
        pushed = true;
    }
    if (pushed) {
        virtqueue_notify(vq);
    }
    if (budget == 0) {
        virtqueue_kick(vq);
    }
}

/* ---- device ---- */

static void gpu_get_config(VirtIODevice *vdev, uint8_t *config)
{
    const VirtIOGPU *g = (VirtIOGPU *)vdev;
    memset(config, 0, CONFIG_LEN);
    put_le32(config, g->events);
    put_le32(config + 8, g->max_outputs);
}

static void gpu_set_config(VirtIODevice *vdev, const uint8_t *config)
{
    uint32_t clear;
    memcpy(&clear, config + CONFIG_EVENTS_CLEAR, 4);
    ((VirtIOGPU *)vdev)->events &= ~GUINT32_FROM_LE(clear);
}

static uint64_t gpu_get_features(VirtIODevice *vdev, uint64_t features)
{
    return ((VirtIOGPU *)vdev)->edid ? features | VIRTIO_BIT(GPU_F_EDID) : features;
}

static void gpu_reset(VirtIODevice *vdev)
{
    VirtIOGPU *g = (VirtIOGPU *)vdev;
    gpu_reset_2d(g);
    g->events = 0;
}

static const VirtIODeviceOps gpu_ops = {
    .device_id = VIRTIO_ID_GPU,
    .defer = true,
    .needs_version_1 = true,
    .get_features = gpu_get_features,
    .get_config = gpu_get_config,
    .set_config = gpu_set_config,
    .reset = gpu_reset,
};

/* A viewer wants everything: what it sees is complete at all times. */
static void gpu_refresh(void *opaque)
{
    (void)opaque;
}

static const UiConsoleOps gpu_ui_ops = {.refresh = gpu_refresh};

static void gpu_unrealize(DeviceState *dev)
{
    VirtIOGPU *g = (VirtIOGPU *)dev;
    gpu_reset_2d(g);
    virtio_cleanup(&g->vdev);
    for (unsigned i = 0; i < g->max_outputs; i++) {
        if (g->scanouts[i].con) {
            ui_console_free(g->scanouts[i].con);
            g->scanouts[i].con = NULL;
        }
    }
    g_clear_pointer(&g->resources, g_hash_table_destroy);
}

static bool gpu_realize(DeviceState *dev, Error **errp)
{
    VirtIOGPU *g = (VirtIOGPU *)dev;
    if (g->max_outputs == 0 || g->max_outputs > GPU_MAX_SCANOUTS) {
        error_setg(errp, "virtio-gpu: max_outputs=%u; right is 1 to %d", g->max_outputs,
                   GPU_MAX_SCANOUTS);
        return false;
    }
    if (g->xres < 16 || g->xres > 4095 || g->yres < 16 || g->yres > 4095) {
        error_setg(errp, "virtio-gpu: xres=%u, yres=%u; right is 16 to 4095 each", g->xres, g->yres);
        return false;
    }
    g->resources = g_hash_table_new(NULL, NULL);
    g_queue_init(&g->order);
    for (unsigned i = 0; i < g->max_outputs; i++) {
        g->scanouts[i].con = ui_console_new(dev->machine, dev->id, i, &gpu_ui_ops, g);
    }
    virtio_init(&g->vdev, &gpu_ops, CONFIG_LEN, 2);
    virtio_add_queue(&g->vdev, 64, gpu_handle_queue);
    virtio_add_queue(&g->vdev, 16, gpu_handle_queue);
    if (!virtio_plug(&g->vdev, errp)) {
        gpu_unrealize(dev);
        return false;
    }
    return true;
}

static const Property gpu_props[] = {
    {"max_outputs", PROP_UINT32, offsetof(VirtIOGPU, max_outputs), "1", "scanouts"},
    {"max_hostmem", PROP_SIZE, offsetof(VirtIOGPU, max_hostmem), "256M",
     "bytes that the guest's images may take on the host"},
    {"xres", PROP_UINT32, offsetof(VirtIOGPU, xres), "1280", "preferred width in pixels"},
    {"yres", PROP_UINT32, offsetof(VirtIOGPU, yres), "800", "preferred height in pixels"},
    {"edid", PROP_BOOL, offsetof(VirtIOGPU, edid), "on", "offer a description of the monitor"},
    VIRTIO_COMMON_PROPS,
    {0},
};

const DeviceClass virtio_gpu_class = {
    .name = "virtio-gpu-device",
    .desc = "virtio display",
    .parent = "virtio-device",
    .bus = "virtio-bus",
    .instance_size = sizeof(VirtIOGPU),
    .props = gpu_props,
    .user_creatable = true,
    .realize = gpu_realize,
    .unrealize = gpu_unrealize,
    .reset = virtio_reset,
    .vmsd = &vmstate_virtio_gpu,
};
