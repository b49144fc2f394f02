/*
 * hub.h - the monitors of one machine: their clients, the events they get, the fds they pass.
 *
 * Floor F6.  A MonitorHub belongs to a machine; a Monitor is one place where one client at a time
 * speaks to it (-qmp, -mon).  A Monitor moves no bytes of its own: whoever owns the connection feeds
 * it and is called back to write; monitor/attach.c does so for a machine's character devices.
 * Everything here runs on the main loop's thread with the machine lock held; only the event sink may
 * be used on any thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_MONITOR_HUB_H
#define GODWIT_MONITOR_HUB_H

#include "qapi/qmp.h"
#include "util/event-sink.h"
#include "util/fdset.h"

/* A parameter of a command line option; type is "string", "boolean", "number" or "size". */
typedef struct CommandLineParameter {
    const char *name;
    const char *type;
    const char *help;           /* may be NULL */
    const char *default_value;  /* may be NULL */
} CommandLineParameter;

/* An option, for query-command-line-options; a table of these ends with option NULL. */
typedef struct CommandLineOption {
    const char *option;                 /* without the dash */
    const CommandLineParameter *params; /* ends with name NULL; NULL for none */
} CommandLineOption;

/* What a hub works with; pointers are borrowed and outlive the hub. */
typedef struct MonitorHubConfig {
    Machine *machine;                   /* NULL in tests that have none */
    const QmpCommandTable *commands;
    FdSets *fdsets;                     /* NULL: the hub makes its own */
    const CommandLineOption *options;   /* NULL: none */
    /*
     * Called on any thread when an event waits: must have monitor_hub_flush_events() called on the
     * main loop soon (a bottom half).  NULL: the caller flushes of itself.
     */
    void (*kick)(void *opaque);
    /*
     * Main loop's thread: must have monitor_hub_flush_events() called in so many microseconds, for events
     * that a guest may cause often (event-throttle.h).  NULL: every event is sent at once.
     */
    void (*wake_in)(void *opaque, int64_t delay_us);
    void *opaque;
} MonitorHubConfig;

MonitorHub *monitor_hub_new(const MonitorHubConfig *config);
/* Frees the hub and every monitor in it.  No other thread may emit events any more. */
void monitor_hub_free(MonitorHub *hub);
/* func(opaque) is called at the beginning of monitor_hub_free(), for what hangs on the hub. */
void monitor_hub_on_free(MonitorHub *hub, void (*func)(void *opaque), void *opaque);

/* The hub of a machine between monitor_attach() and monitor_detach(), else NULL. */
MonitorHub *monitor_hub_of(Machine *m);
/* What query-command-line-options tells; a borrowed table. */
void monitor_hub_set_options(MonitorHub *hub, const CommandLineOption *options);

/* Where events go: each reaches every QMP client that has ended its negotiation.  Any thread. */
EventSink *monitor_hub_sink(MonitorHub *hub);
/* Writes the events that wait. */
void monitor_hub_flush_events(MonitorHub *hub);

Machine *monitor_hub_machine(MonitorHub *hub);
FdSets *monitor_hub_fdsets(MonitorHub *hub);
const QmpCommandTable *monitor_hub_commands(MonitorHub *hub);
const CommandLineOption *monitor_hub_options(MonitorHub *hub);

/* Takes all of buf: queues it if the client is slow. */
typedef struct MonitorTransport {
    void (*write)(void *opaque, const char *buf, size_t len);
    void *opaque;
} MonitorTransport;

/* A QMP monitor without a client yet.  pretty: replies are indented, for people. */
Monitor *monitor_qmp_new(MonitorHub *hub, const MonitorTransport *transport, bool pretty);
/* A monitor that speaks no protocol and only keeps descriptors: what HMP builds on. */
Monitor *monitor_new_bare(MonitorHub *hub);
/* Allowed within a command: the monitor then lives until the command returns. */
void monitor_free(Monitor *mon);

/* A client is there: a fresh session, which begins with the greeting. */
void monitor_qmp_open(Monitor *mon);
/* The client is gone: descriptors and unread requests are dropped. */
void monitor_qmp_close(Monitor *mon);
/*
 * Bytes from the client, and the descriptors that came with the first of them, which the monitor
 * owns from now on.  Runs the commands that became complete.
 */
void monitor_qmp_feed(Monitor *mon, const char *buf, size_t len, const int *fds, size_t n_fds);
/* How many bytes monitor_qmp_feed() may be given now; 0 while too many requests wait. */
size_t monitor_qmp_can_read(Monitor *mon);

/* Ends the negotiation (qmp_capabilities); from now on events are sent. */
bool monitor_qmp_negotiate(Monitor *mon, bool oob, Error **errp);

/*
 * The next descriptor that came with the command that is running; the caller owns it.  -1 with *errp
 * if there is none, or if mon is NULL.
 */
int monitor_take_fd(Monitor *mon, Error **errp);

/* Keeps fd, which the monitor owns from now on, under that name; closes an older one of the name. */
void monitor_keep_fd(Monitor *mon, const char *name, int fd);
/* Takes the descriptor that getfd kept under that name: the caller owns it, the name is gone. */
int monitor_get_fd(Monitor *mon, const char *name, Error **errp);

#endif
