/*
 * page-cache.c - the versions of pages that the other side has: each page has one place, chosen by its key.
 *
 * Floor F4; below it nothing.  One thread at a time.
 * Invariant: a place whose key is not 0 holds the page that was filled in for that key.
 *
 * A guest that writes more pages in turn than there are places would find none of them if each took the place
 * of another before that comes again. So who is there and in use stays, and the rest is sent whole.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "migration/page-cache.h"

#include <glib.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>

#include "system/memory.h"

/* Rounds for which a page that is not used keeps its place. */
#define LIFETIME 2

typedef struct Place {
    uint64_t key;
    uint32_t round;             /* last used */
} Place;

struct PageCache {
    uint64_t count;             /* places; a power of two */
    Place *places;
    uint8_t *pages;
};

/* Memory from the host is taken when it is first touched: a large cache of a small guest costs little. */
static bool allocate(PageCache *cache, uint64_t bytes, Error **errp)
{
    g_assert(bytes >= TARGET_PAGE_SIZE && (bytes & (bytes - 1)) == 0);
    cache->count = bytes / TARGET_PAGE_SIZE;
    cache->pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    cache->places = cache->pages != MAP_FAILED ? g_try_new0(Place, cache->count) : NULL;
    if (!cache->places) {
        if (cache->pages != MAP_FAILED) {
            munmap(cache->pages, bytes);
        }
        error_setg(errp, "there is no memory for a page cache of %" PRIu64 " bytes", bytes);
        return false;
    }
    return true;
}

static void release(PageCache *cache)
{
    munmap(cache->pages, page_cache_bytes(cache));
    g_free(cache->places);
}

PageCache *page_cache_new(uint64_t bytes, Error **errp)
{
    PageCache fresh;
    return allocate(&fresh, bytes, errp) ? g_memdup2(&fresh, sizeof(fresh)) : NULL;
}

void page_cache_free(PageCache *cache)
{
    if (cache) {
        release(cache);
        g_free(cache);
    }
}

uint64_t page_cache_bytes(const PageCache *cache)
{
    return cache->count * TARGET_PAGE_SIZE;
}

/* Keys of neighbours are neighbours: a run of pages as long as the cache has a place for each. */
static uint64_t place_of(const PageCache *cache, uint64_t key)
{
    return key & (cache->count - 1);
}

static uint8_t *page_at(const PageCache *cache, uint64_t place)
{
    return cache->pages + place * TARGET_PAGE_SIZE;
}

uint8_t *page_cache_find(PageCache *cache, uint64_t key, uint32_t round)
{
    uint64_t at = place_of(cache, key);
    if (cache->places[at].key != key) {
        return NULL;
    }
    cache->places[at].round = round;
    return page_at(cache, at);
}

uint8_t *page_cache_insert(PageCache *cache, uint64_t key, uint32_t round)
{
    uint64_t at = place_of(cache, key);
    Place *place = &cache->places[at];
    if (place->key && round - place->round < LIFETIME) {
        return NULL;
    }
    *place = (Place){ .key = key, .round = round };
    return page_at(cache, at);
}

bool page_cache_resize(PageCache *cache, uint64_t bytes, Error **errp)
{
    PageCache fresh;
    if (!allocate(&fresh, bytes, errp)) {
        return false;
    }
    for (uint64_t i = 0; i < cache->count; i++) {
        const Place *from = &cache->places[i];
        Place *to = &fresh.places[place_of(&fresh, from->key)];
        if (from->key && (!to->key || from->round > to->round)) {
            *to = *from;
            memcpy(page_at(&fresh, place_of(&fresh, from->key)), page_at(cache, i), TARGET_PAGE_SIZE);
        }
    }
    release(cache);
    *cache = fresh;
    return true;
}
