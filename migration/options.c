/*
 * options.c - capabilities and parameters: the one table, and a machine's values.
 *
 * Floor F5; below it util/ only.  Values change on the main thread with the machine lock held; booleans and
 * numbers are atomic, since the migration thread reads those that may change during a run.
 * Invariant: the values are always in range and no two capabilities that are on conflict.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "migration/options.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>

#include "util/json-uint.h"

#define MIB (1024ull * 1024)

static const char *const not_with_compress[] = { "compress", NULL };
static const char *const compress_methods[] = { "zlib", "zstd", NULL };

const MigrationOption migration_option_table[] = {
    { "events", MIG_OPT_CAP, 0, 1, 0, NULL, true, false, NULL, "report each change of status by an event" },
    { "return-path", MIG_OPT_CAP, 0, 1, 1, NULL, false, false, NULL,
      "use the channel's way back, where it has one: completed means that the destination said so" },
    { "pause-before-switchover", MIG_OPT_CAP, 0, 1, 0, NULL, false, false, NULL,
      "wait for migrate-continue when the machine has been stopped for the last part" },
    { "late-block-activate", MIG_OPT_CAP, 0, 1, 0, NULL, false, false, NULL,
      "a destination that stays paused leaves the disk images alone until cont" },
    { "validate-uuid", MIG_OPT_CAP, 0, 1, 0, NULL, false, false, NULL,
      "send the machine's UUID, which the destination holds against its own" },
    { "zero-blocks", MIG_OPT_CAP, 0, 1, 0, NULL, false, true, NULL, "no effect" },
    { "block", MIG_OPT_CAP, 0, 1, 0, NULL, false, false, NULL, "the disks move with the machine" },
    { "auto-converge", MIG_OPT_CAP, 0, 1, 0, NULL, false, false, NULL,
      "slow the harts down while they dirty memory faster than it can be sent" },
    { "xbzrle", MIG_OPT_CAP, 0, 1, 0, NULL, false, false, not_with_compress,
      "send a page that goes again as its difference from what the destination has" },
    { "rdma-pin-all", MIG_OPT_CAP, 0, 1, 0, NULL, false, false, NULL,
      "rdma: register all guest memory at once, instead of parts of it when they are first written" },
    { "compress", MIG_OPT_CAP, 0, 1, 0, NULL, false, false, NULL, "compress pages, on threads of their own" },

    { "max-bandwidth", MIG_OPT_SIZE, 0, INT64_MAX, 128 * MIB, "bytes/s", true, false, NULL,
      "what a migration may send while the machine runs; 0 is no limit" },
    { "downtime-limit", MIG_OPT_UINT, 0, 2000000, 300, "ms", true, false, NULL,
      "how long the machine may stand still" },
    { "avail-switchover-bandwidth", MIG_OPT_SIZE, 0, INT64_MAX, 0, "bytes/s", true, false, NULL,
      "what the channel carries while the machine stands still; 0: it is measured" },
    { "announce-initial", MIG_OPT_UINT, 0, 100000, 50, "ms", true, false, NULL,
      "from the first announcement of where the machine is to the second" },
    { "announce-max", MIG_OPT_UINT, 0, 100000, 550, "ms", true, false, NULL,
      "the longest time between two announcements" },
    { "announce-rounds", MIG_OPT_UINT, 0, 1000, 5, "", true, false, NULL, "number of announcements" },
    { "announce-step", MIG_OPT_UINT, 0, 10000, 100, "ms", true, false, NULL,
      "what is added to the time between announcements each time" },
    { "throttle-trigger-threshold", MIG_OPT_UINT, 1, 100, 50, "%", true, false, NULL,
      "auto-converge: a round that leaves more than this part of what it has sent counts against the guest" },
    { "cpu-throttle-initial", MIG_OPT_UINT, 1, 99, 20, "%", true, false, NULL,
      "auto-converge: what the harts are slowed down by at first" },
    { "cpu-throttle-increment", MIG_OPT_UINT, 1, 99, 10, "%", true, false, NULL,
      "auto-converge: what is added each time that this was not enough" },
    { "max-cpu-throttle", MIG_OPT_UINT, 1, 99, 99, "%", true, false, NULL,
      "auto-converge: what the harts are slowed down by at most", "cpu-throttle-initial" },
    { "block-incremental", MIG_OPT_BOOL, 0, 1, 0, "", false, false, NULL,
      "of disks that move, only what differs from the base image that both sides have" },
    { "cpu-throttle-tailslow", MIG_OPT_BOOL, 0, 1, 0, "", true, false, NULL,
      "auto-converge: near the end, add no more than what seems to be needed" },
    { "xbzrle-cache-size", MIG_OPT_SIZE, 4096, INT64_MAX, 64 * MIB, "bytes", true, false, NULL,
      "xbzrle: memory for the pages that the destination has; a power of two, at most guest memory" },
    { "compress-level", MIG_OPT_UINT, 0, 9, 1, "", false, false, NULL,
      "compress: 1 is fastest, 9 makes least; 0: hardly at all" },
    { "compress-threads", MIG_OPT_UINT, 1, 255, 8, "", false, false, NULL, "compress: threads of the source" },
    { "decompress-threads", MIG_OPT_UINT, 1, 255, 2, "", false, false, NULL,
      "threads of the destination for compressed pages" },
    { "compress-wait-thread", MIG_OPT_BOOL, 0, 1, 1, "", false, false, NULL,
      "compress: wait for a thread if none is free; else the pages go as they are" },
    { "compress-method", MIG_OPT_ENUM, 0, 1, 0, "", false, false, NULL,
      "compress: zlib, which QEMU reads, or zstd, which is faster", NULL, compress_methods },
    { "tls-creds", MIG_OPT_STRING, 0, 0, 0, NULL, false, false, NULL, "empty: no TLS" },
    { "tls-hostname", MIG_OPT_STRING, 0, 0, 0, NULL, false, false, NULL, "empty: no TLS" },
    { "tls-authz", MIG_OPT_STRING, 0, 0, 0, NULL, false, false, NULL, "empty: no TLS" },
    { .name = NULL },
};

typedef union OptionValue {
    uint64_t number;            /* bool too */
    char *text;
} OptionValue;

