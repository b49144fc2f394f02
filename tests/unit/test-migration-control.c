/*
 * test-migration-control.c - start, cancel at every status, continue, settle, blockers, notifiers, one-way channels.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib-migration.h"
#include "migration/migration-internal.h"
#include "migration/wire.h"

/* ok, or the error holds `why`. */
static void expect(bool ok, Error *err, const char *why)
{
    g_assert_cmpint(ok, ==, why == NULL);
    if (why && !strstr(error_get_pretty(err), why)) {
        g_test_message("'%s' is not in '%s'", why, error_get_pretty(err));
        g_test_fail();
    }
    error_free(err);
}

static void cancel(Host *h, const char *why)
{
    Error *err = NULL;
    machine_lock(h->m);
    bool ok = migration_cancel(h->m->migration, &err);
    machine_unlock(h->m);
    expect(ok, err, why);
}

static void go_on(Host *h, MigrationStatus status, const char *why)
{
    Error *err = NULL;
    machine_lock(h->m);
    bool ok = migration_continue(h->m->migration, status, &err);
    machine_unlock(h->m);
    expect(ok, err, why);
}

static void try_start(Host *h, int fd, const char *why)
{
    Error *err = NULL;
    machine_lock(h->m);
    bool ok = migration_start(h->m->migration, migration_address_parse("fd:wire", NULL, NULL), fd, MIGRATION_DISKS_STAY, &err);
    machine_unlock(h->m);
    expect(ok, err, why);
}

static void assert_cancelled(Host *h, const char *log)
{
    host_wait_end(h);
    MigrationInfoData info = host_info(h);
    g_assert_cmpint(info.status, ==, MIGRATION_STATUS_CANCELLED);
    g_assert_null(info.error_desc);
    g_assert_cmpint(info.handover, ==, MIGRATION_HANDOVER_NONE);
    g_assert_true(host_runs(h));
    g_assert_cmpstr(h->log->str, ==, log);
    g_string_truncate(h->log, 0);
    migration_info_clear(&info);
}

/* A peer that has accepted and does nothing more. */
static int hung_peer(Host *h)
{
    int pair[2];
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
    host_start_out(h, pair[0]);
    return pair[1];
}

/* ---- cancel ---- */

static void test_cancel_setup(void)
{
    Host *h = host_new(true);
    int pair[2];
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
    machine_lock(h->m);         /* setup needs the lock, so it gets no further */
    g_assert_true(migration_start(h->m->migration, migration_address_parse("fd:wire", NULL, NULL), pair[0], MIGRATION_DISKS_STAY,
                                  NULL));
    g_assert_true(migration_cancel(h->m->migration, NULL));
    g_assert_true(migration_cancel(h->m->migration, NULL));
    machine_unlock(h->m);
    assert_cancelled(h, "setup cancelling cancelled ");
    close(pair[1]);
    host_free(h);
}

static void test_cancel_active(void)
{
    Host *h = host_new(true);
    /* No PONG: nothing is known of the channel, and the machine goes on for ever. */
    int peer = hung_peer(h);
    host_wait_status(h, MIGRATION_STATUS_ACTIVE);
    try_start(h, -1, "in progress");
    cancel(h, NULL);
    assert_cancelled(h, "setup active cancelling cancelled ");
    close(peer);
    /* A limit of next to nothing makes it sleep: that ends as well. */
    host_set_option(h, "max-bandwidth", json_integer(1), false);
    peer = hung_peer(h);
    host_wait_status(h, MIGRATION_STATUS_ACTIVE);
    cancel(h, NULL);
    assert_cancelled(h, "setup active cancelling cancelled ");
    close(peer);
    cancel(h, NULL);            /* nothing runs: no error, and the status stays */
    g_assert_cmpstr(h->log->str, ==, "");
    host_free(h);
}

