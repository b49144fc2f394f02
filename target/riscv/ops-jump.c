/*
 * ops-jump.c - jumps and branches: how control goes from block to block.
 *
 * Lobby (target/riscv).  Runs on the hart's thread; see insn.h for how handlers chain.
 * Invariant: a jump to a fixed target on the same page goes through its link; a link leads to a block
 * that was found with the very translation under which this block runs, and that cannot change
 * without the hart coming back to block_find(): both stand on one page.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "ops.h"

/* Not an instruction: a block that ends for want of room goes on at imm. */
OP(goto)
{
    JUMP(i);
}

OP(jal)
{
    h->x[i->rd] = insn_pc(h, i) + i->rs2;       /* rs2: length */
    JUMP(i);
}

/* Without C: a target that is not a multiple of 4. The jump traps and writes nothing. */
OP(jal_misaligned)
{
    return insn_trap(h, i, CAUSE_MISALIGNED_FETCH, (uint64_t)i->imm);
}

OP(jalr)
{
    uint64_t target = (h->x[i->rs1] + (uint64_t)i->imm) & ~1ull;

    if (unlikely(target & h->align_mask)) {
        return insn_trap(h, i, CAUSE_MISALIGNED_FETCH, target);
    }
    h->x[i->rd] = insn_pc(h, i) + i->rs2;
    JUMP_TO(target);
}

#define BRANCH(name, type, op) \
    OP(name) \
    { \
        if ((type)h->x[i->rs1] op (type)h->x[i->rs2]) { \
            JUMP(i); \
        } \
        GO(i + 2); \
    }

BRANCH(beq, uint64_t, ==)
BRANCH(bne, uint64_t, !=)
BRANCH(blt, int64_t, <)
BRANCH(bge, int64_t, >=)
BRANCH(bltu, uint64_t, <)
BRANCH(bgeu, uint64_t, >=)
