/*
 * file-io.c - requests on image files: whole transfers, O_DIRECT's alignment, holes and zeroes.
 *
 * Lobby; below it POSIX.
 * Threads and locks: worker threads, several at a time.  With O_DIRECT a write of part of a block
 * takes `rmw` for writing (it reads the block, changes a part and writes it back), other writes for
 * reading.
 * Invariant: a read fills its whole vector: what lies past the end of the file is zeroes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "block/file.h"
#include "util/iov.h"

#define WINDOW 64                       /* iovecs a system call */
#define BOUNCE_SIZE (1024 * 1024)       /* a multiple of FILE_MAX_ALIGN */

/*
 * Moves all of the vector; returns the bytes moved (fewer only at the end of a file read), or
 * -errno.
 */
static int64_t file_transfer(int fd, bool write, uint64_t offset, const struct iovec *iov, int niov)
{
    struct iovec window[WINDOW];
    uint64_t done = 0;
    unsigned n;
    while ((n = iov_slice(window, WINDOW, iov, niov, done, SIZE_MAX)) > 0) {
        ssize_t got = write ? pwritev(fd, window, n, offset + done)
                            : preadv(fd, window, n, offset + done);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return -errno;
        }
        if (got == 0) {
            if (write) {
                return -ENOSPC;
            }
            break;
        }
        done += got;
    }
    return done;
}

static int64_t file_transfer_buf(int fd, bool write, uint64_t offset, void *buf, size_t len)
{
    struct iovec iov = { .iov_base = buf, .iov_len = len };
    return file_transfer(fd, write, offset, &iov, 1);
}

static bool file_is_aligned(const FileState *s, uint64_t offset, const struct iovec *iov, int niov)
{
    uint64_t bits = offset;
    for (int i = 0; i < niov; i++) {
        bits |= (uintptr_t)iov[i].iov_base | iov[i].iov_len;
    }
    return bits % s->align == 0;
}

/* ---- through an aligned buffer ---- */

static int file_read_bounced(FileState *s, uint64_t offset, const struct iovec *iov, int niov,
                             char *buf)
{
    uint64_t bytes = block_iov_size(iov, niov), done = 0;
    while (done < bytes) {
        uint64_t at = offset + done, start = at - at % s->align;
        size_t skip = at - start, want = MIN(bytes - done, BOUNCE_SIZE - skip);
        size_t len = (skip + want + s->align - 1) / s->align * s->align;
        int64_t got = file_transfer_buf(s->fd, false, start, buf, len);
        if (got < 0) {
            return got;
        }
        memset(buf + got, 0, len - got);
        iov_from_buf(iov, niov, done, buf + skip, want);
        done += want;
    }
    return 0;
}

/* The end of a file whose last block is not whole stays where it was, or where the write ends. */
static int file_trim_tail(FileState *s, uint64_t old_size, uint64_t data_end, uint64_t block_end)
{
    uint64_t size = MAX(old_size, data_end);
    if (s->is_device || size >= block_end) {
        return 0;
    }
    return ftruncate(s->fd, size) == 0 ? 0 : -errno;
}

/* One piece of at most a buffer; the lock is held for writing if it does not cover whole blocks. */
static int file_write_piece(FileState *s, uint64_t at, const struct iovec *iov, int niov,
                            uint64_t pos, size_t want, char *buf)
{
    uint64_t start = at - at % s->align;
    size_t skip = at - start, len = (skip + want + s->align - 1) / s->align * s->align;
    struct stat st = { 0 };
    bool partial = skip || len != want;
    if (partial) {
        if (fstat(s->fd, &st) < 0) {
            return -errno;
        }
        int64_t got = file_transfer_buf(s->fd, false, start, buf, len);
        if (got < 0) {
            return got;
        }
        memset(buf + got, 0, len - got);
    }
    iov_to_buf(iov, niov, pos, buf + skip, want);
    int64_t put = file_transfer_buf(s->fd, true, start, buf, len);
    if (put < 0) {
        return put;
    }
    return partial ? file_trim_tail(s, st.st_size, at + want, start + len) : 0;
}

static int file_write_bounced(FileState *s, uint64_t offset, const struct iovec *iov, int niov,
                              char *buf)
{
    uint64_t bytes = block_iov_size(iov, niov), done = 0;
    bool partial = (offset | bytes) % s->align != 0;
    int ret = 0;
    if (partial) {
        pthread_rwlock_wrlock(&s->rmw);
    } else {
        pthread_rwlock_rdlock(&s->rmw);
    }
    while (done < bytes && ret == 0) {
        uint64_t at = offset + done;
        size_t want = MIN(bytes - done, BOUNCE_SIZE - at % s->align);
        ret = file_write_piece(s, at, iov, niov, done, want, buf);
        done += want;
    }
    pthread_rwlock_unlock(&s->rmw);
    return ret;
}

