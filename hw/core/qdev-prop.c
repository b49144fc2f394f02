/*
 * qdev-prop.c - device properties: from text or JSON into the instance, and back to JSON.
 *
 * Lobby (hw/core), over util/keyval.h; names of back ends are resolved by block/, net/, chardev/.
 * Machine lock held.  Invariant: a value is stored only after it was found right as a whole, so a
 * failed set leaves the old value.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <glib.h>
#include <inttypes.h>
#include <string.h>

#include "block/block.h"
#include "chardev/char.h"
#include "hw/qdev.h"
#include "net/net.h"
#include "qdev-internal.h"
#include "system/machine.h"
#include "util/json-uint.h"
#include "util/keyval.h"

static void *prop_field(DeviceState *dev, const Property *prop)
{
    return (char *)dev + prop->offset;
}

const Property *qdev_prop_find(const DeviceClass *klass, const char *name)
{
    for (const Property *prop = klass->props; prop && prop->name; prop++) {
        if (strcmp(prop->name, name) == 0) {
            return prop;
        }
    }
    return NULL;
}

static const struct {
    const char *name;       /* as -device NAME,help shows it */
    const char *accepts;    /* what would be right */
    uint64_t max;           /* of an unsigned number */
} kinds[] = {
    [PROP_BOOL] = { "bool", "on or off", 0 },
    [PROP_UINT8] = { "uint8", "a number from 0 to 255", UINT8_MAX },
    [PROP_UINT16] = { "uint16", "a number from 0 to 65535", UINT16_MAX },
    [PROP_UINT32] = { "uint32", "a number from 0 to 4294967295", UINT32_MAX },
    [PROP_INT32] = { "int32", "a number from -2147483648 to 2147483647", 0 },
    [PROP_UINT64] = { "uint64", "a number from 0 to 18446744073709551615", UINT64_MAX },
    [PROP_SIZE] = { "size", "a size in bytes, or with one of the suffixes K, M, G, T", UINT64_MAX },
    [PROP_STRING] = { "str", "a string", 0 },
    [PROP_MACADDR] = { "str", "an Ethernet address such as 52:54:00:12:34:56", 0 },
    [PROP_DRIVE] = { "str", "the node name of a block device or the id of a drive", 0 },
    [PROP_NETDEV] = { "str", "the id of a netdev", 0 },
    [PROP_CHARDEV] = { "str", "the id of a chardev", 0 },
    [PROP_OBJECT] = { "str", "the id of an object", 0 },
    [PROP_ON_OFF_AUTO] = { "OnOffAuto", "on, off or auto", 0 },
};

const char *qdev_prop_kind_name(PropKind kind)
{
    return kinds[kind].name;
}

/* ---- values ---- */

/* JSON or text that stands for an unsigned number at most max. */
static bool read_uint(const json_t *value, uint64_t max, uint64_t *out)
{
    if (json_is_integer(value)) {
        json_int_t v = json_integer_value(value);
        /* jansson's integers are signed: a negative one can only be meant for the full 64 bits. */
        *out = (uint64_t)v;
        return v >= 0 && (uint64_t)v <= max;
    }
    return json_is_string(value) &&
           keyval_parse_uint(json_string_value(value), max, out, NULL);
}

static bool read_int32(const json_t *value, int32_t *out)
{
    int64_t v;
    if (json_is_integer(value)) {
        v = json_integer_value(value);
    } else if (json_is_string(value) && *json_string_value(value)) {
        char *end;
        errno = 0;
        v = g_ascii_strtoll(json_string_value(value), &end, 0);
        if (*end || errno) {
            return false;
        }
    } else {
        return false;
    }
    *out = (int32_t)v;
    return v >= INT32_MIN && v <= INT32_MAX;
}

static bool read_bool(const json_t *value, bool *out)
{
    if (json_is_boolean(value)) {
        *out = json_is_true(value);
        return true;
    }
    return json_is_string(value) && keyval_parse_bool(json_string_value(value), out);
}

static bool read_mac(const json_t *value, uint8_t mac[6])
{
    const char *text = json_string_value(value);
    if (!text || strlen(text) != 17) {
        return false;
    }
    for (int i = 0; i < 6; i++) {
        int high = g_ascii_xdigit_value(text[3 * i]);
        int low = g_ascii_xdigit_value(text[3 * i + 1]);
        char after = text[3 * i + 2];
        if (high < 0 || low < 0 || (i < 5 ? after != ':' && after != '-' : after != '\0')) {
            return false;
        }
        mac[i] = high << 4 | low;
    }
    return true;
}

static bool read_on_off_auto(const json_t *value, int *out)
{
    bool on;
    if (json_is_string(value) && strcmp(json_string_value(value), "auto") == 0) {
        *out = 0;
        return true;
    }
    if (!read_bool(value, &on)) {
        return false;
    }
    *out = on ? 1 : 2;
    return true;
}

