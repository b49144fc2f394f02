/*
 * page-codec.h - ways of compressing a page by itself.
 *
 * Floor F4.  A codec is a table of functions without a state of its own; each thread makes the state that it uses.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_PAGE_CODEC_H
#define MIGRATION_PAGE_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/error.h"

/* A compressed page that needs more, its length's four bytes included, is no gain. */
#define PAGE_CODEC_ROOM 4090
/* No codec needs more for a page, even for one that does not compress. */
#define PAGE_CODEC_MAX 4352

typedef struct PageCodec {
    const char *name;           /* value of compress-method */
    void *(*compress_new)(unsigned level, Error **errp);    /* level: 0 … 9 */
    void (*compress_free)(void *state);
    /*
     * page does not change meanwhile; out has PAGE_CODEC_ROOM bytes. *len = 0: the page does not fit there. False:
     * something is broken.
     */
    bool (*compress)(void *state, const uint8_t *page, uint8_t *out, size_t *len, Error **errp);
    void *(*decompress_new)(Error **errp);
    void (*decompress_free)(void *state);
    /* in comes from anywhere. False: it is no page; page may be changed then, and nothing else ever is. */
    bool (*decompress)(void *state, const uint8_t *in, size_t len, uint8_t *page, Error **errp);
} PageCodec;

extern const PageCodec page_codec_zlib;
/* NULL where it is not built in. */
extern const PageCodec *const page_codec_zstd;

/* By its name; NULL, with *errp set, if this program does not have it. */
const PageCodec *page_codec_find(const char *name, Error **errp);
/* The one that made these bytes, by how they begin; as above. */
const PageCodec *page_codec_of(const uint8_t *in, size_t len, Error **errp);

#endif
