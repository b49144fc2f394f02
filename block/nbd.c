/*
 * nbd.c - a disk that another program serves over the Network Block Device protocol.
 *
 * Lobby; below it libnbd.
 * Threads and locks: workers, several at a time.  Each request borrows one connection for itself;
 * `lock` guards which are free.  There are several connections where the server says that a flush
 * on one of them covers the others (multi-conn), else one.
 * Invariant: a connection that failed is never used again: it is made anew before the next request,
 * which fails if that is not possible within reconnect-delay seconds.
 * Options: server {type: unix, path} or {type: inet, host, port}, export, reconnect-delay,
 * open-timeout; or uri=, an NBD URI (nbd://HOST:PORT/EXPORT, nbd+unix:///EXPORT?socket=PATH) or one
 * of the older forms nbd:HOST:PORT[:exportname=EXPORT] and nbd:unix:PATH[:exportname=EXPORT].
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <libnbd.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "block/block-int.h"
#include "util/iov.h"
#include "util/keyval.h"

#define NBD_CONNECTIONS 4
#define NBD_CHUNK (1024 * 1024)         /* bytes a command; every server takes 32 MiB */
#define NBD_RETRY_NS 100000000
#define NBD_DEFAULT_PORT "10809"

typedef struct NbdState {
    char *uri, *path, *host, *port, *export;
    uint64_t reconnect_delay, open_timeout;     /* seconds */
    bool can_flush, can_trim, can_zero;
    uint64_t size;                              /* bytes, as the server said at first */
    pthread_mutex_t lock;
    pthread_cond_t freed;
    unsigned nconns;
    struct nbd_handle *conns[NBD_CONNECTIONS];  /* NULL: to be made */
    bool busy[NBD_CONNECTIONS];
} NbdState;

/* ---- connections ---- */

static int nbd_errno_or_eio(void)
{
    int e = nbd_get_errno();
    return e ? -e : -EIO;
}

/* The export must be named before the connection is made; a URI names it itself. */
static bool nbd_connect_once(const NbdState *s, struct nbd_handle *h)
{
    if (s->uri) {
        return nbd_connect_uri(h, s->uri) == 0;
    }
    if (nbd_set_export_name(h, s->export ? s->export : "") < 0) {
        return false;
    }
    return (s->path ? nbd_connect_unix(h, s->path) : nbd_connect_tcp(h, s->host, s->port)) == 0;
}

/* A connection, tried for that many seconds; NULL with *errp set. */
static struct nbd_handle *nbd_connect_new(const BlockNode *bs, uint64_t seconds, Error **errp)
{
    const NbdState *s = bs->opaque;
    gint64 end = g_get_monotonic_time() + (gint64)seconds * G_USEC_PER_SEC;
    for (;;) {
        struct nbd_handle *h = nbd_create();
        if (h && nbd_connect_once(s, h)) {
            return h;
        }
        g_autofree char *why = g_strdup(nbd_get_error());
        nbd_close(h);
        if (g_get_monotonic_time() >= end) {
            error_setg(errp, "Failed to connect to the NBD server at %s: %s", bs->filename,
                       why ? why : "out of memory");
            return NULL;
        }
        /* A server that is just being started has no socket yet, or refuses. */
        nanosleep(&(struct timespec){ .tv_nsec = NBD_RETRY_NS }, NULL);
    }
}

/* Borrows a connection that works; -1 if there is none. */
static int nbd_take(BlockNode *bs)
{
    NbdState *s = bs->opaque;
    unsigned i;
    pthread_mutex_lock(&s->lock);
    for (;;) {
        for (i = 0; i < s->nconns && s->busy[i]; i++) {
        }
        if (i < s->nconns) {
            break;
        }
        pthread_cond_wait(&s->freed, &s->lock);
    }
    s->busy[i] = true;
    /* The connection is this thread's alone now; making it anew may take seconds. */
    pthread_mutex_unlock(&s->lock);
    struct nbd_handle *h = s->conns[i];
    if (h && nbd_aio_is_ready(h) != 1) {
        nbd_close(h);
        h = s->conns[i] = NULL;
    }
    if (!h) {
        h = nbd_connect_new(bs, s->reconnect_delay, NULL);
        if (h && nbd_get_size(h) < (int64_t)s->size) {
            /* Another image than the one that the guest has seen. */
            nbd_close(h);
            h = NULL;
        }
        s->conns[i] = h;
    }
    return h ? (int)i : -(int)i - 1;
}

