/*
 * attach.c - a machine's monitors: its hub, its descriptor sets, and QMP over character devices.
 *
 * Floor F6; below it the hub, chardev and the main loop.  Main loop's thread, machine lock held; the
 * hub's kick may come from any thread and only schedules a bottom half.
 * Invariant: from monitor_attach() to monitor_detach() the machine's event sink is its hub.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>

#include "monitor/monitor-internal.h"
#include "monitor/monitor.h"
#include "qapi/qapi-commands.h"
#include "system/clock.h"
#include "util/keyval.h"

/* What hangs on a machine; found again by the hub's `opaque`. */
typedef struct Attachment {
    Machine *machine;
    MonitorHub *hub;
    QEMUBH *flush_bh;
    QEMUTimer *flush_timer;     /* for events that were held back */
    GPtrArray *connections;     /* of QmpConnection */
} Attachment;

/* A QMP monitor on a character device. */
typedef struct QmpConnection {
    Chardev *chr;
    Monitor *mon;
    bool paused;    /* can_receive said 0: the device waits for char_accept_input() */
} QmpConnection;

/* ------------------------------------------------------------------ one connection */

static void connection_write(void *opaque, const char *buf, size_t len)
{
    QmpConnection *conn = opaque;
    char_write_all(conn->chr, (const uint8_t *)buf, len);
}

static size_t connection_can_receive(void *opaque)
{
    QmpConnection *conn = opaque;
    size_t room = monitor_qmp_can_read(conn->mon);
    conn->paused = room == 0;
    return room;
}

static void connection_receive(void *opaque, const uint8_t *buf, size_t len)
{
    QmpConnection *conn = opaque;
    int fds[QMP_FDS_MAX];
    size_t n_fds = char_take_fds(conn->chr, fds, G_N_ELEMENTS(fds));
    monitor_qmp_feed(conn->mon, (const char *)buf, len, fds, n_fds);
    if (conn->paused && monitor_qmp_can_read(conn->mon)) {
        conn->paused = false;
        char_accept_input(conn->chr);
    }
}

static void connection_event(void *opaque, ChardevEvent event)
{
    QmpConnection *conn = opaque;
    if (event == CHR_EVENT_OPENED) {
        monitor_qmp_open(conn->mon);
    } else if (event == CHR_EVENT_CLOSED) {
        monitor_qmp_close(conn->mon);
    }
}

static const CharFrontendOps connection_ops = {
    .can_receive = connection_can_receive,
    .receive = connection_receive,
    .event = connection_event,
};

static void connection_free(gpointer data)
{
    QmpConnection *conn = data;
    char_detach(conn->chr, conn);
    monitor_free(conn->mon);
    g_free(conn);
}

bool monitor_qmp_connect(MonitorHub *hub, Chardev *chr, bool pretty, Error **errp)
{
    Attachment *attachment = monitor_hub_opaque(hub);
    QmpConnection *conn = g_new0(QmpConnection, 1);
    conn->chr = chr;
    conn->mon = monitor_qmp_new(hub, &(MonitorTransport){ connection_write, conn }, pretty);
    if (!char_attach(chr, "monitor", &connection_ops, conn, errp)) {
        monitor_free(conn->mon);
        g_free(conn);
        return false;
    }
    g_ptr_array_add(attachment->connections, conn);
    return true;
}

/* ------------------------------------------------------------------ the machine */

static void flush_bh(void *opaque)
{
    monitor_hub_flush_events(opaque);
}

static void wake_in(void *opaque, int64_t delay_us)
{
    Attachment *attachment = opaque;
    timer_mod(attachment->flush_timer,
              qemu_clock_get_ns(attachment->machine, QEMU_CLOCK_REALTIME) + delay_us * 1000);
}

static void kick(void *opaque)
{
    Attachment *attachment = opaque;
    qemu_bh_schedule(attachment->flush_bh);
}

void monitor_attach(Machine *m)
{
    machine_lock(m);
    Attachment *attachment = g_new0(Attachment, 1);
    attachment->machine = m;
    attachment->connections = g_ptr_array_new_with_free_func(connection_free);
    m->fdsets = fdsets_new();
    attachment->hub = monitor_hub_new(&(MonitorHubConfig){
        .machine = m,
        .commands = &qmp_command_table,
        .fdsets = m->fdsets,
        .kick = kick,
        .wake_in = wake_in,
        .opaque = attachment,
    });
    attachment->flush_bh = qemu_bh_new(m->loop, flush_bh, attachment->hub);
    attachment->flush_timer = timer_new_ns(m, QEMU_CLOCK_REALTIME, flush_bh, attachment->hub);
    m->events = monitor_hub_sink(attachment->hub);
    monitor_connect_machine_events(m);
    monitor_connect_migration(m);
    machine_unlock(m);
}

void monitor_detach(Machine *m)
{
    MonitorHub *hub = monitor_hub_of(m);
    if (!hub) {
        return;
    }
    Attachment *attachment = monitor_hub_opaque(hub);
    machine_lock(m);
    m->events = NULL;
    monitor_hub_flush_events(hub);
    qemu_bh_delete(attachment->flush_bh);
    timer_free(attachment->flush_timer);
    g_ptr_array_unref(attachment->connections);
    monitor_hub_free(hub);
    fdsets_free(m->fdsets);
    m->fdsets = NULL;
    g_free(attachment);
    machine_unlock(m);
}

bool monitor_add_inherited_fd(Machine *m, const json_t *options, Error **errp)
{
    static const char *const known[] = { "fd", "set", "opaque", NULL };
    uint64_t fd = UINT64_MAX;
    uint64_t set = UINT64_MAX;
    const char *opaque = NULL;
    if (!keyval_check_known(options, known, "add-fd", errp)
        || !keyval_get_uint(options, "fd", INT_MAX, &fd, errp)
        || !keyval_get_uint(options, "set", INT64_MAX, &set, errp)
        || !keyval_get_str(options, "opaque", &opaque, errp)) {
        return false;
    }
    if (fd == UINT64_MAX || set == UINT64_MAX) {
        error_setg(errp, "add-fd needs fd=NUMBER and set=NUMBER");
        return false;
    }
    if (fd <= 2) {
        error_setg(errp, "fd=%d is standard input, output or error", (int)fd);
        return false;
    }
    /* The original stays open: another option may name it too.  It must not leak into children. */
    int copy = fcntl((int)fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0 || fcntl((int)fd, F_SETFD, FD_CLOEXEC) < 0) {
        error_setg_errno(errp, errno, "fd=%d cannot be used", (int)fd);
        return false;
    }
    int64_t id = (int64_t)set;
    fdsets_add(m->fdsets, &id, copy, opaque);
    return true;
}
