/*
 * channel-fd.c - a channel over descriptors: sockets, pipes, files, character devices.
 *
 * Floor F2; below it POSIX.
 * Threads: one reader, one writer, and any thread in shutdown.  `down` and wake_fd are all that they share.
 * How a blocked call ends: a socket is left blocking and shutdown(2) wakes it, which costs nothing while bytes
 * flow; a pipe or device is made non-blocking and waits in poll(2) beside wake_fd; a file does not block.
 * Invariant: once `down` is set no call returns success, and none waits.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "migration/channel-internal.h"
#include "migration/page-lender.h"

typedef enum FdKind { FD_KIND_OTHER, FD_KIND_SOCKET, FD_KIND_FILE } FdKind;

typedef struct FdSide {
    int fd;                 /* -1: this way is closed */
    FdKind kind;
    int old_flags;          /* of F_SETFL, to be put back; -1: not changed */
    off_t offset;           /* FILE: of the next byte */
} FdSide;

typedef struct FdChannel {
    MigrationChannel parent;
    FdSide in, out;
    bool heard;             /* something has been read */
    PageLender *lender;     /* made by the first lend; NULL: none yet, or given up */
    bool lends;             /* pages may still be lent */
    int wake_fd;            /* readable from shutdown on; -1: the kernel had none left */
    _Atomic bool down;
} FdChannel;

static FdChannel *fd_channel(MigrationChannel *ch)
{
    return (FdChannel *)ch;
}

static bool down_error(FdChannel *c, Error **errp)
{
    error_setg(errp, "the channel %s was shut down", c->parent.name);
    return false;
}

/* Waits for the side or for a shutdown. */
static void wait_side(FdChannel *c, const FdSide *side, short events)
{
    struct pollfd p[2] = {
        { .fd = side->fd, .events = events }, { .fd = c->wake_fd, .events = POLLIN },
    };
    /* Without an eventfd `down` is looked at ten times a second. */
    poll(p, 2, c->wake_fd < 0 ? 100 : -1);
}

/* ---- write ---- */

static bool write_error(FdChannel *c, int err, Error **errp)
{
    if (atomic_load(&c->down)) {
        return down_error(c, errp);
    }
    if (c->out.kind == FD_KIND_FILE) {
        error_setg_errno(errp, err, "cannot write to %s at byte %lld", c->parent.name,
                         (long long)c->out.offset);
    } else {
        error_setg_errno(errp, err, "cannot write to %s", c->parent.name);
    }
    return false;
}

/* more: MSG_MORE or 0. */
static ssize_t write_once(const FdSide *side, struct iovec *iov, int niov, int more)
{
    if (side->kind == FD_KIND_SOCKET) {
        struct msghdr msg = { .msg_iov = iov, .msg_iovlen = niov };
        return sendmsg(side->fd, &msg, MSG_NOSIGNAL | more);
    }
    return writev(side->fd, iov, niov);
}

/* Drops n bytes from the front of *iov, and the empty pieces behind them. */
static void advance(struct iovec **iov, int *niov, size_t n)
{
    while (*niov && n >= (*iov)->iov_len) {
        n -= (*iov)->iov_len;
        (*iov)++;
        (*niov)--;
    }
    if (n) {
        (*iov)->iov_base = (char *)(*iov)->iov_base + n;
        (*iov)->iov_len -= n;
    }
}

/* After a write that took n bytes (-1: errno): false if that was the last. Waits where that helps. */
static bool go_on_writing(FdChannel *c, ssize_t n, Error **errp)
{
    if (n == 0) {
        return write_error(c, ENOSPC, errp);    /* a device that takes nothing never will */
    }
    if (n < 0 && errno == EAGAIN) {
        wait_side(c, &c->out, POLLOUT);
    } else if (n < 0 && errno != EINTR) {
        return write_error(c, errno, errp);
    }
    return true;
}