static void nbd_give_back(NbdState *s, unsigned i)
{
    pthread_mutex_lock(&s->lock);
    s->busy[i] = false;
    pthread_cond_signal(&s->freed);
    pthread_mutex_unlock(&s->lock);
}

/* ---- requests, any thread ---- */

/* The commands, brought to one form so that nbd_run() can do all of them. */
typedef int NbdCommand(struct nbd_handle *h, void *buf, size_t len, uint64_t offset,
                       uint32_t flags);

static int nbd_read_command(struct nbd_handle *h, void *buf, size_t len, uint64_t offset,
                            uint32_t flags)
{
    return nbd_pread(h, buf, len, offset, flags);
}

static int nbd_write_command(struct nbd_handle *h, void *buf, size_t len, uint64_t offset,
                             uint32_t flags)
{
    return nbd_pwrite(h, buf, len, offset, flags);
}

static int nbd_trim_command(struct nbd_handle *h, void *buf, size_t len, uint64_t offset,
                            uint32_t flags)
{
    (void)buf;
    return nbd_trim(h, len, offset, flags);
}

static int nbd_zero_command(struct nbd_handle *h, void *buf, size_t len, uint64_t offset,
                            uint32_t flags)
{
    (void)buf;
    return nbd_zero(h, len, offset, flags);
}

static int nbd_flush_command(struct nbd_handle *h, void *buf, size_t len, uint64_t offset,
                             uint32_t flags)
{
    (void)buf;
    (void)len;
    (void)offset;
    return nbd_flush(h, flags);
}

static int nbd_run(BlockNode *bs, NbdCommand *command, void *buf, size_t len, uint64_t offset,
                   uint32_t flags)
{
    NbdState *s = bs->opaque;
    int i = nbd_take(bs), ret = -EIO;
    if (i >= 0) {
        ret = command(s->conns[i], buf, len, offset, flags) < 0 ? nbd_errno_or_eio() : 0;
    }
    /* A place without a connection is given back as well: the next request tries again. */
    nbd_give_back(s, i >= 0 ? i : -i - 1);
    return ret;
}

static int nbd_preadv(BlockNode *bs, uint64_t offset, const struct iovec *iov, int niov)
{
    uint64_t bytes = block_iov_size(iov, niov);
    g_autofree char *buf = g_try_malloc(NBD_CHUNK);
    int ret = buf ? 0 : -ENOMEM;
    /* libnbd takes one buffer and no vector. */
    for (uint64_t done = 0; done < bytes && ret == 0;) {
        size_t len = MIN(bytes - done, NBD_CHUNK);
        ret = nbd_run(bs, nbd_read_command, buf, len, offset + done, 0);
        if (ret == 0) {
            iov_from_buf(iov, niov, done, buf, len);
        }
        done += len;
    }
    return ret;
}

static int nbd_pwritev(BlockNode *bs, uint64_t offset, const struct iovec *iov, int niov)
{
    uint64_t bytes = block_iov_size(iov, niov);
    g_autofree char *buf = g_try_malloc(NBD_CHUNK);
    int ret = buf ? 0 : -ENOMEM;
    for (uint64_t done = 0; done < bytes && ret == 0;) {
        size_t len = MIN(bytes - done, NBD_CHUNK);
        iov_to_buf(iov, niov, done, buf, len);
        ret = nbd_run(bs, nbd_write_command, buf, len, offset + done, 0);
        done += len;
    }
    return ret;
}

/* With several connections the server has promised (multi-conn) that one flush is enough. */
static int nbd_flush_all(BlockNode *bs)
{
    const NbdState *s = bs->opaque;
    return s->can_flush ? nbd_run(bs, nbd_flush_command, NULL, 0, 0, 0) : 0;
}

/* A command without data, in pieces whose length any server takes. */
static int nbd_range(BlockNode *bs, NbdCommand *command, uint64_t offset, uint64_t bytes,
                     uint32_t flags)
{
    int ret = 0;
    for (uint64_t done = 0; done < bytes && ret == 0;) {
        size_t len = MIN(bytes - done, 1u << 30);
        ret = nbd_run(bs, command, NULL, len, offset + done, flags);
        done += len;
    }
    return ret;
}

static int nbd_pdiscard(BlockNode *bs, uint64_t offset, uint64_t bytes)
{
    const NbdState *s = bs->opaque;
    return s->can_trim ? nbd_range(bs, nbd_trim_command, offset, bytes, 0) : 0;
}

