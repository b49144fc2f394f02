/*
 * block-aio.c - a pool of worker threads, and the way of a finished request back to its device.
 *
 * Lobby; below it the main loop, the clocks and POSIX threads.
 * Threads: requests come in with the machine lock held, run on a worker without it, and are
 * completed by a bottom half on the main loop, or by whoever waits in block_aio_wait().  With
 * -icount there is no worker: a request runs at submission, on the submitting thread, and is
 * completed by a timer of the virtual clock ICOUNT_LATENCY_NS later, so that the guest sees the
 * same order every time.
 * Locks: `lock` guards the queues and counters; it is a leaf, taken under the machine lock or
 * alone.
 * Invariant: a request stands in exactly one queue or is being executed by exactly one worker, and
 * requests are completed in the order in which they finished.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "block/block-aio.h"

#include <pthread.h>
#include <signal.h>

#include "system/clock.h"
#include "system/machine.h"

#define BLOCK_AIO_THREADS 16            /* enough to keep a disk's queue filled */
#define ICOUNT_LATENCY_NS 100000        /* of every request, in virtual time */

typedef struct RequestQueue {
    BlockRequest *head, **tail;
} RequestQueue;

struct BlockAio {
    Machine *machine;
    QEMUBH *bh;
    pthread_mutex_t lock;
    pthread_cond_t work_cond, done_cond;
    RequestQueue work, done;    /* under lock */
    pthread_t threads[BLOCK_AIO_THREADS];
    unsigned nthreads, idle;    /* under lock */
    unsigned queued;            /* length of work; under lock */
    bool stop;                  /* under lock */
    RequestQueue delayed;       /* -icount; under the machine lock */
    QEMUTimer *timer;           /* NULL without -icount */
    BlockResume *resume;        /* likewise */
};

static void queue_init(RequestQueue *q)
{
    q->head = NULL;
    q->tail = &q->head;
}

static void queue_push(RequestQueue *q, BlockRequest *req)
{
    req->next = NULL;
    *q->tail = req;
    q->tail = &req->next;
}

static BlockRequest *queue_pop(RequestQueue *q)
{
    BlockRequest *req = q->head;
    if (req) {
        q->head = req->next;
        if (!q->head) {
            q->tail = &q->head;
        }
    }
    return req;
}

/* ---- workers ---- */

static void *block_aio_thread(void *opaque)
{
    BlockAio *aio = opaque;
    pthread_mutex_lock(&aio->lock);
    while (!aio->stop) {
        BlockRequest *req = queue_pop(&aio->work);
        if (!req) {
            aio->idle++;
            pthread_cond_wait(&aio->work_cond, &aio->lock);
            aio->idle--;
            continue;
        }
        aio->queued--;
        pthread_mutex_unlock(&aio->lock);
        blk_request_execute(req);
        pthread_mutex_lock(&aio->lock);
        queue_push(&aio->done, req);
        pthread_cond_broadcast(&aio->done_cond);
        pthread_mutex_unlock(&aio->lock);
        /* The bottom half finds the queue empty if somebody who waited was faster. */
        qemu_bh_schedule(aio->bh);
        pthread_mutex_lock(&aio->lock);
    }
    pthread_mutex_unlock(&aio->lock);
    return NULL;
}

/*
 * A thread more, if nobody is free for one request more. False if there is not one that could do
 * the work.
 */
static bool block_aio_grow_locked(BlockAio *aio)
{
    if (aio->idle <= aio->queued && aio->nthreads < BLOCK_AIO_THREADS) {
        sigset_t all, old;
        /* Signals are the main thread's business; the file size limit's would kill the process. */
        sigfillset(&all);
        pthread_sigmask(SIG_BLOCK, &all, &old);
        if (pthread_create(&aio->threads[aio->nthreads], NULL, block_aio_thread, aio) == 0) {
            aio->nthreads++;
        }
        pthread_sigmask(SIG_SETMASK, &old, NULL);
    }
    return aio->nthreads > 0;
}

/* ---- completion ---- */

static void block_aio_bh(void *opaque)
{
    BlockAio *aio = opaque;
    for (;;) {
        /* One at a time: a callback may wait for others, and must find them in the queue. */
        pthread_mutex_lock(&aio->lock);
        BlockRequest *req = queue_pop(&aio->done);
        pthread_mutex_unlock(&aio->lock);
        if (!req) {
            return;
        }
        blk_request_complete(req);
    }
}

