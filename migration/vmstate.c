/*
 * vmstate.c - walks a VMStateDescription to save a device or to load one.
 *
 * Floor F3; below it qemu-file.  Context: machine stopped, lock held, one thread a stream.
 * Invariant: save and load visit the same elements in the same order; load believes a count only after
 * it was held against the table.
 *
 * Wire format: blob, then fields in table order, then subsections: u8 0x05, u8 length, name, be32
 * version, content.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "migration/savevm-internal.h"

#include <glib.h>
#include <string.h>

#define VMSTATE_SUBSECTION 0x05

/* The unsigned integer of the given width at base + offset (counts of variable arrays). */
static bool read_count(const void *opaque, const VMStateField *field, uint64_t max, uint64_t *count,
                       Error **errp)
{
    const uint8_t *p = (const uint8_t *)opaque + field->num_offset;
    uint32_t v32;
    uint16_t v16;
    switch (field->num_size) {
    case 1:
        *count = *p;
        break;
    case 2:
        memcpy(&v16, p, sizeof(v16));
        *count = v16;
        break;
    default:
        memcpy(&v32, p, sizeof(v32));
        *count = v32;
        break;
    }
    if (*count > max) {
        error_setg(errp, "%s: %" G_GUINT64_FORMAT " elements, at most %" G_GUINT64_FORMAT " fit",
                   field->name, *count, max);
        return false;
    }
    return true;
}

static bool field_present(const VMStateField *field, void *opaque, int version_id)
{
    if (field->field_exists) {
        return field->field_exists(opaque, version_id);
    }
    return field->version_id <= version_id;
}

/* One visit of a field: where its elements are and how many. */
typedef struct FieldSpan {
    uint8_t *first;
    uint64_t count;
    VMStateField element;       /* the field as an element's info sees it (VBUFFER: actual size) */
} FieldSpan;

static bool field_span(const VMStateField *field, void *opaque, FieldSpan *span, Error **errp)
{
    span->element = *field;
    span->first = (uint8_t *)opaque + field->offset;
    span->count = field->num;
    if (field->flags & VMS_POINTER) {
        span->first = *(uint8_t **)span->first;
    }
    if (field->flags & VMS_VARRAY) {
        if (!read_count(opaque, field, field->num, &span->count, errp)) {
            return false;
        }
    } else if (field->flags & VMS_VBUFFER) {
        uint64_t size;
        if (!read_count(opaque, field, field->size, &size, errp)) {
            return false;
        }
        span->element.size = size;
        span->count = 1;
    }
    if (!span->first && span->count) {
        error_setg(errp, "%s: %" G_GUINT64_FORMAT " elements but no memory for them", field->name,
                   span->count);
        return false;
    }
    return true;
}

/* ---- the description of what is saved (vmdesc) ---- */

/* One entry of "fields"; size is what was written of each element. */
static void describe_field(json_t *fields, const FieldSpan *span, uint64_t size, json_t *content)
{
    const VMStateField *field = &span->element;
    json_t *entry = json_object();
    json_object_set_new(entry, "name", json_string(field->name));
    if (field->flags & (VMS_ARRAY | VMS_VARRAY)) {
        json_object_set_new(entry, "array_len", json_integer((json_int_t)span->count));
    }
    json_object_set_new(entry, "type", json_string(field->vmsd ? "struct" : field->info->name));
    if (content) {
        json_object_set_new(entry, "struct", content);
    }
    json_object_set_new(entry, "size", json_integer((json_int_t)size));
    json_array_append_new(fields, entry);
}

static json_t *describe_vmsd(const VMStateDescription *vmsd)
{
    return json_pack("{ss si}", "vmsd_name", vmsd->name, "version", vmsd->version_id);
}