static int nbd_pwrite_zeroes(BlockNode *bs, uint64_t offset, uint64_t bytes, bool unmap)
{
    const NbdState *s = bs->opaque;
    if (s->can_zero) {
        return nbd_range(bs, nbd_zero_command, offset, bytes, unmap ? 0 : LIBNBD_CMD_FLAG_NO_HOLE);
    }
    g_autofree char *buf = g_try_malloc0(NBD_CHUNK);
    int ret = buf ? 0 : -ENOMEM;
    for (uint64_t done = 0; done < bytes && ret == 0;) {
        size_t len = MIN(bytes - done, NBD_CHUNK);
        ret = nbd_run(bs, nbd_write_command, buf, len, offset + done, 0);
        done += len;
    }
    return ret;
}

/* ---- options ---- */

/* "nbd:HOST:PORT[:exportname=E]" and "nbd:unix:PATH[:exportname=E]". */
static bool nbd_parse_old_uri(NbdState *s, const char *text, Error **errp)
{
    const char *place = text + strlen("nbd:"), *name = strstr(place, ":exportname=");
    g_autofree char *where = name ? g_strndup(place, name - place) : g_strdup(place);
    s->export = name ? g_strdup(name + strlen(":exportname=")) : NULL;
    if (g_str_has_prefix(where, "unix:")) {
        s->path = g_strdup(where + strlen("unix:"));
        return true;
    }
    char *colon = strrchr(where, ':');
    if (!colon || !colon[1]) {
        error_setg(errp, "'%s' has no port: nbd:HOST:PORT, or nbd://HOST/EXPORT", text);
        return false;
    }
    s->host = g_strndup(where, colon - where);
    s->port = g_strdup(colon + 1);
    return true;
}

/* A port may be a JSON number or a string. */
static bool nbd_get_port(const json_t *options, char **port, Error **errp)
{
    uint64_t number = 0;
    if (!keyval_get_uint(options, "port", 65535, &number, errp)) {
        return false;
    }
    *port = number ? g_strdup_printf("%u", (unsigned)number) : g_strdup(NBD_DEFAULT_PORT);
    return true;
}

static bool nbd_parse_place(NbdState *s, const json_t *place, const char *type, Error **errp)
{
    static const char *const unix_keys[] = { "type", "path", NULL };
    static const char *const inet_keys[] = { "type", "host", "port", "ipv4", "ipv6", "to", NULL };
    const char *path = NULL, *host = NULL;
    bool is_unix = strcmp(type, "unix") == 0;
    if (!is_unix && strcmp(type, "inet") != 0) {
        error_setg(errp, "server.type '%s' is not possible; it is unix or inet", type);
        return false;
    }
    if (!keyval_check_known(place, is_unix ? unix_keys : inet_keys, "server", errp) ||
        !keyval_get_str(place, "path", &path, errp) ||
        !keyval_get_str(place, "host", &host, errp)) {
        return false;
    }
    if (is_unix ? !path : !host) {
        error_setg(errp, "Parameter 'server.%s' is missing", is_unix ? "path" : "host");
        return false;
    }
    s->path = g_strdup(path);
    s->host = g_strdup(host);
    return is_unix || nbd_get_port(place, &s->port, errp);
}

static bool nbd_parse(NbdState *s, const json_t *options, Error **errp)
{
    const char *uri = NULL, *export = NULL, *path = NULL, *host = NULL, *type = "inet";
    const json_t *server = json_object_get(options, "server");
    if (!keyval_get_str(options, "uri", &uri, errp) ||
        !keyval_get_str(options, "export", &export, errp) ||
        !keyval_get_str(options, "path", &path, errp) ||
        !keyval_get_str(options, "host", &host, errp) ||
        !keyval_get_uint(options, "reconnect-delay", 3600, &s->reconnect_delay, errp) ||
        !keyval_get_uint(options, "open-timeout", 3600, &s->open_timeout, errp)) {
        return false;
    }
    if (!!server + !!uri + !!path + !!host != 1) {
        error_setg(errp, "driver nbd needs one of server.type=unix,server.path=SOCKET, "
                   "server.type=inet,server.host=HOST,server.port=PORT and uri=URI");
        return false;
    }
    if (uri && export) {
        error_setg(errp, "uri and export cannot be used together: the URI names the export");
        return false;
    }
    s->export = g_strdup(export);
    if (uri && !strstr(uri, "://") && g_str_has_prefix(uri, "nbd:")) {
        return nbd_parse_old_uri(s, uri, errp);
    }
    s->uri = g_strdup(uri);
    s->path = g_strdup(path);
    if (host) {
        s->host = g_strdup(host);
        return nbd_get_port(options, &s->port, errp);
    }
    if (server && !json_is_object(server)) {
        error_setg(errp,
                   "Parameter 'server' expects an object with type, and path or host and port");
        return false;
    }
    return !server || (keyval_get_str(server, "type", &type, errp) &&
                       nbd_parse_place(s, server, type, errp));
}

