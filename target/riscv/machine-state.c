/*
 * machine-state.c - what migrates of a hart: the sections "cpu_common" v1 and "cpu" v5.
 *
 * Lobby (target/riscv) over migration/vmstate.h.  Machine stopped, lock held.
 * Invariant: the stream is a view: pre_save copies the hart into a HartWire, post_load checks what came
 * and copies it back.  Fields of features that this hart lacks (AIA, PMU, debug triggers) keep their
 * place; what arrives in them is kept and handed on.
 * Formats: section "cpu", fields in the order of the table below, all big-endian; subsections cpu/pmp,
 * cpu/envcfg, cpu/debug.  The format that we share has no place for fflags: they ride in mfromhost, a
 * register that no specification has any more and that others carry along as 0.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "insn.h"
#include "migration/register.h"
#include "mmu.h"

#define PRIV_SPEC_1_12 2
#define FEATURE_MMU 0x01u
#define FEATURE_PMP 0x02u
#define FEATURE_DEBUG 0x10u
#define IRQ_REQUEST_HARD 2u     /* interrupt_request: the interrupt input is active */
#define TRIGGERS 2

typedef struct PmuWire {
    uint64_t mhpmcounter_val, mhpmcounterh_val, mhpmcounter_prev, mhpmcounterh_prev;
    bool started;
} PmuWire;

typedef struct PmpWire {
    uint64_t addr_reg;
    uint8_t cfg_reg;
} PmpWire;

/* The field names are those that the stream's own description shows. */
typedef struct HartWire {
    Hart *h;
    uint32_t halted, interrupt_request;
    struct {
        uint64_t gpr[32], fpr[32];
        uint8_t miprio[64], siprio[64];
        uint64_t pc, load_res, load_val, frm, badaddr, guest_phys_fault_addr, priv_ver, vext_ver;
        uint32_t misa_mxl, misa_ext, misa_mxl_max, misa_ext_mask, features;
        uint64_t priv, virt, resetvec, mhartid, mstatus, mip, miclaim, mie, mideleg, satp, stval;
        uint64_t medeleg, stvec, sepc, scause, mtvec, mepc, mcause, mtval, miselect, siselect;
        uint64_t scounteren, mcounteren, mcountinhibit;
        PmuWire pmu_ctrs[32];
        uint64_t mhpmevent_val[32], mhpmeventh_val[32];
        uint64_t sscratch, mscratch, mfromhost, mtohost, stimecmp;
        struct {
            PmpWire pmp[PMP_ENTRIES];
        } pmp_state;
        uint64_t menvcfg, senvcfg, henvcfg;
        uint64_t trigger_cur, tdata1[TRIGGERS], tdata2[TRIGGERS], tdata3[TRIGGERS];
    } env;
} HartWire;

/* ---- saving ---- */

static void wire_save_registers(HartWire *w, const Hart *h)
{
    memcpy(w->env.gpr, h->x, sizeof(w->env.gpr));
    memcpy(w->env.fpr, h->f, sizeof(w->env.fpr));
    w->env.pc = h->pc;
    w->env.load_res = h->load_res;
    w->env.load_val = h->load_val;
    w->env.frm = h->frm;
    w->env.mfromhost = h->fpu.flags;
    w->env.priv = h->priv;
    w->env.resetvec = h->reset_pc;
    w->env.mhartid = (uint64_t)h->cpu.cpu_index;
    w->env.misa_mxl = w->env.misa_mxl_max = 2;
    w->env.misa_ext = w->env.misa_ext_mask = (uint32_t)model_misa(h);
    w->env.features = FEATURE_DEBUG | (hart_has(h, EXT_MMU) ? FEATURE_MMU : 0) |
                      (hart_has(h, EXT_PMP) ? FEATURE_PMP : 0);
}

