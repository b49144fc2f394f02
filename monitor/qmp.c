/*
 * qmp.c - the QMP server's side of one connection: greeting, negotiation, requests, replies.
 *
 * Floor F6; below it the framer, the dispatcher and util.  Main loop's thread, machine lock held.
 *
 * Invariants: one reply a request, in the order of the requests, except that an out-of-band request
 * overtakes; a reply reaches the client that asked, or nobody; before the negotiation has ended
 * nothing but qmp_capabilities runs.
 *
 * Formats owned here (the QMP specification; every message ends in CR LF, ASCII only):
 *   greeting  {"QMP": {"version": VersionInfo, "capabilities": ["oob"]}}
 *   request   {"execute" or "exec-oob": NAME, "arguments": {...}, "id": ANY}
 *   reply     {"return": VALUE, "id": ANY}
 *   error     {"error": {"class": CLASS, "desc": TEXT}, "id": ANY}
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include <unistd.h>

#include "config-host.h"
#include "monitor/monitor-internal.h"
#include "util/json-uint.h"

/* What one read may bring; a connection is served in such bites. */
#define QMP_READ_SIZE 65536u

/* ------------------------------------------------------------------ writing */

void qmp_session_write(QmpSession *qmp, const json_t *message)
{
    if (!qmp->open) {
        return;
    }
    g_autofree char *text = json_uint_dumps(message, qmp->pretty ? JSON_INDENT(4) : 0);
    if (!text) {
        return;     /* cannot be: every value in a message was made by jansson */
    }
    /* One write a line, so that lines of several writers never mix. */
    g_autofree char *line = g_strconcat(text, "\r\n", NULL);
    qmp->transport.write(qmp->transport.opaque, line, strlen(line));
}

static json_t *error_reply(const Error *error)
{
    /* The text may quote what a client sent, and that may be no UTF-8. */
    g_autofree char *text = g_utf8_make_valid(error_get_pretty(error), -1);
    return json_pack("{s:{s:s,s:s}}", "error", "class",
                     error_class_name(error_get_class(error)), "desc", text);
}

static void write_greeting(QmpSession *qmp)
{
    json_t *greeting = json_pack("{s:{s:{s:{s:i,s:i,s:i},s:s},s:[s]}}", "QMP", "version", "qemu",
                                 "major", QMP_VERSION_MAJOR, "minor",
                                 QMP_VERSION_MINOR, "micro", QMP_VERSION_MICRO, "package",
                                 "godwit-" GODWIT_VERSION, "capabilities", "oob");
    qmp_session_write(qmp, greeting);
    json_decref(greeting);
}

/* ------------------------------------------------------------------ requests */

static void request_free(QmpRequest *request)
{
    json_decref(request->value);
    error_free(request->error);
    monitor_close_fds(request->fds);
    g_array_unref(request->fds);
    g_free(request);
}

static bool check_member(const char *key, json_t *value, bool oob, Error **errp)
{
    bool is_oob = oob && !strcmp(key, "exec-oob");
    if (is_oob || !strcmp(key, "execute")) {
        if (json_is_string(value) && !json_uint_large(value, NULL)) {
            return true;
        }
        error_setg(errp, "QMP input member '%s' must be a string", key);
    } else if (!strcmp(key, "arguments")) {
        if (json_is_object(value)) {
            return true;
        }
        error_setg(errp, "QMP input member 'arguments' must be an object");
    } else if (!strcmp(key, "id")) {
        return true;
    } else {
        error_setg(errp, "QMP input member '%s' is unexpected", key);
    }
    return false;
}

/* The command's name, borrowed from the request; NULL with *errp if the request is malformed. */
static const char *check_request(json_t *value, bool oob, Error **errp)
{
    const char *key;
    json_t *member;
    if (!json_is_object(value)) {
        error_setg(errp, "QMP input must be a JSON object");
        return NULL;
    }
    json_object_foreach(value, key, member) {
        if (!check_member(key, member, oob, errp)) {
            return NULL;
        }
    }
    json_t *execute = json_object_get(value, "execute");
    json_t *exec_oob = json_object_get(value, "exec-oob");
    if (execute && exec_oob) {
        error_setg(errp, "QMP input members 'execute' and 'exec-oob' exclude each other");
        return NULL;
    }
    if (!execute && !exec_oob) {
        error_setg(errp, "QMP input lacks member 'execute'");
        return NULL;
    }
    return json_string_value(execute ? execute : exec_oob);
}

