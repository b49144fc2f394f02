/*
 * test-virtio-ring.c - the rings and the transport, against a device that echoes.
 *
 * The entropy device serves as the device under the rings: each request is filled and given back.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "virtio-rings.h"

#include "hw/virtio/virtio-internal.h"

typedef struct Rig {
    VFixture *fx;
    DeviceState *dev;
    Driver d;
    DrvQueue *q;
    hwaddr buf;
} Rig;

static void rig_up(Rig *r, bool modern, uint64_t features, unsigned num)
{
    r->fx = fx_new(modern, false);
    r->dev = fx_device(r->fx, "virtio-rng-device");
    fx_start(r->fx);
    drv_begin(&r->d, r->fx, FX_LAST_SLOT, features);
    r->q = drv_queue(&r->d, 0, num);
    drv_ok(&r->d);
    r->buf = fx_alloc(r->fx, 65536);
}

static void rig_down(Rig *r)
{
    fx_free(r->fx);
}

static bool all_zero(const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (p[i]) {
            return false;
        }
    }
    return true;
}

/* ---- what works ---- */

static void one_request(Rig *r)
{
    unsigned head, used;
    uint32_t len;
    DrvBuf b[2] = {{r->buf, 100, true}, {r->buf + 4096, 28, true}};
    head = ring_add(&r->d, r->q, b, 2);
    drv_kick(&r->d, r->q);
    g_assert_true(ring_used(&r->d, r->q, &used, &len));
    g_assert_cmpuint(used, ==, head);
    g_assert_cmpuint(len, ==, 128);
    g_assert_false(ring_used(&r->d, r->q, &used, &len));
    g_assert_false(all_zero(fx_ram(r->fx, r->buf), 100));
    g_assert_true(all_zero(fx_ram(r->fx, r->buf + 100), 50));
    g_assert_false(all_zero(fx_ram(r->fx, r->buf + 4096), 28));
    /* The interrupt is up until it is acknowledged. */
    g_assert_true(r->fx->irq[FX_SLOTS - 1]);
    g_assert_cmphex(fx_read(r->fx, r->d.slot, 0x60), ==, 1);
    fx_write(r->fx, r->d.slot, 0x64, 1);
    g_assert_false(r->fx->irq[FX_SLOTS - 1]);
}

static void test_direct(gconstpointer modern)
{
    Rig r;
    rig_up(&r, modern != NULL, 0, 8);
    one_request(&r);
    rig_down(&r);
}

static void test_indirect(void)
{
    Rig r;
    unsigned head, used;
    uint32_t len;
    DrvBuf b[3] = {{0, 16, true}, {0, 1, true}, {0, 47, true}};
    rig_up(&r, true, VIRTIO_BIT(VIRTIO_F_INDIRECT_DESC), 8);
    for (int i = 0; i < 3; i++) {
        b[i].addr = r.buf + 256 * i;
    }
    head = ring_add_indirect(&r.d, r.q, b, 3);
    drv_kick(&r.d, r.q);
    g_assert_true(ring_used(&r.d, r.q, &used, &len));
    g_assert_cmpuint(used, ==, head);
    g_assert_cmpuint(len, ==, 64);
    rig_down(&r);
}

/* An indirect table that does not stand on a multiple of 8 bytes. */
static void test_indirect_unaligned(void)
{
    Rig r;
    unsigned used;
    uint32_t len;
    rig_up(&r, true, VIRTIO_BIT(VIRTIO_F_INDIRECT_DESC), 8);
    hwaddr table = fx_alloc(r.fx, 64) + 3;
    ring_desc(r.fx, table, 0, (DrvBuf){r.buf, 33, true}, 0, 0);
    ring_desc(r.fx, r.q->desc, 0, (DrvBuf){table, 16, false}, 4, 0);
    ring_publish(r.fx, r.q, 0);
    drv_kick(&r.d, r.q);
    g_assert_true(ring_used(&r.d, r.q, &used, &len));
    g_assert_cmpuint(len, ==, 33);
    rig_down(&r);
}

