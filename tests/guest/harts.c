/*
 * harts.c - four harts at once: AMOs and LR/SC lose nothing, locks exclude, messages arrive in order, and
 * software interrupts wake.
 *
 * options: -smp 4
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "guest.h"

#define HARTS 4
#define ROUNDS 20000

static uint64_t started, finished, added, linked, minimum = ~0ul;
static uint32_t lock, protected_a, protected_b;
static uint64_t message, flag;
static uint64_t out_of_order, broken;

static uint64_t fetch_add(uint64_t *p, uint64_t v)
{
    uint64_t old;

    __asm__ volatile("amoadd.d.aqrl %0, %2, %1" : "=r"(old), "+A"(*p) : "r"(v) : "memory");
    return old;
}

static void add_linked(uint64_t *p)
{
    uint64_t value, failed;

    __asm__ volatile("1: lr.d.aq %0, %2\n addi %0, %0, 1\n sc.d.rl %1, %0, %2\n bnez %1, 1b"
                     : "=&r"(value), "=&r"(failed), "+A"(*p) : : "memory");
}

static void lock_take(void)
{
    uint32_t busy;

    do {
        __asm__ volatile("amoswap.w.aq %0, %2, %1" : "=r"(busy), "+A"(lock) : "r"(1) : "memory");
    } while (busy);
}

static void lock_release(void)
{
    __asm__ volatile("amoswap.w.rl zero, zero, %0" : "+A"(lock) : : "memory");
}

static volatile uint64_t *as_volatile(uint64_t *p)
{
    return p;
}

static void wait_until(uint64_t *p, uint64_t value)
{
    while (*as_volatile(p) < value) {
    }
}

/* Hart 1 writes message, then flag; the others must never see a new flag with an old message. */
static void pass_messages(uint64_t hart)
{
    for (uint64_t n = 1; n <= ROUNDS; n++) {
        if (hart == 1) {
            *as_volatile(&message) = n;
            __asm__ volatile("fence w, w" : : : "memory");
            *as_volatile(&flag) = n;
        } else {
            uint64_t f = *as_volatile(&flag);
            __asm__ volatile("fence r, r" : : : "memory");
            if (*as_volatile(&message) < f) {
                fetch_add(&out_of_order, 1);
            }
        }
    }
}

static void work(uint64_t hart)
{
    fetch_add(&started, 1);
    wait_until(&started, HARTS);
    for (uint64_t n = 0; n < ROUNDS; n++) {
        fetch_add(&added, hart + 1);
        add_linked(&linked);
        uint64_t v = ROUNDS - n + hart;
        __asm__ volatile("amominu.d zero, %1, %0" : "+A"(minimum) : "r"(v) : "memory");
        if (n % 16 == 0) {
            lock_take();
            *(volatile uint32_t *)&protected_a += 1;
            if (*(volatile uint32_t *)&protected_a != *(volatile uint32_t *)&protected_b + 1) {
                fetch_add(&broken, 1);
            }
            *(volatile uint32_t *)&protected_b += 1;
            lock_release();
        }
    }
    pass_messages(hart);
    fetch_add(&finished, 1);
}

/* Waits for its software interrupt before it works. */
void second_main(uint64_t hart)
{
    csr_set(mie, 1 << 3);
    while (!(csr_read(mip) & 1 << 3)) {
        __asm__ volatile("wfi" : : : "memory");
    }
    *CLINT_MSIP(hart) = 0;
    work(hart);
}

int main(void)
{
    for (unsigned hart = 1; hart < HARTS; hart++) {
        *CLINT_MSIP(hart) = 1;
    }
    work(0);
    wait_until(&finished, HARTS);
    CHECK_EQ(added, (uint64_t)ROUNDS * (1 + 2 + 3 + 4));
    CHECK_EQ(linked, (uint64_t)ROUNDS * HARTS);
    CHECK_EQ(minimum, 1);
    CHECK_EQ(protected_a, HARTS * (ROUNDS / 16));
    CHECK_EQ(broken, 0);
    CHECK_EQ(out_of_order, 0);
    return 0;
}
