/*
 * vnc-client.c - one VNC connection: the network on one side, libvncserver on the other.
 *
 * Lobby; below it libvncserver, the filter and util.  Machine lock held, main loop's thread; the
 * library runs no thread.
 *
 * The library's own socket code waits: up to seconds for the rest of a message, or for a slow reader.
 * A machine must not stand still for that.  So the library gets one end of a socket pair and this file
 * keeps the other.  Towards the library: whole messages only (vnc-filter.c).  From it: it is called only
 * while nothing waits for the network, and one call yields VNC_SLICE_BYTES of pixels at most
 * (progressiveSliceHeight), which the pair's buffer holds.
 * Invariant: before a call into the library the pair is empty in both directions but for the message
 * that the call is to read; after it, all that the library wrote has been moved to `out`.
 * The library answers a version that it has read; it is this file that opens the conversation, because
 * the library would first wait for a web browser's greeting.  Its own opening is swallowed.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "ui/vnc-internal.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/socket.h"
#include "trace/ui.h"
#include "ui/vnc-filter.h"

#define RFB_VERSION "RFB 003.008\n"
#define RFB_VERSION_LEN 12
#define HANDSHAKE_SECONDS 10
#define PAIR_BUFFER_BYTES (4 * 1024 * 1024)     /* the kernel cuts this to what is allowed */

struct VncClient {
    rfbScreenInfoPtr screen;
    rfbClientPtr cl;            /* NULL until the client's version has come, and after the end */
    int net;                    /* the connection */
    int pair;                   /* our end of the pair; -1 while cl is NULL */
    FDHandler *handler;
    QEMUBH *gone_bh;
    VncClientGone *gone;
    void *opaque;
    VncFilter filter;
    GByteArray *in, *out;       /* from the network, to the network */
    size_t swallow;             /* bytes of the library's opening still to be thrown away */
    gint64 since;               /* monotonic time of the connection, microseconds */
    bool ended;
};

/* Nothing more happens on the connection; it is freed from a bottom half. */
static void client_end(VncClient *client, const char *why)
{
    if (client->ended) {
        return;
    }
    trace_vnc_client_gone(client->net, why);
    client->ended = true;
    fd_handler_set_events(client->handler, 0);
    qemu_bh_schedule(client->gone_bh);
}

static void client_gone_bh(void *opaque)
{
    VncClient *client = opaque;
    client->gone(client->opaque, client);
}

/* ---- towards the network ---- */

static void client_flush(VncClient *client)
{
    while (!client->ended && client->out->len) {
        ssize_t done = socket_send(client->net, client->out->data, client->out->len);
        if (done > 0) {
            g_byte_array_remove_range(client->out, 0, done);
        } else if (done < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            break;
        } else {
            client_end(client, "the connection broke");
        }
    }
    if (!client->ended) {
        if (client->out->len) {
            trace_vnc_client_slow(client->net, client->out->len);
        }
        fd_handler_set_events(client->handler, client->out->len ? G_IO_OUT : G_IO_IN);
    }
}

/* After each call into the library: moves what it wrote, and sees whether it gave the client up. */
static void client_collect(VncClient *client)
{
    guint8 buf[16384];
    ssize_t n;
    while ((n = recv(client->pair, buf, sizeof(buf), MSG_DONTWAIT)) > 0) {
        size_t drop = MIN((size_t)n, client->swallow);
        client->swallow -= drop;
        g_byte_array_append(client->out, buf + drop, n - drop);
    }
    client_flush(client);
    if (client->cl && client->cl->sock == RFB_INVALID_SOCKET) {
        client_end(client, "the library closed it");
    }
}

/* ---- towards the library ---- */

/* The library frees the record itself, whoever caused the end. */
static void client_library_gone(rfbClientPtr cl)
{
    VncClient *client = cl->clientData;
    if (client) {
        client->cl = NULL;
        client_end(client, "the library dropped it");
    }
}

/* Gives the library its end, with the client's version waiting in it. */
static bool client_start_library(VncClient *client)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
        return false;
    }
    /* The library keeps its descriptor in an fd_set. */
    if (ends[1] >= FD_SETSIZE || !fd_set_nonblocking(ends[0], true, NULL)) {
        close(ends[0]);
        close(ends[1]);
        return false;
    }
    int size = PAIR_BUFFER_BYTES;
    if (setsockopt(ends[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)) < 0) {
        trace_vnc_library("the socket pair keeps its small buffer");
    }
    client->pair = ends[0];
    client->swallow = RFB_VERSION_LEN;
    if (socket_send(client->pair, client->filter.held, client->filter.held_len) < 0) {
        close(ends[1]);
        return false;
    }
    client->cl = rfbNewClient(client->screen, ends[1]);     /* takes ends[1] */
    if (!client->cl) {
        return false;
    }
    client->cl->clientData = client;
    client->cl->clientGoneHook = client_library_gone;
    return true;
}

