/*
 * test-rdma-hostile.c - a peer that greets well and then sends what no peer of ours would.
 *
 * It speaks through an endpoint of its own, below the channel. Built where libfabric is.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "migration/rdma-channel.h"
#include "transport-fixture.h"

#define SPACE (80 * 1024)       /* of one message of the peer's, and of the bytes that it writes */
#define RECEIVES 64

typedef struct Peer {
    RdmaEndpoint *e;
    RdmaMemory memory;
    uint8_t *bytes;             /* SPACE to send, then RECEIVES small ones to receive into */
    RdmaOp send_op, receive_op;
    GMutex lock;
    GCond cond;
    unsigned done, failed;
    bool gone;
    MigrationChannel *victim;
} Peer;

static Peer peer;

static void count_done(RdmaOp *op, size_t bytes, int error)
{
    g_mutex_lock(&peer.lock);
    peer.done++;
    peer.failed += error != 0;
    g_cond_signal(&peer.cond);
    g_mutex_unlock(&peer.lock);
}

static void ignore_done(RdmaOp *op, size_t bytes, int error)
{
}

static bool no_tick(void *opaque)
{
    return false;
}

static void set_gone(void *opaque, const char *why)
{
    g_mutex_lock(&peer.lock);
    peer.gone = true;
    g_cond_signal(&peer.cond);
    g_mutex_unlock(&peer.lock);
}

static const RdmaEndpointOps peer_ops = { .tick = no_tick, .gone = set_gone };

static struct fi_info *find_info(const RdmaLibrary *lib, const char *port)
{
    struct fi_info *hints = lib->dupinfo(NULL), *info = NULL;
    hints->caps = FI_MSG | FI_RMA;
    hints->ep_attr->type = FI_EP_MSG;
    hints->fabric_attr->prov_name = strdup("tcp");
    g_assert_cmpint(lib->getinfo(RDMA_API, "127.0.0.1", port, 0, hints, &info), ==, 0);
    lib->freeinfo(hints);
    return info;
}

static void peer_connect(const uint8_t *greeting, size_t size, bool welcome)
{
    Error *err = NULL;
    RdmaEvent event;
    MigrationListener *l = must_listen("rdma:127.0.0.1:0", -1);
    const RdmaLibrary *lib = rdma_library(-1, &err);
    struct fi_info *info = find_info(lib, strrchr(l->name, ':') + 1);
    g_autofree char *name = g_strdup(l->name);
    GThread *t = g_thread_new("accept", (GThreadFunc)must_accept, l);
    RdmaFabric *fabric = rdma_fabric_new(lib, info, &err);
    peer = (Peer){ .e = rdma_endpoint_new(fabric, info, &err) };
    peer.send_op.done = count_done;
    peer.receive_op.done = ignore_done;
    peer.bytes = g_malloc0(SPACE + RECEIVES * 512);
    struct iovec iov = { .iov_base = peer.bytes, .iov_len = SPACE + RECEIVES * 512 };
    g_assert_true(rdma_memory_register(&peer.memory, peer.e, &iov, FI_SEND | FI_RECV | FI_WRITE, &err));
    for (int i = 0; i < RECEIVES; i++) {
        iov = (struct iovec){ .iov_base = peer.bytes + SPACE + i * 512, .iov_len = 512 };
        g_assert_cmpint(rdma_endpoint_receive(peer.e, &iov, &peer.memory, &peer.receive_op), ==, 0);
    }
    g_assert_cmpint(fi_connect(peer.e->ep, peer.e->info->dest_addr, greeting, size), ==, 0);
    bool ok = rdma_wait_event(fabric, peer.e->eq, -1, -1, "greeting", &event, &err);
    g_assert_true(welcome == (ok && event.type == FI_CONNECTED));
    error_free(err);
    rdma_fabric_unref(fabric);
    if (!welcome) {
        /* It still waits for the right one. */
        MigrationChannel *out = must_connect(name, -1);
        stream_over(out, g_thread_join(t));
        return;
    }
    peer.victim = g_thread_join(t);
    rdma_endpoint_start(peer.e, &peer_ops, NULL);
}

static void peer_close(void)
{
    if (peer.victim) {
        migration_channel_shutdown(peer.victim);
        migration_channel_close(peer.victim, NULL);
    }
    rdma_endpoint_stop(peer.e);
    rdma_memory_release(&peer.memory);
    rdma_endpoint_free(peer.e);
    g_free(peer.bytes);
}

