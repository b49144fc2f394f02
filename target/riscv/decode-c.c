/*
 * decode-c.c - the C extension: each compressed instruction as the 32-bit one that it stands for.
 *
 * Lobby (target/riscv).  Pure.  Unprivileged specification, chapter "C", RV64C tables.
 * Invariant: reserved encodings give 0, which is an illegal instruction itself.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "insn.h"

/* Bits hi..lo of c, shifted to position to. */
static inline uint32_t pick(uint32_t c, unsigned hi, unsigned lo, unsigned to)
{
    return (c >> lo & ((1u << (hi - lo + 1)) - 1)) << to;
}

#define RD(c) pick(c, 11, 7, 0)
#define RS2(c) pick(c, 6, 2, 0)
#define RDP(c) (8 + pick(c, 4, 2, 0))       /* the three-bit registers x8 to x15 */
#define RS1P(c) (8 + pick(c, 9, 7, 0))

static uint32_t c_i(uint32_t opcode, uint32_t f3, uint32_t rd, uint32_t rs1, int32_t imm)
{
    return opcode | rd << 7 | f3 << 12 | rs1 << 15 | (uint32_t)imm << 20;
}

static uint32_t c_r(uint32_t opcode, uint32_t f3_f7, uint32_t rd, uint32_t rs1, uint32_t rs2)
{
    return opcode | rd << 7 | f3_f7 | rs1 << 15 | rs2 << 20;
}

static uint32_t c_s(uint32_t opcode, uint32_t f3, uint32_t rs1, uint32_t rs2, uint32_t imm)
{
    return opcode | (imm & 31) << 7 | f3 << 12 | rs1 << 15 | rs2 << 20 | (imm >> 5) << 25;
}

static int32_t c_imm6(uint32_t c)
{
    return (int32_t)(pick(c, 12, 12, 31) | pick(c, 6, 2, 26)) >> 26;
}

static uint32_t c_shamt(uint32_t c)
{
    return pick(c, 12, 12, 5) | pick(c, 6, 2, 0);
}

static uint32_t c_offset_w(uint32_t c)
{
    return pick(c, 12, 10, 3) | pick(c, 6, 6, 2) | pick(c, 5, 5, 6);
}

static uint32_t c_offset_d(uint32_t c)
{
    return pick(c, 12, 10, 3) | pick(c, 6, 5, 6);
}

/* Quadrant 0: stack-pointer sums, register-relative loads and stores. */
static uint32_t c_quadrant0(const Hart *h, uint32_t c)
{
    uint32_t imm = pick(c, 12, 11, 4) | pick(c, 10, 7, 6) | pick(c, 6, 6, 2) | pick(c, 5, 5, 3);
    bool d = hart_has(h, EXT_D);

    switch (c >> 13) {
    case 0:     /* c.addi4spn */
        return imm ? c_i(0x13, 0, RDP(c), 2, (int32_t)imm) : 0;
    case 1:     /* c.fld */
        return d ? c_i(0x07, 3, RDP(c), RS1P(c), (int32_t)c_offset_d(c)) : 0;
    case 2:     /* c.lw */
        return c_i(0x03, 2, RDP(c), RS1P(c), (int32_t)c_offset_w(c));
    case 3:     /* c.ld */
        return c_i(0x03, 3, RDP(c), RS1P(c), (int32_t)c_offset_d(c));
    case 5:     /* c.fsd */
        return d ? c_s(0x27, 3, RS1P(c), RDP(c), c_offset_d(c)) : 0;
    case 6:     /* c.sw */
        return c_s(0x23, 2, RS1P(c), RDP(c), c_offset_w(c));
    case 7:     /* c.sd */
        return c_s(0x23, 3, RS1P(c), RDP(c), c_offset_d(c));
    }
    return 0;
}

/* c.srli, c.srai, c.andi and the register-register group. */
static uint32_t c_alu(uint32_t c)
{
    static const uint32_t f3_f7[8] = {
        0x20u << 25, 4u << 12, 6u << 12, 7u << 12,      /* sub xor or and */
        0x20u << 25, 0, 0, 0,                           /* subw addw, reserved */
    };
    uint32_t rd = RS1P(c), which = pick(c, 12, 12, 2) | pick(c, 6, 5, 0);

    switch (c >> 10 & 3) {
    case 0:
        return c_i(0x13, 5, rd, rd, (int32_t)c_shamt(c));
    case 1:
        return c_i(0x13, 5, rd, rd, (int32_t)(0x400 | c_shamt(c)));
    case 2:
        return c_i(0x13, 7, rd, rd, c_imm6(c));
    }
    if (which > 5) {
        return 0;
    }
    return c_r(which < 4 ? 0x33 : 0x3b, f3_f7[which], rd, rd, RDP(c));
}

