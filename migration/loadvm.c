/*
 * loadvm.c - reads a stream: header, configuration, sections, commands, description.
 *
 * Floor F3; below it vmstate and the stream.  The incoming thread, lock not held; it is taken for each
 * device section.
 * Invariant: the stream is hostile.  Nothing is believed before it was held against this machine, every
 * length has a bound, and an error names the section and where in the stream it stands.
 * Wire format: wire.h.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "migration/savevm-internal.h"
#include "migration/wire.h"
#include "system/machine.h"

#define CONFIG_NAME_MAX 255
#define VMDESC_MAX (16u << 20)

/* A section that has been begun: PART and END refer to it by its id. */
typedef struct LoadSection {
    uint32_t id;
    LiveEntry *live;        /* or entry */
    SaveStateEntry *entry;
    int instance_id, version_id;
    char name[256];
} LoadSection;

typedef struct Loader {
    QEMUFile *f;
    Machine *m;
    const LoadVMOps *ops;
    void *opaque;
    LoadVMResult *result;
    GHashTable *sections;   /* section id → LoadSection, live ones */
} Loader;

static bool stream_is_good(Loader *l, Error **errp)
{
    const Error *err = qemu_file_get_error(l->f);
    if (err) {
        error_setg(errp, "%s", error_get_pretty(err));
    }
    return !err;
}

/* ---- header and configuration ---- */

static bool load_header(Loader *l, Error **errp)
{
    uint32_t magic = qemu_get_be32(l->f);
    uint32_t version = qemu_get_be32(l->f);
    if (!stream_is_good(l, errp)) {
        return false;
    }
    if (magic != QEMU_VM_FILE_MAGIC) {
        error_setg(errp, "Not a migration stream: it begins with 0x%08x, not with \"QEVM\"", magic);
        return false;
    }
    if (version != QEMU_VM_FILE_VERSION) {
        error_setg(errp, "Unsupported migration stream version %u; this machine reads version %d", version,
                   QEMU_VM_FILE_VERSION);
        return false;
    }
    return true;
}

/* Into text[37]. */
static void format_uuid(const uint8_t uuid[16], char *text)
{
    for (int i = 0; i < 16; i++) {
        bool dash = i == 4 || i == 6 || i == 8 || i == 10;
        text += sprintf(text, dash ? "-%02x" : "%02x", uuid[i]);
    }
}

static bool load_uuid(Loader *l, Error **errp)
{
    uint8_t uuid[16];
    const MachineConfig *config = l->m->config;
    qemu_get_buffer(l->f, uuid, sizeof(uuid));
    if (!stream_is_good(l, errp)) {
        return false;
    }
    if (config->uuid_set && memcmp(uuid, config->uuid, sizeof(uuid)) != 0) {
        char theirs[37], ours[37];
        format_uuid(uuid, theirs);
        format_uuid(config->uuid, ours);
        error_setg(errp, "Machine UUID received is %s and local is %s: source and destination need the same -uuid",
                   theirs, ours);
        return false;
    }
    return true;
}

static bool load_config_subsection(Loader *l, Error **errp)
{
    char name[256];
    qemu_get_byte(l->f);
    bool well_formed = qemu_get_counted_string(l->f, name);
    uint32_t version = qemu_get_be32(l->f);
    if (!stream_is_good(l, errp)) {
        return false;
    }
    if (well_formed && strcmp(name, MIG_CONFIG_GODWIT) == 0 && version == 1) {
        uint32_t flags = qemu_get_be32(l->f);
        if (!stream_is_good(l, errp)) {
            return false;
        }
        /* Who sends this speaks the handover: to start without its last word could mean two machines. */
        if ((flags | MIG_CONFIG_GODWIT_RUNS) != (MIG_CONFIG_GODWIT_HANDOVER | MIG_CONFIG_GODWIT_RUNS)) {
            error_setg(errp, "configuration: flags 0x%x of %s; this machine knows 0x%x, and 0x%x beside it", flags,
                       name, MIG_CONFIG_GODWIT_HANDOVER, MIG_CONFIG_GODWIT_RUNS);
            return false;
        }
        l->result->handover = true;
        return true;
    }
    if (well_formed && strcmp(name, MIG_CONFIG_UUID) == 0 && version == 1) {
        return load_uuid(l, errp);
    }
    error_setg(errp, "configuration: subsection '%.40s' version %u is not known here", name, version);
    return false;
}

