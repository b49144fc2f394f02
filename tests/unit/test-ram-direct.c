/*
 * test-ram-direct.c - pages written beside the stream and records in it, each as late as the channel allows.
 *
 * A channel in memory stands for rdma: what it may do late, it does late. Whatever the guest has written, the last
 * state of a page is what the destination has.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <glib.h>
#include <string.h>

#include "migration/direct.h"
#include "migration/ram-internal.h"
#include "migration/wire.h"
#include "system/machine.h"
#include "ram-machine.h"

#define PAGES 96u
#define PAGE TARGET_PAGE_SIZE
#define ROUNDS 60

/* ---- two machines ---- */

/* ---- a channel that is as slow as it may be ---- */

typedef struct Write {
    uint8_t *to;
    uint8_t *bytes;             /* as they were at once */
    uint64_t length;
} Write;

typedef struct SlowChannel {
    MigrationChannel parent;
    Machine *src, *dst;
    QEMUFile *out, *in;
    GThread *loader;
    GMutex lock;
    GCond cond;
    GByteArray *stream;         /* written and not read yet */
    guint released;             /* so much of it may be read */
    bool closed;
    DirectMemory here[4], there[4];
    unsigned here_count, there_count;
    GArray *writes;             /* Write; under way */
    bool late_writes;           /* they are done when that is waited for; else at once */
    bool never_ready;           /* of the time when nothing may be waited for */
    uint32_t reached;
    unsigned waits, written;
} SlowChannel;

static SlowChannel *slow(MigrationChannel *ch)
{
    return (SlowChannel *)ch;
}

static bool slow_writev(MigrationChannel *ch, struct iovec *iov, int niov, Error **errp)
{
    g_mutex_lock(&slow(ch)->lock);
    for (int i = 0; i < niov; i++) {
        g_byte_array_append(slow(ch)->stream, iov[i].iov_base, (guint)iov[i].iov_len);
    }
    g_mutex_unlock(&slow(ch)->lock);
    return true;
}

static bool slow_read(MigrationChannel *ch, void *buf, size_t len, size_t *got, Error **errp)
{
    SlowChannel *c = slow(ch);
    g_mutex_lock(&c->lock);
    while (!c->released && !c->closed) {
        g_cond_wait(&c->cond, &c->lock);
    }
    *got = MIN(len, c->released);
    memcpy(buf, c->stream->data, *got);
    g_byte_array_remove_range(c->stream, 0, (guint)*got);
    c->released -= (guint)*got;
    g_mutex_unlock(&c->lock);
    return true;
}

/* Those that are under way together have no order. */
static void do_writes(SlowChannel *c)
{
    for (guint i = c->writes->len; i > 0; i--) {
        const Write *w = &g_array_index(c->writes, Write, i - 1);
        memcpy(w->to, w->bytes, w->length);
        g_free(w->bytes);
    }
    g_array_set_size(c->writes, 0);
}

/* Lets the destination read what has come. What was written before it has arrived before it. */
static void release(SlowChannel *c, bool close)
{
    do_writes(c);
    g_mutex_lock(&c->lock);
    c->released = c->stream->len;
    c->closed = close;
    g_cond_broadcast(&c->cond);
    g_mutex_unlock(&c->lock);
}

static gpointer load_thread(gpointer opaque)
{
    SlowChannel *c = opaque;
    Error *err = NULL;
    while (qemu_peek_byte(c->in, 0) >= 0) {
        if (!ram_load_state(c->in, c->dst->ram_migration, 4, &err)) {
            g_error("%s", error_get_pretty(err));
        }
    }
    return NULL;
}

static bool slow_offer(MigrationChannel *ch, const DirectMemory *memory, unsigned count, bool pinned, Error **errp)
{
    g_assert_cmpuint(count, <=, 4);
    memcpy(slow(ch)->there, memory, count * sizeof(*memory));
    slow(ch)->there_count = count;
    return true;
}

static void slow_withdraw(MigrationChannel *ch)
{
    slow(ch)->there_count = 0;
}

static void slow_reached(MigrationChannel *ch, uint32_t mark)
{
    SlowChannel *c = slow(ch);
    g_mutex_lock(&c->lock);
    c->reached = mark;
    g_cond_broadcast(&c->cond);
    g_mutex_unlock(&c->lock);
}

static void slow_open(MigrationChannel *ch, const DirectMemory *memory, unsigned count, bool pinned)
{
    g_assert_cmpuint(count, <=, 4);
    memcpy(slow(ch)->here, memory, count * sizeof(*memory));
    slow(ch)->here_count = count;
}

