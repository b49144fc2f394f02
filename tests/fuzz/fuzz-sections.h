/*
 * fuzz-sections.h - a machine's sections one by one, and what a machine that has arrived must stand.
 *
 * Main thread, machine lock held.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_TESTS_FUZZ_SECTIONS_H
#define GODWIT_TESTS_FUZZ_SECTIONS_H

#include "fuzz-machine.h"

#define FUZZ_MAX_SECTIONS 128
#define FUZZ_LIVE_INSNS 200

typedef struct FuzzSections {
    SaveStateInfo list[FUZZ_MAX_SECTIONS];
    unsigned count;
} FuzzSections;

static inline void fuzz_add_section(const SaveStateInfo *info, void *opaque)
{
    FuzzSections *s = opaque;
    if (s->count < FUZZ_MAX_SECTIONS) {
        s->list[s->count++] = *info;
    }
}

static inline GByteArray *fuzz_save(const SaveStateInfo *info)
{
    Error *err = NULL;
    QEMUFile *f = qemu_file_new_memory();
    bool ok = vmstate_save_state(f, info->vmsd, info->opaque, &err);
    size_t len;
    uint8_t *bytes = qemu_file_take_buffer(f, &len);
    qemu_fclose(f, NULL);
    if (ok != (err == NULL)) {
        g_error("save: result and error disagree");
    }
    error_free(err);
    return g_byte_array_new_take(bytes, len);
}

/* Its error must agree with its result, which is returned; *text (owned by the caller) if it says no. */
static inline bool fuzz_load(const SaveStateInfo *info, const GByteArray *bytes, char **text)
{
    Error *err = NULL;
    QEMUFile *f = qemu_file_new_from_buffer(bytes->data, bytes->len);
    bool ok = vmstate_load_state(f, info->vmsd, info->opaque, info->vmsd->version_id, &err);
    qemu_fclose(f, NULL);
    if (ok != (err == NULL)) {
        g_error("load of %s: result and error disagree", info->idstr);
    }
    *text = err ? g_strdup(error_get_pretty(err)) : NULL;
    error_free(err);
    return ok;
}

/* What one machine sends another one like it must take. */
static inline void fuzz_save_and_load(Machine *m)
{
    FuzzSections s = { .count = 0 };
    savevm_foreach(m, fuzz_add_section, &s);
    for (unsigned i = 0; i < s.count; i++) {
        g_autofree char *text = NULL;
        GByteArray *bytes = fuzz_save(&s.list[i]);
        if (!fuzz_load(&s.list[i], bytes, &text)) {
            g_error("what %s saves it does not load: %s", s.list[i].idstr, text);
        }
        g_byte_array_unref(bytes);
    }
}

/* What happens to a machine that has arrived. */
static inline void fuzz_machine_live(Machine *m)
{
    for (unsigned slot = 0; slot < 8; slot++) {
        for (unsigned reg = 0; reg < 0x120; reg += 4) {
            uint64_t value;
            address_space_ldst(m, 0x10001000 + 0x1000 * slot + reg, &value, 4, false);
        }
    }
    vm_start(m);
    vcpus_pause_all(m);
    clocks_run_timers(m->clocks, QEMU_CLOCK_VIRTUAL);
    vm_stop(m, RUN_STATE_PAUSED);
    fuzz_machine_exec(m, FUZZ_LIVE_INSNS);
    fuzz_save_and_load(m);
}

#endif
