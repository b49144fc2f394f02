/*
 * test-main-loop.c - the event loop: bottom halves, descriptors, deadlines, the lock, two loops.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/main-loop.h"

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

typedef struct Log {
    MainLoop *loop;
    GString *text;
    QEMUBH *other;
    FDHandler *handler;
    unsigned count;
} Log;

static void bh_a(void *opaque)
{
    Log *log = opaque;
    g_assert_true(main_loop_locked(log->loop));
    g_string_append_c(log->text, 'a');
}

static void bh_b(void *opaque)
{
    g_string_append_c(((Log *)opaque)->text, 'b');
}

static void bh_again(void *opaque)
{
    Log *log = opaque;
    g_string_append_c(log->text, 'r');
    qemu_bh_schedule(log->other);
}

static void bh_delete_other(void *opaque)
{
    Log *log = opaque;
    g_string_append_c(log->text, 'd');
    qemu_bh_delete(log->other);
}

static Log *log_new(void)
{
    Log *log = g_new0(Log, 1);
    log->loop = main_loop_new();
    log->text = g_string_new(NULL);
    return log;
}

static void log_free(Log *log)
{
    main_loop_free(log->loop);
    g_string_free(log->text, TRUE);
    g_free(log);
}

static void test_bh_order(void)
{
    Log *log = log_new();
    QEMUBH *a = qemu_bh_new(log->loop, bh_a, log);
    QEMUBH *b = qemu_bh_new(log->loop, bh_b, log);
    qemu_bh_schedule(b);
    qemu_bh_schedule(a);
    qemu_bh_schedule(b);    /* already scheduled: once is enough */
    g_assert_false(main_loop_locked(log->loop));
    g_assert_true(main_loop_iterate(log->loop, true));
    g_assert_cmpstr(log->text->str, ==, "ba");
    g_assert_false(main_loop_iterate(log->loop, false));
    qemu_bh_schedule(a);
    qemu_bh_cancel(a);
    g_assert_false(main_loop_iterate(log->loop, false));
    main_loop_schedule_oneshot(log->loop, bh_b, log);
    g_assert_true(main_loop_iterate(log->loop, true));
    g_assert_cmpstr(log->text->str, ==, "bab");
    qemu_bh_delete(a);
    /* b and a pending oneshot are left to main_loop_free(). */
    main_loop_schedule_oneshot(log->loop, bh_b, log);
    log_free(log);
}

static void test_bh_reschedule(void)
{
    Log *log = log_new();
    log->other = qemu_bh_new(log->loop, bh_again, log);
    qemu_bh_schedule(log->other);
    /* A bottom half that schedules itself runs once an iteration, not for ever. */
    for (int i = 0; i < 3; i++) {
        g_assert_true(main_loop_iterate(log->loop, true));
    }
    g_assert_cmpstr(log->text->str, ==, "rrr");
    log_free(log);
}

static void test_bh_delete_scheduled(void)
{
    Log *log = log_new();
    QEMUBH *first = qemu_bh_new(log->loop, bh_delete_other, log);
    log->other = qemu_bh_new(log->loop, bh_a, log);
    qemu_bh_schedule(first);
    qemu_bh_schedule(log->other);
    g_assert_true(main_loop_iterate(log->loop, true));
    g_assert_cmpstr(log->text->str, ==, "d");
    log_free(log);
}

/* ---- threads ---- */

static gpointer schedule_thread(gpointer opaque)
{
    Log *log = opaque;
    for (int i = 0; i < 1000; i++) {
        qemu_bh_schedule(log->other);
        /* The loop drops its lock only while it sleeps, so here no callback runs. */
        main_loop_lock(log->loop);
        log->count++;
        main_loop_unlock(log->loop);
    }
    main_loop_quit(log->loop);
    return NULL;
}

static void bh_count(void *opaque)
{
    Log *log = opaque;
    log->count += 1000000;
}

static void test_threads(void)
{
    Log *log = log_new();
    log->other = qemu_bh_new(log->loop, bh_count, log);
    GThread *thread = g_thread_new("schedule", schedule_thread, log);
    main_loop_run(log->loop);
    g_thread_join(thread);
    /* The thread may have ended before the loop began: what it scheduled runs now. */
    main_loop_iterate(log->loop, false);
    /* TSan checks that count is never touched without the lock. */
    g_assert_cmpuint(log->count % 1000000, ==, 1000);
    g_assert_cmpuint(log->count / 1000000, >=, 1);
    log_free(log);
}

static gpointer wake_thread(gpointer opaque)
{
    Log *log = opaque;
    main_loop_lock(log->loop);
    main_loop_schedule_oneshot(log->loop, bh_a, log);
    main_loop_unlock(log->loop);
    return NULL;
}

static void test_wake_sleeping(void)
{
    Log *log = log_new();
    for (int i = 0; i < 200; i++) {
        GThread *thread = g_thread_new("wake", wake_thread, log);
        /* Would sleep for ever if the schedule could be lost on the way into poll(). */
        while (log->text->len == (gsize)i) {
            main_loop_iterate(log->loop, true);
        }
        g_thread_join(thread);
    }
    log_free(log);
}

/* ---- descriptors ---- */

static void fd_read(int fd, GIOCondition events, void *opaque)
{
    Log *log = opaque;
    char byte;
    g_assert_true(main_loop_locked(log->loop));
    g_assert_cmpint(events & G_IO_IN, !=, 0);
    g_assert_cmpint(read(fd, &byte, 1), ==, 1);
    g_string_append_c(log->text, byte);
    if (byte == '!') {
        fd_handler_remove(log->handler);
    }
}

