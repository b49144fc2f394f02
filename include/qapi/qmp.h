/*
 * qmp.h - what the generated command table and the implementations of commands agree on.
 *
 * Floor F6.  An implementation is `bool qmp_NAME(QmpContext *ctx, const ARG *args, RET *ret,
 * Error **errp)`, without `args` where the command takes none and without `ret` where it returns
 * nothing (docs/devel/qapi.md).  It runs on the main loop's thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_QAPI_QMP_H
#define GODWIT_QAPI_QMP_H

#include "qapi/marshal.h"

/* The QEMU whose protocol is spoken: clients ask for at least 6.2 and look up the rest. */
#define QMP_VERSION_MAJOR 7
#define QMP_VERSION_MINOR 2
#define QMP_VERSION_MICRO 0

typedef struct Machine Machine;
typedef struct Monitor Monitor;
typedef struct MonitorHub MonitorHub;

/* Who asks, and of what: handed to every command, valid during the call. */
typedef struct QmpContext {
    Machine *machine;   /* NULL in tests that have none */
    MonitorHub *hub;
    Monitor *mon;       /* the client; NULL when the program itself runs a command */
} QmpContext;

enum {
    QMP_COMMAND_ALLOW_OOB = 1 << 0,
    QMP_COMMAND_ALLOW_PRECONFIG = 1 << 1,
    QMP_COMMAND_RAW = 1 << 2,   /* args and ret are JSON, unchecked */
};

/* One row of the generated table; `call` casts args and ret to what the implementation takes. */
typedef struct QmpCommand {
    const char *name;
    bool (*call)(QmpContext *ctx, void *args, void *ret, Error **errp);
    const QapiType *arg;    /* NULL: takes none, or RAW */
    const QapiType *ret;    /* NULL: returns nothing */
    unsigned flags;
} QmpCommand;

/* Every command of a program, sorted by name, and the text of query-qmp-schema. */
typedef struct QmpCommandTable {
    const QmpCommand *commands;
    size_t n_commands;
    const char *schema;
} QmpCommandTable;

/* The row of that name, or NULL. */
const QmpCommand *qmp_command_find(const QmpCommandTable *table, const char *name);

/*
 * Runs one command: checks and unmarshals `args` (an object, or NULL for none, borrowed), calls it,
 * marshals what it returns into *ret (a new reference; {} if it returns nothing).  Main loop's thread.
 * On failure *ret is untouched.
 */
bool qmp_command_run(const QmpCommand *command, QmpContext *ctx, json_t *args, json_t **ret,
                     Error **errp);

#endif
