/*
 * net-options.c - the types of -netdev and what all of them need.
 *
 * Lobby; below it keyval and the back ends.  Machine lock held; no state.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "net/net-int.h"
#include "system/machine.h"
#include "util/keyval.h"

static const struct {
    const char *name;
    NetdevInit *init;
} types[] = {
    { "dgram", net_dgram_init },   { "socket", net_socket_init }, { "stream", net_stream_init },
    { "tap", net_tap_init },       { "user", net_user_init },
};

const char *const *netdev_type_names(void)
{
    static const char *const names[] = { "dgram", "socket", "stream", "tap", "user", NULL };
    return names;
}

static NetdevInit *netdev_find_type(const char *type, Error **errp)
{
    for (size_t i = 0; type && i < G_N_ELEMENTS(types); i++) {
        if (strcmp(types[i].name, type) == 0) {
            return types[i].init;
        }
    }
    g_autofree char *list = g_strjoinv(", ", (char **)netdev_type_names());
    error_setg(errp, "Invalid netdev type '%s'; there are: %s", type ? type : "", list);
    return NULL;
}

NetClientState *netdev_new(Machine *m, const json_t *options, Error **errp)
{
    const char *type = NULL, *id = NULL;
    if (!keyval_get_str(options, "type", &type, errp) ||
        !keyval_get_str(options, "id", &id, errp)) {
        return NULL;
    }
    NetdevInit *init = netdev_find_type(type, errp);
    if (!init) {
        return NULL;
    }
    if (!id || !id[0]) {
        error_setg(errp, "Parameter 'id' is missing: the name by which a device finds this netdev");
        return NULL;
    }
    if (netdev_find(m, id)) {
        error_setg(errp, "Duplicate ID '%s' for netdev", id);
        return NULL;
    }
    if (m->config && m->config->icount) {
        /* Frames come when the host likes; the guest would never run the same way twice. */
        error_setg(errp,
                   "netdev '%s' of type %s brings the host's time to the guest, which -icount "
                   "excludes; leave out -netdev and -nic, or -icount",
                   id, type);
        return NULL;
    }
    NetClientState *nc = init(m, id, options, errp);
    if (nc && nc->ops->plug && runstate_get(m) == RUN_STATE_INMIGRATE) {
        nc->ops->plug(nc, false);
    }
    return nc;
}
