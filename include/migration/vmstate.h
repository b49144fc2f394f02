/*
 * vmstate.h - what migrates of a device, declared field by field.
 *
 * Floor F3's public face for the lobby.  A VMStateDescription is an immutable table; save and load
 * walk the same table, so they agree.  Field order is stream order.  Field names stand in the stream's
 * own description (vmdesc).  Numbers are big-endian on the wire.
 *
 * pre_save runs with the machine stopped; post_load checks what arrived: a value that the device cannot
 * hold is an error that names field and value, never an assertion.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_MIGRATION_VMSTATE_H
#define GODWIT_MIGRATION_VMSTATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "migration/qemu-file.h"
#include "util/error.h"

typedef struct VMStateDescription VMStateDescription;
typedef struct VMStateField VMStateField;

/* How one element stands on the wire. */
typedef struct VMStateInfo {
    const char *name;       /* "uint32", "bool", "timer", … as the vmdesc shows it */
    bool (*get)(QEMUFile *f, void *pv, const VMStateField *field, Error **errp);
    bool (*put)(QEMUFile *f, const void *pv, const VMStateField *field, Error **errp);
} VMStateInfo;

typedef enum VMStateFlags {
    VMS_SINGLE = 0,
    VMS_ARRAY = 1 << 0,         /* num elements of size bytes */
    VMS_VARRAY = 1 << 1,        /* the count is the integer at num_offset, at most num */
    VMS_POINTER = 1 << 2,       /* the field is a pointer to the element or array */
    VMS_STRUCT = 1 << 3,        /* elements are described by vmsd */
    VMS_BUFFER = 1 << 4,        /* size raw bytes */
    VMS_VBUFFER = 1 << 5,       /* the byte count is the integer at num_offset, at most size */
    VMS_MUST_EQUAL = 1 << 6,    /* load fails unless the value equals what is there */
} VMStateFlags;

struct VMStateField {
    const char *name;
    size_t offset;
    size_t size;                /* of one element, bytes */
    unsigned num;               /* elements of an array, or the maximum of a VARRAY */
    size_t num_offset;
    unsigned num_size;          /* 1, 2 or 4: width of the count */
    unsigned flags;
    const VMStateInfo *info;    /* or vmsd */
    const VMStateDescription *vmsd;
    int version_id;             /* first section version that has the field; 0: all */
    bool (*field_exists)(void *opaque, int version_id);     /* NULL: always */
};

struct VMStateDescription {
    const char *name;
    int version_id;             /* what is saved */
    int minimum_version_id;     /* the oldest that loads */
    bool unmigratable;          /* a move is refused, naming this device */
    bool optional;              /* a stream without this section is complete: QEMU's do not have it */
    bool (*pre_save)(void *opaque, Error **errp);
    bool (*pre_load)(void *opaque, Error **errp);
    bool (*post_load)(void *opaque, int version_id, Error **errp);
    bool (*needed)(void *opaque);                   /* subsections: saved only if true */
    const VMStateField *fields;                     /* ends with VMSTATE_END_OF_LIST() */
    const VMStateDescription *const *subsections;   /* ends with NULL; may be NULL */
    /* State that no table describes (virtio): both or neither. They stand before fields. */
    bool (*save_blob)(QEMUFile *f, void *opaque, Error **errp);
    bool (*load_blob)(QEMUFile *f, void *opaque, int version_id, Error **errp);
};

extern const VMStateInfo vmstate_info_bool;
extern const VMStateInfo vmstate_info_int8, vmstate_info_int16, vmstate_info_int32, vmstate_info_int64;
extern const VMStateInfo vmstate_info_uint8, vmstate_info_uint16, vmstate_info_uint32,
    vmstate_info_uint64;
extern const VMStateInfo vmstate_info_buffer;
/* pv is a QEMUTimer **; be64 absolute expiry, all ones when not armed; load arms it. */
extern const VMStateInfo vmstate_info_timer;
/* size zero bytes, skipped on load. */
extern const VMStateInfo vmstate_info_unused_buffer;

/* Saves or loads one description's fields and subsections. Machine stopped, lock held. */
bool vmstate_save_state(QEMUFile *f, const VMStateDescription *vmsd, void *opaque, Error **errp);
bool vmstate_load_state(QEMUFile *f, const VMStateDescription *vmsd, void *opaque, int version_id,
                        Error **errp);

/* The type of a field is checked against the type that the macro names. */
#define VMS_SAME_TYPE(_state, _field, ...) \
    (0 * sizeof(char[__builtin_types_compatible_p(__VA_ARGS__, \
                                                  __typeof__(((_state *)0)->_field)) ? 1 : -1]))
#define VMS_CHECKED(_state, _field, _type) \
    (offsetof(_state, _field) + VMS_SAME_TYPE(_state, _field, _type))
#define VMS_CHECKED_ARRAY(_state, _field, _type, _n) \
    (offsetof(_state, _field) + VMS_SAME_TYPE(_state, _field, _type[_n]))

#define VMSTATE_SINGLE_FULL(_field, _state, _exists, _ver, _info, _type) { \
    .name = #_field, .offset = VMS_CHECKED(_state, _field, _type), .size = sizeof(_type), .num = 1, \
    .info = &(_info), .version_id = (_ver), .field_exists = (_exists) }
#define VMSTATE_ARRAY_FULL(_field, _state, _n, _ver, _info, _type) { \
    .name = #_field, .offset = VMS_CHECKED_ARRAY(_state, _field, _type, _n), \
    .size = sizeof(_type), .num = (_n), .flags = VMS_ARRAY, .info = &(_info), .version_id = (_ver) }

