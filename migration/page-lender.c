/*
 * page-lender.c - pages that go to a socket without being copied: vmsplice(2) into a pipe, splice(2) out of it.
 *
 * Floor F2; below it Linux.  One thread at a time.
 * The socket's queue then refers to the pages themselves, until the peer has read them (or acknowledged them, over a
 * line): what is sent is what they hold by then.  For guest RAM that is as good as an earlier state, since a page
 * that changes is dirty again and goes another time.
 * Invariant: the pipe is empty between a take that has been sent and the next take, so that a take never blocks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "migration/page-lender.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <signal.h>
#include <sys/uio.h>
#include <unistd.h>

/* The most that a user without privileges may have: 256 pages at a time. */
#define PIPE_BYTES (1024 * 1024)
/* A user who has many pipes gets short ones. */
#define PIPE_BYTES_MIN (256 * 1024)

struct PageLender {
    int in, out;            /* of the pipe */
};

PageLender *page_lender_new(void)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0) {
        return NULL;
    }
    if (fcntl(fds[1], F_SETPIPE_SZ, PIPE_BYTES) < 0 &&
        fcntl(fds[1], F_SETPIPE_SZ, PIPE_BYTES_MIN) < 0) {
        close(fds[0]);
        close(fds[1]);
        return NULL;
    }
    PageLender *pl = g_new(PageLender, 1);
    pl->out = fds[0];
    pl->in = fds[1];
    return pl;
}

void page_lender_free(PageLender *pl)
{
    if (pl) {
        close(pl->in);
        close(pl->out);
        g_free(pl);
    }
}

size_t page_lender_take(PageLender *pl, const void *host, size_t len)
{
    const struct iovec iov = { .iov_base = (void *)host, .iov_len = len };
    ssize_t n;
    do {
        n = vmsplice(pl->in, &iov, 1, SPLICE_F_NONBLOCK);
    } while (n < 0 && errno == EINTR);
    return n > 0 ? (size_t)n : 0;
}

/*
 * splice(2) has no MSG_NOSIGNAL: what it raises goes to this thread, where it is held back and taken away. It may
 * have raised it behind bytes that the socket took.
 */
ssize_t page_lender_send(PageLender *pl, int fd, size_t len, bool more)
{
    const struct timespec at_once = { 0 };
    sigset_t pipe_signal, old;
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_signal, &old);
    ssize_t n = splice(pl->out, NULL, fd, NULL, len, more ? SPLICE_F_MORE : 0);
    int err = errno;
    if (!sigismember(&old, SIGPIPE)) {
        sigtimedwait(&pipe_signal, NULL, &at_once);
        pthread_sigmask(SIG_SETMASK, &old, NULL);
    }
    errno = err;
    return n;
}
