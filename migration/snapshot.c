/*
 * snapshot.c - saves a stopped machine and its disks into a folder, and puts both back.
 *
 * Floor F5; below it the save phases, the section loader, the stream and file copies.
 * Threads and locks: main thread, machine lock held; it is dropped while vCPUs come to rest and while a state is
 * loaded (nobody else then touches the machine: its vCPUs rest and the main loop is here).
 * Invariant: a snapshot is seen whole or not at all.  Loading checks first and touches then; from the
 * reset of the machine on there is no way back, and a failure leaves it in internal-error, which only a reset or
 * another load ends.
 *
 * A snapshot is a folder: "index.json" (snapshot-index.c), "state" (a migration stream), "disk0.img", …
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/file-copy.h"
#include "migration/migration-internal.h"
#include "migration/ram.h"
#include "migration/snapshot-internal.h"
#include "system/memory.h"

/* ---- life ---- */

struct Snapshots *snapshots_new(void)
{
    struct Snapshots *s = g_new0(struct Snapshots, 1);
    s->folder = -1;
    return s;
}

void snapshots_free(struct Snapshots *s)
{
    if (s->folder >= 0) {
        close(s->folder);
    }
    g_free(s->path);
    g_free(s);
}

void snapshot_set_hooks(MigrationState *s, const SnapshotHooks *hooks)
{
    s->snapshots->hooks = hooks;
}

bool snapshot_set_folder(MigrationState *s, const char *path, Error **errp)
{
    if (s->snapshots->path) {
        error_setg(errp, "snapshot folder '%s' has been named already", s->snapshots->path);
        return false;
    }
    if (mkdir(path, 0700) < 0 && errno != EEXIST) {
        error_setg_errno(errp, errno, "snapshot folder '%s' cannot be made", path);
        return false;
    }
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        error_setg_errno(errp, errno, "snapshot folder '%s' cannot be opened", path);
        return false;
    }
    s->snapshots->folder = fd;
    s->snapshots->path = g_strdup(path);
    return true;
}

/* ---- what saving and loading have in common ---- */

static bool check_machine(MigrationState *s, Error **errp)
{
    RunState state = runstate_get(s->machine);
    if (migration_is_running(s) || s->run || s->in) {
        error_setg(errp, "There's a migration process in progress");
    } else if (s->handover == MIGRATION_HANDOVER_IN_DOUBT) {
        error_setg(errp, "The last migration's handover is in doubt: settle it with x-migrate-settle first");
    } else if (state == RUN_STATE_INMIGRATE) {
        error_setg(errp, "Guest is waiting for an incoming migration");
    } else if (state == RUN_STATE_POSTMIGRATE || s->images_away) {
        error_setg(errp, "The machine has moved: its disk images belong to the destination");
    } else {
        return migration_check_blockers(s, errp);
    }
    return false;
}

static bool foreach_image(MigrationState *s, SnapshotImageFunc *fn, void *opaque, Error **errp)
{
    return !s->snapshots->hooks || s->snapshots->hooks->foreach_image(s->machine, fn, opaque, errp);
}

/* As before the stop. */
static void go_on(Machine *m, RunState before)
{
    if (before == RUN_STATE_RUNNING) {
        vm_start(m);
    } else {
        runstate_set(m, before, NULL);
    }
}

/* query-migrate tells of migrations: a snapshot counts pages too, but must not be seen there. */
typedef struct CounterCopy {
    uint64_t value[sizeof(RAMCounters) / sizeof(_Atomic uint64_t)];
} CounterCopy;

static void counters_get(Machine *m, CounterCopy *copy)
{
    const _Atomic uint64_t *c = (_Atomic uint64_t *)ram_counters(m);
    for (size_t i = 0; i < G_N_ELEMENTS(copy->value); i++) {
        copy->value[i] = atomic_load(&c[i]);
    }
}

static void counters_put(Machine *m, const CounterCopy *copy)
{
    _Atomic uint64_t *c = (_Atomic uint64_t *)ram_counters(m);
    for (size_t i = 0; i < G_N_ELEMENTS(copy->value); i++) {
        atomic_store(&c[i], copy->value[i]);
    }
}

