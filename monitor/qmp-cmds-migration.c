/*
 * qmp-cmds-migration.c - migration by QMP: arguments to calls, numbers to JSON, status to events.
 *
 * Floor F6; below it the migration's control floor.  Main loop's thread, machine lock held; status and passes
 * come on any thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "migration/migration.h"
#include "monitor/monitor-internal.h"
#include "qapi/qapi-commands.h"
#include "qapi/qapi-events.h"
#include "system/machine.h"
#include "system/memory.h"
#include "system/runstate.h"

/* ------------------------------------------------------------------ events */

static bool wants_events(Machine *m)
{
    return migration_cap(migration_options(m->migration), "events");
}

static void on_status(void *opaque, MigrationStatus status)
{
    Machine *m = opaque;
    if (wants_events(m)) {
        qapi_event_send_migration(m->events, &(MigrationEvent){ .status = status });
    }
}

static void on_pass(void *opaque, uint64_t pass)
{
    Machine *m = opaque;
    if (wants_events(m)) {
        qapi_event_send_migration_pass(m->events, &(MigrationPassEvent){ .pass = (int64_t)pass });
    }
}

static void on_incoming_failed(void *opaque, const char *text)
{
    fprintf(stderr, "%s: load of migration failed: %s\n", g_get_prgname() ? g_get_prgname() : "godwit", text);
    system_set_no_shutdown(opaque, false);
    system_shutdown_request(opaque, SHUTDOWN_CAUSE_HOST_ERROR, 1);
}

void monitor_connect_migration(Machine *m)
{
    static const MigrationSurfaceOps ops = {
        .status = on_status, .pass = on_pass, .incoming_failed = on_incoming_failed,
    };
    if (m->migration) {
        migration_set_surface(m->migration, &ops, m);
    }
}

/* NULL, with *errp set, in a monitor whose machine cannot move. */
static MigrationState *state_of(QmpContext *ctx, Error **errp)
{
    MigrationState *s = ctx->machine ? ctx->machine->migration : NULL;
    if (!s) {
        error_setg(errp, "this monitor has no machine that could move");
    }
    return s;
}

/* ------------------------------------------------------------------ options */

bool qmp_query_migrate_capabilities(QmpContext *ctx, MigrationCapabilityStatusList **ret, Error **errp)
{
    MigrationState *s = state_of(ctx, errp);
    MigrationCapabilityStatusList **tail = ret;
    for (int i = 0; s && i < MIGRATION_CAPABILITY__MAX; i++) {
        MigrationCapabilityStatus *one = g_new0(MigrationCapabilityStatus, 1);
        one->capability = i;
        one->state = migration_cap(migration_options(s), MigrationCapability_str(i));
        QAPI_LIST_APPEND(tail, one);
    }
    return s != NULL;
}

bool qmp_migrate_set_capabilities(QmpContext *ctx, const MigrateSetCapabilitiesArgs *args, Error **errp)
{
    MigrationState *s = state_of(ctx, errp);
    json_t *values = json_object();
    for (MigrationCapabilityStatusList *c = args->capabilities; c; c = c->next) {
        json_object_set_new(values, MigrationCapability_str(c->value->capability),
                            json_boolean(c->value->state));
    }
    bool ok = s && migration_set_options(s, values, true, errp);
    json_decref(values);
    return ok;
}

bool qmp_query_migrate_parameters(QmpContext *ctx, MigrationParameters **ret, Error **errp)
{
    MigrationState *s = state_of(ctx, errp);
    json_t *values = s ? migration_options_get(migration_options(s), false) : NULL;
    bool ok = s && MigrationParameters_from_json(values, ret, errp);
    json_decref(values);
    return ok;
}

bool qmp_migrate_set_parameters(QmpContext *ctx, const MigrationParameters *args, Error **errp)
{
    MigrationState *s = state_of(ctx, errp);
    json_t *values = MigrationParameters_to_json(args);
    bool ok = s && migration_set_options(s, values, false, errp);
    json_decref(values);
    return ok;
}

static bool set_one(QmpContext *ctx, const char *name, json_t *value, Error **errp)
{
    MigrationState *s = state_of(ctx, errp);
    json_t *values = json_object();
    json_object_set_new(values, name, value);
    bool ok = s && migration_set_options(s, values, false, errp);
    json_decref(values);
    return ok;
}

bool qmp_migrate_set_speed(QmpContext *ctx, const MigrateSetSpeedArgs *args, Error **errp)
{
    return set_one(ctx, "max-bandwidth", json_integer(args->value), errp);
}

bool qmp_migrate_set_downtime(QmpContext *ctx, const MigrateSetDowntimeArgs *args, Error **errp)
{
    if (!(args->value >= 0 && args->value <= 2000)) {
        error_setg(errp, "Parameter 'value' expects a number of seconds from 0 to 2000");
        return false;
    }
    return set_one(ctx, "downtime-limit", json_integer((json_int_t)round(args->value * 1000)), errp);
}

