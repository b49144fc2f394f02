/*
 * rdma-direct.c - writes from guest RAM into the peer's guest RAM, and leave to do so.
 *
 * Floor F2; below it the endpoint.
 * Threads: the source's writer; the destination's reader, which offers and withdraws; the serving thread, which
 * registers what the source asks for.  `memory_lock` guards the regions of a destination, which the last two
 * share, and is taken with no other lock held; the rest is under the channel's lock.
 * Invariant: a peer can write into memory that is offered and has been asked for, and nowhere else; from withdraw
 * on, nowhere.
 *
 * Wire format: REGISTER, REGISTERED, REACHED of rdma-channel.h.  The answer's address is that of the offset.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>

#include "migration/rdma-channel.h"

/* What is registered at a time: often enough in one piece, little enough to lock no more than is needed. */
#define PIECE (16ull << 20)
#define WRITE_MAX (1ull << 20)
#define WRITES 128
/* Under way at most: enough to keep a link busy, little enough for a message behind it to be soon there. */
#define WRITING_MAX (4ull << 20)
#define RETRY_US 1000
#define ANSWER_HEAD 16

typedef struct RdmaPiece {
    RdmaMemory memory;          /* of this side; mr NULL: not registered yet */
    uint64_t key, address;      /* source: of the other side */
    bool granted;               /* source: those are known */
} RdmaPiece;

typedef struct RdmaRegion {
    char *name;
    uint8_t *host;
    uint64_t length;
    uint64_t piece_size;
    RdmaPiece *pieces;
} RdmaRegion;

typedef struct RdmaRequest {
    char name[256];
    uint64_t offset, length;
} RdmaRequest;

typedef struct RdmaAnswer {
    uint64_t offset, length, key, address;
    char refusal[RDMA_CONTROL_MAX - ANSWER_HEAD + 1];   /* length 0: why */
} RdmaAnswer;

typedef struct RdmaWrite RdmaWrite;
struct RdmaWrite {
    RdmaOp op;
    RdmaChannel *channel;
    RdmaWrite *next;
    uint64_t length;
};

struct RdmaDirect {
    GMutex memory_lock;
    RdmaRegion *regions;
    unsigned count;

    /* Destination; under the channel's lock. */
    bool offered;
    bool asked;                 /* request waits to be answered */
    RdmaRequest request;

    /* Source. */
    bool pin_all;               /* the writer's: that is still to be done */
    /* Under the channel's lock. */
    bool answered;
    RdmaAnswer answer;
    uint32_t reached;           /* 0: no mark yet */
    RdmaWrite writes[WRITES];
    RdmaWrite *free;
    unsigned write_count;       /* under way */
    uint64_t write_bytes;
};

static RdmaChannel *channel_of(MigrationChannel *ch)
{
    return (RdmaChannel *)ch;
}

/* ---- regions ---- */

static uint64_t piece_count(const RdmaRegion *region)
{
    return (region->length + region->piece_size - 1) / region->piece_size;
}

static void set_piece_size(RdmaRegion *region, uint64_t size)
{
    g_free(region->pieces);
    region->piece_size = MAX(size, 1);
    region->pieces = g_new0(RdmaPiece, piece_count(region));
}

static void make_regions(RdmaDirect *d, const DirectMemory *memory, unsigned count, bool pinned)
{
    d->regions = g_new0(RdmaRegion, count);
    d->count = count;
    for (unsigned i = 0; i < count; i++) {
        d->regions[i].name = g_strdup(memory[i].name);
        d->regions[i].host = memory[i].host;
        d->regions[i].length = memory[i].length;
        set_piece_size(&d->regions[i], pinned ? memory[i].length : PIECE);
    }
}

static void free_regions(RdmaDirect *d)
{
    for (unsigned i = 0; i < d->count; i++) {
        RdmaRegion *region = &d->regions[i];
        for (uint64_t p = 0; p < piece_count(region); p++) {
            rdma_memory_release(&region->pieces[p].memory);
        }
        g_free(region->pieces);
        g_free(region->name);
    }
    g_clear_pointer(&d->regions, g_free);
    d->count = 0;
}

