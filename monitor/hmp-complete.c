/*
 * hmp-complete.c - what TAB offers: commands, items of info, and the names of things that exist.
 *
 * Floor F6; below it every room that has names.  Main loop's thread, machine lock held.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "monitor/hmp-internal.h"

#include "block/block.h"
#include "chardev/char.h"
#include "hw/qdev.h"
#include "hw/user-object.h"
#include "migration/migration.h"
#include "net/net.h"
#include "util/log-items.h"
#include "util/trace.h"

static void add(GPtrArray *words, const char *word)
{
    if (word && *word) {
        g_ptr_array_add(words, g_strdup(word));
    }
}

static void add_table(GPtrArray *words, const HmpCommand *table)
{
    for (; table->name; table++) {
        g_ptr_array_add(words, g_strndup(table->name, hmp_command_name_len(table)));
    }
}

/* ---- one function a type of argument ---- */

static void add_commands(HmpContext *ctx, GPtrArray *words)
{
    add_table(words, hmp_commands);
}

static void add_items(HmpContext *ctx, GPtrArray *words)
{
    add_table(words, hmp_info_items);
}

static void add_cpus(HmpContext *ctx, GPtrArray *words)
{
    for (unsigned i = 0; ctx->machine->vcpus && i < cpu_count(ctx->machine); i++) {
        g_ptr_array_add(words, g_strdup_printf("%u", i));
    }
}

static void add_devices(HmpContext *ctx, GPtrArray *words)
{
    for (DeviceState *dev = ctx->machine->devices ? qdev_first(ctx->machine) : NULL; dev;
         dev = dev->next) {
        add(words, dev->id);
    }
}

static void add_drivers(HmpContext *ctx, GPtrArray *words)
{
    for (const DeviceClass *const *klass = device_classes(); *klass; klass++) {
        if ((*klass)->user_creatable) {
            add(words, (*klass)->name);
        }
    }
}

static bool add_event(void *opaque, const char *name, bool enabled)
{
    add(opaque, name);
    return true;
}

static void add_events(HmpContext *ctx, GPtrArray *words)
{
    trace_foreach(NULL, add_event, words);
}

static void add_log_items(HmpContext *ctx, GPtrArray *words)
{
    add(words, "none");
    add(words, "help");
    for (const LogItem *item = log_items; item->name; item++) {
        add(words, item->name);
    }
}

static void add_client(NetClientState *nc, void *opaque)
{
    add(opaque, nc->name);
}

static void add_clients(HmpContext *ctx, GPtrArray *words)
{
    if (ctx->machine->net) {
        net_foreach(ctx->machine, add_client, words);
    }
}

static void add_chardev(const ChardevInfo *info, void *opaque)
{
    add(opaque, info->label);
}

static void add_chardevs(HmpContext *ctx, GPtrArray *words)
{
    if (ctx->machine->chardevs) {
        chardev_foreach(ctx->machine, add_chardev, words);
    }
}

static void add_disk(const BlockInfo *info, void *opaque)
{
    add(opaque, info->device);
}

static void add_disks(HmpContext *ctx, GPtrArray *words)
{
    if (ctx->machine->block) {
        blk_foreach(ctx->machine, add_disk, words);
    }
}

static void add_objects(HmpContext *ctx, GPtrArray *words)
{
    const struct UserObjects *objects = ctx->machine->config ? ctx->machine->config->objects : NULL;
    for (const UserObject *o = objects ? user_object_first(objects) : NULL; o; o = o->next) {
        add(words, o->id);
    }
}

static void add_onoff(HmpContext *ctx, GPtrArray *words)
{
    add(words, "on");
    add(words, "off");
}

static void add_options(GPtrArray *words, bool capabilities)
{
    for (const MigrationOption *o = migration_option_table; o->name; o++) {
        if ((o->type == MIG_OPT_CAP) == capabilities) {
            add(words, o->name);
        }
    }
}

static void add_capabilities(HmpContext *ctx, GPtrArray *words)
{
    add_options(words, true);
}

static void add_parameters(HmpContext *ctx, GPtrArray *words)
{
    add_options(words, false);
}

static void add_states(HmpContext *ctx, GPtrArray *words)
{
    add(words, migration_status_name(MIGRATION_STATUS_PRE_SWITCHOVER));
}

static void add_settlements(HmpContext *ctx, GPtrArray *words)
{
    add(words, "keep");
    add(words, "forget");
}

