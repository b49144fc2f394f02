/*
 * test-block.c - disk images: requests and their results, quiet, errors, counters.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "block/block.h"
#include "lib-layer-machine.h"
#include "system/clock.h"
#include "system/machine.h"
#include "system/runstate.h"
#include "util/fdset.h"
#include "util/keyval.h"

static char *dir;

static char *image(const char *name, uint64_t size)
{
    char *path = g_build_filename(dir, name, NULL);
    int fd = open(path, O_CREAT | O_TRUNC | O_RDWR, 0600);
    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(ftruncate(fd, size), ==, 0);
    close(fd);
    return path;
}

static BlockNode *node(Machine *m, Error **errp, const char *format, ...) G_GNUC_PRINTF(3, 4);
static BlockNode *node(Machine *m, Error **errp, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    json_t *options = keyval_parse(text, "driver", errp);
    g_assert_nonnull(options);
    BlockNode *bs = block_node_new(m, options, errp);
    json_decref(options);
    return bs;
}

static BlockBackend *drive(Machine *m, Error **errp, const char *format, ...) G_GNUC_PRINTF(3, 4);
static BlockBackend *drive(Machine *m, Error **errp, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    json_t *options = keyval_parse(text, NULL, errp);
    g_assert_nonnull(options);
    BlockBackend *blk = block_drive_new(m, options, errp);
    json_decref(options);
    return blk;
}

/* ---- requests ---- */

typedef struct Job {
    bool done;
    int ret;
    unsigned order;
    unsigned *counter;
} Job;

static void job_done(void *opaque, int ret)
{
    Job *job = opaque;
    g_assert_false(job->done);
    job->done = true;
    job->ret = ret;
    if (job->counter) {
        job->order = (*job->counter)++;
    }
}

static int wait_job(Machine *m, Job *job)
{
    while (!job->done) {
        machine_unlock(m);
        main_loop_iterate(m->loop, true);
        machine_lock(m);
    }
    return job->ret;
}

static int rw(Machine *m, BlockBackend *blk, bool write, uint64_t offset, void *buf, size_t len)
{
    struct iovec iov = { buf, len };
    Job job = { 0 };
    (write ? blk_aio_pwritev : blk_aio_preadv)(blk, offset, &iov, 1, job_done, &job);
    g_assert_false(job.done);   /* never inside the submitting call */
    return wait_job(m, &job);
}

static int flush(Machine *m, BlockBackend *blk)
{
    Job job = { 0 };
    blk_aio_flush(blk, job_done, &job);
    return wait_job(m, &job);
}

typedef struct FindInfo {
    const char *name;
    BlockInfo info;
    bool found;
} FindInfo;

static void find_info(const BlockInfo *info, void *opaque)
{
    FindInfo *f = opaque;
    if (strcmp(info->node_name, f->name) == 0 || strcmp(info->device, f->name) == 0) {
        f->info = *info;
        f->found = true;
    }
}

static BlockInfo info_of(Machine *m, const char *name)
{
    FindInfo f = { .name = name };
    blk_foreach(m, find_info, &f);
    g_assert_true(f.found);
    return f.info;
}

static void fill(uint8_t *buf, size_t len, uint32_t seed)
{
    for (size_t i = 0; i < len; i++) {
        seed = seed * 1664525 + 1013904223;
        buf[i] = seed >> 24;
    }
}

/* ---- tests ---- */

