/*
 * test-block-nbd.c - driver nbd against nbdkit: data, flushes, errors, a server that goes and
 * comes.
 *
 * Skipped where nbdkit is not installed or the program was built without libnbd.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "block/block.h"
#include "lib-layer-machine.h"
#include "system/machine.h"
#include "util/keyval.h"

static char *dir, *socket_path, *log_path, *image_path;
static const char *reason;      /* to skip, or NULL */

/* Starts nbdkit with these arguments behind the socket; the caller ends it. */
static pid_t serve(const char *arguments)
{
    g_autofree char *command = g_strdup_printf("nbdkit -f -U %s %s", socket_path, arguments);
    g_auto(GStrv) argv = NULL;
    GError *error = NULL;
    GPid pid;
    g_assert_true(g_shell_parse_argv(command, NULL, &argv, NULL));
    unlink(socket_path);
    g_spawn_async(NULL, argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL,
                  &pid, &error);
    g_assert_no_error(error);
    return pid;
}

static void end_server(pid_t pid)
{
    int status;
    /* Not SIGTERM: nbdkit would wait until its clients have gone. */
    kill(pid, SIGKILL);
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
}

/* open-timeout spares the test from guessing when the server listens. */
static BlockBackend *open_drive(Machine *m, const char *more, Error **errp)
{
    g_autofree char *text = g_strdup_printf("id=d,if=none,file.driver=nbd,file.server.type=unix,"
                                            "file.server.path=%s,file.open-timeout=20%s",
                                            socket_path, more);
    json_t *options = keyval_parse(text, NULL, NULL);
    g_assert_nonnull(options);
    BlockBackend *blk = block_drive_new(m, options, errp);
    json_decref(options);
    return blk;
}

typedef struct Job {
    bool done;
    int ret;
} Job;

static void job_done(void *opaque, int ret)
{
    *(Job *)opaque = (Job){ true, ret };
}

static int rw(BlockBackend *blk, bool write, uint64_t offset, void *buf, size_t len)
{
    struct iovec iov[2] = { { buf, len / 3 }, { (char *)buf + len / 3, len - len / 3 } };
    Job job = { 0 };
    (write ? blk_aio_pwritev : blk_aio_preadv)(blk, offset, iov, 2, job_done, &job);
    blk_drain(blk);
    g_assert_true(job.done);
    return job.ret;
}

static int zeroes(BlockBackend *blk, bool discard, bool unmap)
{
    Job job = { 0 };
    if (discard) {
        blk_aio_pdiscard(blk, 0, 65536, job_done, &job);
    } else {
        blk_aio_pwrite_zeroes(blk, 4096, 8192, unmap, job_done, &job);
    }
    blk_drain(blk);
    return job.ret;
}

static bool must_skip(void)
{
    if (reason) {
        g_test_skip(reason);
    }
    return reason != NULL;
}

static unsigned log_count(const char *word)
{
    g_autofree char *text = NULL;
    unsigned n = 0;
    g_assert_true(g_file_get_contents(log_path, &text, NULL, NULL));
    for (const char *p = text; (p = strstr(p, word)); p += strlen(word)) {
        n++;
    }
    return n;
}

