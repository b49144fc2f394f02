/*
 * notifier.c - who is told that a migration begins and how it ended.
 *
 * Floor F5; nothing is below it.  Main thread, machine lock held.
 * Invariant: whoever agreed to SETUP hears DONE or FAILED exactly once afterwards.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "migration/migration-internal.h"

void migration_add_notifier(MigrationState *s, MigrationNotifyFunc *func, void *opaque)
{
    MigrationNotifier notifier = { .func = func, .opaque = opaque };
    g_array_append_val(s->notifiers, notifier);
}

void migration_remove_notifier(MigrationState *s, MigrationNotifyFunc *func, void *opaque)
{
    for (guint i = 0; i < s->notifiers->len; i++) {
        const MigrationNotifier *n = &g_array_index(s->notifiers, MigrationNotifier, i);
        if (n->func == func && n->opaque == opaque) {
            g_array_remove_index(s->notifiers, i);
            return;
        }
    }
}

bool migration_notify(MigrationState *s, MigrationEventType event, Error **errp)
{
    /* One that is told may remove itself, or others. */
    g_autoptr(GArray) told = g_array_copy(s->notifiers);
    for (guint i = 0; i < told->len; i++) {
        MigrationNotifier n = g_array_index(told, MigrationNotifier, i);
        if (n.func(n.opaque, event, event == MIG_EVENT_SETUP ? errp : NULL) || event != MIG_EVENT_SETUP) {
            continue;
        }
        while (i-- > 0) {
            n = g_array_index(told, MigrationNotifier, i);
            n.func(n.opaque, MIG_EVENT_FAILED, NULL);
        }
        return false;
    }
    return true;
}
