/*
 * paging.c - Sv39, Sv48 and Sv57 as an operating system uses them: one page table, changed under way.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "guest.h"

enum { V = 1, R = 2, W = 4, X = 8, U = 0x10, A = 0x40, D = 0x80 };

#define LOAD_PAGE 13
#define STORE_PAGE 15
#define FETCH_PAGE 12
#define VIRT 0x40000000ul       /* the window of 4 KiB pages: top index 0 in every mode but Sv39 */

typedef uint64_t Table[512] __attribute__((aligned(4096)));
static volatile Table tables[5], leaf_table;
static volatile uint64_t pages[4][512] __attribute__((aligned(4096)));

#define PTE(p, bits) ((uint64_t)(p) >> 12 << 10 | (bits))

static void flush(void)
{
    __asm__ volatile("sfence.vma" : : : "memory");
}

static void map(unsigned n, unsigned bits)
{
    leaf_table[n] = PTE(pages[n], bits);
    flush();
}

/* The identity for the first 4 GiB in gigapages, and the window at VIRT instead of the second. */
static void build(unsigned levels)
{
    for (unsigned n = 0; n + 1 < levels - 2; n++) {
        tables[n][0] = PTE(tables[n + 1], V);
    }
    volatile uint64_t *giga = tables[levels - 3], *mega = tables[levels - 2];
    for (unsigned n = 0; n < 4; n++) {
        giga[n] = PTE((uint64_t)n << 30, V | R | W | X | A | D);
    }
    giga[1] = PTE(mega, V);
    mega[0] = PTE(leaf_table, V);
    for (unsigned n = 0; n < 4; n++) {
        map(n, V | R | W | A | D);
    }
}

static volatile uint64_t *at(uint64_t offset)
{
    return (volatile uint64_t *)(VIRT + offset);
}

static void accesses(void)
{
    *at(8) = 0x1234;
    CHECK_EQ(pages[0][1], 0x1234);
    map(0, V | R | A);
    CHECK_TRAPS(*at(16) = 1, STORE_PAGE);
    CHECK_EQ(trap.tval, VIRT + 16);
    CHECK_OK((void)*at(16));
    map(0, V | R | W | U | A | D);
    CHECK_TRAPS((void)*at(0), LOAD_PAGE);
    csr_set(sstatus, 1 << 18);                  /* SUM */
    CHECK_OK(*at(0) = 5);
    csr_clear(sstatus, 1 << 18);
    CHECK_TRAPS((void)*at(0), LOAD_PAGE);
    map(0, V | X | A);
    CHECK_TRAPS((void)*at(0), LOAD_PAGE);
    csr_set(sstatus, 1 << 19);                  /* MXR */
    CHECK_OK((void)*at(0));
    csr_clear(sstatus, 1 << 19);
    CHECK_TRAPS((void)*at(0), LOAD_PAGE);
    map(0, V | R | W);
    CHECK_OK((void)*at(0));
    CHECK_EQ(leaf_table[0] & (A | D), A);
    CHECK_OK(*at(0) = 1);
    CHECK_EQ(leaf_table[0] & (A | D), A | D);
    map(0, V | R | W);
    CHECK_OK(__asm__ volatile("amoadd.d zero, zero, (%0)" : : "r"(at(0)) : "memory"));
    CHECK_EQ(leaf_table[0] & (A | D), A | D);
    leaf_table[0] |= 1ul << 60;
    flush();
    CHECK_TRAPS((void)*at(0), LOAD_PAGE);
}

/* Over the edge of two pages. */
static void edges(void)
{
    map(0, V | R | W | A | D);
    map(1, V | R | W | A | D);
    volatile uint64_t *edge;

    /* Hidden from the compiler, which would split accesses to a misaligned constant. */
    __asm__ volatile("mv %0, %1" : "=r"(edge) : "r"(at(0xffc)));
    CHECK_OK(*edge = 0x1122334455667788);
    CHECK_EQ(*edge, 0x1122334455667788);
    CHECK_EQ(pages[1][0] & 0xffffffff, 0x11223344);
    map(1, V | R | A | D);
    CHECK_TRAPS(*edge = 0, STORE_PAGE);
    CHECK_EQ(trap.tval, VIRT + 0x1000);
    CHECK_EQ(*edge, 0x1122334455667788);
    map(1, 0);
    CHECK_TRAPS((void)*edge, LOAD_PAGE);
    CHECK_EQ(trap.tval, VIRT + 0x1000);
}

