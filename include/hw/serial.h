/*
 * serial.h - the board's UART and the host end of it.
 *
 * Lobby (hw/char).  Machine lock held.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_HW_SERIAL_H
#define GODWIT_HW_SERIAL_H

#include <stdbool.h>

#include "util/error.h"

typedef struct Machine Machine;
typedef struct Chardev Chardev;

/* Type name, for sysbus_new(). */
#define TYPE_SERIAL_MM "serial-mm"
#define SERIAL_CLOCK_HZ 3686400

/*
 * Connects chr to the machine's UART number index (from 0, in order of addresses), for -serial.
 * Before or after machine_done(). Fails if there is no such UART, it is connected already, or chr
 * is taken. A UART that is never connected loses its output and hears nothing.
 */
bool serial_connect(Machine *m, unsigned index, Chardev *chr, Error **errp);

#endif
