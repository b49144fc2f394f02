/*
 * test-migration-old-faults.c - what earlier migration code did wrong with numbers, clocks and changes of status.
 *
 * The case N-… is row N of the table of old faults in docs/devel/migration/testing.md; the other rows are held by
 * the programs that stand there.  This program has a clock_gettime() of its own, so that the host's wall clock can
 * be made to jump.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <math.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "lib-migration.h"
#include "migration/converge.h"
#include "migration/migration-internal.h"
#include "migration/ram.h"

#define MS 1000000LL
#define JUMP 30                         /* seconds: longer than any of these runs takes */

/* ---- the host's clocks ---- */

static _Atomic int64_t wall_offset, wall_step;      /* seconds; step: from each look at the wall clock to the next */

int clock_gettime(clockid_t id, struct timespec *ts)
{
    int result = (int)syscall(SYS_clock_gettime, id, ts);
    if (result == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) {
        ts->tv_sec += atomic_fetch_add(&wall_offset, atomic_load(&wall_step));
    }
    return result;
}

static void check_wall_clock(int64_t step)
{
    Pair p = pair_new();
    atomic_store(&wall_step, step);
    int64_t before = qemu_clock_get_ns(p.src->m, QEMU_CLOCK_HOST);
    int64_t jump = qemu_clock_get_ns(p.src->m, QEMU_CLOCK_HOST) - before;
    g_assert_cmpint(jump < 0, ==, step < 0);        /* the clock does jump */
    host_set_option(p.src, "max-bandwidth", json_integer(1 << 20), false);
    Wire *w = wire_new(UINT64_MAX, UINT64_MAX);
    pair_start(p, w);
    pair_finish(p, w);
    atomic_store(&wall_step, 0);
    for (int i = 0; i < 2; i++) {
        MigrationInfoData info = host_info(i ? p.dst : p.src);
        g_assert_cmpint(info.status, ==, MIGRATION_STATUS_COMPLETED);
        g_assert_cmpint(info.setup_time_ms, >=, 0);
        g_assert_cmpint(info.total_time_ms, >=, info.setup_time_ms);
        g_assert_cmpint(info.total_time_ms, <, JUMP * 1000);
        g_assert_true(i || (info.downtime_ms >= 0 && info.downtime_ms <= info.total_time_ms));
        migration_info_clear(&info);
    }
    pair_free(p);
}

/* The setup time was taken from the wall clock: an operator who set it made the time negative. */
static void test_wall_clock(void)
{
    check_wall_clock(JUMP);
    check_wall_clock(-JUMP);
}

/* ---- changes of status ---- */

static bool set_status(Host *h, int from, int to)
{
    machine_lock(h->m);
    bool ok = migration_set_status(h->m->migration, from, to);
    machine_unlock(h->m);
    return ok;
}

/* Whoever was too late with a change was not told, and nobody else saw that there had been none. */
static void test_lost_change(void)
{
    Host *h = host_new(true);
    g_assert_true(set_status(h, MIGRATION_STATUS_NONE, MIGRATION_STATUS_SETUP));
    g_assert_true(set_status(h, MIGRATION_STATUS_SETUP, MIGRATION_STATUS_CANCELLING));
    g_assert_false(set_status(h, MIGRATION_STATUS_SETUP, MIGRATION_STATUS_ACTIVE));
    g_assert_false(set_status(h, MIGRATION_STATUS_SETUP, MIGRATION_STATUS_CANCELLING));
    g_assert_cmpint(migration_status_now(h->m->migration), ==, MIGRATION_STATUS_CANCELLING);
    g_assert_true(set_status(h, MIGRATION_STATUS_CANCELLING, MIGRATION_STATUS_CANCELLED));
    g_assert_cmpstr(h->log->str, ==, "setup cancelling cancelled ");
    host_free(h);
}

static int hung_peer(Host *h)
{
    int pair[2];
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
    host_start_out(h, pair[0]);
    return pair[1];
}

static void expect_refused_locked(Host *h, const char *name)
{
    Error *err = NULL;
    json_t *values = json_pack("{sb}", name, !migration_cap(migration_options(h->m->migration), name));
    g_assert_false(migration_set_options(h->m->migration, values, true, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "cannot be changed while a migration runs"));
    error_free(err);
    json_decref(values);
}

/* A run that was being cancelled counted as over: options changed under it, and a new one was let in. */
static void test_while_cancelling(void)
{
    Host *h = host_new(true);
    int peer = hung_peer(h);
    host_wait_status(h, MIGRATION_STATUS_ACTIVE);
    machine_lock(h->m);         /* the cleanup needs it: it stays "cancelling" until the lock is free */
    g_assert_true(migration_cancel(h->m->migration, NULL));
    g_assert_cmpint(migration_status_now(h->m->migration), ==, MIGRATION_STATUS_CANCELLING);
    expect_refused_locked(h, "return-path");
    expect_refused_locked(h, "validate-uuid");
    Error *err = NULL;
    g_assert_false(migration_start(h->m->migration, migration_address_parse("fd:wire", NULL, NULL), -1,
                                   MIGRATION_DISKS_STAY, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "in progress"));
    error_free(err);
    machine_unlock(h->m);
    host_wait_end(h);
    close(peer);
    host_free(h);
}

/* ---- numbers ---- */

