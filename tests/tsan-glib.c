/*
 * tsan-glib.c - tells ThreadSanitizer what GLib's locks order.
 *
 * Linked into `make check-tsan` builds only.  GLib is not instrumented, and its mutexes are futexes
 * of its own, so that ThreadSanitizer sees a race wherever they are all that keeps two threads
 * apart.  The linker's --wrap sends our calls here; each goes to the real function, and the edge
 * that it makes is declared: what came before a release is seen after the acquire.
 * GLib's calls to itself are not wrapped; what it orders inside (its main contexts) is declared at
 * the functions through which our code enters.
 *
 * The Makefile reads the names of the wrapped functions from the object file.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <glib.h>

void __tsan_acquire(void *addr);
void __tsan_release(void *addr);

/* A wrapper that only takes (before it returns) or only gives (before it calls). */
#define ACQUIRE_AFTER(NAME, TYPE) \
    void __real_##NAME(TYPE *object); \
    void __wrap_##NAME(TYPE *object); \
    void __wrap_##NAME(TYPE *object) \
    { \
        __real_##NAME(object); \
        __tsan_acquire(object); \
    }

#define RELEASE_BEFORE(NAME, TYPE) \
    void __real_##NAME(TYPE *object); \
    void __wrap_##NAME(TYPE *object); \
    void __wrap_##NAME(TYPE *object) \
    { \
        __tsan_release(object); \
        __real_##NAME(object); \
    }

#define TRY(NAME, TYPE) \
    gboolean __real_##NAME(TYPE *object); \
    gboolean __wrap_##NAME(TYPE *object); \
    gboolean __wrap_##NAME(TYPE *object) \
    { \
        gboolean taken = __real_##NAME(object); \
        if (taken) { \
            __tsan_acquire(object); \
        } \
        return taken; \
    }

ACQUIRE_AFTER(g_mutex_lock, GMutex)
RELEASE_BEFORE(g_mutex_unlock, GMutex)
TRY(g_mutex_trylock, GMutex)
ACQUIRE_AFTER(g_rec_mutex_lock, GRecMutex)
RELEASE_BEFORE(g_rec_mutex_unlock, GRecMutex)
TRY(g_rec_mutex_trylock, GRecMutex)

/* Readers and writers alike: stricter order than there is, so that a race between readers is missed. */
ACQUIRE_AFTER(g_rw_lock_reader_lock, GRWLock)
RELEASE_BEFORE(g_rw_lock_reader_unlock, GRWLock)
ACQUIRE_AFTER(g_rw_lock_writer_lock, GRWLock)
RELEASE_BEFORE(g_rw_lock_writer_unlock, GRWLock)

/* A wait gives the mutex up and takes it again; the condition itself orders nothing. */
void __real_g_cond_wait(GCond *cond, GMutex *mutex);
void __wrap_g_cond_wait(GCond *cond, GMutex *mutex);
void __wrap_g_cond_wait(GCond *cond, GMutex *mutex)
{
    __tsan_release(mutex);
    __real_g_cond_wait(cond, mutex);
    __tsan_acquire(mutex);
}

gboolean __real_g_cond_wait_until(GCond *cond, GMutex *mutex, gint64 end_time);
gboolean __wrap_g_cond_wait_until(GCond *cond, GMutex *mutex, gint64 end_time);
gboolean __wrap_g_cond_wait_until(GCond *cond, GMutex *mutex, gint64 end_time)
{
    __tsan_release(mutex);
    gboolean signalled = __real_g_cond_wait_until(cond, mutex, end_time);
    __tsan_acquire(mutex);
    return signalled;
}

/* One-time initialisation: who finds it done sees what was done. */
gboolean __real_g_once_init_enter(void *location);
gboolean __wrap_g_once_init_enter(void *location);
gboolean __wrap_g_once_init_enter(void *location)
{
    gboolean first = __real_g_once_init_enter(location);
    if (!first) {
        __tsan_acquire(location);
    }
    return first;
}

void __real_g_once_init_leave(void *location, gsize result);
void __wrap_g_once_init_leave(void *location, gsize result);
void __wrap_g_once_init_leave(void *location, gsize result)
{
    __tsan_release(location);
    __real_g_once_init_leave(location, result);
}

/* Queues between threads. */
void __real_g_async_queue_push(GAsyncQueue *queue, gpointer data);
void __wrap_g_async_queue_push(GAsyncQueue *queue, gpointer data);
void __wrap_g_async_queue_push(GAsyncQueue *queue, gpointer data)
{
    __tsan_release(queue);
    __real_g_async_queue_push(queue, data);
}

#define POP(NAME) \
    gpointer __real_##NAME(GAsyncQueue *queue); \
    gpointer __wrap_##NAME(GAsyncQueue *queue); \
    gpointer __wrap_##NAME(GAsyncQueue *queue) \
    { \
        gpointer data = __real_##NAME(queue); \
        __tsan_acquire(queue); \
        return data; \
    }
POP(g_async_queue_pop)
POP(g_async_queue_try_pop)

/* A main context: a source attached, or a wake-up, is seen by the thread that dispatches next. */
guint __real_g_source_attach(GSource *source, GMainContext *context);
guint __wrap_g_source_attach(GSource *source, GMainContext *context);
guint __wrap_g_source_attach(GSource *source, GMainContext *context)
{
    __tsan_release(context ? context : g_main_context_default());
    return __real_g_source_attach(source, context);
}

RELEASE_BEFORE(g_main_context_wakeup, GMainContext)
RELEASE_BEFORE(g_main_context_release, GMainContext)
TRY(g_main_context_acquire, GMainContext)

void __real_g_main_context_dispatch(GMainContext *context);
void __wrap_g_main_context_dispatch(GMainContext *context);
void __wrap_g_main_context_dispatch(GMainContext *context)
{
    __tsan_acquire(context);
    __real_g_main_context_dispatch(context);
}

/* The iteration that does it all: the poll inside is where another thread's wake-up arrives. */
static gint tsan_poll(GPollFD *fds, guint count, gint timeout)
{
    gint ready = g_poll(fds, count, timeout);
    __tsan_acquire(g_main_context_get_thread_default() ? g_main_context_get_thread_default()
                                                       : g_main_context_default());
    return ready;
}

gboolean __real_g_main_context_iteration(GMainContext *context, gboolean may_block);
gboolean __wrap_g_main_context_iteration(GMainContext *context, gboolean may_block);
gboolean __wrap_g_main_context_iteration(GMainContext *context, gboolean may_block)
{
    if (!context || context == g_main_context_default()) {
        g_main_context_set_poll_func(context, tsan_poll);
    }
    __tsan_acquire(context ? context : g_main_context_default());
    return __real_g_main_context_iteration(context, may_block);
}
