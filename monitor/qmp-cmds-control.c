/*
 * qmp-cmds-control.c - the commands that concern the session, and those whose answer never changes.
 *
 * Floor F6; below it the hub.  Main loop's thread, machine lock held.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "config-host.h"
#include "monitor/hub.h"
#include "qapi/qapi-commands.h"

bool qmp_qmp_capabilities(QmpContext *ctx, const QmpCapabilitiesArgs *args, Error **errp)
{
    bool oob = false;
    for (const QMPCapabilityList *cap = args->enable; cap; cap = cap->next) {
        if (oob) {
            error_setg(errp, "Capability '%s' is asked for twice", QMPCapability_str(cap->value));
            return false;
        }
        oob = true;     /* the only one that the schema has */
    }
    return monitor_qmp_negotiate(ctx->mon, oob, errp);
}

bool qmp_query_version(QmpContext *ctx, VersionInfo **ret, Error **errp)
{
    VersionInfo *info = g_new0(VersionInfo, 1);
    info->qemu = g_new0(VersionTriple, 1);
    info->qemu->major = QMP_VERSION_MAJOR;
    info->qemu->minor = QMP_VERSION_MINOR;
    info->qemu->micro = QMP_VERSION_MICRO;
    info->package = g_strdup("godwit-" GODWIT_VERSION);
    *ret = info;
    return true;
}

bool qmp_query_commands(QmpContext *ctx, CommandInfoList **ret, Error **errp)
{
    const QmpCommandTable *table = monitor_hub_commands(ctx->hub);
    CommandInfoList **tail = ret;
    for (size_t i = 0; i < table->n_commands; i++) {
        CommandInfo *info = g_new0(CommandInfo, 1);
        info->name = g_strdup(table->commands[i].name);
        QAPI_LIST_APPEND(tail, info);
    }
    return true;
}

bool qmp_query_qmp_schema(QmpContext *ctx, json_t *args, json_t **ret, Error **errp)
{
    if (json_object_size(args)) {
        error_setg(errp, "Parameter '%s' is unexpected", json_object_iter_key(json_object_iter(args)));
        return false;
    }
    *ret = json_loads(monitor_hub_commands(ctx->hub)->schema, 0, NULL);
    if (!*ret) {
        error_setg(errp, "The schema is damaged");
    }
    return *ret != NULL;
}

/* ------------------------------------------------------------------ the command line */

static CommandLineParameterInfo *parameter_info(const CommandLineParameter *param)
{
    CommandLineParameterInfo *info = g_new0(CommandLineParameterInfo, 1);
    int type = qapi_enum_parse(&qapi_type_CommandLineParameterType, param->name, param->type, NULL);
    info->name = g_strdup(param->name);
    info->type = type < 0 ? COMMAND_LINE_PARAMETER_TYPE_STRING : type;
    info->help = g_strdup(param->help);
    info->q_default = g_strdup(param->default_value);
    return info;
}

static CommandLineOptionInfo *option_info(const CommandLineOption *option)
{
    CommandLineOptionInfo *info = g_new0(CommandLineOptionInfo, 1);
    CommandLineParameterInfoList **tail = &info->parameters;
    info->option = g_strdup(option->option);
    for (const CommandLineParameter *p = option->params; p && p->name; p++) {
        QAPI_LIST_APPEND(tail, parameter_info(p));
    }
    return info;
}

bool qmp_query_command_line_options(QmpContext *ctx, const QueryCommandLineOptionsArgs *args,
                                    CommandLineOptionInfoList **ret, Error **errp)
{
    CommandLineOptionInfoList **tail = ret;
    for (const CommandLineOption *o = monitor_hub_options(ctx->hub); o && o->option; o++) {
        if (!args->option || !strcmp(args->option, o->option)) {
            QAPI_LIST_APPEND(tail, option_info(o));
        }
    }
    if (args->option && !*ret) {
        error_setg(errp, "invalid option name: %s", args->option);
        return false;
    }
    return true;
}

/* ------------------------------------------------------------------ constant answers */

bool qmp_query_target(QmpContext *ctx, TargetInfo **ret, Error **errp)
{
    *ret = g_new0(TargetInfo, 1);
    (*ret)->arch = SYS_EMU_TARGET_RISCV64;
    return true;
}

bool qmp_query_kvm(QmpContext *ctx, KvmInfo **ret, Error **errp)
{
    *ret = g_new0(KvmInfo, 1);  /* neither enabled nor present */
    return true;
}

bool qmp_query_jobs(QmpContext *ctx, JobInfoList **ret, Error **errp)
{
    *ret = NULL;    /* nothing here starts a job; libvirt asks when it reconnects */
    return true;
}
