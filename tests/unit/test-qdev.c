/*
 * test-qdev.c - devices: every class's table, properties of each kind, -device, -global, the texts.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "board-fixture.h"

#include "../../hw/core/qdev-internal.h"

/* An instance big enough for each kind of plain property. */
typedef struct ProbeDevice {
    DeviceState parent;
    bool flag;
    uint8_t u8;
    uint16_t u16;
    uint32_t u32;
    int32_t i32;
    uint64_t u64, size;
    char *text;
    uint8_t mac[6];
    int choice;
} ProbeDevice;

static const Property probe_props[] = {
    { "flag", PROP_BOOL, offsetof(ProbeDevice, flag), "on", "a switch" },
    { "u8", PROP_UINT8, offsetof(ProbeDevice, u8), "7", NULL },
    { "u16", PROP_UINT16, offsetof(ProbeDevice, u16), NULL, NULL },
    { "u32", PROP_UINT32, offsetof(ProbeDevice, u32), NULL, NULL },
    { "i32", PROP_INT32, offsetof(ProbeDevice, i32), "-3", NULL },
    { "u64", PROP_UINT64, offsetof(ProbeDevice, u64), NULL, NULL },
    { "size", PROP_SIZE, offsetof(ProbeDevice, size), "4K", NULL },
    { "text", PROP_STRING, offsetof(ProbeDevice, text), "hello", NULL },
    { "mac", PROP_MACADDR, offsetof(ProbeDevice, mac), NULL, NULL },
    { "choice", PROP_ON_OFF_AUTO, offsetof(ProbeDevice, choice), "auto", NULL },
    { NULL },
};

static unsigned resets;
static bool fail_realize;

static bool probe_realize(DeviceState *dev, Error **errp)
{
    if (fail_realize) {
        error_setg(errp, "it does not work");
    }
    return !fail_realize;
}

static void probe_reset(DeviceState *dev)
{
    resets++;
}

static const DeviceClass probe_class = {
    .name = "probe", .instance_size = sizeof(ProbeDevice), .props = probe_props,
    .realize = probe_realize, .reset = probe_reset,
};

static void test_defaults_and_values(void)
{
    Machine *m = fixture_new(1);
    ProbeDevice *d = (ProbeDevice *)qdev_new(m, &probe_class, NULL);
    DeviceState *dev = &d->parent;
    g_assert_true(d->flag);
    g_assert_cmpuint(d->u8, ==, 7);
    g_assert_cmpint(d->i32, ==, -3);
    g_assert_cmpuint(d->size, ==, 4096);
    g_assert_cmpstr(d->text, ==, "hello");

    static const char *const good[][2] = {
        { "flag", "off" }, { "u8", "255" }, { "u16", "0xffff" }, { "u32", "4294967295" },
        { "i32", "-2147483648" }, { "u64", "18446744073709551615" }, { "size", "3M" },
        { "text", "a,b" }, { "mac", "52:54:00:ab:CD:ef" }, { "choice", "off" },
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(good); i++) {
        Error *err = NULL;
        g_assert_true(qdev_set_prop_string(dev, good[i][0], good[i][1], &err));
        g_assert_null(err);
    }
    g_assert_false(d->flag);
    g_assert_cmpuint(d->u8, ==, 255);
    g_assert_cmpuint(d->u16, ==, 65535);
    g_assert_cmpuint(d->u32, ==, UINT32_MAX);
    g_assert_cmpint(d->i32, ==, INT32_MIN);
    g_assert_cmpuint(d->u64, ==, UINT64_MAX);
    g_assert_cmpuint(d->size, ==, 3 << 20);
    g_assert_cmpstr(d->text, ==, "a,b");
    g_assert_cmpint(d->mac[5], ==, 0xef);
    g_assert_cmpint(d->choice, ==, 2);
    fixture_free(m);
}

