/*
 * test-migration-stop.c - when the machine is stopped, and when it is not: stops that are too long, channels that were slow.
 *
 * A drain handler makes the stops of a host as long as a test wants; nothing else here takes noticeable time.  A
 * channel that was slow once does not keep an idle machine from moving later.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "lib-migration.h"
#include "migration/migration-internal.h"
#include "migration/register.h"
#include "migration/vmstate.h"
#include "system/memory.h"

#define LIMIT_MS 40
#define SLOW_US (LIMIT_MS * 1200)

typedef struct Stops {
    Host *src, *dst;
    Wire *wire;
    GMutex lock;
    GCond cond;
    unsigned seen, slow;        /* so many stops have been; so many are slow before one is not */
} Stops;

/* The disks of a machine that comes to rest. */
static bool drain(void *opaque, Error **errp)
{
    Stops *s = opaque;
    g_mutex_lock(&s->lock);
    bool slow = s->seen++ < s->slow;
    g_cond_broadcast(&s->cond);
    g_mutex_unlock(&s->lock);
    if (slow) {
        g_usleep(SLOW_US);
    }
    return true;
}

static Stops *stops_new(unsigned slow)
{
    Stops *s = g_new0(Stops, 1);
    s->slow = slow;
    s->src = host_new(true);
    s->dst = host_new(false);
    s->wire = wire_new(UINT64_MAX, UINT64_MAX);
    g_mutex_init(&s->lock);
    g_cond_init(&s->cond);
    host_set_option(s->src, "avail-switchover-bandwidth", json_integer(1000000000), false);
    host_set_option(s->src, "downtime-limit", json_integer(LIMIT_MS), false);
    machine_lock(s->src->m);
    vm_add_drain_handler(s->src->m, drain, s);
    machine_unlock(s->src->m);
    return s;
}

static void start(Stops *s)
{
    host_start_in(s->dst, wire_second(s->wire));
    host_start_out(s->src, wire_first(s->wire));
}

static void wait_stops(Stops *s, unsigned count)
{
    g_mutex_lock(&s->lock);
    while (s->seen < count) {
        g_cond_wait(&s->cond, &s->lock);
    }
    g_mutex_unlock(&s->lock);
}

/* Both migrations end; the machine is on that side. */
static void finish(Stops *s, bool moved)
{
    host_wait_end(s->src);
    host_wait_end(s->dst);
    wire_end(s->wire, NULL, NULL);
    g_assert_cmpint(host_runs(s->src), ==, !moved);
    g_assert_cmpint(host_runs(s->dst), ==, moved);
    if (moved) {
        hosts_assert_same(s->src, s->dst);
    }
    host_free(s->src);
    host_free(s->dst);
    g_mutex_clear(&s->lock);
    g_cond_clear(&s->cond);
    g_free(s);
}

/* Two stops are too long, the third one is not. */
static void test_taken_back(void)
{
    Stops *s = stops_new(2);
    start(s);
    host_wait_end(s->src);
    g_assert_cmpint(s->seen, >=, 3);
    g_assert_cmpstr(s->src->log->str, ==, "setup active device completed ");
    MigrationInfoData info = host_info(s->src);
    /* The stops that were taken back are none of the downtime. */
    g_assert_cmpint(info.downtime_ms, <=, info.total_time_ms - 2 * SLOW_US / 1000);
    g_assert_null(info.hint);
    migration_info_clear(&info);
    finish(s, true);
}

/* No stop is ever short enough: it says so, the guest has most of the time, and a cancel leaves it running. */
static void test_never(void)
{
    Stops *s = stops_new(UINT_MAX);
    gint64 begin = g_get_monotonic_time();
    start(s);
    wait_stops(s, CONVERGE_STALLS + 1);
    gint64 took = g_get_monotonic_time() - begin;
    g_assert_cmpint(took, >=, CONVERGE_STALLS * CONVERGE_RUN_PER_STOP * (gint64)SLOW_US);
    MigrationInfoData info = host_info(s->src);
    g_assert_cmpint(info.status, ==, MIGRATION_STATUS_ACTIVE);
    g_assert_nonnull(info.hint);
    g_assert_nonnull(strstr(info.hint, "taken back"));
    migration_info_clear(&info);
    machine_lock(s->src->m);
    g_assert_true(migration_cancel(s->src->m->migration, NULL));
    machine_unlock(s->src->m);
    finish(s, false);
}

/* pre-switchover is told once, when the stop is one that stays; how long it lasts is the operator's choice. */
static void test_pre_switchover(void)
{
    Stops *s = stops_new(1);
    host_set_option(s->src, "pause-before-switchover", json_true(), true);
    start(s);
    host_wait_status(s->src, MIGRATION_STATUS_PRE_SWITCHOVER);
    g_assert_cmpstr(s->src->log->str, ==, "setup active pre-switchover ");
    g_assert_false(host_runs(s->src));
    g_usleep(SLOW_US);
    machine_lock(s->src->m);
    g_assert_true(migration_continue(s->src->m->migration, MIGRATION_STATUS_PRE_SWITCHOVER, NULL));
    machine_unlock(s->src->m);
    finish(s, true);
}

/* A machine that stands still already loses nothing by a slow stop. */
static void test_paused(void)
{
    Stops *s = stops_new(UINT_MAX);
    machine_lock(s->src->m);
    vm_stop(s->src->m, RUN_STATE_PAUSED);
    machine_unlock(s->src->m);
    g_assert_cmpint(s->seen, ==, 1);
    start(s);
    host_wait_end(s->src);
    host_wait_end(s->dst);
    g_assert_cmpint(s->seen, ==, 2);
    g_assert_cmpint(runstate_get(s->dst->m), ==, RUN_STATE_PAUSED);
    machine_lock(s->dst->m);
    vm_start(s->dst->m);
    machine_unlock(s->dst->m);
    finish(s, true);
}

