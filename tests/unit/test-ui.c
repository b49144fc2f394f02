/*
 * test-ui.c - consoles and listeners, screen dumps read back, a VNC session by hand.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "ui/console.h"

#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <zlib.h>

#include "io/socket.h"
#include "system/clock.h"
#include "system/machine.h"

/* ---- a machine with nothing but a loop, clocks and the layer ---- */

static Machine *bare_machine_new(void)
{
    Machine *m = g_new0(Machine, 1);
    m->config = g_new0(MachineConfig, 1);
    m->loop = main_loop_new();
    m->clocks = clocks_new(m);
    m->ui = ui_layer_new(m);
    return m;
}

static void bare_machine_free(Machine *m)
{
    machine_lock(m);
    ui_layer_free(m->ui);
    m->ui = NULL;
    clocks_free(m->clocks);
    machine_unlock(m);
    main_loop_free(m->loop);
    g_free(m->config);
    g_free(m);
}

/* Every pixel is different: 0xYYXXSS. */
static pixman_image_t *pattern_new(int width, int height, uint8_t seed)
{
    pixman_image_t *image = pixman_image_create_bits(PIXMAN_x8r8g8b8, width, height, NULL, 0);
    uint32_t *pixels = pixman_image_get_data(image);
    int stride = pixman_image_get_stride(image) / 4;
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            pixels[y * stride + x] = (y & 255) << 16 | (x & 255) << 8 | seed;
        }
    }
    return image;
}

/* ---- consoles ---- */

typedef struct Watcher {
    UiListener *listener;
    unsigned switched, updated, gone;
    int rect[4];
    bool remove_in_callback;
} Watcher;

static void watch_switched(void *opaque, pixman_image_t *surface)
{
    Watcher *w = opaque;
    w->switched++;
    if (w->remove_in_callback) {
        ui_listener_remove(w->listener);
    }
}

static void watch_updated(void *opaque, int x, int y, int width, int height)
{
    Watcher *w = opaque;
    w->updated++;
    w->rect[0] = x;
    w->rect[1] = y;
    w->rect[2] = width;
    w->rect[3] = height;
}

static void watch_gone(void *opaque)
{
    ((Watcher *)opaque)->gone++;
}

static const UiListenerOps watch_ops = {
    .switched = watch_switched, .updated = watch_updated, .gone = watch_gone,
};

static void assert_rect(const Watcher *w, int x, int y, int width, int height)
{
    g_assert_cmpint(w->rect[0], ==, x);
    g_assert_cmpint(w->rect[1], ==, y);
    g_assert_cmpint(w->rect[2], ==, width);
    g_assert_cmpint(w->rect[3], ==, height);
}

static void test_listeners(void)
{
    Machine *m = bare_machine_new();
    Watcher a = { 0 }, b = { .remove_in_callback = true };
    UiConsole *con = ui_console_new(m, "gpu0", 0, NULL, NULL);
    a.listener = ui_listener_add(con, &watch_ops, &a);
    b.listener = ui_listener_add(con, &watch_ops, &b);

    ui_console_update(con, 0, 0, 10, 10);
    g_assert_cmpuint(a.updated, ==, 0);

    pixman_image_t *surface = pattern_new(40, 30, 0);
    ui_console_set_surface(con, surface);
    pixman_image_unref(surface);
    g_assert_true(ui_console_surface(con) == surface);
    g_assert_cmpuint(a.switched, ==, 1);
    g_assert_cmpuint(b.switched, ==, 1);

    ui_console_update(con, 5, 6, 7, 8);
    assert_rect(&a, 5, 6, 7, 8);
    ui_console_update(con, -5, 25, 1000, 1000);
    assert_rect(&a, 0, 25, 40, 5);
    ui_console_update(con, G_MININT, G_MININT, G_MAXINT, G_MAXINT);
    ui_console_update(con, G_MAXINT, 0, G_MAXINT, 1);
    ui_console_update(con, 40, 0, 1, 1);
    ui_console_update(con, 3, 3, -2, 5);
    g_assert_cmpuint(a.updated, ==, 2);
    g_assert_cmpuint(b.updated, ==, 0);

    ui_console_set_surface(con, NULL);
    g_assert_cmpuint(a.switched, ==, 2);
    g_assert_cmpuint(b.switched, ==, 1);
    ui_console_free(con);
    g_assert_cmpuint(a.gone, ==, 1);
    g_assert_cmpuint(b.gone, ==, 0);
    bare_machine_free(m);
}