static void test_wrong_values(void)
{
    static const char *const bad[][3] = {
        { "flag", "\"maybe\"", "on or off" },
        { "flag", "1", "on or off" },
        { "u8", "256", "0 to 255" },
        { "u8", "-1", "0 to 255" },
        { "u8", "\"\"", "0 to 255" },
        { "u16", "\"65536\"", "0 to 65535" },
        { "u32", "\"12x\"", "0 to 4294967295" },
        { "u32", "1.5", "0 to 4294967295" },
        { "i32", "2147483648", "2147483647" },
        { "i32", "\"99999999999999999999\"", "2147483647" },
        { "u64", "-1", "18446744073709551615" },
        { "size", "\"4Q\"", "K, M, G, T" },
        { "text", "5", "a string" },
        { "mac", "\"52:54:00:12:34\"", "52:54:00:12:34:56" },
        { "mac", "\"52:54:00:12:34:5g\"", "52:54:00:12:34:56" },
        { "choice", "\"perhaps\"", "on, off or auto" },
        { "flag", "null", "on or off" },
        { "text", "{}", "a string" },
        { "nothing", "1", "there are: flag, u8, u16" },
    };
    Machine *m = fixture_new(1);
    ProbeDevice *d = (ProbeDevice *)qdev_new(m, &probe_class, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
        Error *err = NULL;
        json_t *value = json_loads(bad[i][1], JSON_DECODE_ANY, NULL);
        g_assert_nonnull(value);
        g_assert_false(qdev_set_prop(&d->parent, bad[i][0], value, &err));
        g_assert_nonnull(strstr(error_get_pretty(err), "probe."));
        assert_error(err, bad[i][2]);
        json_decref(value);
    }
    /* Nothing changed. */
    g_assert_cmpuint(d->u8, ==, 7);
    g_assert_cmpstr(d->text, ==, "hello");
    fixture_free(m);
}

static void test_get(void)
{
    Machine *m = fixture_new(1);
    DeviceState *dev = qdev_new(m, &probe_class, "p1");
    json_t *all = json_object();
    for (const Property *p = probe_props; p->name; p++) {
        json_object_set_new(all, p->name, qdev_get_prop(dev, p->name));
    }
    json_t *expected = json_pack("{sb si si si si si si ss ss ss}", "flag", 1, "u8", 7, "u16", 0, "u32",
                                 0, "i32", -3, "u64", 0, "size", 4096, "text", "hello", "mac",
                                 "00:00:00:00:00:00", "choice", "auto");
    g_assert_true(json_equal(all, expected));
    json_decref(all);
    json_decref(expected);
    g_assert_null(qdev_get_prop(dev, "nothing"));
    fixture_free(m);
}

static void test_life(void)
{
    Machine *m = fixture_new(1);
    Error *err = NULL;
    DeviceState *one = qdev_new(m, &probe_class, "one"), *two = qdev_new(m, &probe_class, NULL);
    g_assert_cmpstr(one->qom_path, ==, "/machine/peripheral/one");
    g_assert_true(g_str_has_prefix(two->qom_path, "/machine/unattached/device["));
    g_assert_true(qdev_find(m, "one") == one);
    g_assert_true(qdev_find(m, two->qom_path) == two);
    g_assert_null(qdev_find(m, "two"));

    resets = 0;
    qdev_reset_all(m);
    g_assert_cmpuint(resets, ==, 0);        /* none is realized */
    g_assert_true(qdev_realize(one, &err));
    g_assert_true(qdev_realize(two, &err));
    qdev_reset_all(m);
    g_assert_cmpuint(resets, ==, 2);
    g_assert_false(qdev_set_prop_string(one, "u8", "1", &err));
    assert_error(err, "in use");

    err = NULL;
    fail_realize = true;
    g_assert_false(qdev_realize(qdev_new(m, &probe_class, "three"), &err));
    fail_realize = false;
    assert_error(err, "it does not work");
    g_assert_null(qdev_find(m, "three"));
    qdev_free(one);
    g_assert_null(qdev_find(m, "one"));
    qdev_reset_all(m);
    g_assert_cmpuint(resets, ==, 3);
    char *text = qdev_tree_text(m);
    g_assert_nonnull(strstr(text, "dev: probe, id \"\"\n    flag = true\n    u8 = 7\n"));
    g_free(text);
    fixture_free(m);
}

/* Each default in each class's table is a value of its kind, and names are unique. */
static void test_class_tables(void)
{
    Machine *m = fixture_new(1);
    GHashTable *names = g_hash_table_new(g_str_hash, g_str_equal);
    for (const DeviceClass *const *k = device_classes(); *k; k++) {
        g_assert_true(g_hash_table_add(names, (gpointer)(*k)->name));
        g_assert_true(device_class_find((*k)->name) == *k);
        g_assert_cmpuint((*k)->instance_size, >=, sizeof(DeviceState));
        g_assert_nonnull((*k)->realize);
        DeviceState *dev = qdev_new(m, *k, NULL);
        for (const Property *p = (*k)->props; p && p->name; p++) {
            Error *err = NULL;
            if (p->default_text && !qdev_set_prop_string(dev, p->name, p->default_text, &err)) {
                g_error("%s: %s", (*k)->name, error_get_pretty(err));
            }
            g_assert_cmpuint(p->offset, >=, sizeof(DeviceState));
            g_assert_cmpuint(p->offset, <, (*k)->instance_size);
        }
        qdev_free(dev);
        char *help = qdev_help_text((*k)->name);
        g_assert_nonnull(help);
        g_free(help);
    }
    g_hash_table_unref(names);
    fixture_free(m);
}

