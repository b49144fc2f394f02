/*
 * guest.c - the end of a guest test: the console line and the exit device.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "guest.h"

volatile struct trap trap;

void guest_exit(int code)
{
    *(volatile uint32_t *)EXIT_DEVICE = code ? (uint32_t)code << 16 | 0x3333 : 0x5555;
    for (;;) {
    }
}

void guest_fail(const char *file, int line, const char *what, uint64_t a, uint64_t b)
{
    guest_puts(file);
    guest_puts(":0x");
    guest_put_hex((uint64_t)line);
    guest_puts(": ");
    guest_puts(what);
    guest_puts(": 0x");
    guest_put_hex(a);
    guest_puts(" 0x");
    guest_put_hex(b);
    guest_puts("\n");
    guest_exit(1);
}
