/*
 * marshal.h - between JSON and the C types that the schema declares.
 *
 * Floor F0.  The generator writes one descriptor a type (qapi-types.c); everything here walks
 * descriptors, so that there is one marshaller, one unmarshaller and one destructor for all types.
 * How values lie in memory (docs/devel/qapi.md): integers, numbers, booleans and enumerations stand
 * in the member itself, with a has_ flag before them when optional; strings, objects, alternates and
 * `any` are pointers, NULL when absent; lists are pointers to the first node, NULL when empty, with
 * a has_ flag when optional.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_QAPI_MARSHAL_H
#define GODWIT_QAPI_MARSHAL_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "util/error.h"

/* What kind of JSON value an alternate holds. */
typedef enum QType {
    QTYPE_NONE,
    QTYPE_QNULL,
    QTYPE_QNUM,
    QTYPE_QSTRING,
    QTYPE_QDICT,
    QTYPE_QLIST,
    QTYPE_QBOOL,
} QType;

typedef enum QapiMeta {
    QAPI_META_INT,          /* signed, of .size bytes */
    QAPI_META_UINT,         /* unsigned, of .size bytes */
    QAPI_META_NUMBER,
    QAPI_META_BOOL,
    QAPI_META_NULL,
    QAPI_META_STR,
    QAPI_META_ANY,
    QAPI_META_ENUM,
    QAPI_META_OBJECT,
    QAPI_META_ALTERNATE,
    QAPI_META_LIST,
} QapiMeta;

typedef struct QapiType QapiType;

/* One member of an object.  has_offset is -1 where there is no has_ flag. */
typedef struct QapiMember {
    const char *name;
    const QapiType *type;
    uint32_t offset;
    int32_t has_offset;
    bool optional;
} QapiMember;

/* One branch: of a union, selected by the tag's value; of an alternate, by the QType. */
typedef struct QapiBranch {
    int value;
    const QapiType *type;
} QapiBranch;

/*
 * The description of a type; which fields count depends on .meta.
 *   size          bytes of the C type (of a node, for a list)
 *   members       object: all of them, those of the base first
 *   branches      union and alternate
 *   tag_offset    union: of the enum; alternate: of the QType
 *   tag           union: index in members of the discriminator, -1 for a struct
 *   u_offset      union and alternate: of the C union of the branches; list: of the node's value
 *   values        enum: the names, n_members of them
 *   element       list
 */
struct QapiType {
    const char *name;
    QapiMeta meta;
    uint32_t size;
    uint32_t n_members;
    uint32_t n_branches;
    uint32_t tag_offset;
    uint32_t u_offset;
    int tag;
    const QapiMember *members;
    const QapiBranch *branches;
    const char *const *values;
    const QapiType *element;
};

/* The shape that every generated list has. */
typedef struct QapiListHead {
    struct QapiListHead *next;
} QapiListHead;

/*
 * Reads `in` as a value of `type` into *slot (a `T *` for inline types, a `T **` for others).
 * `name` is what the first word of an error path shall be, NULL at the top of a command's arguments.
 * Any thread.  `in` is borrowed.  On failure *slot is untouched and *errp says which parameter is
 * missing, unexpected, out of range or of the wrong type.
 */
bool qapi_unmarshal(const QapiType *type, const char *name, json_t *in, void *slot, Error **errp);

/* The value at slot as JSON: a new reference that the caller owns, never NULL.  Any thread. */
json_t *qapi_marshal(const QapiType *type, const void *slot);

/* Frees what the value at slot owns and zeroes it.  Any thread. */
void qapi_clear(const QapiType *type, void *slot);

/* The name of an enumeration's value, or NULL if it has none such.  A static string. */
const char *qapi_enum_str(const QapiType *type, int value);

/*
 * The value of that name, or -1 with *errp "Parameter 'NAME' does not accept value 'VALUE'";
 * `name` says what was being read.
 */
int qapi_enum_parse(const QapiType *type, const char *name, const char *value, Error **errp);

/* Puts a new node with `element` at the front of *list. */
#define QAPI_LIST_PREPEND(list, element)                        \
    do {                                                        \
        __typeof__(list) node_ = g_malloc0(sizeof(*node_));     \
        node_->value = (element);                               \
        node_->next = (list);                                   \
        (list) = node_;                                         \
    } while (0)

/*
 * Puts a new node with `element` at the end; tail is a pointer to the list's head at first, and is
 * moved: `FooList *list = NULL, **tail = &list; QAPI_LIST_APPEND(tail, foo);`
 */
#define QAPI_LIST_APPEND(tail, element)                         \
    do {                                                        \
        *(tail) = g_malloc0(sizeof(**(tail)));                  \
        (*(tail))->value = (element);                           \
        (tail) = &(*(tail))->next;                              \
    } while (0)

/* Descriptors of the builtin types and of their lists. */
extern const QapiType qapi_type_str, qapi_type_int, qapi_type_int8, qapi_type_int16,
    qapi_type_int32, qapi_type_int64, qapi_type_uint8, qapi_type_uint16, qapi_type_uint32,
    qapi_type_uint64, qapi_type_size, qapi_type_number, qapi_type_bool, qapi_type_null,
    qapi_type_any;
extern const QapiType qapi_type_strList, qapi_type_intList, qapi_type_int8List,
    qapi_type_int16List, qapi_type_int32List, qapi_type_int64List, qapi_type_uint8List,
    qapi_type_uint16List, qapi_type_uint32List, qapi_type_uint64List, qapi_type_sizeList,
    qapi_type_numberList, qapi_type_boolList, qapi_type_nullList, qapi_type_anyList;

/* The lists of builtin types; they are freed by qapi_clear(&qapi_type_strList, &list) and so on. */
#define QAPI_BUILTIN_LIST(name, ctype)      \
    typedef struct name##List name##List;   \
    struct name##List {                     \
        name##List *next;                   \
        ctype value;                        \
    };

QAPI_BUILTIN_LIST(str, char *)
QAPI_BUILTIN_LIST(int, int64_t)
QAPI_BUILTIN_LIST(int8, int8_t)
QAPI_BUILTIN_LIST(int16, int16_t)
QAPI_BUILTIN_LIST(int32, int32_t)
QAPI_BUILTIN_LIST(int64, int64_t)
QAPI_BUILTIN_LIST(uint8, uint8_t)
QAPI_BUILTIN_LIST(uint16, uint16_t)
QAPI_BUILTIN_LIST(uint32, uint32_t)
QAPI_BUILTIN_LIST(uint64, uint64_t)
QAPI_BUILTIN_LIST(size, uint64_t)
QAPI_BUILTIN_LIST(number, double)
QAPI_BUILTIN_LIST(bool, bool)
QAPI_BUILTIN_LIST(null, bool)
QAPI_BUILTIN_LIST(any, json_t *)

#endif
