/*
 * slirp.c - -netdev user: a small network inside the process, with the host's sockets behind it.
 *
 * Lobby; below it libslirp and the main loop.
 * Threads and locks: the machine's lock.  libslirp is entered from the main loop (a GSource that
 * watches its sockets) and from whoever sends a frame; it has no threads.
 * Invariant: before the main loop sleeps, the source watches exactly the descriptors that libslirp
 * names, and wakes when libslirp's next timeout is due.  libslirp's time is the virtual clock, so
 * that its connections do not time out while the machine is stopped.
 * What migrates: the section "slirp", libslirp's own: which guest has which address.  Connections
 * do not: they are sockets of this host, and end for the guest as if the network had lost them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <arpa/inet.h>
#include <errno.h>
#include <libslirp.h>
#include <string.h>

#include "migration/register.h"
#include "net/net-int.h"
#include "net/slirp-options.h"
#include "system/clock.h"
#include "system/machine.h"
#include "trace/net.h"
#include "util/iov.h"

#define CONFIG_VERSION 4        /* the fields up to disable_dhcp, and timer_new_opaque */

typedef struct NetUser NetUser;

/* A descriptor that the source watches. */
typedef struct SlirpPoll {
    int fd;
    GIOCondition events;
    gpointer tag;
    bool wanted;                /* libslirp has named it this time */
} SlirpPoll;

typedef struct SlirpSource {
    GSource source;             /* first: GLib allocates and counts it */
    NetUser *user;
    GArray *polls;              /* of SlirpPoll; its index is what libslirp is given */
    gint64 deadline_us;         /* g_source_get_time() of the next timeout, -1: none */
} SlirpSource;

struct NetUser {
    NetClientState *nc;
    Slirp *slirp;
    SlirpSource *source;
    GPtrArray *timers;          /* SlirpTimer that exist */
    VMStateDescription vmstate; /* its version is the library's */
};

typedef struct SlirpTimer {
    NetUser *user;
    SlirpTimerId id;
    void *cb_opaque;
    QEMUTimer *timer;
} SlirpTimer;

/* ---- the sockets and the main loop ---- */

static const struct {
    int slirp;
    GIOCondition glib;
} event_pairs[] = {
    { SLIRP_POLL_IN, G_IO_IN }, { SLIRP_POLL_OUT, G_IO_OUT }, { SLIRP_POLL_PRI, G_IO_PRI },
    { SLIRP_POLL_ERR, G_IO_ERR }, { SLIRP_POLL_HUP, G_IO_HUP },
};

static SlirpPoll *slirp_poll_at(SlirpSource *s, guint i)
{
    return &g_array_index(s->polls, SlirpPoll, i);
}

static int slirp_add_poll(int fd, int events, void *opaque)
{
    SlirpSource *s = opaque;
    GIOCondition wanted = 0;
    guint i;
    /* The library has its own names for poll()'s bits. */
    for (size_t n = 0; n < G_N_ELEMENTS(event_pairs); n++) {
        wanted |= events & event_pairs[n].slirp ? event_pairs[n].glib : 0;
    }
    for (i = 0; i < s->polls->len && slirp_poll_at(s, i)->fd != fd; i++) {
    }
    if (i == s->polls->len) {
        SlirpPoll new = { .fd = fd, .events = wanted, .wanted = true };
        new.tag = g_source_add_unix_fd(&s->source, fd, wanted);
        g_array_append_val(s->polls, new);
        return i;
    }
    SlirpPoll *poll = slirp_poll_at(s, i);
    /* Named twice in one round: both wishes count. */
    wanted |= poll->wanted ? poll->events : 0;
    poll->wanted = true;
    if (wanted != poll->events) {
        poll->events = wanted;
        g_source_modify_unix_fd(&s->source, poll->tag, wanted);
    }
    return i;
}

static void slirp_forget_unwanted(SlirpSource *s)
{
    for (guint i = 0; i < s->polls->len; i++) {
        SlirpPoll *poll = slirp_poll_at(s, i);
        if (poll->tag && !poll->wanted) {
            g_source_remove_unix_fd(&s->source, poll->tag);
            /* Its place stays, since indices were given out; it goes before the next round. */
            poll->tag = NULL;
            poll->fd = -1;
        }
    }
}

