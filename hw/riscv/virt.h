/*
 * virt.h - the virt board: its map, its state, and what its files do for each other.
 *
 * Lobby (hw/riscv), private to the room.  docs/devel/board.md has the map as a table.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_HW_RISCV_VIRT_H
#define GODWIT_HW_RISCV_VIRT_H

#include <stdint.h>

#include "hw/qdev.h"
#include "system/machine.h"
#include "system/memory.h"

#define KiB 1024ull
#define MiB (1024 * KiB)
#define GiB (1024 * MiB)

/* Where things are: guest physical addresses and sizes in bytes. */
#define VIRT_MROM           0x1000
#define VIRT_MROM_SIZE      0xf000
#define VIRT_TEST           0x100000
#define VIRT_TEST_SIZE      0x1000
#define VIRT_RTC            0x101000
#define VIRT_RTC_SIZE       0x1000
#define VIRT_CLINT          0x2000000
#define VIRT_CLINT_SIZE     0x10000
#define VIRT_PCIE_PIO       0x3000000
#define VIRT_PLATFORM_BUS   0x4000000
#define VIRT_PLATFORM_BUS_SIZE 0x2000000
#define VIRT_PLIC           0xc000000
#define VIRT_UART           0x10000000
#define VIRT_UART_SIZE      0x100
#define VIRT_VIRTIO         0x10001000
#define VIRT_VIRTIO_STEP    0x1000
#define VIRT_FW_CFG         0x10100000
#define VIRT_FW_CFG_SIZE    0x18
#define VIRT_FLASH          0x20000000
#define VIRT_FLASH_SIZE     (32 * MiB)
#define VIRT_PCIE_ECAM      0x30000000
#define VIRT_PCIE_MMIO      0x40000000
#define VIRT_PCIE_MMIO_SIZE (1 * GiB)
#define VIRT_HIGH_MMIO_SIZE (16 * GiB)
#define VIRT_DRAM           0x80000000ull

/* PLIC source numbers. */
#define VIRT_IRQ_VIRTIO     1       /* 1 … 8 */
#define VIRT_IRQ_UART       10
#define VIRT_IRQ_RTC        11
#define VIRT_IRQ_PCIE       32      /* 32 … 35 */

#define VIRT_VIRTIO_COUNT   8
#define VIRT_MAX_CPUS       512
#define VIRT_FDT_MAX_SIZE   (1 * MiB)
#define VIRT_RNG_SEED_SIZE  32

typedef struct VirtBoard {
    DeviceState *plic, *fw_cfg, *flash[2];
    MemoryRegion ram, mrom;
    uint64_t high_mmio;             /* PCIe window above RAM */
    /* What boot.c found out, for the device tree and the reset vector. */
    uint64_t start;                 /* first instruction after the reset vector */
    uint64_t next;                  /* where firmware goes on; 0: it has nothing to start */
    uint64_t initrd_start, initrd_end;  /* equal: there is none */
    uint64_t fdt_addr;
    uint32_t fdt_size;
    int fdt_seed_offset;            /* of rng-seed's bytes in the blob; -1: there are none */
    uint8_t *fdt;                   /* the blob as it was loaded, to renew its seed */
} VirtBoard;

extern const MachineClass virt_machine_class;

/* ---- virt-fdt.c ---- */

/*
 * The device tree of the machine as it is now, packed; the caller frees it with g_free(). -dtb FILE is
 * loaded in its place and completed. Sets board->fdt_size and fdt_seed_offset.
 */
void *virt_fdt_create(Machine *m, Error **errp);
/* Thirty-two fresh random bytes, or with -icount always the same ones. */
void virt_fdt_seed(Machine *m, uint8_t seed[VIRT_RNG_SEED_SIZE]);
/* -M dumpdtb=FILE. */
bool virt_fdt_dump(const VirtBoard *board, const void *fdt, const char *path, Error **errp);

/* ---- boot.c ---- */

/* Loads firmware, kernel and initrd, writes device tree and boot ROM. Called once, by done(). */
bool virt_boot(Machine *m, Error **errp);

#endif
