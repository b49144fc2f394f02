/*
 * test-char.c - character devices: sockets with descriptors, files, the mux, back-pressure, pty.
 *
 * A machine without harts carries the devices; the main loop is iterated by hand until what is waited
 * for has happened (bounded by the runner's time limit).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "chardev/char.h"
#include "io/socket.h"
#include "system/machine.h"
#include "util/fdset.h"

static bool attach(Machine *m, Error **errp)
{
    m->chardevs = char_layer_new(m);
    return true;
}

static void detach(Machine *m)
{
    char_layer_free(m->chardevs);
}

static void reset(Machine *m)
{
}

static const MachineLayerOps layers = { .attach = attach, .reset = reset, .detach = detach };
static const MachineClass bare = { .name = "bare", .desc = "no devices", .layers = &layers };

static Machine *new_machine(void)
{
    Machine *m = machine_new(&bare, machine_config_new(&bare), NULL);
    g_assert_nonnull(m);
    return m;
}

typedef struct Front {
    GString *got;
    size_t room;
    unsigned opened, closed, writable, mux_in, breaks;
} Front;

static size_t front_can_receive(void *opaque)
{
    return ((Front *)opaque)->room;
}

static void front_receive(void *opaque, const uint8_t *buf, size_t len)
{
    Front *f = opaque;
    g_assert_cmpuint(len, <=, f->room);
    g_string_append_len(f->got, (const char *)buf, len);
    f->room -= len;
}

static void front_event(void *opaque, ChardevEvent event)
{
    Front *f = opaque;
    f->opened += event == CHR_EVENT_OPENED;
    f->closed += event == CHR_EVENT_CLOSED;
    f->mux_in += event == CHR_EVENT_MUX_IN;
    f->breaks += event == CHR_EVENT_BREAK;
}

static void front_writable(void *opaque)
{
    ((Front *)opaque)->writable++;
}

static const CharFrontendOps front_ops = {
    .can_receive = front_can_receive, .receive = front_receive, .event = front_event,
    .writable = front_writable,
};

static Chardev *make(Machine *m, const char *json)
{
    json_t *options = json_loads(json, 0, NULL);
    Error *err = NULL;
    machine_lock(m);
    Chardev *chr = chardev_new(m, options, &err);
    machine_unlock(m);
    json_decref(options);
    if (err) {
        g_test_message("%s", error_get_pretty(err));
    }
    g_assert_null(err);
    return chr;
}

static void attach_front(Machine *m, Chardev *chr, Front *f)
{
    f->got = g_string_new(NULL);
    machine_lock(m);
    g_assert_true(char_attach(chr, "test", &front_ops, f, NULL));
    machine_unlock(m);
}

static void expect_refusal(Machine *m, const char *json, const char *text)
{
    json_t *options = json_loads(json, 0, NULL);
    Error *err = NULL;
    machine_lock(m);
    g_assert_null(chardev_new(m, options, &err));
    machine_unlock(m);
    g_assert_nonnull(err);
    if (!strstr(error_get_pretty(err), text)) {
        g_test_message("got: %s", error_get_pretty(err));
        g_assert_not_reached();
    }
    error_free(err);
    json_decref(options);
}

static void test_refusals(void)
{
    Machine *m = new_machine();
    expect_refusal(m, "{\"backend\":\"socket\",\"id\":\"a\"}", "path=");
    expect_refusal(m, "{\"backend\":\"socket\",\"id\":\"a\",\"path\":\"/x\",\"fd\":3}", "either");
    expect_refusal(m, "{\"backend\":\"sockt\",\"id\":\"a\"}", "there are: file");
    expect_refusal(m, "{\"backend\":\"null\"}", "no id");
    expect_refusal(m, "{\"backend\":\"null\",\"id\":\"a\",\"colour\":1}", "colour");
    expect_refusal(m, "{\"backend\":\"file\",\"id\":\"a\",\"path\":\"/nonexistent/x\"}", "/nonexistent/x");
    expect_refusal(m, "{\"backend\":\"socket\",\"id\":\"a\",\"fd\":999}", "999");
    expect_refusal(m, "{\"backend\":\"socket\",\"id\":\"a\",\"path\":\"/x\",\"wait\":false}", "client mode");
    make(m, "{\"backend\":\"null\",\"id\":\"a\"}");
    expect_refusal(m, "{\"backend\":\"null\",\"id\":\"a\"}", "already exists");
    machine_free(m);
}

/* A unix server: two clients after one another, descriptors with bytes, frames kept in order. */
static void test_socket_server(void)
{
    Machine *m = new_machine();
    g_autofree char *dir = g_dir_make_tmp("godwit-char-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "s", NULL);
    g_autofree char *json = g_strdup_printf(
        "{\"backend\":\"socket\",\"id\":\"c\",\"path\":\"%s\",\"server\":true,\"wait\":false}", path);
    Chardev *chr = make(m, json);
    Front f = { .room = 5 };
    attach_front(m, chr, &f);
    SocketAddress *address = socket_address_new_unix(path, NULL);
    for (unsigned round = 1; round <= 2; round++) {
        int fd = socket_connect(address, NULL);
        g_assert_cmpint(fd, >=, 0);
        while (f.opened < round) {
            main_loop_iterate(m->loop, true);
        }
        /* Ten bytes, room for five: the rest stays in the socket until there is room. */
        g_string_truncate(f.got, 0);
        f.room = 5;
        g_assert_cmpint(socket_send(fd, "0123456789", 10), ==, 10);
        while (f.got->len < 5) {
            main_loop_iterate(m->loop, true);
        }
        main_loop_iterate(m->loop, false);
        g_assert_cmpstr(f.got->str, ==, "01234");
        f.room = 100;
        machine_lock(m);
        char_accept_input(chr);
        machine_unlock(m);
        while (f.got->len < 10) {
            main_loop_iterate(m->loop, true);
        }
        g_assert_cmpstr(f.got->str, ==, "0123456789");
        machine_lock(m);
        g_assert_cmpuint(char_write(chr, (const uint8_t *)"hello", 5), ==, 5);
        machine_unlock(m);
        char back[8] = { 0 };
        g_assert_cmpint(read(fd, back, 5), ==, 5);
        g_assert_cmpstr(back, ==, "hello");
        close(fd);
        while (f.closed < round) {
            main_loop_iterate(m->loop, true);
        }
    }
    socket_address_free(address);
    machine_free(m);
    g_assert_cmpint(access(path, F_OK), !=, 0);
    g_rmdir(dir);
    g_string_free(f.got, TRUE);
}

static void send_with_fd(int sock, const char *text, int fd)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = { 0 };
    struct iovec iov = { .iov_base = (char *)text, .iov_len = strlen(text) };
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control),
    };
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &fd, sizeof(fd));
    g_assert_cmpint(sendmsg(sock, &msg, 0), ==, (ssize_t)iov.iov_len);
}

