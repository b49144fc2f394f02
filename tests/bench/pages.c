/*
 * pages.c - how fast pages are compared, encoded and compressed: one core, GB/s of guest memory.
 *
 * Usage: pages [MiB]       of pages and of their older versions (64 each); more than a cache holds
 *
 * Each line is the best of several runs over all pages. What a page holds is like a program's memory: words that
 * count, pointers that resemble each other, text.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "migration/page-codec.h"
#include "migration/ram.h"
#include "migration/xbzrle.h"

#define PAGE TARGET_PAGE_SIZE
#define RUNS 5

typedef struct Bench {
    size_t pages;
    uint8_t *before, *after;
    uint8_t *out;               /* a page's worth for each page */
    int *len;
} Bench;

static double now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void fill_page(uint64_t *page, uint64_t n)
{
    static const char text[] = "the quick brown fox jumps over the lazy dog; ";
    for (unsigned i = 0; i < PAGE / 8; i++) {
        page[i] = i % 3 == 0 ? n * 1000 + i : i % 3 == 1 ? 0x7f0000000000 + (n * 4096 + i) * 24 % 100000 * 8 : 0;
    }
    for (unsigned i = 0; i + sizeof(text) < PAGE / 4; i += sizeof(text)) {
        memcpy((char *)page + i, text, sizeof(text));
    }
}

/* Runs fn over all pages; the best time of RUNS, in GB/s of pages. */
static double measure(Bench *b, void (*fn)(Bench *b, size_t page, void *opaque), void *opaque)
{
    double best = 1e9;
    for (unsigned run = 0; run < RUNS; run++) {
        double begin = now();
        for (size_t i = 0; i < b->pages; i++) {
            fn(b, i, opaque);
        }
        best = MIN(best, now() - begin);
    }
    return (double)(b->pages * PAGE) / best / 1e9;
}

static void scan_page(Bench *b, size_t i, void *opaque)
{
    b->len[i] = page_is_zero(opaque ? b->out + i * PAGE : b->after + i * PAGE);
}

static void copy_page(Bench *b, size_t i, void *opaque)
{
    memcpy(b->out + i * PAGE, b->after + i * PAGE, PAGE);
}

static void encode_page(Bench *b, size_t i, void *opaque)
{
    b->len[i] = xbzrle_encode(b->before + i * PAGE, b->after + i * PAGE, b->out + i * PAGE);
}

static void decode_page(Bench *b, size_t i, void *opaque)
{
    /* What has been decoded before does not change the work. */
    if (b->len[i] > 0) {
        xbzrle_decode(b->out + i * PAGE, (size_t)b->len[i], b->before + i * PAGE, NULL);
    }
}

/* Changes `runs` runs of `bytes` bytes in each page, spread over it. */
static void bench_delta(Bench *b, const char *what, unsigned runs, unsigned bytes)
{
    uint64_t total = 0;
    for (size_t i = 0; i < b->pages; i++) {
        uint8_t *page = b->after + i * PAGE;
        memcpy(page, b->before + i * PAGE, PAGE);
        for (unsigned r = 0; r < runs; r++) {
            size_t at = (r * (PAGE / runs) + i * 24) % (PAGE - bytes);
            for (unsigned k = 0; k < bytes; k++) {
                page[at + k] ^= (uint8_t)(1 + (at + k) % 255);
            }
        }
    }
    double encode = measure(b, encode_page, NULL);
    for (size_t i = 0; i < b->pages; i++) {
        total += b->len[i] < 0 ? PAGE : (uint64_t)b->len[i];
    }
    bool deltas = total > 0 && total < b->pages * PAGE;
    g_autofree char *decode = deltas ? g_strdup_printf("%.2f", measure(b, decode_page, NULL)) : g_strdup("");
    printf("xbzrle  %-34s %6.2f %8s   %6.1f bytes a page\n", what, encode, decode,
           (double)total / (double)b->pages);
    /* Decoding has changed them. */
    for (size_t i = 0; i < b->pages; i++) {
        fill_page((uint64_t *)(b->before + i * PAGE), i);
    }
}

/* ---- compression ---- */

typedef struct CodecRun {
    const PageCodec *codec;
    void *state;
} CodecRun;

static void compress_page(Bench *b, size_t i, void *opaque)
{
    const CodecRun *c = opaque;
    size_t len;
    if (!c->codec->compress(c->state, b->before + i * PAGE, b->out + i * PAGE, &len, NULL)) {
        abort();
    }
    b->len[i] = (int)len;
}

static void decompress_page(Bench *b, size_t i, void *opaque)
{
    const CodecRun *c = opaque;
    if (b->len[i] && !c->codec->decompress(c->state, b->out + i * PAGE, (size_t)b->len[i], b->after + i * PAGE,
                                           NULL)) {
        abort();
    }
}

static void bench_codec(Bench *b, const PageCodec *codec, unsigned level)
{
    CodecRun in = { codec, codec->compress_new(level, NULL) }, out = { codec, codec->decompress_new(NULL) };
    uint64_t total = 0;
    double compress = measure(b, compress_page, &in);
    for (size_t i = 0; i < b->pages; i++) {
        total += b->len[i] ? (uint64_t)b->len[i] : PAGE;
    }
    double decompress = measure(b, decompress_page, &out);
    printf("%-7s level %u %27s %6.2f %8.2f   %6.1f bytes a page\n", codec->name, level, "", compress, decompress,
           (double)total / (double)b->pages);
    codec->compress_free(in.state);
    codec->decompress_free(out.state);
}

int main(int argc, char **argv)
{
    size_t mib = argc > 1 ? strtoul(argv[1], NULL, 10) : 64;
    Bench b = { .pages = mib * 1024 * 1024 / PAGE };
    b.before = g_malloc(b.pages * PAGE);
    b.after = g_malloc(b.pages * PAGE);
    b.out = g_malloc(b.pages * PAGE);
    memset(b.out, 0, b.pages * PAGE);
    b.len = g_new0(int, b.pages);
    for (size_t i = 0; i < b.pages; i++) {
        fill_page((uint64_t *)(b.before + i * PAGE), i);
        memcpy(b.after + i * PAGE, b.before + i * PAGE, PAGE);
    }
    printf("GB/s of pages, one core             %14s %8s\n", "send", "receive");
    printf("scan    %-34s %6.2f\n", "pages of zeros", measure(&b, scan_page, &b));
    printf("copy    %-34s %6.2f\n", "", measure(&b, copy_page, NULL));
    bench_delta(&b, "unchanged", 1, 0);
    bench_delta(&b, "1 word changed", 1, 8);
    bench_delta(&b, "8 words changed", 8, 8);
    bench_delta(&b, "64 bytes changed, one by one", 64, 1);
    bench_delta(&b, "256 bytes changed, one by one", 256, 1);
    bench_delta(&b, "1000 bytes changed in one run", 1, 1000);
    bench_delta(&b, "everything changed", 1, PAGE - 1);
    for (unsigned level = 1; level <= 6; level += 5) {
        bench_codec(&b, &page_codec_zlib, level);
        if (page_codec_zstd) {
            bench_codec(&b, page_codec_zstd, level);
        }
    }
    return 0;
}
