/*
 * test-rate-limit.c - the token bucket on a clock that the test turns.
 *
 * The clock's sleep either jumps to its deadline, or parks the thread until it is woken: no real time passes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "migration/rate-limit.h"

#define NS INT64_C(1000000000)
#define BURST ((uint64_t)RATE_LIMIT_MIN_BURST)

typedef struct FakeClock {
    int64_t now;
    bool park;              /* sleep: wait for a wake-up, not for the time */
    unsigned sleeps;
    bool parked;            /* a thread sleeps; under `lock` below */
    GMutex lock;
    GCond changed;
} FakeClock;

static int64_t fake_now(void *opaque)
{
    return ((FakeClock *)opaque)->now;
}

static void fake_sleep(void *opaque, GCond *cond, GMutex *lock, int64_t deadline)
{
    FakeClock *fake = opaque;
    fake->sleeps++;
    g_assert_cmpint(deadline, >, fake->now);
    if (!fake->park) {
        fake->now = deadline;
        return;
    }
    g_mutex_lock(&fake->lock);
    fake->parked = true;
    g_cond_signal(&fake->changed);
    g_mutex_unlock(&fake->lock);
    g_cond_wait(cond, lock);
}

static const RateLimitClock fake_clock = { .now_ns = fake_now, .sleep_until = fake_sleep };

/* Returns once a thread sleeps in the bucket: then it holds the bucket's lock until it really waits. */
static void await_parked(FakeClock *fake)
{
    g_mutex_lock(&fake->lock);
    while (!fake->parked) {
        g_cond_wait(&fake->changed, &fake->lock);
    }
    g_mutex_unlock(&fake->lock);
}

static RateLimit *new_bucket(FakeClock *fake, uint64_t rate)
{
    *fake = (FakeClock){ .now = 7 * NS };
    g_mutex_init(&fake->lock);
    g_cond_init(&fake->changed);
    return rate_limit_new_with_clock(rate, &fake_clock, fake);
}

static void test_unlimited(void)
{
    FakeClock fake;
    RateLimit *rl = new_bucket(&fake, 0);
    for (int i = 0; i < 100; i++) {
        g_assert_true(rate_limit_wait(rl, UINT64_MAX));
    }
    g_assert_cmpuint(fake.sleeps, ==, 0);
    g_assert_cmpuint(rate_limit_slept_ns(rl), ==, 0);
    rate_limit_free(rl);
}

/* However the bytes are cut, they take bytes / rate less one bucket. */
static void test_rate(void)
{
    static const uint64_t rates[] = { 1000, 123457, 32 << 20, 10 * (UINT64_C(1) << 30) };
    static const uint64_t sizes[] = { 777, 4104, 262656, 3 << 20 };
    for (size_t r = 0; r < G_N_ELEMENTS(rates); r++) {
        for (size_t s = 0; s < G_N_ELEMENTS(sizes); s++) {
            FakeClock fake;
            RateLimit *rl = new_bucket(&fake, rates[r]);
            uint64_t burst = MAX(rates[r] / 10, BURST), sent = 0;
            while (sent < 40 * burst) {
                g_assert_true(rate_limit_wait(rl, sizes[s]));
                sent += sizes[s];
            }
            double want = (double)(sent - burst) / rates[r], took = (fake.now - 7 * NS) / 1e9;
            /* The last call may have been paid for by a debt. */
            double debt = (double)(sizes[s] > burst ? sizes[s] - burst : 0) / rates[r];
            g_assert_cmpfloat(took, <=, want + 1e-6);
            g_assert_cmpfloat(took, >=, want - debt - 1e-6);
            g_assert_cmpuint(rate_limit_slept_ns(rl), ==, (uint64_t)(fake.now - 7 * NS));
            rate_limit_free(rl);
        }
    }
}

static void test_burst(void)
{
    FakeClock fake;
    RateLimit *rl = new_bucket(&fake, 100 << 20);
    fake.now += 3600 * NS;      /* an hour of silence is still worth no more than 100 ms */
    g_assert_true(rate_limit_wait(rl, 10 << 20));
    g_assert_cmpuint(fake.sleeps, ==, 0);
    g_assert_true(rate_limit_wait(rl, 1));
    g_assert_cmpuint(fake.sleeps, ==, 1);
    /* A slow link still gets whole batches. */
    rate_limit_set(rl, 1);
    fake.now += 2 * BURST * NS;
    g_assert_true(rate_limit_wait(rl, BURST));
    g_assert_cmpuint(fake.sleeps, ==, 1);
    rate_limit_free(rl);
}

