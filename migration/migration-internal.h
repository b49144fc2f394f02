/*
 * migration-internal.h - the control floor's own state: a machine's migration, one outgoing run, one incoming.
 *
 * Floor F5, private to migration/.
 *
 * What belongs to whom: MigrationState lives as long as the machine. A MigrationRun lives from migrate to the
 * cleanup bottom half; between them its migration thread owns all of it but `channel` and `error`, which
 * s->lock guards so that the main thread can shut the channel down. An Incoming likewise.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_INTERNAL_H
#define MIGRATION_INTERNAL_H

#include <glib.h>
#include <stdatomic.h>

#include "migration/converge.h"
#include "migration/migration.h"
#include "migration/qemu-file.h"
#include "migration/rate-limit.h"
#include "migration/savevm.h"
#include "system/clock.h"
#include "system/machine.h"
#include "system/runstate.h"

/*
 * One status more than the world sees: GO has been or is about to be written. It reads "device", but no edge
 * leads from it to cancelling.
 */
#define MIGRATION_STATUS_COMMITTED MIGRATION_STATUS__MAX

typedef struct MigrationRun MigrationRun;
typedef struct MigrationIncoming MigrationIncoming;
typedef struct ReturnPath ReturnPath;

/* Times of the last or present run; CLOCK_MONOTONIC ns, 0: not come yet. Any thread reads them. */
typedef struct MigrationTimes {
    _Atomic int64_t start_ns, active_ns, stop_ns, resume_ns, end_ns;
    _Atomic int64_t expected_downtime_ns;   /* DOWNTIME_UNKNOWN: not known */
    _Atomic uint64_t bytes_per_second;      /* sent lately; 0: not known */
    _Atomic uint64_t pages_per_second;
} MigrationTimes;

typedef struct MigrationBlocker {
    unsigned id;
    Error *reason;
} MigrationBlocker;

typedef struct MigrationNotifier {
    MigrationNotifyFunc *func;
    void *opaque;
} MigrationNotifier;

struct MigrationState {
    Machine *machine;
    MigrationOptions *options;
    atomic_int status;          /* MigrationStatus or COMMITTED; changes by migration_set_status() only */
    atomic_bool incoming;       /* status and numbers are those of a load */
    MigrationTimes times;
    const MigrationSurfaceOps *surface;
    void *surface_opaque;
    const MigrationHooks *hooks;
    struct Snapshots *snapshots;

    GMutex lock;                /* a leaf: guards error, hint, run->channel, in->channel */
    Error *error;               /* why the last run failed */
    char *hint;                 /* why the run does not converge, or did not */

    /* Main thread, machine lock held: */
    MigrationRun *run;          /* outgoing, from migrate to the cleanup */
    MigrationIncoming *in;      /* from migrate-incoming to the cleanup */
    MigrationHandover handover;
    bool in_doubt_here;         /* in doubt as the destination */
    RunState settle_state;      /* in doubt: what the machine was doing */
    bool settle_given, settle_keep;     /* the operator's word came before the doubt was certain */
    bool deferred;              /* -incoming defer: migrate-incoming is awaited */
    bool load_spoiled;          /* a failed load has left this machine in pieces: reset before the next */
    bool images_away;           /* the disk images are not this process's now */
    char *socket_address;
    GArray *blockers;           /* MigrationBlocker */
    unsigned next_blocker;
    bool only_migratable;
    GArray *notifiers;          /* MigrationNotifier */
    QEMUTimer *announce_timer;
    unsigned announce_left;
};

/* ---- state.c ---- */

bool migration_edge_is_legal(bool incoming, int from, int to);
/* Compare-and-swap along a legal edge; tells the surface. Any thread. False: the status was another. */
bool migration_set_status(MigrationState *s, int from, int to);
/* The present status, COMMITTED included. */
int migration_status_now(const MigrationState *s);
/* From wherever it is to the end: cancelled if it was being cancelled, else `end`. */
void migration_set_terminal(MigrationState *s, MigrationStatus end);
bool migration_status_is_running(int status);

/* ---- migration.c ---- */

