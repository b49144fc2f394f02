/*
 * The FPU against the host's: every operation, mode and format on random operands.
 *
 * Floor: test of target/riscv/fpu.h.
 * Threads and locks: one thread; it changes the host's rounding mode around the reference only.
 * Invariant: the reference shares no code with what it tests. For RNE, RTZ, RDN and RUP it is the
 * host in that mode with its exception flags; for RMM, which hosts lack, the choice between the two
 * neighbours of the result is made in long double.
 *
 * GODWIT_FPU_ITERATIONS (operands an operation, mode and format) and GODWIT_FPU_SEED change the
 * defaults below.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <fenv.h>

#include "fpu-ops.h"

#define DEFAULT_ITERATIONS 25000
#define DEFAULT_SEED 0x600d3175eedULL

static uint64_t rng_state;

static uint64_t rng(void)
{
    rng_state ^= rng_state << 13;
    rng_state ^= rng_state >> 7;
    rng_state ^= rng_state << 17;
    return rng_state * 0x2545f4914f6cdd1dULL;
}

/* ---- The reference: the host, and long double for RMM --------------------------------------- */

/* IEEE properties of a bit pattern, by format. */
static bool is_nan(bool wide, uint64_t a)
{
    return wide ? a << 1 > 0xffe0000000000000ULL : (uint32_t)a << 1 > 0xff000000u;
}

static bool is_snan(bool wide, uint64_t a)
{
    return is_nan(wide, a) && !(a >> (wide ? 51 : 22) & 1);
}

static long double value(bool wide, uint64_t a)
{
    return wide ? (long double)fpu_f64_host(a) : (long double)fpu_f32_host((uint32_t)a);
}

static uint64_t bits_of(bool wide, long double x)
{
    volatile double d;
    volatile float f;

    if (wide) {
        d = x;
        return fpu_f64_bits(d);
    }
    f = x;
    return fpu_f32_bits(f);
}

static uint64_t canonical(bool wide, uint64_t bits)
{
    return !is_nan(wide, bits) ? bits : wide ? FPU_F64_NAN : FPU_F32_NAN;
}

static const int host_modes[] = { FE_TONEAREST, FE_TOWARDZERO, FE_DOWNWARD, FE_UPWARD };

static uint8_t host_flags(void)
{
    int fe = fetestexcept(FE_ALL_EXCEPT);

    return (fe & FE_INEXACT ? FPU_NX : 0) | (fe & FE_UNDERFLOW ? FPU_UF : 0)
        | (fe & FE_OVERFLOW ? FPU_OF : 0) | (fe & FE_DIVBYZERO ? FPU_DZ : 0)
        | (fe & FE_INVALID ? FPU_NV : 0);
}

/* volatile, so that the operation happens between setting the mode and reading the flags. */
#define DEFINE_HOST(NAME, TYPE, SQRT, FMA)                                                    \
    static TYPE NAME(Op op, const volatile TYPE v[3])                                         \
    {                                                                                         \
        volatile TYPE r;                                                                      \
        switch (op) {                                                                         \
        case OP_ADD: r = v[0] + v[1]; break;                                                  \
        case OP_SUB: r = v[0] - v[1]; break;                                                  \
        case OP_MUL: r = v[0] * v[1]; break;                                                  \
        case OP_DIV: r = v[0] / v[1]; break;                                                  \
        case OP_SQRT: r = SQRT(v[0]); break;                                                  \
        case OP_FMADD: r = FMA(v[0], v[1], v[2]); break;                                      \
        case OP_FMSUB: r = FMA(v[0], v[1], -v[2]); break;                                     \
        case OP_FNMSUB: r = FMA(-v[0], v[1], v[2]); break;                                    \
        case OP_FNMADD: r = FMA(-v[0], v[1], -v[2]); break;                                   \
        default: g_assert_not_reached();                                                      \
        }                                                                                     \
        return r;                                                                             \
    }