static void wire_save_csrs(HartWire *w, const Hart *h)
{
    w->env.mstatus = csr_mstatus(h) & ~MSTATUS_SD;
    w->env.mip = hart_mip(h);
    w->env.mie = atomic_load(&h->mie);
    w->env.mideleg = h->mideleg;
    w->env.medeleg = h->medeleg;
    w->env.satp = h->satp;
    w->env.stvec = h->stvec;
    w->env.sepc = h->sepc;
    w->env.scause = h->scause;
    w->env.stval = h->stval;
    w->env.mtvec = h->mtvec;
    w->env.mepc = h->mepc;
    w->env.mcause = h->mcause;
    w->env.mtval = h->mtval;
    w->env.scounteren = h->scounteren;
    w->env.mcounteren = h->mcounteren;
    w->env.mcountinhibit = h->mcountinhibit;
    w->env.sscratch = h->sscratch;
    w->env.mscratch = h->mscratch;
    w->env.stimecmp = h->stimecmp;
    w->env.menvcfg = h->menvcfg;
    w->env.senvcfg = h->senvcfg;
    memcpy(w->env.mhpmevent_val, h->mhpmevent, sizeof(w->env.mhpmevent_val));
    w->env.pmu_ctrs[0].mhpmcounter_val = counter_value(h, &h->cycle);
    w->env.pmu_ctrs[2].mhpmcounter_val = counter_value(h, &h->instret);
    for (unsigned n = 0; n < PMP_ENTRIES; n++) {
        w->env.pmp_state.pmp[n] = (PmpWire){.addr_reg = h->pmp.addr[n], .cfg_reg = h->pmp.cfg[n]};
    }
}

/*
 * A destination of the other make does not arm its timer from stimecmp: it goes on only if the timer's
 * interrupt is pending when it arrives. An early one does a guest no harm, and Godwit's own post_load
 * works STIP out anew.
 */
static void wire_wake_peer(HartWire *w, const Hart *h)
{
    if (h->stimer && (h->menvcfg & MENVCFG_STCE) && timer_pending(h->stimer)) {
        w->env.mip |= IRQ_BIT(S_TIMER);
    }
}

static bool wire_pre_save(void *opaque, Error **errp)
{
    HartWire *w = opaque;

    wire_save_registers(w, w->h);
    wire_save_csrs(w, w->h);
    wire_wake_peer(w, w->h);
    return true;
}

static bool wire_common_pre_save(void *opaque, Error **errp)
{
    HartWire *w = opaque;

    w->env.mip = hart_mip(w->h);
    wire_wake_peer(w, w->h);
    w->halted = atomic_load(&w->h->cpu.halted);
    w->interrupt_request = w->env.mip ? IRQ_REQUEST_HARD : 0;
    return true;
}

/* ---- loading ---- */

static bool wire_check(const HartWire *w, Error **errp)
{
    uint32_t misa = (uint32_t)model_misa(w->h);
    const char *bad = NULL;
    uint64_t value = 0;

#define WIRE_MUST(field, condition) \
    if (!bad && !(condition)) { \
        bad = #field; \
        value = w->env.field; \
    }
    WIRE_MUST(priv, w->env.priv <= PRIV_M && w->env.priv != 2)
    WIRE_MUST(virt, w->env.virt == 0)
    WIRE_MUST(misa_mxl, w->env.misa_mxl == 2)
    WIRE_MUST(frm, w->env.frm <= 7)
    WIRE_MUST(satp, csr_satp_ok(w->h, w->env.satp))
    WIRE_MUST(mhartid, w->env.mhartid == (uint64_t)w->h->cpu.cpu_index)
    WIRE_MUST(pc, (w->env.pc & (1 | w->h->align_mask)) == 0)
#undef WIRE_MUST
    if (bad) {
        error_setg(errp, "cpu: env.%s is 0x%" PRIx64 ", which this hart cannot hold", bad, value);
        return false;
    }
    if (w->env.misa_ext & ~misa) {
        error_setg(errp, "cpu: env.misa_ext is 0x%x, this hart has 0x%x: extensions are missing here",
                   w->env.misa_ext, misa);
        error_append_hint(errp, "Start the source with the extensions off, for instance -cpu rv64,h=off");
        return false;
    }
    return true;
}

static void wire_load_registers(const HartWire *w, Hart *h)
{
    memcpy(h->x, w->env.gpr, sizeof(w->env.gpr));
    h->x[0] = 0;
    memcpy(h->f, w->env.fpr, sizeof(w->env.fpr));
    h->pc = w->env.pc;
    h->load_res = w->env.load_res;
    h->load_val = w->env.load_val;
    h->frm = (uint8_t)w->env.frm;
    h->fpu.flags = w->env.mfromhost & 31;
    h->priv = (uint8_t)w->env.priv;
    h->reset_pc = w->env.resetvec;
}

