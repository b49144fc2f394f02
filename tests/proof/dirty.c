/*
 * dirty.c - fills 32 MiB, then writes into its pages at a pace, and prints a dot every millisecond.
 *
 * Filled first, so that all of it has to be sent, and sent again where it was written to meanwhile.
 * PAGES: pages a second, 0 as many as it can.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdint.h>

#define UART ((volatile uint8_t *)0x10000000)
#define FIRST 0x80200000ul
#define SIZE (32ul << 20)
#define PAGE 4096
#define HZ 10000000ul

static uint64_t now(void)
{
    return *(volatile uint64_t *)0x200bff8;     /* the CLINT's mtime */
}

void bench_main(void)
{
    for (volatile uint64_t *p = (uint64_t *)FIRST; p < (uint64_t *)(FIRST + SIZE); p++) {
        *p = (uint64_t)p;
    }
    uint64_t beat = now(), due = beat, page = 0;
    for (;;) {
        uint64_t t = now();
        if (t >= beat) {
            *UART = '.';
            beat = t + HZ / 1000;
        }
        if (PAGES && t < due) {
            continue;
        }
        /* Without arrears: where the host had no time for it, it goes on at its pace. */
        due = (t - due > HZ / 10 ? t : due) + (PAGES ? HZ / (PAGES ? PAGES : 1) : 0);
        for (int i = 0; i < (PAGES ? 1 : 64); i++) {
            *(volatile uint64_t *)(FIRST + page) = t;
            page = (page + PAGE) % SIZE;
        }
    }
}
