/*
 * xbzrle.h - a page as its difference from the version that the other side has.
 *
 * Floor F4.  Pure functions; any thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_XBZRLE_H
#define MIGRATION_XBZRLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/error.h"

/* A delta that is longer than this is no gain over the page. */
#define XBZRLE_MAX 4092
#define XBZRLE_OVERFLOW (-1)

/*
 * Writes into delta what makes old_page into new_page; both hold one page, delta XBZRLE_MAX bytes. Neither
 * page may change meanwhile. Returns the length of the delta; 0: the pages are equal; XBZRLE_OVERFLOW: it
 * would not fit.
 */
int xbzrle_encode(const uint8_t *old_page, const uint8_t *new_page, uint8_t *delta);
/*
 * Makes page the new one. delta comes from anywhere: nothing outside of the page is touched. False: it is no
 * delta, and the page may be changed in part.
 */
bool xbzrle_decode(const uint8_t *delta, size_t len, uint8_t *page, Error **errp);

#endif
