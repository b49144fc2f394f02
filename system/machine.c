/*
 * machine.c - birth and death of a Machine, and its lock.
 *
 * Floor F1 (system); below it util/.
 * Threads and locks: a machine is made and freed on its main thread.  The lock is its main loop's.
 * Invariant: a vCPU thread that waits for the lock is marked as standing at a boundary, so that nobody
 * who holds the lock can wait for it in vain.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "system/machine.h"

#include "system/clock.h"
#include "system/cpu.h"
#include "system/memory.h"
#include "system/runstate.h"

/* ---- the lock ---- */

void machine_lock(Machine *m)
{
    CPUState *cpu = cpu_current();
    if (!cpu) {
        main_loop_lock(m->loop);
    } else if (!main_loop_trylock(m->loop)) {
        cpu_enter_blocked(cpu);
        main_loop_lock(m->loop);
        cpu_leave_blocked(cpu);
    }
}

void machine_unlock(Machine *m)
{
    main_loop_unlock(m->loop);
}

bool machine_locked(const Machine *m)
{
    return main_loop_locked(m->loop);
}

/* ---- the config ---- */

MachineConfig *machine_config_new(const MachineClass *klass)
{
    MachineConfig *config = g_new0(MachineConfig, 1);
    config->ram_size = klass->default_ram_size;
    config->cpus = 1;
    config->autostart = true;
    config->icount_sleep = true;
    config->rtc_base_ns = g_get_real_time() * 1000;
    config->rtc_host = true;
    return config;
}

void machine_config_free(MachineConfig *config)
{
    if (!config) {
        return;
    }
    char *texts[] = { config->name, config->memory_backend, config->cpu_model, config->firmware,
                      config->kernel, config->initrd, config->append, config->dtb, config->dumpdtb,
                      config->pflash[0], config->pflash[1] };
    for (unsigned i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_free(texts[i]);
    }
    g_free(config);
}

static bool machine_check_config(const MachineClass *klass, const MachineConfig *config, Error **errp)
{
    if (klass->max_cpus && (config->cpus < 1 || config->cpus > klass->max_cpus)) {
        error_setg(errp, "Machine '%s' takes 1 to %u CPUs, not %u", klass->name, klass->max_cpus,
                   config->cpus);
        return false;
    }
    if (config->ram_size % TARGET_PAGE_SIZE) {
        error_setg(errp, "RAM size %" G_GUINT64_FORMAT " is not a multiple of %u", config->ram_size,
                   TARGET_PAGE_SIZE);
        return false;
    }
    if (config->icount && config->icount_shift > 10) {
        error_setg(errp, "icount shift %u is out of range: 0 to 10", config->icount_shift);
        return false;
    }
    return true;
}

/* ---- life ---- */

static bool machine_build(Machine *m, Error **errp)
{
    const MachineClass *klass = m->klass;
    return machine_check_config(klass, m->config, errp) &&
           (!klass->layers || klass->layers->attach(m, errp)) &&
           (!klass->init || klass->init(m, errp));
}

Machine *machine_new(const MachineClass *klass, MachineConfig *config, Error **errp)
{
    Machine *m = g_new0(Machine, 1);
    m->klass = klass;
    m->config = config;
    m->loop = main_loop_new();
    m->clocks = clocks_new(m);
    m->memory = memory_new(m);
    m->vcpus = vcpus_new(m);
    m->runstate = runstate_new(m);
    machine_lock(m);
    bool ok = machine_build(m, errp);
    machine_unlock(m);
    if (!ok) {
        machine_free(m);
        return NULL;
    }
    return m;
}

bool machine_done(Machine *m, Error **errp)
{
    machine_lock(m);
    bool ok = !m->klass->done || m->klass->done(m, errp);
    if (ok && !vcpus_start_threads(m)) {
        error_setg(errp, "Cannot create the vCPU threads");
        ok = false;
    }
    if (ok) {
        system_reset(m, SHUTDOWN_CAUSE_NONE);
    }
    machine_unlock(m);
    return ok;
}

void machine_free(Machine *m)
{
    if (!m) {
        return;
    }
    machine_lock(m);
    /* The end is not a STOP that anybody should hear of. */
    machine_set_event_ops(m, NULL, NULL);
    vm_stop(m, RUN_STATE_SHUTDOWN);
    machine_unlock(m);
    vcpus_stop_threads(m);
    machine_lock(m);
    if (m->klass->layers && m->klass->layers->detach) {
        m->klass->layers->detach(m);
    }
    if (m->klass->finalize) {
        m->klass->finalize(m);
    }
    machine_unlock(m);
    /* Harts may own timers and regions may point into blocks: upper floors first. */
    vcpus_free(m->vcpus);
    runstate_free(m->runstate);
    clocks_free(m->clocks);
    memory_free(m->memory);
    main_loop_free(m->loop);
    machine_config_free(m->config);
    g_free(m->kernel_cmdline);
    g_free(m);
}
