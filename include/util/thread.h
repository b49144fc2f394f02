/*
 * thread.h - a thread, or the reason why there is none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_UTIL_THREAD_H
#define GODWIT_UTIL_THREAD_H

#include <glib.h>

#include "util/error.h"

/*
 * As g_thread_new(), which ends the program where the host has no memory for a stack or allows no more threads.
 * NULL: an error. The caller joins or unrefs it. Any thread.
 */
GThread *thread_new(const char *name, GThreadFunc func, void *opaque, Error **errp);

#endif
