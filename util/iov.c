/*
 * iov.c - copying to, from and within scattered buffers.
 *
 * Floor F0, over libc. No locks. Invariant: no byte outside the given iovec is read or written.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/iov.h"

#include <string.h>

size_t iov_size(const struct iovec *iov, unsigned n)
{
    size_t size = 0;
    for (unsigned i = 0; i < n; i++) {
        size += iov[i].iov_len;
    }
    return size;
}

unsigned iov_slice(struct iovec *dst, unsigned max, const struct iovec *src, unsigned n, size_t offset,
                   size_t len)
{
    unsigned used = 0;
    for (unsigned i = 0; i < n && len > 0 && used < max; i++) {
        if (offset >= src[i].iov_len) {
            offset -= src[i].iov_len;
            continue;
        }
        size_t piece = src[i].iov_len - offset;
        if (piece > len) {
            piece = len;
        }
        dst[used].iov_base = (uint8_t *)src[i].iov_base + offset;
        dst[used].iov_len = piece;
        used++;
        len -= piece;
        offset = 0;
    }
    return used;
}

/* The part of one entry that [offset, offset+len) covers; advances offset past the entry. */
static size_t overlap(const struct iovec *iov, size_t *offset, size_t len, uint8_t **start)
{
    if (*offset >= iov->iov_len) {
        *offset -= iov->iov_len;
        return 0;
    }
    size_t piece = iov->iov_len - *offset;
    *start = (uint8_t *)iov->iov_base + *offset;
    *offset = 0;
    return piece < len ? piece : len;
}

size_t iov_to_buf(const struct iovec *iov, unsigned n, size_t offset, void *buf, size_t len)
{
    size_t done = 0;
    for (unsigned i = 0; i < n && done < len; i++) {
        uint8_t *start = NULL;
        size_t piece = overlap(&iov[i], &offset, len - done, &start);
        if (piece > 0) {
            memcpy((uint8_t *)buf + done, start, piece);
            done += piece;
        }
    }
    return done;
}

size_t iov_from_buf(const struct iovec *iov, unsigned n, size_t offset, const void *buf, size_t len)
{
    size_t done = 0;
    for (unsigned i = 0; i < n && done < len; i++) {
        uint8_t *start = NULL;
        size_t piece = overlap(&iov[i], &offset, len - done, &start);
        if (piece > 0) {
            memcpy(start, (const uint8_t *)buf + done, piece);
            done += piece;
        }
    }
    return done;
}

size_t iov_memset(const struct iovec *iov, unsigned n, size_t offset, int byte, size_t len)
{
    size_t done = 0;
    for (unsigned i = 0; i < n && done < len; i++) {
        uint8_t *start = NULL;
        size_t piece = overlap(&iov[i], &offset, len - done, &start);
        if (piece > 0) {
            memset(start, byte, piece);
            done += piece;
        }
    }
    return done;
}
