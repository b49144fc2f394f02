/*
 * balloon.h - asking a guest to give memory back: what monitors see of the balloon device.
 *
 * Lobby. Machine lock held. Without a balloon device every function fails with class DeviceNotActive.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_HW_BALLOON_H
#define GODWIT_HW_BALLOON_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "util/error.h"

typedef struct Machine Machine;

/* Asks the guest to shrink to, or grow to, so many bytes of RAM (more than it has: all of it). */
bool balloon_set_target(Machine *m, uint64_t bytes, Error **errp);
/* Bytes of RAM that the guest has now. Event BALLOON_CHANGE tells of each change. */
bool balloon_get_actual(Machine *m, uint64_t *bytes, Error **errp);
/* Seconds between two queries of the guest's statistics; 0: none (property guest-stats-polling-interval). */
bool balloon_set_polling_interval(Machine *m, uint32_t seconds, Error **errp);
bool balloon_get_polling_interval(Machine *m, uint32_t *seconds, Error **errp);
/* {"stats": {"stat-free-memory": bytes, …}, "last-update": seconds}: a new reference (guest-stats). */
json_t *balloon_get_stats(Machine *m, Error **errp);
/* While set, pages that the guest gives up stay where they are (a move that fetches pages on demand). */
void balloon_inhibit(Machine *m, bool on);

#endif
