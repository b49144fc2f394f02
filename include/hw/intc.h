/*
 * intc.h - the interrupt controllers of the board: ACLINT and PLIC.
 *
 * Lobby (hw/intc).  Machine lock held.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_HW_INTC_H
#define GODWIT_HW_INTC_H

#include "hw/irq.h"
#include "hw/qdev.h"

/* Type names of the classes, for sysbus_new(). Both ACLINT parts have the property "num-harts". */
#define TYPE_ACLINT_SWI "riscv.aclint.swi"
#define TYPE_ACLINT_MTIMER "riscv.aclint.mtimer"
#define TYPE_SIFIVE_PLIC "riscv.sifive.plic"

#define ACLINT_MAX_HARTS 512
#define ACLINT_SWI_SIZE 0x4000
#define ACLINT_MTIMER_SIZE 0x8000

#define SIFIVE_PLIC_SOURCES 96      /* numbers 1 … 95 are usable; 0 means none */
#define SIFIVE_PLIC_MAX_CONTEXTS (2 * ACLINT_MAX_HARTS)
#define SIFIVE_PLIC_SIZE 0x600000

/* The wire into source number 1 … SIFIVE_PLIC_SOURCES - 1; a wire to nowhere for any other. */
IRQLine sifive_plic_source(DeviceState *plic, unsigned source);

#endif
