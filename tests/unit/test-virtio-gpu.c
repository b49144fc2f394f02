/*
 * test-virtio-gpu.c - the virtio display: what a guest draws is what a viewer sees.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "virtio-rings.h"

#include "ui/console.h"

enum { NODATA = 0x1100, UNSPEC = 0x1200, NO_MEMORY, NO_SCANOUT, NO_RESOURCE, NO_PARAMETER = 0x1205 };

typedef struct Rig {
    VFixture *fx;
    DeviceState *dev;
    Driver d;
    hwaddr request, answer, pixels;
    uint32_t answer_len;
} Rig;

static void rig_driver(Rig *r)
{
    drv_begin(&r->d, r->fx, FX_LAST_SLOT, ~UINT64_C(0));
    drv_queue(&r->d, 0, 16);
    drv_queue(&r->d, 1, 16);
    drv_ok(&r->d);
    r->request = fx_alloc(r->fx, 4096);
    r->answer = fx_alloc(r->fx, 4096);
    r->pixels = fx_alloc(r->fx, 1 << 20);
}

static void rig_up(Rig *r, const char *device)
{
    *r = (Rig){.fx = fx_new(false, false)};         /* the slot becomes modern by itself */
    r->dev = fx_device(r->fx, device);
    fx_start(r->fx);
    rig_driver(r);
    g_assert_true(r->d.modern);
}

/* Sends words behind a header of that type; returns the answer's type. */
static uint32_t command_n(Rig *r, unsigned queue, uint32_t type, const uint32_t *words, unsigned n)
{
    uint32_t *p = fx_ram(r->fx, r->request);
    memset(p, 0, 24);
    p[0] = type;
    for (unsigned i = 0; i < n; i++) {
        p[6 + i] = words[i];
    }
    memset(fx_ram(r->fx, r->answer), 0, 2048);
    DrvBuf b[2] = {{r->request, 24 + 4 * n, false}, {r->answer, 2048, true}};
    ring_add(&r->d, &r->d.queues[queue], b, 2);
    drv_kick(&r->d, &r->d.queues[queue]);
    r->answer_len = ring_wait(&r->d, &r->d.queues[queue]);
    return *(uint32_t *)fx_ram(r->fx, r->answer);
}

#define WORDS(...) ((const uint32_t[]){__VA_ARGS__}), sizeof((const uint32_t[]){__VA_ARGS__}) / 4
#define command(r, type, ...) command_n(r, 0, type, WORDS(__VA_ARGS__))
#define cursor(r, type, ...) command_n(r, 1, type, WORDS(__VA_ARGS__))

static uint32_t create(Rig *r, uint32_t id, uint32_t format, uint32_t width, uint32_t height)
{
    return command(r, 0x101, id, format, width, height);
}

static uint32_t attach(Rig *r, uint32_t id, hwaddr addr, uint32_t len)
{
    return command(r, 0x106, id, 1, addr, addr >> 32, len, 0);
}

static uint32_t pixel(Rig *r, int x, int y)
{
    UiConsole *con = ui_console_find(r->fx->m, NULL, 0);
    pixman_image_t *image = ui_console_surface(con);
    g_assert_nonnull(image);
    return pixman_image_get_data(image)[y * (pixman_image_get_stride(image) / 4) + x] & 0xffffff;
}

/* Resource 1, 64 x 32, shown whole, every pixel its number. */
static void show_numbers(Rig *r)
{
    uint32_t *p = fx_ram(r->fx, r->pixels);
    for (unsigned i = 0; i < 64 * 32; i++) {
        p[i] = i;
    }
    g_assert_cmphex(create(r, 1, 2, 64, 32), ==, NODATA);
    g_assert_cmphex(attach(r, 1, r->pixels, 64 * 32 * 4), ==, NODATA);
    g_assert_cmphex(command(r, 0x103, 0, 0, 64, 32, 0, 1), ==, NODATA);
    g_assert_cmphex(command(r, 0x105, 0, 0, 64, 32, 0, 0, 1, 0), ==, NODATA);
    g_assert_cmphex(command(r, 0x104, 0, 0, 64, 32, 1, 0), ==, NODATA);
}

/* ---- drawing ---- */

