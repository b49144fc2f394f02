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

#include "migration/ram-internal.h"
#include "migration/register.h"
#include "system/machine.h"

#define PAGES 600u
#define PAGE TARGET_PAGE_SIZE

/* ---- two machines ---- */

static bool attach(Machine *m, Error **errp)
{
    m->savevm = savevm_new(m);
    return ram_mig_register(m, errp);
}

static void reset(Machine *m)
{
}

static void detach(Machine *m)
{
    ram_mig_unregister(m);
    savevm_free(m->savevm);
    m->savevm = NULL;
}

static const MachineLayerOps layers = { .attach = attach, .reset = reset, .detach = detach };
static const MachineClass bare = { .name = "bare", .desc = "no devices", .layers = &layers };

typedef struct Pair {
    Machine *src, *dst;
    RAMMigration *out, *in;
    RAMBlock *ram;
    QEMUFile *f;
    GRand *rand;                /* the guest's */
    GThread *guest;
    atomic_bool stop;
    atomic_uint writes;
} Pair;

static Machine *new_machine(void)
{
    Machine *m = machine_new(&bare, machine_config_new(&bare), NULL);
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
    g_assert_true(ram_load_setup(NULL, p->in, NULL));
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

/* Until the guest has done something since the last look at it. */
static void wait_for_guest(Pair *p)
{
    unsigned before = atomic_load(&p->writes);
    while (atomic_load(&p->writes) < before + 20) {
        g_thread_yield();
    }
}

/* ---- tests ---- */

static const RAMSaveConfig plain, xbzrle = { .xbzrle = true, .cache_bytes = 64 * PAGE };

/* A guest that never stops writing is sent in rounds, and arrives. */
static void test_busy(const void *config)
{
    Pair *p = pair_new(config);
    guest_start(p);
    for (unsigned round = 0; round < 40; round++) {
        send_round(p);
        wait_for_guest(p);
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
        wait_for_guest(p);
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

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/ram-senders/plain/busy", &plain, test_busy);
    g_test_add_data_func("/ram-senders/xbzrle/busy", &xbzrle, test_busy);
    g_test_add_func("/ram-senders/xbzrle/counts", test_xbzrle_counts);
    g_test_add_func("/ram-senders/xbzrle/resize", test_xbzrle_resize);
    g_test_add_func("/ram-senders/xbzrle/no-memory", test_xbzrle_no_memory);
    g_test_add_func("/ram-senders/plain-again", test_plain_again);
    return g_test_run();
}
