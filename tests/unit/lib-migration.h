/*
 * lib-migration.h - two small machines in one process, and who has what.
 *
 * A Host is a machine without harts, with RAM, one device, disk images and a main loop on a thread of its own.
 * Its images are a flag; a pair of hosts that both have them is a failed test at that moment.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_TESTS_LIB_MIGRATION_H
#define GODWIT_TESTS_LIB_MIGRATION_H

#include <glib.h>

#include "lib-wire.h"
#include "migration/migration.h"
#include "system/machine.h"
#include "system/runstate.h"

#define HOST_PAGES 6u           /* of host_new() */

typedef struct Host {
    Machine *m;
    GThread *loop;
    uint32_t reg;               /* the device: what must arrive */
    bool refuse_load;           /* its post_load fails */
    bool refuse_images;         /* the images cannot be taken */
    bool refuse_save;           /* its pre_save fails, from the second time on: the first is the rehearsal */
    unsigned saves;
    unsigned announced;
    GString *log;               /* status changes, "setup active …"; host_lock */
} Host;

/* running: its machine runs; else it waits for one to arrive. */
Host *host_new(bool running);
Host *host_new_sized(bool running, unsigned pages);
void host_free(Host *h);
bool host_runs(Host *h);
MigrationInfoData host_info(Host *h);
/* Takes value. */
void host_set_option(Host *h, const char *name, json_t *value, bool capability);
void host_start_out(Host *h, int fd);
void host_start_in(Host *h, int fd);
/* Waits until the status is one of those that a migration ends in, and the cleanup is done. */
void host_wait_end(Host *h);
/* Waits until it is this. */
void host_wait_status(Host *h, MigrationStatus status);
/* Fails the test unless the pages and the device of b are those of a. */
void hosts_assert_same(Host *a, Host *b);

/* An operator's word, which must be accepted. */
void host_settle(Host *h, bool keep);
bool host_in_doubt(Host *h);

/* A machine that runs, told how fast its channel is so that it needs no rounds to find out; and one that waits. */
typedef struct Pair {
    Host *src, *dst;
} Pair;
Pair pair_new(void);
void pair_free(Pair p);
void pair_start(Pair p, Wire *w);
/* Waits for the end of all three. */
void pair_finish(Pair p, Wire *w);
/* At most one runs; if none does, both wait for a word, and with it exactly one does. */
void pair_judge(Pair p);
/* After what has been: it moves. */
void pair_move_again(Pair p);

/* Open descriptors and threads of this process. */
unsigned open_descriptors(void);
unsigned live_threads(void);
/* A test after which there are as many of both as before. */
void add_guarded_test(const char *path, void (*test)(void));

#endif
