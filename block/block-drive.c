/*
 * block-drive.c - -drive: a backend with an id and the nodes for it, from one flat list of options.
 *
 * Lobby; below it block.c and keyval.  Machine lock held.
 * Invariant: whatever fails leaves neither a backend nor a node behind.
 * Format owned: the keys of -drive.  "file" is a path, a path with "file:" or "host_device:" in
 * front, an NBD URI, or an object with a driver's own options (file.driver=nbd,…); what stands
 * above it is raw unless format= or driver= names another driver.  A missing format means raw and
 * nothing else: content is never probed, so that a guest cannot turn its disk into another format
 * by writing a header.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "block/block-int.h"
#include "system/machine.h"
#include "util/keyval.h"

/* Keys that the drive itself takes; the others belong to the node. */
static const char *const drive_keys[] = {
    "if",  "id",     "bus",    "unit",   "index",    "media",        "format", "cache", "readonly",
    "aio", "serial", "werror", "rerror", "snapshot", "copy-on-read", "file",   "base", NULL,
};

typedef struct DriveOptions {
    const char *interface, *id, *format, *driver, *media, *cache, *aio, *serial, *werror, *rerror, *base;
    bool read_only, snapshot, copy_on_read;
    uint64_t unit;
    bool has_unit;
    bool direct, no_flush, write_cache;
} DriveOptions;

/* Flash has no request that could be kept until the machine runs again: its policies stop nothing. */
static bool drive_error_policy(BlockBackend *blk, const DriveOptions *o, Error **errp)
{
    const char *policies[] = { o->rerror, o->werror };
    for (unsigned i = 0; i < G_N_ELEMENTS(policies) && strcmp(o->interface, "pflash") == 0; i++) {
        const char *policy = policies[i];
        if (policy && (strcmp(policy, "stop") == 0 || strcmp(policy, "enospc") == 0)) {
            error_setg(errp, "if=pflash: %s=%s would stop the machine, which is not possible for "
                       "flash; report and ignore are", i ? "werror" : "rerror", policy);
            return false;
        }
    }
    return blk_set_on_error(blk, "rerror", o->rerror, errp) &&
           blk_set_on_error(blk, "werror", o->werror, errp);
}

/* The five names stand for three switches: O_DIRECT, no flushes, no write cache. */
static bool drive_cache_mode(DriveOptions *o, Error **errp)
{
    static const struct {
        const char *name;
        bool direct, no_flush, write_cache;
    } modes[] = {
        { "writeback", false, false, true },  { "none", true, false, true },
        { "off", true, false, true },         { "writethrough", false, false, false },
        { "directsync", true, false, false }, { "unsafe", false, true, true },
    };
    o->write_cache = true;
    if (!o->cache) {
        return true;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(modes); i++) {
        if (strcmp(modes[i].name, o->cache) == 0) {
            o->direct = modes[i].direct;
            o->no_flush = modes[i].no_flush;
            o->write_cache = modes[i].write_cache;
            return true;
        }
    }
    error_setg(
        errp,
        "invalid cache option '%s'; it is none, writeback, writethrough, directsync or unsafe",
        o->cache);
    return false;
}

static bool drive_check(DriveOptions *o, Error **errp)
{
    static const char *const interfaces[] = { "none", "virtio", "pflash", NULL };
    if (!g_strv_contains(interfaces, o->interface)) {
        error_setg(errp, "if=%s: the interface is none, virtio or pflash", o->interface);
        return false;
    }
    if (o->snapshot) {
        error_setg(errp,
                   "snapshot=on is not possible; make an overlay with another program and attach "
                   "that (see docs/user/disks.md), or copy the image");
        return false;
    }
    if (o->copy_on_read) {
        error_setg(errp, "copy-on-read=on is not possible: images have no backing files");
        return false;
    }
    if (o->media && strcmp(o->media, "disk") != 0 && strcmp(o->media, "cdrom") != 0) {
        error_setg(errp, "media=%s: it is disk or cdrom", o->media);
        return false;
    }
    if (o->media && strcmp(o->media, "cdrom") == 0) {
        o->read_only = true;
    }
    if (o->format && o->driver && strcmp(o->format, o->driver) != 0) {
        error_setg(errp, "format=%s and driver=%s cannot be used together", o->format, o->driver);
        return false;
    }
    if (o->format && !o->driver) {
        o->driver = o->format;
    }
    return drive_cache_mode(o, errp);
}

