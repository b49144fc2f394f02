/*
 * stream-frame.h - Ethernet frames in a byte stream.
 *
 * Lobby, private to net/.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_NET_STREAM_FRAME_H
#define GODWIT_NET_STREAM_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STREAM_FRAME_HEADER 4   /* bytes of the length in front of a frame */

/* What has come in of the next frame. Zero-initialised; data is made when needed. */
typedef struct StreamFrame {
    uint8_t header[STREAM_FRAME_HEADER];
    size_t have;                /* bytes of header and data together */
    uint32_t len;               /* of data, once the header is whole */
    uint8_t *data;              /* NET_PACKET_MAX bytes or NULL */
} StreamFrame;

/* Takes a whole frame; false ends the reading (the stream may be gone). */
typedef bool StreamFrameFunc(void *opaque, const uint8_t *frame, size_t len);

/*
 * Reads n bytes, in whatever pieces they came, and hands on each frame that they complete. False if
 * a frame's length is more than NET_PACKET_MAX: then nothing that follows can be trusted.
 */
bool stream_frame_feed(StreamFrame *f, const uint8_t *buf, size_t n, StreamFrameFunc *func,
                       void *opaque);
/* Forgets a part of a frame; frees the memory. */
void stream_frame_reset(StreamFrame *f);
void stream_frame_put_header(uint8_t header[STREAM_FRAME_HEADER], uint32_t len);

#endif
