/*
 * test-throttle.c - auto-converge: when the harts are slowed down, and by how much.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <glib.h>

#include "migration/throttle.h"

#define MS 1000000LL
#define SECOND (1000 * MS)

static const ThrottleConfig defaults = { .trigger_threshold = 50, .initial = 20, .increment = 10, .max = 99 };

/* A round that sent `sent` and left `left` bytes; what is left takes a second, of which 300 ms are allowed. */
static ConvergeRound round_of(uint64_t sent, uint64_t left)
{
    return (ConvergeRound) { .running = true, .pending = left, .previous = sent, .downtime_ns = SECOND,
                             .limit_ns = 300 * MS };
}

static bool update(Throttle *t, uint64_t sent, uint64_t left, int64_t now_ns)
{
    const ConvergeRound r = round_of(sent, left);
    return throttle_update(t, &r, &defaults, now_ns);
}

static void test_two_rounds(void)
{
    Throttle t = { 0 };
    g_assert_false(update(&t, UINT64_MAX, 900, SECOND));        /* the first round is no sign */
    g_assert_false(update(&t, 1000, 501, 2 * SECOND));
    g_assert_true(update(&t, 1000, 501, 3 * SECOND));
    g_assert_cmpuint(t.percent, ==, 20);
    g_assert_false(update(&t, 1000, 501, 4 * SECOND));          /* the count began anew */
    g_assert_false(update(&t, 1000, 500, 5 * SECOND));          /* half is not more than half */
    g_assert_false(update(&t, 1000, 501, 6 * SECOND));
    g_assert_true(update(&t, 1000, 501, 7 * SECOND));
    g_assert_cmpuint(t.percent, ==, 30);
}

static void test_not_in_the_way(void)
{
    Throttle t = { 0 };
    ConvergeRound r = round_of(1000, 1000);
    for (int i = 1; i < 10; i++) {
        r.downtime_ns = 100 * MS;                               /* it may stop: nobody need be slowed down */
        g_assert_false(throttle_update(&t, &r, &defaults, i * SECOND));
    }
    r = round_of(1000, 1000);
    r.running = false;
    for (int i = 1; i < 10; i++) {
        g_assert_false(throttle_update(&t, &r, &defaults, i * SECOND));
    }
    for (int i = 1; i < 10; i++) {
        g_assert_false(update(&t, 0, 1000, i * SECOND));        /* nothing was sent */
    }
    g_assert_cmpuint(t.percent, ==, 0);
}

static void test_settles(void)
{
    Throttle t = { 0 };
    int64_t now = SECOND;
    g_assert_false(update(&t, 1000, 1000, now));
    g_assert_true(update(&t, 1000, 1000, now));
    for (int i = 0; i < 99; i++) {
        g_assert_false(update(&t, 1000, 1000, now += MS));      /* short rounds: the rise cannot be seen yet */
    }
    g_assert_true(update(&t, 1000, 1000, now += MS));
    g_assert_cmpuint(t.percent, ==, 30);
}

static void test_maximum(void)
{
    Throttle t = { 0 };
    unsigned rises = 0;
    for (int i = 1; i < 100; i++) {
        rises += update(&t, 1000, 1000, i * SECOND);
    }
    g_assert_cmpuint(t.percent, ==, 99);
    g_assert_cmpuint(rises, ==, 9);                             /* 20, 30 … 90, 99 */
    ThrottleConfig low = defaults;
    low.max = 15;
    t = (Throttle) { 0 };
    const ConvergeRound r = round_of(1000, 1000);
    for (int i = 1; i < 100; i++) {
        throttle_update(&t, &r, &low, i * SECOND);
    }
    g_assert_cmpuint(t.percent, ==, 15);
}

static void test_tailslow(void)
{
    ThrottleConfig slow = defaults;
    slow.tailslow = true;
    /* At 50 %, 51 % were left of what was sent: one more will do; left twice as much, the whole step is needed. */
    static const struct { uint64_t left; unsigned percent; } cases[] = { { 510, 51 }, { 560, 55 }, { 1000, 60 } };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        Throttle t = { .percent = 50, .outrun = 1 };
        const ConvergeRound r = round_of(1000, cases[i].left);
        g_assert_true(throttle_update(&t, &r, &slow, SECOND));
        g_assert_cmpuint(t.percent, ==, cases[i].percent);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/throttle/two-rounds", test_two_rounds);
    g_test_add_func("/throttle/not-in-the-way", test_not_in_the_way);
    g_test_add_func("/throttle/settles", test_settles);
    g_test_add_func("/throttle/maximum", test_maximum);
    g_test_add_func("/throttle/tailslow", test_tailslow);
    return g_test_run();
}
