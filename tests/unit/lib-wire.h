/*
 * lib-wire.h - a wire between two sockets, with a thread that passes bytes on and a fault at a chosen one.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_TESTS_LIB_WIRE_H
#define GODWIT_TESTS_LIB_WIRE_H

#include <glib.h>
#include <stdint.h>

typedef struct Wire Wire;

typedef enum WireFault {
    WIRE_CUT,           /* both directions end for good */
    WIRE_HANG,          /* this direction passes nothing more; it ends when one side hangs up */
    WIRE_FLIP,          /* some bits of that byte are turned over; ends when nothing moves any more after it */
    WIRE_DRIBBLE,       /* no fault: one byte at a time */
    WIRE_GATE,          /* no fault: both directions wait there for wire_open() */
} WireFault;

/* The fault comes behind so many bytes in a direction; forward is from first to second. UINT64_MAX: never. */
Wire *wire_new_faulty(WireFault fault, uint64_t forward, uint64_t backward, uint8_t bits);
/* One that is cut. */
Wire *wire_new(uint64_t cut_forward, uint64_t cut_backward);
/* The two ends, which the caller gives away. */
int wire_first(Wire *w);
int wire_second(Wire *w);
/* Waits until the fault has come, or the wire has ended without it. */
void wire_wait_fault(Wire *w);
void wire_open(Wire *w);
/* Waits for its end; the bytes that went through. Both sides have closed their ends, or it was cut. */
void wire_end(Wire *w, uint64_t *forward, uint64_t *backward);

#endif
