/*
 * test-real-streams.c - streams that Godwit and QEMU 7.2 have sent arrive, or are refused for the right reason.
 *
 * The streams are the seeds of fuzz-loadvm (tests/fuzz/record-streams); each is also cut in many places, and a cut
 * one is refused because it ends, whatever else a half-read value may look like.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "tests/fuzz/fuzz-sections.h"

#include "migration/migration.h"
#include "migration/savevm.h"

#define SEEDS "tests/fuzz/corpus/loadvm"
#define CUTS 40

static bool no_way_back(void *opaque, Error **errp)
{
    return true;
}

static bool no_answer(void *opaque, uint32_t value, Error **errp)
{
    return true;
}

/* NULL: it arrived. Else why not. */
static char *arrive(const char *bytes, size_t size, bool modern)
{
    static const LoadVMOps ops = { .open_return_path = no_way_back, .ping = no_answer };
    Error *err = NULL;
    LoadVMResult result;
    Machine *m = fuzz_machine_new(1, modern);
    g_assert_true(migration_incoming_prepare(migration_of(m), NULL));
    machine_unlock(m);
    QEMUFile *f = qemu_file_new_from_buffer((const uint8_t *)bytes, size);
    bool ok = loadvm_state(f, m, &ops, NULL, &result, &err);
    g_assert_cmpint(ok, ==, err == NULL);
    char *text = err ? g_strdup(error_get_pretty(err)) : NULL;
    error_free(err);
    qemu_fclose(f, NULL);
    machine_lock(m);
    if (ok) {
        fuzz_machine_live(m);
    }
    fuzz_machine_free(m);
    return text;
}

static void test_stream(gconstpointer name)
{
    static const char *const reasons[][2] = {
        { "harts", "Unknown savevm section or instance 'cpu_common' 1" },
        { "hypervisor", "cpu: subsection 'cpu/hyper' is not known here" },
    };
    g_autofree char *path = g_build_filename(SEEDS, name, NULL), *bytes = NULL;
    gsize size;
    g_assert_true(g_file_get_contents(path, &bytes, &size, NULL));
    g_autofree char *text = arrive(bytes, size, strstr(name, "modern"));
    if (!strstr(name, "refused")) {
        g_assert_cmpstr(text, ==, NULL);
        return;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(reasons); i++) {
        if (strstr(name, reasons[i][0])) {
            g_assert_nonnull(text);
            g_assert_nonnull(strstr(text, reasons[i][1]));
            return;
        }
    }
    g_assert_not_reached();
}

/* The end of a device's section is not mistaken for something that the sender meant. */
static void test_cut(void)
{
    g_autofree char *bytes = NULL;
    gsize size;
    g_assert_true(g_file_get_contents(SEEDS "/godwit-modern", &bytes, &size, NULL));
    for (unsigned i = 0; i < CUTS; i++) {
        gsize at = size * i / CUTS;
        g_autofree char *text = arrive(bytes, at, true);
        g_assert_nonnull(text);
        if (!strstr(text, "stream ends at byte")) {
            g_test_message("cut at %u: %s", (unsigned)at, text);
            g_test_fail();
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    GDir *dir = g_dir_open(SEEDS, 0, NULL);
    for (const char *name; dir && (name = g_dir_read_name(dir));) {
        g_autofree char *test = g_strdup_printf("/streams/%s", name);
        g_ptr_array_add(names, g_strdup(name));
        g_test_add_data_func(test, names->pdata[names->len - 1], test_stream);
    }
    if (dir) {
        g_dir_close(dir);
    }
    g_test_add_func("/streams/cut", test_cut);
    int rc = g_test_run();
    g_ptr_array_unref(names);
    return rc;
}
