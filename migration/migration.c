/*
 * migration.c - a machine's migration: start, cancel, continue, settle, ask, and the one cleanup.
 *
 * Floor F5; below it the stream and the section registry.
 * Threads: the main thread, machine lock held, unless a function says otherwise.
 * Invariant: migration_cleanup_bh() is the only exit of an outgoing run: it joins the threads, closes the
 * channel, gives the machine back to the guest or to the destination, and sets the terminal status last.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <inttypes.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "migration/block.h"
#include "migration/migration-internal.h"
#include "migration/page-codec.h"
#include "migration/ram.h"
#include "system/clock.h"
#include "system/cpu.h"
#include "trace/migration.h"
#include "util/thread.h"

int64_t migration_now(const MigrationState *s)
{
    return qemu_clock_get_ns(s->machine, QEMU_CLOCK_REALTIME);
}

/* ---- life ---- */

MigrationState *migration_new(Machine *m)
{
    MigrationState *s = g_new0(MigrationState, 1);
    s->machine = m;
    s->options = migration_options_new();
    s->snapshots = snapshots_new();
    s->blockers = g_array_new(FALSE, FALSE, sizeof(MigrationBlocker));
    s->notifiers = g_array_new(FALSE, FALSE, sizeof(MigrationNotifier));
    g_mutex_init(&s->lock);
    migration_reset_numbers(s);
    m->migration = s;
    /* RAM is the first live section; nothing can be in its way. */
    ram_mig_register(m, NULL);
    return s;
}

void migration_free(MigrationState *s)
{
    if (!s) {
        return;
    }
    ram_mig_unregister(s->machine);
    migration_announce_stop(s);
    migration_blockers_free(s);
    g_array_unref(s->notifiers);
    migration_options_free(s->options);
    snapshots_free(s->snapshots);
    error_free(s->error);
    g_free(s->hint);
    g_free(s->socket_address);
    g_mutex_clear(&s->lock);
    s->machine->migration = NULL;
    g_free(s);
}

MigrationState *migration_of(Machine *m)
{
    return m->migration;
}

void migration_set_hooks(MigrationState *s, const MigrationHooks *hooks)
{
    s->hooks = hooks;
}

void migration_set_surface(MigrationState *s, const MigrationSurfaceOps *ops, void *opaque)
{
    s->surface_opaque = opaque;
    s->surface = ops;
}

MigrationOptions *migration_options(MigrationState *s)
{
    return s->options;
}

bool migration_check_cache_size(MigrationState *s, uint64_t bytes, Error **errp)
{
    uint64_t ram = ram_total_bytes(s->machine);
    const char *fault = bytes > INT64_MAX               ? "is exceeding address space"
                        : bytes > ram                   ? "exceeds guest ram size"
                        : bytes < TARGET_PAGE_SIZE      ? "is smaller than page size"
                        : (bytes & (bytes - 1)) != 0    ? "is no power of two"
                                                        : NULL;
    if (fault) {
        error_setg(errp, "A page cache of %" PRIu64 " bytes %s: it can have %u bytes, or twice that and so on, up to "
                   "%" PRIu64, bytes, fault, TARGET_PAGE_SIZE, ram);
    }
    return !fault;
}

/* What the table cannot know. */
static bool check_options(MigrationState *s, const json_t *values, Error **errp)
{
    const json_t *size = json_object_get(values, "xbzrle-cache-size");
    const char *method = json_string_value(json_object_get(values, "compress-method"));
    if (json_is_integer(size) && json_integer_value(size) >= 0 &&
        json_integer_value(size) != (json_int_t)migration_uint(s->options, "xbzrle-cache-size") &&
        !migration_check_cache_size(s, (uint64_t)json_integer_value(size), errp)) {
        return false;
    }
    return !method || page_codec_find(method, errp);
}

bool migration_set_options(MigrationState *s, const json_t *values, bool capabilities, Error **errp)
{
    if (!check_options(s, values, errp) ||
        !migration_options_set(s->options, values, capabilities, migration_is_running(s), errp)) {
        return false;
    }
    if (s->run) {
        rate_limit_set(s->run->limit, migration_uint(s->options, "max-bandwidth"));
        ram_migration_set_cache_size(s->machine, migration_uint(s->options, "xbzrle-cache-size"));
    }
    return true;
}

bool migration_is_running(const MigrationState *s)
{
    return migration_status_is_running(migration_status_now(s));
}

