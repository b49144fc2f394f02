/*
 * event-sink.h - where the machine's asynchronous news goes.
 *
 * Floor F0: a callback that any room may be handed, so that a lower floor can report without knowing
 * the monitors.  The typed senders, qapi_event_send_NAME, are generated (qapi/qapi-events.h).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_UTIL_EVENT_SINK_H
#define GODWIT_UTIL_EVENT_SINK_H

#include <jansson.h>

typedef struct EventSink EventSink;

/*
 * An event's way out.  emit may be called on any thread and must not block; it owns `data` (an
 * object, or NULL for none) from then on.
 */
struct EventSink {
    void (*emit)(EventSink *sink, const char *event, json_t *data);
};

/* Sends one event; a NULL sink swallows it.  Takes over `data`. */
static inline void event_sink_emit(EventSink *sink, const char *event, json_t *data)
{
    if (sink) {
        sink->emit(sink, event, data);
    } else {
        json_decref(data);
    }
}

#endif
