/*
 * hmp-migration.c - migration for people.
 *
 * Floor F6; below it QMP's commands and the migration's numbers.  Main loop's thread, machine lock held.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <string.h>

#include "migration/migration.h"
#include "monitor/hmp-internal.h"

static bool run(HmpCall *call, const char *command, json_t *args)
{
    Error *err = NULL;
    bool ok = hmp_qmp(call->ctx, command, args, NULL, &err);
    hmp_report(call->ctx, err);
    return ok;
}

/* ---- commands ---- */

void hmp_migrate(HmpCall *call)
{
    json_t *args = json_pack("{ss}", "uri", hmp_str(call, "uri"));
    if (hmp_bool(call, "-b")) {
        json_object_set_new(args, "blk", json_true());
    }
    if (hmp_bool(call, "-i")) {
        json_object_set_new(args, "inc", json_true());
    }
    if (hmp_bool(call, "-r")) {
        json_object_set_new(args, "resume", json_true());
    }
    if (run(call, "migrate", args) && !hmp_bool(call, "-d") && !hmp_migrate_wait(call->ctx)) {
        hmp_puts(call->ctx, "The migration has begun; nothing can wait for it here: info migrate shows how it goes.\n");
    }
}

void hmp_migrate_cancel(HmpCall *call)
{
    run(call, "migrate_cancel", NULL);
}

void hmp_migrate_continue(HmpCall *call)
{
    run(call, "migrate-continue", json_pack("{ss}", "state", hmp_str(call, "state")));
}

void hmp_migrate_incoming(HmpCall *call)
{
    run(call, "migrate-incoming", json_pack("{ss}", "uri", hmp_str(call, "uri")));
}

void hmp_migrate_set_capability(HmpCall *call)
{
    if (!migration_option_find(hmp_str(call, "capability"), true)) {
        hmp_printf(call->ctx, "Error: There is no migration capability '%s'; info migrate_capabilities lists them\n",
                   hmp_str(call, "capability"));
        return;
    }
    run(call, "migrate-set-capabilities",
        json_pack("{s[{ss sb}]}", "capabilities", "capability", hmp_str(call, "capability"), "state",
                  (int)hmp_bool(call, "state")));
}

/* A number with K, M, G, T behind it; bandwidths without one are MiB, as QEMU has it. */
static json_t *parse_value(const MigrationOption *option, const char *text)
{
    static const char suffixes[] = "KMGT";
    char *end;
    errno = 0;
    guint64 value = g_ascii_strtoull(text, &end, 0);
    const char *found = *end ? strchr(suffixes, g_ascii_toupper(*end)) : NULL;
    unsigned shift = option->type != MIG_OPT_SIZE ? 0 : found ? 10 * (unsigned)(found - suffixes + 1) : 20;
    bool ends = found && option->type == MIG_OPT_SIZE ? end[1] == 0 : *end == 0;
    if (!g_ascii_isdigit(*text) || !ends || errno || value > (guint64)INT64_MAX >> shift) {
        return NULL;
    }
    return json_integer((json_int_t)(value << shift));
}

static json_t *parse_switch(const char *text)
{
    return strcmp(text, "on") == 0 ? json_true() : strcmp(text, "off") == 0 ? json_false() : NULL;
}

void hmp_migrate_set_parameter(HmpCall *call)
{
    const char *name = hmp_str(call, "parameter"), *text = hmp_str(call, "value");
    const MigrationOption *option = migration_option_find(name, false);
    if (!option) {
        hmp_printf(call->ctx, "Error: There is no migration parameter '%s'; info migrate_parameters lists them\n", name);
        return;
    }
    if (option->type == MIG_OPT_ENUM && !g_strv_contains(option->names, text)) {
        g_autofree char *names = g_strjoinv(", ", (char **)option->names);
        hmp_printf(call->ctx, "Error: %s: '%s' is none of %s\n", name, text, names);
        return;
    }
    bool is_text = option->type == MIG_OPT_STRING || option->type == MIG_OPT_ENUM;
    json_t *value = is_text                        ? json_string(text)
                    : option->type == MIG_OPT_BOOL ? parse_switch(text)
                                                   : parse_value(option, text);
    if (!value) {
        g_autofree char *range = g_strdup_printf("no number from %" PRIu64 " to %" PRIu64 "%s%s", option->min,
                                                 option->max, *option->unit ? " " : "", option->unit);
        hmp_printf(call->ctx, "Error: %s: '%s' is %s\n", name, text,
                   option->type == MIG_OPT_BOOL   ? "neither on nor off"
                   : option->type == MIG_OPT_SIZE ? "no number with K, M, G or T (none: M)"
                                                  : range);
        return;
    }
    json_t *args = json_object();
    json_object_set_new(args, name, value);
    run(call, "migrate-set-parameters", args);
}

