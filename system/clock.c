/*
 * clock.c - the three clocks of a machine and the timers on them.
 *
 * Floor F1 (system); below it util/ and clock_gettime(2).
 * Threads and locks: clocks are read on any thread without a lock.  Virtual time that follows the host
 * is a pair (running, offset) under a sequence counter; with -icount it is one atomic number.  Timer
 * lists need the machine lock.
 * Invariant: virtual time never goes back while the machine lives, except by clocks_set_virtual_ns().
 * Timers of one clock fire in order of expiry, and in order of arming where the expiry is equal, so
 * that -icount runs are the same each time.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "system/clock.h"

#include <stdatomic.h>
#include <time.h>

#include "system/cpu.h"
#include "system/machine.h"

/* How long the main loop may sleep on a wall-clock timer: the host's clock may be set meanwhile. */
#define HOST_CLOCK_POLL_NS NANOSECONDS_PER_SECOND

struct QEMUTimer {
    struct Clocks *clocks;
    QEMUClockType type;
    QEMUTimerCB *cb;
    void *opaque;
    int64_t expire_ns;
    bool armed;
    uint64_t armed_at;  /* value of arm_count then */
    QEMUTimer *next;    /* armed timers of the same clock, by expiry */
};

struct Clocks {
    Machine *machine;
    bool icount;
    unsigned icount_shift;
    int64_t rtc_base_ns;
    atomic_uint seq;                /* odd while the pair below changes */
    atomic_bool virtual_on;
    _Atomic int64_t virtual_ns;     /* off: virtual time; on: virtual time minus the host's */
    _Atomic int64_t icount_ns;      /* virtual time with -icount */
    uint64_t arm_count;             /* timer_mod() calls so far */
    QEMUTimer *timers[QEMU_CLOCK_MAX];
    _Atomic int64_t deadline_ns;    /* virtual time of the first timer that depends on it */
};

static int64_t clocks_host_ns(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return ts.tv_sec * NANOSECONDS_PER_SECOND + ts.tv_nsec;
}

static int64_t clocks_virtual_now(struct Clocks *c)
{
    if (c->icount) {
        return atomic_load(&c->icount_ns) +
               (int64_t)(vcpus_icount_inflight(c->machine) << c->icount_shift);
    }
    for (;;) {
        unsigned seq = atomic_load(&c->seq);
        bool on = atomic_load(&c->virtual_on);
        int64_t value = atomic_load(&c->virtual_ns);
        if (on) {
            value += clocks_host_ns(CLOCK_MONOTONIC);
        }
        if (!(seq & 1) && atomic_load(&c->seq) == seq) {
            return value;
        }
    }
}

int64_t qemu_clock_get_ns(Machine *m, QEMUClockType type)
{
    struct Clocks *c = m->clocks;
    switch (type) {
    case QEMU_CLOCK_VIRTUAL:
        return clocks_virtual_now(c);
    case QEMU_CLOCK_HOST:
        return c->icount ? c->rtc_base_ns + clocks_virtual_now(c) : clocks_host_ns(CLOCK_REALTIME);
    default:
        return clocks_host_ns(CLOCK_MONOTONIC);
    }
}

void clocks_enable_virtual(struct Clocks *c, bool on)
{
    if (atomic_load(&c->virtual_on) == on) {
        return;
    }
    /* The host's time is read while readers are kept out: none can have seen a later one. */
    atomic_fetch_add(&c->seq, 1);
    int64_t host = clocks_host_ns(CLOCK_MONOTONIC);
    atomic_store(&c->virtual_on, on);
    atomic_fetch_add(&c->virtual_ns, on ? -host : host);
    atomic_fetch_add(&c->seq, 1);
    main_loop_wake(c->machine->loop);
}

void clocks_set_virtual_ns(struct Clocks *c, int64_t ns)
{
    if (c->icount) {
        atomic_store(&c->icount_ns, ns);
    }
    atomic_fetch_add(&c->seq, 1);
    atomic_store(&c->virtual_on, false);
    atomic_store(&c->virtual_ns, ns);
    atomic_fetch_add(&c->seq, 1);
}

/* ---- timers ---- */

QEMUTimer *timer_new_ns(Machine *m, QEMUClockType type, QEMUTimerCB *cb, void *opaque)
{
    QEMUTimer *timer = g_new0(QEMUTimer, 1);
    timer->clocks = m->clocks;
    timer->type = type;
    timer->cb = cb;
    timer->opaque = opaque;
    return timer;
}

/* Recomputes the deadline that threads without the lock read; after each change of a list's head. */
static void clocks_update_deadline(struct Clocks *c)
{
    const QEMUTimer *virtual = c->timers[QEMU_CLOCK_VIRTUAL];
    const QEMUTimer *host = c->icount ? c->timers[QEMU_CLOCK_HOST] : NULL;
    int64_t deadline = virtual ? virtual->expire_ns : INT64_MAX;
    if (host) {
        int64_t at = host->expire_ns > c->rtc_base_ns ? host->expire_ns - c->rtc_base_ns : 0;
        deadline = at < deadline ? at : deadline;
    }
    atomic_store(&c->deadline_ns, deadline);
}

void timer_free(QEMUTimer *timer)
{
    if (timer) {
        timer_del(timer);
        g_free(timer);
    }
}

void timer_del(QEMUTimer *timer)
{
    if (!timer->armed) {
        return;
    }
    QEMUTimer **at = &timer->clocks->timers[timer->type];
    while (*at != timer) {
        at = &(*at)->next;
    }
    *at = timer->next;
    timer->armed = false;
    clocks_update_deadline(timer->clocks);
}

