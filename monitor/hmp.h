/*
 * hmp.h - the shell for people: one line in, text out; and an interactive session around it.
 *
 * Floor F6, private to monitor/.  Main loop's thread, machine lock held in every call; a command may
 * drop the lock while it waits for a vCPU.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_MONITOR_HMP_H
#define GODWIT_MONITOR_HMP_H

#include <stddef.h>

#include "monitor/hub.h"

/* Characters of one line; a longer one is refused as a whole. */
#define HMP_LINE_MAX 4095u

typedef struct HmpSession HmpSession;
typedef void HmpWrite(void *opaque, const char *text, size_t len);

/* What a session asks of the terminal; none of it may free the session. */
typedef struct HmpSessionOps {
    HmpWrite *write;                    /* text with CR LF line ends */
    void (*accept)(void *opaque);       /* hmp_session_room() may have become more; NULL: nobody cares */
} HmpSessionOps;

/*
 * A session that writes nothing until it is opened. hub may be NULL: then commands that go through QMP say
 * so. A command may go on after its line (migrate without -d): the prompt comes back when it is done.
 */
HmpSession *hmp_session_new(Machine *m, MonitorHub *hub, const HmpSessionOps *ops, void *opaque);
void hmp_session_free(HmpSession *session);
/* A new client: forgets the half-typed line, shows banner and prompt. */
void hmp_session_open(HmpSession *session);
/* A mux turns to this monitor: shows prompt and line, or how the command that runs gets on. */
void hmp_session_show(HmpSession *session);
/* A mux turns away: what goes on says nothing until the session is shown again. */
void hmp_session_hide(HmpSession *session);
/*
 * Nobody reads any more: output is dropped until the session is opened again. Nobody waits for a command that
 * goes on, whose work goes on all the same; what was typed behind it does not run.
 */
void hmp_session_close(HmpSession *session);
/* Bytes as a terminal sends them, hmp_session_room() at most; runs the commands that are complete. */
void hmp_session_feed(HmpSession *session, const char *buf, size_t len);
size_t hmp_session_room(const HmpSession *session);

/*
 * Runs one line without a session and returns its output, which the caller frees. cpu_index: the hart
 * that is meant; -1: hart 0.
 */
char *hmp_run_line(Machine *m, MonitorHub *hub, const char *line, int cpu_index);

#endif
