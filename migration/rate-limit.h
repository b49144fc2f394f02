/*
 * rate-limit.h - a token bucket: how many bytes may leave now, and a sleep that can be woken.
 *
 * Floor F2, private to migration/.  The bucket fills with `rate` bytes a second and holds what 100 ms bring, but
 * at least RATE_LIMIT_MIN_BURST.  Within any t seconds no more than rate × t + one bucket is let through.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_RATE_LIMIT_H
#define MIGRATION_RATE_LIMIT_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct RateLimit RateLimit;

/* One batch of pages with their heads: less than that is not worth a wake-up. */
#define RATE_LIMIT_MIN_BURST (256 * 1024 + 1024)

/* Time as the bucket sees it; tests bring their own. */
typedef struct RateLimitClock {
    int64_t (*now_ns)(void *opaque);
    /* Sleeps on cond, releasing lock meanwhile, until it is woken or it is deadline_ns. May return early. */
    void (*sleep_until)(void *opaque, GCond *cond, GMutex *lock, int64_t deadline_ns);
} RateLimitClock;

/* rate: bytes a second, 0 = unlimited; starts with a full bucket. */
RateLimit *rate_limit_new(uint64_t rate);
/* clock must outlive the bucket. */
RateLimit *rate_limit_new_with_clock(uint64_t rate, const RateLimitClock *clock, void *opaque);
/* No thread may be in rate_limit_wait(). */
void rate_limit_free(RateLimit *rl);

/* Changes the rate from now on; who waits looks again at once. Any thread. */
void rate_limit_set(RateLimit *rl, uint64_t rate);
uint64_t rate_limit_get(RateLimit *rl);
/* Ends every wait, now and later, with false. Any thread, more than once. */
void rate_limit_cancel(RateLimit *rl);

/*
 * Takes bytes (what is about to be sent, or has just been) out of the bucket, and sleeps first while they are
 * not in it. A call for more than a bucket waits for a full one and leaves a debt. False: cancelled, nothing taken.
 * Any thread; the machine lock must not be held.
 */
bool rate_limit_wait(RateLimit *rl, uint64_t bytes);
/* Nanoseconds that waits have slept in all. Any thread. */
uint64_t rate_limit_slept_ns(RateLimit *rl);

#endif
