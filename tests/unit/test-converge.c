/*
 * test-converge.c - when to stop the machine: bandwidth from samples, expected downtime, the decision.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <glib.h>
#include <math.h>
#include <string.h>

#include "migration/converge.h"

#define MS 1000000LL
#define MIB (1024.0 * 1024)

static void test_meter(void)
{
    BandwidthMeter m = { 0 };
    g_assert_cmpfloat(bandwidth_meter_get(&m), ==, 0);
    /* 1 MiB in 10 ms. */
    bandwidth_meter_add(&m, 1 << 20, 100 * MS, 110 * MS);
    g_assert_cmpfloat(fabs(bandwidth_meter_get(&m) - 100 * MIB), <, 1);
    /* Put at once with the first, through 10 ms later: no faster and no slower. */
    bandwidth_meter_add(&m, 1 << 20, 100 * MS, 120 * MS);
    g_assert_cmpfloat(fabs(bandwidth_meter_get(&m) - 100 * MIB), <, 1);
    /* A pause in between does not count. */
    bandwidth_meter_add(&m, 1 << 20, 900 * MS, 910 * MS);
    g_assert_cmpfloat(fabs(bandwidth_meter_get(&m) - 100 * MIB), <, 1);
    /* The channel has become ten times slower: soon that is what is told. */
    for (int i = 0; i < 10; i++) {
        bandwidth_meter_add(&m, 1 << 20, (1000 + i * 100) * MS, (1100 + i * 100) * MS);
    }
    g_assert_cmpfloat(bandwidth_meter_get(&m), <, 12 * MIB);
    /* One sample that is longer than the memory. */
    bandwidth_meter_add(&m, 1 << 20, 3000 * MS, 4000 * MS);
    g_assert_cmpfloat(fabs(bandwidth_meter_get(&m) - MIB), <, 1);
}

static void test_meter_nonsense(void)
{
    BandwidthMeter m = { 0 };
    bandwidth_meter_add(&m, 1 << 20, 100 * MS, 100 * MS);       /* no time */
    bandwidth_meter_add(&m, 1 << 20, 100 * MS, 50 * MS);        /* the clock went back */
    bandwidth_meter_add(&m, 0, 100 * MS, 200 * MS);             /* no bytes */
    g_assert_cmpfloat(bandwidth_meter_get(&m), ==, 0);
    bandwidth_meter_add(&m, UINT64_MAX, 300 * MS, INT64_MAX);
    double get = bandwidth_meter_get(&m);
    g_assert_true(isfinite(get) && get > 0);
}

static void test_send_ns(void)
{
    static const double not_known[] = { 0, -0.0, -1, NAN, -INFINITY };
    for (size_t i = 0; i < G_N_ELEMENTS(not_known); i++) {
        g_assert_cmpint(converge_send_ns(1, not_known[i]), ==, DOWNTIME_UNKNOWN);
        g_assert_cmpint(converge_send_ns(0, not_known[i]), ==, 0);
    }
    g_assert_cmpint(converge_send_ns(1000, 1000), ==, 1000000000);
    g_assert_cmpint(converge_send_ns(1, INFINITY), ==, 0);
    /* The old division by a bandwidth below one byte a millisecond. */
    g_assert_cmpint(converge_send_ns(19999, 0.9), >, 0);
    g_assert_cmpint(converge_send_ns(UINT64_MAX, 1e-300), ==, DOWNTIME_UNKNOWN);
    g_assert_cmpint(converge_send_ns(UINT64_MAX, 4e-10), ==, DOWNTIME_UNKNOWN);
}

static void test_downtime(void)
{
    DowntimeCost c = { .ram_bytes = 1000000, .device_bytes = 500000, .bandwidth = 1e9, .stop_ns = 100,
                       .save_ns = 20, .load_ns = 3, .round_trip_ns = 4000 };
    g_assert_cmpint(converge_downtime_ns(&c), ==, 1500000 + 4123);
    c.stop_ns = -5;
    g_assert_cmpint(converge_downtime_ns(&c), ==, 1500000 + 4023);
    c.ram_ns = 999999;
    g_assert_cmpint(converge_downtime_ns(&c), ==, 1500000 + 4023);
    c.ram_ns = 3000000;             /* compressing takes longer than sending */
    g_assert_cmpint(converge_downtime_ns(&c), ==, 3500000 + 4023);
    c.ram_ns = 0;
    c.load_ns = INT64_MAX;
    g_assert_cmpint(converge_downtime_ns(&c), ==, DOWNTIME_UNKNOWN);
    c.bandwidth = 0;
    g_assert_cmpint(converge_downtime_ns(&c), ==, DOWNTIME_UNKNOWN);
}

