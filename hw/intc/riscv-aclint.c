/*
 * riscv-aclint.c - ACLINT: machine software interrupts (SWI) and the machine timer (MTIMER).
 *
 * Lobby (hw/intc), over target/riscv.h (the harts' inputs) and system/clock.h.  RISC-V ACLINT
 * specification 1.0, chapters 2 and 3, laid out so that both together look like a SiFive CLINT.
 *
 * Register map of the SWI (4-byte accesses):
 *   0x0 + 4 * hart      msip      bit 0: M-mode software interrupt of the hart
 * Register map of the MTIMER (4- and 8-byte accesses):
 *   0x0 + 8 * hart      mtimecmp  the hart's M-mode timer interrupt is pending while mtime >= this
 *   0x7ff8              mtime     ticks of RISCV_TIMEBASE_FREQ
 *
 * Machine lock held; timers run on the virtual clock, so they stop with the machine.
 * Invariant: for each hart either its input is high and its timer is off, or the input is low and
 * the timer is armed for the tick at which it goes high (or that tick lies beyond the clock's end).
 *
 * Migration: section riscv_mtimer v1, array timecmp of u64, one a hart.  A board whose mtime was
 * written adds the subsection riscv_mtimer/time_delta (u64 ticks).  msip stands in the harts' mip.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <glib.h>

#include "hw/intc.h"
#include "hw/sysbus.h"
#include "migration/vmstate.h"
#include "system/clock.h"
#include "system/machine.h"
#include "target/riscv.h"
#include "trace/hw-intc.h"

/* ---- software interrupts ---- */

typedef struct AclintSwiState {
    SysBusDevice parent;
    uint32_t num_harts;
    bool *msip;
} AclintSwiState;

static uint64_t swi_read(void *opaque, hwaddr addr, unsigned size)
{
    AclintSwiState *s = opaque;
    if (addr / 4 < s->num_harts) {
        return s->msip[addr / 4];
    }
    trace_aclint_bad_read("swi", addr, size);
    return 0;
}

static void swi_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    AclintSwiState *s = opaque;
    if (addr / 4 < s->num_harts) {
        s->msip[addr / 4] = value & 1;
        riscv_cpu_set_irq(cpu_get(s->parent.qdev.machine, addr / 4), RISCV_IRQ_M_SOFT, value & 1);
    } else {
        trace_aclint_bad_write("swi", addr, value);
    }
}

static const MemoryRegionOps swi_ops = {
    .read = swi_read,
    .write = swi_write,
    .min_access = 4,
    .max_access = 4,
};

static bool aclint_check_harts(DeviceState *dev, uint32_t num_harts, Error **errp)
{
    unsigned present = cpu_count(dev->machine);
    if (num_harts == 0 || num_harts > present || num_harts > ACLINT_MAX_HARTS) {
        error_setg(errp, "Property '%s.num-harts' is %u; expected 1 to %u", dev->klass->name,
                   num_harts, MIN(present, ACLINT_MAX_HARTS));
        return false;
    }
    return true;
}

static bool swi_realize(DeviceState *dev, Error **errp)
{
    AclintSwiState *s = (AclintSwiState *)dev;
    if (!aclint_check_harts(dev, s->num_harts, errp) ||
        !sysbus_map(&s->parent, TYPE_ACLINT_SWI, 0, ACLINT_SWI_SIZE, &swi_ops, errp)) {
        return false;
    }
    s->msip = g_new0(bool, s->num_harts);
    return true;
}

static void swi_unrealize(DeviceState *dev)
{
    AclintSwiState *s = (AclintSwiState *)dev;
    sysbus_unmap_all(&s->parent);
    g_free(s->msip);
}

static void swi_reset(DeviceState *dev)
{
    AclintSwiState *s = (AclintSwiState *)dev;
    for (unsigned i = 0; i < s->num_harts; i++) {
        swi_write(s, 4 * i, 0, 4);
    }
}

