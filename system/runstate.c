/*
 * runstate.c - what a machine is doing: the table of legal changes, stop and start, requests.
 *
 * Floor F1 (system); below it util/.
 * Threads and locks: the state is atomic to read and changes with the machine lock held.  Requests are
 * flags under that lock, served by one bottom half on the main loop.
 * Invariant: the machine is in RUN_STATE_RUNNING exactly while the virtual clock runs and vCPUs may
 * run, but for the moments inside vm_start() and vm_stop().
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "system/runstate.h"

#include <stdatomic.h>
#include <string.h>

#include "system/clock.h"
#include "system/cpu.h"
#include "system/machine.h"
#include "trace/system.h"

struct VMChangeStateEntry {
    Machine *machine;
    VMChangeStateHandler *cb;
    void *opaque;
};

typedef struct DrainEntry {
    VMDrainHandler *cb;
    void *opaque;
} DrainEntry;

typedef struct ResetEntry {
    ResetHandler *handler;
    void *opaque;
} ResetEntry;

struct RunStateSlot {
    Machine *machine;
    _Atomic(RunState) state;
    QEMUBH *bh;                     /* serves the requests */
    ShutdownCause reset_requested;  /* SHUTDOWN_CAUSE_NONE: not requested */
    ShutdownCause shutdown_requested;
    RunState vmstop_requested;      /* RUN_STATE_MAX: not requested */
    bool powerdown_requested;
    bool no_reboot, no_shutdown;
    int exit_code;
    ShutdownCause cause;            /* of the end of the main loop */
    const MachineEventOps *event_ops;
    void *event_opaque;
    GPtrArray *change_handlers;     /* VMChangeStateEntry */
    GArray *drain_handlers;         /* DrainEntry */
    GArray *reset_handlers;         /* ResetEntry */
    GArray *powerdown_handlers;     /* ResetEntry */
};

/* ---- names and edges ---- */

static const char *const runstate_names[RUN_STATE_MAX] = {
    [RUN_STATE_DEBUG] = "debug",
    [RUN_STATE_INMIGRATE] = "inmigrate",
    [RUN_STATE_INTERNAL_ERROR] = "internal-error",
    [RUN_STATE_IO_ERROR] = "io-error",
    [RUN_STATE_PAUSED] = "paused",
    [RUN_STATE_POSTMIGRATE] = "postmigrate",
    [RUN_STATE_PRELAUNCH] = "prelaunch",
    [RUN_STATE_FINISH_MIGRATE] = "finish-migrate",
    [RUN_STATE_RESTORE_VM] = "restore-vm",
    [RUN_STATE_RUNNING] = "running",
    [RUN_STATE_SAVE_VM] = "save-vm",
    [RUN_STATE_SHUTDOWN] = "shutdown",
    [RUN_STATE_SUSPENDED] = "suspended",
    [RUN_STATE_WATCHDOG] = "watchdog",
    [RUN_STATE_GUEST_PANICKED] = "guest-panicked",
    [RUN_STATE_COLO] = "colo",
};

static const char *const shutdown_cause_names[SHUTDOWN_CAUSE_MAX] = {
    [SHUTDOWN_CAUSE_NONE] = "none",
    [SHUTDOWN_CAUSE_HOST_ERROR] = "host-error",
    [SHUTDOWN_CAUSE_HOST_QMP_QUIT] = "host-qmp-quit",
    [SHUTDOWN_CAUSE_HOST_QMP_SYSTEM_RESET] = "host-qmp-system-reset",
    [SHUTDOWN_CAUSE_HOST_SIGNAL] = "host-signal",
    [SHUTDOWN_CAUSE_HOST_UI] = "host-ui",
    [SHUTDOWN_CAUSE_GUEST_SHUTDOWN] = "guest-shutdown",
    [SHUTDOWN_CAUSE_GUEST_RESET] = "guest-reset",
    [SHUTDOWN_CAUSE_GUEST_PANIC] = "guest-panic",
};

#define EDGE(name) (1u << RUN_STATE_##name)
/* What a machine can turn into when something happens to a guest that runs. */
#define EDGES_TROUBLE (EDGE(DEBUG) | EDGE(INTERNAL_ERROR) | EDGE(IO_ERROR) | EDGE(SHUTDOWN) | \
                       EDGE(SUSPENDED) | EDGE(WATCHDOG) | EDGE(GUEST_PANICKED))