static bool register_piece(RdmaChannel *c, RdmaRegion *region, uint64_t index, uint64_t access, Error **errp)
{
    uint64_t start = index * region->piece_size;
    struct iovec iov = {
        .iov_base = region->host + start, .iov_len = MIN(region->piece_size, region->length - start),
    };
    RdmaMemory *memory = &region->pieces[index].memory;
    return memory->mr || rdma_memory_register(memory, c->e, &iov, access, errp);
}

/* ---- destination ---- */

static bool rdma_offer(MigrationChannel *ch, const DirectMemory *memory, unsigned count, bool pinned, Error **errp)
{
    RdmaChannel *c = channel_of(ch);
    RdmaDirect *d = c->direct;
    bool ok = true;
    g_mutex_lock(&d->memory_lock);
    make_regions(d, memory, count, pinned);
    for (unsigned i = 0; ok && pinned && i < count; i++) {
        ok = !d->regions[i].length || register_piece(c, &d->regions[i], 0, FI_REMOTE_WRITE, errp);
    }
    g_mutex_unlock(&d->memory_lock);
    g_mutex_lock(&c->lock);
    d->offered = ok;
    g_mutex_unlock(&c->lock);
    rdma_endpoint_wake(c->e);
    return ok;
}

static void rdma_withdraw(MigrationChannel *ch)
{
    RdmaDirect *d = channel_of(ch)->direct;
    g_mutex_lock(&d->memory_lock);
    free_regions(d);
    g_mutex_unlock(&d->memory_lock);
}

static void rdma_reached(MigrationChannel *ch, uint32_t mark)
{
    RdmaChannel *c = channel_of(ch);
    const uint8_t wire[4] = { (uint8_t)(mark >> 24), (uint8_t)(mark >> 16), (uint8_t)(mark >> 8), (uint8_t)mark };
    g_mutex_lock(&c->lock);
    if (!rdma_channel_control_locked(c, RDMA_REACHED, wire, sizeof(wire))) {
        rdma_channel_fail_locked(c, "the peer sets marks and does not wait for them");
    }
    g_mutex_unlock(&c->lock);
}

static RdmaRegion *find_region(RdmaDirect *d, const char *name)
{
    for (unsigned i = 0; i < d->count; i++) {
        if (strcmp(d->regions[i].name, name) == 0) {
            return &d->regions[i];
        }
    }
    return NULL;
}

static bool none_registered(const RdmaRegion *region)
{
    for (uint64_t p = 0; p < piece_count(region); p++) {
        if (region->pieces[p].memory.mr) {
            return false;
        }
    }
    return true;
}

/* Registers what is asked for, unless it is. memory_lock held. */
static bool grant(RdmaChannel *c, const RdmaRequest *request, RdmaAnswer *answer, Error **errp)
{
    RdmaRegion *region = find_region(c->direct, request->name);
    if (!region) {
        error_setg(errp, "there is no memory \"%s\" to write into", request->name);
        return false;
    }
    if (!request->length || request->offset >= region->length ||
        request->length > region->length - request->offset) {
        error_setg(errp, "0x%" G_GINT64_MODIFIER "x bytes at 0x%" G_GINT64_MODIFIER "x are outside of memory \"%s\"",
                   request->length, request->offset, region->name);
        return false;
    }
    if (request->length == region->length && request->length > region->piece_size && none_registered(region)) {
        set_piece_size(region, region->length);
    }
    uint64_t index = request->offset / region->piece_size, within = request->offset % region->piece_size;
    if (request->length > region->piece_size - within) {
        error_setg(errp, "memory \"%s\" is registered in pieces of 0x%" G_GINT64_MODIFIER "x bytes", region->name,
                   region->piece_size);
        return false;
    }
    if (!register_piece(c, region, index, FI_REMOTE_WRITE, errp)) {
        return false;
    }
    const RdmaMemory *memory = &region->pieces[index].memory;
    *answer = (RdmaAnswer){
        .offset = request->offset, .length = request->length, .key = memory->key,
        .address = memory->address + within,
    };
    return true;
}

