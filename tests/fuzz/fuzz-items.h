/*
 * fuzz-items.h - numbers and items of a stream by a seed, and changes to whole items.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_TESTS_FUZZ_ITEMS_H
#define GODWIT_TESTS_FUZZ_ITEMS_H

#include "fuzz-stream.h"

typedef struct FuzzRand {
    uint64_t state;
} FuzzRand;

static inline uint32_t fuzz_rand(FuzzRand *r, uint32_t below)
{
    r->state = r->state * 6364136223846793005u + 1442695040888963407u;
    return below ? (uint32_t)(r->state >> 33) % below : 0;
}

/* What a length, a count, an index or an address is likely to be checked against, or not. */
static inline uint64_t fuzz_rand_number(FuzzRand *r)
{
    static const uint64_t edges[] = {
        0, 1, 2, 7, 8, 31, 32, 64, 127, 128, 255, 256, 1023, 1024, 1025, 4095, 4096, 32767, 32768, 65535, 65536,
        0x7fffffff, 0x80000000, 0xffffffff, 0x80000000 + (4 << 20), INT64_MAX, (uint64_t)INT64_MAX + 1, UINT64_MAX,
        0xfffff000, 0x10001000, 0x80001000,
    };
    uint64_t v = edges[fuzz_rand(r, G_N_ELEMENTS(edges))];
    switch (fuzz_rand(r, 4)) {
    case 0:
        return v + fuzz_rand(r, 5) - 2;
    case 1:
        return fuzz_rand(r, 256);
    default:
        return v;
    }
}

static inline FuzzItem *fuzz_rand_item(FuzzStream *s, FuzzRand *r)
{
    return &s->item[fuzz_rand(r, s->count)];
}

/* A section; NULL if a few tries find none. */
static inline FuzzItem *fuzz_rand_section(FuzzStream *s, FuzzRand *r)
{
    for (int i = 0; i < 8; i++) {
        FuzzItem *item = fuzz_rand_item(s, r);
        if (fuzz_is_section(item)) {
            return item;
        }
    }
    return NULL;
}

static inline guint fuzz_body_len(const FuzzItem *item)
{
    return item->bytes->len - item->head - item->foot;
}

/* ---- items ---- */

static inline void fuzz_drop(FuzzStream *s, FuzzRand *r)
{
    if (s->count > 1) {
        fuzz_stream_remove(s, fuzz_rand(r, s->count));
    }
}

static inline void fuzz_double(FuzzStream *s, FuzzRand *r)
{
    unsigned i = fuzz_rand(r, s->count);
    fuzz_stream_insert(s, i + fuzz_rand(r, s->count - i) + 1, &s->item[i]);
}

static inline void fuzz_swap(FuzzStream *s, FuzzRand *r)
{
    unsigned a = fuzz_rand(r, s->count), b = fuzz_rand(r, s->count);
    FuzzItem one = s->item[a];
    s->item[a] = s->item[b];
    s->item[b] = one;
}

static inline void fuzz_cut(FuzzStream *s, FuzzRand *r)
{
    FuzzItem *item = fuzz_rand_item(s, r);
    g_byte_array_set_size(item->bytes, fuzz_rand(r, item->bytes->len + 1));
    item->type = FUZZ_REST;
    item->head = item->foot = 0;
}

/* A command, known or not. */
static inline void fuzz_command(FuzzStream *s, FuzzRand *r)
{
    static const uint16_t commands[] = {
        MIG_CMD_OPEN_RETURN_PATH, MIG_CMD_PING, MIG_CMD_GODWIT_GO, 0, 3, 0xffff,
    };
    uint8_t bytes[5 + 8] = { QEMU_VM_COMMAND };
    uint16_t len = (uint16_t)(fuzz_rand(r, 3) * 4);
    fuzz_put_be(bytes + 1, commands[fuzz_rand(r, G_N_ELEMENTS(commands))], 2);
    fuzz_put_be(bytes + 3, len, 2);
    FuzzItem item = { .type = QEMU_VM_COMMAND, .bytes = g_byte_array_append(g_byte_array_new(), bytes, 5 + len) };
    fuzz_stream_insert(s, 1 + fuzz_rand(r, s->count), &item);
    g_byte_array_unref(item.bytes);
}

#endif
