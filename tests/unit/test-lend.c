/*
 * test-lend.c - pages that are lent to a channel: to sockets, to what takes no loan, to a peer that is gone.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "migration/channel.h"
#include "migration/page-lender.h"
#include "migration/qemu-file.h"

#define PAGE 4096u
#define PAGES 1500u
#define BYTES (PAGES * PAGE)

static uint8_t *ram;

static void fill_ram(void)
{
    for (size_t i = 0; i < BYTES; i++) {
        ram[i] = (uint8_t)(i * 2654435761u >> 15);
    }
}

/* Of both ends the first is written to. */
static void unix_pair(int pair[2])
{
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
}

static void tcp_pair(int pair[2])
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(at);
    int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(bind(server, (struct sockaddr *)&at, sizeof(at)), ==, 0);
    g_assert_cmpint(listen(server, 1), ==, 0);
    g_assert_cmpint(getsockname(server, (struct sockaddr *)&at, &len), ==, 0);
    pair[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(connect(pair[0], (struct sockaddr *)&at, sizeof(at)), ==, 0);
    pair[1] = accept4(server, NULL, NULL, SOCK_CLOEXEC);
    g_assert_cmpint(pair[1], >=, 0);
    close(server);
}

static void pipe_pair(int pair[2])
{
    int fds[2];
    g_assert_cmpint(pipe2(fds, O_CLOEXEC), ==, 0);
    pair[0] = fds[1];
    pair[1] = fds[0];
}

/* ---- a stream of runs ---- */

/* The runs that make up RAM: some too short to be lent, some longer than the pipe. */
static const unsigned runs[] = { 1, 256, 3, 15, 16, 700, 2, 17, 490 };

static gpointer send_runs(gpointer opaque)
{
    MigrationChannel *ch = opaque;
    Error *err = NULL;
    QEMUFile *f = qemu_file_channel_new_output(ch);
    size_t at = 0;
    for (size_t i = 0; i < G_N_ELEMENTS(runs); i++) {
        qemu_put_be32(f, runs[i]);
        qemu_lend_pages(f, ram + at, runs[i] * PAGE);
        qemu_put_byte(f, (uint8_t)i);
        at += runs[i] * PAGE;
    }
    g_assert_cmpuint(at, ==, BYTES);
    g_assert_cmpuint(qemu_ftell(f), ==, BYTES + 5 * G_N_ELEMENTS(runs));
    g_assert_true(qemu_fflush(f));
    g_assert_cmpuint(qemu_file_get_transferred(f), ==, qemu_ftell(f));
    g_assert_true(qemu_fclose(f, &err));
    migration_channel_close(ch, NULL);
    return NULL;
}

static void test_runs(gconstpointer data)
{
    void (*make)(int[2]) = data;
    int pair[2];
    make(pair);
    int flags = fcntl(pair[0], F_GETFL);
    if (g_test_rand_bit()) {
        /* As a management program may have left it. */
        fcntl(pair[0], F_SETFL, flags | O_NONBLOCK);
    }
    uint8_t *got = g_malloc(BYTES);
    size_t at = 0;
    MigrationChannel *in = migration_channel_new_fds("in", pair[1], -1);
    GThread *t = g_thread_new("send", send_runs, migration_channel_new_fds("out", -1, pair[0]));
    QEMUFile *f = qemu_file_channel_new_input(in);
    for (size_t i = 0; i < G_N_ELEMENTS(runs); i++) {
        g_assert_cmpuint(qemu_get_be32(f), ==, runs[i]);
        qemu_get_buffer(f, got + at, runs[i] * PAGE);
        g_assert_cmpuint(qemu_get_byte(f), ==, i);
        at += runs[i] * PAGE;
    }
    g_assert_true(memcmp(got, ram, BYTES) == 0);
    g_assert_cmpint(qemu_peek_byte(f, 0), ==, -1);
    g_assert_true(qemu_fclose(f, NULL));
    g_thread_join(t);
    migration_channel_close(in, NULL);
    g_free(got);
}

