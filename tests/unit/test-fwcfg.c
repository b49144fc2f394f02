/*
 * test-fwcfg.c - firmware configuration: selector, data port, directory, DMA, what migrates.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "board-fixture.h"

#include <endian.h>

#include "hw/fw-cfg.h"

#define FW_CFG 0x10100000ull
#define RAM 0x80000000ull
#define RAM_SIZE 0x10000

static MemoryRegion ram_region;

static DeviceState *fw_cfg_new(Machine *m)
{
    Error *err = NULL;
    fixture_add_ram(m, &ram_region, RAM, RAM_SIZE);
    DeviceState *dev = sysbus_create(m, TYPE_FW_CFG, FW_CFG, (IRQLine){ NULL }, &err);
    g_assert_null(err);
    fw_cfg_add_i16(dev, FW_CFG_NB_CPUS, 4);
    g_assert_true(fw_cfg_add_file(dev, "etc/two", "22", 2, &err));
    g_assert_true(fw_cfg_add_file(dev, "etc/one", "1", 1, &err));
    qdev_reset_all(m);
    return dev;
}

static void select_item(Machine *m, uint16_t key)
{
    bus_write(m, FW_CFG + 8, 2, htobe16(key));
}

static void read_bytes(Machine *m, void *buf, unsigned len)
{
    for (unsigned i = 0; i < len; i++) {
        ((uint8_t *)buf)[i] = bus_read(m, FW_CFG, 1);
    }
}

static void test_data_port(void)
{
    Machine *m = fixture_new(1);
    uint8_t buf[8];
    fw_cfg_new(m);

    select_item(m, FW_CFG_SIGNATURE);
    read_bytes(m, buf, 6);
    g_assert_cmpmem(buf, 6, "QEMU\0\0", 6);         /* zeroes behind the end */
    select_item(m, FW_CFG_SIGNATURE);
    g_assert_cmphex(bus_read(m, FW_CFG, 4), ==, 0x554d4551);
    g_assert_cmphex(bus_read(m, FW_CFG, 8), ==, 0);
    select_item(m, FW_CFG_ID);
    g_assert_cmphex(bus_read(m, FW_CFG, 4), ==, 3);
    select_item(m, FW_CFG_NB_CPUS);
    g_assert_cmphex(bus_read(m, FW_CFG, 2), ==, 4);
    select_item(m, 0xffff);
    g_assert_cmphex(bus_read(m, FW_CFG, 8), ==, 0);
    bus_write(m, FW_CFG, 1, 7);
    g_assert_true(bus_faults(m, FW_CFG + 8, 1));
    fixture_free(m);
}

static void test_directory(void)
{
    Machine *m = fixture_new(1);
    Error *err = NULL;
    uint8_t dir[4 + 2 * 64];
    DeviceState *dev = fw_cfg_new(m);

    select_item(m, FW_CFG_FILE_DIR);
    read_bytes(m, dir, sizeof(dir));
    g_assert_cmpuint(dir[3], ==, 2);
    g_assert_cmpstr((char *)dir + 4 + 8, ==, "etc/one");        /* sorted by name */
    g_assert_cmpstr((char *)dir + 4 + 64 + 8, ==, "etc/two");
    g_assert_cmpuint(dir[4 + 64 + 3], ==, 2);
    select_item(m, dir[4 + 64 + 4] << 8 | dir[4 + 64 + 5]);
    g_assert_cmphex(bus_read(m, FW_CFG, 2), ==, 0x3232);

    g_assert_false(fw_cfg_add_file(dev, "etc/one", "x", 1, &err));
    assert_error(err, "'etc/one' already");
    err = NULL;
    char *name = g_strnfill(56, 'n');
    g_assert_false(fw_cfg_add_file(dev, name, "x", 1, &err));
    assert_error(err, "longer than 55");
    g_free(name);
    err = NULL;
    bool ok = true;
    for (unsigned i = 0; ok && i < 40; i++) {
        name = g_strdup_printf("f%u", i);
        ok = fw_cfg_add_file(dev, name, "x", 1, &err);
        g_free(name);
    }
    g_assert_false(ok);
    assert_error(err, "no room");
    fixture_free(m);
}

