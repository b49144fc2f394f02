/*
 * ops-mem.c - loads and stores, of integer and floating registers.
 *
 * Lobby (target/riscv).  Runs on the hart's thread; see insn.h for how handlers chain.
 * Invariant: the fast path is taken only for an aligned access to a page whose TLB tag says so; a
 * guest's access of n aligned bytes is one host access of n bytes (RISC-V memory order, RVWMO).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "mmu.h"
#include "ops.h"

#define TLB_ENTRY(va, half) (&h->tlb->half[(va) >> TARGET_PAGE_BITS & (TLB_SIZE - 1)])
/* A misaligned address keeps low bits and so equals no tag. */
#define TLB_TAG(va, type) ((va) & (TARGET_PAGE_MASK | (sizeof(type) - 1)))
#define HOST(e, va, type) ((type *)((e)->addend + (va)))

/* The end of a slow access: a device may have asked the hart to leave before its next instruction. */
static const Insn *mem_done(Hart *h, const Insn *i)
{
    if (unlikely(atomic_load_explicit(&h->cpu.exit_request, memory_order_relaxed))) {
        return insn_leave(h, i, i + 1);
    }
    NEXT;
}

/* The slow paths are out of line, so that the handlers need no stack. */
#define LOAD_SLOW(name, type, dest, conv) \
    static __attribute__((noinline)) const Insn *mem_##name##_slow(Hart *h, const Insn *i) \
    { \
        h->behind = h->block->n - i->index; \
        bool ok = mmu_load(h, h->x[i->rs1] + (uint64_t)i->imm, sizeof(type)); \
        h->behind = 0; \
        if (!ok) { \
            return insn_fault(h, i); \
        } \
        dest = conv((type)h->loaded); \
        return mem_done(h, i); \
    }

#define LOAD_FAST(name, type, dest, conv) \
        uint64_t va = h->x[i->rs1] + (uint64_t)i->imm; \
        const TlbEntry *e = TLB_ENTRY(va, read); \
        if (likely(e->tag == TLB_TAG(va, type))) { \
            dest = conv(__atomic_load_n(HOST(e, va, type), __ATOMIC_RELAXED)); \
            NEXT; \
        } \
        return mem_##name##_slow(h, i);

#define TO_REG(v) (uint64_t)(int64_t)(v)        /* extends as the type of v says */
#define BOX(v) (0xffffffff00000000ull | (v))
#define SAME(v) (v)

#define LOAD(name, type) \
    LOAD_SLOW(name, type, h->x[i->rd], TO_REG) \
    OP(name) \
    { \
        LOAD_FAST(name, type, h->x[i->rd], TO_REG) \
    }

LOAD(lb, int8_t)
LOAD(lh, int16_t)
LOAD(lw, int32_t)
LOAD(ld, uint64_t)
LOAD(lbu, uint8_t)
LOAD(lhu, uint16_t)
LOAD(lwu, uint32_t)

#define FLOAD(name, type, conv) \
    LOAD_SLOW(name, type, h->f[i->rd], conv) \
    OP(name) \
    { \
        if (unlikely(!h->fs)) { \
            return insn_illegal(h, i); \
        } \
        h->fs = 3; \
        LOAD_FAST(name, type, h->f[i->rd], conv) \
    }

FLOAD(flw, uint32_t, BOX)
FLOAD(fld, uint64_t, SAME)

#define STORE_FAST(name, type, value) \
        uint64_t va = h->x[i->rs1] + (uint64_t)i->imm; \
        const TlbEntry *e = TLB_ENTRY(va, write); \
        if (likely(e->tag == TLB_TAG(va, type))) { \
            __atomic_store_n(HOST(e, va, type), (type)(value), __ATOMIC_RELAXED); \
            NEXT; \
        } \
        return mem_store_slow(h, i, sizeof(type), value);

static __attribute__((noinline)) const Insn *mem_store_slow(Hart *h, const Insn *i, unsigned size,
                                                            uint64_t value)
{
    h->behind = h->block->n - i->index;
    bool ok = mmu_store(h, h->x[i->rs1] + (uint64_t)i->imm, size, value);
    h->behind = 0;
    if (!ok) {
        return insn_fault(h, i);
    }
    return mem_done(h, i);
}

#define STORE(name, type) \
    OP(name) \
    { \
        STORE_FAST(name, type, h->x[i->rs2]) \
    }

STORE(sb, uint8_t)
STORE(sh, uint16_t)
STORE(sw, uint32_t)
STORE(sd, uint64_t)

#define FSTORE(name, type) \
    OP(name) \
    { \
        if (unlikely(!h->fs)) { \
            return insn_illegal(h, i); \
        } \
        STORE_FAST(name, type, h->f[i->rs2]) \
    }

FSTORE(fsw, uint32_t)
FSTORE(fsd, uint64_t)
