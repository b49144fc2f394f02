/*
 * png-off.c - stands in for png.c in a build without libpng.
 *
 * Lobby.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "ui/ui-internal.h"

bool png_encode(const RgbImage *image, GByteArray *out, Error **errp)
{
    error_setg(errp, "this build writes no PNG files: it needs libpng (Debian package libpng-dev); "
               "use format ppm");
    return false;
}