DEFINE_HOST(host_f32, float, sqrtf, fmaf)
DEFINE_HOST(host_f64, double, sqrt, fma)
DEFINE_HOST(host_wide, long double, sqrtl, fmal)

/* From an integer or the other format: the host converts long double, which holds them all. */
static long double exact_operand(bool wide, Op op, uint64_t a)
{
    switch (op) {
    case OP_FROM_I32:
        return (int32_t)a;
    case OP_FROM_U32:
        return (uint32_t)a;
    case OP_FROM_I64:
        return (int64_t)a;
    case OP_FROM_U64:
        return a;
    default:
        return value(wide, a);
    }
}

static Outcome host_number(bool wide, Op op, int mode, const uint64_t v[3])
{
    volatile float f[3] = { fpu_f32_host(v[0]), fpu_f32_host(v[1]), fpu_f32_host(v[2]) };
    volatile double d[3] = { fpu_f64_host(v[0]), fpu_f64_host(v[1]), fpu_f64_host(v[2]) };
    bool to_wide = op == OP_CONVERT ? !wide : wide;
    volatile long double x = op > OP_FNMADD ? exact_operand(wide, op, v[0]) : 0;
    Outcome o;

    fesetround(mode);
    feclearexcept(FE_ALL_EXCEPT);
    if (op > OP_FNMADD) {
        o.bits = bits_of(to_wide, x);
    } else if (wide) {
        o.bits = fpu_f64_bits(host_f64(op, d));
    } else {
        o.bits = fpu_f32_bits(host_f32(op, f));
    }
    o.flags = host_flags();
    fesetround(FE_TONEAREST);
    o.bits = canonical(to_wide, o.bits);

    /* Not left to the host: what C and the host make of a NaN on the way. */
    bool product = op >= OP_FMADD && op <= OP_FNMADD;
    long double p = value(wide, v[0]) * (product ? value(wide, v[1]) : 0);
    if (product && isnan(p) && !is_nan(wide, v[0]) && !is_nan(wide, v[1])) {
        o.flags |= FPU_NV;
    }
    if (op == OP_CONVERT && is_nan(wide, v[0])) {
        o.flags = is_snan(wide, v[0]) ? FPU_NV : 0;
    }
    return o;
}

/* RMM, given the outcome in RNE: only inexact ones differ, and those lie between two neighbours. */
static Outcome rmm_number(bool wide, Op op, const uint64_t v[3], Outcome near)
{
    volatile long double w[3] = { value(wide, v[0]), value(wide, v[1]), value(wide, v[2]) };
    bool to_wide = op == OP_CONVERT ? !wide : wide;
    long double least = to_wide ? 0x1p-1022L : 0x1p-126L;
    uint64_t inf = to_wide ? 0x7ff0000000000000ULL : 0x7f800000u;
    uint64_t sign = to_wide ? FPU_F64_SIGN : FPU_F32_SIGN;
    Outcome o = { .flags = FPU_NX };

    if (!(near.flags & FPU_NX)) {
        return near;
    }
    /* Truncated, no bit is lost that could change a comparison with a number of fewer bits. */
    fesetround(FE_TOWARDZERO);
    volatile long double x = op > OP_FNMADD ? exact_operand(wide, op, v[0]) : host_wide(op, w);
    fesetround(FE_TONEAREST);

    o.bits = host_number(wide, op, FE_TOWARDZERO, v).bits;
    long double low = fabsl(value(to_wide, o.bits)), abs = fabsl(x);
    long double high = fabsl(value(to_wide, o.bits + 1));
    if ((o.bits & ~sign) + 1 == inf) {
        high = to_wide ? 0x1p1024L : 0x1p128L;
    }
    if (abs - low >= high - abs) {
        o.bits++;
    }
    if ((o.bits & ~sign) == inf) {
        o.flags |= FPU_OF;
    }
    if (abs < least * (1 - (to_wide ? 0x1p-54L : 0x1p-25L))) {
        o.flags |= FPU_UF;
    }
    return o;
}

