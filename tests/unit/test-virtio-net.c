/*
 * test-virtio-net.c - the virtio network card against a back end in the test.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "virtio-rings.h"

#include "net/net.h"
#include "system/clock.h"
#include "util/iov.h"

#define MAC "\x52\x54\x00\x12\x34\x56"

typedef struct Rig {
    VFixture *fx;
    DeviceState *dev;
    NetClientState *host;
    GPtrArray *sent;                /* of GBytes: frames that the guest sent */
    Driver d;
    DrvQueue *rx, *tx, *ctrl;
    hwaddr scratch;
} Rig;

static size_t host_receive(NetClientState *nc, const struct iovec *iov, int niov)
{
    size_t len = iov_size(iov, niov);
    uint8_t *frame = g_malloc(len);
    iov_to_buf(iov, niov, 0, frame, len);
    g_ptr_array_add(nc->opaque, g_bytes_new_take(frame, len));
    return len;
}

static void host_cleanup(NetClientState *nc)
{
}

static const NetClientOps host_ops = {
    .type = "test", .receive = host_receive, .cleanup = host_cleanup,
};

static void rig_up(Rig *r, bool modern, uint64_t features)
{
    *r = (Rig){.fx = fx_new(modern, false)};
    r->sent = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    machine_lock(r->fx->m);
    r->host = net_client_new(r->fx->m, &host_ops, "h0", r->sent);
    machine_unlock(r->fx->m);
    r->dev = fx_device(r->fx, "virtio-net-device,netdev=h0,id=net0,mac=52:54:00:12:34:56");
    fx_start(r->fx);
    drv_begin(&r->d, r->fx, FX_LAST_SLOT, features);
    r->rx = drv_queue(&r->d, 0, 16);
    r->tx = drv_queue(&r->d, 1, 16);
    r->ctrl = drv_queue(&r->d, 2, 16);
    drv_ok(&r->d);
    r->scratch = fx_alloc(r->fx, 65536);
}

static void rig_down(Rig *r)
{
    fx_free(r->fx);
    g_ptr_array_unref(r->sent);
}

static size_t host_send(Rig *r, const void *frame, size_t len)
{
    struct iovec iov = {(void *)frame, len};
    machine_lock(r->fx->m);
    size_t taken = net_send(r->host, &iov, 1);
    machine_unlock(r->fx->m);
    return taken;
}

static void make_frame(uint8_t *frame, size_t len, const char *to)
{
    for (size_t i = 0; i < len; i++) {
        frame[i] = i * 7;
    }
    memcpy(frame, to, 6);
    frame[12] = 0x08;
    frame[13] = 0x00;
}

/* ---- frames ---- */

static void test_transmit(gconstpointer modern)
{
    Rig r;
    unsigned head;
    size_t skip = modern ? 12 : 10;
    uint8_t frame[100];
    rig_up(&r, modern != NULL, 0);
    make_frame(frame, sizeof(frame), MAC);
    memset(fx_ram(r.fx, r.scratch), 0, skip);
    memcpy(fx_ram(r.fx, r.scratch + skip), frame, 50);
    memcpy(fx_ram(r.fx, r.scratch + 1000), frame + 50, 50);
    DrvBuf b[2] = {{r.scratch, skip + 50, false}, {r.scratch + 1000, 50, false}};
    ring_add(&r.d, r.tx, b, 2);
    drv_kick(&r.d, r.tx);
    g_assert_true(ring_used(&r.d, r.tx, &head, NULL));
    g_assert_cmpuint(r.sent->len, ==, 1);
    gsize len;
    const void *got = g_bytes_get_data(r.sent->pdata[0], &len);
    g_assert_cmpmem(got, len, frame, sizeof(frame));
    /* Nothing behind the header: nothing is sent, the buffer comes back. */
    b[0].len = skip;
    ring_add(&r.d, r.tx, b, 1);
    drv_kick(&r.d, r.tx);
    g_assert_true(ring_used(&r.d, r.tx, &head, NULL));
    g_assert_cmpuint(r.sent->len, ==, 1);
    rig_down(&r);
}

static void test_receive(void)
{
    Rig r;
    unsigned head;
    uint32_t len;
    uint8_t frame[60];
    rig_up(&r, false, 0);
    make_frame(frame, sizeof(frame), MAC);
    DrvBuf b[2] = {{r.scratch, 10, true}, {r.scratch + 64, 1514, true}};
    ring_add(&r.d, r.rx, b, 2);
    drv_kick(&r.d, r.rx);
    g_assert_cmpuint(host_send(&r, frame, sizeof(frame)), ==, 60);
    g_assert_true(ring_used(&r.d, r.rx, &head, &len));
    g_assert_cmpuint(len, ==, 70);
    g_assert_cmpmem(fx_ram(r.fx, r.scratch + 64), 60, frame, 60);
    rig_down(&r);
}

