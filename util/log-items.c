/*
 * log-items.c - subjects that -d and the monitor's `log` name, and the trace events behind each.
 *
 * Floor F0.  A table, and no state.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/log-items.h"

#include <string.h>

/* Subjects in QEMU's spelling where it has one. */
const LogItem log_items[] = {
    { "guest_errors", "*guest_error*", "what the guest asked of a device and should not have" },
    { "unimp", "*unimp*", "accesses to registers that do not exist" },
    { "int", "riscv_trap*", "traps and interrupts" },
    { "mmu", "riscv_mmu*", "page table walks and faults" },
    { "virtio", "virtio*", "virtio devices" },
    { "block", "block*", "disk requests" },
    { "net", "net*", "network back ends" },
    { "qmp", "qmp*", "monitor commands and replies" },
    { "hmp", "hmp*", "lines typed into the monitor for people" },
    { "runstate", "runstate*", "changes of the machine's state" },
    { NULL, NULL, NULL },
};

const char *log_item_pattern(const char *name)
{
    static const char trace[] = "trace:";
    if (strncmp(name, trace, sizeof(trace) - 1) == 0) {
        return name + sizeof(trace) - 1;
    }
    for (const LogItem *item = log_items; item->name; item++) {
        if (strcmp(item->name, name) == 0) {
            return item->pattern;
        }
    }
    return NULL;
}
