/*
 * qemu-file.c - the buffered big-endian stream over somebody's read and write.
 *
 * Floor F2; below it GLib only.  Threads: one thread uses a QEMUFile at a time; `transferred`, `send_ns` and
 * `shut` are atomic, because any thread may ask for them or shut the file down.
 * Invariants: errors are sticky and the first one wins.  After an error nothing more is written, and
 * everything that is read is zero.  iov describes all bytes that wait, in stream order: pieces of buf, which
 * lie in it one after the other, and the user's pages.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "migration/qemu-file.h"

#include <glib.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>

/* Output: small puts between two flushes. */
#define QEMU_FILE_OUT_BUFFER (32 * 1024)
/* Output: pages that follow each other are lent from here on; for fewer the calls cost more than the copy. */
#define QEMU_FILE_LEND (64 * 1024)
/* Input: what one read asks for. */
#define QEMU_FILE_IN_BUFFER (1024 * 1024)
/* Input: gets of this size and more leave the buffer out. Below it a read would be a waste of its call. */
#define QEMU_FILE_DIRECT (64 * 1024)
/* Input: what the read behind such a get asks for: heads, and little of the next long get, which it would copy. */
#define QEMU_FILE_IN_SHORT (4 * 1024)
#define QEMU_FILE_PEEK_MAX 1024