static void test_inherited_socket_and_fds(void)
{
    Machine *m = new_machine();
    int pair[2], pipefd[2];
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), ==, 0);
    g_assert_cmpint(pipe(pipefd), ==, 0);
    g_autofree char *json = g_strdup_printf("{\"backend\":\"socket\",\"id\":\"c\",\"fd\":\"%d\"}", pair[0]);
    Chardev *chr = make(m, json);
    Front f = { .room = 100 };
    attach_front(m, chr, &f);
    send_with_fd(pair[1], "x", pipefd[1]);
    while (!f.got->len) {
        main_loop_iterate(m->loop, true);
    }
    int fds[4];
    machine_lock(m);
    g_assert_cmpuint(char_take_fds(chr, fds, 4), ==, 1);
    g_assert_cmpuint(char_take_fds(chr, fds + 1, 3), ==, 0);
    machine_unlock(m);
    g_assert_cmpint(write(fds[0], "y", 1), ==, 1);
    char byte;
    g_assert_cmpint(read(pipefd[0], &byte, 1), ==, 1);
    g_assert_cmpint(byte, ==, 'y');
    close(fds[0]);
    close(pipefd[0]);
    close(pipefd[1]);
    machine_free(m);
    close(pair[0]);
    close(pair[1]);
    g_string_free(f.got, TRUE);
}

