/*
 * test-transport-file.c - children and files both ways: bytes, exit codes, full disks, offsets, FIFOs.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "system/machine.h"
#include "transport-cancel.h"
#include "util/fdset.h"
#include "util/main-loop.h"

/* ---- exec ---- */

static void test_exec(void)
{
    g_autofree char *path = path_of("out"), *out = g_strdup_printf("exec:cat > '%s'", path),
                    *in = g_strdup_printf("exec:cat '%s'", path);
    MigrationChannel *ch = must_connect(out, -1);
    g_assert_true(ch->file_like && !ch->two_way);
    send_thread(ch);
    receive(must_accept(must_listen(in, -1)));
    g_unlink(path);
}

/* Writes until something is wrong; the text of that. */
static char *failed_output(const char *uri)
{
    Error *err = NULL;
    MigrationChannel *ch = must_connect(uri, -1);
    QEMUFile *f = qemu_file_channel_new_output(ch);
    for (int i = 0; i < 8; i++) {
        qemu_put_page_ref(f, body, BODY);
    }
    bool ok = qemu_fclose(f, &err) && migration_channel_finish(ch, &err);
    g_assert_false(ok);
    char *text = g_strdup(error_get_pretty(err));
    error_free(err);
    migration_channel_shutdown(ch);
    migration_channel_close(ch, NULL);
    return text;
}

static void expect_failed_output(const char *uri, const char *part)
{
    g_autofree char *text = failed_output(uri);
    if (!strstr(text, part)) {
        g_test_message("'%s' does not have '%s'", text, part);
        g_test_fail();
    }
}

static void expect_failed_input(const char *uri, const char *part)
{
    Error *err = NULL;
    MigrationChannel *ch = must_accept(must_listen(uri, -1));
    QEMUFile *f = qemu_file_channel_new_input(ch);
    uint8_t buf[64];
    qemu_get_buffer(f, buf, sizeof(buf));
    g_assert_false(qemu_fclose(f, &err));
    expect(err, part);
    migration_channel_shutdown(ch);
    migration_channel_close(ch, NULL);
}

static void test_exec_status(void)
{
    expect_failed_output("exec:exit 3", "exited with status 3");
    expect_failed_output("exec:cat >/dev/null; exit 3", "exited with status 3");
    expect_failed_output("exec:true", "the command ended before the stream did");
    expect_failed_output("exec:kill -9 $$", "killed by signal 9");
    expect_failed_output("exec:cat >/dev/null; kill -9 $$", "killed by signal 9");
    expect_failed_output("exec:exec /nonexistent/command 2>/dev/null", "status 127");
    expect_failed_input("exec:printf abc; exit 3", "exited with status 3");
    expect_failed_input("exec:printf abc", "stream ends at byte 3");
    expect_failed_input("exec:printf abc; kill -9 $$", "killed by signal 9");
}

/* SIGPIPE and SIGXFSZ are ignored here, but nothing is in the child. */
static void test_exec_child(void)
{
    char buf[26] = "";
    MigrationChannel *ch = must_accept(must_listen("exec:grep SigIgn /proc/self/status", -1));
    QEMUFile *f = qemu_file_channel_new_input(ch);
    qemu_get_buffer(f, buf, sizeof(buf) - 1);
    g_assert_true(g_str_has_prefix(buf, "SigIgn:\t"));
    /* The C library keeps numbers 32 and 33 to itself. */
    g_assert_cmphex(g_ascii_strtoull(buf + 8, NULL, 16) & 0x7fffffff, ==, 0);
    g_assert_true(qemu_fclose(f, NULL));
    g_assert_true(migration_channel_close(ch, NULL));
}

static bool process_exists(const char *pid_file)
{
    g_autofree char *text = NULL;
    g_assert_true(g_file_get_contents(pid_file, &text, NULL, NULL));
    return kill(g_ascii_strtoll(text, NULL, 10), 0) == 0;
}

