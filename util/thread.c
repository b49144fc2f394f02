/*
 * thread.c - a thread, or the reason why there is none.
 *
 * Floor F0, over GLib. No state.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/thread.h"

GThread *thread_new(const char *name, GThreadFunc func, void *opaque, Error **errp)
{
    g_autoptr(GError) why = NULL;
    GThread *thread = g_thread_try_new(name, func, opaque, &why);
    if (!thread) {
        error_setg(errp, "cannot start the thread '%s': %s", name, why->message);
    }
    return thread;
}
