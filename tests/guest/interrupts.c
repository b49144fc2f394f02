/*
 * interrupts.c - timers (mtimecmp, stimecmp), software interrupts, wfi, priorities and delegation.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "guest.h"

enum { SSI = 1, MSI = 3, STI = 5, MTI = 7, SEI = 9, MEI = 11 };
#define STCE (1ul << 63)
#define TICK_SOON 2000

static void wait_for(uint64_t interrupts)
{
    while (trap.interrupts != interrupts) {
        __asm__ volatile("wfi" : : : "memory");
    }
}

/* Takes one interrupt that is pending now. */
static void take(unsigned irq)
{
    uint64_t before = trap.interrupts;

    csr_set(mie, 1ul << irq);
    csr_set(mstatus, 8);
    csr_clear(mstatus, 8);
    CHECK_EQ(trap.interrupts, before + 1);
    CHECK_EQ(trap.cause, 1ul << 63 | irq);
}

static void test_software(void)
{
    *CLINT_MSIP(0) = 1;
    while (!(csr_read(mip) & 1 << MSI)) {
    }
    take(MSI);
    *CLINT_MSIP(0) = 0;
    CHECK(!(csr_read(mip) & 1 << MSI));
    csr_set(mip, 1 << SSI);
    take(SSI);
    csr_clear(mip, 1 << SSI);
}

static void test_machine_timer(void)
{
    uint64_t before = trap.interrupts;

    *CLINT_MTIMECMP(0) = ~0ul;
    CHECK(!(csr_read(mip) & 1 << MTI));
    *CLINT_MTIMECMP(0) = *CLINT_MTIME + TICK_SOON;
    csr_set(mie, 1 << MTI);
    csr_set(mstatus, 8);
    wait_for(before + 1);
    csr_clear(mstatus, 8);
    CHECK_EQ(trap.cause, 1ul << 63 | MTI);
    CHECK(*CLINT_MTIME >= *CLINT_MTIMECMP(0));
    *CLINT_MTIMECMP(0) = ~0ul;
    CHECK(!(csr_read(mip) & 1 << MTI));
}

static void read_stimecmp(void)
{
    __asm__ volatile("csrr zero, 0x14d");
}

/* Sstc: the CSR arms it; STIP follows the comparison and cannot be written. */
static void test_stimecmp(void)
{
    CHECK_TRAPS(run_in(MODE_S, read_stimecmp, 0), 2);
    csr_write(mcounteren, 7);
    csr_write(0x14d, ~0ul);
    csr_set(0x30a, STCE);
    CHECK_OK(run_in(MODE_S, read_stimecmp, 0));
    CHECK(!(csr_read(mip) & 1 << STI));
    uint64_t before = trap.interrupts;
    csr_write(0x14d, csr_read(time) + TICK_SOON);
    csr_set(mie, 1 << STI);
    csr_set(mstatus, 8);
    wait_for(before + 1);
    csr_clear(mstatus, 8);
    CHECK_EQ(trap.cause, 1ul << 63 | STI);
    CHECK(csr_read(time) >= csr_read(0x14d));
    csr_clear(mip, 1 << STI);
    CHECK(csr_read(mip) & 1 << STI);
    csr_write(0x14d, ~0ul);
    CHECK(!(csr_read(mip) & 1 << STI));
    csr_write(0x14d, 0);
    CHECK(csr_read(mip) & 1 << STI);
    csr_write(0x14d, ~0ul);
    csr_clear(0x30a, STCE);
    csr_set(mip, 1 << STI);
    CHECK(csr_read(mip) & 1 << STI);
    csr_clear(mip, 1 << STI);
}

/* Several at once: MSI goes before SSI, whichever was first; and S's wait for M's. */
static void test_priority(void)
{
    uint64_t before = trap.interrupts;

    csr_set(mip, 1 << SSI | 1 << STI | 1 << SEI);
    *CLINT_MSIP(0) = 1;
    while (!(csr_read(mip) & 1 << MSI)) {
    }
    const unsigned order[] = {MSI, SEI, SSI, STI};
    csr_set(mie, 1 << SSI | 1 << MSI | 1 << STI | 1 << SEI);
    for (unsigned n = 0; n < 4; n++) {
        /* Each takes one: the handler switches its enable bit off, so the rest come one by one. */
        __asm__ volatile("csrsi mstatus, 8\n csrci mstatus, 8" : : : "memory");
        CHECK(trap.interrupts > before + n);
        CHECK(!(csr_read(mie) & 1ul << order[n]));
    }
    CHECK_EQ(trap.interrupts, before + 4);
    CHECK_EQ(trap.cause, 1ul << 63 | STI);      /* the last */
    *CLINT_MSIP(0) = 0;
    csr_clear(mip, 1 << SSI | 1 << STI | 1 << SEI);
}

/* wfi goes on when an enabled interrupt is pending although interrupts are off. */
static void test_wfi(void)
{
    csr_clear(mstatus, 8);
    *CLINT_MTIMECMP(0) = *CLINT_MTIME + TICK_SOON;
    csr_set(mie, 1 << MTI);
    uint64_t before = trap.interrupts;
    while (!(csr_read(mip) & 1 << MTI)) {
        __asm__ volatile("wfi");
    }
    CHECK_EQ(trap.interrupts, before);
    csr_clear(mie, 1 << MTI);
    *CLINT_MTIMECMP(0) = ~0ul;
}

int main(void)
{
    test_software();
    test_machine_timer();
    test_stimecmp();
    test_priority();
    test_wfi();
    return 0;
}
