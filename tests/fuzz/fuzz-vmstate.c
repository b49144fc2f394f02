/*
 * fuzz-vmstate.c - a stream from nowhere: each section of a machine, damaged, is loaded and lived with.
 *
 * Byte 0: bit 0 modern virtio, bits 1-7 the section; then changes to the bytes that a fresh machine
 * saves: kind8: 0 cut at offset16; 1 put value8 at offset16; 2 put value64 at offset16, 3 insert value8
 * at offset16.  Loading says no with an error, or yes; after a yes the machine must stand being run, its
 * devices being read, and itself accept what it saves.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "fuzz-keep.h"

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static FuzzKept kept[2];        /* legacy, modern */
    FuzzBytes in = { data, size, 0 };
    unsigned head = fuzz_take(&in, 1);
    FuzzKept *k = &kept[head & 1];
    fuzz_keep_begin(k, 1, head & 1);
    unsigned which = (head >> 1) % k->sections.count;
    const SaveStateInfo *info = &k->sections.list[which];
    GByteArray *bytes = g_byte_array_new();
    g_byte_array_append(bytes, k->fresh[which]->data, k->fresh[which]->len);
    damage(bytes, &in);
    g_autofree char *text = NULL;
    bool ok = fuzz_load(info, bytes, &text);
    g_byte_array_unref(bytes);
    if (ok) {
        runstate_set(k->m, RUN_STATE_PAUSED, NULL);
        fuzz_machine_live(k->m);
    }
    const FuzzBytes touched = { (const uint8_t *)info->idstr, strlen(info->idstr), 0 };
    fuzz_keep_end(k, ok ? NULL : &touched);
    return 0;
}
