/*
 * file.c - images that are files (driver file) and host block devices (driver host_device).
 *
 * Lobby; below it POSIX, file-io.c and file-lock.c.
 * Threads and locks: descriptor and mode change under the machine lock while nothing is in flight;
 * I/O is file-io.c's and runs on workers.
 * Invariant: the descriptor is open for writing only while a user writes or the options ask for it
 * without auto-read-only; locks are held only while the node is in use.
 * Options: filename, aio (threads, native and io_uring are all served by the thread pool), locking
 * (auto: lock where the file system can; on: fail where it cannot; off).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "block/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "system/machine.h"
#include "util/fdset.h"
#include "util/keyval.h"

static const char *const file_keys[] = { "filename", "aio", "locking", NULL };

/* A descriptor for the image, not yet the node's; -1 with *errp and errno set. */
static int file_open_fd(BlockNode *bs, bool write, Error **errp)
{
    int flags = (write ? O_RDWR : O_RDONLY) | O_CLOEXEC | (bs->cache_direct ? O_DIRECT : 0);
    if (fdset_is_path(bs->filename)) {
        struct FdSets *sets = bs->layer->machine->fdsets;
        errno = EACCES;
        if (!sets) {
            error_setg(errp, "'%s': no descriptor has been added to any set", bs->filename);
            return -1;
        }
        int fd = fdsets_open(sets, bs->filename, write ? O_RDWR : O_RDONLY, errp);
        if (fd < 0) {
            errno = EACCES;
        }
        return fd;
    }
    int fd = open(bs->filename, flags);
    if (fd < 0) {
        int saved = errno;
        error_setg_errno(errp, saved, "Could not open '%s'", bs->filename);
        if (saved == EINVAL && bs->cache_direct) {
            error_append_hint(errp, "The file system may not have O_DIRECT: use cache.direct=off");
        }
        errno = saved;
    }
    return fd;
}

static bool file_check_type(BlockNode *bs, int fd, Error **errp)
{
    FileState *s = bs->opaque;
    struct stat st;
    if (fstat(fd, &st) < 0) {
        error_setg_errno(errp, errno, "Could not stat '%s'", bs->filename);
        return false;
    }
    if (s->is_device ? !S_ISBLK(st.st_mode) : !S_ISREG(st.st_mode)) {
        error_setg(errp, "'%s' driver requires '%s' to be a %s%s", bs->drv->name, bs->filename,
                   s->is_device ? "block device" : "regular file",
                   S_ISBLK(st.st_mode) ? "; use driver=host_device" :
                   S_ISREG(st.st_mode) ? "; use driver=file" : "");
        return false;
    }
    return true;
}

/*
 * With O_DIRECT positions, lengths and addresses must be multiples of a size that only trying
 * tells. An empty file tells nothing and gets the largest.
 */
static unsigned file_probe_alignment(int fd)
{
    void *memory;
    unsigned align = FILE_MAX_ALIGN;
    if (posix_memalign(&memory, FILE_MAX_ALIGN, 2 * FILE_MAX_ALIGN) != 0) {
        return align;
    }
    for (unsigned trial = 512; trial < FILE_MAX_ALIGN && align == FILE_MAX_ALIGN; trial *= 2) {
        /* This address is a multiple of trial and of nothing larger. */
        if (pread(fd, (char *)memory + trial, trial, 0) > 0) {
            align = trial;
        }
    }
    free(memory);
    return align;
}

static bool file_update_length(BlockNode *bs, Error **errp)
{
    FileState *s = bs->opaque;
    struct stat st;
    uint64_t length;
    if (s->is_device ? ioctl(s->fd, BLKGETSIZE64, &length) < 0 : fstat(s->fd, &st) < 0) {
        error_setg_errno(errp, errno, "Could not get the size of '%s'", bs->filename);
        return false;
    }
    if (!s->is_device) {
        length = st.st_size;
    }
    /* A guest sees whole sectors; what a file lacks at its end reads as zeroes. */
    bs->length = (length + BDRV_SECTOR_SIZE - 1) / BDRV_SECTOR_SIZE * BDRV_SECTOR_SIZE;
    return true;
}

/* Replaces the descriptor; takes fd. */
static void file_use_fd(BlockNode *bs, int fd, bool write)
{
    FileState *s = bs->opaque;
    if (s->fd >= 0) {
        close(s->fd);
    }
    s->fd = fd;
    s->writable = write;
    s->align = bs->cache_direct ? file_probe_alignment(fd) : 1;
    atomic_store(&s->flush_error, 0);
}

static bool file_set_access(BlockNode *bs, bool write, Error **errp)
{
    FileState *s = bs->opaque;
    if (bs->read_only || s->writable == write || (!write && !bs->auto_read_only)) {
        return true;
    }
    Error *err = NULL;
    int fd = file_open_fd(bs, write, &err);
    if (fd >= 0) {
        file_use_fd(bs, fd, write);
        return file_update_length(bs, errp);
    }
    if (write && (errno == EACCES || errno == EPERM || errno == EROFS)) {
        /*
         * Only auto-read-only brings a node here; the user above decides whether it can live with
         * it.
         */
        error_free(err);
        bs->read_only = true;
        return true;
    }
    error_propagate(errp, err);
    return false;
}

