/*
 * What the FPU's tests share: its operations by number, run every way there is, and compared.
 *
 * Floor: test of target/riscv/fpu.h; included by test-fpu.c and test-fpu-random.c.
 * Threads and locks: none.
 * Invariant: an operation is right if the soft core, the public function with no flag accrued and
 * the public function with NX accrued (it may take the host's short way) all give the same.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_UNIT_FPU_OPS_H
#define TESTS_UNIT_FPU_OPS_H

#include <glib.h>
#include <inttypes.h>

#include "target/riscv/fpu.h"

typedef enum Op {
    OP_ADD,
    OP_SUB,
    OP_MUL,
    OP_DIV,
    OP_SQRT,
    OP_FMADD,
    OP_FMSUB,
    OP_FNMSUB,
    OP_FNMADD,
    OP_CONVERT, /* to the other format; the last that yields a number */
    OP_FROM_I32,
    OP_FROM_U32,
    OP_FROM_I64,
    OP_FROM_U64,
    OP_TO_I32,
    OP_TO_U32,
    OP_TO_I64,
    OP_TO_U64,
    OP_MIN,
    OP_MAX,
    OP_EQ,
    OP_LT,
    OP_LE,
    OP_CLASS,
    OP_COUNT,
} Op;

static const char *const op_names[OP_COUNT] = {
    "add",      "sub",      "mul",      "div",      "sqrt",   "fmadd",  "fmsub",  "fnmsub",
    "fnmadd",   "convert",  "from_i32", "from_u32", "from_i64", "from_u64", "to_i32", "to_u32",
    "to_i64",   "to_u64",   "min",      "max",      "eq",     "lt",     "le",     "class",
};

/* A result and the flags that came with it. */
typedef struct Outcome {
    uint64_t bits;
    uint8_t flags;
} Outcome;

/* ---- The operations under test -------------------------------------------------------------- */

#define DEFINE_PUBLIC(FX, FY)                                                                 \
    static uint64_t public_##FX(FpuCtx *ctx, Op op, const uint64_t v[3])                      \
    {                                                                                         \
        switch (op) {                                                                         \
        case OP_ADD: return fpu_##FX##_add(ctx, v[0], v[1]);                                  \
        case OP_SUB: return fpu_##FX##_sub(ctx, v[0], v[1]);                                  \
        case OP_MUL: return fpu_##FX##_mul(ctx, v[0], v[1]);                                  \
        case OP_DIV: return fpu_##FX##_div(ctx, v[0], v[1]);                                  \
        case OP_SQRT: return fpu_##FX##_sqrt(ctx, v[0]);                                      \
        case OP_FMADD: return fpu_##FX##_fma(ctx, v[0], v[1], v[2], 0);                       \
        case OP_FMSUB: return fpu_##FX##_fma(ctx, v[0], v[1], v[2], FPU_NEG_ADDEND);          \
        case OP_FNMSUB: return fpu_##FX##_fma(ctx, v[0], v[1], v[2], FPU_NEG_PRODUCT);        \
        case OP_FNMADD:                                                                       \
            return fpu_##FX##_fma(ctx, v[0], v[1], v[2], FPU_NEG_PRODUCT | FPU_NEG_ADDEND);   \
        case OP_CONVERT: return fpu_##FX##_to_##FY(ctx, v[0]);                                \
        case OP_FROM_I32: return fpu_##FX##_from_i32(ctx, (int32_t)v[0]);                     \
        case OP_FROM_U32: return fpu_##FX##_from_u32(ctx, (uint32_t)v[0]);                    \
        case OP_FROM_I64: return fpu_##FX##_from_i64(ctx, (int64_t)v[0]);                     \
        case OP_FROM_U64: return fpu_##FX##_from_u64(ctx, v[0]);                              \
        case OP_TO_I32: return (uint32_t)fpu_##FX##_to_i32(ctx, v[0]);                        \
        case OP_TO_U32: return fpu_##FX##_to_u32(ctx, v[0]);                                  \
        case OP_TO_I64: return (uint64_t)fpu_##FX##_to_i64(ctx, v[0]);                        \
        case OP_TO_U64: return fpu_##FX##_to_u64(ctx, v[0]);                                  \
        case OP_MIN: return fpu_##FX##_min(ctx, v[0], v[1]);                                  \
        case OP_MAX: return fpu_##FX##_max(ctx, v[0], v[1]);                                  \
        case OP_EQ: return fpu_##FX##_eq(ctx, v[0], v[1]);                                    \
        case OP_LT: return fpu_##FX##_lt(ctx, v[0], v[1]);                                    \
        case OP_LE: return fpu_##FX##_le(ctx, v[0], v[1]);                                    \
        case OP_CLASS: return fpu_##FX##_class(v[0]);                                         \
        default: g_assert_not_reached();                                                      \
        }                                                                                     \
    }