static void send_answer_locked(RdmaChannel *c, const RdmaAnswer *answer)
{
    uint8_t wire[RDMA_CONTROL_MAX] = { 0 };
    size_t length = 32;
    rdma_put_be64(wire, answer->offset);
    rdma_put_be64(wire + 8, answer->length);
    if (answer->length) {
        rdma_put_be64(wire + 16, answer->key);
        rdma_put_be64(wire + 24, answer->address);
    } else {
        length = ANSWER_HEAD + strlen(answer->refusal);
        memcpy(wire + ANSWER_HEAD, answer->refusal, length - ANSWER_HEAD);
    }
    if (!rdma_channel_control_locked(c, RDMA_REGISTERED, wire, length)) {
        rdma_channel_fail_locked(c, "the peer asks for memory and does not read the answers");
    }
}

void rdma_direct_work(RdmaChannel *c)
{
    RdmaDirect *d = c->direct;
    g_mutex_lock(&c->lock);
    bool asked = d->asked && d->offered;
    RdmaRequest request = asked ? d->request : (RdmaRequest){ .length = 0 };
    g_mutex_unlock(&c->lock);
    if (!asked) {
        return;
    }
    RdmaAnswer answer = { 0 };
    Error *err = NULL;
    g_mutex_lock(&d->memory_lock);
    if (!grant(c, &request, &answer, &err)) {
        g_strlcpy(answer.refusal, error_get_pretty(err), sizeof(answer.refusal));
        error_free(err);
    }
    g_mutex_unlock(&d->memory_lock);
    g_mutex_lock(&c->lock);
    d->asked = false;
    send_answer_locked(c, &answer);
    g_mutex_unlock(&c->lock);
}

/* ---- messages ---- */

static bool got_request_locked(RdmaChannel *c, const uint8_t *bytes, size_t length)
{
    RdmaDirect *d = c->direct;
    if (c->is_source || d->asked || length < 17 || length != 17u + bytes[16]) {
        return false;
    }
    d->request = (RdmaRequest){ .offset = rdma_be64(bytes), .length = rdma_be64(bytes + 8) };
    memcpy(d->request.name, bytes + 17, length - 17);
    d->asked = true;
    return strlen(d->request.name) == length - 17;
}

static bool got_answer_locked(RdmaChannel *c, const uint8_t *bytes, size_t length)
{
    RdmaDirect *d = c->direct;
    if (!c->is_source || d->answered || length < ANSWER_HEAD || length > RDMA_CONTROL_MAX) {
        return false;
    }
    d->answer = (RdmaAnswer){ .offset = rdma_be64(bytes), .length = rdma_be64(bytes + 8) };
    if (d->answer.length) {
        if (length != 32) {
            return false;
        }
        d->answer.key = rdma_be64(bytes + 16);
        d->answer.address = rdma_be64(bytes + 24);
    } else {
        memcpy(d->answer.refusal, bytes + ANSWER_HEAD, length - ANSWER_HEAD);
    }
    d->answered = true;
    return true;
}

bool rdma_direct_message_locked(RdmaChannel *c, uint8_t type, const uint8_t *bytes, size_t length)
{
    switch (type) {
    case RDMA_REGISTER:
        return got_request_locked(c, bytes, length);
    case RDMA_REGISTERED:
        return got_answer_locked(c, bytes, length);
    case RDMA_REACHED:
        if (!c->is_source || length != 4) {
            return false;
        }
        c->direct->reached = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
        return true;
    default:
        return false;
    }
}

/* ---- source ---- */

/* Asks for leave to write there, and waits for the answer. */
static bool ask(RdmaChannel *c, const RdmaRegion *region, uint64_t offset, uint64_t length, RdmaAnswer *answer,
                Error **errp)
{
    RdmaDirect *d = c->direct;
    uint8_t wire[17 + 255];
    size_t name_length = strlen(region->name);
    if (name_length > 255) {
        error_setg(errp, "the name of memory \"%s\" is longer than 255 bytes", region->name);
        return false;
    }
    rdma_put_be64(wire, offset);
    rdma_put_be64(wire + 8, length);
    wire[16] = (uint8_t)name_length;
    memcpy(wire + 17, region->name, name_length);
    g_mutex_lock(&c->lock);
    d->answered = false;
    rdma_channel_control_locked(c, RDMA_REGISTER, wire, 17 + name_length);
    while (!d->answered && rdma_channel_usable_locked(c, NULL)) {
        g_cond_wait(&c->writable, &c->lock);
    }
    bool ok = d->answered || rdma_channel_usable_locked(c, errp);
    *answer = d->answer;
    g_mutex_unlock(&c->lock);
    return ok;
}

