/*
 * char.c - the set of a machine's character devices, their users, and bytes in both directions.
 *
 * Lobby; below it the host ends of this folder.  Main loop's thread, machine lock held.
 * Invariant: bytes are delivered in order and none is lost while a peer is there: what a front end
 * cannot take is not read, what the host end cannot take is not accepted or waits in the queue.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "chardev/char-priv.h"
#include "util/fdset.h"
#include "util/keyval.h"

struct CharLayer {
    Machine *machine;
    Chardev *first;
};

static const ChardevClass *const chardev_classes[] = {
    &chardev_file, &chardev_null, &chardev_pipe, &chardev_pty, &chardev_socket, &chardev_stdio,
};

static const ChardevClass *class_find(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(chardev_classes); i++) {
        if (strcmp(chardev_classes[i]->name, name) == 0) {
            return chardev_classes[i];
        }
    }
    return NULL;
}

const char *const *chardev_backend_names(void)
{
    static const char *names[G_N_ELEMENTS(chardev_classes) + 1];
    static gsize once;
    if (g_once_init_enter(&once)) {
        for (size_t i = 0; i < G_N_ELEMENTS(chardev_classes); i++) {
            names[i] = chardev_classes[i]->name;
        }
        g_once_init_leave(&once, 1);
    }
    return names;
}

/* ---- the set ---- */

struct CharLayer *char_layer_new(Machine *m)
{
    struct CharLayer *layer = g_new0(struct CharLayer, 1);
    layer->machine = m;
    return layer;
}

static void drop_fds(Chardev *chr)
{
    for (size_t i = 0; i < chr->nfds; i++) {
        close(chr->fds[i]);
    }
    chr->nfds = 0;
}

static void chardev_free(Chardev *chr)
{
    if (chr->klass->close) {
        chr->klass->close(chr);
    }
    for (size_t i = 0; i < CHAR_FRONTENDS_MAX; i++) {
        g_free(chr->frontends[i].user);
    }
    drop_fds(chr);
    if (chr->log_fd >= 0) {
        close(chr->log_fd);
    }
    g_byte_array_unref(chr->queue);
    g_byte_array_unref(chr->held);
    g_free(chr->filename);
    g_free(chr->priv);
    g_free(chr->id);
    g_free(chr);
}

void char_layer_free(struct CharLayer *layer)
{
    if (!layer) {
        return;
    }
    while (layer->first) {
        Chardev *chr = layer->first;
        layer->first = chr->next;
        chardev_free(chr);
    }
    g_free(layer);
}

Chardev *chardev_find(Machine *m, const char *id)
{
    for (Chardev *chr = m->chardevs->first; chr; chr = chr->next) {
        if (strcmp(chr->id, id) == 0) {
            return chr;
        }
    }
    return NULL;
}

Chardev *chardev_find_class(Machine *m, const ChardevClass *klass)
{
    Chardev *chr = m->chardevs->first;
    while (chr && chr->klass != klass) {
        chr = chr->next;
    }
    return chr;
}

bool chardev_remove(Machine *m, const char *id, Error **errp)
{
    for (Chardev **p = &m->chardevs->first; *p; p = &(*p)->next) {
        Chardev *chr = *p;
        if (strcmp(chr->id, id) != 0) {
            continue;
        }
        for (size_t i = 0; i < CHAR_FRONTENDS_MAX; i++) {
            if (chr->frontends[i].ops) {
                error_setg(errp, "Chardev '%s' is busy: %s uses it", id, chr->frontends[i].user);
                return false;
            }
        }
        *p = chr->next;
        chardev_free(chr);
        return true;
    }
    error_setg(errp, "Chardev '%s' not found", id);
    return false;
}

void chardev_foreach(Machine *m, void (*fn)(const ChardevInfo *info, void *opaque), void *opaque)
{
    for (Chardev *chr = m->chardevs->first; chr; chr = chr->next) {
        ChardevInfo info = {
            .label = chr->id, .filename = chr->filename, .frontend_open = chr->frontend_open,
        };
        fn(&info, opaque);
    }
}

/* ---- making one ---- */

static bool check_keys(const ChardevClass *klass, const json_t *options, Error **errp)
{
    static const char *const common[] = { "backend", "id", "mux", "logfile", "logappend" };
    g_autoptr(GPtrArray) known = g_ptr_array_new();
    for (size_t i = 0; i < G_N_ELEMENTS(common); i++) {
        g_ptr_array_add(known, (gpointer)common[i]);
    }
    for (const char *const *key = klass->keys; key && *key; key++) {
        g_ptr_array_add(known, (gpointer)*key);
    }
    g_ptr_array_add(known, NULL);
    g_autofree char *what = g_strdup_printf("chardev %s", klass->name);
    return keyval_check_known(options, (const char *const *)known->pdata, what, errp);
}

