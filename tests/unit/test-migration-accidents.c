/*
 * test-migration-accidents.c - the fault table by name: each accident that a peer, a child or a file can have.
 *
 * After each one the machine runs here, or waits for a word and then does; the reason says what happened; nothing
 * is left open, no thread goes on; and the machine moves at the next try.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib-migration.h"
#include "migration/wire.h"

#define CANCEL_US G_USEC_PER_SEC

/* ---- what every case ends with ---- */

/* It failed for a reason that has one of these words in it ("|" between them), and runs here. */
static void assert_failed(Host *h, const char *why)
{
    g_auto(GStrv) words = g_strsplit(why, "|", 0);
    host_wait_end(h);
    MigrationInfoData info = host_info(h);
    bool told = false;
    g_assert_cmpint(info.status, ==, MIGRATION_STATUS_FAILED);
    for (char **word = words; *word; word++) {
        told |= strstr(info.error_desc, *word) != NULL;
    }
    if (!told) {
        g_test_message("'%s' does not have '%s'", info.error_desc, why);
        g_test_fail();
    }
    migration_info_clear(&info);
}

static void assert_runs_and_moves(Pair p)
{
    g_assert_true(host_runs(p.src) && !host_runs(p.dst));
    pair_move_again(p);
}

static bool start_uri(Host *h, const char *uri)
{
    Error *err = NULL;
    MigrationAddress *address = migration_address_parse(uri, NULL, &err);
    g_assert_null(err);
    machine_lock(h->m);
    bool ok = migration_start(h->m->migration, address, -1, MIGRATION_DISKS_STAY, NULL);
    machine_unlock(h->m);
    return ok;
}

static void expect_failure(const char *uri, const char *why)
{
    Pair p = pair_new();
    g_assert_true(start_uri(p.src, uri));
    assert_failed(p.src, why);
    assert_runs_and_moves(p);
    pair_free(p);
}

/* ---- cancel ---- */

/* A cancel, or where that comes too late a word that ends the waiting: less than a second either way. */
static void get_out(Host *h)
{
    gint64 begin = g_get_monotonic_time();
    machine_lock(h->m);
    bool cancelled = migration_cancel(h->m->migration, NULL);
    if (!cancelled) {
        g_assert_true(migration_settle(h->m->migration, true, NULL));
    }
    machine_unlock(h->m);
    host_wait_end(h);
    g_assert_cmpint(g_get_monotonic_time() - begin, <, CANCEL_US);
    g_assert_true(host_runs(h));
}

static void socket_pair(int fds[2])
{
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
}

/* The stream does not fit into the socket: the writer hangs in the middle of it. */
static void test_never_reads(void)
{
    Pair p = pair_new();
    int fds[2];
    socket_pair(fds);
    g_assert_cmpint(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &(int){ 1 }, sizeof(int)), ==, 0);
    host_start_out(p.src, fds[0]);
    /* Something has come: the header. The page that follows fits nowhere. */
    g_assert_cmpint(recv(fds[1], &(char){ 0 }, 1, MSG_PEEK), ==, 1);
    get_out(p.src);
    close(fds[1]);
    assert_runs_and_moves(p);
    pair_free(p);
}

/* The address leads nowhere yet: it waits in setup. */
static void test_never_accepts(void)
{
    Pair p = pair_new();
    g_autofree char *dir = g_dir_make_tmp("godwit-migrate-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "fifo", NULL), *uri = g_strdup_printf("file:%s", path);
    g_assert_cmpint(mkfifo(path, 0600), ==, 0);
    g_assert_true(start_uri(p.src, uri));
    host_wait_status(p.src, MIGRATION_STATUS_SETUP);
    get_out(p.src);
    g_unlink(path);
    g_rmdir(dir);
    assert_runs_and_moves(p);
    pair_free(p);
}

/* One byte at a time; it waits for a word at the latest when all memory has been sent. */
static void test_slow(void)
{
    Pair p = pair_new();
    host_set_option(p.src, "pause-before-switchover", json_true(), true);
    Wire *w = wire_new_faulty(WIRE_DRIBBLE, UINT64_MAX, UINT64_MAX, 0);
    pair_start(p, w);
    host_wait_status(p.dst, MIGRATION_STATUS_ACTIVE);
    get_out(p.src);
    pair_finish(p, w);
    host_set_option(p.src, "pause-before-switchover", json_false(), true);
    assert_runs_and_moves(p);
    pair_free(p);
}

/* A command that reads nothing, and does not end. */
static void test_hung_child(void)
{
    Pair p = pair_new();
    g_assert_true(start_uri(p.src, "exec:exec sleep 1000"));
    host_wait_status(p.src, MIGRATION_STATUS_DEVICE);
    get_out(p.src);
    assert_runs_and_moves(p);
    pair_free(p);
}

/* ---- a connection that is reset ---- */

static void tcp_pair(int fds[2])
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(at);
    int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(bind(server, (struct sockaddr *)&at, len), ==, 0);
    g_assert_cmpint(listen(server, 1), ==, 0);
    g_assert_cmpint(getsockname(server, (struct sockaddr *)&at, &len), ==, 0);
    fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(connect(fds[0], (struct sockaddr *)&at, len), ==, 0);
    fds[1] = accept4(server, NULL, NULL, SOCK_CLOEXEC);
    g_assert_cmpint(fds[1], >=, 0);
    close(server);
}