/* Leave for a piece, unless we have it. */
static bool ensure(RdmaChannel *c, RdmaRegion *region, uint64_t index, Error **errp)
{
    RdmaPiece *piece = &region->pieces[index];
    if (piece->granted) {
        return true;
    }
    RdmaAnswer answer;
    uint64_t offset = index * region->piece_size, length = MIN(region->piece_size, region->length - offset);
    if (!register_piece(c, region, index, FI_WRITE, errp) || !ask(c, region, offset, length, &answer, errp)) {
        return false;
    }
    if (answer.offset != offset || answer.length != length) {
        error_setg(errp, "the destination lets nothing be written into memory \"%s\": %.255s", region->name,
                   answer.length ? "it answered another question" : answer.refusal);
        return false;
    }
    piece->key = answer.key;
    piece->address = answer.address;
    piece->granted = true;
    return true;
}

static void rdma_open(MigrationChannel *ch, const DirectMemory *memory, unsigned count, bool pinned)
{
    RdmaDirect *d = channel_of(ch)->direct;
    make_regions(d, memory, count, pinned);
    d->pin_all = pinned;
}

static bool pin_all(RdmaChannel *c, Error **errp)
{
    RdmaDirect *d = c->direct;
    for (unsigned i = 0; i < d->count; i++) {
        if (d->regions[i].length && !ensure(c, &d->regions[i], 0, errp)) {
            return false;
        }
    }
    d->pin_all = false;
    return true;
}

static void give_back_locked(RdmaDirect *d, RdmaWrite *w)
{
    d->write_count--;
    d->write_bytes -= w->length;
    w->next = d->free;
    d->free = w;
}

static void written(RdmaOp *op, size_t bytes, int error)
{
    RdmaWrite *w = (RdmaWrite *)op;
    RdmaChannel *c = w->channel;
    g_mutex_lock(&c->lock);
    give_back_locked(c->direct, w);
    if (error) {
        rdma_channel_failed_locked(c, "writing into the peer's memory", error);
    }
    g_cond_signal(&c->writable);
    g_mutex_unlock(&c->lock);
}

/* Waits until one more write may be under way. */
static RdmaWrite *take_write(RdmaChannel *c, uint64_t length, Error **errp)
{
    RdmaDirect *d = c->direct;
    RdmaWrite *w = NULL;
    g_mutex_lock(&c->lock);
    while (rdma_channel_usable_locked(c, NULL) && (!d->free || d->write_bytes >= WRITING_MAX)) {
        g_cond_wait(&c->writable, &c->lock);
    }
    if (rdma_channel_usable_locked(c, errp)) {
        w = d->free;
        d->free = w->next;
        w->length = length;
        d->write_count++;
        d->write_bytes += length;
    }
    g_mutex_unlock(&c->lock);
    return w;
}

/* Waits for a place in the queue. False: the channel has ended meanwhile. */
static bool wait_place(RdmaChannel *c)
{
    g_mutex_lock(&c->lock);
    g_cond_wait_until(&c->writable, &c->lock, g_get_monotonic_time() + RETRY_US);
    bool ok = rdma_channel_usable_locked(c, NULL);
    g_mutex_unlock(&c->lock);
    return ok;
}

