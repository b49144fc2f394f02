/*
 * test-serial.c - the UART: FIFOs, each interrupt, loopback, a host end that cannot keep up, migration.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "board-fixture.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "chardev/char.h"
#include "hw/serial.h"

#define UART 0x10000000ull

enum { RBR = 0, THR = 0, IER, IIR, LCR, MCR, LSR, MSR, SCR, FCR = 2 };

static bool irq;

static DeviceState *uart_new(Machine *m)
{
    Error *err = NULL;
    irq = false;
    DeviceState *dev = sysbus_create(m, TYPE_SERIAL_MM, UART, probe(&irq), &err);
    g_assert_null(err);
    qdev_reset_all(m);
    return dev;
}

static uint8_t rd(Machine *m, unsigned reg)
{
    return bus_read(m, UART + reg, 1);
}

static void wr(Machine *m, unsigned reg, uint8_t value)
{
    bus_write(m, UART + reg, 1, value);
}

static void test_reset_values(void)
{
    static const uint8_t expected[] = { 0, 0, 0x01, 0, 0x08, 0x60, 0xb0, 0 };
    Machine *m = fixture_new(1);
    uart_new(m);
    for (unsigned i = 0; i < 8; i++) {
        g_assert_cmphex(rd(m, i), ==, expected[i]);
    }
    wr(m, LCR, 0x83);
    g_assert_cmphex(rd(m, 0), ==, 12);
    g_assert_cmphex(rd(m, 1), ==, 0);
    wr(m, 1, 0x12);
    wr(m, 0, 0x34);
    wr(m, LCR, 0x03);
    g_assert_cmphex(rd(m, IER), ==, 0);
    wr(m, LCR, 0x83);
    g_assert_cmphex(rd(m, 0), ==, 0x34);
    g_assert_cmphex(rd(m, 1), ==, 0x12);
    wr(m, SCR, 0x5a);
    g_assert_cmphex(rd(m, SCR), ==, 0x5a);
    wr(m, LCR, 0x03);
    wr(m, IER, 0xff);
    g_assert_cmphex(rd(m, IER), ==, 0x0f);
    wr(m, MCR, 0xff);
    g_assert_cmphex(rd(m, MCR), ==, 0x1f);
    g_assert_cmphex(bus_read(m, UART + 4, 4), ==, 0x1f);
    g_assert_true(bus_faults(m, UART + 8, 1));
    fixture_free(m);
}

/* What Linux's driver looks for to call it a 16550A. */
static void test_autodetect(void)
{
    Machine *m = fixture_new(1);
    uart_new(m);
    wr(m, FCR, 1);
    g_assert_cmphex(rd(m, IIR) & 0xc0, ==, 0xc0);
    wr(m, FCR, 0);
    g_assert_cmphex(rd(m, IIR) & 0xc0, ==, 0);
    for (unsigned out = 0; out < 16; out++) {
        wr(m, MCR, 0x10 | out);
        uint8_t lines = (out & 1 ? 0x20 : 0) | (out & 2 ? 0x10 : 0) | (out & 4 ? 0x40 : 0) |
                        (out & 8 ? 0x80 : 0);
        g_assert_cmphex(rd(m, MSR), ==, lines);
    }
    wr(m, MCR, 0);
    g_assert_cmphex(rd(m, MSR), ==, 0xb0);
    fixture_free(m);
}

static void test_thre_interrupt(void)
{
    Machine *m = fixture_new(1);
    uart_new(m);
    wr(m, IER, 2);
    g_assert_true(irq);
    g_assert_cmphex(rd(m, IIR), ==, 0x02);
    g_assert_false(irq);                    /* reading IIR took it back */
    g_assert_cmphex(rd(m, IIR), ==, 0x01);
    wr(m, THR, 'x');
    g_assert_true(irq);
    g_assert_cmphex(rd(m, LSR), ==, 0x60);
    wr(m, IER, 0);
    g_assert_false(irq);
    fixture_free(m);
}

