/*
 * test-ram-senders.c - every sender of RAM: whatever a guest writes and whenever, the destination has it.
 *
 * Two machines without harts. A thread is the guest: it writes into pages while they are being sent.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <glib.h>
#include <inttypes.h>
#include <string.h>

#include "migration/page-codec.h"
#include "migration/ram-internal.h"
#include "migration/wire.h"
#include "ram-machine.h"

#define PAGES 600u
#define PAGE TARGET_PAGE_SIZE

typedef struct Pair {
    Machine *src, *dst;
    RAMMigration *out, *in;
    RAMBlock *ram;
    QEMUFile *f;
    GRand *rand;                /* the guest's */
    GThread *guest;
    atomic_bool stop;
    atomic_bool pause, paused;  /* the hammer shall rest; it rests */
    atomic_uint writes;
} Pair;

static Machine *new_machine(void)
{
    Machine *m = ram_machine_new(true);
    machine_lock(m);
    g_assert_nonnull(ram_block_new(m, "main", (PAGES - 3) * PAGE, NULL));
    g_assert_nonnull(ram_block_new(m, "side", 3 * PAGE, NULL));
    machine_unlock(m);
    return m;
}

static Pair *pair_new(const RAMSaveConfig *config)
{
    Pair *p = g_new0(Pair, 1);
    p->src = new_machine();
    p->dst = new_machine();
    p->out = p->src->ram_migration;
    p->in = p->dst->ram_migration;
    p->ram = ram_block_find(p->src, "main");
    p->f = qemu_file_new_memory();
    p->rand = g_rand_new_with_seed((guint32)g_test_rand_int());
    machine_lock(p->src);
    ram_migration_configure(p->src, config);
    g_assert_true(ram_save_setup(p->f, p->out, NULL));
    machine_unlock(p->src);
    g_assert_true(ram_load_setup(p->f, p->in, NULL));
    return p;
}

static void pair_free(Pair *p)
{
    machine_lock(p->src);
    ram_save_cleanup(p->out);
    machine_unlock(p->src);
    ram_load_cleanup(p->in);
    qemu_fclose(p->f, NULL);
    g_rand_free(p->rand);
    machine_free(p->src);
    machine_free(p->dst);
    g_free(p);
}

/* What has been sent since the last time arrives. */
static void arrive(Pair *p)
{
    size_t len;
    Error *err = NULL;
    g_autofree uint8_t *bytes = qemu_file_take_buffer(p->f, &len);
    QEMUFile *in = qemu_file_new_from_buffer(bytes, len);
    while (qemu_ftell(in) < len) {
        if (!ram_load_state(in, p->in, 4, &err)) {
            g_error("%s", error_get_pretty(err));
        }
    }
    qemu_fclose(in, NULL);
}

static void send_round(Pair *p)
{
    Error *err = NULL;
    for (bool done = false; !done;) {
        if (!ram_save_iterate(p->f, p->out, &done, &err)) {
            g_error("%s", error_get_pretty(err));
        }
    }
    arrive(p);
    ram_save_pending(p->out, true);
}

/* The rest; the guest stands still. The copies must be equal. */
static void finish(Pair *p)
{
    g_assert_true(ram_save_complete(p->f, p->out, NULL));
    arrive(p);
    for (RAMBlock *block = ram_block_first(p->src); block; block = block->next) {
        const RAMBlock *copy = ram_block_find(p->dst, block->idstr);
        for (uint64_t at = 0; at < block->used_length; at += PAGE) {
            if (memcmp(block->host + at, copy->host + at, PAGE) != 0) {
                g_error("page %" PRIu64 " of \"%s\" is another", at / PAGE, block->idstr);
            }
        }
    }
}

/* ---- the guest ---- */

/* A guest's stores race with whoever reads its memory, as those of harts do. */
__attribute__((no_sanitize("thread")))
static void put_byte(uint8_t *p, uint8_t value)
{
    *(volatile uint8_t *)p = value;
}

