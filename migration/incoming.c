/*
 * incoming.c - the destination's life: wait for the stream, load it, take the machine over.
 *
 * Floor F5; below it the section loader and the stream.
 * Threads: the incoming thread accepts, loads and talks to the source; the main loop takes the machine over and
 * cleans up, in bottom halves with the machine lock held.
 * Invariant: the machine does not run before the source has said GO, if the source speaks the handover, or before
 * the whole stream has been loaded and checked, if it does not.
 *
 * Wire format of the way back: be16 type, be16 length, payload (wire.h).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "migration/block.h"
#include "migration/migration-internal.h"
#include "migration/ram.h"
#include "migration/wire.h"
#include "system/clock.h"
#include "trace/migration.h"
#include "util/thread.h"

#define NS_PER_MS 1000000
#define ERROR_TEXT_MAX 1024
/* How long the source has to read why we failed before the channel is closed. */
#define LAST_WORD_MS 1000

typedef enum IncomingEnd {
    INCOMING_FAILED,
    INCOMING_IN_DOUBT,          /* READY was sent and no GO came */
    INCOMING_TAKEN,             /* the machine is here */
} IncomingEnd;

struct MigrationIncoming {
    MigrationState *s;
    MigrationListener *listener;
    int cancel_fd;
    bool exit_on_error;
    GThread *thread;
    MigrationChannel *channel;  /* s->lock */
    bool shut;                  /* s->lock */
    bool stopped;               /* main loop: the program ends */
    QEMUFile *in, *back;        /* the thread's; back: NULL while there is no way back */
    LoadVMResult result;
    IncomingEnd end;
    Error *error;               /* the thread's; the main loop's while it takes over and after the end */
    QEMUTimer *last_word_timer; /* main loop */
    GMutex lock;                /* taken: the takeover has been tried; held until the load has been started */
    GCond cond;
    bool taken;
};

/* ---- the way back ---- */

static void send_message(MigrationIncoming *in, uint16_t type, const void *data, uint16_t len)
{
    if (in->back) {
        qemu_put_be16(in->back, type);
        qemu_put_be16(in->back, len);
        qemu_put_buffer(in->back, data, len);
        qemu_fflush(in->back);
    }
}

static void put_be32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++) {
        p[i] = (uint8_t)(v >> (24 - 8 * i));
    }
}

static bool open_way_back(void *opaque, Error **errp)
{
    MigrationIncoming *in = opaque;
    if (!in->channel->two_way) {
        error_setg(errp, "the source wants an answer, but the channel %s has no way back", in->channel->name);
        return false;
    }
    if (!in->back) {
        in->back = qemu_file_channel_new_output(in->channel);
    }
    return true;
}

static bool answer_ping(void *opaque, uint32_t value, Error **errp)
{
    uint8_t wire[4];
    put_be32(wire, value);
    send_message(opaque, MIG_RP_MSG_PONG, wire, sizeof(wire));
    return true;
}

static const LoadVMOps load_ops = { .open_return_path = open_way_back, .ping = answer_ping };

static void send_ready(MigrationIncoming *in, int64_t load_ns)
{
    uint8_t wire[8];
    put_be32(wire, (uint32_t)((uint64_t)load_ns >> 32));
    put_be32(wire + 4, (uint32_t)load_ns);
    send_message(in, MIG_RP_GODWIT_READY, wire, sizeof(wire));
}

static void shut_channel(MigrationIncoming *in)
{
    g_mutex_lock(&in->s->lock);
    in->shut = true;
    if (in->channel) {
        migration_channel_shutdown(in->channel);
    }
    g_mutex_unlock(&in->s->lock);
}

static void last_word_is_over(void *opaque)
{
    shut_channel(opaque);
}

static void last_word_bh(void *opaque)
{
    MigrationIncoming *in = opaque;
    in->last_word_timer = timer_new_ns(in->s->machine, QEMU_CLOCK_REALTIME, last_word_is_over, in);
    timer_mod(in->last_word_timer, migration_now(in->s) + LAST_WORD_MS * (int64_t)NS_PER_MS);
}

/*
 * Tells the source why, and reads on until it hangs up: closing a socket with unread bytes in it could destroy
 * the message on its way. The timer ends that.
 */
