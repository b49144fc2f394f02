/*
 * migration-query.c - everything that query-migrate shows, of a run that goes on or has ended.
 *
 * Floor F5; below it the RAM counters.  Main thread, machine lock held.
 * Invariant: what is not known says so (-1); nothing is divided by a time that is zero.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "migration/block.h"
#include "migration/migration-internal.h"
#include "migration/ram.h"
#include "system/cpu.h"
#include "system/memory.h"

#define NS_PER_MS 1000000

/* From begin to end in ms, rounded up; -1 if begin has not come. end 0: now. */
static int64_t span_ms(const MigrationState *s, int64_t begin, int64_t end)
{
    if (begin == 0) {
        return -1;
    }
    int64_t ns = (end ? end : migration_now(s)) - begin;
    return ns > 0 ? (ns + NS_PER_MS - 1) / NS_PER_MS : 0;
}

static void fill_times(const MigrationState *s, MigrationInfoData *info)
{
    const MigrationTimes *t = &s->times;
    int64_t start = atomic_load(&t->start_ns), active = atomic_load(&t->active_ns);
    int64_t expected = atomic_load(&t->expected_downtime_ns);
    info->total_time_ms = span_ms(s, start, atomic_load(&t->end_ns));
    info->setup_time_ms = active ? span_ms(s, start, active) : -1;
    info->downtime_ms = atomic_load(&t->resume_ns) ? span_ms(s, atomic_load(&t->stop_ns),
                                                             atomic_load(&t->resume_ns)) : -1;
    info->expected_downtime_ms = expected == DOWNTIME_UNKNOWN ? -1 : (expected + NS_PER_MS - 1) / NS_PER_MS;
}

static void fill_ram(const MigrationState *s, MigrationInfoData *info)
{
    const RAMCounters *c = ram_counters(s->machine);
    int64_t active = atomic_load(&s->times.active_ns), end = atomic_load(&s->times.end_ns);
    info->has_ram = true;
    info->transferred = atomic_load(&c->transferred);
    info->remaining = atomic_load(&c->remaining);
    info->total = atomic_load(&c->total);
    info->duplicate = atomic_load(&c->duplicate);
    info->normal = atomic_load(&c->normal);
    info->normal_bytes = info->normal * TARGET_PAGE_SIZE;
    info->dirty_pages_rate = atomic_load(&c->dirty_pages_rate);
    info->dirty_sync_count = atomic_load(&c->dirty_sync_count);
    info->downtime_bytes = atomic_load(&c->downtime_bytes);
    info->precopy_bytes = info->transferred - MIN(info->transferred, info->downtime_bytes);
    info->pages_per_second = atomic_load(&s->times.pages_per_second);
    /* While it runs: lately; afterwards: on average. */
    double per_second = (double)atomic_load(&s->times.bytes_per_second);
    if (end > active && active) {
        per_second = (double)info->transferred * 1e9 / (double)(end - active);
    }
    info->mbps = per_second > 0 ? per_second * 8 / 1e6 : -1;
}

static double ratio(uint64_t part, uint64_t whole)
{
    return whole ? (double)part / (double)whole : 0;
}

static void fill_xbzrle(const RAMCounters *c, MigrationInfoData *info)
{
    info->xbzrle.cache_size = atomic_load(&c->cache_bytes);
    info->has_xbzrle = info->xbzrle.cache_size > 0;
    info->xbzrle.bytes = atomic_load(&c->xbzrle_bytes);
    info->xbzrle.pages = atomic_load(&c->xbzrle_pages);
    info->xbzrle.misses = atomic_load(&c->xbzrle_misses);
    info->xbzrle.overflows = atomic_load(&c->xbzrle_overflows);
    info->xbzrle.miss_rate = ratio(info->xbzrle.misses,
                                   info->xbzrle.misses + info->xbzrle.pages + info->xbzrle.overflows);
    info->xbzrle.encoding_rate = ratio(info->xbzrle.pages * TARGET_PAGE_SIZE, info->xbzrle.bytes);
}

static void fill_disk(const MigrationState *s, MigrationInfoData *info)
{
    const BlockCounters *c = block_mig_counters(s->machine);
    if (c) {
        info->disk_transferred = atomic_load(&c->transferred);
        info->disk_remaining = atomic_load(&c->remaining);
        info->disk_total = atomic_load(&c->total);
    }
}

static void fill_compress(const RAMCounters *c, MigrationInfoData *info)
{
    info->has_compress = atomic_load(&c->compress_threads) > 0;
    info->compress.pages = atomic_load(&c->compress_pages);
    info->compress.bytes = atomic_load(&c->compress_bytes);
    info->compress.busy = atomic_load(&c->compress_busy);
    info->compress.busy_rate = ratio(info->compress.busy, atomic_load(&c->compress_batches));
    info->compress.rate = ratio(info->compress.pages * TARGET_PAGE_SIZE, info->compress.bytes);
}

void migration_query(MigrationState *s, MigrationInfoData *info)
{
    int status = migration_status_now(s);
    *info = (MigrationInfoData) {
        .status = status == MIGRATION_STATUS_COMMITTED ? MIGRATION_STATUS_DEVICE : status,
        .incoming = atomic_load(&s->incoming),
        .handover = s->handover,
        .total_time_ms = -1, .setup_time_ms = -1, .downtime_ms = -1, .expected_downtime_ms = -1, .mbps = -1,
        .blocked_reasons = migration_blocker_reasons(s),
        .cpu_throttle_percentage = s->machine->vcpus ? vcpus_get_throttle(s->machine) : 0,
    };
    if (info->incoming) {
        info->socket_address = status == MIGRATION_STATUS_SETUP ? g_strdup(s->socket_address) : NULL;
    }
    if (status != MIGRATION_STATUS_NONE) {
        fill_times(s, info);
        if (atomic_load(&s->times.active_ns)) {
            fill_ram(s, info);
            fill_xbzrle(ram_counters(s->machine), info);
            fill_disk(s, info);
            fill_compress(ram_counters(s->machine), info);
        }
    }
    g_mutex_lock(&s->lock);
    info->error_desc = s->error ? g_strdup(error_get_pretty(s->error)) : NULL;
    info->hint = g_strdup(s->hint);
    g_mutex_unlock(&s->lock);
}

void migration_info_clear(MigrationInfoData *info)
{
    g_clear_pointer(&info->error_desc, g_free);
    g_clear_pointer(&info->hint, g_free);
    g_clear_pointer(&info->blocked_reasons, g_strfreev);
    g_clear_pointer(&info->socket_address, g_free);
}
