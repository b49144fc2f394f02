/*
 * migration-thread.c - the life of an outgoing migration: set up, send rounds, stop the machine, hand it over.
 *
 * Floor F5; below it the save phases and the stream.
 * Threads: the migration thread, which alone writes the stream.  It takes the machine lock to set up, to measure
 * the devices and from the stop to the end of the device state; it holds no lock while it sends rounds or waits.
 * Invariant: nothing is freed here and no terminal status is set; the thread's last act is to schedule the
 * cleanup.  Everything before migration_commit() can be taken back; behind it only the destination's word counts.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>

#include "migration/block.h"
#include "migration/channel-meter.h"
#include "migration/page-codec.h"
#include "migration/ram.h"
#include "migration/rate-limit.h"
#include "migration/throttle.h"
#include "migration/wire.h"
#include "system/cpu.h"
#include "system/memory.h"
#include "trace/migration.h"

#define NS_PER_SECOND 1000000000LL
#define NS_PER_MS 1000000LL
/* How often the numbers of query-migrate are brought up to date. */
#define NUMBERS_PERIOD_NS (100 * NS_PER_MS)
/* A probe is sent at the latest behind so many bytes. */
#define PROBE_BYTES (8u << 20)
/* Rounds that have little to send begin no sooner than this after each other. */
#define ROUND_MIN_NS (5 * NS_PER_MS)
/* What bringing the vCPUs to rest is taken to cost; draining disks comes on top. */
#define STOP_COST_NS (1 * NS_PER_MS)
/* Devices that were slow to save are tried again after this time. */
#define REHEARSE_AGAIN_NS (500 * NS_PER_MS)
/* How long the destination's reason is waited for when the channel has broken. */
#define REASON_WAIT_MS 1000

/* What the thread knows besides its run; lives on its stack. */
typedef struct Sender {
    MigrationRun *run;
    MigrationState *s;
    Machine *m;
    ChannelMeter meter;
    int64_t numbers_ns;             /* when numbers were last brought up to date */
    uint64_t numbers_bytes, numbers_pages;
    uint64_t previous;              /* bytes that were left when this round began */
    uint64_t device_bytes;          /* measured by rehearsal */
    int64_t device_ns, rehearsed_ns;
    bool devices_slow;              /* what does not depend on the channel is too slow for the limit */
    int64_t sync_ns;                /* what counting the dirty pages took */
    int64_t round_ns;               /* when this round began */
    unsigned stalls;                /* rounds in a row that led nowhere */
    Throttle throttle;
    unsigned taken_back;            /* stops that were */
    int64_t overrun_ns;             /* what the last of them would have taken */
    int64_t no_stop_before_ns;
    bool clock_ran_out;             /* the main loop has taken this stop back; machine lock */
} Sender;

static bool is_status(const Sender *t, int status)
{
    return migration_status_now(t->s) == status;
}

/* Somebody has made this run stop. Always false. */
static bool stopped(const Sender *t, Error **errp)
{
    if (is_status(t, MIGRATION_STATUS_CANCELLING) || !t->run->rp || return_path_is_open(t->run->rp, errp)) {
        error_setg(errp, "the migration was cancelled");
    }
    return false;
}

static bool is_going_on(const Sender *t)
{
    return is_status(t, MIGRATION_STATUS_ACTIVE) && (!t->run->rp || return_path_is_open(t->run->rp, NULL));
}

/* Moves on, unless somebody has cancelled meanwhile. */
static bool step(Sender *t, int from, int to, Error **errp)
{
    return migration_set_status(t->s, from, to) || stopped(t, errp);
}

/* ---- setup ---- */

static bool connect_channel(Sender *t, Error **errp)
{
    MigrationRun *run = t->run;
    MigrationConnectContext ctx = {
        .machine = t->m, .named_fd = run->named_fd, .cancel_fd = run->cancel_fd,
    };
    run->named_fd = -1;
    MigrationChannel *ch = migration_connect(run->address, &ctx, errp);
    if (!ch) {
        return false;
    }
    g_mutex_lock(&t->s->lock);
    run->channel = ch;
    if (run->shut) {
        migration_channel_shutdown(ch);
    }
    g_mutex_unlock(&t->s->lock);
    run->file = qemu_file_channel_new_output(ch);
    bool two_way = run->config.return_path && ch->two_way;
    run->save = (SaveVMOptions) {
        .handover = two_way, .runs = two_way, .return_path = two_way, .validate_uuid = run->config.validate_uuid,
    };
    if (two_way) {
        run->rp = return_path_open(run, ch, errp);
    }
    return !two_way || run->rp;
}

