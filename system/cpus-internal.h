/*
 * cpus-internal.h - the thread that runs vCPUs, as cpus.c, cpus-thread.c and cpus-icount.c share it.
 *
 * Floor F1 (system), private to the three files.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_SYSTEM_CPUS_INTERNAL_H
#define GODWIT_SYSTEM_CPUS_INTERNAL_H

#include <glib.h>

#include "system/cpu.h"
#include "system/machine.h"

#define VCPUS_NO_STOP UINT64_MAX
#define ICOUNT_QUANTUM 10000    /* instructions of a hart's turn with -icount */

/* One host thread and the harts it runs: one of them, or all with -icount. */
typedef struct VCPUThread {
    struct VCPUs *vcpus;
    GThread *thread;
    CPUState **cpus;
    unsigned count;

    GMutex lock;            /* after the machine lock; never held while guest code or work runs */
    GCond wake;             /* the thread sleeps on it */
    GCond changed;          /* others wait on it: left guest code, paused, work done */

    /* Under lock. */
    bool in_guest;          /* guest stores may happen */
    bool flush_stores;      /* to do before guest code runs again */
    bool flush_tlb;
    bool pause;             /* the thread shall rest */
    bool paused;            /* it does */
    bool quit;
    bool busy;              /* somebody runs work for this thread's vCPUs */
    unsigned waiters;       /* threads that sleep on `changed` */
    uint64_t entries;       /* how often guest code was entered */
    GQueue work;            /* VCPUWork, in order */
    gint64 sleep_until;     /* throttle: g_get_monotonic_time() to sleep to; 0: awake */

    /* The thread's own. */
    bool blocked;           /* between cpu_enter_blocked() and cpu_leave_blocked() */
    gint64 ran_us;          /* throttle: guest time since the last sleep */
    CPUState *executing;    /* -icount: hart in exec, read by this thread only */
    uint64_t exec_start;    /* its instret when exec began */
    bool idle;              /* -icount: all harts wait; since when: */
    gint64 idle_host_us;
    int64_t idle_virtual_ns;
    int64_t timers_ran_at;  /* -icount: virtual time at which timers ran last */

    _Atomic uint64_t retired;   /* instructions of all its harts, as of the last return from exec */
} VCPUThread;

struct VCPUs {
    Machine *machine;
    GPtrArray *cpus;        /* CPUState */
    GPtrArray *threads;     /* VCPUThread; empty before vcpus_start_threads() */
    bool icount;
    atomic_uint throttle;   /* percent */
    _Atomic uint64_t stop_at;
    bool stop_pending;      /* stop_at was reached and the main loop has not stopped us; machine lock */
    IcountTurn turn;        /* the icount thread's, or anyone's while it is paused */
};

/* ---- cpus.c, for the thread functions; t->lock held ---- */

/* Marks this thread as running guest code, after the flushes that were asked for. */
void vcpu_thread_enter_guest_locked(VCPUThread *t);
void vcpu_thread_leave_guest_locked(VCPUThread *t);
/* Does queued work and rests while paused. False: the thread shall end. */
bool vcpu_thread_attend_locked(VCPUThread *t);
/* Throttle: notes that guest code ran for us microseconds. */
void vcpu_thread_account_locked(VCPUThread *t, gint64 us);
/* Throttle: sleeps if it is time to, until then or a wake-up. True if it slept. */
bool vcpu_thread_throttle_locked(VCPUThread *t);
/* Names this thread's vCPU for cpu_current(). */
void vcpu_thread_set_current(VCPUThread *t, CPUState *cpu);

/* ---- the thread functions ---- */

gpointer vcpu_thread_run(gpointer opaque);      /* cpus-thread.c */
gpointer vcpu_thread_run_icount(gpointer opaque);   /* cpus-icount.c */

#endif
