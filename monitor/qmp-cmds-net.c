/*
 * qmp-cmds-net.c - network back ends and links; the picture of a display; one HMP line.
 *
 * Floor F6; below it net, ui and the HMP shell.  Main loop's thread, machine lock held.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "monitor/monitor.h"
#include "net/net.h"
#include "qapi/qapi-commands.h"
#include "system/cpu.h"
#include "ui/console.h"

bool qmp_set_link(QmpContext *ctx, const SetLinkArgs *args, Error **errp)
{
    return net_set_link(ctx->machine, args->name, args->up, errp);
}

bool qmp_netdev_add(QmpContext *ctx, const Netdev *args, Error **errp)
{
    json_t *options = qapi_marshal(&qapi_type_Netdev, &args);
    bool ok = netdev_new(ctx->machine, options, errp) != NULL;
    json_decref(options);
    return ok;
}

bool qmp_netdev_del(QmpContext *ctx, const NetdevDelArgs *args, Error **errp)
{
    return netdev_remove(ctx->machine, args->id, errp);
}

bool qmp_screendump(QmpContext *ctx, const ScreendumpArgs *args, Error **errp)
{
    if (args->has_head && (args->head < 0 || args->head > 255)) {
        error_setg(errp, "Invalid parameter 'head': a head is between 0 and 255");
        return false;
    }
    if (args->has_head && !args->device) {
        error_setg(errp, "'head' must be specified together with 'device'");
        return false;
    }
    const char *format = args->has_format ? ImageFormat_str(args->format) : "ppm";
    return ui_screendump(ctx->machine, args->device, args->has_head ? (unsigned)args->head : 0,
                         args->filename, format, errp);
}

bool qmp_human_monitor_command(QmpContext *ctx, const HumanMonitorCommandArgs *args, char **ret,
                               Error **errp)
{
    if (args->has_cpu_index &&
        (args->cpu_index < 0 || args->cpu_index >= cpu_count(ctx->machine))) {
        error_setg(errp, "Parameter 'cpu-index' expects a CPU number");
        return false;
    }
    *ret = monitor_hmp_run(ctx->machine, args->command_line,
                           args->has_cpu_index ? (int)args->cpu_index : -1);
    return true;
}
