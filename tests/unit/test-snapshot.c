/*
 * test-snapshot.c - a machine with RAM, a device and two disks: saved, changed, put back; and everything that can fail.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "block/block.h"
#include "hw/machine-layers.h"
#include "io/file-copy.h"
#include "migration/migration.h"
#include "migration/register.h"
#include "migration/snapshot.h"
#include "system/clock.h"
#include "system/machine.h"
#include "system/memory.h"
#include "system/runstate.h"
#include "util/keyval.h"

#define PAGES 8u
#define SIZE_A (1u << 20)
#define SIZE_B (3u << 20)

typedef struct Rig {
    Machine *m;
    MigrationState *s;
    RAMBlock *ram;
    BlockBackend *a, *b;
    uint32_t reg;
    bool refuse_load, refuse_save, icount;
    char *dir, *folder, *image_a, *image_b;
} Rig;

static bool widget_pre_save(void *opaque, Error **errp)
{
    if (((Rig *)opaque)->refuse_save) {
        error_setg(errp, "the widget does not want to be saved");
        return false;
    }
    return true;
}

static bool widget_post_load(void *opaque, int version_id, Error **errp)
{
    if (((Rig *)opaque)->refuse_load) {
        error_setg(errp, "the widget does not want to be loaded");
        return false;
    }
    return true;
}

static const VMStateDescription vmstate_widget = {
    .name = "widget", .version_id = 2, .minimum_version_id = 2,
    .pre_save = widget_pre_save, .post_load = widget_post_load,
    .fields = (const VMStateField[]){ VMSTATE_UINT32(reg, Rig), VMSTATE_END_OF_LIST() },
};
/* The same section as a later program has it. */
static const VMStateDescription vmstate_later_widget = {
    .name = "widget", .version_id = 4, .minimum_version_id = 3,
    .fields = (const VMStateField[]){ VMSTATE_UINT32(reg, Rig), VMSTATE_END_OF_LIST() },
};
static const VMStateDescription vmstate_gadget = {
    .name = "gadget", .version_id = 1, .minimum_version_id = 1,
    .fields = (const VMStateField[]){ VMSTATE_UINT32(reg, Rig), VMSTATE_END_OF_LIST() },
};
static const MachineClass bare = { .name = "bare", .desc = "no harts", .layers = &machine_layers };

/* ---- the rig ---- */

static char *new_image(const Rig *r, const char *name, uint64_t size)
{
    char *path = g_build_filename(r->dir, name, NULL);
    int fd = open(path, O_CREAT | O_RDWR, 0600);
    g_assert_cmpint(ftruncate(fd, (off_t)size), ==, 0);
    close(fd);
    return path;
}

static BlockBackend *drive(Rig *r, const char *id, const char *file, const char *more)
{
    g_autofree char *text = g_strdup_printf("file=%s,format=raw,if=none,id=%s%s", file, id, more);
    Error *err = NULL;
    json_t *options = keyval_parse(text, NULL, &err);
    BlockBackend *blk = block_drive_new(r->m, options, &err);
    g_assert_cmpstr(err ? error_get_pretty(err) : "", ==, "");
    json_decref(options);
    return blk;
}

/* The machine alone; images and folder are those of before, if there was one. Lock held. */
static void rig_start(Rig *r, uint64_t ram)
{
    MachineConfig *config = machine_config_new(&bare);
    config->icount = r->icount;
    r->m = machine_new(&bare, config, NULL);
    machine_lock(r->m);
    r->s = r->m->migration;
    r->ram = ram_block_new(r->m, "main", ram, NULL);
    g_assert_true(vmstate_register(r->m, NULL, 0, &vmstate_widget, r, NULL));
    g_assert_true(snapshot_set_folder(r->s, r->folder, NULL));
    r->reg = 1;
}

static void rig_stop(Rig *r)
{
    machine_unlock(r->m);
    machine_free(r->m);
}