static void tell_pass(Sender *t)
{
    if (t->s->surface) {
        t->s->surface->pass(t->s->surface_opaque, atomic_load(&ram_counters(t->m)->dirty_sync_count));
    }
}

/* How memory is sent. The cache's size may have changed since the start. */
static RAMSaveConfig ram_config(const Sender *t)
{
    const MigrationConfig *config = &t->run->config;
    return (RAMSaveConfig) {
        .runs = t->run->save.runs,
        .xbzrle = config->xbzrle,
        .cache_bytes = migration_uint(t->s->options, "xbzrle-cache-size"),
        .pin_all = config->rdma_pin_all,
        .codec = config->compress ? page_codec_find(config->compress_method, NULL) : NULL,
        .level = (unsigned)config->compress_level,
        .threads = (unsigned)config->compress_threads,
        .wait = config->compress_wait_thread,
    };
}

static bool setup(Sender *t, Error **errp)
{
    MigrationRun *run = t->run;
    if (!connect_channel(t, errp) || !savevm_state_header(run->file, t->m, &run->save, errp)) {
        return false;
    }
    machine_lock(t->m);
    const RAMSaveConfig ram = ram_config(t);
    ram_migration_configure(t->m, &ram);
    bool ok = savevm_state_setup(run->file, t->m, errp);
    machine_unlock(t->m);
    if (!ok || !qemu_fflush(run->file)) {
        return false;
    }
    t->previous = UINT64_MAX;
    channel_meter_init(&t->meter, run);
    tell_pass(t);
    atomic_store(&t->s->times.active_ns, migration_now(t->s));
    return step(t, MIGRATION_STATUS_SETUP, MIGRATION_STATUS_ACTIVE, errp);
}

/* ---- how fast it goes ---- */

/* For query-migrate: what went out in the last period. */
static void update_numbers(Sender *t)
{
    int64_t now = migration_now(t->s);
    int64_t elapsed = now - t->numbers_ns;
    if (elapsed < NUMBERS_PERIOD_NS) {
        return;
    }
    uint64_t bytes = qemu_file_get_transferred(t->run->file);
    uint64_t pages = ram_counters_pages(ram_counters(t->m));
    if (t->numbers_ns) {
        double per_second = (double)NS_PER_SECOND / (double)elapsed;
        atomic_store(&t->s->times.bytes_per_second, (uint64_t)((double)(bytes - t->numbers_bytes) * per_second));
        atomic_store(&t->s->times.pages_per_second, (uint64_t)((double)(pages - t->numbers_pages) * per_second));
    }
    t->numbers_ns = now;
    t->numbers_bytes = bytes;
    t->numbers_pages = pages;
}

/* What a stop consists of that takes stop_ns until the machine is at rest. */
static DowntimeCost expect_cost(const Sender *t, uint64_t pending, int64_t stop_ns, const ChannelSpeed *speed)
{
    /* Of what is left the greater part is memory; it may take less on the stream than it is, and time. */
    uint64_t ram = MIN(pending, atomic_load(&ram_counters(t->m)->remaining)), stream = ram;
    int64_t ram_ns;
    ram_migration_expect(t->m, &stream, &ram_ns);
    return (DowntimeCost){
        .ram_bytes = pending - ram + stream, .ram_ns = ram_ns, .device_bytes = t->device_bytes, .bandwidth = speed->bandwidth,
        .stop_ns = stop_ns, .save_ns = t->device_ns, .load_ns = 2 * t->device_ns,
        .round_trip_ns = 2 * speed->round_trip_ns,
    };
}

static int64_t downtime_limit_ns(const Sender *t)
{
    return (int64_t)migration_uint(t->s->options, "downtime-limit") * NS_PER_MS;
}

/* ---- rounds ---- */

/* False if the run is to end. Returns early when it is cancelled. */
static bool pause_until(Sender *t, int64_t until_ns, Error **errp)
{
    int64_t left = until_ns - migration_now(t->s);
    if (left > 0) {
        struct pollfd p = { .fd = t->run->cancel_fd, .events = POLLIN };
        poll(&p, 1, (int)((left + NS_PER_MS - 1) / NS_PER_MS));
    }
    /* A round with nothing to send would not notice that nobody listens any more. */
    return is_going_on(t) || stopped(t, errp);
}

