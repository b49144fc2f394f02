/*
 * test-net-slirp.c - -netdev user seen from the guest: frames made by hand, servers on the host.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <glib.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "migration/qemu-file.h"
#include "migration/register.h"
#include "lib-layer-machine.h"
#include "net/net.h"
#include "system/machine.h"
#include "system/runstate.h"
#include "util/keyval.h"

#define PATIENCE_US (20 * G_USEC_PER_SEC)

#define GUEST_IP 0x0a00020f     /* 10.0.2.15, what DHCP gives first */
#define HOST_IP 0x0a000202      /* 10.0.2.2, the host's loopback */
#define GUEST_PORT 4321
#define IP_HEADER 20
#define UDP_HEADER 8
#define TCP_HEADER 20
#define ETH_HEADER 14
#define TCP_FIN 1
#define TCP_SYN 2
#define TCP_PSH 8
#define TCP_ACK 16

static const uint8_t guest_mac[6] = { 0x52, 0x54, 0, 0x12, 0x34, 0x56 };
static const uint8_t broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

/* A guest: its card, and the frames that came, oldest first. */
typedef struct Guest {
    Machine *m;
    NetClientState *nc;
    GQueue frames;              /* of GByteArray */
    uint8_t host_mac[6];
    uint16_t ip_id;
    uint32_t seq, ack;          /* of its one TCP connection */
    uint16_t tcp_port;          /* the other side's */
} Guest;

static size_t guest_receive(NetClientState *nc, const struct iovec *iov, int niov)
{
    Guest *g = nc->opaque;
    GByteArray *bytes = g_byte_array_new();
    for (int i = 0; i < niov; i++) {
        g_byte_array_append(bytes, iov[i].iov_base, iov[i].iov_len);
    }
    g_queue_push_tail(&g->frames, bytes);
    return bytes->len;
}

static const NetClientOps guest_ops = { .type = "nic", .receive = guest_receive };

static bool guest_start(Guest *g, const char *options)
{
    Error *err = NULL;
    memset(g, 0, sizeof(*g));
    g->m = net_machine_new(false);
    vm_start(g->m);
    json_t *json = keyval_parse(options, "type", NULL);
    NetClientState *peer = netdev_new(g->m, json, &err);
    json_decref(json);
    if (!peer) {
        g_assert_nonnull(strstr(error_get_pretty(err), "without libslirp"));
        g_test_skip(error_get_pretty(err));
        error_free(err);
        layer_machine_free(g->m);
        return false;
    }
    g->nc = net_nic_new(g->m, &guest_ops, "n", g, peer, NULL);
    g_queue_init(&g->frames);
    return true;
}

static void guest_end(Guest *g)
{
    layer_machine_free(g->m);
    GByteArray *bytes;
    while ((bytes = g_queue_pop_head(&g->frames))) {
        g_byte_array_unref(bytes);
    }
}

static void step(Guest *g)
{
    machine_unlock(g->m);
    main_loop_iterate(g->m->loop, false);
    machine_lock(g->m);
    g_thread_yield();
}

/* The next frame that match() likes; others are thrown away. The caller frees it. */
typedef bool Match(const Guest *g, const uint8_t *frame, size_t len);

static GByteArray *wait_frame(Guest *g, Match *match)
{
    gint64 end = g_get_monotonic_time() + PATIENCE_US;
    for (;;) {
        GByteArray *bytes = g_queue_pop_head(&g->frames);
        if (bytes && match(g, bytes->data, bytes->len)) {
            return bytes;
        }
        if (bytes) {
            g_byte_array_unref(bytes);
            continue;
        }
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        step(g);
    }
}

/* ---- packets ---- */

static void put16(uint8_t *p, uint16_t v)
{
    p[0] = v >> 8;
    p[1] = v;
}

static void put32(uint8_t *p, uint32_t v)
{
    put16(p, v >> 16);
    put16(p + 2, v);
}

