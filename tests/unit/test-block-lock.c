/*
 * test-block-lock.c - who may have an image open beside whom, and how it changes hands.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "block/block.h"
#include "lib-layer-machine.h"
#include "system/machine.h"
#include "system/runstate.h"
#include "util/keyval.h"

static char *path;      /* an image of 4 KiB */

static BlockBackend *drive(Machine *m, Error **errp, const char *more)
{
    g_autofree char *text = g_strdup_printf("file=%s,format=raw,if=none,id=d%s", path, more);
    json_t *options = keyval_parse(text, NULL, NULL);
    g_assert_nonnull(options);
    BlockBackend *blk = block_drive_new(m, options, errp);
    json_decref(options);
    return blk;
}

static bool can_open(const char *options)
{
    Machine *m = block_machine_new(false);
    Error *err = NULL;
    bool ok = drive(m, &err, options) != NULL;
    if (!ok) {
        g_assert_nonnull(strstr(error_get_pretty(err), path));
        g_assert_nonnull(strstr(error_get_pretty(err), "lock"));
        error_free(err);
    }
    layer_machine_free(m);
    return ok;
}

/* The same in another process. */
static bool can_open_elsewhere(const char *options)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        _exit(can_open(options) ? 0 : 1);
    }
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    g_assert_true(WIFEXITED(status));
    return WEXITSTATUS(status) == 0;
}

static void test_writer(void)
{
    Machine *m = block_machine_new(false);
    g_assert_nonnull(drive(m, NULL, ""));
    g_assert_false(can_open(""));
    g_assert_false(can_open(",read-only=on"));
    g_assert_true(can_open(",read-only=on,force-share=on"));
    g_assert_true(can_open(",locking=off"));
    g_assert_false(can_open_elsewhere(""));
    g_assert_false(can_open_elsewhere(",read-only=on"));
    g_assert_true(can_open_elsewhere(",read-only=on,force-share=on"));
    layer_machine_free(m);
    g_assert_true(can_open_elsewhere(""));
}

static void test_reader(void)
{
    Machine *m = block_machine_new(false);
    g_assert_nonnull(drive(m, NULL, ",read-only=on"));
    g_assert_true(can_open(",read-only=on"));
    g_assert_true(can_open_elsewhere(",read-only=on"));
    g_assert_false(can_open(""));
    g_assert_false(can_open_elsewhere(""));
    layer_machine_free(m);
    m = block_machine_new(false);
    g_assert_nonnull(drive(m, NULL, ",read-only=on,force-share=on"));
    g_assert_true(can_open_elsewhere(""));
    layer_machine_free(m);
}

/* A node holds its lock while a device uses it, and only then. */
static void test_use(void)
{
    Machine *m = block_machine_new(false);
    json_t *options = json_pack("{ss ss ss}", "driver", "file", "filename", path, "node-name", "s");
    g_assert_nonnull(block_node_new(m, options, NULL));
    json_decref(options);
    g_assert_true(can_open(""));
    BlockBackend *blk = blk_attach(m, "s", "/dev0", NULL);
    g_assert_nonnull(blk);
    g_assert_false(can_open(""));
    blk_detach(blk);
    g_assert_true(can_open(""));
    /* And a device does not get a node whose image is taken. */
    Machine *other = block_machine_new(false);
    Error *err = NULL;
    g_assert_nonnull(drive(other, NULL, ""));
    g_assert_null(blk_attach(m, "s", "/dev0", &err));
    g_assert_nonnull(strstr(error_get_pretty(err), path));
    error_free(err);
    layer_machine_free(other);
    g_assert_nonnull(blk_attach(m, "s", "/dev0", NULL));
    layer_machine_free(m);
}

