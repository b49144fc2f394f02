/*
 * ram-direct.c - the sender that writes pages straight into the destination's RAM, and the destination's part.
 *
 * Floor F4; below it ram-wire, zero, and a channel with direct memory.  The migration thread; the incoming thread.
 * Pages of zeros go as records, as always.  Written pages and records do not wait for each other, so the order of
 * two states of one page is kept here:
 *   write, write    the writes of a round are waited for at its end
 *   write, record   as above
 *   record, write   a MARK behind a round's records; no write of the next round before the destination has read it
 * While the machine stands still nothing is waited for with the machine's lock held: a page whose write would have
 * to wait goes as a record, and what was written arrives before the records behind it.
 * Invariant: a page is sent once in a round.
 *
 * Wire format: HOOK records of wire.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <glib.h>

#include "migration/direct.h"
#include "migration/ram-internal.h"
#include "migration/wire.h"
#include "system/clock.h"
#include "system/machine.h"

/* What one write carries. */
#define RUN_MAX_PAGES 256

typedef struct DirectSender {
    RAMRun run;                 /* open between the batches of one piece */
    GPtrArray *blocks;          /* RAMBlock, by their number */
    uint64_t placed;            /* pages written since the last PLACED */
    uint32_t mark;              /* the last one that was set; 0: none */
    bool records;               /* pages went as records in this round */
} DirectSender;

/* ---- the blocks ---- */

/* One for each block of the machine; *count of them. The caller frees them. */
static DirectMemory *list_memory(Machine *m, GPtrArray *blocks, unsigned *count)
{
    GArray *list = g_array_new(FALSE, FALSE, sizeof(DirectMemory));
    for (RAMBlock *block = ram_block_first(m); block; block = block->next) {
        DirectMemory memory = { .name = block->idstr, .host = block->host, .length = block->used_length };
        g_array_append_val(list, memory);
        if (blocks) {
            g_ptr_array_add(blocks, block);
        }
    }
    *count = list->len;
    return (DirectMemory *)(void *)g_array_free(list, FALSE);
}

/* ---- source ---- */

static bool direct_setup(RAMMigration *r, Error **errp)
{
    unsigned count;
    DirectSender *d = g_new0(DirectSender, 1);
    r->sender_state = d;
    d->blocks = g_ptr_array_new();
    g_autofree DirectMemory *memory = list_memory(r->machine, d->blocks, &count);
    r->channel->direct->open(r->channel, memory, count, r->config.pin_all);
    return true;
}

static void count_run(RAMMigration *r, const RAMRun *run, uint64_t bytes)
{
    ram_count_bytes(r, bytes);
    ram_count(run->zero ? &r->counters.duplicate : &r->counters.normal, run->pages);
}

static void put_records(RAMMigration *r, RAMWire *w, const RAMRun *run)
{
    DirectSender *d = r->sender_state;
    uint64_t bytes = 0;
    if (r->config.runs) {
        bytes = ram_wire_put_run(w, run);
    }
    for (uint32_t i = 0; i < run->pages && !r->config.runs; i++) {
        ram_addr_t offset = run->offset + (ram_addr_t)i * TARGET_PAGE_SIZE;
        bytes += run->zero ? ram_wire_put_zero(w, run->block, offset) : ram_wire_put_page(w, run->block, offset);
    }
    count_run(r, run, bytes);
    d->records = true;
}

static bool write_run(RAMMigration *r, RAMWire *w, const RAMRun *run, unsigned index, Error **errp)
{
    DirectSender *d = r->sender_state;
    const MigrationDirectOps *direct = r->channel->direct;
    uint64_t length = (uint64_t)run->pages * TARGET_PAGE_SIZE;
    int64_t start = qemu_clock_get_ns(r->machine, QEMU_CLOCK_REALTIME);
    if (d->mark && !direct->is_ready(r->channel, index, run->offset, length, d->mark)) {
        qemu_fflush(w->f);
        if (!direct->await(r->channel, d->mark, errp)) {
            return false;
        }
    }
    if (!direct->write(r->channel, index, run->offset, length, errp)) {
        return false;
    }
    qemu_file_count_beside(w->f, length, qemu_clock_get_ns(r->machine, QEMU_CLOCK_REALTIME) - start);
    count_run(r, run, length);
    d->placed += run->pages;
    return true;
}