static void put(Pair *p, unsigned page, unsigned at, unsigned len, int value)
{
    uint8_t *host = p->ram->host + page * PAGE;
    for (unsigned i = at; i < MIN(at + len, PAGE); i++) {
        put_byte(host + i, value < 0 ? (uint8_t)g_rand_int(p->rand) : (uint8_t)value);
    }
    ram_block_set_dirty(p->ram, page * PAGE, PAGE);
    atomic_fetch_add(&p->writes, 1);
}

/* A few bytes, a lot of them, a page that compresses well, or zeros; in pages that come again and again. */
static void write_something(Pair *p)
{
    unsigned page = (unsigned)g_rand_int_range(p->rand, 0, g_rand_boolean(p->rand) ? 40 : PAGES - 3);
    unsigned at = (unsigned)g_rand_int_range(p->rand, 0, PAGE);
    switch (g_rand_int_range(p->rand, 0, 8)) {
    case 0:
        put(p, page, 0, PAGE, -1);
        break;
    case 1:
        put(p, page, 0, PAGE, 0);
        break;
    case 2:
        put(p, page, 0, PAGE, (int)(page & 0xff));
        break;
    default:
        put(p, page, at, 16, -1);
    }
}

static gpointer guest_thread(gpointer opaque)
{
    Pair *p = opaque;
    while (!atomic_load(&p->stop)) {
        write_something(p);
    }
    return NULL;
}

static void guest_start(Pair *p)
{
    atomic_store(&p->stop, false);
    p->guest = g_thread_new("guest", guest_thread, p);
}

static void guest_stop(Pair *p)
{
    atomic_store(&p->stop, true);
    g_thread_join(p->guest);
}

/* Until the guest has done something more. */
static void wait_for_guest(Pair *p, unsigned writes)
{
    unsigned before = atomic_load(&p->writes);
    while (atomic_load(&p->writes) < before + writes) {
        g_thread_yield();
    }
}

/* ---- tests ---- */

static const RAMSaveConfig plain, runs = { .runs = true }, xbzrle = { .xbzrle = true, .cache_bytes = 64 * PAGE },
    large_cache = { .xbzrle = true, .cache_bytes = 1024 * PAGE };
static const RAMSaveConfig zlib = { .codec = &page_codec_zlib, .level = 1, .threads = 3, .wait = true };
static const RAMSaveConfig impatient = { .codec = &page_codec_zlib, .level = 9, .threads = 1 };
static const RAMSaveConfig stored = { .codec = &page_codec_zlib, .level = 0, .threads = 2, .wait = true };
static RAMSaveConfig zstd = { .level = 3, .threads = 2, .wait = true };

/* A guest that never stops writing is sent in rounds, and arrives. */
static void test_busy(const void *config)
{
    Pair *p = pair_new(config);
    guest_start(p);
    for (unsigned round = 0; round < 25; round++) {
        send_round(p);
        wait_for_guest(p, 20);
    }
    guest_stop(p);
    finish(p);
    pair_free(p);
}

#define HAMMERED 8      /* pages */

/* Writes into the words of a few pages, over and over, but for pauses. */
static gpointer hammer_thread(gpointer opaque)
{
    Pair *p = opaque;
    for (unsigned n = 0; !atomic_load(&p->stop); n++) {
        while (atomic_load(&p->pause) && !atomic_load(&p->stop)) {
            atomic_store(&p->paused, true);
        }
        atomic_store(&p->paused, false);
        for (unsigned i = 0; i < HAMMERED * PAGE && !atomic_load(&p->pause); i += 8) {
            put_byte(p->ram->host + i, n & 1);       /* what was before comes again */
            ram_block_set_dirty(p->ram, i, 1);
        }
        atomic_fetch_add(&p->writes, 1);
    }
    return NULL;
}

/*
 * Pages change while they are copied. What is kept of one must be what was sent: if the two were read one after the
 * other they would differ, and the next difference would be made from something that the destination does not have.
 * A store that falls between the two is lost for good, unless another one follows: so look at once.
 */