/* For what has been sent, at the rate limit. False if the run is to end. */
static bool pay(Sender *t, uint64_t bytes, Error **errp)
{
    return (rate_limit_wait(t->run->limit, bytes) && is_status(t, MIGRATION_STATUS_ACTIVE)) ||
           stopped(t, errp);
}

/* One piece of the round, paid for afterwards. */
static bool send_piece(Sender *t, bool *done, Error **errp)
{
    QEMUFile *f = t->run->file;
    uint64_t before = qemu_ftell(f);
    channel_meter_begin(&t->meter);
    if (!savevm_state_iterate(f, t->m, done, errp)) {
        return false;
    }
    uint64_t bytes = qemu_ftell(f) - before;
    /* Where there is a limit we may sleep now, which must not look like a slow channel: first the probe. */
    bool limited = rate_limit_get(t->run->limit) > 0;
    if (*done || limited || channel_meter_unprobed(&t->meter) >= PROBE_BYTES) {
        channel_meter_probe(&t->meter);
    }
    if ((*done || limited) && !qemu_fflush(f)) {
        return false;
    }
    update_numbers(t);
    return pay(t, bytes, errp);
}

/* Bytes that only tell how long they take. */
static bool send_fill(Sender *t, Error **errp)
{
    uint64_t before = qemu_ftell(t->run->file);
    return channel_meter_fill(&t->meter, errp) && pay(t, qemu_ftell(t->run->file) - before, errp);
}

/* Sends everything that was dirty when the round began. */
static bool send_round(Sender *t, Error **errp)
{
    bool done = false;
    t->round_ns = migration_now(t->s);
    while (!done) {
        if (!send_piece(t, &done, errp)) {
            return false;
        }
    }
    return true;
}

/*
 * Saves every device into nothing, to know what that will take: once, and again where that was so slow that it
 * is the reason not to stop.
 */
static bool rehearse(Sender *t, Error **errp)
{
    int64_t begin = migration_now(t->s);
    if (t->rehearsed_ns && !(t->devices_slow && begin - t->rehearsed_ns > REHEARSE_AGAIN_NS)) {
        return true;
    }
    t->rehearsed_ns = begin;
    machine_lock(t->m);
    /* A hart cannot be looked at while it runs: it rests for less than a millisecond. */
    vcpus_pause_all(t->m);
    bool ok = savevm_state_measure_devices(t->m, &t->device_bytes, &t->device_ns, errp);
    if (runstate_is_running(t->m)) {
        vcpus_resume_all(t->m);
    }
    machine_unlock(t->m);
    return ok;
}

/* Takes hint, or NULL. */
static void set_hint(Sender *t, char *hint)
{
    g_mutex_lock(&t->s->lock);
    g_free(t->s->hint);
    t->s->hint = hint;
    g_mutex_unlock(&t->s->lock);
}

/* For query-migrate: that and why there is no end in sight, as long as that is so. */
static void tell_stall(Sender *t, const ConvergeRound *round)
{
    t->stalls = converge_round_stalls(round) ? t->stalls + 1 : 0;
    bool no_end = t->stalls >= CONVERGE_STALLS || t->taken_back >= CONVERGE_STALLS;
    set_hint(t, no_end ? converge_explain(round) : NULL);
}

/* auto-converge: slows the harts down if they dirty memory faster than it goes out. */
static void throttle_guest(Sender *t, const ConvergeRound *round)
{
    const MigrationOptions *o = t->s->options;
    const ThrottleConfig config = {
        .trigger_threshold = (unsigned)migration_uint(o, "throttle-trigger-threshold"),
        .initial = (unsigned)migration_uint(o, "cpu-throttle-initial"),
        .increment = (unsigned)migration_uint(o, "cpu-throttle-increment"),
        .max = (unsigned)migration_uint(o, "max-cpu-throttle"),
        .tailslow = migration_uint(o, "cpu-throttle-tailslow"),
    };
    if (t->run->config.auto_converge && throttle_update(&t->throttle, round, &config, migration_now(t->s))) {
        vcpus_set_throttle(t->m, t->throttle.percent);
    }
}

