/*
 * virtio.h - what a virtio device model needs: its rings, features, configuration and transport slot.
 *
 * Lobby.  Specification: VIRTIO 1.2 (OASIS), sections 2 (facilities) and 4.2 (MMIO).  A VirtIODevice
 * plugs into one transport (hw/virtio/virtio-mmio.c); its queue handlers run with the machine lock
 * held, only while the machine runs, on the loop's thread if the ops say `defer`, else (and always
 * with -icount) on the vCPU thread that notified.
 *
 * Whatever the guest writes is untrusted: a ring that breaks the rules marks the device broken (and
 * NEEDS_RESET for a modern driver); nothing is read twice, no chain is longer than its table.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_HW_VIRTIO_H
#define GODWIT_HW_VIRTIO_H

#include <sys/uio.h>

#include "hw/irq.h"
#include "hw/qdev.h"
#include "migration/vmstate.h"
#include "system/memory.h"
#include "util/main-loop.h"

enum {                              /* device ids, section 5 */
    VIRTIO_ID_NET = 1,
    VIRTIO_ID_BLOCK = 2,
    VIRTIO_ID_CONSOLE = 3,
    VIRTIO_ID_RNG = 4,
    VIRTIO_ID_BALLOON = 5,
    VIRTIO_ID_GPU = 16,
};

enum {                              /* device status, section 2.1 */
    VIRTIO_STATUS_ACKNOWLEDGE = 1,
    VIRTIO_STATUS_DRIVER = 2,
    VIRTIO_STATUS_DRIVER_OK = 4,
    VIRTIO_STATUS_FEATURES_OK = 8,
    VIRTIO_STATUS_NEEDS_RESET = 64,
    VIRTIO_STATUS_FAILED = 128,
};

enum {                              /* feature bits of the transport, section 6 */
    VIRTIO_F_NOTIFY_ON_EMPTY = 24,  /* legacy only */
    VIRTIO_F_ANY_LAYOUT = 27,       /* legacy only */
    VIRTIO_F_INDIRECT_DESC = 28,
    VIRTIO_F_EVENT_IDX = 29,
    VIRTIO_F_VERSION_1 = 32,
    VIRTIO_F_RING_RESET = 40,
};

#define VIRTIO_BIT(n) (UINT64_C(1) << (n))
#define VIRTQUEUE_MAX_SIZE 1024     /* descriptors in a ring, and buffers in one request */
#define VIRTIO_QUEUE_MAX 1024       /* queues of a device, as the stream's tables have it */

typedef struct VirtIODevice VirtIODevice;
typedef struct VirtQueue VirtQueue;
typedef struct VirtioTransport VirtioTransport;

/* One request taken from a ring; freed by push or detach. out: device reads, in: device writes. */
typedef struct VirtQueueElement {
    VirtQueue *vq;
    unsigned index;                 /* head descriptor */
    unsigned out_num, in_num;
    struct iovec *out_sg, *in_sg;   /* host addresses in guest RAM */
    hwaddr *out_addr, *in_addr;
} VirtQueueElement;

/* What one kind of device does. Callbacks may be NULL unless marked. Machine lock held. */
typedef struct VirtIODeviceOps {
    uint16_t device_id;
    bool defer;                     /* queue handlers need the loop's thread (block, chardev) */
    bool needs_version_1;           /* no legacy form: its slot is modern whatever force-legacy says */
    /* The bits to offer, given the transport's and those that properties chose. */
    uint64_t (*get_features)(VirtIODevice *vdev, uint64_t features);
    /* Fills config[0 … config_len). Required if config_len > 0. */
    void (*get_config)(VirtIODevice *vdev, uint8_t *config);
    /* The driver wrote into config (all of it, new values). */
    void (*set_config)(VirtIODevice *vdev, const uint8_t *config);
    void (*set_status)(VirtIODevice *vdev, uint8_t status);
    /* Driver's reset or machine's: no request may be in flight when it returns. */
    void (*reset)(VirtIODevice *vdev);
    /* The machine starts or has stopped; before the queues are kicked on start. */
    void (*vm_state)(VirtIODevice *vdev, bool running);
    /* The device's own part of the stream; both or neither. */
    bool (*save)(VirtIODevice *vdev, QEMUFile *f, Error **errp);
    bool (*load)(VirtIODevice *vdev, QEMUFile *f, int version_id, Error **errp);
    /* Subsections named after the device, between its part and the common ones; may be NULL. */
    const VMStateDescription *const *subsections;
    /* Everything has arrived; config holds the sender's configuration space. */
    bool (*post_load)(VirtIODevice *vdev, const uint8_t *config, Error **errp);
} VirtIODeviceOps;

struct VirtIODevice {
    DeviceState parent;
    const VirtIODeviceOps *ops;
    VirtioTransport *transport;     /* NULL while not plugged */
    bool prop_indirect, prop_event_idx, prop_notify_on_empty, prop_any_layout;
    uint64_t host_features, guest_features;
    uint8_t status, isr;
    uint16_t queue_sel;
    uint32_t config_generation;
    uint32_t config_len;
    uint8_t *config;                /* scratch for the driver's partial writes */
    VirtQueue *vqs;
    unsigned nvqs;
    bool broken;
    QEMUBH *bh;
    struct VMChangeStateEntry *vm_entry;
};

