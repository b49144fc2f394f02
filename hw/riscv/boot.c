/*
 * boot.c - what runs first: firmware, kernel, initrd, device tree, and the reset vector in the boot ROM.
 *
 * Lobby (hw/riscv), over hw/loader.h.  Machine lock held, before the guest has run.
 *
 * Boot ROM at 0x1000:
 *   0x00  six instructions: a0 = hart id, a1 = device tree, a2 = the structure at 0x28, jump
 *   0x18  le64 start address
 *   0x20  le64 address of the device tree
 *   0x28  OpenSBI's "dynamic information" (docs/firmware/fw_dynamic): le64 magic, version 2, next
 *         address, next mode (1: supervisor), options, boot hart
 *
 * Places: firmware at the start of RAM; kernel behind it on a 2 MiB boundary (at the start of RAM
 * without firmware); initrd 128 MiB behind the kernel's start, or half of RAM if that is less; device
 * tree on the last 2 MiB boundary that leaves it 1 MiB below the end of RAM, or below 3 GiB.
 * Invariant: nothing overlaps, which rom.c checks for every blob.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <endian.h>
#include <glib.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "config-host.h"
#include "hw/fw-cfg.h"
#include "hw/loader.h"
#include "hw/pflash.h"
#include "system/runstate.h"
#include "trace/hw-riscv.h"
#include "virt.h"

#define KERNEL_ALIGN (2 * MiB)
#define FDT_ALIGN (2 * MiB)
#define FDT_LIMIT (3 * GiB)         /* 32-bit firmware reaches it there */
#define INITRD_DISTANCE (128 * MiB)
#define FW_DYNAMIC_MAGIC 0x4942534f
#define FW_DYNAMIC_VERSION 2
#define FW_DYNAMIC_S_MODE 1
#define RESET_START 0x18
#define RESET_FDT 0x20
#define RESET_FW_DYNAMIC 0x28

static uint64_t align_up(uint64_t v, uint64_t to)
{
    return (v + to - 1) / to * to;
}

static uint64_t ram_end(const Machine *m)
{
    return VIRT_DRAM + m->config->ram_size;
}

/* ---- firmware ---- */

/* The first OpenSBI found, or NULL; the caller frees it. */
static char *find_opensbi(void)
{
    static const char *const names[] = { "fw_dynamic.bin", "opensbi-riscv64-generic-fw_dynamic.bin" };
    const char *const dirs[] = {
        g_getenv("GODWIT_DATADIR"), GODWIT_DATADIR,
        "/usr/lib/riscv64-linux-gnu/opensbi/generic", "/usr/share/qemu",
    };
    for (unsigned d = 0; d < G_N_ELEMENTS(dirs); d++) {
        for (unsigned n = 0; dirs[d] && n < G_N_ELEMENTS(names); n++) {
            char *path = g_build_filename(dirs[d], names[n], NULL);
            if (access(path, R_OK) == 0) {
                return path;
            }
            g_free(path);
        }
    }
    return NULL;
}

/* -bios: *end is where free RAM begins afterwards. */
static bool load_firmware(Machine *m, uint64_t *end, Error **errp)
{
    VirtBoard *board = m->board;
    const char *bios = m->config->firmware;
    LoadedImage image;

    board->start = *end = VIRT_DRAM;
    if (bios && strcmp(bios, "none") == 0) {
        return true;
    }
    bool by_default = !bios || strcmp(bios, "default") == 0;
    g_autofree char *path = by_default ? find_opensbi() : g_strdup(bios);
    if (!path) {
        if (m->config->dumpdtb) {
            return true;
        }
        error_setg(errp, "no firmware found: OpenSBI's fw_dynamic.bin is in none of the usual places");
        error_append_hint(errp, "install the package opensbi, or use -bios FILE or -bios none");
        return false;
    }
    if (!load_image(m, path, VIRT_DRAM, m->config->ram_size, &image, errp)) {
        error_prepend(errp, "-bios: ");
        return false;
    }
    trace_virt_image("firmware", path, image.low, image.high);
    board->start = image.entry;
    *end = image.high;
    return true;
}

