/*
 * test-migration-faults.c - a move between two machines whose channel is cut at every byte, both ways.
 *
 * Whatever happens, at most one of the two machines runs, at most one has the disk images, and if none runs both
 * know that an operator must say which.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "lib-migration.h"

static uint64_t whole_forward, whole_backward;

/* One whose source has to find out how fast its channel is. */
static Pair slow_pair_new(void)
{
    return (Pair) { host_new(true), host_new(false) };
}

static void move(Pair p, Wire *w, uint64_t *forward, uint64_t *backward)
{
    host_start_in(p.dst, wire_second(w));
    host_start_out(p.src, wire_first(w));
    host_wait_end(p.src);
    host_wait_end(p.dst);
    wire_end(w, forward, backward);
}

/* The word counts once. */
static void settle(Host *h, bool keep)
{
    machine_lock(h->m);
    g_assert_true(migration_settle(h->m->migration, keep, NULL));
    g_assert_false(migration_settle(h->m->migration, keep, NULL));
    machine_unlock(h->m);
}

static void assert_runs(Host *h, Host *other)
{
    g_assert_true(host_runs(h));
    g_assert_false(host_runs(other));
}

/* A text that tells what was done to the channel. */
static bool tells_of_cut(const char *text)
{
    static const char *const words[] = {
        "stream ends at byte", "Connection reset by peer", "the destination closed the channel",
        "the destination says: ", "does not want to be saved", "the images are locked", "does not like 0x12345678",
    };
    for (size_t i = 0; text && i < G_N_ELEMENTS(words); i++) {
        if (strstr(text, words[i])) {
            return true;
        }
    }
    g_test_message("'%s' does not tell what happened", text);
    return false;
}

/* What may have happened, and what an operator makes of it: afterwards exactly one runs. */
static void judge(Pair p)
{
    MigrationInfoData src = host_info(p.src), dst = host_info(p.dst);
    g_assert_false(host_runs(p.src) && host_runs(p.dst));
    g_assert_true(src.status == MIGRATION_STATUS_COMPLETED || tells_of_cut(src.error_desc));
    g_assert_true(dst.status == MIGRATION_STATUS_COMPLETED || tells_of_cut(dst.error_desc));
    g_assert_true(dst.status == MIGRATION_STATUS_COMPLETED ? p.dst->announced > 0 : p.dst->announced == 0);
    bool src_doubts = src.handover == MIGRATION_HANDOVER_IN_DOUBT;
    bool dst_doubts = dst.handover == MIGRATION_HANDOVER_IN_DOUBT;
    if (src.status == MIGRATION_STATUS_COMPLETED) {
        assert_runs(p.dst, p.src);
        g_assert_cmpint(src.handover, ==, MIGRATION_HANDOVER_CONFIRMED);
        g_assert_cmpint(runstate_get(p.src->m), ==, RUN_STATE_POSTMIGRATE);
    } else if (host_runs(p.src)) {
        g_assert_false(src_doubts);
        g_assert_cmpint(dst.status, ==, MIGRATION_STATUS_FAILED);
        if (dst_doubts) {
            settle(p.dst, false);
        }
        assert_runs(p.src, p.dst);
    } else if (host_runs(p.dst)) {
        g_assert_true(src_doubts);
        settle(p.src, false);
        assert_runs(p.dst, p.src);
    } else {
        g_assert_true(src_doubts && dst_doubts);
        g_assert_cmpint(runstate_get(p.src->m), ==, RUN_STATE_PAUSED);
        g_assert_cmpint(runstate_get(p.dst->m), ==, RUN_STATE_PAUSED);
        settle(p.src, false);
        settle(p.dst, true);
        assert_runs(p.dst, p.src);
    }
    if (host_runs(p.dst)) {
        hosts_assert_same(p.src, p.dst);
    }
    migration_info_clear(&src);
    migration_info_clear(&dst);
}

/* After a failure everything is as before: the next one gets through. */
static void try_again(Pair p)
{
    if (host_runs(p.src)) {
        move(p, wire_new(UINT64_MAX, UINT64_MAX), NULL, NULL);
        assert_runs(p.dst, p.src);
        hosts_assert_same(p.src, p.dst);
    }
}

static void cancel(Host *h)
{
    machine_lock(h->m);
    g_assert_true(migration_cancel(h->m->migration, NULL));
    machine_unlock(h->m);
}

