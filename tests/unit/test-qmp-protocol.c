/*
 * test-qmp-protocol.c - the QMP server without sockets, on the test schema: sessions, order, ids,
 * errors, out-of-band execution, descriptors, events, garbage.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "monitor/monitor-internal.h"
#include "qapi/test_qapi-commands.h"
#include "qapi/test_qapi-events.h"
#include "util/json-uint.h"

/* One client: what the server wrote, line by line. */
typedef struct Client {
    Monitor *mon;
    GQueue lines;       /* of json_t */
} Client;

static MonitorHub *hub;

static void collect(void *opaque, const char *buf, size_t len)
{
    Client *client = opaque;
    json_error_t error;
    g_assert_cmpuint(len, >, 2);
    g_assert_cmpmem(buf + len - 2, 2, "\r\n", 2);
    for (size_t i = 0; i < len - 2; i++) {
        g_assert_true((buf[i] >= 0x20 && buf[i] < 0x7f) || buf[i] == '\n');
    }
    json_t *line = json_uint_loadb(buf, len - 2, 0, &error);
    g_assert_nonnull(line);
    g_queue_push_tail(&client->lines, line);
}

static Client *client_new(void)
{
    Client *client = g_new0(Client, 1);
    MonitorTransport transport = { collect, client };
    g_queue_init(&client->lines);
    client->mon = monitor_qmp_new(hub, &transport, false);
    monitor_qmp_open(client->mon);
    return client;
}

static void client_free(Client *client)
{
    if (client->mon) {
        monitor_free(client->mon);
    }
    g_queue_clear_full(&client->lines, (GDestroyNotify)json_decref);
    g_free(client);
}

static void send_text(Client *client, const char *text)
{
    monitor_qmp_feed(client->mon, text, strlen(text), NULL, 0);
}

/* The next line must be this JSON. */
static void expect(Client *client, const char *text)
{
    json_t *want = json_uint_loadb(text, strlen(text), 0, NULL);
    json_t *line = g_queue_pop_head(&client->lines);
    g_assert_nonnull(want);
    if (!line) {
        g_error("nothing came instead of %s", text);
    }
    if (!json_equal(line, want)) {
        g_error("got %s instead of %s", json_dumps(line, 0), text);
    }
    json_decref(want);
    json_decref(line);
}

static void expect_nothing(Client *client)
{
    g_assert_true(g_queue_is_empty(&client->lines));
}

static void expect_error(Client *client, const char *klass, const char *desc)
{
    json_t *line = g_queue_pop_head(&client->lines);
    g_assert_nonnull(line);
    json_t *error = json_object_get(line, "error");
    g_assert_nonnull(error);
    g_assert_cmpstr(json_string_value(json_object_get(error, "class")), ==, klass);
    g_assert_nonnull(strstr(json_string_value(json_object_get(error, "desc")), desc));
    json_decref(line);
}

static void expect_event(Client *client, const char *name, const char *data)
{
    json_t *line = g_queue_pop_head(&client->lines);
    g_assert_nonnull(line);
    g_assert_cmpstr(json_string_value(json_object_get(line, "event")), ==, name);
    json_t *time = json_object_get(line, "timestamp");
    g_assert_cmpint(json_integer_value(json_object_get(time, "seconds")), >, 1600000000);
    json_int_t micro = json_integer_value(json_object_get(time, "microseconds"));
    g_assert_true(micro >= 0 && micro < 1000000);
    if (data) {
        json_t *want = json_loads(data, 0, NULL);
        g_assert_true(json_equal(json_object_get(line, "data"), want));
        json_decref(want);
    } else {
        g_assert_null(json_object_get(line, "data"));
    }
    json_decref(line);
}

static void expect_greeting(Client *client)
{
    json_t *line = g_queue_pop_head(&client->lines);
    const char *package = NULL;
    int major = 0;
    int minor = 0;
    const char *cap = NULL;
    g_assert_nonnull(line);
    g_assert_cmpint(json_unpack(line, "{s:{s:{s:{s:i,s:i},s:s},s:[s]}}", "QMP", "version", "qemu",
                                "major", &major, "minor", &minor, "package", &package,
                                "capabilities", &cap), ==, 0);
    g_assert_cmpint(major, ==, 7);
    g_assert_cmpint(minor, ==, 2);
    g_assert_true(g_str_has_prefix(package, "godwit-"));
    g_assert_cmpstr(cap, ==, "oob");
    json_decref(line);
}

