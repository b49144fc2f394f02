/*
 * The public arithmetic: the host FPU where its answer is provably the guest's, else the soft core.
 *
 * Floor: lobby (target/riscv), included by fpu.h only.
 * Threads and locks: none.
 * Invariant: the host rounds to nearest even, without flush-to-zero, as every thread starts and
 * as nobody changes it. So in mode RNE, and with NX accrued already, the host's result can be
 * taken if no other flag and no NaN can be involved, and that is seen on the result alone:
 *  - finite means that every operand was finite (or that an infinite divisor gave zero), that
 *    nothing overflowed and nothing was divided by zero;
 *  - an exponent above the least normal one means no underflow; a sum never underflows inexactly;
 *  - a zero product or quotient is exact if a factor or the dividend was zero.
 * Everything else goes to the soft core.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TARGET_RISCV_FPU_FAST_H
#define TARGET_RISCV_FPU_FAST_H

#include "fpu-host.h"

static inline uint32_t fpu_f32_add(FpuCtx *ctx, uint32_t a, uint32_t b)
{
    uint32_t r = fpu_f32_bits(fpu_f32_host(a) + fpu_f32_host(b));

    return fpu_fast_ok(ctx) && fpu_f32_finite(r) ? r : fpu_soft_f32_add(ctx, a, b);
}

static inline uint64_t fpu_f64_add(FpuCtx *ctx, uint64_t a, uint64_t b)
{
    uint64_t r = fpu_f64_bits(fpu_f64_host(a) + fpu_f64_host(b));

    return fpu_fast_ok(ctx) && fpu_f64_finite(r) ? r : fpu_soft_f64_add(ctx, a, b);
}

/* a - b is a + (-b), zeros included; a NaN's sign does not matter. */
static inline uint32_t fpu_f32_sub(FpuCtx *ctx, uint32_t a, uint32_t b)
{
    return fpu_f32_add(ctx, a, b ^ FPU_F32_SIGN);
}

static inline uint64_t fpu_f64_sub(FpuCtx *ctx, uint64_t a, uint64_t b)
{
    return fpu_f64_add(ctx, a, b ^ FPU_F64_SIGN);
}

static inline uint32_t fpu_f32_mul(FpuCtx *ctx, uint32_t a, uint32_t b)
{
    uint32_t r = fpu_f32_bits(fpu_f32_host(a) * fpu_f32_host(b));

    if (fpu_fast_ok(ctx)
        && (fpu_f32_safe(r) || (fpu_f32_zero(r) && (fpu_f32_zero(a) || fpu_f32_zero(b))))) {
        return r;
    }
    return fpu_soft_f32_mul(ctx, a, b);
}

static inline uint64_t fpu_f64_mul(FpuCtx *ctx, uint64_t a, uint64_t b)
{
    uint64_t r = fpu_f64_bits(fpu_f64_host(a) * fpu_f64_host(b));

    if (fpu_fast_ok(ctx)
        && (fpu_f64_safe(r) || (fpu_f64_zero(r) && (fpu_f64_zero(a) || fpu_f64_zero(b))))) {
        return r;
    }
    return fpu_soft_f64_mul(ctx, a, b);
}

/* Division and root are dear on the host too: ask the mode first. */
static inline uint32_t fpu_f32_div(FpuCtx *ctx, uint32_t a, uint32_t b)
{
    if (fpu_fast_ok(ctx)) {
        uint32_t r = fpu_f32_bits(fpu_f32_host(a) / fpu_f32_host(b));
        if (fpu_f32_safe(r) || (fpu_f32_zero(r) && fpu_f32_zero(a))) {
            return r;
        }
    }
    return fpu_soft_f32_div(ctx, a, b);
}

static inline uint64_t fpu_f64_div(FpuCtx *ctx, uint64_t a, uint64_t b)
{
    if (fpu_fast_ok(ctx)) {
        uint64_t r = fpu_f64_bits(fpu_f64_host(a) / fpu_f64_host(b));
        if (fpu_f64_safe(r) || (fpu_f64_zero(r) && fpu_f64_zero(a))) {
            return r;
        }
    }
    return fpu_soft_f64_div(ctx, a, b);
}

/* The root of a positive finite number is normal; zeros and the rest go the long way. */
static inline uint32_t fpu_f32_sqrt(FpuCtx *ctx, uint32_t a)
{
    if (fpu_fast_ok(ctx) && FPU_LIKELY(a - 1 < (0xffu << 23) - 1)) {
        return fpu_f32_bits(sqrtf(fpu_f32_host(a)));
    }
    return fpu_soft_f32_sqrt(ctx, a);
}

static inline uint64_t fpu_f64_sqrt(FpuCtx *ctx, uint64_t a)
{
    if (fpu_fast_ok(ctx) && FPU_LIKELY(a - 1 < (0x7ffull << 52) - 1)) {
        return fpu_f64_bits(sqrt(fpu_f64_host(a)));
    }
    return fpu_soft_f64_sqrt(ctx, a);
}

/*
 * Through binary64: the product of two 24-bit significands is exact there, so only the sum is
 * rounded before the result is. Rounding twice is wrong only where the first result is half-way
 * between two binary32 numbers, which the low 29 bits tell as long as the result is not
 * subnormal.
 */
static inline uint32_t fpu_f32_fma(FpuCtx *ctx, uint32_t a, uint32_t b, uint32_t c, unsigned neg)
{
    a ^= neg & FPU_NEG_PRODUCT ? FPU_F32_SIGN : 0;
    c ^= neg & FPU_NEG_ADDEND ? FPU_F32_SIGN : 0;
    double sum = (double)fpu_f32_host(a) * fpu_f32_host(b) + fpu_f32_host(c);
    uint32_t r = fpu_f32_bits((float)sum);
    bool tie = (fpu_f64_bits(sum) & 0x1fffffff) == 0x10000000;

    return fpu_fast_ok(ctx) && fpu_f32_safe(r) && !tie ? r : fpu_soft_f32_fma(ctx, a, b, c);
}

static inline uint64_t fpu_f64_fma(FpuCtx *ctx, uint64_t a, uint64_t b, uint64_t c, unsigned neg)
{
    a ^= neg & FPU_NEG_PRODUCT ? FPU_F64_SIGN : 0;
    c ^= neg & FPU_NEG_ADDEND ? FPU_F64_SIGN : 0;
    if (fpu_fast_ok(ctx) && fpu_host_has_fma()) {
        uint64_t r = fpu_f64_bits(fma(fpu_f64_host(a), fpu_f64_host(b), fpu_f64_host(c)));
        if (fpu_f64_safe(r)) {
            return r;
        }
    }
    return fpu_soft_f64_fma(ctx, a, b, c);
}

#endif