static void reset_connection(int fd)
{
    const struct linger now = { .l_onoff = 1, .l_linger = 0 };
    g_assert_cmpint(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)), ==, 0);
    close(fd);
}

/* Reads until the last five bytes are the source's last word. */
static void read_to_go(int fd)
{
    static const uint8_t go[5] = { QEMU_VM_COMMAND, MIG_CMD_GODWIT_GO >> 8, MIG_CMD_GODWIT_GO & 0xff, 0, 0 };
    uint8_t last[5] = { 0 };
    while (memcmp(last, go, 5) != 0) {
        memmove(last, last + 1, 4);
        g_assert_cmpint(recv(fd, last + 4, 1, 0), ==, 1);
    }
}

static void say_ready(int fd)
{
    const uint8_t ready[12] = { MIG_RP_GODWIT_READY >> 8, MIG_RP_GODWIT_READY & 0xff, 0, 8 };
    g_assert_cmpint(send(fd, ready, sizeof(ready), MSG_NOSIGNAL), ==, sizeof(ready));
}

/* The writer may have been told first: then the reader hears of an end only. */
static const char reset_words[] = "Connection reset|Broken pipe|the destination closed the channel";

static void test_reset_active(void)
{
    Pair p = pair_new();
    int fds[2];
    tcp_pair(fds);
    /* Nobody says how fast the channel is, and no answer to a PING does: it sends for ever. */
    host_set_option(p.src, "avail-switchover-bandwidth", json_integer(0), false);
    host_start_out(p.src, fds[0]);
    host_wait_status(p.src, MIGRATION_STATUS_ACTIVE);
    reset_connection(fds[1]);
    assert_failed(p.src, reset_words);
    assert_runs_and_moves(p);
    pair_free(p);
}

/* It stands still for a destination that is gone: nobody has to say continue for it to go on here. */
static void test_reset_pre_switchover(void)
{
    Pair p = pair_new();
    int fds[2];
    tcp_pair(fds);
    host_set_option(p.src, "pause-before-switchover", json_true(), true);
    host_start_out(p.src, fds[0]);
    host_wait_status(p.src, MIGRATION_STATUS_PRE_SWITCHOVER);
    g_assert_false(host_runs(p.src));
    reset_connection(fds[1]);
    assert_failed(p.src, reset_words);
    host_set_option(p.src, "pause-before-switchover", json_false(), true);
    assert_runs_and_moves(p);
    pair_free(p);
}

static void test_reset_device(void)
{
    Pair p = pair_new();
    int fds[2];
    tcp_pair(fds);
    host_start_out(p.src, fds[0]);
    host_wait_status(p.src, MIGRATION_STATUS_DEVICE);
    reset_connection(fds[1]);
    assert_failed(p.src, reset_words);
    assert_runs_and_moves(p);
    pair_free(p);
}

/* Behind the last word nothing is certain, until an operator says it. */
static void test_reset_committed(void)
{
    Pair p = pair_new();
    int fds[2];
    tcp_pair(fds);
    host_start_out(p.src, fds[0]);
    host_wait_status(p.src, MIGRATION_STATUS_DEVICE);
    say_ready(fds[1]);
    read_to_go(fds[1]);
    reset_connection(fds[1]);
    assert_failed(p.src, reset_words);
    g_assert_true(host_in_doubt(p.src) && !host_runs(p.src));
    host_settle(p.src, true);
    assert_runs_and_moves(p);
    pair_free(p);
}

/* ---- garbage ---- */

static gpointer send_garbage(gpointer fd)
{
    GRand *rand = g_rand_new_with_seed(1);
    guint32 words[1024];
    for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
        words[i] = g_rand_int(rand);
    }
    g_rand_free(rand);
    for (unsigned i = 0; i < 64; i++) {
        if (send(GPOINTER_TO_INT(fd), words, sizeof(words), MSG_NOSIGNAL) <= 0) {
            break;
        }
    }
    return NULL;
}

static void test_garbage_arrives(void)
{
    Pair p = pair_new();
    int fds[2];
    socket_pair(fds);
    host_start_in(p.dst, fds[0]);
    GThread *peer = g_thread_new("peer", send_garbage, GINT_TO_POINTER(fds[1]));
    g_thread_join(peer);
    close(fds[1]);
    assert_failed(p.dst, "Not a migration stream");
    assert_runs_and_moves(p);
    pair_free(p);
}