static void test_show(void)
{
    Rig r;
    rig_up(&r, "virtio-gpu-device");
    show_numbers(&r);
    g_assert_cmphex(pixel(&r, 0, 0), ==, 0);
    g_assert_cmphex(pixel(&r, 63, 31), ==, 64 * 32 - 1);
    /* Part of it: row 10 from column 5, eight pixels. A transfer alone shows nothing. */
    uint32_t *p = fx_ram(r.fx, r.pixels);
    for (unsigned i = 0; i < 64 * 32; i++) {
        p[i] = 0xff0000 + i;
    }
    unsigned offset = (10 * 64 + 5) * 4;
    g_assert_cmphex(command(&r, 0x105, 5, 10, 8, 2, offset, 0, 1, 0), ==, NODATA);
    g_assert_cmphex(pixel(&r, 5, 10), ==, 10 * 64 + 5);
    g_assert_cmphex(command(&r, 0x104, 5, 10, 8, 1, 1, 0), ==, NODATA);
    g_assert_cmphex(pixel(&r, 5, 10), ==, 0xff0000 + 10 * 64 + 5);
    g_assert_cmphex(pixel(&r, 12, 10), ==, 0xff0000 + 10 * 64 + 12);
    g_assert_cmphex(pixel(&r, 13, 10), ==, 10 * 64 + 13);
    g_assert_cmphex(pixel(&r, 5, 11), ==, 11 * 64 + 5);
    /* A scanout of a part. */
    g_assert_cmphex(command(&r, 0x103, 4, 8, 16, 16, 0, 1), ==, NODATA);
    g_assert_cmphex(pixel(&r, 0, 0), ==, 8 * 64 + 4);
    g_assert_cmphex(command(&r, 0x103, 0, 0, 0, 0, 0, 0), ==, NODATA);
    g_assert_null(ui_console_surface(ui_console_find(r.fx->m, NULL, 0)));
    fx_free(r.fx);
}

static void test_formats(void)
{
    static const struct {
        uint32_t format;
        uint8_t bytes[4];
    } table[] = {
        {1, {3, 2, 1, 255}}, {2, {3, 2, 1, 0}}, {3, {255, 1, 2, 3}}, {4, {0, 1, 2, 3}},
        {67, {1, 2, 3, 255}}, {68, {0, 3, 2, 1}}, {121, {255, 3, 2, 1}}, {134, {1, 2, 3, 0}},
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(table); i++) {
        Rig r;
        rig_up(&r, "virtio-gpu-device");
        memcpy(fx_ram(r.fx, r.pixels), table[i].bytes, 4);
        g_assert_cmphex(create(&r, 1, table[i].format, 1, 1), ==, NODATA);
        g_assert_cmphex(attach(&r, 1, r.pixels, 4), ==, NODATA);
        g_assert_cmphex(command(&r, 0x105, 0, 0, 1, 1, 0, 0, 1, 0), ==, NODATA);
        g_assert_cmphex(command(&r, 0x103, 0, 0, 1, 1, 0, 1), ==, NODATA);
        g_assert_cmphex(pixel(&r, 0, 0), ==, 0x010203);
        fx_free(r.fx);
    }
}

/* Memory in pieces that do not end at rows. */
static void test_scattered_backing(void)
{
    Rig r;
    rig_up(&r, "virtio-gpu-device");
    uint32_t *p = fx_ram(r.fx, r.pixels);
    for (unsigned i = 0; i < 64; i++) {
        p[i < 10 ? i : 100 + i] = 0x1000 + i;
    }
    g_assert_cmphex(create(&r, 1, 2, 8, 8), ==, NODATA);
    hwaddr second = r.pixels + 440;
    g_assert_cmphex(command(&r, 0x106, 1, 2, r.pixels, 0, 40, 0, second, 0, 216, 0), ==, NODATA);
    g_assert_cmphex(command(&r, 0x105, 0, 0, 8, 8, 0, 0, 1, 0), ==, NODATA);
    g_assert_cmphex(command(&r, 0x103, 0, 0, 8, 8, 0, 1), ==, NODATA);
    for (int i = 0; i < 64; i++) {
        g_assert_cmphex(pixel(&r, i % 8, i / 8), ==, 0x1000 + i);
    }
    /* A backing that is too short leaves the rest as it was. */
    g_assert_cmphex(command(&r, 0x107, 1, 0), ==, NODATA);
    g_assert_cmphex(attach(&r, 1, r.pixels, 12), ==, NODATA);
    p[0] = p[1] = p[2] = p[3] = 0xabc;
    g_assert_cmphex(command(&r, 0x105, 0, 0, 8, 8, 0, 0, 1, 0), ==, NODATA);
    g_assert_cmphex(command(&r, 0x104, 0, 0, 8, 8, 1, 0), ==, NODATA);
    g_assert_cmphex(pixel(&r, 2, 0), ==, 0xabc);
    g_assert_cmphex(pixel(&r, 3, 0), ==, 0x1003);
    fx_free(r.fx);
}

