/*
 * codec-zlib.c - pages as zlib streams (RFC 1950), as QEMU's compress has them.
 *
 * Floor F4; below it libz.  A state belongs to one thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <glib.h>
#include <zlib.h>

#include "migration/page-codec.h"
#include "system/memory.h"

static bool zlib_failed(const z_stream *z, int code, const char *doing, Error **errp)
{
    error_setg(errp, "zlib cannot %s: %s", doing, z->msg ? z->msg : zError(code));
    return false;
}

static void *zlib_compress_new(unsigned level, Error **errp)
{
    z_stream *z = g_new0(z_stream, 1);
    int code = deflateInit(z, (int)level);
    if (code != Z_OK) {
        zlib_failed(z, code, "begin to compress", errp);
        g_free(z);
        return NULL;
    }
    return z;
}

static void zlib_compress_free(void *state)
{
    deflateEnd(state);
    g_free(state);
}

static bool zlib_compress(void *state, const uint8_t *page, uint8_t *out, size_t *len, Error **errp)
{
    z_stream *z = state;
    deflateReset(z);
    z->next_in = (uint8_t *)page;       /* zlib only reads it */
    z->avail_in = TARGET_PAGE_SIZE;
    z->next_out = out;
    z->avail_out = PAGE_CODEC_ROOM;
    int code = deflate(z, Z_FINISH);
    *len = code == Z_STREAM_END ? z->total_out : 0;
    return code == Z_STREAM_END || code == Z_OK || code == Z_BUF_ERROR ||
           zlib_failed(z, code, "compress a page", errp);
}

static void *zlib_decompress_new(Error **errp)
{
    z_stream *z = g_new0(z_stream, 1);
    int code = inflateInit(z);
    if (code != Z_OK) {
        zlib_failed(z, code, "begin to decompress", errp);
        g_free(z);
        return NULL;
    }
    return z;
}

static void zlib_decompress_free(void *state)
{
    inflateEnd(state);
    g_free(state);
}

static bool zlib_decompress(void *state, const uint8_t *in, size_t len, uint8_t *page, Error **errp)
{
    z_stream *z = state;
    inflateReset(z);
    z->next_in = (uint8_t *)in;
    z->avail_in = (unsigned)len;
    z->next_out = page;
    z->avail_out = TARGET_PAGE_SIZE;
    int code = inflate(z, Z_FINISH);
    if (code != Z_STREAM_END) {
        return zlib_failed(z, code, "decompress a page", errp);
    }
    if (z->avail_in || z->avail_out) {
        error_setg(errp, "zlib's %zu bytes give %lu bytes of a page and leave %u over", len, z->total_out,
                   z->avail_in);
        return false;
    }
    return true;
}

const PageCodec page_codec_zlib = {
    .name = "zlib",
    .compress_new = zlib_compress_new,
    .compress_free = zlib_compress_free,
    .compress = zlib_compress,
    .decompress_new = zlib_decompress_new,
    .decompress_free = zlib_decompress_free,
    .decompress = zlib_decompress,
};