static bool load_configuration(Loader *l, Error **errp)
{
    if (qemu_get_byte(l->f) != QEMU_VM_CONFIGURATION) {
        if (stream_is_good(l, errp)) {
            error_setg(errp, "Configuration section missing");
        }
        return false;
    }
    char name[CONFIG_NAME_MAX + 1] = { 0 };
    uint32_t len = qemu_get_be32(l->f);
    if (len > CONFIG_NAME_MAX) {
        error_setg(errp, "configuration: machine name of %u bytes, at most %d are possible", len,
                   CONFIG_NAME_MAX);
        return false;
    }
    qemu_get_buffer(l->f, name, len);
    if (!stream_is_good(l, errp)) {
        return false;
    }
    while (qemu_peek_byte(l->f, 0) == QEMU_VM_SUBSECTION) {
        if (!load_config_subsection(l, errp)) {
            return false;
        }
    }
    /* Last, so that it is known by then whether the sender can be told. */
    if (strcmp(name, l->m->klass->name) != 0) {
        error_setg(errp, "Machine type received is '%s' and local is '%s'", name, l->m->klass->name);
        return false;
    }
    return true;
}

/* ---- sections ---- */

static bool check_footer(Loader *l, const LoadSection *s, Error **errp)
{
    uint8_t mark = qemu_get_byte(l->f);
    uint32_t id = qemu_get_be32(l->f);
    if (!stream_is_good(l, errp)) {
        return false;
    }
    if (mark != QEMU_VM_SECTION_FOOTER) {
        error_setg(errp, "Missing section footer for %s: 0x%02x stands there; the section is longer or shorter "
                   "than this machine expects", s->name, mark);
        return false;
    }
    if (id != s->id) {
        error_setg(errp, "Mismatched section id in footer for %s: %u, expected %u", s->name, id, s->id);
        return false;
    }
    return true;
}

static bool load_live(Loader *l, const LoadSection *s, Error **errp)
{
    if (s->live->load_ended) {
        error_setg(errp, "section %u goes on behind its end", s->id);
        return false;
    }
    if (!s->live->load_set_up) {
        if (!s->live->ops->load_setup(l->f, s->live->opaque, errp)) {
            return false;
        }
        s->live->load_set_up = true;
    }
    return s->live->ops->load_state(l->f, s->live->opaque, s->version_id, errp);
}

static bool load_device(Loader *l, const LoadSection *s, Error **errp)
{
    machine_lock(l->m);
    bool ok = s->entry ? vmstate_load_state(l->f, s->entry->info.vmsd, s->entry->info.opaque, s->version_id,
                                            errp)
                       : vmstate_load_state(l->f, &vmstate_globalstate, &l->m->savevm->globalstate,
                                            s->version_id, errp);
    machine_unlock(l->m);
    if (ok && !s->entry) {
        g_strlcpy(l->result->runstate, (char *)l->m->savevm->globalstate.runstate,
                  sizeof(l->result->runstate));
    }
    return ok;
}

/* A stream that has ended gives zeroes, at which a device may have taken offence: its end is the reason. */
static void prefer_stream_error(Loader *l, Error **err)
{
    const Error *stream = qemu_file_get_error(l->f);
    if (stream && !strstr(error_get_pretty(*err), error_get_pretty(stream))) {
        error_free(*err);
        *err = error_copy(stream);
    }
}

static bool load_payload(Loader *l, const LoadSection *s, Error **errp)
{
    Error *err = NULL;
    if (!(s->live ? load_live(l, s, &err) : load_device(l, s, &err))) {
        prefer_stream_error(l, &err);
        error_propagate(errp, err);
        error_prepend(errp, "error while loading state for instance 0x%x of device '%s': ",
                      (unsigned)s->instance_id, s->name);
        return false;
    }
    return check_footer(l, s, errp);
}

