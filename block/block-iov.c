/*
 * block-iov.c - what the block layer asks of a vector beyond util/iov.h.
 *
 * Lobby; no state, any thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "block/block-int.h"

uint64_t block_iov_size(const struct iovec *iov, int niov)
{
    uint64_t size = 0;
    for (int i = 0; i < niov; i++) {
        /* Saturate: no image is that long, so that the range check refuses it. */
        if (__builtin_add_overflow(size, iov[i].iov_len, &size)) {
            return UINT64_MAX;
        }
    }
    return size;
}

bool block_iov_is_zero(const struct iovec *iov, int niov)
{
    for (int i = 0; i < niov; i++) {
        const char *p = iov[i].iov_base;
        size_t n = iov[i].iov_len;
        /* The first byte is zero and each byte equals the one before it. */
        if (n && (*p || memcmp(p, p + 1, n - 1) != 0)) {
            return false;
        }
    }
    return true;
}
