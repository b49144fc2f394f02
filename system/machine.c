/*
 * machine.c - the Machine's lock.
 *
 * Floor F1 (system); below it util/.
 * Threads and locks: this file is the lock.
 * Invariant: a vCPU thread that waits for the lock is marked as standing at a boundary, so that nobody
 * who holds the lock can wait for it in vain.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "system/machine.h"

void machine_lock(Machine *m)
{
    main_loop_lock(m->loop);
}

void machine_unlock(Machine *m)
{
    main_loop_unlock(m->loop);
}

bool machine_locked(const Machine *m)
{
    return main_loop_locked(m->loop);
}
