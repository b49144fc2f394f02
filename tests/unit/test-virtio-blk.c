/*
 * test-virtio-blk.c - the virtio disk over a real image file.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "virtio-rings.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "block/block.h"
#include "util/event-sink.h"

#define IMAGE_SIZE (1u << 20)
#define ALL_FEATURES (~UINT64_C(0))

enum { T_IN, T_OUT, T_SCSI, T_FLUSH = 4, T_GET_ID = 8, T_DISCARD = 11, T_WRITE_ZEROES = 13 };
enum { S_OK, S_IOERR, S_UNSUPP };

typedef struct Rig {
    VFixture *fx;
    DeviceState *dev;
    Driver d;
    DrvQueue *q;
    char *image;
    hwaddr header, data, status;
} Rig;

static void rig_device(Rig *r, bool modern, bool icount, bool read_only, const char *options)
{
    Error *err = NULL;
    r->fx = fx_new(modern, icount);
    machine_lock(r->fx->m);
    json_t *node = json_pack("{s:s, s:s, s:s, s:b}", "driver", "file", "node-name", "n0", "filename",
                             r->image, "read-only", (int)read_only);
    if (!block_node_new(r->fx->m, node, &err)) {
        g_error("%s", error_get_pretty(err));
    }
    json_decref(node);
    machine_unlock(r->fx->m);
    g_autofree char *text = g_strdup_printf("virtio-blk-device,drive=n0%s", options);
    r->dev = fx_device(r->fx, text);
    fx_start(r->fx);
}

static void rig_up(Rig *r, bool modern, const char *options)
{
    int fd = g_file_open_tmp("godwit-blk-XXXXXX", &r->image, NULL);
    g_assert_cmpint(ftruncate(fd, IMAGE_SIZE), ==, 0);
    close(fd);
    rig_device(r, modern, false, false, options);
}

static void rig_driver(Rig *r, uint64_t features)
{
    drv_begin(&r->d, r->fx, FX_LAST_SLOT, features);
    r->q = drv_queue(&r->d, 0, 64);
    drv_ok(&r->d);
    r->header = fx_alloc(r->fx, 16);
    r->data = fx_alloc(r->fx, 65536);
    r->status = fx_alloc(r->fx, 1);
}

static void rig_down(Rig *r)
{
    fx_free(r->fx);
    g_unlink(r->image);
    g_free(r->image);
}

static void put_request(Rig *r, uint32_t type, uint64_t sector, uint32_t len)
{
    bool from_device = type == T_IN || type == T_GET_ID;
    DrvBuf b[3] = {{r->header, 16, false}, {r->data, len, from_device}, {r->status, 1, true}};
    uint32_t head[2] = {type, 0};
    memcpy(fx_ram(r->fx, r->header), head, 8);
    memcpy((uint8_t *)fx_ram(r->fx, r->header) + 8, &sector, 8);
    *(uint8_t *)fx_ram(r->fx, r->status) = 0xee;
    if (len == 0) {
        b[1] = b[2];
    }
    ring_add(&r->d, r->q, b, len ? 3 : 2);
    drv_kick(&r->d, r->q);
}

static unsigned request(Rig *r, uint32_t type, uint64_t sector, uint32_t len, uint32_t *used_len)
{
    put_request(r, type, sector, len);
    uint32_t used = ring_wait(&r->d, r->q);
    if (used_len) {
        *used_len = used;
    }
    return *(uint8_t *)fx_ram(r->fx, r->status);
}

static void image_read(Rig *r, uint64_t offset, void *buf, size_t len)
{
    int fd = g_open(r->image, O_RDONLY, 0);
    g_assert_cmpint(pread(fd, buf, len, offset), ==, (ssize_t)len);
    close(fd);
}

/* ---- requests ---- */

