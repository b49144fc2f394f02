/*
 * hmp-chardev.c - the shell on a character device.
 *
 * Floor F6; below it chardev and the session.  Main loop's thread, machine lock held.
 * Invariant: the connection lives as long as the hub; it is freed with the bare monitor that it hangs on.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "monitor/hmp.h"
#include "monitor/monitor-internal.h"
#include "system/machine.h"
#include "trace/monitor.h"

typedef struct HmpConnection {
    Chardev *chr;
    HmpSession *session;
    QEMUBH *greet_bh;   /* on a shared terminal the focus may turn right after the opening */
    bool greeted;       /* the peer that is there has seen the banner */
} HmpConnection;

static void connection_write(void *opaque, const char *text, size_t len)
{
    HmpConnection *conn = opaque;
    char_write_all(conn->chr, (const uint8_t *)text, len);
}

static void connection_accept(void *opaque)
{
    HmpConnection *conn = opaque;
    char_accept_input(conn->chr);
}

static size_t connection_can_receive(void *opaque)
{
    HmpConnection *conn = opaque;
    return MIN(hmp_session_room(conn->session), 4096);
}

/* On a terminal that is shared, nothing is shown before the user turns to the monitor. */
static void connection_greet(void *opaque)
{
    HmpConnection *conn = opaque;
    if (!conn->greeted && char_is_open(conn->chr) && char_has_focus(conn->chr, conn)) {
        conn->greeted = true;
        trace_hmp_opened();
        hmp_session_open(conn->session);
    }
}

static void connection_receive(void *opaque, const uint8_t *buf, size_t len)
{
    HmpConnection *conn = opaque;
    connection_greet(conn);
    hmp_session_feed(conn->session, (const char *)buf, len);
}

static void connection_event(void *opaque, ChardevEvent event)
{
    HmpConnection *conn = opaque;
    switch (event) {
    case CHR_EVENT_CLOSED:
        trace_hmp_closed();
        conn->greeted = false;
        hmp_session_close(conn->session);
        break;
    case CHR_EVENT_OPENED:
        conn->greeted = false;
        qemu_bh_schedule(conn->greet_bh);
        break;
    case CHR_EVENT_MUX_IN:
        if (conn->greeted) {
            hmp_session_show(conn->session);
        } else {
            connection_greet(conn);
        }
        break;
    case CHR_EVENT_MUX_OUT:
        hmp_session_hide(conn->session);
        break;
    default:
        break;
    }
}

static void connection_free(void *opaque)
{
    HmpConnection *conn = opaque;
    char_detach(conn->chr, conn);
    qemu_bh_delete(conn->greet_bh);
    hmp_session_free(conn->session);
    g_free(conn);
}

bool monitor_hmp_connect(MonitorHub *hub, Chardev *chr, Error **errp)
{
    static const CharFrontendOps ops = {
        .can_receive = connection_can_receive,
        .receive = connection_receive,
        .event = connection_event,
    };
    static const HmpSessionOps session_ops = { .write = connection_write, .accept = connection_accept };
    Machine *m = monitor_hub_machine(hub);
    HmpConnection *conn = g_new0(HmpConnection, 1);
    conn->chr = chr;
    conn->greet_bh = qemu_bh_new(m->loop, connection_greet, conn);
    conn->session = hmp_session_new(m, hub, &session_ops, conn);
    if (!char_attach(chr, "monitor", &ops, conn, errp)) {
        qemu_bh_delete(conn->greet_bh);
        hmp_session_free(conn->session);
        g_free(conn);
        return false;
    }
    monitor_hub_on_free(hub, connection_free, conn);
    return true;
}
