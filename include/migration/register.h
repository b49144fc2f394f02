/*
 * register.h - how a device tells its machine what migrates.
 *
 * Floor F3's public face for the lobby.  Machine lock held.  Registration order is stream order.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_MIGRATION_REGISTER_H
#define GODWIT_MIGRATION_REGISTER_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "migration/vmstate.h"
#include "util/error.h"

typedef struct Machine Machine;

#define VMSTATE_INSTANCE_ID_ANY (-1)

/*
 * Registers the state of opaque as section "PREFIX/vmsd->name" (prefix may be NULL). instance_id ANY
 * takes the next free number for that name. Fails on a duplicate or a name over 255 bytes.
 */
bool vmstate_register(Machine *m, const char *prefix, int instance_id, const VMStateDescription *vmsd,
                      void *opaque, Error **errp);
void vmstate_unregister(Machine *m, const VMStateDescription *vmsd, void *opaque);

struct SaveVM *savevm_new(Machine *m);
void savevm_free(struct SaveVM *savevm);

/* Calls fn for each registered section in stream order. */
typedef struct SaveStateInfo {
    const char *idstr;
    int instance_id;
    const VMStateDescription *vmsd;
    void *opaque;
} SaveStateInfo;
void savevm_foreach(Machine *m, void (*fn)(const SaveStateInfo *info, void *opaque), void *opaque);

/*
 * -dump-vmstate: every registered section's description, as a new JSON object: {"vmschkmachine": {"Name": machine},
 * section name: {"Name", "version_id", "minimum_version_id", "Description": {…}}}. Lock held.
 */
json_t *vmstate_describe_all(Machine *m);

/*
 * Digests (XXH3-128, 32 hex digits) of the whole state: each RAM block's bytes, each registered
 * section's bytes as they would stand in a stream. Machine stopped, lock held. The caller frees the
 * list with state_digests_free(); the last entry is named "total".
 */
typedef struct StateDigest {
    char *name;             /* "ram:riscv_virt_board.ram", "cpu/0", "serial/0", …, "total" */
    char hex[33];
    uint64_t bytes;
} StateDigest;
StateDigest *state_digest_all(Machine *m, unsigned *count, Error **errp);
void state_digests_free(StateDigest *digests, unsigned count);

#endif