static void wire_load_counter(const Hart *h, Counter *c, uint64_t value, bool stopped)
{
    c->stopped = stopped;
    c->base = stopped ? value : value - hart_retired(h);
}

static void wire_load_csrs(const HartWire *w, Hart *h)
{
    uint64_t outside = IRQ_BIT(M_SOFT) | IRQ_BIT(M_TIMER) | IRQ_BIT(M_EXT) | IRQ_BIT(S_EXT);

    atomic_store(&h->lines, w->env.mip & outside);
    atomic_store(&h->own_irqs, w->env.mip & (IRQ_BIT(S_SOFT) | IRQ_BIT(S_TIMER)));
    atomic_store(&h->mie, w->env.mie & 0xaaa);
    h->mideleg = w->env.mideleg & 0x222;
    h->medeleg = w->env.medeleg & 0xb3ff;
    h->satp = w->env.satp;
    h->stvec = w->env.stvec & ~2ull;
    h->mtvec = w->env.mtvec & ~2ull;
    h->sepc = w->env.sepc & ~(1ull | h->align_mask);
    h->mepc = w->env.mepc & ~(1ull | h->align_mask);
    h->scause = w->env.scause;
    h->mcause = w->env.mcause;
    h->stval = w->env.stval;
    h->mtval = w->env.mtval;
    h->scounteren = w->env.scounteren;
    h->mcounteren = w->env.mcounteren;
    h->mcountinhibit = w->env.mcountinhibit & 0xfffffffdu;
    h->sscratch = w->env.sscratch;
    h->mscratch = w->env.mscratch;
    h->stimecmp = w->env.stimecmp;
    h->menvcfg = w->env.menvcfg;
    h->senvcfg = w->env.senvcfg;
    memcpy(h->mhpmevent, w->env.mhpmevent_val, sizeof(h->mhpmevent));
    wire_load_counter(h, &h->cycle, w->env.pmu_ctrs[0].mhpmcounter_val, h->mcountinhibit & 1);
    wire_load_counter(h, &h->instret, w->env.pmu_ctrs[2].mhpmcounter_val, h->mcountinhibit & 4);
    csr_set_mstatus(h, w->env.mstatus);
}

/* The fields first, then the subsections: this runs when all are there. */
static bool wire_post_load(void *opaque, int version_id, Error **errp)
{
    HartWire *w = opaque;
    Hart *h = w->h;

    if (!wire_check(w, errp)) {
        return false;
    }
    wire_load_registers(w, h);
    wire_load_csrs(w, h);
    for (unsigned n = 0; n < PMP_ENTRIES; n++) {
        h->pmp.addr[n] = w->env.pmp_state.pmp[n].addr_reg;
        h->pmp.cfg[n] = w->env.pmp_state.pmp[n].cfg_reg;
    }
    pmp_update(&h->pmp);
    h->epoch++;
    tlb_flush(h);
    trap_update_context(h);
    irq_update_stimer(h);
    return true;
}

static bool wire_common_post_load(void *opaque, int version_id, Error **errp)
{
    HartWire *w = opaque;

    if (w->halted > 1) {
        error_setg(errp, "cpu_common: halted is %u, must be 0 or 1", w->halted);
        return false;
    }
    atomic_store(&w->h->cpu.halted, w->halted != 0);
    return true;
}

/* ---- the tables ---- */

static const VMStateDescription vmstate_cpu_common = {
    .name = "cpu_common", .version_id = 1, .minimum_version_id = 1,
    .pre_save = wire_common_pre_save, .post_load = wire_common_post_load,
    .fields = (const VMStateField[]){
        VMSTATE_UINT32(halted, HartWire), VMSTATE_UINT32(interrupt_request, HartWire),
        VMSTATE_END_OF_LIST() },
};

