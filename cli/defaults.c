/*
 * defaults.c - default serial port and monitor; -drive and -nic as the two things that each stands for.
 *
 * Floor F6; below it block, net and qdev.  Main thread, machine lock held where there is a machine.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "cli/defaults.h"

#include <string.h>

#include "block/block.h"
#include "hw/qdev.h"
#include "net/net.h"
#include "util/keyval.h"

char *cli_describe(const json_t *options)
{
    GString *text = g_string_new(NULL);
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)options, key, value)
    {
        g_autofree char *other = json_is_string(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY);
        g_string_append_printf(text, "%s%s=%s", text->len ? "," : "", key,
                               other ? other : json_string_value(value));
    }
    return g_string_free(text, FALSE);
}

/* In the background there is no terminal, nor will there be one. */
static bool check_daemon(CommandLine *cl, Error **errp)
{
    const struct {
        const char *option;
        GPtrArray *texts;
    } shorthands[] = { { "serial", cl->serials }, { "monitor", cl->monitors }, { "qmp", cl->qmps } };
    for (size_t i = 0; i < G_N_ELEMENTS(shorthands); i++) {
        for (guint n = 0; n < shorthands[i].texts->len; n++) {
            const char *text = shorthands[i].texts->pdata[n];
            if (strcmp(text, "stdio") == 0 || strcmp(text, "mon:stdio") == 0) {
                error_setg(errp, "-%s %s cannot be used with -daemonize: there is no terminal then",
                           shorthands[i].option, text);
                return false;
            }
        }
    }
    for (guint n = 0; n < cl->chardevs->len; n++) {
        const char *backend = json_string_value(json_object_get(cl->chardevs->pdata[n], "backend"));
        if (backend && strcmp(backend, "stdio") == 0) {
            error_setg(errp, "-chardev stdio cannot be used with -daemonize: there is no terminal then");
            return false;
        }
    }
    return true;
}

bool cli_apply_defaults(CommandLine *cl, Error **errp)
{
    if (cl->daemonize && !check_daemon(cl, errp)) {
        return false;
    }
    if (cl->nographic && cl->daemonize && !cl->nodefaults) {
        error_setg(errp, "-nographic cannot be used with -daemonize: there is no terminal then");
        return false;
    }
    const char *type = json_string_value(json_object_get(cl->machine, "type"));
    bool bare = type && strcmp(type, "none") == 0;
    if (cl->nodefaults || bare || cl->serials->len) {
        return true;
    }
    /*
     * There is no window: unless the user chose a display, the terminal is where the guest is seen,
     * together with the monitor if that has no other place.
     */
    bool terminal = cl->nographic || (!cl->display && !cl->vnc && !cl->daemonize);
    bool monitor_elsewhere = cl->monitors->len > 0 || cl->mons->len > 0;
    for (guint i = 0; i < cl->monitors->len + cl->qmps->len; i++) {
        GPtrArray *list = i < cl->monitors->len ? cl->monitors : cl->qmps;
        const char *text = list->pdata[i < cl->monitors->len ? i : i - cl->monitors->len];
        if (strcmp(text, "stdio") == 0) {
            terminal = false;
        }
    }
    if (terminal) {
        const char *serial = monitor_elsewhere && !cl->nographic ? "stdio" : "mon:stdio";
        g_ptr_array_add(cl->serials, g_strdup(serial));
    } else {
        g_ptr_array_add(cl->serials, g_strdup("null"));
    }
    return true;
}

static json_t *without(const json_t *options, const char *const *keys)
{
    json_t *copy = json_deep_copy(options);
    for (int i = 0; keys[i]; i++) {
        json_object_del(copy, keys[i]);
    }
    return copy;
}

bool cli_add_drive(Machine *m, const json_t *options, Error **errp)
{
    const char *interface = "virtio", *id = NULL;
    if (!keyval_get_str(options, "if", &interface, errp) ||
        !keyval_get_str(options, "id", &id, errp)) {
        return false;
    }
    json_t *drive = json_deep_copy(options);
    g_autofree char *own_id = NULL;
    bool virtio = strcmp(interface, "virtio") == 0;
    if (virtio && !id) {
        static const char format[] = "virtio%u";
        unsigned n = 0;
        do {
            g_free(own_id);
            own_id = g_strdup_printf(format, n++);
        } while (blk_find(m, own_id));
        id = own_id;
        json_object_set_new(drive, "id", json_string(id));
    }
    bool ok = block_drive_new(m, drive, errp) != NULL;
    json_decref(drive);
    if (ok && virtio) {
        json_t *device = json_pack("{ss ss}", "driver", "virtio-blk-device", "drive", id);
        ok = qdev_device_add(m, device, errp) != NULL;
        json_decref(device);
    }
    return ok;
}

/* The id that a -nic gets if it has none: "#nic0", which no user can have chosen. */
static char *free_nic_id(Machine *m)
{
    for (unsigned n = 0;; n++) {
        char *id = g_strdup_printf("#nic%u", n);
        if (!netdev_find(m, id)) {
            return id;
        }
        g_free(id);
    }
}

bool cli_add_nic(Machine *m, const json_t *options, Error **errp)
{
    static const char *const device_keys[] = { "model", "mac", NULL };
    const char *type = NULL, *id = NULL, *model = "virtio-net-device", *mac = NULL;
    if (!keyval_get_str(options, "type", &type, errp) || !keyval_get_str(options, "id", &id, errp) ||
        !keyval_get_str(options, "model", &model, errp) || !keyval_get_str(options, "mac", &mac, errp)) {
        return false;
    }
    if (type && strcmp(type, "none") == 0) {
        return true;
    }
    if (strcmp(model, "virtio") == 0 || strcmp(model, "virtio-net") == 0) {
        model = "virtio-net-device";
    }
    if (strcmp(model, "virtio-net-device") != 0) {
        error_setg(errp, "'%s' is not a network device; there is model=virtio-net-device, or virtio", model);
        return false;
    }
    g_autofree char *own_id = id ? NULL : free_nic_id(m);
    id = id ? id : own_id;
    json_t *backend = without(options, device_keys);
    json_object_set_new(backend, "id", json_string(id));
    bool ok = netdev_new(m, backend, errp) != NULL;
    json_decref(backend);
    if (!ok) {
        return false;
    }
    json_t *device = json_pack("{ss ss}", "driver", model, "netdev", id);
    if (mac) {
        json_object_set_new(device, "mac", json_string(mac));
    }
    ok = qdev_device_add(m, device, errp) != NULL;
    json_decref(device);
    return ok;
}
