/*
 * png.c - pictures as PNG files, by libpng.
 *
 * Lobby, over libpng's simplified interface, which reports errors without longjmp.  No locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <png.h>

#include "ui/ui-internal.h"

bool png_encode(const RgbImage *image, GByteArray *out, Error **errp)
{
    png_image png = {
        .version = PNG_IMAGE_VERSION,
        .width = image->width,
        .height = image->height,
        .format = PNG_FORMAT_RGB,
    };
    /* An upper bound is asked for, not the exact size: that would compress everything twice. */
    png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(png);
    guint8 *buffer = size <= G_MAXUINT ? g_try_malloc(size) : NULL;
    if (!buffer) {
        error_setg(errp, "a picture of %u x %u is too large for a PNG file", image->width,
                   image->height);
        return false;
    }
    bool ok = png_image_write_to_memory(&png, buffer, &size, 0, image->data, 0, NULL);
    if (ok) {
        g_byte_array_append(out, buffer, size);
    } else {
        error_setg(errp, "libpng: %s", png.message);
    }
    g_free(buffer);
    return ok;
}
