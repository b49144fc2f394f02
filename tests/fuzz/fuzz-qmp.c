/*
 * fuzz-qmp.c - libFuzzer target: arbitrary bytes from a QMP client.
 *
 * The input is fed in pieces whose sizes it chooses itself: a byte of length, then so many bytes; a
 * length of 255 hangs up and connects anew.  The commands are those of the unit tests' schema, which
 * has one of everything.  Whatever comes, every line that goes back must be JSON and end in CR LF.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "monitor/hub.h"
#include "qapi/test_qapi-commands.h"
#include "qapi/test_qapi-events.h"
#include "util/json-uint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_line(void *opaque, const char *buf, size_t len)
{
    json_t *line = len > 2 ? json_uint_loadb(buf, len - 2, 0, NULL) : NULL;
    if (!line || memcmp(buf + len - 2, "\r\n", 2)) {
        g_error("bad line from the server");
    }
    json_decref(line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    MonitorHub *hub = monitor_hub_new(&(MonitorHubConfig){ .commands = &test_qmp_command_table });
    Monitor *mon = monitor_qmp_new(hub, &(MonitorTransport){ check_line, NULL }, false);
    monitor_qmp_open(mon);
    while (size) {
        size_t piece = *data++;
        size--;
        if (piece == 255) {
            monitor_qmp_open(mon);
            continue;
        }
        piece = MIN(piece, size);
        monitor_qmp_feed(mon, (const char *)data, piece, NULL, 0);
        data += piece;
        size -= piece;
    }
    monitor_hub_free(hub);
    return 0;
}

/* ------------------------------------------------------------------ the schema's commands */

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
    if (monitor_qmp_can_read(ctx->mon)) {
        monitor_qmp_feed(ctx->mon, args->input, strlen(args->input), NULL, 0);
    }
    *ret = 0;
    return true;
}

bool test_qmp_fail(QmpContext *ctx, const FailArgs *args, Error **errp)
{
    error_setg(errp, "failed");
    return false;
}

bool test_qmp_raw(QmpContext *ctx, json_t *args, Error **errp)
{
    return true;
}

bool test_qmp_hang_up(QmpContext *ctx, const HangUpArgs *args, Error **errp)
{
    monitor_qmp_open(ctx->mon);
    return true;
}

bool test_qmp_take_fds(QmpContext *ctx, const TakeFdsArgs *args, Error **errp)
{
    return monitor_take_fd(ctx->mon, errp) >= 0;
}

bool test_qmp_send_event(QmpContext *ctx, Error **errp)
{
    test_qapi_event_send_test_event(monitor_hub_sink(ctx->hub), &(TestEventEvent){ .number = 5 });
    return true;
}
