/*
 * savevm-phases.c - saving: header, setup, rounds, the rest with every device, and the description.
 *
 * Floor F3; below it vmstate and the stream.  The migration thread; locks as savevm.h says.
 * Invariant: every section that is begun is closed by its footer, in success.
 * Wire format: wire.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "migration/savevm-internal.h"
#include "migration/wire.h"
#include "system/clock.h"
#include "system/machine.h"
#include "system/memory.h"

#define GLOBALSTATE_SECTION 0xffff

static bool stream_is_good(QEMUFile *f, Error **errp)
{
    const Error *err = qemu_file_get_error(f);
    if (err) {
        error_setg(errp, "%s", error_get_pretty(err));
    }
    return !err;
}

/* ---- framing ---- */

static void put_section_header(QEMUFile *f, uint8_t type, uint32_t section_id, const char *idstr,
                               int instance_id, int version_id)
{
    qemu_put_byte(f, type);
    qemu_put_be32(f, section_id);
    if (type == QEMU_VM_SECTION_START || type == QEMU_VM_SECTION_FULL) {
        qemu_put_counted_string(f, idstr);
        qemu_put_be32(f, (uint32_t)instance_id);
        qemu_put_be32(f, (uint32_t)version_id);
    }
}

static void put_live_header(QEMUFile *f, uint8_t type, const LiveEntry *live)
{
    put_section_header(f, type, live->section_id, live->idstr, live->instance_id, live->version_id);
}

static void put_footer(QEMUFile *f, uint32_t section_id)
{
    qemu_put_byte(f, QEMU_VM_SECTION_FOOTER);
    qemu_put_be32(f, section_id);
}

void savevm_send_command(QEMUFile *f, uint16_t command, const void *data, uint16_t len)
{
    qemu_put_byte(f, QEMU_VM_COMMAND);
    qemu_put_be16(f, command);
    qemu_put_be16(f, len);
    qemu_put_buffer(f, data, len);
}

/* ---- before and during ---- */

bool savevm_state_header(QEMUFile *f, Machine *m, const SaveVMOptions *options, Error **errp)
{
    const uint32_t ping = 1;
    const uint8_t ping_wire[4] = { 0, 0, 0, ping };
    qemu_put_be32(f, QEMU_VM_FILE_MAGIC);
    qemu_put_be32(f, QEMU_VM_FILE_VERSION);
    qemu_put_byte(f, QEMU_VM_CONFIGURATION);
    qemu_put_be32(f, (uint32_t)strlen(m->klass->name));
    qemu_put_buffer(f, m->klass->name, strlen(m->klass->name));
    /* First of all: a destination that refuses the rest can then say why. */
    if (options->handover) {
        qemu_put_byte(f, QEMU_VM_SUBSECTION);
        qemu_put_counted_string(f, MIG_CONFIG_GODWIT);
        qemu_put_be32(f, 1);
        qemu_put_be32(f, MIG_CONFIG_GODWIT_HANDOVER | (options->runs ? MIG_CONFIG_GODWIT_RUNS : 0));
    }
    if (options->validate_uuid && m->config->uuid_set) {
        qemu_put_byte(f, QEMU_VM_SUBSECTION);
        qemu_put_counted_string(f, MIG_CONFIG_UUID);
        qemu_put_be32(f, 1);
        qemu_put_buffer(f, m->config->uuid, sizeof(m->config->uuid));
    }
    if (options->return_path) {
        savevm_send_command(f, MIG_CMD_OPEN_RETURN_PATH, NULL, 0);
        savevm_send_command(f, MIG_CMD_PING, ping_wire, sizeof(ping_wire));
    }
    return stream_is_good(f, errp);
}

bool savevm_state_setup(QEMUFile *f, Machine *m, Error **errp)
{
    for (guint i = 0; i < m->savevm->live->len; i++) {
        LiveEntry *live = m->savevm->live->pdata[i];
        if (live->ops->is_active && !live->ops->is_active(live->opaque)) {
            continue;
        }
        put_live_header(f, QEMU_VM_SECTION_START, live);
        live->set_up = true;
        live->round_done = false;
        if (!live->ops->save_setup(f, live->opaque, errp)) {
            error_prepend(errp, "section '%s': ", live->idstr);
            return false;
        }
        put_footer(f, live->section_id);
    }
    return stream_is_good(f, errp);
}

bool savevm_state_iterate(QEMUFile *f, Machine *m, bool *done, Error **errp)
{
    *done = true;
    for (guint i = 0; i < m->savevm->live->len; i++) {
        LiveEntry *live = m->savevm->live->pdata[i];
        if (!live->set_up || live->round_done) {
            continue;
        }
        put_live_header(f, QEMU_VM_SECTION_PART, live);
        if (!live->ops->save_live_iterate(f, live->opaque, &live->round_done, errp)) {
            error_prepend(errp, "section '%s': ", live->idstr);
            return false;
        }
        put_footer(f, live->section_id);
        *done &= live->round_done;
    }
    return stream_is_good(f, errp);
}

bool savevm_state_idle(QEMUFile *f, Machine *m, Error **errp)
{
    bool done;
    LiveEntry *first = m->savevm->live->pdata[0];   /* RAM */
    first->round_done = false;
    return savevm_state_iterate(f, m, &done, errp);
}

