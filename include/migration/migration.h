/*
 * migration.h - one machine's migration: start, cancel, continue, ask; the incoming side; small services.
 *
 * Floor F5's public face for the surface (F6) and for devices (blockers, notifiers).
 *
 *   none → setup → active → [pre-switchover] → device → completed
 *            │       │            │               │
 *            └───────┴──→ failed ←┴───────────────┤
 *            └───────┴──→ cancelling → cancelled  └→ (after GO: no cancel, no failure but doubt)
 *
 * Threads: the main thread starts, cancels and cleans up; the migration thread alone writes the outgoing
 * stream; the return-path thread alone reads the way back; the incoming thread loads. A terminal state is
 * set by the cleanup bottom half, after everything has been released. All functions here: main thread,
 * machine lock held.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_MIGRATION_MIGRATION_H
#define GODWIT_MIGRATION_MIGRATION_H

#include <stdbool.h>
#include <stdint.h>

#include "migration/channel.h"
#include "migration/options.h"
#include "util/error.h"

typedef struct Machine Machine;
typedef struct MigrationState MigrationState;

typedef enum MigrationStatus {
    MIGRATION_STATUS_NONE,
    MIGRATION_STATUS_SETUP,
    MIGRATION_STATUS_ACTIVE,
    MIGRATION_STATUS_PRE_SWITCHOVER,
    MIGRATION_STATUS_DEVICE,
    MIGRATION_STATUS_COMPLETED,
    MIGRATION_STATUS_FAILED,
    MIGRATION_STATUS_CANCELLING,
    MIGRATION_STATUS_CANCELLED,
    MIGRATION_STATUS__MAX,
} MigrationStatus;
const char *migration_status_name(MigrationStatus status);

/* Who has the machine after a switchover whose last word was lost. */
typedef enum MigrationHandover {
    MIGRATION_HANDOVER_NONE,        /* no switchover has come that far */
    MIGRATION_HANDOVER_CONFIRMED,   /* the destination said that it runs it */
    MIGRATION_HANDOVER_UNCONFIRMED, /* no way back: all bytes were written and the channel closed cleanly */
    MIGRATION_HANDOVER_IN_DOUBT,    /* GO or its answer was lost: nobody may start without an operator's word */
} MigrationHandover;

/* Made with the machine and freed with it. */
MigrationState *migration_new(Machine *m);
void migration_free(MigrationState *s);
/* The machine's; NULL for a bare one without layers. */
MigrationState *migration_of(Machine *m);
/*
 * Ends what runs, without the machine going on anywhere: the program is about to end. Lock not held; the main
 * loop does not run any more.
 */
void migration_shutdown(MigrationState *s);

/* What the lobby does for a migration; all required. Lock held. */
typedef struct MigrationHooks {
    bool (*inactivate_images)(Machine *m, Error **errp);
    bool (*activate_images)(Machine *m, Error **errp);
    void (*announce)(Machine *m);       /* once, on every NIC */
} MigrationHooks;
void migration_set_hooks(MigrationState *s, const MigrationHooks *hooks);

/* What becomes of the disks: they are shared, or they go too, whole or as far as their base image lacks it. */
typedef enum MigrationDisks {
    MIGRATION_DISKS_STAY,       /* or go, if the capability block says so */
    MIGRATION_DISKS_GO,
    MIGRATION_DISKS_INCREMENTAL,
} MigrationDisks;

/*
 * Starts an outgoing migration. Takes address. named_fd: the descriptor of fd:NAME, else -1; taken. An error
 * here has changed nothing, the last run's numbers included.
 */
bool migration_start(MigrationState *s, MigrationAddress *address, int named_fd, MigrationDisks disks, Error **errp);
/* Asks to cancel; returns at once. Refused, with the reason, after the point of no return. */
bool migration_cancel(MigrationState *s, Error **errp);
/* pause-before-switchover: goes on. status is what the caller believes the status to be. */
bool migration_continue(MigrationState *s, MigrationStatus status, Error **errp);
/* An operator's word on a handover in doubt: keep the machine here, or forget it. */
bool migration_settle(MigrationState *s, bool keep, Error **errp);

/* `cont` is about to let the machine run: takes the images back, or says why it must not run. */
bool migration_allow_run(MigrationState *s, Error **errp);