/* Code at two virtual addresses, and code whose page goes away. */
static void code(void)
{
    pages[2][0] = 0x0000806700150513;           /* addi a0, a0, 1; ret */
    FENCE_I;
    map(2, V | R | X | A);
    leaf_table[5] = leaf_table[2];
    for (unsigned n = 0; n < 3; n++) {
        CHECK_EQ(((uint64_t(*)(uint64_t))at(0x2000))(n), n + 1);
        CHECK_EQ(((uint64_t(*)(uint64_t))at(0x5000))(n), n + 1);
    }
    /* The address of the next instruction is that of the mapping in use. */
    pages[2][0] = 0x0000806700000517;           /* auipc a0, 0; ret */
    FENCE_I;
    CHECK_EQ(((uint64_t(*)(void))at(0x2000))(), VIRT + 0x2000);
    CHECK_EQ(((uint64_t(*)(void))at(0x5000))(), VIRT + 0x5000);
    map(2, V | R | A);
    JUMP_TRAPS(at(0x2000));
    CHECK_EQ(trap.cause, FETCH_PAGE);
    CHECK_EQ(trap.tval, VIRT + 0x2000);
    leaf_table[5] = 0;
    flush();
}

/* An instruction whose second half is on a page that is not there. */
static void crossing(void)
{
    volatile uint16_t *end = (volatile uint16_t *)pages[2] + 2047, *next = (volatile uint16_t *)pages[3];

    end[0] = 0x0513;                            /* addi a0, a0, 1 … */
    next[0] = 0x0015;
    next[1] = 0x8082;                           /* ret */
    FENCE_I;
    map(2, V | R | W | X | A | D);
    map(3, V | R | W | X | A | D);
    for (unsigned n = 0; n < 3; n++) {
        CHECK_EQ(((uint64_t(*)(uint64_t))at(0x2ffe))(41), 42);
    }
    map(3, V | R | W | A | D);
    JUMP_TRAPS(at(0x2ffe));
    CHECK_EQ(trap.cause, FETCH_PAGE);
    CHECK_EQ(trap.epc, VIRT + 0x2ffe);
    CHECK_EQ(trap.tval, VIRT + 0x3000);
}

static void supervisor(void)
{
    accesses();
    edges();
    code();
    crossing();
}

/* M reads through S's eyes. */
static void test_mprv(void)
{
    map(0, V | R | A);
    uint64_t count = trap.count, value;
    csr_clear(mstatus, 3ul << 11);
    csr_set(mstatus, 1ul << 11);
    __asm__ volatile("csrs mstatus, %2\n ld %0, 8(%1)\n csrc mstatus, %2"
                     : "=&r"(value) : "r"(at(0)), "r"(1ul << 17) : "memory");
    CHECK_EQ(value, pages[0][1]);
    /* The vector uses MPRV itself, and leaves it off: nothing but the trap comes behind the store. */
    __asm__ volatile("la t0, 1f\n sd t0, %0\n csrs mstatus, %2\n sd zero, 8(%1)\n 1:"
                     : "=m"(trap.resume) : "r"(at(0)), "r"(1ul << 17) : "t0", "memory");
    csr_clear(mstatus, 1ul << 17);
    trap.resume = 0;
    CHECK_EQ(trap.count, count + 1);
    CHECK_EQ(trap.cause, STORE_PAGE);
}

int main(void)
{
    for (unsigned levels = 3; levels <= 5; levels++) {
        build(levels);
        csr_write(satp, (uint64_t)(5 + levels) << 60 | (uint64_t)tables[0] >> 12);
        CHECK_EQ(csr_read(satp) >> 60, 5 + levels);
        run_in(MODE_S, supervisor, 0);
        test_mprv();
    }
    return 0;
}
