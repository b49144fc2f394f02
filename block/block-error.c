/*
 * block-error.c - what a failed request leads to: rerror=, werror=, the event, the disk's state.
 *
 * Lobby; below it block-backend.c and the run state.  Main loop's thread, machine lock held.
 * Invariant: the policy stands in the backend alone.  A drive sets it, its device may replace it; a
 * device only asks.  "enospc" is the default for writes: a host that is full is made room on, and the
 * guest need not know.
 * Format owned: the data of the event BLOCK_IO_ERROR.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <glib.h>
#include <string.h>

#include "block/block-int.h"
#include "system/machine.h"
#include "system/runstate.h"
#include "util/event-sink.h"

bool blk_set_on_error(BlockBackend *blk, const char *key, const char *policy, Error **errp)
{
    static const char *const names[] = {
        [BLOCK_ON_ERROR_REPORT] = "report", [BLOCK_ON_ERROR_IGNORE] = "ignore",
        [BLOCK_ON_ERROR_STOP] = "stop", [BLOCK_ON_ERROR_ENOSPC] = "enospc",
    };
    bool read = strcmp(key, "rerror") == 0;
    BlockOnError *field = read ? &blk->on_read_error : &blk->on_write_error;
    if (!policy || strcmp(policy, "auto") == 0) {
        return true;
    }
    /* Nothing that is read fills the host's disk. */
    unsigned count = read ? BLOCK_ON_ERROR_ENOSPC : G_N_ELEMENTS(names);
    for (unsigned i = 0; i < count; i++) {
        if (strcmp(policy, names[i]) == 0) {
            *field = i;
            return true;
        }
    }
    error_setg(errp, "'%s' invalid %s error action; it is %s", policy, key,
               read ? "report, ignore or stop"
                    : "report, ignore, stop or enospc (stop if the host is full)");
    return false;
}

static void send_event(const BlockBackend *blk, bool is_read, int err, const char *action)
{
    event_sink_emit(blk->layer->machine->events, "BLOCK_IO_ERROR",
                    json_pack("{s:s s:s s:s s:s s:b s:s}", "device",
                              blk->drive_id ? blk->drive_id : "", "node-name", blk->root->node_name,
                              "operation", is_read ? "read" : "write", "action", action, "nospace",
                              err == ENOSPC, "reason", g_strerror(err)));
}

bool blk_error_stops(BlockBackend *blk, bool is_read, int err)
{
    BlockOnError policy = is_read ? blk->on_read_error : blk->on_write_error;
    bool stop = policy == BLOCK_ON_ERROR_STOP || (policy == BLOCK_ON_ERROR_ENOSPC && err == ENOSPC);
    send_event(blk, is_read, err, stop ? "stop" : "report");
    if (!stop) {
        return false;
    }
    /* The first reason stands until the machine runs again. */
    if (blk->io_status == BLOCK_IO_OK) {
        blk->io_status = err == ENOSPC ? BLOCK_IO_NOSPACE : BLOCK_IO_FAILED;
    }
    system_vmstop_request(blk->layer->machine, RUN_STATE_IO_ERROR);
    return true;
}

bool blk_error_is_hidden(BlockBackend *blk, bool is_read, int err)
{
    if ((is_read ? blk->on_read_error : blk->on_write_error) != BLOCK_ON_ERROR_IGNORE) {
        return false;
    }
    send_event(blk, is_read, err, "ignore");
    return true;
}

void block_error_vm_state(void *opaque, bool running, RunState state)
{
    struct BlockLayer *layer = opaque;
    (void)state;
    for (BlockBackend *blk = layer->backends; running && blk; blk = blk->next) {
        blk->io_status = BLOCK_IO_OK;
    }
}
