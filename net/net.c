/*
 * net.c - clients in pairs, the queue in front of each, link state and default addresses.
 *
 * Lobby; below it util/.
 * Threads and locks: the machine's lock, on the main loop's thread or a vCPU's.
 * Invariant: frames reach a client in the order in which they were sent.  A client's receive() is
 * never entered a second time from within itself: what arrives meanwhile is queued.  A queue holds
 * at most NET_QUEUE_FRAMES frames; what comes then is dropped, as a wire would.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "net/net.h"

#include <string.h>

#include "net/net-int.h"
#include "system/machine.h"
#include "trace/net.h"
#include "util/iov.h"

#define NET_QUEUE_FRAMES 1024

typedef struct NetFrame {
    size_t len;
    uint8_t data[];
} NetFrame;

struct NetQueue {
    GQueue frames;
    bool delivering;    /* receive() is running */
    bool blocked;       /* the sender was told that its frame waits */
};

/* ---- delivery ---- */

/* A link is down if either end of the cable says so. */
static bool net_link_is_up(const NetClientState *nc)
{
    return nc->peer && !nc->link_down && !nc->peer->link_down;
}

/* 0 if the client cannot take the frame now. */
static size_t net_deliver(NetClientState *nc, const struct iovec *iov, int niov)
{
    struct NetQueue *q = nc->incoming;
    if (nc->ops->can_receive && !nc->ops->can_receive(nc)) {
        return 0;
    }
    /* Whatever the client sends or receives meanwhile finds the mark and queues. */
    q->delivering = true;
    size_t taken = nc->ops->receive(nc, iov, niov);
    q->delivering = false;
    return taken;
}

static size_t net_enqueue(NetClientState *nc, const struct iovec *iov, int niov, size_t len)
{
    struct NetQueue *q = nc->incoming;
    if (g_queue_get_length(&q->frames) >= NET_QUEUE_FRAMES) {
        trace_net_drop(nc->name, len, "queue full");
        return len;
    }
    NetFrame *frame = g_malloc(sizeof(*frame) + len);
    frame->len = len;
    iov_to_buf(iov, niov, 0, frame->data, len);
    g_queue_push_tail(&q->frames, frame);
    q->blocked = true;
    trace_net_queue(nc->name, len, g_queue_get_length(&q->frames));
    return 0;
}

/* Tells the peer that its frames are gone, one way or the other. */
static void net_unblock(NetClientState *nc)
{
    NetClientState *peer = nc->peer;
    bool blocked = nc->incoming->blocked;
    nc->incoming->blocked = false;
    /* Only who was told to wait is told to go on. */
    if (blocked && peer && peer->ops->sent) {
        peer->ops->sent(peer);
    }
}

void net_flush_queued(NetClientState *nc)
{
    struct NetQueue *q = nc->incoming;
    /* Inside receive() the frames wait for its end: see net_send(). */
    while (!q->delivering && !g_queue_is_empty(&q->frames)) {
        NetFrame *frame = g_queue_pop_head(&q->frames);
        struct iovec iov = { .iov_base = frame->data, .iov_len = frame->len };
        /* With the link down the queue empties itself into nothing. */
        if (net_link_is_up(nc) && net_deliver(nc, &iov, 1) == 0) {
            g_queue_push_head(&q->frames, frame);
            return;
        }
        g_free(frame);
    }
    if (!q->delivering) {
        net_unblock(nc);
    }
}

size_t net_send(NetClientState *nc, const struct iovec *iov, int niov)
{
    size_t len = iov_size(iov, niov);
    NetClientState *peer = nc->peer;
    if (!net_link_is_up(nc) || len == 0 || len > NET_PACKET_MAX) {
        trace_net_drop(nc->name, len, peer ? "link down or bad length" : "no peer");
        return len;
    }
    struct NetQueue *q = peer->incoming;
    if (q->delivering || !g_queue_is_empty(&q->frames)) {
        return net_enqueue(peer, iov, niov, len);
    }
    if (net_deliver(peer, iov, niov) == 0) {
        return net_enqueue(peer, iov, niov, len);
    }
    if (!g_queue_is_empty(&q->frames)) {
        /* Answers that came while the peer was busy with this frame. */
        net_flush_queued(peer);
    }
    return len;
}

static void net_queue_clear(NetClientState *nc)
{
    void *frame;
    while ((frame = g_queue_pop_head(&nc->incoming->frames))) {
        g_free(frame);
    }
}

void net_purge(NetClientState *nc)
{
    /* Both directions of the cable. */
    net_queue_clear(nc);
    net_unblock(nc);
    if (nc->peer) {
        net_queue_clear(nc->peer);
        net_unblock(nc->peer);
    }
}

/* ---- clients ---- */

NetClientState *net_client_new(Machine *m, const NetClientOps *ops, const char *name, void *opaque)
{
    NetClientState *nc = g_new0(NetClientState, 1);
    NetClientState **at = &m->net->clients;
    nc->ops = ops;
    nc->machine = m;
    nc->name = g_strdup(name);
    nc->info = g_strdup("");
    nc->opaque = opaque;
    nc->incoming = g_new0(struct NetQueue, 1);
    g_queue_init(&nc->incoming->frames);
    while (*at) {
        at = &(*at)->next;
    }
    *at = nc;
    return nc;
}