static void test_loopback_fifo(void)
{
    Machine *m = fixture_new(1);
    uart_new(m);
    wr(m, FCR, 0xc7);                       /* trigger at 14 */
    wr(m, MCR, 0x10);
    wr(m, IER, 5);
    for (unsigned i = 0; i < 13; i++) {
        wr(m, THR, 'a' + i);
    }
    g_assert_false(irq);
    wr(m, THR, 'n');
    g_assert_cmphex(rd(m, IIR), ==, 0xc4);
    for (unsigned i = 14; i < 18; i++) {
        wr(m, THR, 'a' + i);                /* two too many */
    }
    g_assert_cmphex(rd(m, IIR), ==, 0xc6);
    g_assert_cmphex(rd(m, LSR), ==, 0x63);  /* overrun, told once */
    g_assert_cmphex(rd(m, LSR), ==, 0x61);
    for (unsigned i = 0; i < 16; i++) {
        g_assert_cmpint(rd(m, RBR), ==, 'a' + i);
    }
    g_assert_cmphex(rd(m, LSR), ==, 0x60);
    g_assert_cmphex(rd(m, RBR), ==, 0);
    g_assert_false(irq);
    fixture_free(m);
}

static void test_fifo_timeout(void)
{
    Machine *m = fixture_new(1);
    uart_new(m);
    wr(m, FCR, 0xc7);
    wr(m, MCR, 0x10);
    wr(m, IER, 1);
    fixture_set_time(m, 1000);
    wr(m, THR, 'a');
    wr(m, THR, 'b');
    g_assert_false(irq);
    int64_t due = clocks_virtual_deadline_ns(m->clocks);
    g_assert_cmpint(due, >, 1000);
    fixture_set_time(m, due);
    g_assert_true(irq);
    g_assert_cmphex(rd(m, IIR), ==, 0xcc);
    g_assert_cmpint(rd(m, RBR), ==, 'a');
    g_assert_false(irq);
    fixture_set_time(m, clocks_virtual_deadline_ns(m->clocks));
    g_assert_cmphex(rd(m, IIR), ==, 0xcc);
    g_assert_cmpint(rd(m, RBR), ==, 'b');
    g_assert_cmphex(rd(m, IIR), ==, 0xc1);
    g_assert_cmpint(clocks_virtual_deadline_ns(m->clocks), ==, INT64_MAX);
    fixture_free(m);
}

/* ---- with a host end ---- */

typedef struct HostEnd {
    char *dir, *path;           /* the UART's listening socket */
    int fd;                     /* our end */
    Chardev *chr;
} HostEnd;

static HostEnd host_end_new(Machine *m)
{
    HostEnd h;
    Error *err = NULL;
    char *dir = g_dir_make_tmp("godwit-serial-XXXXXX", NULL);
    char *path = g_build_filename(dir, "socket", NULL);
    char *text = g_strdup_printf("unix:%s,server=on,wait=off", path);
    h.chr = chardev_new_from_string(m, "serial0", text, &err);
    g_assert_null(err);
    h.path = path;
    h.dir = dir;
    g_free(text);
    return h;
}

static void host_end_connect(HostEnd *h, int send_buffer)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    g_strlcpy(addr.sun_path, h->path, sizeof(addr.sun_path));
    h->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (send_buffer) {
        setsockopt(h->fd, SOL_SOCKET, SO_RCVBUF, &send_buffer, sizeof(send_buffer));
    }
    g_assert_cmpint(connect(h->fd, (struct sockaddr *)&addr, sizeof(addr)), ==, 0);
    g_assert_cmpint(fcntl(h->fd, F_SETFL, O_NONBLOCK), ==, 0);
}

static void host_end_free(HostEnd *h)
{
    close(h->fd);
    unlink(h->path);
    rmdir(h->dir);
    g_free(h->path);
    g_free(h->dir);
}

/* Runs the main loop until cond holds; the lock is ours before and after. */
#define LOOP_UNTIL(_m, _cond) do { \
        gint64 _end = g_get_monotonic_time() + 10 * G_TIME_SPAN_SECOND; \
        while (!(_cond)) { \
            g_assert_cmpint(g_get_monotonic_time(), <, _end); \
            machine_unlock(_m); \
            main_loop_iterate((_m)->loop, false); \
            machine_lock(_m); \
        } \
    } while (0)