/* Indices run past 2^16, several laps of a small ring. */
static void test_wraparound(void)
{
    Rig r;
    unsigned used, seen = 0;
    rig_up(&r, false, VIRTIO_BIT(VIRTIO_F_EVENT_IDX), 4);
    DrvBuf b = {r.buf, 1, true};
    for (unsigned i = 0; i < 66000; i += 3) {
        for (unsigned k = 0; k < 3; k++) {
            ring_add(&r.d, r.q, &b, 1);
        }
        drv_kick(&r.d, r.q);
        while (ring_used(&r.d, r.q, &used, NULL)) {
            g_assert_cmpuint(used, ==, seen++ % 4);
        }
    }
    g_assert_cmpuint(seen, ==, 66000);
    g_assert_false(drv_broken(&r.d));
    rig_down(&r);
}

/* ---- interrupts ---- */

static unsigned request_and_ack(Rig *r)
{
    unsigned before = r->fx->raised[FX_SLOTS - 1], used;
    DrvBuf b = {r->buf, 8, true};
    ring_add(&r->d, r->q, &b, 1);
    drv_kick(&r->d, r->q);
    g_assert_true(ring_used(&r->d, r->q, &used, NULL));
    fx_write(r->fx, r->d.slot, 0x64, 3);
    return r->fx->raised[FX_SLOTS - 1] - before;
}

static void test_no_interrupt_flag(void)
{
    Rig r;
    rig_up(&r, true, 0, 8);
    g_assert_cmpuint(request_and_ack(&r), ==, 1);
    *(uint16_t *)fx_ram(r.fx, r.q->avail) = 1;
    g_assert_cmpuint(request_and_ack(&r), ==, 0);
    *(uint16_t *)fx_ram(r.fx, r.q->avail) = 0;
    g_assert_cmpuint(request_and_ack(&r), ==, 1);
    rig_down(&r);
}

static void test_event_index(void)
{
    Rig r;
    rig_up(&r, true, VIRTIO_BIT(VIRTIO_F_EVENT_IDX), 8);
    uint16_t *used_event = (uint16_t *)fx_ram(r.fx, r.q->avail) + 2 + 8;
    g_assert_cmpuint(request_and_ack(&r), ==, 1);   /* the first one always */
    *used_event = 3;                                /* when entry 3 is written, not before */
    g_assert_cmpuint(request_and_ack(&r), ==, 0);   /* entry 1 */
    g_assert_cmpuint(request_and_ack(&r), ==, 0);
    g_assert_cmpuint(request_and_ack(&r), ==, 1);
    g_assert_cmpuint(request_and_ack(&r), ==, 0);
    /* avail_event says from where on the device wants to be told. */
    g_assert_cmpuint(*(uint16_t *)fx_ram(r.fx, r.q->used + 4 + 8 * 8), ==, r.q->avail_idx);
    rig_down(&r);
}

static void test_notify_on_empty(void)
{
    Rig r;
    rig_up(&r, false, VIRTIO_BIT(VIRTIO_F_NOTIFY_ON_EMPTY), 8);
    *(uint16_t *)fx_ram(r.fx, r.q->avail) = 1;
    g_assert_cmpuint(request_and_ack(&r), ==, 1);
    rig_down(&r);
}

/* ---- what a guest may do wrong ---- */

typedef struct Malice {
    const char *name;
    void (*prepare)(Rig *r);
} Malice;

static void bad_head(Rig *r)
{
    ring_publish(r->fx, r->q, 500);
}

static void bad_next(Rig *r)
{
    ring_desc(r->fx, r->q->desc, 0, (DrvBuf){r->buf, 4, true}, 1, 200);
    ring_publish(r->fx, r->q, 0);
}

static void bad_loop(Rig *r)
{
    ring_desc(r->fx, r->q->desc, 0, (DrvBuf){r->buf, 4, true}, 1, 1);
    ring_desc(r->fx, r->q->desc, 1, (DrvBuf){r->buf, 4, true}, 1, 0);
    ring_publish(r->fx, r->q, 0);
}

static void bad_empty_loop(Rig *r)
{
    ring_desc(r->fx, r->q->desc, 0, (DrvBuf){0, 0, true}, 1, 0);
    ring_publish(r->fx, r->q, 0);
}

static void bad_order(Rig *r)
{
    DrvBuf b[2] = {{r->buf, 4, true}, {r->buf + 64, 4, false}};
    ring_add(&r->d, r->q, b, 2);
}

static void bad_address(Rig *r)
{
    DrvBuf b = {0x1000, 4, true};
    ring_add(&r->d, r->q, &b, 1);
}

static void bad_address_device(Rig *r)
{
    DrvBuf b = {FX_LAST_SLOT + 0x70, 4, true};
    ring_add(&r->d, r->q, &b, 1);
}

