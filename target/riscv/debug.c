/*
 * debug.c - what the monitor asks of a hart: a register by name, the ranges that its page tables map.
 *
 * Lobby (target/riscv).  The hart is stopped; nothing here changes it.
 * The tables are the guest's: they may point at themselves or anywhere, so the walk visits a bounded
 * number of them.  Privileged spec 4.3.2.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "mmu.h"

#define TABLES_MAX 65536u       /* tables of 512 entries that one walk visits */
#define PTE_V 0x01u
#define PTE_LEAF 0x0eu          /* R, W, X */
#define PTE_ATTR 0xffu
#define PTE_PPN_MASK ((1ull << 44) - 1)

/* ---- registers ---- */

static const char *const abi_names[32] = {
    "zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", "a0", "a1", "a2", "a3", "a4", "a5",
    "a6", "a7", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6",
};

static const char *const fp_names[32] = {
    "ft0", "ft1", "ft2", "ft3", "ft4", "ft5", "ft6", "ft7", "fs0", "fs1", "fa0", "fa1", "fa2", "fa3",
    "fa4", "fa5", "fa6", "fa7", "fs2", "fs3", "fs4", "fs5", "fs6", "fs7", "fs8", "fs9", "fs10", "fs11",
    "ft8", "ft9", "ft10", "ft11",
};

/* The number in names, or behind prefix ("x7"); -1 if name is neither. */
static int debug_register_number(const char *name, char prefix, const char *const *names)
{
    guint64 n;

    if (name[0] == prefix && g_ascii_string_to_unsigned(name + 1, 10, 0, 31, &n, NULL)) {
        return (int)n;
    }
    for (int i = 0; i < 32; i++) {
        if (strcmp(names[i], name) == 0) {
            return i;
        }
    }
    return -1;
}

static bool debug_get_csr(Hart *h, const char *name, uint64_t *value)
{
    const struct { const char *name; uint64_t value; } csrs[] = {
        {"pc", h->pc}, {"priv", h->priv}, {"mhartid", (uint64_t)h->cpu.cpu_index},
        {"mstatus", csr_mstatus(h)}, {"mip", hart_mip(h)}, {"mie", atomic_load(&h->mie)},
        {"sip", hart_mip(h) & h->mideleg}, {"sie", atomic_load(&h->mie) & h->mideleg},
        {"mideleg", h->mideleg}, {"medeleg", h->medeleg}, {"mtvec", h->mtvec}, {"stvec", h->stvec},
        {"mepc", h->mepc}, {"sepc", h->sepc}, {"mcause", h->mcause}, {"scause", h->scause},
        {"mtval", h->mtval}, {"stval", h->stval}, {"mscratch", h->mscratch},
        {"sscratch", h->sscratch}, {"satp", h->satp}, {"stimecmp", h->stimecmp},
        {"menvcfg", h->menvcfg}, {"senvcfg", h->senvcfg}, {"misa", model_misa(h)},
        {"mcounteren", h->mcounteren}, {"scounteren", h->scounteren},
        {"instret", counter_value(h, &h->instret)}, {"cycle", counter_value(h, &h->cycle)},
        {"fcsr", (uint64_t)h->frm << 5 | h->fpu.flags},
    };

    for (unsigned n = 0; n < G_N_ELEMENTS(csrs); n++) {
        if (strcmp(csrs[n].name, name) == 0) {
            *value = csrs[n].value;
            return true;
        }
    }
    return false;
}

bool debug_get_register(CPUState *cpu, const char *name, uint64_t *value)
{
    Hart *h = hart_of(cpu);
    int x = debug_register_number(strcmp(name, "fp") == 0 ? "s0" : name, 'x', abi_names);
    int f = debug_register_number(name, 'f', fp_names);

    if (x >= 0) {
        *value = h->x[x];
    } else if (f >= 0) {
        *value = h->f[f];
    }
    return x >= 0 || f >= 0 || debug_get_csr(h, name, value);
}

