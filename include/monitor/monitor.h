/*
 * monitor.h - what the command line needs of the monitors.
 *
 * Floor F6.  Machine lock held, main loop's thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_MONITOR_MONITOR_H
#define GODWIT_MONITOR_MONITOR_H

#include <jansson.h>
#include <stdbool.h>

#include "chardev/char.h"
#include "system/machine.h"
#include "util/error.h"

typedef enum MonitorMode {
    MONITOR_QMP,    /* for programs: JSON, CRLF at the end of each line */
    MONITOR_HMP,    /* for people: commands and text */
} MonitorMode;

/*
 * Connects a machine that was just made with the monitors: its events go to every QMP client from now
 * on. Lock not held. Undone by monitor_detach(), before machine_free().
 */
void monitor_attach(Machine *m);
void monitor_detach(Machine *m);

/* Opens a monitor on chr; several may exist. pretty: QMP replies on several lines. */
bool monitor_new(Machine *m, Chardev *chr, MonitorMode mode, bool pretty, Error **errp);

/* -add-fd {"fd": N, "set": N, "opaque": TEXT}: an inherited descriptor joins a set of this machine. */
bool monitor_add_inherited_fd(Machine *m, const json_t *options, Error **errp);

/*
 * Runs one HMP command line and returns its output, which the caller frees; the same as
 * human-monitor-command does. cpu_index: the hart that `info registers` and `x` mean; -1: hart 0.
 */
char *monitor_hmp_run(Machine *m, const char *line, int cpu_index);

#endif
