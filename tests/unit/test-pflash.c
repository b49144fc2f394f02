/*
 * test-pflash.c - the flash bank: CFI query, programming, erasing, buffers, its image, what migrates.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "board-fixture.h"

#include <glib/gstdio.h>
#include <unistd.h>

#include "block/block.h"
#include "hw/pflash.h"

#define FLASH 0x20000000ull
#define SIZE (32u << 20)
#define SECTOR 0x40000

static DeviceState *flash_new(Machine *m)
{
    Error *err = NULL;
    RAMBlock *block = ram_block_new(m, "virt.flash0", SIZE, &err);
    g_assert_nonnull(block);
    DeviceState *dev = pflash_create(m, FLASH, block, &err);
    g_assert_nonnull(dev);
    qdev_reset_all(m);
    return dev;
}

/* A command or word, in both lanes. */
static void cmd(Machine *m, uint64_t offset, uint8_t command)
{
    bus_write(m, FLASH + offset, 4, command | command << 16);
}

static void assert_ready(Machine *m)
{
    g_assert_cmphex(bus_read(m, FLASH, 4), ==, 0x00800080);
}

static void test_query(void)
{
    static const uint8_t expected[] = {
        0x51, 0x52, 0x59, 0x01, 0x00, 0x31, 0x00, 0x00, 0x00, 0x00, 0x00, 0x45, 0x55, 0x00, 0x00,
        0x07, 0x07, 0x0a, 0x00, 0x04, 0x04, 0x04, 0x00, 0x18, 0x02, 0x00, 0x0b, 0x00, 0x01, 0x7f,
        0x00, 0x00, 0x02, 0x50, 0x52, 0x49, 0x31, 0x30,
    };
    Machine *m = fixture_new(1);
    flash_new(m);
    cmd(m, 0x154, 0x98);
    for (unsigned i = 0; i < sizeof(expected); i++) {
        g_assert_cmphex(bus_read(m, FLASH + 4 * (0x10 + i), 4), ==, expected[i] | expected[i] << 16);
    }
    g_assert_cmphex(bus_read(m, FLASH + 0x40, 2), ==, 0x51);
    g_assert_cmphex(bus_read(m, FLASH + 0x40, 1), ==, 0x51);
    g_assert_cmphex(bus_read(m, FLASH + 4 * 0xff, 4), ==, 0);
    cmd(m, 0, 0xff);
    cmd(m, 0, 0x90);
    g_assert_cmphex(bus_read(m, FLASH, 4), ==, 0x00890089);
    g_assert_cmphex(bus_read(m, FLASH + 4, 4), ==, 0x00180018);
    g_assert_cmphex(bus_read(m, FLASH + 8, 4), ==, 0);
    cmd(m, 0, 0xff);
    g_assert_cmphex(bus_read(m, FLASH, 4), ==, 0);
    fixture_free(m);
}

static void test_program_and_erase(void)
{
    Machine *m = fixture_new(1);
    flash_new(m);
    cmd(m, SECTOR + 8, 0x20);
    assert_ready(m);
    cmd(m, SECTOR + 8, 0xd0);
    assert_ready(m);
    cmd(m, 0, 0xff);
    g_assert_cmphex(bus_read(m, FLASH + SECTOR - 4, 4), ==, 0);
    g_assert_cmphex(bus_read(m, FLASH + SECTOR, 4), ==, 0xffffffff);
    g_assert_cmphex(bus_read(m, FLASH + 2 * SECTOR - 4, 4), ==, 0xffffffff);
    g_assert_cmphex(bus_read(m, FLASH + 2 * SECTOR, 4), ==, 0);

    cmd(m, SECTOR + 8, 0x40);
    bus_write(m, FLASH + SECTOR + 8, 4, 0x12345678);
    assert_ready(m);
    cmd(m, 0, 0xff);
    g_assert_cmphex(bus_read(m, FLASH + SECTOR + 8, 8), ==, 0xffffffff12345678);

    /* An erase that is not confirmed does nothing. */
    cmd(m, SECTOR, 0x20);
    cmd(m, SECTOR, 0x11);
    g_assert_cmphex(bus_read(m, FLASH + SECTOR + 8, 4), ==, 0x12345678);
    cmd(m, 0, 0x33);        /* no such command */
    g_assert_cmphex(bus_read(m, FLASH + SECTOR + 8, 4), ==, 0x12345678);
    cmd(m, 0, 0x60);
    cmd(m, 0, 0xd0);
    assert_ready(m);
    fixture_free(m);
}

