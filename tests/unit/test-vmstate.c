/*
 * test-vmstate.c - VMState: save and load agree, versions, subsections, and hostile counts.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <glib.h>
#include <string.h>

#include "migration/qemu-file.h"
#include "migration/vmstate.h"

typedef struct Inner {
    uint16_t a;
    bool b;
} Inner;

typedef struct Device {
    uint8_t u8;
    int32_t i32;
    uint64_t u64;
    uint32_t array[3];
    Inner inner[2];
    uint32_t count;
    uint32_t *list;
    uint8_t raw[5];
    int32_t fixed;
    bool extra_present;
    uint64_t extra;
    uint32_t since_v2;
} Device;

static const VMStateDescription vmstate_inner = {
    .name = "inner", .version_id = 1, .minimum_version_id = 1,
    .fields = (const VMStateField[]){
        VMSTATE_UINT16(a, Inner), VMSTATE_BOOL(b, Inner), VMSTATE_END_OF_LIST() },
};

static bool extra_needed(void *opaque)
{
    return ((Device *)opaque)->extra_present;
}

static const VMStateDescription vmstate_extra = {
    .name = "device/extra", .version_id = 1, .minimum_version_id = 1, .needed = extra_needed,
    .fields = (const VMStateField[]){ VMSTATE_UINT64(extra, Device), VMSTATE_END_OF_LIST() },
};

static bool post_load(void *opaque, int version_id, Error **errp)
{
    Device *d = opaque;
    if (d->u8 == 0xee) {
        error_setg(errp, "u8 is 0xee, which this device cannot hold");
        return false;
    }
    return true;
}

static const VMStateDescription vmstate_device = {
    .name = "device", .version_id = 2, .minimum_version_id = 1, .post_load = post_load,
    .fields = (const VMStateField[]){
        VMSTATE_UINT8(u8, Device), VMSTATE_INT32(i32, Device), VMSTATE_UINT64(u64, Device),
        VMSTATE_UINT32_ARRAY(array, Device, 3),
        VMSTATE_STRUCT_ARRAY(inner, Device, 2, vmstate_inner, Inner),
        VMSTATE_UINT32(count, Device),
        VMSTATE_VARRAY_UINT32(list, Device, count, 4, vmstate_info_uint32, uint32_t),
        VMSTATE_BUFFER(raw, Device), VMSTATE_INT32_EQUAL(fixed, Device), VMSTATE_UNUSED(3),
        VMSTATE_UINT32_V(since_v2, Device, 2),
        VMSTATE_END_OF_LIST() },
    .subsections = (const VMStateDescription *const[]){ &vmstate_extra, NULL },
};

static uint32_t source_list[4] = { 10, 20, 30, 40 };

static Device source_device(void)
{
    return (Device){
        .u8 = 0x12, .i32 = -5, .u64 = 0x1122334455667788, .array = { 1, 2, 3 },
        .inner = { { 0xabcd, true }, { 0x0102, false } }, .count = 3, .list = source_list,
        .raw = "wxyz", .fixed = 7, .extra_present = true, .extra = 99, .since_v2 = 0xdeadbeef,
    };
}

static uint8_t *save(Device *d, size_t *len)
{
    QEMUFile *f = qemu_file_new_memory();
    g_assert_true(vmstate_save_state(f, &vmstate_device, d, NULL));
    uint8_t *bytes = qemu_file_take_buffer(f, len);
    g_assert_true(qemu_fclose(f, NULL));
    return bytes;
}

static bool load(Device *d, const uint8_t *bytes, size_t len, int version, Error **errp)
{
    QEMUFile *f = qemu_file_new_from_buffer(bytes, len);
    bool ok = vmstate_load_state(f, &vmstate_device, d, version, errp);
    qemu_fclose(f, NULL);
    return ok;
}

static void test_roundtrip(void)
{
    Device src = source_device();
    size_t len;
    g_autofree uint8_t *bytes = save(&src, &len);
    /* u8 i32 u64 3*u32 2*(u16+bool) count 3*u32 raw fixed unused since_v2 + subsection */
    g_assert_cmpuint(len, ==, 1 + 4 + 8 + 12 + 6 + 4 + 12 + 5 + 4 + 3 + 4 + (1 + 1 + 12 + 4 + 8));
    g_assert_cmphex(bytes[5], ==, 0x11);    /* big-endian u64 */
    uint32_t room[4] = { 0 };
    Device dst = { .list = room, .fixed = 7 };
    Error *err = NULL;
    g_assert_true(load(&dst, bytes, len, 2, &err));
    g_assert_null(err);
    g_assert_cmphex(dst.u64, ==, src.u64);
    g_assert_cmpint(dst.i32, ==, -5);
    g_assert_cmpuint(dst.inner[0].a, ==, 0xabcd);
    g_assert_true(dst.inner[0].b);
    g_assert_cmpuint(dst.count, ==, 3);
    g_assert_cmpuint(room[2], ==, 30);
    g_assert_cmpuint(room[3], ==, 0);
    g_assert_cmpstr((char *)dst.raw, ==, "wxyz");
    g_assert_cmpuint(dst.extra, ==, 99);
    g_assert_cmphex(dst.since_v2, ==, 0xdeadbeef);
}

