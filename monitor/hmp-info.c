/*
 * hmp-info.c - what `info` tells of the machine as a whole and of its back ends.
 *
 * Floor F6; below it every room's public interface.  Main loop's thread, machine lock held.  Nothing here
 * changes anything.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "monitor/hmp-internal.h"

#include "block/block.h"
#include "chardev/char.h"
#include "config-host.h"
#include "net/net.h"
#include "system/runstate.h"
#include "util/trace.h"

void hmp_info_version(HmpCall *call)
{
    hmp_printf(call->ctx, "Godwit %s (speaks the monitor protocol of QEMU %d.%d.%d)\n", GODWIT_VERSION,
               QMP_VERSION_MAJOR, QMP_VERSION_MINOR, QMP_VERSION_MICRO);
}

void hmp_info_status(HmpCall *call)
{
    RunState state = runstate_get(call->ctx->machine);
    bool running = state == RUN_STATE_RUNNING;
    hmp_printf(call->ctx, "VM status: %s", running ? "running" : "paused");
    if (!running && state != RUN_STATE_PAUSED) {
        hmp_printf(call->ctx, " (%s)", runstate_name(state));
    }
    hmp_puts(call->ctx, "\n");
}

void hmp_info_name(HmpCall *call)
{
    const char *name = call->ctx->machine->config->name;
    if (name) {
        hmp_printf(call->ctx, "%s\n", name);
    }
}

void hmp_info_uuid(HmpCall *call)
{
    const uint8_t *u = call->ctx->machine->config->uuid;
    hmp_printf(call->ctx, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x\n",
               u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13],
               u[14], u[15]);
}

void hmp_info_cpus(HmpCall *call)
{
    HmpContext *ctx = call->ctx;
    for (unsigned i = 0; ctx->machine->vcpus && i < cpu_count(ctx->machine); i++) {
        CPUState *cpu = cpu_get(ctx->machine, i);
        hmp_printf(ctx, "%c CPU #%u: thread_id=%d%s\n", i == ctx->cpu_index ? '*' : ' ', i, cpu->thread_id,
                   atomic_load(&cpu->halted) ? " (halted)" : "");
    }
}

void hmp_info_history(HmpCall *call)
{
    const GPtrArray *history = call->ctx->history;
    for (guint i = 0; history && i < history->len; i++) {
        hmp_printf(call->ctx, "%u: '%s'\n", i, (char *)history->pdata[i]);
    }
}

static bool print_event(void *opaque, const char *name, bool enabled)
{
    hmp_printf(opaque, "%s : state %u\n", name, enabled);
    return true;
}

void hmp_info_trace_events(HmpCall *call)
{
    trace_foreach(hmp_str(call, "name"), print_event, call->ctx);
}

void hmp_info_balloon(HmpCall *call)
{
    Error *err = NULL;
    json_t *ret = NULL;
    if (hmp_qmp(call->ctx, "query-balloon", NULL, &ret, &err)) {
        hmp_printf(call->ctx, "balloon: actual=%" PRIu64 "\n",
                   (uint64_t)json_integer_value(json_object_get(ret, "actual")) >> 20);
    }
    json_decref(ret);
    hmp_report(call->ctx, err);
}

/* ---- disks ---- */

typedef struct DiskListing {
    HmpCall *call;
    unsigned shown;
} DiskListing;

static const char *cache_mode(const BlockInfo *info)
{
    if (info->cache_no_flush) {
        return info->cache_direct ? "writeback, direct, ignore flushes" : "writeback, ignore flushes";
    }
    if (info->cache_direct) {
        return info->cache_writeback ? "writeback, direct" : "writethrough, direct";
    }
    return info->cache_writeback ? "writeback" : "writethrough";
}

/* The name that a person gave, or what the device has instead. */
static const char *disk_name(const BlockInfo *info)
{
    if (info->device && *info->device) {
        return info->device;
    }
    return info->qdev ? info->qdev : info->node_name ? info->node_name : "";
}