static void test_read_write(gconstpointer modern)
{
    Rig r;
    uint8_t got[1024];
    uint32_t len;
    rig_up(&r, modern != NULL, "");
    rig_driver(&r, ALL_FEATURES);
    uint8_t *data = fx_ram(r.fx, r.data);
    memset(data, 0xa5, 1024);
    g_assert_cmpuint(request(&r, T_OUT, 7, 1024, NULL), ==, S_OK);
    g_assert_cmpuint(request(&r, T_FLUSH, 0, 0, NULL), ==, S_OK);
    image_read(&r, 7 * 512, got, sizeof(got));
    g_assert_cmpmem(got, 1024, data, 1024);
    memset(data, 0, 1024);
    g_assert_cmpuint(request(&r, T_IN, 8, 512, &len), ==, S_OK);
    g_assert_cmpuint(len, ==, 513);
    g_assert_cmphex(data[0], ==, 0xa5);
    g_assert_cmphex(data[511], ==, 0xa5);
    g_assert_cmphex(data[512], ==, 0);
    rig_down(&r);
}

/* Header, data and status cut up and joined as they please. */
static void test_any_layout(void)
{
    Rig r;
    rig_up(&r, true, "");
    rig_driver(&r, ALL_FEATURES);
    hwaddr a = r.data;
    memset(fx_ram(r.fx, a), 0, 1024);
    *(uint32_t *)fx_ram(r.fx, a) = T_OUT;
    *(uint64_t *)fx_ram(r.fx, a + 8) = 3;
    memset(fx_ram(r.fx, a + 16), 0x11, 512);
    DrvBuf w[4] = {{a, 5, false}, {a + 5, 12, false}, {a + 17, 511, false}, {r.status, 1, true}};
    ring_add_indirect(&r.d, r.q, w, 4);
    drv_kick(&r.d, r.q);
    ring_wait(&r.d, r.q);
    g_assert_cmpuint(*(uint8_t *)fx_ram(r.fx, r.status), ==, S_OK);
    *(uint32_t *)fx_ram(r.fx, a) = T_IN;
    DrvBuf rd[3] = {{a, 16, false}, {a + 1024, 100, true}, {a + 1124, 413, true}};
    ring_add(&r.d, r.q, rd, 3);
    drv_kick(&r.d, r.q);
    g_assert_cmpuint(ring_wait(&r.d, r.q), ==, 513);
    g_assert_cmphex(*(uint8_t *)fx_ram(r.fx, a + 1024), ==, 0x11);
    g_assert_cmphex(*(uint8_t *)fx_ram(r.fx, a + 1024 + 511), ==, 0x11);
    g_assert_cmphex(*(uint8_t *)fx_ram(r.fx, a + 1024 + 512), ==, S_OK);
    rig_down(&r);
}

static void test_id(void)
{
    Rig r;
    rig_up(&r, true, ",serial=a-serial-of-more-than-twenty-bytes");
    rig_driver(&r, ALL_FEATURES);
    g_assert_cmpuint(request(&r, T_GET_ID, 0, 20, NULL), ==, S_OK);
    g_assert_cmpmem(fx_ram(r.fx, r.data), 20, "a-serial-of-more-tha", 20);
    rig_down(&r);
}

static void put_range(Rig *r, uint64_t sector, uint32_t sectors, uint32_t flags)
{
    memcpy(fx_ram(r->fx, r->data), &sector, 8);
    memcpy(fx_ram(r->fx, r->data + 8), &sectors, 4);
    memcpy(fx_ram(r->fx, r->data + 12), &flags, 4);
}

