/*
 * ops-sys.c - fences, traps, returns, wfi and Zicsr.
 *
 * Lobby (target/riscv).  Runs on the hart's thread; see insn.h for how handlers chain.
 * Invariant: each of these but FENCE is the last instruction of its block, so that h->slice is exact
 * while it runs; what may change privilege, translation or interrupts leaves to the loop.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "mmu.h"
#include "ops.h"

OP(illegal)
{
    return insn_illegal(h, i);
}

/*
 * The host must not let a later read pass an earlier write only if the fence orders write before read;
 * everything else an x86 host keeps anyway, and a lighter barrier gives on others. Device accesses
 * count as memory's.
 */
OP(fence)
{
    bool tso = (i->imm >> 8 & 15) == 8;

    if ((i->imm & 0x50) && (i->imm & 0x0a) && !tso) {
        __sync_synchronize();
    } else {
        atomic_signal_fence(memory_order_seq_cst);
#if !defined(__x86_64__)
        __sync_synchronize();
#endif
    }
    NEXT;
}

OP(fence_i)
{
    h->epoch++;
    return insn_leave(h, i, i + 1);
}

OP(ecall)
{
    return insn_trap(h, i, CAUSE_ECALL_U + h->priv, 0);
}

/* mtval may be 0 or the pc (3.1.16); guests of this machine have always seen 0. */
OP(ebreak)
{
    return insn_trap(h, i, CAUSE_BREAKPOINT, 0);
}

/* trap_*ret() sets the new pc. */
OP(mret)
{
    if (!trap_mret(h)) {
        return insn_illegal(h, i);
    }
    return NULL;
}

OP(sret)
{
    if (!trap_sret(h)) {
        return insn_illegal(h, i);
    }
    return NULL;
}

/* 3.3.3: U may not wait; S may unless TW. */
OP(wfi)
{
    if (h->priv == PRIV_U || (h->priv == PRIV_S && (h->mstatus & MSTATUS_TW))) {
        return insn_illegal(h, i);
    }
    h->halt = !irq_has_work(&h->cpu);
    return insn_leave(h, i, i + 1);
}

OP(sfence_vma)
{
    if (h->priv == PRIV_U || (h->priv == PRIV_S && (h->mstatus & MSTATUS_TVM))) {
        return insn_illegal(h, i);
    }
    if (i->rs1) {
        tlb_flush_page(h, h->x[i->rs1]);
    } else {
        tlb_flush_translated(h);
    }
    return insn_leave(h, i, i + 1);
}

/* What csr_access() needs an address for stays in this frame, not in a handler's. */
static __attribute__((noinline)) CsrResult sys_csr(Hart *h, const Insn *i, uint64_t set, uint64_t clear,
                                                   bool write)
{
    uint64_t old;

    h->behind = 1;
    CsrResult result = csr_access(h, (unsigned)i->imm, &old, set, clear, write);
    h->behind = 0;
    if (result != CSR_ILLEGAL) {
        h->x[i->rd] = old;
    }
    return result;
}

#define CSR_END(call) \
    do { \
        CsrResult result = (call); \
        if (likely(result == CSR_OK)) { \
            NEXT; \
        } \
        return result == CSR_LOOK ? insn_leave(h, i, i + 1) : insn_illegal(h, i); \
    } while (0)

#define CSR_OPS(name, value) \
    OP(csrrw##name) \
    { \
        CSR_END(sys_csr(h, i, value, UINT64_MAX, true)); \
    } \
    OP(csrrs##name) \
    { \
        CSR_END(sys_csr(h, i, value, 0, i->rs1 != 0)); \
    } \
    OP(csrrc##name) \
    { \
        CSR_END(sys_csr(h, i, 0, value, i->rs1 != 0)); \
    }

/* new = (old & ~clear) | set */
CSR_OPS(, h->x[i->rs1])
CSR_OPS(i, (uint64_t)i->rs1)
