/*
 * qmp-cmds-qom.c - the tree of objects as clients see it: types, paths, properties; devices and objects
 * that come and go.
 *
 * Floor F6; below it qdev and user objects.  Main loop's thread, machine lock held.
 * The tree:  /machine/peripheral/ID (devices with an id), other devices where their qom_path says,
 * /objects/ID, /chardevs/ID.  A virtio device answers at PATH/virtio-backend as well, which is where
 * clients look for the statistics of virtio-mmio disks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "chardev/char.h"
#include "hw/qdev.h"
#include "hw/user-object.h"
#include "monitor/monitor-internal.h"
#include "qapi/qapi-commands.h"
#include "qapi/qapi-events.h"
#include "system/machine.h"
#include "system/runstate.h"
#include "target/riscv.h"

#define VIRTIO_BACKEND "/virtio-backend"

static const char *const prop_type_names[] = {
    [PROP_BOOL] = "bool", [PROP_UINT8] = "uint8", [PROP_UINT16] = "uint16", [PROP_UINT32] = "uint32",
    [PROP_INT32] = "int32", [PROP_UINT64] = "uint64", [PROP_SIZE] = "size", [PROP_STRING] = "str",
    [PROP_MACADDR] = "str", [PROP_DRIVE] = "str", [PROP_NETDEV] = "str", [PROP_CHARDEV] = "str",
    [PROP_OBJECT] = "link<object>", [PROP_ON_OFF_AUTO] = "OnOffAuto",
};

/* ------------------------------------------------------------------ types */

/* Types that are no device class: name and parent. */
static const char *const other_types[][2] = {
    { "container", "object" }, { "device", "object" }, { "machine", "object" }, { "accel", "object" },
    { "tcg-accel", "accel" }, { "bus", "object" }, { "virtio-mmio-bus", "virtio-bus" },
    { "virtio-bus", "bus" }, { "virtio-device", "device" }, { "sys-bus-device", "device" },
    { "cpu", "device" }, { "riscv-cpu", "cpu" },
};

typedef struct TypeRow {
    const char *name, *parent;
    bool abstract;
} TypeRow;

/* Visits every type; fn returns false to end the walk. */
static void foreach_type(bool (*fn)(const TypeRow *row, void *opaque), void *opaque)
{
    for (size_t i = 0; i < G_N_ELEMENTS(other_types); i++) {
        TypeRow row = { other_types[i][0], other_types[i][1], strcmp(other_types[i][0], "tcg-accel") &&
                        strcmp(other_types[i][0], "container") && strcmp(other_types[i][0], "virtio-mmio-bus") };
        if (!fn(&row, opaque)) {
            return;
        }
    }
    for (const DeviceClass *const *klass = device_classes(); *klass; klass++) {
        TypeRow row = { (*klass)->name, (*klass)->parent ? (*klass)->parent : "device", false };
        if (!fn(&row, opaque)) {
            return;
        }
    }
    for (const char *const *name = user_object_types(); *name; name++) {
        TypeRow row = { *name, "object", false };
        if (!fn(&row, opaque)) {
            return;
        }
    }
    for (const MachineClass *const *klass = machine_classes(); *klass; klass++) {
        g_autofree char *name = g_strdup_printf("%s-machine", (*klass)->name);
        TypeRow row = { name, "machine", false };
        if (!fn(&row, opaque)) {
            return;
        }
    }
    for (const char *const *model = riscv_cpu_models(); *model; model++) {
        g_autofree char *name = g_strdup_printf("%s-riscv-cpu", *model);
        TypeRow row = { name, "riscv-cpu", false };
        if (!fn(&row, opaque)) {
            return;
        }
    }
}

typedef struct TypeSearch {
    const char *name;
    char *parent;
    bool found;
} TypeSearch;

static bool match_type(const TypeRow *row, void *opaque)
{
    TypeSearch *search = opaque;
    if (strcmp(row->name, search->name) != 0) {
        return true;
    }
    search->found = true;
    search->parent = g_strdup(row->parent);
    return false;
}

