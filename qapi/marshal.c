/*
 * marshal.c - reads JSON into the schema's C types, writes them as JSON, and frees them.
 *
 * Floor F0; below it jansson and util/error.  Threads: any; a value belongs to one thread at a time.
 * No locks.  Invariant: JSON is believed only after every member's presence, type and range have
 * been checked; a value half read is freed again, so that a caller sees all or nothing.  Recursion is
 * bounded by the nesting of the JSON value, which the reader of the wire bounds.
 *
 * Integers: jansson's are signed 64-bit; unsigned ones from 2^63 on are util/json-uint.h's large values.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qapi/marshal.h"

#include <inttypes.h>
#include <string.h>

#include "util/json-uint.h"

/* Where in the input we are: a chain on the stack, turned into text only for an error. */
typedef struct Path {
    const struct Path *parent;
    const char *name;   /* a member's name, or NULL for a list's element */
    size_t index;
} Path;

static bool read_value(const QapiType *type, const Path *path, json_t *in, void *slot,
                       Error **errp);

static void path_append(GString *text, const Path *path)
{
    if (path->parent) {
        path_append(text, path->parent);
    }
    if (!path->name) {
        if (path->parent) {
            g_string_append_printf(text, "[%zu]", path->index);
        }
        return;
    }
    g_string_append_printf(text, "%s%s", text->len ? "." : "", path->name);
}

static char *path_text(const Path *path)
{
    GString *text = g_string_new(NULL);
    path_append(text, path);
    return g_string_free(text, FALSE);
}

static bool bad_type(const Path *path, const char *expected, Error **errp)
{
    g_autofree char *text = path_text(path);
    if (text[0]) {
        error_setg(errp, "Invalid parameter type for '%s', expected: %s", text, expected);
    } else {
        error_setg(errp, "Invalid parameter type, expected: %s", expected);
    }
    return false;
}

static bool is_pointer(const QapiType *type)
{
    switch (type->meta) {
    case QAPI_META_STR:
    case QAPI_META_ANY:
    case QAPI_META_OBJECT:
    case QAPI_META_ALTERNATE:
    case QAPI_META_LIST:
        return true;
    default:
        return false;
    }
}

/* ------------------------------------------------------------------ enumerations */

const char *qapi_enum_str(const QapiType *type, int value)
{
    return value >= 0 && (uint32_t)value < type->n_members ? type->values[value] : NULL;
}

int qapi_enum_parse(const QapiType *type, const char *name, const char *value, Error **errp)
{
    for (uint32_t i = 0; i < type->n_members; i++) {
        if (type->values[i] && !strcmp(type->values[i], value)) {
            return i;
        }
    }
    error_setg(errp, "Parameter '%s' does not accept value '%s'", name, value);
    return -1;
}

/* ------------------------------------------------------------------ JSON to C */

static uint64_t int_max(const QapiType *type)
{
    unsigned bits = type->size * 8 - (type->meta == QAPI_META_INT);
    return UINT64_MAX >> (64 - bits);
}

/* In two's complement; false if in is an integer that the type does not have. */
static bool int_in_range(const QapiType *type, const json_t *in, uint64_t *value)
{
    uint64_t max = int_max(type);
    if (json_uint_large(in, value)) {
        return *value <= max;
    }
    int64_t v = json_integer_value(in);
    *value = v;
    if (v < 0) {
        /* Clients write addresses such as 0xffffffff80000000 as negative numbers, too. */
        return type->meta == QAPI_META_INT ? v >= -(int64_t)max - 1 : max == UINT64_MAX;
    }
    return *value <= max;
}

static bool read_int(const QapiType *type, const Path *path, json_t *in, void *slot, Error **errp)
{
    uint64_t value;
    if (!json_is_integer(in) && !json_uint_large(in, NULL)) {
        return bad_type(path, "integer", errp);
    }
    if (!int_in_range(type, in, &value)) {
        g_autofree char *text = path_text(path);
        int64_t min = type->meta == QAPI_META_INT ? -(int64_t)int_max(type) - 1 : 0;
        error_setg(errp, "Parameter '%s' expects an integer from %" PRId64 " to %" PRIu64, text,
                   min, int_max(type));
        return false;
    }
    switch (type->size) {
    case 1:
        *(uint8_t *)slot = value;
        break;
    case 2:
        *(uint16_t *)slot = value;
        break;
    case 4:
        *(uint32_t *)slot = value;
        break;
    default:
        *(uint64_t *)slot = value;
        break;
    }
    return true;
}

