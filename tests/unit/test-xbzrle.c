/*
 * test-xbzrle.c - deltas of pages: there and back, their size, broken ones; and the cache of pages.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <glib.h>
#include <string.h>

#include "migration/page-cache.h"
#include "migration/xbzrle.h"
#include "system/memory.h"

#define PAGE TARGET_PAGE_SIZE

/* ---- deltas ---- */

/* Encodes, checks that decoding gives the new page, and returns the length. */
static int there_and_back(const uint8_t *old_page, const uint8_t *new_page)
{
    uint8_t delta[XBZRLE_MAX + 16], page[PAGE];
    memset(delta, 0xee, sizeof(delta));
    int len = xbzrle_encode(old_page, new_page, delta);
    for (size_t i = XBZRLE_MAX; i < sizeof(delta); i++) {
        g_assert_cmpuint(delta[i], ==, 0xee);
    }
    if (len >= 0) {
        Error *err = NULL;
        memcpy(page, old_page, PAGE);
        if (!xbzrle_decode(delta, (size_t)len, page, &err)) {
            g_error("%s", error_get_pretty(err));
        }
        g_assert_cmpmem(page, PAGE, new_page, PAGE);
        g_assert_cmpint(len == 0, ==, memcmp(old_page, new_page, PAGE) == 0);
    }
    return len;
}

static void test_format(void)
{
    uint8_t a[PAGE] = { 0 }, b[PAGE] = { 0 }, delta[XBZRLE_MAX];
    /* 200 bytes as before, 3 new, 5 as before, 1 new. */
    static const uint8_t expected[] = { 0xc8, 0x01, 3, 7, 8, 9, 5, 1, 0xaa };
    memcpy(b + 200, (uint8_t[]){ 7, 8, 9 }, 3);
    b[208] = 0xaa;
    int len = xbzrle_encode(a, b, delta);
    g_assert_cmpmem(delta, (size_t)len, expected, sizeof(expected));
    g_assert_cmpint(xbzrle_encode(a, a, delta), ==, 0);
    b[0] = 1;
    len = xbzrle_encode(a, b, delta);
    g_assert_cmpmem(delta, 3, "\0\1\1", 3);
    g_assert_cmpint(there_and_back(a, b), ==, len);
}

/* One byte anywhere; two at any distance: fewer than three equal bytes between them are sent along. */
static void test_places(void)
{
    uint8_t a[PAGE] = { 0 }, b[PAGE] = { 0 };
    for (unsigned i = 0; i < PAGE; i++) {
        b[i] = 1;
        g_assert_cmpint(there_and_back(a, b), ==, i < 128 ? 3 : 4);
        for (unsigned gap = 1; gap < 20 && i + gap < PAGE; gap++) {
            b[i + gap] = 2;
            int head = i < 128 ? 2 : 3;
            int expected = gap <= 3 ? head + (int)gap + 1 : head + 1 + 3;
            g_assert_cmpint(there_and_back(a, b), ==, expected);
            b[i + gap] = 0;
        }
        b[i] = 0;
    }
}

static void test_worst(void)
{
    uint8_t a[PAGE] = { 0 }, b[PAGE];
    memset(b, 0xff, PAGE);
    g_assert_cmpint(there_and_back(a, b), ==, XBZRLE_OVERFLOW);
    /* The longest delta that there is: one byte short of too many. */
    for (unsigned equal = 0; equal < 32; equal++) {
        memset(b, 0xff, PAGE);
        memset(b, 0, equal);
        int len = there_and_back(a, b);
        g_assert_cmpint(len, ==, equal < 8 ? XBZRLE_OVERFLOW : (int)(3 + PAGE - equal));
    }
    /* As many runs as possible. */
    memset(b, 0, PAGE);
    for (unsigned i = 0; i < PAGE; i += 4) {
        b[i] = 1;
    }
    g_assert_cmpint(there_and_back(a, b), ==, 3 * PAGE / 4);
    for (unsigned i = 0; i < PAGE; i++) {
        b[i] = (i & 1) != 0;
    }
    g_assert_cmpint(there_and_back(a, b), ==, XBZRLE_OVERFLOW);
}