int chardev_open_path(Chardev *chr, const char *path, int flags, Error **errp)
{
    int fd;
    if (fdset_is_path(path) && chr->machine->fdsets) {
        /* Whoever opened the file has decided on truncating and appending. */
        fd = fdsets_open(chr->machine->fdsets, path, flags & O_ACCMODE, errp);
        if (fd < 0) {
            error_prepend(errp, "chardev '%s': ", chr->id);
        }
        return fd;
    }
    fd = open(path, flags | O_CLOEXEC, 0666);
    if (fd < 0) {
        error_setg_errno(errp, errno, "chardev '%s': cannot open %s", chr->id, path);
    }
    return fd;
}

static bool open_log(Chardev *chr, const json_t *options, Error **errp)
{
    const char *path = NULL;
    bool append = false;
    if (!keyval_get_str(options, "logfile", &path, errp) ||
        !keyval_get_bool(options, "logappend", &append, errp)) {
        return false;
    }
    if (!path) {
        return true;
    }
    chr->log_fd = chardev_open_path(chr, path, O_WRONLY | O_CREAT | (append ? O_APPEND : O_TRUNC), errp);
    if (chr->log_fd < 0) {
        error_prepend(errp, "logfile: ");
    }
    return chr->log_fd >= 0;
}

static Chardev *create(Machine *m, const ChardevClass *klass, const json_t *options, Error **errp)
{
    Chardev *chr = g_new0(Chardev, 1);
    chr->klass = klass;
    chr->machine = m;
    chr->id = g_strdup(json_string_value(json_object_get(options, "id")));
    chr->priv = g_malloc0(MAX(klass->priv_size, 1));
    chr->queue = g_byte_array_new();
    chr->held = g_byte_array_new();
    chr->log_fd = -1;
    chr->filename = g_strdup(klass->name);
    if (!keyval_get_bool(options, "mux", &chr->mux, errp) || !open_log(chr, options, errp) ||
        !klass->open(chr, options, errp)) {
        chardev_free(chr);
        return NULL;
    }
    Chardev **tail = &m->chardevs->first;
    while (*tail) {
        tail = &(*tail)->next;
    }
    *tail = chr;
    return chr;
}

Chardev *chardev_new(Machine *m, const json_t *options, Error **errp)
{
    const char *backend = NULL, *id = NULL;
    if (!keyval_get_str(options, "backend", &backend, errp) ||
        !keyval_get_str(options, "id", &id, errp)) {
        return NULL;
    }
    if (!id || !id[0]) {
        error_setg(errp, "chardev: no id specified; add id=NAME");
        return NULL;
    }
    if (chardev_find(m, id)) {
        error_setg(errp, "Chardev with id '%s' already exists", id);
        return NULL;
    }
    const ChardevClass *klass = backend ? class_find(backend) : NULL;
    if (!klass) {
        g_autofree char *known = g_strjoinv(", ", (char **)chardev_backend_names());
        error_setg(errp, "chardev: backend \"%s\" is not known; there are: %s", backend ? backend : "",
                   known);
        return NULL;
    }
    if (!check_keys(klass, options, errp)) {
        return NULL;
    }
    return create(m, klass, options, errp);
}

/* "tcp:HOST:PORT,server=on" and "unix:PATH,…" become the options of a socket. */
static json_t *socket_options(const char *scheme, const char *rest, Error **errp)
{
    const char *comma = strchr(rest, ',');
    json_t *options = comma ? keyval_parse(comma + 1, NULL, errp) : json_object();
    if (!options) {
        return NULL;
    }
    g_autofree char *address = comma ? g_strndup(rest, comma - rest) : g_strdup(rest);
    json_object_set_new(options, "backend", json_string("socket"));
    if (strcmp(scheme, "unix") == 0) {
        json_object_set_new(options, "path", json_string(address));
        return options;
    }
    char *colon = strrchr(address, ':');
    if (!colon) {
        error_setg(errp, "'%s' has no port; write tcp:HOST:PORT", address);
        json_decref(options);
        return NULL;
    }
    *colon = '\0';
    json_object_set_new(options, "host", json_string(address));
    json_object_set_new(options, "port", json_string(colon + 1));
    return options;
}

