/*
 * test-transport-rdma.c - both ends of an rdma channel over the provider tcp: bytes, ends, memory, hostile peers.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "migration/direct.h"
#include "transport-cancel.h"

#define PIECE (16u << 20)       /* what is registered at a time */

/* Both ends, connected. */
static void connect_pair(const char *listen_uri, MigrationChannel **out, MigrationChannel **in)
{
    MigrationListener *l = must_listen(listen_uri, -1);
    g_autofree char *uri = g_strdup(l->name);
    GThread *t = g_thread_new("accept", (GThreadFunc)must_accept, l);
    *out = must_connect(uri, -1);
    *in = g_thread_join(t);
}

static void test_stream(const void *uri)
{
    MigrationChannel *out, *in;
    connect_pair(uri, &out, &in);
    g_assert_true(out->two_way && in->two_way && out->direct && in->direct);
    stream_over(out, in);
}

static void test_shutdown(void)
{
    MigrationChannel *out, *in;
    connect_pair("rdma:127.0.0.1:0", &out, &in);
    shutdown_both(out, out);
    migration_channel_shutdown(in);
    migration_channel_close(in, NULL);
}

/* The peer goes away without a word: who reads and who writes is told. */
static void test_peer_gone(void)
{
    MigrationChannel *out, *in;
    uint8_t byte;
    size_t got;
    Error *err = NULL;
    connect_pair("rdma:127.0.0.1:0", &out, &in);
    migration_channel_shutdown(in);
    migration_channel_close(in, NULL);
    g_assert_false(out->ops->read(out, &byte, 1, &got, &err));
    expect(err, "has ended");
    err = NULL;
    struct iovec iov = { .iov_base = body, .iov_len = 1 };
    g_assert_false(out->ops->writev(out, &iov, 1, &err));
    expect(err, "has ended");
    migration_channel_close(out, NULL);
}

/* ---- direct memory ---- */

/* Two memories of 40 MiB and a page at each end of a channel. */
typedef struct Pair {
    MigrationChannel *out, *in;
    DirectMemory here[2], there[2];
} Pair;

static const uint64_t lengths[2] = { 2 * PIECE + PIECE / 2, 4096 };

static void pair_open(Pair *p, bool pinned)
{
    static const char *const names[2] = { "big", "small" };
    connect_pair("rdma:127.0.0.1:0", &p->out, &p->in);
    for (int i = 0; i < 2; i++) {
        p->here[i] = (DirectMemory){ names[i], g_malloc0(lengths[i]), lengths[i] };
        p->there[i] = (DirectMemory){ names[i], g_malloc0(lengths[i]), lengths[i] };
    }
    p->out->direct->open(p->out, p->here, 2, pinned);
}

static void pair_close(Pair *p)
{
    migration_channel_shutdown(p->out);
    migration_channel_shutdown(p->in);
    migration_channel_close(p->out, NULL);
    migration_channel_close(p->in, NULL);
    for (int i = 0; i < 2; i++) {
        g_free(p->here[i].host);
        g_free(p->there[i].host);
    }
}

static void pair_offer(Pair *p, bool pinned)
{
    Error *err = NULL;
    /* The other way round: what counts is the name. */
    const DirectMemory memory[2] = { p->there[1], p->there[0] };
    g_assert_true(p->in->direct->offer(p->in, memory, 2, pinned, &err));
}

static void must_write(Pair *p, unsigned index, uint64_t offset, uint64_t length)
{
    Error *err = NULL;
    g_assert_true(p->out->direct->write(p->out, index, offset, length, &err));
}

/* Writes over the edges of pieces, of whole memories, and what is not written stays. */
static void test_direct(const void *opaque)
{
    int how = GPOINTER_TO_INT(opaque);
    Pair p;
    Error *err = NULL;
    pair_open(&p, how & 1);
    pair_offer(&p, how & 2);
    for (uint64_t i = 0; i < lengths[0]; i += 4096) {
        p.here[0].host[i] = (uint8_t)(1 + i / 4096 % 255);
    }
    p.here[1].host[4095] = 7;
    g_assert_false(p.out->direct->is_ready(p.out, 0, PIECE - 8192, 16384, 0));
    must_write(&p, 0, PIECE - 8192, 16384);
    g_assert_true(p.out->direct->is_ready(p.out, 0, PIECE - 8192, 16384, 0));
    g_assert_true(p.out->direct->drain(p.out, &err));
    g_assert_true(memcmp(p.there[0].host + PIECE - 8192, p.here[0].host + PIECE - 8192, 16384) == 0);
    g_assert_cmpuint(p.there[0].host[PIECE - 12288], ==, 0);
    g_assert_cmpuint(p.there[0].host[PIECE + 8192], ==, 0);
    must_write(&p, 0, 0, lengths[0]);
    must_write(&p, 1, 0, lengths[1]);
    g_assert_true(p.out->direct->drain(p.out, &err));
    g_assert_true(memcmp(p.there[0].host, p.here[0].host, lengths[0]) == 0);
    g_assert_true(memcmp(p.there[1].host, p.here[1].host, lengths[1]) == 0);
    /* No more. */
    p.in->direct->withdraw(p.in);
    p.here[0].host[0] = 0xee;
    if (p.out->direct->write(p.out, 0, 0, 4096, &err)) {
        g_assert_false(p.out->direct->drain(p.out, &err));
    }
    expect(err, "has ended");
    g_assert_cmpuint(p.there[0].host[0], ==, 1);
    pair_close(&p);
}

static gpointer late_offer(gpointer opaque)
{
    pair_offer(opaque, false);
    return NULL;
}

