/*
 * json-uint.h - unsigned 64-bit integers in JSON, which jansson's signed ones cannot hold.
 *
 * Floor F0, over jansson.  A number from 2^63 to 2^64-1 is kept as a *large* value: a JSON string of its
 * decimal digits with a NUL behind them.  No text that is read can contain a NUL, so nobody can forge one;
 * json_string_value() of it is the digits, so that readers of the command line's dialect (keyval.h)
 * understand it as they are.  Smaller numbers are plain JSON integers.  No locks, no state.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_UTIL_JSON_UINT_H
#define GODWIT_UTIL_JSON_UINT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* A new reference to that number: an integer, or a large value. */
json_t *json_uint_new(uint64_t value);

/* True if value is a large value; *out (may be NULL) is its number, from 2^63 to 2^64-1. */
bool json_uint_large(const json_t *value, uint64_t *out);

/*
 * As json_loadb(): integers from 2^63 to 2^64-1 become large values, and those beyond that fit neither
 * kind become reals, which only a member of type number takes.  JSON_ALLOW_NUL must not be in flags.
 */
json_t *json_uint_loadb(const char *text, size_t len, size_t flags, json_error_t *error);

/* As json_dumps() with JSON_ENSURE_ASCII: large values are written as numbers.  The caller g_free()s it. */
char *json_uint_dumps(const json_t *value, size_t flags);

#endif
