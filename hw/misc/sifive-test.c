/*
 * sifive-test.c - the test finisher: one register by which a guest ends or resets its machine.
 *
 * Lobby (hw/misc).  Register map ("sifive,test1" binding; device tree nodes poweroff and reboot):
 *   0x0  write  bits 15:0 0x5555 pass: power off, exit code 0
 *                         0x3333 fail: power off, exit code in bits 31:16
 *                         0x7777 reset
 *               read 0
 * Machine lock held.  No state, so nothing migrates.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "hw/sysbus.h"
#include "system/machine.h"
#include "system/runstate.h"
#include "trace/hw-misc.h"

#define REG_SIZE 0x1000

enum {
    FINISHER_FAIL = 0x3333,
    FINISHER_PASS = 0x5555,
    FINISHER_RESET = 0x7777,
};

typedef struct SiFiveTestState {
    SysBusDevice parent;
} SiFiveTestState;

static uint64_t sifive_test_read(void *opaque, hwaddr addr, unsigned size)
{
    return 0;
}

static void sifive_test_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    SiFiveTestState *s = opaque;
    Machine *m = s->parent.qdev.machine;

    trace_sifive_test_write(addr, value);
    if (addr == 0) {
        switch (value & 0xffff) {
        case FINISHER_FAIL:
            system_shutdown_request(m, SHUTDOWN_CAUSE_GUEST_PANIC, (value >> 16) & 0xffff);
            return;
        case FINISHER_PASS:
            system_shutdown_request(m, SHUTDOWN_CAUSE_GUEST_SHUTDOWN, 0);
            return;
        case FINISHER_RESET:
            system_reset_request(m, SHUTDOWN_CAUSE_GUEST_RESET);
            return;
        }
    }
    trace_sifive_test_bad(addr, value);
}

static const MemoryRegionOps sifive_test_ops = {
    .read = sifive_test_read,
    .write = sifive_test_write,
    .min_access = 2,
    .max_access = 4,
};

static bool sifive_test_realize(DeviceState *dev, Error **errp)
{
    return sysbus_map((SysBusDevice *)dev, "riscv.sifive.test", 0, REG_SIZE, &sifive_test_ops, errp);
}

static void sifive_test_unrealize(DeviceState *dev)
{
    sysbus_unmap_all((SysBusDevice *)dev);
}

const DeviceClass sifive_test_class = {
    .name = "riscv.sifive.test",
    .desc = "SiFive test finisher",
    .parent = "sys-bus-device",
    .instance_size = sizeof(SiFiveTestState),
    .realize = sifive_test_realize,
    .unrealize = sifive_test_unrealize,
};