static gboolean slirp_source_prepare(GSource *source, gint *timeout_ms)
{
    SlirpSource *s = (SlirpSource *)source;
    uint32_t wait_ms = UINT32_MAX;
    for (guint i = s->polls->len; i-- > 0;) {
        if (!slirp_poll_at(s, i)->tag) {
            g_array_remove_index_fast(s->polls, i);
        } else {
            slirp_poll_at(s, i)->wanted = false;
        }
    }
    /* Asked before every sleep, since any frame may have changed the answer. */
    slirp_pollfds_fill(s->user->slirp, &wait_ms, slirp_add_poll, s);
    slirp_forget_unwanted(s);
    *timeout_ms = wait_ms == UINT32_MAX ? -1 : (gint)MIN(wait_ms, G_MAXINT);
    s->deadline_us = *timeout_ms < 0 ? -1 : g_get_monotonic_time() + *timeout_ms * 1000ll;
    return FALSE;
}

static gboolean slirp_source_check(GSource *source)
{
    SlirpSource *s = (SlirpSource *)source;
    for (guint i = 0; i < s->polls->len; i++) {
        SlirpPoll *poll = slirp_poll_at(s, i);
        if (poll->tag && g_source_query_unix_fd(source, poll->tag)) {
            return TRUE;
        }
    }
    /* A timeout is as good as an event: the library's timers run in slirp_pollfds_poll(). */
    return s->deadline_us >= 0 && g_get_monotonic_time() >= s->deadline_us;
}

static int slirp_get_revents(int idx, void *opaque)
{
    SlirpSource *s = opaque;
    int events = 0;
    /* A socket made since the last round has no place yet: nothing is ready. */
    if (idx < 0 || (guint)idx >= s->polls->len || !slirp_poll_at(s, idx)->tag) {
        return 0;
    }
    GIOCondition ready = g_source_query_unix_fd(&s->source, slirp_poll_at(s, idx)->tag);
    for (size_t n = 0; n < G_N_ELEMENTS(event_pairs); n++) {
        events |= ready & event_pairs[n].glib ? event_pairs[n].slirp : 0;
    }
    return events;
}

static gboolean slirp_source_dispatch(GSource *source, GSourceFunc func, gpointer data)
{
    SlirpSource *s = (SlirpSource *)source;
    (void)func;
    (void)data;
    slirp_pollfds_poll(s->user->slirp, 0, slirp_get_revents, s);
    return G_SOURCE_CONTINUE;
}

static void slirp_source_finalize(GSource *source)
{
    g_array_unref(((SlirpSource *)source)->polls);
}

static GSourceFuncs slirp_source_funcs = {
    .prepare = slirp_source_prepare,
    .check = slirp_source_check,
    .dispatch = slirp_source_dispatch,
    .finalize = slirp_source_finalize,
};

static void slirp_source_start(NetUser *user, Machine *m)
{
    SlirpSource *s = (SlirpSource *)g_source_new(&slirp_source_funcs, sizeof(SlirpSource));
    s->user = user;
    s->polls = g_array_new(FALSE, TRUE, sizeof(SlirpPoll));
    user->source = s;
    g_source_attach(&s->source, main_loop_context(m->loop));
}

/* ---- what libslirp asks for ---- */

static ssize_t slirp_send_packet(const void *buf, size_t len, void *opaque)
{
    NetUser *user = opaque;
    struct iovec iov = { .iov_base = (void *)buf, .iov_len = len };
    /* Queued or dropped, it is gone for the library: TCP repeats, datagrams may be lost. */
    net_send(user->nc, &iov, 1);
    return len;
}

static void slirp_guest_error(const char *text, void *opaque)
{
    NetUser *user = opaque;
    trace_net_slirp_guest_error(user->nc->name, text);
}

static int64_t slirp_clock_get_ns(void *opaque)
{
    NetUser *user = opaque;
    return qemu_clock_get_ns(user->nc->machine, QEMU_CLOCK_VIRTUAL);
}

static void slirp_timer_expired(void *opaque)
{
    SlirpTimer *t = opaque;
    slirp_handle_timer(t->user->slirp, t->id, t->cb_opaque);
}

