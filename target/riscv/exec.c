/*
 * exec.c - the loop that runs blocks, and the ways out of them.
 *
 * Lobby (target/riscv).  Runs on the hart's thread, machine lock not held.
 * Invariant: guest code runs in slices of at most SLICE instructions, counted at block entry and given
 * back when a block is left early; between slices and at every way out the loop polls exit_request,
 * the budget and the interrupts.  Whoever changes one of these from inside the guest's code ends the
 * block; other threads call cpu_kick(), which is seen after a slice (a few microseconds).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "insn.h"

#define SLICE 2048

const Insn *insn_trap(Hart *h, const Insn *i, uint64_t cause, uint64_t tval)
{
    h->slice += h->block->n - i->index;
    trap_enter(h, cause, insn_pc(h, i), tval);
    return NULL;
}

const Insn *insn_fault(Hart *h, const Insn *i)
{
    return insn_trap(h, i, h->fault_cause, h->fault_addr);
}

const Insn *insn_illegal(Hart *h, const Insn *i)
{
    const uint8_t *raw = h->block->raw + i->offset;
    uint32_t bits = raw[0] | raw[1] << 8;

    if ((bits & 3) == 3) {
        bits |= (uint32_t)raw[2] << 16 | (uint32_t)raw[3] << 24;
    }
    return insn_trap(h, i, CAUSE_ILLEGAL, bits);
}

const Insn *insn_leave(Hart *h, const Insn *i, const Insn *next)
{
    h->slice += h->block->n - next->index;
    h->pc = insn_pc(h, next);
    return NULL;
}

const Insn *insn_jump_slow(Hart *h, const Insn *i)
{
    uint64_t pc = (uint64_t)i->imm;
    const JumpEntry *e = &h->jumps->entry[pc >> 1 & (JUMP_CACHE_SIZE - 1)];

    if (unlikely(pc & h->align_mask)) {
        return insn_trap(h, i, CAUSE_MISALIGNED_FETCH, pc);
    }
    h->slice += i[1].imm;
    if (e->pc == pc && e->block->epoch == h->epoch && h->slice >= e->block->n) {
        /* A block that crosses to the next page depends on that page's translation: never linked. */
        if (((pc ^ h->block->pc) & TARGET_PAGE_MASK) == 0 && !e->block->phys2) {
            ((Insn *)i)[1].next = e->block;
        }
        h->slice -= e->block->n;
        h->block = e->block;
        GO(h->block->insn);
    }
    h->pc = pc;
    return NULL;
}

/* Runs b and what it leads to until something returns to the loop. */
static void exec_block(Hart *h, Block *b)
{
    const Insn *i = b->insn;

    h->slice -= b->n;
    h->block = b;
#ifdef INSN_LOOP
    while (i) {
        i = i->fn(h, i);
    }
#else
    i->fn(h, i);
#endif
}

static CPUExit exec_loop(Hart *h, uint64_t limit)
{
    for (;;) {
        uint64_t retired = hart_retired(h);

        h->slice = 0;
        h->slice_end = retired;
        if (h->halt) {
            h->halt = false;    /* whoever calls again has seen work; cpu.halted is the caller's */
            return CPU_EXIT_HALTED;
        }
        if (atomic_load_explicit(&h->cpu.exit_request, memory_order_relaxed)) {
            return CPU_EXIT_REQUEST;
        }
        if (retired >= limit) {
            return CPU_EXIT_BUDGET;
        }
        int irq = irq_pending(h);
        if (unlikely(irq >= 0)) {
            trap_enter(h, CAUSE_INTERRUPT | (unsigned)irq, h->pc, 0);
        }
        uint64_t left = limit - retired;
        Block *b = block_find(h, left);
        if (b) {
            h->slice = (int64_t)MIN(left, SLICE);
            h->slice_end = retired + (uint64_t)h->slice;
            exec_block(h, b);
        }
    }
}

CPUExit exec_run(CPUState *cpu, uint64_t *budget)
{
    Hart *h = hart_of(cpu);
    uint64_t start = hart_retired(h);
    uint64_t limit = *budget > UINT64_MAX - start ? UINT64_MAX : start + *budget;

    CPUExit why = exec_loop(h, limit);
    *budget -= hart_retired(h) - start;
    return why;
}

uint64_t exec_instret(CPUState *cpu)
{
    Hart *h = hart_of(cpu);

    return hart_retired(h) - h->behind;
}