static bool drive_parse(const json_t *options, DriveOptions *o, Error **errp)
{
    bool long_name = false;
    o->interface = "virtio";
    o->has_unit = json_object_get(options, "unit") || json_object_get(options, "index");
    bool ok = keyval_get_str(options, "if", &o->interface, errp) &&
              keyval_get_str(options, "id", &o->id, errp) &&
              keyval_get_str(options, "format", &o->format, errp) &&
              keyval_get_str(options, "driver", &o->driver, errp) &&
              keyval_get_str(options, "media", &o->media, errp) &&
              keyval_get_str(options, "aio", &o->aio, errp) &&
              keyval_get_str(options, "serial", &o->serial, errp) &&
              keyval_get_str(options, "base", &o->base, errp) &&
              keyval_get_str(options, "werror", &o->werror, errp) &&
              keyval_get_str(options, "rerror", &o->rerror, errp) &&
              keyval_get_bool(options, "readonly", &o->read_only, errp) &&
              keyval_get_bool(options, "read-only", &long_name, errp) &&
              keyval_get_bool(options, "snapshot", &o->snapshot, errp) &&
              keyval_get_bool(options, "copy-on-read", &o->copy_on_read, errp) &&
              keyval_get_uint(options, "unit", 1023, &o->unit, errp) &&
              keyval_get_uint(options, "index", 1023, &o->unit, errp);
    o->read_only |= long_name;
    /* cache=MODE is the drive's own; cache.direct=on, an object, is the node's. */
    if (ok && !json_is_object(json_object_get(options, "cache"))) {
        ok = keyval_get_str(options, "cache", &o->cache, errp);
    }
    return ok && drive_check(o, errp);
}

/* The node that a file name stands for. A new reference. */
static json_t *drive_protocol(const char *name)
{
    static const struct {
        const char *prefix, *driver;
    } prefixes[] = { { "file:", "file" }, { "host_device:", "host_device" } };
    /* Only these prefixes have a meaning; any other colon is part of a path. */
    struct stat st;
    if (g_str_has_prefix(name, "nbd:") || g_str_has_prefix(name, "nbd+unix:") ||
        g_str_has_prefix(name, "nbds:")) {
        return json_pack("{ss ss}", "driver", "nbd", "uri", name);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(prefixes); i++) {
        if (g_str_has_prefix(name, prefixes[i].prefix)) {
            name += strlen(prefixes[i].prefix);
            return json_pack("{ss ss}", "driver", prefixes[i].driver, "filename", name);
        }
    }
    bool device = stat(name, &st) == 0 && S_ISBLK(st.st_mode);
    return json_pack("{ss ss}", "driver", device ? "host_device" : "file", "filename", name);
}

/* The protocol node's options: those of file= plus what the drive says of the image. */
static json_t *drive_file_options(const json_t *options, const DriveOptions *o, Error **errp)
{
    const json_t *file = json_object_get(options, "file");
    json_t *node = json_is_string(file) ? drive_protocol(json_string_value(file))
                                        : json_deep_copy(file);
    if (!json_is_object(node)) {
        error_setg(
            errp,
            "Parameter 'file' expects the name of an image or a node's options (file.driver=…)");
        json_decref(node);
        return NULL;
    }
    const char *driver = json_string_value(json_object_get(node, "driver"));
    if (!driver && json_object_get(node, "filename")) {
        driver = "file";
        json_object_set_new(node, "driver", json_string(driver));
    }
    /* Keys of -drive that are the protocol node's. */
    bool file_like = driver && (strcmp(driver, "file") == 0 || strcmp(driver, "host_device") == 0);
    if (o->aio && file_like) {
        json_object_set_new(node, "aio", json_string(o->aio));
    }
    const json_t *locking = json_object_get(options, "locking");
    if (locking && file_like) {
        json_object_set(node, "locking", (json_t *)locking);
    }
    return node;
}

