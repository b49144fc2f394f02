/*
 * virtio-net.c - the virtio network card.
 *
 * Lobby, over hw/virtio.h and net/net.h.  Specification: VIRTIO 1.2, section 5.1.
 * Locks: machine lock; frames are sent on the vCPU thread that notified, received on the loop's.
 * Invariants: a frame enters guest memory whole or not at all: buffers are collected first, shown to the
 * driver with one step of used->idx, and put back if they do not suffice. No request stays in flight
 * between two calls, so none migrates.
 *
 * Queues: 0 receive, 1 transmit, 2 control (virtio-net-ctrl.c). One pair: back ends have one.
 * Configuration space: 0 mac[6], 6 le16 status (1 link up, 2 announce), 8 le16 pairs, 10 le16 MTU.
 * Before each frame: u8 flags, u8 gso type, le16 header length, segment size, checksum start and offset,
 * and le16 number of buffers if mergeable or modern. All zero but the last: nothing is offloaded.
 *
 * In the stream (QEMU's version 11), big-endian: mac[6]; u32 sends waiting (0); u32 mergeable; u16 status;
 * u8 promisc, allmulti; u32 n, n x 6 addresses; 128 x u32 VLANs; u32 vnet header (0); u8 multicast,
 * unicast overflow; u8 alluni, nomulti, nouni, nobcast; u8 UFO (0); u64 offloads (0) if the driver took
 * CTRL_GUEST_OFFLOADS.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <inttypes.h>
#include <string.h>

#include "hw/net/virtio-net.h"
#include "system/machine.h"
#include "system/runstate.h"
#include "util/iov.h"

enum { HEADER_LEGACY = 10, HEADER_MERGEABLE = 12, NUM_BUFFERS_OFFSET = 10 };
enum { CONFIG_LEN_STATUS = 8, CONFIG_LEN_MQ = 10, CONFIG_LEN_MTU = 12 };

#define ANNOUNCE_ROUNDS 5
#define ANNOUNCE_FIRST_MS 50
#define ANNOUNCE_STEP_MS 100

static VirtIONet *from_client(NetClientState *nc)
{
    return nc->opaque;
}

static bool mergeable(const VirtIONet *n)
{
    return virtio_has(&n->vdev, NET_F_MRG_RXBUF);
}

static size_t header_len(const VirtIONet *n)
{
    return mergeable(n) || virtio_has(&n->vdev, VIRTIO_F_VERSION_1) ? HEADER_MERGEABLE
                                                                     : HEADER_LEGACY;
}

/* ---- configuration ---- */

static void net_get_config(VirtIODevice *vdev, uint8_t *config)
{
    VirtIONet *n = (VirtIONet *)vdev;
    uint8_t c[CONFIG_LEN_MTU] = {0};
    memcpy(c, n->mac, 6);
    c[6] = n->status;
    c[8] = 1;
    c[10] = n->host_mtu & 0xff;
    c[11] = n->host_mtu >> 8;
    memcpy(config, c, vdev->config_len);
}

/* A legacy driver sets its address here unless it has the command for it. */
static void net_set_config(VirtIODevice *vdev, const uint8_t *config)
{
    VirtIONet *n = (VirtIONet *)vdev;
    if (!virtio_has(vdev, NET_F_CTRL_MAC_ADDR) && !virtio_has(vdev, VIRTIO_F_VERSION_1)) {
        memcpy(n->mac, config, 6);
    }
}

