/*
 * memory.c - the physical address space: where RAM and devices are, and accesses by address.
 *
 * Floor F1 (system); below it util/.
 * Threads and locks: the map changes with the machine lock held.  Readers take no lock: a map is a
 * sorted array that is replaced, never edited, and old ones live as long as the machine (a machine
 * changes its map some dozens of times, at construction).
 * Invariant: regions do not overlap and do not wrap around the end of the address space.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "system/memory.h"

#include <string.h>

#include "system/cpu.h"
#include "system/machine.h"
#include "system/memory-internal.h"

struct Memory *memory_new(Machine *m)
{
    struct Memory *memory = g_new0(struct Memory, 1);
    memory->machine = m;
    atomic_store(&memory->map, g_new0(MemoryMap, 1));
    return memory;
}

void memory_free(struct Memory *memory)
{
    if (!memory) {
        return;
    }
    MemoryMap *map = atomic_load(&memory->map);
    while (map) {
        MemoryMap *older = map->older;
        g_free(map);
        map = older;
    }
    ram_block_free_all(memory);
    g_free(memory);
}

/* ---- the map ---- */

static MemoryMap *memory_current_map(Machine *m)
{
    return atomic_load_explicit(&m->memory->map, memory_order_acquire);
}

static MemoryMap *memory_map_alloc(MemoryMap *older, unsigned count)
{
    MemoryMap *map = g_malloc0(sizeof(*map) + count * sizeof(map->regions[0]));
    map->older = older;
    map->count = count;
    return map;
}

static void memory_publish(Machine *m, MemoryMap *map)
{
    atomic_store_explicit(&m->memory->map, map, memory_order_release);
    if (m->vcpus) {
        vcpus_flush_tlbs(m);
    }
}

