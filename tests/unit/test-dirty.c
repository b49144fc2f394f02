/*
 * test-dirty.c - no store is ever lost: vCPUs with a fast store path against a thread that clears bits.
 *
 * Each vCPU stores rising numbers into words of its own, 16 in each page in turn, and publishes the
 * number of its last completed store.  The reader plays migration: it notes those numbers, calls
 * ram_dirty_sync_and_clear(), copies the pages that were dirty.  A page that was not dirty must be in
 * the copy already, as of the numbers noted: a store that went past the bitmap is caught one round
 * later.  The reader grants a few stores a round, since more would hide a loss by marking the page
 * again.  Some stores are preceded by a device access, so that vCPUs wait for the machine lock while
 * the reader holds it.  A run whose engine ignores the flush must fail: the test can.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "lib-fake-cpu.h"

#include <string.h>

#define CPUS 2
#define PAGES 8
#define WORDS 16        /* a page and vCPU */
#define PERIOD (PAGES * WORDS)
#define ROUNDS 200
#define GRANT 20        /* stores a round and vCPU */

typedef struct Rig {
    Machine *machine;
    RAMBlock *block;
    MemoryRegion ram, device;
    uint64_t *copy;
    uint64_t device_count;              /* under the machine lock */
    _Atomic uint64_t granted;           /* stores that each vCPU may have made */
    _Atomic uint64_t completed[CPUS];   /* and has */
    uint64_t dirty;                     /* one bit a page, of the round */
    uint64_t pages_copied;
    uint64_t lost;
} Rig;

static uint64_t device_read(void *opaque, hwaddr addr, unsigned size)
{
    (void)addr;
    (void)size;
    return ((Rig *)opaque)->device_count;
}

static void device_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    (void)addr;
    (void)value;
    (void)size;
    ((Rig *)opaque)->device_count++;
}

static const MemoryRegionOps device_ops = { device_read, device_write, 4, 4 };

static unsigned page_of(uint64_t value)
{
    return value / WORDS % PAGES;
}

/* Index of the word in RAM that store number `value` of a vCPU goes to. */
static uint64_t word_of(unsigned cpu, uint64_t value)
{
    return page_of(value) * (TARGET_PAGE_SIZE / 8) + (value % WORDS) * 8 + cpu;
}

static void store_insn(FakeCPU *cpu)
{
    Rig *rig = cpu->opaque;
    unsigned index = cpu->parent.cpu_index;
    uint64_t value = atomic_load(&rig->completed[index]) + 1;
    if (value > atomic_load(&rig->granted)) {
        return;
    }
    if (value % 8 == 0) {
        uint64_t word = 0;
        address_space_ldst(rig->machine, 0x10000000, &word, 4, true);
    }
    fake_cpu_store(cpu, word_of(index, value) * 8, value);
    atomic_store(&rig->completed[index], value);
}

static void take(RAMBlock *block, const unsigned long *bits, uint64_t npages, void *opaque)
{
    (void)block;
    g_assert_cmpuint(npages, ==, PAGES);
    ((Rig *)opaque)->dirty = bits[0];
}

static void copy_page(Rig *rig, unsigned page)
{
    uint64_t first = page * (TARGET_PAGE_SIZE / 8);
    for (uint64_t i = first; i < first + TARGET_PAGE_SIZE / 8; i++) {
        rig->copy[i] = __atomic_load_n((uint64_t *)rig->block->host + i, __ATOMIC_RELAXED);
    }
    rig->pages_copied++;
}

/* Counts words of vCPU `cpu` in clean pages that lack one of the first `done` stores. */
static void check_clean(Rig *rig, unsigned cpu, uint64_t done)
{
    uint64_t first = done > PERIOD ? done - PERIOD + 1 : 1;
    for (uint64_t value = first; value <= done; value++) {
        bool dirty = rig->dirty >> page_of(value) & 1;
        rig->lost += !dirty && rig->copy[word_of(cpu, value)] < value;
    }
}

