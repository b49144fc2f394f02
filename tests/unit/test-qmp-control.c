/*
 * test-qmp-control.c - the commands that need only the monitor, through the real command table.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "monitor/hub.h"
#include "qapi/qapi-commands.h"

static const CommandLineParameter smp_params[] = {
    { "cpus", "number", "harts", NULL },
    { "threads", "number", NULL, "1" },
    { NULL, NULL, NULL, NULL },
};

static const CommandLineOption options[] = {
    { "smp", smp_params },
    { "S", NULL },
    { NULL, NULL },
};

static MonitorHub *hub;
static Monitor *mon;
static json_t *last;

static void collect(void *opaque, const char *buf, size_t len)
{
    json_decref(last);
    last = json_loadb(buf, len, 0, NULL);
    g_assert_nonnull(last);
}

static json_t *run_with_fd(const char *text, int fd)
{
    monitor_qmp_feed(mon, text, strlen(text), &fd, fd >= 0);
    return last;
}

/* The value returned, borrowed. */
static json_t *run(const char *text)
{
    json_t *ret = json_object_get(run_with_fd(text, -1), "return");
    if (!ret) {
        g_error("%s: %s", text, json_dumps(last, 0));
    }
    return ret;
}

static void expect(const char *text, const char *want_text)
{
    json_t *want = json_loads(want_text, JSON_DECODE_ANY, NULL);
    json_t *got = run(text);
    if (!json_equal(got, want)) {
        g_error("%s returned %s", text, json_dumps(got, JSON_ENCODE_ANY));
    }
    json_decref(want);
}

static void expect_error(const char *text, const char *klass, const char *desc)
{
    json_t *error = json_object_get(run_with_fd(text, -1), "error");
    g_assert_cmpstr(json_string_value(json_object_get(error, "class")), ==, klass);
    g_assert_nonnull(strstr(json_string_value(json_object_get(error, "desc")), desc));
}

static void start(void)
{
    hub = monitor_hub_new(&(MonitorHubConfig){ .commands = &qmp_command_table,
                                               .options = options });
    mon = monitor_qmp_new(hub, &(MonitorTransport){ collect, NULL }, false);
    monitor_qmp_open(mon);
    expect("{'execute':'qmp_capabilities'}", "{}");
}

static void finish(void)
{
    monitor_hub_free(hub);
    json_decref(last);
    last = NULL;
}

static void test_constants(void)
{
    start();
    json_t *version = run("{'execute':'query-version'}");
    g_assert_cmpint(json_integer_value(json_object_get(json_object_get(version, "qemu"), "major")),
                    ==, 7);
    g_assert_true(json_is_string(json_object_get(version, "package")));
    expect("{'execute':'query-target'}", "{\"arch\": \"riscv64\"}");
    expect("{'execute':'query-kvm'}", "{\"enabled\": false, \"present\": false}");
    expect("{'execute':'query-jobs'}", "[]");
    finish();
}

static void test_negotiation_errors(void)
{
    start();
    monitor_qmp_open(mon);
    expect_error("{'execute':'qmp_capabilities','arguments':{'enable':['oob','oob']}}",
                 "GenericError", "twice");
    expect_error("{'execute':'query-version'}", "CommandNotFound", "Expecting capabilities");
    expect("{'execute':'qmp_capabilities','arguments':{'enable':['oob']}}", "{}");
    finish();
}

static void test_options(void)
{
    start();
    expect("{'execute':'query-command-line-options'}",
           "[{\"option\": \"smp\", \"parameters\": [{\"name\": \"cpus\", \"type\": \"number\","
           "\"help\": \"harts\"}, {\"name\": \"threads\", \"type\": \"number\", \"default\": \"1\"}]},"
           "{\"option\": \"S\", \"parameters\": []}]");
    expect("{'execute':'query-command-line-options','arguments':{'option':'S'}}",
           "[{\"option\": \"S\", \"parameters\": []}]");
    expect_error("{'execute':'query-command-line-options','arguments':{'option':'X'}}",
                 "GenericError", "invalid option name: X");
    finish();
}

/* Every command of the table is in the schema and in query-commands, and every type is there. */
static void test_schema(void)
{
    start();
    json_t *schema = json_incref(run("{'execute':'query-qmp-schema'}"));
    json_t *commands = run("{'execute':'query-commands'}");
    GHashTable *names = g_hash_table_new(g_str_hash, g_str_equal);
    size_t i;
    json_t *entry;
    json_array_foreach(schema, i, entry) {
        const char *name = json_string_value(json_object_get(entry, "name"));
        g_assert_true(g_hash_table_add(names, (gpointer)name));
    }
    g_assert_cmpuint(json_array_size(commands), ==, qmp_command_table.n_commands);
    json_array_foreach(commands, i, entry) {
        const char *name = json_string_value(json_object_get(entry, "name"));
        g_assert_true(g_hash_table_contains(names, name));
        g_assert_nonnull(qmp_command_find(&qmp_command_table, name));
    }
    json_array_foreach(schema, i, entry) {
        static const char *const keys[] = { "arg-type", "ret-type", "element-type" };
        for (size_t k = 0; k < G_N_ELEMENTS(keys); k++) {
            json_t *type = json_object_get(entry, keys[k]);
            g_assert_true(!type || g_hash_table_contains(names, json_string_value(type)));
        }
        size_t j;
        json_t *member;
        json_array_foreach(json_object_get(entry, "members"), j, member) {
            json_t *type = json_object_get(member, "type");
            g_assert_true(!type || g_hash_table_contains(names, json_string_value(type)));
        }
    }
    g_hash_table_unref(names);
    json_decref(schema);
    expect_error("{'execute':'query-qmp-schema','arguments':{'x':1}}", "GenericError",
                 "Parameter 'x' is unexpected");
    finish();
}

