/*
 * ui-internal.h - what the files of ui/ share.
 *
 * Lobby, private to ui/.  Machine lock held, main loop's thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_UI_INTERNAL_H
#define GODWIT_UI_INTERNAL_H

#include <glib.h>

#include "ui/console.h"

/* Frees a viewer, with its listeners, when the layer is freed; viewers go before consoles. */
typedef void UiViewerFree(void *viewer);
void ui_layer_add_viewer(Machine *m, UiViewerFree *free_viewer, void *viewer);

/* A picture as bytes red, green, blue, without padding. */
typedef struct RgbImage {
    unsigned width, height;     /* pixels, at least 1 */
    guint8 *data;               /* width * height * 3 bytes */
} RgbImage;

/* Append the file's bytes to out. */
bool ppm_encode(const RgbImage *image, GByteArray *out, Error **errp);
bool png_encode(const RgbImage *image, GByteArray *out, Error **errp);

#endif
