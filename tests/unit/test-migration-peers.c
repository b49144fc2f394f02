/*
 * test-migration-peers.c - peers that hang at any byte, dribble, lie, or are files and children that fail.
 *
 * A cancel never waits for the peer: each one must be through in less than a second, which is measured.  After
 * each accident at most one of two machines runs, and the source, if the machine stayed there, can move it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#include "lib-migration.h"

#define CANCEL_US G_USEC_PER_SEC

static uint64_t whole_forward, whole_backward;

static void test_whole(void)
{
    Pair p = pair_new();
    Wire *w = wire_new(UINT64_MAX, UINT64_MAX);
    pair_start(p, w);
    host_wait_end(p.src);
    host_wait_end(p.dst);
    wire_end(w, &whole_forward, &whole_backward);
    pair_judge(p);
    pair_free(p);
}

/* ---- hung ---- */

/* As a user does: cancel; where that is refused, a word that ends the waiting. */
static void get_out(Pair p)
{
    gint64 begin = g_get_monotonic_time();
    machine_lock(p.src->m);
    bool cancelled = migration_cancel(p.src->m->migration, NULL);
    if (!cancelled) {
        g_assert_true(migration_settle(p.src->m->migration, false, NULL));
    }
    machine_unlock(p.src->m);
    host_wait_end(p.src);
    g_assert_cmpint(g_get_monotonic_time() - begin, <, CANCEL_US);
}

static void test_hang(bool forward, uint64_t at)
{
    Pair p = pair_new();
    Wire *w = wire_new_faulty(WIRE_HANG, forward ? at : UINT64_MAX, forward ? UINT64_MAX : at, 0);
    pair_start(p, w);
    wire_wait_fault(w);
    get_out(p);
    pair_finish(p, w);
    MigrationInfoData src = host_info(p.src);
    if (src.status == MIGRATION_STATUS_CANCELLED) {
        g_assert_true(host_runs(p.src) && !host_runs(p.dst));
        pair_judge(p);
        if (at % 16 == 0) {
            pair_move_again(p);
        }
    } else {
        /* GO or its answer hangs: the source was told to forget the machine; the other side is as it is. */
        g_assert_false(host_runs(p.src));
        if (!host_runs(p.dst)) {
            host_settle(p.dst, true);
        }
        g_assert_true(host_runs(p.dst));
        hosts_assert_same(p.src, p.dst);
    }
    migration_info_clear(&src);
    pair_free(p);
}

static void test_hang_forward(void)
{
    /* All but one in 61: where it hangs inside of a page makes no difference. */
    for (uint64_t at = 0; at < whole_forward; at += at > 400 && at + 800 < whole_forward ? 61 : 1) {
        test_hang(true, at);
    }
}

static void test_hang_backward(void)
{
    for (uint64_t at = 0; at < whole_backward; at++) {
        test_hang(false, at);
    }
}

/* ---- byte by byte ---- */

static void test_dribble(void)
{
    Pair p = pair_new();
    Wire *w = wire_new_faulty(WIRE_DRIBBLE, UINT64_MAX, UINT64_MAX, 0);
    pair_start(p, w);
    pair_finish(p, w);
    g_assert_true(host_runs(p.dst) && !host_runs(p.src));
    hosts_assert_same(p.src, p.dst);
    pair_free(p);
}

/* ---- a wire that changes what goes through it ---- */

static void test_flip(bool forward, uint64_t at, uint8_t bits)
{
    Pair p = pair_new();
    Wire *w = wire_new_faulty(WIRE_FLIP, forward ? at : UINT64_MAX, forward ? UINT64_MAX : at, bits);
    pair_start(p, w);
    pair_finish(p, w);
    pair_judge(p);
    pair_free(p);
}

static void test_flip_forward(void)
{
    for (uint64_t at = 0; at < whole_forward; at += at > 400 && at + 800 < whole_forward ? 61 : 1) {
        test_flip(true, at, (uint8_t)(1u << at % 8));
        /* What is negotiated and the last words: every bit. */
        for (unsigned bit = 0; bit < 8 && (at < 64 || at + 8 >= whole_forward); bit++) {
            test_flip(true, at, (uint8_t)(1u << bit));
        }
    }
}

