/*
 * virtio-blk.c - the virtio disk.
 *
 * Lobby, over hw/virtio.h and block/block.h.  Specification: VIRTIO 1.2, section 5.2.
 * Locks: machine lock. Requests start in a bottom half (with -icount at once) and complete on the
 * loop's thread (with -icount from a virtual timer), as block.h has it.
 * Invariant: a request is in exactly one list: `flying` (the block layer has it) or `parked` (it failed
 * and the machine stops for it, or it came by migration and waits for the start).
 *
 * Configuration space, little-endian:
 *   0 u64 capacity in 512-byte sectors   8 u32 size_max (0)   12 u32 seg_max
 *   16 u16 cylinders, u8 heads, u8 sectors   20 u32 logical block size
 *   24 u8 log2(physical/logical), u8 alignment, u16 min_io, u32 opt_io   32 u8 write-back   34 u16 queues
 *   36 u32 most sectors, 40 u32 most ranges, 44 u32 alignment of a discard
 *   48 u32 most sectors, 52 u32 most ranges of a write-zeroes, 56 u8 it may unmap
 *
 * A request: { le32 type, le32 0, le64 sector }, data, one status byte as the last that we write.
 *
 * In the stream (QEMU's version 2): for each unfinished request u8 1, be32 queue if there are several,
 * the request's element; then u8 0.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "block/block.h"
#include "hw/virtio.h"
#include "system/machine.h"
#include "system/runstate.h"
#include "util/iov.h"

enum {
    BLK_F_SEG_MAX = 2, BLK_F_GEOMETRY = 4, BLK_F_RO = 5, BLK_F_BLK_SIZE = 6, BLK_F_SCSI = 7,
    BLK_F_FLUSH = 9, BLK_F_TOPOLOGY = 10, BLK_F_CONFIG_WCE = 11, BLK_F_MQ = 12, BLK_F_DISCARD = 13,
    BLK_F_WRITE_ZEROES = 14,
};
enum {
    BLK_T_IN = 0, BLK_T_OUT = 1, BLK_T_FLUSH = 4, BLK_T_GET_ID = 8, BLK_T_DISCARD = 11,
    BLK_T_WRITE_ZEROES = 13,
};
enum { BLK_S_OK = 0, BLK_S_IOERR = 1, BLK_S_UNSUPP = 2 };
enum { HEADER_SIZE = 16, SEGMENT_SIZE = 16, ID_SIZE = 20, UNMAP_FLAG = 1 };
enum { CONFIG_WCE_OFFSET = 32, CONFIG_SIZE_PLAIN = 36, CONFIG_SIZE_DISCARD = 48, CONFIG_SIZE = 57 };

#define MAX_SECTORS 0x3fffffu       /* of one discard or write-zeroes: 2 GiB - 512 */
#define MAX_QUEUES 256

typedef struct VirtIOBlk {
    VirtIODevice vdev;
    BlockBackend *blk;
    char *serial, *iothread, *werror, *rerror;
    uint16_t num_queues, queue_size;
    uint32_t logical_block_size, physical_block_size, min_io_size, opt_io_size;
    uint32_t max_discard_sectors, max_write_zeroes_sectors;
    int32_t bootindex;
    bool config_wce, discard, write_zeroes, share_rw, request_merging, seg_max_adjust;
    int write_cache;                /* property: 0 auto, 1 on, 2 off */
    bool original_wce;              /* to go back to at reset */
    GQueue flying, parked;          /* of BlkRequest */
} VirtIOBlk;

typedef struct BlkRequest {
    VirtIOBlk *s;
    VirtQueueElement *elem;
    GList link;
    uint32_t type;
    uint64_t sector;
    uint32_t in_len;                /* bytes that we may write, status included */
    unsigned niov;
    struct iovec iov[];             /* the data, header and status taken off */
} BlkRequest;

/* ---- configuration ---- */

