/*
 * fuzz-ram.c - libFuzzer target: RAM records from nowhere, every kind of page among them.
 *
 * The input is the payload of RAM sections, one behind the other, for a machine that has nothing but two blocks of
 * RAM, "a" of 16 pages and "b" of 2. A section arrives, or is refused with a reason; after a refusal nothing is under
 * way and the machine takes the rest of the input as a new stream. The seeds are records of each kind, zlib's and
 * zstd's pages made by the programs of that name.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <glib.h>
#include <stdio.h>
#include <string.h>

#include "migration/ram-internal.h"
#include "system/machine.h"
#include "tests/unit/ram-machine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Made once; what an input has left in RAM is the next one's beginning. */
static Machine *machine(void)
{
    static Machine *m;
    if (!m) {
        m = ram_machine_new(true);
        machine_lock(m);
        if (!ram_block_new(m, "a", 16 * TARGET_PAGE_SIZE, NULL) ||
            !ram_block_new(m, "b", 2 * TARGET_PAGE_SIZE, NULL)) {
            g_error("no RAM");
        }
        machine_unlock(m);
    }
    return m;
}

/* One stream; true: its sections were good up to the end of the input. */
static bool load(Machine *m, QEMUFile *f, size_t size)
{
    Error *err = NULL;
    bool ok = ram_load_setup(f, m->ram_migration, &err);
    while (ok && qemu_ftell(f) < size) {
        ok = ram_load_state(f, m->ram_migration, 4, &err);
    }
    ram_load_cleanup(m->ram_migration);
    if (ok != (err == NULL)) {
        g_error("loading RAM: result and error disagree");
    }
    if (g_getenv("FUZZ_SAY")) {
        fprintf(stderr, "# %s\n", err ? error_get_pretty(err) : "arrived");
    }
    error_free(err);
    return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Machine *m = machine();
    for (RAMBlock *block = ram_block_first(m); block; block = block->next) {
        memset(block->host, 0, block->used_length);
    }
    QEMUFile *f = qemu_file_new_from_buffer(data, size);
    while (!load(m, f, size) && !qemu_file_get_error(f) && qemu_ftell(f) < size) {
    }
    qemu_fclose(f, NULL);
    return 0;
}
