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
    MIG_OPT_UINT,       /* range min … max */
    MIG_OPT_SIZE,       /* bytes, range min … max; "32M" from HMP */
    MIG_OPT_BOOL,       /* a parameter that is on or off: min 0, max 1 */
    MIG_OPT_ENUM,       /* one of names; its number: min 0, max that of the last */
    MIG_OPT_STRING,     /* max: bytes at most */
} MigrationOptionType;

/* One row: everything that is known of an option stands here and nowhere else. */
typedef struct MigrationOption {
    const char *name;           /* as in QMP */
    MigrationOptionType type;
    uint64_t min, max, def;     /* numbers; def of a capability: 0 or 1; strings: max bytes, empty at first */
    const char *unit;           /* "bytes/s", "ms"; for texts */
    bool live;                  /* may be changed while a migration runs */
    bool deprecated;
    const char *const *conflicts;   /* capabilities that cannot be on together with this; NULL-terminated */
    const char *help;           /* one line */
    const char *not_below;      /* a number that this one may not be less than; NULL: none */
    const char *const *names;   /* ENUM: the values; NULL-terminated */
} MigrationOption;

/* All options, ending with name NULL. */
extern const MigrationOption migration_option_table[];
const MigrationOption *migration_option_find(const char *name, bool capability);

MigrationOptions *migration_options_new(void);
/* With a table of the caller's, for tests; it must outlive the options. */
MigrationOptions *migration_options_new_from(const MigrationOption *table);
void migration_options_free(MigrationOptions *options);

/*
 * Sets several at once, all or none: {"name": value, …}. running: a migration is under way, so only live ones
 * may change (setting the value that an option has already is no change). The error names option, value and
 * range, or the two capabilities that conflict.
 */
bool migration_options_set(MigrationOptions *options, const json_t *values, bool capabilities, bool running,
                           Error **errp);
/* The values: capabilities as {"name": bool}, or parameters as {"name": value}. New reference. */
json_t *migration_options_get(const MigrationOptions *options, bool capabilities);

/* One value, by a name that is in the table. Booleans and numbers: any thread. */
bool migration_cap(const MigrationOptions *options, const char *name);
uint64_t migration_uint(const MigrationOptions *options, const char *name);
/* Of an ENUM, its name: any thread. */
const char *migration_str(const MigrationOptions *options, const char *name);

/* What a run is made with: read once at the start, const afterwards. */
typedef struct MigrationConfig {
    bool return_path, pause_before_switchover, validate_uuid, auto_converge, xbzrle, rdma_pin_all, compress;
    uint64_t compress_level, compress_threads;
    bool compress_wait_thread;
    const char *compress_method;
} MigrationConfig;
MigrationConfig migration_config_from(const MigrationOptions *options);

#endif