static Client *client_ready(bool oob)
{
    Client *client = client_new();
    expect_greeting(client);
    send_text(client, oob ? "{'execute':'qmp_capabilities','arguments':{'enable':['oob']}}"
                          : "{'execute':'qmp_capabilities'}");
    expect(client, "{\"return\": {}}");
    return client;
}

/* ------------------------------------------------------------------ the test schema's commands */

bool test_qmp_qmp_capabilities(QmpContext *ctx, const QmpCapabilitiesArgs *args, Error **errp)
{
    return monitor_qmp_negotiate(ctx->mon, args->enable != NULL, errp);
}

bool test_qmp_echo(QmpContext *ctx, const EchoArgs *args, json_t **ret, Error **errp)
{
    *ret = json_incref(args->value);
    return true;
}

bool test_qmp_echo_derived(QmpContext *ctx, const TestDerived *args, TestDerived **ret,
                           Error **errp)
{
    json_t *copy = TestDerived_to_json(args);
    bool ok = TestDerived_from_json(copy, ret, errp);
    json_decref(copy);
    return ok;
}

bool test_qmp_echo_union(QmpContext *ctx, const TestUnion *args, TestUnion **ret, Error **errp)
{
    json_t *copy = TestUnion_to_json(args);
    bool ok = TestUnion_from_json(copy, ret, errp);
    json_decref(copy);
    return ok;
}

bool test_qmp_nest(QmpContext *ctx, const NestArgs *args, int64_t *ret, Error **errp)
{
    monitor_qmp_feed(ctx->mon, args->input, strlen(args->input), NULL, 0);
    *ret = ctx->mon->qmp->requests.length;
    return true;
}

bool test_qmp_fail(QmpContext *ctx, const FailArgs *args, Error **errp)
{
    if (!args->silently) {
        error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND, "Device 'x\xff' not found");
    }
    return false;
}

bool test_qmp_raw(QmpContext *ctx, json_t *args, Error **errp)
{
    error_setg(errp, "%zu members", json_object_size(args));
    return false;
}

bool test_qmp_hang_up(QmpContext *ctx, const HangUpArgs *args, Error **errp)
{
    if (!strcmp(args->how, "free")) {
        monitor_free(ctx->mon);
    } else if (!strcmp(args->how, "close")) {
        monitor_qmp_close(ctx->mon);
    } else {
        monitor_qmp_open(ctx->mon);
    }
    return true;
}

bool test_qmp_take_fds(QmpContext *ctx, const TakeFdsArgs *args, Error **errp)
{
    for (int64_t i = 0; i < args->count; i++) {
        int fd = monitor_take_fd(ctx->mon, errp);
        if (fd < 0) {
            return false;
        }
        close(fd);
    }
    return true;
}

bool test_qmp_send_event(QmpContext *ctx, Error **errp)
{
    test_qapi_event_send_test_event(monitor_hub_sink(ctx->hub), &(TestEventEvent){ .number = 5 });
    return true;
}

/* ------------------------------------------------------------------ tests */

static void test_negotiation(void)
{
    Client *client = client_new();
    expect_greeting(client);
    send_text(client, "{\"execute\": \"echo\", \"arguments\": {\"value\": 1}, \"id\": 7}\r\n");
    expect(client, "{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"Expecting capabilities "
           "negotiation with 'qmp_capabilities'\"}, \"id\": 7}");
    send_text(client, "{\"execute\": \"no-such\"}");
    expect_error(client, "CommandNotFound", "Expecting capabilities");
    send_text(client, "{\"execute\": \"qmp_capabilities\", \"arguments\": {\"enable\": [\"x\"]}}");
    expect_error(client, "GenericError", "'enable[0]' does not accept value 'x'");
    send_text(client, "{\"execute\": \"qmp_capabilities\", \"arguments\": {\"bogus\": 1}}");
    expect_error(client, "GenericError", "Parameter 'bogus' is unexpected");
    send_text(client, "{\"execute\": \"qmp_capabilities\", \"id\": \"a\"}");
    expect(client, "{\"return\": {}, \"id\": \"a\"}");
    send_text(client, "{\"execute\": \"qmp_capabilities\"}");
    expect_error(client, "CommandNotFound", "already complete");
    expect_nothing(client);
    client_free(client);
}