/* A frame over three small buffers; used->idx moves by three at once, and the header counts them. */
static void test_mergeable(void)
{
    Rig r;
    unsigned head;
    uint32_t len;
    uint8_t frame[200];
    rig_up(&r, true, VIRTIO_BIT(15));
    make_frame(frame, sizeof(frame), MAC);
    DrvBuf b = {0, 80, true};
    for (int i = 0; i < 4; i++) {
        b.addr = r.scratch + 128 * i;
        ring_add(&r.d, r.rx, &b, 1);
    }
    drv_kick(&r.d, r.rx);
    host_send(&r, frame, sizeof(frame));
    g_assert_cmpuint(ring_used_idx(r.fx, r.rx), ==, 3);
    g_assert_cmpuint(*(uint16_t *)fx_ram(r.fx, r.scratch + 10), ==, 3);
    static const uint32_t lens[] = {80, 80, 52};
    for (int i = 0; i < 3; i++) {
        g_assert_true(ring_used(&r.d, r.rx, &head, &len));
        g_assert_cmpuint(len, ==, lens[i]);
    }
    g_assert_cmpmem(fx_ram(r.fx, r.scratch + 12), 68, frame, 68);
    g_assert_cmpmem(fx_ram(r.fx, r.scratch + 128), 80, frame + 68, 80);
    g_assert_cmpmem(fx_ram(r.fx, r.scratch + 256), 52, frame + 148, 52);
    rig_down(&r);
}

/* Without room nothing is consumed; the frame comes when buffers do, in order. */
static void test_back_pressure(void)
{
    Rig r;
    unsigned head;
    uint8_t frame[200];
    rig_up(&r, true, VIRTIO_BIT(15));
    make_frame(frame, sizeof(frame), MAC);
    DrvBuf b = {r.scratch, 80, true};
    ring_add(&r.d, r.rx, &b, 1);
    g_assert_cmpuint(host_send(&r, frame, sizeof(frame)), ==, 0);
    frame[20] = 0x99;
    g_assert_cmpuint(host_send(&r, frame, 64), ==, 0);
    g_assert_false(ring_used(&r.d, r.rx, &head, NULL));
    for (int i = 1; i < 5; i++) {
        b.addr = r.scratch + 128 * i;
        ring_add(&r.d, r.rx, &b, 1);
    }
    drv_kick(&r.d, r.rx);
    g_assert_cmpuint(ring_used_idx(r.fx, r.rx), ==, 4);
    g_assert_cmphex(*(uint8_t *)fx_ram(r.fx, r.scratch + 128 * 3 + 12 + 20), ==, 0x99);
    rig_down(&r);
}

/* A frame that no single buffer holds is lost, and the buffers stay. */
static void test_too_large(void)
{
    Rig r;
    unsigned head;
    uint8_t frame[200];
    rig_up(&r, true, 0);
    make_frame(frame, sizeof(frame), MAC);
    DrvBuf b = {r.scratch, 80, true};
    ring_add(&r.d, r.rx, &b, 1);
    g_assert_cmpuint(host_send(&r, frame, 200), ==, 200);
    g_assert_false(ring_used(&r.d, r.rx, &head, NULL));
    g_assert_cmpuint(host_send(&r, frame, 60), ==, 60);
    g_assert_true(ring_used(&r.d, r.rx, &head, NULL));
    g_assert_false(drv_broken(&r.d));
    b.len = 12;                                     /* not even one byte of a frame */
    ring_add(&r.d, r.rx, &b, 1);
    host_send(&r, frame, 60);
    g_assert_true(drv_broken(&r.d));
    rig_down(&r);
}

/* ---- control ---- */

static uint8_t command(Rig *r, uint8_t class, uint8_t cmd, const void *data, size_t len)
{
    unsigned head;
    uint8_t *p = fx_ram(r->fx, r->scratch + 32768);
    p[0] = class;
    p[1] = cmd;
    memcpy(p + 2, data, len);
    p[4000] = 0xee;
    DrvBuf b[3] = {{r->scratch + 32768, 2, false}, {r->scratch + 32770, len, false},
                   {r->scratch + 32768 + 4000, 1, true}};
    ring_add(&r->d, r->ctrl, b, 3);
    drv_kick(&r->d, r->ctrl);
    g_assert_true(ring_used(&r->d, r->ctrl, &head, NULL));
    return p[4000];
}

