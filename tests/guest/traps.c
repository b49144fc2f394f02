/*
 * traps.c - exceptions are precise, delegation and returns do what chapter 3 says, and U, S and M are kept
 * apart.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "guest.h"

static uint64_t word64[2];
static volatile uint64_t nowhere;       /* 0: nothing is there, and the compiler must not know */

#define ILLEGAL 2
#define INSN(text) __asm__ volatile(text : : : "memory")

static void test_values(void)
{
    CHECK_TRAPS(INSN(".4byte 0xffffffff"), ILLEGAL);
    CHECK_EQ(trap.tval, 0xffffffff);
    CHECK_TRAPS(INSN(".2byte 0"), ILLEGAL);
    CHECK_EQ(trap.tval, 0);
    CHECK_TRAPS(INSN("ecall"), 11);
    CHECK_EQ(trap.tval, 0);
    CHECK_TRAPS(INSN(".balign 4; 1: .4byte 0x00100073"), 3);
    CHECK_EQ(trap.tval, 0);
    CHECK_TRAPS((void)*(volatile uint64_t *)(nowhere + 8), 5);
    CHECK_EQ(trap.tval, 8);
    CHECK_TRAPS(*(volatile uint8_t *)(nowhere + 9) = 1, 7);
    CHECK_EQ(trap.tval, 9);
    uint64_t odd = (uint64_t)word64 + 4;
    CHECK_TRAPS(__asm__ volatile("amoadd.d zero, zero, (%0)" : : "r"(odd) : "memory"), 6);
    CHECK_EQ(trap.tval, odd);
    CHECK_TRAPS(__asm__ volatile("lr.d zero, (%0)" : : "r"(odd) : "memory"), 4);
    CHECK_TRAPS(INSN("csrw cycle, zero"), ILLEGAL);
    CHECK_TRAPS(INSN("csrr zero, 0x5c0"), ILLEGAL);
    CHECK_OK(INSN("csrr zero, cycle"));
}

/* A fetch that fails: epc and tval are the target. */
static void test_fetch(void)
{
    JUMP_TRAPS(16ul);
    CHECK_EQ(trap.cause, 1);
    CHECK_EQ(trap.epc, 16);
    CHECK_EQ(trap.tval, 16);
}

static void supervisor(void)
{
    CHECK_TRAPS(INSN("csrr zero, mstatus"), ILLEGAL);
    CHECK_TRAPS(INSN("mret"), ILLEGAL);
    CHECK_TRAPS(INSN("ecall"), 9);
    CHECK_OK(INSN("csrr zero, satp"));
    CHECK_OK(INSN("sfence.vma"));
}

static void supervisor_trapped(void)
{
    CHECK_TRAPS(INSN("csrr zero, satp"), ILLEGAL);
    CHECK_TRAPS(INSN("sfence.vma"), ILLEGAL);
    CHECK_TRAPS(INSN("sret"), ILLEGAL);
    CHECK_TRAPS(INSN("wfi"), ILLEGAL);
}

static void user(void)
{
    CHECK_TRAPS(INSN("csrr zero, sscratch"), ILLEGAL);
    CHECK_TRAPS(INSN("sret"), ILLEGAL);
    CHECK_TRAPS(INSN("wfi"), ILLEGAL);
    CHECK_TRAPS(INSN("sfence.vma"), ILLEGAL);
    CHECK_TRAPS(INSN(".4byte 0x100f; ecall"), 8);
}

static void test_modes(void)
{
    run_in(MODE_S, supervisor, 0);
    CHECK_EQ(trap.status >> 11 & 3, 1);         /* MPP */
    csr_set(mstatus, 7ul << 20);                /* TVM, TW, TSR */
    run_in(MODE_S, supervisor_trapped, 0);
    csr_clear(mstatus, 7ul << 20);
    run_in(MODE_U, user, 0);
    CHECK_EQ(trap.status >> 11 & 3, 0);
}

static volatile uint64_t seen_cause, seen_epc, seen_status;

/* An S-mode handler for one delegated exception: steps over four bytes. */
__attribute__((naked, aligned(4))) static void s_vector(void)
{
    __asm__ volatile("csrw sscratch, t0\n"
                     "csrr t0, scause\n sd t0, seen_cause, t1\n"
                     "csrr t0, sstatus\n sd t0, seen_status, t1\n"
                     "csrr t0, sepc\n sd t0, seen_epc, t1\n"
                     "addi t0, t0, 4\n csrw sepc, t0\n"
                     "csrr t0, sscratch\n sret");
}

static void delegated(void)
{
    uint64_t before = trap.count;

    __asm__ volatile(".4byte 0xffffffff" : : : "t1", "memory");
    CHECK_EQ(seen_cause, ILLEGAL);
    CHECK_EQ(trap.count, before);
}

static void test_delegation(void)
{
    csr_write(stvec, s_vector);
    csr_write(medeleg, 1 << ILLEGAL);
    run_in(MODE_S, delegated, 0);
    CHECK(seen_status & 1 << 8);                /* SPP: from S */
    run_in(MODE_U, delegated, 0);
    CHECK(!(seen_status & 1 << 8));
    CHECK_TRAPS(INSN(".4byte 0xffffffff"), ILLEGAL);    /* M's own are never delegated */
    csr_write(medeleg, ~0ul);
    CHECK(!(csr_read(medeleg) & 1 << 11));
    csr_write(medeleg, 0);
}

/* With FS off every floating instruction is illegal; any that runs makes it dirty. */
static void test_fs(void)
{
    csr_clear(mstatus, 3ul << 13);
    CHECK_TRAPS(INSN("fmv.x.d t0, ft0"), ILLEGAL);
    CHECK_TRAPS(INSN("fld ft0, 0(sp)"), ILLEGAL);
    CHECK_TRAPS(INSN("frcsr t0"), ILLEGAL);
    csr_set(mstatus, 1ul << 13);
    CHECK(!(csr_read(mstatus) >> 63));
    INSN("fmv.d.x ft0, zero");
    CHECK_EQ(csr_read(mstatus) >> 13 & 3, 3);
    CHECK(csr_read(mstatus) >> 63);
    CHECK(csr_read(sstatus) >> 63);
    csr_write(frm, 5);
    CHECK_TRAPS(INSN("fadd.d ft0, ft0, ft0"), ILLEGAL);         /* dyn, and frm is reserved */
    CHECK_OK(INSN("fadd.d ft0, ft0, ft0, rne"));
    csr_write(frm, 0);
}

/* Writes of what does not exist leave legal values. */
static void test_warl(void)
{
    csr_write(mstatus, csr_read(mstatus) & ~(3ul << 11));
    csr_set(mstatus, 2ul << 11);
    CHECK(csr_read(mstatus) >> 11 & 1 || !(csr_read(mstatus) >> 12 & 1));
    csr_write(mepc, 0x80000001);
    CHECK_EQ(csr_read(mepc), 0x80000000);
    uint64_t satp = csr_read(satp);
    csr_write(satp, 3ul << 60 | 0x1234);
    CHECK_EQ(csr_read(satp), satp);
    csr_write(mideleg, ~0ul);
    CHECK_EQ(csr_read(mideleg), 0x222);
    csr_write(mideleg, 0);
    CHECK_EQ(csr_read(misa) >> 62, 2);
    CHECK_EQ(csr_read(mvendorid), 0);
    CHECK_EQ(csr_read(marchid), 0x70216);
}

int main(void)
{
    test_values();
    test_fetch();
    test_modes();
    test_delegation();
    test_fs();
    test_warl();
    return 0;
}
