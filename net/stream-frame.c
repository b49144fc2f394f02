/*
 * stream-frame.c - cuts a byte stream into Ethernet frames.
 *
 * Lobby.  No locks: a StreamFrame belongs to one connection.
 * Invariant: no more than NET_PACKET_MAX bytes are kept, whatever length the other side announces.
 * Format owned: each frame is its length in bytes as a big-endian 32-bit number, then its bytes.  A
 * length of zero is no frame and is skipped.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "net/stream-frame.h"

#include <glib.h>
#include <string.h>

#include "net/net.h"

void stream_frame_put_header(uint8_t header[STREAM_FRAME_HEADER], uint32_t len)
{
    uint32_t be = GUINT32_TO_BE(len);
    memcpy(header, &be, sizeof(be));
}

/* Takes bytes for the header; returns how many. */
static size_t stream_frame_take_header(StreamFrame *f, const uint8_t *buf, size_t n)
{
    size_t take = MIN(n, STREAM_FRAME_HEADER - f->have);
    memcpy(f->header + f->have, buf, take);
    f->have += take;
    if (f->have == STREAM_FRAME_HEADER) {
        uint32_t be;
        memcpy(&be, f->header, sizeof(be));
        f->len = GUINT32_FROM_BE(be);
    }
    return take;
}

bool stream_frame_feed(StreamFrame *f, const uint8_t *buf, size_t n, StreamFrameFunc *func,
                       void *opaque)
{
    while (n) {
        size_t take;
        if (f->have < STREAM_FRAME_HEADER) {
            take = stream_frame_take_header(f, buf, n);
        } else {
            size_t got = f->have - STREAM_FRAME_HEADER;
            take = MIN(n, f->len - got);
            if (!f->data) {
                f->data = g_malloc(NET_PACKET_MAX);
            }
            memcpy(f->data + got, buf, take);
            f->have += take;
        }
        buf += take;
        n -= take;
        if (f->have < STREAM_FRAME_HEADER) {
            continue;
        }
        if (f->len > NET_PACKET_MAX) {
            return false;
        }
        if (f->have == STREAM_FRAME_HEADER + (size_t)f->len) {
            size_t len = f->len;
            f->have = 0;
            if (len && !func(opaque, f->data, len)) {
                return true;
            }
        }
    }
    return true;
}

void stream_frame_reset(StreamFrame *f)
{
    g_free(f->data);
    memset(f, 0, sizeof(*f));
}