static const Property swi_props[] = {
    { "num-harts", PROP_UINT32, offsetof(AclintSwiState, num_harts), "1", "harts served" },
    { NULL },
};

const DeviceClass aclint_swi_class = {
    .name = TYPE_ACLINT_SWI,
    .desc = "RISC-V ACLINT software interrupts",
    .parent = "sys-bus-device",
    .instance_size = sizeof(AclintSwiState),
    .props = swi_props,
    .realize = swi_realize,
    .unrealize = swi_unrealize,
    .reset = swi_reset,
};

/* ---- the timer ---- */

#define MTIME 0x7ff8
#define NS_PER_TICK (NANOSECONDS_PER_SECOND / RISCV_TIMEBASE_FREQ)

typedef struct AclintMtimerState AclintMtimerState;

/* What a hart's timer callback needs. */
typedef struct MtimerHart {
    AclintMtimerState *s;
    unsigned hart;
    QEMUTimer *timer;
} MtimerHart;

struct AclintMtimerState {
    SysBusDevice parent;
    uint32_t num_harts;
    uint64_t *timecmp;          /* num_harts */
    uint64_t time_delta;        /* mtime minus the virtual clock's ticks */
    MtimerHart *harts;
};

static uint64_t mtimer_now(AclintMtimerState *s)
{
    return riscv_time_now(s->parent.qdev.machine) + s->time_delta;
}

/* Brings the hart's input and timer in line with mtimecmp. */
static void mtimer_update(AclintMtimerState *s, unsigned hart)
{
    Machine *m = s->parent.qdev.machine;
    uint64_t now = mtimer_now(s), timecmp = s->timecmp[hart];

    trace_aclint_timecmp(hart, timecmp, now);
    riscv_cpu_set_irq(cpu_get(m, hart), RISCV_IRQ_M_TIMER, now >= timecmp);
    uint64_t at = timecmp - s->time_delta;      /* in ticks of the virtual clock */
    if (now >= timecmp || at > INT64_MAX / NS_PER_TICK) {
        timer_del(s->harts[hart].timer);
    } else {
        timer_mod(s->harts[hart].timer, (int64_t)at * NS_PER_TICK);
    }
}

static void mtimer_expired(void *opaque)
{
    MtimerHart *h = opaque;
    mtimer_update(h->s, h->hart);
}

/* A 64-bit register seen through an access of 4 or 8 bytes. */
static uint64_t extract(uint64_t reg, hwaddr addr, unsigned size)
{
    return size == 8 ? reg : (uint32_t)(reg >> (addr & 4 ? 32 : 0));
}

static uint64_t deposit(uint64_t reg, hwaddr addr, uint64_t value, unsigned size)
{
    if (size == 8) {
        return value;
    }
    unsigned shift = addr & 4 ? 32 : 0;
    return (reg & ~(0xffffffffull << shift)) | (uint64_t)(uint32_t)value << shift;
}

static uint64_t mtimer_read(void *opaque, hwaddr addr, unsigned size)
{
    AclintMtimerState *s = opaque;
    if (addr / 8 < s->num_harts) {
        return extract(s->timecmp[addr / 8], addr, size);
    }
    if ((addr & ~7ull) == MTIME) {
        return extract(mtimer_now(s), addr, size);
    }
    trace_aclint_bad_read("mtimer", addr, size);
    return 0;
}

static void mtimer_update_all(AclintMtimerState *s)
{
    for (unsigned i = 0; i < s->num_harts; i++) {
        mtimer_update(s, i);
    }
}

static void mtimer_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    AclintMtimerState *s = opaque;
    if (addr / 8 < s->num_harts) {
        s->timecmp[addr / 8] = deposit(s->timecmp[addr / 8], addr, value, size);
        mtimer_update(s, addr / 8);
    } else if ((addr & ~7ull) == MTIME) {
        s->time_delta += deposit(mtimer_now(s), addr, value, size) - mtimer_now(s);
        mtimer_update_all(s);
    } else {
        trace_aclint_bad_write("mtimer", addr, value);
    }
}

