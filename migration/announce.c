/*
 * announce.c - tells the network, a few times, where the machine is now.
 *
 * Floor F5; below it the clocks; what an announcement is, the hooks know.  Main thread, machine lock held.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "migration/migration-internal.h"
#include "system/clock.h"

#define NS_PER_MS 1000000

/* The time to the next one: initial, and a step more each time, up to max. ms */
static int64_t next_delay(const MigrationState *s)
{
    int64_t rounds = (int64_t)migration_uint(s->options, "announce-rounds");
    int64_t done = rounds - s->announce_left;
    int64_t ms = (int64_t)migration_uint(s->options, "announce-initial") +
                 MAX(done - 1, 0) * (int64_t)migration_uint(s->options, "announce-step");
    return MIN(ms, (int64_t)migration_uint(s->options, "announce-max"));
}

static void announce_round(void *opaque)
{
    MigrationState *s = opaque;
    if (s->announce_left == 0) {
        return;
    }
    s->announce_left--;
    if (s->hooks) {
        s->hooks->announce(s->machine);
    }
    if (s->announce_left) {
        timer_mod(s->announce_timer, migration_now(s) + next_delay(s) * NS_PER_MS);
    }
}

void migration_announce_self(MigrationState *s)
{
    if (!s->announce_timer) {
        s->announce_timer = timer_new_ns(s->machine, QEMU_CLOCK_REALTIME, announce_round, s);
    }
    s->announce_left = (unsigned)migration_uint(s->options, "announce-rounds");
    announce_round(s);
}

void migration_announce_stop(MigrationState *s)
{
    if (s->announce_timer) {
        timer_free(s->announce_timer);
        s->announce_timer = NULL;
    }
}
