/*
 * trap.c - entering and leaving trap handlers; which contexts a mode uses.
 *
 * Lobby (target/riscv).  Runs on the hart's thread.
 * Invariant: tlb and jumps follow priv and mstatus: whoever changes these calls trap_update_context().
 * Privileged spec 3.1.6 to 3.1.8, 3.3.2.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "mmu.h"

void trap_update_context(Hart *h)
{
    unsigned priv = h->priv;

    if (h->mstatus & MSTATUS_MPRV) {
        priv = priv == PRIV_M ? (h->mstatus & MSTATUS_MPP) / (MSTATUS_MPP & -MSTATUS_MPP) : priv;
    }
    unsigned context = priv == PRIV_M ? TLB_M
                       : priv == PRIV_U ? TLB_U
                       : h->mstatus & MSTATUS_SUM ? TLB_S_SUM
                                                  : TLB_S;
    h->tlb = &h->tlbs[context];
    h->jumps = &h->jump_caches[h->priv];
}

/* tvec: base and mode; interrupts of a vectored one go to base + 4 * cause. */
static uint64_t trap_target(uint64_t tvec, uint64_t cause)
{
    uint64_t base = tvec & ~3ull;

    return (tvec & 1) && (cause & CAUSE_INTERRUPT) ? base + 4 * (cause & 63) : base;
}

/* Copies the bits `from` of mstatus to the place of `to`. */
static uint64_t trap_move(uint64_t mstatus, uint64_t from, uint64_t to)
{
    return mstatus & from ? mstatus | to : mstatus & ~to;
}

void trap_enter(Hart *h, uint64_t cause, uint64_t pc, uint64_t tval)
{
    uint64_t deleg = cause & CAUSE_INTERRUPT ? h->mideleg : h->medeleg;
    bool to_s = h->priv <= PRIV_S && (deleg >> (cause & 63) & 1);
    uint64_t s = h->mstatus;

    if (to_s) {
        h->scause = cause;
        h->sepc = pc;
        h->stval = tval;
        s = trap_move(s, MSTATUS_SIE, MSTATUS_SPIE) & ~(MSTATUS_SIE | MSTATUS_SPP);
        s |= h->priv == PRIV_S ? MSTATUS_SPP : 0;
        h->priv = PRIV_S;
        h->pc = trap_target(h->stvec, cause);
    } else {
        h->mcause = cause;
        h->mepc = pc;
        h->mtval = tval;
        s = trap_move(s, MSTATUS_MIE, MSTATUS_MPIE) & ~(MSTATUS_MIE | MSTATUS_MPP);
        s |= (uint64_t)h->priv << 11;
        h->priv = PRIV_M;
        h->pc = trap_target(h->mtvec, cause);
    }
    h->mstatus = s;
    trap_update_context(h);
}

bool trap_mret(Hart *h)
{
    if (h->priv != PRIV_M) {
        return false;
    }
    uint64_t s = h->mstatus;
    h->priv = s >> 11 & 3;
    if (h->priv != PRIV_M) {
        s &= ~MSTATUS_MPRV;
    }
    s = trap_move(s, MSTATUS_MPIE, MSTATUS_MIE) | MSTATUS_MPIE;
    h->mstatus = s & ~MSTATUS_MPP;
    h->pc = h->mepc;
    trap_update_context(h);
    return true;
}

bool trap_sret(Hart *h)
{
    if (h->priv == PRIV_U || (h->priv == PRIV_S && (h->mstatus & MSTATUS_TSR))) {
        return false;
    }
    uint64_t s = h->mstatus & ~MSTATUS_MPRV;
    h->priv = s & MSTATUS_SPP ? PRIV_S : PRIV_U;
    s = trap_move(s, MSTATUS_SPIE, MSTATUS_SIE) | MSTATUS_SPIE;
    h->mstatus = s & ~MSTATUS_SPP;
    h->pc = h->sepc;
    trap_update_context(h);
    return true;
}
