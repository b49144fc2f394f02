/*
 * tlb.c - emptying the translation caches.
 *
 * Lobby (target/riscv).  Runs on the hart's thread, or with the hart stopped.
 * Invariant: a jump cache knows no more than the instruction TLB: they are emptied together.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "mmu.h"

/* No pc is odd. */
#define NO_PC 1

static void tlb_flush_jumps(Hart *h)
{
    for (unsigned c = 0; c < G_N_ELEMENTS(h->jump_caches); c++) {
        for (unsigned n = 0; n < JUMP_CACHE_SIZE; n++) {
            h->jump_caches[c].entry[n].pc = NO_PC;
        }
    }
}

static void tlb_flush_half(TlbEntry half[TLB_SIZE])
{
    for (unsigned n = 0; n < TLB_SIZE; n++) {
        half[n].tag = TLB_INVALID;
    }
}

static void tlb_flush_context(Hart *h, unsigned context)
{
    tlb_flush_half(h->tlbs[context].read);
    tlb_flush_half(h->tlbs[context].write);
}

static void tlb_flush_fetch(Hart *h)
{
    for (unsigned p = 0; p < G_N_ELEMENTS(h->fetch); p++) {
        for (unsigned n = 0; n < FETCH_TLB_SIZE; n++) {
            h->fetch[p][n].tag = TLB_INVALID;
        }
    }
}

void tlb_flush_translated(Hart *h)
{
    tlb_flush_context(h, TLB_U);
    tlb_flush_context(h, TLB_S);
    tlb_flush_context(h, TLB_S_SUM);
    tlb_flush_fetch(h);
    tlb_flush_jumps(h);
}

void tlb_flush(Hart *h)
{
    tlb_flush_translated(h);
    tlb_flush_context(h, TLB_M);
}

void tlb_flush_page(Hart *h, uint64_t va)
{
    unsigned n = va >> TARGET_PAGE_BITS & (TLB_SIZE - 1);

    for (unsigned c = 0; c < TLB_M; c++) {
        h->tlbs[c].read[n].tag = TLB_INVALID;
        h->tlbs[c].write[n].tag = TLB_INVALID;
    }
    n = va >> TARGET_PAGE_BITS & (FETCH_TLB_SIZE - 1);
    if (h->fetch[PRIV_U][n].tag == (va & TARGET_PAGE_MASK) ||
        h->fetch[PRIV_S][n].tag == (va & TARGET_PAGE_MASK)) {
        h->fetch[PRIV_U][n].tag = TLB_INVALID;
        h->fetch[PRIV_S][n].tag = TLB_INVALID;
        tlb_flush_jumps(h);
    }
}

void tlb_close_stores(Hart *h)
{
    for (unsigned c = 0; c < TLB_CONTEXTS; c++) {
        tlb_flush_half(h->tlbs[c].write);
    }
}
