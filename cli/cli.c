/*
 * cli.c - from argv to an exit code: read, run, report the one error.
 *
 * Floor F6; below it the rest of cli/.  Main thread.  An error is one line on stderr and exit code 1; a hint
 * may follow it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "cli/cli.h"

#include <stdio.h>

#include "cli/cmdline.h"

static void report(const CommandLine *cl, const Error *err)
{
    g_autofree char *stamp = NULL;
    if (cl->msg_timestamp) {
        g_autoptr(GDateTime) now = g_date_time_new_now_utc();
        stamp = g_date_time_format(now, "%Y-%m-%dT%H:%M:%S.%fZ ");
    }
    fprintf(stderr, "%s%s: %s\n", stamp ? stamp : "", g_get_prgname(), error_get_pretty(err));
    if (error_get_hint(err)) {
        fprintf(stderr, "%s", error_get_hint(err));
    }
}

int cli_main(int argc, char **argv)
{
    Error *err = NULL;
    int code = 1;
    CommandLine *cl = cmdline_new();
    g_autofree char *name = g_path_get_basename(argv[0]);
    g_set_prgname(name);
    if (cmdline_parse(cl, argc, argv, &err)) {
        code = cl->action == CLI_EXIT_OK ? 0 : cli_run(cl, &err);
    }
    if (err) {
        report(cl, err);
        error_free(err);
        code = 1;
    }
    cmdline_free(cl);
    return code;
}
