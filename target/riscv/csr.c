/*
 * csr.c - the control and status registers: one table, and what reading and writing each does.
 *
 * Lobby (target/riscv).  Runs on the hart's thread.
 * Invariant: a CSR that is not in the table is an illegal instruction; every writable field is WARL here,
 * so the Hart never holds a value that the rest of the room must doubt.
 * Privileged spec 1.12 chapters 2 to 4; Sstc.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "mmu.h"

#define ARCH_ID 0x70216         /* marchid and mimpid of the machine that guests know */

enum {
    CSR_FFLAGS = 0x001, CSR_FRM = 0x002, CSR_FCSR = 0x003,
    CSR_SIE = 0x104, CSR_SIP = 0x144, CSR_MIP = 0x344,
    CSR_CYCLE = 0xc00, CSR_TIME = 0xc01, CSR_INSTRET = 0xc02,
};

#define MIE_MASK 0xaaaull
#define MIDELEG_MASK 0x222ull
#define MEDELEG_MASK 0xb3ffull
#define SSTATUS_MASK \
    (MSTATUS_SIE | MSTATUS_SPIE | MSTATUS_SPP | MSTATUS_FS | MSTATUS_SUM | MSTATUS_MXR)
#define MSTATUS_MASK \
    (SSTATUS_MASK | MSTATUS_MIE | MSTATUS_MPIE | MSTATUS_MPP | MSTATUS_MPRV | MSTATUS_TVM | \
     MSTATUS_TW | MSTATUS_TSR)

typedef struct CsrDef {
    uint16_t first, last;
    uint64_t (*get)(Hart *h, unsigned csr);         /* NULL: the uint64_t at offset */
    void (*set)(Hart *h, unsigned csr, uint64_t v); /* NULL: the bits of mask at offset */
    bool (*allowed)(const Hart *h, unsigned csr);   /* beyond the privilege in the number; NULL: yes */
    bool look;                                      /* a write may change interrupts or translation */
    size_t offset;
    uint64_t mask;
} CsrDef;

/* ---- who may ---- */

static bool csr_fp_allowed(const Hart *h, unsigned csr)
{
    return h->fs != 0;
}

static bool csr_counter_allowed(const Hart *h, unsigned csr)
{
    uint64_t bit = 1ull << (csr & 31);

    return (h->priv == PRIV_M || (h->mcounteren & bit)) && (h->priv != PRIV_U || (h->scounteren & bit));
}

static bool csr_satp_allowed(const Hart *h, unsigned csr)
{
    return h->priv != PRIV_S || !(h->mstatus & MSTATUS_TVM);
}

static bool csr_stimecmp_allowed(const Hart *h, unsigned csr)
{
    return hart_has(h, EXT_SSTC) &&
           (h->priv == PRIV_M || ((h->menvcfg & MENVCFG_STCE) && (h->mcounteren & 2)));
}

static bool csr_pmp_allowed(const Hart *h, unsigned csr)
{
    return hart_has(h, EXT_PMP);
}

/* ---- constants ---- */

static uint64_t csr_get_zero(Hart *h, unsigned csr)
{
    return 0;
}

static void csr_set_nothing(Hart *h, unsigned csr, uint64_t v)
{
}

static uint64_t csr_get_arch(Hart *h, unsigned csr)
{
    return ARCH_ID;
}

static uint64_t csr_get_hartid(Hart *h, unsigned csr)
{
    return (uint64_t)h->cpu.cpu_index;
}

static uint64_t csr_get_misa(Hart *h, unsigned csr)
{
    return model_misa(h);
}

/* ---- floating point ---- */

static uint64_t csr_get_fp(Hart *h, unsigned csr)
{
    uint64_t frm = (uint64_t)h->frm << (csr == CSR_FCSR ? 5 : 0);

    return (csr != CSR_FFLAGS ? frm : 0) | (csr != CSR_FRM ? h->fpu.flags : 0);
}

static void csr_set_fp(Hart *h, unsigned csr, uint64_t v)
{
    if (csr != CSR_FRM) {
        h->fpu.flags = v & 31;
    }
    if (csr != CSR_FFLAGS) {
        h->frm = (csr == CSR_FCSR ? v >> 5 : v) & 7;
    }
    h->fs = 3;
}

/* ---- status ---- */

uint64_t csr_mstatus(const Hart *h)
{
    uint64_t s = h->mstatus | (uint64_t)h->fs << 13 | MSTATUS_UXL | MSTATUS_SXL;

    return h->fs == 3 ? s | MSTATUS_SD : s;
}

