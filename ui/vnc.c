/*
 * vnc.c - shows the first console of a machine to VNC viewers.
 *
 * Lobby; below it libvncserver, io/ and the machine's clocks.  Machine lock held, main loop's thread.
 *
 * A server copies what the console shows into a picture of its own, from which libvncserver encodes:
 * the device may change or drop its surface at any time.  While at least one viewer is there, a timer
 * asks the device for fresh contents 30 times a second; without viewers nothing runs.
 * Keys, pointer and clipboard are ignored, since the machine has no input device.  There is no password:
 * who can reach the address can look, so the address should be a local one or a UNIX socket.
 * Invariant: the picture has the size that the library was told, at all times.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include <unistd.h>

#include "io/socket.h"
#include "system/clock.h"
#include "system/machine.h"
#include "trace/ui.h"
#include "ui/ui-internal.h"
#include "ui/vnc-internal.h"
#include "util/keyval.h"

#define VNC_PORT_BASE 5900
#define VNC_DISPLAY_MAX (65535 - VNC_PORT_BASE)
#define VNC_CLIENTS_MAX 16u
#define REFRESH_NS (NANOSECONDS_PER_SECOND / 30)
/* The library puts a whole line into its buffer of 32 KiB; what is beyond is not shown. */
#define VNC_WIDTH_MAX 8188
#define VNC_HEIGHT_MAX 16384
/* What a viewer sees while no device shows anything. */
#define BLANK_WIDTH 640
#define BLANK_HEIGHT 480

typedef struct VncServer {
    Machine *machine;
    rfbScreenInfoPtr screen;
    pixman_image_t *picture;    /* x8r8g8b8, what screen->frameBuffer points into */
    char *name;
    int listen_fd;
    FDHandler *listen_handler;
    QEMUTimer *refresh_timer;
    UiConsole *console;         /* NULL until there is one */
    UiListener *listener;
    GPtrArray *clients;
} VncServer;

/* ---- the picture ---- */

/* A multiple of 4 is what old viewers want of a line. */
static int picture_width(pixman_image_t *surface)
{
    int width = surface ? pixman_image_get_width(surface) : BLANK_WIDTH;
    return MIN((width + 3) & ~3, VNC_WIDTH_MAX);
}

static int picture_height(pixman_image_t *surface)
{
    return MIN(surface ? pixman_image_get_height(surface) : BLANK_HEIGHT, VNC_HEIGHT_MAX);
}

static void server_set_format(VncServer *vs)
{
    rfbPixelFormat *format = &vs->screen->serverFormat;
    format->redShift = 16;
    format->greenShift = 8;
    format->blueShift = 0;
    format->redMax = format->greenMax = format->blueMax = 255;
    format->depth = 24;
    vs->screen->depth = 24;
    for (guint i = 0; i < vs->clients->len; i++) {
        vnc_client_reformat(vs->clients->pdata[i]);
    }
}

static pixman_image_t *picture_new(int width, int height)
{
    /* The stride is what the library assumes: width * 4. Zeroed by pixman. */
    return pixman_image_create_bits(PIXMAN_x8r8g8b8, width, height, NULL, 0);
}

static void server_resize(VncServer *vs, int width, int height)
{
    pixman_image_t *picture = picture_new(width, height);
    if (!picture) {
        trace_vnc_library("no memory for a picture of the new size; the old one stays");
        return;
    }
    trace_vnc_resize(width, height);
    rfbNewFramebuffer(vs->screen, (char *)pixman_image_get_data(picture), width, height, 8, 3, 4);
    vs->screen->progressiveSliceHeight = MAX(1, (int)(VNC_SLICE_BYTES / (width * 4u)));
    server_set_format(vs);
    pixman_image_unref(vs->picture);
    vs->picture = picture;
    for (guint i = 0; i < vs->clients->len; i++) {
        vnc_client_resized(vs->clients->pdata[i]);
    }
}

static void server_updated(void *opaque, int x, int y, int width, int height)
{
    VncServer *vs = opaque;
    pixman_image_t *surface = ui_console_surface(vs->console);
    width = MIN(width, pixman_image_get_width(vs->picture) - x);
    height = MIN(height, pixman_image_get_height(vs->picture) - y);
    if (!surface || width <= 0 || height <= 0) {
        return;
    }
    pixman_image_composite32(PIXMAN_OP_SRC, surface, NULL, vs->picture, x, y, 0, 0, x, y, width,
                             height);
    rfbMarkRectAsModified(vs->screen, x, y, x + width, y + height);
}

