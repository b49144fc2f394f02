/*
 * The soft core's arithmetic: add, multiply, divide, square root and fused multiply-add.
 *
 * Floor: lobby (target/riscv); below it fpu-core.h.
 * Threads and locks: none.
 * Invariant: each operation computes its exact result, or 64 bits of it with a sticky bit, and
 * rounds once. The host's floating point serves for the root's first estimate only.
 * Owns the arithmetic of FADD to FSQRT and FMADD to FNMADD (RISC-V unprivileged specification, F
 * and D).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <math.h>

#include "fpu-core.h"

/* The result when an operand is a NaN: canonical, and invalid if one of them signals. */
FPU_INLINE uint64_t arith_nan(FpuCtx *ctx, FpuFormat f, FpuClass a, FpuClass b)
{
    if (a == FPU_CLS_SNAN || b == FPU_CLS_SNAN) {
        ctx->flags |= FPU_NV;
    }
    return fpu_pack_nan(f);
}

FPU_INLINE bool arith_is_nan(FpuParts a, FpuParts b)
{
    return a.cls > FPU_CLS_INF || b.cls > FPU_CLS_INF;
}

/* Round v * 2^(exp - 126), v not zero, its top bit anywhere. */
FPU_INLINE uint64_t arith_round128(FpuCtx *ctx, FpuFormat f, bool sign, int exp, FpuU128 v)
{
    uint64_t hi = v >> 64;
    int lead = hi ? __builtin_clzll(hi) : 64 + __builtin_clzll((uint64_t)v);

    v <<= lead;
    hi = (uint64_t)(v >> 64) | ((uint64_t)v != 0);
    return fpu_round_pack(ctx, f, sign, exp + 1 - lead, hi);
}

/* a + b where at least one is zero, infinite or a NaN. */
FPU_INLINE uint64_t add_special(FpuCtx *ctx, FpuFormat f, FpuParts a, FpuParts b,
                                const uint64_t bits[2])
{
    if (arith_is_nan(a, b)) {
        return arith_nan(ctx, f, a.cls, b.cls);
    }
    if (a.cls == FPU_CLS_INF) {
        bool opposed = b.cls == FPU_CLS_INF && a.sign != b.sign;
        return opposed ? fpu_invalid(ctx, f) : bits[0];
    }
    if (b.cls == FPU_CLS_INF || b.cls == FPU_CLS_NORMAL) {
        return bits[1];
    }
    if (a.cls == FPU_CLS_NORMAL || a.sign == b.sign) {
        return bits[0];
    }
    return fpu_zero_sum(ctx, f);
}

FPU_INLINE uint64_t fpu_add(FpuCtx *ctx, FpuFormat f, uint64_t abits, uint64_t bbits)
{
    FpuParts a = fpu_unpack(f, abits), b = fpu_unpack(f, bbits);

    if (a.cls != FPU_CLS_NORMAL || b.cls != FPU_CLS_NORMAL) {
        return add_special(ctx, f, a, b, (const uint64_t[2]){ abits, bbits });
    }
    if (a.exp < b.exp || (a.exp == b.exp && a.sig < b.sig)) {
        FpuParts t = a;
        a = b;
        b = t;
    }

    /*
     * One bit of headroom for the carry. The operands end in zeros, so nothing is lost by it;
     * bits of b are lost only when it is so much smaller that a difference loses one leading bit
     * at most.
     */
    uint64_t sa = a.sig >> 1, sb = fpu_shr_jam(b.sig >> 1, a.exp - b.exp);
    uint64_t sum = a.sign == b.sign ? sa + sb : sa - sb;
    if (sum == 0) {
        return fpu_zero_sum(ctx, f);
    }
    int lead = __builtin_clzll(sum);
    return fpu_round_pack(ctx, f, a.sign, a.exp + 1 - lead, sum << lead);
}

FPU_INLINE uint64_t fpu_mul(FpuCtx *ctx, FpuFormat f, uint64_t abits, uint64_t bbits)
{
    FpuParts a = fpu_unpack(f, abits), b = fpu_unpack(f, bbits);
    bool sign = a.sign != b.sign;

    if (a.cls == FPU_CLS_NORMAL && b.cls == FPU_CLS_NORMAL) {
        FpuU128 p = (FpuU128)a.sig * b.sig;
        return arith_round128(ctx, f, sign, a.exp + b.exp, p);
    }
    if (arith_is_nan(a, b)) {
        return arith_nan(ctx, f, a.cls, b.cls);
    }
    if (a.cls == FPU_CLS_INF || b.cls == FPU_CLS_INF) {
        bool by_zero = a.cls == FPU_CLS_ZERO || b.cls == FPU_CLS_ZERO;
        return by_zero ? fpu_invalid(ctx, f) : fpu_pack_inf(f, sign);
    }
    return fpu_pack_sign(f, sign);
}