/* True if type `name` is `ancestor` or comes from it. */
static bool type_implements(const char *name, const char *ancestor)
{
    g_autofree char *at = g_strdup(name);
    for (int depth = 0; at && depth < 8; depth++) {
        if (strcmp(at, ancestor) == 0) {
            return true;
        }
        TypeSearch search = { .name = at };
        foreach_type(match_type, &search);
        g_free(at);
        at = search.parent;
    }
    return false;
}

typedef struct TypeList {
    const QomListTypesArgs *args;
    ObjectTypeInfoList **tail;
} TypeList;

static bool list_type(const TypeRow *row, void *opaque)
{
    TypeList *list = opaque;
    bool want_abstract = !list->args->has_abstract || list->args->abstract;
    if ((row->abstract && !want_abstract) ||
        (list->args->implements && !type_implements(row->name, list->args->implements))) {
        return true;
    }
    ObjectTypeInfo *info = g_new0(ObjectTypeInfo, 1);
    info->name = g_strdup(row->name);
    info->parent = g_strdup(row->parent);
    info->has_abstract = row->abstract;
    info->abstract = row->abstract;
    QAPI_LIST_APPEND(list->tail, info);
    return true;
}

bool qmp_qom_list_types(QmpContext *ctx, const QomListTypesArgs *args, ObjectTypeInfoList **ret,
                        Error **errp)
{
    TypeList list = { .args = args, .tail = ret };
    foreach_type(list_type, &list);
    return true;
}

static void append_property(ObjectPropertyInfoList ***tail, const char *name, const char *type,
                            const char *description)
{
    ObjectPropertyInfo *info = g_new0(ObjectPropertyInfo, 1);
    info->name = g_strdup(name);
    info->type = g_strdup(type);
    info->description = g_strdup(description);
    QAPI_LIST_APPEND(*tail, info);
}

static void append_class_properties(ObjectPropertyInfoList ***tail, const DeviceClass *klass)
{
    for (const Property *prop = klass->props; prop && prop->name; prop++) {
        append_property(tail, prop->name, prop_type_names[prop->kind], prop->desc);
    }
}

bool qmp_device_list_properties(QmpContext *ctx, const DeviceListPropertiesArgs *args,
                                ObjectPropertyInfoList **ret, Error **errp)
{
    const DeviceClass *klass = device_class_find(args->typename);
    if (!klass) {
        error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND, "Device '%s' not found", args->typename);
        return false;
    }
    ObjectPropertyInfoList **tail = ret;
    append_class_properties(&tail, klass);
    return true;
}

bool qmp_qom_list_properties(QmpContext *ctx, const QomListPropertiesArgs *args,
                             ObjectPropertyInfoList **ret, Error **errp)
{
    ObjectPropertyInfoList **tail = ret;
    TypeSearch search = { .name = args->typename };
    foreach_type(match_type, &search);
    g_free(search.parent);
    if (!search.found) {
        error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND, "Class '%s' not found", args->typename);
        return false;
    }
    append_property(&tail, "type", "string", NULL);
    const DeviceClass *klass = device_class_find(args->typename);
    const char *const *names = user_object_properties(args->typename);
    if (klass) {
        append_class_properties(&tail, klass);
    }
    for (; names && *names; names++) {
        if (strcmp(*names, "qom-type") != 0 && strcmp(*names, "id") != 0) {
            append_property(&tail, *names, "str", NULL);
        }
    }
    return true;
}

/* ------------------------------------------------------------------ paths */

static DeviceState *find_device(Machine *m, const char *path)
{
    g_autofree char *base = g_str_has_suffix(path, VIRTIO_BACKEND)
                                ? g_strndup(path, strlen(path) - strlen(VIRTIO_BACKEND))
                                : g_strdup(path);
    return qdev_find(m, base);
}

static const UserObject *find_object(Machine *m, const char *path)
{
    const char *id = g_str_has_prefix(path, "/objects/") ? path + strlen("/objects/") : path;
    return m->config->objects ? user_object_find(m->config->objects, id, NULL) : NULL;
}

typedef struct ChildList {
    const char *path;
    ObjectPropertyInfoList **tail;
    GHashTable *seen;
} ChildList;

