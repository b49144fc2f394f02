/*
 * monitor-internal.h - what monitor.c and qmp.c share.
 *
 * Floor F6, private to monitor/.  SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_MONITOR_MONITOR_INTERNAL_H
#define GODWIT_MONITOR_MONITOR_INTERNAL_H

#include "chardev/char.h"
#include "hw/qdev.h"
#include "monitor/json-framer.h"
#include "monitor/hub.h"

/* Requests that wait behind a command, at most, before the client is made to wait too. */
#define QMP_QUEUE_MAX 8u
/* Descriptors of one message, at most; more are closed. */
#define QMP_FDS_MAX 16u

/* One message of a client, with the descriptors that came with it. */
typedef struct QmpRequest {
    json_t *value;      /* NULL: error says why */
    Error *error;
    GArray *fds;        /* of int */
} QmpRequest;

/* The protocol's state; NULL in a monitor that speaks something else. */
typedef struct QmpSession {
    MonitorTransport transport;
    bool pretty;
    bool open;
    bool negotiated;
    bool oob;               /* exec-oob was agreed on */
    unsigned running;       /* commands on the stack: an out-of-band one may stand on another */
    unsigned number;        /* counts clients: a reply never goes to a later one */
    JsonFramer *framer;
    GQueue requests;        /* of QmpRequest */
    GArray *arriving_fds;   /* came with a message that is not complete yet */
    GArray *spare_fds;      /* came with an earlier message, which did not take them */
    GArray *current_fds;    /* of the command that runs; NULL outside one */
} QmpSession;

struct Monitor {
    MonitorHub *hub;
    GHashTable *named_fds;  /* name -> fd, closed when dropped */
    QmpSession *qmp;
    bool dead;              /* freed within a command: goes when the command returns */
};

/* Creates and frees the session's part of a monitor. */
void qmp_session_free(QmpSession *qmp);

/* Writes one message with its line end, unless there is no client. */
void qmp_session_write(QmpSession *qmp, const json_t *message);

/* Closes and forgets every named descriptor. */
void monitor_drop_fds(Monitor *mon);

/* A monitor of each kind on chr, until monitor_detach(); fails if chr is taken. */
bool monitor_qmp_connect(MonitorHub *hub, Chardev *chr, bool pretty, Error **errp);
bool monitor_hmp_connect(MonitorHub *hub, Chardev *chr, Error **errp);

/* STOP, RESUME, RESET, POWERDOWN and SHUTDOWN of m go to its event sink from now on. */
void monitor_connect_machine_events(Machine *m);
/* MIGRATION and MIGRATION_PASS too, and the end of a load that was to succeed. */
void monitor_connect_migration(Machine *m);

/* What the hub's config has as `opaque`. */
void *monitor_hub_opaque(MonitorHub *hub);

/*
 * Properties of a balloon in use that qom-set and qom-get reach: whether this is one of them, a new value,
 * and the value (a new reference, NULL with *errp).
 */
bool monitor_balloon_owns(const DeviceState *dev, const char *property);
bool monitor_balloon_set(Machine *m, const char *property, json_t *value, Error **errp);
json_t *monitor_balloon_get(Machine *m, const char *property, Error **errp);

/* Closes all descriptors in an array and empties it. */
void monitor_close_fds(GArray *fds);

#endif
