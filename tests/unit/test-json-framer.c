/*
 * test-json-framer.c - where messages end, what is refused, and how the framer finds its way back.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "monitor/json-framer.h"

#include <stdint.h>
#include <string.h>

/* What came out of a stream: one character an outcome, 'v' a value and 'e' an error. */
typedef struct Outcome {
    GString *kinds;
    json_t *last;
    char *last_error;
} Outcome;

/* Feeds data in pieces of `step` bytes. */
static Outcome run(const char *data, size_t len, size_t step)
{
    Outcome out = { .kinds = g_string_new(NULL) };
    JsonFramer *framer = json_framer_new();
    while (len) {
        size_t piece = MIN(step, len);
        size_t left = piece;
        const char *p = data;
        while (left) {
            json_t *value = NULL;
            Error *error = NULL;
            JsonFramerResult result = json_framer_feed(framer, &p, &left, &value, &error);
            if (result == JSON_FRAMER_VALUE) {
                g_assert_null(error);
                g_string_append_c(out.kinds, 'v');
                json_decref(out.last);
                out.last = value;
            } else if (result == JSON_FRAMER_ERROR) {
                g_assert_null(value);
                g_string_append_c(out.kinds, 'e');
                g_free(out.last_error);
                out.last_error = g_strdup(error_get_pretty(error));
                error_free(error);
            }
        }
        data += piece;
        len -= piece;
    }
    json_framer_free(framer);
    return out;
}

static void outcome_clear(Outcome *out)
{
    g_string_free(out->kinds, TRUE);
    json_decref(out->last);
    g_free(out->last_error);
}

/* The same outcomes must come of one piece, of bytes, and of pieces in between. */
static void expect(const char *data, const char *kinds)
{
    static const size_t steps[] = { 1, 2, 3, 7, SIZE_MAX };
    for (size_t i = 0; i < G_N_ELEMENTS(steps); i++) {
        Outcome out = run(data, strlen(data), steps[i]);
        if (strcmp(out.kinds->str, kinds)) {
            g_error("'%s' in steps of %zu: got '%s', wanted '%s' (%s)", data, steps[i],
                    out.kinds->str, kinds, out.last_error);
        }
        outcome_clear(&out);
    }
}

static void test_whole(void)
{
    expect("", "");
    expect(" \t\r\n", "");
    expect("{}", "v");
    expect("{}{}[]", "vvv");
    expect("{\"a\": [1, {\"b\": \"}]\"}]}\r\n{\"c\":\r\n null}", "vv");
    expect("{\"a\": \"\\\"}\"} {\"b\": \"\\\\\"}", "vv");
    expect("{\"a\": \"\xc3\xa9\\u00e9\"}", "v");
    expect("{\"half\": [1, ", "");
}

static void test_single_quotes(void)
{
    Outcome out = run("{'a': 'it\\'s \"so\"', \"b\": \"'\\'\"}", 30, SIZE_MAX);
    outcome_clear(&out);
    const char *text = "{'a': 'it\\'s \"so\" \\n', \"b\": \"'\"}";
    out = run(text, strlen(text), 1);
    g_assert_cmpstr(out.kinds->str, ==, "v");
    g_assert_cmpstr(json_string_value(json_object_get(out.last, "a")), ==, "it's \"so\" \n");
    g_assert_cmpstr(json_string_value(json_object_get(out.last, "b")), ==, "'");
    outcome_clear(&out);
}

/* One bad line gets one error, and the line behind it is read. */
static void test_resync(void)
{
    expect("garbage }}} \" ][\n{}", "ev");
    expect("{]\n{}", "ev");
    expect("}\n{}", "ev");
    expect("123\n{}", "ev");
    expect("\"str{ing\"\n{}", "ev");
    expect("{\"a\" 1}{}", "ev");
    expect("{\"a\": 1, \"a\": 2}{}", "ev");
    expect("{\"a\": nul}{}", "ev");
    expect("{\"a\": 99999999999999999999}{}", "vv");
    expect("{\"a\": 18446744073709551615}{}", "vv");
    expect("{\"a\": 18446744073709551615, \"b\": \"5\\u0000\"}{}", "ev");
    expect("{\"a\": \"\\u0000\"}{}", "ev");
    expect("{\"a\": \"\\ud800\"}{}", "ev");
    expect("{\"a\": \"\xe9\"}{}", "ev");
}