static bool save_field(QEMUFile *f, const VMStateField *field, void *opaque, json_t *fields, Error **errp)
{
    FieldSpan span;
    if (!field_span(field, opaque, &span, errp)) {
        return false;
    }
    uint64_t start = qemu_ftell(f);
    json_t *content = fields && field->vmsd ? describe_vmsd(field->vmsd) : NULL;
    for (uint64_t i = 0; i < span.count; i++) {
        uint8_t *pv = span.first + i * field->size;
        /* The elements of an array are alike: the first one stands for all. */
        bool ok = field->vmsd ? vmstate_save_state_described(f, field->vmsd, pv, i ? NULL : content, errp)
                              : field->info->put(f, pv, &span.element, errp);
        if (!ok) {
            json_decref(content);
            return false;
        }
    }
    if (fields) {
        describe_field(fields, &span, span.count ? (qemu_ftell(f) - start) / span.count : 0, content);
    }
    return true;
}

static bool load_field(QEMUFile *f, const VMStateField *field, void *opaque, Error **errp)
{
    FieldSpan span;
    if (!field_span(field, opaque, &span, errp)) {
        return false;
    }
    for (uint64_t i = 0; i < span.count; i++) {
        uint8_t *pv = span.first + i * field->size;
        bool ok = field->vmsd ? vmstate_load_state(f, field->vmsd, pv, field->vmsd->version_id, errp)
                              : field->info->get(f, pv, &span.element, errp);
        if (!ok) {
            return false;
        }
        if (qemu_file_get_error(f)) {
            error_setg(errp, "%s: %s", field->name, error_get_pretty(qemu_file_get_error(f)));
            return false;
        }
    }
    return true;
}

static bool save_subsections(QEMUFile *f, const VMStateDescription *vmsd, void *opaque, json_t *desc,
                             Error **errp)
{
    json_t *list = NULL;
    for (const VMStateDescription *const *sub = vmsd->subsections; sub && *sub; sub++) {
        if ((*sub)->needed && !(*sub)->needed(opaque)) {
            continue;
        }
        json_t *entry = NULL;
        if (desc) {
            if (!list) {
                list = json_array();
                json_object_set_new(desc, "subsections", list);
            }
            entry = describe_vmsd(*sub);
            json_array_append_new(list, entry);
        }
        qemu_put_byte(f, VMSTATE_SUBSECTION);
        qemu_put_counted_string(f, (*sub)->name);
        qemu_put_be32(f, (*sub)->version_id);
        if (!vmstate_save_state_described(f, *sub, opaque, entry, errp)) {
            return false;
        }
    }
    return true;
}

static bool save_blob(QEMUFile *f, const VMStateDescription *vmsd, void *opaque, json_t *fields,
                      Error **errp)
{
    uint64_t start = qemu_ftell(f);
    if (!vmsd->save_blob(f, opaque, errp)) {
        return false;
    }
    if (fields) {
        json_array_append_new(fields, json_pack("{ss ss sI}", "name", "virtio", "type", "virtio", "size",
                                                (json_int_t)(qemu_ftell(f) - start)));
    }
    return true;
}

bool vmstate_save_state_described(QEMUFile *f, const VMStateDescription *vmsd, void *opaque, json_t *desc,
                                  Error **errp)
{
    json_t *fields = NULL;
    if (desc) {
        fields = json_array();
        json_object_set_new(desc, "fields", fields);
    }
    if ((vmsd->pre_save && !vmsd->pre_save(opaque, errp)) ||
        (vmsd->save_blob && !save_blob(f, vmsd, opaque, fields, errp))) {
        error_prepend(errp, "%s: ", vmsd->name);
        return false;
    }
    for (const VMStateField *field = vmsd->fields; field && field->name; field++) {
        if (field_present(field, opaque, vmsd->version_id) &&
            !save_field(f, field, opaque, fields, errp)) {
            error_prepend(errp, "%s.", vmsd->name);
            return false;
        }
    }
    return save_subsections(f, vmsd, opaque, desc, errp);
}

bool vmstate_save_state(QEMUFile *f, const VMStateDescription *vmsd, void *opaque, Error **errp)
{
    return vmstate_save_state_described(f, vmsd, opaque, NULL, errp);
}