/* True if instructions and not the host's time decide when timers of this clock fire. */
static bool clocks_is_counted(const struct Clocks *c, QEMUClockType type)
{
    return c->icount && type != QEMU_CLOCK_REALTIME;
}

void timer_mod(QEMUTimer *timer, int64_t expire_ns)
{
    struct Clocks *c = timer->clocks;
    timer_del(timer);
    timer->expire_ns = expire_ns < 0 ? 0 : expire_ns;
    timer->armed = true;
    timer->armed_at = c->arm_count++;
    QEMUTimer **at = &c->timers[timer->type];
    while (*at && (*at)->expire_ns <= timer->expire_ns) {
        at = &(*at)->next;
    }
    timer->next = *at;
    *at = timer;
    if (at != &c->timers[timer->type]) {
        return;
    }
    clocks_update_deadline(c);
    /* The nearest deadline moved: whoever sleeps or counts towards the old one must know. */
    if (clocks_is_counted(c, timer->type)) {
        vcpus_icount_recompute(c->machine);
    } else {
        main_loop_wake(c->machine->loop);
    }
}

bool timer_pending(const QEMUTimer *timer)
{
    return timer->armed;
}

uint64_t timer_expire_time_ns(const QEMUTimer *timer)
{
    return timer->armed ? (uint64_t)timer->expire_ns : TIMER_NEVER;
}

int64_t clocks_virtual_deadline_ns(struct Clocks *c)
{
    return atomic_load(&c->deadline_ns);
}

/* The first due timer of the list that was armed before `limit`, or NULL. */
static QEMUTimer *clocks_next_due(struct Clocks *c, QEMUClockType type, int64_t now, uint64_t limit)
{
    QEMUTimer *timer = c->timers[type];
    while (timer && timer->expire_ns <= now && timer->armed_at >= limit) {
        timer = timer->next;
    }
    return timer && timer->expire_ns <= now ? timer : NULL;
}

bool clocks_run_timers(struct Clocks *c, QEMUClockType type)
{
    bool ran = false;
    /* A callback that arms a timer for "now" again must not keep this loop busy for ever. */
    uint64_t limit = c->arm_count;
    int64_t now = qemu_clock_get_ns(c->machine, type);
    QEMUTimer *timer;
    while ((timer = clocks_next_due(c, type, now, limit))) {
        QEMUTimerCB *cb = timer->cb;
        void *opaque = timer->opaque;
        timer_del(timer);
        /* The callback may free its timer. */
        cb(opaque);
        ran = true;
    }
    return ran;
}

/* ---- the main loop's share ---- */

static int64_t clocks_min_wait(int64_t wait, const QEMUTimer *timer, int64_t now)
{
    if (!timer) {
        return wait;
    }
    int64_t left = timer->expire_ns > now ? timer->expire_ns - now : 0;
    return wait < 0 || left < wait ? left : wait;
}

int64_t clocks_poll_deadline_ns(struct Clocks *c)
{
    int64_t wait = -1;
    if (c->timers[QEMU_CLOCK_REALTIME]) {
        wait = clocks_min_wait(wait, c->timers[QEMU_CLOCK_REALTIME], clocks_host_ns(CLOCK_MONOTONIC));
    }
    if (c->icount) {
        return wait;
    }
    if (c->timers[QEMU_CLOCK_VIRTUAL] && atomic_load(&c->virtual_on)) {
        wait = clocks_min_wait(wait, c->timers[QEMU_CLOCK_VIRTUAL], clocks_virtual_now(c));
    }
    if (c->timers[QEMU_CLOCK_HOST]) {
        wait = clocks_min_wait(wait, c->timers[QEMU_CLOCK_HOST], clocks_host_ns(CLOCK_REALTIME));
        wait = wait < HOST_CLOCK_POLL_NS ? wait : HOST_CLOCK_POLL_NS;
    }
    return wait;
}

static int64_t clocks_loop_deadline(void *opaque)
{
    return clocks_poll_deadline_ns(opaque);
}

static void clocks_loop_run(void *opaque)
{
    struct Clocks *c = opaque;
    clocks_run_timers(c, QEMU_CLOCK_REALTIME);
    if (!c->icount) {
        clocks_run_timers(c, QEMU_CLOCK_HOST);
        if (atomic_load(&c->virtual_on)) {
            clocks_run_timers(c, QEMU_CLOCK_VIRTUAL);
        }
    }
}

/* ---- -icount ---- */

void clocks_icount_advance(struct Clocks *c, uint64_t insns)
{
    atomic_fetch_add(&c->icount_ns, (int64_t)(insns << c->icount_shift));
}

void clocks_icount_warp_to(struct Clocks *c, int64_t ns)
{
    if (ns > atomic_load(&c->icount_ns)) {
        atomic_store(&c->icount_ns, ns);
    }
}

/* ---- life ---- */

struct Clocks *clocks_new(Machine *m)
{
    struct Clocks *c = g_new0(struct Clocks, 1);
    c->machine = m;
    c->icount = m->config->icount;
    c->icount_shift = m->config->icount_shift;
    c->rtc_base_ns = m->config->rtc_base_ns;
    atomic_store(&c->deadline_ns, INT64_MAX);
    main_loop_set_timers(m->loop, clocks_loop_deadline, clocks_loop_run, c);
    return c;
}

void clocks_free(struct Clocks *c)
{
    if (c) {
        main_loop_set_timers(c->machine->loop, NULL, NULL, NULL);
        g_free(c);
    }
}
