/*
 * virt.c - the board: puts RAM, harts and devices where QEMU's riscv64 `virt` has them, and wires them.
 *
 * Lobby (hw/riscv), over the devices' public headers.  Machine lock held.
 * Invariant: RAM blocks, and devices with something to migrate, are made in the order in which the
 * peer's stream has them; instance numbers follow from it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "virt.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "block/block.h"
#include "hw/fw-cfg.h"
#include "hw/gpex.h"
#include "hw/intc.h"
#include "hw/machine-layers.h"
#include "hw/pflash.h"
#include "hw/serial.h"
#include "hw/sysbus.h"
#include "hw/user-object.h"
#include "hw/virtio.h"
#include "migration/register.h"
#include "target/riscv.h"
#include "util/keyval.h"

/* ---- memory ---- */

/* The RAM of -machine memory-backend=ID: anonymous, a memfd or a file, private or shared. */
static RAMBlock *backend_ram(Machine *m, const UserObject *backend, uint64_t size, Error **errp)
{
    bool share = strcmp(backend->type, "memory-backend-memfd") == 0;
    const char *path = NULL;
    int fd;

    if (!keyval_get_bool(backend->options, "share", &share, errp) ||
        !keyval_get_str(backend->options, "mem-path", &path, errp)) {
        return NULL;
    }
    if (strcmp(backend->type, "memory-backend-file") == 0) {
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    } else if (share || strcmp(backend->type, "memory-backend-memfd") == 0) {
        fd = memfd_create("guest-ram", MFD_CLOEXEC);
    } else {
        return ram_block_new(m, m->klass->default_ram_id, size, errp);
    }
    if (fd < 0 || ftruncate(fd, size) < 0) {
        error_setg_errno(errp, errno, "memory backend '%s': cannot make %s of %" PRIu64 " bytes",
                         backend->id, path ? path : "a memory file", size);
        if (fd >= 0) {
            close(fd);
        }
        return NULL;
    }
    return ram_block_new_from_fd(m, m->klass->default_ram_id, size, fd, share, errp);
}

/* The same, taken from the host at once if prealloc=on says so. */
static RAMBlock *backend_ram_ready(Machine *m, const UserObject *backend, uint64_t size, Error **errp)
{
    bool prealloc = false;
    RAMBlock *block = keyval_get_bool(backend->options, "prealloc", &prealloc, errp)
                    ? backend_ram(m, backend, size, errp) : NULL;
    /* A kernel older than 5.14 does not know it: then pages come as they are touched. */
    if (block && prealloc && madvise(block->host, size, MADV_POPULATE_WRITE) < 0 && errno != EINVAL) {
        error_setg_errno(errp, errno, "memory backend '%s': cannot take %" PRIu64 " bytes from the host",
                         backend->id, size);
        return NULL;    /* the block stays the machine's, which frees it */
    }
    return block;
}

static RAMBlock *main_ram(Machine *m, Error **errp)
{
    const MachineConfig *config = m->config;
    const UserObject *backend = NULL;

    if (config->memory_backend && config->objects) {
        backend = user_object_find(config->objects, config->memory_backend, NULL);
    }
    if (config->memory_backend && !backend) {
        error_setg(errp, "there is no memory backend '%s'", config->memory_backend);
        return NULL;
    }
    if (!backend) {
        return ram_block_new(m, m->klass->default_ram_id, config->ram_size, errp);
    }
    RAMBlock *block = backend_ram_ready(m, backend, config->ram_size, errp);
    if (block) {
        user_object_ref(backend);
    }
    return block;
}

static bool map_block(Machine *m, MemoryRegion *region, RAMBlock *block, hwaddr base, bool readonly,
                      Error **errp)
{
    *region = (MemoryRegion){
        .name = block->idstr, .base = base, .size = block->used_length, .block = block,
        .readonly = readonly,
    };
    return memory_map_region(m, region, errp);
}

static bool create_memory(Machine *m, RAMBlock *flash[2], Error **errp)
{
    VirtBoard *board = m->board;
    RAMBlock *ram = main_ram(m, errp), *mrom;

    if (!ram || !map_block(m, &board->ram, ram, VIRT_DRAM, false, errp)) {
        return false;
    }
    flash[0] = ram_block_new(m, "virt.flash0", VIRT_FLASH_SIZE, errp);
    flash[1] = flash[0] ? ram_block_new(m, "virt.flash1", VIRT_FLASH_SIZE, errp) : NULL;
    mrom = flash[1] ? ram_block_new(m, "riscv_virt_board.mrom", VIRT_MROM_SIZE, errp) : NULL;
    if (!mrom || !map_block(m, &board->mrom, mrom, VIRT_MROM, true, errp)) {
        return false;
    }
    /* The high PCIe window is as big as it is aligned, and lies above RAM. */
    board->high_mmio = (VIRT_DRAM + ram->used_length + VIRT_HIGH_MMIO_SIZE - 1) /
                       VIRT_HIGH_MMIO_SIZE * VIRT_HIGH_MMIO_SIZE;
    return true;
}

/* ---- harts and devices ---- */

static bool create_harts(Machine *m, Error **errp)
{
    for (unsigned i = 0; i < m->config->cpus; i++) {
        CPUState *cpu = riscv_cpu_new(m, m->config->cpu_model, i, errp);
        if (!cpu) {
            return false;
        }
        riscv_cpu_set_reset_vector(cpu, VIRT_MROM);
    }
    return true;
}

