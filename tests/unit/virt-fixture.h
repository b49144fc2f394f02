/*
 * virt-fixture.h - whole virt machines, made and not run, for tests of the board.
 *
 * Main thread; virt_new() returns with the lock held.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_TESTS_VIRT_FIXTURE_H
#define GODWIT_TESTS_VIRT_FIXTURE_H

#include "board-fixture.h"

#include <glib/gstdio.h>

/* A config with -icount (nothing random), no firmware, 128 MiB. */
static inline MachineConfig *virt_config(void)
{
    MachineConfig *config = machine_config_new(machine_class_find("virt"));
    config->firmware = g_strdup("none");
    config->icount = true;
    config->icount_sleep = false;
    config->rtc_base_ns = 0;
    return config;
}

/* Takes config; the machine is done and reset. */
static inline Machine *virt_new(MachineConfig *config)
{
    Error *err = NULL;
    Machine *m = machine_new(machine_class_find("virt"), config, &err);
    if (!m || !machine_done(m, &err)) {
        g_error("%s", error_get_pretty(err));
    }
    machine_lock(m);
    return m;
}

/* Takes config; making that machine must fail with a text that has `why` in it. */
static inline void virt_fails(MachineConfig *config, const char *why)
{
    Error *err = NULL;
    Machine *m = machine_new(machine_class_find("virt"), config, &err);
    g_assert_false(m && machine_done(m, &err));
    assert_error(err, why);
    machine_free(m);
}

static inline char *temp_file(const void *bytes, size_t len)
{
    char *path = NULL;
    int fd = g_file_open_tmp("godwit-virt-XXXXXX", &path, NULL);
    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(write(fd, bytes, len), ==, len);
    close(fd);
    return path;
}

#endif