static void test_requests(void)
{
    Client *client = client_ready(false);
    send_text(client, "{\"execute\": \"echo\", \"arguments\": {\"value\": \"\xc3\xa9\"}, \"id\": {\"a\": [1]}}");
    expect(client, "{\"return\": \"\xc3\xa9\", \"id\": {\"a\": [1]}}");
    send_text(client, "{\"execute\": \"echo\", \"arguments\": {\"value\": null}, \"id\": null}");
    expect(client, "{\"return\": null, \"id\": null}");
    send_text(client, "{\"execute\": \"echo\", \"arguments\": {\"value\": 9223372036853727232}}");
    expect(client, "{\"return\": 9223372036853727232}");
    send_text(client, "{\"execute\": \"echo\", \"arguments\": {\"value\": [18446744071562067968]},"
              "\"id\": 18446744073709551615}");
    expect(client, "{\"return\": [18446744071562067968], \"id\": 18446744073709551615}");
    send_text(client, "{\"execute\": 18446744073709551615}");
    expect_error(client, "GenericError", "'execute' must be a string");
    send_text(client, "{\"execute\": \"echo\"}");
    expect_error(client, "GenericError", "Parameter 'value' is missing");
    send_text(client, "{\"execute\": \"no-such\", \"id\": 1}");
    expect(client, "{\"error\": {\"class\": \"CommandNotFound\", \"desc\": "
           "\"The command no-such has not been found\"}, \"id\": 1}");
    send_text(client, "{\"execute\": \"fail\"}");
    expect_error(client, "DeviceNotFound", "Device 'x\xef\xbf\xbd' not found");
    send_text(client, "{\"execute\": \"fail\", \"arguments\": {\"silently\": true}}");
    expect_error(client, "GenericError", "did not say why");
    send_text(client, "{\"execute\": \"raw\", \"arguments\": {\"a\": 1, \"b\": 2}}");
    expect_error(client, "GenericError", "2 members");
    send_text(client, "{\"execute\": \"send-event\", \"arguments\": {\"a\": 1}}");
    expect_error(client, "GenericError", "Parameter 'a' is unexpected");
    send_text(client, "{\"execute\": \"echo-derived\", \"arguments\": {\"name\": \"n\", \"flag\": true}}");
    expect(client, "{\"return\": {\"name\": \"n\", \"flag\": true}}");
    send_text(client, "{\"execute\": \"echo-union\", \"arguments\": {\"kind\": \"red\", \"text\": \"t\"}}");
    expect(client, "{\"return\": {\"kind\": \"red\", \"text\": \"t\"}}");
    expect_nothing(client);
    client_free(client);
}

static void test_malformed(void)
{
    static const struct {
        const char *text;
        const char *desc;
    } cases[] = {
        { "[]", "QMP input must be a JSON object" },
        { "{}", "QMP input lacks member 'execute'" },
        { "{'execute': 1}", "QMP input member 'execute' must be a string" },
        { "{'execute': 'echo', 'arguments': []}", "'arguments' must be an object" },
        { "{'execute': 'echo', 'extra': 1}", "QMP input member 'extra' is unexpected" },
        { "{'exec-oob': 'echo'}", "QMP input member 'exec-oob' is unexpected" },
        { "{]\n", "JSON parse error" },
        { "xyzzy\n", "JSON parse error" },
        { "{'execute'\xff", "JSON parse error" },
        { "{'execute': 'ec\n", "JSON parse error" },
        { "{'execute': 'echo' 'x'}", "JSON parse error" },
        { "%p\n", "JSON parse error" },
    };
    Client *client = client_ready(false);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        send_text(client, cases[i].text);
        expect_error(client, "GenericError", cases[i].desc);
        expect_nothing(client);
        send_text(client, "{\"execute\": \"echo\", \"arguments\": {\"value\": 1}}");
        expect(client, "{\"return\": 1}");
    }
    client_free(client);
}

/* Bytes one at a time, and many requests in one piece. */
static void test_pieces(void)
{
    static const char text[] = "{\"execute\": \"echo\", \"arguments\": {\"value\": 1}}\r\n"
                               "{\"execute\": \"echo\", \"arguments\": {\"value\": 2}}\r\n";
    Client *client = client_ready(false);
    for (size_t i = 0; i < sizeof(text) - 1; i++) {
        monitor_qmp_feed(client->mon, text + i, 1, NULL, 0);
    }
    expect(client, "{\"return\": 1}");
    expect(client, "{\"return\": 2}");
    GString *many = g_string_new(NULL);
    for (int i = 0; i < 1000; i++) {
        g_string_append(many, text);
    }
    send_text(client, many->str);
    for (int i = 0; i < 1000; i++) {
        expect(client, "{\"return\": 1}");
        expect(client, "{\"return\": 2}");
    }
    g_string_free(many, TRUE);
    client_free(client);
}

