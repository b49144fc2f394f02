/*
 * fuzz-vmstate.c - a stream from nowhere: each section of a machine, damaged, is loaded and lived with.
 *
 * Byte 0: bit 0 modern virtio, bits 1-7 the section; then changes to the bytes that a fresh machine
 * saves: kind8: 0 cut at offset16; 1 put value8 at offset16; 2 put value64 at offset16, 3 insert value8
 * at offset16.  Loading says no with an error, or yes; after a yes the machine must stand being run, its
 * devices being read, saved, and reset.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "fuzz-machine.h"

#define MAX_SECTIONS 128
#define INSNS 200

typedef struct Sections {
    SaveStateInfo list[MAX_SECTIONS];
    unsigned count;
} Sections;

static void add_section(const SaveStateInfo *info, void *opaque)
{
    Sections *s = opaque;
    if (s->count < MAX_SECTIONS) {
        s->list[s->count++] = *info;
    }
}

static GByteArray *save(const SaveStateInfo *info)
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

static void damage(GByteArray *bytes, FuzzBytes *in)
{
    while (fuzz_more(in) && bytes->len > 0) {
        unsigned kind = fuzz_take(in, 1) & 3;
        unsigned at = fuzz_take(in, 2) % bytes->len;
        uint64_t value = kind ? fuzz_take(in, kind == 2 ? 8 : 1) : 0;
        if (kind == 0) {
            g_byte_array_set_size(bytes, at);
        } else if (kind == 2) {
            memcpy(bytes->data + at, &value, MIN(8, bytes->len - at));
        } else {
            if (kind == 3) {
                g_byte_array_set_size(bytes, bytes->len + 1);
                memmove(bytes->data + at + 1, bytes->data + at, bytes->len - 1 - at);
            }
            bytes->data[at] = value;
        }
    }
}

/* What happens to a machine that has arrived. */
static void live(Machine *m, const Sections *s)
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
    fuzz_machine_exec(m, INSNS);
    for (unsigned i = 0; i < s->count; i++) {
        g_byte_array_unref(save(&s->list[i]));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    FuzzBytes in = { data, size, 0 };
    unsigned head = fuzz_take(&in, 1);
    Machine *m = fuzz_machine_new(1, head & 1);
    Sections sections = { .count = 0 };
    savevm_foreach(m, add_section, &sections);
    const SaveStateInfo *info = &sections.list[(head >> 1) % sections.count];
    GByteArray *bytes = save(info);
    damage(bytes, &in);
    Error *err = NULL;
    QEMUFile *f = qemu_file_new_from_buffer(bytes->data, bytes->len);
    bool ok = vmstate_load_state(f, info->vmsd, info->opaque, info->vmsd->version_id, &err);
    qemu_fclose(f, NULL);
    if (ok != (err == NULL)) {
        g_error("load of %s: result and error disagree", info->idstr);
    }
    error_free(err);
    g_byte_array_unref(bytes);
    if (ok) {
        live(m, &sections);
    }
    fuzz_machine_free(m);
    return 0;
}
