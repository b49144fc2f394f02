/*
 * test-hart-exec.c - the engine: exact counts, budgets, traps in the middle of blocks, code that changes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "lib-hart.h"

#define ADDI(rd, rs1, imm) (0x13u | (rd) << 7 | (rs1) << 15 | (uint32_t)(imm) << 20)
#define LD(rd, rs1, imm) (0x3003u | (rd) << 7 | (rs1) << 15 | (uint32_t)(imm) << 20)
#define SW(rs2, rs1) (0x2023u | (rs1) << 15 | (rs2) << 20)
#define CSRR(rd, csr) (0x2073u | (rd) << 7 | (uint32_t)(csr) << 20)
#define CSRW(csr, rs1) (0x1073u | (rs1) << 15 | (uint32_t)(csr) << 20)
#define BNEZ_BACK4(rs1) (0xfe001ee3u | (rs1) << 15)     /* bnez rs1, .-4 */
#define JUMP_SELF 0x0000006fu
#define FENCE_I 0x0000100fu
#define ECALL 0x00000073u
#define WFI 0x10500073u

static HartBench *bench(const uint32_t *code, unsigned count)
{
    HartBench *b = hart_bench_new("rv64", 1 << 20);

    hart_bench_load(b, 0, code, count);
    return b;
}
#define BENCH(...) bench((const uint32_t[]){__VA_ARGS__}, sizeof((uint32_t[]){__VA_ARGS__}) / 4)

/* Any budget, however it falls into blocks and slices, is met exactly. */
static void test_budget(void)
{
    for (uint64_t budget = 1; budget < 5000; budget = budget * 3 + 1) {
        HartBench *b = BENCH(ADDI(1, 1, 1), ADDI(2, 2, 1), ADDI(3, 3, 1), 0xff5ff06fu /* j .-12 */);
        g_assert_cmpuint(hart_bench_run(b, budget), ==, budget);
        g_assert_cmpuint(b->h->x[1], ==, (budget + 3) / 4);
        g_assert_cmpuint(b->h->x[3], ==, (budget + 1) / 4);
        g_assert_cmpuint(b->h->cpu.ops->instret(&b->h->cpu), ==, budget);
        hart_bench_free(b);
    }
}

/* One after the other, or all at once: the same state. */
static void test_single_steps(void)
{
    HartBench *a = BENCH(ADDI(1, 0, 100), ADDI(2, 2, 3), ADDI(1, 1, -1), BNEZ_BACK4(1), CSRR(5, 0xc02),
                         JUMP_SELF);
    HartBench *b = BENCH(ADDI(1, 0, 100), ADDI(2, 2, 3), ADDI(1, 1, -1), BNEZ_BACK4(1), CSRR(5, 0xc02),
                         JUMP_SELF);

    hart_bench_run(a, 400);
    for (unsigned n = 0; n < 400; n++) {
        g_assert_cmpuint(hart_bench_run(b, 1), ==, 1);
    }
    g_assert_cmpmem(a->h->x, sizeof(a->h->x), b->h->x, sizeof(b->h->x));
    g_assert_cmphex(a->h->pc, ==, b->h->pc);
    g_assert_cmpuint(a->h->x[5], ==, 202);
    hart_bench_free(a);
    hart_bench_free(b);
}

static void test_trap_mid_block(void)
{
    HartBench *b = BENCH(ADDI(1, 0, 1), ADDI(2, 0, 2), LD(3, 0, 0x10), ADDI(4, 0, 4));

    b->h->mtvec = BENCH_RAM + 0x100;
    hart_bench_load(b, 0x100, (uint32_t[]){CSRR(5, 0xb02), JUMP_SELF}, 2);
    hart_bench_run(b, 3);
    g_assert_cmpuint(b->h->mcause, ==, CAUSE_LOAD_ACCESS);
    g_assert_cmphex(b->h->mepc, ==, BENCH_RAM + 8);
    g_assert_cmphex(b->h->mtval, ==, 0x10);
    g_assert_cmpuint(b->h->x[4], ==, 0);
    g_assert_cmpuint(b->h->x[5], ==, 2);    /* the load has not retired */
    hart_bench_free(b);
}