static bool slow_write(MigrationChannel *ch, unsigned index, uint64_t offset, uint64_t length, Error **errp)
{
    SlowChannel *c = slow(ch);
    g_assert_cmpuint(index, <, c->here_count);
    for (unsigned i = 0; i < c->there_count; i++) {
        if (strcmp(c->there[i].name, c->here[index].name) == 0) {
            Write w = { c->there[i].host + offset, g_memdup2(c->here[index].host + offset, length), length };
            g_assert_cmpuint(offset + length, <=, c->there[i].length);
            g_array_append_val(c->writes, w);
            c->written += (unsigned)(length / PAGE);
            if (!c->late_writes) {
                do_writes(c);
            }
            return true;
        }
    }
    error_setg(errp, "nothing is offered");
    return false;
}

static bool slow_drain(MigrationChannel *ch, Error **errp)
{
    do_writes(slow(ch));
    slow(ch)->waits++;
    return true;
}

static bool slow_await(MigrationChannel *ch, uint32_t mark, Error **errp)
{
    SlowChannel *c = slow(ch);
    release(c, false);
    g_mutex_lock(&c->lock);
    while (c->reached < mark) {
        g_cond_wait(&c->cond, &c->lock);
    }
    g_mutex_unlock(&c->lock);
    c->waits++;
    return true;
}

static bool slow_is_ready(MigrationChannel *ch, unsigned index, uint64_t offset, uint64_t length, uint32_t mark)
{
    SlowChannel *c = slow(ch);
    g_mutex_lock(&c->lock);
    bool ready = c->reached >= mark && !c->never_ready;
    g_mutex_unlock(&c->lock);
    return ready;
}

static void slow_shutdown(MigrationChannel *ch)
{
}

static const MigrationChannelOps slow_ops = { .writev = slow_writev, .read = slow_read, .shutdown = slow_shutdown };
static const MigrationDirectOps slow_direct = {
    .offer = slow_offer, .withdraw = slow_withdraw, .reached = slow_reached, .open = slow_open,
    .write = slow_write, .drain = slow_drain, .await = slow_await, .is_ready = slow_is_ready,
};

static Machine *new_machine(void)
{
    Machine *m = ram_machine_new(true);
    machine_lock(m);
    g_assert_nonnull(ram_block_new(m, "main", PAGES * PAGE, NULL));
    g_assert_nonnull(ram_block_new(m, "side", 3 * PAGE, NULL));
    machine_unlock(m);
    return m;
}

static SlowChannel *slow_new(bool runs, bool late_writes)
{
    SlowChannel *c = g_new0(SlowChannel, 1);
    const RAMSaveConfig config = { .runs = runs };
    c->parent = (MigrationChannel){ .ops = &slow_ops, .direct = &slow_direct, .name = (char *)"slow" };
    c->stream = g_byte_array_new();
    c->writes = g_array_new(FALSE, FALSE, sizeof(Write));
    c->late_writes = late_writes;
    g_mutex_init(&c->lock);
    g_cond_init(&c->cond);
    c->src = new_machine();
    c->dst = new_machine();
    c->out = qemu_file_channel_new_output(&c->parent);
    c->in = qemu_file_channel_new_input(&c->parent);
    machine_lock(c->src);
    ram_migration_configure(c->src, &config);
    g_assert_true(ram_save_setup(c->out, c->src->ram_migration, NULL));
    machine_unlock(c->src);
    g_assert_true(ram_load_setup(c->in, c->dst->ram_migration, NULL));
    return c;
}

static void slow_free(SlowChannel *c)
{
    machine_lock(c->src);
    ram_save_cleanup(c->src->ram_migration);
    machine_unlock(c->src);
    ram_load_cleanup(c->dst->ram_migration);
    g_assert_cmpuint(c->there_count, ==, 0);
    qemu_fclose(c->out, NULL);
    qemu_fclose(c->in, NULL);
    machine_free(c->src);
    machine_free(c->dst);
    g_array_unref(c->writes);
    g_byte_array_unref(c->stream);
    g_mutex_clear(&c->lock);
    g_cond_clear(&c->cond);
    g_free(c);
}

static void expect_equal(SlowChannel *c)
{
    for (RAMBlock *block = ram_block_first(c->src); block; block = block->next) {
        const RAMBlock *copy = ram_block_find(c->dst, block->idstr);
        for (uint64_t at = 0; at < block->used_length; at += PAGE) {
            if (memcmp(block->host + at, copy->host + at, PAGE) != 0) {
                g_error("page %u of \"%s\" is another", (unsigned)(at / PAGE), block->idstr);
            }
        }
    }
}

