/*
 * throttle.h - auto-converge: how much the harts of a machine that dirties memory too fast are slowed down.
 *
 * Floor F5, private to migration/.  Pure functions.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_THROTTLE_H
#define MIGRATION_THROTTLE_H

#include <stdbool.h>
#include <stdint.h>

#include "migration/converge.h"

/* The parameters of the same names; percent. */
typedef struct ThrottleConfig {
    unsigned trigger_threshold, initial, increment, max;
    bool tailslow;
} ThrottleConfig;

/* Zeroed at the start of a run. */
typedef struct Throttle {
    unsigned percent;           /* 0 … 99: the share of their time that the harts sleep */
    unsigned outrun;            /* rounds in a row in which the guest was too fast */
    int64_t raised_ns;          /* when percent was raised last */
} Throttle;

/*
 * A round has ended at now_ns. True if percent is another one now. It only ever rises: what slowed the guest
 * down enough is needed to the end of the run.
 */
bool throttle_update(Throttle *t, const ConvergeRound *round, const ThrottleConfig *config, int64_t now_ns);

#endif
