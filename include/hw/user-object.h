/*
 * user-object.h - what -object and object-add make: secrets, I/O threads, entropy sources, RAM back ends.
 *
 * Lobby.  The set belongs to a MachineConfig and later to its machine, since RAM back ends must exist
 * before the machine does.  Main thread, machine lock held once there is a machine.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_HW_USER_OBJECT_H
#define GODWIT_HW_USER_OBJECT_H

#include <jansson.h>
#include <stdbool.h>

#include "util/error.h"

typedef struct UserObjects UserObjects;

/* One object: its type, id and the options as the user gave them (all borrowed). */
typedef struct UserObject {
    char *type;
    char *id;
    json_t *options;
    struct UserObject *next;
} UserObject;

UserObjects *user_objects_new(void);
void user_objects_free(UserObjects *objects);

/*
 * Adds {"qom-type": …, "id": …, properties}; options is borrowed. The error names an unknown type with
 * the known ones, an unknown property with the known ones, or an id that is taken.
 */
bool user_object_add(UserObjects *objects, const json_t *options, Error **errp);
/* Removes by id; fails if there is none or a device uses it. */
bool user_object_del(UserObjects *objects, const char *id, Error **errp);
/* NULL if there is none; type NULL accepts every type. */
const UserObject *user_object_find(const UserObjects *objects, const char *id, const char *type);
const UserObject *user_object_first(const UserObjects *objects);
/* A device says that it depends on the object, or no longer does. */
void user_object_ref(const UserObject *object);
void user_object_unref(const UserObject *object);
/* NULL-terminated names for -object help, qom-list-types and introspection. */
const char *const *user_object_types(void);
/* The properties of a type, NULL-terminated; NULL if the type is unknown. */
const char *const *user_object_properties(const char *type);

#endif
