/*
 * fuzz-loadvm.c - a whole stream from nowhere arrives at a machine that waits for one.
 *
 * The input is the stream, from "QEVM" on, for the machine of fuzz-machine.h; what may follow its end is the
 * source's word to go.  Loading says no with an error, or yes; after a yes the machine must stand being run, its
 * devices being read, saved and reset, and must itself accept what it saves.  The seeds are real streams: see
 * record-streams.  With FUZZ_SAY in the environment it tells what each load says.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "fuzz-sections.h"

#include "migration/migration.h"
#include "migration/savevm.h"

static bool open_return_path(void *opaque, Error **errp)
{
    return true;
}

static bool answer_ping(void *opaque, uint32_t value, Error **errp)
{
    return true;
}

static const LoadVMOps ops = { .open_return_path = open_return_path, .ping = answer_ping };

static bool load(Machine *m, const uint8_t *data, size_t size)
{
    Error *err = NULL;
    LoadVMResult result;
    QEMUFile *f = qemu_file_new_from_buffer(data, size);
    bool ok = loadvm_state(f, m, &ops, NULL, &result, &err);
    if (ok != (err == NULL)) {
        g_error("loading a stream: result and error disagree");
    }
    if (ok && result.handover) {
        bool go = loadvm_wait_go(f, &err);
        if (go != (err == NULL)) {
            g_error("waiting for the word: result and error disagree");
        }
    }
    if (g_getenv("FUZZ_SAY")) {
        fprintf(stderr, "# %s\n", err ? error_get_pretty(err) : "arrived");
    }
    error_free(err);
    qemu_fclose(f, NULL);
    return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Machine *m = fuzz_machine_new(1, false);
    if (!migration_incoming_prepare(migration_of(m), NULL)) {
        g_error("the machine does not wait");
    }
    machine_unlock(m);
    bool ok = load(m, data, size);
    machine_lock(m);
    if (ok) {
        runstate_set(m, RUN_STATE_PAUSED, NULL);
        fuzz_machine_live(m);
    }
    /* As a second try after a failed one does, and a guest that resets. */
    system_reset(m, SHUTDOWN_CAUSE_NONE);
    fuzz_machine_free(m);
    return 0;
}
