/*
 * gpex.c - generic PCIe host with one bus, on which there is nothing but the host bridge itself.
 *
 * Lobby (hw/pci).  PCI Local Bus 3.0, chapter 6 (configuration space); PCI Express 1.1, section 7.2.2
 * (ECAM: bus at bit 20, device at 15, function at 12, register below).  The host bridge 1b36:0008 is
 * function 0 of device 0 on bus 0; every other read of configuration space, and of the I/O and memory
 * windows, gives all ones, and writes go nowhere.
 *
 * Machine lock held.  Invariant: config[] differs from config_at_reset[] only in bits of wmask[].
 *
 * Migration, three sections:
 *   0000:00:00.0/gpex_root v1: PCIDevice v2 { version_id i32 (at most 2), config[256], irq_state[4] u32 }
 *   PCIHost v1: config_reg u32 (of the x86 mechanism; never used here)
 *   PCIBUS v1: nirq i32 (must be 4), irq_count[4] i32
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "hw/gpex.h"

#include <glib.h>
#include <string.h>

#include "hw/sysbus.h"
#include "migration/qemu-file.h"
#include "migration/register.h"
#include "system/machine.h"
#include "trace/hw-pci.h"

#define CONFIG_SIZE 256
#define NUM_PINS 4
#define PCI_DEVICE_VERSION 2

/* ---- the host bridge's configuration space ---- */

typedef struct GpexRootState {
    DeviceState parent;
    int32_t version_id;
    uint8_t config[CONFIG_SIZE];
    uint32_t irq_state[NUM_PINS];
} GpexRootState;

static const uint8_t config_at_reset[CONFIG_SIZE] = {
    [0x00] = 0x36, 0x1b, 0x08, 0x00,    /* vendor, device */
    [0x08] = 0x00, 0x00, 0x00, 0x06,    /* revision; class: host bridge */
    [0x2c] = 0xf4, 0x1a, 0x00, 0x11,    /* subsystem */
};

/* The bits of a register that a write changes. */
static uint8_t config_wmask(unsigned reg)
{
    switch (reg) {
    case 0x04:
        return 0x07;    /* command: I/O, memory, bus master */
    case 0x05:
        return 0x05;    /* SERR#, interrupt disable */
    case 0x0c:
    case 0x3c:
        return 0xff;    /* cache line size, interrupt line */
    default:
        return reg >= 0x40 ? 0xff : 0;
    }
}

static void gpex_root_reset(DeviceState *dev)
{
    GpexRootState *s = (GpexRootState *)dev;
    memcpy(s->config, config_at_reset, CONFIG_SIZE);
    memset(s->irq_state, 0, sizeof(s->irq_state));
}

/* What migrates: each element has its own form, so that the description reads like the peer's. */

static bool get_version(QEMUFile *f, void *pv, const VMStateField *field, Error **errp)
{
    int32_t version = (int32_t)qemu_get_be32(f);
    if (version > *(int32_t *)pv) {
        error_setg(errp, "PCI device version %d is newer than %d", version, *(int32_t *)pv);
        return false;
    }
    return true;
}

static bool put_version(QEMUFile *f, const void *pv, const VMStateField *field, Error **errp)
{
    qemu_put_be32(f, *(const int32_t *)pv);
    return true;
}

static bool get_config(QEMUFile *f, void *pv, const VMStateField *field, Error **errp)
{
    uint8_t config[CONFIG_SIZE];
    qemu_get_buffer(f, config, sizeof(config));
    for (unsigned i = 0; i < CONFIG_SIZE; i++) {
        if ((config[i] ^ config_at_reset[i]) & ~config_wmask(i)) {
            error_setg(errp, "PCI configuration register 0x%02x is 0x%02x in the stream, 0x%02x here",
                       i, config[i], config_at_reset[i]);
            return false;
        }
    }
    memcpy(pv, config, sizeof(config));
    return true;
}