static void rig_done(Rig *r)
{
    machine_unlock(r->m);
    g_assert_true(machine_done(r->m, NULL));
    machine_lock(r->m);
}

static Rig *rig_new_with(bool icount)
{
    Rig *r = g_new0(Rig, 1);
    r->icount = icount;
    r->dir = g_dir_make_tmp("godwit-snapshot-XXXXXX", NULL);
    r->folder = g_build_filename(r->dir, "snaps", NULL);
    r->image_a = new_image(r, "a.img", SIZE_A);
    r->image_b = new_image(r, "b.img", SIZE_B);
    rig_start(r, PAGES * TARGET_PAGE_SIZE);
    r->a = drive(r, "a", r->image_a, "");
    r->b = drive(r, "b", r->image_b, "");
    rig_done(r);
    return r;
}

static Rig *rig_new(void)
{
    return rig_new_with(false);
}

static void remove_tree(const char *path)
{
    g_autofree char *command = g_strdup_printf("rm -rf '%s'", path);
    g_assert_cmpint(system(command), ==, 0);
}

static void rig_free(Rig *r)
{
    rig_stop(r);
    remove_tree(r->dir);
    g_free(r->dir);
    g_free(r->folder);
    g_free(r->image_a);
    g_free(r->image_b);
    g_free(r);
}

/* Everything that a snapshot holds becomes a function of this byte. */
static void paint(Rig *r, uint8_t what)
{
    g_autofree uint8_t *buf = g_malloc(65536);
    memset(buf, what, 65536);
    r->reg = 0x1000u + what;
    memset(r->ram->host + TARGET_PAGE_SIZE, what, TARGET_PAGE_SIZE);
    memset(r->ram->host + (2 + what % 2) * TARGET_PAGE_SIZE, what, TARGET_PAGE_SIZE);
    memset(r->ram->host + (3 - what % 2) * TARGET_PAGE_SIZE, 0, TARGET_PAGE_SIZE);
    g_assert_cmpint(blk_pwrite(r->a, 4096, buf, 512), ==, 0);
    g_assert_cmpint(blk_pwrite(r->b, SIZE_B - 65536, buf, 65536), ==, 0);
    /* Where one has data the other has none. */
    memset(buf, 0, 65536);
    g_assert_cmpint(blk_pwrite(r->b, what % 2 ? 65536 : 1048576, buf, 65536), ==, 0);
    memset(buf, what, 65536);
    g_assert_cmpint(blk_pwrite(r->b, what % 2 ? 1048576 : 65536, buf, 65536), ==, 0);
}

static bool range_is(BlockBackend *blk, uint64_t offset, uint64_t len, uint8_t what)
{
    g_autofree uint8_t *buf = g_malloc(len);
    g_assert_cmpint(blk_pread(blk, offset, buf, len), ==, 0);
    return buf[0] == what && memcmp(buf, buf + 1, len - 1) == 0;
}

static bool is_painted(Rig *r, uint8_t what)
{
    const uint8_t *page = r->ram->host + TARGET_PAGE_SIZE;
    return r->reg == 0x1000u + what && page[0] == what && page[TARGET_PAGE_SIZE - 1] == what &&
           page[(1 + what % 2) * TARGET_PAGE_SIZE] == what && page[(2 - what % 2) * TARGET_PAGE_SIZE] == 0 &&
           range_is(r->a, 4096, 512, what) && range_is(r->a, 4608, 4096, 0) &&
           range_is(r->b, SIZE_B - 65536, 65536, what) && range_is(r->b, what % 2 ? 65536 : 1048576, 65536, 0) &&
           range_is(r->b, what % 2 ? 1048576 : 65536, 65536, what);
}

