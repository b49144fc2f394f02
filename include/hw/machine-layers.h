/*
 * machine-layers.h - the parts above system/ that every machine of this program has.
 *
 * Lobby (hw/core).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_HW_MACHINE_LAYERS_H
#define GODWIT_HW_MACHINE_LAYERS_H

#include "system/machine.h"

/* For MachineClass.layers: SaveVM registry, block, net, chardev and ui layers, device tree. */
extern const MachineLayerOps machine_layers;

#endif