/* The marks are those of QEMU's tools: each side keeps the other out. */
static void test_qemu_tools(void)
{
    g_autofree char *tool = g_find_program_in_path("qemu-io");
    if (!tool) {
        g_test_skip("qemu-io is not installed");
        return;
    }
    const char *write[] = { tool, "-f", "raw", "-c", "write 0 512", path, NULL };
    const GSpawnFlags quiet = G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_STDERR_TO_DEV_NULL;
    int status;
    Machine *m = block_machine_new(false);
    g_assert_nonnull(drive(m, NULL, ""));
    g_assert_true(
        g_spawn_sync(NULL, (char **)write, NULL, quiet, NULL, NULL, NULL, NULL, &status, NULL));
    g_assert_cmpint(status, !=, 0);
    layer_machine_free(m);
    g_assert_true(g_spawn_sync(NULL, (char **)write, NULL, quiet, NULL, NULL, NULL, NULL, &status, NULL));
    g_assert_cmpint(status, ==, 0);

    /* The tool waits for commands with the image open until its input ends; its prompt says so. */
    const char *hold[] = { tool, "-f", "raw", path, NULL };
    int in, out;
    GPid pid;
    char prompt;
    g_assert_true(g_spawn_async_with_pipes(NULL, (char **)hold, NULL,
                                           G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDERR_TO_DEV_NULL,
                                           NULL, NULL, &pid, &in, &out, NULL, NULL));
    g_assert_cmpint(read(out, &prompt, 1), ==, 1);
    g_assert_false(can_open(""));
    g_assert_false(can_open(",read-only=on"));
    close(in);
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    close(out);
    g_assert_true(can_open(""));
}

typedef struct Job {
    bool done;
    int ret;
} Job;

static void job_done(void *opaque, int ret)
{
    *(Job *)opaque = (Job){ true, ret };
}

static int rw(BlockBackend *blk, bool write, void *buf, size_t len)
{
    struct iovec iov = { buf, len };
    Job job = { 0 };
    (write ? blk_aio_pwritev : blk_aio_preadv)(blk, 0, &iov, 1, job_done, &job);
    blk_drain(blk);
    return job.ret;
}

static void test_hand_over(void)
{
    uint8_t buf[512];
    Machine *src = block_machine_new(false), *dst = block_machine_new(false);
    BlockBackend *from = drive(src, NULL, "");
    g_assert_nonnull(from);
    g_assert_true(runstate_set(dst, RUN_STATE_INMIGRATE, NULL));
    BlockBackend *to = drive(dst, NULL, "");
    g_assert_nonnull(to);       /* both have it open, one owns it */
    memset(buf, 9, sizeof(buf));
    g_assert_cmpint(rw(to, true, buf, 512), ==, -EPERM);
    Error *err = NULL;
    g_assert_false(block_activate_all(dst, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), path));
    error_free(err);
    Job job = { 0 };
    struct iovec iov = { buf, sizeof(buf) };
    blk_aio_pwritev(from, 0, &iov, 1, job_done, &job);
    g_assert_true(block_inactivate_all(src, NULL));
    g_assert_true(job.done);
    g_assert_true(block_inactivate_all(src, NULL));
    g_assert_cmpint(rw(from, true, buf, 512), ==, -EPERM);
    g_assert_true(block_activate_all(dst, NULL));
    memset(buf, 0, sizeof(buf));
    g_assert_cmpint(rw(to, false, buf, 512), ==, 0);
    g_assert_cmpuint(buf[511], ==, 9);
    g_assert_cmpint(rw(to, true, buf, 512), ==, 0);
    g_assert_false(block_activate_all(src, NULL));
    g_assert_true(block_inactivate_all(dst, NULL));
    g_assert_true(block_activate_all(src, NULL));
    g_assert_cmpint(rw(from, true, buf, 512), ==, 0);
    layer_machine_free(dst);
    layer_machine_free(src);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    int fd = g_file_open_tmp("godwit-lock-XXXXXX", &path, NULL);
    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(ftruncate(fd, 4096), ==, 0);
    close(fd);
    g_test_add_func("/block/lock/writer", test_writer);
    g_test_add_func("/block/lock/reader", test_reader);
    g_test_add_func("/block/lock/use", test_use);
    g_test_add_func("/block/lock/qemu-tools", test_qemu_tools);
    g_test_add_func("/block/lock/hand-over", test_hand_over);
    int status = g_test_run();
    unlink(path);
    g_free(path);
    return status;
}