/* For people and for query-block; it can be given to -drive file= again. */
static char *nbd_describe(const NbdState *s)
{
    const char *export = s->export ? s->export : "";
    if (s->uri) {
        return g_strdup(s->uri);
    }
    return s->path ? g_strdup_printf("nbd+unix:///%s?socket=%s", export, s->path)
                   : g_strdup_printf("nbd://%s:%s/%s", s->host, s->port, export);
}

/* ---- life ---- */

static void nbd_close_node(BlockNode *bs)
{
    NbdState *s = bs->opaque;
    /* No request is in flight; a server that is gone makes shutdown fail, which does not matter. */
    for (unsigned i = 0; i < s->nconns; i++) {
        if (s->conns[i]) {
            nbd_shutdown(s->conns[i], 0);
            nbd_close(s->conns[i]);
        }
    }
    pthread_cond_destroy(&s->freed);
    pthread_mutex_destroy(&s->lock);
    g_free(s->uri);
    g_free(s->path);
    g_free(s->host);
    g_free(s->port);
    g_free(s->export);
    g_free(s);
}

/* What the server said while the first connection was made. */
static bool nbd_learn(BlockNode *bs, struct nbd_handle *h, Error **errp)
{
    NbdState *s = bs->opaque;
    int64_t size = nbd_get_size(h), smallest = nbd_get_block_size(h, LIBNBD_SIZE_MINIMUM);
    if (size < 0) {
        error_setg(errp, "the NBD server does not tell the size of the export: %s",
                   nbd_get_error());
        return false;
    }
    if (smallest > BDRV_SECTOR_SIZE) {
        error_setg(errp,
                   "the NBD server takes blocks of %" G_GINT64_FORMAT " bytes and no smaller ones; "
                   "let it take %d (nbdkit --filter=blocksize)",
                   smallest, BDRV_SECTOR_SIZE);
        return false;
    }
    if (nbd_is_read_only(h) == 1 && !bs->read_only) {
        if (!bs->auto_read_only) {
            error_setg(errp, "the NBD server exports '%s' for reading only; add read-only=on",
                       bs->filename);
            return false;
        }
        bs->read_only = true;
    }
    s->size = size;
    bs->length = size / BDRV_SECTOR_SIZE * BDRV_SECTOR_SIZE;
    s->can_flush = nbd_can_flush(h) == 1;
    s->can_trim = nbd_can_trim(h) == 1;
    s->can_zero = nbd_can_zero(h) == 1;
    s->nconns = nbd_can_multi_conn(h) == 1 ? NBD_CONNECTIONS : 1;
    return true;
}

static bool nbd_open(BlockNode *bs, const json_t *options, Error **errp)
{
    NbdState *s = g_new0(NbdState, 1);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->freed, NULL);
    /* The first connection tells whether there may be more; those are made when they are needed. */
    s->nconns = 1;
    bs->opaque = s;
    if (nbd_parse(s, options, errp)) {
        bs->filename = nbd_describe(s);
        s->conns[0] = nbd_connect_new(bs, s->open_timeout, errp);
    }
    if (!s->conns[0] || !nbd_learn(bs, s->conns[0], errp)) {
        nbd_close_node(bs);
        return false;
    }
    return true;
}

static uint64_t nbd_actual_size(BlockNode *bs)
{
    return bs->length;
}

static const char *const nbd_keys[] = {
    "uri", "server", "export", "host", "port", "path", "reconnect-delay", "open-timeout", NULL,
};

const BlockDriver block_driver_nbd = {
    .name = "nbd",
    .keys = nbd_keys,
    .is_protocol = true,
    .open = nbd_open,
    .close = nbd_close_node,
    .actual_size = nbd_actual_size,
    .preadv = nbd_preadv,
    .pwritev = nbd_pwritev,
    .flush = nbd_flush_all,
    .pdiscard = nbd_pdiscard,
    .pwrite_zeroes = nbd_pwrite_zeroes,
};
