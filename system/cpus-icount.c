/*
 * cpus-icount.c - deterministic mode: one thread runs all harts in turn and makes time of instructions.
 *
 * Floor F1 (system); below it util/.
 * Threads and locks: one thread; its lock is held except while guest code runs, while timers run (with
 * the machine lock) and while it sleeps.
 * Invariant: the order of everything that the guest can see is a function of the guest alone.  A hart's
 * turn is ICOUNT_QUANTUM instructions, whatever interrupts it meanwhile: a kick makes exec return, and
 * the same turn goes on.  Timers fire between the two instructions where virtual time reaches them.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <unistd.h>

#include "system/clock.h"
#include "system/cpus-internal.h"
#include "system/runstate.h"

/* ---- what others ask ---- */

uint64_t vcpus_icount_inflight(Machine *m)
{
    CPUState *cpu = cpu_current();
    VCPUThread *t = cpu ? cpu->runner : NULL;
    if (!t || cpu->machine != m || t->executing != cpu) {
        return 0;
    }
    return cpu->ops->instret(cpu) - t->exec_start;
}

void vcpus_icount_recompute(Machine *m)
{
    struct VCPUs *v = m->vcpus;
    if (v && v->icount && v->threads->len) {
        VCPUThread *t = g_ptr_array_index(v->threads, 0);
        g_mutex_lock(&t->lock);
        for (unsigned i = 0; i < t->count; i++) {
            atomic_store(&t->cpus[i]->exit_request, 1);
        }
        g_cond_signal(&t->wake);
        g_mutex_unlock(&t->lock);
    }
}

void vcpus_get_icount_turn(Machine *m, IcountTurn *turn)
{
    *turn = m->vcpus->turn;
}

bool vcpus_set_icount_turn(Machine *m, const IcountTurn *turn)
{
    /* A machine without harts has a turn too, which nobody takes. */
    if (turn->cpu_index >= MAX(m->vcpus->cpus->len, 1) || turn->left > ICOUNT_QUANTUM) {
        return false;
    }
    m->vcpus->turn = *turn;
    /* A machine that goes back in time comes to that moment again. */
    for (guint i = 0; i < m->vcpus->threads->len; i++) {
        ((VCPUThread *)g_ptr_array_index(m->vcpus->threads, i))->timers_ran_at = INT64_MIN;
    }
    return true;
}

bool vcpus_stop_at(Machine *m, uint64_t insns)
{
    struct VCPUs *v = m->vcpus;
    if (!v->icount || insns < vcpus_instret(m)) {
        return false;
    }
    atomic_store(&v->stop_at, insns);
    vcpus_icount_recompute(m);
    return true;
}

/* ---- the thread ---- */

static void icount_stop_bh(void *opaque)
{
    Machine *m = opaque;
    vm_stop(m, RUN_STATE_PAUSED);
    m->vcpus->stop_pending = false;
}

/* Runs func with the machine lock instead of the thread's. */
static void icount_with_machine_locked(VCPUThread *t, void (*func)(struct VCPUs *v))
{
    struct VCPUs *v = t->vcpus;
    g_mutex_unlock(&t->lock);
    machine_lock(v->machine);
    func(v);
    machine_unlock(v->machine);
    g_mutex_lock(&t->lock);
}

static void icount_run_timers(struct VCPUs *v)
{
    clocks_run_timers(v->machine->clocks, QEMU_CLOCK_VIRTUAL);
    clocks_run_timers(v->machine->clocks, QEMU_CLOCK_HOST);
}

static int64_t icount_now(VCPUThread *t)
{
    return qemu_clock_get_ns(t->vcpus->machine, QEMU_CLOCK_VIRTUAL);
}

/* Fires what is due. True if timers ran: everything must be looked at again. */
static bool icount_timers_locked(VCPUThread *t)
{
    int64_t now = icount_now(t);
    if (clocks_virtual_deadline_ns(t->vcpus->machine->clocks) > now || t->timers_ran_at == now) {
        /* Timers that arm themselves for this very instant wait for the next instruction. */
        return false;
    }
    t->timers_ran_at = now;
    icount_with_machine_locked(t, icount_run_timers);
    return true;
}

static void icount_announce_stop(struct VCPUs *v)
{
    /* Both under the machine lock, so that nobody resumes in between. */
    vcpus_stop_current();
    v->stop_pending = true;
    main_loop_schedule_oneshot(v->machine->loop, icount_stop_bh, v->machine);
}

/* True if the requested number of instructions is reached: the thread rests from here on. */
static bool icount_stop_at_locked(VCPUThread *t)
{
    struct VCPUs *v = t->vcpus;
    if (atomic_load(&t->retired) < atomic_load(&v->stop_at)) {
        return false;
    }
    atomic_store(&v->stop_at, VCPUS_NO_STOP);
    icount_with_machine_locked(t, icount_announce_stop);
    return true;
}

static bool icount_runnable(CPUState *cpu)
{
    return !atomic_load(&cpu->halted) || cpu->ops->has_work(cpu);
}

