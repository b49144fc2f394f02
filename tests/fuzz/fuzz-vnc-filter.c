/*
 * fuzz-vnc-filter.c - libFuzzer target: arbitrary bytes from a VNC viewer.
 *
 * The input is fed byte by byte and in one piece: both ways must let the same messages through, each
 * whole and short, and stop at the same place.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <glib.h>
#include <string.h>

#include "ui/vnc-filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the library may be sent: a complete handshake step or message of a kind that is let through. */
static void check_message(const VncFilter *filter, bool handshake)
{
    const uint8_t *m = filter->held;
    size_t len = filter->held_len;
    bool good = handshake ? len == 12 || len == 1
                          : (m[0] == 0 && len == 20) || (m[0] == 3 && len == 10) ||
                                (m[0] == 2 && len == 4 + 4 * (size_t)(m[2] << 8 | m[3]));
    if (!good || len > VNC_MESSAGE_MAX) {
        g_error("let through: %zu bytes of type %d", len, m[0]);
    }
}

/* Feeds at most step new bytes at a time; appends what is let through to out. False: refused. */
static bool feed(const uint8_t *data, size_t size, size_t step, GByteArray *out)
{
    VncFilter filter = { .width = 1024, .height = 768 };
    size_t at = 0, end = 0;
    while (end < size) {
        VncFilterResult result;
        end += MIN(step, size - end);
        do {
            size_t used;
            bool handshake = filter.state != VNC_NORMAL;
            result = vnc_filter_next(&filter, data + at, end - at, &used, NULL);
            g_assert(used <= end - at && (result == VNC_FILTER_MORE || used || result == VNC_FILTER_BAD));
            at += used;
            if (result == VNC_FILTER_BAD) {
                return false;
            }
            if (result == VNC_FILTER_MESSAGE) {
                check_message(&filter, handshake);
                g_byte_array_append(out, filter.held, filter.held_len);
            }
        } while (result != VNC_FILTER_MORE);
        g_assert(end - at < 32);    /* no message makes the filter wait for more than that */
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    GByteArray *one = g_byte_array_new(), *all = g_byte_array_new();
    bool good = feed(data, size, 1, one);
    if (feed(data, size, size, all) != good || one->len != all->len ||
        (one->len && memcmp(one->data, all->data, one->len) != 0)) {
        g_error("%u bytes let through in pieces, %u at once", one->len, all->len);
    }
    g_byte_array_unref(one);
    g_byte_array_unref(all);
    return 0;
}
