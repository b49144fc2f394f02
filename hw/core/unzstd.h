/*
 * unzstd.h - unpacking zstd data; unzstd.c with libzstd, unzstd-off.c without.
 *
 * Lobby (hw/core), private to the room.  No locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_HW_CORE_UNZSTD_H
#define GODWIT_HW_CORE_UNZSTD_H

#include <stdint.h>

#include "util/error.h"

/*
 * Unpacks the first frame of in, at most max bytes of output. The caller frees the result with
 * g_free(). NULL with *errp set, naming `name`, on bad data, too much of it, or if zstd is not built in.
 */
uint8_t *unzstd_bytes(const char *name, const uint8_t *in, uint64_t len, uint64_t max,
                      uint64_t *out_len, Error **errp);

#endif
