/*
 * trace.c - the run-time half of trace events: switches, pattern matching and the log back end.
 *
 * Floor F0; below it GLib and the table that scripts/tracetool writes.
 * Threads: any.  `trace_lock` guards the output, so that lines never mix; the switches are relaxed
 * atomics, because a late or early line around a switch does no harm.
 * Invariant: a line leaves whole and in one piece, or not at all.
 * Format owned: "PID@SECONDS.MICROSECONDS:NAME TEXT\n".
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/trace.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static pthread_mutex_t trace_lock = PTHREAD_MUTEX_INITIALIZER;
static FILE *trace_file;
static TraceSink trace_sink;
static void *trace_sink_opaque;

void trace_emit(const TraceEvent *event, const char *fmt, ...)
{
    gint64 now = g_get_real_time();
    /* Long enough for nearly all events; a longer text is cut, which keeps this free of malloc. */
    char line[1024];
    int head = g_snprintf(line, sizeof(line), "%d@%" G_GINT64_FORMAT ".%06d:%s ", (int)getpid(),
                          now / G_USEC_PER_SEC, (int)(now % G_USEC_PER_SEC), event->name);
    if (head < (int)sizeof(line)) {
        va_list ap;
        va_start(ap, fmt);
        g_vsnprintf(line + head, sizeof(line) - head, fmt, ap);
        va_end(ap);
    }

    pthread_mutex_lock(&trace_lock);
    if (trace_sink) {
        trace_sink(trace_sink_opaque, line);
    } else {
        FILE *out = trace_file ? trace_file : stderr;
        fprintf(out, "%s\n", line);
        /* A trace is read after a crash: nothing may stay in a buffer. */
        fflush(out);
    }
    pthread_mutex_unlock(&trace_lock);
}

/* What a walk over all events carries along. */
typedef struct TraceWalk {
    GPatternSpec *spec;
    TraceEvent *const *const *group;
    TraceEvent *const *next;
} TraceWalk;

static void trace_walk_start(TraceWalk *walk, const char *pattern)
{
    walk->spec = g_pattern_spec_new(pattern ? pattern : "*");
    walk->group = trace_groups;
    walk->next = *walk->group;
}

/* The next event that matches, or NULL at the end, when the walk's memory is released. */
static TraceEvent *trace_walk_next(TraceWalk *walk)
{
    while (*walk->group) {
        while (*walk->next) {
            TraceEvent *event = *walk->next++;
            if (g_pattern_spec_match_string(walk->spec, event->name)) {
                return event;
            }
        }
        walk->next = *++walk->group;
    }
    g_pattern_spec_free(walk->spec);
    walk->spec = NULL;
    return NULL;
}

bool trace_enable(const char *pattern, bool on, Error **errp)
{
    TraceWalk walk;
    TraceEvent *event;
    bool found = false;

    trace_walk_start(&walk, pattern);
    while ((event = trace_walk_next(&walk))) {
        __atomic_store_n(&event->enabled, on, __ATOMIC_RELAXED);
        found = true;
    }
    if (!found) {
        error_setg(errp, "no trace event matches '%s'", pattern);
        error_append_hint(errp, "'-trace help' lists the events\n");
    }
    return found;
}

bool trace_enable_file(const char *path, Error **errp)
{
    char *text;
    GError *gerr = NULL;

    if (!g_file_get_contents(path, &text, NULL, &gerr)) {
        error_setg(errp, "trace events file: %s", gerr->message);
        g_error_free(gerr);
        return false;
    }
    char **lines = g_strsplit(text, "\n", -1);
    g_free(text);

    bool ok = true;
    for (char **line = lines; ok && *line; line++) {
        char *word = g_strstrip(*line);
        if (*word == '\0' || *word == '#') {
            continue;
        }
        bool on = *word != '-';
        Error *err = NULL;
        ok = trace_enable(on ? word : word + 1, on, &err);
        if (!ok) {
            error_prepend(&err, "%s, line %d: ", path, (int)(line - lines) + 1);
            error_propagate(errp, err);
        }
    }
    g_strfreev(lines);
    return ok;
}

void trace_foreach(const char *pattern, TraceVisitor visit, void *opaque)
{
    TraceWalk walk;
    TraceEvent *event;
    bool go_on = true;

    trace_walk_start(&walk, pattern);
    /* The walk goes to its end even when the visitor has had enough: the end frees it. */
    while ((event = trace_walk_next(&walk))) {
        go_on = go_on && visit(opaque, event->name, trace_event_enabled(event));
    }
}

/* The path with the first "%d" replaced by the process id; the caller frees it. */
static char *trace_expand_path(const char *path)
{
    const char *mark = strstr(path, "%d");
    if (!mark) {
        return g_strdup(path);
    }
    return g_strdup_printf("%.*s%d%s", (int)(mark - path), path, (int)getpid(), mark + 2);
}

bool trace_set_file(const char *path, Error **errp)
{
    FILE *file = NULL;

    if (path) {
        char *name = trace_expand_path(path);
        file = fopen(name, "we");
        if (!file) {
            error_setg_errno(errp, errno, "cannot open trace file '%s'", name);
        }
        g_free(name);
        if (!file) {
            return false;
        }
    }
    pthread_mutex_lock(&trace_lock);
    FILE *old = trace_file;
    trace_file = file;
    pthread_mutex_unlock(&trace_lock);
    if (old) {
        fclose(old);
    }
    return true;
}

void trace_set_sink(TraceSink sink, void *opaque)
{
    pthread_mutex_lock(&trace_lock);
    trace_sink = sink;
    trace_sink_opaque = opaque;
    pthread_mutex_unlock(&trace_lock);
}
