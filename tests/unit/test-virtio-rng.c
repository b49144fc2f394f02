/*
 * test-virtio-rng.c - the entropy device: its rate, its source, and its determinism.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "virtio-rings.h"

static DrvQueue *up(Driver *d, VFixture *fx)
{
    drv_begin(d, fx, FX_LAST_SLOT, 0);
    DrvQueue *q = drv_queue(d, 0, 8);
    drv_ok(d);
    return q;
}

/* The first 64 bytes that a machine with -icount gives, and the device's state afterwards. */
static void seeded_run(uint8_t out[64], uint8_t **state, size_t *len)
{
    Driver d;
    VFixture *fx = fx_new(true, true);
    DeviceState *dev = fx_device(fx, "virtio-rng-device");
    fx_start(fx);
    DrvQueue *q = up(&d, fx);
    DrvBuf b = {fx_alloc(fx, 64), 64, true};
    ring_add(&d, q, &b, 1);
    fx_write(fx, d.slot, 0x50, 0);                  /* answered before the store is done */
    g_assert_cmpuint(ring_used_idx(fx, q), ==, 1);
    memcpy(out, fx_ram(fx, b.addr), 64);
    *state = fx_save(dev, len);
    fx_free(fx);
}

static void test_seeded(void)
{
    uint8_t a[64], b[64];
    uint8_t *sa, *sb;
    size_t la, lb;
    seeded_run(a, &sa, &la);
    seeded_run(b, &sb, &lb);
    g_assert_cmpmem(a, 64, b, 64);
    g_assert_cmpmem(sa, la, sb, lb);
    g_free(sa);
    g_free(sb);
}

/* The generator goes along: what follows is the same on both sides. */
static void test_seed_moves(void)
{
    Driver d;
    size_t len;
    uint8_t first[32];
    VFixture *fx = fx_new(true, true);
    DeviceState *dev = fx_device(fx, "virtio-rng-device");
    fx_start(fx);
    DrvQueue *q = up(&d, fx);
    fx_stop(fx);
    uint8_t *state = fx_save(dev, &len);
    hwaddr at = fx_alloc(fx, 64);
    for (int round = 0; round < 2; round++) {
        machine_lock(fx->m);
        vm_start(fx->m);
        machine_unlock(fx->m);
        DrvBuf b = {at + 32 * round, 32, true};
        ring_add(&d, q, &b, 1);
        fx_write(fx, d.slot, 0x50, 0);
        fx_stop(fx);
        if (round == 0) {
            memcpy(first, fx_ram(fx, at), 32);
            *(uint32_t *)fx_ram(fx, q->used) = 0;   /* the ring as it was when the state was saved */
            q->avail_idx = 0;
            q->next_desc = 0;
            *((uint16_t *)fx_ram(fx, q->avail) + 1) = 0;
            g_assert_null(fx_load(dev, state, len));
        }
    }
    g_assert_cmpmem(fx_ram(fx, at + 32), 32, first, 32);
    g_free(state);
    fx_free(fx);
}

/* With a limit the rest of a request's room, and the next request, wait for the next period. */
static void test_rate(void)
{
    Driver d;
    unsigned head;
    uint32_t len;
    VFixture *fx = fx_new(true, false);
    fx_device(fx, "virtio-rng-device,max-bytes=20,period=50");
    fx_start(fx);
    DrvQueue *q = up(&d, fx);
    DrvBuf b = {fx_alloc(fx, 64), 64, true};
    ring_add(&d, q, &b, 1);
    ring_add(&d, q, &b, 1);
    drv_kick(&d, q);
    g_assert_true(ring_used(&d, q, &head, &len));
    g_assert_cmpuint(len, ==, 20);
    g_assert_cmpuint(ring_wait(&d, q), ==, 20);
    fx_free(fx);
}

/* A driver that never stops asking does not keep the machine's lock. */
static void test_budget(void)
{
    Driver d;
    VFixture *fx = fx_new(true, false);
    fx_device(fx, "virtio-rng-device");
    fx_start(fx);
    drv_begin(&d, fx, FX_LAST_SLOT, 0);
    DrvQueue *q = drv_queue(&d, 0, 1024);
    drv_ok(&d);
    DrvBuf b = {fx_alloc(fx, 4), 4, true};
    for (int i = 0; i < 1024; i++) {
        ring_add(&d, q, &b, 1);
    }
    drv_kick(&d, q);
    g_assert_cmpuint(ring_used_idx(fx, q), ==, 1024);
    fx_free(fx);
}

static void test_refused(void)
{
    static const char *const bad[] = {
        "virtio-rng-device,rng=nobody", "virtio-rng-device,max-bytes=0", "virtio-rng-device,period=0",
    };
    VFixture *fx = fx_new(true, false);
    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        Error *err = NULL;
        json_t *options = keyval_parse(bad[i], "driver", NULL);
        machine_lock(fx->m);
        g_assert_null(qdev_device_add(fx->m, options, &err));
        machine_unlock(fx->m);
        g_assert_nonnull(err);
        error_free(err);
        json_decref(options);
    }
    fx_free(fx);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtio/rng/seeded", test_seeded);
    g_test_add_func("/virtio/rng/seed-moves", test_seed_moves);
    g_test_add_func("/virtio/rng/rate", test_rate);
    g_test_add_func("/virtio/rng/budget", test_budget);
    g_test_add_func("/virtio/rng/refused", test_refused);
    return g_test_run();
}