static gint by_name(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* What stands in the folder, in order: "one two". */
static char *listing(const Rig *r)
{
    GDir *dir = g_dir_open(r->folder, 0, NULL);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    const char *name;
    while ((name = g_dir_read_name(dir))) {
        g_ptr_array_add(names, g_strdup(name));
    }
    g_dir_close(dir);
    g_ptr_array_sort(names, by_name);
    g_ptr_array_add(names, NULL);
    return g_strjoinv(" ", (char **)names->pdata);
}

#define assert_folder(R, EXPECTED) \
    do { \
        g_autofree char *listing_ = listing(R); \
        g_assert_cmpstr(listing_, ==, EXPECTED); \
    } while (0)

static void save(Rig *r, const char *name)
{
    Error *err = NULL;
    snapshot_save(r->s, name, false, &err);
    g_assert_cmpstr(err ? error_get_pretty(err) : "", ==, "");
}

static void load(Rig *r, const char *name)
{
    Error *err = NULL;
    snapshot_load(r->s, name, &err);
    g_assert_cmpstr(err ? error_get_pretty(err) : "", ==, "");
}

/* ok must be false and the text must have `why` in it. Frees err. */
static void assert_fails(bool ok, Error *err, const char *why)
{
    g_assert_false(ok);
    g_assert_nonnull(err);
    if (!strstr(error_get_pretty(err), why)) {
        g_error("'%s' lacks '%s'", error_get_pretty(err), why);
    }
    error_free(err);
}

static void save_fails(Rig *r, const char *name, const char *why)
{
    Error *err = NULL;
    bool ok = snapshot_save(r->s, name, false, &err);
    assert_fails(ok, err, why);
}

static void load_fails(Rig *r, const char *name, const char *why)
{
    Error *err = NULL;
    bool ok = snapshot_load(r->s, name, &err);
    assert_fails(ok, err, why);
}

/* Writes past n bytes of a file fail, as on a full disk; RLIM_INFINITY: no more. */
static void limit_files(rlim_t n)
{
    struct rlimit limit;
    g_assert_cmpint(getrlimit(RLIMIT_FSIZE, &limit), ==, 0);
    limit.rlim_cur = n;
    g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &limit), ==, 0);
}

/* ---- tests ---- */

static void test_there_and_back(void)
{
    Rig *r = rig_new();
    paint(r, 0x11);
    vm_start(r->m);
    save(r, "one");
    g_assert_true(runstate_is_running(r->m));
    paint(r, 0x22);
    save(r, "two");
    paint(r, 0x35);
    load(r, "one");
    g_assert_true(runstate_is_running(r->m));
    g_assert_true(is_painted(r, 0x11));
    load(r, "two");
    g_assert_true(is_painted(r, 0x22));
    vm_stop(r->m, RUN_STATE_PAUSED);
    load(r, "one");
    g_assert_true(is_painted(r, 0x11));
    g_assert_cmpint(runstate_get(r->m), ==, RUN_STATE_PAUSED);
    /* Loading does not use it up, and the disks can be written. */
    paint(r, 0x44);
    load(r, "one");
    g_assert_true(is_painted(r, 0x11));
    assert_folder(r, "one two");
    rig_free(r);
}

static void test_another_process(void)
{
    Rig *r = rig_new();
    paint(r, 0x11);
    save(r, "one");
    g_assert_cmpint(runstate_get(r->m), ==, RUN_STATE_PRELAUNCH);
    paint(r, 0x22);
    rig_stop(r);
    rig_start(r, PAGES * TARGET_PAGE_SIZE);
    /* In another order: disks are known by their names. */
    r->b = drive(r, "b", r->image_b, "");
    r->a = drive(r, "a", r->image_a, "");
    rig_done(r);
    g_assert_false(is_painted(r, 0x11));
    load(r, "one");
    g_assert_true(is_painted(r, 0x11));
    rig_free(r);
}

