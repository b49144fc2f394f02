/*
 * The soft core's common parts: unpack a bit pattern, shift with a sticky bit, round and pack.
 *
 * Floor: lobby (target/riscv), included by fpu-arith.c, fpu-compare.c and fpu-convert.c only.
 * Threads and locks: none.
 * Invariant: a finite non-zero number is sign, exponent and a 64-bit significand whose top bit is
 * set, with value sig * 2^(exp - 63). A significand that has lost bits below has bit 0 set
 * ("sticky"); the rounding position of either format lies at least ten bits above, so sticky
 * never reads as a value. Every function is inline and takes a constant format, so each format
 * gets code of its own.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TARGET_RISCV_FPU_CORE_H
#define TARGET_RISCV_FPU_CORE_H

#include "fpu.h"

#define FPU_INLINE static inline __attribute__((always_inline))

typedef unsigned __int128 FpuU128;

/* An interchange format (IEEE 754-2008, 3.4): stored fraction bits and exponent bits. */
typedef struct FpuFormat {
    int frac_bits;
    int exp_bits;
} FpuFormat;

static const FpuFormat fpu_f32 = { 23, 8 };
static const FpuFormat fpu_f64 = { 52, 11 };

/* In this order on purpose: cls > FPU_CLS_INF is "some NaN". */
typedef enum FpuClass {
    FPU_CLS_ZERO,
    FPU_CLS_NORMAL, /* finite, not zero; subnormals are normalised on unpacking */
    FPU_CLS_INF,
    FPU_CLS_QNAN,
    FPU_CLS_SNAN,
} FpuClass;

typedef struct FpuParts {
    FpuClass cls;
    bool sign;
    int exp;
    uint64_t sig;
} FpuParts;

FPU_INLINE int fpu_exp_max(FpuFormat f)
{
    return (1 << f.exp_bits) - 1;
}

FPU_INLINE int fpu_bias(FpuFormat f)
{
    return fpu_exp_max(f) >> 1;
}

FPU_INLINE uint64_t fpu_pack_sign(FpuFormat f, bool sign)
{
    return (uint64_t)sign << (f.frac_bits + f.exp_bits);
}

FPU_INLINE uint64_t fpu_pack_inf(FpuFormat f, bool sign)
{
    return fpu_pack_sign(f, sign) | (uint64_t)fpu_exp_max(f) << f.frac_bits;
}

/* The canonical NaN (F, "NaN Generation and Propagation"): positive, only the quiet bit set. */
FPU_INLINE uint64_t fpu_pack_nan(FpuFormat f)
{
    return fpu_pack_inf(f, false) | 1ULL << (f.frac_bits - 1);
}

FPU_INLINE uint64_t fpu_invalid(FpuCtx *ctx, FpuFormat f)
{
    ctx->flags |= FPU_NV;
    return fpu_pack_nan(f);
}

/* An exact zero from x + (-x), or from +0 + -0 (IEEE 754-2008, 6.3). */
FPU_INLINE uint64_t fpu_zero_sum(const FpuCtx *ctx, FpuFormat f)
{
    return fpu_pack_sign(f, ctx->rm == FPU_RDN);
}

FPU_INLINE FpuParts fpu_unpack(FpuFormat f, uint64_t bits)
{
    int e = (int)(bits >> f.frac_bits) & fpu_exp_max(f);
    uint64_t frac = bits & ((1ULL << f.frac_bits) - 1);
    FpuParts p = { .sign = bits >> (f.frac_bits + f.exp_bits) & 1 };

    if (e == fpu_exp_max(f)) {
        bool quiet = frac >> (f.frac_bits - 1);
        p.cls = !frac ? FPU_CLS_INF : quiet ? FPU_CLS_QNAN : FPU_CLS_SNAN;
    } else if (e != 0) {
        p.cls = FPU_CLS_NORMAL;
        p.exp = e - fpu_bias(f);
        p.sig = 1ULL << 63 | frac << (63 - f.frac_bits);
    } else if (frac != 0) {
        int lead = __builtin_clzll(frac);
        p.cls = FPU_CLS_NORMAL;
        p.exp = 1 - fpu_bias(f) - (lead - (63 - f.frac_bits));
        p.sig = frac << lead;
    }
    return p;
}

/* Shift right; whatever falls off leaves its mark in bit 0. @n >= 0, any size. */
FPU_INLINE uint64_t fpu_shr_jam(uint64_t v, int n)
{
    if (n >= 64) {
        return v != 0;
    }
    return v >> n | ((v & ((1ULL << n) - 1)) != 0);
}

FPU_INLINE FpuU128 fpu_shr_jam128(FpuU128 v, int n)
{
    if (n >= 128) {
        return v != 0;
    }
    return v >> n | ((v & (((FpuU128)1 << n) - 1)) != 0);
}

/*
 * Does rounding go away from zero? @rest is what is cut off, @half the weight of half a unit in
 * the last place, @odd the last bit that stays.
 */
FPU_INLINE bool fpu_round_away(const FpuCtx *ctx, bool sign, bool odd, uint64_t rest, uint64_t half)
{
    switch (ctx->rm) {
    case FPU_RNE:
        return rest > half || (rest == half && odd);
    case FPU_RMM:
        return rest >= half;
    case FPU_RDN:
        return sign && rest != 0;
    case FPU_RUP:
        return !sign && rest != 0;
    default:
        return false;
    }
}

/* Overflow (IEEE 754-2008, 7.4): infinity, or the greatest finite number if rounding turns back. */
FPU_INLINE uint64_t fpu_overflow(FpuCtx *ctx, FpuFormat f, bool sign)
{
    bool to_inf = fpu_round_away(ctx, sign, true, 3, 2);

    ctx->flags |= FPU_OF | FPU_NX;
    return fpu_pack_inf(f, sign) - (to_inf ? 0 : 1);
}

/*
 * Round sig * 2^(exp - 63), top bit of @sig set, to the format and accrue OF, UF and NX. Tiny
 * means tiny after rounding as if the exponent had no lower bound (F, "tininess is detected after
 * rounding"): only a number that rounds up to the least normal one escapes.
 */
FPU_INLINE uint64_t fpu_round_pack(FpuCtx *ctx, FpuFormat f, bool sign, int exp, uint64_t sig)
{
    const int shift = 63 - f.frac_bits;
    const uint64_t half = 1ULL << (shift - 1);
    const uint64_t mask = (half << 1) - 1;
    int e = exp + fpu_bias(f);
    bool tiny = false;

    if (e >= fpu_exp_max(f)) {
        return fpu_overflow(ctx, f, sign);
    }
    if (e <= 0) {
        bool away = fpu_round_away(ctx, sign, sig >> shift & 1, sig & mask, half);
        tiny = e < 0 || (sig >> shift) + away <= UINT64_MAX >> shift;
        sig = fpu_shr_jam(sig, 1 - e);
        e = 1; /* what a subnormal really has; its missing top bit makes the field 0 */
    }

    uint64_t rest = sig & mask;
    uint64_t mant = sig >> shift;
    if (rest != 0) {
        ctx->flags |= tiny ? FPU_UF | FPU_NX : FPU_NX;
        mant += fpu_round_away(ctx, sign, mant & 1, rest, half);
    }

    /* A carry out of the fraction runs into the exponent, which is what it should be. */
    uint64_t bits = ((uint64_t)(e - 1) << f.frac_bits) + mant;
    if (bits >= fpu_pack_inf(f, false)) {
        return fpu_overflow(ctx, f, sign);
    }
    return fpu_pack_sign(f, sign) | bits;
}

#endif
