/*
 * fuzz-xbzrle.c - libFuzzer target: a delta from nowhere, and two pages from nowhere.
 *
 * The input is taken as a delta: it is refused with a reason, or changes the page and nothing else, and the
 * difference that it made can be encoded and decoded again. Then each half of the input is repeated until it fills a
 * page, and one page must become the other.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <glib.h>
#include <string.h>

#include "migration/xbzrle.h"
#include "system/memory.h"

#define PAGE TARGET_PAGE_SIZE

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void there_and_back(const uint8_t *old_page, const uint8_t *new_page)
{
    g_autofree uint8_t *delta = g_malloc(XBZRLE_MAX), *page = g_memdup2(old_page, PAGE);
    int len = xbzrle_encode(old_page, new_page, delta);
    if (len == XBZRLE_OVERFLOW) {
        return;
    }
    if (len < 0 || len > XBZRLE_MAX || !xbzrle_decode(delta, (size_t)len, page, NULL)) {
        g_error("an encoded page of %d bytes is not decoded", len);
    }
    if (memcmp(page, new_page, PAGE) != 0 || (len == 0) != (memcmp(old_page, new_page, PAGE) == 0)) {
        g_error("a delta of %d bytes makes another page", len);
    }
}

static void tile(uint8_t *page, const uint8_t *data, size_t size)
{
    for (size_t i = 0; size && i < PAGE; i++) {
        page[i] = data[i % size];
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree uint8_t *before = g_malloc0(PAGE), *after = g_malloc0(PAGE);
    Error *err = NULL;
    bool ok = xbzrle_decode(data, size, after, &err);
    if (ok != (err == NULL)) {
        g_error("decoding: result and error disagree");
    }
    error_free(err);
    there_and_back(before, after);
    tile(before, data, size / 2);
    tile(after, data + size / 2, size - size / 2);
    there_and_back(before, after);
    /* And with little changed. */
    memcpy(after, before, PAGE);
    for (size_t i = 0; i + 1 < size && i < 64; i += 2) {
        after[(data[i] << 4 | i) % PAGE] = data[i + 1];
    }
    there_and_back(before, after);
    return 0;
}