void migration_reset_numbers(MigrationState *s)
{
    MigrationTimes *t = &s->times;
    _Atomic int64_t *const all[] = { &t->start_ns, &t->active_ns, &t->stop_ns, &t->resume_ns, &t->end_ns };
    for (size_t i = 0; i < G_N_ELEMENTS(all); i++) {
        atomic_store(all[i], 0);
    }
    atomic_store(&t->expected_downtime_ns, DOWNTIME_UNKNOWN);
    atomic_store(&t->bytes_per_second, 0);
    atomic_store(&t->pages_per_second, 0);
    g_mutex_lock(&s->lock);
    g_clear_pointer(&s->error, error_free);
    g_clear_pointer(&s->hint, g_free);
    g_mutex_unlock(&s->lock);
}

/* ---- what any thread may do to a run ---- */

void migration_run_set_error(MigrationRun *run, Error *err)
{
    trace_migration_error(error_get_pretty(err));
    g_mutex_lock(&run->s->lock);
    if (run->error) {
        error_free(err);
    } else {
        run->error = err;
    }
    g_mutex_unlock(&run->s->lock);
}

void migration_run_shutdown(MigrationRun *run)
{
    g_mutex_lock(&run->s->lock);
    run->shut = true;
    if (run->channel) {
        migration_channel_shutdown(run->channel);
    }
    g_mutex_unlock(&run->s->lock);
}

bool migration_run_is_shut(MigrationRun *run)
{
    g_mutex_lock(&run->s->lock);
    bool shut = run->shut;
    g_mutex_unlock(&run->s->lock);
    return shut;
}

void migration_run_wake(MigrationRun *run)
{
    g_mutex_lock(&run->continue_lock);
    g_cond_broadcast(&run->continue_cond);
    g_mutex_unlock(&run->continue_lock);
}

/* Wakes the migration thread wherever it waits, and makes sure that it waits no more. */
static void stop_run(MigrationRun *run)
{
    uint64_t one = 1;
    (void)!write(run->cancel_fd, &one, sizeof(one));
    rate_limit_cancel(run->limit);
    migration_run_wake(run);
    migration_run_shutdown(run);
}

/* ---- images ---- */

bool migration_images_give(MigrationState *s, Error **errp)
{
    if (s->images_away || !s->hooks) {
        return true;
    }
    if (!s->hooks->inactivate_images(s->machine, errp)) {
        return false;
    }
    s->images_away = true;
    return true;
}

bool migration_images_take(MigrationState *s, Error **errp)
{
    if (!s->images_away) {
        return true;
    }
    /* First the marks, which would keep us out of our own images. */
    if (!block_mig_keep(s->machine, errp) || !block_mig_take(s->machine, errp) ||
        !s->hooks->activate_images(s->machine, errp)) {
        return false;
    }
    s->images_away = false;
    return true;
}

/* ---- start ---- */

static bool check_can_start(MigrationState *s, Error **errp)
{
    RunState state = runstate_get(s->machine);
    if (migration_is_running(s)) {
        error_setg(errp, "There's a migration process in progress");
    } else if (s->handover == MIGRATION_HANDOVER_IN_DOUBT) {
        error_setg(errp, "The last migration's handover is in doubt: settle it with x-migrate-settle first");
    } else if (state == RUN_STATE_INMIGRATE) {
        error_setg(errp, "Guest is waiting for an incoming migration");
    } else if (state == RUN_STATE_POSTMIGRATE) {
        error_setg(errp, "Can't migrate the vm that was paused due to previous migration");
    } else {
        return migration_check_blockers(s, errp);
    }
    return false;
}

static void run_free(MigrationRun *run)
{
    block_mig_forget(run->s->machine);
    migration_address_free(run->address);
    if (run->named_fd >= 0) {
        close(run->named_fd);
    }
    if (run->cancel_fd >= 0) {
        close(run->cancel_fd);
    }
    rate_limit_free(run->limit);
    error_free(run->error);
    g_mutex_clear(&run->continue_lock);
    g_cond_clear(&run->continue_cond);
    g_free(run);
}

static MigrationRun *run_new(MigrationState *s, MigrationAddress *address, int named_fd)
{
    MigrationRun *run = g_new0(MigrationRun, 1);
    run->s = s;
    run->config = migration_config_from(s->options);
    run->address = address;
    run->named_fd = named_fd;
    run->cancel_fd = eventfd(0, EFD_CLOEXEC);
    run->limit = rate_limit_new(migration_uint(s->options, "max-bandwidth"));
    g_mutex_init(&run->continue_lock);
    g_cond_init(&run->continue_cond);
    return run;
}

