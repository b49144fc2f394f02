/*
 * tap.c - -netdev tap: frames to and from an interface of the host's kernel.
 *
 * Lobby; below it /dev/net/tun and the main loop.
 * Threads and locks: the machine's lock; nothing waits.
 * Invariant: the guest sees plain frames.  An interface that this file opens has no header in front
 * of them; one that was inherited may (IFF_VNET_HDR): then an empty header is put in front of each
 * frame sent, offloads are switched off, and the header of each frame received is dropped.
 * Options: ifname, or fd with the number of an inherited descriptor; script=no and downscript=no.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "io/socket.h"
#include "net/net-addr.h"
#include "net/net-int.h"
#include "system/machine.h"
#include "trace/net.h"
#include "util/iov.h"
#include "util/keyval.h"

#define TUN_DEVICE "/dev/net/tun"
#define VNET_HDR_MAX 64         /* more than any kernel's header has */
#define FRAMES_A_WAKEUP 64

typedef struct NetTap {
    NetClientState *nc;
    int fd;
    FDHandler *io;
    int vnet_hdr_len;           /* bytes in front of each frame; 0: none */
    uint8_t *buf;               /* VNET_HDR_MAX + NET_PACKET_MAX */
    bool paused;                /* a frame waits at the peer */
    bool full;                  /* the kernel could not take a frame: wait until it can */
} NetTap;

/* ---- frames ---- */

static void tap_update_events(NetTap *s)
{
    if (!s->io) {
        return;
    }
    fd_handler_set_events(s->io, (s->paused ? 0 : G_IO_IN) | (s->full ? G_IO_OUT : 0));
}

static void tap_ready(int fd, GIOCondition events, void *opaque)
{
    NetTap *s = opaque;
    if (s->full && (events & G_IO_OUT)) {
        s->full = false;
        net_flush_queued(s->nc);
    }
    for (unsigned i = 0; i < FRAMES_A_WAKEUP && !s->paused; i++) {
        ssize_t n = read(fd, s->buf, VNET_HDR_MAX + NET_PACKET_MAX);
        if (n < 0 && (events & G_IO_ERR) && errno != EAGAIN && errno != EINTR) {
            /* The interface is gone: poll() would say so for ever. */
            fd_handler_remove(s->io);
            s->io = NULL;
            return;
        }
        if (n <= s->vnet_hdr_len) {
            break;
        }
        struct iovec iov = { s->buf + s->vnet_hdr_len, n - s->vnet_hdr_len };
        s->paused = net_send(s->nc, &iov, 1) == 0;
    }
    tap_update_events(s);
}

static void tap_sent(NetClientState *nc)
{
    NetTap *s = nc->opaque;
    s->paused = false;
    tap_update_events(s);
}

static size_t tap_receive(NetClientState *nc, const struct iovec *iov, int niov)
{
    NetTap *s = nc->opaque;
    size_t len = iov_size(iov, niov);
    g_autofree uint8_t *flat = g_malloc0(s->vnet_hdr_len + len);
    iov_to_buf(iov, niov, 0, flat + s->vnet_hdr_len, len);
    ssize_t n;
    do {
        n = write(s->fd, flat, s->vnet_hdr_len + len);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN) {
        s->full = true;
        tap_update_events(s);
        return 0;
    }
    /*
     * An interface that is down refuses frames: they are lost, as on a wire that is not plugged
     * in.
     */
    return len;
}

static void tap_cleanup(NetClientState *nc)
{
    NetTap *s = nc->opaque;
    fd_handler_remove(s->io);
    if (s->fd >= 0) {
        close(s->fd);
    }
    g_free(s->buf);
    g_free(s);
}

/* Older kernels have no such switch: then the announcements alone say where the machine is. */
static void tap_plug(NetClientState *nc, bool in)
{
    NetTap *s = nc->opaque;
    int carrier = in;
    ioctl(s->fd, TUNSETCARRIER, &carrier);
    trace_net_tap_plug(nc->name, in);
}

static const NetClientOps tap_ops = {
    .type = "tap",
    .receive = tap_receive,
    .sent = tap_sent,
    .plug = tap_plug,
    .cleanup = tap_cleanup,
};

/* ---- opening ---- */

