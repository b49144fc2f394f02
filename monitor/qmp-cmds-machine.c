/*
 * qmp-cmds-machine.c - the commands that show a machine, read its memory, and fingerprint it.
 *
 * Floor F6; below it system/ and the state digest.  Main loop's thread, machine lock held.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "migration/register.h"
#include "qapi/qapi-commands.h"
#include "system/cpu.h"
#include "system/machine.h"
#include "system/memory.h"
#include "system/runstate.h"
#include "target/riscv.h"

/* ------------------------------------------------------------------ what it is */

bool qmp_query_name(QmpContext *ctx, NameInfo **ret, Error **errp)
{
    *ret = g_new0(NameInfo, 1);
    (*ret)->name = g_strdup(ctx->machine->config->name);
    return true;
}

bool qmp_query_uuid(QmpContext *ctx, UuidInfo **ret, Error **errp)
{
    const uint8_t *u = ctx->machine->config->uuid;
    *ret = g_new0(UuidInfo, 1);
    (*ret)->UUID = g_strdup_printf(
        "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0], u[1], u[2], u[3],
        u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14], u[15]);
    return true;
}

bool qmp_query_machines(QmpContext *ctx, MachineInfoList **ret, Error **errp)
{
    MachineInfoList **tail = ret;
    for (const MachineClass *const *klass = machine_classes(); *klass; klass++) {
        MachineInfo *info = g_new0(MachineInfo, 1);
        info->name = g_strdup((*klass)->name);
        info->cpu_max = MAX((*klass)->max_cpus, 1);
        info->default_cpu_type = g_strdup((*klass)->default_cpu_type);
        info->default_ram_id = g_strdup((*klass)->default_ram_id);
        QAPI_LIST_APPEND(tail, info);
    }
    return true;
}

bool qmp_query_cpus_fast(QmpContext *ctx, CpuInfoFastList **ret, Error **errp)
{
    CpuInfoFastList **tail = ret;
    for (unsigned i = 0; i < cpu_count(ctx->machine); i++) {
        const CPUState *cpu = cpu_get(ctx->machine, i);
        CpuInfoFast *info = g_new0(CpuInfoFast, 1);
        info->cpu_index = cpu->cpu_index;
        info->qom_path = cpu->qom_path ? g_strdup(cpu->qom_path)
                                       : g_strdup_printf("/machine/soc0/harts[%u]", i);
        info->thread_id = cpu->thread_id;
        QAPI_LIST_APPEND(tail, info);
    }
    return true;
}

bool qmp_query_cpu_definitions(QmpContext *ctx, CpuDefinitionInfoList **ret, Error **errp)
{
    CpuDefinitionInfoList **tail = ret;
    for (const char *const *model = riscv_cpu_models(); *model; model++) {
        CpuDefinitionInfo *info = g_new0(CpuDefinitionInfo, 1);
        info->name = g_strdup(*model);
        info->typename = g_strdup_printf("%s-riscv-cpu", *model);
        QAPI_LIST_APPEND(tail, info);
    }
    return true;
}

bool qmp_query_memory_size_summary(QmpContext *ctx, MemoryInfo **ret, Error **errp)
{
    *ret = g_new0(MemoryInfo, 1);
    (*ret)->base_memory = ctx->machine->config->ram_size;
    (*ret)->has_plugged_memory = true;
    return true;
}

bool qmp_inject_nmi(QmpContext *ctx, Error **errp)
{
    for (unsigned i = 0; i < cpu_count(ctx->machine); i++) {
        CPUState *cpu = cpu_get(ctx->machine, i);
        if (!cpu->ops->nmi) {
            error_setg(errp, "machine does not provide NMIs");
            return false;
        }
        cpu->ops->nmi(cpu);
    }
    return true;
}

/* ------------------------------------------------------------------ reading memory */

/* Where a range of addresses is read from, a piece at a time. */
typedef bool ReadPiece(QmpContext *ctx, CPUState *cpu, uint64_t addr, void *buf, size_t len, Error **errp);

static bool read_physical(QmpContext *ctx, CPUState *cpu, uint64_t addr, void *buf, size_t len,
                          Error **errp)
{
    uint64_t here = len;
    const void *host = memory_map(ctx->machine, addr, &here, false);
    if (!host || here < len) {
        error_setg(errp, "no RAM or ROM at address 0x%" G_GINT64_MODIFIER "x", addr + (host ? here : 0));
        return false;
    }
    memcpy(buf, host, len);
    memory_unmap(ctx->machine, (void *)host, len, false, 0);
    return true;
}