/* Between two rounds a guest makes pages of zeros of others, and the other way round. */
static void guest_writes(SlowChannel *c, GRand *rand, unsigned round)
{
    RAMBlock *ram = ram_block_find(c->src, "main");
    bool zeros = round % 4 < 2;     /* rounds without a record are not marked */
    for (unsigned i = 0; i < 30; i++) {
        unsigned page = (unsigned)g_rand_int_range(rand, 0, PAGES);
        memset(ram->host + page * PAGE, zeros && g_rand_boolean(rand) ? 0 : (int)(round + 1), PAGE);
        ram_block_set_dirty(ram, page * PAGE, PAGE);
    }
}

/* Records are read only when that is waited for, and writes are done at once, or only when they are waited for. */
static void test_late(const void *opaque)
{
    int how = GPOINTER_TO_INT(opaque);
    SlowChannel *c = slow_new(how & 1, how & 2);
    RAMMigration *r = c->src->ram_migration;
    GRand *rand = g_rand_new_with_seed((guint32)g_test_rand_int());
    Error *err = NULL;
    c->loader = g_thread_new("load", load_thread, c);
    for (unsigned round = 0; round < ROUNDS; round++) {
        guest_writes(c, rand, round);
        ram_save_pending(r, true);
        for (bool done = false; !done;) {
            g_assert_true(ram_save_iterate(c->out, r, &done, &err));
        }
    }
    guest_writes(c, rand, ROUNDS);
    unsigned waits = c->waits, written = c->written;
    c->never_ready = how & 4;
    g_assert_true(ram_save_complete(c->out, r, &err));
    g_assert_cmpuint(c->waits, ==, waits);      /* with the machine's lock held */
    g_assert_true(c->written == written || !(how & 4));
    g_assert_true(qemu_fflush(c->out));
    release(c, true);
    g_thread_join(c->loader);
    expect_equal(c);
    RAMCounters *sent = &r->counters, *got = &c->dst->ram_migration->counters;
    g_assert_cmpuint(atomic_load(&sent->normal), ==, atomic_load(&got->normal));
    g_assert_cmpuint(atomic_load(&sent->duplicate), ==, atomic_load(&got->duplicate));
    g_assert_cmpuint(qemu_ftell(c->out), ==, atomic_load(&sent->transferred));
    g_rand_free(rand);
    slow_free(c);
}

/* A stream without such a channel cannot have HOOK records, and none may say what cannot be. */
static void expect_refused(QEMUFile *in, Machine *m, const char *part)
{
    Error *err = NULL;
    g_assert_false(ram_load_state(in, m->ram_migration, 4, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), part));
    error_free(err);
}

static void test_hooks(void)
{
    static const struct {
        uint8_t kind;
        uint64_t value;
    } bad[] = { { 0, 0 }, { 3, 1 }, { RAM_GODWIT_HOOK_MARK, 1ull << 32 }, { RAM_GODWIT_HOOK_PLACED, PAGES + 4 } };
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        SlowChannel *c = slow_new(false, false);
        RAMWire w = { .f = c->out };
        ram_wire_put_hook(&w, bad[i].kind, bad[i].value);
        ram_wire_put_eos(&w);
        g_assert_true(qemu_fflush(c->out));
        release(c, true);
        g_assert_true(ram_load_state(c->in, c->dst->ram_migration, 4, NULL));   /* what setup has said */
        expect_refused(c->in, c->dst, "which has no meaning here");
        slow_free(c);
    }
    Machine *m = new_machine();
    QEMUFile *memory = qemu_file_new_memory();
    RAMWire w = { .f = memory };
    size_t len;
    ram_wire_put_hook(&w, RAM_GODWIT_HOOK_PLACED, 1);
    g_autofree uint8_t *bytes = qemu_file_take_buffer(memory, &len);
    QEMUFile *in = qemu_file_new_from_buffer(bytes, len);
    g_assert_true(ram_load_setup(in, m->ram_migration, NULL));
    expect_refused(in, m, "only an rdma: channel");
    ram_load_cleanup(m->ram_migration);
    qemu_fclose(in, NULL);
    qemu_fclose(memory, NULL);
    machine_free(m);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (int how = 0; how < 8; how++) {
        g_autofree char *path = g_strdup_printf("/ram-direct/late%s%s%s", how & 1 ? "/runs" : "",
                                                how & 2 ? "/writes" : "", how & 4 ? "/records-at-the-end" : "");
        g_test_add_data_func(path, GINT_TO_POINTER(how), test_late);
    }
    g_test_add_func("/ram-direct/hooks", test_hooks);
    return g_test_run();
}
