/*
 * monitor.c - the hub of a machine's monitors: its clients, their descriptors, the queue of events.
 *
 * Floor F6; below it util.  Threads: the main loop's, with the machine lock held; only the sink's emit
 * runs on any thread, and touches nothing but the queue, under its mutex.
 * Invariant: an event is stamped and queued when it happens, and written in that order, before the
 * reply to any command that finished later; only those that are throttled come later.
 * Format: {"timestamp": {"seconds": S, "microseconds": U}, "event": NAME, "data": {...}}.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "monitor/event-throttle.h"
#include "monitor/monitor-internal.h"

#include <unistd.h>

#include "system/machine.h"

typedef struct HubOnFree {
    void (*func)(void *opaque);
    void *opaque;
} HubOnFree;

struct MonitorHub {
    EventSink sink;         /* first: emit() finds the hub by it */
    MonitorHubConfig config;
    FdSets *own_fdsets;
    GPtrArray *monitors;    /* of Monitor */
    GArray *on_free;        /* of HubOnFree */
    EventThrottle *throttle;
    GMutex lock;            /* guards events */
    GQueue events;          /* of json_t */
};

/* ------------------------------------------------------------------ events */

static void emit_event(EventSink *sink, const char *event, json_t *data)
{
    MonitorHub *hub = (MonitorHub *)sink;
    gint64 now = g_get_real_time();
    json_t *message = json_pack("{s:{s:I,s:I},s:s}", "timestamp",
                                "seconds", (json_int_t)(now / G_USEC_PER_SEC),
                                "microseconds", (json_int_t)(now % G_USEC_PER_SEC),
                                "event", event);
    if (data) {
        json_object_set_new(message, "data", data);
    }
    g_mutex_lock(&hub->lock);
    g_queue_push_tail(&hub->events, message);
    g_mutex_unlock(&hub->lock);
    if (hub->config.kick) {
        hub->config.kick(hub->config.opaque);
    }
}

static json_t *next_event(MonitorHub *hub)
{
    g_mutex_lock(&hub->lock);
    json_t *message = g_queue_pop_head(&hub->events);
    g_mutex_unlock(&hub->lock);
    return message;
}

/* Takes the reference. */
static void send_event(MonitorHub *hub, json_t *message)
{
    for (guint i = 0; i < hub->monitors->len; i++) {
        Monitor *mon = g_ptr_array_index(hub->monitors, i);
        if (mon->qmp && mon->qmp->negotiated) {
            qmp_session_write(mon->qmp, message);
        }
    }
    json_decref(message);
}

void monitor_hub_flush_events(MonitorHub *hub)
{
    json_t *message;
    int64_t now = g_get_monotonic_time();
    while ((message = event_throttle_due(hub->throttle, now))) {
        send_event(hub, message);
    }
    while ((message = next_event(hub))) {
        if (hub->config.wake_in) {
            message = event_throttle_pass(hub->throttle, message, now);
        }
        if (message) {
            send_event(hub, message);
        }
    }
    int64_t next = event_throttle_next_us(hub->throttle);
    if (next >= 0) {
        hub->config.wake_in(hub->config.opaque, MAX(next - now, 0));
    }
}

EventSink *monitor_hub_sink(MonitorHub *hub)
{
    return &hub->sink;
}

/* ------------------------------------------------------------------ the hub */

MonitorHub *monitor_hub_new(const MonitorHubConfig *config)
{
    MonitorHub *hub = g_new0(MonitorHub, 1);
    hub->sink.emit = emit_event;
    hub->config = *config;
    if (!hub->config.fdsets) {
        hub->config.fdsets = hub->own_fdsets = fdsets_new();
    }
    hub->monitors = g_ptr_array_new();
    hub->on_free = g_array_new(FALSE, FALSE, sizeof(HubOnFree));
    hub->throttle = event_throttle_new();
    g_mutex_init(&hub->lock);
    g_queue_init(&hub->events);
    return hub;
}

