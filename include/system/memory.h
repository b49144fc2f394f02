/*
 * memory.h - RAM blocks with their dirty bitmaps, and the physical address space.
 *
 * Floor F1 (system).  RAM belongs to RAMBlocks; regions map blocks and devices into the one physical
 * address space of a machine.  The map changes only with all vCPUs stopped or from a device callback
 * (flash mode), and every change bumps a generation that makes the vCPUs drop their TLBs.
 *
 * Dirty tracking: each block has one bit a 4 KiB page and client.  Whoever writes RAM marks the pages
 * *after* the bytes are in place (device DMA, loaders) or before a vCPU's fast path opens (see below).
 *   ram_dirty_sync_and_clear() = clear the bits atomically, then make every vCPU pass a boundary
 *   between instructions and drop its fast store path.  When it returns, each store is either visible
 *   in RAM or will set its bit again.  "Clear the bit, then read the page" is safe after that, and a
 *   store to a page whose bits are all set costs nothing.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_SYSTEM_MEMORY_H
#define GODWIT_SYSTEM_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/error.h"

typedef struct Machine Machine;
typedef uint64_t hwaddr;
typedef uint64_t ram_addr_t;

#define TARGET_PAGE_BITS 12
#define TARGET_PAGE_SIZE (1u << TARGET_PAGE_BITS)
#define TARGET_PAGE_MASK (~(uint64_t)(TARGET_PAGE_SIZE - 1))

/* A page is marked for the clients in this order. */
typedef enum DirtyClient {
    /* Nobody takes these bits: a page whose bit is clear has not been written since there is RAM, so it is zero. */
    DIRTY_MEMORY_TOUCHED,
    DIRTY_MEMORY_MIGRATION,
    DIRTY_MEMORY_VGA,
    DIRTY_MEMORY_MAX,
} DirtyClient;

typedef struct RAMBlock {
    char idstr[256];                /* stands in the stream */
    uint8_t *host;                  /* page-aligned, zeroed at creation */
    uint64_t used_length;           /* bytes, multiple of TARGET_PAGE_SIZE */
    int fd;                         /* memfd or file behind it, -1 if anonymous */
    bool shared;
    unsigned long *dirty[DIRTY_MEMORY_MAX];     /* atomic words; NULL until the client starts */
    struct RAMBlock *next;
    Machine *machine;
} RAMBlock;

/* Adds a zeroed block. idstr must be unique in m. Lock held. NULL with *errp set on failure. */
RAMBlock *ram_block_new(Machine *m, const char *idstr, uint64_t size, Error **errp);
/* As above, over fd from offset 0 (the block owns fd); shared chooses MAP_SHARED. */
RAMBlock *ram_block_new_from_fd(Machine *m, const char *idstr, uint64_t size, int fd, bool shared,
                                Error **errp);
RAMBlock *ram_block_find(Machine *m, const char *idstr);
/* First block, in order of creation; iterate with ->next. Lock held, or vCPUs and devices settled. */
RAMBlock *ram_block_first(Machine *m);

/* The block that holds a host address, and the offset in it; NULL if none does. Lock-free. */
RAMBlock *ram_block_from_host(Machine *m, const void *host, ram_addr_t *offset);

/* Starts tracking for client with every bit set to `initially`. Lock held. */
void ram_dirty_start(Machine *m, DirtyClient client, bool initially);
void ram_dirty_stop(Machine *m, DirtyClient client);
bool ram_dirty_enabled(Machine *m, DirtyClient client);
/* Marks bytes [offset, offset+len) of block dirty for every active client. Any thread. */
void ram_block_set_dirty(RAMBlock *block, ram_addr_t offset, uint64_t len);
/* True if the page is dirty for the client, or the client does not track. */
bool ram_block_page_dirty(const RAMBlock *block, ram_addr_t offset, DirtyClient client);
/* True if the page is dirty for every active client: a vCPU may then open its fast store path. */
bool ram_block_page_all_dirty(const RAMBlock *block, ram_addr_t offset);
/*
 * Moves the dirty bits of all blocks for client: for each block, calls collect(block, bitmap words
 * taken, npages, opaque) with the bits just cleared, then the vCPU boundary described above is
 * passed before this returns. Any thread but a vCPU's; lock not held (or held: the vCPUs never wait
 * for the lock inside the boundary). Returns the number of bits that were set.
 */
typedef void DirtyCollect(RAMBlock *block, const unsigned long *bits, uint64_t npages, void *opaque);
uint64_t ram_dirty_sync_and_clear(Machine *m, DirtyClient client, DirtyCollect *collect, void *opaque);

/* ---- the physical address space ---- */

typedef enum MemTxResult { MEMTX_OK, MEMTX_ERROR, MEMTX_DECODE_ERROR } MemTxResult;

typedef struct MemoryRegionOps {
    /* size is 1, 2, 4 or 8, addr is aligned to it and lies in the region. Machine lock held. */
    uint64_t (*read)(void *opaque, hwaddr addr, unsigned size);
    void (*write)(void *opaque, hwaddr addr, uint64_t value, unsigned size);
    unsigned min_access, max_access;    /* other sizes: bus error to the guest; 0: 1 and 8 */
} MemoryRegionOps;

typedef struct MemoryRegion {
    const char *name;
    hwaddr base;
    uint64_t size;
    RAMBlock *block;                /* RAM, ROM and ROMD: where the bytes are; else NULL */
    ram_addr_t block_offset;
    bool readonly;                  /* guest stores go to ops->write, or are a bus error without ops */
    bool romd;                      /* reads come from block while set, else from ops */
    const MemoryRegionOps *ops;
    void *opaque;
} MemoryRegion;

/* Maps a region; ranges must not overlap. The region stays the caller's. Lock held. */
bool memory_map_region(Machine *m, MemoryRegion *region, Error **errp);
void memory_unmap_region(Machine *m, MemoryRegion *region);
/* Flash: reads go to the bytes (true) or to ops (false). Lock held; makes vCPUs drop their TLBs. */
void memory_region_set_romd(Machine *m, MemoryRegion *region, bool romd);
/* The region that holds addr, or NULL. Lock-free: safe on any thread. */
MemoryRegion *memory_find(Machine *m, hwaddr addr);
/* Calls fn for each region in address order (info mtree). */
void memory_foreach(Machine *m, void (*fn)(MemoryRegion *region, void *opaque), void *opaque);

/*
 * Any access by physical address: RAM or device, split as the region wants it; marks dirty. Device
 * accesses take the machine lock themselves if this thread does not hold it. A device access made by a
 * device (DMA aimed at registers) is refused with MEMTX_ERROR: it could recurse without end.
 */
MemTxResult address_space_read(Machine *m, hwaddr addr, void *buf, uint64_t len);
MemTxResult address_space_write(Machine *m, hwaddr addr, const void *buf, uint64_t len);
/* One naturally aligned device access (or RAM); size 1, 2, 4, 8; host-endian value. */
MemTxResult address_space_ldst(Machine *m, hwaddr addr, uint64_t *value, unsigned size, bool store);

/*
 * Direct pointer for DMA: RAM only, at most *len bytes, *len is reduced at the region's end. NULL for
 * anything else (and for is_write on ROM). After a write call memory_unmap(), which marks dirty.
 */
void *memory_map(Machine *m, hwaddr addr, uint64_t *len, bool is_write);
void memory_unmap(Machine *m, void *host, uint64_t len, bool is_write, uint64_t written);

struct Memory *memory_new(Machine *m);
void memory_free(struct Memory *memory);

#endif
