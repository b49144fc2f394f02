/*
 * test-qapi-marshal.c - JSON to C and back by the generated descriptors, and the texts of errors.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "qapi/test_qapi-types.h"
#include "util/json-uint.h"

static json_t *parse(const char *text)
{
    json_error_t error;
    json_t *value = json_uint_loadb(text, strlen(text), JSON_DECODE_ANY, &error);
    if (!value) {
        g_error("test JSON: %s: %s", error.text, text);
    }
    return value;
}

/* Reads text as the type and expects this error. */
static void expect_error(const QapiType *type, const char *text, const char *message)
{
    json_t *in = parse(text);
    void *obj = NULL;
    Error *error = NULL;
    g_assert_false(qapi_unmarshal(type, NULL, in, &obj, &error));
    g_assert_cmpstr(error_get_pretty(error), ==, message);
    g_assert_null(obj);
    error_free(error);
    g_assert_false(qapi_unmarshal(type, NULL, in, &obj, NULL));
    json_decref(in);
}

/* Reads text as the type, writes it again, and expects `back` (NULL: the same). */
static void expect_round_trip(const QapiType *type, const char *text, const char *back)
{
    json_t *in = parse(text);
    json_t *want = parse(back ? back : text);
    void *obj = NULL;
    Error *error = NULL;
    if (!qapi_unmarshal(type, NULL, in, &obj, &error)) {
        g_error("%s: %s", text, error_get_pretty(error));
    }
    json_t *out = qapi_marshal(type, &obj);
    char *shown = json_dumps(out, JSON_ENCODE_ANY);
    if (!json_equal(out, want)) {
        g_error("%s came back as %s", text, shown);
    }
    free(shown);
    qapi_clear(type, &obj);
    g_assert_null(obj);
    json_decref(in);
    json_decref(want);
    json_decref(out);
}

#define NUMBERS &test_qapi_type_TestNumbers
#define DERIVED &test_qapi_type_TestDerived
#define UNION &test_qapi_type_TestUnion

static void test_numbers(void)
{
    expect_round_trip(NUMBERS, "{}", NULL);
    expect_round_trip(NUMBERS, "{\"i8\": -128, \"u8\": 255, \"i16\": -32768, \"u16\": 65535,"
                      "\"i32\": -2147483648, \"u32\": 4294967295, \"i64\": -9223372036854775808,"
                      "\"u64\": 9223372036854775807, \"size\": 9223372036853727232,"
                      "\"number\": -0.5}", NULL);
    expect_round_trip(NUMBERS, "{\"i8\": 127, \"i16\": 32767, \"i32\": 2147483647,"
                      "\"i64\": 9223372036854775807, \"u8\": 0}", NULL);
    expect_round_trip(NUMBERS, "{\"number\": 3}", "{\"number\": 3.0}");
    expect_error(NUMBERS, "{\"i8\": 128}", "Parameter 'i8' expects an integer from -128 to 127");
    expect_error(NUMBERS, "{\"i8\": -129}", "Parameter 'i8' expects an integer from -128 to 127");
    expect_error(NUMBERS, "{\"u8\": 256}", "Parameter 'u8' expects an integer from 0 to 255");
    expect_error(NUMBERS, "{\"u8\": -1}", "Parameter 'u8' expects an integer from 0 to 255");
    expect_error(NUMBERS, "{\"u32\": 4294967296}",
                 "Parameter 'u32' expects an integer from 0 to 4294967295");
    expect_error(NUMBERS, "{\"u32\": -1}", "Parameter 'u32' expects an integer from 0 to 4294967295");
    expect_error(NUMBERS, "{\"i64\": 1.0}",
                 "Invalid parameter type for 'i64', expected: integer");
    expect_error(NUMBERS, "{\"number\": \"1\"}",
                 "Invalid parameter type for 'number', expected: number");
}