struct QEMUFile {
    const QEMUFileOps *ops;
    void *opaque;
    Error *error;
    bool is_output;
    bool borrowed;              /* buf is the user's (qemu_file_new_from_buffer) */
    uint64_t total;             /* bytes put, or got, by the user */
    _Atomic uint64_t transferred;
    _Atomic uint64_t send_ns;
    _Atomic bool shut;
    uint8_t *buf;               /* input: made by the first fill */
    size_t pos;                 /* output: end of the small puts; input: next byte to hand out */
    size_t len;                 /* input: bytes that stand in buf */
    size_t read_size;           /* input: what the next read into buf asks for */
    GByteArray *memory;         /* collects the output of qemu_file_new_memory() */
    size_t waiting;             /* output: bytes that iov describes */
    int niov;
    struct iovec iov[];         /* output: QEMU_FILE_MAX_IOV */
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

/* All bytes stand in buf from the beginning: there is nothing to read. */
static bool buffer_read(void *opaque, uint8_t *buf, size_t len, size_t *got, Error **errp)
{
    *got = 0;
    return true;
}

static const QEMUFileOps memory_ops = { .write = memory_write };
static const QEMUFileOps buffer_ops = { .read = buffer_read };

QEMUFile *qemu_file_new_output(const QEMUFileOps *ops, void *opaque)
{
    g_assert(ops->write || ops->writev);
    QEMUFile *f = g_malloc0(sizeof(*f) + QEMU_FILE_MAX_IOV * sizeof(f->iov[0]));
    f->ops = ops;
    f->opaque = opaque;
    f->is_output = true;
    f->buf = g_malloc(QEMU_FILE_OUT_BUFFER);
    return f;
}

QEMUFile *qemu_file_new_input(const QEMUFileOps *ops, void *opaque)
{
    g_assert(ops->read);
    QEMUFile *f = g_malloc0(sizeof(*f));
    f->ops = ops;
    f->opaque = opaque;
    f->read_size = QEMU_FILE_IN_BUFFER;
    return f;
}

QEMUFile *qemu_file_new_memory(void)
{
    QEMUFile *f = qemu_file_new_output(&memory_ops, NULL);
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
    QEMUFile *f = qemu_file_new_input(&buffer_ops, NULL);
    f->borrowed = true;
    f->buf = (uint8_t *)buf;    /* never written to: fill() leaves a borrowed buffer alone */
    f->len = len;
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
    if (!f->borrowed) {
        g_free(f->buf);
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

void *qemu_file_opaque(QEMUFile *f, const QEMUFileOps *ops)
{
    return f->ops == ops ? f->opaque : NULL;
}

void qemu_file_count_beside(QEMUFile *f, uint64_t bytes, uint64_t ns)
{
    f->total += bytes;
    atomic_fetch_add_explicit(&f->transferred, bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&f->send_ns, ns, memory_order_relaxed);
}

uint64_t qemu_ftell(const QEMUFile *f)
{
    return f->total;
}

uint64_t qemu_file_get_transferred(QEMUFile *f)
{
    return atomic_load_explicit(&f->transferred, memory_order_relaxed);
}

uint64_t qemu_file_send_time_ns(QEMUFile *f)
{
    return atomic_load_explicit(&f->send_ns, memory_order_relaxed);
}

void qemu_file_shutdown(QEMUFile *f)
{
    atomic_store(&f->shut, true);
    if (f->ops->shutdown) {
        f->ops->shutdown(f->opaque);
    }
}

/* False, with the sticky error set, once the file has been shut down. */
static bool still_open(QEMUFile *f)
{
    if (atomic_load(&f->shut) && !f->error) {
        error_setg(&f->error, "the stream was shut down");
    }
    return !f->error;
}

/* ---- output ---- */

static uint64_t now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * UINT64_C(1000000000) + ts.tv_nsec;
}

/* All that waits, and behind it `pages` (NULL: nothing). */
static bool write_iov(QEMUFile *f, const struct iovec *pages, Error **errp)
{
    if (pages) {
        return f->ops->lend(f->opaque, f->iov, f->niov, pages, errp);
    }
    if (f->ops->writev) {
        return f->ops->writev(f->opaque, f->iov, f->niov, errp);
    }
    for (int i = 0; i < f->niov; i++) {
        if (!f->ops->write(f->opaque, f->iov[i].iov_base, f->iov[i].iov_len, errp)) {
            return false;
        }
    }
    return true;
}

static bool flush(QEMUFile *f, const struct iovec *pages)
{
    if ((f->niov || pages) && still_open(f)) {
        Error *err = NULL;
        uint64_t start = now_ns();
        if (write_iov(f, pages, &err)) {
            atomic_fetch_add_explicit(&f->transferred, f->waiting + (pages ? pages->iov_len : 0),
                                      memory_order_relaxed);
        } else {
            qemu_file_set_error(f, err);
        }
        atomic_fetch_add_explicit(&f->send_ns, now_ns() - start, memory_order_relaxed);
    }
    f->pos = 0;
    f->niov = 0;
    f->waiting = 0;
    return !f->error;
}

bool qemu_fflush(QEMUFile *f)
{
    return flush(f, NULL);
}

/* Appends bytes that do not move until the flush; a piece that goes on where the last one ends joins it. */
static void add_iov(QEMUFile *f, const void *base, size_t len)
{
    g_assert(f->is_output);
    struct iovec *last = f->niov ? &f->iov[f->niov - 1] : NULL;
    if (last && (const uint8_t *)last->iov_base + last->iov_len == base) {
        last->iov_len += len;
    } else {
        f->iov[f->niov++] = (struct iovec){ .iov_base = (void *)base, .iov_len = len };
    }
    f->waiting += len;
    f->total += len;
}

void qemu_put_page_ref(QEMUFile *f, const void *host, size_t len)
{
    if (f->error || !len) {
        return;
    }
    add_iov(f, host, len);
    if (f->niov == QEMU_FILE_MAX_IOV || f->waiting >= QEMU_FILE_BATCH) {
        qemu_fflush(f);
    }
}

void qemu_lend_pages(QEMUFile *f, const void *host, size_t len)
{
    if (len < QEMU_FILE_LEND || !f->ops->lend) {
        qemu_put_page_ref(f, host, len);
    } else if (!f->error) {
        const struct iovec pages = { .iov_base = (void *)host, .iov_len = len };
        f->total += len;
        flush(f, &pages);
    }
}

void qemu_put_buffer(QEMUFile *f, const void *buf, size_t len)
{
    if (f->error || !len) {
        return;
    }
    if (len > QEMU_FILE_OUT_BUFFER) {
        /* Not worth a copy; but the user's bytes are good only until we return. */
        add_iov(f, buf, len);
        qemu_fflush(f);
        return;
    }
    if (len > QEMU_FILE_OUT_BUFFER - f->pos && !qemu_fflush(f)) {
        return;
    }
    add_iov(f, f->buf + f->pos, len);
    memcpy(f->buf + f->pos, buf, len);
    f->pos += len;
    if (f->niov == QEMU_FILE_MAX_IOV) {
        qemu_fflush(f);
    }
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

/* One read of up to len bytes; 0 at the end of the stream or with the sticky error set. */
static size_t read_some(QEMUFile *f, uint8_t *buf, size_t len)
{
    Error *err = NULL;
    size_t got = 0;
    if (!still_open(f)) {
        return 0;
    }
    if (!f->ops->read(f->opaque, buf, len, &got, &err)) {
        qemu_file_set_error(f, err);
        return 0;
    }
    atomic_fetch_add_explicit(&f->transferred, got, memory_order_relaxed);
    return got;
}

/* Makes at least `want` bytes stand in buf if the stream has that many; returns how many stand there. */
static size_t fill(QEMUFile *f, size_t want)
{
    if (f->error) {
        return 0;
    }
    if (f->len - f->pos >= want || f->borrowed) {
        return f->len - f->pos;
    }
    if (!f->buf) {
        f->buf = g_try_malloc(QEMU_FILE_IN_BUFFER);
        if (!f->buf) {
            Error *err = NULL;
            error_setg(&err, "there is no memory to read a stream: %d bytes", QEMU_FILE_IN_BUFFER);
            qemu_file_set_error(f, err);
            return 0;
        }
    }
    memmove(f->buf, f->buf + f->pos, f->len - f->pos);
    f->len -= f->pos;
    f->pos = 0;
    while (f->len < want) {
        size_t got = read_some(f, f->buf + f->len, MIN(f->read_size, QEMU_FILE_IN_BUFFER - f->len));
        if (got == 0) {
            break;
        }
        f->len += got;
        f->read_size = MIN(2 * f->read_size, QEMU_FILE_IN_BUFFER);
    }
    return f->error ? 0 : f->len;
}

static void set_truncated(QEMUFile *f, size_t missing)
{
    Error *err = NULL;
    error_setg(&err, "stream ends at byte %" G_GUINT64_FORMAT ": %zu more bytes were expected",
               f->total, missing);
    qemu_file_set_error(f, err);
}

/* Hands out what stands in the buffer, or what a read brings; 0 at the end or after an error. */
static size_t get_some(QEMUFile *f, uint8_t *out, size_t len, bool direct)
{
    if (direct && f->pos == f->len) {
        f->read_size = QEMU_FILE_IN_SHORT;
        return read_some(f, out, len);
    }
    size_t n = MIN(fill(f, 1), len);
    if (n) {
        memcpy(out, f->buf + f->pos, n);
        f->pos += n;
    }
    return n;
}

void qemu_get_buffer(QEMUFile *f, void *buf, size_t len)
{
    uint8_t *out = buf;
    bool direct = len >= QEMU_FILE_DIRECT && !f->borrowed;
    while (len) {
        size_t n = get_some(f, out, len, direct);
        if (!n) {
            if (!f->error) {
                set_truncated(f, len);
            }
            memset(out, 0, len);
            return;
        }
        f->total += n;
        out += n;
        len -= n;
    }
}

/* The short way to a few bytes that stand in the buffer: RAM has two such gets a page. NULL: go the long one. */
static const uint8_t *take_at_hand(QEMUFile *f, size_t len)
{
    if (f->len - f->pos < len || f->error) {
        return NULL;
    }
    const uint8_t *p = f->buf + f->pos;
    f->pos += len;
    f->total += len;
    return p;
}

uint8_t qemu_get_byte(QEMUFile *f)
{
    uint8_t v;
    const uint8_t *p = take_at_hand(f, 1);
    if (p) {
        return *p;
    }
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
    const uint8_t *p = take_at_hand(f, sizeof(v));
    if (p) {
        memcpy(&v, p, sizeof(v));
    } else {
        qemu_get_buffer(f, &v, sizeof(v));
    }
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
