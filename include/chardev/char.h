/*
 * char.h - character devices: a host end (stdio, socket, file, pty, …) and the one user of it.
 *
 * Lobby.  A Chardev is the host end, made by -chardev/-serial/-mon; a CharFrontend (a UART, a virtio
 * port, a monitor) takes it for itself, and a mux (mon:stdio) lets several take turns.  Machine lock
 * held in all calls and callbacks, main loop's thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_CHARDEV_CHAR_H
#define GODWIT_CHARDEV_CHAR_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/error.h"

typedef struct Machine Machine;
typedef struct Chardev Chardev;

typedef enum ChardevEvent {
    CHR_EVENT_OPENED,       /* a peer is there */
    CHR_EVENT_CLOSED,
    CHR_EVENT_BREAK,
    CHR_EVENT_MUX_IN,       /* the mux turned to this front end */
    CHR_EVENT_MUX_OUT,
} ChardevEvent;

typedef struct CharFrontendOps {
    /* How many bytes receive() takes now; 0 pauses the host end until char_accept_input(). */
    size_t (*can_receive)(void *opaque);
    void (*receive)(void *opaque, const uint8_t *buf, size_t len);
    void (*event)(void *opaque, ChardevEvent event);    /* may be NULL */
    void (*writable)(void *opaque);     /* room again after a short char_write(); may be NULL */
} CharFrontendOps;

/*
 * -chardev BACKEND,id=ID,… as JSON {"backend": "socket", "id": …, options}. Strings or typed values.
 * The machine owns the result. The error names the option and what would be right.
 */
Chardev *chardev_new(Machine *m, const json_t *options, Error **errp);
/*
 * The shorthand of -serial, -monitor and -qmp: "stdio", "mon:stdio", "unix:PATH,server=on,wait=off",
 * "tcp:HOST:PORT,…", "file:PATH", "pty", "null", "chardev:ID". label becomes the id of a new one.
 */
Chardev *chardev_new_from_string(Machine *m, const char *label, const char *text, Error **errp);
Chardev *chardev_find(Machine *m, const char *id);
/* Removes an unused chardev; fails while it has a front end. */
bool chardev_remove(Machine *m, const char *id, Error **errp);

/* Takes a chardev; fails, naming the user, if it is taken and is no mux. ops NULL gives it back. */
bool char_attach(Chardev *chr, const char *user, const CharFrontendOps *ops, void *opaque,
                 Error **errp);
void char_detach(Chardev *chr, void *opaque);
/*
 * True if what is typed goes to the front end with that opaque: always, except on a mux, where the first
 * user that is no "monitor" begins and CHR_EVENT_MUX_IN and _OUT tell of changes.
 */
bool char_has_focus(const Chardev *chr, const void *opaque);

/* Accepts 0 … len bytes without blocking and says how many; with no peer all are accepted and lost. */
size_t char_write(Chardev *chr, const uint8_t *buf, size_t len);
/* Queues everything (bounded at 64 MiB, then the connection is closed); for monitors. */
void char_write_all(Chardev *chr, const uint8_t *buf, size_t len);
/* The front end can receive again. */
void char_accept_input(Chardev *chr);
/* Takes the descriptors that came with the bytes last received (SCM_RIGHTS); returns how many. */
size_t char_take_fds(Chardev *chr, int *fds, size_t max);
/* Tells the peer that the front end hung up or listens (frontend-open in query-chardev). */
void char_set_frontend_open(Chardev *chr, bool open);
/* Ends the current connection of a socket. */
void char_disconnect(Chardev *chr);
/* True while a peer is there. */
bool char_is_open(const Chardev *chr);

/* For query-chardev and info chardev: strings owned by the chardev. */
typedef struct ChardevInfo {
    const char *label;
    const char *filename;       /* "pty:/dev/pts/3", "unix:/path,server=on", … */
    bool frontend_open;
} ChardevInfo;
void chardev_foreach(Machine *m, void (*fn)(const ChardevInfo *info, void *opaque), void *opaque);
/* Names of the back ends that exist here, NULL-terminated. */
const char *const *chardev_backend_names(void);

struct CharLayer *char_layer_new(Machine *m);
void char_layer_free(struct CharLayer *layer);

#endif
