/*
 * virtio-balloon.c - the memory balloon: a guest gives pages back and takes them again.
 *
 * Lobby, over hw/virtio.h and system/memory.h.  Specification: VIRTIO 1.2, section 5.5.
 * Locks: machine lock.
 * Invariant: only whole pages of writable RAM are discarded, and marked dirty, since they read as zero
 * from then on.
 *
 * Queues: 0 inflate, 1 deflate: le32 page numbers (4 KiB pages); 2 statistics: { le16 tag, le64 value }[].
 * The driver lends one statistics buffer, which comes back to it as the question for the next.
 * Configuration space, le32: 0 pages wanted, 4 pages given (driver writes), 8 free page hint (0),
 * 12 poison value (driver writes).
 *
 * In the stream (QEMU's version 1): be32 pages wanted, be32 pages given; subsection
 * virtio-balloon-device/page-poison v1 (if negotiated): be32 poison value. The statistics buffer is
 * not in it: last_avail counts it as taken, and on start the receiver takes it once more.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hw/balloon.h"
#include "hw/virtio.h"
#include "system/clock.h"
#include "system/machine.h"
#include "trace/hw-virtio.h"
#include "util/event-sink.h"
#include "util/iov.h"
#include "util/json-uint.h"

enum { BALLOON_F_STATS = 1, BALLOON_F_DEFLATE_ON_OOM = 2, BALLOON_F_PAGE_POISON = 4 };
enum { CONFIG_NUM_PAGES = 0, CONFIG_ACTUAL = 4, CONFIG_POISON = 12, CONFIG_LEN_MIN = 8, CONFIG_LEN = 16 };
enum { QUEUE_SIZE = 128, STAT_SIZE = 10 };

#define PAGE_SHIFT 12

static const char *const stat_names[] = {
    "stat-swap-in", "stat-swap-out", "stat-major-faults", "stat-minor-faults", "stat-free-memory",
    "stat-total-memory", "stat-available-memory", "stat-disk-caches", "stat-htlb-pgalloc",
    "stat-htlb-pgfail",
};

typedef struct VirtIOBalloon {
    VirtIODevice vdev;
    bool deflate_on_oom, page_poison;
    uint32_t polling_interval;      /* seconds */
    uint32_t num_pages, actual;     /* pages that the guest should not, and does not, have */
    uint32_t poison_val;
    bool inhibited;
    bool arrived;                   /* came by migration, not started yet */
    VirtQueue *stats_vq;
    VirtQueueElement *stats_elem;   /* the buffer that the driver lent */
    uint64_t stats[G_N_ELEMENTS(stat_names)];   /* all ones: the guest does not tell */
    int64_t stats_time;             /* seconds since the epoch, 0: never */
    QEMUTimer *timer;
} VirtIOBalloon;

/* ---- inflate and deflate ---- */

/* Gives a page of the guest's back to the host; false if it is none that can be. */
static bool discard_page(VirtIOBalloon *s, hwaddr addr)
{
    Machine *m = s->vdev.parent.machine;
    uint64_t len = TARGET_PAGE_SIZE;
    const MemoryRegion *region = memory_find(m, addr);
    if (!region || !region->block || region->readonly || region->romd || region->ops) {
        return false;
    }
    void *host = memory_map(m, addr, &len, true);
    if (!host || len < TARGET_PAGE_SIZE || sysconf(_SC_PAGESIZE) > (long)TARGET_PAGE_SIZE) {
        return false;
    }
    if (region->block->fd >= 0 && !region->block->shared) {
        return false;               /* the file's old bytes would come up again */
    }
    /* A hole in the file, or a zero page on the next touch. */
    if (madvise(host, TARGET_PAGE_SIZE, region->block->fd >= 0 ? MADV_REMOVE : MADV_DONTNEED) != 0) {
        return false;
    }
    memory_unmap(m, host, TARGET_PAGE_SIZE, true, TARGET_PAGE_SIZE);
    trace_virtio_balloon_inflate(addr);
    return true;
}

static void inflate(VirtIOBalloon *s, const VirtQueueElement *elem)
{
    uint32_t pfn;
    size_t offset = 0;
    while (iov_to_buf(elem->out_sg, elem->out_num, offset, &pfn, sizeof(pfn)) == sizeof(pfn)) {
        offset += sizeof(pfn);
        discard_page(s, (hwaddr)GUINT32_FROM_LE(pfn) << PAGE_SHIFT);
    }
}

