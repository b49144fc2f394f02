/*
 * test-cpus.c - vCPU threads: wake-ups, pause, work, throttle, and the determinism of -icount.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "lib-fake-cpu.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

/* ---- wake-ups ---- */

typedef struct Pong {
    FakeCPU *other;
    atomic_uint count;
} Pong;

static void count_irq(FakeCPU *cpu, int n)
{
    Pong *pong = cpu->opaque;
    (void)n;
    atomic_fetch_add(&pong->count, 1);
    if (pong->other) {
        fake_cpu_irq(pong->other, 0);
    }
}

/* Each interrupt must wake the sleeping hart: a lost one would hang this test. */
static void wake_ups(MachineConfig *config)
{
    Machine *m = fake_machine_new(config);
    Pong pong = { 0 };
    FakeCPU *cpu = fake_cpu_new(m, fake_insn_wfi, &pong);
    cpu->irq = count_irq;
    g_assert_true(machine_done(m, NULL));
    g_assert_cmpuint(cpu->resets, ==, 1);
    fake_machine_start(m);
    for (unsigned i = 1; i <= 3000; i++) {
        fake_cpu_irq(cpu, i % 4);
        while (atomic_load(&pong.count) < i) {
            g_thread_yield();
        }
    }
    machine_free(m);
}

static void test_wake_ups(void)
{
    wake_ups(NULL);
}

static void test_wake_ups_icount(void)
{
    wake_ups(fake_config_icount(0, true));
}

static void test_ping_pong(void)
{
    Machine *m = fake_machine_new(NULL);
    Pong a = { 0 }, b = { 0 };
    FakeCPU *one = fake_cpu_new(m, fake_insn_wfi, &a);
    FakeCPU *two = fake_cpu_new(m, fake_insn_wfi, &b);
    a.other = two;
    b.other = one;
    one->irq = two->irq = count_irq;
    g_assert_true(machine_done(m, NULL));
    fake_machine_start(m);
    fake_cpu_irq(one, 0);
    while (atomic_load(&a.count) < 2000) {
        g_thread_yield();
    }
    machine_free(m);
}

/* ---- pause, with the lock, against device accesses ---- */

static uint64_t io_read(void *opaque, hwaddr addr, unsigned size)
{
    (void)addr;
    (void)size;
    return *(uint64_t *)opaque;
}

static void io_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    (void)addr;
    (void)size;
    *(uint64_t *)opaque += value;
}

static const MemoryRegionOps io_ops = { io_read, io_write, 4, 4 };

static void io_insn(FakeCPU *cpu)
{
    uint64_t one = 1;
    g_assert_cmpint(address_space_ldst(cpu->parent.machine, 0x1000, &one, 4, true), ==, MEMTX_OK);
}

static void nop_work(CPUState *cpu, void *opaque)
{
    (void)cpu;
    ++*(unsigned *)opaque;
}

static void test_pause_with_lock(void)
{
    Machine *m = fake_machine_new(NULL);
    uint64_t count = 0;
    unsigned worked = 0;
    MemoryRegion io = { .name = "io", .base = 0x1000, .size = 4096, .ops = &io_ops, .opaque = &count };
    FakeCPU *cpus[2];
    machine_lock(m);
    g_assert_true(memory_map_region(m, &io, NULL));
    machine_unlock(m);
    cpus[0] = fake_cpu_new(m, io_insn, NULL);
    cpus[1] = fake_cpu_new(m, io_insn, NULL);
    g_assert_true(machine_done(m, NULL));
    for (unsigned i = 0; i < 300; i++) {
        machine_lock(m);
        vm_start(m);
        /* Both with the lock held and vCPUs that cannot go on without it. */
        vcpus_sync_store_paths(m);
        run_on_cpu(&cpus[i % 2]->parent, nop_work, &worked);
        vm_stop(m, RUN_STATE_PAUSED);
        uint64_t retired = vcpus_instret(m);
        g_assert_cmpuint(retired, ==, count);
        g_assert_cmpuint(retired, ==, cpus[0]->retired + cpus[1]->retired);
        machine_unlock(m);
    }
    g_assert_cmpuint(worked, ==, 300);
    machine_free(m);
}