static void add_fails(Machine *m, const char *options, const char *why)
{
    Error *err = NULL;
    json_t *json = json_loads(options, 0, NULL);
    g_assert_nonnull(json);
    g_assert_null(qdev_device_add(m, json, &err));
    assert_error(err, why);
    json_decref(json);
}

static void test_device_add_errors(void)
{
    Machine *m = fixture_new(1);
    add_fails(m, "{}", "'driver' is missing");
    add_fails(m, "{\"driver\": 5}", "'driver' is missing");
    add_fails(m, "{\"driver\": \"nonesuch\"}", "'nonesuch' is not a valid device model name; there");
    add_fails(m, "{\"driver\": \"nonesuch\"}", "virtio-rng-device");
    add_fails(m, "{\"driver\": \"serial-mm\"}", "part of the board");
    add_fails(m, "{\"driver\": \"virtio-rng-device\", \"id\": \"1x\"}", "identifier, not '1x'");
    add_fails(m, "{\"driver\": \"virtio-rng-device\", \"id\": 3}", "identifier");
    add_fails(m, "{\"driver\": \"virtio-rng-device\", \"bus\": 3}", "name of a bus");
    add_fails(m, "{\"driver\": \"virtio-rng-device\", \"colour\": \"red\"}",
              "Property 'virtio-rng-device.colour' not found; there are: ");
    qdev_new(m, &probe_class, "taken");
    add_fails(m, "{\"driver\": \"virtio-rng-device\", \"id\": \"taken\"}", "Duplicate device ID");
    fixture_free(m);
}

static void test_global(void)
{
    Machine *m = fixture_new(1);
    Error *err = NULL;
    json_t *off = json_string("off"), *bad = json_string("maybe");
    g_assert_true(qdev_add_global(m, "virtio-mmio", "force-legacy", off, &err));
    g_assert_false(qdev_add_global(m, "virtio-mmio", "force-legacy", bad, &err));
    assert_error(err, "on or off");
    err = NULL;
    g_assert_false(qdev_add_global(m, "virtio-mmio", "colour", off, &err));
    assert_error(err, "there are: force-legacy");
    err = NULL;
    g_assert_false(qdev_add_global(m, "nonesuch", "x", off, &err));
    assert_error(err, "no device 'nonesuch'");
    err = NULL;
    g_assert_false(qdev_add_global(m, NULL, "x", off, &err));
    assert_error(err, "no device");
    err = NULL;
    g_assert_true(qdev_add_global(m, "virtio-rng-device", "event_idx", off, &err));
    g_assert_false(qdev_add_global(m, "virtio-rng-device", "event_idx", bad, &err));
    assert_error(err, "on or off");
    err = NULL;
    g_assert_false(qdev_add_global(m, "serial-mm", "chardev", off, &err));
    assert_error(err, "part of the board");

    DeviceState *dev = qdev_new(m, device_class_find("virtio-rng-device"), NULL);
    json_t *before = qdev_get_prop(dev, "event_idx");
    g_assert_true(json_is_true(before));
    g_assert_true(qdev_apply_globals(dev, NULL));
    json_t *after = qdev_get_prop(dev, "event_idx");
    g_assert_true(json_is_false(after));
    json_decref(before);
    json_decref(after);
    json_decref(off);
    json_decref(bad);
    fixture_free(m);
}

static void test_help(void)
{
    char *text = qdev_help_text(NULL);
    g_assert_nonnull(strstr(text, "name \"virtio-rng-device\", bus virtio-bus"));
    g_assert_null(strstr(text, "serial-mm"));
    g_free(text);
    text = qdev_help_text("virtio-mmio");
    g_assert_nonnull(strstr(text, "  force-legacy=<bool>"));
    g_free(text);
    g_assert_null(qdev_help_text("nonesuch"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qdev/defaults-and-values", test_defaults_and_values);
    g_test_add_func("/qdev/wrong-values", test_wrong_values);
    g_test_add_func("/qdev/get", test_get);
    g_test_add_func("/qdev/life", test_life);
    g_test_add_func("/qdev/class-tables", test_class_tables);
    g_test_add_func("/qdev/device-add-errors", test_device_add_errors);
    g_test_add_func("/qdev/global", test_global);
    g_test_add_func("/qdev/help", test_help);
    return g_test_run();
}
