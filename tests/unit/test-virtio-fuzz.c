/*
 * test-virtio-fuzz.c - a bounded run of the hostile guest in tests/fuzz/fuzz-virtio.c.
 *
 * GODWIT_FUZZ_ROUNDS sets how many inputs each device gets (60), GODWIT_FUZZ_SEED where they start; an
 * input that fails is named by both in the test's log.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "tests/fuzz/fuzz-virtio.c"

enum { INPUT_MAX = 1200 };

static guint64 env_number(const char *name, guint64 fallback)
{
    const char *text = g_getenv(name);
    return text ? g_ascii_strtoull(text, NULL, 0) : fallback;
}

/* Mostly operations that build and start chains: random bytes alone seldom make one. */
static size_t make_input(GRand *rand, uint8_t kind, uint8_t *out)
{
    static const uint8_t weighted[] = {5, 5, 5, 3, 3, 4, 4, 0, 1, 2, 6, 7, 8, 8, 8, 8, 8, 8};
    size_t n = 0;
    out[n++] = kind;
    while (n < INPUT_MAX - 40) {
        uint8_t op = weighted[g_rand_int_range(rand, 0, sizeof(weighted))];
        unsigned body = op == 5 ? 7 : op == 0 || op == 6 ? 30 : op == 1 ? 5 : op == 8 ? 12 : 3;
        out[n++] = op;
        for (unsigned i = 0; i < body; i++) {
            out[n++] = g_rand_int_range(rand, 0, 4) ? g_rand_int_range(rand, 0, 8)
                                                    : g_rand_int_range(rand, 0, 256);
        }
    }
    return n;
}

static void test_fuzz(gconstpointer data)
{
    uint8_t kind = GPOINTER_TO_UINT(data);
    guint64 rounds = env_number("GODWIT_FUZZ_ROUNDS", 60), seed = env_number("GODWIT_FUZZ_SEED", 1);
    for (guint64 i = 0; i < rounds; i++) {
        uint8_t input[INPUT_MAX];
        GRand *rand = g_rand_new_with_seed((guint32)(seed + i) * 8 + kind);
        size_t size = make_input(rand, kind, input);
        g_test_message("kind %u seed %" G_GUINT64_FORMAT, kind, seed + i);
        LLVMFuzzerTestOneInput(input, size);
        g_rand_free(rand);
    }
}

/* Inputs that were interesting once. */
static void test_corpus(void)
{
    g_autofree char *path = g_build_filename("tests", "fuzz", "corpus", "virtio", NULL);
    GDir *dir = g_dir_open(path, 0, NULL);
    const char *name;
    if (!dir) {
        g_test_skip("not run in the source tree");
        return;
    }
    while ((name = g_dir_read_name(dir))) {
        g_autofree char *file = g_build_filename(path, name, NULL);
        g_autofree char *bytes = NULL;
        gsize len;
        g_assert_true(g_file_get_contents(file, &bytes, &len, NULL));
        LLVMFuzzerTestOneInput((const uint8_t *)bytes, len);
    }
    g_dir_close(dir);
}

int main(int argc, char **argv)
{
    static const char *const names[] = {"blk", "net", "serial", "gpu"};
    g_test_init(&argc, &argv, NULL);
    for (unsigned kind = 0; kind < 8; kind++) {
        g_autofree char *path = g_strdup_printf("/virtio/fuzz/%s/%s", names[kind & 3],
                                                kind & 4 ? "modern" : "legacy");
        g_test_add_data_func(path, GUINT_TO_POINTER(kind), test_fuzz);
    }
    g_test_add_func("/virtio/fuzz/corpus", test_corpus);
    return g_test_run();
}