static Outcome ref_to_int(bool wide, Op op, int rm, uint64_t a)
{
    static const long double lows[] = { -0x1p31L, 0, -0x1p63L, 0 };
    static const long double limits[] = { 0x1p31L, 0x1p32L, 0x1p63L, 0x1p64L };
    long double low = lows[op - OP_TO_I32], limit = limits[op - OP_TO_I32];
    volatile long double x = value(wide, a), whole;
    Outcome o = { .flags = FPU_NV };

    if (rm == FPU_RMM) {
        whole = roundl(x);
    } else {
        fesetround(host_modes[rm]);
        whole = rintl(x);
        fesetround(FE_TONEAREST);
    }
    if (whole >= low && whole < limit) {
        o.flags = whole != x ? FPU_NX : 0;
        o.bits = low < 0 ? (uint64_t)(int64_t)whole : (uint64_t)whole;
    } else if (whole < 0) {
        o.bits = low < 0 ? (uint64_t)(int64_t)low : 0;
    } else {
        o.bits = (uint64_t)(limit - 1);
    }
    if (limit <= 0x1p32L) {
        o.bits = (uint32_t)o.bits;
    }
    return o;
}

static Outcome ref_compare(bool wide, Op op, uint64_t a, uint64_t b)
{
    long double x = value(wide, a), y = value(wide, b);
    bool nan = isnan(x) || isnan(y);
    bool signals = is_snan(wide, a) || is_snan(wide, b);
    bool less = x < y || (x == y && signbit(x) && !signbit(y));
    Outcome o = { .flags = signals ? FPU_NV : 0 };

    switch (op) {
    case OP_MIN:
        o.bits = canonical(wide, isnan(y) || less ? a : b);
        o.bits = isnan(x) ? canonical(wide, b) : o.bits;
        break;
    case OP_MAX:
        o.bits = canonical(wide, isnan(y) || (!isnan(x) && !less) ? a : b);
        o.bits = isnan(x) ? canonical(wide, b) : o.bits;
        break;
    case OP_EQ:
        o.bits = x == y;
        break;
    default:
        o.bits = op == OP_LT ? x < y : x <= y;
        o.flags = nan ? FPU_NV : 0;
        break;
    }
    return o;
}

static Outcome ref_class(bool wide, uint64_t a)
{
    long double x = value(wide, a);
    int kind = wide ? fpclassify(fpu_f64_host(a)) : fpclassify(fpu_f32_host((uint32_t)a));
    int rank = kind == FP_INFINITE ? 3 : kind == FP_NORMAL ? 2 : kind == FP_SUBNORMAL;

    if (kind == FP_NAN) {
        return (Outcome){ .bits = is_snan(wide, a) ? 1 << 8 : 1 << 9 };
    }
    return (Outcome){ .bits = 1u << (signbit(x) ? 3 - rank : 4 + rank) };
}

static Outcome reference(bool wide, Op op, int rm, const uint64_t v[3])
{
    if (op == OP_CLASS) {
        return ref_class(wide, v[0]);
    }
    if (op >= OP_MIN) {
        return ref_compare(wide, op, v[0], v[1]);
    }
    if (op >= OP_TO_I32) {
        return ref_to_int(wide, op, rm, v[0]);
    }
    if (rm == FPU_RMM) {
        return rmm_number(wide, op, v, host_number(wide, op, FE_TONEAREST, v));
    }
    return host_number(wide, op, host_modes[rm], v);
}

/* ---- Random comparison ---------------------------------------------------------------------- */

/* A number from a biased exponent, clamped to the format, and a fraction of 64 bits. */
static uint64_t make(bool wide, bool sign, int e, uint64_t frac)
{
    int fbits = wide ? 52 : 23, top = wide ? 0x7ff : 0xff;

    e = CLAMP(e, 0, top);
    return (uint64_t)sign << (wide ? 63 : 31) | (uint64_t)e << fbits | frac >> (64 - fbits);
}

