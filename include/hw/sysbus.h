/*
 * sysbus.h - devices that the board places at fixed addresses with fixed interrupt wires.
 *
 * Lobby, over hw/qdev.h.  SysBusDevice is the first member of such a device's struct.  The board
 * creates it with sysbus_new(), sets what else it wants, and calls qdev_realize(), in which the
 * device maps its registers with sysbus_map().  Machine lock held throughout.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_HW_SYSBUS_H
#define GODWIT_HW_SYSBUS_H

#include "hw/irq.h"
#include "hw/qdev.h"
#include "system/memory.h"

#define SYSBUS_MAX_REGIONS 4

typedef struct SysBusDevice {
    DeviceState qdev;
    hwaddr base;                /* first address, set by the board before realize */
    IRQLine irq;                /* interrupt output; leads nowhere unless the board sets it */
    MemoryRegion regions[SYSBUS_MAX_REGIONS];
    unsigned num_regions;
} SysBusDevice;

/*
 * Creates an on-board device of the class with that name, not realized. NULL with *errp set if this
 * program has no such class.
 */
DeviceState *sysbus_new(Machine *m, const char *class_name, hwaddr base, IRQLine irq, Error **errp);
/* sysbus_new() and qdev_realize() in one; NULL with *errp set on failure. */
DeviceState *sysbus_create(Machine *m, const char *class_name, hwaddr base, IRQLine irq,
                           Error **errp);
/*
 * Maps size bytes of registers at base + offset; opaque of the ops is the device itself. name must
 * be static. Called by realize. The region lives in dev and is unmapped by sysbus_unmap_all().
 */
MemoryRegion *sysbus_map(SysBusDevice *dev, const char *name, hwaddr offset, uint64_t size,
                         const MemoryRegionOps *ops, Error **errp);
/* For unrealize: unmaps whatever sysbus_map() mapped. */
void sysbus_unmap_all(SysBusDevice *dev);
/* Drives the interrupt output. */
static inline void sysbus_set_irq(SysBusDevice *dev, bool level)
{
    irq_set(&dev->irq, level);
}

#endif
