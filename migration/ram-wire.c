/*
 * ram-wire.c - one record of the RAM section, put and get side by side.
 *
 * Floor F4; below it the stream.  Used by the one thread that owns the stream.
 *
 * Wire format: be64 offset | flags; without CONTINUE u8 length and the block's idstr; then
 *   ZERO      u8 fill byte
 *   PAGE      the page
 *   XBZRLE    u8 1, be16 length, delta (xbzrle.c)
 *   COMPRESS_PAGE  be32 length, the page as a zlib or zstd stream (page-codec.c)
 *   MEM_SIZE  (offset is the number of bytes of all blocks) for each block: u8 length, idstr, be64 bytes
 *   EOS       nothing; ends the payload of every RAM section
 *   HOOK      u8 kind, be64 value; names no block (ram-direct.c)
 *   RUN       beside ZERO or PAGE, between two Godwits: be32 number of pages that follow each other, then the
 *             fill byte of all or the bytes of all
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <inttypes.h>
#include <string.h>

#include "migration/page-codec.h"
#include "migration/ram.h"
#include "migration/wire.h"
#include "system/machine.h"

#define FLAGS_MASK ((uint64_t)TARGET_PAGE_SIZE - 1)
/* The one encoding that there is, named in each XBZRLE record. */
#define XBZRLE_ENCODING 1

/* ---- put ---- */

static uint64_t put_head(RAMWire *w, RAMBlock *block, ram_addr_t offset, unsigned flag)
{
    if (block == w->last_block) {
        qemu_put_be64(w->f, offset | flag | RAM_SAVE_FLAG_CONTINUE);
        return 8;
    }
    qemu_put_be64(w->f, offset | flag);
    qemu_put_counted_string(w->f, block->idstr);
    w->last_block = block;
    return 8 + 1 + strlen(block->idstr);
}

uint64_t ram_wire_put_zero(RAMWire *w, RAMBlock *block, ram_addr_t offset)
{
    uint64_t bytes = put_head(w, block, offset, RAM_SAVE_FLAG_ZERO);
    qemu_put_byte(w->f, 0);
    return bytes + 1;
}

uint64_t ram_wire_put_page(RAMWire *w, RAMBlock *block, ram_addr_t offset)
{
    return ram_wire_put_page_bytes(w, block, offset, block->host + offset);
}

uint64_t ram_wire_put_page_bytes(RAMWire *w, RAMBlock *block, ram_addr_t offset, const uint8_t *bytes)
{
    uint64_t head = put_head(w, block, offset, RAM_SAVE_FLAG_PAGE);
    qemu_put_page_ref(w->f, bytes, TARGET_PAGE_SIZE);
    return head + TARGET_PAGE_SIZE;
}

uint64_t ram_wire_put_xbzrle(RAMWire *w, RAMBlock *block, ram_addr_t offset, const uint8_t *delta,
                             uint16_t len)
{
    uint64_t head = put_head(w, block, offset, RAM_SAVE_FLAG_XBZRLE);
    qemu_put_byte(w->f, XBZRLE_ENCODING);
    qemu_put_be16(w->f, len);
    qemu_put_buffer(w->f, delta, len);
    return head + 3 + len;
}

uint64_t ram_wire_put_compressed(RAMWire *w, RAMBlock *block, ram_addr_t offset, const uint8_t *data,
                                 uint32_t len)
{
    uint64_t head = put_head(w, block, offset, RAM_SAVE_FLAG_COMPRESS_PAGE);
    qemu_put_be32(w->f, len);
    qemu_put_buffer(w->f, data, len);
    return head + 4 + len;
}