static bool comes_in(Rig *r, const char *to, unsigned vlan)
{
    uint8_t frame[64];
    unsigned head;
    DrvBuf b = {r->scratch, 200, true};
    make_frame(frame, sizeof(frame), to);
    if (vlan) {
        frame[12] = 0x81;
        frame[14] = vlan >> 8;
        frame[15] = vlan;
    }
    while (ring_used(&r->d, r->rx, &head, NULL)) {
    }
    if (r->rx->avail_idx == r->rx->used_seen) {
        ring_add(&r->d, r->rx, &b, 1);
    }
    host_send(r, frame, sizeof(frame));
    return ring_used(&r->d, r->rx, &head, NULL);
}

#define FILTER_FEATURES (VIRTIO_BIT(17) | VIRTIO_BIT(18) | VIRTIO_BIT(19) | VIRTIO_BIT(20) | \
                         VIRTIO_BIT(23) | VIRTIO_BIT(2))

static void test_filter(void)
{
    Rig r;
    const uint8_t on = 1, off = 0;
    const uint8_t tables[] = {1, 0, 0, 0, 2, 0, 0, 0, 0, 1, 1, 0, 0, 0, 1, 0, 0x5e, 0, 0, 1};
    rig_up(&r, true, FILTER_FEATURES);
    g_assert_true(comes_in(&r, "\x02\x00\x00\x00\x00\x09", 0));     /* promiscuous at first */
    g_assert_cmpuint(command(&r, 0, 0, &off, 1), ==, 0);
    g_assert_false(comes_in(&r, "\x02\x00\x00\x00\x00\x09", 0));
    g_assert_true(comes_in(&r, MAC, 0));
    g_assert_true(comes_in(&r, "\xff\xff\xff\xff\xff\xff", 0));
    g_assert_false(comes_in(&r, "\x01\x00\x5e\x00\x00\x01", 0));
    g_assert_cmpuint(command(&r, 1, 0, tables, sizeof(tables)), ==, 0);
    g_assert_true(comes_in(&r, "\x02\x00\x00\x00\x00\x01", 0));
    g_assert_true(comes_in(&r, "\x01\x00\x5e\x00\x00\x01", 0));
    g_assert_false(comes_in(&r, "\x01\x00\x5e\x00\x00\x02", 0));
    g_assert_cmpuint(command(&r, 0, 1, &on, 1), ==, 0);             /* all multicast */
    g_assert_true(comes_in(&r, "\x01\x00\x5e\x00\x00\x02", 0));
    g_assert_cmpuint(command(&r, 0, 5, &on, 1), ==, 0);             /* no broadcast */
    g_assert_false(comes_in(&r, "\xff\xff\xff\xff\xff\xff", 0));
    g_assert_cmpuint(command(&r, 1, 1, "\x02\x22\x22\x22\x22\x22", 6), ==, 0);
    g_assert_false(comes_in(&r, MAC, 0));
    g_assert_true(comes_in(&r, "\x02\x22\x22\x22\x22\x22", 0));
    g_assert_cmphex(fx_config(r.fx, FX_LAST_SLOT, 0, 4), ==, 0x22222202);
    rig_down(&r);
}

static void test_vlan(void)
{
    Rig r;
    const uint8_t off = 0;
    const uint16_t five = 5, too_big = 4096;
    rig_up(&r, true, FILTER_FEATURES);
    command(&r, 0, 0, &off, 1);
    g_assert_false(comes_in(&r, MAC, 5));
    g_assert_cmpuint(command(&r, 2, 0, &five, 2), ==, 0);
    g_assert_true(comes_in(&r, MAC, 5));
    g_assert_false(comes_in(&r, MAC, 6));
    g_assert_cmpuint(command(&r, 2, 1, &five, 2), ==, 0);
    g_assert_false(comes_in(&r, MAC, 5));
    g_assert_cmpuint(command(&r, 2, 0, &too_big, 2), ==, 1);
    rig_down(&r);
}

