/*
 * ram-save.c - sends guest RAM: setup, rounds while the machine runs, the rest while it stands still; and
 * the sender that sends pages as they are.
 *
 * Floor F4; below it ram-dirty, ram-wire and zero.  The migration thread; locks as SaveVMHandlers say.
 * Invariant: a page's bit is cleared before its bytes are read (ram_dirty_next() clears, then this file
 * reads, and the stream reads again when it is flushed).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <glib.h>

#include "migration/channel.h"
#include "migration/ram-internal.h"
#include "system/clock.h"
#include "system/machine.h"

#define BATCHES_PER_PIECE 4     /* one call of iterate: at most 1 MiB of pages */

static void set(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_store_explicit(counter, n, memory_order_relaxed);
}

void ram_count_bytes(RAMMigration *r, uint64_t bytes)
{
    ram_count(&r->counters.transferred, bytes);
    if (r->stopped || r->standing) {
        ram_count(&r->counters.downtime_bytes, bytes);
    }
}

/* Fetches the dirty bits; the pages that became dirty since the last time make the rate. */
static void sync_dirty(RAMMigration *r)
{
    uint64_t before = ram_dirty_bytes(r->dirty);
    ram_dirty_sync(r->dirty);
    ram_dirty_rewind(r->dirty);
    int64_t now = qemu_clock_get_ns(r->machine, QEMU_CLOCK_REALTIME);
    uint64_t fresh = (ram_dirty_bytes(r->dirty) - before) / TARGET_PAGE_SIZE;
    int64_t elapsed = now - r->last_sync_ns;
    if (r->last_sync_ns && elapsed > 0) {
        set(&r->counters.dirty_pages_rate,
            (uint64_t)((double)fresh * NANOSECONDS_PER_SECOND / (double)elapsed));
    }
    r->last_sync_ns = now;
    ram_pace_end_round(r, r->bulk);
    r->bulk = false;
    ram_count(&r->counters.dirty_sync_count, 1);
    set(&r->counters.remaining, ram_dirty_bytes(r->dirty));
}

/* ---- pages as they are ---- */

static bool plain_setup(RAMMigration *r, Error **errp)
{
    return true;
}

static bool plain_send_batch(RAMMigration *r, RAMWire *w, const RAMBatch *batch, Error **errp)
{
    uint64_t zeros = 0, bytes = 0;
    for (unsigned i = 0; i < batch->count; i++) {
        if (ram_page_is_zero(batch->block, batch->offset[i])) {
            bytes += ram_wire_put_zero(w, batch->block, batch->offset[i]);
            zeros++;
        } else {
            bytes += ram_wire_put_page(w, batch->block, batch->offset[i]);
        }
    }
    ram_count_bytes(r, bytes);
    ram_count(&r->counters.duplicate, zeros);
    ram_count(&r->counters.normal, batch->count - zeros);
    return true;
}

static bool plain_end_piece(RAMMigration *r, RAMWire *w, bool last, Error **errp)
{
    return true;
}

static void plain_cleanup(RAMMigration *r)
{
}

const RAMSender ram_sender_plain = {
    .name = "plain",
    .setup = plain_setup,
    .send_batch = plain_send_batch,
    .end_piece = plain_end_piece,
    .cleanup = plain_cleanup,
};

/* ---- the section ---- */

/* What was asked for by name comes before what the channel can do. */
static const RAMSender *choose_sender(const RAMMigration *r)
{
    if (r->config.codec) {
        return &ram_sender_compress;
    }
    if (r->config.xbzrle) {
        return &ram_sender_xbzrle;
    }
    if (r->channel && r->channel->direct) {
        return &ram_sender_direct;
    }
    return r->config.runs ? &ram_sender_runs : &ram_sender_plain;
}

static bool stream_is_good(QEMUFile *f, Error **errp)
{
    const Error *err = qemu_file_get_error(f);
    if (err) {
        error_setg(errp, "%s", error_get_pretty(err));
    }
    return !err;
}

bool ram_save_setup(QEMUFile *f, void *opaque, Error **errp)
{
    RAMMigration *r = opaque;
    RAMWire w = { .f = f };
    RAMCounters *c = &r->counters;
    ram_counters_reset(c);
    r->stopped = false;
    r->bulk = true;
    r->pace = (RAMPace){ 0 };
    r->channel = qemu_file_channel(f);
    r->sender = choose_sender(r);
    if (!r->sender->setup(r, errp)) {
        return false;
    }
    r->dirty = ram_dirty_new(r->machine, errp);
    if (!r->dirty) {
        return false;
    }
    r->last_sync_ns = qemu_clock_get_ns(r->machine, QEMU_CLOCK_REALTIME);
    set(&c->total, ram_dirty_bytes(r->dirty));
    set(&c->remaining, ram_dirty_bytes(r->dirty));
    ram_count(&c->dirty_sync_count, 1);
    ram_count_bytes(r, ram_wire_put_sizes(&w, r->machine) + ram_wire_put_eos(&w));
    return stream_is_good(f, errp);
}

/* The end of a section; last: of a round as well. */
static bool end_piece(RAMMigration *r, RAMWire *w, bool last, Error **errp)
{
    if (!r->sender->end_piece(r, w, last, errp)) {
        return false;
    }
    set(&r->counters.remaining, ram_dirty_bytes(r->dirty));
    ram_count_bytes(r, ram_wire_put_eos(w));
    return stream_is_good(w->f, errp);
}

bool ram_save_iterate(QEMUFile *f, void *opaque, bool *done, Error **errp)
{
    RAMMigration *r = opaque;
    RAMWire w = { .f = f };
    RAMBatch batch;
    const RAMPaceMark begin = ram_pace_mark(r);
    *done = false;
    for (int i = 0; i < BATCHES_PER_PIECE && !*done; i++) {
        if (!ram_dirty_next(r->dirty, &batch)) {
            *done = true;
        } else if (!r->sender->send_batch(r, &w, &batch, errp)) {
            return false;
        }
    }
    bool ok = end_piece(r, &w, *done, errp);
    ram_pace_add(r, &begin);
    return ok;
}

uint64_t ram_save_pending(void *opaque, bool exact)
{
    RAMMigration *r = opaque;
    if (exact) {
        sync_dirty(r);
    }
    return ram_dirty_bytes(r->dirty);
}

bool ram_save_complete(QEMUFile *f, void *opaque, Error **errp)
{
    RAMMigration *r = opaque;
    RAMWire w = { .f = f };
    RAMBatch batch;
    r->stopped = true;
    sync_dirty(r);
    while (ram_dirty_next(r->dirty, &batch)) {
        if (!r->sender->send_batch(r, &w, &batch, errp) || !stream_is_good(f, errp)) {
            return false;
        }
    }
    return end_piece(r, &w, true, errp);
}

void ram_save_cleanup(void *opaque)
{
    RAMMigration *r = opaque;
    if (r->sender) {
        r->sender->cleanup(r);
        r->sender = NULL;
    }
    r->channel = NULL;
    r->config = (RAMSaveConfig){ 0 };
    g_clear_pointer(&r->dirty, ram_dirty_free);
}
