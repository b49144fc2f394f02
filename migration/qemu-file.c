/*
 * qemu-file.c - the buffered big-endian stream over somebody's read and write.
 *
 * Floor F2; below it GLib only.  Threads: one thread uses a QEMUFile at a time; nothing is locked.
 * Invariant: errors are sticky and the first one wins.  After an error nothing more is written, and
 * everything that is read is zero.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "migration/qemu-file.h"

#include <glib.h>
#include <string.h>

#define QEMU_FILE_BUFFER (32 * 1024)
#define QEMU_FILE_PEEK_MAX 1024

struct QEMUFile {
    const QEMUFileOps *ops;
    void *opaque;
    Error *error;
    bool is_output;
    uint64_t total;             /* bytes put, or got, by the user */
    size_t pos;                 /* output: bytes waiting; input: next byte to hand out */
    size_t len;                 /* input: bytes that stand in buf */
    GByteArray *memory;         /* collects the output of qemu_file_new_memory() */
    const uint8_t *source;      /* input of qemu_file_new_from_buffer() */
    size_t source_left;
    uint8_t buf[QEMU_FILE_BUFFER];
};

static bool memory_write(void *opaque, const uint8_t *buf, size_t len, Error **errp)
{
    QEMUFile *f = opaque;
    if (len > G_MAXUINT - f->memory->len) {
        error_setg(errp, "stream in memory would exceed 4 GiB");
        return false;
    }
    g_byte_array_append(f->memory, buf, len);
    return true;
}

static bool buffer_read(void *opaque, uint8_t *buf, size_t len, size_t *got, Error **errp)
{
    QEMUFile *f = opaque;
    *got = MIN(len, f->source_left);
    memcpy(buf, f->source, *got);
    f->source += *got;
    f->source_left -= *got;
    return true;
}

static const QEMUFileOps memory_ops = { .write = memory_write };
static const QEMUFileOps buffer_ops = { .read = buffer_read };

static QEMUFile *file_new(const QEMUFileOps *ops, void *opaque, bool is_output)
{
    QEMUFile *f = g_malloc(sizeof(*f));
    memset(f, 0, offsetof(QEMUFile, buf));
    f->ops = ops;
    f->opaque = opaque;
    f->is_output = is_output;
    return f;
}

QEMUFile *qemu_file_new_output(const QEMUFileOps *ops, void *opaque)
{
    g_assert(ops->write);
    return file_new(ops, opaque, true);
}

QEMUFile *qemu_file_new_input(const QEMUFileOps *ops, void *opaque)
{
    g_assert(ops->read);
    return file_new(ops, opaque, false);
}

QEMUFile *qemu_file_new_memory(void)
{
    QEMUFile *f = file_new(&memory_ops, NULL, true);
    f->opaque = f;
    f->memory = g_byte_array_new();
    return f;
}

uint8_t *qemu_file_take_buffer(QEMUFile *f, size_t *len)
{
    qemu_fflush(f);
    *len = f->memory->len;
    uint8_t *bytes = g_byte_array_free(f->memory, FALSE);
    f->memory = g_byte_array_new();
    return bytes;
}

QEMUFile *qemu_file_new_from_buffer(const uint8_t *buf, size_t len)
{
    QEMUFile *f = file_new(&buffer_ops, NULL, false);
    f->opaque = f;
    f->source = buf;
    f->source_left = len;
    return f;
}

bool qemu_fclose(QEMUFile *f, Error **errp)
{
    if (f->is_output) {
        qemu_fflush(f);
    }
    if (f->ops->close) {
        Error *err = NULL;
        if (!f->ops->close(f->opaque, &err)) {
            qemu_file_set_error(f, err);
        }
    }
    bool ok = !f->error;
    error_propagate(errp, f->error);
    if (f->memory) {
        g_byte_array_unref(f->memory);
    }
    g_free(f);
    return ok;
}

const Error *qemu_file_get_error(const QEMUFile *f)
{
    return f->error;
}

void qemu_file_set_error(QEMUFile *f, Error *err)
{
    if (f->error) {
        error_free(err);
    } else {
        f->error = err;
    }
}

uint64_t qemu_ftell(const QEMUFile *f)
{
    return f->total;
}

/* ---- output ---- */

static void write_out(QEMUFile *f, const uint8_t *buf, size_t len)
{
    Error *err = NULL;
    if (len && !f->error && !f->ops->write(f->opaque, buf, len, &err)) {
        qemu_file_set_error(f, err);
    }
}

bool qemu_fflush(QEMUFile *f)
{
    write_out(f, f->buf, f->pos);
    f->pos = 0;
    return !f->error;
}