/* A node below list->path on the way to (or at) `full`: listed once, as child<type>. */
static void append_child(ChildList *list, const char *full, const char *type)
{
    size_t len = strlen(list->path);
    if (strcmp(list->path, "/") == 0) {
        len = 0;
    }
    if (strncmp(full, list->path, len) != 0 || full[len] != '/') {
        return;
    }
    const char *name = full + len + 1, *slash = strchr(name, '/');
    char *child = slash ? g_strndup(name, slash - name) : g_strdup(name);
    if (!g_hash_table_add(list->seen, child)) {
        return;
    }
    g_autofree char *child_type = g_strdup_printf("child<%s>", slash ? "container" : type);
    append_property(&list->tail, child, child_type, NULL);
}

static void append_chardev(const ChardevInfo *info, void *opaque)
{
    g_autofree char *full = g_strdup_printf("/chardevs/%s", info->label);
    append_child(opaque, full, "chardev");
}

static void append_children(Machine *m, ChildList *list)
{
    static const char *const fixed[][2] = {
        { "/machine", "machine" }, { "/objects", "container" }, { "/chardevs", "container" },
        { "/machine/peripheral", "container" }, { "/machine/peripheral-anon", "container" },
        { "/machine/unattached", "container" },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(fixed); i++) {
        append_child(list, fixed[i][0], fixed[i][1]);
    }
    for (DeviceState *dev = qdev_first(m); dev; dev = dev->next) {
        append_child(list, dev->qom_path, dev->klass->name);
    }
    const UserObject *object = m->config->objects ? user_object_first(m->config->objects) : NULL;
    for (; object; object = object->next) {
        g_autofree char *full = g_strdup_printf("/objects/%s", object->id);
        append_child(list, full, object->type);
    }
    for (unsigned i = 0; i < cpu_count(m); i++) {
        g_autofree char *full = g_strdup_printf("/machine/soc0/harts[%u]", i);
        append_child(list, full, "rv64-riscv-cpu");
    }
    chardev_foreach(m, append_chardev, list);
}

static bool path_is_container(const char *path)
{
    static const char *const known[] = { "/", "/machine", "/objects", "/chardevs", "/machine/peripheral",
                                         "/machine/peripheral-anon", "/machine/unattached" };
    for (size_t i = 0; i < G_N_ELEMENTS(known); i++) {
        if (strcmp(known[i], path) == 0) {
            return true;
        }
    }
    return false;
}

bool qmp_qom_list(QmpContext *ctx, const QomListArgs *args, ObjectPropertyInfoList **ret, Error **errp)
{
    Machine *m = ctx->machine;
    ChildList list = {
        .path = args->path, .tail = ret,
        .seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
    };
    append_property(&list.tail, "type", "string", NULL);
    DeviceState *dev = find_device(m, args->path);
    const UserObject *object = dev ? NULL : find_object(m, args->path);
    append_children(m, &list);
    if (dev) {
        append_class_properties(&list.tail, dev->klass);
        if (monitor_balloon_owns(dev, "guest-stats")) {
            append_property(&list.tail, "guest-stats", "guest statistics", NULL);
        }
    }
    bool found = dev || object || path_is_container(args->path) || g_hash_table_size(list.seen);
    g_hash_table_unref(list.seen);
    if (!found) {
        qapi_free_ObjectPropertyInfoList(*ret);
        *ret = NULL;
        error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND, "Device '%s' not found", args->path);
    }
    return found;
}

bool qmp_qom_get(QmpContext *ctx, const QomGetArgs *args, json_t **ret, Error **errp)
{
    Machine *m = ctx->machine;
    DeviceState *dev = find_device(m, args->path);
    const UserObject *object = dev ? NULL : find_object(m, args->path);
    if (!dev && !object && !path_is_container(args->path)) {
        error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND, "Device '%s' not found", args->path);
        return false;
    }
    if (strcmp(args->property, "type") == 0) {
        g_autofree char *machine_type = g_strdup_printf("%s-machine", m->klass->name);
        *ret = json_string(dev      ? dev->klass->name
                           : object ? object->type
                           : strcmp(args->path, "/machine") == 0 ? machine_type : "container");
        return true;
    }
    if (dev && monitor_balloon_owns(dev, args->property)) {
        *ret = monitor_balloon_get(m, args->property, errp);
        return *ret != NULL;
    }
    *ret = dev      ? qdev_get_prop(dev, args->property)
           : object ? json_incref(json_object_get(object->options, args->property))
                    : NULL;
    if (!*ret) {
        error_setg(errp, "Property '%s.%s' not found", args->path, args->property);
    }
    return *ret != NULL;
}

