/*
 * virtio-rings.h - rings and buffers in guest memory, as a driver lays them out.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_TESTS_VIRTIO_RINGS_H
#define GODWIT_TESTS_VIRTIO_RINGS_H

#include "virtio-driver.h"

/* ---- rings, little-endian hosts only, as the tests' CI ---- */

typedef struct DrvBuf {
    hwaddr addr;
    uint32_t len;
    bool write;                     /* the device writes */
} DrvBuf;

static inline void ring_desc(VFixture *fx, hwaddr table, unsigned i, DrvBuf b, unsigned flags,
                             unsigned next)
{
    uint8_t *p = fx_ram(fx, table + 16 * i);
    uint16_t f = flags | (b.write ? 2 : 0), n = next;
    memcpy(p, &b.addr, 8);
    memcpy(p + 8, &b.len, 4);
    memcpy(p + 12, &f, 2);
    memcpy(p + 14, &n, 2);
}

static inline uint16_t *ring_avail(VFixture *fx, const DrvQueue *q, unsigned i)
{
    return (uint16_t *)fx_ram(fx, q->avail) + 2 + i % q->num;
}

/* Makes head available. */
static inline void ring_publish(VFixture *fx, DrvQueue *q, unsigned head)
{
    *ring_avail(fx, q, q->avail_idx) = head;
    __atomic_store_n((uint16_t *)fx_ram(fx, q->avail) + 1, ++q->avail_idx, __ATOMIC_RELEASE);
}

/* Adds a chain of direct descriptors; returns its head. */
static inline unsigned ring_add(Driver *d, DrvQueue *q, const DrvBuf *bufs, unsigned n)
{
    unsigned head = q->next_desc % q->num;
    for (unsigned i = 0; i < n; i++) {
        unsigned at = (head + i) % q->num;
        ring_desc(d->fx, q->desc, at, bufs[i], i + 1 < n ? 1 : 0, (at + 1) % q->num);
    }
    q->next_desc = head + n;
    ring_publish(d->fx, q, head);
    return head;
}

/* Adds one indirect descriptor over a table of n. */
static inline unsigned ring_add_indirect(Driver *d, DrvQueue *q, const DrvBuf *bufs, unsigned n)
{
    hwaddr table = fx_alloc(d->fx, 16 * n);
    for (unsigned i = 0; i < n; i++) {
        ring_desc(d->fx, table, i, bufs[i], i + 1 < n ? 1 : 0, i + 1);
    }
    unsigned head = q->next_desc++ % q->num;
    ring_desc(d->fx, q->desc, head, (DrvBuf){table, 16 * n, false}, 4, 0);
    ring_publish(d->fx, q, head);
    return head;
}

static inline void drv_kick(Driver *d, const DrvQueue *q)
{
    fx_write(d->fx, d->slot, 0x50, q->index);
    fx_settle(d->fx);
}

static inline uint16_t ring_used_idx(VFixture *fx, const DrvQueue *q)
{
    return __atomic_load_n((uint16_t *)fx_ram(fx, q->used) + 1, __ATOMIC_ACQUIRE);
}

/* The next used entry; false if there is none. */
static inline bool ring_used(Driver *d, DrvQueue *q, unsigned *head, uint32_t *len)
{
    *head = 0;
    if (len) {
        *len = 0;
    }
    if (ring_used_idx(d->fx, q) == q->used_seen) {
        return false;
    }
    uint32_t *e = (uint32_t *)fx_ram(d->fx, q->used + 4) + 2 * (q->used_seen++ % q->num);
    *head = e[0];
    if (len) {
        *len = e[1];
    }
    return true;
}

/* Waits in the main loop for the next used entry. */
static inline uint32_t ring_wait(Driver *d, DrvQueue *q)
{
    unsigned head;
    uint32_t len;
    while (!ring_used(d, q, &head, &len)) {
        main_loop_iterate(d->fx->m->loop, true);
    }
    return len;
}

static inline bool drv_broken(Driver *d)
{
    DeviceState *dev;
    for (dev = qdev_first(d->fx->m); dev; dev = dev->next) {
        if (dev->klass->bus && strcmp(dev->klass->bus, "virtio-bus") == 0) {
            return ((VirtIODevice *)dev)->broken;
        }
    }
    return false;
}

#endif