static bool tap_open_interface(NetTap *s, const char *ifname, Error **errp)
{
    struct ifreq ifr = { 0 };
    if (strlen(ifname) >= IFNAMSIZ) {
        error_setg(errp, "ifname=%s is longer than %d characters", ifname, IFNAMSIZ - 1);
        return false;
    }
    s->fd = open(TUN_DEVICE, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (s->fd < 0) {
        error_setg_errno(errp, errno, "could not open %s", TUN_DEVICE);
        return false;
    }
    ifr.ifr_flags = IFF_TAP | IFF_NO_PI;
    memcpy(ifr.ifr_name, ifname, strlen(ifname));
    if (ioctl(s->fd, TUNSETIFF, &ifr) < 0) {
        int saved = errno;
        error_setg_errno(errp, saved, "could not attach to interface '%s'", ifname);
        error_append_hint(errp,
                          "As root: ip tuntap add dev %s mode tap user NAME; ip link set %s up",
                          ifname, ifname);
        return false;
    }
    net_set_info(s->nc, g_strdup_printf("ifname=%s", ifr.ifr_name));
    trace_net_tap_open(s->nc->name, ifr.ifr_name, 0);
    return true;
}

static bool tap_open_fd(NetTap *s, const json_t *value, Error **errp)
{
    struct ifreq ifr = { 0 };
    int fd, header = 10;
    if (!net_addr_parse_fd(value, "fd", &fd, errp)) {
        return false;
    }
    if (ioctl(fd, TUNGETIFF, &ifr) < 0) {
        error_setg_errno(errp, errno, "fd=%d is not a tap interface", fd);
        return false;
    }
    /* Whether there is packet information (IFF_NO_PI not set) the kernel does not tell. */
    if (!(ifr.ifr_flags & IFF_TAP)) {
        error_setg(errp, "fd=%d: interface '%s' carries packets (tun) and not frames (tap)", fd,
                   ifr.ifr_name);
        return false;
    }
    if (ifr.ifr_flags & IFF_VNET_HDR) {
        if (ioctl(fd, TUNGETVNETHDRSZ, &header) < 0 || header < 0 || header > VNET_HDR_MAX) {
            error_setg(errp, "fd=%d: the interface has a header of unknown length", fd);
            return false;
        }
        s->vnet_hdr_len = header;
    }
    /*
     * No checksums left open and no frames longer than the interface's: the guest's card has
     * neither.
     */
    ioctl(fd, TUNSETOFFLOAD, 0);
    if (!fd_set_nonblocking(fd, true, errp)) {
        return false;
    }
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    s->fd = fd;
    net_set_info(s->nc, g_strdup_printf("fd=%d,ifname=%s", fd, ifr.ifr_name));
    trace_net_tap_open(s->nc->name, ifr.ifr_name, s->vnet_hdr_len);
    return true;
}

static bool tap_check_scripts(const json_t *options, Error **errp)
{
    static const char *const keys[] = { "script", "downscript", NULL };
    for (int i = 0; keys[i]; i++) {
        const char *path = NULL;
        if (!keyval_get_str(options, keys[i], &path, errp)) {
            return false;
        }
        /* "script=no" may have been read as the boolean that it looks like, but not as a path. */
        if (path && path[0] && strcmp(path, "no") != 0 && strcmp(path, "off") != 0) {
            error_setg(errp,
                       "%s=%s: no scripts are run; prepare the interface beforehand and use %s=no",
                       keys[i], path, keys[i]);
            return false;
        }
    }
    return true;
}

/*
 * A manager may offer an inherited interface together with a vhost descriptor; frames go through
 * this process all the same, so that it is closed.  Asked for by hand, vhost cannot be had.
 */
static bool tap_check_vhost(const json_t *options, Error **errp)
{
    const json_t *vhostfd = json_object_get(options, "vhostfd");
    bool vhost = false;
    int fd;
    if (!keyval_get_bool(options, "vhost", &vhost, errp)) {
        return false;
    }
    if (vhost && !json_object_get(options, "fd")) {
        error_setg(errp, "vhost=on is not possible: frames go through this process; use vhost=off");
        return false;
    }
    if (vhostfd) {
        if (!net_addr_parse_fd(vhostfd, "vhostfd", &fd, errp)) {
            return false;
        }
        if (fd > STDERR_FILENO) {
            close(fd);
        }
    }
    return true;
}

static bool tap_open(NetTap *s, const json_t *options, Error **errp)
{
    static const char *const keys[] = { "type",     "id",         "ifname", "fd",
                                        "script",   "downscript", "vhost",  "vhostfd",
                                        "vnet_hdr", "sndbuf",     NULL };
    const char *ifname = NULL;
    const json_t *fd = json_object_get(options, "fd");
    uint64_t sndbuf;
    bool vnet_hdr = false;
    if (!keyval_check_known(options, keys, "netdev tap", errp) ||
        !keyval_get_str(options, "ifname", &ifname, errp) ||
        !keyval_get_bool(options, "vnet_hdr", &vnet_hdr, errp) ||
        !keyval_get_size(options, "sndbuf", &sndbuf, errp) || !tap_check_scripts(options, errp) ||
        !tap_check_vhost(options, errp)) {
        return false;
    }
    if (!ifname == !fd) {
        error_setg(errp,
                   "netdev tap needs ifname= (an interface that exists) or fd= (an inherited one)");
        return false;
    }
    if (ifname && vnet_hdr) {
        error_setg(errp, "vnet_hdr=on is not possible; use vnet_hdr=off");
        return false;
    }
    return fd ? tap_open_fd(s, fd, errp) : tap_open_interface(s, ifname, errp);
}

NetClientState *net_tap_init(Machine *m, const char *id, const json_t *options, Error **errp)
{
    NetTap *s = g_new0(NetTap, 1);
    s->fd = -1;
    s->nc = net_client_new(m, &tap_ops, id, s);
    if (!tap_open(s, options, errp)) {
        net_client_free(s->nc);
        return NULL;
    }
    s->buf = g_malloc(VNET_HDR_MAX + NET_PACKET_MAX);
    s->io = main_loop_add_fd(m->loop, s->fd, G_IO_IN, tap_ready, s);
    return s->nc;
}
