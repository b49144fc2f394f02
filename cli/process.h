/*
 * process.h - what the program does to its own process: background, pid file, signals.
 *
 * Floor F6, private to cli/.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_CLI_PROCESS_H
#define GODWIT_CLI_PROCESS_H

#include <stdbool.h>

#include "system/machine.h"
#include "util/error.h"

/*
 * Forks; the parent waits until the child calls process_daemon_ready() and then exits with 0, or with 1
 * if the child ends before that. To be called before any thread exists. Returns in the child only.
 */
bool process_daemonize(Error **errp);
/* Lets the waiting parent go and cuts the terminal off. No effect without process_daemonize(). */
bool process_daemon_ready(Error **errp);

/* Writes the process id to path, which must not be locked by a live process; removed at exit. */
bool process_write_pidfile(const char *path, Error **errp);
void process_remove_pidfile(void);

/* What `ps` shows (15 bytes of it); NULL: no change. */
void process_set_name(const char *name);

/*
 * Until process_handle_signals(): those signals end the program at once, as they do by default, but the
 * terminal is as it was before.  To be called before the terminal is changed.
 */
void process_guard_terminal(void);
/* SIGTERM, SIGINT and SIGHUP ask m to shut down (cause host-signal); SIGPIPE and SIGXFSZ are ignored. */
void process_handle_signals(Machine *m);

#endif