#define VIRTIO_COMMON_PROPS \
    {"indirect_desc", PROP_BOOL, offsetof(VirtIODevice, prop_indirect), "on", \
     "offer indirect descriptors"}, \
    {"event_idx", PROP_BOOL, offsetof(VirtIODevice, prop_event_idx), "on", \
     "offer notification suppression by event index"}, \
    {"notify_on_empty", PROP_BOOL, offsetof(VirtIODevice, prop_notify_on_empty), "on", \
     "offer the legacy interrupt on an empty ring"}, \
    {"any_layout", PROP_BOOL, offsetof(VirtIODevice, prop_any_layout), "on", \
     "offer the legacy free choice of buffer layout"}

typedef void VirtQueueHandler(VirtIODevice *vdev, VirtQueue *vq);

/*
 * For realize: virtio_init(), then virtio_add_queue() for each queue in order, then virtio_plug(), which
 * takes the free transport slot with the highest address (or the one that bus=virtio-mmio-bus.N names)
 * and sets dev->vmstate_id. A failing realize calls virtio_cleanup(), unrealize as well.
 */
void virtio_init(VirtIODevice *vdev, const VirtIODeviceOps *ops, uint32_t config_len, unsigned max_queues);
/* size: ring size before the driver chooses; 1 … 1024, a power of two. */
VirtQueue *virtio_add_queue(VirtIODevice *vdev, unsigned size, VirtQueueHandler *handler);
bool virtio_plug(VirtIODevice *vdev, Error **errp);
void virtio_cleanup(VirtIODevice *vdev);
/* DeviceClass.reset of every virtio device. */
void virtio_reset(DeviceState *dev);
/* VMStateDescription callbacks of every virtio device; opaque is the VirtIODevice. */
bool virtio_save_blob(QEMUFile *f, void *opaque, Error **errp);
bool virtio_load_blob(QEMUFile *f, void *opaque, int version_id, Error **errp);

static inline bool virtio_has(const VirtIODevice *vdev, unsigned bit)
{
    return vdev->guest_features & VIRTIO_BIT(bit);
}

/* True while a driver is there and nothing is wrong with it. */
static inline bool virtio_ready(const VirtIODevice *vdev)
{
    return (vdev->status & VIRTIO_STATUS_DRIVER_OK) && !vdev->broken;
}

/* The guest broke the rules: no ring is touched again until it resets the device. */
void virtio_error(VirtIODevice *vdev, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
/* The configuration space changed: tells the driver. */
void virtio_notify_config(VirtIODevice *vdev);

/* ---- rings (hw/virtio/virtio-ring.c), section 2.7 ---- */

unsigned virtqueue_index(const VirtQueue *vq);
VirtQueue *virtio_queue(VirtIODevice *vdev, unsigned index);
/* The driver has set the ring up. */
bool virtqueue_ready(const VirtQueue *vq);
/* The next request, or NULL: none there, or the ring is broken. */
VirtQueueElement *virtqueue_pop(VirtQueue *vq);
/* Gives a request back, len bytes of its in buffers written, and frees it. */
void virtqueue_push(VirtQueue *vq, VirtQueueElement *elem, uint32_t len);
/* As push in two steps: several fills (offset 0, 1, …; they free), then one flush shows them all. */
void virtqueue_fill(VirtQueue *vq, VirtQueueElement *elem, uint32_t len, unsigned offset);
void virtqueue_flush(VirtQueue *vq, unsigned count);
/* Puts the request taken last back as if never taken, and frees it. */
void virtqueue_unpop(VirtQueue *vq, VirtQueueElement *elem);
/* Puts back the request taken last when its element is gone (it did not migrate). False: none was. */
bool virtqueue_rewind(VirtQueue *vq);
/* Frees a request without an answer. */
void virtqueue_detach(VirtQueue *vq, VirtQueueElement *elem);
/* Interrupts the driver if it wants to hear of what was pushed. */
void virtqueue_notify(VirtQueue *vq);
/* Asks the driver for notifications, or spares it them, while the handler looks at the ring. */
void virtqueue_set_notification(VirtQueue *vq, bool on);
bool virtqueue_empty(VirtQueue *vq);
/*
 * Has vq's handler run as if the driver had notified: later on the loop, with -icount at once. A
 * handler that has served VIRTQUEUE_BUDGET requests ends so, lest a busy guest keep the lock.
 */
void virtqueue_kick(VirtQueue *vq);
#define VIRTQUEUE_BUDGET 1024
/* In-flight requests in a stream: 49168 bytes each, host layout of a 64-bit little-endian sender. */
void virtqueue_put_element(QEMUFile *f, const VirtQueueElement *elem);
VirtQueueElement *virtqueue_get_element(QEMUFile *f, VirtQueue *vq, Error **errp);

/* ---- the transport (hw/virtio/virtio-mmio.c) ---- */

/*
 * For the board: slot number `index` with its registers at base (0x1000 bytes) and its wire. Created
 * and realized; slots must be created in order of address. NULL with *errp set on failure.
 */
DeviceState *virtio_mmio_create(Machine *m, unsigned index, hwaddr base, IRQLine irq, Error **errp);

#endif
