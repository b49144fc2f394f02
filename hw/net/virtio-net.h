/*
 * virtio-net.h - what the two halves of the virtio network card share.
 *
 * Lobby. Machine lock held.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_HW_NET_VIRTIO_NET_H
#define GODWIT_HW_NET_VIRTIO_NET_H

#include "hw/virtio.h"
#include "net/net.h"
#include "system/clock.h"

enum {
    NET_F_CTRL_GUEST_OFFLOADS = 2, NET_F_MTU = 3, NET_F_MAC = 5, NET_F_GSO = 6, NET_F_MRG_RXBUF = 15,
    NET_F_STATUS = 16, NET_F_CTRL_VQ = 17, NET_F_CTRL_RX = 18, NET_F_CTRL_VLAN = 19,
    NET_F_CTRL_RX_EXTRA = 20, NET_F_GUEST_ANNOUNCE = 21, NET_F_MQ = 22, NET_F_CTRL_MAC_ADDR = 23,
};
enum { NET_S_LINK_UP = 1, NET_S_ANNOUNCE = 2 };

#define NET_MAC_TABLE 64            /* addresses that fit; more and everything of the kind passes */
#define NET_VLANS 4096

/* What the driver wants to receive. */
typedef struct NetFilter {
    uint8_t promisc, allmulti, alluni, nomulti, nouni, nobcast;
    uint8_t multi_overflow, uni_overflow;
    uint32_t in_use, first_multi;   /* macs[0 … first_multi) are unicast, the rest multicast */
    uint8_t macs[NET_MAC_TABLE][6];
    uint32_t vlans[NET_VLANS / 32];
} NetFilter;

typedef struct VirtIONet {
    VirtIODevice vdev;
    NetClientState *peer;           /* property netdev */
    NetClientState *nic;
    uint8_t mac_prop[6], mac[6];
    uint16_t rx_queue_size, tx_queue_size, host_mtu;
    int32_t bootindex;
    bool mrg_rxbuf, status_prop, guest_announce, ctrl_vq, ctrl_rx, ctrl_vlan, ctrl_rx_extra;
    bool ctrl_mac_addr, ctrl_guest_offloads, gso, mq;
    bool unused_offload[10];        /* offloads that no back end here has */
    VirtQueue *rx, *tx, *ctrl;
    uint16_t status;                /* NET_S_… */
    uint8_t last_status;            /* the device status when it was last set */
    NetFilter filter;
    bool arrived;                   /* came by migration, not started yet */
    unsigned announce_rounds;       /* still to ask for */
    QEMUTimer *announce_timer;
} VirtIONet;

/* ---- virtio-net-ctrl.c ---- */
void virtio_net_filter_reset(NetFilter *filter);
/* True if the driver wants the frame; len bytes of its start. */
bool virtio_net_filter_accepts(const VirtIONet *n, const uint8_t *frame, size_t len);
void virtio_net_handle_ctrl(VirtIODevice *vdev, VirtQueue *vq);
/* Finds first_multi after the table came by migration. */
void virtio_net_filter_resume(NetFilter *filter);
/* The driver acknowledged an announcement: asks for the next, or is done. */
void virtio_net_announce_acked(VirtIONet *n);

#endif
