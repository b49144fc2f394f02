/*
 * fuzz-machine.h - a small virt machine with its devices, for fuzz targets: made, reset, never started.
 *
 * Main thread; fuzz_machine_new() returns with the lock held.  Nothing in it asks the host's clock.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_TESTS_FUZZ_MACHINE_H
#define GODWIT_TESTS_FUZZ_MACHINE_H

#include <sys/mman.h>

#include "block/block.h"
#include "chardev/char.h"
#include "tests/unit/virt-fixture.h"
#include "util/keyval.h"

#define FUZZ_RAM 0x80000000ull
#define FUZZ_RAM_SIZE (4ull << 20)

/* An input that is read bit by bit; zeroes follow its end. */
typedef struct FuzzBytes {
    const uint8_t *data;
    size_t size, at;
} FuzzBytes;

static inline uint64_t fuzz_take(FuzzBytes *in, unsigned bytes)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < bytes && in->at < in->size; i++) {
        v |= (uint64_t)in->data[in->at++] << (8 * i);
    }
    return v;
}

static inline bool fuzz_more(const FuzzBytes *in)
{
    return in->at < in->size;
}

/* A file with these bytes; the descriptor is the caller's to close. */
static inline char *fuzz_file(const void *bytes, size_t size, int *fd)
{
    *fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (*fd < 0 || write(*fd, bytes, size) != (ssize_t)size) {
        g_error("no memory file");
    }
    return g_strdup_printf("/proc/self/fd/%d", *fd);
}

static inline void fuzz_add_device(Machine *m, const char *text)
{
    Error *err = NULL;
    json_t *options = keyval_parse(text, "driver", &err);
    if (!options || !qdev_device_add(m, options, &err)) {
        g_error("%s: %s", text, error_get_pretty(err));
    }
    json_decref(options);
}

/* A display has modern slots only, of which the state is bigger than that of all the rest. */
static inline void fuzz_add_devices(Machine *m, bool display)
{
    json_t *node = json_pack("{s:s, s:s, s:i, s:b}", "driver", "null-co", "node-name", "n0", "size",
                             1 << 20, "read-zeroes", 1);
    json_t *chr = json_pack("{s:s, s:s}", "backend", "null", "id", "c0");
    if (!block_node_new(m, node, NULL) || !chardev_new(m, chr, NULL)) {
        g_error("no back ends");
    }
    json_decref(node);
    json_decref(chr);
    fuzz_add_device(m, "virtio-blk-device,drive=n0");
    fuzz_add_device(m, "virtio-net-device");
    fuzz_add_device(m, "virtio-rng-device");
    fuzz_add_device(m, "virtio-balloon-device");
    if (display) {
        fuzz_add_device(m, "virtio-gpu-device,bus=virtio-mmio-bus.3");
    }
    fuzz_add_device(m, "virtio-serial-device,bus=virtio-mmio-bus.2");
    fuzz_add_device(m, "virtconsole,chardev=c0");
}

/* modern: the virtio slots follow version 1 of the specification, and one has a display. */
static inline Machine *fuzz_machine_new(unsigned harts, bool modern)
{
    Error *err = NULL;
    MachineConfig *config = virt_config();
    config->ram_size = FUZZ_RAM_SIZE;
    config->cpus = harts;
    Machine *m = machine_new(machine_class_find("virt"), config, &err);
    if (!m) {
        g_error("%s", error_get_pretty(err));
    }
    machine_lock(m);
    if (modern) {
        qdev_add_global(m, "virtio-mmio", "force-legacy", json_false(), NULL);
    }
    fuzz_add_devices(m, modern);
    machine_unlock(m);
    if (!machine_done(m, &err)) {
        g_error("%s", error_get_pretty(err));
    }
    machine_lock(m);
    return m;
}

/* ---- running the hart on this thread ---- */

#define FUZZ_KICK_US 1000
#define FUZZ_STAYS 2

static GMutex fuzz_kick_lock;
static CPUState *fuzz_kicked;

/* For ever: code that only traps retires nothing, and no budget ends it. */
static inline gpointer fuzz_kicker_thread(gpointer opaque)
{
    for (;;) {
        g_usleep(FUZZ_KICK_US);
        g_mutex_lock(&fuzz_kick_lock);
        if (fuzz_kicked) {
            atomic_store(&fuzz_kicked->exit_request, 1);
        }
        g_mutex_unlock(&fuzz_kick_lock);
    }
    return NULL;
}

static inline void fuzz_set_kicked(CPUState *cpu)
{
    g_mutex_lock(&fuzz_kick_lock);
    fuzz_kicked = cpu;
    g_mutex_unlock(&fuzz_kick_lock);
}

/* Runs hart 0 for that many instructions at most, outside the lock, which the caller holds. */
static inline void fuzz_machine_exec(Machine *m, uint64_t budget)
{
    static gsize once;
    CPUState *cpu = cpu_get(m, 0);
    if (g_once_init_enter(&once)) {
        g_thread_unref(g_thread_new("kicker", fuzz_kicker_thread, NULL));
        g_once_init_leave(&once, 1);
    }
    machine_unlock(m);
    fuzz_set_kicked(cpu);
    for (unsigned stays = 0; budget > 0 && stays < FUZZ_STAYS; stays++) {
        if (cpu->ops->exec(cpu, &budget) == CPU_EXIT_HALTED) {
            break;
        }
        atomic_store(&cpu->exit_request, 0);
    }
    fuzz_set_kicked(NULL);
    main_loop_iterate(m->loop, false);
    machine_lock(m);
}

/* Serves what the devices have put off, and lets go. */
static inline void fuzz_machine_free(Machine *m)
{
    machine_unlock(m);
    while (main_loop_iterate(m->loop, false)) {
    }
    machine_free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