static void peer_greet(void)
{
    uint8_t greeting[RDMA_GREETING_SIZE];
    rdma_greeting_put(greeting);
    peer_connect(greeting, sizeof(greeting), true);
}

/* Sends what stands in peer.bytes; returns when it has left or failed. */
static void peer_send(size_t length)
{
    struct iovec iov = { .iov_base = peer.bytes, .iov_len = length };
    unsigned before = peer.done;
    g_assert_cmpint(rdma_endpoint_send(peer.e, &iov, &peer.memory, false, &peer.send_op), ==, 0);
    g_mutex_lock(&peer.lock);
    while (peer.done == before && !peer.gone) {
        g_cond_wait(&peer.cond, &peer.lock);
    }
    g_mutex_unlock(&peer.lock);
}

/* Head and `length` bytes, whatever stands there. */
static void peer_message(uint8_t type, uint16_t credits, uint32_t length)
{
    peer.bytes[0] = type;
    peer.bytes[1] = 0;
    peer.bytes[2] = (uint8_t)(credits >> 8);
    peer.bytes[3] = (uint8_t)credits;
    for (int i = 0; i < 4; i++) {
        peer.bytes[4 + i] = (uint8_t)(length >> (24 - 8 * i));
    }
    peer_send(RDMA_HEAD + length);
}

/* Waits, without reading, until the victim has had enough. */
static void wait_victim_end(void)
{
    RdmaChannel *c = (RdmaChannel *)peer.victim;
    g_mutex_lock(&c->lock);
    while (!c->end) {
        g_cond_wait(&c->readable, &c->lock);
    }
    g_mutex_unlock(&c->lock);
}

/* The victim's reader is told. */
static void expect_end(const char *part)
{
    uint8_t buf[4096];
    size_t got;
    Error *err = NULL;
    while (peer.victim->ops->read(peer.victim, buf, sizeof(buf), &got, &err)) {
        g_assert_cmpuint(got, >, 0);
    }
    expect(err, part);
}

/* ---- greetings ---- */

static void test_greetings(void)
{
    uint8_t greeting[RDMA_GREETING_SIZE];
    static const struct {
        size_t size, at;
        uint8_t value;
    } bad[] = { { 0, 0, 'G' }, { 15, 0, 'G' }, { 16, 0, 'g' }, { 16, 7, 9 }, { 16, 11, 0 }, { 16, 12, 0xff } };
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        rdma_greeting_put(greeting);
        greeting[bad[i].at] = bad[i].value;
        peer_connect(greeting, bad[i].size, false);
        peer_close();
    }
}

/* ---- messages ---- */

static void test_messages(void)
{
    static const struct {
        size_t size;
        uint8_t bytes[64];
    } bad[] = {
        { 0, { 0 } },                                           /* nothing */
        { 7, { RDMA_DATA } },                                   /* half a head */
        { 8, { RDMA_DATA } },                                   /* DATA without any */
        { 9, { RDMA_DATA } },                                   /* more than it says */
        { 9, { RDMA_DATA, 0, 0, 0, 0xff, 0xff, 0xff, 0xff } },  /* less than it says */
        { 9, { RDMA_DATA, 1, 0, 0, 0, 0, 0, 1 } },
        { 9, { RDMA_DATA, 0, 0, 1, 0, 0, 0, 1 } },              /* gives back what it did not get */
        { 9, { RDMA_DATA, 0, 0xff, 0xff, 0, 0, 0, 1 } },
        { 8, { 0 } },
        { 8, { 7 } },
        { 8, { 255 } },
        { 9, { RDMA_CREDIT, 0, 0, 0, 0, 0, 0, 1 } },
        { 9, { RDMA_END, 0, 0, 0, 0, 0, 0, 1 } },
        { 8, { RDMA_REGISTER } },
        { 24, { RDMA_REGISTER, 0, 0, 0, 0, 0, 0, 16 } },
        { 26, { RDMA_REGISTER, 0, 0, 0, 0, 0, 0, 18, [24] = 2 } },      /* a name longer than the message */
        { 26, { RDMA_REGISTER, 0, 0, 0, 0, 0, 0, 18, [24] = 1 } },      /* a name with a NUL byte */
        { 40, { RDMA_REGISTERED, 0, 0, 0, 0, 0, 0, 32 } },              /* that is the source's to hear */
        { 12, { RDMA_REACHED, 0, 0, 0, 0, 0, 0, 4 } },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        peer_greet();
        memcpy(peer.bytes, bad[i].bytes, sizeof(bad[i].bytes));
        peer_send(bad[i].size);
        expect_end("has no meaning here");
        peer_close();
    }
}

