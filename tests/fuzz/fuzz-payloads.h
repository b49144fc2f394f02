/*
 * fuzz-payloads.h - changes to what frames a section and to what is in it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_TESTS_FUZZ_PAYLOADS_H
#define GODWIT_TESTS_FUZZ_PAYLOADS_H

#include "fuzz-items.h"

/* libFuzzer's own, or replay.c's: changes bytes as it likes; the new length, at most max. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

#define FUZZ_GROWTH 64          /* bytes that a payload gains at most, pages aside */

/* ---- what frames a section ---- */

static inline void fuzz_number(FuzzStream *s, FuzzRand *r)
{
    FuzzItem *item = fuzz_rand_section(s, r);
    if (item && item->bytes->len >= item->head + item->foot) {
        bool named = fuzz_has_name(item);
        guint at = named ? item->head - (fuzz_rand(r, 2) ? 8 : 4) : 1;
        fuzz_put_be(item->bytes->data + at, fuzz_rand_number(r), 4);
    }
}

/* Another section's contents under this one's name. */
static inline void fuzz_rename(FuzzStream *s, FuzzRand *r)
{
    FuzzItem *item = fuzz_rand_section(s, r), *other = fuzz_rand_section(s, r);
    if (item && other && item != other && item->foot && other->foot) {
        fuzz_item_replace(item, item->head, fuzz_body_len(item), other->bytes->data + other->head,
                          fuzz_body_len(other));
    }
}

/* ---- payloads ---- */

static inline void fuzz_field(FuzzStream *s, FuzzRand *r)
{
    FuzzItem *item = fuzz_rand_item(s, r);
    unsigned size = 1u << fuzz_rand(r, 4);
    if (fuzz_body_len(item) >= size) {
        guint at = item->head + fuzz_rand(r, fuzz_body_len(item) - size + 1);
        fuzz_put_be(item->bytes->data + at, fuzz_rand_number(r), size);
    }
}

static inline void fuzz_bits(FuzzStream *s, FuzzRand *r)
{
    FuzzItem *item = fuzz_rand_item(s, r);
    guint len = fuzz_body_len(item);
    if (len) {
        uint8_t *copy = g_malloc(len + FUZZ_GROWTH);
        memcpy(copy, item->bytes->data + item->head, len);
        size_t now = LLVMFuzzerMutate(copy, len, fuzz_rand(r, 4) ? len : len + FUZZ_GROWTH);
        fuzz_item_replace(item, item->head, len, copy, (guint)now);
        g_free(copy);
    }
}

/* Longer or shorter, by the size of a field. */
static inline void fuzz_resize(FuzzStream *s, FuzzRand *r)
{
    static const uint8_t zeroes[FUZZ_GROWTH];
    FuzzItem *item = fuzz_rand_item(s, r);
    guint size = 1u << fuzz_rand(r, 5), len = fuzz_body_len(item);
    guint at = item->head + fuzz_rand(r, len + 1);
    if (fuzz_rand(r, 2)) {
        fuzz_item_replace(item, at, 0, zeroes, size);
    } else if (at + size <= item->head + len) {
        fuzz_item_replace(item, at, size, NULL, 0);
    }
}

/* Where a subsection begins in the payload: u8 5, u8 length, a name with a slash; the item's length if nowhere. */
static inline guint fuzz_find_subsection(const FuzzItem *item, guint from)
{
    const uint8_t *p = item->bytes->data;
    guint end = item->bytes->len - item->foot;
    for (guint at = from; at + 2 < end; at++) {
        if (p[at] == QEMU_VM_SUBSECTION && p[at + 1] > 3 && at + 2 + p[at + 1] + 4 <= end &&
            g_ascii_isalpha(p[at + 2]) && memchr(p + at + 2, '/', p[at + 1])) {
            return at;
        }
    }
    return item->bytes->len;
}