/* Finds what this machine has under the section's name. */
static bool find_section(Loader *l, LoadSection *s, bool live, Error **errp)
{
    machine_lock(l->m);
    if (live) {
        s->live = savevm_find_live(l->m, s->name, s->instance_id);
    } else {
        s->entry = savevm_find_entry(l->m, s->name, s->instance_id);
    }
    machine_unlock(l->m);
    bool globalstate = !live && strcmp(s->name, vmstate_globalstate.name) == 0 && s->instance_id == 0;
    if (!s->live && !s->entry && !globalstate) {
        error_setg(errp, "Unknown savevm section or instance '%s' %d. Make sure that your current VM setup "
                   "matches your saved VM setup, including any hotplugged devices", s->name,
                   s->instance_id);
        return false;
    }
    /* A stream without end could otherwise fill memory with sections that it begins. */
    if (s->live ? s->live->load_set_up : s->entry && s->entry->loaded) {
        error_setg(errp, "section '%s' instance %d comes twice", s->name, s->instance_id);
        return false;
    }
    return true;
}

static bool load_start_or_full(Loader *l, bool live, Error **errp)
{
    LoadSection s = { .id = qemu_get_be32(l->f) };
    bool well_formed = qemu_get_counted_string(l->f, s.name);
    s.instance_id = (int)qemu_get_be32(l->f);
    s.version_id = (int)qemu_get_be32(l->f);
    if (!stream_is_good(l, errp)) {
        return false;
    }
    if (!well_formed) {
        error_setg(errp, "a section's name contains a NUL byte");
        return false;
    }
    if (!find_section(l, &s, live, errp)) {
        return false;
    }
    if (live) {
        if (s.version_id != s.live->version_id) {
            error_setg(errp, "section '%s': version %d; this machine reads version %d", s.name, s.version_id,
                       s.live->version_id);
            return false;
        }
        g_hash_table_insert(l->sections, GUINT_TO_POINTER(s.id), g_memdup2(&s, sizeof(s)));
    }
    if (s.entry) {
        s.entry->loaded = true;
    }
    return load_payload(l, &s, errp);
}

static bool load_part_or_end(Loader *l, bool end, Error **errp)
{
    uint32_t id = qemu_get_be32(l->f);
    if (!stream_is_good(l, errp)) {
        return false;
    }
    const LoadSection *s = g_hash_table_lookup(l->sections, GUINT_TO_POINTER(id));
    if (!s) {
        error_setg(errp, "Unknown section %u: it was not begun", id);
        return false;
    }
    bool ok = load_payload(l, s, errp);
    s->live->load_ended = ok && end;
    return ok;
}

/* ---- commands and the end ---- */

static bool skip_bytes(Loader *l, uint32_t len, Error **errp)
{
    uint8_t buf[4096];
    while (len && !qemu_file_get_error(l->f)) {
        uint32_t n = MIN(len, (uint32_t)sizeof(buf));
        qemu_get_buffer(l->f, buf, n);
        len -= n;
    }
    return stream_is_good(l, errp);
}

static bool load_command(Loader *l, Error **errp)
{
    uint16_t command = qemu_get_be16(l->f);
    uint16_t len = qemu_get_be16(l->f);
    if (!stream_is_good(l, errp)) {
        return false;
    }
    if (command == MIG_CMD_OPEN_RETURN_PATH && len == 0) {
        return l->ops->open_return_path(l->opaque, errp);
    }
    if (command == MIG_CMD_PING && len == 4) {
        uint32_t value = qemu_get_be32(l->f);
        return stream_is_good(l, errp) && l->ops->ping(l->opaque, value, errp);
    }
    if (command == MIG_CMD_GODWIT_FILL && l->result->handover) {
        return skip_bytes(l, len, errp);
    }
    error_setg(errp, "command 0x%x with %u bytes is not known here", command, len);
    return false;
}

/* What does not arrive would be as after a reset: that is not the machine that was sent. */
static bool check_complete(Loader *l, Error **errp)
{
    const struct SaveVM *savevm = l->m->savevm;
    for (guint i = 0; i < savevm->live->len; i++) {
        const LiveEntry *live = savevm->live->pdata[i];
        bool may_lack = live->ops->is_active && !live->load_set_up;
        if (!live->load_ended && !may_lack) {
            error_setg(errp, "the stream ends without the end of section '%s'", live->idstr);
            return false;
        }
    }
    for (guint i = 0; i < savevm->entries->len; i++) {
        const SaveStateEntry *entry = savevm->entries->pdata[i];
        if (!entry->loaded && !entry->info.vmsd->optional) {
            error_setg(errp, "the stream has no section '%s' instance %d: source and destination need the same "
                       "devices", entry->idstr, entry->info.instance_id);
            return false;
        }
    }
    return true;
}