/* What is left now, and what a stop would take. */
static ConvergeRound look_at_round(Sender *t, const ChannelSpeed *speed)
{
    int64_t begin = migration_now(t->s);
    uint64_t pending = savevm_state_pending(t->m, true);
    t->sync_ns = migration_now(t->s) - begin;
    const DowntimeCost cost = expect_cost(t, pending, STOP_COST_NS + t->sync_ns, speed);
    DowntimeCost least = cost;
    least.ram_bytes = least.device_bytes = 0;
    least.ram_ns = 0;
    return (ConvergeRound){
        .running = runstate_is_running(t->m),
        .pending = pending,
        .previous = t->previous,
        .dirty_rate = atomic_load(&ram_counters(t->m)->dirty_pages_rate) * TARGET_PAGE_SIZE,
        .bandwidth = speed->bandwidth,
        .rate_limit = (double)migration_uint(t->s->options, "max-bandwidth"),
        .downtime_ns = converge_downtime_ns(&cost),
        .least_ns = converge_downtime_ns(&least),
        .limit_ns = downtime_limit_ns(t),
        .overrun_ns = t->taken_back ? t->overrun_ns : 0,
    };
}

/* The round has ended: tells how it stands, and decides whether it was the last. */
static bool end_round(Sender *t, bool *last, Error **errp)
{
    const ChannelSpeed speed = channel_meter_look(&t->meter);
    const ConvergeRound round = look_at_round(t, &speed);
    t->previous = round.pending;
    t->devices_slow = converge_whole_stop_ns(0, round.least_ns) > round.limit_ns;
    atomic_store(&t->s->times.expected_downtime_ns, round.downtime_ns);
    tell_stall(t, &round);
    throttle_guest(t, &round);
    tell_pass(t);
    trace_migration_round(atomic_load(&ram_counters(t->m)->dirty_sync_count), round.pending,
                          (uint64_t)round.downtime_ns / 1000, speed.bandwidth);
    *last = converge_should_switch(&round) &&
            (!round.running || migration_now(t->s) >= t->no_stop_before_ns);
    return *last || !converge_wants_sample(&round, speed.sample_age_ns) || send_fill(t, errp);
}

static bool iterate(Sender *t, Error **errp)
{
    bool last = false;
    while (!last) {
        if (!send_round(t, errp) || !rehearse(t, errp) ||
            !pause_until(t, t->previous == UINT64_MAX ? 0 : t->round_ns + ROUND_MIN_NS, errp) ||
            !end_round(t, &last, errp)) {
            return false;
        }
    }
    return true;
}

/* ---- switchover ---- */

/*
 * pause-before-switchover: until migrate-continue or the end; a machine does not stand still for a destination that
 * has gone. Lock held; dropped meanwhile.
 */
static bool wait_for_continue(Sender *t, Error **errp)
{
    MigrationRun *run = t->run;
    if (!run->config.pause_before_switchover) {
        return step(t, MIGRATION_STATUS_ACTIVE, MIGRATION_STATUS_DEVICE, errp);
    }
    if (!step(t, MIGRATION_STATUS_ACTIVE, MIGRATION_STATUS_PRE_SWITCHOVER, errp)) {
        return false;
    }
    machine_unlock(t->m);
    g_mutex_lock(&run->continue_lock);
    while (is_status(t, MIGRATION_STATUS_PRE_SWITCHOVER) && (!run->rp || return_path_is_open(run->rp, NULL))) {
        g_cond_wait(&run->continue_cond, &run->continue_lock);
    }
    g_mutex_unlock(&run->continue_lock);
    machine_lock(t->m);
    return is_status(t, MIGRATION_STATUS_DEVICE) || stopped(t, errp);
}

static int64_t since_stop_ns(const Sender *t)
{
    return migration_now(t->s) - atomic_load(&t->s->times.stop_ns);
}

/*
 * The machine stands still: what is left of the limit once so many bytes more of memory, and the devices, have
 * gone out. Negative: bringing it to rest took long (disks), or the host had no time, or the channel is slower
 * than it was.
 */
static int64_t stop_leaves_ns(Sender *t, uint64_t pending)
{
    const ChannelSpeed speed = channel_meter_look(&t->meter);
    const DowntimeCost rest = expect_cost(t, pending, 0, &speed);
    t->overrun_ns = converge_whole_stop_ns(since_stop_ns(t), converge_downtime_ns(&rest));
    return downtime_limit_ns(t) - t->overrun_ns;
}

/* False if the destination does not say within the time that is left that memory is there. */
static bool arrives_in_time(Sender *t)
{
    int64_t left_ns = stop_leaves_ns(t, 0);
    bool in_time = left_ns > 0 && return_path_wait_answers(t->run->rp, left_ns);
    stop_leaves_ns(t, 0);
    return in_time;
}

/*
 * Memory that takes noticeable time goes out as one more round, with an eye on the clock: as long as there is nothing
 * but memory at the destination, the stop can still be taken back. *stands is false if it must be. Lock not held.
 */
