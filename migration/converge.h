/*
 * converge.h - when a machine shall be stopped for the last part: the arithmetic, without a clock or a thread.
 *
 * Floor F5, private to migration/.  Pure functions.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_CONVERGE_H
#define MIGRATION_CONVERGE_H

#include <stdbool.h>
#include <stdint.h>

#define DOWNTIME_UNKNOWN INT64_MAX

/* A sample of fewer bytes tells how far away the destination is rather than the bandwidth. */
#define BANDWIDTH_SAMPLE_BYTES (256u << 10)
/* Samples of about this time are remembered, and no longer than this. */
#define BANDWIDTH_MEMORY_NS 500000000

/*
 * How fast bytes go through, from samples; older ones count less and less, and not at all once there was no
 * sample for a while. Zeroed: nothing is known.
 */
typedef struct BandwidthMeter {
    double bytes, seconds;
    int64_t last_ns;            /* when the sample before had gone through */
} BandwidthMeter;

/*
 * bytes that were put from begin_ns on had gone through at end_ns. What of that time the sample before took
 * is not counted again, so samples may overlap.
 */
void bandwidth_meter_add(BandwidthMeter *meter, uint64_t bytes, int64_t begin_ns, int64_t end_ns);
/* Bytes a second, 0 while nothing is known. */
double bandwidth_meter_get(const BandwidthMeter *meter);

/* bytes at bandwidth (bytes/s), in ns; DOWNTIME_UNKNOWN where bandwidth is no positive number. */
int64_t converge_send_ns(uint64_t bytes, double bandwidth);

/* True if another round for them is worth its while; also where bandwidth is not known. */
bool converge_is_noticeable(uint64_t bytes, double bandwidth);

/* What a stop would consist of. Times in ns; negative ones count as 0. */
typedef struct DowntimeCost {
    uint64_t ram_bytes, device_bytes;
    int64_t ram_ns;             /* what memory takes at least, however fast the channel is */
    double bandwidth;           /* bytes/s; not positive: not known */
    int64_t stop_ns;            /* bringing the machine to rest */
    int64_t save_ns, load_ns;   /* of the devices, here and there */
    int64_t round_trip_ns;      /* of a word to the destination and its answer */
} DowntimeCost;
/* The expected downtime; DOWNTIME_UNKNOWN if the bandwidth is not known. Never negative, never overflows. */
int64_t converge_downtime_ns(const DowntimeCost *cost);

/* What is known when a round has ended and the dirty pages have been counted. */
typedef struct ConvergeRound {
    bool running;               /* the machine runs: stopping it costs something */
    uint64_t pending;           /* bytes that are left now */
    uint64_t previous;          /* bytes that were left when the round began */
    uint64_t dirty_rate;        /* bytes a second that become dirty */
    double bandwidth;           /* of the channel, bytes/s */
    double rate_limit;          /* what may be sent while the machine runs, bytes/s; 0: no limit */
    int64_t downtime_ns;        /* expected */
    int64_t least_ns;           /* the same if the channel were infinitely fast */
    int64_t limit_ns;
    int64_t overrun_ns;         /* what the last stop that was taken back would have taken; 0: there was none */
} ConvergeRound;

/*
 * True if the machine shall be stopped now: the expected downtime is within the limit, and another round would
 * not shorten it by more than such a round is worth.
 */
bool converge_should_switch(const ConvergeRound *round);

/* True if a stop now would, with a margin for what is not known, take longer than it may. */
bool converge_exceeds_limit(const ConvergeRound *round);

/*
 * True if the bandwidth should be measured with bytes sent for nothing else: it is what makes a stop too long, it was
 * last measured sample_age_ns ago, and so little is left that the next round will not measure it either. A guest
 * that has become idle would else wait for ever because the channel was slow once.
 */
bool converge_wants_sample(const ConvergeRound *round, int64_t sample_age_ns);

/*
 * What a stop may take as a whole that has lasted elapsed_ns and for which rest_ns more are expected. If that is
 * beyond the limit, the machine must run again for a while.
 */
int64_t converge_whole_stop_ns(int64_t elapsed_ns, int64_t rest_ns);
/*
 * After a stop that lasted so long and was taken back the machine runs at least this many times as long before the
 * next one: a host on which no stop is short enough costs the guest a tenth of its time, no more.
 */
#define CONVERGE_RUN_PER_STOP 10

/* So many rounds in a row that stall, or stops that are taken back, are no chance. */
#define CONVERGE_STALLS 3
/* True if a stop would exceed the limit and this round has brought it hardly nearer. */
bool converge_round_stalls(const ConvergeRound *round);
/* Why a stalling migration does not end and what helps, for people; the caller frees it with g_free(). */
char *converge_explain(const ConvergeRound *round);

#endif