static void round_of_copying(Rig *rig)
{
    uint64_t done[CPUS];
    for (unsigned i = 0; i < CPUS; i++) {
        done[i] = atomic_load(&rig->completed[i]);
    }
    ram_dirty_sync_and_clear(rig->machine, DIRTY_MEMORY_MIGRATION, take, rig);
    for (unsigned i = 0; i < CPUS; i++) {
        check_clean(rig, i, done[i]);
    }
    for (unsigned page = 0; page < PAGES; page++) {
        if (rig->dirty >> page & 1) {
            copy_page(rig, page);
        }
    }
}

static void wait_completed(Rig *rig, uint64_t goal)
{
    for (unsigned i = 0; i < CPUS; i++) {
        while (atomic_load(&rig->completed[i]) < goal) {
            g_thread_yield();
        }
    }
}

static Rig *rig_new(MachineConfig *config)
{
    Rig *rig = g_new0(Rig, 1);
    Machine *m = rig->machine = fake_machine_new(config);
    uint64_t size = PAGES * TARGET_PAGE_SIZE;
    rig->copy = g_malloc0(size);
    machine_lock(m);
    rig->block = ram_block_new(m, "ram", size, NULL);
    rig->ram = (MemoryRegion) { .name = "ram", .base = 0x80000000, .size = size, .block = rig->block };
    rig->device = (MemoryRegion) { .name = "device", .base = 0x10000000, .size = 4096,
                                   .ops = &device_ops, .opaque = rig };
    g_assert_true(memory_map_region(m, &rig->ram, NULL));
    g_assert_true(memory_map_region(m, &rig->device, NULL));
    machine_unlock(m);
    for (unsigned i = 0; i < CPUS; i++) {
        fake_cpu_new(m, store_insn, rig)->block = rig->block;
    }
    g_assert_true(machine_done(m, NULL));
    return rig;
}

static void rig_free(Rig *rig)
{
    machine_free(rig->machine);
    g_free(rig->copy);
    g_free(rig);
}

static void keep_store_path(CPUState *cpu)
{
    (void)cpu;
}

/* An engine that ignores the flush: its fast paths stay open across the clearing. */
static void break_engine(Machine *m, CPUOps *ops)
{
    for (unsigned i = 0; i < cpu_count(m); i++) {
        *ops = *cpu_get(m, i)->ops;
        ops->flush_store_path = keep_store_path;
        cpu_get(m, i)->ops = ops;
    }
}

static void one_round(Rig *rig, unsigned number)
{
    Machine *m = rig->machine;
    /* The stores that this grants race with the clearing below. */
    uint64_t goal = atomic_fetch_add(&rig->granted, GRANT);
    if (number % 3 == 0) {
        wait_completed(rig, goal + number % GRANT);
    }
    bool locked = number % 2;
    if (locked) {
        machine_lock(m);
    }
    round_of_copying(rig);
    if (locked) {
        machine_unlock(m);
    }
    if (number % 50 == 49) {
        fake_machine_stop(m);
        round_of_copying(rig);
        fake_machine_start(m);
    }
}

/* Number of stores that were lost. */
static uint64_t run(MachineConfig *config, bool broken)
{
    static CPUOps broken_ops;
    Rig *rig = rig_new(config);
    Machine *m = rig->machine;
    if (broken) {
        break_engine(m, &broken_ops);
    }
    machine_lock(m);
    ram_dirty_start(m, DIRTY_MEMORY_MIGRATION, true);
    machine_unlock(m);
    fake_machine_start(m);
    for (unsigned i = 0; i < ROUNDS; i++) {
        one_round(rig, i);
    }
    wait_completed(rig, ROUNDS * GRANT);
    fake_machine_stop(m);
    round_of_copying(rig);
    if (memcmp(rig->copy, rig->block->host, PAGES * TARGET_PAGE_SIZE) != 0) {
        rig->lost++;
    }
    g_test_message("%d stores a vCPU, %" G_GUINT64_FORMAT " pages copied, %" G_GUINT64_FORMAT
                   " device accesses, %" G_GUINT64_FORMAT " lost", ROUNDS * GRANT, rig->pages_copied,
                   rig->device_count, rig->lost);
    uint64_t lost = rig->lost;
    rig_free(rig);
    return lost;
}