static void blk_get_config(VirtIODevice *vdev, uint8_t *config)
{
    VirtIOBlk *s = (VirtIOBlk *)vdev;
    uint8_t c[CONFIG_SIZE] = {0};
    uint64_t sectors = blk_length(s->blk) / BDRV_SECTOR_SIZE;
    uint32_t ratio = s->physical_block_size / s->logical_block_size;

#define PUT(offset, bits, value) \
    do { \
        uint##bits##_t le_ = GUINT##bits##_TO_LE((uint##bits##_t)(value)); \
        memcpy(c + (offset), &le_, sizeof(le_)); \
    } while (0)
    PUT(0, 64, sectors);
    PUT(12, 32, s->seg_max_adjust ? s->queue_size - 2 : 126);
    PUT(16, 16, MIN(sectors / (16 * 63), 16383));
    c[18] = 16;
    c[19] = 63;
    PUT(20, 32, s->logical_block_size);
    c[24] = __builtin_ctz(ratio);
    PUT(26, 16, s->min_io_size / s->logical_block_size);
    PUT(28, 32, s->opt_io_size / s->logical_block_size);
    c[CONFIG_WCE_OFFSET] = blk_write_cache(s->blk);
    PUT(34, 16, s->num_queues);
    PUT(36, 32, s->max_discard_sectors);
    PUT(40, 32, 1);
    PUT(44, 32, s->logical_block_size / BDRV_SECTOR_SIZE);
    PUT(48, 32, s->max_write_zeroes_sectors);
    PUT(52, 32, 1);
    c[56] = 1;
#undef PUT
    memcpy(config, c, vdev->config_len);
}

static void blk_set_config(VirtIODevice *vdev, const uint8_t *config)
{
    VirtIOBlk *s = (VirtIOBlk *)vdev;
    if (virtio_has(vdev, BLK_F_CONFIG_WCE)) {
        blk_set_write_cache(s->blk, config[CONFIG_WCE_OFFSET] & 1);
    }
}

static uint64_t blk_get_features(VirtIODevice *vdev, uint64_t features)
{
    VirtIOBlk *s = (VirtIOBlk *)vdev;
    bool legacy = !(features & VIRTIO_BIT(VIRTIO_F_VERSION_1));
    features |= VIRTIO_BIT(BLK_F_SEG_MAX) | VIRTIO_BIT(BLK_F_GEOMETRY) | VIRTIO_BIT(BLK_F_BLK_SIZE) |
                VIRTIO_BIT(BLK_F_TOPOLOGY);
    if (legacy) {
        /* SCSI commands, all answered "unsupported", rule the free layout out. */
        features &= ~VIRTIO_BIT(VIRTIO_F_ANY_LAYOUT);
        features |= VIRTIO_BIT(BLK_F_SCSI);
    }
    if (s->config_wce) {
        features |= VIRTIO_BIT(BLK_F_CONFIG_WCE);
    }
    if (s->config_wce || s->original_wce) {
        features |= VIRTIO_BIT(BLK_F_FLUSH);
    }
    if (blk_is_read_only(s->blk)) {
        features |= VIRTIO_BIT(BLK_F_RO);
    }
    if (s->num_queues > 1) {
        features |= VIRTIO_BIT(BLK_F_MQ);
    }
    if (s->discard) {
        features |= VIRTIO_BIT(BLK_F_DISCARD);
    }
    if (s->write_zeroes) {
        features |= VIRTIO_BIT(BLK_F_WRITE_ZEROES);
    }
    return features;
}

/* A driver that knows neither FLUSH nor CONFIG_WCE is promised write-through (section 5.2.5.2). */
static void blk_set_status(VirtIODevice *vdev, uint8_t status)
{
    VirtIOBlk *s = (VirtIOBlk *)vdev;
    if ((status & VIRTIO_STATUS_DRIVER_OK) && !virtio_has(vdev, BLK_F_CONFIG_WCE)) {
        blk_set_write_cache(s->blk, s->original_wce && virtio_has(vdev, BLK_F_FLUSH));
    }
}

/* ---- requests ---- */

static void request_free(BlkRequest *req)
{
    g_free(req);
}

/* Answers and forgets; req is in no list. */
static void request_done(BlkRequest *req, uint8_t status)
{
    VirtQueue *vq = req->elem->vq;
    iov_from_buf(req->elem->in_sg, req->elem->in_num, req->in_len - 1, &status, 1);
    virtqueue_push(vq, req->elem, req->in_len);
    virtqueue_notify(vq);
    request_free(req);
}

static void request_complete(void *opaque, int ret)
{
    BlkRequest *req = opaque;
    VirtIOBlk *s = req->s;
    g_queue_unlink(&s->flying, &req->link);
    if (ret < 0 && blk_error_stops(s->blk, req->type == BLK_T_IN, -ret)) {
        g_queue_push_tail_link(&s->parked, &req->link);
        return;
    }
    request_done(req, ret < 0 ? BLK_S_IOERR : BLK_S_OK);
}