static void test_torn(const void *config)
{
    Pair *p = pair_new(config);
    const RAMBlock *copy = ram_block_find(p->dst, "main");
    p->guest = g_thread_new("hammer", hammer_thread, p);
    for (unsigned round = 0; round < 300; round++) {
        wait_for_guest(p, 1);
        /* Every now and then the cache forgets. */
        ram_migration_set_cache_size(p->src, (round % 4 ? 64 : 1) * PAGE);
        send_round(p);
        wait_for_guest(p, 1 + round % 2);
        send_round(p);
        atomic_store(&p->pause, true);
        while (!atomic_load(&p->paused)) {
            g_thread_yield();
        }
        ram_save_pending(p->out, true);
        send_round(p);
        g_assert_cmpmem(p->ram->host, HAMMERED * PAGE, copy->host, HAMMERED * PAGE);
        atomic_store(&p->paused, false);
        atomic_store(&p->pause, false);
    }
    guest_stop(p);
    finish(p);
    pair_free(p);
}

/* Every counter is what was done. */
static void test_xbzrle_counts(void)
{
    Pair *p = pair_new(&xbzrle);
    const RAMCounters *c = &p->out->counters;
    g_assert_cmpuint(c->cache_bytes, ==, 64 * PAGE);
    put(p, 7, 0, PAGE, -1);
    send_round(p);
    /* Zeros, and one page whole; none of them is kept. (Written while tracked: it is sent again.) */
    g_assert_cmpuint(c->duplicate, ==, PAGES - 1);
    g_assert_cmpuint(c->normal, ==, 1);
    g_assert_cmpuint(c->xbzrle_misses, ==, 0);
    send_round(p);
    g_assert_cmpuint(c->xbzrle_misses, ==, 1);
    g_assert_cmpuint(c->normal, ==, 2);
    p->ram->host[7 * PAGE + 100] ^= 1;
    put(p, 7, 500, 0, 0);
    ram_save_pending(p->out, true);
    send_round(p);
    g_assert_cmpuint(c->xbzrle_pages, ==, 1);
    /* Head, block's name, encoding, length, two numbers, a byte. */
    g_assert_cmpuint(c->xbzrle_bytes, ==, 8 + 5 + 3 + 2 + 1);
    g_assert_cmpuint(c->normal, ==, 2);
    /* Dirty, but the same: counted, and takes nothing. */
    put(p, 7, 500, 0, 0);
    ram_save_pending(p->out, true);
    uint64_t before = c->transferred;
    send_round(p);
    g_assert_cmpuint(c->xbzrle_pages, ==, 2);
    g_assert_cmpuint(c->transferred - before, ==, 8);
    /* Wholly new: whole, and kept. */
    put(p, 7, 0, PAGE, -1);
    ram_save_pending(p->out, true);
    send_round(p);
    g_assert_cmpuint(c->xbzrle_overflows, ==, 1);
    g_assert_cmpuint(c->normal, ==, 3);
    /* Zeros are kept as well. */
    put(p, 7, 0, PAGE, 0);
    ram_save_pending(p->out, true);
    send_round(p);
    g_assert_cmpuint(c->duplicate, ==, PAGES);
    put(p, 7, 9, 1, 1);
    ram_save_pending(p->out, true);
    send_round(p);
    g_assert_cmpuint(c->xbzrle_pages, ==, 3);
    g_assert_cmpuint(c->xbzrle_misses, ==, 1);
    g_assert_cmpuint(ram_counters_pages(&p->in->counters), ==, PAGES + 3 + 2);
    finish(p);
    pair_free(p);
}

/* What is left is counted in bytes of the stream as soon as a round has shown what a page takes. */
static void test_pace(const void *config)
{
    Pair *p = pair_new(config);
    for (unsigned round = 0; round < 5; round++) {
        uint64_t bytes = 100 * PAGE;
        int64_t ns;
        for (unsigned page = 0; page < 100; page++) {
            put(p, page, 8 * round, 1, 1);
        }
        if (round) {
            ram_save_pending(p->out, true);
        }
        ram_migration_expect(p->src, &bytes, &ns);
        /* Behind the first round pages still go whole with xbzrle; two rounds count. */
        if (config == &plain || config == &runs || round < 2) {
            g_assert_cmpuint(bytes, ==, 100 * PAGE);
            g_assert_cmpint(ns, ==, 0);
        } else if (round == 4) {
            g_assert_cmpuint(bytes, <, 100 * 100);
            g_assert_cmpuint(bytes, >, 100 * 8);
            g_assert_cmpint(ns, >, 0);
        }
        send_round(p);
    }
    pair_free(p);
}

