/*
 * guest.h - what guest tests share: CSR access, trap records, checks, console and exit.
 *
 * Freestanding. A test defines main(), which returns when all is well; CHECK ends it with the line.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GUEST_H
#define GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UART 0x10000000ul
#define EXIT_DEVICE 0x100000ul
#define CLINT_MSIP(hart) ((volatile uint32_t *)(0x2000000ul + 4 * (hart)))
#define CLINT_MTIMECMP(hart) ((volatile uint64_t *)(0x2004000ul + 8 * (hart)))
#define CLINT_MTIME ((volatile uint64_t *)0x200bff8ul)

enum { MODE_U, MODE_S };

/* Offsets are known to crt.S. */
struct trap {
    uint64_t cause, epc, tval, status;
    uint64_t count;         /* exceptions */
    uint64_t resume;        /* where a trap goes on, if not 0 */
    uint64_t interrupts;
    uint64_t unused;
    uint64_t saved[2];
};
extern volatile struct trap trap;

uint64_t run_in(unsigned mode, void *function, uint64_t argument);
void run_return(void);
int main(void);

#define csr_read(name) \
    ({ uint64_t v_; __asm__ volatile("csrr %0, " #name : "=r"(v_) : : "memory"); v_; })
#define csr_write(name, v) __asm__ volatile("csrw " #name ", %0" : : "r"((uint64_t)(v)) : "memory")
#define csr_set(name, v) __asm__ volatile("csrs " #name ", %0" : : "r"((uint64_t)(v)) : "memory")
#define csr_clear(name, v) __asm__ volatile("csrc " #name ", %0" : : "r"((uint64_t)(v)) : "memory")

/* By number: not every assembler takes the name for every -march. */
#define FENCE_I __asm__ volatile(".4byte 0x0000100f" : : : "memory")

static inline void guest_puts(const char *s)
{
    while (*s) {
        *(volatile uint8_t *)UART = (uint8_t)*s++;
    }
}

static inline void guest_put_hex(uint64_t v)
{
    for (int shift = 60; shift >= 0; shift -= 4) {
        *(volatile uint8_t *)UART = (uint8_t)"0123456789abcdef"[v >> shift & 15];
    }
}

__attribute__((noreturn)) void guest_exit(int code);
__attribute__((noreturn)) void guest_fail(const char *file, int line, const char *what, uint64_t a,
                                          uint64_t b);

#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            guest_fail(__FILE__, __LINE__, #condition, trap.cause, trap.tval); \
        } \
    } while (0)
#define CHECK_EQ(a, b) \
    do { \
        uint64_t a_ = (uint64_t)(a), b_ = (uint64_t)(b); \
        if (a_ != b_) { \
            guest_fail(__FILE__, __LINE__, #a " == " #b, a_, b_); \
        } \
    } while (0)

/* Runs a statement that must trap with that cause. */
#define CHECK_TRAPS(statement, expected) \
    do { \
        uint64_t count_ = trap.count; \
        statement; \
        CHECK_EQ(trap.count, count_ + 1); \
        CHECK_EQ(trap.cause, expected); \
    } while (0)
/* Jumps to where nothing can be fetched; goes on behind the jump. */
#define JUMP_TRAPS(target) \
    do { \
        __asm__ volatile("la t0, 1f\n sd t0, %0\n jr %1\n 1:" \
                         : "=m"(trap.resume) : "r"(target) : "t0", "ra", "a0", "memory"); \
        trap.resume = 0; \
    } while (0)
#define CHECK_OK(statement) \
    do { \
        uint64_t count_ = trap.count; \
        statement; \
        CHECK_EQ(trap.count, count_); \
    } while (0)

#endif
