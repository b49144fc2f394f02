/*
 * test-hart-mmu.c - translation, protection, misaligned access and dirty tracking, through mmu.h.
 *
 * Page tables are written into RAM by hand: Sv39, one table a level, 4 KiB pages at VIRT.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "lib-hart.h"
#include "target/riscv/mmu.h"

#define ROOT 0x10000u           /* offsets in RAM */
#define MIDDLE 0x11000u
#define LEAF 0x12000u
#define DATA 0x20000u
#define VIRT 0x40000000ull      /* root index 1, middle 0, leaf 0 */

enum { V = 1, R = 2, W = 4, X = 8, U = 0x10, A = 0x40, D = 0x80 };

static uint64_t *pte_at(HartBench *b, uint64_t offset)
{
    return (uint64_t *)(b->ram->host + offset);
}

static uint64_t pte(uint64_t offset, unsigned bits)
{
    return (BENCH_RAM + offset) >> 12 << 10 | bits;
}

static void set_leaf(HartBench *b, unsigned n, unsigned bits)
{
    *pte_at(b, LEAF + 8 * n) = pte(DATA + 0x1000 * n, bits);
    tlb_flush(b->h);
}

/* S-mode under Sv39; everything open to PMP. */
static HartBench *bench(void)
{
    HartBench *b = hart_bench_new("rv64", 1 << 20);
    Hart *h = b->h;

    *pte_at(b, ROOT + 8) = pte(MIDDLE, V);
    *pte_at(b, MIDDLE) = pte(LEAF, V);
    for (unsigned n = 0; n < 8; n++) {
        set_leaf(b, n, V | R | W | A | D);
    }
    pmp_write_addr(&h->pmp, 15, ~0ull);
    pmp_write_cfg(&h->pmp, 15, 0x1f);
    h->satp = 8ull << 60 | (BENCH_RAM + ROOT) >> 12;
    h->priv = PRIV_S;
    trap_update_context(h);
    return b;
}

static void assert_fault(HartBench *b, bool ok, uint64_t cause, uint64_t addr)
{
    g_assert_false(ok);
    g_assert_cmpuint(b->h->fault_cause, ==, cause);
    g_assert_cmphex(b->h->fault_addr, ==, addr);
}

static void test_permissions(void)
{
    HartBench *b = bench();
    Hart *h = b->h;

    g_assert_true(mmu_store(h, VIRT + 8, 8, 0x1122334455667788));
    g_assert_true(mmu_load(h, VIRT + 8, 4));
    g_assert_cmphex(h->loaded, ==, 0x55667788);
    set_leaf(b, 0, V | R | A | D);
    assert_fault(b, mmu_store(h, VIRT, 8, 0), CAUSE_STORE_PAGE, VIRT);
    set_leaf(b, 0, V | X | A);
    assert_fault(b, mmu_load(h, VIRT + 1, 1), CAUSE_LOAD_PAGE, VIRT + 1);
    csr_set_mstatus(h, MSTATUS_MXR);
    g_assert_true(mmu_load(h, VIRT, 1));
    set_leaf(b, 0, V | R | W | U | A | D);
    assert_fault(b, mmu_load(h, VIRT, 8), CAUSE_LOAD_PAGE, VIRT);
    csr_set_mstatus(h, MSTATUS_SUM);
    g_assert_true(mmu_load(h, VIRT, 8));
    csr_set_mstatus(h, 0);
    assert_fault(b, mmu_load(h, VIRT, 8), CAUSE_LOAD_PAGE, VIRT);   /* not from the TLB either */
    h->priv = PRIV_U;
    trap_update_context(h);
    g_assert_true(mmu_load(h, VIRT, 8));
    assert_fault(b, mmu_load(h, VIRT + 0x1000, 8), CAUSE_LOAD_PAGE, VIRT + 0x1000);
    hart_bench_free(b);
}

