/*
 * config.c - checks the machine-wide options and fills in a MachineConfig.
 *
 * Floor F6; below it the machine classes and keyval.  Main thread, before there is a machine.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "cli/config.h"

#include <string.h>

#include "cli/help.h"
#include "util/keyval.h"

#define RAM_MIN (1024 * 1024ull)
#define RAM_MAX (1ull << 40)

static const MachineClass *choose_class(CommandLine *cl, Error **errp)
{
    const char *type = "virt";
    if (!keyval_get_str(cl->machine, "type", &type, errp)) {
        return NULL;
    }
    const MachineClass *klass = machine_class_find(type);
    if (!klass) {
        GString *known = g_string_new(NULL);
        for (const MachineClass *const *k = machine_classes(); *k; k++) {
            g_string_append_printf(known, "%s%s", known->len ? ", " : "", (*k)->name);
        }
        error_setg(errp, "unsupported machine type '%s'; there are: %s", type, known->str);
        g_string_free(known, TRUE);
    }
    return klass;
}

/* "kvm:tcg" is a list of choices: the first one that exists is taken. */
static bool check_accel(CommandLine *cl, Error **errp)
{
    const char *names = "tcg", *named = NULL;
    if (!keyval_get_str(cl->machine, "accel", &names, errp) ||
        !keyval_get_str(cl->accel, "accel", &named, errp)) {
        return false;
    }
    g_auto(GStrv) list = g_strsplit(named ? named : names, ":", -1);
    if (!g_strv_contains((const char *const *)list, "tcg")) {
        error_setg(errp, "invalid accelerator %s; there is only tcg", named ? named : names);
        return false;
    }
    const char *thread = "multi";
    if (!keyval_get_str(cl->accel, "thread", &thread, errp)) {
        return false;
    }
    bool taking_turns = json_object_size(cl->icount) > 0;
    if (strcmp(thread, "multi") != 0 && !(taking_turns && strcmp(thread, "single") == 0)) {
        error_setg(errp, "-accel tcg,thread=%s: each hart has a thread of its own (thread=multi); with "
                   "-icount they take turns (thread=single)", thread);
        return false;
    }
    return true;
}

static bool set_name(CommandLine *cl, MachineConfig *config, Error **errp)
{
    const char *guest = NULL;
    if (!keyval_get_str(cl->name, "guest", &guest, errp)) {
        return false;
    }
    config->name = g_strdup(guest);
    if (!cl->uuid) {
        return true;
    }
    if (!g_uuid_string_is_valid(cl->uuid)) {
        error_setg(errp, "-uuid %s: not a UUID; one looks like "
                   "550e8400-e29b-41d4-a716-446655440000", cl->uuid);
        return false;
    }
    unsigned n = 0;
    for (const char *p = cl->uuid; *p && n < sizeof(config->uuid); p++) {
        if (*p != '-') {
            config->uuid[n++] = g_ascii_xdigit_value(p[0]) << 4 | g_ascii_xdigit_value(p[1]);
            p++;
        }
    }
    config->uuid_set = true;
    return true;
}

static bool set_smp(CommandLine *cl, const MachineClass *klass, MachineConfig *config, Error **errp)
{
    static const char *const levels[] = { "sockets", "dies", "clusters", "cores", "threads" };
    uint64_t cpus = 0, maxcpus = 0, product = 1;
    bool topology = false;
    if (!keyval_get_uint(cl->smp, "cpus", UINT32_MAX, &cpus, errp) ||
        !keyval_get_uint(cl->smp, "maxcpus", UINT32_MAX, &maxcpus, errp)) {
        return false;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(levels); i++) {
        uint64_t n = 1;
        if (!keyval_get_uint(cl->smp, levels[i], 65535, &n, errp)) {
            return false;
        }
        if (n == 0) {
            error_setg(errp, "-smp: %s must be at least 1", levels[i]);
            return false;
        }
        topology |= json_object_get(cl->smp, levels[i]) != NULL;
        product *= n;
    }
    if (json_object_get(cl->smp, "cpus") && cpus == 0) {
        error_setg(errp, "-smp: the number of CPUs must be at least 1");
        return false;
    }
    if (!cpus) {
        cpus = maxcpus ? maxcpus : product;
    }
    uint64_t limit = maxcpus ? maxcpus : cpus;
    if (topology && !json_object_get(cl->smp, "maxcpus") && product > cpus) {
        limit = product;
    }
    /* A topology may leave one level open (-smp 4,cores=2): then it only has to divide the number. */
    if (topology && limit % product != 0) {
        error_setg(errp, "-smp: sockets * dies * clusters * cores * threads (%" G_GUINT64_FORMAT
                   ") does not match maxcpus (%" G_GUINT64_FORMAT ")", product, limit);
        return false;
    }
    if (limit < cpus) {
        error_setg(errp, "-smp: maxcpus (%" G_GUINT64_FORMAT ") must be equal to or greater than cpus "
                   "(%" G_GUINT64_FORMAT ")", limit, cpus);
        return false;
    }
    if (klass->max_cpus && limit > klass->max_cpus) {
        error_setg(errp, "-smp: %" G_GUINT64_FORMAT " CPUs, but machine '%s' has at most %u", limit,
                   klass->name, klass->max_cpus);
        return false;
    }
    config->cpus = cpus;
    return true;
}

