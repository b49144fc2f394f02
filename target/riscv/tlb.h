/*
 * tlb.h - the software TLB's tables: pages that loads, stores and fetches may go to directly.
 *
 * Lobby (target/riscv), private to the room; part of a Hart, see hart.h.  The hart's own thread only.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TARGET_RISCV_TLB_H
#define TARGET_RISCV_TLB_H

#include <stdint.h>

#include "system/memory.h"

#define TLB_SIZE 512
#define TLB_INVALID UINT64_MAX  /* equals no masked address */

/* A page whose whole range is RAM and open to this context. */
typedef struct TlbEntry {
    uint64_t tag;               /* virtual page or TLB_INVALID */
    uintptr_t addend;           /* host address - guest address */
} TlbEntry;

/* Apart, so that a copy between two places does not evict itself. In write: all dirty bits are set. */
typedef struct Tlb {
    TlbEntry read[TLB_SIZE], write[TLB_SIZE];
} Tlb;

/* Data contexts: what an access may do depends on these alone; MXR and satp flush. */
enum { TLB_U, TLB_S, TLB_S_SUM, TLB_M, TLB_CONTEXTS };

#define FETCH_TLB_SIZE 128

/* Instruction pages, by privilege (U, S, M). */
typedef struct FetchEntry {
    uint64_t tag;               /* virtual page or TLB_INVALID */
    hwaddr page;                /* physical page */
    const uint8_t *host;
} FetchEntry;

#endif
