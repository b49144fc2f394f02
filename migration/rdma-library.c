/*
 * rdma-library.c - loads libfabric when an rdma: address is first used.
 *
 * Floor F2; below it dlopen(3).  Any thread; `lock` guards the one table, which is never unloaded.
 * It is not linked, because the libraries that Debian's libfabric brings along do things when they are
 * loaded that no program wants at each start: libpsm_infinipath measures the processor's clock for 0.2 s and
 * takes over SIGSEGV, SIGBUS, SIGILL, SIGABRT, SIGINT and SIGTERM.
 * Invariant: signals are handled after the load as they were before.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "migration/rdma-library.h"

#include <dlfcn.h>
#include <glib.h>
#include <signal.h>

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

const RdmaLibrary *rdma_library(Error **errp)
{
    /* The process has one dynamic linker: this is no machine's state. */
    static GMutex lock;
    static RdmaLibrary library;
    static bool loaded;
    g_mutex_lock(&lock);
    if (!loaded) {
        void *handle = open_library();
        if (handle) {
            loaded = find_all(handle, &library, errp);
        } else {
            error_setg(errp, "rdma: libfabric cannot be loaded: %s", dlerror());
        }
    }
    bool ok = loaded;
    g_mutex_unlock(&lock);
    return ok ? &library : NULL;
}