static void test_read_write(void)
{
    Machine *m = block_machine_new(false);
    g_autofree char *path = image("rw.img", 1 << 20);
    uint8_t out[8192], in[8192];
    g_assert_nonnull(
        node(m, NULL, "file,filename=%s,node-name=s,auto-read-only=on,discard=unmap", path));
    g_assert_nonnull(node(m, NULL, "raw,file=s,node-name=f,read-only=off,discard=unmap"));
    BlockBackend *blk = blk_attach(m, "f", "/dev0", NULL);
    g_assert_nonnull(blk);
    g_assert_cmpuint(blk_length(blk), ==, 1 << 20);
    g_assert_false(blk_is_read_only(blk));
    fill(out, sizeof(out), 1);
    g_assert_cmpint(rw(m, blk, true, 1536, out, sizeof(out)), ==, 0);
    g_assert_cmpint(rw(m, blk, false, 1536, in, sizeof(in)), ==, 0);
    g_assert_cmpmem(in, sizeof(in), out, sizeof(out));
    g_assert_cmpint(rw(m, blk, false, 0, in, 512), ==, 0);
    g_assert_cmpint(flush(m, blk), ==, 0);

    BlockInfo info = info_of(m, "f");
    g_assert_cmpstr(info.device, ==, "");
    g_assert_cmpstr(info.qdev, ==, "/dev0");
    g_assert_cmpstr(info.driver, ==, "raw");
    g_assert_cmpstr(info.file, ==, path);
    g_assert_cmpuint(info.stats.wr_operations, ==, 1);
    g_assert_cmpuint(info.stats.wr_bytes, ==, sizeof(out));
    g_assert_cmpuint(info.stats.rd_operations, ==, 2);
    g_assert_cmpuint(info.stats.rd_bytes, ==, sizeof(out) + 512);
    g_assert_cmpuint(info.stats.flush_operations, ==, 1);
    g_assert_cmpuint(info.stats.wr_highest_offset, ==, 1536 + sizeof(out));

    g_autofree char *content = NULL;
    gsize size;
    g_assert_true(g_file_get_contents(path, &content, &size, NULL));
    g_assert_cmpuint(size, ==, 1 << 20);
    g_assert_cmpmem(content + 1536, sizeof(out), out, sizeof(out));

    Error *err = NULL;
    g_assert_null(blk_attach(m, "f", "/dev1", &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "/dev0"));
    g_clear_pointer(&err, error_free);
    g_assert_false(block_node_remove(m, "s", &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "'f'"));
    g_clear_pointer(&err, error_free);
    blk_detach(blk);
    g_assert_true(block_node_remove(m, "f", NULL));
    g_assert_true(block_node_remove(m, "s", NULL));
    g_assert_null(block_node_find(m, "s"));
    layer_machine_free(m);
}

static void test_bounds(void)
{
    Machine *m = block_machine_new(false);
    g_autofree char *path = image("bounds.img", 4096);
    uint8_t buf[1024] = { 1 };
    BlockBackend *blk = drive(m, NULL, "file=%s,format=raw,if=none,id=d", path);
    BlockBackend *ro = drive(m, NULL, "driver=null-co,size=8k,if=none,id=ro,read-only=on");
    g_assert_nonnull(blk);
    g_assert_nonnull(ro);
    g_assert_true(blk_is_read_only(ro));
    g_assert_cmpint(rw(m, blk, false, 3072, buf, 1024), ==, 0);
    g_assert_cmpint(rw(m, blk, false, 3584, buf, 1024), ==, -EIO);
    g_assert_cmpint(rw(m, blk, true, 3584, buf, 1024), ==, -EIO);
    g_assert_cmpint(rw(m, blk, true, UINT64_MAX - 100, buf, 1024), ==, -EIO);
    g_assert_cmpint(rw(m, blk, true, 4096, buf, 0), ==, 0);
    g_assert_cmpint(rw(m, ro, true, 0, buf, 512), ==, -EPERM);
    g_assert_cmpint(flush(m, ro), ==, 0);
    g_assert_cmpint(blk_pread(blk, 4000, buf, 200), ==, -EIO);
    g_assert_cmpint(blk_pwrite(ro, 0, buf, 1), ==, -EPERM);
    struct iovec huge[2] = { { buf, SIZE_MAX }, { buf, SIZE_MAX } };
    Job job = { 0 };
    blk_aio_preadv(blk, 0, huge, 2, job_done, &job);
    g_assert_cmpint(wait_job(m, &job), ==, -EIO);
    BlockInfo info = info_of(m, "d");
    g_assert_cmpuint(info.stats.failed_rd, ==, 2);
    g_assert_cmpuint(info.stats.failed_wr, ==, 2);
    layer_machine_free(m);
}

