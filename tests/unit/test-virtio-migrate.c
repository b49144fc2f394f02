/*
 * test-virtio-migrate.c - what virtio devices put into a stream and take from one.
 *
 * Sections that QEMU 7.2 wrote are loaded and saved again: not a byte may differ. Cut and spoilt ones must
 * be refused or taken, and never do harm.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "virtio-rings.h"
#include "virtio-streams.h"

#include "block/block.h"

typedef struct Sample {
    const char *name;
    const char *text;
    const char *device;             /* options; several devices are separated by '|', the first migrates */
    bool modern;
} Sample;

static const Sample samples[] = {
    {"rng/legacy", stream_rng_legacy, "virtio-rng-device", false},
    {"rng/modern", stream_rng_modern, "virtio-rng-device", true},
    {"blk/legacy", stream_blk_legacy, "virtio-blk-device,drive=n0", false},
    {"blk/modern", stream_blk_modern, "virtio-blk-device,drive=n0", true},
    {"net/legacy", stream_net_legacy, "virtio-net-device,mac=52:54:00:12:34:56", false},
    {"balloon/legacy", stream_balloon_legacy, "virtio-balloon-device", false},
    {"serial/legacy", stream_serial_legacy,
     "virtio-serial-device|virtconsole|virtserialport,name=org.foo", false},
    {"gpu/modern", stream_gpu_modern, "virtio-gpu-device", false},
};

static GByteArray *unpack(const char *text)
{
    GByteArray *bytes = g_byte_array_new();
    while (*text) {
        if (*text == ' ') {
            text++;
        } else if (*text == 'z') {
            char *end;
            guint old = bytes->len;
            guint64 n = g_ascii_strtoull(text + 1, &end, 10);
            g_byte_array_set_size(bytes, old + n);
            memset(bytes->data + old, 0, n);
            text = end;
        } else {
            guint8 b = g_ascii_xdigit_value(text[0]) << 4 | g_ascii_xdigit_value(text[1]);
            g_byte_array_append(bytes, &b, 1);
            text += 2;
        }
    }
    return bytes;
}

static DeviceState *sample_device(VFixture *fx, const char *device)
{
    DeviceState *first = NULL;
    g_auto(GStrv) parts = g_strsplit(device, "|", -1);
    machine_lock(fx->m);
    json_t *node = json_pack("{s:s, s:s, s:i}", "driver", "null-co", "node-name", "n0", "size", 64 << 20);
    g_assert_nonnull(block_node_new(fx->m, node, NULL));
    json_decref(node);
    machine_unlock(fx->m);
    if (g_str_has_prefix(device, "virtio-gpu")) {
        /* The sender's device had answered commands: used->idx of both rings stands in guest RAM. */
        *(uint16_t *)fx_ram(fx, 0x80102002) = 13;
        *(uint16_t *)fx_ram(fx, 0x80112002) = 1;
    }
    for (unsigned i = 0; parts[i]; i++) {
        DeviceState *dev = fx_device(fx, parts[i]);
        first = first ? first : dev;
    }
    return first;
}

/* ---- what a peer wrote ---- */

static void test_sample(gconstpointer data)
{
    const Sample *s = data;
    size_t len;
    VFixture *fx = fx_new(s->modern, false);
    DeviceState *dev = sample_device(fx, s->device);
    GByteArray *golden = unpack(s->text);
    Error *err = fx_load(dev, golden->data, golden->len);
    if (err) {
        g_error("%s", error_get_pretty(err));
    }
    uint8_t *again = fx_save(dev, &len);
    g_assert_cmpuint(len, ==, golden->len);
    for (size_t i = 0; i < len; i++) {
        if (again[i] != golden->data[i]) {
            g_error("byte 0x%zx: 0x%02x was 0x%02x", i, again[i], golden->data[i]);
        }
    }
    g_free(again);
    g_byte_array_unref(golden);
    fx_free(fx);
}

/* Cut anywhere the load ends, with an error wherever something is missing. */
static void test_cut(gconstpointer data)
{
    const Sample *s = data;
    VFixture *fx = fx_new(s->modern, false);
    DeviceState *dev = sample_device(fx, s->device);
    GByteArray *golden = unpack(s->text);
    unsigned refused = 0, tried = 0;
    for (guint len = 0; len < golden->len; len += len < 1500 ? 7 : 997) {
        Error *err = fx_load(dev, golden->data, len);
        refused += err != NULL;
        tried++;
        error_free(err);
    }
    /* A cut between two subsections looks like an older sender; few cuts fall there. */
    g_assert_cmpuint(refused * 10, >=, tried * 9);
    g_byte_array_unref(golden);
    fx_free(fx);
}

/* Spoilt bytes, then the machine runs on what was taken. */
static void test_spoilt(gconstpointer data)
{
    const Sample *s = data;
    GRand *rand = g_rand_new_with_seed(72);
    GByteArray *golden = unpack(s->text);
    VFixture *fx = fx_new(s->modern, false);
    DeviceState *dev = sample_device(fx, s->device);
    for (unsigned round = 0; round < 300; round++) {
        guint8 *bytes = g_memdup2(golden->data, golden->len);
        for (unsigned i = 0; i < 1 + round % 3; i++) {
            guint range = MIN(golden->len, round % 2 ? 300 : golden->len);
            bytes[g_rand_int_range(rand, 0, range)] = g_rand_int_range(rand, 0, 256);
        }
        Error *err = fx_load(dev, bytes, golden->len);
        if (!err) {
            machine_lock(fx->m);
            vm_start(fx->m);
            machine_unlock(fx->m);
            fx_settle(fx);
            fx_stop(fx);
        }
        error_free(err);
        g_free(bytes);
    }
    g_byte_array_unref(golden);
    g_rand_free(rand);
    fx_free(fx);
}

