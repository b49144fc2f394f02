/*
 * hmp-internal.h - what the files of the shell share: commands, their arguments, the context they run in.
 *
 * Floor F6, private to monitor/hmp*.c.  SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_MONITOR_HMP_INTERNAL_H
#define GODWIT_MONITOR_HMP_INTERNAL_H

#include <glib.h>
#include <inttypes.h>
#include <string.h>

#include "monitor/hmp.h"
#include "system/cpu.h"
#include "system/machine.h"

/* How x and print show values; count is for x only. */
typedef struct HmpFormat {
    unsigned count;
    char letter;        /* o x d u c i s */
    unsigned size;      /* bytes: 1, 2, 4, 8 */
} HmpFormat;

/* Where a command runs: a session, or one line of its own. */
typedef struct HmpContext {
    Machine *machine;
    MonitorHub *hub;            /* may be NULL */
    Monitor *mon;               /* keeps descriptors; may be NULL */
    unsigned cpu_index;         /* the hart that commands mean */
    HmpFormat format;           /* last used by x */
    const GPtrArray *history;   /* of char *, oldest first; NULL without a session */
    HmpWrite *write;
    void *opaque;
} HmpContext;

/* One call of a command. Arguments that were not given are absent. */
typedef struct HmpCall {
    HmpContext *ctx;
    json_t *args;
    HmpFormat format;
} HmpCall;

/*
 * args: words "name:type", with '?' behind an optional one, separated by blanks. Types:
 *   str         a word, or "text in quotes"
 *   rest        the rest of the line as it is
 *   int         an expression, as `print` evaluates
 *   size        a number with suffix K, M, G or T; without one: MiB
 *   onoff       on or off
 *   flag        a word that is the argument's name, which begins with '-'
 *   option      a flag with a word behind it
 *   fmt         right behind the command's name: /COUNT FORMAT SIZE
 *   cpu         as int, and TAB knows the harts
 *   block, chardev, device, driver, event, file, item, command, logitem, migcap, migparam,
 *   netdev, nic, object
 *               a word, which TAB completes
 */
typedef struct HmpCommand {
    const char *name;       /* "cont|c": what comes first is what help lists */
    const char *args;
    const char *params;     /* as help shows them */
    const char *help;       /* one line */
    void (*run)(HmpCall *call);
} HmpCommand;

/* Both sorted by name and ended by name NULL. */
extern const HmpCommand hmp_commands[];
extern const HmpCommand hmp_info_items[];

/* The command of that name (n bytes) or alias, NULL if there is none. */
const HmpCommand *hmp_command_find(const HmpCommand *table, const char *name, size_t n);
/* "stop|s" -> "stop": the length of the first name. */
size_t hmp_command_name_len(const HmpCommand *command);
void hmp_execute(HmpContext *ctx, const char *line);

/* ---- output ---- */

void hmp_puts(HmpContext *ctx, const char *text);
void hmp_printf(HmpContext *ctx, const char *fmt, ...) G_GNUC_PRINTF(2, 3);
/* Prints "Error: …" and frees err; NULL prints nothing. */
void hmp_report(HmpContext *ctx, Error *err);

/* ---- arguments (hmp-args.c) ---- */

/* One word of a command's args. */
typedef struct HmpArg {
    char name[24], type[12];
    bool optional;
} HmpArg;
/* Reads the word at *spec and moves on; false at the end. */
bool hmp_next_arg(const char **spec, HmpArg *arg);
/* Reads the arguments of a line into call; the error says what is wrong. */
bool hmp_parse_args(HmpCall *call, const HmpCommand *command, const char *text, Error **errp);
/* A word or "quoted text" at *text; moves on. NULL with *errp for an unfinished quotation. */
char *hmp_next_word(const char **text, Error **errp);
bool hmp_has(const HmpCall *call, const char *name);
const char *hmp_str(const HmpCall *call, const char *name);     /* NULL if absent */
uint64_t hmp_uint(const HmpCall *call, const char *name);       /* 0 if absent */
bool hmp_bool(const HmpCall *call, const char *name);           /* false if absent */

/* ---- expressions (hmp-expr.c) ---- */

/* Reads a register; false if there is none of that name. */
typedef bool HmpRegister(void *opaque, const char *name, uint64_t *value);
/*
 * Evaluates the expression at *text and moves on behind it. tight: an operator with a blank before it
 * and none behind it begins the next argument instead ("0x1000 -1"). 64 bits, two's complement.
 */
