/*
 * test-net.c - clients, queues and links; back ends with real sockets; hand-made frames through
 * slirp.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/socket.h"
#include "lib-layer-machine.h"
#include "net/net.h"
#include "system/machine.h"
#include "util/keyval.h"

#define PATIENCE_US (20 * G_USEC_PER_SEC)   /* an event that never comes fails the test then */

static NetClientState *netdev(Machine *m, Error **errp, const char *format, ...)
    G_GNUC_PRINTF(3, 4);
static NetClientState *netdev(Machine *m, Error **errp, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    json_t *options = keyval_parse(text, "type", errp);
    g_assert_nonnull(options);
    NetClientState *nc = netdev_new(m, options, errp);
    json_decref(options);
    return nc;
}

/* ---- a card that keeps what it gets ---- */

typedef struct Card Card;
struct Card {
    NetClientState *nc;
    GPtrArray *frames;      /* of GBytes */
    bool closed;            /* can_receive says no */
    int room;               /* receive() takes that many more; -1: any number */
    unsigned link_changes;
    Card *answer_to;        /* receive() sends a frame back once */
    unsigned sent_calls;
    bool inside;
};

static size_t card_receive(NetClientState *nc, const struct iovec *iov, int niov)
{
    Card *card = nc->opaque;
    g_assert_false(card->inside);
    if (card->room == 0) {
        return 0;
    }
    card->room -= card->room > 0;
    GByteArray *bytes = g_byte_array_new();
    for (int i = 0; i < niov; i++) {
        g_byte_array_append(bytes, iov[i].iov_base, iov[i].iov_len);
    }
    size_t len = bytes->len;
    g_ptr_array_add(card->frames, g_byte_array_free_to_bytes(bytes));
    if (card->answer_to) {
        card->answer_to = NULL;
        card->inside = true;
        net_send(nc, &(struct iovec){ "answer", 6 }, 1);
        card->inside = false;
    }
    return len;
}

static bool card_can_receive(NetClientState *nc)
{
    return !((Card *)nc->opaque)->closed;
}

static void card_link_changed(NetClientState *nc)
{
    ((Card *)nc->opaque)->link_changes++;
}

static void card_sent(NetClientState *nc)
{
    ((Card *)nc->opaque)->sent_calls++;
}

static void card_cleanup(NetClientState *nc)
{
    Card *card = nc->opaque;
    g_ptr_array_unref(card->frames);
    g_free(card);
}

static const NetClientOps card_ops = {
    .type = "nic",
    .receive = card_receive,
    .can_receive = card_can_receive,
    .link_status_changed = card_link_changed,
    .sent = card_sent,
    .cleanup = card_cleanup,
};

static Card *card_new(Machine *m, const char *name, NetClientState *peer)
{
    Card *card = g_new0(Card, 1);
    card->frames = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    card->room = -1;
    card->nc = peer ? net_nic_new(m, &card_ops, name, card, peer, NULL)
                    : net_client_new(m, &card_ops, name, card);
    g_assert_nonnull(card->nc);
    return card;
}

static const uint8_t *card_frame(Card *card, unsigned i, size_t *len)
{
    g_assert_cmpuint(i, <, card->frames->len);
    return g_bytes_get_data(card->frames->pdata[i], len);
}

static size_t send_text(Card *card, const char *text)
{
    return net_send(card->nc, &(struct iovec){ (void *)text, strlen(text) }, 1);
}

static void expect_text(Card *card, unsigned i, const char *text)
{
    size_t len;
    const void *data = card_frame(card, i, &len);
    g_assert_cmpmem(data, len, text, strlen(text));
}

/* ---- the core ---- */

static void test_pair(void)
{
    Machine *m = net_machine_new(false);
    Card *host = card_new(m, "h", NULL), *nic = card_new(m, "n", host->nc);
    Error *err = NULL;
    g_assert_true(nic->nc->is_nic);
    g_assert_true(netdev_find(m, "h") == host->nc);
    g_assert_null(netdev_find(m, "n"));
    g_assert_null(net_nic_new(m, &card_ops, "n2", NULL, host->nc, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "'n'"));
    g_clear_pointer(&err, error_free);
    struct iovec parts[] = { { "ab", 2 }, { "", 0 }, { "cd", 2 } };
    g_assert_cmpuint(net_send(host->nc, parts, 3), ==, 4);
    expect_text(nic, 0, "abcd");
    /* Answers from within receive() arrive after it, in order. */
    nic->answer_to = host;
    host->answer_to = nic;
    g_assert_cmpuint(send_text(host, "x"), ==, 1);
    expect_text(host, 0, "answer");
    expect_text(nic, 1, "x");
    expect_text(nic, 2, "answer");
    g_assert_true(netdev_remove(m, "h", NULL));
    g_assert_null(nic->nc->peer);
    g_assert_true(nic->nc->link_down);
    g_assert_cmpuint(nic->link_changes, ==, 1);
    g_assert_cmpuint(send_text(nic, "into the void"), ==, 13);
    g_assert_false(netdev_remove(m, "h", &err));
    g_assert_cmpint(error_get_class(err), ==, ERROR_CLASS_DEVICE_NOT_FOUND);
    error_free(err);
    layer_machine_free(m);
}

