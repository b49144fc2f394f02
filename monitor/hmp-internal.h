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

#include "migration/migration.h"
#include "monitor/hmp-commands.h"
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
    HmpSession *session;        /* NULL: the line stands alone, and nothing can go on after it */
    HmpWrite *write;
    void *opaque;
} HmpContext;

/* One call of a command. Arguments that were not given are absent. */
struct HmpCall {
    HmpContext *ctx;
    json_t *args;
    HmpFormat format;
};

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
 *   block, chardev, device, driver, event, file, item, command, logitem, migcap, migparam, migstate,
 *   netdev, nic, object, settle, snapshot
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

/* ---- commands that go on after their line (hmp-session.c) ---- */

typedef struct HmpJob {
    /* Says how it gets on, five times a second while the session is shown; true: it is done. */
    bool (*tick)(HmpContext *ctx, void *opaque);
    void (*interrupt)(HmpContext *ctx, void *opaque);   /* Ctrl-C */
    void *opaque;                                       /* freed with g_free() */
} HmpJob;
/* The prompt comes back when the job is done. Takes opaque. False where nothing can wait. */
bool hmp_wait(HmpContext *ctx, const HmpJob *job);

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

/* ---- migrations (hmp-progress.c) ---- */

/* Shows the migration that was just started until it has ended. False where nothing can wait. */
bool hmp_migrate_wait(HmpContext *ctx);
/* "37 %, 118 MiB/s, 240 MiB left, dirty 12.3 MiB/s, stop 4 ms" of a migration that runs. */
void hmp_print_progress(HmpContext *ctx, const MigrationInfoData *d);
/* "2.89 s: 179 MiB at 62.0 MiB/s in 7 rounds, stopped for 2 ms" of one that has completed. */
void hmp_print_result(HmpContext *ctx, const MigrationInfoData *d);
/* Bytes for people, such as "37.5 MiB", into text, which it returns. */
#define HMP_SIZE_TEXT 24
const char *hmp_size_text(char text[HMP_SIZE_TEXT], double bytes);

#endif