static void test_illegal(void)
{
    static const uint32_t words[] = {
        0x00000000, 0xffffffff, 0x0000707f, CSRR(1, 0x7ff), CSRW(0xc00, 0), 0x02000053 | 5 << 12,
        0x0000600f | 0x7000, 0x30200073 ^ 1 << 7,
    };

    for (unsigned n = 0; n < G_N_ELEMENTS(words); n++) {
        HartBench *b = bench(&words[n], 1);
        b->h->mtvec = BENCH_RAM + 0x100;
        b->h->fs = 3;
        hart_bench_load(b, 0x100, (uint32_t[]){JUMP_SELF}, 1);
        hart_bench_run(b, 1);
        g_assert_cmpuint(b->h->mcause, ==, CAUSE_ILLEGAL);
        g_assert_cmphex(b->h->mepc, ==, BENCH_RAM);
        g_assert_cmphex(b->h->mtval, ==, (words[n] & 3) == 3 ? words[n] : words[n] & 0xffff);
        hart_bench_free(b);
    }
}

/* Code that the guest writes is seen after fence.i, wherever it had run before. */
static void test_self_modifying(void)
{
    HartBench *b = BENCH(ADDI(1, 1, 1),                 /* becomes ADDI(1, 1, 5) */
                         SW(6, 7), FENCE_I, ADDI(2, 2, 1), 0xff1ff06fu /* j .-16 */);

    b->h->x[6] = ADDI(1, 1, 5);
    b->h->x[7] = BENCH_RAM;
    hart_bench_run(b, 5 * 10);
    g_assert_cmpuint(b->h->x[2], ==, 10);
    g_assert_cmpuint(b->h->x[1], ==, 1 + 9 * 5);
    hart_bench_free(b);
}

/* An instruction whose halves stand on two pages, in a loop. */
static void test_crossing(void)
{
    HartBench *b = hart_bench_new("rv64", 1 << 20);
    const uint32_t code[] = {ADDI(1, 1, 1), ADDI(2, 2, 2), 0xff9ff06fu /* j .-8 */};

    memcpy(b->ram->host + 0xffa, code, sizeof(code));
    b->h->pc = BENCH_RAM + 0xffa;
    hart_bench_run(b, 3000);
    g_assert_cmpuint(b->h->x[1], ==, 1000);
    g_assert_cmpuint(b->h->x[2], ==, 2000);
    /* The far half changes. */
    b->ram->host[0x1001] = 0x00;
    b->ram->host[0x1000] = 0x71;        /* addi x2, x2, 7 */
    b->h->cpu.ops->flush_tlb(&b->h->cpu);
    hart_bench_run(b, 3);
    g_assert_cmpuint(b->h->x[2], ==, 2007);
    hart_bench_free(b);
}

static void test_interrupt(void)
{
    HartBench *b = BENCH(JUMP_SELF);

    b->h->mtvec = BENCH_RAM + 0x100 + 1;        /* vectored */
    hart_bench_load(b, 0x100 + 4 * RISCV_IRQ_M_SOFT, (uint32_t[]){JUMP_SELF}, 1);
    hart_bench_run(b, 10);
    riscv_cpu_set_irq(&b->h->cpu, RISCV_IRQ_M_SOFT, true);
    riscv_cpu_set_irq(&b->h->cpu, RISCV_IRQ_S_EXT, true);
    hart_bench_run(b, 1);
    g_assert_cmphex(b->h->pc, ==, BENCH_RAM);   /* not enabled */
    atomic_store(&b->h->mie, 1u << RISCV_IRQ_M_SOFT);
    csr_set_mstatus(b->h, MSTATUS_MIE);
    hart_bench_run(b, 1);
    g_assert_cmphex(b->h->mcause, ==, CAUSE_INTERRUPT | RISCV_IRQ_M_SOFT);
    g_assert_cmphex(b->h->pc, ==, BENCH_RAM + 0x100 + 4 * RISCV_IRQ_M_SOFT);
    g_assert_cmphex(b->h->mstatus & MSTATUS_MIE, ==, 0);
    hart_bench_free(b);
}