/* The cache gets another size in the middle of a round; what is in it stays. */
static void test_xbzrle_resize(void)
{
    static const uint64_t sizes[] = { 1, 512, 1024, 32, 2, 256 };
    Pair *p = pair_new(&xbzrle);
    guest_start(p);
    for (unsigned i = 0; i < G_N_ELEMENTS(sizes) * 3; i++) {
        uint64_t bytes = sizes[i % G_N_ELEMENTS(sizes)] * PAGE;
        bool done = false;
        g_assert_true(ram_save_iterate(p->f, p->out, &done, NULL));
        ram_migration_set_cache_size(p->src, bytes);
        send_round(p);
        wait_for_guest(p, 20);
        ram_save_pending(p->out, true);
        send_round(p);
    }
    guest_stop(p);
    g_assert_cmpuint(p->out->counters.cache_bytes, ==, sizes[G_N_ELEMENTS(sizes) - 1] * PAGE);
    /* A size that no memory has: the old one stays. */
    ram_migration_set_cache_size(p->src, UINT64_C(1) << 62);
    put(p, 3, 0, 1, 3);
    finish(p);
    g_assert_cmpuint(p->out->counters.cache_bytes, ==, sizes[G_N_ELEMENTS(sizes) - 1] * PAGE);
    pair_free(p);
}

/* What waits in the stream has left before the cache moves: else it would be read from where nothing is any more. */
static void test_xbzrle_waiting(void)
{
    Pair *p = pair_new(&xbzrle);
    send_round(p);
    for (unsigned round = 0; round < 6; round++) {
        bool done = false;
        for (unsigned page = 0; page < 20; page++) {
            put(p, page, 0, PAGE, -1);
        }
        ram_migration_set_cache_size(p->src, (round % 2 ? 1024 : 32) * PAGE);
        ram_save_pending(p->out, true);
        while (!done) {
            g_assert_true(ram_save_iterate(p->f, p->out, &done, NULL));
        }
    }
    finish(p);
    pair_free(p);
}

/* After a run, the next that is not told otherwise sends pages whole. */
static void test_plain_again(void)
{
    Pair *p = pair_new(&xbzrle);
    send_round(p);
    machine_lock(p->src);
    ram_save_cleanup(p->out);
    g_assert_true(ram_save_setup(p->f, p->out, NULL));
    machine_unlock(p->src);
    g_assert_cmpstr(p->out->sender->name, ==, "plain");
    g_assert_cmpuint(p->out->counters.cache_bytes, ==, 0);
    finish(p);
    pair_free(p);
}

/* There is no memory for it: the run fails, and says why. */
static void test_xbzrle_no_memory(void)
{
    const RAMSaveConfig huge = { .xbzrle = true, .cache_bytes = UINT64_C(1) << 62 };
    Pair *p = pair_new(&plain);
    Error *err = NULL;
    machine_lock(p->src);
    ram_save_cleanup(p->out);
    ram_migration_configure(p->src, &huge);
    g_assert_false(ram_save_setup(p->f, p->out, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "no memory for a page cache"));
    error_free(err);
    machine_unlock(p->src);
    pair_free(p);
}

static void test_compress_counts(void)
{
    Pair *p = pair_new(&zlib);
    const RAMCounters *c = &p->out->counters;
    put(p, 7, 0, PAGE, -1);         /* does not compress */
    put(p, 8, 0, PAGE, 8);
    put(p, 9, 100, 1, 9);
    send_round(p);
    g_assert_cmpuint(c->duplicate, ==, PAGES - 3);
    g_assert_cmpuint(c->normal, ==, 1);
    g_assert_cmpuint(c->compress_pages, ==, 2);
    g_assert_cmpuint(c->compress_bytes, <, 200);
    g_assert_cmpuint(c->compress_batches, ==, (PAGES - 3 + RAM_BATCH_PAGES - 1) / RAM_BATCH_PAGES + 1);
    g_assert_cmpuint(ram_counters_pages(&p->in->counters), ==, PAGES);
    g_assert_cmpuint(p->in->counters.transferred, ==, c->transferred);
    finish(p);
    pair_free(p);
}

