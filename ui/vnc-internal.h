/*
 * vnc-internal.h - what vnc.c (the server) and vnc-client.c (one connection) share.
 *
 * Lobby, private to ui/.  Machine lock held, main loop's thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_UI_VNC_INTERNAL_H
#define GODWIT_UI_VNC_INTERNAL_H

#include <glib.h>
#include <rfb/rfb.h>

#include "util/main-loop.h"

typedef struct VncClient VncClient;

/* Bytes of raw pixels in one update at most: the library's write must never have to wait. */
#define VNC_SLICE_BYTES (64u * 1024)

/* Called from a bottom half, never from within another function of the client. */
typedef void VncClientGone(void *opaque, VncClient *client);

/*
 * Takes the connected socket fd and begins the handshake. screen outlives the client. gone() is called
 * when the connection has ended; it must call vnc_client_free().
 */
VncClient *vnc_client_new(MainLoop *loop, rfbScreenInfoPtr screen, int fd, VncClientGone *gone,
                          void *opaque);
void vnc_client_free(VncClient *client);
/* Sends what has changed, if the connection has room for it. */
void vnc_client_update(VncClient *client);
/* The screen has another size now; ends the connection if its viewer cannot follow. */
void vnc_client_resized(VncClient *client);
/* The pixel layout of the screen was set anew. */
void vnc_client_reformat(VncClient *client);
/* Ends the connection if it has not come through the handshake within some seconds. */
void vnc_client_check_handshake(VncClient *client);

#endif
