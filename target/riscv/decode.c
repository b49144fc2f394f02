/*
 * decode.c - from instruction words to Insn, by tables of mask and match.
 *
 * Lobby (target/riscv).  Pure: reads the hart's extensions, writes the Insn it is given.
 * Invariant: what no pattern of an enabled extension matches is op_illegal.
 * Formats: the unprivileged specification's R, I, S, B, U, J, R4; chapter "Instruction Set Listings".
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "ops.h"

/* How the operands stand in the word, and what rd means. */
typedef enum Format {
    FMT_R, FMT_I, FMT_SHIFT, FMT_SHIFTW, FMT_S, FMT_B, FMT_U, FMT_AUIPC, FMT_J, FMT_JALR, FMT_CSR,
    FMT_FR,         /* rd is a floating register; imm is rm */
    FMT_FX,         /* as FR, but rd is an integer register */
    FMT_FLOAD,
    FMT_NONE,       /* no operand */
    FMT_SYS,        /* rs1, rs2; ends the block */
} Format;

typedef struct Pattern {
    uint32_t mask, match;
    OpFn *fn;
    uint8_t format, ext;
} Pattern;

#define F3 0x0000707fu              /* opcode and funct3 */
#define F7 0xfe00707fu              /* and funct7 */
#define F6 0xfc00707fu              /* and funct6: 64-bit shifts */
#define F12 0xfff0707fu             /* and the whole immediate: unary */
#define FR7 0xfe00007fu             /* funct7, any rm */
#define FR12 0xfff0007fu            /* funct7 and rs2, any rm */
#define AMO5 0xf800707fu            /* funct5, any aq and rl */
#define ALL 0xffffffffu

#define W3(opcode, f3) ((opcode) | (uint32_t)(f3) << 12)
#define W7(opcode, f3, f7) (W3(opcode, f3) | (uint32_t)(f7) << 25)
#define W12(opcode, f3, imm) (W3(opcode, f3) | (uint32_t)(imm) << 20)

