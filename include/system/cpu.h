/*
 * cpu.h - vCPUs: one host thread each (one for all with -icount), kicked, stopped, made to run work.
 *
 * Floor F1 (system).  What an instruction is, only target/ knows: it supplies CPUOps.  The interface
 * leaves room for other engines (a translator) behind ops->exec.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_SYSTEM_CPU_H
#define GODWIT_SYSTEM_CPU_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <glib.h>

typedef struct Machine Machine;
typedef struct CPUState CPUState;

typedef enum CPUExit {
    CPU_EXIT_REQUEST,   /* exit_request was seen */
    CPU_EXIT_HALTED,    /* the hart waits for an interrupt (wfi) */
    CPU_EXIT_BUDGET,    /* the instruction budget is spent */
} CPUExit;

/* A range with one kind of access, contiguous on both sides; for `info mem`. */
typedef struct CPUMapping {
    uint64_t vaddr, paddr, size;    /* bytes */
    const char *attr;               /* "rwxugad", '-' for what is not set */
} CPUMapping;
typedef bool CPUMappingFunc(const CPUMapping *mapping, void *opaque);

typedef struct CPUOps {
    void (*reset)(CPUState *cpu);
    /*
     * Runs guest code on the calling vCPU thread, lock not held, until one of CPUExit. budget: the
     * number of instructions that may retire at most; reduced by those that did, exactly. Leaving
     * early on exit_request and entering again must not be visible to the guest. A hart that runs
     * wfi with nothing pending returns HALTED; the runner then sets cpu->halted. Pending interrupts
     * are looked at on entry. Each call runs at least one
     * instruction, or frequent kicks could keep the guest from ever getting on.
     */
    CPUExit (*exec)(CPUState *cpu, uint64_t *budget);
    /* True if a halted hart must wake: an enabled interrupt is pending. Any thread; takes no lock. */
    bool (*has_work)(CPUState *cpu);
    /*
     * Drops the fast store path (dirty tracking), or the whole TLB. On the vCPU's thread, between two
     * instructions or inside address_space_*() and machine_lock(): exec must keep no host pointer for
     * stores across those calls.
     */
    void (*flush_store_path)(CPUState *cpu);
    void (*flush_tlb)(CPUState *cpu);
    /*
     * Instructions retired since the vCPU was made: never goes back, not even by reset, and not a
     * guest CSR. vCPU stopped, or own thread at any time: exact inside exec too, since -icount makes
     * virtual time of it.
     */
    uint64_t (*instret)(CPUState *cpu);
    /* Registers as text for `info registers`. vCPU stopped. */
    void (*dump)(CPUState *cpu, GString *out);
    /* Debug translation of a virtual address; false if not mapped. vCPU stopped. */
    bool (*translate)(CPUState *cpu, uint64_t vaddr, uint64_t *paddr);
    void (*nmi)(CPUState *cpu);
    void (*finalize)(CPUState *cpu);
    /* A register's value by name ("pc", "a0", "satp"), for expressions. vCPU stopped. May be NULL. */
    bool (*get_register)(CPUState *cpu, const char *name, uint64_t *value);
    /*
     * Calls fn, in the order of virtual addresses, for each range that the page tables map, until fn
     * returns false. False: no translation is in force. vCPU stopped. May be NULL.
     */
    bool (*foreach_mapping)(CPUState *cpu, CPUMappingFunc *fn, void *opaque);
} CPUOps;

/* Embedded as first member of the target's own struct. */
struct CPUState {
    Machine *machine;
    const CPUOps *ops;
    int cpu_index;
    int thread_id;              /* host tid, 0 before the thread runs */
    atomic_int exit_request;    /* exec polls it between blocks; set by cpu_kick() */
    atomic_bool halted;
    struct VCPUThread *runner;  /* private to system/cpus.c; set while threads exist */
    const char *qom_path;
};

