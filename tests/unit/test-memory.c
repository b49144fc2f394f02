/*
 * test-memory.c - RAM blocks, the address space, accesses by address, DMA, dirty bits by one thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "lib-fake-cpu.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define KB 1024ull

typedef struct Dev {
    Machine *machine;
    uint64_t reg;
    unsigned reads, writes;
    unsigned last_size;
    hwaddr last_addr;
    MemTxResult nested;
} Dev;

static uint64_t dev_read(void *opaque, hwaddr addr, unsigned size)
{
    Dev *dev = opaque;
    g_assert_true(machine_locked(dev->machine));
    dev->reads++;
    dev->last_addr = addr;
    dev->last_size = size;
    return 0x1122334455667788ull;
}

static void dev_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    Dev *dev = opaque;
    g_assert_true(machine_locked(dev->machine));
    dev->writes++;
    dev->last_addr = addr;
    dev->last_size = size;
    dev->reg = value;
}

/* DMA aimed at its own register. */
static void dev_write_loop(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    Dev *dev = opaque;
    uint32_t word = 1;
    dev_write(opaque, addr, value, size);
    dev->nested = address_space_write(dev->machine, 0x2000, &word, 4);
}

static const MemoryRegionOps dev_ops = { dev_read, dev_write, 1, 4 };
static const MemoryRegionOps word_ops = { dev_read, dev_write, 4, 4 };
static const MemoryRegionOps loop_ops = { dev_read, dev_write_loop, 4, 4 };

static RAMBlock *new_block(Machine *m, const char *name, uint64_t size)
{
    g_autoptr(Error) err = NULL;
    machine_lock(m);
    RAMBlock *block = ram_block_new(m, name, size, &err);
    machine_unlock(m);
    if (!block) {
        g_error("%s", error_get_pretty(err));
    }
    return block;
}

static void map(Machine *m, MemoryRegion *region)
{
    g_autoptr(Error) err = NULL;
    machine_lock(m);
    if (!memory_map_region(m, region, &err)) {
        g_error("%s", error_get_pretty(err));
    }
    machine_unlock(m);
}

static void map_fails(Machine *m, MemoryRegion *region, const char *part)
{
    g_autoptr(Error) err = NULL;
    machine_lock(m);
    g_assert_false(memory_map_region(m, region, &err));
    machine_unlock(m);
    g_assert_nonnull(strstr(error_get_pretty(err), part));
}

static void test_blocks(void)
{
    Machine *m = fake_machine_new(NULL);
    RAMBlock *a = new_block(m, "a", 64 * KB);
    RAMBlock *b = new_block(m, "b", 4 * KB);
    ram_addr_t offset;
    g_assert_true(ram_block_find(m, "b") == b);
    g_assert_null(ram_block_find(m, "c"));
    g_assert_true(ram_block_first(m) == a && a->next == b && !b->next);
    g_assert_true(ram_block_from_host(m, a->host + 5000, &offset) == a);
    g_assert_cmpuint(offset, ==, 5000);
    g_assert_null(ram_block_from_host(m, &offset, &offset));
    for (unsigned i = 0; i < a->used_length; i++) {
        g_assert_cmpint(a->host[i], ==, 0);
    }
    machine_lock(m);
    g_autoptr(Error) twice = NULL, odd = NULL, unnamed = NULL, huge = NULL;
    g_assert_null(ram_block_new(m, "a", 4 * KB, &twice));
    g_assert_null(ram_block_new(m, "c", 5000, &odd));
    g_assert_null(ram_block_new(m, "", 4 * KB, &unnamed));
    g_assert_null(ram_block_new(m, "d", 1ull << 60, &huge));
    g_assert_nonnull(strstr(error_get_pretty(twice), "exists already"));
    g_assert_nonnull(strstr(error_get_pretty(odd), "multiple of 4096"));
    machine_unlock(m);
    machine_free(m);
}

static void test_from_fd(void)
{
    Machine *m = fake_machine_new(NULL);
    int fd = memfd_create("ram", 0);
    g_assert_cmpint(pwrite(fd, "hello", 5, 4096), ==, 5);
    machine_lock(m);
    RAMBlock *shared = ram_block_new_from_fd(m, "shared", 16 * KB, dup(fd), true, NULL);
    RAMBlock *private = ram_block_new_from_fd(m, "private", 16 * KB, dup(fd), false, NULL);
    g_autoptr(Error) err = NULL;
    g_assert_null(ram_block_new_from_fd(m, "bad", 16 * KB, open("/dev/null", O_RDWR), true, &err));
    g_assert_nonnull(err);
    machine_unlock(m);
    /* The file was five bytes into its second page; the block's last page must not be a SIGBUS. */
    g_assert_cmpint(shared->host[16 * KB - 1], ==, 0);
    g_assert_cmpint(memcmp(private->host + 4096, "hello", 5), ==, 0);
    shared->host[0] = 1;
    private->host[1] = 1;
    char bytes[2];
    g_assert_cmpint(pread(fd, bytes, 2, 0), ==, 2);
    g_assert_cmpint(bytes[0], ==, 1);
    g_assert_cmpint(bytes[1], ==, 0);
    close(fd);
    machine_free(m);
}

