/*
 * ram-runs.c - the sender between two Godwits: pages that lie one behind the other become one record.
 *
 * Floor F4; below it ram-wire and zero.  The migration thread.
 * A run spares the page its own head on both sides: the source writes a run from guest RAM in one piece, and
 * the destination reads it into guest RAM in one piece.
 * Invariant: a run is open only between the batches of one piece; end_piece() closes it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <glib.h>

#include "migration/ram-internal.h"

/* No more than a piece; what a destination waits for in one go. */
#define RUN_MAX_PAGES 256

static bool runs_setup(RAMMigration *r, Error **errp)
{
    r->run.pages = 0;
    return true;
}

static void close_run(RAMMigration *r, RAMWire *w)
{
    RAMRun *run = &r->run;
    if (run->pages) {
        ram_count_bytes(r, ram_wire_put_run(w, run));
        ram_count(run->zero ? &r->counters.duplicate : &r->counters.normal, run->pages);
        run->pages = 0;
    }
}

static bool goes_on(const RAMRun *run, const RAMBlock *block, ram_addr_t offset, bool zero)
{
    return run->pages && run->pages < RUN_MAX_PAGES && run->block == block && run->zero == zero &&
           run->offset + (uint64_t)run->pages * TARGET_PAGE_SIZE == offset;
}

static bool runs_send_batch(RAMMigration *r, RAMWire *w, const RAMBatch *batch, Error **errp)
{
    RAMRun *run = &r->run;
    for (unsigned i = 0; i < batch->count; i++) {
        ram_addr_t offset = batch->offset[i];
        bool zero = ram_page_is_zero(batch->block, offset);
        if (!goes_on(run, batch->block, offset, zero)) {
            close_run(r, w);
            *run = (RAMRun){ .block = batch->block, .offset = offset, .zero = zero };
        }
        run->pages++;
    }
    return true;
}

static bool runs_end_piece(RAMMigration *r, RAMWire *w, bool last, Error **errp)
{
    close_run(r, w);
    return true;
}

static void runs_cleanup(RAMMigration *r)
{
}

const RAMSender ram_sender_runs = {
    .name = "runs",
    .setup = runs_setup,
    .send_batch = runs_send_batch,
    .end_piece = runs_end_piece,
    .cleanup = runs_cleanup,
};
