/*
 * lib-hart.c - a machine of one hart for the tests of target/riscv: memory, an exit device, a console.
 *
 * The hart runs on the calling thread: there is no vCPU thread here.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "lib-hart.h"

#include <elf.h>
#include <string.h>

/* sifive_test: any write ends the run. */
static void bench_exit_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    HartBench *b = opaque;

    b->done = true;
    b->exit_value = (uint32_t)value;
    cpu_kick(&b->h->cpu);
}

static uint64_t bench_exit_read(void *opaque, hwaddr addr, unsigned size)
{
    return 0;
}

/* The transmitter of an ns16550, always ready. */
static void bench_uart_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    HartBench *b = opaque;

    if (addr == 0) {
        g_string_append_c(b->console, (char)value);
    }
}

static uint64_t bench_uart_read(void *opaque, hwaddr addr, unsigned size)
{
    return addr == 5 ? 0x60 : 0;
}

static const MemoryRegionOps bench_exit_ops = {.read = bench_exit_read, .write = bench_exit_write};
static const MemoryRegionOps bench_uart_ops = {.read = bench_uart_read, .write = bench_uart_write};

static void bench_map(HartBench *b)
{
    b->ram_region = (MemoryRegion){.name = "ram", .base = BENCH_RAM, .size = b->ram->used_length,
                                   .block = b->ram};
    b->exit_region = (MemoryRegion){.name = "exit", .base = 0x100000, .size = 0x1000,
                                    .ops = &bench_exit_ops, .opaque = b};
    b->uart_region = (MemoryRegion){.name = "uart", .base = 0x10000000, .size = 0x100,
                                    .ops = &bench_uart_ops, .opaque = b};
    g_assert_true(memory_map_region(&b->m, &b->ram_region, NULL));
    g_assert_true(memory_map_region(&b->m, &b->exit_region, NULL));
    g_assert_true(memory_map_region(&b->m, &b->uart_region, NULL));
}

HartBench *hart_bench_new(const char *model, uint64_t ram_size)
{
    HartBench *b = g_new0(HartBench, 1);
    Error *err = NULL;

    b->console = g_string_new(NULL);
    b->m.config = &b->config;
    b->m.loop = main_loop_new();
    b->m.clocks = clocks_new(&b->m);
    b->m.memory = memory_new(&b->m);
    b->m.vcpus = vcpus_new(&b->m);
    b->m.savevm = savevm_new(&b->m);
    machine_lock(&b->m);
    b->ram = ram_block_new(&b->m, "ram", ram_size, &err);
    g_assert_null(err);
    bench_map(b);
    CPUState *cpu = riscv_cpu_new(&b->m, model, 0, &err);
    g_assert_null(err);
    b->h = hart_of(cpu);
    riscv_cpu_set_reset_vector(cpu, BENCH_RAM);
    cpu->ops->reset(cpu);
    clocks_enable_virtual(b->m.clocks, true);
    machine_unlock(&b->m);
    return b;
}

void hart_bench_free(HartBench *b)
{
    vcpus_free(b->m.vcpus);     /* finalizes the hart */
    savevm_free(b->m.savevm);
    memory_free(b->m.memory);
    clocks_free(b->m.clocks);
    main_loop_free(b->m.loop);
    g_string_free(b->console, TRUE);
    g_free(b);
}

void hart_bench_load(HartBench *b, uint64_t offset, const uint32_t *words, unsigned count)
{
    memcpy(b->ram->host + offset, words, count * sizeof(uint32_t));
}

bool hart_bench_load_elf(HartBench *b, const char *path)
{
    g_autofree char *data = NULL;
    gsize size;

    if (!g_file_get_contents(path, &data, &size, NULL) || size < sizeof(Elf64_Ehdr)) {
        return false;
    }
    const Elf64_Ehdr *e = (const Elf64_Ehdr *)data;
    for (unsigned n = 0; n < e->e_phnum; n++) {
        const Elf64_Phdr *p = (const Elf64_Phdr *)(data + e->e_phoff + n * sizeof(*p));
        uint64_t offset = p->p_paddr - BENCH_RAM;
        if (p->p_type != PT_LOAD) {
            continue;
        }
        if (offset + p->p_memsz > b->ram->used_length || p->p_offset + p->p_filesz > size) {
            return false;
        }
        memcpy(b->ram->host + offset, data + p->p_offset, p->p_filesz);
    }
    b->h->pc = e->e_entry;
    return true;
}

uint64_t hart_bench_run(HartBench *b, uint64_t max)
{
    CPUState *cpu = &b->h->cpu;
    uint64_t left = max;

    while (left && !b->done) {
        atomic_store(&cpu->exit_request, 0);
        if (cpu->ops->exec(cpu, &left) == CPU_EXIT_HALTED) {
            main_loop_iterate(b->m.loop, true);     /* a timer may end the wait */
        }
    }
    return max - left;
}
