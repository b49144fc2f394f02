/*
 * page-pool.c - threads that work on batches of pages, which come back in the order in which they went in.
 *
 * Floor F4; below it nothing.
 * Threads: the owner, and the pool's own. The jobs form a ring; lock guards its numbers and marks. A job's contents
 * belong to the owner before it is submitted and after it is done, and to one thread of the pool in between.
 * Invariant: released <= taken <= submitted, and they are never further apart than there are jobs.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "migration/page-pool.h"

#include <glib.h>
#include <stdint.h>

#include "util/thread.h"

typedef struct PoolThread {
    PagePool *pool;
    GThread *thread;
    void *state;                /* of ops->thread_new */
} PoolThread;

struct PagePool {
    const PagePoolOps *ops;
    void *opaque;
    unsigned nthreads, njobs;
    size_t job_size;
    PoolThread *threads;
    uint8_t *jobs;
    GMutex lock;
    GCond work;                 /* there is a job, or the end has come */
    GCond progress;             /* a job is done, or a thread has failed */
    uint64_t submitted, taken, released;        /* so many jobs since the beginning */
    bool *done;                 /* of each place in the ring */
    bool ending;
    Error *error;               /* the first */
};

static void *job_at(PagePool *pool, uint64_t number)
{
    return pool->jobs + number % pool->njobs * pool->job_size;
}

/* ---- the pool's threads ---- */

/* The number of the next job that needs work. False: the end has come. */
static bool take_job_locked(PagePool *pool, uint64_t *number)
{
    for (;;) {
        if (pool->ending) {
            return false;
        }
        if (pool->taken == pool->submitted) {
            g_cond_wait(&pool->work, &pool->lock);
        } else {
            *number = pool->taken++;
            if (!pool->done[*number % pool->njobs]) {
                return true;
            }
        }
    }
}

static gpointer pool_thread(gpointer opaque)
{
    PoolThread *t = opaque;
    PagePool *pool = t->pool;
    uint64_t number;
    g_mutex_lock(&pool->lock);
    while (take_job_locked(pool, &number)) {
        Error *err = NULL;
        g_mutex_unlock(&pool->lock);
        bool ok = pool->ops->work(pool->opaque, t->state, job_at(pool, number), &err);
        g_mutex_lock(&pool->lock);
        if (!ok && !pool->error) {
            pool->error = err;
            pool->ending = true;
            g_cond_broadcast(&pool->work);
        } else if (!ok) {
            error_free(err);
        }
        pool->done[number % pool->njobs] = true;
        g_cond_signal(&pool->progress);
    }
    g_mutex_unlock(&pool->lock);
    return NULL;
}

/* ---- life ---- */

static bool start_thread(PagePool *pool, const char *pool_name, Error **errp)
{
    PoolThread *t = &pool->threads[pool->nthreads];
    t->pool = pool;
    t->state = pool->ops->thread_new(pool->opaque, errp);
    if (!t->state) {
        return false;
    }
    g_autofree char *name = g_strdup_printf("%s/%u", pool_name, pool->nthreads);
    t->thread = thread_new(name, pool_thread, t, errp);
    if (!t->thread) {
        pool->ops->thread_free(t->state);
        return false;
    }
    pool->nthreads++;
    return true;
}

PagePool *page_pool_new(const PagePoolSize *size, const PagePoolOps *ops, void *opaque, Error **errp)
{
    PagePool *pool = g_new0(PagePool, 1);
    pool->ops = ops;
    pool->opaque = opaque;
    pool->njobs = size->jobs;
    pool->job_size = size->job_size;
    pool->threads = g_new0(PoolThread, size->threads);
    pool->done = g_new0(bool, size->jobs);
    pool->jobs = g_try_malloc0_n(size->jobs, size->job_size);
    g_mutex_init(&pool->lock);
    g_cond_init(&pool->work);
    g_cond_init(&pool->progress);
    if (!pool->jobs) {
        error_setg(errp, "there is no memory for %u batches of pages of %zu bytes", size->jobs, size->job_size);
        page_pool_free(pool);
        return NULL;
    }
    for (unsigned i = 0; i < size->threads; i++) {
        if (!start_thread(pool, size->name, errp)) {
            page_pool_free(pool);
            return NULL;
        }
    }
    return pool;
}

void page_pool_free(PagePool *pool)
{
    if (!pool) {
        return;
    }
    g_mutex_lock(&pool->lock);
    pool->ending = true;
    g_cond_broadcast(&pool->work);
    g_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->nthreads; i++) {
        g_thread_join(pool->threads[i].thread);
        pool->ops->thread_free(pool->threads[i].state);
    }
    g_mutex_clear(&pool->lock);
    g_cond_clear(&pool->work);
    g_cond_clear(&pool->progress);
    error_free(pool->error);
    g_free(pool->threads);
    g_free(pool->done);
    g_free(pool->jobs);
    g_free(pool);
}

/* ---- the owner ---- */

void *page_pool_get(PagePool *pool)
{
    return pool->submitted - pool->released < pool->njobs ? job_at(pool, pool->submitted) : NULL;
}

void page_pool_submit(PagePool *pool, bool done)
{
    g_mutex_lock(&pool->lock);
    pool->done[pool->submitted % pool->njobs] = done;
    pool->submitted++;
    if (!done) {
        g_cond_signal(&pool->work);
    }
    g_mutex_unlock(&pool->lock);
}

void *page_pool_oldest(PagePool *pool, bool wait, bool *failed, Error **errp)
{
    g_mutex_lock(&pool->lock);
    const bool *done = &pool->done[pool->released % pool->njobs];
    while (wait && !pool->error && pool->released < pool->submitted && !*done) {
        g_cond_wait(&pool->progress, &pool->lock);
    }
    *failed = pool->error != NULL;
    if (pool->error) {
        error_setg(errp, "%s", error_get_pretty(pool->error));
    }
    void *job = !pool->error && pool->released < pool->submitted && *done ? job_at(pool, pool->released) : NULL;
    g_mutex_unlock(&pool->lock);
    return job;
}

void page_pool_release(PagePool *pool)
{
    g_mutex_lock(&pool->lock);
    pool->released++;
    /* One that needed no work may be released before a thread has passed it by. */
    pool->taken = MAX(pool->taken, pool->released);
    g_mutex_unlock(&pool->lock);
}