static void test_cursor(void)
{
    Rig r;
    rig_up(&r, "virtio-gpu-device");
    show_numbers(&r);
    uint32_t *p = fx_ram(r.fx, r.pixels);
    for (unsigned i = 0; i < 64 * 64; i++) {
        p[i] = i % 64 < 2 && i / 64 < 2 ? 0xff00ff00 : 0;   /* a green square, the rest clear */
    }
    g_assert_cmphex(create(&r, 2, 1, 64, 64), ==, NODATA);
    g_assert_cmphex(attach(&r, 2, r.pixels, 64 * 64 * 4), ==, NODATA);
    g_assert_cmphex(command(&r, 0x105, 0, 0, 64, 64, 0, 0, 2, 0), ==, NODATA);
    g_assert_cmphex(cursor(&r, 0x300, 0, 11, 6, 0, 2, 1, 1, 0), ==, NODATA);
    g_assert_cmphex(pixel(&r, 10, 5), ==, 0x00ff00);
    g_assert_cmphex(pixel(&r, 11, 6), ==, 0x00ff00);
    g_assert_cmphex(pixel(&r, 12, 6), ==, 6 * 64 + 12);
    g_assert_cmphex(cursor(&r, 0x301, 0, 31, 21, 0, 0, 0, 0, 0), ==, NODATA);
    g_assert_cmphex(pixel(&r, 10, 5), ==, 5 * 64 + 10);
    g_assert_cmphex(pixel(&r, 30, 20), ==, 0x00ff00);
    /* Half outside on either side; a flush keeps it on top. */
    g_assert_cmphex(cursor(&r, 0x301, 0, (uint32_t)-1 + 1, 1, 0, 0, 0, 0, 0), ==, NODATA);
    g_assert_cmphex(pixel(&r, 0, 0), ==, 0x00ff00);
    g_assert_cmphex(command(&r, 0x104, 0, 0, 64, 32, 1, 0), ==, NODATA);
    g_assert_cmphex(pixel(&r, 0, 0), ==, 0x00ff00);
    g_assert_cmphex(pixel(&r, 1, 0), ==, 1);
    g_assert_cmphex(cursor(&r, 0x300, 0, 0, 0, 0, 0, 0, 0, 0), ==, NODATA);
    g_assert_cmphex(pixel(&r, 0, 0), ==, 0);
    g_assert_cmphex(cursor(&r, 0x300, 0, 0, 0, 0, 99, 0, 0, 0), ==, NO_RESOURCE);
    g_assert_cmphex(cursor(&r, 0x301, 5, 0, 0, 0, 0, 0, 0, 0), ==, NO_SCANOUT);
    fx_free(r.fx);
}

/* ---- what the device says ---- */

static void test_display_info(void)
{
    Rig r;
    rig_up(&r, "virtio-gpu-device,xres=1024,yres=768");
    g_assert_cmphex(command(&r, 0x100, 0), ==, 0x1101);
    g_assert_cmpuint(r.answer_len, ==, 24 + 16 * 24);
    const uint32_t *a = fx_ram(r.fx, r.answer);
    g_assert_cmpuint(a[8], ==, 1024);
    g_assert_cmpuint(a[9], ==, 768);
    g_assert_cmpuint(a[10], ==, 1);
    g_assert_cmpuint(a[16], ==, 0);
    g_assert_cmpuint(fx_config(r.fx, FX_LAST_SLOT, 8, 4), ==, 1);
    fx_free(r.fx);
}

