/*
 * ppm.c - pictures as portable pixmaps.
 *
 * Lobby, over GLib.  No locks.
 * Format (netpbm's ppm(5)): "P6\n", width, blank, height, "\n255\n", then the pixels, three bytes each.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "ui/ui-internal.h"

bool ppm_encode(const RgbImage *image, GByteArray *out, Error **errp)
{
    g_autofree char *header = g_strdup_printf("P6\n%u %u\n255\n", image->width, image->height);
    gsize header_len = strlen(header);
    gsize len = (gsize)image->width * image->height * 3;
    if (len > G_MAXUINT - header_len) {
        error_setg(errp, "a picture of %u x %u is too large for a file", image->width, image->height);
        return false;
    }
    g_byte_array_append(out, (const guint8 *)header, header_len);
    g_byte_array_append(out, image->data, len);
    return true;
}