static void test_extremes(void)
{
    static const uint64_t rates[] = { 1, INT64_MAX, UINT64_C(9223372036853727232), UINT64_MAX };
    for (size_t i = 0; i < G_N_ELEMENTS(rates); i++) {
        FakeClock fake;
        RateLimit *rl = new_bucket(&fake, rates[i]);
        g_assert_true(rate_limit_wait(rl, 4096));
        fake.now += 365LL * 86400 * NS;
        g_assert_true(rate_limit_wait(rl, 1 << 20));
        fake.now -= 10 * NS;        /* a clock that steps back gives nothing and takes nothing */
        g_assert_true(rate_limit_wait(rl, 4096));
        g_assert_cmpuint(rate_limit_get(rl), ==, rates[i]);
        rate_limit_free(rl);
    }
}

/* One byte a second and half a bucket missing: more than an hour, slept in slices. */
static void test_long_sleep(void)
{
    FakeClock fake;
    RateLimit *rl = new_bucket(&fake, 1);
    g_assert_true(rate_limit_wait(rl, BURST));
    g_assert_true(rate_limit_wait(rl, BURST / 2));
    g_assert_cmpint(fake.now, ==, 7 * NS + (int64_t)(BURST / 2) * NS);
    g_assert_cmpuint(fake.sleeps, >, 1);
    rate_limit_free(rl);
}

typedef struct Waiter {
    RateLimit *rl;
    uint64_t bytes;
    bool result;
} Waiter;

static gpointer wait_thread(gpointer opaque)
{
    Waiter *w = opaque;
    w->result = rate_limit_wait(w->rl, w->bytes);
    return NULL;
}

/* The clock stands still: only the wake-up can end the wait. */
static void check_wake(void (*wake)(RateLimit *rl), bool result)
{
    FakeClock fake;
    RateLimit *rl = new_bucket(&fake, 1000);
    g_assert_true(rate_limit_wait(rl, BURST));
    fake.park = true;
    Waiter w = { .rl = rl, .bytes = BURST };
    GThread *t = g_thread_new("wait", wait_thread, &w);
    await_parked(&fake);
    wake(rl);
    g_thread_join(t);
    g_assert_true(w.result == result);
    g_assert_cmpint(fake.now, ==, 7 * NS);
    rate_limit_free(rl);
}

static void lift(RateLimit *rl)
{
    rate_limit_set(rl, 0);
}

static void test_wake_set(void)
{
    check_wake(lift, true);
}

static void test_wake_cancel(void)
{
    check_wake(rate_limit_cancel, false);
}

static void test_cancelled_stays(void)
{
    FakeClock fake;
    RateLimit *rl = new_bucket(&fake, 0);
    rate_limit_cancel(rl);
    rate_limit_cancel(rl);
    g_assert_false(rate_limit_wait(rl, 1));
    g_assert_false(rate_limit_wait(rl, 0));
    rate_limit_free(rl);
}

/* What came in before the change came at the old rate. */
static void test_change(void)
{
    FakeClock fake;
    RateLimit *rl = new_bucket(&fake, 1 << 20);
    g_assert_true(rate_limit_wait(rl, BURST));
    fake.now += NS / 10;
    rate_limit_set(rl, 1000);
    g_assert_true(rate_limit_wait(rl, (1 << 20) / 10));
    g_assert_cmpuint(fake.sleeps, ==, 0);
    g_assert_true(rate_limit_wait(rl, 1000));
    g_assert_cmpint(fake.now, >=, 8 * NS);
    /* From unlimited to limited: one bucket, not what "unlimited" would have gathered. */
    rate_limit_set(rl, 0);
    fake.now += NS;
    rate_limit_set(rl, 1000);
    int64_t before = fake.now;
    g_assert_true(rate_limit_wait(rl, BURST));
    g_assert_cmpint(fake.now, ==, before);
    g_assert_true(rate_limit_wait(rl, 1000));
    g_assert_cmpint(fake.now, ==, before + NS);
    rate_limit_free(rl);
}

/* The host's own clock: a short real sleep, measured by itself. */
static void test_host_clock(void)
{
    RateLimit *rl = rate_limit_new(100 << 20);
    g_assert_true(rate_limit_wait(rl, 10 << 20));
    g_assert_true(rate_limit_wait(rl, 1 << 20));
    g_assert_cmpuint(rate_limit_slept_ns(rl), >, 1000000);
    rate_limit_free(rl);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rate-limit/unlimited", test_unlimited);
    g_test_add_func("/rate-limit/rate", test_rate);
    g_test_add_func("/rate-limit/burst", test_burst);
    g_test_add_func("/rate-limit/extremes", test_extremes);
    g_test_add_func("/rate-limit/long-sleep", test_long_sleep);
    g_test_add_func("/rate-limit/wake/set", test_wake_set);
    g_test_add_func("/rate-limit/wake/cancel", test_wake_cancel);
    g_test_add_func("/rate-limit/cancelled", test_cancelled_stays);
    g_test_add_func("/rate-limit/change", test_change);
    g_test_add_func("/rate-limit/host-clock", test_host_clock);
    return g_test_run();
}
