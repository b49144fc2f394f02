/*
 * ops-fp.h - what the handlers of F and D share: the FS check, rounding modes, NaN boxes.
 *
 * Lobby (target/riscv), included by ops-fp*.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TARGET_RISCV_OPS_FP_H
#define TARGET_RISCV_OPS_FP_H

#include "ops.h"

#define FP_BOX 0xffffffff00000000ull

/* Operands: the register named by field r, as bits. A single that is not boxed counts as NaN. */
#define FS(r) fp_unbox(h->f[i->r])
#define FD(r) (h->f[i->r])

static inline uint32_t fp_unbox(uint64_t v)
{
    return likely(v >= FP_BOX) ? (uint32_t)v : FPU_F32_NAN;
}

/* 7 is the mode in frm; 5 and 6, there or here, are reserved. */
static inline bool fp_set_rounding(Hart *h, int64_t rm)
{
    h->fpu.rm = rm == 7 ? h->frm : (uint8_t)rm;
    return h->fpu.rm <= FPU_RMM;
}

#define FP_CHECK(condition) \
    if (unlikely(!h->fs || !(condition))) { \
        return insn_illegal(h, i); \
    } \
    h->fs = 3;

/* A whole handler: `condition` may trap, `to` is the destination. */
#define FP_OP(name, condition, to, value) \
    OP(name) \
    { \
        FP_CHECK(condition) \
        to = value; \
        NEXT; \
    }

#define FP_ROUNDS fp_set_rounding(h, i->imm)
#define FP_EXACT true
#define TO_S(value) (FP_BOX | (uint32_t)(value))
#define TO_X32(value) ((uint64_t)(int64_t)(int32_t)(value))

#endif
