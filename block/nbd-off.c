/*
 * nbd-off.c - what driver=nbd says in a build without libnbd.
 *
 * Lobby.  No state.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "block/block-int.h"

static bool nbd_open(BlockNode *bs, const json_t *options, Error **errp)
{
    (void)bs;
    (void)options;
    error_setg(errp, "this program was built without libnbd, so driver nbd is missing; install "
               "libnbd-dev, configure and build again");
    return false;
}

/* No node of this driver ever exists, so nothing else is called. */
static const char *const nbd_keys[] = {
    "uri", "server", "export", "host", "port", "path", "reconnect-delay", "open-timeout", NULL,
};

const BlockDriver block_driver_nbd = { .name = "nbd", .keys = nbd_keys, .open = nbd_open };