static bool put_config(QEMUFile *f, const void *pv, const VMStateField *field, Error **errp)
{
    qemu_put_buffer(f, pv, CONFIG_SIZE);
    return true;
}

static bool get_irq_state(QEMUFile *f, void *pv, const VMStateField *field, Error **errp)
{
    uint32_t *state = pv;
    for (unsigned i = 0; i < NUM_PINS; i++) {
        state[i] = qemu_get_be32(f);
        if (state[i] > 1) {
            error_setg(errp, "PCI interrupt pin %u has state %u; 0 or 1 is possible", i, state[i]);
            return false;
        }
    }
    return true;
}

static bool put_irq_state(QEMUFile *f, const void *pv, const VMStateField *field, Error **errp)
{
    const uint32_t *state = pv;
    for (unsigned i = 0; i < NUM_PINS; i++) {
        qemu_put_be32(f, state[i]);
    }
    return true;
}

static const VMStateInfo info_version = { "int32 le", get_version, put_version };
static const VMStateInfo info_config = { "pci config", get_config, put_config };
static const VMStateInfo info_irq_state = { "pci irq state", get_irq_state, put_irq_state };

static const VMStateDescription vmstate_pci_device = {
    .name = "PCIDevice",
    .version_id = 2,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        { .name = "version_id", .offset = offsetof(GpexRootState, version_id), .size = 4, .num = 1,
          .info = &info_version },
        { .name = "config", .offset = offsetof(GpexRootState, config), .size = CONFIG_SIZE,
          .num = 1, .info = &info_config },
        { .name = "irq_state", .offset = offsetof(GpexRootState, irq_state),
          .size = NUM_PINS * 4, .num = 1, .info = &info_irq_state },
        VMSTATE_END_OF_LIST(),
    },
};

static const VMStateDescription vmstate_gpex_root = {
    .name = "gpex_root",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        { .name = "parent_obj", .offset = 0, .size = sizeof(GpexRootState), .num = 1,
          .flags = VMS_STRUCT, .vmsd = &vmstate_pci_device },
        VMSTATE_END_OF_LIST(),
    },
};

static bool gpex_root_realize(DeviceState *dev, Error **errp)
{
    ((GpexRootState *)dev)->version_id = PCI_DEVICE_VERSION;
    dev->vmstate_id = g_strdup("0000:00:00.0");
    gpex_root_reset(dev);
    return true;
}

const DeviceClass gpex_root_class = {
    .name = "gpex-root",
    .desc = "host bridge of the generic PCIe host",
    .parent = "pci-device",
    .instance_size = sizeof(GpexRootState),
    .realize = gpex_root_realize,
    .reset = gpex_root_reset,
    .vmsd = &vmstate_gpex_root,
};

/* ---- the host ---- */

typedef struct GpexHostState {
    SysBusDevice parent;
    GpexLayout layout;
    GpexRootState *root;
    uint32_t config_reg;
    int32_t nirq;
    int32_t irq_count[NUM_PINS];
} GpexHostState;

static uint64_t all_ones(unsigned size)
{
    return size == 8 ? UINT64_MAX : (1ull << (8 * size)) - 1;
}

/* Register 0 … 255 of the host bridge; anything else is another function, or extended space. */
static bool ecam_is_root(hwaddr addr, unsigned size)
{
    return addr + size <= CONFIG_SIZE;
}

static uint64_t ecam_read(void *opaque, hwaddr addr, unsigned size)
{
    GpexHostState *s = opaque;
    uint64_t value = 0;
    if (!ecam_is_root(addr, size)) {
        return all_ones(size);
    }
    for (unsigned i = 0; i < size; i++) {
        value |= (uint64_t)s->root->config[addr + i] << (8 * i);
    }
    trace_pci_cfg_read(addr, value, size);
    return value;
}