/* Index of the first region that does not end below addr; map->count if there is none. */
static unsigned memory_map_search(const MemoryMap *map, hwaddr addr)
{
    unsigned low = 0;
    unsigned high = map->count;
    while (low < high) {
        unsigned mid = low + (high - low) / 2;
        const MemoryRegion *r = map->regions[mid];
        if (r->base + (r->size - 1) < addr) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

static bool memory_check_region(const MemoryRegion *region, Error **errp)
{
    if (region->size == 0 || region->base + (region->size - 1) < region->base) {
        error_setg(errp, "Memory region '%s' at 0x%" G_GINT64_MODIFIER "x with size 0x%"
                   G_GINT64_MODIFIER "x is empty or leaves the address space", region->name,
                   region->base, region->size);
        return false;
    }
    if (region->block && (region->block_offset > region->block->used_length ||
                          region->size > region->block->used_length - region->block_offset)) {
        error_setg(errp, "Memory region '%s' reaches beyond RAM block '%s'", region->name,
                   region->block->idstr);
        return false;
    }
    if (!region->block && !(region->ops && region->ops->read && region->ops->write)) {
        error_setg(errp, "Memory region '%s' has neither a RAM block nor read and write callbacks",
                   region->name);
        return false;
    }
    return true;
}

bool memory_map_region(Machine *m, MemoryRegion *region, Error **errp)
{
    if (!memory_check_region(region, errp)) {
        return false;
    }
    MemoryMap *old = memory_current_map(m);
    unsigned at = memory_map_search(old, region->base);
    if (at < old->count && old->regions[at]->base <= region->base + (region->size - 1)) {
        error_setg(errp, "Memory region '%s' at 0x%" G_GINT64_MODIFIER "x overlaps '%s' at 0x%"
                   G_GINT64_MODIFIER "x", region->name, region->base, old->regions[at]->name,
                   old->regions[at]->base);
        return false;
    }
    MemoryMap *map = memory_map_alloc(old, old->count + 1);
    memcpy(map->regions, old->regions, at * sizeof(map->regions[0]));
    map->regions[at] = region;
    memcpy(map->regions + at + 1, old->regions + at, (old->count - at) * sizeof(map->regions[0]));
    memory_publish(m, map);
    return true;
}

void memory_unmap_region(Machine *m, MemoryRegion *region)
{
    MemoryMap *old = memory_current_map(m);
    unsigned at = memory_map_search(old, region->base);
    if (at == old->count || old->regions[at] != region) {
        return;
    }
    MemoryMap *map = memory_map_alloc(old, old->count - 1);
    memcpy(map->regions, old->regions, at * sizeof(map->regions[0]));
    memcpy(map->regions + at, old->regions + at + 1, (map->count - at) * sizeof(map->regions[0]));
    memory_publish(m, map);
}

void memory_region_set_romd(Machine *m, MemoryRegion *region, bool romd)
{
    if (__atomic_load_n(&region->romd, __ATOMIC_RELAXED) == romd) {
        return;
    }
    __atomic_store_n(&region->romd, romd, __ATOMIC_RELEASE);
    if (m->vcpus) {
        vcpus_flush_tlbs(m);
    }
}

MemoryRegion *memory_find(Machine *m, hwaddr addr)
{
    const MemoryMap *map = memory_current_map(m);
    unsigned at = memory_map_search(map, addr);
    if (at < map->count && map->regions[at]->base <= addr) {
        return map->regions[at];
    }
    return NULL;
}

void memory_foreach(Machine *m, void (*fn)(MemoryRegion *region, void *opaque), void *opaque)
{
    const MemoryMap *map = memory_current_map(m);
    for (unsigned i = 0; i < map->count; i++) {
        fn(map->regions[i], opaque);
    }
}

/* ---- accesses ---- */

/* True if a load (or store) goes straight to the region's bytes. */
static bool memory_region_is_direct(const MemoryRegion *region, bool store)
{
    if (!region->block) {
        return false;
    }
    if (store) {
        return !region->readonly;
    }
    return !region->ops || __atomic_load_n(&region->romd, __ATOMIC_ACQUIRE);
}

static uint8_t *memory_region_host(const MemoryRegion *region, hwaddr addr)
{
    return region->block->host + region->block_offset + (addr - region->base);
}

static void memory_region_mark(const MemoryRegion *region, hwaddr addr, uint64_t len)
{
    ram_block_set_dirty(region->block, region->block_offset + (addr - region->base), len);
}

static bool memory_device_takes(const MemoryRegionOps *ops, unsigned size, bool store)
{
    return ops && (store ? ops->write != NULL : ops->read != NULL) &&
           size >= (ops->min_access ? ops->min_access : 1) &&
           size <= (ops->max_access ? ops->max_access : 8);
}

/* One access to a device's callbacks; size and alignment are natural. */
static MemTxResult memory_device_access(Machine *m, MemoryRegion *region, hwaddr offset,
                                        uint64_t *value, unsigned size, bool store)
{
    const MemoryRegionOps *ops = region->ops;
    MemTxResult result = MEMTX_ERROR;
    if (!memory_device_takes(ops, size, store)) {
        return MEMTX_ERROR;
    }
    bool locked = machine_locked(m);
    if (!locked) {
        machine_lock(m);
    }
    if (m->memory->mmio_depth == 0) {
        m->memory->mmio_depth++;
        if (store) {
            ops->write(region->opaque, offset, *value, size);
        } else {
            *value = ops->read(region->opaque, offset, size);
        }
        m->memory->mmio_depth--;
        result = MEMTX_OK;
    }
    if (!locked) {
        machine_unlock(m);
    }
    return result;
}

static void memory_ram_store(uint8_t *host, uint64_t value, unsigned size)
{
    switch (size) {
    case 1:
        __atomic_store_n(host, (uint8_t)value, __ATOMIC_RELAXED);
        break;
    case 2:
        __atomic_store_n((uint16_t *)host, GUINT16_TO_LE((uint16_t)value), __ATOMIC_RELAXED);
        break;
    case 4:
        __atomic_store_n((uint32_t *)host, GUINT32_TO_LE((uint32_t)value), __ATOMIC_RELAXED);
        break;
    default:
        __atomic_store_n((uint64_t *)host, GUINT64_TO_LE(value), __ATOMIC_RELAXED);
        break;
    }
}

static uint64_t memory_ram_load(const uint8_t *host, unsigned size)
{
    switch (size) {
    case 1:
        return __atomic_load_n(host, __ATOMIC_RELAXED);
    case 2:
        return GUINT16_FROM_LE(__atomic_load_n((const uint16_t *)host, __ATOMIC_RELAXED));
    case 4:
        return GUINT32_FROM_LE(__atomic_load_n((const uint32_t *)host, __ATOMIC_RELAXED));
    default:
        return GUINT64_FROM_LE(__atomic_load_n((const uint64_t *)host, __ATOMIC_RELAXED));
    }
}

MemTxResult address_space_ldst(Machine *m, hwaddr addr, uint64_t *value, unsigned size, bool store)
{
    if ((size != 1 && size != 2 && size != 4 && size != 8) || addr % size) {
        return MEMTX_ERROR;
    }
    MemoryRegion *region = memory_find(m, addr);
    if (!region || region->size - (addr - region->base) < size) {
        return MEMTX_DECODE_ERROR;
    }
    if (!memory_region_is_direct(region, store)) {
        return memory_device_access(m, region, addr - region->base, value, size, store);
    }
    uint8_t *host = memory_region_host(region, addr);
    if ((uintptr_t)host % size) {
        /* A board mapped RAM at an odd place: one access could not be atomic. */
        return MEMTX_ERROR;
    }
    if (store) {
        memory_ram_store(host, *value, size);
        memory_region_mark(region, addr, size);
    } else {
        *value = memory_ram_load(host, size);
    }
    return MEMTX_OK;
}

/* The largest access that is aligned at addr, fits in len and that the region takes. */
static unsigned memory_access_size(const MemoryRegion *region, hwaddr addr, uint64_t len)
{
    unsigned size = region->ops && region->ops->max_access ? region->ops->max_access : 8;
    while (size > 1 && (size > len || (addr - region->base) % size)) {
        size /= 2;
    }
    return size;
}

static MemTxResult memory_device_bytes(Machine *m, MemoryRegion *region, hwaddr addr, uint8_t *buf,
                                       uint64_t len, bool store)
{
    while (len) {
        unsigned size = memory_access_size(region, addr, len);
        uint64_t value = 0;
        if (store) {
            memcpy(&value, buf, size);
            value = GUINT64_FROM_LE(value);
        }
        MemTxResult result = memory_device_access(m, region, addr - region->base, &value, size, store);
        if (result != MEMTX_OK) {
            return result;
        }
        if (!store) {
            value = GUINT64_TO_LE(value);
            memcpy(buf, &value, size);
        }
        addr += size;
        buf += size;
        len -= size;
    }
    return MEMTX_OK;
}

/* The part of an access that lies in one region. */
static MemTxResult memory_region_rw(Machine *m, MemoryRegion *region, hwaddr addr, uint8_t *buf,
                                    uint64_t len, bool store)
{
    if (!memory_region_is_direct(region, store)) {
        return memory_device_bytes(m, region, addr, buf, len, store);
    }
    uint8_t *host = memory_region_host(region, addr);
    if (store) {
        memcpy(host, buf, len);
        memory_region_mark(region, addr, len);
    } else {
        memcpy(buf, host, len);
    }
    return MEMTX_OK;
}

static MemTxResult address_space_rw(Machine *m, hwaddr addr, uint8_t *buf, uint64_t len, bool store)
{
    while (len) {
        MemoryRegion *region = memory_find(m, addr);
        if (!region) {
            return MEMTX_DECODE_ERROR;
        }
        uint64_t step = region->size - (addr - region->base);
        step = step < len ? step : len;
        MemTxResult result = memory_region_rw(m, region, addr, buf, step, store);
        if (result != MEMTX_OK) {
            return result;
        }
        addr += step;
        buf += step;
        len -= step;
    }
    return MEMTX_OK;
}

MemTxResult address_space_read(Machine *m, hwaddr addr, void *buf, uint64_t len)
{
    return address_space_rw(m, addr, buf, len, false);
}

MemTxResult address_space_write(Machine *m, hwaddr addr, const void *buf, uint64_t len)
{
    /* rw only reads buf when it stores. */
    return address_space_rw(m, addr, (uint8_t *)buf, len, true);
}

void *memory_map(Machine *m, hwaddr addr, uint64_t *len, bool is_write)
{
    MemoryRegion *region = memory_find(m, addr);
    if (!region || *len == 0 || !memory_region_is_direct(region, is_write)) {
        return NULL;
    }
    uint64_t rest = region->size - (addr - region->base);
    if (*len > rest) {
        *len = rest;
    }
    return memory_region_host(region, addr);
}

void memory_unmap(Machine *m, void *host, uint64_t len, bool is_write, uint64_t written)
{
    ram_addr_t offset;
    if (!is_write || written == 0) {
        return;
    }
    RAMBlock *block = ram_block_from_host(m, host, &offset);
    if (block) {
        ram_block_set_dirty(block, offset, written < len ? written : len);
    }
}
