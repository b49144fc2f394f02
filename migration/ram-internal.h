/*
 * ram-internal.h - the RAM section's state, shared by its saving and its loading half.
 *
 * Floor F4, private to migration/ram*.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_RAM_INTERNAL_H
#define MIGRATION_RAM_INTERNAL_H

#include "migration/ram.h"

typedef struct RAMMigration RAMMigration;

/*
 * How pages become records. Chosen once, at setup; the page loops ask no option. All callbacks are required,
 * and all but cleanup are the migration thread's.
 */
typedef struct RAMSender {
    const char *name;
    bool shrinks;               /* a page may take fewer bytes on the stream, and work: ram-pace.c watches that */
    /* May allocate r->sender_state and start threads. */
    bool (*setup)(RAMMigration *r, Error **errp);
    /* The batch's bits are clear already: whatever is read from now on may be sent. Counts what it sends. */
    bool (*send_batch)(RAMMigration *r, RAMWire *w, const RAMBatch *batch, Error **errp);
    /*
     * Before each EOS. last: the round is over, and every batch that was taken must stand in the stream; the
     * same page may come again afterwards.
     */
    bool (*end_piece)(RAMMigration *r, RAMWire *w, bool last, Error **errp);
    /* After a setup that failed, too; ends threads, frees r->sender_state. Main thread. */
    void (*cleanup)(RAMMigration *r);
} RAMSender;

extern const RAMSender ram_sender_plain;        /* ram-save.c */
extern const RAMSender ram_sender_runs;         /* ram-runs.c */
extern const RAMSender ram_sender_xbzrle;       /* ram-xbzrle.c */
extern const RAMSender ram_sender_direct;       /* ram-direct.c */
extern const RAMSender ram_sender_compress;     /* ram-compress.c */

typedef struct RAMDecompress RAMDecompress;

/* Pages that were not zero, bytes of the stream, time: since the beginning, or of a round. */
typedef struct RAMPaceMark {
    uint64_t pages, bytes;
    int64_t ns;
} RAMPaceMark;

typedef struct RAMPace {
    RAMPaceMark round;          /* that goes on */
    RAMPaceMark last, before;   /* the last two that told something; no pages: none */
} RAMPace;

/* Machine.ram_migration; lives as long as the machine. */
struct RAMMigration {
    Machine *machine;
    RAMCounters counters;       /* atomic: any thread reads them */
    RAMSaveConfig config;       /* of the next or present run; plain after each */
    const RAMSender *sender;    /* with sender_state: between save_setup and save_cleanup */
    void *sender_state;
    MigrationChannel *channel;  /* that a run's stream goes over; NULL: a file of another kind */
    _Atomic uint64_t cache_bytes;   /* xbzrle: the size that is wanted now */
    RAMPace pace;
    RAMRun run;                 /* runs: the one that is open; no pages: none */
    bool bulk;                  /* the first round: nothing has been sent twice yet */
    RAMDirty *dirty;            /* between save_setup and save_cleanup */
    int64_t last_sync_ns;       /* for the dirty rate */
    RAMLoadConfig load_config;  /* of the next load */
    MigrationChannel *load_channel;     /* between load_setup and load_cleanup, if it has direct memory */
    RAMDecompress *decompress;  /* from a load's first compressed page to load_cleanup */
    RAMBlock *loaded_block;     /* the incoming stream's last record was of this block */
    bool stopped;               /* the last section: what goes out has to be the last word */
    bool standing;              /* the machine stands still: bytes count as downtime's */
};

/* Bytes that have gone onto the stream. */
void ram_count_bytes(RAMMigration *r, uint64_t bytes);
static inline void ram_count(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

/* ram-direct.c, on the destination: nothing without a channel that has direct memory. */
bool ram_direct_offer(RAMMigration *r, QEMUFile *f, Error **errp);
void ram_direct_withdraw(RAMMigration *r);
bool ram_direct_load_hook(RAMMigration *r, const RAMRecord *record, Error **errp);

/* ram-save.c */
bool ram_save_setup(QEMUFile *f, void *opaque, Error **errp);
bool ram_save_iterate(QEMUFile *f, void *opaque, bool *done, Error **errp);
uint64_t ram_save_pending(void *opaque, bool exact);
bool ram_save_complete(QEMUFile *f, void *opaque, Error **errp);
void ram_save_cleanup(void *opaque);

/* ram-pace.c: around each piece, and when the dirty pages have been counted; bulk: it was the first round */
RAMPaceMark ram_pace_mark(const RAMMigration *r);
void ram_pace_add(RAMMigration *r, const RAMPaceMark *begin);
void ram_pace_end_round(RAMMigration *r, bool bulk);

/* ram-load.c */
bool ram_load_setup(QEMUFile *f, void *opaque, Error **errp);
/* False, with *errp set, if the stream has ended inside of the record's data. */
bool ram_load_page_is_whole(QEMUFile *f, const RAMRecord *record, Error **errp);
bool ram_load_state(QEMUFile *f, void *opaque, int version_id, Error **errp);
void ram_load_cleanup(void *opaque);

/* ram-decompress.c; the incoming thread */

/* Reads a compressed page and sees to it that it is placed, in time. Makes r->decompress if there is none. */
bool ram_decompress_put(RAMMigration *r, QEMUFile *f, const RAMRecord *record, Error **errp);
/* Before any other record is placed: waits if a page under way may be one of its pages. */
bool ram_decompress_order(RAMDecompress *d, const RAMRecord *record, Error **errp);
/* Until all pages are placed. False, with *errp set, if one was none. */
bool ram_decompress_drain(RAMDecompress *d, Error **errp);
/* What is under way is dropped. NULL is allowed. */
void ram_decompress_free(RAMDecompress *d);

#endif
