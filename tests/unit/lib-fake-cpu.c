/*
 * lib-fake-cpu.c - a bare machine and an engine whose instructions are C functions, for unit tests.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "lib-fake-cpu.h"

static FakeCPU *fake_cpu(CPUState *cpu)
{
    return (FakeCPU *)cpu;
}

static void fake_reset(CPUState *cpu)
{
    fake_cpu(cpu)->resets++;
    fake_cpu(cpu)->wfi = false;
    atomic_store(&fake_cpu(cpu)->pending, 0);
}

static bool fake_has_work(CPUState *cpu)
{
    return atomic_load(&fake_cpu(cpu)->pending) != 0;
}

static void fake_take_irqs(FakeCPU *cpu)
{
    unsigned pending = atomic_exchange(&cpu->pending, 0);
    for (int n = 0; pending && cpu->irq; n++, pending >>= 1) {
        if (pending & 1) {
            cpu->irq(cpu, n);
        }
    }
}

static CPUExit fake_exec(CPUState *parent, uint64_t *budget)
{
    FakeCPU *cpu = fake_cpu(parent);
    while (*budget) {
        /* Between any two instructions, so that when exec was entered makes no difference. */
        fake_take_irqs(cpu);
        cpu->insn(cpu);
        cpu->retired++;
        --*budget;
        if (cpu->wfi) {
            cpu->wfi = false;
            if (!fake_has_work(parent)) {
                return CPU_EXIT_HALTED;
            }
        }
        if (atomic_load(&parent->exit_request)) {
            return CPU_EXIT_REQUEST;
        }
    }
    return CPU_EXIT_BUDGET;
}

static void fake_flush_store_path(CPUState *cpu)
{
    fake_cpu(cpu)->open = 0;
    fake_cpu(cpu)->store_flushes++;
}

static void fake_flush_tlb(CPUState *cpu)
{
    fake_cpu(cpu)->open = 0;
    fake_cpu(cpu)->tlb_flushes++;
}

static uint64_t fake_instret(CPUState *cpu)
{
    return fake_cpu(cpu)->retired;
}

static void fake_finalize(CPUState *cpu)
{
    g_free(cpu);
}

static const CPUOps fake_ops = {
    .reset = fake_reset,
    .exec = fake_exec,
    .has_work = fake_has_work,
    .flush_store_path = fake_flush_store_path,
    .flush_tlb = fake_flush_tlb,
    .instret = fake_instret,
    .finalize = fake_finalize,
};

static const MachineClass fake_class = {
    .name = "bare",
    .desc = "a machine without devices",
    .max_cpus = 8,
};

MachineConfig *fake_config_new(void)
{
    MachineConfig *config = machine_config_new(&fake_class);
    config->rtc_base_ns = 1000000 * NANOSECONDS_PER_SECOND;
    return config;
}

MachineConfig *fake_config_icount(unsigned shift, bool sleep)
{
    MachineConfig *config = fake_config_new();
    config->icount = true;
    config->icount_shift = shift;
    config->icount_sleep = sleep;
    return config;
}

Machine *fake_machine_new(MachineConfig *config)
{
    Error *err = NULL;
    Machine *m = machine_new(&fake_class, config ? config : fake_config_new(), &err);
    if (!m) {
        g_error("%s", error_get_pretty(err));
    }
    return m;
}

FakeCPU *fake_cpu_new(Machine *m, void (*insn)(FakeCPU *cpu), void *opaque)
{
    FakeCPU *cpu = g_new0(FakeCPU, 1);
    cpu->parent.ops = &fake_ops;
    cpu->insn = insn;
    cpu->opaque = opaque;
    machine_lock(m);
    cpu_register(m, &cpu->parent);
    machine_unlock(m);
    return cpu;
}

void fake_cpu_irq(FakeCPU *cpu, int n)
{
    atomic_fetch_or(&cpu->pending, 1u << n);
    cpu_kick(&cpu->parent);
}

void fake_cpu_store(FakeCPU *cpu, ram_addr_t offset, uint64_t value)
{
    uint64_t bit = 1ull << (offset >> TARGET_PAGE_BITS);
    if (!(cpu->open & bit)) {
        /* Slow path: mark first, and go past the bitmap next time if there is nothing left to mark. */
        ram_block_set_dirty(cpu->block, offset, sizeof(value));
        if (ram_block_page_all_dirty(cpu->block, offset)) {
            cpu->open |= bit;
        }
    }
    __atomic_store_n((uint64_t *)(cpu->block->host + offset), value, __ATOMIC_RELAXED);
}

void fake_insn_nop(FakeCPU *cpu)
{
    (void)cpu;
}

void fake_insn_wfi(FakeCPU *cpu)
{
    cpu->wfi = true;
}

void fake_machine_start(Machine *m)
{
    machine_lock(m);
    vm_start(m);
    machine_unlock(m);
}

void fake_machine_stop(Machine *m)
{
    machine_lock(m);
    vm_stop(m, RUN_STATE_PAUSED);
    machine_unlock(m);
}