static void store_uint(void *field, PropKind kind, uint64_t v)
{
    switch (kind) {
    case PROP_UINT8:
        *(uint8_t *)field = v;
        break;
    case PROP_UINT16:
        *(uint16_t *)field = v;
        break;
    case PROP_UINT32:
        *(uint32_t *)field = v;
        break;
    default:
        *(uint64_t *)field = v;
        break;
    }
}

/* Values that need no other room. False: the value is not of that kind. */
static bool set_plain(void *field, const Property *prop, const json_t *value)
{
    uint64_t number;
    uint8_t mac[6];

    switch (prop->kind) {
    case PROP_BOOL:
        return read_bool(value, field);
    case PROP_INT32:
        return read_int32(value, field);
    case PROP_SIZE:
        if (json_is_string(value)) {
            return keyval_parse_size(json_string_value(value), 'B', field, NULL);
        }
        return read_uint(value, UINT64_MAX, field);
    case PROP_STRING:
    case PROP_OBJECT:
        if (!json_is_string(value)) {
            return false;
        }
        g_free(*(char **)field);
        *(char **)field = g_strdup(json_string_value(value));
        return true;
    case PROP_MACADDR:
        if (!read_mac(value, mac)) {
            return false;
        }
        memcpy(field, mac, sizeof(mac));
        return true;
    case PROP_ON_OFF_AUTO:
        return read_on_off_auto(value, field);
    default:
        if (!read_uint(value, kinds[prop->kind].max, &number)) {
            return false;
        }
        store_uint(field, prop->kind, number);
        return true;
    }
}

/* Values that name a back end of the machine. */
static bool set_back_end(DeviceState *dev, const Property *prop, const char *name, Error **errp)
{
    void **field = prop_field(dev, prop);
    void *found = NULL;

    switch (prop->kind) {
    case PROP_DRIVE:
        found = blk_attach(dev->machine, name, dev->qom_path, errp);
        if (!found) {
            error_prepend(errp, "Device '%s': property '%s': ", dev->klass->name, prop->name);
            return false;
        }
        if (*field) {
            blk_detach(*field);
        }
        break;
    case PROP_NETDEV:
        found = netdev_find(dev->machine, name);
        break;
    default:
        found = chardev_find(dev->machine, name);
        break;
    }
    if (!found) {
        error_setg(errp, "Property '%s.%s' can't find value '%s'; expected %s", dev->klass->name,
                   prop->name, name, kinds[prop->kind].accepts);
        return false;
    }
    *field = found;
    return true;
}

json_t *qdev_options(DeviceState *dev)
{
    if (!dev->options) {
        dev->options = json_object();
    }
    return dev->options;
}

static void unknown_property(const DeviceClass *klass, const char *name, Error **errp)
{
    GString *known = g_string_new(NULL);
    for (const Property *prop = klass->props; prop && prop->name; prop++) {
        g_string_append_printf(known, "%s%s", known->len ? ", " : "", prop->name);
    }
    error_setg(errp, "Property '%s.%s' not found; there are: %s", klass->name, name,
               known->len ? known->str : "none");
    g_string_free(known, TRUE);
}

static void wrong_value(const DeviceClass *klass, const Property *prop, const json_t *value,
                        Error **errp)
{
    char *text = json_dumps(value, JSON_ENCODE_ANY);
    error_setg(errp, "Property '%s.%s' does not take value %s; expected %s", klass->name,
               prop->name, text ? text : "of that kind", kinds[prop->kind].accepts);
    free(text);
}

static bool is_back_end(const Property *prop)
{
    return prop->kind == PROP_DRIVE || prop->kind == PROP_NETDEV || prop->kind == PROP_CHARDEV;
}

bool qdev_set_prop(DeviceState *dev, const char *name, const json_t *value, Error **errp)
{
    const Property *prop = qdev_prop_find(dev->klass, name);
    if (!prop) {
        unknown_property(dev->klass, name, errp);
        return false;
    }
    if (dev->realized) {
        error_setg(errp, "Property '%s.%s' cannot be changed: the device is in use",
                   dev->klass->name, name);
        return false;
    }
    bool back_end = is_back_end(prop);
    if (back_end && json_is_string(value)) {
        if (!set_back_end(dev, prop, json_string_value(value), errp)) {
            return false;
        }
    } else if (back_end || !set_plain(prop_field(dev, prop), prop, value)) {
        wrong_value(dev->klass, prop, value, errp);
        return false;
    }
    json_object_set(qdev_options(dev), name, (json_t *)value);
    return true;
}

bool qdev_set_prop_string(DeviceState *dev, const char *name, const char *value, Error **errp)
{
    json_t *text = json_string(value);
    if (!text) {
        error_setg(errp, "Property '%s.%s': the value is not UTF-8", dev->klass->name, name);
        return false;
    }
    bool ok = qdev_set_prop(dev, name, text, errp);
    json_decref(text);
    return ok;
}

/* ---- -global ---- */