static void test_queue(void)
{
    Machine *m = net_machine_new(false);
    Card *host = card_new(m, "h", NULL), *nic = card_new(m, "n", host->nc);
    nic->closed = true;
    g_assert_cmpuint(send_text(host, "1"), ==, 0);
    g_assert_cmpuint(send_text(host, "2"), ==, 0);
    nic->closed = false;
    /* Not past those that wait. */
    g_assert_cmpuint(send_text(host, "3"), ==, 0);
    g_assert_cmpuint(nic->frames->len, ==, 0);
    nic->room = 2;
    net_flush_queued(nic->nc);
    g_assert_cmpuint(nic->frames->len, ==, 2);
    g_assert_cmpuint(host->sent_calls, ==, 0);
    nic->room = -1;
    net_flush_queued(nic->nc);
    expect_text(nic, 0, "1");
    expect_text(nic, 1, "2");
    expect_text(nic, 2, "3");
    g_assert_cmpuint(host->sent_calls, ==, 1);
    /* The queue has an end; what is too much is dropped and counts as sent. */
    nic->closed = true;
    unsigned queued = 0;
    while (send_text(host, "flood") == 0) {
        g_assert_cmpuint(++queued, <, 100000);
    }
    g_assert_cmpuint(queued, >, 100);
    net_purge(nic->nc);
    g_assert_cmpuint(host->sent_calls, ==, 2);
    nic->closed = false;
    net_flush_queued(nic->nc);
    g_assert_cmpuint(nic->frames->len, ==, 3);
    static uint8_t huge[NET_PACKET_MAX + 1];
    net_send(host->nc, &(struct iovec){ huge, sizeof(huge) }, 1);
    g_assert_cmpuint(nic->frames->len, ==, 3);
    net_send(host->nc, &(struct iovec){ huge, NET_PACKET_MAX }, 1);
    g_assert_cmpuint(nic->frames->len, ==, 4);
    layer_machine_free(m);
}

static void test_link(void)
{
    Machine *m = net_machine_new(false);
    Card *host = card_new(m, "h", NULL), *nic = card_new(m, "n", host->nc);
    Error *err = NULL;
    g_assert_true(net_set_link(m, "n", false, NULL));
    g_assert_cmpuint(nic->link_changes, ==, 1);
    g_assert_cmpuint(send_text(host, "lost"), ==, 4);
    g_assert_true(net_set_link(m, "n", false, NULL));
    g_assert_cmpuint(nic->link_changes, ==, 1);
    g_assert_true(net_set_link(m, "n", true, NULL));
    send_text(host, "a");
    g_assert_cmpuint(nic->frames->len, ==, 1);
    g_assert_true(net_set_link(m, "h", false, NULL));
    g_assert_true(nic->nc->link_down);
    g_assert_cmpuint(nic->link_changes, ==, 3);
    g_assert_false(net_set_link(m, "x", true, &err));
    g_assert_cmpint(error_get_class(err), ==, ERROR_CLASS_DEVICE_NOT_FOUND);
    error_free(err);
    layer_machine_free(m);
}

static void test_macaddr(void)
{
    Machine *m = net_machine_new(false);
    uint8_t a[6] = { 0 }, b[6] = { 0 }, c[6] = { 0x52, 0x54, 0, 0x12, 0x34, 0x57 };
    uint8_t first[6] = { 0x52, 0x54, 0, 0x12, 0x34, 0x56 };
    net_default_macaddr(m, c);
    g_assert_cmpuint(c[5], ==, 0x57);
    net_default_macaddr(m, a);
    g_assert_cmpmem(a, 6, first, 6);
    net_default_macaddr(m, b);
    g_assert_cmpuint(b[5], ==, 0x58);
    layer_machine_free(m);
}

