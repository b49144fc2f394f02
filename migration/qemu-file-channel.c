/*
 * qemu-file-channel.c - a QEMUFile whose bytes travel on a migration channel.
 *
 * Floor F2; below it channels.  Threads: as for QEMUFile; the output and the input file of a two-way channel
 * share nothing but the channel, which allows one reader beside one writer.
 * Invariant: the channel is the caller's before, during and after; a file only shuts it down.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "migration/channel.h"
#include "migration/qemu-file.h"

static bool channel_writev(void *opaque, struct iovec *iov, int niov, Error **errp)
{
    MigrationChannel *ch = opaque;
    return ch->ops->writev(ch, iov, niov, errp);
}

static bool channel_lend(void *opaque, struct iovec *iov, int niov, const struct iovec *pages, Error **errp)
{
    MigrationChannel *ch = opaque;
    if (ch->ops->lend) {
        return ch->ops->lend(ch, iov, niov, pages, errp);
    }
    struct iovec last = *pages;
    return (niov == 0 || ch->ops->writev(ch, iov, niov, errp)) && ch->ops->writev(ch, &last, 1, errp);
}

static bool channel_read(void *opaque, uint8_t *buf, size_t len, size_t *got, Error **errp)
{
    MigrationChannel *ch = opaque;
    return ch->ops->read(ch, buf, len, got, errp);
}

static void channel_shutdown(void *opaque)
{
    migration_channel_shutdown(opaque);
}

static const QEMUFileOps output_ops = {
    .writev = channel_writev, .lend = channel_lend, .shutdown = channel_shutdown,
};
static const QEMUFileOps input_ops = { .read = channel_read, .shutdown = channel_shutdown };

QEMUFile *qemu_file_channel_new_output(MigrationChannel *ch)
{
    return qemu_file_new_output(&output_ops, ch);
}

QEMUFile *qemu_file_channel_new_input(MigrationChannel *ch)
{
    return qemu_file_new_input(&input_ops, ch);
}

MigrationChannel *qemu_file_channel(QEMUFile *f)
{
    MigrationChannel *ch = qemu_file_opaque(f, &output_ops);
    return ch ? ch : qemu_file_opaque(f, &input_ops);
}
