/*
 * hart.h - one RISC-V hart: registers, CSRs, translation caches and what the room's files share.
 *
 * Lobby (target/riscv), private to the room; below are system/ and the FPU.  A Hart belongs to its
 * vCPU thread; only `lines` (the interrupt inputs), `own_irqs`, `mie` and cpu.exit_request are touched
 * by others, atomically.
 *
 * Invariant: instructions retired = slice_end - slice, at every boundary between instructions and
 * inside an instruction that ends its block.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TARGET_RISCV_HART_H
#define TARGET_RISCV_HART_H

#include <inttypes.h>

#include "fpu.h"
#include "priv.h"
#include "system/clock.h"
#include "system/cpu.h"
#include "system/machine.h"
#include "system/memory.h"
#include "target/riscv.h"
#include "tlb.h"

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

typedef struct Hart Hart;
typedef struct Block Block;
typedef struct BlockCache BlockCache;

#define JUMP_CACHE_SIZE 4096

/* Blocks by virtual pc, for jumps that leave the page. Flushed with the TLB. */
typedef struct JumpEntry {
    uint64_t pc;
    Block *block;
} JumpEntry;

typedef struct JumpCache {
    JumpEntry entry[JUMP_CACHE_SIZE];
} JumpCache;

/* ---- PMP ---- */

#define PMP_ENTRIES 16

typedef struct Pmp {
    uint8_t cfg[PMP_ENTRIES];
    uint64_t addr[PMP_ENTRIES];
    uint64_t first[PMP_ENTRIES], last[PMP_ENTRIES];     /* byte range; first > last: matches nothing */
    unsigned active;            /* entries at and above this one are all off */
} Pmp;

/* A counter that may be inhibited: its value is base + retired, or base alone while stopped. */
typedef struct Counter {
    uint64_t base;
    bool stopped;
} Counter;

struct Hart {
    CPUState cpu;               /* first: CPUState * and Hart * are the same address */
    /* The engine's hot part. */
    int64_t slice;              /* instructions that may still run before the loop looks around */
    uint64_t epoch;             /* of code: blocks with another one must be compared before they run */
    Block *block;               /* the one that runs */
    Tlb *tlb;                   /* data context in force */
    JumpCache *jumps;           /* of the privilege in force */
    uint64_t x[33];             /* x[32] takes what is written to x0 */
    uint64_t f[32];             /* single precision is NaN-boxed */
    FpuCtx fpu;                 /* flags: fflags */
    uint8_t frm;
    uint8_t fs;                 /* mstatus.FS: 0 off … 3 dirty */
    uint8_t priv;
    bool halt;                  /* wfi has ended this slice */
    uint8_t align_mask;         /* bits that must be 0 in a jump target: 2 without C */
    uint64_t pc;                /* valid between blocks */
    uint64_t load_res;          /* virtual address of the reservation, all ones if none */
    uint64_t load_val;
    uint64_t slice_end;         /* retired + slice */
    uint32_t behind;            /* while a device or the clock is asked: instructions of the block from
                                   this one on, counted in slice but not retired; else 0 */
    BlockCache *blocks;
    /* An access that failed left its trap here. */
    uint64_t fault_cause, fault_addr;
    uint64_t loaded;            /* result of mmu_load() */

    uint64_t ext;               /* bit per Ext */
    uint64_t reset_pc;
    uint64_t mstatus;           /* without FS and SD */
    _Atomic uint64_t lines;     /* mip bits driven from outside (any thread) */
    _Atomic uint64_t own_irqs;  /* mip bits written by software, and STIP by the timer */
    _Atomic uint64_t mie;
    uint64_t mideleg, medeleg, mtvec, stvec, mepc, sepc, mcause, scause, mtval, stval;
    uint64_t mscratch, sscratch, satp, menvcfg, senvcfg, mcounteren, scounteren, mcountinhibit;
    uint64_t stimecmp;
    uint64_t mhpmevent[32];
    Counter cycle, instret;
    QEMUTimer *stimer;          /* fires at stimecmp; NULL without Sstc */
    Pmp pmp;
    uint64_t trap_count;
    char *isa;

    Tlb tlbs[TLB_CONTEXTS];
    FetchEntry fetch[4][FETCH_TLB_SIZE];
    JumpCache jump_caches[4];
    uint8_t csr_index[4096];    /* into the table of csr.c; 0: no such CSR */
    struct HartWire *wire;      /* machine-state.c: the stream's view of this hart */
};

static inline Hart *hart_of(CPUState *cpu)
{
    return (Hart *)cpu;
}

static inline bool hart_has(const Hart *h, Ext e)
{
    return h->ext >> e & 1;
}

/* exec.c */
static inline uint64_t hart_retired(const Hart *h)
{
    return h->slice_end - (uint64_t)h->slice;
}
CPUExit exec_run(CPUState *cpu, uint64_t *budget);
uint64_t exec_instret(CPUState *cpu);

/* irq.c */
static inline uint64_t hart_mip(const Hart *h)
{
    return atomic_load(&h->lines) | atomic_load(&h->own_irqs);
}
/* The cause (without the interrupt bit) of the interrupt to take now, or -1. */
int irq_pending(const Hart *h);
bool irq_has_work(CPUState *cpu);
/*
 * Sets what decides over the timer, or leaves it, and then STIP and the timer to what it and the time
 * demand. Any state of the lock.
 */
void irq_set_stimer(Hart *h, uint64_t menvcfg, uint64_t stimecmp);
void irq_update_stimer(Hart *h);
void irq_stimer_init(Hart *h);

/* trap.c */
/* Enters the handler of cause, with pc as the trapped one. */
void trap_enter(Hart *h, uint64_t cause, uint64_t pc, uint64_t tval);
/* False if the instruction is not allowed here. */
bool trap_mret(Hart *h);
bool trap_sret(Hart *h);
/* Privilege, mstatus or mprv has changed: chooses the contexts. */
void trap_update_context(Hart *h);

/* csr.c */
void csr_init(Hart *h);
void csr_reset(Hart *h);
typedef enum CsrResult { CSR_OK, CSR_LOOK, CSR_ILLEGAL } CsrResult;
/* One Zicsr access. CSR_LOOK: interrupts or translation may be different from now on. */
CsrResult csr_access(Hart *h, unsigned csr, uint64_t *old, uint64_t set, uint64_t clear, bool write);
uint64_t csr_mstatus(const Hart *h);
void csr_set_mstatus(Hart *h, uint64_t value);
/* Is this a value that satp can take? */
bool csr_satp_ok(const Hart *h, uint64_t satp);
uint64_t counter_value(const Hart *h, const Counter *c);

/* model.c */
bool model_parse(Hart *h, const char *model, Error **errp);
char *model_isa_string(const Hart *h);
uint64_t model_misa(const Hart *h);

/* debug.c */
bool debug_get_register(CPUState *cpu, const char *name, uint64_t *value);
bool debug_foreach_mapping(CPUState *cpu, CPUMappingFunc *fn, void *opaque);

/* machine-state.c */
bool machine_state_register(Hart *h, Error **errp);
void machine_state_free(Hart *h);

#endif
