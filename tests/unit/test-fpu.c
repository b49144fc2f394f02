/*
 * The FPU on hand-picked operands: ties, limits, zeros, infinities and NaNs, with the flags.
 *
 * Floor: test of target/riscv/fpu.h.
 * Threads and locks: none.
 * Invariant: what is expected here is worked out by hand from IEEE 754-2008 and the RISC-V
 * unprivileged specification, chapters F and D, not taken from any implementation.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <fenv.h>

#include "fpu-ops.h"

typedef struct Vector {
    Op op;
    int rm;
    uint64_t v[3];
    Outcome want;
} Vector;

#define D_ONE 0x3ff0000000000000ULL
#define D_TWO 0x4000000000000000ULL
#define D_INF 0x7ff0000000000000ULL
#define D_MAX 0x7fefffffffffffffULL
#define D_MIN 0x0010000000000000ULL /* the least normal number */
#define D_NEG FPU_F64_SIGN
#define D_QNAN 0xfff8000000001234ULL
#define D_SNAN 0x7ff0000000000001ULL
#define D_NAN FPU_F64_NAN
#define D_HALF_ULP 0x3ca0000000000000ULL /* 2^-53: half a unit in the last place of 1 */

static const Vector vectors_f64[] = {
    /* Ties and their neighbours: 1 + 2^-53, and with an odd last bit. */
    { OP_ADD, FPU_RNE, { D_ONE, D_HALF_ULP }, { D_ONE, FPU_NX } },
    { OP_ADD, FPU_RNE, { D_ONE + 1, D_HALF_ULP }, { D_ONE + 2, FPU_NX } },
    { OP_ADD, FPU_RNE, { D_ONE, D_HALF_ULP + 1 }, { D_ONE + 1, FPU_NX } },
    { OP_ADD, FPU_RTZ, { D_ONE, D_HALF_ULP }, { D_ONE, FPU_NX } },
    { OP_ADD, FPU_RDN, { D_ONE, D_HALF_ULP }, { D_ONE, FPU_NX } },
    { OP_ADD, FPU_RUP, { D_ONE, D_HALF_ULP }, { D_ONE + 1, FPU_NX } },
    { OP_ADD, FPU_RUP, { D_ONE, 1 }, { D_ONE + 1, FPU_NX } },
    { OP_ADD, FPU_RMM, { D_ONE, D_HALF_ULP }, { D_ONE + 1, FPU_NX } },
    { OP_ADD, FPU_RMM, { D_NEG | D_ONE, D_NEG | D_HALF_ULP }, { D_NEG | (D_ONE + 1), FPU_NX } },
    { OP_ADD, FPU_RMM, { D_ONE, D_HALF_ULP - 1 }, { D_ONE, FPU_NX } },
    { OP_SUB, FPU_RDN, { D_ONE, 1 }, { D_ONE - 1, FPU_NX } },
    /* Zeros: exact cancellation is -0 when rounding down only. */
    { OP_ADD, FPU_RNE, { D_ONE, D_NEG | D_ONE }, { 0, 0 } },
    { OP_ADD, FPU_RDN, { D_ONE, D_NEG | D_ONE }, { D_NEG, 0 } },
    { OP_ADD, FPU_RNE, { D_NEG, D_NEG }, { D_NEG, 0 } },
    { OP_ADD, FPU_RMM, { 0, D_NEG }, { 0, 0 } },
    { OP_SUB, FPU_RDN, { 0, 0 }, { D_NEG, 0 } },
    { OP_SUB, FPU_RNE, { D_NEG, 0 }, { D_NEG, 0 } },
    { OP_FMADD, FPU_RDN, { D_ONE, D_ONE, D_NEG | D_ONE }, { D_NEG, 0 } },
    { OP_FNMADD, FPU_RNE, { 0, D_ONE, 0 }, { D_NEG, 0 } },
    /* Subnormals are exact in sums. */
    { OP_ADD, FPU_RNE, { D_MIN - 1, 1 }, { D_MIN, 0 } },
    { OP_SUB, FPU_RNE, { D_MIN, 1 }, { D_MIN - 1, 0 } },
    /* Overflow, by mode and sign. */
    { OP_ADD, FPU_RNE, { D_MAX, D_MAX }, { D_INF, FPU_OF | FPU_NX } },
    { OP_ADD, FPU_RTZ, { D_MAX, D_MAX }, { D_MAX, FPU_OF | FPU_NX } },
    { OP_ADD, FPU_RDN, { D_MAX, D_MAX }, { D_MAX, FPU_OF | FPU_NX } },
    { OP_ADD, FPU_RUP, { D_MAX, D_MAX }, { D_INF, FPU_OF | FPU_NX } },
    { OP_ADD, FPU_RMM, { D_MAX, D_MAX }, { D_INF, FPU_OF | FPU_NX } },
    { OP_MUL, FPU_RDN, { D_MAX, D_NEG | D_TWO }, { D_NEG | D_INF, FPU_OF | FPU_NX } },
    { OP_MUL, FPU_RUP, { D_MAX, D_NEG | D_TWO }, { D_NEG | D_MAX, FPU_OF | FPU_NX } },
    { OP_ADD, FPU_RTZ, { D_MAX, D_ONE }, { D_MAX, FPU_NX } },
    { OP_ADD, FPU_RUP, { D_MAX, D_ONE }, { D_INF, FPU_OF | FPU_NX } },
    /* Underflow, least normal number MIN: MIN * (1 - 2^-53) has 53 bits and is tiny ... */
    { OP_MUL, FPU_RNE, { D_MIN, D_ONE - 1 }, { D_MIN, FPU_UF | FPU_NX } },
    /* ... MIN * (1 - 2^-54) and MIN * (1 - 2^-55) round up to MIN at 53 bits, unless truncated. */
    { OP_FMADD, FPU_RNE, { D_MIN, D_NEG | 0x3c9ULL << 52, D_MIN }, { D_MIN, FPU_NX } },
    { OP_FMADD, FPU_RNE, { D_MIN, D_NEG | 0x3c8ULL << 52, D_MIN }, { D_MIN, FPU_NX } },
    { OP_FMADD, FPU_RUP, { D_MIN, D_NEG | 0x3c8ULL << 52, D_MIN }, { D_MIN, FPU_NX } },
    { OP_FMADD, FPU_RMM, { D_MIN, D_NEG | 0x3c9ULL << 52, D_MIN }, { D_MIN, FPU_NX } },
    { OP_FMADD, FPU_RTZ, { D_MIN, D_NEG | 0x3c8ULL << 52, D_MIN }, { D_MIN - 1, FPU_UF | FPU_NX } },
    { OP_MUL, FPU_RNE, { 1, 0x3fe0000000000000ULL }, { 0, FPU_UF | FPU_NX } },
    { OP_MUL, FPU_RMM, { 1, 0x3fe0000000000000ULL }, { 1, FPU_UF | FPU_NX } },
    { OP_MUL, FPU_RUP, { 1, 1 }, { 1, FPU_UF | FPU_NX } },
    { OP_MUL, FPU_RDN, { 1, D_NEG | 1 }, { D_NEG | 1, FPU_UF | FPU_NX } },
    { OP_MUL, FPU_RNE, { 2, 0x3fe0000000000000ULL }, { 1, 0 } },
    { OP_DIV, FPU_RNE, { D_MIN, D_TWO }, { D_MIN >> 1, 0 } },
    /* Infinities, invalid operations, NaNs. */
    { OP_SUB, FPU_RNE, { D_INF, D_INF }, { D_NAN, FPU_NV } },
    { OP_ADD, FPU_RNE, { D_INF, D_INF }, { D_INF, 0 } },
    { OP_ADD, FPU_RNE, { D_QNAN, D_INF }, { D_NAN, 0 } },
    { OP_ADD, FPU_RNE, { D_ONE, D_SNAN }, { D_NAN, FPU_NV } },
    { OP_MUL, FPU_RNE, { 0, D_INF }, { D_NAN, FPU_NV } },
    { OP_DIV, FPU_RNE, { 0, D_NEG }, { D_NAN, FPU_NV } },
    { OP_DIV, FPU_RNE, { D_INF, D_NEG | D_INF }, { D_NAN, FPU_NV } },
    { OP_DIV, FPU_RNE, { D_ONE, D_NEG }, { D_NEG | D_INF, FPU_DZ } },
    { OP_DIV, FPU_RNE, { D_INF, 0 }, { D_INF, 0 } },
    { OP_DIV, FPU_RNE, { D_ONE, D_INF }, { 0, 0 } },
    { OP_SQRT, FPU_RNE, { D_NEG | D_ONE }, { D_NAN, FPU_NV } },
    { OP_SQRT, FPU_RNE, { D_NEG }, { D_NEG, 0 } },
    { OP_SQRT, FPU_RNE, { D_INF }, { D_INF, 0 } },
    { OP_SQRT, FPU_RNE, { D_NEG | D_INF }, { D_NAN, FPU_NV } },
    { OP_SQRT, FPU_RNE, { D_TWO }, { 0x3ff6a09e667f3bcdULL, FPU_NX } },
    { OP_SQRT, FPU_RTZ, { D_TWO }, { 0x3ff6a09e667f3bccULL, FPU_NX } },
    { OP_SQRT, FPU_RNE, { 4 }, { 0x1e70000000000000ULL, 0 } },
    { OP_FMADD, FPU_RNE, { D_INF, 0, D_QNAN }, { D_NAN, FPU_NV } },
    { OP_FMADD, FPU_RNE, { D_QNAN, 0, D_INF }, { D_NAN, 0 } },
    { OP_FMADD, FPU_RNE, { D_ONE, D_ONE, D_SNAN }, { D_NAN, FPU_NV } },
    { OP_FMADD, FPU_RNE, { D_INF, D_ONE, D_NEG | D_INF }, { D_NAN, FPU_NV } },
    { OP_FMSUB, FPU_RNE, { D_INF, D_ONE, D_NEG | D_INF }, { D_INF, 0 } },
    { OP_FNMSUB, FPU_RNE, { D_INF, D_ONE, D_INF }, { D_NAN, FPU_NV } },
    /* Signs of the fused four: 1 * 2 with 1. */
    { OP_FMADD, FPU_RNE, { D_ONE, D_TWO, D_ONE }, { 0x4008000000000000ULL, 0 } },
    { OP_FMSUB, FPU_RNE, { D_ONE, D_TWO, D_ONE }, { D_ONE, 0 } },
    { OP_FNMSUB, FPU_RNE, { D_ONE, D_TWO, D_ONE }, { D_NEG | D_ONE, 0 } },
    { OP_FNMADD, FPU_RNE, { D_ONE, D_TWO, D_ONE }, { 0xc008000000000000ULL, 0 } },
    /* One rounding: (1 + 2^-52)^2 - (1 + 2^-51) leaves 2^-104. */
    { OP_FMSUB, FPU_RNE, { D_ONE + 1, D_ONE + 1, D_ONE + 2 }, { 0x3970000000000000ULL, 0 } },
    /* Minimum, maximum, comparison. */
    { OP_MIN, FPU_RNE, { 0, D_NEG }, { D_NEG, 0 } },
    { OP_MAX, FPU_RNE, { D_NEG, 0 }, { 0, 0 } },
    { OP_MIN, FPU_RNE, { D_QNAN, D_ONE }, { D_ONE, 0 } },
    { OP_MAX, FPU_RNE, { D_ONE, D_SNAN }, { D_ONE, FPU_NV } },
    { OP_MIN, FPU_RNE, { D_QNAN, D_QNAN }, { D_NAN, 0 } },
    { OP_MAX, FPU_RNE, { D_QNAN, D_SNAN }, { D_NAN, FPU_NV } },
    { OP_EQ, FPU_RNE, { 0, D_NEG }, { 1, 0 } },
    { OP_EQ, FPU_RNE, { D_QNAN, D_QNAN }, { 0, 0 } },
    { OP_EQ, FPU_RNE, { D_SNAN, D_ONE }, { 0, FPU_NV } },
    { OP_LT, FPU_RNE, { D_QNAN, D_ONE }, { 0, FPU_NV } },
    { OP_LE, FPU_RNE, { D_ONE, D_QNAN }, { 0, FPU_NV } },
    { OP_LT, FPU_RNE, { D_NEG, 0 }, { 0, 0 } },
    { OP_LE, FPU_RNE, { 0, D_NEG }, { 1, 0 } },
    { OP_LT, FPU_RNE, { D_NEG | D_INF, D_NEG | D_MAX }, { 1, 0 } },
    /* Classes. */
    { OP_CLASS, 0, { D_NEG | D_INF }, { 1 << 0, 0 } },
    { OP_CLASS, 0, { D_NEG | D_MIN }, { 1 << 1, 0 } },
    { OP_CLASS, 0, { D_NEG | (D_MIN - 1) }, { 1 << 2, 0 } },
    { OP_CLASS, 0, { D_NEG }, { 1 << 3, 0 } },
    { OP_CLASS, 0, { 0 }, { 1 << 4, 0 } },
    { OP_CLASS, 0, { 1 }, { 1 << 5, 0 } },
    { OP_CLASS, 0, { D_MAX }, { 1 << 6, 0 } },
    { OP_CLASS, 0, { D_INF }, { 1 << 7, 0 } },
    { OP_CLASS, 0, { D_SNAN }, { 1 << 8, 0 } },
    { OP_CLASS, 0, { D_QNAN }, { 1 << 9, 0 } },
    /* To integers: 2^31 - 0.5, -2^31 - 0.5, -0.5, -1, 2^32 - 1, 2^63, -2^63, 2^64 - 2^11. */
    { OP_TO_I32, FPU_RTZ, { 0x41dfffffffe00000ULL }, { 0x7fffffff, FPU_NX } },
    { OP_TO_I32, FPU_RNE, { 0x41dfffffffe00000ULL }, { 0x7fffffff, FPU_NV } },
    { OP_TO_I32, FPU_RNE, { 0xc1e0000000100000ULL }, { 0x80000000, FPU_NX } },
    { OP_TO_I32, FPU_RMM, { 0xc1e0000000100000ULL }, { 0x80000000, FPU_NV } },
    { OP_TO_I32, FPU_RTZ, { D_QNAN }, { 0x7fffffff, FPU_NV } },
    { OP_TO_I32, FPU_RTZ, { D_NEG | D_INF }, { 0x80000000, FPU_NV } },
    { OP_TO_U32, FPU_RNE, { 0xbfe0000000000000ULL }, { 0, FPU_NX } },
    { OP_TO_U32, FPU_RDN, { 0xbfe0000000000000ULL }, { 0, FPU_NV } },
    { OP_TO_U32, FPU_RTZ, { D_NEG | D_ONE }, { 0, FPU_NV } },
    { OP_TO_U32, FPU_RTZ, { 0x41efffffffe00000ULL }, { 0xffffffff, 0 } },
    { OP_TO_U32, FPU_RTZ, { 0x41f0000000000000ULL }, { 0xffffffff, FPU_NV } },
    { OP_TO_U32, FPU_RTZ, { D_SNAN }, { 0xffffffff, FPU_NV } },
    { OP_TO_I64, FPU_RTZ, { 0x43e0000000000000ULL }, { INT64_MAX, FPU_NV } },
    { OP_TO_I64, FPU_RTZ, { 0xc3e0000000000000ULL }, { 1ULL << 63, 0 } },
    { OP_TO_I64, FPU_RTZ, { 0xc3e0000000000001ULL }, { 1ULL << 63, FPU_NV } },
    { OP_TO_I64, FPU_RUP, { 1 }, { 1, FPU_NX } },
    { OP_TO_U64, FPU_RTZ, { 0x43efffffffffffffULL }, { -(1ULL << 11), 0 } },
    { OP_TO_U64, FPU_RTZ, { 0x43f0000000000000ULL }, { UINT64_MAX, FPU_NV } },
    { OP_TO_U64, FPU_RTZ, { D_NEG | D_INF }, { 0, FPU_NV } },
    { OP_TO_U64, FPU_RTZ, { D_NEG }, { 0, 0 } },
    /* From integers. */
    { OP_FROM_I64, FPU_RNE, { (1ULL << 53) + 1 }, { 0x4340000000000000ULL, FPU_NX } },
    { OP_FROM_I64, FPU_RMM, { (1ULL << 53) + 1 }, { 0x4340000000000001ULL, FPU_NX } },
    { OP_FROM_I64, FPU_RNE, { 1ULL << 63 }, { 0xc3e0000000000000ULL, 0 } },
    { OP_FROM_U64, FPU_RTZ, { UINT64_MAX }, { 0x43efffffffffffffULL, FPU_NX } },
    { OP_FROM_U64, FPU_RNE, { UINT64_MAX }, { 0x43f0000000000000ULL, FPU_NX } },
    { OP_FROM_I32, FPU_RDN, { 0 }, { 0, 0 } },
    /* To binary32. */
    { OP_CONVERT, FPU_RNE, { D_SNAN }, { FPU_F32_NAN, FPU_NV } },
    { OP_CONVERT, FPU_RNE, { D_QNAN }, { FPU_F32_NAN, 0 } },
    { OP_CONVERT, FPU_RNE, { D_MAX }, { 0x7f800000, FPU_OF | FPU_NX } },
    { OP_CONVERT, FPU_RTZ, { D_NEG | D_MAX }, { 0xff7fffff, FPU_OF | FPU_NX } },
    { OP_CONVERT, FPU_RNE, { 0x3690000000000000ULL }, { 0, FPU_UF | FPU_NX } },
    { OP_CONVERT, FPU_RMM, { 0x3690000000000000ULL }, { 1, FPU_UF | FPU_NX } },
    { OP_CONVERT, FPU_RNE, { 0x36a0000000000000ULL }, { 1, 0 } },
    { OP_CONVERT, FPU_RNE, { 0x380fffffe0000000ULL }, { 0x00800000, FPU_UF | FPU_NX } },
    { OP_CONVERT, FPU_RNE, { 0x380ffffff0000000ULL }, { 0x00800000, FPU_NX } },
};

