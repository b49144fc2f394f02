/*
 * qmp-dispatch.c - finds a command and runs it with typed arguments.
 *
 * Floor F6; below it the marshaller.  Main loop's thread, no locks of its own.
 * Invariant: an implementation sees only arguments that the schema allows.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "qapi/qmp.h"

const QmpCommand *qmp_command_find(const QmpCommandTable *table, const char *name)
{
    size_t low = 0;
    size_t high = table->n_commands;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name, table->commands[middle].name);
        if (order == 0) {
            return &table->commands[middle];
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

/* A command without arguments takes {} and nothing in it. */
static bool check_no_args(json_t *args, Error **errp)
{
    const char *key;
    json_t *value;
    json_object_foreach(args, key, value) {
        error_setg(errp, "Parameter '%s' is unexpected", key);
        return false;
    }
    return true;
}

static bool run_typed(const QmpCommand *command, QmpContext *ctx, json_t *args, json_t **ret,
                      Error **errp)
{
    void *typed = NULL;
    /* Big enough for every inline type; pointers for the rest. */
    union {
        void *pointer;
        uint64_t integer;
        double number;
    } result = { .integer = 0 };

    bool ok = command->arg ? qapi_unmarshal(command->arg, NULL, args, &typed, errp)
                           : check_no_args(args, errp);
    if (ok) {
        ok = command->call(ctx, typed, &result, errp);
    }
    if (ok) {
        *ret = command->ret ? qapi_marshal(command->ret, &result) : json_object();
    }
    if (command->ret) {
        qapi_clear(command->ret, &result);
    }
    if (command->arg) {
        qapi_clear(command->arg, &typed);
    }
    return ok;
}

static bool run_raw(const QmpCommand *command, QmpContext *ctx, json_t *args, json_t **ret,
                    Error **errp)
{
    json_t *result = NULL;
    if (!command->call(ctx, args, &result, errp)) {
        json_decref(result);
        return false;
    }
    *ret = result ? result : json_object();
    return true;
}

bool qmp_command_run(const QmpCommand *command, QmpContext *ctx, json_t *args, json_t **ret,
                     Error **errp)
{
    json_t *given = args ? json_incref(args) : json_object();
    bool ok = command->flags & QMP_COMMAND_RAW ? run_raw(command, ctx, given, ret, errp)
                                               : run_typed(command, ctx, given, ret, errp);
    json_decref(given);
    return ok;
}