/* Whether [sector, sector + bytes) lies on the disk, in whole blocks. */
static bool range_is_good(const VirtIOBlk *s, uint64_t sector, uint64_t bytes)
{
    uint64_t capacity = blk_length(s->blk) / BDRV_SECTOR_SIZE;
    uint64_t mask = s->logical_block_size / BDRV_SECTOR_SIZE - 1;
    return !(bytes % s->logical_block_size) && !(sector & mask) && sector <= capacity &&
           bytes / BDRV_SECTOR_SIZE <= capacity - sector;
}

static void submit_rw(BlkRequest *req)
{
    VirtIOBlk *s = req->s;
    uint64_t bytes = iov_size(req->iov, req->niov);
    bool is_write = req->type == BLK_T_OUT;
    if ((is_write && blk_is_read_only(s->blk)) || !range_is_good(s, req->sector, bytes)) {
        request_done(req, BLK_S_IOERR);
        return;
    }
    if (bytes == 0) {
        request_done(req, BLK_S_OK);
        return;
    }
    g_queue_push_tail_link(&s->flying, &req->link);
    (is_write ? blk_aio_pwritev : blk_aio_preadv)(s->blk, req->sector * BDRV_SECTOR_SIZE, req->iov,
                                                  req->niov, request_complete, req);
}

/* Data: one { le64 sector, le32 sectors, le32 flags }; more ranges than max_…_seg = 1 are refused. */
static void submit_discard(BlkRequest *req)
{
    VirtIOBlk *s = req->s;
    uint8_t raw[SEGMENT_SIZE];
    uint64_t sector;
    uint32_t sectors, flags;
    bool zeroes = req->type == BLK_T_WRITE_ZEROES;
    if (iov_size(req->iov, req->niov) != SEGMENT_SIZE ||
        iov_to_buf(req->iov, req->niov, 0, raw, sizeof(raw)) != sizeof(raw)) {
        request_done(req, BLK_S_UNSUPP);
        return;
    }
    memcpy(&sector, raw, 8);
    memcpy(&sectors, raw + 8, 4);
    memcpy(&flags, raw + 12, 4);
    sector = GUINT64_FROM_LE(sector);
    sectors = GUINT32_FROM_LE(sectors);
    flags = GUINT32_FROM_LE(flags);
    if (flags & ~(zeroes ? UNMAP_FLAG : 0)) {
        request_done(req, BLK_S_UNSUPP);
        return;
    }
    uint64_t bytes = (uint64_t)sectors * BDRV_SECTOR_SIZE;
    if (sectors > (zeroes ? s->max_write_zeroes_sectors : s->max_discard_sectors) ||
        blk_is_read_only(s->blk) || !range_is_good(s, sector, bytes)) {
        request_done(req, BLK_S_IOERR);
        return;
    }
    if (bytes == 0) {
        request_done(req, BLK_S_OK);
        return;
    }
    g_queue_push_tail_link(&s->flying, &req->link);
    if (zeroes) {
        blk_aio_pwrite_zeroes(s->blk, sector * BDRV_SECTOR_SIZE, bytes, flags & UNMAP_FLAG,
                              request_complete, req);
    } else {
        blk_aio_pdiscard(s->blk, sector * BDRV_SECTOR_SIZE, bytes, request_complete, req);
    }
}

/* The disk's name, 20 bytes, zero-padded and without NUL if longer. */
static void answer_id(BlkRequest *req)
{
    char id[ID_SIZE] = {0};
    const char *serial = req->s->serial ? req->s->serial : blk_serial(req->s->blk);
    memcpy(id, serial ? serial : "", serial ? MIN(strlen(serial), ID_SIZE) : 0);
    iov_from_buf(req->iov, req->niov, 0, id, sizeof(id));
    request_done(req, BLK_S_OK);
}

static void request_submit(BlkRequest *req)
{
    VirtIOBlk *s = req->s;
    switch (req->type) {
    case BLK_T_IN:
    case BLK_T_OUT:
        submit_rw(req);
        break;
    case BLK_T_FLUSH:
        g_queue_push_tail_link(&s->flying, &req->link);
        blk_aio_flush(s->blk, request_complete, req);
        break;
    case BLK_T_GET_ID:
        answer_id(req);
        break;
    case BLK_T_DISCARD:
    case BLK_T_WRITE_ZEROES:
        if (virtio_has(&s->vdev, req->type == BLK_T_DISCARD ? BLK_F_DISCARD : BLK_F_WRITE_ZEROES)) {
            submit_discard(req);
            break;
        }
        /* fall through */
    default:
        request_done(req, BLK_S_UNSUPP);
    }
}