static ConvergeRound round_of(uint64_t pending, uint64_t previous, double bandwidth)
{
    return (ConvergeRound) { .running = true, .pending = pending, .previous = previous, .bandwidth = bandwidth,
                             .downtime_ns = converge_send_ns(pending, bandwidth), .limit_ns = 300 * MS };
}

static void test_decision(void)
{
    ConvergeRound r = round_of(0, UINT64_MAX, 0);
    g_assert_true(converge_should_switch(&r));              /* nothing is left */
    r = round_of(1 << 20, UINT64_MAX, 0);
    g_assert_false(converge_should_switch(&r));             /* nobody knows what it would take */
    r.running = false;
    g_assert_true(converge_should_switch(&r));              /* a machine that stands can wait */
    r = round_of(400 << 20, UINT64_MAX, 1000 * MIB);
    g_assert_false(converge_should_switch(&r));             /* 400 ms */
    /* 200 ms are allowed, but an idle guest need not spend them. */
    r = round_of(200 << 20, UINT64_MAX, 1000 * MIB);
    g_assert_false(converge_should_switch(&r));
    /* Unless it is as busy as that: then more rounds do not help. */
    r.dirty_rate = 900u << 20;
    g_assert_true(converge_should_switch(&r));
    r = round_of(200 << 20, 201 << 20, 1000 * MIB);
    g_assert_true(converge_should_switch(&r));              /* the last round did not help */
    r = round_of(1 << 20, 100 << 20, 1000 * MIB);
    g_assert_true(converge_should_switch(&r));              /* 1 ms */
    /* The limit is an upper bound also for what does not depend on memory. */
    r = round_of(0, 0, 1000 * MIB);
    r.downtime_ns = 5 * MS;
    r.limit_ns = 6 * MS;         /* less than a quarter to spare */
    g_assert_false(converge_should_switch(&r));
    r.limit_ns = 7 * MS;
    g_assert_true(converge_should_switch(&r));
    /* A low limit on the bandwidth makes rounds long, in which more becomes dirty. */
    r = round_of(200 << 20, UINT64_MAX, 1000 * MIB);
    r.dirty_rate = 50u << 20;
    g_assert_false(converge_should_switch(&r));
    r.rate_limit = 20 * MIB;
    g_assert_true(converge_should_switch(&r));
}

static void test_stall(void)
{
    ConvergeRound r = round_of(400 << 20, UINT64_MAX, 1000 * MIB);
    r.dirty_rate = 2000u << 20;
    g_assert_false(converge_round_stalls(&r));              /* the first round is no sign */
    r.previous = 401 << 20;
    g_assert_true(converge_round_stalls(&r));
    g_autofree char *own = converge_explain(&r);
    g_assert_nonnull(strstr(own, "dirties 2000.0 MiB/s of memory and 1000.0 MiB/s can be sent (the channel's"));
    g_assert_nonnull(strstr(own, "take 500 ms, downtime-limit is 300 ms: raise downtime-limit"));
    r.rate_limit = 20 * MIB;
    g_autofree char *capped = converge_explain(&r);
    g_assert_nonnull(strstr(capped, "20.0 MiB/s can be sent (max-bandwidth)"));
    g_assert_nonnull(strstr(capped, "raise max-bandwidth or downtime-limit"));
    r.pending = 290 << 20;
    g_assert_false(converge_round_stalls(&r));              /* got on */
    r = round_of(200 << 20, 201 << 20, 1000 * MIB);
    g_assert_false(converge_round_stalls(&r));              /* the stop is allowed */
    r.downtime_ns = DOWNTIME_UNKNOWN;
    g_autofree char *unknown = converge_explain(&r);
    g_assert_nonnull(strstr(unknown, "take an unknown time"));
}