bool hmp_expr(const char **text, bool tight, HmpRegister *reg, void *opaque, uint64_t *value,
              Error **errp);

/* ---- harts (hmp-mem.c) ---- */

/* The hart that commands mean; NULL with a message printed if there is none. */
CPUState *hmp_cpu(HmpContext *ctx);
/* HmpRegister for hmp_expr(): opaque is the HmpContext. */
bool hmp_register(void *opaque, const char *name, uint64_t *value);

/* ---- QMP ---- */

/*
 * Runs a QMP command, so that its logic stands once. Takes over args (NULL: none). What it returns is
 * stored in *ret (a new reference), unless ret is NULL.
 */
bool hmp_qmp(HmpContext *ctx, const char *command, json_t *args, json_t **ret, Error **errp);

/* ---- completion (hmp-complete.c): ReadlineComplete of readline.h, opaque is the HmpContext ---- */

GPtrArray *hmp_complete(void *opaque, const char *line, size_t *word_start);

/* ---- commands: hmp-cmds.c, hmp-mem.c, hmp-info.c, hmp-info-hw.c, hmp-snapshot.c ---- */

void hmp_balloon(HmpCall *call);
void hmp_cont(HmpCall *call);
void hmp_set_cpu(HmpCall *call);
void hmp_delvm(HmpCall *call);
void hmp_device_add(HmpCall *call);
void hmp_device_del(HmpCall *call);
void hmp_help(HmpCall *call);
void hmp_info(HmpCall *call);
void hmp_loadvm(HmpCall *call);
void hmp_log(HmpCall *call);
void hmp_logfile(HmpCall *call);
void hmp_memsave(HmpCall *call);
void hmp_netdev_add(HmpCall *call);
void hmp_netdev_del(HmpCall *call);
void hmp_nmi(HmpCall *call);
void hmp_object_add(HmpCall *call);
void hmp_object_del(HmpCall *call);
void hmp_pmemsave(HmpCall *call);
void hmp_print(HmpCall *call);
void hmp_quit(HmpCall *call);
void hmp_savevm(HmpCall *call);
void hmp_screendump(HmpCall *call);
void hmp_set_link(HmpCall *call);
void hmp_stop(HmpCall *call);
void hmp_sum(HmpCall *call);
void hmp_system_powerdown(HmpCall *call);
void hmp_system_reset(HmpCall *call);
void hmp_trace_event(HmpCall *call);
void hmp_x(HmpCall *call);
void hmp_xp(HmpCall *call);

/* hmp-migration.c */
void hmp_announce_self(HmpCall *call);
void hmp_migrate(HmpCall *call);
void hmp_migrate_cancel(HmpCall *call);
void hmp_migrate_continue(HmpCall *call);
void hmp_migrate_incoming(HmpCall *call);
void hmp_migrate_set_capability(HmpCall *call);
void hmp_migrate_set_downtime(HmpCall *call);
void hmp_migrate_set_parameter(HmpCall *call);
void hmp_migrate_set_speed(HmpCall *call);
void hmp_x_migrate_settle(HmpCall *call);
void hmp_info_migrate(HmpCall *call);
void hmp_info_migrate_capabilities(HmpCall *call);
void hmp_info_migrate_parameters(HmpCall *call);

void hmp_info_balloon(HmpCall *call);
void hmp_info_block(HmpCall *call);
void hmp_info_blockstats(HmpCall *call);
void hmp_info_chardev(HmpCall *call);
void hmp_info_cpus(HmpCall *call);
void hmp_info_history(HmpCall *call);
void hmp_info_irq(HmpCall *call);
void hmp_info_mem(HmpCall *call);
void hmp_info_mtree(HmpCall *call);
void hmp_info_name(HmpCall *call);
void hmp_info_network(HmpCall *call);
void hmp_info_qom_tree(HmpCall *call);
void hmp_info_qtree(HmpCall *call);
void hmp_info_registers(HmpCall *call);
void hmp_info_roms(HmpCall *call);
void hmp_info_snapshots(HmpCall *call);
void hmp_info_status(HmpCall *call);
void hmp_info_trace_events(HmpCall *call);
void hmp_info_uuid(HmpCall *call);
void hmp_info_version(HmpCall *call);

#endif
