/*
 * irq.c - interrupt inputs, what is pending, and the Sstc timer.
 *
 * Lobby (target/riscv).  riscv_cpu_set_irq() runs on any thread; the timer's callback with the machine
 * lock held; the rest on the hart's thread.
 * Invariant: mip = lines | own_irqs, each bit changed atomically.  With Sstc in force STIP in own_irqs is
 * set by the timer only, from the moment time reaches stimecmp until stimecmp is moved ahead.
 * Privileged spec 3.1.6.1, 3.1.9; Sstc.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "hart.h"

#define TICK_NS (NANOSECONDS_PER_SECOND / RISCV_TIMEBASE_FREQ)

uint64_t riscv_time_now(Machine *m)
{
    return (uint64_t)qemu_clock_get_ns(m, QEMU_CLOCK_VIRTUAL) / TICK_NS;
}

void riscv_cpu_set_irq(CPUState *cpu, unsigned irq, bool level)
{
    Hart *h = hart_of(cpu);
    uint64_t bit = 1ull << (irq & 63);

    if (level) {
        atomic_fetch_or(&h->lines, bit);
        cpu_kick(cpu);
    } else {
        atomic_fetch_and(&h->lines, ~bit);
    }
}

bool irq_has_work(CPUState *cpu)
{
    Hart *h = hart_of(cpu);

    return (hart_mip(h) & atomic_load(&h->mie)) != 0;
}

int irq_pending(const Hart *h)
{
    static const uint8_t order[] = {
        RISCV_IRQ_M_EXT, RISCV_IRQ_M_SOFT, RISCV_IRQ_M_TIMER,
        RISCV_IRQ_S_EXT, RISCV_IRQ_S_SOFT, RISCV_IRQ_S_TIMER,
    };
    uint64_t mip = hart_mip(h) & atomic_load_explicit(&h->mie, memory_order_relaxed);

    if (likely(!mip)) {
        return -1;
    }
    bool m_on = h->priv < PRIV_M || (h->mstatus & MSTATUS_MIE);
    bool s_on = h->priv < PRIV_S || (h->priv == PRIV_S && (h->mstatus & MSTATUS_SIE));
    uint64_t now = m_on ? mip & ~h->mideleg : 0;
    if (!now && s_on) {
        now = mip & h->mideleg;     /* those for M go first, whatever their number */
    }
    for (unsigned n = 0; now && n < G_N_ELEMENTS(order); n++) {
        if (now >> order[n] & 1) {
            return order[n];
        }
    }
    return -1;
}

/* Lock held. */
static void irq_stimer_update_locked(Hart *h)
{
    Machine *m = h->cpu.machine;
    bool on = h->menvcfg & MENVCFG_STCE;

    if (!on) {
        timer_del(h->stimer);
    } else if (riscv_time_now(m) >= h->stimecmp) {
        atomic_fetch_or(&h->own_irqs, IRQ_BIT(S_TIMER));
        timer_del(h->stimer);
        cpu_kick(&h->cpu);
    } else {
        atomic_fetch_and(&h->own_irqs, ~IRQ_BIT(S_TIMER));
        if (h->stimecmp >= (uint64_t)INT64_MAX / TICK_NS) {
            timer_del(h->stimer);       /* beyond the end of time */
        } else {
            timer_mod(h->stimer, (int64_t)h->stimecmp * TICK_NS);
        }
    }
}

void irq_set_stimer(Hart *h, uint64_t menvcfg, uint64_t stimecmp)
{
    Machine *m = h->cpu.machine;
    bool lock = h->stimer && !machine_locked(m);

    /* The timer's callback reads both on another thread. */
    if (lock) {
        machine_lock(m);
    }
    h->menvcfg = menvcfg;
    h->stimecmp = stimecmp;
    if (h->stimer) {
        irq_stimer_update_locked(h);
    }
    if (lock) {
        machine_unlock(m);
    }
}

void irq_update_stimer(Hart *h)
{
    irq_set_stimer(h, h->menvcfg, h->stimecmp);
}

static void irq_stimer_cb(void *opaque)
{
    irq_stimer_update_locked(opaque);
}

void irq_stimer_init(Hart *h)
{
    h->stimer = timer_new_ns(h->cpu.machine, QEMU_CLOCK_VIRTUAL, irq_stimer_cb, h);
}
