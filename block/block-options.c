/*
 * block-options.c - the table of drivers and the options that all of them have.
 *
 * Lobby; below it keyval.  No state; machine lock held.
 * Format owned: the keys of -blockdev that every driver knows: driver, node-name, read-only,
 * auto-read-only, force-share, discard, detect-zeroes, cache {direct, no-flush}.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "block/block-int.h"
#include "util/keyval.h"

static const BlockDriver *const drivers[] = {
    &block_driver_file, &block_driver_host_device, &block_driver_nbd, &block_driver_null_aio,
    &block_driver_null_co, &block_driver_raw, NULL,
};

/* Formats that people ask for and that another program has to read. */
static const char *const image_formats[] = {
    "bochs", "cloop", "dmg",  "luks", "parallels", "qcow",  "qcow2",
    "qed",   "vdi",   "vhdx", "vmdk", "vpc",       "vvfat", NULL,
};

static const char *const common_keys[] = {
    "driver", "node-name", "read-only", "auto-read-only", "force-share", "discard", "detect-zeroes",
    "cache", NULL,
};

const char *const *block_driver_names(void)
{
    static const char *const names[] = { "file",    "host_device", "nbd", "null-aio",
                                         "null-co", "raw",         NULL };
    return names;
}

const BlockDriver *block_driver_find(const char *name, Error **errp)
{
    if (!name) {
        error_setg(errp,
                   "Parameter 'driver' is missing; it is file, host_device, nbd, null-aio, null-co "
                   "or raw");
        return NULL;
    }
    for (int i = 0; drivers[i]; i++) {
        if (strcmp(drivers[i]->name, name) == 0) {
            return drivers[i];
        }
    }
    /* The commonest mistake deserves the whole answer. */
    if (g_strv_contains(image_formats, name)) {
        error_setg(
            errp,
            "image format '%s' is not read by this program; let another one serve the "
            "image over NBD: qemu-storage-daemon --blockdev driver=file,filename=IMAGE,"
            "node-name=f --blockdev driver=%s,file=f,node-name=d --nbd-server "
            "addr.type=unix,addr.path=SOCKET --export nbd,id=e,node-name=d,writable=on; then "
            "give -blockdev driver=nbd,node-name=NAME,server.type=unix,server.path=SOCKET,"
            "export=d (nbdkit serves many formats likewise)",
            name, name);
        return NULL;
    }
    g_autofree char *list = g_strjoinv(", ", (char **)block_driver_names());
    error_setg(errp, "Unknown driver '%s'; there are: %s", name, list);
    return NULL;
}

bool block_options_check(const BlockDriver *drv, const json_t *options, Error **errp)
{
    /* One list of both kinds, so that the error shows all that is possible. */
    g_autoptr(GPtrArray) known = g_ptr_array_new();
    for (int i = 0; common_keys[i]; i++) {
        g_ptr_array_add(known, (void *)common_keys[i]);
    }
    for (int i = 0; drv->keys[i]; i++) {
        g_ptr_array_add(known, (void *)drv->keys[i]);
    }
    g_ptr_array_add(known, NULL);
    g_autofree char *what = g_strdup_printf("block driver '%s'", drv->name);
    return keyval_check_known(options, (const char *const *)known->pdata, what, errp);
}

static bool block_options_cache(BlockNode *bs, const json_t *options, Error **errp)
{
    static const char *const keys[] = { "direct", "no-flush", NULL };
    const json_t *cache = json_object_get(options, "cache");
    if (!cache) {
        return true;
    }
    if (!json_is_object(cache)) {
        error_setg(errp, "Parameter 'cache' expects an object with the members direct and no-flush "
                   "(cache.direct=on|off, cache.no-flush=on|off)");
        return false;
    }
    return keyval_check_known(cache, keys, "cache", errp) &&
           keyval_get_bool(cache, "direct", &bs->cache_direct, errp) &&
           keyval_get_bool(cache, "no-flush", &bs->cache_no_flush, errp);
}

static bool block_options_discard(BlockNode *bs, const json_t *options, Error **errp)
{
    const char *discard = "ignore", *detect = "off";
    if (!keyval_get_str(options, "discard", &discard, errp) ||
        !keyval_get_str(options, "detect-zeroes", &detect, errp)) {
        return false;
    }
    if (strcmp(discard, "unmap") == 0 || strcmp(discard, "on") == 0) {
        bs->unmap = true;
    } else if (strcmp(discard, "ignore") != 0 && strcmp(discard, "off") != 0) {
        error_setg(errp, "Invalid discard option '%s'; it is ignore (off) or unmap (on)", discard);
        return false;
    }
    if (strcmp(detect, "on") == 0) {
        bs->detect_zeroes = DETECT_ZEROES_ON;
    } else if (strcmp(detect, "unmap") == 0) {
        bs->detect_zeroes = DETECT_ZEROES_UNMAP;
    } else if (strcmp(detect, "off") != 0) {
        error_setg(errp, "Invalid detect-zeroes option '%s'; it is off, on or unmap", detect);
        return false;
    }
    if (bs->detect_zeroes == DETECT_ZEROES_UNMAP && !bs->unmap) {
        error_setg(errp, "setting detect-zeroes to unmap is not allowed without setting discard to "
                   "unmap");
        return false;
    }
    return true;
}

bool block_options_common(BlockNode *bs, const json_t *options, Error **errp)
{
    if (!keyval_get_bool(options, "read-only", &bs->read_only, errp) ||
        !keyval_get_bool(options, "auto-read-only", &bs->auto_read_only, errp) ||
        !keyval_get_bool(options, "force-share", &bs->force_share, errp) ||
        !block_options_cache(bs, options, errp) || !block_options_discard(bs, options, errp)) {
        return false;
    }
    /* Two writers that know nothing of each other destroy an image. */
    if (bs->force_share && !bs->read_only) {
        error_setg(errp, "force-share=on can only be used with read-only images (read-only=on)");
        return false;
    }
    return true;
}