/* A write waits until the peer offers something; one of memory that is not there is refused. */
static void test_direct_refused(void)
{
    Pair p;
    Error *err = NULL;
    pair_open(&p, false);
    p.there[1].length /= 2;
    p.there[0].name = "other";
    GThread *t = g_thread_new("offer", late_offer, &p);
    g_assert_false(p.out->direct->write(p.out, 0, 0, 4096, &err));
    expect(err, "there is no memory \"big\"");
    g_thread_join(t);
    err = NULL;
    g_assert_false(p.out->direct->write(p.out, 1, 0, 4096, &err));
    expect(err, "outside of memory \"small\"");
    pair_close(&p);
}

static gpointer write_late(gpointer opaque)
{
    Pair *p = opaque;
    Error *err = NULL;
    g_assert_false(p->out->direct->write(p->out, 0, 0, 4096, &err));
    expect(err, "shut down");
    return NULL;
}

/* Nobody answers: a shutdown ends the wait. */
static void test_direct_shutdown(void)
{
    Pair p;
    pair_open(&p, false);
    GThread *t = g_thread_new("write", write_late, &p);
    migration_channel_shutdown(p.out);
    g_thread_join(t);
    pair_close(&p);
}

#define ROUNDS 300

/* Writes a page's state, says so over the stream, and waits until that has been read. */
static gpointer order_thread(gpointer opaque)
{
    Pair *p = opaque;
    Error *err = NULL;
    QEMUFile *f = qemu_file_channel_new_output(p->out);
    for (uint32_t i = 1; i <= ROUNDS; i++) {
        memset(p->here[0].host, (int)i, PIECE / 16);
        g_assert_true(p->out->direct->write(p->out, 0, 0, PIECE / 16, &err));
        qemu_put_be32(f, i);
        g_assert_true(qemu_fflush(f));
        g_assert_true(p->out->direct->await(p->out, i, &err));
        g_assert_true(p->out->direct->drain(p->out, &err));
    }
    qemu_fclose(f, NULL);
    return NULL;
}

/* What was written before a message is there when the message is. */
static void test_direct_order(void)
{
    Pair p;
    pair_open(&p, false);
    pair_offer(&p, false);
    GThread *t = g_thread_new("order", order_thread, &p);
    QEMUFile *f = qemu_file_channel_new_input(p.in);
    for (uint32_t i = 1; i <= ROUNDS; i++) {
        g_assert_cmpuint(qemu_get_be32(f), ==, i);
        for (size_t at = 0; at < PIECE / 16; at += 4096) {
            g_assert_cmpuint(p.there[0].host[at], ==, i % 256);
        }
        p.in->direct->reached(p.in, i);
    }
    g_thread_join(t);
    qemu_fclose(f, NULL);
    pair_close(&p);
}

static void test_errors(void)
{
    MigrationListener *l = must_listen("rdma:127.0.0.1:0", -1);
    expect_no_listen(l->name, "Address already in use");
    g_autofree char *uri = g_strdup(l->name);
    migration_listener_free(l);
    expect_no_connect(uri, "Connection refused");
    expect_no_connect("rdma:host.invalid:4444", "host.invalid");
}

/* What can be said of an address without opening it. */
static void test_addresses(void)
{
    static const char *const bad[][2] = {
        { "rdma:", "no port" }, { "rdma:host", "no port" }, { "rdma:host:65536", "port '65536'" },
        { "rdma:host:1,to=5", "HOST:PORT" }, { "rdma:\xff:1", "not UTF-8" }, { "rdma:::1:4444", "[ADDRESS]:PORT" },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        Error *err = NULL;
        g_assert_null(migration_address_parse(bad[i][0], NULL, &err));
        expect(err, bad[i][1]);
    }
    migration_address_free(parse("x-rdma:host:1"));
    json_t *channels = json_pack("[{ss s{ss ss ss}}]", "channel-type", "main", "addr", "transport", "rdma", "host",
                                 "::1", "port", "7");
    MigrationAddress *address = migration_address_parse(NULL, channels, NULL);
    g_assert_cmpstr(address->uri, ==, "rdma:[::1]:7");
    migration_address_free(address);
    json_decref(channels);
}

static void test_not_built(void)
{
    Error *err = NULL;
    g_assert_null(migration_address_parse("rdma:host:1", NULL, &err));
    expect(err, "migration over rdma: is not built into this program");
}

int main(int argc, char **argv)
{
    fixture_init(&argc, &argv);
    MigrationAddress *address = migration_address_parse("rdma:127.0.0.1:1", NULL, NULL);
    if (!address) {
        g_test_add_func("/rdma/not-built", test_not_built);
    } else {
        g_test_add_func("/rdma/addresses", test_addresses);
        g_test_add_data_func("/rdma/stream-ipv4", "rdma:127.0.0.1:0", test_stream);
        g_test_add_data_func("/rdma/stream-ipv6", "rdma:[::1]:0", test_stream);
        g_test_add_func("/rdma/shutdown", test_shutdown);
        g_test_add_func("/rdma/peer-gone", test_peer_gone);
        g_test_add_func("/rdma/errors", test_errors);
        g_test_add_data_func("/rdma/direct", GINT_TO_POINTER(0), test_direct);
        g_test_add_data_func("/rdma/direct/pinned-by-source", GINT_TO_POINTER(1), test_direct);
        g_test_add_data_func("/rdma/direct/pinned-by-destination", GINT_TO_POINTER(2), test_direct);
        g_test_add_data_func("/rdma/direct/pinned", GINT_TO_POINTER(3), test_direct);
        g_test_add_func("/rdma/direct/refused", test_direct_refused);
        g_test_add_func("/rdma/direct/shutdown", test_direct_shutdown);
        g_test_add_func("/rdma/direct/order", test_direct_order);
    }
    migration_address_free(address);
    return fixture_run();
}