static json_t *shorthand_options(const char *text, Error **errp)
{
    if (strcmp(text, "stdio") == 0 || strcmp(text, "pty") == 0 || strcmp(text, "null") == 0) {
        return json_pack("{ss}", "backend", text);
    }
    if (g_str_has_prefix(text, "file:") || g_str_has_prefix(text, "pipe:")) {
        return json_pack("{ss% ss}", "backend", text, 4, "path", text + strlen("file:"));
    }
    if (g_str_has_prefix(text, "unix:")) {
        return socket_options("unix", text + strlen("unix:"), errp);
    }
    if (g_str_has_prefix(text, "tcp:")) {
        return socket_options("tcp", text + strlen("tcp:"), errp);
    }
    error_setg(errp, "'%s' is no character device; write stdio, mon:stdio, pty, null, file:PATH, "
               "pipe:PATH, unix:PATH[,server=on], tcp:HOST:PORT[,server=on] or chardev:ID", text);
    return NULL;
}

Chardev *chardev_new_from_string(Machine *m, const char *label, const char *text, Error **errp)
{
    bool mux = g_str_has_prefix(text, "mon:");
    const char *rest = mux ? text + strlen("mon:") : text;
    if (g_str_has_prefix(rest, "chardev:")) {
        Chardev *chr = chardev_find(m, rest + strlen("chardev:"));
        if (!chr) {
            error_setg(errp, "chardev \"%s\" not found", rest + strlen("chardev:"));
        } else if (mux) {
            chr->mux = true;
        }
        return chr;
    }
    json_t *options = shorthand_options(rest, errp);
    if (!options) {
        return NULL;
    }
    json_object_set_new(options, "id", json_string(label));
    if (mux) {
        json_object_set_new(options, "mux", json_true());
        if (strcmp(rest, "stdio") == 0) {
            json_object_set_new(options, "signal", json_false());
        }
    }
    Chardev *chr = chardev_new(m, options, errp);
    json_decref(options);
    return chr;
}

/* ---- users ---- */

static void update_watch(Chardev *chr, bool output)
{
    bool input = chardev_can_receive(chr) > 0;
    if (chr->klass->watch && (input != chr->want_input || output != chr->want_output)) {
        chr->want_input = input;
        chr->want_output = output;
        chr->klass->watch(chr, input, output);
    }
}

/* With mon:stdio the monitor is there before the serial port, whose terminal it is all the same. */
static bool is_monitor(const CharFrontend *fe)
{
    return fe->ops && strcmp(fe->user, "monitor") == 0;
}

bool char_has_focus(const Chardev *chr, const void *opaque)
{
    return chr->frontends[chr->focus].opaque == opaque;
}

bool char_attach(Chardev *chr, const char *user, const CharFrontendOps *ops, void *opaque,
                 Error **errp)
{
    size_t places = chr->mux ? CHAR_FRONTENDS_MAX : 1;
    size_t place = 0;
    while (place < places && chr->frontends[place].ops) {
        place++;
    }
    if (place == places) {
        error_setg(errp, "Chardev '%s' is in use by %s%s", chr->id, chr->frontends[0].user,
                   chr->mux ? " and others" : "; add mux=on to share it");
        return false;
    }
    chr->frontends[place] = (CharFrontend){ .ops = ops, .opaque = opaque, .user = g_strdup(user) };
    chr->frontend_open = true;
    if (place == 0) {
        chr->focus = 0;
    } else if (is_monitor(&chr->frontends[chr->focus]) && !is_monitor(&chr->frontends[place])) {
        char_mux_set_focus(chr, place);
    }
    if (chr->open && ops->event) {
        ops->event(opaque, CHR_EVENT_OPENED);
    }
    char_accept_input(chr);
    return true;
}

void char_detach(Chardev *chr, void *opaque)
{
    bool any = false;
    for (size_t i = 0; i < CHAR_FRONTENDS_MAX; i++) {
        CharFrontend *fe = &chr->frontends[i];
        if (fe->ops && fe->opaque == opaque) {
            g_free(fe->user);
            *fe = (CharFrontend){ 0 };
        }
        any |= fe->ops != NULL;
    }
    chr->frontend_open = any;
    update_watch(chr, chr->want_output);
}

static CharFrontend *focused(Chardev *chr)
{
    CharFrontend *fe = &chr->frontends[chr->focus];
    return fe->ops ? fe : NULL;
}

static void send_event(Chardev *chr, ChardevEvent event)
{
    for (size_t i = 0; i < CHAR_FRONTENDS_MAX; i++) {
        CharFrontend *fe = &chr->frontends[i];
        if (fe->ops && fe->ops->event) {
            fe->ops->event(fe->opaque, event);
        }
    }
}

/* ---- bytes in ---- */

size_t chardev_can_receive(Chardev *chr)
{
    CharFrontend *fe = focused(chr);
    if (!fe) {
        return 0;
    }
    /* A mux always reads, so that Ctrl-A x works while the guest takes nothing. */
    return chr->mux ? CHAR_MUX_READ : fe->ops->can_receive(fe->opaque);
}