void hmp_migrate_set_speed(HmpCall *call)
{
    run(call, "migrate_set_speed", json_incref(call->args));
}

void hmp_migrate_set_downtime(HmpCall *call)
{
    char *end;
    double seconds = g_ascii_strtod(hmp_str(call, "value"), &end);
    if (end == hmp_str(call, "value") || *end) {
        hmp_puts(call->ctx, "Error: a downtime is a number of seconds\n");
        return;
    }
    json_t *value = json_real(seconds);     /* NULL for what JSON does not know, such as inf */
    run(call, "migrate_set_downtime", json_pack("{so}", "value", value ? value : json_integer(-1)));
}

void hmp_migrate_set_cache_size(HmpCall *call)
{
    run(call, "migrate-set-cache-size", json_incref(call->args));
}

void hmp_announce_self(HmpCall *call)
{
    run(call, "announce-self", NULL);
}

void hmp_x_migrate_settle(HmpCall *call)
{
    run(call, "x-migrate-settle", json_pack("{ss}", "decision", hmp_str(call, "decision")));
}

/* ---- info ---- */

static void print_ms(HmpContext *ctx, const char *what, int64_t ms)
{
    if (ms >= 0) {
        hmp_printf(ctx, "%s: %" PRId64 " ms\n", what, ms);
    }
}

static void print_ram(HmpContext *ctx, const MigrationInfoData *d)
{
    hmp_printf(ctx, "transferred ram: %" PRIu64 " kbytes\n", d->transferred >> 10);
    if (d->mbps >= 0) {
        hmp_printf(ctx, "throughput: %0.2f mbps\n", d->mbps);
    }
    hmp_printf(ctx, "remaining ram: %" PRIu64 " kbytes\n", d->remaining >> 10);
    hmp_printf(ctx, "total ram: %" PRIu64 " kbytes\n", d->total >> 10);
    hmp_printf(ctx, "duplicate: %" PRIu64 " pages\n", d->duplicate);
    hmp_printf(ctx, "normal: %" PRIu64 " pages\n", d->normal);
    hmp_printf(ctx, "normal bytes: %" PRIu64 " kbytes\n", d->normal_bytes >> 10);
    hmp_printf(ctx, "dirty sync count: %" PRIu64 "\n", d->dirty_sync_count);
    hmp_puts(ctx, "page size: 4 kbytes\n");
    hmp_printf(ctx, "pages-per-second: %" PRIu64 "\n", d->pages_per_second);
    hmp_printf(ctx, "precopy ram: %" PRIu64 " kbytes\n", d->precopy_bytes >> 10);
    hmp_printf(ctx, "downtime ram: %" PRIu64 " kbytes\n", d->downtime_bytes >> 10);
    if (d->dirty_pages_rate) {
        hmp_printf(ctx, "dirty pages rate: %" PRIu64 " pages\n", d->dirty_pages_rate);
    }
}

static void print_xbzrle(HmpContext *ctx, const MigrationInfoData *d)
{
    hmp_printf(ctx, "cache size: %" PRIu64 " bytes\n", d->xbzrle.cache_size);
    hmp_printf(ctx, "xbzrle transferred: %" PRIu64 " kbytes\n", d->xbzrle.bytes >> 10);
    hmp_printf(ctx, "xbzrle pages: %" PRIu64 " pages\n", d->xbzrle.pages);
    hmp_printf(ctx, "xbzrle cache miss: %" PRIu64 " pages\n", d->xbzrle.misses);
    hmp_printf(ctx, "xbzrle cache miss rate: %0.2f\n", d->xbzrle.miss_rate);
    hmp_printf(ctx, "xbzrle encoding rate: %0.2f\n", d->xbzrle.encoding_rate);
    hmp_printf(ctx, "xbzrle overflow: %" PRIu64 "\n", d->xbzrle.overflows);
}

static void print_compress(HmpContext *ctx, const MigrationInfoData *d)
{
    hmp_printf(ctx, "compression pages: %" PRIu64 " pages\n", d->compress.pages);
    hmp_printf(ctx, "compression busy: %" PRIu64 "\n", d->compress.busy);
    hmp_printf(ctx, "compression busy rate: %0.2f\n", d->compress.busy_rate);
    hmp_printf(ctx, "compressed size: %" PRIu64 " kbytes\n", d->compress.bytes >> 10);
    hmp_printf(ctx, "compression rate: %0.2f\n", d->compress.rate);
}

