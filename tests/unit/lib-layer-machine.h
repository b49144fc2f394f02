/*
 * lib-layer-machine.h - a machine with one layer of the lobby and nothing else, for unit tests.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_TESTS_LIB_LAYER_MACHINE_H
#define GODWIT_TESTS_LIB_LAYER_MACHINE_H

#include "system/machine.h"

/* With a block layer. The lock is held from then on. */
Machine *block_machine_new(bool icount);
/* With a network layer and the registry of what migrates. The lock is held from then on. */
Machine *net_machine_new(bool icount);
/* Either; lock held. */
void layer_machine_free(Machine *m);

#endif
