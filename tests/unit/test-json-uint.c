/*
 * test-json-uint.c - integers from 2^63 on: read, kept, written, and never taken for something else.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/json-uint.h"

#include <glib.h>
#include <string.h>

#include "util/keyval.h"

static json_t *load(const char *text)
{
    json_error_t error;
    return json_uint_loadb(text, strlen(text), JSON_REJECT_DUPLICATES, &error);
}

/* Reads text, writes it again, and expects `back`. */
static void expect(const char *text, const char *back)
{
    json_t *value = load(text);
    g_assert_nonnull(value);
    g_autofree char *written = json_uint_dumps(value, JSON_COMPACT);
    g_assert_cmpstr(written, ==, back);
    json_decref(value);
}

static void test_round_trip(void)
{
    static const char *const same[] = {
        "[9223372036854775807]", "[9223372036854775808]", "[18446744073709551615]",
        "[-9223372036854775808]", "{\"a\":18446744071562067968,\"b\":[10000000000000000000,1]}",
        "[9223372036854775808,9223372036854775809,18446744073709551614]", "[1.5,0,-1]", "[\"a\\\"5\"]",
        "[\"18446744073709551615\"]", "{\"18446744073709551615\":18446744073709551615}",
        "[\"\\\\u0000\"]", "[\"5\\\\u0000\",18446744073709551615]",
        "[\"\\\"18446744073709551615\\\\u0000\"]",
    };
    for (size_t i = 0; i < G_N_ELEMENTS(same); i++) {
        expect(same[i], same[i]);
    }
    expect(" [ 18446744073709551615 ]\n", "[18446744073709551615]");
}

/* Beyond 64 bits a number is a real. */
static void test_beyond(void)
{
    static const char *const texts[] = { "[18446744073709551616]", "[-9223372036854775809]",
                                         "[100000000000000000000000000000000]" };
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        json_t *value = load(texts[i]);
        g_assert_true(json_is_real(json_array_get(value, 0)));
        json_decref(value);
    }
    expect("[1e19]", "[1e19]");
    json_t *value = load("[10000000000000000000.5]");
    g_assert_true(json_is_real(json_array_get(value, 0)));
    json_decref(value);
}

static void test_refused(void)
{
    static const char *const wrong[] = {
        "[\"18446744073709551615\\u0000\"]",
        "[\"18446744073709551615\\u0000\", 18446744073709551615]",
        "{18446744073709551615: 1}", "[018446744073709551615]", "[18446744073709551615a]",
        "[--18446744073709551615]", "[18446744073709551615", "[\"18446744073709551615",
        "[\"\\", "[18446744073709551615 \"\\u00", "[+18446744073709551615]",
    };
    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_test_message("%s", wrong[i]);
        g_assert_null(load(wrong[i]));
    }
}

static void test_values(void)
{
    uint64_t out = 0;
    json_t *value = json_uint_new(INT64_MAX);
    g_assert_true(json_is_integer(value));
    g_assert_false(json_uint_large(value, &out));
    json_decref(value);
    value = json_uint_new((uint64_t)INT64_MAX + 1);
    g_assert_true(json_uint_large(value, &out));
    g_assert_cmpuint(out, ==, (uint64_t)INT64_MAX + 1);
    json_decref(value);
    value = json_uint_new(UINT64_MAX);
    g_assert_true(json_uint_large(value, &out));
    g_assert_cmpuint(out, ==, UINT64_MAX);
    json_decref(value);
    value = json_string("18446744073709551615");
    g_assert_false(json_uint_large(value, NULL));
    json_decref(value);
    g_assert_false(json_uint_large(NULL, NULL));
}

/* The readers of options: a number where one belongs, an error for a string. */
static void test_keyval(void)
{
    json_t *options = keyval_parse("{\"n\": 18446744073709551615}", NULL, NULL);
    uint64_t n = 0;
    const char *text = NULL;
    Error *err = NULL;
    g_assert_true(keyval_get_uint(options, "n", UINT64_MAX, &n, NULL));
    g_assert_cmpuint(n, ==, UINT64_MAX);
    n = 0;
    g_assert_true(keyval_get_size(options, "n", &n, NULL));
    g_assert_cmpuint(n, ==, UINT64_MAX);
    g_assert_false(keyval_get_uint(options, "n", INT64_MAX, &n, NULL));
    g_assert_false(keyval_get_str(options, "n", &text, &err));
    g_assert_cmpstr(error_get_pretty(err), ==,
                    "Parameter 'n' expects a string, not '18446744073709551615'");
    error_free(err);
    json_decref(options);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/json-uint/round-trip", test_round_trip);
    g_test_add_func("/json-uint/beyond", test_beyond);
    g_test_add_func("/json-uint/refused", test_refused);
    g_test_add_func("/json-uint/values", test_values);
    g_test_add_func("/json-uint/keyval", test_keyval);
    return g_test_run();
}