static const Pattern decode_load[] = {
    {F3, W3(0x03, 0), op_lb, FMT_I, EXT_I}, {F3, W3(0x03, 1), op_lh, FMT_I, EXT_I},
    {F3, W3(0x03, 2), op_lw, FMT_I, EXT_I}, {F3, W3(0x03, 3), op_ld, FMT_I, EXT_I},
    {F3, W3(0x03, 4), op_lbu, FMT_I, EXT_I}, {F3, W3(0x03, 5), op_lhu, FMT_I, EXT_I},
    {F3, W3(0x03, 6), op_lwu, FMT_I, EXT_I}, {0},
};
static const Pattern decode_load_fp[] = {
    {F3, W3(0x07, 2), op_flw, FMT_FLOAD, EXT_F}, {F3, W3(0x07, 3), op_fld, FMT_FLOAD, EXT_D}, {0},
};
/* Reserved fields of FENCE are ignored, as the specification asks; PAUSE is one of its hints. */
static const Pattern decode_misc_mem[] = {
    {F3, W3(0x0f, 0), op_fence, FMT_NONE, EXT_I}, {F3, W3(0x0f, 1), op_fence_i, FMT_SYS, EXT_ZIFENCEI},
    {0},
};
static const Pattern decode_op_imm[] = {
    {F3, W3(0x13, 0), op_addi, FMT_I, EXT_I}, {F3, W3(0x13, 2), op_slti, FMT_I, EXT_I},
    {F3, W3(0x13, 3), op_sltiu, FMT_I, EXT_I}, {F3, W3(0x13, 4), op_xori, FMT_I, EXT_I},
    {F3, W3(0x13, 6), op_ori, FMT_I, EXT_I}, {F3, W3(0x13, 7), op_andi, FMT_I, EXT_I},
    {F6, W12(0x13, 1, 0x000), op_slli, FMT_SHIFT, EXT_I},
    {F6, W12(0x13, 5, 0x000), op_srli, FMT_SHIFT, EXT_I},
    {F6, W12(0x13, 5, 0x400), op_srai, FMT_SHIFT, EXT_I},
    {F12, W12(0x13, 1, 0x600), op_clz, FMT_I, EXT_ZBB}, {F12, W12(0x13, 1, 0x601), op_ctz, FMT_I, EXT_ZBB},
    {F12, W12(0x13, 1, 0x602), op_cpop, FMT_I, EXT_ZBB},
    {F12, W12(0x13, 1, 0x604), op_sext_b, FMT_I, EXT_ZBB},
    {F12, W12(0x13, 1, 0x605), op_sext_h, FMT_I, EXT_ZBB},
    {F6, W12(0x13, 5, 0x600), op_rori, FMT_SHIFT, EXT_ZBB},
    {F12, W12(0x13, 5, 0x287), op_orc_b, FMT_I, EXT_ZBB},
    {F12, W12(0x13, 5, 0x6b8), op_rev8, FMT_I, EXT_ZBB},
    {F6, W12(0x13, 1, 0x480), op_bclri, FMT_SHIFT, EXT_ZBS},
    {F6, W12(0x13, 5, 0x480), op_bexti, FMT_SHIFT, EXT_ZBS},
    {F6, W12(0x13, 1, 0x680), op_binvi, FMT_SHIFT, EXT_ZBS},
    {F6, W12(0x13, 1, 0x280), op_bseti, FMT_SHIFT, EXT_ZBS}, {0},
};
static const Pattern decode_auipc[] = {{0x7f, 0x17, op_li, FMT_AUIPC, EXT_I}, {0}};
static const Pattern decode_op_imm_32[] = {
    {F3, W3(0x1b, 0), op_addiw, FMT_I, EXT_I}, {F7, W7(0x1b, 1, 0x00), op_slliw, FMT_SHIFTW, EXT_I},
    {F7, W7(0x1b, 5, 0x00), op_srliw, FMT_SHIFTW, EXT_I},
    {F7, W7(0x1b, 5, 0x20), op_sraiw, FMT_SHIFTW, EXT_I},
    {F6, W12(0x1b, 1, 0x080), op_slli_uw, FMT_SHIFT, EXT_ZBA},
    {F12, W12(0x1b, 1, 0x600), op_clzw, FMT_I, EXT_ZBB}, {F12, W12(0x1b, 1, 0x601), op_ctzw, FMT_I, EXT_ZBB},
    {F12, W12(0x1b, 1, 0x602), op_cpopw, FMT_I, EXT_ZBB},
    {F7, W7(0x1b, 5, 0x30), op_roriw, FMT_SHIFTW, EXT_ZBB}, {0},
};
static const Pattern decode_store[] = {
    {F3, W3(0x23, 0), op_sb, FMT_S, EXT_I}, {F3, W3(0x23, 1), op_sh, FMT_S, EXT_I},
    {F3, W3(0x23, 2), op_sw, FMT_S, EXT_I}, {F3, W3(0x23, 3), op_sd, FMT_S, EXT_I}, {0},
};
static const Pattern decode_store_fp[] = {
    {F3, W3(0x27, 2), op_fsw, FMT_S, EXT_F}, {F3, W3(0x27, 3), op_fsd, FMT_S, EXT_D}, {0},
};

