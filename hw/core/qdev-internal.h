/*
 * qdev-internal.h - what the files of hw/core share about the device tree.
 *
 * Lobby (hw/core), private to the room.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_HW_CORE_QDEV_INTERNAL_H
#define GODWIT_HW_CORE_QDEV_INTERNAL_H

#include "hw/qdev.h"

typedef struct RomList RomList;

typedef struct QdevTree {
    Machine *machine;
    DeviceState *first, *last;      /* in order of creation */
    unsigned unattached, anonymous; /* next number in "/machine/…/device[N]" */
    RomList *roms;                  /* what a reset copies into memory (rom.c) */
    json_t *globals;                /* -global: {driver: {property: value}} */
} QdevTree;

/* Text of the default of each property into a fresh instance. */
void qdev_prop_set_defaults(DeviceState *dev);
/* What -global says about devices of that class, on top of the defaults. */
bool qdev_apply_globals(DeviceState *dev, Error **errp);
/* Gives back what the properties hold: strings, drives. */
void qdev_prop_release(DeviceState *dev);
/* dev->options, made if there were none. */
json_t *qdev_options(DeviceState *dev);
const Property *qdev_prop_find(const DeviceClass *klass, const char *name);
/* "size", "bool", …: the kind as help shows it. */
const char *qdev_prop_kind_name(PropKind kind);

RomList *rom_list_new(Machine *m);
void rom_list_free(RomList *list);
/* Copies every blob into memory. */
void rom_list_reset(RomList *list);

#endif