static void test_flip_backward(void)
{
    for (uint64_t at = 0; at < whole_backward; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            test_flip(false, at, (uint8_t)(1u << bit));
        }
    }
}

/* ---- files and children ---- */

/* Sends there; afterwards the machine runs here again and the reason has that in it. */
static void expect_failure(const char *uri, const char *why)
{
    Pair p = pair_new();
    Error *err = NULL;
    MigrationAddress *address = migration_address_parse(uri, NULL, &err);
    g_assert_null(err);
    machine_lock(p.src->m);
    g_assert_true(migration_start(p.src->m->migration, address, -1, MIGRATION_DISKS_STAY, NULL));
    machine_unlock(p.src->m);
    host_wait_end(p.src);
    MigrationInfoData info = host_info(p.src);
    g_assert_cmpint(info.status, ==, MIGRATION_STATUS_FAILED);
    if (!strstr(info.error_desc, why)) {
        g_test_message("%s: '%s' does not have '%s'", uri, info.error_desc, why);
        g_test_fail();
    }
    migration_info_clear(&info);
    g_assert_true(host_runs(p.src));
    pair_move_again(p);
    pair_free(p);
}

static void test_disk_full(void)
{
    expect_failure("file:/dev/full", "No space left on device");
    expect_failure("exec:cat > /dev/full", "exit");
}

/* The file may not grow beyond any of these sizes. */
static void test_file_limit(void)
{
    struct rlimit old, limit;
    g_autofree char *dir = g_dir_make_tmp("godwit-migrate-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "stream", NULL);
    g_autofree char *uri = g_strdup_printf("file:%s", path);
    getrlimit(RLIMIT_FSIZE, &old);
    for (uint64_t at = 0; at < 4000; at += 1000) {
        limit = (struct rlimit) { .rlim_cur = at, .rlim_max = old.rlim_max };
        g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &limit), ==, 0);
        expect_failure(uri, "File too large");
    }
    setrlimit(RLIMIT_FSIZE, &old);
    g_unlink(path);
    g_assert_cmpint(g_rmdir(dir), ==, 0);
}

/* The destination's child dies or says nothing: the load fails, and the next one gets through. */
static void test_incoming_child(void)
{
    static const char *const children[] = {
        "exec:exit 0", "exec:exit 7", "exec:echo garbage", "exec:head -c 100000 /dev/zero", "exec:kill -9 $$",
        "exec:printf 'QEVM\\000\\000\\000\\003'", "file:/dev/null", "file:/dev/zero",
    };
    Pair p = pair_new();
    for (size_t i = 0; i < G_N_ELEMENTS(children); i++) {
        machine_lock(p.dst->m);
        g_assert_true(migration_incoming_start(p.dst->m->migration,
                                               migration_address_parse(children[i], NULL, NULL), -1, false, NULL));
        machine_unlock(p.dst->m);
        host_wait_end(p.dst);
        MigrationInfoData info = host_info(p.dst);
        g_assert_cmpint(info.status, ==, MIGRATION_STATUS_FAILED);
        g_assert_nonnull(info.error_desc);
        migration_info_clear(&info);
        g_assert_false(host_runs(p.dst));
    }
    pair_move_again(p);
    pair_free(p);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    add_guarded_test("/migration/peers/whole", test_whole);
    add_guarded_test("/migration/peers/hang-backward", test_hang_backward);
    add_guarded_test("/migration/peers/hang-forward", test_hang_forward);
    add_guarded_test("/migration/peers/dribble", test_dribble);
    add_guarded_test("/migration/peers/flip-backward", test_flip_backward);
    add_guarded_test("/migration/peers/flip-forward", test_flip_forward);
    add_guarded_test("/migration/peers/disk-full", test_disk_full);
    add_guarded_test("/migration/peers/file-limit", test_file_limit);
    add_guarded_test("/migration/peers/incoming-child", test_incoming_child);
    return g_test_run();
}