static void test_write_zeroes_and_discard(void)
{
    Rig r;
    uint8_t got[1536];
    rig_up(&r, true, "");
    rig_driver(&r, ALL_FEATURES);
    memset(fx_ram(r.fx, r.data), 0x77, 1536);
    g_assert_cmpuint(request(&r, T_OUT, 0, 1536, NULL), ==, S_OK);
    put_range(&r, 1, 1, 0);
    g_assert_cmpuint(request(&r, T_WRITE_ZEROES, 0, 16, NULL), ==, S_OK);
    image_read(&r, 0, got, sizeof(got));
    g_assert_cmphex(got[511], ==, 0x77);
    g_assert_cmphex(got[512], ==, 0);
    g_assert_cmphex(got[1023], ==, 0);
    g_assert_cmphex(got[1024], ==, 0x77);
    put_range(&r, 0, 3, 0);
    g_assert_cmpuint(request(&r, T_DISCARD, 0, 16, NULL), ==, S_OK);
    put_range(&r, 0, 3, 1);                         /* unmap is for write zeroes alone */
    g_assert_cmpuint(request(&r, T_DISCARD, 0, 16, NULL), ==, S_UNSUPP);
    put_range(&r, 0, 3, 2);
    g_assert_cmpuint(request(&r, T_WRITE_ZEROES, 0, 16, NULL), ==, S_UNSUPP);
    g_assert_cmpuint(request(&r, T_WRITE_ZEROES, 0, 32, NULL), ==, S_UNSUPP);
    put_range(&r, UINT64_MAX, 3, 0);
    g_assert_cmpuint(request(&r, T_WRITE_ZEROES, 0, 16, NULL), ==, S_IOERR);
    put_range(&r, 0, 0x400000, 0);
    g_assert_cmpuint(request(&r, T_WRITE_ZEROES, 0, 16, NULL), ==, S_IOERR);
    rig_down(&r);
}

static void test_refused(void)
{
    Rig r;
    const uint64_t end = IMAGE_SIZE / 512;
    rig_up(&r, true, "");
    rig_driver(&r, ALL_FEATURES);
    g_assert_cmpuint(request(&r, T_IN, end, 512, NULL), ==, S_IOERR);
    g_assert_cmpuint(request(&r, T_IN, end - 1, 1024, NULL), ==, S_IOERR);
    g_assert_cmpuint(request(&r, T_OUT, UINT64_MAX, 512, NULL), ==, S_IOERR);
    g_assert_cmpuint(request(&r, T_OUT, UINT64_MAX / 512, 512, NULL), ==, S_IOERR);
    g_assert_cmpuint(request(&r, T_IN, 0, 100, NULL), ==, S_IOERR);
    g_assert_cmpuint(request(&r, T_IN, end - 1, 512, NULL), ==, S_OK);
    g_assert_cmpuint(request(&r, T_SCSI, 0, 512, NULL), ==, S_UNSUPP);
    g_assert_cmpuint(request(&r, 12345, 0, 512, NULL), ==, S_UNSUPP);
    /* No room for a header, or for a status: the device cannot answer. */
    DrvBuf b[2] = {{r.header, 15, false}, {r.status, 1, true}};
    ring_add(&r.d, r.q, b, 2);
    drv_kick(&r.d, r.q);
    g_assert_true(drv_broken(&r.d));
    rig_driver(&r, ALL_FEATURES);
    b[0].len = 16;
    ring_add(&r.d, r.q, b, 1);
    drv_kick(&r.d, r.q);
    g_assert_true(drv_broken(&r.d));
    rig_down(&r);
}

static void test_read_only(void)
{
    Rig r;
    int fd = g_file_open_tmp("godwit-blk-XXXXXX", &r.image, NULL);
    g_assert_cmpint(ftruncate(fd, IMAGE_SIZE), ==, 0);
    close(fd);
    rig_device(&r, true, false, true, "");
    rig_driver(&r, ALL_FEATURES);
    g_assert_cmphex(r.d.features >> 5 & 1, ==, 1);
    g_assert_cmpuint(request(&r, T_OUT, 0, 512, NULL), ==, S_IOERR);
    g_assert_cmpuint(request(&r, T_IN, 0, 512, NULL), ==, S_OK);
    put_range(&r, 0, 1, 0);
    g_assert_cmpuint(request(&r, T_WRITE_ZEROES, 0, 16, NULL), ==, S_IOERR);
    rig_down(&r);
}

/* ---- configuration ---- */

