/*
 * serial.c - NS16550A UART: sixteen-byte FIFOs, interrupts, loopback, flow control to the host end.
 *
 * Lobby (hw/char), over chardev/char.h and system/clock.h.  PC16550D data sheet, section 8.
 * Register map (one byte each; DLAB is bit 7 of LCR):
 *   0  R RBR received byte   W THR byte to send    DLAB: divisor, low byte
 *   1  IER interrupt enable                        DLAB: divisor, high byte
 *   2  R IIR what interrupts W FCR FIFO control
 *   3  LCR frame format      4  MCR modem control  5  LSR line status  6  MSR modem status
 *   7  SCR scratch
 *
 * Machine lock held.  Sending takes no time: a byte leaves as soon as the host end accepts it, and
 * waits in the transmit FIFO (or THR) until then, so none is lost and no one blocks; with -icount the
 * host end queues without limit instead, so that its pace does not reach the guest.  Receiving takes
 * as many bytes as there is room for.  The modem inputs never change outside loopback.
 * Invariant: LSR.THRE says that `xmit` is empty, LSR.TEMT that nothing at all waits to be sent, LSR.DR
 * that there is a byte to read.
 *
 * What migrates is in serial-vmstate.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "hw/serial.h"

#include <glib.h>
#include <string.h>

#include "serial-internal.h"
#include "system/machine.h"
#include "trace/hw-char.h"

/* ---- interrupts ---- */

static bool fifos_on(const SerialState *s)
{
    return s->fcr & FCR_ENABLE;
}

static unsigned recv_trigger(const SerialState *s)
{
    static const uint8_t triggers[] = { 1, 4, 8, 14 };
    return triggers[(s->fcr & FCR_TRIGGER) >> 6];
}

/* The highest of the causes that are enabled (data sheet, table IV). */
static uint8_t interrupt_id(const SerialState *s)
{
    if ((s->ier & IER_RLSI) && (s->lsr & LSR_ERRORS)) {
        return IIR_RLSI;
    }
    if ((s->ier & IER_RDI) && s->timeout_ipending) {
        return IIR_TIMEOUT;
    }
    if ((s->ier & IER_RDI) && (s->lsr & LSR_DR) &&
        (!fifos_on(s) || s->recv.num >= recv_trigger(s))) {
        return IIR_RDI;
    }
    if ((s->ier & IER_THRI) && s->thr_ipending) {
        return IIR_THRI;
    }
    if ((s->ier & IER_MSI) && (s->msr & MSR_DELTAS)) {
        return IIR_MSI;
    }
    return IIR_NO_INT;
}

void serial_update_irq(SerialState *s)
{
    uint8_t id = interrupt_id(s);
    s->iir = id | (fifos_on(s) ? IIR_FIFO : 0);
    sysbus_set_irq(&s->parent, id != IIR_NO_INT);
}

/* ---- receiving ---- */

/* The time of four frames: after that bytes below the trigger level interrupt too. */
static int64_t four_frames_ns(const SerialState *s)
{
    unsigned bits = 1 + 5 + (s->lcr & 3) + (s->lcr & LCR_PARITY ? 1 : 0) +
                    (s->lcr & LCR_STOP ? 2 : 1);
    uint64_t divider = s->divider ? s->divider : DIVIDER_AT_RESET;
    return 4 * bits * divider * 16 * NANOSECONDS_PER_SECOND / SERIAL_CLOCK_HZ;
}

static void fifo_timer_restart(SerialState *s)
{
    int64_t now = qemu_clock_get_ns(s->parent.qdev.machine, QEMU_CLOCK_VIRTUAL);
    timer_mod(s->fifo_timer, now + four_frames_ns(s));
}

static void fifo_timer_expired(void *opaque)
{
    SerialState *s = opaque;
    if (s->recv.num > 0) {
        s->timeout_ipending = 1;
        serial_update_irq(s);
    }
}

