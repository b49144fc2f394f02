/*
 * block.c - the cache of decoded blocks: finding, building, checking.
 *
 * Lobby (target/riscv).  Runs on the hart's thread; each hart has a cache of its own, without locks.
 * Invariant: a block is found by virtual and physical pc, so targets and auipc are constants in it.  A
 * block of the present epoch equals the code in memory as of the hart's last fence.i; an older one is
 * compared before it runs again.  Blocks are freed all at once, when the arena is full and none runs;
 * a block that no longer fits is dead (epoch 0): links to it fail and are made anew.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include <sys/mman.h>

#include "mmu.h"
#include "ops.h"

#define ARENA_SIZE (16u << 20)
#define HASH_SIZE 32768
#define SLOTS_MAX (2 * BLOCK_MAX_INSNS + 2)
#define RAW_MAX (4 * BLOCK_MAX_INSNS)
#define ALIGNED(n) (((n) + 15) & ~(size_t)15)
#define BLOCK_BYTES_MAX ALIGNED(sizeof(Block) + SLOTS_MAX * sizeof(Insn) + RAW_MAX)
/* In front of the arena: the dead block and the scratch block. */
#define ARENA_DEAD ALIGNED(sizeof(Block))
#define ARENA_FIXED (ARENA_DEAD + BLOCK_BYTES_MAX)

struct BlockCache {
    uint8_t *arena;
    size_t used;
    Block *hash[HASH_SIZE];
    Block *dead;                    /* epoch 0, no instruction */
    Block *scratch;                 /* not kept: cut to a budget, or from a page with mixed rights */
};

/* What a block is built from. */
typedef struct Source {
    uint64_t pc;
    hwaddr page, page2;             /* page2: 0 unless the block crosses */
    const uint8_t *host, *host2;    /* of the pages */
    bool uniform;
} Source;

BlockCache *block_cache_new(void)
{
    BlockCache *c = g_new0(BlockCache, 1);

    c->arena = mmap(NULL, ARENA_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                    -1, 0);
    g_assert(c->arena != MAP_FAILED);
    c->dead = (Block *)c->arena;
    c->scratch = (Block *)(c->arena + ARENA_DEAD);
    c->used = ARENA_FIXED;
    return c;
}

void block_cache_free(BlockCache *c)
{
    if (c) {
        munmap(c->arena, ARENA_SIZE);
        g_free(c);
    }
}

void block_cache_flush(Hart *h)
{
    h->blocks->used = ARENA_FIXED;
    memset(h->blocks->hash, 0, sizeof(h->blocks->hash));
    tlb_flush(h);               /* the jump caches point into the arena */
}

void block_cache_init_jumps(Hart *h)
{
    for (unsigned c = 0; c < G_N_ELEMENTS(h->jump_caches); c++) {
        for (unsigned n = 0; n < JUMP_CACHE_SIZE; n++) {
            h->jump_caches[c].entry[n].block = h->blocks->dead;
        }
    }
}

static Block **block_slot(BlockCache *c, uint64_t pc, hwaddr phys)
{
    uint64_t key = (phys >> 1) ^ (pc >> 12) * 0x9e3779b1u;

    return &c->hash[(key ^ key >> 13) & (HASH_SIZE - 1)];
}

/* Other harts may write the code while it is read: halfwords, one access each. */
static uint16_t block_half(const uint8_t *host)
{
    return __atomic_load_n((const uint16_t *)host, __ATOMIC_RELAXED);
}

static bool block_same(const uint8_t *raw, const uint8_t *host, unsigned len)
{
    for (unsigned n = 0; n < len; n += 2) {
        if ((raw[n] | raw[n + 1] << 8) != block_half(host + n)) {
            return false;
        }
    }
    return true;
}

