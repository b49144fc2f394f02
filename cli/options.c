/*
 * options.c - the table of command-line options and what each one writes down in the CommandLine.
 *
 * Floor F6; below it keyval.  Main thread.  Spellings, keys and defaults are the ones that users and
 * management programs know from QEMU; the option that is not here does not exist (no silent ignoring,
 * except where a comment at the option says why nothing is to be done).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "cli/cmdline.h"
#include "cli/help.h"
#include "util/keyval.h"
#include "util/log-items.h"

/* ---- small appliers shared by several options ---- */

static bool merge(json_t *into, json_t *object)
{
    return json_object_update(into, object) == 0;
}

static bool append(GPtrArray *list, json_t *object)
{
    g_ptr_array_add(list, json_incref(object));
    return true;
}

static bool set_string(char **slot, const char *value)
{
    g_free(*slot);
    *slot = g_strdup(value);
    return true;
}

#define STRING_OPTION(NAME, FIELD) \
    static bool apply_##NAME(CommandLine *cl, const char *value, Error **errp) \
    { \
        return set_string(&cl->FIELD, value); \
    }
STRING_OPTION(cpu, cpu_model)
STRING_OPTION(uuid, uuid)
STRING_OPTION(bios, firmware)
STRING_OPTION(kernel, kernel)
STRING_OPTION(initrd, initrd)
STRING_OPTION(append, append)
STRING_OPTION(dtb, dtb)
STRING_OPTION(pidfile, pidfile)
STRING_OPTION(incoming, incoming)
STRING_OPTION(snapshots, snapshots)
STRING_OPTION(loadvm, loadvm)
STRING_OPTION(dump_vmstate, dump_vmstate)
STRING_OPTION(vnc, vnc)
STRING_OPTION(logfile, trace_file)

#define FLAG_OPTION(NAME, FIELD) \
    static bool apply_##NAME(CommandLine *cl, const char *value, Error **errp) \
    { \
        cl->FIELD = true; \
        return true; \
    }
FLAG_OPTION(no_shutdown, no_shutdown)
FLAG_OPTION(no_reboot, no_reboot)
FLAG_OPTION(paused, paused)
FLAG_OPTION(nodefaults, nodefaults)
FLAG_OPTION(nographic, nographic)
FLAG_OPTION(daemonize, daemonize)
FLAG_OPTION(only_migratable, only_migratable)

/* There are no user configuration files and no default RAM locking: nothing to do. */
static bool apply_nothing(CommandLine *cl, const char *value, Error **errp)
{
    return true;
}

#define LIST_OPTION(NAME, FIELD) \
    static bool apply_##NAME(CommandLine *cl, json_t *object, Error **errp) \
    { \
        return append(cl->FIELD, object); \
    }
LIST_OPTION(chardev_object, chardevs)
LIST_OPTION(blockdev_object, blockdevs)
LIST_OPTION(drive_object, drives)
LIST_OPTION(netdev_object, netdevs)
LIST_OPTION(nic_object, nics)
LIST_OPTION(device_object, devices)
LIST_OPTION(mon_object, mons)
LIST_OPTION(object_object, objects)
LIST_OPTION(add_fd_object, add_fds)

#define SHORTHAND_OPTION(NAME, FIELD) \
    static bool apply_##NAME(CommandLine *cl, const char *value, Error **errp) \
    { \
        g_ptr_array_add(cl->FIELD, g_strdup(value)); \
        return true; \
    }
SHORTHAND_OPTION(serial, serials)
SHORTHAND_OPTION(monitor, monitors)
SHORTHAND_OPTION(qmp, qmps)

/* ---- machine ---- */

#define MERGE_OPTION(FIELD) \
    static bool apply_##FIELD(CommandLine *cl, json_t *object, Error **errp) \
    { \
        return merge(cl->FIELD, object); \
    }
MERGE_OPTION(machine)
MERGE_OPTION(accel)
MERGE_OPTION(smp)
MERGE_OPTION(memory)
MERGE_OPTION(name)
MERGE_OPTION(rtc)
MERGE_OPTION(icount)

/* Options that only confirm what is so: their keys are checked, and that is all. */
static bool apply_checked(CommandLine *cl, json_t *object, Error **errp)
{
    return true;
}

