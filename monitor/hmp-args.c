/*
 * hmp-args.c - reads the arguments of a command as its args string describes them.
 *
 * Floor F6; below it jansson, util and the expressions.  Main loop's thread.
 * Invariant: what a command finds in call->args has the type that its description says.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "monitor/hmp-internal.h"

#include <errno.h>

#define COUNT_MAX 65536u    /* items that one x shows */

/* What is read where; text moves on. */
typedef struct ArgReader {
    HmpCall *call;
    const char *text;
    bool more;          /* other arguments follow this one */
} ArgReader;

static const char *skip_blanks(const char *text)
{
    while (*text == ' ' || *text == '\t') {
        text++;
    }
    return text;
}

bool hmp_next_arg(const char **spec, HmpArg *arg)
{
    const char *colon = strchr(*spec, ':');
    if (!colon) {
        return false;
    }
    const char *end = colon + 1 + strcspn(colon + 1, "? ");
    g_strlcpy(arg->name, *spec, MIN(sizeof(arg->name), (size_t)(colon - *spec) + 1));
    g_strlcpy(arg->type, colon + 1, MIN(sizeof(arg->type), (size_t)(end - colon)));
    arg->optional = *end == '?';
    end += arg->optional;
    *spec = *end == ' ' ? end + 1 : end;
    return true;
}

char *hmp_next_word(const char **text, Error **errp)
{
    const char *at = skip_blanks(*text);
    GString *word = g_string_new(NULL);
    if (*at != '"') {
        size_t n = strcspn(at, " \t");
        g_string_append_len(word, at, n);
        *text = at + n;
        return g_string_free(word, FALSE);
    }
    for (at++; *at && *at != '"'; at++) {
        if (*at == '\\' && at[1]) {
            at++;
            g_string_append_c(word, *at == 'n' ? '\n' : *at == 'r' ? '\r' : *at == 't' ? '\t' : *at);
        } else {
            g_string_append_c(word, *at);
        }
    }
    if (*at != '"' || (at[1] && at[1] != ' ' && at[1] != '\t')) {
        error_setg(errp, *at ? "a blank is missing behind the quotation" : "unterminated string");
        g_string_free(word, TRUE);
        return NULL;
    }
    *text = at + 1;
    return g_string_free(word, FALSE);
}

/* ---- one argument of each type; false with *errp set ---- */

static bool set(ArgReader *r, const HmpArg *arg, json_t *value, Error **errp)
{
    if (!value) {
        error_setg(errp, "%s: text that is not UTF-8", arg->name);
        return false;
    }
    json_object_set_new(r->call->args, arg->name, value);
    return true;
}

static bool read_str(ArgReader *r, const HmpArg *arg, Error **errp)
{
    g_autofree char *word = hmp_next_word(&r->text, errp);
    return word && set(r, arg, json_string(word), errp);
}

static bool read_rest(ArgReader *r, const HmpArg *arg, Error **errp)
{
    g_autofree char *rest = g_strchomp(g_strdup(r->text));
    r->text += strlen(r->text);
    return set(r, arg, json_string(rest), errp);
}

static bool read_int(ArgReader *r, const HmpArg *arg, Error **errp)
{
    uint64_t value;
    if (!hmp_expr(&r->text, r->more, hmp_register, r->call->ctx, &value, errp)) {
        return false;
    }
    return set(r, arg, json_integer((json_int_t)value), errp);
}

static bool read_size(ArgReader *r, const HmpArg *arg, Error **errp)
{
    char *end;
    errno = 0;
    guint64 value = g_ascii_strtoull(r->text, &end, 0);
    const char *suffixes = "KMGT", *found = *end && *end != ' ' ? strchr(suffixes, g_ascii_toupper(*end)) : NULL;
    unsigned shift = found ? 10 * (unsigned)(found - suffixes + 1) : 20;
    bool ends = end[found ? 1 : 0] == 0 || end[found ? 1 : 0] == ' ';
    if (end == r->text || !g_ascii_isdigit(*r->text) || !ends || errno == ERANGE ||
        value > (guint64)INT64_MAX >> shift) {
        error_setg(errp, "%s: a size is a number with K, M, G or T (none: M)", arg->name);
        return false;
    }
    r->text = end + (found ? 1 : 0);
    return set(r, arg, json_integer((json_int_t)(value << shift)), errp);
}

static bool read_onoff(ArgReader *r, const HmpArg *arg, Error **errp)
{
    g_autofree char *word = hmp_next_word(&r->text, errp);
    if (!word) {
        return false;
    }
    bool on = strcmp(word, "on") == 0;
    if (!on && strcmp(word, "off") != 0) {
        error_setg(errp, "%s: '%s' is neither 'on' nor 'off'", arg->name, word);
        return false;
    }
    return set(r, arg, json_boolean(on), errp);
}