static void bad_length(Rig *r)
{
    DrvBuf b = {FX_RAM_BASE + FX_RAM_SIZE - 8, 9, true};
    ring_add(&r->d, r->q, &b, 1);
}

static void bad_wrapping(Rig *r)
{
    DrvBuf b = {UINT64_MAX - 4, 64, true};
    ring_add(&r->d, r->q, &b, 1);
}

static void bad_avail_jump(Rig *r)
{
    r->q->avail_idx += 100;
    ring_publish(r->fx, r->q, 0);
}

static void bad_indirect_length(Rig *r)
{
    ring_desc(r->fx, r->q->desc, 0, (DrvBuf){r->buf, 17, false}, 4, 0);
    ring_publish(r->fx, r->q, 0);
}

static void bad_indirect_empty(Rig *r)
{
    ring_desc(r->fx, r->q->desc, 0, (DrvBuf){r->buf, 0, false}, 4, 0);
    ring_publish(r->fx, r->q, 0);
}

static void bad_indirect_next(Rig *r)
{
    ring_desc(r->fx, r->q->desc, 0, (DrvBuf){r->buf, 16, false}, 5, 1);
    ring_publish(r->fx, r->q, 0);
}

static void bad_indirect_nested(Rig *r)
{
    ring_desc(r->fx, r->buf, 0, (DrvBuf){r->buf, 16, false}, 4, 0);
    ring_desc(r->fx, r->q->desc, 0, (DrvBuf){r->buf, 16, false}, 4, 0);
    ring_publish(r->fx, r->q, 0);
}

static void bad_indirect_loop(Rig *r)
{
    ring_desc(r->fx, r->buf, 0, (DrvBuf){r->buf + 64, 4, true}, 1, 1);
    ring_desc(r->fx, r->buf, 1, (DrvBuf){r->buf + 64, 4, true}, 1, 0);
    ring_desc(r->fx, r->q->desc, 0, (DrvBuf){r->buf, 32, false}, 4, 0);
    ring_publish(r->fx, r->q, 0);
}

static void bad_too_many(Rig *r)
{
    for (unsigned i = 0; i < 1500; i++) {
        ring_desc(r->fx, r->buf, i, (DrvBuf){r->buf + 32768, 4, true}, i + 1 < 1500 ? 1 : 0, i + 1);
    }
    ring_desc(r->fx, r->q->desc, 0, (DrvBuf){r->buf, 16 * 1500, false}, 4, 0);
    ring_publish(r->fx, r->q, 0);
}

static const Malice malices[] = {
    {"head", bad_head}, {"next", bad_next}, {"loop", bad_loop}, {"empty-loop", bad_empty_loop},
    {"order", bad_order}, {"address", bad_address}, {"address-device", bad_address_device},
    {"length", bad_length}, {"wrapping", bad_wrapping}, {"avail-jump", bad_avail_jump},
    {"indirect-length", bad_indirect_length}, {"indirect-empty", bad_indirect_empty},
    {"indirect-next", bad_indirect_next}, {"indirect-nested", bad_indirect_nested},
    {"indirect-loop", bad_indirect_loop}, {"too-many", bad_too_many},
};

/* The device is broken, says so, touches nothing, and works again after a reset. */
static void test_malice(gconstpointer data)
{
    const Malice *malice = data;
    Rig r;
    unsigned used;
    rig_up(&r, true, VIRTIO_BIT(VIRTIO_F_INDIRECT_DESC), 8);
    malice->prepare(&r);
    drv_kick(&r.d, r.q);
    g_assert_false(ring_used(&r.d, r.q, &used, NULL));
    g_assert_true(drv_broken(&r.d));
    g_assert_cmphex(fx_read(r.fx, r.d.slot, 0x70) & 0x40, ==, 0x40);
    g_assert_cmphex(fx_read(r.fx, r.d.slot, 0x60), ==, 2);
    drv_begin(&r.d, r.fx, FX_LAST_SLOT, 0);
    r.q = drv_queue(&r.d, 0, 8);
    drv_ok(&r.d);
    r.buf = fx_alloc(r.fx, 8192);
    one_request(&r);
    rig_down(&r);
}

