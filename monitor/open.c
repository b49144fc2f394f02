/*
 * open.c - opens a monitor of either kind on a character device.
 *
 * Floor F6; below it the QMP server and the shell for people.  Main loop's thread, machine lock held.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "monitor/monitor-internal.h"
#include "monitor/monitor.h"

bool monitor_new(Machine *m, Chardev *chr, MonitorMode mode, bool pretty, Error **errp)
{
    MonitorHub *hub = monitor_hub_of(m);
    return mode == MONITOR_QMP ? monitor_qmp_connect(hub, chr, pretty, errp)
                               : monitor_hmp_connect(hub, chr, errp);
}
