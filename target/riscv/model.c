/*
 * model.c - the -cpu option: which extensions a hart has, and how they are told to the guest.
 *
 * Lobby (target/riscv).  Main thread, before the hart runs.
 * Invariant: the ISA string and misa name what is there and nothing else.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "hart.h"

typedef struct ExtDef {
    const char *name;
    bool on;                /* by default */
    bool never;             /* known, but only "off" is possible */
    const char *isa;        /* how the ISA string shows it; NULL: not at all */
    int needs;              /* another Ext, or -1 */
    const char *help;
} ExtDef;

static const ExtDef model_exts[EXT_COUNT] = {
    [EXT_I] = {"i", true, false, "i", -1, "base integer instructions"},
    [EXT_M] = {"m", true, false, "m", -1, "multiplication and division"},
    [EXT_A] = {"a", true, false, "a", -1, "atomics"},
    [EXT_F] = {"f", true, false, "f", EXT_ZICSR, "single-precision floating point"},
    [EXT_D] = {"d", true, false, "d", EXT_F, "double-precision floating point"},
    [EXT_C] = {"c", true, false, "c", -1, "compressed instructions"},
    [EXT_V] = {"v", false, true, NULL, -1, "vectors (off only)"},
    [EXT_H] = {"h", false, true, NULL, -1, "hypervisor (off only)"},
    [EXT_ZICSR] = {"zicsr", true, false, "_zicsr", -1, "control and status registers"},
    [EXT_ZIFENCEI] = {"zifencei", true, false, "_zifencei", -1, "fence.i"},
    [EXT_ZIHINTPAUSE] = {"zihintpause", true, false, "_zihintpause", -1, "pause hint"},
    [EXT_ZBA] = {"zba", true, false, "_zba", -1, "address generation"},
    [EXT_ZBB] = {"zbb", true, false, "_zbb", -1, "basic bit manipulation"},
    [EXT_ZBC] = {"zbc", true, false, "_zbc", -1, "carry-less multiplication"},
    [EXT_ZBS] = {"zbs", true, false, "_zbs", -1, "single-bit instructions"},
    [EXT_SSTC] = {"sstc", true, false, "_sstc", -1, "supervisor timer compare"},
    [EXT_MMU] = {"mmu", true, false, NULL, -1, "address translation"},
    [EXT_PMP] = {"pmp", true, false, NULL, -1, "physical memory protection"},
    [EXT_SV39] = {"sv39", true, false, NULL, -1, "39-bit virtual addresses"},
    [EXT_SV48] = {"sv48", true, false, NULL, EXT_SV39, "48-bit virtual addresses"},
    [EXT_SV57] = {"sv57", true, false, NULL, EXT_SV48, "57-bit virtual addresses"},
};

static const char *const model_names[] = {"rv64", NULL};

const char *const *riscv_cpu_models(void)
{
    return model_names;
}

char *riscv_cpu_help_text(void)
{
    GString *s = g_string_new("Available CPUs:\n  rv64\nProperties (on or off):\n");

    for (unsigned n = 0; n < EXT_COUNT; n++) {
        g_string_append_printf(s, "  %-12s %s%s\n", model_exts[n].name, model_exts[n].help,
                               model_exts[n].on ? " [on]" : "");
    }
    return g_string_free(s, FALSE);
}

static char *model_known_words(void)
{
    GString *s = g_string_new(NULL);

    for (unsigned n = 0; n < EXT_COUNT; n++) {
        g_string_append_printf(s, "%s%s", n ? ", " : "", model_exts[n].name);
    }
    return g_string_free(s, FALSE);
}

static int model_find(const char *name)
{
    for (int n = 0; n < EXT_COUNT; n++) {
        if (g_ascii_strcasecmp(model_exts[n].name, name) == 0) {
            return n;
        }
    }
    return -1;
}

static bool model_switch_on(const char *value, bool *on)
{
    static const char *const yes[] = {"on", "true", "yes", "y"};
    static const char *const no[] = {"off", "false", "no", "n"};

    for (unsigned n = 0; n < G_N_ELEMENTS(yes); n++) {
        if (strcmp(value, yes[n]) == 0 || strcmp(value, no[n]) == 0) {
            *on = strcmp(value, yes[n]) == 0;
            return true;
        }
    }
    return false;
}

/* One "name=on|off". */
static bool model_apply(Hart *h, const char *word, Error **errp)
{
    const char *eq = strchr(word, '=');
    g_autofree char *name = eq ? g_strndup(word, (gsize)(eq - word)) : g_strdup(word);
    int n = model_find(name);
    bool on;

    if (n < 0) {
        g_autofree char *known = model_known_words();
        error_setg(errp, "CPU property '%s' is not known; known are %s", name, known);
        return false;
    }
    if (!eq || !model_switch_on(eq + 1, &on)) {
        error_setg(errp, "CPU property '%s' must be on or off, not '%s'", name, eq ? eq + 1 : "");
        return false;
    }
    if (on && model_exts[n].never) {
        error_setg(errp, "CPU property '%s' can only be off", name);
        return false;
    }
    if (!on && (n == EXT_I || n == EXT_ZICSR)) {
        error_setg(errp, "CPU property '%s' cannot be off: a hart needs it to start", name);
        return false;
    }
    h->ext = on ? h->ext | 1ull << n : h->ext & ~(1ull << n);
    return true;
}

/* What needs something that was switched off goes with it, in the order of the table. */
static void model_drop_dependents(Hart *h)
{
    for (unsigned n = 0; n < EXT_COUNT; n++) {
        if (model_exts[n].needs >= 0 && !hart_has(h, (Ext)model_exts[n].needs)) {
            h->ext &= ~(1ull << n);
        }
    }
}

bool model_parse(Hart *h, const char *model, Error **errp)
{
    g_auto(GStrv) words = g_strsplit(model && *model ? model : "rv64", ",", -1);

    if (strcmp(words[0], "rv64") != 0) {
        error_setg(errp, "CPU model '%s' is not known; known is rv64", words[0]);
        return false;
    }
    h->ext = 0;
    for (unsigned n = 0; n < EXT_COUNT; n++) {
        h->ext |= (uint64_t)model_exts[n].on << n;
    }
    for (unsigned n = 1; words[n]; n++) {
        if (!model_apply(h, words[n], errp)) {
            return false;
        }
    }
    model_drop_dependents(h);
    h->align_mask = hart_has(h, EXT_C) ? 0 : 2;
    return true;
}

char *model_isa_string(const Hart *h)
{
    GString *s = g_string_new("rv64");

    for (unsigned n = 0; n < EXT_COUNT; n++) {
        if (model_exts[n].isa && hart_has(h, (Ext)n)) {
            g_string_append(s, model_exts[n].isa);
        }
    }
    return g_string_free(s, FALSE);
}

/* MXL 2, the letters, and S and U, which every hart has. */
uint64_t model_misa(const Hart *h)
{
    uint64_t misa = 2ull << 62 | 1ull << ('s' - 'a') | 1ull << ('u' - 'a');

    for (unsigned n = EXT_I; n <= EXT_C; n++) {
        misa |= hart_has(h, (Ext)n) ? 1ull << (model_exts[n].name[0] - 'a') : 0;
    }
    return misa;
}