static const QmpCommand *find_command(Monitor *mon, const char *name, bool oob, Error **errp)
{
    const QmpCommand *command = qmp_command_find(monitor_hub_commands(mon->hub), name);
    bool negotiates = !strcmp(name, "qmp_capabilities");
    if (!mon->qmp->negotiated && !negotiates) {
        error_set(errp, ERROR_CLASS_COMMAND_NOT_FOUND,
                  "Expecting capabilities negotiation with 'qmp_capabilities'");
    } else if (!command) {
        error_set(errp, ERROR_CLASS_COMMAND_NOT_FOUND, "The command %s has not been found", name);
    } else if (mon->qmp->negotiated && negotiates) {
        error_set(errp, ERROR_CLASS_COMMAND_NOT_FOUND,
                  "Capabilities negotiation is already complete, command ignored");
    } else if (oob && !(command->flags & QMP_COMMAND_ALLOW_OOB)) {
        error_setg(errp, "The command %s does not support OOB", name);
    } else {
        return command;
    }
    return NULL;
}

/* {"return": ...} or {"error": ...}, without the id. */
static json_t *execute(Monitor *mon, QmpRequest *request)
{
    Error *error = request->error;
    json_t *ret = NULL;
    request->error = NULL;
    if (!error) {
        const char *name = check_request(request->value, mon->qmp->oob, &error);
        bool oob = json_object_get(request->value, "exec-oob") != NULL;
        const QmpCommand *command = name ? find_command(mon, name, oob, &error) : NULL;
        if (command) {
            QmpContext ctx = {
                .machine = monitor_hub_machine(mon->hub),
                .hub = mon->hub,
                .mon = mon,
            };
            qmp_command_run(command, &ctx, json_object_get(request->value, "arguments"), &ret,
                            &error);
        }
    }
    if (!ret && !error) {
        error_setg(&error, "The command has failed and did not say why");
    }
    json_t *reply = ret ? json_pack("{s:o}", "return", ret) : error_reply(error);
    error_free(error);
    return reply;
}

/*
 * The descriptors that the command may take: its own, or else those that an earlier message brought
 * and did not take (QEMU's clients may send them ahead).
 */
static void lend_fds(QmpSession *qmp, QmpRequest *request)
{
    if (request->fds->len) {
        monitor_close_fds(qmp->spare_fds);
    } else {
        GArray *none = request->fds;
        request->fds = qmp->spare_fds;
        qmp->spare_fds = none;
    }
    qmp->current_fds = request->fds;
}

static void keep_spare_fds(QmpSession *qmp, QmpRequest *request)
{
    if (request->fds->len) {
        GArray *old = qmp->spare_fds;
        qmp->spare_fds = request->fds;
        request->fds = old;     /* closed with the request */
    }
}

/* What has become of the client whose request was run. */
typedef enum Aftermath {
    CLIENT_STAYS,
    CLIENT_GONE,        /* there may be another one already */
    MONITOR_FREED,      /* do not touch it any more */
} Aftermath;

/* Runs one request and frees it. */
static Aftermath run_request(Monitor *mon, QmpRequest *request)
{
    QmpSession *qmp = mon->qmp;
    unsigned number = qmp->number;
    GArray *outer_fds = qmp->current_fds;

    lend_fds(qmp, request);
    qmp->running++;
    json_t *reply = execute(mon, request);
    qmp->running--;
    qmp->current_fds = outer_fds;

    bool same_client = !mon->dead && qmp->open && qmp->number == number;
    if (same_client) {
        keep_spare_fds(qmp, request);
        json_t *id = json_object_get(request->value, "id");
        if (id) {
            json_object_set(reply, "id", id);
        }
        monitor_hub_flush_events(mon->hub);
        qmp_session_write(qmp, reply);
        /* A write may find that the peer is gone. */
        same_client = qmp->open && qmp->number == number;
    }
    json_decref(reply);
    request_free(request);
    if (mon->dead && qmp->running == 0) {
        mon->hub = NULL;    /* has forgotten the monitor already */
        monitor_free(mon);
        return MONITOR_FREED;
    }
    return same_client ? CLIENT_STAYS : CLIENT_GONE;
}