static void ecam_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    GpexHostState *s = opaque;
    trace_pci_cfg_write(addr, value, size);
    if (!ecam_is_root(addr, size)) {
        return;
    }
    for (unsigned i = 0; i < size; i++) {
        uint8_t mask = config_wmask(addr + i), *reg = &s->root->config[addr + i];
        *reg = (*reg & ~mask) | (value >> (8 * i) & mask);
    }
}

static const MemoryRegionOps ecam_ops = {
    .read = ecam_read, .write = ecam_write, .min_access = 1, .max_access = 4,
};

static uint64_t window_read(void *opaque, hwaddr addr, unsigned size)
{
    trace_pci_window_access("read", addr);
    return all_ones(size);
}

static void window_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    trace_pci_window_access("write", addr);
}

static const MemoryRegionOps window_ops = { .read = window_read, .write = window_write };

static const VMStateDescription vmstate_pcihost = {
    .name = "PCIHost",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32(config_reg, GpexHostState),
        VMSTATE_END_OF_LIST(),
    },
};

static const VMStateDescription vmstate_pcibus = {
    .name = "PCIBUS",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_INT32_EQUAL(nirq, GpexHostState),
        VMSTATE_ARRAY_FULL(irq_count, GpexHostState, NUM_PINS, 0, vmstate_info_int32, int32_t),
        VMSTATE_END_OF_LIST(),
    },
};

static void gpex_host_unrealize(DeviceState *dev)
{
    GpexHostState *s = (GpexHostState *)dev;
    vmstate_unregister(dev->machine, &vmstate_pcihost, s);
    vmstate_unregister(dev->machine, &vmstate_pcibus, s);
    sysbus_unmap_all(&s->parent);
}

static bool gpex_host_realize(DeviceState *dev, Error **errp)
{
    GpexHostState *s = (GpexHostState *)dev;
    const GpexLayout *l = &s->layout;

    s->nirq = NUM_PINS;
    s->parent.base = 0;     /* the windows have addresses of their own */
    if (sysbus_map(&s->parent, "pcie-mmcfg-mmio", l->ecam, GPEX_ECAM_SIZE, &ecam_ops, errp) &&
        sysbus_map(&s->parent, "gpex_ioport_window", l->pio, GPEX_PIO_SIZE, &window_ops, errp) &&
        sysbus_map(&s->parent, "gpex_mmio_window", l->mmio, l->mmio_size, &window_ops, errp) &&
        sysbus_map(&s->parent, "gpex_mmio_high", l->high_mmio, l->high_mmio_size, &window_ops,
                   errp) &&
        vmstate_register(dev->machine, NULL, VMSTATE_INSTANCE_ID_ANY, &vmstate_pcihost, s, errp) &&
        vmstate_register(dev->machine, NULL, VMSTATE_INSTANCE_ID_ANY, &vmstate_pcibus, s, errp)) {
        return true;
    }
    gpex_host_unrealize(dev);
    return false;
}

static void gpex_host_reset(DeviceState *dev)
{
    GpexHostState *s = (GpexHostState *)dev;
    s->config_reg = 0;
    memset(s->irq_count, 0, sizeof(s->irq_count));
}

const DeviceClass gpex_host_class = {
    .name = "gpex-pcihost",
    .desc = "generic PCIe host",
    .parent = "pcie-host-bridge",
    .instance_size = sizeof(GpexHostState),
    .realize = gpex_host_realize,
    .unrealize = gpex_host_unrealize,
    .reset = gpex_host_reset,
};

DeviceState *gpex_create(Machine *m, const GpexLayout *layout, Error **errp)
{
    DeviceState *root = qdev_new(m, &gpex_root_class, NULL);
    if (!qdev_realize(root, errp)) {
        return NULL;
    }
    GpexHostState *s = (GpexHostState *)qdev_new(m, &gpex_host_class, NULL);
    s->layout = *layout;
    s->root = (GpexRootState *)root;
    s->parent.qdev.mmio_base = layout->ecam;
    return qdev_realize(&s->parent.qdev, errp) ? &s->parent.qdev : NULL;
}
