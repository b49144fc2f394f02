/*
 * lib-wire.c - a wire between two sockets, with a thread that passes bytes on and a fault at a chosen one.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "lib-wire.h"

#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

/* After a flipped bit both sides may wait for each other: so long a silence is the end. */
#define SILENCE_MS 30

struct Wire {
    WireFault fault;
    uint64_t at[2], passed[2];
    uint8_t bits;
    int end[2];                 /* given away */
    int mine[2];
    bool done[2];               /* nothing more comes from that side, or is taken from it */
    bool over;                  /* the wire is cut */
    GThread *thread;
    GMutex lock;
    GCond cond;
    bool told;                  /* the fault has come, or the end */
    bool open;                  /* WIRE_GATE */
};

static void tell(Wire *w)
{
    g_mutex_lock(&w->lock);
    w->told = true;
    g_cond_broadcast(&w->cond);
    g_mutex_unlock(&w->lock);
}

/* The fault's turn has come in direction i. */
static void happen(Wire *w, int i)
{
    if (w->fault == WIRE_CUT) {
        w->over = true;
    } else if (w->fault == WIRE_HANG) {
        w->done[i] = true;
    }
    tell(w);
    g_mutex_lock(&w->lock);
    while (w->fault == WIRE_GATE && !w->open) {
        g_cond_wait(&w->cond, &w->lock);
    }
    g_mutex_unlock(&w->lock);
}

static void put(Wire *w, int i, const char *buf, ssize_t n)
{
    for (ssize_t at = 0; at < n;) {
        ssize_t sent = send(w->mine[!i], buf + at, (size_t)(n - at), MSG_NOSIGNAL);
        if (sent <= 0) {
            break;
        }
        at += sent;
    }
    w->passed[i] += (uint64_t)n;
}

/* Passes on what can be read from side i, up to the fault. */
static void pass(Wire *w, int i)
{
    char buf[65536];
    uint64_t room = w->at[i] > w->passed[i] ? w->at[i] - w->passed[i] : sizeof(buf);
    bool flip = w->fault == WIRE_FLIP && w->passed[i] == w->at[i];
    ssize_t n = recv(w->mine[i], buf, w->fault == WIRE_DRIBBLE || flip ? 1 : MIN(room, sizeof(buf)), 0);
    if (n <= 0) {
        w->done[i] = true;
        shutdown(w->mine[!i], SHUT_WR);
        return;
    }
    if (flip) {
        buf[0] = (char)(buf[0] ^ w->bits);
    }
    put(w, i, buf, n);
    if (w->fault == WIRE_FLIP ? flip : w->passed[i] == w->at[i]) {
        happen(w, i);
    }
}

static void step(Wire *w)
{
    struct pollfd p[2];
    for (int i = 0; i < 2; i++) {
        p[i] = (struct pollfd) { .fd = w->mine[i], .events = w->done[i] ? 0 : POLLIN };
    }
    bool flipped = w->fault == WIRE_FLIP && w->told;
    if (poll(p, 2, flipped ? SILENCE_MS : -1) == 0) {
        w->over = true;
    }
    for (int i = 0; i < 2 && !w->over; i++) {
        if (w->done[i] && p[i].revents & (POLLHUP | POLLERR)) {
            w->over = true;     /* nobody is there any more who could say something */
        } else if (!w->done[i] && p[i].revents) {
            pass(w, i);
        }
    }
}

static gpointer wire_thread(gpointer opaque)
{
    Wire *w = opaque;
    for (int i = 0; i < 2; i++) {
        if (w->at[i] == 0 && w->fault != WIRE_FLIP) {
            happen(w, i);
        }
    }
    while (!w->over && !(w->done[0] && w->done[1] && w->fault != WIRE_HANG)) {
        step(w);
    }
    close(w->mine[0]);
    close(w->mine[1]);
    tell(w);
    return NULL;
}

Wire *wire_new_faulty(WireFault fault, uint64_t forward, uint64_t backward, uint8_t bits)
{
    Wire *w = g_new0(Wire, 1);
    for (int i = 0; i < 2; i++) {
        int pair[2];
        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
        w->end[i] = pair[0];
        w->mine[i] = pair[1];
    }
    w->fault = fault;
    w->at[0] = forward;
    w->at[1] = backward;
    w->bits = bits;
    g_mutex_init(&w->lock);
    g_cond_init(&w->cond);
    w->thread = g_thread_new("wire", wire_thread, w);
    return w;
}

Wire *wire_new(uint64_t cut_forward, uint64_t cut_backward)
{
    return wire_new_faulty(WIRE_CUT, cut_forward, cut_backward, 0);
}

int wire_first(Wire *w)
{
    return w->end[0];
}

int wire_second(Wire *w)
{
    return w->end[1];
}

void wire_wait_fault(Wire *w)
{
    g_mutex_lock(&w->lock);
    while (!w->told) {
        g_cond_wait(&w->cond, &w->lock);
    }
    g_mutex_unlock(&w->lock);
}

void wire_open(Wire *w)
{
    g_mutex_lock(&w->lock);
    w->open = true;
    g_cond_broadcast(&w->cond);
    g_mutex_unlock(&w->lock);
}

void wire_end(Wire *w, uint64_t *forward, uint64_t *backward)
{
    g_thread_join(w->thread);
    if (forward) {
        *forward = w->passed[0];
        *backward = w->passed[1];
    }
    g_mutex_clear(&w->lock);
    g_cond_clear(&w->cond);
    g_free(w);
}
