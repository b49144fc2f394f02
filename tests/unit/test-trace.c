/*
 * test-trace.c - trace events: switches by pattern, the line's format, files, threads.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/trace.h"

#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "trace/root.h"

static void collect(void *opaque, const char *line)
{
    g_ptr_array_add(opaque, g_strdup(line));
}

static GPtrArray *collector_new(void)
{
    GPtrArray *lines = g_ptr_array_new_with_free_func(g_free);
    trace_set_sink(collect, lines);
    return lines;
}

static void collector_free(GPtrArray *lines)
{
    trace_set_sink(NULL, NULL);
    g_ptr_array_unref(lines);
    trace_enable("*", false, NULL);
}

static void test_off_is_silent(void)
{
    GPtrArray *lines = collector_new();
    trace_self_test(1, "a", 2);
    g_assert_cmpuint(lines->len, ==, 0);
    g_assert_false(trace_self_test_enabled());
    collector_free(lines);
}

static void test_line_format(void)
{
    GPtrArray *lines = collector_new();
    g_assert_true(trace_enable("self_test", true, NULL));
    g_assert_true(trace_self_test_enabled());
    trace_self_test(-3, "owl", UINT64_C(0x123456789abcdef0));
    g_assert_cmpuint(lines->len, ==, 1);

    int pid, usec, used = 0;
    long long sec;
    const char *line = lines->pdata[0];
    g_assert_cmpint(sscanf(line, "%d@%lld.%6d:%n", &pid, &sec, &usec, &used), ==, 3);
    g_assert_cmpint(pid, ==, getpid());
    g_assert_cmpstr(line + used, ==, "self_test number -3 text 'owl' wide 0x123456789abcdef0");
    collector_free(lines);
}

static void test_long_text_is_cut(void)
{
    GPtrArray *lines = collector_new();
    char *text = g_strnfill(5000, 'x');
    g_assert_true(trace_enable("self_test", true, NULL));
    trace_self_test(1, text, 2);
    g_assert_cmpuint(lines->len, ==, 1);
    g_assert_cmpuint(strlen(lines->pdata[0]), ==, 1023);
    g_free(text);
    collector_free(lines);
}

static bool find_self_test(void *opaque, const char *name, bool enabled)
{
    if (strcmp(name, "self_test") == 0) {
        *(int *)opaque = enabled;
        return false;
    }
    return true;
}

/* 0 or 1 as the event is off or on, -1 if `pattern` does not reach it. */
static int self_test_state(const char *pattern)
{
    int state = -1;
    trace_foreach(pattern, find_self_test, &state);
    return state;
}

static void test_patterns(void)
{
    Error *err = NULL;
    g_assert_cmpint(self_test_state(NULL), ==, 0);
    g_assert_true(trace_enable("self_t*", true, &err));
    g_assert_null(err);
    g_assert_cmpint(self_test_state(NULL), ==, 1);
    g_assert_cmpint(self_test_state("?elf_test"), ==, 1);
    g_assert_cmpint(self_test_state("no_such*"), ==, -1);
    g_assert_true(trace_enable("*", false, &err));
    g_assert_cmpint(self_test_state(NULL), ==, 0);

    g_assert_false(trace_enable("no_such_event", true, &err));
    g_assert_cmpstr(error_get_pretty(err), ==, "no trace event matches 'no_such_event'");
    error_free(err);
    g_assert_false(trace_enable("no_such_*", true, NULL));
}

static char *scratch_file(const char *text)
{
    char *path = NULL;
    int fd = g_file_open_tmp("godwit-trace-XXXXXX", &path, NULL);
    g_assert_cmpint(fd, >=, 0);
    close(fd);
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
    return path;
}

static void test_events_file(void)
{
    Error *err = NULL;
    char *path = scratch_file("# comment\n\n  self_test  \n");
    g_assert_true(trace_enable_file(path, &err));
    g_assert_cmpint(self_test_state(NULL), ==, 1);
    g_assert_true(g_file_set_contents(path, "-self_test\n", -1, NULL));
    g_assert_true(trace_enable_file(path, &err));
    g_assert_cmpint(self_test_state(NULL), ==, 0);

    g_assert_true(g_file_set_contents(path, "self_test\nwrong\n", -1, NULL));
    g_assert_false(trace_enable_file(path, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "line 2: no trace event matches 'wrong'"));
    error_free(err);
    err = NULL;
    g_unlink(path);
    g_assert_false(trace_enable_file(path, &err));
    g_assert_nonnull(err);
    error_free(err);
    g_free(path);
    trace_enable("*", false, NULL);
}

static void test_output_file(void)
{
    Error *err = NULL;
    char *dir = g_dir_make_tmp("godwit-trace-XXXXXX", NULL);
    char *pattern = g_strdup_printf("%s/t-%%d.log", dir);
    char *path = g_strdup_printf("%s/t-%d.log", dir, (int)getpid());
    g_assert_true(trace_set_file(pattern, &err));
    g_assert_true(trace_enable("self_test", true, &err));
    trace_self_test(7, "file", 0);

    /* The line is in the file before anything is closed. */
    char *text = NULL;
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_true(g_str_has_suffix(text, ":self_test number 7 text 'file' wide 0x0\n"));
    g_free(text);
    g_assert_true(trace_set_file(NULL, &err));
    trace_enable("*", false, NULL);

    char *nowhere = g_strdup_printf("%s/none/such.log", dir);
    g_assert_false(trace_set_file(nowhere, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), nowhere));
    error_free(err);
    g_unlink(path);
    g_rmdir(dir);
    g_free(nowhere);
    g_free(path);
    g_free(pattern);
    g_free(dir);
}

#define THREADS 4
#define LINES 500

static gpointer writer_thread(gpointer opaque)
{
    for (int i = 0; i < LINES; i++) {
        trace_self_test(GPOINTER_TO_INT(opaque), "thread", i);
    }
    return NULL;
}

static void test_threads(void)
{
    GPtrArray *lines = collector_new();
    GThread *threads[THREADS];
    int seen[THREADS] = { 0 };

    g_assert_true(trace_enable("self_test", true, NULL));
    for (int i = 0; i < THREADS; i++) {
        threads[i] = g_thread_new("writer", writer_thread, GINT_TO_POINTER(i));
    }
    for (int i = 0; i < THREADS; i++) {
        g_thread_join(threads[i]);
    }
    g_assert_cmpuint(lines->len, ==, THREADS * LINES);
    /* Whole lines, and each thread's own in its own order. */
    for (guint i = 0; i < lines->len; i++) {
        int number, wide;
        const char *text = strstr(lines->pdata[i], "number ");
        g_assert_nonnull(text);
        g_assert_cmpint(sscanf(text, "number %d text 'thread' wide 0x%x", &number, &wide), ==, 2);
        g_assert_cmpint(seen[number]++, ==, wide);
    }
    collector_free(lines);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/trace/off-is-silent", test_off_is_silent);
    g_test_add_func("/trace/line-format", test_line_format);
    g_test_add_func("/trace/long-text-is-cut", test_long_text_is_cut);
    g_test_add_func("/trace/patterns", test_patterns);
    g_test_add_func("/trace/events-file", test_events_file);
    g_test_add_func("/trace/output-file", test_output_file);
    g_test_add_func("/trace/threads", test_threads);
    return g_test_run();
}