/* ---- page tables ---- */

typedef struct MapWalk {
    Hart *h;
    CPUMappingFunc *fn;
    void *opaque;
    unsigned tables_left;
    unsigned va_bits;
    bool stop;                      /* fn has had enough, or the bound is reached */
    uint64_t vaddr, paddr, size;    /* the range that grows; size 0: none yet */
    uint64_t attr;
} MapWalk;

static void map_emit(MapWalk *w)
{
    static const char letters[] = "rwxugad";
    char attr[sizeof(letters)];

    if (w->size == 0) {
        return;
    }
    for (unsigned n = 0; n < sizeof(letters) - 1; n++) {
        attr[n] = w->attr >> (n + 1) & 1 ? letters[n] : '-';
    }
    attr[sizeof(letters) - 1] = 0;
    CPUMapping mapping = {.paddr = w->paddr, .size = w->size, .attr = attr};
    /* Addresses are sign-extended from the highest bit that is translated. */
    mapping.vaddr = (uint64_t)((int64_t)(w->vaddr << (64 - w->va_bits)) >> (64 - w->va_bits));
    w->stop = !w->fn(&mapping, w->opaque) || w->stop;
    w->size = 0;
}

static void map_leaf(MapWalk *w, uint64_t va, uint64_t pte, uint64_t size)
{
    uint64_t pa = (pte >> 10 & PTE_PPN_MASK) << TARGET_PAGE_BITS;

    if (w->size && va == w->vaddr + w->size && pa == w->paddr + w->size && w->attr == (pte & PTE_ATTR)) {
        w->size += size;
        return;
    }
    map_emit(w);
    w->vaddr = va;
    w->paddr = pa;
    w->size = size;
    w->attr = pte & PTE_ATTR;
}

/* A table's bytes if the whole of it is in RAM or ROM. */
static const uint64_t *map_table(MapWalk *w, hwaddr table)
{
    MemoryRegion *r = memory_find(w->h->cpu.machine, table);

    if (!r || !r->block || (r->ops && !r->romd) || r->base + r->size - table < TARGET_PAGE_SIZE) {
        return NULL;
    }
    return (const uint64_t *)(r->block->host + r->block_offset + (table - r->base));
}

/* At most five deep: level falls with each call. */
static void map_walk_table(MapWalk *w, hwaddr table, uint64_t va, int level)
{
    uint64_t size = 1ull << (TARGET_PAGE_BITS + 9 * (unsigned)level);
    const uint64_t *entries = w->tables_left ? map_table(w, table) : NULL;

    w->stop = w->stop || w->tables_left == 0;
    if (!entries) {
        return;
    }
    w->tables_left--;
    for (unsigned n = 0; n < 512 && !w->stop; n++) {
        uint64_t pte = __atomic_load_n(&entries[n], __ATOMIC_RELAXED);
        if (!(pte & PTE_V)) {
            continue;
        }
        if (pte & PTE_LEAF) {
            map_leaf(w, va + n * size, pte, size);
        } else if (level > 0) {
            map_walk_table(w, (pte >> 10 & PTE_PPN_MASK) << TARGET_PAGE_BITS, va + n * size, level - 1);
        }
    }
}

bool debug_foreach_mapping(CPUState *cpu, CPUMappingFunc *fn, void *opaque)
{
    Hart *h = hart_of(cpu);
    unsigned mode = h->satp >> 60;
    unsigned levels = mode >= 8 && mode <= 10 ? mode - 5 : 0;
    MapWalk w = {.h = h, .fn = fn, .opaque = opaque, .tables_left = TABLES_MAX,
                 .va_bits = TARGET_PAGE_BITS + 9 * levels};

    if (levels == 0) {
        return false;
    }
    map_walk_table(&w, (h->satp & PTE_PPN_MASK) << TARGET_PAGE_BITS, 0, (int)levels - 1);
    map_emit(&w);
    return true;
}