/* A guest that has become idle must not wait for ever because the channel was slow once. */
static void test_wants_sample(void)
{
    const int64_t old = BANDWIDTH_MEMORY_NS + 1;
    ConvergeRound r = round_of(1 << 10, 1 << 10, 1000);
    g_assert_true(converge_wants_sample(&r, old));
    g_assert_false(converge_wants_sample(&r, BANDWIDTH_MEMORY_NS));
    r.pending = BANDWIDTH_SAMPLE_BYTES;
    g_assert_false(converge_wants_sample(&r, old));         /* the next round is one */
    r.pending = 1 << 10;
    r.least_ns = 250 * MS;
    g_assert_false(converge_wants_sample(&r, old));         /* no bandwidth would help */
    r.least_ns = 0;
    r.downtime_ns = 200 * MS;
    g_assert_false(converge_wants_sample(&r, old));         /* none is needed */
    r.downtime_ns = DOWNTIME_UNKNOWN;
    g_assert_true(converge_wants_sample(&r, old));
    r.running = false;
    g_assert_false(converge_wants_sample(&r, old));
    /* What the sample then says counts at once, whatever was before. */
    BandwidthMeter m = { 0 };
    bandwidth_meter_add(&m, BANDWIDTH_SAMPLE_BYTES, 0, 60000 * MS);
    bandwidth_meter_add(&m, 1 << 20, 61000 * MS, 61010 * MS);
    g_assert_cmpfloat(fabs(bandwidth_meter_get(&m) - 100 * MIB), <, 1);
}

/* What a stop has taken already is certain, what is still to come is not. */
static void test_whole_stop(void)
{
    g_assert_cmpint(converge_whole_stop_ns(10 * MS, 0), ==, 10 * MS);
    g_assert_cmpint(converge_whole_stop_ns(10 * MS, 20 * MS), ==, 35 * MS);
    g_assert_cmpint(converge_whole_stop_ns(-1, 20 * MS), ==, 25 * MS);
    g_assert_cmpint(converge_whole_stop_ns(1, DOWNTIME_UNKNOWN), ==, DOWNTIME_UNKNOWN);
    g_assert_cmpint(converge_whole_stop_ns(INT64_MAX, 20 * MS), ==, DOWNTIME_UNKNOWN);
    /* Stops that were taken back are the reason only where a stop could be begun. */
    ConvergeRound r = round_of(200 << 20, 201 << 20, 1000 * MIB);
    r.overrun_ns = 400 * MS;
    g_autofree char *stops = converge_explain(&r);
    g_assert_nonnull(strstr(stops, "might have taken 400 ms and was taken back, each time; downtime-limit is 300 ms"));
    r.downtime_ns = 300 * MS;
    g_autofree char *pages = converge_explain(&r);
    g_assert_nonnull(strstr(pages, "the guest dirties"));
}

/* Whatever goes in: an answer, and no trap. */
static void test_any(void)
{
    static const double speeds[] = { 0, -1, NAN, INFINITY, -INFINITY, 1e-300, 1, 1e9, 1e308 };
    static const uint64_t sizes[] = { 0, 1, 4096, 1u << 30, 1ull << 62, UINT64_MAX };
    for (size_t i = 0; i < G_N_ELEMENTS(speeds); i++) {
        for (size_t j = 0; j < G_N_ELEMENTS(sizes); j++) {
            for (size_t k = 0; k < G_N_ELEMENTS(sizes); k++) {
                DowntimeCost c = { .ram_bytes = sizes[j], .device_bytes = sizes[k], .bandwidth = speeds[i],
                                   .stop_ns = INT64_MIN, .round_trip_ns = INT64_MAX };
                g_assert_cmpint(converge_downtime_ns(&c), >=, 0);
                ConvergeRound r = round_of(sizes[j], sizes[k], speeds[i]);
                r.rate_limit = speeds[G_N_ELEMENTS(speeds) - 1 - i];
                r.dirty_rate = sizes[k];
                converge_should_switch(&r);
            }
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/migration/converge/meter", test_meter);
    g_test_add_func("/migration/converge/meter-nonsense", test_meter_nonsense);
    g_test_add_func("/migration/converge/send", test_send_ns);
    g_test_add_func("/migration/converge/downtime", test_downtime);
    g_test_add_func("/migration/converge/decision", test_decision);
    g_test_add_func("/migration/converge/stall", test_stall);
    g_test_add_func("/migration/converge/wants-sample", test_wants_sample);
    g_test_add_func("/migration/converge/whole-stop", test_whole_stop);
    g_test_add_func("/migration/converge/any", test_any);
    return g_test_run();
}
