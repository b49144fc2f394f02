/*
 * keyval.h - the two dialects of an option's value, both read into one JSON object.
 *
 * Floor F0, over jansson.  "virtio-blk-device,drive=d0,serial=a,,b" (a comma in a value is doubled,
 * a first word without "=" is the value of the implied key, "key" alone is key=on and "nokey" is key=off)
 * becomes {"driver": "virtio-blk-device", "drive": "d0", "serial": "a,b"}; text that begins with "{" is
 * JSON.  "a.b=1" makes nested objects. No locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_UTIL_KEYVAL_H
#define GODWIT_UTIL_KEYVAL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "util/error.h"

/* Parses text; implied_key may be NULL. A new reference, or NULL with *errp naming what is wrong. */
json_t *keyval_parse(const char *text, const char *implied_key, Error **errp);
/* As above; keys in the NULL-terminated list_keys may stand several times and become arrays. */
json_t *keyval_parse_multi(const char *text, const char *implied_key, const char *const *list_keys,
                           Error **errp);

/*
 * Readers for values that may be typed JSON or a string ("on", "0x10", "64M"). Each leaves *out alone
 * and returns true if the key is absent; returns false with *errp naming key, value and what is right.
 */
bool keyval_get_bool(const json_t *obj, const char *key, bool *out, Error **errp);
bool keyval_get_uint(const json_t *obj, const char *key, uint64_t max, uint64_t *out, Error **errp);
bool keyval_get_size(const json_t *obj, const char *key, uint64_t *out, Error **errp);
/* *out is owned by obj. Numbers and booleans are refused. */
bool keyval_get_str(const json_t *obj, const char *key, const char **out, Error **errp);
/* Fails on the first key of obj that is not in the NULL-terminated list, naming it and the list. */
bool keyval_check_known(const json_t *obj, const char *const *known, const char *what, Error **errp);

/* "64M", "1.5G", "0x1000": bytes; default_unit ('B', 'K', 'M') for a bare number. */
bool keyval_parse_size(const char *text, char default_unit, uint64_t *out, Error **errp);
bool keyval_parse_bool(const char *text, bool *out);
bool keyval_parse_uint(const char *text, uint64_t max, uint64_t *out, Error **errp);

#endif