void csr_set_mstatus(Hart *h, uint64_t v)
{
    uint64_t old = h->mstatus;

    if ((v & MSTATUS_MPP) == 2ull << 11) {
        v = (v & ~MSTATUS_MPP) | (old & MSTATUS_MPP);
    }
    h->mstatus = v & MSTATUS_MASK & ~MSTATUS_FS;
    h->fs = hart_has(h, EXT_F) ? v >> 13 & 3 : 0;
    if ((old ^ v) & MSTATUS_MXR) {
        tlb_flush_translated(h);
    }
    trap_update_context(h);
}

static uint64_t csr_get_mstatus(Hart *h, unsigned csr)
{
    return csr_mstatus(h);
}

static void csr_write_mstatus(Hart *h, unsigned csr, uint64_t v)
{
    csr_set_mstatus(h, v);
}

static uint64_t csr_get_sstatus(Hart *h, unsigned csr)
{
    return csr_mstatus(h) & (SSTATUS_MASK | MSTATUS_UXL | MSTATUS_SD);
}

static void csr_set_sstatus(Hart *h, unsigned csr, uint64_t v)
{
    csr_set_mstatus(h, (csr_mstatus(h) & ~SSTATUS_MASK) | (v & SSTATUS_MASK));
}

/* ---- interrupts ---- */

static uint64_t csr_get_mip(Hart *h, unsigned csr)
{
    return hart_mip(h) & (csr == CSR_SIP ? h->mideleg : UINT64_MAX);
}

/* What software may write: SSIP from S; from M also SEIP, and STIP while the timer does not own it. */
static void csr_set_mip(Hart *h, unsigned csr, uint64_t v)
{
    uint64_t mask = IRQ_BIT(S_SOFT);

    if (csr == CSR_SIP) {
        mask &= h->mideleg;
    } else {
        mask |= IRQ_BIT(S_EXT) | (h->menvcfg & MENVCFG_STCE ? 0 : IRQ_BIT(S_TIMER));
    }
    atomic_fetch_and(&h->own_irqs, ~(mask & ~v));
    atomic_fetch_or(&h->own_irqs, mask & v);
}

static uint64_t csr_get_mie(Hart *h, unsigned csr)
{
    return atomic_load(&h->mie) & (csr == CSR_SIE ? h->mideleg : UINT64_MAX);
}

static void csr_set_mie(Hart *h, unsigned csr, uint64_t v)
{
    uint64_t mask = MIE_MASK & (csr == CSR_SIE ? h->mideleg : UINT64_MAX);

    atomic_store(&h->mie, (atomic_load(&h->mie) & ~mask) | (v & mask));
}

static void csr_set_mepc(Hart *h, unsigned csr, uint64_t v)
{
    h->mepc = v & ~(1ull | h->align_mask);
}

static void csr_set_sepc(Hart *h, unsigned csr, uint64_t v)
{
    h->sepc = v & ~(1ull | h->align_mask);
}

/* ---- translation and protection ---- */

bool csr_satp_ok(const Hart *h, uint64_t v)
{
    static const int8_t mode_ext[16] = {
        -1, -1, -1, -1, -1, -1, -1, -1, EXT_SV39, EXT_SV48, EXT_SV57, -1, -1, -1, -1, -1,
    };
    int ext = mode_ext[v >> 60];

    return v >> 60 == 0 || (ext >= 0 && hart_has(h, (Ext)ext) && hart_has(h, EXT_MMU));
}

/* A mode that is not there: the whole write has no effect (4.1.11). */
static void csr_set_satp(Hart *h, unsigned csr, uint64_t v)
{
    if (!hart_has(h, EXT_MMU)) {
        v = 0;
    }
    if (csr_satp_ok(h, v) && v != h->satp) {
        h->satp = v;
        tlb_flush_translated(h);
    }
}

static uint64_t csr_get_pmpcfg(Hart *h, unsigned csr)
{
    uint64_t v = 0;

    for (unsigned n = 0; n < 8; n++) {
        v |= (uint64_t)pmp_read_cfg(&h->pmp, (csr & 15) * 4 + n) << 8 * n;
    }
    return v;
}

static void csr_set_pmpcfg(Hart *h, unsigned csr, uint64_t v)
{
    for (unsigned n = 0; n < 8; n++) {
        pmp_write_cfg(&h->pmp, (csr & 15) * 4 + n, (uint8_t)(v >> 8 * n));
    }
    tlb_flush(h);
}

static uint64_t csr_get_pmpaddr(Hart *h, unsigned csr)
{
    return h->pmp.addr[csr & 15];
}

static void csr_set_pmpaddr(Hart *h, unsigned csr, uint64_t v)
{
    pmp_write_addr(&h->pmp, csr & 15, v);
    tlb_flush(h);
}

/* Only odd-numbered pmpcfg are missing on RV64. */
static bool csr_pmpcfg_allowed(const Hart *h, unsigned csr)
{
    return csr_pmp_allowed(h, csr) && !(csr & 1);
}

/* ---- counters and timer ---- */