static void test_garbage_answers(void)
{
    Pair p = pair_new();
    int fds[2];
    socket_pair(fds);
    host_start_out(p.src, fds[0]);
    GThread *peer = g_thread_new("peer", send_garbage, GINT_TO_POINTER(fds[1]));
    assert_failed(p.src, "which has no meaning here");
    g_thread_join(peer);
    close(fds[1]);
    assert_runs_and_moves(p);
    pair_free(p);
}

/* ---- commands ---- */

static void test_child_reads_nothing(void)
{
    /* It may be gone before the first byte, or after the last. */
    expect_failure("exec:exit 0", "without having read the last|the command ended before the stream did");
}

static void test_child_reads_a_part(void)
{
    expect_failure("exec:dd bs=1 count=9 of=/dev/null 2>/dev/null",
                   "without having read the last|the command ended before the stream did");
}

static void test_child_fails_at_the_end(void)
{
    expect_failure("exec:cat > /dev/null; exit 3", "exited with status 3");
}

static void test_child_is_killed(void)
{
    expect_failure("exec:cat > /dev/null; kill -9 $$", "killed by signal 9");
}

static void test_child_does_not_exist(void)
{
    expect_failure("exec:exec /nonexistent/program 2>/dev/null", "exited with status 127");
}

/* ---- descriptors ---- */

/* As one that was inherited. */
static char *inherited_uri(int fd)
{
    g_assert_cmpint(fcntl(fd, F_SETFD, 0), ==, 0);
    return g_strdup_printf("fd:%d", fd);
}

static void expect_fd_failure(int fd, const char *why)
{
    g_autofree char *uri = inherited_uri(fd);
    expect_failure(uri, why);
    close(fd);
}

static void test_fd_is_read_only(void)
{
    expect_fd_failure(open("/dev/null", O_RDONLY), "open for reading only");
}

static void test_fd_is_a_folder(void)
{
    expect_fd_failure(open("/", O_RDONLY), "is a directory");
}

static void test_fd_listens(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    g_assert_cmpint(listen(fd, 1), ==, 0);
    expect_fd_failure(fd, "is a listening socket");
}

static void test_fd_is_closed(void)
{
    int fd = open("/dev/null", O_WRONLY);
    g_autofree char *uri = g_strdup_printf("fd:%d", fd);
    close(fd);
    expect_failure(uri, "Bad file descriptor|has not been inherited");
}

/* A pipe whose reader has gone. */
static void test_fd_is_a_broken_pipe(void)
{
    int fds[2];
    g_assert_cmpint(pipe(fds), ==, 0);
    close(fds[0]);
    g_autofree char *uri = inherited_uri(fds[1]);
    expect_failure(uri, "Broken pipe");
}

/* A file is a place to go to: the machine is there until it is fetched. */
static void test_fd_is_a_file(void)
{
    Pair p = pair_new();
    char *path = NULL;
    int fd = g_file_open_tmp("godwit-migrate-XXXXXX", &path, NULL);
    g_autofree char *uri = inherited_uri(fd);
    g_assert_true(start_uri(p.src, uri));
    host_wait_end(p.src);
    g_assert_cmpint(runstate_get(p.src->m), ==, RUN_STATE_POSTMIGRATE);
    host_start_in(p.dst, open(path, O_RDONLY | O_CLOEXEC));
    host_wait_end(p.dst);
    g_assert_true(host_runs(p.dst) && !host_runs(p.src));
    hosts_assert_same(p.src, p.dst);
    g_unlink(path);
    g_free(path);
    pair_free(p);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*test)(void);
    } cases[] = {
        { "never-reads", test_never_reads },
        { "never-accepts", test_never_accepts },
        { "slow", test_slow },
        { "hung-child", test_hung_child },
        { "reset-active", test_reset_active },
        { "reset-pre-switchover", test_reset_pre_switchover },
        { "reset-device", test_reset_device },
        { "reset-committed", test_reset_committed },
        { "garbage-arrives", test_garbage_arrives },
        { "garbage-answers", test_garbage_answers },
        { "child-reads-nothing", test_child_reads_nothing },
        { "child-reads-a-part", test_child_reads_a_part },
        { "child-fails-at-the-end", test_child_fails_at_the_end },
        { "child-is-killed", test_child_is_killed },
        { "child-does-not-exist", test_child_does_not_exist },
        { "fd-is-read-only", test_fd_is_read_only },
        { "fd-is-a-folder", test_fd_is_a_folder },
        { "fd-listens", test_fd_listens },
        { "fd-is-closed", test_fd_is_closed },
        { "fd-is-a-broken-pipe", test_fd_is_a_broken_pipe },
        { "fd-is-a-file", test_fd_is_a_file },
    };
    g_test_init(&argc, &argv, NULL);
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf("/migration/accidents/%s", cases[i].name);
        add_guarded_test(path, cases[i].test);
    }
    return g_test_run();
}
