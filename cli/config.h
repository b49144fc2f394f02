/*
 * config.h - from what the user wrote to what a machine needs to know.
 *
 * Floor F6, private to cli/.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_CLI_CONFIG_H
#define GODWIT_CLI_CONFIG_H

#include "cli/cmdline.h"
#include "hw/user-object.h"
#include "system/machine.h"

/*
 * Checks every machine-wide option of cl and makes a MachineConfig of it; *klass is the class that was
 * chosen. objects is borrowed by the config. NULL with *errp naming option, value and what is right.
 */
MachineConfig *cli_machine_config(CommandLine *cl, UserObjects *objects, const MachineClass **klass,
                                  Error **errp);

#endif
