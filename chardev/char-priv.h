/*
 * char-priv.h - what a host end implements, and what the core does for it.
 *
 * Lobby, private to chardev/.  Main loop's thread, machine lock held.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_CHARDEV_CHAR_PRIV_H
#define GODWIT_CHARDEV_CHAR_PRIV_H

#include <glib.h>

#include "chardev/char.h"
#include "system/machine.h"

#define CHAR_FRONTENDS_MAX 4        /* of a mux */
#define CHAR_QUEUE_MAX (64u << 20)  /* bytes that char_write_all() may leave waiting */
#define CHAR_MUX_READ 4096u         /* bytes that a mux reads at once */
#define CHAR_MUX_HELD_MAX (1u << 20)    /* bytes that a mux holds for a front end that takes none */

typedef struct ChardevClass {
    const char *name;
    const char *const *keys;        /* options it knows besides the common ones; ends with NULL */
    size_t priv_size;
    /* Opens the host end; sets chr->filename. On failure the core calls close(). */
    bool (*open)(Chardev *chr, const json_t *options, Error **errp);
    /* Writes without blocking: the number of bytes taken, 0 if none now. */
    size_t (*write)(Chardev *chr, const uint8_t *buf, size_t len);
    /* Starts or stops watching for input, and for room to write. May be NULL. */
    void (*watch)(Chardev *chr, bool input, bool output);
    void (*disconnect)(Chardev *chr);   /* may be NULL */
    void (*close)(Chardev *chr);        /* may be NULL; in any state of completeness */
} ChardevClass;

typedef struct CharFrontend {
    const CharFrontendOps *ops;     /* NULL: free place */
    void *opaque;
    char *user;
} CharFrontend;

struct Chardev {
    const ChardevClass *klass;
    Machine *machine;
    char *id;
    char *filename;                 /* for query-chardev */
    void *priv;
    bool open;                      /* a peer is there */
    bool frontend_open;
    bool want_input, want_output;   /* what watch() was told last */
    CharFrontend frontends[CHAR_FRONTENDS_MAX];
    bool mux;
    unsigned focus;                 /* index of the front end that gets input */
    bool escape_seen;               /* mux: Ctrl-A came */
    GByteArray *held;               /* mux: bytes that the focus could not take yet */
    GByteArray *queue;              /* of char_write_all() */
    int log_fd;
    int fds[16];                    /* descriptors that came with the last bytes */
    size_t nfds;
    Chardev *next;
};

/* ---- for host ends ---- */

/*
 * Opens a path that a user gave, which may be a descriptor set's (/dev/fdset/N); O_CLOEXEC is added and a
 * new file gets mode 0666 & ~umask.  -1 with *errp naming the chardev and the path.
 */
int chardev_open_path(Chardev *chr, const char *path, int flags, Error **errp);
/* A chardev of the machine with that host end, or NULL. */
Chardev *chardev_find_class(Machine *m, const ChardevClass *klass);
/* How many bytes the core takes now. */
size_t chardev_can_receive(Chardev *chr);
void chardev_receive(Chardev *chr, const uint8_t *buf, size_t len);
/* Descriptors that came with the bytes about to be received; the core owns them. */
void chardev_add_fds(Chardev *chr, const int *fds, size_t nfds);
/* The peer came or went. */
void chardev_set_open(Chardev *chr, bool open);
void chardev_break(Chardev *chr);
/* The host end has room again: sends what waits, then tells the front ends. */
void chardev_writable(Chardev *chr);
void chardev_set_filename(Chardev *chr, const char *fmt, ...) G_GNUC_PRINTF(2, 3);

extern const ChardevClass chardev_null, chardev_stdio, chardev_file, chardev_pipe, chardev_pty, chardev_socket;

/* Ctrl-A commands (char-mux.c). */
void char_mux_receive(Chardev *chr, const uint8_t *buf, size_t len);
/* Hands held bytes to the focus. */
void char_mux_deliver(Chardev *chr);
void char_mux_set_focus(Chardev *chr, unsigned focus);

#endif
