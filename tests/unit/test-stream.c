/*
 * test-stream.c - a whole stream from one machine into another in memory; cut and bent at every byte.
 *
 * Two machines without harts: RAM blocks and one device each.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <glib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "migration/ram.h"
#include "migration/savevm.h"
#include "migration/wire.h"
#include "system/clock.h"
#include "system/machine.h"
#include "ram-machine.h"
#include "tests/fuzz/fuzz-stream.h"

#define PAGES 24u
#define STREAM_MAX (256 * 1024)

typedef struct Device {
    uint32_t reg[4];
    uint64_t counter;
    bool has_extra;
    uint16_t extra;
} Device;

static bool extra_needed(void *opaque)
{
    return ((Device *)opaque)->has_extra;
}

static const VMStateDescription vmstate_extra = {
    .name = "widget/extra", .version_id = 1, .minimum_version_id = 1, .needed = extra_needed,
    .fields = (const VMStateField[]){ VMSTATE_UINT16(extra, Device), VMSTATE_END_OF_LIST() },
};

static const VMStateDescription vmstate_widget = {
    .name = "widget", .version_id = 3, .minimum_version_id = 2,
    .fields = (const VMStateField[]){
        VMSTATE_UINT32_ARRAY(reg, Device, 4), VMSTATE_UINT64(counter, Device), VMSTATE_END_OF_LIST() },
    .subsections = (const VMStateDescription *const[]){ &vmstate_extra, NULL },
};

static Machine *new_machine_with(Device *device, unsigned pages, bool know_touched)
{
    Machine *m = ram_machine_new(false);
    machine_lock(m);
    if (know_touched) {
        ram_dirty_start(m, DIRTY_MEMORY_TOUCHED, false);
    }
    g_assert_nonnull(ram_block_new(m, "main", pages * TARGET_PAGE_SIZE, NULL));
    g_assert_nonnull(ram_block_new(m, "side", 2 * TARGET_PAGE_SIZE, NULL));
    g_assert_true(vmstate_register(m, NULL, 0, &vmstate_widget, device, NULL));
    g_assert_true(ram_mig_register(m, NULL));
    machine_unlock(m);
    return m;
}

static Machine *new_machine(Device *device, unsigned pages)
{
    return new_machine_with(device, pages, false);
}

static void fill(Machine *m)
{
    RAMBlock *block = ram_block_find(m, "main");
    for (unsigned page = 0; page < PAGES; page += 3) {
        for (unsigned i = 0; i < TARGET_PAGE_SIZE; i++) {
            block->host[page * TARGET_PAGE_SIZE + i] = (uint8_t)(page * 31 + i * 7);
        }
    }
    memset(ram_block_find(m, "side")->host + 100, 0x5a, 5000);
}

/* A store while the machine is being sent: what the second round is for. */
static void store(Machine *m, unsigned page, uint8_t value)
{
    RAMBlock *block = ram_block_find(m, "main");
    block->host[page * TARGET_PAGE_SIZE + 17] = value;
    ram_block_set_dirty(block, page * TARGET_PAGE_SIZE + 17, 1);
}

/* runs: for a destination that knows them. */
static uint8_t *save(Machine *m, bool runs, size_t *len)
{
    const SaveVMOptions options = { .return_path = true, .handover = true, .runs = runs };
    const RAMSaveConfig ram = { .runs = runs };
    QEMUFile *f = qemu_file_new_memory();
    bool done = false;
    g_assert_true(savevm_state_header(f, m, &options, NULL));
    machine_lock(m);
    ram_migration_configure(m, &ram);
    g_assert_true(savevm_state_setup(f, m, NULL));
    machine_unlock(m);
    g_assert_cmpuint(savevm_state_pending(m, false), ==, (PAGES + 2) * TARGET_PAGE_SIZE);
    while (!done) {
        g_assert_true(savevm_state_iterate(f, m, &done, NULL));
    }
    g_assert_cmpuint(savevm_state_pending(m, false), ==, 0);
    store(m, 3, 0x77);
    store(m, 4, 0x78);
    g_assert_cmpuint(savevm_state_pending(m, true), ==, 2 * TARGET_PAGE_SIZE);
    done = false;
    while (!done) {
        g_assert_true(savevm_state_iterate(f, m, &done, NULL));
    }
    /* What is sent to be timed, and means nothing. */
    savevm_send_command(f, MIG_CMD_GODWIT_FILL, "anything at all", 15);
    g_assert_true(savevm_state_idle(f, m, NULL));
    store(m, 3, 0x79);
    machine_lock(m);
    global_state_store(m, RUN_STATE_RUNNING);
    g_assert_true(savevm_state_complete(f, m, &options, NULL));
    savevm_state_cleanup(m);
    machine_unlock(m);
    uint8_t *bytes = qemu_file_take_buffer(f, len);
    g_assert_true(qemu_fclose(f, NULL));
    return bytes;
}