static uint16_t get16(const uint8_t *p)
{
    return p[0] << 8 | p[1];
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static uint32_t sum16(const uint8_t *p, size_t len, uint32_t sum)
{
    for (size_t i = 0; i < len; i++) {
        sum += i & 1 ? p[i] : p[i] << 8;
    }
    return sum;
}

static uint16_t fold(uint32_t sum)
{
    while (sum >> 16) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return ~sum;
}

static void send_ethernet(Guest *g, const uint8_t *dst, uint16_t type, const uint8_t *payload,
                          size_t len)
{
    uint8_t head[ETH_HEADER];
    memcpy(head, dst, 6);
    memcpy(head + 6, guest_mac, 6);
    put16(head + 12, type);
    struct iovec iov[2] = { { head, sizeof(head) }, { (void *)payload, len } };
    g_assert_cmpuint(net_send(g->nc, iov, 2), ==, sizeof(head) + len);
}

static void send_ip(Guest *g, const uint8_t *dst_mac, uint32_t src, uint32_t dst, uint8_t protocol,
                    const uint8_t *payload, size_t len)
{
    uint8_t packet[1500] = { 0x45 };
    g_assert_cmpuint(len, <=, sizeof(packet) - IP_HEADER);
    put16(packet + 2, IP_HEADER + len);
    put16(packet + 4, ++g->ip_id);
    packet[8] = 64;
    packet[9] = protocol;
    put32(packet + 12, src);
    put32(packet + 16, dst);
    put16(packet + 10, fold(sum16(packet, IP_HEADER, 0)));
    memcpy(packet + IP_HEADER, payload, len);
    send_ethernet(g, dst_mac, 0x0800, packet, IP_HEADER + len);
}

static void send_udp(Guest *g, const uint8_t *dst_mac, uint32_t src, uint32_t dst, uint16_t sport,
                     uint16_t dport, const void *data, size_t len)
{
    uint8_t packet[1400];
    put16(packet, sport);
    put16(packet + 2, dport);
    put16(packet + 4, UDP_HEADER + len);
    put16(packet + 6, 0);       /* no checksum */
    memcpy(packet + UDP_HEADER, data, len);
    send_ip(g, dst_mac, src, dst, IPPROTO_UDP, packet, UDP_HEADER + len);
}

static void send_tcp(Guest *g, uint8_t flags, const void *data, size_t len)
{
    uint8_t packet[1400] = { 0 }, pseudo[12] = { 0 };
    put16(packet, GUEST_PORT);
    put16(packet + 2, g->tcp_port);
    put32(packet + 4, g->seq);
    put32(packet + 8, flags & TCP_ACK ? g->ack : 0);
    packet[12] = TCP_HEADER / 4 << 4;
    packet[13] = flags;
    put16(packet + 14, 65535);
    memcpy(packet + TCP_HEADER, data, len);
    put32(pseudo, GUEST_IP);
    put32(pseudo + 4, HOST_IP);
    pseudo[9] = IPPROTO_TCP;
    put16(pseudo + 10, TCP_HEADER + len);
    put16(packet + 16, fold(sum16(packet, TCP_HEADER + len, sum16(pseudo, sizeof(pseudo), 0))));
    send_ip(g, g->host_mac, GUEST_IP, HOST_IP, IPPROTO_TCP, packet, TCP_HEADER + len);
    g->seq += len + !!(flags & TCP_SYN) + !!(flags & TCP_FIN);
}

static bool is_ip(const uint8_t *f, size_t len, uint8_t protocol)
{
    return len >= ETH_HEADER + IP_HEADER && get16(f + 12) == 0x0800 && f[ETH_HEADER] == 0x45 &&
           f[ETH_HEADER + 9] == protocol;
}

static bool is_arp_reply(const Guest *g, const uint8_t *f, size_t len)
{
    return len >= 42 && get16(f + 12) == 0x0806 && get16(f + 20) == 2 && get32(f + 28) == HOST_IP;
}

static void learn_host_mac(Guest *g)
{
    uint8_t arp[28] = { 0, 1, 8, 0, 6, 4, 0, 1 };
    memcpy(arp + 8, guest_mac, 6);
    put32(arp + 14, GUEST_IP);
    put32(arp + 24, HOST_IP);
    send_ethernet(g, broadcast, 0x0806, arp, sizeof(arp));
    GByteArray *reply = wait_frame(g, is_arp_reply);
    g_assert_cmpmem(reply->data, 6, guest_mac, 6);
    memcpy(g->host_mac, reply->data + 22, 6);
    g_byte_array_unref(reply);
}

/* ---- tests ---- */

static bool is_dhcp_reply(const Guest *g, const uint8_t *f, size_t len)
{
    return is_ip(f, len, IPPROTO_UDP) && len > 282 && get16(f + 34) == 67 && get16(f + 36) == 68;
}

/* The value of a DHCP option, or NULL. */
static const uint8_t *dhcp_option(const GByteArray *frame, uint8_t code, uint8_t *len)
{
    for (size_t i = ETH_HEADER + IP_HEADER + UDP_HEADER + 240; i + 1 < frame->len;) {
        if (frame->data[i] == 255) {
            break;
        }
        if (frame->data[i] == 0) {
            i++;
            continue;
        }
        if (frame->data[i] == code && i + 2 + frame->data[i + 1] <= frame->len) {
            *len = frame->data[i + 1];
            return frame->data + i + 2;
        }
        i += 2 + frame->data[i + 1];
    }
    return NULL;
}

/* Asks for an address on behalf of a card whose own ends with that byte. */
static GByteArray *discover_from(Guest *g, uint8_t last)
{
    uint8_t discover[300] = { 1, 1, 6, 0, 0x12, 0x34, 0x56, 0x78 };
    static const uint8_t options[] = { 99, 130, 83, 99, 53, 1, 1, 255 };
    memcpy(discover + 28, guest_mac, 6);
    discover[33] = last;
    memcpy(discover + 236, options, sizeof(options));
    send_udp(g, broadcast, 0, INADDR_BROADCAST, 68, 67, discover, sizeof(discover));
    return wait_frame(g, is_dhcp_reply);
}

static uint32_t offered_address(Guest *g, uint8_t last)
{
    GByteArray *offer = discover_from(g, last);
    uint32_t address = get32(offer->data + ETH_HEADER + IP_HEADER + UDP_HEADER + 16);
    g_byte_array_unref(offer);
    return address;
}

static void test_dhcp(void)
{
    Guest g;
    if (!guest_start(&g, "user,id=u,hostname=knot,ipv6=off")) {
        return;
    }
    GByteArray *offer = discover_from(&g, guest_mac[5]);
    const uint8_t *dhcp = offer->data + ETH_HEADER + IP_HEADER + UDP_HEADER;
    g_assert_cmpuint(get32(dhcp + 4), ==, 0x12345678);
    g_assert_cmphex(get32(dhcp + 16), ==, GUEST_IP);
    uint8_t len;
    const uint8_t *value = dhcp_option(offer, 53, &len);
    g_assert_nonnull(value);
    g_assert_cmpuint(value[0], ==, 2);      /* an offer */
    value = dhcp_option(offer, 3, &len);
    g_assert_nonnull(value);
    g_assert_cmphex(get32(value), ==, HOST_IP);
    value = dhcp_option(offer, 6, &len);
    g_assert_nonnull(value);
    g_assert_cmphex(get32(value), ==, 0x0a000203);
    value = dhcp_option(offer, 12, &len);
    g_assert_cmpmem(value, len, "knot", 4);
    g_byte_array_unref(offer);
    guest_end(&g);
}

static int host_socket(int type, uint16_t *port)
{
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(in);
    int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    g_assert_cmpint(bind(fd, (struct sockaddr *)&in, len), ==, 0);
    g_assert_cmpint(getsockname(fd, (struct sockaddr *)&in, &len), ==, 0);
    *port = ntohs(in.sin_port);
    return fd;
}

static bool is_udp_to_guest(const Guest *g, const uint8_t *f, size_t len)
{
    return is_ip(f, len, IPPROTO_UDP) && get16(f + 36) == GUEST_PORT;
}

static void test_udp_echo(void)
{
    Guest g;
    uint16_t port;
    if (!guest_start(&g, "user,id=u")) {
        return;
    }
    int fd = host_socket(SOCK_DGRAM, &port);
    learn_host_mac(&g);
    send_udp(&g, g.host_mac, GUEST_IP, HOST_IP, GUEST_PORT, port, "marco", 5);
    char buf[64];
    struct sockaddr_in from;
    socklen_t from_len = sizeof(from);
    ssize_t n;
    gint64 end = g_get_monotonic_time() + PATIENCE_US;
    while ((n = recvfrom(fd, buf, sizeof(buf), 0, (struct sockaddr *)&from, &from_len)) < 0) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        step(&g);
    }
    g_assert_cmpmem(buf, n, "marco", 5);
    g_assert_cmpint(sendto(fd, "polo", 4, 0, (struct sockaddr *)&from, from_len), ==, 4);
    GByteArray *reply = wait_frame(&g, is_udp_to_guest);
    g_assert_cmpuint(get16(reply->data + 34), ==, port);
    g_assert_cmpmem(reply->data + 42, 4, "polo", 4);
    g_byte_array_unref(reply);
    close(fd);
    guest_end(&g);
}

