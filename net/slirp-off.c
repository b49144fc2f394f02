/*
 * slirp-off.c - what -netdev user says in a build without libslirp.
 *
 * Lobby.  No state.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "net/net-int.h"

NetClientState *net_user_init(Machine *m, const char *id, const json_t *options, Error **errp)
{
    (void)m;
    (void)options;
    error_setg(errp,
               "netdev '%s': this program was built without libslirp, so type user is missing; "
               "install libslirp-dev, configure and build again",
               id);
    return NULL;
}
