/*
 * fuzz-migrate-args.c - what a user gives to migrate and its relatives: addresses, options, lines of the monitor.
 *
 * Byte 0 says what the rest is: 0 a URI, 1 `channels`, 2 parameters, 3 capabilities (JSON), 4 a line of the
 * human monitor.  Nothing is opened or started.  What is accepted must come out again as it went in.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "migration/channel.h"
#include "migration/options.h"
#include "monitor/hmp-internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_result(bool ok, Error *err)
{
    if (ok != (err == NULL) || (err && !error_get_pretty(err)[0])) {
        g_error("result and error disagree");
    }
    error_free(err);
}

/* As text it means the same. */
static void check_text(const MigrationAddress *address)
{
    Error *err = NULL;
    MigrationAddress *again = migration_address_parse(address->uri, NULL, &err);
    /* exec's program and arguments have no text of the same meaning. */
    bool exec = g_str_has_prefix(address->uri, "exec:");
    if (!exec && (!again || strcmp(again->uri, address->uri) || again->transport != address->transport)) {
        g_error("'%s' is not what it says: %s", address->uri, err ? error_get_pretty(err) : again->uri);
    }
    error_free(err);
    if (again) {
        migration_address_free(again);
    }
}

static void parse_address(const char *uri, json_t *channels)
{
    Error *err = NULL;
    MigrationAddress *address = migration_address_parse(uri, channels, &err);
    check_result(address != NULL, err);
    if (address) {
        migration_address_fd_name(address);
        check_text(address);
        migration_address_free(address);
    }
}

/* All or none; what was set can be set again. */
static void set_options(const json_t *values, bool capabilities)
{
    Error *err = NULL;
    MigrationOptions *options = migration_options_new();
    json_t *before = migration_options_get(options, capabilities);
    bool ok = migration_options_set(options, values, capabilities, false, &err);
    check_result(ok, err);
    json_t *after = migration_options_get(options, capabilities);
    if (!ok && !json_equal(before, after)) {
        g_error("refused values were stored");
    }
    migration_config_from(options);
    json_decref(before);
    json_decref(after);
    migration_options_free(options);
}

static void ignore_output(void *opaque, const char *text, size_t len)
{
}

static void parse_line(const char *line)
{
    HmpContext ctx = { .write = ignore_output };
    HmpCall call = { .ctx = &ctx, .args = json_object() };
    size_t len = strcspn(line, " ");
    const HmpCommand *command = hmp_command_find(hmp_commands, line, len);
    Error *err = NULL;
    /* $REGISTER needs a hart. */
    if (command && !strchr(line, '$')) {
        bool ok = hmp_parse_args(&call, command, line + len, &err);
        check_result(ok, err);
    }
    json_decref(call.args);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    g_autofree char *text = g_strndup((const char *)data + 1, size - 1);
    json_t *json = json_loads(text, 0, NULL);
    switch (data[0] % 5) {
    case 0:
        parse_address(text, NULL);
        break;
    case 1:
        if (json) {
            parse_address(NULL, json);
        }
        break;
    case 2:
    case 3:
        if (json) {
            set_options(json, data[0] % 5 == 3);
        }
        break;
    default:
        parse_line(text);
        break;
    }
    json_decref(json);
    return 0;
}
