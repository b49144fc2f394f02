/*
 * main-loop.c - one machine's event loop: descriptors, bottom halves, timers, and the lock.
 *
 * Floor F0; below it GLib.  The loop drives a GMainContext by hand (prepare, query, poll, check,
 * dispatch) rather than through g_main_context_iteration(), for two reasons: the lock must be dropped
 * around the poll and nowhere else, and a deadline in nanoseconds must reach ppoll().
 * Threads: one thread iterates; any thread may schedule a bottom half, wake the loop or, with the lock
 * held, add and remove handlers.
 * Locks: `lock` is the machine's lock.  `bh_lock` guards the two queues of bottom halves; it is a leaf
 * and is never held while a callback runs.
 * Invariant: a callback runs on the loop's thread with `lock` held, and never after its handler was
 * removed, whoever removed it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/main-loop.h"

#include <poll.h>
#include <stdatomic.h>
#include <time.h>

struct MainLoop {
    GMainContext *context;
    GMutex lock;
    _Atomic(const void *) owner;    /* thread that holds lock, NULL if none does */
    atomic_bool quit;
    GMutex bh_lock;
    GQueue scheduled;               /* QEMUBH that wait for the next iteration */
    GQueue batch;                   /* QEMUBH that this iteration still has to run */
    GQueue all;                     /* every QEMUBH that exists, so that free() finds them */
    GPtrArray *handlers;            /* FDHandler that are watched */
    GPollFD *fds;
    int fds_size;
    MainLoopDeadline *deadline;
    QEMUBHFunc *run_timers;
    void *timers_opaque;
};

struct QEMUBH {
    MainLoop *loop;
    QEMUBHFunc *func;
    void *opaque;
    GQueue *queue;      /* the queue that holds `link`, or NULL; under bh_lock */
    GList link;
    GList all_link;
    bool oneshot;
};

struct FDHandler {
    GSource source;     /* first: GLib allocates and counts it */
    MainLoop *loop;
    FDHandlerFunc *func;
    void *opaque;
    gpointer tag;
    int fd;
};

/* Its address names the thread: unlike a thread id it costs no call and is never NULL. */
static __thread char main_loop_self;

void main_loop_lock(MainLoop *loop)
{
    g_mutex_lock(&loop->lock);
    atomic_store_explicit(&loop->owner, &main_loop_self, memory_order_relaxed);
}

bool main_loop_trylock(MainLoop *loop)
{
    if (!g_mutex_trylock(&loop->lock)) {
        return false;
    }
    atomic_store_explicit(&loop->owner, &main_loop_self, memory_order_relaxed);
    return true;
}

void main_loop_unlock(MainLoop *loop)
{
    atomic_store_explicit(&loop->owner, NULL, memory_order_relaxed);
    g_mutex_unlock(&loop->lock);
}

bool main_loop_locked(const MainLoop *loop)
{
    /* Relaxed is enough: only this thread can have stored this thread's address. */
    return atomic_load_explicit(&loop->owner, memory_order_relaxed) == &main_loop_self;
}

MainLoop *main_loop_new(void)
{
    MainLoop *loop = g_new0(MainLoop, 1);
    loop->context = g_main_context_new();
    g_mutex_init(&loop->lock);
    g_mutex_init(&loop->bh_lock);
    g_queue_init(&loop->scheduled);
    g_queue_init(&loop->batch);
    g_queue_init(&loop->all);
    loop->handlers = g_ptr_array_new();
    return loop;
}

void main_loop_free(MainLoop *loop)
{
    if (!loop) {
        return;
    }
    while (loop->handlers->len) {
        fd_handler_remove(g_ptr_array_index(loop->handlers, loop->handlers->len - 1));
    }
    g_ptr_array_unref(loop->handlers);
    GList *link;
    while ((link = g_queue_pop_head_link(&loop->all))) {
        g_free(link->data);
    }
    g_main_context_unref(loop->context);
    g_mutex_clear(&loop->lock);
    g_mutex_clear(&loop->bh_lock);
    g_free(loop->fds);
    g_free(loop);
}

GMainContext *main_loop_context(MainLoop *loop)
{
    return loop->context;
}

void main_loop_set_timers(MainLoop *loop, MainLoopDeadline *deadline, QEMUBHFunc *run, void *opaque)
{
    loop->deadline = deadline;
    loop->run_timers = run;
    loop->timers_opaque = opaque;
}

void main_loop_wake(MainLoop *loop)
{
    g_main_context_wakeup(loop->context);
}

void main_loop_quit(MainLoop *loop)
{
    atomic_store(&loop->quit, true);
    main_loop_wake(loop);
}

/* ---- iterations ---- */

