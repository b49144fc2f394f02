/*
 * keyval.c - reads "driver,key=value,…" and JSON options into one JSON object, and values out of it.
 *
 * Floor F0; below it jansson.  No locks, no state.
 * Invariant: no text crashes or hangs the parser: keys have at most KEYVAL_DEPTH parts, and every
 * conflict (a key that is both a value and an object) is an error and not a surprise.
 * Format owned: words separated by "," where ",," is a comma in a value; the first word without "="
 * is the implied key's value; "key" is key=on, "nokey" key=off; "a.b=1" nests; an object whose keys are
 * 0, 1, … n-1 is a list.  A key given twice: the last one counts.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/keyval.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "util/json-uint.h"

#define KEYVAL_DEPTH 16
#define KEYVAL_JSON_DEPTH 64    /* of what a user's JSON may nest */

/* Reads up to a single comma; ",," stands for one. Moves *text behind the separator. */
static char *keyval_next_word(const char **text)
{
    GString *word = g_string_new(NULL);
    const char *p = *text;
    while (*p) {
        if (*p == ',') {
            if (p[1] != ',') {
                p++;
                break;
            }
            p++;
        }
        g_string_append_c(word, *p++);
    }
    *text = p;
    return g_string_free(word, FALSE);
}

static bool keyval_part_ok(const char *part)
{
    if (!*part) {
        return false;
    }
    for (const char *p = part; *p; p++) {
        if (!g_ascii_isalnum(*p) && *p != '-' && *p != '_' && *p != ':' && *p != '+') {
            return false;
        }
    }
    return true;
}

/* Puts the string at the place that key ("a.b.0") names; takes value. */
static bool keyval_put(json_t *root, const char *key, json_t *value, Error **errp)
{
    char **parts = g_strsplit(key, ".", KEYVAL_DEPTH + 1);
    unsigned n = g_strv_length(parts);
    bool ok = n >= 1 && n <= KEYVAL_DEPTH;   /* "" splits into no part at all */
    for (unsigned i = 0; i < n && ok; i++) {
        ok = keyval_part_ok(parts[i]);
    }
    if (!ok) {
        error_setg(errp, "Invalid parameter name '%s': letters, digits, '-' and '_' are allowed, "
                   "in at most %d parts separated by '.'", key, KEYVAL_DEPTH);
        goto fail;
    }
    json_t *obj = root;
    for (unsigned i = 0; i + 1 < n; i++) {
        json_t *child = json_object_get(obj, parts[i]);
        if (!child) {
            child = json_object();
            json_object_set_new(obj, parts[i], child);
        }
        if (!json_is_object(child)) {
            error_setg(errp, "Parameter '%s' has both a value and parts of its own ('%s')",
                       parts[i], key);
            goto fail;
        }
        obj = child;
    }
    if (json_is_object(json_object_get(obj, parts[n - 1]))) {
        error_setg(errp, "Parameter '%s' has both a value and parts of its own", key);
        goto fail;
    }
    json_object_set_new(obj, parts[n - 1], value);
    g_strfreev(parts);
    return true;
fail:
    json_decref(value);
    g_strfreev(parts);
    return false;
}

/* The list that obj stands for if its keys are 0 … n-1, else NULL. New reference. */
static json_t *keyval_as_list(json_t *obj)
{
    size_t n = json_object_size(obj);
    json_t *list = n ? json_array() : NULL;
    for (size_t i = 0; i < n; i++) {
        char name[24];
        g_snprintf(name, sizeof(name), "%zu", i);
        json_t *item = json_object_get(obj, name);
        if (!item) {
            json_decref(list);
            return NULL;
        }
        json_array_append(list, item);
    }
    return list;
}

/* Turns every numbered object below obj into a list. Depth is bounded by keyval_put(). */
static void keyval_make_lists(json_t *obj)
{
    const char *key;
    json_t *child;
    json_object_foreach(obj, key, child) {
        if (json_is_object(child)) {
            keyval_make_lists(child);
            json_t *list = keyval_as_list(child);
            if (list) {
                json_object_set_new(obj, key, list);
            }
        }
    }
}

static bool keyval_check_depth(const json_t *value, unsigned depth)
{
    const char *key;
    json_t *child;
    size_t i;
    if (depth == 0) {
        return false;
    }
    if (json_is_object(value)) {
        json_object_foreach((json_t *)value, key, child) {
            if (!keyval_check_depth(child, depth - 1)) {
                return false;
            }
        }
    }
    json_array_foreach(value, i, child) {
        if (!keyval_check_depth(child, depth - 1)) {
            return false;
        }
    }
    return true;
}

