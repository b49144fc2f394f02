/*
 * hmp-cmds.c - the commands that change something.
 *
 * Floor F6; below it the QMP commands, where the logic is.  Main loop's thread, machine lock held.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "monitor/hmp-internal.h"

#include "hw/qdev.h"
#include "hw/user-object.h"
#include "net/net.h"
#include "util/keyval.h"
#include "util/log-items.h"
#include "util/trace.h"

/* Runs a QMP command that returns nothing; takes over args. */
static void run_qmp(HmpCall *call, const char *command, json_t *args)
{
    Error *err = NULL;
    hmp_qmp(call->ctx, command, args, NULL, &err);
    hmp_report(call->ctx, err);
}

/* The call's own arguments are what the QMP command takes. */
static void run_same(HmpCall *call, const char *command)
{
    run_qmp(call, command, json_incref(call->args));
}

void hmp_cont(HmpCall *call)
{
    run_qmp(call, "cont", NULL);
}

void hmp_stop(HmpCall *call)
{
    run_qmp(call, "stop", NULL);
}

void hmp_quit(HmpCall *call)
{
    run_qmp(call, "quit", NULL);
}

void hmp_system_reset(HmpCall *call)
{
    run_qmp(call, "system_reset", NULL);
}

void hmp_system_powerdown(HmpCall *call)
{
    run_qmp(call, "system_powerdown", NULL);
}

void hmp_nmi(HmpCall *call)
{
    run_qmp(call, "inject-nmi", NULL);
}

void hmp_balloon(HmpCall *call)
{
    run_same(call, "balloon");
}

void hmp_set_link(HmpCall *call)
{
    run_same(call, "set_link");
}

void hmp_memsave(HmpCall *call)
{
    json_object_set_new(call->args, "cpu-index", json_integer(call->ctx->cpu_index));
    run_same(call, "memsave");
}

void hmp_pmemsave(HmpCall *call)
{
    run_same(call, "pmemsave");
}

void hmp_device_del(HmpCall *call)
{
    run_same(call, "device_del");
}

void hmp_netdev_del(HmpCall *call)
{
    run_same(call, "netdev_del");
}

void hmp_object_del(HmpCall *call)
{
    run_same(call, "object-del");
}

/* "help" or "NAME,help": the text that -device prints; NULL if that is not what was asked for. */
static char *device_help(const char *text)
{
    if (strcmp(text, "help") == 0 || strcmp(text, "?") == 0) {
        return qdev_help_text(NULL);
    }
    if (!g_str_has_suffix(text, ",help") && !g_str_has_suffix(text, ",?")) {
        return NULL;
    }
    g_autofree char *name = g_strndup(text, strrchr(text, ',') - text);
    return qdev_help_text(name);
}

void hmp_device_add(HmpCall *call)
{
    Error *err = NULL;
    g_autofree char *help = device_help(hmp_str(call, "options"));
    if (help) {
        hmp_puts(call->ctx, help);
        return;
    }
    json_t *options = keyval_parse(hmp_str(call, "options"), "driver", &err);
    if (options) {
        hmp_qmp(call->ctx, "device_add", options, NULL, &err);
    }
    hmp_report(call->ctx, err);
}

/* Not by way of QMP, which wants typed values: here they are text, as on the command line. */
void hmp_netdev_add(HmpCall *call)
{
    Error *err = NULL;
    json_t *options = keyval_parse(hmp_str(call, "options"), "type", &err);
    if (options && call->ctx->machine->net) {
        netdev_new(call->ctx->machine, options, &err);
    }
    json_decref(options);
    hmp_report(call->ctx, err);
}

void hmp_object_add(HmpCall *call)
{
    Error *err = NULL;
    json_t *options = keyval_parse(hmp_str(call, "options"), "qom-type", &err);
    if (options && call->ctx->machine->config->objects) {
        user_object_add(call->ctx->machine->config->objects, options, &err);
    }
    json_decref(options);
    hmp_report(call->ctx, err);
}

void hmp_screendump(HmpCall *call)
{
    json_t *format = json_object_get(call->args, "-f");
    if (hmp_has(call, "head") && hmp_uint(call, "head") > UINT32_MAX) {
        hmp_puts(call->ctx, "screendump: a head is a small number\n");
        return;
    }
    if (format) {
        json_object_set(call->args, "format", format);
        json_object_del(call->args, "-f");
    }
    run_same(call, "screendump");
}

void hmp_set_cpu(HmpCall *call)
{
    HmpContext *ctx = call->ctx;
    uint64_t index = hmp_uint(call, "index");
    if (ctx->machine->vcpus && index < cpu_count(ctx->machine)) {
        ctx->cpu_index = index;
    } else {
        hmp_puts(ctx, "invalid CPU index\n");
    }
}

/* ---- log and trace ---- */

static bool switch_log_item(const char *name, Error **errp)
{
    const char *pattern = log_item_pattern(name);
    if (!pattern) {
        error_setg(errp, "'%s' is no log item; 'log help' lists them", name);
        return false;
    }
    /* A subject without events in this build is no mistake, a pattern that matches nothing is. */
    return trace_enable(pattern, true, g_str_has_prefix(name, "trace:") ? errp : NULL) || !errp || !*errp;
}

void hmp_log(HmpCall *call)
{
    const char *text = hmp_str(call, "items");
    Error *err = NULL;
    if (strcmp(text, "help") == 0) {
        hmp_printf(call->ctx, "%-16s%s\n", "none", "switch everything off");
        for (const LogItem *item = log_items; item->name; item++) {
            hmp_printf(call->ctx, "%-16s%s\n", item->name, item->help);
        }
        hmp_printf(call->ctx, "%-16s%s\n", "trace:PATTERN", "trace events whose name matches");
        return;
    }
    g_auto(GStrv) names = g_strsplit(text, ",", -1);
    trace_enable("*", false, NULL);
    for (char **name = names; strcmp(text, "none") != 0 && *name && !err; name++) {
        switch_log_item(*name, &err);
    }
    hmp_report(call->ctx, err);
}

void hmp_logfile(HmpCall *call)
{
    Error *err = NULL;
    trace_set_file(hmp_str(call, "filename"), &err);
    hmp_report(call->ctx, err);
}

void hmp_trace_event(HmpCall *call)
{
    Error *err = NULL;
    trace_enable(hmp_str(call, "name"), hmp_bool(call, "option"), &err);
    hmp_report(call->ctx, err);
}
