/*
 * hmp-info-hw.c - what `info` tells of the hardware: address space, devices, objects, interrupts, blobs.
 *
 * Floor F6; below it hw/ and system/.  Main loop's thread, machine lock held.  Nothing here changes
 * anything.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "monitor/hmp-internal.h"

#include "hw/intc.h"
#include "hw/loader.h"
#include "hw/qdev.h"
#include "system/memory.h"
#include "target/riscv.h"

/* ---- memory ---- */

static const char *region_kind(const MemoryRegion *region)
{
    if (!region->block) {
        return "i/o";
    }
    return region->ops ? "romd" : region->readonly ? "rom" : "ram";
}

static void print_region(MemoryRegion *region, void *opaque)
{
    hmp_printf(opaque, "    %016" PRIx64 "-%016" PRIx64 " (prio 0, %s): %s\n", region->base,
               region->base + region->size - 1, region_kind(region), region->name);
}

void hmp_info_mtree(HmpCall *call)
{
    HmpContext *ctx = call->ctx;
    hmp_puts(ctx, "address-space: memory\n"
             "  0000000000000000-ffffffffffffffff (prio 0, i/o): system\n");
    if (ctx->machine->memory) {
        memory_foreach(ctx->machine, print_region, ctx);
    }
}

static void print_rom(const RomInfo *info, void *opaque)
{
    HmpContext *ctx = opaque;
    MemoryRegion *region = memory_find(ctx->machine, info->addr);
    hmp_printf(ctx, "addr=%016" PRIx64 " size=0x%06" PRIx64 " mem=%s name=\"%s\"\n", info->addr, info->len,
               region ? region_kind(region) : "none", info->name);
}

void hmp_info_roms(HmpCall *call)
{
    if (call->ctx->machine->devices) {
        rom_foreach(call->ctx->machine, print_rom, call->ctx);
    }
}

/* ---- devices ---- */

void hmp_info_qtree(HmpCall *call)
{
    if (call->ctx->machine->devices) {
        g_autofree char *text = qdev_tree_text(call->ctx->machine);
        hmp_puts(call->ctx, text);
    }
}

typedef struct QomNode {
    char *path;
    const char *type;
} QomNode;

/* By name, and device[2] before device[10]. */
static int compare_nodes(const void *a, const void *b)
{
    const char *x = ((const QomNode *)a)->path, *y = ((const QomNode *)b)->path;
    while (*x && *x == *y) {
        x++;
        y++;
    }
    size_t x_digits = strspn(x, "0123456789"), y_digits = strspn(y, "0123456789");
    if (x_digits != y_digits) {
        return x_digits < y_digits ? -1 : 1;
    }
    /* What hangs below a node comes right behind it. */
    int cx = *x == '/' ? 1 : (unsigned char)*x, cy = *y == '/' ? 1 : (unsigned char)*y;
    return cx - cy;
}

static void clear_node(void *node)
{
    g_free(((QomNode *)node)->path);
}

static void add_node(GArray *nodes, const char *path, const char *type)
{
    QomNode node = { .path = g_strdup(path), .type = type };
    if (path) {
        g_array_append_val(nodes, node);
    }
}

static unsigned depth_of(const char *path, size_t len)
{
    unsigned depth = 0;
    for (size_t i = 0; i < len; i++) {
        depth += path[i] == '/';
    }
    return depth - 1;
}

/* Prints the containers on the way to path that the previous path did not go through. */
static void print_containers(HmpContext *ctx, const char *previous, const char *path)
{
    for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        size_t len = slash - path;
        bool printed = strncmp(previous, path, len) == 0 && (previous[len] == 0 || previous[len] == '/');
        if (!printed) {
            const char *name = g_strrstr_len(path, len, "/");
            hmp_printf(ctx, "%*s%.*s (container)\n", 2 * (int)depth_of(path, len), "",
                       (int)(slash - name), name);
        }
    }
}

