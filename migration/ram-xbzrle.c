/*
 * ram-xbzrle.c - the sender that sends a page again as its difference from what the destination has.
 *
 * Floor F4; below it xbzrle, page-cache and ram-wire.  The migration thread; ram_migration_set_cache_size() is
 * for any thread.
 *
 * Invariant: a cached page is byte by byte what the destination has. The guest may write while a page is read, so
 * that what is compared, kept and sent is one copy of it: pages in the cache are sent from there, and are not
 * touched before the stream has been flushed. In the first round every page is sent whole and none is kept:
 * most would be pushed out again before they are dirty a second time.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <glib.h>
#include <string.h>

#include "migration/page-cache.h"
#include "migration/ram-internal.h"
#include "migration/xbzrle.h"
#include "system/machine.h"

typedef struct XbzrleSender {
    const RAMSender *bulk;      /* sends the first round; needs no state of its own */
    PageCache *cache;
    uint32_t round;             /* of the last batch */
    uint64_t refused_bytes;     /* a size for which there was no memory; 0: none */
    uint8_t page[TARGET_PAGE_SIZE];
    uint8_t delta[XBZRLE_MAX];
} XbzrleSender;

/* What a batch did. */
typedef struct Sum {
    uint64_t bytes, zeros, normal;          /* of everything; pages */
    uint64_t pages, delta_bytes, misses, overflows;
} Sum;

void ram_migration_set_cache_size(Machine *m, uint64_t bytes)
{
    atomic_store(&m->ram_migration->cache_bytes, bytes);
}

static bool xbzrle_setup(RAMMigration *r, Error **errp)
{
    XbzrleSender *x = g_new0(XbzrleSender, 1);
    r->sender_state = x;
    x->bulk = r->config.runs ? &ram_sender_runs : &ram_sender_plain;
    if (!x->bulk->setup(r, errp)) {
        return false;
    }
    atomic_store(&r->cache_bytes, r->config.cache_bytes);
    x->cache = page_cache_new(r->config.cache_bytes, errp);
    if (!x->cache) {
        return false;
    }
    atomic_store(&r->counters.cache_bytes, r->config.cache_bytes);
    return true;
}

static void xbzrle_cleanup(RAMMigration *r)
{
    XbzrleSender *x = g_steal_pointer(&r->sender_state);
    page_cache_free(x->cache);
    g_free(x);
}

/*
 * Before anything in the cache changes place or contents that may wait in the stream. Where there is no memory
 * for the size that is wanted now, the old one stays; query-migrate shows which it is.
 */
static void follow_size(RAMMigration *r, XbzrleSender *x)
{
    uint64_t wanted = atomic_load(&r->cache_bytes);
    if (wanted == page_cache_bytes(x->cache) || wanted == x->refused_bytes) {
        return;
    }
    if (!page_cache_resize(x->cache, wanted, NULL)) {
        x->refused_bytes = wanted;
    }
    atomic_store(&r->counters.cache_bytes, page_cache_bytes(x->cache));
}

/* Pages sent from the cache have left when it is touched again. */
static void begin_round(RAMMigration *r, XbzrleSender *x, RAMWire *w)
{
    uint32_t round = (uint32_t)atomic_load(&r->counters.dirty_sync_count);
    if (round != x->round || atomic_load(&r->cache_bytes) != page_cache_bytes(x->cache)) {
        qemu_fflush(w->f);
        x->round = round;
        follow_size(r, x);
    }
}

/* Unique among the pages of a machine, and neighbours have neighbouring keys. */
static uint64_t key_of(const uint8_t *host)
{
    return (uint64_t)(uintptr_t)host >> TARGET_PAGE_BITS;
}

static void send_whole(RAMWire *w, const RAMBatch *batch, unsigned i, const uint8_t *bytes, Sum *sum)
{
    sum->bytes += ram_wire_put_page_bytes(w, batch->block, batch->offset[i], bytes);
    sum->normal++;
}

/* A page that is not in the cache. */
static void send_miss(XbzrleSender *x, RAMWire *w, const RAMBatch *batch, unsigned i, Sum *sum)
{
    const uint8_t *host = batch->block->host + batch->offset[i];
    uint8_t *place = page_cache_insert(x->cache, key_of(host), x->round);
    if (place) {
        memcpy(place, host, TARGET_PAGE_SIZE);
    }
    sum->misses++;
    send_whole(w, batch, i, place ? place : host, sum);
}

static void send_difference(XbzrleSender *x, RAMWire *w, const RAMBatch *batch, unsigned i, uint8_t *cached,
                            Sum *sum)
{
    memcpy(x->page, batch->block->host + batch->offset[i], TARGET_PAGE_SIZE);
    int len = xbzrle_encode(cached, x->page, x->delta);
    if (len == XBZRLE_OVERFLOW) {
        memcpy(cached, x->page, TARGET_PAGE_SIZE);
        sum->overflows++;
        send_whole(w, batch, i, cached, sum);
        return;
    }
    sum->pages++;
    if (len > 0) {
        uint64_t bytes = ram_wire_put_xbzrle(w, batch->block, batch->offset[i], x->delta, (uint16_t)len);
        memcpy(cached, x->page, TARGET_PAGE_SIZE);
        sum->delta_bytes += bytes;
        sum->bytes += bytes;
    }
}

static void send_page(XbzrleSender *x, RAMWire *w, const RAMBatch *batch, unsigned i, Sum *sum)
{
    const uint8_t *host = batch->block->host + batch->offset[i];
    uint8_t *cached = page_cache_find(x->cache, key_of(host), x->round);
    if (ram_page_is_zero(batch->block, batch->offset[i])) {
        if (cached) {
            memset(cached, 0, TARGET_PAGE_SIZE);
        }
        sum->bytes += ram_wire_put_zero(w, batch->block, batch->offset[i]);
        sum->zeros++;
    } else if (cached) {
        send_difference(x, w, batch, i, cached, sum);
    } else {
        send_miss(x, w, batch, i, sum);
    }
}

static bool xbzrle_send_batch(RAMMigration *r, RAMWire *w, const RAMBatch *batch, Error **errp)
{
    XbzrleSender *x = r->sender_state;
    RAMCounters *c = &r->counters;
    Sum sum = { 0 };
    if (r->bulk) {
        return x->bulk->send_batch(r, w, batch, errp);
    }
    begin_round(r, x, w);
    for (unsigned i = 0; i < batch->count; i++) {
        send_page(x, w, batch, i, &sum);
    }
    ram_count_bytes(r, sum.bytes);
    ram_count(&c->duplicate, sum.zeros);
    ram_count(&c->normal, sum.normal);
    ram_count(&c->xbzrle_pages, sum.pages);
    ram_count(&c->xbzrle_bytes, sum.delta_bytes);
    ram_count(&c->xbzrle_misses, sum.misses);
    ram_count(&c->xbzrle_overflows, sum.overflows);
    return true;
}

static bool xbzrle_end_piece(RAMMigration *r, RAMWire *w, bool last, Error **errp)
{
    XbzrleSender *x = r->sender_state;
    return x->bulk->end_piece(r, w, last, errp);
}

const RAMSender ram_sender_xbzrle = {
    .name = "xbzrle",
    .shrinks = true,
    .setup = xbzrle_setup,
    .send_batch = xbzrle_send_batch,
    .end_piece = xbzrle_end_piece,
    .cleanup = xbzrle_cleanup,
};
