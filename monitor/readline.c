/*
 * readline.c - edits a line on any terminal that is reached through a stream of bytes.
 *
 * Floor F6; below it GLib.  One thread, no locks.
 * The libraries for this want a terminal of their own; a monitor may be a socket, a pty or one of two
 * users of the program's terminal.  What is typed at the end of a line is echoed as it is, so that a
 * script that speaks to a socket sees its own line and nothing else; all other changes rewrite the
 * line with CR and ESC [ K.
 * Invariant: cursor <= text->len <= max; ahead is empty unless the editor is suspended.
 *
 * Keys: printable text, Enter, Backspace, Delete, arrows, Home, End, TAB; Ctrl-A E B F P N to move, D H
 * K U W to delete, C to give the line up, L to draw it again; ESC b, ESC f by words.  Escape sequences
 * are ESC [ … letter, ESC [ number ~, ESC O letter; unknown ones do nothing.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "monitor/readline.h"

#include <string.h>

#define HISTORY_MAX 64u
#define LIST_MAX 200u           /* completions that are shown */
#define CTRL(c) ((c) & 0x1f)
#define DELETE 0x7f

typedef enum EscapeState {
    ESCAPE_NONE,
    ESCAPE_START,       /* ESC */
    ESCAPE_CSI,         /* ESC [ */
    ESCAPE_SS3,         /* ESC O */
} EscapeState;

struct Readline {
    const ReadlineOps *ops;
    void *opaque;
    const char *prompt;
    size_t max;
    GString *text;
    size_t cursor;
    bool too_long;          /* characters were dropped: the line must not run */
    bool after_cr;          /* a LF or NUL that follows belongs to it */
    EscapeState escape;
    unsigned number;        /* in ESC [ number ~ */
    GPtrArray *history;
    guint history_at;       /* entry that is shown; history->len: the new line */
    char *fresh;            /* the new line while an older one is shown */
    bool suspended;         /* the last line's work goes on */
    GString *ahead;         /* what was typed meanwhile */
};

static void put(Readline *rl, const char *text, size_t len)
{
    if (len) {
        rl->ops->write(rl->opaque, text, len);
    }
}

static void puts_text(Readline *rl, const char *text)
{
    put(rl, text, strlen(text));
}

/* ---- UTF-8: what follows the first byte of a character ---- */

static bool is_continuation(char c)
{
    return (c & 0xc0) == 0x80;
}

static size_t previous(const Readline *rl, size_t at)
{
    while (at > 0 && is_continuation(rl->text->str[--at])) {
    }
    return at;
}

static size_t next(const Readline *rl, size_t at)
{
    while (at < rl->text->len && is_continuation(rl->text->str[++at])) {
    }
    return at;
}

static unsigned columns(const char *text)
{
    unsigned n = 0;
    for (; *text; text++) {
        n += !is_continuation(*text);
    }
    return n;
}

/* ---- drawing ---- */

static void move_back(Readline *rl)
{
    unsigned back = columns(rl->text->str + rl->cursor);
    if (back) {
        g_autofree char *escape = g_strdup_printf("\033[%uD", back);
        puts_text(rl, escape);
    }
}

void readline_redraw(Readline *rl)
{
    puts_text(rl, "\r");
    puts_text(rl, rl->prompt);
    put(rl, rl->text->str, rl->text->len);
    puts_text(rl, "\033[K");
    move_back(rl);
}

static void show_prompt(Readline *rl)
{
    puts_text(rl, rl->prompt);
}

/* ---- changes ---- */

static void set_text(Readline *rl, const char *text)
{
    g_string_assign(rl->text, text);
    rl->cursor = rl->text->len;
    readline_redraw(rl);
}

static void move_to(Readline *rl, size_t cursor)
{
    if (cursor != rl->cursor) {
        rl->cursor = cursor;
        readline_redraw(rl);
    }
}

/* Deletes [from, to), in which or at whose ends the cursor stands. */
static void erase(Readline *rl, size_t from, size_t to)
{
    if (from != to) {
        g_string_erase(rl->text, from, to - from);
        rl->cursor = from;
        readline_redraw(rl);
    }
}

static void insert(Readline *rl, const char *text, size_t len)
{
    if (rl->text->len + len > rl->max) {
        rl->too_long = true;
        puts_text(rl, "\a");
        return;
    }
    bool at_end = rl->cursor == rl->text->len;
    g_string_insert_len(rl->text, rl->cursor, text, len);
    rl->cursor += len;
    if (at_end) {
        put(rl, text, len);
    } else {
        readline_redraw(rl);
    }
}

static bool is_word(char c)
{
    return c != ' ' && c != '\t';
}

static size_t word_left(const Readline *rl)
{
    size_t at = rl->cursor;
    while (at > 0 && !is_word(rl->text->str[at - 1])) {
        at--;
    }
    while (at > 0 && is_word(rl->text->str[at - 1])) {
        at--;
    }
    return at;
}

