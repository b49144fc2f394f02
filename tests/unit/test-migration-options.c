/*
 * test-migration-options.c - capabilities and parameters: the table, ranges, all or none, frozen, conflicts.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "migration/options.h"
#include "util/json-uint.h"

static bool set_json(MigrationOptions *o, const char *text, bool caps, bool running, Error **errp)
{
    json_t *values = json_uint_loadb(text, strlen(text), 0, NULL);
    g_assert_nonnull(values);
    bool ok = migration_options_set(o, values, caps, running, errp);
    json_decref(values);
    return ok;
}

static void refuse(MigrationOptions *o, const char *text, bool caps, bool running, const char *why)
{
    json_t *before = migration_options_get(o, caps);
    Error *err = NULL;
    g_assert_false(set_json(o, text, caps, running, &err));
    if (!strstr(error_get_pretty(err), why)) {
        g_test_message("'%s' is not in '%s'", why, error_get_pretty(err));
        g_test_fail();
    }
    error_free(err);
    json_t *after = migration_options_get(o, caps);
    g_assert_true(json_equal(before, after));
    json_decref(before);
    json_decref(after);
}

static void test_table(void)
{
    MigrationOptions *o = migration_options_new();
    for (const MigrationOption *a = migration_option_table; a->name; a++) {
        g_assert_nonnull(a->help);
        g_assert_true(a->type == MIG_OPT_STRING || (a->def >= a->min && a->def <= a->max));
        g_assert_true(migration_option_find(a->name, a->type == MIG_OPT_CAP) == a);
        g_assert_null(migration_option_find(a->name, a->type != MIG_OPT_CAP));
        for (const MigrationOption *b = a + 1; b->name; b++) {
            g_assert_cmpstr(a->name, !=, b->name);
        }
        for (const char *const *c = a->conflicts; c && *c; c++) {
            g_assert_nonnull(migration_option_find(*c, true));
        }
    }
    /* What users know: QEMU's defaults of today. */
    g_assert_cmpuint(migration_uint(o, "max-bandwidth"), ==, 128u << 20);
    g_assert_cmpuint(migration_uint(o, "downtime-limit"), ==, 300);
    g_assert_cmpuint(migration_uint(o, "announce-initial"), ==, 50);
    g_assert_cmpuint(migration_uint(o, "announce-max"), ==, 550);
    g_assert_cmpuint(migration_uint(o, "announce-rounds"), ==, 5);
    g_assert_cmpuint(migration_uint(o, "announce-step"), ==, 100);
    g_assert_cmpuint(migration_uint(o, "throttle-trigger-threshold"), ==, 50);
    g_assert_cmpuint(migration_uint(o, "cpu-throttle-initial"), ==, 20);
    g_assert_cmpuint(migration_uint(o, "cpu-throttle-increment"), ==, 10);
    g_assert_cmpuint(migration_uint(o, "max-cpu-throttle"), ==, 99);
    g_assert_false(migration_cap(o, "events"));
    g_assert_true(migration_cap(o, "return-path"));
    g_assert_cmpstr(migration_str(o, "tls-creds"), ==, "");
    migration_options_free(o);
    migration_options_free(NULL);
}

static void test_set(void)
{
    MigrationOptions *o = migration_options_new();
    /* What libvirt sends for "no limit". */
    g_assert_true(set_json(o, "{\"max-bandwidth\": 9223372036853727232, \"tls-creds\": \"\", \"tls-authz\": null}",
                           false, false, NULL));
    g_assert_cmpuint(migration_uint(o, "max-bandwidth"), ==, 9223372036853727232u);
    g_assert_true(set_json(o, "{\"max-bandwidth\": 0, \"downtime-limit\": 0}", false, false, NULL));
    g_assert_cmpuint(migration_uint(o, "downtime-limit"), ==, 0);
    g_assert_true(set_json(o, "{\"events\": true, \"validate-uuid\": true}", true, false, NULL));
    g_assert_true(migration_cap(o, "events"));
    g_assert_true(migration_config_from(o).validate_uuid);
    g_assert_false(migration_config_from(o).pause_before_switchover);
    json_t *caps = migration_options_get(o, true);
    g_assert_true(json_is_true(json_object_get(caps, "events")));
    g_assert_false(json_object_get(caps, "downtime-limit"));
    json_decref(caps);
    migration_options_free(o);
}

