/*
 * defaults.h - what the command line means where it is silent, and the options that stand for several.
 *
 * Floor F6, private to cli/.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_CLI_DEFAULTS_H
#define GODWIT_CLI_DEFAULTS_H

#include "cli/cmdline.h"
#include "system/machine.h"

/* Writes the default serial port and monitor into cl; refuses combinations that cannot work. */
bool cli_apply_defaults(CommandLine *cl, Error **errp);
/* -drive: the drive, and its device where if= asks for one. */
bool cli_add_drive(Machine *m, const json_t *options, Error **errp);
/* -nic: a back end and its device. */
bool cli_add_nic(Machine *m, const json_t *options, Error **errp);
/* "key=value,…" for error texts; the caller frees it. */
char *cli_describe(const json_t *options);

#endif