/* Pages of every density of changes, in runs of every kind of length. */
static void test_random(void)
{
    uint8_t a[PAGE], b[PAGE];
    unsigned fitted = 0;
    for (unsigned n = 0; n < 3000; n++) {
        for (unsigned i = 0; i < PAGE; i++) {
            a[i] = (uint8_t)g_test_rand_int_range(0, n % 3 ? 256 : 3);
        }
        memcpy(b, a, PAGE);
        for (int runs = g_test_rand_int_range(0, 1 << (n % 10)); runs > 0; runs--) {
            unsigned begin = (unsigned)g_test_rand_int_range(0, PAGE);
            unsigned len = (unsigned)g_test_rand_int_range(1, n % 7 ? 12 : 1000);
            for (unsigned i = begin; i < MIN(begin + len, PAGE); i++) {
                b[i] = (uint8_t)g_test_rand_int_range(0, n % 3 ? 256 : 3);
            }
        }
        fitted += there_and_back(a, b) >= 0;
    }
    g_assert_cmpuint(fitted, >, 1500);
}

static void expect_broken(const void *delta, size_t len, const char *why)
{
    g_autofree uint8_t *copy = g_memdup2(delta, len), *page = g_malloc0(PAGE);
    Error *err = NULL;
    g_assert_false(xbzrle_decode(copy, len, page, &err));
    if (!strstr(error_get_pretty(err), why)) {
        g_error("'%s' is not in '%s'", why, error_get_pretty(err));
    }
    error_free(err);
}

static void test_broken(void)
{
    uint8_t whole[PAGE] = { 0x00, 0x80, 0x20 }, page[PAGE];
    expect_broken("\x05", 1, "at byte 0: two numbers");
    expect_broken("\x80", 1, "two numbers");
    expect_broken("\x80\x80\x01\x01", 4, "one or two bytes");
    expect_broken("\x01\x81", 2, "two numbers");
    expect_broken("\x05\x00", 2, "no bytes");
    expect_broken("\x05\x01\xaa\x00\x01\xbb", 6, "at byte 3: a run of no bytes");
    expect_broken("\x05\x03\xaa\xbb", 4, "inside of a run");
    expect_broken("\xff\x1f\x02\xaa\xbb", 5, "beyond the page");
    expect_broken("\xff\x7f\xff\x7f", 4, "beyond the page");
    expect_broken("\x80\x20\x01\xaa", 4, "beyond the page");
    /* Its last byte may be new, and all of them but for the place that this takes. */
    g_assert_true(xbzrle_decode((const uint8_t *)"\xff\x1f\x01\xaa", 4, page, NULL));
    g_assert_cmpuint(page[PAGE - 1], ==, 0xaa);
    expect_broken(whole, PAGE, "inside of a run");
    whole[1] = 0xfd;
    whole[2] = 0x1f;
    g_assert_true(xbzrle_decode(whole, PAGE, page, NULL));
    g_assert_true(xbzrle_decode(whole, 0, page, NULL));
}

/* Whatever comes: yes or no with a reason, and nothing outside of the page (which a sanitizer sees). */
static void test_garbage(void)
{
    g_autofree uint8_t *page = g_malloc0(PAGE);
    unsigned good = 0;
    for (unsigned n = 0; n < 20000; n++) {
        size_t len = (size_t)g_test_rand_int_range(0, n % 5 ? 12 : PAGE);
        g_autofree uint8_t *delta = g_malloc(MAX(len, 1));
        for (size_t i = 0; i < len; i++) {
            delta[i] = (uint8_t)g_test_rand_int_range(0, n % 2 ? 256 : 8);
        }
        Error *err = NULL;
        bool ok = xbzrle_decode(delta, len, page, &err);
        g_assert_true(ok == !err);
        good += ok;
        error_free(err);
    }
    g_assert_cmpuint(good, >, 100);
}