static void test_edid(void)
{
    Rig r;
    uint8_t sum = 0;
    rig_up(&r, "virtio-gpu-device");
    g_assert_cmphex(command(&r, 0x10a, 0, 0), ==, 0x1104);
    const uint8_t *edid = (const uint8_t *)fx_ram(r.fx, r.answer) + 32;
    for (int i = 0; i < 128; i++) {
        sum += edid[i];
    }
    g_assert_cmphex(sum, ==, 0);
    g_assert_cmpmem(edid, 8, "\0\xff\xff\xff\xff\xff\xff\0", 8);
    g_assert_cmpuint(edid[56] | (edid[58] >> 4) << 8, ==, 1280);
    g_assert_cmpuint(edid[59] | (edid[61] >> 4) << 8, ==, 800);
    g_assert_cmphex(command(&r, 0x10a, 1, 0), ==, NO_PARAMETER);
    fx_free(r.fx);
}

static void test_fence(void)
{
    Rig r;
    rig_up(&r, "virtio-gpu-device");
    uint32_t *p = fx_ram(r.fx, r.request);
    memset(p, 0, 24);
    p[0] = 0x100;
    p[1] = 1;
    p[2] = 0x55667788;
    p[3] = 0x11223344;
    DrvBuf b[2] = {{r.request, 24, false}, {r.answer, 24, true}};
    ring_add(&r.d, &r.d.queues[0], b, 2);
    drv_kick(&r.d, &r.d.queues[0]);
    g_assert_cmpuint(ring_wait(&r.d, &r.d.queues[0]), ==, 24);
    const uint32_t *a = fx_ram(r.fx, r.answer);
    g_assert_cmphex(a[1], ==, 1);
    g_assert_cmphex(a[2], ==, 0x55667788);
    g_assert_cmphex(a[3], ==, 0x11223344);
    fx_free(r.fx);
}

/* ---- what a guest may do wrong ---- */

static void test_refused(void)
{
    Rig r;
    rig_up(&r, "virtio-gpu-device");
    g_assert_cmphex(create(&r, 0, 2, 8, 8), ==, NO_RESOURCE);
    g_assert_cmphex(create(&r, 1, 99, 8, 8), ==, NO_PARAMETER);
    g_assert_cmphex(create(&r, 1, 2, 0, 8), ==, NO_PARAMETER);
    g_assert_cmphex(create(&r, 1, 2, 0xffffffff, 0xffffffff), ==, NO_MEMORY);
    g_assert_cmphex(create(&r, 1, 2, 16384, 16384), ==, NO_MEMORY);
    g_assert_cmphex(create(&r, 1, 2, 8, 8), ==, NODATA);
    g_assert_cmphex(create(&r, 1, 2, 8, 8), ==, NO_RESOURCE);
    g_assert_cmphex(command(&r, 0x105, 0, 0, 8, 8, 0, 0, 1, 0), ==, NO_RESOURCE);  /* no memory yet */
    g_assert_cmphex(attach(&r, 1, 0x1000, 256), ==, NO_PARAMETER);
    g_assert_cmphex(attach(&r, 1, FX_RAM_BASE + FX_RAM_SIZE - 8, 256), ==, NO_PARAMETER);
    g_assert_cmphex(command(&r, 0x106, 1, 5, 0), ==, UNSPEC);       /* five announced, none there */
    g_assert_cmphex(command(&r, 0x106, 1, 0xffffffff), ==, UNSPEC);
    g_assert_cmphex(attach(&r, 1, r.pixels, 256), ==, NODATA);
    g_assert_cmphex(attach(&r, 1, r.pixels, 256), ==, UNSPEC);
    g_assert_cmphex(command(&r, 0x105, 1, 0, 8, 8, 0, 0, 1, 0), ==, NO_PARAMETER);
    g_assert_cmphex(command(&r, 0x105, 0, 0xffffffff, 8, 8, 0, 0, 1, 0), ==, NO_PARAMETER);
    g_assert_cmphex(command(&r, 0x105, 0, 0, 8, 8, 0, 1, 1, 0), ==, NO_PARAMETER);
    g_assert_cmphex(command(&r, 0x103, 0, 0, 9, 8, 0, 1), ==, NO_PARAMETER);
    g_assert_cmphex(command(&r, 0x103, 0, 0, 0, 0, 0, 1), ==, NO_PARAMETER);
    g_assert_cmphex(command(&r, 0x103, 0, 0, 8, 8, 1, 1), ==, NO_SCANOUT);
    g_assert_cmphex(command(&r, 0x103, 0, 0, 8, 8, 0, 7), ==, NO_RESOURCE);
    g_assert_cmphex(command(&r, 0x104, 0, 0, 9, 9, 1, 0), ==, NO_PARAMETER);
    g_assert_cmphex(command(&r, 0x102, 7, 0), ==, NO_RESOURCE);
    g_assert_cmphex(command(&r, 0x999, 0), ==, UNSPEC);
    g_assert_cmphex(command_n(&r, 0, 0x101, NULL, 0), ==, UNSPEC);
    g_assert_false(drv_broken(&r.d));
    fx_free(r.fx);
}

