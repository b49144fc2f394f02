/*
 * sysbus.c - placing on-board devices in the address space.
 *
 * Lobby (hw/core), over qdev.c and system/memory.h.  Machine lock held.  Invariant: regions[] below
 * num_regions are mapped, and no others.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "hw/sysbus.h"

#include "system/machine.h"

DeviceState *sysbus_new(Machine *m, const char *class_name, hwaddr base, IRQLine irq, Error **errp)
{
    const DeviceClass *klass = device_class_find(class_name);
    if (!klass) {
        error_setg(errp, "this program has no device '%s', which machine '%s' needs", class_name,
                   m->klass ? m->klass->name : "none");
        return NULL;
    }
    SysBusDevice *dev = (SysBusDevice *)qdev_new(m, klass, NULL);
    dev->base = base;
    dev->irq = irq;
    dev->qdev.mmio_base = base;
    return &dev->qdev;
}

DeviceState *sysbus_create(Machine *m, const char *class_name, hwaddr base, IRQLine irq,
                           Error **errp)
{
    DeviceState *dev = sysbus_new(m, class_name, base, irq, errp);
    return dev && qdev_realize(dev, errp) ? dev : NULL;
}

MemoryRegion *sysbus_map(SysBusDevice *dev, const char *name, hwaddr offset, uint64_t size,
                         const MemoryRegionOps *ops, Error **errp)
{
    if (dev->num_regions == SYSBUS_MAX_REGIONS) {
        error_setg(errp, "device '%s' maps more than %d regions", dev->qdev.klass->name,
                   SYSBUS_MAX_REGIONS);
        return NULL;
    }
    MemoryRegion *region = &dev->regions[dev->num_regions];
    *region = (MemoryRegion){
        .name = name, .base = dev->base + offset, .size = size, .ops = ops, .opaque = dev,
    };
    if (!memory_map_region(dev->qdev.machine, region, errp)) {
        return NULL;
    }
    dev->num_regions++;
    return region;
}

void sysbus_unmap_all(SysBusDevice *dev)
{
    while (dev->num_regions > 0) {
        memory_unmap_region(dev->qdev.machine, &dev->regions[--dev->num_regions]);
    }
}