/* An ACLINT part: both need to know how many harts there are. */
static bool create_aclint(Machine *m, const char *type, hwaddr base, Error **errp)
{
    DeviceState *dev = sysbus_new(m, type, base, (IRQLine){ NULL }, errp);
    if (!dev) {
        return false;
    }
    json_t *harts = json_integer(m->config->cpus);
    bool ok = qdev_set_prop(dev, "num-harts", harts, errp);
    json_decref(harts);
    return ok && qdev_realize(dev, errp);
}

static bool create_interrupt_controllers(Machine *m, Error **errp)
{
    VirtBoard *board = m->board;
    IRQLine none = { NULL };
    if (!create_aclint(m, TYPE_ACLINT_SWI, VIRT_CLINT, errp) ||
        !create_aclint(m, TYPE_ACLINT_MTIMER, VIRT_CLINT + ACLINT_SWI_SIZE, errp)) {
        return false;
    }
    board->plic = sysbus_create(m, TYPE_SIFIVE_PLIC, VIRT_PLIC, none, errp);
    return board->plic;
}

static bool create_virtio_slots(Machine *m, Error **errp)
{
    VirtBoard *board = m->board;
    for (unsigned i = 0; i < VIRT_VIRTIO_COUNT; i++) {
        if (!virtio_mmio_create(m, i, VIRT_VIRTIO + i * VIRT_VIRTIO_STEP,
                                sifive_plic_source(board->plic, VIRT_IRQ_VIRTIO + i), errp)) {
            return false;
        }
    }
    return true;
}

static bool create_devices(Machine *m, RAMBlock *flash[2], Error **errp)
{
    VirtBoard *board = m->board;
    IRQLine none = { NULL };
    const GpexLayout pcie = {
        .ecam = VIRT_PCIE_ECAM, .pio = VIRT_PCIE_PIO,
        .mmio = VIRT_PCIE_MMIO, .mmio_size = VIRT_PCIE_MMIO_SIZE,
        .high_mmio = board->high_mmio, .high_mmio_size = VIRT_HIGH_MMIO_SIZE,
    };

    if (!sysbus_create(m, "riscv.sifive.test", VIRT_TEST, none, errp) ||
        !create_virtio_slots(m, errp) || !gpex_create(m, &pcie, errp) ||
        !sysbus_create(m, TYPE_SERIAL_MM, VIRT_UART,
                       sifive_plic_source(board->plic, VIRT_IRQ_UART), errp) ||
        !sysbus_create(m, "goldfish_rtc", VIRT_RTC, sifive_plic_source(board->plic, VIRT_IRQ_RTC),
                       errp)) {
        return false;
    }
    for (unsigned i = 0; i < 2; i++) {
        board->flash[i] = pflash_create(m, VIRT_FLASH + i * VIRT_FLASH_SIZE, flash[i], errp);
        if (!board->flash[i]) {
            return false;
        }
    }
    return true;
}

static bool virt_init(Machine *m, Error **errp)
{
    RAMBlock *flash[2];
    m->board = g_new0(VirtBoard, 1);
    return create_memory(m, flash, errp) && create_harts(m, errp) &&
           create_interrupt_controllers(m, errp) && create_devices(m, flash, errp);
}

/* ---- when the user's devices are there ---- */

/* -machine pflashN=NODE, or -drive if=pflash,unit=N, which is known by the id pflashN. */
static bool attach_flash(Machine *m, Error **errp)
{
    static const char *const drive_ids[] = { "pflash0", "pflash1" };
    VirtBoard *board = m->board;
    for (unsigned i = 0; i < 2; i++) {
        const char *drive = m->config->pflash[i];
        if (!drive && blk_find(m, drive_ids[i])) {
            drive = drive_ids[i];
        }
        if (drive && !pflash_attach_drive(board->flash[i], drive, errp)) {
            error_prepend(errp, "flash bank %u: ", i);
            return false;
        }
    }
    return true;
}

/* fw_cfg comes last in a stream, behind the devices of -device. */
static bool create_fw_cfg(Machine *m, Error **errp)
{
    VirtBoard *board = m->board;
    static const uint8_t wait_forever[4] = { 0xff, 0xff, 0xff, 0xff };

    board->fw_cfg = sysbus_create(m, TYPE_FW_CFG, VIRT_FW_CFG, (IRQLine){ NULL }, errp);
    if (!board->fw_cfg) {
        return false;
    }
    fw_cfg_add_i16(board->fw_cfg, FW_CFG_NB_CPUS, m->config->cpus);
    if (m->config->uuid_set) {
        fw_cfg_add_bytes(board->fw_cfg, FW_CFG_UUID, m->config->uuid, sizeof(m->config->uuid));
    }
    return fw_cfg_add_file(board->fw_cfg, "bios-geometry", NULL, 0, errp) &&
           fw_cfg_add_file(board->fw_cfg, "bootorder", NULL, 0, errp) &&
           fw_cfg_add_file(board->fw_cfg, "etc/boot-fail-wait", wait_forever, 4, errp);
}

static bool virt_done(Machine *m, Error **errp)
{
    if (m->serial && !serial_connect(m, 0, m->serial, errp)) {
        return false;
    }
    return attach_flash(m, errp) && create_fw_cfg(m, errp) && virt_boot(m, errp);
}

static void virt_finalize(Machine *m)
{
    VirtBoard *board = m->board;
    if (board) {
        g_free(board->fdt);
        g_free(board);
        m->board = NULL;
    }
}

const MachineClass virt_machine_class = {
    .name = "virt",
    .desc = "RISC-V VirtIO board",
    .max_cpus = VIRT_MAX_CPUS,
    .default_cpu_type = "rv64",
    .default_ram_id = "riscv_virt_board.ram",
    .default_ram_size = 128 * MiB,
    .layers = &machine_layers,
    .init = virt_init,
    .done = virt_done,
    .finalize = virt_finalize,
};