bool qmp_qom_set(QmpContext *ctx, const QomSetArgs *args, Error **errp)
{
    DeviceState *dev = find_device(ctx->machine, args->path);
    if (!dev) {
        error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND, "Device '%s' not found", args->path);
        return false;
    }
    if (monitor_balloon_owns(dev, args->property)) {
        return monitor_balloon_set(ctx->machine, args->property, args->value, errp);
    }
    return qdev_set_prop(dev, args->property, args->value, errp);
}

/* ------------------------------------------------------------------ coming and going */

/* The members that the schema names; the rest are properties of the device. */
static bool check_device_args(json_t *args, Error **errp)
{
    static const char *const names[] = { "driver", "bus", "id" };
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        json_t *value = json_object_get(args, names[i]);
        g_autofree char *text = NULL;
        if (value && !qapi_unmarshal(&qapi_type_str, names[i], value, &text, errp)) {
            return false;
        }
    }
    if (!json_object_get(args, "driver")) {
        error_setg(errp, "Parameter 'driver' is missing");
        return false;
    }
    return true;
}

bool qmp_device_add(QmpContext *ctx, json_t *args, Error **errp)
{
    if (!check_device_args(args, errp)) {
        return false;
    }
    /* virt has no bus that a guest would notice a new device on while it runs. */
    if (ctx->machine->klass->default_cpu_type && runstate_get(ctx->machine) != RUN_STATE_PRELAUNCH) {
        const char *driver = json_string_value(json_object_get(args, "driver"));
        if (!device_class_find(driver)) {
            error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND, "'%s' is not a valid device model name", driver);
        } else {
            error_setg(errp, "Bus of device '%s' does not support hotplugging; give it as -device at the "
                       "start", driver);
        }
        return false;
    }
    return qdev_device_add(ctx->machine, args, errp) != NULL;
}

bool qmp_device_del(QmpContext *ctx, const DeviceDelArgs *args, Error **errp)
{
    DeviceState *dev = qdev_find(ctx->machine, args->id);
    if (!dev) {
        error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND, "Device '%s' not found", args->id);
        return false;
    }
    if (!dev->klass->user_creatable || runstate_get(ctx->machine) != RUN_STATE_PRELAUNCH) {
        error_setg(errp, "Device '%s' cannot be unplugged from a machine that has started", args->id);
        return false;
    }
    DeviceDeletedEvent event = { .device = dev->id ? g_strdup(dev->id) : NULL,
                                 .path = g_strdup(dev->qom_path) };
    qdev_free(dev);
    qapi_event_send_device_deleted(ctx->machine->events, &event);
    g_free(event.device);
    g_free(event.path);
    return true;
}

bool qmp_object_add(QmpContext *ctx, const ObjectOptions *args, Error **errp)
{
    json_t *options = qapi_marshal(&qapi_type_ObjectOptions, &args);
    bool ok = user_object_add(ctx->machine->config->objects, options, errp);
    json_decref(options);
    return ok;
}

bool qmp_object_del(QmpContext *ctx, const ObjectDelArgs *args, Error **errp)
{
    return user_object_del(ctx->machine->config->objects, args->id, errp);
}

bool qmp_query_iothreads(QmpContext *ctx, IOThreadInfoList **ret, Error **errp)
{
    IOThreadInfoList **tail = ret;
    const UserObjects *objects = ctx->machine->config->objects;
    for (const UserObject *o = objects ? user_object_first(objects) : NULL; o; o = o->next) {
        if (strcmp(o->type, "iothread") == 0) {
            /* Disks are served by the block layer's workers: an iothread is a name to ask for. */
            IOThreadInfo *info = g_new0(IOThreadInfo, 1);
            info->id = g_strdup(o->id);
            info->poll_max_ns = json_integer_value(json_object_get(o->options, "poll-max-ns"));
            QAPI_LIST_APPEND(tail, info);
        }
    }
    return true;
}
