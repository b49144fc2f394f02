/*
 * fuzz-board.c - a guest that reads and writes whatever it finds: every register of the whole board.
 *
 * Byte 0, bit 0: modern virtio.  Then operations, the kind in the low three bits of a byte:
 *   0, 1, 2  region8 offset16 value64   store of 1 << bits 3-4 bytes to a device's register
 *   3        region8 offset16           load
 *   4        offset16 value64           store to RAM, where rings and descriptors may lie
 *   5        time32                     virtual time goes on, timers fire
 *   6        physical address64         load anywhere
 *   7                                   the main loop serves what was put off
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "fuzz-machine.h"

#define MAX_REGIONS 64
#define MAX_OPS 2000

typedef struct Regions {
    const MemoryRegion *list[MAX_REGIONS];
    unsigned count;
} Regions;

static void add_region(MemoryRegion *region, void *opaque)
{
    Regions *r = opaque;
    if (region->ops && r->count < MAX_REGIONS) {
        r->list[r->count++] = region;
    }
}

static void access_register(Machine *m, const Regions *r, FuzzBytes *in, unsigned op)
{
    const MemoryRegion *region = r->list[fuzz_take(in, 1) % r->count];
    unsigned size = 1 << (op >> 3 & 3);
    /* Large windows (PCIe, flash) have something at their beginning only. */
    hwaddr addr = (region->base + fuzz_take(in, 2) % region->size) & ~(hwaddr)(size - 1);
    bool store = (op & 7) < 3;
    uint64_t value = store ? fuzz_take(in, 8) : 0;
    address_space_ldst(m, addr, &value, size, store);
}

static void run_op(Machine *m, const Regions *r, FuzzBytes *in, unsigned op)
{
    uint64_t value;
    hwaddr addr;
    switch (op & 7) {
    case 4:
        addr = FUZZ_RAM + fuzz_take(in, 2);
        value = fuzz_take(in, 8);
        address_space_write(m, addr, &value, 8);
        break;
    case 5:
        clocks_icount_warp_to(m->clocks, qemu_clock_get_ns(m, QEMU_CLOCK_VIRTUAL) + fuzz_take(in, 4));
        clocks_run_timers(m->clocks, QEMU_CLOCK_VIRTUAL);
        break;
    case 6:
        addr = fuzz_take(in, 8);
        address_space_ldst(m, addr & ~7ull, &value, 8, false);
        break;
    case 7:
        machine_unlock(m);
        main_loop_iterate(m->loop, false);
        machine_lock(m);
        break;
    default:
        access_register(m, r, in, op);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    FuzzBytes in = { data, size, 0 };
    Machine *m = fuzz_machine_new(1, fuzz_take(&in, 1) & 1);
    Regions regions = { .count = 0 };
    memory_foreach(m, add_region, &regions);
    /* Queues are served only while the machine runs; no vCPU is let go. */
    runstate_set(m, RUN_STATE_RUNNING, NULL);
    for (unsigned i = 0; i < MAX_OPS && fuzz_more(&in); i++) {
        run_op(m, &regions, &in, fuzz_take(&in, 1));
    }
    runstate_set(m, RUN_STATE_PAUSED, NULL);
    fuzz_machine_free(m);
    return 0;
}