static gpointer shutdown_thread(gpointer opaque)
{
    migration_channel_shutdown(opaque);
    return NULL;
}

/* A child that never ends: a shutdown from another thread ends the wait, and the child, even a deaf one. */
static void check_exec_hang(const char *command)
{
    Error *err = NULL;
    g_autofree char *pid = path_of("pid"), *uri = g_strdup_printf("exec:echo $$ > '%s'; %s", pid, command);
    MigrationChannel *ch = must_connect(uri, -1);
    /* More than the pipe takes, so that the child has started when this returns. */
    GThread *t = NULL;
    QEMUFile *f = qemu_file_channel_new_output(ch);
    qemu_put_page_ref(f, body, BODY);
    bool ok = !qemu_file_get_error(f);
    if (ok) {
        t = g_thread_new("shutdown", shutdown_thread, ch);
        ok = qemu_fclose(f, &err) && migration_channel_finish(ch, &err);
    }
    g_assert_false(ok);
    g_thread_join(t);
    expect(err, "shut down");
    migration_channel_close(ch, NULL);
    g_assert_false(process_exists(pid));
    g_unlink(pid);
}

static void test_exec_hang(void)
{
    check_exec_hang("cat > /dev/null; exec sleep 1000");
    check_exec_hang("trap '' TERM; cat > /dev/null; while :; do read x < /dev/zero; done");
}

static void test_exec_args(void)
{
    Error *err = NULL;
    json_t *channels = json_loads(
        "[{\"channel-type\":\"main\",\"addr\":{\"transport\":\"exec\",\"args\":[\"/nonexistent/x\",\"a b\"]}}]",
        0, NULL);
    MigrationAddress *address = migration_address_parse(NULL, channels, &err);
    g_assert_null(err);
    g_assert_cmpstr(address->uri, ==, "exec:/nonexistent/x a b");
    MigrationConnectContext ctx = context(-1);
    g_assert_null(migration_connect(address, &ctx, &err));
    expect(err, "cannot start '/nonexistent/x'");
    migration_address_free(address);
    json_decref(channels);
}

static void test_shutdown_exec(void)
{
    MigrationChannel *in = must_accept(must_listen("exec:exec sleep 1000", -1));
    shutdown_both(in, must_connect("exec:exec sleep 1000", -1));
}

/* ---- file ---- */

static void test_file(void)
{
    struct stat st;
    g_autofree char *path = path_of("file"), *uri = g_strconcat("file:", path, NULL);
    MigrationChannel *ch = must_connect(uri, -1);
    g_assert_true(ch->file_like && !ch->two_way);
    send_thread(ch);
    g_assert_cmpint(stat(path, &st), ==, 0);
    g_assert_cmphex(st.st_mode & 0777, ==, 0600);
    receive(must_accept(must_listen(uri, -1)));
    g_unlink(path);
    expect_no_listen(uri, "No such file");
    expect_no_connect("file:/", "Is a directory");
    expect_no_listen("file:/", "Is a directory");
}

/* What is before the offset stays; what was behind it goes. */
static void test_file_offset(void)
{
    g_autofree char *path = path_of("file"), *uri = g_strconcat("file:", path, ",offset=0x10", NULL),
                    *far = g_strconcat("file:", path, ",offset=1T", NULL), *text = NULL;
    g_autofree char *old = g_strnfill(2 * BODY, 'h');
    gsize len;
    g_assert_true(g_file_set_contents(path, old, 2 * BODY, NULL));
    send_thread(must_connect(uri, -1));
    receive(must_accept(must_listen(uri, -1)));
    g_assert_true(g_file_get_contents(path, &text, &len, NULL));
    g_assert_true(strncmp(text, "hhhhhhhhhhhhhhhh\x12\x34\x56\x78", 20) == 0);
    g_assert_cmpuint(len, ==, 16 + 4 + BODY + (BODY + 4095) / 4096 * 8);
    expect_no_listen(far, "offset 1099511627776 is past the end");
    expect_no_connect("file:/dev/null,offset=5", "is not a file or disk");
    g_unlink(path);
}