static void test_replace_and_delete(void)
{
    Rig *r = rig_new();
    Error *err = NULL;
    paint(r, 0x11);
    save(r, "one");
    paint(r, 0x22);
    save_fails(r, "one", "already exists");
    g_assert_true(snapshot_save(r->s, "one", true, NULL));
    assert_folder(r, "one");
    paint(r, 0x35);
    load(r, "one");
    g_assert_true(is_painted(r, 0x22));
    g_assert_true(snapshot_save(r->s, "other", true, NULL));
    g_assert_true(snapshot_delete(r->s, "one", NULL));
    assert_folder(r, "other");
    load_fails(r, "one", "does not exist");
    bool ok = snapshot_delete(r->s, "one", &err);
    assert_fails(ok, err, "does not exist");
    rig_free(r);
}

static void test_list(void)
{
    Rig *r = rig_new();
    GPtrArray *list = snapshot_list(r->s, NULL);
    g_assert_cmpint(list->len, ==, 0);
    g_ptr_array_unref(list);
    save(r, "zebra");
    save(r, "ant");
    g_autofree char *index = g_build_filename(r->folder, "ant", "index.json", NULL);
    list = snapshot_list(r->s, NULL);
    g_assert_cmpint(list->len, ==, 2);
    const SnapshotEntry *entry = list->pdata[0];
    g_assert_cmpstr(entry->name, ==, "zebra");      /* the older one */
    g_assert_null(entry->broken);
    g_assert_cmpint(entry->disks->len, ==, 2);
    g_assert_cmpstr(((SnapshotDisk *)entry->disks->pdata[1])->name, ==, "b");
    g_assert_cmpint(((SnapshotDisk *)entry->disks->pdata[1])->size, ==, SIZE_B);
    g_assert_cmpint(entry->vm_size, >, 100);
    g_assert_cmpint(ABS(entry->date_ns / 1000000000 - g_get_real_time() / 1000000), <, 1000);
    g_ptr_array_unref(list);
    g_assert_true(g_file_set_contents(index, "{]", -1, NULL));
    list = snapshot_list(r->s, NULL);
    entry = list->pdata[0];
    g_assert_cmpstr(entry->name, ==, "ant");
    g_assert_nonnull(entry->broken);
    g_ptr_array_unref(list);
    load_fails(r, "ant", "not JSON");
    g_assert_true(snapshot_delete(r->s, "ant", NULL));
    rig_free(r);
}

/* Nothing is left of an attempt that failed, the machine goes on, an older snapshot is as it was. */
static void test_save_fails(void)
{
    /* The state; the second disk; in between. */
    static const rlim_t limits[] = { 100, SIZE_A, SIZE_A + 4096 };
    Rig *r = rig_new();
    paint(r, 0x11);
    save(r, "one");
    paint(r, 0x22);
    vm_start(r->m);
    for (size_t i = 0; i < G_N_ELEMENTS(limits); i++) {
        Error *err = NULL;
        limit_files(limits[i]);
        bool ok = snapshot_save(r->s, i % 2 ? "one" : "two", true, &err);
        limit_files(RLIM_INFINITY);
        assert_fails(ok, err, i ? "disk 'b'" : "File too large");
        g_assert_true(runstate_is_running(r->m));
        assert_folder(r, "one");
        g_assert_true(is_painted(r, 0x22));
    }
    r->refuse_save = true;
    save_fails(r, "two", "the widget does not want to be saved");
    assert_folder(r, "one");
    g_assert_true(runstate_is_running(r->m));
    r->refuse_save = false;
    load(r, "one");
    g_assert_true(is_painted(r, 0x11));
    rig_free(r);
}

/* Behind the point of no return: internal-error, and another load cures it. */
static void test_load_fails_late(void)
{
    Rig *r = rig_new();
    paint(r, 0x11);
    save(r, "one");
    paint(r, 0x22);
    vm_start(r->m);
    r->refuse_load = true;
    load_fails(r, "one", "mixture");
    g_assert_cmpint(runstate_get(r->m), ==, RUN_STATE_INTERNAL_ERROR);
    g_assert_true(runstate_needs_reset(r->m));
    save_fails(r, "two", "reset");
    load_fails(r, "one", "the widget does not want to be loaded");
    r->refuse_load = false;
    limit_files(SIZE_A);
    load_fails(r, "one", "disk 'b'");
    limit_files(RLIM_INFINITY);
    g_assert_cmpint(runstate_get(r->m), ==, RUN_STATE_INTERNAL_ERROR);
    load(r, "one");
    g_assert_true(is_painted(r, 0x11));
    g_assert_cmpint(runstate_get(r->m), ==, RUN_STATE_PAUSED);
    rig_free(r);
}