/* ---- a thread that fails ---- */

static atomic_int pages_left;

static bool weak_compress(void *state, const uint8_t *page, uint8_t *out, size_t *len, Error **errp)
{
    if (atomic_fetch_sub(&pages_left, 1) <= 0) {
        error_setg(errp, "the compressor is weary");
        return false;
    }
    return page_codec_zlib.compress(state, page, out, len, errp);
}

static void *weak_new(unsigned level, Error **errp)
{
    if (level == 9) {
        error_setg(errp, "the compressor does not get up");
        return NULL;
    }
    return page_codec_zlib.compress_new(level, errp);
}

/* After any number of pages: the run fails with the thread's reason, and can be cleaned up. */
static void test_compress_fails(void)
{
    PageCodec weak = page_codec_zlib;
    weak.compress = weak_compress;
    weak.compress_new = weak_new;
    RAMSaveConfig config = { .codec = &weak, .level = 1, .threads = 3, .wait = true };
    for (int after = 0; after < 300; after += 7) {
        Pair *p = pair_new(&config);
        Error *err = NULL;
        bool ok = true, done = false;
        atomic_store(&pages_left, after);
        for (unsigned page = 0; page < 400; page++) {
            put(p, page, 0, 8, 1);
        }
        while (ok && !done) {
            ok = ram_save_iterate(p->f, p->out, &done, &err);
        }
        g_assert_false(ok);
        g_assert_cmpstr(error_get_pretty(err), ==, "the compressor is weary");
        error_free(err);
        pair_free(p);
    }
    Pair *p = pair_new(&plain);
    Error *err = NULL;
    machine_lock(p->src);
    ram_save_cleanup(p->out);
    config.level = 9;
    ram_migration_configure(p->src, &config);
    g_assert_false(ram_save_setup(p->f, p->out, &err));
    g_assert_cmpstr(error_get_pretty(err), ==, "the compressor does not get up");
    error_free(err);
    machine_unlock(p->src);
    pair_free(p);
}

/* A run that ends anywhere leaves no thread and no memory behind. */
static void test_abandoned(const void *config)
{
    for (unsigned pieces = 0; pieces < 4; pieces++) {
        Pair *p = pair_new(config);
        bool done;
        guest_start(p);
        for (unsigned i = 0; i < pieces; i++) {
            g_assert_true(ram_save_iterate(p->f, p->out, &done, NULL));
        }
        machine_lock(p->src);
        ram_save_cleanup(p->out);
        machine_unlock(p->src);
        guest_stop(p);
        pair_free(p);
    }
}

/* ---- what arrives ---- */

typedef struct Stream {
    QEMUFile *f;
    RAMWire w;
    Pair *p;
} Stream;

static Stream stream_new(void)
{
    QEMUFile *f = qemu_file_new_memory();
    return (Stream){ .f = f, .w = { .f = f }, .p = pair_new(&plain) };
}

static void put_zlib(Stream *s, unsigned page, uint8_t value)
{
    uint8_t bytes[PAGE], out[PAGE_CODEC_ROOM];
    size_t len;
    void *z = page_codec_zlib.compress_new(1, NULL);
    memset(bytes, value, PAGE);
    g_assert_true(page_codec_zlib.compress(z, bytes, out, &len, NULL));
    page_codec_zlib.compress_free(z);
    ram_wire_put_compressed(&s->w, s->p->ram, page * PAGE, out, (uint32_t)len);
}

static bool stream_load(Stream *s, Error **errp)
{
    size_t len;
    ram_wire_put_eos(&s->w);
    g_autofree uint8_t *bytes = qemu_file_take_buffer(s->f, &len);
    QEMUFile *in = qemu_file_new_from_buffer(bytes, len);
    bool ok = ram_load_state(in, s->p->in, 4, errp);
    qemu_fclose(in, NULL);
    if (!ok) {
        ram_load_cleanup(s->p->in);
    }
    return ok;
}

static void stream_free(Stream *s)
{
    qemu_fclose(s->f, NULL);
    pair_free(s->p);
}