static void test_memory_limit(void)
{
    Rig r;
    rig_up(&r, "virtio-gpu-device,max_hostmem=1M");
    g_assert_cmphex(create(&r, 1, 2, 512, 512), ==, NO_MEMORY);
    g_assert_cmphex(create(&r, 1, 2, 512, 256), ==, NODATA);
    g_assert_cmphex(create(&r, 2, 2, 512, 256), ==, NO_MEMORY);
    g_assert_cmphex(command(&r, 0x102, 1, 0), ==, NODATA);
    g_assert_cmphex(create(&r, 2, 2, 512, 256), ==, NODATA);
    /* Tiny images are not free either. */
    unsigned id = 10;
    while (create(&r, id, 2, 1, 1) == NODATA) {
        id++;
    }
    g_assert_cmpuint(id, <, 2000);
    fx_free(r.fx);
}

/* A resource that is on the screen goes: so does the picture. Reset takes everything. */
static void test_unref_and_reset(void)
{
    Rig r;
    rig_up(&r, "virtio-gpu-device");
    show_numbers(&r);
    g_assert_cmphex(command(&r, 0x102, 1, 0), ==, NODATA);
    g_assert_null(ui_console_surface(ui_console_find(r.fx->m, NULL, 0)));
    show_numbers(&r);
    rig_driver(&r);
    g_assert_null(ui_console_surface(ui_console_find(r.fx->m, NULL, 0)));
    g_assert_cmphex(create(&r, 1, 2, 8, 8), ==, NODATA);
    fx_free(r.fx);
}

/* ---- moving ---- */

static void test_moves(void)
{
    Rig r;
    size_t len, len2;
    rig_up(&r, "virtio-gpu-device");
    show_numbers(&r);
    g_assert_cmphex(create(&r, 2, 1, 64, 64), ==, NODATA);
    g_assert_cmphex(attach(&r, 2, r.pixels, 64 * 64 * 4), ==, NODATA);
    g_assert_cmphex(cursor(&r, 0x300, 0, 11, 6, 0, 2, 1, 1, 0), ==, NODATA);
    fx_stop(r.fx);
    g_autofree uint8_t *buf = fx_save(r.dev, &len);
    machine_lock(r.fx->m);
    virtio_reset(r.dev);
    machine_unlock(r.fx->m);
    Error *err = fx_load(r.dev, buf, len);
    if (err) {
        g_error("%s", error_get_pretty(err));
    }
    g_autofree uint8_t *again = fx_save(r.dev, &len2);
    g_assert_cmpmem(again, len2, buf, len);
    g_assert_cmphex(pixel(&r, 63, 31), ==, 64 * 32 - 1);
    machine_lock(r.fx->m);
    vm_start(r.fx->m);
    machine_unlock(r.fx->m);
    g_assert_cmphex(create(&r, 1, 2, 8, 8), ==, NO_RESOURCE);
    g_assert_cmphex(command(&r, 0x105, 0, 0, 64, 32, 0, 0, 1, 0), ==, NODATA);
    fx_free(r.fx);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/virtio/gpu/show", test_show);
    g_test_add_func("/virtio/gpu/formats", test_formats);
    g_test_add_func("/virtio/gpu/scattered-backing", test_scattered_backing);
    g_test_add_func("/virtio/gpu/cursor", test_cursor);
    g_test_add_func("/virtio/gpu/display-info", test_display_info);
    g_test_add_func("/virtio/gpu/edid", test_edid);
    g_test_add_func("/virtio/gpu/fence", test_fence);
    g_test_add_func("/virtio/gpu/refused", test_refused);
    g_test_add_func("/virtio/gpu/memory-limit", test_memory_limit);
    g_test_add_func("/virtio/gpu/unref-and-reset", test_unref_and_reset);
    g_test_add_func("/virtio/gpu/moves", test_moves);
    return g_test_run();
}