static void test_find(void)
{
    Machine *m = bare_machine_new();
    g_assert_null(ui_console_find(m, NULL, 0));
    UiConsole *first = ui_console_new(m, "gpu0", 0, NULL, NULL);
    UiConsole *second = ui_console_new(m, "gpu0", 1, NULL, NULL);
    UiConsole *third = ui_console_new(m, NULL, 0, NULL, NULL);
    g_assert_true(ui_console_find(m, NULL, 0) == first);
    g_assert_true(ui_console_find(m, "gpu0", 1) == second);
    g_assert_null(ui_console_find(m, "gpu0", 2));
    g_assert_null(ui_console_find(m, "gpu1", 0));
    ui_console_free(first);
    g_assert_true(ui_console_find(m, NULL, 0) == third);
    bare_machine_free(m);
}

/* ---- screen dumps ---- */

static void assert_error(Error *err, const char *part)
{
    g_assert_nonnull(err);
    if (!strstr(error_get_pretty(err), part)) {
        g_error("'%s' is not in '%s'", part, error_get_pretty(err));
    }
    error_free(err);
}

static void test_screendump_errors(void)
{
    Machine *m = bare_machine_new();
    Error *err = NULL;
    g_assert_false(ui_screendump(m, NULL, 0, "/dev/null", "gif", &err));
    assert_error(g_steal_pointer(&err), "there are png and ppm");
    g_assert_false(ui_screendump(m, NULL, 0, "/dev/null", NULL, &err));
    assert_error(g_steal_pointer(&err), "no display");
    UiConsole *con = ui_console_new(m, "gpu0", 0, NULL, NULL);
    g_assert_false(ui_screendump(m, "gpu1", 0, "/dev/null", NULL, &err));
    g_assert_cmpint(error_get_class(err), ==, ERROR_CLASS_DEVICE_NOT_FOUND);
    assert_error(g_steal_pointer(&err), "gpu1");
    g_assert_false(ui_screendump(m, "gpu0", 3, "/dev/null", NULL, &err));
    assert_error(g_steal_pointer(&err), "no head 3");
    g_assert_false(ui_screendump(m, NULL, 0, "/dev/null", NULL, &err));
    assert_error(g_steal_pointer(&err), "shows nothing");
    pixman_image_t *surface = pattern_new(4, 4, 0);
    ui_console_set_surface(con, surface);
    pixman_image_unref(surface);
    g_assert_false(ui_screendump(m, NULL, 0, "/nonexistent/x", NULL, &err));
    assert_error(g_steal_pointer(&err), "/nonexistent/x");
    g_assert_false(ui_screendump(m, NULL, 0, "/dev/full", NULL, &err));
    assert_error(g_steal_pointer(&err), "cannot write '/dev/full'");
    bare_machine_free(m);
}

/* Draws when it is asked to: a dump must ask. */
static void draw_on_refresh(void *opaque)
{
    UiConsole **con = opaque;
    pixman_image_t *surface = pattern_new(33, 17, 0x5a);
    ui_console_set_surface(*con, surface);
    pixman_image_unref(surface);
}