/* Cut after every byte: never a success, always an error that names the device. */
static void test_truncation(void)
{
    Device src = source_device();
    size_t len;
    g_autofree uint8_t *bytes = save(&src, &len);
    const size_t subsection = 26;
    for (size_t cut = 0; cut < len; cut++) {
        uint32_t room[4] = { 0 };
        Device dst = { .list = room, .fixed = 7 };
        Error *err = NULL;
        bool ok = load(&dst, bytes, cut, 2, &err);
        if (cut >= len - subsection && cut < len - subsection + 2 + 12) {
            /* What stands there is not recognisable as a subsection: the fields alone are whole. */
            g_assert_true(ok);
        } else {
            g_assert_false(ok);
            g_assert_nonnull(strstr(error_get_pretty(err), "device"));
        }
        error_free(err);
    }
}

static void expect_error(size_t at, uint8_t value, int version, const char *text)
{
    Device src = source_device();
    size_t len;
    g_autofree uint8_t *bytes = save(&src, &len);
    uint32_t room[4] = { 0 };
    Device dst = { .list = room, .fixed = 7 };
    Error *err = NULL;
    bytes[at] = value;
    g_assert_false(load(&dst, bytes, len, version, &err));
    g_assert_nonnull(err);
    if (!strstr(error_get_pretty(err), text)) {
        g_test_message("got: %s", error_get_pretty(err));
        g_assert_not_reached();
    }
    error_free(err);
}

static void test_hostile(void)
{
    const size_t count_at = 1 + 4 + 8 + 12 + 6;
    expect_error(count_at + 3, 5, 2, "at most 4 fit");
    expect_error(count_at, 0x80, 2, "at most 4 fit");
    expect_error(1 + 4 + 8 + 12 + 2, 2, 2, "a bool is 0 or 1");
    expect_error(count_at + 4 + 12 + 5 + 3, 8, 2, "this machine has 7");
    expect_error(0, 0xee, 2, "0xee");
    expect_error(1, 0, 3, "too new");
    expect_error(1, 0, 0, "too old");
}

static void test_old_version_and_absent_subsection(void)
{
    Device src = source_device();
    src.extra_present = false;
    size_t len;
    g_autofree uint8_t *bytes = save(&src, &len);
    uint32_t room[4] = { 0 };
    Device dst = { .list = room, .fixed = 7, .since_v2 = 5 };
    Error *err = NULL;
    g_assert_true(load(&dst, bytes, len - 4, 1, &err));
    g_assert_cmpuint(dst.since_v2, ==, 5);
    g_assert_cmpuint(dst.extra, ==, 0);
}

static void test_file_errors_are_sticky(void)
{
    const uint8_t three[3] = { 1, 2, 3 };
    QEMUFile *f = qemu_file_new_from_buffer(three, sizeof(three));
    g_assert_cmpint(qemu_peek_byte(f, 2), ==, 3);
    g_assert_cmpint(qemu_peek_byte(f, 3), ==, -1);
    g_assert_cmpuint(qemu_get_be32(f), ==, 0x01020300);
    g_assert_nonnull(qemu_file_get_error(f));
    g_assert_cmpuint(qemu_get_byte(f), ==, 0);
    Error *err = NULL;
    g_assert_false(qemu_fclose(f, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "stream ends at byte 3"));
    error_free(err);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vmstate/roundtrip", test_roundtrip);
    g_test_add_func("/vmstate/truncation", test_truncation);
    g_test_add_func("/vmstate/hostile", test_hostile);
    g_test_add_func("/vmstate/old-version", test_old_version_and_absent_subsection);
    g_test_add_func("/qemu-file/sticky-errors", test_file_errors_are_sticky);
    return g_test_run();
}