uint64_t ram_wire_put_run(RAMWire *w, const RAMRun *run)
{
    unsigned kind = run->zero ? RAM_SAVE_FLAG_ZERO : RAM_SAVE_FLAG_PAGE;
    uint64_t bytes = put_head(w, run->block, run->offset, kind | RAM_SAVE_FLAG_GODWIT_RUN) + 4;
    qemu_put_be32(w->f, run->pages);
    if (run->zero) {
        qemu_put_byte(w->f, 0);
        return bytes + 1;
    }
    uint64_t data = (uint64_t)run->pages * TARGET_PAGE_SIZE;
    qemu_lend_pages(w->f, run->block->host + run->offset, data);
    return bytes + data;
}

uint64_t ram_wire_put_hook(RAMWire *w, uint8_t kind, uint64_t value)
{
    qemu_put_be64(w->f, RAM_SAVE_FLAG_HOOK);
    qemu_put_byte(w->f, kind);
    qemu_put_be64(w->f, value);
    return 8 + 1 + 8;
}

uint64_t ram_wire_put_eos(RAMWire *w)
{
    qemu_put_be64(w->f, RAM_SAVE_FLAG_EOS);
    w->last_block = NULL;
    return 8;
}

uint64_t ram_wire_put_sizes(RAMWire *w, Machine *m)
{
    uint64_t bytes = 8;
    qemu_put_be64(w->f, ram_total_bytes(m) | RAM_SAVE_FLAG_MEM_SIZE);
    for (RAMBlock *block = ram_block_first(m); block; block = block->next) {
        qemu_put_counted_string(w->f, block->idstr);
        qemu_put_be64(w->f, block->used_length);
        bytes += 1 + strlen(block->idstr) + 8;
    }
    return bytes;
}

/* ---- get ---- */

static bool stream_error(RAMWire *w, Error **errp)
{
    const Error *err = qemu_file_get_error(w->f);
    if (err) {
        error_setg(errp, "%s", error_get_pretty(err));
    }
    return err != NULL;
}

static RAMBlock *get_block(RAMWire *w, Machine *m, Error **errp)
{
    char idstr[256];
    if (!qemu_get_counted_string(w->f, idstr)) {
        if (!stream_error(w, errp)) {
            error_setg(errp, "the name of a RAM block contains a NUL byte");
        }
        return NULL;
    }
    RAMBlock *block = ram_block_find(m, idstr);
    if (!block) {
        error_setg(errp, "Unknown ramblock \"%s\", cannot accept migration", idstr);
    }
    return block;
}

static bool get_page_place(RAMWire *w, Machine *m, RAMRecord *record, Error **errp)
{
    if (record->flags & RAM_SAVE_FLAG_CONTINUE) {
        if (!w->last_block) {
            error_setg(errp, "the first page of the stream names no block");
            return false;
        }
    } else {
        w->last_block = get_block(w, m, errp);
        if (!w->last_block) {
            return false;
        }
    }
    record->block = w->last_block;
    if (record->offset >= record->block->used_length) {
        error_setg(errp, "page at 0x%" PRIx64 " is outside of RAM block \"%s\" of 0x%" PRIx64 " bytes",
                   record->offset, record->block->idstr, record->block->used_length);
        return false;
    }
    return true;
}

/* How many pages a run has: all of them must lie inside of the block. */
static bool get_run_length(RAMWire *w, RAMRecord *record, Error **errp)
{
    uint64_t room = (record->block->used_length - record->offset) / TARGET_PAGE_SIZE;
    record->pages = qemu_get_be32(w->f);
    if (stream_error(w, errp)) {
        return false;
    }
    if (record->pages == 0 || record->pages > room) {
        error_setg(errp, "run of %u pages at 0x%" PRIx64 " of RAM block \"%s\", which has room for %" PRIu64,
                   record->pages, record->offset, record->block->idstr, room);
        return false;
    }
    return true;
}

