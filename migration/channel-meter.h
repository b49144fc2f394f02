/*
 * channel-meter.h - how fast the channel carries an outgoing migration, and how far away its other end is.
 *
 * Floor F5, private to migration/.  The migration thread's.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_CHANNEL_METER_H
#define MIGRATION_CHANNEL_METER_H

#include "migration/migration-internal.h"

typedef struct ChannelMeter {
    MigrationRun *run;              /* with file and, where there is a way back, rp */
    uint64_t probed_bytes;          /* stream position behind the last probe */
    int64_t probe_begin_ns;         /* when the first byte after it was put; 0: none yet */
    uint32_t probe_id;
    /* Where no PONGs come back: from the time that writes took. */
    BandwidthMeter writes;
    uint64_t written_bytes, written_ns;     /* of the last look */
    int64_t written_sample_ns;              /* when there was last enough to be a sample */
} ChannelMeter;

typedef struct ChannelSpeed {
    double bandwidth;               /* bytes/s; 0: not known */
    int64_t round_trip_ns;          /* 0: not known */
    int64_t sample_age_ns;          /* how long ago that was measured; 0 also where nothing can be done about it */
} ChannelSpeed;

/* The header has been written, with a PING in it. */
void channel_meter_init(ChannelMeter *meter, MigrationRun *run);
/* Bytes are about to be put. */
void channel_meter_begin(ChannelMeter *meter);
/* Bytes behind the last probe. */
uint64_t channel_meter_unprobed(const ChannelMeter *meter);
/* Asks the destination to say when it has got this far; where nothing was put, how far away it is. */
void channel_meter_probe(ChannelMeter *meter);
/* What is known now. */
ChannelSpeed channel_meter_look(ChannelMeter *meter);
/* Puts bytes that mean nothing, enough for a sample, with a probe behind them, and flushes. */
bool channel_meter_fill(ChannelMeter *meter, Error **errp);

#endif