/* While a command runs, in-band requests wait and out-of-band ones do not. */
static void test_out_of_band(void)
{
    Client *client = client_ready(true);
    send_text(client, "{'execute':'nest','id':1,'arguments':{'input':"
              "\"{'execute':'echo','arguments':{'value':1},'id':2}"
              "{'exec-oob':'echo','arguments':{'value':2},'id':3}"
              "{'exec-oob':'nest','arguments':{'input':''},'id':4}\"}}");
    expect(client, "{\"return\": 2, \"id\": 3}");
    expect(client, "{\"error\": {\"class\": \"GenericError\", \"desc\": "
           "\"The command nest does not support OOB\"}, \"id\": 4}");
    expect(client, "{\"return\": 1, \"id\": 1}");
    expect(client, "{\"return\": 1, \"id\": 2}");
    send_text(client, "{'exec-oob':'echo','arguments':{'value':1}}");
    expect(client, "{\"return\": 1}");
    send_text(client, "{'exec-oob':'echo','execute':'echo','arguments':{'value':1}}");
    expect_error(client, "GenericError", "exclude each other");
    send_text(client, "{'exec-oob':1}");
    expect_error(client, "GenericError", "'exec-oob' must be a string");
    client_free(client);
}

static void test_flow_control(void)
{
    Client *client = client_ready(false);
    g_assert_cmpuint(monitor_qmp_can_read(client->mon), >, 0);
    GString *input = g_string_new(NULL);
    for (unsigned i = 0; i < QMP_QUEUE_MAX; i++) {
        g_string_append(input, "{'execute':'echo','arguments':{'value':0}}");
    }
    g_autofree char *text = g_strdup_printf(
        "{'execute':'nest','arguments':{'input':\"%s\"}}", input->str);
    send_text(client, text);
    g_autofree char *reply = g_strdup_printf("{\"return\": %u}", QMP_QUEUE_MAX);
    expect(client, reply);
    g_assert_cmpuint(g_queue_get_length(&client->lines), ==, QMP_QUEUE_MAX);
    g_assert_cmpuint(monitor_qmp_can_read(client->mon), >, 0);
    monitor_qmp_close(client->mon);
    g_assert_cmpuint(monitor_qmp_can_read(client->mon), ==, 0);
    g_string_free(input, TRUE);
    client_free(client);
}

/* A client that hangs up: the next one gets a session of its own, and nothing of the first. */
static void test_sessions(void)
{
    Client *client = client_ready(true);
    send_text(client, "{\"execute\": \"echo\", \"argu");
    monitor_qmp_close(client->mon);
    send_text(client, "ments\": {}}");
    monitor_qmp_open(client->mon);
    expect_greeting(client);
    send_text(client, "{\"execute\": \"echo\", \"arguments\": {\"value\": 1}}");
    expect_error(client, "CommandNotFound", "Expecting capabilities");
    send_text(client, "{\"execute\": \"qmp_capabilities\"}");
    expect(client, "{\"return\": {}}");
    expect_nothing(client);
    client_free(client);
}

static void test_hang_up(void)
{
    Client *client = client_ready(true);
    /* The reply, and the requests behind, die with the client. */
    send_text(client, "{'execute':'hang-up','arguments':{'how':'close'}}{'execute':'send-event'}");
    expect_nothing(client);
    monitor_qmp_open(client->mon);
    expect_greeting(client);
    send_text(client, "{'execute':'qmp_capabilities','arguments':{'enable':['oob']}}");
    expect(client, "{\"return\": {}}");
    send_text(client, "{'execute':'hang-up','arguments':{'how':'reopen'}}{'execute':'send-event'}");
    expect_greeting(client);
    expect_nothing(client);
    send_text(client, "{'execute':'qmp_capabilities','arguments':{'enable':['oob']}}");
    expect(client, "{\"return\": {}}");
    /* Freed while two of its commands are on the stack. */
    send_text(client, "{'execute':'nest','arguments':{'input':\"{'execute':'echo',"
              "'arguments':{'value':1}}\"}}{'execute':'hang-up','arguments':{'how':'free'}}"
              "{'execute':'send-event'}");
    expect(client, "{\"return\": 1}");
    expect(client, "{\"return\": 1}");
    client->mon = NULL;
    expect_nothing(client);
    client_free(client);
}