static void test_bad_commands(void)
{
    Rig r;
    const uint8_t huge[] = {0xff, 0xff, 0xff, 0xff, 1, 2, 3};
    uint8_t many[4 + 6 * 100 + 4] = {100};
    const uint16_t one = 1;
    const uint64_t offload = 1, none = 0;
    rig_up(&r, true, FILTER_FEATURES);
    g_assert_cmpuint(command(&r, 0, 9, "\1", 1), ==, 1);
    g_assert_cmpuint(command(&r, 1, 0, huge, sizeof(huge)), ==, 1);
    g_assert_cmpuint(command(&r, 1, 0, "\0\0\0", 3), ==, 1);
    g_assert_cmpuint(command(&r, 1, 1, "\0\0\0", 3), ==, 1);
    g_assert_cmpuint(command(&r, 3, 0, "\0", 1), ==, 1);            /* nothing was announced */
    g_assert_cmpuint(command(&r, 4, 0, &one, 2), ==, 1);            /* MQ was not negotiated */
    g_assert_cmpuint(command(&r, 5, 0, &offload, 8), ==, 1);
    g_assert_cmpuint(command(&r, 5, 0, &none, 8), ==, 0);
    g_assert_cmpuint(command(&r, 77, 0, "\0", 1), ==, 1);
    /* A table that does not fit: all unicast passes. */
    g_assert_cmpuint(command(&r, 1, 0, many, sizeof(many)), ==, 0);
    g_assert_cmpuint(command(&r, 0, 0, "\0", 1), ==, 0);
    g_assert_true(comes_in(&r, "\x02\x00\x00\x00\x00\x09", 0));
    DrvBuf b = {r.scratch, 2, false};
    ring_add(&r.d, r.ctrl, &b, 1);
    drv_kick(&r.d, r.ctrl);
    g_assert_true(drv_broken(&r.d));
    rig_down(&r);
}

/* ---- link, announcement, reset ---- */

static void test_link(void)
{
    Rig r;
    rig_up(&r, true, VIRTIO_BIT(16));
    g_assert_cmpuint(fx_config(r.fx, FX_LAST_SLOT, 6, 2), ==, 1);
    machine_lock(r.fx->m);
    g_assert_true(net_set_link(r.fx->m, "net0", false, NULL));
    machine_unlock(r.fx->m);
    g_assert_cmpuint(fx_config(r.fx, FX_LAST_SLOT, 6, 2), ==, 0);
    g_assert_cmphex(fx_read(r.fx, FX_LAST_SLOT, 0x60), ==, 2);
    rig_down(&r);
}

static void test_announce(void)
{
    Rig r;
    size_t len;
    rig_up(&r, true, VIRTIO_BIT(16) | VIRTIO_BIT(17) | VIRTIO_BIT(21));
    fx_stop(r.fx);
    g_autofree uint8_t *buf = fx_save(r.dev, &len);
    g_assert_null(fx_load(r.dev, buf, len));
    g_assert_cmpuint(fx_config(r.fx, FX_LAST_SLOT, 6, 2), ==, 1);
    machine_lock(r.fx->m);
    vm_start(r.fx->m);
    machine_unlock(r.fx->m);
    g_assert_cmpuint(fx_config(r.fx, FX_LAST_SLOT, 6, 2), ==, 3);
    g_assert_cmphex(fx_read(r.fx, FX_LAST_SLOT, 0x60), ==, 2);
    g_assert_cmpuint(command(&r, 3, 0, "", 0), ==, 0);
    g_assert_cmpuint(fx_config(r.fx, FX_LAST_SLOT, 6, 2), ==, 1);
    /* The next round comes with a timer; after a reset none does. */
    while (fx_config(r.fx, FX_LAST_SLOT, 6, 2) == 1) {
        main_loop_iterate(r.fx->m->loop, true);
    }
    rig_down(&r);
}

static void test_no_driver(void)
{
    Rig r;
    uint8_t frame[60];
    rig_up(&r, true, 0);
    make_frame(frame, sizeof(frame), MAC);
    fx_write(r.fx, FX_LAST_SLOT, 0x70, 0);
    g_assert_cmpuint(host_send(&r, frame, sizeof(frame)), ==, 0);
    rig_down(&r);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/virtio/net/transmit/legacy", NULL, test_transmit);
    g_test_add_data_func("/virtio/net/transmit/modern", "", test_transmit);
    g_test_add_func("/virtio/net/receive", test_receive);
    g_test_add_func("/virtio/net/mergeable", test_mergeable);
    g_test_add_func("/virtio/net/back-pressure", test_back_pressure);
    g_test_add_func("/virtio/net/too-large", test_too_large);
    g_test_add_func("/virtio/net/filter", test_filter);
    g_test_add_func("/virtio/net/vlan", test_vlan);
    g_test_add_func("/virtio/net/bad-commands", test_bad_commands);
    g_test_add_func("/virtio/net/link", test_link);
    g_test_add_func("/virtio/net/announce", test_announce);
    g_test_add_func("/virtio/net/no-driver", test_no_driver);
    return g_test_run();
}
