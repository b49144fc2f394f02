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

typedef struct CPUOps {
    void (*reset)(CPUState *cpu);
    /*
     * Runs guest code on the calling vCPU thread, lock not held, until one of CPUExit. budget: the
     * number of instructions that may retire at most; reduced by those that did, exactly.
     */
    CPUExit (*exec)(CPUState *cpu, uint64_t *budget);
    /* True if a halted hart must wake: an enabled interrupt is pending. Any thread. */
    bool (*has_work)(CPUState *cpu);
    /* Drops the fast store path (dirty tracking), or the whole TLB. On the vCPU's thread, or stopped. */
    void (*flush_store_path)(CPUState *cpu);
    void (*flush_tlb)(CPUState *cpu);
    /* Instructions retired since reset. vCPU stopped or own thread. */
    uint64_t (*instret)(CPUState *cpu);
    /* Registers as text for `info registers`. vCPU stopped. */
    void (*dump)(CPUState *cpu, GString *out);
    /* Debug translation of a virtual address; false if not mapped. vCPU stopped. */
    bool (*translate)(CPUState *cpu, uint64_t vaddr, uint64_t *paddr);
    void (*nmi)(CPUState *cpu);
    void (*finalize)(CPUState *cpu);
} CPUOps;

/* Embedded as first member of the target's own struct. */
struct CPUState {
    Machine *machine;
    const CPUOps *ops;
    int cpu_index;
    int thread_id;              /* host tid, 0 before the thread runs */
    atomic_int exit_request;    /* exec polls it between blocks; set by cpu_kick() */
    atomic_bool halted;
    struct VCPUThread *runner;  /* private to system/cpus.c */
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
/* Runs func on the vCPU's thread between instructions and waits for it (directly if it is stopped). */
typedef void RunOnCPUFunc(CPUState *cpu, void *opaque);
void run_on_cpu(CPUState *cpu, RunOnCPUFunc *func, void *opaque);
/* The same without waiting; the order of calls is kept. */
void async_run_on_cpu(CPUState *cpu, RunOnCPUFunc *func, void *opaque);

/* Stops or starts all vCPUs; returns when every thread has left guest code. Lock held, not a vCPU. */
void vcpus_pause_all(Machine *m);
void vcpus_resume_all(Machine *m);
/* Every vCPU passes a boundary between two instructions and drops its fast store path. Not a vCPU. */
void vcpus_sync_store_paths(Machine *m);
/* Every vCPU drops its TLB before its next instruction. Any thread. */
void vcpus_flush_tlbs(Machine *m);
/* Share of each 10 ms that vCPUs sleep instead of running, 0 … 99 percent; for auto-converge. */
void vcpus_set_throttle(Machine *m, unsigned percent);
unsigned vcpus_get_throttle(Machine *m);

/* Deterministic mode: the machine stops (runstate paused) exactly after that many instructions. */
bool vcpus_stop_at(Machine *m, uint64_t insns);
/* Instructions retired by all vCPUs; exact while stopped. */
uint64_t vcpus_instret(Machine *m);

struct VCPUs *vcpus_new(Machine *m);
/* Creates the threads, stopped. */
bool vcpus_start_threads(Machine *m);
void vcpus_free(struct VCPUs *vcpus);

#endif
