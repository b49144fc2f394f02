/*
 * fuzz-net-stream.c - libFuzzer target: arbitrary bytes from the far end of -netdev stream.
 *
 * The input is fed twice: in pieces whose sizes it chooses itself (a byte of length, then so many
 * bytes), and the same bytes in one piece.  Both ways must give the same frames, none empty or
 * longer than NET_PACKET_MAX.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <glib.h>

#include "net/net.h"
#include "net/stream-frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct Sum {
    unsigned frames;
    uint64_t hash;
} Sum;

static bool take(void *opaque, const uint8_t *frame, size_t len)
{
    Sum *sum = opaque;
    if (len == 0 || len > NET_PACKET_MAX) {
        g_error("a frame of %zu bytes", len);
    }
    sum->frames++;
    for (size_t i = 0; i < len; i++) {
        sum->hash = (sum->hash ^ frame[i]) * 0x100000001b3ull;
    }
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    GByteArray *whole = g_byte_array_new();
    StreamFrame pieces = { 0 }, once = { 0 };
    Sum in_pieces = { 0 }, at_once = { 0 };
    bool good = true;
    while (size && good) {
        size_t n = MIN((size_t)data[0], size - 1);
        g_byte_array_append(whole, data + 1, n);
        good = stream_frame_feed(&pieces, data + 1, n, take, &in_pieces);
        data += 1 + n;
        size -= 1 + n;
    }
    if (stream_frame_feed(&once, whole->data, whole->len, take, &at_once) != good ||
        in_pieces.frames != at_once.frames || in_pieces.hash != at_once.hash) {
        g_error("%u frames in pieces, %u at once", in_pieces.frames, at_once.frames);
    }
    stream_frame_reset(&pieces);
    stream_frame_reset(&once);
    g_byte_array_unref(whole);
    return 0;
}
