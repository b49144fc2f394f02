/*
 * readline.h - edits a line on any terminal that is reached through a stream of bytes.
 *
 * Floor F6, private to monitor/.  SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_MONITOR_READLINE_H
#define GODWIT_MONITOR_READLINE_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct Readline Readline;

/* Bytes that are kept while the editor is suspended. */
#define READLINE_AHEAD_MAX 65536u

typedef struct ReadlineOps {
    void (*write)(void *opaque, const char *text, size_t len);
    /* A whole line, without its end. May call readline_redraw() and readline_reset(), not _free(). */
    void (*line)(void *opaque, const char *line);
    /*
     * Words (char *, freed by the caller with the array) that could stand at *word_start of line, which
     * ends at the cursor. NULL: none.
     */
    GPtrArray *(*complete)(void *opaque, const char *line, size_t *word_start);
    /* Ctrl-C while the editor is suspended; what was typed ahead is forgotten. May be NULL. */
    void (*interrupt)(void *opaque);
} ReadlineOps;

/* max: bytes of the longest line. prompt is borrowed. */
Readline *readline_new(const char *prompt, size_t max, const ReadlineOps *ops, void *opaque);
void readline_free(Readline *rl);
/* Forgets what was typed, and typed ahead, not the history; suspended no longer. Writes nothing. */
void readline_reset(Readline *rl);
/* Called by line(): its work goes on, so no prompt follows, and what is typed is kept for later. */
void readline_suspend(Readline *rl);
/* That work is done: writes the prompt and takes what was typed ahead. Not within line(). */
void readline_resume(Readline *rl);
/* How many bytes readline_feed() takes now; what is more is lost while the editor is suspended. */
size_t readline_room(const Readline *rl);
/* Writes prompt and line. */
void readline_redraw(Readline *rl);
void readline_feed(Readline *rl, const char *buf, size_t len);
/* Of char *, oldest first. */
const GPtrArray *readline_history(const Readline *rl);

#endif