static void test_cancel_pre_switchover(void)
{
    Host *src = host_new(true), *dst = host_new(false);
    host_set_option(src, "pause-before-switchover", json_true(), true);
    Wire *w = wire_new(UINT64_MAX, UINT64_MAX);
    host_start_in(dst, wire_second(w));
    host_start_out(src, wire_first(w));
    host_wait_status(src, MIGRATION_STATUS_PRE_SWITCHOVER);
    g_assert_cmpint(runstate_get(src->m), ==, RUN_STATE_FINISH_MIGRATE);
    machine_lock(src->m);
    g_assert_false(migration_allow_run(src->m->migration, NULL));
    machine_unlock(src->m);
    go_on(src, MIGRATION_STATUS_DEVICE, "Migration not in expected state: device, it is in state pre-switchover");
    cancel(src, NULL);
    assert_cancelled(src, "setup active pre-switchover cancelling cancelled ");
    host_wait_end(dst);
    g_assert_false(host_runs(dst));
    wire_end(w, NULL, NULL);
    /* And on to the end. */
    w = wire_new(UINT64_MAX, UINT64_MAX);
    host_start_in(dst, wire_second(w));
    host_start_out(src, wire_first(w));
    host_wait_status(src, MIGRATION_STATUS_PRE_SWITCHOVER);
    go_on(src, MIGRATION_STATUS_PRE_SWITCHOVER, NULL);
    host_wait_end(src);
    host_wait_end(dst);
    g_assert_cmpstr(src->log->str, ==, "setup active pre-switchover device completed ");
    g_assert_true(host_runs(dst) && !host_runs(src));
    go_on(src, MIGRATION_STATUS_PRE_SWITCHOVER, "it is in state completed");
    try_start(src, -1, "paused due to previous migration");
    wire_end(w, NULL, NULL);
    host_free(src);
    host_free(dst);
}

static void test_cancel_device(void)
{
    Host *h = host_new(true);
    host_set_option(h, "avail-switchover-bandwidth", json_integer(1000000000), false);
    int peer = hung_peer(h);
    host_wait_status(h, MIGRATION_STATUS_DEVICE);
    cancel(h, NULL);
    assert_cancelled(h, "setup active device cancelling cancelled ");
    close(peer);
    host_free(h);
}

/* ---- behind the point of no return ---- */

static void answer(int fd, uint16_t type, const void *data, uint16_t len)
{
    uint8_t head[4] = { (uint8_t)(type >> 8), (uint8_t)type, (uint8_t)(len >> 8), (uint8_t)len };
    g_assert_cmpint(send(fd, head, 4, MSG_NOSIGNAL), ==, 4);
    /* What has no meaning may not be read to its end. */
    (void)!send(fd, data, len, MSG_NOSIGNAL);
}

/* A peer that says READY and reads up to GO. */
static int ready_peer(Host *h)
{
    static const uint8_t go[5] = { QEMU_VM_COMMAND, 0x47, 0x01, 0, 0 };
    uint8_t last[5] = { 0 };
    host_set_option(h, "avail-switchover-bandwidth", json_integer(1000000000), false);
    int peer = hung_peer(h);
    host_wait_status(h, MIGRATION_STATUS_DEVICE);
    answer(peer, MIG_RP_GODWIT_READY, "12345678", 8);
    while (memcmp(last, go, 5) != 0) {
        memmove(last, last + 1, 4);
        g_assert_cmpint(read(peer, last + 4, 1), ==, 1);
    }
    return peer;
}

static void settle(Host *h, bool keep, const char *why)
{
    Error *err = NULL;
    machine_lock(h->m);
    bool ok = migration_settle(h->m->migration, keep, &err);
    machine_unlock(h->m);
    expect(ok, err, why);
}

static void test_committed(void)
{
    Host *h = host_new(true);
    int peer = ready_peer(h);
    cancel(h, "too late to cancel");
    MigrationInfoData info = host_info(h);
    g_assert_cmpint(info.status, ==, MIGRATION_STATUS_DEVICE);
    migration_info_clear(&info);
    answer(peer, MIG_RP_GODWIT_STARTED, NULL, 0);
    host_wait_end(h);
    g_assert_cmpstr(h->log->str, ==, "setup active device completed ");
    g_assert_cmpint(runstate_get(h->m), ==, RUN_STATE_POSTMIGRATE);
    /* It has moved for certain: only an operator's word lets it run here again. */
    Error *err = NULL;
    machine_lock(h->m);
    g_assert_false(migration_allow_run(h->m->migration, &err));
    machine_unlock(h->m);
    g_assert_nonnull(strstr(error_get_pretty(err), "has moved"));
    error_free(err);
    settle(h, false, NULL);
    g_assert_cmpint(runstate_get(h->m), ==, RUN_STATE_POSTMIGRATE);
    settle(h, true, NULL);
    g_assert_cmpint(runstate_get(h->m), ==, RUN_STATE_RUNNING);
    settle(h, true, "No handover is in doubt");
    close(peer);
    host_free(h);
}

