/*
 * vnc-filter.c - cuts what a VNC client sends into whole messages and lets only harmless ones through.
 *
 * Lobby; below it util.  No locks, no I/O.
 *
 * libvncserver reads a message with a blocking read once its first byte has come, and has extensions
 * (file transfer, chat, scaling, clipboard formats, web sockets) that a machine's display has no use
 * for.  It therefore gets whole messages only, of the kinds listed here, with every number checked.
 * Invariant: what is let through is complete, well-formed, and at most VNC_MESSAGE_MAX bytes long.
 *
 * Format: RFC 6143, big-endian.  "RFB 003.00M\n"; security type, 1 byte (from 3.7 on); ClientInit,
 * 1 byte; then messages that begin with their type:
 *   0 SetPixelFormat            20 bytes    let through after a check
 *   2 SetEncodings              4 + 4 n     let through, without what is not in `encodings`
 *   3 FramebufferUpdateRequest  10 bytes    let through, cut to the framebuffer
 *   4 KeyEvent 8, 5 PointerEvent 6, 6 ClientCutText 8 + n: dropped, the machine has no input device
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "ui/vnc-filter.h"

#include <glib.h>
#include <string.h>

#define SECURITY_NONE 1
#define ENCODINGS_MAX 1024u
#define CUT_TEXT_MAX (16u << 20)
#define ENCODING_DESKTOP_SIZE (-223)

/* Raw, CopyRect, RRE, Hextile, Zlib, Tight, ZRLE, LastRect, DesktopSize; levels are ranges below. */
static const int32_t encodings[] = { 0, 1, 2, 5, 6, 7, 16, -224, ENCODING_DESKTOP_SIZE };

static uint16_t be16(const uint8_t *p)
{
    return p[0] << 8 | p[1];
}

static uint32_t be32(const uint8_t *p)
{
    return (uint32_t)be16(p) << 16 | be16(p + 2);
}

static void put_be16(uint8_t *p, uint16_t value)
{
    p[0] = value >> 8;
    p[1] = value;
}

static VncFilterResult bad(Error **errp, const char *why)
{
    error_setg(errp, "%s", why);
    return VNC_FILTER_BAD;
}

/* Holds the message as it came. */
static VncFilterResult pass(VncFilter *filter, const uint8_t *buf, size_t len)
{
    memcpy(filter->held, buf, len);
    filter->held_len = len;
    return VNC_FILTER_MESSAGE;
}

/* ---- handshake ---- */

static VncFilterResult read_version(VncFilter *filter, const uint8_t *buf, Error **errp)
{
    if (memcmp(buf, "RFB 003.", 8) != 0 || !g_ascii_isdigit(buf[8]) || !g_ascii_isdigit(buf[9]) ||
        !g_ascii_isdigit(buf[10]) || buf[11] != '\n') {
        return bad(errp, "not an RFB 3 client");
    }
    unsigned minor = (buf[8] - '0') * 100 + (buf[9] - '0') * 10 + (buf[10] - '0');
    /* RFC 6143, 7.1.1: any other number is to be taken for 3.3. */
    filter->minor = minor == 7 || minor == 8 ? minor : 3;
    filter->state = filter->minor == 3 ? VNC_WAIT_INIT : VNC_WAIT_SECURITY;
    pass(filter, buf, 12);
    memcpy(filter->held + 8, filter->minor == 8 ? "008" : filter->minor == 7 ? "007" : "003", 3);
    return VNC_FILTER_MESSAGE;
}

static VncFilterResult read_security(VncFilter *filter, uint8_t type, Error **errp)
{
    if (type != SECURITY_NONE) {
        return bad(errp, "client chose a security type that was not offered");
    }
    filter->state = VNC_WAIT_INIT;
    return pass(filter, &type, 1);
}

static VncFilterResult read_init(VncFilter *filter)
{
    const uint8_t shared = 1;   /* several viewers may look, whatever this one would like */
    filter->state = VNC_NORMAL;
    return pass(filter, &shared, 1);
}

/* ---- messages ---- */

static bool channel_fits(uint16_t max, uint8_t shift, uint8_t bits)
{
    /* max is 2^n - 1, and its bits lie within the pixel. */
    return max != 0 && (max & (max + 1u)) == 0 && shift < bits &&
           ((uint64_t)max << shift) >> bits == 0;
}

static VncFilterResult set_pixel_format(VncFilter *filter, const uint8_t *buf, Error **errp)
{
    const uint8_t *format = buf + 4;
    uint8_t bits = format[0];
    if (bits != 8 && bits != 16 && bits != 32) {
        return bad(errp, "pixel format has neither 8, 16 nor 32 bits a pixel");
    }
    if (!format[3]) {
        return bad(errp, "pixel format wants a colour map; only true colour is served");
    }
    for (int i = 0; i < 3; i++) {
        if (!channel_fits(be16(format + 4 + 2 * i), format[10 + i], bits)) {
            return bad(errp, "pixel format has a colour that does not fit into the pixel");
        }
    }
    if (format[1] == 0 || format[1] > bits) {
        return bad(errp, "pixel format has an impossible depth");
    }
    return pass(filter, buf, 20);
}

