/*
 * virtio-net-ctrl.c - the control queue of the virtio network card, and the receive filter it sets.
 *
 * Lobby, over hw/virtio.h.  Specification: VIRTIO 1.2, section 5.1.6.5.
 * Locks: machine lock.
 * Invariant: filter.first_multi <= filter.in_use <= NET_MAC_TABLE.
 *
 * A command: { u8 class, u8 command }, data; one byte back: 0 done, 1 refused.
 *   0 receive mode: 0 promiscuous, 1 all multicast, 2 all unicast, 3-5 no multi-, uni-, broadcast; u8
 *   1 address: 0 tables { le32 n, n x 6 } twice, unicast then multicast; 1 own address, 6 bytes
 *   2 VLAN: 0 add, 1 remove; le16    3 announcement: 0 acknowledged
 *   4 queues: 0 set pairs; le16      5 guest offloads: 0 set; le64
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "hw/net/virtio-net.h"
#include "util/iov.h"

enum { CLASS_RX, CLASS_MAC, CLASS_VLAN, CLASS_ANNOUNCE, CLASS_MQ, CLASS_OFFLOADS };
enum { ACK_OK = 0, ACK_ERR = 1 };
enum { VLAN_ETHERTYPE_OFFSET = 12, VLAN_HEADER_END = 16 };

/* The data of a command, consumed from the front. */
typedef struct CtrlData {
    const VirtQueueElement *elem;
    size_t at, end;
} CtrlData;

static bool take(CtrlData *d, void *buf, size_t len)
{
    if (len > d->end - d->at) {
        return false;
    }
    iov_to_buf(d->elem->out_sg, d->elem->out_num, d->at, buf, len);
    d->at += len;
    return true;
}

/* ---- the filter ---- */

void virtio_net_filter_reset(NetFilter *filter)
{
    *filter = (NetFilter){.promisc = 1};
    memset(filter->vlans, 0xff, sizeof(filter->vlans));     /* until the driver takes VLANs over */
}

void virtio_net_filter_resume(NetFilter *filter)
{
    filter->first_multi = 0;
    while (filter->first_multi < filter->in_use && !(filter->macs[filter->first_multi][0] & 1)) {
        filter->first_multi++;
    }
}

static bool in_table(const NetFilter *f, const uint8_t *mac, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        if (memcmp(f->macs[i], mac, 6) == 0) {
            return true;
        }
    }
    return false;
}

bool virtio_net_filter_accepts(const VirtIONet *n, const uint8_t *frame, size_t len)
{
    static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    const NetFilter *f = &n->filter;
    if (f->promisc) {
        return true;
    }
    if (len < 6) {
        return false;
    }
    if (len >= VLAN_HEADER_END && frame[VLAN_ETHERTYPE_OFFSET] == 0x81 &&
        frame[VLAN_ETHERTYPE_OFFSET + 1] == 0x00) {
        unsigned id = (frame[14] << 8 | frame[15]) & (NET_VLANS - 1);
        if (!(f->vlans[id / 32] & (1u << (id % 32)))) {
            return false;
        }
    }
    if (memcmp(frame, broadcast, 6) == 0) {
        return !f->nobcast;
    }
    if (frame[0] & 1) {
        return !f->nomulti && (f->allmulti || f->multi_overflow ||
                               in_table(f, frame, f->first_multi, f->in_use));
    }
    return !f->nouni && (f->alluni || f->uni_overflow || memcmp(frame, n->mac, 6) == 0 ||
                         in_table(f, frame, 0, f->first_multi));
}

/* ---- commands ---- */

static bool ctrl_rx_mode(VirtIONet *n, uint8_t command, CtrlData *d)
{
    NetFilter *f = &n->filter;
    uint8_t *const modes[] = {&f->promisc, &f->allmulti, &f->alluni, &f->nomulti, &f->nouni,
                              &f->nobcast};
    uint8_t on;
    if (command >= G_N_ELEMENTS(modes) || !take(d, &on, 1)) {
        return false;
    }
    *modes[command] = on != 0;
    return true;
}

/*
 * One table of the pair into f, behind what is there. A table that does not fit sets *overflow
 * and counts as empty.
 */
static bool take_mac_table(NetFilter *f, CtrlData *d, uint8_t *overflow)
{
    uint32_t count;
    if (!take(d, &count, sizeof(count))) {
        return false;
    }
    count = GUINT32_FROM_LE(count);
    if (count > (d->end - d->at) / 6) {
        return false;
    }
    if (count > NET_MAC_TABLE - f->in_use) {
        *overflow = 1;
        d->at += 6 * (size_t)count;
        return true;
    }
    take(d, f->macs[f->in_use], 6 * (size_t)count);
    f->in_use += count;
    return true;
}