static void print_disk(const BlockInfo *info, void *opaque)
{
    DiskListing *list = opaque;
    HmpContext *ctx = list->call->ctx;
    const char *wanted = hmp_str(list->call, "name");
    if (wanted && g_strcmp0(wanted, info->device) != 0 && g_strcmp0(wanted, info->node_name) != 0) {
        return;
    }
    if (list->shown++) {
        hmp_puts(ctx, "\n");
    }
    hmp_printf(ctx, "%s", disk_name(info));
    if (!info->file) {
        hmp_puts(ctx, ": [not inserted]\n");
        return;
    }
    hmp_printf(ctx, " (%s): %s (%s%s)\n", info->node_name ? info->node_name : "", info->file,
               info->driver ? info->driver : "", info->read_only ? ", read-only" : "");
    if (info->qdev) {
        hmp_printf(ctx, "    Attached to:      %s\n", info->qdev);
    }
    hmp_printf(ctx, "    Cache mode:       %s\n", cache_mode(info));
    if (hmp_bool(list->call, "-v")) {
        hmp_printf(ctx, "    Size:             %" PRIu64 " bytes, %" PRIu64 " of them on the host\n",
                   info->size, info->actual_size);
    }
}

void hmp_info_block(HmpCall *call)
{
    DiskListing list = { .call = call };
    if (call->ctx->machine->block) {
        blk_foreach(call->ctx->machine, print_disk, &list);
    }
    if (list.shown == 0 && hmp_has(call, "name")) {
        hmp_printf(call->ctx, "there is no disk '%s'\n", hmp_str(call, "name"));
    }
}

static void print_stats(const BlockInfo *info, void *opaque)
{
    const BlockStats *s = &info->stats;
    hmp_printf(opaque, "%s: rd_bytes=%" PRIu64 " wr_bytes=%" PRIu64 " rd_operations=%" PRIu64
               " wr_operations=%" PRIu64 " flush_operations=%" PRIu64 " unmap_operations=%" PRIu64
               " rd_total_time_ns=%" PRIu64 " wr_total_time_ns=%" PRIu64 " flush_total_time_ns=%" PRIu64
               " failed_rd=%" PRIu64 " failed_wr=%" PRIu64 " failed_flush=%" PRIu64 "\n",
               disk_name(info), s->rd_bytes, s->wr_bytes, s->rd_operations, s->wr_operations,
               s->flush_operations, s->unmap_operations, s->rd_total_time_ns, s->wr_total_time_ns,
               s->flush_total_time_ns, s->failed_rd, s->failed_wr, s->failed_flush);
}

void hmp_info_blockstats(HmpCall *call)
{
    if (call->ctx->machine->block) {
        blk_foreach(call->ctx->machine, print_stats, call->ctx);
    }
}

/* ---- character devices, network ---- */

static void print_chardev(const ChardevInfo *info, void *opaque)
{
    hmp_printf(opaque, "%s: filename=%s\n", info->label, info->filename);
}

void hmp_info_chardev(HmpCall *call)
{
    if (call->ctx->machine->chardevs) {
        chardev_foreach(call->ctx->machine, print_chardev, call->ctx);
    }
}

static bool is_nic(const NetClientState *nc)
{
    return strcmp(nc->ops->type, "nic") == 0;
}

static void print_client(HmpContext *ctx, const NetClientState *nc, const char *indent)
{
    hmp_printf(ctx, "%s%s: type=%s%s%s%s\n", indent, nc->name, nc->ops->type, nc->info ? "," : "",
               nc->info ? nc->info : "", nc->link_down ? ",link=down" : "");
}

/* A NIC with what it is plugged into; then the back ends that nothing is plugged into. */
static void print_nic(NetClientState *nc, void *opaque)
{
    if (is_nic(nc)) {
        print_client(opaque, nc, "");
        if (nc->peer) {
            print_client(opaque, nc->peer, " \\ ");
        }
    }
}

static void print_lone_client(NetClientState *nc, void *opaque)
{
    if (!is_nic(nc) && !(nc->peer && is_nic(nc->peer))) {
        print_client(opaque, nc, "");
    }
}

void hmp_info_network(HmpCall *call)
{
    if (call->ctx->machine->net) {
        net_foreach(call->ctx->machine, print_nic, call->ctx);
        net_foreach(call->ctx->machine, print_lone_client, call->ctx);
    }
}