/* A reader that is slow: char_write() stops, writable() comes, every byte arrives once and in order. */
static void test_output_pressure(void)
{
    Machine *m = new_machine();
    int pair[2];
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), ==, 0);
    g_autofree char *json = g_strdup_printf("{\"backend\":\"socket\",\"id\":\"c\",\"fd\":\"%d\"}", pair[0]);
    Chardev *chr = make(m, json);
    Front f = { .room = 1 };
    attach_front(m, chr, &f);
    enum { TOTAL = 4 << 20 };
    g_autofree uint8_t *out = g_malloc(TOTAL), *in = g_malloc(TOTAL);
    for (size_t i = 0; i < TOTAL; i++) {
        out[i] = (uint8_t)(i * 7 + (i >> 9));
    }
    size_t sent = 0, got = 0;
    bool stopped = false;
    while (got < TOTAL) {
        machine_lock(m);
        size_t want = sent < TOTAL / 2 ? MIN(TOTAL / 2 - sent, 100000) : 0;
        size_t n = want ? char_write(chr, out + sent, want) : 0;
        sent += n;
        stopped |= n < want;
        if (sent == TOTAL / 2) {
            char_write_all(chr, out + sent, TOTAL - sent);
            sent = TOTAL;
        }
        machine_unlock(m);
        ssize_t r = recv(pair[1], in + got, MIN(TOTAL - got, 50000), MSG_DONTWAIT);
        got += r > 0 ? r : 0;
        main_loop_iterate(m->loop, false);
    }
    g_assert_true(stopped);
    g_assert_cmpuint(f.writable, >, 0);
    g_assert_cmpmem(in, got, out, TOTAL);
    machine_free(m);
    close(pair[0]);
    close(pair[1]);
    g_string_free(f.got, TRUE);
}

static void test_mux(void)
{
    Machine *m = new_machine();
    int pair[2];
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), ==, 0);
    g_autofree char *json =
        g_strdup_printf("{\"backend\":\"socket\",\"id\":\"c\",\"fd\":\"%d\",\"mux\":true}", pair[0]);
    Chardev *chr = make(m, json);
    Front serial = { .room = 0 }, monitor = { .room = 100 };
    attach_front(m, chr, &serial);
    attach_front(m, chr, &monitor);
    /* The guest takes nothing, and still Ctrl-A c turns to the monitor. */
    g_assert_cmpint(send(pair[1], "ab\001cinfo\001\001\001", 11, 0), ==, 11);
    while (monitor.got->len < 5) {
        main_loop_iterate(m->loop, true);
    }
    g_assert_cmpstr(monitor.got->str, ==, "info\001");
    g_assert_cmpuint(monitor.mux_in, ==, 1);
    g_assert_cmpuint(serial.got->len, ==, 0);
    /* The Ctrl-A that came last still waits for its letter: b is a break. */
    g_assert_cmpint(send(pair[1], "b", 1, 0), ==, 1);
    while (!serial.breaks) {
        main_loop_iterate(m->loop, true);
    }
    Error *err = NULL;
    machine_lock(m);
    g_assert_false(chardev_remove(m, "c", &err));
    char_detach(chr, &serial);
    char_detach(chr, &monitor);
    g_assert_true(chardev_remove(m, "c", NULL));
    machine_unlock(m);
    g_assert_nonnull(strstr(error_get_pretty(err), "busy"));
    error_free(err);
    machine_free(m);
    close(pair[0]);
    close(pair[1]);
    g_string_free(serial.got, TRUE);
    g_string_free(monitor.got, TRUE);
}