/* What is possible from every state in which a guest exists and stands still. */
#define EDGES_STOPPED (EDGE(PAUSED) | EDGE(PRELAUNCH) | EDGE(FINISH_MIGRATE) | EDGE(SAVE_VM) | \
                       EDGE(RESTORE_VM))

/* Row: from; bits: to. A state may always be set again. */
static const unsigned runstate_edges[RUN_STATE_MAX] = {
    [RUN_STATE_PRELAUNCH] = EDGES_STOPPED | EDGE(RUNNING) | EDGE(INMIGRATE) | EDGE(SUSPENDED) |
                            EDGE(SHUTDOWN),
    /* A machine that arrives takes over whatever state the source was in. */
    [RUN_STATE_INMIGRATE] = EDGES_TROUBLE | EDGES_STOPPED | EDGE(RUNNING) | EDGE(POSTMIGRATE) |
                            EDGE(COLO),
    [RUN_STATE_RUNNING] = EDGES_TROUBLE | EDGE(PAUSED) | EDGE(FINISH_MIGRATE) | EDGE(SAVE_VM) |
                          EDGE(RESTORE_VM) | EDGE(COLO),
    [RUN_STATE_PAUSED] = EDGES_STOPPED | EDGE(RUNNING) | EDGE(POSTMIGRATE) | EDGE(COLO) |
                         EDGE(SHUTDOWN) | EDGE(INMIGRATE),
    /* A migration that fails gives the machine its former state back. */
    [RUN_STATE_FINISH_MIGRATE] = EDGES_TROUBLE | EDGES_STOPPED | EDGE(RUNNING) | EDGE(POSTMIGRATE) |
                                 EDGE(COLO),
    [RUN_STATE_POSTMIGRATE] = EDGES_STOPPED | EDGE(RUNNING) | EDGE(SHUTDOWN),
    [RUN_STATE_SAVE_VM] = EDGES_TROUBLE | EDGES_STOPPED | EDGE(RUNNING) | EDGE(POSTMIGRATE),
    [RUN_STATE_RESTORE_VM] = EDGES_TROUBLE | EDGES_STOPPED | EDGE(RUNNING) | EDGE(POSTMIGRATE),
    [RUN_STATE_DEBUG] = EDGES_STOPPED | EDGE(RUNNING) | EDGE(SUSPENDED) | EDGE(SHUTDOWN),
    [RUN_STATE_IO_ERROR] = EDGES_STOPPED | EDGE(RUNNING) | EDGE(SHUTDOWN),
    [RUN_STATE_WATCHDOG] = EDGES_STOPPED | EDGE(RUNNING) | EDGE(SHUTDOWN),
    [RUN_STATE_GUEST_PANICKED] = EDGES_STOPPED | EDGE(RUNNING) | EDGE(SHUTDOWN),
    [RUN_STATE_SUSPENDED] = EDGES_STOPPED | EDGE(RUNNING) | EDGE(SHUTDOWN) | EDGE(COLO),
    /* Only a reset leads out of these two to a running machine. */
    [RUN_STATE_INTERNAL_ERROR] = EDGES_STOPPED | EDGE(SHUTDOWN),
    [RUN_STATE_SHUTDOWN] = EDGES_STOPPED,
    [RUN_STATE_COLO] = EDGE(RUNNING) | EDGE(PRELAUNCH) | EDGE(SHUTDOWN),
};

const char *runstate_name(RunState state)
{
    return (unsigned)state < RUN_STATE_MAX ? runstate_names[state] : "invalid";
}

bool runstate_parse(const char *name, RunState *state)
{
    for (unsigned i = 0; i < RUN_STATE_MAX; i++) {
        if (strcmp(name, runstate_names[i]) == 0) {
            *state = i;
            return true;
        }
    }
    return false;
}

const char *shutdown_cause_name(ShutdownCause cause)
{
    return (unsigned)cause < SHUTDOWN_CAUSE_MAX ? shutdown_cause_names[cause] : "invalid";
}

RunState runstate_get(Machine *m)
{
    return atomic_load(&m->runstate->state);
}

bool runstate_is_running(Machine *m)
{
    return runstate_get(m) == RUN_STATE_RUNNING;
}