static bool get_xbzrle_length(RAMWire *w, RAMRecord *record, Error **errp)
{
    unsigned encoding = qemu_get_byte(w->f);
    record->length = qemu_get_be16(w->f);
    if (stream_error(w, errp)) {
        return false;
    }
    if (encoding != XBZRLE_ENCODING || record->length > TARGET_PAGE_SIZE) {
        error_setg(errp, "page at 0x%" PRIx64 " of RAM block \"%s\": a delta of encoding %u and %u bytes; "
                   "expected are encoding %d and at most %u bytes", record->offset, record->block->idstr,
                   encoding, record->length, XBZRLE_ENCODING, TARGET_PAGE_SIZE);
        return false;
    }
    return true;
}

static bool get_compressed_length(RAMWire *w, RAMRecord *record, Error **errp)
{
    record->length = qemu_get_be32(w->f);
    if (stream_error(w, errp)) {
        return false;
    }
    if (record->length == 0 || record->length > PAGE_CODEC_MAX) {
        error_setg(errp, "page at 0x%" PRIx64 " of RAM block \"%s\" has %u bytes compressed; at most %d are possible",
                   record->offset, record->block->idstr, record->length, PAGE_CODEC_MAX);
        return false;
    }
    return true;
}

bool ram_wire_get(RAMWire *w, Machine *m, RAMRecord *record, Error **errp)
{
    uint64_t head = qemu_get_be64(w->f);
    if (stream_error(w, errp)) {
        return false;
    }
    *record = (RAMRecord){ .flags = head & FLAGS_MASK, .offset = head & ~FLAGS_MASK, .pages = 1 };
    switch (record->flags & ~(unsigned)RAM_SAVE_FLAG_CONTINUE) {
    case RAM_SAVE_FLAG_EOS:
    case RAM_SAVE_FLAG_MEM_SIZE:
        return true;
    case RAM_SAVE_FLAG_ZERO:
        if (!get_page_place(w, m, record, errp)) {
            return false;
        }
        record->fill = qemu_get_byte(w->f);
        return !stream_error(w, errp);
    case RAM_SAVE_FLAG_PAGE:
        return get_page_place(w, m, record, errp);
    case RAM_SAVE_FLAG_ZERO | RAM_SAVE_FLAG_GODWIT_RUN:
        if (!get_page_place(w, m, record, errp) || !get_run_length(w, record, errp)) {
            return false;
        }
        record->fill = qemu_get_byte(w->f);
        return !stream_error(w, errp);
    case RAM_SAVE_FLAG_PAGE | RAM_SAVE_FLAG_GODWIT_RUN:
        return get_page_place(w, m, record, errp) && get_run_length(w, record, errp);
    case RAM_SAVE_FLAG_HOOK:
        record->hook = qemu_get_byte(w->f);
        record->value = qemu_get_be64(w->f);
        return !stream_error(w, errp);
    case RAM_SAVE_FLAG_XBZRLE:
        return get_page_place(w, m, record, errp) && get_xbzrle_length(w, record, errp);
    case RAM_SAVE_FLAG_COMPRESS_PAGE:
        return get_page_place(w, m, record, errp) && get_compressed_length(w, record, errp);
    default:
        error_setg(errp, "RAM record with flags 0x%x, which this machine cannot read", record->flags);
        return false;
    }
}

/* The sender's blocks must be this machine's, each of the same size. */
bool ram_wire_get_sizes(RAMWire *w, Machine *m, uint64_t total, Error **errp)
{
    while (total) {
        RAMBlock *block = get_block(w, m, errp);
        if (!block) {
            return false;
        }
        uint64_t length = qemu_get_be64(w->f);
        if (stream_error(w, errp)) {
            return false;
        }
        if (length != block->used_length) {
            error_setg(errp, "Size mismatch: %s: 0x%" PRIx64 " != 0x%" PRIx64
                       ": source and destination must have the same -m", block->idstr, length,
                       block->used_length);
            return false;
        }
        if (length > total) {
            error_setg(errp, "RAM blocks do not add up: \"%s\" exceeds the total", block->idstr);
            return false;
        }
        total -= length;
    }
    return true;
}
