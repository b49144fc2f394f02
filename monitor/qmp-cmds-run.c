/*
 * qmp-cmds-run.c - the commands and events of a machine's life: run, stop, reset, power, end.
 *
 * Floor F6; below it the runstate.  Main loop's thread, machine lock held; events may come on any thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "migration/migration.h"
#include "monitor/monitor-internal.h"
#include "qapi/qapi-commands.h"
#include "qapi/qapi-events.h"
#include "system/machine.h"
#include "system/runstate.h"

/* ------------------------------------------------------------------ events */

static bool cause_is_guest(ShutdownCause cause)
{
    return cause >= SHUTDOWN_CAUSE_GUEST_SHUTDOWN;
}

static void machine_event(void *opaque, MachineEvent event, ShutdownCause cause)
{
    Machine *m = opaque;
    ShutdownEvent shutdown = { .guest = cause_is_guest(cause), .reason = cause };
    ResetEvent reset = { .guest = cause_is_guest(cause), .reason = cause };
    switch (event) {
    case MACHINE_EVENT_STOP:
        qapi_event_send_stop(m->events);
        break;
    case MACHINE_EVENT_RESUME:
        qapi_event_send_resume(m->events);
        break;
    case MACHINE_EVENT_RESET:
        qapi_event_send_reset(m->events, &reset);
        break;
    case MACHINE_EVENT_POWERDOWN:
        qapi_event_send_powerdown(m->events);
        break;
    case MACHINE_EVENT_SHUTDOWN:
        qapi_event_send_shutdown(m->events, &shutdown);
        break;
    }
}

void monitor_connect_machine_events(Machine *m)
{
    static const MachineEventOps ops = { .event = machine_event };
    machine_set_event_ops(m, &ops, m);
}

/* ------------------------------------------------------------------ commands */

bool qmp_query_status(QmpContext *ctx, StatusInfo **ret, Error **errp)
{
    StatusInfo *info = g_new0(StatusInfo, 1);
    info->status = runstate_get(ctx->machine);
    info->running = runstate_is_running(ctx->machine);
    *ret = info;
    return true;
}

bool qmp_stop(QmpContext *ctx, Error **errp)
{
    if (runstate_get(ctx->machine) == RUN_STATE_INMIGRATE) {
        ctx->machine->config->autostart = false;
    } else {
        vm_stop(ctx->machine, RUN_STATE_PAUSED);
    }
    return true;
}

bool qmp_cont(QmpContext *ctx, Error **errp)
{
    Machine *m = ctx->machine;
    if (runstate_needs_reset(m)) {
        error_setg(errp, "Resetting the Virtual Machine is required");
        return false;
    }
    if (runstate_get(m) == RUN_STATE_INMIGRATE) {
        m->config->autostart = true;
        return true;
    }
    if (m->migration && !migration_allow_run(m->migration, errp)) {
        return false;
    }
    vm_start(m);
    return true;
}

bool qmp_system_reset(QmpContext *ctx, Error **errp)
{
    system_reset_request(ctx->machine, SHUTDOWN_CAUSE_HOST_QMP_SYSTEM_RESET);
    return true;
}

bool qmp_system_powerdown(QmpContext *ctx, Error **errp)
{
    system_powerdown_request(ctx->machine);
    return true;
}

bool qmp_quit(QmpContext *ctx, Error **errp)
{
    system_set_no_shutdown(ctx->machine, false);
    system_shutdown_request(ctx->machine, SHUTDOWN_CAUSE_HOST_QMP_QUIT, 0);
    return true;
}
