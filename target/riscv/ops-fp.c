/*
 * ops-fp.c - the arithmetic of F and D.
 *
 * Lobby (target/riscv).  Runs on the hart's thread; see insn.h for how handlers chain.
 * Invariant: a single in a 64-bit register is NaN-boxed.  With mstatus.FS off, or a rounding mode that
 * does not exist, an instruction is illegal; any other makes FS dirty.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "ops-fp.h"

#define ARITH1(name) \
    FP_OP(f##name##_s, FP_ROUNDS, h->f[i->rd], TO_S(fpu_f32_##name(&h->fpu, FS(rs1)))) \
    FP_OP(f##name##_d, FP_ROUNDS, h->f[i->rd], fpu_f64_##name(&h->fpu, FD(rs1)))
#define ARITH2(name, condition) \
    FP_OP(f##name##_s, condition, h->f[i->rd], TO_S(fpu_f32_##name(&h->fpu, FS(rs1), FS(rs2)))) \
    FP_OP(f##name##_d, condition, h->f[i->rd], fpu_f64_##name(&h->fpu, FD(rs1), FD(rs2)))
#define ARITH3(name, neg) \
    FP_OP(name##_s, FP_ROUNDS, h->f[i->rd], \
          TO_S(fpu_f32_fma(&h->fpu, FS(rs1), FS(rs2), FS(rs3), neg))) \
    FP_OP(name##_d, FP_ROUNDS, h->f[i->rd], fpu_f64_fma(&h->fpu, FD(rs1), FD(rs2), FD(rs3), neg))
#define COMPARE(name) \
    FP_OP(f##name##_s, FP_EXACT, h->x[i->rd], fpu_f32_##name(&h->fpu, FS(rs1), FS(rs2))) \
    FP_OP(f##name##_d, FP_EXACT, h->x[i->rd], fpu_f64_##name(&h->fpu, FD(rs1), FD(rs2)))

ARITH2(add, FP_ROUNDS)
ARITH2(sub, FP_ROUNDS)
ARITH2(mul, FP_ROUNDS)
ARITH2(div, FP_ROUNDS)
ARITH1(sqrt)
ARITH2(min, FP_EXACT)
ARITH2(max, FP_EXACT)
ARITH3(fmadd, 0)
ARITH3(fmsub, FPU_NEG_ADDEND)
ARITH3(fnmsub, FPU_NEG_PRODUCT)
ARITH3(fnmadd, FPU_NEG_PRODUCT | FPU_NEG_ADDEND)
COMPARE(eq)
COMPARE(lt)
COMPARE(le)

/* a's magnitude with the sign that expr gives. */
#define SIGN_OPS(name) \
    FP_OP(name##_s, FP_EXACT, h->f[i->rd], TO_S(fp_##name##_s(FS(rs1), FS(rs2)))) \
    FP_OP(name##_d, FP_EXACT, h->f[i->rd], fp_##name##_d(FD(rs1), FD(rs2)))
#define SIGN_FN(name, expr) \
    static inline uint32_t fp_##name##_s(uint32_t a, uint32_t b) \
    { \
        uint32_t sign = FPU_F32_SIGN; \
        return (a & ~sign) | ((expr) & sign); \
    } \
    static inline uint64_t fp_##name##_d(uint64_t a, uint64_t b) \
    { \
        uint64_t sign = FPU_F64_SIGN; \
        return (a & ~sign) | ((expr) & sign); \
    } \
    SIGN_OPS(name)

SIGN_FN(fsgnj, b)
SIGN_FN(fsgnjn, ~b)
SIGN_FN(fsgnjx, a ^ b)
