/*
 * goldfish-rtc.c - Goldfish real-time clock: nanoseconds since 1970, and one alarm.
 *
 * Lobby (hw/rtc), over system/clock.h.  "google,goldfish-rtc" (Android Goldfish, virtual hardware
 * document).  Register map (4-byte accesses):
 *   0x00 TIME_LOW         R: low half, latches the high half   W: sets the low half
 *   0x04 TIME_HIGH        R: the latched half                  W: sets the high half
 *   0x08 ALARM_LOW        R/W low half; a write arms the alarm
 *   0x0c ALARM_HIGH       R/W high half
 *   0x10 IRQ_ENABLED      R/W bit 0
 *   0x14 CLEAR_ALARM      W: disarms
 *   0x18 ALARM_STATUS     R: 1 while armed
 *   0x1c CLEAR_INTERRUPT  W: lowers the interrupt
 *
 * Machine lock held.  The time is a clock of the machine plus tick_offset: the host's (-rtc clock=host)
 * or the virtual one (clock=vm; also with -icount, so that no host time reaches the guest).
 *
 * Migration: section goldfish_rtc v3: tick_offset_vmstate u64 (older senders' offset; sent as 0),
 * alarm_next u64, alarm_running, irq_pending, irq_enabled, time_high u32, tick_offset u64.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "hw/sysbus.h"
#include "migration/vmstate.h"
#include "system/clock.h"
#include "system/machine.h"
#include "trace/hw-rtc.h"

#define REGS_SIZE 0x24

enum {
    RTC_TIME_LOW = 0x00,
    RTC_TIME_HIGH = 0x04,
    RTC_ALARM_LOW = 0x08,
    RTC_ALARM_HIGH = 0x0c,
    RTC_IRQ_ENABLED = 0x10,
    RTC_CLEAR_ALARM = 0x14,
    RTC_ALARM_STATUS = 0x18,
    RTC_CLEAR_INTERRUPT = 0x1c,
};

typedef struct GoldfishRTCState {
    SysBusDevice parent;
    QEMUClockType clock;
    QEMUTimer *timer;
    uint64_t tick_offset;           /* ns: guest's time minus the clock */
    uint64_t tick_offset_vmstate;
    uint64_t alarm_next;            /* ns since 1970, guest's time */
    uint32_t alarm_running, irq_pending, irq_enabled;
    uint32_t time_high;             /* latched by a read of TIME_LOW */
} GoldfishRTCState;

static uint64_t rtc_now(GoldfishRTCState *s)
{
    return qemu_clock_get_ns(s->parent.qdev.machine, s->clock) + s->tick_offset;
}

static void rtc_update_irq(GoldfishRTCState *s)
{
    sysbus_set_irq(&s->parent, s->irq_pending & s->irq_enabled & 1);
}

/* ---- the alarm ---- */

static void rtc_alarm_rings(void *opaque)
{
    GoldfishRTCState *s = opaque;
    s->alarm_running = 0;
    s->irq_pending = 1;
    rtc_update_irq(s);
}

static void rtc_disarm(GoldfishRTCState *s)
{
    timer_del(s->timer);
    s->alarm_running = 0;
}

/* An alarm for a time that has passed rings at once. */
static void rtc_arm(GoldfishRTCState *s)
{
    if (s->alarm_next <= rtc_now(s)) {
        timer_del(s->timer);
        rtc_alarm_rings(s);
        return;
    }
    s->alarm_running = 1;
    uint64_t at = s->alarm_next - s->tick_offset;
    if (at <= INT64_MAX) {
        timer_mod(s->timer, at);
    } else {
        timer_del(s->timer);    /* beyond the end of the host's clock */
    }
}

/* The guest's time, or the meaning of the alarm, has moved. */
static void rtc_set_time(GoldfishRTCState *s, uint64_t now)
{
    s->tick_offset += now - rtc_now(s);
    if (s->alarm_running) {
        rtc_arm(s);
    }
}

/* ---- registers ---- */

static uint64_t with_low(uint64_t v, uint32_t low)
{
    return (v & ~0xffffffffull) | low;
}

static uint64_t with_high(uint64_t v, uint32_t high)
{
    return (v & 0xffffffffull) | (uint64_t)high << 32;
}

static uint64_t rtc_read(void *opaque, hwaddr addr, unsigned size)
{
    GoldfishRTCState *s = opaque;
    uint64_t now;
    uint32_t value = 0;

    switch (addr) {
    case RTC_TIME_LOW:
        now = rtc_now(s);
        s->time_high = now >> 32;
        value = now;
        break;
    case RTC_TIME_HIGH:
        value = s->time_high;
        break;
    case RTC_ALARM_LOW:
        value = s->alarm_next;
        break;
    case RTC_ALARM_HIGH:
        value = s->alarm_next >> 32;
        break;
    case RTC_IRQ_ENABLED:
        value = s->irq_enabled;
        break;
    case RTC_ALARM_STATUS:
        value = s->alarm_running;
        break;
    default:
        trace_goldfish_rtc_bad(addr);
        break;
    }
    trace_goldfish_rtc_read(addr, value);
    return value;
}