/* The page behind src's for an instruction that crosses. False: trap set. */
static bool block_second_page(Hart *h, Source *src)
{
    uint64_t va = (src->pc & TARGET_PAGE_MASK) + TARGET_PAGE_SIZE;
    bool uniform;

    src->host2 = mmu_fetch_page(h, va, &src->page2, &uniform);
    src->uniform = src->uniform && uniform;
    return src->host2 != NULL;
}

/* Is b, found by its key, still what memory and the second page's translation say? */
static bool block_valid(Hart *h, Block *b, Source *src)
{
    const uint8_t *host = src->host + (src->pc & ~TARGET_PAGE_MASK);

    if (b->host != host || b->phys2 != src->page2) {
        return false;
    }
    if (b->epoch == h->epoch) {
        return true;
    }
    if (!block_same(b->raw, host, b->raw_first) ||
        (b->phys2 && !block_same(b->raw + b->raw_first, src->host2, b->raw_len - b->raw_first))) {
        return false;
    }
    b->epoch = h->epoch;
    return true;
}

/* The instruction at offset bytes from the block's start; its length in *len, 0 if it does not fit. */
static uint32_t block_fetch(const Source *src, unsigned offset, unsigned *len)
{
    unsigned in_page = (src->pc & ~TARGET_PAGE_MASK) + offset;
    uint32_t low = block_half(src->host + in_page);

    *len = (low & 3) == 3 ? 4 : 2;
    if (*len == 2) {
        return low;
    }
    if (in_page + 4 <= TARGET_PAGE_SIZE) {
        return low | (uint32_t)block_half(src->host + in_page + 2) << 16;
    }
    if (src->host2) {
        return low | (uint32_t)block_half(src->host2) << 16;
    }
    *len = 0;
    return 0;
}

/* Links start dead, and know how much of the block lies behind their jump. */
static void block_finish_links(Hart *h, Block *b, const uint8_t *is_link, unsigned slots)
{
    for (unsigned s = 1; s < slots; s++) {
        if (is_link[s]) {
            b->insn[s].next = h->blocks->dead;
            b->insn[s].imm = b->n - (b->insn[s - 1].fn == op_goto ? b->n : b->insn[s - 1].index + 1u);
        }
    }
}

/* Decodes at most max instructions of src into b, which has room for everything. Returns the slots. */
static unsigned block_decode(Hart *h, Block *b, const Source *src, unsigned max)
{
    uint8_t is_link[SLOTS_MAX] = {0};
    uint8_t raw[RAW_MAX];
    unsigned s = 0, offset = 0, page_left = TARGET_PAGE_SIZE - (src->pc & ~TARGET_PAGE_MASK);
    InsnEnd end = INSN_PLAIN;

    b->n = 0;
    while (b->n < max && offset < page_left && end != INSN_JUMP && end != INSN_LAST) {
        unsigned len;
        uint32_t word = block_fetch(src, offset, &len);
        Insn *i = &b->insn[s];

        if (len == 0) {
            break;
        }
        memcpy(raw + offset, &word, len);
        *i = (Insn){.offset = (uint16_t)offset, .index = (uint16_t)b->n};
        end = decode_insn(h, len == 2 ? decode_expand(h, (uint16_t)word) : word, len, src->pc + offset, i);
        s++;
        if (end == INSN_LINKED || end == INSN_JUMP) {
            is_link[s++] = 1;
        }
        b->n++;
        offset += len;
    }
    if (end != INSN_JUMP) {
        b->insn[s] = (Insn){.fn = op_goto, .imm = (int64_t)(src->pc + offset),
                            .offset = (uint16_t)offset, .index = (uint16_t)b->n};
        is_link[s + 1] = 1;
        s += 2;
    }
    block_finish_links(h, b, is_link, s);
    b->raw = (uint8_t *)&b->insn[s];
    b->raw_len = (uint16_t)offset;
    b->raw_first = (uint16_t)MIN(offset, page_left);
    memcpy(b->raw, raw, offset);
    return s;
}