/* Above INT64_MAX jansson has no integer; every bit must survive all the same. */
static void test_large_unsigned(void)
{
    expect_round_trip(NUMBERS, "{\"u64\": 9223372036854775808, \"size\": 18446744073709551615}", NULL);
    expect_round_trip(NUMBERS, "{\"u64\": 18446744071562067968, \"number\": 18446744073709551615}",
                      "{\"u64\": 18446744071562067968, \"number\": 18446744073709551616.0}");
    /* As in QEMU: two's complement where all 64 bits are there. */
    expect_round_trip(NUMBERS, "{\"u64\": -1, \"size\": -9223372036854775808}",
                      "{\"u64\": 18446744073709551615, \"size\": 9223372036854775808}");
    expect_error(NUMBERS, "{\"i64\": 9223372036854775808}", "Parameter 'i64' expects an integer from "
                 "-9223372036854775808 to 9223372036854775807");
    expect_error(NUMBERS, "{\"u32\": 18446744073709551615}",
                 "Parameter 'u32' expects an integer from 0 to 4294967295");
    expect_error(NUMBERS, "{\"u64\": 18446744073709551616}",
                 "Invalid parameter type for 'u64', expected: integer");
    expect_error(NUMBERS, "{\"u64\": \"18446744073709551615\"}",
                 "Invalid parameter type for 'u64', expected: integer");
    /* Nothing else takes them for a string. */
    expect_error(DERIVED, "{\"name\": 18446744073709551615, \"flag\": true}",
                 "Invalid parameter type for 'name', expected: string");
    expect_error(DERIVED, "{\"name\": \"n\", \"flag\": true, \"colour\": 18446744073709551615}",
                 "Invalid parameter type for 'colour', expected: string");
    expect_round_trip(DERIVED, "{\"name\": \"n\", \"flag\": true, \"any\": 18446744073709551615}", NULL);
}

static void test_struct(void)
{
    expect_round_trip(DERIVED, "{\"name\": \"n\", \"flag\": true}", NULL);
    expect_round_trip(DERIVED, "{\"name\": \"\", \"colour\": \"dark-blue\", \"flag\": false,"
                      "\"any\": [1, {\"x\": null}], \"list\": [{\"name\": \"a\"}, {\"name\": \"b\","
                      "\"colour\": \"red\"}], \"strings\": [\"x\", \"y\"], \"colours\":"
                      "[\"red\", \"dark-blue\"], \"nested\": {\"name\": \"m\", \"flag\": true,"
                      "\"default\": \"d\"}, \"default\": \"word\"}", NULL);
    /* An empty list that is there is not the same as none. */
    expect_round_trip(DERIVED, "{\"name\": \"n\", \"flag\": true, \"list\": []}", NULL);
    expect_round_trip(DERIVED, "{\"name\": \"n\", \"flag\": true, \"any\": null}", NULL);
    expect_round_trip(&test_qapi_type_TestEmpty, "{}", NULL);
}

static void test_struct_errors(void)
{
    expect_error(DERIVED, "{\"flag\": true}", "Parameter 'name' is missing");
    expect_error(DERIVED, "{\"name\": 1, \"flag\": true}",
                 "Invalid parameter type for 'name', expected: string");
    expect_error(DERIVED, "{\"name\": \"n\", \"flag\": 1}",
                 "Invalid parameter type for 'flag', expected: boolean");
    expect_error(DERIVED, "{\"name\": \"n\", \"flag\": true, \"bogus\": 1}",
                 "Parameter 'bogus' is unexpected");
    expect_error(DERIVED, "{\"name\": \"n\", \"flag\": true, \"colour\": \"green\"}",
                 "Parameter 'colour' does not accept value 'green'");
    expect_error(DERIVED, "{\"name\": \"n\", \"flag\": true, \"colour\": 1}",
                 "Invalid parameter type for 'colour', expected: string");
    expect_error(DERIVED, "{\"name\": \"n\", \"flag\": true, \"list\": {}}",
                 "Invalid parameter type for 'list', expected: array");
    expect_error(DERIVED, "{\"name\": \"n\", \"flag\": true, \"list\": [{\"name\": \"a\"}, {}]}",
                 "Parameter 'list[1].name' is missing");
    expect_error(DERIVED, "{\"name\": \"n\", \"flag\": true, \"strings\": [\"a\", 1]}",
                 "Invalid parameter type for 'strings[1]', expected: string");
    expect_error(DERIVED, "{\"name\": \"n\", \"flag\": true, \"nested\": {\"name\": \"m\","
                 "\"flag\": true, \"nested\": {\"name\": \"l\", \"flag\": true, \"x\": 1}}}",
                 "Parameter 'nested.nested.x' is unexpected");
    expect_error(DERIVED, "[]", "Invalid parameter type, expected: object");
}

