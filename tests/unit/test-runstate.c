/*
 * test-runstate.c - states and their edges, events, requests from vCPUs, reset, drain, exit.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "lib-fake-cpu.h"

#include <string.h>

/* A machine, one vCPU and the log of what happened. */
typedef struct Rig {
    Machine *machine;
    FakeCPU *cpu;
    GString *log;
    bool drain_fails;
    atomic_bool asked;
    atomic_int ask;     /* what the vCPU asks for, once */
} Rig;

enum { ASK_NOTHING, ASK_RESET, ASK_SHUTDOWN, ASK_PANIC, ASK_POWERDOWN };

static void log_event(void *opaque, MachineEvent event, ShutdownCause cause)
{
    static const char *const names[] = { "STOP", "RESUME", "RESET", "POWERDOWN", "SHUTDOWN" };
    Rig *rig = opaque;
    g_assert_true(machine_locked(rig->machine));
    g_string_append_printf(rig->log, "%s", names[event]);
    if (event == MACHINE_EVENT_RESET || event == MACHINE_EVENT_SHUTDOWN) {
        g_string_append_printf(rig->log, "(%s)", shutdown_cause_name(cause));
    }
    g_string_append_c(rig->log, ' ');
}

static const MachineEventOps event_ops = { log_event };

static void ask_insn(FakeCPU *cpu)
{
    Rig *rig = cpu->opaque;
    Machine *m = rig->machine;
    int ask = atomic_exchange(&rig->ask, ASK_NOTHING);
    /* The vCPU must not run on after it has asked for its end. */
    g_assert_false(atomic_load(&rig->asked));
    if (ask == ASK_NOTHING) {
        return;
    }
    machine_lock(m);
    if (ask == ASK_RESET) {
        system_reset_request(m, SHUTDOWN_CAUSE_GUEST_RESET);
    } else if (ask == ASK_SHUTDOWN) {
        system_shutdown_request(m, SHUTDOWN_CAUSE_GUEST_SHUTDOWN, 3);
    } else if (ask == ASK_PANIC) {
        system_vmstop_request(m, RUN_STATE_GUEST_PANICKED);
    } else {
        system_powerdown_request(m);
    }
    atomic_store(&rig->asked, ask != ASK_POWERDOWN);
    machine_unlock(m);
}

static void reset_handler(void *opaque)
{
    Rig *rig = opaque;
    g_assert_true(machine_locked(rig->machine));
    g_string_append(rig->log, "reset ");
    atomic_store(&rig->asked, false);
}

static void powerdown_handler(void *opaque)
{
    g_string_append(((Rig *)opaque)->log, "button ");
}

static bool drain(void *opaque, Error **errp)
{
    Rig *rig = opaque;
    g_string_append(rig->log, "drain ");
    if (rig->drain_fails) {
        error_setg(errp, "disk on fire");
    }
    return !rig->drain_fails;
}

static Rig *rig_new(MachineConfig *config)
{
    Rig *rig = g_new0(Rig, 1);
    Machine *m = rig->machine = fake_machine_new(config);
    rig->log = g_string_new(NULL);
    rig->cpu = fake_cpu_new(m, ask_insn, rig);
    machine_lock(m);
    machine_set_event_ops(m, &event_ops, rig);
    system_register_reset(m, reset_handler, rig);
    system_register_powerdown(m, powerdown_handler, rig);
    machine_unlock(m);
    g_assert_true(machine_done(m, NULL));
    g_assert_cmpstr(rig->log->str, ==, "reset ");
    g_assert_cmpuint(rig->cpu->resets, ==, 1);
    g_string_truncate(rig->log, 0);
    return rig;
}

static void rig_free(Rig *rig)
{
    machine_free(rig->machine);
    g_string_free(rig->log, TRUE);
    g_free(rig);
}

static void expect_log(Rig *rig, const char *expected)
{
    g_assert_cmpstr(rig->log->str, ==, expected);
    g_string_truncate(rig->log, 0);
}

/* Runs the main loop until text stands in the log. */
static void loop_until(Rig *rig, const char *text)
{
    while (!strstr(rig->log->str, text)) {
        main_loop_iterate(rig->machine->loop, true);
    }
}