void monitor_hub_free(MonitorHub *hub)
{
    json_t *message;
    for (guint i = 0; i < hub->on_free->len; i++) {
        HubOnFree *entry = &g_array_index(hub->on_free, HubOnFree, i);
        entry->func(entry->opaque);
    }
    g_array_unref(hub->on_free);
    while (hub->monitors->len) {
        monitor_free(g_ptr_array_index(hub->monitors, 0));
    }
    while ((message = next_event(hub))) {
        json_decref(message);
    }
    g_ptr_array_unref(hub->monitors);
    event_throttle_free(hub->throttle);
    g_mutex_clear(&hub->lock);
    fdsets_free(hub->own_fdsets);
    g_free(hub);
}

void monitor_hub_on_free(MonitorHub *hub, void (*func)(void *opaque), void *opaque)
{
    HubOnFree entry = { .func = func, .opaque = opaque };
    g_array_append_val(hub->on_free, entry);
}

MonitorHub *monitor_hub_of(Machine *m)
{
    bool ours = m->events && m->events->emit == emit_event;
    return ours ? (MonitorHub *)m->events : NULL;
}

void *monitor_hub_opaque(MonitorHub *hub)
{
    return hub->config.opaque;
}

void monitor_hub_set_options(MonitorHub *hub, const CommandLineOption *options)
{
    hub->config.options = options;
}

Machine *monitor_hub_machine(MonitorHub *hub)
{
    return hub->config.machine;
}

FdSets *monitor_hub_fdsets(MonitorHub *hub)
{
    return hub->config.fdsets;
}

const QmpCommandTable *monitor_hub_commands(MonitorHub *hub)
{
    return hub->config.commands;
}

const CommandLineOption *monitor_hub_options(MonitorHub *hub)
{
    return hub->config.options;
}

/* ------------------------------------------------------------------ monitors */

static void close_named_fd(gpointer fd)
{
    close(GPOINTER_TO_INT(fd));
}

Monitor *monitor_new_bare(MonitorHub *hub)
{
    Monitor *mon = g_new0(Monitor, 1);
    mon->hub = hub;
    mon->named_fds = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, close_named_fd);
    g_ptr_array_add(hub->monitors, mon);
    return mon;
}

void monitor_free(Monitor *mon)
{
    if (mon->hub) {
        g_ptr_array_remove(mon->hub->monitors, mon);
    }
    if (mon->qmp && mon->qmp->running) {
        monitor_qmp_close(mon);
        mon->dead = true;
        return;
    }
    if (mon->qmp) {
        monitor_qmp_close(mon);
        qmp_session_free(mon->qmp);
    }
    g_hash_table_unref(mon->named_fds);
    g_free(mon);
}

/* ------------------------------------------------------------------ descriptors */

void monitor_close_fds(GArray *fds)
{
    for (guint i = 0; i < fds->len; i++) {
        close(g_array_index(fds, int, i));
    }
    g_array_set_size(fds, 0);
}

void monitor_drop_fds(Monitor *mon)
{
    g_hash_table_remove_all(mon->named_fds);
}

int monitor_take_fd(Monitor *mon, Error **errp)
{
    GArray *fds = mon && mon->qmp ? mon->qmp->current_fds : NULL;
    if (!fds || fds->len == 0) {
        error_setg(errp, "No file descriptor supplied via SCM_RIGHTS");
        return -1;
    }
    int fd = g_array_index(fds, int, 0);
    g_array_remove_index(fds, 0);
    return fd;
}

void monitor_keep_fd(Monitor *mon, const char *name, int fd)
{
    g_hash_table_replace(mon->named_fds, g_strdup(name), GINT_TO_POINTER(fd));
}

int monitor_get_fd(Monitor *mon, const char *name, Error **errp)
{
    gpointer key, fd;
    if (!mon || !g_hash_table_steal_extended(mon->named_fds, name, &key, &fd)) {
        error_setg(errp, "File descriptor named '%s' has not been found", name);
        return -1;
    }
    g_free(key);
    return GPOINTER_TO_INT(fd);
}
