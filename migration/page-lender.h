/*
 * page-lender.h - pages that go to a socket without being copied.
 *
 * Floor F2, private to channel-fd.c.  Used by the one writer of a channel.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_PAGE_LENDER_H
#define MIGRATION_PAGE_LENDER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

typedef struct PageLender PageLender;

/* NULL if the kernel gives no pipe of a size that is worth it. */
PageLender *page_lender_new(void);
void page_lender_free(PageLender *pl);
/*
 * Takes references to the pages of [host, host + len), from its front on; both are multiples of the host's page
 * size. How many bytes it took; 0 if the kernel does not let it. All of them are sent before the next take.
 */
size_t page_lender_take(PageLender *pl, const void *host, size_t len);
/* Sends up to len bytes of what was taken: as send(2) with MSG_NOSIGNAL, and MSG_MORE if more. */
ssize_t page_lender_send(PageLender *pl, int fd, size_t len, bool more);

#endif