static void test_wfi(void)
{
    HartBench *b = BENCH(WFI, ADDI(1, 0, 1), JUMP_SELF);
    CPUState *cpu = &b->h->cpu;
    uint64_t budget = 100;

    g_assert_cmpint(cpu->ops->exec(cpu, &budget), ==, CPU_EXIT_HALTED);
    g_assert_cmpuint(budget, ==, 99);
    g_assert_cmphex(b->h->pc, ==, BENCH_RAM + 4);
    g_assert_false(cpu->ops->has_work(cpu));
    atomic_store(&b->h->mie, 1u << RISCV_IRQ_M_TIMER);
    riscv_cpu_set_irq(cpu, RISCV_IRQ_M_TIMER, true);
    g_assert_true(cpu->ops->has_work(cpu));
    g_assert_cmpint(cpu->ops->exec(cpu, &budget), ==, CPU_EXIT_REQUEST);    /* the kick */
    hart_bench_run(b, 5);                       /* mstatus.MIE is off: goes on behind wfi */
    g_assert_cmpuint(b->h->x[1], ==, 1);
    hart_bench_free(b);
}

/* Every model word can be switched off, and the strings say so. */
static void test_model(void)
{
    HartBench *b = hart_bench_new("rv64,zba=off,sstc=off,v=off,h=off,sv57=off", 1 << 20);

    g_assert_cmpstr(riscv_cpu_isa_string(&b->h->cpu), ==,
                    "rv64imafdc_zicsr_zifencei_zihintpause_zbb_zbc_zbs");
    g_assert_false(csr_satp_ok(b->h, 10ull << 60));
    hart_bench_free(b);
    b = hart_bench_new("rv64,d=off,f=off,c=off,m=off", 1 << 20);
    g_assert_cmphex(model_misa(b->h), ==, 2ull << 62 | 0x140101);
    hart_bench_free(b);

    Hart h = {0};
    const struct { const char *model, *word; } bad[] = {
        {"rv32", "rv32"}, {"rv64,zzz=on", "zzz"}, {"rv64,zba=maybe", "maybe"}, {"rv64,zba", "zba"},
        {"rv64,v=on", "v"}, {"rv64,i=off", "i"},
    };
    for (unsigned n = 0; n < G_N_ELEMENTS(bad); n++) {
        Error *err = NULL;
        g_assert_false(model_parse(&h, bad[n].model, &err));
        g_assert_nonnull(strstr(error_get_pretty(err), bad[n].word));
        error_free(err);
    }
}

/* What the ISA string leaves out is illegal. */
static void test_extension_off(void)
{
    HartBench *b = hart_bench_new("rv64,zba=off", 1 << 20);

    b->h->mtvec = BENCH_RAM + 0x100;
    hart_bench_load(b, 0, (uint32_t[]){0x2020a033}, 1);     /* sh1add */
    hart_bench_load(b, 0x100, (uint32_t[]){JUMP_SELF}, 1);
    hart_bench_run(b, 1);
    g_assert_cmpuint(b->h->mcause, ==, CAUSE_ILLEGAL);
    hart_bench_free(b);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hart-exec/budget", test_budget);
    g_test_add_func("/hart-exec/single-steps", test_single_steps);
    g_test_add_func("/hart-exec/trap-mid-block", test_trap_mid_block);
    g_test_add_func("/hart-exec/illegal", test_illegal);
    g_test_add_func("/hart-exec/self-modifying", test_self_modifying);
    g_test_add_func("/hart-exec/crossing", test_crossing);
    g_test_add_func("/hart-exec/interrupt", test_interrupt);
    g_test_add_func("/hart-exec/wfi", test_wfi);
    g_test_add_func("/hart-exec/model", test_model);
    g_test_add_func("/hart-exec/extension-off", test_extension_off);
    return g_test_run();
}