static bool close_run(RAMMigration *r, RAMWire *w, Error **errp)
{
    DirectSender *d = r->sender_state;
    RAMRun run = d->run;
    unsigned index = 0;
    d->run.pages = 0;
    if (!run.pages) {
        return true;
    }
    while (!run.zero && d->blocks->pdata[index] != run.block) {
        index++;
    }
    if (run.zero || (r->stopped && !r->channel->direct->is_ready(r->channel, index, run.offset,
                                                                 (uint64_t)run.pages * TARGET_PAGE_SIZE, d->mark))) {
        put_records(r, w, &run);
        return true;
    }
    return write_run(r, w, &run, index, errp);
}

static bool goes_on(const RAMRun *run, const RAMBlock *block, ram_addr_t offset, bool zero)
{
    return run->pages && run->pages < RUN_MAX_PAGES && run->block == block && run->zero == zero &&
           run->offset + (uint64_t)run->pages * TARGET_PAGE_SIZE == offset;
}

static bool direct_send_batch(RAMMigration *r, RAMWire *w, const RAMBatch *batch, Error **errp)
{
    DirectSender *d = r->sender_state;
    for (unsigned i = 0; i < batch->count; i++) {
        ram_addr_t offset = batch->offset[i];
        bool zero = ram_page_is_zero(batch->block, offset);
        if (!goes_on(&d->run, batch->block, offset, zero)) {
            if (!close_run(r, w, errp)) {
                return false;
            }
            d->run = (RAMRun){ .block = batch->block, .offset = offset, .zero = zero };
        }
        d->run.pages++;
    }
    return true;
}

static bool direct_end_piece(RAMMigration *r, RAMWire *w, bool last, Error **errp)
{
    DirectSender *d = r->sender_state;
    if (!close_run(r, w, errp)) {
        return false;
    }
    if (d->placed) {
        ram_count_bytes(r, ram_wire_put_hook(w, RAM_GODWIT_HOOK_PLACED, d->placed));
        d->placed = 0;
    }
    if (!last || r->stopped) {
        return true;
    }
    if (d->records) {
        ram_count_bytes(r, ram_wire_put_hook(w, RAM_GODWIT_HOOK_MARK, ++d->mark));
        d->records = false;
    }
    int64_t start = qemu_clock_get_ns(r->machine, QEMU_CLOCK_REALTIME);
    bool ok = r->channel->direct->drain(r->channel, errp);
    qemu_file_count_beside(w->f, 0, qemu_clock_get_ns(r->machine, QEMU_CLOCK_REALTIME) - start);
    return ok;
}

/* The channel may be closed already. */
static void direct_cleanup(RAMMigration *r)
{
    DirectSender *d = r->sender_state;
    if (d) {
        g_ptr_array_unref(d->blocks);
        g_clear_pointer(&r->sender_state, g_free);
    }
}

const RAMSender ram_sender_direct = {
    .name = "direct",
    .setup = direct_setup,
    .send_batch = direct_send_batch,
    .end_piece = direct_end_piece,
    .cleanup = direct_cleanup,
};

/* ---- destination ---- */

bool ram_direct_offer(RAMMigration *r, QEMUFile *f, Error **errp)
{
    MigrationChannel *ch = qemu_file_channel(f);
    unsigned count;
    r->load_channel = NULL;
    if (!ch || !ch->direct) {
        return true;
    }
    g_autofree DirectMemory *memory = list_memory(r->machine, NULL, &count);
    if (!ch->direct->offer(ch, memory, count, r->load_config.pin_all, errp)) {
        ch->direct->withdraw(ch);
        return false;
    }
    r->load_channel = ch;
    return true;
}

void ram_direct_withdraw(RAMMigration *r)
{
    if (r->load_channel) {
        r->load_channel->direct->withdraw(r->load_channel);
        r->load_channel = NULL;
    }
}

bool ram_direct_load_hook(RAMMigration *r, const RAMRecord *record, Error **errp)
{
    if (!r->load_channel) {
        error_setg(errp, "RAM record of kind HOOK, which only an rdma: channel may carry");
        return false;
    }
    if (record->hook == RAM_GODWIT_HOOK_MARK && record->value <= UINT32_MAX) {
        r->load_channel->direct->reached(r->load_channel, (uint32_t)record->value);
        return true;
    }
    if (record->hook == RAM_GODWIT_HOOK_PLACED &&
        record->value <= atomic_load(&r->counters.total) / TARGET_PAGE_SIZE) {
        ram_count(&r->counters.normal, record->value);
        ram_count(&r->counters.transferred, record->value * TARGET_PAGE_SIZE);
        return true;
    }
    error_setg(errp, "RAM record HOOK of kind %u with value %" G_GUINT64_FORMAT ", which has no meaning here",
               record->hook, record->value);
    return false;
}
