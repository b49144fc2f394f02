/*
 * mmu.c - the slow paths of loads, stores, atomics and instruction fetch.
 *
 * Lobby (target/riscv).  Runs on the hart's thread, machine lock not held; devices take it themselves.
 * Invariant: the TLB gets a page only if all of it is RAM with the same rights for the context, and its
 * a write entry only after every dirty bit of the page is set; the bits are set before the store, with no
 * boundary between instructions in between (system/memory.h).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "mmu.h"

/* The privilege that data accesses have: mstatus.MPRV lends M another one. */
static Priv mmu_data_priv(const Hart *h)
{
    return h->priv == PRIV_M && (h->mstatus & MSTATUS_MPRV) ? (Priv)(h->mstatus >> 11 & 3)
                                                            : (Priv)h->priv;
}

/* Fills place for [pa, pa + 1); a ROM page has host only for reads. False: nothing there. */
static bool mmu_locate(Hart *h, hwaddr pa, Access acc, Place *place)
{
    MemoryRegion *r = memory_find(h->cpu.machine, pa);

    place->phys = pa;
    place->host = NULL;
    place->block = NULL;
    if (!r) {
        return false;
    }
    bool readable = r->block && (!r->ops || r->romd);
    if (acc == ACCESS_WRITE ? r->block && !r->readonly : readable) {
        place->block = r->block;
        place->offset = r->block_offset + (pa - r->base);
        place->host = r->block->host + place->offset;
    }
    return true;
}

/* Enters the page into the TLB as far as it may be. */
static void mmu_fill(Hart *h, uint64_t va, const Place *place, bool write)
{
    unsigned n = va >> TARGET_PAGE_BITS & (TLB_SIZE - 1);
    TlbEntry entry = {.tag = va & TARGET_PAGE_MASK, .addend = (uintptr_t)place->host - va};

    if (!write) {
        h->tlb->read[n] = entry;
    } else if (ram_block_page_all_dirty(place->block, place->offset)) {
        h->tlb->write[n] = entry;
    }
}

/* Region and page both hold the whole 4 KiB around: block offsets are page-aligned where pages are. */
static bool mmu_whole_page(const Place *place)
{
    return ((place->phys ^ place->offset) & ~TARGET_PAGE_MASK) == 0 &&
           (place->offset & TARGET_PAGE_MASK) + TARGET_PAGE_SIZE <= place->block->used_length;
}

/*
 * Translates and checks an access that stays on one page; marks RAM dirty for a store; fills the TLB.
 */
static bool mmu_access(Hart *h, uint64_t va, unsigned len, Access acc, Place *place)
{
    Priv priv = mmu_data_priv(h);
    hwaddr pa;

    if (!walk_translate(h, va, acc, priv, &pa)) {
        return false;
    }
    if (!pmp_allows(h, pa, len, acc, priv) || !mmu_locate(h, pa, acc, place)) {
        return walk_access_fault(h, va, acc);
    }
    if (!place->host) {
        return true;
    }
    if (acc == ACCESS_WRITE) {
        ram_block_set_dirty(place->block, place->offset, len);
    }
    if (mmu_whole_page(place) && pmp_page_uniform(h, pa & TARGET_PAGE_MASK)) {
        mmu_fill(h, va, place, acc == ACCESS_WRITE);
    }
    return true;
}

/* Device, or ROM being written. Any alignment: a misaligned access goes byte by byte. */
static bool mmu_device(Hart *h, uint64_t va, hwaddr pa, uint64_t *value, unsigned size, bool store)
{
    Machine *m = h->cpu.machine;
    MemTxResult r = MEMTX_OK;

    if (!(pa & (size - 1))) {
        r = address_space_ldst(m, pa, value, size, store);
    } else {
        for (unsigned n = 0; n < size && r == MEMTX_OK; n++) {
            uint64_t byte = store ? *value >> 8 * n & 0xff : 0;
            r = address_space_ldst(m, pa + n, &byte, 1, store);
            *value = store ? *value : *value | byte << 8 * n;
        }
    }
    return r == MEMTX_OK || walk_access_fault(h, va, store ? ACCESS_WRITE : ACCESS_READ);
}

/*
 * A misaligned access may be seen in parts by other harts; that two of them race is the guest's
 * affair, and no news to a race detector.
 */
__attribute__((no_sanitize("thread"))) static uint64_t mmu_host_load_parts(const uint8_t *p, unsigned size)
{
    uint64_t value = 0;

    for (unsigned n = 0; n < size; n++) {
        value |= (uint64_t)p[n] << 8 * n;
    }
    return value;
}

__attribute__((no_sanitize("thread"))) static void mmu_host_store_parts(uint8_t *p, unsigned size,
                                                                        uint64_t value)
{
    for (unsigned n = 0; n < size; n++) {
        p[n] = (uint8_t)(value >> 8 * n);
    }
}

/* Host accesses: one of the full size if aligned. */
static uint64_t mmu_host_load(const uint8_t *p, unsigned size)
{
    if ((uintptr_t)p & (size - 1)) {
        return mmu_host_load_parts(p, size);
    }
    switch (size) {
    case 1:
        return __atomic_load_n(p, __ATOMIC_RELAXED);
    case 2:
        return __atomic_load_n((const uint16_t *)p, __ATOMIC_RELAXED);
    case 4:
        return __atomic_load_n((const uint32_t *)p, __ATOMIC_RELAXED);
    }
    return __atomic_load_n((const uint64_t *)p, __ATOMIC_RELAXED);
}