/* One file of snapshot "one" is changed by this command; loading must say `why` and touch nothing. */
static void expect_damage(Rig *r, const char *command, const char *why)
{
    g_autofree char *keep = g_strdup_printf("cp -a '%s/one' '%s/keep'", r->folder, r->dir);
    g_autofree char *damage = g_strdup_printf("cd '%s/one' && %s", r->folder, command);
    g_autofree char *repair = g_strdup_printf("rm -rf '%s/one' && mv '%s/keep' '%s/one'", r->folder, r->dir, r->folder);
    g_assert_cmpint(system(keep), ==, 0);
    g_assert_cmpint(system(damage), ==, 0);
    load_fails(r, "one", why);
    g_assert_true(runstate_is_running(r->m));
    g_assert_true(is_painted(r, 0x22));
    g_assert_cmpint(system(repair), ==, 0);
}

static void test_damage(void)
{
    Rig *r = rig_new();
    paint(r, 0x11);
    save(r, "one");
    paint(r, 0x22);
    vm_start(r->m);
    expect_damage(r, "truncate -s 1000 state", "it was saved with");
    expect_damage(r, "printf X | dd of=state bs=1 seek=500 conv=notrunc status=none", "is damaged");
    expect_damage(r, "rm state", "is not there");
    expect_damage(r, "rm disk1.img", "'disk1.img' is not there");
    expect_damage(r, "rm disk1.img && mkdir disk1.img", "'disk1.img' is not there");
    expect_damage(r, "rm disk1.img && ln -s /dev/zero disk1.img", "'disk1.img' is not there");
    expect_damage(r, "truncate -s 1M disk1.img", "it was saved with");
    expect_damage(r, "rm index.json", "does not exist");
    expect_damage(r, "rm index.json && mkfifo index.json", "is no file");
    expect_damage(r, "truncate -s 5M index.json", "is no file of at most");
    expect_damage(r, ": >index.json", "not JSON");
    expect_damage(r, "echo '[]' >index.json", "format");
    expect_damage(r, "sed -i 's/\"format\": 1/\"format\": 2/' index.json", "format");
    expect_damage(r, "sed -i 's/disk0.img/..\\/x/' index.json", "'../x' is not there");
    expect_damage(r, "sed -i 's/\"file\"/\"elif\"/' index.json", "lacks its name");
    expect_damage(r, "sed -i 's/\"ram\"/\"mar\"/' index.json", "not complete");
    expect_damage(r, "sed -i 's/\"size\": 3145728/\"size\": -1/' index.json", "it was saved with -1");
    expect_damage(r, "sed -i 's/\"type\": \"bare\"/\"type\": \"virt\"/' index.json", "of another machine");
    expect_damage(r, "sed -i 's/\"id\": \"main\"/\"id\": \"Main\"/' index.json", "of another machine");
    expect_damage(r, "sed -i 's/\"version\": 2/\"version\": 3/' index.json", "reads 2 to 2");
    expect_damage(r, "sed -i 's/\"name\": \"b\"/\"name\": \"c\"/' index.json", "no copy of disk 'b'");
    load(r, "one");
    g_assert_true(is_painted(r, 0x11));
    rig_free(r);
}

