/*
 * lib-fake-cpu.h - a bare machine and an engine whose instructions are C functions, for unit tests.
 *
 * The engine keeps the contract of CPUOps that system/ relies on: it polls exit_request, counts
 * exactly, looks at interrupts on entry, and has a fast store path that goes past the dirty bitmap.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_TESTS_LIB_FAKE_CPU_H
#define GODWIT_TESTS_LIB_FAKE_CPU_H

#include "system/clock.h"
#include "system/cpu.h"
#include "system/machine.h"
#include "system/memory.h"
#include "system/runstate.h"

typedef struct FakeCPU FakeCPU;

struct FakeCPU {
    CPUState parent;            /* first */
    /* One instruction. May set wfi. */
    void (*insn)(FakeCPU *cpu);
    /* Called by exec for each pending interrupt bit; NULL: they are dropped. */
    void (*irq)(FakeCPU *cpu, int n);
    void *opaque;
    uint64_t retired;
    bool wfi;
    atomic_uint pending;
    unsigned resets, store_flushes, tlb_flushes;    /* vCPU thread, or vCPUs paused */

    /* The fast store path: pages (the first 64) that may be written without a look at the bitmap. */
    RAMBlock *block;
    uint64_t open;
};

/* A machine without layers; config may be NULL for defaults. Lock not held afterwards. */
Machine *fake_machine_new(MachineConfig *config);
MachineConfig *fake_config_new(void);
/* A config for -icount shift=N. */
MachineConfig *fake_config_icount(unsigned shift, bool sleep);
/* Adds a vCPU, before machine_done(). */
FakeCPU *fake_cpu_new(Machine *m, void (*insn)(FakeCPU *cpu), void *opaque);
/* Makes an interrupt pending and kicks. Any thread. */
void fake_cpu_irq(FakeCPU *cpu, int n);
/* One guest store of a word, as an engine with a fast path does it. */
void fake_cpu_store(FakeCPU *cpu, ram_addr_t offset, uint64_t value);
/* An instruction that does nothing. */
void fake_insn_nop(FakeCPU *cpu);
/* An instruction that waits for an interrupt. */
void fake_insn_wfi(FakeCPU *cpu);

/* vm_start() and vm_stop(PAUSED) with the lock taken around. */
void fake_machine_start(Machine *m);
void fake_machine_stop(Machine *m);

#endif
