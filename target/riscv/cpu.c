/*
 * cpu.c - creating, resetting and showing a hart: the room's public face.
 *
 * Lobby (target/riscv).  Main thread with the machine lock, or the hart stopped, except where cpu.h says
 * otherwise.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "insn.h"
#include "mmu.h"

static void cpu_reset(CPUState *cpu)
{
    Hart *h = hart_of(cpu);

    memset(h->x, 0, sizeof(h->x));
    memset(h->f, 0, sizeof(h->f));
    csr_reset(h);
    h->priv = PRIV_M;
    h->pc = h->reset_pc;
    h->load_res = UINT64_MAX;
    h->load_val = 0;
    h->halt = false;
    h->epoch++;
    tlb_flush(h);
    trap_update_context(h);
    irq_update_stimer(h);
}

static void cpu_flush_stores(CPUState *cpu)
{
    tlb_close_stores(hart_of(cpu));
}

/* Whoever asks for this may have changed memory under the code too. */
static void cpu_flush_tlb(CPUState *cpu)
{
    Hart *h = hart_of(cpu);

    tlb_flush(h);
    h->epoch++;
}

static bool cpu_translate(CPUState *cpu, uint64_t vaddr, uint64_t *paddr)
{
    return mmu_debug_translate(hart_of(cpu), vaddr, paddr);
}

static void cpu_dump_row(GString *out, const char *const *names, const uint64_t *regs)
{
    for (unsigned n = 0; n < 32; n++) {
        g_string_append_printf(out, " %-8s %016" PRIx64 "%s", names[n], regs[n], n % 4 == 3 ? "\n" : "");
    }
}

static void cpu_dump(CPUState *cpu, GString *out)
{
    static const char *const x_names[32] = {
        "x0/zero", "x1/ra", "x2/sp", "x3/gp", "x4/tp", "x5/t0", "x6/t1", "x7/t2",
        "x8/s0", "x9/s1", "x10/a0", "x11/a1", "x12/a2", "x13/a3", "x14/a4", "x15/a5",
        "x16/a6", "x17/a7", "x18/s2", "x19/s3", "x20/s4", "x21/s5", "x22/s6", "x23/s7",
        "x24/s8", "x25/s9", "x26/s10", "x27/s11", "x28/t3", "x29/t4", "x30/t5", "x31/t6",
    };
    static const char *const f_names[32] = {
        "f0/ft0", "f1/ft1", "f2/ft2", "f3/ft3", "f4/ft4", "f5/ft5", "f6/ft6", "f7/ft7",
        "f8/fs0", "f9/fs1", "f10/fa0", "f11/fa1", "f12/fa2", "f13/fa3", "f14/fa4", "f15/fa5",
        "f16/fa6", "f17/fa7", "f18/fs2", "f19/fs3", "f20/fs4", "f21/fs5", "f22/fs6", "f23/fs7",
        "f24/fs8", "f25/fs9", "f26/fs10", "f27/fs11", "f28/ft8", "f29/ft9", "f30/ft10", "f31/ft11",
    };
    Hart *h = hart_of(cpu);
    const struct { const char *name; uint64_t value; } csrs[] = {
        {"pc", h->pc}, {"priv", h->priv}, {"mhartid", (uint64_t)cpu->cpu_index},
        {"mstatus", csr_mstatus(h)}, {"mip", hart_mip(h)}, {"mie", atomic_load(&h->mie)},
        {"mideleg", h->mideleg}, {"medeleg", h->medeleg}, {"mtvec", h->mtvec}, {"stvec", h->stvec},
        {"mepc", h->mepc}, {"sepc", h->sepc}, {"mcause", h->mcause}, {"scause", h->scause},
        {"mtval", h->mtval}, {"stval", h->stval}, {"mscratch", h->mscratch}, {"sscratch", h->sscratch},
        {"satp", h->satp}, {"stimecmp", h->stimecmp}, {"instret", hart_retired(h)},
    };

    for (unsigned n = 0; n < G_N_ELEMENTS(csrs); n++) {
        g_string_append_printf(out, " %-8s %016" PRIx64 "\n", csrs[n].name, csrs[n].value);
    }
    cpu_dump_row(out, x_names, h->x);
    cpu_dump_row(out, f_names, h->f);
}

static void cpu_finalize(CPUState *cpu)
{
    Hart *h = hart_of(cpu);

    if (h->stimer) {
        timer_free(h->stimer);
    }
    machine_state_free(h);
    block_cache_free(h->blocks);
    g_free(h->isa);
    g_free(h);
}

/* A hart has no NMI source of its own. */
static void cpu_nmi(CPUState *cpu)
{
}

static const CPUOps cpu_ops = {
    .reset = cpu_reset,
    .exec = exec_run,
    .has_work = irq_has_work,
    .flush_store_path = cpu_flush_stores,
    .flush_tlb = cpu_flush_tlb,
    .instret = exec_instret,
    .dump = cpu_dump,
    .translate = cpu_translate,
    .nmi = cpu_nmi,
    .finalize = cpu_finalize,
    .get_register = debug_get_register,
    .foreach_mapping = debug_foreach_mapping,
};

CPUState *riscv_cpu_new(Machine *m, const char *model, unsigned hartid, Error **errp)
{
    Hart *h = g_new0(Hart, 1);

    if (!model_parse(h, model, errp)) {
        g_free(h);
        return NULL;
    }
    h->cpu.ops = &cpu_ops;
    h->cpu.machine = m;
    h->epoch = 1;
    h->isa = model_isa_string(h);
    h->blocks = block_cache_new();
    block_cache_init_jumps(h);
    csr_init(h);
    cpu_register(m, &h->cpu);
    if (hart_has(h, EXT_SSTC)) {
        irq_stimer_init(h);
    }
    if (h->cpu.cpu_index != (int)hartid) {
        error_setg(errp, "hart id %u must be the number of harts before it, %d", hartid, h->cpu.cpu_index);
        return NULL;    /* registered: machine_free() finalizes it */
    }
    if (!machine_state_register(h, errp)) {
        return NULL;
    }
    cpu_reset(&h->cpu);
    return &h->cpu;
}

const char *riscv_cpu_isa_string(CPUState *cpu)
{
    return hart_of(cpu)->isa;
}

/*
 * The device tree of the machine that guests know says sv48 although satp takes sv57 too; an operating
 * system finds out about the latter by trying.
 */
const char *riscv_cpu_mmu_type(CPUState *cpu)
{
    const Hart *h = hart_of(cpu);

    if (!hart_has(h, EXT_MMU) || !hart_has(h, EXT_SV39)) {
        return "riscv,none";
    }
    return hart_has(h, EXT_SV48) ? "riscv,sv48" : "riscv,sv39";
}

void riscv_cpu_set_reset_vector(CPUState *cpu, uint64_t pc)
{
    hart_of(cpu)->reset_pc = pc;
}
