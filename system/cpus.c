/*
 * cpus.c - vCPUs from outside: register, kick, pause, run work, and the boundary of dirty tracking.
 *
 * Floor F1 (system); below it util/.
 * Threads and locks: order is machine lock, then a VCPUThread's lock, which is a leaf: under it only
 * engine callbacks that take no lock are called (has_work, flush_*).  Guest code and work run with
 * neither.  A wake-up cannot be lost: whoever changes something takes the lock after the change, and
 * the thread looks at everything under the lock before it sleeps.
 * Invariant: in_guest is true whenever a guest store may happen, and it becomes true only after the
 * flushes that were asked for have been done.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "system/cpu.h"

#include "system/cpus-internal.h"
#include "system/machine.h"
#include "trace/system.h"

typedef struct VCPUWork {
    CPUState *cpu;
    RunOnCPUFunc *func;
    void *opaque;
    bool *done;     /* set under the thread's lock; NULL if nobody waits */
} VCPUWork;

static __thread VCPUThread *vcpu_this_thread;
static __thread CPUState *vcpu_this_cpu;

/* ---- the list ---- */

void cpu_register(Machine *m, CPUState *cpu)
{
    cpu->machine = m;
    cpu->cpu_index = m->vcpus->cpus->len;
    g_ptr_array_add(m->vcpus->cpus, cpu);
}

unsigned cpu_count(Machine *m)
{
    return m->vcpus->cpus->len;
}

CPUState *cpu_get(Machine *m, unsigned index)
{
    return index < m->vcpus->cpus->len ? g_ptr_array_index(m->vcpus->cpus, index) : NULL;
}

CPUState *cpu_current(void)
{
    return vcpu_this_cpu;
}

void vcpu_thread_set_current(VCPUThread *t, CPUState *cpu)
{
    vcpu_this_thread = t;
    vcpu_this_cpu = cpu;
}

static VCPUThread *vcpus_thread(const struct VCPUs *v, unsigned i)
{
    return g_ptr_array_index(v->threads, i);
}

/* ---- kicks ---- */

/* Makes the thread look at its flags: out of exec, out of sleep. */
static void vcpu_thread_kick_locked(VCPUThread *t)
{
    for (unsigned i = 0; i < t->count; i++) {
        atomic_store(&t->cpus[i]->exit_request, 1);
    }
    g_cond_signal(&t->wake);
}

void cpu_kick(CPUState *cpu)
{
    VCPUThread *t = cpu->runner;
    atomic_store(&cpu->exit_request, 1);
    if (t) {
        g_mutex_lock(&t->lock);
        g_cond_signal(&t->wake);
        g_mutex_unlock(&t->lock);
    }
}

static void vcpu_thread_notify_locked(VCPUThread *t)
{
    if (t->waiters) {
        g_cond_broadcast(&t->changed);
    }
}

static void vcpu_thread_wait_changed_locked(VCPUThread *t)
{
    t->waiters++;
    g_cond_wait(&t->changed, &t->lock);
    t->waiters--;
}

/* ---- the boundary ---- */

static void vcpu_thread_flush_locked(VCPUThread *t)
{
    for (unsigned i = 0; i < t->count; i++) {
        CPUState *cpu = t->cpus[i];
        if (t->flush_tlb) {
            cpu->ops->flush_tlb(cpu);
        }
        if (t->flush_stores) {
            cpu->ops->flush_store_path(cpu);
        }
    }
    t->flush_tlb = false;
    t->flush_stores = false;
}

void vcpu_thread_enter_guest_locked(VCPUThread *t)
{
    vcpu_thread_flush_locked(t);
    t->in_guest = true;
    t->entries++;
}

void vcpu_thread_leave_guest_locked(VCPUThread *t)
{
    t->in_guest = false;
    vcpu_thread_notify_locked(t);
}

void cpu_enter_blocked(CPUState *cpu)
{
    VCPUThread *t = cpu->runner;
    g_mutex_lock(&t->lock);
    /* Timers of -icount take the machine lock too, outside guest code: nothing to mark then. */
    t->blocked = t->in_guest;
    if (t->blocked) {
        vcpu_thread_leave_guest_locked(t);
    }
    g_mutex_unlock(&t->lock);
}

void cpu_leave_blocked(CPUState *cpu)
{
    VCPUThread *t = cpu->runner;
    g_mutex_lock(&t->lock);
    if (t->blocked) {
        t->blocked = false;
        vcpu_thread_enter_guest_locked(t);
    }
    g_mutex_unlock(&t->lock);
}

