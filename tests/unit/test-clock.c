/*
 * test-clock.c - clocks that follow the host and clocks made of instructions; timers and their order.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "lib-fake-cpu.h"

typedef struct Shot {
    Machine *machine;
    GString *log;
    QEMUTimer *timer;
    QEMUTimer *other;
    char name;
    int64_t period;
    int64_t fired_at;
    unsigned left;
} Shot;

static void fire(void *opaque)
{
    Shot *shot = opaque;
    g_assert_true(machine_locked(shot->machine));
    g_assert_false(timer_pending(shot->timer));
    g_string_append_c(shot->log, shot->name);
    shot->fired_at = qemu_clock_get_ns(shot->machine, QEMU_CLOCK_VIRTUAL);
    if (shot->left) {
        shot->left--;
        timer_mod(shot->timer, shot->fired_at + shot->period);
    }
}

static void fire_and_free_other(void *opaque)
{
    Shot *shot = opaque;
    fire(opaque);
    timer_free(shot->other);
}

static void test_virtual_stands_still(void)
{
    Machine *m = fake_machine_new(NULL);
    machine_lock(m);
    g_assert_cmpint(qemu_clock_get_ns(m, QEMU_CLOCK_VIRTUAL), ==, 0);
    clocks_set_virtual_ns(m->clocks, 12345);
    g_assert_cmpint(qemu_clock_get_ns(m, QEMU_CLOCK_VIRTUAL), ==, 12345);
    int64_t real = qemu_clock_get_ns(m, QEMU_CLOCK_REALTIME);
    clocks_enable_virtual(m->clocks, true);
    int64_t a = qemu_clock_get_ns(m, QEMU_CLOCK_VIRTUAL);
    int64_t b = qemu_clock_get_ns(m, QEMU_CLOCK_VIRTUAL);
    clocks_enable_virtual(m->clocks, false);
    int64_t c = qemu_clock_get_ns(m, QEMU_CLOCK_VIRTUAL);
    g_assert_cmpint(a, >=, 12345);
    g_assert_cmpint(b, >=, a);
    g_assert_cmpint(c, >=, b);
    /* It never runs ahead of the host. */
    g_assert_cmpint(c - 12345, <=, qemu_clock_get_ns(m, QEMU_CLOCK_REALTIME) - real);
    g_assert_cmpint(qemu_clock_get_ns(m, QEMU_CLOCK_VIRTUAL), ==, c);
    g_assert_cmpint(qemu_clock_get_ns(m, QEMU_CLOCK_HOST), >, 1500000000ll * NANOSECONDS_PER_SECOND);
    machine_unlock(m);
    machine_free(m);
}

static gpointer read_clock_thread(gpointer opaque)
{
    Machine *m = opaque;
    int64_t last = 0;
    for (int i = 0; i < 100000; i++) {
        int64_t now = qemu_clock_get_ns(m, QEMU_CLOCK_VIRTUAL);
        g_assert_cmpint(now, >=, last);
        /* A torn read would mix an offset with no host time, or the other way round. */
        g_assert_cmpint(now, <, 1000 * NANOSECONDS_PER_SECOND);
        last = now;
    }
    return NULL;
}

static void test_virtual_never_goes_back(void)
{
    Machine *m = fake_machine_new(NULL);
    GThread *thread = g_thread_new("reader", read_clock_thread, m);
    for (int i = 0; i < 20000; i++) {
        machine_lock(m);
        clocks_enable_virtual(m->clocks, i % 2 == 0);
        machine_unlock(m);
    }
    g_thread_join(thread);
    machine_free(m);
}

static void test_order(void)
{
    Machine *m = fake_machine_new(NULL);
    GString *log = g_string_new(NULL);
    Shot shots[4];
    static const int64_t at[4] = { 30, 10, 30, 20 };
    machine_lock(m);
    for (int i = 0; i < 4; i++) {
        shots[i] = (Shot) { .machine = m, .log = log, .name = 'a' + i };
        shots[i].timer = timer_new_ns(m, QEMU_CLOCK_VIRTUAL, fire, &shots[i]);
        timer_mod(shots[i].timer, at[i]);
    }
    g_assert_cmpint(clocks_virtual_deadline_ns(m->clocks), ==, 10);
    g_assert_cmpint(clocks_poll_deadline_ns(m->clocks), ==, -1);   /* the clock stands still */
    g_assert_cmpuint(timer_expire_time_ns(shots[3].timer), ==, 20);
    clocks_set_virtual_ns(m->clocks, 9);
    g_assert_false(clocks_run_timers(m->clocks, QEMU_CLOCK_VIRTUAL));
    clocks_set_virtual_ns(m->clocks, 100);
    g_assert_true(clocks_run_timers(m->clocks, QEMU_CLOCK_VIRTUAL));
    g_assert_cmpstr(log->str, ==, "bdac");
    g_assert_cmpuint(timer_expire_time_ns(shots[3].timer), ==, TIMER_NEVER);
    g_assert_cmpint(clocks_virtual_deadline_ns(m->clocks), ==, INT64_MAX);
    timer_mod(shots[0].timer, 500);
    timer_mod(shots[0].timer, 400);     /* moves, not adds */
    timer_del(shots[0].timer);
    timer_del(shots[0].timer);
    timer_mod(shots[1].timer, -5);      /* long past */
    g_assert_cmpuint(timer_expire_time_ns(shots[1].timer), ==, 0);
    g_assert_true(clocks_run_timers(m->clocks, QEMU_CLOCK_VIRTUAL));
    g_assert_cmpstr(log->str, ==, "bdacb");
    for (int i = 0; i < 4; i++) {
        timer_free(shots[i].timer);
    }
    machine_unlock(m);
    g_string_free(log, TRUE);
    machine_free(m);
}

