/*
 * ram.h - guest RAM on its way: the rooms of floor F4 to each other.
 *
 * Floor F4, private to migration/.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_RAM_H
#define MIGRATION_RAM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "migration/qemu-file.h"
#include "system/memory.h"
#include "util/error.h"

/* Counters that any thread may read. */
typedef struct RAMCounters {
    _Atomic uint64_t transferred;       /* bytes on the stream that belong to RAM */
    _Atomic uint64_t duplicate;         /* zero pages */
    _Atomic uint64_t normal;            /* pages sent whole */
    _Atomic uint64_t remaining;         /* bytes known to be dirty */
    _Atomic uint64_t dirty_sync_count;
    _Atomic uint64_t dirty_pages_rate;  /* pages a second, between the last two syncs */
    _Atomic uint64_t total;             /* bytes of guest RAM */
    _Atomic uint64_t downtime_bytes;    /* sent while the machine stood still */
    _Atomic uint64_t cache_bytes;       /* xbzrle: size of the cache; 0: there is none */
    _Atomic uint64_t xbzrle_pages;      /* sent as differences, those without any included */
    _Atomic uint64_t xbzrle_bytes;      /* on the stream, for those */
    _Atomic uint64_t xbzrle_misses;     /* pages that were not in the cache */
    _Atomic uint64_t xbzrle_overflows;  /* pages whose difference was no gain */
    _Atomic uint64_t compress_threads;  /* 0: pages are not compressed */
    _Atomic uint64_t compress_pages;    /* sent compressed */
    _Atomic uint64_t compress_bytes;    /* on the stream, for those */
    _Atomic uint64_t compress_batches;  /* handed to threads, or meant to be */
    _Atomic uint64_t compress_busy;     /* of those, how often no thread was free */
} RAMCounters;
/* All but total, remaining and the marks of the machine back to 0: a run begins. */
void ram_counters_reset(RAMCounters *c);
/* Pages that have been dealt with, in whatever way. */
uint64_t ram_counters_pages(const RAMCounters *c);
/* This machine's; valid from registration on. */
RAMCounters *ram_counters(Machine *m);

/* What the sender of the next run shall do; const from its setup on. All zero: pages go whole. */
typedef struct RAMSaveConfig {
    bool runs;                  /* the destination knows runs of pages */
    bool xbzrle;                /* pages that go again are sent as differences */
    uint64_t cache_bytes;       /* xbzrle: a power of two, at least a page */
    bool pin_all;               /* a channel with direct memory: register all RAM at once */
    const struct PageCodec *codec;      /* pages are compressed with it; NULL: they are not */
    unsigned level, threads;    /* compress: 0 … 9, at least 1 */
    bool wait;                  /* compress: for a thread, if none is free; else the pages go whole */
} RAMSaveConfig;
/* What goes out from now on is sent while the machine stands still, or no longer. Migration thread. */
void ram_migration_set_standing(Machine *m, bool standing);
/* Just before savevm_state_setup(), which without it sends pages whole. Migration thread, lock held. */
void ram_migration_configure(Machine *m, const RAMSaveConfig *config);
/* What loads shall do, until it is said again. */
typedef struct RAMLoadConfig {
    bool pin_all;               /* as above */
    unsigned decompress_threads;        /* for compressed pages; 0: it has not been said */
} RAMLoadConfig;
/* Incoming thread. */
void ram_migration_configure_load(Machine *m, const RAMLoadConfig *config);
/* xbzrle: the cache's size from now on, in a run that goes on. As cache_bytes. Any thread. */
void ram_migration_set_cache_size(Machine *m, uint64_t bytes);
/*
 * *bytes of pages are left: what they would take on the stream, and *ns, how long they would be worked on, at least.
 * Migration thread, during a run.
 */
void ram_migration_expect(Machine *m, uint64_t *bytes, int64_t *ns);
/* Bytes of all RAM blocks. Lock held. */
uint64_t ram_total_bytes(Machine *m);

