/*
 * serial-vmstate.c - what of the UART migrates.
 *
 * Lobby (hw/char).  Machine lock held, machine stopped.  Owns the section serial v3: divider u16, then
 * rbr, ier, iir, lcr, mcr, lsr, msr, scr and fcr_vmstate, one byte each; then, each only if it says
 * something that a receiver would not assume:
 *   serial/thr_ipending        i32  an unseen "transmitter empty" interrupt that iir does not show
 *   serial/tsr                 u32 tsr_retry, u8 thr, u8 tsr: a byte the host end has not taken
 *   serial/recv_fifo           data[16], u32 head, u32 num
 *   serial/xmit_fifo           the same
 *   serial/fifo_timeout_timer  be64 expiry on the virtual clock, ns
 *   serial/timeout_ipending    i32
 * Everything loaded is checked or masked before it is believed.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "serial-internal.h"

/* What a receiver assumes about the THRE interrupt when the stream does not say. */
static int32_t implied_thr_ipending(const SerialState *s)
{
    return (s->iir & IIR_ID) == IIR_THRI;
}

static bool thr_ipending_needed(void *opaque)
{
    SerialState *s = opaque;
    return (s->ier & IER_THRI) && s->thr_ipending != implied_thr_ipending(s);
}

static bool tsr_needed(void *opaque)
{
    return ((SerialState *)opaque)->tsr_retry != 0;
}

static bool recv_fifo_needed(void *opaque)
{
    return ((SerialState *)opaque)->recv.num != 0;
}

static bool xmit_fifo_needed(void *opaque)
{
    return ((SerialState *)opaque)->xmit.num != 0;
}

static bool fifo_timer_needed(void *opaque)
{
    return timer_pending(((SerialState *)opaque)->fifo_timer);
}

static bool timeout_ipending_needed(void *opaque)
{
    return ((SerialState *)opaque)->timeout_ipending != 0;
}

/*
 * Of the bytes that the host end has not taken yet, a stream holds the oldest as the one on its way,
 * which makes any receiver try to send it; the others stand in the FIFO.
 */
static bool serial_pre_save(void *opaque, Error **errp)
{
    SerialState *s = opaque;
    serial_transmit(s);
    if (s->xmit.num > 0 && !s->tsr_retry) {
        s->tsr = serial_fifo_pop(&s->xmit);
        s->tsr_retry = 1;
        serial_transmit(s);
    }
    s->fcr_vmstate = s->fcr;
    return true;
}

static bool serial_pre_load(void *opaque, Error **errp)
{
    SerialState *s = opaque;
    s->thr_ipending = -1;
    s->timeout_ipending = 0;
    s->tsr_retry = 0;
    serial_fifo_reset(&s->recv);
    serial_fifo_reset(&s->xmit);
    timer_del(s->fifo_timer);
    return true;
}

static bool fifo_check(const Fifo8 *fifo, const char *name, Error **errp)
{
    if (fifo->head >= FIFO_SIZE || fifo->num > FIFO_SIZE) {
        error_setg(errp, "%s: head %u, num %u; a FIFO has %d bytes", name, fifo->head, fifo->num,
                   FIFO_SIZE);
        return false;
    }
    return true;
}

static bool serial_post_load(void *opaque, int version_id, Error **errp)
{
    SerialState *s = opaque;
    if (!fifo_check(&s->recv, "recv_fifo", errp) || !fifo_check(&s->xmit, "xmit_fifo", errp)) {
        return false;
    }
    s->fcr = s->fcr_vmstate & FCR_KEPT;
    s->ier &= IER_MASK;
    s->mcr &= MCR_MASK;
    if (s->thr_ipending < 0) {
        s->thr_ipending = implied_thr_ipending(s);
    }
    s->lsr |= LSR_THRE | LSR_TEMT;
    if (s->xmit.num > 0) {
        s->lsr &= ~(LSR_THRE | LSR_TEMT);
    } else if (s->tsr_retry) {
        s->lsr &= ~LSR_TEMT;
    }
    serial_transmit(s);
    return true;
}