/* One byte from the wire, or back from the transmitter in loopback. */
static void serial_receive_byte(SerialState *s, uint8_t byte)
{
    if (fifos_on(s)) {
        if (s->recv.num < FIFO_SIZE) {
            serial_fifo_push(&s->recv, byte);
        } else {
            trace_serial_overrun(byte);
            s->lsr |= LSR_OE;
        }
        fifo_timer_restart(s);
    } else {
        if (s->lsr & LSR_DR) {
            trace_serial_overrun(s->rbr);
            s->lsr |= LSR_OE;
        }
        s->rbr = byte;
    }
    s->lsr |= LSR_DR;
}

static size_t serial_can_receive(void *opaque)
{
    SerialState *s = opaque;
    if (s->mcr & MCR_LOOP) {
        return 0;       /* the wire is cut off; the host end waits */
    }
    if (fifos_on(s)) {
        return FIFO_SIZE - s->recv.num;
    }
    return s->lsr & LSR_DR ? 0 : 1;
}

static void serial_receive(void *opaque, const uint8_t *buf, size_t len)
{
    SerialState *s = opaque;
    for (size_t i = 0; i < len; i++) {
        serial_receive_byte(s, buf[i]);
    }
    serial_update_irq(s);
}

static void serial_event(void *opaque, ChardevEvent event)
{
    SerialState *s = opaque;
    if (event == CHR_EVENT_BREAK && !(s->mcr & MCR_LOOP)) {
        serial_receive_byte(s, 0);
        s->lsr |= LSR_BI;
        serial_update_irq(s);
    }
}

static void accept_input(SerialState *s)
{
    if (s->chr && serial_can_receive(s) > 0) {
        char_accept_input(s->chr);
    }
}

static uint8_t read_rbr(SerialState *s)
{
    uint8_t byte = 0;
    if (fifos_on(s)) {
        if (s->recv.num > 0) {
            byte = serial_fifo_pop(&s->recv);
        }
        s->timeout_ipending = 0;
        if (s->recv.num > 0) {
            fifo_timer_restart(s);
        } else {
            timer_del(s->fifo_timer);
            s->lsr &= ~(LSR_DR | LSR_BI);
        }
    } else {
        byte = s->rbr;
        s->lsr &= ~(LSR_DR | LSR_BI);
    }
    serial_update_irq(s);
    accept_input(s);
    return byte;
}

/* ---- sending ---- */

/* Gives the host end what it takes now; true if nothing is left. */
static bool xmit_drain(SerialState *s)
{
    bool icount = s->parent.qdev.machine->config->icount;
    if (s->tsr_retry && s->chr && char_write(s->chr, &s->tsr, 1) == 0) {
        return false;
    }
    s->tsr_retry = 0;
    while (s->xmit.num > 0) {
        const uint8_t *from = &s->xmit.data[s->xmit.head];
        size_t len = MIN(s->xmit.num, FIFO_SIZE - s->xmit.head), taken = len;
        if (s->chr && icount) {
            char_write_all(s->chr, from, len);
        } else if (s->chr) {
            taken = char_write(s->chr, from, len);
        }
        s->xmit.head = (s->xmit.head + taken) % FIFO_SIZE;
        s->xmit.num -= taken;
        if (taken < len) {
            return false;       /* serial_writable() goes on */
        }
    }
    return true;
}

void serial_transmit(SerialState *s)
{
    bool empty = xmit_drain(s);
    if (s->xmit.num == 0 && !(s->lsr & LSR_THRE)) {
        s->lsr |= LSR_THRE;
        s->thr_ipending = 1;
    }
    if (empty) {
        s->lsr |= LSR_TEMT;
    }
    serial_update_irq(s);
}

static void serial_writable(void *opaque)
{
    SerialState *s = opaque;
    if (s->xmit.num > 0 || s->tsr_retry) {
        serial_transmit(s);
    }
}

