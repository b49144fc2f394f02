/*
 * rdma-channel.c - a stream of bytes over an endpoint: messages, credits, and the ends of a channel.
 *
 * Floor F2; below it the endpoint.
 * Threads: one reader, one writer, the endpoint's serving thread, and any thread in shutdown; all meet under
 * `lock`.  A message's bytes belong to whoever has taken it off a list.
 * Invariant: DATA is sent only for a credit, so that there is a posted receive for it, and the receives beyond
 * those are enough for everything else: no peer of ours ever waits for a receive, and one that sends more than it
 * may costs no memory.
 *
 * Wire format: rdma-channel.h.  The greeting, in the connection's private data: be32 "GWRD", be32 version,
 * be32 messages, be32 bytes of a message.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>

#include "migration/rdma-channel.h"

#define GREETING_MAGIC 0x47575244u
#define GREETING_VERSION 1
#define RETRY_US 1000
/* What an accepted channel waits at most for its last words to arrive: its close must not block. */
#define LAST_WORD_US (200 * 1000)

static RdmaChannel *rdma_channel(MigrationChannel *ch)
{
    return (RdmaChannel *)ch;
}

/* ---- greeting ---- */

static void put_be32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++) {
        p[i] = (uint8_t)(v >> (24 - 8 * i));
    }
}

