/*
 * virtio-fixture.h - a machine with RAM and virtio slots, and the driver's side of a device.
 *
 * A test is the guest's driver: it sets a device up through the registers, lays rings and buffers out in
 * guest memory and looks at what comes back.  There are no harts; the machine runs so that handlers do.
 * The lock is not held between the calls.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_TESTS_VIRTIO_FIXTURE_H
#define GODWIT_TESTS_VIRTIO_FIXTURE_H

#include <glib.h>
#include <string.h>

#include "hw/machine-layers.h"
#include "hw/qdev.h"
#include "hw/virtio.h"
#include "migration/qemu-file.h"
#include "migration/register.h"
#include "system/machine.h"
#include "system/runstate.h"
#include "util/keyval.h"

#define FX_RAM_BASE 0x80000000u
#define FX_RAM_SIZE (8u << 20)
#define FX_SLOTS 4
#define FX_SLOT(n) (0x10001000u + 0x1000u * (n))
#define FX_LAST_SLOT FX_SLOT(FX_SLOTS - 1)      /* the first device takes it */

typedef struct VFixture {
    Machine *m;
    MemoryRegion ram;
    bool irq[FX_SLOTS];
    unsigned raised[FX_SLOTS];      /* times that the wire went up */
    hwaddr heap;                    /* next free guest memory */
} VFixture;

static void fx_irq(void *opaque, int n, bool level)
{
    VFixture *fx = opaque;
    fx->raised[n] += level && !fx->irq[n];
    fx->irq[n] = level;
}

static const MachineClass fx_class = {
    .name = "virtio-test",
    .default_ram_size = FX_RAM_SIZE,
    .layers = &machine_layers,
};

/* icount: notifications are handled at once and the entropy source is seeded. */
static VFixture *fx_new(bool modern, bool icount)
{
    Error *err = NULL;
    VFixture *fx = g_new0(VFixture, 1);
    MachineConfig *config = machine_config_new(&fx_class);
    config->ram_size = FX_RAM_SIZE;
    config->icount = icount;
    Machine *m = fx->m = machine_new(&fx_class, config, &err);
    g_assert_no_error((GError *)NULL);
    g_assert_nonnull(m);
    machine_lock(m);
    RAMBlock *block = ram_block_new(m, "test.ram", FX_RAM_SIZE, NULL);
    g_assert_nonnull(block);
    fx->ram = (MemoryRegion){
        .name = "ram", .base = FX_RAM_BASE, .size = FX_RAM_SIZE, .block = block,
    };
    g_assert_true(memory_map_region(m, &fx->ram, NULL));
    for (int i = 0; i < FX_SLOTS; i++) {
        IRQLine irq = {.handler = fx_irq, .opaque = fx, .n = i};
        g_assert_nonnull(virtio_mmio_create(m, i, FX_SLOT(i), irq, NULL));
    }
    if (modern) {
        g_assert_true(qdev_add_global(m, "virtio-mmio", "force-legacy", json_false(), NULL));
    }
    machine_unlock(m);
    fx->heap = FX_RAM_BASE + 0x100000;
    return fx;
}

/* As -device; text like "virtio-rng-device,id=r". */
static inline DeviceState *fx_device(VFixture *fx, const char *text)
{
    Error *err = NULL;
    json_t *options = keyval_parse(text, "driver", &err);
    machine_lock(fx->m);
    DeviceState *dev = options ? qdev_device_add(fx->m, options, &err) : NULL;
    machine_unlock(fx->m);
    if (!dev) {
        g_error("%s: %s", text, error_get_pretty(err));
    }
    json_decref(options);
    return dev;
}

static inline void fx_start(VFixture *fx)
{
    machine_lock(fx->m);
    system_reset(fx->m, SHUTDOWN_CAUSE_NONE);
    vm_start(fx->m);
    machine_unlock(fx->m);
}

static inline void fx_stop(VFixture *fx)
{
    machine_lock(fx->m);
    vm_stop(fx->m, RUN_STATE_PAUSED);
    machine_unlock(fx->m);
}

static void fx_free(VFixture *fx)
{
    machine_free(fx->m);
    g_free(fx);
}

/* Runs what is ready in the main loop, until nothing is. */
static inline void fx_settle(VFixture *fx)
{
    while (main_loop_iterate(fx->m->loop, false)) {
    }
}

static inline hwaddr fx_alloc(VFixture *fx, size_t len)
{
    hwaddr at = fx->heap;
    fx->heap += (len + 15) & ~(size_t)15;
    g_assert_cmpuint(fx->heap, <=, FX_RAM_BASE + FX_RAM_SIZE);
    return at;
}

static inline void *fx_ram(VFixture *fx, hwaddr addr)
{
    return fx->ram.block->host + (addr - FX_RAM_BASE);
}

/* ---- registers ---- */

static inline uint32_t fx_read(VFixture *fx, hwaddr slot, unsigned reg)
{
    uint64_t value = 0;
    g_assert_cmpint(address_space_ldst(fx->m, slot + reg, &value, 4, false), ==, MEMTX_OK);
    return value;
}

static inline void fx_write(VFixture *fx, hwaddr slot, unsigned reg, uint32_t v)
{
    uint64_t value = v;
    g_assert_cmpint(address_space_ldst(fx->m, slot + reg, &value, 4, true), ==, MEMTX_OK);
}

static inline uint64_t fx_config(VFixture *fx, hwaddr slot, unsigned offset, unsigned size)
{
    uint64_t value = 0;
    g_assert_cmpint(address_space_ldst(fx->m, slot + 0x100 + offset, &value, size, false), ==, MEMTX_OK);
    return value;
}

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

/* ---- streams ---- */

/* The device's section as it would stand in a stream. */
static inline uint8_t *fx_save(DeviceState *dev, size_t *len)
{
    Error *err = NULL;
    QEMUFile *f = qemu_file_new_memory();
    machine_lock(dev->machine);
    if (!vmstate_save_state(f, dev->klass->vmsd, dev, &err)) {
        g_error("save: %s", error_get_pretty(err));
    }
    machine_unlock(dev->machine);
    uint8_t *buf = qemu_file_take_buffer(f, len);
    qemu_fclose(f, NULL);
    return buf;
}

/* NULL, or the error of a load that failed; bytes left over are one (a stream's footer would show it). */
static inline Error *fx_load(DeviceState *dev, const uint8_t *buf, size_t len)
{
    Error *err = NULL;
    QEMUFile *f = qemu_file_new_from_buffer(buf, len);
    machine_lock(dev->machine);
    bool ok = vmstate_load_state(f, dev->klass->vmsd, dev, dev->klass->vmsd->version_id, &err);
    machine_unlock(dev->machine);
    if (ok && qemu_file_get_error(f)) {
        err = error_copy(qemu_file_get_error(f));
    } else if (ok && qemu_ftell(f) != len) {
        error_setg(&err, "%zu of %zu bytes were left over", len - (size_t)qemu_ftell(f), len);
    }
    qemu_fclose(f, NULL);
    return err;
}

#endif
