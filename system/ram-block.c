/*
 * ram-block.c - guest RAM: blocks of host memory and their dirty bitmaps.
 *
 * Floor F1 (system); below it util/ and mmap(2).
 * Threads and locks: blocks and clients come and go with the machine lock held.  The list of blocks
 * only grows while the machine lives and is published by release stores, so that any thread may walk
 * it.  Bitmap words are atomic.
 * Invariant: a page whose bytes change after ram_dirty_sync_and_clear() took its bit has its bit set
 * again when the change is complete.  Bits are set and cleared by sequentially consistent
 * read-modify-write operations only: on one word they have one order, and whichever comes second sees
 * the bytes that the first one's thread wrote before it.  docs/devel/dirty-tracking.md has the proof.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "system/memory.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "system/cpu.h"
#include "system/machine.h"
#include "system/memory-internal.h"

#define WORD_BITS (8 * sizeof(unsigned long))

/* ---- blocks ---- */

static uint64_t ram_block_pages(const RAMBlock *block)
{
    return block->used_length >> TARGET_PAGE_BITS;
}

static uint64_t ram_block_words(const RAMBlock *block)
{
    return (ram_block_pages(block) + WORD_BITS - 1) / WORD_BITS;
}

RAMBlock *ram_block_first(Machine *m)
{
    return atomic_load_explicit(&m->memory->blocks, memory_order_acquire);
}

static RAMBlock *ram_block_next(RAMBlock *block)
{
    return __atomic_load_n(&block->next, __ATOMIC_ACQUIRE);
}

RAMBlock *ram_block_find(Machine *m, const char *idstr)
{
    RAMBlock *block = ram_block_first(m);
    while (block && strcmp(block->idstr, idstr)) {
        block = ram_block_next(block);
    }
    return block;
}

RAMBlock *ram_block_from_host(Machine *m, const void *host, ram_addr_t *offset)
{
    uintptr_t at = (uintptr_t)host;
    for (RAMBlock *block = ram_block_first(m); block; block = ram_block_next(block)) {
        uintptr_t start = (uintptr_t)block->host;
        if (at >= start && at - start < block->used_length) {
            *offset = at - start;
            return block;
        }
    }
    return NULL;
}

static bool ram_block_check(Machine *m, const char *idstr, uint64_t size, Error **errp)
{
    size_t len = strlen(idstr);
    if (len == 0 || len >= sizeof(((RAMBlock *)NULL)->idstr)) {
        error_setg(errp, "RAM block name '%s' has %zu bytes, 1 to 255 are allowed", idstr, len);
        return false;
    }
    if (ram_block_find(m, idstr)) {
        error_setg(errp, "RAM block '%s' exists already", idstr);
        return false;
    }
    if (size == 0 || size % TARGET_PAGE_SIZE || size > (uint64_t)1 << 56) {
        error_setg(errp, "RAM block '%s' has size %" G_GUINT64_FORMAT ": it must be a multiple of %u "
                   "and at most 2^56", idstr, size, TARGET_PAGE_SIZE);
        return false;
    }
    return true;
}

static unsigned long *ram_dirty_bitmap_new(const RAMBlock *block, bool initially)
{
    uint64_t pages = ram_block_pages(block);
    uint64_t words = ram_block_words(block);
    unsigned long *bits = g_new0(unsigned long, words);
    if (initially) {
        memset(bits, 0xff, words * sizeof(*bits));
        if (pages % WORD_BITS) {
            /* Bits beyond the end stay clear, so that counting words counts pages. */
            bits[words - 1] = (1ul << (pages % WORD_BITS)) - 1;
        }
    }
    return bits;
}

/* The block over fd (-1: anonymous memory), or NULL with errno. */
static RAMBlock *ram_block_mmap(Machine *m, const char *idstr, uint64_t size, int fd, bool shared)
{
    int flags = (shared ? MAP_SHARED : MAP_PRIVATE) | (fd < 0 ? MAP_ANONYMOUS : 0) | MAP_NORESERVE;
    void *host = mmap(NULL, size, PROT_READ | PROT_WRITE, flags, fd, 0);
    if (host == MAP_FAILED) {
        return NULL;
    }
    /* Fewer TLB misses; a kernel without huge pages may say no. */
    (void)madvise(host, size, MADV_HUGEPAGE);
    RAMBlock *block = g_new0(RAMBlock, 1);
    g_strlcpy(block->idstr, idstr, sizeof(block->idstr));
    block->host = host;
    block->used_length = size;
    block->fd = fd;
    block->shared = shared;
    block->machine = m;
    return block;
}