static void rtc_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    GoldfishRTCState *s = opaque;

    trace_goldfish_rtc_write(addr, value);
    switch (addr) {
    case RTC_TIME_LOW:
        rtc_set_time(s, with_low(rtc_now(s), value));
        break;
    case RTC_TIME_HIGH:
        rtc_set_time(s, with_high(rtc_now(s), value));
        break;
    case RTC_ALARM_LOW:
        s->alarm_next = with_low(s->alarm_next, value);
        rtc_arm(s);
        break;
    case RTC_ALARM_HIGH:
        s->alarm_next = with_high(s->alarm_next, value);
        break;
    case RTC_IRQ_ENABLED:
        s->irq_enabled = value & 1;
        rtc_update_irq(s);
        break;
    case RTC_CLEAR_ALARM:
        rtc_disarm(s);
        break;
    case RTC_CLEAR_INTERRUPT:
        s->irq_pending = 0;
        rtc_update_irq(s);
        break;
    default:
        trace_goldfish_rtc_bad(addr);
        break;
    }
}

static const MemoryRegionOps rtc_ops = {
    .read = rtc_read,
    .write = rtc_write,
    .min_access = 4,
    .max_access = 4,
};

/* ---- what migrates ---- */

static bool rtc_pre_save(void *opaque, Error **errp)
{
    ((GoldfishRTCState *)opaque)->tick_offset_vmstate = 0;
    return true;
}

static bool rtc_post_load(void *opaque, int version_id, Error **errp)
{
    GoldfishRTCState *s = opaque;
    s->irq_enabled &= 1;
    s->irq_pending &= 1;
    rtc_update_irq(s);
    timer_del(s->timer);
    if (s->alarm_running) {
        rtc_arm(s);
    }
    return true;
}

static const VMStateDescription vmstate_rtc = {
    .name = "goldfish_rtc",
    .version_id = 3,
    .minimum_version_id = 3,
    .pre_save = rtc_pre_save,
    .post_load = rtc_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT64(tick_offset_vmstate, GoldfishRTCState),
        VMSTATE_UINT64(alarm_next, GoldfishRTCState),
        VMSTATE_UINT32(alarm_running, GoldfishRTCState),
        VMSTATE_UINT32(irq_pending, GoldfishRTCState),
        VMSTATE_UINT32(irq_enabled, GoldfishRTCState),
        VMSTATE_UINT32(time_high, GoldfishRTCState),
        VMSTATE_UINT64_V(tick_offset, GoldfishRTCState, 3),
        VMSTATE_END_OF_LIST(),
    },
};

/* ---- realize and reset ---- */

static bool rtc_realize(DeviceState *dev, Error **errp)
{
    GoldfishRTCState *s = (GoldfishRTCState *)dev;
    const MachineConfig *config = dev->machine->config;

    if (!sysbus_map(&s->parent, "goldfish_rtc", 0, REGS_SIZE, &rtc_ops, errp)) {
        return false;
    }
    s->clock = config->rtc_host && !config->icount ? QEMU_CLOCK_HOST : QEMU_CLOCK_VIRTUAL;
    s->tick_offset = config->rtc_base_ns - qemu_clock_get_ns(dev->machine, s->clock);
    s->timer = timer_new_ns(dev->machine, s->clock, rtc_alarm_rings, s);
    return true;
}

static void rtc_unrealize(DeviceState *dev)
{
    GoldfishRTCState *s = (GoldfishRTCState *)dev;
    timer_free(s->timer);
    sysbus_unmap_all(&s->parent);
}

/* The time goes on over a reset, as it does on hardware with a battery. */
static void rtc_reset(DeviceState *dev)
{
    GoldfishRTCState *s = (GoldfishRTCState *)dev;
    rtc_disarm(s);
    s->alarm_next = 0;
    s->irq_pending = s->irq_enabled = 0;
    s->time_high = 0;
    rtc_update_irq(s);
}

const DeviceClass goldfish_rtc_class = {
    .name = "goldfish_rtc",
    .desc = "Goldfish real-time clock",
    .parent = "sys-bus-device",
    .instance_size = sizeof(GoldfishRTCState),
    .realize = rtc_realize,
    .unrealize = rtc_unrealize,
    .reset = rtc_reset,
    .vmsd = &vmstate_rtc,
};
