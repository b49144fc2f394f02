/*
 * test-virtio-console.c - the virtio serial device, its ports and its control messages.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "virtio-rings.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "chardev/char.h"

enum { DEVICE_READY, PORT_ADD, PORT_REMOVE, PORT_READY, CONSOLE_PORT, RESIZE, PORT_OPEN, PORT_NAME };
enum { CTRL_BUFFER = 128 };

typedef struct Rig {
    VFixture *fx;
    DeviceState *dev;
    Driver d;
    int peer[2];                    /* our ends of the console's and of the port's socket */
    DrvQueue *ctrl_in, *ctrl_out;
    hwaddr ctrl_bufs, scratch;
} Rig;

static void add_chardev(Rig *r, const char *id, int *peer)
{
    Error *err = NULL;
    int sv[2];
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv), ==, 0);
    json_t *options = json_pack("{s:s, s:s, s:i}", "backend", "socket", "id", id, "fd", sv[0]);
    machine_lock(r->fx->m);
    if (!chardev_new(r->fx->m, options, &err)) {
        g_error("%s", error_get_pretty(err));
    }
    machine_unlock(r->fx->m);
    json_decref(options);
    *peer = sv[1];
}

/* Port 0 a console on c0, port 1 named org.test on c1. */
static void rig_new(Rig *r, bool modern)
{
    *r = (Rig){.fx = fx_new(modern, false)};
    add_chardev(r, "c0", &r->peer[0]);
    add_chardev(r, "c1", &r->peer[1]);
    r->dev = fx_device(r->fx, "virtio-serial-device,max_ports=3");
    fx_device(r->fx, "virtconsole,chardev=c0");
    fx_device(r->fx, "virtserialport,chardev=c1,name=org.test,nr=1");
    fx_start(r->fx);
}

static void rig_driver(Rig *r, uint64_t features)
{
    drv_begin(&r->d, r->fx, FX_LAST_SLOT, features);
    for (unsigned i = 0; i < 6; i++) {
        drv_queue(&r->d, i, 32);
    }
    r->ctrl_in = &r->d.queues[2];
    r->ctrl_out = &r->d.queues[3];
    drv_ok(&r->d);
    r->ctrl_bufs = fx_alloc(r->fx, 32 * CTRL_BUFFER);
    r->scratch = fx_alloc(r->fx, 65536);
    if (!(r->d.features & 2)) {
        return;
    }
    for (unsigned i = 0; i < 16; i++) {
        DrvBuf b = {r->ctrl_bufs + i * CTRL_BUFFER, CTRL_BUFFER, true};
        ring_add(&r->d, r->ctrl_in, &b, 1);
    }
    drv_kick(&r->d, r->ctrl_in);
}

static void rig_down(Rig *r)
{
    fx_free(r->fx);
    close(r->peer[0]);
    close(r->peer[1]);
}

static void tell(Rig *r, uint32_t port, uint16_t event, uint16_t value)
{
    unsigned head;
    uint8_t *p = fx_ram(r->fx, r->scratch);
    memcpy(p, &port, 4);
    memcpy(p + 4, &event, 2);
    memcpy(p + 6, &value, 2);
    DrvBuf b = {r->scratch, 8, false};
    ring_add(&r->d, r->ctrl_out, &b, 1);
    drv_kick(&r->d, r->ctrl_out);
    g_assert_true(ring_used(&r->d, r->ctrl_out, &head, NULL));
}

/* The next message of the device must be this one. */
static void expect(Rig *r, uint32_t port, uint16_t event, uint16_t value, const char *text)
{
    unsigned head;
    uint32_t len;
    g_assert_true(ring_used(&r->d, r->ctrl_in, &head, &len));
    const uint8_t *p = fx_ram(r->fx, r->ctrl_bufs + head * CTRL_BUFFER);
    g_assert_cmpuint(*(uint32_t *)p, ==, port);
    g_assert_cmpuint(*(uint16_t *)(p + 4), ==, event);
    g_assert_cmpuint(*(uint16_t *)(p + 6), ==, value);
    g_assert_cmpmem(p + 8, len - 8, text ? text : "", text ? strlen(text) : 0);
}

