/*
 * test-monitor-attach.c - QMP over a listening socket: clients one after the other, descriptors by
 * SCM_RIGHTS, events from another thread, inherited descriptors.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "monitor/monitor-internal.h"
#include "monitor/monitor.h"
#include "qapi/qapi-events.h"

static Machine *machine;
static char *dir;
static char *path;

static bool attach(Machine *m, Error **errp)
{
    m->chardevs = char_layer_new(m);
    return true;
}

static void reset(Machine *m)
{
}

static void detach(Machine *m)
{
    char_layer_free(m->chardevs);
}

static const MachineLayerOps layers = { .attach = attach, .reset = reset, .detach = detach };
static const MachineClass bare = { .name = "bare", .desc = "no devices", .layers = &layers };

static void start(void)
{
    machine = machine_new(&bare, machine_config_new(&bare), NULL);
    monitor_attach(machine);
    machine_lock(machine);
    g_autofree char *text = g_strdup_printf("unix:%s,server=on,wait=off", path);
    Error *error = NULL;
    Chardev *chr = chardev_new_from_string(machine, "mon0", text, &error);
    if (!chr) {
        g_error("%s", error_get_pretty(error));
    }
    g_assert_true(monitor_qmp_connect(monitor_hub_of(machine), chr, false, NULL));
    g_assert_false(monitor_qmp_connect(monitor_hub_of(machine), chr, false, &error));
    error_free(error);
    machine_unlock(machine);
}

static void finish(void)
{
    monitor_detach(machine);
    g_assert_null(monitor_hub_of(machine));
    machine_free(machine);
    g_unlink(path);
}

static int connect_client(void)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    g_strlcpy(addr.sun_path, path, sizeof(addr.sun_path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    g_assert_cmpint(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), ==, 0);
    return fd;
}

/* Runs the machine's loop until a whole line has come. */
static json_t *read_line(int fd)
{
    g_autoptr(GString) line = g_string_new(NULL);
    while (!g_str_has_suffix(line->str, "\r\n")) {
        char c;
        ssize_t n = read(fd, &c, 1);
        if (n == 1) {
            g_string_append_c(line, c);
        } else {
            g_assert_true(n < 0 && errno == EAGAIN);
            main_loop_iterate(machine->loop, true);
        }
    }
    json_t *value = json_loads(line->str, 0, NULL);
    g_assert_nonnull(value);
    return value;
}

static void expect_key(int fd, const char *key)
{
    json_t *line = read_line(fd);
    if (!json_object_get(line, key)) {
        g_error("got %s, wanted %s", json_dumps(line, 0), key);
    }
    json_decref(line);
}

static void send_line(int fd, const char *text, int passed)
{
    char control[CMSG_SPACE(sizeof(int))] = { 0 };
    struct iovec iov = { (char *)text, strlen(text) };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
    if (passed >= 0) {
        msg.msg_control = control;
        msg.msg_controllen = sizeof(control);
        struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);
        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(cmsg), &passed, sizeof(int));
    }
    g_assert_cmpint(sendmsg(fd, &msg, 0), ==, (ssize_t)strlen(text));
}

static void test_clients(void)
{
    start();
    for (int i = 0; i < 3; i++) {
        int fd = connect_client();
        expect_key(fd, "QMP");
        send_line(fd, "{\"execute\": \"query-chardev\"}\r\n", -1);
        expect_key(fd, "error");
        send_line(fd, "{\"execute\": \"qmp_capabilities\"}\r\n", -1);
        expect_key(fd, "return");
        send_line(fd, "{\"execute\": \"query-chardev\"}\r\n", -1);
        json_t *line = read_line(fd);
        json_t *entry = json_array_get(json_object_get(line, "return"), 0);
        g_assert_cmpstr(json_string_value(json_object_get(entry, "label")), ==, "mon0");
        g_assert_true(json_is_true(json_object_get(entry, "frontend-open")));
        json_decref(line);
        /* The last one leaves in the middle of a message. */
        send_line(fd, "{\"execute\": ", -1);
        close(fd);
    }
    finish();
}

