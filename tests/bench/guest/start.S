/*
 * start.S - enters the benchmark program in M mode with FPU on, a stack and cleared bss.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
    .section .text.start
    .globl _start
_start:
    csrr    t0, mhartid
    bnez    t0, park
    li      t0, 0x6000          /* mstatus.FS = dirty */
    csrs    mstatus, t0
    la      t0, trap
    csrw    mtvec, t0
    la      sp, stack_top
    la      t0, bss_start
    la      t1, bss_end
1:  bgeu    t0, t1, 2f
    sd      zero, (t0)
    addi    t0, t0, 8
    j       1b
2:  call    bench_main
    li      t0, 0x100000        /* sifive_test: the end */
    li      t1, 0x5555
    sw      t1, (t0)
park:
    wfi
    j       park

/* The system-call loop comes here; anything else ends the program with code 1. */
    .balign 4
trap:
    csrw    mscratch, t0
    csrr    t0, mcause
    addi    t0, t0, -8          /* ecall from U mode */
    bnez    t0, 1f
    csrr    t0, mepc
    addi    t0, t0, 4
    csrw    mepc, t0
    addi    a0, a0, 1
    csrr    t0, mscratch
    bnez    a1, 2f
    mret
2:  csrr    t0, mepc            /* a1 != 0: leave user mode for good */
    li      t0, 0x1800
    csrs    mstatus, t0
    csrr    t0, mscratch
    mret
1:  li      t0, 0x100000
    li      t1, 0x13333
    sw      t1, (t0)
    j       park