static void test_file_and_log(void)
{
    Machine *m = new_machine();
    g_autofree char *dir = g_dir_make_tmp("godwit-char-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "out", NULL), *log = g_build_filename(dir, "log", NULL);
    g_autofree char *json = g_strdup_printf(
        "{\"backend\":\"file\",\"id\":\"c\",\"path\":\"%s\",\"logfile\":\"%s\"}", path, log);
    Chardev *chr = make(m, json);
    machine_lock(m);
    g_assert_cmpuint(char_write(chr, (const uint8_t *)"line\n", 5), ==, 5);
    machine_unlock(m);
    machine_free(m);
    g_autofree char *a = NULL, *b = NULL;
    g_assert_true(g_file_get_contents(path, &a, NULL, NULL));
    g_assert_true(g_file_get_contents(log, &b, NULL, NULL));
    g_assert_cmpstr(a, ==, "line\n");
    g_assert_cmpstr(b, ==, "line\n");
    g_unlink(path);
    g_unlink(log);
    g_rmdir(dir);
}

static void write_line(Machine *m, Chardev *chr, const char *text)
{
    machine_lock(m);
    g_assert_cmpuint(char_write(chr, (const uint8_t *)text, strlen(text)), ==, strlen(text));
    machine_unlock(m);
}

/* libvirt's log daemon hands pipes in (-add-fd), and names them as paths. */
static void test_descriptor_sets(void)
{
    Machine *m = new_machine();
    int out[2], log[2];
    int64_t id;
    char buf[16] = { 0 };
    m->fdsets = fdsets_new();
    g_assert_cmpint(pipe(out), ==, 0);
    g_assert_cmpint(pipe(log), ==, 0);
    fdsets_add(m->fdsets, (id = 0, &id), out[1], NULL);
    fdsets_add(m->fdsets, (id = 1, &id), log[1], NULL);
    Chardev *chr = make(m, "{\"backend\":\"file\",\"id\":\"c\",\"path\":\"/dev/fdset/0\",\"append\":true,"
                        "\"logfile\":\"/dev/fdset/1\",\"logappend\":true}");
    write_line(m, chr, "line\n");
    g_assert_cmpint(read(out[0], buf, sizeof(buf)), ==, 5);
    g_assert_cmpint(read(log[0], buf, sizeof(buf)), ==, 5);
    g_assert_cmpstr(buf, ==, "line\n");
    expect_refusal(m, "{\"backend\":\"file\",\"id\":\"d\",\"path\":\"/dev/fdset/7\"}",
                   "chardev 'd': '/dev/fdset/7': there is no such descriptor set");
    expect_refusal(m, "{\"backend\":\"file\",\"id\":\"d\",\"path\":\"/dev/null\","
                   "\"logfile\":\"/dev/fdset/x\"}", "/dev/fdset/x");
    expect_refusal(m, "{\"backend\":\"file\",\"id\":\"d\",\"path\":\"/dev/null\","
                   "\"input-path\":\"/dev/fdset/0\"}", "access mode");
    fdsets_free(m->fdsets);
    m->fdsets = NULL;
    machine_free(m);
    /* The chardev had copies of its own, and they are closed. */
    g_assert_cmpint(read(out[0], buf, sizeof(buf)), ==, 0);
    g_assert_cmpint(read(log[0], buf, sizeof(buf)), ==, 0);
    close(out[0]);
    close(log[0]);
}

/* One FIFO in each direction, or one for both. */
static void test_pipe(void)
{
    Machine *m = new_machine();
    g_autofree char *dir = g_dir_make_tmp("godwit-char-XXXXXX", NULL);
    g_autofree char *in = g_build_filename(dir, "p.in", NULL), *out = g_build_filename(dir, "p.out", NULL);
    g_autofree char *json = g_strdup_printf("{\"backend\":\"pipe\",\"id\":\"c\",\"path\":\"%s/p\"}", dir);
    expect_refusal(m, json, "/p: No such file");
    g_assert_cmpint(mkfifo(in, 0600), ==, 0);
    g_assert_cmpint(mkfifo(out, 0600), ==, 0);
    Chardev *chr = make(m, json);
    Front f = { .room = 100 };
    attach_front(m, chr, &f);
    for (int again = 0; again < 2; again++) {
        int writer = open(in, O_WRONLY), reader = open(out, O_RDONLY);
        char buf[8] = { 0 };
        g_string_truncate(f.got, 0);
        g_assert_cmpint(write(writer, "ask", 3), ==, 3);
        while (f.got->len < 3) {
            main_loop_iterate(m->loop, true);
        }
        write_line(m, chr, "reply");
        g_assert_cmpint(read(reader, buf, sizeof(buf)), ==, 5);
        g_assert_cmpstr(buf, ==, "reply");
        /* A peer that goes does not end it: the next one is served. */
        close(writer);
        close(reader);
    }
    machine_free(m);
    g_string_free(f.got, TRUE);
    g_unlink(in);
    g_unlink(out);
    g_rmdir(dir);
}

static void take_filename(const ChardevInfo *info, void *opaque)
{
    *(char **)opaque = g_strdup(info->filename);
}

static void test_pty(void)
{
    Machine *m = new_machine();
    Chardev *chr = make(m, "{\"backend\":\"pty\",\"id\":\"c\"}");
    Front f = { .room = 100 };
    attach_front(m, chr, &f);
    g_autofree char *name = NULL;
    chardev_foreach(m, take_filename, &name);
    g_assert_true(g_str_has_prefix(name, "pty:/dev/"));
    machine_lock(m);
    /* Nobody there: taken and lost, never refused. */
    g_assert_cmpuint(char_write(chr, (const uint8_t *)"lost", 4), ==, 4);
    machine_unlock(m);
    int fd = open(name + 4, O_RDWR | O_NOCTTY);
    g_assert_cmpint(fd, >=, 0);
    machine_lock(m);
    g_assert_cmpuint(char_write(chr, (const uint8_t *)"kept", 4), ==, 4);
    machine_unlock(m);
    char buf[8] = { 0 };
    g_assert_cmpint(read(fd, buf, 4), ==, 4);
    g_assert_cmpstr(buf, ==, "kept");
    g_assert_cmpint(write(fd, "in", 2), ==, 2);
    while (f.got->len < 2) {
        main_loop_iterate(m->loop, true);
    }
    g_assert_cmpstr(f.got->str, ==, "in");
    close(fd);
    while (!f.closed) {
        main_loop_iterate(m->loop, true);
    }
    machine_free(m);
    g_string_free(f.got, TRUE);
}

/* A peer hangs up while the front end takes nothing: noticed at once, or after what it sent was taken. */
static void test_hangup_while_paused(void)
{
    for (int bytes = 0; bytes <= 3; bytes += 3) {
        Machine *m = new_machine();
        int pair[2];
        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), ==, 0);
        g_autofree char *json =
            g_strdup_printf("{\"backend\":\"socket\",\"id\":\"c\",\"fd\":\"%d\"}", pair[0]);
        Chardev *chr = make(m, json);
        close(pair[0]);     /* the device has a copy of its own */
        Front f = { .room = 0 };
        attach_front(m, chr, &f);
        g_assert_cmpint(write(pair[1], "xyz", bytes), ==, bytes);
        close(pair[1]);
        if (bytes) {
            main_loop_iterate(m->loop, false);
            g_assert_cmpuint(f.closed, ==, 0);
            f.room = 100;
            machine_lock(m);
            char_accept_input(chr);
            machine_unlock(m);
        }
        while (!f.closed) {
            main_loop_iterate(m->loop, true);
        }
        g_assert_cmpuint(f.got->len, ==, bytes);
        machine_free(m);
        g_string_free(f.got, TRUE);
    }
}

