/*
 * IEEE 754-2008 arithmetic of the RISC-V F and D extensions, as pure functions on bit patterns.
 *
 * Floor: lobby (target/riscv), private header of the room; below it only the C library's maths.
 * Threads and locks: none; a function touches its arguments and the FpuCtx it is given, nothing
 * else.
 * Invariant: result and accrued flags are those of the RISC-V unprivileged specification,
 * chapters F and D, in all five rounding modes: every NaN result is canonical, tininess is
 * detected after rounding. The host's floating-point environment is never read and never changed.
 * Formats: binary32 as uint32_t, binary64 as uint64_t. NaN boxing is the caller's business.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TARGET_RISCV_FPU_H
#define TARGET_RISCV_FPU_H

#include <stdbool.h>
#include <stdint.h>

/* Rounding modes, the encoding of frm (F, table "Rounding mode encoding"). */
enum {
    FPU_RNE = 0, /* to nearest, ties to even */
    FPU_RTZ = 1, /* towards zero */
    FPU_RDN = 2, /* towards minus infinity */
    FPU_RUP = 3, /* towards plus infinity */
    FPU_RMM = 4, /* to nearest, ties away from zero */
};

/* Accrued exceptions, the encoding of fflags. */
enum {
    FPU_NX = 1,  /* inexact */
    FPU_UF = 2,  /* underflow */
    FPU_OF = 4,  /* overflow */
    FPU_DZ = 8,  /* division by zero */
    FPU_NV = 16, /* invalid operation */
};

#define FPU_F32_SIGN 0x80000000u
#define FPU_F64_SIGN 0x8000000000000000u
#define FPU_F32_NAN 0x7fc00000u
#define FPU_F64_NAN 0x7ff8000000000000u

/*
 * What an operation depends on besides its operands. @rm is one of FPU_RNE to FPU_RMM: the caller
 * has resolved the dynamic mode and trapped on the reserved ones. Operations only ever set bits
 * in @flags.
 */
typedef struct FpuCtx {
    uint8_t rm;
    uint8_t flags;
} FpuCtx;

/*
 * Which operands of a fused multiply-add are negated before use:
 * fmadd 0, fmsub FPU_NEG_ADDEND, fnmsub FPU_NEG_PRODUCT, fnmadd both.
 */
enum {
    FPU_NEG_PRODUCT = 1,
    FPU_NEG_ADDEND = 2,
};

/*
 * The public operations fpu_f32_* and fpu_f64_* are inline: they try the host FPU where that is
 * provably the same, and end in the soft core below. The soft core is complete by itself (the
 * tests compare the two); callers use the public names.
 *
 *   FX fpu_FX_add, _sub, _mul, _div (ctx, a, b)
 *   FX fpu_FX_sqrt (ctx, a)
 *   FX fpu_FX_fma (ctx, a, b, c, neg)        +-(a * b) +- c with one rounding; neg: FPU_NEG_* bits
 *   FX fpu_FX_min, _max (ctx, a, b)          IEEE 754-2019 minimumNumber, maximumNumber; -0 < +0
 *   bool fpu_FX_eq, _lt, _le (ctx, a, b)     eq is quiet, lt and le signal NV on any NaN
 *   unsigned fpu_FX_class (a)                the ten-bit mask of FCLASS
 *   intN fpu_FX_to_i32, _i64, _u32, _u64 (ctx, a)   saturating with NV; NaN: greatest
 *   FX fpu_FX_from_i32, _i64, _u32, _u64 (ctx, n)
 *   fpu_f32_to_f64 (ctx, a), fpu_f64_to_f32 (ctx, a)
 *
 * None of them can fail; all are safe on any bit pattern, from any thread, with a FpuCtx of its
 * own. to_i32 and to_u32 return 32 bits: the caller sign-extends both to XLEN, as FCVT.W[U] asks.
 */
uint32_t fpu_soft_f32_add(FpuCtx *ctx, uint32_t a, uint32_t b);
uint32_t fpu_soft_f32_mul(FpuCtx *ctx, uint32_t a, uint32_t b);
uint32_t fpu_soft_f32_div(FpuCtx *ctx, uint32_t a, uint32_t b);
uint32_t fpu_soft_f32_sqrt(FpuCtx *ctx, uint32_t a);
/* a * b + c; the public function has negated the operands already. */
uint32_t fpu_soft_f32_fma(FpuCtx *ctx, uint32_t a, uint32_t b, uint32_t c);
uint32_t fpu_soft_f32_min(FpuCtx *ctx, uint32_t a, uint32_t b);
uint32_t fpu_soft_f32_max(FpuCtx *ctx, uint32_t a, uint32_t b);
bool fpu_soft_f32_eq(FpuCtx *ctx, uint32_t a, uint32_t b);
bool fpu_soft_f32_lt(FpuCtx *ctx, uint32_t a, uint32_t b);
bool fpu_soft_f32_le(FpuCtx *ctx, uint32_t a, uint32_t b);
unsigned fpu_f32_class(uint32_t a);
int32_t fpu_soft_f32_to_i32(FpuCtx *ctx, uint32_t a);
uint32_t fpu_soft_f32_to_u32(FpuCtx *ctx, uint32_t a);
int64_t fpu_soft_f32_to_i64(FpuCtx *ctx, uint32_t a);
uint64_t fpu_soft_f32_to_u64(FpuCtx *ctx, uint32_t a);
/* 32-bit integers fit both: the public from_i32 and from_u32 widen and come here. */
uint32_t fpu_soft_f32_from_i64(FpuCtx *ctx, int64_t n);
uint32_t fpu_soft_f32_from_u64(FpuCtx *ctx, uint64_t n);
uint64_t fpu_soft_f32_to_f64(FpuCtx *ctx, uint32_t a);

uint64_t fpu_soft_f64_add(FpuCtx *ctx, uint64_t a, uint64_t b);
uint64_t fpu_soft_f64_mul(FpuCtx *ctx, uint64_t a, uint64_t b);
uint64_t fpu_soft_f64_div(FpuCtx *ctx, uint64_t a, uint64_t b);
uint64_t fpu_soft_f64_sqrt(FpuCtx *ctx, uint64_t a);
uint64_t fpu_soft_f64_fma(FpuCtx *ctx, uint64_t a, uint64_t b, uint64_t c);
uint64_t fpu_soft_f64_min(FpuCtx *ctx, uint64_t a, uint64_t b);
uint64_t fpu_soft_f64_max(FpuCtx *ctx, uint64_t a, uint64_t b);
bool fpu_soft_f64_eq(FpuCtx *ctx, uint64_t a, uint64_t b);
bool fpu_soft_f64_lt(FpuCtx *ctx, uint64_t a, uint64_t b);
bool fpu_soft_f64_le(FpuCtx *ctx, uint64_t a, uint64_t b);
unsigned fpu_f64_class(uint64_t a);
int32_t fpu_soft_f64_to_i32(FpuCtx *ctx, uint64_t a);
uint32_t fpu_soft_f64_to_u32(FpuCtx *ctx, uint64_t a);
int64_t fpu_soft_f64_to_i64(FpuCtx *ctx, uint64_t a);
uint64_t fpu_soft_f64_to_u64(FpuCtx *ctx, uint64_t a);
uint64_t fpu_soft_f64_from_i64(FpuCtx *ctx, int64_t n);
uint64_t fpu_soft_f64_from_u64(FpuCtx *ctx, uint64_t n);
uint32_t fpu_soft_f64_to_f32(FpuCtx *ctx, uint64_t a);

#include "fpu-fast.h"
#include "fpu-fast-cvt.h"

#endif