/* Asks for a flush. Returns the value of entries for vcpu_thread_wait_boundary(). */
static uint64_t vcpu_thread_ask_flush(VCPUThread *t, bool stores, bool tlb)
{
    g_mutex_lock(&t->lock);
    t->flush_stores |= stores;
    t->flush_tlb |= tlb;
    if (t == vcpu_this_thread) {
        /* A device access of our own: this is a boundary by the contract of CPUOps. */
        vcpu_thread_flush_locked(t);
    } else if (t->in_guest) {
        vcpu_thread_kick_locked(t);
    }
    uint64_t entries = t->entries;
    g_mutex_unlock(&t->lock);
    return entries;
}

/* Returns when the thread has left guest code once since ask_flush() returned `entries`. */
static void vcpu_thread_wait_boundary(VCPUThread *t, uint64_t entries)
{
    if (t == vcpu_this_thread) {
        return;
    }
    g_mutex_lock(&t->lock);
    while (t->in_guest && t->entries == entries) {
        vcpu_thread_wait_changed_locked(t);
    }
    g_mutex_unlock(&t->lock);
}

/* Before there are threads, every vCPU stands at a boundary. */
static bool vcpus_flush_without_threads(struct VCPUs *v, bool tlb)
{
    for (unsigned i = 0; v->threads->len == 0 && i < v->cpus->len; i++) {
        CPUState *cpu = g_ptr_array_index(v->cpus, i);
        (tlb ? cpu->ops->flush_tlb : cpu->ops->flush_store_path)(cpu);
    }
    return v->threads->len == 0;
}

void vcpus_sync_store_paths(Machine *m)
{
    struct VCPUs *v = m->vcpus;
    if (vcpus_flush_without_threads(v, false)) {
        return;
    }
    g_autofree uint64_t *entries = g_new(uint64_t, v->threads->len);
    /* All are asked before any is waited for: the wait is that of the slowest, not the sum. */
    for (unsigned i = 0; i < v->threads->len; i++) {
        entries[i] = vcpu_thread_ask_flush(vcpus_thread(v, i), true, false);
    }
    for (unsigned i = 0; i < v->threads->len; i++) {
        vcpu_thread_wait_boundary(vcpus_thread(v, i), entries[i]);
    }
}

void vcpus_flush_tlbs(Machine *m)
{
    struct VCPUs *v = m->vcpus;
    if (vcpus_flush_without_threads(v, true)) {
        return;
    }
    for (unsigned i = 0; i < v->threads->len; i++) {
        vcpu_thread_ask_flush(vcpus_thread(v, i), false, true);
    }
}

/* ---- work ---- */

static void vcpu_thread_queue_locked(VCPUThread *t, CPUState *cpu, RunOnCPUFunc *func, void *opaque,
                                     bool *done)
{
    VCPUWork *work = g_new(VCPUWork, 1);
    *work = (VCPUWork) { .cpu = cpu, .func = func, .opaque = opaque, .done = done };
    g_queue_push_tail(&t->work, work);
    vcpu_thread_kick_locked(t);
}

/* Runs func on the calling thread, in place of the vCPU's own, which stays where it is. */
static void vcpu_thread_run_work_locked(VCPUThread *t, CPUState *cpu, RunOnCPUFunc *func, void *opaque)
{
    t->busy = true;
    g_mutex_unlock(&t->lock);
    func(cpu, opaque);
    g_mutex_lock(&t->lock);
    t->busy = false;
    g_cond_signal(&t->wake);
    vcpu_thread_notify_locked(t);
}

static void vcpu_thread_do_work_locked(VCPUThread *t)
{
    VCPUWork *work;
    while (!t->busy && (work = g_queue_pop_head(&t->work))) {
        CPUState *before = vcpu_this_cpu;
        vcpu_this_cpu = work->cpu;
        vcpu_thread_run_work_locked(t, work->cpu, work->func, work->opaque);
        vcpu_this_cpu = before;
        if (work->done) {
            *work->done = true;
            vcpu_thread_notify_locked(t);
        }
        g_free(work);
    }
}

/* True if func can run here and now because the vCPU rests and has nothing queued. */
static bool vcpu_thread_idle_locked(const VCPUThread *t)
{
    return t->pause && t->paused && !t->busy && g_queue_is_empty((GQueue *)&t->work);
}