/* A run that did not complete had no times and no numbers: what was its length had been its beginning. */
static void check_numbers(Host *h, MigrationStatus status)
{
    host_wait_end(h);
    MigrationInfoData info = host_info(h);
    g_assert_cmpint(info.status, ==, status);
    g_assert_cmpint(info.total_time_ms, >, 0);
    g_assert_cmpint(info.total_time_ms, <, JUMP * 1000);
    g_assert_cmpint(info.setup_time_ms, >=, 0);
    g_assert_true(info.has_ram && info.total > 0 && info.dirty_sync_count > 0);
    migration_info_clear(&info);
}

static void test_no_times(void)
{
    Host *h = host_new(true);
    int peer = hung_peer(h);
    host_wait_status(h, MIGRATION_STATUS_ACTIVE);
    machine_lock(h->m);
    g_assert_true(migration_cancel(h->m->migration, NULL));
    machine_unlock(h->m);
    check_numbers(h, MIGRATION_STATUS_CANCELLED);
    close(peer);
    peer = hung_peer(h);
    host_wait_status(h, MIGRATION_STATUS_ACTIVE);
    close(peer);
    check_numbers(h, MIGRATION_STATUS_FAILED);
    host_free(h);
}

static double mbps_of(Host *h)
{
    MigrationInfoData info = host_info(h);
    migration_info_clear(&info);
    return info.mbps;
}

/* It was infinite for a run that took no time, and 0 instead of "not known" once the struct had been cleared. */
static void test_mbps(void)
{
    Pair p = pair_new();
    g_assert_cmpfloat(mbps_of(p.src), ==, -1);
    Wire *w = wire_new(UINT64_MAX, UINT64_MAX);
    pair_start(p, w);
    pair_finish(p, w);
    g_assert_cmpfloat(mbps_of(p.src), >, 0);
    MigrationTimes *t = &p.src->m->migration->times;
    int64_t active = atomic_load(&t->active_ns);
    for (int64_t took = -1; took <= 1; took++) {
        atomic_store(&t->end_ns, active + took);
        g_assert_true(isfinite(mbps_of(p.src)));
    }
    machine_lock(p.src->m);
    migration_reset_numbers(p.src->m->migration);
    machine_unlock(p.src->m);
    g_assert_cmpfloat(mbps_of(p.src), ==, -1);
    pair_free(p);
}

/* ---- the switchover's arithmetic ---- */

/* What so many bytes in so many ms are, in bytes a second. */
static double measured(uint64_t bytes, int64_t ms)
{
    BandwidthMeter m = { 0 };
    bandwidth_meter_add(&m, bytes, 1000 * MS, (1000 + ms) * MS);
    return bandwidth_meter_get(&m);
}

/* Bytes were divided by milliseconds as whole numbers: 1.99 became 1. */
static void test_whole_numbers(void)
{
    g_assert_cmpfloat(fabs(measured(1990, 1000) - 1990), <, 0.001);
    g_assert_cmpfloat(fabs(measured(19999, 20000) - 999.95), <, 0.001);
}

/* ... and what was less than 1 became 0, by which the next number was divided. */
static void test_division_by_zero(void)
{
    DowntimeCost cost = { .ram_bytes = 4096, .bandwidth = measured(19999, 20000) };
    g_assert_cmpint(converge_downtime_ns(&cost) / MS, ==, 4096 * 1000 / 1000);
    cost.bandwidth = measured(1, 20000);
    g_assert_cmpint(converge_downtime_ns(&cost), >, 0);
    cost.bandwidth = 0;
    g_assert_cmpint(converge_downtime_ns(&cost), ==, DOWNTIME_UNKNOWN);
}

/* ... and a machine behind such a channel was never stopped, however little was left. */
static void test_never_stopped(void)
{
    double bandwidth = measured(500, 1000);
    ConvergeRound r = { .running = true, .pending = 100, .previous = 120, .bandwidth = bandwidth,
                        .downtime_ns = converge_send_ns(100, bandwidth), .limit_ns = 300 * MS };
    g_assert_cmpint(r.downtime_ns, ==, 200 * MS);
    g_assert_true(converge_should_switch(&r));
    r.limit_ns = 100 * MS;
    g_assert_false(converge_should_switch(&r));
}

/* The estimate left out the devices, the stop and the load; and it was the time for a second's dirt. */
static void test_estimate(void)
{
    DowntimeCost cost = { .ram_bytes = 1000000, .bandwidth = 1e9 };
    g_assert_cmpint(converge_downtime_ns(&cost), ==, MS);
    int64_t *const rest[] = { &cost.stop_ns, &cost.save_ns, &cost.load_ns, &cost.round_trip_ns };
    for (size_t i = 0; i < G_N_ELEMENTS(rest); i++) {
        *rest[i] = 10 * MS;
        g_assert_cmpint(converge_downtime_ns(&cost), ==, MS + 10 * MS * (int64_t)(i + 1));
    }
    cost.device_bytes = 1000000;
    g_assert_cmpint(converge_downtime_ns(&cost), ==, 42 * MS);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/migration/old-faults/1-lost-change", test_lost_change);
    g_test_add_func("/migration/old-faults/8-whole-numbers", test_whole_numbers);
    g_test_add_func("/migration/old-faults/9-division-by-zero", test_division_by_zero);
    g_test_add_func("/migration/old-faults/10-never-stopped", test_never_stopped);
    g_test_add_func("/migration/old-faults/13-14-estimate", test_estimate);
    g_test_add_func("/migration/old-faults/16-28-mbps", test_mbps);
    g_test_add_func("/migration/old-faults/17-wall-clock", test_wall_clock);
    g_test_add_func("/migration/old-faults/18-no-times", test_no_times);
    g_test_add_func("/migration/old-faults/22-while-cancelling", test_while_cancelling);
    return g_test_run();
}