/* The timers of router advertisements; TCP's are part of the poll timeout. */
static void *slirp_timer_new_opaque(SlirpTimerId id, void *cb_opaque, void *opaque)
{
    NetUser *user = opaque;
    SlirpTimer *t = g_new0(SlirpTimer, 1);
    t->user = user;
    t->id = id;
    t->cb_opaque = cb_opaque;
    t->timer = timer_new_ns(user->nc->machine, QEMU_CLOCK_VIRTUAL, slirp_timer_expired, t);
    g_ptr_array_add(user->timers, t);
    return t;
}

static void slirp_timer_free(void *timer, void *opaque)
{
    NetUser *user = opaque;
    SlirpTimer *t = timer;
    g_ptr_array_remove(user->timers, t);
    timer_free(t->timer);
    g_free(t);
}

static void slirp_timer_mod(void *timer, int64_t expire_ms, void *opaque)
{
    SlirpTimer *t = timer;
    (void)opaque;
    timer_mod(t->timer, expire_ms * 1000000);
}

static void slirp_poll_fd_changed(int fd, void *opaque)
{
    /* The source asks for the descriptors before each sleep; there is nothing to keep. */
    (void)fd;
    (void)opaque;
}

static void slirp_notify(void *opaque)
{
    NetUser *user = opaque;
    main_loop_wake(user->nc->machine->loop);
}

static const SlirpCb slirp_callbacks = {
    .send_packet = slirp_send_packet,
    .guest_error = slirp_guest_error,
    .clock_get_ns = slirp_clock_get_ns,
    .timer_free = slirp_timer_free,
    .timer_mod = slirp_timer_mod,
    .register_poll_fd = slirp_poll_fd_changed,
    .unregister_poll_fd = slirp_poll_fd_changed,
    .notify = slirp_notify,
    .timer_new_opaque = slirp_timer_new_opaque,
};

/* ---- what migrates ---- */

static ssize_t slirp_put_state(const void *buf, size_t len, void *opaque)
{
    qemu_put_buffer(opaque, buf, len);
    return len;
}

static ssize_t slirp_get_state(void *buf, size_t len, void *opaque)
{
    qemu_get_buffer(opaque, buf, len);
    return len;
}

static bool net_user_save(QEMUFile *f, void *opaque, Error **errp)
{
    NetUser *user = opaque;
    (void)errp;
    slirp_state_save(user->slirp, slirp_put_state, f);
    return true;
}

static bool net_user_load(QEMUFile *f, void *opaque, int version_id, Error **errp)
{
    NetUser *user = opaque;
    /*
     * The state begins with the connections of guestfwd rules, each behind a byte that is not 0.
     * There are no such rules here, and what else would be in that place is nothing to hand to the
     * library.
     */
    if (qemu_peek_byte(f, 0) > 0) {
        error_setg(errp,
                   "netdev '%s': the source has a guestfwd connection, which cannot be taken over",
                   user->nc->name);
        return false;
    }
    if (slirp_state_load(user->slirp, version_id, slirp_get_state, f) < 0) {
        error_setg(errp, "netdev '%s': libslirp does not understand the state", user->nc->name);
        return false;
    }
    return true;
}

static const VMStateField net_user_no_fields[] = { VMSTATE_END_OF_LIST() };

static bool net_user_register(NetUser *user, Machine *m, Error **errp)
{
    user->vmstate = (VMStateDescription){
        .name = "slirp",
        .version_id = slirp_state_version(),
        .minimum_version_id = 1,
        .fields = net_user_no_fields,
        .save_blob = net_user_save,
        .load_blob = net_user_load,
    };
    /* A bare machine, as in tests, has no registry. */
    return !m->savevm ||
           vmstate_register(m, NULL, VMSTATE_INSTANCE_ID_ANY, &user->vmstate, user, errp);
}

/* ---- the client ---- */

