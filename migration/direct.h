/*
 * direct.h - a channel whose writer can place bytes straight into the reader's memory.
 *
 * Floor F2, private to migration/.  MigrationChannel.direct, or NULL: most channels cannot.
 * What is written so is not in order with what goes over the channel as a stream: the writer waits for the
 * one (drain) or the other (await) where that matters.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef MIGRATION_DIRECT_H
#define MIGRATION_DIRECT_H

#include "migration/channel.h"

/* A piece of memory, known to both sides by its name (1 … 255 bytes); borrowed until the channel is closed. */
typedef struct DirectMemory {
    const char *name;
    uint8_t *host;
    uint64_t length;
} DirectMemory;

struct MigrationDirectOps {
    /* ---- the side that reads the stream; the thread that reads it ---- */

    /*
     * From now on the peer may write into these, and nowhere else. pinned: all of it is registered at once,
     * else each part when the peer first asks for it. Once.
     */
    bool (*offer)(MigrationChannel *ch, const DirectMemory *memory, unsigned count, bool pinned, Error **errp);
    /* The peer can write no more. More than once, and without an offer, too. */
    void (*withdraw)(MigrationChannel *ch);
    /* Tells the writer that the stream has been read up to its mark of that number; the first one is 1. */
    void (*reached)(MigrationChannel *ch, uint32_t mark);

    /* ---- the side that writes the stream; the thread that writes it ---- */

    /*
     * The memory to write from; the peer offers the same names and lengths. pinned: the first write registers
     * all of it, at both ends. Does not wait. Once.
     */
    void (*open)(MigrationChannel *ch, const DirectMemory *memory, unsigned count, bool pinned);
    /*
     * Writes length bytes (more than 0) at offset of memory[index] to the same place there. They are read from
     * here at any time until the next drain. May wait for earlier writes, or for the peer's permission. What is
     * written to the stream afterwards arrives afterwards.
     */
    bool (*write)(MigrationChannel *ch, unsigned index, uint64_t offset, uint64_t length, Error **errp);
    /* Waits until everything written stands in the peer's memory. */
    bool (*drain)(MigrationChannel *ch, Error **errp);
    /* Waits until the peer has said that it has reached the mark. The stream has been flushed. */
    bool (*await)(MigrationChannel *ch, uint32_t mark, Error **errp);
    /* Whether the peer has reached the mark, and a write there needs no permission that we do not have. */
    bool (*is_ready)(MigrationChannel *ch, unsigned index, uint64_t offset, uint64_t length, uint32_t mark);
};

#endif
