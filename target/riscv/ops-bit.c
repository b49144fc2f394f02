/*
 * ops-bit.c - bit manipulation: Zba, Zbb, Zbc, Zbs.
 *
 * Lobby (target/riscv).  Runs on the hart's thread; see insn.h for how handlers chain.
 * Invariant: pure functions of one or two registers.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "ops.h"

#define RR(name, expr) \
    OP(name) \
    { \
        uint64_t a = h->x[i->rs1], b = h->x[i->rs2]; \
        h->x[i->rd] = (uint64_t)(expr); \
        NEXT; \
    }
#define RI(name, expr) \
    OP(name) \
    { \
        uint64_t a = h->x[i->rs1], b = (uint64_t)i->imm; \
        h->x[i->rd] = (uint64_t)(expr); \
        NEXT; \
    }
#define R(name, expr) \
    OP(name) \
    { \
        uint64_t a = h->x[i->rs1]; \
        h->x[i->rd] = (uint64_t)(expr); \
        NEXT; \
    }
#define BOTH(name, imm_name, expr) RR(name, expr) RI(imm_name, expr)

#define S64(v) ((int64_t)(v))
#define S32(v) ((int64_t)(int32_t)(v))
#define U32(v) ((uint32_t)(v))

/* Zba */
RR(sh1add, (a << 1) + b)
RR(sh2add, (a << 2) + b)
RR(sh3add, (a << 3) + b)
RR(add_uw, (uint64_t)U32(a) + b)
RR(sh1add_uw, ((uint64_t)U32(a) << 1) + b)
RR(sh2add_uw, ((uint64_t)U32(a) << 2) + b)
RR(sh3add_uw, ((uint64_t)U32(a) << 3) + b)
RI(slli_uw, (uint64_t)U32(a) << b)

/* Zbb */
static inline uint64_t bit_ror64(uint64_t a, unsigned n)
{
    return a >> (n & 63) | a << (-n & 63);
}

static inline uint32_t bit_ror32(uint32_t a, unsigned n)
{
    return a >> (n & 31) | a << (-n & 31);
}

/* 0xff for each byte that is not 0. */
static inline uint64_t bit_orc_b(uint64_t a)
{
    uint64_t low7 = 0x7f7f7f7f7f7f7f7full;
    uint64_t high = (((a & low7) + low7) | a) & ~low7;

    return (high >> 7) * 0xff;
}

RR(andn, a & ~b)
RR(orn, a | ~b)
RR(xnor, ~(a ^ b))
R(clz, a ? __builtin_clzll(a) : 64)
R(ctz, a ? __builtin_ctzll(a) : 64)
R(cpop, __builtin_popcountll(a))
R(clzw, U32(a) ? __builtin_clz(U32(a)) : 32)
R(ctzw, U32(a) ? __builtin_ctz(U32(a)) : 32)
R(cpopw, __builtin_popcount(U32(a)))
RR(min, S64(a) < S64(b) ? a : b)
RR(minu, a < b ? a : b)
RR(max, S64(a) > S64(b) ? a : b)
RR(maxu, a > b ? a : b)
R(sext_b, (int64_t)(int8_t)a)
R(sext_h, (int64_t)(int16_t)a)
R(zext_h, (uint16_t)a)
RR(rol, bit_ror64(a, -(unsigned)b))
BOTH(ror, rori, bit_ror64(a, (unsigned)b))
RR(rolw, S32(bit_ror32(U32(a), -(unsigned)b)))
BOTH(rorw, roriw, S32(bit_ror32(U32(a), (unsigned)b)))
R(orc_b, bit_orc_b(a))
R(rev8, __builtin_bswap64(a))

/* Zbc: carry-less products, bit by bit of b. */
static inline unsigned __int128 bit_clmul(uint64_t a, uint64_t b)
{
    unsigned __int128 wide = a, sum = 0;

    for (; b; b >>= 1, wide <<= 1) {
        sum ^= b & 1 ? wide : 0;
    }
    return sum;
}

RR(clmul, bit_clmul(a, b))
RR(clmulh, bit_clmul(a, b) >> 64)
RR(clmulr, bit_clmul(a, b) >> 63)

/* Zbs */
BOTH(bclr, bclri, a & ~(1ull << (b & 63)))
BOTH(bext, bexti, a >> (b & 63) & 1)
BOTH(binv, binvi, a ^ 1ull << (b & 63))
BOTH(bset, bseti, a | 1ull << (b & 63))
