/*
 * lib-hart.h - a machine of one hart, RAM at 0x80000000, a console and the exit device: no board.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_UNIT_LIB_HART_H
#define TESTS_UNIT_LIB_HART_H

#include "migration/register.h"
#include "target/riscv/hart.h"

#define BENCH_RAM 0x80000000ull

typedef struct HartBench {
    Machine m;
    MachineConfig config;
    RAMBlock *ram;
    MemoryRegion ram_region, exit_region, uart_region;
    Hart *h;
    bool done;              /* the guest wrote to the exit device */
    uint32_t exit_value;
    GString *console;
} HartBench;

/* model as for -cpu; ram_size in bytes. The hart starts at BENCH_RAM. */
HartBench *hart_bench_new(const char *model, uint64_t ram_size);
void hart_bench_free(HartBench *b);
/* Copies instruction words to BENCH_RAM + offset. */
void hart_bench_load(HartBench *b, uint64_t offset, const uint32_t *words, unsigned count);
/* Loads a static ELF64 file and sets pc to its entry. */
bool hart_bench_load_elf(HartBench *b, const char *path);
/* Runs up to max instructions, or until the exit device is written. Returns the number that retired. */
uint64_t hart_bench_run(HartBench *b, uint64_t max);

#endif
