/*
 * vnc-filter.h - cuts what a VNC client sends into whole messages and lets only harmless ones through.
 *
 * Lobby, private to ui/.  SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_UI_VNC_FILTER_H
#define GODWIT_UI_VNC_FILTER_H

#include <stddef.h>
#include <stdint.h>

#include "util/error.h"

/* The longest message that is let through: SetEncodings with every encoding that we know, and slack. */
#define VNC_MESSAGE_MAX 256u
/* More than any message, or start of one, that the filter has to see at once. */
#define VNC_INPUT_MAX 4096u

typedef enum VncFilterState {
    VNC_WAIT_VERSION,
    VNC_WAIT_SECURITY,
    VNC_WAIT_INIT,
    VNC_NORMAL,
} VncFilterState;

/* One client's place in the protocol. Zero-initialised; the sizes are kept up to date by the owner. */
typedef struct VncFilter {
    VncFilterState state;
    unsigned minor;             /* of the protocol version: 3, 7 or 8 */
    uint16_t width, height;     /* of the framebuffer, pixels */
    bool can_resize;            /* the client understands a framebuffer that changes its size */
    uint32_t skip;              /* bytes still to be thrown away */
    uint32_t encodings_left;    /* of a SetEncodings that is being read */
    uint8_t held[VNC_MESSAGE_MAX];
    size_t held_len;
} VncFilter;

typedef enum VncFilterResult {
    VNC_FILTER_MORE,        /* nothing can be done without more bytes */
    VNC_FILTER_DROPPED,     /* *consumed bytes were read and mean nothing here */
    VNC_FILTER_MESSAGE,     /* *consumed bytes were read; held[0 … held_len) is for the library */
    VNC_FILTER_BAD,         /* *errp says why: the connection is to be ended */
} VncFilterResult;

VncFilterResult vnc_filter_next(VncFilter *filter, const uint8_t *buf, size_t len, size_t *consumed,
                                Error **errp);

#endif
