/*
 * hmp-progress.c - migrate without -d: one line that is drawn again and again, and a last one that stays.
 *
 * Floor F6; below it the migration's numbers.  Main loop's thread, machine lock held.
 * Invariant: it only looks: the migration goes on whether somebody watches or not.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "migration/migration.h"
#include "monitor/hmp-internal.h"
#include "system/memory.h"
#include "system/runstate.h"

const char *hmp_size_text(char text[HMP_SIZE_TEXT], double bytes)
{
    static const char *const units[] = { "KiB", "MiB", "GiB", "TiB" };
    size_t unit = 0;
    for (bytes /= 1024; bytes >= 9999.5 && unit + 1 < G_N_ELEMENTS(units); unit++) {
        bytes /= 1024;
    }
    g_snprintf(text, HMP_SIZE_TEXT, bytes < 99.95 && bytes > 0 ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
    return text;
}

/* ---- the line that is drawn again ---- */

void hmp_print_progress(HmpContext *ctx, const MigrationInfoData *d)
{
    char a[HMP_SIZE_TEXT];
    if (d->incoming) {          /* how much is to come, only the source knows */
        hmp_printf(ctx, "%s have come", hmp_size_text(a, (double)d->transferred + (double)d->disk_transferred));
        return;
    }
    uint64_t total = d->total + d->disk_total, left = d->remaining + d->disk_remaining;
    hmp_printf(ctx, "%u %%", total ? (unsigned)(100 * (double)(total - MIN(left, total)) / (double)total) : 0);
    if (d->mbps >= 0) {
        hmp_printf(ctx, ", %s/s", hmp_size_text(a, d->mbps * 1e6 / 8));
    }
    hmp_printf(ctx, ", %s left", hmp_size_text(a, (double)left));
    hmp_printf(ctx, ", dirty %s/s", hmp_size_text(a, (double)d->dirty_pages_rate * TARGET_PAGE_SIZE));
    if (d->expected_downtime_ms >= 0) {
        hmp_printf(ctx, ", stop %" PRId64 " ms", d->expected_downtime_ms);
    }
    if (d->cpu_throttle_percentage) {
        hmp_printf(ctx, ", slowed %u %%", d->cpu_throttle_percentage);
    }
}

static void draw(HmpContext *ctx, const MigrationInfoData *d)
{
    hmp_printf(ctx, "\r%s", migration_status_name(d->status));
    if (d->has_ram && d->status == MIGRATION_STATUS_ACTIVE) {
        hmp_puts(ctx, " ");
        hmp_print_progress(ctx, d);
    } else if (d->total_time_ms >= 0) {
        hmp_printf(ctx, ", %.1f s", (double)d->total_time_ms / 1000);
    }
    hmp_puts(ctx, "\033[K");
}

/* ---- the line that stays ---- */

void hmp_print_result(HmpContext *ctx, const MigrationInfoData *d)
{
    char size[HMP_SIZE_TEXT], rate[HMP_SIZE_TEXT];
    double seconds = (double)MAX(d->total_time_ms, 1) / 1000;
    double bytes = (double)d->transferred + (double)d->disk_transferred;
    hmp_printf(ctx, "%.2f s: %s at %s/s", seconds, hmp_size_text(size, bytes), hmp_size_text(rate, bytes / seconds));
    if (!d->incoming) {
        hmp_printf(ctx, " in %" PRIu64 " rounds", d->dirty_sync_count);
    }
    if (d->downtime_ms >= 0) {
        hmp_printf(ctx, ", stopped for %" PRId64 " ms", d->downtime_ms);
    }
}

static void print_end(HmpContext *ctx, const MigrationInfoData *d)
{
    hmp_printf(ctx, "\r\033[K%s", migration_status_name(d->status));
    if (d->status == MIGRATION_STATUS_COMPLETED) {
        hmp_puts(ctx, " in ");
        hmp_print_result(ctx, d);
        hmp_puts(ctx, d->handover == MIGRATION_HANDOVER_UNCONFIRMED ? "; the destination could not confirm it" : "");
    } else if (d->total_time_ms >= 0) {
        hmp_printf(ctx, " after %.2f s", (double)d->total_time_ms / 1000);
    }
    if (d->error_desc) {
        hmp_printf(ctx, ": %s", d->error_desc);
    }
    if (d->handover == MIGRATION_HANDOVER_IN_DOUBT) {
        hmp_puts(ctx, "; the handover is in doubt: x_migrate_settle");
    } else if (d->status != MIGRATION_STATUS_COMPLETED && runstate_is_running(ctx->machine)) {
        hmp_puts(ctx, "; the machine runs on here");
    }
    hmp_puts(ctx, "\n");
    if (d->hint) {
        hmp_printf(ctx, "%s\n", d->hint);
    }
}

/* ---- the job ---- */

/* Stopped, and waiting for a word that has to be typed here or elsewhere. */
static void print_paused(HmpContext *ctx)
{
    hmp_puts(ctx, "\r\033[KThe machine has stopped for the last part: \"migrate_continue pre-switchover\" goes on, "
                  "\"migrate_cancel\" takes it back.\n");
}

static bool progress_tick(HmpContext *ctx, void *opaque)
{
    MigrationState *s = ctx->machine->migration;
    MigrationInfoData data;
    if (!s) {
        return true;
    }
    migration_query(s, &data);
    bool paused = data.status == MIGRATION_STATUS_PRE_SWITCHOVER, ended = !migration_is_running(s);
    if (paused) {
        print_paused(ctx);
    } else if (ended) {
        print_end(ctx, &data);
    } else {
        draw(ctx, &data);
    }
    migration_info_clear(&data);
    return paused || ended;
}

static void progress_interrupt(HmpContext *ctx, void *opaque)
{
    Error *err = NULL;
    if (!hmp_qmp(ctx, "migrate_cancel", NULL, NULL, &err)) {
        hmp_puts(ctx, "\r\033[K");
        hmp_report(ctx, err);
    }
}

bool hmp_migrate_wait(HmpContext *ctx)
{
    return hmp_wait(ctx, &(HmpJob){ .tick = progress_tick, .interrupt = progress_interrupt });
}
