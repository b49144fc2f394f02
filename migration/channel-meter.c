/*
 * channel-meter.c - how fast the channel carries an outgoing migration, and how far away its other end is.
 *
 * Floor F5; below it the stream.  The migration thread alone.
 * A PING behind the data comes back as PONG when the destination has loaded that far, so what is measured is the
 * network and the loading, not what a socket's buffer swallows.
 * Invariant: an estimate that is too low is not kept for ever.  Where nothing is left that could be measured, bytes
 * are sent that mean nothing.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "migration/channel-meter.h"

#include "migration/wire.h"

#define FILL_COMMANDS 5u
#define FILL_BYTES (BANDWIDTH_SAMPLE_BYTES / (FILL_COMMANDS - 1) - 1)     /* a command has 16 bits for its length */

void channel_meter_init(ChannelMeter *meter, MigrationRun *run)
{
    *meter = (ChannelMeter){
        .run = run,
        .probe_id = 1,                  /* the header's own PING */
        .probed_bytes = qemu_ftell(run->file),
    };
}

void channel_meter_begin(ChannelMeter *meter)
{
    if (!meter->probe_begin_ns) {
        meter->probe_begin_ns = migration_now(meter->run->s);
    }
}

uint64_t channel_meter_unprobed(const ChannelMeter *meter)
{
    return qemu_ftell(meter->run->file) - meter->probed_bytes;
}

void channel_meter_probe(ChannelMeter *meter)
{
    MigrationRun *run = meter->run;
    uint64_t bytes = channel_meter_unprobed(meter);
    if (!run->rp) {
        return;
    }
    if (bytes == 0) {
        meter->probe_begin_ns = migration_now(run->s);
    }
    uint32_t id = meter->probe_id + 1;
    const uint8_t wire[4] = { (uint8_t)(id >> 24), (uint8_t)(id >> 16), (uint8_t)(id >> 8), (uint8_t)id };
    if (!return_path_expect(run->rp, id, bytes, meter->probe_begin_ns)) {
        return;
    }
    meter->probe_id = id;
    savevm_send_command(run->file, MIG_CMD_PING, wire, sizeof(wire));
    meter->probed_bytes = qemu_ftell(run->file);
    meter->probe_begin_ns = 0;
}

/* No way back: the time that writes take is all that can be known. */
static void look_at_writes(ChannelMeter *meter)
{
    int64_t now = migration_now(meter->run->s);
    uint64_t bytes = qemu_file_get_transferred(meter->run->file) - meter->written_bytes;
    uint64_t end_ns = qemu_file_send_time_ns(meter->run->file);
    if (bytes >= BANDWIDTH_SAMPLE_BYTES) {
        if (now - meter->written_sample_ns > BANDWIDTH_MEMORY_NS) {
            /* The meter knows the time spent writing only, and would remember this long one for minutes. */
            meter->writes = (BandwidthMeter){ .last_ns = meter->writes.last_ns };
        }
        meter->written_sample_ns = now;
    }
    bandwidth_meter_add(&meter->writes, bytes, (int64_t)meter->written_ns, (int64_t)end_ns);
    meter->written_bytes += bytes;
    meter->written_ns = end_ns;
}

ChannelSpeed channel_meter_look(ChannelMeter *meter)
{
    MigrationRun *run = meter->run;
    ChannelSpeed speed = { 0 };
    uint64_t told = migration_uint(run->s->options, "avail-switchover-bandwidth");
    if (run->rp) {
        ReturnPathSpeed back = return_path_speed(run->rp);
        speed.bandwidth = back.bandwidth;
        speed.round_trip_ns = back.round_trip_ns;
        /* As long as nothing has come back, or that has not, more bytes tell nothing more. */
        if (run->save.handover && !told && !back.awaited && back.round_trip_ns) {
            speed.sample_age_ns = migration_now(run->s) - back.sampled_ns;
        }
    } else {
        look_at_writes(meter);
        speed.bandwidth = bandwidth_meter_get(&meter->writes);
        speed.sample_age_ns = told ? 0 : migration_now(run->s) - meter->written_sample_ns;
    }
    if (told) {
        speed.bandwidth = (double)told;
    }
    return speed;
}

/* Between two Godwits. Not to be compressed by a tunnel: xorshift, 32 bits. */
static void fill_with_commands(QEMUFile *f)
{
    uint8_t data[FILL_BYTES];
    uint32_t random = (uint32_t)qemu_ftell(f) | 1;
    for (size_t i = 0; i < sizeof(data); i++) {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        data[i] = (uint8_t)random;
    }
    for (unsigned i = 0; i < FILL_COMMANDS; i++) {
        savevm_send_command(f, MIG_CMD_GODWIT_FILL, data, sizeof(data));
    }
}

bool channel_meter_fill(ChannelMeter *meter, Error **errp)
{
    MigrationRun *run = meter->run;
    uint64_t before = qemu_ftell(run->file);
    channel_meter_begin(meter);
    if (run->save.handover) {
        fill_with_commands(run->file);
    }
    /* A stream that anybody may read: sections in which nothing stands. */
    while (qemu_ftell(run->file) - before < BANDWIDTH_SAMPLE_BYTES) {
        if (!savevm_state_idle(run->file, run->s->machine, errp)) {
            return false;
        }
    }
    channel_meter_probe(meter);
    return qemu_fflush(run->file);
}
