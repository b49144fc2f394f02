/*
 * main-loop.h - the event loop of one machine: descriptors, bottom halves, and the lock around both.
 *
 * Floor F0, over GLib's GMainContext.  One MainLoop belongs to one thread, the main thread of its
 * machine.  Every callback runs on that thread with the loop's lock held; the lock is released only
 * while the loop sleeps in poll().  That lock is the machine's lock (system/machine.h).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_UTIL_MAIN_LOOP_H
#define GODWIT_UTIL_MAIN_LOOP_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct MainLoop MainLoop;
typedef struct QEMUBH QEMUBH;
typedef struct FDHandler FDHandler;

typedef void QEMUBHFunc(void *opaque);
/* events: the G_IO_* bits that are ready. */
typedef void FDHandlerFunc(int fd, GIOCondition events, void *opaque);

/* Creates a loop; the caller owns it. Any thread. */
MainLoop *main_loop_new(void);
/* Frees it with every handler and bottom half still registered. The loop must not be running. */
void main_loop_free(MainLoop *loop);

/* Runs callbacks until main_loop_quit(). Takes the lock on entry and drops it on return. */
void main_loop_run(MainLoop *loop);
/* One iteration; sleeps only if may_block. Takes and drops the lock. True if something ran. */
bool main_loop_iterate(MainLoop *loop, bool may_block);
/* Makes main_loop_run() return after the current callback. Any thread. */
void main_loop_quit(MainLoop *loop);
/* Wakes a sleeping poll(). Any thread. */
void main_loop_wake(MainLoop *loop);

/* The loop's lock. Not recursive. main_loop_locked() tells whether this thread holds it. */
void main_loop_lock(MainLoop *loop);
/* Takes the lock if that needs no waiting. */
bool main_loop_trylock(MainLoop *loop);
void main_loop_unlock(MainLoop *loop);
bool main_loop_locked(const MainLoop *loop);

/* The context underneath, for libraries that attach sources of their own (libvncserver, slirp). */
GMainContext *main_loop_context(MainLoop *loop);

/*
 * Watches fd for events (G_IO_IN, G_IO_OUT, …) until fd_handler_remove(). The fd stays the caller's.
 * fd_handler_set_events(h, 0) pauses it. Loop thread or any thread with the lock held.
 */
FDHandler *main_loop_add_fd(MainLoop *loop, int fd, GIOCondition events, FDHandlerFunc *func,
                            void *opaque);
void fd_handler_set_events(FDHandler *handler, GIOCondition events);
void fd_handler_remove(FDHandler *handler);

/* A bottom half: scheduled from any thread, runs once on the loop's thread with the lock held. */
QEMUBH *qemu_bh_new(MainLoop *loop, QEMUBHFunc *func, void *opaque);
void qemu_bh_schedule(QEMUBH *bh);
/* Forgets a schedule that has not run yet. Loop thread. */
void qemu_bh_cancel(QEMUBH *bh);
void qemu_bh_delete(QEMUBH *bh);
/* A bottom half that deletes itself after it ran. Any thread. */
void main_loop_schedule_oneshot(MainLoop *loop, QEMUBHFunc *func, void *opaque);

/*
 * The nearest deadline that poll() must respect, in nanoseconds from now (-1: none), and what to run
 * when it may have passed. The clocks (system/clock.h) install themselves here. Lock held.
 */
typedef int64_t MainLoopDeadline(void *opaque);
void main_loop_set_timers(MainLoop *loop, MainLoopDeadline *deadline, QEMUBHFunc *run, void *opaque);

#endif
