/*
 * test-event-throttle.c - which events wait, for how long, and that the last one is never lost.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "monitor/event-throttle.h"

#include <glib.h>

static json_t *event(const char *name, const char *id, int number)
{
    return json_pack("{s:s, s:{s:s, s:i}}", "event", name, "data", "id", id, "n", number);
}

/* The number that the event carries, -1 for none; frees it. */
static int number_of(json_t *message)
{
    int number = message ? (int)json_integer_value(json_object_get(json_object_get(message, "data"), "n")) : -1;
    json_decref(message);
    return number;
}

#define PASS(name, id, n, now) number_of(event_throttle_pass(t, event(name, id, n), now))
#define DUE(now) number_of(event_throttle_due(t, now))

static void test_one_a_second(void)
{
    EventThrottle *t = event_throttle_new();
    g_assert_cmpint(PASS("BALLOON_CHANGE", "", 1, 0), ==, 1);
    g_assert_cmpint(event_throttle_next_us(t), ==, -1);
    for (int i = 2; i < 100; i++) {
        g_assert_cmpint(PASS("BALLOON_CHANGE", "", i, i * 1000), ==, -1);
    }
    g_assert_cmpint(event_throttle_next_us(t), ==, 1000000);
    g_assert_cmpint(DUE(999999), ==, -1);
    g_assert_cmpint(DUE(1000000), ==, 99);
    g_assert_cmpint(DUE(1000000), ==, -1);
    /* That one counts: the next waits a second from then. */
    g_assert_cmpint(PASS("BALLOON_CHANGE", "", 100, 1500000), ==, -1);
    g_assert_cmpint(event_throttle_next_us(t), ==, 2000000);
    g_assert_cmpint(DUE(5000000), ==, 100);
    g_assert_cmpint(PASS("BALLOON_CHANGE", "", 101, 6000001), ==, 101);
    event_throttle_free(t);
}

static json_t *io_error(const char *action, int n)
{
    return json_pack("{s:s s:{s:s s:s s:i}}", "event", "BLOCK_IO_ERROR", "data", "node-name", "d", "action",
                     action, "n", n);
}

/* A guest can make failures that it is told of; one that stops the machine is news at once. */
static void test_io_errors(void)
{
    EventThrottle *t = event_throttle_new();
    g_assert_cmpint(number_of(event_throttle_pass(t, io_error("report", 1), 0)), ==, 1);
    g_assert_cmpint(number_of(event_throttle_pass(t, io_error("report", 2), 10)), ==, -1);
    g_assert_cmpint(number_of(event_throttle_pass(t, io_error("stop", 3), 20)), ==, 3);
    g_assert_cmpint(number_of(event_throttle_pass(t, io_error("stop", 4), 20)), ==, 4);
    g_assert_cmpint(DUE(1000000), ==, 2);
    event_throttle_free(t);
}

static void test_kinds(void)
{
    EventThrottle *t = event_throttle_new();
    /* Others never wait. */
    for (int i = 0; i < 10; i++) {
        g_assert_cmpint(PASS("RESET", "", i, 0), ==, i);
    }
    /* Ports are told apart. */
    g_assert_cmpint(PASS("VSERPORT_CHANGE", "a", 1, 0), ==, 1);
    g_assert_cmpint(PASS("VSERPORT_CHANGE", "b", 2, 10), ==, 2);
    g_assert_cmpint(PASS("VSERPORT_CHANGE", "b", 3, 20), ==, -1);
    g_assert_cmpint(PASS("VSERPORT_CHANGE", "a", 4, 20), ==, -1);
    g_assert_cmpint(PASS("BALLOON_CHANGE", "a", 5, 20), ==, 5);
    g_assert_cmpint(DUE(1000000), ==, 4);
    g_assert_cmpint(event_throttle_next_us(t), ==, 1000010);
    g_assert_cmpint(DUE(1000000), ==, -1);
    g_assert_cmpint(DUE(1000010), ==, 3);
    g_assert_cmpint(event_throttle_next_us(t), ==, -1);
    /* What waits is freed. */
    g_assert_cmpint(PASS("BALLOON_CHANGE", "a", 6, 1000030), ==, 6);
    g_assert_cmpint(PASS("BALLOON_CHANGE", "a", 7, 1000040), ==, -1);
    json_t *odd = json_pack("{s:i}", "event", 1);
    g_assert_true(event_throttle_pass(t, odd, 0) == odd);
    json_decref(odd);
    event_throttle_free(t);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/event-throttle/one-a-second", test_one_a_second);
    g_test_add_func("/event-throttle/kinds", test_kinds);
    g_test_add_func("/event-throttle/io-errors", test_io_errors);
    return g_test_run();
}
