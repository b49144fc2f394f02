/*
 * lib-migration.c - two small machines in one process, and who has what.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "lib-migration.h"

#include <string.h>

#include "migration/migration-internal.h"
#include "migration/register.h"
#include "system/memory.h"

#define THREADS_END_US (20 * G_USEC_PER_SEC)

static GMutex host_lock;
static GCond host_cond;
static int images_out;          /* hosts that have images now; host_lock */

/* ---- the machine ---- */

static Host *host_of(Machine *m)
{
    return m->board;
}

static bool device_pre_save(void *opaque, Error **errp)
{
    Host *h = opaque;
    if (h->refuse_save && h->saves++ > 0) {
        error_setg(errp, "the widget does not want to be saved");
        return false;
    }
    return true;
}

static bool device_post_load(void *opaque, int version_id, Error **errp)
{
    Host *h = opaque;
    if (h->refuse_load) {
        error_setg(errp, "the widget does not like 0x%x", h->reg);
        return false;
    }
    return true;
}

static const VMStateDescription vmstate_widget = {
    .name = "widget", .version_id = 1, .minimum_version_id = 1,
    .pre_save = device_pre_save, .post_load = device_post_load,
    .fields = (const VMStateField[]){ VMSTATE_UINT32(reg, Host), VMSTATE_END_OF_LIST() },
};

static bool give_images(Machine *m, Error **errp)
{
    g_mutex_lock(&host_lock);
    images_out--;
    g_mutex_unlock(&host_lock);
    return true;
}

static bool take_images(Machine *m, Error **errp)
{
    if (host_of(m)->refuse_images) {
        error_setg(errp, "the images are locked");
        return false;
    }
    g_mutex_lock(&host_lock);
    images_out++;
    g_assert_cmpint(images_out, <=, 1);
    g_mutex_unlock(&host_lock);
    return true;
}

/* The network is not sent to a machine that may still go away, or that has no disks. */
static void announce(Machine *m)
{
    RunState state = runstate_get(m);
    g_assert_cmpint(state, !=, RUN_STATE_INMIGRATE);
    g_assert_false(state == RUN_STATE_RUNNING && m->migration->images_away);
    host_of(m)->announced++;
}

static bool attach(Machine *m, Error **errp)
{
    static const MigrationHooks hooks = { give_images, take_images, announce };
    m->savevm = savevm_new(m);
    migration_set_hooks(migration_new(m), &hooks);
    return true;
}

static void reset(Machine *m)
{
    if (host_of(m)) {
        host_of(m)->reg = 0;
    }
}

static void detach(Machine *m)
{
    migration_free(m->migration);
    savevm_free(m->savevm);
    m->savevm = NULL;
}

static const MachineLayerOps layers = { .attach = attach, .reset = reset, .detach = detach };
static const MachineClass bare = { .name = "bare", .desc = "no harts", .layers = &layers };

/* ---- hosts ---- */

static bool is_end(MigrationStatus status)
{
    return status == MIGRATION_STATUS_COMPLETED || status == MIGRATION_STATUS_FAILED ||
           status == MIGRATION_STATUS_CANCELLED;
}

static void on_status(void *opaque, MigrationStatus status)
{
    Host *h = opaque;
    if (is_end(status)) {
        /* Who sees the end may begin anew: nothing of the run is left. */
        g_assert_true(machine_locked(h->m));
        g_assert_null(h->m->migration->run);
        g_assert_null(h->m->migration->in);
    }
    g_mutex_lock(&host_lock);
    g_string_append_printf(h->log, "%s ", migration_status_name(status));
    g_cond_broadcast(&host_cond);
    g_mutex_unlock(&host_lock);
}

static void on_pass(void *opaque, uint64_t pass)
{
}

static void on_incoming_failed(void *opaque, const char *text)
{
    g_assert_not_reached();     /* exit-on-error is off */
}

static gpointer loop_thread(gpointer m)
{
    main_loop_run(((Machine *)m)->loop);
    return NULL;
}