/* Registers RAM as a live section of m; undone before the machine is freed. Lock held. */
bool ram_mig_register(Machine *m, Error **errp);
void ram_mig_unregister(Machine *m);

/* ---- ram-dirty.c: which pages are left ---- */

typedef struct RAMDirty RAMDirty;
#define RAM_BATCH_PAGES 64

typedef struct RAMBatch {
    RAMBlock *block;
    unsigned count;
    ram_addr_t offset[RAM_BATCH_PAGES];     /* of each page, ascending */
} RAMBatch;

RAMDirty *ram_dirty_new(Machine *m, Error **errp);
void ram_dirty_free(RAMDirty *d);
/* Fetches the vCPUs' and devices' dirty bits into this run's bitmap. */
void ram_dirty_sync(RAMDirty *d);
/* The next pages that are left, whose bits are cleared; false: this round is over. */
bool ram_dirty_next(RAMDirty *d, RAMBatch *batch);
uint64_t ram_dirty_bytes(const RAMDirty *d);
/* The next batch begins with the first page again: a new round. */
void ram_dirty_rewind(RAMDirty *d);

/* ---- ram-wire.c: one record, both directions ---- */

typedef struct RAMWire {
    QEMUFile *f;
    RAMBlock *last_block;       /* of the record before; we name it anew in each section */
} RAMWire;

/* All return the number of bytes that went onto the stream. */
uint64_t ram_wire_put_zero(RAMWire *w, RAMBlock *block, ram_addr_t offset);
/* The bytes are read from guest RAM when the stream is flushed. */
uint64_t ram_wire_put_page(RAMWire *w, RAMBlock *block, ram_addr_t offset);
/* Pages that lie one behind the other, all of zeros or none. Only to a peer that knows MIG_CONFIG_GODWIT_RUNS. */
typedef struct RAMRun {
    RAMBlock *block;
    ram_addr_t offset;
    uint32_t pages;
    bool zero;
} RAMRun;
uint64_t ram_wire_put_run(RAMWire *w, const RAMRun *run);
/* As above, but the bytes are those at `bytes`, which stay what they are until the stream is flushed. */
uint64_t ram_wire_put_page_bytes(RAMWire *w, RAMBlock *block, ram_addr_t offset, const uint8_t *bytes);
uint64_t ram_wire_put_xbzrle(RAMWire *w, RAMBlock *block, ram_addr_t offset, const uint8_t *delta,
                             uint16_t len);
/* kind: RAM_GODWIT_HOOK_… */
uint64_t ram_wire_put_hook(RAMWire *w, uint8_t kind, uint64_t value);
uint64_t ram_wire_put_compressed(RAMWire *w, RAMBlock *block, ram_addr_t offset, const uint8_t *data,
                                 uint32_t len);
uint64_t ram_wire_put_eos(RAMWire *w);
uint64_t ram_wire_put_sizes(RAMWire *w, Machine *m);

typedef struct RAMRecord {
    unsigned flags;
    RAMBlock *block;            /* of a page */
    ram_addr_t offset;
    uint32_t pages;             /* ZERO, PAGE: so many from offset on, all inside of the block */
    uint8_t fill;               /* ZERO */
    uint32_t length;            /* XBZRLE: at most a page; COMPRESS_PAGE: at most PAGE_CODEC_MAX */
    uint8_t hook;               /* HOOK: its kind */
    uint64_t value;             /* HOOK */
} RAMRecord;
/* Reads the next record's head, block and offset checked against this machine. Data follows in f. */
bool ram_wire_get(RAMWire *w, Machine *m, RAMRecord *record, Error **errp);
bool ram_wire_get_sizes(RAMWire *w, Machine *m, uint64_t total, Error **errp);

/* zero.c: true if the page holds nothing but zero bytes. */
bool page_is_zero(const void *page);
/* The same for a page of guest RAM, which is not read if it has never been written. */
bool ram_page_is_zero(const RAMBlock *block, ram_addr_t offset);

#endif
