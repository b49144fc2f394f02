/*
 * iov.h - copying to, from and within scattered buffers.
 *
 * Floor F0. No locks, no state. Offsets and lengths are bytes; what lies past the end is not touched.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_UTIL_IOV_H
#define GODWIT_UTIL_IOV_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/* Bytes in all. */
size_t iov_size(const struct iovec *iov, unsigned n);
/* Copies up to len bytes from offset into buf; returns how many there were. */
size_t iov_to_buf(const struct iovec *iov, unsigned n, size_t offset, void *buf, size_t len);
/* Copies up to len bytes of buf to offset; returns how many fitted. */
size_t iov_from_buf(const struct iovec *iov, unsigned n, size_t offset, const void *buf, size_t len);
/* Fills up to len bytes from offset; returns how many fitted. */
size_t iov_memset(const struct iovec *iov, unsigned n, size_t offset, int byte, size_t len);
/* Makes dst (room for max) describe len bytes of src from offset; returns the entries used. */
unsigned iov_slice(struct iovec *dst, unsigned max, const struct iovec *src, unsigned n, size_t offset,
                   size_t len);

#endif