Host *host_new(bool running)
{
    return host_new_sized(running, HOST_PAGES);
}

Host *host_new_sized(bool running, unsigned pages)
{
    static const MigrationSurfaceOps surface = { on_status, on_pass, on_incoming_failed };
    Host *h = g_new0(Host, 1);
    h->log = g_string_new(NULL);
    Machine *m = h->m = machine_new(&bare, machine_config_new(&bare), NULL);
    machine_lock(m);
    m->board = h;
    RAMBlock *block = ram_block_new(m, "main", pages * TARGET_PAGE_SIZE, NULL);
    g_assert_true(vmstate_register(m, NULL, 0, &vmstate_widget, h, NULL));
    machine_unlock(m);
    g_assert_true(machine_done(m, NULL));
    machine_lock(m);
    migration_set_surface(m->migration, &surface, h);
    if (running) {
        h->reg = 0x12345678;
        memset(block->host + 2 * TARGET_PAGE_SIZE + 5, 0xa5, 100);
        g_mutex_lock(&host_lock);
        g_assert_cmpint(images_out, ==, 0);
        images_out++;
        g_mutex_unlock(&host_lock);
        vm_start(m);
    } else {
        g_mutex_lock(&host_lock);
        images_out++;           /* prepare gives them away */
        g_mutex_unlock(&host_lock);
        g_assert_true(migration_incoming_prepare(m->migration, NULL));
    }
    machine_unlock(m);
    h->loop = g_thread_new("loop", loop_thread, m);
    /* A host of tests that is busy must not make a stop look too long, which would be taken back. */
    host_set_option(h, "downtime-limit", json_integer(60000), false);
    return h;
}

void host_free(Host *h)
{
    main_loop_quit(h->m->loop);
    g_thread_join(h->loop);
    migration_shutdown(h->m->migration);
    machine_free(h->m);
    g_string_free(h->log, TRUE);
    g_free(h);
    images_out = 0;
}

bool host_runs(Host *h)
{
    return runstate_is_running(h->m);
}

MigrationInfoData host_info(Host *h)
{
    MigrationInfoData info;
    machine_lock(h->m);
    migration_query(h->m->migration, &info);
    machine_unlock(h->m);
    return info;
}

void host_set_option(Host *h, const char *name, json_t *value, bool capability)
{
    json_t *values = json_object();
    json_object_set_new(values, name, value);
    machine_lock(h->m);
    g_assert_true(migration_set_options(h->m->migration, values, capability, NULL));
    machine_unlock(h->m);
    json_decref(values);
}

static void start(Host *h, int fd, bool out)
{
    Error *err = NULL;
    MigrationAddress *address = migration_address_parse("fd:wire", NULL, &err);
    g_assert_null(err);
    machine_lock(h->m);
    bool ok = out ? migration_start(h->m->migration, address, fd, MIGRATION_DISKS_STAY, &err)
                  : migration_incoming_start(h->m->migration, address, fd, false, &err);
    machine_unlock(h->m);
    g_assert_cmpstr(err ? error_get_pretty(err) : "", ==, "");
    g_assert_true(ok);
}

void host_start_out(Host *h, int fd)
{
    start(h, fd, true);
}

void host_start_in(Host *h, int fd)
{
    start(h, fd, false);
}

static MigrationStatus status_of(Host *h)
{
    MigrationInfoData info = host_info(h);
    migration_info_clear(&info);
    return info.status;
}

/* Waits until wanted(status); the condition is signalled at each change of any host. */
static void wait_for(Host *h, MigrationStatus exact, bool any_end)
{
    for (;;) {
        g_mutex_lock(&host_lock);
        gsize seen = h->log->len;
        g_mutex_unlock(&host_lock);
        MigrationStatus now = status_of(h);
        if (any_end ? is_end(now) : now == exact) {
            return;
        }
        g_mutex_lock(&host_lock);
        while (h->log->len == seen) {
            g_cond_wait(&host_cond, &host_lock);
        }
        g_mutex_unlock(&host_lock);
    }
}

