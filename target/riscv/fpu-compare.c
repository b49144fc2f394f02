/*
 * The soft core's comparisons: minimum, maximum, equal, less, less or equal, and classification.
 *
 * Floor: lobby (target/riscv); below it fpu-core.h.
 * Threads and locks: none.
 * Invariant: no rounding happens here; the only flag is NV.
 * Owns FMIN, FMAX, FEQ, FLT, FLE and FCLASS (RISC-V unprivileged specification, F and D).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "fpu-core.h"

/* The magnitude bits; above infinity's they are a NaN. */
FPU_INLINE uint64_t cmp_abs(FpuFormat f, uint64_t a)
{
    return a & (fpu_pack_sign(f, true) - 1);
}

FPU_INLINE bool cmp_is_nan(FpuFormat f, uint64_t a)
{
    return cmp_abs(f, a) > fpu_pack_inf(f, false);
}

FPU_INLINE bool cmp_is_snan(FpuFormat f, uint64_t a)
{
    return cmp_is_nan(f, a) && !(a >> (f.frac_bits - 1) & 1);
}

/* An integer that orders bit patterns as minimumNumber does: numerically, and -0 below +0. */
FPU_INLINE int64_t cmp_key(FpuFormat f, uint64_t a)
{
    int64_t abs = (int64_t)cmp_abs(f, a);

    return a & fpu_pack_sign(f, true) ? -1 - abs : abs;
}

FPU_INLINE bool cmp_both_zero(FpuFormat f, uint64_t a, uint64_t b)
{
    return cmp_abs(f, a | b) == 0;
}

FPU_INLINE uint64_t fpu_min_max(FpuCtx *ctx, FpuFormat f, uint64_t a, uint64_t b, bool max)
{
    if (cmp_is_snan(f, a) || cmp_is_snan(f, b)) {
        ctx->flags |= FPU_NV;
    }
    if (cmp_is_nan(f, a)) {
        return cmp_is_nan(f, b) ? fpu_pack_nan(f) : b;
    }
    if (cmp_is_nan(f, b)) {
        return a;
    }
    return (cmp_key(f, a) < cmp_key(f, b)) != max ? a : b;
}

FPU_INLINE bool fpu_eq(FpuCtx *ctx, FpuFormat f, uint64_t a, uint64_t b)
{
    if (cmp_is_nan(f, a) || cmp_is_nan(f, b)) {
        if (cmp_is_snan(f, a) || cmp_is_snan(f, b)) {
            ctx->flags |= FPU_NV;
        }
        return false;
    }
    return a == b || cmp_both_zero(f, a, b);
}

FPU_INLINE bool fpu_less(FpuCtx *ctx, FpuFormat f, uint64_t a, uint64_t b, bool or_equal)
{
    if (cmp_is_nan(f, a) || cmp_is_nan(f, b)) {
        ctx->flags |= FPU_NV;
        return false;
    }
    if (a == b || cmp_both_zero(f, a, b)) {
        return or_equal;
    }
    return cmp_key(f, a) < cmp_key(f, b);
}

/* FCLASS: bits 0 to 7 go from -inf up to +inf, 8 is a signalling and 9 a quiet NaN. */
FPU_INLINE unsigned fpu_class(FpuFormat f, uint64_t a)
{
    bool sign = a & fpu_pack_sign(f, true);
    uint64_t abs = cmp_abs(f, a);
    unsigned rank; /* distance from zero: 0 zero, 1 subnormal, 2 normal, 3 infinite */

    if (cmp_is_nan(f, a)) {
        return cmp_is_snan(f, a) ? 1u << 8 : 1u << 9;
    }
    if (abs == fpu_pack_inf(f, false)) {
        rank = 3;
    } else if (abs >> f.frac_bits) {
        rank = 2;
    } else {
        rank = abs != 0;
    }
    return 1u << (sign ? 3 - rank : 4 + rank);
}

uint32_t fpu_soft_f32_min(FpuCtx *ctx, uint32_t a, uint32_t b)
{
    return fpu_min_max(ctx, fpu_f32, a, b, false);
}

uint64_t fpu_soft_f64_min(FpuCtx *ctx, uint64_t a, uint64_t b)
{
    return fpu_min_max(ctx, fpu_f64, a, b, false);
}

uint32_t fpu_soft_f32_max(FpuCtx *ctx, uint32_t a, uint32_t b)
{
    return fpu_min_max(ctx, fpu_f32, a, b, true);
}

uint64_t fpu_soft_f64_max(FpuCtx *ctx, uint64_t a, uint64_t b)
{
    return fpu_min_max(ctx, fpu_f64, a, b, true);
}

bool fpu_soft_f32_eq(FpuCtx *ctx, uint32_t a, uint32_t b)
{
    return fpu_eq(ctx, fpu_f32, a, b);
}

bool fpu_soft_f64_eq(FpuCtx *ctx, uint64_t a, uint64_t b)
{
    return fpu_eq(ctx, fpu_f64, a, b);
}

bool fpu_soft_f32_lt(FpuCtx *ctx, uint32_t a, uint32_t b)
{
    return fpu_less(ctx, fpu_f32, a, b, false);
}

bool fpu_soft_f64_lt(FpuCtx *ctx, uint64_t a, uint64_t b)
{
    return fpu_less(ctx, fpu_f64, a, b, false);
}

bool fpu_soft_f32_le(FpuCtx *ctx, uint32_t a, uint32_t b)
{
    return fpu_less(ctx, fpu_f32, a, b, true);
}

bool fpu_soft_f64_le(FpuCtx *ctx, uint64_t a, uint64_t b)
{
    return fpu_less(ctx, fpu_f64, a, b, true);
}

unsigned fpu_f32_class(uint32_t a)
{
    return fpu_class(fpu_f32, a);
}

unsigned fpu_f64_class(uint64_t a)
{
    return fpu_class(fpu_f64, a);
}
