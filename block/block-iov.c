/*
 * block-iov.c - positions in scattered buffers.
 *
 * Lobby; no state, any thread.  Positions and lengths that reach past the vector's end are cut off.
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

int block_iov_window(const struct iovec *iov, int niov, uint64_t pos, struct iovec *out, int max)
{
    int n = 0;
    for (int i = 0; i < niov && n < max; i++) {
        if (pos >= iov[i].iov_len) {
            pos -= iov[i].iov_len;
            continue;
        }
        out[n].iov_base = (char *)iov[i].iov_base + pos;
        out[n++].iov_len = iov[i].iov_len - pos;
        pos = 0;
    }
    return n;
}

void block_iov_gather(const struct iovec *iov, int niov, uint64_t pos, void *buf, size_t len)
{
    struct iovec part;
    for (size_t done = 0; done < len && block_iov_window(iov, niov, pos + done, &part, 1);) {
        size_t n = MIN(part.iov_len, len - done);
        memcpy((char *)buf + done, part.iov_base, n);
        done += n;
    }
}

void block_iov_scatter(const struct iovec *iov, int niov, uint64_t pos, const void *buf, size_t len)
{
    struct iovec part;
    for (size_t done = 0; done < len && block_iov_window(iov, niov, pos + done, &part, 1);) {
        size_t n = MIN(part.iov_len, len - done);
        memcpy(part.iov_base, (const char *)buf + done, n);
        done += n;
    }
}

void block_iov_zero(const struct iovec *iov, int niov, uint64_t pos, uint64_t len)
{
    struct iovec part;
    for (uint64_t done = 0; done < len && block_iov_window(iov, niov, pos + done, &part, 1);) {
        size_t n = MIN(part.iov_len, len - done);
        memset(part.iov_base, 0, n);
        done += n;
    }
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
