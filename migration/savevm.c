/*
 * savevm.c - a machine's own registry of what migrates, in stream order.
 *
 * Floor F3; below it vmstate.  Machine lock held in all calls.
 * Invariant: no two entries of a machine have the same (idstr, instance id).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "migration/savevm-internal.h"

#include <string.h>

#include "system/machine.h"

static void entry_free(gpointer data)
{
    SaveStateEntry *entry = data;
    g_free(entry->idstr);
    g_free(entry);
}

static void live_free(gpointer data)
{
    LiveEntry *live = data;
    g_free(live->idstr);
    g_free(live);
}

struct SaveVM *savevm_new(Machine *m)
{
    struct SaveVM *savevm = g_new0(struct SaveVM, 1);
    savevm->entries = g_ptr_array_new_with_free_func(entry_free);
    savevm->live = g_ptr_array_new_with_free_func(live_free);
    m->savevm = savevm;
    clock_state_register(m);
    return savevm;
}

void savevm_free(struct SaveVM *savevm)
{
    if (savevm) {
        clock_state_unregister(savevm);
        g_ptr_array_unref(savevm->entries);
        g_ptr_array_unref(savevm->live);
        g_free(savevm);
    }
}

static const SaveStateEntry *find(const struct SaveVM *savevm, const char *idstr, int instance_id)
{
    for (guint i = 0; i < savevm->entries->len; i++) {
        const SaveStateEntry *entry = savevm->entries->pdata[i];
        if (entry->info.instance_id == instance_id && strcmp(entry->idstr, idstr) == 0) {
            return entry;
        }
    }
    return NULL;
}

static int free_instance_id(const struct SaveVM *savevm, const char *idstr)
{
    int id = 0;
    while (find(savevm, idstr, id)) {
        id++;
    }
    return id;
}

bool vmstate_register(Machine *m, const char *prefix, int instance_id, const VMStateDescription *vmsd,
                      void *opaque, Error **errp)
{
    struct SaveVM *savevm = m->savevm;
    g_autofree char *idstr = prefix ? g_strdup_printf("%s/%s", prefix, vmsd->name)
                                    : g_strdup(vmsd->name);
    if (strlen(idstr) > 255) {
        error_setg(errp, "section name '%.40s…' has more than 255 bytes", idstr);
        return false;
    }
    if (instance_id == VMSTATE_INSTANCE_ID_ANY) {
        instance_id = free_instance_id(savevm, idstr);
    } else if (find(savevm, idstr, instance_id)) {
        error_setg(errp, "section '%s' instance %d is registered already", idstr, instance_id);
        return false;
    }
    SaveStateEntry *entry = g_new0(SaveStateEntry, 1);
    entry->idstr = g_steal_pointer(&idstr);
    entry->section_id = savevm->next_section_id++;
    entry->info = (SaveStateInfo){
        .idstr = entry->idstr, .instance_id = instance_id, .vmsd = vmsd, .opaque = opaque,
    };
    g_ptr_array_add(savevm->entries, entry);
    return true;
}

void vmstate_unregister(Machine *m, const VMStateDescription *vmsd, void *opaque)
{
    if (!m->savevm) {
        return;     /* the machine ends: harts go after the registry */
    }
    GPtrArray *entries = m->savevm->entries;
    for (guint i = 0; i < entries->len; i++) {
        const SaveStateEntry *entry = entries->pdata[i];
        if (entry->info.vmsd == vmsd && entry->info.opaque == opaque) {
            g_ptr_array_remove_index(entries, i);
            return;
        }
    }
}

void savevm_foreach(Machine *m, void (*fn)(const SaveStateInfo *info, void *opaque), void *opaque)
{
    GPtrArray *entries = m->savevm->entries;
    for (guint i = 0; i < entries->len; i++) {
        fn(&((const SaveStateEntry *)entries->pdata[i])->info, opaque);
    }
}

SaveStateEntry *savevm_find_entry(Machine *m, const char *idstr, int instance_id)
{
    return (SaveStateEntry *)find(m->savevm, idstr, instance_id);
}

/* ------------------------------------------------------------------ live sections */

bool register_savevm_live(Machine *m, const char *idstr, int instance_id, int version_id,
                          const SaveVMHandlers *ops, void *opaque, Error **errp)
{
    if (!ops->save_setup || !ops->save_live_iterate || !ops->state_pending || !ops->save_live_complete ||
        !ops->save_cleanup || !ops->load_setup || !ops->load_state || !ops->load_cleanup) {
        error_setg(errp, "live section '%s' lacks a handler", idstr);
        return false;
    }
    LiveEntry *live = g_new0(LiveEntry, 1);
    live->idstr = g_strdup(idstr);
    live->instance_id = instance_id;
    live->version_id = version_id;
    live->ops = ops;
    live->opaque = opaque;
    live->section_id = m->savevm->next_section_id++;
    g_ptr_array_add(m->savevm->live, live);
    return true;
}

void unregister_savevm_live(Machine *m, const char *idstr, void *opaque)
{
    GPtrArray *live = m->savevm->live;
    for (guint i = 0; i < live->len; i++) {
        const LiveEntry *entry = live->pdata[i];
        if (entry->opaque == opaque && strcmp(entry->idstr, idstr) == 0) {
            g_ptr_array_remove_index(live, i);
            return;
        }
    }
}

LiveEntry *savevm_find_live(Machine *m, const char *idstr, int instance_id)
{
    GPtrArray *live = m->savevm->live;
    for (guint i = 0; i < live->len; i++) {
        LiveEntry *entry = live->pdata[i];
        if (entry->instance_id == instance_id && strcmp(entry->idstr, idstr) == 0) {
            return entry;
        }
    }
    return NULL;
}