void host_wait_end(Host *h)
{
    wait_for(h, 0, true);
}

void host_wait_status(Host *h, MigrationStatus status)
{
    wait_for(h, status, false);
}

void hosts_assert_same(Host *a, Host *b)
{
    g_assert_cmphex(a->reg, ==, b->reg);
    RAMBlock *ram_a = ram_block_find(a->m, "main"), *ram_b = ram_block_find(b->m, "main");
    g_assert_cmpuint(ram_a->used_length, ==, ram_b->used_length);
    g_assert_cmpint(memcmp(ram_a->host, ram_b->host, ram_a->used_length), ==, 0);
}

void host_settle(Host *h, bool keep)
{
    machine_lock(h->m);
    g_assert_true(migration_settle(h->m->migration, keep, NULL));
    machine_unlock(h->m);
}

bool host_in_doubt(Host *h)
{
    MigrationInfoData info = host_info(h);
    bool doubt = info.handover == MIGRATION_HANDOVER_IN_DOUBT;
    migration_info_clear(&info);
    return doubt;
}

/* ---- pairs ---- */

Pair pair_new(void)
{
    Pair p = { host_new(true), host_new(false) };
    host_set_option(p.src, "avail-switchover-bandwidth", json_integer(1000000000), false);
    return p;
}

void pair_free(Pair p)
{
    host_free(p.src);
    host_free(p.dst);
}

void pair_start(Pair p, Wire *w)
{
    host_start_in(p.dst, wire_second(w));
    host_start_out(p.src, wire_first(w));
}

void pair_finish(Pair p, Wire *w)
{
    host_wait_end(p.src);
    host_wait_end(p.dst);
    wire_end(w, NULL, NULL);
}

void pair_judge(Pair p)
{
    bool src = host_runs(p.src), dst = host_runs(p.dst);
    g_assert_false(src && dst);
    if (!src && !dst) {
        g_assert_true(host_in_doubt(p.src) && host_in_doubt(p.dst));
        host_settle(p.dst, false);
        host_settle(p.src, true);
    } else if (src && host_in_doubt(p.dst)) {
        host_settle(p.dst, false);
    } else if (dst && host_in_doubt(p.src)) {
        host_settle(p.src, false);
    }
    g_assert_cmpint(host_runs(p.src) + host_runs(p.dst), ==, 1);
}

void pair_move_again(Pair p)
{
    Wire *w = wire_new(UINT64_MAX, UINT64_MAX);
    pair_start(p, w);
    pair_finish(p, w);
    g_assert_true(host_runs(p.dst) && !host_runs(p.src));
    hosts_assert_same(p.src, p.dst);
}

/* ---- what the process has ---- */

static unsigned count_entries(const char *path)
{
    GDir *dir = g_dir_open(path, 0, NULL);
    unsigned n = 0;
    while (g_dir_read_name(dir)) {
        n++;
    }
    g_dir_close(dir);
    return n;
}

unsigned open_descriptors(void)
{
    return count_entries("/proc/self/fd");
}

unsigned live_threads(void)
{
    return count_entries("/proc/self/task");
}

static gpointer nothing_thread(gpointer opaque)
{
    return NULL;
}

static void guarded(gconstpointer data)
{
    void (*const *test)(void) = data;
    /* A sanitizer begins a thread of its own beside the first. */
    g_thread_join(g_thread_new("first", nothing_thread, NULL));
    unsigned descriptors = open_descriptors(), threads = live_threads();
    (*test)();
    g_assert_cmpuint(open_descriptors(), ==, descriptors);
    /* One that has been joined may stand there for a moment. */
    gint64 end = g_get_monotonic_time() + THREADS_END_US;
    while (live_threads() > threads && g_get_monotonic_time() < end) {
        g_thread_yield();
    }
    g_assert_cmpuint(live_threads(), <=, threads);
}

void add_guarded_test(const char *path, void (*test)(void))
{
    g_test_add_data_func_full(path, g_memdup2(&test, sizeof(test)), guarded, g_free);
}