uint64_t counter_value(const Hart *h, const Counter *c)
{
    return c->stopped ? c->base : c->base + hart_retired(h);
}

static void counter_stop(const Hart *h, Counter *c, bool stop)
{
    if (stop != c->stopped) {
        c->base = stop ? c->base + hart_retired(h) : c->base - hart_retired(h);
        c->stopped = stop;
    }
}

/* One cycle an instruction. The instruction that reads has not retired yet. */
static uint64_t csr_get_counter(Hart *h, unsigned csr)
{
    Counter *c = csr & 2 ? &h->instret : &h->cycle;

    return counter_value(h, c) - (c->stopped ? 0 : h->behind);
}

static void csr_set_counter(Hart *h, unsigned csr, uint64_t v)
{
    Counter *c = csr & 2 ? &h->instret : &h->cycle;

    c->base = c->stopped ? v : v - hart_retired(h);
}

static void csr_set_countinhibit(Hart *h, unsigned csr, uint64_t v)
{
    h->mcountinhibit = v & 0xfffffffdu;
    counter_stop(h, &h->cycle, v & 1);
    counter_stop(h, &h->instret, v & 4);
}

static uint64_t csr_get_time(Hart *h, unsigned csr)
{
    return riscv_time_now(h->cpu.machine);
}

static uint64_t csr_get_hpmevent(Hart *h, unsigned csr)
{
    return h->mhpmevent[csr & 31];
}

static void csr_set_hpmevent(Hart *h, unsigned csr, uint64_t v)
{
    h->mhpmevent[csr & 31] = v;
}

static void csr_set_menvcfg(Hart *h, unsigned csr, uint64_t v)
{
    irq_set_stimer(h, v & (1 | (hart_has(h, EXT_SSTC) ? MENVCFG_STCE : 0)), h->stimecmp);
}

static void csr_set_stimecmp(Hart *h, unsigned csr, uint64_t v)
{
    irq_set_stimer(h, h->menvcfg, v);
}

/* ---- the table ---- */

#define PLAIN(n, field, m) {.first = (n), .last = (n), .offset = offsetof(Hart, field), .mask = (m)}
#define VIA(n, g, s, ok) {.first = (n), .last = (n), .get = (g), .set = (s), .allowed = (ok)}
#define VIA_LOOK(n, g, s, ok) \
    {.first = (n), .last = (n), .get = (g), .set = (s), .allowed = (ok), .look = true}
#define RANGE(a, b, g, s, ok) {.first = (a), .last = (b), .get = (g), .set = (s), .allowed = (ok)}
#define RANGE_LOOK(a, b, g, s, ok) \
    {.first = (a), .last = (b), .get = (g), .set = (s), .allowed = (ok), .look = true}
#define STORED(n, field, s) {.first = (n), .last = (n), .set = (s), .offset = offsetof(Hart, field)}

