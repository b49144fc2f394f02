/*
 * test-transports.c - sockets and descriptors both ways: bytes, ends, cancels, shutdowns, errors.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "transport-cancel.h"

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

static void test_port_range(void)
{
    MigrationListener *first = must_listen("tcp:127.0.0.1:0", -1);
    unsigned port = port_of(first);
    g_autofree char *same = g_strdup_printf("tcp:127.0.0.1:%u", port);
    g_autofree char *range = g_strdup_printf("tcp:127.0.0.1:%u,to=%u", port, MIN(port + 50, 65535));
    expect_no_listen(same, "Address already in use");
    if (port < 65535) {
        MigrationListener *second = must_listen(range, -1);
        g_assert_cmpuint(port_of(second), >, port);
        stream_via(second, second->name);
    }
    migration_listener_free(first);
    expect_no_connect(same, "Connection refused");
}

static void test_no_such_host(void)
{
    expect_no_connect("tcp:host.invalid:4444", "host.invalid");
    expect_no_connect("tcp:127.0.0.1:no-such-service", "no-such-service");
}

/* The connected socket whose peer has that port. */
static int find_socket(unsigned port)
{
    for (int fd = 3; fd < 256; fd++) {
        struct sockaddr_in sa;
        socklen_t len = sizeof(sa);
        if (getpeername(fd, (struct sockaddr *)&sa, &len) == 0 && sa.sin_family == AF_INET &&
            ntohs(sa.sin_port) == port) {
            return fd;
        }
    }
    return -1;
}

static void test_tcp_options(void)
{
    char name[16] = "";
    int on = 0;
    socklen_t len = sizeof(name) - 1, on_len = sizeof(on);
    MigrationListener *l = must_listen("tcp:127.0.0.1:0", -1);
    MigrationChannel *out = must_connect(l->name, -1);
    int fd = find_socket(port_of(l));
    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &on_len), ==, 0);
    g_assert_true(on);
    g_assert_cmpint(getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &len), ==, 0);
    g_assert_cmpstr(name, !=, "bbr");       /* both ends are in this host */
    g_assert_false(fcntl(fd, F_GETFL) & O_NONBLOCK);
    g_assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    migration_listener_free(l);
    migration_channel_shutdown(out);
    g_assert_true(migration_channel_close(out, NULL));
}

/* ---- unix ---- */

static void test_unix(void)
{
    g_autofree char *path = path_of("sock"), *uri = g_strconcat("unix:", path, NULL);
    stream_via(must_listen(uri, -1), uri);
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
}

static void test_unix_stale(void)
{
    g_autofree char *path = path_of("stale"), *uri = g_strconcat("unix:", path, NULL);
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_strlcpy(un.sun_path, path, sizeof(un.sun_path));
    g_assert_cmpint(bind(fd, (struct sockaddr *)&un, sizeof(un)), ==, 0);
    g_assert_cmpint(listen(fd, 1), ==, 0);
    expect_no_listen(uri, "Address already in use");
    /* The one that is alive has not even been disturbed. */
    g_assert_cmpint(fcntl(fd, F_SETFL, O_NONBLOCK), ==, 0);
    g_assert_cmpint(accept(fd, NULL, NULL), ==, -1);
    close(fd);
    g_assert_true(g_file_test(path, G_FILE_TEST_EXISTS));
    expect_no_connect(uri, "Connection refused");
    stream_via(must_listen(uri, -1), uri);
    /* A file that is no socket stays. */
    g_assert_true(g_file_set_contents(path, "x", 1, NULL));
    expect_no_listen(uri, "Address already in use");
    g_assert_true(g_file_test(path, G_FILE_TEST_IS_REGULAR));
    g_unlink(path);
    expect_no_connect(uri, "No such file");
    expect_no_listen("unix:/nonexistent/godwit/sock", "No such file");
}

static void test_unix_abstract(void)
{
    g_autofree char *uri = g_strdup_printf("unix:@godwit-test-%d", (int)getpid());
    stream_via(must_listen(uri, -1), uri);
}

/* ---- fd ---- */

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

static void test_fd_file(void)
{
    g_autofree char *path = path_of("file");
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    g_assert_cmpint(write(fd, "header", 6), ==, 6);
    send_thread(must_connect("fd:save", dup(fd)));
    g_assert_cmpint(lseek(fd, 6, SEEK_SET), ==, 6);
    receive(must_accept(must_listen("fd:load", dup(fd))));
    close(fd);
    g_unlink(path);
}

