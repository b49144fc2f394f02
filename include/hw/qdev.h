/*
 * qdev.h - devices: classes, properties, realize, reset, and the tree that qom-list shows.
 *
 * Lobby.  A DeviceClass is an immutable table; every class stands in one list, hw/core/device-table.c.
 * On-board devices are created by the board, the others by -device.  Machine lock held throughout.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_HW_QDEV_H
#define GODWIT_HW_QDEV_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/error.h"

typedef struct Machine Machine;
typedef struct DeviceClass DeviceClass;
typedef struct DeviceState DeviceState;
typedef struct VMStateDescription VMStateDescription;

typedef enum PropKind {
    PROP_BOOL,          /* bool; "on"/"off" or JSON true/false */
    PROP_UINT8,
    PROP_UINT16,
    PROP_UINT32,
    PROP_INT32,
    PROP_UINT64,
    PROP_SIZE,          /* uint64_t bytes; "64M" */
    PROP_STRING,        /* char *, owned by the device */
    PROP_MACADDR,       /* uint8_t[6] */
    PROP_DRIVE,         /* BlockBackend *; node name or drive id */
    PROP_NETDEV,        /* NetClientState * of the back end, by id */
    PROP_CHARDEV,       /* Chardev *, by id */
    PROP_OBJECT,        /* char *: id of an -object, checked by realize */
    PROP_ON_OFF_AUTO,   /* int: 0 auto, 1 on, 2 off */
} PropKind;

typedef struct Property {
    const char *name;
    PropKind kind;
    size_t offset;              /* in the instance */
    const char *default_text;   /* parsed like a value given by the user; NULL: zero */
    const char *desc;
} Property;

struct DeviceClass {
    const char *name;           /* QEMU's type name, e.g. "virtio-blk-device" */
    const char *desc;           /* one line for -device help */
    const char *parent;         /* abstract parent type shown by qom-list-types, e.g. "virtio-device" */
    const char *bus;            /* bus it plugs into: "virtio-bus", "virtio-serial-bus"; NULL: on-board */
    size_t instance_size;       /* DeviceState is the first member */
    const Property *props;      /* ends with name NULL; may be NULL */
    bool user_creatable;        /* by -device */
    bool (*realize)(DeviceState *dev, Error **errp);
    void (*unrealize)(DeviceState *dev);    /* undoes realize; may be NULL */
    void (*reset)(DeviceState *dev);        /* may be NULL */
    /*
     * An on-board device, realized and before any -device: -global has changed a property (value checked).
     * NULL: the class cannot follow, and -global is an error.
     */
    void (*global_set)(DeviceState *dev);
    const VMStateDescription *vmsd;         /* what migrates; NULL: nothing, or registered by realize */
};

struct DeviceState {
    const DeviceClass *klass;
    Machine *machine;
    char *id;                   /* -device id=, or NULL */
    char *qom_path;             /* "/machine/peripheral/ID", "/machine/unattached/device[3]", … */
    char *vmstate_id;           /* idstr prefix in the stream ("virtio-mmio@…") or NULL; set by realize */
    bool realized;
    uint64_t mmio_base;         /* for info qtree; 0 if none */
    json_t *options;            /* properties that the user gave, or NULL */
    DeviceState *next;
};

/* All classes, NULL-terminated; and one by name (NULL if unknown). */
const DeviceClass *const *device_classes(void);
const DeviceClass *device_class_find(const char *name);

/* Creates a device with default properties, not realized. The machine owns it. */
DeviceState *qdev_new(Machine *m, const DeviceClass *klass, const char *id);
/*
 * Sets one property from a user's JSON value: typed JSON, or a string as on the command line.
 * The error names device, property, value and what is accepted.
 */
bool qdev_set_prop(DeviceState *dev, const char *name, const json_t *value, Error **errp);
bool qdev_set_prop_string(DeviceState *dev, const char *name, const char *value, Error **errp);
/* The value as JSON (new reference), NULL if there is no such property. */
json_t *qdev_get_prop(DeviceState *dev, const char *name);
/* Realizes; registers klass->vmsd. On failure the device is removed and freed. */
bool qdev_realize(DeviceState *dev, Error **errp);
/*
 * -device: options is {"driver": …, "id": …, "bus": …, properties}; typed values or strings. Borrowed.
 * An unknown driver or property is an error that lists what would be right.
 */
DeviceState *qdev_device_add(Machine *m, const json_t *options, Error **errp);
/*
 * -global: a default that every device of that driver made from now on has; value is borrowed. A driver or
 * property that does not exist is an error that names it.
 */
bool qdev_add_global(Machine *m, const char *driver, const char *property, const json_t *value,
                     Error **errp);
/* Unrealizes and frees. */
void qdev_free(DeviceState *dev);

DeviceState *qdev_first(Machine *m);
/* By id or QOM path; NULL if there is none. */
DeviceState *qdev_find(Machine *m, const char *id_or_path);
/* Resets all devices in order of creation. */
void qdev_reset_all(Machine *m);
/* `info qtree` as text. */
char *qdev_tree_text(Machine *m);
/* `-device help` or `-device NAME,help` as text. */
char *qdev_help_text(const char *name);

struct QdevTree *qdev_tree_new(Machine *m);
void qdev_tree_free(struct QdevTree *tree);

#endif