/* virt has no sound device; the only back end is the one that does nothing. */
static bool apply_audiodev(CommandLine *cl, json_t *object, Error **errp)
{
    const char *driver = NULL;
    if (!keyval_get_str(object, "driver", &driver, errp)) {
        return false;
    }
    if (!driver || strcmp(driver, "none") != 0) {
        error_setg(errp, "audio driver '%s' is not available; there is only driver=none",
                   driver ? driver : "");
        return false;
    }
    return true;
}

/* ---- display and logging ---- */

static bool apply_display(CommandLine *cl, const char *value, Error **errp)
{
    if (g_str_has_prefix(value, "vnc=")) {
        return set_string(&cl->vnc, value + 4) && set_string(&cl->display, "vnc");
    }
    if (strcmp(value, "none") != 0) {
        error_setg(errp, "display type '%s' is not available; use none or vnc=HOST:DISPLAY", value);
        return false;
    }
    return set_string(&cl->display, value);
}

static bool apply_none_only(CommandLine *cl, const char *value, Error **errp)
{
    if (strcmp(value, "none") != 0) {
        error_setg(errp, "the machine has no such device; only '%s none' is possible",
                   cl->current->name);
        return false;
    }
    return true;
}

static bool apply_msg(CommandLine *cl, json_t *object, Error **errp)
{
    return keyval_get_bool(object, "timestamp", &cl->msg_timestamp, errp);
}

static bool apply_trace(CommandLine *cl, json_t *object, Error **errp)
{
    const char *pattern = NULL, *events = NULL, *file = NULL;
    if (!keyval_get_str(object, "enable", &pattern, errp) ||
        !keyval_get_str(object, "events", &events, errp) ||
        !keyval_get_str(object, "file", &file, errp)) {
        return false;
    }
    if (pattern && strcmp(pattern, "help") == 0) {
        cli_help_trace(cl);
        return true;
    }
    if (pattern) {
        g_ptr_array_add(cl->trace_patterns, g_strdup(pattern));
    }
    if (events) {
        g_ptr_array_add(cl->trace_event_files, g_strdup(events));
    }
    return !file || set_string(&cl->trace_file, file);
}

/* -d a,b,c: each item names trace events by a pattern. */
static bool apply_log(CommandLine *cl, const char *value, Error **errp)
{
    if (strcmp(value, "help") == 0 || strcmp(value, "?") == 0) {
        cli_help_log(cl);
        return true;
    }
    g_auto(GStrv) items = g_strsplit(value, ",", -1);
    for (int i = 0; items[i]; i++) {
        const char *pattern = log_item_pattern(items[i]);
        if (!pattern) {
            error_setg(errp, "unknown log item '%s'; '-d help' lists them", items[i]);
            return false;
        }
        g_ptr_array_add(cl->trace_patterns, g_strdup(pattern));
    }
    return true;
}

/* ---- devices ---- */

static bool apply_device(CommandLine *cl, const char *value, Error **errp)
{
    if (cli_help_device(cl, value)) {
        return true;
    }
    json_t *object = keyval_parse(value, "driver", errp);
    if (!object) {
        return false;
    }
    append(cl->devices, object);
    json_decref(object);
    return true;
}

/* -global driver.property=value, or driver=,property=,value=. */
static bool apply_global(CommandLine *cl, const char *value, Error **errp)
{
    const char *dot = strchr(value, '.');
    const char *equals = strchr(value, '=');
    json_t *object;
    if (dot && equals && dot < equals) {
        object = json_object();
        json_object_set_new(object, "driver", json_stringn(value, dot - value));
        json_object_set_new(object, "property", json_stringn(dot + 1, equals - dot - 1));
        json_object_set_new(object, "value", json_string(equals + 1));
    } else {
        object = keyval_parse(value, NULL, errp);
    }
    if (!object) {
        return false;
    }
    bool ok = json_object_get(object, "driver") && json_object_get(object, "property") &&
              json_object_get(object, "value");
    if (ok) {
        append(cl->globals, object);
    } else {
        error_setg(errp, "expected DRIVER.PROPERTY=VALUE");
    }
    json_decref(object);
    return ok;
}

