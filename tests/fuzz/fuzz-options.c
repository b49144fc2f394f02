/*
 * fuzz-options.c - command lines and -readconfig files from nowhere, up to the machine's configuration.
 *
 * Byte 0, bit 0: the rest is a configuration file; else arguments, each ended by a line feed.  Nothing
 * is opened or created but what -readconfig names.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "cli/config.h"
#include "cli/defaults.h"
#include "fuzz-machine.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);

/* -help prints. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    return freopen("/dev/null", "w", stdout) ? 0 : 1;
}

static bool read_arguments(CommandLine *cl, const char *text, Error **errp)
{
    g_auto(GStrv) words = g_strsplit(text, "\n", 64);
    unsigned count = g_strv_length(words);
    g_autofree char **argv = g_new0(char *, count + 2);
    argv[0] = (char *)"godwit";
    memcpy(argv + 1, words, count * sizeof(char *));
    return cmdline_parse(cl, count + 1, argv, errp);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    g_autofree char *text = g_strndup((const char *)data + 1, size - 1);
    Error *err = NULL;
    CommandLine *cl = cmdline_new();
    bool ok;
    if (data[0] & 1) {
        int fd;
        g_autofree char *path = fuzz_file(data + 1, size - 1, &fd);
        ok = cmdline_read_config(cl, path, &err);
        close(fd);
    } else {
        ok = read_arguments(cl, text, &err);
    }
    if (ok && cl->action == CLI_RUN && cli_apply_defaults(cl, &err)) {
        const MachineClass *klass;
        UserObjects *objects = user_objects_new();
        machine_config_free(cli_machine_config(cl, objects, &klass, &err));
        user_objects_free(objects);
    }
    error_free(err);
    cmdline_free(cl);
    return 0;
}