/* A loan is no copy: what a page holds when the peer reads it is what was sent. */
static void test_no_copy(void)
{
    int pair[2];
    size_t len = 16 * PAGE, at = 0;
    g_autofree uint8_t *got = g_malloc(len);
    const struct iovec pages = { .iov_base = ram, .iov_len = len };
    unix_pair(pair);
    MigrationChannel *ch = migration_channel_new_fds("out", -1, pair[0]);
    g_assert_true(ch->ops->lend(ch, NULL, 0, &pages, NULL));
    ram[5] ^= 0xff;
    ram[15 * PAGE] ^= 0xff;
    while (at < len) {
        ssize_t n = read(pair[1], got + at, len - at);
        g_assert_cmpint(n, >, 0);
        at += (size_t)n;
    }
    g_assert_true(memcmp(got, ram, len) == 0);
    migration_channel_close(ch, NULL);
    close(pair[1]);
    fill_ram();
}

/* ---- ends ---- */

static gpointer lend_for_ever(gpointer opaque)
{
    MigrationChannel *ch = opaque;
    Error *err = NULL;
    const struct iovec pages = { .iov_base = ram, .iov_len = BYTES };
    while (ch->ops->lend(ch, NULL, 0, &pages, &err)) {
    }
    return err;
}

/* The peer reads nothing: the lender hangs until its channel is shut down. */
static void test_shutdown(gconstpointer data)
{
    void (*make)(int[2]) = data;
    int pair[2];
    make(pair);
    MigrationChannel *ch = migration_channel_new_fds("out", -1, pair[0]);
    GThread *t = g_thread_new("lend", lend_for_ever, ch);
    migration_channel_shutdown(ch);
    Error *err = g_thread_join(t);
    g_assert_cmpstr(error_get_pretty(err), ==, "the channel out was shut down");
    error_free(err);
    migration_channel_close(ch, NULL);
    close(pair[1]);
}

/* The peer is gone: an error, and no signal, not even one that waits. */
static void test_peer_gone(gconstpointer data)
{
    void (*make)(int[2]) = data;
    int pair[2];
    sigset_t pending;
    make(pair);
    MigrationChannel *ch = migration_channel_new_fds("out", -1, pair[0]);
    close(pair[1]);
    Error *err = lend_for_ever(ch);
    g_assert_true(g_str_has_prefix(error_get_pretty(err), "cannot write to out: "));
    g_test_message("%s", error_get_pretty(err));
    error_free(err);
    sigemptyset(&pending);
    g_assert_cmpint(sigpending(&pending), ==, 0);
    g_assert_false(sigismember(&pending, SIGPIPE));
    migration_channel_close(ch, NULL);
}

/* Pages that cannot be lent are an error of the write that is tried instead. */
static void test_unreadable(void)
{
    int pair[2];
    Error *err = NULL;
    void *nothing = mmap(NULL, BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    const struct iovec pages = { .iov_base = nothing, .iov_len = BYTES };
    unix_pair(pair);
    MigrationChannel *ch = migration_channel_new_fds("out", -1, pair[0]);
    g_assert_false(ch->ops->lend(ch, NULL, 0, &pages, &err));
    g_assert_cmpstr(error_get_pretty(err), ==, "cannot write to out: Bad address");
    error_free(err);
    migration_channel_close(ch, NULL);
    close(pair[1]);
    munmap(nothing, BYTES);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    signal(SIGPIPE, SIG_DFL);
    ram = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    fill_ram();
    g_test_add_data_func("/lend/runs/unix", unix_pair, test_runs);
    g_test_add_data_func("/lend/runs/tcp", tcp_pair, test_runs);
    g_test_add_data_func("/lend/runs/pipe", pipe_pair, test_runs);
    g_test_add_func("/lend/no-copy", test_no_copy);
    g_test_add_data_func("/lend/shutdown/unix", unix_pair, test_shutdown);
    g_test_add_data_func("/lend/shutdown/tcp", tcp_pair, test_shutdown);
    g_test_add_data_func("/lend/peer-gone/unix", unix_pair, test_peer_gone);
    g_test_add_data_func("/lend/peer-gone/tcp", tcp_pair, test_peer_gone);
    g_test_add_func("/lend/unreadable", test_unreadable);
    return g_test_run();
}