static void test_ring_outside_ram(void)
{
    static const hwaddr places[] = {0, 0x10008000, FX_RAM_BASE + FX_RAM_SIZE - 64, FX_RAM_BASE + 4};
    for (unsigned i = 0; i < G_N_ELEMENTS(places); i++) {
        Rig r;
        rig_up(&r, true, 0, 8);
        drv_begin(&r.d, r.fx, FX_LAST_SLOT, 0);
        fx_write(r.fx, r.d.slot, 0x30, 0);
        fx_write(r.fx, r.d.slot, 0x38, 8);
        fx_write(r.fx, r.d.slot, 0x80, places[i]);
        fx_write(r.fx, r.d.slot, 0x90, FX_RAM_BASE + 0x1000);
        fx_write(r.fx, r.d.slot, 0xa0, FX_RAM_BASE + 0x2000);
        fx_write(r.fx, r.d.slot, 0x44, 1);
        drv_ok(&r.d);
        *(uint16_t *)fx_ram(r.fx, FX_RAM_BASE + 0x1002) = 1;
        fx_write(r.fx, r.d.slot, 0x50, 0);
        g_assert_true(drv_broken(&r.d));
        rig_down(&r);
    }
}

/* ---- registers ---- */

static void test_empty_slot(void)
{
    VFixture *fx = fx_new(false, false);
    g_assert_cmphex(fx_read(fx, FX_SLOT(0), 0), ==, 0x74726976);
    g_assert_cmphex(fx_read(fx, FX_SLOT(0), 4), ==, 1);
    g_assert_cmphex(fx_read(fx, FX_SLOT(0), 8), ==, 0);
    for (unsigned reg = 0; reg < 0x200; reg += 4) {
        fx_write(fx, FX_SLOT(0), reg, 0xffffffff);
        fx_read(fx, FX_SLOT(0), reg);
    }
    fx_free(fx);
}

static void test_slot_order(void)
{
    VFixture *fx = fx_new(false, false);
    fx_device(fx, "virtio-rng-device");
    DeviceState *second = fx_device(fx, "virtio-rng-device");
    fx_device(fx, "virtio-rng-device,bus=virtio-mmio-bus.0");
    g_assert_cmphex(fx_read(fx, FX_SLOT(3), 8), ==, 4);
    g_assert_cmphex(fx_read(fx, FX_SLOT(2), 8), ==, 4);
    g_assert_cmphex(fx_read(fx, FX_SLOT(1), 8), ==, 0);
    g_assert_cmphex(fx_read(fx, FX_SLOT(0), 8), ==, 4);
    g_assert_cmpstr(second->vmstate_id, ==, "virtio-mmio@0000000010003000");
    fx_device(fx, "virtio-rng-device");
    json_t *options = json_pack("{s:s}", "driver", "virtio-rng-device");
    Error *err = NULL;
    machine_lock(fx->m);
    g_assert_null(qdev_device_add(fx->m, options, &err));
    machine_unlock(fx->m);
    g_assert_nonnull(strstr(error_get_pretty(err), "no free virtio-mmio slot"));
    error_free(err);
    json_decref(options);
    fx_free(fx);
}

static void test_features(void)
{
    VFixture *fx = fx_new(true, false);
    fx_device(fx, "virtio-rng-device");
    fx_start(fx);
    hwaddr slot = FX_LAST_SLOT;
    g_assert_cmphex(drv_offered(fx, slot), ==, UINT64_C(0x10130000000));
    /* Without VERSION_1, or with a bit that was not offered, FEATURES_OK does not stay. */
    static const uint64_t bad[] = {0, VIRTIO_BIT(32) | VIRTIO_BIT(5)};
    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        fx_write(fx, slot, 0x70, 0);
        fx_write(fx, slot, 0x70, 3);
        fx_write(fx, slot, 0x24, 0);
        fx_write(fx, slot, 0x20, bad[i]);
        fx_write(fx, slot, 0x24, 1);
        fx_write(fx, slot, 0x20, bad[i] >> 32);
        fx_write(fx, slot, 0x70, 0xb);
        g_assert_cmphex(fx_read(fx, slot, 0x70), ==, 3);
    }
    fx_free(fx);
    fx = fx_new(false, false);
    fx_device(fx, "virtio-rng-device");
    g_assert_cmphex(drv_offered(fx, slot), ==, 0x39000000);
    fx_free(fx);
}

