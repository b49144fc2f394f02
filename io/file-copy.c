/*
 * file-copy.c - one file's contents into another: share blocks, else copy data and keep holes.
 *
 * Floor F1 (io); below it POSIX and Linux.
 * Threads and locks: no state; any thread.
 * Invariant: what is a hole or zeroes in the source reads as zeroes in the copy, whatever stood there.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "io/file-copy.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUFFER_SIZE (1u << 20)
#define ALIGNMENT 4096u         /* no O_DIRECT wants more */
/* One call to the kernel copies no more than this, so that a signal need not wait long. */
#define RANGE_MAX (1u << 30)

typedef struct FileCopy {
    int from, to;
    bool fresh;                 /* nothing stood in `to`: holes are there already */
    bool by_hand;               /* the kernel cannot copy between these two */
    uint8_t *buffer;            /* BUFFER_SIZE, made when needed */
} FileCopy;

static bool failed(Error **errp, const char *what)
{
    error_setg_errno(errp, errno, "%s", what);
    return false;
}

bool file_get_size(int fd, uint64_t *size, Error **errp)
{
    struct stat st;
    if (fstat(fd, &st) < 0) {
        return failed(errp, "cannot get the size");
    }
    if (S_ISBLK(st.st_mode)) {
        return ioctl(fd, BLKGETSIZE64, size) == 0 || failed(errp, "cannot get the size");
    }
    *size = (uint64_t)st.st_size;
    return true;
}

/* ---- copying a range ---- */

static bool write_all(FileCopy *c, uint64_t offset, size_t len, Error **errp)
{
    for (size_t at = 0; at < len;) {
        ssize_t n = pwrite(c->to, c->buffer + at, len - at, (off_t)(offset + at));
        if (n < 0 && errno != EINTR) {
            return failed(errp, "cannot write");
        }
        at += n > 0 ? (size_t)n : 0;
    }
    return true;
}

static bool need_buffer(FileCopy *c, Error **errp)
{
    if (!c->buffer && posix_memalign((void **)&c->buffer, ALIGNMENT, BUFFER_SIZE) != 0) {
        errno = ENOMEM;
        return failed(errp, "cannot copy");
    }
    return true;
}

static bool copy_by_hand(FileCopy *c, uint64_t offset, uint64_t len, Error **errp)
{
    if (!need_buffer(c, errp)) {
        return false;
    }
    while (len) {
        ssize_t n = pread(c->from, c->buffer, (size_t)MIN(len, BUFFER_SIZE), (off_t)offset);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            errno = n < 0 ? errno : EIO;
            return failed(errp, n < 0 ? "cannot read" : "cannot read: the file has become shorter");
        }
        if (!write_all(c, offset, (size_t)n, errp)) {
            return false;
        }
        offset += (uint64_t)n;
        len -= (uint64_t)n;
    }
    return true;
}

static bool copy_data(FileCopy *c, uint64_t offset, uint64_t len, Error **errp)
{
    while (len && !c->by_hand) {
        off_t in = (off_t)offset, out = (off_t)offset;
        ssize_t n = copy_file_range(c->from, &in, c->to, &out, (size_t)MIN(len, RANGE_MAX), 0);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EFBIG)) {
            return failed(errp, "cannot write");
        }
        if (n <= 0) {
            /* Other file systems, devices, old kernels: reading and writing always works, or says why not. */
            c->by_hand = true;
            break;
        }
        offset += (uint64_t)n;
        len -= (uint64_t)n;
    }
    return !len || copy_by_hand(c, offset, len, errp);
}

static bool make_hole(FileCopy *c, uint64_t offset, uint64_t len, Error **errp)
{
    if (c->fresh || !len ||
        fallocate(c->to, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)len) == 0) {
        return true;
    }
    if (!need_buffer(c, errp)) {
        return false;
    }
    memset(c->buffer, 0, MIN(len, BUFFER_SIZE));
    while (len) {
        size_t n = (size_t)MIN(len, BUFFER_SIZE);
        if (!write_all(c, offset, n, errp)) {
            return false;
        }
        offset += n;
        len -= n;
    }
    return true;
}

/* ---- the whole ---- */

/* Where the data behind `offset` begins and ends. A file system that cannot tell has data only. */
static void find_data(int fd, uint64_t offset, uint64_t size, uint64_t *begin, uint64_t *end)
{
    off_t data = lseek(fd, (off_t)offset, SEEK_DATA);
    if (data < 0) {
        *begin = errno == ENXIO ? size : offset;
        *end = size;
        return;
    }
    off_t hole = lseek(fd, data, SEEK_HOLE);
    *begin = MIN((uint64_t)data, size);
    *end = hole < 0 ? size : MIN((uint64_t)hole, size);
}

static bool copy_sparse(FileCopy *c, uint64_t size, Error **errp)
{
    for (uint64_t offset = 0; offset < size;) {
        uint64_t begin, end;
        find_data(c->from, offset, size, &begin, &end);
        if (!make_hole(c, offset, begin - offset, errp) || !copy_data(c, begin, end - begin, errp)) {
            return false;
        }
        offset = end;
    }
    return true;
}

bool file_copy_contents(int from, int to, uint64_t size, Error **errp)
{
    struct stat st;
    uint64_t room;
    if (fstat(to, &st) < 0) {
        return failed(errp, "cannot look at the copy");
    }
    bool is_file = S_ISREG(st.st_mode);
    if (is_file && ftruncate(to, (off_t)size) < 0) {
        return failed(errp, "cannot set the size of the copy");
    }
    if (is_file && file_get_size(from, &room, NULL) && room == size && ioctl(to, FICLONE, from) == 0) {
        return true;
    }
    if (!file_get_size(to, &room, errp)) {
        return false;
    }
    if (room < size) {
        error_setg(errp, "%" G_GUINT64_FORMAT " bytes do not fit into %" G_GUINT64_FORMAT, size, room);
        return false;
    }
    FileCopy c = { .from = from, .to = to, .fresh = is_file && st.st_size == 0 };
    bool ok = copy_sparse(&c, size, errp);
    free(c.buffer);
    return ok;
}