/* ---- kernel and initrd ---- */

static bool load_initrd(Machine *m, const LoadedImage *kernel, Error **errp)
{
    VirtBoard *board = m->board;
    const char *path = m->config->initrd;
    uint64_t base = MAX(kernel->low, VIRT_DRAM);
    uint64_t at = base + MIN(m->config->ram_size / 2, INITRD_DISTANCE);
    LoadedImage image;

    if (at < kernel->high) {
        at = align_up(kernel->high, KERNEL_ALIGN);      /* a kernel that reaches so far */
    }
    if (at >= ram_end(m)) {
        error_setg(errp, "-initrd: no RAM is left for '%s' behind the kernel, which ends at 0x%"
                   PRIx64, path, kernel->high);
        return false;
    }
    if (!load_raw(m, path, at, ram_end(m) - at, &image, errp)) {
        error_prepend(errp, "-initrd: ");
        return false;
    }
    trace_virt_image("initrd", path, image.low, image.high);
    board->initrd_start = image.low;
    board->initrd_end = image.high;
    return true;
}

/* -kernel: firmware goes on to it; without firmware the reset vector does. */
static bool load_kernel(Machine *m, uint64_t firmware_end, Error **errp)
{
    VirtBoard *board = m->board;
    const char *bios = m->config->firmware;
    uint64_t at = align_up(firmware_end, KERNEL_ALIGN);
    LoadedImage image;

    if (!m->config->kernel) {
        return true;
    }
    if (at >= ram_end(m)) {
        error_setg(errp, "-kernel: no RAM is left behind the firmware, which ends at 0x%" PRIx64,
                   firmware_end);
        return false;
    }
    if (!load_image(m, m->config->kernel, at, ram_end(m) - at, &image, errp)) {
        error_prepend(errp, "-kernel: ");
        return false;
    }
    trace_virt_image("kernel", m->config->kernel, image.low, image.high);
    board->next = image.entry;
    if (bios && strcmp(bios, "none") == 0) {
        board->start = image.entry;
    }
    return !m->config->initrd || load_initrd(m, &image, errp);
}

/* ---- what firmware in flash reads through fw_cfg ---- */

static bool file_to_fw_cfg(Machine *m, const char *path, uint16_t size_key, uint16_t data_key,
                           Error **errp)
{
    VirtBoard *board = m->board;
    ImageSource *src = path ? image_source_open(path, errp) : NULL;
    if (!src) {
        return !path;
    }
    bool ok = src->size <= m->config->ram_size && src->size <= UINT32_MAX;
    if (!ok) {
        error_setg(errp, "'%s' has %" PRIu64 " bytes, more than the guest has RAM", path, src->size);
    } else {
        g_autofree uint8_t *data = g_malloc(src->size + 1);
        ok = image_source_read(src, 0, data, src->size, errp);
        if (ok) {
            fw_cfg_add_i32(board->fw_cfg, size_key, src->size);
            fw_cfg_add_bytes(board->fw_cfg, data_key, data, src->size);
        }
    }
    image_source_free(src);
    return ok;
}

static bool describe_for_flash_firmware(Machine *m, Error **errp)
{
    VirtBoard *board = m->board;
    const char *append = m->config->append;
    if (append) {
        fw_cfg_add_i32(board->fw_cfg, FW_CFG_CMDLINE_SIZE, strlen(append) + 1);
        fw_cfg_add_bytes(board->fw_cfg, FW_CFG_CMDLINE_DATA, append, strlen(append) + 1);
    }
    return file_to_fw_cfg(m, m->config->kernel, FW_CFG_KERNEL_SIZE, FW_CFG_KERNEL_DATA, errp) &&
           file_to_fw_cfg(m, m->config->initrd, FW_CFG_INITRD_SIZE, FW_CFG_INITRD_DATA, errp);
}