/* Fractions where rounding is decided: zeros, ones, few bits, the lower half clear, or any. */
static uint64_t random_fraction(void)
{
    switch (rng() % 8) {
    case 0:
        return 0;
    case 1:
        return UINT64_MAX << (rng() % 64);
    case 2:
        return 1ULL << (rng() % 64) | 1ULL << (rng() % 64);
    case 3:
        return rng() & UINT64_MAX << 32;
    case 4:
        return rng() << (rng() % 64);
    case 5:
        return rng() & UINT64_MAX << 40;
    default:
        return rng();
    }
}

/* A biased exponent near @around, or near one of the places where something happens. */
static int random_exponent(bool wide, int around)
{
    int bias = wide ? 1023 : 127;
    const int near[] = { 0, bias, 2 * bias + 1, bias + 31, bias + 63, 1023 - 127, 1023 + 127 };

    switch (rng() % 8) {
    case 0:
    case 1:
        return near[rng() % G_N_ELEMENTS(near)] + (int)(rng() % 5) - 2;
    case 2:
        return (int)(rng() % (2 * bias + 2));
    case 3:
        return around + (int)(rng() % 140) - 70;
    default:
        return around + (int)(rng() % 9) - 4;
    }
}

/* Operands that meet each other in magnitude, or whose result lies at the limits. */
static void random_operands(bool wide, Op op, uint64_t v[3])
{
    int bias = wide ? 1023 : 127, fbits = wide ? 52 : 23;
    int e[3];

    e[0] = random_exponent(wide, bias);
    e[1] = random_exponent(wide, e[0]);
    if (rng() % 2 && op >= OP_MUL && op <= OP_FNMADD) {
        int target = rng() % 2 ? 0 : rng() % 2 ? 2 * bias : -fbits;
        e[1] = op == OP_DIV ? e[0] + bias - target : target + bias - e[0];
        e[1] += (int)(rng() % 5) - 2;
    }
    e[2] = random_exponent(wide, e[0] + e[1] - bias);
    for (int i = 0; i < 3; i++) {
        v[i] = make(wide, rng() & 1, e[i], random_fraction());
    }
    if (rng() % 8 == 0) {
        v[1] = v[0] ^ (rng() % 2 ? 1 : 0) ^ (rng() % 2 ? make(wide, true, 0, 0) : 0);
    }
    if (op >= OP_FROM_I32 && op <= OP_FROM_U64) {
        v[0] = random_fraction() >> (rng() % 64);
        v[0] = rng() % 2 ? v[0] : -v[0];
    }
}

static uint64_t setting(const char *name, uint64_t fallback)
{
    const char *text = g_getenv(name);

    return text ? g_ascii_strtoull(text, NULL, 0) : fallback;
}

static void test_random(gconstpointer data)
{
    Op op = GPOINTER_TO_INT(data) / 2;
    bool wide = GPOINTER_TO_INT(data) % 2;
    uint64_t iterations = setting("GODWIT_FPU_ITERATIONS", DEFAULT_ITERATIONS);
    uint64_t seed = setting("GODWIT_FPU_SEED", DEFAULT_SEED);

    g_test_message("seed %#" PRIx64 ", %" PRIu64 " operands a mode", seed, iterations);
    rng_state = (seed ^ (uint64_t)GPOINTER_TO_INT(data) << 56) | 1;
    for (uint64_t i = 0; i < iterations; i++) {
        uint64_t v[3];
        random_operands(wide, op, v);
        for (int rm = FPU_RNE; rm <= FPU_RMM; rm++) {
            if (rm == FPU_RMM && LDBL_MANT_DIG < 64) {
                continue; /* no long double to judge by */
            }
            check_all_ways(wide, op, rm, v, reference(wide, op, rm, v));
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (int op = 0; op < OP_COUNT; op++) {
        for (int wide = 0; wide < 2; wide++) {
            g_autofree char *path =
                g_strdup_printf("/fpu/random/f%d/%s", wide ? 64 : 32, op_names[op]);
            g_test_add_data_func(path, GINT_TO_POINTER(op * 2 + wide), test_random);
        }
    }
    return g_test_run();
}