static void server_switched(void *opaque, pixman_image_t *surface)
{
    VncServer *vs = opaque;
    int width = picture_width(surface), height = picture_height(surface);
    if (width != pixman_image_get_width(vs->picture) ||
        height != pixman_image_get_height(vs->picture)) {
        server_resize(vs, width, height);
    }
    if (surface) {
        server_updated(vs, 0, 0, pixman_image_get_width(surface), pixman_image_get_height(surface));
    } else {
        memset(pixman_image_get_data(vs->picture), 0, (size_t)width * height * 4);
        rfbMarkRectAsModified(vs->screen, 0, 0, width, height);
    }
}

static void server_console_gone(void *opaque)
{
    VncServer *vs = opaque;
    vs->console = NULL;
    vs->listener = NULL;
    server_switched(vs, NULL);
}

/* A display device may come after the server. */
static void server_find_console(VncServer *vs)
{
    static const UiListenerOps ops = {
        .switched = server_switched,
        .updated = server_updated,
        .gone = server_console_gone,
    };
    UiConsole *con = vs->console ? NULL : ui_console_find(vs->machine, NULL, 0);
    if (con) {
        vs->console = con;
        vs->listener = ui_listener_add(con, &ops, vs);
        server_switched(vs, ui_console_surface(con));
    }
}

/* ---- viewers ---- */

static void server_arm_refresh(VncServer *vs)
{
    timer_mod(vs->refresh_timer, qemu_clock_get_ns(vs->machine, QEMU_CLOCK_REALTIME) + REFRESH_NS);
}

static void server_refresh(void *opaque)
{
    VncServer *vs = opaque;
    server_find_console(vs);
    if (vs->console) {
        ui_console_refresh(vs->console);
    }
    for (guint i = 0; i < vs->clients->len; i++) {
        vnc_client_check_handshake(vs->clients->pdata[i]);
        vnc_client_update(vs->clients->pdata[i]);
    }
    if (vs->clients->len) {
        server_arm_refresh(vs);
    }
}

static void server_client_gone(void *opaque, VncClient *client)
{
    VncServer *vs = opaque;
    g_ptr_array_remove(vs->clients, client);
    vnc_client_free(client);
    if (vs->clients->len == 0) {
        timer_del(vs->refresh_timer);
    }
}

static void server_accept(int fd, GIOCondition events, void *opaque)
{
    VncServer *vs = opaque;
    g_autoptr(Error) err = NULL;
    int client_fd = socket_accept(fd, &err);
    if (client_fd < 0) {
        return;     /* gone again, or out of descriptors: the next one may have more luck */
    }
    if (vs->clients->len >= VNC_CLIENTS_MAX || !fd_set_nonblocking(client_fd, true, &err)) {
        trace_vnc_client_refused(err ? error_get_pretty(err) : "too many viewers");
        close(client_fd);
        return;
    }
    trace_vnc_client_new(client_fd, vs->clients->len + 1);
    server_find_console(vs);
    g_ptr_array_add(vs->clients, vnc_client_new(vs->machine->loop, vs->screen, client_fd,
                                                server_client_gone, vs));
    if (vs->clients->len == 1) {
        server_refresh(vs);
    }
}

/* ---- the server ---- */

static void G_GNUC_PRINTF(1, 2) library_log(const char *format, ...)
{
    if (trace_vnc_library_enabled()) {
        va_list ap;
        va_start(ap, format);
        g_autofree char *text = g_strdup_vprintf(format, ap);
        va_end(ap);
        trace_vnc_library(g_strchomp(text));
    }
}

static void server_free(void *opaque)
{
    VncServer *vs = opaque;
    while (vs->clients->len) {
        vnc_client_free(g_ptr_array_steal_index(vs->clients, vs->clients->len - 1));
    }
    g_ptr_array_unref(vs->clients);
    ui_listener_remove(vs->listener);
    timer_free(vs->refresh_timer);
    fd_handler_remove(vs->listen_handler);
    close(vs->listen_fd);
    rfbScreenCleanup(vs->screen);
    pixman_image_unref(vs->picture);
    g_free(vs->name);
    g_free(vs);
}

/* The library without its sockets: it is handed each connection, and never listens itself. */
static rfbScreenInfoPtr screen_new(VncServer *vs)
{
    rfbLog = library_log;       /* the process's, like the library's other globals */
    rfbErr = library_log;
    rfbScreenInfoPtr screen = rfbGetScreen(NULL, NULL, BLANK_WIDTH, BLANK_HEIGHT, 8, 3, 4);
    if (!screen) {
        return NULL;
    }
    screen->frameBuffer = (char *)pixman_image_get_data(vs->picture);
    screen->desktopName = vs->name;
    screen->alwaysShared = TRUE;
    screen->autoPort = FALSE;
    screen->port = screen->ipv6port = screen->httpPort = screen->udpPort = 0;
    screen->deferUpdateTime = 0;
    screen->maxClientWait = 1000;
    screen->progressiveSliceHeight = VNC_SLICE_BYTES / (BLANK_WIDTH * 4);
    screen->permitFileTransfer = FALSE;
    screen->handleEventsEagerly = FALSE;
    rfbSetCursor(screen, NULL);     /* else the library draws one into the picture */
    return screen;
}