static size_t net_user_receive(NetClientState *nc, const struct iovec *iov, int niov)
{
    NetUser *user = nc->opaque;
    size_t len = iov_size(iov, niov);
    if (niov == 1) {
        slirp_input(user->slirp, iov[0].iov_base, len);
    } else {
        g_autofree uint8_t *frame = g_malloc(len);
        iov_to_buf(iov, niov, 0, frame, len);
        slirp_input(user->slirp, frame, len);
    }
    /* New sockets and timeouts: the main loop may be asleep with the old ones. */
    main_loop_wake(nc->machine->loop);
    return len;
}

static void net_user_cleanup(NetClientState *nc)
{
    NetUser *user = nc->opaque;
    if (nc->machine->savevm && user->vmstate.name) {
        vmstate_unregister(nc->machine, &user->vmstate, user);
    }
    /* First nothing may call into the library any more, then it may go. */
    if (user->source) {
        g_source_destroy(&user->source->source);
        g_source_unref(&user->source->source);
    }
    if (user->slirp) {
        slirp_cleanup(user->slirp);
    }
    while (user->timers->len) {
        slirp_timer_free(g_ptr_array_index(user->timers, 0), user);
    }
    g_ptr_array_unref(user->timers);
    g_free(user);
}

static const NetClientOps net_user_ops = {
    .type = "user",
    .receive = net_user_receive,
    .cleanup = net_user_cleanup,
};

/* The library copies the texts and addresses of the config. */
static Slirp *slirp_start(NetUser *user, SlirpOptions *o)
{
    if (o->dnssearch) {
        g_ptr_array_add(o->dnssearch, NULL);
    }
    SlirpConfig config = {
        .version = CONFIG_VERSION,
        .restricted = o->restricted,
        .in_enabled = o->ipv4,
        .vnetwork = o->net,
        .vnetmask = o->mask,
        .vhost = o->host,
        .in6_enabled = o->ipv6,
        .vprefix_addr6 = o->prefix6,
        .vprefix_len = o->prefix6_len,
        .vhost6 = o->host6,
        .vhostname = o->hostname,
        .tftp_server_name = o->tftp_server_name,
        .tftp_path = o->tftp,
        .bootfile = o->bootfile,
        .vdhcp_start = o->dhcp_start,
        .vnameserver = o->dns,
        .vnameserver6 = o->dns6,
        .vdnssearch = o->dnssearch ? (const char **)o->dnssearch->pdata : NULL,
        .vdomainname = o->domainname,
    };
    return slirp_new(&config, &slirp_callbacks, user);
}

static bool slirp_add_forwards(NetUser *user, const SlirpOptions *o, Error **errp)
{
    for (guint i = 0; i < o->forwards->len; i++) {
        const SlirpForward *f = &g_array_index(o->forwards, SlirpForward, i);
        if (slirp_add_hostfwd(user->slirp, f->udp, f->host, f->host_port, f->guest,
                              f->guest_port) < 0) {
            char host[INET_ADDRSTRLEN];
            inet_ntop(AF_INET, &f->host, host, sizeof(host));
            error_setg_errno(errp, errno, "Could not set up host forwarding of %s port %s:%u",
                             f->udp ? "udp" : "tcp", host, f->host_port);
            return false;
        }
    }
    return true;
}

NetClientState *net_user_init(Machine *m, const char *id, const json_t *options, Error **errp)
{
    SlirpOptions o;
    if (!slirp_options_read(&o, options, errp)) {
        slirp_options_clear(&o);
        return NULL;
    }
    NetUser *user = g_new0(NetUser, 1);
    NetClientState *nc = net_client_new(m, &net_user_ops, id, user);
    user->nc = nc;
    user->timers = g_ptr_array_new();
    user->slirp = slirp_start(user, &o);
    if (!user->slirp) {
        error_setg(errp, "netdev '%s': libslirp refuses these options", id);
    }
    if (!user->slirp || !slirp_add_forwards(user, &o, errp) || !net_user_register(user, m, errp)) {
        net_client_free(nc);
        slirp_options_clear(&o);
        return NULL;
    }
    slirp_source_start(user, m);
    char net[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, &o.net, net, sizeof(net));
    unsigned bits = __builtin_popcount(o.mask.s_addr);
    net_set_info(nc,
                 g_strdup_printf("net=%s/%u,restrict=%s", net, bits, o.restricted ? "on" : "off"));
    slirp_options_clear(&o);
    return nc;
}