bool runstate_needs_reset(Machine *m)
{
    RunState state = runstate_get(m);
    return state == RUN_STATE_INTERNAL_ERROR || state == RUN_STATE_SHUTDOWN;
}

bool runstate_set(Machine *m, RunState state, Error **errp)
{
    RunState old = runstate_get(m);
    if ((unsigned)state >= RUN_STATE_MAX ||
        (state != old && !(runstate_edges[old] & (1u << state)))) {
        error_setg(errp, "A machine in state '%s' cannot change to '%s'", runstate_name(old),
                   runstate_name(state));
        return false;
    }
    trace_runstate_set(runstate_name(old), runstate_name(state));
    atomic_store(&m->runstate->state, state);
    return true;
}

/* ---- whom to tell ---- */

void machine_set_event_ops(Machine *m, const MachineEventOps *ops, void *opaque)
{
    m->runstate->event_ops = ops;
    m->runstate->event_opaque = opaque;
}

static void runstate_event(Machine *m, MachineEvent event, ShutdownCause cause)
{
    struct RunStateSlot *slot = m->runstate;
    if (slot->event_ops) {
        slot->event_ops->event(slot->event_opaque, event, cause);
    }
}

VMChangeStateEntry *vm_add_change_state_handler(Machine *m, VMChangeStateHandler *cb, void *opaque)
{
    VMChangeStateEntry *entry = g_new(VMChangeStateEntry, 1);
    *entry = (VMChangeStateEntry) { .machine = m, .cb = cb, .opaque = opaque };
    g_ptr_array_add(m->runstate->change_handlers, entry);
    return entry;
}

void vm_del_change_state_handler(VMChangeStateEntry *entry)
{
    if (entry) {
        g_ptr_array_remove(entry->machine->runstate->change_handlers, entry);
        g_free(entry);
    }
}

/* In order of registration when the machine starts, in reverse when it stops. */
static void runstate_notify(Machine *m, bool running)
{
    GPtrArray *live = m->runstate->change_handlers;
    RunState state = runstate_get(m);
    guint n = live->len;
    g_autofree gpointer *entries = g_memdup2(live->pdata, n * sizeof(gpointer));
    for (guint i = 0; i < n; i++) {
        VMChangeStateEntry *entry = entries[running ? i : n - 1 - i];
        /* A handler may have removed another one. */
        if (g_ptr_array_find(live, entry, NULL)) {
            entry->cb(entry->opaque, running, state);
        }
    }
}

void vm_add_drain_handler(Machine *m, VMDrainHandler *cb, void *opaque)
{
    DrainEntry entry = { .cb = cb, .opaque = opaque };
    g_array_append_val(m->runstate->drain_handlers, entry);
}

void vm_del_drain_handler(Machine *m, VMDrainHandler *cb, void *opaque)
{
    GArray *handlers = m->runstate->drain_handlers;
    for (guint i = 0; i < handlers->len; i++) {
        DrainEntry *entry = &g_array_index(handlers, DrainEntry, i);
        if (entry->cb == cb && entry->opaque == opaque) {
            g_array_remove_index(handlers, i);
            return;
        }
    }
}

/* All of them run, whatever fails; the first error is the one reported. */
static bool runstate_drain(Machine *m, Error **errp)
{
    GArray *handlers = m->runstate->drain_handlers;
    Error *first = NULL;
    bool ok = true;
    for (guint i = 0; i < handlers->len; i++) {
        DrainEntry entry = g_array_index(handlers, DrainEntry, i);
        Error *err = NULL;
        if (!entry.cb(entry.opaque, &err)) {
            ok = false;
            error_propagate(&first, err);
        }
    }
    error_propagate(errp, first);
    return ok;
}

/* ---- start and stop ---- */

void vm_start(Machine *m)
{
    if (runstate_is_running(m) || !runstate_set(m, RUN_STATE_RUNNING, NULL)) {
        return;
    }
    clocks_enable_virtual(m->clocks, true);
    runstate_notify(m, true);
    runstate_event(m, MACHINE_EVENT_RESUME, SHUTDOWN_CAUSE_NONE);
    vcpus_resume_all(m);
}

