/*
 * file.h - the state of an open image file, shared by file.c (opening) and file-io.c (requests).
 *
 * Lobby, private to block/.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_BLOCK_FILE_H
#define GODWIT_BLOCK_FILE_H

#include <pthread.h>
#include <stdatomic.h>

#include "block/block-int.h"

#define FILE_MAX_ALIGN 4096     /* no O_DIRECT wants more */

typedef enum FileLocking {
    FILE_LOCKING_AUTO,
    FILE_LOCKING_ON,
    FILE_LOCKING_OFF,
} FileLocking;

typedef struct FileState {
    int fd;
    bool writable;              /* fd is open for writing */
    bool is_device;
    FileLocking locking;
    unsigned align;             /* of positions, lengths and memory; 1 without O_DIRECT */
    /* A write that has to read the rest of a block first excludes the other writes. */
    pthread_rwlock_t rmw;
    atomic_int flush_error;     /* -errno of a flush that failed: written data may be lost */
} FileState;

/* ---- file-mark.c ---- */

/* BlockDriver.mark of files. */
bool file_mark(BlockNode *bs, MigrationDiskMark mark, Error **errp);
/* False, saying what it means, if the image has a mark. */
bool file_mark_check(const BlockNode *bs, Error **errp);

/* ---- file-io.c: BlockDriver callbacks, worker threads ---- */

int file_preadv(BlockNode *bs, uint64_t offset, const struct iovec *iov, int niov);
int file_pwritev(BlockNode *bs, uint64_t offset, const struct iovec *iov, int niov);
int file_flush(BlockNode *bs);
int file_pdiscard(BlockNode *bs, uint64_t offset, uint64_t bytes);
int file_pwrite_zeroes(BlockNode *bs, uint64_t offset, uint64_t bytes, bool unmap);

#endif
