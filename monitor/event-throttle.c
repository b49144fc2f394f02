/*
 * event-throttle.c - holds back events that a guest can cause as often as it likes.
 *
 * Floor F6; below it jansson and GLib.  Main loop's thread; no locks.
 * Invariant: of one kind of event (name, and the device that it is about) one is sent a second at most,
 * and the last one that happened is always sent: clients see the newest state, at the latest a second
 * later, and a guest cannot fill the queue of a client that reads slowly.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "monitor/event-throttle.h"

#include <glib.h>
#include <string.h>

#define PERIOD_US G_USEC_PER_SEC

/*
 * The events that are held back; `about` is the member that tells sources apart, or NULL. One whose action
 * is to stop the machine goes out at once: a guest that stands causes no more of them.
 */
static const struct {
    const char *event;
    const char *about;
} throttled[] = {
    { "BALLOON_CHANGE", NULL },
    { "BLOCK_IO_ERROR", "node-name" },
    { "VSERPORT_CHANGE", "id" },
};

/* One kind that was sent less than a period ago. */
typedef struct Kind {
    char *key;
    int64_t until_us;
    json_t *waiting;    /* NULL: none */
} Kind;

struct EventThrottle {
    GPtrArray *kinds;   /* of Kind, oldest first: each waits equally long */
};

static void kind_free(gpointer data)
{
    Kind *kind = data;
    json_decref(kind->waiting);
    g_free(kind->key);
    g_free(kind);
}

EventThrottle *event_throttle_new(void)
{
    EventThrottle *throttle = g_new0(EventThrottle, 1);
    throttle->kinds = g_ptr_array_new_with_free_func(kind_free);
    return throttle;
}

void event_throttle_free(EventThrottle *throttle)
{
    g_ptr_array_unref(throttle->kinds);
    g_free(throttle);
}

/* What the event is counted as; NULL if it is not held back. */
static char *kind_of(const json_t *message)
{
    const char *event = json_string_value(json_object_get(message, "event"));
    for (size_t i = 0; event && i < G_N_ELEMENTS(throttled); i++) {
        if (strcmp(event, throttled[i].event) == 0) {
            const json_t *data = json_object_get(message, "data");
            const char *action = json_string_value(json_object_get(data, "action"));
            if (action && strcmp(action, "stop") == 0) {
                return NULL;
            }
            const char *about = throttled[i].about
                                    ? json_string_value(json_object_get(data, throttled[i].about)) : NULL;
            return g_strconcat(event, " ", about, NULL);
        }
    }
    return NULL;
}

static Kind *find_kind(EventThrottle *throttle, const char *key)
{
    for (guint i = 0; i < throttle->kinds->len; i++) {
        Kind *kind = g_ptr_array_index(throttle->kinds, i);
        if (strcmp(kind->key, key) == 0) {
            return kind;
        }
    }
    return NULL;
}

static void add_kind(EventThrottle *throttle, const char *key, int64_t now_us)
{
    Kind *kind = g_new0(Kind, 1);
    kind->key = g_strdup(key);
    kind->until_us = now_us + PERIOD_US;
    g_ptr_array_add(throttle->kinds, kind);
}

/* Kinds whose period has passed and for which nothing waits are forgotten. */
static void forget_quiet_kinds(EventThrottle *throttle, int64_t now_us)
{
    for (guint i = throttle->kinds->len; i-- > 0;) {
        Kind *kind = g_ptr_array_index(throttle->kinds, i);
        if (!kind->waiting && kind->until_us <= now_us) {
            g_ptr_array_remove_index(throttle->kinds, i);
        }
    }
}

json_t *event_throttle_pass(EventThrottle *throttle, json_t *message, int64_t now_us)
{
    g_autofree char *key = kind_of(message);
    if (!key) {
        return message;
    }
    forget_quiet_kinds(throttle, now_us);
    Kind *kind = find_kind(throttle, key);
    if (!kind) {
        add_kind(throttle, key, now_us);
        return message;
    }
    json_decref(kind->waiting);
    kind->waiting = message;
    return NULL;
}

json_t *event_throttle_due(EventThrottle *throttle, int64_t now_us)
{
    for (guint i = 0; i < throttle->kinds->len; i++) {
        Kind *kind = g_ptr_array_index(throttle->kinds, i);
        if (!kind->waiting || kind->until_us > now_us) {
            continue;
        }
        json_t *message = kind->waiting;
        kind->waiting = NULL;
        add_kind(throttle, kind->key, now_us);
        g_ptr_array_remove_index(throttle->kinds, i);
        return message;
    }
    return NULL;
}

int64_t event_throttle_next_us(const EventThrottle *throttle)
{
    for (guint i = 0; i < throttle->kinds->len; i++) {
        const Kind *kind = g_ptr_array_index(throttle->kinds, i);
        if (kind->waiting) {
            return kind->until_us;
        }
    }
    return -1;
}