static void expect_bad_fd(int fd, bool output, const char *part)
{
    Error *err = NULL;
    MigrationAddress *address = parse("fd:x");
    MigrationConnectContext ctx = { .named_fd = fd, .cancel_fd = -1 };
    if (output) {
        g_assert_null(migration_connect(address, &ctx, &err));
    } else {
        g_assert_null(migration_listen(address, &ctx, &err));
    }
    expect(err, part);
    g_assert_true(fd < 0 || fcntl(fd, F_GETFD) < 0);    /* taken all the same */
    migration_address_free(address);
}

static void test_fd_bad(void)
{
    int fds[2];
    expect_bad_fd(-1, true, "no descriptor of the name 'x'");
    g_assert_cmpint(pipe2(fds, O_CLOEXEC), ==, 0);
    expect_bad_fd(fds[0], true, "open for reading only");
    expect_bad_fd(fds[1], false, "open for writing only");
    expect_bad_fd(open("/", O_RDONLY | O_CLOEXEC), false, "directory");
    expect_bad_fd(socket(AF_UNIX, SOCK_DGRAM, 0), true, "message socket");
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    g_assert_cmpint(listen(fd, 1), ==, 0);
    expect_bad_fd(fd, false, "listening socket");
    expect_no_connect("fd:987654", "Bad file descriptor");
    fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    g_autofree char *own = g_strdup_printf("fd:%d", fd);
    expect_no_connect(own, "has not been inherited");
    close(fd);
    /* An inherited one that does not fit is left alone. */
    g_assert_cmpint(pipe(fds), ==, 0);
    g_autofree char *wrong = g_strdup_printf("fd:%d", fds[0]);
    expect_no_connect(wrong, "open for reading only");
    g_assert_cmpint(fcntl(fds[0], F_GETFD), ==, 0);
    close(fds[0]);
    close(fds[1]);
}

/* ---- cancel and shutdown ---- */

/* Fills a listener's queue, so that the next connect hangs. Returns the descriptors. */
static GArray *fill_queue(const struct sockaddr *sa, socklen_t len)
{
    GArray *fds = g_array_new(FALSE, FALSE, sizeof(int));
    for (int i = 0; i < 8; i++) {
        int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        g_assert_true(connect(fd, sa, len) == 0 || errno == EINPROGRESS || errno == EAGAIN);
        g_array_append_val(fds, fd);
    }
    return fds;
}

static void close_all(GArray *fds)
{
    for (guint i = 0; i < fds->len; i++) {
        close(g_array_index(fds, int, i));
    }
    g_array_unref(fds);
}

static void test_cancel_connect_tcp(void)
{
    struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(sa);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), ==, 0);
    g_assert_cmpint(listen(fd, 0), ==, 0);
    g_assert_cmpint(getsockname(fd, (struct sockaddr *)&sa, &len), ==, 0);
    GArray *fds = fill_queue((struct sockaddr *)&sa, len);
    g_autofree char *uri = g_strdup_printf("tcp:127.0.0.1:%u", ntohs(sa.sin_port));
    expect_cancelled_connect(uri);
    close_all(fds);
    close(fd);
}

static void test_cancel_connect_unix(void)
{
    g_autofree char *path = path_of("busy"), *uri = g_strconcat("unix:", path, NULL);
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_strlcpy(un.sun_path, path, sizeof(un.sun_path));
    g_assert_cmpint(bind(fd, (struct sockaddr *)&un, sizeof(un)), ==, 0);
    g_assert_cmpint(listen(fd, 0), ==, 0);
    GArray *fds = fill_queue((struct sockaddr *)&un, sizeof(un));
    expect_cancelled_connect(uri);
    close_all(fds);
    close(fd);
    g_unlink(path);
}

/* A cancel that is there already wins, however quick the name server is. */
static void test_cancel_lookup(void)
{
    Error *err = NULL;
    MigrationAddress *address = parse("tcp:host.invalid:4444");
    int cancel = eventfd(1, EFD_CLOEXEC);
    MigrationConnectContext ctx = { .named_fd = -1, .cancel_fd = cancel };
    g_assert_null(migration_connect(address, &ctx, &err));
    expect(err, "looking up host.invalid was cancelled");
    err = NULL;
    g_assert_null(migration_listen(address, &ctx, &err));
    expect(err, "looking up host.invalid was cancelled");
    migration_address_free(address);
    close(cancel);
}