static void test_buffer(void)
{
    Machine *m = fixture_new(1);
    flash_new(m);
    cmd(m, 0x100, 0xe8);
    assert_ready(m);
    cmd(m, 0x100, 3);       /* four words */
    for (unsigned i = 0; i < 4; i++) {
        bus_write(m, FLASH + 0x100 + 4 * i, 4, 0xa0b0c0d0 + i);
    }
    assert_ready(m);
    cmd(m, 0x100, 0xd0);
    assert_ready(m);
    cmd(m, 0, 0xff);
    for (unsigned i = 0; i < 4; i++) {
        g_assert_cmphex(bus_read(m, FLASH + 0x100 + 4 * i, 4), ==, 0xa0b0c0d0 + i);
    }
    g_assert_cmphex(bus_read(m, FLASH + 0x110, 4), ==, 0);

    cmd(m, 0x200, 0xe8);    /* longer than the buffer */
    bus_write(m, FLASH + 0x200, 4, 0xffffffff);
    g_assert_cmphex(bus_read(m, FLASH + 0x200, 4), ==, 0);
    cmd(m, 0, 0x70);
    g_assert_cmphex(bus_read(m, FLASH, 4), ==, 0x00900090);
    cmd(m, 0, 0x50);
    cmd(m, 0, 0x70);
    assert_ready(m);
    fixture_free(m);
}

static void test_migration(void)
{
    Machine *m = fixture_new(1);
    Error *err = NULL;
    size_t len;
    flash_new(m);
    uint8_t *bytes = section_save(m, "pflash_cfi01", &len);
    size_t expected_len;
    uint8_t *expected = unhex("00 00 80 0000000000000000", &expected_len);
    g_assert_cmpmem(bytes, len, expected, expected_len);
    g_free(bytes);
    g_free(expected);

    cmd(m, 0, 0x90);
    bytes = section_save(m, "pflash_cfi01", &len);
    qdev_reset_all(m);
    g_assert_cmphex(bus_read(m, FLASH, 4), ==, 0);
    g_assert_true(section_load(m, "pflash_cfi01", bytes, len, NULL));
    g_assert_cmphex(bus_read(m, FLASH, 4), ==, 0x00890089);

    bytes[0] = 4;
    g_assert_false(section_load(m, "pflash_cfi01", bytes, len, &err));
    assert_error(err, "cycle 4");
    err = NULL;
    bytes[0] = 2;
    g_assert_false(section_load(m, "pflash_cfi01", bytes, len, &err));
    assert_error(err, "cycle 2 of command 0x90");
    err = NULL;
    bytes[1] = 0xe8;
    bytes[3] = 1;
    g_assert_false(section_load(m, "pflash_cfi01", bytes, len, &err));
    assert_error(err, "wait for the flash's buffer");
    g_free(bytes);
    fixture_free(m);
}

/* ---- with an image ---- */

static char *image_new(Machine *m, uint64_t size, const char *node)
{
    Error *err = NULL;
    char *path = NULL;
    int fd = g_file_open_tmp("godwit-flash-XXXXXX", &path, NULL);
    g_assert_cmpint(ftruncate(fd, size), ==, 0);
    g_assert_cmpint(pwrite(fd, "firmware", 8, 0), ==, 8);
    close(fd);
    json_t *options = json_pack("{ss ss ss}", "driver", "file", "filename", path, "node-name", node);
    BlockNode *made = block_node_new(m, options, &err);
    json_decref(options);
    if (!made) {
        g_error("%s", error_get_pretty(err));
    }
    return path;
}

static void test_image(void)
{
    Machine *m = fixture_new(1);
    Error *err = NULL;
    DeviceState *dev = flash_new(m);
    char *path = image_new(m, SIZE, "flash"), *small = image_new(m, SIZE / 2, "small");

    g_assert_false(pflash_attach_drive(dev, "nowhere", NULL));
    g_assert_false(pflash_attach_drive(dev, "small", &err));
    assert_error(err, "the bank has 33554432");
    g_assert_true(pflash_attach_drive(dev, "flash", NULL));
    g_assert_true(pflash_has_drive(dev));
    g_assert_cmphex(bus_read(m, FLASH, 4), ==, 0x6d726966);

    cmd(m, 0x1000, 0x40);
    bus_write(m, FLASH + 0x1000, 4, 0x44434241);
    fixture_free(m);        /* what was programmed reaches the image */
    char buf[5] = "";
    FILE *f = fopen(path, "rb");
    g_assert_cmpint(fseek(f, 0x1000, SEEK_SET), ==, 0);
    g_assert_cmpuint(fread(buf, 1, 4, f), ==, 4);
    fclose(f);
    g_assert_cmpstr(buf, ==, "ABCD");
    g_unlink(path);
    g_unlink(small);
    g_free(path);
    g_free(small);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pflash/query", test_query);
    g_test_add_func("/pflash/program-and-erase", test_program_and_erase);
    g_test_add_func("/pflash/buffer", test_buffer);
    g_test_add_func("/pflash/migration", test_migration);
    g_test_add_func("/pflash/image", test_image);
    return g_test_run();
}