static bool configure_disks(MigrationState *s, MigrationDisks disks, Error **errp)
{
    return block_mig_configure(s->machine, disks != MIGRATION_DISKS_STAY || migration_cap(s->options, "block"),
                               disks == MIGRATION_DISKS_INCREMENTAL ||
                               migration_uint(s->options, "block-incremental"), errp);
}

/* The thread waits until the lock is free: by then the run is there for all to see. */
static bool start_thread(MigrationRun *run, Error **errp)
{
    g_mutex_lock(&run->continue_lock);
    run->thread = thread_new("migration", migration_thread, run, errp);
    if (!run->thread) {
        g_mutex_unlock(&run->continue_lock);
        migration_notify(run->s, MIG_EVENT_FAILED, NULL);
    }
    return run->thread;
}

bool migration_start(MigrationState *s, MigrationAddress *address, int named_fd, MigrationDisks disks, Error **errp)
{
    MigrationRun *run = run_new(s, address, named_fd);
    bool ok = check_can_start(s, errp) && configure_disks(s, disks, errp);
    if (ok && run->cancel_fd < 0) {
        error_setg(errp, "no file descriptor is free");
        ok = false;
    }
    if (!ok || !migration_notify(s, MIG_EVENT_SETUP, errp) || !start_thread(run, errp)) {
        run_free(run);
        return false;
    }
    migration_reset_numbers(s);
    s->handover = MIGRATION_HANDOVER_NONE;
    s->settle_given = false;
    s->run = run;
    atomic_store(&s->incoming, false);
    atomic_store(&s->times.start_ns, migration_now(s));
    migration_set_status(s, migration_status_now(s), MIGRATION_STATUS_SETUP);
    g_mutex_unlock(&run->continue_lock);
    return true;
}

/* ---- cancel, continue ---- */

bool migration_cancel(MigrationState *s, Error **errp)
{
    int now = migration_status_now(s);
    if (atomic_load(&s->incoming) || !s->run) {
        return true;        /* nothing to cancel; as QEMU, that is no error */
    }
    while (migration_edge_is_legal(false, now, MIGRATION_STATUS_CANCELLING)) {
        if (migration_set_status(s, now, MIGRATION_STATUS_CANCELLING)) {
            stop_run(s->run);
            return true;
        }
        now = migration_status_now(s);
    }
    if (now == MIGRATION_STATUS_COMMITTED) {
        error_setg(errp, "The destination has been told to start the machine: it is too late to cancel");
        return false;
    }
    return true;
}

bool migration_continue(MigrationState *s, MigrationStatus status, Error **errp)
{
    int now = migration_status_now(s);
    if (status != MIGRATION_STATUS_PRE_SWITCHOVER || now != MIGRATION_STATUS_PRE_SWITCHOVER || !s->run ||
        !migration_set_status(s, MIGRATION_STATUS_PRE_SWITCHOVER, MIGRATION_STATUS_DEVICE)) {
        error_setg(errp, "Migration not in expected state: %s, it is in state %s",
                   migration_status_name(status), migration_status_name(now));
        return false;
    }
    migration_run_wake(s->run);
    return true;
}

/* The destination has said that the machine runs there, and nothing has happened here since. */
static bool moved_away(const MigrationState *s)
{
    return s->handover == MIGRATION_HANDOVER_CONFIRMED &&
           runstate_get(s->machine) == RUN_STATE_POSTMIGRATE;
}

bool migration_allow_run(MigrationState *s, Error **errp)
{
    if (s->handover == MIGRATION_HANDOVER_IN_DOUBT) {
        error_setg(errp, "Whether this machine or the other side's shall run is in doubt: settle it with "
                   "x-migrate-settle");
        return false;
    }
    if (moved_away(s)) {
        error_setg(errp, "The machine has moved: the destination said that it runs there. Only x-migrate-settle "
                   "with decision keep lets it run here again");
        return false;
    }
    if (s->run && s->run->stopped) {
        error_setg(errp, "The machine stands still for the last part of its migration: cancel that first");
        return false;
    }
    return migration_images_take(s, errp);
}

/* ---- the end of a run ---- */

/* The machine was stopped for the switchover and stays here: as if nothing had been. */
static void resume_machine(MigrationState *s, MigrationRun *run)
{
    Error *err = NULL;
    bool ok = !run->images_given || migration_images_take(s, &err);
    if (!ok) {
        error_prepend(&err, "the machine stays paused, its disk images could not be taken back: ");
        runstate_set(s->machine, RUN_STATE_PAUSED, NULL);
        if (run->error) {
            error_prepend(&run->error, "%s; it all began with: ", error_get_pretty(err));
        }
        migration_run_set_error(run, err);
        return;
    }
    if (runstate_get(s->machine) != RUN_STATE_FINISH_MIGRATE) {
        return;     /* it was not stopped after all, or reset meanwhile */
    }
    if (run->old_state == RUN_STATE_RUNNING) {
        vm_start(s->machine);
    } else {
        runstate_set(s->machine, run->old_state, NULL);
    }
}

