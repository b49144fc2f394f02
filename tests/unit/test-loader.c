/*
 * test-loader.c - kernel and firmware files: ELF, Image, gzip, EFI zboot; and files that lie.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "board-fixture.h"

#include <elf.h>
#include <glib/gstdio.h>
#include <zlib.h>

#include "hw/loader.h"

#define RAM 0x80000000ull
#define RAM_SIZE (4u << 20)

static MemoryRegion ram_region;

static Machine *loader_machine(void)
{
    Machine *m = fixture_new(1);
    fixture_add_ram(m, &ram_region, RAM, RAM_SIZE);
    return m;
}

static char *file_with(const void *bytes, size_t len)
{
    char *path = NULL;
    int fd = g_file_open_tmp("godwit-image-XXXXXX", &path, NULL);
    g_assert_cmpint(write(fd, bytes, len), ==, len);
    close(fd);
    return path;
}

static bool load(Machine *m, const void *bytes, size_t len, LoadedImage *out, Error **errp)
{
    char *path = file_with(bytes, len);
    bool ok = load_image(m, path, RAM, RAM_SIZE, out, errp);
    g_unlink(path);     /* an open file is enough for every reset */
    g_free(path);
    return ok;
}

static void load_fails(const void *bytes, size_t len, const char *why)
{
    Machine *m = loader_machine();
    Error *err = NULL;
    LoadedImage image;
    g_assert_false(load(m, bytes, len, &image, &err));
    assert_error(err, why);
    fixture_free(m);
}

/* ---- plain and packed images ---- */

static uint8_t *image_new(size_t len, uint64_t occupied)
{
    uint8_t *image = g_malloc(len);
    for (size_t i = 0; i < len; i++) {
        image[i] = i * 31;
    }
    memset(image, 0, 64);
    memcpy(image + 16, &occupied, 8);
    memcpy(image + 48, "RISCV\0\0\0", 8);
    memcpy(image + 56, "RSC\x05", 4);
    return image;
}

static void assert_in_ram(Machine *m, const void *bytes, size_t len)
{
    qdev_reset_all(m);
    uint8_t *got = g_malloc(len);
    g_assert_cmpint(address_space_read(m, RAM, got, len), ==, MEMTX_OK);
    g_assert_cmpmem(got, len, bytes, len);
    /* Every reset brings it back. */
    address_space_write(m, RAM, "scribble", 8);
    qdev_reset_all(m);
    g_assert_cmpint(address_space_read(m, RAM, got, len), ==, MEMTX_OK);
    g_assert_cmpmem(got, len, bytes, len);
    g_free(got);
}

static void test_image(void)
{
    Machine *m = loader_machine();
    LoadedImage out;
    uint8_t *image = image_new(100000, 200000);
    g_assert_true(load(m, image, 100000, &out, NULL));
    g_assert_cmphex(out.entry, ==, RAM);
    g_assert_cmphex(out.high, ==, RAM + 200000);
    assert_in_ram(m, image, 100000);
    fixture_free(m);

    uint64_t too_big = RAM_SIZE + 1;
    memcpy(image + 16, &too_big, 8);
    load_fails(image, 100000, "needs 4194305 bytes");
    memset(image + 16, 0, 8);
    image[24] = 1;
    load_fails(image, 100000, "big-endian");
    load_fails(image, 0, "is empty");
    g_free(image);
}

static uint8_t *gzip(const uint8_t *bytes, size_t len, size_t *out_len)
{
    z_stream z = { 0 };
    g_assert_cmpint(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), ==, Z_OK);
    size_t room = deflateBound(&z, len) + 32;
    uint8_t *out = g_malloc(room);
    z.next_in = (uint8_t *)bytes;
    z.avail_in = len;
    z.next_out = out;
    z.avail_out = room;
    g_assert_cmpint(deflate(&z, Z_FINISH), ==, Z_STREAM_END);
    *out_len = z.total_out;
    deflateEnd(&z);
    return out;
}

static void test_gzip(void)
{
    uint8_t *image = image_new(3000000, 0);
    size_t len;
    uint8_t *packed = gzip(image, 3000000, &len);
    Machine *m = loader_machine();
    LoadedImage out;
    g_assert_true(load(m, packed, len, &out, NULL));
    g_assert_cmphex(out.high, ==, RAM + 3000000);
    assert_in_ram(m, image, 3000000);
    fixture_free(m);

    load_fails(packed, len - 9, "no end");
    load_fails(packed, 3, "no end");
    packed[len / 2] ^= 0xff;
    packed[len - 6] ^= 0xff;
    load_fails(packed, len, "bad gzip data");
    g_free(packed);
    g_free(image);

    /* Four kilobytes that want to be four megabytes and one. */
    uint8_t *zeroes = g_malloc0(RAM_SIZE + 1);
    packed = gzip(zeroes, RAM_SIZE + 1, &len);
    load_fails(packed, len, "more than the 4194304 bytes");
    g_free(packed);
    packed = gzip(zeroes, RAM_SIZE, &len);
    m = loader_machine();
    g_assert_true(load(m, packed, len, &out, NULL));
    fixture_free(m);
    g_free(packed);
    g_free(zeroes);
}