static void test_names(void)
{
    RunState state;
    for (unsigned i = 0; i < RUN_STATE_MAX; i++) {
        g_assert_true(runstate_parse(runstate_name(i), &state));
        g_assert_cmpuint(state, ==, i);
    }
    g_assert_false(runstate_parse("asleep", &state));
    g_assert_cmpstr(runstate_name(RUN_STATE_FINISH_MIGRATE), ==, "finish-migrate");
    g_assert_cmpstr(runstate_name(RUN_STATE_MAX), ==, "invalid");
    for (unsigned i = 0; i < SHUTDOWN_CAUSE_MAX; i++) {
        g_assert_nonnull(shutdown_cause_name(i));
    }
    g_assert_cmpstr(shutdown_cause_name(SHUTDOWN_CAUSE_MAX), ==, "invalid");
}

static void test_edges(void)
{
    static const struct {
        RunState from, to;
        bool legal;
    } edges[] = {
        { RUN_STATE_PRELAUNCH, RUN_STATE_RUNNING, true },
        { RUN_STATE_PRELAUNCH, RUN_STATE_INMIGRATE, true },
        { RUN_STATE_PRELAUNCH, RUN_STATE_POSTMIGRATE, false },
        { RUN_STATE_INMIGRATE, RUN_STATE_GUEST_PANICKED, true },
        { RUN_STATE_INMIGRATE, RUN_STATE_PAUSED, true },
        { RUN_STATE_RUNNING, RUN_STATE_PRELAUNCH, false },
        { RUN_STATE_RUNNING, RUN_STATE_INMIGRATE, false },
        { RUN_STATE_RUNNING, RUN_STATE_POSTMIGRATE, false },
        { RUN_STATE_RUNNING, RUN_STATE_FINISH_MIGRATE, true },
        { RUN_STATE_FINISH_MIGRATE, RUN_STATE_POSTMIGRATE, true },
        { RUN_STATE_FINISH_MIGRATE, RUN_STATE_RUNNING, true },
        { RUN_STATE_POSTMIGRATE, RUN_STATE_RUNNING, true },
        { RUN_STATE_POSTMIGRATE, RUN_STATE_INMIGRATE, false },
        { RUN_STATE_SHUTDOWN, RUN_STATE_RUNNING, false },
        { RUN_STATE_SHUTDOWN, RUN_STATE_PRELAUNCH, true },
        { RUN_STATE_INTERNAL_ERROR, RUN_STATE_RUNNING, false },
        { RUN_STATE_PAUSED, RUN_STATE_PAUSED, true },
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(edges); i++) {
        Machine *m = fake_machine_new(NULL);
        g_autoptr(Error) err = NULL;
        machine_lock(m);
        /* Every state is reachable from prelaunch or inmigrate. */
        if (edges[i].from != RUN_STATE_PRELAUNCH && edges[i].from != RUN_STATE_INMIGRATE) {
            g_assert_true(runstate_set(m, RUN_STATE_INMIGRATE, NULL));
        }
        g_assert_true(runstate_set(m, edges[i].from, NULL));
        g_assert_cmpint(runstate_set(m, edges[i].to, &err), ==, edges[i].legal);
        g_assert_cmpint(runstate_get(m), ==, edges[i].legal ? edges[i].to : edges[i].from);
        g_assert_true((err == NULL) == edges[i].legal);
        if (err) {
            g_assert_nonnull(strstr(error_get_pretty(err), runstate_name(edges[i].from)));
            g_assert_nonnull(strstr(error_get_pretty(err), runstate_name(edges[i].to)));
        }
        g_assert_false(runstate_set(m, RUN_STATE_MAX, NULL));
        /* So that machine_free() finds no machine that claims to run. */
        if (runstate_is_running(m)) {
            g_assert_true(runstate_set(m, RUN_STATE_PAUSED, NULL));
        }
        machine_unlock(m);
        machine_free(m);
    }
}

/* ---- start, stop, handlers ---- */

typedef struct Change {
    Rig *rig;
    const char *name;
    VMChangeStateEntry *remove;
} Change;

static void change(void *opaque, bool running, RunState state)
{
    Change *c = opaque;
    g_string_append_printf(c->rig->log, "%s:%s ", c->name, runstate_name(state));
    g_assert_cmpint(running, ==, runstate_is_running(c->rig->machine));
    vm_del_change_state_handler(c->remove);
    c->remove = NULL;
}

