/*
 * replay.c - runs a fuzz target's corpus without a fuzzer: a TAP program for make check.
 *
 * Usage: replay-NAME [FILE]...     without files: tests/fuzz/corpus/NAME, a point a file
 *
 * Each file is also cut in half, and changed as the target's own mutator would, or else by bits flipped in a few
 * places; in the same ways each time.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define VARIANTS 4      /* with flipped bits */
#define FLIPS 8
#define MUTANTS 32      /* by the target's mutator */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed) __attribute__((weak));

/* The input gets memory of its own, so that a sanitizer sees a step beyond its end. */
static void run_input(const char *bytes, size_t size)
{
    g_autofree uint8_t *copy = g_malloc(MAX(size, 1));
    memcpy(copy, bytes, size);
    LLVMFuzzerTestOneInput(copy, size);
}

/* What libFuzzer would do to bytes of which a mutator knows no more. */
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max)
{
    static guint32 turn;
    if (size) {
        turn = turn * 1103515245 + 12345;
        data[(turn >> 8) % size] ^= 1 << (turn >> 5) % 8;
    }
    return size;
}

static void run_mutants(const char *bytes, size_t size)
{
    size_t max = 2 * size + 4096;
    g_autofree uint8_t *copy = g_malloc(max);
    for (unsigned seed = 0; seed < MUTANTS; seed++) {
        memcpy(copy, bytes, size);
        run_input((char *)copy, LLVMFuzzerCustomMutator(copy, size, max, seed));
    }
}

static void run_variants(char *bytes, size_t size)
{
    GRand *rand = g_rand_new_with_seed(size);
    run_input(bytes, size / 2);
    if (LLVMFuzzerCustomMutator) {
        run_mutants(bytes, size);
    }
    for (unsigned i = 0; i < VARIANTS && size; i++) {
        for (unsigned k = 0; k < FLIPS; k++) {
            bytes[g_rand_int_range(rand, 0, size)] ^= 1 << g_rand_int_range(rand, 0, 8);
        }
        run_input(bytes, size);
    }
    g_rand_free(rand);
}

static bool run_file(FILE *tap, unsigned number, const char *path)
{
    g_autofree char *bytes = NULL;
    gsize size;
    bool read = g_file_get_contents(path, &bytes, &size, NULL);
    if (read) {
        fprintf(tap, "# replay: %s %s\n", g_get_prgname(), path);
        fflush(tap);
        run_input(bytes, size);
        run_variants(bytes, size);
    }
    fprintf(tap, "%s %u - %s\n", read ? "ok" : "not ok", number, path);
    return read;
}

static char **corpus_files(const char *program)
{
    const char *name = strstr(program, "replay-");
    g_autofree char *folder = g_build_filename("tests/fuzz/corpus", name ? name + 7 : "", NULL);
    GPtrArray *files = g_ptr_array_new();
    GDir *dir = g_dir_open(folder, 0, NULL);
    for (const char *file; dir && (file = g_dir_read_name(dir));) {
        g_ptr_array_add(files, g_build_filename(folder, file, NULL));
    }
    if (dir) {
        g_dir_close(dir);
    }
    g_ptr_array_sort(files, (GCompareFunc)g_strcmp0);
    g_ptr_array_add(files, NULL);
    return (char **)g_ptr_array_free(files, FALSE);
}

__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    return 0;
}

int main(int argc, char **argv)
{
    /* Targets may close stdout to what the program under test prints. */
    FILE *tap = fdopen(dup(1), "w");
    g_auto(GStrv) files = argc > 1 ? g_strdupv(argv + 1) : corpus_files(argv[0]);
    bool good = true;
    g_set_prgname(argv[0]);
    LLVMFuzzerInitialize(&argc, &argv);
    for (unsigned i = 0; files[i]; i++) {
        good = run_file(tap, i + 1, files[i]) && good;
    }
    fprintf(tap, "1..%u\n", g_strv_length(files));
    fclose(tap);
    return good && files[0] ? 0 : 1;
}
