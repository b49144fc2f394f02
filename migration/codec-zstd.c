/*
 * codec-zstd.c - pages as zstd frames (RFC 8878), with the checksum that a frame may have and zlib always has.
 *
 * Floor F4; below it libzstd.  A state belongs to one thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <zstd.h>
#include <zstd_errors.h>

#include "migration/page-codec.h"
#include "system/memory.h"

static void *zstd_compress_new(unsigned level, Error **errp)
{
    ZSTD_CCtx *ctx = ZSTD_createCCtx();
    /* To zstd 0 means a default in the middle; here it is the least that there is. */
    if (!ctx || ZSTD_isError(ZSTD_CCtx_setParameter(ctx, ZSTD_c_compressionLevel, level ? (int)level : 1)) ||
        ZSTD_isError(ZSTD_CCtx_setParameter(ctx, ZSTD_c_checksumFlag, 1))) {
        ZSTD_freeCCtx(ctx);
        error_setg(errp, "zstd cannot begin to compress: there is no memory");
        return NULL;
    }
    return ctx;
}

static void zstd_compress_free(void *state)
{
    ZSTD_freeCCtx(state);
}

static bool zstd_compress(void *state, const uint8_t *page, uint8_t *out, size_t *len, Error **errp)
{
    size_t n = ZSTD_compress2(state, out, PAGE_CODEC_ROOM, page, TARGET_PAGE_SIZE);
    *len = ZSTD_isError(n) ? 0 : n;
    if (ZSTD_isError(n) && ZSTD_getErrorCode(n) != ZSTD_error_dstSize_tooSmall) {
        error_setg(errp, "zstd cannot compress a page: %s", ZSTD_getErrorName(n));
        return false;
    }
    return true;
}

static void *zstd_decompress_new(Error **errp)
{
    ZSTD_DCtx *ctx = ZSTD_createDCtx();
    if (!ctx) {
        error_setg(errp, "zstd cannot begin to decompress: there is no memory");
    }
    return ctx;
}

static void zstd_decompress_free(void *state)
{
    ZSTD_freeDCtx(state);
}

static bool zstd_decompress(void *state, const uint8_t *in, size_t len, uint8_t *page, Error **errp)
{
    size_t n = ZSTD_decompressDCtx(state, page, TARGET_PAGE_SIZE, in, len);
    if (ZSTD_isError(n)) {
        error_setg(errp, "zstd cannot decompress a page: %s", ZSTD_getErrorName(n));
        return false;
    }
    if (n != TARGET_PAGE_SIZE) {
        error_setg(errp, "zstd's %zu bytes give %zu bytes of a page", len, n);
        return false;
    }
    return true;
}

static const PageCodec codec = {
    .name = "zstd",
    .compress_new = zstd_compress_new,
    .compress_free = zstd_compress_free,
    .compress = zstd_compress,
    .decompress_new = zstd_decompress_new,
    .decompress_free = zstd_decompress_free,
    .decompress = zstd_decompress,
};

const PageCodec *const page_codec_zstd = &codec;
