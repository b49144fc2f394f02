/*
 * image-source.c - the bytes of an image file, whole or unpacked: gzip, and EFI zboot around a payload.
 *
 * Lobby (hw/core), over zlib and, where built in, zstd (unzstd.c).  Machine lock held.
 * Invariant: nothing is read outside [0, size), and nothing is unpacked beyond the caller's limit, so
 * a small file cannot make the host allocate without bound.
 *
 * EFI zboot header (of Linux): "MZ" at 0, "zimg" at 4, le32 offset of the
 * payload at 8, le32 its length at 12, name of the compression at 24, NUL-terminated.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "hw/loader.h"
#include "trace/hw-core.h"
#include "unzstd.h"

#define CHUNK (1u << 20)

ImageSource *image_source_open(const char *path, Error **errp)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        error_setg_errno(errp, errno, "could not open '%s'", path);
        return NULL;
    }
    if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        error_setg(errp, "'%s' is not a regular file", path);
        close(fd);
        return NULL;
    }
    ImageSource *src = g_new0(ImageSource, 1);
    src->name = g_strdup(path);
    src->fd = fd;
    src->size = st.st_size;
    return src;
}

ImageSource *image_source_from_bytes(const char *name, uint8_t *data, uint64_t size)
{
    ImageSource *src = g_new0(ImageSource, 1);
    src->name = g_strdup(name);
    src->fd = -1;
    src->data = data;
    src->size = size;
    return src;
}

void image_source_free(ImageSource *src)
{
    if (!src) {
        return;
    }
    if (src->fd >= 0) {
        close(src->fd);
    }
    g_free(src->data);
    g_free(src->name);
    g_free(src);
}

bool image_source_read(const ImageSource *src, uint64_t offset, void *buf, uint64_t len,
                       Error **errp)
{
    if (offset > src->size || len > src->size - offset) {
        error_setg(errp, "'%s' is cut short: %" PRIu64 " bytes are needed at offset %" PRIu64
                   ", the file has %" PRIu64, src->name, len, offset, src->size);
        return false;
    }
    if (src->fd < 0) {
        memcpy(buf, src->data + offset, len);
        return true;
    }
    for (uint64_t done = 0; done < len; ) {
        ssize_t n = pread(src->fd, (char *)buf + done, len - done, offset + done);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            error_setg_errno(errp, n < 0 ? errno : EIO, "'%s' cannot be read at offset %" PRIu64,
                             src->name, offset + done);
            return false;
        }
        done += n;
    }
    return true;
}

bool image_source_add_rom(Machine *m, const ImageSource *src, uint64_t offset, uint64_t len,
                          uint64_t addr, uint64_t mem_len, Error **errp)
{
    if (offset > src->size || len > src->size - offset) {
        error_setg(errp, "'%s' is cut short: %" PRIu64 " bytes are needed at offset %" PRIu64
                   ", the file has %" PRIu64, src->name, len, offset, src->size);
        return false;
    }
    if (src->fd >= 0) {
        return rom_add_file(m, src->name, addr, src->fd, offset, len, mem_len, errp);
    }
    return rom_add_padded(m, src->name, addr, src->data + offset, len, mem_len, errp);
}

/* ---- what kind of file ---- */

static bool begins_with(const ImageSource *src, uint64_t offset, const char *magic, size_t len)
{
    char bytes[8];
    return image_source_read(src, offset, bytes, len, NULL) && memcmp(bytes, magic, len) == 0;
}

bool image_is_elf(const ImageSource *src)
{
    return begins_with(src, 0, "\x7f" "ELF", 4);
}

bool image_is_gzip(const ImageSource *src)
{
    return begins_with(src, 0, "\x1f\x8b\x08", 3);
}

bool image_is_zboot(const ImageSource *src)
{
    return begins_with(src, 0, "MZ", 2) && begins_with(src, 4, "zimg", 4);
}

/* ---- unpacking ---- */

/* The state of one inflation: out grows by chunks, to max bytes at most. */
typedef struct Inflation {
    z_stream z;
    uint8_t *out;
    uint64_t room;              /* bytes allocated */
    uint64_t max;
} Inflation;

/* Makes room for more output; false if max is reached. */
static bool inflation_grow(Inflation *inf)
{
    uint64_t used = inf->z.total_out;
    if (inf->z.avail_out > 0) {
        return true;
    }
    if (used >= inf->max) {
        return false;
    }
    inf->room = MIN(inf->max, MAX((uint64_t)CHUNK, 2 * used));
    inf->out = g_realloc(inf->out, inf->room);
    inf->z.next_out = inf->out + used;
    inf->z.avail_out = MIN(inf->room - used, CHUNK * 64ull);
    return true;
}

