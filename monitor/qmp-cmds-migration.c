/*
 * qmp-cmds-migration.c - the migration capabilities, as far as the monitor itself has them.
 *
 * Floor F6; below it the hub.  Main loop's thread, machine lock held.
 * Invariant: the only capability is 'events', which says whether clients want MIGRATION events.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "monitor/hub.h"
#include "qapi/qapi-commands.h"

bool qmp_query_migrate_capabilities(QmpContext *ctx, MigrationCapabilityStatusList **ret,
                                    Error **errp)
{
    MigrationCapabilityStatus *events = g_new0(MigrationCapabilityStatus, 1);
    events->capability = MIGRATION_CAPABILITY_EVENTS;
    events->state = monitor_hub_migrate_events(ctx->hub);
    QAPI_LIST_PREPEND(*ret, events);
    return true;
}

bool qmp_migrate_set_capabilities(QmpContext *ctx, const MigrateSetCapabilitiesArgs *args,
                                  Error **errp)
{
    for (MigrationCapabilityStatusList *c = args->capabilities; c; c = c->next) {
        monitor_hub_set_migrate_events(ctx->hub, c->value->state);
    }
    return true;
}
