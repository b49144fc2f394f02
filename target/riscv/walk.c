/*
 * walk.c - the page-table walk of Sv39, Sv48 and Sv57.
 *
 * Lobby (target/riscv).  Runs on the hart's thread.
 * Invariant: A and D are set by compare-and-swap on the very entry that was checked, so that a walk and
 * another hart's change of the tables never mix; the entry's page is marked dirty afterwards.
 * Privileged spec 4.3.2, 4.4, 4.5.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "mmu.h"

#define PTE_V 0x01u
#define PTE_R 0x02u
#define PTE_W 0x04u
#define PTE_X 0x08u
#define PTE_U 0x10u
#define PTE_A 0x40u
#define PTE_D 0x80u
#define PTE_PPN_SHIFT 10
#define PTE_PPN_MASK ((1ull << 44) - 1)
#define PTE_RESERVED 0xffc0000000000000ull      /* N, PBMT and the bits nobody has defined */

bool walk_page_fault(Hart *h, uint64_t va, Access acc)
{
    static const uint8_t cause[] = {CAUSE_LOAD_PAGE, CAUSE_STORE_PAGE, CAUSE_FETCH_PAGE};

    h->fault_cause = cause[acc];
    h->fault_addr = va;
    return false;
}

bool walk_access_fault(Hart *h, uint64_t va, Access acc)
{
    static const uint8_t cause[] = {CAUSE_LOAD_ACCESS, CAUSE_STORE_ACCESS, CAUSE_FETCH_ACCESS};

    h->fault_cause = cause[acc];
    h->fault_addr = va;
    return false;
}

/* Levels of satp's mode; 0: no translation. */
static unsigned walk_levels(const Hart *h)
{
    switch (h->satp >> 60) {
    case 8:
        return 3;
    case 9:
        return 4;
    case 10:
        return 5;
    }
    return 0;
}

/* May priv do acc with this leaf? */
static bool walk_permits(const Hart *h, uint64_t pte, Access acc, Priv priv)
{
    bool user = pte & PTE_U;

    if (priv == PRIV_U && !user) {
        return false;
    }
    if (priv == PRIV_S && user && (acc == ACCESS_EXEC || !(h->mstatus & MSTATUS_SUM))) {
        return false;
    }
    switch (acc) {
    case ACCESS_READ:
        return (pte & PTE_R) || ((pte & PTE_X) && (h->mstatus & MSTATUS_MXR));
    case ACCESS_WRITE:
        return pte & PTE_W;
    case ACCESS_EXEC:
        return pte & PTE_X;
    }
    return false;
}

/* The entry at pa in host memory, or NULL if it is not in RAM or ROM. */
static uint64_t *walk_entry(Hart *h, hwaddr pa, RAMBlock **block, ram_addr_t *offset, bool *writable)
{
    MemoryRegion *r = memory_find(h->cpu.machine, pa);

    if (!r || !r->block || (r->ops && !r->romd)) {
        return NULL;
    }
    *block = r->block;
    *offset = r->block_offset + (pa - r->base);
    *writable = !r->readonly;
    return (uint64_t *)(r->block->host + *offset);
}

typedef enum LeafResult { LEAF_OK, LEAF_PAGE_FAULT, LEAF_ACCESS_FAULT, LEAF_AGAIN } LeafResult;