static bool ctrl_mac_tables(VirtIONet *n, CtrlData *d)
{
    NetFilter f = n->filter;
    f.in_use = 0;
    f.uni_overflow = f.multi_overflow = 0;
    if (!take_mac_table(&f, d, &f.uni_overflow)) {
        return false;
    }
    f.first_multi = f.in_use;
    if (!take_mac_table(&f, d, &f.multi_overflow) || d->at != d->end) {
        return false;
    }
    n->filter = f;
    return true;
}

static bool ctrl_mac(VirtIONet *n, uint8_t command, CtrlData *d)
{
    uint8_t mac[6];
    switch (command) {
    case 0:
        return ctrl_mac_tables(n, d);
    case 1:
        if (d->end - d->at != sizeof(mac) || !take(d, mac, sizeof(mac))) {
            return false;
        }
        memcpy(n->mac, mac, sizeof(mac));
        return true;
    default:
        return false;
    }
}

static bool ctrl_vlan(VirtIONet *n, uint8_t command, CtrlData *d)
{
    uint16_t id;
    if (command > 1 || !take(d, &id, sizeof(id))) {
        return false;
    }
    id = GUINT16_FROM_LE(id);
    if (id >= NET_VLANS) {
        return false;
    }
    uint32_t bit = 1u << (id % 32);
    if (command == 0) {
        n->filter.vlans[id / 32] |= bit;
    } else {
        n->filter.vlans[id / 32] &= ~bit;
    }
    return true;
}

static bool ctrl_announce(VirtIONet *n, uint8_t command)
{
    if (command != 0 || !(n->status & NET_S_ANNOUNCE)) {
        return false;
    }
    n->status &= ~NET_S_ANNOUNCE;
    virtio_net_announce_acked(n);
    return true;
}

/* Back ends have one queue pair. */
static bool ctrl_pairs(VirtIONet *n, uint8_t command, CtrlData *d)
{
    uint16_t pairs;
    return virtio_has(&n->vdev, NET_F_MQ) && command == 0 && take(d, &pairs, sizeof(pairs)) &&
           GUINT16_FROM_LE(pairs) == 1;
}

/* No offload was offered, so none may be switched on. */
static bool ctrl_offloads(VirtIONet *n, uint8_t command, CtrlData *d)
{
    uint64_t offloads;
    return virtio_has(&n->vdev, NET_F_CTRL_GUEST_OFFLOADS) && command == 0 &&
           take(d, &offloads, sizeof(offloads)) && offloads == 0;
}

static bool run_command(VirtIONet *n, const VirtQueueElement *elem)
{
    uint8_t head[2];
    CtrlData d = {.elem = elem, .at = 0, .end = iov_size(elem->out_sg, elem->out_num)};
    if (!take(&d, head, sizeof(head))) {
        return false;
    }
    switch (head[0]) {
    case CLASS_RX:
        return ctrl_rx_mode(n, head[1], &d);
    case CLASS_MAC:
        return ctrl_mac(n, head[1], &d);
    case CLASS_VLAN:
        return ctrl_vlan(n, head[1], &d);
    case CLASS_ANNOUNCE:
        return ctrl_announce(n, head[1]);
    case CLASS_MQ:
        return ctrl_pairs(n, head[1], &d);
    case CLASS_OFFLOADS:
        return ctrl_offloads(n, head[1], &d);
    default:
        return false;
    }
}

void virtio_net_handle_ctrl(VirtIODevice *vdev, VirtQueue *vq)
{
    VirtIONet *n = (VirtIONet *)vdev;
    VirtQueueElement *elem;
    unsigned budget = VIRTQUEUE_BUDGET;
    while (budget > 0 && (elem = virtqueue_pop(vq))) {
        budget--;
        if (elem->in_num == 0) {
            virtio_error(vdev, "virtio-net: a control command has no room for its answer");
            virtqueue_detach(vq, elem);
            return;
        }
        uint8_t ack = run_command(n, elem) ? ACK_OK : ACK_ERR;
        size_t len = iov_from_buf(elem->in_sg, elem->in_num, 0, &ack, 1);
        virtqueue_push(vq, elem, len);
        virtqueue_notify(vq);
    }
    if (budget == 0) {
        virtqueue_kick(vq);
    }
}