void hmp_info_qom_tree(HmpCall *call)
{
    Machine *m = call->ctx->machine;
    const char *wanted = hmp_str(call, "path");
    g_autofree char *machine_type = g_strdup_printf("%s-machine", m->klass ? m->klass->name : "none");
    GArray *nodes = g_array_new(FALSE, FALSE, sizeof(QomNode));
    g_array_set_clear_func(nodes, clear_node);
    add_node(nodes, "/machine", machine_type);
    for (unsigned i = 0; m->vcpus && i < cpu_count(m); i++) {
        g_autofree char *path = g_strdup_printf("/machine/soc0/harts[%u]", i);
        add_node(nodes, cpu_get(m, i)->qom_path ? cpu_get(m, i)->qom_path : path, "rv64-riscv-cpu");
    }
    for (DeviceState *dev = m->devices ? qdev_first(m) : NULL; dev; dev = dev->next) {
        add_node(nodes, dev->qom_path, dev->klass->name);
    }
    g_array_sort(nodes, compare_nodes);
    const char *previous = "";
    for (guint i = 0; i < nodes->len; i++) {
        const QomNode *node = &g_array_index(nodes, QomNode, i);
        if (wanted && !g_str_has_prefix(node->path, wanted)) {
            continue;
        }
        print_containers(call->ctx, previous, node->path);
        hmp_printf(call->ctx, "%*s%s (%s)\n", 2 * (int)depth_of(node->path, strlen(node->path)), "",
                   strrchr(node->path, '/'), node->type);
        previous = node->path;
    }
    if (!*previous) {
        hmp_printf(call->ctx, "there is no object '%s'\n", wanted);
    }
    g_array_unref(nodes);
}

/* ---- interrupts ---- */

static void append_causes(GString *out, uint64_t bits)
{
    static const char *const names[] = {
        [RISCV_IRQ_S_SOFT] = "ssip", [RISCV_IRQ_M_SOFT] = "msip", [RISCV_IRQ_S_TIMER] = "stip",
        [RISCV_IRQ_M_TIMER] = "mtip", [RISCV_IRQ_S_EXT] = "seip", [RISCV_IRQ_M_EXT] = "meip",
    };
    bool any = false;
    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        if (names[i] && bits >> i & 1) {
            g_string_append_printf(out, " %s", names[i]);
            any = true;
        }
    }
    g_string_append(out, any ? "" : " none");
}

/* The pending bits, 32 sources a word, from 0x1000 on (PLIC specification, chapter 5). */
static void print_plic(HmpContext *ctx, const DeviceState *plic)
{
    g_autoptr(GString) out = g_string_new(NULL);
    for (unsigned word = 0; word * 32 < SIFIVE_PLIC_SOURCES; word++) {
        uint64_t bits = 0;
        if (address_space_ldst(ctx->machine, plic->mmio_base + 0x1000 + word * 4, &bits, 4, false) !=
            MEMTX_OK) {
            return;
        }
        for (unsigned i = 0; i < 32; i++) {
            if (bits >> i & 1) {
                g_string_append_printf(out, " %u", word * 32 + i);
            }
        }
    }
    hmp_printf(ctx, "plic at 0x%" PRIx64 ": pending sources:%s\n", plic->mmio_base,
               out->len ? out->str : " none");
}

void hmp_info_irq(HmpCall *call)
{
    HmpContext *ctx = call->ctx;
    unsigned current = ctx->cpu_index;
    for (unsigned i = 0; ctx->machine->vcpus && i < cpu_count(ctx->machine); i++) {
        uint64_t mip, mie;
        ctx->cpu_index = i;
        if (hmp_register(ctx, "mip", &mip) && hmp_register(ctx, "mie", &mie)) {
            g_autoptr(GString) out = g_string_new(NULL);
            g_string_append_printf(out, "CPU#%u: pending:", i);
            append_causes(out, mip);
            g_string_append(out, "; enabled:");
            append_causes(out, mie);
            hmp_printf(ctx, "%s\n", out->str);
        }
    }
    ctx->cpu_index = current;
    for (DeviceState *dev = ctx->machine->devices ? qdev_first(ctx->machine) : NULL; dev; dev = dev->next) {
        if (strcmp(dev->klass->name, TYPE_SIFIVE_PLIC) == 0 && dev->mmio_base) {
            print_plic(ctx, dev);
        }
    }
}