/* ---- work ---- */

typedef struct Work {
    GThread *thread;
    CPUState *cpu;
    unsigned per_cpu_counter;   /* touched by work only */
    unsigned seen;
} Work;

static void add_work(CPUState *cpu, void *opaque)
{
    /* The vCPU's own data: TSan says whether two pieces of work, or work and guest code, overlap. */
    FakeCPU *fake = (FakeCPU *)cpu;
    fake->wfi = false;
    ++*(unsigned *)opaque;
}

static void order_work(CPUState *cpu, void *opaque)
{
    GString *log = ((FakeCPU *)cpu)->opaque;
    g_string_append_c(log, (char)GPOINTER_TO_INT(opaque));
}

static gpointer work_thread(gpointer opaque)
{
    Work *work = opaque;
    for (int i = 0; i < 500; i++) {
        run_on_cpu(work->cpu, add_work, &work->seen);
        g_assert_cmpuint(work->seen, ==, i + 1);
        async_run_on_cpu(work->cpu, add_work, &work->per_cpu_counter);
    }
    return NULL;
}

static void work_storm(MachineConfig *config)
{
    Machine *m = fake_machine_new(config);
    Work work[4] = { 0 };
    unsigned flushed = 0;
    FakeCPU *cpus[2] = { fake_cpu_new(m, fake_insn_nop, NULL), fake_cpu_new(m, fake_insn_wfi, NULL) };
    run_on_cpu(&cpus[0]->parent, nop_work, &flushed);     /* before there are threads: directly */
    g_assert_cmpuint(flushed, ==, 1);
    g_assert_true(machine_done(m, NULL));
    for (unsigned i = 0; i < 4; i++) {
        work[i].cpu = &cpus[i % 2]->parent;
        work[i].thread = g_thread_new("work", work_thread, &work[i]);
    }
    for (unsigned i = 0; i < 50; i++) {
        fake_machine_start(m);
        vcpus_sync_store_paths(m);
        vcpus_flush_tlbs(m);
        fake_machine_stop(m);
    }
    for (unsigned i = 0; i < 4; i++) {
        g_thread_join(work[i].thread);
    }
    for (unsigned i = 0; i < 4; i++) {
        /* Behind everything that was queued before it. */
        run_on_cpu(work[i].cpu, add_work, &work[i].seen);
        g_assert_cmpuint(work[i].per_cpu_counter, ==, 500);
    }
    machine_free(m);
}

static void test_work(void)
{
    work_storm(NULL);
}

static void test_work_icount(void)
{
    work_storm(fake_config_icount(0, false));
}

static void test_work_order(void)
{
    Machine *m = fake_machine_new(NULL);
    GString *log = g_string_new(NULL);
    FakeCPU *cpu = fake_cpu_new(m, fake_insn_nop, log);
    g_assert_true(machine_done(m, NULL));
    fake_machine_start(m);
    for (char c = 'a'; c <= 'y'; c++) {
        async_run_on_cpu(&cpu->parent, order_work, GINT_TO_POINTER(c));
    }
    run_on_cpu(&cpu->parent, order_work, GINT_TO_POINTER('z'));
    g_assert_cmpstr(log->str, ==, "abcdefghijklmnopqrstuvwxyz");
    machine_free(m);
    g_string_free(log, TRUE);
}

/* ---- throttle ---- */

static void get_cpu_clock(CPUState *cpu, void *opaque)
{
    (void)cpu;
    g_assert_cmpint(pthread_getcpuclockid(pthread_self(), opaque), ==, 0);
}

static int64_t clock_ns(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return ts.tv_sec * NANOSECONDS_PER_SECOND + ts.tv_nsec;
}

