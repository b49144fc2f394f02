/*
 * ram-compress.c - the sender that compresses pages on threads of its own.
 *
 * Floor F4; below it page-pool, the codecs and ram-wire.
 * Threads: the migration thread owns the pool and alone writes the stream; the pool's threads read guest RAM.
 *
 * Invariant: what comes out of the pool is written in the order in which it went in, so that no older version of a page
 * can overtake a newer one; at the end of a round nothing is left in the pool. The guest may write while a page is
 * read: what is compressed is a copy.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <glib.h>
#include <string.h>

#include "migration/page-codec.h"
#include "migration/page-pool.h"
#include "migration/ram-internal.h"

/* Each thread has one in work and one waiting. */
#define JOBS_PER_THREAD 2
#define NO_GAIN 0           /* a length: the page is sent as it is */

/* One batch. */
typedef struct CompressJob {
    RAMBatch batch;
    uint64_t zeros;         /* a bit a page */
    size_t used;            /* of out */
    uint16_t len[RAM_BATCH_PAGES];      /* of each page that is not zero; NO_GAIN */
    uint8_t out[RAM_BATCH_PAGES * PAGE_CODEC_ROOM];
} CompressJob;

typedef struct CompressSender {
    const PageCodec *codec;
    unsigned level;
    bool wait;
    PagePool *pool;
    atomic_bool ending;     /* the rest of a job is in vain */
} CompressSender;

typedef struct CompressThread {
    const PageCodec *codec;
    void *state;
    uint8_t page[TARGET_PAGE_SIZE];
} CompressThread;

G_STATIC_ASSERT(RAM_BATCH_PAGES <= 64);

/* ---- the pool's threads ---- */

static void *thread_new(void *opaque, Error **errp)
{
    const CompressSender *c = opaque;
    void *state = c->codec->compress_new(c->level, errp);
    if (!state) {
        return NULL;
    }
    CompressThread *t = g_new0(CompressThread, 1);
    t->codec = c->codec;
    t->state = state;
    return t;
}

static void thread_free(void *state)
{
    CompressThread *t = state;
    t->codec->compress_free(t->state);
    g_free(t);
}

static bool compress_batch(void *opaque, void *state, void *job, Error **errp)
{
    CompressSender *c = opaque;
    CompressThread *t = state;
    CompressJob *j = job;
    for (unsigned i = 0; i < j->batch.count && !atomic_load(&c->ending); i++) {
        size_t len = NO_GAIN;
        if (j->zeros >> i & 1) {
            continue;
        }
        memcpy(t->page, j->batch.block->host + j->batch.offset[i], TARGET_PAGE_SIZE);
        if (!t->codec->compress(t->state, t->page, j->out + j->used, &len, errp)) {
            return false;
        }
        j->len[i] = (uint16_t)len;
        j->used += len;
    }
    return true;
}

static const PagePoolOps pool_ops = { thread_new, thread_free, compress_batch };

/* ---- the migration thread ---- */

static bool compress_setup(RAMMigration *r, Error **errp)
{
    CompressSender *c = g_new0(CompressSender, 1);
    const PagePoolSize size = {
        .name = "compress", .threads = r->config.threads, .jobs = JOBS_PER_THREAD * r->config.threads,
        .job_size = sizeof(CompressJob),
    };
    c->codec = r->config.codec;
    c->level = r->config.level;
    c->wait = r->config.wait;
    r->sender_state = c;
    atomic_store(&r->counters.compress_threads, r->config.threads);
    c->pool = page_pool_new(&size, &pool_ops, c, errp);
    return c->pool != NULL;
}

static void compress_cleanup(RAMMigration *r)
{
    CompressSender *c = g_steal_pointer(&r->sender_state);
    atomic_store(&c->ending, true);
    page_pool_free(c->pool);
    g_free(c);
}

/* What a batch has become, onto the stream. */
static void put_job(RAMMigration *r, RAMWire *w, const CompressJob *j)
{
    const RAMBatch *b = &j->batch;
    const uint8_t *out = j->out;
    uint64_t bytes = 0, zeros = 0, pages = 0, compressed = 0;
    for (unsigned i = 0; i < b->count; i++) {
        if (j->zeros >> i & 1) {
            bytes += ram_wire_put_zero(w, b->block, b->offset[i]);
            zeros++;
        } else if (j->len[i] == NO_GAIN) {
            bytes += ram_wire_put_page(w, b->block, b->offset[i]);
        } else {
            compressed += ram_wire_put_compressed(w, b->block, b->offset[i], out, j->len[i]);
            out += j->len[i];
            pages++;
        }
    }
    ram_count_bytes(r, bytes + compressed);
    ram_count(&r->counters.duplicate, zeros);
    ram_count(&r->counters.normal, b->count - zeros - pages);
    ram_count(&r->counters.compress_pages, pages);
    ram_count(&r->counters.compress_bytes, compressed);
}

/* Writes what is done. wait: until a job is free; all: until nothing is under way. */
static bool collect(RAMMigration *r, RAMWire *w, bool wait, bool all, Error **errp)
{
    CompressSender *c = r->sender_state;
    const CompressJob *j;
    bool failed;
    while ((j = page_pool_oldest(c->pool, all || (wait && !page_pool_get(c->pool)), &failed, errp))) {
        put_job(r, w, j);
        page_pool_release(c->pool);
    }
    return !failed;
}

/* The batch, and which of its pages are zero. True: all are. */
static bool fill_job(CompressJob *j, const RAMBatch *batch)
{
    j->batch = *batch;
    j->zeros = 0;
    j->used = 0;
    bool all = true;
    for (unsigned i = 0; i < batch->count; i++) {
        bool zero = ram_page_is_zero(batch->block, batch->offset[i]);
        j->zeros |= (uint64_t)zero << i;
        all &= zero;
    }
    return all;
}

static bool compress_send_batch(RAMMigration *r, RAMWire *w, const RAMBatch *batch, Error **errp)
{
    CompressSender *c = r->sender_state;
    ram_count(&r->counters.compress_batches, 1);
    if (!page_pool_get(c->pool)) {
        ram_count(&r->counters.compress_busy, 1);
    }
    if (!collect(r, w, c->wait, false, errp)) {
        return false;
    }
    CompressJob *j = page_pool_get(c->pool);
    if (!j) {
        /* No thread is free, and we shall not wait. The pool holds other pages than these. */
        return ram_sender_plain.send_batch(r, w, batch, errp);
    }
    page_pool_submit(c->pool, fill_job(j, batch));
    return true;
}

static bool compress_end_piece(RAMMigration *r, RAMWire *w, bool last, Error **errp)
{
    return collect(r, w, false, last, errp);
}

const RAMSender ram_sender_compress = {
    .name = "compress",
    .shrinks = true,
    .setup = compress_setup,
    .send_batch = compress_send_batch,
    .end_piece = compress_end_piece,
    .cleanup = compress_cleanup,
};