/* A file of 1000 bytes is a disk of two sectors whose end reads as zeroes. */
static void test_ragged_end(void)
{
    Machine *m = block_machine_new(false);
    g_autofree char *path = image("ragged.img", 1000);
    uint8_t buf[1024];
    BlockBackend *blk = drive(m, NULL, "file=%s,format=raw,if=none,id=d", path);
    g_assert_cmpuint(blk_length(blk), ==, 1024);
    memset(buf, 0xaa, sizeof(buf));
    g_assert_cmpint(rw(m, blk, false, 0, buf, 1024), ==, 0);
    for (unsigned i = 0; i < sizeof(buf); i++) {
        g_assert_cmpuint(buf[i], ==, 0);
    }
    memset(buf, 0x55, sizeof(buf));
    g_assert_cmpint(rw(m, blk, true, 512, buf, 512), ==, 0);
    g_assert_cmpint(rw(m, blk, false, 0, buf, 1024), ==, 0);
    g_assert_cmpuint(buf[511], ==, 0);
    g_assert_cmpuint(buf[1023], ==, 0x55);
    layer_machine_free(m);
}

static void test_window(void)
{
    Machine *m = block_machine_new(false);
    g_autofree char *path = image("window.img", 16384);
    uint8_t buf[512];
    g_assert_nonnull(node(m, NULL,
                          "raw,node-name=w,offset=4096,size=1024,file.driver=file,file.filename=%s",
                          path));
    BlockBackend *blk = blk_attach(m, "w", "/dev0", NULL);
    g_assert_nonnull(blk);
    g_assert_cmpuint(blk_length(blk), ==, 1024);
    memset(buf, 7, sizeof(buf));
    g_assert_cmpint(rw(m, blk, true, 512, buf, 512), ==, 0);
    g_assert_cmpint(rw(m, blk, true, 1024, buf, 512), ==, -EIO);
    g_autofree char *content = NULL;
    g_assert_true(g_file_get_contents(path, &content, NULL, NULL));
    g_assert_cmpint(content[4096 + 511], ==, 0);
    g_assert_cmpint(content[4096 + 512], ==, 7);
    g_assert_cmpint(content[4096 + 1024], ==, 0);
    layer_machine_free(m);
}

#define MANY 300

/* Many at once, in pieces of odd shape, in any order; then everything is read back. */
static void many_requests(bool direct)
{
    Machine *m = block_machine_new(false);
    g_autofree char *path = image("many.img", MANY * 1536);
    static uint8_t out[MANY * 1536], in[MANY * 1536];
    struct iovec iov[MANY][3];
    Job jobs[MANY] = { 0 };
    Error *err = NULL;
    BlockBackend *blk = drive(m, &err, "file=%s,format=raw,if=none,id=d,cache=%s", path,
                              direct ? "none" : "writeback");
    if (!blk && direct) {
        g_test_skip(error_get_pretty(err));
        error_free(err);
        layer_machine_free(m);
        return;
    }
    g_assert_nonnull(blk);
    g_assert_true(info_of(m, "d").cache_direct == direct);
    fill(out, sizeof(out), 2);
    for (unsigned i = 0; i < MANY; i++) {
        unsigned slot = i * 7 % MANY;
        uint8_t *p = out + slot * 1536;
        iov[i][0] = (struct iovec){ p, 1 };
        iov[i][1] = (struct iovec){ p + 1, 700 };
        iov[i][2] = (struct iovec){ p + 701, 835 };
        blk_aio_pwritev(blk, slot * 1536, iov[i], 3, job_done, &jobs[i]);
    }
    block_drain_all(m);
    for (unsigned i = 0; i < MANY; i++) {
        g_assert_true(jobs[i].done);
        g_assert_cmpint(jobs[i].ret, ==, 0);
    }
    memset(jobs, 0, sizeof(jobs));
    for (unsigned i = 0; i < MANY; i++) {
        iov[i][0] = (struct iovec){ in + i * 1536, 1000 };
        iov[i][1] = (struct iovec){ in + i * 1536 + 1000, 536 };
        blk_aio_preadv(blk, i * 1536, iov[i], 2, job_done, &jobs[i]);
    }
    blk_drain(blk);
    g_assert_cmpmem(in, sizeof(in), out, sizeof(out));
    g_assert_cmpuint(info_of(m, "d").stats.wr_bytes, ==, sizeof(out));
    g_assert_cmpuint(info_of(m, "d").stats.rd_operations, ==, MANY);
    /* O_DIRECT works on whole blocks; the file must not have grown. */
    struct stat st;
    g_assert_cmpint(stat(path, &st), ==, 0);
    g_assert_cmpint(st.st_size, ==, MANY * 1536);
    layer_machine_free(m);
}