static json_t *keyval_parse_json(const char *text, Error **errp)
{
    json_error_t err;
    json_t *obj = json_uint_loadb(text, strlen(text), JSON_REJECT_DUPLICATES, &err);
    if (!obj) {
        error_setg(errp, "JSON parse error at column %d: %s", err.column, err.text);
        return NULL;
    }
    if (!keyval_check_depth(obj, KEYVAL_JSON_DEPTH)) {
        error_setg(errp, "JSON nests deeper than %d levels", KEYVAL_JSON_DEPTH);
        json_decref(obj);
        return NULL;
    }
    return obj;
}

/* One word of the comma dialect. */
static bool keyval_put_word(json_t *root, const char *word, const char *implied_key,
                            const char *const *list_keys, Error **errp)
{
    const char *eq = strchr(word, '=');
    g_autofree char *key = NULL;
    const char *value;
    if (eq) {
        key = g_strndup(word, eq - word);
        value = eq + 1;
    } else if (implied_key) {
        key = g_strdup(implied_key);
        value = word;
    } else if (g_str_has_prefix(word, "no") && word[2] && word[2] != '-') {
        key = g_strdup(word + 2);
        value = "off";
    } else {
        key = g_strdup(word);
        value = "on";
    }
    json_t *text = json_string(value);
    if (!text) {
        error_setg(errp, "Value of parameter '%s' is not valid UTF-8", key);
        return false;
    }
    if (list_keys && g_strv_contains(list_keys, key)) {
        json_t *list = json_object_get(root, key);
        if (!json_is_array(list)) {
            list = json_array();
            json_object_set_new(root, key, list);
        }
        json_array_append_new(list, text);
        return true;
    }
    return keyval_put(root, key, text, errp);
}

json_t *keyval_parse(const char *text, const char *implied_key, Error **errp)
{
    return keyval_parse_multi(text, implied_key, NULL, errp);
}

json_t *keyval_parse_multi(const char *text, const char *implied_key, const char *const *list_keys,
                           Error **errp)
{
    if (*text == '{') {
        return keyval_parse_json(text, errp);
    }
    json_t *root = json_object();
    bool first = true;
    while (*text) {
        g_autofree char *word = keyval_next_word(&text);
        if (!*word && first && !*text) {
            break;
        }
        if (!keyval_put_word(root, word, first ? implied_key : NULL, list_keys, errp)) {
            json_decref(root);
            return NULL;
        }
        first = false;
    }
    keyval_make_lists(root);
    return root;
}

/* ---- readers ---- */

bool keyval_parse_bool(const char *text, bool *out)
{
    static const char *const on[] = { "on", "yes", "true", "y", NULL };
    static const char *const off[] = { "off", "no", "false", "n", NULL };
    if (g_strv_contains(on, text)) {
        *out = true;
        return true;
    }
    if (g_strv_contains(off, text)) {
        *out = false;
        return true;
    }
    return false;
}

/* Decimal or 0x hexadecimal digits at text; *end behind them. False if none, or over 64 bits. */
static bool keyval_digits(const char *text, uint64_t *out, const char **end)
{
    bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X') && g_ascii_isxdigit(text[2]);
    char *stop;
    if (!hex && !g_ascii_isdigit(*text)) {
        return false;
    }
    errno = 0;
    *out = g_ascii_strtoull(hex ? text + 2 : text, &stop, hex ? 16 : 10);
    *end = stop;
    return errno == 0;
}

bool keyval_parse_uint(const char *text, uint64_t max, uint64_t *out, Error **errp)
{
    uint64_t value;
    const char *end;
    if (!keyval_digits(text, &value, &end) || *end || value > max) {
        error_setg(errp, "'%s' is not a number from 0 to %" G_GUINT64_FORMAT, text, max);
        return false;
    }
    *out = value;
    return true;
}

/* The shift that a suffix stands for, or -1. */
static int keyval_suffix_shift(char suffix)
{
    static const char units[] = "BKMGTPE";
    const char *p = suffix ? strchr(units, g_ascii_toupper(suffix)) : NULL;
    return p ? 10 * (int)(p - units) : -1;
}