static void test_config(void)
{
    Rig r;
    rig_up(&r, false, ",num-queues=3");
    hwaddr slot = FX_LAST_SLOT;
    g_assert_cmphex(drv_offered(r.fx, slot), ==, 0x31007ed4);
    g_assert_cmpuint(fx_config(r.fx, slot, 0, 4), ==, IMAGE_SIZE / 512);
    g_assert_cmpuint(fx_config(r.fx, slot, 12, 4), ==, 254);
    g_assert_cmpuint(fx_config(r.fx, slot, 16, 2), ==, 2);
    g_assert_cmpuint(fx_config(r.fx, slot, 18, 1), ==, 16);
    g_assert_cmpuint(fx_config(r.fx, slot, 19, 1), ==, 63);
    g_assert_cmpuint(fx_config(r.fx, slot, 20, 4), ==, 512);
    g_assert_cmpuint(fx_config(r.fx, slot, 32, 1), ==, 1);
    g_assert_cmpuint(fx_config(r.fx, slot, 34, 2), ==, 3);
    g_assert_cmphex(fx_config(r.fx, slot, 36, 4), ==, 0x3fffff);
    g_assert_cmphex(fx_config(r.fx, slot, 56, 1), ==, 1);
    g_assert_cmphex(fx_config(r.fx, slot, 57, 1), ==, 0xff);
    rig_down(&r);
}

static void test_write_cache(void)
{
    Rig r;
    rig_up(&r, true, "");
    BlockBackend *blk = NULL;
    for (const Property *p = r.dev->klass->props; p->name; p++) {
        if (strcmp(p->name, "drive") == 0) {
            blk = *(BlockBackend **)((char *)r.dev + p->offset);
        }
    }
    g_assert_true(blk_write_cache(blk));
    rig_driver(&r, ALL_FEATURES);
    uint64_t off = 0;
    g_assert_cmpint(address_space_ldst(r.fx->m, FX_LAST_SLOT + 0x100 + 32, &off, 1, true), ==, MEMTX_OK);
    g_assert_false(blk_write_cache(blk));
    g_assert_cmpuint(fx_config(r.fx, FX_LAST_SLOT, 32, 1), ==, 0);
    fx_write(r.fx, FX_LAST_SLOT, 0x70, 0);          /* a reset goes back to the drive's */
    g_assert_true(blk_write_cache(blk));
    rig_driver(&r, 0);                              /* a driver that knows no flush: write-through */
    g_assert_false(blk_write_cache(blk));
    rig_down(&r);
}

static void test_multi_queue(void)
{
    Rig r;
    rig_up(&r, true, ",num-queues=2");
    drv_begin(&r.d, r.fx, FX_LAST_SLOT, ALL_FEATURES);
    drv_queue(&r.d, 0, 16);
    r.q = drv_queue(&r.d, 1, 32);
    drv_ok(&r.d);
    r.header = fx_alloc(r.fx, 16);
    r.data = fx_alloc(r.fx, 512);
    r.status = fx_alloc(r.fx, 1);
    g_assert_cmpuint(request(&r, T_IN, 0, 512, NULL), ==, S_OK);
    g_assert_cmpuint(ring_used_idx(r.fx, &r.d.queues[0]), ==, 0);
    rig_down(&r);
}

/* Many at once, reset in the middle: nothing may come in afterwards. */
static void test_reset_in_flight(void)
{
    Rig r;
    rig_up(&r, true, "");
    rig_driver(&r, ALL_FEATURES);
    for (int i = 0; i < 20; i++) {
        DrvBuf b[3] = {{r.header, 16, false}, {r.data, 4096, true}, {r.status, 1, true}};
        memset(fx_ram(r.fx, r.header), 0, 16);
        ring_add(&r.d, r.q, b, 3);
    }
    fx_write(r.fx, r.d.slot, 0x50, 0);
    main_loop_iterate(r.fx->m->loop, false);
    fx_write(r.fx, r.d.slot, 0x70, 0);
    uint16_t used = ring_used_idx(r.fx, r.q);
    fx_settle(r.fx);
    g_assert_cmpuint(ring_used_idx(r.fx, r.q), ==, used);
    g_assert_cmpuint(fx_read(r.fx, r.d.slot, 0x60), ==, 0);
    rig_driver(&r, ALL_FEATURES);
    g_assert_cmpuint(request(&r, T_IN, 0, 512, NULL), ==, S_OK);
    rig_down(&r);
}