typedef struct Heard {
    unsigned opened, pings;
} Heard;

static bool open_return_path(void *opaque, Error **errp)
{
    ((Heard *)opaque)->opened++;
    return true;
}

static bool ping(void *opaque, uint32_t value, Error **errp)
{
    ((Heard *)opaque)->pings++;
    return true;
}

static const LoadVMOps load_ops = { .open_return_path = open_return_path, .ping = ping };

static bool load(Machine *m, const uint8_t *bytes, size_t len, LoadVMResult *result, Heard *heard,
                 Error **errp)
{
    QEMUFile *f = qemu_file_new_from_buffer(bytes, len);
    bool ok = loadvm_state(f, m, &load_ops, heard, result, errp);
    qemu_fclose(f, NULL);
    return ok;
}

static Device source_device = { { 1, 2, 3, 4 }, 0x123456789abcdef0, true, 0xbeef };

static char *digest(Machine *m)
{
    unsigned count;
    machine_lock(m);
    StateDigest *digests = state_digest_all(m, &count, NULL);
    machine_unlock(m);
    for (unsigned i = 0; i < count; i++) {
        g_test_message("%s %s", digests[i].name, digests[i].hex);
    }
    char *text = g_strdup(digests[count - 1].hex);
    state_digests_free(digests, count);
    return text;
}

static void test_whole(gconstpointer runs)
{
    Device src = source_device, dst = { .has_extra = true };
    Machine *from = new_machine(&src, PAGES), *to = new_machine(&dst, PAGES);
    size_t len;
    LoadVMResult result;
    Heard heard = { 0 };
    Error *err = NULL;
    fill(from);
    g_autofree uint8_t *bytes = save(from, runs, &len);
    bool ok = load(to, bytes, len, &result, &heard, &err);
    if (!ok) {
        g_error("%s", error_get_pretty(err));
    }
    g_assert_true(result.handover);
    g_assert_cmpstr(result.runstate, ==, "running");
    g_assert_cmpuint(heard.opened, ==, 1);
    g_assert_cmpuint(heard.pings, ==, 1);
    g_autofree char *a = digest(from), *b = digest(to);
    g_assert_cmpstr(a, ==, b);
    g_assert_cmpuint(dst.extra, ==, 0xbeef);
    const RAMCounters *c = ram_counters(from);
    g_assert_cmpuint(c->normal, ==, 8 + 2 + 2 + 1);
    g_assert_cmpuint(c->duplicate, ==, PAGES - 8);
    g_assert_cmpuint(c->dirty_sync_count, ==, 3);
    g_assert_cmpuint(c->downtime_bytes, >=, TARGET_PAGE_SIZE);
    g_assert_cmpuint(ram_counters(to)->transferred, ==, c->transferred);
    machine_free(from);
    machine_free(to);
}