static const CsrDef csr_table[] = {
    {.first = 1, .last = 0},        /* index 0: none */
    RANGE(CSR_FFLAGS, CSR_FCSR, csr_get_fp, csr_set_fp, csr_fp_allowed),
    RANGE(CSR_CYCLE, CSR_CYCLE, csr_get_counter, csr_set_nothing, csr_counter_allowed),
    RANGE(CSR_TIME, CSR_TIME, csr_get_time, csr_set_nothing, csr_counter_allowed),
    RANGE(CSR_INSTRET, CSR_INSTRET, csr_get_counter, csr_set_nothing, csr_counter_allowed),
    RANGE(0xc03, 0xc1f, csr_get_zero, csr_set_nothing, csr_counter_allowed),
    /* supervisor */
    VIA_LOOK(0x100, csr_get_sstatus, csr_set_sstatus, NULL),
    VIA_LOOK(CSR_SIE, csr_get_mie, csr_set_mie, NULL),
    PLAIN(0x105, stvec, ~2ull),
    PLAIN(0x106, scounteren, 0xffffffffu),
    PLAIN(0x10a, senvcfg, 1),
    PLAIN(0x140, sscratch, UINT64_MAX),
    STORED(0x141, sepc, csr_set_sepc),
    PLAIN(0x142, scause, UINT64_MAX),
    PLAIN(0x143, stval, UINT64_MAX),
    VIA_LOOK(CSR_SIP, csr_get_mip, csr_set_mip, NULL),
    {.first = 0x14d, .last = 0x14d, .set = csr_set_stimecmp, .allowed = csr_stimecmp_allowed,
     .look = true, .offset = offsetof(Hart, stimecmp)},
    {.first = 0x180, .last = 0x180, .set = csr_set_satp, .allowed = csr_satp_allowed, .look = true,
     .offset = offsetof(Hart, satp)},
    /* machine */
    VIA(0xf11, csr_get_zero, csr_set_nothing, NULL),
    RANGE(0xf12, 0xf13, csr_get_arch, csr_set_nothing, NULL),
    VIA(0xf14, csr_get_hartid, csr_set_nothing, NULL),
    VIA(0xf15, csr_get_zero, csr_set_nothing, NULL),
    VIA_LOOK(0x300, csr_get_mstatus, csr_write_mstatus, NULL),
    VIA(0x301, csr_get_misa, csr_set_nothing, NULL),
    PLAIN(0x302, medeleg, MEDELEG_MASK),
    {.first = 0x303, .last = 0x303, .look = true, .offset = offsetof(Hart, mideleg), .mask = MIDELEG_MASK},
    VIA_LOOK(0x304, csr_get_mie, csr_set_mie, NULL),
    PLAIN(0x305, mtvec, ~2ull),
    PLAIN(0x306, mcounteren, 0xffffffffu),
    {.first = 0x30a, .last = 0x30a, .set = csr_set_menvcfg, .look = true, .offset = offsetof(Hart, menvcfg)},
    STORED(0x320, mcountinhibit, csr_set_countinhibit),
    RANGE(0x323, 0x33f, csr_get_hpmevent, csr_set_hpmevent, NULL),
    PLAIN(0x340, mscratch, UINT64_MAX),
    STORED(0x341, mepc, csr_set_mepc),
    PLAIN(0x342, mcause, UINT64_MAX),
    PLAIN(0x343, mtval, UINT64_MAX),
    VIA_LOOK(CSR_MIP, csr_get_mip, csr_set_mip, NULL),
    RANGE_LOOK(0x3a0, 0x3a3, csr_get_pmpcfg, csr_set_pmpcfg, csr_pmpcfg_allowed),
    RANGE_LOOK(0x3b0, 0x3bf, csr_get_pmpaddr, csr_set_pmpaddr, csr_pmp_allowed),
    /* Debug triggers: none; tselect holds 0 and tdata1 says "no trigger". */
    RANGE(0x7a0, 0x7a3, csr_get_zero, csr_set_nothing, NULL),
    VIA(0xb00, csr_get_counter, csr_set_counter, NULL),
    VIA(0xb02, csr_get_counter, csr_set_counter, NULL),
    RANGE(0xb03, 0xb1f, csr_get_zero, csr_set_nothing, NULL),
};

static uint64_t *csr_field(Hart *h, const CsrDef *d)
{
    return (uint64_t *)((char *)h + d->offset);
}

static void csr_write(Hart *h, const CsrDef *d, unsigned csr, uint64_t v)
{
    if (d->set) {
        d->set(h, csr, v);
    } else {
        uint64_t *field = csr_field(h, d);
        *field = (*field & ~d->mask) | (v & d->mask);
    }
}

CsrResult csr_access(Hart *h, unsigned csr, uint64_t *old, uint64_t set, uint64_t clear, bool write)
{
    const CsrDef *d = &csr_table[h->csr_index[csr & 0xfff]];

    if (d->first > d->last || (csr >> 8 & 3) > h->priv || (write && csr >> 10 == 3) ||
        (d->allowed && !d->allowed(h, csr))) {
        return CSR_ILLEGAL;
    }
    uint64_t v = d->get ? d->get(h, csr) : *csr_field(h, d);
    *old = v;
    if (!write) {
        return CSR_OK;
    }
    if (csr == CSR_MIP) {
        /* Set and clear work on what software wrote, not on the wire that is or-ed to it (3.1.9). */
        v = atomic_load(&h->own_irqs);
    }
    csr_write(h, d, csr, (v & ~clear) | set);
    return d->look ? CSR_LOOK : CSR_OK;
}

void csr_init(Hart *h)
{
    for (unsigned n = 1; n < G_N_ELEMENTS(csr_table); n++) {
        for (unsigned csr = csr_table[n].first; csr <= csr_table[n].last; csr++) {
            h->csr_index[csr] = (uint8_t)n;
        }
    }
}

void csr_reset(Hart *h)
{
    h->mstatus = 0;
    h->fs = 0;
    h->frm = 0;
    h->fpu = (FpuCtx){0};
    atomic_store(&h->own_irqs, 0);
    atomic_store(&h->mie, 0);
    h->mideleg = h->medeleg = h->mtvec = h->stvec = h->mepc = h->sepc = 0;
    h->mcause = h->scause = h->mtval = h->stval = h->mscratch = h->sscratch = 0;
    h->satp = h->menvcfg = h->senvcfg = h->mcounteren = h->scounteren = h->mcountinhibit = 0;
    h->stimecmp = 0;
    memset(h->mhpmevent, 0, sizeof(h->mhpmevent));
    h->cycle = h->instret = (Counter){0};
    memset(&h->pmp, 0, sizeof(h->pmp));
    pmp_update(&h->pmp);
}