/* ---- errors that stop the machine, and the request that moves ---- */

static void limit_file_size(rlim_t size)
{
    struct rlimit limit;
    g_assert_cmpint(getrlimit(RLIMIT_FSIZE, &limit), ==, 0);
    limit.rlim_cur = MIN(size, limit.rlim_max);
    g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &limit), ==, 0);
}

/* A write that fails is parked; the machine stops for it. */
static void park_one(Rig *r)
{
    limit_file_size(65536);
    memset(fx_ram(r->fx, r->data), 0x3c, 512);
    put_request(r, T_OUT, 1024, 512);
    while (runstate_get(r->fx->m) != RUN_STATE_IO_ERROR) {
        main_loop_iterate(r->fx->m->loop, true);
    }
    limit_file_size(RLIM_INFINITY);
    g_assert_cmpuint(ring_used_idx(r->fx, r->q), ==, r->q->used_seen);
}

typedef struct IoErrors {
    EventSink sink;
    GString *seen;              /* the actions of BLOCK_IO_ERROR */
} IoErrors;

static void io_errors_emit(EventSink *sink, const char *event, json_t *data)
{
    IoErrors *errors = (IoErrors *)sink;
    if (strcmp(event, "BLOCK_IO_ERROR") == 0) {
        g_string_append_printf(errors->seen, "%s %s;", json_string_value(json_object_get(data, "operation")),
                               json_string_value(json_object_get(data, "action")));
    }
    json_decref(data);
}

static void get_io_status(const BlockInfo *info, void *opaque)
{
    *(BlockIOStatus *)opaque = info->io_status;
}

static void test_stop_and_retry(void)
{
    Rig r;
    uint8_t got[512];
    IoErrors errors = {.sink.emit = io_errors_emit, .seen = g_string_new("")};
    BlockIOStatus status = BLOCK_IO_OK;
    rig_up(&r, true, ",werror=stop");
    r.fx->m->events = &errors.sink;
    rig_driver(&r, ALL_FEATURES);
    park_one(&r);
    g_assert_cmpstr(errors.seen->str, ==, "write stop;");
    machine_lock(r.fx->m);
    blk_foreach(r.fx->m, get_io_status, &status);
    g_assert_cmpint(status, ==, BLOCK_IO_FAILED);
    vm_start(r.fx->m);
    blk_foreach(r.fx->m, get_io_status, &status);
    g_assert_cmpint(status, ==, BLOCK_IO_OK);
    machine_unlock(r.fx->m);
    ring_wait(&r.d, r.q);
    r.fx->m->events = NULL;
    g_string_free(errors.seen, TRUE);
    g_assert_cmpuint(*(uint8_t *)fx_ram(r.fx, r.status), ==, S_OK);
    image_read(&r, 1024 * 512, got, 512);
    g_assert_cmphex(got[0], ==, 0x3c);
    rig_down(&r);
}

static void test_report(void)
{
    Rig r;
    rig_up(&r, true, ",werror=report");
    rig_driver(&r, ALL_FEATURES);
    limit_file_size(65536);
    g_assert_cmpuint(request(&r, T_OUT, 1024, 512, NULL), ==, S_IOERR);
    limit_file_size(RLIM_INFINITY);
    g_assert_true(runstate_is_running(r.fx->m));
    rig_down(&r);
}

