/*
 * xbzrle.c - encodes a page as its difference from an older version, and decodes that.
 *
 * Floor F4; below it nothing.  Pure functions.
 * Invariant: the encoder never writes more than XBZRLE_MAX bytes, the decoder never outside of the page.
 *
 * Format of a delta: pairs until its end. A pair is the number of bytes that are as before, the number of
 * bytes that are new, and those bytes. Numbers are ULEB128 of one or two bytes. The first number of the
 * first pair may be 0, no other may. What follows the last pair is as before.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "migration/xbzrle.h"

#include <glib.h>
#include <string.h>

#include "system/memory.h"

#define PAGE ((size_t)TARGET_PAGE_SIZE)
#define WORD sizeof(uint64_t)
#define LINE (8 * WORD)
#define EVERY_BYTE(x) (UINT64_MAX / 255 * (x))

/* ---- encoding ---- */

/* Bytes that differ are not zero; the byte at pos is the lowest. */
static inline uint64_t difference(const uint8_t *a, const uint8_t *b, size_t pos)
{
    uint64_t x, y;
    memcpy(&x, a + pos, WORD);
    memcpy(&y, b + pos, WORD);
    return GUINT64_FROM_LE(x ^ y);
}

static inline size_t lowest_byte(uint64_t word)
{
    return (size_t)__builtin_ctzll(word) / 8;
}

static bool line_is_equal(const uint8_t *a, const uint8_t *b, size_t pos)
{
    uint64_t any = 0;
    for (size_t i = 0; i < LINE; i += WORD) {
        any |= difference(a, b, pos + i);
    }
    return !any;
}

/*
 * The first byte from pos on that differs, or PAGE. Where one is near, the first words find it; most of most pages is
 * equal, and is looked at a line at a time.
 */
static size_t next_difference(const uint8_t *a, const uint8_t *b, size_t pos)
{
    for (unsigned i = 0; i < 2 && pos + WORD <= PAGE; i++, pos += WORD) {
        uint64_t diff = difference(a, b, pos);
        if (diff) {
            return pos + lowest_byte(diff);
        }
    }
    while (pos + LINE <= PAGE && line_is_equal(a, b, pos)) {
        pos += LINE;
    }
    for (; pos + WORD <= PAGE; pos += WORD) {
        uint64_t diff = difference(a, b, pos);
        if (diff) {
            return pos + lowest_byte(diff);
        }
    }
    while (pos < PAGE && a[pos] == b[pos]) {
        pos++;
    }
    return pos;
}

/* The first byte from pos on that is equal, or PAGE. */
static size_t next_equal(const uint8_t *a, const uint8_t *b, size_t pos)
{
    for (; pos + WORD <= PAGE; pos += WORD) {
        uint64_t diff = difference(a, b, pos);
        /* The lowest byte that is zero, if there is one: a borrow only reaches what is above it. */
        uint64_t equal = (diff - EVERY_BYTE(1)) & ~diff & EVERY_BYTE(0x80);
        if (equal) {
            return pos + lowest_byte(equal);
        }
    }
    while (pos < PAGE && a[pos] != b[pos]) {
        pos++;
    }
    return pos;
}

/* The two bytes of a new pair cost as much as two equal bytes that are sent along. */
static bool gap_is_short(const uint8_t *a, const uint8_t *b, size_t pos)
{
    return (pos + 1 < PAGE && a[pos + 1] != b[pos + 1]) || (pos + 2 < PAGE && a[pos + 2] != b[pos + 2]);
}

/* Where the run of new bytes that begins at pos ends. */
static size_t run_end(const uint8_t *a, const uint8_t *b, size_t pos)
{
    for (;;) {
        pos = next_equal(a, b, pos);
        if (!gap_is_short(a, b, pos)) {
            return pos;
        }
        pos = next_difference(a, b, pos);
    }
}

static size_t put_number(uint8_t *out, size_t n)
{
    if (n < 0x80) {
        out[0] = (uint8_t)n;
        return 1;
    }
    out[0] = (uint8_t)(n | 0x80);
    out[1] = (uint8_t)(n >> 7);
    return 2;
}

/* n bytes; where a whole word may be read and written, a short run is one move. */
static void put_bytes(uint8_t *out, const uint8_t *in, size_t n, size_t room)
{
    if (n <= WORD && room >= WORD) {
        memcpy(out, in, WORD);
    } else {
        memcpy(out, in, n);
    }
}

int xbzrle_encode(const uint8_t *old_page, const uint8_t *new_page, uint8_t *delta)
{
    size_t len = 0, done = 0;
    for (;;) {
        size_t begin = next_difference(old_page, new_page, done);
        if (begin == PAGE) {
            return (int)len;
        }
        size_t end = run_end(old_page, new_page, begin);
        if (len + 4 + (end - begin) > XBZRLE_MAX) {
            return XBZRLE_OVERFLOW;
        }
        len += put_number(delta + len, begin - done);
        len += put_number(delta + len, end - begin);
        put_bytes(delta + len, new_page + begin, end - begin, MIN(XBZRLE_MAX - len, PAGE - begin));
        len += end - begin;
        done = end;
    }
}

/* ---- decoding ---- */

/* A number of at most two bytes; advances *pos. False: there is none. */
static bool get_number(const uint8_t *delta, size_t len, size_t *pos, size_t *n)
{
    if (*pos >= len) {
        return false;
    }
    *n = delta[(*pos)++];
    if (*n < 0x80) {
        return true;
    }
    if (*pos >= len || delta[*pos] >= 0x80) {
        return false;
    }
    *n = (*n & 0x7f) | (size_t)delta[(*pos)++] << 7;
    return true;
}

static bool bad_delta(Error **errp, size_t pos, const char *what)
{
    error_setg(errp, "the page's delta is broken at byte %zu: %s", pos, what);
    return false;
}

bool xbzrle_decode(const uint8_t *delta, size_t len, uint8_t *page, Error **errp)
{
    size_t pos = 0, at = 0;
    while (pos < len) {
        size_t begin = pos, equal, fresh;
        if (!get_number(delta, len, &pos, &equal) || !get_number(delta, len, &pos, &fresh)) {
            return bad_delta(errp, begin, "two numbers of one or two bytes were expected");
        }
        if (fresh == 0 || (equal == 0 && begin > 0)) {
            return bad_delta(errp, begin, "a run of no bytes");
        }
        if (equal + fresh > PAGE - at) {
            return bad_delta(errp, begin, "it goes beyond the page");
        }
        if (fresh > len - pos) {
            return bad_delta(errp, begin, "it ends inside of a run");
        }
        memcpy(page + at + equal, delta + pos, fresh);
        at += equal + fresh;
        pos += fresh;
    }
    return true;
}