void qemu_put_buffer(QEMUFile *f, const void *buf, size_t len)
{
    if (f->error) {
        return;
    }
    f->total += len;
    if (len > QEMU_FILE_BUFFER - f->pos) {
        qemu_fflush(f);
    }
    if (len > QEMU_FILE_BUFFER) {
        write_out(f, buf, len);
        return;
    }
    memcpy(f->buf + f->pos, buf, len);
    f->pos += len;
}

void qemu_put_byte(QEMUFile *f, uint8_t v)
{
    qemu_put_buffer(f, &v, 1);
}

void qemu_put_be16(QEMUFile *f, uint16_t v)
{
    v = GUINT16_TO_BE(v);
    qemu_put_buffer(f, &v, sizeof(v));
}

void qemu_put_be32(QEMUFile *f, uint32_t v)
{
    v = GUINT32_TO_BE(v);
    qemu_put_buffer(f, &v, sizeof(v));
}

void qemu_put_be64(QEMUFile *f, uint64_t v)
{
    v = GUINT64_TO_BE(v);
    qemu_put_buffer(f, &v, sizeof(v));
}

void qemu_put_counted_string(QEMUFile *f, const char *s)
{
    size_t len = strlen(s);
    if (len > 255) {
        Error *err = NULL;
        error_setg(&err, "name '%.40s…' has %zu bytes; the stream holds at most 255", s, len);
        qemu_file_set_error(f, err);
        return;
    }
    qemu_put_byte(f, len);
    qemu_put_buffer(f, s, len);
}

/* ---- input ---- */

/* Makes at least `want` bytes stand in buf if the stream has that many; returns how many stand there. */
static size_t fill(QEMUFile *f, size_t want)
{
    if (f->len - f->pos >= want || f->error) {
        return f->error ? 0 : f->len - f->pos;
    }
    memmove(f->buf, f->buf + f->pos, f->len - f->pos);
    f->len -= f->pos;
    f->pos = 0;
    while (f->len < want) {
        size_t got = 0;
        Error *err = NULL;
        if (!f->ops->read(f->opaque, f->buf + f->len, QEMU_FILE_BUFFER - f->len, &got, &err)) {
            qemu_file_set_error(f, err);
            return 0;
        }
        if (got == 0) {
            break;
        }
        f->len += got;
    }
    return f->len - f->pos;
}

static void set_truncated(QEMUFile *f, size_t missing)
{
    Error *err = NULL;
    error_setg(&err, "stream ends at byte %" G_GUINT64_FORMAT ": %zu more bytes were expected",
               f->total, missing);
    qemu_file_set_error(f, err);
}

void qemu_get_buffer(QEMUFile *f, void *buf, size_t len)
{
    uint8_t *out = buf;
    while (len) {
        size_t here = fill(f, 1);
        if (!here) {
            if (!f->error) {
                set_truncated(f, len);
            }
            memset(out, 0, len);
            return;
        }
        size_t n = MIN(here, len);
        memcpy(out, f->buf + f->pos, n);
        f->pos += n;
        f->total += n;
        out += n;
        len -= n;
    }
}

uint8_t qemu_get_byte(QEMUFile *f)
{
    uint8_t v;
    qemu_get_buffer(f, &v, sizeof(v));
    return v;
}

uint16_t qemu_get_be16(QEMUFile *f)
{
    uint16_t v;
    qemu_get_buffer(f, &v, sizeof(v));
    return GUINT16_FROM_BE(v);
}

uint32_t qemu_get_be32(QEMUFile *f)
{
    uint32_t v;
    qemu_get_buffer(f, &v, sizeof(v));
    return GUINT32_FROM_BE(v);
}

uint64_t qemu_get_be64(QEMUFile *f)
{
    uint64_t v;
    qemu_get_buffer(f, &v, sizeof(v));
    return GUINT64_FROM_BE(v);
}

bool qemu_get_counted_string(QEMUFile *f, char buf[256])
{
    size_t len = qemu_get_byte(f);
    qemu_get_buffer(f, buf, len);
    buf[len] = '\0';
    return !f->error && strlen(buf) == len;
}

int qemu_peek_byte(QEMUFile *f, size_t offset)
{
    if (offset >= QEMU_FILE_PEEK_MAX || fill(f, offset + 1) <= offset) {
        return -1;
    }
    return f->buf[f->pos + offset];
}
void qemu_put_page_ref(QEMUFile *f, const void *host, size_t len)
{
    qemu_put_buffer(f, host, len);
}