static bool write_all(FdChannel *c, struct iovec *iov, int niov, int more, Error **errp)
{
    if (c->out.fd < 0) {
        error_setg(errp, "the channel %s cannot be written to", c->parent.name);
        return false;
    }
    advance(&iov, &niov, 0);
    while (niov) {
        if (atomic_load(&c->down)) {
            return down_error(c, errp);
        }
        ssize_t n = write_once(&c->out, iov, MIN(niov, IOV_MAX), more);
        if (n > 0) {
            c->out.offset += n;
            advance(&iov, &niov, n);
        } else if (!go_on_writing(c, n, errp)) {
            return false;
        }
    }
    return true;
}

static bool fd_channel_writev(MigrationChannel *ch, struct iovec *iov, int niov, Error **errp)
{
    return write_all(fd_channel(ch), iov, niov, 0, errp);
}

/* Sends what the lender has taken. */
static bool send_lent(FdChannel *c, size_t len, bool more, Error **errp)
{
    while (len) {
        if (atomic_load(&c->down)) {
            return down_error(c, errp);
        }
        ssize_t n = page_lender_send(c->lender, c->out.fd, len, more);
        if (n > 0) {
            len -= (size_t)n;
        } else if (!go_on_writing(c, n, errp)) {
            return false;
        }
    }
    return true;
}

static bool fd_channel_lend(MigrationChannel *ch, struct iovec *iov, int niov, const struct iovec *pages,
                            Error **errp)
{
    FdChannel *c = fd_channel(ch);
    struct iovec left = *pages;
    if (c->lends && !c->lender) {
        c->lender = page_lender_new();
    }
    if (!write_all(c, iov, niov, MSG_MORE, errp)) {
        return false;
    }
    while (c->lender && left.iov_len) {
        size_t n = page_lender_take(c->lender, left.iov_base, left.iov_len);
        if (n == 0) {
            g_clear_pointer(&c->lender, page_lender_free);
        } else if (!send_lent(c, n, n < left.iov_len, errp)) {
            return false;
        }
        left.iov_base = (char *)left.iov_base + n;
        left.iov_len -= n;
    }
    c->lends = c->lender;
    return write_all(c, &left, 1, 0, errp);
}

/* ---- read ---- */

static bool fd_channel_read(MigrationChannel *ch, void *buf, size_t len, size_t *got, Error **errp)
{
    FdChannel *c = fd_channel(ch);
    if (c->in.fd < 0) {
        error_setg(errp, "the channel %s cannot be read", ch->name);
        return false;
    }
    if (!c->heard && c->in.kind == FD_KIND_OTHER) {
        /* A FIFO that nobody has opened for writing yet reads as ended; poll() knows the difference. */
        wait_side(c, &c->in, POLLIN);
    }
    for (;;) {
        if (atomic_load(&c->down)) {
            return down_error(c, errp);
        }
        ssize_t n = c->in.kind == FD_KIND_SOCKET ? recv(c->in.fd, buf, len, 0) : read(c->in.fd, buf, len);
        if (n == 0 && atomic_load(&c->down)) {
            return down_error(c, errp);     /* our own shutdown is not the peer's end */
        }
        if (n >= 0) {
            c->heard = true;
            *got = n;
            return true;
        }
        if (errno == EAGAIN) {
            wait_side(c, &c->in, POLLIN);
        } else if (errno != EINTR) {
            int err = errno;
            if (atomic_load(&c->down)) {
                return down_error(c, errp);
            }
            error_setg_errno(errp, err, "cannot read from %s", ch->name);
            return false;
        }
    }
}

/* ---- the end ---- */

static void fd_channel_shutdown(MigrationChannel *ch)
{
    FdChannel *c = fd_channel(ch);
    uint64_t one = 1;
    atomic_store(&c->down, true);       /* before the wake-ups: who wakes looks at it */
    if (c->wake_fd >= 0) {
        /* It fails only when the counter is full, and then it has been readable for long. */
        (void)!write(c->wake_fd, &one, sizeof(one));
    }
    if (c->in.kind == FD_KIND_SOCKET) {
        shutdown(c->in.fd, SHUT_RDWR);
    }
    if (c->out.kind == FD_KIND_SOCKET && c->out.fd != c->in.fd) {
        shutdown(c->out.fd, SHUT_RDWR);
    }
}