void run_on_cpu(CPUState *cpu, RunOnCPUFunc *func, void *opaque)
{
    VCPUThread *t = cpu->runner;
    bool done = false;
    if (!t || t == vcpu_this_thread) {
        func(cpu, opaque);
        return;
    }
    g_mutex_lock(&t->lock);
    if (vcpu_thread_idle_locked(t)) {
        vcpu_thread_run_work_locked(t, cpu, func, opaque);
        g_mutex_unlock(&t->lock);
        return;
    }
    vcpu_thread_queue_locked(t, cpu, func, opaque, &done);
    g_mutex_unlock(&t->lock);
    /* The vCPU may need the machine lock to finish the instruction it is in. */
    bool locked = machine_locked(cpu->machine);
    if (locked) {
        machine_unlock(cpu->machine);
    }
    g_mutex_lock(&t->lock);
    while (!done) {
        vcpu_thread_wait_changed_locked(t);
    }
    g_mutex_unlock(&t->lock);
    if (locked) {
        machine_lock(cpu->machine);
    }
}

void async_run_on_cpu(CPUState *cpu, RunOnCPUFunc *func, void *opaque)
{
    VCPUThread *t = cpu->runner;
    if (!t) {
        func(cpu, opaque);
        return;
    }
    g_mutex_lock(&t->lock);
    vcpu_thread_queue_locked(t, cpu, func, opaque, NULL);
    g_mutex_unlock(&t->lock);
}

bool vcpu_thread_attend_locked(VCPUThread *t)
{
    while (!t->quit) {
        vcpu_thread_do_work_locked(t);
        if (!t->pause && !t->busy) {
            t->paused = false;
            return true;
        }
        if (t->pause && !t->paused) {
            t->paused = true;
            t->idle = false;
            t->sleep_until = 0;
            vcpu_thread_notify_locked(t);
        }
        if (g_queue_is_empty(&t->work) || t->busy) {
            g_cond_wait(&t->wake, &t->lock);
        }
    }
    /* Somebody may wait for work that was queued before the end. */
    while (t->busy) {
        g_cond_wait(&t->wake, &t->lock);
    }
    vcpu_thread_do_work_locked(t);
    return false;
}

/* ---- pause and resume ---- */

/* Asks every thread to rest; true if they do. */
static bool vcpus_ask_pause(struct VCPUs *v)
{
    bool all = true;
    for (unsigned i = 0; i < v->threads->len; i++) {
        VCPUThread *t = vcpus_thread(v, i);
        g_mutex_lock(&t->lock);
        t->pause = true;
        all = all && t->paused;
        vcpu_thread_kick_locked(t);
        g_mutex_unlock(&t->lock);
    }
    return all;
}

void vcpus_pause_all(Machine *m)
{
    struct VCPUs *v = m->vcpus;
    while (!vcpus_ask_pause(v)) {
        /* A vCPU inside a device access needs the lock to come to an end. */
        machine_unlock(m);
        for (unsigned i = 0; i < v->threads->len; i++) {
            VCPUThread *t = vcpus_thread(v, i);
            g_mutex_lock(&t->lock);
            /* Somebody may have resumed us while the lock was free: then ask again. */
            while (t->pause && !t->paused) {
                vcpu_thread_wait_changed_locked(t);
            }
            g_mutex_unlock(&t->lock);
        }
        machine_lock(m);
    }
}

void vcpus_stop_current(void)
{
    VCPUThread *t = vcpu_this_thread;
    if (t) {
        g_mutex_lock(&t->lock);
        t->pause = true;
        vcpu_thread_kick_locked(t);
        g_mutex_unlock(&t->lock);
    }
}

void vcpus_resume_all(Machine *m)
{
    struct VCPUs *v = m->vcpus;
    if (v->stop_pending) {
        /* vcpus_stop_at() was reached, and the main loop is about to stop the machine just here. */
        return;
    }
    for (unsigned i = 0; i < v->threads->len; i++) {
        VCPUThread *t = vcpus_thread(v, i);
        g_mutex_lock(&t->lock);
        t->pause = false;
        g_cond_signal(&t->wake);
        vcpu_thread_notify_locked(t);
        g_mutex_unlock(&t->lock);
    }
}

static void vcpu_reset_work(CPUState *cpu, void *unused)
{
    (void)unused;
    atomic_store(&cpu->halted, false);
    cpu->ops->reset(cpu);
}

void vcpus_reset_all(Machine *m)
{
    struct VCPUs *v = m->vcpus;
    for (unsigned i = 0; i < v->cpus->len; i++) {
        run_on_cpu(g_ptr_array_index(v->cpus, i), vcpu_reset_work, NULL);
    }
    v->turn = (IcountTurn) { .left = ICOUNT_QUANTUM };
}

uint64_t vcpus_instret(Machine *m)
{
    struct VCPUs *v = m->vcpus;
    uint64_t sum = 0;
    for (unsigned i = 0; i < v->threads->len; i++) {
        sum += atomic_load(&vcpus_thread(v, i)->retired);
    }
    return sum;
}

/* ---- throttle ---- */