/* A machine that is not the one that was saved. */
static void test_another_machine(void)
{
    Rig *r = rig_new();
    Error *err = NULL;
    paint(r, 0x11);
    save(r, "one");
    rig_stop(r);

    rig_start(r, 2 * PAGES * TARGET_PAGE_SIZE);
    drive(r, "a", r->image_a, "");
    drive(r, "b", r->image_b, "");
    rig_done(r);
    load_fails(r, "one", "of another machine");
    rig_stop(r);

    rig_start(r, PAGES * TARGET_PAGE_SIZE);
    drive(r, "a", r->image_a, "");
    drive(r, "b", r->image_b, ",readonly=on");
    rig_done(r);
    load_fails(r, "one", "2 disks; the machine writes 1");
    rig_stop(r);

    rig_start(r, PAGES * TARGET_PAGE_SIZE);
    drive(r, "a", r->image_a, "");
    drive(r, "b", r->image_b, "");
    rig_done(r);
    g_assert_true(vmstate_register(r->m, NULL, 0, &vmstate_gadget, r, NULL));
    load_fails(r, "one", "gadget");
    vmstate_unregister(r->m, &vmstate_gadget, r);
    vmstate_unregister(r->m, &vmstate_widget, r);
    load_fails(r, "one", "widget");
    g_assert_true(vmstate_register(r->m, NULL, 0, &vmstate_later_widget, r, NULL));
    load_fails(r, "one", "reads 3 to 4");
    g_autofree char *third = new_image(r, "c.img", 512);
    vmstate_unregister(r->m, &vmstate_later_widget, r);
    g_assert_true(vmstate_register(r->m, NULL, 0, &vmstate_widget, r, NULL));
    drive(r, "c", third, "");
    load_fails(r, "one", "no copy of disk 'c'");
    bool ok = snapshot_set_folder(r->s, r->dir, &err);
    assert_fails(ok, err, "already");
    rig_free(r);
}

/* Who is there first. */
static void test_refusals(void)
{
    Rig *r = rig_new();
    Error *err = NULL, *reason = NULL;
    unsigned id;
    save(r, "one");
    error_setg(&reason, "the sprocket is stuck");
    g_assert_true(migration_add_blocker(r->s, reason, &id, NULL));
    save_fails(r, "two", "the sprocket is stuck");
    load_fails(r, "one", "the sprocket is stuck");
    migration_del_blocker(r->s, id);
    int other = open(r->folder, O_RDONLY | O_DIRECTORY);
    g_assert_cmpint(flock(other, LOCK_EX), ==, 0);
    save_fails(r, "two", "another program");
    load_fails(r, "one", "another program");
    bool ok = snapshot_delete(r->s, "one", &err);
    assert_fails(ok, err, "another program");
    close(other);
    g_assert_true(migration_incoming_prepare(r->s, NULL));
    save_fails(r, "two", "waiting for an incoming migration");
    load_fails(r, "one", "waiting for an incoming migration");
    assert_folder(r, "one");
    rig_free(r);
}

/* What a program that died has left goes; what is not ours stays. */
static void test_leftovers(void)
{
    Rig *r = rig_new();
    g_autofree char *make = g_strdup_printf("cd '%s' && mkdir .godwit-1 .other && : >.godwit-1/state && : >.other/x",
                                            r->folder);
    save(r, "one");
    g_assert_cmpint(system(make), ==, 0);
    save(r, "two");
    g_autofree char *look = g_strdup_printf("cd '%s' && [ \"$(ls -A | sort | tr '\\n' ' ')\" = '.other one two ' ]",
                                            r->folder);
    g_assert_cmpint(system(look), ==, 0);
    rig_free(r);
}

/* The disk of another program: one that no copy can be made of. */
static void test_null_disk(void)
{
    Rig *r = rig_new();
    json_t *options = keyval_parse("null-co,node-name=nothing,size=1M", "driver", NULL);
    g_assert_nonnull(block_node_new(r->m, options, NULL));
    json_decref(options);
    g_assert_nonnull(blk_attach(r->m, "nothing", "/test", NULL));
    paint(r, 0x11);
    save(r, "one");
    GPtrArray *list = snapshot_list(r->s, NULL);
    g_assert_cmpint(((SnapshotEntry *)list->pdata[0])->disks->len, ==, 2);
    g_ptr_array_unref(list);
    paint(r, 0x22);
    load(r, "one");
    g_assert_true(is_painted(r, 0x11));
    rig_free(r);
}

