/*
 * vmstate-dump.c - every description that is registered, as JSON: what -dump-vmstate writes.
 *
 * Floor F3; below it the tables.  Lock held.  Two such files tell whether two versions of the program understand
 * each other.
 *
 * Format: { "vmschkmachine": {"Name": machine}, SECTION: {"Name", "version_id", "minimum_version_id",
 * "Instances", "Description"} }; a description: {"name", "version_id", "minimum_version_id", "Fields": [{"field",
 * "type", "version_id", "field_exists", "size", "Description"}], "Subsections": [description]}.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "migration/savevm-internal.h"
#include "system/machine.h"

static json_t *describe(const VMStateDescription *vmsd);

static json_t *describe_field(const VMStateField *field)
{
    json_t *entry = json_pack("{ss ss si sb sI}", "field", field->name,
                              "type", field->vmsd ? "struct" : field->info->name,
                              "version_id", field->version_id, "field_exists", field->field_exists != NULL,
                              "size", (json_int_t)field->size);
    if (field->flags & (VMS_ARRAY | VMS_VARRAY)) {
        json_object_set_new(entry, "num", json_integer(field->num));
    }
    if (field->vmsd) {
        json_object_set_new(entry, "Description", describe(field->vmsd));
    }
    return entry;
}

static json_t *describe(const VMStateDescription *vmsd)
{
    json_t *desc = json_pack("{ss si si}", "name", vmsd->name, "version_id", vmsd->version_id,
                             "minimum_version_id", vmsd->minimum_version_id);
    json_t *fields = json_array();
    if (vmsd->save_blob) {
        /* What no table describes: its form is the device's own. */
        json_array_append_new(fields, json_pack("{ss ss si sb si}", "field", "blob", "type", "blob", "version_id", 0,
                                                "field_exists", 0, "size", 0));
    }
    for (const VMStateField *field = vmsd->fields; field && field->name; field++) {
        json_array_append_new(fields, describe_field(field));
    }
    json_object_set_new(desc, "Fields", fields);
    if (vmsd->subsections) {
        json_t *list = json_array();
        for (const VMStateDescription *const *sub = vmsd->subsections; *sub; sub++) {
            json_array_append_new(list, describe(*sub));
        }
        json_object_set_new(desc, "Subsections", list);
    }
    return desc;
}

static void add_section(const SaveStateInfo *info, void *opaque)
{
    json_t *all = opaque, *section = json_object_get(all, info->idstr);
    if (!section) {
        const VMStateDescription *vmsd = info->vmsd;
        section = json_pack("{ss si si so so}", "Name", info->idstr, "version_id", vmsd->version_id,
                            "minimum_version_id", vmsd->minimum_version_id, "Instances", json_array(),
                            "Description", describe(vmsd));
        json_object_set_new(all, info->idstr, section);
    }
    json_array_append_new(json_object_get(section, "Instances"), json_integer(info->instance_id));
}

json_t *vmstate_describe_all(Machine *m)
{
    json_t *all = json_pack("{s{ss}}", "vmschkmachine", "Name", m->klass->name);
    SaveStateInfo last = { .idstr = vmstate_globalstate.name, .vmsd = &vmstate_globalstate };
    savevm_foreach(m, add_section, all);
    add_section(&last, all);
    return all;
}
