/*
 * test-transport-address.c - addresses as URI and as `channels`: what is understood, and what is said of the rest.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "transport-fixture.h"

/* ---- addresses ---- */

static void test_bad_uris(void)
{
    static const char *const bad[][2] = {
        { "", "unknown migration protocol:  (there are tcp:, unix:, exec:, fd:, file:" },
        { "tcp", "unknown migration protocol: tcp (there are" },
        { "fish:1", "unknown migration protocol: fish:1 (there are" },
        { "tcp:", "no port" },
        { "tcp:host", "no port" },
        { "tcp:host:", "empty port" },
        { "tcp:host:65536", "port '65536'" },
        { "tcp:host:12x", "port '12x'" },
        { "tcp:::1:4444", "[ADDRESS]:PORT" },
        { "tcp:[::1:4444", "[ADDRESS]:PORT" },
        { "tcp:host:1,to=0", "to=0" },
        { "tcp:host:9,to=8", "to=8" },
        { "tcp:host:1,fast=on", "'fast=on' is unexpected" },
        { "tcp:host:1,ipv4=maybe", "on or off" },
        { "tcp:host:1,ipv4=off,ipv6=off", "no address is left" },
        { "tcp:\xff:1", "not UTF-8" },
        { "unix:", "empty" },
        { "unix:\xff", "not UTF-8" },
        { "exec:", "a command is expected" },
        { "fd:", "is expected" },
        { "fd:1a", "neither a number nor a name" },
        { "fd:99999999999", "neither a number nor a name" },
        { "file:", "a path is expected" },
        { "file:,offset=1", "a path is expected" },
        { "file:x,offset=", "bad offset ''" },
        { "file:x,offset=0x20M", "bad offset '0x20M'" },
        { "file:x,offset=-1", "bad offset '-1'" },
        { "file:x,offset=1Mx", "bad offset '1Mx'" },
        { "file:x,offset=9223372036854775808", "bad offset" },
        { "file:x,offset=8388608T", "bad offset" },
        { "file:x,offset=99999999999999999999", "bad offset" },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        Error *err = NULL;
        g_assert_null(migration_address_parse(bad[i][0], NULL, &err));
        expect(err, bad[i][1]);
    }
    g_autofree char *longest = g_strnfill(70000, 'x'), *path = g_strconcat("unix:", longest, NULL);
    g_assert_null(migration_address_parse(path, NULL, NULL));
    g_assert_null(migration_address_parse(longest, NULL, NULL));
}

static void test_channels(void)
{
    static const char *const good[][2] = {
        { "{'transport':'socket','type':'inet','host':'h','port':'1','to':9,'ipv4':true}", "tcp:h:1" },
        { "{'transport':'socket','type':'inet','host':'::1','port':'1'}", "tcp:[::1]:1" },
        { "{'transport':'socket','type':'unix','path':'/p'}", "unix:/p" },
        { "{'transport':'socket','type':'fd','str':'f'}", "fd:f" },
        { "{'transport':'exec','args':['a','b c']}", "exec:a b c" },
        { "{'transport':'file','filename':'/f','offset':4096}", "file:/f,offset=4096" },
        { "{'transport':'file','filename':'/f'}", "file:/f" },
    };
    static const char *const bad[][2] = {
        { "{}", "no 'transport'" },
        { "{'transport':'pigeon'}", "transport 'pigeon'" },
        { "{'transport':'socket'}", "socket type ''" },
        { "{'transport':'socket','type':'vsock','cid':'1','port':'1'}", "socket type 'vsock'" },
        { "{'transport':'socket','type':'inet','host':'h'}", "'port' is missing" },
        { "{'transport':'socket','type':'inet','host':'h','port':1}", "'port' must be a string" },
        { "{'transport':'socket','type':'inet','host':'h','port':'1','x':1}", "'x' is unexpected" },
        { "{'transport':'socket','type':'unix','path':'a\\u0000b'}", "NUL" },
        { "{'transport':'exec','args':[]}", "a command is expected" },
        { "{'transport':'exec','args':[1]}", "list of strings" },
        { "{'transport':'exec','args':'ls'}", "'args' must be a list" },
        { "{'transport':'file','filename':'/f','offset':-1}", "bad offset -1" },
        { "{'transport':'file','filename':'/f','offset':'1'}", "'offset' must be an integer" },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(good) + G_N_ELEMENTS(bad); i++) {
        const char *const *row = i < G_N_ELEMENTS(good) ? good[i] : bad[i - G_N_ELEMENTS(good)];
        Error *err = NULL;
        g_autofree char *text = g_strdup_printf("[{'channel-type':'main','addr':%s}]", row[0]);
        json_t *channels = json_loads(g_strdelimit(text, "'", '"'), JSON_ALLOW_NUL, NULL);
        MigrationAddress *address = migration_address_parse(NULL, channels, &err);
        if (i < G_N_ELEMENTS(good)) {
            g_assert_null(err);
            g_assert_cmpstr(address->uri, ==, row[1]);
            migration_address_free(address);
        } else {
            g_assert_null(address);
            expect(err, row[1]);
        }
        json_decref(channels);
    }
}

static void test_channels_shape(void)
{
    static const char *const bad[][2] = {
        { "[]", "exactly one entry" },
        { "{}", "exactly one entry" },
        { "[1]", "an object is expected" },
        { "[{\"channel-type\":\"main\"}]", "'addr' is missing" },
        { "[{\"channel-type\":\"cpr\",\"addr\":{}}]", "channel-type 'cpr'" },
        { "[{\"channel-type\":\"main\",\"addr\":[]}]", "'addr' must be an object" },
        { "[{\"channel-type\":\"main\",\"addr\":{}},{}]", "exactly one entry" },
    };
    Error *err = NULL;
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        json_t *channels = json_loads(bad[i][0], 0, NULL);
        g_assert_null(migration_address_parse(NULL, channels, &err));
        expect(err, bad[i][1]);
        err = NULL;
        json_decref(channels);
    }
    g_assert_null(migration_address_parse(NULL, NULL, &err));
    expect(err, "need either 'uri' or 'channels' argument");
    err = NULL;
    json_t *channels = json_array();
    g_assert_null(migration_address_parse("tcp::1", channels, &err));
    expect(err, "'uri' and 'channels' arguments are mutually exclusive");
    json_decref(channels);
}

static void test_fd_name(void)
{
    static const char *const names[][2] = { { "fd:migrate", "migrate" }, { "fd:29", NULL }, { "tcp::1", NULL } };
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        MigrationAddress *address = parse(names[i][0]);
        g_assert_cmpstr(migration_address_fd_name(address), ==, names[i][1]);
        migration_address_free(address);
    }
}

int main(int argc, char **argv)
{
    fixture_init(&argc, &argv);
    g_test_add_func("/transport-address/uri", test_bad_uris);
    g_test_add_func("/transport-address/channels", test_channels);
    g_test_add_func("/transport-address/channels/shape", test_channels_shape);
    g_test_add_func("/transport-address/fd-name", test_fd_name);
    return fixture_run();
}