static void test_cancel_accept(void)
{
    g_autofree char *path = path_of("sock"), *unix_uri = g_strconcat("unix:", path, NULL);
    const char *uris[] = { "tcp:127.0.0.1:0", unix_uri };
    for (size_t i = 0; i < G_N_ELEMENTS(uris); i++) {
        Error *err = NULL;
        int cancel = eventfd(0, EFD_CLOEXEC);
        MigrationListener *l = must_listen(uris[i], -1);
        GThread *t = g_thread_new("cancel", cancel_thread, GINT_TO_POINTER(cancel));
        g_assert_null(migration_accept(l, cancel, &err));
        g_thread_join(t);
        expect(err, "cancelled");
        migration_listener_free(l);
        close(cancel);
    }
}

static void test_shutdown_socket(void)
{
    int pair[2];
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
    MigrationChannel *ch = migration_channel_new_fds("pair", pair[0], pair[0]);
    shutdown_both(ch, ch);
    close(pair[1]);
    MigrationListener *l = must_listen("tcp:127.0.0.1:0", -1);
    ch = must_connect(l->name, -1);
    MigrationChannel *peer = must_accept(l);
    shutdown_both(ch, ch);
    migration_channel_close(peer, NULL);
}

static void test_shutdown_pipe(void)
{
    int in[2], out[2];
    g_assert_cmpint(pipe2(in, O_CLOEXEC), ==, 0);
    g_assert_cmpint(pipe2(out, O_CLOEXEC), ==, 0);
    shutdown_both(migration_channel_new_fds("in", in[0], -1), migration_channel_new_fds("out", -1, out[1]));
    close(in[1]);
    close(out[0]);
}

/* A non-blocking descriptor is given back as it was; its other holder finds it blocking again. */
static void test_flags_restored(void)
{
    int fds[2];
    g_assert_cmpint(pipe2(fds, O_CLOEXEC), ==, 0);
    int other = dup(fds[1]);
    MigrationChannel *ch = migration_channel_new_fds("out", -1, fds[1]);
    g_assert_true(fcntl(other, F_GETFL) & O_NONBLOCK);
    g_assert_true(migration_channel_close(ch, NULL));
    g_assert_false(fcntl(other, F_GETFL) & O_NONBLOCK);
    close(other);
    close(fds[0]);
}

/* ---- a peer that goes away ---- */

static void test_peer_gone(void)
{
    Error *err = NULL;
    int pair[2];
    char buf[16];
    size_t got = 1;
    struct iovec iov = { .iov_base = buf, .iov_len = sizeof(buf) };
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
    MigrationChannel *ch = migration_channel_new_fds("tcp:host:1", pair[0], pair[0]);
    close(pair[1]);
    g_assert_true(ch->ops->read(ch, buf, sizeof(buf), &got, &err));
    g_assert_cmpuint(got, ==, 0);
    g_assert_false(ch->ops->writev(ch, &iov, 1, &err));
    expect(err, "cannot write to tcp:host:1: Broken pipe");
    g_assert_true(migration_channel_close(ch, NULL));
}

int main(int argc, char **argv)
{
    fixture_init(&argc, &argv);
    g_test_add_func("/transports/tcp", test_tcp);
    g_test_add_func("/transports/tcp/families", test_tcp_both_families);
    g_test_add_func("/transports/tcp/options", test_tcp_options);
    g_test_add_func("/transports/tcp/port-range", test_port_range);
    g_test_add_func("/transports/tcp/no-such-host", test_no_such_host);
    g_test_add_func("/transports/unix", test_unix);
    g_test_add_func("/transports/unix/stale", test_unix_stale);
    g_test_add_func("/transports/unix/abstract", test_unix_abstract);
    g_test_add_func("/transports/fd/socket", test_fd_socket);
    g_test_add_func("/transports/fd/pipe", test_fd_pipe);
    g_test_add_func("/transports/fd/file", test_fd_file);
    g_test_add_func("/transports/fd/bad", test_fd_bad);
    g_test_add_func("/transports/cancel/connect/tcp", test_cancel_connect_tcp);
    g_test_add_func("/transports/cancel/connect/unix", test_cancel_connect_unix);
    g_test_add_func("/transports/cancel/lookup", test_cancel_lookup);
    g_test_add_func("/transports/cancel/accept", test_cancel_accept);
    g_test_add_func("/transports/shutdown/socket", test_shutdown_socket);
    g_test_add_func("/transports/shutdown/pipe", test_shutdown_pipe);
    g_test_add_func("/transports/flags", test_flags_restored);
    g_test_add_func("/transports/peer-gone", test_peer_gone);
    return fixture_run();
}