static void test_receive(void)
{
    Machine *m = fixture_new(1);
    uart_new(m);
    HostEnd h = host_end_new(m);
    Error *err = NULL;
    g_assert_true(serial_connect(m, 0, h.chr, &err));
    g_assert_false(serial_connect(m, 0, h.chr, &err));
    assert_error(err, "connected already");
    err = NULL;
    g_assert_false(serial_connect(m, 1, h.chr, &err));
    assert_error(err, "no serial port 1; this machine has 1");
    host_end_connect(&h, 0);
    wr(m, FCR, 0x07);
    wr(m, IER, 1);

    /* A thousand bytes through a FIFO of sixteen: the host end waits, nothing is lost. */
    uint8_t sent[1000];
    for (unsigned i = 0; i < sizeof(sent); i++) {
        sent[i] = i * 7;
    }
    g_assert_cmpint(write(h.fd, sent, sizeof(sent)), ==, sizeof(sent));
    for (unsigned i = 0; i < sizeof(sent); i++) {
        LOOP_UNTIL(m, rd(m, LSR) & 1);
        g_assert_true(irq);
        g_assert_cmphex(rd(m, RBR), ==, sent[i]);
    }
    g_assert_false(rd(m, LSR) & 2);
    fixture_free(m);
    host_end_free(&h);
}

static void test_back_pressure(void)
{
    Machine *m = fixture_new(1);
    uart_new(m);
    HostEnd h = host_end_new(m);
    g_assert_true(serial_connect(m, 0, h.chr, NULL));
    host_end_connect(&h, 4096);
    LOOP_UNTIL(m, char_is_open(h.chr));
    wr(m, FCR, 0x07);

    /* Until the host end takes no more, then until the FIFO is full. */
    unsigned sent = 0;
    while ((rd(m, LSR) & 0x20) && sent < 64 * 1024 * 1024) {
        wr(m, THR, sent++ * 13);
    }
    g_assert_cmpuint(sent, <, 64 * 1024 * 1024);
    for (unsigned i = 1; i < 16; i++) {
        wr(m, THR, sent++ * 13);
    }
    g_assert_cmphex(rd(m, LSR) & 0x60, ==, 0);
    wr(m, IER, 2);
    g_assert_false(irq);

    /* What cannot leave migrates, and the machine that arrives sends it. */
    size_t len;
    uint8_t *bytes = section_save(m, "serial", &len);
    g_assert_cmpuint(len, >, 11);
    qdev_reset_all(m);
    g_assert_true(section_load(m, "serial", bytes, len, NULL));
    g_free(bytes);

    unsigned got = 0;
    while (got < sent) {
        uint8_t buf[4096];
        ssize_t n = read(h.fd, buf, sizeof(buf));
        if (n < 0) {
            LOOP_UNTIL(m, (n = read(h.fd, buf, sizeof(buf))) > 0);
        }
        for (ssize_t i = 0; i < n; i++) {
            g_assert_cmphex(buf[i], ==, (uint8_t)(got++ * 13));
        }
    }
    LOOP_UNTIL(m, (rd(m, LSR) & 0x60) == 0x60);
    g_assert_true(irq);
    fixture_free(m);
    host_end_free(&h);
}

/* ---- streams, as the peer writes them ---- */

static void test_stream_layout(void)
{
    Machine *m = fixture_new(1);
    size_t len;
    uart_new(m);
    wr(m, LCR, 0x93);
    wr(m, 0, 0x18);
    wr(m, LCR, 0x13);
    wr(m, FCR, 0x81);
    wr(m, IER, 5);
    wr(m, MCR, 0x0b);
    uint8_t *bytes = section_save(m, "serial", &len);
    size_t expected_len;
    uint8_t *expected = unhex("0018 00 05 c1 13 0b 60 b0 00 81", &expected_len);
    g_assert_cmpmem(bytes, len, expected, expected_len);
    g_free(bytes);
    g_free(expected);
    fixture_free(m);
}