/* Cut after each byte: never a success, always an error; and the machine can take the whole stream then. */
static void test_cut_everywhere(gconstpointer runs)
{
    Device src = source_device, dst = { .has_extra = true };
    Machine *from = new_machine(&src, PAGES), *to = new_machine(&dst, PAGES);
    size_t len;
    LoadVMResult result;
    Heard heard = { 0 };
    fill(from);
    g_autofree uint8_t *bytes = save(from, runs, &len);
    for (size_t cut = 0; cut < len; cut++) {
        /* Inside of a page one cut is like another. */
        if (cut > 2000 && cut + 3000 < len && cut % 97) {
            continue;
        }
        Error *err = NULL;
        g_assert_false(load(to, bytes, cut, &result, &heard, &err));
        /* Cut inside of a subsection's name, what is left looks like a section without its end. */
        g_assert_true(strstr(error_get_pretty(err), "stream ends") ||
                      strstr(error_get_pretty(err), "Missing section footer"));
        error_free(err);
    }
    g_assert_true(load(to, bytes, len, &result, &heard, NULL));
    g_autofree char *a = digest(from), *b = digest(to);
    g_assert_cmpstr(a, ==, b);
    machine_free(from);
    machine_free(to);
}

/* Every byte of the framing bent in several ways: an error or a load, never a crash. */
static void test_bent_everywhere(gconstpointer runs)
{
    Device src = source_device, dst = { .has_extra = true };
    Machine *from = new_machine(&src, PAGES), *to = new_machine(&dst, PAGES);
    size_t len;
    LoadVMResult result;
    Heard heard = { 0 };
    unsigned refused = 0;
    fill(from);
    g_autofree uint8_t *bytes = save(from, runs, &len);
    for (size_t at = 0; at < len; at++) {
        if (at > 2000 && at + 3000 < len && at % 61) {
            continue;
        }
        static const uint8_t bends[] = { 0xff, 0x80, 0x01, 0x10 };
        for (unsigned i = 0; i < G_N_ELEMENTS(bends); i++) {
            Error *err = NULL;
            bytes[at] ^= bends[i];
            if (!load(to, bytes, len, &result, &heard, &err)) {
                g_assert_nonnull(err);
                refused++;
            }
            error_free(err);
            bytes[at] ^= bends[i];
        }
    }
    g_assert_cmpuint(refused, >, 200);
    machine_free(from);
    machine_free(to);
}

static void expect(Machine *to, const uint8_t *bytes, size_t len, const char *text)
{
    LoadVMResult result;
    Heard heard = { 0 };
    Error *err = NULL;
    g_assert_false(load(to, bytes, len, &result, &heard, &err));
    if (!strstr(error_get_pretty(err), text)) {
        g_error("expected \"%s\", got: %s", text, error_get_pretty(err));
    }
    error_free(err);
}

/* The texts that operators know. */
static void test_mismatches(void)
{
    Device src = source_device, dst = { .has_extra = true };
    Machine *from = new_machine(&src, PAGES);
    size_t len;
    fill(from);
    g_autofree uint8_t *bytes = save(from, false, &len);
    Machine *small = new_machine(&dst, PAGES - 1);
    expect(small, bytes, len, "Size mismatch: main");
    machine_free(small);
    Machine *other = new_machine(&dst, PAGES);
    machine_lock(other);
    vmstate_unregister(other, &vmstate_widget, &dst);
    machine_unlock(other);
    expect(other, bytes, len, "Unknown savevm section or instance 'widget' 0");
    machine_free(other);
    Machine *to = new_machine(&dst, PAGES);
    bytes[0] = 'X';
    expect(to, bytes, len, "Not a migration stream");
    bytes[0] = 'Q';
    bytes[7] = 2;
    expect(to, bytes, len, "version 2");
    bytes[7] = 3;
    bytes[13] = 'B';
    expect(to, bytes, len, "Machine type received is 'Bare' and local is 'bare'");
    machine_free(to);
    machine_free(from);
}

/* Where text stands in the stream, and behind it a number: its last byte. */
static uint8_t *number_behind(uint8_t *bytes, size_t len, const char *text)
{
    uint8_t *at = memmem(bytes, len, text, strlen(text));
    g_assert_nonnull(at);
    return at + strlen(text) + 3;
}