/* a / b where at least one is zero, infinite or a NaN. */
FPU_INLINE uint64_t div_special(FpuCtx *ctx, FpuFormat f, FpuParts a, FpuParts b)
{
    bool sign = a.sign != b.sign;

    if (arith_is_nan(a, b)) {
        return arith_nan(ctx, f, a.cls, b.cls);
    }
    if (a.cls == b.cls) {
        return fpu_invalid(ctx, f); /* 0 / 0 or inf / inf */
    }
    if (a.cls == FPU_CLS_INF) {
        return fpu_pack_inf(f, sign);
    }
    if (b.cls == FPU_CLS_ZERO) {
        ctx->flags |= FPU_DZ;
        return fpu_pack_inf(f, sign);
    }
    return fpu_pack_sign(f, sign);
}

FPU_INLINE uint64_t fpu_div(FpuCtx *ctx, FpuFormat f, uint64_t abits, uint64_t bbits)
{
    FpuParts a = fpu_unpack(f, abits), b = fpu_unpack(f, bbits);

    if (a.cls != FPU_CLS_NORMAL || b.cls != FPU_CLS_NORMAL) {
        return div_special(ctx, f, a, b);
    }
    /* Scale the dividend so that the quotient has exactly 64 bits. */
    bool less = a.sig < b.sig;
    FpuU128 n = (FpuU128)a.sig << (less ? 64 : 63);
    uint64_t q = n / b.sig;
    bool inexact = n != (FpuU128)q * b.sig;
    return fpu_round_pack(ctx, f, a.sign != b.sign, a.exp - b.exp - less, q | inexact);
}

/*
 * The 62-bit integer root of n, 2^122 <= n < 2^124, whose double approximation is @approx; *exact
 * tells whether it is one. The host's root is off by 2^10 at most; one Newton step on the exact
 * remainder leaves an error of a unit or so, which the loops take away.
 */
static int64_t arith_root(FpuU128 n, double approx, bool *exact)
{
    int64_t r = (int64_t)sqrt(approx);
    __int128 rest = (__int128)n - (__int128)r * r;

    r += (int64_t)(rest >> 16) / (r >> 15);
    rest = (__int128)n - (__int128)r * r;
    while (rest < 0) {
        r--;
        rest += 2 * (__int128)r + 1;
    }
    while (rest > 2 * (__int128)r) {
        rest -= 2 * (__int128)r + 1;
        r++;
    }
    *exact = rest == 0;
    return r;
}

FPU_INLINE uint64_t fpu_sqrt(FpuCtx *ctx, FpuFormat f, uint64_t abits)
{
    FpuParts a = fpu_unpack(f, abits);

    if (a.cls > FPU_CLS_INF) {
        return arith_nan(ctx, f, a.cls, a.cls);
    }
    if (a.cls == FPU_CLS_ZERO) {
        return abits; /* the root of -0 is -0 */
    }
    if (a.sign) {
        return fpu_invalid(ctx, f);
    }
    if (a.cls == FPU_CLS_INF) {
        return abits;
    }
    /* Make the exponent even; >> on it rounds down, as wanted for negative ones. */
    bool odd = a.exp & 1;
    bool exact;
    int64_t root = arith_root((FpuU128)a.sig << (odd ? 60 : 59),
                              (double)a.sig * (odd ? 0x1p60 : 0x1p59), &exact);
    return fpu_round_pack(ctx, f, false, a.exp >> 1, (uint64_t)root << 2 | !exact);
}

/* a * b + c where at least one is zero, infinite or a NaN, but not c = 0 alone. */
FPU_INLINE uint64_t fma_special(FpuCtx *ctx, FpuFormat f, const FpuParts p[3], uint64_t cbits)
{
    FpuParts a = p[0], b = p[1], c = p[2];
    bool sign = a.sign != b.sign;
    bool inf = a.cls == FPU_CLS_INF || b.cls == FPU_CLS_INF;
    bool zero = a.cls == FPU_CLS_ZERO || b.cls == FPU_CLS_ZERO;

    if (inf && zero) {
        return fpu_invalid(ctx, f); /* even if c is a quiet NaN (F, FMADD) */
    }
    if (arith_is_nan(a, b) || c.cls > FPU_CLS_INF) {
        arith_nan(ctx, f, a.cls, b.cls);
        return arith_nan(ctx, f, c.cls, c.cls);
    }
    if (inf) {
        bool opposed = c.cls == FPU_CLS_INF && c.sign != sign;
        return opposed ? fpu_invalid(ctx, f) : fpu_pack_inf(f, sign);
    }
    if (c.cls != FPU_CLS_ZERO || c.sign == sign) {
        return cbits; /* infinite, or the product is zero */
    }
    return fpu_zero_sum(ctx, f);
}