/* Sections of the peer: a byte waiting in the FIFO; an unseen THRE interrupt as well. */
static void test_peer_sections(void)
{
    static const char *const streams[] = {
        "000c 00 01 c4 00 08 61 b0 00 01 "
        "05 10 73657269616c2f726563765f6669666f 00000001 "
        "61fd1662050000000000000000000000 00000000 00000001 "
        "05 19 73657269616c2f6669666f5f74696d656f75745f74696d6572 00000001 00000000003f93f0",
        "000c 00 0f c4 00 1f 61 b0 00 01 "
        "05 13 73657269616c2f7468725f6970656e64696e67 00000001 00000001 "
        "05 10 73657269616c2f726563765f6669666f 00000001 "
        "61bbdb5c050000000000000000000000 00000000 00000001",
    };
    Machine *m = fixture_new(1);
    uart_new(m);
    for (unsigned i = 0; i < G_N_ELEMENTS(streams); i++) {
        size_t len;
        Error *err = NULL;
        uint8_t *bytes = unhex(streams[i], &len);
        g_assert_true(section_load(m, "serial", bytes, len, &err));
        g_assert_true(irq);
        g_assert_cmphex(rd(m, IIR), ==, 0xc4);
        g_assert_cmpint(rd(m, RBR), ==, 'a');
        g_assert_cmphex(rd(m, IIR), ==, i == 0 ? 0xc1 : 0xc2);
        g_free(bytes);
    }
    fixture_free(m);
}

/* A section of the peer with bytes that its host end had not taken: they are sent from here. */
static void test_peer_unsent(void)
{
    Machine *m = fixture_new(1);
    char got[32] = "";
    size_t len, n = 0;
    uart_new(m);
    HostEnd h = host_end_new(m);
    g_assert_true(serial_connect(m, 0, h.chr, NULL));
    host_end_connect(&h, 0);
    LOOP_UNTIL(m, char_is_open(h.chr));
    uint8_t *bytes = unhex("000c 00 00 c1 00 08 00 b0 00 01 "
                           "05 0a 73657269616c2f747372 00000001 00000001 65 53 "
                           "05 10 73657269616c2f786d69745f6669666f 00000001 "
                           "61626364655253545556575859 5a4142 00000007 0000000e", &len);
    g_assert_true(section_load(m, "serial", bytes, len, NULL));
    g_assert_cmphex(rd(m, LSR), ==, 0x60);
    while (n < 15) {
        ssize_t ret = read(h.fd, got + n, sizeof(got) - n);
        n += ret > 0 ? ret : 0;
    }
    g_assert_cmpstr(got, ==, "STUVWXYZABabcde");
    g_free(bytes);
    fixture_free(m);
    host_end_free(&h);
}

static void test_bad_streams(void)
{
    Machine *m = fixture_new(1);
    size_t len;
    Error *err = NULL;
    uart_new(m);
    uint8_t *bytes = unhex("000c 00 01 c4 00 08 61 b0 00 01 "
                           "05 10 73657269616c2f726563765f6669666f 00000001 "
                           "00000000000000000000000000000000 00000010 00000001", &len);
    g_assert_false(section_load(m, "serial", bytes, len, &err));
    assert_error(err, "head 16");
    err = NULL;
    bytes[len - 5] = 0;
    bytes[len - 1] = 17;
    g_assert_false(section_load(m, "serial", bytes, len, &err));
    assert_error(err, "num 17");
    for (size_t cut = 0; cut < 11; cut++) {
        g_assert_false(section_load(m, "serial", bytes, cut, NULL));
    }
    g_free(bytes);
    fixture_free(m);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/serial/reset-values", test_reset_values);
    g_test_add_func("/serial/autodetect", test_autodetect);
    g_test_add_func("/serial/thre-interrupt", test_thre_interrupt);
    g_test_add_func("/serial/loopback-fifo", test_loopback_fifo);
    g_test_add_func("/serial/fifo-timeout", test_fifo_timeout);
    g_test_add_func("/serial/receive", test_receive);
    g_test_add_func("/serial/back-pressure", test_back_pressure);
    g_test_add_func("/serial/stream-layout", test_stream_layout);
    g_test_add_func("/serial/peer-sections", test_peer_sections);
    g_test_add_func("/serial/peer-unsent", test_peer_unsent);
    g_test_add_func("/serial/bad-streams", test_bad_streams);
    return g_test_run();
}
