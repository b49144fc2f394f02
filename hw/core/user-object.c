/*
 * user-object.c - the table of -object types and the set of objects that a user made.
 *
 * Lobby; below it keyval.  Main thread; machine lock held once there is a machine.
 * Invariant: ids are unique, each object's options name only properties that its type has.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "hw/user-object.h"

#include <string.h>

#include "util/keyval.h"

typedef struct UserObjectType {
    const char *name;
    const char *const *properties;
    /* Checks values; NULL accepts everything of the right names. */
    bool (*check)(const json_t *options, Error **errp);
} UserObjectType;

typedef struct UserObjectEntry {
    UserObject object;          /* first: a UserObject is an entry */
    unsigned refs;
} UserObjectEntry;

struct UserObjects {
    UserObject *first;
};

static bool require(const json_t *options, const char *key, const char *what, Error **errp)
{
    if (!json_object_get(options, key)) {
        error_setg(errp, "object '%s' needs %s=, %s",
                   json_string_value(json_object_get(options, "id")), key, what);
        return false;
    }
    return true;
}

static bool check_ram(const json_t *options, Error **errp)
{
    uint64_t size = 0;
    if (!require(options, "size", "for example size=1G", errp) ||
        !keyval_get_size(options, "size", &size, errp)) {
        return false;
    }
    if (size == 0 || size % 4096) {
        error_setg(errp, "size %" G_GUINT64_FORMAT " of object '%s' is not a multiple of 4096", size,
                   json_string_value(json_object_get(options, "id")));
        return false;
    }
    return true;
}

static bool check_ram_file(const json_t *options, Error **errp)
{
    return require(options, "mem-path", "the file that holds the RAM", errp) &&
           check_ram(options, errp);
}

static bool check_secret(const json_t *options, Error **errp)
{
    if (!json_object_get(options, "data") && !json_object_get(options, "file")) {
        error_setg(errp, "secret '%s' needs data= or file=",
                   json_string_value(json_object_get(options, "id")));
        return false;
    }
    return true;
}

#define COMMON "qom-type", "id"
#define RAM_PROPS "size", "share", "merge", "dump", "prealloc", "host-nodes", "policy", \
    "x-use-canonical-path-for-ramblock-id"
#define NAMES(...) (const char *const[]){ COMMON, __VA_ARGS__, NULL }

static const UserObjectType object_types[] = {
    { "iothread", NAMES("poll-max-ns", "poll-grow", "poll-shrink", "aio-max-batch",
                        "thread-pool-min", "thread-pool-max"), NULL },
    { "memory-backend-file", NAMES(RAM_PROPS, "mem-path", "discard-data", "align", "readonly"),
      check_ram_file },
    { "memory-backend-memfd", NAMES(RAM_PROPS, "seal", "hugetlb", "hugetlbsize"), check_ram },
    { "memory-backend-ram", NAMES(RAM_PROPS), check_ram },
    { "rng-builtin", NAMES("opened"), NULL },
    { "rng-random", NAMES("filename", "opened"), NULL },
    { "secret", NAMES("data", "file", "format", "keyid", "iv"), check_secret },
};

static const UserObjectType *type_find(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(object_types); i++) {
        if (strcmp(object_types[i].name, name) == 0) {
            return &object_types[i];
        }
    }
    return NULL;
}

const char *const *user_object_types(void)
{
    static const char *names[G_N_ELEMENTS(object_types) + 1];
    static gsize once;
    if (g_once_init_enter(&once)) {
        for (size_t i = 0; i < G_N_ELEMENTS(object_types); i++) {
            names[i] = object_types[i].name;
        }
        g_once_init_leave(&once, 1);
    }
    return names;
}

const char *const *user_object_properties(const char *type)
{
    const UserObjectType *t = type_find(type);
    return t ? t->properties : NULL;
}

UserObjects *user_objects_new(void)
{
    return g_new0(UserObjects, 1);
}

static void object_free(UserObject *object)
{
    g_free(object->type);
    g_free(object->id);
    json_decref(object->options);
    g_free(object);
}

void user_objects_free(UserObjects *objects)
{
    if (!objects) {
        return;
    }
    while (objects->first) {
        UserObject *object = objects->first;
        objects->first = object->next;
        object_free(object);
    }
    g_free(objects);
}

/* An id begins with a letter and goes on with letters, digits, '-', '.' and '_'. */
static bool id_is_wellformed(const char *id)
{
    if (!g_ascii_isalpha(id[0])) {
        return false;
    }
    return strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._") ==
           strlen(id);
}

static const UserObjectType *checked_type(const json_t *options, Error **errp)
{
    const char *type_name = NULL;
    if (!keyval_get_str(options, "qom-type", &type_name, errp)) {
        return NULL;
    }
    const UserObjectType *type = type_name ? type_find(type_name) : NULL;
    if (!type) {
        g_autofree char *known = g_strjoinv(", ", (char **)user_object_types());
        error_setg(errp, type_name ? "invalid object type: %s" : "Parameter 'qom-type' is missing%s",
                   type_name ? type_name : "");
        error_append_hint(errp, "Object types: %s\n", known);
    }
    return type;
}

bool user_object_add(UserObjects *objects, const json_t *options, Error **errp)
{
    const UserObjectType *type = checked_type(options, errp);
    const char *id = NULL;
    if (!type || !keyval_get_str(options, "id", &id, errp)) {
        return false;
    }
    if (!id) {
        error_setg(errp, "Parameter 'id' is missing");
        return false;
    }
    if (!id_is_wellformed(id)) {
        error_setg(errp, "Parameter 'id' expects an identifier, not '%s'", id);
        return false;
    }
    if (user_object_find(objects, id, NULL)) {
        error_setg(errp, "attempt to add duplicate property '%s' to object (type 'container')", id);
        return false;
    }
    if (!keyval_check_known(options, type->properties, type->name, errp) ||
        (type->check && !type->check(options, errp))) {
        return false;
    }
    UserObjectEntry *entry = g_new0(UserObjectEntry, 1);
    entry->object = (UserObject){
        .type = g_strdup(type->name), .id = g_strdup(id), .options = json_deep_copy(options),
    };
    UserObject **tail = &objects->first;
    while (*tail) {
        tail = &(*tail)->next;
    }
    *tail = &entry->object;
    return true;
}

bool user_object_del(UserObjects *objects, const char *id, Error **errp)
{
    for (UserObject **p = &objects->first; *p; p = &(*p)->next) {
        UserObject *object = *p;
        if (strcmp(object->id, id) != 0) {
            continue;
        }
        if (((UserObjectEntry *)object)->refs) {
            error_setg(errp, "object '%s' is in use, can not be deleted", id);
            return false;
        }
        *p = object->next;
        object_free(object);
        return true;
    }
    error_setg(errp, "object '%s' not found", id);
    return false;
}

const UserObject *user_object_find(const UserObjects *objects, const char *id, const char *type)
{
    for (const UserObject *object = objects->first; object; object = object->next) {
        if (strcmp(object->id, id) == 0 && (!type || strcmp(object->type, type) == 0)) {
            return object;
        }
    }
    return NULL;
}

const UserObject *user_object_first(const UserObjects *objects)
{
    return objects->first;
}

void user_object_ref(const UserObject *object)
{
    ((UserObjectEntry *)object)->refs++;
}

void user_object_unref(const UserObject *object)
{
    ((UserObjectEntry *)object)->refs--;
}
