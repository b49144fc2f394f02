/*
 * test-plic.c - the PLIC: priorities, thresholds, claims, level-triggered gateways, what migrates.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "board-fixture.h"

#include "hw/intc.h"

#define PLIC 0xc000000ull
#define PRIORITY(_n) (PLIC + 4 * (_n))
#define PENDING(_w) (PLIC + 0x1000 + 4 * (_w))
#define ENABLE(_c, _w) (PLIC + 0x2000 + 0x80 * (_c) + 4 * (_w))
#define THRESHOLD(_c) (PLIC + 0x200000 + 0x1000 * (_c))
#define CLAIM(_c) (THRESHOLD(_c) + 4)

static DeviceState *plic_new(Machine *m)
{
    Error *err = NULL;
    DeviceState *plic = sysbus_create(m, TYPE_SIFIVE_PLIC, PLIC, (IRQLine){ NULL }, &err);
    g_assert_null(err);
    return plic;
}

static void raise_source(DeviceState *plic, unsigned source, bool level)
{
    IRQLine line = sifive_plic_source(plic, source);
    irq_set(&line, level);
}

static void test_registers(void)
{
    Machine *m = fixture_new(2);
    plic_new(m);

    bus_write(m, PRIORITY(1), 4, 7);
    g_assert_cmpuint(bus_read(m, PRIORITY(1), 4), ==, 7);
    bus_write(m, PRIORITY(95), 4, 0xffffffff);
    g_assert_cmpuint(bus_read(m, PRIORITY(95), 4), ==, 7);
    bus_write(m, PRIORITY(0), 4, 5);
    g_assert_cmpuint(bus_read(m, PRIORITY(0), 4), ==, 0);
    bus_write(m, PRIORITY(96), 4, 5);
    g_assert_cmpuint(bus_read(m, PRIORITY(96), 4), ==, 0);

    for (unsigned context = 0; context < 4; context++) {
        for (unsigned word = 0; word < 4; word++) {
            bus_write(m, ENABLE(context, word), 4, 0xffffffff);
        }
        g_assert_cmphex(bus_read(m, ENABLE(context, 0), 4), ==, 0xfffffffe);
        g_assert_cmphex(bus_read(m, ENABLE(context, 2), 4), ==, 0xffffffff);
        g_assert_cmphex(bus_read(m, ENABLE(context, 3), 4), ==, 0);
        bus_write(m, THRESHOLD(context), 4, context);
        g_assert_cmpuint(bus_read(m, THRESHOLD(context), 4), ==, context);
    }
    bus_write(m, ENABLE(4, 0), 4, 0xffffffff);      /* no such context */
    g_assert_cmpuint(bus_read(m, ENABLE(4, 0), 4), ==, 0);
    bus_write(m, THRESHOLD(4), 4, 3);
    g_assert_cmpuint(bus_read(m, THRESHOLD(4), 4), ==, 0);
    bus_write(m, PENDING(0), 4, 0xffffffff);
    g_assert_cmpuint(bus_read(m, PENDING(0), 4), ==, 0);
    g_assert_cmpuint(bus_read(m, PLIC + SIFIVE_PLIC_SIZE - 4, 4), ==, 0);
    g_assert_true(bus_faults(m, PRIORITY(1), 1));
    g_assert_true(bus_faults(m, PLIC, 8));
    g_assert_true(bus_faults(m, PLIC + SIFIVE_PLIC_SIZE, 4));
    fixture_free(m);
}

static void test_claim_order(void)
{
    Machine *m = fixture_new(1);
    DeviceState *plic = plic_new(m);

    bus_write(m, PRIORITY(10), 4, 3);
    bus_write(m, PRIORITY(11), 4, 5);
    bus_write(m, PRIORITY(40), 4, 5);
    bus_write(m, ENABLE(1, 0), 4, 1 << 10 | 1 << 11);
    bus_write(m, ENABLE(1, 1), 4, 1 << 8);
    raise_source(plic, 40, true);
    raise_source(plic, 10, true);
    raise_source(plic, 11, true);
    g_assert_true(hart_irq(m, 0, RISCV_IRQ_S_EXT));
    g_assert_false(hart_irq(m, 0, RISCV_IRQ_M_EXT));

    /* Equal priorities: the lower number first. */
    g_assert_cmpuint(bus_read(m, CLAIM(1), 4), ==, 11);
    g_assert_cmpuint(bus_read(m, CLAIM(1), 4), ==, 40);
    g_assert_cmpuint(bus_read(m, CLAIM(1), 4), ==, 10);
    g_assert_cmpuint(bus_read(m, CLAIM(1), 4), ==, 0);
    g_assert_false(hart_irq(m, 0, RISCV_IRQ_S_EXT));
    g_assert_cmpuint(bus_read(m, CLAIM(0), 4), ==, 0);
    fixture_free(m);
}

static void test_threshold(void)
{
    Machine *m = fixture_new(1);
    DeviceState *plic = plic_new(m);

    bus_write(m, PRIORITY(7), 4, 3);
    bus_write(m, ENABLE(0, 0), 4, 1 << 7);
    bus_write(m, THRESHOLD(0), 4, 3);
    raise_source(plic, 7, true);
    g_assert_false(hart_irq(m, 0, RISCV_IRQ_M_EXT));
    bus_write(m, THRESHOLD(0), 4, 2);
    g_assert_true(hart_irq(m, 0, RISCV_IRQ_M_EXT));
    bus_write(m, THRESHOLD(0), 4, 7);
    g_assert_false(hart_irq(m, 0, RISCV_IRQ_M_EXT));
    /* A claim does not look at the threshold. */
    g_assert_cmpuint(bus_read(m, CLAIM(0), 4), ==, 7);
    bus_write(m, PRIORITY(7), 4, 0);
    raise_source(plic, 7, false);
    bus_write(m, CLAIM(0), 4, 7);
    raise_source(plic, 7, true);
    bus_write(m, THRESHOLD(0), 4, 0);
    g_assert_false(hart_irq(m, 0, RISCV_IRQ_M_EXT));   /* priority 0: never */
    g_assert_cmpuint(bus_read(m, CLAIM(0), 4), ==, 0);
    fixture_free(m);
}