/* What a run says of its length, and what a sender says of itself, is held against what can be. */
static void test_bad_runs(void)
{
    Device src = source_device, dst = { .has_extra = true };
    Machine *from = new_machine(&src, PAGES), *to = new_machine(&dst, PAGES);
    size_t len;
    fill(from);
    g_autofree uint8_t *bytes = save(from, true, &len);
    uint8_t *pages = number_behind(bytes + 200, len - 200, "\x04side");
    g_assert_cmpuint(*pages, ==, 2);
    *pages = 3;
    expect(to, bytes, len, "run of 3 pages at 0x0 of RAM block \"side\", which has room for 2");
    *pages = 0;
    expect(to, bytes, len, "run of 0 pages");
    pages[-3] = 0xff;
    expect(to, bytes, len, "run of 4278190080 pages");
    pages[-3] = 0;
    *pages = 2;
    uint8_t *flags = number_behind(bytes, len, MIG_CONFIG_GODWIT) + 4;
    g_assert_cmpuint(*flags, ==, MIG_CONFIG_GODWIT_HANDOVER | MIG_CONFIG_GODWIT_RUNS);
    *flags = MIG_CONFIG_GODWIT_RUNS;
    expect(to, bytes, len, "flags 0x2");
    *flags = 4 | MIG_CONFIG_GODWIT_HANDOVER;
    expect(to, bytes, len, "flags 0x5");
    machine_free(to);
    machine_free(from);
}

/* Why a stream with that item left out, or twice in it, is refused; NULL: it is not. */
static char *why_not_with(Machine *to, FuzzStream *s, unsigned item, bool twice)
{
    LoadVMResult result;
    Heard heard = { 0 };
    Error *err = NULL;
    uint8_t out[STREAM_MAX];
    FuzzItem taken = s->item[item];
    taken.bytes = g_byte_array_ref(taken.bytes);
    if (twice) {
        fuzz_stream_insert(s, item, &taken);
    } else {
        fuzz_stream_remove(s, item);
    }
    bool ok = load(to, out, fuzz_stream_write(s, out, sizeof(out)), &result, &heard, &err);
    char *text = ok ? NULL : g_strdup(error_get_pretty(err));
    error_free(err);
    if (twice) {
        fuzz_stream_remove(s, item);
    } else {
        fuzz_stream_insert(s, item, &taken);
    }
    g_byte_array_unref(taken.bytes);
    return text;
}

/* No section is missing or comes twice: the machine that arrives is the one that was sent. */
static void test_sections(void)
{
    Device src = source_device, dst = { .has_extra = true };
    Machine *from = new_machine(&src, PAGES), *to = new_machine(&dst, PAGES);
    FuzzStream s;
    size_t len;
    unsigned seen = 0;
    fill(from);
    g_autofree uint8_t *bytes = save(from, false, &len);
    fuzz_stream_read(&s, bytes, len);
    for (unsigned i = 0; i < s.count; i++) {
        bool end = s.item[i].type == QEMU_VM_SECTION_END;
        if (!fuzz_has_name(&s.item[i]) && !end) {
            continue;
        }
        bool globalstate = i + 2 == s.count || s.item[i + 1].type == QEMU_VM_EOF;
        g_autofree char *missing = why_not_with(to, &s, i, false), *twice = why_not_with(to, &s, i, true);
        seen++;
        if (!globalstate) {
            g_assert_nonnull(missing);
            g_assert_nonnull(twice);
            g_assert_nonnull(strstr(twice, end ? "goes on behind its end" : "comes twice"));
        }
        if (end || s.item[i].type == QEMU_VM_SECTION_FULL) {
            g_assert_true(globalstate || strstr(missing, end ? "without the end of section" : "has no section"));
        }
    }
    g_assert_cmpuint(seen, >=, 4);
    fuzz_stream_clear(&s);
    machine_free(from);
    machine_free(to);
}

static void touch(Machine *m, unsigned page, uint8_t value, bool tell)
{
    RAMBlock *block = ram_block_find(m, "main");
    memset(block->host + page * TARGET_PAGE_SIZE, value, TARGET_PAGE_SIZE);
    if (tell) {
        ram_block_set_dirty(block, page * TARGET_PAGE_SIZE, TARGET_PAGE_SIZE);
    }
}

static uint8_t first_byte(Machine *m, unsigned page)
{
    return ram_block_find(m, "main")->host[page * TARGET_PAGE_SIZE];
}