void vcpus_set_throttle(Machine *m, unsigned percent)
{
    struct VCPUs *v = m->vcpus;
    trace_vcpus_throttle(percent);
    atomic_store(&v->throttle, percent < 99 ? percent : 99);
    for (unsigned i = 0; i < v->threads->len; i++) {
        VCPUThread *t = vcpus_thread(v, i);
        g_mutex_lock(&t->lock);
        if (percent == 0) {
            t->sleep_until = 0;
        }
        /* exec runs with a budget that depends on the percentage. */
        vcpu_thread_kick_locked(t);
        g_mutex_unlock(&t->lock);
    }
}

unsigned vcpus_get_throttle(Machine *m)
{
    return atomic_load(&m->vcpus->throttle);
}

/* ---- life ---- */

struct VCPUs *vcpus_new(Machine *m)
{
    struct VCPUs *v = g_new0(struct VCPUs, 1);
    v->machine = m;
    v->icount = m->config->icount;
    v->turn.left = ICOUNT_QUANTUM;
    v->cpus = g_ptr_array_new();
    v->threads = g_ptr_array_new();
    atomic_store(&v->stop_at, VCPUS_NO_STOP);
    return v;
}

static VCPUThread *vcpu_thread_new(struct VCPUs *v, unsigned first, unsigned count)
{
    VCPUThread *t = g_new0(VCPUThread, 1);
    t->vcpus = v;
    t->count = count;
    t->cpus = g_new(CPUState *, count);
    t->pause = true;
    t->paused = true;
    t->timers_ran_at = INT64_MIN;
    g_mutex_init(&t->lock);
    g_cond_init(&t->wake);
    g_cond_init(&t->changed);
    g_queue_init(&t->work);
    for (unsigned i = 0; i < count; i++) {
        t->cpus[i] = g_ptr_array_index(v->cpus, first + i);
        t->cpus[i]->runner = t;
        t->retired += t->cpus[i]->ops->instret(t->cpus[i]);
    }
    return t;
}

static bool vcpu_thread_start(VCPUThread *t, const char *name, GThreadFunc func)
{
    t->thread = g_thread_try_new(name, func, t, NULL);
    return t->thread != NULL;
}

bool vcpus_start_threads(Machine *m)
{
    struct VCPUs *v = m->vcpus;
    unsigned per_thread = v->icount ? v->cpus->len : 1;
    for (unsigned i = 0; i < v->cpus->len; i += per_thread) {
        g_ptr_array_add(v->threads, vcpu_thread_new(v, i, per_thread));
    }
    bool ok = true;
    for (unsigned i = 0; i < v->threads->len; i++) {
        g_autofree char *name = v->icount ? g_strdup("ALL CPUs/TCG")
                                          : g_strdup_printf("CPU %u/TCG", i);
        ok = vcpu_thread_start(vcpus_thread(v, i), name,
                               v->icount ? vcpu_thread_run_icount : vcpu_thread_run) && ok;
    }
    return ok;
}

void vcpus_stop_threads(Machine *m)
{
    struct VCPUs *v = m->vcpus;
    for (unsigned i = 0; i < v->threads->len; i++) {
        VCPUThread *t = vcpus_thread(v, i);
        g_mutex_lock(&t->lock);
        t->quit = true;
        vcpu_thread_kick_locked(t);
        g_mutex_unlock(&t->lock);
    }
    for (unsigned i = 0; i < v->threads->len; i++) {
        VCPUThread *t = vcpus_thread(v, i);
        if (t->thread) {
            g_thread_join(t->thread);
            t->thread = NULL;
        }
        /* Work for a vCPU whose thread has ended is done by whoever asks. */
        t->pause = true;
        t->paused = true;
    }
}

static void vcpu_thread_free(VCPUThread *t)
{
    for (unsigned i = 0; i < t->count; i++) {
        t->cpus[i]->runner = NULL;
    }
    g_queue_clear_full(&t->work, g_free);
    g_mutex_clear(&t->lock);
    g_cond_clear(&t->wake);
    g_cond_clear(&t->changed);
    g_free(t->cpus);
    g_free(t);
}

void vcpus_free(struct VCPUs *v)
{
    if (!v) {
        return;
    }
    for (unsigned i = 0; i < v->threads->len; i++) {
        vcpu_thread_free(vcpus_thread(v, i));
    }
    for (unsigned i = 0; i < v->cpus->len; i++) {
        CPUState *cpu = g_ptr_array_index(v->cpus, i);
        if (cpu->ops->finalize) {
            cpu->ops->finalize(cpu);
        }
    }
    g_ptr_array_unref(v->threads);
    g_ptr_array_unref(v->cpus);
    g_free(v);
}
