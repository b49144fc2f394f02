/*
 * trap.c - lets libFuzzer keep the input at which a target's own check has failed.
 *
 * g_error() ends a program by SIGTRAP, which libFuzzer does not look at; SIGABRT it does.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <signal.h>
#include <stdlib.h>

static void on_trap(int signal)
{
    abort();
}

__attribute__((constructor)) static void catch_trap(void)
{
    signal(SIGTRAP, on_trap);
}