static void test_file_full(void)
{
    struct rlimit limit, small;
    expect_failed_output("file:/dev/full", "No space left on device");
    g_autofree char *path = path_of("file"), *uri = g_strconcat("file:", path, ",offset=1k", NULL);
    g_assert_cmpint(getrlimit(RLIMIT_FSIZE, &limit), ==, 0);
    small = limit;
    small.rlim_cur = 100000;
    g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &small), ==, 0);
    g_autofree char *text = failed_output(uri);
    g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &limit), ==, 0);
    g_assert_nonnull(strstr(text, "at byte 100000: File too large"));
    g_unlink(path);
}

static gpointer fifo_thread(gpointer opaque)
{
    send_thread(must_connect(opaque, -1));
    return NULL;
}

/* Either end may come first; neither takes an end that nobody has opened for the end of the stream. */
static void test_file_fifo(void)
{
    g_autofree char *path = path_of("fifo"), *uri = g_strconcat("file:", path, NULL);
    g_assert_cmpint(mkfifo(path, 0600), ==, 0);
    for (int i = 0; i < 2; i++) {
        MigrationListener *l = i ? NULL : must_listen(uri, -1);
        GThread *t = g_thread_new("fifo", fifo_thread, uri);
        receive(must_accept(l ? l : must_listen(uri, -1)));
        g_thread_join(t);
    }
    g_unlink(path);
}

static void test_file_fdset(void)
{
    Error *err = NULL;
    g_autofree char *path = path_of("file");
    Machine m = { .fdsets = fdsets_new(), .loop = main_loop_new() };
    int64_t id = 3;
    fdsets_add(m.fdsets, &id, open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600), NULL);
    MigrationConnectContext ctx = { .machine = &m, .named_fd = -1, .cancel_fd = -1 };
    MigrationAddress *address = parse("file:/dev/fdset/3,offset=100");
    MigrationChannel *ch = migration_connect(address, &ctx, &err);
    g_assert_nonnull(ch);
    send_thread(ch);
    machine_lock(&m);           /* held or not */
    MigrationListener *l = migration_listen(address, &ctx, &err);
    machine_unlock(&m);
    g_assert_nonnull(l);
    receive(must_accept(l));
    migration_address_free(address);
    address = parse("file:/dev/fdset/4");
    g_assert_null(migration_connect(address, &ctx, &err));
    expect(err, "/dev/fdset/4");
    migration_address_free(address);
    expect_no_connect("file:/dev/fdset/3", "no descriptor sets");
    fdsets_free(m.fdsets);
    main_loop_free(m.loop);
    g_unlink(path);
}

static void test_cancel_fifo(void)
{
    g_autofree char *path = path_of("fifo"), *uri = g_strconcat("file:", path, NULL);
    g_assert_cmpint(mkfifo(path, 0600), ==, 0);
    expect_cancelled_connect(uri);
    g_unlink(path);
}

int main(int argc, char **argv)
{
    fixture_init(&argc, &argv);
    g_test_add_func("/transport-file/exec", test_exec);
    g_test_add_func("/transport-file/exec/status", test_exec_status);
    g_test_add_func("/transport-file/exec/child", test_exec_child);
    g_test_add_func("/transport-file/exec/hang", test_exec_hang);
    g_test_add_func("/transport-file/exec/args", test_exec_args);
    g_test_add_func("/transport-file/file", test_file);
    g_test_add_func("/transport-file/file/offset", test_file_offset);
    g_test_add_func("/transport-file/file/full", test_file_full);
    g_test_add_func("/transport-file/file/fifo", test_file_fifo);
    g_test_add_func("/transport-file/file/fdset", test_file_fdset);
    g_test_add_func("/transport-file/cancel/connect/fifo", test_cancel_fifo);
    g_test_add_func("/transport-file/shutdown/exec", test_shutdown_exec);
    return fixture_run();
}