/* A flag may always be left out; an option is a flag with a word behind it. */
static bool read_flag(ArgReader *r, const HmpArg *arg, Error **errp)
{
    size_t n = strlen(arg->name);
    const char *at = skip_blanks(r->text);
    if (strncmp(at, arg->name, n) != 0 || (at[n] != 0 && at[n] != ' ' && at[n] != '\t')) {
        return true;
    }
    r->text = skip_blanks(at + n);
    if (strcmp(arg->type, "flag") == 0) {
        return set(r, arg, json_true(), errp);
    }
    if (*r->text == 0) {
        error_setg(errp, "%s needs a value", arg->name);
        return false;
    }
    return read_str(r, arg, errp);
}

static bool is_flag(const HmpArg *arg)
{
    return strcmp(arg->type, "flag") == 0 || strcmp(arg->type, "option") == 0;
}

/* Flags that stand side by side in the description are given in any order. Moves spec behind them. */
static bool read_flags(ArgReader *r, const char **spec, Error **errp)
{
    const char *first = *spec, *before;
    HmpArg arg;
    do {
        before = r->text;
        for (const char *at = *spec = first; hmp_next_arg(&at, &arg) && is_flag(&arg); *spec = at) {
            if (!read_flag(r, &arg, errp)) {
                return false;
            }
        }
    } while (r->text != before);
    if (r->text[0] == '-' && g_ascii_isalpha(r->text[1])) {
        error_setg(errp, "there is no flag '%.*s'", (int)strcspn(r->text, " \t"), r->text);
        return false;
    }
    return true;
}

static unsigned size_of_letter(char c)
{
    return c == 'b' ? 1 : c == 'h' ? 2 : c == 'w' ? 4 : c == 'g' || c == 'L' ? 8 : 0;
}

/* "/16xw": count, format and size, each optional, right behind the name. */
static bool read_format(ArgReader *r, Error **errp)
{
    HmpFormat *format = &r->call->format;
    bool sized = false;
    if (*r->text != '/') {
        return true;
    }
    r->text++;
    if (g_ascii_isdigit(*r->text)) {
        char *end;
        guint64 count = g_ascii_strtoull(r->text, &end, 10);
        if (count < 1 || count > COUNT_MAX) {
            error_setg(errp, "a count is from 1 to %u", COUNT_MAX);
            return false;
        }
        format->count = count;
        r->text = end;
    }
    for (; *r->text && *r->text != ' ' && *r->text != '\t'; r->text++) {
        if (strchr("oxducis", *r->text)) {
            format->letter = *r->text;
        } else if (size_of_letter(*r->text)) {
            format->size = size_of_letter(*r->text);
            sized = true;
        } else {
            error_setg(errp, "invalid char '%c' in format: o x d u c s are formats, b h w g sizes",
                       g_ascii_isprint(*r->text) ? *r->text : '?');
            return false;
        }
    }
    if (!sized && format->letter == 'c') {
        format->size = 1;
    }
    return true;
}

static bool read_arg(ArgReader *r, const HmpArg *arg, Error **errp)
{
    static const struct {
        const char *type;
        bool (*read)(ArgReader *r, const HmpArg *arg, Error **errp);
    } readers[] = {
        { "rest", read_rest }, { "int", read_int }, { "size", read_size }, { "onoff", read_onoff },
        { "cpu", read_int },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(readers); i++) {
        if (strcmp(readers[i].type, arg->type) == 0) {
            return readers[i].read(r, arg, errp);
        }
    }
    return read_str(r, arg, errp);
}

bool hmp_parse_args(HmpCall *call, const HmpCommand *command, const char *text, Error **errp)
{
    ArgReader r = { .call = call, .text = text };
    const char *spec = command->args, *this_one = spec;
    HmpArg arg;
    for (; hmp_next_arg(&spec, &arg); this_one = spec) {
        r.more = *spec != 0;
        if (strcmp(arg.type, "fmt") == 0) {
            if (!read_format(&r, errp)) {
                return false;
            }
            continue;
        }
        r.text = skip_blanks(r.text);
        if (is_flag(&arg)) {
            spec = this_one;
            if (!read_flags(&r, &spec, errp)) {
                return false;
            }
        } else if (*r.text == 0 && arg.optional) {
            break;
        } else if (*r.text == 0) {
            error_setg(errp, "argument '%s' is missing", arg.name);
            return false;
        } else if (!read_arg(&r, &arg, errp)) {
            return false;
        }
    }
    r.text = skip_blanks(r.text);
    if (*r.text) {
        error_setg(errp, "extraneous characters at the end of line: '%.40s'", r.text);
        return false;
    }
    return true;
}

/* ---- for commands ---- */

bool hmp_has(const HmpCall *call, const char *name)
{
    return json_object_get(call->args, name) != NULL;
}

const char *hmp_str(const HmpCall *call, const char *name)
{
    return json_string_value(json_object_get(call->args, name));
}

uint64_t hmp_uint(const HmpCall *call, const char *name)
{
    return (uint64_t)json_integer_value(json_object_get(call->args, name));
}

bool hmp_bool(const HmpCall *call, const char *name)
{
    return json_is_true(json_object_get(call->args, name));
}