static void test_start_stop(void)
{
    Rig *rig = rig_new(NULL);
    Machine *m = rig->machine;
    Change a = { rig, "a", NULL }, b = { rig, "b", NULL }, c = { rig, "c", NULL };
    machine_lock(m);
    VMChangeStateEntry *first = vm_add_change_state_handler(m, change, &a);
    VMChangeStateEntry *second = vm_add_change_state_handler(m, change, &b);
    c.remove = vm_add_change_state_handler(m, change, &b);
    vm_add_change_state_handler(m, change, &c);     /* left to machine_free() */
    vm_add_drain_handler(m, drain, rig);
    vm_stop(m, RUN_STATE_PAUSED);                   /* does not run: nothing happens */
    g_assert_cmpint(runstate_get(m), ==, RUN_STATE_PRELAUNCH);
    expect_log(rig, "");
    vm_start(m);
    expect_log(rig, "a:running b:running b:running c:running RESUME ");
    vm_start(m);
    expect_log(rig, "");
    c.remove = second;
    vm_stop(m, RUN_STATE_PAUSED);
    /* In reverse, and c has removed b. */
    expect_log(rig, "c:paused a:paused STOP drain ");
    int64_t now = qemu_clock_get_ns(m, QEMU_CLOCK_VIRTUAL);
    uint64_t insns = vcpus_instret(m);
    g_assert_cmpint(qemu_clock_get_ns(m, QEMU_CLOCK_VIRTUAL), ==, now);
    g_assert_cmpuint(vcpus_instret(m), ==, insns);
    vm_del_change_state_handler(first);
    vm_del_change_state_handler(NULL);
    machine_unlock(m);
    rig_free(rig);
}

static void test_force_state(void)
{
    Rig *rig = rig_new(NULL);
    Machine *m = rig->machine;
    g_autoptr(Error) err = NULL;
    g_autoptr(Error) edge = NULL;
    machine_lock(m);
    vm_add_drain_handler(m, drain, rig);
    vm_start(m);
    g_assert_true(vm_stop_force_state(m, RUN_STATE_FINISH_MIGRATE, NULL));
    g_assert_cmpint(runstate_get(m), ==, RUN_STATE_FINISH_MIGRATE);
    g_assert_true(vm_stop_force_state(m, RUN_STATE_POSTMIGRATE, NULL));
    expect_log(rig, "RESUME STOP drain drain ");
    g_assert_false(vm_stop_force_state(m, RUN_STATE_DEBUG, &edge));
    g_assert_nonnull(strstr(error_get_pretty(edge), "'postmigrate' cannot change to 'debug'"));
    vm_start(m);
    rig->drain_fails = true;
    g_assert_false(vm_stop_force_state(m, RUN_STATE_FINISH_MIGRATE, &err));
    g_assert_cmpstr(error_get_pretty(err), ==, "disk on fire");
    g_assert_false(runstate_is_running(m));
    vm_del_drain_handler(m, drain, rig);
    /* An illegal wish leaves a running machine running. */
    vm_start(m);
    g_assert_false(vm_stop_force_state(m, RUN_STATE_POSTMIGRATE, NULL));
    g_assert_true(runstate_is_running(m));
    uint64_t insns = vcpus_instret(m);
    machine_unlock(m);
    while (vcpus_instret(m) == insns) {
        cpu_kick(&rig->cpu->parent);    /* the count is published when exec returns */
        g_thread_yield();
    }
    rig_free(rig);
}

/* ---- requests ---- */

static void test_guest_reset(void)
{
    Rig *rig = rig_new(NULL);
    Machine *m = rig->machine;
    fake_machine_start(m);
    for (unsigned i = 0; i < 50; i++) {
        g_string_truncate(rig->log, 0);
        atomic_store(&rig->ask, ASK_RESET);
        loop_until(rig, "RESET");
        expect_log(rig, "reset RESET(guest-reset) ");
        g_assert_true(runstate_is_running(m));
    }
    fake_machine_stop(m);
    g_assert_cmpuint(rig->cpu->resets, ==, 51);
    /* A reset of a stopped machine makes it fresh, and does not start it. */
    machine_lock(m);
    g_assert_true(runstate_set(m, RUN_STATE_SHUTDOWN, NULL));
    g_assert_true(runstate_needs_reset(m));
    system_reset_request(m, SHUTDOWN_CAUSE_HOST_QMP_SYSTEM_RESET);
    machine_unlock(m);
    loop_until(rig, "RESET(host-qmp-system-reset)");
    g_assert_cmpint(runstate_get(m), ==, RUN_STATE_PRELAUNCH);
    g_assert_false(runstate_needs_reset(m));
    rig_free(rig);
}

