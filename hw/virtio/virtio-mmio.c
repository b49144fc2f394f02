/*
 * virtio-mmio.c - a slot for one virtio device: registers, legacy (version 1) and modern (version 2).
 *
 * Lobby, over system/memory.h.  Specification: VIRTIO 1.2, section 4.2; legacy: 4.2.4.
 * Locks: machine lock (register accesses come from vCPU threads that took it).
 * Invariant: a slot's form is settled when a device plugs in, and stays: legacy if force-legacy is on
 * (the default, as guests from QEMU 7.2 expect it) unless the device has no legacy form.
 *
 * Registers, all 32 bits wide (L legacy only, M modern only):
 *   000 magic "virt"        004 version 1|2         008 device id, 0: empty    00c vendor "QEMU"
 *   010 device features     014 their selector      020 driver features        024 their selector
 *   028 L guest page size   030 queue selector      034 largest queue size     038 queue size
 *   03c L used alignment    040 L queue page number 044 M queue ready          050 queue notify
 *   060 interrupt status    064 interrupt ack       070 status
 *   080/084 M descriptors   090/094 M available     0a0/0a4 M used ring (low/high)
 *   0ac-0bc M shared memory: none (length and base read as ones)
 *   0c0 M queue reset       0fc M configuration generation            100… configuration, any width
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <inttypes.h>
#include <string.h>

#include "hw/virtio/virtio-internal.h"
#include "system/machine.h"
#include "trace/hw-virtio.h"

enum {
    REG_MAGIC = 0x000, REG_VERSION = 0x004, REG_DEVICE_ID = 0x008, REG_VENDOR_ID = 0x00c,
    REG_DEVICE_FEATURES = 0x010, REG_DEVICE_FEATURES_SEL = 0x014,
    REG_DRIVER_FEATURES = 0x020, REG_DRIVER_FEATURES_SEL = 0x024,
    REG_GUEST_PAGE_SIZE = 0x028, REG_QUEUE_SEL = 0x030, REG_QUEUE_NUM_MAX = 0x034,
    REG_QUEUE_NUM = 0x038, REG_QUEUE_ALIGN = 0x03c, REG_QUEUE_PFN = 0x040, REG_QUEUE_READY = 0x044,
    REG_QUEUE_NOTIFY = 0x050, REG_INTERRUPT_STATUS = 0x060, REG_INTERRUPT_ACK = 0x064,
    REG_STATUS = 0x070,
    REG_QUEUE_DESC_LOW = 0x080, REG_QUEUE_DESC_HIGH = 0x084,
    REG_QUEUE_AVAIL_LOW = 0x090, REG_QUEUE_AVAIL_HIGH = 0x094,
    REG_QUEUE_USED_LOW = 0x0a0, REG_QUEUE_USED_HIGH = 0x0a4,
    REG_SHM_LEN_LOW = 0x0b0, REG_SHM_BASE_HIGH = 0x0bc,
    REG_QUEUE_RESET = 0x0c0, REG_CONFIG_GENERATION = 0x0fc, REG_CONFIG = 0x100,
    MMIO_SIZE = 0x1000,
};

#define MAGIC 0x74726976u           /* "virt" */
#define VENDOR 0x554d4551u          /* "QEMU" */

typedef struct VirtioMmio {
    DeviceState parent;
    VirtioTransport transport;
    bool force_legacy;
    bool legacy;                    /* the form that the slot has */
    unsigned index;
    IRQLine irq;
    MemoryRegion region;
    uint32_t host_features_sel, guest_features_sel;
    uint32_t guest_page_shift;      /* survives the driver's reset: Linux writes it just before */
    uint32_t driver_features[2];    /* modern: collected until FEATURES_OK */
} VirtioMmio;

static VirtioMmio *from_transport(const VirtioTransport *t)
{
    return (VirtioMmio *)t->dev;
}

/* The selected queue or NULL. */
static VirtQueue *selected(VirtIODevice *vdev)
{
    return vdev->queue_sel < vdev->nvqs ? &vdev->vqs[vdev->queue_sel] : NULL;
}

