/*
 * block-save.c - sends disks: every chunk once, and again what the guest has written since.
 *
 * Floor F4; below it the stream and the table of disk.h.
 * Threads: the migration thread; the lock as SaveVMHandlers say.  chunk_written() comes on any thread.
 * Invariant: a chunk's bit is cleared before its bytes are read, and set after a write has been executed: what was
 * written behind our read comes back, in the next round or when the machine stands still and nothing is in flight.
 *
 * Wire format of a record: be64 offset (a multiple of 512) | flags, then
 *   DEVICE      u8 length, name, 1 MiB of data (the end of a disk is filled up with zeroes)
 *   DEVICE|ZERO u8 length, name: the chunk is zero
 *   DEVICE|SAME u8 length, name, 16 bytes XXH3-128 (canonical): the chunk is as in the base image
 *   DEVICE|SIZE u8 length, name; the offset is the size of the disk
 *   PROGRESS    (percent << 9 | flag): how much of the first pass is done
 *   EOS         ends the payload of every section
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include <xxhash.h>

#include "migration/block.h"
#include "migration/ram.h"
#include "migration/wire.h"
#include "system/machine.h"

#define WORD_BITS 64
#define SECTOR 512u

static SendDisk *disk_at(const BlockMigration *b, guint i)
{
    return &g_array_index(b->sending, SendDisk, i);
}

static uint64_t chunk_bytes(const SendDisk *d, uint64_t chunk)
{
    return MIN(d->disk.bytes - chunk * BLOCK_MIG_CHUNK, BLOCK_MIG_CHUNK);
}

/* ---- what is left ---- */

static void chunk_written(void *opaque, uint64_t offset, uint64_t bytes)
{
    SendDisk *d = opaque;
    if (bytes == 0) {
        return;
    }
    uint64_t last = MIN((offset + bytes - 1) / BLOCK_MIG_CHUNK, d->chunks - 1);
    for (uint64_t chunk = offset / BLOCK_MIG_CHUNK; chunk <= last; chunk++) {
        atomic_fetch_or(&d->left[chunk / WORD_BITS], 1ull << chunk % WORD_BITS);
    }
}

/* The next chunk of the round; its bit has been cleared. False: the round is over. */
static bool next_chunk(BlockMigration *b, SendDisk **disk, uint64_t *chunk)
{
    for (; b->at_disk < b->sending->len; b->at_disk++, b->at_chunk = 0) {
        SendDisk *d = disk_at(b, b->at_disk);
        while (b->at_chunk < d->chunks) {
            uint64_t at = b->at_chunk;
            uint64_t word = atomic_load(&d->left[at / WORD_BITS]) >> at % WORD_BITS;
            if (!word) {
                b->at_chunk = (at / WORD_BITS + 1) * WORD_BITS;
                continue;
            }
            at += (uint64_t)__builtin_ctzll(word);
            b->at_chunk = at + 1;
            atomic_fetch_and(&d->left[at / WORD_BITS], ~(1ull << at % WORD_BITS));
            *disk = d;
            *chunk = at;
            return true;
        }
    }
    return false;
}

static uint64_t bytes_left(const BlockMigration *b)
{
    uint64_t bytes = 0;
    for (guint i = 0; b->sending && i < b->sending->len; i++) {
        const SendDisk *d = disk_at(b, i);
        for (uint64_t w = 0; w * WORD_BITS < d->chunks; w++) {
            bytes += (uint64_t)__builtin_popcountll(atomic_load(&d->left[w])) * BLOCK_MIG_CHUNK;
        }
    }
    return bytes;
}

static void rewind_round(BlockMigration *b)
{
    b->at_disk = 0;
    b->at_chunk = 0;
}

/* ---- records ---- */

static void put_head(QEMUFile *f, const SendDisk *d, uint64_t offset, unsigned flags)
{
    qemu_put_be64(f, offset | BLK_MIG_FLAG_DEVICE_BLOCK | flags);
    qemu_put_counted_string(f, d->disk.name);
}

static bool read_failed(const SendDisk *d, const char *what, uint64_t offset, int ret, Error **errp)
{
    error_setg_errno(errp, -ret, "Disk '%s': %s at %" G_GUINT64_FORMAT " could not be read", d->disk.name, what,
                     offset);
    return false;
}

static bool is_zero(const uint8_t *chunk)
{
    for (uint32_t at = 0; at < BLOCK_MIG_CHUNK; at += TARGET_PAGE_SIZE) {
        if (!page_is_zero(chunk + at)) {
            return false;
        }
    }
    return true;
}

/* True in *same if the chunk in b->buffer is what the base has there. */
static bool compare_base(BlockMigration *b, const SendDisk *d, uint64_t offset, uint64_t bytes, bool *same,
                         Error **errp)
{
    *same = false;
    if (!b->incremental || !b->first_pass) {
        return true;
    }
    int ret = b->ops->read_base(d->disk.handle, offset, b->base, bytes);
    *same = ret == 0 && memcmp(b->buffer, b->base, bytes) == 0;
    return ret == 0 || read_failed(d, "its base image", offset, ret, errp);
}