static void throttled(MachineConfig *config)
{
    Machine *m = fake_machine_new(config);
    FakeCPU *cpu = fake_cpu_new(m, fake_insn_nop, NULL);
    clockid_t clock;
    g_assert_true(machine_done(m, NULL));
    fake_machine_start(m);
    run_on_cpu(&cpu->parent, get_cpu_clock, &clock);
    vcpus_set_throttle(m, 90);
    g_assert_cmpuint(vcpus_get_throttle(m), ==, 90);
    uint64_t insns = vcpus_instret(m);
    int64_t cpu_start = clock_ns(clock);
    int64_t start = clock_ns(CLOCK_MONOTONIC);
    while (clock_ns(CLOCK_MONOTONIC) - start < 150000000) {
        main_loop_iterate(m->loop, false);
        g_usleep(1000);     /* not to synchronise: the interval is what is measured */
    }
    int64_t ran = clock_ns(clock) - cpu_start;
    int64_t passed = clock_ns(CLOCK_MONOTONIC) - start;
    g_test_message("ran %d%%", (int)(100 * ran / passed));
    /* An upper bound only: a busy host makes it less. */
    g_assert_cmpint(ran, <, passed * 3 / 10);
    g_assert_cmpuint(vcpus_instret(m), >=, insns);
    /* A sleeping vCPU is at a boundary, and stops at once. */
    vcpus_set_throttle(m, 1000);
    g_assert_cmpuint(vcpus_get_throttle(m), ==, 99);
    for (int i = 0; i < 20; i++) {
        vcpus_sync_store_paths(m);
        fake_machine_stop(m);
        fake_machine_start(m);
    }
    vcpus_set_throttle(m, 0);
    machine_free(m);
}

static void test_throttle(void)
{
    throttled(NULL);
}

static void test_throttle_icount(void)
{
    throttled(fake_config_icount(0, true));
}

/* ---- -icount ---- */

#define HARTS 3
#define STOP_AT 250000

/* A guest that computes with time, interrupts and the order of its harts, so that a change shows. */
typedef struct Guest {
    Machine *machine;
    FakeCPU *harts[HARTS];
    QEMUTimer *timer;
    uint64_t hash;
    uint64_t timer_count;
    atomic_bool over;
} Guest;

static void guest_mix(Guest *g, uint64_t value)
{
    g->hash = (g->hash ^ value) * 0x100000001b3ull;
    g->hash ^= g->hash >> 29;
}

static void guest_insn(FakeCPU *cpu)
{
    Guest *g = cpu->opaque;
    unsigned index = cpu->parent.cpu_index;
    uint64_t now = qemu_clock_get_ns(g->machine, QEMU_CLOCK_VIRTUAL);
    guest_mix(g, now * 8 + index);
    switch (g->hash % 4096) {
    case 0 ... 9:
        cpu->wfi = true;
        break;
    case 10 ... 29:
        fake_cpu_irq(g->harts[g->hash / 4096 % HARTS], 1);
        break;
    case 30 ... 35:
        machine_lock(g->machine);
        timer_mod(g->timer, now + g->hash / 4096 % 3000);
        machine_unlock(g->machine);
        break;
    default:
        break;
    }
}

static void guest_irq(FakeCPU *cpu, int n)
{
    guest_mix(cpu->opaque, n + 100 * cpu->parent.cpu_index);
}

static void guest_timer(void *opaque)
{
    Guest *g = opaque;
    int64_t now = qemu_clock_get_ns(g->machine, QEMU_CLOCK_VIRTUAL);
    g->timer_count++;
    guest_mix(g, now);
    timer_mod(g->timer, now + 1500);
    fake_cpu_irq(g->harts[g->timer_count % HARTS], 2);
}