static bool is_tcp(const Guest *g, const uint8_t *f, size_t len)
{
    return is_ip(f, len, IPPROTO_TCP) && len >= ETH_HEADER + IP_HEADER + TCP_HEADER;
}

static bool is_syn(const Guest *g, const uint8_t *f, size_t len)
{
    return is_tcp(g, f, len) && (f[47] & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

static bool is_syn_ack(const Guest *g, const uint8_t *f, size_t len)
{
    return is_tcp(g, f, len) && (f[47] & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK);
}

static size_t tcp_data(const uint8_t *f, size_t *at)
{
    *at = ETH_HEADER + IP_HEADER + (f[46] >> 4) * 4;
    return ETH_HEADER + get16(f + 16) - *at;
}

static bool has_tcp_data(const Guest *g, const uint8_t *f, size_t len)
{
    size_t at;
    return is_tcp(g, f, len) && tcp_data(f, &at) > 0;
}

static int wait_fd(Guest *g, int fd)
{
    int got;
    gint64 end = g_get_monotonic_time() + PATIENCE_US;
    while ((got = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) < 0) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        step(g);
    }
    return got;
}

static void wait_read(Guest *g, int fd, const char *expected)
{
    char buf[64];
    size_t have = 0;
    gint64 end = g_get_monotonic_time() + PATIENCE_US;
    while (have < strlen(expected)) {
        ssize_t n = read(fd, buf + have, sizeof(buf) - have);
        have += n > 0 ? n : 0;
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        step(g);
    }
    g_assert_cmpmem(buf, have, expected, strlen(expected));
}

static void expect_data(Guest *g, const char *expected)
{
    GByteArray *frame = wait_frame(g, has_tcp_data);
    size_t at, len = tcp_data(frame->data, &at);
    g_assert_cmpmem(frame->data + at, len, expected, strlen(expected));
    g->ack = get32(frame->data + 38) + len;
    g_byte_array_unref(frame);
    send_tcp(g, TCP_ACK, "", 0);
}

static void test_tcp_echo(void)
{
    Guest g;
    if (!guest_start(&g, "user,id=u")) {
        return;
    }
    int listener = host_socket(SOCK_STREAM, &g.tcp_port);
    g_assert_cmpint(listen(listener, 1), ==, 0);
    learn_host_mac(&g);
    g.seq = 1000;
    send_tcp(&g, TCP_SYN, "", 0);
    GByteArray *syn_ack = wait_frame(&g, is_syn_ack);
    g_assert_cmpuint(get32(syn_ack->data + 42), ==, 1001);
    g.ack = get32(syn_ack->data + 38) + 1;
    g_byte_array_unref(syn_ack);
    send_tcp(&g, TCP_ACK, "", 0);
    int fd = wait_fd(&g, listener);
    send_tcp(&g, TCP_ACK | TCP_PSH, "ping", 4);
    wait_read(&g, fd, "ping");
    g_assert_cmpint(write(fd, "pong!", 5), ==, 5);
    expect_data(&g, "pong!");
    close(fd);
    close(listener);
    guest_end(&g);
}

/* A port of the host leads into the guest. */
static void test_hostfwd(void)
{
    Guest g;
    uint16_t port;
    close(host_socket(SOCK_STREAM, &port));
    g_autofree char *options = g_strdup_printf("user,id=u,hostfwd=tcp:127.0.0.1:%u-:%u", port,
                                               GUEST_PORT);
    if (!guest_start(&g, options)) {
        return;
    }
    learn_host_mac(&g);
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                              .sin_port = htons(port) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(connect(fd, (struct sockaddr *)&in, sizeof(in)), ==, 0);
    g_assert_cmpint(fcntl(fd, F_SETFL, O_NONBLOCK), ==, 0);
    GByteArray *syn = wait_frame(&g, is_syn);
    g_assert_cmphex(get32(syn->data + 30), ==, GUEST_IP);
    g_assert_cmpuint(get16(syn->data + 36), ==, GUEST_PORT);
    g.tcp_port = get16(syn->data + 34);
    g.ack = get32(syn->data + 38) + 1;
    g_byte_array_unref(syn);
    g.seq = 5000;
    send_tcp(&g, TCP_SYN | TCP_ACK, "", 0);
    g_assert_cmpint(write(fd, "knock", 5), ==, 5);
    expect_data(&g, "knock");
    send_tcp(&g, TCP_ACK | TCP_PSH, "come in", 7);
    wait_read(&g, fd, "come in");
    close(fd);
    guest_end(&g);
    /* The port is free again, and one that is taken is an error. */
    int holder = host_socket(SOCK_STREAM, &port);
    g_assert_cmpint(listen(holder, 1), ==, 0);
    Machine *m = net_machine_new(false);
    g_autofree char *taken = g_strdup_printf("user,id=u,hostfwd=tcp:127.0.0.1:%u-:22", port);
    json_t *json = keyval_parse(taken, "type", NULL);
    Error *err = NULL;
    g_assert_null(netdev_new(m, json, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "forwarding"));
    error_free(err);
    json_decref(json);
    layer_machine_free(m);
    close(holder);
}

/* restrict=on: the guest sees the virtual network and nothing behind it. */
static void test_restrict(void)
{
    Guest g;
    uint16_t port;
    if (!guest_start(&g, "user,id=u,restrict=on")) {
        return;
    }
    int fd = host_socket(SOCK_DGRAM, &port);
    char buf[8];
    learn_host_mac(&g);
    send_udp(&g, g.host_mac, GUEST_IP, HOST_IP, GUEST_PORT, port, "no", 2);
    /* The answer to the ARP request proves that slirp has seen the packet before. */
    learn_host_mac(&g);
    for (unsigned i = 0; i < 20; i++) {
        step(&g);
    }
    g_assert_cmpint(recv(fd, buf, sizeof(buf), 0), <, 0);
    close(fd);
    guest_end(&g);
}

static void test_garbage(void)
{
    Guest g;
    if (!guest_start(&g, "user,id=u,restrict=on")) {
        return;
    }
    uint8_t frame[1600];
    GRand *rand = g_rand_new_with_seed(7);
    for (unsigned i = 0; i < 3000; i++) {
        size_t len = g_rand_int_range(rand, 1, sizeof(frame));
        for (size_t j = 0; j < len; j++) {
            frame[j] = g_rand_int(rand);
        }
        if (len > 34) {
            put16(frame + 12, i % 3 == 0 ? 0x0806 : i % 3 == 1 ? 0x0800 : 0x86dd);
            frame[14] = i % 3 == 2 ? 0x60 : 0x45;
        }
        net_send(g.nc, &(struct iovec){ frame, len }, 1);
    }
    g_rand_free(rand);
    learn_host_mac(&g);         /* it lives */
    guest_end(&g);
}

static void find_slirp(const SaveStateInfo *info, void *opaque)
{
    if (strcmp(info->idstr, "slirp") == 0) {
        *(SaveStateInfo *)opaque = *info;
    }
}

/* A guest that moves keeps its address, and the next one gets another. */
static void test_migration(void)
{
    Guest from, to;
    SaveStateInfo section = { 0 };
    if (!guest_start(&from, "user,id=u")) {
        return;
    }
    g_assert_cmphex(offered_address(&from, 1), ==, GUEST_IP);
    g_assert_cmphex(offered_address(&from, 2), ==, GUEST_IP + 1);
    savevm_foreach(from.m, find_slirp, &section);
    g_assert_nonnull(section.vmsd);
    QEMUFile *f = qemu_file_new_memory();
    g_assert_true(section.vmsd->save_blob(f, section.opaque, NULL));
    size_t len;
    uint8_t *state = qemu_file_take_buffer(f, &len);
    qemu_fclose(f, NULL);
    guest_end(&from);

    g_assert_true(guest_start(&to, "user,id=u"));
    savevm_foreach(to.m, find_slirp, &section);
    f = qemu_file_new_from_buffer(state, len);
    g_assert_true(section.vmsd->load_blob(f, section.opaque, section.vmsd->version_id, NULL));
    g_assert_null(qemu_file_get_error(f));
    g_assert_cmpuint(qemu_ftell(f), ==, len);
    qemu_fclose(f, NULL);
    g_assert_cmphex(offered_address(&to, 3), ==, GUEST_IP + 2);
    g_assert_cmphex(offered_address(&to, 2), ==, GUEST_IP + 1);
    /* A connection in the state, or half of it, is an error. */
    state[0] = 42;
    Error *err = NULL;
    f = qemu_file_new_from_buffer(state, len);
    g_assert_false(section.vmsd->load_blob(f, section.opaque, section.vmsd->version_id, &err));
    error_free(err);
    qemu_fclose(f, NULL);
    state[0] = 0;
    f = qemu_file_new_from_buffer(state, len / 2);
    section.vmsd->load_blob(f, section.opaque, section.vmsd->version_id, NULL);
    g_assert_nonnull(qemu_file_get_error(f));
    qemu_fclose(f, NULL);
    g_free(state);
    guest_end(&to);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/net/slirp/dhcp", test_dhcp);
    g_test_add_func("/net/slirp/udp", test_udp_echo);
    g_test_add_func("/net/slirp/tcp", test_tcp_echo);
    g_test_add_func("/net/slirp/hostfwd", test_hostfwd);
    g_test_add_func("/net/slirp/restrict", test_restrict);
    g_test_add_func("/net/slirp/garbage", test_garbage);
    g_test_add_func("/net/slirp/migration", test_migration);
    return g_test_run();
}
