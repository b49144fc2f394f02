/*
 * test-vnc-filter.c - what of a VNC client's bytes gets through, and what ends its session.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <glib.h>

#include "ui/vnc-filter.h"

/* Feeds text of n bytes one by one; returns what the filter lets through, or NULL if it is bad. */
static GByteArray *filter_bytes(VncFilter *filter, const char *text, size_t n)
{
    GByteArray *in = g_byte_array_new();
    GByteArray *out = g_byte_array_new();
    VncFilterResult result = VNC_FILTER_MORE;
    for (size_t i = 0; i < n && result != VNC_FILTER_BAD; i++) {
        g_byte_array_append(in, (const guint8 *)text + i, 1);
        size_t used;
        while ((result = vnc_filter_next(filter, in->data, in->len, &used, NULL)) ==
                   VNC_FILTER_DROPPED || result == VNC_FILTER_MESSAGE) {
            g_assert_cmpuint(used, <=, in->len);
            g_byte_array_remove_range(in, 0, used);
            if (result == VNC_FILTER_MESSAGE) {
                g_assert_cmpuint(filter->held_len, <=, VNC_MESSAGE_MAX);
                g_byte_array_append(out, filter->held, filter->held_len);
            }
        }
    }
    g_byte_array_unref(in);
    if (result == VNC_FILTER_BAD) {
        g_byte_array_unref(out);
        return NULL;
    }
    return out;
}

#define ASSERT_PASSES(filter, in, out) do { \
        GByteArray *got_ = filter_bytes(filter, in, sizeof(in) - 1); \
        g_assert_nonnull(got_); \
        g_assert_cmpmem(got_->data, got_->len, out, sizeof(out) - 1); \
        g_byte_array_unref(got_); \
    } while (0)
#define ASSERT_REFUSED(filter, in) g_assert_null(filter_bytes(filter, in, sizeof(in) - 1))

static void test_filter_handshake(void)
{
    VncFilter f8 = { 0 }, f7 = { 0 }, f3 = { 0 }, odd = { 0 }, no = { 0 }, auth = { 0 };
    ASSERT_PASSES(&f8, "RFB 003.008\n\1\0", "RFB 003.008\n\1\1");
    g_assert_cmpint(f8.state, ==, VNC_NORMAL);
    ASSERT_PASSES(&f7, "RFB 003.007\n\1\1", "RFB 003.007\n\1\1");
    ASSERT_PASSES(&f3, "RFB 003.003\n\0", "RFB 003.003\n\1");
    g_assert_cmpint(f3.state, ==, VNC_NORMAL);
    ASSERT_PASSES(&odd, "RFB 003.889\n\1", "RFB 003.003\n\1");
    ASSERT_REFUSED(&no, "GET / HTTP/1.1\r\n");
    ASSERT_REFUSED(&auth, "RFB 003.008\n\2");
}

static void test_filter_messages(void)
{
    VncFilter f = { .state = VNC_NORMAL, .width = 640, .height = 480 };
    /* Keys, pointer and cut text vanish; requests are cut to the screen. */
    ASSERT_PASSES(&f, "\4\1\0\0\0\0\0A\5\0\0\1\0\1\6\0\0\0\0\0\0\5hello", "");
    ASSERT_PASSES(&f, "\3\1\0\0\0\0\xff\xff\xff\xff", "\3\1\0\0\0\0\2\x80\1\xe0");
    ASSERT_PASSES(&f, "\3\0\2\x80\0\0\0\1\0\1\3\0\0\0\0\0\0\0\0\1", "");
    /* Raw, ZRLE, cursor (not let through), DesktopSize, ZRLE once more. */
    ASSERT_PASSES(&f, "\2\0\0\5\0\0\0\0\0\0\0\x10\xff\xff\xff\x11\xff\xff\xff\x21\0\0\0\x10",
                  "\2\0\0\3\0\0\0\0\0\0\0\x10\xff\xff\xff\x21");
    g_assert_true(f.can_resize);
    ASSERT_PASSES(&f, "\2\0\0\0", "\2\0\0\0");
    g_assert_false(f.can_resize);
    ASSERT_REFUSED(&f, "\2\0\xff\xff");
    ASSERT_REFUSED(&f, "\7");
    ASSERT_REFUSED(&f, "\x96");
    ASSERT_REFUSED(&f, "\6\0\0\0\xff\xff\xff\xff");
}

static void test_filter_pixel_format(void)
{
    VncFilter f = { .state = VNC_NORMAL, .width = 640, .height = 480 };
#define FORMAT(bits, depth, colour, maxes, shifts) \
    "\0\0\0\0" bits depth "\0" colour maxes shifts "\0\0\0"
    ASSERT_PASSES(&f, FORMAT("\x20", "\x18", "\1", "\0\xff\0\xff\0\xff", "\x10\x8\0"),
                  FORMAT("\x20", "\x18", "\1", "\0\xff\0\xff\0\xff", "\x10\x8\0"));
    ASSERT_PASSES(&f, FORMAT("\x10", "\x10", "\1", "\0\x1f\0\x3f\0\x1f", "\xb\5\0"),
                  FORMAT("\x10", "\x10", "\1", "\0\x1f\0\x3f\0\x1f", "\xb\5\0"));
    ASSERT_REFUSED(&f, FORMAT("\x18", "\x18", "\1", "\0\xff\0\xff\0\xff", "\x10\x8\0"));
    ASSERT_REFUSED(&f, FORMAT("\x08", "\x08", "\0", "\0\0\0\0\0\0", "\0\0\0"));
    ASSERT_REFUSED(&f, FORMAT("\x20", "\x18", "\1", "\0\xff\0\xff\0\xff", "\xff\x8\0"));
    ASSERT_REFUSED(&f, FORMAT("\x08", "\x08", "\1", "\0\xff\0\7\0\3", "\3\0\0"));
    ASSERT_REFUSED(&f, FORMAT("\x20", "\x18", "\1", "\0\0\0\xff\0\xff", "\x10\x8\0"));
    ASSERT_REFUSED(&f, FORMAT("\x20", "\x18", "\1", "\0\xfe\0\xff\0\xff", "\x10\x8\0"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ui/vnc/filter/handshake", test_filter_handshake);
    g_test_add_func("/ui/vnc/filter/messages", test_filter_messages);
    g_test_add_func("/ui/vnc/filter/pixel-format", test_filter_pixel_format);
    return g_test_run();
}