/* "-m 512" is MiB; "size=131072k" and "1G" carry their unit. */
static bool set_memory(CommandLine *cl, const MachineClass *klass, MachineConfig *config, Error **errp)
{
    const json_t *size = json_object_get(cl->memory, "size");
    if (json_is_integer(size)) {
        config->ram_size = json_integer_value(size) > 0 ? json_integer_value(size) : 0;
    } else if (size &&
               (!json_is_string(size) ||
                !keyval_parse_size(json_string_value(size), 'M', &config->ram_size, errp))) {
        error_prepend(errp, "-m: ");
        return false;
    }
    if (!klass->default_ram_id) {
        return true;
    }
    uint64_t maxmem = config->ram_size;
    if (!keyval_get_size(cl->memory, "maxmem", &maxmem, errp)) {
        return false;
    }
    if (maxmem != config->ram_size) {
        error_setg(errp, "-m maxmem=%" G_GUINT64_FORMAT ": memory cannot be added later; leave it out, or "
                   "let it equal the size", maxmem);
        return false;
    }
    if (config->ram_size < RAM_MIN || config->ram_size > RAM_MAX || config->ram_size % 4096) {
        error_setg(errp, "-m: RAM of %" G_GUINT64_FORMAT " bytes; it must be a multiple of 4 KiB "
                   "between 1 MiB and 1 TiB", config->ram_size);
        return false;
    }
    return true;
}

/* A RAM back end named by -machine memory-backend= decides the size unless -m says the same. */
static bool set_backend(CommandLine *cl, UserObjects *objects, MachineConfig *config, Error **errp)
{
    const char *id = NULL;
    if (!keyval_get_str(cl->machine, "memory-backend", &id, errp)) {
        return false;
    }
    if (!id) {
        return true;
    }
    const UserObject *backend = user_object_find(objects, id, NULL);
    if (!backend || !g_str_has_prefix(backend->type, "memory-backend-")) {
        error_setg(errp, "-machine memory-backend=%s: there is no memory-backend object of that id", id);
        return false;
    }
    uint64_t size = 0;
    if (!keyval_get_size(backend->options, "size", &size, errp)) {
        return false;
    }
    if (json_object_get(cl->memory, "size") && size != config->ram_size) {
        error_setg(errp, "-m says %" G_GUINT64_FORMAT " bytes but memory backend '%s' has %"
                   G_GUINT64_FORMAT, config->ram_size, id, size);
        return false;
    }
    config->ram_size = size;
    config->memory_backend = g_strdup(id);
    return true;
}

static bool set_icount(CommandLine *cl, MachineConfig *config, Error **errp)
{
    uint64_t shift = 3;
    bool align = false;
    if (json_object_size(cl->icount) == 0) {
        return true;
    }
    const char *text = json_string_value(json_object_get(cl->icount, "shift"));
    config->icount = true;
    config->icount_sleep = false;
    if (!keyval_get_bool(cl->icount, "sleep", &config->icount_sleep, errp) ||
        !keyval_get_bool(cl->icount, "align", &align, errp)) {
        return false;
    }
    if (align) {
        error_setg(errp, "-icount align=on would let host time reach the guest; use align=off");
        return false;
    }
    if (!(text && strcmp(text, "auto") == 0) &&
        !keyval_get_uint(cl->icount, "shift", 10, &shift, errp)) {
        error_prepend(errp, "-icount: ");
        return false;
    }
    config->icount_shift = shift;
    return true;
}

