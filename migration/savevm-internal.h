/*
 * savevm-internal.h - the registry's entries, shared by the files that save and load sections.
 *
 * Floor F3, private to savevm*.c, loadvm.c, globalstate.c, clock-state.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_SAVEVM_INTERNAL_H
#define MIGRATION_SAVEVM_INTERNAL_H

#include <glib.h>
#include <jansson.h>

#include "migration/register.h"
#include "migration/savevm.h"

typedef struct SaveStateEntry {
    char *idstr;
    uint32_t section_id;
    SaveStateInfo info;
    bool loaded;            /* by the load that is under way */
} SaveStateEntry;

typedef struct LiveEntry {
    char *idstr;
    int instance_id, version_id;
    uint32_t section_id;
    const SaveVMHandlers *ops;
    void *opaque;
    bool set_up;            /* save_setup has succeeded and save_cleanup not run yet */
    bool load_set_up;       /* it has begun in the load that is under way */
    bool load_ended;        /* and its END has come */
    bool round_done;        /* nothing left in this round */
} LiveEntry;

/* What globalstate carries: the runstate before the machine was stopped for the move. */
typedef struct GlobalState {
    uint32_t size;
    uint8_t runstate[100];
} GlobalState;

struct SaveVM {
    GPtrArray *entries;     /* SaveStateEntry, in order of registration */
    GPtrArray *live;        /* LiveEntry */
    uint32_t next_section_id;
    GlobalState globalstate;
    struct ClockState *clock_state;
};

SaveStateEntry *savevm_find_entry(Machine *m, const char *idstr, int instance_id);
LiveEntry *savevm_find_live(Machine *m, const char *idstr, int instance_id);

/* globalstate.c: always the last section. */
extern const VMStateDescription vmstate_globalstate;

/* clock-state.c: the section "timer", the first device section. */
void clock_state_register(Machine *m);
void clock_state_unregister(struct SaveVM *savevm);

/* vmstate.c: as vmstate_save_state(), and appends to desc (an object) what was written. */
bool vmstate_save_state_described(QEMUFile *f, const VMStateDescription *vmsd, void *opaque, json_t *desc,
                                  Error **errp);

#endif
