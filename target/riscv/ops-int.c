/*
 * ops-int.c - the computing instructions of RV64I and M.
 *
 * Lobby (target/riscv).  Runs on the hart's thread; see insn.h for how handlers chain.
 * Invariant: x[0] is 0: the decoder turns rd 0 into 32.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "ops.h"

/* a, b: the operands as uint64_t; the second is a register or the immediate. */
#define RR(name, expr) \
    OP(name) \
    { \
        uint64_t a = h->x[i->rs1], b = h->x[i->rs2]; \
        h->x[i->rd] = (uint64_t)(expr); \
        NEXT; \
    }
#define RI(name, expr) \
    OP(name) \
    { \
        uint64_t a = h->x[i->rs1], b = (uint64_t)i->imm; \
        h->x[i->rd] = (uint64_t)(expr); \
        NEXT; \
    }
#define BOTH(name, imm_name, expr) RR(name, expr) RI(imm_name, expr)

#define S64(v) ((int64_t)(v))
#define S32(v) ((int64_t)(int32_t)(v))
#define U32(v) ((uint32_t)(v))

OP(nop)
{
    NEXT;
}

/* lui, and auipc whose sum is known when it is decoded. */
OP(li)
{
    h->x[i->rd] = (uint64_t)i->imm;
    NEXT;
}

OP(mv)
{
    h->x[i->rd] = h->x[i->rs1];
    NEXT;
}

BOTH(add, addi, a + b)
BOTH(slt, slti, S64(a) < S64(b))
BOTH(sltu, sltiu, a < b)
BOTH(xor, xori, a ^ b)
BOTH(or, ori, a | b)
BOTH(and, andi, a & b)
BOTH(sll, slli, a << (b & 63))
BOTH(srl, srli, a >> (b & 63))
BOTH(sra, srai, S64(a) >> (b & 63))
BOTH(addw, addiw, S32(a + b))
BOTH(sllw, slliw, S32(U32(a) << (b & 31)))
BOTH(srlw, srliw, S32(U32(a) >> (b & 31)))
BOTH(sraw, sraiw, S32(a) >> (b & 31))
RR(sub, a - b)
RR(subw, S32(a - b))

RR(mul, a * b)
RR(mulh, ((__int128)S64(a) * S64(b)) >> 64)
RR(mulhsu, ((__int128)S64(a) * (__int128)b) >> 64)
RR(mulhu, ((unsigned __int128)a * b) >> 64)
RR(mulw, S32(U32(a) * U32(b)))

/* Division never traps: by zero, and the one overflow, have results (M extension, table). */
static inline int64_t int_div(int64_t a, int64_t b)
{
    return b == 0 ? -1 : b == -1 ? (int64_t)(0 - (uint64_t)a) : a / b;
}

static inline int64_t int_rem(int64_t a, int64_t b)
{
    return b == 0 ? a : b == -1 ? 0 : a % b;
}

RR(div, int_div(S64(a), S64(b)))
RR(divu, b ? a / b : UINT64_MAX)
RR(rem, int_rem(S64(a), S64(b)))
RR(remu, b ? a % b : a)
RR(divw, S32(int_div(S32(a), S32(b))))
RR(divuw, U32(b) ? S32(U32(a) / U32(b)) : -1)
RR(remw, S32(int_rem(S32(a), S32(b))))
RR(remuw, U32(b) ? S32(U32(a) % U32(b)) : S32(a))