/* -incoming or migrate-incoming. Takes address. Returns once a peer can connect. */
bool migration_incoming_start(MigrationState *s, MigrationAddress *address, int named_fd, bool exit_on_error,
                              Error **errp);
/* -incoming, before the machine gets its disks: runstate inmigrate, and the images stay with the source. */
bool migration_incoming_prepare(MigrationState *s, Error **errp);
/* -incoming defer: migrate-incoming is awaited. */
bool migration_incoming_defer(MigrationState *s, Error **errp);

/* To read; they are set by migration_set_options(), which lets a running migration know. */
MigrationOptions *migration_options(MigrationState *s);
/* As migration_options_set(). */
bool migration_set_options(MigrationState *s, const json_t *values, bool capabilities, Error **errp);
/* False, with *errp set, if xbzrle's cache cannot have that size. */
bool migration_check_cache_size(MigrationState *s, uint64_t bytes, Error **errp);
bool migration_is_running(const MigrationState *s);

/* Everything that query-migrate shows; strings owned by the caller (migration_info_clear). */
typedef struct MigrationInfoData {
    MigrationStatus status;
    bool incoming;                  /* these are the numbers of a load */
    MigrationHandover handover;
    int64_t total_time_ms, setup_time_ms, downtime_ms, expected_downtime_ms;   /* -1: not known */
    bool has_ram;
    uint64_t transferred, remaining, total, duplicate, normal, normal_bytes, dirty_pages_rate,
        dirty_sync_count, precopy_bytes, downtime_bytes, pages_per_second;
    uint64_t disk_transferred, disk_remaining, disk_total;      /* bytes; total 0: no disk moves */
    double mbps;                    /* negative: not known yet */
    bool has_xbzrle;
    struct {
        uint64_t cache_size, bytes, pages, misses, overflows;
        double miss_rate, encoding_rate;        /* 0: not known yet */
    } xbzrle;
    bool has_compress;
    struct {
        uint64_t pages, busy, bytes;
        double busy_rate, rate;                 /* 0: not known yet */
    } compress;
    char *error_desc;
    char *hint;                 /* why it does not converge, or did not to its end; NULL: no such thing */
    char **blocked_reasons;         /* NULL-terminated or NULL */
    char *socket_address;           /* incoming: where it listens */
    unsigned cpu_throttle_percentage;
} MigrationInfoData;
void migration_query(MigrationState *s, MigrationInfoData *info);
void migration_info_clear(MigrationInfoData *info);

/* ---- small services ---- */

/*
 * A reason why this machine cannot move now. Takes reason. Refused (reason freed) while a migration runs or
 * where -only-migratable was given. *id identifies it for removal.
 */
bool migration_add_blocker(MigrationState *s, Error *reason, unsigned *id, Error **errp);
void migration_del_blocker(MigrationState *s, unsigned id);
/* From now on no blocker is let in. False if the machine has a device that cannot move. */
bool migration_set_only_migratable(MigrationState *s, Error **errp);

typedef enum MigrationEventType {
    MIG_EVENT_SETUP,            /* may veto with an error */
    MIG_EVENT_DONE,
    MIG_EVENT_FAILED,           /* failed or cancelled: the source goes on */
} MigrationEventType;
typedef bool MigrationNotifyFunc(void *opaque, MigrationEventType event, Error **errp);
void migration_add_notifier(MigrationState *s, MigrationNotifyFunc *func, void *opaque);
void migration_remove_notifier(MigrationState *s, MigrationNotifyFunc *func, void *opaque);

/* How F6 hears of changes. All required. */
typedef struct MigrationSurfaceOps {
    /* Any thread, with or without the lock; must not call back. */
    void (*status)(void *opaque, MigrationStatus status);
    void (*pass)(void *opaque, uint64_t pass);
    /* exit-on-error: the load has failed and the program shall end with that text. Main thread, lock held. */
    void (*incoming_failed)(void *opaque, const char *text);
} MigrationSurfaceOps;
void migration_set_surface(MigrationState *s, const MigrationSurfaceOps *ops, void *opaque);

/* Tells the network where each NIC is now (announce-self). */
void migration_announce_self(MigrationState *s);

#endif