static uint8_t *zboot(const uint8_t *payload, uint32_t len, const char *kind, size_t *out_len)
{
    uint32_t offset = 128;
    uint8_t *out = g_malloc0(offset + len);
    memcpy(out, "MZ\0\0zimg", 8);
    memcpy(out + 8, &offset, 4);
    memcpy(out + 12, &len, 4);
    g_strlcpy((char *)out + 24, kind, 32);
    memcpy(out + offset, payload, len);
    *out_len = offset + len;
    return out;
}

static void test_zboot(void)
{
    uint8_t *image = image_new(50000, 0);
    size_t packed_len, len;
    uint8_t *packed = gzip(image, 50000, &packed_len);
    uint8_t *file = zboot(packed, packed_len, "gzip", &len);
    Machine *m = loader_machine();
    LoadedImage out;
    g_assert_true(load(m, file, len, &out, NULL));
    assert_in_ram(m, image, 50000);
    fixture_free(m);

    uint32_t wrong[] = { 0, 27, 0xffffffff, len };
    for (unsigned i = 0; i < G_N_ELEMENTS(wrong); i++) {
        uint32_t offset = 128;
        memcpy(file + 8, &wrong[i], 4);
        load_fails(file, len, "zboot header puts");
        memcpy(file + 8, &offset, 4);
    }
    uint32_t size = packed_len + 1;
    memcpy(file + 12, &size, 4);
    load_fails(file, len, "zboot header puts");
    size = packed_len - 10;
    memcpy(file + 12, &size, 4);
    load_fails(file, len, "no end");
    memcpy(file + 12, &packed_len, 4);
    strcpy((char *)file + 24, "lz\x1b[m");
    load_fails(file, len, "compressed with 'lz\\033[m'; gzip and zstd");
    strcpy((char *)file + 24, "zstd22");
    load_fails(file, len, "zstd");
    load_fails(file, 20, "cut short");
    g_free(file);
    g_free(packed);
    g_free(image);
}

/* Twenty thousand bytes of "zstd kernelzzzz…", if the program was built with zstd. */
static void test_zstd(void)
{
    size_t packed_len, len;
    uint8_t *packed = unhex("28b52ffd60204d9d0000607a737464206b65726e656c7a010011ce0e92", &packed_len);
    uint8_t *file = zboot(packed, packed_len, "zstd", &len);
    Machine *m = loader_machine();
    Error *err = NULL;
    LoadedImage out;
    if (load(m, file, len, &out, &err)) {
        g_assert_cmphex(out.high, ==, RAM + 20000);
        qdev_reset_all(m);
        g_assert_cmphex(bus_read(m, RAM, 8), ==, 0x72656b206474737a);
        g_assert_cmphex(bus_read(m, RAM + 19992, 8), ==, 0x7a7a7a7a7a7a7a7a);
        fixture_free(m);
        uint32_t short_len = packed_len - 3;
        memcpy(file + 12, &short_len, 4);
        load_fails(file, len, "no end");
        memcpy(file + 12, &packed_len, 4);
        file[128] ^= 0xff;
        load_fails(file, len, "zstd");
    } else {
        assert_error(err, "built without");
        fixture_free(m);
    }
    g_free(file);
    g_free(packed);
}

/* ---- ELF ---- */

typedef struct TestElf {
    Elf64_Ehdr ehdr;
    Elf64_Phdr phdr[2];
    uint8_t code[256];
} TestElf;

static TestElf elf_new(void)
{
    TestElf elf = {
        .ehdr = {
            .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, 1 },
            .e_type = ET_EXEC, .e_machine = 243, .e_version = 1, .e_entry = RAM + 0x1004,
            .e_phoff = offsetof(TestElf, phdr), .e_ehsize = sizeof(Elf64_Ehdr),
            .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 2,
        },
        .phdr = {
            { .p_type = PT_LOAD, .p_offset = offsetof(TestElf, code), .p_vaddr = 0xffffffff80000000,
              .p_paddr = RAM + 0x1000, .p_filesz = 256, .p_memsz = 0x1000 },
            { .p_type = PT_NOTE, .p_offset = UINT64_MAX, .p_filesz = UINT64_MAX },
        },
    };
    memset(elf.code, 0x13, sizeof(elf.code));
    return elf;
}

