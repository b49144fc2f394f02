/*
 * test-net-tap.c - -netdev tap on an interface of a private network namespace.
 *
 * The program makes the namespace for itself, as any user may on most systems; where that or
 * /dev/net/tun is refused the tests are skipped.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib-layer-machine.h"
#include "net/net.h"
#include "system/machine.h"
#include "util/keyval.h"

#define PATIENCE_US (20 * G_USEC_PER_SEC)
#define HOST_IP 0x0a090001      /* 10.9.0.1, the host's end */
#define GUEST_IP 0x0a090002
#define ARP_FRAME 42

static const char *reason;      /* to skip, or NULL */

/* The host's answer to the guest's question, once it is there. */
typedef struct Guest {
    uint8_t answer[ARP_FRAME];
    bool answered;
} Guest;

static const uint8_t guest_mac[6] = { 0x52, 0x54, 0, 0x12, 0x34, 0x56 };

static size_t guest_receive(NetClientState *nc, const struct iovec *iov, int niov)
{
    Guest *g = nc->opaque;
    const uint8_t *frame = iov[0].iov_base;
    /* The kernel says other things too on a new interface. */
    if (iov[0].iov_len >= ARP_FRAME && frame[12] == 8 && frame[13] == 6 && frame[21] == 2) {
        memcpy(g->answer, frame, ARP_FRAME);
        g->answered = true;
    }
    return iov[0].iov_len;
}

static const NetClientOps guest_ops = { .type = "nic", .receive = guest_receive };

/* Brings the interface up with the host's address. */
static void configure(const char *ifname)
{
    struct ifreq ifr = { 0 };
    struct sockaddr_in *in = (struct sockaddr_in *)&ifr.ifr_addr;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    g_strlcpy(ifr.ifr_name, ifname, IFNAMSIZ);
    in->sin_family = AF_INET;
    in->sin_addr.s_addr = htonl(HOST_IP);
    g_assert_cmpint(ioctl(fd, SIOCSIFADDR, &ifr), ==, 0);
    ifr.ifr_flags = IFF_UP | IFF_RUNNING;
    g_assert_cmpint(ioctl(fd, SIOCSIFFLAGS, &ifr), ==, 0);
    close(fd);
}

/* Asks who has the host's address and waits for the answer. */
static void ask(Machine *m, NetClientState *nic, Guest *g)
{
    uint8_t arp[ARP_FRAME] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
    static const uint8_t head[] = { 8, 6, 0, 1, 8, 0, 6, 4, 0, 1 };
    uint32_t guest_ip = htonl(GUEST_IP), host_ip = htonl(HOST_IP);
    memcpy(arp + 6, guest_mac, 6);
    memcpy(arp + 12, head, sizeof(head));
    memcpy(arp + 22, guest_mac, 6);
    memcpy(arp + 28, &guest_ip, 4);
    memcpy(arp + 38, &host_ip, 4);
    net_send(nic, (struct iovec[]){ { arp, 20 }, { arp + 20, ARP_FRAME - 20 } }, 2);
    gint64 end = g_get_monotonic_time() + PATIENCE_US;
    while (!g->answered) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        machine_unlock(m);
        main_loop_iterate(m->loop, false);
        machine_lock(m);
        g_thread_yield();
    }
    g_assert_cmpmem(g->answer, 6, guest_mac, 6);
    g_assert_cmpmem(g->answer + 28, 4, &host_ip, 4);
}

static void exchange(const char *options, const char *ifname)
{
    Guest g = { 0 };
    Error *err = NULL;
    Machine *m = net_machine_new(false);
    json_t *json = keyval_parse(options, "type", NULL);
    NetClientState *tap = netdev_new(m, json, &err);
    json_decref(json);
    g_assert_null(err);
    g_assert_nonnull(strstr(tap->info, ifname));
    NetClientState *nic = net_nic_new(m, &guest_ops, "n", &g, tap, NULL);
    configure(ifname);
    ask(m, nic, &g);
    layer_machine_free(m);
}

static int open_tun(const char *ifname, short flags)
{
    struct ifreq ifr = { .ifr_flags = flags };
    int fd = open("/dev/net/tun", O_RDWR);
    g_assert_cmpint(fd, >=, 0);
    g_strlcpy(ifr.ifr_name, ifname, IFNAMSIZ);
    g_assert_cmpint(ioctl(fd, TUNSETIFF, &ifr), ==, 0);
    return fd;
}

static void test_ifname(void)
{
    if (reason) {
        g_test_skip(reason);
        return;
    }
    exchange("tap,id=t,ifname=godwit0,script=no,downscript=no", "godwit0");
}

/* As a manager hands it in: opened already, with a header in front of each frame or without. */
static void test_fd(void)
{
    static const short flags[] = { IFF_NO_PI, IFF_NO_PI | IFF_VNET_HDR };
    if (reason) {
        g_test_skip(reason);
        return;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(flags); i++) {
        int fd = open_tun("godwit1", IFF_TAP | flags[i]), vhost = open("/dev/null", O_RDONLY);
        g_autofree char *options = g_strdup_printf(
            "{\"type\":\"tap\",\"fd\":\"%d\",\"vhost\":true,\"vhostfd\":\"%d\",\"id\":\"t\"}", fd,
            vhost);
        exchange(options, "godwit1");
        /* Both belonged to the netdev. */
        g_assert_cmpint(fcntl(fd, F_GETFD), <, 0);
        g_assert_cmpint(fcntl(vhost, F_GETFD), <, 0);
    }
}

static void test_bad_fd(void)
{
    static const short flags[] = { IFF_TUN | IFF_NO_PI, -1 };
    if (reason) {
        g_test_skip(reason);
        return;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(flags); i++) {
        int fd = flags[i] < 0 ? open("/dev/null", O_RDWR) : open_tun("godwit2", flags[i]);
        Machine *m = net_machine_new(false);
        Error *err = NULL;
        json_t *json = json_pack("{ss ss si}", "type", "tap", "id", "t", "fd", fd);
        g_assert_null(netdev_new(m, json, &err));
        g_assert_nonnull(strstr(error_get_pretty(err), "tap"));
        error_free(err);
        json_decref(json);
        layer_machine_free(m);
        close(fd);
    }
}

static const char *make_namespace(void)
{
    if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0) {
        return "no private network namespace";
    }
    struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };
    int fd = open("/dev/net/tun", O_RDWR);
    bool ok = fd >= 0 && ioctl(fd, TUNSETIFF, &ifr) == 0;
    if (fd >= 0) {
        close(fd);
    }
    return ok ? NULL : "no /dev/net/tun";
}

int main(int argc, char **argv)
{
    /* Before there are threads. */
    reason = make_namespace();
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/net/tap/ifname", test_ifname);
    g_test_add_func("/net/tap/fd", test_fd);
    g_test_add_func("/net/tap/bad-fd", test_bad_fd);
    return g_test_run();
}