static void write_thr(SerialState *s, uint8_t byte)
{
    s->thr = byte;
    s->thr_ipending = 0;
    if (s->mcr & MCR_LOOP) {
        serial_receive_byte(s, byte);
        s->thr_ipending = 1;
        serial_update_irq(s);
        return;
    }
    if (s->xmit.num >= (fifos_on(s) ? FIFO_SIZE : 1)) {
        trace_serial_dropped(byte);     /* as on hardware: the guest did not wait for THRE */
    } else {
        serial_fifo_push(&s->xmit, byte);
    }
    s->lsr &= ~(LSR_THRE | LSR_TEMT);
    serial_transmit(s);
}

/* ---- registers ---- */

/* What the modem inputs show: a peer that is always ready, or the outputs in loopback. */
static uint8_t modem_lines(const SerialState *s)
{
    if (!(s->mcr & MCR_LOOP)) {
        return MSR_DCD | MSR_DSR | MSR_CTS;
    }
    return (s->mcr & MCR_DTR ? MSR_DSR : 0) | (s->mcr & MCR_RTS ? MSR_CTS : 0) |
           (s->mcr & MCR_OUT1 ? MSR_RI : 0) | (s->mcr & MCR_OUT2 ? MSR_DCD : 0);
}

static void clear_recv(SerialState *s)
{
    serial_fifo_reset(&s->recv);
    timer_del(s->fifo_timer);
    s->timeout_ipending = 0;
    s->lsr &= ~(LSR_DR | LSR_BI);
}

static void clear_xmit(SerialState *s)
{
    serial_fifo_reset(&s->xmit);
    s->tsr_retry = 0;
    s->lsr |= LSR_THRE | LSR_TEMT;
    s->thr_ipending = 1;
}

static void write_fcr(SerialState *s, uint8_t value)
{
    if ((value ^ s->fcr) & FCR_ENABLE) {
        value |= FCR_CLEAR_RX | FCR_CLEAR_TX;   /* a change of mode empties both */
    }
    s->fcr = value & FCR_ENABLE ? value & FCR_KEPT : 0;
    if (value & FCR_CLEAR_RX) {
        clear_recv(s);
    }
    if (value & FCR_CLEAR_TX) {
        clear_xmit(s);
    }
    serial_update_irq(s);
    accept_input(s);
}

static void write_ier(SerialState *s, uint8_t value)
{
    uint8_t set = value & ~s->ier;
    s->ier = value & IER_MASK;
    if ((set & IER_THRI) && (s->lsr & LSR_THRE)) {
        s->thr_ipending = 1;
    }
    serial_update_irq(s);
}

static uint8_t read_iir(SerialState *s)
{
    uint8_t value = s->iir;
    if ((value & IIR_ID) == IIR_THRI) {
        s->thr_ipending = 0;
        serial_update_irq(s);
    }
    return value;
}

static uint8_t serial_read_reg(SerialState *s, hwaddr addr)
{
    uint8_t value;
    switch (addr) {
    case 0:
        return s->lcr & LCR_DLAB ? s->divider & 0xff : read_rbr(s);
    case 1:
        return s->lcr & LCR_DLAB ? s->divider >> 8 : s->ier;
    case 2:
        return read_iir(s);
    case 3:
        return s->lcr;
    case 4:
        return s->mcr;
    case 5:
        value = s->lsr;
        if (value & LSR_ERRORS) {
            s->lsr &= ~LSR_ERRORS;
            serial_update_irq(s);
        }
        return value;
    case 6:
        value = s->msr;
        if (value & MSR_DELTAS) {
            s->msr &= ~MSR_DELTAS;
            serial_update_irq(s);
        }
        return value;
    default:
        return s->scr;
    }
}

