/*
 * converge.c - when a machine shall be stopped for the last part of a migration.
 *
 * Floor F5; GLib alone is below it.  Pure functions of any thread.
 * Invariant: no division by zero, no NaN and no number out of an integer's range comes out, whatever goes in.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "migration/converge.h"

#include <glib.h>
#include <math.h>

#define NS_PER_SECOND 1e9
#define METER_WINDOW (BANDWIDTH_MEMORY_NS / NS_PER_SECOND)
/* RAM that is sent in this time is not worth another round. */
#define SMALL_ENOUGH_NS 2000000
/* A round that leaves more than this part of what there was before has not got on. */
#define BARELY_SHRINKS 0.75
/* How much later than expected a stop may end before the limit is exceeded: one part in so many. */
#define MARGIN_PART 4
/* What a round takes besides sending: counting dirty pages, waking the other side. */
#define ROUND_OVERHEAD_SECONDS 0.002

/* The doubles that are below 2^63 by enough to be cast. */
static int64_t to_ns(double ns)
{
    if (!(ns > 0)) {
        return isnan(ns) ? DOWNTIME_UNKNOWN : 0;
    }
    return ns < 9.2e18 ? (int64_t)ns : DOWNTIME_UNKNOWN;
}

/* ---- bandwidth ---- */

void bandwidth_meter_add(BandwidthMeter *meter, uint64_t bytes, int64_t begin_ns, int64_t end_ns)
{
    int64_t last = meter->last_ns;
    int64_t begin = begin_ns > last ? begin_ns : last;
    if (end_ns > meter->last_ns) {
        meter->last_ns = end_ns;
    }
    /* Less than a microsecond is a clock that stood still or went back, not a measurement. */
    if (end_ns <= begin || end_ns - begin < 1000 || bytes == 0) {
        return;
    }
    double seconds = (double)(end_ns - begin) / NS_PER_SECOND;
    if (begin - last > BANDWIDTH_MEMORY_NS) {
        meter->bytes = meter->seconds = 0;
    }
    if (meter->seconds + seconds > METER_WINDOW && meter->seconds > 0) {
        double keep = seconds < METER_WINDOW ? (METER_WINDOW - seconds) / meter->seconds : 0;
        meter->bytes *= keep < 1 ? keep : 1;
        meter->seconds *= keep < 1 ? keep : 1;
    }
    meter->bytes += (double)bytes;
    meter->seconds += seconds;
}

double bandwidth_meter_get(const BandwidthMeter *meter)
{
    return meter->seconds > 0 ? meter->bytes / meter->seconds : 0;
}

/* ---- downtime ---- */

int64_t converge_send_ns(uint64_t bytes, double bandwidth)
{
    if (bytes == 0) {
        return 0;
    }
    return bandwidth > 0 ? to_ns((double)bytes / bandwidth * NS_PER_SECOND) : DOWNTIME_UNKNOWN;
}

bool converge_is_noticeable(uint64_t bytes, double bandwidth)
{
    return converge_send_ns(bytes, bandwidth) > SMALL_ENOUGH_NS;
}

static int64_t add_ns(int64_t a, int64_t b)
{
    int64_t sum;
    return b <= 0 ? a : __builtin_add_overflow(a, b, &sum) ? DOWNTIME_UNKNOWN : sum;
}

int64_t converge_downtime_ns(const DowntimeCost *cost)
{
    int64_t ns = MAX(converge_send_ns(cost->ram_bytes, cost->bandwidth), cost->ram_ns);
    ns = add_ns(ns, converge_send_ns(cost->device_bytes, cost->bandwidth));
    ns = add_ns(ns, cost->stop_ns);
    ns = add_ns(ns, cost->save_ns);
    ns = add_ns(ns, cost->load_ns);
    return add_ns(ns, cost->round_trip_ns);
}

/* ---- the decision ---- */

/* What would be left after another round, if pages go on becoming dirty as they do. */
static double expected_next(const ConvergeRound *r)
{
    double rate = r->rate_limit > 0 && r->rate_limit < r->bandwidth ? r->rate_limit : r->bandwidth;
    return (double)r->dirty_rate * ((double)r->pending / rate + ROUND_OVERHEAD_SECONDS);
}

/* What may be meant by an expected time. */
static int64_t worst_ns(int64_t expected_ns)
{
    return add_ns(expected_ns, expected_ns / MARGIN_PART);
}

bool converge_exceeds_limit(const ConvergeRound *r)
{
    return worst_ns(r->downtime_ns) > r->limit_ns;
}

bool converge_should_switch(const ConvergeRound *r)
{
    if (!r->running) {
        return true;
    }
    if (converge_exceeds_limit(r)) {
        return false;
    }
    if (!converge_is_noticeable(r->pending, r->bandwidth)) {
        return true;
    }
    return (double)r->pending > (double)r->previous * BARELY_SHRINKS ||
           expected_next(r) > (double)r->pending * BARELY_SHRINKS;
}

bool converge_wants_sample(const ConvergeRound *r, int64_t sample_age_ns)
{
    return r->running && converge_exceeds_limit(r) && worst_ns(r->least_ns) <= r->limit_ns &&
           r->pending < BANDWIDTH_SAMPLE_BYTES && sample_age_ns > BANDWIDTH_MEMORY_NS;
}

int64_t converge_whole_stop_ns(int64_t elapsed_ns, int64_t rest_ns)
{
    return add_ns(worst_ns(rest_ns), elapsed_ns);
}

/* ---- no end in sight ---- */

bool converge_round_stalls(const ConvergeRound *r)
{
    return r->running && converge_exceeds_limit(r) &&
           (double)r->pending > (double)r->previous * BARELY_SHRINKS;
}

char *converge_explain(const ConvergeRound *r)
{
    const double mib = 1024 * 1024;
    bool capped = r->rate_limit > 0 && r->rate_limit < r->bandwidth;
    double rate = capped ? r->rate_limit : r->bandwidth;
    if (!converge_exceeds_limit(r) && r->overrun_ns) {
        return g_strdup_printf("does not converge: a stop, once begun, might have taken %.0f ms and was taken "
                               "back, each time; downtime-limit is %.0f ms: raise it, or let the host do less",
                               (double)r->overrun_ns / 1e6, (double)r->limit_ns / 1e6);
    }
    int64_t worst = worst_ns(r->downtime_ns);
    g_autofree char *stop = worst == DOWNTIME_UNKNOWN ?
        g_strdup("an unknown time") : g_strdup_printf("%.0f ms", (double)worst / 1e6);
    return g_strdup_printf("does not converge: the guest dirties %.1f MiB/s of memory and %.1f MiB/s can be sent "
                           "(%s); a stop now may take %s, downtime-limit is %.0f ms: raise %sdowntime-limit, "
                           "or let the guest do less", (double)r->dirty_rate / mib, rate / mib,
                           capped ? "max-bandwidth" : "the channel's speed", stop, (double)r->limit_ns / 1e6,
                           capped ? "max-bandwidth or " : "");
}
