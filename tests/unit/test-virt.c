/*
 * test-virt.c - the board: its map, RAM blocks and sections in the peer's order, what boots where.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "virt-fixture.h"

#include <elf.h>
#include <glib/gstdio.h>
#include <inttypes.h>

#include "block/block.h"

#define ROM_START 0x1018
#define ROM_FDT 0x1020
#define ROM_MAGIC 0x1028
#define ROM_NEXT 0x1038

static char *kernel, *initrd;       /* 10 000 bytes each */

/* ---- the map ---- */

static void test_map(void)
{
    static const struct {
        uint64_t first, last;
        const char *name;
    } map[] = {
        { 0x1000, 0xffff, "riscv_virt_board.mrom" },
        { 0x100000, 0x100fff, "riscv.sifive.test" },
        { 0x101000, 0x101023, "goldfish_rtc" },
        { 0x2000000, 0x2003fff, "riscv.aclint.swi" },
        { 0x2004000, 0x200bfff, "riscv.aclint.mtimer" },
        { 0x3000000, 0x300ffff, "gpex_ioport_window" },
        { 0xc000000, 0xc5fffff, "riscv.sifive.plic" },
        { 0x10000000, 0x10000007, "serial" },
        { 0x10001000, 0x10001fff, "virtio-mmio" },
        { 0x10008000, 0x10008fff, "virtio-mmio" },
        { 0x10100000, 0x10100007, "fwcfg.data" },
        { 0x10100008, 0x10100009, "fwcfg.ctl" },
        { 0x10100010, 0x10100017, "fwcfg.dma" },
        { 0x20000000, 0x21ffffff, "virt.flash0" },
        { 0x22000000, 0x23ffffff, "virt.flash1" },
        { 0x30000000, 0x3fffffff, "pcie-mmcfg-mmio" },
        { 0x40000000, 0x7fffffff, "gpex_mmio_window" },
        { 0x80000000, 0x87ffffff, "riscv_virt_board.ram" },
        { 0x400000000, 0x7ffffffff, "gpex_mmio_high" },
    };
    Machine *m = virt_new(virt_config());
    for (unsigned i = 0; i < G_N_ELEMENTS(map); i++) {
        MemoryRegion *region = memory_find(m, map[i].first);
        g_assert_nonnull(region);
        g_assert_cmpstr(region->name, ==, map[i].name);
        g_assert_cmphex(region->base, ==, map[i].first);
        g_assert_true(memory_find(m, map[i].last) == region);
        if (memory_find(m, map[i].last + 1) == region) {
            g_error("%s ends behind 0x%" PRIx64, region->name, map[i].last);
        }
    }
    g_assert_null(memory_find(m, 0));
    g_assert_null(memory_find(m, 0x4000000));
    g_assert_null(memory_find(m, 0x10000008));
    g_assert_true(bus_faults(m, 0x10009000, 4));
    fixture_free(m);
}

/* The window above RAM moves out of the way. */
static void test_high_window(void)
{
    MachineConfig *config = virt_config();
    config->ram_size = 15ull << 30;
    Machine *m = virt_new(config);
    MemoryRegion *region = memory_find(m, 0x800000000);
    g_assert_cmpstr(region->name, ==, "gpex_mmio_high");
    g_assert_cmphex(region->base, ==, 0x800000000);
    fixture_free(m);
}

/* ---- what migrates, in order ---- */

static void collect(const SaveStateInfo *info, void *opaque)
{
    g_string_append_printf(opaque, "%s/%d v%d\n", info->idstr, info->instance_id,
                           info->vmsd ? info->vmsd->version_id : -1);
}

static void test_sections(void)
{
    Machine *m = virt_new(virt_config());
    GString *text = g_string_new(NULL);
    savevm_foreach(m, collect, text);
    const char *from = strstr(text->str, "riscv_mtimer");
    g_assert_nonnull(from);
    g_assert_true(g_str_has_prefix(from,
        "riscv_mtimer/0 v1\n" "riscv_sifive_plic/0 v1\n" "0000:00:00.0/gpex_root/0 v1\n"
        "PCIHost/0 v1\n" "PCIBUS/0 v1\n" "serial/0 v3\n" "goldfish_rtc/0 v3\n"
        "pflash_cfi01/0 v1\n" "pflash_cfi01/1 v1\n" "fw_cfg/0 v2\n"));
    g_assert_nonnull(strstr(text->str, "cpu_common/0"));
    g_assert_true(strstr(text->str, "cpu_common/0") < from);
    g_string_free(text, TRUE);

    static const char *const blocks[] = {
        "riscv_virt_board.ram", "virt.flash0", "virt.flash1", "riscv_virt_board.mrom",
    };
    RAMBlock *block = ram_block_first(m);
    for (unsigned i = 0; i < G_N_ELEMENTS(blocks); i++, block = block->next) {
        g_assert_cmpstr(block->idstr, ==, blocks[i]);
    }
    g_assert_null(block);
    g_assert_cmphex(ram_block_find(m, "riscv_virt_board.mrom")->used_length, ==, 0xf000);
    fixture_free(m);
}

