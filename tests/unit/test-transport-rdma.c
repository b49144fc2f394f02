/*
 * test-transport-rdma.c - both ends of an rdma channel over the provider tcp: bytes, ends, memory, hostile peers.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <netinet/in.h>
#include <sys/socket.h>

#include "transport-fixture.h"

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
    }
    migration_address_free(address);
    return fixture_run();
}