static void test_callbacks_that_meddle(void)
{
    Machine *m = fake_machine_new(NULL);
    GString *log = g_string_new(NULL);
    Shot again = { .machine = m, .log = log, .name = 'r', .period = 0, .left = 1000 };
    Shot killer = { .machine = m, .log = log, .name = 'k' };
    Shot victim = { .machine = m, .log = log, .name = 'v' };
    machine_lock(m);
    again.timer = timer_new_ns(m, QEMU_CLOCK_VIRTUAL, fire, &again);
    killer.timer = timer_new_ns(m, QEMU_CLOCK_VIRTUAL, fire_and_free_other, &killer);
    killer.other = timer_new_ns(m, QEMU_CLOCK_VIRTUAL, fire, &victim);
    timer_mod(again.timer, 1);
    timer_mod(killer.timer, 2);
    timer_mod(killer.other, 3);
    clocks_set_virtual_ns(m->clocks, 10);
    /* "Now" again is not this time again. */
    g_assert_true(clocks_run_timers(m->clocks, QEMU_CLOCK_VIRTUAL));
    g_assert_cmpstr(log->str, ==, "rk");
    g_assert_true(clocks_run_timers(m->clocks, QEMU_CLOCK_VIRTUAL));
    g_assert_cmpstr(log->str, ==, "rkr");
    timer_free(again.timer);
    timer_free(killer.timer);
    timer_free(NULL);
    machine_unlock(m);
    g_string_free(log, TRUE);
    machine_free(m);
}

static void test_main_loop(void)
{
    static const QEMUClockType types[] = { QEMU_CLOCK_REALTIME, QEMU_CLOCK_VIRTUAL, QEMU_CLOCK_HOST };
    Machine *m = fake_machine_new(NULL);
    GString *log = g_string_new(NULL);
    machine_lock(m);
    clocks_enable_virtual(m->clocks, true);
    machine_unlock(m);
    for (unsigned i = 0; i < G_N_ELEMENTS(types); i++) {
        Shot shot = { .machine = m, .log = log, .name = '0' + i };
        machine_lock(m);
        shot.timer = timer_new_ns(m, types[i], fire, &shot);
        int64_t due = qemu_clock_get_ns(m, types[i]) + 3000000;
        timer_mod(shot.timer, due);
        machine_unlock(m);
        while (log->len == i) {
            main_loop_iterate(m->loop, true);
        }
        g_assert_cmpint(qemu_clock_get_ns(m, types[i]), >=, due);
        machine_lock(m);
        timer_free(shot.timer);
        machine_unlock(m);
    }
    g_assert_cmpstr(log->str, ==, "012");
    g_string_free(log, TRUE);
    machine_free(m);
}

static void test_icount(void)
{
    Machine *m = fake_machine_new(fake_config_icount(3, false));
    GString *log = g_string_new(NULL);
    Shot shot = { .machine = m, .log = log, .name = 'h' };
    int64_t base = m->config->rtc_base_ns;
    machine_lock(m);
    g_assert_cmpint(qemu_clock_get_ns(m, QEMU_CLOCK_HOST), ==, base);
    clocks_enable_virtual(m->clocks, true);
    clocks_icount_advance(m->clocks, 5);
    g_assert_cmpint(qemu_clock_get_ns(m, QEMU_CLOCK_VIRTUAL), ==, 40);
    clocks_icount_warp_to(m->clocks, 1000);
    clocks_icount_warp_to(m->clocks, 900);
    g_assert_cmpint(qemu_clock_get_ns(m, QEMU_CLOCK_VIRTUAL), ==, 1000);
    g_assert_cmpint(qemu_clock_get_ns(m, QEMU_CLOCK_HOST), ==, base + 1000);
    /* Wall-clock timers are timers of virtual time here, and the main loop leaves them alone. */
    shot.timer = timer_new_ns(m, QEMU_CLOCK_HOST, fire, &shot);
    timer_mod(shot.timer, base + 1500);
    g_assert_cmpint(clocks_virtual_deadline_ns(m->clocks), ==, 1500);
    g_assert_cmpint(clocks_poll_deadline_ns(m->clocks), ==, -1);
    g_assert_false(clocks_run_timers(m->clocks, QEMU_CLOCK_HOST));
    clocks_icount_warp_to(m->clocks, 1500);
    g_assert_true(clocks_run_timers(m->clocks, QEMU_CLOCK_HOST));
    timer_free(shot.timer);
    clocks_enable_virtual(m->clocks, false);
    clocks_set_virtual_ns(m->clocks, 77);
    g_assert_cmpint(qemu_clock_get_ns(m, QEMU_CLOCK_VIRTUAL), ==, 77);
    machine_unlock(m);
    g_string_free(log, TRUE);
    machine_free(m);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/clock/stands-still", test_virtual_stands_still);
    g_test_add_func("/clock/never-goes-back", test_virtual_never_goes_back);
    g_test_add_func("/clock/timers/order", test_order);
    g_test_add_func("/clock/timers/meddle", test_callbacks_that_meddle);
    g_test_add_func("/clock/timers/main-loop", test_main_loop);
    g_test_add_func("/clock/icount", test_icount);
    return g_test_run();
}
