/*
 * hmp.c - the table of the shell's commands, and how a line becomes a call.
 *
 * Floor F6; below it QMP's commands and every room's public interface.  Main loop's thread, machine lock
 * held; a command that asks a running hart drops the lock while it waits.
 * Invariant: nothing that is typed changes the machine unless the whole line was understood.
 *
 * Format: a line is COMMAND[/FORMAT] ARGUMENTS; what is printed ends its lines with CR LF.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "monitor/hmp-internal.h"

const HmpCommand hmp_commands[] = {
    { "announce_self", "", "", "tell the network where the network cards are", hmp_announce_self },
    { "balloon", "value:size", "target", "ask the guest to keep this much memory (default unit: MiB)",
      hmp_balloon },
    { "cont|c", "", "", "let the machine run", hmp_cont },
    { "cpu", "index:cpu", "index", "set the hart that other commands mean", hmp_set_cpu },
    { "delvm", "name:snapshot", "name", "remove a snapshot", hmp_delvm },
    { "device_add", "options:rest", "driver[,prop=value][,...]", "add a device, as -device does",
      hmp_device_add },
    { "device_del", "id:device", "id", "remove a device", hmp_device_del },
    { "help|?", "command:command? item:item?", "[cmd [item]]", "show what a command does", hmp_help },
    { "info", "item:item? more:rest?", "[item]", "show what the machine is and does", hmp_info },
    { "loadvm", "name:snapshot", "name", "put the machine and its disks back to a snapshot", hmp_loadvm },
    { "log", "items:logitem", "item1[,...]", "log these subjects (log help lists them), or none",
      hmp_log },
    { "logfile", "filename:file", "filename", "write log and trace to this file", hmp_logfile },
    { "memsave", "val:int size:int filename:file", "addr size file",
      "save guest memory, by virtual address, to a file", hmp_memsave },
    { "migrate", "-d:flag -b:flag -i:flag -r:flag uri:rest", "[-d] [-b] [-i] uri",
      "move the machine to tcp:host:port, unix:path, exec:command, fd:name, rdma:host:port or file:path; "
      "-d: do not wait",
      hmp_migrate },
    { "migrate_cancel", "", "", "cancel the migration that runs", hmp_migrate_cancel },
    { "migrate_continue", "state:migstate", "state", "go on with a migration that waits in that state",
      hmp_migrate_continue },
    { "migrate_incoming", "uri:rest", "uri", "wait for a machine that arrives (after -incoming defer)",
      hmp_migrate_incoming },
    { "migrate_set_cache_size", "value:size", "value", "as migrate_set_parameter xbzrle-cache-size",
      hmp_migrate_set_cache_size },
    { "migrate_set_capability", "capability:migcap state:onoff", "capability on|off",
      "switch a capability of migration", hmp_migrate_set_capability },
    { "migrate_set_downtime", "value:str", "seconds", "as migrate_set_parameter downtime-limit, in seconds",
      hmp_migrate_set_downtime },
    { "migrate_set_parameter", "parameter:migparam value:str", "parameter value",
      "set a parameter of migration (default unit of bandwidths: MiB/s)", hmp_migrate_set_parameter },
    { "migrate_set_speed", "value:size", "value", "as migrate_set_parameter max-bandwidth",
      hmp_migrate_set_speed },
    { "netdev_add", "options:rest", "[user|tap|socket|stream|dgram|hubport],id=str[,...]",
      "add a network back end, as -netdev does", hmp_netdev_add },
    { "netdev_del", "id:netdev", "id", "remove a network back end", hmp_netdev_del },
    { "nmi", "", "", "send a non-maskable interrupt", hmp_nmi },
    { "object_add", "options:rest", "type,id=str[,prop=value][,...]", "add an object, as -object does",
      hmp_object_add },
    { "object_del", "id:object", "id", "remove an object", hmp_object_del },
    { "pmemsave", "val:int size:int filename:file", "addr size file",
      "save guest memory, by physical address, to a file", hmp_pmemsave },
    { "print|p", "format:fmt value:int", "/fmt expr",
      "print the value of an expression ($reg for registers)", hmp_print },
    { "quit|q", "", "", "end the emulator", hmp_quit },
    { "savevm", "name:snapshot?", "[name]",
      "save the machine and its disks; a snapshot of that name is replaced", hmp_savevm },
    { "screendump", "filename:file -f:option device:device? head:int?",
      "filename [-f format] [device [head]]", "save the screen to a file in format ppm (default) or png",
      hmp_screendump },
    { "set_link", "name:nic up:onoff", "name on|off", "plug a network cable in or out", hmp_set_link },
    { "stop|s", "", "", "stop the machine", hmp_stop },
    { "sum", "start:int size:int", "addr size", "checksum (BSD, 16 bits) of physical memory", hmp_sum },
    { "system_powerdown", "", "", "press the power button", hmp_system_powerdown },
    { "system_reset", "", "", "reset the machine", hmp_system_reset },
    { "trace-event", "name:event option:onoff", "name on|off", "switch trace events (* and ? match)",
      hmp_trace_event },
    { "x", "format:fmt addr:int", "/fmt addr", "show virtual memory, starting at addr", hmp_x },
    { "x_migrate_settle", "decision:settle", "keep|forget",
      "say what becomes of a machine whose handover is in doubt", hmp_x_migrate_settle },
    { "xp", "format:fmt addr:int", "/fmt addr", "show physical memory, starting at addr", hmp_xp },
    { NULL, NULL, NULL, NULL, NULL },
};

const HmpCommand hmp_info_items[] = {
    { "balloon", "", "", "show how much memory the guest keeps", hmp_info_balloon },
    { "block", "-v:flag name:block?", "[-v] [device]", "show disks", hmp_info_block },
    { "blockstats", "", "", "show what disks have done", hmp_info_blockstats },
    { "chardev", "", "", "show character devices", hmp_info_chardev },
    { "cpus", "", "", "show harts; * marks the one that commands mean", hmp_info_cpus },
    { "history", "", "", "show the lines that were typed", hmp_info_history },
    { "irq", "", "", "show interrupts that are pending and enabled", hmp_info_irq },
    { "mem", "", "", "show what the page tables map", hmp_info_mem },
    { "migrate", "", "", "show how the migration goes or went", hmp_info_migrate },
    { "migrate_cache_size", "", "", "show the size of xbzrle's cache", hmp_info_migrate_cache_size },
    { "migrate_capabilities", "", "", "show the capabilities of migration", hmp_info_migrate_capabilities },
    { "migrate_parameters", "", "", "show the parameters of migration", hmp_info_migrate_parameters },
    { "mtree", "", "", "show the physical address space", hmp_info_mtree },
    { "name", "", "", "show the machine's name", hmp_info_name },
    { "network", "", "", "show network devices and back ends", hmp_info_network },
    { "qom-tree", "path:str?", "[path]", "show the tree of objects", hmp_info_qom_tree },
    { "qtree", "", "", "show the tree of devices with their properties", hmp_info_qtree },
    { "registers", "-a:flag vcpu:cpu?", "[-a|vcpu]", "show the registers of a hart, or of all (-a)",
      hmp_info_registers },
    { "roms", "", "", "show what a reset copies into memory", hmp_info_roms },
    { "snapshots", "", "", "show snapshots", hmp_info_snapshots },
    { "status", "", "", "show whether the machine runs", hmp_info_status },
    { "trace-events", "name:event?", "[name]", "show trace events and whether they are on",
      hmp_info_trace_events },
    { "uuid", "", "", "show the machine's UUID", hmp_info_uuid },
    { "version", "", "", "show the emulator's version", hmp_info_version },
    { NULL, NULL, NULL, NULL, NULL },
};

/* ---- output ---- */

