/*
 * savevm.c - a machine's own registry of what migrates, in stream order.
 *
 * Floor F3; below it vmstate.  Machine lock held in all calls.
 * Invariant: no two entries of a machine have the same (idstr, instance id).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <glib.h>
#include <string.h>

#include "migration/register.h"
#include "system/machine.h"

typedef struct SaveStateEntry {
    char *idstr;
    SaveStateInfo info;
} SaveStateEntry;

struct SaveVM {
    GPtrArray *entries;     /* SaveStateEntry, in order of registration */
};

static void entry_free(gpointer data)
{
    SaveStateEntry *entry = data;
    g_free(entry->idstr);
    g_free(entry);
}

struct SaveVM *savevm_new(Machine *m)
{
    struct SaveVM *savevm = g_new0(struct SaveVM, 1);
    savevm->entries = g_ptr_array_new_with_free_func(entry_free);
    return savevm;
}

void savevm_free(struct SaveVM *savevm)
{
    if (savevm) {
        g_ptr_array_unref(savevm->entries);
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