static void test_no_store_lost(void)
{
    g_assert_cmpuint(run(NULL, false), ==, 0);
}

static void test_no_store_lost_icount(void)
{
    g_assert_cmpuint(run(fake_config_icount(0, false), false), ==, 0);
}

static void test_broken_is_noticed(void)
{
    g_assert_cmpuint(run(NULL, true), >, 0);
}

/* ---- a page that is taken as dirty is known as touched ---- */

/* Of these nothing but the bits is used. */
#define TOUCH_BLOCKS 8u
#define TOUCH_PAGES (1u << 18)
#define TOUCH_ROUNDS 40

typedef struct Toucher {
    RAMBlock *blocks[TOUCH_BLOCKS];
    _Atomic bool end;
    uint64_t taken, untouched;
} Toucher;

/* A device has written each block in one go: from its first bit to its last there is time to look at it. */
static gpointer touch_thread(gpointer opaque)
{
    Toucher *t = opaque;
    for (unsigned i = 0; i < TOUCH_BLOCKS; i++) {
        ram_block_set_dirty(t->blocks[i], 0, TOUCH_PAGES * (uint64_t)TARGET_PAGE_SIZE);
    }
    atomic_store(&t->end, true);
    return NULL;
}

static void check_touched(RAMBlock *block, const unsigned long *bits, uint64_t npages, void *opaque)
{
    Toucher *t = opaque;
    for (uint64_t page = 0; page < npages; page += 64) {
        /* Whole words come and go here. */
        if (bits[page / 64]) {
            t->taken += 64;
            t->untouched += !ram_block_page_dirty(block, page * TARGET_PAGE_SIZE, DIRTY_MEMORY_TOUCHED);
        }
    }
}

static void one_touch(Machine *m, Toucher *t)
{
    bool end;
    machine_lock(m);
    ram_dirty_start(m, DIRTY_MEMORY_TOUCHED, false);
    ram_dirty_start(m, DIRTY_MEMORY_MIGRATION, false);
    machine_unlock(m);
    t->end = false;
    t->taken = 0;
    GThread *thread = g_thread_new("touch", touch_thread, t);
    do {
        end = atomic_load(&t->end);
        ram_dirty_sync_and_clear(m, DIRTY_MEMORY_MIGRATION, check_touched, t);
    } while (!end);
    g_thread_join(thread);
    g_assert_cmpuint(t->taken, ==, TOUCH_BLOCKS * TOUCH_PAGES);
}

static void test_dirty_is_touched(void)
{
    Machine *m = fake_machine_new(NULL);
    Toucher t = { .untouched = 0 };
    machine_lock(m);
    for (unsigned i = 0; i < TOUCH_BLOCKS; i++) {
        g_autofree char *name = g_strdup_printf("ram%u", i);
        t.blocks[i] = ram_block_new(m, name, TOUCH_PAGES * (uint64_t)TARGET_PAGE_SIZE, NULL);
    }
    machine_unlock(m);
    for (unsigned i = 0; i < TOUCH_ROUNDS; i++) {
        one_touch(m, &t);
    }
    g_assert_cmpuint(t.untouched, ==, 0);
    machine_free(m);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/dirty/no-store-lost", test_no_store_lost);
    g_test_add_func("/dirty/no-store-lost/icount", test_no_store_lost_icount);
    g_test_add_func("/dirty/broken-is-noticed", test_broken_is_noticed);
    g_test_add_func("/dirty/dirty-is-touched", test_dirty_is_touched);
    return g_test_run();
}