/* The last version of a page counts, in whatever way the two came. */
static void test_order(void)
{
    Stream s = stream_new();
    const RAMBlock *copy = ram_block_find(s.p->dst, "main");
    uint8_t whole[PAGE];
    memset(whole, 3, PAGE);
    put_zlib(&s, 10, 1);
    ram_wire_put_page_bytes(&s.w, s.p->ram, 10 * PAGE, whole);
    qemu_fflush(s.f);
    put_zlib(&s, 20, 1);
    put_zlib(&s, 21, 1);
    ram_wire_put_zero(&s.w, s.p->ram, 20 * PAGE);
    put_zlib(&s, 30, 1);
    put_zlib(&s, 31, 7);
    ram_wire_put_xbzrle(&s.w, s.p->ram, 31 * PAGE, (const uint8_t *)"\0\1\x09", 3);
    put_zlib(&s, 40, 1);
    const RAMRun run = { .block = s.p->ram, .offset = 39 * PAGE, .pages = 2, .zero = true };
    ram_wire_put_run(&s.w, &run);
    put_zlib(&s, 50, 1);
    for (unsigned i = 0; i < 200; i++) {
        put_zlib(&s, 60 + i, (uint8_t)(i + 1));
    }
    for (unsigned i = 0; i < 200; i++) {
        put_zlib(&s, 60 + i, (uint8_t)(i + 2));
    }
    put_zlib(&s, 50, 5);
    g_assert_true(stream_load(&s, NULL));
    static const struct { unsigned page; uint8_t value; } expected[] = {
        { 10, 3 }, { 20, 0 }, { 21, 1 }, { 30, 1 }, { 31, 9 }, { 40, 0 }, { 50, 5 }, { 60, 2 }, { 259, 201 },
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(expected); i++) {
        g_assert_cmpuint(copy->host[expected[i].page * PAGE], ==, expected[i].value);
    }
    g_assert_cmpuint(copy->host[31 * PAGE + 1], ==, 7);
    stream_free(&s);
}

static void expect_refused(const void *data, uint32_t len, const char *why)
{
    Stream s = stream_new();
    Error *err = NULL;
    put_zlib(&s, 1, 1);
    ram_wire_put_compressed(&s.w, s.p->ram, 2 * PAGE, data, len);
    g_assert_false(stream_load(&s, &err));
    if (!strstr(error_get_pretty(err), why) || !strstr(error_get_pretty(err), "page at 0x2000 of RAM block \"main\"")) {
        g_error("'%s' is not in '%s'", why, error_get_pretty(err));
    }
    error_free(err);
    /* The machine takes another stream then. */
    g_assert_true(ram_load_setup(s.f, s.p->in, NULL));
    s.w.last_block = NULL;
    put_zlib(&s, 2, 9);
    g_assert_true(stream_load(&s, NULL));
    g_assert_cmpuint(ram_block_find(s.p->dst, "main")->host[2 * PAGE], ==, 9);
    stream_free(&s);
}

/* Bits that have turned over in a compressed page are noticed: both codecs have a checksum. */
static void test_checksum(void)
{
    const PageCodec *const codecs[] = { &page_codec_zlib, page_codec_zstd };
    uint8_t page[PAGE], out[PAGE_CODEC_ROOM], back[PAGE];
    for (unsigned i = 0; i < PAGE; i++) {
        page[i] = (uint8_t)(i * i * 2654435761u >> 28);
    }
    for (unsigned c = 0; c < G_N_ELEMENTS(codecs) && codecs[c]; c++) {
        size_t len;
        unsigned flips = 0, missed = 0;
        void *in = codecs[c]->compress_new(1, NULL), *state = codecs[c]->decompress_new(NULL);
        g_assert_true(codecs[c]->compress(in, page, out, &len, NULL));
        g_assert_cmpuint(len, >, 1000);
        for (size_t bit = 0; bit < len * 8; bit += 7) {
            out[bit / 8] ^= 1 << bit % 8;
            bool ok = codecs[c]->decompress(state, out, len, back, NULL);
            flips++;
            missed += ok && memcmp(page, back, PAGE) != 0;
            out[bit / 8] ^= 1 << bit % 8;
        }
        /* Of such small numbers zlib's does not see everything. */
        g_assert_cmpuint(missed, <=, codecs[c] == &page_codec_zlib ? flips / 100 : 0);
        g_assert_true(codecs[c]->decompress(state, out, len, back, NULL));
        codecs[c]->compress_free(in);
        codecs[c]->decompress_free(state);
    }
}

