/*
 * char-pty.c - a pseudo terminal: `screen /dev/pts/N` or `virsh console` opens the other end.
 *
 * Lobby, private to chardev/.  Main loop's thread, machine lock held.
 * Invariant: output made while nobody has the other end open is dropped, so that the guest never waits
 * for a reader who may never come.  A hung-up pty is always "ready" with G_IO_HUP; it is therefore
 * looked at once a second by a timer, and watched only while somebody is there.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <termios.h>
#include <unistd.h>

#include "chardev/char-priv.h"
#include "io/socket.h"
#include "system/clock.h"

#define PTY_LOOK_NS (1 * NANOSECONDS_PER_SECOND)
#define PTY_FIRST_LOOK_NS (50 * 1000000LL)

typedef struct PtyChardev {
    int fd;                 /* master */
    FDHandler *handler;
    QEMUTimer *look;
} PtyChardev;

static void pty_look_again(Chardev *chr, int64_t delay_ns)
{
    PtyChardev *s = chr->priv;
    timer_mod(s->look, qemu_clock_get_ns(chr->machine, QEMU_CLOCK_REALTIME) + delay_ns);
}

static void pty_hung_up(Chardev *chr)
{
    PtyChardev *s = chr->priv;
    fd_handler_set_events(s->handler, 0);
    chardev_set_open(chr, false);
    pty_look_again(chr, PTY_LOOK_NS);
}

static void pty_look(void *opaque)
{
    Chardev *chr = opaque;
    PtyChardev *s = chr->priv;
    struct pollfd p = { .fd = s->fd, .events = POLLOUT };
    if (poll(&p, 1, 0) == 1 && !(p.revents & POLLHUP)) {
        chardev_set_open(chr, true);
    } else {
        pty_look_again(chr, PTY_LOOK_NS);
    }
}

static void pty_ready(int fd, GIOCondition events, void *opaque)
{
    Chardev *chr = opaque;
    uint8_t buf[4096];
    if (events & G_IO_OUT) {
        chardev_writable(chr);
    }
    size_t room = MIN(chardev_can_receive(chr), sizeof(buf));
    if ((events & (G_IO_IN | G_IO_HUP)) && room) {
        ssize_t n = read(fd, buf, room);
        if (n > 0) {
            chardev_receive(chr, buf, n);
            return;
        }
        if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
            return;
        }
    }
    if (events & G_IO_HUP) {
        pty_hung_up(chr);
    }
}

static void pty_watch(Chardev *chr, bool input, bool output)
{
    PtyChardev *s = chr->priv;
    fd_handler_set_events(s->handler,
                          chr->open ? (input ? G_IO_IN : 0) | (output ? G_IO_OUT : 0) | G_IO_HUP : 0);
}

static size_t pty_write(Chardev *chr, const uint8_t *buf, size_t len)
{
    PtyChardev *s = chr->priv;
    if (!chr->open) {
        /* Somebody may have come since the last look. */
        struct pollfd p = { .fd = s->fd, .events = POLLOUT };
        if (poll(&p, 1, 0) != 1 || (p.revents & POLLHUP)) {
            return len;
        }
        chardev_set_open(chr, true);
    }
    ssize_t n;
    do {
        n = write(s->fd, buf, len);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        return errno == EAGAIN ? 0 : len;
    }
    return n;
}

static bool pty_open(Chardev *chr, const json_t *options, Error **errp)
{
    PtyChardev *s = chr->priv;
    struct termios raw;
    int slave;
    char name[128];
    s->fd = -1;
    if (openpty(&s->fd, &slave, name, NULL, NULL) < 0) {
        s->fd = -1;
        error_setg_errno(errp, errno, "chardev '%s': cannot make a pty", chr->id);
        return false;
    }
    if (tcgetattr(slave, &raw) == 0) {
        cfmakeraw(&raw);
        tcsetattr(slave, TCSAFLUSH, &raw);
    }
    close(slave);
    if (!fd_set_nonblocking(s->fd, true, errp)) {
        return false;
    }
    chardev_set_filename(chr, "pty:%s", name);
    s->handler = main_loop_add_fd(chr->machine->loop, s->fd, 0, pty_ready, chr);
    s->look = timer_new_ns(chr->machine, QEMU_CLOCK_REALTIME, pty_look, chr);
    pty_look_again(chr, PTY_FIRST_LOOK_NS);
    g_message("char device redirected to %s (label %s)", name, chr->id);
    return true;
}

static void pty_close(Chardev *chr)
{
    PtyChardev *s = chr->priv;
    if (s->handler) {
        fd_handler_remove(s->handler);
    }
    if (s->look) {
        timer_free(s->look);
    }
    if (s->fd >= 0) {
        close(s->fd);
    }
}

const ChardevClass chardev_pty = {
    .name = "pty", .priv_size = sizeof(PtyChardev), .open = pty_open, .write = pty_write,
    .watch = pty_watch, .close = pty_close,
};