/* Reads the header and describes the data. NULL (elem stays the caller's) if it is too short for one. */
static BlkRequest *request_parse(VirtIOBlk *s, VirtQueueElement *elem)
{
    uint8_t header[HEADER_SIZE];
    size_t in_len = iov_size(elem->in_sg, elem->in_num);
    size_t out_len = iov_size(elem->out_sg, elem->out_num);
    if (out_len < HEADER_SIZE || in_len < 1 || in_len > UINT32_MAX) {
        return NULL;
    }
    iov_to_buf(elem->out_sg, elem->out_num, 0, header, sizeof(header));
    unsigned room = MAX(elem->in_num, elem->out_num);
    BlkRequest *req = g_malloc0(sizeof(*req) + room * sizeof(struct iovec));
    memcpy(&req->type, header, 4);
    memcpy(&req->sector, header + 8, 8);
    req->type = GUINT32_FROM_LE(req->type);
    req->sector = GUINT64_FROM_LE(req->sector);
    req->s = s;
    req->elem = elem;
    req->link.data = req;
    req->in_len = in_len;
    bool from_guest = req->type == BLK_T_OUT || req->type == BLK_T_DISCARD ||
                      req->type == BLK_T_WRITE_ZEROES;
    if (from_guest) {
        req->niov = iov_slice(req->iov, room, elem->out_sg, elem->out_num, HEADER_SIZE,
                              out_len - HEADER_SIZE);
    } else {
        req->niov = iov_slice(req->iov, room, elem->in_sg, elem->in_num, 0, in_len - 1);
    }
    return req;
}

static void blk_handle_queue(VirtIODevice *vdev, VirtQueue *vq)
{
    VirtIOBlk *s = (VirtIOBlk *)vdev;
    unsigned budget = VIRTQUEUE_BUDGET;
    do {
        VirtQueueElement *elem;
        virtqueue_set_notification(vq, false);
        while (budget > 0 && (elem = virtqueue_pop(vq))) {
            budget--;
            BlkRequest *req = request_parse(s, elem);
            if (!req) {
                virtio_error(vdev, "virtio-blk: a request has no room for header and status");
                virtqueue_detach(vq, elem);
                return;
            }
            request_submit(req);
        }
        virtqueue_set_notification(vq, true);
    } while (budget > 0 && !virtqueue_empty(vq));
    if (budget == 0) {
        virtqueue_kick(vq);
    }
}

/* ---- reset, stop and start ---- */

static void drop_parked(VirtIOBlk *s)
{
    GList *link;
    while ((link = g_queue_pop_head_link(&s->parked))) {
        BlkRequest *req = link->data;
        virtqueue_detach(req->elem->vq, req->elem);
        request_free(req);
    }
}

static void blk_reset(VirtIODevice *vdev)
{
    VirtIOBlk *s = (VirtIOBlk *)vdev;
    if (!g_queue_is_empty(&s->flying)) {
        blk_drain(s->blk);
    }
    drop_parked(s);
    blk_set_write_cache(s->blk, s->original_wce);
}

static void blk_vm_state(VirtIODevice *vdev, bool running)
{
    VirtIOBlk *s = (VirtIOBlk *)vdev;
    if (!running) {
        return;
    }
    /* Taken over as a whole: what fails again parks again, for the next start. */
    GQueue again = s->parked;
    g_queue_init(&s->parked);
    GList *link;
    while ((link = g_queue_pop_head_link(&again))) {
        request_submit(link->data);
    }
}

/* ---- what migrates ---- */

static void save_requests(const VirtIOBlk *s, const GQueue *list, QEMUFile *f)
{
    for (const GList *l = list->head; l; l = l->next) {
        const BlkRequest *req = l->data;
        qemu_put_byte(f, 1);
        if (s->num_queues > 1) {
            qemu_put_be32(f, virtqueue_index(req->elem->vq));
        }
        virtqueue_put_element(f, req->elem);
    }
}

static bool blk_save(VirtIODevice *vdev, QEMUFile *f, Error **errp)
{
    const VirtIOBlk *s = (VirtIOBlk *)vdev;
    (void)errp;
    save_requests(s, &s->flying, f);
    save_requests(s, &s->parked, f);
    qemu_put_byte(f, 0);
    return true;
}

