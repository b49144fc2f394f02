/*
 * start.c - builds the machine that a CommandLine describes, in the one order that works, and runs it.
 *
 * Floor F6; below it every room's public interface.  Main thread; the machine lock is held while the
 * machine is put together.  Order: objects, machine, chardevs, monitors, block nodes and drives,
 * network back ends, devices, firmware.  What fails is named with its option; nothing has run by then.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "block/block.h"
#include "chardev/char.h"
#include "cli/cmdline.h"
#include "cli/config.h"
#include "cli/defaults.h"
#include "cli/help.h"
#include "cli/process.h"
#include "hw/qdev.h"
#include "migration/migration.h"
#include "migration/register.h"
#include "migration/snapshot.h"
#include "monitor/hub.h"
#include "monitor/monitor.h"
#include "net/net.h"
#include "system/memory.h"
#include "system/runstate.h"
#include "ui/console.h"
#include "util/keyval.h"
#include "util/trace.h"

/* How a list of JSON options is worked off: one call an element. */
typedef bool AddFunc(Machine *m, const json_t *options, Error **errp);

static bool add_all(Machine *m, const char *option, GPtrArray *list, AddFunc *add, Error **errp)
{
    for (guint i = 0; i < list->len; i++) {
        const json_t *options = list->pdata[i];
        if (!add(m, options, errp)) {
            g_autofree char *text = cli_describe(options);
            error_prepend(errp, "-%s %s: ", option, text);
            return false;
        }
    }
    return true;
}

static bool add_chardev(Machine *m, const json_t *options, Error **errp)
{
    return chardev_new(m, options, errp) != NULL;
}

static bool add_blockdev(Machine *m, const json_t *options, Error **errp)
{
    return block_node_new(m, options, errp) != NULL;
}

static bool add_netdev(Machine *m, const json_t *options, Error **errp)
{
    return netdev_new(m, options, errp) != NULL;
}

static bool add_device(Machine *m, const json_t *options, Error **errp)
{
    return qdev_device_add(m, options, errp) != NULL;
}

static bool add_global(Machine *m, const json_t *options, Error **errp)
{
    return qdev_add_global(m, json_string_value(json_object_get(options, "driver")),
                           json_string_value(json_object_get(options, "property")),
                           json_object_get(options, "value"), errp);
}

static bool add_monitor(Machine *m, const json_t *options, Error **errp)
{
    const char *id = NULL, *mode = "readline";
    bool pretty = false;
    if (!keyval_get_str(options, "chardev", &id, errp) ||
        !keyval_get_str(options, "mode", &mode, errp) ||
        !keyval_get_bool(options, "pretty", &pretty, errp)) {
        return false;
    }
    bool control = strcmp(mode, "control") == 0;
    if (!control && strcmp(mode, "readline") != 0) {
        error_setg(errp, "mode '%s' is neither control nor readline", mode);
        return false;
    }
    Chardev *chr = id ? chardev_find(m, id) : NULL;
    if (!chr) {
        error_setg(errp, "chardev \"%s\" not found", id ? id : "");
        return false;
    }
    return monitor_new(m, chr, control ? MONITOR_QMP : MONITOR_HMP, pretty, errp);
}

/* -monitor and -qmp: a chardev of its own for each, labelled compat_monitorN. */
static bool add_shorthand_monitors(Machine *m, GPtrArray *texts, const char *option, unsigned *next,
                                   Error **errp)
{
    for (guint i = 0; i < texts->len; i++) {
        const char *text = texts->pdata[i];
        if (strcmp(text, "none") == 0) {
            continue;
        }
        g_autofree char *label = g_strdup_printf("compat_monitor%u", (*next)++);
        Chardev *chr = chardev_new_from_string(m, label, text, errp);
        MonitorMode mode = strcmp(option, "qmp") == 0 ? MONITOR_QMP : MONITOR_HMP;
        if (!chr || !monitor_new(m, chr, mode, false, errp)) {
            error_prepend(errp, "-%s %s: ", option, text);
            return false;
        }
    }
    return true;
}

