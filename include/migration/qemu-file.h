/*
 * qemu-file.h - the buffered big-endian stream that devices are saved to and loaded from.
 *
 * Floor F2 (stream).  One thread uses a QEMUFile at a time.  Errors are sticky and the first one wins:
 * after an error puts do nothing and gets return zero, so a caller may check once at the end.
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

/* Where the bytes go to or come from. Required: write for output, read for input. */
typedef struct QEMUFileOps {
    /* Writes all of buf or fails. */
    bool (*write)(void *opaque, const uint8_t *buf, size_t len, Error **errp);
    /* Reads 1 … len bytes; *got = 0 at the end of the stream. */
    bool (*read)(void *opaque, uint8_t *buf, size_t len, size_t *got, Error **errp);
    /* Called once by qemu_fclose(); may be NULL. */
    bool (*close)(void *opaque, Error **errp);
} QEMUFileOps;

QEMUFile *qemu_file_new_output(const QEMUFileOps *ops, void *opaque);
QEMUFile *qemu_file_new_input(const QEMUFileOps *ops, void *opaque);
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
/* u8 length and the bytes, no NUL; longer than 255 bytes is a sticky error. */
void qemu_put_counted_string(QEMUFile *f, const char *s);
void qemu_put_page_ref(QEMUFile *f, const void *host, size_t len);

uint8_t qemu_get_byte(QEMUFile *f);
uint16_t qemu_get_be16(QEMUFile *f);
uint32_t qemu_get_be32(QEMUFile *f);
uint64_t qemu_get_be64(QEMUFile *f);
/* Fills buf or sets the sticky error (then buf is zeroed from there on). */
void qemu_get_buffer(QEMUFile *f, void *buf, size_t len);
/* Into buf[256], NUL-terminated. False at the end of the stream or on a NUL inside. */
bool qemu_get_counted_string(QEMUFile *f, char buf[256]);
/* The byte `offset` ahead without consuming it; -1 at the end of the stream. offset < 1024. */
int qemu_peek_byte(QEMUFile *f, size_t offset);

bool qemu_fflush(QEMUFile *f);
/* Bytes put or got so far. */
uint64_t qemu_ftell(const QEMUFile *f);
/* NULL or the first error, owned by f. */
const Error *qemu_file_get_error(const QEMUFile *f);
/* Sets the sticky error unless there is one; takes err. */
void qemu_file_set_error(QEMUFile *f, Error *err);

#endif