/* It was told to go and never answers. */
static void test_doubt(gconstpointer keep)
{
    Host *h = host_new(true);
    int peer = ready_peer(h);
    if (keep) {
        settle(h, true, NULL);          /* ends the waiting, too */
        host_wait_end(h);
    } else {
        close(peer);
        host_wait_end(h);
        MigrationInfoData info = host_info(h);
        g_assert_cmpint(info.status, ==, MIGRATION_STATUS_FAILED);
        g_assert_cmpint(info.handover, ==, MIGRATION_HANDOVER_IN_DOUBT);
        g_assert_nonnull(strstr(info.error_desc, "in doubt"));
        migration_info_clear(&info);
        g_assert_cmpint(runstate_get(h->m), ==, RUN_STATE_PAUSED);
        try_start(h, -1, "x-migrate-settle");
        machine_lock(h->m);
        g_assert_false(migration_allow_run(h->m->migration, NULL));
        machine_unlock(h->m);
        settle(h, false, NULL);
    }
    machine_lock(h->m);
    g_assert_cmpint(runstate_get(h->m), ==, keep ? RUN_STATE_RUNNING : RUN_STATE_POSTMIGRATE);
    machine_unlock(h->m);
    if (keep) {
        close(peer);
    }
    host_free(h);
}

/* The destination was told to go and says that it could not. */
static void test_refused_go(void)
{
    Host *h = host_new(true);
    int peer = ready_peer(h);
    answer(peer, MIG_RP_GODWIT_ERROR, "no \xff room", 8);
    host_wait_end(h);
    MigrationInfoData info = host_info(h);
    g_assert_true(host_runs(h));
    g_assert_cmpint(info.handover, ==, MIGRATION_HANDOVER_NONE);
    g_assert_nonnull(strstr(info.error_desc, "the destination says: no "));
    g_assert_true(g_utf8_validate(info.error_desc, -1, NULL));
    migration_info_clear(&info);
    close(peer);
    host_free(h);
}

/* ---- what a peer can say that has no meaning ---- */

static void test_garbage(void)
{
    static const struct { uint16_t type, len; } said[] = {
        { 0, 0 }, { MIG_RP_MSG_PONG, 3 }, { MIG_RP_MSG_SHUT, 0 }, { MIG_RP_GODWIT_READY, 7 },
        { MIG_RP_GODWIT_STARTED, 0 }, { MIG_RP_GODWIT_STARTED, 1 }, { 0xffff, 0xffff }, { MIG_RP_GODWIT_ERROR, 2000 },
    };
    static const uint8_t zero[4] = { 0 };
    Host *h = host_new(true);
    for (size_t i = 0; i < G_N_ELEMENTS(said); i++) {
        static uint8_t payload[65536];
        int peer = hung_peer(h);
        host_wait_status(h, MIGRATION_STATUS_ACTIVE);
        answer(peer, MIG_RP_MSG_PONG, zero, 4);         /* of a PING that never was: harmless */
        answer(peer, MIG_RP_MSG_SHUT, zero, 4);
        answer(peer, said[i].type, payload, said[i].len);
        host_wait_end(h);
        MigrationInfoData info = host_info(h);
        g_assert_cmpint(info.status, ==, MIGRATION_STATUS_FAILED);
        g_assert_nonnull(strstr(info.error_desc, "has no meaning here"));
        migration_info_clear(&info);
        g_assert_true(host_runs(h));
        close(peer);
    }
    host_free(h);
}

/* ---- one way ---- */

