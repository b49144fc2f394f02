/*
 * crt.S - start of every guest test: stacks, the M-mode trap vector, and running code in S and U.
 *
 * Hart 0 calls main(); the others wait in second_main(), which a test may define.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#define EXIT_CALL 0x4242        /* a7 of the ecall that ends run_in() */
#define STACK_SHIFT 14

    .option norelax
    .section .init, "ax"
    .globl _start
_start:
    la      t0, trap_vector
    csrw    mtvec, t0
    li      t0, -1              /* PMP: everything open to S and U, in the last entry */
    csrw    pmpaddr15, t0
    li      t0, 0x1f << 56
    csrw    pmpcfg2, t0
    li      t0, 1 << 13         /* FS: initial */
    csrs    mstatus, t0
    csrr    a0, mhartid
    la      sp, stacks
    addi    t0, a0, 1
    slli    t0, t0, STACK_SHIFT
    add     sp, sp, t0
    bnez    a0, 1f
    call    main
    call    guest_exit
1:  call    second_main
2:  wfi
    j       2b

    .text
/*
 * Records the trap and steps over the instruction; a trap of fetching goes on at trap_resume. Only
 * t-registers are used, and they are kept.
 */
    .balign 4
    .globl trap_vector
trap_vector:
    csrw    mscratch, t6
    la      t6, trap
    sd      t0, 64(t6)
    sd      t1, 72(t6)
    csrr    t0, mcause
    bltz    t0, interrupt
    addi    t0, t0, -8
    sltiu   t0, t0, 2           /* ecall from U or S */
    li      t1, EXIT_CALL
    sub     t1, t1, a7
    seqz    t1, t1
    and     t0, t0, t1
    bnez    t0, leave
    csrr    t0, mcause
    sd      t0, 0(t6)
    csrr    t0, mepc
    sd      t0, 8(t6)
    csrr    t1, mtval
    sd      t1, 16(t6)
    csrr    t1, mstatus
    sd      t1, 24(t6)
    ld      t1, 32(t6)
    addi    t1, t1, 1
    sd      t1, 32(t6)
    ld      t1, 40(t6)          /* where to go on, if set */
    bnez    t1, 1f
    li      t1, 1 << 17         /* read the instruction as the trapped mode sees it: MPRV, MXR */
    csrs    mstatus, t1
    li      t1, 1 << 19
    csrs    mstatus, t1
    lhu     t1, 0(t0)
    andi    t1, t1, 3
    addi    t1, t1, -3
    seqz    t1, t1
    slli    t1, t1, 1
    addi    t0, t0, 2
    add     t1, t0, t1
    li      t0, 1 << 17 | 1 << 19
    csrc    mstatus, t0
1:  csrw    mepc, t1
    ld      t0, 64(t6)
    ld      t1, 72(t6)
    csrr    t6, mscratch
    mret

/* An interrupt: recorded, counted, and its enable bit switched off so that it comes once. */
interrupt:
    sd      t0, 0(t6)
    slli    t0, t0, 1
    srli    t0, t0, 1
    li      t1, 1
    sll     t1, t1, t0
    csrc    mie, t1
    csrr    t0, mepc
    sd      t0, 8(t6)
    ld      t0, 48(t6)
    addi    t0, t0, 1
    sd      t0, 48(t6)
    ld      t0, 64(t6)
    ld      t1, 72(t6)
    csrr    t6, mscratch
    mret

/* uint64_t run_in(mode, function, argument): calls function in mode U (0) or S (1). */
    .globl run_in
run_in:
    addi    sp, sp, -128
    sd      ra, 0(sp)
    sd      s0, 8(sp)
    sd      s1, 16(sp)
    sd      s2, 24(sp)
    sd      s3, 32(sp)
    sd      s4, 40(sp)
    sd      s5, 48(sp)
    sd      s6, 56(sp)
    sd      s7, 64(sp)
    sd      s8, 72(sp)
    sd      s9, 80(sp)
    sd      s10, 88(sp)
    sd      s11, 96(sp)
    la      t0, run_sp
    sd      sp, 0(t0)
    li      t0, 3 << 11
    csrc    mstatus, t0
    slli    a0, a0, 11
    csrs    mstatus, a0
    csrw    mepc, a1
    mv      a0, a2
    la      ra, run_return
    mret

    .balign 4096                /* a page of its own, so that a test can map it for U */
    .globl run_return
run_return:
    li      a7, EXIT_CALL
    ecall
    .balign 4096

leave:
    la      t0, run_sp
    ld      sp, 0(t0)
    ld      ra, 0(sp)
    ld      s0, 8(sp)
    ld      s1, 16(sp)
    ld      s2, 24(sp)
    ld      s3, 32(sp)
    ld      s4, 40(sp)
    ld      s5, 48(sp)
    ld      s6, 56(sp)
    ld      s7, 64(sp)
    ld      s8, 72(sp)
    ld      s9, 80(sp)
    ld      s10, 88(sp)
    ld      s11, 96(sp)
    addi    sp, sp, 128
    li      a7, 0
    ret

    .weak second_main
second_main:
    ret

    .bss
    .balign 16
run_sp:
    .space  8
    .balign 16
    .globl stacks
stacks:
    .space  8 << STACK_SHIFT