/* Feeds one chunk of input. Z_OK: wants more; Z_STREAM_END: done; anything else is an error. */
static int inflation_feed(Inflation *inf, uint8_t *buf, unsigned len)
{
    int ret = Z_OK;
    inf->z.next_in = buf;
    inf->z.avail_in = len;
    while (ret == Z_OK && inf->z.avail_in > 0) {
        if (!inflation_grow(inf)) {
            return Z_BUF_ERROR;
        }
        ret = inflate(&inf->z, Z_NO_FLUSH);
    }
    /* The input is used up, but zlib may hold more output than there was room for. */
    while (ret == Z_OK && inf->z.avail_out == 0) {
        if (!inflation_grow(inf)) {
            return Z_BUF_ERROR;
        }
        ret = inflate(&inf->z, Z_NO_FLUSH);
        if (ret == Z_BUF_ERROR) {
            return Z_OK;
        }
    }
    return ret;
}

static void gunzip_error(const ImageSource *src, const Inflation *inf, int ret, Error **errp)
{
    if (ret == Z_BUF_ERROR) {
        error_setg(errp, "'%s' unpacks to more than the %" PRIu64 " bytes that there is room for",
                   src->name, inf->max);
    } else if (ret == Z_OK) {
        error_setg(errp, "'%s' is cut short: its gzip data has no end", src->name);
    } else {
        error_setg(errp, "'%s' has bad gzip data after %" PRIu64 " unpacked bytes: %s", src->name,
                   (uint64_t)inf->z.total_out, inf->z.msg ? inf->z.msg : zError(ret));
    }
}

/* Unpacks the gzip member at [offset, offset + len). */
static ImageSource *gunzip(const ImageSource *src, uint64_t offset, uint64_t len, uint64_t max,
                           Error **errp)
{
    Inflation inf = { .max = max };
    int ret = inflateInit2(&inf.z, 15 + 16);
    if (ret != Z_OK) {
        error_setg(errp, "zlib: %s", zError(ret));
        return NULL;
    }
    uint8_t *buf = g_malloc(CHUNK);
    for (uint64_t done = 0; ret == Z_OK && done < len; ) {
        unsigned n = MIN(len - done, CHUNK);
        if (!image_source_read(src, offset + done, buf, n, errp)) {
            break;
        }
        done += n;
        ret = inflation_feed(&inf, buf, n);
    }
    g_free(buf);
    inflateEnd(&inf.z);
    if (ret == Z_STREAM_END) {
        trace_image_unpacked(src->name, len, inf.z.total_out);
        return image_source_from_bytes(src->name, inf.out, inf.z.total_out);
    }
    if (!errp || !*errp) {
        gunzip_error(src, &inf, ret, errp);
    }
    g_free(inf.out);
    return NULL;
}

static ImageSource *unzstd(const ImageSource *src, uint64_t offset, uint64_t len, uint64_t max,
                           Error **errp)
{
    uint8_t *packed = g_try_malloc(len ? len : 1);
    if (!packed) {
        error_setg(errp, "'%s': no memory for %" PRIu64 " bytes", src->name, len);
        return NULL;
    }
    uint64_t out_len = 0;
    uint8_t *out = NULL;
    if (image_source_read(src, offset, packed, len, errp)) {
        out = unzstd_bytes(src->name, packed, len, max, &out_len, errp);
    }
    g_free(packed);
    return out ? image_source_from_bytes(src->name, out, out_len) : NULL;
}

static uint32_t le32(const uint8_t *p)
{
    return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

static ImageSource *unpack_zboot(const ImageSource *src, uint64_t max, Error **errp)
{
    uint8_t header[56];
    char kind[33] = "";
    if (!image_source_read(src, 0, header, sizeof(header), errp)) {
        return NULL;
    }
    uint64_t offset = le32(header + 8), len = le32(header + 12);
    memcpy(kind, header + 24, 32);
    if (offset < sizeof(header) || len == 0 || offset + len > src->size) {
        error_setg(errp, "'%s': the EFI zboot header puts %" PRIu64 " bytes of payload at offset %"
                   PRIu64 "; the file has %" PRIu64 " bytes", src->name, len, offset, src->size);
        return NULL;
    }
    if (strcmp(kind, "gzip") == 0) {
        return gunzip(src, offset, len, max, errp);
    }
    if (strncmp(kind, "zstd", 4) == 0) {
        return unzstd(src, offset, len, max, errp);
    }
    char *shown = g_strescape(kind, NULL);
    error_setg(errp, "'%s': EFI zboot payload compressed with '%s'; gzip and zstd are known",
               src->name, shown);
    g_free(shown);
    return NULL;
}

ImageSource *image_unpack(const ImageSource *src, uint64_t max, Error **errp)
{
    if (image_is_zboot(src)) {
        return unpack_zboot(src, max, errp);
    }
    return gunzip(src, 0, src->size, max, errp);
}
