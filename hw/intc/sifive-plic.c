/*
 * sifive-plic.c - the platform-level interrupt controller: 96 sources, 8 priorities, M and S contexts.
 *
 * Lobby (hw/intc), over target/riscv.h.  RISC-V PLIC specification 1.0.0; context 2 * hart is the
 * hart's M mode, 2 * hart + 1 its S mode.  Register map (4-byte accesses):
 *   0x0 + 4 * source             priority 0 (never) … 7
 *   0x1000 + 4 * word            pending, read only, one bit a source
 *   0x2000 + 0x80 * context      enable, one bit a source
 *   0x200000 + 0x1000 * context  threshold 0 … 7
 *   0x200004 + 0x1000 * context  read: claim; write: complete
 *
 * Machine lock held.  Gateways are level-triggered: a request that became pending stays so until it
 * is claimed, even if the wire falls (PLIC specification, chapter 5); a wire that is still high when
 * its handler completes makes a new request.
 *
 * Migration: section riscv_sifive_plic v1: source_priority[96], target_priority[contexts], pending[3],
 * claimed[3], enable[3 * contexts], all u32.  Wire levels do not migrate: the devices drive them
 * again when their own sections are loaded.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <glib.h>
#include <string.h>

#include "hw/intc.h"
#include "hw/sysbus.h"
#include "migration/vmstate.h"
#include "system/machine.h"
#include "target/riscv.h"
#include "trace/hw-intc.h"

#define PRIORITY_BASE 0x0
#define PENDING_BASE 0x1000
#define ENABLE_BASE 0x2000
#define ENABLE_STRIDE 0x80
#define CONTEXT_BASE 0x200000
#define CONTEXT_STRIDE 0x1000

#define PRIORITY_MASK 7
#define WORDS (SIFIVE_PLIC_SOURCES / 32)

typedef struct SiFivePLICState {
    SysBusDevice parent;
    uint32_t num_contexts;      /* 2 a hart */
    uint32_t num_enables;       /* WORDS * num_contexts */
    uint32_t source_priority[SIFIVE_PLIC_SOURCES];
    uint32_t *target_priority;  /* num_contexts */
    uint32_t pending[WORDS];
    uint32_t claimed[WORDS];    /* handed to a hart and not completed */
    uint32_t *enable;           /* num_enables; WORDS a context */
    uint32_t level[WORDS];      /* the wires, as the devices drive them */
} SiFivePLICState;

/* ---- requests ---- */

/* The highest priority among the context's requests and its source number (lowest wins); 0: none. */
static unsigned best_request(const SiFivePLICState *s, unsigned context, uint32_t *priority)
{
    unsigned best = 0;
    *priority = 0;
    for (unsigned word = 0; word < WORDS; word++) {
        uint32_t bits = s->pending[word] & ~s->claimed[word] & s->enable[context * WORDS + word];
        while (bits) {
            unsigned source = word * 32 + __builtin_ctz(bits);
            bits &= bits - 1;
            if (s->source_priority[source] > *priority) {
                *priority = s->source_priority[source];
                best = source;
            }
        }
    }
    return best;
}

static void plic_update(SiFivePLICState *s)
{
    for (unsigned context = 0; context < s->num_contexts; context++) {
        uint32_t priority;
        best_request(s, context, &priority);
        riscv_cpu_set_irq(cpu_get(s->parent.qdev.machine, context / 2),
                          context % 2 ? RISCV_IRQ_S_EXT : RISCV_IRQ_M_EXT,
                          priority > s->target_priority[context]);
    }
}

/* The gateway of a source: a high wire that is not being served becomes a request. */
static bool gateway_forward(SiFivePLICState *s, unsigned source)
{
    uint32_t bit = 1u << (source % 32);
    unsigned word = source / 32;
    if (!(s->level[word] & bit) || (s->claimed[word] & bit) || (s->pending[word] & bit)) {
        return false;
    }
    s->pending[word] |= bit;
    return true;
}

static void plic_input(void *opaque, int source, bool level)
{
    SiFivePLICState *s = opaque;
    uint32_t bit = 1u << (source % 32);

    if (!!(s->level[source / 32] & bit) == level) {
        return;
    }
    trace_sifive_plic_input(source, level);
    s->level[source / 32] ^= bit;
    if (gateway_forward(s, source)) {
        plic_update(s);
    }
}

