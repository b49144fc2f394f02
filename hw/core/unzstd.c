/*
 * unzstd.c - unpacking zstd data with libzstd.
 *
 * Lobby (hw/core).  No locks.  Invariant: never more than max bytes of output are allocated, whatever
 * the frame's header claims.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "unzstd.h"

#include <glib.h>
#include <inttypes.h>
#include <zstd.h>

#define CHUNK (1u << 20)

/* Doubles the buffer, within max; false if it is full already. */
static bool grow(ZSTD_outBuffer *out, uint64_t max)
{
    if (out->pos < out->size) {
        return true;
    }
    if (out->size >= max) {
        return false;
    }
    out->size = MIN(max, MAX((uint64_t)CHUNK, 2 * (uint64_t)out->size));
    out->dst = g_realloc(out->dst, out->size);
    return true;
}

uint8_t *unzstd_bytes(const char *name, const uint8_t *in_bytes, uint64_t len, uint64_t max,
                      uint64_t *out_len, Error **errp)
{
    ZSTD_DStream *stream = ZSTD_createDStream();
    ZSTD_inBuffer in = { .src = in_bytes, .size = len };
    ZSTD_outBuffer out = { NULL, 0, 0 };
    size_t left = 1;

    while (left != 0) {
        if (!grow(&out, max)) {
            error_setg(errp, "'%s' unpacks to more than the %" PRIu64
                       " bytes that there is room for", name, max);
            break;
        }
        size_t in_before = in.pos, out_before = out.pos;
        left = ZSTD_decompressStream(stream, &out, &in);
        if (ZSTD_isError(left)) {
            error_setg(errp, "'%s' has bad zstd data after %zu unpacked bytes: %s", name, out.pos,
                       ZSTD_getErrorName(left));
            break;
        }
        if (left != 0 && in.pos == in_before && out.pos == out_before && in.pos == in.size) {
            error_setg(errp, "'%s' is cut short: its zstd data has no end", name);
            break;
        }
    }
    ZSTD_freeDStream(stream);
    if (left != 0) {
        g_free(out.dst);
        return NULL;
    }
    *out_len = out.pos;
    return out.dst;
}