/* ---- what must match ---- */

static void expect_error(const char *text, const char *device, bool modern, unsigned at, uint8_t value,
                         const char *expected)
{
    VFixture *fx = fx_new(modern, false);
    DeviceState *dev = sample_device(fx, device);
    GByteArray *golden = unpack(text);
    if (at) {
        golden->data[at] = value;
    }
    Error *err = fx_load(dev, golden->data, golden->len);
    g_assert_nonnull(err);
    if (!strstr(error_get_pretty(err), expected)) {
        g_error("'%s' does not say '%s'", error_get_pretty(err), expected);
    }
    error_free(err);
    g_byte_array_unref(golden);
    fx_free(fx);
}

static void test_refusals(void)
{
    expect_error(stream_rng_modern, "virtio-rng-device", false, 0, 0, "force-legacy=false");
    expect_error(stream_rng_legacy, "virtio-rng-device", true, 0, 0, "start without force-legacy");
    expect_error(stream_net_legacy, "virtio-net-device,ctrl_vlan=off", false, 0, 0, "not offered here");
    expect_error(stream_net_legacy, "virtio-net-device,ctrl_vq=off", false, 0, 0, "3 queues");
    expect_error(stream_rng_legacy, "virtio-rng-device", false, 0x1f, 3, "powers of two");
    expect_error(stream_rng_legacy, "virtio-rng-device", false, 0x28, 0x40, "not in RAM");
    expect_error(stream_rng_legacy, "virtio-rng-device", false, 0x2c, 0x7f, "last_avail_idx");
    expect_error(stream_serial_legacy, "virtio-serial-device", false, 0, 0, "port 0");
    expect_error(stream_serial_legacy, "virtio-serial-device,max_ports=40", false, 0, 0, "max_ports");
    expect_error(stream_gpu_modern, "virtio-gpu-device,max_outputs=2", false, 0, 0, "max_outputs");
    expect_error(stream_gpu_modern, "virtio-gpu-device,max_hostmem=4096", false, 0, 0, "max_hostmem");
}

/* A request under way on the old side is answered on the new one: the ring is looked at on start. */
static void test_lost_notification(void)
{
    Driver d;
    size_t len;
    unsigned used;
    VFixture *fx = fx_new(true, false);
    DeviceState *dev = fx_device(fx, "virtio-rng-device");
    fx_start(fx);
    drv_begin(&d, fx, FX_LAST_SLOT, 0);
    DrvQueue *q = drv_queue(&d, 0, 8);
    drv_ok(&d);
    fx_stop(fx);
    DrvBuf b = {fx_alloc(fx, 8), 8, true};
    ring_add(&d, q, &b, 1);         /* and the notification never comes */
    uint8_t *buf = fx_save(dev, &len);
    g_assert_null(fx_load(dev, buf, len));
    machine_lock(fx->m);
    vm_start(fx->m);
    machine_unlock(fx->m);
    fx_settle(fx);
    g_assert_true(ring_used(&d, q, &used, NULL));
    g_free(buf);
    fx_free(fx);
}

/* A broken device stays broken, and an interrupt that was up is up again. */
static void test_broken_and_irq(void)
{
    Driver d;
    size_t len, len2;
    VFixture *fx = fx_new(true, false);
    DeviceState *dev = fx_device(fx, "virtio-rng-device");
    fx_start(fx);
    drv_begin(&d, fx, FX_LAST_SLOT, 0);
    DrvQueue *q = drv_queue(&d, 0, 8);
    drv_ok(&d);
    ring_publish(fx, q, 99);
    drv_kick(&d, q);
    g_assert_true(fx->irq[FX_SLOTS - 1]);
    fx_stop(fx);
    uint8_t *buf = fx_save(dev, &len);
    machine_lock(fx->m);
    virtio_reset(dev);
    machine_unlock(fx->m);
    g_assert_false(fx->irq[FX_SLOTS - 1]);
    g_assert_null(fx_load(dev, buf, len));
    g_assert_true(fx->irq[FX_SLOTS - 1]);
    g_assert_true(drv_broken(&d));
    uint8_t *again = fx_save(dev, &len2);
    g_assert_cmpmem(again, len2, buf, len);
    g_free(again);
    g_free(buf);
    fx_free(fx);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(samples); i++) {
        g_autofree char *same = g_strdup_printf("/virtio/migrate/same/%s", samples[i].name);
        g_autofree char *cut = g_strdup_printf("/virtio/migrate/cut/%s", samples[i].name);
        g_autofree char *spoilt = g_strdup_printf("/virtio/migrate/spoilt/%s", samples[i].name);
        g_test_add_data_func(same, &samples[i], test_sample);
        g_test_add_data_func(cut, &samples[i], test_cut);
        g_test_add_data_func(spoilt, &samples[i], test_spoilt);
    }
    g_test_add_func("/virtio/migrate/refusals", test_refusals);
    g_test_add_func("/virtio/migrate/lost-notification", test_lost_notification);
    g_test_add_func("/virtio/migrate/broken-and-irq", test_broken_and_irq);
    return g_test_run();
}