/* -set GROUP.ID.KEY=VALUE: one more key for something that was given with that id before. */
static bool apply_set(CommandLine *cl, const char *value, Error **errp)
{
    const struct {
        const char *group;
        GPtrArray *list;
    } groups[] = {
        { "device", cl->devices }, { "drive", cl->drives },   { "chardev", cl->chardevs },
        { "netdev", cl->netdevs }, { "object", cl->objects }, { "blockdev", cl->blockdevs },
    };
    g_auto(GStrv) parts = g_strsplit(value, ".", 3);
    char *equals = g_strv_length(parts) == 3 ? strchr(parts[2], '=') : NULL;
    if (!equals || !g_utf8_validate(value, -1, NULL)) {
        error_setg(errp, "expected GROUP.ID.KEY=VALUE");
        return false;
    }
    *equals = '\0';
    for (size_t i = 0; i < G_N_ELEMENTS(groups); i++) {
        if (strcmp(groups[i].group, parts[0]) != 0) {
            continue;
        }
        const char *id_key = groups[i].list == cl->blockdevs ? "node-name" : "id";
        for (guint n = 0; n < groups[i].list->len; n++) {
            json_t *object = groups[i].list->pdata[n];
            const char *id = json_string_value(json_object_get(object, id_key));
            if (id && strcmp(id, parts[1]) == 0) {
                return json_object_set_new(object, parts[2], json_string(equals + 1)) == 0;
            }
        }
        error_setg(errp, "there is no %s '%s' before this", parts[0], parts[1]);
        return false;
    }
    error_setg(errp, "there is no group '%s'; use device, drive, chardev, netdev, object or blockdev",
               parts[0]);
    return false;
}

static bool apply_pflash(CommandLine *cl, const char *value, Error **errp)
{
    json_t *object = json_pack("{ss ss ss}", "file", value, "if", "pflash", "format", "raw");
    append(cl->drives, object);
    json_decref(object);
    return true;
}

/* ---- the rest ---- */

static bool apply_readconfig(CommandLine *cl, const char *value, Error **errp)
{
    return cmdline_read_config(cl, value, errp);
}

static bool apply_help(CommandLine *cl, const char *value, Error **errp)
{
    cmdline_print_help("godwit");
    cl->action = CLI_EXIT_OK;
    return true;
}

static bool apply_version(CommandLine *cl, const char *value, Error **errp)
{
    cli_help_version(cl);
    return true;
}

#define STD "Standard options"
#define BOOT "Kernel and firmware"
#define BLOCK "Disks"
#define NET "Network"
#define CHAR "Consoles and monitors"
#define DISPLAY "Display"
#define MIGRATION "Migration"
#define DEBUG "Debugging, logging and time"
#define PROC "The process"

