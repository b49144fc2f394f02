/*
 * help.h - the options that print something and end the program.
 *
 * Floor F6, private to cli/.  Each prints to stdout and sets cl->action to CLI_EXIT_OK.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_CLI_HELP_H
#define GODWIT_CLI_HELP_H

#include "cli/cmdline.h"

void cli_help_version(CommandLine *cl);
void cli_help_trace(CommandLine *cl);
void cli_help_log(CommandLine *cl);
void cli_help_machines(CommandLine *cl);
void cli_help_cpus(CommandLine *cl);
/* True if value asks for help ("help", "?", "NAME,help"); then it was printed. */
bool cli_help_device(CommandLine *cl, const char *value);

#endif