static void test_map(void)
{
    Machine *m = fake_machine_new(NULL);
    RAMBlock *block = new_block(m, "ram", 64 * KB);
    Dev dev = { .machine = m };
    MemoryRegion ram = { .name = "ram", .base = 0x10000, .size = 64 * KB, .block = block };
    MemoryRegion low = { .name = "low", .base = 0x1000, .size = 0x1000, .ops = &dev_ops, .opaque = &dev };
    MemoryRegion top = { .name = "top", .base = ~0xfffull, .size = 0x1000, .ops = &dev_ops };
    MemoryRegion over = { .name = "over", .base = 0x1f000, .size = 0x2000, .ops = &dev_ops };
    MemoryRegion around = { .name = "around", .base = 0x800, .size = 0x20000, .ops = &dev_ops };
    MemoryRegion wrap = { .name = "wrap", .base = ~0xfffull, .size = 0x1001, .ops = &dev_ops };
    MemoryRegion none = { .name = "none", .base = 0x90000, .size = 0, .ops = &dev_ops };
    MemoryRegion mute = { .name = "mute", .base = 0x90000, .size = 16 };
    MemoryRegion beyond = { .name = "beyond", .base = 0x90000, .size = 8 * KB, .block = block,
                            .block_offset = 60 * KB };
    map(m, &ram);
    map(m, &top);
    map(m, &low);
    map_fails(m, &over, "'over' at 0x1f000 overlaps 'ram' at 0x10000");
    map_fails(m, &around, "overlaps 'low'");
    map_fails(m, &ram, "overlaps 'ram'");
    map_fails(m, &wrap, "leaves the address space");
    map_fails(m, &none, "empty");
    map_fails(m, &mute, "neither a RAM block nor");
    map_fails(m, &beyond, "beyond RAM block 'ram'");
    g_assert_true(memory_find(m, 0x10000) == &ram);
    g_assert_true(memory_find(m, 0x1ffff) == &ram);
    g_assert_null(memory_find(m, 0x20000));
    g_assert_null(memory_find(m, 0));
    g_assert_true(memory_find(m, 0x1000) == &low);
    g_assert_true(memory_find(m, ~0ull) == &top);
    machine_lock(m);
    memory_unmap_region(m, &ram);
    memory_unmap_region(m, &over);
    machine_unlock(m);
    g_assert_null(memory_find(m, 0x10000));
    g_assert_true(memory_find(m, 0x1fff) == &low);
    machine_free(m);
}

static void test_access(void)
{
    Machine *m = fake_machine_new(NULL);
    RAMBlock *block = new_block(m, "ram", 8 * KB);
    Dev dev = { .machine = m };
    MemoryRegion ram = { .name = "ram", .base = 0x1000, .size = 0x1000, .block = block };
    MemoryRegion io = { .name = "io", .base = 0x2000, .size = 0x100, .ops = &dev_ops, .opaque = &dev };
    MemoryRegion word = { .name = "word", .base = 0x3000, .size = 6, .ops = &word_ops, .opaque = &dev };
    MemoryRegion rom = { .name = "rom", .base = 0x4000, .size = 0x1000, .block = block,
                         .block_offset = 0x1000, .readonly = true };
    map(m, &ram);
    map(m, &io);
    map(m, &word);
    map(m, &rom);
    uint64_t v = 0x0102030405060708ull;
    g_assert_cmpint(address_space_ldst(m, 0x1008, &v, 8, true), ==, MEMTX_OK);
    g_assert_cmpint(block->host[8], ==, 8);
    g_assert_cmpint(address_space_ldst(m, 0x100a, &v, 2, false), ==, MEMTX_OK);
    g_assert_cmpuint(v, ==, 0x0506);
    g_assert_cmpint(address_space_ldst(m, 0x1001, &v, 2, false), ==, MEMTX_ERROR);
    g_assert_cmpint(address_space_ldst(m, 0x1000, &v, 3, false), ==, MEMTX_ERROR);
    g_assert_cmpint(address_space_ldst(m, 0x9000, &v, 4, false), ==, MEMTX_DECODE_ERROR);
    g_assert_cmpint(address_space_ldst(m, 0x2004, &v, 4, false), ==, MEMTX_OK);
    g_assert_cmpuint(dev.last_addr, ==, 4);
    g_assert_cmpint(address_space_ldst(m, 0x2000, &v, 8, false), ==, MEMTX_ERROR);
    g_assert_cmpint(address_space_ldst(m, 0x3000, &v, 1, true), ==, MEMTX_ERROR);
    g_assert_cmpint(address_space_ldst(m, 0x3004, &v, 4, true), ==, MEMTX_DECODE_ERROR);
    /* ROM: loads work, stores are refused. */
    block->host[0x1000] = 0x5a;
    g_assert_cmpint(address_space_ldst(m, 0x4000, &v, 1, false), ==, MEMTX_OK);
    g_assert_cmpuint(v, ==, 0x5a);
    g_assert_cmpint(address_space_ldst(m, 0x4000, &v, 1, true), ==, MEMTX_ERROR);
    /* Bytes across RAM and device: 4 of RAM, then 1 + 2 + 4 + 1 of the device by alignment. */
    uint8_t buf[12];
    dev.reads = 0;
    g_assert_cmpint(address_space_read(m, 0x1ffc, buf, 12), ==, MEMTX_OK);
    g_assert_cmpuint(dev.reads, ==, 2);
    g_assert_cmpint(buf[4], ==, 0x88);
    dev.reads = 0;
    g_assert_cmpint(address_space_read(m, 0x2001, buf, 8), ==, MEMTX_OK);
    g_assert_cmpuint(dev.reads, ==, 4);
    g_assert_cmpint(address_space_write(m, 0x20fe, buf, 4), ==, MEMTX_DECODE_ERROR);
    g_assert_cmpint(address_space_read(m, ~0ull, buf, 4), ==, MEMTX_DECODE_ERROR);
    machine_free(m);
}

