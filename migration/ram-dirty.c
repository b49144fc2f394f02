/*
 * ram-dirty.c - which pages are left to send: one bitmap a block, filled by syncs, emptied by batches.
 *
 * Floor F4; below it system/memory's dirty bitmaps.  The migration thread alone uses a RAMDirty; no lock.
 * Invariant: a page whose bit is clear has been handed out, and its contents at that moment or later are
 * what was sent; a store since then is in the machine's dirty bitmap and comes back with the next sync.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <glib.h>
#include <string.h>

#include "migration/ram.h"
#include "system/machine.h"

#define WORD_BITS (8 * sizeof(unsigned long))

typedef struct DirtyBlock {
    RAMBlock *block;
    uint64_t pages;
    unsigned long *left;
} DirtyBlock;

struct RAMDirty {
    Machine *machine;
    GArray *blocks;             /* DirtyBlock, in the order of the machine's list */
    uint64_t count;             /* bits that are set */
    guint at_block;             /* where the scan goes on */
    uint64_t at_page;
};

static size_t words_of(uint64_t pages)
{
    return (pages + WORD_BITS - 1) / WORD_BITS;
}

static DirtyBlock *block_at(const RAMDirty *d, guint i)
{
    return &g_array_index(d->blocks, DirtyBlock, i);
}

RAMDirty *ram_dirty_new(Machine *m, Error **errp)
{
    RAMDirty *d = g_new0(RAMDirty, 1);
    d->machine = m;
    d->blocks = g_array_new(FALSE, TRUE, sizeof(DirtyBlock));
    for (RAMBlock *block = ram_block_first(m); block; block = block->next) {
        DirtyBlock db = { .block = block, .pages = block->used_length / TARGET_PAGE_SIZE };
        db.left = g_try_new0(unsigned long, words_of(db.pages));
        if (!db.left) {
            error_setg(errp, "there is no memory for the list of pages of \"%s\": %zu bytes", block->idstr,
                       words_of(db.pages) * sizeof(unsigned long));
            ram_dirty_free(d);
            return NULL;
        }
        for (uint64_t page = 0; page < db.pages; page++) {
            db.left[page / WORD_BITS] |= 1ul << page % WORD_BITS;
        }
        d->count += db.pages;
        g_array_append_val(d->blocks, db);
    }
    /* Everything is left to send anyhow: tracking may begin with clean pages. */
    ram_dirty_start(m, DIRTY_MEMORY_MIGRATION, false);
    return d;
}

void ram_dirty_free(RAMDirty *d)
{
    if (!d) {
        return;
    }
    ram_dirty_stop(d->machine, DIRTY_MEMORY_MIGRATION);
    for (guint i = 0; i < d->blocks->len; i++) {
        g_free(block_at(d, i)->left);
    }
    g_array_unref(d->blocks);
    g_free(d);
}

static void collect(RAMBlock *block, const unsigned long *bits, uint64_t npages, void *opaque)
{
    RAMDirty *d = opaque;
    for (guint i = 0; i < d->blocks->len; i++) {
        DirtyBlock *db = block_at(d, i);
        if (db->block != block) {
            continue;
        }
        for (size_t w = 0; w < words_of(MIN(npages, db->pages)); w++) {
            unsigned long fresh = bits[w] & ~db->left[w];
            db->left[w] |= fresh;
            d->count += (uint64_t)__builtin_popcountl(fresh);
        }
        return;
    }
}

void ram_dirty_sync(RAMDirty *d)
{
    ram_dirty_sync_and_clear(d->machine, DIRTY_MEMORY_MIGRATION, collect, d);
}

void ram_dirty_rewind(RAMDirty *d)
{
    d->at_block = 0;
    d->at_page = 0;
}

/* The first page at or after `page` whose bit is set; db->pages if there is none. */
static uint64_t next_left(const DirtyBlock *db, uint64_t page)
{
    while (page < db->pages) {
        unsigned long word = db->left[page / WORD_BITS] >> page % WORD_BITS;
        if (word) {
            return page + (uint64_t)__builtin_ctzl(word);
        }
        page = (page / WORD_BITS + 1) * WORD_BITS;
    }
    return db->pages;
}

bool ram_dirty_next(RAMDirty *d, RAMBatch *batch)
{
    batch->count = 0;
    for (; d->at_block < d->blocks->len; d->at_block++, d->at_page = 0) {
        DirtyBlock *db = block_at(d, d->at_block);
        uint64_t page = next_left(db, d->at_page);
        while (page < db->pages && batch->count < RAM_BATCH_PAGES) {
            db->left[page / WORD_BITS] &= ~(1ul << page % WORD_BITS);
            batch->offset[batch->count++] = page * TARGET_PAGE_SIZE;
            page = next_left(db, page + 1);
        }
        if (batch->count) {
            batch->block = db->block;
            d->at_page = page;
            d->count -= batch->count;
            return true;
        }
    }
    return false;
}

uint64_t ram_dirty_bytes(const RAMDirty *d)
{
    return d->count * TARGET_PAGE_SIZE;
}