static void block_fill(Hart *h, Block *b, const Source *src)
{
    b->epoch = h->epoch;
    b->pc = src->pc;
    b->phys = src->page | (src->pc & ~TARGET_PAGE_MASK);
    b->phys2 = src->page2;
    b->host = src->host + (src->pc & ~TARGET_PAGE_MASK);
    b->host2 = src->host2;
}

/* A block that runs once and is found by nobody. */
static Block *block_scratch(Hart *h, const Source *src, unsigned max)
{
    Block *b = h->blocks->scratch;

    block_decode(h, b, src, max);
    block_fill(h, b, src);
    return b;
}

static Block *block_build(Hart *h, const Source *src)
{
    BlockCache *c = h->blocks;

    if (c->used + BLOCK_BYTES_MAX > ARENA_SIZE) {
        block_cache_flush(h);
    }
    Block *b = (Block *)(c->arena + c->used);
    /* A crossing instruction stands alone: only its block depends on two pages. */
    unsigned slots = block_decode(h, b, src, src->host2 ? 1 : BLOCK_MAX_INSNS);
    block_fill(h, b, src);
    c->used += ALIGNED(sizeof(Block) + slots * sizeof(Insn) + b->raw_len);
    Block **slot = block_slot(c, b->pc, b->phys);
    b->hash_next = *slot;
    *slot = b;
    return b;
}

/* The valid block of that key, or NULL; an invalid one is buried. */
static Block *block_lookup(Hart *h, Source *src)
{
    hwaddr phys = src->page | (src->pc & ~TARGET_PAGE_MASK);

    for (Block **p = block_slot(h->blocks, src->pc, phys); *p; p = &(*p)->hash_next) {
        Block *b = *p;
        if (b->pc == src->pc && b->phys == phys) {
            if (block_valid(h, b, src)) {
                return b;
            }
            b->epoch = 0;
            *p = b->hash_next;
            return NULL;
        }
    }
    return NULL;
}

/* Where the code at h->pc is. False: trap set. */
static bool block_source(Hart *h, Source *src)
{
    unsigned in_page = h->pc & ~TARGET_PAGE_MASK;

    *src = (Source){.pc = h->pc};
    src->host = mmu_fetch_page(h, h->pc, &src->page, &src->uniform);
    if (!src->host) {
        return false;
    }
    if (in_page == TARGET_PAGE_SIZE - 2 && (block_half(src->host + in_page) & 3) == 3 &&
        !block_second_page(h, src)) {
        return false;
    }
    if (!src->uniform) {
        unsigned len;
        block_fetch(src, 0, &len);
        unsigned first = MIN(len, TARGET_PAGE_SIZE - in_page);
        if (!pmp_allows(h, src->page + in_page, first, ACCESS_EXEC, (Priv)h->priv) ||
            (first < len && !pmp_allows(h, src->page2, 2, ACCESS_EXEC, (Priv)h->priv))) {
            return walk_access_fault(h, h->pc, ACCESS_EXEC);
        }
    }
    return true;
}

Block *block_find(Hart *h, uint64_t max)
{
    JumpEntry *e = &h->jumps->entry[h->pc >> 1 & (JUMP_CACHE_SIZE - 1)];
    Source src;

    if (e->pc == h->pc && e->block->epoch == h->epoch && e->block->n <= max) {
        return e->block;
    }
    if (!block_source(h, &src)) {
        trap_enter(h, h->fault_cause, h->pc, h->fault_addr);
        return NULL;
    }
    if (!src.uniform) {
        return block_scratch(h, &src, 1);
    }
    Block *b = block_lookup(h, &src);
    if (!b) {
        b = block_build(h, &src);
    }
    if (b->n > max) {
        return block_scratch(h, &src, src.host2 ? 1 : (unsigned)max);
    }
    *e = (JumpEntry){.pc = h->pc, .block = b};
    return b;
}