/* Large integers look like strings to jansson. */
static bool is_string(const json_t *in)
{
    return json_is_string(in) && !json_uint_large(in, NULL);
}

static bool read_str(const Path *path, json_t *in, char **slot, Error **errp)
{
    if (!is_string(in)) {
        return bad_type(path, "string", errp);
    }
    if (strlen(json_string_value(in)) != json_string_length(in)) {
        g_autofree char *text = path_text(path);
        error_setg(errp, "Parameter '%s' cannot hold a NUL character", text);
        return false;
    }
    *slot = g_strdup(json_string_value(in));
    return true;
}

static bool read_enum(const QapiType *type, const Path *path, json_t *in, int *slot, Error **errp)
{
    if (!is_string(in)) {
        return bad_type(path, "string", errp);
    }
    g_autofree char *text = path_text(path);
    int value = qapi_enum_parse(type, text, json_string_value(in), errp);
    if (value < 0) {
        return false;
    }
    *slot = value;
    return true;
}

static const QapiBranch *find_branch(const QapiType *type, int value)
{
    for (uint32_t i = 0; i < type->n_branches; i++) {
        if (type->branches[i].value == value) {
            return &type->branches[i];
        }
    }
    return NULL;
}

static bool has_member(const QapiType *type, const char *name)
{
    for (uint32_t i = 0; type && i < type->n_members; i++) {
        if (!strcmp(type->members[i].name, name)) {
            return true;
        }
    }
    return false;
}

/* Every key must belong to the object or to the selected branch (may be NULL). */
static bool check_unexpected(const QapiType *type, const QapiType *branch, const Path *path,
                             json_t *in, Error **errp)
{
    const char *key;
    json_t *value;
    json_object_foreach(in, key, value) {
        if (!has_member(type, key) && !has_member(branch, key)) {
            Path here = { .parent = path, .name = key };
            g_autofree char *text = path_text(&here);
            error_setg(errp, "Parameter '%s' is unexpected", text);
            return false;
        }
    }
    return true;
}

static bool read_members(const QapiType *type, const Path *path, json_t *in, char *obj,
                         Error **errp)
{
    for (uint32_t i = 0; i < type->n_members; i++) {
        const QapiMember *m = &type->members[i];
        Path here = { .parent = path, .name = m->name };
        json_t *value = json_object_get(in, m->name);
        if (!value && m->optional) {
            continue;
        }
        if (!value) {
            g_autofree char *text = path_text(&here);
            error_setg(errp, "Parameter '%s' is missing", text);
            return false;
        }
        if (!read_value(m->type, &here, value, obj + m->offset, errp)) {
            return false;
        }
        if (m->has_offset >= 0) {
            *(bool *)(obj + m->has_offset) = true;
        }
    }
    return true;
}

/* Fills an object that the caller has zeroed; on failure the caller frees what is there already. */
static bool read_object(const QapiType *type, const Path *path, json_t *in, char *obj,
                        Error **errp)
{
    if (!json_is_object(in)) {
        return bad_type(path, "object", errp);
    }
    if (!read_members(type, path, in, obj, errp)) {
        return false;
    }
    const QapiType *branch_type = NULL;
    if (type->tag >= 0) {
        const QapiBranch *branch = find_branch(type, *(int *)(obj + type->tag_offset));
        branch_type = branch ? branch->type : NULL;
        if (branch && !read_members(branch_type, path, in, obj + type->u_offset, errp)) {
            return false;
        }
    }
    return check_unexpected(type, branch_type, path, in, errp);
}

static QType qtype_of(const json_t *in)
{
    switch (json_typeof(in)) {
    case JSON_OBJECT:
        return QTYPE_QDICT;
    case JSON_ARRAY:
        return QTYPE_QLIST;
    case JSON_STRING:
        return is_string(in) ? QTYPE_QSTRING : QTYPE_QNUM;
    case JSON_INTEGER:
    case JSON_REAL:
        return QTYPE_QNUM;
    case JSON_TRUE:
    case JSON_FALSE:
        return QTYPE_QBOOL;
    default:
        return QTYPE_QNULL;
    }
}

static bool read_alternate(const QapiType *type, const Path *path, json_t *in, char *obj,
                           Error **errp)
{
    QType qtype = qtype_of(in);
    const QapiBranch *branch = find_branch(type, qtype);
    if (!branch) {
        return bad_type(path, type->name, errp);
    }
    *(QType *)(obj + type->tag_offset) = qtype;
    if (branch->type->meta == QAPI_META_OBJECT) {
        return read_object(branch->type, path, in, obj + type->u_offset, errp);
    }
    return read_value(branch->type, path, in, obj + type->u_offset, errp);
}