static uint64_t net_get_features(VirtIODevice *vdev, uint64_t features)
{
    const VirtIONet *n = (VirtIONet *)vdev;
    const struct {
        bool on;
        unsigned bit;
    } table[] = {
        {true, NET_F_MAC},
        {n->gso && !(features & VIRTIO_BIT(VIRTIO_F_VERSION_1)), NET_F_GSO},
        {n->host_mtu != 0, NET_F_MTU},
        {n->mrg_rxbuf, NET_F_MRG_RXBUF},
        {n->status_prop, NET_F_STATUS},
        {n->ctrl_vq, NET_F_CTRL_VQ},
        {n->ctrl_vq && n->ctrl_guest_offloads, NET_F_CTRL_GUEST_OFFLOADS},
        {n->ctrl_vq && n->ctrl_rx, NET_F_CTRL_RX},
        {n->ctrl_vq && n->ctrl_vlan, NET_F_CTRL_VLAN},
        {n->ctrl_vq && n->ctrl_rx_extra, NET_F_CTRL_RX_EXTRA},
        {n->ctrl_vq && n->guest_announce, NET_F_GUEST_ANNOUNCE},
        {n->ctrl_vq && n->ctrl_mac_addr, NET_F_CTRL_MAC_ADDR},
        {n->ctrl_vq && n->mq, NET_F_MQ},
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(table); i++) {
        if (table[i].on) {
            features |= VIRTIO_BIT(table[i].bit);
        }
    }
    return features;
}

/* With the driver there the VLAN filter is its own, and waiting frames can come in. */
static void net_set_status(VirtIODevice *vdev, uint8_t status)
{
    VirtIONet *n = (VirtIONet *)vdev;
    bool was_ok = n->last_status & VIRTIO_STATUS_DRIVER_OK;
    n->last_status = status;
    if (was_ok || !(status & VIRTIO_STATUS_DRIVER_OK)) {
        return;
    }
    if (virtio_has(vdev, NET_F_CTRL_VLAN)) {
        memset(n->filter.vlans, 0, sizeof(n->filter.vlans));
    }
    net_flush_queued(n->nic);
}

/* ---- receiving ---- */

static bool net_can_receive(NetClientState *nc)
{
    VirtIONet *n = from_client(nc);
    return runstate_is_running(n->vdev.parent.machine) && virtio_ready(&n->vdev) &&
           virtqueue_ready(n->rx);
}

/* Copies the part of the frame from *done into one request, behind `skip` bytes of header. */
static size_t fill_request(VirtQueueElement *elem, size_t skip, const uint8_t *frame, size_t len,
                           size_t *done)
{
    size_t copied = iov_from_buf(elem->in_sg, elem->in_num, skip, frame + *done, len - *done);
    *done += copied;
    return skip + copied;
}

/* Gives back what receive_frame collected but cannot use. */
static void put_back(VirtIONet *n, VirtQueueElement **elems, unsigned count)
{
    while (count > 0) {
        virtqueue_unpop(n->rx, elems[--count]);
    }
}

typedef enum RxResult { RX_TAKEN, RX_NO_ROOM, RX_DROP } RxResult;

/*
 * Collects buffers for len bytes of frame. On success elems[0 … *count) hold it with the lengths to
 * report; else nothing is held.
 */
static RxResult collect(VirtIONet *n, const uint8_t *frame, size_t len, VirtQueueElement **elems,
                        uint32_t *lens, unsigned *count)
{
    size_t done = 0;
    *count = 0;
    while (done < len || *count == 0) {
        size_t skip = *count == 0 ? header_len(n) : 0;
        if (*count == VIRTQUEUE_MAX_SIZE || (*count > 0 && !mergeable(n))) {
            put_back(n, elems, *count);
            return RX_DROP;
        }
        VirtQueueElement *elem = virtqueue_pop(n->rx);
        if (!elem) {
            put_back(n, elems, *count);
            return RX_NO_ROOM;
        }
        if (iov_size(elem->in_sg, elem->in_num) <= skip) {
            virtio_error(&n->vdev, "virtio-net: a receive buffer of %zu bytes",
                         iov_size(elem->in_sg, elem->in_num));
            virtqueue_unpop(n->rx, elem);
            put_back(n, elems, *count);
            return RX_DROP;
        }
        elems[*count] = elem;
        lens[*count] = fill_request(elem, skip, frame, len, &done);
        *count += 1;
    }
    return RX_TAKEN;
}

