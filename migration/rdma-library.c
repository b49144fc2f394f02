/*
 * rdma-library.c - loads libfabric when an rdma: address is first used.
 *
 * Floor F2; below it dlopen(3).  Any thread; the one table is guarded by a lock and never unloaded.
 * It is not linked, because the libraries that Debian's libfabric brings along do things when they are
 * loaded that no program wants at each start: libpsm_infinipath measures the processor's clock for 0.2 s and
 * takes over SIGSEGV, SIGBUS, SIGILL, SIGABRT, SIGINT and SIGTERM.  Looking for providers takes 0.1 s more, and
 * both take seconds beside a busy guest: a thread of its own does it, which is left behind when the attempt is
 * cancelled.
 * Invariant: signals are handled after the load as they were before.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "migration/rdma-library.h"

#include <dlfcn.h>
#include <glib.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "migration/channel-internal.h"
#include "util/thread.h"

#define LIBRARY "libfabric.so.1"

static void *find(void *handle, const char *name, Error **errp)
{
    void *function = dlsym(handle, name);
    if (!function && errp && !*errp) {
        error_setg(errp, LIBRARY " has no function %s", name);
    }
    return function;
}

static bool find_all(void *handle, RdmaLibrary *library, Error **errp)
{
    Error *err = NULL;
    library->getinfo = find(handle, "fi_getinfo", &err);
    library->freeinfo = find(handle, "fi_freeinfo", &err);
    library->dupinfo = find(handle, "fi_dupinfo", &err);
    library->fabric = find(handle, "fi_fabric", &err);
    library->strerror = find(handle, "fi_strerror", &err);
    error_propagate(errp, err);
    return !err;
}

static void *open_library(void)
{
    static const int taken[] = { SIGSEGV, SIGBUS, SIGILL, SIGABRT, SIGINT, SIGTERM };
    struct sigaction before[G_N_ELEMENTS(taken)];
    for (size_t i = 0; i < G_N_ELEMENTS(taken); i++) {
        sigaction(taken[i], NULL, &before[i]);
    }
    void *handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    for (size_t i = 0; i < G_N_ELEMENTS(taken); i++) {
        sigaction(taken[i], &before[i], NULL);
    }
    return handle;
}

/* The process has one dynamic linker: this is no machine's state. */
static struct {
    GMutex lock;
    enum { LIBRARY_NONE, LIBRARY_LOADING, LIBRARY_READY } state;
    int done_fd;                /* readable once a load has ended; from the first load on */
    Error *error;               /* NONE: of the last load */
    RdmaLibrary table;
} library;

/* Lets the library look for its providers, which takes as long again. */
static void find_providers(const RdmaLibrary *table)
{
    struct fi_info *list = NULL;
    if (table->getinfo(FI_VERSION(1, 11), NULL, NULL, 0, NULL, &list) == 0) {
        table->freeinfo(list);
    }
}

static gpointer load_thread(gpointer opaque)
{
    RdmaLibrary table;
    Error *err = NULL;
    uint64_t one = 1;
    void *handle = open_library();
    if (!handle) {
        error_setg(&err, "rdma: libfabric cannot be loaded: %s", dlerror());
    } else if (find_all(handle, &table, &err)) {
        find_providers(&table);
    }
    g_mutex_lock(&library.lock);
    library.state = err ? LIBRARY_NONE : LIBRARY_READY;
    library.error = err;
    if (!err) {
        library.table = table;
    }
    (void)!write(library.done_fd, &one, sizeof(one));
    g_mutex_unlock(&library.lock);
    return NULL;
}

static bool start_load_locked(Error **errp)
{
    uint64_t count;
    if (library.done_fd <= 0) {
        library.done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    } else {
        (void)!read(library.done_fd, &count, sizeof(count));
    }
    if (library.done_fd < 0) {
        error_setg(errp, "no file descriptor is free");
        return false;
    }
    g_clear_pointer(&library.error, error_free);
    GThread *thread = thread_new("libfabric", load_thread, NULL, errp);
    if (!thread) {
        return false;
    }
    library.state = LIBRARY_LOADING;
    g_thread_unref(thread);
    return true;
}

const RdmaLibrary *rdma_library(int cancel_fd, Error **errp)
{
    g_mutex_lock(&library.lock);
    bool ok = library.state != LIBRARY_NONE || start_load_locked(errp);
    while (ok && library.state == LIBRARY_LOADING) {
        g_mutex_unlock(&library.lock);
        ok = migration_wait_fd(library.done_fd, POLLIN, cancel_fd, -1, "loading libfabric", errp);
        g_mutex_lock(&library.lock);
    }
    if (ok && library.state == LIBRARY_NONE) {
        ok = false;
        error_propagate(errp, error_copy(library.error));
    }
    g_mutex_unlock(&library.lock);
    return ok ? &library.table : NULL;
}
