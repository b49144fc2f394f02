/*
 * test-virtio-balloon.c - pages given back, statistics, and what monitors see of it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "virtio-rings.h"

#include "hw/balloon.h"
#include "util/json-uint.h"

typedef struct Rig {
    VFixture *fx;
    DeviceState *dev;
    Driver d;
    hwaddr scratch;
} Rig;

static void rig_up(Rig *r, const char *device)
{
    *r = (Rig){.fx = fx_new(true, false)};
    r->dev = fx_device(r->fx, device);
    fx_start(r->fx);
    drv_begin(&r->d, r->fx, FX_LAST_SLOT, ~UINT64_C(0));
    for (unsigned i = 0; i < 3; i++) {
        drv_queue(&r->d, i, 8);
    }
    drv_ok(&r->d);
    r->scratch = fx_alloc(r->fx, 4096);
}

static void send_pages(Rig *r, unsigned queue, const uint32_t *pfns, unsigned n)
{
    unsigned head;
    memcpy(fx_ram(r->fx, r->scratch), pfns, 4 * n);
    DrvBuf b = {r->scratch, 4 * n, false};
    ring_add(&r->d, &r->d.queues[queue], &b, 1);
    drv_kick(&r->d, &r->d.queues[queue]);
    g_assert_true(ring_used(&r->d, &r->d.queues[queue], &head, NULL));
}

static void test_inflate(void)
{
    Rig r;
    const hwaddr page = FX_RAM_BASE + 0x400000;
    /* One page of RAM, one of nothing, one of a device, the last page there is. */
    const uint32_t pfns[] = {page >> 12, 0, FX_LAST_SLOT >> 12, UINT32_MAX};
    rig_up(&r, "virtio-balloon-device");
    memset(fx_ram(r.fx, page - 4096), 0x5a, 3 * 4096);
    machine_lock(r.fx->m);
    ram_dirty_start(r.fx->m, DIRTY_MEMORY_MIGRATION, false);
    machine_unlock(r.fx->m);
    send_pages(&r, 0, pfns, 4);
    g_assert_cmphex(*(uint8_t *)fx_ram(r.fx, page - 1), ==, 0x5a);
    g_assert_cmphex(*(uint8_t *)fx_ram(r.fx, page), ==, 0);
    g_assert_cmphex(*(uint8_t *)fx_ram(r.fx, page + 4095), ==, 0);
    g_assert_cmphex(*(uint8_t *)fx_ram(r.fx, page + 4096), ==, 0x5a);
    unsigned n = (page - FX_RAM_BASE) >> 12;
    g_assert_true(r.fx->ram.block->dirty[DIRTY_MEMORY_MIGRATION][n / 64] >> (n % 64) & 1);
    send_pages(&r, 1, pfns, 1);
    g_assert_false(drv_broken(&r.d));
    fx_free(r.fx);
}

static void test_inhibit(void)
{
    Rig r;
    const hwaddr page = FX_RAM_BASE + 0x400000;
    const uint32_t pfn = page >> 12;
    rig_up(&r, "virtio-balloon-device");
    memset(fx_ram(r.fx, page), 0x5a, 4096);
    machine_lock(r.fx->m);
    balloon_inhibit(r.fx->m, true);
    machine_unlock(r.fx->m);
    send_pages(&r, 0, &pfn, 1);
    g_assert_cmphex(*(uint8_t *)fx_ram(r.fx, page), ==, 0x5a);
    fx_free(r.fx);
}

static void test_target(void)
{
    Rig r;
    uint64_t actual = 0;
    Error *err = NULL;
    rig_up(&r, "virtio-balloon-device");
    machine_lock(r.fx->m);
    g_assert_true(balloon_get_actual(r.fx->m, &actual, NULL));
    g_assert_cmpuint(actual, ==, FX_RAM_SIZE);
    g_assert_true(balloon_set_target(r.fx->m, FX_RAM_SIZE - 0x100000, NULL));
    machine_unlock(r.fx->m);
    g_assert_cmpuint(fx_config(r.fx, FX_LAST_SLOT, 0, 4), ==, 256);
    g_assert_cmphex(fx_read(r.fx, FX_LAST_SLOT, 0x60), ==, 2);
    fx_write(r.fx, FX_LAST_SLOT, 0x104, 200);
    machine_lock(r.fx->m);
    g_assert_true(balloon_get_actual(r.fx->m, &actual, NULL));
    g_assert_cmpuint(actual, ==, FX_RAM_SIZE - 200 * 4096);
    g_assert_true(balloon_set_target(r.fx->m, UINT64_MAX, NULL));
    g_assert_false(balloon_set_target(r.fx->m, 0, &err));
    error_free(err);
    machine_unlock(r.fx->m);
    g_assert_cmpuint(fx_config(r.fx, FX_LAST_SLOT, 0, 4), ==, 0);
    /* A guest that lies about it. */
    fx_write(r.fx, FX_LAST_SLOT, 0x104, UINT32_MAX);
    machine_lock(r.fx->m);
    g_assert_true(balloon_get_actual(r.fx->m, &actual, NULL));
    machine_unlock(r.fx->m);
    g_assert_cmpuint(actual, ==, 0);
    fx_free(r.fx);
}

