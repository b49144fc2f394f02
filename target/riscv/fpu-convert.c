/*
 * The soft core's conversions: between the formats, and to and from integers.
 *
 * Floor: lobby (target/riscv); below it fpu-core.h.
 * Threads and locks: none.
 * Invariant: a conversion to integer rounds first and checks the range afterwards; outside it the
 * result is the nearest end of the range, NaN counting as the greatest, with NV and without NX.
 * Owns FCVT in all its forms (RISC-V unprivileged specification, F and D).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "fpu-core.h"

/* An integer type by the greatest magnitude of its positive and its negative numbers. */
typedef struct IntRange {
    uint64_t max;
    uint64_t min_abs;
} IntRange;

static const IntRange range_i32 = { INT32_MAX, 1ULL << 31 };
static const IntRange range_u32 = { UINT32_MAX, 0 };
static const IntRange range_i64 = { INT64_MAX, 1ULL << 63 };
static const IntRange range_u64 = { UINT64_MAX, 0 };

FPU_INLINE uint64_t int_saturate(FpuCtx *ctx, IntRange range, bool negative)
{
    ctx->flags |= FPU_NV;
    return negative ? -range.min_abs : range.max;
}

/* The result modulo 2^64; the caller narrows it to its type. */
FPU_INLINE uint64_t fpu_to_int(FpuCtx *ctx, FpuFormat f, uint64_t abits, IntRange range)
{
    FpuParts a = fpu_unpack(f, abits);
    uint64_t whole = 0, frac; /* the number as fixed point, 64 bits on each side */

    if (a.cls == FPU_CLS_ZERO) {
        return 0;
    }
    if (a.cls != FPU_CLS_NORMAL || a.exp > 63) {
        return int_saturate(ctx, range, a.sign && a.cls <= FPU_CLS_INF);
    }
    if (a.exp == 63) {
        whole = a.sig;
        frac = 0;
    } else if (a.exp >= 0) {
        whole = a.sig >> (63 - a.exp);
        frac = a.sig << (a.exp + 1);
    } else {
        frac = fpu_shr_jam(a.sig, -1 - a.exp);
    }

    /* No carry out of 64 bits: a number with that many whole bits has no fraction. */
    whole += fpu_round_away(ctx, a.sign, whole & 1, frac, 1ULL << 63);
    if (whole > (a.sign ? range.min_abs : range.max)) {
        return int_saturate(ctx, range, a.sign);
    }
    if (frac != 0) {
        ctx->flags |= FPU_NX;
    }
    return a.sign ? -whole : whole;
}

FPU_INLINE uint64_t fpu_from_int(FpuCtx *ctx, FpuFormat f, bool sign, uint64_t abs)
{
    if (abs == 0) {
        return 0;
    }
    int lead = __builtin_clzll(abs);
    return fpu_round_pack(ctx, f, sign, 63 - lead, abs << lead);
}

/* The magnitude of INT64_MIN has no int64_t: negate as unsigned. */
FPU_INLINE uint64_t fpu_from_signed(FpuCtx *ctx, FpuFormat f, int64_t n)
{
    return fpu_from_int(ctx, f, n < 0, n < 0 ? -(uint64_t)n : (uint64_t)n);
}

FPU_INLINE uint64_t fpu_reformat(FpuCtx *ctx, FpuFormat from, FpuFormat to, uint64_t abits)
{
    FpuParts a = fpu_unpack(from, abits);

    switch (a.cls) {
    case FPU_CLS_ZERO:
        return fpu_pack_sign(to, a.sign);
    case FPU_CLS_NORMAL:
        return fpu_round_pack(ctx, to, a.sign, a.exp, a.sig);
    case FPU_CLS_INF:
        return fpu_pack_inf(to, a.sign);
    case FPU_CLS_SNAN:
        return fpu_invalid(ctx, to);
    default:
        return fpu_pack_nan(to);
    }
}

int32_t fpu_soft_f32_to_i32(FpuCtx *ctx, uint32_t a)
{
    return (int32_t)fpu_to_int(ctx, fpu_f32, a, range_i32);
}

uint32_t fpu_soft_f32_to_u32(FpuCtx *ctx, uint32_t a)
{
    return (uint32_t)fpu_to_int(ctx, fpu_f32, a, range_u32);
}

int64_t fpu_soft_f32_to_i64(FpuCtx *ctx, uint32_t a)
{
    return (int64_t)fpu_to_int(ctx, fpu_f32, a, range_i64);
}

uint64_t fpu_soft_f32_to_u64(FpuCtx *ctx, uint32_t a)
{
    return fpu_to_int(ctx, fpu_f32, a, range_u64);
}

int32_t fpu_soft_f64_to_i32(FpuCtx *ctx, uint64_t a)
{
    return (int32_t)fpu_to_int(ctx, fpu_f64, a, range_i32);
}

uint32_t fpu_soft_f64_to_u32(FpuCtx *ctx, uint64_t a)
{
    return (uint32_t)fpu_to_int(ctx, fpu_f64, a, range_u32);
}

int64_t fpu_soft_f64_to_i64(FpuCtx *ctx, uint64_t a)
{
    return (int64_t)fpu_to_int(ctx, fpu_f64, a, range_i64);
}

uint64_t fpu_soft_f64_to_u64(FpuCtx *ctx, uint64_t a)
{
    return fpu_to_int(ctx, fpu_f64, a, range_u64);
}

uint32_t fpu_soft_f32_from_i64(FpuCtx *ctx, int64_t n)
{
    return fpu_from_signed(ctx, fpu_f32, n);
}

uint32_t fpu_soft_f32_from_u64(FpuCtx *ctx, uint64_t n)
{
    return fpu_from_int(ctx, fpu_f32, false, n);
}

uint64_t fpu_soft_f64_from_i64(FpuCtx *ctx, int64_t n)
{
    return fpu_from_signed(ctx, fpu_f64, n);
}

uint64_t fpu_soft_f64_from_u64(FpuCtx *ctx, uint64_t n)
{
    return fpu_from_int(ctx, fpu_f64, false, n);
}

uint64_t fpu_soft_f32_to_f64(FpuCtx *ctx, uint32_t a)
{
    return fpu_reformat(ctx, fpu_f32, fpu_f64, a);
}

uint32_t fpu_soft_f64_to_f32(FpuCtx *ctx, uint64_t a)
{
    return fpu_reformat(ctx, fpu_f64, fpu_f32, a);
}