static void balloon_handle_queue(VirtIODevice *vdev, VirtQueue *vq)
{
    VirtIOBalloon *s = (VirtIOBalloon *)vdev;
    VirtQueueElement *elem;
    unsigned budget = VIRTQUEUE_BUDGET;
    while (budget > 0 && (elem = virtqueue_pop(vq))) {
        budget--;
        if (virtqueue_index(vq) == 0 && !s->inhibited) {
            inflate(s, elem);       /* a page that deflates comes back by itself when touched */
        }
        virtqueue_push(vq, elem, 0);
        virtqueue_notify(vq);
    }
    if (budget == 0) {
        virtqueue_kick(vq);
    }
}

/* ---- statistics ---- */

static void forget_stats(VirtIOBalloon *s)
{
    memset(s->stats, 0xff, sizeof(s->stats));
}

static void arm_timer(VirtIOBalloon *s)
{
    if (s->polling_interval && virtio_has(&s->vdev, BALLOON_F_STATS)) {
        timer_mod(s->timer, qemu_clock_get_ns(s->vdev.parent.machine, QEMU_CLOCK_VIRTUAL) +
                                s->polling_interval * NANOSECONDS_PER_SECOND);
    } else {
        timer_del(s->timer);
    }
}

static void read_stats(VirtIOBalloon *s, const VirtQueueElement *elem)
{
    uint8_t raw[STAT_SIZE];
    size_t offset = 0;
    forget_stats(s);
    while (iov_to_buf(elem->out_sg, elem->out_num, offset, raw, STAT_SIZE) == STAT_SIZE) {
        uint16_t tag;
        uint64_t value;
        memcpy(&tag, raw, 2);
        memcpy(&value, raw + 2, 8);
        offset += STAT_SIZE;
        tag = GUINT16_FROM_LE(tag);
        if (tag < G_N_ELEMENTS(s->stats)) {
            s->stats[tag] = GUINT64_FROM_LE(value);
        }
    }
    s->stats_time = qemu_clock_get_ns(s->vdev.parent.machine, QEMU_CLOCK_HOST) /
                    NANOSECONDS_PER_SECOND;
}

static void balloon_handle_stats(VirtIODevice *vdev, VirtQueue *vq)
{
    VirtIOBalloon *s = (VirtIOBalloon *)vdev;
    VirtQueueElement *elem = virtqueue_pop(vq);
    if (!elem) {
        return;
    }
    if (s->stats_elem) {
        /* The driver should lend one at a time; the older goes back. */
        virtqueue_push(vq, s->stats_elem, 0);
        virtqueue_notify(vq);
    }
    s->stats_elem = elem;
    read_stats(s, elem);
    arm_timer(s);
}

static void ask_for_stats(void *opaque)
{
    VirtIOBalloon *s = opaque;
    if (s->stats_elem && virtio_ready(&s->vdev)) {
        virtqueue_push(s->stats_vq, s->stats_elem, 0);
        s->stats_elem = NULL;
        virtqueue_notify(s->stats_vq);
    } else {
        arm_timer(s);
    }
}

/* ---- device ---- */

static void balloon_get_config(VirtIODevice *vdev, uint8_t *config)
{
    const VirtIOBalloon *s = (VirtIOBalloon *)vdev;
    uint32_t words[CONFIG_LEN / 4] = {
        GUINT32_TO_LE(s->num_pages), GUINT32_TO_LE(s->actual), 0, GUINT32_TO_LE(s->poison_val),
    };
    memcpy(config, words, vdev->config_len);
}

static uint64_t actual_bytes(const VirtIOBalloon *s)
{
    uint64_t ram = s->vdev.parent.machine->config->ram_size;
    uint64_t given = (uint64_t)s->actual << PAGE_SHIFT;
    return given < ram ? ram - given : 0;
}

static void balloon_set_config(VirtIODevice *vdev, const uint8_t *config)
{
    VirtIOBalloon *s = (VirtIOBalloon *)vdev;
    uint32_t old = s->actual;
    memcpy(&s->actual, config + CONFIG_ACTUAL, 4);
    s->actual = GUINT32_FROM_LE(s->actual);
    if (virtio_has(vdev, BALLOON_F_PAGE_POISON)) {
        memcpy(&s->poison_val, config + CONFIG_POISON, 4);
        s->poison_val = GUINT32_FROM_LE(s->poison_val);
    }
    if (s->actual != old) {
        event_sink_emit(vdev->parent.machine->events, "BALLOON_CHANGE",
                        json_pack("{s:I}", "actual", (json_int_t)actual_bytes(s)));
    }
}