static int open_null(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    g_assert_cmpint(fd, >=, 0);
    return fd;
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static void test_getfd(void)
{
    start();
    expect_error("{'execute':'getfd','arguments':{'fdname':'a'}}", "GenericError",
                 "No file descriptor");
    int fd = open_null();
    json_t *reply = run_with_fd("{'execute':'getfd','arguments':{'fdname':'1a'}}", fd);
    g_assert_nonnull(json_object_get(reply, "error"));
    g_assert_false(is_open(fd));
    fd = open_null();
    reply = run_with_fd("{'execute':'getfd','arguments':{'fdname':'migrate'}}", fd);
    g_assert_nonnull(json_object_get(reply, "return"));
    g_assert_true(is_open(fd));
    expect("{'execute':'closefd','arguments':{'fdname':'migrate'}}", "{}");
    g_assert_false(is_open(fd));
    expect_error("{'execute':'closefd','arguments':{'fdname':'migrate'}}", "GenericError",
                 "'migrate'");
    finish();
}

static void test_fdsets(void)
{
    start();
    expect("{'execute':'query-fdsets'}", "[]");
    int fd = open_null();
    json_t *reply = run_with_fd("{'execute':'add-fd','arguments':{'opaque':'o'}}", fd);
    reply = json_object_get(reply, "return");
    g_assert_cmpint(json_integer_value(json_object_get(reply, "fdset-id")), ==, 0);
    g_assert_cmpint(json_integer_value(json_object_get(reply, "fd")), ==, fd);
    int more = open_null();
    run_with_fd("{'execute':'add-fd','arguments':{'fdset-id':0}}", more);
    g_autofree char *want = g_strdup_printf("[{\"fdset-id\": 0, \"fds\": [{\"fd\": %d, \"opaque\":"
                                            "\"o\"}, {\"fd\": %d}]}]", fd, more);
    expect("{'execute':'query-fdsets'}", want);
    int copy = fdsets_open(monitor_hub_fdsets(hub), "/dev/fdset/0", O_RDONLY, NULL);
    g_assert_cmpint(copy, >=, 0);
    close(copy);
    expect_error("{'execute':'add-fd','arguments':{'fdset-id':-1}}", "GenericError",
                 "non-negative");
    expect_error("{'execute':'remove-fd','arguments':{'fdset-id':0,'fd':-1}}", "GenericError",
                 "not found");
    expect_error("{'execute':'remove-fd','arguments':{'fdset-id':7}}", "GenericError", "not found");
    expect("{'execute':'remove-fd','arguments':{'fdset-id':0}}", "{}");
    g_assert_false(is_open(fd));
    expect("{'execute':'query-fdsets'}", "[]");
    finish();
}

static void test_trace(void)
{
    start();
    expect("{'execute':'trace-event-get-state','arguments':{'name':'self_test'}}",
           "[{\"name\": \"self_test\", \"state\": \"disabled\", \"vcpu\": false}]");
    expect("{'execute':'trace-event-set-state','arguments':{'name':'self_test',"
           "'enable':true}}", "{}");
    expect("{'execute':'trace-event-get-state','arguments':{'name':'self_tes?'}}",
           "[{\"name\": \"self_test\", \"state\": \"enabled\", \"vcpu\": false}]");
    expect("{'execute':'trace-event-set-state','arguments':{'name':'*','enable':false}}", "{}");
    expect("{'execute':'trace-event-get-state','arguments':{'name':'no_such_*'}}", "[]");
    expect_error("{'execute':'trace-event-get-state','arguments':{'name':'no_such'}}",
                 "GenericError", "no_such");
    expect_error("{'execute':'trace-event-set-state','arguments':{'name':'no_such',"
                 "'enable':true}}", "GenericError", "no_such");
    expect("{'execute':'trace-event-set-state','arguments':{'name':'no_such','enable':true,"
           "'ignore-unavailable':true}}", "{}");
    expect_error("{'execute':'trace-event-get-state','arguments':{'name':'*','vcpu':0}}",
                 "GenericError", "'vcpu'");
    finish();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qmp/control/constants", test_constants);
    g_test_add_func("/qmp/control/negotiation-errors", test_negotiation_errors);
    g_test_add_func("/qmp/control/options", test_options);
    g_test_add_func("/qmp/control/schema", test_schema);
    g_test_add_func("/qmp/control/getfd", test_getfd);
    g_test_add_func("/qmp/control/fdsets", test_fdsets);
    g_test_add_func("/qmp/control/trace", test_trace);
    return g_test_run();
}