static bool send_memory_standing(Sender *t, bool *stands, Error **errp)
{
    bool done = false;
    while (!done && *stands) {
        channel_meter_begin(&t->meter);
        if (!savevm_state_iterate(t->run->file, t->m, &done, errp)) {
            return false;
        }
        if (done) {
            channel_meter_probe(&t->meter);
        }
        if (!qemu_fflush(t->run->file)) {
            return false;
        }
        *stands = stop_leaves_ns(t, savevm_state_pending(t->m, false)) >= 0;
    }
    *stands = *stands && (!t->run->rp || arrives_in_time(t));
    return is_going_on(t) || stopped(t, errp);
}

/*
 * This thread may hang in a channel that takes nothing more: the main loop lets the machine run when the limit is over.
 * Lock held; the dirty pages are tracked all the time, so memory that is being sent then is as in any round.
 */
static void stop_is_over(void *opaque)
{
    Sender *t = opaque;
    t->clock_ran_out = true;
    t->run->stopped = false;
    vm_start(t->m);
}

/* Whether there is time for all that has to come; memory is sent as far as that needs it. Lock held; may be dropped. */
static bool stop_is_short(Sender *t, bool *stands, Error **errp)
{
    *stands = true;
    if (t->run->old_state != RUN_STATE_RUNNING) {
        return true;
    }
    uint64_t pending = savevm_state_pending(t->m, true);
    *stands = stop_leaves_ns(t, pending) >= 0;
    if (!*stands || !converge_is_noticeable(pending, channel_meter_look(&t->meter).bandwidth)) {
        return true;
    }
    QEMUTimer *clock = timer_new_ns(t->m, QEMU_CLOCK_REALTIME, stop_is_over, t);
    timer_mod(clock, atomic_load(&t->s->times.stop_ns) + downtime_limit_ns(t));
    machine_unlock(t->m);
    ram_migration_set_standing(t->m, true);
    bool ok = send_memory_standing(t, stands, errp);
    ram_migration_set_standing(t->m, false);
    machine_lock(t->m);
    timer_free(clock);
    *stands = *stands && !t->clock_ran_out;
    return ok;
}

/* The destination has nothing but memory yet, and may get more of it. Lock held. */
static void take_stop_back(Sender *t)
{
    if (!t->clock_ran_out) {
        vm_start(t->m);
    }
    t->run->stopped = false;
    int64_t stood_ns = since_stop_ns(t);
    t->no_stop_before_ns = migration_now(t->s) + stood_ns * CONVERGE_RUN_PER_STOP;
    t->taken_back++;
    trace_migration_stop_taken_back(stood_ns / 1000, t->overrun_ns / 1000);
    atomic_store(&t->s->times.stop_ns, 0);
}

/* Stops the machine; *stands is false if that took too long and it runs again. Lock held; may be dropped. */
static bool stop_machine(Sender *t, bool *stands, Error **errp)
{
    MigrationRun *run = t->run;
    run->old_state = runstate_get(t->m);
    run->stopped = true;
    t->clock_ran_out = false;
    atomic_store(&t->s->times.stop_ns, migration_now(t->s));
    global_state_store(t->m, run->old_state);
    if (!vm_stop_force_state(t->m, RUN_STATE_FINISH_MIGRATE, errp)) {
        return false;
    }
    trace_migration_switchover("at rest", since_stop_ns(t) / 1000);
    if (!stop_is_short(t, stands, errp)) {
        return false;
    }
    if (!*stands) {
        take_stop_back(t);
    }
    return true;
}

/* The machine stands still; everything that is left goes out. Lock held. */
static bool save_rest(Sender *t, Error **errp)
{
    if (!wait_for_continue(t, errp)) {
        return false;
    }
    t->run->images_given = true;
    if (!migration_images_give(t->s, errp)) {
        return false;
    }
    trace_migration_switchover("images given", since_stop_ns(t) / 1000);
    return savevm_state_complete(t->run->file, t->m, &t->run->save, errp);
}

/* From the word that comes now on the images here may be the old ones. */
static bool mark_disks(Sender *t, Error **errp)
{
    machine_lock(t->m);
    bool ok = block_mig_give(t->m, errp);
    machine_unlock(t->m);
    return ok;
}

