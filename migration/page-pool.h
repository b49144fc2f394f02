/*
 * page-pool.h - threads that work on batches of pages, which come back in the order in which they went in.
 *
 * Floor F4.  One thread owns a pool and calls these functions; the pool's own threads call PagePoolOps.
 *
 *   job = page_pool_get(pool);          fill it; NULL: all are under way, finish the oldest first
 *   page_pool_submit(pool, false);
 *   job = page_pool_oldest(pool, wait, &failed, errp);      use it
 *   page_pool_release(pool);
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_PAGE_POOL_H
#define MIGRATION_PAGE_POOL_H

#include <stdbool.h>
#include <stddef.h>

#include "util/error.h"

typedef struct PagePool PagePool;

/* All required. */
typedef struct PagePoolOps {
    /* What a thread needs for itself; called by the owner, before the thread starts. */
    void *(*thread_new)(void *opaque, Error **errp);
    void (*thread_free)(void *state);
    /* A pool's thread. False, with *errp set: the pool has failed, and the owner is told. */
    bool (*work)(void *opaque, void *state, void *job, Error **errp);
} PagePoolOps;

/* So many threads, and jobs of job_size bytes, zeroed at first. name: of the threads, for people. */
typedef struct PagePoolSize {
    const char *name;
    unsigned threads, jobs;
    size_t job_size;
} PagePoolSize;
/* NULL, with *errp set, if a thread cannot be had. opaque is handed to ops. */
PagePool *page_pool_new(const PagePoolSize *size, const PagePoolOps *ops, void *opaque, Error **errp);
/* Waits until each thread has finished the job that it works on; the rest is dropped. NULL is allowed. */
void page_pool_free(PagePool *pool);

/* A job that is not under way, the same until it is submitted; NULL: there is none. */
void *page_pool_get(PagePool *pool);
/* The job from page_pool_get(). done: it needs no work, and only keeps its place in the order. */
void page_pool_submit(PagePool *pool, bool done);
/*
 * The job that was submitted first of those that are under way, once its work is done. NULL: there is none; or
 * it is not done yet, and wait is false. *failed, with *errp set: a thread has failed; the pool is of no more use.
 */
void *page_pool_oldest(PagePool *pool, bool wait, bool *failed, Error **errp);
/* Done with that one. */
void page_pool_release(PagePool *pool);

#endif
