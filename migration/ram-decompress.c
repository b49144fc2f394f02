/*
 * ram-decompress.c - compressed pages that arrive are put into guest RAM by threads of their own.
 *
 * Floor F4; below it page-pool, the codecs and the stream.
 * Threads: the incoming thread owns the pool; the pool's threads write guest RAM, each its pages.
 *
 * Invariant: all pages that are under way are different ones, since only pages of one block in ascending order are on
 * their way together. Whatever record comes next that does not go on so has to wait. At the end of a section nothing
 * is under way.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <glib.h>
#include <inttypes.h>
#include <string.h>

#include "migration/page-codec.h"
#include "migration/page-pool.h"
#include "migration/ram-internal.h"

#define JOBS_PER_THREAD 2
#define JOB_PAGES 64
#define JOB_BYTES (64 * 1024)       /* a job with so many is handed over */
#define DEFAULT_THREADS 2           /* for who has not said how many */

typedef struct DecompressPage {
    RAMBlock *block;
    ram_addr_t offset;
    uint32_t len;
} DecompressPage;

typedef struct DecompressJob {
    unsigned count;
    size_t used;            /* of in */
    DecompressPage page[JOB_PAGES];
    uint8_t in[JOB_BYTES + PAGE_CODEC_MAX];
} DecompressJob;

struct RAMDecompress {
    PagePool *pool;
    DecompressJob *job;     /* is being filled; NULL: none */
    bool busy;              /* pages are under way or being collected, the last one at: */
    RAMBlock *block;
    ram_addr_t last;
};

/* ---- the pool's threads ---- */

/* A state a codec, made when the first page comes that needs it. */
typedef struct DecompressThread {
    const PageCodec *codec;
    void *state;
} DecompressThread;

static void *thread_new(void *opaque, Error **errp)
{
    return g_new0(DecompressThread, 1);
}

static void drop_state(DecompressThread *t)
{
    if (t->state) {
        t->codec->decompress_free(t->state);
        t->state = NULL;
    }
}

static void thread_free(void *state)
{
    drop_state(state);
    g_free(state);
}

static bool use_codec(DecompressThread *t, const PageCodec *codec, Error **errp)
{
    if (t->codec != codec) {
        drop_state(t);
    }
    t->codec = codec;
    if (codec && !t->state) {
        t->state = codec->decompress_new(errp);
    }
    return t->state != NULL;
}

static bool decompress_batch(void *opaque, void *state, void *job, Error **errp)
{
    DecompressThread *t = state;
    const DecompressJob *j = job;
    const uint8_t *in = j->in;
    for (unsigned i = 0; i < j->count; i++) {
        const DecompressPage *p = &j->page[i];
        if (!use_codec(t, page_codec_of(in, p->len, errp), errp) ||
            !t->codec->decompress(t->state, in, p->len, p->block->host + p->offset, errp)) {
            error_prepend(errp, "page at 0x%" PRIx64 " of RAM block \"%s\": ", p->offset, p->block->idstr);
            return false;
        }
        in += p->len;
    }
    return true;
}

static const PagePoolOps pool_ops = { thread_new, thread_free, decompress_batch };

/* ---- the incoming thread ---- */

static RAMDecompress *decompress_new(unsigned threads, Error **errp)
{
    const PagePoolSize size = {
        .name = "decompress", .threads = threads, .jobs = JOBS_PER_THREAD * threads,
        .job_size = sizeof(DecompressJob),
    };
    PagePool *pool = page_pool_new(&size, &pool_ops, NULL, errp);
    RAMDecompress *d = pool ? g_new0(RAMDecompress, 1) : NULL;
    if (d) {
        d->pool = pool;
    }
    return d;
}

void ram_decompress_free(RAMDecompress *d)
{
    if (d) {
        page_pool_free(d->pool);
        g_free(d);
    }
}

/* all: until nothing is under way; else: until a job is free. */
static bool collect(RAMDecompress *d, bool all, Error **errp)
{
    bool failed;
    while (page_pool_oldest(d->pool, all || !page_pool_get(d->pool), &failed, errp)) {
        page_pool_release(d->pool);
    }
    return !failed;
}

static void hand_over(RAMDecompress *d)
{
    if (d->job) {
        page_pool_submit(d->pool, false);
        d->job = NULL;
    }
}

bool ram_decompress_drain(RAMDecompress *d, Error **errp)
{
    d->busy = false;
    hand_over(d);
    return collect(d, true, errp);
}

bool ram_decompress_order(RAMDecompress *d, const RAMRecord *record, Error **errp)
{
    bool goes_on = record->block == d->block && record->offset > d->last;
    if (d->busy && !goes_on && !ram_decompress_drain(d, errp)) {
        return false;
    }
    d->block = record->block;
    d->last = record->offset + (uint64_t)(record->pages - 1) * TARGET_PAGE_SIZE;
    return true;
}

static bool begin_job(RAMDecompress *d, Error **errp)
{
    if (!collect(d, false, errp)) {
        return false;
    }
    d->job = page_pool_get(d->pool);
    d->job->count = 0;
    d->job->used = 0;
    return true;
}

bool ram_decompress_put(RAMMigration *r, QEMUFile *f, const RAMRecord *record, Error **errp)
{
    if (!r->decompress) {
        unsigned threads = r->load_config.decompress_threads ? r->load_config.decompress_threads : DEFAULT_THREADS;
        r->decompress = decompress_new(threads, errp);
    }
    RAMDecompress *d = r->decompress;
    if (!d || !ram_decompress_order(d, record, errp) || (!d->job && !begin_job(d, errp))) {
        return false;
    }
    DecompressJob *j = d->job;
    qemu_get_buffer(f, j->in + j->used, record->length);
    if (!ram_load_page_is_whole(f, record, errp)) {
        return false;
    }
    j->page[j->count++] = (DecompressPage){ record->block, record->offset, record->length };
    j->used += record->length;
    d->busy = true;
    if (j->count == JOB_PAGES || j->used >= JOB_BYTES) {
        hand_over(d);
    }
    ram_count(&r->counters.compress_pages, 1);
    ram_count(&r->counters.compress_bytes, record->length);
    return true;
}