static void test_fresh_start(void)
{
    expect("\xff{}", "ev");
    expect("{\"a\": \xff{}", "ev");
    expect("{\"a\": \"\xff{}", "ev");
    expect("{\"a\": \"line\n{}", "ev");
    expect("{\"a\": \x01{}", "ev");
    expect("garbage \xff{}", "ev");
    Outcome out = run("{\"a\":\0{}", 8, SIZE_MAX);
    g_assert_cmpstr(out.kinds->str, ==, "ev");
    outcome_clear(&out);
}

static void expect_nested(size_t depth, const char *kinds)
{
    GString *text = g_string_new("[");
    for (size_t i = 1; i < depth; i++) {
        g_string_append(text, "[");
    }
    for (size_t i = 0; i < depth; i++) {
        g_string_append(text, "]");
    }
    g_string_append(text, "\n{}");
    Outcome out = run(text->str, text->len, SIZE_MAX);
    g_assert_cmpstr(out.kinds->str, ==, kinds);
    outcome_clear(&out);
    g_string_free(text, TRUE);
}

static void test_bounds(void)
{
    expect_nested(JSON_FRAMER_MAX_DEPTH, "vv");
    expect_nested(JSON_FRAMER_MAX_DEPTH + 1, "ev");
    expect_nested(100000, "ev");

    GString *text = g_string_new("[0");
    for (size_t i = 0; i < JSON_FRAMER_MAX_TOKENS; i++) {
        g_string_append(text, ",0");
    }
    g_string_append(text, "]\n{}");
    Outcome out = run(text->str, text->len, SIZE_MAX);
    g_assert_cmpstr(out.kinds->str, ==, "ev");
    outcome_clear(&out);

    g_string_assign(text, "{\"a\": \"");
    size_t start = text->len;
    g_string_set_size(text, JSON_FRAMER_MAX_BYTES + 10);
    memset(text->str + start, 'x', text->len - start);
    g_string_append(text, "\"}\n{}");
    out = run(text->str, text->len, 65536);
    g_assert_cmpstr(out.kinds->str, ==, "ev");
    g_assert_nonnull(strstr(out.last_error, "too long"));
    outcome_clear(&out);
    g_string_free(text, TRUE);
}

/* Random bytes from an alphabet that hits the grammar: nothing crashes, and 0xFF brings it back. */
static void test_garbage(void)
{
    static const char alphabet[] = "{}[]:,\"'\\ \n\r\t0e-.truefalsn\xff\x01\xc3\xa9u";
    for (int round = 0; round < 2000; round++) {
        char data[200];
        for (size_t i = 0; i < sizeof(data); i++) {
            data[i] = alphabet[g_test_rand_int_range(0, sizeof(alphabet) - 1)];
        }
        memcpy(data + sizeof(data) - 3, "\xff{}", 3);
        Outcome out = run(data, sizeof(data), g_test_rand_int_range(1, 50));
        g_assert_cmpint(out.kinds->str[out.kinds->len - 1], ==, 'v');
        outcome_clear(&out);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/monitor/json-framer/whole", test_whole);
    g_test_add_func("/monitor/json-framer/single-quotes", test_single_quotes);
    g_test_add_func("/monitor/json-framer/resync", test_resync);
    g_test_add_func("/monitor/json-framer/fresh-start", test_fresh_start);
    g_test_add_func("/monitor/json-framer/bounds", test_bounds);
    g_test_add_func("/monitor/json-framer/garbage", test_garbage);
    return g_test_run();
}