/* Brings the vCPUs to rest and changes state. False if the edge is illegal. */
static bool vm_halt(Machine *m, RunState state, Error **errp)
{
    vcpus_pause_all(m);
    if (!runstate_is_running(m)) {
        /* Somebody else stopped the machine while the lock was free, and told everybody. */
        return true;
    }
    if (!runstate_set(m, state, errp)) {
        /* An impossible wish leaves the machine as it was. */
        vcpus_resume_all(m);
        return false;
    }
    clocks_enable_virtual(m->clocks, false);
    runstate_notify(m, false);
    runstate_event(m, MACHINE_EVENT_STOP, SHUTDOWN_CAUSE_NONE);
    return true;
}

/* Performs a reset that was asked for and not served yet; vCPUs are paused. */
static void runstate_reset_if_requested(Machine *m)
{
    ShutdownCause cause = m->runstate->reset_requested;
    if (cause != SHUTDOWN_CAUSE_NONE) {
        m->runstate->reset_requested = SHUTDOWN_CAUSE_NONE;
        system_reset(m, cause);
    }
}

static bool vm_stop_and_drain(Machine *m, RunState state, Error **errp)
{
    if (runstate_is_running(m) && !vm_halt(m, state, errp)) {
        return false;
    }
    return runstate_drain(m, errp);
}

void vm_stop(Machine *m, RunState state)
{
    if (runstate_is_running(m)) {
        vm_stop_and_drain(m, state, NULL);
    }
}

bool vm_stop_force_state(Machine *m, RunState state, Error **errp)
{
    if (!vm_stop_and_drain(m, state, errp)) {
        return false;
    }
    /*
     * Whoever takes the machine away must not lose what the guest asked for a moment ago. A reset can
     * be done here; a shutdown is this process's business, and there is nothing left to take away.
     */
    runstate_reset_if_requested(m);
    if (state == RUN_STATE_FINISH_MIGRATE && m->runstate->shutdown_requested != SHUTDOWN_CAUSE_NONE) {
        error_setg(errp, "The guest is shutting down (%s)",
                   shutdown_cause_name(m->runstate->shutdown_requested));
        return false;
    }
    return runstate_set(m, state, errp);
}

/* ---- requests ---- */

static void runstate_request(Machine *m)
{
    /* What the guest does after it asked for its end is of no use to anyone. */
    vcpus_stop_current();
    qemu_bh_schedule(m->runstate->bh);
}

void system_reset_request(Machine *m, ShutdownCause cause)
{
    if (m->runstate->no_reboot) {
        m->runstate->shutdown_requested = cause;
    } else {
        m->runstate->reset_requested = cause;
    }
    runstate_request(m);
}

void system_shutdown_request(Machine *m, ShutdownCause cause, int exit_code)
{
    m->runstate->shutdown_requested = cause;
    m->runstate->exit_code = exit_code;
    runstate_request(m);
}

void system_powerdown_request(Machine *m)
{
    m->runstate->powerdown_requested = true;
    qemu_bh_schedule(m->runstate->bh);
}

void system_vmstop_request(Machine *m, RunState state)
{
    m->runstate->vmstop_requested = state;
    runstate_request(m);
}

void system_set_no_reboot(Machine *m, bool no_reboot)
{
    m->runstate->no_reboot = no_reboot;
}

void system_set_no_shutdown(Machine *m, bool no_shutdown)
{
    m->runstate->no_shutdown = no_shutdown;
}

/* True if -no-shutdown does not apply: somebody outside wants the process to end. */
static bool runstate_must_end(ShutdownCause cause)
{
    return cause == SHUTDOWN_CAUSE_HOST_QMP_QUIT || cause == SHUTDOWN_CAUSE_HOST_SIGNAL ||
           cause == SHUTDOWN_CAUSE_HOST_UI;
}

static void runstate_serve_shutdown(Machine *m)
{
    struct RunStateSlot *slot = m->runstate;
    ShutdownCause cause = slot->shutdown_requested;
    slot->shutdown_requested = SHUTDOWN_CAUSE_NONE;
    trace_system_shutdown(shutdown_cause_name(cause), slot->exit_code);
    runstate_event(m, MACHINE_EVENT_SHUTDOWN, cause);
    if (slot->no_shutdown && !runstate_must_end(cause)) {
        vm_stop(m, RUN_STATE_SHUTDOWN);
        return;
    }
    slot->cause = cause;
    main_loop_quit(m->loop);
}