static void test_one_way(void)
{
    Host *src = host_new(true), *dst = host_new(false);
    int fds[2];
    g_assert_cmpint(pipe(fds), ==, 0);
    host_start_in(dst, fds[0]);
    host_start_out(src, fds[1]);
    host_wait_end(src);
    host_wait_end(dst);
    MigrationInfoData info = host_info(src);
    g_assert_cmpint(info.status, ==, MIGRATION_STATUS_COMPLETED);
    g_assert_cmpint(info.handover, ==, MIGRATION_HANDOVER_UNCONFIRMED);
    migration_info_clear(&info);
    g_assert_true(host_runs(dst) && !host_runs(src));
    hosts_assert_same(src, dst);
    host_free(src);
    host_free(dst);
}

/* Without the way back also a socket is one-way. */
static void test_no_return_path(void)
{
    Host *src = host_new(true), *dst = host_new(false);
    uint64_t forward, backward;
    host_set_option(src, "return-path", json_false(), true);
    Wire *w = wire_new(UINT64_MAX, UINT64_MAX);
    host_start_in(dst, wire_second(w));
    host_start_out(src, wire_first(w));
    host_wait_end(src);
    host_wait_end(dst);
    wire_end(w, &forward, &backward);
    g_assert_cmpuint(backward, ==, 0);
    g_assert_true(host_runs(dst) && !host_runs(src));
    host_free(src);
    host_free(dst);
}

/* ---- a machine that stands still; -S; late activation ---- */

static void test_paused(void)
{
    Host *src = host_new(true), *dst = host_new(false);
    host_set_option(dst, "late-block-activate", json_true(), true);
    machine_lock(src->m);
    vm_stop(src->m, RUN_STATE_PAUSED);
    machine_unlock(src->m);
    Wire *w = wire_new(UINT64_MAX, UINT64_MAX);
    host_start_in(dst, wire_second(w));
    host_start_out(src, wire_first(w));
    host_wait_end(src);
    host_wait_end(dst);
    wire_end(w, NULL, NULL);
    g_assert_cmpint(runstate_get(dst->m), ==, RUN_STATE_PAUSED);
    g_assert_cmpint(runstate_get(src->m), ==, RUN_STATE_POSTMIGRATE);
    dst->refuse_images = true;
    machine_lock(dst->m);
    g_assert_true(dst->m->migration->images_away);
    g_assert_false(migration_allow_run(dst->m->migration, NULL));
    dst->refuse_images = false;
    g_assert_true(migration_allow_run(dst->m->migration, NULL));
    vm_start(dst->m);
    machine_unlock(dst->m);
    hosts_assert_same(src, dst);
    host_free(src);
    host_free(dst);
}

/* ---- blockers and notifiers ---- */

static void test_blockers(void)
{
    Host *h = host_new(true);
    MigrationState *s = h->m->migration;
    unsigned one, two;
    Error *reason = NULL, *err = NULL;
    machine_lock(h->m);
    error_setg(&reason, "a disk is being written");
    g_assert_true(migration_add_blocker(s, reason, &one, NULL));
    reason = NULL;
    error_setg(&reason, "a card is plugged in");
    g_assert_true(migration_add_blocker(s, reason, &two, NULL));
    machine_unlock(h->m);
    try_start(h, -1, "a disk is being written; a card is plugged in");
    MigrationInfoData info = host_info(h);
    g_assert_cmpint(info.status, ==, MIGRATION_STATUS_NONE);
    g_assert_cmpuint(g_strv_length(info.blocked_reasons), ==, 2);
    migration_info_clear(&info);
    machine_lock(h->m);
    migration_del_blocker(s, one);
    migration_del_blocker(s, two);
    migration_del_blocker(s, two);
    machine_unlock(h->m);
    int peer = hung_peer(h);
    machine_lock(h->m);
    reason = NULL;
    error_setg(&reason, "too late");
    bool ok = migration_add_blocker(s, reason, &one, &err);
    machine_unlock(h->m);
    expect(ok, err, "too late: not allowed since a migration runs");
    cancel(h, NULL);
    host_wait_end(h);
    machine_lock(h->m);
    g_assert_true(migration_set_only_migratable(s, NULL));
    reason = err = NULL;
    error_setg(&reason, "never");
    ok = migration_add_blocker(s, reason, &one, &err);
    machine_unlock(h->m);
    expect(ok, err, "never: not allowed since -only-migratable was given");
    close(peer);
    host_free(h);
}

