/*
 * snapshot-index.c - the index of a snapshot: what was saved, of which machine, and whether it is all there.
 *
 * Floor F5; below it the registry, RAM blocks and the stream.  Main thread, machine lock held.
 * Invariant: what another program may have written into the folder is checked before it is used: types,
 * names of files, sizes, and the state's digest.
 * Format: a JSON object, "format" 1 (docs/user/snapshots.md):
 *   name, date-ns (since the epoch), vm-clock-ns, runstate;
 *   machine {type, icount}; ram [{id, size}]; sections [{name, instance, version}];
 *   vm-state {size, digest}: the file "state", a migration stream, and its XXH3 (128 bits, seed 0);
 *   disks [{name, node-name, image, file, size}]: image is where it stood, file where the copy is.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "migration/register.h"
#include "migration/snapshot-internal.h"
#include "system/clock.h"
#include "system/machine.h"
#include "system/memory.h"

#define INDEX_SIZE_MAX (4u << 20)
#define DIGEST_BUFFER (1u << 20)

/* ---- the state's digest ---- */

static bool digest_file(int folder, char hex[33], uint64_t *size, Error **errp)
{
    int fd = openat(folder, SNAPSHOT_STATE, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    g_autofree uint8_t *buf = g_malloc(DIGEST_BUFFER);
    XXH3_state_t *state = XXH3_createState();
    XXH3_128bits_reset(state);
    ssize_t n = fd < 0 ? -1 : 1;
    *size = 0;
    while (n > 0 && (n = read(fd, buf, DIGEST_BUFFER)) > 0) {
        XXH3_128bits_update(state, buf, (size_t)n);
        *size += (uint64_t)n;
    }
    if (n < 0) {
        error_setg_errno(errp, errno, "the snapshot's state cannot be read");
    }
    XXH128_hash_t hash = XXH3_128bits_digest(state);
    g_snprintf(hex, 33, "%016" G_GINT64_MODIFIER "x%016" G_GINT64_MODIFIER "x", (guint64)hash.high64,
               (guint64)hash.low64);
    XXH3_freeState(state);
    if (fd >= 0) {
        close(fd);
    }
    return n == 0;
}

/* ---- what the machine has ---- */

static json_t *describe_ram(Machine *m)
{
    json_t *list = json_array();
    for (RAMBlock *block = ram_block_first(m); block; block = block->next) {
        json_array_append_new(list, json_pack("{ss sI}", "id", block->idstr, "size",
                                              (json_int_t)block->used_length));
    }
    return list;
}

static void describe_section(const SaveStateInfo *info, void *opaque)
{
    json_array_append_new(opaque, json_pack("{ss si si}", "name", info->idstr, "instance", info->instance_id,
                                            "version", info->vmsd->version_id));
}

static json_t *describe_machine(Machine *m)
{
    json_t *machine = json_pack("{ss sb}", "type", m->klass->name, "icount", m->config->icount);
    if (m->config->icount) {
        json_object_set_new(machine, "icount-shift", json_integer(m->config->icount_shift));
    }
    return machine;
}

static json_t *describe_sections(Machine *m)
{
    json_t *list = json_array();
    savevm_foreach(m, describe_section, list);
    return list;
}

/* ---- writing ---- */

static bool write_text(int folder, const char *name, const char *text, Error **errp)
{
    int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    size_t len = strlen(text), at = 0;
    bool ok = fd >= 0;
    while (ok && at < len) {
        ssize_t n = write(fd, text + at, len - at);
        ok = n > 0 || (n < 0 && errno == EINTR);
        at += n > 0 ? (size_t)n : 0;
    }
    ok = ok && fsync(fd) == 0;
    if (!ok) {
        error_setg_errno(errp, errno, "the snapshot's index cannot be written");
    }
    if (fd >= 0) {
        close(fd);
    }
    return ok;
}

bool snapshot_index_write(int folder, Machine *m, const char *name, json_t *disks, Error **errp)
{
    char hex[33];
    uint64_t size;
    if (!digest_file(folder, hex, &size, errp)) {
        return false;
    }
    json_t *index = json_pack("{si ss sI sI so so so s{sI ss} sO}", "format", SNAPSHOT_FORMAT, "name", name,
                              "date-ns", (json_int_t)g_get_real_time() * 1000,
                              "vm-clock-ns", (json_int_t)qemu_clock_get_ns(m, QEMU_CLOCK_VIRTUAL),
                              "machine", describe_machine(m), "ram", describe_ram(m),
                              "sections", describe_sections(m),
                              "vm-state", "size", (json_int_t)size, "digest", hex, "disks", disks);
    char *text = json_dumps(index, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    bool ok = text && write_text(folder, SNAPSHOT_INDEX, text, errp);
    if (!text) {
        error_setg(errp, "the snapshot's index cannot be written: a name in it is not UTF-8");
    }
    free(text);
    json_decref(index);
    return ok;
}

/* ---- reading ---- */

static json_t *read_json(int folder, Error **errp)
{
    struct stat st;
    json_error_t why;
    int fd = openat(folder, SNAPSHOT_INDEX, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0) {
        error_setg_errno(errp, errno, "the snapshot's index cannot be read");
        if (fd >= 0) {
            close(fd);
        }
        return NULL;
    }
    json_t *index = NULL;
    if (!S_ISREG(st.st_mode) || st.st_size > INDEX_SIZE_MAX) {
        error_setg(errp, "the snapshot's index is no file of at most %u bytes", INDEX_SIZE_MAX);
    } else if (!(index = json_loadfd(fd, JSON_REJECT_DUPLICATES, &why))) {
        error_setg(errp, "the snapshot's index is not JSON: line %d: %s", why.line, why.text);
    }
    close(fd);
    return index;
}

static bool check_file(int folder, const char *file, json_int_t size, Error **errp)
{
    struct stat st;
    bool name_ok = file[0] && file[0] != '.' && !strchr(file, '/');
    if (!name_ok || fstatat(folder, file, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode)) {
        error_setg(errp, "the snapshot's file '%.80s' is not there", file);
        return false;
    }
    if (st.st_size != size) {
        error_setg(errp, "the snapshot's file '%.80s' has %lld bytes; it was saved with %lld", file,
                   (long long)st.st_size, (long long)size);
        return false;
    }
    return true;
}

static bool check_disks(const json_t *disks, int folder, Error **errp)
{
    size_t i;
    json_t *disk;
    json_array_foreach(disks, i, disk) {
        const char *name, *node, *file;
        json_int_t size;
        if (json_unpack(disk, "{ss ss ss sI}", "name", &name, "node-name", &node, "file", &file, "size",
                        &size) < 0) {
            error_setg(errp, "the snapshot's index: disk %zu lacks its name, node-name, file or size", i);
            return false;
        }
        if (!check_file(folder, file, size, errp)) {
            return false;
        }
    }
    return true;
}

json_t *snapshot_index_read(int folder, Error **errp)
{
    json_t *index = read_json(folder, errp);
    json_t *disks, *ram, *sections;
    const char *type, *digest;
    int format, icount;
    json_int_t date, clock, size;
    if (!index) {
        return NULL;
    }
    if (json_unpack(index, "{si}", "format", &format) < 0 || format != SNAPSHOT_FORMAT) {
        error_setg(errp, "the snapshot's index is not of format %d", SNAPSHOT_FORMAT);
    } else if (json_unpack(index, "{sI sI s{ss sb} so so s{sI ss} so}", "date-ns", &date, "vm-clock-ns", &clock,
                           "machine", "type", &type, "icount", &icount, "ram", &ram, "sections", &sections,
                           "vm-state", "size", &size, "digest", &digest, "disks", &disks) < 0 ||
               !json_is_array(disks) || !json_is_array(ram) || !json_is_array(sections)) {
        error_setg(errp, "the snapshot's index is not complete");
    } else if (check_file(folder, SNAPSHOT_STATE, size, errp) && check_disks(disks, folder, errp)) {
        return index;
    }
    json_decref(index);
    return NULL;
}

const json_t *snapshot_index_disk(const json_t *index, const char *name)
{
    size_t i;
    json_t *disk;
    json_array_foreach(json_object_get(index, "disks"), i, disk) {
        if (strcmp(json_string_value(json_object_get(disk, "name")), name) == 0) {
            return disk;
        }
    }
    return NULL;
}

/* ---- is it this machine? ---- */

static bool is_in(const json_t *one, const json_t *list)
{
    size_t i;
    json_t *other;
    json_array_foreach(list, i, other) {
        if (json_equal(one, other)) {
            return true;
        }
    }
    return false;
}

/* False, with a text that shows it, if something is in one list and not in the other. */
static bool all_in(const json_t *list, const json_t *other, const char *how, Error **errp)
{
    size_t i;
    json_t *one;
    json_array_foreach(list, i, one) {
        if (!is_in(one, other)) {
            char *text = json_dumps(one, JSON_COMPACT | JSON_ENCODE_ANY);
            error_setg(errp, "The snapshot is of another machine: %.200s %s", text ? text : "?", how);
            free(text);
            return false;
        }
    }
    return true;
}

static bool same_list(json_t *here, const json_t *saved, Error **errp)
{
    bool same = all_in(saved, here, "was saved, and is not here", errp) &&
                all_in(here, saved, "is here, and was not saved", errp);
    json_decref(here);
    return same;
}

/* Looks for a saved section that this machine has in a version that cannot read it. */
typedef struct VersionCheck {
    const json_t *saved;
    Error *error;
} VersionCheck;

static void check_version(const SaveStateInfo *info, void *opaque)
{
    VersionCheck *check = opaque;
    size_t i;
    json_t *one;
    json_array_foreach(check->saved, i, one) {
        const char *name = json_string_value(json_object_get(one, "name"));
        json_int_t version = json_integer_value(json_object_get(one, "version"));
        bool same = name && strcmp(name, info->idstr) == 0 &&
                    json_integer_value(json_object_get(one, "instance")) == info->instance_id;
        if (same && !check->error &&
            (version > info->vmsd->version_id || version < info->vmsd->minimum_version_id)) {
            error_setg(&check->error, "The snapshot's section '%s' has version %lld; this program reads %d to %d",
                       name, (long long)version, info->vmsd->minimum_version_id, info->vmsd->version_id);
        }
    }
}

/* A new list of the sections without their versions. */
static json_t *strip_versions(const json_t *sections)
{
    json_t *list = json_deep_copy(sections);
    size_t i;
    json_t *one;
    json_array_foreach(list, i, one) {
        json_object_del(one, "version");
    }
    return list;
}

static bool check_sections(const json_t *saved, Machine *m, Error **errp)
{
    json_t *there = strip_versions(saved), *here = describe_sections(m);
    VersionCheck check = { .saved = saved };
    bool same = same_list(strip_versions(here), there, errp);
    json_decref(here);
    json_decref(there);
    if (same) {
        savevm_foreach(m, check_version, &check);
        error_propagate(errp, check.error);
    }
    return same && !check.error;
}

static bool check_state(const json_t *index, int folder, Error **errp)
{
    char hex[33];
    uint64_t size;
    const char *expected = json_string_value(json_object_get(json_object_get(index, "vm-state"), "digest"));
    if (!digest_file(folder, hex, &size, errp)) {
        return false;
    }
    if (strcmp(hex, expected) != 0) {
        error_setg(errp, "the snapshot's file '" SNAPSHOT_STATE "' is damaged: its digest is %s; it was saved with "
                   "%.40s", hex, expected);
        return false;
    }
    return true;
}

bool snapshot_index_check(const json_t *index, int folder, Machine *m, Error **errp)
{
    json_t *machine = describe_machine(m);
    const json_t *saved = json_object_get(index, "machine");
    bool same = json_equal(machine, saved);
    if (!same) {
        char *is = json_dumps(machine, JSON_COMPACT), *was = json_dumps(saved, JSON_COMPACT);
        error_setg(errp, "The snapshot is of another machine: %.100s was saved, this is %.100s", was, is);
        free(is);
        free(was);
    }
    json_decref(machine);
    return same && same_list(describe_ram(m), json_object_get(index, "ram"), errp) &&
           check_sections(json_object_get(index, "sections"), m, errp) &&
           check_state(index, folder, errp);
}
