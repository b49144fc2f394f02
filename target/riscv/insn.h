/*
 * insn.h - decoded instructions, the blocks they stand in, and how one hands over to the next.
 *
 * Lobby (target/riscv), private to the room.  A handler does one instruction and then *is* the next
 * one: in optimised builds NEXT compiles to a tail jump; without optimisation, or under a sanitizer, it
 * returns the next Insn to the loop in exec.c.  Either way a handler returns NULL to leave the block,
 * with h->pc set.  No handler may take the address of a local variable: that would forbid the jump.
 *
 * Invariant: a block's n instructions are taken off h->slice on entry; who leaves early gives back.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TARGET_RISCV_INSN_H
#define TARGET_RISCV_INSN_H

#include "hart.h"

/* configure defines INSN_LOOP for sanitizer builds: their frames outlive a tail jump. */
#if !defined(__OPTIMIZE__) && !defined(INSN_LOOP)
#define INSN_LOOP 1
#endif

typedef struct Insn Insn;
typedef const Insn *OpFn(Hart *h, const Insn *i);

/*
 * A jump takes two: the second, the link, holds the next block and the number of instructions that
 * the block has behind the jump.
 */
struct Insn {
    union {
        OpFn *fn;
        Block *next;            /* link: never NULL; the cache's dead block if not known */
    };
    int64_t imm;                /* jumps: absolute target. link: instructions to give back */
    uint8_t rd, rs1, rs2, rs3;
    uint16_t offset;            /* bytes from the block's first instruction */
    uint16_t index;             /* instructions of the block in front of this one */
};

#define BLOCK_MAX_INSNS 64

struct Block {
    uint64_t epoch;             /* runs only while equal to the hart's; 0: dead */
    uint32_t n;                 /* instructions */
    uint16_t raw_len;           /* bytes */
    uint16_t raw_first;         /* bytes on the first page */
    uint64_t pc;                /* virtual; pc and phys are the key */
    hwaddr phys, phys2;         /* phys2: page of the rest of an instruction that crosses, else 0 */
    const uint8_t *host, *host2;
    uint8_t *raw;               /* the bytes that were decoded */
    Block *hash_next;
    Insn insn[];
};

#ifdef INSN_LOOP
#define GO(i) return (i)
#elif defined(__clang__)
#define GO(i) do { const Insn *go_ = (i); __attribute__((musttail)) return go_->fn(h, go_); } while (0)
#else
#define GO(i) do { const Insn *go_ = (i); return go_->fn(h, go_); } while (0)
#endif
#define NEXT GO(i + 1)
#define OP(name) const Insn *op_##name(Hart *h, const Insn *i)

static inline uint64_t insn_pc(const Hart *h, const Insn *i)
{
    return h->block->pc + i->offset;
}

/* Ends the block with a trap of this instruction, which does not retire. */
const Insn *insn_trap(Hart *h, const Insn *i, uint64_t cause, uint64_t tval);
/* The trap that a failed access left in h->fault_*. */
const Insn *insn_fault(Hart *h, const Insn *i);
/* Illegal instruction, with its bits as mtval. */
const Insn *insn_illegal(Hart *h, const Insn *i);
/* Ends the block behind this instruction, so that the loop looks around. next is its Insn. */
const Insn *insn_leave(Hart *h, const Insn *i, const Insn *next);
/* The long way of a jump to a fixed target: looks the block up and links it. */
const Insn *insn_jump_slow(Hart *h, const Insn *i);

/* The jump of Insn i, whose link is i[1]. */
#define JUMP(i) \
    do { \
        Block *to_ = (i)[1].next; \
        int64_t slice_ = h->slice + (i)[1].imm - to_->n; \
        if (likely(to_->epoch == h->epoch && slice_ >= 0)) { \
            h->slice = slice_; \
            h->block = to_; \
            GO(to_->insn); \
        } \
        return insn_jump_slow(h, i); \
    } while (0)

/* A jump to any pc, from the last instruction of a block. */
#define JUMP_TO(target) \
    do { \
        uint64_t to_pc_ = (target); \
        const JumpEntry *e_ = &h->jumps->entry[to_pc_ >> 1 & (JUMP_CACHE_SIZE - 1)]; \
        Block *to_ = e_->block; \
        int64_t slice_ = h->slice - to_->n; \
        if (likely(e_->pc == to_pc_ && to_->epoch == h->epoch && slice_ >= 0)) { \
            h->slice = slice_; \
            h->block = to_; \
            GO(to_->insn); \
        } \
        h->pc = to_pc_; \
        return NULL; \
    } while (0)

/* decode.c */
typedef enum InsnEnd { INSN_PLAIN, INSN_JUMP, INSN_LINKED, INSN_LAST } InsnEnd;
/*
 * Decodes word (len 2: a compressed one) at pc into out. The result says how the block goes on:
 * PLAIN: with the next; LINKED: with the next, and out[1] is a link (conditional branch); JUMP: the
 * block ends and out[1] is a link; LAST: the block ends, the handler leaves it or falls through.
 */
InsnEnd decode_insn(const Hart *h, uint32_t word, unsigned len, uint64_t pc, Insn *out);
/* The 32-bit instruction that a compressed one stands for; 0 if it is illegal. (decode-c.c) */
uint32_t decode_expand(const Hart *h, uint16_t c);

/* block.c */
BlockCache *block_cache_new(void);
void block_cache_free(BlockCache *c);
/* Forgets every block. None may run. */
void block_cache_flush(Hart *h);
/* Points each jump cache entry at the dead block, once. */
void block_cache_init_jumps(Hart *h);
/*
 * The block at h->pc, of at most max instructions, ready to run. NULL: a trap has been entered.
 */
Block *block_find(Hart *h, uint64_t max);

#endif
