/*
 * unzstd-off.c - the refusal of zstd data where libzstd is not built in.
 *
 * Lobby (hw/core).  No locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "unzstd.h"

uint8_t *unzstd_bytes(const char *name, const uint8_t *in, uint64_t len, uint64_t max,
                      uint64_t *out_len, Error **errp)
{
    error_setg(errp, "'%s' is compressed with zstd, which this program was built without", name);
    error_append_hint(errp, "install libzstd-dev and build again, or unpack the file");
    return NULL;
}
