/*
 * clock-state.c - the section "timer": virtual time, and with -icount whose turn it is.
 *
 * Floor F3; below it the machine's clocks and vCPUs.  Machine stopped, lock held.
 * Wire format: be64 ticks offset (kept as it came: no device here counts host ticks), 8 unused bytes, be64
 * virtual time in ns; subsection "timer/godwit-icount" (only with -icount): be32 index of the hart whose
 * turn it is, be64 instructions left of it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "migration/savevm-internal.h"
#include "system/clock.h"
#include "system/cpu.h"
#include "system/machine.h"

typedef struct ClockState {
    Machine *machine;
    int64_t cpu_ticks_offset;
    int64_t cpu_clock_offset;
    uint32_t turn_cpu;
    uint64_t turn_left;
} ClockState;

static bool clock_pre_save(void *opaque, Error **errp)
{
    ClockState *s = opaque;
    s->cpu_clock_offset = qemu_clock_get_ns(s->machine, QEMU_CLOCK_VIRTUAL);
    return true;
}

static bool clock_post_load(void *opaque, int version_id, Error **errp)
{
    ClockState *s = opaque;
    if (s->cpu_clock_offset < 0) {
        error_setg(errp, "virtual time is %" G_GINT64_FORMAT " ns; it cannot be negative",
                   s->cpu_clock_offset);
        return false;
    }
    clocks_set_virtual_ns(s->machine->clocks, s->cpu_clock_offset);
    return true;
}

static bool icount_needed(void *opaque)
{
    return ((ClockState *)opaque)->machine->config->icount;
}

static bool icount_pre_save(void *opaque, Error **errp)
{
    ClockState *s = opaque;
    IcountTurn turn;
    vcpus_get_icount_turn(s->machine, &turn);
    s->turn_cpu = turn.cpu_index;
    s->turn_left = turn.left;
    return true;
}

static bool icount_post_load(void *opaque, int version_id, Error **errp)
{
    ClockState *s = opaque;
    IcountTurn turn = { .cpu_index = s->turn_cpu, .left = s->turn_left };
    if (!s->machine->config->icount) {
        error_setg(errp, "the sender runs with -icount, this machine does not: start it with the same -icount");
        return false;
    }
    if (!vcpus_set_icount_turn(s->machine, &turn)) {
        error_setg(errp, "it is the turn of hart %u with %" G_GUINT64_FORMAT " instructions left, which this "
                   "machine cannot take up", s->turn_cpu, s->turn_left);
        return false;
    }
    return true;
}

static const VMStateDescription vmstate_icount = {
    .name = "timer/godwit-icount", .version_id = 1, .minimum_version_id = 1, .needed = icount_needed,
    .pre_save = icount_pre_save, .post_load = icount_post_load,
    .fields = (const VMStateField[]){
        VMSTATE_UINT32(turn_cpu, ClockState),
        VMSTATE_UINT64(turn_left, ClockState),
        VMSTATE_END_OF_LIST(),
    },
};

static const VMStateDescription vmstate_timer = {
    .name = "timer", .version_id = 2, .minimum_version_id = 2,
    .pre_save = clock_pre_save, .post_load = clock_post_load,
    .fields = (const VMStateField[]){
        VMSTATE_INT64(cpu_ticks_offset, ClockState),
        VMSTATE_UNUSED(8),
        VMSTATE_INT64(cpu_clock_offset, ClockState),
        VMSTATE_END_OF_LIST(),
    },
    .subsections = (const VMStateDescription *const[]){ &vmstate_icount, NULL },
};

void clock_state_register(Machine *m)
{
    ClockState *s = g_new0(ClockState, 1);
    s->machine = m;
    m->savevm->clock_state = s;
    /* The first entry of an empty registry: nothing can be in its way. */
    vmstate_register(m, NULL, 0, &vmstate_timer, s, NULL);
}

void clock_state_unregister(struct SaveVM *savevm)
{
    g_free(savevm->clock_state);
}