static RxResult receive_frame(VirtIONet *n, const uint8_t *frame, size_t len)
{
    g_autofree VirtQueueElement **elems = g_new(VirtQueueElement *, VIRTQUEUE_MAX_SIZE);
    g_autofree uint32_t *lens = g_new(uint32_t, VIRTQUEUE_MAX_SIZE);
    uint8_t header[HEADER_MERGEABLE] = {0};
    unsigned count;
    RxResult result = collect(n, frame, len, elems, lens, &count);
    if (result != RX_TAKEN) {
        return result;
    }
    header[NUM_BUFFERS_OFFSET] = count & 0xff;
    header[NUM_BUFFERS_OFFSET + 1] = count >> 8;
    iov_from_buf(elems[0]->in_sg, elems[0]->in_num, 0, header, header_len(n));
    for (unsigned i = 0; i < count; i++) {
        virtqueue_fill(n->rx, elems[i], lens[i], i);
    }
    virtqueue_flush(n->rx, count);
    virtqueue_notify(n->rx);
    return RX_TAKEN;
}

static size_t net_receive(NetClientState *nc, const struct iovec *iov, int niov)
{
    VirtIONet *n = from_client(nc);
    size_t len = iov_size(iov, niov);
    if (len == 0 || len > NET_PACKET_MAX) {
        return len;
    }
    if (!net_can_receive(nc)) {
        return 0;
    }
    g_autofree uint8_t *frame = g_malloc(len);
    iov_to_buf(iov, niov, 0, frame, len);
    if (!virtio_net_filter_accepts(n, frame, len)) {
        return len;
    }
    RxResult result = receive_frame(n, frame, len);
    if (result == RX_NO_ROOM) {
        /* Ask for a notification, and look once more in case buffers came meanwhile. */
        virtqueue_set_notification(n->rx, true);
        if (!virtqueue_empty(n->rx)) {
            result = receive_frame(n, frame, len);
        }
    }
    return result == RX_NO_ROOM ? 0 : len;
}

static void net_handle_rx(VirtIODevice *vdev, VirtQueue *vq)
{
    (void)vq;
    net_flush_queued(((VirtIONet *)vdev)->nic);
}

/* ---- sending ---- */

static void send_request(VirtIONet *n, const VirtQueueElement *elem)
{
    size_t len = iov_size(elem->out_sg, elem->out_num), skip = header_len(n);
    if (len <= skip || len - skip > NET_PACKET_MAX) {
        return;
    }
    g_autofree struct iovec *iov = g_new(struct iovec, elem->out_num);
    unsigned niov = iov_slice(iov, elem->out_num, elem->out_sg, elem->out_num, skip, len - skip);
    net_send(n->nic, iov, niov);
}

static void net_handle_tx(VirtIODevice *vdev, VirtQueue *vq)
{
    VirtIONet *n = (VirtIONet *)vdev;
    unsigned budget = VIRTQUEUE_BUDGET;
    do {
        VirtQueueElement *elem;
        virtqueue_set_notification(vq, false);
        while (budget > 0 && (elem = virtqueue_pop(vq))) {
            budget--;
            if (elem->out_num == 0) {
                virtio_error(vdev, "virtio-net: nothing to send in a request");
                virtqueue_detach(vq, elem);
                return;
            }
            send_request(n, elem);
            virtqueue_push(vq, elem, 0);
            virtqueue_notify(vq);
        }
        virtqueue_set_notification(vq, true);
    } while (budget > 0 && !virtqueue_empty(vq));
    if (budget == 0) {
        virtqueue_kick(vq);
    }
}

/* ---- link and announcement ---- */

static void net_link_changed(NetClientState *nc)
{
    VirtIONet *n = from_client(nc);
    uint16_t old = n->status;
    n->status = nc->link_down ? n->status & ~NET_S_LINK_UP : n->status | NET_S_LINK_UP;
    if (n->status != old) {
        virtio_notify_config(&n->vdev);
    }
}

/* Asks the driver to tell the network where its address is now (section 5.1.6.5.4). */
static void announce(void *opaque)
{
    VirtIONet *n = opaque;
    if (!virtio_ready(&n->vdev) || !(n->status & NET_S_LINK_UP) || n->announce_rounds == 0) {
        n->announce_rounds = 0;
        return;
    }
    n->announce_rounds--;
    n->status |= NET_S_ANNOUNCE;
    virtio_notify_config(&n->vdev);
}