static void test_many(void)
{
    many_requests(false);
}

static void test_many_direct(void)
{
    many_requests(true);
}

typedef struct Chain {
    BlockBackend *blk;
    unsigned left, done;
    struct iovec iov;
    uint8_t buf[512];
} Chain;

static void chain_next(void *opaque, int ret)
{
    Chain *chain = opaque;
    g_assert_cmpint(ret, ==, 0);
    chain->done++;
    if (chain->left) {
        chain->left--;
        blk_aio_preadv(chain->blk, 0, &chain->iov, 1, chain_next, chain);
    }
}

/* Drain also waits for what callbacks start, and a callback may drain. */
static void drain_inside(void *opaque, int ret)
{
    Chain *chain = opaque;
    g_assert_cmpint(ret, ==, 0);
    blk_drain(chain->blk);
    g_assert_cmpuint(chain->done, ==, 6);
}

static void test_drain(void)
{
    Machine *m = block_machine_new(false);
    BlockBackend *blk = drive(m, NULL, "driver=null-co,latency-ns=2000000,if=none,id=d");
    Chain chain = { .blk = blk, .left = 5 };
    chain.iov = (struct iovec){ chain.buf, sizeof(chain.buf) };
    blk_aio_preadv(blk, 0, &chain.iov, 1, chain_next, &chain);
    blk_drain(blk);
    g_assert_cmpuint(chain.done, ==, 6);
    chain.left = 5;
    chain.done = 0;
    blk_aio_preadv(blk, 0, &chain.iov, 1, chain_next, &chain);
    blk_aio_flush(blk, drain_inside, &chain);
    blk_drain(blk);
    g_assert_cmpuint(chain.done, ==, 6);

    /* Stopping the machine waits as well. */
    Job job = { 0 };
    vm_start(m);
    blk_aio_preadv(blk, 0, &chain.iov, 1, job_done, &job);
    vm_stop(m, RUN_STATE_PAUSED);
    g_assert_true(job.done);
    /* And so does the end, with a request in flight. */
    Job last = { 0 };
    blk_aio_preadv(blk, 0, &chain.iov, 1, job_done, &last);
    layer_machine_free(m);
    g_assert_true(last.done);
}

/* With -icount nothing is complete before virtual time says so, and then in order. */
static void test_icount(void)
{
    Machine *m = block_machine_new(true);
    g_autofree char *path = image("icount.img", 65536);
    BlockBackend *blk = drive(m, NULL, "file=%s,format=raw,if=none,id=d", path);
    uint8_t buf[3][512];
    struct iovec iov[3];
    Job jobs[3] = { 0 };
    unsigned order = 0;
    for (unsigned i = 0; i < 3; i++) {
        fill(buf[i], 512, i);
        iov[i] = (struct iovec){ buf[i], 512 };
        jobs[i].counter = &order;
        blk_aio_pwritev(blk, i * 512, &iov[i], 1, job_done, &jobs[i]);
        clocks_icount_advance(m->clocks, 10000);
    }
    int64_t due = clocks_virtual_deadline_ns(m->clocks);
    g_assert_cmpint(due, <, INT64_MAX);
    clocks_run_timers(m->clocks, QEMU_CLOCK_VIRTUAL);
    g_assert_cmpuint(order, ==, 0);
    clocks_icount_warp_to(m->clocks, due);
    clocks_run_timers(m->clocks, QEMU_CLOCK_VIRTUAL);
    g_assert_cmpuint(order, ==, 1);
    g_assert_true(jobs[0].done);
    /* A stop is nothing that the guest may notice. */
    vm_start(m);
    vm_stop(m, RUN_STATE_PAUSED);
    g_assert_cmpuint(order, ==, 1);
    blk_drain(blk);
    g_assert_cmpuint(order, ==, 3);
    g_assert_cmpuint(jobs[1].order, ==, 1);
    g_assert_cmpuint(jobs[2].order, ==, 2);
    g_assert_cmpint(clocks_virtual_deadline_ns(m->clocks), ==, INT64_MAX);
    layer_machine_free(m);
}

