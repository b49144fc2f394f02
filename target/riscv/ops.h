/*
 * ops.h - the names of all instruction handlers.
 *
 * Lobby (target/riscv), private to the room.  A handler op_NAME is defined in the file named in the
 * comment, and used by the tables of decode.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TARGET_RISCV_OPS_H
#define TARGET_RISCV_OPS_H

#include "insn.h"

/* ops-int.c: RV64I computation and M */
#define OPS_INT(X) \
    X(nop) X(li) X(mv) X(addi) X(slti) X(sltiu) X(xori) X(ori) X(andi) X(slli) X(srli) X(srai) X(add) \
    X(sub) X(sll) X(slt) X(sltu) X(xor) X(srl) X(sra) X(or) X(and) X(addiw) X(slliw) X(srliw) \
    X(sraiw) X(addw) X(subw) X(sllw) X(srlw) X(sraw) X(mul) X(mulh) X(mulhsu) X(mulhu) X(div) \
    X(divu) X(rem) X(remu) X(mulw) X(divw) X(divuw) X(remw) X(remuw)

/* ops-jump.c */
#define OPS_JUMP(X) \
    X(goto) X(jal) X(jal_misaligned) X(jalr) X(beq) X(bne) X(blt) X(bge) X(bltu) X(bgeu)

/* ops-bit.c: Zba, Zbb, Zbc, Zbs */
#define OPS_BIT(X) \
    X(sh1add) X(sh2add) X(sh3add) X(add_uw) X(sh1add_uw) X(sh2add_uw) X(sh3add_uw) X(slli_uw) \
    X(andn) X(orn) X(xnor) X(clz) X(ctz) X(cpop) X(clzw) X(ctzw) X(cpopw) X(min) X(minu) X(max) \
    X(maxu) X(sext_b) X(sext_h) X(zext_h) X(rol) X(ror) X(rori) X(rolw) X(rorw) X(roriw) X(orc_b) \
    X(rev8) X(clmul) X(clmulh) X(clmulr) X(bclr) X(bclri) X(bext) X(bexti) X(binv) X(binvi) \
    X(bset) X(bseti)

/* ops-mem.c */
#define OPS_MEM(X) \
    X(lb) X(lh) X(lw) X(ld) X(lbu) X(lhu) X(lwu) X(sb) X(sh) X(sw) X(sd) X(flw) X(fld) X(fsw) X(fsd)

/* ops-amo.c */
#define OPS_AMO(X) \
    X(lr_w) X(lr_d) X(sc_w) X(sc_d) X(amoswap_w) X(amoadd_w) X(amoxor_w) X(amoand_w) X(amoor_w) \
    X(amomin_w) X(amomax_w) X(amominu_w) X(amomaxu_w) X(amoswap_d) X(amoadd_d) X(amoxor_d) \
    X(amoand_d) X(amoor_d) X(amomin_d) X(amomax_d) X(amominu_d) X(amomaxu_d)

/* ops-sys.c */
#define OPS_SYS(X) \
    X(illegal) X(fence) X(fence_i) X(ecall) X(ebreak) X(mret) X(sret) X(wfi) X(sfence_vma) \
    X(csrrw) X(csrrs) X(csrrc) X(csrrwi) X(csrrsi) X(csrrci)

/* ops-fp.c, ops-fp-cvt.c: NAME_s and NAME_d */
#define OPS_FP(X) \
    X(fadd) X(fsub) X(fmul) X(fdiv) X(fsqrt) X(fmadd) X(fmsub) X(fnmsub) X(fnmadd) X(fsgnj) \
    X(fsgnjn) X(fsgnjx) X(fmin) X(fmax) X(feq) X(flt) X(fle) X(fclass) X(fcvt_w) X(fcvt_wu) \
    X(fcvt_l) X(fcvt_lu) X(fcvt_from_w) X(fcvt_from_wu) X(fcvt_from_l) X(fcvt_from_lu)
#define OPS_FP_ONE(X) X(fcvt_s_d) X(fcvt_d_s) X(fmv_x_w) X(fmv_x_d) X(fmv_w_x) X(fmv_d_x)

#define OP_DECLARE(name) OpFn op_##name;
#define OP_DECLARE_SD(name) OpFn op_##name##_s, op_##name##_d;
OPS_INT(OP_DECLARE)
OPS_JUMP(OP_DECLARE)
OPS_BIT(OP_DECLARE)
OPS_MEM(OP_DECLARE)
OPS_AMO(OP_DECLARE)
OPS_SYS(OP_DECLARE)
OPS_FP(OP_DECLARE_SD)
OPS_FP_ONE(OP_DECLARE)

#endif
