/*
 * return-path.c - the source's ear: reads what the destination says, on a thread of its own.
 *
 * Floor F5; below it the stream.
 * Threads: one reader thread; everybody else asks under rp->lock, a leaf.
 * Invariant: what the destination has said is never taken back, and once `ended` is set nothing more comes.
 * A destination that gives up, or says what cannot be, has the channel shut down, so that the writer stops.
 *
 * Wire format: be16 type, be16 length, payload (wire.h).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "migration/migration-internal.h"
#include "migration/wire.h"
#include "trace/migration.h"
#include "util/thread.h"

#define PAYLOAD_MAX 1024
#define PROBES_MAX 32

typedef struct Probe {
    uint32_t id;
    uint64_t bytes;
    int64_t begin_ns;
} Probe;

struct ReturnPath {
    MigrationRun *run;
    MigrationChannel *channel;
    QEMUFile *in;               /* the reader's */
    GThread *thread;
    GMutex lock;
    GCond cond;                 /* something below has changed */
    bool ready, started, refused, ended;
    Error *reason;              /* the destination's, or what was wrong with what it said */
    char *end_text;             /* from `ended` on: how the channel ended */
    Probe probes[PROBES_MAX];   /* in the order of sending */
    unsigned probe_count;
    BandwidthMeter meter, small_meter;
    int64_t round_trip_ns;
};

/* ---- messages; all with rp->lock held ---- */

static void set_reason_locked(ReturnPath *rp, const char *text)
{
    if (!rp->reason) {
        error_setg(&rp->reason, "%s", text);
    }
}

static void got_pong_locked(ReturnPath *rp, uint32_t id)
{
    int64_t now = migration_now(rp->run->s);
    while (rp->probe_count) {
        Probe probe = rp->probes[0];
        if ((int32_t)(probe.id - id) > 0) {
            break;
        }
        rp->probe_count--;
        memmove(rp->probes, rp->probes + 1, rp->probe_count * sizeof(Probe));
        if (probe.id == id) {
            bandwidth_meter_add(probe.bytes < BANDWIDTH_SAMPLE_BYTES ? &rp->small_meter : &rp->meter, probe.bytes,
                                probe.begin_ns, now);
            int64_t took = now - probe.begin_ns;
            if (took > 0 && (!rp->round_trip_ns || took < rp->round_trip_ns)) {
                rp->round_trip_ns = took;
            }
        }
    }
}

static void got_error_locked(ReturnPath *rp, const char *text, size_t len)
{
    g_autofree char *utf8 = g_utf8_make_valid(text, (gssize)len);
    g_autofree char *whole = g_strdup_printf("the destination says: %s", utf8);
    set_reason_locked(rp, whole);
    rp->refused = true;
}

static void got_shut_locked(ReturnPath *rp, uint32_t code)
{
    if (code) {
        set_reason_locked(rp, "the destination says that it could not load the machine");
        rp->refused = true;
    }
}