static void test_too_long(void)
{
    peer_greet();
    peer_message(RDMA_DATA, 0, SPACE - RDMA_HEAD);
    expect_end("has ended");
    peer_close();
}

/* More than there are credits for, and nobody reads. */
static void test_too_many(void)
{
    peer_greet();
    for (int i = 0; i <= RDMA_DATA_MESSAGES; i++) {
        peer_message(RDMA_DATA, 0, 100);
    }
    /* A reader that took one of them before the last has come would make room for that. */
    wait_victim_end();
    expect_end("has no meaning here");
    peer_close();
}

static void test_behind_the_end(void)
{
    uint8_t byte;
    size_t got;
    Error *err = NULL;
    peer_greet();
    peer_message(RDMA_END, 0, 0);
    g_assert_true(peer.victim->ops->read(peer.victim, &byte, 1, &got, &err));
    g_assert_cmpuint(got, ==, 0);
    peer_message(RDMA_DATA, 0, 1);
    peer_message(RDMA_CREDIT, 0, 0);
    g_assert_true(peer.victim->ops->read(peer.victim, &byte, 1, &got, &err));
    g_assert_cmpuint(got, ==, 0);
    peer_close();
}

/* Asks for two things at once: one question at a time is allowed. */
static void test_two_questions(void)
{
    peer_greet();
    memset(peer.bytes, 0, 64);
    peer_message(RDMA_REGISTER, 0, 17);
    peer_message(RDMA_REGISTER, 0, 17);
    expect_end("has no meaning here");
    peer_close();
}

/* ---- memory ---- */

/* Writes where it was not allowed to: nothing changes there. */
static void test_wild_writes(void)
{
    static const struct {
        uint64_t key, address, length;
    } wild[] = { { 0, 0, 8 }, { 1, 0, 8 }, { 2, 0, 8 }, { 2, UINT64_MAX, 8 }, { 2, 4090, 8 }, { 3, 0, 4096 },
                 { 4, 8192, 8192 }, { UINT64_MAX, 0, 8 } };
    g_autofree uint8_t *ram = g_malloc0(3 * 4096), *clean = g_malloc0(3 * 4096);
    const DirectMemory memory = { "ram", ram + 4096, 4096 };
    for (size_t i = 0; i < G_N_ELEMENTS(wild); i++) {
        Error *err = NULL;
        peer_greet();
        g_assert_true(peer.victim->direct->offer(peer.victim, &memory, 1, true, &err));
        memset(peer.bytes, 0xbb, SPACE);
        struct iovec iov = { .iov_base = peer.bytes, .iov_len = wild[i].length };
        struct fi_rma_iov there = { .addr = wild[i].address, .len = wild[i].length, .key = wild[i].key };
        unsigned before = peer.done;
        if (rdma_endpoint_write(peer.e, &iov, &peer.memory, &there, &peer.send_op) == 0) {
            g_mutex_lock(&peer.lock);
            while (peer.done == before && !peer.gone) {
                g_cond_wait(&peer.cond, &peer.lock);
            }
            g_mutex_unlock(&peer.lock);
        }
        peer_close();
        g_assert_true(memcmp(ram, clean, 4096) == 0);
        g_assert_true(memcmp(ram + 2 * 4096, clean, 4096) == 0);
        /* Key 2 is the offered memory's here: 8 bytes at its beginning were allowed. */
        memset(ram + 4096, 0, 8);
        g_assert_true(memcmp(ram + 4096, clean, 4096) == 0);
    }
}

int main(int argc, char **argv)
{
    fixture_init(&argc, &argv);
    g_test_add_func("/rdma-hostile/greetings", test_greetings);
    g_test_add_func("/rdma-hostile/messages", test_messages);
    g_test_add_func("/rdma-hostile/too-long", test_too_long);
    g_test_add_func("/rdma-hostile/too-many", test_too_many);
    g_test_add_func("/rdma-hostile/behind-the-end", test_behind_the_end);
    g_test_add_func("/rdma-hostile/two-questions", test_two_questions);
    g_test_add_func("/rdma-hostile/wild-writes", test_wild_writes);
    return fixture_run();
}
