/*
 * priv.h - numbers of the privileged architecture: modes, causes, fields of mstatus; and the extensions.
 *
 * Lobby (target/riscv), private to the room.  Privileged specification 1.12.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TARGET_RISCV_PRIV_H
#define TARGET_RISCV_PRIV_H

typedef enum Priv { PRIV_U = 0, PRIV_S = 1, PRIV_M = 3 } Priv;

typedef enum Access { ACCESS_READ, ACCESS_WRITE, ACCESS_EXEC } Access;

/* What -cpu can switch; the order is that of the table in model.c. */
typedef enum Ext {
    EXT_I, EXT_M, EXT_A, EXT_F, EXT_D, EXT_C, EXT_V, EXT_H,
    EXT_ZICSR, EXT_ZIFENCEI, EXT_ZIHINTPAUSE, EXT_ZBA, EXT_ZBB, EXT_ZBC, EXT_ZBS, EXT_SSTC,
    EXT_MMU, EXT_PMP, EXT_SV39, EXT_SV48, EXT_SV57,
    EXT_COUNT,
} Ext;

/* Exception causes (privileged spec 3.1.15). */
enum {
    CAUSE_MISALIGNED_FETCH, CAUSE_FETCH_ACCESS, CAUSE_ILLEGAL, CAUSE_BREAKPOINT,
    CAUSE_MISALIGNED_LOAD, CAUSE_LOAD_ACCESS, CAUSE_MISALIGNED_STORE, CAUSE_STORE_ACCESS,
    CAUSE_ECALL_U, CAUSE_ECALL_S, CAUSE_ECALL_M = 11,
    CAUSE_FETCH_PAGE, CAUSE_LOAD_PAGE, CAUSE_STORE_PAGE = 15,
};
#define CAUSE_INTERRUPT (1ull << 63)

/* mstatus (3.1.6); FS lives in Hart.fs. */
#define MSTATUS_SIE (1ull << 1)
#define MSTATUS_MIE (1ull << 3)
#define MSTATUS_SPIE (1ull << 5)
#define MSTATUS_MPIE (1ull << 7)
#define MSTATUS_SPP (1ull << 8)
#define MSTATUS_MPP (3ull << 11)
#define MSTATUS_FS (3ull << 13)
#define MSTATUS_MPRV (1ull << 17)
#define MSTATUS_SUM (1ull << 18)
#define MSTATUS_MXR (1ull << 19)
#define MSTATUS_TVM (1ull << 20)
#define MSTATUS_TW (1ull << 21)
#define MSTATUS_TSR (1ull << 22)
#define MSTATUS_UXL (2ull << 32)
#define MSTATUS_SXL (2ull << 34)
#define MSTATUS_SD (1ull << 63)

#define MENVCFG_STCE (1ull << 63)
#define IRQ_BIT(n) (1ull << RISCV_IRQ_##n)

#endif