static size_t word_right(const Readline *rl)
{
    size_t at = rl->cursor;
    while (at < rl->text->len && !is_word(rl->text->str[at])) {
        at++;
    }
    while (at < rl->text->len && is_word(rl->text->str[at])) {
        at++;
    }
    return at;
}

/* ---- history ---- */

static void history_add(Readline *rl, const char *line)
{
    GPtrArray *history = rl->history;
    bool same = history->len && strcmp(history->pdata[history->len - 1], line) == 0;
    if (*line && !same) {
        if (history->len == HISTORY_MAX) {
            g_ptr_array_remove_index(history, 0);
        }
        g_ptr_array_add(history, g_strdup(line));
    }
    rl->history_at = history->len;
}

static void history_show(Readline *rl, guint at)
{
    if (at > rl->history->len) {
        return;
    }
    if (rl->history_at == rl->history->len) {
        g_free(rl->fresh);
        rl->fresh = g_strdup(rl->text->str);
    }
    rl->history_at = at;
    rl->too_long = false;
    set_text(rl, at == rl->history->len ? rl->fresh : rl->history->pdata[at]);
}

const GPtrArray *readline_history(const Readline *rl)
{
    return rl->history;
}

/* ---- completion ---- */

static int compare_words(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static size_t common_prefix(const GPtrArray *words)
{
    const char *first = words->pdata[0];
    size_t n = strlen(first);
    for (guint i = 1; i < words->len; i++) {
        const char *word = words->pdata[i];
        size_t k = 0;
        while (k < n && word[k] == first[k]) {
            k++;
        }
        n = k;
    }
    return n;
}

static void list_words(Readline *rl, const GPtrArray *words)
{
    size_t width = 0, column = 0;
    for (guint i = 0; i < words->len; i++) {
        width = MAX(width, strlen(words->pdata[i]) + 2);
    }
    puts_text(rl, "\r\n");
    for (guint i = 0; i < MIN(words->len, LIST_MAX); i++) {
        g_autofree char *padded = g_strdup_printf("%-*s", (int)width, (char *)words->pdata[i]);
        if (column && column + width > 80) {
            puts_text(rl, "\r\n");
            column = 0;
        }
        puts_text(rl, padded);
        column += width;
    }
    puts_text(rl, words->len > LIST_MAX ? "...\r\n" : "\r\n");
    readline_redraw(rl);
}

/* Keeps the words that begin with what is typed. */
static void keep_matching(GPtrArray *words, const char *typed)
{
    for (guint i = words->len; i-- > 0;) {
        if (!g_str_has_prefix(words->pdata[i], typed)) {
            g_ptr_array_remove_index(words, i);
        }
    }
    g_ptr_array_sort(words, compare_words);
}

static void complete(Readline *rl)
{
    g_autofree char *line = g_strndup(rl->text->str, rl->cursor);
    size_t start = rl->cursor;
    GPtrArray *words = rl->ops->complete ? rl->ops->complete(rl->opaque, line, &start) : NULL;
    if (!words) {
        return;
    }
    const char *typed = line + MIN(start, strlen(line));
    keep_matching(words, typed);
    if (words->len) {
        size_t have = strlen(typed), prefix = common_prefix(words);
        if (prefix > have) {
            insert(rl, (const char *)words->pdata[0] + have, prefix - have);
        }
        if (words->len == 1 && rl->cursor == rl->text->len) {
            insert(rl, " ", 1);
        } else if (words->len > 1 && prefix == have) {
            list_words(rl, words);
        }
    }
    g_ptr_array_unref(words);
}

/* ---- keys ---- */

static void accept_line(Readline *rl)
{
    g_autofree char *line = g_strdup(rl->text->str);
    bool too_long = rl->too_long;
    puts_text(rl, "\r\n");
    readline_reset(rl);
    if (too_long) {
        puts_text(rl, "the line was too long and is ignored\r\n");
    } else {
        history_add(rl, line);
        rl->ops->line(rl->opaque, line);
    }
    if (!rl->suspended) {
        show_prompt(rl);
    }
}

static void give_up(Readline *rl)
{
    puts_text(rl, "^C\r\n");
    readline_reset(rl);
    show_prompt(rl);
}

static void control_key(Readline *rl, char c)
{
    switch (c) {
    case CTRL('A'):
        move_to(rl, 0);
        break;
    case CTRL('B'):
        move_to(rl, previous(rl, rl->cursor));
        break;
    case CTRL('C'):
        give_up(rl);
        break;
    case CTRL('D'):
        erase(rl, rl->cursor, next(rl, rl->cursor));
        break;
    case CTRL('E'):
        move_to(rl, rl->text->len);
        break;
    case CTRL('F'):
        move_to(rl, next(rl, rl->cursor));
        break;
    case CTRL('H'):
    case DELETE:
        erase(rl, previous(rl, rl->cursor), rl->cursor);
        break;
    case '\t':
        complete(rl);
        break;
    case '\n':
    case '\r':
        rl->after_cr = c == '\r';
        accept_line(rl);
        break;
    case CTRL('K'):
        erase(rl, rl->cursor, rl->text->len);
        break;
    case CTRL('L'):
        puts_text(rl, "\033[H\033[2J");
        readline_redraw(rl);
        break;
    case CTRL('N'):
        history_show(rl, rl->history_at + 1);
        break;
    case CTRL('P'):
        history_show(rl, rl->history_at - 1);   /* below 0 is above len, which is ignored */
        break;
    case CTRL('U'):
        rl->too_long = false;
        erase(rl, 0, rl->cursor);
        break;
    case CTRL('W'):
        erase(rl, word_left(rl), rl->cursor);
        break;
    case 0x1b:
        rl->escape = ESCAPE_START;
        break;
    default:
        break;
    }
}

/* The control key that a letter behind ESC [ or ESC O stands for, or 0. */
static char arrow_key(char letter)
{
    static const char keys[] = { 'A', CTRL('P'), 'B', CTRL('N'), 'C', CTRL('F'), 'D', CTRL('B'),
                                 'H', CTRL('A'), 'F', CTRL('E') };
    for (size_t i = 0; i < sizeof(keys); i += 2) {
        if (keys[i] == letter) {
            return keys[i + 1];
        }
    }
    return 0;
}

/* ESC [ number ~: Home, Delete, End in their several numberings. */
static char number_key(unsigned number)
{
    switch (number) {
    case 1:
    case 7:
        return CTRL('A');
    case 3:
        return CTRL('D');
    case 4:
    case 8:
        return CTRL('E');
    default:
        return 0;
    }
}

static void escape_key(Readline *rl, char c)
{
    EscapeState state = rl->escape;
    rl->escape = ESCAPE_NONE;
    if (state == ESCAPE_START) {
        if (c == '[' || c == 'O') {
            rl->escape = c == '[' ? ESCAPE_CSI : ESCAPE_SS3;
            rl->number = 0;
        } else if (c == 'b') {
            move_to(rl, word_left(rl));
        } else if (c == 'f') {
            move_to(rl, word_right(rl));
        }
    } else if (state == ESCAPE_CSI && (g_ascii_isdigit(c) || c == ';')) {
        rl->escape = ESCAPE_CSI;
        rl->number = c == ';' ? 0 : (rl->number * 10 + (c - '0')) % 1000;
    } else {
        char key = c == '~' ? number_key(rl->number) : arrow_key(c);
        if (key) {
            control_key(rl, key);
        }
    }
}

static void key(Readline *rl, char c)
{
    bool after_cr = rl->after_cr;
    rl->after_cr = false;
    if (after_cr && (c == '\n' || c == 0)) {
        return;
    }
    if (rl->escape != ESCAPE_NONE) {
        escape_key(rl, c);
    } else if ((unsigned char)c < 0x20 || c == DELETE) {
        control_key(rl, c);
    } else {
        insert(rl, &c, 1);
    }
}

static void key_ahead(Readline *rl, char c)
{
    if (c == CTRL('C')) {
        g_string_truncate(rl->ahead, 0);
        if (rl->ops->interrupt) {
            rl->ops->interrupt(rl->opaque);
        }
    } else if (rl->ahead->len < READLINE_AHEAD_MAX) {
        g_string_append_c(rl->ahead, c);
    }
}

void readline_feed(Readline *rl, const char *buf, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (rl->suspended) {
            key_ahead(rl, buf[i]);
        } else {
            key(rl, buf[i]);
        }
    }
}