/* What follows EOF: the description, which nothing needs. Its absence is no error. */
static bool skip_description(Loader *l, Error **errp)
{
    if (!l->result->handover && qemu_peek_byte(l->f, 0) != QEMU_VM_VMDESCRIPTION) {
        return true;
    }
    uint8_t type = qemu_get_byte(l->f);
    uint32_t len = qemu_get_be32(l->f);
    if (!stream_is_good(l, errp)) {
        return false;
    }
    if (type != QEMU_VM_VMDESCRIPTION || len > VMDESC_MAX) {
        error_setg(errp, "Expected vmdescription section, but got %u with %u bytes", type, len);
        return false;
    }
    return skip_bytes(l, len, errp);
}

static bool load_items(Loader *l, Error **errp)
{
    for (;;) {
        uint64_t at = qemu_ftell(l->f);
        uint8_t type = qemu_get_byte(l->f);
        bool ok = stream_is_good(l, errp);
        if (!ok) {
            return false;
        }
        switch (type) {
        case QEMU_VM_SECTION_START:
        case QEMU_VM_SECTION_FULL:
            ok = load_start_or_full(l, type == QEMU_VM_SECTION_START, errp);
            break;
        case QEMU_VM_SECTION_PART:
        case QEMU_VM_SECTION_END:
            ok = load_part_or_end(l, type == QEMU_VM_SECTION_END, errp);
            break;
        case QEMU_VM_COMMAND:
            ok = load_command(l, errp);
            break;
        case QEMU_VM_EOF:
            return check_complete(l, errp) && skip_description(l, errp);
        default:
            error_setg(errp, "Unknown savevm section type %u", type);
            ok = false;
        }
        if (!ok) {
            error_prepend(errp, "at byte 0x%" PRIx64 " of the stream: ", at);
            return false;
        }
    }
}

/* Nothing has been loaded yet, or any more. */
static void forget_sections(Machine *m)
{
    for (guint i = 0; i < m->savevm->live->len; i++) {
        LiveEntry *live = m->savevm->live->pdata[i];
        if (live->load_set_up) {
            live->load_set_up = false;
            live->ops->load_cleanup(live->opaque);
        }
        live->load_ended = false;
    }
    for (guint i = 0; i < m->savevm->entries->len; i++) {
        ((SaveStateEntry *)m->savevm->entries->pdata[i])->loaded = false;
    }
}

bool loadvm_state(QEMUFile *f, Machine *m, const LoadVMOps *ops, void *opaque, LoadVMResult *result,
                  Error **errp)
{
    Loader l = {
        .f = f, .m = m, .ops = ops, .opaque = opaque, .result = result,
        .sections = g_hash_table_new_full(NULL, NULL, NULL, g_free),
    };
    *result = (LoadVMResult){ 0 };
    bool ok = load_header(&l, errp) && load_configuration(&l, errp) && load_items(&l, errp);
    forget_sections(m);
    g_hash_table_unref(l.sections);
    return ok;
}

bool loadvm_check_header(QEMUFile *f, Machine *m, Error **errp)
{
    LoadVMResult result = { 0 };
    Loader l = { .f = f, .m = m, .result = &result };
    return load_header(&l, errp) && load_configuration(&l, errp);
}

bool loadvm_wait_go(QEMUFile *f, Error **errp)
{
    uint8_t type = qemu_get_byte(f);
    uint16_t command = qemu_get_be16(f);
    uint16_t len = qemu_get_be16(f);
    const Error *err = qemu_file_get_error(f);
    if (err) {
        error_setg(errp, "%s", error_get_pretty(err));
        return false;
    }
    if (type != QEMU_VM_COMMAND || command != MIG_CMD_GODWIT_GO || len != 0) {
        error_setg(errp, "expected the source's word to start, but got item %u, command 0x%x", type, command);
        return false;
    }
    return true;
}
