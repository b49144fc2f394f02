/*
 * block-load.c - writes disks that arrive into this machine's own images.
 *
 * Floor F4; below it the stream and the table of disk.h.
 * Threads: the incoming thread; the machine does not run.
 * Invariant: the images are ours and marked before a byte is written; no record reaches outside its disk.  The wire
 * format is block-save.c's.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <xxhash.h>

#include "migration/block.h"
#include "migration/wire.h"
#include "system/machine.h"

#define FLAGS_MASK 511u
#define HASH_BYTES 16
/* So much is in the host's cache at most: what is left to flush when the machine stands still takes little time. */
#define UNFLUSHED_MAX (16u << 20)

/* The images are taken with the first section: a stream without one leaves them to the source. */
bool block_load_setup(QEMUFile *f, void *opaque, Error **errp)
{
    BlockMigration *b = opaque;
    MigrationDisk disk;
    machine_lock(b->machine);
    b->receiving = b->ops->receive(b->machine, errp);
    b->loading = g_array_new(FALSE, FALSE, sizeof(MigrationDisk));
    for (unsigned n = 0; b->receiving && b->ops->get(b->machine, n, &disk); n++) {
        g_array_append_val(b->loading, disk);
    }
    machine_unlock(b->machine);
    bool ok = b->receiving && block_mig_buffer(&b->buffer, errp);
    if (!ok) {
        block_load_cleanup(b);
    }
    atomic_store(&b->counters.total, 0);
    atomic_store(&b->counters.transferred, 0);
    atomic_store(&b->counters.remaining, 0);
    return ok;
}

static const MigrationDisk *find_disk(const BlockMigration *b, const char *name, Error **errp)
{
    g_autoptr(GString) names = g_string_new(NULL);
    for (guint i = 0; i < b->loading->len; i++) {
        const MigrationDisk *disk = &g_array_index(b->loading, MigrationDisk, i);
        if (strcmp(disk->name, name) == 0) {
            return disk;
        }
        g_string_append_printf(names, "%s'%s'", i ? ", " : "", disk->name);
    }
    error_setg(errp, "The source sends a disk '%s'; the disks that can be written here are: %s. Give both sides the "
               "same drives, with the same id=", name, names->len ? names->str : "none");
    return NULL;
}

static bool check_size(BlockMigration *b, const MigrationDisk *disk, uint64_t size, Error **errp)
{
    if (size != disk->bytes) {
        error_setg(errp, "Disk '%s' has %" PRIu64 " bytes at the source and %" PRIu64 " here: make an image of the "
                   "same size", disk->name, size, disk->bytes);
        return false;
    }
    atomic_fetch_add(&b->counters.total, size);
    return true;
}

static bool io_result(const MigrationDisk *disk, const char *what, uint64_t offset, int ret, Error **errp)
{
    if (ret < 0) {
        error_setg_errno(errp, -ret, "Disk '%s': its image could not be %s at %" PRIu64, disk->name, what, offset);
    }
    return ret >= 0;
}

/* The image must have there what the source's base image has. */
static bool check_same(BlockMigration *b, const MigrationDisk *disk, uint64_t offset, uint64_t bytes,
                       const uint8_t *wanted, Error **errp)
{
    XXH128_canonical_t have;
    if (!io_result(disk, "read", offset, b->ops->read(disk->handle, offset, b->buffer, bytes), errp)) {
        return false;
    }
    XXH128_canonicalFromHash(&have, XXH3_128bits(b->buffer, bytes));
    if (memcmp(have.digest, wanted, HASH_BYTES) != 0) {
        error_setg(errp, "Disk '%s': the image here differs at %" PRIu64 " from the base image at the source: an "
                   "incremental move needs a copy of that base, or move the whole disk", disk->name, offset);
        return false;
    }
    return true;
}