#define VMSTATE_BOOL(_f, _s)   VMSTATE_SINGLE_FULL(_f, _s, NULL, 0, vmstate_info_bool, bool)
#define VMSTATE_INT8(_f, _s)   VMSTATE_SINGLE_FULL(_f, _s, NULL, 0, vmstate_info_int8, int8_t)
#define VMSTATE_INT16(_f, _s)  VMSTATE_SINGLE_FULL(_f, _s, NULL, 0, vmstate_info_int16, int16_t)
#define VMSTATE_INT32(_f, _s)  VMSTATE_SINGLE_FULL(_f, _s, NULL, 0, vmstate_info_int32, int32_t)
#define VMSTATE_INT64(_f, _s)  VMSTATE_SINGLE_FULL(_f, _s, NULL, 0, vmstate_info_int64, int64_t)
#define VMSTATE_UINT8(_f, _s)  VMSTATE_SINGLE_FULL(_f, _s, NULL, 0, vmstate_info_uint8, uint8_t)
#define VMSTATE_UINT16(_f, _s) VMSTATE_SINGLE_FULL(_f, _s, NULL, 0, vmstate_info_uint16, uint16_t)
#define VMSTATE_UINT32(_f, _s) VMSTATE_SINGLE_FULL(_f, _s, NULL, 0, vmstate_info_uint32, uint32_t)
#define VMSTATE_UINT64(_f, _s) VMSTATE_SINGLE_FULL(_f, _s, NULL, 0, vmstate_info_uint64, uint64_t)
#define VMSTATE_UINT32_V(_f, _s, _v) \
    VMSTATE_SINGLE_FULL(_f, _s, NULL, _v, vmstate_info_uint32, uint32_t)
#define VMSTATE_UINT64_V(_f, _s, _v) \
    VMSTATE_SINGLE_FULL(_f, _s, NULL, _v, vmstate_info_uint64, uint64_t)
#define VMSTATE_UINT64_TEST(_f, _s, _exists) \
    VMSTATE_SINGLE_FULL(_f, _s, _exists, 0, vmstate_info_uint64, uint64_t)
#define VMSTATE_TIMER_PTR(_f, _s) \
    VMSTATE_SINGLE_FULL(_f, _s, NULL, 0, vmstate_info_timer, QEMUTimer *)

#define VMSTATE_BOOL_ARRAY(_f, _s, _n)   VMSTATE_ARRAY_FULL(_f, _s, _n, 0, vmstate_info_bool, bool)
#define VMSTATE_UINT8_ARRAY(_f, _s, _n)  VMSTATE_ARRAY_FULL(_f, _s, _n, 0, vmstate_info_uint8, uint8_t)
#define VMSTATE_UINT16_ARRAY(_f, _s, _n) \
    VMSTATE_ARRAY_FULL(_f, _s, _n, 0, vmstate_info_uint16, uint16_t)
#define VMSTATE_UINT32_ARRAY(_f, _s, _n) \
    VMSTATE_ARRAY_FULL(_f, _s, _n, 0, vmstate_info_uint32, uint32_t)
#define VMSTATE_UINT64_ARRAY(_f, _s, _n) \
    VMSTATE_ARRAY_FULL(_f, _s, _n, 0, vmstate_info_uint64, uint64_t)
/* _f is `_type *`, its count a uint32_t field _count that is at most _max. */
#define VMSTATE_VARRAY_UINT32(_f, _s, _count, _max, _info, _type) { \
    .name = #_f, .offset = VMS_CHECKED(_s, _f, _type *), .size = sizeof(_type), .num = (_max), \
    .num_offset = VMS_CHECKED(_s, _count, uint32_t), .num_size = 4, \
    .flags = VMS_VARRAY | VMS_POINTER, .info = &(_info) }

#define VMSTATE_STRUCT(_f, _s, _vmsd, _type) { \
    .name = #_f, .offset = VMS_CHECKED(_s, _f, _type), .size = sizeof(_type), .num = 1, \
    .flags = VMS_STRUCT, .vmsd = &(_vmsd) }
#define VMSTATE_STRUCT_ARRAY(_f, _s, _n, _vmsd, _type) { \
    .name = #_f, .offset = VMS_CHECKED_ARRAY(_s, _f, _type, _n), .size = sizeof(_type), \
    .num = (_n), .flags = VMS_STRUCT | VMS_ARRAY, .vmsd = &(_vmsd) }
#define VMSTATE_STRUCT_VARRAY_POINTER_UINT32(_f, _s, _count, _max, _vmsd, _type) { \
    .name = #_f, .offset = VMS_CHECKED(_s, _f, _type *), .size = sizeof(_type), .num = (_max), \
    .num_offset = VMS_CHECKED(_s, _count, uint32_t), .num_size = 4, \
    .flags = VMS_STRUCT | VMS_VARRAY | VMS_POINTER, .vmsd = &(_vmsd) }

#define VMSTATE_BUFFER(_f, _s) { \
    .name = #_f, .offset = offsetof(_s, _f), .size = sizeof(((_s *)0)->_f), .num = 1, \
    .flags = VMS_BUFFER, .info = &vmstate_info_buffer }
#define VMSTATE_UNUSED(_size) { \
    .name = "unused", .size = (_size), .num = 1, .flags = VMS_BUFFER, \
    .info = &vmstate_info_unused_buffer }
#define VMSTATE_INT32_EQUAL(_f, _s) { \
    .name = #_f, .offset = VMS_CHECKED(_s, _f, int32_t), .size = 4, .num = 1, \
    .flags = VMS_MUST_EQUAL, .info = &vmstate_info_int32 }
#define VMSTATE_END_OF_LIST() { .name = NULL }

#endif
