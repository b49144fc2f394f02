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
/* The same for the other options whose value begins with a name. */
bool cli_help_names(CommandLine *cl, const CliOption *option, const char *value);
/* What to use in place of an option that other emulators have; NULL if nothing is known of it. */
const char *cli_help_instead(const char *name);

#endif
