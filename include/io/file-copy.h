/*
 * file-copy.h - one file's contents into another, with as little work as the file system allows.
 *
 * Floor F1 (io).  Plain functions on descriptors; no locks, any thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_IO_FILE_COPY_H
#define GODWIT_IO_FILE_COPY_H

#include <stdbool.h>
#include <stdint.h>

#include "util/error.h"

/* The bytes of a regular file or block device. */
bool file_get_size(int fd, uint64_t *size, Error **errp);

/*
 * Makes `to` hold what the first `size` bytes of `from` hold: by sharing blocks (reflink) where both are files
 * of a file system that can, else by copying what is data. Holes stay holes, and become holes in `to`. A file
 * gets just that size; a block device must have it. The offsets of the descriptors are undefined afterwards.
 * On failure `to` holds a mixture. Nothing is synchronized.
 */
bool file_copy_contents(int from, int to, uint64_t size, Error **errp);

#endif
