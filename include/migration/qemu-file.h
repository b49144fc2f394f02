/*
 * qemu-file.h - the buffered big-endian stream that devices are saved to and loaded from.
 *
 * Floor F2 (stream).  One thread uses a QEMUFile at a time; only the three functions that say "any thread"
 * may be called beside it.  Errors are sticky and the first one wins: after an error puts do nothing and
 * gets return zero, so a caller may check once at the end.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_MIGRATION_QEMU_FILE_H
#define GODWIT_MIGRATION_QEMU_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/error.h"

typedef struct QEMUFile QEMUFile;
typedef struct MigrationChannel MigrationChannel;
struct iovec;

/* Where the bytes go to or come from. Required: write or writev for output, read for input. */
typedef struct QEMUFileOps {
    /* Writes all of buf or fails. */
    bool (*write)(void *opaque, const uint8_t *buf, size_t len, Error **errp);
    /* Writes all of iov (which it may change; 1 … QEMU_FILE_MAX_IOV entries) or fails. */
    bool (*writev)(void *opaque, struct iovec *iov, int niov, Error **errp);
    /* As writev, and behind it `pages`, which may be read later still (MigrationChannelOps.lend). May be NULL. */
    bool (*lend)(void *opaque, struct iovec *iov, int niov, const struct iovec *pages, Error **errp);
    /* Reads 1 … len bytes; *got = 0 at the end of the stream. */
    bool (*read)(void *opaque, uint8_t *buf, size_t len, size_t *got, Error **errp);
    /* Called once by qemu_fclose(); may be NULL. */
    bool (*close)(void *opaque, Error **errp);
    /* Makes blocked and later reads and writes fail; any thread; may be NULL. */
    void (*shutdown)(void *opaque);
} QEMUFileOps;

/* What one write carries at most: so many pieces, and no further piece after so many bytes. */
#define QEMU_FILE_MAX_IOV 512
#define QEMU_FILE_BATCH (1024 * 1024)

QEMUFile *qemu_file_new_output(const QEMUFileOps *ops, void *opaque);
QEMUFile *qemu_file_new_input(const QEMUFileOps *ops, void *opaque);
/*
 * Over a channel, which stays the caller's and must outlive the file: qemu_fclose() does not close it. A
 * two-way channel carries one output and one input file, each used by a thread of its own.
 */
QEMUFile *qemu_file_channel_new_output(MigrationChannel *ch);
QEMUFile *qemu_file_channel_new_input(MigrationChannel *ch);
/* Flushes (output), closes and frees. False with *errp set to the file's first error. */
bool qemu_fclose(QEMUFile *f, Error **errp);
/* An output file whose bytes are collected in memory; take them with qemu_file_take_buffer(). */
QEMUFile *qemu_file_new_memory(void);
/* Flushes and hands over the bytes; the caller frees them with g_free(). */
uint8_t *qemu_file_take_buffer(QEMUFile *f, size_t *len);
/* An input file over bytes that stay the caller's. */
QEMUFile *qemu_file_new_from_buffer(const uint8_t *buf, size_t len);

void qemu_put_byte(QEMUFile *f, uint8_t v);
void qemu_put_be16(QEMUFile *f, uint16_t v);
void qemu_put_be32(QEMUFile *f, uint32_t v);
void qemu_put_be64(QEMUFile *f, uint64_t v);
void qemu_put_buffer(QEMUFile *f, const void *buf, size_t len);
/*
 * Puts len bytes without copying them: they are read from host when the stream is flushed, in their place
 * between the other puts. They must stay readable until then; if they change, either state may be sent.
 */
void qemu_put_page_ref(QEMUFile *f, const void *host, size_t len);
/*
 * The same for pages that are allowed to change at any time until the file is closed: of pages that follow each
 * other in great number the channel need not make a copy. host and len are multiples of the host's page size.
 */
void qemu_lend_pages(QEMUFile *f, const void *host, size_t len);
/* u8 length and the bytes, no NUL; longer than 255 bytes is a sticky error. */
void qemu_put_counted_string(QEMUFile *f, const char *s);

uint8_t qemu_get_byte(QEMUFile *f);
uint16_t qemu_get_be16(QEMUFile *f);
uint32_t qemu_get_be32(QEMUFile *f);
uint64_t qemu_get_be64(QEMUFile *f);
/*
 * Fills buf or sets the sticky error (then buf is zeroed from there on). Long buffers are filled by the
 * channel itself once what stands in the file's own buffer is used up.
 */
void qemu_get_buffer(QEMUFile *f, void *buf, size_t len);
/* Into buf[256], NUL-terminated. False at the end of the stream or on a NUL inside. */
bool qemu_get_counted_string(QEMUFile *f, char buf[256]);
/* The byte `offset` ahead without consuming it; -1 at the end of the stream. offset < 1024. */
int qemu_peek_byte(QEMUFile *f, size_t offset);

/* The channel of a file of the above two functions' kind, else NULL. */
MigrationChannel *qemu_file_channel(QEMUFile *f);
/* What such files are known by: opaque, if f has these ops, else NULL. */
void *qemu_file_opaque(QEMUFile *f, const QEMUFileOps *ops);
/*
 * Bytes that went over the channel beside the stream, and the time that took: they count in qemu_ftell() and in
 * the two figures below as if they had been put.
 */
void qemu_file_count_beside(QEMUFile *f, uint64_t bytes, uint64_t ns);

bool qemu_fflush(QEMUFile *f);
/* Bytes put or got so far, those that wait in the buffer included. */
uint64_t qemu_ftell(const QEMUFile *f);
/* Bytes that the other side of the file has taken or given. Any thread. */
uint64_t qemu_file_get_transferred(QEMUFile *f);
/* Nanoseconds spent in writes: transferred / send time is the bandwidth of the channel. Any thread. */
uint64_t qemu_file_send_time_ns(QEMUFile *f);
/* Makes the blocked or next read or write fail. Any thread, more than once, before qemu_fclose(). */
void qemu_file_shutdown(QEMUFile *f);
/* NULL or the first error, owned by f. */
const Error *qemu_file_get_error(const QEMUFile *f);
/* Sets the sticky error unless there is one; takes err. */
void qemu_file_set_error(QEMUFile *f, Error *err);

#endif
