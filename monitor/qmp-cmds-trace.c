/*
 * qmp-cmds-trace.c - the commands that show and switch trace events.
 *
 * Floor F6; below it util/trace.  Main loop's thread; the switches belong to the process.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "qapi/qapi-commands.h"
#include "util/trace.h"

static bool refuse_vcpu(bool has_vcpu, Error **errp)
{
    if (has_vcpu) {
        error_setg(errp, "Parameter 'vcpu' cannot be used: no trace event belongs to one hart");
    }
    return !has_vcpu;
}

static bool is_pattern(const char *name)
{
    return strpbrk(name, "*?") != NULL;
}

static bool add_event(void *opaque, const char *name, bool enabled)
{
    TraceEventInfoList ***tail = opaque;
    TraceEventInfo *info = g_new0(TraceEventInfo, 1);
    info->name = g_strdup(name);
    info->state = enabled ? TRACE_EVENT_STATE_ENABLED : TRACE_EVENT_STATE_DISABLED;
    QAPI_LIST_APPEND(*tail, info);
    return true;
}

bool qmp_trace_event_get_state(QmpContext *ctx, const TraceEventGetStateArgs *args,
                               TraceEventInfoList **ret, Error **errp)
{
    TraceEventInfoList **tail = ret;
    if (!refuse_vcpu(args->has_vcpu, errp)) {
        return false;
    }
    trace_foreach(args->name, add_event, &tail);
    if (!*ret && !is_pattern(args->name)) {
        error_setg(errp, "unknown event \"%s\"", args->name);
        return false;
    }
    return true;
}

bool qmp_trace_event_set_state(QmpContext *ctx, const TraceEventSetStateArgs *args, Error **errp)
{
    if (!refuse_vcpu(args->has_vcpu, errp)) {
        return false;
    }
    return trace_enable(args->name, args->enable, args->ignore_unavailable ? NULL : errp)
           || args->ignore_unavailable;
}