static void test_events(void)
{
    EventSink *sink = monitor_hub_sink(hub);
    Client *deaf = client_new();
    Client *first = client_ready(false);
    Client *second = client_ready(true);
    expect_greeting(deaf);
    test_qapi_event_send_test_plain(sink);
    test_qapi_event_send_test_event(sink, &(TestEventEvent){ .number = 1, .text = (char *)"t" });
    expect_nothing(first);
    monitor_hub_flush_events(hub);
    expect_event(first, "TEST_PLAIN", NULL);
    expect_event(first, "TEST_EVENT", "{\"number\": 1, \"text\": \"t\"}");
    expect_event(second, "TEST_PLAIN", NULL);
    expect_event(second, "TEST_EVENT", "{\"number\": 1, \"text\": \"t\"}");
    expect_nothing(deaf);
    /* What happened before the negotiation ended is not sent after it; within a command, before
     * its reply. */
    test_qapi_event_send_test_plain(sink);
    send_text(deaf, "{'execute':'qmp_capabilities'}");
    expect(deaf, "{\"return\": {}}");
    expect_nothing(deaf);
    expect_event(first, "TEST_PLAIN", NULL);
    send_text(first, "{'execute':'send-event'}");
    expect_event(first, "TEST_EVENT", "{\"number\": 5}");
    expect(first, "{\"return\": {}}");
    expect_event(deaf, "TEST_EVENT", "{\"number\": 5}");
    test_qapi_event_send_test_plain(sink);  /* stays in the queue: freed with the hub */
    test_qapi_event_send_test_event(NULL, &(TestEventEvent){ .number = 1 });
    client_free(deaf);
    client_free(first);
    client_free(second);
}

enum { EVENTS_EACH = 500 };

static gpointer emit_thread(gpointer opaque)
{
    for (int i = 0; i < EVENTS_EACH; i++) {
        test_qapi_event_send_test_event(monitor_hub_sink(hub), &(TestEventEvent){ .number = i });
    }
    return NULL;
}

static void test_event_threads(void)
{
    Client *client = client_ready(false);
    GThread *threads[2];
    for (size_t i = 0; i < G_N_ELEMENTS(threads); i++) {
        threads[i] = g_thread_new("emit", emit_thread, NULL);
    }
    while (g_queue_get_length(&client->lines) < 2 * EVENTS_EACH) {
        monitor_hub_flush_events(hub);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(threads); i++) {
        g_thread_join(threads[i]);
    }
    monitor_hub_flush_events(hub);
    g_assert_cmpuint(g_queue_get_length(&client->lines), ==, 2 * EVENTS_EACH);
    client_free(client);
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

static void send_fds(Client *client, const char *text, int *fds, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        fds[i] = open_null();
    }
    monitor_qmp_feed(client->mon, text, strlen(text), fds, n);
}

static void test_descriptors(void)
{
    int fds[QMP_FDS_MAX + 4];
    Client *client = client_ready(false);
    send_text(client, "{'execute':'take-fds','arguments':{'count':1}}");
    expect_error(client, "GenericError", "No file descriptor");
    /* They come with the first bytes of a command that ends later. */
    send_fds(client, "{'execute':'take-fds',", fds, 2);
    send_text(client, "'arguments':{'count':2}}");
    expect(client, "{\"return\": {}}");
    /* Not taken: they wait for a later command, until others come. */
    send_fds(client, "{'execute':'send-event'}", fds, 1);
    send_text(client, "{'execute':'take-fds','arguments':{'count':1}}");
    g_queue_clear_full(&client->lines, (GDestroyNotify)json_decref);
    g_assert_false(is_open(fds[0]));
    send_fds(client, "{'execute':'send-event'}", fds, 1);
    g_assert_true(is_open(fds[0]));
    int stale = fds[0];
    int other;
    send_fds(client, "{'execute':'take-fds','arguments':{'count':0}}", &other, 1);
    g_assert_false(is_open(stale));
    g_assert_true(is_open(other));
    /* Too many, and a client that goes. */
    send_fds(client, "{", fds, G_N_ELEMENTS(fds));
    g_assert_true(is_open(fds[QMP_FDS_MAX - 1]));
    g_assert_false(is_open(fds[QMP_FDS_MAX]));
    monitor_qmp_close(client->mon);
    g_assert_false(is_open(fds[0]));
    g_assert_false(is_open(other));
    send_fds(client, "{}", fds, 1);
    g_assert_false(is_open(fds[0]));
    client_free(client);
}