static void test_data(void)
{
    if (must_skip()) {
        return;
    }
    pid_t pid = serve("memory 5M");
    Machine *m = block_machine_new(false);
    BlockBackend *blk = open_drive(m, "", NULL);
    g_assert_nonnull(blk);
    g_assert_cmpuint(blk_length(blk), ==, 5 << 20);
    g_autofree uint8_t *out = g_malloc(3 << 20), *in = g_malloc0(3 << 20);
    for (unsigned i = 0; i < 3 << 20; i++) {
        out[i] = i * 7 + (i >> 8);
    }
    g_assert_cmpint(rw(blk, true, 1024, out, 3 << 20), ==, 0);
    g_assert_cmpint(rw(blk, false, 1024, in, 3 << 20), ==, 0);
    g_assert_cmpint(memcmp(in, out, 3 << 20), ==, 0);
    g_assert_cmpint(zeroes(blk, false, false), ==, 0);
    g_assert_cmpint(rw(blk, false, 4096, in, 8193), ==, 0);
    g_assert_cmpuint(in[0], ==, 0);
    g_assert_cmpuint(in[8191], ==, 0);
    g_assert_cmpuint(in[8192], ==, out[4096 - 1024 + 8192]);
    g_assert_cmpint(rw(blk, false, 5 << 20, in, 512), ==, -EIO);
    g_assert_cmpint(zeroes(blk, true, false), ==, 0);
    g_assert_cmpint(blk_flush(blk), ==, 0);
    /* Many at once, over several connections. */
    Job jobs[64] = { 0 };
    struct iovec iov[64];
    for (unsigned i = 0; i < 64; i++) {
        iov[i] = (struct iovec){ out + i * 4096, 4096 };
        blk_aio_pwritev(blk, i * 4096, &iov[i], 1, job_done, &jobs[i]);
    }
    blk_drain(blk);
    for (unsigned i = 0; i < 64; i++) {
        g_assert_cmpint(jobs[i].ret, ==, 0);
    }
    g_assert_cmpint(blk_pread(blk, 0, in, 64 * 4096), ==, 0);
    g_assert_cmpint(memcmp(in, out, 64 * 4096), ==, 0);
    layer_machine_free(m);
    end_server(pid);
}

/* A disk without a write cache flushes after each write; cache=unsafe never does. */
static void test_flush(void)
{
    static const struct {
        const char *cache;
        unsigned writes, flushes;
    } modes[] = {
        /* One flush more is sent when the disk is closed. */
        { ",cache=writeback", 0, 1 }, { ",cache=writethrough", 0, 4 }, { ",cache=unsafe", 0, 0 },
    };
    if (must_skip()) {
        return;
    }
    uint8_t buf[512] = { 0 };
    for (size_t i = 0; i < G_N_ELEMENTS(modes); i++) {
        unlink(log_path);
        g_autofree char *arguments = g_strdup_printf("--filter=log memory 1M logfile=%s", log_path);
        pid_t pid = serve(arguments);
        Machine *m = block_machine_new(false);
        BlockBackend *blk = open_drive(m, modes[i].cache, NULL);
        g_assert_nonnull(blk);
        for (unsigned n = 0; n < 3; n++) {
            g_assert_cmpint(rw(blk, true, n * 512, buf, sizeof(buf)), ==, 0);
        }
        layer_machine_free(m);
        end_server(pid);
        g_assert_cmpuint(log_count(" Write id="), ==, 3);
        g_assert_cmpuint(log_count(" Flush id="), ==, modes[i].flushes);
    }
}

static void test_errors(void)
{
    if (must_skip()) {
        return;
    }
    uint8_t buf[512] = { 0 };
    pid_t pid = serve("--filter=error memory 1M error-pwrite=ENOSPC error-pwrite-rate=1");
    Machine *m = block_machine_new(false);
    BlockBackend *blk = open_drive(m, "", NULL);
    g_assert_nonnull(blk);
    g_assert_cmpint(rw(blk, true, 0, buf, sizeof(buf)), ==, -ENOSPC);
    g_assert_cmpint(rw(blk, false, 0, buf, sizeof(buf)), ==, 0);
    layer_machine_free(m);
    end_server(pid);

    pid = serve("-r memory 1M");
    m = block_machine_new(false);
    Error *err = NULL;
    g_assert_null(open_drive(m, "", &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "read-only=on"));
    error_free(err);
    blk = open_drive(m, ",read-only=on", NULL);
    g_assert_nonnull(blk);
    g_assert_true(blk_is_read_only(blk));
    layer_machine_free(m);
    end_server(pid);
}