static void check_numbers(Host *h, MigrationStatus status, bool known)
{
    MigrationInfoData info = host_info(h);
    g_assert_cmpint(info.status, ==, status);
    g_assert_cmpint(info.setup_time_ms >= 0, ==, known);
    g_assert_cmpint(info.downtime_ms >= 0, ==, known);
    /* Each is rounded up. */
    g_assert_cmpint(info.total_time_ms + 1, >=, info.setup_time_ms + MAX(info.downtime_ms, 0));
    g_assert_true(info.mbps == -1 || (info.mbps >= 0 && info.mbps < 1e9));
    migration_info_clear(&info);
}

/* One that has ended, or never was, is not cancelled by a cancel; its numbers are there, and are numbers. */
static void test_numbers(void)
{
    Pair p = slow_pair_new();
    cancel(p.src);
    check_numbers(p.src, MIGRATION_STATUS_NONE, false);
    move(p, wire_new(UINT64_MAX, UINT64_MAX), NULL, NULL);
    cancel(p.src);
    check_numbers(p.src, MIGRATION_STATUS_COMPLETED, true);
    assert_runs(p.dst, p.src);
    pair_free(p);
}

static void test_whole(void)
{
    Pair p = slow_pair_new();
    move(p, wire_new(UINT64_MAX, UINT64_MAX), &whole_forward, &whole_backward);
    judge(p);
    assert_runs(p.dst, p.src);
    g_assert_cmpstr(p.src->log->str, ==, "setup active device completed ");
    g_assert_cmpstr(p.dst->log->str, ==, "setup active completed ");
    pair_free(p);
    g_test_message("%u bytes forward, %u backward", (unsigned)whole_forward, (unsigned)whole_backward);
}

/* quick: it is told how fast the channel is, and has no need for rounds to find out. */
static void test_cut(bool forward, bool quick, uint64_t at)
{
    Pair p = slow_pair_new();
    if (quick) {
        host_set_option(p.src, "avail-switchover-bandwidth", json_integer(1000000000), false);
    }
    move(p, wire_new(forward ? at : UINT64_MAX, forward ? UINT64_MAX : at), NULL, NULL);
    judge(p);
    if (at % 16 == 0) {
        try_again(p);
    }
    pair_free(p);
}

static void test_cut_forward(void)
{
    for (uint64_t at = 0; at <= whole_forward; at++) {
        /* Inside the page one byte is as good as another. */
        bool inside = at > 400 && at < 4300;
        test_cut(true, inside && at % 97, at);
    }
}

static void test_cut_backward(void)
{
    for (uint64_t at = 0; at <= whole_backward; at++) {
        test_cut(false, false, at);
    }
}

/* ---- what is no cut ---- */

static void expect_failure(Pair p, const char *src_text, const char *dst_text)
{
    MigrationInfoData src = host_info(p.src), dst = host_info(p.dst);
    if (!strstr(src.error_desc, src_text) || !strstr(dst.error_desc, dst_text)) {
        g_test_message("source: %s; destination: %s", src.error_desc, dst.error_desc);
        g_test_fail();
    }
    migration_info_clear(&src);
    migration_info_clear(&dst);
    judge(p);
    assert_runs(p.src, p.dst);
}

static void test_refused_load(void)
{
    Pair p = slow_pair_new();
    p.dst->refuse_load = true;
    move(p, wire_new(UINT64_MAX, UINT64_MAX), NULL, NULL);
    expect_failure(p, "the destination says: ", "does not like 0x12345678");
    expect_failure(p, "does not like 0x12345678", "device 'widget'");
    p.dst->refuse_load = false;
    try_again(p);
    pair_free(p);
}

static void test_refused_save(void)
{
    Pair p = slow_pair_new();
    p.src->refuse_save = true;
    move(p, wire_new(UINT64_MAX, UINT64_MAX), NULL, NULL);
    expect_failure(p, "does not want to be saved", "");
    p.src->refuse_save = false;
    try_again(p);
    pair_free(p);
}

/* The destination has been told to go and cannot: the source has it again. */
static void test_refused_images(void)
{
    Pair p = slow_pair_new();
    p.dst->refuse_images = true;
    move(p, wire_new(UINT64_MAX, UINT64_MAX), NULL, NULL);
    expect_failure(p, "the images are locked", "the images are locked");
    p.dst->refuse_images = false;
    try_again(p);
    pair_free(p);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_guarded_test("/migration/faults/whole", test_whole);
    add_guarded_test("/migration/faults/numbers", test_numbers);
    add_guarded_test("/migration/faults/refused-load", test_refused_load);
    add_guarded_test("/migration/faults/refused-save", test_refused_save);
    add_guarded_test("/migration/faults/refused-images", test_refused_images);
    add_guarded_test("/migration/faults/cut-backward", test_cut_backward);
    add_guarded_test("/migration/faults/cut-forward", test_cut_forward);
    return g_test_run();
}
