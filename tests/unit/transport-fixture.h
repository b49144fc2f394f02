/*
 * transport-fixture.h - both ends of a channel, for the tests of the transports.
 *
 * Two threads a test, one at each end.  What must happen "at once" has no deadline of its own: a test that
 * would wait for ever is ended by the test runner.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_TRANSPORT_FIXTURE_H
#define TESTS_TRANSPORT_FIXTURE_H

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "migration/channel.h"
#include "migration/qemu-file.h"

#define BODY (3 * 1024 * 1024 + 17)

static char *dir;       /* of the test program's own */
static uint8_t *body;

static inline MigrationAddress *parse(const char *uri)
{
    Error *err = NULL;
    MigrationAddress *address = migration_address_parse(uri, NULL, &err);
    g_assert_null(err);
    return address;
}

static inline MigrationConnectContext context(int cancel_fd)
{
    return (MigrationConnectContext){ .named_fd = -1, .cancel_fd = cancel_fd };
}

static inline MigrationChannel *must_connect(const char *uri, int named_fd)
{
    Error *err = NULL;
    MigrationAddress *address = parse(uri);
    MigrationConnectContext ctx = { .named_fd = named_fd, .cancel_fd = -1 };
    MigrationChannel *ch = migration_connect(address, &ctx, &err);
    g_assert_cmpstr(err ? error_get_pretty(err) : "", ==, "");
    migration_address_free(address);
    return ch;
}

static inline MigrationListener *must_listen(const char *uri, int named_fd)
{
    Error *err = NULL;
    MigrationAddress *address = parse(uri);
    MigrationConnectContext ctx = { .named_fd = named_fd, .cancel_fd = -1 };
    MigrationListener *l = migration_listen(address, &ctx, &err);
    g_assert_cmpstr(err ? error_get_pretty(err) : "", ==, "");
    migration_address_free(address);
    return l;
}

static inline MigrationChannel *must_accept(MigrationListener *l)
{
    Error *err = NULL;
    MigrationChannel *ch = migration_accept(l, -1, &err);
    g_assert_cmpstr(err ? error_get_pretty(err) : "", ==, "");
    migration_listener_free(l);
    return ch;
}

/* What a parse, connect or listen must say. */
static inline void expect(Error *err, const char *part)
{
    g_assert_nonnull(err);
    if (!strstr(error_get_pretty(err), part)) {
        g_test_message("'%s' does not have '%s'", error_get_pretty(err), part);
        g_test_fail();
    }
    error_free(err);
}

static inline void expect_no_connect(const char *uri, const char *part)
{
    Error *err = NULL;
    MigrationAddress *address = parse(uri);
    MigrationConnectContext ctx = context(-1);
    g_assert_null(migration_connect(address, &ctx, &err));
    expect(err, part);
    migration_address_free(address);
}

static inline void expect_no_listen(const char *uri, const char *part)
{
    Error *err = NULL;
    MigrationAddress *address = parse(uri);
    MigrationConnectContext ctx = context(-1);
    g_assert_null(migration_listen(address, &ctx, &err));
    expect(err, part);
    migration_address_free(address);
}

static inline char *path_of(const char *name)
{
    return g_build_filename(dir, name, NULL);
}

/* ---- a stream from one end to the other ---- */

static inline gpointer send_thread(gpointer opaque)
{
    MigrationChannel *ch = opaque;
    QEMUFile *f = qemu_file_channel_new_output(ch);
    qemu_put_be32(f, 0x12345678);
    for (size_t at = 0; at < BODY; at += 4096) {
        qemu_put_be64(f, at);
        qemu_put_page_ref(f, body + at, MIN(4096, BODY - at));
    }
    Error *err = NULL;
    g_assert_true(qemu_fclose(f, &err));
    g_assert_true(migration_channel_finish(ch, &err));
    g_assert_true(migration_channel_close(ch, &err));
    return NULL;
}

static inline void receive(MigrationChannel *ch)
{
    Error *err = NULL;
    uint8_t *page = g_malloc(4096);
    QEMUFile *f = qemu_file_channel_new_input(ch);
    g_assert_cmphex(qemu_get_be32(f), ==, 0x12345678);
    for (size_t at = 0; at < BODY; at += 4096) {
        size_t n = MIN(4096, BODY - at);
        g_assert_cmpuint(qemu_get_be64(f), ==, at);
        qemu_get_buffer(f, page, n);
        g_assert_true(memcmp(page, body + at, n) == 0);
    }
    g_assert_cmpint(qemu_peek_byte(f, 0), ==, -1);
    g_assert_true(qemu_fclose(f, &err));
    migration_channel_shutdown(ch);
    migration_channel_close(ch, NULL);
    g_free(page);
}

static inline void stream_over(MigrationChannel *out, MigrationChannel *in)
{
    GThread *t = g_thread_new("send", send_thread, out);
    receive(in);
    g_thread_join(t);
}

static inline void stream_via(MigrationListener *l, const char *uri)
{
    MigrationChannel *out = must_connect(uri, -1);
    MigrationChannel *in = must_accept(l);
    g_assert_true(out->two_way && in->two_way && !out->file_like);
    stream_over(out, in);
}

static inline void fixture_init(int *argc, char ***argv)
{
    g_test_init(argc, argv, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    dir = g_dir_make_tmp("godwit-transports-XXXXXX", NULL);
    body = g_malloc(BODY);
    for (size_t i = 0; i < BODY; i++) {
        body[i] = i * 2654435761u >> 13;
    }
}

/* Runs the tests; they leave no file behind. */
static inline int fixture_run(void)
{
    int rc = g_test_run();
    g_assert_cmpint(g_rmdir(dir), ==, 0);
    g_free(dir);
    g_free(body);
    return rc;
}

#endif
