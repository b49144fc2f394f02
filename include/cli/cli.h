/*
 * cli.h - the command line's one public face: the whole program but main() itself.
 *
 * Floor F6.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_CLI_CLI_H
#define GODWIT_CLI_CLI_H

/*
 * Reads the command line, runs the machine that it describes until it ends, and says on stderr, in one line, what
 * was wrong. Main thread, once. The result is the process's exit code: the guest's own, 0, or 1 after an error.
 */
int cli_main(int argc, char **argv);

#endif
