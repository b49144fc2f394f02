/*
 * gpex.h - the generic PCIe host: an ECAM window, and windows in which nothing answers.
 *
 * Lobby (hw/pci).  Machine lock held.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_HW_GPEX_H
#define GODWIT_HW_GPEX_H

#include "hw/qdev.h"
#include "system/memory.h"

#define GPEX_ECAM_SIZE 0x10000000
#define GPEX_PIO_SIZE 0x10000

typedef struct GpexLayout {
    hwaddr ecam, pio, mmio, high_mmio;
    uint64_t mmio_size, high_mmio_size;
} GpexLayout;

/* Creates host, bus 0 and its host bridge, and maps the windows. NULL with *errp set on failure. */
DeviceState *gpex_create(Machine *m, const GpexLayout *layout, Error **errp);

#endif