/* A server that dies: requests fail; it comes back: they work again. */
static void test_reconnect(void)
{
    if (must_skip()) {
        return;
    }
    g_autofree char *arguments = g_strdup_printf("file %s", image_path);
    uint8_t buf[512];
    int fd = g_open(image_path, O_CREAT | O_RDWR, 0600);
    g_assert_cmpint(ftruncate(fd, 1 << 20), ==, 0);
    close(fd);
    pid_t pid = serve(arguments);
    Machine *m = block_machine_new(false);
    BlockBackend *blk = open_drive(m, "", NULL);
    g_assert_nonnull(blk);
    memset(buf, 5, sizeof(buf));
    g_assert_cmpint(rw(blk, true, 512, buf, sizeof(buf)), ==, 0);
    end_server(pid);
    g_assert_cmpint(rw(blk, false, 0, buf, sizeof(buf)), <, 0);
    g_assert_cmpint(rw(blk, false, 0, buf, sizeof(buf)), ==, -EIO);
    pid = serve(arguments);
    gint64 end = g_get_monotonic_time() + 20 * G_USEC_PER_SEC;
    while (rw(blk, false, 512, buf, sizeof(buf)) < 0) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
    }
    g_assert_cmpuint(buf[100], ==, 5);
    layer_machine_free(m);
    end_server(pid);
}

static void test_options(void)
{
    static const struct {
        const char *options, *text;
    } bad[] = {
        { "nbd,node-name=n", "server.path" },
        { "nbd,node-name=n,server.type=vsock", "vsock" },
        { "nbd,node-name=n,server.type=unix", "server.path" },
        { "nbd,node-name=n,server.type=inet,server.port=1", "server.host" },
        { "nbd,node-name=n,uri=nbd://h/x,export=y", "export" },
        { "nbd,node-name=n,uri=nbd:nowhere", "port" },
        { "nbd,node-name=n,server.type=unix,server.path=/nonexistent/socket",
          "/nonexistent/socket" },
    };
    if (must_skip()) {
        return;
    }
    Machine *m = block_machine_new(false);
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        Error *err = NULL;
        json_t *options = keyval_parse(bad[i].options, "driver", NULL);
        g_assert_null(block_node_new(m, options, &err));
        json_decref(options);
        if (!strstr(error_get_pretty(err), bad[i].text)) {
            g_test_message("%s: %s", bad[i].options, error_get_pretty(err));
            g_test_fail();
        }
        error_free(err);
    }
    /* A URI, as -drive file= takes it. */
    pid_t pid = serve("memory 1M");
    BlockBackend *blk = open_drive(m, "", NULL);
    g_assert_nonnull(blk);
    json_t *options = json_pack("{ss ss ss ss+}", "id", "e", "if", "none", "format", "raw", "file",
                                "nbd+unix:///?socket=", socket_path);
    g_assert_nonnull(block_drive_new(m, options, NULL));
    json_decref(options);
    options = json_pack("{ss ss ss+}", "id", "f", "if", "none", "file", "nbd:unix:", socket_path);
    g_assert_nonnull(block_drive_new(m, options, NULL));
    json_decref(options);
    layer_machine_free(m);
    end_server(pid);
}

static const char *why_skip(void)
{
    Machine *m = block_machine_new(false);
    json_t *options = json_pack("{ss ss}", "driver", "nbd", "node-name", "n");
    Error *err = NULL;
    block_node_new(m, options, &err);
    bool off = strstr(error_get_pretty(err), "without libnbd");
    error_free(err);
    json_decref(options);
    layer_machine_free(m);
    g_autofree char *nbdkit = g_find_program_in_path("nbdkit");
    return off ? "built without libnbd" : nbdkit ? NULL : "nbdkit is not installed";
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    dir = g_dir_make_tmp("godwit-nbd-XXXXXX", NULL);
    socket_path = g_build_filename(dir, "socket", NULL);
    log_path = g_build_filename(dir, "log", NULL);
    image_path = g_build_filename(dir, "image", NULL);
    reason = why_skip();
    g_test_add_func("/block/nbd/data", test_data);
    g_test_add_func("/block/nbd/flush", test_flush);
    g_test_add_func("/block/nbd/errors", test_errors);
    g_test_add_func("/block/nbd/reconnect", test_reconnect);
    g_test_add_func("/block/nbd/options", test_options);
    int status = g_test_run();
    unlink(socket_path);
    unlink(log_path);
    unlink(image_path);
    g_rmdir(dir);
    g_free(socket_path);
    g_free(log_path);
    g_free(image_path);
    g_free(dir);
    return status;
}
