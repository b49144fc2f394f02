/*
 * cpus.c - the list of a machine's vCPUs.
 *
 * Floor F1 (system); below it util/.
 * Threads and locks: the list grows before the machine runs, lock held.
 * Invariant: cpu_index is the position in the list.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "system/cpu.h"

#include "system/machine.h"

struct VCPUs {
    Machine *machine;
    GPtrArray *cpus;
};

void cpu_register(Machine *m, CPUState *cpu)
{
    cpu->machine = m;
    cpu->cpu_index = m->vcpus->cpus->len;
    g_ptr_array_add(m->vcpus->cpus, cpu);
}

unsigned cpu_count(Machine *m)
{
    return m->vcpus->cpus->len;
}

CPUState *cpu_get(Machine *m, unsigned index)
{
    return index < m->vcpus->cpus->len ? g_ptr_array_index(m->vcpus->cpus, index) : NULL;
}

CPUState *cpu_current(void)
{
    return NULL;
}

void cpu_kick(CPUState *cpu)
{
    atomic_store(&cpu->exit_request, 1);
}

/* No thread runs yet, so every vCPU is at a boundary. */
void vcpus_sync_store_paths(Machine *m)
{
    for (unsigned i = 0; i < cpu_count(m); i++) {
        CPUState *cpu = cpu_get(m, i);
        cpu->ops->flush_store_path(cpu);
    }
}

void vcpus_flush_tlbs(Machine *m)
{
    for (unsigned i = 0; i < cpu_count(m); i++) {
        CPUState *cpu = cpu_get(m, i);
        cpu->ops->flush_tlb(cpu);
    }
}

uint64_t vcpus_icount_inflight(Machine *m)
{
    (void)m;
    return 0;
}

void vcpus_icount_recompute(Machine *m)
{
    (void)m;
}

struct VCPUs *vcpus_new(Machine *m)
{
    struct VCPUs *v = g_new0(struct VCPUs, 1);
    v->machine = m;
    v->cpus = g_ptr_array_new();
    return v;
}

void vcpus_free(struct VCPUs *v)
{
    if (v) {
        g_ptr_array_unref(v->cpus);
        g_free(v);
    }
}
