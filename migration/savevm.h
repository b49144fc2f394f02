/*
 * savevm.h - the phases of saving and loading a machine's sections.
 *
 * Floor F3.  Below it vmstate and the stream.  Saving: the migration thread; loading: the incoming
 * thread.  Where a machine lock is needed the function says so.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_SAVEVM_H
#define MIGRATION_SAVEVM_H

#include "migration/qemu-file.h"
#include "migration/register.h"
#include "system/runstate.h"

/* Live state (RAM, disks): saved in rounds while the machine runs. All callbacks but the first are required. */
typedef struct SaveVMHandlers {
    /* False: this run goes without the section. Asked once, before save_setup. NULL: no stream is without. Lock held. */
    bool (*is_active)(void *opaque);
    /* Once, before the first round; the machine runs. Lock held. */
    bool (*save_setup)(QEMUFile *f, void *opaque, Error **errp);
    /* One bounded piece of work; *done when this round has nothing left. Lock not held. */
    bool (*save_live_iterate)(QEMUFile *f, void *opaque, bool *done, Error **errp);
    /* Bytes that are left; exact: look again (sync the bitmap), else what is known. Lock held only if the machine
       is stopped. */
    uint64_t (*state_pending)(void *opaque, bool exact);
    /* The rest, with the machine stopped. Lock held or machine quiescent. */
    bool (*save_live_complete)(QEMUFile *f, void *opaque, Error **errp);
    /* Frees what setup made, after success or failure. Once for each successful save_setup. Lock held. */
    void (*save_cleanup)(void *opaque);
    bool (*load_setup)(QEMUFile *f, void *opaque, Error **errp);
    /* One section's payload (START, PART or END). Lock not held. */
    bool (*load_state)(QEMUFile *f, void *opaque, int version_id, Error **errp);
    void (*load_cleanup)(void *opaque);
} SaveVMHandlers;

/* Registers a live section. Its place in the stream is before all device sections. Lock held. */
bool register_savevm_live(Machine *m, const char *idstr, int instance_id, int version_id,
                          const SaveVMHandlers *ops, void *opaque, Error **errp);
void unregister_savevm_live(Machine *m, const char *idstr, void *opaque);

/* What the sender decides before it starts; const during the run. */
typedef struct SaveVMOptions {
    bool handover;          /* say in the configuration that Godwit's handover is spoken */
    bool runs;              /* with handover: RAM may go out as runs of pages */
    bool return_path;       /* send OPEN_RETURN_PATH and a PING */
    bool validate_uuid;     /* send the machine's UUID, which the destination holds against its own */
    bool suppress_vmdesc;
} SaveVMOptions;

bool savevm_state_header(QEMUFile *f, Machine *m, const SaveVMOptions *options, Error **errp);
bool savevm_state_setup(QEMUFile *f, Machine *m, Error **errp);
/* One step over all live sections; *done when none has anything left in this round. */
bool savevm_state_iterate(QEMUFile *f, Machine *m, bool *done, Error **errp);
/* A section of RAM also where a round has nothing left: some bytes that mean nothing. */
bool savevm_state_idle(QEMUFile *f, Machine *m, Error **errp);
uint64_t savevm_state_pending(Machine *m, bool exact);
/* Live sections' rest, then every device. Machine stopped, lock held. */
bool savevm_state_complete(QEMUFile *f, Machine *m, const SaveVMOptions *options, Error **errp);
void savevm_state_cleanup(Machine *m);
/* Rehearsal: the bytes that the device sections would take now, and how long saving them took, ns. */
bool savevm_state_measure_devices(Machine *m, uint64_t *bytes, int64_t *ns, Error **errp);
/* What globalstate will say: the runstate before the machine was stopped for the move. Lock held. */
void global_state_store(Machine *m, RunState state);
/* A command on the stream. */
void savevm_send_command(QEMUFile *f, uint16_t command, const void *data, uint16_t len);
/* True, with the first device that refuses (unmigratable) named in *errp. Lock held. */
bool savevm_state_blocked(Machine *m, Error **errp);

/* What F5 does when a command arrives; both required. Incoming thread. */
typedef struct LoadVMOps {
    bool (*open_return_path)(void *opaque, Error **errp);
    bool (*ping)(void *opaque, uint32_t value, Error **errp);
} LoadVMOps;

/* What the stream said of itself. */
typedef struct LoadVMResult {
    bool handover;          /* the sender speaks Godwit's handover: a GO will follow */
    char runstate[100];     /* from globalstate; "" if there was none */
} LoadVMResult;

/*
 * Loads a whole stream up to EOF and the description. Device sections are loaded with the lock taken.
 * The error names section, device and field. The machine is in runstate inmigrate.
 */
bool loadvm_state(QEMUFile *f, Machine *m, const LoadVMOps *ops, void *opaque, LoadVMResult *result,
                  Error **errp);
/* Reads header and configuration only: does the stream begin as one for this machine does? Changes nothing. */
bool loadvm_check_header(QEMUFile *f, Machine *m, Error **errp);
/* Waits for GODWIT_GO. False: the channel ended or something else came. */
bool loadvm_wait_go(QEMUFile *f, Error **errp);

#endif
