/*
 * char-fd.c - host ends that are plain descriptors: stdio, file, and the null device.
 *
 * Lobby, private to chardev/.  Main loop's thread, machine lock held.
 * Invariant: the terminal is as it was when the program ends.  The descriptors of stdio are shared with
 * other programs, so they stay blocking: a write is made only when poll() says that it will not wait,
 * and of at most PIPE_BUF bytes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "chardev/char-priv.h"
#include "util/keyval.h"

typedef struct FdChardev {
    int in_fd, out_fd;          /* -1: none */
    bool own_fds;
    bool in_ended;
    FDHandler *in_handler, *out_handler;
    bool restore_termios;
    struct termios termios;
} FdChardev;

static void fd_readable(int fd, GIOCondition events, void *opaque)
{
    Chardev *chr = opaque;
    FdChardev *s = chr->priv;
    uint8_t buf[4096];
    size_t room = MIN(chardev_can_receive(chr), sizeof(buf));
    if (!room) {
        return;
    }
    ssize_t n = read(fd, buf, room);
    if (n > 0) {
        chardev_receive(chr, buf, n);
    } else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
        /* The input has ended; output goes on. */
        s->in_ended = true;
        fd_handler_set_events(s->in_handler, 0);
    }
}

static void fd_writable(int fd, GIOCondition events, void *opaque)
{
    chardev_writable(opaque);
}

static void fd_watch(Chardev *chr, bool input, bool output)
{
    FdChardev *s = chr->priv;
    if (s->in_handler) {
        fd_handler_set_events(s->in_handler, input && !s->in_ended ? G_IO_IN | G_IO_HUP : 0);
    }
    if (s->out_handler) {
        fd_handler_set_events(s->out_handler, output ? G_IO_OUT : 0);
    }
}

static size_t fd_write(Chardev *chr, const uint8_t *buf, size_t len)
{
    FdChardev *s = chr->priv;
    struct pollfd p = { .fd = s->out_fd, .events = POLLOUT };
    if (poll(&p, 1, 0) != 1) {
        return 0;
    }
    ssize_t n;
    do {
        n = write(s->out_fd, buf, MIN(len, PIPE_BUF));
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        /* Nobody will ever read it (EPIPE, EIO, ENOSPC): it is lost, the guest goes on. */
        return errno == EAGAIN ? 0 : len;
    }
    return n;
}

static void fd_close(Chardev *chr)
{
    FdChardev *s = chr->priv;
    if (s->in_handler) {
        fd_handler_remove(s->in_handler);
    }
    if (s->out_handler) {
        fd_handler_remove(s->out_handler);
    }
    if (s->restore_termios) {
        tcsetattr(s->in_fd, TCSANOW, &s->termios);
    }
    if (s->own_fds && s->in_fd >= 0) {
        close(s->in_fd);
    }
    if (s->own_fds && s->out_fd >= 0) {
        close(s->out_fd);
    }
}

/* epoll and poll cannot watch plain files, which are always ready anyhow. */
static bool pollable(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    return fd >= 0 && poll(&p, 1, 0) >= 0 && !(p.revents & POLLNVAL);
}

static void fd_start(Chardev *chr)
{
    FdChardev *s = chr->priv;
    if (pollable(s->in_fd)) {
        s->in_handler = main_loop_add_fd(chr->machine->loop, s->in_fd, 0, fd_readable, chr);
    }
    if (pollable(s->out_fd)) {
        s->out_handler = main_loop_add_fd(chr->machine->loop, s->out_fd, 0, fd_writable, chr);
    }
    chr->open = true;
}

/* ---- stdio ---- */

static void make_raw(FdChardev *s, bool signals)
{
    if (tcgetattr(s->in_fd, &s->termios) < 0) {
        return;
    }
    struct termios raw = s->termios;
    raw.c_iflag &= ~(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
    raw.c_oflag |= OPOST;
    raw.c_lflag &= ~(ECHO | ECHONL | ICANON | IEXTEN);
    raw.c_cflag = (raw.c_cflag & ~(CSIZE | PARENB)) | CS8;
    if (!signals) {
        raw.c_lflag &= ~ISIG;
    }
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    s->restore_termios = tcsetattr(s->in_fd, TCSANOW, &raw) == 0;
}

static bool stdio_open(Chardev *chr, const json_t *options, Error **errp)
{
    FdChardev *s = chr->priv;
    bool signals = true;
    s->in_fd = s->out_fd = -1;
    if (!keyval_get_bool(options, "signal", &signals, errp)) {
        return false;
    }
    s->in_fd = STDIN_FILENO;
    s->out_fd = STDOUT_FILENO;
    make_raw(s, signals);
    fd_start(chr);
    return true;
}

static const char *const stdio_keys[] = { "signal", NULL };

const ChardevClass chardev_stdio = {
    .name = "stdio", .keys = stdio_keys, .priv_size = sizeof(FdChardev), .open = stdio_open,
    .write = fd_write, .watch = fd_watch, .close = fd_close,
};

/* ---- file ---- */

static int open_path(Chardev *chr, const char *path, int flags, Error **errp)
{
    int fd = open(path, flags | O_CLOEXEC, 0666);
    if (fd < 0) {
        error_setg_errno(errp, errno, "chardev '%s': cannot open %s", chr->id, path);
    }
    return fd;
}

static bool file_open(Chardev *chr, const json_t *options, Error **errp)
{
    FdChardev *s = chr->priv;
    const char *path = NULL, *input = NULL;
    bool append = false;
    s->in_fd = s->out_fd = -1;
    s->own_fds = true;
    if (!keyval_get_str(options, "path", &path, errp) ||
        !keyval_get_str(options, "input-path", &input, errp) ||
        !keyval_get_bool(options, "append", &append, errp)) {
        return false;
    }
    if (!path) {
        error_setg(errp, "chardev: file: no path given; add path=FILE");
        return false;
    }
    s->out_fd = open_path(chr, path, O_WRONLY | O_CREAT | (append ? O_APPEND : O_TRUNC), errp);
    if (s->out_fd < 0) {
        return false;
    }
    if (input && (s->in_fd = open_path(chr, input, O_RDONLY, errp)) < 0) {
        return false;
    }
    fd_start(chr);
    return true;
}

static const char *const file_keys[] = { "path", "input-path", "append", NULL };

const ChardevClass chardev_file = {
    .name = "file", .keys = file_keys, .priv_size = sizeof(FdChardev), .open = file_open,
    .write = fd_write, .watch = fd_watch, .close = fd_close,
};

/* ---- null ---- */

static bool null_open(Chardev *chr, const json_t *options, Error **errp)
{
    chr->open = true;
    return true;
}

static size_t null_write(Chardev *chr, const uint8_t *buf, size_t len)
{
    return len;
}

const ChardevClass chardev_null = { .name = "null", .open = null_open, .write = null_write };
