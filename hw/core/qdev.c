/*
 * qdev.c - the life of a device: created, given properties, realized, reset, freed; and the tree.
 *
 * Lobby (hw/core), over util/ and the public faces of migration/ (what migrates).  Machine lock
 * held.  Invariant: every device that exists is in the tree's list, in order of creation, and its
 * klass->vmsd is registered exactly while `realized` is true.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "hw/qdev.h"

#include <glib.h>
#include <string.h>

#include "migration/register.h"
#include "qdev-internal.h"
#include "system/machine.h"

/* ---- the tree ---- */

QdevTree *qdev_tree_new(Machine *m)
{
    QdevTree *tree = g_new0(QdevTree, 1);
    tree->machine = m;
    tree->roms = rom_list_new(m);
    return tree;
}

/* Last created, first freed: a device may hold on to one that was there before it. */
void qdev_tree_free(QdevTree *tree)
{
    if (!tree) {
        return;
    }
    while (tree->last) {
        qdev_free(tree->last);
    }
    rom_list_free(tree->roms);
    json_decref(tree->globals);
    g_free(tree);
}

static void tree_append(QdevTree *tree, DeviceState *dev)
{
    if (tree->last) {
        tree->last->next = dev;
    } else {
        tree->first = dev;
    }
    tree->last = dev;
}

static void tree_remove(QdevTree *tree, DeviceState *dev)
{
    DeviceState *before = NULL;
    for (DeviceState *d = tree->first; d && d != dev; d = d->next) {
        before = d;
    }
    if (before) {
        before->next = dev->next;
    } else {
        tree->first = dev->next;
    }
    if (tree->last == dev) {
        tree->last = before;
    }
}

DeviceState *qdev_first(Machine *m)
{
    return m->devices->first;
}

DeviceState *qdev_find(Machine *m, const char *id_or_path)
{
    bool is_path = id_or_path[0] == '/';
    for (DeviceState *dev = qdev_first(m); dev; dev = dev->next) {
        const char *name = is_path ? dev->qom_path : dev->id;
        if (name && strcmp(name, id_or_path) == 0) {
            return dev;
        }
    }
    return NULL;
}

/* ---- one device ---- */

DeviceState *qdev_new(Machine *m, const DeviceClass *klass, const char *id)
{
    QdevTree *tree = m->devices;
    DeviceState *dev = g_malloc0(klass->instance_size);

    dev->klass = klass;
    dev->machine = m;
    dev->id = g_strdup(id);
    if (id) {
        dev->qom_path = g_strdup_printf("/machine/peripheral/%s", id);
    } else if (klass->user_creatable) {
        dev->qom_path = g_strdup_printf("/machine/peripheral-anon/device[%u]", tree->anonymous++);
    } else {
        dev->qom_path = g_strdup_printf("/machine/unattached/device[%u]", tree->unattached++);
    }
    tree_append(tree, dev);
    qdev_prop_set_defaults(dev);
    return dev;
}

void qdev_free(DeviceState *dev)
{
    if (!dev) {
        return;
    }
    if (dev->realized) {
        dev->realized = false;
        if (dev->klass->vmsd) {
            vmstate_unregister(dev->machine, dev->klass->vmsd, dev);
        }
        if (dev->klass->unrealize) {
            dev->klass->unrealize(dev);
        }
    }
    tree_remove(dev->machine->devices, dev);
    qdev_prop_release(dev);
    json_decref(dev->options);
    g_free(dev->id);
    g_free(dev->qom_path);
    g_free(dev->vmstate_id);
    g_free(dev);
}

bool qdev_realize(DeviceState *dev, Error **errp)
{
    const DeviceClass *klass = dev->klass;
    if (klass->realize && !klass->realize(dev, errp)) {
        qdev_free(dev);
        return false;
    }
    if (klass->vmsd && !vmstate_register(dev->machine, dev->vmstate_id, VMSTATE_INSTANCE_ID_ANY,
                                         klass->vmsd, dev, errp)) {
        if (klass->unrealize) {
            klass->unrealize(dev);
        }
        qdev_free(dev);
        return false;
    }
    dev->realized = true;
    return true;
}