/* Checks the leaf *p, seen as pte, and sets A and D. */
static LeafResult walk_leaf(Hart *h, uint64_t *p, uint64_t *pte, Access acc, Priv priv)
{
    uint64_t want = *pte | PTE_A | (acc == ACCESS_WRITE ? PTE_D : 0);

    if (!walk_permits(h, *pte, acc, priv)) {
        return LEAF_PAGE_FAULT;
    }
    if (want == *pte) {
        return LEAF_OK;
    }
    if (!__atomic_compare_exchange_n(p, pte, want, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
        return LEAF_AGAIN;
    }
    *pte = want;
    return LEAF_OK;
}

/* Walks once. False: trap, or *again. */
static bool walk_once(Hart *h, uint64_t va, Access acc, Priv priv, hwaddr *pa, bool *again)
{
    hwaddr table = (h->satp & PTE_PPN_MASK) << TARGET_PAGE_BITS;

    for (int level = (int)walk_levels(h) - 1; level >= 0; level--) {
        unsigned shift = TARGET_PAGE_BITS + 9 * (unsigned)level;
        hwaddr at = table + (va >> shift & 511) * 8;
        RAMBlock *block = NULL;
        ram_addr_t offset = 0;
        bool writable = false;
        uint64_t *p = pmp_allows(h, at, 8, ACCESS_READ, PRIV_S)
                          ? walk_entry(h, at, &block, &offset, &writable) : NULL;
        if (!p) {
            return walk_access_fault(h, va, acc);
        }
        uint64_t pte = __atomic_load_n(p, __ATOMIC_ACQUIRE);
        hwaddr base = (pte >> PTE_PPN_SHIFT & PTE_PPN_MASK) << TARGET_PAGE_BITS;

        if (!(pte & PTE_V) || (pte & PTE_RESERVED) || (pte & (PTE_R | PTE_W)) == PTE_W) {
            return walk_page_fault(h, va, acc);
        }
        if (!(pte & (PTE_R | PTE_W | PTE_X))) {
            if (pte & (PTE_A | PTE_D | PTE_U)) {
                return walk_page_fault(h, va, acc);     /* reserved in a pointer */
            }
            table = base;
            continue;
        }
        uint64_t in_page = (1ull << shift) - 1, before = pte;
        LeafResult r = base & in_page ? LEAF_PAGE_FAULT
                                      : walk_leaf(h, p, &pte, acc, priv);
        if (r == LEAF_PAGE_FAULT) {
            return walk_page_fault(h, va, acc);
        }
        if (r == LEAF_AGAIN) {
            *again = true;
            return false;
        }
        if (pte != before) {
            ram_block_set_dirty(block, offset, 8);
        }
        *pa = base | (va & in_page);
        return true;
    }
    return walk_page_fault(h, va, acc);
}

bool walk_translate(Hart *h, uint64_t va, Access acc, Priv priv, hwaddr *pa)
{
    unsigned levels = walk_levels(h);

    *pa = va;
    if (priv == PRIV_M || levels == 0) {
        return true;
    }
    unsigned unused = 64 - (TARGET_PAGE_BITS + 9 * levels);
    if ((uint64_t)((int64_t)(va << unused) >> unused) != va) {
        return walk_page_fault(h, va, acc);
    }
    bool again;
    do {
        again = false;
        if (walk_once(h, va, acc, priv, pa, &again)) {
            return true;
        }
    } while (again);
    return false;
}

bool mmu_debug_translate(Hart *h, uint64_t va, hwaddr *pa)
{
    unsigned levels = walk_levels(h);
    hwaddr table = (h->satp & PTE_PPN_MASK) << TARGET_PAGE_BITS;

    *pa = va;
    if (h->priv == PRIV_M || levels == 0) {
        return true;
    }
    for (int level = (int)levels - 1; level >= 0; level--) {
        unsigned shift = TARGET_PAGE_BITS + 9 * (unsigned)level;
        RAMBlock *block;
        ram_addr_t offset;
        bool writable;
        uint64_t *p = walk_entry(h, table + (va >> shift & 511) * 8, &block, &offset, &writable);
        uint64_t pte = p ? __atomic_load_n(p, __ATOMIC_RELAXED) : 0;

        if (!(pte & PTE_V)) {
            return false;
        }
        table = (pte >> PTE_PPN_SHIFT & PTE_PPN_MASK) << TARGET_PAGE_BITS;
        if (pte & (PTE_R | PTE_W | PTE_X)) {
            *pa = table | (va & ((1ull << shift) - 1));
            return true;
        }
    }
    return false;
}
