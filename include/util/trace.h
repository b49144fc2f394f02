/*
 * trace.h - trace events: named points in the code that write one log line each when switched on.
 *
 * Floor F0.  Events are declared in trace-events files; scripts/tracetool makes one inline
 * function `trace_NAME(...)` of each, in "trace/<room with - for />.h".  An event that is off
 * costs one load and one branch that is predicted not taken.
 *
 * The switches and the output belong to the process, like stderr does, and not to a machine.
 * Threads: every function here may be called from any thread at any time, except that output is
 * chosen once, before other threads start.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_UTIL_TRACE_H
#define GODWIT_UTIL_TRACE_H

#include "util/error.h"

/* One event; `enabled` is read and written with relaxed atomics only. */
typedef struct TraceEvent {
    const char *name;
    bool enabled;
} TraceEvent;

/* Generated: every room's events; each list and the list of lists end with NULL. */
extern TraceEvent *const *const trace_groups[];

/* Takes one finished line, without a newline.  Called from any thread, one call at a time. */
typedef void (*TraceSink)(void *opaque, const char *line);

/* Visits an event; returning false ends the walk. */
typedef bool (*TraceVisitor)(void *opaque, const char *name, bool enabled);

static inline bool trace_event_enabled(const TraceEvent *event)
{
    return __builtin_expect(__atomic_load_n(&event->enabled, __ATOMIC_RELAXED), 0);
}

/* Writes "PID@SECONDS.MICROSECONDS:NAME TEXT"; called by the generated functions. */
void trace_emit(const TraceEvent *event, const char *fmt, ...) G_GNUC_PRINTF(2, 3);

/*
 * trace_enable - switch on or off every event whose name matches `pattern`.
 * @pattern: an event's name, or a pattern with '*' and '?'
 * Returns false, with an error that names the pattern, if nothing matches.
 */
bool trace_enable(const char *pattern, bool on, Error **errp);

/*
 * trace_enable_file - switch events as the lines of the file at `path` say.
 * Each line is a pattern, with '-' in front to switch off; '#' starts a comment line.
 * The lines before a wrong one have taken effect when this fails.
 */
bool trace_enable_file(const char *path, Error **errp);

/* Visits, in the order of declaration, the events that match `pattern` (NULL: all of them). */
void trace_foreach(const char *pattern, TraceVisitor visit, void *opaque);

/*
 * trace_set_file - write to the file at `path` from now on; NULL is stderr.
 * The file is truncated.  '%d' in the path stands for the process id.  Errors: as open(2).
 */
bool trace_set_file(const char *path, Error **errp);

/* Hands each line to `sink` instead of a file; NULL goes back to the file. */
void trace_set_sink(TraceSink sink, void *opaque);

#endif
