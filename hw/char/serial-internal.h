/*
 * serial-internal.h - the UART's registers and state, for serial.c and serial-vmstate.c.
 *
 * Lobby (hw/char), private to the two files.  Machine lock held.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_HW_CHAR_SERIAL_INTERNAL_H
#define GODWIT_HW_CHAR_SERIAL_INTERNAL_H

#include <string.h>

#include "chardev/char.h"
#include "hw/sysbus.h"
#include "migration/vmstate.h"
#include "system/clock.h"

enum { IER_RDI = 1, IER_THRI = 2, IER_RLSI = 4, IER_MSI = 8, IER_MASK = 0xf };
enum {
    IIR_NO_INT = 1, IIR_MSI = 0, IIR_THRI = 2, IIR_RDI = 4, IIR_RLSI = 6, IIR_TIMEOUT = 0xc,
    IIR_ID = 0xf, IIR_FIFO = 0xc0,
};
enum { FCR_ENABLE = 1, FCR_CLEAR_RX = 2, FCR_CLEAR_TX = 4, FCR_TRIGGER = 0xc0, FCR_KEPT = 0xc9 };
enum { LCR_DLAB = 0x80, LCR_PARITY = 8, LCR_STOP = 4 };
enum { MCR_DTR = 1, MCR_RTS = 2, MCR_OUT1 = 4, MCR_OUT2 = 8, MCR_LOOP = 0x10, MCR_MASK = 0x1f };
enum {
    LSR_DR = 1, LSR_OE = 2, LSR_PE = 4, LSR_FE = 8, LSR_BI = 0x10, LSR_THRE = 0x20,
    LSR_TEMT = 0x40, LSR_ERRORS = LSR_OE | LSR_PE | LSR_FE | LSR_BI,
};
enum { MSR_DELTAS = 0xf, MSR_CTS = 0x10, MSR_DSR = 0x20, MSR_RI = 0x40, MSR_DCD = 0x80 };

#define FIFO_SIZE 16
#define REG_COUNT 8
#define DIVIDER_AT_RESET 12

/* ---- a FIFO of bytes; push needs room, pop needs a byte ---- */

typedef struct Fifo8 {
    uint8_t data[FIFO_SIZE];
    uint32_t head;              /* index of the oldest byte */
    uint32_t num;
} Fifo8;

static inline void serial_fifo_push(Fifo8 *fifo, uint8_t byte)
{
    fifo->data[(fifo->head + fifo->num++) % FIFO_SIZE] = byte;
}

static inline uint8_t serial_fifo_pop(Fifo8 *fifo)
{
    uint8_t byte = fifo->data[fifo->head];
    fifo->head = (fifo->head + 1) % FIFO_SIZE;
    fifo->num--;
    return byte;
}

static inline void serial_fifo_reset(Fifo8 *fifo)
{
    memset(fifo, 0, sizeof(*fifo));
}

typedef struct SerialState {
    SysBusDevice parent;
    Chardev *chr;               /* NULL: nobody at the other end */
    uint16_t divider;
    uint8_t rbr;                /* received byte, FIFOs off */
    uint8_t thr, tsr;           /* last byte written; the byte on its way, see tsr_retry */
    uint8_t ier, iir, lcr, mcr, lsr, msr, scr, fcr;
    uint8_t fcr_vmstate;
    int32_t thr_ipending;       /* THR became empty, not yet seen by the guest */
    int32_t timeout_ipending;   /* bytes lay in the FIFO for four frames */
    uint32_t tsr_retry;         /* tsr holds a byte that the host end has not taken yet */
    Fifo8 recv, xmit;           /* xmit holds at most one byte while FIFOs are off */
    QEMUTimer *fifo_timer;
} SerialState;

/* Sends what the host end takes now, and brings LSR and the interrupt in line. */
void serial_transmit(SerialState *s);
/* Brings IIR and the interrupt output in line with the other registers. */
void serial_update_irq(SerialState *s);

/* The section "serial" of a SerialState. */
extern const VMStateDescription vmstate_serial_mm;

#endif