/* ---- waiting for sockets ---- */

typedef bool Condition(void *opaque);

static void step(Machine *m)
{
    machine_unlock(m);
    main_loop_iterate(m->loop, false);
    machine_lock(m);
}

/* Both loops turn until the condition holds. */
static void pump(Machine *a, Machine *b, Condition *condition, void *opaque)
{
    gint64 end = g_get_monotonic_time() + PATIENCE_US;
    while (!condition(opaque)) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        step(a);
        if (b) {
            step(b);
        }
        g_thread_yield();
    }
}

static bool got_one(void *opaque)
{
    return ((Card *)opaque)->frames->len >= 1;
}

static bool got_many(void *opaque)
{
    return ((Card *)opaque)->frames->len >= 200;
}

static bool is_connected(void *opaque)
{
    return strstr(((Card *)opaque)->nc->peer->info, "connect") == ((Card *)opaque)->nc->peer->info;
}

static bool is_disconnected(void *opaque)
{
    return !is_connected(opaque);
}

/* Frames of every length come through whole and in order, also when the receiver dawdles. */
static void exchange(Machine *a, Machine *b, Card *from, Card *to, bool reliable)
{
    uint8_t frame[65000];
    memset(frame, 0x5a, sizeof(frame));
    to->closed = reliable;
    for (unsigned i = 0; i < 200; i++) {
        size_t len = reliable ? 14 + i * 321 % 60000 : 14 + i * 7;
        frame[0] = i;
        net_send(from->nc, (struct iovec[]){ { frame, 10 }, { frame + 10, len - 10 } }, 2);
        step(a);
        step(b);
        if (i == 100) {
            to->closed = false;
            net_flush_queued(to->nc);
        }
    }
    to->closed = false;
    net_flush_queued(to->nc);
    pump(a, b, got_many, to);
    for (unsigned i = 0; i < 200; i++) {
        size_t len, expected = reliable ? 14 + i * 321 % 60000 : 14 + i * 7;
        const uint8_t *data = card_frame(to, i, &len);
        g_assert_cmpuint(len, ==, expected);
        g_assert_cmpuint(data[0], ==, i);
        g_assert_cmpuint(data[len - 1], ==, len == 1 ? i : 0x5a);
    }
}

static void stream_between(const char *server_options, const char *client_format)
{
    Machine *a = net_machine_new(false), *b = net_machine_new(false);
    NetClientState *server = netdev(a, NULL, "%s", server_options);
    g_assert_nonnull(server);
    const char *port = strrchr(server->info, ':');
    g_autofree char *client = g_strdup_printf(client_format, port ? port + 1 : "");
    Card *na = card_new(a, "na", server);
    NetClientState *peer = netdev(b, NULL, "%s", client);
    g_assert_nonnull(peer);
    Card *nb = card_new(b, "nb", peer);
    pump(a, b, is_connected, na);
    g_assert_true(is_connected(nb));
    exchange(a, b, na, nb, true);
    exchange(a, b, nb, na, true);
    /* One end goes; the other lives on and takes the next caller. */
    layer_machine_free(b);
    pump(a, NULL, is_disconnected, na);
    g_assert_cmpuint(send_text(na, "nobody there"), ==, 12);
    b = net_machine_new(false);
    peer = netdev(b, NULL, "%s", client);
    nb = card_new(b, "nb", peer);
    pump(a, b, is_connected, na);
    send_text(na, "again");
    pump(a, b, got_one, nb);
    expect_text(nb, 0, "again");
    layer_machine_free(b);
    layer_machine_free(a);
}

static void test_stream_tcp(void)
{
    stream_between("stream,id=s,server=on,addr.type=inet,addr.host=127.0.0.1,addr.port=0",
                   "stream,id=c,addr.type=inet,addr.host=127.0.0.1,addr.port=%s");
}

static void test_socket_tcp(void)
{
    stream_between("socket,id=s,listen=127.0.0.1:0", "socket,id=c,connect=127.0.0.1:%s");
}

