/*
 * qmp-cmds-char.c - the commands that show character devices.
 *
 * Floor F6; below it chardev.  Main loop's thread, machine lock held.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "chardev/char.h"
#include "qapi/qapi-commands.h"

static void add_status(const ChardevInfo *info, void *opaque)
{
    ChardevStatusList ***tail = opaque;
    ChardevStatus *status = g_new0(ChardevStatus, 1);
    status->label = g_strdup(info->label);
    status->filename = g_strdup(info->filename);
    status->frontend_open = info->frontend_open;
    QAPI_LIST_APPEND(*tail, status);
}

bool qmp_query_chardev(QmpContext *ctx, ChardevStatusList **ret, Error **errp)
{
    ChardevStatusList **tail = ret;
    chardev_foreach(ctx->machine, add_status, &tail);
    return true;
}
