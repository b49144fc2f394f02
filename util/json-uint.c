/*
 * json-uint.c - unsigned 64-bit integers in JSON, which jansson's signed ones cannot hold.
 *
 * Floor F0; below it jansson and GLib.  No locks, no state.
 * Invariant: a NUL character in a JSON string means a large value and nothing else.  On the way in the
 * text is rewritten before jansson sees it, number by number, and a text that brings a NUL of its own is
 * refused; on the way out the one place where jansson writes \u0000 is turned back.
 * Format of a large value: 19 or 20 decimal digits, NUL.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/json-uint.h"

#include <errno.h>
#include <glib.h>
#include <string.h>

/* Fewer digits than this fit into 63 bits. */
#define LARGE_DIGITS 19

static const char nul_escape[] = "\\u0000";

static json_t *new_large(uint64_t value)
{
    char digits[24];
    int n = g_snprintf(digits, sizeof(digits), "%" G_GUINT64_FORMAT, value);
    return json_stringn(digits, n + 1);     /* with its NUL */
}

json_t *json_uint_new(uint64_t value)
{
    return value <= INT64_MAX ? json_integer((json_int_t)value) : new_large(value);
}

bool json_uint_large(const json_t *value, uint64_t *out)
{
    const char *digits = json_string_value(value);
    if (!digits || json_string_length(value) != strlen(digits) + 1) {
        return false;
    }
    if (out) {
        *out = g_ascii_strtoull(digits, NULL, 10);
    }
    return true;
}

/* ---- reading ---- */

typedef struct Rewriter {
    const char *text;
    size_t len;
    size_t copied;      /* how much of text is in out already */
    GString *out;       /* NULL as long as nothing had to be changed */
    bool nul;           /* a string contains \u0000 */
} Rewriter;

/* The end of the string whose opening quote stands at `at`. */
static size_t skip_string(Rewriter *r, size_t at)
{
    for (at++; at < r->len && r->text[at] != '"'; at++) {
        if (r->text[at] == '\\') {
            r->nul |= r->len - at >= strlen(nul_escape) &&
                      memcmp(r->text + at, nul_escape, strlen(nul_escape)) == 0;
            at++;
        }
    }
    return MIN(at + 1, r->len);
}

static void replace(Rewriter *r, size_t from, size_t to, const char *format, const char *digits)
{
    if (!r->out) {
        r->out = g_string_sized_new(r->len + 64);
    }
    g_string_append_len(r->out, r->text + r->copied, from - r->copied);
    g_string_append_printf(r->out, format, digits);
    r->copied = to;
}

/* A number at `from`: its end; an integer that jansson has no type for is replaced. */
static size_t take_number(Rewriter *r, size_t from)
{
    size_t to = from, digits = 0;
    bool integer = true;
    while (to < r->len && (g_ascii_isalnum(r->text[to]) || strchr("+-.", r->text[to]))) {
        bool digit = g_ascii_isdigit(r->text[to]);
        digits += digit;
        integer &= digit || (to == from && r->text[to] == '-');
        to++;
    }
    bool negative = r->text[from] == '-';
    if (!integer || digits < LARGE_DIGITS || r->text[from + negative] == '0') {
        return to;
    }
    g_autofree char *number = g_strndup(r->text + from, to - from);
    errno = 0;
    if (negative) {
        g_ascii_strtoll(number, NULL, 10);
    } else if (g_ascii_strtoull(number, NULL, 10) > INT64_MAX && errno == 0) {
        replace(r, from, to, "\"%s\\u0000\"", number);
    }
    if (errno == ERANGE) {
        replace(r, from, to, "%s.0", number);
    }
    return to;
}

static void rewrite(Rewriter *r)
{
    for (size_t at = 0; at < r->len;) {
        char c = r->text[at];
        if (c == '"') {
            at = skip_string(r, at);
        } else if (c == '-' || g_ascii_isdigit(c)) {
            at = take_number(r, at);
        } else {
            at++;
        }
    }
    if (r->out) {
        g_string_append_len(r->out, r->text + r->copied, r->len - r->copied);
    }
}

json_t *json_uint_loadb(const char *text, size_t len, size_t flags, json_error_t *error)
{
    Rewriter r = { .text = text, .len = len };
    rewrite(&r);
    /* Where nothing was replaced, and where a NUL could be taken for ours, jansson refuses every NUL. */
    json_t *value = r.out && !r.nul ? json_loadb(r.out->str, r.out->len, flags | JSON_ALLOW_NUL, error)
                                    : json_loadb(text, len, flags, error);
    if (r.out) {
        g_string_free(r.out, TRUE);
    }
    return value;
}

/* ---- writing ---- */

char *json_uint_dumps(const json_t *value, size_t flags)
{
    char *text = json_dumps(value, flags | JSON_ENSURE_ASCII);
    if (!text) {
        return NULL;
    }
    GString *out = g_string_new(NULL);
    const char *from = text, *mark;
    /* "DIGITS\u0000": the quote before the digits and all behind them goes. */
    while ((mark = strstr(from, "\\u0000\""))) {
        const char *digits = mark;
        while (digits > from && g_ascii_isdigit(digits[-1])) {
            digits--;
        }
        bool large = digits < mark && digits > from && digits[-1] == '"';
        g_string_append_len(out, from, (large ? digits - 1 : mark) - from);
        /* A backslash before the mark makes it six harmless characters of a string. */
        g_string_append_len(out, large ? digits : mark, large ? mark - digits : 1);
        from = large ? mark + strlen("\\u0000\"") : mark + 1;
    }
    g_string_append(out, from);
    free(text);
    return g_string_free(out, FALSE);
}
