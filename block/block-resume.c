/*
 * block-resume.c - with -icount, requests in flight in a machine that is saved, and in one that arrives.
 *
 * Lobby; below it block-aio.c's queue, the clock and the registry of what migrates.
 * Threads and locks: the machine's lock.
 * Invariant: a request that had been executed when the machine was saved is not executed again: its device
 * submits it once more when the machine starts, and it completes at the moment, and with the result, that
 * it had.  So a run goes on behind a move or a snapshot as it would have gone on without.
 *
 * In the stream: the section "godwit-block" (only with -icount): be32 number of requests; for each, in the order of
 * completion, u8 length and name of the drive or node, be64 moment in virtual time (ns), be32 negative errno or 0.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "block/block-aio.h"
#include "migration/register.h"
#include "system/clock.h"
#include "system/machine.h"

#define REQUESTS_MAX 65536u     /* more than all queues of a machine hold */
#define ERRNO_MAX 4095

/* A request that is to be submitted again. */
typedef struct ResumedRequest {
    BlockBackend *blk;
    int64_t due_ns;
    int ret;
} ResumedRequest;

struct BlockResume {
    BlockAio *aio;
    Machine *machine;
    GArray *requests;           /* ResumedRequest */
    int64_t loaded_ns;          /* they are good for that moment: later nobody submits them any more */
};

static const char *backend_name(const BlockBackend *blk)
{
    return blk->drive_id ? blk->drive_id : blk->root->node_name;
}

static BlockBackend *backend_find(Machine *m, const char *name)
{
    for (BlockBackend *blk = m->block->backends; blk; blk = blk->next) {
        if (blk->root && strcmp(backend_name(blk), name) == 0) {
            return blk;
        }
    }
    return NULL;
}

static void drop_stale(BlockResume *r)
{
    if (r->requests->len && qemu_clock_get_ns(r->machine, QEMU_CLOCK_VIRTUAL) != r->loaded_ns) {
        g_array_set_size(r->requests, 0);
    }
}

bool block_resume_take(BlockResume *r, BlockRequest *req)
{
    drop_stale(r);
    for (guint i = 0; i < r->requests->len; i++) {
        const ResumedRequest *one = &g_array_index(r->requests, ResumedRequest, i);
        if (one->blk == req->blk) {
            req->due_ns = one->due_ns;
            req->ret = one->ret;
            g_array_remove_index(r->requests, i);
            return true;
        }
    }
    return false;
}

void block_resume_forget(BlockResume *r, const BlockBackend *blk)
{
    for (guint i = r->requests->len; i > 0; i--) {
        if (g_array_index(r->requests, ResumedRequest, i - 1).blk == blk) {
            g_array_remove_index(r->requests, i - 1);
        }
    }
}

/* ---- what migrates ---- */

static void put_request(QEMUFile *f, const BlockBackend *blk, int64_t due_ns, int ret)
{
    qemu_put_counted_string(f, backend_name(blk));
    qemu_put_be64(f, (uint64_t)due_ns);
    qemu_put_be32(f, (uint32_t)ret);
}

static bool resume_save(QEMUFile *f, void *opaque, Error **errp)
{
    BlockResume *r = opaque;
    const BlockRequest *head = block_aio_delayed(r->aio);
    uint32_t count = 0;
    drop_stale(r);
    for (const BlockRequest *req = head; req; req = req->next) {
        count++;
    }
    qemu_put_be32(f, r->requests->len + count);
    /* A machine that has arrived and not run yet is saved as it came. */
    for (guint i = 0; i < r->requests->len; i++) {
        const ResumedRequest *one = &g_array_index(r->requests, ResumedRequest, i);
        put_request(f, one->blk, one->due_ns, one->ret);
    }
    for (const BlockRequest *req = head; req; req = req->next) {
        put_request(f, req->blk, req->due_ns, req->ret);
    }
    return true;
}

static bool get_request(BlockResume *r, QEMUFile *f, Error **errp)
{
    char name[256];
    bool well_formed = qemu_get_counted_string(f, name);
    ResumedRequest one = { .due_ns = (int64_t)qemu_get_be64(f) };
    one.ret = (int)qemu_get_be32(f);
    if (qemu_file_get_error(f)) {
        error_setg(errp, "%s", error_get_pretty(qemu_file_get_error(f)));
        return false;
    }
    one.blk = well_formed ? backend_find(r->machine, name) : NULL;
    if (!one.blk) {
        error_setg(errp, "a request in flight of disk '%.40s', which this machine does not have",
                   well_formed ? name : "");
        return false;
    }
    if (one.due_ns < 0 || one.ret > 0 || one.ret < -ERRNO_MAX) {
        error_setg(errp, "a request in flight of disk '%s' ends at %" G_GINT64_FORMAT " ns with %d; right are a time "
                   "that is not negative, and 0 or a negative errno", name, one.due_ns, one.ret);
        return false;
    }
    g_array_append_val(r->requests, one);
    return true;
}

static bool resume_load(QEMUFile *f, void *opaque, int version_id, Error **errp)
{
    BlockResume *r = opaque;
    uint32_t count = qemu_get_be32(f);
    g_array_set_size(r->requests, 0);
    /* Virtual time has arrived: its section is the first. */
    r->loaded_ns = qemu_clock_get_ns(r->machine, QEMU_CLOCK_VIRTUAL);
    if (count > REQUESTS_MAX) {
        error_setg(errp, "%u requests in flight; at most %u are possible", count, REQUESTS_MAX);
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!get_request(r, f, errp)) {
            g_array_set_size(r->requests, 0);
            return false;
        }
    }
    return true;
}

static const VMStateDescription vmstate_block_resume = {
    .name = "godwit-block", .version_id = 1, .minimum_version_id = 1, .optional = true,
    .save_blob = resume_save, .load_blob = resume_load,
};

/* ---- life ---- */

BlockResume *block_resume_new(Machine *m, BlockAio *aio)
{
    BlockResume *r = g_new0(BlockResume, 1);
    r->aio = aio;
    r->machine = m;
    r->requests = g_array_new(FALSE, FALSE, sizeof(ResumedRequest));
    if (m->savevm) {
        /* There is one block layer in a machine: nothing can be in its way. */
        vmstate_register(m, NULL, 0, &vmstate_block_resume, r, NULL);
    }
    return r;
}

void block_resume_free(BlockResume *r)
{
    vmstate_unregister(r->machine, &vmstate_block_resume, r);
    g_array_unref(r->requests);
    g_free(r);
}
