/*
 * virtio-internal.h - what the files of hw/virtio share and devices do not see.
 *
 * Lobby. Machine lock held.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_HW_VIRTIO_INTERNAL_H
#define GODWIT_HW_VIRTIO_INTERNAL_H

#include "hw/virtio.h"

#define VIRTIO_RING_ALIGN 4096      /* a legacy ring's default */

struct VirtQueue {
    VirtIODevice *vdev;
    unsigned index;
    VirtQueueHandler *handler;
    uint16_t num;                   /* ring size that the driver chose; 0: queue absent */
    uint16_t num_default;
    uint16_t num_written;           /* as the driver wrote it to a modern transport, 0: never */
    uint32_t align;                 /* legacy */
    hwaddr desc, avail, used;       /* guest physical */
    bool ready;
    /* Host addresses, set while the ring is mapped. */
    uint8_t *desc_host, *avail_host, *used_host;
    uint16_t last_avail;            /* next entry of the available ring to look at */
    uint16_t used_idx;              /* our copy of used->idx; the guest's is never read back */
    uint16_t signalled_used;        /* used_idx at the last interrupt */
    bool signalled_valid;
    bool notification;              /* the driver should notify */
    unsigned inuse;                 /* taken and not given back */
    bool kicked;                    /* the handler has to run */
};

/* The transport's side of a device. */
struct VirtioTransport {
    DeviceState *dev;
    VirtIODevice *vdev;             /* NULL: empty slot */
    void (*update_irq)(VirtioTransport *t);
    /* The device was plugged; t->vdev is set. */
    void (*plugged)(VirtioTransport *t);
    bool (*is_legacy)(const VirtioTransport *t);
    void (*save_config)(VirtioTransport *t, QEMUFile *f);
    void (*load_config)(VirtioTransport *t, QEMUFile *f);
    void (*save_extra)(VirtioTransport *t, QEMUFile *f);
    bool (*load_extra)(VirtioTransport *t, QEMUFile *f, Error **errp);
    /* The driver's reset reached the device: forget what it had set up. */
    void (*reset)(VirtioTransport *t);
};

/* A free slot: the one named by bus ("virtio-mmio-bus.3"), or the last created if bus is NULL. */
VirtioTransport *virtio_transport_find(Machine *m, const char *bus, Error **errp);

/* ---- virtio.c ---- */
void virtio_set_status(VirtIODevice *vdev, uint8_t status);
/* Bits that are not offered are dropped. False if a modern driver's choice cannot be served. */
bool virtio_set_features(VirtIODevice *vdev, uint64_t features);
void virtio_device_reset(VirtIODevice *vdev);
uint64_t virtio_config_read(VirtIODevice *vdev, uint32_t offset, unsigned size);
void virtio_config_write(VirtIODevice *vdev, uint32_t offset, uint64_t value, unsigned size);
/* The driver notified queue n. */
void virtio_queue_notify(VirtIODevice *vdev, uint32_t n);
/* Runs, or schedules, the handlers of all queues that were kicked. */
void virtio_run_kicked(VirtIODevice *vdev);
void virtio_raise(VirtIODevice *vdev, uint8_t isr_bit);

/* ---- virtio-ring.c ---- */
void virtqueue_reset(VirtQueue *vq);
/* Legacy: lays the three parts out from desc and align. */
void virtqueue_layout_legacy(VirtQueue *vq);
/* Maps the ring; false (and the device is broken) if it does not lie in RAM. */
bool virtqueue_map(VirtQueue *vq);
/* An element with room for its buffers, none filled in. */
VirtQueueElement *virtqueue_element_new(VirtQueue *vq, unsigned head, unsigned out_num,
                                        unsigned in_num);
/* After a load: reads used->idx and checks it against last_avail. */
bool virtqueue_resume(VirtQueue *vq, Error **errp);

#endif