static void test_bad_entries(void)
{
    static const uint64_t bad[] = {0, R, V | W, V | W | X, V | R | A | 1ull << 54, V | R | A | 1ull << 63};
    HartBench *b = bench();
    Hart *h = b->h;

    for (unsigned n = 0; n < G_N_ELEMENTS(bad); n++) {
        *pte_at(b, LEAF) = pte(DATA, 0) | bad[n];
        tlb_flush(h);
        assert_fault(b, mmu_load(h, VIRT, 8), CAUSE_LOAD_PAGE, VIRT);
    }
    *pte_at(b, MIDDLE) = pte(0x1000, V | R | A);                /* superpage, not aligned */
    assert_fault(b, mmu_load(h, VIRT, 8), CAUSE_LOAD_PAGE, VIRT);
    *pte_at(b, MIDDLE) = pte(LEAF, V | A);                      /* A in a pointer is reserved */
    assert_fault(b, mmu_load(h, VIRT, 8), CAUSE_LOAD_PAGE, VIRT);
    *pte_at(b, MIDDLE) = 0x10000000ull >> 12 << 10 | V;         /* a table in a device */
    assert_fault(b, mmu_load(h, VIRT, 8), CAUSE_LOAD_ACCESS, VIRT);
    *pte_at(b, LEAF) = pte(LEAF, V);
    *pte_at(b, MIDDLE) = pte(LEAF, V);                          /* a pointer on the last level */
    assert_fault(b, mmu_load(h, VIRT, 8), CAUSE_LOAD_PAGE, VIRT);
    assert_fault(b, mmu_load(h, 1ull << 38, 8), CAUSE_LOAD_PAGE, 1ull << 38);   /* not canonical */
    hart_bench_free(b);
}

static void test_accessed_dirty(void)
{
    HartBench *b = bench();
    Hart *h = b->h;

    set_leaf(b, 0, V | R | W);
    g_assert_true(mmu_load(h, VIRT, 1));
    g_assert_cmphex(*pte_at(b, LEAF) & (A | D), ==, A);
    g_assert_true(mmu_store(h, VIRT, 1, 0));
    g_assert_cmphex(*pte_at(b, LEAF) & (A | D), ==, A | D);
    hart_bench_free(b);
}

/* Over the end of a page: both halves, or neither and the address of the half that failed. */
static void test_misaligned(void)
{
    HartBench *b = bench();
    Hart *h = b->h;
    uint64_t va = VIRT + 0xffd;

    g_assert_true(mmu_store(h, va, 8, 0x8877665544332211));
    g_assert_true(mmu_load(h, va, 8));
    g_assert_cmphex(h->loaded, ==, 0x8877665544332211);
    g_assert_cmphex(b->ram->host[DATA + 0xffd], ==, 0x11);
    g_assert_cmphex(b->ram->host[DATA + 0x1000], ==, 0x44);
    set_leaf(b, 1, V | R | A);
    assert_fault(b, mmu_store(h, va, 8, 0), CAUSE_STORE_PAGE, VIRT + 0x1000);
    g_assert_cmphex(b->ram->host[DATA + 0xffd], ==, 0x11);
    set_leaf(b, 1, 0);
    assert_fault(b, mmu_load(h, va, 8), CAUSE_LOAD_PAGE, VIRT + 0x1000);
    g_assert_true(mmu_load(h, VIRT + 0xff1, 8));        /* misaligned, on one page */
    g_assert_null(mmu_atomic(h, VIRT + 4, 8, ACCESS_WRITE));
    g_assert_cmpuint(h->fault_cause, ==, CAUSE_MISALIGNED_STORE);
    hart_bench_free(b);
}

/* Boundaries inside a page are seen byte for byte, before and after the TLB has been used. */
static void test_pmp(void)
{
    HartBench *b = hart_bench_new("rv64", 1 << 20);
    Hart *h = b->h;

    h->priv = PRIV_S;
    trap_update_context(h);
    assert_fault(b, mmu_load(h, BENCH_RAM, 1), CAUSE_LOAD_ACCESS, BENCH_RAM);   /* no entry: no access */
    pmp_write_addr(&h->pmp, 0, (BENCH_RAM + 0x2004) >> 2);
    pmp_write_addr(&h->pmp, 1, (BENCH_RAM + 0x2008) >> 2);
    pmp_write_cfg(&h->pmp, 1, 0x08);                    /* TOR [2004, 2008): nothing */
    pmp_write_addr(&h->pmp, 2, ~0ull);
    pmp_write_cfg(&h->pmp, 2, 0x1b);                    /* all: R and W */
    tlb_flush(h);
    for (unsigned round = 0; round < 2; round++) {
        g_assert_true(mmu_load(h, BENCH_RAM + 0x2000, 4));
        g_assert_true(mmu_load(h, BENCH_RAM + 0x2008, 8));
        assert_fault(b, mmu_load(h, BENCH_RAM + 0x2004, 4), CAUSE_LOAD_ACCESS, BENCH_RAM + 0x2004);
        assert_fault(b, mmu_load(h, BENCH_RAM + 0x2000, 8), CAUSE_LOAD_ACCESS, BENCH_RAM + 0x2000);
    }
    h->priv = PRIV_M;
    trap_update_context(h);
    g_assert_true(mmu_load(h, BENCH_RAM + 0x2004, 4));
    pmp_write_cfg(&h->pmp, 1, 0x88);                    /* locked: M as well, and for good */
    tlb_flush(h);
    assert_fault(b, mmu_load(h, BENCH_RAM + 0x2004, 4), CAUSE_LOAD_ACCESS, BENCH_RAM + 0x2004);
    pmp_write_cfg(&h->pmp, 1, 0);
    pmp_write_addr(&h->pmp, 0, 0);                      /* the bottom of a locked TOR entry */
    g_assert_cmphex(h->pmp.cfg[1], ==, 0x88);
    g_assert_cmphex(h->pmp.addr[0], ==, (BENCH_RAM + 0x2004) >> 2);
    hart_bench_free(b);
}

