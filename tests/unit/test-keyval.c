/*
 * test-keyval.c - both dialects of an option, their errors, and the readers of values.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/keyval.h"

#include <string.h>

static void check(const char *text, const char *implied, const char *expected)
{
    g_autoptr(Error) err = NULL;
    json_t *got = keyval_parse(text, implied, &err);
    if (!got) {
        g_error("'%s': %s", text, error_get_pretty(err));
    }
    char *dump = json_dumps(got, JSON_COMPACT | JSON_SORT_KEYS);
    g_assert_cmpstr(dump, ==, expected);
    free(dump);
    json_decref(got);
}

static void check_error(const char *text, const char *part)
{
    g_autoptr(Error) err = NULL;
    g_assert_null(keyval_parse(text, NULL, &err));
    g_assert_nonnull(err);
    if (!strstr(error_get_pretty(err), part)) {
        g_error("'%s': '%s' lacks '%s'", text, error_get_pretty(err), part);
    }
}

static void test_words(void)
{
    check("", NULL, "{}");
    check("", "driver", "{}");
    check("a=1,b=x y", NULL, "{\"a\":\"1\",\"b\":\"x y\"}");
    check("virtio-blk-device,drive=d0,serial=a,,b", "driver",
          "{\"drive\":\"d0\",\"driver\":\"virtio-blk-device\",\"serial\":\"a,b\"}");
    check("driver=x", "driver", "{\"driver\":\"x\"}");
    check("server,nowait", NULL, "{\"server\":\"on\",\"wait\":\"off\"}");
    check("a=1,a=2", NULL, "{\"a\":\"2\"}");
    check("a=b=c", NULL, "{\"a\":\"b=c\"}");
    check("a=,b=1,", NULL, "{\"a\":\"\",\"b\":\"1\"}");
    check("file,,name", "file", "{\"file\":\"file,name\"}");
    check("no=1,no", NULL, "{\"no\":\"on\"}");
}

static void test_nested(void)
{
    check("a.b=1,a.c.d=2", NULL, "{\"a\":{\"b\":\"1\",\"c\":{\"d\":\"2\"}}}");
    check("l.0=x,l.1=y", NULL, "{\"l\":[\"x\",\"y\"]}");
    check("l.1.k=y,l.0.k=x", NULL, "{\"l\":[{\"k\":\"x\"},{\"k\":\"y\"}]}");
    check("l.0=x,l.2=y", NULL, "{\"l\":{\"0\":\"x\",\"2\":\"y\"}}");
    check_error("a=1,a.b=2", "both a value and parts");
    check_error("a.b=2,a=1", "both a value and parts");
    check_error("a..b=1", "Invalid parameter name 'a..b'");
    check_error("=1", "Invalid parameter name ''");
    check_error("a b=1", "Invalid parameter name 'a b'");
    check_error("a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a=1", "at most 16 parts");
    check_error("a=\xff", "UTF-8");
}

static void test_json(void)
{
    check("{\"a\": 1, \"b\": {\"c\": [true]}}", "driver", "{\"a\":1,\"b\":{\"c\":[true]}}");
    check_error("{\"a\": 1", "JSON parse error");
    check_error("{\"a\": 1, \"a\": 2}", "JSON parse error");
    GString *deep = g_string_new("{\"a\":");
    for (int i = 0; i < 100; i++) {
        g_string_append(deep, "[");
    }
    for (int i = 0; i < 100; i++) {
        g_string_append(deep, "]");
    }
    g_string_append(deep, "}");
    check_error(deep->str, "nests deeper than 64");
    g_string_free(deep, TRUE);
}

static void test_multi(void)
{
    static const char *const lists[] = { "hostfwd", NULL };
    json_t *got = keyval_parse_multi("user,id=n,hostfwd=tcp::1-:2,hostfwd=udp::3-:4", "type", lists,
                                     NULL);
    char *dump = json_dumps(got, JSON_COMPACT | JSON_SORT_KEYS);
    g_assert_cmpstr(dump, ==, "{\"hostfwd\":[\"tcp::1-:2\",\"udp::3-:4\"],\"id\":\"n\","
                    "\"type\":\"user\"}");
    free(dump);
    json_decref(got);
}

static void test_size(void)
{
    static const struct {
        const char *text;
        char unit;
        uint64_t bytes;
    } good[] = {
        { "0", 'B', 0 }, { "512", 'B', 512 }, { "512", 'M', 512ull << 20 }, { "64M", 'B', 64 << 20 },
        { "1.5G", 'B', 3ull << 29 }, { "0x1000", 'B', 4096 }, { "0x10", 'M', 16 }, { "2k", 'B', 2048 },
        { "1T", 'B', 1ull << 40 }, { "15E", 'B', 15ull << 60 }, { "7B", 'M', 7 },
        { "18446744073709551615", 'B', UINT64_MAX },
    };
    static const char *const bad[] = { "", "-1", " 1", "1x", "1MM", "1.", "1.5", ".5G", "16E", "0x", "0x1G",
                                       "18446744073709551616", "1.5.5G", "M", "99999999999999P", NULL };
    for (unsigned i = 0; i < G_N_ELEMENTS(good); i++) {
        uint64_t out = 1;
        g_autoptr(Error) err = NULL;
        if (!keyval_parse_size(good[i].text, good[i].unit, &out, &err)) {
            g_error("%s", error_get_pretty(err));
        }
        g_assert_cmpuint(out, ==, good[i].bytes);
    }
    for (unsigned i = 0; bad[i]; i++) {
        uint64_t out = 77;
        g_autoptr(Error) err = NULL;
        g_assert_false(keyval_parse_size(bad[i], 'B', &out, &err));
        g_assert_nonnull(err);
        g_assert_cmpuint(out, ==, 77);
    }
}

static void test_readers(void)
{
    json_t *o = keyval_parse("{\"t\": true, \"s\": \"yes\", \"n\": 7, \"h\": \"0x10\", \"m\": \"64M\", "
                             "\"neg\": -1, \"list\": []}", NULL, NULL);
    bool flag = false;
    uint64_t num = 5;
    const char *text = "unset";
    g_assert_true(keyval_get_bool(o, "t", &flag, NULL) && flag);
    flag = false;
    g_assert_true(keyval_get_bool(o, "s", &flag, NULL) && flag);
    g_assert_true(keyval_get_uint(o, "absent", 9, &num, NULL) && num == 5);
    g_assert_true(keyval_get_uint(o, "n", 9, &num, NULL) && num == 7);
    g_assert_true(keyval_get_uint(o, "h", 16, &num, NULL) && num == 16);
    g_assert_true(keyval_get_size(o, "m", &num, NULL) && num == 64 << 20);
    g_assert_true(keyval_get_str(o, "m", &text, NULL));
    g_assert_cmpstr(text, ==, "64M");

    g_autoptr(Error) err = NULL;
    g_assert_false(keyval_get_uint(o, "n", 6, &num, &err));
    g_assert_cmpstr(error_get_pretty(err), ==, "Parameter 'n' expects a number from 0 to 6, not '7'");
    g_assert_false(keyval_get_uint(o, "neg", 6, &num, NULL));
    g_assert_false(keyval_get_size(o, "neg", &num, NULL));
    g_assert_false(keyval_get_bool(o, "n", &flag, NULL));
    g_assert_false(keyval_get_bool(o, "list", &flag, NULL));
    g_assert_false(keyval_get_str(o, "n", &text, NULL));

    static const char *const known[] = { "t", "s", NULL };
    g_autoptr(Error) unknown = NULL;
    g_assert_false(keyval_check_known(o, known, "-test", &unknown));
    g_assert_nonnull(strstr(error_get_pretty(unknown), "known parameters: t, s"));
    json_decref(o);
}

/* Whatever the bytes, the parser answers. */
static void test_garbage(void)
{
    static const char alphabet[] = "a0.,=no{\"}[]:\xc3\x28-";
    GRand *rand = g_rand_new_with_seed(1);
    for (int round = 0; round < 20000; round++) {
        char text[24];
        int len = g_rand_int_range(rand, 0, sizeof(text));
        for (int i = 0; i < len; i++) {
            text[i] = alphabet[g_rand_int_range(rand, 0, sizeof(alphabet) - 1)];
        }
        text[len] = 0;
        Error *err = NULL;
        json_t *got = keyval_parse(text, round % 2 ? "implied" : NULL, &err);
        g_assert_true((got != NULL) == (err == NULL));
        json_decref(got);
        error_free(err);
    }
    g_rand_free(rand);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/keyval/words", test_words);
    g_test_add_func("/keyval/nested", test_nested);
    g_test_add_func("/keyval/json", test_json);
    g_test_add_func("/keyval/multi", test_multi);
    g_test_add_func("/keyval/size", test_size);
    g_test_add_func("/keyval/readers", test_readers);
    g_test_add_func("/keyval/garbage", test_garbage);
    return g_test_run();
}