static void expect_silence(Rig *r)
{
    unsigned head;
    g_assert_false(ring_used(&r->d, r->ctrl_in, &head, NULL));
}

static void handshake(Rig *r)
{
    tell(r, 0, DEVICE_READY, 1);
    expect(r, 0, PORT_ADD, 1, NULL);
    expect(r, 1, PORT_ADD, 1, NULL);
    tell(r, 0, PORT_READY, 1);
    expect(r, 0, CONSOLE_PORT, 1, NULL);
    expect(r, 0, PORT_OPEN, 1, NULL);
    tell(r, 1, PORT_READY, 1);
    expect(r, 1, PORT_NAME, 1, "org.test");
    expect(r, 1, PORT_OPEN, 1, NULL);
    expect_silence(r);
}

/* ---- control ---- */

static void test_handshake(gconstpointer modern)
{
    Rig r;
    rig_new(&r, modern != NULL);
    rig_driver(&r, ~UINT64_C(0));
    g_assert_cmphex(r.d.features & 7, ==, 6);
    g_assert_cmpuint(fx_config(r.fx, FX_LAST_SLOT, 4, 4), ==, 3);
    handshake(&r);
    /* What makes no sense is passed over. */
    tell(&r, 2, PORT_READY, 1);
    tell(&r, 0xffffffff, PORT_OPEN, 1);
    tell(&r, 0, 1000, 1);
    expect_silence(&r);
    g_assert_false(drv_broken(&r.d));
    rig_down(&r);
}

static void test_host_closes(void)
{
    Rig r;
    rig_new(&r, true);
    rig_driver(&r, ~UINT64_C(0));
    handshake(&r);
    /* Somebody must listen: a host end that nobody reads from is not watched. */
    tell(&r, 1, PORT_OPEN, 1);
    DrvBuf b = {r.scratch + 256, 16, true};
    ring_add(&r.d, &r.d.queues[4], &b, 1);
    drv_kick(&r.d, &r.d.queues[4]);
    shutdown(r.peer[1], SHUT_RDWR);
    close(r.peer[1]);
    r.peer[1] = -1;
    while (ring_used_idx(r.fx, r.ctrl_in) == r.ctrl_in->used_seen) {
        main_loop_iterate(r.fx->m->loop, true);
    }
    expect(&r, 1, PORT_OPEN, 0, NULL);
    rig_down(&r);
}

/* Without a buffer a message waits. */
static void test_messages_wait(void)
{
    Rig r;
    rig_new(&r, true);
    drv_begin(&r.d, r.fx, FX_LAST_SLOT, ~UINT64_C(0));
    for (unsigned i = 0; i < 6; i++) {
        drv_queue(&r.d, i, 32);
    }
    r.ctrl_in = &r.d.queues[2];
    r.ctrl_out = &r.d.queues[3];
    drv_ok(&r.d);
    r.ctrl_bufs = fx_alloc(r.fx, 32 * CTRL_BUFFER);
    r.scratch = fx_alloc(r.fx, 65536);
    tell(&r, 0, DEVICE_READY, 1);
    expect_silence(&r);
    for (unsigned i = 0; i < 2; i++) {
        DrvBuf b = {r.ctrl_bufs + i * CTRL_BUFFER, CTRL_BUFFER, true};
        ring_add(&r.d, r.ctrl_in, &b, 1);
    }
    drv_kick(&r.d, r.ctrl_in);
    expect(&r, 0, PORT_ADD, 1, NULL);
    expect(&r, 1, PORT_ADD, 1, NULL);
    rig_down(&r);
}

/* ---- data ---- */

