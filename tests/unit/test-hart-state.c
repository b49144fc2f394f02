/*
 * test-hart-state.c - the hart's sections: their size and layout, the round trip, and what is refused.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "lib-hart.h"

typedef struct Section {
    const char *name;
    const VMStateDescription *vmsd;
    void *opaque;
} Section;

static void find_section(const SaveStateInfo *info, void *opaque)
{
    Section *s = opaque;

    if (strcmp(info->idstr, s->name) == 0) {
        s->vmsd = info->vmsd;
        s->opaque = info->opaque;
    }
}

static Section section(HartBench *b, const char *name)
{
    Section s = {.name = name};

    savevm_foreach(&b->m, find_section, &s);
    g_assert_nonnull(s.vmsd);
    return s;
}

static uint8_t *save(HartBench *b, const char *name, size_t *len)
{
    Section s = section(b, name);
    QEMUFile *f = qemu_file_new_memory();

    machine_lock(&b->m);
    g_assert_true(vmstate_save_state(f, s.vmsd, s.opaque, NULL));
    machine_unlock(&b->m);
    uint8_t *bytes = qemu_file_take_buffer(f, len);
    qemu_fclose(f, NULL);
    return bytes;
}

static bool load(HartBench *b, const char *name, const uint8_t *bytes, size_t len, Error **errp)
{
    Section s = section(b, name);
    QEMUFile *f = qemu_file_new_from_buffer(bytes, len);

    machine_lock(&b->m);
    bool ok = vmstate_load_state(f, s.vmsd, s.opaque, s.vmsd->version_id, errp);
    machine_unlock(&b->m);
    qemu_fclose(f, NULL);
    return ok;
}

static uint64_t be64_at(const uint8_t *bytes, size_t offset)
{
    uint64_t v;

    memcpy(&v, bytes + offset, sizeof(v));
    return GUINT64_FROM_BE(v);
}

/* Sizes and offsets as they were measured on the machine that the format comes from. */
static void test_layout(void)
{
    HartBench *b = hart_bench_new("rv64", 1 << 20);
    size_t len, common_len;

    b->h->x[31] = 0x1122334455667788;
    b->h->pc = 0x80001234;
    b->h->stimecmp = 0xabcdef;
    b->h->pmp.addr[0] = 0x801fff;
    b->h->menvcfg = 1;
    g_autofree uint8_t *bytes = save(b, "cpu", &len);
    g_assert_cmpuint(len, ==, 2748 + 44);      /* fields, and three headers of subsections */
    g_assert_cmphex(be64_at(bytes, 0xf8), ==, 0x1122334455667788);
    g_assert_cmphex(be64_at(bytes, 0x200), ==, 0xff141811ff151912);
    g_assert_cmphex(be64_at(bytes, 0x248), ==, 0xff00171016ffffff);
    g_assert_cmphex(be64_at(bytes, 0x280), ==, 0x80001234);
    g_assert_cmphex(be64_at(bytes, 0x2c4) >> 32, ==, 0x0014112d);
    g_assert_cmphex(be64_at(bytes, 0x9d4), ==, 0xabcdef);
    g_assert_cmpint(memcmp(bytes + 0x9dc, "\5\7cpu/pmp", 9), ==, 0);
    g_assert_cmphex(be64_at(bytes, 0x9e9), ==, 0x801fff);
    g_assert_cmphex(be64_at(bytes, 0xa89), ==, 1);
    g_assert_cmphex(be64_at(bytes, 0xab8), ==, 2ull << 60);
    g_autofree uint8_t *common = save(b, "cpu_common", &common_len);
    g_assert_nonnull(common);
    g_assert_cmpuint(common_len, ==, 8);
    g_assert_cmphex(be64_at(common, 0), ==, 0);         /* not halted, nothing pending */
    hart_bench_free(b);
}