static RAMBlock *ram_block_add(Machine *m, RAMBlock *block)
{
    struct Memory *memory = m->memory;
    /* A block that joins while a client tracks is all news to that client; but new memory is untouched. */
    for (unsigned c = 0; c < DIRTY_MEMORY_MAX; c++) {
        if (ram_dirty_enabled(m, c)) {
            block->dirty[c] = ram_dirty_bitmap_new(block, c != DIRTY_MEMORY_TOUCHED || block->fd >= 0);
        }
    }
    if (memory->last) {
        __atomic_store_n(&memory->last->next, block, __ATOMIC_RELEASE);
    } else {
        atomic_store_explicit(&memory->blocks, block, memory_order_release);
    }
    memory->last = block;
    return block;
}

RAMBlock *ram_block_new(Machine *m, const char *idstr, uint64_t size, Error **errp)
{
    if (!ram_block_check(m, idstr, size, errp)) {
        return NULL;
    }
    RAMBlock *block = ram_block_mmap(m, idstr, size, -1, false);
    if (!block) {
        error_setg_errno(errp, errno, "Cannot map %" G_GUINT64_FORMAT " bytes for RAM block '%s'",
                         size, idstr);
        return NULL;
    }
    return ram_block_add(m, block);
}

/* A page beyond the file's end would be a SIGBUS for whoever touches it: make the file long enough. */
static bool ram_block_extend_file(const char *idstr, uint64_t size, int fd, Error **errp)
{
    struct stat st;
    if (fstat(fd, &st) < 0) {
        error_setg_errno(errp, errno, "Cannot use the file behind RAM block '%s'", idstr);
        return false;
    }
    if (S_ISREG(st.st_mode) && (uint64_t)st.st_size < size && ftruncate(fd, size) < 0) {
        error_setg_errno(errp, errno, "Cannot extend the file behind RAM block '%s' from %"
                         G_GINT64_FORMAT " to %" G_GUINT64_FORMAT " bytes", idstr,
                         (int64_t)st.st_size, size);
        return false;
    }
    return true;
}

RAMBlock *ram_block_new_from_fd(Machine *m, const char *idstr, uint64_t size, int fd, bool shared,
                                Error **errp)
{
    RAMBlock *block = NULL;
    if (ram_block_check(m, idstr, size, errp) && ram_block_extend_file(idstr, size, fd, errp)) {
        block = ram_block_mmap(m, idstr, size, fd, shared);
        if (!block) {
            error_setg_errno(errp, errno, "Cannot map the file behind RAM block '%s'", idstr);
        }
    }
    if (!block) {
        close(fd);
        return NULL;
    }
    return ram_block_add(m, block);
}

void ram_block_free_all(struct Memory *memory)
{
    RAMBlock *block = atomic_load(&memory->blocks);
    while (block) {
        RAMBlock *next = block->next;
        munmap(block->host, block->used_length);
        if (block->fd >= 0) {
            close(block->fd);
        }
        for (unsigned c = 0; c < DIRTY_MEMORY_MAX; c++) {
            g_free(block->dirty[c]);
        }
        g_free(block);
        block = next;
    }
}

/* ---- dirty bitmaps ---- */

bool ram_dirty_enabled(Machine *m, DirtyClient client)
{
    return atomic_load(&m->memory->dirty_clients) & (1u << client);
}

static unsigned long *ram_dirty_bits(const RAMBlock *block, unsigned client)
{
    return __atomic_load_n(&block->dirty[client], __ATOMIC_ACQUIRE);
}

static void ram_dirty_fill(RAMBlock *block, unsigned client, bool value)
{
    unsigned long *fresh = ram_dirty_bitmap_new(block, value);
    unsigned long *bits = ram_dirty_bits(block, client);
    if (!bits) {
        __atomic_store_n(&block->dirty[client], fresh, __ATOMIC_RELEASE);
        return;
    }
    /* A thread may still hold the old pointer: the words are overwritten, never moved. */
    for (uint64_t i = 0; i < ram_block_words(block); i++) {
        __atomic_store_n(&bits[i], fresh[i], __ATOMIC_SEQ_CST);
    }
    g_free(fresh);
}

void ram_dirty_start(Machine *m, DirtyClient client, bool initially)
{
    for (RAMBlock *block = ram_block_first(m); block; block = ram_block_next(block)) {
        ram_dirty_fill(block, client, initially);
    }
    atomic_fetch_or(&m->memory->dirty_clients, 1u << client);
    /*
     * Fast paths that were opened before this client existed would hide stores from it. With all
     * bits set they hide nothing, and the first sync drops them.
     */
    if (!initially && m->vcpus) {
        vcpus_sync_store_paths(m);
    }
}

