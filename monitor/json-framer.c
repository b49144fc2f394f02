/*
 * json-framer.c - cuts a stream of bytes into JSON objects and arrays, and survives what is neither.
 *
 * Floor F6, below it jansson and util.  One thread, no locks.
 *
 * jansson wants a whole text; a connection gives pieces.  The framer finds where a top-level value
 * ends by following brackets and strings, and leaves everything else to jansson.
 * Invariant: `text` holds the bytes since the opening bracket of the current message, `stack` the
 * brackets that are open; both are bounded.
 *
 * Format: JSON in UTF-8, white space between messages free.  Beyond JSON, strings may stand in single
 * quotes, and \' may stand in any string (people type them).
 * Finding the way back: a control character other than tab, line feed and carriage return, or a byte
 * that UTF-8 cannot have (a client sends 0xFF on purpose), ends the current message with an error
 * and begins afresh; so does a line feed in a string.  After any other error the rest of the line is
 * skipped, so that one bad line gets one error.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "monitor/json-framer.h"

#include <string.h>

#include "util/json-uint.h"

#define KEEP_BYTES 65536u   /* a larger buffer is given back after its message */

struct JsonFramer {
    GString *text;
    GString *stack;     /* of '{' and '[' */
    unsigned tokens;
    char quote;         /* of the string that we are in, or 0 */
    bool escaped;       /* the byte before was a backslash, not yet in text */
    bool skipping;      /* to the end of the line, after an error */
};

JsonFramer *json_framer_new(void)
{
    JsonFramer *framer = g_new0(JsonFramer, 1);
    framer->text = g_string_new(NULL);
    framer->stack = g_string_new(NULL);
    return framer;
}

void json_framer_free(JsonFramer *framer)
{
    g_string_free(framer->text, TRUE);
    g_string_free(framer->stack, TRUE);
    g_free(framer);
}

static void begin_message(JsonFramer *framer)
{
    if (framer->text->allocated_len > KEEP_BYTES) {
        g_string_free(framer->text, TRUE);
        framer->text = g_string_new(NULL);
    }
    g_string_truncate(framer->text, 0);
    g_string_truncate(framer->stack, 0);
    framer->tokens = 0;
    framer->quote = 0;
    framer->escaped = false;
}

void json_framer_reset(JsonFramer *framer)
{
    begin_message(framer);
    framer->skipping = false;
}

/* Bytes that stand nowhere in a message and therefore mark a fresh start. */
static bool is_fresh_start(unsigned char c)
{
    return (c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0xc0 || c == 0xc1 || c >= 0xf5;
}

static JsonFramerResult fail(JsonFramer *framer, unsigned char c, const char *why, Error **errp)
{
    error_setg(errp, "JSON parse error, %s", why);
    begin_message(framer);
    framer->skipping = c != '\n' && !is_fresh_start(c);
    return JSON_FRAMER_ERROR;
}

static JsonFramerResult finish(JsonFramer *framer, json_t **value, Error **errp)
{
    json_error_t error;
    *value = json_uint_loadb(framer->text->str, framer->text->len, JSON_REJECT_DUPLICATES, &error);
    if (!*value) {
        /* The closing bracket was just read: we stand at the end of a message, nothing to skip. */
        error_setg(errp, "JSON parse error, %s at byte %d", error.text, error.position);
    }
    begin_message(framer);
    return *value ? JSON_FRAMER_VALUE : JSON_FRAMER_ERROR;
}

/* One byte of a string; the result is written in double quotes, whatever it came in. */
static JsonFramerResult feed_string(JsonFramer *framer, char c, Error **errp)
{
    if ((unsigned char)c < 0x20) {
        return fail(framer, c, "control character in a string", errp);
    }
    if (framer->escaped) {
        framer->escaped = false;
        if (c != '\'') {
            g_string_append_c(framer->text, '\\');
        }
        g_string_append_c(framer->text, c);
    } else if (c == '\\') {
        framer->escaped = true;
    } else if (c == framer->quote) {
        framer->quote = 0;
        g_string_append_c(framer->text, '"');
    } else {
        if (c == '"') {
            g_string_append_c(framer->text, '\\');
        }
        g_string_append_c(framer->text, c);
    }
    return JSON_FRAMER_MORE;
}

static JsonFramerResult feed_structure(JsonFramer *framer, char c, json_t **value, Error **errp)
{
    GString *stack = framer->stack;
    if (stack->len == 0 && c != '{' && c != '[') {
        return fail(framer, c, "a message begins with '{'", errp);
    }
    if (strchr("{}[],:", c) && ++framer->tokens > JSON_FRAMER_MAX_TOKENS) {
        return fail(framer, c, "message has too many members", errp);
    }
    if (c == '{' || c == '[') {
        if (stack->len == JSON_FRAMER_MAX_DEPTH) {
            return fail(framer, c, "message is nested too deep", errp);
        }
        g_string_append_c(stack, c);
    } else if (c == '}' || c == ']') {
        if (stack->str[stack->len - 1] != (c == '}' ? '{' : '[')) {
            return fail(framer, c, "brackets do not match", errp);
        }
        g_string_truncate(stack, stack->len - 1);
    } else if (c == '"' || c == '\'') {
        framer->quote = c;
        c = '"';
    }
    g_string_append_c(framer->text, c);
    return stack->len == 0 ? finish(framer, value, errp) : JSON_FRAMER_MORE;
}

static JsonFramerResult feed_byte(JsonFramer *framer, char c, json_t **value, Error **errp)
{
    if (framer->skipping) {
        framer->skipping = c != '\n' && !is_fresh_start(c);
        return JSON_FRAMER_MORE;
    }
    if (is_fresh_start(c)) {
        return fail(framer, c, "invalid byte", errp);
    }
    if (framer->text->len >= JSON_FRAMER_MAX_BYTES) {
        return fail(framer, c, "message is too long", errp);
    }
    if (framer->quote) {
        return feed_string(framer, c, errp);
    }
    if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
        if (framer->stack->len) {
            g_string_append_c(framer->text, c);
        }
        return JSON_FRAMER_MORE;
    }
    return feed_structure(framer, c, value, errp);
}

JsonFramerResult json_framer_feed(JsonFramer *framer, const char **data, size_t *len,
                                  json_t **value, Error **errp)
{
    *value = NULL;
    while (*len) {
        char c = **data;
        (*data)++;
        (*len)--;
        JsonFramerResult result = feed_byte(framer, c, value, errp);
        if (result != JSON_FRAMER_MORE) {
            return result;
        }
    }
    return JSON_FRAMER_MORE;
}
