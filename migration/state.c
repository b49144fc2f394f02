/*
 * state.c - the status of a migration: which changes are legal, and the one way to make them.
 *
 * Floor F5; below it the main loop's news.  Any thread; the status is one atomic word.
 * Invariant: the status only ever moves along an edge of the table, and whoever wins the compare-and-swap is
 * the one who may act on it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "migration/migration-internal.h"
#include "trace/migration.h"

static const char *const status_names[MIGRATION_STATUS__MAX] = {
    [MIGRATION_STATUS_NONE] = "none",
    [MIGRATION_STATUS_SETUP] = "setup",
    [MIGRATION_STATUS_ACTIVE] = "active",
    [MIGRATION_STATUS_PRE_SWITCHOVER] = "pre-switchover",
    [MIGRATION_STATUS_DEVICE] = "device",
    [MIGRATION_STATUS_COMPLETED] = "completed",
    [MIGRATION_STATUS_FAILED] = "failed",
    [MIGRATION_STATUS_CANCELLING] = "cancelling",
    [MIGRATION_STATUS_CANCELLED] = "cancelled",
};

#define TO(name) (1u << MIGRATION_STATUS_##name)

/* Row: from; bits: to. */
static const unsigned outgoing_edges[] = {
    [MIGRATION_STATUS_NONE] = TO(SETUP),
    [MIGRATION_STATUS_SETUP] = TO(ACTIVE) | TO(FAILED) | TO(CANCELLING),
    [MIGRATION_STATUS_ACTIVE] = TO(PRE_SWITCHOVER) | TO(DEVICE) | TO(FAILED) | TO(CANCELLING),
    [MIGRATION_STATUS_PRE_SWITCHOVER] = TO(DEVICE) | TO(FAILED) | TO(CANCELLING),
    [MIGRATION_STATUS_DEVICE] = TO(COMMITTED) | TO(FAILED) | TO(CANCELLING),
    /* The destination may have said no, or nothing. */
    [MIGRATION_STATUS_COMMITTED] = TO(COMPLETED) | TO(FAILED),
    [MIGRATION_STATUS_CANCELLING] = TO(CANCELLED),
    [MIGRATION_STATUS_COMPLETED] = TO(SETUP),
    [MIGRATION_STATUS_FAILED] = TO(SETUP),
    [MIGRATION_STATUS_CANCELLED] = TO(SETUP),
};

static const unsigned incoming_edges[] = {
    [MIGRATION_STATUS_NONE] = TO(SETUP),
    [MIGRATION_STATUS_SETUP] = TO(ACTIVE) | TO(FAILED),
    [MIGRATION_STATUS_ACTIVE] = TO(COMPLETED) | TO(FAILED),
    [MIGRATION_STATUS_COMPLETED] = TO(SETUP),
    [MIGRATION_STATUS_FAILED] = TO(SETUP),
    [MIGRATION_STATUS_CANCELLED] = TO(SETUP),
    [MIGRATION_STATUS_COMMITTED] = 0,
};

const char *migration_status_name(MigrationStatus status)
{
    if (status == MIGRATION_STATUS_COMMITTED) {
        status = MIGRATION_STATUS_DEVICE;
    }
    return (unsigned)status < MIGRATION_STATUS__MAX ? status_names[status] : "invalid";
}

bool migration_status_is_running(int status)
{
    return status != MIGRATION_STATUS_NONE && status != MIGRATION_STATUS_COMPLETED &&
           status != MIGRATION_STATUS_FAILED && status != MIGRATION_STATUS_CANCELLED;
}

bool migration_edge_is_legal(bool incoming, int from, int to)
{
    if (from < 0 || from > MIGRATION_STATUS_COMMITTED || to < 0 || to > MIGRATION_STATUS_COMMITTED) {
        return false;
    }
    return (incoming ? incoming_edges : outgoing_edges)[from] & (1u << to);
}

int migration_status_now(const MigrationState *s)
{
    return atomic_load(&s->status);
}

bool migration_set_status(MigrationState *s, int from, int to)
{
    int expected = from;
    if (!migration_edge_is_legal(atomic_load(&s->incoming), from, to) ||
        !atomic_compare_exchange_strong(&s->status, &expected, to)) {
        return false;
    }
    trace_migration_status(migration_status_name(from), migration_status_name(to));
    if (s->surface && to != MIGRATION_STATUS_COMMITTED) {
        s->surface->status(s->surface_opaque, to);
    }
    return true;
}

void migration_set_terminal(MigrationState *s, MigrationStatus end)
{
    int now;
    do {
        now = migration_status_now(s);
        if (!migration_status_is_running(now)) {
            return;
        }
    } while (!migration_set_status(s, now,
                                   now == MIGRATION_STATUS_CANCELLING ? MIGRATION_STATUS_CANCELLED : end));
}