static bool dirty(HartBench *b, uint64_t offset)
{
    return ram_block_page_all_dirty(b->ram, offset);
}

static void collect_nothing(RAMBlock *block, const unsigned long *bits, uint64_t npages, void *opaque)
{
}

/* A store marks its page, and the tables' pages when D is set; once marked it needs no mark again. */
static void test_dirty(void)
{
    HartBench *b = bench();
    Hart *h = b->h;

    machine_lock(&b->m);
    ram_dirty_start(&b->m, DIRTY_MEMORY_MIGRATION, false);
    machine_unlock(&b->m);
    h->cpu.ops->flush_store_path(&h->cpu);
    set_leaf(b, 0, V | R | W);
    g_assert_true(mmu_load(h, VIRT, 8));
    g_assert_false(dirty(b, DATA));
    g_assert_true(dirty(b, LEAF));
    g_assert_true(mmu_store(h, VIRT, 8, 1));
    g_assert_true(dirty(b, DATA));
    g_assert_cmphex(h->tlb->write[VIRT >> 12 & (TLB_SIZE - 1)].tag, ==, VIRT);
    g_assert_false(dirty(b, DATA + 0x1000));
    g_assert_true(mmu_store(h, VIRT + 0xffc, 8, 1));    /* both pages */
    g_assert_true(dirty(b, DATA + 0x1000));
    ram_dirty_sync_and_clear(&b->m, DIRTY_MEMORY_MIGRATION, collect_nothing, NULL);
    h->cpu.ops->flush_store_path(&h->cpu);
    g_assert_cmphex(h->tlb->write[VIRT >> 12 & (TLB_SIZE - 1)].tag, ==, TLB_INVALID);
    g_assert_nonnull(mmu_atomic(h, VIRT, 8, ACCESS_READ));
    g_assert_false(dirty(b, DATA));
    g_assert_nonnull(mmu_atomic(h, VIRT, 8, ACCESS_WRITE));
    g_assert_true(dirty(b, DATA));
    hart_bench_free(b);
}

static void test_nothing_there(void)
{
    HartBench *b = hart_bench_new("rv64", 1 << 20);
    uint64_t paddr;

    assert_fault(b, mmu_load(b->h, 0x1234, 4), CAUSE_LOAD_ACCESS, 0x1234);
    assert_fault(b, mmu_store(b->h, ~0ull, 8, 0), CAUSE_STORE_ACCESS, ~0ull);
    g_assert_null(mmu_atomic(b->h, 0x10000000, 4, ACCESS_WRITE));       /* a device has no atomics */
    g_assert_cmpuint(b->h->fault_cause, ==, CAUSE_STORE_ACCESS);
    g_assert_true(b->h->cpu.ops->translate(&b->h->cpu, 0x1234, &paddr));
    g_assert_cmphex(paddr, ==, 0x1234);
    hart_bench_free(b);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hart-mmu/permissions", test_permissions);
    g_test_add_func("/hart-mmu/bad-entries", test_bad_entries);
    g_test_add_func("/hart-mmu/accessed-dirty", test_accessed_dirty);
    g_test_add_func("/hart-mmu/misaligned", test_misaligned);
    g_test_add_func("/hart-mmu/pmp", test_pmp);
    g_test_add_func("/hart-mmu/dirty", test_dirty);
    g_test_add_func("/hart-mmu/nothing-there", test_nothing_there);
    return g_test_run();
}