static bool blk_load(VirtIODevice *vdev, QEMUFile *f, int version_id, Error **errp)
{
    VirtIOBlk *s = (VirtIOBlk *)vdev;
    (void)version_id;
    while (qemu_get_byte(f)) {
        uint32_t queue = s->num_queues > 1 ? qemu_get_be32(f) : 0;
        if (queue >= s->num_queues || g_queue_get_length(&s->parked) >=
            (unsigned)s->num_queues * VIRTQUEUE_MAX_SIZE) {
            error_setg(errp, "virtio-blk: a request in flight of queue %u; there are %u queues", queue,
                       s->num_queues);
            return false;
        }
        VirtQueueElement *elem = virtqueue_get_element(f, virtio_queue(vdev, queue), errp);
        if (!elem) {
            return false;
        }
        BlkRequest *req = request_parse(s, elem);
        if (!req) {
            virtqueue_detach(elem->vq, elem);
            error_setg(errp, "virtio-blk: a request in flight has no room for header and status");
            return false;
        }
        g_queue_push_tail_link(&s->parked, &req->link);
    }
    return true;
}

static bool blk_post_load(VirtIODevice *vdev, const uint8_t *config, Error **errp)
{
    (void)errp;
    blk_set_status(vdev, vdev->status);
    /* The driver's choice stands in the configuration; the sender filled it if one ever read it. */
    if (config[20] | config[21] | config[22]) {
        blk_set_config(vdev, config);
    }
    return true;
}

static const VMStateDescription vmstate_virtio_blk = {
    .name = "virtio-blk",
    .version_id = 2,
    .minimum_version_id = 2,
    .save_blob = virtio_save_blob,
    .load_blob = virtio_load_blob,
};

/* ---- realize ---- */

static const VirtIODeviceOps blk_ops = {
    .device_id = VIRTIO_ID_BLOCK,
    .defer = true,
    .get_features = blk_get_features,
    .get_config = blk_get_config,
    .set_config = blk_set_config,
    .set_status = blk_set_status,
    .reset = blk_reset,
    .vm_state = blk_vm_state,
    .save = blk_save,
    .load = blk_load,
    .post_load = blk_post_load,
};

static bool is_block_size(uint32_t n)
{
    return n >= BDRV_SECTOR_SIZE && n <= 2 * 1024 * 1024 && (n & (n - 1)) == 0;
}

static bool check_props(VirtIOBlk *s, Error **errp)
{
    if (!s->blk) {
        error_setg(errp, "virtio-blk: drive= is missing; it names a -drive or -blockdev");
        return false;
    }
    if (s->num_queues == 0 || s->num_queues > MAX_QUEUES) {
        error_setg(errp, "virtio-blk: num-queues=%u; right is 1 to %d", s->num_queues, MAX_QUEUES);
        return false;
    }
    if (s->queue_size < 4 || s->queue_size > VIRTQUEUE_MAX_SIZE ||
        (s->queue_size & (s->queue_size - 1))) {
        error_setg(errp, "virtio-blk: queue-size=%u; right is a power of two from 4 to %d",
                   s->queue_size, VIRTQUEUE_MAX_SIZE);
        return false;
    }
    if (!is_block_size(s->logical_block_size) || !is_block_size(s->physical_block_size) ||
        s->logical_block_size > s->physical_block_size) {
        error_setg(errp, "virtio-blk: logical_block_size=%u, physical_block_size=%u; right are powers of "
                   "two from 512 to 2097152, the logical one not larger", s->logical_block_size,
                   s->physical_block_size);
        return false;
    }
    if (s->max_discard_sectors > MAX_SECTORS || s->max_write_zeroes_sectors > MAX_SECTORS ||
        !s->max_discard_sectors || !s->max_write_zeroes_sectors) {
        error_setg(errp, "virtio-blk: max-discard-sectors and max-write-zeroes-sectors must be 1 to %u",
                   MAX_SECTORS);
        return false;
    }
    return blk_set_on_error(s->blk, "werror", s->werror, errp) &&
           blk_set_on_error(s->blk, "rerror", s->rerror, errp);
}