static uint64_t blocks_of(const char *path)
{
    struct stat st;
    g_assert_cmpint(stat(path, &st), ==, 0);
    return st.st_blocks;
}

static int zeroes(Machine *m, BlockBackend *blk, bool discard, bool unmap)
{
    Job job = { 0 };
    if (discard) {
        blk_aio_pdiscard(blk, 0, 1 << 20, job_done, &job);
    } else {
        blk_aio_pwrite_zeroes(blk, 4096, 8192, unmap, job_done, &job);
    }
    return wait_job(m, &job);
}

static void test_discard(void)
{
    Machine *m = block_machine_new(false);
    g_autofree char *path = image("discard.img", 1 << 20);
    g_autofree uint8_t *buf = g_malloc(1 << 20);
    BlockBackend *keep = drive(m, NULL, "file=%s,format=raw,if=none,id=k", path);
    memset(buf, 1, 1 << 20);
    g_assert_cmpint(rw(m, keep, true, 0, buf, 1 << 20), ==, 0);
    g_assert_cmpint(flush(m, keep), ==, 0);
    uint64_t full = blocks_of(path);
    g_assert_cmpint(zeroes(m, keep, true, false), ==, 0);
    g_assert_cmpuint(blocks_of(path), ==, full);        /* discard=ignore */
    g_assert_cmpint(zeroes(m, keep, false, true), ==, 0);
    g_assert_cmpint(rw(m, keep, false, 4096, buf, 8192 + 1), ==, 0);
    g_assert_cmpuint(buf[0], ==, 0);
    g_assert_cmpuint(buf[8191], ==, 0);
    g_assert_cmpuint(buf[8192], ==, 1);
    BlockInfo info = info_of(m, "k");
    g_assert_cmpuint(info.stats.unmap_operations, ==, 1);
    g_assert_cmpuint(info.stats.unmap_bytes, ==, 1 << 20);
    layer_machine_free(m);

    m = block_machine_new(false);
    BlockBackend *punch = drive(m, NULL, "file=%s,format=raw,if=none,id=p,discard=unmap,"
                                "detect-zeroes=unmap", path);
    g_assert_cmpint(zeroes(m, punch, true, false), ==, 0);
    if (blocks_of(path) < full) {
        memset(buf, 0, 1 << 20);
        g_assert_cmpint(rw(m, punch, true, 0, buf, 1 << 20), ==, 0);
        g_assert_cmpint(flush(m, punch), ==, 0);
        g_assert_cmpuint(blocks_of(path), <, full);     /* zeroes were detected */
    } else {
        g_test_message("the file system keeps discarded space");
    }
    layer_machine_free(m);
}

/* Any error of the host reaches the guest's request and the counters. */
static void test_errors(void)
{
    Machine *m = block_machine_new(false);
    g_autofree char *path = image("small.img", 4096);
    uint8_t buf[4096] = { 1 };
    struct rlimit old, low = { 8192, 0 };
    BlockBackend *blk = drive(m, NULL, "file=%s,format=raw,if=none,id=d,werror=report", path);
    g_assert_nonnull(blk);
    g_assert_cmpint(getrlimit(RLIMIT_FSIZE, &old), ==, 0);
    low.rlim_max = old.rlim_max;
    low.rlim_cur = 2048;
    signal(SIGXFSZ, SIG_IGN);
    g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &low), ==, 0);
    int inside = rw(m, blk, true, 0, buf, 1024);
    int outside = rw(m, blk, true, 2048, buf, 1024);
    int across = rw(m, blk, true, 1024, buf, 2048);
    g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &old), ==, 0);
    g_assert_cmpint(inside, ==, 0);
    g_assert_cmpint(outside, ==, -EFBIG);
    g_assert_cmpint(across, ==, -EFBIG);
    BlockInfo info = info_of(m, "d");
    g_assert_cmpuint(info.stats.failed_wr, ==, 2);
    g_assert_cmpuint(info.stats.wr_operations, ==, 1);
    g_assert_cmpuint(info.stats.wr_bytes, ==, 1024);
    layer_machine_free(m);
}

