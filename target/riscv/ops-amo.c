/*
 * ops-amo.c - the A extension: real atomics of the host on guest memory.
 *
 * Lobby (target/riscv).  Runs on the hart's thread; see insn.h for how handlers chain.
 * Invariant: every access here is sequentially consistent, which covers each aq and rl.  SC stores by
 * compare-and-swap with the value that LR loaded; a misaligned address traps.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "mmu.h"
#include "ops.h"

#define NO_RESERVATION UINT64_MAX

/* The location in host memory, or NULL with the trap set. */
static inline void *amo_place(Hart *h, uint64_t va, unsigned size)
{
    const TlbEntry *e = &h->tlb->write[va >> TARGET_PAGE_BITS & (TLB_SIZE - 1)];

    if (likely(e->tag == (va & (TARGET_PAGE_MASK | (size - 1))))) {
        return (void *)(e->addend + va);
    }
    return mmu_atomic(h, va, size, ACCESS_WRITE);
}

#define LR(name, type) \
    OP(name) \
    { \
        uint64_t va = h->x[i->rs1]; \
        type *p = (type *)mmu_atomic(h, va, sizeof(type), ACCESS_READ); \
        if (!p) { \
            return insn_fault(h, i); \
        } \
        h->load_res = va; \
        h->load_val = (uint64_t)(int64_t)__atomic_load_n(p, __ATOMIC_SEQ_CST); \
        h->x[i->rd] = h->load_val; \
        NEXT; \
    }

LR(lr_w, int32_t)
LR(lr_d, int64_t)

/*
 * Two functions, because the address of `expected` is taken. 0: stored, 1: not, 2: trap.
 */
#define SC(name, type) \
    static __attribute__((noinline)) unsigned amo_##name(Hart *h, uint64_t va, type value) \
    { \
        type expected = (type)h->load_val; \
        bool reserved = h->load_res == va; \
        type *p = (type *)amo_place(h, va, sizeof(type)); \
        if (!p) { \
            return 2; \
        } \
        h->load_res = NO_RESERVATION; \
        return !(reserved && __atomic_compare_exchange_n(p, &expected, value, false, \
                                                         __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)); \
    } \
    OP(name) \
    { \
        unsigned failed = amo_##name(h, h->x[i->rs1], (type)h->x[i->rs2]); \
        if (unlikely(failed == 2)) { \
            return insn_fault(h, i); \
        } \
        h->x[i->rd] = failed; \
        NEXT; \
    }

SC(sc_w, uint32_t)
SC(sc_d, uint64_t)

/* expr: the host's atomic on p with v; signed, so that a word extends. */
#define AMO(name, type, expr) \
    OP(name) \
    { \
        type *p = (type *)amo_place(h, h->x[i->rs1], sizeof(type)); \
        type v = (type)h->x[i->rs2]; \
        if (!p) { \
            return insn_fault(h, i); \
        } \
        h->x[i->rd] = (uint64_t)(int64_t)(expr); \
        NEXT; \
    }
#define AMO_BOTH(name, expr) AMO(name##_w, int32_t, expr) AMO(name##_d, int64_t, expr)

AMO_BOTH(amoswap, __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST))
AMO_BOTH(amoadd, __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST))
AMO_BOTH(amoxor, __atomic_fetch_xor(p, v, __ATOMIC_SEQ_CST))
AMO_BOTH(amoand, __atomic_fetch_and(p, v, __ATOMIC_SEQ_CST))
AMO_BOTH(amoor, __atomic_fetch_or(p, v, __ATOMIC_SEQ_CST))

/* Minimum and maximum have no host instruction: a loop of compare-and-swap. */
#define AMO_LOOP(name, type, utype, op) \
    static __attribute__((noinline)) type amo_##name(utype *p, utype v) \
    { \
        utype old = __atomic_load_n(p, __ATOMIC_SEQ_CST); \
        while (!__atomic_compare_exchange_n(p, &old, old op v ? old : v, false, __ATOMIC_SEQ_CST, \
                                            __ATOMIC_SEQ_CST)) { \
        } \
        return (type)old; \
    } \
    AMO(name, type, amo_##name((utype *)p, (utype)v))

AMO_LOOP(amomin_w, int32_t, int32_t, <)
AMO_LOOP(amomax_w, int32_t, int32_t, >)
AMO_LOOP(amominu_w, int32_t, uint32_t, <)
AMO_LOOP(amomaxu_w, int32_t, uint32_t, >)
AMO_LOOP(amomin_d, int64_t, int64_t, <)
AMO_LOOP(amomax_d, int64_t, int64_t, >)
AMO_LOOP(amominu_d, int64_t, uint64_t, <)
AMO_LOOP(amomaxu_d, int64_t, uint64_t, >)
