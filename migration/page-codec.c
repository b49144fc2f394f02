/*
 * page-codec.c - the codecs that there are, and how to tell their output apart.
 *
 * Floor F4; below it the codecs.  Pure functions.
 * Format: zstd begins with the bytes 28 b5 2f fd (RFC 8878). A zlib stream (RFC 1950) never does: its first two bytes, as
 * a big-endian number, are a multiple of 31.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "migration/page-codec.h"

#include <string.h>

const PageCodec *page_codec_find(const char *name, Error **errp)
{
    const PageCodec *codec = strcmp(name, "zlib") == 0   ? &page_codec_zlib
                             : strcmp(name, "zstd") == 0 ? page_codec_zstd
                                                         : NULL;
    if (!codec) {
        error_setg(errp, "Pages cannot be compressed with %s: this program was built without it", name);
    }
    return codec;
}

const PageCodec *page_codec_of(const uint8_t *in, size_t len, Error **errp)
{
    static const uint8_t zstd[] = { 0x28, 0xb5, 0x2f, 0xfd };
    bool is_zstd = len >= sizeof(zstd) && memcmp(in, zstd, sizeof(zstd)) == 0;
    return page_codec_find(is_zstd ? "zstd" : "zlib", errp);
}
