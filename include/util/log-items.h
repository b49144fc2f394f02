/*
 * log-items.h - subjects that -d and the monitor's `log` name, and the trace events behind each.
 *
 * Floor F0.  SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_UTIL_LOG_ITEMS_H
#define GODWIT_UTIL_LOG_ITEMS_H

typedef struct LogItem {
    const char *name, *pattern, *help;
} LogItem;

/* Ends with name NULL. */
extern const LogItem log_items[];

/* The pattern of an item, or what follows "trace:"; NULL if there is no such item. */
const char *log_item_pattern(const char *item);

#endif
