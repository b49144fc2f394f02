/*
 * page-cache.h - the versions of pages that the other side has, as many as fit.
 *
 * Floor F4.  One thread uses a cache at a time.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_PAGE_CACHE_H
#define MIGRATION_PAGE_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "util/error.h"

typedef struct PageCache PageCache;

/* bytes: a power of two, at least a page. NULL, with *errp set, if there is no memory. */
PageCache *page_cache_new(uint64_t bytes, Error **errp);
void page_cache_free(PageCache *cache);
uint64_t page_cache_bytes(const PageCache *cache);
/*
 * The page that was inserted with that key (any number but 0), or NULL. It counts as used in that round; rounds
 * are numbered upwards.
 */
uint8_t *page_cache_find(PageCache *cache, uint64_t key, uint32_t round);
/*
 * A place for a page that is not there; the caller fills it. NULL: it is taken by one that was used in this round
 * or the last, which is worth more. A place stays what it is for the round in which it was found or inserted.
 */
uint8_t *page_cache_insert(PageCache *cache, uint64_t key, uint32_t round);
/* Another size; pages that still have a place stay. All places become others. On failure nothing changes. */
bool page_cache_resize(PageCache *cache, uint64_t bytes, Error **errp);

#endif
