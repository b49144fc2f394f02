/*
 * cmdline.h - the command line as a value: what the user asked for, before anything is built.
 *
 * Floor F6, private to cli/.  Main thread only.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_CLI_CMDLINE_H
#define GODWIT_CLI_CMDLINE_H

#include <glib.h>
#include <jansson.h>
#include <stdbool.h>

#include "cli/keys.h"
#include "util/error.h"

/* One option of the table: how it is read and how it is explained. */
typedef struct CommandLine CommandLine;
typedef struct CliOption CliOption;
struct CliOption {
    const char *name;           /* without the dash */
    const char *alias;          /* a second spelling, or NULL */
    const char *arg;            /* how the value is shown in -help; NULL: the option has no value */
    const char *help;           /* what it does; lines are separated by \n */
    const char *section;        /* heading in -help */
    /* value is NULL for an option without one. */
    bool (*apply)(CommandLine *cl, const char *value, Error **errp);
    /* For options whose value is a list of key=value: the same from JSON (-readconfig); or NULL. */
    bool (*apply_object)(CommandLine *cl, json_t *object, Error **errp);
    const char *implied_key;    /* of apply_object's dialect */
    const char *group;          /* the name in -readconfig and query-command-line-options; NULL: name */
    const CliKey *keys;         /* those that object may have; NULL: whoever uses it checks them */
};

typedef enum CliAction { CLI_RUN, CLI_EXIT_OK } CliAction;

struct CommandLine {
    CliAction action;           /* CLI_EXIT_OK after -help and the like */
    json_t *machine, *smp, *memory, *name, *rtc, *icount, *accel;     /* merged; never NULL */
    char *cpu_model, *uuid, *firmware, *kernel, *initrd, *append, *dtb;
    /* json_t *, in order of appearance. */
    GPtrArray *objects, *chardevs, *blockdevs, *drives, *netdevs, *nics, *devices, *globals, *mons,
        *add_fds;
    /* char *, the shorthand strings. */
    GPtrArray *serials, *monitors, *qmps;
    char *display, *vnc, *pidfile, *trace_file;
    char *snapshots, *loadvm;   /* a folder; the snapshot to begin with */
    char *dump_vmstate;         /* the file to write, instead of running */
    char *incoming;             /* a URI or "defer"; NULL: the machine is made here */
    GPtrArray *trace_patterns, *trace_event_files;
    bool no_shutdown, no_reboot, paused, nodefaults, nographic, daemonize, msg_timestamp, only_migratable;
    const CliOption *current;   /* the option that is being applied, for error texts */
};

/* The table, ending with name NULL (cli/options.c). */
extern const CliOption cli_options[];

CommandLine *cmdline_new(void);
void cmdline_free(CommandLine *cl);

/*
 * Reads argv. An error names the option and what would be right. After -help and the like the text has
 * been printed and cl->action is CLI_EXIT_OK.
 */
bool cmdline_parse(CommandLine *cl, int argc, char **argv, Error **errp);
/* Reads a -readconfig file into cl (cli/readconfig.c). */
bool cmdline_read_config(CommandLine *cl, const char *path, Error **errp);
/* Applies a value to one option; used by cmdline_parse and -readconfig. */
bool cmdline_apply(CommandLine *cl, const CliOption *option, const char *value, Error **errp);
const CliOption *cmdline_find_option(const char *name);
void cmdline_print_help(const char *program);

/*
 * Runs the machine that cl describes, until it ends (cli/start.c). Takes cl. The result is the process's
 * exit code; with an error set, 1.
 */
int cli_run(CommandLine *cl, Error **errp);

#endif
