/*
 * globalstate.c - the last section: what the machine was doing before it was stopped for the move.
 *
 * Floor F3; below it the runstate.  Lock held.
 * Wire format: be32 length of the name with its NUL, 100 bytes: the name of the runstate, zero-padded.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "migration/savevm-internal.h"
#include "system/machine.h"
#include "system/runstate.h"

void global_state_store(Machine *m, RunState state)
{
    GlobalState *g = &m->savevm->globalstate;
    memset(g->runstate, 0, sizeof(g->runstate));
    g_strlcpy((char *)g->runstate, runstate_name(state), sizeof(g->runstate));
    g->size = (uint32_t)strlen((char *)g->runstate) + 1;
}

static bool globalstate_post_load(void *opaque, int version_id, Error **errp)
{
    GlobalState *g = opaque;
    RunState state;
    if (!memchr(g->runstate, '\0', sizeof(g->runstate)) ||
        !runstate_parse((char *)g->runstate, &state)) {
        error_setg(errp, "'%.*s' is not the name of a runstate", (int)sizeof(g->runstate) - 1, g->runstate);
        return false;
    }
    return true;
}

const VMStateDescription vmstate_globalstate = {
    .name = "globalstate", .version_id = 1, .minimum_version_id = 1,
    .post_load = globalstate_post_load,
    .fields = (const VMStateField[]){
        VMSTATE_UINT32(size, GlobalState),
        VMSTATE_BUFFER(runstate, GlobalState),
        VMSTATE_END_OF_LIST(),
    },
};