static bool set_rtc(CommandLine *cl, MachineConfig *config, Error **errp)
{
    const char *base = "utc", *clock = "host";
    if (!keyval_get_str(cl->rtc, "base", &base, errp) ||
        !keyval_get_str(cl->rtc, "clock", &clock, errp)) {
        return false;
    }
    if (strcmp(clock, "host") != 0 && strcmp(clock, "vm") != 0 && strcmp(clock, "rt") != 0) {
        error_setg(errp, "-rtc clock=%s: the clock is host, rt or vm", clock);
        return false;
    }
    config->rtc_host = !config->icount && strcmp(clock, "vm") != 0;
    g_autoptr(GDateTime) now = NULL;
    if (strcmp(base, "utc") == 0) {
        /* With -icount a run must repeat: it starts at the epoch unless a date is given. */
        now = config->icount ? g_date_time_new_from_unix_utc(0) : g_date_time_new_now_utc();
    } else if (strcmp(base, "localtime") == 0 && !config->icount) {
        g_autoptr(GDateTime) local = g_date_time_new_now_local();
        now = g_date_time_add(local, g_date_time_get_utc_offset(local));
    } else {
        g_autoptr(GTimeZone) utc = g_time_zone_new_utc();
        g_autofree char *full = strchr(base, 'T') ? g_strdup(base) : g_strconcat(base, "T00:00:00", NULL);
        now = g_date_time_new_from_iso8601(full, utc);
    }
    if (!now) {
        error_setg(errp, "-rtc base=%s: the base is utc, localtime%s or a date such as "
                   "2026-11-22T06:29:50", base, config->icount ? " (not with -icount)" : "");
        return false;
    }
    config->rtc_base_ns = g_date_time_to_unix(now) * 1000000000ll +
                          (config->icount ? 0 : g_date_time_get_microsecond(now) * 1000ll);
    return true;
}

/* -machine kernel=… is the same as -kernel …; the separate option wins. */
static char *path_option(const CommandLine *cl, const char *option, const char *key)
{
    const char *value = json_string_value(json_object_get(cl->machine, key));
    return g_strdup(option ? option : value);
}

static bool set_paths(CommandLine *cl, MachineConfig *config, Error **errp)
{
    config->firmware = path_option(cl, cl->firmware, "firmware");
    config->kernel = path_option(cl, cl->kernel, "kernel");
    config->initrd = path_option(cl, cl->initrd, "initrd");
    config->append = path_option(cl, cl->append, "append");
    config->dtb = path_option(cl, cl->dtb, "dtb");
    config->dumpdtb = path_option(cl, NULL, "dumpdtb");
    config->pflash[0] = path_option(cl, NULL, "pflash0");
    config->pflash[1] = path_option(cl, NULL, "pflash1");
    if (!config->kernel && (config->initrd || config->append)) {
        error_setg(errp, "%s only makes sense with -kernel FILE", config->initrd ? "-initrd" : "-append");
        return false;
    }
    return true;
}

static bool fill(CommandLine *cl, UserObjects *objects, const MachineClass *klass,
                 MachineConfig *config, Error **errp)
{
    config->cpu_model = g_strdup(cl->cpu_model);
    config->no_reboot = cl->no_reboot;
    config->no_shutdown = cl->no_shutdown;
    config->autostart = !cl->paused;
    config->objects = objects;
    return check_accel(cl, errp) && set_name(cl, config, errp) &&
           set_smp(cl, klass, config, errp) && set_memory(cl, klass, config, errp) &&
           set_backend(cl, objects, config, errp) && set_icount(cl, config, errp) &&
           set_rtc(cl, config, errp) && set_paths(cl, config, errp);
}

MachineConfig *cli_machine_config(CommandLine *cl, UserObjects *objects, const MachineClass **klass,
                                  Error **errp)
{
    *klass = choose_class(cl, errp);
    if (!*klass) {
        return NULL;
    }
    MachineConfig *config = machine_config_new(*klass);
    if (!fill(cl, objects, *klass, config, errp)) {
        machine_config_free(config);
        return NULL;
    }
    return config;
}