static void runstate_serve_reset(Machine *m)
{
    vcpus_pause_all(m);
    runstate_reset_if_requested(m);
    if (runstate_is_running(m)) {
        vcpus_resume_all(m);
    } else if (runstate_get(m) != RUN_STATE_INMIGRATE) {
        runstate_set(m, RUN_STATE_PRELAUNCH, NULL);
    }
}

static void runstate_serve_powerdown(Machine *m)
{
    GArray *handlers = m->runstate->powerdown_handlers;
    m->runstate->powerdown_requested = false;
    runstate_event(m, MACHINE_EVENT_POWERDOWN, SHUTDOWN_CAUSE_NONE);
    for (guint i = 0; i < handlers->len; i++) {
        ResetEntry entry = g_array_index(handlers, ResetEntry, i);
        entry.handler(entry.opaque);
    }
}

static void runstate_requests_bh(void *opaque)
{
    Machine *m = opaque;
    struct RunStateSlot *slot = m->runstate;
    if (slot->vmstop_requested != RUN_STATE_MAX) {
        RunState state = slot->vmstop_requested;
        slot->vmstop_requested = RUN_STATE_MAX;
        vm_stop(m, state);
    }
    if (slot->shutdown_requested != SHUTDOWN_CAUSE_NONE) {
        runstate_serve_shutdown(m);
    }
    if (slot->reset_requested != SHUTDOWN_CAUSE_NONE) {
        runstate_serve_reset(m);
    }
    if (slot->powerdown_requested) {
        runstate_serve_powerdown(m);
    }
}

int system_exit_code(Machine *m)
{
    return m->runstate->exit_code;
}

ShutdownCause system_shutdown_cause(Machine *m)
{
    return m->runstate->cause;
}

/* ---- reset ---- */

static void runstate_add_handler(GArray *handlers, ResetHandler *handler, void *opaque)
{
    ResetEntry entry = { .handler = handler, .opaque = opaque };
    g_array_append_val(handlers, entry);
}

void system_register_reset(Machine *m, ResetHandler *handler, void *opaque)
{
    runstate_add_handler(m->runstate->reset_handlers, handler, opaque);
}

void system_register_powerdown(Machine *m, ResetHandler *handler, void *opaque)
{
    runstate_add_handler(m->runstate->powerdown_handlers, handler, opaque);
}

void system_reset(Machine *m, ShutdownCause cause)
{
    GArray *handlers = m->runstate->reset_handlers;
    trace_system_reset(shutdown_cause_name(cause));
    for (guint i = 0; i < handlers->len; i++) {
        ResetEntry entry = g_array_index(handlers, ResetEntry, i);
        entry.handler(entry.opaque);
    }
    if (m->klass->layers && m->klass->layers->reset) {
        m->klass->layers->reset(m);
    }
    vcpus_reset_all(m);
    if (cause != SHUTDOWN_CAUSE_NONE) {
        runstate_event(m, MACHINE_EVENT_RESET, cause);
    }
}

/* ---- life ---- */

struct RunStateSlot *runstate_new(Machine *m)
{
    struct RunStateSlot *slot = g_new0(struct RunStateSlot, 1);
    slot->machine = m;
    atomic_store(&slot->state, RUN_STATE_PRELAUNCH);
    slot->vmstop_requested = RUN_STATE_MAX;
    slot->no_reboot = m->config->no_reboot;
    slot->no_shutdown = m->config->no_shutdown;
    slot->bh = qemu_bh_new(m->loop, runstate_requests_bh, m);
    slot->change_handlers = g_ptr_array_new();
    slot->drain_handlers = g_array_new(FALSE, FALSE, sizeof(DrainEntry));
    slot->reset_handlers = g_array_new(FALSE, FALSE, sizeof(ResetEntry));
    slot->powerdown_handlers = g_array_new(FALSE, FALSE, sizeof(ResetEntry));
    return slot;
}

void runstate_free(struct RunStateSlot *slot)
{
    if (!slot) {
        return;
    }
    qemu_bh_delete(slot->bh);
    g_ptr_array_foreach(slot->change_handlers, (GFunc)(void (*)(void))g_free, NULL);
    g_ptr_array_unref(slot->change_handlers);
    g_array_unref(slot->drain_handlers);
    g_array_unref(slot->reset_handlers);
    g_array_unref(slot->powerdown_handlers);
    g_free(slot);
}
