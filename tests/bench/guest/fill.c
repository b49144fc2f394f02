/*
 * fill.c - fills FILL_MIB MiB of RAM with words that look random (with zeros if FILL_SEED is 0), says DONE, and
 * sleeps for good.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdint.h>

#define UART ((volatile uint8_t *)0x10000000)
#define FIRST 0x80200000ul

static void say(const char *s)
{
    while (*s) {
        *UART = *s++;
    }
}

static void fill(uint64_t *p, uint64_t words)
{
    uint64_t x = FILL_SEED;
    for (uint64_t i = 0; i < words; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        p[i] = x;
    }
}

void bench_main(void)
{
    fill((uint64_t *)FIRST, FILL_MIB * 1024ul * 128);
    say("DONE\n");
    for (;;) {
        __asm__ volatile("wfi");
    }
}