static void test_romd(void)
{
    Machine *m = fake_machine_new(NULL);
    RAMBlock *block = new_block(m, "flash", 8 * KB);
    FakeCPU *cpu = fake_cpu_new(m, fake_insn_nop, NULL);
    Dev dev = { .machine = m };
    MemoryRegion flash = { .name = "flash", .size = 8 * KB, .block = block, .readonly = true,
                           .romd = true, .ops = &dev_ops, .opaque = &dev };
    map(m, &flash);
    unsigned before = cpu->tlb_flushes;
    uint64_t v = 7;
    block->host[0] = 0x33;
    g_assert_cmpint(address_space_ldst(m, 0, &v, 1, false), ==, MEMTX_OK);
    g_assert_cmpuint(v, ==, 0x33);
    v = 0x40;
    g_assert_cmpint(address_space_ldst(m, 0, &v, 1, true), ==, MEMTX_OK);
    g_assert_cmpuint(dev.reg, ==, 0x40);
    machine_lock(m);
    memory_region_set_romd(m, &flash, false);
    memory_region_set_romd(m, &flash, false);
    machine_unlock(m);
    g_assert_cmpuint(cpu->tlb_flushes, ==, before + 1);
    g_assert_cmpint(address_space_ldst(m, 0, &v, 4, false), ==, MEMTX_OK);
    g_assert_cmpuint(dev.reads, ==, 1);
    machine_free(m);
}

static void test_no_nesting(void)
{
    Machine *m = fake_machine_new(NULL);
    Dev dev = { .machine = m };
    MemoryRegion io = { .name = "io", .base = 0x2000, .size = 0x100, .ops = &loop_ops, .opaque = &dev };
    map(m, &io);
    uint64_t v = 1;
    g_assert_cmpint(address_space_ldst(m, 0x2000, &v, 4, true), ==, MEMTX_OK);
    g_assert_cmpint(dev.nested, ==, MEMTX_ERROR);
    g_assert_cmpuint(dev.writes, ==, 1);
    machine_free(m);
}

/* ---- dirty bits ---- */

typedef struct Taken {
    RAMBlock *block;
    GString *pages;
} Taken;

static void collect(RAMBlock *block, const unsigned long *bits, uint64_t npages, void *opaque)
{
    Taken *taken = opaque;
    for (uint64_t i = 0; i < npages; i++) {
        if (bits[i / 64] >> (i % 64) & 1) {
            g_string_append_printf(taken->pages, "%s%u ", block->idstr, (unsigned)i);
        }
    }
}

static void expect_dirty(Machine *m, DirtyClient client, const char *expected)
{
    Taken taken = { .pages = g_string_new(NULL) };
    ram_dirty_sync_and_clear(m, client, collect, &taken);
    g_assert_cmpstr(taken.pages->str, ==, expected);
    g_string_free(taken.pages, TRUE);
}

static void count_only(RAMBlock *block, const unsigned long *bits, uint64_t npages, void *opaque)
{
    (void)block;
    (void)bits;
    *(uint64_t *)opaque += npages;
}

