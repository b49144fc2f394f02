/*
 * rdma-off.c - remote memory access as a transport, in a program that is built without it.
 *
 * Floor F2.  No state.  Its name stays in the table, so that an address says "not built in", not "unknown".
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "migration/channel-internal.h"

const MigrationTransport migration_transport_rdma = {
    .scheme = "rdma",
    .old_scheme = "x-rdma",
    .transport = "rdma",
};
