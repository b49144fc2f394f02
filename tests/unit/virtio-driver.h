/*
 * virtio-driver.h - a device as its driver sets it up, through the registers.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_TESTS_VIRTIO_DRIVER_H
#define GODWIT_TESTS_VIRTIO_DRIVER_H

#include "virtio-fixture.h"

/* ---- a driver ---- */

#define DRV_QUEUE_MAX 1024

typedef struct DrvQueue {
    unsigned index, num;
    hwaddr desc, avail, used;
    uint16_t avail_idx, used_seen;
    unsigned next_desc;
} DrvQueue;

typedef struct Driver {
    VFixture *fx;
    hwaddr slot;
    bool modern;
    uint64_t features;              /* negotiated */
    DrvQueue queues[8];
} Driver;

static inline uint64_t drv_offered(VFixture *fx, hwaddr slot)
{
    fx_write(fx, slot, 0x14, 0);
    uint64_t low = fx_read(fx, slot, 0x10);
    fx_write(fx, slot, 0x14, 1);
    return low | (uint64_t)fx_read(fx, slot, 0x10) << 32;
}

/* Resets, negotiates offered & wanted, up to FEATURES_OK. */
static inline void drv_begin(Driver *d, VFixture *fx, hwaddr slot, uint64_t wanted)
{
    *d = (Driver){.fx = fx, .slot = slot};
    g_assert_cmphex(fx_read(fx, slot, 0), ==, 0x74726976);
    d->modern = fx_read(fx, slot, 4) == 2;
    fx_write(fx, slot, 0x70, 0);
    fx_write(fx, slot, 0x70, 1);
    fx_write(fx, slot, 0x70, 3);
    d->features = drv_offered(fx, slot) & (wanted | VIRTIO_BIT(VIRTIO_F_VERSION_1));
    fx_write(fx, slot, 0x24, 0);
    fx_write(fx, slot, 0x20, d->features);
    if (d->modern) {
        fx_write(fx, slot, 0x24, 1);
        fx_write(fx, slot, 0x20, d->features >> 32);
        fx_write(fx, slot, 0x70, 0xb);
        g_assert_cmphex(fx_read(fx, slot, 0x70), ==, 0xb);
    } else {
        fx_write(fx, slot, 0x28, 4096);
    }
}

static inline DrvQueue *drv_queue(Driver *d, unsigned index, unsigned num)
{
    VFixture *fx = d->fx;
    DrvQueue *q = &d->queues[index];
    fx->heap = (fx->heap + 4095) & ~(hwaddr)4095;
    *q = (DrvQueue){.index = index, .num = num};
    q->desc = fx_alloc(fx, 16 * num);
    q->avail = fx_alloc(fx, 6 + 2 * num);
    fx->heap = (fx->heap + 4095) & ~(hwaddr)4095;
    q->used = fx_alloc(fx, 6 + 8 * num);
    memset(fx_ram(fx, q->desc), 0, fx->heap - q->desc);
    fx_write(fx, d->slot, 0x30, index);
    g_assert_cmpuint(fx_read(fx, d->slot, 0x34), >=, num);
    fx_write(fx, d->slot, 0x38, num);
    if (!d->modern) {
        q->avail = q->desc + 16 * num;
        q->used = (q->avail + 6 + 2 * num + 4095) & ~(hwaddr)4095;
        fx->heap = MAX(fx->heap, q->used + 6 + 8 * num);
        fx_write(fx, d->slot, 0x3c, 4096);
        fx_write(fx, d->slot, 0x40, q->desc >> 12);
        return q;
    }
    fx_write(fx, d->slot, 0x80, q->desc);
    fx_write(fx, d->slot, 0x90, q->avail);
    fx_write(fx, d->slot, 0xa0, q->used);
    fx_write(fx, d->slot, 0x44, 1);
    g_assert_cmpuint(fx_read(fx, d->slot, 0x44), ==, 1);
    return q;
}

static inline void drv_ok(Driver *d)
{
    fx_write(d->fx, d->slot, 0x70, d->modern ? 0xf : 7);
}

#endif