static void mmu_host_store(uint8_t *p, unsigned size, uint64_t value)
{
    if ((uintptr_t)p & (size - 1)) {
        mmu_host_store_parts(p, size, value);
        return;
    }
    switch (size) {
    case 1:
        __atomic_store_n(p, (uint8_t)value, __ATOMIC_RELAXED);
        break;
    case 2:
        __atomic_store_n((uint16_t *)p, (uint16_t)value, __ATOMIC_RELAXED);
        break;
    case 4:
        __atomic_store_n((uint32_t *)p, (uint32_t)value, __ATOMIC_RELAXED);
        break;
    default:
        __atomic_store_n((uint64_t *)p, value, __ATOMIC_RELAXED);
        break;
    }
}

/* The host address of a misaligned access to a page that the TLB knows, or NULL. */
static uint8_t *mmu_hit(const Hart *h, uint64_t va, bool store)
{
    unsigned n = va >> TARGET_PAGE_BITS & (TLB_SIZE - 1);
    const TlbEntry *e = store ? &h->tlb->write[n] : &h->tlb->read[n];

    return e->tag == (va & TARGET_PAGE_MASK) ? (uint8_t *)(e->addend + va) : NULL;
}

/* Bytes of [va, va + size) that lie on va's page. */
static unsigned mmu_on_page(uint64_t va, unsigned size)
{
    uint64_t room = TARGET_PAGE_SIZE - (va & ~TARGET_PAGE_MASK);

    return room < size ? (unsigned)room : size;
}

/* A load of 1 to 8 bytes on one page. */
static bool mmu_load_part(Hart *h, uint64_t va, unsigned size, uint64_t *value)
{
    Place place;

    *value = 0;
    if (!mmu_access(h, va, size, ACCESS_READ, &place)) {
        return false;
    }
    if (!place.host) {
        return mmu_device(h, va, place.phys, value, size, false);
    }
    *value = mmu_host_load(place.host, size);
    return true;
}

bool mmu_load(Hart *h, uint64_t va, unsigned size)
{
    unsigned first = mmu_on_page(va, size);

    if (first == size) {
        const uint8_t *p = mmu_hit(h, va, false);
        if (p) {
            h->loaded = mmu_host_load(p, size);
            return true;
        }
        return mmu_load_part(h, va, size, &h->loaded);
    }
    uint64_t sum = 0;
    for (unsigned n = 0; n < size; n++) {
        uint64_t byte;
        if (!mmu_load_part(h, va + n, 1, &byte)) {
            return false;
        }
        sum |= byte << 8 * n;
    }
    h->loaded = sum;
    return true;
}

static bool mmu_store_part(Hart *h, uint64_t va, unsigned size, uint64_t value)
{
    Place place;

    if (!mmu_access(h, va, size, ACCESS_WRITE, &place)) {
        return false;
    }
    if (!place.host) {
        return mmu_device(h, va, place.phys, &value, size, true);
    }
    mmu_host_store(place.host, size, value);
    return true;
}

bool mmu_store(Hart *h, uint64_t va, unsigned size, uint64_t value)
{
    unsigned first = mmu_on_page(va, size);
    Place place;

    if (first == size) {
        uint8_t *p = mmu_hit(h, va, true);
        if (p) {
            mmu_host_store(p, size, value);
            return true;
        }
        return mmu_store_part(h, va, size, value);
    }
    /* Both pages must be open before a byte is written. */
    if (!mmu_access(h, va, first, ACCESS_WRITE, &place) ||
        !mmu_access(h, va + first, size - first, ACCESS_WRITE, &place)) {
        return false;
    }
    for (unsigned n = 0; n < size; n++) {
        if (!mmu_store_part(h, va + n, 1, value >> 8 * n & 0xff)) {
            return false;
        }
    }
    return true;
}

uint8_t *mmu_atomic(Hart *h, uint64_t va, unsigned size, Access acc)
{
    Place place;

    if (va & (size - 1)) {
        h->fault_cause = acc == ACCESS_READ ? CAUSE_MISALIGNED_LOAD : CAUSE_MISALIGNED_STORE;
        h->fault_addr = va;
        return NULL;
    }
    if (!mmu_access(h, va, size, acc, &place)) {
        return NULL;
    }
    if (!place.host) {
        walk_access_fault(h, va, acc);
    }
    return place.host;
}

const uint8_t *mmu_fetch_page(Hart *h, uint64_t va, hwaddr *page, bool *uniform)
{
    uint64_t tag = va & TARGET_PAGE_MASK;
    FetchEntry *e = &h->fetch[h->priv][va >> TARGET_PAGE_BITS & (FETCH_TLB_SIZE - 1)];
    hwaddr pa;
    Place place;

    *uniform = true;
    if (e->tag == tag) {
        *page = e->page;
        return e->host;
    }
    if (!walk_translate(h, va, ACCESS_EXEC, (Priv)h->priv, &pa)) {
        return NULL;
    }
    if (!pmp_allows(h, pa, 2, ACCESS_EXEC, (Priv)h->priv) ||
        !mmu_locate(h, pa, ACCESS_EXEC, &place) || !place.host || !mmu_whole_page(&place)) {
        walk_access_fault(h, va, ACCESS_EXEC);
        return NULL;
    }
    *page = pa & TARGET_PAGE_MASK;
    *uniform = pmp_page_uniform(h, *page);
    const uint8_t *host = place.host - (pa & ~TARGET_PAGE_MASK);
    if (*uniform) {
        *e = (FetchEntry){.tag = tag, .page = *page, .host = host};
    }
    return host;
}