/* The board's devices exist before any -global is read: a class that can still follow has a hook. */
static bool set_on_board(Machine *m, const DeviceClass *klass, const Property *prop,
                         const json_t *value, Error **errp)
{
    if (!klass->global_set) {
        error_setg(errp, "'%s' is part of the board: -global cannot set '%s'", klass->name,
                   prop->name);
        return false;
    }
    for (DeviceState *dev = qdev_first(m); dev; dev = dev->next) {
        if (dev->klass == klass) {
            set_plain(prop_field(dev, prop), prop, value);
            klass->global_set(dev);
        }
    }
    return true;
}

/* Tries a value on a scratch instance, so that a wrong one is refused where it was given. */
static bool value_fits(const DeviceClass *klass, const Property *prop, const json_t *value)
{
    if (is_back_end(prop)) {
        return json_is_string(value);
    }
    DeviceState *scratch = g_malloc0(klass->instance_size);
    scratch->klass = klass;
    bool ok = set_plain(prop_field(scratch, prop), prop, value);
    qdev_prop_release(scratch);
    g_free(scratch);
    return ok;
}

bool qdev_add_global(Machine *m, const char *driver, const char *property, const json_t *value,
                     Error **errp)
{
    QdevTree *tree = m->devices;
    const DeviceClass *klass = driver ? device_class_find(driver) : NULL;
    if (!klass || !property) {
        error_setg(errp, "there is no device '%s' for -global", driver ? driver : "");
        return false;
    }
    const Property *prop = qdev_prop_find(klass, property);
    if (!prop) {
        unknown_property(klass, property, errp);
        return false;
    }
    if (!value_fits(klass, prop, value)) {
        wrong_value(klass, prop, value, errp);
        return false;
    }
    if (!klass->user_creatable) {
        return set_on_board(m, klass, prop, value, errp);
    }
    if (!tree->globals) {
        tree->globals = json_object();
    }
    json_t *of_driver = json_object_get(tree->globals, driver);
    if (!of_driver) {
        of_driver = json_object();
        json_object_set_new(tree->globals, driver, of_driver);
    }
    json_object_set(of_driver, property, (json_t *)value);
    return true;
}

bool qdev_apply_globals(DeviceState *dev, Error **errp)
{
    json_t *values = json_object_get(dev->machine->devices->globals, dev->klass->name), *value;
    const char *name;
    json_object_foreach(values, name, value) {
        if (!qdev_set_prop(dev, name, value, errp)) {
            error_prepend(errp, "-global: ");
            return false;
        }
    }
    return true;
}

/* ---- and back ---- */

static json_t *uint_json(uint64_t v)
{
    return json_uint_new(v);
}

static json_t *mac_json(const uint8_t *mac)
{
    return json_sprintf("%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4],
                        mac[5]);
}

json_t *qdev_get_prop(DeviceState *dev, const char *name)
{
    static const char *const on_off_auto[] = { "auto", "on", "off" };
    const Property *prop = qdev_prop_find(dev->klass, name);
    if (!prop) {
        return NULL;
    }
    const void *field = prop_field(dev, prop);
    json_t *given = json_object_get(dev->options, name);

    switch (prop->kind) {
    case PROP_BOOL:
        return json_boolean(*(const bool *)field);
    case PROP_UINT8:
        return uint_json(*(const uint8_t *)field);
    case PROP_UINT16:
        return uint_json(*(const uint16_t *)field);
    case PROP_UINT32:
        return uint_json(*(const uint32_t *)field);
    case PROP_INT32:
        return json_integer(*(const int32_t *)field);
    case PROP_UINT64:
    case PROP_SIZE:
        return uint_json(*(const uint64_t *)field);
    case PROP_MACADDR:
        return mac_json(field);
    case PROP_ON_OFF_AUTO:
        return json_string(on_off_auto[*(const int *)field % 3]);
    case PROP_STRING:
    case PROP_OBJECT:
        return json_string(*(char *const *)field ? *(char *const *)field : "");
    default:
        /* Back ends: the name that the user gave. */
        return given ? json_incref(given) : json_string("");
    }
}

void qdev_prop_set_defaults(DeviceState *dev)
{
    for (const Property *prop = dev->klass->props; prop && prop->name; prop++) {
        if (prop->default_text) {
            json_t *value = json_string(prop->default_text);
            /* Defaults are in the table; test-qdev creates every class and looks at each. */
            set_plain(prop_field(dev, prop), prop, value);
            json_decref(value);
        }
    }
}

void qdev_prop_release(DeviceState *dev)
{
    for (const Property *prop = dev->klass->props; prop && prop->name; prop++) {
        void **field = prop_field(dev, prop);
        if (prop->kind == PROP_STRING || prop->kind == PROP_OBJECT) {
            g_free(*field);
            *field = NULL;
        } else if (prop->kind == PROP_DRIVE && *field) {
            blk_detach(*field);
            *field = NULL;
        }
    }
}