/* What matters comes first; the lines are those that scripts look for. */
static void print_info(HmpContext *ctx, const MigrationInfoData *d, bool running)
{
    static const char *const handovers[] = { NULL, "confirmed", "unconfirmed", "in doubt" };
    hmp_printf(ctx, "Migration status: %s", migration_status_name(d->status));
    hmp_printf(ctx, d->error_desc ? " (%s)\n" : "\n", d->error_desc);
    if (d->hint) {
        hmp_printf(ctx, "hint: %s\n", d->hint);
    }
    if (handovers[d->handover]) {
        hmp_printf(ctx, "handover: %s\n", handovers[d->handover]);
    }
    if (running && d->has_ram) {
        hmp_puts(ctx, "progress: ");
        hmp_print_progress(ctx, d);
        hmp_puts(ctx, "\n");
    } else if (d->status == MIGRATION_STATUS_COMPLETED && d->has_ram) {
        hmp_puts(ctx, "result: ");
        hmp_print_result(ctx, d);
        hmp_puts(ctx, "\n");
    }
    print_ms(ctx, "total time", d->total_time_ms);
    print_ms(ctx, "expected downtime", d->downtime_ms >= 0 ? -1 : d->expected_downtime_ms);
    print_ms(ctx, "downtime", d->downtime_ms);
    print_ms(ctx, "setup", d->setup_time_ms);
    if (d->cpu_throttle_percentage) {
        hmp_printf(ctx, "cpu throttle percentage: %u\n", d->cpu_throttle_percentage);
    }
    if (d->socket_address) {
        hmp_printf(ctx, "waiting at: %s\n", d->socket_address);
    }
    if (d->has_ram) {
        print_ram(ctx, d);
    }
    if (d->has_xbzrle) {
        print_xbzrle(ctx, d);
    }
    if (d->has_compress) {
        print_compress(ctx, d);
    }
    if (d->disk_total) {
        hmp_printf(ctx, "transferred disk: %" PRIu64 " kbytes\n", d->disk_transferred >> 10);
        hmp_printf(ctx, "remaining disk: %" PRIu64 " kbytes\n", d->disk_remaining >> 10);
        hmp_printf(ctx, "total disk: %" PRIu64 " kbytes\n", d->disk_total >> 10);
    }
}

void hmp_info_migrate(HmpCall *call)
{
    MigrationInfoData data;
    if (!call->ctx->machine->migration) {
        return;
    }
    migration_query(call->ctx->machine->migration, &data);
    for (char **reason = data.blocked_reasons; reason && *reason; reason++) {
        hmp_printf(call->ctx, "blocked: %s\n", *reason);
    }
    if (data.status != MIGRATION_STATUS_NONE) {
        print_info(call->ctx, &data, migration_is_running(call->ctx->machine->migration));
    }
    migration_info_clear(&data);
}

/* "max-bandwidth: 134217728 bytes/s (128 MiB)" */
static void print_number(HmpContext *ctx, const MigrationOption *option, json_int_t value)
{
    char size[HMP_SIZE_TEXT];
    hmp_printf(ctx, "%s: %" JSON_INTEGER_FORMAT "%s%s", option->name, value, *option->unit ? " " : "", option->unit);
    if (option->type == MIG_OPT_SIZE && value) {
        hmp_printf(ctx, " (%s)", hmp_size_text(size, (double)value));
    }
    hmp_puts(ctx, "\n");
}

static void print_options(HmpCall *call, bool capabilities)
{
    MigrationState *s = call->ctx->machine->migration;
    json_t *values = s ? migration_options_get(migration_options(s), capabilities) : NULL;
    const char *name;
    json_t *value;
    json_object_foreach(values, name, value) {
        const MigrationOption *option = migration_option_find(name, capabilities);
        if (json_is_boolean(value)) {
            hmp_printf(call->ctx, "%s: %s\n", name, json_is_true(value) ? "on" : "off");
        } else if (json_is_string(value)) {
            hmp_printf(call->ctx, "%s: '%s'\n", name, json_string_value(value));
        } else {
            print_number(call->ctx, option, json_integer_value(value));
        }
    }
    json_decref(values);
}

void hmp_info_migrate_capabilities(HmpCall *call)
{
    print_options(call, true);
}

void hmp_info_migrate_parameters(HmpCall *call)
{
    print_options(call, false);
}

void hmp_info_migrate_cache_size(HmpCall *call)
{
    MigrationState *s = call->ctx->machine->migration;
    if (s) {
        hmp_printf(call->ctx, "xbzrle cache size: %" PRIu64 " kbytes\n",
                   migration_uint(migration_options(s), "xbzrle-cache-size") >> 10);
    }
}