/*
 * Add two non-zero significands with the top bit at 126 and round. As in fpu_add(), low zeros (22
 * of the product's, 74 of the addend's) make sure that lost bits and lost leading bits never
 * meet.
 */
FPU_INLINE uint64_t fma_sum(FpuCtx *ctx, FpuFormat f, FpuU128 prod, FpuParts p, FpuParts c)
{
    FpuU128 add = (FpuU128)c.sig << 63;

    if (p.exp < c.exp || (p.exp == c.exp && prod < add)) {
        FpuU128 t = add;
        add = fpu_shr_jam128(prod, c.exp - p.exp);
        prod = t;
        FpuParts s = p;
        p = c;
        c = s;
    } else {
        add = fpu_shr_jam128(add, p.exp - c.exp);
    }
    FpuU128 sum = p.sign == c.sign ? prod + add : prod - add;
    if (sum == 0) {
        return fpu_zero_sum(ctx, f);
    }
    return arith_round128(ctx, f, p.sign, p.exp, sum);
}

FPU_INLINE uint64_t fpu_fma(FpuCtx *ctx, FpuFormat f, uint64_t abits, uint64_t bbits,
                            uint64_t cbits)
{
    FpuParts a = fpu_unpack(f, abits), b = fpu_unpack(f, bbits), c = fpu_unpack(f, cbits);

    if (a.cls != FPU_CLS_NORMAL || b.cls != FPU_CLS_NORMAL || c.cls > FPU_CLS_NORMAL) {
        return fma_special(ctx, f, (const FpuParts[3]){ a, b, c }, cbits);
    }
    FpuU128 prod = (FpuU128)a.sig * b.sig;
    FpuParts p = { .sign = a.sign != b.sign, .exp = a.exp + b.exp };
    if (c.cls == FPU_CLS_ZERO) {
        return arith_round128(ctx, f, p.sign, p.exp, prod);
    }
    if (prod >> 127) {
        prod >>= 1;
        p.exp++;
    }
    return fma_sum(ctx, f, prod, p, c);
}

uint32_t fpu_soft_f32_add(FpuCtx *ctx, uint32_t a, uint32_t b)
{
    return fpu_add(ctx, fpu_f32, a, b);
}

uint64_t fpu_soft_f64_add(FpuCtx *ctx, uint64_t a, uint64_t b)
{
    return fpu_add(ctx, fpu_f64, a, b);
}

uint32_t fpu_soft_f32_mul(FpuCtx *ctx, uint32_t a, uint32_t b)
{
    return fpu_mul(ctx, fpu_f32, a, b);
}

uint64_t fpu_soft_f64_mul(FpuCtx *ctx, uint64_t a, uint64_t b)
{
    return fpu_mul(ctx, fpu_f64, a, b);
}

uint32_t fpu_soft_f32_div(FpuCtx *ctx, uint32_t a, uint32_t b)
{
    return fpu_div(ctx, fpu_f32, a, b);
}

uint64_t fpu_soft_f64_div(FpuCtx *ctx, uint64_t a, uint64_t b)
{
    return fpu_div(ctx, fpu_f64, a, b);
}

uint32_t fpu_soft_f32_sqrt(FpuCtx *ctx, uint32_t a)
{
    return fpu_sqrt(ctx, fpu_f32, a);
}

uint64_t fpu_soft_f64_sqrt(FpuCtx *ctx, uint64_t a)
{
    return fpu_sqrt(ctx, fpu_f64, a);
}

uint32_t fpu_soft_f32_fma(FpuCtx *ctx, uint32_t a, uint32_t b, uint32_t c)
{
    return fpu_fma(ctx, fpu_f32, a, b, c);
}

uint64_t fpu_soft_f64_fma(FpuCtx *ctx, uint64_t a, uint64_t b, uint64_t c)
{
    return fpu_fma(ctx, fpu_f64, a, b, c);
}