static uint64_t balloon_get_features(VirtIODevice *vdev, uint64_t features)
{
    const VirtIOBalloon *s = (VirtIOBalloon *)vdev;
    features |= VIRTIO_BIT(BALLOON_F_STATS);
    if (s->deflate_on_oom) {
        features |= VIRTIO_BIT(BALLOON_F_DEFLATE_ON_OOM);
    }
    return s->page_poison ? features | VIRTIO_BIT(BALLOON_F_PAGE_POISON) : features;
}

static void balloon_reset(VirtIODevice *vdev)
{
    VirtIOBalloon *s = (VirtIOBalloon *)vdev;
    if (s->stats_elem) {
        virtqueue_detach(s->stats_vq, s->stats_elem);
        s->stats_elem = NULL;
    }
    timer_del(s->timer);
    s->poison_val = 0;
    s->arrived = false;
    forget_stats(s);
}

static void balloon_vm_state(VirtIODevice *vdev, bool running)
{
    VirtIOBalloon *s = (VirtIOBalloon *)vdev;
    if (running && s->arrived) {
        s->arrived = false;
        if (virtio_ready(vdev) && virtio_has(vdev, BALLOON_F_STATS)) {
            virtqueue_rewind(s->stats_vq);
        }
    }
}

/* ---- what migrates ---- */

static bool balloon_save(VirtIODevice *vdev, QEMUFile *f, Error **errp)
{
    const VirtIOBalloon *s = (VirtIOBalloon *)vdev;
    (void)errp;
    qemu_put_be32(f, s->num_pages);
    qemu_put_be32(f, s->actual);
    return true;
}

static bool balloon_load(VirtIODevice *vdev, QEMUFile *f, int version_id, Error **errp)
{
    VirtIOBalloon *s = (VirtIOBalloon *)vdev;
    (void)version_id;
    (void)errp;
    s->num_pages = qemu_get_be32(f);
    s->actual = qemu_get_be32(f);
    return true;
}

static bool balloon_post_load(VirtIODevice *vdev, const uint8_t *config, Error **errp)
{
    (void)config;
    (void)errp;
    ((VirtIOBalloon *)vdev)->arrived = true;
    return true;
}

static bool poison_needed(void *opaque)
{
    return virtio_has(opaque, BALLOON_F_PAGE_POISON);
}

static const VMStateDescription vmstate_poison = {
    .name = "virtio-balloon-device/page-poison",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = poison_needed,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32(poison_val, VirtIOBalloon),
        VMSTATE_END_OF_LIST(),
    },
};

static const VMStateDescription *const balloon_subsections[] = {&vmstate_poison, NULL};

static const VMStateDescription vmstate_virtio_balloon = {
    .name = "virtio-balloon",
    .version_id = 1,
    .minimum_version_id = 1,
    .save_blob = virtio_save_blob,
    .load_blob = virtio_load_blob,
};

/* ---- realize ---- */

static const VirtIODeviceOps balloon_ops = {
    .device_id = VIRTIO_ID_BALLOON,
    .get_features = balloon_get_features,
    .get_config = balloon_get_config,
    .set_config = balloon_set_config,
    .reset = balloon_reset,
    .vm_state = balloon_vm_state,
    .save = balloon_save,
    .load = balloon_load,
    .subsections = balloon_subsections,
    .post_load = balloon_post_load,
};

static VirtIOBalloon *find_balloon(Machine *m);

static void balloon_unrealize(DeviceState *dev)
{
    VirtIOBalloon *s = (VirtIOBalloon *)dev;
    if (s->stats_elem) {
        virtqueue_detach(s->stats_vq, s->stats_elem);
        s->stats_elem = NULL;
    }
    virtio_cleanup(&s->vdev);
    if (s->timer) {
        timer_free(s->timer);
        s->timer = NULL;
    }
}