static void test_descriptors(void)
{
    start();
    int fd = connect_client();
    int passed = open("/dev/null", O_RDONLY | O_CLOEXEC);
    expect_key(fd, "QMP");
    send_line(fd, "{\"execute\": \"qmp_capabilities\"}\r\n", -1);
    expect_key(fd, "return");
    send_line(fd, "{\"execute\": \"getfd\", \"arguments\": {\"fdname\": \"migrate\"}}\r\n", passed);
    expect_key(fd, "return");
    send_line(fd, "{\"execute\": \"add-fd\", \"arguments\": {\"fdset-id\": 2}}\r\n", passed);
    expect_key(fd, "return");
    close(passed);
    machine_lock(machine);
    int copy = fdsets_open(machine->fdsets, "/dev/fdset/2", O_RDONLY, NULL);
    machine_unlock(machine);
    g_assert_cmpint(copy, >=, 0);
    close(copy);
    send_line(fd, "{\"execute\": \"closefd\", \"arguments\": {\"fdname\": \"migrate\"}}\r\n", -1);
    expect_key(fd, "return");
    close(fd);
    finish();
}

static gpointer emit_thread(gpointer opaque)
{
    qapi_event_send_stop(machine->events);
    qapi_event_send_shutdown(machine->events, &(ShutdownEvent){
        .guest = true, .reason = SHUTDOWN_CAUSE_GUEST_SHUTDOWN });
    return NULL;
}

static void test_events(void)
{
    start();
    int fd = connect_client();
    expect_key(fd, "QMP");
    send_line(fd, "{\"execute\": \"qmp_capabilities\"}\r\n", -1);
    expect_key(fd, "return");
    GThread *thread = g_thread_new("emit", emit_thread, NULL);
    json_t *line = read_line(fd);
    g_assert_cmpstr(json_string_value(json_object_get(line, "event")), ==, "STOP");
    json_decref(line);
    line = read_line(fd);
    g_assert_cmpstr(json_string_value(json_object_get(line, "event")), ==, "SHUTDOWN");
    json_t *data = json_object_get(line, "data");
    g_assert_cmpstr(json_string_value(json_object_get(data, "reason")), ==, "guest-shutdown");
    json_decref(line);
    g_thread_join(thread);
    close(fd);
    finish();
}

static bool add_fd(const char *text, const char *want_error)
{
    json_t *options = json_loads(text, 0, NULL);
    Error *error = NULL;
    machine_lock(machine);
    bool ok = monitor_add_inherited_fd(machine, options, &error);
    machine_unlock(machine);
    g_assert_true(ok == !want_error);
    if (want_error) {
        g_assert_nonnull(strstr(error_get_pretty(error), want_error));
    }
    error_free(error);
    json_decref(options);
    return ok;
}

static void test_inherited(void)
{
    start();
    int fd = open("/dev/null", O_RDONLY);
    g_autofree char *text = g_strdup_printf("{\"fd\": \"%d\", \"set\": \"1\", \"opaque\": \"o\"}", fd);
    add_fd(text, NULL);
    g_assert_cmpint(fcntl(fd, F_GETFD), ==, FD_CLOEXEC);
    close(fd);
    machine_lock(machine);
    int copy = fdsets_open(machine->fdsets, "/dev/fdset/1", O_RDONLY, NULL);
    machine_unlock(machine);
    g_assert_cmpint(copy, >=, 0);
    close(copy);
    add_fd("{\"fd\": 4}", "set=NUMBER");
    add_fd("{\"fd\": 1, \"set\": 0}", "standard");
    add_fd("{\"fd\": 9999, \"set\": 0}", "9999");
    add_fd("{\"fd\": 4, \"set\": 0, \"x\": 1}", "x");
    finish();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    dir = g_dir_make_tmp("test-monitor-XXXXXX", NULL);
    path = g_build_filename(dir, "qmp.sock", NULL);
    g_test_add_func("/monitor/attach/clients", test_clients);
    g_test_add_func("/monitor/attach/descriptors", test_descriptors);
    g_test_add_func("/monitor/attach/events", test_events);
    g_test_add_func("/monitor/attach/inherited", test_inherited);
    int result = g_test_run();
    g_rmdir(dir);
    g_free(path);
    g_free(dir);
    return result;
}
