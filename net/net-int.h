/*
 * net-int.h - what the files of net/ share: the layer, and how a type of back end is made.
 *
 * Lobby, private to net/.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_NET_NET_INT_H
#define GODWIT_NET_NET_INT_H

#include "net/net.h"
#include "system/runstate.h"

struct NetLayer {
    Machine *machine;
    NetClientState *clients;    /* in order of creation */
    VMChangeStateEntry *vm_entry;
    uint32_t macs[8];           /* 256 bits: default addresses that have been given away */
};

/* Makes one back end of `-netdev`. options have the keys type and id besides the type's own. */
typedef NetClientState *NetdevInit(Machine *m, const char *id, const json_t *options, Error **errp);

NetdevInit net_user_init, net_stream_init, net_socket_init, net_dgram_init, net_tap_init;

/* The line for `info network`; takes text. */
void net_set_info(NetClientState *nc, char *text);

#endif