/* What a monitor and a migration do to a running machine. */
static gpointer disturb_thread(gpointer opaque)
{
    Guest *g = opaque;
    Machine *m = g->machine;
    unsigned work = 0;
    for (unsigned i = 0; !atomic_load(&g->over); i++) {
        cpu_kick(&g->harts[i % HARTS]->parent);
        vcpus_sync_store_paths(m);
        if (i % 5 == 0) {
            run_on_cpu(&g->harts[i % HARTS]->parent, nop_work, &work);
        }
        if (i % 11 == 0) {
            machine_lock(m);
            vcpus_pause_all(m);
            if (runstate_is_running(m)) {
                vcpus_resume_all(m);
            }
            machine_unlock(m);
        }
    }
    return NULL;
}

static uint64_t run_guest(bool sleep, bool disturb)
{
    Guest g = { .hash = 88172645463325252ull };
    Machine *m = g.machine = fake_machine_new(fake_config_icount(0, sleep));
    GThread *thread = NULL;
    for (unsigned i = 0; i < HARTS; i++) {
        g.harts[i] = fake_cpu_new(m, guest_insn, &g);
        g.harts[i]->irq = guest_irq;
    }
    g_assert_true(machine_done(m, NULL));
    machine_lock(m);
    g.timer = timer_new_ns(m, QEMU_CLOCK_VIRTUAL, guest_timer, &g);
    timer_mod(g.timer, 1000);
    g_assert_true(vcpus_stop_at(m, STOP_AT));
    vm_start(m);
    machine_unlock(m);
    if (disturb) {
        thread = g_thread_new("disturb", disturb_thread, &g);
    }
    while (runstate_is_running(m)) {
        main_loop_iterate(m->loop, true);
    }
    atomic_store(&g.over, true);
    if (thread) {
        g_thread_join(thread);
    }
    g_assert_cmpint(runstate_get(m), ==, RUN_STATE_PAUSED);
    g_assert_cmpuint(vcpus_instret(m), ==, STOP_AT);
    g_test_message("%" G_GUINT64_FORMAT " timers, virtual time %" G_GINT64_FORMAT, g.timer_count,
                   qemu_clock_get_ns(m, QEMU_CLOCK_VIRTUAL));
    guest_mix(&g, qemu_clock_get_ns(m, QEMU_CLOCK_VIRTUAL));
    IcountTurn turn;
    vcpus_get_icount_turn(m, &turn);
    guest_mix(&g, turn.cpu_index * 100000 + turn.left);
    machine_lock(m);
    g_assert_false(vcpus_stop_at(m, STOP_AT - 1));
    timer_free(g.timer);
    machine_unlock(m);
    machine_free(m);
    return g.hash;
}

static void test_deterministic(void)
{
    uint64_t hash = run_guest(false, false);
    g_assert_cmpuint(run_guest(false, false), ==, hash);
    g_assert_cmpuint(run_guest(false, true), ==, hash);
    g_assert_cmpuint(run_guest(false, true), ==, hash);
    /* Time that is slept through is the same time. */
    g_assert_cmpuint(run_guest(true, false), ==, hash);
}

typedef struct Exact {
    Machine *machine;
    FakeCPU *cpu;
    QEMUTimer *timer;
    uint64_t at_insn;
    int64_t at_ns;
    atomic_bool fired;
} Exact;

static void exact_fire(void *opaque)
{
    Exact *e = opaque;
    e->at_insn = e->cpu->retired;
    e->at_ns = qemu_clock_get_ns(e->machine, QEMU_CLOCK_VIRTUAL);
    atomic_store(&e->fired, true);
}

static void exact(int64_t ns, void (*insn)(FakeCPU *), Exact *e)
{
    Machine *m = e->machine = fake_machine_new(fake_config_icount(2, false));
    e->cpu = fake_cpu_new(m, insn, NULL);
    g_assert_true(machine_done(m, NULL));
    machine_lock(m);
    e->timer = timer_new_ns(m, QEMU_CLOCK_VIRTUAL, exact_fire, e);
    timer_mod(e->timer, ns);
    vm_start(m);
    machine_unlock(m);
    while (!atomic_load(&e->fired)) {
        g_thread_yield();
    }
    fake_machine_stop(m);
    machine_lock(m);
    timer_free(e->timer);
    machine_unlock(m);
    machine_free(m);
}