/* ---- a channel that was slow once ---- */

#define RAM_PAGES 256u
#define GATE_AT (300u << 10)
#define GATE_US 500000
/* What the gate makes of the bandwidth is 2 MiB/s, and a device of this size takes 30 ms at it. */
#define DEVICE_BYTES (64u << 10)
#define SLOW_LIMIT_MS 20

typedef struct Large {
    uint8_t bytes[DEVICE_BYTES];
} Large;

static const VMStateDescription vmstate_large = {
    .name = "large", .version_id = 1, .minimum_version_id = 1,
    .fields = (const VMStateField[]){ VMSTATE_BUFFER(bytes, Large), VMSTATE_END_OF_LIST() },
};

static Host *large_host(bool running, Large *device)
{
    Host *h = host_new_sized(running, RAM_PAGES);
    machine_lock(h->m);
    g_assert_true(vmstate_register(h->m, NULL, 0, &vmstate_large, device, NULL));
    if (running) {
        memset(ram_block_find(h->m, "main")->host, 0x5a, RAM_PAGES * TARGET_PAGE_SIZE);
    }
    machine_unlock(h->m);
    return h;
}

/* The first round meets a channel that stands still for a while; then there is nothing left but the devices. */
static void test_slow_once(gconstpointer two_way)
{
    g_autofree Large *here = g_new0(Large, 1), *there = g_new0(Large, 1);
    Host *src = large_host(true, here), *dst = large_host(false, there);
    Wire *w = wire_new_faulty(WIRE_GATE, GATE_AT, UINT64_MAX, 0);
    host_set_option(src, "downtime-limit", json_integer(SLOW_LIMIT_MS), false);
    host_set_option(src, "return-path", json_boolean(two_way != NULL), true);
    host_start_in(dst, wire_second(w));
    host_start_out(src, wire_first(w));
    wire_wait_fault(w);
    g_usleep(GATE_US);
    wire_open(w);
    host_wait_end(src);
    host_wait_end(dst);
    wire_end(w, NULL, NULL);
    g_assert_true(host_runs(dst) && !host_runs(src));
    hosts_assert_same(src, dst);
    host_free(src);
    host_free(dst);
}

/* ---- a channel that becomes slow while the machine stands still ---- */

#define LATE_PAGES 40u
#define LATE_LIMIT_MS 100

typedef struct Late {
    GMutex lock;
    GCond cond;
    Machine *m;
    unsigned stops, starts;
} Late;

/* What the disks still wrote to memory while the machine came to rest; the first time only. */
static bool dirty_late(void *opaque, Error **errp)
{
    Late *late = opaque;
    if (late->stops++ == 0) {
        RAMBlock *ram = ram_block_find(late->m, "main");
        memset(ram->host, 0x33, LATE_PAGES * TARGET_PAGE_SIZE);
        ram_block_set_dirty(ram, 0, LATE_PAGES * TARGET_PAGE_SIZE);
    }
    return true;
}

static void count_starts(void *opaque, bool running, RunState state)
{
    Late *late = opaque;
    g_mutex_lock(&late->lock);
    late->starts += running;
    g_cond_broadcast(&late->cond);
    g_mutex_unlock(&late->lock);
}

/* The last part of memory hangs in the channel: the machine runs on meanwhile, and moves when it gets through. */
static void test_slow_at_last(void)
{
    Late late = { 0 };
    g_autofree Large *here = g_new0(Large, 1), *there = g_new0(Large, 1);
    Host *src = large_host(true, here), *dst = large_host(false, there);
    Wire *w = wire_new_faulty(WIRE_GATE, (RAM_PAGES + LATE_PAGES / 3) * TARGET_PAGE_SIZE, UINT64_MAX, 0);
    late.m = src->m;
    machine_lock(src->m);
    vm_add_drain_handler(src->m, dirty_late, &late);
    VMChangeStateEntry *entry = vm_add_change_state_handler(src->m, count_starts, &late);
    machine_unlock(src->m);
    /* Said to be enough that memory goes out in 8 ms. */
    host_set_option(src, "avail-switchover-bandwidth", json_integer(20000000), false);
    host_set_option(src, "downtime-limit", json_integer(LATE_LIMIT_MS), false);
    host_start_in(dst, wire_second(w));
    host_start_out(src, wire_first(w));
    wire_wait_fault(w);
    g_mutex_lock(&late.lock);
    while (late.starts == 0) {
        g_cond_wait(&late.cond, &late.lock);
    }
    g_mutex_unlock(&late.lock);
    wire_open(w);
    host_wait_end(src);
    host_wait_end(dst);
    wire_end(w, NULL, NULL);
    g_assert_cmpuint(late.stops, >=, 2);
    g_assert_true(host_runs(dst) && !host_runs(src));
    hosts_assert_same(src, dst);
    machine_lock(src->m);
    vm_del_change_state_handler(entry);
    machine_unlock(src->m);
    host_free(src);
    host_free(dst);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/migration/stop/taken-back", test_taken_back);
    g_test_add_func("/migration/stop/never", test_never);
    g_test_add_func("/migration/stop/pre-switchover", test_pre_switchover);
    g_test_add_func("/migration/stop/paused", test_paused);
    g_test_add_func("/migration/stop/slow-at-last", test_slow_at_last);
    g_test_add_data_func("/migration/stop/slow-once", "", test_slow_once);
    g_test_add_data_func("/migration/stop/slow-once-one-way", NULL, test_slow_once);
    return g_test_run();
}