void ram_dirty_stop(Machine *m, DirtyClient client)
{
    /* The bitmaps stay: a thread that read dirty_clients before may still set a bit. */
    atomic_fetch_and(&m->memory->dirty_clients, ~(1u << client));
}

/* The bits of word number w that the pages [first, last] cover. */
static unsigned long ram_dirty_mask(uint64_t w, uint64_t first, uint64_t last)
{
    unsigned long mask = ~0ul;
    if (w == first / WORD_BITS) {
        mask &= ~0ul << (first % WORD_BITS);
    }
    if (w == last / WORD_BITS) {
        mask &= ~0ul >> (WORD_BITS - 1 - last % WORD_BITS);
    }
    return mask;
}

void ram_block_set_dirty(RAMBlock *block, ram_addr_t offset, uint64_t len)
{
    unsigned clients = atomic_load(&block->machine->memory->dirty_clients);
    if (!clients || len == 0 || offset >= block->used_length) {
        return;
    }
    if (len > block->used_length - offset) {
        len = block->used_length - offset;
    }
    uint64_t first = offset >> TARGET_PAGE_BITS;
    uint64_t last = (offset + len - 1) >> TARGET_PAGE_BITS;
    for (unsigned c = 0; c < DIRTY_MEMORY_MAX; c++) {
        unsigned long *bits = clients & (1u << c) ? ram_dirty_bits(block, c) : NULL;
        for (uint64_t w = first / WORD_BITS; bits && w <= last / WORD_BITS; w++) {
            unsigned long mask = ram_dirty_mask(w, first, last);
            /*
             * "If it is clear" goes for bits that nobody takes only: a plain load could be satisfied before the
             * caller's bytes are visible, while another thread takes the bit and reads the page without them.
             */
            if (c != DIRTY_MEMORY_TOUCHED || (__atomic_load_n(&bits[w], __ATOMIC_SEQ_CST) & mask) != mask) {
                __atomic_fetch_or(&bits[w], mask, __ATOMIC_SEQ_CST);
            }
        }
    }
}

bool ram_block_page_dirty(const RAMBlock *block, ram_addr_t offset, DirtyClient client)
{
    const unsigned long *bits = ram_dirty_enabled(block->machine, client) ? ram_dirty_bits(block, client) : NULL;
    uint64_t page = offset >> TARGET_PAGE_BITS;
    return !bits || __atomic_load_n(&bits[page / WORD_BITS], __ATOMIC_SEQ_CST) & 1ul << page % WORD_BITS;
}

bool ram_block_page_all_dirty(const RAMBlock *block, ram_addr_t offset)
{
    unsigned clients = atomic_load(&block->machine->memory->dirty_clients);
    uint64_t page = offset >> TARGET_PAGE_BITS;
    for (unsigned c = 0; c < DIRTY_MEMORY_MAX; c++) {
        const unsigned long *bits = clients & (1u << c) ? ram_dirty_bits(block, c) : NULL;
        if (bits) {
            unsigned long word = __atomic_load_n(&bits[page / WORD_BITS], __ATOMIC_SEQ_CST);
            if (!(word & (1ul << (page % WORD_BITS)))) {
                return false;
            }
        }
    }
    return true;
}

/* Moves the block's bits to a new array; *count grows by their number. */
static unsigned long *ram_dirty_take(RAMBlock *block, DirtyClient client, uint64_t *count)
{
    unsigned long *bits = ram_dirty_bits(block, client);
    uint64_t words = ram_block_words(block);
    unsigned long *taken = g_new(unsigned long, words);
    for (uint64_t i = 0; i < words; i++) {
        /* An idle word costs a load. A bit that this load misses is there next time. */
        taken[i] = __atomic_load_n(&bits[i], __ATOMIC_RELAXED)
                   ? __atomic_exchange_n(&bits[i], 0, __ATOMIC_SEQ_CST) : 0;
        *count += __builtin_popcountl(taken[i]);
    }
    return taken;
}

uint64_t ram_dirty_sync_and_clear(Machine *m, DirtyClient client, DirtyCollect *collect, void *opaque)
{
    uint64_t count = 0;
    for (RAMBlock *block = ram_block_first(m); block; block = ram_block_next(block)) {
        if (ram_dirty_bits(block, client)) {
            unsigned long *taken = ram_dirty_take(block, client, &count);
            collect(block, taken, ram_block_pages(block), opaque);
            g_free(taken);
        }
    }
    if (m->vcpus) {
        vcpus_sync_store_paths(m);
    }
    return count;
}