static void block_aio_timer(void *opaque)
{
    BlockAio *aio = opaque;
    int64_t now = qemu_clock_get_ns(aio->machine, QEMU_CLOCK_VIRTUAL);
    while (aio->delayed.head && aio->delayed.head->due_ns <= now) {
        blk_request_complete(queue_pop(&aio->delayed));
    }
    if (aio->delayed.head) {
        timer_mod(aio->timer, aio->delayed.head->due_ns);
    }
}

void block_aio_submit_finished(BlockAio *aio, BlockRequest *req)
{
    if (aio->timer) {
        req->due_ns = qemu_clock_get_ns(aio->machine, QEMU_CLOCK_VIRTUAL) + ICOUNT_LATENCY_NS;
        queue_push(&aio->delayed, req);
        if (!timer_pending(aio->timer)) {
            timer_mod(aio->timer, aio->delayed.head->due_ns);
        }
        return;
    }
    pthread_mutex_lock(&aio->lock);
    queue_push(&aio->done, req);
    pthread_mutex_unlock(&aio->lock);
    qemu_bh_schedule(aio->bh);
}

void block_aio_submit(BlockAio *aio, BlockRequest *req)
{
    bool alone = aio->timer != NULL;
    if (!alone) {
        pthread_mutex_lock(&aio->lock);
        alone = !block_aio_grow_locked(aio);
        if (!alone) {
            queue_push(&aio->work, req);
            aio->queued++;
            pthread_cond_signal(&aio->work_cond);
        }
        pthread_mutex_unlock(&aio->lock);
    }
    if (alone) {
        blk_request_execute(req);
        block_aio_submit_finished(aio, req);
    }
}

/* Behind those that are due before it or at the same moment. */
static void queue_insert(RequestQueue *q, BlockRequest *req)
{
    BlockRequest **at = &q->head;
    while (*at && (*at)->due_ns <= req->due_ns) {
        at = &(*at)->next;
    }
    req->next = *at;
    *at = req;
    if (!req->next) {
        q->tail = &req->next;
    }
}

bool block_aio_resume(BlockAio *aio, BlockRequest *req)
{
    if (!aio->resume || !block_resume_take(aio->resume, req)) {
        return false;
    }
    queue_insert(&aio->delayed, req);
    timer_mod(aio->timer, aio->delayed.head->due_ns);
    return true;
}

void block_aio_forget(BlockAio *aio, const BlockBackend *blk)
{
    if (aio->resume) {
        block_resume_forget(aio->resume, blk);
    }
}

const BlockRequest *block_aio_delayed(const BlockAio *aio)
{
    return aio->delayed.head;
}

void block_aio_wait(BlockAio *aio)
{
    BlockRequest *req = queue_pop(&aio->delayed);
    if (req) {
        if (!aio->delayed.head) {
            timer_del(aio->timer);
        }
        blk_request_complete(req);
        return;
    }
    pthread_mutex_lock(&aio->lock);
    while (!(req = queue_pop(&aio->done))) {
        pthread_cond_wait(&aio->done_cond, &aio->lock);
    }
    pthread_mutex_unlock(&aio->lock);
    blk_request_complete(req);
}

/* ---- life ---- */

BlockAio *block_aio_new(Machine *m)
{
    BlockAio *aio = g_new0(BlockAio, 1);
    aio->machine = m;
    aio->bh = qemu_bh_new(m->loop, block_aio_bh, aio);
    pthread_mutex_init(&aio->lock, NULL);
    pthread_cond_init(&aio->work_cond, NULL);
    pthread_cond_init(&aio->done_cond, NULL);
    queue_init(&aio->work);
    queue_init(&aio->done);
    queue_init(&aio->delayed);
    if (m->config && m->config->icount) {
        aio->timer = timer_new_ns(m, QEMU_CLOCK_VIRTUAL, block_aio_timer, aio);
        aio->resume = block_resume_new(m, aio);
    }
    return aio;
}

void block_aio_free(BlockAio *aio)
{
    pthread_mutex_lock(&aio->lock);
    aio->stop = true;
    pthread_cond_broadcast(&aio->work_cond);
    pthread_mutex_unlock(&aio->lock);
    for (unsigned i = 0; i < aio->nthreads; i++) {
        pthread_join(aio->threads[i], NULL);
    }
    timer_free(aio->timer);
    g_clear_pointer(&aio->resume, block_resume_free);
    qemu_bh_delete(aio->bh);
    pthread_cond_destroy(&aio->work_cond);
    pthread_cond_destroy(&aio->done_cond);
    pthread_mutex_destroy(&aio->lock);
    g_free(aio);
}