/*
 * Pages that nobody has said to have written are not read, neither here nor there: what was secretly put there shows
 * it. What was written, or loaded before, counts.
 */
static void test_untouched(gconstpointer runs)
{
    Device src = source_device, dst = { .has_extra = true };
    Machine *from = new_machine_with(&src, PAGES, true), *to = new_machine_with(&dst, PAGES, true);
    LoadVMResult result;
    Heard heard = { 0 };
    size_t len;
    touch(from, 8, 0x11, true);
    touch(from, 9, 0x22, false);
    touch(to, 10, 0x33, true);
    touch(to, 11, 0x44, false);
    g_autofree uint8_t *bytes = save(from, runs, &len);
    g_assert_true(load(to, bytes, len, &result, &heard, NULL));
    g_assert_cmphex(first_byte(to, 8), ==, 0x11);
    g_assert_cmphex(first_byte(to, 9), ==, 0);
    g_assert_cmphex(first_byte(to, 10), ==, 0);
    g_assert_cmphex(first_byte(to, 11), ==, 0x44);
    /* It arrived, is emptied, and another stream says nothing but zeros of it. */
    Machine *empty = new_machine_with(&src, PAGES, true);
    g_autofree uint8_t *zeros = save(empty, runs, &len);
    g_assert_true(load(to, zeros, len, &result, &heard, NULL));
    g_assert_cmphex(first_byte(to, 8), ==, 0);
    machine_free(empty);
    machine_free(from);
    machine_free(to);
}

/* Memory over a file may hold something from the beginning. */
static void test_file_is_touched(void)
{
    Machine *m = ram_machine_new(false);
    int fd = memfd_create("ram", MFD_CLOEXEC);
    g_assert_cmpint(pwrite(fd, "x", 1, 5), ==, 1);
    machine_lock(m);
    ram_dirty_start(m, DIRTY_MEMORY_TOUCHED, false);
    RAMBlock *block = ram_block_new_from_fd(m, "file", 2 * TARGET_PAGE_SIZE, fd, true, NULL);
    RAMBlock *fresh = ram_block_new(m, "fresh", 2 * TARGET_PAGE_SIZE, NULL);
    g_assert_false(ram_page_is_zero(block, 0));
    g_assert_true(ram_page_is_zero(block, TARGET_PAGE_SIZE));
    fresh->host[7] = 1;
    g_assert_true(ram_page_is_zero(fresh, 0));
    ram_dirty_stop(m, DIRTY_MEMORY_TOUCHED);
    g_assert_false(ram_page_is_zero(fresh, 0));
    machine_unlock(m);
    machine_free(m);
}

static void test_zero_page(void)
{
    g_autofree uint8_t *page = g_malloc0(TARGET_PAGE_SIZE);
    g_assert_true(page_is_zero(page));
    for (unsigned i = 0; i < TARGET_PAGE_SIZE; i++) {
        page[i] = 1;
        g_assert_false(page_is_zero(page));
        page[i] = 0;
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/stream/whole/pages", NULL, test_whole);
    g_test_add_data_func("/stream/whole/runs", "runs", test_whole);
    g_test_add_data_func("/stream/cut-everywhere/pages", NULL, test_cut_everywhere);
    g_test_add_data_func("/stream/cut-everywhere/runs", "runs", test_cut_everywhere);
    g_test_add_data_func("/stream/bent-everywhere/pages", NULL, test_bent_everywhere);
    g_test_add_data_func("/stream/bent-everywhere/runs", "runs", test_bent_everywhere);
    g_test_add_func("/stream/mismatches", test_mismatches);
    g_test_add_func("/stream/bad-runs", test_bad_runs);
    g_test_add_func("/stream/sections", test_sections);
    g_test_add_data_func("/stream/untouched/pages", NULL, test_untouched);
    g_test_add_data_func("/stream/untouched/runs", "runs", test_untouched);
    g_test_add_func("/stream/untouched/file", test_file_is_touched);
    g_test_add_func("/stream/zero-page", test_zero_page);
    return g_test_run();
}