static void test_output(void)
{
    Rig r;
    char got[32] = "";
    rig_new(&r, true);
    rig_driver(&r, ~UINT64_C(0));
    handshake(&r);
    memcpy(fx_ram(r.fx, r.scratch), "hello, world", 12);
    DrvBuf b[2] = {{r.scratch, 5, false}, {r.scratch + 5, 7, false}};
    ring_add(&r.d, &r.d.queues[1], b, 2);
    drv_kick(&r.d, &r.d.queues[1]);
    ring_wait(&r.d, &r.d.queues[1]);
    while (read(r.peer[0], got, sizeof(got)) < 0) {
        main_loop_iterate(r.fx->m->loop, true);
    }
    g_assert_cmpstr(got, ==, "hello, world");
    /* Output to a port that is not there disappears, and the buffer comes back. */
    rig_down(&r);
}

static void test_input(void)
{
    Rig r;
    unsigned head;
    rig_new(&r, true);
    rig_driver(&r, ~UINT64_C(0));
    handshake(&r);
    DrvQueue *in = &r.d.queues[4];
    for (unsigned i = 0; i < 3; i++) {
        DrvBuf b = {r.scratch + 256 + 16 * i, 4, true};
        ring_add(&r.d, in, &b, 1);
    }
    drv_kick(&r.d, in);
    g_assert_cmpint(write(r.peer[1], "abcdefghi", 9), ==, 9);
    fx_settle(r.fx);
    g_assert_false(ring_used(&r.d, in, &head, NULL));   /* the guest's end is not open yet */
    tell(&r, 1, PORT_OPEN, 1);
    g_assert_cmpuint(ring_wait(&r.d, in), ==, 4);
    g_assert_cmpuint(ring_wait(&r.d, in), ==, 4);
    g_assert_cmpuint(ring_wait(&r.d, in), ==, 1);
    g_assert_cmpmem(fx_ram(r.fx, r.scratch + 256), 4, "abcd", 4);
    g_assert_cmpmem(fx_ram(r.fx, r.scratch + 272), 4, "efgh", 4);
    g_assert_cmpmem(fx_ram(r.fx, r.scratch + 288), 1, "i", 1);
    rig_down(&r);
}

/* A console without MULTIPORT: port 0 alone, open from the start. */
static void test_single_port(void)
{
    Rig r;
    rig_new(&r, false);
    rig_driver(&r, 0);
    DrvBuf b = {r.scratch + 256, 16, true};
    ring_add(&r.d, &r.d.queues[0], &b, 1);
    drv_kick(&r.d, &r.d.queues[0]);
    g_assert_cmpint(write(r.peer[0], "x", 1), ==, 1);
    g_assert_cmpuint(ring_wait(&r.d, &r.d.queues[0]), ==, 1);
    g_assert_cmphex(*(char *)fx_ram(r.fx, r.scratch + 256), ==, 'x');
    rig_down(&r);
}

/* Sends from the guest until the host end takes no more; returns how many requests were given. */
static unsigned fill_up(Rig *r)
{
    DrvQueue *out = &r->d.queues[5];
    unsigned given = 0, head;
    for (;;) {
        uint8_t *p = fx_ram(r->fx, r->scratch + 16384);
        for (unsigned i = 0; i < 4096; i++) {
            p[i] = i % 251;
        }
        DrvBuf b = {r->scratch + 16384, 4096, false};
        ring_add(&r->d, out, &b, 1);
        drv_kick(&r->d, out);
        given++;
        if (!ring_used(&r->d, out, &head, NULL)) {
            return given;
        }
    }
}

/* Reads everything and checks that it is `requests` times the pattern. */
static void drain(Rig *r, unsigned requests)
{
    size_t total = 0;
    uint8_t buf[4096];
    while (total < requests * 4096ul) {
        ssize_t n = read(r->peer[1], buf, sizeof(buf));
        if (n < 0) {
            g_assert_cmpint(errno, ==, EAGAIN);
            main_loop_iterate(r->fx->m->loop, true);
            continue;
        }
        for (ssize_t i = 0; i < n; i++) {
            g_assert_cmpuint(buf[i], ==, (total + i) % 4096 % 251);
        }
        total += n;
    }
}

