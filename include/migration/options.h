/*
 * options.h - capabilities and parameters of a migration: one table, one set of values a machine.
 *
 * Floor F5.  Main thread, machine lock held, unless a function says otherwise.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_MIGRATION_OPTIONS_H
#define GODWIT_MIGRATION_OPTIONS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "util/error.h"

typedef struct MigrationOptions MigrationOptions;

typedef enum MigrationOptionType {
    MIG_OPT_CAP,        /* capability: bool */
    MIG_OPT_BOOL,
    MIG_OPT_UINT,       /* range min … max */
    MIG_OPT_SIZE,       /* bytes; "32M" from HMP */
    MIG_OPT_STRING,
    MIG_OPT_ENUM,
} MigrationOptionType;

/* One row: everything that is known of an option stands here and nowhere else. */
typedef struct MigrationOption {
    const char *name;           /* as in QMP */
    MigrationOptionType type;
    uint64_t min, max, def;     /* numbers; def of a bool; ENUM: index */
    const char *const *values;  /* ENUM: names, NULL-terminated */
    const char *unit;           /* "bytes/s", "ms", "%"; for help texts */
    bool live;                  /* may be changed while a migration runs */
    bool deprecated;
    const char *const *conflicts;   /* capabilities that cannot be on together with this; NULL-terminated */
    const char *help;           /* one line */
} MigrationOption;

/* All options, ending with name NULL. */
extern const MigrationOption migration_option_table[];
const MigrationOption *migration_option_find(const char *name, bool capability);

MigrationOptions *migration_options_new(void);
void migration_options_free(MigrationOptions *options);

/*
 * Sets several at once, all or none: {"name": value, …}. running: a migration is under way, so only live ones
 * may change. The error names option, value and range, or the two capabilities that conflict.
 */
bool migration_options_set(MigrationOptions *options, const json_t *values, bool capabilities, bool running,
                           Error **errp);
/* The values: capabilities as {"name": bool}, or parameters as {"name": value}. New reference. */
json_t *migration_options_get(const MigrationOptions *options, bool capabilities);

bool migration_cap(const MigrationOptions *options, const char *name);
uint64_t migration_uint(const MigrationOptions *options, const char *name);
const char *migration_str(const MigrationOptions *options, const char *name);

/* What a run is made with: read once at the start, const afterwards. */
typedef struct MigrationConfig {
    bool events, return_path, pause_before_switchover, validate_uuid, late_block_activate, zero_blocks;
    bool plain_stream;          /* stream-format is not godwit: no handover messages */
} MigrationConfig;
MigrationConfig migration_config_from(const MigrationOptions *options);

#endif