NetClientState *net_nic_new(Machine *m, const NetClientOps *ops, const char *name, void *opaque,
                            NetClientState *peer, Error **errp)
{
    if (peer && peer->peer) {
        error_setg(errp, "netdev '%s' is already connected to '%s'", peer->name, peer->peer->name);
        return NULL;
    }
    NetClientState *nc = net_client_new(m, ops, name, opaque);
    nc->is_nic = true;
    if (peer) {
        nc->peer = peer;
        peer->peer = nc;
        nc->link_down = peer->link_down;
    }
    return nc;
}

static void net_link_changed(NetClientState *nc)
{
    if (nc->ops->link_status_changed) {
        nc->ops->link_status_changed(nc);
    }
}

void net_client_free(NetClientState *nc)
{
    NetClientState **at = &nc->machine->net->clients, *peer = nc->peer;
    net_queue_clear(nc);
    if (peer) {
        net_queue_clear(peer);
        peer->peer = NULL;
        peer->incoming->blocked = false;
        if (peer->is_nic && !peer->link_down) {
            /* The guest sees the cable come out. */
            peer->link_down = true;
            net_link_changed(peer);
        }
    }
    while (*at && *at != nc) {
        at = &(*at)->next;
    }
    if (*at) {
        *at = nc->next;
    }
    if (nc->ops->cleanup) {
        nc->ops->cleanup(nc);
    }
    g_free(nc->incoming);
    g_free(nc->info);
    g_free(nc->name);
    g_free(nc);
}

NetClientState *netdev_find(Machine *m, const char *id)
{
    for (NetClientState *nc = m->net->clients; nc; nc = nc->next) {
        if (!nc->is_nic && strcmp(nc->name, id) == 0) {
            return nc;
        }
    }
    return NULL;
}

bool netdev_remove(Machine *m, const char *id, Error **errp)
{
    NetClientState *nc = netdev_find(m, id);
    if (!nc) {
        error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND, "Device '%s' not found", id);
        return false;
    }
    net_client_free(nc);
    return true;
}

void net_foreach(Machine *m, void (*fn)(NetClientState *nc, void *opaque), void *opaque)
{
    for (NetClientState *nc = m->net->clients, *next; nc; nc = next) {
        next = nc->next;
        fn(nc, opaque);
    }
}

void net_set_info(NetClientState *nc, char *text)
{
    g_free(nc->info);
    nc->info = text;
}

/* ---- link ---- */

static void net_set_one_link(NetClientState *nc, bool up)
{
    /* A change that is none is not shown to the guest. */
    if (nc->link_down == !up) {
        return;
    }
    nc->link_down = !up;
    net_purge(nc);
    net_link_changed(nc);
}

bool net_set_link(Machine *m, const char *name, bool up, Error **errp)
{
    bool found = false;
    for (NetClientState *nc = m->net->clients; nc; nc = nc->next) {
        if (strcmp(nc->name, name) != 0) {
            continue;
        }
        found = true;
        net_set_one_link(nc, up);
        /* What happens to the far end of its cable the guest's card sees. */
        if (!nc->is_nic && nc->peer) {
            net_set_one_link(nc->peer, up);
        }
    }
    if (!found) {
        error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND, "Device '%s' not found", name);
    }
    return found;
}

/* ---- addresses ---- */

void net_default_macaddr(Machine *m, uint8_t mac[6])
{
    static const uint8_t base[6] = { 0x52, 0x54, 0x00, 0x12, 0x34, 0x56 };
    static const uint8_t none[6];
    uint32_t *used = m->net->macs;
    if (memcmp(mac, none, sizeof(none)) != 0) {
        /* One that the user chose from the default range is not given to another. */
        if (memcmp(mac, base, 5) == 0) {
            used[mac[5] / 32] |= 1u << mac[5] % 32;
        }
        return;
    }
    /* Counting goes on past 0xff at 0x00; with 256 cards an address repeats. */
    uint8_t last = base[5];
    for (unsigned n = 0; n < 256 && used[last / 32] >> last % 32 & 1; n++) {
        last++;
    }
    memcpy(mac, base, 5);
    mac[5] = last;
    used[last / 32] |= 1u << last % 32;
}

/* ---- life ---- */

/* While the machine is handed over nobody is at home; who runs it is. */
static void net_vm_state(void *opaque, bool running, RunState state)
{
    struct NetLayer *layer = opaque;
    if (!running && state != RUN_STATE_FINISH_MIGRATE) {
        return;
    }
    for (NetClientState *nc = layer->clients; nc; nc = nc->next) {
        if (nc->ops->plug) {
            nc->ops->plug(nc, running);
        }
    }
}

struct NetLayer *net_layer_new(Machine *m)
{
    struct NetLayer *layer = g_new0(struct NetLayer, 1);
    layer->machine = m;
    layer->vm_entry = vm_add_change_state_handler(m, net_vm_state, layer);
    return layer;
}

void net_layer_free(struct NetLayer *layer)
{
    if (!layer) {
        return;
    }
    vm_del_change_state_handler(layer->vm_entry);
    while (layer->clients) {
        net_client_free(layer->clients);
    }
    g_free(layer);
}
