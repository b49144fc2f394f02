/*
 * announce.c - tells switches where a machine is: one frame from each of its NICs.
 *
 * Lobby; below it net.c.  Machine lock held.
 * Frame (RFC 903, padded to Ethernet's 60 bytes): to everybody, type 0x8035; be16 hardware 1, be16 protocol
 * 0x0800, u8 6, u8 4, be16 operation 3 (request reverse), then sender and target: MAC, four bytes of zero each.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "net/net.h"
#include "system/machine.h"

#define FRAME_LEN 60

static void announce(NetClientState *nc, void *opaque)
{
    static const uint8_t head[] = { 0x80, 0x35, 0, 1, 8, 0, 6, 4, 0, 3 };
    uint8_t frame[FRAME_LEN] = { 0 };
    struct iovec iov = { .iov_base = frame, .iov_len = sizeof(frame) };
    if (!nc->is_nic || !nc->ops->macaddr || !nc->peer) {
        return;
    }
    const uint8_t *mac = nc->ops->macaddr(nc);
    memset(frame, 0xff, 6);
    memcpy(frame + 6, mac, 6);
    memcpy(frame + 12, head, sizeof(head));
    memcpy(frame + 22, mac, 6);
    memcpy(frame + 32, mac, 6);
    net_send(nc, &iov, 1);
}

void net_announce_all(Machine *m)
{
    if (m->net) {
        net_foreach(m, announce, NULL);
    }
}