#define AMO(f5, name) \
    {AMO5, W3(0x2f, 2) | (uint32_t)(f5) << 27, op_##name##_w, FMT_R, EXT_A}, \
    {AMO5, W3(0x2f, 3) | (uint32_t)(f5) << 27, op_##name##_d, FMT_R, EXT_A}
static const Pattern decode_amo[] = {
    {AMO5 | 0x1f << 20, W3(0x2f, 2) | 2u << 27, op_lr_w, FMT_R, EXT_A},
    {AMO5 | 0x1f << 20, W3(0x2f, 3) | 2u << 27, op_lr_d, FMT_R, EXT_A},
    AMO(3, sc), AMO(1, amoswap), AMO(0, amoadd), AMO(4, amoxor), AMO(12, amoand), AMO(8, amoor),
    AMO(16, amomin), AMO(20, amomax), AMO(24, amominu), AMO(28, amomaxu), {0},
};

static const Pattern decode_op[] = {
    {F7, W7(0x33, 0, 0x00), op_add, FMT_R, EXT_I}, {F7, W7(0x33, 0, 0x20), op_sub, FMT_R, EXT_I},
    {F7, W7(0x33, 1, 0x00), op_sll, FMT_R, EXT_I}, {F7, W7(0x33, 2, 0x00), op_slt, FMT_R, EXT_I},
    {F7, W7(0x33, 3, 0x00), op_sltu, FMT_R, EXT_I}, {F7, W7(0x33, 4, 0x00), op_xor, FMT_R, EXT_I},
    {F7, W7(0x33, 5, 0x00), op_srl, FMT_R, EXT_I}, {F7, W7(0x33, 5, 0x20), op_sra, FMT_R, EXT_I},
    {F7, W7(0x33, 6, 0x00), op_or, FMT_R, EXT_I}, {F7, W7(0x33, 7, 0x00), op_and, FMT_R, EXT_I},
    {F7, W7(0x33, 0, 0x01), op_mul, FMT_R, EXT_M}, {F7, W7(0x33, 1, 0x01), op_mulh, FMT_R, EXT_M},
    {F7, W7(0x33, 2, 0x01), op_mulhsu, FMT_R, EXT_M}, {F7, W7(0x33, 3, 0x01), op_mulhu, FMT_R, EXT_M},
    {F7, W7(0x33, 4, 0x01), op_div, FMT_R, EXT_M}, {F7, W7(0x33, 5, 0x01), op_divu, FMT_R, EXT_M},
    {F7, W7(0x33, 6, 0x01), op_rem, FMT_R, EXT_M}, {F7, W7(0x33, 7, 0x01), op_remu, FMT_R, EXT_M},
    {F7, W7(0x33, 2, 0x10), op_sh1add, FMT_R, EXT_ZBA}, {F7, W7(0x33, 4, 0x10), op_sh2add, FMT_R, EXT_ZBA},
    {F7, W7(0x33, 6, 0x10), op_sh3add, FMT_R, EXT_ZBA}, {F7, W7(0x33, 7, 0x20), op_andn, FMT_R, EXT_ZBB},
    {F7, W7(0x33, 6, 0x20), op_orn, FMT_R, EXT_ZBB}, {F7, W7(0x33, 4, 0x20), op_xnor, FMT_R, EXT_ZBB},
    {F7, W7(0x33, 4, 0x05), op_min, FMT_R, EXT_ZBB}, {F7, W7(0x33, 5, 0x05), op_minu, FMT_R, EXT_ZBB},
    {F7, W7(0x33, 6, 0x05), op_max, FMT_R, EXT_ZBB}, {F7, W7(0x33, 7, 0x05), op_maxu, FMT_R, EXT_ZBB},
    {F7, W7(0x33, 1, 0x30), op_rol, FMT_R, EXT_ZBB}, {F7, W7(0x33, 5, 0x30), op_ror, FMT_R, EXT_ZBB},
    {F7, W7(0x33, 1, 0x05), op_clmul, FMT_R, EXT_ZBC}, {F7, W7(0x33, 3, 0x05), op_clmulh, FMT_R, EXT_ZBC},
    {F7, W7(0x33, 2, 0x05), op_clmulr, FMT_R, EXT_ZBC}, {F7, W7(0x33, 1, 0x24), op_bclr, FMT_R, EXT_ZBS},
    {F7, W7(0x33, 5, 0x24), op_bext, FMT_R, EXT_ZBS}, {F7, W7(0x33, 1, 0x34), op_binv, FMT_R, EXT_ZBS},
    {F7, W7(0x33, 1, 0x14), op_bset, FMT_R, EXT_ZBS}, {0},
};
static const Pattern decode_lui[] = {{0x7f, 0x37, op_li, FMT_U, EXT_I}, {0}};
static const Pattern decode_op_32[] = {
    {F7, W7(0x3b, 0, 0x00), op_addw, FMT_R, EXT_I}, {F7, W7(0x3b, 0, 0x20), op_subw, FMT_R, EXT_I},
    {F7, W7(0x3b, 1, 0x00), op_sllw, FMT_R, EXT_I}, {F7, W7(0x3b, 5, 0x00), op_srlw, FMT_R, EXT_I},
    {F7, W7(0x3b, 5, 0x20), op_sraw, FMT_R, EXT_I}, {F7, W7(0x3b, 0, 0x01), op_mulw, FMT_R, EXT_M},
    {F7, W7(0x3b, 4, 0x01), op_divw, FMT_R, EXT_M}, {F7, W7(0x3b, 5, 0x01), op_divuw, FMT_R, EXT_M},
    {F7, W7(0x3b, 6, 0x01), op_remw, FMT_R, EXT_M}, {F7, W7(0x3b, 7, 0x01), op_remuw, FMT_R, EXT_M},
    {F7, W7(0x3b, 0, 0x04), op_add_uw, FMT_R, EXT_ZBA},
    {F7, W7(0x3b, 2, 0x10), op_sh1add_uw, FMT_R, EXT_ZBA},
    {F7, W7(0x3b, 4, 0x10), op_sh2add_uw, FMT_R, EXT_ZBA},
    {F7, W7(0x3b, 6, 0x10), op_sh3add_uw, FMT_R, EXT_ZBA},
    {F12, W12(0x3b, 4, 0x080), op_zext_h, FMT_R, EXT_ZBB},
    {F7, W7(0x3b, 1, 0x30), op_rolw, FMT_R, EXT_ZBB}, {F7, W7(0x3b, 5, 0x30), op_rorw, FMT_R, EXT_ZBB},
    {0},
};

#define FMA(opcode, name) \
    {0x0600007f, opcode, op_##name##_s, FMT_FR, EXT_F}, \
    {0x0600007f, (opcode) | 1u << 25, op_##name##_d, FMT_FR, EXT_D}
static const Pattern decode_fma[] = {
    FMA(0x43, fmadd), FMA(0x47, fmsub), FMA(0x4b, fnmsub), FMA(0x4f, fnmadd), {0},
};

/* Both widths; f7 is the single one's. */
#define FP2(mask, f3, f7, name, format) \
    {mask, W7(0x53, f3, f7), op_##name##_s, format, EXT_F}, \
    {mask, W7(0x53, f3, (f7) | 1), op_##name##_d, format, EXT_D}
#define FP1(f7, rs2, name, format) \
    {FR12, W7(0x53, 0, f7) | (rs2) << 20, op_##name##_s, format, EXT_F}, \
    {FR12, W7(0x53, 0, (f7) | 1) | (rs2) << 20, op_##name##_d, format, EXT_D}
static const Pattern decode_op_fp[] = {
    FP2(FR7, 0, 0x00, fadd, FMT_FR), FP2(FR7, 0, 0x04, fsub, FMT_FR), FP2(FR7, 0, 0x08, fmul, FMT_FR),
    FP2(FR7, 0, 0x0c, fdiv, FMT_FR), FP1(0x2c, 0, fsqrt, FMT_FR), FP2(F7, 0, 0x10, fsgnj, FMT_FR),
    FP2(F7, 1, 0x10, fsgnjn, FMT_FR), FP2(F7, 2, 0x10, fsgnjx, FMT_FR), FP2(F7, 0, 0x14, fmin, FMT_FR),
    FP2(F7, 1, 0x14, fmax, FMT_FR), FP2(F7, 2, 0x50, feq, FMT_FX), FP2(F7, 1, 0x50, flt, FMT_FX),
    FP2(F7, 0, 0x50, fle, FMT_FX), FP1(0x60, 0u, fcvt_w, FMT_FX), FP1(0x60, 1u, fcvt_wu, FMT_FX),
    FP1(0x60, 2u, fcvt_l, FMT_FX), FP1(0x60, 3u, fcvt_lu, FMT_FX), FP1(0x68, 0u, fcvt_from_w, FMT_FR),
    FP1(0x68, 1u, fcvt_from_wu, FMT_FR), FP1(0x68, 2u, fcvt_from_l, FMT_FR),
    FP1(0x68, 3u, fcvt_from_lu, FMT_FR), FP2(F12, 1, 0x70, fclass, FMT_FX),
    {FR12, W7(0x53, 0, 0x20) | 1u << 20, op_fcvt_s_d, FMT_FR, EXT_D},
    {FR12, W7(0x53, 0, 0x21), op_fcvt_d_s, FMT_FR, EXT_D},
    {F12, W7(0x53, 0, 0x70), op_fmv_x_w, FMT_FX, EXT_F},
    {F12, W7(0x53, 0, 0x71), op_fmv_x_d, FMT_FX, EXT_D},
    {F12, W7(0x53, 0, 0x78), op_fmv_w_x, FMT_FR, EXT_F},
    {F12, W7(0x53, 0, 0x79), op_fmv_d_x, FMT_FR, EXT_D}, {0},
};
static const Pattern decode_branch[] = {
    {F3, W3(0x63, 0), op_beq, FMT_B, EXT_I}, {F3, W3(0x63, 1), op_bne, FMT_B, EXT_I},
    {F3, W3(0x63, 4), op_blt, FMT_B, EXT_I}, {F3, W3(0x63, 5), op_bge, FMT_B, EXT_I},
    {F3, W3(0x63, 6), op_bltu, FMT_B, EXT_I}, {F3, W3(0x63, 7), op_bgeu, FMT_B, EXT_I}, {0},
};
static const Pattern decode_jalr[] = {{F3, W3(0x67, 0), op_jalr, FMT_JALR, EXT_I}, {0}};
static const Pattern decode_jal[] = {{0x7f, 0x6f, op_jal, FMT_J, EXT_I}, {0}};
static const Pattern decode_system[] = {
    {ALL, 0x00000073, op_ecall, FMT_SYS, EXT_I}, {ALL, 0x00100073, op_ebreak, FMT_SYS, EXT_I},
    {ALL, 0x30200073, op_mret, FMT_SYS, EXT_I}, {ALL, 0x10200073, op_sret, FMT_SYS, EXT_I},
    {ALL, 0x10500073, op_wfi, FMT_SYS, EXT_I},
    {0xfe007fff, 0x12000073, op_sfence_vma, FMT_SYS, EXT_I},
    {F3, W3(0x73, 1), op_csrrw, FMT_CSR, EXT_ZICSR}, {F3, W3(0x73, 2), op_csrrs, FMT_CSR, EXT_ZICSR},
    {F3, W3(0x73, 3), op_csrrc, FMT_CSR, EXT_ZICSR}, {F3, W3(0x73, 5), op_csrrwi, FMT_CSR, EXT_ZICSR},
    {F3, W3(0x73, 6), op_csrrsi, FMT_CSR, EXT_ZICSR}, {F3, W3(0x73, 7), op_csrrci, FMT_CSR, EXT_ZICSR},
    {0},
};

/* By bits 6:2 of the word. */
static const Pattern *const decode_tables[32] = {
    [0x00] = decode_load, [0x01] = decode_load_fp, [0x03] = decode_misc_mem, [0x04] = decode_op_imm,
    [0x05] = decode_auipc, [0x06] = decode_op_imm_32, [0x08] = decode_store, [0x09] = decode_store_fp,
    [0x0b] = decode_amo, [0x0c] = decode_op, [0x0d] = decode_lui, [0x0e] = decode_op_32,
    [0x10] = decode_fma, [0x11] = decode_fma, [0x12] = decode_fma, [0x13] = decode_fma,
    [0x14] = decode_op_fp, [0x18] = decode_branch, [0x19] = decode_jalr, [0x1b] = decode_jal,
    [0x1c] = decode_system,
};

static int64_t imm_i(uint32_t w)
{
    return (int32_t)w >> 20;
}

static int64_t imm_s(uint32_t w)
{
    return ((int32_t)w >> 25) * 32 | (int64_t)(w >> 7 & 31);
}

static int64_t imm_b(uint32_t w)
{
    return ((int32_t)w >> 31) * 4096 | (int64_t)((w >> 7 & 1) << 11 | (w >> 25 & 0x3f) << 5 | (w >> 8 & 15) << 1);
}

static int64_t imm_j(uint32_t w)
{
    return ((int32_t)w >> 31) * (1 << 20) |
           (int64_t)((w & 0xff000) | (w >> 20 & 1) << 11 | (w >> 21 & 0x3ff) << 1);
}

static const Pattern *decode_find(const Hart *h, uint32_t word)
{
    const Pattern *p = decode_tables[word >> 2 & 31];

    for (; p && p->fn; p++) {
        if ((word & p->mask) == p->match) {
            return hart_has(h, p->ext) ? p : NULL;
        }
    }
    return NULL;
}

/* The cheaper handler for a common special case. */
static void decode_simplify(Insn *out, bool to_x0)
{
    if (out->fn == op_addi && out->imm == 0) {
        out->fn = op_mv;
    } else if (out->fn == op_addi && out->rs1 == 0) {
        out->fn = op_li;
    }
    if (out->fn == op_add && out->rs1 == 0) {   /* c.mv */
        out->fn = op_mv;
        out->rs1 = out->rs2;
    }
    if (to_x0 && (out->fn == op_addi || out->fn == op_li || out->fn == op_mv)) {
        out->fn = op_nop;
    }
}

static InsnEnd decode_jump(const Hart *h, Insn *out, unsigned format)
{
    if (format == FMT_J && (uint64_t)out->imm & h->align_mask) {
        out->fn = op_jal_misaligned;
    }
    return format == FMT_J ? INSN_JUMP : INSN_LINKED;
}

InsnEnd decode_insn(const Hart *h, uint32_t word, unsigned len, uint64_t pc, Insn *out)
{
    const Pattern *p = (word & 3) == 3 ? decode_find(h, word) : NULL;
    bool to_x0 = (word >> 7 & 31) == 0;

    if (!p) {
        out->fn = op_illegal;
        return INSN_LAST;
    }
    out->fn = p->fn;
    out->rd = to_x0 ? 32 : word >> 7 & 31;
    out->rs1 = word >> 15 & 31;
    out->rs2 = word >> 20 & 31;
    out->rs3 = word >> 27;
    out->imm = imm_i(word);
    switch ((Format)p->format) {
    case FMT_SHIFT:
        out->imm &= 63;
        break;
    case FMT_SHIFTW:
        out->imm &= 31;
        break;
    case FMT_S:
        out->imm = imm_s(word);
        break;
    case FMT_U:
        out->imm = (int32_t)(word & 0xfffff000);
        break;
    case FMT_AUIPC:
        out->imm = (int64_t)(pc + (uint64_t)(int64_t)(int32_t)(word & 0xfffff000));
        break;
    case FMT_B:
        out->imm = (int64_t)(pc + (uint64_t)imm_b(word));
        return decode_jump(h, out, FMT_B);
    case FMT_J:
        out->imm = (int64_t)(pc + (uint64_t)imm_j(word));
        out->rs2 = len;
        return decode_jump(h, out, FMT_J);
    case FMT_JALR:
        out->rs2 = len;
        return INSN_LAST;
    case FMT_CSR:
        out->imm &= 0xfff;
        return INSN_LAST;
    case FMT_SYS:
        return INSN_LAST;
    case FMT_FR:
        out->rd = word >> 7 & 31;
        out->imm = word >> 12 & 7;
        break;
    case FMT_FX:
        out->imm = word >> 12 & 7;
        break;
    case FMT_FLOAD:
        out->rd = word >> 7 & 31;
        break;
    case FMT_R:
    case FMT_I:
    case FMT_NONE:
        break;
    }
    decode_simplify(out, to_x0);
    return INSN_PLAIN;
}