static void test_back_pressure(void)
{
    Rig r;
    rig_new(&r, true);
    rig_driver(&r, ~UINT64_C(0));
    handshake(&r);
    unsigned given = fill_up(&r);
    drain(&r, given);
    ring_wait(&r.d, &r.d.queues[5]);
    rig_down(&r);
}

/* A half-written request goes along with the machine; every byte arrives once. */
static void test_pending_output_moves(void)
{
    Rig r;
    size_t len, len2;
    rig_new(&r, true);
    rig_driver(&r, ~UINT64_C(0));
    handshake(&r);
    tell(&r, 1, PORT_OPEN, 1);
    unsigned given = fill_up(&r);
    fx_stop(r.fx);
    g_autofree uint8_t *buf = fx_save(r.dev, &len);
    g_assert_cmpuint(len, >, 49168);
    Error *err = fx_load(r.dev, buf, len);
    if (err) {
        g_error("%s", error_get_pretty(err));
    }
    g_autofree uint8_t *again = fx_save(r.dev, &len2);
    g_assert_cmpmem(again, len2, buf, len);
    machine_lock(r.fx->m);
    vm_start(r.fx->m);
    machine_unlock(r.fx->m);
    drain(&r, given);
    ring_wait(&r.d, &r.d.queues[5]);
    rig_down(&r);
}

static void test_emergency_write(void)
{
    Rig r;
    char got = 0;
    rig_new(&r, true);
    fx_write(r.fx, FX_LAST_SLOT, 0x108, 'E');
    while (read(r.peer[0], &got, 1) < 0) {
        main_loop_iterate(r.fx->m->loop, true);
    }
    g_assert_cmpint(got, ==, 'E');
    rig_down(&r);
}

/* ---- ports ---- */

static void expect_refused(VFixture *fx, const char *text)
{
    Error *err = NULL;
    json_t *options = keyval_parse(text, "driver", NULL);
    machine_lock(fx->m);
    g_assert_null(qdev_device_add(fx->m, options, &err));
    machine_unlock(fx->m);
    g_assert_nonnull(err);
    error_free(err);
    json_decref(options);
}

static void test_port_numbers(void)
{
    VFixture *fx = fx_new(true, false);
    expect_refused(fx, "virtserialport");
    fx_device(fx, "virtio-serial-device,max_ports=3,id=vs");
    expect_refused(fx, "virtserialport,nr=0");
    expect_refused(fx, "virtserialport,nr=3");
    expect_refused(fx, "virtserialport,bus=other.0");
    fx_device(fx, "virtserialport,bus=vs.0,nr=2");
    expect_refused(fx, "virtserialport,nr=2");
    fx_device(fx, "virtserialport");
    fx_device(fx, "virtconsole");
    expect_refused(fx, "virtconsole");
    expect_refused(fx, "virtio-serial-device,max_ports=0");
    expect_refused(fx, "virtio-serial-device,max_ports=512");
    fx_free(fx);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/virtio/console/handshake/legacy", NULL, test_handshake);
    g_test_add_data_func("/virtio/console/handshake/modern", "", test_handshake);
    g_test_add_func("/virtio/console/host-closes", test_host_closes);
    g_test_add_func("/virtio/console/messages-wait", test_messages_wait);
    g_test_add_func("/virtio/console/output", test_output);
    g_test_add_func("/virtio/console/input", test_input);
    g_test_add_func("/virtio/console/single-port", test_single_port);
    g_test_add_func("/virtio/console/back-pressure", test_back_pressure);
    g_test_add_func("/virtio/console/pending-output-moves", test_pending_output_moves);
    g_test_add_func("/virtio/console/emergency-write", test_emergency_write);
    g_test_add_func("/virtio/console/port-numbers", test_port_numbers);
    return g_test_run();
}