struct MigrationOptions {
    const MigrationOption *table;
    size_t count;
    _Atomic uint64_t *numbers;
    char **texts;
};

/* ---- the table ---- */

static bool is_capability(const MigrationOption *option)
{
    return option->type == MIG_OPT_CAP;
}

/* On or off: a capability, or a parameter of that kind. */
static bool is_switch(const MigrationOption *option)
{
    return is_capability(option) || option->type == MIG_OPT_BOOL;
}

static const MigrationOption *table_find(const MigrationOption *table, const char *name)
{
    while (table->name && strcmp(table->name, name) != 0) {
        table++;
    }
    return table->name ? table : NULL;
}

const MigrationOption *migration_option_find(const char *name, bool capability)
{
    const MigrationOption *option = table_find(migration_option_table, name);
    return option && is_capability(option) == capability ? option : NULL;
}

static size_t index_of(const MigrationOptions *o, const char *name)
{
    const MigrationOption *option = table_find(o->table, name);
    g_assert(option);           /* a caller's spelling, not a user's */
    return (size_t)(option - o->table);
}

/* ---- life ---- */

MigrationOptions *migration_options_new_from(const MigrationOption *table)
{
    MigrationOptions *o = g_new0(MigrationOptions, 1);
    o->table = table;
    while (table[o->count].name) {
        o->count++;
    }
    o->numbers = g_new0(_Atomic uint64_t, o->count);
    o->texts = g_new0(char *, o->count);
    for (size_t i = 0; i < o->count; i++) {
        atomic_init(&o->numbers[i], table[i].def);
        o->texts[i] = table[i].type == MIG_OPT_STRING ? g_strdup("") : NULL;
    }
    return o;
}

MigrationOptions *migration_options_new(void)
{
    return migration_options_new_from(migration_option_table);
}