static void test_addresses(void)
{
    static const char *const bad[] = { "nohost", "::1:22", "[::1", "[::1]22", "host:" };
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        Error *err = NULL;
        g_assert_null(socket_address_new_inet(bad[i], &err));
        g_assert_nonnull(strstr(error_get_pretty(err), bad[i]));
        error_free(err);
    }
    SocketAddress *address = socket_address_new_inet("[::1]:22", NULL);
    g_autofree char *text = socket_address_text(address);
    g_assert_cmpstr(text, ==, "tcp:[::1]:22");
    socket_address_free(address);
    address = socket_address_new_inet("127.0.0.1:0", NULL);
    int listener = socket_listen(address, NULL);
    g_assert_cmpint(listener, >=, 0);
    g_assert_cmpuint(socket_local_port(listener), >, 0);
    socket_address_free(address);
    close(listener);
    Error *err = NULL;
    g_assert_null(socket_address_new_unix("", &err));
    error_free(err);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/char/refusals", test_refusals);
    g_test_add_func("/char/socket-server", test_socket_server);
    g_test_add_func("/char/inherited-socket-and-fds", test_inherited_socket_and_fds);
    g_test_add_func("/char/output-pressure", test_output_pressure);
    g_test_add_func("/char/mux", test_mux);
    g_test_add_func("/char/file-and-log", test_file_and_log);
    g_test_add_func("/char/descriptor-sets", test_descriptor_sets);
    g_test_add_func("/char/pipe", test_pipe);
    g_test_add_func("/char/pty", test_pty);
    g_test_add_func("/char/hangup-while-paused", test_hangup_while_paused);
    g_test_add_func("/socket/addresses", test_addresses);
    return g_test_run();
}