void qdev_reset_all(Machine *m)
{
    for (DeviceState *dev = qdev_first(m); dev; dev = dev->next) {
        if (dev->realized && dev->klass->reset) {
            dev->klass->reset(dev);
        }
    }
    rom_list_reset(m->devices->roms);
}

/* ---- -device ---- */

/* The names that -device accepts, comma-separated; the caller frees it. */
static char *creatable_names(void)
{
    GString *names = g_string_new(NULL);
    for (const DeviceClass *const *klass = device_classes(); *klass; klass++) {
        if ((*klass)->user_creatable) {
            g_string_append_printf(names, "%s%s", names->len ? ", " : "", (*klass)->name);
        }
    }
    if (names->len == 0) {
        g_string_append(names, "none");
    }
    return g_string_free(names, FALSE);
}

static const DeviceClass *device_add_class(const json_t *options, Error **errp)
{
    const char *driver = json_string_value(json_object_get(options, "driver"));
    if (!driver) {
        error_setg(errp, "Parameter 'driver' is missing");
        error_append_hint(errp, "a device needs its type first, as in -device virtio-rng-device");
        return NULL;
    }
    const DeviceClass *klass = device_class_find(driver);
    if (klass && klass->user_creatable) {
        return klass;
    }
    char *names = creatable_names();
    if (klass) {
        error_setg(errp, "device '%s' is part of the board and cannot be added; there are: %s",
                   driver, names);
    } else {
        error_setg(errp, "'%s' is not a valid device model name; there are: %s", driver, names);
    }
    g_free(names);
    return NULL;
}

/* An id begins with a letter and goes on with letters, digits, '-', '.' and '_'. */
static bool id_is_well_formed(const char *id)
{
    if (!g_ascii_isalpha(id[0]) || strlen(id) > 128) {
        return false;
    }
    return strspn(id, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "-._") == strlen(id);
}

static bool device_add_check_id(Machine *m, const json_t *options, const char **id, Error **errp)
{
    const json_t *value = json_object_get(options, "id");
    *id = json_string_value(value);
    if (!value) {
        return true;
    }
    if (!*id || !id_is_well_formed(*id)) {
        error_setg(errp, "Parameter 'id' of -device must be an identifier, not '%s'",
                   *id ? *id : "a number");
        error_append_hint(errp, "an identifier begins with a letter and has letters, digits, "
                          "'-', '.' and '_', 128 characters at most");
        return false;
    }
    if (qdev_find(m, *id)) {
        error_setg(errp, "Duplicate device ID '%s'", *id);
        return false;
    }
    return true;
}

DeviceState *qdev_device_add(Machine *m, const json_t *options, Error **errp)
{
    const DeviceClass *klass = device_add_class(options, errp);
    const char *id, *key;
    json_t *value;

    if (!klass || !device_add_check_id(m, options, &id, errp)) {
        return NULL;
    }
    DeviceState *dev = qdev_new(m, klass, id);
    if (!qdev_apply_globals(dev, errp)) {
        qdev_free(dev);
        return NULL;
    }
    json_object_foreach((json_t *)options, key, value) {
        if (strcmp(key, "driver") == 0 || strcmp(key, "id") == 0) {
            continue;
        }
        if (strcmp(key, "bus") == 0 && klass->bus) {
            /* Which buses there are, the device's own realize knows. */
            if (!json_is_string(value)) {
                error_setg(errp, "Parameter 'bus' of device '%s' must be the name of a bus",
                           klass->name);
                qdev_free(dev);
                return NULL;
            }
            json_object_set(qdev_options(dev), key, value);
            continue;
        }
        if (!qdev_set_prop(dev, key, value, errp)) {
            qdev_free(dev);
            return NULL;
        }
    }
    return qdev_realize(dev, errp) ? dev : NULL;
}