static void test_timer_exact(void)
{
    Exact busy = { 0 }, uneven = { 0 }, idle = { 0 };
    exact(40000, fake_insn_nop, &busy);
    g_assert_cmpuint(busy.at_insn, ==, 10000);
    g_assert_cmpint(busy.at_ns, ==, 40000);
    /* Between two instructions: after the later one. */
    exact(123457, fake_insn_nop, &uneven);
    g_assert_cmpuint(uneven.at_insn, ==, 30865);
    /* An hour of idling passes at once. */
    exact(3600 * NANOSECONDS_PER_SECOND, fake_insn_wfi, &idle);
    g_assert_cmpuint(idle.at_insn, ==, 1);
    g_assert_cmpint(idle.at_ns, ==, 3600 * NANOSECONDS_PER_SECOND);
}

static void test_stop_at(void)
{
    Machine *threads = fake_machine_new(NULL);
    g_assert_false(vcpus_stop_at(threads, 10));
    machine_free(threads);
    Machine *m = fake_machine_new(fake_config_icount(0, false));
    fake_cpu_new(m, fake_insn_nop, NULL);
    fake_cpu_new(m, fake_insn_nop, NULL);
    g_assert_true(machine_done(m, NULL));
    for (uint64_t goal = 0; goal < 60000; goal += 12345) {
        machine_lock(m);
        g_assert_true(vcpus_stop_at(m, goal));
        vm_start(m);
        machine_unlock(m);
        while (runstate_is_running(m)) {
            main_loop_iterate(m->loop, true);
        }
        g_assert_cmpuint(vcpus_instret(m), ==, goal);
    }
    IcountTurn turn, bad = { .cpu_index = 2 };
    vcpus_get_icount_turn(m, &turn);
    g_assert_cmpuint(turn.cpu_index, ==, 0);
    g_assert_cmpuint(turn.left, ==, 50000 - 49380);
    g_assert_false(vcpus_set_icount_turn(m, &bad));
    turn.cpu_index = 1;
    g_assert_true(vcpus_set_icount_turn(m, &turn));
    machine_free(m);
}

/* A machine that was never started, and one that is freed while it runs. */
static void test_life(void)
{
    Machine *never = fake_machine_new(NULL);
    fake_cpu_new(never, fake_insn_nop, NULL);
    machine_free(never);
    Machine *running = fake_machine_new(NULL);
    FakeCPU *cpu = fake_cpu_new(running, fake_insn_nop, NULL);
    g_assert_null(cpu_get(running, 1));
    g_assert_true(cpu_get(running, 0) == &cpu->parent);
    g_assert_null(cpu_current());
    g_assert_true(machine_done(running, NULL));
    fake_machine_start(running);
    machine_free(running);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cpus/wake-ups", test_wake_ups);
    g_test_add_func("/cpus/wake-ups/icount", test_wake_ups_icount);
    g_test_add_func("/cpus/ping-pong", test_ping_pong);
    g_test_add_func("/cpus/pause-with-lock", test_pause_with_lock);
    g_test_add_func("/cpus/work", test_work);
    g_test_add_func("/cpus/run-on/icount", test_work_icount);
    g_test_add_func("/cpus/run-on/order", test_work_order);
    g_test_add_func("/cpus/throttle", test_throttle);
    g_test_add_func("/cpus/throttle/icount", test_throttle_icount);
    g_test_add_func("/cpus/icount/deterministic", test_deterministic);
    g_test_add_func("/cpus/icount/timer-exact", test_timer_exact);
    g_test_add_func("/cpus/icount/stop-at", test_stop_at);
    g_test_add_func("/cpus/life", test_life);
    return g_test_run();
}
