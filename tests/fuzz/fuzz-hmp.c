/*
 * fuzz-hmp.c - libFuzzer target: arbitrary keys into the line editor, and the lines into the evaluator.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "monitor/hmp-internal.h"
#include "monitor/readline.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ignore_output(void *opaque, const char *text, size_t len)
{
}

static bool read_register(void *opaque, const char *name, uint64_t *value)
{
    *value = strlen(name);
    return name[0] == 'a';
}

static void evaluate(void *opaque, const char *line)
{
    const char *end = line + strlen(line);
    if (strlen(line) > HMP_LINE_MAX) {
        g_error("a line of %zu bytes", strlen(line));
    }
    for (int tight = 0; tight < 2; tight++) {
        const char *at = line;
        uint64_t value;
        Error *err = NULL;
        bool ok = hmp_expr(&at, tight, read_register, NULL, &value, &err);
        g_assert(at >= line && at <= end && ok == !err);
        error_free(err);
    }
}

static GPtrArray *complete(void *opaque, const char *line, size_t *word_start)
{
    static const char *const words[] = { "print", "pmemsave", "x", "xp", "" };
    GPtrArray *array = g_ptr_array_new_with_free_func(g_free);
    for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
        g_ptr_array_add(array, g_strdup(words[i]));
    }
    const char *blank = strrchr(line, ' ');
    *word_start = blank ? (size_t)(blank + 1 - line) : 0;
    return array;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const ReadlineOps ops = { ignore_output, evaluate, complete };
    Readline *rl = readline_new("> ", 64, &ops, NULL);
    readline_feed(rl, (const char *)data, size);
    readline_feed(rl, "\r", 1);
    readline_free(rl);
    return 0;
}