static void forget_machine(MigrationState *s)
{
    block_mig_given(s->machine);
    if (!runstate_set(s->machine, RUN_STATE_POSTMIGRATE, NULL)) {
        /* A reset during pre-switchover leads here. */
        runstate_set(s->machine, RUN_STATE_FINISH_MIGRATE, NULL);
        runstate_set(s->machine, RUN_STATE_POSTMIGRATE, NULL);
    }
}

static void conclude(MigrationState *s, MigrationRun *run)
{
    s->handover = run->handover;
    s->settle_state = run->old_state;
    s->in_doubt_here = false;
    if (run->completed) {
        forget_machine(s);
    } else if (run->in_doubt) {
        runstate_set(s->machine, RUN_STATE_PAUSED, NULL);
    } else if (run->stopped) {
        resume_machine(s, run);
    }
}

static void close_run(MigrationState *s, MigrationRun *run)
{
    migration_run_shutdown(run);
    return_path_close(run->rp);
    if (run->file) {
        qemu_fclose(run->file, NULL);
    }
    g_mutex_lock(&s->lock);
    MigrationChannel *channel = run->channel;
    run->channel = NULL;
    g_mutex_unlock(&s->lock);
    if (channel) {
        migration_channel_close(channel, NULL);
    }
    savevm_state_cleanup(s->machine);
    if (run->config.auto_converge) {
        vcpus_set_throttle(s->machine, 0);
    }
}

void migration_cleanup_bh(void *opaque)
{
    MigrationRun *run = opaque;
    MigrationState *s = run->s;
    g_thread_join(run->thread);
    close_run(s, run);
    conclude(s, run);
    s->run = NULL;
    g_mutex_lock(&s->lock);
    bool cancelled = migration_status_now(s) == MIGRATION_STATUS_CANCELLING;
    s->error = cancelled ? NULL : g_steal_pointer(&run->error);
    g_mutex_unlock(&s->lock);
    migration_notify(s, run->completed ? MIG_EVENT_DONE : MIG_EVENT_FAILED, NULL);
    migration_set_terminal(s, run->completed ? MIGRATION_STATUS_COMPLETED : MIGRATION_STATUS_FAILED);
    run_free(run);
    if (s->settle_given && s->handover == MIGRATION_HANDOVER_IN_DOUBT) {
        migration_settle(s, s->settle_keep, NULL);
    }
}

/* ---- in doubt ---- */

bool migration_settle(MigrationState *s, bool keep, Error **errp)
{
    if (migration_status_now(s) == MIGRATION_STATUS_COMMITTED && s->run) {
        /* The destination does not answer: the doubt becomes certain, and the word is remembered. */
        s->settle_given = true;
        s->settle_keep = keep;
        migration_run_shutdown(s->run);
        return true;
    }
    if (s->handover != MIGRATION_HANDOVER_IN_DOUBT && !moved_away(s)) {
        error_setg(errp, "No handover is in doubt");
        return false;
    }
    if (s->in_doubt_here) {
        return migration_incoming_settle(s, keep, errp);
    }
    if (!keep && moved_away(s)) {
        return true;    /* that is so already */
    }
    if (keep && !migration_images_take(s, errp)) {
        return false;
    }
    s->handover = MIGRATION_HANDOVER_NONE;
    if (!keep) {
        forget_machine(s);
    } else if (s->settle_state == RUN_STATE_RUNNING) {
        vm_start(s->machine);
    } else {
        runstate_set(s->machine, s->settle_state, NULL);
    }
    return true;
}

/* ---- shutdown of the program ---- */

void migration_shutdown(MigrationState *s)
{
    if (!s) {
        return;
    }
    if (s->run) {
        /* A machine that has been handed over stays so: the other side hears the end of the channel. */
        machine_lock(s->machine);
        migration_cancel(s, NULL);
        stop_run(s->run);
        machine_unlock(s->machine);
    }
    if (s->in) {
        machine_lock(s->machine);
        migration_incoming_stop(s->in);
        machine_unlock(s->machine);
    }
    /* The cleanup is a bottom half: let it run. */
    while (s->run || s->in) {
        main_loop_iterate(s->machine->loop, true);
    }
}