/* ---- boot ---- */

static void test_reset_vector(void)
{
    static const uint32_t code[] = {
        0x00000297, 0x02828613, 0xf1402573, 0x0202b583, 0x0182b283, 0x00028067,
    };
    Machine *m = virt_new(virt_config());
    for (unsigned i = 0; i < G_N_ELEMENTS(code); i++) {
        g_assert_cmphex(bus_read(m, 0x1000 + 4 * i, 4), ==, code[i]);
    }
    g_assert_cmphex(bus_read(m, ROM_START, 8), ==, 0x80000000);
    g_assert_cmphex(bus_read(m, ROM_FDT, 8), ==, 0x87e00000);
    g_assert_cmphex(bus_read(m, ROM_MAGIC, 8), ==, 0x4942534f);
    g_assert_cmpuint(bus_read(m, ROM_MAGIC + 8, 8), ==, 2);
    g_assert_cmphex(bus_read(m, ROM_NEXT, 8), ==, 0);
    g_assert_cmpuint(bus_read(m, ROM_NEXT + 8, 8), ==, 1);
    fixture_free(m);
}

/* Where the device tree goes; the peer's addresses. */
static void test_fdt_place(void)
{
    static const struct {
        uint64_t mib, addr;
    } cases[] = {
        { 4, 0x80200000 }, { 32, 0x81e00000 }, { 128, 0x87e00000 }, { 1000, 0xbe600000 },
        { 1024, 0xbfe00000 }, { 2048, 0xbfe00000 }, { 4096, 0xbfe00000 },
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        MachineConfig *config = virt_config();
        config->ram_size = cases[i].mib << 20;
        Machine *m = virt_new(config);
        g_assert_cmphex(bus_read(m, ROM_FDT, 8), ==, cases[i].addr);
        g_assert_cmphex(bus_read(m, cases[i].addr, 4), ==, 0xedfe0dd0);
        fixture_free(m);
    }
    MachineConfig *config = virt_config();
    config->ram_size = 1 << 20;
    virt_fails(config, "no room for the device tree");
}

static void test_kernel_and_initrd(void)
{
    static const struct {
        const char *bios;
        uint64_t mib, kernel, initrd;
    } cases[] = {
        { "none", 128, 0x80000000, 0x84000000 },
        { "none", 1024, 0x80000000, 0x88000000 },
        { NULL, 128, 0x80200000, 0x84200000 },  /* bios: the kernel's bytes again, as firmware */
        { NULL, 1024, 0x80200000, 0x88200000 },
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        MachineConfig *config = virt_config();
        g_free(config->firmware);
        config->firmware = g_strdup(cases[i].bios ? cases[i].bios : kernel);
        config->kernel = g_strdup(kernel);
        config->initrd = g_strdup(initrd);
        config->ram_size = cases[i].mib << 20;
        Machine *m = virt_new(config);
        g_assert_cmphex(bus_read(m, ROM_START, 8), ==, 0x80000000);
        g_assert_cmphex(bus_read(m, ROM_NEXT, 8), ==, cases[i].kernel);
        g_assert_cmphex(bus_read(m, cases[i].kernel, 4), ==, 0x6b6b6b6b);
        g_assert_cmphex(bus_read(m, cases[i].initrd + 9996, 4), ==, 0x69696969);
        g_assert_cmphex(bus_read(m, cases[i].initrd + 10000, 4), ==, 0);
        fixture_free(m);
    }
}

static void test_boot_errors(void)
{
    MachineConfig *config = virt_config();
    config->kernel = g_strdup("/nonexistent/Image");
    virt_fails(config, "-kernel: could not open '/nonexistent/Image'");
    config = virt_config();
    g_free(config->firmware);
    config->firmware = g_strdup("/nonexistent/bios");
    virt_fails(config, "-bios: could not open '/nonexistent/bios'");
    config = virt_config();
    config->kernel = g_strdup(kernel);
    config->initrd = g_strdup("/nonexistent/initrd");
    virt_fails(config, "-initrd: could not open");
    config = virt_config();
    config->cpu_model = g_strdup("rv64,nonesuch=on");
    virt_fails(config, "nonesuch");
    config = virt_config();
    config->pflash[0] = g_strdup("nowhere");
    virt_fails(config, "flash bank 0: ");
    config = virt_config();
    config->ram_size = 2 << 20;
    config->kernel = g_strdup(kernel);
    virt_fails(config, "overlaps");     /* kernel and device tree, in 2 MiB */
}