static void serial_write_reg(SerialState *s, hwaddr addr, uint8_t value)
{
    switch (addr) {
    case 0:
        if (s->lcr & LCR_DLAB) {
            s->divider = (s->divider & 0xff00) | value;
        } else {
            write_thr(s, value);
        }
        break;
    case 1:
        if (s->lcr & LCR_DLAB) {
            s->divider = (s->divider & 0xff) | value << 8;
        } else {
            write_ier(s, value);
        }
        break;
    case 2:
        write_fcr(s, value);
        break;
    case 3:
        s->lcr = value;
        break;
    case 4:
        s->mcr = value & MCR_MASK;
        s->msr = (s->msr & MSR_DELTAS) | modem_lines(s);
        accept_input(s);
        break;
    case 7:
        s->scr = value;
        break;
    default:
        break;      /* LSR and MSR are read only */
    }
}

static uint64_t serial_read(void *opaque, hwaddr addr, unsigned size)
{
    uint8_t value = serial_read_reg(opaque, addr);
    trace_serial_read(addr, value);
    return value;
}

/* A wider access is one access to the first of the registers it covers. */
static void serial_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    trace_serial_write(addr, value);
    serial_write_reg(opaque, addr, value);
}

static const MemoryRegionOps serial_ops = {
    .read = serial_read,
    .write = serial_write,
};

/* ---- realize and reset ---- */

static const CharFrontendOps serial_char_ops = {
    .can_receive = serial_can_receive,
    .receive = serial_receive,
    .event = serial_event,
    .writable = serial_writable,
};

bool serial_connect(Machine *m, unsigned index, Chardev *chr, Error **errp)
{
    unsigned n = 0;
    for (DeviceState *dev = qdev_first(m); dev; dev = dev->next) {
        SerialState *s = (SerialState *)dev;
        if (strcmp(dev->klass->name, TYPE_SERIAL_MM) != 0 || n++ != index) {
            continue;
        }
        if (s->chr) {
            error_setg(errp, "serial port %u is connected already", index);
            return false;
        }
        if (!char_attach(chr, dev->qom_path, &serial_char_ops, s, errp)) {
            return false;
        }
        s->chr = chr;
        char_set_frontend_open(chr, true);
        return true;
    }
    error_setg(errp, "there is no serial port %u; this machine has %u", index, n);
    return false;
}

static bool serial_realize(DeviceState *dev, Error **errp)
{
    SerialState *s = (SerialState *)dev;
    if (s->chr && !char_attach(s->chr, dev->qom_path, &serial_char_ops, s, errp)) {
        return false;
    }
    if (!sysbus_map(&s->parent, "serial", 0, REG_COUNT, &serial_ops, errp)) {
        if (s->chr) {
            char_detach(s->chr, s);
        }
        return false;
    }
    s->fifo_timer = timer_new_ns(dev->machine, QEMU_CLOCK_VIRTUAL, fifo_timer_expired, s);
    return true;
}

static void serial_unrealize(DeviceState *dev)
{
    SerialState *s = (SerialState *)dev;
    if (s->chr) {
        char_detach(s->chr, s);
    }
    timer_free(s->fifo_timer);
    sysbus_unmap_all(&s->parent);
}

static void serial_reset(DeviceState *dev)
{
    SerialState *s = (SerialState *)dev;
    s->divider = DIVIDER_AT_RESET;
    s->rbr = s->thr = s->tsr = 0;
    s->ier = s->lcr = s->scr = s->fcr = 0;
    s->mcr = MCR_OUT2;
    s->lsr = LSR_THRE | LSR_TEMT;
    s->msr = modem_lines(s);
    clear_recv(s);
    serial_fifo_reset(&s->xmit);
    s->tsr_retry = 0;
    s->thr_ipending = 0;
    serial_update_irq(s);
    accept_input(s);
}

static const Property serial_props[] = {
    { "chardev", PROP_CHARDEV, offsetof(SerialState, chr), NULL, "host end" },
    { NULL },
};

const DeviceClass serial_mm_class = {
    .name = TYPE_SERIAL_MM,
    .desc = "NS16550A UART",
    .parent = "sys-bus-device",
    .instance_size = sizeof(SerialState),
    .props = serial_props,
    .realize = serial_realize,
    .unrealize = serial_unrealize,
    .reset = serial_reset,
    .vmsd = &vmstate_serial_mm,
};
