/*
 * rdma.c - migration over remote memory access: addresses, connecting, accepting.
 *
 * Floor F2; below it libfabric, through the endpoint.  No state; any thread.
 * Of libfabric's providers verbs is taken where there is hardware for the address, and tcp elsewhere: both have
 * connected endpoints (FI_EP_MSG) with messages and remote writes.
 * Invariant: a peer that does not greet as this program does is turned away, and the next one is waited for.
 *
 * "rdma:HOST:PORT"; "[V6]" for an IPv6 address, an empty host for every interface (or the loopback, when
 * connecting).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>

#include "io/socket.h"
#include "migration/rdma-internal.h"
#include "migration/resolve.h"

/* What a peer that has asked for a connection may take to complete it. */
#define GREET_MS 5000
/* So many bad events in a row mean that no good one will come. */
#define FAILURES_MAX 1000

/* ---- addresses ---- */

static bool rdma_parse(const char *rest, json_t *args, Error **errp)
{
    return migration_args_set_inet(args, rest, "rdma", errp);
}

static bool rdma_check(const json_t *args, Error **errp)
{
    static const MigrationArg keys[] = {
        { "host", JSON_STRING, true }, { "port", JSON_STRING, true }, { NULL },
    };
    return migration_args_check(args, keys, "rdma", errp) && migration_args_check_inet(args, "rdma", errp);
}

