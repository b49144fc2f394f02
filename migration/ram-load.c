/*
 * ram-load.c - places what arrives into guest RAM.
 *
 * Floor F4; below it ram-wire.  The incoming thread; the machine does not run.
 * Invariant: block and offset of a record have been checked before a byte of it is placed, and a page of
 * zeros that is zero already is not touched, so that it costs no memory.  What is placed is marked as touched
 * before; what the source places by itself ends DIRTY_MEMORY_TOUCHED.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <glib.h>
#include <string.h>

#include "migration/ram-internal.h"
#include "migration/wire.h"
#include "migration/xbzrle.h"
#include "system/machine.h"

static void mark_touched(const RAMRecord *record)
{
    ram_block_set_dirty(record->block, record->offset, (uint64_t)record->pages * TARGET_PAGE_SIZE);
}

static void place_fill(const RAMRecord *record)
{
    for (uint32_t i = 0; i < record->pages; i++) {
        ram_addr_t offset = record->offset + (ram_addr_t)i * TARGET_PAGE_SIZE;
        if (record->fill || !ram_page_is_zero(record->block, offset)) {
            memset(record->block->host + offset, record->fill, TARGET_PAGE_SIZE);
        }
    }
}

bool ram_load_setup(QEMUFile *f, void *opaque, Error **errp)
{
    RAMMigration *r = opaque;
    ram_counters_reset(&r->counters);
    atomic_store(&r->counters.total, ram_total_bytes(r->machine));
    r->loaded_block = NULL;
    if (!ram_direct_offer(r, f, errp)) {
        return false;
    }
    if (r->load_channel) {
        ram_dirty_stop(r->machine, DIRTY_MEMORY_TOUCHED);       /* the source writes into RAM by itself */
    }
    return true;
}

bool ram_load_page_is_whole(QEMUFile *f, const RAMRecord *record, Error **errp)
{
    if (qemu_file_get_error(f)) {
        error_setg(errp, "page at 0x%" G_GINT64_MODIFIER "x of RAM block \"%s\": %s", record->offset,
                   record->block->idstr, error_get_pretty(qemu_file_get_error(f)));
        return false;
    }
    return true;
}

/* What is in RAM is what the sender has compared with. */
static bool load_difference(RAMMigration *r, QEMUFile *f, const RAMRecord *record, Error **errp)
{
    uint8_t delta[TARGET_PAGE_SIZE];
    qemu_get_buffer(f, delta, record->length);
    if (!ram_load_page_is_whole(f, record, errp)) {
        return false;
    }
    if (!xbzrle_decode(delta, record->length, record->block->host + record->offset, errp)) {
        error_prepend(errp, "page at 0x%" G_GINT64_MODIFIER "x of RAM block \"%s\": ", record->offset,
                      record->block->idstr);
        return false;
    }
    ram_count(&r->counters.xbzrle_pages, 1);
    ram_count(&r->counters.xbzrle_bytes, record->length);
    return true;
}

/* One record's data. False: the section is broken. */
static bool load_record(RAMMigration *r, RAMWire *w, const RAMRecord *record, Error **errp)
{
    QEMUFile *f = w->f;
    if (record->flags & RAM_SAVE_FLAG_MEM_SIZE) {
        return ram_wire_get_sizes(w, r->machine, record->offset, errp);
    }
    if (record->flags & RAM_SAVE_FLAG_HOOK) {
        /* The source has written into RAM, or is about to. */
        ram_dirty_stop(r->machine, DIRTY_MEMORY_TOUCHED);
    } else if (!(record->flags & RAM_SAVE_FLAG_ZERO) || record->fill) {
        mark_touched(record);
    }
    if (record->flags & RAM_SAVE_FLAG_COMPRESS_PAGE) {
        return ram_decompress_put(r, f, record, errp);
    }
    if (r->decompress && !ram_decompress_order(r->decompress, record, errp)) {
        return false;
    }
    if (record->flags & RAM_SAVE_FLAG_ZERO) {
        place_fill(record);
        ram_count(&r->counters.duplicate, record->pages);
        return true;
    }
    if (record->flags & RAM_SAVE_FLAG_HOOK) {
        return ram_direct_load_hook(r, record, errp);
    }
    if (record->flags & RAM_SAVE_FLAG_XBZRLE) {
        return load_difference(r, f, record, errp);
    }
    qemu_get_buffer(f, record->block->host + record->offset, (size_t)record->pages * TARGET_PAGE_SIZE);
    if (!ram_load_page_is_whole(f, record, errp)) {
        return false;
    }
    ram_count(&r->counters.normal, record->pages);
    return true;
}

bool ram_load_state(QEMUFile *f, void *opaque, int version_id, Error **errp)
{
    RAMMigration *r = opaque;
    /* QEMU goes on with the block of the section before. */
    RAMWire w = { .f = f, .last_block = r->loaded_block };
    RAMRecord record;
    uint64_t start = qemu_ftell(f);
    if (version_id != 4) {
        error_setg(errp, "RAM section of version %d; this machine reads version 4", version_id);
        return false;
    }
    for (;;) {
        if (!ram_wire_get(&w, r->machine, &record, errp)) {
            return false;
        }
        r->loaded_block = w.last_block;
        if (record.flags & RAM_SAVE_FLAG_EOS) {
            break;
        }
        if (!load_record(r, &w, &record, errp)) {
            return false;
        }
    }
    ram_count(&r->counters.transferred, qemu_ftell(f) - start);
    return !r->decompress || ram_decompress_drain(r->decompress, errp);
}

void ram_load_cleanup(void *opaque)
{
    RAMMigration *r = opaque;
    ram_direct_withdraw(r);
    g_clear_pointer(&r->decompress, ram_decompress_free);
}
