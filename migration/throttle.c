/*
 * throttle.c - auto-converge: how much the harts of a machine that dirties memory too fast are slowed down.
 *
 * Floor F5; below it the arithmetic of converge.h.  Pure functions of any thread.
 * Invariant: a migration that gets on slows nobody down: the percentage rises only behind two rounds in a row
 * that left too much and could not be the last, and only when the last rise has had time to show.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "migration/throttle.h"

/* Rounds in a row before the percentage rises. */
#define OUTRUN_ROUNDS 2
/* The harts sleep and run in turns of 10 ms: after ten of those a rise shows in what is dirty. */
#define SETTLE_NS 100000000

/* The guest has dirtied more than the threshold's part of what was sent meanwhile, and that is in the way. */
static bool is_outrun(const ConvergeRound *r, const ThrottleConfig *config)
{
    bool sent = r->previous > 0 && r->previous != UINT64_MAX;
    return r->running && sent && converge_exceeds_limit(r) &&
           (double)r->pending * 100 > (double)r->previous * config->trigger_threshold;
}

static unsigned next_percent(const Throttle *t, const ConvergeRound *r, const ThrottleConfig *config)
{
    unsigned step = t->percent ? config->increment : config->initial;
    if (t->percent && config->tailslow) {
        /* If dirt is in proportion to the time the harts run, so much less of it would do. */
        double running = 100 - t->percent;
        double enough = running * config->trigger_threshold / 100 * (double)r->previous / (double)r->pending;
        unsigned needed = enough < running ? (unsigned)(running - enough) : 0;
        step = needed < step ? (needed ? needed : 1) : step;
    }
    unsigned percent = t->percent + step;
    return percent < config->max ? percent : config->max;
}

bool throttle_update(Throttle *t, const ConvergeRound *round, const ThrottleConfig *config, int64_t now_ns)
{
    t->outrun = is_outrun(round, config) ? t->outrun + 1 : 0;
    if (t->outrun < OUTRUN_ROUNDS || (t->percent && now_ns - t->raised_ns < SETTLE_NS)) {
        return false;
    }
    unsigned percent = next_percent(t, round, config);
    if (percent <= t->percent) {
        return false;
    }
    t->percent = percent;
    t->raised_ns = now_ns;
    t->outrun = 0;
    return true;
}
