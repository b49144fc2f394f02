/*
 * help.c - -version, -trace help, -d help, -device help, -cpu help, -M help.
 *
 * Floor F6; below it the tables that are printed.  Main thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "cli/help.h"

#include <stdio.h>
#include <string.h>

#include "config-host.h"
#include "hw/qdev.h"
#include "system/machine.h"
#include "target/riscv.h"
#include "util/log-items.h"
#include "util/trace.h"

void cli_help_log(CommandLine *cl)
{
    printf("Log items (comma separated):\n");
    for (const LogItem *item = log_items; item->name; item++) {
        printf("%-16s%s\n", item->name, item->help);
    }
    printf("%-16s%s\n", "trace:PATTERN", "trace events whose name matches, see '-trace help'");
    cl->action = CLI_EXIT_OK;
}

static bool print_event(void *opaque, const char *name, bool enabled)
{
    printf("%s\n", name);
    return true;
}

void cli_help_trace(CommandLine *cl)
{
    trace_foreach(NULL, print_event, NULL);
    cl->action = CLI_EXIT_OK;
}

void cli_help_version(CommandLine *cl)
{
    printf("Godwit emulator version %s\n", GODWIT_VERSION);
    cl->action = CLI_EXIT_OK;
}

void cli_help_machines(CommandLine *cl)
{
    printf("Supported machines are:\n");
    for (const MachineClass *const *klass = machine_classes(); *klass; klass++) {
        printf("%-20s %s\n", (*klass)->name, (*klass)->desc);
    }
    cl->action = CLI_EXIT_OK;
}

void cli_help_cpus(CommandLine *cl)
{
    g_autofree char *text = riscv_cpu_help_text();
    printf("%s", text);
    cl->action = CLI_EXIT_OK;
}

bool cli_help_device(CommandLine *cl, const char *value)
{
    bool all = strcmp(value, "help") == 0 || strcmp(value, "?") == 0;
    if (!all && !g_str_has_suffix(value, ",help") && !g_str_has_suffix(value, ",?")) {
        return false;
    }
    g_autofree char *name = all ? NULL : g_strndup(value, strrchr(value, ',') - value);
    if (name && !device_class_find(name)) {
        return false;
    }
    g_autofree char *text = qdev_help_text(name);
    printf("%s", text);
    cl->action = CLI_EXIT_OK;
    return true;
}
