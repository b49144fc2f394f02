/*
 * main.c - where the program begins.
 *
 * Floor F6; below it cli/.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "cli/cli.h"

int main(int argc, char **argv)
{
    return cli_main(argc, argv);
}