/* The second machine has the same RAM and image; there the request is done. */
static void test_parked_request_moves(gconstpointer queues)
{
    Rig r, r2;
    size_t len, len2;
    uint8_t got[512];
    g_autofree char *options = g_strdup_printf(",werror=stop,num-queues=%s", (const char *)queues);
    rig_up(&r, false, options);
    rig_driver(&r, ALL_FEATURES);
    park_one(&r);
    g_autofree uint8_t *buf = fx_save(r.dev, &len);
    g_assert_cmpuint(len, >, 49168);
    r2 = r;
    uint8_t *ram = g_memdup2(r.fx->ram.block->host, FX_RAM_SIZE);
    hwaddr heap = r.fx->heap;
    fx_free(r.fx);
    rig_device(&r2, false, false, false, options);
    fx_stop(r2.fx);
    r2.fx->heap = heap;
    r2.d.fx = r2.fx;
    r2.q = &r2.d.queues[0];
    memcpy(r2.fx->ram.block->host, ram, FX_RAM_SIZE);
    g_free(ram);
    Error *err = fx_load(r2.dev, buf, len);
    if (err) {
        g_error("%s", error_get_pretty(err));
    }
    g_autofree uint8_t *again = fx_save(r2.dev, &len2);
    g_assert_cmpmem(again, len2, buf, len);
    machine_lock(r2.fx->m);
    vm_start(r2.fx->m);
    machine_unlock(r2.fx->m);
    ring_wait(&r2.d, r2.q);
    g_assert_cmpuint(*(uint8_t *)fx_ram(r2.fx, r2.status), ==, S_OK);
    image_read(&r2, 1024 * 512, got, 512);
    g_assert_cmphex(got[0], ==, 0x3c);
    rig_down(&r2);
}

static void test_bad_properties(void)
{
    static const char *const bad[] = {
        "virtio-blk-device", "virtio-blk-device,drive=nope", "virtio-blk-device,drive=n0,num-queues=0",
        "virtio-blk-device,drive=n0,queue-size=100", "virtio-blk-device,drive=n0,werror=explode",
        "virtio-blk-device,drive=n0,logical_block_size=4096",
    };
    Rig r;
    rig_up(&r, true, "");
    fx_free(r.fx);
    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        Error *err = NULL;
        r.fx = fx_new(true, false);
        machine_lock(r.fx->m);
        json_t *node = json_pack("{s:s, s:s, s:s}", "driver", "file", "node-name", "n0", "filename",
                                 r.image);
        g_assert_nonnull(block_node_new(r.fx->m, node, NULL));
        json_decref(node);
        json_t *options = keyval_parse(bad[i], "driver", NULL);
        g_assert_null(qdev_device_add(r.fx->m, options, &err));
        g_assert_nonnull(err);
        error_free(err);
        json_decref(options);
        machine_unlock(r.fx->m);
        g_assert_cmphex(fx_read(r.fx, FX_LAST_SLOT, 8), ==, 0);
        if (i + 1 < G_N_ELEMENTS(bad)) {
            fx_free(r.fx);
        }
    }
    rig_down(&r);
}

int main(int argc, char **argv)
{
    signal(SIGXFSZ, SIG_IGN);
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/virtio/blk/read-write/legacy", NULL, test_read_write);
    g_test_add_data_func("/virtio/blk/read-write/modern", "", test_read_write);
    g_test_add_func("/virtio/blk/any-layout", test_any_layout);
    g_test_add_func("/virtio/blk/id", test_id);
    g_test_add_func("/virtio/blk/zeroes-discard", test_write_zeroes_and_discard);
    g_test_add_func("/virtio/blk/refused", test_refused);
    g_test_add_func("/virtio/blk/read-only", test_read_only);
    g_test_add_func("/virtio/blk/config", test_config);
    g_test_add_func("/virtio/blk/write-cache", test_write_cache);
    g_test_add_func("/virtio/blk/multi-queue", test_multi_queue);
    g_test_add_func("/virtio/blk/reset-in-flight", test_reset_in_flight);
    g_test_add_func("/virtio/blk/stop-and-retry", test_stop_and_retry);
    g_test_add_func("/virtio/blk/report", test_report);
    g_test_add_data_func("/virtio/blk/parked-moves/1", "1", test_parked_request_moves);
    g_test_add_data_func("/virtio/blk/parked-moves/2", "2", test_parked_request_moves);
    g_test_add_func("/virtio/blk/bad-properties", test_bad_properties);
    return g_test_run();
}
