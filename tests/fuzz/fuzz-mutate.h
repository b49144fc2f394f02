/*
 * fuzz-mutate.h - changes a migration stream as its writer would have had to, item by item, field by field.
 *
 * No state; one thread.  Framing, names and footers stay what they must be unless they are what is changed, so
 * that most inputs get as far as the devices.  Everything follows from the seed.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_TESTS_FUZZ_MUTATE_H
#define GODWIT_TESTS_FUZZ_MUTATE_H

#include "fuzz-payloads.h"

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);
size_t LLVMFuzzerCustomCrossOver(const uint8_t *one, size_t one_size, const uint8_t *two, size_t two_size,
                                 uint8_t *out, size_t max, unsigned seed);

#define FUZZ_CHANGES 3          /* at once, at most */

static inline void fuzz_change(FuzzStream *s, FuzzRand *r)
{
    typedef void Change(FuzzStream *s, FuzzRand *r);
    static Change *const changes[] = {
        fuzz_drop, fuzz_double, fuzz_swap, fuzz_cut, fuzz_command, fuzz_number, fuzz_rename, fuzz_resize,
        fuzz_subsection, fuzz_ram, fuzz_field, fuzz_field, fuzz_field, fuzz_field, fuzz_bits, fuzz_bits,
    };
    if (s->count) {
        changes[fuzz_rand(r, G_N_ELEMENTS(changes))](s, r);
    }
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
    FuzzRand r = { seed };
    FuzzStream s;
    if (size == 0 || fuzz_rand(&r, 32) == 0) {
        return LLVMFuzzerMutate(data, size, max);
    }
    fuzz_stream_read(&s, data, size);
    for (unsigned i = 1 + fuzz_rand(&r, FUZZ_CHANGES); i; i--) {
        fuzz_change(&s, &r);
    }
    size_t len = fuzz_stream_write(&s, data, max);
    fuzz_stream_clear(&s);
    return len;
}

static inline bool fuzz_same_section(const FuzzItem *a, const FuzzItem *b)
{
    return fuzz_has_name(a) && fuzz_has_name(b) && a->head == b->head && a->foot && b->foot &&
           memcmp(a->bytes->data + 5, b->bytes->data + 5, a->head - 5) == 0;
}

/* Some sections of one as two has them. */
size_t LLVMFuzzerCustomCrossOver(const uint8_t *one, size_t one_size, const uint8_t *two, size_t two_size,
                                 uint8_t *out, size_t max, unsigned seed)
{
    FuzzRand r = { seed };
    FuzzStream a, b;
    fuzz_stream_read(&a, one, one_size);
    fuzz_stream_read(&b, two, two_size);
    for (unsigned i = 0; i < a.count; i++) {
        for (unsigned k = 0; k < b.count && fuzz_rand(&r, 2); k++) {
            if (fuzz_same_section(&a.item[i], &b.item[k])) {
                fuzz_item_replace(&a.item[i], a.item[i].head, fuzz_body_len(&a.item[i]),
                                  b.item[k].bytes->data + b.item[k].head, fuzz_body_len(&b.item[k]));
                break;
            }
        }
    }
    size_t len = fuzz_stream_write(&a, out, max);
    fuzz_stream_clear(&a);
    fuzz_stream_clear(&b);
    return len;
}

#endif