static void test_fd(void)
{
    Log *log = log_new();
    int fds[2];
    g_assert_cmpint(pipe(fds), ==, 0);
    log->handler = main_loop_add_fd(log->loop, fds[0], G_IO_IN, fd_read, log);
    g_assert_false(main_loop_iterate(log->loop, false));
    g_assert_cmpint(write(fds[1], "xy!z", 4), ==, 4);
    g_assert_true(main_loop_iterate(log->loop, true));
    fd_handler_set_events(log->handler, 0);
    g_assert_false(main_loop_iterate(log->loop, false));
    fd_handler_set_events(log->handler, G_IO_IN);
    g_assert_true(main_loop_iterate(log->loop, true));
    g_assert_true(main_loop_iterate(log->loop, true));
    /* "!" removed the handler; the fourth byte stays where it is. */
    g_assert_false(main_loop_iterate(log->loop, false));
    g_assert_cmpstr(log->text->str, ==, "xy!");
    /* A handler that is still there is freed with its loop. */
    main_loop_add_fd(log->loop, fds[0], G_IO_IN, fd_read, log);
    log_free(log);
    close(fds[0]);
    close(fds[1]);
}

static void fd_remove_other(int fd, GIOCondition events, void *opaque)
{
    Log *log = opaque;
    (void)fd;
    (void)events;
    log->count++;
    fd_handler_remove(log->handler);
    log->handler = NULL;
}

static void fd_never(int fd, GIOCondition events, void *opaque)
{
    (void)fd;
    (void)events;
    (void)opaque;
    g_assert_not_reached();
}

static void test_fd_removed_while_ready(void)
{
    Log *log = log_new();
    int fds[2];
    g_assert_cmpint(pipe(fds), ==, 0);
    FDHandler *first = main_loop_add_fd(log->loop, fds[0], G_IO_IN, fd_remove_other, log);
    log->handler = main_loop_add_fd(log->loop, fds[0], G_IO_IN, fd_never, log);
    g_assert_cmpint(write(fds[1], "x", 1), ==, 1);
    g_assert_true(main_loop_iterate(log->loop, true));
    g_assert_cmpuint(log->count, ==, 1);
    fd_handler_remove(first);
    log_free(log);
    close(fds[0]);
    close(fds[1]);
}

/* ---- deadlines ---- */

static int64_t deadline_soon(void *opaque)
{
    Log *log = opaque;
    return log->count ? -1 : 2000000;
}

static void run_timers(void *opaque)
{
    Log *log = opaque;
    log->count++;
}

static void test_deadline(void)
{
    Log *log = log_new();
    gint64 start = g_get_monotonic_time();
    main_loop_set_timers(log->loop, deadline_soon, run_timers, log);
    main_loop_iterate(log->loop, true);
    g_assert_cmpuint(log->count, ==, 1);
    g_assert_cmpint(g_get_monotonic_time() - start, >=, 2000);
    log_free(log);
}

/* ---- two loops ---- */

static gpointer other_loop_thread(gpointer opaque)
{
    main_loop_run(((Log *)opaque)->loop);
    return NULL;
}

static void bh_quit(void *opaque)
{
    main_loop_quit(((Log *)opaque)->loop);
}

static void test_two_loops(void)
{
    Log *one = log_new();
    Log *two = log_new();
    GThread *thread = g_thread_new("other", other_loop_thread, two);
    main_loop_lock(one->loop);
    g_assert_true(main_loop_locked(one->loop));
    g_assert_false(main_loop_locked(two->loop));
    main_loop_lock(two->loop);
    g_assert_true(main_loop_locked(two->loop));
    main_loop_unlock(one->loop);
    g_assert_false(main_loop_locked(one->loop));
    main_loop_unlock(two->loop);
    main_loop_schedule_oneshot(two->loop, bh_quit, two);
    g_thread_join(thread);
    g_assert_true(main_loop_trylock(one->loop));
    g_assert_false(main_loop_trylock(one->loop));
    main_loop_unlock(one->loop);
    log_free(one);
    log_free(two);
}

/* The lock is free while the loop sleeps, and only then. */
static gpointer lock_thread(gpointer opaque)
{
    Log *log = opaque;
    main_loop_lock(log->loop);
    g_string_append_c(log->text, 'l');
    main_loop_unlock(log->loop);
    main_loop_quit(log->loop);
    return NULL;
}

static void test_lock_free_in_poll(void)
{
    Log *log = log_new();
    GThread *thread = g_thread_new("lock", lock_thread, log);
    main_loop_run(log->loop);
    g_thread_join(thread);
    g_assert_cmpstr(log->text->str, ==, "l");
    log_free(log);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/main-loop/bh/order", test_bh_order);
    g_test_add_func("/main-loop/bh/reschedule", test_bh_reschedule);
    g_test_add_func("/main-loop/bh/delete-scheduled", test_bh_delete_scheduled);
    g_test_add_func("/main-loop/threads", test_threads);
    g_test_add_func("/main-loop/wake", test_wake_sleeping);
    g_test_add_func("/main-loop/fd", test_fd);
    g_test_add_func("/main-loop/fd/removed-while-ready", test_fd_removed_while_ready);
    g_test_add_func("/main-loop/deadline", test_deadline);
    g_test_add_func("/main-loop/two-loops", test_two_loops);
    g_test_add_func("/main-loop/lock-free-in-poll", test_lock_free_in_poll);
    return g_test_run();
}