static void send_reason(MigrationIncoming *in)
{
    uint8_t code[4], dump[4096];
    size_t got;
    const char *text = error_get_pretty(in->error);
    /* Who the source is stands in the stream: one of which nothing was read is told in either case. */
    bool told = in->result.handover || qemu_ftell(in->in) == 0;
    if (!in->back && told && in->channel->two_way) {
        open_way_back(in, NULL);
    }
    if (!in->back) {
        return;
    }
    if (told) {
        send_message(in, MIG_RP_GODWIT_ERROR, text, (uint16_t)MIN(strlen(text), ERROR_TEXT_MAX));
    }
    put_be32(code, 1);
    send_message(in, MIG_RP_MSG_SHUT, code, sizeof(code));
    main_loop_schedule_oneshot(in->s->machine->loop, last_word_bh, in);
    while (in->channel->ops->read(in->channel, dump, sizeof(dump), &got, NULL) && got > 0) {
    }
}

/* ---- taking over: main loop, lock held ---- */

/* Lets the machine go on as the source had it, or stay as -S wants it. */
static void go_on(MigrationState *s, RunState state)
{
    Machine *m = s->machine;
    if (state == RUN_STATE_RUNNING && m->config->autostart) {
        vm_start(m);
    } else {
        runstate_set(m, state == RUN_STATE_RUNNING ? RUN_STATE_PAUSED : state, NULL);
    }
}

static bool take_machine(MigrationState *s, RunState state, Error **errp)
{
    bool stays_paused = state != RUN_STATE_RUNNING || !s->machine->config->autostart;
    bool later = stays_paused && migration_cap(s->options, "late-block-activate");
    if (!later && !migration_images_take(s, errp)) {
        return false;
    }
    go_on(s, state);
    migration_announce_self(s);
    return true;
}

/* The state that the stream names; one without a name ran. */
static RunState arriving_state(const MigrationIncoming *in)
{
    RunState state = RUN_STATE_RUNNING;
    if (in->result.runstate[0]) {
        runstate_parse(in->result.runstate, &state);
    }
    return state;
}

static void takeover_bh(void *opaque)
{
    MigrationIncoming *in = opaque;
    MigrationState *s = in->s;
    bool ok = take_machine(s, arriving_state(in), &in->error);
    if (!ok && !in->result.handover) {
        /* There is no other copy to go back to: it stays here, paused, and cont tries again. */
        runstate_set(s->machine, RUN_STATE_PAUSED, NULL);
        error_prepend(&in->error, "the machine has arrived and stays paused: ");
        ok = true;
    }
    g_mutex_lock(&in->lock);
    in->end = ok ? INCOMING_TAKEN : INCOMING_FAILED;
    in->taken = true;
    g_cond_signal(&in->cond);
    g_mutex_unlock(&in->lock);
}

/* ---- the incoming thread ---- */

static bool accept_channel(MigrationIncoming *in)
{
    MigrationState *s = in->s;
    MigrationChannel *ch = migration_accept(in->listener, in->cancel_fd, &in->error);
    if (!ch) {
        return false;
    }
    g_mutex_lock(&s->lock);
    in->channel = ch;
    if (in->shut) {
        migration_channel_shutdown(ch);
    }
    g_mutex_unlock(&s->lock);
    trace_incoming_step("accepted");
    int64_t now = migration_now(s);
    atomic_store(&s->times.start_ns, now);
    atomic_store(&s->times.active_ns, now);
    migration_set_status(s, MIGRATION_STATUS_SETUP, MIGRATION_STATUS_ACTIVE);
    in->in = qemu_file_channel_new_input(ch);
    return true;
}

/* A machine can only arrive in a state in which one can be left. */
static bool check_state(MigrationIncoming *in)
{
    switch (arriving_state(in)) {
    case RUN_STATE_INMIGRATE:
    case RUN_STATE_POSTMIGRATE:
    case RUN_STATE_FINISH_MIGRATE:
    case RUN_STATE_RESTORE_VM:
    case RUN_STATE_SAVE_VM:
    case RUN_STATE_COLO:
        error_setg(&in->error, "the source's machine was in state '%s', from which nothing can go on",
                   in->result.runstate);
        return false;
    default:
        return true;
    }
}