static bool read_list(const QapiType *type, const Path *path, json_t *in, void **slot,
                      Error **errp)
{
    if (!json_is_array(in)) {
        return bad_type(path, "array", errp);
    }
    QapiListHead *first = NULL;
    QapiListHead **tail = &first;
    for (size_t i = 0; i < json_array_size(in); i++) {
        Path here = { .parent = path, .index = i };
        char *node = g_malloc0(type->size);
        *tail = (QapiListHead *)node;
        tail = &(*tail)->next;
        if (!read_value(type->element, &here, json_array_get(in, i), node + type->u_offset,
                        errp)) {
            qapi_clear(type, &first);
            return false;
        }
    }
    *slot = first;
    return true;
}

/* An object or an alternate of its own allocation. */
static bool read_pointer(const QapiType *type, const Path *path, json_t *in, void **slot,
                         Error **errp)
{
    void *obj = g_malloc0(type->size);
    bool ok = type->meta == QAPI_META_OBJECT ? read_object(type, path, in, obj, errp)
                                             : read_alternate(type, path, in, obj, errp);
    if (!ok) {
        qapi_clear(type, &obj);
        return false;
    }
    *slot = obj;
    return true;
}

static bool read_number(const Path *path, json_t *in, double *slot, Error **errp)
{
    uint64_t large;
    if (json_uint_large(in, &large)) {
        *slot = (double)large;
        return true;
    }
    if (!json_is_number(in)) {
        return bad_type(path, "number", errp);
    }
    *slot = json_number_value(in);
    return true;
}

static bool read_value(const QapiType *type, const Path *path, json_t *in, void *slot,
                       Error **errp)
{
    switch (type->meta) {
    case QAPI_META_INT:
    case QAPI_META_UINT:
        return read_int(type, path, in, slot, errp);
    case QAPI_META_NUMBER:
        return read_number(path, in, slot, errp);
    case QAPI_META_BOOL:
        if (!json_is_boolean(in)) {
            return bad_type(path, "boolean", errp);
        }
        *(bool *)slot = json_is_true(in);
        return true;
    case QAPI_META_NULL:
        if (!json_is_null(in)) {
            return bad_type(path, "null", errp);
        }
        *(bool *)slot = true;
        return true;
    case QAPI_META_STR:
        return read_str(path, in, slot, errp);
    case QAPI_META_ANY:
        *(json_t **)slot = json_incref(in);
        return true;
    case QAPI_META_ENUM:
        return read_enum(type, path, in, slot, errp);
    case QAPI_META_LIST:
        return read_list(type, path, in, slot, errp);
    case QAPI_META_OBJECT:
    case QAPI_META_ALTERNATE:
        return read_pointer(type, path, in, slot, errp);
    }
    return false;
}

bool qapi_unmarshal(const QapiType *type, const char *name, json_t *in, void *slot, Error **errp)
{
    Path path = { .name = name };
    return read_value(type, &path, in, slot, errp);
}

/* ------------------------------------------------------------------ C to JSON */

static json_t *write_int(const QapiType *type, const void *slot)
{
    bool is_signed = type->meta == QAPI_META_INT;
    switch (type->size) {
    case 1:
        return json_integer(is_signed ? *(const int8_t *)slot : *(const uint8_t *)slot);
    case 2:
        return json_integer(is_signed ? *(const int16_t *)slot : *(const uint16_t *)slot);
    case 4:
        return is_signed ? json_integer(*(const int32_t *)slot)
                         : json_integer(*(const uint32_t *)slot);
    default:
        return is_signed ? json_integer(*(const int64_t *)slot)
                         : json_uint_new(*(const uint64_t *)slot);
    }
}

/* Text from the host (file names, say) may be no UTF-8: its odd bytes become U+FFFD. */
static json_t *write_str(const char *text)
{
    json_t *result = json_string(text ? text : "");
    if (!result) {
        g_autofree char *valid = g_utf8_make_valid(text, -1);
        result = json_string(valid);
    }
    return result;
}