void virtio_net_announce_acked(VirtIONet *n)
{
    if (n->announce_rounds > 0) {
        int64_t ms = ANNOUNCE_FIRST_MS +
                     (ANNOUNCE_ROUNDS - 1 - n->announce_rounds) * (int64_t)ANNOUNCE_STEP_MS;
        timer_mod(n->announce_timer,
                  qemu_clock_get_ns(n->vdev.parent.machine, QEMU_CLOCK_VIRTUAL) + ms * 1000000);
    }
}

static void net_vm_state(VirtIODevice *vdev, bool running)
{
    VirtIONet *n = (VirtIONet *)vdev;
    if (!running) {
        return;
    }
    if (n->arrived) {
        n->arrived = false;
        if (virtio_has(vdev, NET_F_GUEST_ANNOUNCE) && virtio_has(vdev, NET_F_CTRL_VQ)) {
            n->announce_rounds = ANNOUNCE_ROUNDS;
            announce(n);
        }
    }
    net_flush_queued(n->nic);
}

/* ---- reset ---- */

static void net_reset(VirtIODevice *vdev)
{
    VirtIONet *n = (VirtIONet *)vdev;
    virtio_net_filter_reset(&n->filter);
    memcpy(n->mac, n->mac_prop, 6);
    n->status &= ~NET_S_ANNOUNCE;
    n->announce_rounds = 0;
    n->arrived = false;
    timer_del(n->announce_timer);
    if (n->nic) {
        net_purge(n->nic);
    }
}

/* ---- what migrates ---- */

static bool net_save(VirtIODevice *vdev, QEMUFile *f, Error **errp)
{
    const VirtIONet *n = (VirtIONet *)vdev;
    const NetFilter *t = &n->filter;
    (void)errp;
    qemu_put_buffer(f, n->mac, 6);
    qemu_put_be32(f, 0);
    qemu_put_be32(f, mergeable(n));
    qemu_put_be16(f, n->status);
    qemu_put_byte(f, t->promisc);
    qemu_put_byte(f, t->allmulti);
    qemu_put_be32(f, t->in_use);
    qemu_put_buffer(f, t->macs, 6 * (size_t)t->in_use);
    for (unsigned i = 0; i < G_N_ELEMENTS(t->vlans); i++) {
        qemu_put_be32(f, t->vlans[i]);
    }
    qemu_put_be32(f, 0);
    qemu_put_byte(f, t->multi_overflow);
    qemu_put_byte(f, t->uni_overflow);
    qemu_put_byte(f, t->alluni);
    qemu_put_byte(f, t->nomulti);
    qemu_put_byte(f, t->nouni);
    qemu_put_byte(f, t->nobcast);
    qemu_put_byte(f, 0);
    if (virtio_has(vdev, NET_F_CTRL_GUEST_OFFLOADS)) {
        qemu_put_be64(f, 0);
    }
    return true;
}

/* A sender with a larger table: too many addresses for ours pass as overflow. */
static bool load_mac_table(NetFilter *t, QEMUFile *f, Error **errp)
{
    uint8_t skipped[6];
    uint32_t count = qemu_get_be32(f);
    if (count > UINT16_MAX) {
        error_setg(errp, "virtio-net: mac_table.in_use is %u; right is at most %d", count, NET_MAC_TABLE);
        return false;
    }
    bool fits = count <= NET_MAC_TABLE;
    for (uint32_t i = 0; i < count; i++) {
        qemu_get_buffer(f, fits ? t->macs[i] : skipped, 6);
    }
    t->in_use = fits ? count : 0;
    t->uni_overflow = t->multi_overflow = !fits;
    virtio_net_filter_resume(t);
    return true;
}

/* Something that this card does not do: it must be off in the stream. */
static bool expect_off(uint64_t value, const char *what, Error **errp)
{
    if (value) {
        error_setg(errp, "virtio-net: %s is 0x%" PRIx64 " in the stream; here it can only be off", what,
                   value);
    }
    return !value;
}