void migration_options_free(MigrationOptions *o)
{
    for (size_t i = 0; o && i < o->count; i++) {
        g_free(o->texts[i]);
    }
    if (o) {
        g_free(o->numbers);
        g_free(o->texts);
        g_free(o);
    }
}

/* ---- reading ---- */

bool migration_cap(const MigrationOptions *o, const char *name)
{
    return migration_uint(o, name) != 0;
}

uint64_t migration_uint(const MigrationOptions *o, const char *name)
{
    return atomic_load_explicit(&o->numbers[index_of(o, name)], memory_order_relaxed);
}

const char *migration_str(const MigrationOptions *o, const char *name)
{
    size_t i = index_of(o, name);
    return o->table[i].type == MIG_OPT_ENUM ? o->table[i].names[migration_uint(o, name)] : o->texts[i];
}

json_t *migration_options_get(const MigrationOptions *o, bool capabilities)
{
    json_t *values = json_object();
    for (size_t i = 0; i < o->count; i++) {
        const MigrationOption *option = &o->table[i];
        uint64_t number = atomic_load(&o->numbers[i]);
        if (is_capability(option) != capabilities) {
            continue;
        }
        json_object_set_new(values, option->name,
                            is_switch(option)                ? json_boolean(number)
                            : option->type == MIG_OPT_STRING ? json_string(o->texts[i])
                            : option->type == MIG_OPT_ENUM   ? json_string(option->names[number])
                                                             : json_integer((json_int_t)number));
    }
    return values;
}

MigrationConfig migration_config_from(const MigrationOptions *o)
{
    return (MigrationConfig) {
        .return_path = migration_cap(o, "return-path"),
        .pause_before_switchover = migration_cap(o, "pause-before-switchover"),
        .validate_uuid = migration_cap(o, "validate-uuid"),
        .auto_converge = migration_cap(o, "auto-converge"),
        .xbzrle = migration_cap(o, "xbzrle"),
        .rdma_pin_all = migration_cap(o, "rdma-pin-all"),
        .compress = migration_cap(o, "compress"),
        .compress_level = migration_uint(o, "compress-level"),
        .compress_threads = migration_uint(o, "compress-threads"),
        .compress_wait_thread = migration_uint(o, "compress-wait-thread"),
        .compress_method = migration_str(o, "compress-method"),
    };
}

/* ---- setting ---- */

static bool read_number(const MigrationOption *option, const json_t *value, uint64_t *number, Error **errp)
{
    /* What is read from the wire as a large unsigned or a real number is out of every range here. */
    bool whole = json_is_integer(value) && json_integer_value(value) >= 0;
    *number = whole ? (uint64_t)json_integer_value(value) : 0;
    if (!whole || *number < option->min || *number > option->max) {
        g_autofree char *given = json_uint_dumps(value, JSON_ENCODE_ANY);
        error_setg(errp, "Parameter '%s' expects a whole number from %" PRIu64 " to %" PRIu64 "%s%s, not %s",
                   option->name, option->min, option->max, *option->unit ? " " : "", option->unit,
                   given ? given : "that");
        return false;
    }
    return true;
}

static bool read_text(const MigrationOption *option, const json_t *value, const char **text, Error **errp)
{
    *text = json_is_null(value) ? "" : json_string_value(value);
    if (!*text || json_string_length(value) > option->max) {
        error_setg(errp, "Parameter '%s' can only be \"\": this build has no TLS for migration",
                   option->name);
        return false;
    }
    return true;
}

static bool read_name(const MigrationOption *option, const json_t *value, uint64_t *number, Error **errp)
{
    const char *given = json_string_value(value);
    for (*number = 0; given && option->names[*number]; ++*number) {
        if (strcmp(given, option->names[*number]) == 0) {
            return true;
        }
    }
    g_autofree char *names = g_strjoinv(", ", (char **)option->names);
    error_setg(errp, "Parameter '%s' is one of %s", option->name, names);
    return false;
}