/* As of old, a size between two powers of two means the lower one. */
bool qmp_migrate_set_cache_size(QmpContext *ctx, const MigrateSetCacheSizeArgs *args, Error **errp)
{
    MigrationState *s = state_of(ctx, errp);
    uint64_t size = args->value;
    while ((size & (size - 1)) != 0) {
        size &= size - 1;
    }
    return s && migration_check_cache_size(s, args->value > INT64_MAX ? args->value : size, errp) &&
           set_one(ctx, "xbzrle-cache-size", json_integer((json_int_t)size), errp);
}

bool qmp_query_migrate_cache_size(QmpContext *ctx, uint64_t *ret, Error **errp)
{
    MigrationState *s = state_of(ctx, errp);
    *ret = s ? migration_uint(migration_options(s), "xbzrle-cache-size") : 0;
    return s != NULL;
}

/* ------------------------------------------------------------------ start, cancel, … */

/* The address, and in *fd the descriptor that fd:NAME means. */
static MigrationAddress *parse_address(QmpContext *ctx, const char *uri, bool has_channels,
                                       const anyList *channels, int *fd, Error **errp)
{
    json_t *list = has_channels ? json_array() : NULL;
    for (const anyList *c = channels; c; c = c->next) {
        json_array_append(list, c->value);
    }
    MigrationAddress *address = migration_address_parse(uri, list, errp);
    json_decref(list);
    *fd = -1;
    const char *name = address ? migration_address_fd_name(address) : NULL;
    if (!name) {
        return address;
    }
    if (ctx->mon) {
        *fd = monitor_get_fd(ctx->mon, name, errp);
    } else {
        error_setg(errp, "File descriptor named '%s' has not been found", name);
    }
    if (*fd < 0) {
        migration_address_free(address);
        return NULL;
    }
    return address;
}

bool qmp_migrate(QmpContext *ctx, const MigrateArgs *args, Error **errp)
{
    MigrationState *s = state_of(ctx, errp);
    int fd;
    if (!s) {
        return false;
    }
    if (args->resume) {
        error_setg(errp, "There is no interrupted migration that could be resumed");
        return false;
    }
    if (migration_is_running(s)) {
        error_setg(errp, "There's a migration process in progress");
        return false;
    }
    MigrationAddress *address = parse_address(ctx, args->uri, args->has_channels, args->channels, &fd, errp);
    MigrationDisks disks = args->inc ? MIGRATION_DISKS_INCREMENTAL : args->blk ? MIGRATION_DISKS_GO
                                                                              : MIGRATION_DISKS_STAY;
    return address && migration_start(s, address, fd, disks, errp);
}

bool qmp_migrate_incoming(QmpContext *ctx, const MigrateIncomingArgs *args, Error **errp)
{
    MigrationState *s = state_of(ctx, errp);
    int fd;
    if (!s) {
        return false;
    }
    MigrationAddress *address = parse_address(ctx, args->uri, args->has_channels, args->channels, &fd, errp);
    bool end = !args->has_exit_on_error || args->exit_on_error;
    return address && migration_incoming_start(s, address, fd, end, errp);
}

bool qmp_migrate_cancel(QmpContext *ctx, Error **errp)
{
    MigrationState *s = state_of(ctx, errp);
    return s && migration_cancel(s, errp);
}

bool qmp_migrate_continue(QmpContext *ctx, const MigrateContinueArgs *args, Error **errp)
{
    MigrationState *s = state_of(ctx, errp);
    return s && migration_continue(s, args->state, errp);
}

bool qmp_x_migrate_settle(QmpContext *ctx, const XMigrateSettleArgs *args, Error **errp)
{
    MigrationState *s = state_of(ctx, errp);
    return s && migration_settle(s, args->decision == MIGRATE_SETTLEMENT_KEEP, errp);
}

bool qmp_announce_self(QmpContext *ctx, Error **errp)
{
    MigrationState *s = state_of(ctx, errp);
    if (s) {
        migration_announce_self(s);
    }
    return s != NULL;
}

/* ------------------------------------------------------------------ query-migrate */

static MigrationStats *ram_of(const MigrationInfoData *data)
{
    MigrationStats *ram = g_new0(MigrationStats, 1);
    *ram = (MigrationStats) {
        .transferred = (int64_t)data->transferred,
        .remaining = (int64_t)data->remaining,
        .total = (int64_t)data->total,
        .duplicate = (int64_t)data->duplicate,
        .normal = (int64_t)data->normal,
        .normal_bytes = (int64_t)data->normal_bytes,
        .dirty_pages_rate = (int64_t)data->dirty_pages_rate,
        .has_mbps = data->mbps >= 0,
        .mbps = data->mbps,
        .dirty_sync_count = (int64_t)data->dirty_sync_count,
        .page_size = TARGET_PAGE_SIZE,
        .pages_per_second = data->pages_per_second,
        .precopy_bytes = data->precopy_bytes,
        .downtime_bytes = data->downtime_bytes,
    };
    return ram;
}

