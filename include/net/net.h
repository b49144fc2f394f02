/*
 * net.h - network clients in pairs: a guest's NIC and the host's back end.
 *
 * Lobby.  Machine lock held, main loop's thread or a vCPU thread that holds the lock.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_NET_NET_H
#define GODWIT_NET_NET_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "util/error.h"

typedef struct Machine Machine;
typedef struct NetClientState NetClientState;

#define NET_PACKET_MAX (64 * 1024 + 64)     /* bytes of the largest frame, GSO included */

typedef struct NetClientOps {
    const char *type;           /* "user", "stream", "nic", … */
    /*
     * A frame from the peer. Returns its length when taken, 0 to have it queued until
     * net_flush_queued().
     */
    size_t (*receive)(NetClientState *nc, const struct iovec *iov, int niov);
    bool (*can_receive)(NetClientState *nc);        /* may be NULL: always */
    void (*link_status_changed)(NetClientState *nc);/* may be NULL */
    /* net_send() had returned 0 and the peer has taken everything since. May be NULL. */
    void (*sent)(NetClientState *nc);
    /* A NIC's address, 6 bytes. May be NULL: then it is not announced. */
    const uint8_t *(*macaddr)(NetClientState *nc);
    /*
     * A back end's cable to the host's network: pulled while the machine is with another process, so that a
     * switch looks for it where it is. May be NULL: it has none.
     */
    void (*plug)(NetClientState *nc, bool in);
    void (*cleanup)(NetClientState *nc);            /* frees opaque; may be NULL */
} NetClientOps;

struct NetClientState {
    const NetClientOps *ops;
    Machine *machine;
    char *name;                 /* id */
    char *info;                 /* one line for info network */
    NetClientState *peer;
    bool link_down;
    bool is_nic;                /* a guest's device and not a back end */
    void *opaque;
    struct NetQueue *incoming;  /* frames that this client could not take yet; private to net/net.c */
    NetClientState *next;
};

/*
 * -netdev as JSON {"type": "user"|"stream"|"socket"|"dgram"|"tap", "id": …, …}.
 * The machine owns the client.
 */
NetClientState *netdev_new(Machine *m, const json_t *options, Error **errp);
NetClientState *netdev_find(Machine *m, const char *id);
bool netdev_remove(Machine *m, const char *id, Error **errp);
const char *const *netdev_type_names(void);

/*
 * For back ends and NICs: registers a client. nic_new also connects it to back end peer (or NULL).
 */
NetClientState *net_client_new(Machine *m, const NetClientOps *ops, const char *name, void *opaque);
NetClientState *net_nic_new(Machine *m, const NetClientOps *ops, const char *name, void *opaque,
                            NetClientState *peer, Error **errp);
void net_client_free(NetClientState *nc);

/*
 * Sends a frame to nc's peer. Returns its length (also if dropped: link down, no peer, queue full),
 * 0 if a copy was queued: then do not send it again, and better nothing else before ops->sent()
 * comes.
 */
size_t net_send(NetClientState *nc, const struct iovec *iov, int niov);
/* nc can receive again: delivers what was queued for it. */
void net_flush_queued(NetClientState *nc);
/* Drops what is queued for nc and from it. */
void net_purge(NetClientState *nc);

/* Tells the network where each NIC is: one RARP frame from each (RFC 903), after a machine has moved. */
void net_announce_all(Machine *m);

bool net_set_link(Machine *m, const char *name, bool up, Error **errp);
/* The next free default address 52:54:00:12:34:56 + n, if mac is all zero. */
void net_default_macaddr(Machine *m, uint8_t mac[6]);
void net_foreach(Machine *m, void (*fn)(NetClientState *nc, void *opaque), void *opaque);

struct NetLayer *net_layer_new(Machine *m);
void net_layer_free(struct NetLayer *layer);

#endif
