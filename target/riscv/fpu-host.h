/*
 * The host's binary32 and binary64: bit patterns to numbers and back, and when results may stand.
 *
 * Floor: lobby (target/riscv), included by fpu-fast.h only.
 * Threads and locks: none.
 * Invariant: a host that does not compute in exactly these two formats does not compile this.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TARGET_RISCV_FPU_HOST_H
#define TARGET_RISCV_FPU_HOST_H

#include <float.h>
#include <math.h>
#include <string.h>

#include "fpu.h"

_Static_assert(FLT_EVAL_METHOD == 0, "host arithmetic must round to the type of its operands");
_Static_assert(FLT_MANT_DIG == 24 && DBL_MANT_DIG == 53, "host formats must be IEEE 754's");
#ifdef __FAST_MATH__
#error "the FPU needs IEEE arithmetic: do not compile with -ffast-math"
#endif

#define FPU_LIKELY(x) __builtin_expect(!!(x), 1)

static inline float fpu_f32_host(uint32_t a)
{
    float f;

    memcpy(&f, &a, sizeof(f));
    return f;
}

static inline uint32_t fpu_f32_bits(float f)
{
    uint32_t a;

    memcpy(&a, &f, sizeof(a));
    return a;
}

static inline double fpu_f64_host(uint64_t a)
{
    double d;

    memcpy(&d, &a, sizeof(d));
    return d;
}

static inline uint64_t fpu_f64_bits(double d)
{
    uint64_t a;

    memcpy(&a, &d, sizeof(a));
    return a;
}

/* May a rounded result of the host stand, as far as mode and NX go? */
static inline bool fpu_fast_ok(const FpuCtx *ctx)
{
    return FPU_LIKELY(ctx->rm == FPU_RNE && (ctx->flags & FPU_NX));
}

/*
 * Is the C library's fma() an instruction? It is right everywhere, but slower than the soft core
 * where it is not: x86-64 hosts before FMA3, and virtual machines that hide it.
 */
static inline bool fpu_host_has_fma(void)
{
#if defined(FP_FAST_FMA) || defined(__ARM_FEATURE_FMA)
    return true;
#elif defined(__x86_64__)
    return __builtin_cpu_supports("fma");
#else
    return false;
#endif
}

static inline bool fpu_f32_finite(uint32_t a)
{
    return FPU_LIKELY((a << 1) < 0xffu << 24);
}

static inline bool fpu_f64_finite(uint64_t a)
{
    return FPU_LIKELY((a << 1) < 0x7ffull << 53);
}

/* Exponent field from 2 up to the greatest finite one. */
static inline bool fpu_f32_safe(uint32_t a)
{
    return FPU_LIKELY((a << 1) - (2u << 24) < 0xfdu << 24);
}

static inline bool fpu_f64_safe(uint64_t a)
{
    return FPU_LIKELY((a << 1) - (2ull << 53) < 0x7fdull << 53);
}

static inline bool fpu_f32_zero(uint32_t a)
{
    return (a << 1) == 0;
}

static inline bool fpu_f64_zero(uint64_t a)
{
    return (a << 1) == 0;
}

#endif