static CompressionStats *compression_of(const MigrationInfoData *data)
{
    CompressionStats *stats = g_new0(CompressionStats, 1);
    *stats = (CompressionStats) {
        .pages = (int64_t)data->compress.pages,
        .busy = (int64_t)data->compress.busy,
        .busy_rate = data->compress.busy_rate,
        .compressed_size = (int64_t)data->compress.bytes,
        .compression_rate = data->compress.rate,
    };
    return stats;
}

static XBZRLECacheStats *xbzrle_of(const MigrationInfoData *data)
{
    XBZRLECacheStats *stats = g_new0(XBZRLECacheStats, 1);
    *stats = (XBZRLECacheStats) {
        .cache_size = data->xbzrle.cache_size,
        .bytes = (int64_t)data->xbzrle.bytes,
        .pages = (int64_t)data->xbzrle.pages,
        .cache_miss = (int64_t)data->xbzrle.misses,
        .cache_miss_rate = data->xbzrle.miss_rate,
        .encoding_rate = data->xbzrle.encoding_rate,
        .overflow = (int64_t)data->xbzrle.overflows,
    };
    return stats;
}

/* "tcp:HOST:PORT", "rdma:HOST:PORT" or "unix:PATH" as a SocketAddress; NULL for what is none. */
static SocketAddress *socket_of(const char *text)
{
    SocketAddress *address = NULL;
    json_t *value = NULL;
    const char *host_part = strchr(text, ':') + 1, *port = strrchr(text, ':');
    bool inet = g_str_has_prefix(text, "tcp:") || g_str_has_prefix(text, "rdma:");
    if (g_str_has_prefix(text, "unix:")) {
        value = json_pack("{ss ss}", "type", "unix", "path", text + 5);
    } else if (inet && port > host_part) {
        /* The brackets of an IPv6 address belong to the URI. */
        gsize bracket = host_part[0] == '[' && port[-1] == ']' ? 1 : 0;
        g_autofree char *host = g_strndup(host_part + bracket, (gsize)(port - host_part) - 2 * bracket);
        value = json_pack("{ss ss ss}", "type", "inet", "host", host, "port", port + 1);
    }
    if (value) {
        SocketAddress_from_json(value, &address, NULL);
        json_decref(value);
    }
    return address;
}

static void fill_blockers(const MigrationInfoData *data, MigrationInfo *info)
{
    strList **tail = &info->blocked_reasons;
    info->has_blocked_reasons = data->blocked_reasons != NULL;
    for (char **reason = data->blocked_reasons; reason && *reason; reason++) {
        QAPI_LIST_APPEND(tail, g_strdup(*reason));
    }
}

bool qmp_query_migrate(QmpContext *ctx, MigrationInfo **ret, Error **errp)
{
    MigrationState *s = state_of(ctx, errp);
    MigrationInfoData data;
    if (!s) {
        return false;
    }
    migration_query(s, &data);
    MigrationInfo *info = *ret = g_new0(MigrationInfo, 1);
    bool ended = !migration_is_running(s);
    bool once = data.status != MIGRATION_STATUS_NONE;
    info->has_status = once;
    info->status = data.status;
    info->ram = data.has_ram ? ram_of(&data) : NULL;
    info->xbzrle_cache = data.has_xbzrle ? xbzrle_of(&data) : NULL;
    info->compression = data.has_compress ? compression_of(&data) : NULL;
    if (data.disk_total) {
        info->disk = g_new0(MigrationDiskStats, 1);
        *info->disk = (MigrationDiskStats) {
            .transferred = (int64_t)data.disk_transferred, .remaining = (int64_t)data.disk_remaining,
            .total = (int64_t)data.disk_total,
        };
    }
    info->has_total_time = data.total_time_ms >= 0;
    info->total_time = data.total_time_ms;
    info->has_setup_time = data.setup_time_ms >= 0;
    info->setup_time = data.setup_time_ms;
    info->has_downtime = data.downtime_ms >= 0;
    info->downtime = data.downtime_ms;
    info->has_expected_downtime = !ended && data.expected_downtime_ms >= 0;
    info->expected_downtime = data.expected_downtime_ms;
    info->error_desc = g_strdup(data.error_desc);
    info->hint = g_strdup(data.hint);
    info->has_cpu_throttle_percentage = data.cpu_throttle_percentage > 0;
    info->cpu_throttle_percentage = data.cpu_throttle_percentage;
    info->has_handover = once && data.handover != MIGRATION_HANDOVER_NONE;
    info->handover = data.handover;
    fill_blockers(&data, info);
    SocketAddress *address = data.socket_address ? socket_of(data.socket_address) : NULL;
    if (address) {
        info->has_socket_address = true;
        QAPI_LIST_PREPEND(info->socket_address, address);
    }
    migration_info_clear(&data);
    return true;
}
