/*
 * keys.c - the keys of those options whose value is a fixed list of key=value.
 *
 * Floor F6; below it keyval and the monitors' header.  Main thread.
 * Invariant: a key is accepted if and only if it is listed, and what is listed can be used: management
 * programs use a key as soon as they see it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "cli/keys.h"

#include <string.h>

#include "cli/cmdline.h"
#include "util/keyval.h"

const CliKey cli_machine_keys[] = {
    { "type", "string", NULL },
    { "accel", "string", NULL },
    { "memory-backend", "string", NULL },
    { "dumpdtb", "string", NULL },
    { "kernel", "string", NULL },
    { "initrd", "string", NULL },
    { "append", "string", NULL },
    { "dtb", "string", NULL },
    { "firmware", "string", NULL },
    { "pflash0", "string", NULL },
    { "pflash1", "string", NULL },
    /* Advice to the host about guest memory, which it is free not to take. */
    { "dump-guest-core", "boolean", NULL },
    { "mem-merge", "boolean", NULL },
    { "acpi", "string", "off" },
    { "usb", "boolean", "off" },
    { "aia", "string", "none" },
    { "aclint", "boolean", "off" },
    { "suppress-vmdesc", "boolean", "off" },
    { NULL, NULL, NULL },
};

const CliKey cli_accel_keys[] = {
    { "accel", "string", NULL },
    { "thread", "string", NULL },
    { "tb-size", "number", NULL },      /* advice: decoded code is kept in a bounded cache anyhow */
    { "one-insn-per-tb", "boolean", "off" },
    { NULL, NULL, NULL },
};

const CliKey cli_smp_keys[] = {
    { "cpus", "number", NULL },    { "sockets", "number", NULL }, { "dies", "number", NULL },
    { "clusters", "number", NULL }, { "cores", "number", NULL },  { "threads", "number", NULL },
    { "maxcpus", "number", NULL }, { NULL, NULL, NULL },
};

const CliKey cli_memory_keys[] = {
    { "size", "size", NULL },
    { "slots", "number", "0" },         /* virt has no place for memory that comes later */
    { "maxmem", "size", NULL },
    { NULL, NULL, NULL },
};

const CliKey cli_name_keys[] = {
    { "guest", "string", NULL },
    { "process", "string", NULL },
    { "debug-threads", "boolean", NULL },
    { NULL, NULL, NULL },
};

const CliKey cli_rtc_keys[] = {
    { "base", "string", NULL },
    { "clock", "string", NULL },
    { "driftfix", "string", "none" },
    { NULL, NULL, NULL },
};

const CliKey cli_icount_keys[] = {
    { "shift", "string", NULL },
    { "align", "boolean", NULL },
    { "sleep", "boolean", NULL },
    { NULL, NULL, NULL },
};

/* The guest finds its boot device by its firmware's own order: these say nothing that it could hear. */
const CliKey cli_boot_keys[] = {
    { "order", "string", NULL },       { "once", "string", NULL },
    { "menu", "boolean", NULL },       { "splash", "string", NULL },
    { "splash-time", "number", NULL }, { "reboot-timeout", "number", NULL },
    { "strict", "boolean", NULL },     { NULL, NULL, NULL },
};

/* Guest memory is ordinary pageable memory, and an idle hart sleeps. */
const CliKey cli_overcommit_keys[] = {
    { "mem-lock", "boolean", "off" },
    { "cpu-pm", "boolean", "off" },
    { NULL, NULL, NULL },
};

const CliKey cli_msg_keys[] = {
    { "timestamp", "boolean", NULL },
    { "guest-name", "boolean", "off" },
    { NULL, NULL, NULL },
};

const CliKey cli_trace_keys[] = {
    { "enable", "string", NULL },
    { "events", "string", NULL },
    { "file", "string", NULL },
    { NULL, NULL, NULL },
};

const CliKey cli_mon_keys[] = {
    { "mode", "string", NULL },
    { "chardev", "string", NULL },
    { "pretty", "boolean", NULL },
    { "id", "string", NULL },
    { NULL, NULL, NULL },
};

/* ---- checking ---- */

static const CliKey *find_key(const CliKey *keys, const char *name)
{
    for (; keys->name; keys++) {
        if (strcmp(keys->name, name) == 0) {
            return keys;
        }
    }
    return NULL;
}

static bool unknown_key(const CliOption *option, const char *name, Error **errp)
{
    GString *known = g_string_new(NULL);
    for (const CliKey *key = option->keys; key->name; key++) {
        g_string_append_printf(known, "%s%s", known->len ? ", " : "", key->name);
    }
    error_setg(errp, "Invalid parameter '%s' for %s; known parameters: %s", name, option->name, known->str);
    g_string_free(known, TRUE);
    return false;
}

/* Whether the value says the same as key->only; typed JSON or text. */
static bool is_only_value(const json_t *object, const CliKey *key)
{
    const json_t *value = json_object_get(object, key->name);
    bool want, got;
    uint64_t number;
    if (keyval_parse_bool(key->only, &want) && keyval_get_bool(object, key->name, &got, NULL)) {
        return got == want;
    }
    if (strcmp(key->type, "number") == 0) {
        return keyval_get_uint(object, key->name, UINT64_MAX, &number, NULL) &&
               number == g_ascii_strtoull(key->only, NULL, 10);
    }
    return json_is_string(value) && strcmp(json_string_value(value), key->only) == 0;
}

bool cli_check_keys(const CliOption *option, const json_t *object, Error **errp)
{
    const char *name;
    json_t *value;
    if (!option->keys) {
        return true;
    }
    json_object_foreach((json_t *)object, name, value) {
        const CliKey *key = find_key(option->keys, name);
        if (!key) {
            return unknown_key(option, name, errp);
        }
        if (key->only && !is_only_value(object, key)) {
            g_autofree char *shown = json_dumps(value, JSON_ENCODE_ANY);
            error_setg(errp, "%s cannot be %s; only %s=%s is possible", name,
                       json_is_string(value) ? json_string_value(value) : shown, name, key->only);
            return false;
        }
    }
    return true;
}

/* ---- telling ---- */

static const CommandLineParameter *describe_keys(const CliKey *keys)
{
    GArray *list = g_array_new(TRUE, TRUE, sizeof(CommandLineParameter));
    for (; keys && keys->name; keys++) {
        CommandLineParameter param = { .name = keys->name, .type = keys->type };
        g_array_append_val(list, param);
    }
    return (const CommandLineParameter *)g_array_free(list, FALSE);
}

const CommandLineOption *cli_describe_options(void)
{
    static const CommandLineOption *options;    /* made of constants: one for the process */
    if (!options) {
        GArray *list = g_array_new(TRUE, TRUE, sizeof(CommandLineOption));
        for (const CliOption *o = cli_options; o->name; o++) {
            if (o->apply_object) {
                CommandLineOption option = {
                    .option = o->group ? o->group : o->name, .params = describe_keys(o->keys),
                };
                g_array_append_val(list, option);
            }
        }
        options = (const CommandLineOption *)g_array_free(list, FALSE);
    }
    return options;
}