/* ---- a line whose work goes on ---- */

void readline_suspend(Readline *rl)
{
    rl->suspended = true;
}

void readline_resume(Readline *rl)
{
    GString *ahead = rl->ahead;
    rl->suspended = false;
    rl->ahead = g_string_new(NULL);
    show_prompt(rl);
    readline_feed(rl, ahead->str, ahead->len);      /* which may suspend it again */
    g_string_free(ahead, TRUE);
}

size_t readline_room(const Readline *rl)
{
    return READLINE_AHEAD_MAX - rl->ahead->len;
}

/* ---- life ---- */

Readline *readline_new(const char *prompt, size_t max, const ReadlineOps *ops, void *opaque)
{
    Readline *rl = g_new0(Readline, 1);
    rl->ops = ops;
    rl->opaque = opaque;
    rl->prompt = prompt;
    rl->max = max;
    rl->text = g_string_new(NULL);
    rl->ahead = g_string_new(NULL);
    rl->history = g_ptr_array_new_with_free_func(g_free);
    return rl;
}

void readline_free(Readline *rl)
{
    g_string_free(rl->text, TRUE);
    g_string_free(rl->ahead, TRUE);
    g_ptr_array_unref(rl->history);
    g_free(rl->fresh);
    g_free(rl);
}

void readline_reset(Readline *rl)
{
    g_string_truncate(rl->text, 0);
    rl->cursor = 0;
    rl->too_long = false;
    rl->escape = ESCAPE_NONE;
    rl->history_at = rl->history->len;
    rl->suspended = false;
    g_string_truncate(rl->ahead, 0);
}