/* One write, all of it within a piece. */
static bool write_once(RdmaChannel *c, const RdmaRegion *region, uint64_t offset, uint64_t length, Error **errp)
{
    const RdmaPiece *piece = &region->pieces[offset / region->piece_size];
    struct iovec here = { .iov_base = region->host + offset, .iov_len = length };
    struct fi_rma_iov there = {
        .addr = piece->address + offset % region->piece_size, .len = length, .key = piece->key,
    };
    RdmaWrite *w = take_write(c, length, errp);
    if (!w) {
        return false;
    }
    ssize_t result;
    do {
        result = rdma_endpoint_write(c->e, &here, &piece->memory, &there, &w->op);
    } while (result == -FI_EAGAIN && wait_place(c));
    if (result == 0) {
        return true;
    }
    g_mutex_lock(&c->lock);
    give_back_locked(c->direct, w);
    rdma_channel_failed_locked(c, "writing into the peer's memory", (int)-result);
    rdma_channel_usable_locked(c, errp);
    g_mutex_unlock(&c->lock);
    return false;
}

static bool rdma_write(MigrationChannel *ch, unsigned index, uint64_t offset, uint64_t length, Error **errp)
{
    RdmaChannel *c = channel_of(ch);
    RdmaRegion *region = &c->direct->regions[index];
    uint64_t most = MIN(WRITE_MAX, c->e->info->ep_attr->max_msg_size);
    if (c->direct->pin_all && !pin_all(c, errp)) {
        return false;
    }
    while (length) {
        uint64_t piece = offset / region->piece_size;
        uint64_t n = MIN(MIN(length, most), (piece + 1) * region->piece_size - offset);
        if (!ensure(c, region, piece, errp) || !write_once(c, region, offset, n, errp)) {
            return false;
        }
        offset += n;
        length -= n;
    }
    return true;
}

static bool rdma_drain(MigrationChannel *ch, Error **errp)
{
    RdmaChannel *c = channel_of(ch);
    g_mutex_lock(&c->lock);
    while (c->direct->write_count && rdma_channel_usable_locked(c, NULL)) {
        g_cond_wait(&c->writable, &c->lock);
    }
    bool ok = rdma_channel_usable_locked(c, errp);
    g_mutex_unlock(&c->lock);
    return ok;
}

static bool rdma_await(MigrationChannel *ch, uint32_t mark, Error **errp)
{
    RdmaChannel *c = channel_of(ch);
    g_mutex_lock(&c->lock);
    while ((int32_t)(c->direct->reached - mark) < 0 && rdma_channel_usable_locked(c, NULL)) {
        g_cond_wait(&c->writable, &c->lock);
    }
    bool ok = rdma_channel_usable_locked(c, errp);
    g_mutex_unlock(&c->lock);
    return ok;
}

static bool rdma_is_ready(MigrationChannel *ch, unsigned index, uint64_t offset, uint64_t length, uint32_t mark)
{
    RdmaChannel *c = channel_of(ch);
    const RdmaRegion *region = &c->direct->regions[index];
    g_mutex_lock(&c->lock);
    bool ready = (int32_t)(c->direct->reached - mark) >= 0;
    g_mutex_unlock(&c->lock);
    for (uint64_t p = offset / region->piece_size; ready && p <= (offset + length - 1) / region->piece_size; p++) {
        ready = region->pieces[p].granted;
    }
    return ready && !c->direct->pin_all;
}

const MigrationDirectOps rdma_direct_ops = {
    .offer = rdma_offer,
    .withdraw = rdma_withdraw,
    .reached = rdma_reached,
    .open = rdma_open,
    .write = rdma_write,
    .drain = rdma_drain,
    .await = rdma_await,
    .is_ready = rdma_is_ready,
};

/* ---- life ---- */

RdmaDirect *rdma_direct_new(RdmaChannel *c)
{
    RdmaDirect *d = g_new0(RdmaDirect, 1);
    g_mutex_init(&d->memory_lock);
    /* The rest of the queue is for messages. */
    unsigned room = MIN(WRITES, c->e->info->tx_attr->size / 2);
    for (unsigned i = 0; i < MAX(room, 1); i++) {
        RdmaWrite *w = &d->writes[i];
        w->op.done = written;
        w->channel = c;
        w->next = d->free;
        d->free = w;
    }
    return d;
}

void rdma_direct_free(RdmaDirect *d)
{
    free_regions(d);
    g_mutex_clear(&d->memory_lock);
    g_free(d);
}