/* The soft core where the public operation could go round it even with no flag accrued. */
#define DEFINE_SOFT(FX, FY)                                                                   \
    static uint64_t soft_##FX(FpuCtx *ctx, Op op, const uint64_t v[3])                        \
    {                                                                                         \
        switch (op) {                                                                         \
        case OP_CONVERT: return fpu_soft_##FX##_to_##FY(ctx, v[0]);                           \
        case OP_FROM_I32: return fpu_soft_##FX##_from_i64(ctx, (int32_t)v[0]);                \
        case OP_FROM_U32: return fpu_soft_##FX##_from_u64(ctx, (uint32_t)v[0]);               \
        case OP_FROM_I64: return fpu_soft_##FX##_from_i64(ctx, (int64_t)v[0]);                \
        case OP_FROM_U64: return fpu_soft_##FX##_from_u64(ctx, v[0]);                         \
        case OP_TO_I32: return (uint32_t)fpu_soft_##FX##_to_i32(ctx, v[0]);                   \
        case OP_TO_U32: return fpu_soft_##FX##_to_u32(ctx, v[0]);                             \
        case OP_TO_I64: return (uint64_t)fpu_soft_##FX##_to_i64(ctx, v[0]);                   \
        case OP_TO_U64: return fpu_soft_##FX##_to_u64(ctx, v[0]);                             \
        case OP_MIN: return fpu_soft_##FX##_min(ctx, v[0], v[1]);                             \
        case OP_MAX: return fpu_soft_##FX##_max(ctx, v[0], v[1]);                             \
        case OP_EQ: return fpu_soft_##FX##_eq(ctx, v[0], v[1]);                               \
        case OP_LT: return fpu_soft_##FX##_lt(ctx, v[0], v[1]);                               \
        case OP_LE: return fpu_soft_##FX##_le(ctx, v[0], v[1]);                               \
        default: return public_##FX(ctx, op, v);                                              \
        }                                                                                     \
    }

DEFINE_PUBLIC(f32, f64)
DEFINE_PUBLIC(f64, f32)
DEFINE_SOFT(f32, f64)
DEFINE_SOFT(f64, f32)

static Outcome guest(bool wide, bool soft, Op op, FpuCtx ctx, const uint64_t v[3])
{
    Outcome o;

    if (soft) {
        o.bits = wide ? soft_f64(&ctx, op, v) : soft_f32(&ctx, op, v);
    } else {
        o.bits = wide ? public_f64(&ctx, op, v) : public_f32(&ctx, op, v);
    }
    o.flags = ctx.flags;
    return o;
}

static void check(const char *what, bool wide, Op op, int rm, const uint64_t v[3], Outcome got,
                  Outcome want)
{
#if !defined(__x86_64__)
    /* Other hosts may detect tininess before rounding: their UF says nothing about ours. */
    if (rm != FPU_RMM) {
        want.flags &= ~FPU_UF;
        got.flags &= ~FPU_UF;
    }
#endif
    if (got.bits == want.bits && got.flags == want.flags) {
        return;
    }
    g_error("%s f%d %s rm %d: %#" PRIx64 " %#" PRIx64 " %#" PRIx64 " gives %#" PRIx64
            " flags %#x, want %#" PRIx64 " flags %#x",
            what, wide ? 64 : 32, op_names[op], rm, v[0], v[1], v[2], got.bits, got.flags,
            want.bits, want.flags);
}

static void check_all_ways(bool wide, Op op, int rm, const uint64_t v[3], Outcome want)
{
    FpuCtx clear = { rm, 0 }, accrued = { rm, FPU_NX };

    check("soft", wide, op, rm, v, guest(wide, true, op, clear, v), want);
    check("public", wide, op, rm, v, guest(wide, false, op, clear, v), want);
    want.flags |= FPU_NX;
    check("public, NX accrued,", wide, op, rm, v, guest(wide, false, op, accrued, v), want);
}

#endif