void hmp_puts(HmpContext *ctx, const char *text)
{
    for (const char *end; (end = strchr(text, '\n')); text = end + 1) {
        if (end != text) {
            ctx->write(ctx->opaque, text, end - text);
        }
        ctx->write(ctx->opaque, "\r\n", 2);
    }
    if (*text) {
        ctx->write(ctx->opaque, text, strlen(text));
    }
}

void hmp_printf(HmpContext *ctx, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    g_autofree char *text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    hmp_puts(ctx, text);
}

void hmp_report(HmpContext *ctx, Error *err)
{
    if (err) {
        hmp_printf(ctx, "Error: %s\n", error_get_pretty(err));
        if (error_get_hint(err)) {
            hmp_printf(ctx, "%s\n", error_get_hint(err));
        }
        error_free(err);
    }
}

/* ---- commands ---- */

/* Is name (n bytes) one of the names in "cont|c"? */
static bool name_matches(const char *names, const char *name, size_t n)
{
    while (*names) {
        size_t len = strcspn(names, "|");
        if (len == n && memcmp(names, name, n) == 0) {
            return true;
        }
        names += len + (names[len] == '|');
    }
    return false;
}

const HmpCommand *hmp_command_find(const HmpCommand *table, const char *name, size_t n)
{
    while (table->name && !name_matches(table->name, name, n)) {
        table++;
    }
    return table->name && n ? table : NULL;
}

