/*
 * keys.h - the keys of those options whose value is a fixed list of key=value.
 *
 * Floor F6, private to cli/.  Each list stands here once: the check of a command line, -readconfig and
 * query-command-line-options go by it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_CLI_KEYS_H
#define GODWIT_CLI_KEYS_H

#include <jansson.h>

#include "monitor/hub.h"
#include "util/error.h"

typedef struct CliOption CliOption;

typedef struct CliKey {
    const char *name;
    const char *type;   /* as query-command-line-options says it: string, boolean, number, size */
    const char *only;   /* the one value that is true of this program, others are refused; NULL: any */
} CliKey;

/* Each ends with name NULL. */
extern const CliKey cli_machine_keys[], cli_accel_keys[], cli_smp_keys[], cli_memory_keys[],
    cli_name_keys[], cli_rtc_keys[], cli_icount_keys[], cli_boot_keys[], cli_overcommit_keys[],
    cli_msg_keys[], cli_trace_keys[], cli_mon_keys[];

/* True if the option's keys are not listed, or object has no other and no impossible value. */
bool cli_check_keys(const CliOption *option, const json_t *object, Error **errp);

/* The options that have a group, for query-command-line-options; lives as long as the program. */
const CommandLineOption *cli_describe_options(void);

#endif