bool keyval_parse_size(const char *text, char default_unit, uint64_t *out, Error **errp)
{
    uint64_t whole;
    double fraction = 0;
    const char *p;
    bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
    if (!keyval_digits(text, &whole, &p)) {
        goto bad;
    }
    if (*p == '.' && !hex) {
        double scale = 0.1;
        if (!g_ascii_isdigit(p[1])) {
            goto bad;
        }
        for (p++; g_ascii_isdigit(*p); p++, scale /= 10) {
            fraction += (*p - '0') * scale;
        }
    }
    /* Hexadecimal takes no suffix, since B and E are digits of it. */
    int shift = *p && !hex ? keyval_suffix_shift(*p) : keyval_suffix_shift(hex ? 'B' : default_unit);
    if (shift < 0 || (*p && (hex || p[1]))) {
        goto bad;
    }
    if (whole > (UINT64_MAX >> shift)) {
        error_setg(errp, "Size '%s' is too large: at most 64 bits of bytes", text);
        return false;
    }
    uint64_t bytes = whole << shift;
    uint64_t extra = (uint64_t)(fraction * (double)(1ull << shift));
    if (fraction != 0 && shift == 0) {
        goto bad;
    }
    if (bytes > UINT64_MAX - extra) {
        error_setg(errp, "Size '%s' is too large: at most 64 bits of bytes", text);
        return false;
    }
    *out = bytes + extra;
    return true;
bad:
    error_setg(errp, "'%s' is not a size: a number with an optional suffix K, M, G, T, P or E", text);
    return false;
}

/* A value as an error shows it. */
static char *keyval_show(const json_t *value)
{
    return json_is_string(value) ? g_strdup(json_string_value(value))
                                 : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
}

static bool keyval_bad(Error **errp, const char *key, const json_t *value, const char *expected)
{
    g_autofree char *shown = keyval_show(value);
    error_setg(errp, "Parameter '%s' expects %s, not '%s'", key, expected, shown ? shown : "?");
    return false;
}

bool keyval_get_bool(const json_t *obj, const char *key, bool *out, Error **errp)
{
    const json_t *value = json_object_get(obj, key);
    if (!value) {
        return true;
    }
    if (json_is_boolean(value)) {
        *out = json_is_true(value);
        return true;
    }
    if (json_is_string(value) && keyval_parse_bool(json_string_value(value), out)) {
        return true;
    }
    return keyval_bad(errp, key, value, "'on' or 'off'");
}

bool keyval_get_uint(const json_t *obj, const char *key, uint64_t max, uint64_t *out, Error **errp)
{
    const json_t *value = json_object_get(obj, key);
    if (!value) {
        return true;
    }
    if (json_is_integer(value) && json_integer_value(value) >= 0 &&
        (uint64_t)json_integer_value(value) <= max) {
        *out = json_integer_value(value);
        return true;
    }
    if (json_is_string(value) && keyval_parse_uint(json_string_value(value), max, out, NULL)) {
        return true;
    }
    g_autofree char *expected = g_strdup_printf("a number from 0 to %" G_GUINT64_FORMAT, max);
    return keyval_bad(errp, key, value, expected);
}

bool keyval_get_size(const json_t *obj, const char *key, uint64_t *out, Error **errp)
{
    const json_t *value = json_object_get(obj, key);
    if (!value) {
        return true;
    }
    if (json_is_integer(value) && json_integer_value(value) >= 0) {
        *out = json_integer_value(value);
        return true;
    }
    if (json_is_string(value) && keyval_parse_size(json_string_value(value), 'B', out, NULL)) {
        return true;
    }
    return keyval_bad(errp, key, value, "a size in bytes with an optional suffix K, M, G, T, P or E");
}

bool keyval_get_str(const json_t *obj, const char *key, const char **out, Error **errp)
{
    const json_t *value = json_object_get(obj, key);
    if (!value) {
        return true;
    }
    if (!json_is_string(value) || json_uint_large(value, NULL)) {
        return keyval_bad(errp, key, value, "a string");
    }
    *out = json_string_value(value);
    return true;
}

bool keyval_check_known(const json_t *obj, const char *const *known, const char *what, Error **errp)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)obj, key, value) {
        if (!g_strv_contains(known, key)) {
            g_autofree char *list = g_strjoinv(", ", (char **)known);
            error_setg(errp, "Invalid parameter '%s' for %s; known parameters: %s", key, what, list);
            return false;
        }
    }
    return true;
}