static const VMStateDescription vmstate_pmu = {
    .name = "cpu/pmu", .version_id = 1, .minimum_version_id = 1,
    .fields = (const VMStateField[]){
        VMSTATE_UINT64(mhpmcounter_val, PmuWire), VMSTATE_UINT64(mhpmcounterh_val, PmuWire),
        VMSTATE_UINT64(mhpmcounter_prev, PmuWire), VMSTATE_UINT64(mhpmcounterh_prev, PmuWire),
        VMSTATE_BOOL(started, PmuWire), VMSTATE_END_OF_LIST() },
};

static const VMStateDescription vmstate_pmp_entry = {
    .name = "cpu/pmp/entry", .version_id = 1, .minimum_version_id = 1,
    .fields = (const VMStateField[]){
        VMSTATE_UINT64(addr_reg, PmpWire), VMSTATE_UINT8(cfg_reg, PmpWire), VMSTATE_END_OF_LIST() },
};

static bool wire_pmp_needed(void *opaque)
{
    return hart_has(((HartWire *)opaque)->h, EXT_PMP);
}

static bool wire_always(void *opaque)
{
    return true;
}

static const VMStateDescription vmstate_pmp = {
    .name = "cpu/pmp", .version_id = 1, .minimum_version_id = 1, .needed = wire_pmp_needed,
    .fields = (const VMStateField[]){
        VMSTATE_STRUCT_ARRAY(env.pmp_state.pmp, HartWire, PMP_ENTRIES, vmstate_pmp_entry, PmpWire),
        VMSTATE_END_OF_LIST() },
};

static const VMStateDescription vmstate_envcfg = {
    .name = "cpu/envcfg", .version_id = 1, .minimum_version_id = 1, .needed = wire_always,
    .fields = (const VMStateField[]){
        VMSTATE_UINT64(env.menvcfg, HartWire), VMSTATE_UINT64(env.senvcfg, HartWire),
        VMSTATE_UINT64(env.henvcfg, HartWire), VMSTATE_END_OF_LIST() },
};

static const VMStateDescription vmstate_debug = {
    .name = "cpu/debug", .version_id = 2, .minimum_version_id = 2, .needed = wire_always,
    .fields = (const VMStateField[]){
        VMSTATE_UINT64(env.trigger_cur, HartWire), VMSTATE_UINT64_ARRAY(env.tdata1, HartWire, TRIGGERS),
        VMSTATE_UINT64_ARRAY(env.tdata2, HartWire, TRIGGERS),
        VMSTATE_UINT64_ARRAY(env.tdata3, HartWire, TRIGGERS), VMSTATE_END_OF_LIST() },
};