static bool balloon_realize(DeviceState *dev, Error **errp)
{
    VirtIOBalloon *s = (VirtIOBalloon *)dev;
    if (find_balloon(dev->machine)) {
        error_setg(errp, "Only one balloon device is supported");
        return false;
    }
    s->timer = timer_new_ns(dev->machine, QEMU_CLOCK_VIRTUAL, ask_for_stats, s);
    forget_stats(s);
    virtio_init(&s->vdev, &balloon_ops, s->page_poison ? CONFIG_LEN : CONFIG_LEN_MIN, 3);
    virtio_add_queue(&s->vdev, QUEUE_SIZE, balloon_handle_queue);
    virtio_add_queue(&s->vdev, QUEUE_SIZE, balloon_handle_queue);
    s->stats_vq = virtio_add_queue(&s->vdev, QUEUE_SIZE, balloon_handle_stats);
    if (!virtio_plug(&s->vdev, errp)) {
        balloon_unrealize(dev);
        return false;
    }
    return true;
}

static const Property balloon_props[] = {
    {"deflate-on-oom", PROP_BOOL, offsetof(VirtIOBalloon, deflate_on_oom), "off",
     "the guest may take pages back when it runs short"},
    {"page-poison", PROP_BOOL, offsetof(VirtIOBalloon, page_poison), "on",
     "offer to be told of the guest's poison value"},
    {"guest-stats-polling-interval", PROP_UINT32, offsetof(VirtIOBalloon, polling_interval), "0",
     "seconds between two queries of guest-stats, 0: none"},
    VIRTIO_COMMON_PROPS,
    {0},
};

const DeviceClass virtio_balloon_class = {
    .name = "virtio-balloon-device",
    .desc = "virtio memory balloon",
    .parent = "virtio-device",
    .bus = "virtio-bus",
    .instance_size = sizeof(VirtIOBalloon),
    .props = balloon_props,
    .user_creatable = true,
    .realize = balloon_realize,
    .unrealize = balloon_unrealize,
    .reset = virtio_reset,
    .vmsd = &vmstate_virtio_balloon,
};

/* ---- for the monitors ---- */

static VirtIOBalloon *find_balloon(Machine *m)
{
    for (DeviceState *dev = qdev_first(m); dev; dev = dev->next) {
        if (dev->klass == &virtio_balloon_class && dev->realized) {
            return (VirtIOBalloon *)dev;
        }
    }
    return NULL;
}

static VirtIOBalloon *need_balloon(Machine *m, Error **errp)
{
    VirtIOBalloon *s = find_balloon(m);
    if (!s) {
        error_set(errp, ERROR_CLASS_DEVICE_NOT_ACTIVE, "No balloon device has been activated");
    }
    return s;
}

bool balloon_set_target(Machine *m, uint64_t bytes, Error **errp)
{
    VirtIOBalloon *s = need_balloon(m, errp);
    if (!s) {
        return false;
    }
    if (bytes == 0) {
        error_setg(errp, "Parameter 'target' expects a size");
        return false;
    }
    uint64_t ram = m->config->ram_size;
    uint64_t pages = (ram - MIN(bytes, ram)) >> PAGE_SHIFT;
    s->num_pages = MIN(pages, UINT32_MAX);
    virtio_notify_config(&s->vdev);
    return true;
}

bool balloon_get_actual(Machine *m, uint64_t *bytes, Error **errp)
{
    const VirtIOBalloon *s = need_balloon(m, errp);
    if (s) {
        *bytes = actual_bytes(s);
    }
    return s != NULL;
}

bool balloon_set_polling_interval(Machine *m, uint32_t seconds, Error **errp)
{
    VirtIOBalloon *s = need_balloon(m, errp);
    if (s) {
        s->polling_interval = seconds;
        arm_timer(s);
    }
    return s != NULL;
}

bool balloon_get_polling_interval(Machine *m, uint32_t *seconds, Error **errp)
{
    const VirtIOBalloon *s = need_balloon(m, errp);
    if (s) {
        *seconds = s->polling_interval;
    }
    return s != NULL;
}

json_t *balloon_get_stats(Machine *m, Error **errp)
{
    const VirtIOBalloon *s = need_balloon(m, errp);
    if (!s) {
        return NULL;
    }
    json_t *stats = json_object();
    for (unsigned i = 0; i < G_N_ELEMENTS(stat_names); i++) {
        json_object_set_new(stats, stat_names[i], json_uint_new(s->stats[i]));
    }
    return json_pack("{s:o, s:I}", "stats", stats, "last-update", (json_int_t)s->stats_time);
}

void balloon_inhibit(Machine *m, bool on)
{
    VirtIOBalloon *s = find_balloon(m);
    if (s) {
        s->inhibited = on;
    }
}