struct MigrationRun {
    MigrationState *s;
    MigrationConfig config;
    SaveVMOptions save;
    MigrationAddress *address;
    int named_fd;
    int cancel_fd;              /* eventfd: readable from cancel on */
    GThread *thread;
    MigrationChannel *channel;  /* s->lock */
    bool shut;                  /* s->lock: the channel is or will be shut down */
    Error *error;               /* s->lock: the first */
    RateLimit *limit;           /* any thread */
    QEMUFile *file;
    ReturnPath *rp;             /* NULL: no way back */
    GMutex continue_lock;
    GCond continue_cond;
    RunState old_state;         /* before the machine was stopped */
    bool stopped;               /* this run has stopped the machine */
    bool images_given;
    bool completed, in_doubt;   /* how it ended; neither: failed or cancelled */
    MigrationHandover handover;
};

/* Remembers err unless there is one already; takes it. Any thread. */
void migration_run_set_error(MigrationRun *run, Error *err);
/* Makes the channel fail from now on, also one that is still to be opened. Any thread. */
void migration_run_shutdown(MigrationRun *run);
bool migration_run_is_shut(MigrationRun *run);
/* Makes one that waits in pre-switchover look whether it still has to. Any thread. */
void migration_run_wake(MigrationRun *run);
/* Images of the machine: given away and taken back. Lock held. */
bool migration_images_give(MigrationState *s, Error **errp);
bool migration_images_take(MigrationState *s, Error **errp);
void migration_reset_numbers(MigrationState *s);
int64_t migration_now(const MigrationState *s);

/* ---- migration-thread.c ---- */

/* The body of the migration thread; its last act is to schedule migration_cleanup_bh(). */
gpointer migration_thread(gpointer run);
void migration_cleanup_bh(void *run);

/* ---- return-path.c ---- */

typedef enum ReturnPathAnswer {
    RETURN_PATH_YES,
    RETURN_PATH_NO,             /* the destination has said that it does not have the machine */
    RETURN_PATH_LOST,           /* the channel ended */
} ReturnPathAnswer;

/* Reads from channel on a thread of its own; channel outlives it. */
ReturnPath *return_path_open(MigrationRun *run, MigrationChannel *channel, Error **errp);
/* False: nothing more comes, which *errp says how, and the run has been made to stop. */
bool return_path_is_open(ReturnPath *rp, Error **errp);
/* The channel has been shut down or the peer is done: joins and frees. NULL is allowed. */
void return_path_close(ReturnPath *rp);
/* Wait without bound but that of the channel's end. */
bool return_path_wait_ready(ReturnPath *rp, Error **errp);
ReturnPathAnswer return_path_wait_started(ReturnPath *rp, Error **errp);
/* Waits until every PING so far is answered, for ns at most. False: that is not so. */
bool return_path_wait_answers(ReturnPath *rp, int64_t ns);
/* The destination's own reason, waited for at most ms. False: it gave none. */
bool return_path_reason(ReturnPath *rp, unsigned ms, Error **errp);
/* PING id is sent behind bytes that were put from begin_ns on. False: too many are under way. */
bool return_path_expect(ReturnPath *rp, uint32_t id, uint64_t bytes, int64_t begin_ns);
/* From the PONGs. */
typedef struct ReturnPathSpeed {
    double bandwidth;           /* bytes/s; 0: not known yet */
    int64_t round_trip_ns;      /* the shortest answer; 0: not known yet */
    int64_t sampled_ns;         /* when the last answer to BANDWIDTH_SAMPLE_BYTES or more came; 0: none has */
    bool awaited;               /* such an answer is under way */
} ReturnPathSpeed;
ReturnPathSpeed return_path_speed(ReturnPath *rp);

/* ---- incoming.c ---- */

void migration_incoming_stop(MigrationIncoming *in);
/* cont: the machine of an incoming migration in doubt, or with images left alone, is to run. Lock held. */
bool migration_incoming_settle(MigrationState *s, bool keep, Error **errp);

/* ---- blocker.c, notifier.c, announce.c ---- */

/* False, with the reasons, if something forbids that the machine moves. */
bool migration_check_blockers(MigrationState *s, Error **errp);
char **migration_blocker_reasons(MigrationState *s);
void migration_blockers_free(MigrationState *s);
/* SETUP: false with the first veto, and those who had agreed are told FAILED. */
bool migration_notify(MigrationState *s, MigrationEventType event, Error **errp);
void migration_announce_stop(MigrationState *s);

/* ---- snapshot.c ---- */

struct Snapshots *snapshots_new(void);
void snapshots_free(struct Snapshots *s);

#endif