IRQLine sifive_plic_source(DeviceState *plic, unsigned source)
{
    if (source == 0 || source >= SIFIVE_PLIC_SOURCES) {
        return (IRQLine){ NULL };
    }
    return (IRQLine){ .handler = plic_input, .opaque = plic, .n = source };
}

/* The threshold masks notification, not claims (PLIC specification, chapter 7). */
static uint32_t plic_claim(SiFivePLICState *s, unsigned context)
{
    uint32_t priority;
    unsigned source = best_request(s, context, &priority);
    trace_sifive_plic_claim(context, source);
    if (source) {
        s->pending[source / 32] &= ~(1u << (source % 32));
        s->claimed[source / 32] |= 1u << (source % 32);
        plic_update(s);
    }
    return source;
}

/* A completion of a source that the context has not enabled is ignored (chapter 8). */
static void plic_complete(SiFivePLICState *s, unsigned context, uint32_t source)
{
    trace_sifive_plic_complete(context, source);
    if (source >= SIFIVE_PLIC_SOURCES ||
        !(s->enable[context * WORDS + source / 32] & 1u << (source % 32))) {
        return;
    }
    s->claimed[source / 32] &= ~(1u << (source % 32));
    gateway_forward(s, source);
    plic_update(s);
}

/* ---- registers ---- */

/* Splits an address of the per-context part; false if it is none of the two registers. */
static bool context_decode(const SiFivePLICState *s, hwaddr addr, unsigned *context, bool *claim)
{
    *context = (addr - CONTEXT_BASE) / CONTEXT_STRIDE;
    *claim = (addr & (CONTEXT_STRIDE - 1)) == 4;
    return *context < s->num_contexts && (addr & (CONTEXT_STRIDE - 1)) <= 4;
}

/* The index into enable[], or -1. */
static int enable_index(const SiFivePLICState *s, hwaddr addr)
{
    unsigned context = (addr - ENABLE_BASE) / ENABLE_STRIDE;
    unsigned word = (addr - ENABLE_BASE) % ENABLE_STRIDE / 4;
    return context < s->num_contexts && word < WORDS ? (int)(context * WORDS + word) : -1;
}

static uint64_t plic_read(void *opaque, hwaddr addr, unsigned size)
{
    SiFivePLICState *s = opaque;
    unsigned context;
    bool claim;

    if (addr >= CONTEXT_BASE) {
        if (context_decode(s, addr, &context, &claim)) {
            return claim ? plic_claim(s, context) : s->target_priority[context];
        }
    } else if (addr >= ENABLE_BASE) {
        int i = enable_index(s, addr);
        if (i >= 0) {
            return s->enable[i];
        }
    } else if (addr >= PENDING_BASE) {
        if ((addr - PENDING_BASE) / 4 < WORDS) {
            return s->pending[(addr - PENDING_BASE) / 4];
        }
    } else if (addr / 4 < SIFIVE_PLIC_SOURCES) {
        return s->source_priority[addr / 4];
    }
    trace_sifive_plic_bad_read(addr);
    return 0;
}

/* Stores a register; false if there is none to write at addr. */
static bool plic_store(SiFivePLICState *s, hwaddr addr, uint32_t value)
{
    if (addr >= ENABLE_BASE) {
        int i = enable_index(s, addr);
        if (i < 0) {
            return false;
        }
        s->enable[i] = i % WORDS == 0 ? value & ~1u : value;    /* source 0 does not exist */
        return true;
    }
    unsigned source = addr / 4;
    if (source == 0 || source >= SIFIVE_PLIC_SOURCES) {
        return false;
    }
    s->source_priority[source] = value & PRIORITY_MASK;
    return true;
}

static void plic_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    SiFivePLICState *s = opaque;
    unsigned context;
    bool claim;

    if (addr >= CONTEXT_BASE) {
        if (context_decode(s, addr, &context, &claim)) {
            if (claim) {
                plic_complete(s, context, value);
            } else {
                s->target_priority[context] = value & PRIORITY_MASK;
                plic_update(s);
            }
            return;
        }
    } else if (plic_store(s, addr, value)) {
        plic_update(s);
        return;
    }
    trace_sifive_plic_bad_write(addr, value);
}