static uint32_t be32_of(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

void rdma_greeting_put(uint8_t wire[RDMA_GREETING_SIZE])
{
    put_be32(wire, GREETING_MAGIC);
    put_be32(wire + 4, GREETING_VERSION);
    put_be32(wire + 8, RDMA_DATA_MESSAGES);
    put_be32(wire + 12, RDMA_MESSAGE_SIZE);
}

bool rdma_greeting_get(const uint8_t *wire, size_t size, RdmaGreeting *greeting, Error **errp)
{
    if (size < RDMA_GREETING_SIZE || be32_of(wire) != GREETING_MAGIC) {
        error_setg(errp, "the peer does not speak this program's rdma protocol");
        return false;
    }
    if (be32_of(wire + 4) != GREETING_VERSION) {
        error_setg(errp, "the peer speaks version %u of the rdma protocol, this program %u", be32_of(wire + 4),
                   GREETING_VERSION);
        return false;
    }
    greeting->messages = be32_of(wire + 8);
    greeting->message_size = be32_of(wire + 12);
    if (greeting->messages < 1 || greeting->messages > UINT16_MAX ||
        greeting->message_size < RDMA_HEAD + RDMA_CONTROL_MAX || greeting->message_size > (1u << 30)) {
        error_setg(errp, "the peer has room for %u messages of %u bytes, with which nothing can be done",
                   greeting->messages, greeting->message_size);
        return false;
    }
    return true;
}

/* ---- lists ---- */

static void list_init(RdmaList *list)
{
    list->first = NULL;
    list->last = &list->first;
}

static void list_append(RdmaList *list, RdmaMessage *m)
{
    m->next = NULL;
    *list->last = m;
    list->last = &m->next;
}

static RdmaMessage *list_take(RdmaList *list)
{
    RdmaMessage *m = list->first;
    if (m) {
        list->first = m->next;
        if (!list->first) {
            list->last = &list->first;
        }
    }
    return m;
}

/* ---- state ---- */

void rdma_channel_fail_locked(RdmaChannel *c, const char *format, ...)
{
    va_list ap;
    if (!c->end) {
        va_start(ap, format);
        c->end = g_strdup_vprintf(format, ap);
        va_end(ap);
    }
    g_cond_broadcast(&c->readable);
    g_cond_broadcast(&c->writable);
}

void rdma_channel_failed_locked(RdmaChannel *c, const char *doing, int error)
{
    if (error == FI_ECANCELED) {
        /* What was under way when the connection ended. */
        rdma_channel_fail_locked(c, "the peer has hung up");
    } else {
        rdma_channel_fail_locked(c, "%s failed: %s", doing, c->e->fabric->lib->strerror(error));
    }
}

bool rdma_channel_usable_locked(RdmaChannel *c, Error **errp)
{
    if (c->down) {
        error_setg(errp, "the channel %s was shut down", c->parent.name);
    } else if (c->end) {
        error_setg(errp, "the channel %s has ended: %s", c->parent.name, c->end);
    }
    return !c->down && !c->end;
}

/* ---- sending ---- */

static void put_head_locked(RdmaChannel *c, RdmaMessage *m, RdmaType type, unsigned credits)
{
    m->bytes[0] = (uint8_t)type;
    m->bytes[1] = 0;
    m->bytes[2] = (uint8_t)(credits >> 8);
    m->bytes[3] = (uint8_t)credits;
    put_be32(m->bytes + 4, (uint32_t)(m->length - RDMA_HEAD));
}

/* 0: under way. -FI_EAGAIN: the queue is full. Otherwise the channel has failed. */
static ssize_t post_locked(RdmaChannel *c, RdmaMessage *m, RdmaType type)
{
    unsigned credits = c->give_back;
    struct iovec iov = { .iov_base = m->bytes, .iov_len = m->length };
    put_head_locked(c, m, type, credits);
    ssize_t result = rdma_endpoint_send(c->e, &iov, &c->slab_memory, type == RDMA_END, &m->op);
    if (result == 0) {
        c->give_back -= credits;
        c->sending++;
    } else if (result != -FI_EAGAIN) {
        rdma_channel_failed_locked(c, "sending", (int)-result);
    }
    return result;
}

/* What comes next of that which costs no credit; 0: nothing. */
static RdmaType next_control_locked(RdmaChannel *c, RdmaMessage *m)
{
    const RdmaControl *first = &c->waiting[0];
    m->length = RDMA_HEAD;
    if (c->waiting_count) {
        memcpy(m->bytes + RDMA_HEAD, first->bytes, first->length);
        m->length += first->length;
        return first->type;
    }
    return c->give_back >= RDMA_DATA_MESSAGES / 2 ? RDMA_CREDIT : 0;
}

/* Sends what waits, as far as there is room. */
static void pump_locked(RdmaChannel *c)
{
    while (c->free_control.first && !c->down && !c->end) {
        RdmaMessage *m = c->free_control.first;
        RdmaType type = next_control_locked(c, m);
        if (!type || post_locked(c, m, type) != 0) {
            return;
        }
        list_take(&c->free_control);
        if (type != RDMA_CREDIT) {
            c->waiting_count--;
            memmove(c->waiting, c->waiting + 1, c->waiting_count * sizeof(RdmaControl));
        }
    }
}

bool rdma_channel_control_locked(RdmaChannel *c, RdmaType type, const void *bytes, size_t length)
{
    if (c->waiting_count == RDMA_CONTROL_MESSAGES || length > RDMA_CONTROL_MAX) {
        return false;
    }
    RdmaControl *control = &c->waiting[c->waiting_count++];
    control->type = (uint8_t)type;
    control->length = (uint16_t)length;
    if (length) {
        memcpy(control->bytes, bytes, length);
    }
    pump_locked(c);
    return true;
}

static void sent(RdmaOp *op, size_t bytes, int error)
{
    RdmaMessage *m = (RdmaMessage *)op;
    RdmaChannel *c = m->channel;
    g_mutex_lock(&c->lock);
    list_append(m->is_control ? &c->free_control : &c->free_data, m);
    c->sending--;
    if (error) {
        rdma_channel_failed_locked(c, "sending", error);
    }
    pump_locked(c);
    g_cond_signal(&c->writable);
    g_mutex_unlock(&c->lock);
}

/* A message to fill, and the right to send it; NULL with *errp set. */
static RdmaMessage *take_data_locked(RdmaChannel *c, Error **errp)
{
    while (rdma_channel_usable_locked(c, NULL) && (!c->credits || !c->free_data.first)) {
        g_cond_wait(&c->writable, &c->lock);
    }
    if (!rdma_channel_usable_locked(c, errp)) {
        return NULL;
    }
    c->credits--;
    return list_take(&c->free_data);
}

/* False: it was not sent, and never will be. */
static bool send_data_locked(RdmaChannel *c, RdmaMessage *m, Error **errp)
{
    ssize_t result = -FI_EAGAIN;
    while (result == -FI_EAGAIN && rdma_channel_usable_locked(c, NULL)) {
        result = post_locked(c, m, RDMA_DATA);
        if (result == -FI_EAGAIN) {
            g_cond_wait_until(&c->writable, &c->lock, g_get_monotonic_time() + RETRY_US);
        }
    }
    if (result != 0) {
        list_append(&c->free_data, m);
        rdma_channel_usable_locked(c, errp);
    }
    return result == 0;
}

/* Moves bytes from the front of iov into the message until one of them is used up. */
static void fill(RdmaMessage *m, size_t room, struct iovec **iov, int *niov)
{
    m->length = RDMA_HEAD;
    while (*niov && m->length < room) {
        size_t n = MIN((*iov)->iov_len, room - m->length);
        memcpy(m->bytes + m->length, (*iov)->iov_base, n);
        m->length += n;
        (*iov)->iov_base = (char *)(*iov)->iov_base + n;
        (*iov)->iov_len -= n;
        if (!(*iov)->iov_len) {
            (*iov)++;
            (*niov)--;
        }
    }
}

static bool rdma_channel_writev(MigrationChannel *ch, struct iovec *iov, int niov, Error **errp)
{
    RdmaChannel *c = rdma_channel(ch);
    size_t room = MIN(RDMA_MESSAGE_SIZE, c->peer.message_size);
    bool ok = true;
    while (ok && niov) {
        g_mutex_lock(&c->lock);
        RdmaMessage *m = take_data_locked(c, errp);
        g_mutex_unlock(&c->lock);
        if (!m) {
            return false;
        }
        fill(m, room, &iov, &niov);
        g_mutex_lock(&c->lock);
        ok = send_data_locked(c, m, errp);
        g_mutex_unlock(&c->lock);
    }
    return ok;
}

/* ---- receiving ---- */

static void post_receive_locked(RdmaChannel *c, RdmaMessage *m)
{
    struct iovec iov = { .iov_base = m->bytes, .iov_len = RDMA_MESSAGE_SIZE };
    ssize_t result = rdma_endpoint_receive(c->e, &iov, &c->slab_memory, &m->op);
    if (result == -FI_EAGAIN) {
        list_append(&c->unposted, m);
    } else if (result < 0 && !c->down) {
        rdma_channel_failed_locked(c, "receiving", (int)-result);
    }
}

/* Takes the message off our hands, or leaves it to be posted again. False: it has no meaning. */
static bool handle_locked(RdmaChannel *c, RdmaMessage *m, bool *kept)
{
    uint8_t type = m->bytes[0];
    unsigned credits = (unsigned)m->bytes[2] << 8 | m->bytes[3];
    size_t length = m->length - RDMA_HEAD;
    if (be32_of(m->bytes + 4) != length || m->bytes[1] || credits > c->peer.messages - c->credits) {
        return false;
    }
    c->credits += credits;
    switch (type) {
    case RDMA_DATA:
        *kept = length && c->received_count < RDMA_DATA_MESSAGES && !c->peer_ended;
        if (*kept) {
            m->at = RDMA_HEAD;
            list_append(&c->received, m);
            c->received_count++;
        }
        return *kept;
    case RDMA_CREDIT:
        return !length;
    case RDMA_END:
        c->peer_ended = c->peer_ended || !length;
        return !length;
    default:
        return rdma_direct_message_locked(c, type, m->bytes + RDMA_HEAD, length);
    }
}

static void received(RdmaOp *op, size_t bytes, int error)
{
    RdmaMessage *m = (RdmaMessage *)op;
    RdmaChannel *c = m->channel;
    bool kept = false;
    g_mutex_lock(&c->lock);
    m->length = bytes;
    if (error) {
        rdma_channel_failed_locked(c, "receiving", error);
    } else if (bytes < RDMA_HEAD || bytes > RDMA_MESSAGE_SIZE || !handle_locked(c, m, &kept)) {
        rdma_channel_fail_locked(c, "the peer sent a message of type %u with %zu bytes, which has no meaning here",
                                 bytes ? m->bytes[0] : 0, bytes);
    }
    if (!error && !kept && !c->end) {
        post_receive_locked(c, m);
    }
    g_cond_signal(&c->readable);
    g_cond_signal(&c->writable);
    g_mutex_unlock(&c->lock);
}

/* The first message that waits; NULL at the end, which is an error or none. Lock held. */
static RdmaMessage *wait_received_locked(RdmaChannel *c, bool *at_end)
{
    while (!c->down && !c->received.first && !c->peer_ended && !c->end) {
        g_cond_wait(&c->readable, &c->lock);
    }
    *at_end = !c->down && !c->received.first && c->peer_ended;
    return c->down ? NULL : c->received.first;
}

static bool rdma_channel_read(MigrationChannel *ch, void *buf, size_t len, size_t *got, Error **errp)
{
    RdmaChannel *c = rdma_channel(ch);
    bool at_end;
    g_mutex_lock(&c->lock);
    RdmaMessage *m = wait_received_locked(c, &at_end);
    if (!m) {
        *got = 0;
        bool ok = at_end || rdma_channel_usable_locked(c, errp);
        g_mutex_unlock(&c->lock);
        return ok;
    }
    g_mutex_unlock(&c->lock);
    *got = MIN(len, m->length - m->at);
    memcpy(buf, m->bytes + m->at, *got);
    m->at += *got;
    if (m->at == m->length) {
        g_mutex_lock(&c->lock);
        list_take(&c->received);
        c->received_count--;
        c->give_back++;
        post_receive_locked(c, m);
        pump_locked(c);
        g_mutex_unlock(&c->lock);
    }
    return true;
}

/* ---- what the serving thread tells ---- */

static bool tick(void *opaque)
{
    RdmaChannel *c = opaque;
    rdma_direct_work(c);
    g_mutex_lock(&c->lock);
    RdmaList again = c->unposted;
    if (again.first) {
        list_init(&c->unposted);
    }
    for (RdmaMessage *m = again.first, *next; m; m = next) {
        next = m->next;
        post_receive_locked(c, m);
    }
    pump_locked(c);
    bool retry = c->unposted.first || (c->waiting_count && c->free_control.first);
    retry = retry && !c->down && !c->end;
    g_mutex_unlock(&c->lock);
    return retry;
}

static void gone(void *opaque, const char *why)
{
    RdmaChannel *c = opaque;
    g_mutex_lock(&c->lock);
    rdma_channel_fail_locked(c, "%s", why);
    g_mutex_unlock(&c->lock);
}

static const RdmaEndpointOps endpoint_ops = { .tick = tick, .gone = gone };

/* ---- the ends ---- */

static void rdma_channel_shutdown(MigrationChannel *ch)
{
    RdmaChannel *c = rdma_channel(ch);
    g_mutex_lock(&c->lock);
    bool first = !c->down;
    c->down = true;
    g_cond_broadcast(&c->readable);
    g_cond_broadcast(&c->writable);
    g_mutex_unlock(&c->lock);
    if (first) {
        rdma_endpoint_shutdown(c->e);
    }
}

/* Says that nothing more comes, and waits until the peer has everything. */
static bool rdma_channel_finish(MigrationChannel *ch, Error **errp)
{
    RdmaChannel *c = rdma_channel(ch);
    gint64 until = g_get_monotonic_time() + LAST_WORD_US;
    bool in_time = true;
    g_mutex_lock(&c->lock);
    if (rdma_channel_usable_locked(c, NULL)) {
        rdma_channel_control_locked(c, RDMA_END, NULL, 0);
    }
    while (rdma_channel_usable_locked(c, NULL) && (c->sending || c->waiting_count) && in_time) {
        if (c->is_source) {
            g_cond_wait(&c->writable, &c->lock);
        } else {
            in_time = g_cond_wait_until(&c->writable, &c->lock, until);
        }
    }
    bool ok = !(c->sending || c->waiting_count) || rdma_channel_usable_locked(c, errp);
    g_mutex_unlock(&c->lock);
    return ok;
}

void rdma_channel_free(RdmaChannel *c)
{
    rdma_endpoint_stop(c->e);
    rdma_direct_free(c->direct);
    rdma_memory_release(&c->slab_memory);
    rdma_endpoint_free(c->e);
    g_mutex_clear(&c->lock);
    g_cond_clear(&c->readable);
    g_cond_clear(&c->writable);
    g_free(c->end);
    g_free(c->slab);
    g_free(c->parent.name);
    g_free(c);
}

static bool rdma_channel_close(MigrationChannel *ch, Error **errp)
{
    rdma_channel_free(rdma_channel(ch));
    return true;
}

static const MigrationChannelOps rdma_channel_ops = {
    .writev = rdma_channel_writev,
    .read = rdma_channel_read,
    .shutdown = rdma_channel_shutdown,
    .finish = rdma_channel_finish,
    .close = rdma_channel_close,
};

/* ---- the beginning ---- */

/* The first of the messages receive, the rest are to be sent. */
static void lay_out_messages(RdmaChannel *c)
{
    const unsigned receives = RDMA_DATA_MESSAGES + RDMA_OTHER_MESSAGES;
    for (unsigned i = 0; i < RDMA_MESSAGES; i++) {
        RdmaMessage *m = &c->messages[i];
        m->channel = c;
        m->bytes = c->slab + (size_t)i * RDMA_MESSAGE_SIZE;
        m->is_control = i >= RDMA_MESSAGES - RDMA_CONTROL_MESSAGES;
        m->op.done = i < receives ? received : sent;
        if (i >= receives) {
            list_append(m->is_control ? &c->free_control : &c->free_data, m);
        }
    }
    for (unsigned i = 0; i < receives; i++) {
        post_receive_locked(c, &c->messages[i]);
    }
}

RdmaChannel *rdma_channel_new(const char *name, RdmaEndpoint *e, Error **errp)
{
    RdmaChannel *c = g_new0(RdmaChannel, 1);
    struct iovec iov = { .iov_len = (size_t)RDMA_MESSAGES * RDMA_MESSAGE_SIZE };
    c->parent.ops = &rdma_channel_ops;
    c->parent.name = g_strdup(name);
    c->parent.two_way = true;
    c->e = e;
    c->direct = rdma_direct_new(c);
    g_mutex_init(&c->lock);
    g_cond_init(&c->readable);
    g_cond_init(&c->writable);
    list_init(&c->received);
    list_init(&c->unposted);
    list_init(&c->free_data);
    list_init(&c->free_control);
    c->slab = iov.iov_base = g_malloc0(iov.iov_len);
    bool ok = rdma_memory_register(&c->slab_memory, e, &iov, FI_SEND | FI_RECV, errp);
    if (ok) {
        lay_out_messages(c);
        ok = rdma_channel_usable_locked(c, errp);
    }
    if (!ok) {
        rdma_channel_free(c);
        return NULL;
    }
    return c;
}

MigrationChannel *rdma_channel_start(RdmaChannel *c, const RdmaGreeting *peer, bool is_source)
{
    c->peer = *peer;
    c->credits = peer->messages;
    c->is_source = is_source;
    c->parent.direct = &rdma_direct_ops;
    rdma_endpoint_start(c->e, &endpoint_ops, c);
    return &c->parent;
}
