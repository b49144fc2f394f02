/*
 * hmp-expr.c - evaluates what people type where a number belongs: "0x80000000 + 8 * ($a0 & 0xff)".
 *
 * Floor F6; below it util.  No locks, no state.
 * All values have 64 bits; overflow wraps, division and shifts are defined for every operand.
 * Invariant: recursion is bounded by DEPTH_MAX, whatever the text.
 *
 * Grammar, loosest first; operators of one level group to the left:
 *   or: xor { "|" xor }      xor: and { "^" and }        and: shift { "&" shift }
 *   shift: sum { ("<<"|">>") sum }     sum: product { ("+"|"-") product }
 *   product: unary { ("*"|"/"|"%") unary }               unary: { "+"|"-"|"~"|"!" } primary
 *   primary: "(" or ")" | number | "'" character "'" | "$" register
 * Numbers are decimal, 0x hexadecimal or 0 octal; / and % are signed, >> is not.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "monitor/hmp-internal.h"

#include <errno.h>

#define DEPTH_MAX 64
#define LEVELS 6

typedef struct Parser {
    const char *at;
    bool tight;
    unsigned depth;         /* of parentheses */
    HmpRegister *reg;
    void *opaque;
    Error **errp;
} Parser;

static bool parse_level(Parser *p, unsigned level, uint64_t *value);

static const char *skip_blanks(const char *text)
{
    while (*text == ' ' || *text == '\t') {
        text++;
    }
    return text;
}

/* ---- operands ---- */

static bool parse_number(Parser *p, uint64_t *value)
{
    char *end;
    errno = 0;
    *value = g_ascii_strtoull(p->at, &end, 0);
    if (errno == ERANGE) {
        error_setg(p->errp, "number is too large for 64 bits");
        return false;
    }
    if (g_ascii_isalnum(*end) || *end == '_') {
        error_setg(p->errp, "'%.20s' is not a number", p->at);
        return false;
    }
    p->at = end;
    return true;
}

static bool parse_character(Parser *p, uint64_t *value)
{
    static const char escapes[] = "n\nr\rt\t0";
    const char *at = p->at + 1;
    *value = (unsigned char)*at;
    if (*at == '\\') {
        const char *found = at[1] ? strchr(escapes, at[1]) : NULL;
        at++;
        /* Each letter is followed by what it stands for; the last one by the terminating zero. */
        *value = found && (found - escapes) % 2 == 0 ? (unsigned char)found[1] : (unsigned char)*at;
    }
    if (*at == 0 || at[1] != '\'') {
        error_setg(p->errp, "missing terminating ' character");
        return false;
    }
    p->at = at + 2;
    return true;
}

static bool parse_register(Parser *p, uint64_t *value)
{
    const char *end = ++p->at;
    while (g_ascii_isalnum(*end) || *end == '_') {
        end++;
    }
    g_autofree char *name = g_strndup(p->at, MIN(end - p->at, 32));
    p->at = end;
    if (!p->reg || !p->reg(p->opaque, name, value)) {
        error_setg(p->errp, "unknown register '%s'", name);
        return false;
    }
    return true;
}

static bool parse_parentheses(Parser *p, uint64_t *value)
{
    bool tight = p->tight;
    if (++p->depth > DEPTH_MAX) {
        error_setg(p->errp, "too many parentheses");
        return false;
    }
    p->at++;
    p->tight = false;       /* what is in parentheses is one argument anyway */
    if (!parse_level(p, 0, value)) {
        return false;
    }
    p->at = skip_blanks(p->at);
    if (*p->at != ')') {
        error_setg(p->errp, "')' expected");
        return false;
    }
    p->at++;
    p->tight = tight;
    p->depth--;
    return true;
}

static bool parse_primary(Parser *p, uint64_t *value)
{
    p->at = skip_blanks(p->at);
    switch (*p->at) {
    case '(':
        return parse_parentheses(p, value);
    case '\'':
        return parse_character(p, value);
    case '$':
        return parse_register(p, value);
    case 0:
        error_setg(p->errp, "unexpected end of expression");
        return false;
    default:
        if (g_ascii_isdigit(*p->at)) {
            return parse_number(p, value);
        }
        error_setg(p->errp, "invalid char '%c' in expression", g_ascii_isprint(*p->at) ? *p->at : '?');
        return false;
    }
}

/* A run of prefix operators is applied from the inside out, by walking it backwards. */
static bool parse_unary(Parser *p, uint64_t *value)
{
    const char *first = skip_blanks(p->at);
    p->at = first;
    while (*p->at && strchr("+-~! \t", *p->at)) {
        p->at++;
    }
    const char *last = p->at;
    if (!parse_primary(p, value)) {
        return false;
    }
    while (last > first) {
        last--;
        *value = *last == '-' ? -*value : *last == '~' ? ~*value : *last == '!' ? !*value : *value;
    }
    return true;
}

/* ---- operators ---- */

/* The operator of that level at p->at, as one character ('<' and '>' for shifts), or 0. */
static char peek_operator(const Parser *p, unsigned level, const char **behind)
{
    static const char *const levels[LEVELS] = { "|", "^", "&", "<>", "+-", "*/%" };
    const char *at = skip_blanks(p->at);
    if (*at == 0 || !strchr(levels[level], *at)) {
        return 0;
    }
    bool shift = *at == '<' || *at == '>';
    if (shift && at[1] != *at) {
        return 0;
    }
    *behind = at + (shift ? 2 : 1);
    bool blank_before = at != p->at;
    bool blank_behind = **behind == ' ' || **behind == '\t';
    return p->tight && blank_before && !blank_behind ? 0 : *at;
}

static bool divide(Parser *p, char op, uint64_t *left, uint64_t right)
{
    if (right == 0) {
        error_setg(p->errp, "division by zero");
        return false;
    }
    if (right == UINT64_MAX) {      /* by -1: INT64_MIN / -1 does not fit */
        *left = op == '/' ? -*left : 0;
    } else {
        int64_t a = (int64_t)*left, b = (int64_t)right;
        *left = (uint64_t)(op == '/' ? a / b : a % b);
    }
    return true;
}

static bool apply(Parser *p, char op, uint64_t *left, uint64_t right)
{
    switch (op) {
    case '|':
        *left |= right;
        return true;
    case '^':
        *left ^= right;
        return true;
    case '&':
        *left &= right;
        return true;
    case '<':
        *left = right < 64 ? *left << right : 0;
        return true;
    case '>':
        *left = right < 64 ? *left >> right : 0;
        return true;
    case '+':
        *left += right;
        return true;
    case '-':
        *left -= right;
        return true;
    case '*':
        *left *= right;
        return true;
    default:
        return divide(p, op, left, right);
    }
}

static bool parse_level(Parser *p, unsigned level, uint64_t *value)
{
    if (level == LEVELS) {
        return parse_unary(p, value);
    }
    if (!parse_level(p, level + 1, value)) {
        return false;
    }
    const char *behind;
    char op;
    while ((op = peek_operator(p, level, &behind))) {
        uint64_t right;
        p->at = behind;
        if (!parse_level(p, level + 1, &right) || !apply(p, op, value, right)) {
            return false;
        }
    }
    return true;
}

bool hmp_expr(const char **text, bool tight, HmpRegister *reg, void *opaque, uint64_t *value,
              Error **errp)
{
    Parser p = { .at = *text, .tight = tight, .reg = reg, .opaque = opaque, .errp = errp };
    bool ok = parse_level(&p, 0, value);
    *text = p.at;
    return ok;
}