/* The top node's options. A new reference or NULL. */
static json_t *drive_node_options(const json_t *options, const DriveOptions *o, Error **errp)
{
    const char *key;
    json_t *value, *node = json_object();
    json_object_foreach((json_t *)options, key, value) {
        /*
         * What is not the drive's own goes to the node, which knows its keys and refuses the rest.
         */
        bool own = g_strv_contains(drive_keys, key) && strcmp(key, "cache") != 0;
        if (!own && strcmp(key, "locking") != 0) {
            json_object_set(node, key, value);
        }
    }
    if (!json_is_object(json_object_get(options, "cache"))) {
        json_object_set_new(node, "cache", json_pack("{sb sb}", "direct", o->direct, "no-flush",
                                                     o->no_flush));
    }
    json_object_set_new(node, "read-only", json_boolean(o->read_only));
    json_object_set_new(node, "driver", json_string(o->driver ? o->driver : "raw"));
    if (json_object_get(options, "file")) {
        json_t *file = drive_file_options(options, o, errp);
        if (!file) {
            json_decref(node);
            return NULL;
        }
        json_object_set_new(node, "file", file);
    }
    return node;
}

/* The id that a drive without one gets: "virtio0", "none1", "pflash0", … */
static char *drive_default_id(Machine *m, const DriveOptions *o)
{
    for (unsigned n = o->has_unit ? o->unit : 0;; n++) {
        char *id = g_strdup_printf("%s%u", o->interface, n);
        if (o->has_unit || !blk_find(m, id)) {
            return id;
        }
        g_free(id);
    }
}

static bool drive_open_base(BlockBackend *blk, const char *base, Error **errp)
{
    blk->base_fd = base ? open(base, O_RDONLY | O_CLOEXEC) : -1;
    if (base && blk->base_fd < 0) {
        error_setg_errno(errp, errno, "Could not open the base image '%s'", base);
        return false;
    }
    return true;
}

static bool drive_open(BlockBackend *blk, const json_t *options, const DriveOptions *o,
                       Error **errp)
{
    if (!drive_error_policy(blk, o, errp) || !drive_open_base(blk, o->base, errp)) {
        return false;
    }
    json_t *node = drive_node_options(options, o, errp);
    BlockNode *root = node ? block_node_open(blk->layer, node, true, errp) : NULL;
    json_decref(node);
    if (!root) {
        return false;
    }
    blk->write_cache = o->write_cache;
    blk->serial = g_strdup(o->serial);
    /* The node is nobody's until the backend has it. */
    if (!blk_insert(blk, root, errp)) {
        block_node_close(root);
        return false;
    }
    return true;
}

BlockBackend *block_drive_new(Machine *m, const json_t *options, Error **errp)
{
    DriveOptions o = { 0 };
    if (!drive_parse(options, &o, errp)) {
        return NULL;
    }
    if (!json_object_get(options, "file") && (!o.driver || strcmp(o.driver, "raw") == 0)) {
        error_setg(errp, "Parameter 'file' is missing: it names the image, as in file=disk.img");
        return NULL;
    }
    g_autofree char *own_id = o.id ? NULL : drive_default_id(m, &o);
    const char *id = o.id ? o.id : own_id;
    if (blk_find(m, id) || block_node_find(m, id)) {
        error_setg(errp, "Device with id '%s' already exists", id);
        return NULL;
    }
    BlockBackend *blk = blk_new(m->block, id);
    if (!drive_open(blk, options, &o, errp)) {
        blk_free(blk);
        return NULL;
    }
    return blk;
}
