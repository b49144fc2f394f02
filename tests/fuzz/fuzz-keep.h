/*
 * fuzz-keep.h - a machine that stays from one input to the next, and is put back in between.
 *
 * Main thread.  Making a machine takes twenty milliseconds, putting it back a hundredth of that: it is reset, its
 * RAM becomes what it was, and each section is loaded with what it was.  What differs after that a reset has
 * left over, which the next try of a real destination would meet too: the fuzzer stops there.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_TESTS_FUZZ_KEEP_H
#define GODWIT_TESTS_FUZZ_KEEP_H

#include "fuzz-sections.h"
#include "migration/migration.h"
#include "system/memory.h"

#define FUZZ_BIG_SECTION 8192

typedef struct FuzzPage {
    RAMBlock *block;
    ram_addr_t offset;
    uint8_t bytes[TARGET_PAGE_SIZE];
} FuzzPage;

typedef struct FuzzKept {
    Machine *m;
    FuzzSections sections;
    GByteArray *fresh[FUZZ_MAX_SECTIONS];   /* what each section was */
    GPtrArray *pages;                       /* FuzzPage: those that were not zero */
    unsigned harts;
    bool modern;
} FuzzKept;

static inline void fuzz_keep_pages(FuzzKept *k)
{
    for (RAMBlock *block = ram_block_first(k->m); block; block = block->next) {
        /* Few pages are touched, one by one. */
        madvise(block->host, block->used_length, MADV_NOHUGEPAGE);
        for (ram_addr_t at = 0; at < block->used_length; at += TARGET_PAGE_SIZE) {
            const uint8_t *page = block->host + at;
            if (page[0] || memcmp(page, page + 1, TARGET_PAGE_SIZE - 1)) {
                FuzzPage *copy = g_new(FuzzPage, 1);
                *copy = (FuzzPage) { .block = block, .offset = at };
                memcpy(copy->bytes, page, TARGET_PAGE_SIZE);
                g_ptr_array_add(k->pages, copy);
            }
        }
    }
}

/* Made at the first call. The lock is held on return, and the machine waits for one to arrive. */
static inline void fuzz_keep_begin(FuzzKept *k, unsigned harts, bool modern)
{
    if (k->m) {
        machine_lock(k->m);
    } else {
        k->m = fuzz_machine_new(harts, modern);
        k->pages = g_ptr_array_new_with_free_func(g_free);
        fuzz_keep_pages(k);
        k->sections.count = 0;
        savevm_foreach(k->m, fuzz_add_section, &k->sections);
        for (unsigned i = 0; i < k->sections.count; i++) {
            k->fresh[i] = fuzz_save(&k->sections.list[i]);
        }
    }
    if (!migration_incoming_prepare(migration_of(k->m), NULL)) {
        g_error("the machine does not wait");
    }
}

static inline void fuzz_keep_restore_pages(FuzzKept *k)
{
    for (RAMBlock *block = ram_block_first(k->m); block; block = block->next) {
        madvise(block->host, block->used_length, MADV_DONTNEED);
    }
    for (guint i = 0; i < k->pages->len; i++) {
        const FuzzPage *page = k->pages->pdata[i];
        memcpy(page->block->host + page->offset, page->bytes, TARGET_PAGE_SIZE);
    }
}

static inline void fuzz_keep_restore_section(const SaveStateInfo *info, const GByteArray *fresh)
{
    g_autofree char *text = NULL;
    if (!fuzz_load(info, fresh, &text)) {
        g_error("after a reset %s does not load what it was: %s", info->idstr, text);
    }
}

static inline void fuzz_keep_check_section(const SaveStateInfo *info, const GByteArray *fresh)
{
    GByteArray *now = fuzz_save(info);
    guint at = 0;
    while (at < MIN(now->len, fresh->len) && now->data[at] == fresh->data[at]) {
        at++;
    }
    if (at < MAX(now->len, fresh->len)) {
        g_error("a reset leaves something over in %s, at byte %u of %u", info->idstr, at, fresh->len);
    }
    g_byte_array_unref(now);
}

/*
 * Big sections (a modern transport's, 27 KB) take as much time as all the others: one that is not named in the
 * input has not changed, unless the machine ran.
 */
static inline bool fuzz_keep_may_differ(const FuzzKept *k, unsigned i, const FuzzBytes *in)
{
    const char *name = k->sections.list[i].idstr;
    return !in || k->fresh[i]->len < FUZZ_BIG_SECTION || memmem(in->data, in->size, name, strlen(name));
}

/*
 * Serves what has been put off, and makes the machine what it was. in: what was loaded, or NULL if it has also run.
 * Drops the lock.
 */
static inline void fuzz_keep_end(FuzzKept *k, const FuzzBytes *in)
{
    Machine *m = k->m;
    machine_unlock(m);
    while (main_loop_iterate(m->loop, false)) {
    }
    machine_lock(m);
    runstate_set(m, RUN_STATE_PAUSED, NULL);
    system_reset(m, SHUTDOWN_CAUSE_NONE);
    fuzz_keep_restore_pages(k);
    for (unsigned i = 0; i < k->sections.count; i++) {
        if (fuzz_keep_may_differ(k, i, in)) {
            fuzz_keep_restore_section(&k->sections.list[i], k->fresh[i]);
            fuzz_keep_check_section(&k->sections.list[i], k->fresh[i]);
        }
    }
    machine_unlock(m);
}

#endif