static void test_refused(void)
{
    MigrationOptions *o = migration_options_new();
    refuse(o, "{\"downtime-limit\": 2000001}", false, false, "'downtime-limit' expects a whole number from 0 to 2000000 ms, not 2000001");
    refuse(o, "{\"downtime-limit\": -1}", false, false, "not -1");
    refuse(o, "{\"downtime-limit\": 1.5}", false, false, "not 1.5");
    refuse(o, "{\"downtime-limit\": 1e30}", false, false, "whole number");
    refuse(o, "{\"max-bandwidth\": 9223372036854775808}", false, false, "not 9223372036854775808");
    refuse(o, "{\"max-bandwidth\": 18446744073709551615}", false, false, "not 18446744073709551615");
    refuse(o, "{\"max-bandwidth\": \"32M\"}", false, false, "not \"32M\"");
    refuse(o, "{\"announce-rounds\": 1001}", false, false, "1000");
    refuse(o, "{\"tls-creds\": \"tls0\"}", false, false, "no TLS");
    refuse(o, "{\"tls-creds\": 7}", false, false, "no TLS");
    refuse(o, "{\"teleport\": true}", true, false, "no migration capability 'teleport'");
    refuse(o, "{\"events\": true}", false, false, "no migration parameter 'events'");
    refuse(o, "{\"max-bandwidth\": 1}", true, false, "no migration capability 'max-bandwidth'");
    refuse(o, "{\"events\": 1}", true, false, "true or false");
    /* All or none. */
    refuse(o, "{\"max-bandwidth\": 5, \"downtime-limit\": 9999999}", false, false, "downtime-limit");
    refuse(o, "{\"events\": true, \"nonsense\": true}", true, false, "nonsense");
    migration_options_free(o);
}

static void test_frozen(void)
{
    MigrationOptions *o = migration_options_new();
    g_assert_true(set_json(o, "{\"max-bandwidth\": 1000, \"downtime-limit\": 5}", false, true, NULL));
    g_assert_true(set_json(o, "{\"events\": true}", true, true, NULL));
    /* No change is no offence: management programs send the whole list. */
    g_assert_true(set_json(o, "{\"events\": false, \"return-path\": true, \"validate-uuid\": false}", true, true, NULL));
    g_assert_true(set_json(o, "{\"tls-creds\": \"\"}", false, true, NULL));
    refuse(o, "{\"return-path\": false}", true, true, "'return-path' cannot be changed while a migration runs");
    refuse(o, "{\"events\": true, \"validate-uuid\": true}", true, true, "validate-uuid");
    migration_options_free(o);
}

static void test_conflicts(void)
{
    static const char *const enemies[] = { "left", NULL };
    static const MigrationOption table[] = {
        { "left", MIG_OPT_CAP, 0, 1, 0, NULL, false, false, NULL, "" },
        { "right", MIG_OPT_CAP, 0, 1, 0, NULL, false, false, enemies, "" },
        { .name = NULL },
    };
    MigrationOptions *o = migration_options_new_from(table);
    refuse(o, "{\"left\": true, \"right\": true}", true, false, "'right' and 'left' cannot be on together");
    g_assert_true(set_json(o, "{\"left\": true}", true, false, NULL));
    refuse(o, "{\"right\": true}", true, false, "cannot be on together");
    /* The set counts, not the order. */
    g_assert_true(set_json(o, "{\"right\": true, \"left\": false}", true, false, NULL));
    migration_options_free(o);
}

static void test_throttle(void)
{
    MigrationOptions *o = migration_options_new();
    refuse(o, "{\"max-cpu-throttle\": 19}", false, false,
           "'max-cpu-throttle' (19) cannot be less than 'cpu-throttle-initial' (20)");
    refuse(o, "{\"cpu-throttle-initial\": 40, \"max-cpu-throttle\": 30}", false, false, "cannot be less than");
    g_assert_true(set_json(o, "{\"cpu-throttle-initial\": 5, \"max-cpu-throttle\": 10}", false, true, NULL));
    refuse(o, "{\"cpu-throttle-initial\": 11}", false, true, "'max-cpu-throttle' (10)");
    refuse(o, "{\"cpu-throttle-increment\": 0}", false, false, "from 1 to 99 %, not 0");
    refuse(o, "{\"cpu-throttle-tailslow\": 1}", false, false, "Parameter 'cpu-throttle-tailslow' is true or false");
    g_assert_true(set_json(o, "{\"cpu-throttle-tailslow\": true}", false, false, NULL));
    json_t *parameters = migration_options_get(o, false);
    g_assert_true(json_is_true(json_object_get(parameters, "cpu-throttle-tailslow")));
    json_decref(parameters);
    migration_options_free(o);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/migration/options/table", test_table);
    g_test_add_func("/migration/options/set", test_set);
    g_test_add_func("/migration/options/refused", test_refused);
    g_test_add_func("/migration/options/frozen", test_frozen);
    g_test_add_func("/migration/options/conflicts", test_conflicts);
    g_test_add_func("/migration/options/throttle", test_throttle);
    return g_test_run();
}