/* ---- reading ---- */

static uint32_t read_queue(const VirtioMmio *s, VirtIODevice *vdev, hwaddr addr)
{
    const VirtQueue *vq = selected(vdev);
    if (!vq) {
        return 0;
    }
    switch (addr) {
    case REG_QUEUE_NUM_MAX:
        return VIRTQUEUE_MAX_SIZE;
    case REG_QUEUE_PFN:
        return s->legacy && vq->ready ? vq->desc >> s->guest_page_shift : 0;
    case REG_QUEUE_READY:
        return !s->legacy && vq->ready;
    default:
        return 0;
    }
}

static uint32_t read_register(const VirtioMmio *s, VirtIODevice *vdev, hwaddr addr)
{
    switch (addr) {
    case REG_DEVICE_FEATURES:
        if (s->host_features_sel > 1 || (s->legacy && s->host_features_sel > 0)) {
            return 0;
        }
        return vdev->host_features >> (32 * s->host_features_sel);
    case REG_QUEUE_NUM_MAX:
    case REG_QUEUE_PFN:
    case REG_QUEUE_READY:
        return read_queue(s, vdev, addr);
    case REG_INTERRUPT_STATUS:
        return vdev->isr;
    case REG_STATUS:
        return vdev->status;
    case REG_CONFIG_GENERATION:
        return s->legacy ? 0 : vdev->config_generation;
    default:
        return !s->legacy && addr >= REG_SHM_LEN_LOW && addr <= REG_SHM_BASE_HIGH ? UINT32_MAX : 0;
    }
}

static uint64_t mmio_read(void *opaque, hwaddr addr, unsigned size)
{
    VirtioMmio *s = opaque;
    VirtIODevice *vdev = s->transport.vdev;
    uint64_t value = 0;
    if (addr >= REG_CONFIG) {
        return vdev ? virtio_config_read(vdev, addr - REG_CONFIG, size) : 0;
    }
    if (size != 4) {
        return 0;
    }
    switch (addr) {
    case REG_MAGIC:
        value = MAGIC;
        break;
    case REG_VERSION:
        value = s->legacy ? 1 : 2;
        break;
    case REG_DEVICE_ID:
        value = vdev ? vdev->ops->device_id : 0;
        break;
    case REG_VENDOR_ID:
        value = VENDOR;
        break;
    default:
        value = vdev ? read_register(s, vdev, addr) : 0;
    }
    trace_virtio_mmio_read(s->region.base, addr, value);
    return value;
}

/* ---- writing ---- */

static void write_queue_legacy(VirtioMmio *s, VirtQueue *vq, hwaddr addr, uint32_t value)
{
    switch (addr) {
    case REG_QUEUE_ALIGN:
        if (value >= 4 && value <= 0x10000 && (value & (value - 1)) == 0) {
            vq->align = value;
            virtqueue_layout_legacy(vq);
        }
        break;
    case REG_QUEUE_PFN:
        if (value == 0) {           /* the legacy way to reset (section 4.2.4) */
            virtio_device_reset(s->transport.vdev);
            break;
        }
        vq->desc = (hwaddr)value << s->guest_page_shift;
        virtqueue_layout_legacy(vq);
        vq->ready = true;
        break;
    }
}

/* Sets one half of a 64-bit address; a ring that is in use does not move. */
static void set_half(const VirtQueue *vq, hwaddr *field, bool high, uint32_t value)
{
    if (vq->ready) {
        return;
    }
    unsigned shift = high ? 32 : 0;
    *field = (*field & ~((hwaddr)UINT32_MAX << shift)) | (hwaddr)value << shift;
}