static void test_queue_registers(void)
{
    Rig r;
    rig_up(&r, true, 0, 8);
    fx_write(r.fx, r.d.slot, 0x30, 1);              /* no such queue */
    g_assert_cmpuint(fx_read(r.fx, r.d.slot, 0x34), ==, 0);
    fx_write(r.fx, r.d.slot, 0x38, 8);
    fx_write(r.fx, r.d.slot, 0x44, 1);
    g_assert_cmpuint(fx_read(r.fx, r.d.slot, 0x44), ==, 0);
    fx_write(r.fx, r.d.slot, 0x50, 1);
    fx_write(r.fx, r.d.slot, 0x50, 0xffffffff);
    fx_write(r.fx, r.d.slot, 0x30, 0xffffffff);
    fx_write(r.fx, r.d.slot, 0x30, 0);
    /* A ring in use does not move and does not change its size. */
    fx_write(r.fx, r.d.slot, 0x80, 0);
    fx_write(r.fx, r.d.slot, 0x38, 7);
    fx_write(r.fx, r.d.slot, 0x38, 16);
    one_request(&r);
    /* A configuration space that is not there reads as ones, and no register bites. */
    g_assert_cmphex(fx_config(r.fx, r.d.slot, 0, 4), ==, 0xffffffff);
    g_assert_cmphex(fx_config(r.fx, r.d.slot, 0xeff, 1), ==, 0xff);
    rig_down(&r);
}

static void test_stopped_machine_waits(void)
{
    Rig r;
    unsigned used;
    rig_up(&r, true, 0, 8);
    fx_stop(r.fx);
    DrvBuf b = {r.buf, 8, true};
    ring_add(&r.d, r.q, &b, 1);
    drv_kick(&r.d, r.q);
    g_assert_false(ring_used(&r.d, r.q, &used, NULL));
    machine_lock(r.fx->m);
    vm_start(r.fx->m);
    machine_unlock(r.fx->m);
    g_assert_true(ring_used(&r.d, r.q, &used, NULL));
    rig_down(&r);
}

static void test_marks_dirty(void)
{
    Rig r;
    rig_up(&r, true, 0, 8);
    machine_lock(r.fx->m);
    ram_dirty_start(r.fx->m, DIRTY_MEMORY_MIGRATION, false);
    machine_unlock(r.fx->m);
    one_request(&r);
    const unsigned long *bits = r.fx->ram.block->dirty[DIRTY_MEMORY_MIGRATION];
    static const char *const what[] = {"buffer", "second buffer", "used ring"};
    hwaddr places[] = {r.buf, r.buf + 4096, r.q->used};
    for (unsigned i = 0; i < 3; i++) {
        unsigned page = (places[i] - FX_RAM_BASE) >> 12;
        if (!(bits[page / 64] >> (page % 64) & 1)) {
            g_error("%s is not dirty", what[i]);
        }
    }
    unsigned other = (r.buf + 3 * 4096 - FX_RAM_BASE) >> 12;
    g_assert_false(bits[other / 64] >> (other % 64) & 1);
    rig_down(&r);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/virtio/ring/direct/legacy", NULL, test_direct);
    g_test_add_data_func("/virtio/ring/direct/modern", "", test_direct);
    g_test_add_func("/virtio/ring/indirect", test_indirect);
    g_test_add_func("/virtio/ring/indirect-unaligned", test_indirect_unaligned);
    g_test_add_func("/virtio/ring/wraparound", test_wraparound);
    g_test_add_func("/virtio/ring/no-interrupt-flag", test_no_interrupt_flag);
    g_test_add_func("/virtio/ring/event-index", test_event_index);
    g_test_add_func("/virtio/ring/notify-on-empty", test_notify_on_empty);
    for (unsigned i = 0; i < G_N_ELEMENTS(malices); i++) {
        g_autofree char *path = g_strdup_printf("/virtio/ring/malice/%s", malices[i].name);
        g_test_add_data_func(path, &malices[i], test_malice);
    }
    g_test_add_func("/virtio/ring/outside-ram", test_ring_outside_ram);
    g_test_add_func("/virtio/mmio/empty-slot", test_empty_slot);
    g_test_add_func("/virtio/mmio/slot-order", test_slot_order);
    g_test_add_func("/virtio/mmio/features", test_features);
    g_test_add_func("/virtio/mmio/queue-registers", test_queue_registers);
    g_test_add_func("/virtio/mmio/stopped-machine-waits", test_stopped_machine_waits);
    g_test_add_func("/virtio/mmio/marks-dirty", test_marks_dirty);
    return g_test_run();
}