static char *dump(const char *format, gsize *len, char **contents)
{
    static const UiConsoleOps ops = { .refresh = draw_on_refresh };
    Machine *m = bare_machine_new();
    UiConsole *con;
    con = ui_console_new(m, NULL, 0, &ops, &con);
    g_autofree char *dir = g_dir_make_tmp("test-ui-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "picture", NULL);
    Error *err = NULL;
    if (!ui_screendump(m, NULL, 0, path, format, &err)) {
        char *text = g_strdup(error_get_pretty(err));
        error_free(err);
        g_rmdir(dir);
        bare_machine_free(m);
        return text;
    }
    g_assert_true(g_file_get_contents(path, contents, len, NULL));
    g_unlink(path);
    g_rmdir(dir);
    bare_machine_free(m);
    return NULL;
}

static void assert_pattern(const guint8 *rgb)
{
    for (int y = 0; y < 17; y++) {
        for (int x = 0; x < 33; x++, rgb += 3) {
            g_assert_cmpint(rgb[0], ==, y);
            g_assert_cmpint(rgb[1], ==, x);
            g_assert_cmpint(rgb[2], ==, 0x5a);
        }
    }
}

static void test_ppm(void)
{
    g_autofree char *bytes = NULL;
    gsize len;
    g_assert_null(dump("ppm", &len, &bytes));
    const char header[] = "P6\n33 17\n255\n";
    g_assert_cmpuint(len, ==, strlen(header) + 33 * 17 * 3);
    g_assert_cmpmem(bytes, strlen(header), header, strlen(header));
    assert_pattern((guint8 *)bytes + strlen(header));
}

static guint32 be32(const guint8 *p)
{
    return (guint32)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

/* Unpacks the IDAT chunks of an 8-bit RGB image; returns the rows with their filter bytes. */
static GByteArray *png_rows(const guint8 *png, gsize len)
{
    GByteArray *packed = g_byte_array_new();
    for (gsize at = 8; at + 12 <= len; at += 12 + be32(png + at)) {
        if (memcmp(png + at + 4, "IDAT", 4) == 0) {
            g_byte_array_append(packed, png + at + 8, be32(png + at));
        }
    }
    GByteArray *rows = g_byte_array_new();
    g_byte_array_set_size(rows, 17 * (1 + 33 * 3) + 1);
    uLongf done = rows->len;
    g_assert_cmpint(uncompress(rows->data, &done, packed->data, packed->len), ==, Z_OK);
    g_byte_array_set_size(rows, done);
    g_byte_array_unref(packed);
    return rows;
}

static guint8 paeth(int a, int b, int c)
{
    int p = a + b - c;
    int pa = ABS(p - a), pb = ABS(p - b), pc = ABS(p - c);
    return pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
}

/* PNG specification, 9.2: undoes the filter of one row; prior may be zeroes. */
static void png_unfilter(guint8 *row, const guint8 *prior, guint8 filter)
{
    for (int i = 0; i < 33 * 3; i++) {
        int a = i < 3 ? 0 : row[i - 3], b = prior[i], c = i < 3 ? 0 : prior[i - 3];
        int predicted[] = { 0, a, b, (a + b) / 2, paeth(a, b, c) };
        g_assert_cmpint(filter, <, 5);
        row[i] += predicted[filter];
    }
}

static void test_png(void)
{
    g_autofree char *bytes = NULL;
    gsize len;
    g_autofree char *why = dump("png", &len, &bytes);
    if (why) {
        g_assert_nonnull(strstr(why, "libpng-dev"));
        g_test_skip("built without libpng");
        return;
    }
    const guint8 *png = (guint8 *)bytes;
    g_assert_cmpmem(png, 8, "\x89PNG\r\n\x1a\n", 8);
    g_assert_cmpuint(be32(png + 16), ==, 33);
    g_assert_cmpuint(be32(png + 20), ==, 17);
    g_assert_cmpint(png[24], ==, 8);
    g_assert_cmpint(png[25], ==, 2);
    GByteArray *rows = png_rows(png, len);
    g_assert_cmpuint(rows->len, ==, 17 * (1 + 33 * 3));
    guint8 zero[33 * 3] = { 0 };
    const guint8 *prior = zero;
    GByteArray *rgb = g_byte_array_new();
    for (int y = 0; y < 17; y++) {
        guint8 *row = rows->data + y * (1 + 33 * 3);
        png_unfilter(row + 1, prior, row[0]);
        prior = row + 1;
        g_byte_array_append(rgb, row + 1, 33 * 3);
    }
    assert_pattern(rgb->data);
    g_byte_array_unref(rgb);
    g_byte_array_unref(rows);
}

/* ---- a VNC session ---- */

typedef struct Session {
    Machine *m;
    UiConsole *con;
    char *dir, *path;
} Session;

static bool session_start(Session *s, int width, int height)
{
    g_autoptr(Error) err = NULL;
    s->m = bare_machine_new();
    machine_lock(s->m);
    s->con = ui_console_new(s->m, NULL, 0, NULL, NULL);
    pixman_image_t *surface = pattern_new(width, height, 0x77);
    ui_console_set_surface(s->con, surface);
    pixman_image_unref(surface);
    s->dir = g_dir_make_tmp("test-ui-XXXXXX", NULL);
    s->path = g_build_filename(s->dir, "vnc", NULL);
    g_autofree char *option = g_strdup_printf("unix:%s", s->path);
    bool ok = ui_vnc_start(s->m, option, &err);
    machine_unlock(s->m);
    if (!ok) {
        g_assert_nonnull(strstr(error_get_pretty(err), "libvncserver-dev"));
        g_test_skip("built without libvncserver");
    }
    return ok;
}

static void session_end(Session *s)
{
    bare_machine_free(s->m);
    g_unlink(s->path);
    g_rmdir(s->dir);
    g_free(s->path);
    g_free(s->dir);
}

static int viewer_connect(Session *s)
{
    SocketAddress *address = socket_address_new_unix(s->path, NULL);
    int fd = socket_connect(address, NULL);
    socket_address_free(address);
    g_assert_cmpint(fd, >=, 0);
    g_assert_true(fd_set_nonblocking(fd, true, NULL));
    return fd;
}

static void viewer_send(int fd, const char *text, size_t len)
{
    g_assert_cmpint(socket_send(fd, text, len), ==, len);
}

/* Runs the loop until len bytes have come; false if the connection ends before that. */
static bool viewer_read(Session *s, int fd, void *buf, size_t len)
{
    size_t have = 0;
    while (have < len) {
        ssize_t n = recv(fd, (char *)buf + have, len - have, 0);
        if (n > 0) {
            have += n;
        } else if (n < 0 && errno == EAGAIN) {
            main_loop_iterate(s->m->loop, true);
        } else {
            return false;
        }
    }
    return true;
}

static void viewer_handshake(Session *s, int fd, int width, int height)
{
    guint8 buf[256];
    g_assert_true(viewer_read(s, fd, buf, 12));
    g_assert_cmpmem(buf, 12, "RFB 003.008\n", 12);
    viewer_send(fd, "RFB 003.008\n", 12);
    g_assert_true(viewer_read(s, fd, buf, 2));
    g_assert_cmpmem(buf, 2, "\1\1", 2);         /* one security type: none */
    viewer_send(fd, "\1", 1);
    g_assert_true(viewer_read(s, fd, buf, 4));
    g_assert_cmpuint(be32(buf), ==, 0);         /* SecurityResult: ok */
    viewer_send(fd, "\0", 1);
    g_assert_true(viewer_read(s, fd, buf, 24));
    g_assert_cmpint(buf[0] << 8 | buf[1], ==, width);
    g_assert_cmpint(buf[2] << 8 | buf[3], ==, height);
    g_assert_cmpint(buf[4], ==, 32);
    g_assert_cmpint(buf[14], ==, 16);           /* red shift */
    g_assert_cmpuint(be32(buf + 20), <, sizeof(buf));
    g_assert_true(viewer_read(s, fd, buf, be32(buf + 20)));
}

/* Reads one FramebufferUpdate of raw rectangles into pixels; returns how many pixels it had. */
static unsigned viewer_read_update(Session *s, int fd, uint32_t *pixels, int width)
{
    guint8 head[12];
    unsigned total = 0;
    g_assert_true(viewer_read(s, fd, head, 4));
    g_assert_cmpint(head[0], ==, 0);
    for (int n = head[2] << 8 | head[3]; n > 0; n--) {
        g_assert_true(viewer_read(s, fd, head, 12));
        int x = head[0] << 8 | head[1], y = head[2] << 8 | head[3];
        int w = head[4] << 8 | head[5], h = head[6] << 8 | head[7];
        g_assert_cmpuint(be32(head + 8), ==, 0);
        for (int row = 0; row < h; row++) {
            g_assert_true(viewer_read(s, fd, pixels + (y + row) * width + x, w * 4));
        }
        total += w * h;
    }
    return total;
}

static void test_vnc_picture(void)
{
    enum { WIDTH = 320, HEIGHT = 200 };
    Session s;
    if (session_start(&s, WIDTH, HEIGHT)) {
        int fd = viewer_connect(&s);
        viewer_handshake(&s, fd, WIDTH, HEIGHT);
        uint32_t *pixels = g_new0(uint32_t, WIDTH * HEIGHT);
        /* The picture comes in slices: ask for what is new until all has come. */
        viewer_send(fd, "\3\0\0\0\0\0\1\x40\0\xc8", 10);
        unsigned got = viewer_read_update(&s, fd, pixels, WIDTH);
        g_assert_cmpuint(got, <, WIDTH * HEIGHT);
        while (got < WIDTH * HEIGHT) {
            viewer_send(fd, "\3\1\0\0\0\0\1\x40\0\xc8", 10);
            got += viewer_read_update(&s, fd, pixels, WIDTH);
        }
        pixman_image_t *surface = ui_console_surface(s.con);
        g_assert_cmpmem(pixels, WIDTH * HEIGHT * 4, pixman_image_get_data(surface),
                        WIDTH * HEIGHT * 4);

        /* One pixel changes, and comes alone. */
        viewer_send(fd, "\3\1\0\0\0\0\1\x40\0\xc8", 10);
        machine_lock(s.m);
        pixman_image_get_data(surface)[100 * WIDTH + 50] = 0x123456;
        ui_console_update(s.con, 50, 100, 1, 1);
        machine_unlock(s.m);
        g_assert_cmpuint(viewer_read_update(&s, fd, pixels, WIDTH), ==, 1);
        g_assert_cmphex(pixels[100 * WIDTH + 50], ==, 0x123456);
        g_free(pixels);
        close(fd);
    }
    session_end(&s);
}

/* Noise is the worst case of every encoding: none may fill what lies between us and the library. */
static void test_vnc_encodings(void)
{
    static const char list[] = { 0, 1, 2, 5, 6, 7, 16 };
    Session s;
    if (session_start(&s, 1024, 256)) {
        int fd = viewer_connect(&s);
        pixman_image_t *surface = ui_console_surface(s.con);
        for (int i = 0; i < 1024 * 256; i++) {
            pixman_image_get_data(surface)[i] = g_test_rand_int();
        }
        machine_lock(s.m);
        ui_console_update(s.con, 0, 0, 1024, 256);
        machine_unlock(s.m);
        viewer_handshake(&s, fd, 1024, 256);
        for (size_t i = 0; i < sizeof(list); i++) {
            guint8 buf[65536];
            char message[8] = { 2, 0, 0, 1, 0, 0, 0, list[i] };
            viewer_send(fd, message, sizeof(message));
            viewer_send(fd, "\3\0\0\0\0\0\4\0\1\0", 10);
            g_assert_true(viewer_read(&s, fd, buf, 16));
            g_assert_cmpint(buf[0], ==, 0);
            g_assert_cmpuint(be32(buf + 12), <=, 16);
            /* One request, one slice: when the library has been called, nothing more comes. */
            for (int quiet = 0; quiet < 3;) {
                main_loop_iterate(s.m->loop, false);
                ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
                g_assert_cmpint(n, !=, 0);
                quiet = n > 0 ? 0 : quiet + 1;
            }
        }
        close(fd);
    }
    session_end(&s);
}

static void test_vnc_resize(void)
{
    Session s;
    if (session_start(&s, 64, 32)) {
        guint8 head[16];
        int follows = viewer_connect(&s), cannot = viewer_connect(&s);
        viewer_handshake(&s, follows, 64, 32);
        viewer_handshake(&s, cannot, 64, 32);
        viewer_send(follows, "\2\0\0\2\0\0\0\0\xff\xff\xff\x21", 12);
        viewer_send(follows, "\3\1\0\0\0\0\0\x40\0\x20", 10);
        uint32_t *pixels = g_new0(uint32_t, 128 * 64);
        g_assert_cmpuint(viewer_read_update(&s, follows, pixels, 64), ==, 64 * 32);

        machine_lock(s.m);
        pixman_image_t *surface = pattern_new(126, 64, 0x11);
        ui_console_set_surface(s.con, surface);
        pixman_image_unref(surface);
        machine_unlock(s.m);
        viewer_send(follows, "\3\1\0\0\0\0\0\x40\0\x20", 10);
        g_assert_true(viewer_read(&s, follows, head, 16));
        g_assert_cmpint(head[3], ==, 1);
        g_assert_cmpmem(head + 4, 12, "\0\0\0\0\0\x80\0\x40\xff\xff\xff\x21", 12);
        g_assert_false(viewer_read(&s, cannot, head, 1));
        viewer_send(follows, "\3\0\0\0\0\0\0\x80\0\x40", 10);
        g_assert_cmpuint(viewer_read_update(&s, follows, pixels, 128), ==, 128 * 64);
        g_assert_cmphex(pixels[5 * 128 + 9], ==, 0x050911);
        g_assert_cmphex(pixels[5 * 128 + 126], ==, 0);
        g_free(pixels);
        close(follows);
        close(cannot);
    }
    session_end(&s);
}

/* Garbage after each stage of the handshake ends that connection, and nobody else's. */
static void test_vnc_hostile(void)
{
    Session s;
    if (session_start(&s, 64, 32)) {
        static const struct {
            const char *text;
            size_t len;
        } garbage[] = {
            { "GET / HTTP/1.1\r\n\r\n", 18 },
            { "RFB 003.008\n\2", 13 },
            { "RFB 003.008\n\1\1\xff\xff\xff\xff", 18 },
            { "RFB 003.003\n\1\2\0\xff\xff", 17 },
            { "RFB 003.008\n\1\1\0\0\0\0\x20\x18\0\1\0\xff\0\xff\0\xff\xff\xff\xff\0\0\0", 34 },
            { "RFB 003.008\n\1\1\7\1\0\0\0\0\0\0\0\0", 24 },
        };
        int good = viewer_connect(&s);
        guint8 buf[4096];
        for (unsigned i = 0; i < G_N_ELEMENTS(garbage); i++) {
            int fd = viewer_connect(&s);
            viewer_send(fd, garbage[i].text, garbage[i].len);
            g_assert_false(viewer_read(&s, fd, buf, sizeof(buf)));
            close(fd);
        }
        /* One that only connects, one that stops within a message, one that never reads. */
        int silent = viewer_connect(&s), half = viewer_connect(&s), deaf = viewer_connect(&s);
        viewer_send(half, "RFB 003.008\n\1\1\2\0\0\4\0", 19);
        viewer_send(deaf, "RFB 003.008\n\1\1", 14);
        for (int i = 0; i < 5000; i++) {
            if (socket_send(deaf, "\3\0\0\0\0\0\0\x40\0\x20", 10) < 0) {
                break;
            }
            main_loop_iterate(s.m->loop, false);
        }
        viewer_handshake(&s, good, 64, 32);
        close(silent);
        close(half);
        close(deaf);
        close(good);
    }
    session_end(&s);
}

static void test_vnc_too_many(void)
{
    Session s;
    if (session_start(&s, 64, 32)) {
        int fds[17];
        guint8 buf[12];
        for (unsigned i = 0; i < 16; i++) {
            fds[i] = viewer_connect(&s);
            g_assert_true(viewer_read(&s, fds[i], buf, 12));
        }
        fds[16] = viewer_connect(&s);
        g_assert_false(viewer_read(&s, fds[16], buf, 12));
        for (unsigned i = 0; i < 17; i++) {
            close(fds[i]);
        }
    }
    session_end(&s);
}

static void test_vnc_options(void)
{
    static const struct {
        const char *options, *part;
    } wrong[] = {
        { "localhost", "HOST:DISPLAY" },
        { ":x", "HOST:DISPLAY" },
        { ":99999", "HOST:DISPLAY" },
        { ":5,to=2", "below the first" },
        { "127.0.0.1:0,password=on", "not supported" },
        { ":0,websocket=on", "websocket" },
        { "unix:/x,to=2", "UNIX socket" },
    };
    Machine *m = bare_machine_new();
    Error *err = NULL;
    machine_lock(m);
    g_assert_true(ui_vnc_start(m, "none", NULL));
    g_assert_false(ui_vnc_start(m, "unix:/nonexistent/x", &err));
    if (strstr(error_get_pretty(err), "libvncserver-dev")) {
        g_test_skip("built without libvncserver");
    } else {
        for (unsigned i = 0; i < G_N_ELEMENTS(wrong); i++) {
            Error *why = NULL;
            g_assert_false(ui_vnc_start(m, wrong[i].options, &why));
            assert_error(why, wrong[i].part);
        }
    }
    error_free(err);
    machine_unlock(m);
    bare_machine_free(m);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ui/listeners", test_listeners);
    g_test_add_func("/ui/find", test_find);
    g_test_add_func("/ui/screendump/errors", test_screendump_errors);
    g_test_add_func("/ui/screendump/ppm", test_ppm);
    g_test_add_func("/ui/screendump/png", test_png);
    g_test_add_func("/ui/vnc/picture", test_vnc_picture);
    g_test_add_func("/ui/vnc/encodings", test_vnc_encodings);
    g_test_add_func("/ui/vnc/resize", test_vnc_resize);
    g_test_add_func("/ui/vnc/hostile", test_vnc_hostile);
    g_test_add_func("/ui/vnc/too-many", test_vnc_too_many);
    g_test_add_func("/ui/vnc/options", test_vnc_options);
    return g_test_run();
}