/* Checks one value and puts it into values[]; nothing else changes. */
static bool stage(MigrationOptions *o, size_t i, const json_t *value, OptionValue *values, Error **errp)
{
    const MigrationOption *option = &o->table[i];
    const char *text;
    if (option->type == MIG_OPT_STRING) {
        if (!read_text(option, value, &text, errp)) {
            return false;
        }
        values[i].text = (char *)text;
        return true;
    }
    if (is_switch(option)) {
        if (!json_is_boolean(value)) {
            error_setg(errp, "%s '%s' is true or false", is_capability(option) ? "Capability" : "Parameter",
                       option->name);
            return false;
        }
        values[i].number = json_is_true(value);
        return true;
    }
    return option->type == MIG_OPT_ENUM ? read_name(option, value, &values[i].number, errp)
                                        : read_number(option, value, &values[i].number, errp);
}

static bool is_changed(const MigrationOptions *o, size_t i, const OptionValue *values)
{
    return o->table[i].type == MIG_OPT_STRING ? strcmp(o->texts[i], values[i].text) != 0
                                              : atomic_load(&o->numbers[i]) != values[i].number;
}

static bool check_conflicts(const MigrationOptions *o, const OptionValue *values, Error **errp)
{
    for (size_t i = 0; i < o->count; i++) {
        const MigrationOption *option = &o->table[i];
        if (!option->conflicts || !values[i].number) {
            continue;
        }
        for (const char *const *other = option->conflicts; *other; other++) {
            if (values[index_of(o, *other)].number) {
                error_setg(errp, "Capabilities '%s' and '%s' cannot be on together", option->name, *other);
                return false;
            }
        }
    }
    return true;
}

static bool check_order(const MigrationOptions *o, const OptionValue *values, Error **errp)
{
    for (size_t i = 0; i < o->count; i++) {
        const char *floor = o->table[i].not_below;
        if (floor && values[i].number < values[index_of(o, floor)].number) {
            error_setg(errp, "Parameter '%s' (%" PRIu64 ") cannot be less than '%s' (%" PRIu64 ")",
                       o->table[i].name, values[i].number, floor, values[index_of(o, floor)].number);
            return false;
        }
    }
    return true;
}

static bool stage_all(MigrationOptions *o, const json_t *given, bool capabilities, OptionValue *values,
                      Error **errp)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)given, name, value) {
        const MigrationOption *option = table_find(o->table, name);
        if (!option || is_capability(option) != capabilities) {
            error_setg(errp, "There is no migration %s '%s'", capabilities ? "capability" : "parameter",
                       name);
            return false;
        }
        if (!stage(o, (size_t)(option - o->table), value, values, errp)) {
            return false;
        }
    }
    return true;
}

static bool check_frozen(const MigrationOptions *o, const OptionValue *values, Error **errp)
{
    for (size_t i = 0; i < o->count; i++) {
        if (!o->table[i].live && is_changed(o, i, values)) {
            error_setg(errp, "'%s' cannot be changed while a migration runs", o->table[i].name);
            return false;
        }
    }
    return true;
}

bool migration_options_set(MigrationOptions *o, const json_t *given, bool capabilities, bool running,
                           Error **errp)
{
    g_autofree OptionValue *values = g_new0(OptionValue, o->count);
    for (size_t i = 0; i < o->count; i++) {
        if (o->table[i].type == MIG_OPT_STRING) {
            values[i].text = o->texts[i];
        } else {
            values[i].number = atomic_load(&o->numbers[i]);
        }
    }
    if (!stage_all(o, given, capabilities, values, errp) || !check_conflicts(o, values, errp) ||
        !check_order(o, values, errp) || (running && !check_frozen(o, values, errp))) {
        return false;
    }
    for (size_t i = 0; i < o->count; i++) {
        if (!is_changed(o, i, values)) {
            continue;
        }
        if (o->table[i].type == MIG_OPT_STRING) {
            char *old = o->texts[i];
            o->texts[i] = g_strdup(values[i].text);
            g_free(old);
        } else {
            atomic_store(&o->numbers[i], values[i].number);
        }
    }
    return true;
}
