/*
 * state-digest.c - fingerprints of a stopped machine: two equal totals mean two equal machines.
 *
 * Floor F3; below it vmstate, the registry and RAM blocks.  Machine stopped, lock held.
 * A RAM block's digest covers its bytes; a section's digest covers the bytes that would stand in a
 * stream; the total covers every name, length and digest in order.  Hash: XXH3, 128 bits, seed 0.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <glib.h>
#include <string.h>
#include <xxhash.h>

#include "migration/register.h"
#include "system/machine.h"
#include "system/memory.h"

typedef struct DigestList {
    GArray *digests;        /* StateDigest */
    Error *error;
} DigestList;

static void add_digest(DigestList *list, char *name, XXH128_hash_t hash, uint64_t bytes)
{
    StateDigest digest = { .name = name, .bytes = bytes };
    g_snprintf(digest.hex, sizeof(digest.hex), "%016" G_GINT64_MODIFIER "x%016" G_GINT64_MODIFIER "x",
               (guint64)hash.high64, (guint64)hash.low64);
    g_array_append_val(list->digests, digest);
}

static void digest_section(const SaveStateInfo *info, void *opaque)
{
    DigestList *list = opaque;
    if (list->error) {
        return;
    }
    QEMUFile *f = qemu_file_new_memory();
    bool ok = vmstate_save_state(f, info->vmsd, info->opaque, &list->error);
    size_t len;
    g_autofree uint8_t *bytes = qemu_file_take_buffer(f, &len);
    if (qemu_fclose(f, ok ? &list->error : NULL) && ok) {
        add_digest(list, g_strdup_printf("%s/%d", info->idstr, info->instance_id),
                   XXH3_128bits(bytes, len), len);
    }
}

static void add_total(DigestList *list)
{
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < list->digests->len; i++) {
        const StateDigest *d = &g_array_index(list->digests, StateDigest, i);
        g_string_append_printf(text, "%s %" G_GUINT64_FORMAT " %s\n", d->name, d->bytes, d->hex);
    }
    add_digest(list, g_strdup("total"), XXH3_128bits(text->str, text->len), text->len);
    g_string_free(text, TRUE);
}

StateDigest *state_digest_all(Machine *m, unsigned *count, Error **errp)
{
    DigestList list = { .digests = g_array_new(FALSE, FALSE, sizeof(StateDigest)) };
    for (RAMBlock *block = ram_block_first(m); block; block = block->next) {
        add_digest(&list, g_strdup_printf("ram:%s", block->idstr),
                   XXH3_128bits(block->host, block->used_length), block->used_length);
    }
    savevm_foreach(m, digest_section, &list);
    if (list.error) {
        error_propagate(errp, list.error);
        unsigned n = list.digests->len;
        state_digests_free((StateDigest *)g_array_free(list.digests, FALSE), n);
        return NULL;
    }
    add_total(&list);
    *count = list.digests->len;
    return (StateDigest *)g_array_free(list.digests, FALSE);
}

void state_digests_free(StateDigest *digests, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        g_free(digests[i].name);
    }
    g_free(digests);
}
