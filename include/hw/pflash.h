/*
 * pflash.h - a bank of CFI flash whose bytes are a RAM block.
 *
 * Lobby (hw/block).  Machine lock held.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_HW_PFLASH_H
#define GODWIT_HW_PFLASH_H

#include "hw/qdev.h"
#include "system/memory.h"

/*
 * Creates a bank over a RAM block (its length is the bank's), mapped at base. NULL with *errp set on
 * failure.
 */
DeviceState *pflash_create(Machine *m, hwaddr base, RAMBlock *block, Error **errp);
/*
 * Fills the bank from the image of that drive or node, and keeps the image up to date from then on. The
 * image must have just the bank's size. Before the guest runs.
 */
bool pflash_attach_drive(DeviceState *dev, const char *drive, Error **errp);
/* True if an image was attached. */
bool pflash_has_drive(const DeviceState *dev);

#endif
