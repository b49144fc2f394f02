/*
 * screendump.c - writes what a console shows to an image file.
 *
 * Lobby.  Below it pixman, the encoders (ppm.c, png.c) and the machine's descriptor sets.
 * Machine lock held.  The picture is encoded in memory first, so that an encoder's failure leaves no
 * half file behind.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "system/machine.h"
#include "trace/ui.h"
#include "ui/ui-internal.h"
#include "util/fdset.h"

typedef bool ImageEncode(const RgbImage *image, GByteArray *out, Error **errp);

static ImageEncode *encoder_find(const char *format, Error **errp)
{
    if (!format || strcmp(format, "ppm") == 0) {
        return ppm_encode;
    }
    if (strcmp(format, "png") == 0) {
        return png_encode;
    }
    error_setg(errp, "image format '%s' is not known; there are png and ppm", format);
    return NULL;
}

static UiConsole *console_for_dump(Machine *m, const char *device_id, unsigned head, Error **errp)
{
    UiConsole *con = ui_console_find(m, device_id, head);
    if (con) {
        return con;
    }
    if (!ui_console_find(m, NULL, 0)) {
        error_setg(errp, "the machine has no display; add one with -device virtio-gpu-device");
    } else if (device_id && !ui_console_find(m, device_id, 0)) {
        error_set(errp, ERROR_CLASS_DEVICE_NOT_FOUND, "Device '%s' not found, or it has no display",
                  device_id);
    } else {
        error_setg(errp, "the display has no head %u", head);
    }
    return NULL;
}

/* Any pixman format becomes bytes red, green, blue. */
static bool rgb_from_surface(pixman_image_t *surface, RgbImage *image, Error **errp)
{
    int width = pixman_image_get_width(surface);
    int height = pixman_image_get_height(surface);
    pixman_image_t *plain = pixman_image_create_bits(PIXMAN_x8r8g8b8, width, height, NULL, 0);
    guint8 *bytes = g_try_malloc_n((gsize)width * height, 3);
    if (!plain || !bytes) {
        error_setg(errp, "no memory for a picture of %d x %d", width, height);
        if (plain) {
            pixman_image_unref(plain);
        }
        g_free(bytes);
        return false;
    }
    pixman_image_composite32(PIXMAN_OP_SRC, surface, NULL, plain, 0, 0, 0, 0, 0, 0, width, height);
    const uint32_t *pixels = pixman_image_get_data(plain);
    gsize stride = pixman_image_get_stride(plain) / sizeof(*pixels);
    guint8 *to = bytes;
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            uint32_t pixel = pixels[y * stride + x];
            *to++ = pixel >> 16;
            *to++ = pixel >> 8;
            *to++ = pixel;
        }
    }
    pixman_image_unref(plain);
    *image = (RgbImage) { .width = width, .height = height, .data = bytes };
    return true;
}

static bool write_all(int fd, const guint8 *data, gsize len)
{
    while (len) {
        ssize_t done = write(fd, data, len);
        if (done < 0 && errno != EINTR) {
            return false;
        }
        if (done > 0) {
            data += done;
            len -= done;
        }
    }
    return true;
}

static bool write_file(Machine *m, const char *filename, const GByteArray *bytes, Error **errp)
{
    int fd;
    if (fdset_is_path(filename) && m->fdsets) {
        fd = fdsets_open(m->fdsets, filename, O_WRONLY, errp);
        if (fd < 0) {
            return false;
        }
    } else {
        /* Without O_NONBLOCK a pipe that nobody reads would hold the machine's lock for ever. */
        fd = open(filename, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0666);
        if (fd < 0) {
            error_setg_errno(errp, errno, "cannot open '%s' for writing", filename);
            return false;
        }
    }
    bool ok = write_all(fd, bytes->data, bytes->len);
    int saved = errno;
    if (close(fd) != 0 && ok) {
        ok = false;
        saved = errno;
    }
    if (!ok) {
        error_setg_errno(errp, saved, "cannot write '%s'", filename);
    }
    return ok;
}

bool ui_screendump(Machine *m, const char *device_id, unsigned head, const char *filename,
                   const char *format, Error **errp)
{
    ImageEncode *encode = encoder_find(format, errp);
    UiConsole *con = encode ? console_for_dump(m, device_id, head, errp) : NULL;
    if (!con) {
        return false;
    }
    ui_console_refresh(con);
    pixman_image_t *surface = ui_console_surface(con);
    if (!surface) {
        error_setg(errp, "the display shows nothing yet: the guest has not set it up");
        return false;
    }
    RgbImage image;
    if (!rgb_from_surface(surface, &image, errp)) {
        return false;
    }
    GByteArray *bytes = g_byte_array_new();
    bool ok = encode(&image, bytes, errp) && write_file(m, filename, bytes, errp);
    trace_ui_screendump(filename, image.width, image.height, ok);
    g_byte_array_unref(bytes);
    g_free(image.data);
    return ok;
}