/* Asks QMP for a list and offers the names in it; without an answer there is nothing to offer. */
static void add_snapshots(HmpContext *ctx, GPtrArray *words)
{
    json_t *list = NULL, *one;
    size_t i;
    if (!hmp_qmp(ctx, "x-query-snapshots", NULL, &list, NULL)) {
        return;
    }
    json_array_foreach(list, i, one) {
        add(words, json_string_value(json_object_get(one, "name")));
    }
    json_decref(list);
}

/* A number as migrate_set_parameter reads it back, whose sizes without a letter are MiB. */
static void add_number(GPtrArray *words, const MigrationOption *option, uint64_t value)
{
    const char *letter = option->type == MIG_OPT_SIZE ? "M" : "";
    if (*letter && value % (1 << 20)) {
        value >>= 10;
        letter = "K";
    } else if (*letter) {
        value >>= 20;
    }
    g_ptr_array_add(words, g_strdup_printf("%" PRIu64 "%s", value, letter));
}

/* What a parameter can be set to: on and off, or what it is and what it was at first. */
static void add_values(HmpContext *ctx, const char *name, GPtrArray *words)
{
    MigrationState *s = ctx->machine->migration;
    const MigrationOption *option = migration_option_find(name, false);
    if (option && option->type == MIG_OPT_BOOL) {
        add_onoff(ctx, words);
    } else if (option && option->type != MIG_OPT_STRING) {
        uint64_t now = s ? migration_uint(migration_options(s), name) : option->def;
        add_number(words, option, option->def);
        if (now != option->def) {
            add_number(words, option, now);
        }
    }
}

static void add_type(HmpContext *ctx, const char *type, GPtrArray *words)
{
    static const struct {
        const char *type;
        void (*add)(HmpContext *ctx, GPtrArray *words);
    } types[] = {
        { "block", add_disks }, { "chardev", add_chardevs }, { "command", add_commands },
        { "cpu", add_cpus }, { "device", add_devices }, { "driver", add_drivers },
        { "event", add_events }, { "item", add_items }, { "logitem", add_log_items },
        { "migcap", add_capabilities }, { "migparam", add_parameters },
        { "migstate", add_states }, { "netdev", add_clients }, { "nic", add_clients },
        { "object", add_objects }, { "onoff", add_onoff }, { "settle", add_settlements },
        { "snapshot", add_snapshots },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(types); i++) {
        if (strcmp(types[i].type, type) == 0) {
            types[i].add(ctx, words);
        }
    }
}

/* ---- the line ---- */

/* Offers what can stand as argument number n (from 0), and the flags. */
static void add_argument(HmpContext *ctx, const HmpCommand *command, unsigned n, const char *word,
                         GPtrArray *words)
{
    const char *spec = command->args;
    HmpArg arg;
    while (hmp_next_arg(&spec, &arg)) {
        if (arg.name[0] == '-') {
            if (*word == '-') {
                add(words, arg.name);
            }
        } else if (strcmp(arg.type, "fmt") != 0 && n-- == 0) {
            add_type(ctx, arg.type, words);
            return;
        }
    }
}

GPtrArray *hmp_complete(void *opaque, const char *line, size_t *word_start)
{
    HmpContext *ctx = opaque;
    GPtrArray *words = g_ptr_array_new_with_free_func(g_free);
    const char *at = line + strspn(line, " \t");
    size_t n = strcspn(at, " \t/");
    const char *last = strrchr(line, ' ');
    *word_start = last ? (size_t)(last + 1 - line) : (size_t)(at - line);
    if (at[n] == 0) {
        add_commands(ctx, words);
        return words;
    }
    const HmpCommand *command = hmp_command_find(hmp_commands, at, n);
    bool info = command && command->run == hmp_info;
    unsigned number = 0;
    g_autofree char *previous = NULL;
    /* Words that are complete, flags apart, are the arguments before this one. */
    for (at += strcspn(at, " \t"), at += strspn(at, " \t"); at < line + *word_start; number++) {
        n = strcspn(at, " \t");
        if (info && number == 0) {
            command = hmp_command_find(hmp_info_items, at, n);
            info = false;
            number = UINT_MAX;
        } else if (*at == '-') {
            number--;
        }
        g_free(previous);
        previous = g_strndup(at, n);
        at += n;
        at += strspn(at, " \t");
    }
    if (command) {
        add_argument(ctx, command, number, line + *word_start, words);
        if (command->run == hmp_device_add && number == 0) {
            add_drivers(ctx, words);
        } else if (command->run == hmp_migrate_set_parameter && number == 1) {
            add_values(ctx, previous, words);
        }
    }
    return words;
}