/* Writes a control structure at RAM + 0x100 and starts the transfer; the control word afterwards. */
static uint32_t dma(Machine *m, uint32_t control, uint32_t len, uint64_t addr, bool halves)
{
    uint64_t at = RAM + 0x100;
    bus_write(m, at, 4, htobe32(control));
    bus_write(m, at + 4, 4, htobe32(len));
    bus_write(m, at + 8, 8, htobe64(addr));
    if (halves) {
        bus_write(m, FW_CFG + 0x10, 4, htobe32(at >> 32));
        bus_write(m, FW_CFG + 0x14, 4, htobe32((uint32_t)at));
    } else {
        bus_write(m, FW_CFG + 0x10, 8, htobe64(at));
    }
    return be32toh(bus_read(m, at, 4));
}

static void test_dma(void)
{
    Machine *m = fixture_new(1);
    fw_cfg_new(m);
    g_assert_cmphex(bus_read(m, FW_CFG + 0x10, 8), ==, 0x47464320554d4551);
    g_assert_cmphex(bus_read(m, FW_CFG + 0x14, 4), ==, 0x47464320);

    bus_write(m, RAM + 0x200, 8, UINT64_MAX);
    g_assert_cmphex(dma(m, FW_CFG_SIGNATURE << 16 | 0x0a, 6, RAM + 0x200, true), ==, 0);
    g_assert_cmphex(bus_read(m, RAM + 0x200, 8), ==, 0xffff0000554d4551);
    /* Goes on where it stopped: skip one byte of the id, read the next two. */
    g_assert_cmphex(dma(m, FW_CFG_ID << 16 | 0x0c, 1, 0, false), ==, 0);
    g_assert_cmphex(dma(m, 0x02, 2, RAM + 0x200, false), ==, 0);
    g_assert_cmphex(bus_read(m, RAM + 0x200, 2), ==, 0);
    g_assert_cmphex(dma(m, 0x04, UINT32_MAX, 0, false), ==, 0);

    g_assert_cmphex(dma(m, 0x10, 1, RAM + 0x200, false), ==, 1);        /* items are read only */
    g_assert_cmphex(dma(m, 0x02, 16, RAM + RAM_SIZE - 8, false), ==, 1); /* off the end of RAM */
    g_assert_cmphex(dma(m, 0x02, 4, FW_CFG, false), ==, 1);             /* at a device */
    g_assert_cmphex(dma(m, 0x02, UINT32_MAX, UINT64_MAX - 100, false), ==, 1);
    bus_write(m, FW_CFG + 0x10, 8, htobe64(UINT64_MAX - 3));            /* structure nowhere */
    bus_write(m, FW_CFG + 0x10, 8, htobe64(FW_CFG));
    bus_write(m, FW_CFG + 0x10, 2, 0xffff);
    fixture_free(m);
}

static void test_migration(void)
{
    Machine *m = fixture_new(1);
    size_t len;
    fw_cfg_new(m);
    select_item(m, FW_CFG_SIGNATURE);
    bus_read(m, FW_CFG, 1);
    bus_write(m, FW_CFG + 0x10, 4, htobe32(0x12));
    uint8_t *bytes = section_save(m, "fw_cfg", &len);
    size_t expected_len;
    uint8_t *expected = unhex("0000 00000001 05 0a 66775f6366672f646d61 00000000 0000001200000000",
                              &expected_len);
    g_assert_cmpmem(bytes, len, expected, expected_len);
    qdev_reset_all(m);
    g_assert_true(section_load(m, "fw_cfg", bytes, len, NULL));
    g_assert_cmphex(bus_read(m, FW_CFG, 1), ==, 'E');
    /* An offset from a stream is only a number. */
    memset(bytes, 0xff, 6);
    g_assert_true(section_load(m, "fw_cfg", bytes, len, NULL));
    g_assert_cmphex(bus_read(m, FW_CFG, 8), ==, 0);
    g_free(bytes);
    g_free(expected);
    fixture_free(m);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/fwcfg/data-port", test_data_port);
    g_test_add_func("/fwcfg/directory", test_directory);
    g_test_add_func("/fwcfg/dma", test_dma);
    g_test_add_func("/fwcfg/migration", test_migration);
    return g_test_run();
}
