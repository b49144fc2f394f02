/*
 * test-pci.c - the PCIe host: its one function's configuration space, empty windows, what migrates.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "board-fixture.h"

#include "hw/gpex.h"

#define ECAM 0x30000000ull
#define PIO 0x3000000ull
#define MMIO 0x40000000ull
#define HIGH 0x400000000ull
#define FUNCTION(_bus, _dev, _fn) (ECAM + ((_bus) << 20 | (_dev) << 15 | (_fn) << 12))

static Machine *pci_new(void)
{
    static const GpexLayout layout = {
        .ecam = ECAM, .pio = PIO, .mmio = MMIO, .mmio_size = 1 << 30,
        .high_mmio = HIGH, .high_mmio_size = 1ull << 34,
    };
    Error *err = NULL;
    Machine *m = fixture_new(1);
    g_assert_nonnull(gpex_create(m, &layout, &err));
    qdev_reset_all(m);
    return m;
}

static void test_config_space(void)
{
    Machine *m = pci_new();
    g_assert_cmphex(bus_read(m, ECAM, 4), ==, 0x00081b36);
    g_assert_cmphex(bus_read(m, ECAM + 2, 2), ==, 0x0008);
    g_assert_cmphex(bus_read(m, ECAM + 0x0b, 1), ==, 0x06);
    g_assert_cmphex(bus_read(m, ECAM + 0x2c, 4), ==, 0x11001af4);
    for (unsigned reg = 0; reg < 256; reg += 4) {
        bus_write(m, ECAM + reg, 4, 0xffffffff);
    }
    g_assert_cmphex(bus_read(m, ECAM, 4), ==, 0x00081b36);
    g_assert_cmphex(bus_read(m, ECAM + 0x04, 4), ==, 0x0507);
    g_assert_cmphex(bus_read(m, ECAM + 0x08, 4), ==, 0x06000000);
    g_assert_cmphex(bus_read(m, ECAM + 0x0c, 4), ==, 0xff);
    g_assert_cmphex(bus_read(m, ECAM + 0x10, 4), ==, 0);
    g_assert_cmphex(bus_read(m, ECAM + 0x34, 4), ==, 0);
    g_assert_cmphex(bus_read(m, ECAM + 0x3c, 4), ==, 0xff);
    g_assert_cmphex(bus_read(m, ECAM + 0xfc, 4), ==, 0xffffffff);
    qdev_reset_all(m);
    g_assert_cmphex(bus_read(m, ECAM + 0x04, 4), ==, 0);
    g_assert_true(bus_faults(m, ECAM, 8));
    fixture_free(m);
}

static void test_empty(void)
{
    Machine *m = pci_new();
    g_assert_cmphex(bus_read(m, FUNCTION(0, 0, 0) + 0x100, 4), ==, 0xffffffff);
    g_assert_cmphex(bus_read(m, FUNCTION(0, 0, 1), 4), ==, 0xffffffff);
    g_assert_cmphex(bus_read(m, FUNCTION(0, 1, 0), 2), ==, 0xffff);
    g_assert_cmphex(bus_read(m, FUNCTION(255, 31, 7) + 0xfff, 1), ==, 0xff);
    bus_write(m, FUNCTION(0, 1, 0) + 4, 4, 7);
    g_assert_cmphex(bus_read(m, PIO, 1), ==, 0xff);
    g_assert_cmphex(bus_read(m, MMIO + 0x1000, 4), ==, 0xffffffff);
    g_assert_cmphex(bus_read(m, HIGH, 8), ==, UINT64_MAX);
    bus_write(m, HIGH, 8, 0);
    fixture_free(m);
}

static void test_migration(void)
{
    Machine *m = pci_new();
    Error *err = NULL;
    size_t len;
    bus_write(m, ECAM + 4, 2, 7);
    uint8_t *bytes = section_save(m, "0000:00:00.0/gpex_root", &len);
    g_assert_cmpuint(len, ==, 276);
    g_assert_cmpuint(bytes[3], ==, 2);
    g_assert_cmphex(bytes[4], ==, 0x36);
    qdev_reset_all(m);
    g_assert_true(section_load(m, "0000:00:00.0/gpex_root", bytes, len, NULL));
    g_assert_cmphex(bus_read(m, ECAM + 4, 2), ==, 7);

    bytes[4 + 2] ^= 1;      /* another device */
    g_assert_false(section_load(m, "0000:00:00.0/gpex_root", bytes, len, &err));
    assert_error(err, "register 0x02 is 0x09 in the stream, 0x08 here");
    err = NULL;
    bytes[4 + 2] ^= 1;
    bytes[3] = 3;
    g_assert_false(section_load(m, "0000:00:00.0/gpex_root", bytes, len, &err));
    assert_error(err, "version 3");
    bytes[3] = 2;
    bytes[260] = 1;
    g_assert_false(section_load(m, "0000:00:00.0/gpex_root", bytes, len, NULL));
    g_free(bytes);

    bytes = section_save(m, "PCIHost", &len);
    g_assert_cmpuint(len, ==, 4);
    g_free(bytes);
    bytes = section_save(m, "PCIBUS", &len);
    g_assert_cmpuint(len, ==, 20);
    g_assert_cmpuint(bytes[3], ==, 4);
    g_assert_true(section_load(m, "PCIBUS", bytes, len, NULL));
    bytes[3] = 5;
    g_assert_false(section_load(m, "PCIBUS", bytes, len, NULL));
    g_free(bytes);
    fixture_free(m);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pci/config-space", test_config_space);
    g_test_add_func("/pci/empty", test_empty);
    g_test_add_func("/pci/migration", test_migration);
    return g_test_run();
}
