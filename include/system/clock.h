/*
 * clock.h - the three clocks of a machine and the timers on them.
 *
 * Floor F1 (system).  QEMU_CLOCK_VIRTUAL stops while the machine is stopped and is what guest time is
 * made of; with -icount it is (retired instructions << shift) + idle warps and never looks at the host.
 * QEMU_CLOCK_REALTIME is the host's monotonic clock.  QEMU_CLOCK_HOST is the host's wall clock (with
 * -icount: the RTC base plus virtual time, so that no host time reaches the guest).
 *
 * Timer callbacks run with the machine lock held: on the main loop's thread, and with -icount on the
 * vCPU thread at the exact instruction at which they are due.  Getting a clock needs no lock;
 * everything else needs the machine lock.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_SYSTEM_CLOCK_H
#define GODWIT_SYSTEM_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define NANOSECONDS_PER_SECOND 1000000000LL
#define TIMER_NEVER UINT64_MAX  /* expiry of a timer that is not armed, as it stands in a stream */

typedef struct Machine Machine;
typedef struct QEMUTimer QEMUTimer;

typedef enum QEMUClockType {
    QEMU_CLOCK_REALTIME,
    QEMU_CLOCK_VIRTUAL,
    QEMU_CLOCK_HOST,
    QEMU_CLOCK_MAX,
} QEMUClockType;

typedef void QEMUTimerCB(void *opaque);

/* Nanoseconds on that clock. Any thread, no lock. */
int64_t qemu_clock_get_ns(Machine *m, QEMUClockType type);

/* A timer, not armed. Freed by timer_free(), which disarms it. */
QEMUTimer *timer_new_ns(Machine *m, QEMUClockType type, QEMUTimerCB *cb, void *opaque);
void timer_free(QEMUTimer *timer);
/* Arms the timer for an absolute time in ns (a time that has passed: as soon as possible). */
void timer_mod(QEMUTimer *timer, int64_t expire_ns);
void timer_del(QEMUTimer *timer);
bool timer_pending(const QEMUTimer *timer);
/* The absolute expiry, or TIMER_NEVER. */
uint64_t timer_expire_time_ns(const QEMUTimer *timer);

/* For system/ and migration: */
struct Clocks *clocks_new(Machine *m);
void clocks_free(struct Clocks *clocks);
/* The virtual clock runs or stands still; called by the runstate code only. Lock held. */
void clocks_enable_virtual(struct Clocks *clocks, bool on);
/* Sets virtual time, for a machine that arrives. The clock must stand still. Lock held. */
void clocks_set_virtual_ns(struct Clocks *clocks, int64_t ns);
/* Next expiry among the virtual clock's timers, absolute ns, or INT64_MAX. Any thread. */
int64_t clocks_virtual_deadline_ns(struct Clocks *clocks);
/* Runs every timer of that clock which is due. Lock held. True if one ran. */
bool clocks_run_timers(struct Clocks *clocks, QEMUClockType type);

/* The expiry time of the next timer of any kind that the main loop serves, ns from now; -1: none. */
int64_t clocks_poll_deadline_ns(struct Clocks *clocks);

/* -icount: the vCPU thread moves virtual time itself. Lock not needed; one thread only. */
void clocks_icount_advance(struct Clocks *clocks, uint64_t insns);
/* -icount, all harts idle: virtual time jumps forward to ns. */
void clocks_icount_warp_to(struct Clocks *clocks, int64_t ns);

#endif
