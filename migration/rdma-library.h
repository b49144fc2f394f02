/*
 * rdma-library.h - the functions of libfabric that are no inline ones, found when they are first needed.
 *
 * Floor F2, private to migration/rdma*.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_RDMA_LIBRARY_H
#define MIGRATION_RDMA_LIBRARY_H

#include <rdma/fabric.h>

#include "util/error.h"

/* As fi_NAME(3). */
typedef struct RdmaLibrary {
    int (*getinfo)(uint32_t version, const char *node, const char *service, uint64_t flags,
                   const struct fi_info *hints, struct fi_info **info);
    void (*freeinfo)(struct fi_info *info);
    struct fi_info *(*dupinfo)(const struct fi_info *info);
    int (*fabric)(struct fi_fabric_attr *attr, struct fid_fabric **fabric, void *context);
    const char *(*strerror)(int errnum);
} RdmaLibrary;

/*
 * NULL with *errp set where the library is not installed, or cancel_fd (-1: none) is readable. The first call waits
 * for 0.3 s at least. Any thread.
 */
const RdmaLibrary *rdma_library(int cancel_fd, Error **errp);

#endif