/* An image in bank 0 is what runs first; one in bank 1 is where firmware goes on. */
static bool start_from_flash(Machine *m, Error **errp)
{
    VirtBoard *board = m->board;
    if (!board->next && pflash_has_drive(board->flash[1])) {
        board->next = VIRT_FLASH + VIRT_FLASH_SIZE;
    }
    if (!pflash_has_drive(board->flash[0])) {
        return true;
    }
    board->start = VIRT_FLASH;
    return describe_for_flash_firmware(m, errp);
}

/* ---- device tree and reset vector ---- */

/* Every reset gives the guest a new random seed. */
static void renew_seed(void *opaque)
{
    Machine *m = opaque;
    VirtBoard *board = m->board;
    if (board->fdt_seed_offset >= 0) {
        virt_fdt_seed(m, board->fdt + board->fdt_seed_offset);
        rom_update(m, board->fdt_addr, board->fdt, board->fdt_size);
    }
}

static bool place_fdt(Machine *m, Error **errp)
{
    VirtBoard *board = m->board;
    uint64_t end = MIN(ram_end(m), FDT_LIMIT);

    board->fdt = virt_fdt_create(m, errp);
    if (!board->fdt) {
        return false;
    }
    if (m->config->ram_size < 2 * VIRT_FDT_MAX_SIZE) {
        error_setg(errp, "%" PRIu64 " bytes of RAM have no room for the device tree; 2 MiB are needed",
                   m->config->ram_size);
        return false;
    }
    board->fdt_addr = (end - VIRT_FDT_MAX_SIZE) / FDT_ALIGN * FDT_ALIGN;
    return rom_add_bytes(m, "fdt", board->fdt_addr, board->fdt, board->fdt_size, errp);
}

static void put_le32(uint8_t *p, uint32_t v)
{
    v = htole32(v);
    memcpy(p, &v, sizeof(v));
}

static void put_le64(uint8_t *p, uint64_t v)
{
    v = htole64(v);
    memcpy(p, &v, sizeof(v));
}

static bool write_reset_vector(Machine *m, Error **errp)
{
    static const uint32_t code[] = {
        0x00000297,     /* auipc t0, 0 */
        0x02828613,     /* addi  a2, t0, 0x28 */
        0xf1402573,     /* csrr  a0, mhartid */
        0x0202b583,     /* ld    a1, 0x20(t0) */
        0x0182b283,     /* ld    t0, 0x18(t0) */
        0x00028067,     /* jr    t0 */
    };
    const VirtBoard *board = m->board;
    const uint64_t fw_dynamic[] = {
        FW_DYNAMIC_MAGIC, FW_DYNAMIC_VERSION, board->next, FW_DYNAMIC_S_MODE, 0, 0,
    };
    uint8_t rom[RESET_FW_DYNAMIC + sizeof(fw_dynamic)];

    for (unsigned i = 0; i < G_N_ELEMENTS(code); i++) {
        put_le32(rom + 4 * i, code[i]);
    }
    put_le64(rom + RESET_START, board->start);
    put_le64(rom + RESET_FDT, board->fdt_addr);
    for (unsigned i = 0; i < G_N_ELEMENTS(fw_dynamic); i++) {
        put_le64(rom + RESET_FW_DYNAMIC + 8 * i, fw_dynamic[i]);
    }
    trace_virt_boot(board->start, board->fdt_addr, board->next);
    return rom_add_bytes(m, "mrom.reset", VIRT_MROM, rom, RESET_FW_DYNAMIC, errp) &&
           rom_add_bytes(m, "mrom.finfo", VIRT_MROM + RESET_FW_DYNAMIC, rom + RESET_FW_DYNAMIC,
                         sizeof(fw_dynamic), errp);
}

bool virt_boot(Machine *m, Error **errp)
{
    VirtBoard *board = m->board;
    uint64_t firmware_end;

    if (!load_firmware(m, &firmware_end, errp) || !load_kernel(m, firmware_end, errp) ||
        !start_from_flash(m, errp) || !place_fdt(m, errp)) {
        return false;
    }
    if (m->config->dumpdtb && !virt_fdt_dump(board, board->fdt, m->config->dumpdtb, errp)) {
        return false;
    }
    system_register_reset(m, renew_seed, m);
    return write_reset_vector(m, errp);
}
