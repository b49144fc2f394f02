/*
 * virtio-fixture.h - a machine with RAM and virtio slots; virtio-driver.h and virtio-rings.h are the driver.
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
