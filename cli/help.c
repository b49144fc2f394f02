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

#include "block/block.h"
#include "chardev/char.h"
#include "config-host.h"
#include "hw/qdev.h"
#include "hw/user-object.h"
#include "net/net.h"
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

/* Options whose value begins with one of these names. */
static const struct {
    const char *option;
    const char *const *(*names)(void);
} named[] = {
    { "object", user_object_types },
    { "chardev", chardev_backend_names },
    { "netdev", netdev_type_names },
    { "nic", netdev_type_names },
    { "blockdev", block_driver_names },
};

static void print_names(const char *title, const char *const *names)
{
    printf("%s:\n", title);
    for (; *names; names++) {
        printf("%s\n", *names);
    }
}

static bool print_properties(const CliOption *option, const char *name)
{
    if (strcmp(option->name, "object") == 0 && user_object_properties(name)) {
        g_autofree char *title = g_strdup_printf("%s options", name);
        print_names(title, user_object_properties(name));
        return true;
    }
    if (strcmp(option->name, "machine") == 0 && machine_class_find(name)) {
        printf("%s options:\n", name);
        for (const CliKey *key = option->keys; key->name; key++) {
            printf("%s=<%s>%s%s\n", key->name, key->type, key->only ? "  only " : "",
                   key->only ? key->only : "");
        }
        return true;
    }
    return false;
}

static bool print_choices(const CliOption *option)
{
    bool accel = strcmp(option->name, "accel") == 0;
    for (size_t i = 0; i < G_N_ELEMENTS(named); i++) {
        if (strcmp(named[i].option, option->name) == 0) {
            g_autofree char *title = g_strdup_printf("Available for -%s", option->name);
            print_names(title, named[i].names());
            return true;
        }
    }
    if (accel || strcmp(option->name, "display") == 0) {
        printf("Available for -%s:\n%s", option->name, accel ? "tcg\n" : "none\nvnc\n");
        return true;
    }
    return false;
}

bool cli_help_names(CommandLine *cl, const CliOption *option, const char *value)
{
    bool done;
    if (g_str_has_suffix(value, ",help") || g_str_has_suffix(value, ",?")) {
        g_autofree char *name = g_strndup(value, strrchr(value, ',') - value);
        done = print_properties(option, name);
    } else {
        done = (strcmp(value, "help") == 0 || strcmp(value, "?") == 0) && print_choices(option);
    }
    cl->action = done ? CLI_EXIT_OK : cl->action;
    return done;
}

const char *cli_help_instead(const char *name)
{
    static const char *const table[][2] = {
        { "hda", "use -drive file=FILE,format=raw" },
        { "hdb", "use -drive file=FILE,format=raw" },
        { "cdrom", "use -drive file=FILE,format=raw,readonly=on" },
        { "net", "use -nic user" },
        { "enable-kvm", "there is only -accel tcg" },
        { "curses", "use -nographic" },
        { "snapshot", "use -snapshots DIR and savevm, or an overlay (docs/user/disks.md)" },
        { "usb", "the machine has no USB" },
        { "gdb", "use the monitor: info registers, x" },
        { "s", "use the monitor: info registers, x" },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(table); i++) {
        if (strcmp(table[i][0], name) == 0) {
            return table[i][1];
        }
    }
    return NULL;
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