/* ---- -icount: requests in flight ---- */

static void on_done(void *opaque, int ret)
{
    *(int *)opaque = ret;
}

static void run_until(Rig *r, int64_t ns)
{
    clocks_icount_warp_to(r->m->clocks, ns);
    clocks_run_timers(r->m->clocks, QEMU_CLOCK_VIRTUAL);
}

/* What is in flight is carried, not repeated, and ends at its moment. */
static void test_in_flight(void)
{
    enum { PENDING = 1 };
    Rig *r = rig_new_with(true);
    char one[512], two[512];
    struct iovec first = { one, sizeof(one) }, second = { two, sizeof(two) };
    int done_a = PENDING, done_b = PENDING, done_late = PENDING;
    memset(one, 0x11, sizeof(one));
    memset(two, 0x22, sizeof(two));
    vm_start(r->m);
    blk_aio_pwritev(r->b, 0, &first, 1, on_done, &done_b);
    int64_t due_b = clocks_virtual_deadline_ns(r->m->clocks);
    run_until(r, 1000);
    blk_aio_pwritev(r->a, 0, &first, 1, on_done, &done_a);
    int64_t due_a = due_b + 1000;
    save(r, "one");
    g_assert_cmpint(done_b, ==, PENDING);
    run_until(r, due_a);
    g_assert_cmpint(done_a | done_b, ==, 0);

    /* The devices of this machine submit in the other order, and would write something else. */
    load(r, "one");
    g_assert_cmpint(qemu_clock_get_ns(r->m, QEMU_CLOCK_VIRTUAL), ==, 1000);
    done_a = done_b = PENDING;
    blk_aio_pwritev(r->a, 0, &second, 1, on_done, &done_a);
    blk_aio_pwritev(r->b, 0, &second, 1, on_done, &done_b);
    g_assert_cmpint(clocks_virtual_deadline_ns(r->m->clocks), ==, due_b);
    run_until(r, due_b);
    g_assert_cmpint(done_b, ==, 0);
    g_assert_cmpint(done_a, ==, PENDING);
    run_until(r, due_a);
    g_assert_cmpint(done_a, ==, 0);
    g_assert_true(range_is(r->a, 0, 512, 0x11) && range_is(r->b, 0, 512, 0x11));

    /* One that is not submitted again at once is forgotten. */
    load(r, "one");
    run_until(r, 2000);
    blk_aio_pwritev(r->a, 0, &second, 1, on_done, &done_late);
    g_assert_true(range_is(r->a, 0, 512, 0x22));
    g_assert_cmpint(clocks_virtual_deadline_ns(r->m->clocks), ==, due_a + 1000);
    blk_drain(r->a);
    rig_free(r);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    signal(SIGXFSZ, SIG_IGN);
    g_test_add_func("/snapshot/there-and-back", test_there_and_back);
    g_test_add_func("/snapshot/another-process", test_another_process);
    g_test_add_func("/snapshot/replace-and-delete", test_replace_and_delete);
    g_test_add_func("/snapshot/list", test_list);
    g_test_add_func("/snapshot/save-fails", test_save_fails);
    g_test_add_func("/snapshot/load-fails-late", test_load_fails_late);
    g_test_add_func("/snapshot/damage", test_damage);
    g_test_add_func("/snapshot/another-machine", test_another_machine);
    g_test_add_func("/snapshot/refusals", test_refusals);
    g_test_add_func("/snapshot/leftovers", test_leftovers);
    g_test_add_func("/snapshot/null-disk", test_null_disk);
    g_test_add_func("/snapshot/in-flight", test_in_flight);
    return g_test_run();
}
