/*
 * cmdline.c - reads argv against the table of options.
 *
 * Floor F6; below it cli/options.c and keyval.  Main thread.
 * Invariant: nothing is built here; a command line with an error has changed nothing.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "cli/cmdline.h"
#include "cli/help.h"

#include <stdio.h>
#include <string.h>

#include "util/keyval.h"

static void unref_json(gpointer p)
{
    json_decref(p);
}

static GPtrArray *json_list(void)
{
    return g_ptr_array_new_with_free_func(unref_json);
}

static GPtrArray *string_list(void)
{
    return g_ptr_array_new_with_free_func(g_free);
}

CommandLine *cmdline_new(void)
{
    CommandLine *cl = g_new0(CommandLine, 1);
    json_t **objects[] = { &cl->machine, &cl->smp, &cl->memory, &cl->name, &cl->rtc, &cl->icount,
                           &cl->accel };
    GPtrArray **lists[] = { &cl->objects, &cl->chardevs, &cl->blockdevs, &cl->drives, &cl->netdevs,
                            &cl->nics, &cl->devices, &cl->globals, &cl->mons, &cl->add_fds };
    GPtrArray **strings[] = { &cl->serials, &cl->monitors, &cl->qmps, &cl->trace_patterns,
                              &cl->trace_event_files };
    for (size_t i = 0; i < G_N_ELEMENTS(objects); i++) {
        *objects[i] = json_object();
    }
    for (size_t i = 0; i < G_N_ELEMENTS(lists); i++) {
        *lists[i] = json_list();
    }
    for (size_t i = 0; i < G_N_ELEMENTS(strings); i++) {
        *strings[i] = string_list();
    }
    return cl;
}

void cmdline_free(CommandLine *cl)
{
    if (!cl) {
        return;
    }
    json_t *objects[] = { cl->machine, cl->smp, cl->memory, cl->name, cl->rtc, cl->icount, cl->accel };
    GPtrArray *lists[] = { cl->objects, cl->chardevs, cl->blockdevs, cl->drives, cl->netdevs, cl->nics,
                           cl->devices, cl->globals, cl->mons, cl->add_fds, cl->serials, cl->monitors,
                           cl->qmps, cl->trace_patterns, cl->trace_event_files };
    char *strings[] = { cl->cpu_model, cl->uuid, cl->firmware, cl->kernel, cl->initrd, cl->append,
                        cl->dtb, cl->display, cl->vnc, cl->pidfile, cl->trace_file,
                        cl->incoming, cl->snapshots, cl->loadvm, cl->dump_vmstate };
    for (size_t i = 0; i < G_N_ELEMENTS(objects); i++) {
        json_decref(objects[i]);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(lists); i++) {
        g_ptr_array_unref(lists[i]);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(strings); i++) {
        g_free(strings[i]);
    }
    g_free(cl);
}

const CliOption *cmdline_find_option(const char *name)
{
    for (const CliOption *option = cli_options; option->name; option++) {
        if (strcmp(option->name, name) == 0 || (option->alias && strcmp(option->alias, name) == 0)) {
            return option;
        }
    }
    return NULL;
}

/* The options whose names share the longest beginning with what was typed, for the hint. */
static char *similar_options(const char *name)
{
    GString *text = g_string_new(NULL);
    for (size_t len = strlen(name); len >= 2 && text->len == 0; len--) {
        for (const CliOption *option = cli_options; option->name; option++) {
            if (strncmp(option->name, name, len) == 0) {
                g_string_append_printf(text, "%s-%s", text->len ? ", " : "", option->name);
            }
        }
    }
    return g_string_free(text, FALSE);
}

static void unknown_option(const char *arg, Error **errp)
{
    const char *name = arg + strspn(arg, "-");
    g_autofree char *similar = similar_options(name);
    if (cli_help_instead(name)) {
        error_setg(errp, "%s: invalid option (%s)", arg, cli_help_instead(name));
    } else if (similar[0]) {
        error_setg(errp, "%s: invalid option (did you mean %s?)", arg, similar);
    } else {
        error_setg(errp, "%s: invalid option (-help lists the options)", arg);
    }
}

/* Keys that may stand several times in one option; they become lists. */
static const char *const repeatable_keys[] = { "hostfwd", "guestfwd", "dnssearch", NULL };

bool cmdline_apply(CommandLine *cl, const CliOption *option, const char *value, Error **errp)
{
    cl->current = option;
    if (value && cli_help_names(cl, option, value)) {
        return true;
    }
    if (option->apply) {
        return option->apply(cl, value, errp);
    }
    json_t *object = keyval_parse_multi(value, option->implied_key, repeatable_keys, errp);
    if (!object) {
        return false;
    }
    bool ok = cli_check_keys(option, object, errp) && option->apply_object(cl, object, errp);
    json_decref(object);
    return ok;
}

bool cmdline_parse(CommandLine *cl, int argc, char **argv, Error **errp)
{
    for (int i = 1; i < argc && cl->action == CLI_RUN; i++) {
        const char *arg = argv[i];
        if (arg[0] != '-' || !arg[1]) {
            error_setg(errp, "'%s' is no option; a disk image is given as "
                       "-drive file=%s,format=raw", arg, arg);
            return false;
        }
        const CliOption *option = cmdline_find_option(arg + (arg[1] == '-' ? 2 : 1));
        if (!option) {
            unknown_option(arg, errp);
            return false;
        }
        const char *value = NULL;
        if (option->arg) {
            value = argv[++i];
            if (!value) {
                error_setg(errp, "-%s: requires an argument: -%s %s", option->name, option->name,
                           option->arg);
                return false;
            }
        }
        if (!cmdline_apply(cl, option, value, errp)) {
            if (value) {
                error_prepend(errp, "-%s %s: ", option->name, value);
            }
            return false;
        }
    }
    return true;
}

static void print_option(const CliOption *option)
{
    g_autofree char *head =
        g_strconcat("-", option->name, option->alias ? ", -" : "", option->alias ? option->alias : "",
                    option->arg ? " " : "", option->arg, NULL);
    g_auto(GStrv) lines = g_strsplit(option->help, "\n", -1);
    glong width = g_utf8_strlen(head, -1);
    if (width > 24) {
        printf("%s\n%-26s%s\n", head, "", lines[0]);
    } else {
        printf("%s%*s%s\n", head, (int)(26 - width), "", lines[0]);
    }
    for (int i = 1; lines[i]; i++) {
        printf("%-26s%s\n", "", lines[i]);
    }
}

void cmdline_print_help(const char *program)
{
    printf("usage: %s [options]\n\n", program);
    const char *section = NULL;
    for (const CliOption *option = cli_options; option->name; option++) {
        if (option->section != section) {
            printf("%s%s:\n", section ? "\n" : "", option->section);
            section = option->section;
        }
        print_option(option);
    }
    printf("\nA first try:  %s -M virt -m 1G -nographic -kernel Image -initrd initrd.gz "
           "-append console=ttyS0\n", program);
    printf("With -nographic, Ctrl-A x ends the emulator and Ctrl-A c turns to its monitor.\n");
}
