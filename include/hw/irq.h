/*
 * irq.h - one interrupt wire between two devices.
 *
 * Lobby.  A wire is a value: whoever drives it keeps a copy.  Machine lock held.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_HW_IRQ_H
#define GODWIT_HW_IRQ_H

#include <stdbool.h>
#include <stddef.h>

typedef struct IRQLine {
    void (*handler)(void *opaque, int n, bool level);
    void *opaque;
    int n;
} IRQLine;

/* Drives the wire high or low; a wire that leads nowhere (handler NULL) is allowed. Lock held. */
static inline void irq_set(const IRQLine *irq, bool level)
{
    if (irq->handler) {
        irq->handler(irq->opaque, irq->n, level);
    }
}

#endif