static void client_deliver(VncClient *client)
{
    const VncFilter *filter = &client->filter;
    trace_vnc_client_message(client->net, filter->held[0], filter->held_len);
    if (!client->cl) {
        if (!client_start_library(client)) {
            client_end(client, "no room for another client");
            return;
        }
    } else if (socket_send(client->pair, filter->held, filter->held_len) !=
               (ssize_t)filter->held_len) {
        client_end(client, "the library does not read");
        return;
    }
    rfbProcessClientMessage(client->cl);
    client_collect(client);
}

/* Works off complete messages for as long as the network takes the answers. */
static void client_process(VncClient *client)
{
    size_t at = 0;
    while (!client->ended && client->out->len == 0 && at < client->in->len) {
        g_autoptr(Error) err = NULL;
        size_t used;
        client->filter.width = client->screen->width;
        client->filter.height = client->screen->height;
        VncFilterResult result = vnc_filter_next(&client->filter, client->in->data + at,
                                                 client->in->len - at, &used, &err);
        at += used;
        if (result == VNC_FILTER_MORE) {
            break;
        }
        if (result == VNC_FILTER_BAD) {
            client_end(client, error_get_pretty(err));
        } else if (result == VNC_FILTER_MESSAGE) {
            client_deliver(client);
        }
    }
    if (at) {
        g_byte_array_remove_range(client->in, 0, at);
    }
    vnc_client_update(client);
}

static void client_receive(VncClient *client)
{
    guint8 buf[VNC_INPUT_MAX];
    ssize_t n = socket_recv(client->net, buf, sizeof(buf) - client->in->len, NULL, NULL);
    if (n > 0) {
        g_byte_array_append(client->in, buf, n);
        client_process(client);
    } else if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK)) {
        client_end(client, n == 0 ? "closed by the viewer" : "the connection broke");
    }
}

static void client_ready(int fd, GIOCondition events, void *opaque)
{
    VncClient *client = opaque;
    if (client->ended) {
        return;
    }
    if (events & G_IO_OUT) {
        client_flush(client);
        if (!client->ended && client->out->len == 0) {
            client_process(client);     /* messages that had to wait */
        }
    } else if (client->out->len == 0) {
        client_receive(client);
    } else {
        client_end(client, "closed by the viewer");     /* hung up while we wait for room */
    }
}

/* ---- for the server ---- */

VncClient *vnc_client_new(MainLoop *loop, rfbScreenInfoPtr screen, int fd, VncClientGone *gone,
                          void *opaque)
{
    VncClient *client = g_new0(VncClient, 1);
    client->screen = screen;
    client->net = fd;
    client->pair = -1;
    client->gone = gone;
    client->opaque = opaque;
    client->in = g_byte_array_new();
    client->out = g_byte_array_new();
    client->since = g_get_monotonic_time();
    client->gone_bh = qemu_bh_new(loop, client_gone_bh, client);
    client->handler = main_loop_add_fd(loop, fd, G_IO_IN, client_ready, client);
    g_byte_array_append(client->out, (const guint8 *)RFB_VERSION, RFB_VERSION_LEN);
    client_flush(client);
    return client;
}

void vnc_client_free(VncClient *client)
{
    if (client->cl) {
        client->cl->clientData = NULL;
        rfbCloseClient(client->cl);
        rfbClientConnectionGone(client->cl);
    }
    fd_handler_remove(client->handler);
    qemu_bh_delete(client->gone_bh);
    if (client->pair >= 0) {
        close(client->pair);
    }
    close(client->net);
    g_byte_array_unref(client->in);
    g_byte_array_unref(client->out);
    g_free(client);
}

void vnc_client_update(VncClient *client)
{
    if (client->ended || !client->cl || client->out->len || client->filter.state != VNC_NORMAL) {
        return;
    }
    rfbUpdateClient(client->cl);
    client_collect(client);
}

void vnc_client_resized(VncClient *client)
{
    if (client->filter.state == VNC_NORMAL && !client->filter.can_resize) {
        client_end(client, "the screen changed its size, which this viewer cannot follow");
    }
}

void vnc_client_reformat(VncClient *client)
{
    if (client->cl && !client->ended) {
        client->screen->setTranslateFunction(client->cl);
    }
}

void vnc_client_check_handshake(VncClient *client)
{
    if (client->filter.state != VNC_NORMAL &&
        g_get_monotonic_time() - client->since > HANDSHAKE_SECONDS * G_USEC_PER_SEC) {
        client_end(client, "no handshake in time");
    }
}
