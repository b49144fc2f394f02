/*
 * builtin.c - descriptors of the schema language's builtin types and of their lists.
 *
 * Floor F0; constant data only, no threads, no locks.
 * Invariant: the names are those of the schema language; the sizes are those of the C types in
 * include/qapi/marshal.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qapi/marshal.h"

#define BUILTIN(schema_name, kind, ctype)               \
    const QapiType qapi_type_##schema_name = {          \
        .name = #schema_name,                           \
        .meta = kind,                                   \
        .size = sizeof(ctype),                          \
        .tag = -1,                                      \
    };                                                  \
    const QapiType qapi_type_##schema_name##List = {    \
        .name = #schema_name "List",                    \
        .meta = QAPI_META_LIST,                         \
        .size = sizeof(schema_name##List),              \
        .tag = -1,                                      \
        .u_offset = offsetof(schema_name##List, value), \
        .element = &qapi_type_##schema_name,            \
    };

BUILTIN(str, QAPI_META_STR, char *)
BUILTIN(int, QAPI_META_INT, int64_t)
BUILTIN(int8, QAPI_META_INT, int8_t)
BUILTIN(int16, QAPI_META_INT, int16_t)
BUILTIN(int32, QAPI_META_INT, int32_t)
BUILTIN(int64, QAPI_META_INT, int64_t)
BUILTIN(uint8, QAPI_META_UINT, uint8_t)
BUILTIN(uint16, QAPI_META_UINT, uint16_t)
BUILTIN(uint32, QAPI_META_UINT, uint32_t)
BUILTIN(uint64, QAPI_META_UINT, uint64_t)
BUILTIN(size, QAPI_META_UINT, uint64_t)
BUILTIN(number, QAPI_META_NUMBER, double)
BUILTIN(bool, QAPI_META_BOOL, bool)
BUILTIN(null, QAPI_META_NULL, bool)
BUILTIN(any, QAPI_META_ANY, json_t *)