static const Vector vectors_f32[] = {
    { OP_ADD, FPU_RNE, { 0x3f800000, 0x33800000 }, { 0x3f800000, FPU_NX } },
    { OP_ADD, FPU_RMM, { 0x3f800000, 0x33800000 }, { 0x3f800001, FPU_NX } },
    { OP_ADD, FPU_RNE, { 0x7f7fffff, 0x73000000 }, { 0x7f800000, FPU_OF | FPU_NX } },
    { OP_ADD, FPU_RNE, { 0x7f7fffff, 0x72ffffff }, { 0x7f7fffff, FPU_NX } },
    { OP_MUL, FPU_RNE, { 0x00800000, 0x3f7fffff }, { 0x00800000, FPU_UF | FPU_NX } },
    { OP_DIV, FPU_RNE, { 0x3f800000, 0x40400000 }, { 0x3eaaaaab, FPU_NX } },
    { OP_DIV, FPU_RTZ, { 0x3f800000, 0x40400000 }, { 0x3eaaaaaa, FPU_NX } },
    { OP_SQRT, FPU_RNE, { 0x00000001 }, { 0x1a3504f3, FPU_NX } },
    { OP_SUB, FPU_RNE, { 0x7f800000, 0x7f800000 }, { FPU_F32_NAN, FPU_NV } },
    { OP_FMADD, FPU_RNE, { 0x7f800000, 0, 0x7fc00001 }, { FPU_F32_NAN, FPU_NV } },
    /* 1 + 2^-24 + 2^-149: the last addend breaks the tie that binary64 would see. */
    { OP_FMADD, FPU_RNE, { 0x3f800001, 0x33800000, 0x3f800000 }, { 0x3f800001, FPU_NX } },
    { OP_FMADD, FPU_RNE, { 0x00000001, 0x3f800000, 0x3f800000 }, { 0x3f800000, FPU_NX } },
    { OP_FMADD, FPU_RNE, { 0x3fc00000, 0x33800000, 0x3f800000 }, { 0x3f800001, FPU_NX } },
    { OP_CONVERT, FPU_RNE, { 0x00000001 }, { 0x36a0000000000000ULL, 0 } },
    { OP_CONVERT, FPU_RNE, { 0xffc00001 }, { FPU_F64_NAN, 0 } },
    { OP_CONVERT, FPU_RNE, { 0x7f800001 }, { FPU_F64_NAN, FPU_NV } },
    { OP_CONVERT, FPU_RNE, { 0xff800000 }, { 0xfff0000000000000ULL, 0 } },
    { OP_TO_I32, FPU_RNE, { 0x40200000 }, { 2, FPU_NX } },
    { OP_TO_I32, FPU_RMM, { 0x40200000 }, { 3, FPU_NX } },
    { OP_TO_I32, FPU_RTZ, { 0x4f000000 }, { 0x7fffffff, FPU_NV } },
    { OP_TO_U64, FPU_RTZ, { 0x5f7fffff }, { 0xffffff0000000000ULL, 0 } },
    { OP_TO_I64, FPU_RNE, { 0x7f800001 }, { INT64_MAX, FPU_NV } },
    { OP_FROM_I32, FPU_RNE, { 0x01000001 }, { 0x4b800000, FPU_NX } },
    { OP_FROM_I32, FPU_RUP, { 0x01000001 }, { 0x4b800001, FPU_NX } },
    { OP_FROM_U64, FPU_RNE, { UINT64_MAX }, { 0x5f800000, FPU_NX } },
    { OP_CLASS, 0, { 0x80000001 }, { 1 << 2, 0 } },
    { OP_CLASS, 0, { 0x7fa00000 }, { 1 << 8, 0 } },
    { OP_MIN, FPU_RNE, { 0x7f800001, 0x7fc00000 }, { FPU_F32_NAN, FPU_NV } },
    { OP_LT, FPU_RNE, { 0x7fc00000, 0 }, { 0, FPU_NV } },
};