static uint32_t be32_of(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Nothing of a message that cannot be is believed. */
static bool can_be_locked(const ReturnPath *rp, uint16_t type, uint16_t len)
{
    switch (type) {
    case MIG_RP_MSG_PONG:
    case MIG_RP_MSG_SHUT:
        return len == 4;
    case MIG_RP_GODWIT_READY:
        return len == 8;
    case MIG_RP_GODWIT_STARTED:
        return len == 0 && rp->ready;
    case MIG_RP_GODWIT_ERROR:
        return len > 0 && len <= PAYLOAD_MAX;
    default:
        return false;
    }
}

static void handle_locked(ReturnPath *rp, uint16_t type, const uint8_t *data, uint16_t len)
{
    switch (type) {
    case MIG_RP_MSG_PONG:
        got_pong_locked(rp, be32_of(data));
        break;
    case MIG_RP_MSG_SHUT:
        got_shut_locked(rp, be32_of(data));
        break;
    case MIG_RP_GODWIT_READY:
        rp->ready = true;
        break;
    case MIG_RP_GODWIT_STARTED:
        rp->started = true;
        break;
    case MIG_RP_GODWIT_ERROR:
        /* Behind GO it gives the machine back, so that a STARTED with a bit turned over must not pass for it. */
        got_error_locked(rp, (const char *)data, strnlen((const char *)data, len));
        break;
    }
}

/* Reads one message. False: nothing more comes. */
static bool read_message(ReturnPath *rp)
{
    uint8_t data[PAYLOAD_MAX];
    if (qemu_peek_byte(rp->in, 0) < 0) {
        return false;
    }
    uint16_t type = qemu_get_be16(rp->in);
    uint16_t len = qemu_get_be16(rp->in);
    if (len <= PAYLOAD_MAX) {
        qemu_get_buffer(rp->in, data, len);
    }
    if (qemu_file_get_error(rp->in)) {
        return false;
    }
    trace_return_path_message(type, len);
    g_mutex_lock(&rp->lock);
    bool good = can_be_locked(rp, type, len);
    if (good) {
        handle_locked(rp, type, data, len);
    } else {
        g_autofree char *text = g_strdup_printf("the destination sent message 0x%x with %u bytes, which has "
                                                "no meaning here", type, len);
        set_reason_locked(rp, text);
    }
    bool go_on = good && !rp->refused;
    g_cond_broadcast(&rp->cond);
    g_mutex_unlock(&rp->lock);
    return go_on;
}

static gpointer return_path_thread(gpointer opaque)
{
    ReturnPath *rp = opaque;
    while (read_message(rp)) {
    }
    const Error *err = qemu_file_get_error(rp->in);
    g_mutex_lock(&rp->lock);
    rp->ended = true;
    rp->end_text = g_strdup(err ? error_get_pretty(err) : "the destination closed the channel");
    g_cond_broadcast(&rp->cond);
    g_mutex_unlock(&rp->lock);
    /* The writer may hang in a full channel that nobody empties any more, or wait for its next bytes. */
    migration_channel_shutdown(rp->channel);
    rate_limit_cancel(rp->run->limit);
    migration_run_wake(rp->run);
    return NULL;
}

/* ---- life ---- */

ReturnPath *return_path_open(MigrationRun *run, MigrationChannel *channel, Error **errp)
{
    ReturnPath *rp = g_new0(ReturnPath, 1);
    rp->run = run;
    rp->channel = channel;
    rp->in = qemu_file_channel_new_input(channel);
    g_mutex_init(&rp->lock);
    g_cond_init(&rp->cond);
    rp->thread = thread_new("return path", return_path_thread, rp, errp);
    if (!rp->thread) {
        return_path_close(rp);
        rp = NULL;
    }
    return rp;
}

void return_path_close(ReturnPath *rp)
{
    if (!rp) {
        return;
    }
    if (rp->thread) {
        g_thread_join(rp->thread);
    }
    qemu_fclose(rp->in, NULL);
    error_free(rp->reason);
    g_free(rp->end_text);
    g_mutex_clear(&rp->lock);
    g_cond_clear(&rp->cond);
    g_free(rp);
}

/* ---- questions ---- */

static void why_locked(ReturnPath *rp, const char *waited_for, Error **errp)
{
    if (rp->reason) {
        error_setg(errp, "%s", error_get_pretty(rp->reason));
    } else {
        error_setg(errp, "%s before the destination said that it had %s", rp->end_text, waited_for);
    }
}

bool return_path_wait_ready(ReturnPath *rp, Error **errp)
{
    g_mutex_lock(&rp->lock);
    while (!rp->ready && !rp->ended) {
        g_cond_wait(&rp->cond, &rp->lock);
    }
    /* Ready, and then the channel ended: it must not be told to go. */
    bool ok = rp->ready && !rp->ended;
    if (!ok) {
        why_locked(rp, "loaded the machine", errp);
    }
    g_mutex_unlock(&rp->lock);
    return ok;
}

bool return_path_wait_answers(ReturnPath *rp, int64_t ns)
{
    gint64 until = g_get_monotonic_time() + ns / 1000;
    g_mutex_lock(&rp->lock);
    while (rp->probe_count && !rp->ended && g_cond_wait_until(&rp->cond, &rp->lock, until)) {
    }
    bool all = rp->probe_count == 0;
    g_mutex_unlock(&rp->lock);
    return all;
}

ReturnPathAnswer return_path_wait_started(ReturnPath *rp, Error **errp)
{
    g_mutex_lock(&rp->lock);
    while (!rp->started && !rp->refused && !rp->ended) {
        g_cond_wait(&rp->cond, &rp->lock);
    }
    ReturnPathAnswer answer = rp->started   ? RETURN_PATH_YES
                              : rp->refused ? RETURN_PATH_NO
                                            : RETURN_PATH_LOST;
    if (answer != RETURN_PATH_YES) {
        why_locked(rp, "taken the machine over", errp);
    }
    g_mutex_unlock(&rp->lock);
    return answer;
}

bool return_path_is_open(ReturnPath *rp, Error **errp)
{
    g_mutex_lock(&rp->lock);
    bool open = !rp->ended;
    if (!open) {
        error_setg(errp, "%s", rp->end_text);
    }
    g_mutex_unlock(&rp->lock);
    return open;
}

bool return_path_reason(ReturnPath *rp, unsigned ms, Error **errp)
{
    gint64 until = g_get_monotonic_time() + ms * G_TIME_SPAN_MILLISECOND;
    g_mutex_lock(&rp->lock);
    while (!rp->reason && !rp->ended && g_cond_wait_until(&rp->cond, &rp->lock, until)) {
    }
    bool known = rp->reason;
    if (known) {
        why_locked(rp, "", errp);
    }
    g_mutex_unlock(&rp->lock);
    return known;
}

bool return_path_expect(ReturnPath *rp, uint32_t id, uint64_t bytes, int64_t begin_ns)
{
    g_mutex_lock(&rp->lock);
    bool room = rp->probe_count < PROBES_MAX;
    if (room) {
        rp->probes[rp->probe_count++] = (Probe) { .id = id, .bytes = bytes, .begin_ns = begin_ns };
    }
    g_mutex_unlock(&rp->lock);
    return room;
}

ReturnPathSpeed return_path_speed(ReturnPath *rp)
{
    ReturnPathSpeed speed = { 0 };
    g_mutex_lock(&rp->lock);
    speed.bandwidth = bandwidth_meter_get(&rp->meter);
    if (speed.bandwidth <= 0) {
        speed.bandwidth = bandwidth_meter_get(&rp->small_meter);
    }
    speed.round_trip_ns = rp->round_trip_ns;
    speed.sampled_ns = rp->meter.last_ns;
    for (unsigned i = 0; i < rp->probe_count; i++) {
        speed.awaited |= rp->probes[i].bytes >= BANDWIDTH_SAMPLE_BYTES;
    }
    g_mutex_unlock(&rp->lock);
    return speed;
}