static bool encoding_known(int32_t encoding)
{
    for (size_t i = 0; i < G_N_ELEMENTS(encodings); i++) {
        if (encodings[i] == encoding) {
            return true;
        }
    }
    /* JPEG quality and compression level, 0 … 9. */
    return (encoding >= -32 && encoding <= -23) || (encoding >= -256 && encoding <= -247);
}


/* True if that encoding is in the message that is held already. */
static bool encoding_held(const VncFilter *filter, const uint8_t *encoding)
{
    for (size_t at = 4; at < filter->held_len; at += 4) {
        if (memcmp(filter->held + at, encoding, 4) == 0) {
            return true;
        }
    }
    return false;
}

/* One more encoding of the list; each known one is kept once, so that the message stays short. */
static void add_encoding(VncFilter *filter, const uint8_t *buf)
{
    int32_t encoding = (int32_t)be32(buf);
    filter->encodings_left--;
    if (!encoding_known(encoding) || encoding_held(filter, buf)) {
        return;
    }
    if (encoding == ENCODING_DESKTOP_SIZE) {
        filter->can_resize = true;
    }
    if (filter->held_len + 4 <= VNC_MESSAGE_MAX) {
        memcpy(filter->held + filter->held_len, buf, 4);
        filter->held_len += 4;
    }
}

static VncFilterResult end_encodings(VncFilter *filter)
{
    put_be16(filter->held + 2, (filter->held_len - 4) / 4);
    return VNC_FILTER_MESSAGE;
}

static VncFilterResult begin_encodings(VncFilter *filter, const uint8_t *buf, Error **errp)
{
    uint16_t count = be16(buf + 2);
    if (count > ENCODINGS_MAX) {
        return bad(errp, "client lists too many encodings");
    }
    filter->encodings_left = count;
    pass(filter, buf, 4);
    filter->can_resize = false;
    return filter->encodings_left ? VNC_FILTER_DROPPED : end_encodings(filter);
}

static VncFilterResult update_request(VncFilter *filter, const uint8_t *buf)
{
    uint16_t x = be16(buf + 2), y = be16(buf + 4), width = be16(buf + 6), height = be16(buf + 8);
    if (x >= filter->width || y >= filter->height || width == 0 || height == 0) {
        return VNC_FILTER_DROPPED;
    }
    pass(filter, buf, 10);
    put_be16(filter->held + 6, MIN(width, filter->width - x));
    put_be16(filter->held + 8, MIN(height, filter->height - y));
    return VNC_FILTER_MESSAGE;
}

/* Length of a message's fixed part, 0 for a type that is refused. */
static size_t message_length(uint8_t type)
{
    static const uint8_t lengths[] = { 20, 0, 4, 10, 8, 6, 8 };
    return type < sizeof(lengths) ? lengths[type] : 0;
}

static VncFilterResult read_message(VncFilter *filter, const uint8_t *buf, Error **errp)
{
    switch (buf[0]) {
    case 0:
        return set_pixel_format(filter, buf, errp);
    case 2:
        return begin_encodings(filter, buf, errp);
    case 3:
        return update_request(filter, buf);
    case 6:
        if (be32(buf + 4) > CUT_TEXT_MAX) {
            return bad(errp, "cut text is too long");
        }
        filter->skip = be32(buf + 4);
        return VNC_FILTER_DROPPED;
    default:    /* keys and pointers */
        return VNC_FILTER_DROPPED;
    }
}

/* The rest of a message whose beginning has been read. */
static VncFilterResult read_rest(VncFilter *filter, const uint8_t *buf, size_t len, size_t *consumed)
{
    if (filter->skip) {
        *consumed = MIN(len, filter->skip);
        filter->skip -= *consumed;
        return VNC_FILTER_DROPPED;
    }
    if (len < 4) {
        return VNC_FILTER_MORE;
    }
    *consumed = 4;
    add_encoding(filter, buf);
    return filter->encodings_left ? VNC_FILTER_DROPPED : end_encodings(filter);
}

static size_t handshake_length(VncFilterState state)
{
    return state == VNC_WAIT_VERSION ? 12 : 1;
}

VncFilterResult vnc_filter_next(VncFilter *filter, const uint8_t *buf, size_t len, size_t *consumed,
                                Error **errp)
{
    *consumed = 0;
    if (len == 0) {
        return VNC_FILTER_MORE;
    }
    if (filter->skip || filter->encodings_left) {
        return read_rest(filter, buf, len, consumed);
    }
    size_t need = filter->state == VNC_NORMAL ? message_length(buf[0]) : handshake_length(filter->state);
    if (need == 0) {
        return bad(errp, "message of a type that is not served");
    }
    if (len < need) {
        return VNC_FILTER_MORE;
    }
    *consumed = need;
    switch (filter->state) {
    case VNC_WAIT_VERSION:
        return read_version(filter, buf, errp);
    case VNC_WAIT_SECURITY:
        return read_security(filter, buf[0], errp);
    case VNC_WAIT_INIT:
        return read_init(filter);
    default:
        return read_message(filter, buf, errp);
    }
}