static void test_no_balloon(void)
{
    VFixture *fx = fx_new(true, false);
    uint64_t actual;
    Error *err = NULL;
    machine_lock(fx->m);
    g_assert_false(balloon_get_actual(fx->m, &actual, &err));
    g_assert_cmpint(error_get_class(err), ==, ERROR_CLASS_DEVICE_NOT_ACTIVE);
    error_free(err);
    g_assert_false(balloon_set_target(fx->m, 1, NULL));
    g_assert_null(balloon_get_stats(fx->m, NULL));
    machine_unlock(fx->m);
    fx_free(fx);
}

/* ---- statistics ---- */

static void lend_stats(Rig *r, uint64_t free_memory)
{
    uint8_t *p = fx_ram(r->fx, r->scratch);
    uint16_t tag = 4, unknown = 999;
    memcpy(p, &tag, 2);
    memcpy(p + 2, &free_memory, 8);
    memcpy(p + 10, &unknown, 2);
    DrvBuf b = {r->scratch, 23, false};             /* two and a bit */
    ring_add(&r->d, &r->d.queues[2], &b, 1);
    drv_kick(&r->d, &r->d.queues[2]);
}

/* All ones: the guest does not tell. */
static uint64_t stat_value(Rig *r, const char *name)
{
    uint64_t large;
    machine_lock(r->fx->m);
    json_t *stats = balloon_get_stats(r->fx->m, NULL);
    machine_unlock(r->fx->m);
    const json_t *value = json_object_get(json_object_get(stats, "stats"), name);
    uint64_t v = json_uint_large(value, &large) ? large : (uint64_t)json_integer_value(value);
    g_assert_true(json_is_integer(json_object_get(stats, "last-update")));
    json_decref(stats);
    return v;
}

static void test_stats(void)
{
    Rig r;
    unsigned head;
    rig_up(&r, "virtio-balloon-device");
    g_assert_cmpuint(stat_value(&r, "stat-free-memory"), ==, UINT64_MAX);
    lend_stats(&r, 12345678);
    g_assert_false(ring_used(&r.d, &r.d.queues[2], &head, NULL));
    g_assert_cmpuint(stat_value(&r, "stat-free-memory"), ==, 12345678);
    g_assert_cmpuint(stat_value(&r, "stat-swap-in"), ==, UINT64_MAX);
    /* The question is the buffer that comes back. */
    machine_lock(r.fx->m);
    g_assert_true(balloon_set_polling_interval(r.fx->m, 1, NULL));
    machine_unlock(r.fx->m);
    ring_wait(&r.d, &r.d.queues[2]);
    lend_stats(&r, 777);
    g_assert_cmpuint(stat_value(&r, "stat-free-memory"), ==, 777);
    fx_free(r.fx);
}

/* The lent buffer does not migrate: the receiver takes it from the ring once more. */
static void test_stats_move(void)
{
    Rig r;
    size_t len;
    unsigned head;
    rig_up(&r, "virtio-balloon-device,guest-stats-polling-interval=1");
    lend_stats(&r, 55);
    fx_stop(r.fx);
    g_autofree uint8_t *buf = fx_save(r.dev, &len);
    g_assert_null(fx_load(r.dev, buf, len));
    g_assert_cmpuint(stat_value(&r, "stat-free-memory"), ==, UINT64_MAX);
    machine_lock(r.fx->m);
    vm_start(r.fx->m);
    machine_unlock(r.fx->m);
    fx_settle(r.fx);
    g_assert_cmpuint(stat_value(&r, "stat-free-memory"), ==, 55);
    g_assert_false(ring_used(&r.d, &r.d.queues[2], &head, NULL));
    ring_wait(&r.d, &r.d.queues[2]);
    fx_free(r.fx);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtio/balloon/inflate", test_inflate);
    g_test_add_func("/virtio/balloon/inhibit", test_inhibit);
    g_test_add_func("/virtio/balloon/target", test_target);
    g_test_add_func("/virtio/balloon/none", test_no_balloon);
    g_test_add_func("/virtio/balloon/stats", test_stats);
    g_test_add_func("/virtio/balloon/stats-move", test_stats_move);
    return g_test_run();
}
