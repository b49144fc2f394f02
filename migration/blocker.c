/*
 * blocker.c - reasons why a machine cannot move now.
 *
 * Floor F5; below it the section registry.  Main thread, machine lock held.
 * Invariant: while a migration runs, the list does not grow.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "migration/migration-internal.h"

static MigrationBlocker *blocker_at(const MigrationState *s, guint i)
{
    return &g_array_index(s->blockers, MigrationBlocker, i);
}

bool migration_add_blocker(MigrationState *s, Error *reason, unsigned *id, Error **errp)
{
    const char *why = s->only_migratable         ? "-only-migratable was given"
                      : migration_is_running(s) ? "a migration runs"
                                                 : NULL;
    if (why) {
        error_setg(errp, "%s: not allowed since %s", error_get_pretty(reason), why);
        error_free(reason);
        return false;
    }
    MigrationBlocker blocker = { .id = ++s->next_blocker, .reason = reason };
    g_array_append_val(s->blockers, blocker);
    *id = blocker.id;
    return true;
}

void migration_del_blocker(MigrationState *s, unsigned id)
{
    for (guint i = 0; i < s->blockers->len; i++) {
        if (blocker_at(s, i)->id == id) {
            error_free(blocker_at(s, i)->reason);
            g_array_remove_index(s->blockers, i);
            return;
        }
    }
}

bool migration_set_only_migratable(MigrationState *s, Error **errp)
{
    s->only_migratable = true;
    return migration_check_blockers(s, errp);
}

char **migration_blocker_reasons(MigrationState *s)
{
    g_autoptr(GPtrArray) reasons = g_ptr_array_new();
    g_autoptr(Error) device = NULL;
    if (savevm_state_blocked(s->machine, &device)) {
        g_ptr_array_add(reasons, g_strdup(error_get_pretty(device)));
    }
    for (guint i = 0; i < s->blockers->len; i++) {
        g_ptr_array_add(reasons, g_strdup(error_get_pretty(blocker_at(s, i)->reason)));
    }
    if (reasons->len == 0) {
        return NULL;
    }
    g_ptr_array_add(reasons, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&reasons), FALSE);
}

bool migration_check_blockers(MigrationState *s, Error **errp)
{
    g_auto(GStrv) reasons = migration_blocker_reasons(s);
    if (!reasons) {
        return true;
    }
    g_autofree char *text = g_strjoinv("; ", reasons);
    error_setg(errp, "%s", text);
    return false;
}

void migration_blockers_free(MigrationState *s)
{
    for (guint i = 0; i < s->blockers->len; i++) {
        error_free(blocker_at(s, i)->reason);
    }
    g_array_unref(s->blockers);
}