static bool add_serials(Machine *m, GPtrArray *texts, Error **errp)
{
    for (guint i = 0; i < texts->len; i++) {
        const char *text = texts->pdata[i];
        g_autofree char *label = g_strdup_printf("serial%u", i);
        if (strcmp(text, "none") == 0) {
            continue;
        }
        if (i > 0) {
            error_setg(errp, "-serial %s: the machine has one serial port", text);
            return false;
        }
        Chardev *chr = chardev_new_from_string(m, label, text, errp);
        if (!chr) {
            error_prepend(errp, "-serial %s: ", text);
            return false;
        }
        m->serial = chr;
        /* mon:… shares the chardev between the port and a monitor. */
        if (g_str_has_prefix(text, "mon:") && !monitor_new(m, chr, MONITOR_HMP, false, errp)) {
            error_prepend(errp, "-serial %s: ", text);
            return false;
        }
    }
    return true;
}

static bool build(Machine *m, CommandLine *cl, Error **errp)
{
    unsigned monitors = 0;
    return add_all(m, "add-fd", cl->add_fds, monitor_add_inherited_fd, errp) &&
           add_all(m, "global", cl->globals, add_global, errp) &&
           add_all(m, "chardev", cl->chardevs, add_chardev, errp) &&
           add_serials(m, cl->serials, errp) &&
           add_all(m, "mon", cl->mons, add_monitor, errp) &&
           add_shorthand_monitors(m, cl->monitors, "monitor", &monitors, errp) &&
           add_shorthand_monitors(m, cl->qmps, "qmp", &monitors, errp) &&
           add_all(m, "blockdev", cl->blockdevs, add_blockdev, errp) &&
           add_all(m, "drive", cl->drives, cli_add_drive, errp) &&
           add_all(m, "netdev", cl->netdevs, add_netdev, errp) &&
           add_all(m, "device", cl->devices, add_device, errp) &&
           add_all(m, "nic", cl->nics, cli_add_nic, errp) &&
           (!cl->vnc || ui_vnc_start(m, cl->vnc, errp));
}

static bool start_tracing(CommandLine *cl, Error **errp)
{
    if (cl->trace_file && !trace_set_file(cl->trace_file, errp)) {
        return false;
    }
    for (guint i = 0; i < cl->trace_event_files->len; i++) {
        if (!trace_enable_file(cl->trace_event_files->pdata[i], errp)) {
            return false;
        }
    }
    for (guint i = 0; i < cl->trace_patterns->len; i++) {
        const char *pattern = cl->trace_patterns->pdata[i];
        if (!trace_enable(pattern, true, errp)) {
            error_prepend(errp, "-trace %s: ", pattern);
            return false;
        }
    }
    return true;
}

/* True if the command line asked for text that has been printed now. */
static bool help_was_asked(CommandLine *cl)
{
    const char *type = json_string_value(json_object_get(cl->machine, "type"));
    if (type && (strcmp(type, "help") == 0 || strcmp(type, "?") == 0)) {
        cli_help_machines(cl);
    } else if (cl->cpu_model && (strcmp(cl->cpu_model, "help") == 0 || cl->cpu_model[0] == '?')) {
        cli_help_cpus(cl);
    }
    return cl->action == CLI_EXIT_OK;
}

/* -incoming: the machine waits for its contents, and leaves the images to whoever has them now. */
static bool prepare_incoming(Machine *m, CommandLine *cl, Error **errp)
{
    return !cl->incoming || migration_incoming_prepare(m->migration, errp);
}

static bool start_incoming(Machine *m, const char *uri, Error **errp)
{
    if (strcmp(uri, "defer") == 0) {
        return migration_incoming_defer(m->migration, errp);
    }
    MigrationAddress *address = migration_address_parse(uri, NULL, errp);
    if (!address) {
        return false;
    }
    const char *name = migration_address_fd_name(address);
    if (name) {
        error_setg(errp, "fd:%s: on the command line a descriptor is named by its number", name);
        migration_address_free(address);
        return false;
    }
    return migration_incoming_start(m->migration, address, -1, true, errp);
}

/* Of two ways to get a state only one can be taken. */
static bool check_loadvm(const CommandLine *cl, Error **errp)
{
    if (cl->incoming) {
        error_setg(errp, "with -incoming the machine's state comes from somewhere else");
    }
    return !cl->incoming;
}