static uint32_t c_jump(uint32_t c)
{
    uint32_t imm = pick(c, 12, 12, 11) | pick(c, 11, 11, 4) | pick(c, 10, 9, 8) | pick(c, 8, 8, 10) |
                   pick(c, 7, 7, 6) | pick(c, 6, 6, 7) | pick(c, 5, 3, 1) | pick(c, 2, 2, 5);
    uint32_t sign = c >> 12 & 1;

    return 0x6f | (imm >> 1 & 0x3ff) << 21 | (imm >> 11 & 1) << 20 | (sign ? 0xff000u : 0) | sign << 31;
}

static uint32_t c_branch(uint32_t c)
{
    uint32_t imm = pick(c, 11, 10, 3) | pick(c, 6, 5, 6) | pick(c, 4, 3, 1) | pick(c, 2, 2, 5);
    uint32_t sign = c >> 12 & 1;

    imm |= sign ? 0x1f00 : 0;
    return 0x63 | (c >> 13 & 1) << 12 | RS1P(c) << 15 | (imm >> 1 & 15) << 8 | (imm >> 11 & 1) << 7 |
           (imm >> 5 & 0x3f) << 25 | (imm >> 12 & 1) << 31;
}

/* c.addi16sp where rd is sp, else c.lui. */
static uint32_t c_lui(uint32_t c)
{
    int32_t sp = (int32_t)(pick(c, 12, 12, 31) | pick(c, 4, 3, 29) | pick(c, 5, 5, 28) |
                           pick(c, 2, 2, 27) | pick(c, 6, 6, 26)) >> 22;

    if (c_imm6(c) == 0) {
        return 0;
    }
    return RD(c) == 2 ? c_i(0x13, 0, 2, 2, sp) : (0x37 | RD(c) << 7 | (uint32_t)c_imm6(c) << 12);
}

/* Quadrant 1: immediates, arithmetic, jumps. */
static uint32_t c_quadrant1(uint32_t c)
{
    switch (c >> 13) {
    case 0:     /* c.addi */
        return c_i(0x13, 0, RD(c), RD(c), c_imm6(c));
    case 1:     /* c.addiw */
        return RD(c) ? c_i(0x1b, 0, RD(c), RD(c), c_imm6(c)) : 0;
    case 2:     /* c.li */
        return c_i(0x13, 0, RD(c), 0, c_imm6(c));
    case 3:
        return c_lui(c);
    case 4:
        return c_alu(c);
    case 5:     /* c.j */
        return c_jump(c);
    }
    return c_branch(c);     /* c.beqz, c.bnez */
}

/* c.jr, c.mv, c.ebreak, c.jalr, c.add. */
static uint32_t c_move(uint32_t c)
{
    uint32_t rd = RD(c), rs2 = RS2(c);

    if (rs2) {
        return c_r(0x33, 0, rd, c >> 12 & 1 ? rd : 0, rs2);
    }
    if (!(c >> 12 & 1)) {
        return rd ? c_i(0x67, 0, 0, rd, 0) : 0;
    }
    return rd ? c_i(0x67, 0, 1, rd, 0) : 0x00100073;
}

/* Quadrant 2: stack-relative loads and stores, moves, shifts. */
static uint32_t c_quadrant2(const Hart *h, uint32_t c)
{
    uint32_t load_w = pick(c, 12, 12, 5) | pick(c, 6, 4, 2) | pick(c, 3, 2, 6);
    uint32_t load_d = pick(c, 12, 12, 5) | pick(c, 6, 5, 3) | pick(c, 4, 2, 6);
    uint32_t store_w = pick(c, 12, 9, 2) | pick(c, 8, 7, 6);
    uint32_t store_d = pick(c, 12, 10, 3) | pick(c, 9, 7, 6);
    bool d = hart_has(h, EXT_D);

    switch (c >> 13) {
    case 0:     /* c.slli */
        return c_i(0x13, 1, RD(c), RD(c), (int32_t)c_shamt(c));
    case 1:     /* c.fldsp */
        return d ? c_i(0x07, 3, RD(c), 2, (int32_t)load_d) : 0;
    case 2:     /* c.lwsp */
        return RD(c) ? c_i(0x03, 2, RD(c), 2, (int32_t)load_w) : 0;
    case 3:     /* c.ldsp */
        return RD(c) ? c_i(0x03, 3, RD(c), 2, (int32_t)load_d) : 0;
    case 4:
        return c_move(c);
    case 5:     /* c.fsdsp */
        return d ? c_s(0x27, 3, 2, RS2(c), store_d) : 0;
    case 6:     /* c.swsp */
        return c_s(0x23, 2, 2, RS2(c), store_w);
    }
    return c_s(0x23, 3, 2, RS2(c), store_d);
}

uint32_t decode_expand(const Hart *h, uint16_t c)
{
    if (!hart_has(h, EXT_C)) {
        return 0;
    }
    switch (c & 3) {
    case 0:
        return c_quadrant0(h, c);
    case 1:
        return c_quadrant1(c);
    case 2:
        return c_quadrant2(h, c);
    }
    return 0;
}