static void test_guest_shutdown(void)
{
    Rig *rig = rig_new(NULL);
    Machine *m = rig->machine;
    fake_machine_start(m);
    atomic_store(&rig->ask, ASK_SHUTDOWN);
    main_loop_run(m->loop);
    expect_log(rig, "RESUME SHUTDOWN(guest-shutdown) ");
    g_assert_cmpint(system_exit_code(m), ==, 3);
    g_assert_cmpint(system_shutdown_cause(m), ==, SHUTDOWN_CAUSE_GUEST_SHUTDOWN);
    rig_free(rig);
}

static void test_no_shutdown(void)
{
    MachineConfig *config = fake_config_new();
    config->no_shutdown = true;
    Rig *rig = rig_new(config);
    Machine *m = rig->machine;
    fake_machine_start(m);
    atomic_store(&rig->ask, ASK_SHUTDOWN);
    loop_until(rig, "STOP");
    expect_log(rig, "RESUME SHUTDOWN(guest-shutdown) STOP ");
    g_assert_cmpint(runstate_get(m), ==, RUN_STATE_SHUTDOWN);
    /* quit ends it all the same. */
    machine_lock(m);
    system_shutdown_request(m, SHUTDOWN_CAUSE_HOST_QMP_QUIT, 0);
    machine_unlock(m);
    main_loop_run(m->loop);
    expect_log(rig, "SHUTDOWN(host-qmp-quit) ");
    g_assert_cmpint(system_exit_code(m), ==, 0);
    g_assert_cmpint(system_shutdown_cause(m), ==, SHUTDOWN_CAUSE_HOST_QMP_QUIT);
    rig_free(rig);
}

static void test_no_reboot(void)
{
    MachineConfig *config = fake_config_new();
    config->no_reboot = true;
    Rig *rig = rig_new(config);
    Machine *m = rig->machine;
    fake_machine_start(m);
    atomic_store(&rig->ask, ASK_RESET);
    main_loop_run(m->loop);
    expect_log(rig, "RESUME SHUTDOWN(guest-reset) ");
    /* set-action: from now on a reset is a reset, and a shutdown a pause. */
    machine_lock(m);
    atomic_store(&rig->asked, false);
    system_set_no_reboot(m, false);
    system_set_no_shutdown(m, true);
    system_reset_request(m, SHUTDOWN_CAUSE_HOST_QMP_SYSTEM_RESET);
    machine_unlock(m);
    loop_until(rig, "RESET");
    expect_log(rig, "reset RESET(host-qmp-system-reset) ");
    rig_free(rig);
}

static void test_panic_and_powerdown(void)
{
    Rig *rig = rig_new(NULL);
    Machine *m = rig->machine;
    fake_machine_start(m);
    atomic_store(&rig->ask, ASK_POWERDOWN);
    loop_until(rig, "button");
    expect_log(rig, "RESUME POWERDOWN button ");
    g_assert_true(runstate_is_running(m));
    atomic_store(&rig->ask, ASK_PANIC);
    loop_until(rig, "STOP");
    g_assert_cmpint(runstate_get(m), ==, RUN_STATE_GUEST_PANICKED);
    rig_free(rig);
}

