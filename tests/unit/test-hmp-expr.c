/*
 * test-hmp-expr.c - expressions of the monitor for people: numbers, registers, operators, and what is none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "monitor/hmp-internal.h"

static bool test_register(void *opaque, const char *name, uint64_t *value)
{
    *value = 0x1000;
    return strcmp(name, "a0") == 0;
}

static uint64_t evaluate(const char *text)
{
    const char *at = text;
    uint64_t value = 0;
    Error *err = NULL;
    if (!hmp_expr(&at, false, test_register, NULL, &value, &err) || *at) {
        g_error("'%s': %s, left '%s'", text, err ? error_get_pretty(err) : "", at);
    }
    return value;
}

static void test_expr(void)
{
    static const struct {
        const char *text;
        uint64_t value;
    } good[] = {
        { "0", 0 }, { "10", 10 }, { "0x10", 16 }, { "010", 8 }, { " 1 + 2 ", 3 }, { "2+3*4", 14 },
        { "(2+3)*4", 20 }, { "10-3-2", 5 }, { "1<<4|1", 17 }, { "1 << 63", 1ull << 63 },
        { "1<<64", 0 }, { "1>>100", 0 }, { "6&3^1", 3 }, { "7%4", 3 }, { "-7/2", -3ull },
        { "-1", UINT64_MAX }, { "~0", UINT64_MAX }, { "!5", 0 }, { "!0", 1 }, { "- -3", 3 },
        { "-~0", 1 }, { "0x8000000000000000/-1", 1ull << 63 }, { "0x8000000000000000%-1", 0 },
        { "0xffffffffffffffff+1", 0 }, { "'a'", 97 }, { "'\\n'", 10 }, { "'\\''", 39 }, { "'\\0'", 0 },
        { "$a0+8", 0x1008 }, { "($a0 & 0xff00) >> 4", 0x100 }, { "18446744073709551615", UINT64_MAX },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
        const char *text = good[i].text;
        g_autofree char *stripped = g_strchomp(g_strdup(text));
        g_assert_cmphex(evaluate(stripped), ==, good[i].value);
    }
}

static void test_expr_errors(void)
{
    static const struct {
        const char *text, *part;
    } bad[] = {
        { "", "unexpected end" }, { "1+", "unexpected end" }, { "(1", "')' expected" },
        { "1/0", "division by zero" }, { "1%0", "division by zero" }, { "$nope", "unknown register 'nope'" },
        { "$", "unknown register" }, { "0x", "not a number" }, { "12ab", "not a number" },
        { "99999999999999999999", "too large" }, { "'a", "missing terminating" }, { "'", "missing" },
        { "'\\", "missing" }, { "foo", "invalid char 'f'" }, { "\xc3\xa4", "invalid char '?'" },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        const char *at = bad[i].text;
        uint64_t value;
        Error *err = NULL;
        g_assert_false(hmp_expr(&at, false, test_register, NULL, &value, &err));
        if (!strstr(error_get_pretty(err), bad[i].part)) {
            g_error("'%s' gave '%s'", bad[i].text, error_get_pretty(err));
        }
        error_free(err);
    }
    /* The deepest nesting that a line can have must not overflow the stack. */
    g_autofree char *deep = g_strnfill(100000, '(');
    const char *at = deep;
    uint64_t value;
    g_assert_false(hmp_expr(&at, false, NULL, NULL, &value, NULL));
    g_autofree char *minus = g_strnfill(100000, '-');
    g_autofree char *minus_one = g_strconcat(minus, "1", NULL);
    g_assert_cmphex(evaluate(minus_one), ==, 1);
}

static void test_expr_tight(void)
{
    const char *at = "0x10 -1 3";
    uint64_t value;
    g_assert_true(hmp_expr(&at, true, NULL, NULL, &value, NULL));
    g_assert_cmphex(value, ==, 0x10);
    g_assert_cmpstr(at, ==, " -1 3");
    at = "(1 -1) + 2 /tmp/x";
    g_assert_true(hmp_expr(&at, true, NULL, NULL, &value, NULL));
    g_assert_cmphex(value, ==, 2);
    g_assert_cmpstr(at, ==, " /tmp/x");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hmp/expr/values", test_expr);
    g_test_add_func("/hmp/expr/errors", test_expr_errors);
    g_test_add_func("/hmp/expr/tight", test_expr_tight);
    return g_test_run();
}