uint64_t savevm_state_pending(Machine *m, bool exact)
{
    uint64_t bytes = 0;
    for (guint i = 0; i < m->savevm->live->len; i++) {
        LiveEntry *live = m->savevm->live->pdata[i];
        uint64_t left = live->set_up ? live->ops->state_pending(live->opaque, exact) : 0;
        if (exact && left) {
            live->round_done = false;
        }
        bytes += left;
    }
    return bytes;
}

void savevm_state_cleanup(Machine *m)
{
    for (guint i = 0; i < m->savevm->live->len; i++) {
        LiveEntry *live = m->savevm->live->pdata[i];
        if (live->set_up) {
            live->set_up = false;
            live->ops->save_cleanup(live->opaque);
        }
    }
}

/* ---- the end ---- */

typedef struct DeviceSave {
    QEMUFile *f;
    json_t *devices;        /* of the description, or NULL */
    Error *error;
} DeviceSave;

static void save_section(DeviceSave *save, uint32_t section_id, const SaveStateInfo *info)
{
    const VMStateDescription *vmsd = info->vmsd;
    json_t *desc = save->devices ? json_object() : NULL;
    if (desc) {
        json_object_set_new(desc, "name", json_string(info->idstr));
        json_object_set_new(desc, "instance_id", json_integer(info->instance_id));
        json_object_set_new(desc, "vmsd_name", json_string(vmsd->name));
        json_object_set_new(desc, "version", json_integer(vmsd->version_id));
        json_array_append_new(save->devices, desc);
    }
    put_section_header(save->f, QEMU_VM_SECTION_FULL, section_id, info->idstr, info->instance_id,
                       vmsd->version_id);
    if (!vmstate_save_state_described(save->f, vmsd, info->opaque, desc, &save->error)) {
        error_prepend(&save->error, "section '%s' instance %d: ", info->idstr, info->instance_id);
        return;
    }
    put_footer(save->f, section_id);
}

static bool save_devices(QEMUFile *f, Machine *m, json_t *devices, Error **errp)
{
    DeviceSave save = { .f = f, .devices = devices };
    GPtrArray *entries = m->savevm->entries;
    for (guint i = 0; i < entries->len && !save.error; i++) {
        const SaveStateEntry *entry = entries->pdata[i];
        save_section(&save, entry->section_id, &entry->info);
    }
    if (!save.error) {
        SaveStateInfo last = { .idstr = vmstate_globalstate.name, .vmsd = &vmstate_globalstate,
                               .opaque = &m->savevm->globalstate };
        save_section(&save, GLOBALSTATE_SECTION, &last);
    }
    bool ok = !save.error;
    error_propagate(errp, save.error);
    return ok;
}

/* Nobody needs what it says to load the machine: where there is no memory for it, it says nothing. */
static void put_description(QEMUFile *f, json_t *devices)
{
    json_t *desc = json_pack("{si sO}", "page_size", (int)TARGET_PAGE_SIZE, "devices", devices);
    char *text = json_dumps(desc, JSON_COMPACT | JSON_PRESERVE_ORDER);
    const char *said = text ? text : "{}";
    qemu_put_byte(f, QEMU_VM_VMDESCRIPTION);
    qemu_put_be32(f, (uint32_t)strlen(said));
    qemu_put_buffer(f, said, strlen(said));
    free(text);
    json_decref(desc);
}

bool savevm_state_complete(QEMUFile *f, Machine *m, const SaveVMOptions *options, Error **errp)
{
    for (guint i = 0; i < m->savevm->live->len; i++) {
        LiveEntry *live = m->savevm->live->pdata[i];
        if (!live->set_up) {
            continue;
        }
        put_live_header(f, QEMU_VM_SECTION_END, live);
        if (!live->ops->save_live_complete(f, live->opaque, errp)) {
            error_prepend(errp, "section '%s': ", live->idstr);
            return false;
        }
        put_footer(f, live->section_id);
    }
    json_t *devices = options->suppress_vmdesc ? NULL : json_array();
    bool ok = save_devices(f, m, devices, errp);
    if (ok) {
        qemu_put_byte(f, QEMU_VM_EOF);
        if (devices) {
            put_description(f, devices);
        }
    }
    json_decref(devices);
    return ok && stream_is_good(f, errp);
}

bool savevm_state_measure_devices(Machine *m, uint64_t *bytes, int64_t *ns, Error **errp)
{
    QEMUFile *f = qemu_file_new_memory();
    int64_t start = qemu_clock_get_ns(m, QEMU_CLOCK_REALTIME);
    bool ok = save_devices(f, m, NULL, errp);
    *ns = qemu_clock_get_ns(m, QEMU_CLOCK_REALTIME) - start;
    *bytes = qemu_ftell(f);
    return qemu_fclose(f, ok ? errp : NULL) && ok;
}

bool savevm_state_blocked(Machine *m, Error **errp)
{
    GPtrArray *entries = m->savevm->entries;
    for (guint i = 0; i < entries->len; i++) {
        const SaveStateEntry *entry = entries->pdata[i];
        if (entry->info.vmsd->unmigratable) {
            error_setg(errp, "State blocked by non-migratable device '%s'", entry->idstr);
            return true;
        }
    }
    return false;
}