static bool blk_realize(DeviceState *dev, Error **errp)
{
    VirtIOBlk *s = (VirtIOBlk *)dev;
    if (!check_props(s, errp)) {
        return false;
    }
    uint32_t config_len = s->write_zeroes ? CONFIG_SIZE
                          : s->discard    ? CONFIG_SIZE_DISCARD
                                          : CONFIG_SIZE_PLAIN;
    g_queue_init(&s->flying);
    g_queue_init(&s->parked);
    if (s->write_cache) {
        blk_set_write_cache(s->blk, s->write_cache == 1);
    }
    s->original_wce = blk_write_cache(s->blk);
    virtio_init(&s->vdev, &blk_ops, config_len, s->num_queues);
    for (unsigned i = 0; i < s->num_queues; i++) {
        virtio_add_queue(&s->vdev, s->queue_size, blk_handle_queue);
    }
    if (!virtio_plug(&s->vdev, errp)) {
        virtio_cleanup(&s->vdev);
        return false;
    }
    return true;
}

static void blk_unrealize(DeviceState *dev)
{
    VirtIOBlk *s = (VirtIOBlk *)dev;
    blk_drain(s->blk);
    drop_parked(s);
    virtio_cleanup(&s->vdev);
}

static const Property blk_props[] = {
    {"drive", PROP_DRIVE, offsetof(VirtIOBlk, blk), NULL, "node name or drive id of the disk"},
    {"serial", PROP_STRING, offsetof(VirtIOBlk, serial), NULL, "what the guest sees as its serial"},
    {"num-queues", PROP_UINT16, offsetof(VirtIOBlk, num_queues), "1", "request queues"},
    {"queue-size", PROP_UINT16, offsetof(VirtIOBlk, queue_size), "256", "default ring size"},
    {"seg-max-adjust", PROP_BOOL, offsetof(VirtIOBlk, seg_max_adjust), "on",
     "largest request follows queue-size"},
    {"logical_block_size", PROP_UINT32, offsetof(VirtIOBlk, logical_block_size), "512", "bytes"},
    {"physical_block_size", PROP_UINT32, offsetof(VirtIOBlk, physical_block_size), "512", "bytes"},
    {"min_io_size", PROP_UINT32, offsetof(VirtIOBlk, min_io_size), "0", "bytes"},
    {"opt_io_size", PROP_UINT32, offsetof(VirtIOBlk, opt_io_size), "0", "bytes"},
    {"write-cache", PROP_ON_OFF_AUTO, offsetof(VirtIOBlk, write_cache), "auto",
     "write-back cache; auto: as the drive says"},
    {"config-wce", PROP_BOOL, offsetof(VirtIOBlk, config_wce), "on", "the driver may switch the cache"},
    {"discard", PROP_BOOL, offsetof(VirtIOBlk, discard), "on", "offer discard"},
    {"write-zeroes", PROP_BOOL, offsetof(VirtIOBlk, write_zeroes), "on", "offer write zeroes"},
    {"max-discard-sectors", PROP_UINT32, offsetof(VirtIOBlk, max_discard_sectors), "4194303",
     "of one discard"},
    {"max-write-zeroes-sectors", PROP_UINT32, offsetof(VirtIOBlk, max_write_zeroes_sectors), "4194303",
     "of one write zeroes"},
    {"werror", PROP_STRING, offsetof(VirtIOBlk, werror), "auto",
     "on a failed write: report, ignore, stop, enospc (stop if the host is full), auto (as the drive)"},
    {"rerror", PROP_STRING, offsetof(VirtIOBlk, rerror), "auto",
     "on a failed read: report, ignore, stop, auto (as the drive)"},
    {"bootindex", PROP_INT32, offsetof(VirtIOBlk, bootindex), "-1", "accepted; the firmware decides"},
    {"share-rw", PROP_BOOL, offsetof(VirtIOBlk, share_rw), "off", "accepted; see the drive's locking"},
    {"request-merging", PROP_BOOL, offsetof(VirtIOBlk, request_merging), "on",
     "accepted; requests are not merged"},
    {"iothread", PROP_OBJECT, offsetof(VirtIOBlk, iothread), NULL,
     "accepted; the I/O runs on worker threads in any case"},
    VIRTIO_COMMON_PROPS,
    {0},
};

const DeviceClass virtio_blk_class = {
    .name = "virtio-blk-device",
    .desc = "virtio disk",
    .parent = "virtio-device",
    .bus = "virtio-bus",
    .instance_size = sizeof(VirtIOBlk),
    .props = blk_props,
    .user_creatable = true,
    .realize = blk_realize,
    .unrealize = blk_unrealize,
    .reset = virtio_reset,
    .vmsd = &vmstate_virtio_blk,
};