static bool server_new(Machine *m, int listen_fd, Error **errp)
{
    VncServer *vs = g_new0(VncServer, 1);
    vs->machine = m;
    vs->clients = g_ptr_array_new();
    vs->name = g_strdup(m->config && m->config->name ? m->config->name : "Godwit");
    vs->picture = picture_new(BLANK_WIDTH, BLANK_HEIGHT);
    vs->screen = vs->picture ? screen_new(vs) : NULL;
    if (!vs->screen) {
        error_setg(errp, "no memory for a VNC server");
        if (vs->picture) {
            pixman_image_unref(vs->picture);
        }
        g_ptr_array_unref(vs->clients);
        g_free(vs->name);
        g_free(vs);
        return false;
    }
    server_set_format(vs);
    vs->listen_fd = listen_fd;
    vs->refresh_timer = timer_new_ns(m, QEMU_CLOCK_REALTIME, server_refresh, vs);
    vs->listen_handler = main_loop_add_fd(m->loop, listen_fd, G_IO_IN, server_accept, vs);
    server_find_console(vs);
    ui_layer_add_viewer(m, server_free, vs);
    return true;
}

/* ---- -vnc ---- */

/* "HOST:DISPLAY" with the port that stands for the display; to: last display, or below 0. */
static SocketAddress *inet_address(const char *text, int64_t to, Error **errp)
{
    const char *colon = strrchr(text, ':');
    guint64 display;
    if (!colon || !g_ascii_string_to_unsigned(colon + 1, 10, 0, VNC_DISPLAY_MAX, &display, NULL)) {
        error_setg(errp, "'%s' is not an address: HOST:DISPLAY with a display from 0 to %d, "
                   "unix:PATH, or none", text, VNC_DISPLAY_MAX);
        return NULL;
    }
    if (to >= 0 && (guint64)to < display) {
        error_setg(errp, "to=%" PRId64 " is below the first display, %" PRIu64, to, display);
        return NULL;
    }
    g_autofree char *inet = g_strdup_printf("%.*s:%" PRIu64, (int)(colon - text), text,
                                            VNC_PORT_BASE + display);
    SocketAddress *address = socket_address_new_inet(inet, errp);
    if (address && to >= 0) {
        address->to = VNC_PORT_BASE + to;
    }
    return address;
}

static SocketAddress *parse_address(const char *text, int64_t to, Error **errp)
{
    if (!g_str_has_prefix(text, "unix:")) {
        return inet_address(text, to, errp);
    }
    if (to >= 0) {
        error_setg(errp, "to= is for HOST:DISPLAY, not for a UNIX socket");
        return NULL;
    }
    return socket_address_new_unix(text + strlen("unix:"), errp);
}

static SocketAddress *parse_options(const json_t *options, const char **text, Error **errp)
{
    static const char *const known[] = { "vnc", "to", "password", NULL };
    bool password = false;
    uint64_t to = 0;
    if (!keyval_check_known(options, known, "vnc", errp) ||
        !keyval_get_str(options, "vnc", text, errp) ||
        !keyval_get_bool(options, "password", &password, errp) ||
        !keyval_get_uint(options, "to", VNC_DISPLAY_MAX, &to, errp)) {
        return NULL;
    }
    if (password) {
        error_setg(errp, "passwords are not supported (VNC's are no protection); listen on a UNIX "
                   "socket or on 127.0.0.1 and forward it through ssh");
        return NULL;
    }
    if (!*text) {
        error_setg(errp, "an address is missing: HOST:DISPLAY, unix:PATH, or none");
        return NULL;
    }
    return parse_address(*text, json_object_get(options, "to") ? (int64_t)to : -1, errp);
}

bool ui_vnc_start(Machine *m, const char *options, Error **errp)
{
    const char *text = NULL;
    if (strcmp(options, "none") == 0) {
        return true;
    }
    json_t *parsed = keyval_parse(options, "vnc", errp);
    SocketAddress *address = parsed ? parse_options(parsed, &text, errp) : NULL;
    int fd = address ? socket_listen(address, errp) : -1;
    if (fd >= 0) {
        g_autofree char *where = socket_local_text(fd);
        trace_vnc_listen(where ? where : text);
    }
    bool ok = fd >= 0 && server_new(m, fd, errp);
    if (fd >= 0 && !ok) {
        close(fd);
    }
    if (!ok) {
        error_prepend(errp, "-vnc %s: ", options);
    }
    socket_address_free(address);
    json_decref(parsed);
    return ok;
}