static bool net_load(VirtIODevice *vdev, QEMUFile *f, int version_id, Error **errp)
{
    VirtIONet *n = (VirtIONet *)vdev;
    NetFilter *t = &n->filter;
    (void)version_id;
    qemu_get_buffer(f, n->mac, 6);
    qemu_get_be32(f);               /* sends waiting: the ring is looked at on start anyway */
    qemu_get_be32(f);               /* mergeable: follows from the features */
    n->status = qemu_get_be16(f) & (NET_S_LINK_UP | NET_S_ANNOUNCE);
    t->promisc = qemu_get_byte(f) != 0;
    t->allmulti = qemu_get_byte(f) != 0;
    if (!load_mac_table(t, f, errp)) {
        return false;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(t->vlans); i++) {
        t->vlans[i] = qemu_get_be32(f);
    }
    if (!expect_off(qemu_get_be32(f), "has_vnet_hdr", errp)) {
        return false;
    }
    t->multi_overflow |= qemu_get_byte(f) != 0;
    t->uni_overflow |= qemu_get_byte(f) != 0;
    t->alluni = qemu_get_byte(f) != 0;
    t->nomulti = qemu_get_byte(f) != 0;
    t->nouni = qemu_get_byte(f) != 0;
    t->nobcast = qemu_get_byte(f) != 0;
    if (!expect_off(qemu_get_byte(f), "has_ufo", errp)) {
        return false;
    }
    /* Bit 2 is in the low half, which has been read. */
    return !virtio_has(vdev, NET_F_CTRL_GUEST_OFFLOADS) ||
           expect_off(qemu_get_be64(f), "curr_guest_offloads", errp);
}

static bool net_post_load(VirtIODevice *vdev, const uint8_t *config, Error **errp)
{
    VirtIONet *n = (VirtIONet *)vdev;
    (void)config;
    (void)errp;
    n->arrived = true;
    n->last_status = vdev->status;
    /* The link is what it is here, whatever it was there. */
    n->status = n->nic->link_down ? n->status & ~NET_S_LINK_UP : n->status | NET_S_LINK_UP;
    return true;
}

static const VMStateDescription vmstate_virtio_net = {
    .name = "virtio-net",
    .version_id = 11,
    .minimum_version_id = 11,
    .save_blob = virtio_save_blob,
    .load_blob = virtio_load_blob,
};

/* ---- realize ---- */

static const VirtIODeviceOps net_ops = {
    .device_id = VIRTIO_ID_NET,
    .get_features = net_get_features,
    .get_config = net_get_config,
    .set_config = net_set_config,
    .set_status = net_set_status,
    .reset = net_reset,
    .vm_state = net_vm_state,
    .save = net_save,
    .load = net_load,
    .post_load = net_post_load,
};

static const uint8_t *net_macaddr(NetClientState *nc)
{
    return from_client(nc)->mac;
}

static const NetClientOps nic_ops = {
    .type = "nic",
    .receive = net_receive,
    .can_receive = net_can_receive,
    .link_status_changed = net_link_changed,
    .macaddr = net_macaddr,
};

static bool check_queue_size(const char *name, uint16_t size, Error **errp)
{
    if (size < 64 || size > VIRTQUEUE_MAX_SIZE || (size & (size - 1))) {
        error_setg(errp, "virtio-net: %s=%u; right is a power of two from 64 to %d", name, size,
                   VIRTQUEUE_MAX_SIZE);
        return false;
    }
    return true;
}

static void net_unrealize(DeviceState *dev)
{
    VirtIONet *n = (VirtIONet *)dev;
    virtio_cleanup(&n->vdev);
    if (n->nic) {
        net_client_free(n->nic);
        n->nic = NULL;
    }
    if (n->announce_timer) {
        timer_free(n->announce_timer);
        n->announce_timer = NULL;
    }
}