static void test_dirty(void)
{
    Machine *m = fake_machine_new(NULL);
    RAMBlock *a = new_block(m, "a", 70 * 4096);
    RAMBlock *b = new_block(m, "b", 3 * 4096);
    MemoryRegion ram = { .name = "a", .base = 0x100000, .size = 70 * 4096, .block = a };
    uint64_t pages = 0;
    map(m, &ram);
    ram_block_set_dirty(a, 0, 1);   /* nobody tracks: no effect, no crash */
    g_assert_true(ram_block_page_all_dirty(a, 0));
    machine_lock(m);
    ram_dirty_start(m, DIRTY_MEMORY_MIGRATION, true);
    machine_unlock(m);
    g_assert_true(ram_dirty_enabled(m, DIRTY_MEMORY_MIGRATION));
    g_assert_true(ram_block_page_all_dirty(a, 69 * 4096));
    /* All bits set, and none beyond the end. */
    g_assert_cmpuint(ram_dirty_sync_and_clear(m, DIRTY_MEMORY_MIGRATION, count_only, &pages), ==, 73);
    g_assert_cmpuint(pages, ==, 73);
    g_assert_false(ram_block_page_all_dirty(a, 0));
    ram_block_set_dirty(a, 63 * 4096 + 4095, 2);
    ram_block_set_dirty(b, 2 * 4096, 1ull << 40);
    ram_block_set_dirty(b, 3 * 4096, 1);
    ram_block_set_dirty(b, 0, 0);
    expect_dirty(m, DIRTY_MEMORY_MIGRATION, "a63 a64 b2 ");
    expect_dirty(m, DIRTY_MEMORY_MIGRATION, "");
    /* A second client sees what happens from now on, and only all clients' bits open the fast path. */
    machine_lock(m);
    ram_dirty_start(m, DIRTY_MEMORY_VGA, false);
    machine_unlock(m);
    ram_block_set_dirty(a, 4096, 4096);
    g_assert_true(ram_block_page_all_dirty(a, 4096));
    expect_dirty(m, DIRTY_MEMORY_VGA, "a1 ");
    g_assert_false(ram_block_page_all_dirty(a, 4096));
    expect_dirty(m, DIRTY_MEMORY_MIGRATION, "a1 ");
    /* Every way to write marks. */
    uint64_t v = 1;
    address_space_ldst(m, 0x100000 + 5 * 4096, &v, 8, true);
    address_space_write(m, 0x100000 + 7 * 4096 - 1, "xy", 2);
    uint64_t len = 100 * 4096;
    uint8_t *dma = memory_map(m, 0x100000 + 9 * 4096, &len, true);
    g_assert_cmpuint(len, ==, 61 * 4096);
    memory_unmap(m, dma, len, true, 4097);
    dma = memory_map(m, 0x100000, &len, false);
    memory_unmap(m, dma, len, false, 0);
    expect_dirty(m, DIRTY_MEMORY_MIGRATION, "a5 a6 a7 a9 a10 ");
    /* A block that joins is dirty as a whole; a client that stops sees nothing more. */
    new_block(m, "c", 2 * 4096);
    expect_dirty(m, DIRTY_MEMORY_MIGRATION, "c0 c1 ");
    machine_lock(m);
    ram_dirty_stop(m, DIRTY_MEMORY_MIGRATION);
    ram_dirty_stop(m, DIRTY_MEMORY_VGA);
    machine_unlock(m);
    ram_block_set_dirty(a, 0, 1);
    machine_lock(m);
    ram_dirty_start(m, DIRTY_MEMORY_MIGRATION, false);
    machine_unlock(m);
    expect_dirty(m, DIRTY_MEMORY_MIGRATION, "");
    machine_free(m);
}

static void test_dma_refused(void)
{
    Machine *m = fake_machine_new(NULL);
    RAMBlock *block = new_block(m, "ram", 8 * KB);
    MemoryRegion rom = { .name = "rom", .base = 0, .size = 4 * KB, .block = block, .readonly = true };
    MemoryRegion io = { .name = "io", .base = 0x2000, .size = 0x100, .ops = &dev_ops };
    uint64_t len = 8;
    map(m, &rom);
    map(m, &io);
    g_assert_nonnull(memory_map(m, 0, &len, false));
    g_assert_null(memory_map(m, 0, &len, true));
    g_assert_null(memory_map(m, 0x2000, &len, false));
    g_assert_null(memory_map(m, 0x9000, &len, false));
    len = 0;
    g_assert_null(memory_map(m, 0, &len, false));
    machine_free(m);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/memory/blocks", test_blocks);
    g_test_add_func("/memory/from-fd", test_from_fd);
    g_test_add_func("/memory/map", test_map);
    g_test_add_func("/memory/access", test_access);
    g_test_add_func("/memory/romd", test_romd);
    g_test_add_func("/memory/no-nesting", test_no_nesting);
    g_test_add_func("/memory/dirty", test_dirty);
    g_test_add_func("/memory/dma-refused", test_dma_refused);
    return g_test_run();
}
