/*
 * cpus-thread.c - the life of a vCPU that has a host thread of its own, and the throttle.
 *
 * Floor F1 (system); below it util/.
 * Threads and locks: vcpu_thread_run() is the thread; its lock is held except while guest code runs
 * and while it sleeps.
 * Invariant: between the last look at the flags and the entry into guest code the lock is not dropped,
 * and exit_request is cleared in that stretch: a request made before is seen by the look, one made
 * after sets exit_request again.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <unistd.h>

#include "system/cpus-internal.h"

#define THROTTLE_PERIOD_US 10000
/* A throttled vCPU looks at the time at least that often: some 0.1 ms of guest code. */
#define THROTTLE_INSNS 20000

void vcpu_thread_account_locked(VCPUThread *t, gint64 us)
{
    unsigned percent = atomic_load(&t->vcpus->throttle);
    if (percent == 0) {
        t->ran_us = 0;
        return;
    }
    t->ran_us += us;
    if (t->ran_us * 100 >= (gint64)THROTTLE_PERIOD_US * (100 - percent)) {
        /* In proportion to what it really ran, so that the share holds however long exec took. */
        t->sleep_until = g_get_monotonic_time() + t->ran_us * percent / (100 - percent);
        t->ran_us = 0;
    }
}

bool vcpu_thread_throttle_locked(VCPUThread *t)
{
    if (t->sleep_until == 0) {
        return false;
    }
    gint64 now = g_get_monotonic_time();
    if (now >= t->sleep_until) {
        t->sleep_until = 0;
        return false;
    }
    /* In slices: a deadline that a very long exec pushed far away must not outlive a new setting. */
    gint64 slice = now + THROTTLE_PERIOD_US;
    g_cond_wait_until(&t->wake, &t->lock, slice < t->sleep_until ? slice : t->sleep_until);
    return true;
}

/* One stay in guest code. */
static void vcpu_thread_exec_locked(VCPUThread *t, CPUState *cpu)
{
    bool throttled = atomic_load(&t->vcpus->throttle) != 0;
    uint64_t limit = throttled ? THROTTLE_INSNS : UINT64_MAX;
    uint64_t budget = limit;
    vcpu_thread_enter_guest_locked(t);
    g_mutex_unlock(&t->lock);

    gint64 start = throttled ? g_get_monotonic_time() : 0;
    CPUExit why = cpu->ops->exec(cpu, &budget);
    gint64 ran = throttled ? g_get_monotonic_time() - start : 0;

    g_mutex_lock(&t->lock);
    vcpu_thread_leave_guest_locked(t);
    atomic_fetch_add(&t->retired, limit - budget);
    if (why == CPU_EXIT_HALTED) {
        atomic_store(&cpu->halted, true);
    }
    vcpu_thread_account_locked(t, ran);
}

gpointer vcpu_thread_run(gpointer opaque)
{
    VCPUThread *t = opaque;
    CPUState *cpu = t->cpus[0];
    vcpu_thread_set_current(t, cpu);
    g_mutex_lock(&t->lock);
    cpu->thread_id = gettid();
    while (vcpu_thread_attend_locked(t)) {
        if (vcpu_thread_throttle_locked(t)) {
            continue;
        }
        atomic_exchange(&cpu->exit_request, 0);
        if (atomic_load(&cpu->halted)) {
            if (!cpu->ops->has_work(cpu)) {
                g_cond_wait(&t->wake, &t->lock);
                continue;
            }
            atomic_store(&cpu->halted, false);
        }
        vcpu_thread_exec_locked(t, cpu);
    }
    g_mutex_unlock(&t->lock);
    vcpu_thread_set_current(NULL, NULL);
    return NULL;
}
