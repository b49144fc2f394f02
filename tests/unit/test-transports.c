/*
 * test-transports.c - every transport both ways: bytes, ends, cancels, shutdowns, and what goes wrong.
 *
 * Two threads a test, one at each end.  What must happen "at once" has no deadline of its own: a test that
 * would wait for ever is ended by the test runner.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "migration/channel.h"
#include "migration/qemu-file.h"

#define BODY (3 * 1024 * 1024 + 17)

static char *dir;
static uint8_t *body;

static MigrationAddress *parse(const char *uri)
{
    Error *err = NULL;
    MigrationAddress *address = migration_address_parse(uri, NULL, &err);
    g_assert_null(err);
    return address;
}

static MigrationConnectContext context(int cancel_fd)
{
    return (MigrationConnectContext){ .named_fd = -1, .cancel_fd = cancel_fd };
}

static MigrationChannel *must_connect(const char *uri, int named_fd)
{
    Error *err = NULL;
    MigrationAddress *address = parse(uri);
    MigrationConnectContext ctx = { .named_fd = named_fd, .cancel_fd = -1 };
    MigrationChannel *ch = migration_connect(address, &ctx, &err);
    g_assert_cmpstr(err ? error_get_pretty(err) : "", ==, "");
    migration_address_free(address);
    return ch;
}

static MigrationListener *must_listen(const char *uri, int named_fd)
{
    Error *err = NULL;
    MigrationAddress *address = parse(uri);
    MigrationConnectContext ctx = { .named_fd = named_fd, .cancel_fd = -1 };
    MigrationListener *l = migration_listen(address, &ctx, &err);
    g_assert_cmpstr(err ? error_get_pretty(err) : "", ==, "");
    migration_address_free(address);
    return l;
}

static MigrationChannel *must_accept(MigrationListener *l)
{
    Error *err = NULL;
    MigrationChannel *ch = migration_accept(l, -1, &err);
    g_assert_cmpstr(err ? error_get_pretty(err) : "", ==, "");
    migration_listener_free(l);
    return ch;
}

/* What a parse, connect or listen must say. */
static void expect(Error *err, const char *part)
{
    g_assert_nonnull(err);
    if (!strstr(error_get_pretty(err), part)) {
        g_test_message("'%s' does not have '%s'", error_get_pretty(err), part);
        g_test_fail();
    }
    error_free(err);
}

static void expect_no_connect(const char *uri, const char *part)
{
    Error *err = NULL;
    MigrationAddress *address = parse(uri);
    MigrationConnectContext ctx = context(-1);
    g_assert_null(migration_connect(address, &ctx, &err));
    expect(err, part);
    migration_address_free(address);
}


static char *path_of(const char *name)
{
    return g_build_filename(dir, name, NULL);
}

/* ---- a stream from one end to the other ---- */

static gpointer send_thread(gpointer opaque)
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

static void receive(MigrationChannel *ch)
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

static void stream_over(MigrationChannel *out, MigrationChannel *in)
{
    GThread *t = g_thread_new("send", send_thread, out);
    receive(in);
    g_thread_join(t);
}

static void stream_via(MigrationListener *l, const char *uri)
{
    MigrationChannel *out = must_connect(uri, -1);
    MigrationChannel *in = must_accept(l);
    g_assert_true(out->two_way && in->two_way && !out->file_like);
    stream_over(out, in);
}

/* ---- tcp ---- */

static bool have_ipv6(void)
{
    struct sockaddr_in6 sa = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    bool ok = fd >= 0 && bind(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0;
    if (fd >= 0) {
        close(fd);
    }
    return ok;
}

static unsigned port_of(const MigrationListener *l)
{
    return g_ascii_strtoull(strrchr(l->name, ':') + 1, NULL, 10);
}

static void test_tcp(void)
{
    MigrationListener *l = must_listen("tcp:127.0.0.1:0", -1);
    stream_via(l, l->name);
}

static void test_tcp_both_families(void)
{
    static const char *const listens[] = { "tcp:[::]:0", "tcp::0", "tcp:localhost:0" };
    /* The last is left out for localhost, which is not an IPv6 name everywhere. */
    static const char *const hosts[] = { "127.0.0.1", "localhost", "", "[::1]" };
    if (!have_ipv6()) {
        g_test_skip("no IPv6 here");
        return;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(listens); i++) {
        for (size_t k = 0; k < G_N_ELEMENTS(hosts) - (i == 2); k++) {
            MigrationListener *l = must_listen(listens[i], -1);
            g_autofree char *uri = g_strdup_printf("tcp:%s:%u", hosts[k], port_of(l));
            stream_via(l, uri);
        }
    }
}

/* ---- unix ---- */

static void test_unix(void)
{
    g_autofree char *path = path_of("sock"), *uri = g_strconcat("unix:", path, NULL);
    stream_via(must_listen(uri, -1), uri);
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
}

static void test_fd_socket(void)
{
    int pair[2];
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
    MigrationChannel *out = must_connect("fd:migrate", pair[0]);
    MigrationChannel *in = must_accept(must_listen("fd:incoming", pair[1]));
    g_assert_true(out->two_way && in->two_way);
    stream_over(out, in);
}

static void test_fd_pipe(void)
{
    int fds[2];
    g_assert_cmpint(pipe(fds), ==, 0);      /* inherited ones are not close-on-exec */
    g_autofree char *out_uri = g_strdup_printf("fd:%d", fds[1]), *in_uri = g_strdup_printf("fd:%d", fds[0]);
    MigrationChannel *out = must_connect(out_uri, -1);
    MigrationChannel *in = must_accept(must_listen(in_uri, -1));
    g_assert_false(out->two_way || in->two_way);
    expect_no_connect(out_uri, "in use already");
    stream_over(out, in);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    signal(SIGPIPE, SIG_IGN);
    dir = g_dir_make_tmp("godwit-transports-XXXXXX", NULL);
    body = g_malloc(BODY);
    for (size_t i = 0; i < BODY; i++) {
        body[i] = i * 2654435761u >> 13;
    }
    g_test_add_func("/transports/tcp", test_tcp);
    g_test_add_func("/transports/tcp/families", test_tcp_both_families);
    g_test_add_func("/transports/unix", test_unix);
    g_test_add_func("/transports/fd/socket", test_fd_socket);
    g_test_add_func("/transports/fd/pipe", test_fd_pipe);
    int rc = g_test_run();
    g_assert_cmpint(g_rmdir(dir), ==, 0);
    g_free(dir);
    g_free(body);
    return rc;
}