/* ---- saving ---- */

typedef struct Saver {
    MigrationState *s;
    int folder;             /* of the snapshot that is being made */
    json_t *disks;          /* of its index */
} Saver;

static bool write_stream(Saver *w, QEMUFile *f, Error **errp)
{
    Machine *m = w->s->machine;
    const SaveVMOptions options = { 0 };
    /* The machine stands still: there are no rounds, all RAM goes with the rest. */
    bool ok = savevm_state_header(f, m, &options, errp) && savevm_state_setup(f, m, errp) &&
              savevm_state_complete(f, m, &options, errp);
    savevm_state_cleanup(m);
    return ok;
}

static bool save_state(Saver *w, Error **errp)
{
    int fd = openat(w->folder, SNAPSHOT_STATE, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        error_setg_errno(errp, errno, "the snapshot's state cannot be written");
        return false;
    }
    CounterCopy counters;
    counters_get(w->s->machine, &counters);
    MigrationChannel *ch = migration_channel_new_fds("the snapshot's state", -1, fd);
    QEMUFile *f = qemu_file_channel_new_output(ch);
    bool ok = write_stream(w, f, errp);
    ok = qemu_fclose(f, ok ? errp : NULL) && ok;
    ok = ok && migration_channel_finish(ch, errp);
    migration_channel_shutdown(ch);
    migration_channel_close(ch, NULL);
    counters_put(w->s->machine, &counters);
    return ok;
}

