/*
 * test-file-copy.c - copies of files: contents, holes and sizes, over whatever the other file held.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/file-copy.h"

static void fill(int fd, uint64_t size, const char *pattern)
{
    /* A letter is 64 KiB of it, '.' a hole. */
    g_autofree char *buf = g_malloc(65536);
    g_assert_cmpint(ftruncate(fd, 0), ==, 0);
    for (size_t i = 0; pattern[i]; i++) {
        memset(buf, pattern[i], 65536);
        g_assert_true(pattern[i] == '.' || pwrite(fd, buf, 65536, (off_t)(i * 65536)) == 65536);
    }
    g_assert_cmpint(ftruncate(fd, (off_t)size), ==, 0);
}

static char *contents(int fd, uint64_t size)
{
    char *buf = g_malloc(size);
    g_assert_cmpint(pread(fd, buf, size, 0), ==, size);
    return buf;
}

static void test_copy(void)
{
    static const char *const from[] = { "", "a", "....", "a.b.", ".a.b", "aaaa", "..ab..ba..", "ab" };
    static const char *const over[] = { "", "zzzzzzzzzz", "z.z.z.z.z.z", ".z" };
    static const uint64_t cut[] = { 0, 1, 4095 };
    g_autofree char *dir = g_dir_make_tmp("godwit-copy-XXXXXX", NULL);
    g_autofree char *a = g_build_filename(dir, "a", NULL), *b = g_build_filename(dir, "b", NULL);
    int in = open(a, O_RDWR | O_CREAT, 0600), out = open(b, O_RDWR | O_CREAT, 0600);
    for (size_t i = 0; i < G_N_ELEMENTS(from) * G_N_ELEMENTS(over) * G_N_ELEMENTS(cut); i++) {
        const char *source = from[i % G_N_ELEMENTS(from)], *old = over[i / G_N_ELEMENTS(from) % G_N_ELEMENTS(over)];
        uint64_t size = strlen(source) * 65536, got;
        size -= MIN(size, cut[i / G_N_ELEMENTS(from) / G_N_ELEMENTS(over)]);
        fill(in, size, source);
        fill(out, strlen(old) * 65536, old);
        g_assert_true(file_copy_contents(in, out, size, NULL));
        g_assert_true(file_get_size(out, &got, NULL));
        g_assert_cmpint(got, ==, size);
        g_autofree char *is = contents(out, size), *was = contents(in, size);
        g_assert_cmpmem(is, size, was, size);   /* an empty file has no bytes to point at */
        struct stat is_st, was_st;
        fstat(out, &is_st);
        fstat(in, &was_st);
        g_assert_cmpint(is_st.st_blocks, <=, was_st.st_blocks + 16);
    }
    close(in);
    close(out);
    g_unlink(a);
    g_unlink(b);
    g_assert_cmpint(g_rmdir(dir), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/file-copy/contents", test_copy);
    return g_test_run();
}