/* ---- the cache ---- */

static void put(PageCache *cache, uint64_t key, uint32_t round)
{
    uint8_t *place = page_cache_insert(cache, key, round);
    g_assert_nonnull(place);
    memset(place, (int)key, PAGE);
}

static bool has(PageCache *cache, uint64_t key, uint32_t round)
{
    const uint8_t *page = page_cache_find(cache, key, round);
    if (page) {
        g_assert_cmpuint(page[0], ==, (uint8_t)key);
        g_assert_cmpuint(page[PAGE - 1], ==, (uint8_t)key);
    }
    return page != NULL;
}

static void test_cache(void)
{
    PageCache *cache = page_cache_new(8 * PAGE, NULL);
    g_assert_cmpuint(page_cache_bytes(cache), ==, 8 * PAGE);
    /* As many neighbours as there are places. */
    for (uint64_t key = 1005; key < 1013; key++) {
        g_assert_false(has(cache, key, 1));
        put(cache, key, 1);
    }
    for (uint64_t key = 1005; key < 1013; key++) {
        g_assert_true(has(cache, key, 1));
    }
    /* A place that is in use is not given away, in this round and the next; then it is. */
    g_assert_null(page_cache_insert(cache, 1005 + 8, 1));
    g_assert_null(page_cache_insert(cache, 1005 + 8, 2));
    g_assert_true(has(cache, 1006, 2));
    put(cache, 1005 + 8, 3);
    g_assert_false(has(cache, 1005, 3));
    g_assert_true(has(cache, 1005 + 8, 3));
    g_assert_null(page_cache_insert(cache, 1006 + 8, 3));
    put(cache, 1006 + 8, 4);
    page_cache_free(cache);
    page_cache_free(NULL);
}

static void test_resize(void)
{
    PageCache *cache = page_cache_new(4 * PAGE, NULL);
    for (uint64_t key = 1; key <= 4; key++) {
        put(cache, key, (uint32_t)key);
    }
    g_assert_true(page_cache_resize(cache, 16 * PAGE, NULL));
    for (uint64_t key = 1; key <= 4; key++) {
        g_assert_true(has(cache, key, (uint32_t)key));
    }
    put(cache, 5, 5);
    /* Of those that want the same place, the one used last stays. */
    g_assert_true(page_cache_resize(cache, 2 * PAGE, NULL));
    g_assert_true(has(cache, 5, 5) && has(cache, 4, 5));
    g_assert_false(has(cache, 1, 5) || has(cache, 2, 5) || has(cache, 3, 5));
    g_assert_true(page_cache_resize(cache, PAGE, NULL));
    g_assert_true(has(cache, 5, 5) || has(cache, 4, 5));
    /* No memory: nothing has changed. */
    Error *err = NULL;
    g_assert_false(page_cache_resize(cache, UINT64_C(1) << 62, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "no memory for a page cache of 4611686018427387904 bytes"));
    error_free(err);
    g_assert_cmpuint(page_cache_bytes(cache), ==, PAGE);
    g_assert_true(has(cache, 5, 5) || has(cache, 4, 5));
    g_assert_null(page_cache_new(UINT64_C(1) << 62, NULL));
    page_cache_free(cache);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/xbzrle/format", test_format);
    g_test_add_func("/xbzrle/places", test_places);
    g_test_add_func("/xbzrle/worst", test_worst);
    g_test_add_func("/xbzrle/random", test_random);
    g_test_add_func("/xbzrle/broken", test_broken);
    g_test_add_func("/xbzrle/garbage", test_garbage);
    g_test_add_func("/xbzrle/cache", test_cache);
    g_test_add_func("/xbzrle/resize", test_resize);
    return g_test_run();
}