static bool write_chunk(BlockMigration *b, const MigrationDisk *disk, uint64_t offset, uint64_t bytes, Error **errp)
{
    if (!io_result(disk, "written", offset, b->ops->write(disk->handle, offset, b->buffer, bytes), errp)) {
        return false;
    }
    b->unflushed += bytes;
    if (b->unflushed < UNFLUSHED_MAX) {
        return true;
    }
    b->unflushed = 0;
    return io_result(disk, "flushed", offset, b->ops->flush(disk->handle), errp);
}

/* The rest of a record of a disk, behind its name. */
static bool load_chunk(BlockMigration *b, QEMUFile *f, const MigrationDisk *disk, uint64_t offset, unsigned flags,
                       Error **errp)
{
    uint8_t hash[HASH_BYTES];
    if (flags == BLK_MIG_FLAG_GODWIT_SIZE) {
        return check_size(b, disk, offset, errp);
    }
    if (offset >= disk->bytes || offset % BLOCK_MIG_CHUNK) {
        error_setg(errp, "Disk '%s' has %" PRIu64 " bytes here; the source sends a chunk at %" PRIu64, disk->name,
                   disk->bytes, offset);
        return false;
    }
    uint64_t bytes = MIN(disk->bytes - offset, BLOCK_MIG_CHUNK);
    switch (flags) {
    case 0:
        qemu_get_buffer(f, b->buffer, BLOCK_MIG_CHUNK);
        /* Half a chunk is not written: the stream's error is reported by the caller. */
        return qemu_file_get_error(f) || write_chunk(b, disk, offset, bytes, errp);
    case BLK_MIG_FLAG_ZERO_BLOCK:
        return io_result(disk, "written", offset, b->ops->write_zeroes(disk->handle, offset, bytes), errp);
    case BLK_MIG_FLAG_GODWIT_SAME:
        qemu_get_buffer(f, hash, sizeof(hash));
        return qemu_file_get_error(f) || check_same(b, disk, offset, bytes, hash, errp);
    default:
        error_setg(errp, "Disk '%s': flags 0x%x are not known here", disk->name, flags);
        return false;
    }
}

static bool load_record(BlockMigration *b, QEMUFile *f, uint64_t head, Error **errp)
{
    char name[256];
    unsigned flags = head & FLAGS_MASK;
    if (flags == BLK_MIG_FLAG_PROGRESS) {
        return true;
    }
    if (!(flags & BLK_MIG_FLAG_DEVICE_BLOCK)) {
        error_setg(errp, "a record of disks with flags 0x%x is not known here", flags);
        return false;
    }
    bool well_formed = qemu_get_counted_string(f, name);
    if (qemu_file_get_error(f)) {
        return true;
    }
    if (!well_formed) {
        error_setg(errp, "the name of a disk contains a NUL byte");
        return false;
    }
    const MigrationDisk *disk = find_disk(b, name, errp);
    return disk && load_chunk(b, f, disk, head & ~(uint64_t)FLAGS_MASK, flags & ~(unsigned)BLK_MIG_FLAG_DEVICE_BLOCK,
                              errp);
}

bool block_load_state(QEMUFile *f, void *opaque, int version_id, Error **errp)
{
    BlockMigration *b = opaque;
    uint64_t start = qemu_ftell(f);
    for (;;) {
        uint64_t head = qemu_get_be64(f);
        const Error *err = qemu_file_get_error(f);
        if (!err && head == BLK_MIG_FLAG_EOS) {
            break;
        }
        if (!err && !load_record(b, f, head, errp)) {
            return false;
        }
        if ((err = qemu_file_get_error(f))) {
            error_setg(errp, "%s", error_get_pretty(err));
            return false;
        }
    }
    atomic_fetch_add(&b->counters.transferred, qemu_ftell(f) - start);
    return true;
}

void block_load_cleanup(void *opaque)
{
    BlockMigration *b = opaque;
    g_clear_pointer(&b->loading, g_array_unref);
    g_clear_pointer(&b->buffer, g_free);
}
