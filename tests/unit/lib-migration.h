/*
 * lib-migration.h - two small machines in one process, a wire between them that can be cut, and who has what.
 *
 * A Host is a machine without harts, with RAM, one device, disk images and a main loop on a thread of its own.
 * Its images are a flag; a pair of hosts that both have them is a failed test at that moment.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_TESTS_LIB_MIGRATION_H
#define GODWIT_TESTS_LIB_MIGRATION_H

#include <glib.h>

#include "migration/migration.h"
#include "system/machine.h"
#include "system/runstate.h"

#define HOST_PAGES 6u

typedef struct Host {
    Machine *m;
    GThread *loop;
    uint32_t reg;               /* the device: what must arrive */
    bool refuse_load;           /* its post_load fails */
    bool refuse_images;         /* the images cannot be taken */
    bool refuse_save;           /* its pre_save fails, from the second time on: the first is the rehearsal */
    unsigned saves;
    GString *log;               /* status changes, "setup active …"; host_lock */
} Host;

/* running: its machine runs; else it waits for one to arrive. */
Host *host_new(bool running);
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

/* A wire between two sockets; forward is what goes from first to second. */
typedef struct Wire Wire;
/* Both directions are cut for good after that many bytes in one of them; UINT64_MAX: never. */
Wire *wire_new(uint64_t cut_forward, uint64_t cut_backward);
/* The two ends, which the caller gives away. */
int wire_first(Wire *w);
int wire_second(Wire *w);
/* Waits for its end; the bytes that went through. Both hosts have closed their ends, or it was cut. */
void wire_end(Wire *w, uint64_t *forward, uint64_t *backward);

/* Open descriptors of this process. */
unsigned open_descriptors(void);

#endif