static bool main_loop_bh_pending(MainLoop *loop)
{
    g_mutex_lock(&loop->bh_lock);
    bool pending = loop->scheduled.length > 0;
    g_mutex_unlock(&loop->bh_lock);
    return pending;
}

/* How long poll may sleep, ns; -1 without limit. */
static int64_t main_loop_timeout_ns(MainLoop *loop, bool may_block, int context_ms)
{
    if (!may_block || main_loop_bh_pending(loop) || atomic_load(&loop->quit)) {
        return 0;
    }
    int64_t timeout = context_ms < 0 ? -1 : (int64_t)context_ms * 1000000;
    int64_t timers = loop->deadline ? loop->deadline(loop->timers_opaque) : -1;
    if (timers >= 0 && (timeout < 0 || timers < timeout)) {
        timeout = timers;
    }
    return timeout;
}

/* Collects the context's descriptors into loop->fds; returns their number. */
static int main_loop_query(MainLoop *loop, int priority, int *timeout_ms)
{
    int n;
    while ((n = g_main_context_query(loop->context, priority, timeout_ms, loop->fds, loop->fds_size)) >
           loop->fds_size) {
        loop->fds = g_renew(GPollFD, loop->fds, n);
        loop->fds_size = n;
    }
    return n;
}

static void main_loop_poll(MainLoop *loop, int n, int64_t timeout_ns)
{
    /* GPollFD is struct pollfd by GLib's promise; the assertion holds it to that. */
    G_STATIC_ASSERT(sizeof(GPollFD) == sizeof(struct pollfd));
    struct timespec ts = { timeout_ns / 1000000000, timeout_ns % 1000000000 };
    if (timeout_ns == 0) {
        /* Others get their chance at the lock even when the loop never sleeps. */
        main_loop_unlock(loop);
        int ready = poll((struct pollfd *)loop->fds, n, 0);
        main_loop_lock(loop);
        (void)ready;
        return;
    }
    main_loop_unlock(loop);
    int ready = ppoll((struct pollfd *)loop->fds, n, timeout_ns < 0 ? NULL : &ts, NULL);
    if (ready < 0) {
        /* A signal: nothing is ready, and the next iteration asks again. */
        for (int i = 0; i < n; i++) {
            loop->fds[i].revents = 0;
        }
    }
    main_loop_lock(loop);
}

/* Runs the bottom halves that were scheduled before this call; those they schedule wait. */
static bool main_loop_run_bhs(MainLoop *loop)
{
    bool ran = false;
    g_mutex_lock(&loop->bh_lock);
    GList *link;
    while ((link = g_queue_pop_head_link(&loop->scheduled))) {
        ((QEMUBH *)link->data)->queue = &loop->batch;
        g_queue_push_tail_link(&loop->batch, link);
    }
    while ((link = g_queue_pop_head_link(&loop->batch))) {
        QEMUBH *bh = link->data;
        QEMUBHFunc *func = bh->func;
        void *opaque = bh->opaque;
        bh->queue = NULL;
        if (bh->oneshot) {
            g_queue_unlink(&loop->all, &bh->all_link);
            g_free(bh);
        }
        g_mutex_unlock(&loop->bh_lock);
        /* bh may be gone from here on: the callback, or another thread, may delete it. */
        func(opaque);
        ran = true;
        g_mutex_lock(&loop->bh_lock);
    }
    g_mutex_unlock(&loop->bh_lock);
    return ran;
}

static bool main_loop_iterate_locked(MainLoop *loop, bool may_block)
{
    int priority;
    int context_ms;
    bool ran = g_main_context_prepare(loop->context, &priority);
    int n = main_loop_query(loop, priority, &context_ms);
    main_loop_poll(loop, n, main_loop_timeout_ns(loop, may_block, ran ? 0 : context_ms));
    ran = g_main_context_check(loop->context, priority, loop->fds, n);
    if (ran) {
        g_main_context_dispatch(loop->context);
    }
    if (loop->run_timers) {
        loop->run_timers(loop->timers_opaque);
    }
    return main_loop_run_bhs(loop) || ran;
}

bool main_loop_iterate(MainLoop *loop, bool may_block)
{
    main_loop_lock(loop);
    if (!g_main_context_acquire(loop->context)) {
        main_loop_unlock(loop);
        g_critical("main_loop_iterate: another thread runs this loop");
        return false;
    }
    bool ran = main_loop_iterate_locked(loop, may_block);
    g_main_context_release(loop->context);
    main_loop_unlock(loop);
    return ran;
}