static bool save_image(const SnapshotImage *image, void *opaque, Error **errp)
{
    Saver *w = opaque;
    g_autofree char *file = g_strdup_printf("disk%zu.img", json_array_size(w->disks));
    int fd = openat(w->folder, file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool ok = fd >= 0;
    if (!ok) {
        error_setg_errno(errp, errno, "cannot make '%s'", file);
    }
    ok = ok && file_copy_contents(image->fd, fd, image->size, errp);
    if (ok && fsync(fd) < 0) {
        error_setg_errno(errp, errno, "cannot write");
        ok = false;
    }
    if (fd >= 0) {
        close(fd);
    }
    if (!ok) {
        error_prepend(errp, "copy of disk '%s' (%s): ", image->name, image->file);
        return false;
    }
    json_array_append_new(w->disks, json_pack("{ss ss ss ss sI}", "name", image->name, "node-name",
                                              image->node_name, "image", image->file, "file", file, "size",
                                              (json_int_t)image->size));
    return true;
}

static bool fill_folder(Saver *w, const char *name, Error **errp)
{
    bool ok = save_state(w, errp) && foreach_image(w->s, save_image, w, errp) &&
              snapshot_index_write(w->folder, w->s->machine, name, w->disks, errp);
    if (ok && fsync(w->folder) < 0) {
        error_setg_errno(errp, errno, "the snapshot's folder cannot be synchronized");
        ok = false;
    }
    return ok;
}

/* The machine stands still. */
static bool save_locked(MigrationState *s, const char *name, bool replace, Error **errp)
{
    Saver w = { .s = s, .disks = json_array() };
    snapshot_sweep(s->snapshots);
    g_autofree char *temp = snapshot_temp_new(s->snapshots, &w.folder, errp);
    bool ok = temp && fill_folder(&w, name, errp);
    if (temp) {
        close(w.folder);
        ok = ok && snapshot_publish(s->snapshots, temp, name, replace, errp);
        if (!ok) {
            snapshot_remove_folder(s->snapshots, temp, NULL);
        }
    }
    json_decref(w.disks);
    return ok;
}

static bool any_image(const SnapshotImage *image, void *opaque, Error **errp)
{
    return true;
}

static bool check_save(MigrationState *s, const char *name, bool replace, Error **errp)
{
    if (!snapshot_folder_given(s->snapshots, errp) || !snapshot_name_check(name, errp) ||
        !check_machine(s, errp)) {
        return false;
    }
    if (runstate_needs_reset(s->machine)) {
        error_setg(errp, "A machine in state '%s' is not worth saving: reset it first",
                   runstate_name(runstate_get(s->machine)));
        return false;
    }
    if (!replace && snapshot_exists(s->snapshots, name)) {
        error_setg(errp, "Snapshot '%s' already exists", name);
        return false;
    }
    return foreach_image(s, any_image, NULL, errp);
}

bool snapshot_save(MigrationState *s, const char *name, bool replace, Error **errp)
{
    Machine *m = s->machine;
    if (!check_save(s, name, replace, errp)) {
        return false;
    }
    int lock = snapshot_folder_lock(s->snapshots, errp);
    if (lock < 0) {
        return false;
    }
    RunState before = runstate_get(m);
    global_state_store(m, before);
    bool ok = vm_stop_force_state(m, RUN_STATE_SAVE_VM, errp) && save_locked(s, name, replace, errp);
    close(lock);
    go_on(m, before);
    return ok;
}

/* ---- loading ---- */

typedef struct Loading {
    MigrationState *s;
    int folder;
    json_t *index;
    size_t images;          /* images of the machine that were seen */
} Loading;

static bool check_image(const SnapshotImage *image, void *opaque, Error **errp)
{
    Loading *l = opaque;
    const json_t *disk = snapshot_index_disk(l->index, image->name);
    if (!disk) {
        error_setg(errp, "The snapshot has no copy of disk '%s' (%s): a disk that it does not know can only be "
                   "attached read-only", image->name, image->file);
        return false;
    }
    json_int_t size = json_integer_value(json_object_get(disk, "size"));
    if ((uint64_t)size != image->size) {
        error_setg(errp, "Disk '%s' (%s) has %" G_GUINT64_FORMAT " bytes; it was saved with %lld", image->name,
                   image->file, image->size, (long long)size);
        return false;
    }
    l->images++;
    return true;
}

static bool check_images(Loading *l, Error **errp)
{
    size_t saved = json_array_size(json_object_get(l->index, "disks"));
    if (!foreach_image(l->s, check_image, l, errp)) {
        return false;
    }
    if (l->images != saved) {
        error_setg(errp, "The snapshot has %zu disks; the machine writes %zu of them", saved, l->images);
        return false;
    }
    return true;
}

static QEMUFile *open_state(const Loading *l, MigrationChannel **channel, Error **errp)
{
    int fd = openat(l->folder, SNAPSHOT_STATE, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        error_setg_errno(errp, errno, "the snapshot's state cannot be read");
        return NULL;
    }
    *channel = migration_channel_new_fds("the snapshot's state", fd, -1);
    return qemu_file_channel_new_input(*channel);
}

static void close_state(QEMUFile *f, MigrationChannel *channel)
{
    qemu_fclose(f, NULL);
    migration_channel_close(channel, NULL);
}

static bool check_header(const Loading *l, Error **errp)
{
    MigrationChannel *channel;
    QEMUFile *f = open_state(l, &channel, errp);
    bool ok = f && loadvm_check_header(f, l->s->machine, errp);
    if (f) {
        close_state(f, channel);
    }
    return ok;
}

/* Everything that can be known before the machine is touched. */
static bool check_load(Loading *l, Error **errp)
{
    l->index = snapshot_index_read(l->folder, errp);
    return l->index && check_images(l, errp) && snapshot_index_check(l->index, l->folder, l->s->machine, errp) &&
           check_header(l, errp);
}

static bool restore_image(const SnapshotImage *image, void *opaque, Error **errp)
{
    const Loading *l = opaque;
    const json_t *disk = snapshot_index_disk(l->index, image->name);
    const char *file = json_string_value(json_object_get(disk, "file"));
    int fd = openat(l->folder, file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    bool ok = fd >= 0;
    if (!ok) {
        error_setg_errno(errp, errno, "cannot open its copy '%s'", file);
    }
    ok = ok && file_copy_contents(fd, image->fd, image->size, errp);
    if (ok && fsync(image->fd) < 0) {
        error_setg_errno(errp, errno, "cannot write");
        ok = false;
    }
    if (fd >= 0) {
        close(fd);
    }
    if (!ok) {
        error_prepend(errp, "disk '%s' (%s): ", image->name, image->file);
    }
    return ok;
}

static bool no_way_back(void *opaque, Error **errp)
{
    error_setg(errp, "the snapshot's state is a stream that asks for answers: savevm has not written it");
    return false;
}

static bool no_ping(void *opaque, uint32_t value, Error **errp)
{
    return no_way_back(opaque, errp);
}

static bool load_state(const Loading *l, Error **errp)
{
    static const LoadVMOps ops = { .open_return_path = no_way_back, .ping = no_ping };
    Machine *m = l->s->machine;
    MigrationChannel *channel;
    LoadVMResult result;
    CounterCopy counters;
    QEMUFile *f = open_state(l, &channel, errp);
    if (!f) {
        return false;
    }
    counters_get(m, &counters);
    /* The loader takes the lock for each section. */
    machine_unlock(m);
    bool ok = loadvm_state(f, m, &ops, NULL, &result, errp);
    machine_lock(m);
    counters_put(m, &counters);
    close_state(f, channel);
    /* Whoever watches memory (a screen) has missed that it is another one now. */
    for (RAMBlock *block = ram_block_first(m); block; block = block->next) {
        ram_block_set_dirty(block, 0, block->used_length);
    }
    return ok;
}

/* From here on there is no way back. The machine stands still. */
static bool put_back(Loading *l, Error **errp)
{
    Machine *m = l->s->machine;
    const SnapshotHooks *hooks = l->s->snapshots->hooks;
    /* Ends what devices have in flight, which belongs to the time that is given up. */
    system_reset(m, SHUTDOWN_CAUSE_NONE);
    bool ok = foreach_image(l->s, restore_image, l, errp) && (!hooks || hooks->images_changed(m, errp)) &&
              load_state(l, errp);
    if (!ok) {
        error_prepend(errp, "the machine and its disks are a mixture now; load a snapshot, or reset: ");
        runstate_set(m, RUN_STATE_INTERNAL_ERROR, NULL);
    }
    return ok;
}

static bool load_checked(Loading *l, Error **errp)
{
    Machine *m = l->s->machine;
    RunState before = runstate_get(m);
    if (!check_load(l, errp)) {
        return false;
    }
    if (!vm_stop_force_state(m, RUN_STATE_RESTORE_VM, errp)) {
        go_on(m, before);
        return false;
    }
    if (!put_back(l, errp)) {
        return false;
    }
    go_on(m, before == RUN_STATE_RUNNING ? RUN_STATE_RUNNING : RUN_STATE_PAUSED);
    return true;
}

bool snapshot_load(MigrationState *s, const char *name, Error **errp)
{
    Loading l = { .s = s };
    if (!snapshot_folder_given(s->snapshots, errp) || !snapshot_name_check(name, errp) ||
        !check_machine(s, errp)) {
        return false;
    }
    int lock = snapshot_folder_lock(s->snapshots, errp);
    l.folder = lock >= 0 ? snapshot_open(s->snapshots, name, errp) : -1;
    bool ok = l.folder >= 0;
    if (ok && !load_checked(&l, errp)) {
        error_prepend(errp, "Snapshot '%s': ", name);
        ok = false;
    }
    json_decref(l.index);
    if (l.folder >= 0) {
        close(l.folder);
    }
    if (lock >= 0) {
        close(lock);
    }
    return ok;
}

/* ---- the others ---- */

bool snapshot_delete(MigrationState *s, const char *name, Error **errp)
{
    if (!snapshot_folder_given(s->snapshots, errp) || !snapshot_name_check(name, errp)) {
        return false;
    }
    int lock = snapshot_folder_lock(s->snapshots, errp);
    if (lock < 0) {
        return false;
    }
    snapshot_sweep(s->snapshots);
    bool ok = snapshot_exists(s->snapshots, name);
    if (!ok) {
        error_setg(errp, "Snapshot '%s' does not exist in '%s'", name, s->snapshots->path);
    }
    ok = ok && snapshot_unpublish(s->snapshots, name, errp);
    close(lock);
    return ok;
}