/* -bios none -kernel FILE.elf enters at the ELF's entry. */
static void test_elf_entry(void)
{
    struct {
        Elf64_Ehdr ehdr;
        Elf64_Phdr phdr;
        uint32_t code[4];
    } elf = {
        .ehdr = {
            .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, 1 },
            .e_type = ET_EXEC, .e_machine = 243, .e_version = 1, .e_entry = 0x80001008,
            .e_phoff = sizeof(Elf64_Ehdr), .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 1,
        },
        .phdr = { .p_type = PT_LOAD, .p_offset = sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr),
                  .p_paddr = 0x80001000, .p_filesz = 16, .p_memsz = 16 },
        .code = { 1, 2, 3, 4 },
    };
    char *path = temp_file(&elf, sizeof(elf));
    MachineConfig *config = virt_config();
    config->kernel = g_strdup(path);
    Machine *m = virt_new(config);
    g_assert_cmphex(bus_read(m, ROM_START, 8), ==, 0x80001008);
    g_assert_cmphex(bus_read(m, 0x80001008, 4), ==, 3);
    fixture_free(m);
    g_unlink(path);
    g_free(path);
}

/* With an image in bank 0 the machine starts there. */
static void test_flash_boot(void)
{
    Error *err = NULL;
    char *path = temp_file("\x13\x05\x00\x00", 4);
    g_assert_cmpint(truncate(path, 32 << 20), ==, 0);
    MachineConfig *config = virt_config();
    config->pflash[0] = g_strdup("code");
    Machine *m = machine_new(machine_class_find("virt"), config, &err);
    g_assert_nonnull(m);
    machine_lock(m);
    json_t *options = json_pack("{ss ss ss sb}", "driver", "file", "filename", path, "node-name",
                                "code", "read-only", 1);
    g_assert_nonnull(block_node_new(m, options, &err));
    json_decref(options);
    machine_unlock(m);
    g_assert_true(machine_done(m, &err));
    machine_lock(m);
    g_assert_cmphex(bus_read(m, ROM_START, 8), ==, 0x20000000);
    g_assert_cmphex(bus_read(m, 0x20000000, 4), ==, 0x513);
    fixture_free(m);
    g_unlink(path);
    g_free(path);
}

/* Both classes can be made and freed; the empty one has nothing to run. */
static void test_none(void)
{
    Error *err = NULL;
    const MachineClass *klass = machine_class_find("none");
    Machine *m = machine_new(klass, machine_config_new(klass), &err);
    g_assert_nonnull(m);
    g_assert_true(machine_done(m, &err));
    g_assert_null(qdev_first(m));
    machine_free(m);
    g_assert_null(machine_class_find("nonesuch"));
}

static void test_wires(void)
{
    Machine *m = virt_new(virt_config());
    bus_write(m, 0xc000000 + 4 * 10, 4, 1);
    bus_write(m, 0xc002080, 4, 1 << 10);
    bus_write(m, 0x10000001, 1, 2);         /* UART: transmitter empty */
    g_assert_true(hart_irq(m, 0, RISCV_IRQ_S_EXT));
    g_assert_cmpuint(bus_read(m, 0xc201004, 4), ==, 10);
    bus_write(m, 0xc000000 + 4 * 11, 4, 1);
    bus_write(m, 0xc002080, 4, 1 << 11);
    bus_write(m, 0x101010, 4, 1);           /* RTC: alarm in the past */
    bus_write(m, 0x10100c, 4, 0);
    bus_write(m, 0x101008, 4, 0);
    g_assert_cmpuint(bus_read(m, 0xc201004, 4), ==, 11);
    fixture_free(m);
}

int main(int argc, char **argv)
{
    char bytes[10000];
    g_test_init(&argc, &argv, NULL);
    memset(bytes, 'k', sizeof(bytes));
    kernel = temp_file(bytes, sizeof(bytes));
    memset(bytes, 'i', sizeof(bytes));
    initrd = temp_file(bytes, sizeof(bytes));
    g_test_add_func("/virt/map", test_map);
    g_test_add_func("/virt/high-window", test_high_window);
    g_test_add_func("/virt/sections", test_sections);
    g_test_add_func("/virt/reset-vector", test_reset_vector);
    g_test_add_func("/virt/fdt-place", test_fdt_place);
    g_test_add_func("/virt/kernel-and-initrd", test_kernel_and_initrd);
    g_test_add_func("/virt/boot-errors", test_boot_errors);
    g_test_add_func("/virt/elf-entry", test_elf_entry);
    g_test_add_func("/virt/flash-boot", test_flash_boot);
    g_test_add_func("/virt/none", test_none);
    g_test_add_func("/virt/wires", test_wires);
    int ret = g_test_run();
    g_unlink(kernel);
    g_unlink(initrd);
    return ret;
}