static void test_elf(void)
{
    Machine *m = loader_machine();
    LoadedImage out;
    TestElf elf = elf_new();
    g_assert_true(load(m, &elf, sizeof(elf), &out, NULL));
    g_assert_cmphex(out.entry, ==, RAM + 0x1004);
    g_assert_cmphex(out.low, ==, RAM + 0x1000);
    g_assert_cmphex(out.high, ==, RAM + 0x2000);
    bus_write(m, RAM + 0x1800, 4, 0x12345678);
    qdev_reset_all(m);
    g_assert_cmphex(bus_read(m, RAM + 0x10fc, 4), ==, 0x13131313);
    g_assert_cmphex(bus_read(m, RAM + 0x1100, 4), ==, 0);
    g_assert_cmphex(bus_read(m, RAM + 0x1800, 4), ==, 0);       /* bss */
    fixture_free(m);
}

#define ELF_FAILS(_change, _why) do { \
        TestElf elf = elf_new(); \
        _change; \
        load_fails(&elf, sizeof(elf), _why); \
    } while (0)

static void test_bad_elf(void)
{
    ELF_FAILS(elf.ehdr.e_ident[EI_CLASS] = ELFCLASS32, "not a 64-bit");
    ELF_FAILS(elf.ehdr.e_ident[EI_DATA] = ELFDATA2MSB, "not a little-endian");
    ELF_FAILS(elf.ehdr.e_machine = EM_X86_64, "another processor");
    ELF_FAILS(elf.ehdr.e_type = ET_REL, "not linked");
    ELF_FAILS(elf.ehdr.e_phentsize = 8, "wrong size");
    ELF_FAILS(elf.ehdr.e_phnum = 0, "no ELF program headers");
    ELF_FAILS(elf.ehdr.e_phnum = 0xffff, "no ELF program headers, or more");
    ELF_FAILS(elf.ehdr.e_phoff = UINT64_MAX - 8, "cut short");
    ELF_FAILS(elf.ehdr.e_phnum = 9, "cut short");
    ELF_FAILS(elf.phdr[0].p_type = PT_NULL, "nothing to load");
    ELF_FAILS(elf.phdr[0].p_memsz = 0, "nothing to load");
    ELF_FAILS(elf.phdr[0].p_memsz = 255, "256 bytes in the file and 255 in memory");
    ELF_FAILS(elf.phdr[0].p_offset = UINT64_MAX, "cut short");
    ELF_FAILS(elf.phdr[0].p_filesz = elf.phdr[0].p_memsz = UINT64_MAX, "in memory");
    ELF_FAILS(elf.phdr[0].p_memsz = RAM_SIZE, "no memory for it");
    ELF_FAILS(elf.phdr[0].p_paddr = 0x1000, "no memory for it");
    ELF_FAILS(elf.phdr[0].p_paddr = UINT64_MAX - 16, "in memory");
    ELF_FAILS(elf.phdr[1] = elf.phdr[0], "overlaps");
    TestElf elf = elf_new();
    for (size_t len = 4; len < sizeof(elf); len += 17) {
        load_fails(&elf, len, "cut short");
    }
}

static void test_files(void)
{
    Machine *m = loader_machine();
    Error *err = NULL;
    LoadedImage out;
    g_assert_false(load_image(m, "/nonexistent/kernel", RAM, RAM_SIZE, &out, &err));
    assert_error(err, "could not open '/nonexistent/kernel'");
    err = NULL;
    g_assert_false(load_image(m, "/", RAM, RAM_SIZE, &out, &err));
    assert_error(err, "not a regular file");
    err = NULL;
    g_assert_false(load_image(m, "/dev/zero", RAM, RAM_SIZE, &out, &err));
    assert_error(err, "not a regular file");
    err = NULL;
    g_assert_true(rom_add_bytes(m, "first", RAM + 100, "0123456789", 10, &err));
    g_assert_false(rom_add_bytes(m, "second", RAM + 109, "x", 1, &err));
    assert_error(err, "'second' at 0x8000006d to 0x8000006d overlaps 'first' at 0x80000064 to 0x8000006d");
    err = NULL;
    g_assert_true(rom_add_bytes(m, "third", RAM + 110, "x", 1, &err));
    g_assert_false(rom_add_bytes(m, "fourth", RAM + RAM_SIZE - 1, "xx", 2, &err));
    assert_error(err, "no memory for it");
    rom_update(m, RAM + 100, "9876543210", 10);
    qdev_reset_all(m);
    g_assert_cmphex(bus_read(m, RAM + 100, 4), ==, 0x36373839);
    fixture_free(m);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/loader/image", test_image);
    g_test_add_func("/loader/gzip", test_gzip);
    g_test_add_func("/loader/zboot", test_zboot);
    g_test_add_func("/loader/zstd", test_zstd);
    g_test_add_func("/loader/elf", test_elf);
    g_test_add_func("/loader/bad-elf", test_bad_elf);
    g_test_add_func("/loader/files", test_files);
    return g_test_run();
}
