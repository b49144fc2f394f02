/*
 * The public comparisons and conversions: by the host where no rounding mode matters, else the
 * soft core.
 *
 * Floor: lobby (target/riscv), included by fpu.h only.
 * Threads and locks: none.
 * Invariant: NaNs never take the short way. A truncation to an integer in range is the host's own
 * cast; whether it was exact is seen by converting back, so that neither NX nor the host's flags
 * matter.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TARGET_RISCV_FPU_FAST_CVT_H
#define TARGET_RISCV_FPU_FAST_CVT_H

#include "fpu-fast.h"

/* Equal operands differ in the sign of zero at most: "or" is the lesser, "and" the greater. */
#define FPU_COMPARES(FX, UINT)                                              \
    static inline UINT fpu_##FX##_min(FpuCtx *ctx, UINT a, UINT b)          \
    {                                                                       \
        if (!FPU_LIKELY(!fpu_##FX##_unordered(a, b))) {                     \
            return fpu_soft_##FX##_min(ctx, a, b);                          \
        }                                                                   \
        if (fpu_##FX##_host(a) == fpu_##FX##_host(b)) {                     \
            return a | b;                                                   \
        }                                                                   \
        return fpu_##FX##_host(a) < fpu_##FX##_host(b) ? a : b;             \
    }                                                                       \
    static inline UINT fpu_##FX##_max(FpuCtx *ctx, UINT a, UINT b)          \
    {                                                                       \
        if (!FPU_LIKELY(!fpu_##FX##_unordered(a, b))) {                     \
            return fpu_soft_##FX##_max(ctx, a, b);                          \
        }                                                                   \
        if (fpu_##FX##_host(a) == fpu_##FX##_host(b)) {                     \
            return a & b;                                                   \
        }                                                                   \
        return fpu_##FX##_host(a) > fpu_##FX##_host(b) ? a : b;             \
    }                                                                       \
    FPU_COMPARE(FX, UINT, eq, ==)                                           \
    FPU_COMPARE(FX, UINT, lt, <)                                            \
    FPU_COMPARE(FX, UINT, le, <=)

#define FPU_COMPARE(FX, UINT, name, op)                                     \
    static inline bool fpu_##FX##_##name(FpuCtx *ctx, UINT a, UINT b)       \
    {                                                                       \
        if (!FPU_LIKELY(!fpu_##FX##_unordered(a, b))) {                     \
            return fpu_soft_##FX##_##name(ctx, a, b);                       \
        }                                                                   \
        return fpu_##FX##_host(a) op fpu_##FX##_host(b);                    \
    }

static inline bool fpu_f32_unordered(uint32_t a, uint32_t b)
{
    return __builtin_isunordered(fpu_f32_host(a), fpu_f32_host(b));
}

static inline bool fpu_f64_unordered(uint64_t a, uint64_t b)
{
    return __builtin_isunordered(fpu_f64_host(a), fpu_f64_host(b));
}

FPU_COMPARES(f32, uint32_t)
FPU_COMPARES(f64, uint64_t)

/*
 * To integer: mode RTZ, the one of C's casts, and a magnitude that int64_t holds and that the
 * exponent field alone shows to be in range. 2^@bits bounds it; @sign says whether negative
 * numbers are in range.
 */
#define FPU_TO_INT(FX, UINT, name, INT, bits, sign)                         \
    static inline INT fpu_##FX##_to_##name(FpuCtx *ctx, UINT a)             \
    {                                                                       \
        if (FPU_LIKELY(ctx->rm == FPU_RTZ && fpu_##FX##_below(a, bits, sign))) { \
            int64_t n = (int64_t)fpu_##FX##_host(a);                        \
            ctx->flags |= fpu_##FX##_host(a) != n ? FPU_NX : 0;             \
            return (INT)n;                                                  \
        }                                                                   \
        return fpu_soft_##FX##_to_##name(ctx, a);                           \
    }

static inline bool fpu_f32_below(uint32_t a, unsigned bits, bool sign)
{
    return (sign ? a & ~FPU_F32_SIGN : a) < (127 + bits) << 23;
}

static inline bool fpu_f64_below(uint64_t a, unsigned bits, bool sign)
{
    return (sign ? a & ~FPU_F64_SIGN : a) < (uint64_t)(1023 + bits) << 52;
}

FPU_TO_INT(f32, uint32_t, i32, int32_t, 31, true)
FPU_TO_INT(f32, uint32_t, u32, uint32_t, 32, false)
FPU_TO_INT(f32, uint32_t, i64, int64_t, 63, true)
FPU_TO_INT(f32, uint32_t, u64, uint64_t, 63, false)
FPU_TO_INT(f64, uint64_t, i32, int32_t, 31, true)
FPU_TO_INT(f64, uint64_t, u32, uint32_t, 32, false)
FPU_TO_INT(f64, uint64_t, i64, int64_t, 63, true)
FPU_TO_INT(f64, uint64_t, u64, uint64_t, 63, false)

/* From integer: what fits the significand is exact in every mode; the rest needs mode and NX. */
static inline uint32_t fpu_f32_from_i64(FpuCtx *ctx, int64_t n)
{
    bool exact = (uint64_t)n + (1u << 24) <= 2u << 24;

    return exact || fpu_fast_ok(ctx) ? fpu_f32_bits((float)n) : fpu_soft_f32_from_i64(ctx, n);
}

static inline uint64_t fpu_f64_from_i64(FpuCtx *ctx, int64_t n)
{
    bool exact = (uint64_t)n + (1ull << 53) <= 2ull << 53;

    return exact || fpu_fast_ok(ctx) ? fpu_f64_bits((double)n) : fpu_soft_f64_from_i64(ctx, n);
}

static inline uint32_t fpu_f32_from_u64(FpuCtx *ctx, uint64_t n)
{
    return n >> 63 ? fpu_soft_f32_from_u64(ctx, n) : fpu_f32_from_i64(ctx, (int64_t)n);
}

static inline uint64_t fpu_f64_from_u64(FpuCtx *ctx, uint64_t n)
{
    return n >> 63 ? fpu_soft_f64_from_u64(ctx, n) : fpu_f64_from_i64(ctx, (int64_t)n);
}

static inline uint32_t fpu_f32_from_i32(FpuCtx *ctx, int32_t n)
{
    return fpu_f32_from_i64(ctx, n);
}

static inline uint32_t fpu_f32_from_u32(FpuCtx *ctx, uint32_t n)
{
    return fpu_f32_from_i64(ctx, n);
}

/* Exact always; @ctx is there so that all conversions look alike. */
static inline uint64_t fpu_f64_from_i32(FpuCtx *ctx, int32_t n)
{
    (void)ctx;
    return fpu_f64_bits(n);
}

static inline uint64_t fpu_f64_from_u32(FpuCtx *ctx, uint32_t n)
{
    (void)ctx;
    return fpu_f64_bits(n);
}

/* Widening is exact; narrowing is judged by its result as in fpu-fast.h. */
static inline uint64_t fpu_f32_to_f64(FpuCtx *ctx, uint32_t a)
{
    return fpu_f32_finite(a) ? fpu_f64_bits(fpu_f32_host(a)) : fpu_soft_f32_to_f64(ctx, a);
}

static inline uint32_t fpu_f64_to_f32(FpuCtx *ctx, uint64_t a)
{
    uint32_t r = fpu_f32_bits((float)fpu_f64_host(a));

    if (fpu_fast_ok(ctx) && (fpu_f32_safe(r) || fpu_f64_zero(a))) {
        return r;
    }
    return fpu_soft_f64_to_f32(ctx, a);
}

#endif