static bool read_virtual(QmpContext *ctx, CPUState *cpu, uint64_t addr, void *buf, size_t len, Error **errp)
{
    uint64_t phys;
    if (!cpu->ops->translate(cpu, addr, &phys)) {
        error_setg(errp, "Invalid addr 0x%016" G_GINT64_MODIFIER "x/size %zu specified", addr, len);
        return false;
    }
    return read_physical(ctx, cpu, phys, buf, len, errp);
}

typedef struct SaveRange {
    const char *filename;
    uint64_t addr, size;
    CPUState *cpu;
    ReadPiece *read;
} SaveRange;

static bool write_whole(int fd, const uint8_t *buf, size_t len, const char *filename, Error **errp)
{
    while (len) {
        ssize_t n = write(fd, buf, len);
        if (n < 0 && errno != EINTR) {
            error_setg_errno(errp, errno, "cannot write '%s'", filename);
            return false;
        }
        buf += MAX(n, 0);
        len -= MAX(n, 0);
    }
    return true;
}

static bool save_range(QmpContext *ctx, const SaveRange *range, Error **errp)
{
    uint8_t page[TARGET_PAGE_SIZE];
    int fd = open(range->filename, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) {
        error_setg_errno(errp, errno, "Could not open '%s'", range->filename);
        return false;
    }
    bool ok = true;
    for (uint64_t done = 0; ok && done < range->size;) {
        uint64_t addr = range->addr + done;
        size_t len = MIN(range->size - done, TARGET_PAGE_SIZE - (addr & ~TARGET_PAGE_MASK));
        ok = range->read(ctx, range->cpu, addr, page, len, errp) &&
             write_whole(fd, page, len, range->filename, errp);
        done += len;
    }
    if (close(fd) < 0 && ok) {
        error_setg_errno(errp, errno, "cannot write '%s'", range->filename);
        ok = false;
    }
    return ok;
}

bool qmp_memsave(QmpContext *ctx, const MemsaveArgs *args, Error **errp)
{
    int64_t index = args->has_cpu_index ? args->cpu_index : 0;
    if (index < 0 || index >= cpu_count(ctx->machine)) {
        error_setg(errp, "Invalid parameter 'cpu-index': there is no CPU %" G_GINT64_FORMAT, index);
        return false;
    }
    SaveRange range = {
        .filename = args->filename, .addr = args->val, .size = args->size,
        .cpu = cpu_get(ctx->machine, (unsigned)index), .read = read_virtual,
    };
    return save_range(ctx, &range, errp);
}

bool qmp_pmemsave(QmpContext *ctx, const PmemsaveArgs *args, Error **errp)
{
    SaveRange range = {
        .filename = args->filename, .addr = args->val, .size = args->size, .read = read_physical,
    };
    return save_range(ctx, &range, errp);
}

/* ------------------------------------------------------------------ proofs */

bool qmp_x_query_state_digest(QmpContext *ctx, MachineDigest **ret, Error **errp)
{
    if (runstate_is_running(ctx->machine)) {
        error_setg(errp, "the machine runs; 'stop' it before asking for its digest");
        return false;
    }
    unsigned count;
    StateDigest *digests = state_digest_all(ctx->machine, &count, errp);
    if (!digests) {
        return false;
    }
    MachineDigest *info = g_new0(MachineDigest, 1);
    DigestPartList **tail = &info->parts;
    for (unsigned i = 0; i + 1 < count; i++) {
        DigestPart *part = g_new0(DigestPart, 1);
        part->name = g_strdup(digests[i].name);
        part->bytes = digests[i].bytes;
        part->digest = g_strdup(digests[i].hex);
        QAPI_LIST_APPEND(tail, part);
    }
    info->total = g_strdup(digests[count - 1].hex);
    info->instructions = vcpus_instret(ctx->machine);
    state_digests_free(digests, count);
    *ret = info;
    return true;
}

bool qmp_x_stop_at(QmpContext *ctx, const XStopAtArgs *args, Error **errp)
{
    if (!ctx->machine->config->icount) {
        error_setg(errp, "an exact stop needs deterministic mode; start with -icount shift=N");
        return false;
    }
    if (!vcpus_stop_at(ctx->machine, args->insns)) {
        error_setg(errp, "%" G_GUINT64_FORMAT " instructions have retired already, %" G_GUINT64_FORMAT
                   " is in the past", vcpus_instret(ctx->machine), args->insns);
        return false;
    }
    return true;
}