static void check_vectors(bool wide, const Vector *vectors, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        check_all_ways(wide, vectors[i].op, vectors[i].rm, vectors[i].v, vectors[i].want);
    }
}

static void test_vectors(void)
{
    check_vectors(true, vectors_f64, G_N_ELEMENTS(vectors_f64));
    check_vectors(false, vectors_f32, G_N_ELEMENTS(vectors_f32));
}

/* Flags accrue: an operation that raises none takes none away. */
static void test_accrual(void)
{
    for (int flags = 0; flags < 32; flags++) {
        FpuCtx ctx = { FPU_RNE, flags };
        fpu_f64_add(&ctx, D_ONE, D_ONE);
        g_assert_cmpuint(ctx.flags, ==, flags);
        fpu_f64_div(&ctx, D_ONE, 0);
        g_assert_cmpuint(ctx.flags, ==, flags | FPU_DZ);
        fpu_f32_to_i32(&ctx, FPU_F32_NAN);
        g_assert_cmpuint(ctx.flags, ==, flags | FPU_DZ | FPU_NV);
    }
}

/* The host's mode and exceptions belong to the host: no operation leaves another mode behind. */
static void test_host_untouched(void)
{
    const uint64_t v[3] = { D_ONE + 1, D_MAX, D_NEG | 3 };

    for (int op = 0; op < OP_COUNT; op++) {
        for (int rm = FPU_RNE; rm <= FPU_RMM; rm++) {
            guest(true, false, op, (FpuCtx){ rm, FPU_NX }, v);
            guest(false, false, op, (FpuCtx){ rm, 0 }, v);
            g_assert_cmpint(fegetround(), ==, FE_TONEAREST);
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/fpu/vectors", test_vectors);
    g_test_add_func("/fpu/accrual", test_accrual);
    g_test_add_func("/fpu/host-untouched", test_host_untouched);
    return g_test_run();
}
