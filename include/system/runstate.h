/*
 * runstate.h - what a machine is doing, which changes are legal, and who is told.
 *
 * Floor F1 (system).  Names and numbers are QEMU's, since they stand in QMP and in the globalstate
 * section.  All functions need the machine lock unless they say otherwise.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_SYSTEM_RUNSTATE_H
#define GODWIT_SYSTEM_RUNSTATE_H

#include <stdbool.h>

#include "util/error.h"

typedef struct Machine Machine;

typedef enum RunState {
    RUN_STATE_DEBUG,
    RUN_STATE_INMIGRATE,
    RUN_STATE_INTERNAL_ERROR,
    RUN_STATE_IO_ERROR,
    RUN_STATE_PAUSED,
    RUN_STATE_POSTMIGRATE,
    RUN_STATE_PRELAUNCH,
    RUN_STATE_FINISH_MIGRATE,
    RUN_STATE_RESTORE_VM,
    RUN_STATE_RUNNING,
    RUN_STATE_SAVE_VM,
    RUN_STATE_SHUTDOWN,
    RUN_STATE_SUSPENDED,
    RUN_STATE_WATCHDOG,
    RUN_STATE_GUEST_PANICKED,
    RUN_STATE_COLO,
    RUN_STATE_MAX,
} RunState;

typedef enum ShutdownCause {
    SHUTDOWN_CAUSE_NONE,
    SHUTDOWN_CAUSE_HOST_ERROR,
    SHUTDOWN_CAUSE_HOST_QMP_QUIT,
    SHUTDOWN_CAUSE_HOST_QMP_SYSTEM_RESET,
    SHUTDOWN_CAUSE_HOST_SIGNAL,
    SHUTDOWN_CAUSE_HOST_UI,
    SHUTDOWN_CAUSE_GUEST_SHUTDOWN,
    SHUTDOWN_CAUSE_GUEST_RESET,
    SHUTDOWN_CAUSE_GUEST_PANIC,
    SHUTDOWN_CAUSE_MAX,
} ShutdownCause;

/* "running", "paused", …: static strings; and back (false if no state has that name). No lock. */
const char *runstate_name(RunState state);
bool runstate_parse(const char *name, RunState *state);
/* "host-qmp-quit", "guest-reset", … */
const char *shutdown_cause_name(ShutdownCause cause);

RunState runstate_get(Machine *m);      /* atomic; no lock */
bool runstate_is_running(Machine *m);   /* atomic; no lock */

/* True in a state that only a reset leaves: `cont` is refused then. Atomic; no lock. */
bool runstate_needs_reset(Machine *m);

/* Changes state without starting or stopping anything. An illegal edge is an error, nothing changes. */
bool runstate_set(Machine *m, RunState state, Error **errp);

/*
 * Where events go; the surface sets it. event is called on any thread with the lock held and must not
 * call back into the machine. cause is meaningful for RESET and SHUTDOWN only.
 */
typedef enum MachineEvent {
    MACHINE_EVENT_STOP,
    MACHINE_EVENT_RESUME,
    MACHINE_EVENT_RESET,
    MACHINE_EVENT_POWERDOWN,
    MACHINE_EVENT_SHUTDOWN,
} MachineEvent;
typedef struct MachineEventOps {
    void (*event)(void *opaque, MachineEvent event, ShutdownCause cause);
} MachineEventOps;
void machine_set_event_ops(Machine *m, const MachineEventOps *ops, void *opaque);

/* Lets every vCPU and the virtual clock run; event RESUME. No effect if running. */
void vm_start(Machine *m);
/*
 * Stops vCPUs and virtual clock, changes to state, drains I/O; event STOP. No effect if not running.
 * Not on a vCPU's thread (see system_vmstop_request); the lock is dropped while the vCPUs come to rest.
 */
void vm_stop(Machine *m, RunState state);
/*
 * As vm_stop, and changes state even if the machine was stopped already. A reset that the guest has
 * asked for happens first. False: I/O did not flush, the edge is illegal, or the guest is shutting down.
 */
bool vm_stop_force_state(Machine *m, RunState state, Error **errp);
/* Asks the main loop for vm_stop(state): for devices (I/O error, panic). Lock held, any thread. */
void system_vmstop_request(Machine *m, RunState state);

/*
 * Drain handlers run after each stop, on the stopping thread, lock held: they finish all I/O in flight
 * (-icount: all that the guest's time does not have to finish) and flush it. A failure is reported by
 * vm_stop_force_state(); the machine is stopped all the same.
 */
typedef bool VMDrainHandler(void *opaque, Error **errp);
void vm_add_drain_handler(Machine *m, VMDrainHandler *cb, void *opaque);
void vm_del_drain_handler(Machine *m, VMDrainHandler *cb, void *opaque);

/*
 * Asks the main loop to reset, power down or shut down; any thread that holds the lock. exit_code is
 * what the process returns on a guest's shutdown. Events RESET, POWERDOWN, SHUTDOWN are sent there.
 */
void system_reset_request(Machine *m, ShutdownCause cause);
void system_powerdown_request(Machine *m);
void system_shutdown_request(Machine *m, ShutdownCause cause, int exit_code);

/* -no-reboot and -no-shutdown: MachineConfig sets them first. */
void system_set_no_reboot(Machine *m, bool no_reboot);
void system_set_no_shutdown(Machine *m, bool no_shutdown);

/* The exit code and cause of a machine whose main loop has ended. */
int system_exit_code(Machine *m);
ShutdownCause system_shutdown_cause(Machine *m);

/* Called after each change between running and not running, on the thread that makes it, lock held. */
typedef void VMChangeStateHandler(void *opaque, bool running, RunState state);
typedef struct VMChangeStateEntry VMChangeStateEntry;
VMChangeStateEntry *vm_add_change_state_handler(Machine *m, VMChangeStateHandler *cb, void *opaque);
void vm_del_change_state_handler(VMChangeStateEntry *entry);

/*
 * Runs every registered reset handler, then resets every device (MachineLayerOps), then the vCPUs.
 * vCPUs must be paused; system_reset_request() sees to it.
 */
typedef void ResetHandler(void *opaque);
void system_register_reset(Machine *m, ResetHandler *handler, void *opaque);
void system_reset(Machine *m, ShutdownCause cause);
/* Powerdown button listeners (none on virt: then POWERDOWN is an event only). */
void system_register_powerdown(Machine *m, ResetHandler *handler, void *opaque);

struct RunStateSlot *runstate_new(Machine *m);
void runstate_free(struct RunStateSlot *slot);

#endif