static bool load(MigrationIncoming *in)
{
    const RAMLoadConfig config = {
        .pin_all = migration_cap(in->s->options, "rdma-pin-all"),
        .decompress_threads = (unsigned)migration_uint(in->s->options, "decompress-threads"),
    };
    ram_migration_configure_load(in->s->machine, &config);
    if (!loadvm_state(in->in, in->s->machine, &load_ops, in, &in->result, &in->error) || !check_state(in)) {
        return false;
    }
    trace_incoming_step("loaded");
    if (in->result.handover && !open_way_back(in, &in->error)) {
        return false;
    }
    return true;
}

/* Everything is loaded and checked. False: nobody has told us to go. */
static bool wait_for_go(MigrationIncoming *in)
{
    if (!in->result.handover) {
        return true;
    }
    machine_lock(in->s->machine);
    bool ok = block_mig_ready(in->s->machine, &in->error);
    machine_unlock(in->s->machine);
    if (!ok) {
        return false;
    }
    send_ready(in, migration_now(in->s) - atomic_load(&in->s->times.active_ns));
    trace_incoming_step("ready");
    if (!loadvm_wait_go(in->in, &in->error)) {
        error_prepend(&in->error, "the machine was loaded, but the source did not say that it may start: ");
        in->end = INCOMING_IN_DOUBT;
        return false;
    }
    return true;
}

static void take_over(MigrationIncoming *in)
{
    main_loop_schedule_oneshot(in->s->machine->loop, takeover_bh, in);
    g_mutex_lock(&in->lock);
    while (!in->taken) {
        g_cond_wait(&in->cond, &in->lock);
    }
    g_mutex_unlock(&in->lock);
    if (in->end == INCOMING_TAKEN && in->result.handover) {
        send_message(in, MIG_RP_GODWIT_STARTED, NULL, 0);
        trace_incoming_step("started");
    }
}

static void incoming_cleanup_bh(void *opaque);

static gpointer incoming_thread(gpointer opaque)
{
    MigrationIncoming *in = opaque;
    /* migration_incoming_start() has not done yet. */
    g_mutex_lock(&in->lock);
    g_mutex_unlock(&in->lock);
    if (accept_channel(in) && load(in) && wait_for_go(in)) {
        take_over(in);
    }
    if (in->end == INCOMING_FAILED && in->channel) {
        send_reason(in);
    }
    atomic_store(&in->s->times.end_ns, migration_now(in->s));
    main_loop_schedule_oneshot(in->s->machine->loop, incoming_cleanup_bh, in);
    return NULL;
}

/* ---- the end: main loop, lock held ---- */

static void incoming_free(MigrationIncoming *in)
{
    migration_listener_free(in->listener);
    if (in->cancel_fd >= 0) {
        close(in->cancel_fd);
    }
    error_free(in->error);
    g_mutex_clear(&in->lock);
    g_cond_clear(&in->cond);
    g_free(in);
}

static void close_files(MigrationIncoming *in)
{
    if (in->last_word_timer) {
        timer_free(in->last_word_timer);
    }
    if (in->in) {
        qemu_fclose(in->in, NULL);
    }
    if (in->back) {
        qemu_fclose(in->back, NULL);
    }
    g_mutex_lock(&in->s->lock);
    MigrationChannel *channel = in->channel;
    in->channel = NULL;
    g_mutex_unlock(&in->s->lock);
    if (channel) {
        migration_channel_close(channel, NULL);
    }
}

static void conclude(MigrationState *s, MigrationIncoming *in)
{
    switch (in->end) {
    case INCOMING_TAKEN:
        s->handover = in->result.handover ? MIGRATION_HANDOVER_CONFIRMED : MIGRATION_HANDOVER_UNCONFIRMED;
        break;
    case INCOMING_IN_DOUBT:
        s->handover = MIGRATION_HANDOVER_IN_DOUBT;
        s->in_doubt_here = true;
        s->settle_state = arriving_state(in);
        block_mig_drop(s->machine);
        runstate_set(s->machine, RUN_STATE_PAUSED, NULL);
        break;
    case INCOMING_FAILED:
        s->load_spoiled = true;
        block_mig_drop(s->machine);
        break;
    }
}

