/*
 * writer.c - fills 32 MiB, says DONE, and then works on it at RATE pages a second, by its timer, in the way of WORK.
 *
 *   0 idle          random words, nothing is written any more
 *   1 sparse        random words; one word of a page, page after page
 *   2 scattered     random words; 64 bytes of a page chosen at random
 *   3 dense         random words; whole pages, with new ones
 *   4 compressible  text; whole pages, with other text
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stdint.h>

#define UART ((volatile uint8_t *)0x10000000)
#define MTIME (*(volatile uint64_t *)0x200bff8)
#define TICKS_PER_SECOND 10000000ul
#define FIRST ((uint64_t *)0x80200000ul)
#define PAGES 8192ul
#define WORDS 512ul

static uint64_t state = 0x9e3779b97f4a7c15ul;

static uint64_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static void say(const char *s)
{
    while (*s) {
        *UART = *s++;
    }
}

static void fill_random(uint64_t *page)
{
    for (uint64_t i = 0; i < WORDS; i++) {
        page[i] = next_random();
    }
}

/* Lines of 64 bytes that differ in a number, as logs and tables do. */
static void fill_text(uint64_t *page)
{
    static const char line[] = "2026-11-22 the quick brown godwit flies over the lazy dateline ";
    uint64_t number = next_random() % 1000000;
    for (uint64_t i = 0; i < WORDS; i++) {
        const uint8_t *from = (const uint8_t *)line + i % 8 * 8;
        uint64_t word = 0;
        for (int b = 0; b < 8; b++) {
            word |= (uint64_t)from[b] << (8 * b);
        }
        page[i] = i % 8 == 7 ? word ^ (number + i) : word;
    }
}

static void work_on(uint64_t n)
{
    uint64_t *page = FIRST + n % PAGES * WORDS;
    switch (WORK) {
    case 1:
        page[n * 7 % WORDS]++;
        break;
    case 2:
        page = FIRST + next_random() % PAGES * WORDS;
        for (int i = 0; i < 8; i++) {
            page[64 + i] = next_random();
        }
        break;
    case 3:
        fill_random(page);
        break;
    case 4:
        fill_text(page);
        break;
    }
}

void bench_main(void)
{
    for (uint64_t n = 0; n < PAGES; n++) {
        (WORK == 4 ? fill_text : fill_random)(FIRST + n * WORDS);
    }
    say("DONE\n");
    uint64_t begin = MTIME, done = 0;
    while (WORK) {
        /* In proportion to the time that has passed: a stop is made up for only in part. */
        uint64_t due = (MTIME - begin) * RATE / TICKS_PER_SECOND;
        if (due > done + RATE / 10) {
            done = due - RATE / 10;
        }
        for (; done < due; done++) {
            work_on(done);
        }
    }
    for (;;) {
        __asm__ volatile("wfi");
    }
}
