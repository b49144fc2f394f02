/*
 * memory-internal.h - what ram-block.c and memory.c share.
 *
 * Floor F1 (system), private to the two files.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_SYSTEM_MEMORY_INTERNAL_H
#define GODWIT_SYSTEM_MEMORY_INTERNAL_H

#include <glib.h>
#include <stdatomic.h>

#include "system/memory.h"

/* One state of the address space: immutable once published. */
typedef struct MemoryMap {
    struct MemoryMap *older;    /* kept until memory_free(): a reader may still be in it */
    unsigned count;
    MemoryRegion *regions[];    /* by base, ascending, without overlap */
} MemoryMap;

struct Memory {
    Machine *machine;
    _Atomic(MemoryMap *) map;
    _Atomic(RAMBlock *) blocks;     /* first block; ->next is published with release order */
    RAMBlock *last;
    atomic_uint dirty_clients;      /* bit 1 << DirtyClient: this client tracks */
    unsigned mmio_depth;            /* device accesses in progress, lock held: 0 or 1 */
};

/* Frees every block. */
void ram_block_free_all(struct Memory *memory);

#endif