static void write_queue_modern(VirtioMmio *s, VirtQueue *vq, hwaddr addr, uint32_t value)
{
    switch (addr) {
    case REG_QUEUE_READY:
        vq->ready = value & 1;
        vq->desc_host = vq->avail_host = vq->used_host = NULL;
        break;
    case REG_QUEUE_DESC_LOW:
    case REG_QUEUE_DESC_HIGH:
        set_half(vq, &vq->desc, addr == REG_QUEUE_DESC_HIGH, value);
        break;
    case REG_QUEUE_AVAIL_LOW:
    case REG_QUEUE_AVAIL_HIGH:
        set_half(vq, &vq->avail, addr == REG_QUEUE_AVAIL_HIGH, value);
        break;
    case REG_QUEUE_USED_LOW:
    case REG_QUEUE_USED_HIGH:
        set_half(vq, &vq->used, addr == REG_QUEUE_USED_HIGH, value);
        break;
    case REG_QUEUE_RESET:
        /* Without requests in flight a queue alone can start over; else the device is asked whole. */
        if ((value & 1) && virtio_has(s->transport.vdev, VIRTIO_F_RING_RESET) && vq->inuse == 0) {
            virtqueue_reset(vq);
        }
        break;
    }
}

static void write_queue(VirtioMmio *s, VirtIODevice *vdev, hwaddr addr, uint32_t value)
{
    VirtQueue *vq = selected(vdev);
    if (!vq) {
        return;
    }
    if (addr == REG_QUEUE_NUM) {
        /* A power of two, fixed while the ring is in use (section 4.2.2.2). */
        if (value > 0 && value <= VIRTQUEUE_MAX_SIZE && (value & (value - 1)) == 0 &&
            (s->legacy || !vq->ready) && vq->inuse == 0) {
            vq->num = vq->num_written = value;
            if (s->legacy) {
                virtqueue_layout_legacy(vq);
            }
        }
    } else if (s->legacy) {
        write_queue_legacy(s, vq, addr, value);
    } else {
        write_queue_modern(s, vq, addr, value);
    }
}

static void write_status(VirtioMmio *s, VirtIODevice *vdev, uint32_t value)
{
    uint8_t status = value;
    if (status == 0) {
        virtio_device_reset(vdev);
        return;
    }
    if (!s->legacy && (status & VIRTIO_STATUS_FEATURES_OK) &&
        !(vdev->status & VIRTIO_STATUS_FEATURES_OK)) {
        uint64_t features = s->driver_features[0] | (uint64_t)s->driver_features[1] << 32;
        if (!virtio_set_features(vdev, features)) {
            status &= ~VIRTIO_STATUS_FEATURES_OK;   /* the driver reads back and gives up */
        }
    }
    virtio_set_status(vdev, status);
}

static void write_driver_features(VirtioMmio *s, VirtIODevice *vdev, uint32_t value)
{
    if (vdev->status & VIRTIO_STATUS_FEATURES_OK) {
        return;
    }
    if (!s->legacy) {
        if (s->guest_features_sel < 2) {
            s->driver_features[s->guest_features_sel] = value;
        }
    } else if (s->guest_features_sel == 0 && !(vdev->status & VIRTIO_STATUS_DRIVER_OK)) {
        virtio_set_features(vdev, value);
    }
}

static void write_register(VirtioMmio *s, VirtIODevice *vdev, hwaddr addr, uint32_t value)
{
    switch (addr) {
    case REG_DEVICE_FEATURES_SEL:
        s->host_features_sel = value;
        break;
    case REG_DRIVER_FEATURES_SEL:
        s->guest_features_sel = value;
        break;
    case REG_DRIVER_FEATURES:
        write_driver_features(s, vdev, value);
        break;
    case REG_GUEST_PAGE_SIZE:
        if (s->legacy && value > 0 && (value & (value - 1)) == 0) {
            s->guest_page_shift = __builtin_ctz(value);
        }
        break;
    case REG_QUEUE_SEL:
        if (value < VIRTIO_QUEUE_MAX) {
            vdev->queue_sel = value;
        }
        break;
    case REG_QUEUE_NOTIFY:
        virtio_queue_notify(vdev, value);
        break;
    case REG_INTERRUPT_ACK:
        vdev->isr &= ~value;
        s->transport.update_irq(&s->transport);
        break;
    case REG_STATUS:
        write_status(s, vdev, value);
        break;
    default:
        write_queue(s, vdev, addr, value);
    }
}