static bool note(void *opaque, MigrationEventType event, Error **errp)
{
    static const char letters[] = "sdf";
    g_string_append_c(opaque, letters[event]);
    return true;
}

static bool veto(void *opaque, MigrationEventType event, Error **errp)
{
    g_assert_cmpint(event, ==, MIG_EVENT_SETUP);
    error_setg(errp, "not on a Sunday");
    return false;
}

static void test_notifiers(void)
{
    Host *h = host_new(true);
    MigrationState *s = h->m->migration;
    GString *seen = g_string_new(NULL);
    machine_lock(h->m);
    migration_add_notifier(s, note, seen);
    migration_add_notifier(s, veto, NULL);
    machine_unlock(h->m);
    try_start(h, -1, "not on a Sunday");
    g_assert_cmpstr(seen->str, ==, "sf");
    g_assert_cmpstr(h->log->str, ==, "");
    machine_lock(h->m);
    migration_remove_notifier(s, veto, NULL);
    machine_unlock(h->m);
    int peer = hung_peer(h);
    cancel(h, NULL);
    host_wait_end(h);
    close(peer);
    peer = ready_peer(h);
    answer(peer, MIG_RP_GODWIT_STARTED, NULL, 0);
    host_wait_end(h);
    close(peer);
    g_assert_cmpstr(seen->str, ==, "sfsfsd");
    host_free(h);
    g_string_free(seen, TRUE);
}

/* ---- status ---- */

static void test_edges(void)
{
    /* Once ended, or never begun, a migration can only begin; and nobody gets from "go" to cancelled. */
    static const int ends[] = { MIGRATION_STATUS_NONE, MIGRATION_STATUS_COMPLETED, MIGRATION_STATUS_FAILED,
                                MIGRATION_STATUS_CANCELLED };
    for (int in = 0; in < 2; in++) {
        for (size_t i = 0; i < G_N_ELEMENTS(ends); i++) {
            for (int to = -1; to <= MIGRATION_STATUS_COMMITTED + 1; to++) {
                g_assert_cmpint(migration_edge_is_legal(in, ends[i], to), ==, to == MIGRATION_STATUS_SETUP);
            }
        }
    }
    g_assert_false(migration_edge_is_legal(false, MIGRATION_STATUS_COMMITTED, MIGRATION_STATUS_CANCELLING));
    g_assert_false(migration_edge_is_legal(false, -1, MIGRATION_STATUS_SETUP));
    g_assert_false(migration_edge_is_legal(false, 99, MIGRATION_STATUS_SETUP));
    g_assert_cmpstr(migration_status_name(MIGRATION_STATUS_COMMITTED), ==, "device");
    Host *h = host_new(true);
    MigrationState *s = h->m->migration;
    g_assert_false(migration_set_status(s, MIGRATION_STATUS_ACTIVE, MIGRATION_STATUS_DEVICE));
    g_assert_false(migration_set_status(s, MIGRATION_STATUS_NONE, MIGRATION_STATUS_COMPLETED));
    g_assert_cmpint(migration_status_now(s), ==, MIGRATION_STATUS_NONE);
    host_free(h);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/migration/control/edges", test_edges);
    g_test_add_func("/migration/control/cancel-setup", test_cancel_setup);
    g_test_add_func("/migration/control/cancel-active", test_cancel_active);
    g_test_add_func("/migration/control/cancel-pre-switchover", test_cancel_pre_switchover);
    g_test_add_func("/migration/control/cancel-device", test_cancel_device);
    g_test_add_func("/migration/control/committed", test_committed);
    g_test_add_data_func("/migration/control/doubt-forget", NULL, test_doubt);
    g_test_add_data_func("/migration/control/doubt-keep", "", test_doubt);
    g_test_add_func("/migration/control/refused-go", test_refused_go);
    g_test_add_func("/migration/control/garbage", test_garbage);
    g_test_add_func("/migration/control/one-way", test_one_way);
    g_test_add_func("/migration/control/no-return-path", test_no_return_path);
    g_test_add_func("/migration/control/paused", test_paused);
    g_test_add_func("/migration/control/blockers", test_blockers);
    g_test_add_func("/migration/control/notifiers", test_notifiers);
    return g_test_run();
}