static bool close_side(FdSide *side)
{
    if (side->fd < 0) {
        return true;
    }
    if (side->old_flags >= 0) {
        fcntl(side->fd, F_SETFL, side->old_flags);      /* others may share the description */
    }
    return close(side->fd) == 0 || errno == EINTR;
}

/* Puts a file onto its disk; closes the writing end of a pipe, which tells its reader that the stream ends. */
static bool fd_channel_finish(MigrationChannel *ch, Error **errp)
{
    FdChannel *c = fd_channel(ch);
    if (c->out.kind == FD_KIND_OTHER && c->out.fd != c->in.fd) {
        close_side(&c->out);    /* a shutdown from another thread looks at `kind` only */
        c->out.fd = -1;
        return true;
    }
    if (c->out.kind != FD_KIND_FILE) {
        return true;
    }
    if (atomic_load(&c->down)) {
        return down_error(c, errp);
    }
    /* EINVAL, EROFS: a kind of file that has nothing to write back. */
    if (fsync(c->out.fd) < 0 && errno != EINVAL && errno != EROFS) {
        error_setg_errno(errp, errno, "cannot write %s back to its disk", ch->name);
        return false;
    }
    return true;
}

static bool fd_channel_close(MigrationChannel *ch, Error **errp)
{
    FdChannel *c = fd_channel(ch);
    bool same = c->in.fd == c->out.fd;
    bool ok = close_side(&c->out);
    int err = errno;
    if (!same) {
        close_side(&c->in);
    }
    if (!ok) {
        /* Some file systems tell only now that they could not keep what they took. */
        error_setg_errno(errp, err, "cannot close %s", ch->name);
    }
    if (c->wake_fd >= 0) {
        close(c->wake_fd);
    }
    page_lender_free(c->lender);
    g_free(ch->name);
    g_free(c);
    return ok;
}

static const MigrationChannelOps fd_channel_ops = {
    .writev = fd_channel_writev,
    .lend = fd_channel_lend,
    .read = fd_channel_read,
    .shutdown = fd_channel_shutdown,
    .finish = fd_channel_finish,
    .close = fd_channel_close,
};

/* ---- the beginning ---- */

static void side_init(FdSide *side, int fd)
{
    struct stat st;
    *side = (FdSide){ .fd = fd, .kind = FD_KIND_OTHER, .old_flags = -1 };
    if (fd < 0 || fstat(fd, &st) < 0) {
        return;
    }
    if (S_ISSOCK(st.st_mode)) {
        side->kind = FD_KIND_SOCKET;
        return;
    }
    if (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode)) {
        off_t at = lseek(fd, 0, SEEK_CUR);
        side->kind = FD_KIND_FILE;
        side->offset = MAX(at, 0);
        return;
    }
    int flags = fcntl(fd, F_GETFL);
    if (flags >= 0 && !(flags & O_NONBLOCK) && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0) {
        side->old_flags = flags;
    }
}

MigrationChannel *migration_channel_new_fds(const char *name, int read_fd, int write_fd)
{
    FdChannel *c = g_new0(FdChannel, 1);
    c->parent.ops = &fd_channel_ops;
    c->parent.name = g_strdup(name);
    side_init(&c->in, read_fd);
    if (write_fd == read_fd) {
        c->out = c->in;
    } else {
        side_init(&c->out, write_fd);
    }
    c->lends = c->out.kind == FD_KIND_SOCKET;
    c->parent.two_way = read_fd >= 0 && write_fd >= 0;
    if (c->parent.two_way) {
        /* A connected TCP socket may come from a management program; other sockets refuse this. */
        setsockopt(write_fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
    }
    c->parent.file_like = c->in.kind == FD_KIND_FILE || c->out.kind == FD_KIND_FILE;
    c->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return &c->parent;
}