static void mmio_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    VirtioMmio *s = opaque;
    VirtIODevice *vdev = s->transport.vdev;
    if (!vdev) {
        return;
    }
    if (addr >= REG_CONFIG) {
        virtio_config_write(vdev, addr - REG_CONFIG, value, size);
    } else if (size == 4) {
        trace_virtio_mmio_write(s->region.base, addr, value);
        write_register(s, vdev, addr, value);
    }
}

static const MemoryRegionOps mmio_ops = {
    .read = mmio_read,
    .write = mmio_write,
    .min_access = 1,
    .max_access = 4,
};

/* ---- what the device sees of its slot ---- */

static void update_irq(VirtioTransport *t)
{
    irq_set(&from_transport(t)->irq, t->vdev && t->vdev->isr != 0);
}

static void plugged(VirtioTransport *t)
{
    VirtioMmio *s = from_transport(t);
    s->legacy = s->force_legacy && !t->vdev->ops->needs_version_1;
}

static bool is_legacy(const VirtioTransport *t)
{
    return from_transport(t)->legacy;
}

static void driver_reset(VirtioTransport *t)
{
    VirtioMmio *s = from_transport(t);
    s->driver_features[0] = s->driver_features[1] = 0;
}

/* ---- what migrates: with the device's section, see virtio-migrate.c ---- */

static void save_config(VirtioTransport *t, QEMUFile *f)
{
    const VirtioMmio *s = from_transport(t);
    qemu_put_be32(f, s->host_features_sel);
    qemu_put_be32(f, s->guest_features_sel);
    qemu_put_be32(f, s->guest_page_shift);
}

static void load_config(VirtioTransport *t, QEMUFile *f)
{
    VirtioMmio *s = from_transport(t);
    s->host_features_sel = qemu_get_be32(f);
    s->guest_features_sel = qemu_get_be32(f);
    s->guest_page_shift = qemu_get_be32(f) & 31;
}

static void put_halves(QEMUFile *f, hwaddr addr)
{
    qemu_put_be32(f, addr);
    qemu_put_be32(f, addr >> 32);
}

static hwaddr get_halves(QEMUFile *f)
{
    hwaddr low = qemu_get_be32(f);
    return low | (hwaddr)qemu_get_be32(f) << 32;
}

/* Body of subsection virtio_mmio/state: be32 x2, then for 1024 queues be16, u8, three split addresses. */
static void save_extra(VirtioTransport *t, QEMUFile *f)
{
    static const VirtQueue absent;
    const VirtioMmio *s = from_transport(t);
    qemu_put_be32(f, s->driver_features[0]);
    qemu_put_be32(f, s->driver_features[1]);
    for (unsigned i = 0; i < VIRTIO_QUEUE_MAX; i++) {
        const VirtQueue *vq = i < t->vdev->nvqs ? &t->vdev->vqs[i] : &absent;
        qemu_put_be16(f, vq->num_written);
        qemu_put_byte(f, vq->ready);
        put_halves(f, vq->desc);
        put_halves(f, vq->avail);
        put_halves(f, vq->used);
    }
}

static bool load_extra(VirtioTransport *t, QEMUFile *f, Error **errp)
{
    VirtioMmio *s = from_transport(t);
    s->driver_features[0] = qemu_get_be32(f);
    s->driver_features[1] = qemu_get_be32(f);
    for (unsigned i = 0; i < VIRTIO_QUEUE_MAX; i++) {
        uint16_t num = qemu_get_be16(f);
        bool ready = qemu_get_byte(f);
        hwaddr desc = get_halves(f), avail = get_halves(f), used = get_halves(f);
        if (i >= t->vdev->nvqs) {
            if (ready) {
                error_setg(errp, "virtio-mmio: queue %u is enabled in the stream, but the device has "
                           "%u queues here", i, t->vdev->nvqs);
                return false;
            }
            continue;
        }
        VirtQueue *vq = &t->vdev->vqs[i];
        if (num > VIRTQUEUE_MAX_SIZE || (num & (num - 1))) {
            error_setg(errp, "virtio-mmio: queue %u has size %u in the stream, not a power of two up "
                       "to %d", i, num, VIRTQUEUE_MAX_SIZE);
            return false;
        }
        vq->num_written = num;
        vq->ready = ready;
        vq->desc = desc;
        vq->avail = avail;
        vq->used = used;
        if (num) {
            vq->num = num;
        }
    }
    return true;
}