/* In-band requests: one at a time, so nothing happens within another command. */
static Aftermath run_queue(Monitor *mon)
{
    QmpSession *qmp = mon->qmp;
    Aftermath result = CLIENT_STAYS;
    while (result != MONITOR_FREED && qmp->running == 0 && !g_queue_is_empty(&qmp->requests)) {
        Aftermath one = run_request(mon, g_queue_pop_head(&qmp->requests));
        result = MAX(result, one);
    }
    return result;
}

static Aftermath accept_message(Monitor *mon, json_t *value, Error *error)
{
    QmpSession *qmp = mon->qmp;
    QmpRequest *request = g_new0(QmpRequest, 1);
    request->value = value;
    request->error = error;
    request->fds = qmp->arriving_fds;
    qmp->arriving_fds = g_array_new(FALSE, FALSE, sizeof(int));
    if (qmp->oob && json_object_get(value, "exec-oob")) {
        return run_request(mon, request);
    }
    g_queue_push_tail(&qmp->requests, request);
    return run_queue(mon);
}

static void collect_fds(QmpSession *qmp, const int *fds, size_t n_fds)
{
    for (size_t i = 0; i < n_fds; i++) {
        if (qmp->open && qmp->arriving_fds->len < QMP_FDS_MAX) {
            g_array_append_val(qmp->arriving_fds, fds[i]);
        } else {
            close(fds[i]);
        }
    }
}

void monitor_qmp_feed(Monitor *mon, const char *buf, size_t len, const int *fds, size_t n_fds)
{
    QmpSession *qmp = mon->qmp;
    Aftermath result = CLIENT_STAYS;
    collect_fds(qmp, fds, n_fds);
    if (!qmp->open) {
        return;
    }
    while (result == CLIENT_STAYS && len) {
        json_t *value = NULL;
        Error *error = NULL;
        if (json_framer_feed(qmp->framer, &buf, &len, &value, &error) != JSON_FRAMER_MORE) {
            result = accept_message(mon, value, error);
        }
    }
}

size_t monitor_qmp_can_read(Monitor *mon)
{
    return mon->qmp->open && mon->qmp->requests.length < QMP_QUEUE_MAX ? QMP_READ_SIZE : 0;
}

/* ------------------------------------------------------------------ the session */

Monitor *monitor_qmp_new(MonitorHub *hub, const MonitorTransport *transport, bool pretty)
{
    Monitor *mon = monitor_new_bare(hub);
    QmpSession *qmp = g_new0(QmpSession, 1);
    qmp->transport = *transport;
    qmp->pretty = pretty;
    qmp->framer = json_framer_new();
    g_queue_init(&qmp->requests);
    qmp->arriving_fds = g_array_new(FALSE, FALSE, sizeof(int));
    qmp->spare_fds = g_array_new(FALSE, FALSE, sizeof(int));
    mon->qmp = qmp;
    return mon;
}

void qmp_session_free(QmpSession *qmp)
{
    json_framer_free(qmp->framer);
    g_array_unref(qmp->arriving_fds);
    g_array_unref(qmp->spare_fds);
    g_free(qmp);
}

void monitor_qmp_open(Monitor *mon)
{
    monitor_qmp_close(mon);
    mon->qmp->open = true;
    write_greeting(mon->qmp);
}

void monitor_qmp_close(Monitor *mon)
{
    QmpSession *qmp = mon->qmp;
    QmpRequest *request;
    qmp->open = qmp->negotiated = qmp->oob = false;
    qmp->number++;
    json_framer_reset(qmp->framer);
    while ((request = g_queue_pop_head(&qmp->requests))) {
        request_free(request);
    }
    monitor_close_fds(qmp->arriving_fds);
    monitor_close_fds(qmp->spare_fds);
    monitor_drop_fds(mon);
}

bool monitor_qmp_negotiate(Monitor *mon, bool oob, Error **errp)
{
    if (!mon || !mon->qmp) {
        error_setg(errp, "There is nothing to negotiate with on this monitor");
        return false;
    }
    /* Events from before are not for this client. */
    monitor_hub_flush_events(mon->hub);
    mon->qmp->negotiated = true;
    mon->qmp->oob = oob;
    return true;
}