/* A subsection disappears, comes twice, or gets another version. */
static inline void fuzz_subsection(FuzzStream *s, FuzzRand *r)
{
    FuzzItem *item = fuzz_rand_section(s, r);
    guint at = item ? fuzz_find_subsection(item, item->head) : 0;
    for (unsigned skip = fuzz_rand(r, 4); item && skip && at < item->bytes->len; skip--) {
        guint next = fuzz_find_subsection(item, at + 1);
        at = next < item->bytes->len ? next : at;
    }
    if (!item || at >= item->bytes->len) {
        return;
    }
    guint next = MIN(fuzz_find_subsection(item, at + 1), item->bytes->len - item->foot);
    g_autofree uint8_t *copy = g_memdup2(item->bytes->data + at, next - at);
    switch (fuzz_rand(r, 3)) {
    case 0:
        fuzz_item_replace(item, at, next - at, NULL, 0);
        break;
    case 1:
        fuzz_item_replace(item, next, 0, copy, next - at);
        break;
    default:
        fuzz_put_be(item->bytes->data + at + 2 + copy[1], fuzz_rand_number(r), 4);
        break;
    }
}

/* ---- RAM ---- */

/* A record of any kind, for a place that there may be or not, with as much data as belongs to it. */
static inline GByteArray *fuzz_record(FuzzRand *r)
{
    static const unsigned kinds[] = {
        RAM_SAVE_FLAG_ZERO, RAM_SAVE_FLAG_PAGE, RAM_SAVE_FLAG_MEM_SIZE, RAM_SAVE_FLAG_EOS, RAM_SAVE_FLAG_XBZRLE,
        RAM_SAVE_FLAG_COMPRESS_PAGE, RAM_SAVE_FLAG_HOOK, RAM_SAVE_FLAG_MULTIFD_FLUSH, 0,
        RAM_SAVE_FLAG_ZERO | RAM_SAVE_FLAG_GODWIT_RUN, RAM_SAVE_FLAG_PAGE | RAM_SAVE_FLAG_GODWIT_RUN,
    };
    static const char *const names[] = { "riscv_virt_board.ram", "riscv_virt_board.mrom", "virt.flash0", "", "ram" };
    unsigned flags = kinds[fuzz_rand(r, G_N_ELEMENTS(kinds))];
    uint8_t head[8], data[TARGET_PAGE_SIZE] = { (uint8_t)fuzz_rand(r, 256) };
    if (fuzz_rand(r, 2)) {
        flags |= RAM_SAVE_FLAG_CONTINUE;
    }
    uint64_t offset = fuzz_rand(r, 2) ? fuzz_rand(r, 2048) * (uint64_t)TARGET_PAGE_SIZE : fuzz_rand_number(r);
    fuzz_put_be(head, (offset & TARGET_PAGE_MASK) | flags, 8);
    GByteArray *bytes = g_byte_array_append(g_byte_array_new(), head, 8);
    if (!(flags & RAM_SAVE_FLAG_CONTINUE)) {
        const char *name = names[fuzz_rand(r, G_N_ELEMENTS(names))];
        uint8_t len = (uint8_t)strlen(name);
        g_byte_array_append(bytes, &len, 1);
        g_byte_array_append(bytes, (const uint8_t *)name, len);
    }
    if (flags & RAM_SAVE_FLAG_GODWIT_RUN) {
        fuzz_put_be(head, fuzz_rand(r, 2) ? 1 : fuzz_rand_number(r), 4);
        g_byte_array_append(bytes, head, 4);
    } else if (flags & RAM_SAVE_FLAG_XBZRLE) {
        /* Encoding and length; what follows are lengths of what stays and what comes. */
        fuzz_put_be(head, 1, 1);
        fuzz_put_be(head + 1, fuzz_rand(r, 40), 2);
        g_byte_array_append(bytes, head, 3);
        fuzz_put_be(data, ((uint64_t)fuzz_rand_number(r) << 32) ^ fuzz_rand(r, 0x8000), 8);
    }
    guint size = flags & RAM_SAVE_FLAG_PAGE ? TARGET_PAGE_SIZE : flags & RAM_SAVE_FLAG_ZERO ? 1 : fuzz_rand(r, 40);
    return g_byte_array_append(bytes, data, size);
}

/* It goes to the front of a RAM section, or before its last record. */
static inline void fuzz_ram(FuzzStream *s, FuzzRand *r)
{
    FuzzItem *item = fuzz_rand_section(s, r);
    if (item && fuzz_body_len(item) >= 8 && item->type != QEMU_VM_SECTION_FULL) {
        GByteArray *record = fuzz_record(r);
        guint at = fuzz_rand(r, 2) ? item->head : item->bytes->len - item->foot - 8;
        fuzz_item_replace(item, at, 0, record->data, record->len);
        g_byte_array_unref(record);
    }
}

#endif
