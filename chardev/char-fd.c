/*
 * char-fd.c - host ends that are plain descriptors: stdio, file, pipe, and the null device.
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
#include "util/fdset.h"
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
    if (chardev_find_class(chr->machine, &chardev_stdio)) {
        error_setg(errp, "cannot use stdio by multiple character devices; mon:stdio, or mux=on, shares it");
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
    s->out_fd = chardev_open_path(chr, path, O_WRONLY | O_CREAT | (append ? O_APPEND : O_TRUNC), errp);
    if (s->out_fd < 0) {
        return false;
    }
    if (input && (s->in_fd = chardev_open_path(chr, input, O_RDONLY, errp)) < 0) {
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

/* ---- pipe ---- */

/*
 * PATH.in and PATH.out, or PATH for both.  Opened for reading and writing, a FIFO neither waits for its
 * other end nor ends when that one goes.
 */
static bool pipe_open(Chardev *chr, const json_t *options, Error **errp)
{
    FdChardev *s = chr->priv;
    const char *path = NULL;
    s->in_fd = s->out_fd = -1;
    s->own_fds = true;
    if (!keyval_get_str(options, "path", &path, errp)) {
        return false;
    }
    if (!path) {
        error_setg(errp, "chardev: pipe: no path given; add path=FIFO");
        return false;
    }
    g_autofree char *in = g_strconcat(path, ".in", NULL);
    g_autofree char *out = g_strconcat(path, ".out", NULL);
    if (!fdset_is_path(path) && access(in, F_OK) == 0 && access(out, F_OK) == 0) {
        s->in_fd = chardev_open_path(chr, in, O_RDWR, errp);
        s->out_fd = s->in_fd < 0 ? -1 : chardev_open_path(chr, out, O_RDWR, errp);
    } else {
        s->out_fd = chardev_open_path(chr, path, O_RDWR, errp);
        s->in_fd = s->out_fd < 0 ? -1 : fcntl(s->out_fd, F_DUPFD_CLOEXEC, 0);
    }
    if (s->out_fd < 0) {
        return false;
    }
    fd_start(chr);
    return true;
}

static const char *const pipe_keys[] = { "path", NULL };

const ChardevClass chardev_pipe = {
    .name = "pipe", .keys = pipe_keys, .priv_size = sizeof(FdChardev), .open = pipe_open,
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