/* The hart whose turn it is, its turn moved on where it is over; NULL if all wait. */
static CPUState *icount_pick(VCPUThread *t)
{
    IcountTurn *turn = &t->vcpus->turn;
    /* The turn is moved only when a hart is found: how often an idle thread looks is the host's whim. */
    IcountTurn next = *turn;
    for (unsigned tried = 0; tried <= t->count; tried++) {
        CPUState *cpu = t->cpus[next.cpu_index];
        if (next.left && icount_runnable(cpu)) {
            atomic_store(&cpu->halted, false);
            *turn = next;
            return cpu;
        }
        next.cpu_index = (next.cpu_index + 1) % t->count;
        next.left = ICOUNT_QUANTUM;
    }
    return NULL;
}

/* Instructions from now to the next event. */
static uint64_t icount_budget(VCPUThread *t)
{
    struct VCPUs *v = t->vcpus;
    unsigned shift = v->machine->config->icount_shift;
    uint64_t budget = v->turn.left;
    uint64_t to_stop = atomic_load(&v->stop_at) - atomic_load(&t->retired);
    int64_t deadline = clocks_virtual_deadline_ns(v->machine->clocks);
    if (deadline != INT64_MAX) {
        int64_t ns = deadline - icount_now(t);
        uint64_t insns = ns > 0 ? ((uint64_t)ns + (1ull << shift) - 1) >> shift : 1;
        budget = insns < budget ? insns : budget;
    }
    return to_stop < budget ? to_stop : budget;
}

/* Ends a sleep because of something from outside: the host's time that passed is the guest's. */
static void icount_end_idle(VCPUThread *t)
{
    if (t->idle && t->vcpus->machine->config->icount_sleep) {
        int64_t passed = (g_get_monotonic_time() - t->idle_host_us) * 1000;
        int64_t deadline = clocks_virtual_deadline_ns(t->vcpus->machine->clocks);
        int64_t now = t->idle_virtual_ns + passed;
        clocks_icount_warp_to(t->vcpus->machine->clocks, now < deadline ? now : deadline);
    }
    t->idle = false;
}

/* All harts wait: time jumps to the next timer, at once or when the host's clock has got there. */
static void icount_idle_locked(VCPUThread *t)
{
    struct VCPUs *v = t->vcpus;
    int64_t now = icount_now(t);
    int64_t deadline = clocks_virtual_deadline_ns(v->machine->clocks);
    if (!t->idle) {
        t->idle = true;
        t->idle_host_us = g_get_monotonic_time();
        t->idle_virtual_ns = now;
    }
    if (deadline == INT64_MAX) {
        g_cond_wait(&t->wake, &t->lock);
        return;
    }
    if (deadline <= now) {
        /* A timer that re-arms itself for the present: let time pass, or it never would. */
        deadline = now + (1ll << v->machine->config->icount_shift);
    }
    if (v->machine->config->icount_sleep) {
        gint64 until = t->idle_host_us + (deadline - t->idle_virtual_ns + 999) / 1000;
        if (g_get_monotonic_time() < until) {
            g_cond_wait_until(&t->wake, &t->lock, until);
            return;
        }
    }
    clocks_icount_warp_to(v->machine->clocks, deadline);
    t->idle = false;
}

/* One stay in guest code. */
static void icount_exec_locked(VCPUThread *t, CPUState *cpu)
{
    uint64_t limit = icount_budget(t);
    uint64_t budget = limit;
    vcpu_thread_set_current(t, cpu);
    vcpu_thread_enter_guest_locked(t);
    g_mutex_unlock(&t->lock);

    gint64 start = g_get_monotonic_time();
    t->exec_start = cpu->ops->instret(cpu);
    t->executing = cpu;
    CPUExit why = cpu->ops->exec(cpu, &budget);
    t->executing = NULL;
    gint64 ran = g_get_monotonic_time() - start;

    g_mutex_lock(&t->lock);
    vcpu_thread_leave_guest_locked(t);
    uint64_t retired = limit - budget;
    t->vcpus->turn.left -= retired;
    atomic_fetch_add(&t->retired, retired);
    clocks_icount_advance(t->vcpus->machine->clocks, retired);
    if (why == CPU_EXIT_HALTED) {
        atomic_store(&cpu->halted, true);
        t->vcpus->turn.left = 0;
    }
    vcpu_thread_account_locked(t, ran);
}

/* One step of the thread's life. */
static void icount_step_locked(VCPUThread *t)
{
    if (vcpu_thread_throttle_locked(t) || icount_stop_at_locked(t)) {
        return;
    }
    for (unsigned i = 0; i < t->count; i++) {
        atomic_exchange(&t->cpus[i]->exit_request, 0);
    }
    if (icount_timers_locked(t)) {
        return;
    }
    CPUState *cpu = icount_pick(t);
    if (!cpu) {
        icount_idle_locked(t);
        return;
    }
    if (t->idle) {
        icount_end_idle(t);
        return;
    }
    icount_exec_locked(t, cpu);
}

gpointer vcpu_thread_run_icount(gpointer opaque)
{
    VCPUThread *t = opaque;
    vcpu_thread_set_current(t, t->cpus[0]);
    g_mutex_lock(&t->lock);
    for (unsigned i = 0; i < t->count; i++) {
        t->cpus[i]->thread_id = gettid();
    }
    while (vcpu_thread_attend_locked(t)) {
        icount_step_locked(t);
    }
    g_mutex_unlock(&t->lock);
    vcpu_thread_set_current(NULL, NULL);
    return NULL;
}