/*
 * Reads the name of the subsection that stands next without consuming it. False if what stands there
 * is no subsection of `parent`: their names begin with the parent's name and a slash.
 */
static bool peek_subsection(QEMUFile *f, const char *parent, char name[256])
{
    if (qemu_peek_byte(f, 0) != VMSTATE_SUBSECTION) {
        return false;
    }
    int len = qemu_peek_byte(f, 1);
    size_t plen = strlen(parent);
    if (len < 0 || (size_t)len <= plen + 1) {
        return false;
    }
    for (int i = 0; i < len; i++) {
        int c = qemu_peek_byte(f, 2 + i);
        if (c <= 0) {
            return false;
        }
        name[i] = c;
    }
    name[len] = '\0';
    return strncmp(name, parent, plen) == 0 && name[plen] == '/';
}

static const VMStateDescription *find_subsection(const VMStateDescription *vmsd, const char *name)
{
    for (const VMStateDescription *const *sub = vmsd->subsections; sub && *sub; sub++) {
        if (strcmp((*sub)->name, name) == 0) {
            return *sub;
        }
    }
    return NULL;
}

static bool load_subsections(QEMUFile *f, const VMStateDescription *vmsd, void *opaque, Error **errp)
{
    char name[256];
    while (peek_subsection(f, vmsd->name, name)) {
        const VMStateDescription *sub = find_subsection(vmsd, name);
        if (!sub) {
            error_setg(errp, "%s: subsection '%s' is not known here", vmsd->name, name);
            return false;
        }
        qemu_get_byte(f);
        qemu_get_counted_string(f, name);
        uint32_t version = qemu_get_be32(f);
        if (qemu_file_get_error(f)) {
            error_setg(errp, "%s: %s", name, error_get_pretty(qemu_file_get_error(f)));
            return false;
        }
        if (!vmstate_load_state(f, sub, opaque, (int)MIN(version, (uint32_t)G_MAXINT), errp)) {
            return false;
        }
    }
    return true;
}

static bool version_fits(const VMStateDescription *vmsd, int version_id, Error **errp)
{
    if (version_id > vmsd->version_id) {
        error_setg(errp, "%s: incoming version_id %d is too new, this machine knows up to %d",
                   vmsd->name, version_id, vmsd->version_id);
        return false;
    }
    if (version_id < vmsd->minimum_version_id) {
        error_setg(errp, "%s: incoming version_id %d is too old for local minimum version_id %d",
                   vmsd->name, version_id, vmsd->minimum_version_id);
        return false;
    }
    return true;
}

bool vmstate_load_state(QEMUFile *f, const VMStateDescription *vmsd, void *opaque, int version_id,
                        Error **errp)
{
    if (!version_fits(vmsd, version_id, errp)) {
        return false;
    }
    if (vmsd->pre_load && !vmsd->pre_load(opaque, errp)) {
        error_prepend(errp, "%s: ", vmsd->name);
        return false;
    }
    if (vmsd->load_blob && !vmsd->load_blob(f, opaque, version_id, errp)) {
        error_prepend(errp, "%s: ", vmsd->name);
        return false;
    }
    for (const VMStateField *field = vmsd->fields; field && field->name; field++) {
        if (field_present(field, opaque, version_id) && !load_field(f, field, opaque, errp)) {
            error_prepend(errp, "%s.", vmsd->name);
            return false;
        }
    }
    if (!load_subsections(f, vmsd, opaque, errp)) {
        return false;
    }
    if (qemu_file_get_error(f)) {
        error_setg(errp, "%s: %s", vmsd->name, error_get_pretty(qemu_file_get_error(f)));
        return false;
    }
    if (vmsd->post_load && !vmsd->post_load(opaque, version_id, errp)) {
        error_prepend(errp, "%s: ", vmsd->name);
        return false;
    }
    return true;
}