static const VMStateDescription vmstate_riscv_cpu = {
    .name = "cpu", .version_id = 5, .minimum_version_id = 5,
    .pre_save = wire_pre_save, .post_load = wire_post_load,
    .fields = (const VMStateField[]){
        VMSTATE_UINT64_ARRAY(env.gpr, HartWire, 32), VMSTATE_UINT64_ARRAY(env.fpr, HartWire, 32),
        VMSTATE_UINT8_ARRAY(env.miprio, HartWire, 64), VMSTATE_UINT8_ARRAY(env.siprio, HartWire, 64),
        VMSTATE_UINT64(env.pc, HartWire), VMSTATE_UINT64(env.load_res, HartWire),
        VMSTATE_UINT64(env.load_val, HartWire), VMSTATE_UINT64(env.frm, HartWire),
        VMSTATE_UINT64(env.badaddr, HartWire), VMSTATE_UINT64(env.guest_phys_fault_addr, HartWire),
        VMSTATE_UINT64(env.priv_ver, HartWire), VMSTATE_UINT64(env.vext_ver, HartWire),
        VMSTATE_UINT32(env.misa_mxl, HartWire), VMSTATE_UINT32(env.misa_ext, HartWire),
        VMSTATE_UINT32(env.misa_mxl_max, HartWire), VMSTATE_UINT32(env.misa_ext_mask, HartWire),
        VMSTATE_UINT32(env.features, HartWire), VMSTATE_UINT64(env.priv, HartWire),
        VMSTATE_UINT64(env.virt, HartWire), VMSTATE_UINT64(env.resetvec, HartWire),
        VMSTATE_UINT64(env.mhartid, HartWire), VMSTATE_UINT64(env.mstatus, HartWire),
        VMSTATE_UINT64(env.mip, HartWire), VMSTATE_UINT64(env.miclaim, HartWire),
        VMSTATE_UINT64(env.mie, HartWire), VMSTATE_UINT64(env.mideleg, HartWire),
        VMSTATE_UINT64(env.satp, HartWire), VMSTATE_UINT64(env.stval, HartWire),
        VMSTATE_UINT64(env.medeleg, HartWire), VMSTATE_UINT64(env.stvec, HartWire),
        VMSTATE_UINT64(env.sepc, HartWire), VMSTATE_UINT64(env.scause, HartWire),
        VMSTATE_UINT64(env.mtvec, HartWire), VMSTATE_UINT64(env.mepc, HartWire),
        VMSTATE_UINT64(env.mcause, HartWire), VMSTATE_UINT64(env.mtval, HartWire),
        VMSTATE_UINT64(env.miselect, HartWire), VMSTATE_UINT64(env.siselect, HartWire),
        VMSTATE_UINT64(env.scounteren, HartWire), VMSTATE_UINT64(env.mcounteren, HartWire),
        VMSTATE_UINT64(env.mcountinhibit, HartWire),
        VMSTATE_STRUCT_ARRAY(env.pmu_ctrs, HartWire, 32, vmstate_pmu, PmuWire),
        VMSTATE_UINT64_ARRAY(env.mhpmevent_val, HartWire, 32),
        VMSTATE_UINT64_ARRAY(env.mhpmeventh_val, HartWire, 32), VMSTATE_UINT64(env.sscratch, HartWire),
        VMSTATE_UINT64(env.mscratch, HartWire), VMSTATE_UINT64(env.mfromhost, HartWire),
        VMSTATE_UINT64(env.mtohost, HartWire), VMSTATE_UINT64(env.stimecmp, HartWire),
        VMSTATE_END_OF_LIST() },
    .subsections = (const VMStateDescription *const[]){
        &vmstate_pmp, &vmstate_envcfg, &vmstate_debug, NULL },
};

/* ---- what fields of absent features hold until something else arrives ---- */

/*
 * The default priorities of interrupts (AIA specification, "Default priority order"): the place in this
 * list from 4 on; numbers that it does not name have the lowest. own is the level's external interrupt,
 * whose own priority reads 0.
 */
static void wire_default_priorities(uint8_t prio[64], unsigned own)
{
    static const uint8_t order[] = {
        47, 23, 46, 45, 22, 44, 43, 21, 42, 41, 20, 40, 11, 3, 7, 9, 1, 5, 12, 10, 2, 6,
        39, 19, 38, 37, 18, 36, 35, 17, 34, 33, 16, 32,
    };

    memset(prio, 0xff, 64);
    for (unsigned n = 0; n < G_N_ELEMENTS(order); n++) {
        prio[order[n]] = (uint8_t)(n + 4);
    }
    prio[own] = 0;
}

bool machine_state_register(Hart *h, Error **errp)
{
    Machine *m = h->cpu.machine;
    HartWire *w = g_new0(HartWire, 1);

    w->h = h;
    h->wire = w;
    wire_default_priorities(w->env.miprio, RISCV_IRQ_M_EXT);
    wire_default_priorities(w->env.siprio, RISCV_IRQ_S_EXT);
    w->env.priv_ver = PRIV_SPEC_1_12;
    for (unsigned n = 0; n < G_N_ELEMENTS(w->env.pmu_ctrs); n++) {
        w->env.pmu_ctrs[n].started = true;
    }
    for (unsigned n = 0; n < TRIGGERS; n++) {
        w->env.tdata1[n] = 2ull << 60;
    }
    return vmstate_register(m, NULL, h->cpu.cpu_index, &vmstate_cpu_common, w, errp) &&
           vmstate_register(m, NULL, h->cpu.cpu_index, &vmstate_riscv_cpu, w, errp);
}

void machine_state_free(Hart *h)
{
    if (h->wire) {
        vmstate_unregister(h->cpu.machine, &vmstate_cpu_common, h->wire);
        vmstate_unregister(h->cpu.machine, &vmstate_riscv_cpu, h->wire);
        g_free(h->wire);
        h->wire = NULL;
    }
}