static bool send_chunk(BlockMigration *b, QEMUFile *f, SendDisk *d, uint64_t chunk, Error **errp)
{
    uint64_t offset = chunk * BLOCK_MIG_CHUNK, bytes = chunk_bytes(d, chunk);
    bool same;
    int ret = b->ops->read(d->disk.handle, offset, b->buffer, bytes);
    if (ret < 0) {
        return read_failed(d, "its image", offset, ret, errp);
    }
    memset(b->buffer + bytes, 0, BLOCK_MIG_CHUNK - bytes);
    if (!compare_base(b, d, offset, bytes, &same, errp)) {
        return false;
    }
    if (same) {
        XXH128_canonical_t hash;
        XXH128_canonicalFromHash(&hash, XXH3_128bits(b->buffer, bytes));
        put_head(f, d, offset, BLK_MIG_FLAG_GODWIT_SAME);
        qemu_put_buffer(f, hash.digest, sizeof(hash.digest));
    } else if (is_zero(b->buffer)) {
        put_head(f, d, offset, BLK_MIG_FLAG_ZERO_BLOCK);
    } else {
        put_head(f, d, offset, 0);
        qemu_put_buffer(f, b->buffer, BLOCK_MIG_CHUNK);
    }
    return true;
}

static void put_progress(BlockMigration *b, QEMUFile *f)
{
    uint64_t total = MAX(atomic_load(&b->counters.total), 1), left = MIN(bytes_left(b), total);
    qemu_put_be64(f, (100 - left * 100 / total) * SECTOR | BLK_MIG_FLAG_PROGRESS);
}

static bool end_section(BlockMigration *b, QEMUFile *f, uint64_t start, Error **errp)
{
    qemu_put_be64(f, BLK_MIG_FLAG_EOS);
    atomic_fetch_add(&b->counters.transferred, qemu_ftell(f) - start);
    atomic_store(&b->counters.remaining, bytes_left(b));
    const Error *err = qemu_file_get_error(f);
    if (err) {
        error_setg(errp, "%s", error_get_pretty(err));
    }
    return !err;
}

/* ---- the handlers ---- */

bool block_save_is_active(void *opaque)
{
    return ((BlockMigration *)opaque)->disks;
}

static void add_disk(BlockMigration *b, const MigrationDisk *disk)
{
    SendDisk d = { .disk = *disk, .chunks = (disk->bytes + BLOCK_MIG_CHUNK - 1) / BLOCK_MIG_CHUNK };
    d.left = g_new0(_Atomic uint64_t, d.chunks / WORD_BITS + 1);
    for (uint64_t chunk = 0; chunk < d.chunks; chunk++) {
        d.left[chunk / WORD_BITS] |= 1ull << chunk % WORD_BITS;
    }
    g_array_append_val(b->sending, d);
}

bool block_save_setup(QEMUFile *f, void *opaque, Error **errp)
{
    BlockMigration *b = opaque;
    MigrationDisk disk;
    uint64_t total = 0, start = qemu_ftell(f);
    b->sending = g_array_new(FALSE, FALSE, sizeof(SendDisk));
    if (!block_mig_buffer(&b->buffer, errp) || !block_mig_buffer(&b->base, errp)) {
        return false;
    }
    b->first_pass = true;
    rewind_round(b);
    for (unsigned n = 0; b->ops->get(b->machine, n, &disk); n++) {
        add_disk(b, &disk);
        total += disk.bytes;
    }
    for (guint i = 0; i < b->sending->len; i++) {
        SendDisk *d = disk_at(b, i);
        /* Not before the array has its size: the pointer stays. */
        b->ops->track(d->disk.handle, chunk_written, d);
        put_head(f, d, d->disk.bytes, BLK_MIG_FLAG_GODWIT_SIZE);
    }
    atomic_store(&b->counters.total, total);
    atomic_store(&b->counters.transferred, 0);
    return end_section(b, f, start, errp);
}

bool block_save_iterate(QEMUFile *f, void *opaque, bool *done, Error **errp)
{
    BlockMigration *b = opaque;
    SendDisk *d;
    uint64_t chunk, start = qemu_ftell(f);
    *done = !next_chunk(b, &d, &chunk);
    if (!*done && !send_chunk(b, f, d, chunk, errp)) {
        return false;
    }
    if (b->first_pass) {
        put_progress(b, f);
        b->first_pass = !*done;
    }
    return end_section(b, f, start, errp);
}

uint64_t block_save_pending(void *opaque, bool exact)
{
    BlockMigration *b = opaque;
    if (exact) {
        rewind_round(b);
    }
    uint64_t left = bytes_left(b);
    atomic_store(&b->counters.remaining, left);
    return left;
}

bool block_save_complete(QEMUFile *f, void *opaque, Error **errp)
{
    BlockMigration *b = opaque;
    SendDisk *d;
    uint64_t chunk, start = qemu_ftell(f);
    rewind_round(b);
    while (next_chunk(b, &d, &chunk)) {
        if (!send_chunk(b, f, d, chunk, errp)) {
            return false;
        }
    }
    return end_section(b, f, start, errp);
}

void block_save_cleanup(void *opaque)
{
    BlockMigration *b = opaque;
    for (guint i = 0; b->sending && i < b->sending->len; i++) {
        SendDisk *d = disk_at(b, i);
        b->ops->track(d->disk.handle, NULL, NULL);
        g_free(d->left);
    }
    g_clear_pointer(&b->sending, g_array_unref);
    g_clear_pointer(&b->buffer, g_free);
    g_clear_pointer(&b->base, g_free);
}