static const MemoryRegionOps plic_ops = {
    .read = plic_read,
    .write = plic_write,
    .min_access = 4,
    .max_access = 4,
};

/* ---- what migrates ---- */

/* Priorities steer no index, but a value out of range would never be masked by a threshold. */
static bool plic_post_load(void *opaque, int version_id, Error **errp)
{
    SiFivePLICState *s = opaque;
    for (unsigned i = 0; i < SIFIVE_PLIC_SOURCES; i++) {
        if (s->source_priority[i] > PRIORITY_MASK) {
            error_setg(errp, "priority %u of source %u is above %u", s->source_priority[i], i,
                       PRIORITY_MASK);
            return false;
        }
    }
    for (unsigned i = 0; i < s->num_contexts; i++) {
        if (s->target_priority[i] > PRIORITY_MASK) {
            error_setg(errp, "threshold %u of context %u is above %u", s->target_priority[i], i,
                       PRIORITY_MASK);
            return false;
        }
    }
    s->pending[0] &= ~1u;
    s->claimed[0] &= ~1u;
    plic_update(s);
    return true;
}

static const VMStateDescription vmstate_plic = {
    .name = "riscv_sifive_plic",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = plic_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT32_ARRAY(source_priority, SiFivePLICState, SIFIVE_PLIC_SOURCES),
        VMSTATE_VARRAY_UINT32(target_priority, SiFivePLICState, num_contexts,
                              SIFIVE_PLIC_MAX_CONTEXTS, vmstate_info_uint32, uint32_t),
        VMSTATE_UINT32_ARRAY(pending, SiFivePLICState, WORDS),
        VMSTATE_UINT32_ARRAY(claimed, SiFivePLICState, WORDS),
        VMSTATE_VARRAY_UINT32(enable, SiFivePLICState, num_enables,
                              WORDS * SIFIVE_PLIC_MAX_CONTEXTS, vmstate_info_uint32, uint32_t),
        VMSTATE_END_OF_LIST(),
    },
};

/* ---- realize and reset ---- */

static bool plic_realize(DeviceState *dev, Error **errp)
{
    SiFivePLICState *s = (SiFivePLICState *)dev;
    s->num_contexts = 2 * cpu_count(dev->machine);
    if (s->num_contexts == 0 || s->num_contexts > SIFIVE_PLIC_MAX_CONTEXTS) {
        error_setg(errp, "the PLIC serves 1 to %u harts, not %u", ACLINT_MAX_HARTS,
                   s->num_contexts / 2);
        return false;
    }
    s->num_enables = WORDS * s->num_contexts;
    if (!sysbus_map(&s->parent, TYPE_SIFIVE_PLIC, 0, SIFIVE_PLIC_SIZE, &plic_ops, errp)) {
        return false;
    }
    s->target_priority = g_new0(uint32_t, s->num_contexts);
    s->enable = g_new0(uint32_t, s->num_enables);
    return true;
}

static void plic_unrealize(DeviceState *dev)
{
    SiFivePLICState *s = (SiFivePLICState *)dev;
    sysbus_unmap_all(&s->parent);
    g_free(s->target_priority);
    g_free(s->enable);
}

/* Every device lowers its wire in its own reset, so each counts as low from here on. */
static void plic_reset(DeviceState *dev)
{
    SiFivePLICState *s = (SiFivePLICState *)dev;
    memset(s->source_priority, 0, sizeof(s->source_priority));
    memset(s->target_priority, 0, s->num_contexts * sizeof(uint32_t));
    memset(s->enable, 0, s->num_enables * sizeof(uint32_t));
    memset(s->claimed, 0, sizeof(s->claimed));
    memset(s->pending, 0, sizeof(s->pending));
    memset(s->level, 0, sizeof(s->level));
    plic_update(s);
}

const DeviceClass sifive_plic_class = {
    .name = TYPE_SIFIVE_PLIC,
    .desc = "SiFive platform-level interrupt controller",
    .parent = "sys-bus-device",
    .instance_size = sizeof(SiFivePLICState),
    .realize = plic_realize,
    .unrealize = plic_unrealize,
    .reset = plic_reset,
    .vmsd = &vmstate_plic,
};