/* A migration's switch-over overtakes the main loop: what the guest asked for is not lost. */
static void test_stop_with_requests(void)
{
    Rig *rig = rig_new(NULL);
    Machine *m = rig->machine;
    g_autoptr(Error) err = NULL;
    machine_lock(m);
    vm_start(m);
    system_reset_request(m, SHUTDOWN_CAUSE_GUEST_RESET);
    g_assert_true(vm_stop_force_state(m, RUN_STATE_FINISH_MIGRATE, NULL));
    expect_log(rig, "RESUME STOP reset RESET(guest-reset) ");
    machine_unlock(m);
    while (main_loop_iterate(m->loop, false)) {
    }
    expect_log(rig, "");
    g_assert_cmpint(runstate_get(m), ==, RUN_STATE_FINISH_MIGRATE);
    machine_lock(m);
    vm_start(m);
    system_shutdown_request(m, SHUTDOWN_CAUSE_GUEST_SHUTDOWN, 0);
    g_assert_false(vm_stop_force_state(m, RUN_STATE_FINISH_MIGRATE, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "shutting down (guest-shutdown)"));
    machine_unlock(m);
    rig_free(rig);
}

/* ---- stops from two threads ---- */

static gpointer stop_thread(gpointer opaque)
{
    Machine *m = opaque;
    for (int i = 0; i < 200; i++) {
        fake_machine_start(m);
        fake_machine_stop(m);
    }
    return NULL;
}

static void test_stop_storm(void)
{
    Rig *rig = rig_new(NULL);
    GThread *threads[2];
    for (unsigned i = 0; i < 2; i++) {
        threads[i] = g_thread_new("stop", stop_thread, rig->machine);
    }
    for (unsigned i = 0; i < 2; i++) {
        g_thread_join(threads[i]);
    }
    g_assert_cmpint(runstate_get(rig->machine), ==, RUN_STATE_PAUSED);
    /* Each STOP follows a RESUME, whoever sent them. */
    char **words = g_strsplit(rig->log->str, " ", -1);
    for (unsigned i = 0; words[i] && *words[i]; i++) {
        g_assert_cmpstr(words[i], ==, i % 2 ? "STOP" : "RESUME");
    }
    g_strfreev(words);
    uint64_t insns = vcpus_instret(rig->machine);
    g_assert_cmpuint(insns, ==, rig->cpu->retired);
    rig_free(rig);
}

/* ---- machine_new ---- */

static bool attach_fails(Machine *m, Error **errp)
{
    g_assert_true(machine_locked(m));
    error_setg(errp, "no room");
    return false;
}

static void detach(Machine *m)
{
    g_assert_true(machine_locked(m));
}

static void test_machine_new(void)
{
    static const MachineLayerOps layers = { .attach = attach_fails, .detach = detach };
    static const MachineClass klass = { .name = "none", .layers = &layers, .max_cpus = 2 };
    g_autoptr(Error) err = NULL, cpus = NULL, ram = NULL, shift = NULL;
    MachineConfig *config = machine_config_new(&klass);
    config->kernel = g_strdup("freed with the machine");
    g_assert_null(machine_new(&klass, config, &err));
    g_assert_cmpstr(error_get_pretty(err), ==, "no room");
    config = machine_config_new(&klass);
    config->cpus = 3;
    g_assert_null(machine_new(&klass, config, &cpus));
    g_assert_cmpstr(error_get_pretty(cpus), ==, "Machine 'none' takes 1 to 2 CPUs, not 3");
    config = machine_config_new(&klass);
    config->ram_size = 4097;
    g_assert_null(machine_new(&klass, config, &ram));
    g_assert_nonnull(ram);
    config = machine_config_new(&klass);
    config->icount = true;
    config->icount_shift = 11;
    g_assert_null(machine_new(&klass, config, &shift));
    g_assert_nonnull(strstr(error_get_pretty(shift), "0 to 10"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/runstate/names", test_names);
    g_test_add_func("/runstate/edges", test_edges);
    g_test_add_func("/runstate/start-stop", test_start_stop);
    g_test_add_func("/runstate/force-state", test_force_state);
    g_test_add_func("/runstate/guest-reset", test_guest_reset);
    g_test_add_func("/runstate/guest-shutdown", test_guest_shutdown);
    g_test_add_func("/runstate/no-shutdown", test_no_shutdown);
    g_test_add_func("/runstate/no-reboot", test_no_reboot);
    g_test_add_func("/runstate/panic-and-powerdown", test_panic_and_powerdown);
    g_test_add_func("/runstate/stop-with-requests", test_stop_with_requests);
    g_test_add_func("/runstate/stop-storm", test_stop_storm);
    g_test_add_func("/runstate/machine-new", test_machine_new);
    return g_test_run();
}
