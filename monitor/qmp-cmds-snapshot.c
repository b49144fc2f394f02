/*
 * qmp-cmds-snapshot.c - snapshots by QMP: arguments to calls, entries to JSON.
 *
 * Floor F6; below it the migration's control floor.  Main loop's thread, machine lock held.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "migration/migration.h"
#include "migration/snapshot.h"
#include "monitor/monitor-internal.h"
#include "qapi/qapi-commands.h"
#include "system/clock.h"
#include "system/machine.h"

/* NULL, with *errp set, in a monitor without a machine. */
static MigrationState *state_of(QmpContext *ctx, Error **errp)
{
    MigrationState *s = ctx->machine ? ctx->machine->migration : NULL;
    if (!s) {
        error_setg(errp, "this monitor has no machine that could be saved");
    }
    return s;
}

bool qmp_x_snapshot_save(QmpContext *ctx, const XSnapshotSaveArgs *args, Error **errp)
{
    MigrationState *s = state_of(ctx, errp);
    return s && snapshot_save(s, args->name, args->has_overwrite && args->overwrite, errp);
}

bool qmp_x_snapshot_load(QmpContext *ctx, const XSnapshotLoadArgs *args, Error **errp)
{
    MigrationState *s = state_of(ctx, errp);
    return s && snapshot_load(s, args->name, errp);
}

bool qmp_x_snapshot_delete(QmpContext *ctx, const XSnapshotDeleteArgs *args, Error **errp)
{
    MigrationState *s = state_of(ctx, errp);
    return s && snapshot_delete(s, args->name, errp);
}

static SnapshotInfo *info_of(const SnapshotEntry *entry)
{
    SnapshotInfo *info = g_new0(SnapshotInfo, 1);
    SnapshotDiskInfoList **tail = &info->disks;
    info->name = g_strdup(entry->name);
    info->broken = g_strdup(entry->broken);
    info->vm_state_size = entry->vm_size;
    info->date_sec = entry->date_ns / NANOSECONDS_PER_SECOND;
    info->date_nsec = entry->date_ns % NANOSECONDS_PER_SECOND;
    info->vm_clock_sec = entry->vm_clock_ns / NANOSECONDS_PER_SECOND;
    info->vm_clock_nsec = entry->vm_clock_ns % NANOSECONDS_PER_SECOND;
    info->icount = entry->icount;
    for (guint i = 0; i < entry->disks->len; i++) {
        const SnapshotDisk *disk = entry->disks->pdata[i];
        SnapshotDiskInfo *one = g_new0(SnapshotDiskInfo, 1);
        one->name = g_strdup(disk->name);
        one->node_name = g_strdup(disk->node_name);
        one->size = disk->size;
        QAPI_LIST_APPEND(tail, one);
    }
    return info;
}

bool qmp_x_query_snapshots(QmpContext *ctx, SnapshotInfoList **ret, Error **errp)
{
    MigrationState *s = state_of(ctx, errp);
    GPtrArray *list = s ? snapshot_list(s, errp) : NULL;
    SnapshotInfoList **tail = ret;
    if (!list) {
        return false;
    }
    for (guint i = 0; i < list->len; i++) {
        QAPI_LIST_APPEND(tail, info_of(list->pdata[i]));
    }
    g_ptr_array_unref(list);
    return true;
}
