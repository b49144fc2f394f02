/*
 * test-rtc.c - the real-time clock: reading and setting it, the alarm, what migrates.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "board-fixture.h"

#define RTC 0x101000ull
#define BASE (1000000000ull * NANOSECONDS_PER_SECOND)      /* the fixture's date */

enum {
    TIME_LOW = 0x00, TIME_HIGH = 0x04, ALARM_LOW = 0x08, ALARM_HIGH = 0x0c, IRQ_ENABLED = 0x10,
    CLEAR_ALARM = 0x14, ALARM_STATUS = 0x18, CLEAR_INTERRUPT = 0x1c,
};

static bool irq;

static Machine *rtc_new(void)
{
    Error *err = NULL;
    Machine *m = fixture_new(1);
    irq = false;
    g_assert_nonnull(sysbus_create(m, "goldfish_rtc", RTC, probe(&irq), &err));
    qdev_reset_all(m);
    return m;
}

static uint64_t now(Machine *m)
{
    uint64_t low = bus_read(m, RTC + TIME_LOW, 4);
    return low | bus_read(m, RTC + TIME_HIGH, 4) << 32;
}

static void set_alarm(Machine *m, uint64_t at)
{
    bus_write(m, RTC + ALARM_HIGH, 4, at >> 32);
    bus_write(m, RTC + ALARM_LOW, 4, (uint32_t)at);
}

static void test_time(void)
{
    Machine *m = rtc_new();
    g_assert_cmpuint(now(m), ==, BASE);
    fixture_set_time(m, 5000);
    g_assert_cmpuint(now(m), ==, BASE + 5000);

    /* The high half is the one that belongs to the low half read last. */
    uint32_t low = bus_read(m, RTC + TIME_LOW, 4);
    fixture_set_time(m, 5000 + 10 * NANOSECONDS_PER_SECOND);
    g_assert_cmpuint(low | bus_read(m, RTC + TIME_HIGH, 4) << 32, ==, BASE + 5000);

    uint64_t date = 1700000000ull * NANOSECONDS_PER_SECOND + 12345;
    bus_write(m, RTC + TIME_HIGH, 4, date >> 32);
    bus_write(m, RTC + TIME_LOW, 4, (uint32_t)date);
    g_assert_cmpuint(now(m), ==, date);
    qdev_reset_all(m);
    g_assert_cmpuint(now(m), ==, date);     /* a clock with a battery */
    g_assert_cmpuint(bus_read(m, RTC + 0x20, 4), ==, 0);
    g_assert_true(bus_faults(m, RTC + 0x24, 4));
    g_assert_true(bus_faults(m, RTC, 1));
    g_assert_true(bus_faults(m, RTC, 8));
    fixture_free(m);
}

static void test_alarm(void)
{
    Machine *m = rtc_new();
    set_alarm(m, BASE + 1000);
    g_assert_cmpuint(bus_read(m, RTC + ALARM_STATUS, 4), ==, 1);
    g_assert_cmpuint(bus_read(m, RTC + ALARM_LOW, 4), ==, (uint32_t)(BASE + 1000));
    fixture_set_time(m, 1000);
    g_assert_cmpuint(bus_read(m, RTC + ALARM_STATUS, 4), ==, 0);
    g_assert_false(irq);                    /* not enabled */
    bus_write(m, RTC + IRQ_ENABLED, 4, 1);
    g_assert_true(irq);
    bus_write(m, RTC + CLEAR_INTERRUPT, 4, 1);
    g_assert_false(irq);

    set_alarm(m, BASE + 5000);
    bus_write(m, RTC + CLEAR_ALARM, 4, 1);
    g_assert_cmpuint(bus_read(m, RTC + ALARM_STATUS, 4), ==, 0);
    fixture_set_time(m, 6000);
    g_assert_false(irq);
    set_alarm(m, 1);                        /* passed: at once */
    g_assert_true(irq);
    bus_write(m, RTC + CLEAR_INTERRUPT, 4, 1);
    set_alarm(m, UINT64_MAX);               /* never */
    g_assert_cmpint(clocks_virtual_deadline_ns(m->clocks), ==, INT64_MAX);
    fixture_free(m);
}

/* Setting the clock over the alarm's time rings it. */
static void test_set_time_moves_alarm(void)
{
    Machine *m = rtc_new();
    bus_write(m, RTC + IRQ_ENABLED, 4, 1);
    set_alarm(m, BASE + 100 * NANOSECONDS_PER_SECOND);
    uint64_t date = BASE + 101 * NANOSECONDS_PER_SECOND;
    bus_write(m, RTC + TIME_HIGH, 4, date >> 32);
    bus_write(m, RTC + TIME_LOW, 4, (uint32_t)date);
    g_assert_true(irq);
    fixture_free(m);
}

static void test_migration(void)
{
    Machine *m = rtc_new();
    size_t len;
    fixture_set_time(m, 500);
    bus_write(m, RTC + IRQ_ENABLED, 4, 1);
    set_alarm(m, BASE + 7000);
    uint8_t *bytes = section_save(m, "goldfish_rtc", &len);
    g_assert_cmpuint(len, ==, 40);
    g_assert_cmpuint(bytes[0x13], ==, 1);           /* alarm_running */
    g_assert_cmpuint(bytes[0x1b], ==, 1);           /* irq_enabled */
    for (unsigned i = 0; i < 8; i++) {
        g_assert_cmpuint(bytes[i], ==, 0);          /* tick_offset_vmstate */
    }
    qdev_reset_all(m);
    bus_write(m, RTC + TIME_HIGH, 4, 0);
    g_assert_true(section_load(m, "goldfish_rtc", bytes, len, NULL));
    g_assert_cmpuint(now(m), ==, BASE + 500);
    fixture_set_time(m, 6999);
    g_assert_false(irq);
    fixture_set_time(m, 7000);
    g_assert_true(irq);
    g_free(bytes);
    fixture_free(m);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rtc/time", test_time);
    g_test_add_func("/rtc/alarm", test_alarm);
    g_test_add_func("/rtc/set-time-moves-alarm", test_set_time_moves_alarm);
    g_test_add_func("/rtc/migration", test_migration);
    return g_test_run();
}