static void test_stream_unix(void)
{
    g_autofree char *dir = g_dir_make_tmp("godwit-net-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "s", NULL);
    g_autofree char *server = g_strdup_printf("stream,id=s,server=on,addr.type=unix,addr.path=%s",
                                              path);
    g_autofree char *client = g_strdup_printf("stream,id=c,addr.type=unix,addr.path=%s%%.0s", path);
    stream_between(server, client);
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    g_rmdir(dir);
}

/* A client that reconnects may be there before its server, and finds it again. */
static void test_reconnect(void)
{
    Machine *a = net_machine_new(false), *b = net_machine_new(false);
    g_autofree char *dir = g_dir_make_tmp("godwit-net-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "s", NULL);
    NetClientState *client = netdev(b, NULL,
                                    "stream,id=c,reconnect-ms=10,addr.type=unix,addr.path=%s",
                                    path);
    g_assert_nonnull(client);
    Card *nb = card_new(b, "nb", client);
    for (unsigned round = 0; round < 2; round++) {
        Card *na = card_new(a, "na",
                            netdev(a, NULL, "stream,id=s,server=on,addr.type=unix,addr.path=%s",
                                   path));
        pump(a, b, is_connected, nb);
        pump(a, b, is_connected, na);
        send_text(nb, "hello");
        pump(a, b, got_one, na);
        net_client_free(na->nc);
        g_assert_true(netdev_remove(a, "s", NULL));
        pump(a, b, is_disconnected, nb);
    }
    Error *err = NULL;
    g_assert_null(netdev(a, &err, "stream,id=x,addr.type=unix,addr.path=%s", path));
    g_assert_nonnull(strstr(error_get_pretty(err), path));
    error_free(err);
    layer_machine_free(a);
    layer_machine_free(b);
    g_rmdir(dir);
}

/* What is no frame ends the connection and nothing else. */
static void test_stream_garbage(void)
{
    Machine *m = net_machine_new(false);
    NetClientState *server =
        netdev(m, NULL, "stream,id=s,server=on,addr.type=inet,addr.host=127.0.0.1,addr.port=0");
    Card *card = card_new(m, "n", server);
    g_autofree char *where = g_strdup(strstr(server->info, "127.0.0.1"));
    SocketAddress *addr = socket_address_new_inet(where, NULL);
    int fd = socket_connect(addr, NULL);
    g_assert_cmpint(fd, >=, 0);
    uint8_t good[] = { 0, 0, 0, 0, 0, 0, 0, 2, 'h', 'i', 0, 0 };
    g_assert_cmpint(socket_send(fd, good, sizeof(good)), ==, sizeof(good));
    pump(m, NULL, got_one, card);
    expect_text(card, 0, "hi");
    uint8_t bad[] = { 0xff, 0xff, 'x' };    /* after two zeroes: 65535 bytes are still a frame */
    g_assert_cmpint(socket_send(fd, bad, sizeof(bad)), ==, sizeof(bad));
    close(fd);
    pump(m, NULL, is_disconnected, card);
    fd = socket_connect(addr, NULL);
    pump(m, NULL, is_connected, card);
    uint8_t worse[] = { 0x80, 0, 0, 0, 'x' };
    g_assert_cmpint(socket_send(fd, worse, sizeof(worse)), ==, sizeof(worse));
    pump(m, NULL, is_disconnected, card);
    close(fd);
    socket_address_free(addr);
    g_assert_cmpuint(card->frames->len, ==, 1);
    layer_machine_free(m);
}

static uint16_t free_udp_port(void)
{
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(in);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    g_assert_cmpint(bind(fd, (struct sockaddr *)&in, len), ==, 0);
    g_assert_cmpint(getsockname(fd, (struct sockaddr *)&in, &len), ==, 0);
    close(fd);
    return ntohs(in.sin_port);
}

static void dgram_between(const char *one, const char *two)
{
    Machine *a = net_machine_new(false), *b = net_machine_new(false);
    Card *na = card_new(a, "na", netdev(a, NULL, "%s", one));
    Card *nb = card_new(b, "nb", netdev(b, NULL, "%s", two));
    exchange(a, b, na, nb, false);
    exchange(a, b, nb, na, false);
    layer_machine_free(a);
    layer_machine_free(b);
}

static void test_dgram_udp(void)
{
    uint16_t p = free_udp_port(), q = free_udp_port();
    g_autofree char *one = g_strdup_printf(
        "dgram,id=d,local.type=inet,local.host=127.0.0.1,local.port=%u,"
        "remote.type=inet,remote.host=127.0.0.1,remote.port=%u", p, q);
    g_autofree char *two = g_strdup_printf("socket,id=d,udp=127.0.0.1:%u,localaddr=127.0.0.1:%u", p,
                                           q);
    dgram_between(one, two);
}

static void test_dgram_unix(void)
{
    g_autofree char *dir = g_dir_make_tmp("godwit-net-XXXXXX", NULL);
    const char *format =
        "dgram,id=d,local.type=unix,local.path=%s/%s,remote.type=unix,remote.path=%s/%s";
    g_autofree char *one = g_strdup_printf(format, dir, "a", dir, "b");
    g_autofree char *two = g_strdup_printf(format, dir, "b", dir, "a");
    dgram_between(one, two);
    g_assert_cmpint(g_rmdir(dir), ==, 0);
}

static void test_errors(void)
{
    static const struct {
        const char *options, *text;
    } bad[] = {
        { "user", "'id'" },
        { "vde,id=x", "vde" },
        { "user,id=x,hostfwd=tcp::80", "[GUESTADDR]:GUESTPORT" },
        { "user,id=x,hostfwd=sctp::80-:80", "sctp::80-:80" },
        { "user,id=x,guestfwd=tcp:10.0.2.100:80-cmd:x", "guestfwd" },
        { "user,id=x,smb=/tmp", "smb" },
        { "user,id=x,net=10.0.2.0/40", "10.0.2.0/40" },
        { "user,id=x,host=10.0.3.2", "10.0.3.2" },
        { "user,id=x,dns=10.0.2.2", "different" },
        { "user,id=x,ipv4=off,ipv6=off", "both" },
        { "user,id=x,colour=red", "colour" },
        { "stream,id=x", "addr" },
        { "stream,id=x,addr.type=inet,addr.host=h", "port" },
        { "stream,id=x,addr.type=carrier-pigeon", "carrier-pigeon" },
        { "stream,id=x,server=on,reconnect=1,addr.type=unix,addr.path=/x", "reconnect" },
        { "stream,id=x,addr.type=fd,addr.str=9999", "9999" },
        { "socket,id=x", "exactly one" },
        { "socket,id=x,mcast=230.0.0.1:1234", "mcast" },
        { "socket,id=x,udp=127.0.0.1:1", "localaddr" },
        { "dgram,id=x", "local" },
        { "dgram,id=x,local.type=inet,local.host=127.0.0.1,local.port=0,remote.type=inet,"
          "remote.host=230.0.0.1,remote.port=1", "multicast" },
        { "dgram,id=x,local.type=fd,local.str=99999", "99999" },
        { "tap,id=x", "ifname" },
        { "tap,id=x,ifname=t,fd=3", "ifname" },
        { "tap,id=x,ifname=a-name-that-is-too-long", "longer" },
        { "tap,id=x,ifname=t,script=/etc/up", "script=no" },
        { "tap,id=x,ifname=t,script=no,downscript=no,vhost=on", "vhost" },
        { "tap,id=x,fd=99999", "99999" },
        { "tap,id=x,fd=here", "number" },
    };
    Machine *m = net_machine_new(false);
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        Error *err = NULL;
        g_assert_null(netdev(m, &err, "%s", bad[i].options));
        g_assert_nonnull(err);
        if (!strstr(error_get_pretty(err), bad[i].text) &&
            !strstr(error_get_pretty(err), "libslirp")) {
            g_test_message("%s: %s", bad[i].options, error_get_pretty(err));
            g_test_fail();
        }
        error_free(err);
        g_assert_null(netdev_find(m, "x"));
    }
    layer_machine_free(m);
    /* Host time has no way into a machine that repeats itself. */
    m = net_machine_new(true);
    Error *err = NULL;
    g_assert_null(netdev(m, &err, "user,id=u"));
    g_assert_nonnull(strstr(error_get_pretty(err), "-icount"));
    error_free(err);
    layer_machine_free(m);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/net/pair", test_pair);
    g_test_add_func("/net/queue", test_queue);
    g_test_add_func("/net/link", test_link);
    g_test_add_func("/net/macaddr", test_macaddr);
    g_test_add_func("/net/stream/tcp", test_stream_tcp);
    g_test_add_func("/net/stream/socket", test_socket_tcp);
    g_test_add_func("/net/stream/unix", test_stream_unix);
    g_test_add_func("/net/stream/reconnect", test_reconnect);
    g_test_add_func("/net/stream/garbage", test_stream_garbage);
    g_test_add_func("/net/dgram/udp", test_dgram_udp);
    g_test_add_func("/net/dgram/unix", test_dgram_unix);
    g_test_add_func("/net/errors", test_errors);
    return g_test_run();
}
