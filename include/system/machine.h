/*
 * machine.h - the Machine: who owns what, and the one lock.
 *
 * Floor F1 (system).  A Machine owns its memory, clocks, vCPUs, runstate, devices and back ends; two
 * machines live in one process without knowing of each other.  Nothing here is global.
 *
 * The lock: machine_lock() guards all device and back-end state.  The main loop holds it in every
 * callback; a vCPU thread takes it for each device access and holds nothing while guest code runs.
 * RAM contents, dirty bitmaps and a hart's pending interrupts are atomic and need no lock.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_SYSTEM_MACHINE_H
#define GODWIT_SYSTEM_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

#include "util/error.h"
#include "util/main-loop.h"

typedef struct Machine Machine;
typedef struct MachineClass MachineClass;
typedef struct MachineConfig MachineConfig;

/*
 * What a machine has besides the parts of system/: devices, back ends, the SaveVM registry. Calls go
 * down, so the rooms above supply this table (hw/core/machine-layers.c) and a class names it. Lock held.
 */
typedef struct MachineLayerOps {
    /* Creates the parts, before klass->init(). On failure the caller runs detach(). */
    bool (*attach)(Machine *m, Error **errp);
    /* Resets every device; vCPUs are stopped and are reset afterwards. */
    void (*reset)(Machine *m);
    /* Frees what attach() made, in any state of completeness; the vCPU threads are gone by then. */
    void (*detach)(Machine *m);
} MachineLayerOps;

/* One per kind of machine ("virt", "none"). Immutable. */
struct MachineClass {
    const char *name;
    const char *desc;
    unsigned max_cpus;
    const char *default_cpu_type;   /* NULL: the machine has no CPU */
    const char *default_ram_id;     /* id of the main RAM block */
    uint64_t default_ram_size;      /* bytes */
    const MachineLayerOps *layers;  /* NULL: a bare machine (tests) */
    /*
     * Builds RAM, vCPUs and on-board devices. Called once, by machine_new(), lock held.
     * False with *errp set on failure; what was built is freed by machine_free(). May be NULL.
     */
    bool (*init)(Machine *m, Error **errp);
    /* Called when all -device options were realized: loads firmware, writes the device tree. May be NULL. */
    bool (*done)(Machine *m, Error **errp);
    void (*finalize)(Machine *m);   /* frees m->board; may be NULL */
};

/* What the command line decided; owned by the machine after machine_new(), freed with it. */
struct MachineConfig {
    char *name;                 /* -name guest=; NULL if not given */
    uint8_t uuid[16];
    bool uuid_set;
    uint64_t ram_size;          /* bytes, multiple of 4096 */
    struct UserObjects *objects;    /* -object (hw/user-object.h); borrowed, may be NULL */
    char *memory_backend;       /* id of a memory-backend object in there, or NULL */
    unsigned cpus;              /* harts present, 1 … max_cpus */
    char *cpu_model;            /* "rv64,zba=off"; NULL: default */
    char *firmware;             /* -bios; NULL: default */
    char *kernel, *initrd, *append, *dtb, *dumpdtb;
    char *pflash[2];            /* node names for the two banks or NULL */
    bool no_reboot, no_shutdown, autostart;
    bool icount;                /* deterministic mode */
    unsigned icount_shift;      /* virtual ns per instruction = 1 << shift */
    bool icount_sleep;          /* idle virtual time passes at host speed rather than at once */
    int64_t rtc_base_ns;        /* ns since the epoch at start */
    bool rtc_host;              /* the RTC follows the host's clock from there */
};

/* Opaque parts; each is defined by the room named behind it. */
struct Machine {
    const MachineClass *klass;
    MachineConfig *config;
    MainLoop *loop;
    struct Clocks *clocks;          /* system/clock.h */
    struct Memory *memory;          /* system/memory.h */
    struct VCPUs *vcpus;            /* system/cpu.h */
    struct RunStateSlot *runstate;  /* system/runstate.h */
    struct QdevTree *devices;       /* hw/qdev.h */
    struct SaveVM *savevm;          /* migration/register.h */
    struct RAMMigration *ram_migration; /* migration/ram.c */
    struct BlockMigration *block_migration; /* migration/block.c; NULL without a block layer */
    struct MigrationState *migration;   /* migration/migration.h */
    struct BlockLayer *block;       /* block/block.h */
    struct NetLayer *net;           /* net/net.h */
    struct CharLayer *chardevs;     /* chardev/char.h */
    struct UiLayer *ui;             /* ui/console.h */
    struct EventSink *events;       /* where QMP events go; may be NULL (monitor/) */
    struct Chardev *serial;         /* the first serial port's other end, set before machine_done() */
    struct FdSets *fdsets;          /* util/fdset.h: /dev/fdset/N; NULL if there are none */
    void *board;                    /* private to klass */
    char *kernel_cmdline;
};

/* The machine classes that this program has, NULL-terminated (hw/riscv/boards.c). */
const MachineClass *const *machine_classes(void);
/* Finds one by name; NULL if there is none. */
const MachineClass *machine_class_find(const char *name);

/* A config with every default filled in for klass. Free with machine_config_free() unless given away. */
MachineConfig *machine_config_new(const MachineClass *klass);
void machine_config_free(MachineConfig *config);

/*
 * Creates a machine in runstate prelaunch: layers, then klass->init(). Takes config in every case.
 * Main thread, lock not held. NULL with *errp set on failure.
 */
Machine *machine_new(const MachineClass *klass, MachineConfig *config, Error **errp);
/* After the last -device: klass->done(), then a reset. vCPU threads exist afterwards, stopped. */
bool machine_done(Machine *m, Error **errp);
/* Stops and joins the vCPU threads, frees everything. Lock not held. */
void machine_free(Machine *m);

/*
 * The machine lock; not recursive. A vCPU thread that waits for it counts as standing between two
 * instructions (cpu_enter_blocked() in system/cpu.h), so take it through these functions only.
 */
void machine_lock(Machine *m);
void machine_unlock(Machine *m);
bool machine_locked(const Machine *m);

#endif
