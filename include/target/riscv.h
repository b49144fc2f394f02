/*
 * riscv.h - what boards and interrupt controllers see of a RISC-V hart.
 *
 * Lobby (target/riscv).  RISC-V privileged specification 1.12.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_TARGET_RISCV_H
#define GODWIT_TARGET_RISCV_H

#include <stdbool.h>
#include <stdint.h>

#include "system/cpu.h"
#include "util/error.h"

typedef struct Machine Machine;

/* Interrupt numbers: bits of mip (privileged spec 3.1.9). */
enum {
    RISCV_IRQ_S_SOFT = 1,
    RISCV_IRQ_M_SOFT = 3,
    RISCV_IRQ_S_TIMER = 5,
    RISCV_IRQ_M_TIMER = 7,
    RISCV_IRQ_S_EXT = 9,
    RISCV_IRQ_M_EXT = 11,
};

#define RISCV_TIMEBASE_FREQ 10000000    /* Hz of the time CSR and mtime on virt */

/*
 * Creates a hart and registers it with the machine as vCPU number `hartid`. model: "rv64" with
 * ",extension=on|off" pairs; NULL is "rv64". The error names the word that is wrong and the words known.
 */
CPUState *riscv_cpu_new(Machine *m, const char *model, unsigned hartid, Error **errp);
/* The device tree's riscv,isa string for this hart: just what is there. Owned by the hart. */
const char *riscv_cpu_isa_string(CPUState *cpu);
/* "riscv,sv57", "riscv,sv48", … or "riscv,none". */
const char *riscv_cpu_mmu_type(CPUState *cpu);
/* Where the hart starts after a reset. */
void riscv_cpu_set_reset_vector(CPUState *cpu, uint64_t pc);
/* Drives one of the interrupt inputs. Any thread; wakes the hart. */
void riscv_cpu_set_irq(CPUState *cpu, unsigned irq, bool level);
/* The model and extension names, for query-cpu-definitions and -cpu help; NULL-terminated. */
const char *const *riscv_cpu_models(void);
char *riscv_cpu_help_text(void);
/* The time CSR: ticks of RISCV_TIMEBASE_FREQ since virtual time 0. Any thread. */
uint64_t riscv_time_now(Machine *m);

#endif
