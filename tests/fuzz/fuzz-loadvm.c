/*
 * fuzz-loadvm.c - a whole stream from nowhere arrives at a machine that waits for one.
 *
 * The input is the stream, from "QEVM" on, for the machine of fuzz-machine.h (one with modern virtio slots if
 * the stream asks for that); what may follow its end is the source's word to go.  Loading says no with an
 * error, or yes; after a yes the machine must stand being run, its devices being read, saved and reset, and must
 * itself accept what it saves.  After either a reset makes it what it was.  The seeds are real streams: see
 * record-streams.  With FUZZ_SAY in the environment it tells what each load says.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "fuzz-keep.h"
#include "fuzz-mutate.h"

#include "migration/savevm.h"

typedef enum Outcome { REFUSED, ARRIVED, NEEDS_MODERN } Outcome;

static bool open_return_path(void *opaque, Error **errp)
{
    return true;
}

static bool answer_ping(void *opaque, uint32_t value, Error **errp)
{
    return true;
}

static const LoadVMOps ops = { .open_return_path = open_return_path, .ping = answer_ping };

static Outcome load(Machine *m, const FuzzBytes *in)
{
    Error *err = NULL;
    LoadVMResult result;
    QEMUFile *f = qemu_file_new_from_buffer(in->data, in->size);
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
    bool modern = err && strstr(error_get_pretty(err), "force-legacy=false");
    error_free(err);
    qemu_fclose(f, NULL);
    return ok ? ARRIVED : modern ? NEEDS_MODERN : REFUSED;
}

static Outcome arrive(FuzzKept *k, bool modern, const FuzzBytes *in)
{
    fuzz_keep_begin(k, 1, modern);
    machine_unlock(k->m);
    Outcome outcome = load(k->m, in);
    machine_lock(k->m);
    if (outcome == ARRIVED) {
        runstate_set(k->m, RUN_STATE_PAUSED, NULL);
        fuzz_machine_live(k->m);
    }
    fuzz_keep_end(k, outcome == ARRIVED ? NULL : in);
    return outcome;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static FuzzKept legacy, modern;
    const FuzzBytes in = { data, size, 0 };
    if (arrive(&legacy, false, &in) == NEEDS_MODERN) {
        arrive(&modern, true, &in);
    }
    return 0;
}