/* What only the finished machine can be asked or told. */
static bool start_migration(Machine *m, CommandLine *cl, Error **errp)
{
    if (cl->only_migratable && !migration_set_only_migratable(m->migration, errp)) {
        error_prepend(errp, "-only-migratable: ");
        return false;
    }
    if (cl->snapshots && !snapshot_set_folder(m->migration, cl->snapshots, errp)) {
        error_prepend(errp, "-snapshots %s: ", cl->snapshots);
        return false;
    }
    if (cl->loadvm && (!check_loadvm(cl, errp) || !snapshot_load(m->migration, cl->loadvm, errp))) {
        error_prepend(errp, "-loadvm %s: ", cl->loadvm);
        return false;
    }
    if (cl->incoming && !start_incoming(m, cl->incoming, errp)) {
        error_prepend(errp, "-incoming %s: ", cl->incoming);
        return false;
    }
    return true;
}

static bool dump_vmstate(Machine *m, const char *path, Error **errp)
{
    json_t *tables = vmstate_describe_all(m);
    bool ok = tables && json_dump_file(tables, path, JSON_INDENT(2) | JSON_PRESERVE_ORDER) == 0;
    json_decref(tables);
    if (!ok) {
        error_setg_errno(errp, errno, "-dump-vmstate: '%s' cannot be written", path);
    }
    return ok;
}

static bool finish(Machine *m, CommandLine *cl, Error **errp)
{
    if (!machine_done(m, errp)) {
        return false;
    }
    machine_lock(m);
    bool ok = cl->dump_vmstate ? dump_vmstate(m, cl->dump_vmstate, errp) : start_migration(m, cl, errp);
    machine_unlock(m);
    return ok;
}

static void destroy(Machine *m)
{
    migration_shutdown(m->migration);
    monitor_detach(m);
    machine_free(m);
}

static Machine *create(CommandLine *cl, UserObjects *objects, Error **errp)
{
    for (guint i = 0; i < cl->objects->len; i++) {
        if (!user_object_add(objects, cl->objects->pdata[i], errp)) {
            g_autofree char *text = cli_describe(cl->objects->pdata[i]);
            error_prepend(errp, "-object %s: ", text);
            return NULL;
        }
    }
    const MachineClass *klass;
    MachineConfig *config = cli_machine_config(cl, objects, &klass, errp);
    if (!config) {
        return NULL;
    }
    Machine *m = machine_new(klass, config, errp);
    if (!m) {
        return NULL;
    }
    monitor_attach(m);
    monitor_hub_set_options(monitor_hub_of(m), cli_describe_options());
    machine_lock(m);
    /* Before there is RAM: what is never written need not be read to be known as zero. */
    ram_dirty_start(m, DIRTY_MEMORY_TOUCHED, false);
    bool ok = prepare_incoming(m, cl, errp) && build(m, cl, errp);
    machine_unlock(m);
    if (!ok || !finish(m, cl, errp)) {
        destroy(m);
        return NULL;
    }
    return m;
}

/* What lower floors have to say besides errors: one line, without GLib's time and process id. */
static void print_message(const char *domain, GLogLevelFlags level, const char *text, gpointer unused)
{
    if (level & G_LOG_LEVEL_MESSAGE) {
        fprintf(stderr, "%s: info: %s\n", g_get_prgname(), text);
    } else {
        g_log_default_handler(domain, level, text, unused);
    }
}

int cli_run(CommandLine *cl, Error **errp)
{
    g_log_set_default_handler(print_message, NULL);
    if (help_was_asked(cl)) {
        return 0;
    }
    if (!start_tracing(cl, errp) || !cli_apply_defaults(cl, errp) ||
        (cl->daemonize && !process_daemonize(errp))) {
        return 1;
    }
    process_guard_terminal();
    process_set_name(json_string_value(json_object_get(cl->name, "process")));
    UserObjects *objects = user_objects_new();
    int code = 1;
    Machine *m = create(cl, objects, errp);
    if (m && (m->config->dumpdtb || cl->dump_vmstate)) {
        code = 0;       /* it has been written */
    } else if (m && (!cl->pidfile || process_write_pidfile(cl->pidfile, errp)) &&
               process_daemon_ready(errp)) {
        process_handle_signals(m);
        machine_lock(m);
        if (m->config->autostart && !cl->incoming) {
            vm_start(m);
        }
        machine_unlock(m);
        main_loop_run(m->loop);
        code = system_exit_code(m);
    }
    if (m) {
        destroy(m);
    }
    user_objects_free(objects);
    process_remove_pidfile();
    return code;
}