static void incoming_cleanup_bh(void *opaque)
{
    MigrationIncoming *in = opaque;
    MigrationState *s = in->s;
    g_thread_join(in->thread);
    close_files(in);
    conclude(s, in);
    s->in = NULL;
    g_mutex_lock(&s->lock);
    s->error = g_steal_pointer(&in->error);
    g_mutex_unlock(&s->lock);
    bool tell_end = in->end == INCOMING_FAILED && in->exit_on_error && !in->stopped;
    migration_set_terminal(s, in->end == INCOMING_TAKEN ? MIGRATION_STATUS_COMPLETED
                                                        : MIGRATION_STATUS_FAILED);
    incoming_free(in);
    if (tell_end && s->surface) {
        s->surface->incoming_failed(s->surface_opaque, error_get_pretty(s->error));
    }
}

void migration_incoming_stop(MigrationIncoming *in)
{
    uint64_t one = 1;
    in->stopped = true;
    (void)!write(in->cancel_fd, &one, sizeof(one));
    shut_channel(in);
}

bool migration_incoming_settle(MigrationState *s, bool keep, Error **errp)
{
    if (keep && !take_machine(s, s->settle_state, errp)) {
        return false;
    }
    s->handover = MIGRATION_HANDOVER_NONE;
    if (!keep) {
        s->load_spoiled = true;
        runstate_set(s->machine, RUN_STATE_INMIGRATE, NULL);
    }
    return true;
}

/* ---- start ---- */

static bool check_can_load(MigrationState *s, Error **errp)
{
    if (s->handover == MIGRATION_HANDOVER_IN_DOUBT) {
        error_setg(errp, "The last migration's handover is in doubt: settle it with x-migrate-settle first");
        return false;
    }
    if (runstate_get(s->machine) != RUN_STATE_INMIGRATE) {
        error_setg(errp, "'-incoming' was not specified on the command line");
        return false;
    }
    if (s->in) {
        error_setg(errp, "The incoming migration has already been started");
        return false;
    }
    return true;
}

bool migration_incoming_prepare(MigrationState *s, Error **errp)
{
    return runstate_set(s->machine, RUN_STATE_INMIGRATE, errp) && migration_images_give(s, errp);
}

bool migration_incoming_defer(MigrationState *s, Error **errp)
{
    if (s->deferred) {
        error_setg(errp, "Incoming migration already deferred");
        return false;
    }
    s->deferred = true;
    return true;
}

static MigrationIncoming *incoming_new(MigrationState *s, const MigrationAddress *address, int named_fd,
                                       Error **errp)
{
    MigrationIncoming *in = g_new0(MigrationIncoming, 1);
    in->s = s;
    in->cancel_fd = eventfd(0, EFD_CLOEXEC);
    g_mutex_init(&in->lock);
    g_cond_init(&in->cond);
    MigrationConnectContext ctx = {
        .machine = s->machine, .named_fd = named_fd, .cancel_fd = in->cancel_fd,
    };
    in->listener = migration_listen(address, &ctx, errp);
    if (!in->listener) {
        incoming_free(in);
        return NULL;
    }
    return in;
}

/* The thread waits until the lock is free: by then the load is there for all to see. */
static bool start_thread(MigrationIncoming *in, Error **errp)
{
    g_mutex_lock(&in->lock);
    in->thread = thread_new("incoming", incoming_thread, in, errp);
    if (!in->thread) {
        g_mutex_unlock(&in->lock);
        incoming_free(in);
        return false;
    }
    return true;
}

bool migration_incoming_start(MigrationState *s, MigrationAddress *address, int named_fd, bool exit_on_error,
                              Error **errp)
{
    MigrationIncoming *in = NULL;
    if (check_can_load(s, errp)) {
        in = incoming_new(s, address, named_fd, errp);
    } else if (named_fd >= 0) {
        close(named_fd);
    }
    migration_address_free(address);
    if (!in || !start_thread(in, errp)) {
        return false;
    }
    if (s->load_spoiled) {
        /* What a failed load has left must not shine through; RAM is sent whole. */
        system_reset(s->machine, SHUTDOWN_CAUSE_NONE);
        s->load_spoiled = false;
    }
    migration_reset_numbers(s);
    s->handover = MIGRATION_HANDOVER_NONE;
    g_free(s->socket_address);
    s->socket_address = g_strdup(in->listener->name);
    in->exit_on_error = exit_on_error;
    s->in = in;
    atomic_store(&s->incoming, true);
    migration_set_status(s, migration_status_now(s), MIGRATION_STATUS_SETUP);
    g_mutex_unlock(&in->lock);
    return true;
}