static void test_broken_pages(void)
{
    uint8_t page[2 * PAGE] = { 0 }, out[PAGE_CODEC_ROOM], noise[PAGE_CODEC_MAX + 1];
    size_t len;
    for (size_t i = 0; i < sizeof(noise); i++) {
        noise[i] = (uint8_t)g_test_rand_int();
    }
    noise[0] = 0x77, noise[1] = 0;     /* never a multiple of 31, as a header is */
    expect_refused(noise, sizeof(noise) - 1, "zlib cannot decompress a page: incorrect header check");
    expect_refused(noise, sizeof(noise), "4353 bytes compressed");
    expect_refused(noise, 0, "0 bytes compressed");
    void *z = page_codec_zlib.compress_new(1, NULL);
    g_assert_true(page_codec_zlib.compress(z, page, out, &len, NULL));
    page_codec_zlib.compress_free(z);
    expect_refused(out, (uint32_t)len - 1, "zlib cannot decompress a page");
    out[len] = 0;
    expect_refused(out, (uint32_t)len + 1, "leave 1 over");
    out[len - 1] ^= 1;
    expect_refused(out, (uint32_t)len, "incorrect data check");
    /* "x" alone, and a page with one byte too many. */
    static const uint8_t short_page[] = { 0x78, 0x9c, 0xab, 0x00, 0x00, 0x00, 0x79, 0x00, 0x79 };
    expect_refused(short_page, sizeof(short_page), "give 1 bytes of a page");
    static const uint8_t magic[] = { 0x28, 0xb5, 0x2f, 0xfd, 0xff, 0xff };
    expect_refused(magic, sizeof(magic), page_codec_zstd ? "zstd cannot decompress a page" : "zstd: this program");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/ram-senders/runs/busy", &runs, test_busy);
    g_test_add_data_func("/ram-senders/zlib/busy", &zlib, test_busy);
    g_test_add_data_func("/ram-senders/zlib/impatient", &impatient, test_busy);
    g_test_add_data_func("/ram-senders/zlib/stored", &stored, test_busy);
    g_test_add_func("/ram-senders/zlib/counts", test_compress_counts);
    g_test_add_func("/ram-senders/zlib/fails", test_compress_fails);
    g_test_add_data_func("/ram-senders/zlib/abandoned", &zlib, test_abandoned);
    g_test_add_data_func("/ram-senders/xbzrle/abandoned", &xbzrle, test_abandoned);
    g_test_add_func("/ram-senders/load/order", test_order);
    g_test_add_func("/ram-senders/load/checksum", test_checksum);
    g_test_add_func("/ram-senders/load/broken", test_broken_pages);
    zstd.codec = page_codec_zstd;
    if (zstd.codec) {
        g_test_add_data_func("/ram-senders/zstd/busy", &zstd, test_busy);
    }
    g_test_add_data_func("/ram-senders/plain/busy", &plain, test_busy);
    g_test_add_data_func("/ram-senders/xbzrle/busy", &xbzrle, test_busy);
    g_test_add_data_func("/ram-senders/xbzrle/torn", &xbzrle, test_torn);
    g_test_add_func("/ram-senders/xbzrle/counts", test_xbzrle_counts);
    g_test_add_func("/ram-senders/xbzrle/resize", test_xbzrle_resize);
    g_test_add_data_func("/ram-senders/plain/pace", &plain, test_pace);
    g_test_add_data_func("/ram-senders/runs/pace", &runs, test_pace);
    g_test_add_data_func("/ram-senders/zlib/pace", &zlib, test_pace);
    g_test_add_data_func("/ram-senders/xbzrle/pace", &large_cache, test_pace);
    g_test_add_func("/ram-senders/xbzrle/waiting", test_xbzrle_waiting);
    g_test_add_func("/ram-senders/xbzrle/no-memory", test_xbzrle_no_memory);
    g_test_add_func("/ram-senders/plain-again", test_plain_again);
    return g_test_run();
}