static void test_named_descriptors(void)
{
    Client *client = client_ready(false);
    int first = open_null();
    int second = open_null();
    monitor_keep_fd(client->mon, "migrate", first);
    monitor_keep_fd(client->mon, "migrate", second);
    g_assert_false(is_open(first));
    g_assert_cmpint(monitor_get_fd(client->mon, "migrate", NULL), ==, second);
    g_assert_true(is_open(second));
    g_assert_cmpint(monitor_get_fd(client->mon, "migrate", NULL), ==, -1);
    g_assert_cmpint(monitor_get_fd(NULL, "migrate", NULL), ==, -1);
    monitor_keep_fd(client->mon, "migrate", second);
    monitor_qmp_close(client->mon);
    g_assert_false(is_open(second));
    client_free(client);
}

/* Random lines built of likely pieces: no crash, no leak, and the server still answers. */
static void test_garbage(void)
{
    static const char *const pieces[] = {
        "{", "}", "[", "]", ":", ",", "\"", "'", "\\", "\n", "\r\n", "\xff", "\x01", "\xc3", " ",
        "'execute'", "'exec-oob'", "'arguments'", "'id'", "'echo'", "'nest'", "'value'", "'fail'",
        "{'execute':'echo','arguments':{'value':1}}", "{'execute':'send-event'}", "'enable'",
        "{'execute':'qmp_capabilities'}", "{'execute':'echo-derived','arguments':{'name':'x',",
        "'flag':true", "'list':[", "{'name':'y'}", "'nested':{", "1", "-0.5e3", "null", "true",
        "{'execute':'hang-up','arguments':{'how':'reopen'}}", "{'execute':'echo-union','arguments':",
        "{'exec-oob':'echo','arguments':{'value':[]}}",
    };
    Client *client = client_new();
    for (int round = 0; round < 3000; round++) {
        GString *text = g_string_new(NULL);
        int n = g_test_rand_int_range(1, 30);
        for (int i = 0; i < n; i++) {
            g_string_append(text, pieces[g_test_rand_int_range(0, G_N_ELEMENTS(pieces))]);
        }
        int fds[2];
        send_fds(client, text->str, fds, g_test_rand_int_range(0, 3));
        g_string_free(text, TRUE);
        g_queue_clear_full(&client->lines, (GDestroyNotify)json_decref);
        g_queue_init(&client->lines);
    }
    monitor_qmp_open(client->mon);
    expect_greeting(client);
    send_text(client, "{'execute':'qmp_capabilities'}");
    expect(client, "{\"return\": {}}");
    client_free(client);
}

static void test_pretty(void)
{
    Client client = { .mon = NULL };
    MonitorTransport transport = { collect, &client };
    g_queue_init(&client.lines);
    client.mon = monitor_qmp_new(hub, &transport, true);
    monitor_qmp_open(client.mon);
    expect_greeting(&client);
    monitor_free(client.mon);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    hub = monitor_hub_new(&(MonitorHubConfig){ .commands = &test_qmp_command_table });
    g_test_add_func("/qmp/negotiation", test_negotiation);
    g_test_add_func("/qmp/requests", test_requests);
    g_test_add_func("/qmp/malformed", test_malformed);
    g_test_add_func("/qmp/pieces", test_pieces);
    g_test_add_func("/qmp/out-of-band", test_out_of_band);
    g_test_add_func("/qmp/flow-control", test_flow_control);
    g_test_add_func("/qmp/sessions", test_sessions);
    g_test_add_func("/qmp/hang-up", test_hang_up);
    g_test_add_func("/qmp/events", test_events);
    g_test_add_func("/qmp/event-threads", test_event_threads);
    g_test_add_func("/qmp/descriptors", test_descriptors);
    g_test_add_func("/qmp/named-descriptors", test_named_descriptors);
    g_test_add_func("/qmp/garbage", test_garbage);
    g_test_add_func("/qmp/pretty", test_pretty);
    int result = g_test_run();
    monitor_hub_free(hub);
    return result;
}
