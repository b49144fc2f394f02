/*
 * mmu.h - translation, protection and the slow paths of memory access.
 *
 * Lobby (target/riscv), private to the room.  All functions run on the hart's own thread, or with it
 * stopped.  A function that fails leaves cause and address of the trap in h->fault_cause, fault_addr.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TARGET_RISCV_MMU_H
#define TARGET_RISCV_MMU_H

#include "hart.h"

/* Where one access goes. */
typedef struct Place {
    hwaddr phys;
    uint8_t *host;          /* of the byte at phys; NULL: a device */
    RAMBlock *block;        /* behind host */
    ram_addr_t offset;
} Place;

/*
 * Data access of size 1, 2, 4, 8 at any alignment, pages and devices included. False: trap. What was
 * loaded is in h->loaded, zero-extended: an out parameter would keep handlers from tail jumps.
 */
bool mmu_load(Hart *h, uint64_t va, unsigned size);
bool mmu_store(Hart *h, uint64_t va, unsigned size, uint64_t value);
/*
 * A naturally aligned location in RAM for an atomic access; marks it dirty if acc is WRITE. What is
 * not RAM is an access fault (no device has atomics).
 */
uint8_t *mmu_atomic(Hart *h, uint64_t va, unsigned size, Access acc);
/*
 * The page of instructions that va is on: in host memory, or NULL with the trap set. *uniform is false
 * if PMP must be asked for each instruction on it.
 */
const uint8_t *mmu_fetch_page(Hart *h, uint64_t va, hwaddr *page, bool *uniform);

/* Translation alone, without side effects, in the hart's present mode. */
bool mmu_debug_translate(Hart *h, uint64_t va, hwaddr *pa);

/* tlb.c */
void tlb_flush(Hart *h);                        /* all contexts and the jump caches */
void tlb_flush_page(Hart *h, uint64_t va);      /* sfence.vma of one address */
void tlb_flush_translated(Hart *h);             /* all but M's data */
void tlb_close_stores(Hart *h);

/* pmp.c */
void pmp_update(Pmp *p);
/* May [pa, pa + len) be accessed by priv? */
bool pmp_allows(const Hart *h, hwaddr pa, unsigned len, Access acc, Priv priv);
/* Is the answer the same for every byte of the page? */
bool pmp_page_uniform(const Hart *h, hwaddr page);
uint8_t pmp_read_cfg(const Pmp *p, unsigned n);
void pmp_write_cfg(Pmp *p, unsigned n, uint8_t cfg);
void pmp_write_addr(Pmp *p, unsigned n, uint64_t addr);

/* walk.c */
/* Sv39/48/57 walk for priv; sets A and D; *pa is that of the byte. False: the trap is set. */
bool walk_translate(Hart *h, uint64_t va, Access acc, Priv priv, hwaddr *pa);
/* The trap of an access that fails: a page fault, or an access fault. False, for convenience. */
bool walk_page_fault(Hart *h, uint64_t va, Access acc);
bool walk_access_fault(Hart *h, uint64_t va, Access acc);

#endif