void main_loop_run(MainLoop *loop)
{
    main_loop_lock(loop);
    if (!g_main_context_acquire(loop->context)) {
        main_loop_unlock(loop);
        g_critical("main_loop_run: another thread runs this loop");
        return;
    }
    while (!atomic_load(&loop->quit)) {
        main_loop_iterate_locked(loop, true);
    }
    /* The next main_loop_run() starts afresh. */
    atomic_store(&loop->quit, false);
    g_main_context_release(loop->context);
    main_loop_unlock(loop);
}

/* ---- descriptors ---- */

static gboolean fd_handler_dispatch(GSource *source, GSourceFunc unused, gpointer unused_data)
{
    FDHandler *h = (FDHandler *)source;
    GIOCondition events = h->tag ? g_source_query_unix_fd(source, h->tag) : 0;
    (void)unused;
    (void)unused_data;
    if (events) {
        h->func(h->fd, events, h->opaque);
    }
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs fd_handler_funcs = { .dispatch = fd_handler_dispatch };

FDHandler *main_loop_add_fd(MainLoop *loop, int fd, GIOCondition events, FDHandlerFunc *func,
                            void *opaque)
{
    FDHandler *h = (FDHandler *)g_source_new(&fd_handler_funcs, sizeof(FDHandler));
    h->loop = loop;
    h->func = func;
    h->opaque = opaque;
    h->fd = fd;
    h->tag = events ? g_source_add_unix_fd(&h->source, fd, events) : NULL;
    /* A callback may wait in a nested loop of its own for the same descriptor. */
    g_source_set_can_recurse(&h->source, TRUE);
    g_ptr_array_add(loop->handlers, h);
    g_source_attach(&h->source, loop->context);
    return h;
}

void fd_handler_set_events(FDHandler *handler, GIOCondition events)
{
    /* poll() reports a hang-up even to who asks for nothing: a paused descriptor is taken out. */
    if (handler->tag && events) {
        g_source_modify_unix_fd(&handler->source, handler->tag, events);
    } else if (handler->tag) {
        g_source_remove_unix_fd(&handler->source, handler->tag);
        handler->tag = NULL;
    } else if (events) {
        handler->tag = g_source_add_unix_fd(&handler->source, handler->fd, events);
    }
}

void fd_handler_remove(FDHandler *handler)
{
    if (!handler) {
        return;
    }
    g_ptr_array_remove_fast(handler->loop->handlers, handler);
    /* GLib skips a destroyed source even if poll has already found it ready. */
    g_source_destroy(&handler->source);
    g_source_unref(&handler->source);
}

/* ---- bottom halves ---- */

static QEMUBH *qemu_bh_alloc(MainLoop *loop, QEMUBHFunc *func, void *opaque, bool oneshot)
{
    QEMUBH *bh = g_new0(QEMUBH, 1);
    bh->loop = loop;
    bh->func = func;
    bh->opaque = opaque;
    bh->oneshot = oneshot;
    bh->link.data = bh;
    bh->all_link.data = bh;
    g_mutex_lock(&loop->bh_lock);
    g_queue_push_tail_link(&loop->all, &bh->all_link);
    g_mutex_unlock(&loop->bh_lock);
    return bh;
}

QEMUBH *qemu_bh_new(MainLoop *loop, QEMUBHFunc *func, void *opaque)
{
    return qemu_bh_alloc(loop, func, opaque, false);
}

void qemu_bh_schedule(QEMUBH *bh)
{
    MainLoop *loop = bh->loop;
    g_mutex_lock(&loop->bh_lock);
    bool wake = !bh->queue;
    if (wake) {
        bh->queue = &loop->scheduled;
        g_queue_push_tail_link(&loop->scheduled, &bh->link);
    }
    g_mutex_unlock(&loop->bh_lock);
    if (wake) {
        main_loop_wake(loop);
    }
}

static void qemu_bh_cancel_locked(QEMUBH *bh)
{
    if (bh->queue) {
        g_queue_unlink(bh->queue, &bh->link);
        bh->queue = NULL;
    }
}

void qemu_bh_cancel(QEMUBH *bh)
{
    g_mutex_lock(&bh->loop->bh_lock);
    qemu_bh_cancel_locked(bh);
    g_mutex_unlock(&bh->loop->bh_lock);
}

void qemu_bh_delete(QEMUBH *bh)
{
    if (!bh) {
        return;
    }
    MainLoop *loop = bh->loop;
    g_mutex_lock(&loop->bh_lock);
    qemu_bh_cancel_locked(bh);
    g_queue_unlink(&loop->all, &bh->all_link);
    g_mutex_unlock(&loop->bh_lock);
    g_free(bh);
}

void main_loop_schedule_oneshot(MainLoop *loop, QEMUBHFunc *func, void *opaque)
{
    qemu_bh_schedule(qemu_bh_alloc(loop, func, opaque, true));
}