static bool file_parse(BlockNode *bs, FileState *s, const json_t *options, Error **errp)
{
    static const char *const aios[] = { "threads", "native", "io_uring", NULL };
    const char *filename = NULL, *aio = "threads", *locking = "auto";
    if (!keyval_get_str(options, "filename", &filename, errp) ||
        !keyval_get_str(options, "aio", &aio, errp) ||
        !keyval_get_str(options, "locking", &locking, errp)) {
        return false;
    }
    if (!filename || !filename[0]) {
        error_setg(errp, "The '%s' block driver requires a file name: filename=PATH",
                   bs->drv->name);
        return false;
    }
    if (!g_strv_contains(aios, aio)) {
        error_setg(errp, "invalid aio option '%s'; it is threads, native or io_uring", aio);
        return false;
    }
    if (strcmp(aio, "native") == 0 && !bs->cache_direct) {
        error_setg(errp, "aio=native was specified, but it requires cache.direct=on, which was not "
                   "specified");
        return false;
    }
    s->locking = strcmp(locking, "on") == 0 ? FILE_LOCKING_ON :
                 strcmp(locking, "off") == 0 ? FILE_LOCKING_OFF : FILE_LOCKING_AUTO;
    if (s->locking == FILE_LOCKING_AUTO && strcmp(locking, "auto") != 0) {
        error_setg(errp, "invalid locking option '%s'; it is auto, on or off", locking);
        return false;
    }
    bs->filename = g_strdup(filename);
    return true;
}

static void file_close(BlockNode *bs)
{
    FileState *s = bs->opaque;
    if (s->fd >= 0) {
        close(s->fd);
    }
    pthread_rwlock_destroy(&s->rmw);
    g_free(s);
    bs->opaque = NULL;
}

static bool file_open(BlockNode *bs, const json_t *options, Error **errp)
{
    FileState *s = g_new0(FileState, 1);
    bool write = !bs->read_only && !bs->auto_read_only;
    s->fd = -1;
    s->is_device = bs->drv == &block_driver_host_device;
    pthread_rwlock_init(&s->rmw, NULL);
    bs->opaque = s;
    int fd = file_parse(bs, s, options, errp) ? file_open_fd(bs, write, errp) : -1;
    if (fd < 0) {
        file_close(bs);
        return false;
    }
    if (!file_check_type(bs, fd, errp)) {
        close(fd);
        file_close(bs);
        return false;
    }
    file_use_fd(bs, fd, write);
    if (!file_update_length(bs, errp)) {
        file_close(bs);
        return false;
    }
    return true;
}

/* ---- locks and hand-over ---- */

static void file_unlock_node(BlockNode *bs)
{
    FileState *s = bs->opaque;
    if (s->locking != FILE_LOCKING_OFF) {
        file_unlock(s->fd);
    }
}

static bool file_lock_node(BlockNode *bs, bool write, Error **errp)
{
    FileState *s = bs->opaque;
    if (s->locking != FILE_LOCKING_OFF && !file_lock(s->fd, bs, write, s->locking == FILE_LOCKING_ON, errp)) {
        return false;
    }
    if (bs->layer->receiving || bs->force_share || file_mark_check(bs, errp)) {
        return true;
    }
    file_unlock_node(bs);
    return false;
}

static bool file_refresh(BlockNode *bs, Error **errp)
{
    FileState *s = bs->opaque;
    /* Another process wrote the image meanwhile: on a network file system old pages may linger. */
    posix_fadvise(s->fd, 0, 0, POSIX_FADV_DONTNEED);
    atomic_store(&s->flush_error, 0);
    return file_update_length(bs, errp);
}

static uint64_t file_actual_size(BlockNode *bs)
{
    const FileState *s = bs->opaque;
    struct stat st;
    return fstat(s->fd, &st) == 0 ? st.st_blocks * 512ull : 0;
}

static int file_descriptor(BlockNode *bs)
{
    return ((const FileState *)bs->opaque)->fd;
}

#define FILE_DRIVER(NAME, MARK) { \
    .name = NAME, .keys = file_keys, .is_protocol = true, .open = file_open, .close = file_close, \
    .set_access = file_set_access, .lock = file_lock_node, .unlock = file_unlock_node, \
    .refresh = file_refresh, .actual_size = file_actual_size, .descriptor = file_descriptor, .mark = MARK, \
    .preadv = file_preadv, \
    .pwritev = file_pwritev, .flush = file_flush, .pdiscard = file_pdiscard, \
    .pwrite_zeroes = file_pwrite_zeroes, \
}

const BlockDriver block_driver_file = FILE_DRIVER("file", file_mark);
const BlockDriver block_driver_host_device = FILE_DRIVER("host_device", NULL);
