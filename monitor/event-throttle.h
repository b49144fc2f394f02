/*
 * event-throttle.h - holds back events that a guest can cause as often as it likes.
 *
 * Floor F6, private to monitor/.  SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_MONITOR_EVENT_THROTTLE_H
#define GODWIT_MONITOR_EVENT_THROTTLE_H

#include <jansson.h>
#include <stdint.h>

typedef struct EventThrottle EventThrottle;

EventThrottle *event_throttle_new(void);
void event_throttle_free(EventThrottle *throttle);

/*
 * An event that happened, at now_us (a monotonic clock).  Takes the reference; returns it if the event is
 * to be sent now, NULL if it waits (an older one that waited is dropped: the last one tells).
 */
json_t *event_throttle_pass(EventThrottle *throttle, json_t *message, int64_t now_us);

/* An event that has waited long enough, or NULL; to be called until NULL.  The caller owns it. */
json_t *event_throttle_due(EventThrottle *throttle, int64_t now_us);

/* When event_throttle_due() will have the next one; -1 if nothing waits. */
int64_t event_throttle_next_us(const EventThrottle *throttle);

#endif
