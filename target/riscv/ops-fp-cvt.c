/*
 * ops-fp-cvt.c - conversions, moves and classification of F and D.
 *
 * Lobby (target/riscv).  Runs on the hart's thread; see insn.h for how handlers chain.
 * Invariant: as in ops-fp.c.  32-bit integers are sign-extended into x registers, unsigned ones too.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "ops-fp.h"

/* fcvt.INT.fmt and fcvt.fmt.INT; conv extends to 64 bits. */
#define CONVERT(op, type, conv) \
    FP_OP(fcvt_##op##_s, FP_ROUNDS, h->x[i->rd], conv(fpu_f32_to_##type(&h->fpu, FS(rs1)))) \
    FP_OP(fcvt_##op##_d, FP_ROUNDS, h->x[i->rd], conv(fpu_f64_to_##type(&h->fpu, FD(rs1)))) \
    FP_OP(fcvt_from_##op##_s, FP_ROUNDS, h->f[i->rd], \
          TO_S(fpu_f32_from_##type(&h->fpu, (fp_##type)h->x[i->rs1]))) \
    FP_OP(fcvt_from_##op##_d, FP_ROUNDS, h->f[i->rd], \
          fpu_f64_from_##type(&h->fpu, (fp_##type)h->x[i->rs1]))

typedef int32_t fp_i32;
typedef uint32_t fp_u32;
typedef int64_t fp_i64;
typedef uint64_t fp_u64;

CONVERT(w, i32, TO_X32)
CONVERT(wu, u32, TO_X32)
CONVERT(l, i64, (uint64_t))
CONVERT(lu, u64, (uint64_t))

FP_OP(fcvt_s_d, FP_ROUNDS, h->f[i->rd], TO_S(fpu_f64_to_f32(&h->fpu, FD(rs1))))
FP_OP(fcvt_d_s, FP_ROUNDS, h->f[i->rd], fpu_f32_to_f64(&h->fpu, FS(rs1)))

FP_OP(fclass_s, FP_EXACT, h->x[i->rd], fpu_f32_class(FS(rs1)))
FP_OP(fclass_d, FP_EXACT, h->x[i->rd], fpu_f64_class(FD(rs1)))

/* Moves take the bits as they are, boxed or not. */
FP_OP(fmv_x_w, FP_EXACT, h->x[i->rd], TO_X32(h->f[i->rs1]))
FP_OP(fmv_x_d, FP_EXACT, h->x[i->rd], h->f[i->rs1])
FP_OP(fmv_w_x, FP_EXACT, h->f[i->rd], TO_S(h->x[i->rs1]))
FP_OP(fmv_d_x, FP_EXACT, h->f[i->rd], h->x[i->rs1])
