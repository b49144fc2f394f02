/*
 * console.c - the graphic consoles of a machine, and who looks at them.
 *
 * Lobby.  Below it pixman and util.
 * Machine lock held throughout, main loop's thread or a vCPU's that holds the lock.
 * Invariant: a listener may remove itself, or another one, from within any callback; a removed one is
 * never called again, and its memory goes when no callback is on the stack.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "system/machine.h"
#include "trace/ui.h"
#include "ui/ui-internal.h"

struct UiListener {
    UiConsole *console;
    const UiListenerOps *ops;   /* NULL: removed, waits for the sweep */
    void *opaque;
};

struct UiConsole {
    Machine *machine;
    char *device_id;
    unsigned head;
    const UiConsoleOps *ops;
    void *opaque;
    pixman_image_t *surface;
    GPtrArray *listeners;
    unsigned calling;           /* depth of callbacks on the stack */
};

typedef struct UiViewer {
    UiViewerFree *free_viewer;
    void *viewer;
} UiViewer;

struct UiLayer {
    GPtrArray *consoles;        /* in order of creation */
    GArray *viewers;
};

/* ---- listeners ---- */

UiListener *ui_listener_add(UiConsole *con, const UiListenerOps *ops, void *opaque)
{
    UiListener *listener = g_new0(UiListener, 1);
    listener->console = con;
    listener->ops = ops;
    listener->opaque = opaque;
    g_ptr_array_add(con->listeners, listener);
    return listener;
}

static void console_sweep(UiConsole *con)
{
    for (guint i = con->listeners->len; i-- > 0 && con->calling == 0;) {
        UiListener *listener = con->listeners->pdata[i];
        if (!listener->ops) {
            g_ptr_array_remove_index(con->listeners, i);
        }
    }
}

void ui_listener_remove(UiListener *listener)
{
    if (listener) {
        listener->ops = NULL;
        console_sweep(listener->console);
    }
}

/* ---- consoles ---- */

UiConsole *ui_console_new(Machine *m, const char *device_id, unsigned head, const UiConsoleOps *ops,
                          void *opaque)
{
    UiConsole *con = g_new0(UiConsole, 1);
    con->machine = m;
    con->device_id = g_strdup(device_id);
    con->head = head;
    con->ops = ops;
    con->opaque = opaque;
    con->listeners = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(m->ui->consoles, con);
    trace_ui_console_new(device_id ? device_id : "", head);
    return con;
}

void ui_console_free(UiConsole *con)
{
    if (!con) {
        return;
    }
    con->calling++;
    for (guint i = 0; i < con->listeners->len; i++) {
        UiListener *listener = con->listeners->pdata[i];
        const UiListenerOps *ops = listener->ops;
        listener->ops = NULL;
        if (ops && ops->gone) {
            ops->gone(listener->opaque);
        }
    }
    g_ptr_array_remove(con->machine->ui->consoles, con);
    g_ptr_array_unref(con->listeners);
    if (con->surface) {
        pixman_image_unref(con->surface);
    }
    g_free(con->device_id);
    g_free(con);
}

void ui_console_set_surface(UiConsole *con, pixman_image_t *surface)
{
    if (surface) {
        pixman_image_ref(surface);
    }
    pixman_image_t *old = con->surface;
    con->surface = surface;
    trace_ui_console_surface(con->head, surface ? pixman_image_get_width(surface) : 0,
                             surface ? pixman_image_get_height(surface) : 0);
    con->calling++;
    for (guint i = 0; i < con->listeners->len; i++) {
        UiListener *listener = con->listeners->pdata[i];
        if (listener->ops && listener->ops->switched) {
            listener->ops->switched(listener->opaque, surface);
        }
    }
    con->calling--;
    console_sweep(con);
    /* Listeners have let go of the old one by now. */
    if (old) {
        pixman_image_unref(old);
    }
}

pixman_image_t *ui_console_surface(UiConsole *con)
{
    return con->surface;
}

void ui_console_refresh(UiConsole *con)
{
    if (con->ops && con->ops->refresh) {
        con->ops->refresh(con->opaque);
    }
}

/* Cuts [*start, *start + *length) to [0, limit); false if nothing is left. */
static bool clip(int *start, int *length, int limit)
{
    gint64 begin = MAX((gint64)*start, 0);
    gint64 end = MIN((gint64)*start + *length, (gint64)limit);
    *start = begin;
    *length = end - begin;
    return begin < end;
}

void ui_console_update(UiConsole *con, int x, int y, int width, int height)
{
    if (!con->surface || !clip(&x, &width, pixman_image_get_width(con->surface)) ||
        !clip(&y, &height, pixman_image_get_height(con->surface))) {
        return;
    }
    con->calling++;
    for (guint i = 0; i < con->listeners->len; i++) {
        UiListener *listener = con->listeners->pdata[i];
        if (listener->ops && listener->ops->updated) {
            listener->ops->updated(listener->opaque, x, y, width, height);
        }
    }
    con->calling--;
    console_sweep(con);
}

UiConsole *ui_console_find(Machine *m, const char *device_id, unsigned head)
{
    for (guint i = 0; m->ui && i < m->ui->consoles->len; i++) {
        UiConsole *con = m->ui->consoles->pdata[i];
        if (con->head == head && (!device_id || g_strcmp0(con->device_id, device_id) == 0)) {
            return con;
        }
    }
    return NULL;
}

/* ---- the layer ---- */

struct UiLayer *ui_layer_new(Machine *m)
{
    struct UiLayer *layer = g_new0(struct UiLayer, 1);
    layer->consoles = g_ptr_array_new();
    layer->viewers = g_array_new(FALSE, FALSE, sizeof(UiViewer));
    return layer;
}

void ui_layer_add_viewer(Machine *m, UiViewerFree *free_viewer, void *viewer)
{
    UiViewer entry = { .free_viewer = free_viewer, .viewer = viewer };
    g_array_append_val(m->ui->viewers, entry);
}

/* m->ui may be this layer still: consoles take themselves out of it. */
void ui_layer_free(struct UiLayer *layer)
{
    if (!layer) {
        return;
    }
    for (guint i = 0; i < layer->viewers->len; i++) {
        UiViewer *entry = &g_array_index(layer->viewers, UiViewer, i);
        entry->free_viewer(entry->viewer);
    }
    while (layer->consoles->len) {
        UiConsole *con = layer->consoles->pdata[layer->consoles->len - 1];
        con->machine->ui = layer;
        ui_console_free(con);
    }
    g_ptr_array_unref(layer->consoles);
    g_array_unref(layer->viewers);
    g_free(layer);
}
