/*
 * hmp-snapshot.c - savevm, loadvm, delvm, info snapshots.
 *
 * Floor F6; below it QMP's commands.  Main loop's thread, machine lock held.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "monitor/hmp-internal.h"

static void run(HmpCall *call, const char *command, json_t *args)
{
    Error *err = NULL;
    hmp_qmp(call->ctx, command, args, NULL, &err);
    hmp_report(call->ctx, err);
}

void hmp_savevm(HmpCall *call)
{
    const char *given = hmp_str(call, "name");
    g_autoptr(GDateTime) now = g_date_time_new_now_local();
    g_autofree char *made = given ? NULL : g_date_time_format(now, "vm-%Y%m%d%H%M%S");
    run(call, "x-snapshot-save", json_pack("{ss sb}", "name", given ? given : made, "overwrite", 1));
}

void hmp_loadvm(HmpCall *call)
{
    run(call, "x-snapshot-load", json_incref(call->args));
}

void hmp_delvm(HmpCall *call)
{
    run(call, "x-snapshot-delete", json_incref(call->args));
}

static json_int_t number(const json_t *one, const char *key)
{
    return json_integer_value(json_object_get(one, key));
}

static void show(HmpContext *ctx, const json_t *one)
{
    const char *name = json_string_value(json_object_get(one, "name"));
    const char *broken = json_string_value(json_object_get(one, "broken"));
    if (broken) {
        hmp_printf(ctx, "--        %-16s  broken: %s\n", name, broken);
        return;
    }
    g_autoptr(GDateTime) date = g_date_time_new_from_unix_local(number(one, "date-sec"));
    g_autofree char *day = date ? g_date_time_format(date, "%Y-%m-%d %H:%M:%S") : g_strdup("?");
    json_int_t clock = number(one, "vm-clock-sec");
    hmp_printf(ctx, "--        %-16s%8.1f MiB %s %02lld:%02lld:%02lld.%03lld\n", name,
               (double)number(one, "vm-state-size") / (1 << 20), day, (long long)clock / 3600,
               (long long)clock / 60 % 60, (long long)clock % 60,
               (long long)number(one, "vm-clock-nsec") / 1000000);
}

void hmp_info_snapshots(HmpCall *call)
{
    Error *err = NULL;
    json_t *list = NULL, *one;
    size_t i;
    if (!hmp_qmp(call->ctx, "x-query-snapshots", NULL, &list, &err)) {
        hmp_report(call->ctx, err);
        return;
    }
    if (json_array_size(list) == 0) {
        hmp_puts(call->ctx, "There is no snapshot available.\n");
    } else {
        hmp_puts(call->ctx, "List of snapshots present on all disks:\n"
                            "ID        TAG              VM SIZE      DATE                VM CLOCK\n");
    }
    json_array_foreach(list, i, one) {
        show(call->ctx, one);
    }
    json_decref(list);
}