static void test_ignored_errors(void)
{
    Machine *m = block_machine_new(false);
    g_autofree char *path = image("ignored.img", 4096);
    uint8_t buf[4096];
    BlockBackend *blk = drive(m, NULL, "file=%s,if=none,id=d,werror=ignore,rerror=ignore", path);
    memset(buf, 0xee, sizeof(buf));
    g_assert_cmpint(rw(m, blk, true, 4096, buf, 512), ==, 0);
    g_assert_cmpint(rw(m, blk, false, 4096, buf, 512), ==, 0);
    g_assert_cmpuint(buf[0], ==, 0);
    g_assert_cmpuint(info_of(m, "d").stats.failed_wr, ==, 1);
    layer_machine_free(m);
}

/* ---- modes ---- */

static void test_fdset(void)
{
    g_autofree char *path = image("set.img", 4096);
    uint8_t buf[512] = { 3 };
    Machine *m = block_machine_new(false);
    m->fdsets = fdsets_new();
    int64_t ro = 1, rw_set = 2;
    fdsets_add(m->fdsets, &ro, open(path, O_RDONLY), NULL);
    fdsets_add(m->fdsets, &rw_set, open(path, O_RDWR), NULL);
    BlockBackend *blk = drive(m, NULL, "file=/dev/fdset/2,format=raw,if=none,id=d");
    g_assert_nonnull(blk);
    g_assert_cmpint(rw(m, blk, true, 0, buf, 512), ==, 0);
    blk_detach(blk);
    g_assert_null(drive(m, NULL, "file=/dev/fdset/1,format=raw,if=none,id=e,locking=off"));
    g_assert_null(drive(m, NULL, "file=/dev/fdset/9,format=raw,if=none,id=e"));
    /* auto-read-only: opened for reading first, and left at that where nothing else is allowed. */
    g_assert_nonnull(
        node(m, NULL, "file,filename=/dev/fdset/1,node-name=s,auto-read-only=on,locking=off"));
    BlockBackend *reader = blk_attach(m, "s", "/dev0", NULL);
    g_assert_nonnull(reader);
    g_assert_true(blk_is_read_only(reader));
    blk_detach(reader);
    g_assert_nonnull(
        node(m, NULL, "file,filename=/dev/fdset/1,node-name=t,auto-read-only=on,locking=off"));
    Error *err = NULL;
    g_assert_nonnull(node(m, NULL, "raw,file=t,node-name=r"));
    g_assert_null(blk_attach(m, "r", "/dev0", &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "read-only"));
    error_free(err);
    struct FdSets *sets = m->fdsets;
    layer_machine_free(m);
    fdsets_free(sets);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    dir = g_dir_make_tmp("godwit-block-XXXXXX", NULL);
    g_assert_nonnull(dir);
    g_test_add_func("/block/read-write", test_read_write);
    g_test_add_func("/block/bounds", test_bounds);
    g_test_add_func("/block/ragged-end", test_ragged_end);
    g_test_add_func("/block/window", test_window);
    g_test_add_func("/block/many", test_many);
    g_test_add_func("/block/many-direct", test_many_direct);
    g_test_add_func("/block/drain", test_drain);
    g_test_add_func("/block/icount", test_icount);
    g_test_add_func("/block/discard", test_discard);
    g_test_add_func("/block/errors", test_errors);
    g_test_add_func("/block/ignored-errors", test_ignored_errors);
    g_test_add_func("/block/fdset", test_fdset);
    int status = g_test_run();
    g_autofree char *command = g_strdup_printf("rm -rf '%s'", dir);
    if (system(command) != 0) {
        status = 1;
    }
    g_free(dir);
    return status;
}