static char *rdma_text(const json_t *args)
{
    const char *host = migration_args_str(args, "host"), *port = migration_args_str(args, "port");
    return g_strdup_printf(strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
}

static struct addrinfo *rdma_resolve(const MigrationAddress *address, bool passive, int cancel_fd, Error **errp)
{
    const ResolveQuery query = {
        .host = migration_args_str(address->args, "host"),
        .port = migration_args_str(address->args, "port"),
        .family = AF_UNSPEC,
        .passive = passive,
    };
    return migration_resolve(&query, cancel_fd, errp);
}

/* ---- providers ---- */

static struct fi_info *new_hints(const RdmaLibrary *lib)
{
    struct fi_info *hints = lib->dupinfo(NULL);
    hints->caps = FI_MSG | FI_RMA | FI_SEND | FI_RECV | FI_WRITE | FI_REMOTE_WRITE;
    hints->ep_attr->type = FI_EP_MSG;
    /* A message behind a write arrives behind it, and writes arrive in their order. */
    hints->tx_attr->msg_order = hints->rx_attr->msg_order = FI_ORDER_SAW | FI_ORDER_WAW | FI_ORDER_SAS;
    hints->addr_format = FI_SOCKADDR;
    hints->domain_attr->mr_mode = FI_MR_LOCAL | FI_MR_VIRT_ADDR | FI_MR_ALLOCATED | FI_MR_PROV_KEY;
    hints->domain_attr->threading = FI_THREAD_SAFE;
    return hints;
}

/* The best of a list; NULL: none of those that are known to do what is needed. */
static struct fi_info *choose(struct fi_info *list)
{
    static const char *const providers[] = { "verbs", "tcp" };
    for (size_t i = 0; i < G_N_ELEMENTS(providers); i++) {
        for (struct fi_info *info = list; info; info = info->next) {
            if (g_strcmp0(info->fabric_attr->prov_name, providers[i]) == 0) {
                return info;
            }
        }
    }
    return NULL;
}

/* What libfabric offers for that address; NULL with *errp set. */
static struct fi_info *find_provider(const RdmaLibrary *lib, const struct addrinfo *ai, bool passive, Error **errp)
{
    char host[NI_MAXHOST], port[NI_MAXSERV];
    struct fi_info *list = NULL, *info = NULL, *hints = new_hints(lib);
    int failed = getnameinfo(ai->ai_addr, ai->ai_addrlen, host, sizeof(host), port, sizeof(port),
                             NI_NUMERICHOST | NI_NUMERICSERV);
    if (!failed && lib->getinfo(RDMA_API, host, port, passive ? FI_SOURCE : 0, hints, &list) == 0 && choose(list)) {
        info = lib->dupinfo(choose(list));
    }
    if (!info) {
        const char *filter = g_getenv("FI_PROVIDER");
        error_setg(errp, "no provider of libfabric fits %s: verbs (with its hardware) or tcp is needed%s%s%s",
                   failed ? "the address" : host, filter ? "; FI_PROVIDER=" : "", filter ? filter : "",
                   filter ? " is set" : "");
    }
    lib->freeinfo(hints);
    if (list) {
        lib->freeinfo(list);
    }
    return info;
}

/* ---- connecting ---- */

/* Sends the request and waits for the answer. */
static bool greet(RdmaEndpoint *e, const char *name, int cancel_fd, RdmaGreeting *peer, Error **errp)
{
    g_autofree char *doing = g_strdup_printf("connecting to %s", name);
    uint8_t greeting[RDMA_GREETING_SIZE];
    RdmaEvent event;
    rdma_greeting_put(greeting);
    int result = fi_connect(e->ep, e->info->dest_addr, greeting, sizeof(greeting));
    if (result) {
        rdma_error(errp, e->fabric->lib, result, doing);
        return false;
    }
    if (!rdma_wait_event(e->fabric, e->eq, cancel_fd, -1, doing, &event, errp)) {
        return false;
    }
    if (event.type != FI_CONNECTED) {
        error_setg(errp, "%s: the peer has hung up", doing);
        return false;
    }
    return rdma_greeting_get(event.data, event.size, peer, errp);
}

static MigrationChannel *connect_one(const RdmaLibrary *lib, const struct addrinfo *ai, const char *name,
                                     int cancel_fd, Error **errp)
{
    RdmaGreeting peer;
    struct fi_info *info = find_provider(lib, ai, false, errp);
    if (!info) {
        return NULL;
    }
    RdmaFabric *fabric = rdma_fabric_new(lib, info, errp);
    RdmaEndpoint *e = fabric ? rdma_endpoint_new(fabric, info, errp) : NULL;
    if (!fabric) {
        lib->freeinfo(info);
    }
    rdma_fabric_unref(fabric);
    RdmaChannel *c = e ? rdma_channel_new(name, e, errp) : NULL;
    if (!c) {
        return NULL;
    }
    if (!greet(e, name, cancel_fd, &peer, errp)) {
        rdma_channel_free(c);
        return NULL;
    }
    return rdma_channel_start(c, &peer, true);
}

static bool is_cancelled(int cancel_fd)
{
    return !migration_wait_fd(-1, 0, cancel_fd, 0, "", NULL);
}

static MigrationChannel *rdma_connect(const MigrationAddress *address, const MigrationConnectContext *ctx,
                                      Error **errp)
{
    const RdmaLibrary *lib = rdma_library(ctx->cancel_fd, errp);
    struct addrinfo *list = lib ? rdma_resolve(address, false, ctx->cancel_fd, errp) : NULL;
    MigrationChannel *ch = NULL;
    Error *err = NULL;
    for (struct addrinfo *ai = list; ai && !ch && !is_cancelled(ctx->cancel_fd); ai = ai->ai_next) {
        g_clear_pointer(&err, error_free);
        ch = connect_one(lib, ai, address->uri, ctx->cancel_fd, &err);
    }
    if (!ch && list) {
        if (!err) {
            error_setg(&err, "connecting to %s was cancelled", address->uri);
        }
        error_propagate(errp, err);
    } else {
        error_free(err);
    }
    if (list) {
        freeaddrinfo(list);
    }
    return ch;
}

/* ---- listening ---- */

typedef struct RdmaListener {
    MigrationListener parent;
    RdmaFabric *fabric;
    struct fi_info *info;
    struct fid_eq *eq;
    struct fid_pep *pep;
} RdmaListener;

/* Answers the request with an endpoint of its own; NULL: that peer is none. Takes info. */
static MigrationChannel *answer(RdmaListener *rl, struct fi_info *info, const RdmaGreeting *peer, int cancel_fd,
                                Error **errp)
{
    g_autofree char *doing = g_strdup_printf("accepting on %s", rl->parent.name);
    uint8_t greeting[RDMA_GREETING_SIZE];
    RdmaEvent event;
    RdmaEndpoint *e = rdma_endpoint_new(rl->fabric, info, errp);
    RdmaChannel *c = e ? rdma_channel_new(rl->parent.name, e, errp) : NULL;
    if (!c) {
        return NULL;
    }
    rdma_greeting_put(greeting);
    int result = fi_accept(e->ep, greeting, sizeof(greeting));
    if (result) {
        rdma_error(errp, rl->fabric->lib, result, doing);
    } else if (rdma_wait_event(rl->fabric, e->eq, cancel_fd, GREET_MS, doing, &event, errp)) {
        if (event.type == FI_CONNECTED) {
            return rdma_channel_start(c, peer, false);
        }
        error_setg(errp, "%s: the peer did not complete the connection", doing);
    }
    rdma_channel_free(c);
    return NULL;
}

static MigrationChannel *rdma_listener_accept(MigrationListener *l, int cancel_fd, Error **errp)
{
    RdmaListener *rl = (RdmaListener *)l;
    g_autofree char *doing = g_strdup_printf("waiting on %s", l->name);
    unsigned failures = 0;
    for (;;) {
        RdmaEvent event;
        RdmaGreeting peer;
        Error *err = NULL;
        bool ok = rdma_wait_event(rl->fabric, rl->eq, cancel_fd, -1, doing, &event, &err);
        if (is_cancelled(cancel_fd)) {
            if (ok && event.info) {
                rl->fabric->lib->freeinfo(event.info);
            }
            error_free(err);
            error_setg(errp, "%s was cancelled", doing);
            return NULL;
        }
        if (ok && event.type == FI_CONNREQ) {
            if (rdma_greeting_get(event.data, event.size, &peer, NULL)) {
                MigrationChannel *ch = answer(rl, event.info, &peer, cancel_fd, &err);
                if (ch) {
                    return ch;
                }
            } else {
                fi_reject(rl->pep, event.info->handle, NULL, 0);
                rl->fabric->lib->freeinfo(event.info);
            }
        }
        if (!ok && ++failures == FAILURES_MAX) {
            error_propagate(errp, err);
            return NULL;
        }
        failures = ok ? 0 : failures;
        /* Whoever that was, it is not the peer that is waited for. */
        error_free(err);
    }
}

static void rdma_listener_free(MigrationListener *l)
{
    RdmaListener *rl = (RdmaListener *)l;
    if (rl->pep) {
        fi_close(&rl->pep->fid);
    }
    if (rl->eq) {
        fi_close(&rl->eq->fid);
    }
    if (rl->info) {
        rl->fabric->lib->freeinfo(rl->info);
    }
    rdma_fabric_unref(rl->fabric);
    g_free(l->name);
    g_free(l);
}

static const MigrationListenerOps rdma_listener_ops = {
    .accept = rdma_listener_accept,
    .free = rdma_listener_free,
};

/* Opens the passive endpoint and listens; a negative errno. */
static int listen_on(RdmaListener *rl)
{
    struct fi_eq_attr attr = { .wait_obj = FI_WAIT_FD };
    int result = fi_eq_open(rl->fabric->fid, &attr, &rl->eq, NULL);
    if (!result) {
        result = fi_passive_ep(rl->fabric->fid, rl->info, &rl->pep, NULL);
    }
    if (!result) {
        result = fi_pep_bind(rl->pep, &rl->eq->fid, 0);
    }
    return result ? result : fi_listen(rl->pep);
}

/* Where it really listens. */
static char *listener_name(RdmaListener *rl, const char *uri)
{
    struct sockaddr_storage ss;
    size_t len = sizeof(ss);
    char host[NI_MAXHOST], port[NI_MAXSERV];
    if (fi_getname(&rl->pep->fid, &ss, &len) != 0 ||
        getnameinfo((struct sockaddr *)&ss, (socklen_t)len, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0) {
        return g_strdup(uri);
    }
    return g_strdup_printf(strchr(host, ':') ? "rdma:[%s]:%s" : "rdma:%s:%s", host, port);
}

static MigrationListener *listen_one(const RdmaLibrary *lib, const struct addrinfo *ai, const char *uri,
                                     Error **errp)
{
    RdmaListener *rl = g_new0(RdmaListener, 1);
    rl->parent.ops = &rdma_listener_ops;
    rl->info = find_provider(lib, ai, true, errp);
    rl->fabric = rl->info ? rdma_fabric_new(lib, rl->info, errp) : NULL;
    if (rl->fabric) {
        int result = listen_on(rl);
        if (!result) {
            rl->parent.name = listener_name(rl, uri);
            return &rl->parent;
        }
        g_autofree char *doing = g_strdup_printf("cannot listen on %s", uri);
        rdma_error(errp, lib, result, doing);
    } else if (rl->info) {
        lib->freeinfo(g_steal_pointer(&rl->info));
    }
    rdma_listener_free(&rl->parent);
    return NULL;
}

static MigrationListener *rdma_listen(const MigrationAddress *address, const MigrationConnectContext *ctx,
                                      Error **errp)
{
    const RdmaLibrary *lib = rdma_library(ctx->cancel_fd, errp);
    struct addrinfo *list = lib ? rdma_resolve(address, true, ctx->cancel_fd, errp) : NULL;
    MigrationListener *l = list ? listen_one(lib, list, address->uri, errp) : NULL;
    if (list) {
        freeaddrinfo(list);
    }
    return l;
}

const MigrationTransport migration_transport_rdma = {
    .scheme = "rdma",
    .old_scheme = "x-rdma",
    .transport = "rdma",
    .parse = rdma_parse,
    .check = rdma_check,
    .text = rdma_text,
    .connect = rdma_connect,
    .listen = rdma_listen,
};
