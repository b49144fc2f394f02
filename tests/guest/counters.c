/*
 * counters.c - instret counts what retires, exactly; inhibiting, gating, and code that rewrites itself.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "guest.h"

static void test_exact(void)
{
    uint64_t a, b;

    __asm__ volatile("csrr %0, instret\n nop\n nop\n nop\n csrr %1, instret" : "=r"(a), "=r"(b));
    CHECK_EQ(b - a, 4);
    __asm__ volatile("li t0, 1000\n csrr %0, instret\n 1: addi t0, t0, -1\n bnez t0, 1b\n"
                     "csrr %1, instret" : "=r"(a), "=r"(b) : : "t0");
    CHECK_EQ(b - a, 2001);
    __asm__ volatile("csrw minstret, %1\n csrr %0, minstret" : "=r"(a) : "r"(1ul << 40));
    CHECK_EQ(a, 1ul << 40);
    __asm__ volatile("csrw mcycle, zero\n nop\n csrr %0, mcycle" : "=r"(a));
    CHECK_EQ(a, 1);
}

static void test_inhibit(void)
{
    csr_write(mcountinhibit, 4);
    uint64_t instret = csr_read(minstret), cycle = csr_read(mcycle);
    CHECK_EQ(csr_read(minstret), instret);
    CHECK(csr_read(mcycle) > cycle);
    csr_write(minstret, 77);
    CHECK_EQ(csr_read(minstret), 77);
    csr_write(mcountinhibit, 0);
    CHECK(csr_read(minstret) >= 77 && csr_read(minstret) < 200);
    CHECK_EQ(csr_read(mhpmcounter3), 0);
}

static void user(uint64_t allowed)
{
    if (allowed) {
        CHECK_OK(__asm__ volatile("rdinstret zero; rdcycle zero; rdtime zero"));
    } else {
        CHECK_TRAPS(__asm__ volatile("rdinstret zero"), 2);
        CHECK_TRAPS(__asm__ volatile("rdtime zero"), 2);
    }
}

static void test_gating(void)
{
    csr_write(mcounteren, 0);
    csr_write(scounteren, 7);
    run_in(MODE_U, user, 0);
    run_in(MODE_S, user, 0);
    csr_write(mcounteren, 7);
    csr_write(scounteren, 0);
    run_in(MODE_U, user, 0);
    run_in(MODE_S, user, 1);
    csr_write(scounteren, 7);
    run_in(MODE_U, user, 1);
}

static uint32_t code[] __attribute__((aligned(8))) = {0x00000513, 0x00008067};  /* li a0, n; ret */

static void test_rewriting(void)
{
    uint64_t (*function)(void) = (uint64_t(*)(void))(void *)code;

    for (uint32_t n = 0; n < 500; n++) {
        code[0] = 0x00000513 | n << 20;
        FENCE_I;
        CHECK_EQ(function(), n);
        CHECK_EQ(function(), n);
    }
}

static void test_time(void)
{
    uint64_t last = csr_read(time);

    for (unsigned n = 0; n < 10000; n++) {
        uint64_t now = csr_read(time);
        CHECK(now >= last);
        last = now;
    }
    CHECK(*CLINT_MTIME >= last);
}

int main(void)
{
    test_exact();
    test_inhibit();
    test_gating();
    test_rewriting();
    test_time();
    return 0;
}
