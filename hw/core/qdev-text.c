/*
 * qdev-text.c - devices as text: `info qtree`, `-device help`, `-device NAME,help`.
 *
 * Lobby (hw/core), over qdev.c.  Machine lock held where a machine is given.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <glib.h>
#include <inttypes.h>
#include <string.h>

#include "qdev-internal.h"

static void append_props(GString *out, DeviceState *dev)
{
    for (const Property *prop = dev->klass->props; prop && prop->name; prop++) {
        json_t *value = qdev_get_prop(dev, prop->name);
        char *text = json_dumps(value, JSON_ENCODE_ANY);
        g_string_append_printf(out, "    %s = %s\n", prop->name, text ? text : "?");
        free(text);
        json_decref(value);
    }
}

static void append_device(GString *out, DeviceState *dev)
{
    g_string_append_printf(out, "  dev: %s, id \"%s\"\n", dev->klass->name, dev->id ? dev->id : "");
    append_props(out, dev);
    if (dev->mmio_base) {
        g_string_append_printf(out, "    mmio %016" PRIx64 "\n", dev->mmio_base);
    }
}

/* The on-board devices first, then each bus that has something in it. */
char *qdev_tree_text(Machine *m)
{
    GString *out = g_string_new("bus: main-system-bus\n  type System\n");
    for (DeviceState *dev = qdev_first(m); dev; dev = dev->next) {
        if (!dev->klass->bus) {
            append_device(out, dev);
        }
    }
    const char *bus = NULL;
    for (DeviceState *dev = qdev_first(m); dev; dev = dev->next) {
        if (!dev->klass->bus) {
            continue;
        }
        if (!bus || strcmp(bus, dev->klass->bus) != 0) {
            bus = dev->klass->bus;
            g_string_append_printf(out, "bus: %s\n", bus);
        }
        append_device(out, dev);
    }
    return g_string_free(out, FALSE);
}

static void append_class_line(GString *out, const DeviceClass *klass)
{
    g_string_append_printf(out, "name \"%s\"", klass->name);
    if (klass->bus) {
        g_string_append_printf(out, ", bus %s", klass->bus);
    }
    if (klass->desc) {
        g_string_append_printf(out, ", desc \"%s\"", klass->desc);
    }
    g_string_append_c(out, '\n');
}

static int compare_props(const void *a, const void *b)
{
    return strcmp((*(const Property *const *)a)->name, (*(const Property *const *)b)->name);
}

static void append_prop_lines(GString *out, const DeviceClass *klass)
{
    GPtrArray *sorted = g_ptr_array_new();
    for (const Property *prop = klass->props; prop && prop->name; prop++) {
        g_ptr_array_add(sorted, (void *)prop);
    }
    g_ptr_array_sort(sorted, compare_props);
    for (unsigned i = 0; i < sorted->len; i++) {
        const Property *prop = sorted->pdata[i];
        GString *line = g_string_new(NULL);
        g_string_printf(line, "  %s=<%s>", prop->name, qdev_prop_kind_name(prop->kind));
        g_string_append_printf(out, "%-27s", line->str);
        g_string_free(line, TRUE);
        if (prop->desc) {
            g_string_append_printf(out, " - %s", prop->desc);
        }
        if (prop->default_text) {
            g_string_append_printf(out, " (default: %s)", prop->default_text);
        }
        g_string_append_c(out, '\n');
    }
    g_ptr_array_free(sorted, TRUE);
}

/* name NULL, "help" or "?": the list; else the properties of one class, NULL if there is none. */
char *qdev_help_text(const char *name)
{
    GString *out = g_string_new(NULL);
    if (!name || strcmp(name, "help") == 0 || strcmp(name, "?") == 0) {
        for (const DeviceClass *const *klass = device_classes(); *klass; klass++) {
            if ((*klass)->user_creatable) {
                append_class_line(out, *klass);
            }
        }
        return g_string_free(out, FALSE);
    }
    const DeviceClass *klass = device_class_find(name);
    if (!klass) {
        g_string_free(out, TRUE);
        return NULL;
    }
    if (!klass->props || !klass->props->name) {
        g_string_append_printf(out, "There are no options for %s.\n", name);
    } else {
        g_string_append_printf(out, "%s options:\n", name);
        append_prop_lines(out, klass);
    }
    return g_string_free(out, FALSE);
}
