/*
 * file-lock.c - who may open an image at the same time: byte-range locks that QEMU's tools see too.
 *
 * Lobby; below it fcntl(2).
 * Threads and locks: no state.  The locks are open-file-description locks: they belong to the
 * descriptor and not to the process, so that two machines in one process exclude each other as
 * well.
 * Format owned: the bytes of an image file on which shared locks are held (their contents do not
 * matter).  They are what qemu-system-*, qemu-img and qemu-nbd hold, as /proc/locks shows:
 *     100  "I read it"             101  "I write it"
 *     201  "nobody else may write it"
 * A user sets its own marks first and then looks for marks of others that exclude them: of two that
 * start at the same moment at most one succeeds, and possibly none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>

#include "block/block-int.h"

#define LOCK_BYTE_READS 100
#define LOCK_BYTE_WRITES 101
#define LOCK_BYTE_NO_WRITERS 201

static int file_lock_byte(int fd, int byte, short type)
{
    struct flock fl = { .l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };
    return fcntl(fd, F_OFD_SETLK, &fl) == 0 ? 0 : -errno;
}

/* 1 if another open file holds the byte, 0 if none does, or -errno. */
static int file_lock_is_foreign(int fd, int byte)
{
    struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };
    if (fcntl(fd, F_OFD_GETLK, &fl) < 0) {
        return -errno;
    }
    return fl.l_type != F_UNLCK;
}

void file_unlock(int fd)
{
    static const int bytes[] = { LOCK_BYTE_READS, LOCK_BYTE_WRITES, LOCK_BYTE_NO_WRITERS };
    for (size_t i = 0; i < G_N_ELEMENTS(bytes); i++) {
        file_lock_byte(fd, bytes[i], F_UNLCK);
    }
}

static int file_lock_set_marks(int fd, const BlockNode *bs, bool write)
{
    int ret = file_lock_byte(fd, LOCK_BYTE_READS, F_RDLCK);
    if (ret == 0 && write) {
        ret = file_lock_byte(fd, LOCK_BYTE_WRITES, F_RDLCK);
    }
    if (ret == 0 && !bs->force_share) {
        ret = file_lock_byte(fd, LOCK_BYTE_NO_WRITERS, F_RDLCK);
    }
    return ret;
}

static const char *file_lock_conflict(int fd, const BlockNode *bs, bool write)
{
    if (!bs->force_share && file_lock_is_foreign(fd, LOCK_BYTE_WRITES) == 1) {
        return "another process has it open for writing";
    }
    if (write && file_lock_is_foreign(fd, LOCK_BYTE_NO_WRITERS) == 1) {
        return "another process has it open and allows no writer beside it";
    }
    return NULL;
}

bool file_lock(int fd, const BlockNode *bs, bool write, bool must, Error **errp)
{
    int ret = file_lock_set_marks(fd, bs, write);
    if (ret < 0 && ret != -EAGAIN && ret != -EACCES) {
        file_unlock(fd);
        if (must) {
            error_setg_errno(errp, -ret,
                             "image '%s': its file system has no locks, but locking=on asks "
                             "for them; use locking=auto or locking=off",
                             bs->filename);
        }
        return !must;
    }
    const char *conflict = ret < 0 ? "another process has locked it"
                                   : file_lock_conflict(fd, bs, write);
    if (conflict) {
        file_unlock(fd);
        error_setg(errp, "Failed to lock image '%s' for %s: %s, or it is given twice here. Stop that "
                   "process%s", bs->filename,
                   write ? "writing" : "reading", conflict,
                   write ? ", or open the image with read-only=on in both"
                         : ", or add force-share=on to read while it writes");
        return false;
    }
    return true;
}