/* The last word, and the answer. */
static bool hand_over(Sender *t, Error **errp)
{
    MigrationRun *run = t->run;
    if (!qemu_fflush(run->file) || !return_path_wait_ready(run->rp, errp) || !mark_disks(t, errp) ||
        !step(t, MIGRATION_STATUS_DEVICE, MIGRATION_STATUS_COMMITTED, errp)) {
        return false;
    }
    trace_migration_switchover("ready", since_stop_ns(t) / 1000);
    savevm_send_command(run->file, MIG_CMD_GODWIT_GO, NULL, 0);
    if (!qemu_fflush(run->file)) {
        /* A write that failed has not delivered the whole word: nobody can have started. */
        return false;
    }
    switch (return_path_wait_started(run->rp, errp)) {
    case RETURN_PATH_YES:
        run->handover = MIGRATION_HANDOVER_CONFIRMED;
        return true;
    case RETURN_PATH_NO:
        return false;
    case RETURN_PATH_LOST:
        break;
    }
    run->in_doubt = true;
    run->handover = MIGRATION_HANDOVER_IN_DOUBT;
    error_prepend(errp, "the machine was handed over, but whether it arrived is in doubt: ");
    return false;
}

/*
 * No way back: all bytes are out and the channel has nothing to complain of. Who reads the last of them starts
 * the machine, so they are written behind the commitment.
 */
static bool finish_one_way(Sender *t, Error **errp)
{
    MigrationRun *run = t->run;
    if (!mark_disks(t, errp) || !step(t, MIGRATION_STATUS_DEVICE, MIGRATION_STATUS_COMMITTED, errp) ||
        !qemu_fflush(run->file)) {
        return false;
    }
    if (migration_channel_finish(run->channel, errp)) {
        run->handover = MIGRATION_HANDOVER_UNCONFIRMED;
        return true;
    }
    if (migration_run_is_shut(run)) {
        run->in_doubt = true;
        run->handover = MIGRATION_HANDOVER_IN_DOUBT;
    }
    return false;
}

static bool stop_and_save(Sender *t, bool *stands, Error **errp)
{
    machine_lock(t->m);
    bool ok = stop_machine(t, stands, errp) && (!*stands || save_rest(t, errp));
    machine_unlock(t->m);
    return ok;
}

/* Rounds and a stop, and more of both as long as no stop is short enough; then the end. */
static bool send_machine(Sender *t, Error **errp)
{
    bool ok, stands = false;
    do {
        ok = iterate(t, errp) && stop_and_save(t, &stands, errp);
    } while (ok && !stands);
    trace_migration_switchover("saved", since_stop_ns(t) / 1000);
    ok = ok && (t->run->rp ? hand_over(t, errp) : finish_one_way(t, errp));
    if (ok) {
        atomic_store(&t->s->times.resume_ns, migration_now(t->s));
        set_hint(t, NULL);
        trace_migration_switchover("done", since_stop_ns(t) / 1000);
    }
    return ok;
}

/* ---- the thread ---- */

/* The destination's reason; or how the channel ended, if that is what made our writes fail. */
static bool ask_destination(Sender *t, Error **errp)
{
    MigrationRun *run = t->run;
    if (!run->rp || run->in_doubt || is_status(t, MIGRATION_STATUS_CANCELLING)) {
        return false;
    }
    return return_path_reason(run->rp, REASON_WAIT_MS, errp) ||
           (qemu_file_get_error(run->file) && !return_path_is_open(run->rp, errp));
}

/* The best reason that there is: the destination's, else what went wrong here. Takes err. */
static void explain(Sender *t, Error *err)
{
    MigrationRun *run = t->run;
    Error *theirs = NULL;
    if (ask_destination(t, &theirs)) {
        error_free(err);
        err = theirs;
    }
    if (!err && run->file && qemu_file_get_error(run->file)) {
        err = error_copy(qemu_file_get_error(run->file));
    }
    if (!err) {
        error_setg(&err, "the migration ended without a reason");
    }
    migration_run_set_error(run, err);
}

gpointer migration_thread(gpointer opaque)
{
    MigrationRun *run = opaque;
    Sender t = { .run = run, .s = run->s, .m = run->s->machine };
    Error *err = NULL;
    /* migration_start() has not done yet. */
    g_mutex_lock(&run->continue_lock);
    g_mutex_unlock(&run->continue_lock);
    run->completed = setup(&t, &err) && send_machine(&t, &err);
    if (!run->completed) {
        explain(&t, err);
    }
    atomic_store(&t.s->times.end_ns, migration_now(t.s));
    main_loop_schedule_oneshot(t.m->loop, migration_cleanup_bh, run);
    return NULL;
}