const CliOption cli_options[] = {
    { "help", "h", NULL, "print this help and exit", STD, apply_help, NULL, NULL, NULL },
    { "version", NULL, NULL, "print the version and exit", STD, apply_version, NULL, NULL, NULL },
    { "machine", "M", "[type=]NAME[,key=value…]",
      "the machine: virt or none (default: virt)\n"
      "dumpdtb=FILE writes the device tree and exits; pflash0=NODE, pflash1=NODE;\n"
      "memory-backend=ID; accel=tcg", STD, NULL, apply_machine, "type", NULL, cli_machine_keys },
    { "cpu", NULL, "MODEL[,EXT=on|off…]", "the harts; '-cpu help' lists models and extensions", STD,
      apply_cpu, NULL, NULL, NULL },
    { "accel", NULL, "tcg", "the engine; there is one", STD, NULL, apply_accel, "accel", NULL, cli_accel_keys },
    { "smp", NULL, "[cpus=]N[,maxcpus=,sockets=,cores=,threads=]", "number of harts (default: 1)",
      STD, NULL, apply_smp, "cpus", "smp-opts", cli_smp_keys },
    { "m", NULL, "[size=]MEGS", "guest RAM, with suffix M or G (default: 128M)", STD, NULL,
      apply_memory, "size", "memory", cli_memory_keys },
    { "name", NULL, "[guest=]NAME[,debug-threads=on|off]", "the guest's name", STD, NULL, apply_name,
      "guest", NULL, cli_name_keys },
    { "uuid", NULL, "UUID", "the machine's UUID", STD, apply_uuid, NULL, NULL, NULL },
    { "boot", NULL, "[order=]…[,strict=on|off]", "accepted for management programs", STD, NULL,
      apply_checked, "order", "boot-opts", cli_boot_keys },
    { "object", NULL, "TYPE,id=ID[,prop=value…]",
      "an object: rng-random, memory-backend-ram, iothread, secret …", STD, NULL, apply_object_object,
      "qom-type", NULL },
    { "device", NULL, "DRIVER[,id=ID][,prop=value…]",
      "a device; '-device help' lists drivers, '-device DRIVER,help' properties", STD, apply_device,
      apply_device_object, "driver", NULL },
    { "global", NULL, "DRIVER.PROP=VALUE", "a default for every device of that driver", STD,
      apply_global, NULL, NULL, NULL },
    { "set", NULL, "GROUP.ID.KEY=VALUE", "one more key for the device (drive, object …) of that id", STD,
      apply_set, NULL, NULL, NULL },
    { "nodefaults", NULL, NULL, "no default serial port and monitor", STD, apply_nodefaults, NULL, NULL,
      NULL },
    { "no-user-config", NULL, NULL, "accepted: there are no user configuration files", STD,
      apply_nothing, NULL, NULL, NULL },
    { "readconfig", NULL, "FILE", "read options from FILE", STD, apply_readconfig, NULL, NULL, NULL },
    { "overcommit", NULL, "mem-lock=off", "accepted for management programs", STD, NULL,
      apply_checked, NULL, NULL, cli_overcommit_keys },

    { "bios", NULL, "default|none|FILE", "firmware (default: OpenSBI); none: the kernel runs in M mode",
      BOOT, apply_bios, NULL, NULL, NULL },
    { "kernel", NULL, "FILE", "a kernel: Image, Image.gz, EFI zboot or ELF", BOOT, apply_kernel, NULL,
      NULL, NULL },
    { "initrd", NULL, "FILE", "the initial RAM disk", BOOT, apply_initrd, NULL, NULL, NULL },
    { "append", NULL, "TEXT", "the kernel's command line", BOOT, apply_append, NULL, NULL, NULL },
    { "dtb", NULL, "FILE", "a device tree in place of the generated one", BOOT, apply_dtb, NULL, NULL,
      NULL },
    { "pflash", NULL, "FILE", "contents of the next flash bank", BOOT, apply_pflash, NULL, NULL, NULL },

    { "drive", NULL, "file=FILE[,format=raw][,if=virtio|none|pflash][,id=ID]…",
      "a disk image with a device (if=virtio) or for one (if=none)", BLOCK, NULL, apply_drive_object,
      "file", NULL },
    { "blockdev", NULL, "[driver=]file|raw|nbd|…,node-name=NAME[,key=value…]", "a block node", BLOCK,
      NULL, apply_blockdev_object, "driver", NULL },

    { "netdev", NULL, "user|stream|dgram|socket|tap,id=ID[,key=value…]", "a network back end", NET, NULL,
      apply_netdev_object, "type", NULL },
    { "nic", NULL, "user|tap|…|none[,model=…][,mac=…]", "a network back end and its device", NET, NULL,
      apply_nic_object, "type", NULL },

    { "chardev", NULL, "stdio|socket|file|pipe|pty|null|…,id=ID[,key=value…]", "a character device", CHAR,
      NULL, apply_chardev_object, "backend", NULL },
    { "serial", NULL, "stdio|mon:stdio|pty|null|file:F|pipe:F|unix:P|tcp:H:P|chardev:ID",
      "the serial port's other end", CHAR, apply_serial, NULL, NULL, NULL },
    { "monitor", NULL, "stdio|none|…", "the monitor for people (HMP)", CHAR, apply_monitor, NULL, NULL,
      NULL },
    { "qmp", NULL, "unix:PATH,server=on,wait=off|tcp:…|stdio", "a monitor for programs (QMP)", CHAR,
      apply_qmp, NULL, NULL, NULL },
    { "mon", NULL, "[chardev=]ID[,mode=readline|control][,pretty=on|off]",
      "a monitor on a chardev", CHAR, NULL, apply_mon_object, "chardev", NULL, cli_mon_keys },
    { "nographic", NULL, NULL, "serial port and monitor share this terminal (Ctrl-A h for help)", CHAR,
      apply_nographic, NULL, NULL, NULL },
    { "parallel", NULL, "none", "accepted: there is no parallel port", CHAR, apply_none_only, NULL,
      NULL, NULL },

    { "display", NULL, "none|vnc=HOST:DISPLAY", "where the picture is shown", DISPLAY, apply_display,
      NULL, NULL, NULL },
    { "vnc", NULL, "HOST:DISPLAY|unix:PATH", "show the picture to VNC viewers", DISPLAY, apply_vnc,
      NULL, NULL, NULL },
    { "vga", NULL, "none", "accepted: pictures come from -device virtio-gpu-device", DISPLAY,
      apply_none_only, NULL, NULL, NULL },
    { "audiodev", NULL, "none,id=ID", "accepted for management programs", DISPLAY, NULL, apply_audiodev,
      "driver", NULL },

    { "incoming", NULL, "URI|defer",
      "wait for a machine that arrives over tcp:[HOST]:PORT, unix:PATH, exec:COMMAND, fd:N,\n"
      "rdma:HOST:PORT or file:PATH[,offset=N]; defer: wait for the command migrate-incoming", MIGRATION,
      apply_incoming, NULL, NULL, NULL },
    { "only-migratable", NULL, NULL, "refuse what could not move to another host", MIGRATION,
      apply_only_migratable, NULL, NULL, NULL },
    { "snapshots", NULL, "DIR", "the folder for savevm and loadvm; it is made if it is not there", MIGRATION,
      apply_snapshots, NULL, NULL, NULL },
    { "loadvm", NULL, "NAME", "begin with a snapshot of that folder", MIGRATION, apply_loadvm, NULL, NULL, NULL },
    { "dump-vmstate", NULL, "FILE", "write what migrates, as JSON, and exit", MIGRATION, apply_dump_vmstate, NULL,
      NULL, NULL },

    { "S", NULL, NULL, "do not run at start ('cont' lets it run)", DEBUG, apply_paused, NULL, NULL,
      NULL },
    { "icount", NULL, "shift=N[,sleep=on|off]",
      "deterministic mode: virtual time is instructions << N nanoseconds", DEBUG, NULL, apply_icount,
      "shift", NULL, cli_icount_keys },
    { "rtc", NULL, "base=utc|localtime|DATETIME[,clock=host|vm]", "the real-time clock", DEBUG, NULL,
      apply_rtc, "base", NULL, cli_rtc_keys },
    { "no-reboot", NULL, NULL, "exit instead of rebooting", DEBUG, apply_no_reboot, NULL, NULL, NULL },
    { "no-shutdown", NULL, NULL, "stop instead of exiting when the guest powers off", DEBUG,
      apply_no_shutdown, NULL, NULL, NULL },
    { "trace", NULL, "[enable=]PATTERN|events=FILE[,file=FILE]",
      "log trace events; '-trace help' lists them", DEBUG, NULL, apply_trace, "enable", NULL, cli_trace_keys },
    { "d", NULL, "ITEM[,…]", "log by subject; '-d help' lists them", DEBUG, apply_log, NULL, NULL,
      NULL },
    { "D", NULL, "FILE", "where the log goes (default: stderr)", DEBUG, apply_logfile, NULL, NULL,
      NULL },

    { "daemonize", NULL, NULL, "go to the background once everything listens", PROC, apply_daemonize,
      NULL, NULL, NULL },
    { "pidfile", NULL, "FILE", "write the process id to FILE", PROC, apply_pidfile, NULL, NULL, NULL },
    { "add-fd", NULL, "fd=N,set=N[,opaque=TEXT]", "add an inherited descriptor to a set (/dev/fdset/N)",
      PROC, NULL, apply_add_fd_object, NULL, NULL },
    { "msg", NULL, "timestamp=on|off", "put the time in front of error messages", PROC, NULL, apply_msg,
      NULL, NULL, cli_msg_keys },
    { NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL },
};