/* Adds a vCPU; index follows the order of calls. Lock held, before machine_done(). */
void cpu_register(Machine *m, CPUState *cpu);
unsigned cpu_count(Machine *m);
CPUState *cpu_get(Machine *m, unsigned index);
/* The vCPU whose thread this is, or NULL. */
CPUState *cpu_current(void);

/* Makes the vCPU leave exec soon and, if it is halted, look at has_work again. Any thread. */
void cpu_kick(CPUState *cpu);
/*
 * Runs func between two instructions of that vCPU and waits for it: on the vCPU's thread, or directly
 * if it is the caller's own or is paused. func must not take the machine lock. If the caller holds the
 * lock and the vCPU runs, the lock is dropped while waiting.
 */
typedef void RunOnCPUFunc(CPUState *cpu, void *opaque);
void run_on_cpu(CPUState *cpu, RunOnCPUFunc *func, void *opaque);
/* On the vCPU's thread, without waiting; the order of calls is kept. Any thread. */
void async_run_on_cpu(CPUState *cpu, RunOnCPUFunc *func, void *opaque);

/*
 * Stops or starts all vCPUs. pause returns when every thread has left guest code, and drops the lock
 * while it waits, since a vCPU may need it to finish its instruction. Lock held, not a vCPU.
 */
void vcpus_pause_all(Machine *m);
void vcpus_resume_all(Machine *m);
/*
 * The calling vCPU's thread rests from the next boundary on, until vcpus_resume_all(): for guest code
 * that asked for a reset or a shutdown, which the main loop performs. No effect on other threads.
 */
void vcpus_stop_current(void);
/* Resets every vCPU; they are paused. Lock held. */
void vcpus_reset_all(Machine *m);
/*
 * Every vCPU passes a boundary between two instructions and drops its fast store path before its next
 * store. Lock held or not (it is never dropped); not a vCPU. docs/devel/dirty-tracking.md has the proof.
 */
void vcpus_sync_store_paths(Machine *m);
/* Every vCPU drops its TLB: the caller's own at once, others at their next boundary. Any thread. */
void vcpus_flush_tlbs(Machine *m);
/* Share of each 10 ms that vCPUs sleep instead of running, 0 … 99 percent; for auto-converge. Any thread. */
void vcpus_set_throttle(Machine *m, unsigned percent);
unsigned vcpus_get_throttle(Machine *m);

/* Deterministic mode: the machine stops (runstate paused) exactly after that many instructions. */
bool vcpus_stop_at(Machine *m, uint64_t insns);
/* Instructions retired by all vCPUs; exact while stopped. */
uint64_t vcpus_instret(Machine *m);

/*
 * Marks the calling vCPU as being at a boundary while it waits for something inside an instruction;
 * leave runs the flushes that were asked for meanwhile. machine_lock() does this by itself.
 */
void cpu_enter_blocked(CPUState *cpu);
void cpu_leave_blocked(CPUState *cpu);

/*
 * -icount: which hart's turn it is and how much of it is left, so that a machine that arrives goes on
 * in the same order. vCPUs paused, lock held. set: false if there is no such hart.
 */
typedef struct IcountTurn {
    uint32_t cpu_index;
    uint64_t left;          /* instructions */
} IcountTurn;
void vcpus_get_icount_turn(Machine *m, IcountTurn *turn);
bool vcpus_set_icount_turn(Machine *m, const IcountTurn *turn);
/* -icount, on the vCPU thread: instructions of the running exec that the clock has not been told of. */
uint64_t vcpus_icount_inflight(Machine *m);
/* -icount: a virtual timer was armed or the machine's idle state changed: compute the budget anew. */
void vcpus_icount_recompute(Machine *m);

struct VCPUs *vcpus_new(Machine *m);
/* Creates the threads, paused. Lock held. */
bool vcpus_start_threads(Machine *m);
/* Ends and joins the threads. Lock not held. */
void vcpus_stop_threads(Machine *m);
/* Calls ops->finalize for each vCPU. */
void vcpus_free(struct VCPUs *vcpus);

#endif
