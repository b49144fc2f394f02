/*
 * console.h - graphic consoles: a surface that a display device draws and viewers show.
 *
 * Lobby.  Surfaces are pixman images, 32 bits a pixel (x8r8g8b8).  Machine lock held.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_UI_CONSOLE_H
#define GODWIT_UI_CONSOLE_H

#include <pixman.h>
#include <stdbool.h>
#include <stdint.h>

#include "util/error.h"

typedef struct Machine Machine;
typedef struct UiConsole UiConsole;

typedef struct UiConsoleOps {
    /* A viewer asks for fresh contents; the device calls ui_console_update() for what changed. */
    void (*refresh)(void *opaque);
} UiConsoleOps;

/* head counts from 0. device_id may be NULL. The machine owns the console until ui_console_free(). */
UiConsole *ui_console_new(Machine *m, const char *device_id, unsigned head, const UiConsoleOps *ops,
                          void *opaque);
void ui_console_free(UiConsole *con);
/* The device shows another image (NULL: nothing is shown). The console takes a reference. */
void ui_console_set_surface(UiConsole *con, pixman_image_t *surface);
pixman_image_t *ui_console_surface(UiConsole *con);
/* A viewer asks for fresh contents: calls ops->refresh. */
void ui_console_refresh(UiConsole *con);
/* A rectangle of the surface changed; what lies outside the surface is cut off. */
void ui_console_update(UiConsole *con, int x, int y, int width, int height);
/* The console of a device (NULL: the first one) and head; NULL if there is none. */
UiConsole *ui_console_find(Machine *m, const char *device_id, unsigned head);

typedef struct UiListenerOps {
    void (*switched)(void *opaque, pixman_image_t *surface);
    void (*updated)(void *opaque, int x, int y, int width, int height);
    void (*gone)(void *opaque);     /* the console is freed, and with it the listener; may be NULL */
} UiListenerOps;
typedef struct UiListener UiListener;
/* switched() and updated() are called, from now on, on what the console shows; not at once. */
UiListener *ui_listener_add(UiConsole *con, const UiListenerOps *ops, void *opaque);
void ui_listener_remove(UiListener *listener);

/*
 * Writes the console's picture to a file or to /dev/fdset/N. format is "ppm" or "png" (where libpng is
 * built in); NULL: ppm. The error names the device, the file or the format.
 */
bool ui_screendump(Machine *m, const char *device_id, unsigned head, const char *filename,
                   const char *format, Error **errp);
/*
 * -vnc "HOST:DISPLAY[,to=DISPLAY]", "unix:PATH" or "none"; an error that names the build option where
 * libvncserver is missing. Several servers may be started.
 */
bool ui_vnc_start(Machine *m, const char *options, Error **errp);

struct UiLayer *ui_layer_new(Machine *m);
void ui_layer_free(struct UiLayer *layer);

#endif
