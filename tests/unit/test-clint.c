/*
 * test-clint.c - the ACLINT: software interrupts, mtime and mtimecmp, timers, what migrates.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "board-fixture.h"

#include "hw/intc.h"

#define SWI 0x2000000ull
#define MTIMER (SWI + ACLINT_SWI_SIZE)
#define MTIMECMP(_hart) (MTIMER + 8 * (_hart))
#define MTIME (SWI + 0xbff8)
#define TICK 100            /* ns */

static void aclint_part(Machine *m, const char *type, hwaddr base)
{
    Error *err = NULL;
    DeviceState *dev = sysbus_new(m, type, base, (IRQLine){ NULL }, &err);
    json_t *harts = json_integer(cpu_count(m));
    g_assert_true(qdev_set_prop(dev, "num-harts", harts, &err));
    json_decref(harts);
    g_assert_true(qdev_realize(dev, &err));
}

static Machine *clint_new(unsigned harts)
{
    Machine *m = fixture_new(harts);
    aclint_part(m, TYPE_ACLINT_SWI, SWI);
    aclint_part(m, TYPE_ACLINT_MTIMER, MTIMER);
    return m;
}

static void test_msip(void)
{
    Machine *m = clint_new(2);
    bus_write(m, SWI + 4, 4, 0xffffffff);
    g_assert_true(hart_irq(m, 1, RISCV_IRQ_M_SOFT));
    g_assert_false(hart_irq(m, 0, RISCV_IRQ_M_SOFT));
    g_assert_cmpuint(bus_read(m, SWI + 4, 4), ==, 1);
    bus_write(m, SWI + 4, 4, 0xfffffffe);
    g_assert_false(hart_irq(m, 1, RISCV_IRQ_M_SOFT));
    bus_write(m, SWI + 8, 4, 1);                    /* no such hart */
    g_assert_cmpuint(bus_read(m, SWI + 8, 4), ==, 0);
    g_assert_true(bus_faults(m, SWI, 8));
    bus_write(m, SWI, 4, 1);
    qdev_reset_all(m);
    g_assert_false(hart_irq(m, 0, RISCV_IRQ_M_SOFT));
    fixture_free(m);
}

static void test_timer(void)
{
    Machine *m = clint_new(2);
    fixture_set_time(m, 1000 * TICK);
    g_assert_cmpuint(bus_read(m, MTIME, 8), ==, 1000);
    bus_write(m, MTIMECMP(1), 8, 1500);
    g_assert_false(hart_irq(m, 1, RISCV_IRQ_M_TIMER));
    fixture_set_time(m, 1500 * TICK - 1);
    g_assert_false(hart_irq(m, 1, RISCV_IRQ_M_TIMER));
    fixture_set_time(m, 1500 * TICK);
    g_assert_true(hart_irq(m, 1, RISCV_IRQ_M_TIMER));
    bus_write(m, MTIMECMP(1), 8, UINT64_MAX);
    g_assert_false(hart_irq(m, 1, RISCV_IRQ_M_TIMER));
    bus_write(m, MTIMECMP(0), 8, 10);               /* passed already */
    g_assert_true(hart_irq(m, 0, RISCV_IRQ_M_TIMER));
    g_assert_cmpuint(bus_read(m, MTIMECMP(2), 8), ==, 0);
    fixture_free(m);
}

static void test_halves(void)
{
    Machine *m = clint_new(1);
    fixture_set_time(m, 0x123456789ll * TICK);
    g_assert_cmphex(bus_read(m, MTIME, 4), ==, 0x23456789);
    g_assert_cmphex(bus_read(m, MTIME + 4, 4), ==, 1);
    bus_write(m, MTIMECMP(0), 4, 0xdeadbeef);
    bus_write(m, MTIMECMP(0) + 4, 4, 0x12);
    g_assert_cmphex(bus_read(m, MTIMECMP(0), 8), ==, 0x12deadbeefull);
    g_assert_true(bus_faults(m, MTIME, 2));

    /* mtime can be set; timers follow it. */
    bus_write(m, MTIME, 8, 0x12deadbeeeull);
    g_assert_false(hart_irq(m, 0, RISCV_IRQ_M_TIMER));
    fixture_set_time(m, 0x123456789ll * TICK + TICK);
    g_assert_cmphex(bus_read(m, MTIME, 8), ==, 0x12deadbeefull);
    g_assert_true(hart_irq(m, 0, RISCV_IRQ_M_TIMER));
    bus_write(m, MTIME + 4, 4, 0);
    g_assert_false(hart_irq(m, 0, RISCV_IRQ_M_TIMER));
    fixture_free(m);
}

static void test_migration(void)
{
    Machine *m = clint_new(2);
    size_t len;
    fixture_set_time(m, 1000 * TICK);
    bus_write(m, MTIMECMP(0), 8, 2000);
    bus_write(m, MTIMECMP(1), 8, UINT64_MAX);
    uint8_t *bytes = section_save(m, "riscv_mtimer", &len);
    g_assert_cmpuint(len, ==, 16);
    g_assert_cmphex(bytes[6], ==, 0x07);
    g_assert_cmphex(bytes[7], ==, 0xd0);

    /* The one who receives arms the timer itself. */
    qdev_reset_all(m);
    g_assert_true(hart_irq(m, 0, RISCV_IRQ_M_TIMER));
    g_assert_true(section_load(m, "riscv_mtimer", bytes, len, NULL));
    g_assert_false(hart_irq(m, 0, RISCV_IRQ_M_TIMER));
    g_assert_cmpint(clocks_virtual_deadline_ns(m->clocks), ==, 2000 * TICK);
    fixture_set_time(m, 2000 * TICK);
    g_assert_true(hart_irq(m, 0, RISCV_IRQ_M_TIMER));
    g_free(bytes);

    /* An mtime that was set travels with it. */
    bus_write(m, MTIME, 8, 77);
    bytes = section_save(m, "riscv_mtimer", &len);
    g_assert_cmpuint(len, >, 16);
    bus_write(m, MTIME, 8, 5);
    g_assert_true(section_load(m, "riscv_mtimer", bytes, len, NULL));
    g_assert_cmpuint(bus_read(m, MTIME, 8), ==, 77);
    g_free(bytes);
    fixture_free(m);
}

static void test_hart_count(void)
{
    Machine *m = fixture_new(1);
    Error *err = NULL;
    DeviceState *dev = sysbus_new(m, TYPE_ACLINT_MTIMER, MTIMER, (IRQLine){ NULL }, &err);
    g_assert_true(qdev_set_prop_string(dev, "num-harts", "2", &err));
    g_assert_false(qdev_realize(dev, &err));
    assert_error(err, "num-harts' is 2; expected 1 to 1");
    fixture_free(m);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/clint/msip", test_msip);
    g_test_add_func("/clint/timer", test_timer);
    g_test_add_func("/clint/halves", test_halves);
    g_test_add_func("/clint/migration", test_migration);
    g_test_add_func("/clint/hart-count", test_hart_count);
    return g_test_run();
}
