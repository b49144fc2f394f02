/*
 * rate-limit.c - a token bucket: how many bytes may leave now, and a sleep that can be woken.
 *
 * Floor F2; below it GLib.
 * Threads: `lock` guards everything; a wait sleeps on `wake`, which set and cancel signal.
 * Invariant: tokens are counted in byte-nanoseconds, 10^9 for a byte, in 128 bits: whatever the rate, from one
 * byte a second to 2^64, nothing is rounded away and nothing overflows.  tokens <= a full bucket.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "migration/rate-limit.h"

#include <time.h>

#define NS_PER_S 1000000000
#define BURSTS_PER_S 10
/* No sleep is longer, so that a deadline stays a sum of two small numbers. */
#define MAX_SLEEP_NS (3600LL * NS_PER_S)
/* Two years: fills any bucket, and times any rate stays below 2^127. */
#define MAX_PASSED_NS (INT64_C(1) << 56)

struct RateLimit {
    const RateLimitClock *clock;
    void *opaque;
    GMutex lock;
    GCond wake;
    uint64_t rate;
    __int128 tokens;        /* below 0: a debt */
    int64_t filled_ns;      /* when tokens were last brought up to date */
    bool cancelled;
    uint64_t slept_ns;
};

/* ---- the host's clock ---- */

static int64_t host_now_ns(void *opaque)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * (int64_t)NS_PER_S + ts.tv_nsec;
}

/* GLib's monotonic time is the same clock in microseconds. */
static void host_sleep_until(void *opaque, GCond *cond, GMutex *lock, int64_t deadline_ns)
{
    g_cond_wait_until(cond, lock, (deadline_ns + 999) / 1000);
}

static const RateLimitClock host_clock = { .now_ns = host_now_ns, .sleep_until = host_sleep_until };

/* ---- the bucket ---- */

static __int128 bucket(uint64_t rate)
{
    return (__int128)MAX(rate / BURSTS_PER_S, RATE_LIMIT_MIN_BURST) * NS_PER_S;
}

static void fill_locked(RateLimit *rl)
{
    int64_t now = rl->clock->now_ns(rl->opaque);
    if (rl->rate == 0) {
        rl->tokens = bucket(0);
    } else if (now > rl->filled_ns) {
        int64_t passed = MIN(now - rl->filled_ns, MAX_PASSED_NS);
        __int128 tokens = rl->tokens + (__int128)passed * rl->rate;
        rl->tokens = MIN(tokens, bucket(rl->rate));
    }
    rl->filled_ns = now;
}

RateLimit *rate_limit_new_with_clock(uint64_t rate, const RateLimitClock *clock, void *opaque)
{
    RateLimit *rl = g_new0(RateLimit, 1);
    rl->clock = clock;
    rl->opaque = opaque;
    g_mutex_init(&rl->lock);
    g_cond_init(&rl->wake);
    rl->rate = rate;
    rl->tokens = bucket(rate);
    rl->filled_ns = clock->now_ns(opaque);
    return rl;
}

RateLimit *rate_limit_new(uint64_t rate)
{
    return rate_limit_new_with_clock(rate, &host_clock, NULL);
}

void rate_limit_free(RateLimit *rl)
{
    if (rl) {
        g_mutex_clear(&rl->lock);
        g_cond_clear(&rl->wake);
        g_free(rl);
    }
}

void rate_limit_set(RateLimit *rl, uint64_t rate)
{
    g_mutex_lock(&rl->lock);
    fill_locked(rl);        /* what has come in so far came at the old rate */
    rl->rate = rate;
    rl->tokens = MIN(rl->tokens, bucket(rate));
    g_cond_broadcast(&rl->wake);
    g_mutex_unlock(&rl->lock);
}

uint64_t rate_limit_get(RateLimit *rl)
{
    g_mutex_lock(&rl->lock);
    uint64_t rate = rl->rate;
    g_mutex_unlock(&rl->lock);
    return rate;
}

void rate_limit_cancel(RateLimit *rl)
{
    g_mutex_lock(&rl->lock);
    rl->cancelled = true;
    g_cond_broadcast(&rl->wake);
    g_mutex_unlock(&rl->lock);
}

/* Nanoseconds until so many tokens are there, rounded up; 0 if they are. */
static int64_t missing_ns_locked(const RateLimit *rl, __int128 want)
{
    if (rl->rate == 0 || rl->tokens >= want) {
        return 0;
    }
    __int128 ns = (want - rl->tokens + rl->rate - 1) / rl->rate;
    return MIN(ns, MAX_SLEEP_NS);
}

bool rate_limit_wait(RateLimit *rl, uint64_t bytes)
{
    __int128 cost = (__int128)bytes * NS_PER_S;
    int64_t ns;
    g_mutex_lock(&rl->lock);
    for (;;) {
        fill_locked(rl);
        /* The rate, and with it the bucket, may have changed while we slept. */
        ns = missing_ns_locked(rl, MIN(cost, bucket(rl->rate)));
        if (ns == 0 || rl->cancelled) {
            break;
        }
        int64_t start = rl->filled_ns;
        rl->clock->sleep_until(rl->opaque, &rl->wake, &rl->lock, start + ns);
        rl->slept_ns += MAX(rl->clock->now_ns(rl->opaque) - start, 0);
    }
    bool go = !rl->cancelled;
    if (go && rl->rate) {
        rl->tokens -= cost;
    }
    g_mutex_unlock(&rl->lock);
    return go;
}

uint64_t rate_limit_slept_ns(RateLimit *rl)
{
    g_mutex_lock(&rl->lock);
    uint64_t ns = rl->slept_ns;
    g_mutex_unlock(&rl->lock);
    return ns;
}