static const MemoryRegionOps mtimer_ops = {
    .read = mtimer_read,
    .write = mtimer_write,
    .min_access = 4,
    .max_access = 8,
};

/* ---- what migrates ---- */

static bool mtimer_delta_needed(void *opaque)
{
    return ((AclintMtimerState *)opaque)->time_delta != 0;
}

static bool mtimer_pre_load(void *opaque, Error **errp)
{
    ((AclintMtimerState *)opaque)->time_delta = 0;
    return true;
}

/* The stream has no timers: whoever sent it, each is armed from mtimecmp, or it would never fire. */
static bool mtimer_post_load(void *opaque, int version_id, Error **errp)
{
    mtimer_update_all(opaque);
    return true;
}

static const VMStateDescription vmstate_mtimer_delta = {
    .name = "riscv_mtimer/time_delta",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = mtimer_delta_needed,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT64(time_delta, AclintMtimerState),
        VMSTATE_END_OF_LIST(),
    },
};

static const VMStateDescription vmstate_mtimer = {
    .name = "riscv_mtimer",
    .version_id = 1,
    .minimum_version_id = 1,
    .pre_load = mtimer_pre_load,
    .post_load = mtimer_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_VARRAY_UINT32(timecmp, AclintMtimerState, num_harts, ACLINT_MAX_HARTS,
                              vmstate_info_uint64, uint64_t),
        VMSTATE_END_OF_LIST(),
    },
    .subsections = (const VMStateDescription *const[]) { &vmstate_mtimer_delta, NULL },
};

/* ---- realize and reset ---- */

static bool mtimer_realize(DeviceState *dev, Error **errp)
{
    AclintMtimerState *s = (AclintMtimerState *)dev;
    if (!aclint_check_harts(dev, s->num_harts, errp) ||
        !sysbus_map(&s->parent, TYPE_ACLINT_MTIMER, 0, ACLINT_MTIMER_SIZE, &mtimer_ops, errp)) {
        return false;
    }
    s->timecmp = g_new0(uint64_t, s->num_harts);
    s->harts = g_new0(MtimerHart, s->num_harts);
    for (unsigned i = 0; i < s->num_harts; i++) {
        s->harts[i].s = s;
        s->harts[i].hart = i;
        s->harts[i].timer = timer_new_ns(dev->machine, QEMU_CLOCK_VIRTUAL, mtimer_expired,
                                         &s->harts[i]);
    }
    return true;
}

static void mtimer_unrealize(DeviceState *dev)
{
    AclintMtimerState *s = (AclintMtimerState *)dev;
    for (unsigned i = 0; i < s->num_harts; i++) {
        timer_free(s->harts[i].timer);
    }
    sysbus_unmap_all(&s->parent);
    g_free(s->harts);
    g_free(s->timecmp);
}

/* mtime goes on counting; mtimecmp 0 makes the interrupt pending, as the peer's machine has it. */
static void mtimer_reset(DeviceState *dev)
{
    AclintMtimerState *s = (AclintMtimerState *)dev;
    for (unsigned i = 0; i < s->num_harts; i++) {
        s->timecmp[i] = 0;
        mtimer_update(s, i);
    }
}

static const Property mtimer_props[] = {
    { "num-harts", PROP_UINT32, offsetof(AclintMtimerState, num_harts), "1", "harts served" },
    { NULL },
};

const DeviceClass aclint_mtimer_class = {
    .name = TYPE_ACLINT_MTIMER,
    .desc = "RISC-V ACLINT machine timer",
    .parent = "sys-bus-device",
    .instance_size = sizeof(AclintMtimerState),
    .props = mtimer_props,
    .realize = mtimer_realize,
    .unrealize = mtimer_unrealize,
    .reset = mtimer_reset,
    .vmsd = &vmstate_mtimer,
};
