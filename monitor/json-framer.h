/*
 * json-framer.h - cuts a stream of bytes into JSON values.
 *
 * Floor F6, private to monitor/.  SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_MONITOR_JSON_FRAMER_H
#define GODWIT_MONITOR_JSON_FRAMER_H

#include <jansson.h>

#include "util/error.h"

/* Bounds on one message; beyond them it is an error and the rest of the line is skipped. */
#define JSON_FRAMER_MAX_BYTES (16u << 20)
#define JSON_FRAMER_MAX_DEPTH 1024u
#define JSON_FRAMER_MAX_TOKENS (1u << 18)   /* brackets, commas and colons */

typedef enum JsonFramerResult {
    JSON_FRAMER_MORE,       /* all bytes consumed, no value complete */
    JSON_FRAMER_VALUE,
    JSON_FRAMER_ERROR,
} JsonFramerResult;

typedef struct JsonFramer JsonFramer;

JsonFramer *json_framer_new(void);
void json_framer_free(JsonFramer *framer);

/* Forgets what has been read so far, for a new connection. */
void json_framer_reset(JsonFramer *framer);

/*
 * Reads from *data until a value or an error is complete, and moves *data and *len past what was
 * read; call again while *len is not 0.  VALUE: *value is a new reference to an object or an array.
 * ERROR: *errp is set, the framer has found (or will find) its way back; see the file's comment.
 */
JsonFramerResult json_framer_feed(JsonFramer *framer, const char **data, size_t *len,
                                  json_t **value, Error **errp);

#endif