static void test_roundtrip(void)
{
    HartBench *a = hart_bench_new("rv64", 1 << 20), *b = hart_bench_new("rv64", 1 << 20);
    size_t len, again_len;

    for (unsigned n = 1; n < 32; n++) {
        a->h->x[n] = n * 0x0101010101010101;
        a->h->f[n] = ~a->h->x[n];
    }
    a->h->priv = PRIV_S;
    a->h->fpu.flags = 0x15;
    a->h->frm = 3;
    csr_set_mstatus(a->h, MSTATUS_FS | MSTATUS_SUM | MSTATUS_SPIE);
    a->h->satp = 8ull << 60 | 0x80000;
    a->h->pmp.addr[3] = 0x20000fff;
    a->h->pmp.cfg[3] = 0x1f;
    riscv_cpu_set_irq(&a->h->cpu, RISCV_IRQ_M_EXT, true);
    g_autofree uint8_t *bytes = save(a, "cpu", &len);
    Error *err = NULL;
    g_assert_true(load(b, "cpu", bytes, len, &err));
    g_assert_null(err);
    g_assert_cmphex(b->h->x[7], ==, 0x0707070707070707);
    g_assert_cmphex(b->h->f[31], ==, ~(31 * 0x0101010101010101ull));
    g_assert_cmphex(b->h->fpu.flags, ==, 0x15);
    g_assert_cmphex(csr_mstatus(b->h), ==, csr_mstatus(a->h));
    g_assert_cmphex(hart_mip(b->h), ==, 1u << RISCV_IRQ_M_EXT);
    g_assert_true(b->h->tlb == &b->h->tlbs[TLB_S_SUM]);
    g_assert_cmphex(b->h->pmp.first[3], ==, 0x20000000ull << 2);
    g_autofree uint8_t *again = save(b, "cpu", &again_len);
    g_assert_cmpmem(bytes, len, again, again_len);
    hart_bench_free(a);
    hart_bench_free(b);
}

/* The counters go on from where they were, whatever the other hart has run. */
static void test_counters(void)
{
    HartBench *a = hart_bench_new("rv64", 1 << 20), *b = hart_bench_new("rv64", 1 << 20);
    const uint32_t loop[] = {0x0000006f};       /* j . */
    size_t len;

    hart_bench_load(a, 0, loop, 1);
    hart_bench_load(b, 0, loop, 1);
    g_assert_cmpuint(hart_bench_run(a, 12345), ==, 12345);
    hart_bench_run(b, 777);
    g_autofree uint8_t *bytes = save(a, "cpu", &len);
    g_assert_true(load(b, "cpu", bytes, len, NULL));
    g_assert_cmpuint(counter_value(b->h, &b->h->instret), ==, 12345);
    hart_bench_run(b, 55);
    g_assert_cmpuint(counter_value(b->h, &b->h->instret), ==, 12400);
    hart_bench_free(a);
    hart_bench_free(b);
}

static void check_refused(size_t offset, uint64_t value, const char *name)
{
    HartBench *b = hart_bench_new("rv64", 1 << 20);
    size_t len;
    g_autofree uint8_t *bytes = save(b, "cpu", &len);
    uint64_t be = GUINT64_TO_BE(value);
    Error *err = NULL;

    memcpy(bytes + offset, &be, sizeof(be));
    g_assert_false(load(b, "cpu", bytes, len, &err));
    g_assert_nonnull(err);
    g_assert_nonnull(strstr(error_get_pretty(err), name));
    error_free(err);
    hart_bench_free(b);
}

static void test_refused(void)
{
    check_refused(0x2d4, 2, "priv");
    check_refused(0x2d4, 300, "priv");
    check_refused(0x2dc, 1, "virt");
    check_refused(0x298, 8, "frm");
    check_refused(0x280, 0x80000001, "pc");
    check_refused(0x2ec, 7, "mhartid");
    check_refused(0x31c, 3ull << 60, "satp");
    check_refused(0x2c4, 0x001411adull << 32 | 2, "misa_ext");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hart-state/layout", test_layout);
    g_test_add_func("/hart-state/roundtrip", test_roundtrip);
    g_test_add_func("/hart-state/counters", test_counters);
    g_test_add_func("/hart-state/refused", test_refused);
    return g_test_run();
}