static void test_gateway(void)
{
    Machine *m = fixture_new(1);
    DeviceState *plic = plic_new(m);

    bus_write(m, PRIORITY(10), 4, 1);
    bus_write(m, ENABLE(1, 0), 4, 1 << 10);
    raise_source(plic, 10, true);
    raise_source(plic, 10, false);
    g_assert_cmphex(bus_read(m, PENDING(0), 4), ==, 1 << 10);   /* latched */
    g_assert_cmpuint(bus_read(m, CLAIM(1), 4), ==, 10);
    raise_source(plic, 10, true);
    g_assert_cmphex(bus_read(m, PENDING(0), 4), ==, 0);         /* being served */
    g_assert_false(hart_irq(m, 0, RISCV_IRQ_S_EXT));
    bus_write(m, CLAIM(1), 4, 11);                              /* not that one */
    bus_write(m, CLAIM(1), 4, 0xffffffff);
    g_assert_false(hart_irq(m, 0, RISCV_IRQ_S_EXT));
    bus_write(m, CLAIM(1), 4, 10);
    g_assert_true(hart_irq(m, 0, RISCV_IRQ_S_EXT));                /* still high: again */
    g_assert_cmpuint(bus_read(m, CLAIM(1), 4), ==, 10);
    raise_source(plic, 10, false);
    bus_write(m, CLAIM(1), 4, 10);
    g_assert_false(hart_irq(m, 0, RISCV_IRQ_S_EXT));

    g_assert_null(sifive_plic_source(plic, 0).handler);
    g_assert_null(sifive_plic_source(plic, 96).handler);
    fixture_free(m);
}

static void test_reset(void)
{
    Machine *m = fixture_new(1);
    DeviceState *plic = plic_new(m);
    bus_write(m, PRIORITY(10), 4, 1);
    bus_write(m, ENABLE(0, 0), 4, 1 << 10);
    bus_write(m, THRESHOLD(1), 4, 5);
    raise_source(plic, 10, true);
    g_assert_true(hart_irq(m, 0, RISCV_IRQ_M_EXT));
    qdev_reset_all(m);
    g_assert_false(hart_irq(m, 0, RISCV_IRQ_M_EXT));
    g_assert_cmpuint(bus_read(m, PRIORITY(10), 4), ==, 0);
    g_assert_cmpuint(bus_read(m, PENDING(0), 4), ==, 0);
    g_assert_cmpuint(bus_read(m, THRESHOLD(1), 4), ==, 0);
    fixture_free(m);
}

/* Sizes and order are the peer's: docs/devel/board.md. */
static void test_migration(void)
{
    Machine *m = fixture_new(2);
    DeviceState *plic = plic_new(m);
    size_t len;

    bus_write(m, PRIORITY(10), 4, 6);
    bus_write(m, ENABLE(3, 0), 4, 1 << 10);
    bus_write(m, THRESHOLD(2), 4, 4);
    raise_source(plic, 10, true);
    uint8_t *bytes = section_save(m, "riscv_sifive_plic", &len);
    g_assert_cmpuint(len, ==, 472);
    g_assert_cmpuint(bytes[4 * 10 + 3], ==, 6);                 /* source_priority[10] */
    g_assert_cmpuint(bytes[0x180 + 4 * 2 + 3], ==, 4);          /* target_priority[2] */
    g_assert_cmphex(bytes[0x190 + 2], ==, 0x04);                /* pending[0], bit 10 */
    g_assert_cmphex(bytes[0x1a8 + 4 * 9 + 2], ==, 0x04);        /* enable of context 3 */

    qdev_reset_all(m);
    g_assert_false(hart_irq(m, 1, RISCV_IRQ_S_EXT));
    g_assert_true(section_load(m, "riscv_sifive_plic", bytes, len, NULL));
    g_assert_true(hart_irq(m, 1, RISCV_IRQ_S_EXT));
    g_assert_cmpuint(bus_read(m, CLAIM(3), 4), ==, 10);

    Error *err = NULL;
    bytes[4 * 10 + 3] = 8;
    g_assert_false(section_load(m, "riscv_sifive_plic", bytes, len, &err));
    assert_error(err, "priority 8 of source 10");
    err = NULL;
    bytes[4 * 10 + 3] = 1;
    bytes[0x180] = 1;
    g_assert_false(section_load(m, "riscv_sifive_plic", bytes, len, &err));
    assert_error(err, "threshold");
    g_assert_false(section_load(m, "riscv_sifive_plic", bytes, 100, NULL));
    g_free(bytes);
    fixture_free(m);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/plic/registers", test_registers);
    g_test_add_func("/plic/claim-order", test_claim_order);
    g_test_add_func("/plic/threshold", test_threshold);
    g_test_add_func("/plic/gateway", test_gateway);
    g_test_add_func("/plic/reset", test_reset);
    g_test_add_func("/plic/migration", test_migration);
    return g_test_run();
}
