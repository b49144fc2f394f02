/*
 * board-fixture.h - a machine with harts and nothing else, for tests of one device.
 *
 * A test drives devices by physical address and looks at the harts' inputs; no guest code runs, and
 * virtual time moves when the test says so.  Main thread; fixture_new() returns with the lock held.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_TESTS_BOARD_FIXTURE_H
#define GODWIT_TESTS_BOARD_FIXTURE_H

#include <glib.h>
#include <string.h>
#include <unistd.h>

#include "hw/machine-layers.h"
#include "hw/qdev.h"
#include "hw/sysbus.h"
#include "migration/qemu-file.h"
#include "migration/register.h"
#include "system/clock.h"
#include "system/cpu.h"
#include "system/memory.h"
#include "system/runstate.h"
#include "target/riscv.h"
#include "target/riscv/hart.h"

#define FIXTURE_MAX_HARTS 4

/* What a hart sees at its interrupt inputs. */
static inline bool hart_irq(Machine *m, unsigned hart, unsigned irq)
{
    return hart_mip(hart_of(cpu_get(m, hart))) >> irq & 1;
}

static bool fixture_init(Machine *m, Error **errp)
{
    for (unsigned i = 0; i < m->config->cpus; i++) {
        if (!riscv_cpu_new(m, NULL, i, errp)) {
            return false;
        }
    }
    return true;
}

static const MachineClass fixture_class = {
    .name = "bare",
    .max_cpus = FIXTURE_MAX_HARTS,
    .default_ram_size = 4096,
    .layers = &machine_layers,
    .init = fixture_init,
};

/* A machine with that many harts and nothing else, locked. */
static inline Machine *fixture_new(unsigned harts)
{
    Error *err = NULL;
    MachineConfig *config = machine_config_new(&fixture_class);
    config->cpus = harts;
    config->rtc_base_ns = 1000000000ll * NANOSECONDS_PER_SECOND;
    config->rtc_host = false;
    Machine *m = machine_new(&fixture_class, config, &err);
    g_assert_nonnull(m);
    machine_lock(m);
    return m;
}

static inline void fixture_free(Machine *m)
{
    machine_unlock(m);
    machine_free(m);
}

/* RAM of size bytes at base. */
static inline RAMBlock *fixture_add_ram(Machine *m, MemoryRegion *region, uint64_t base,
                                        uint64_t size)
{
    RAMBlock *block = ram_block_new(m, "test.ram", size, NULL);
    g_assert_nonnull(block);
    *region = (MemoryRegion){ .name = "ram", .base = base, .size = size, .block = block };
    g_assert_true(memory_map_region(m, region, NULL));
    return block;
}

/* The machine's virtual clock, which stands still in these tests, moves to ns; due timers run. */
static inline void fixture_set_time(Machine *m, int64_t ns)
{
    clocks_set_virtual_ns(m->clocks, ns);
    clocks_run_timers(m->clocks, QEMU_CLOCK_VIRTUAL);
}

/* A wire that remembers its level. */
static inline void probe_handler(void *opaque, int n, bool level)
{
    *(bool *)opaque = level;
}

static inline IRQLine probe(bool *level)
{
    return (IRQLine){ .handler = probe_handler, .opaque = level };
}

/* ---- the guest's view ---- */

static inline uint64_t bus_read(Machine *m, uint64_t addr, unsigned size)
{
    uint64_t value = 0;
    g_assert_cmpint(address_space_ldst(m, addr, &value, size, false), ==, MEMTX_OK);
    return value;
}

static inline void bus_write(Machine *m, uint64_t addr, unsigned size, uint64_t value)
{
    g_assert_cmpint(address_space_ldst(m, addr, &value, size, true), ==, MEMTX_OK);
}

static inline bool bus_faults(Machine *m, uint64_t addr, unsigned size)
{
    uint64_t value = 0;
    return address_space_ldst(m, addr, &value, size, false) != MEMTX_OK;
}

/* ---- what migrates ---- */

typedef struct SectionSearch {
    const char *idstr;
    int instance_id;
    SaveStateInfo found;
} SectionSearch;

static void section_match(const SaveStateInfo *info, void *opaque)
{
    SectionSearch *s = opaque;
    if (strcmp(info->idstr, s->idstr) == 0 && info->instance_id == s->instance_id) {
        s->found = *info;
    }
}

static inline SaveStateInfo section_find(Machine *m, const char *idstr, int instance_id)
{
    SectionSearch s = { .idstr = idstr, .instance_id = instance_id };
    savevm_foreach(m, section_match, &s);
    g_assert_nonnull(s.found.vmsd);
    return s.found;
}

/* The bytes of a section; the caller frees them. */
static inline uint8_t *section_save(Machine *m, const char *idstr, size_t *len)
{
    SaveStateInfo info = section_find(m, idstr, 0);
    QEMUFile *f = qemu_file_new_memory();
    g_assert_true(vmstate_save_state(f, info.vmsd, info.opaque, NULL));
    uint8_t *bytes = qemu_file_take_buffer(f, len);
    qemu_fclose(f, NULL);
    return bytes;
}

static inline bool section_load(Machine *m, const char *idstr, const uint8_t *bytes, size_t len,
                                Error **errp)
{
    SaveStateInfo info = section_find(m, idstr, 0);
    QEMUFile *f = qemu_file_new_from_buffer(bytes, len);
    bool ok = vmstate_load_state(f, info.vmsd, info.opaque, info.vmsd->version_id, errp);
    qemu_fclose(f, NULL);
    return ok;
}

/* A hexadecimal text, spaces ignored, as bytes; the caller frees them. */
static inline uint8_t *unhex(const char *text, size_t *len)
{
    GByteArray *out = g_byte_array_new();
    for (; *text; text++) {
        if (*text != ' ') {
            uint8_t byte = g_ascii_xdigit_value(text[0]) << 4 | g_ascii_xdigit_value(text[1]);
            g_byte_array_append(out, &byte, 1);
            text++;
        }
    }
    *len = out->len;
    return g_byte_array_free(out, FALSE);
}

static inline void assert_error(Error *err, const char *part)
{
    g_assert_nonnull(err);
    if (!strstr(error_get_pretty(err), part)) {
        g_error("expected '%s' in '%s'", part, error_get_pretty(err));
    }
    error_free(err);
}

#endif
