/*
 * fuzz-stream.h - a migration stream as its items, for a mutator: what is changed stays otherwise well-formed.
 *
 * No state; one thread.  A section has no length: it ends at the first footer with its number behind which an
 * item can begin.  What cannot be read so is one last item of type FUZZ_REST.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_TESTS_FUZZ_STREAM_H
#define GODWIT_TESTS_FUZZ_STREAM_H

#include <glib.h>
#include <string.h>

#include "migration/wire.h"

#define FUZZ_ITEMS 256
#define FUZZ_FOOTER 5
#define FUZZ_HEADER 0x100       /* "QEVM" and the version */
#define FUZZ_REST 0x101

typedef struct FuzzItem {
    unsigned type;              /* QEMU_VM_…, FUZZ_HEADER or FUZZ_REST */
    GByteArray *bytes;          /* all of it */
    guint head, foot;           /* bytes before and behind the payload */
} FuzzItem;

typedef struct FuzzStream {
    FuzzItem item[FUZZ_ITEMS];
    unsigned count;
} FuzzStream;

static inline uint64_t fuzz_be(const uint8_t *p, unsigned bytes)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < bytes; i++) {
        v = v << 8 | p[i];
    }
    return v;
}

static inline void fuzz_put_be(uint8_t *p, uint64_t v, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++) {
        p[i] = (uint8_t)(v >> 8 * (bytes - 1 - i));
    }
}

static inline bool fuzz_is_section(const FuzzItem *item)
{
    return item->type >= QEMU_VM_SECTION_START && item->type <= QEMU_VM_SECTION_FULL;
}

static inline bool fuzz_has_name(const FuzzItem *item)
{
    return item->type == QEMU_VM_SECTION_START || item->type == QEMU_VM_SECTION_FULL;
}

/* The length of a section whose first byte is *p, or 0; stores that of what stands before the payload. */
static inline size_t fuzz_section_size(const uint8_t *p, size_t size, guint *head)
{
    bool named = p[0] == QEMU_VM_SECTION_START || p[0] == QEMU_VM_SECTION_FULL;
    *head = 5;
    if (named && size > 5) {
        *head = 5 + 1 + p[5] + 8;
    }
    for (size_t at = *head; at + FUZZ_FOOTER <= size; at++) {
        if (p[at] == QEMU_VM_SECTION_FOOTER && memcmp(p + at + 1, p + 1, 4) == 0 &&
            (at + FUZZ_FOOTER == size || p[at + FUZZ_FOOTER] <= QEMU_VM_COMMAND)) {
            return at + FUZZ_FOOTER;
        }
    }
    return 0;
}

/* The configuration and what belongs to it. */
static inline size_t fuzz_configuration_size(const uint8_t *p, size_t size)
{
    size_t at = size < 5 ? size : 5 + fuzz_be(p + 1, 4);
    while (at + 2 < size && p[at] == QEMU_VM_SUBSECTION) {
        bool uuid = p[at + 1] == strlen(MIG_CONFIG_UUID);
        at += 2 + p[at + 1] + 4 + (uuid ? 16 : 4);
    }
    return at;
}

/* The length of the item whose first byte is *p; size or more: it cannot be told. */
static inline size_t fuzz_item_size(const uint8_t *p, size_t size, FuzzItem *item)
{
    item->type = p[0];
    item->head = 1;
    item->foot = 0;
    size_t len = 0;
    if (fuzz_is_section(item)) {
        item->foot = FUZZ_FOOTER;
        len = fuzz_section_size(p, size, &item->head);
    } else if (p[0] == QEMU_VM_CONFIGURATION) {
        len = fuzz_configuration_size(p, size);
    } else if (p[0] == QEMU_VM_COMMAND && size >= 5) {
        len = 5 + fuzz_be(p + 3, 2);
    } else if (p[0] == QEMU_VM_VMDESCRIPTION && size >= 5) {
        len = 5 + fuzz_be(p + 1, 4);
    } else if (p[0] == QEMU_VM_EOF) {
        len = 1;
    }
    return len;
}

static inline void fuzz_stream_read(FuzzStream *s, const uint8_t *p, size_t size)
{
    s->count = 0;
    for (size_t at = 0; at < size;) {
        FuzzItem *item = &s->item[s->count++];
        size_t len = at ? fuzz_item_size(p + at, size - at, item) : MIN(8, size);
        if (at == 0) {
            *item = (FuzzItem) { .type = FUZZ_HEADER };
        }
        if (len == 0 || len > size - at || s->count == FUZZ_ITEMS) {
            *item = (FuzzItem) { .type = FUZZ_REST };
            len = size - at;
        }
        item->bytes = g_byte_array_append(g_byte_array_new(), p + at, (guint)len);
        at += len;
    }
}

/* As much of it as fits; the length. */
static inline size_t fuzz_stream_write(const FuzzStream *s, uint8_t *out, size_t max)
{
    size_t at = 0;
    for (unsigned i = 0; i < s->count; i++) {
        size_t len = MIN(s->item[i].bytes->len, max - at);
        if (len) {
            memcpy(out + at, s->item[i].bytes->data, len);
        }
        at += len;
    }
    return at;
}

static inline void fuzz_stream_clear(FuzzStream *s)
{
    for (unsigned i = 0; i < s->count; i++) {
        g_byte_array_unref(s->item[i].bytes);
    }
    s->count = 0;
}

static inline void fuzz_stream_remove(FuzzStream *s, unsigned i)
{
    g_byte_array_unref(s->item[i].bytes);
    memmove(&s->item[i], &s->item[i + 1], (s->count - i - 1) * sizeof(FuzzItem));
    s->count--;
}

/* Takes a copy of it. */
static inline void fuzz_stream_insert(FuzzStream *s, unsigned i, const FuzzItem *item)
{
    FuzzItem copy = *item;
    if (s->count < FUZZ_ITEMS) {
        copy.bytes = g_byte_array_append(g_byte_array_new(), item->bytes->data, item->bytes->len);
        memmove(&s->item[i + 1], &s->item[i], (s->count - i) * sizeof(FuzzItem));
        s->item[i] = copy;
        s->count++;
    }
}

/* Bytes [at, at + old) of the item become new ones. */
static inline void fuzz_item_replace(FuzzItem *item, guint at, guint old, const void *bytes, guint len)
{
    guint tail = item->bytes->len - at - old;
    g_autofree uint8_t *behind = g_memdup2(item->bytes->data + at + old, tail);
    g_byte_array_set_size(item->bytes, at);
    if (len) {
        g_byte_array_append(item->bytes, bytes, len);
    }
    if (tail) {
        g_byte_array_append(item->bytes, behind, tail);
    }
}

#endif