static bool net_realize(DeviceState *dev, Error **errp)
{
    VirtIONet *n = (VirtIONet *)dev;
    uint32_t config_len = n->host_mtu ? CONFIG_LEN_MTU : n->mq ? CONFIG_LEN_MQ : CONFIG_LEN_STATUS;
    if (!check_queue_size("rx_queue_size", n->rx_queue_size, errp) ||
        !check_queue_size("tx_queue_size", n->tx_queue_size, errp)) {
        return false;
    }
    net_default_macaddr(dev->machine, n->mac_prop);
    memcpy(n->mac, n->mac_prop, 6);
    n->announce_timer = timer_new_ns(dev->machine, QEMU_CLOCK_VIRTUAL, announce, n);
    virtio_net_filter_reset(&n->filter);
    virtio_init(&n->vdev, &net_ops, config_len, 3);
    n->rx = virtio_add_queue(&n->vdev, n->rx_queue_size, net_handle_rx);
    n->tx = virtio_add_queue(&n->vdev, n->tx_queue_size, net_handle_tx);
    if (n->ctrl_vq) {
        n->ctrl = virtio_add_queue(&n->vdev, 64, virtio_net_handle_ctrl);
    }
    n->status = NET_S_LINK_UP;
    n->nic = net_nic_new(dev->machine, &nic_ops, dev->id ? dev->id : "virtio-net", n, n->peer, errp);
    if (!n->nic || !virtio_plug(&n->vdev, errp)) {
        net_unrealize(dev);
        return false;
    }
    return true;
}

#define NET_BOOL(_name, _field, _desc) \
    {_name, PROP_BOOL, offsetof(VirtIONet, _field), "on", _desc}
#define NET_OFFLOAD(_name, _n) \
    {_name, PROP_BOOL, offsetof(VirtIONet, unused_offload[_n]), "off", \
     "accepted; no back end here offloads"}

static const Property net_props[] = {
    {"netdev", PROP_NETDEV, offsetof(VirtIONet, peer), NULL, "the back end"},
    {"mac", PROP_MACADDR, offsetof(VirtIONet, mac_prop), NULL, "address; else the next free default"},
    {"rx_queue_size", PROP_UINT16, offsetof(VirtIONet, rx_queue_size), "256", "default ring size"},
    {"tx_queue_size", PROP_UINT16, offsetof(VirtIONet, tx_queue_size), "256", "default ring size"},
    {"host_mtu", PROP_UINT16, offsetof(VirtIONet, host_mtu), "0", "MTU to advise, 0: none"},
    {"mq", PROP_BOOL, offsetof(VirtIONet, mq), "off", "offer several queue pairs (back ends have one)"},
    {"bootindex", PROP_INT32, offsetof(VirtIONet, bootindex), "-1", "accepted; the firmware decides"},
    NET_BOOL("mrg_rxbuf", mrg_rxbuf, "offer mergeable receive buffers"),
    NET_BOOL("status", status_prop, "offer the link status"),
    NET_BOOL("guest_announce", guest_announce, "offer announcements after a migration"),
    NET_BOOL("ctrl_vq", ctrl_vq, "offer the control queue"),
    NET_BOOL("ctrl_rx", ctrl_rx, "offer receive modes"),
    NET_BOOL("ctrl_vlan", ctrl_vlan, "offer the VLAN filter"),
    NET_BOOL("ctrl_rx_extra", ctrl_rx_extra, "offer more receive modes"),
    NET_BOOL("ctrl_mac_addr", ctrl_mac_addr, "offer the command that sets the address"),
    NET_BOOL("ctrl_guest_offloads", ctrl_guest_offloads, "offer the offload command"),
    NET_BOOL("gso", gso, "offer the legacy bit of that name"),
    NET_OFFLOAD("csum", 0), NET_OFFLOAD("guest_csum", 1), NET_OFFLOAD("guest_tso4", 2),
    NET_OFFLOAD("guest_tso6", 3), NET_OFFLOAD("guest_ecn", 4), NET_OFFLOAD("guest_ufo", 5),
    NET_OFFLOAD("host_tso4", 6), NET_OFFLOAD("host_tso6", 7), NET_OFFLOAD("host_ecn", 8),
    NET_OFFLOAD("host_ufo", 9),
    VIRTIO_COMMON_PROPS,
    {0},
};

const DeviceClass virtio_net_class = {
    .name = "virtio-net-device",
    .desc = "virtio network card",
    .parent = "virtio-device",
    .bus = "virtio-bus",
    .instance_size = sizeof(VirtIONet),
    .props = net_props,
    .user_creatable = true,
    .realize = net_realize,
    .unrealize = net_unrealize,
    .reset = virtio_reset,
    .vmsd = &vmstate_virtio_net,
};