static void test_union(void)
{
    expect_round_trip(UNION, "{\"kind\": \"red\", \"text\": \"t\", \"more\": [1, 2]}", NULL);
    expect_round_trip(UNION, "{\"kind\": \"dark-blue\", \"common\": 7}", NULL);
    expect_error(UNION, "{\"text\": \"t\"}", "Parameter 'kind' is missing");
    expect_error(UNION, "{\"kind\": \"red\"}", "Parameter 'text' is missing");
    expect_error(UNION, "{\"kind\": \"dark-blue\", \"text\": \"t\"}",
                 "Parameter 'text' is unexpected");
    expect_error(UNION, "{\"kind\": \"red\", \"text\": \"t\", \"more\": [1, \"x\"]}",
                 "Invalid parameter type for 'more[1]', expected: integer");
}

static void test_alternate(void)
{
    static const char *const values[] = {
        "\"text\"", "12", "{\"name\": \"n\", \"colour\": \"red\"}", "[\"a\", \"b\"]", "[]", "null",
    };
    for (size_t i = 0; i < G_N_ELEMENTS(values); i++) {
        g_autofree char *text =
            g_strdup_printf("{\"name\": \"n\", \"flag\": true, \"alt\": %s}", values[i]);
        expect_round_trip(DERIVED, text, NULL);
    }
    expect_error(DERIVED, "{\"name\": \"n\", \"flag\": true, \"alt\": true}",
                 "Invalid parameter type for 'alt', expected: TestAlternate");
    expect_error(DERIVED, "{\"name\": \"n\", \"flag\": true, \"alt\": 1.5}",
                 "Invalid parameter type for 'alt', expected: integer");
    expect_error(DERIVED, "{\"name\": \"n\", \"flag\": true, \"alt\": {\"colour\": \"red\"}}",
                 "Parameter 'alt.name' is missing");
}

/* What C sees: has_ flags, names that are words of C, lists. */
static void test_layout(void)
{
    json_t *in = parse("{\"name\": \"n\", \"flag\": true, \"default\": \"d\","
                       "\"colours\": [\"dark-blue\"], \"alt\": \"x\"}");
    g_autoptr(TestDerived) derived = NULL;
    g_assert_true(TestDerived_from_json(in, &derived, NULL));
    json_decref(in);
    g_assert_cmpstr(derived->q_default, ==, "d");
    g_assert_false(derived->has_colour);
    g_assert_false(derived->has_list);
    g_assert_true(derived->has_colours);
    g_assert_cmpint(derived->colours->value, ==, TEST_COLOUR_DARK_BLUE);
    g_assert_null(derived->colours->next);
    g_assert_cmpint(derived->alt->type, ==, QTYPE_QSTRING);
    g_assert_cmpstr(derived->alt->u.s, ==, "x");
    g_assert_cmpstr(TestColour_str(TEST_COLOUR_DARK_BLUE), ==, "dark-blue");
    g_assert_null(TestColour_str(TEST_COLOUR__MAX));
}

/* Whatever an implementation forgets to fill in, and text that is no UTF-8, still gives JSON. */
static void test_marshal_incomplete(void)
{
    TestDerived derived = { .name = (char *)"a\xff" };
    json_t *out = TestDerived_to_json(&derived);
    g_assert_cmpstr(json_string_value(json_object_get(out, "name")), ==, "a\xef\xbf\xbd");
    json_decref(out);
    derived.name = NULL;
    out = TestDerived_to_json(&derived);
    g_assert_cmpstr(json_string_value(json_object_get(out, "name")), ==, "");
    json_decref(out);
    out = TestDerived_to_json(NULL);
    g_assert_true(json_is_object(out));
    json_decref(out);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qapi/marshal/numbers", test_numbers);
    g_test_add_func("/qapi/marshal/large-unsigned", test_large_unsigned);
    g_test_add_func("/qapi/marshal/struct", test_struct);
    g_test_add_func("/qapi/marshal/struct-errors", test_struct_errors);
    g_test_add_func("/qapi/marshal/union", test_union);
    g_test_add_func("/qapi/marshal/alternate", test_alternate);
    g_test_add_func("/qapi/marshal/layout", test_layout);
    g_test_add_func("/qapi/marshal/incomplete", test_marshal_incomplete);
    return g_test_run();
}
