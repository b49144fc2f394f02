/*
 * qmp-cmds-balloon.c - the commands of the balloon, and those of its properties that live.
 *
 * Floor F6; below it hw/balloon.h.  Main loop's thread, machine lock held.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "hw/balloon.h"
#include "hw/qdev.h"
#include "monitor/monitor-internal.h"
#include "qapi/qapi-commands.h"

#define POLLING_INTERVAL "guest-stats-polling-interval"
#define GUEST_STATS "guest-stats"

bool qmp_balloon(QmpContext *ctx, const BalloonArgs *args, Error **errp)
{
    /* 0 is what a machine's end of the call refuses, and so is everything below. */
    return balloon_set_target(ctx->machine, MAX(args->value, 0), errp);
}

bool qmp_query_balloon(QmpContext *ctx, BalloonInfo **ret, Error **errp)
{
    uint64_t bytes;
    if (!balloon_get_actual(ctx->machine, &bytes, errp)) {
        return false;
    }
    *ret = g_new0(BalloonInfo, 1);
    (*ret)->actual = (int64_t)bytes;
    return true;
}

bool monitor_balloon_owns(const DeviceState *dev, const char *property)
{
    return strcmp(dev->klass->name, "virtio-balloon-device") == 0 && dev->realized &&
           (strcmp(property, POLLING_INTERVAL) == 0 || strcmp(property, GUEST_STATS) == 0);
}

bool monitor_balloon_set(Machine *m, const char *property, json_t *value, Error **errp)
{
    uint32_t seconds;
    if (strcmp(property, POLLING_INTERVAL) != 0) {
        error_setg(errp, "Property '%s' can only be read", property);
        return false;
    }
    return qapi_unmarshal(&qapi_type_uint32, POLLING_INTERVAL, value, &seconds, errp) &&
           balloon_set_polling_interval(m, seconds, errp);
}

json_t *monitor_balloon_get(Machine *m, const char *property, Error **errp)
{
    uint32_t seconds;
    if (strcmp(property, GUEST_STATS) == 0) {
        return balloon_get_stats(m, errp);
    }
    return balloon_get_polling_interval(m, &seconds, errp) ? json_integer(seconds) : NULL;
}
