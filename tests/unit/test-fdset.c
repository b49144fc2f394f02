/*
 * test-fdset.c - sets of descriptors: numbers, access modes, duplicates, removal.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/fdset.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static int open_null(int flags)
{
    int fd = open("/dev/null", flags | O_CLOEXEC);
    g_assert_cmpint(fd, >=, 0);
    return fd;
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static void collect(int64_t id, int fd, const char *opaque, void *user)
{
    g_string_append_printf(user, "%d:%s ", (int)id, opaque ? opaque : "-");
}

static void test_numbers(void)
{
    FdSets *sets = fdsets_new();
    int64_t id = 1;
    fdsets_add(sets, &id, open_null(O_RDONLY), "one");
    id = -1;
    fdsets_add(sets, &id, open_null(O_RDONLY), NULL);
    g_assert_cmpint(id, ==, 0);
    id = -1;
    fdsets_add(sets, &id, open_null(O_RDONLY), "two");
    g_assert_cmpint(id, ==, 2);
    id = 1;
    fdsets_add(sets, &id, open_null(O_WRONLY), "more");
    GString *seen = g_string_new(NULL);
    fdsets_foreach(sets, collect, seen);
    g_assert_cmpstr(seen->str, ==, "0:- 1:one 1:more 2:two ");
    g_string_free(seen, TRUE);
    fdsets_free(sets);
}

static int mode_of(FdSets *sets, const char *path, int flags)
{
    int fd = fdsets_open(sets, path, flags, NULL);
    if (fd < 0) {
        return -1;
    }
    int mode = fcntl(fd, F_GETFL) & O_ACCMODE;
    close(fd);
    return mode;
}

static void test_open(void)
{
    FdSets *sets = fdsets_new();
    int64_t id = 3;
    fdsets_add(sets, &id, open_null(O_RDWR), NULL);
    g_assert_cmpint(mode_of(sets, "/dev/fdset/3", O_RDONLY), ==, O_RDWR);
    fdsets_add(sets, &id, open_null(O_RDONLY), NULL);
    g_assert_cmpint(mode_of(sets, "/dev/fdset/3", O_RDONLY), ==, O_RDONLY);
    g_assert_cmpint(mode_of(sets, "/dev/fdset/3", O_RDWR), ==, O_RDWR);
    id = 4;
    fdsets_add(sets, &id, open_null(O_RDONLY), NULL);
    g_assert_cmpint(mode_of(sets, "/dev/fdset/4", O_WRONLY), ==, -1);

    static const char *const bad[] = { "/dev/fdset/5", "/dev/fdset/", "/dev/fdset/4x", "/dev/fdset/-1",
                                       "/dev/null", "/dev/fdset/99999999999999999999" };
    for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
        Error *error = NULL;
        g_assert_cmpint(fdsets_open(sets, bad[i], O_RDONLY, &error), ==, -1);
        g_assert_nonnull(strstr(error_get_pretty(error), bad[i]));
        error_free(error);
    }
    g_assert_true(fdset_is_path("/dev/fdset/0"));
    g_assert_false(fdset_is_path("/dev/fd/0"));
    fdsets_free(sets);
}

static void test_remove(void)
{
    FdSets *sets = fdsets_new();
    int first = open_null(O_RDONLY);
    int second = open_null(O_RDONLY);
    int64_t id = 0;
    fdsets_add(sets, &id, first, NULL);
    fdsets_add(sets, &id, second, NULL);
    int copy = fdsets_open(sets, "/dev/fdset/0", O_RDONLY, NULL);
    g_assert_false(fdsets_remove(sets, 0, 9999, NULL));
    g_assert_false(fdsets_remove(sets, 1, -1, NULL));
    g_assert_true(fdsets_remove(sets, 0, first, NULL));
    g_assert_false(is_open(first));
    g_assert_true(is_open(second));
    g_assert_true(is_open(copy));
    g_assert_true(fdsets_remove(sets, 0, -1, NULL));
    g_assert_false(is_open(second));
    g_assert_true(is_open(copy));
    close(copy);
    fdsets_free(sets);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/util/fdset/numbers", test_numbers);
    g_test_add_func("/util/fdset/open", test_open);
    g_test_add_func("/util/fdset/remove", test_remove);
    return g_test_run();
}