static const VMStateDescription vmstate_fifo8 = {
    .name = "Fifo8",
    .version_id = 1,
    .minimum_version_id = 1,
    .fields = (const VMStateField[]) {
        VMSTATE_BUFFER(data, Fifo8),
        VMSTATE_UINT32(head, Fifo8),
        VMSTATE_UINT32(num, Fifo8),
        VMSTATE_END_OF_LIST(),
    },
};

#define SERIAL_SUBSECTION(_var, _name, _needed, ...) \
    static const VMStateDescription _var = { \
        .name = "serial/" _name, .version_id = 1, .minimum_version_id = 1, .needed = _needed, \
        .fields = (const VMStateField[]) { __VA_ARGS__, VMSTATE_END_OF_LIST() }, \
    }

/* The field is named after the section in a stream's description. */
#define SERIAL_FIFO(_field, _name) { \
    .name = _name, .offset = VMS_CHECKED(SerialState, _field, Fifo8), .size = sizeof(Fifo8), \
    .num = 1, .flags = VMS_STRUCT, .vmsd = &vmstate_fifo8 }
#define SERIAL_TIMER(_field, _name) { \
    .name = _name, .offset = VMS_CHECKED(SerialState, _field, QEMUTimer *), \
    .size = sizeof(QEMUTimer *), .num = 1, .info = &vmstate_info_timer }

SERIAL_SUBSECTION(vmstate_thr_ipending, "thr_ipending", thr_ipending_needed,
                  VMSTATE_INT32(thr_ipending, SerialState));
SERIAL_SUBSECTION(vmstate_tsr, "tsr", tsr_needed, VMSTATE_UINT32(tsr_retry, SerialState),
                  VMSTATE_UINT8(thr, SerialState), VMSTATE_UINT8(tsr, SerialState));
SERIAL_SUBSECTION(vmstate_recv_fifo, "recv_fifo", recv_fifo_needed,
                  SERIAL_FIFO(recv, "recv_fifo"));
SERIAL_SUBSECTION(vmstate_xmit_fifo, "xmit_fifo", xmit_fifo_needed,
                  SERIAL_FIFO(xmit, "xmit_fifo"));
SERIAL_SUBSECTION(vmstate_fifo_timer, "fifo_timeout_timer", fifo_timer_needed,
                  SERIAL_TIMER(fifo_timer, "fifo_timeout_timer"));
SERIAL_SUBSECTION(vmstate_timeout_ipending, "timeout_ipending", timeout_ipending_needed,
                  VMSTATE_INT32(timeout_ipending, SerialState));

static const VMStateDescription vmstate_serial = {
    .name = "serial",
    .version_id = 3,
    .minimum_version_id = 3,
    .pre_save = serial_pre_save,
    .pre_load = serial_pre_load,
    .post_load = serial_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT16(divider, SerialState),
        VMSTATE_UINT8(rbr, SerialState),
        VMSTATE_UINT8(ier, SerialState),
        VMSTATE_UINT8(iir, SerialState),
        VMSTATE_UINT8(lcr, SerialState),
        VMSTATE_UINT8(mcr, SerialState),
        VMSTATE_UINT8(lsr, SerialState),
        VMSTATE_UINT8(msr, SerialState),
        VMSTATE_UINT8(scr, SerialState),
        VMSTATE_UINT8(fcr_vmstate, SerialState),
        VMSTATE_END_OF_LIST(),
    },
    .subsections = (const VMStateDescription *const[]) {
        &vmstate_thr_ipending, &vmstate_tsr, &vmstate_recv_fifo, &vmstate_xmit_fifo,
        &vmstate_fifo_timer, &vmstate_timeout_ipending, NULL,
    },
};

/* The device's section wraps the UART proper in a structure of the same name. */
const VMStateDescription vmstate_serial_mm = {
    .name = "serial",
    .version_id = 3,
    .minimum_version_id = 3,
    .fields = (const VMStateField[]) {
        { .name = "serial", .offset = 0, .size = sizeof(SerialState),
          .num = 1, .flags = VMS_STRUCT, .vmsd = &vmstate_serial },
        VMSTATE_END_OF_LIST(),
    },
};