/* ---- the slot as a device ---- */

static bool mmio_realize(DeviceState *dev, Error **errp)
{
    VirtioMmio *s = (VirtioMmio *)dev;
    s->legacy = s->force_legacy;
    s->transport = (VirtioTransport){
        .dev = dev,
        .update_irq = update_irq,
        .plugged = plugged,
        .is_legacy = is_legacy,
        .save_config = save_config,
        .load_config = load_config,
        .save_extra = save_extra,
        .load_extra = load_extra,
        .reset = driver_reset,
    };
    s->region = (MemoryRegion){
        .name = "virtio-mmio",
        .base = dev->mmio_base,
        .size = MMIO_SIZE,
        .ops = &mmio_ops,
        .opaque = s,
    };
    return memory_map_region(dev->machine, &s->region, errp);
}

static void mmio_unrealize(DeviceState *dev)
{
    memory_unmap_region(dev->machine, &((VirtioMmio *)dev)->region);
}

static void mmio_reset(DeviceState *dev)
{
    VirtioMmio *s = (VirtioMmio *)dev;
    s->host_features_sel = s->guest_features_sel = s->guest_page_shift = 0;
    s->driver_features[0] = s->driver_features[1] = 0;
}

/* force-legacy: an empty slot follows, one with a device keeps the layout that its driver has seen. */
static void mmio_global_set(DeviceState *dev)
{
    VirtioMmio *s = (VirtioMmio *)dev;
    if (!s->transport.vdev) {
        s->legacy = s->force_legacy;
    }
}

static const Property mmio_props[] = {
    {"force-legacy", PROP_BOOL, offsetof(VirtioMmio, force_legacy), "on",
     "show the legacy register layout (version 1)"},
    {0},
};

const DeviceClass virtio_mmio_class = {
    .name = "virtio-mmio",
    .desc = "virtio-mmio transport slot",
    .parent = "sys-bus-device",
    .instance_size = sizeof(VirtioMmio),
    .props = mmio_props,
    .realize = mmio_realize,
    .unrealize = mmio_unrealize,
    .reset = mmio_reset,
    .global_set = mmio_global_set,
};

DeviceState *virtio_mmio_create(Machine *m, unsigned index, hwaddr base, IRQLine irq, Error **errp)
{
    DeviceState *dev = qdev_new(m, &virtio_mmio_class, NULL);
    VirtioMmio *s = (VirtioMmio *)dev;
    dev->mmio_base = base;
    s->index = index;
    s->irq = irq;
    return qdev_realize(dev, errp) ? dev : NULL;
}

VirtioTransport *virtio_transport_find(Machine *m, const char *bus, Error **errp)
{
    VirtioMmio *best = NULL;
    unsigned slots = 0;
    for (DeviceState *dev = qdev_first(m); dev; dev = dev->next) {
        if (dev->klass != &virtio_mmio_class) {
            continue;
        }
        VirtioMmio *s = (VirtioMmio *)dev;
        g_autofree char *name = g_strdup_printf("virtio-mmio-bus.%u", s->index);
        slots++;
        if (s->transport.vdev || (bus && strcmp(bus, name) != 0)) {
            continue;
        }
        if (!best || s->index > best->index) {
            best = s;
        }
    }
    if (!best && bus) {
        error_setg(errp, "bus '%s' is taken or does not exist: there are virtio-mmio-bus.0 to .%d", bus,
                   (int)slots - 1);
    } else if (!best) {
        error_setg(errp, "no free virtio-mmio slot: the machine has %u", slots);
    }
    return best ? &best->transport : NULL;
}