static void write_members(const QapiType *type, const char *obj, json_t *out)
{
    for (uint32_t i = 0; i < type->n_members; i++) {
        const QapiMember *m = &type->members[i];
        const char *slot = obj + m->offset;
        bool present = !m->optional
                       || (m->has_offset >= 0 ? *(const bool *)(obj + m->has_offset)
                                              : *(void *const *)slot != NULL);
        if (present) {
            json_object_set_new(out, m->name, qapi_marshal(m->type, slot));
        }
    }
}

static json_t *write_object(const QapiType *type, const char *obj)
{
    json_t *out = json_object();
    if (!obj) {
        return out;
    }
    write_members(type, obj, out);
    if (type->tag >= 0) {
        const QapiBranch *branch = find_branch(type, *(const int *)(obj + type->tag_offset));
        if (branch) {
            write_members(branch->type, obj + type->u_offset, out);
        }
    }
    return out;
}

static json_t *write_alternate(const QapiType *type, const char *obj)
{
    const QapiBranch *branch =
        obj ? find_branch(type, *(const QType *)(obj + type->tag_offset)) : NULL;
    if (!branch) {
        return json_null();
    }
    if (branch->type->meta == QAPI_META_OBJECT) {
        return write_object(branch->type, obj + type->u_offset);
    }
    return qapi_marshal(branch->type, obj + type->u_offset);
}

static json_t *write_list(const QapiType *type, const QapiListHead *node)
{
    json_t *out = json_array();
    for (; node; node = node->next) {
        json_array_append_new(out, qapi_marshal(type->element,
                                                (const char *)node + type->u_offset));
    }
    return out;
}

json_t *qapi_marshal(const QapiType *type, const void *slot)
{
    switch (type->meta) {
    case QAPI_META_INT:
    case QAPI_META_UINT:
        return write_int(type, slot);
    case QAPI_META_NUMBER: {
        json_t *number = json_real(*(const double *)slot);
        return number ? number : json_null(); /* JSON has no NaN and no infinity */
    }
    case QAPI_META_BOOL:
        return json_boolean(*(const bool *)slot);
    case QAPI_META_STR:
        return write_str(*(char *const *)slot);
    case QAPI_META_ANY: {
        json_t *any = *(json_t *const *)slot;
        return any ? json_incref(any) : json_null();
    }
    case QAPI_META_ENUM:
        return write_str(qapi_enum_str(type, *(const int *)slot));
    case QAPI_META_LIST:
        return write_list(type, *(QapiListHead *const *)slot);
    case QAPI_META_OBJECT:
        return write_object(type, *(const char *const *)slot);
    case QAPI_META_ALTERNATE:
        return write_alternate(type, *(const char *const *)slot);
    case QAPI_META_NULL:
        break;
    }
    return json_null();
}

/* ------------------------------------------------------------------ freeing */

static void clear_members(const QapiType *type, char *obj)
{
    for (uint32_t i = 0; i < type->n_members; i++) {
        qapi_clear(type->members[i].type, obj + type->members[i].offset);
    }
}

static void clear_object(const QapiType *type, char *obj)
{
    if (type->tag >= 0) {
        const QapiBranch *branch = find_branch(type, *(int *)(obj + type->tag_offset));
        if (branch) {
            clear_members(branch->type, obj + type->u_offset);
        }
    }
    clear_members(type, obj);
}

static void clear_alternate(const QapiType *type, char *obj)
{
    const QapiBranch *branch = find_branch(type, *(QType *)(obj + type->tag_offset));
    if (branch && branch->type->meta == QAPI_META_OBJECT) {
        clear_object(branch->type, obj + type->u_offset);
    } else if (branch) {
        qapi_clear(branch->type, obj + type->u_offset);
    }
}

static void clear_list(const QapiType *type, QapiListHead *node)
{
    while (node) {
        QapiListHead *next = node->next;
        qapi_clear(type->element, (char *)node + type->u_offset);
        g_free(node);
        node = next;
    }
}

void qapi_clear(const QapiType *type, void *slot)
{
    void *value;
    if (!is_pointer(type)) {
        memset(slot, 0, type->size);
        return;
    }
    value = *(void **)slot;
    *(void **)slot = NULL;
    if (!value) {
        return;
    }
    switch (type->meta) {
    case QAPI_META_ANY:
        json_decref(value);
        return;
    case QAPI_META_LIST:
        clear_list(type, value);
        return;
    case QAPI_META_OBJECT:
        clear_object(type, value);
        break;
    case QAPI_META_ALTERNATE:
        clear_alternate(type, value);
        break;
    default:
        break;
    }
    g_free(value);
}