size_t hmp_command_name_len(const HmpCommand *command)
{
    return strcspn(command->name, "|");
}

/* group: "" or "info ". text begins behind the command's name. */
static void run_command(HmpContext *ctx, const HmpCommand *command, const char *group, const char *text)
{
    Error *err = NULL;
    HmpCall call = { .ctx = ctx, .args = json_object(), .format = ctx->format };
    call.format.count = 1;
    if (command->run == hmp_print) {
        call.format.letter = 'x';   /* what x was asked for last does not concern it */
    }
    if (hmp_parse_args(&call, command, text, &err)) {
        command->run(&call);
    } else {
        int len = hmp_command_name_len(command);
        hmp_printf(ctx, "%s%.*s: %s\nTry \"help %s%.*s\" for more information\n", group, len,
                   command->name, error_get_pretty(err), group, len, command->name);
        error_free(err);
    }
    json_decref(call.args);
}

static void find_and_run(HmpContext *ctx, const HmpCommand *table, const char *group, const char *line)
{
    size_t n = strcspn(line, " \t/");
    const HmpCommand *command = hmp_command_find(table, line, n);
    if (command) {
        run_command(ctx, command, group, line + n);
    } else {
        n = strcspn(line, " \t");
        hmp_printf(ctx, "unknown command: '%s%.*s'\n", group, (int)n, line);
    }
}

void hmp_execute(HmpContext *ctx, const char *line)
{
    line += strspn(line, " \t");
    if (strlen(line) > HMP_LINE_MAX) {
        hmp_printf(ctx, "the line is too long; %u characters fit\n", HMP_LINE_MAX);
    } else if (*line && *line != '#') {
        find_and_run(ctx, hmp_commands, "", line);
    }
}

void hmp_info(HmpCall *call)
{
    const char *item = hmp_str(call, "item"), *more = hmp_str(call, "more");
    if (item) {
        g_autofree char *line = g_strdup_printf("%s %s", item, more ? more : "");
        find_and_run(call->ctx, hmp_info_items, "info ", line);
        return;
    }
    for (const HmpCommand *c = hmp_info_items; c->name; c++) {
        hmp_printf(call->ctx, "info %s %s -- %s\n", c->name, c->params, c->help);
    }
}

/* "stop|s  -- stop the machine", one line a command. */
static void print_help(HmpContext *ctx, const HmpCommand *command, const char *group)
{
    g_autofree char *names = g_strdup_printf("%s%s", group, command->name);
    hmp_printf(ctx, "%s%s%s -- %s\n", names, *command->params ? " " : "", command->params, command->help);
}

void hmp_help(HmpCall *call)
{
    const char *name = hmp_str(call, "command"), *item = hmp_str(call, "item");
    bool info = name && strcmp(name, "info") == 0;
    const HmpCommand *table = info && item ? hmp_info_items : hmp_commands;
    const char *wanted = info && item ? item : name;
    const HmpCommand *found = wanted ? hmp_command_find(table, wanted, strlen(wanted)) : NULL;
    if (found && found->run == hmp_info) {
        for (const HmpCommand *c = hmp_info_items; c->name; c++) {
            print_help(call->ctx, c, "info ");
        }
    } else if (found) {
        print_help(call->ctx, found, table == hmp_info_items ? "info " : "");
    } else if (wanted) {
        hmp_printf(call->ctx, "unknown command: '%s%s'\n", table == hmp_info_items ? "info " : "", wanted);
    } else {
        for (const HmpCommand *c = hmp_commands; c->name; c++) {
            print_help(call->ctx, c, "");
        }
    }
}

/* ---- QMP ---- */

bool hmp_qmp(HmpContext *ctx, const char *name, json_t *args, json_t **ret, Error **errp)
{
    const QmpCommandTable *table = ctx->hub ? monitor_hub_commands(ctx->hub) : NULL;
    const QmpCommand *command = table ? qmp_command_find(table, name) : NULL;
    QmpContext qmp = { .machine = ctx->machine, .hub = ctx->hub, .mon = ctx->mon };
    json_t *value = NULL;
    bool ok = false;
    if (command) {
        ok = qmp_command_run(command, &qmp, args, &value, errp);
    } else {
        error_set(errp, ERROR_CLASS_COMMAND_NOT_FOUND, "this program has no command '%s'", name);
    }
    json_decref(args);
    if (ok && ret) {
        *ret = value;
    } else {
        json_decref(value);
    }
    return ok;
}