void chardev_receive(Chardev *chr, const uint8_t *buf, size_t len)
{
    CharFrontend *fe = focused(chr);
    if (chr->mux) {
        char_mux_receive(chr, buf, len);
    } else if (fe) {
        fe->ops->receive(fe->opaque, buf, len);
    }
    update_watch(chr, chr->want_output);
}

void chardev_add_fds(Chardev *chr, const int *fds, size_t nfds)
{
    for (size_t i = 0; i < nfds; i++) {
        if (chr->nfds < G_N_ELEMENTS(chr->fds)) {
            chr->fds[chr->nfds++] = fds[i];
        } else {
            close(fds[i]);
        }
    }
}

size_t char_take_fds(Chardev *chr, int *fds, size_t max)
{
    size_t n = MIN(max, chr->nfds);
    memcpy(fds, chr->fds, n * sizeof(int));
    memmove(chr->fds, chr->fds + n, (chr->nfds - n) * sizeof(int));
    chr->nfds -= n;
    return n;
}

void char_accept_input(Chardev *chr)
{
    if (chr->mux) {
        char_mux_deliver(chr);
    }
    update_watch(chr, chr->want_output);
}

void chardev_break(Chardev *chr)
{
    send_event(chr, CHR_EVENT_BREAK);
}

/* ---- bytes out ---- */

static void log_bytes(Chardev *chr, const uint8_t *buf, size_t len)
{
    while (chr->log_fd >= 0 && len) {
        ssize_t n = write(chr->log_fd, buf, len);
        if (n < 0 && errno != EINTR) {
            /* A full disk under the log must not stop the console. */
            close(chr->log_fd);
            chr->log_fd = -1;
            return;
        }
        buf += MAX(n, 0);
        len -= MAX(n, 0);
    }
}

static size_t write_now(Chardev *chr, const uint8_t *buf, size_t len)
{
    size_t done = 0;
    while (done < len) {
        size_t n = chr->klass->write(chr, buf + done, len - done);
        if (n == 0) {
            break;
        }
        done += n;
    }
    log_bytes(chr, buf, done);
    return done;
}

size_t char_write(Chardev *chr, const uint8_t *buf, size_t len)
{
    if (chr->queue->len) {
        return 0;
    }
    size_t done = write_now(chr, buf, len);
    if (done < len) {
        update_watch(chr, true);
    }
    return done;
}

void char_write_all(Chardev *chr, const uint8_t *buf, size_t len)
{
    size_t done = chr->queue->len ? 0 : write_now(chr, buf, len);
    if (done == len) {
        return;
    }
    if (chr->queue->len + (len - done) > CHAR_QUEUE_MAX) {
        g_byte_array_set_size(chr->queue, 0);
        char_disconnect(chr);
        return;
    }
    g_byte_array_append(chr->queue, buf + done, len - done);
    update_watch(chr, true);
}

void chardev_writable(Chardev *chr)
{
    if (chr->queue->len) {
        size_t done = write_now(chr, chr->queue->data, chr->queue->len);
        g_byte_array_remove_range(chr->queue, 0, done);
        if (chr->queue->len) {
            return;
        }
    }
    update_watch(chr, false);
    for (size_t i = 0; i < CHAR_FRONTENDS_MAX; i++) {
        CharFrontend *fe = &chr->frontends[i];
        if (fe->ops && fe->ops->writable) {
            fe->ops->writable(fe->opaque);
        }
    }
}

/* ---- state ---- */

void chardev_set_open(Chardev *chr, bool open)
{
    if (chr->open == open) {
        return;
    }
    chr->open = open;
    if (!open) {
        g_byte_array_set_size(chr->queue, 0);
        drop_fds(chr);
    }
    chr->want_input = chr->want_output = false;
    send_event(chr, open ? CHR_EVENT_OPENED : CHR_EVENT_CLOSED);
    update_watch(chr, chr->queue->len > 0);
    if (!open) {
        /* What waited for room is lost now: let the front ends go on. */
        chardev_writable(chr);
    }
}

void chardev_set_filename(Chardev *chr, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    g_free(chr->filename);
    chr->filename = g_strdup_vprintf(fmt, ap);
    va_end(ap);
}

void char_set_frontend_open(Chardev *chr, bool open)
{
    chr->frontend_open = open;
}

void char_disconnect(Chardev *chr)
{
    if (chr->klass->disconnect) {
        chr->klass->disconnect(chr);
    }
}

bool char_is_open(const Chardev *chr)
{
    return chr->open;
}