static int file_bounced(FileState *s, bool write, uint64_t offset, const struct iovec *iov,
                        int niov)
{
    void *buf;
    if (posix_memalign(&buf, FILE_MAX_ALIGN, BOUNCE_SIZE) != 0) {
        return -ENOMEM;
    }
    int ret = write ? file_write_bounced(s, offset, iov, niov, buf)
                    : file_read_bounced(s, offset, iov, niov, buf);
    free(buf);
    return ret;
}

/* ---- requests ---- */

int file_preadv(BlockNode *bs, uint64_t offset, const struct iovec *iov, int niov)
{
    FileState *s = bs->opaque;
    if (!file_is_aligned(s, offset, iov, niov)) {
        return file_bounced(s, false, offset, iov, niov);
    }
    int64_t got = file_transfer(s->fd, false, offset, iov, niov);
    if (got < 0) {
        return got;
    }
    iov_memset(iov, niov, got, 0, SIZE_MAX);
    return 0;
}

int file_pwritev(BlockNode *bs, uint64_t offset, const struct iovec *iov, int niov)
{
    FileState *s = bs->opaque;
    if (!file_is_aligned(s, offset, iov, niov)) {
        return file_bounced(s, true, offset, iov, niov);
    }
    if (s->align > 1) {
        pthread_rwlock_rdlock(&s->rmw);
    }
    int64_t put = file_transfer(s->fd, true, offset, iov, niov);
    if (s->align > 1) {
        pthread_rwlock_unlock(&s->rmw);
    }
    return put < 0 ? put : 0;
}

int file_flush(BlockNode *bs)
{
    FileState *s = bs->opaque;
    int old = atomic_load(&s->flush_error);
    if (old) {
        /*
         * The kernel reports lost pages once and then forgets them.  A later success would tell the
         * guest that its data is safe.
         */
        return old;
    }
    if (fdatasync(s->fd) < 0) {
        int ret = -errno;
        if (ret != -EINTR && s->align == 1) {
            atomic_store(&s->flush_error, ret);
        }
        return ret;
    }
    return 0;
}

static int file_fallocate(FileState *s, int mode, uint64_t offset, uint64_t bytes)
{
    int rc;
    do {
        rc = fallocate(s->fd, mode | FALLOC_FL_KEEP_SIZE, offset, bytes);
    } while (rc < 0 && errno == EINTR);
    return rc == 0 ? 0 : -errno;
}

static bool file_is_unsupported(int ret)
{
    return ret == -EOPNOTSUPP || ret == -ENOSYS || ret == -ENOTTY || ret == -EINVAL;
}

static int file_device_range(FileState *s, unsigned long request, uint64_t offset, uint64_t bytes)
{
    uint64_t range[2] = { offset, bytes };
    return ioctl(s->fd, request, range) == 0 ? 0 : -errno;
}

int file_pdiscard(BlockNode *bs, uint64_t offset, uint64_t bytes)
{
    FileState *s = bs->opaque;
    if (bytes == 0) {
        return 0;
    }
    int ret = s->is_device ? file_device_range(s, BLKDISCARD, offset, bytes)
                           : file_fallocate(s, FALLOC_FL_PUNCH_HOLE, offset, bytes);
    /* Space that cannot be given back is no failure of a hint. */
    return file_is_unsupported(ret) ? 0 : ret;
}

/* Where nothing else makes zeroes: writes them. */
static int file_write_zero_bytes(BlockNode *bs, uint64_t offset, uint64_t bytes)
{
    void *buf;
    int ret = 0;
    if (posix_memalign(&buf, FILE_MAX_ALIGN, BOUNCE_SIZE) != 0) {
        return -ENOMEM;
    }
    memset(buf, 0, BOUNCE_SIZE);
    for (uint64_t done = 0; done < bytes && ret == 0;) {
        struct iovec iov = { .iov_base = buf, .iov_len = MIN(bytes - done, BOUNCE_SIZE) };
        ret = file_pwritev(bs, offset + done, &iov, 1);
        done += iov.iov_len;
    }
    free(buf);
    return ret;
}

int file_pwrite_zeroes(BlockNode *bs, uint64_t offset, uint64_t bytes, bool unmap)
{
    FileState *s = bs->opaque;
    int ret = -EOPNOTSUPP;
    if (bytes == 0) {
        return 0;
    }
    pthread_rwlock_rdlock(&s->rmw);
    if (s->is_device) {
        ret = file_device_range(s, BLKZEROOUT, offset, bytes);
    } else {
        if (unmap) {
            /* A hole reads as zeroes. */
            ret = file_fallocate(s, FALLOC_FL_PUNCH_HOLE, offset, bytes);
        }
        if (file_is_unsupported(ret)) {
            ret = file_fallocate(s, FALLOC_FL_ZERO_RANGE, offset, bytes);
        }
    }
    pthread_rwlock_unlock(&s->rmw);
    return file_is_unsupported(ret) ? file_write_zero_bytes(bs, offset, bytes) : ret;
}
