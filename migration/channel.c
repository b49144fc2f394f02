/*
 * channel.c - the table of transports, addresses as URI or JSON, and what all channels have in common.
 *
 * Floor F2; below it the transports' own files.  No state; any thread.
 * Invariant: an address that migration_address_parse() returned has been checked by its transport, whichever
 * of the two forms it came in.
 *
 * Forms: "SCHEME:REST", or
 *   [{"channel-type": "main", "addr": {"transport": T [, "type": Y], key: value…}}]
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "io/socket.h"
#include "migration/channel-internal.h"

const MigrationTransport *const migration_transports[] = {
    &migration_transport_tcp,  &migration_transport_unix, &migration_transport_exec,
    &migration_transport_fd,   &migration_transport_file, &migration_transport_rdma,
    NULL,
};

/* ---- the table ---- */

static bool is_built(const MigrationTransport *t)
{
    return t->connect || t->listen;
}

/* "tcp:, unix:, …" of this build; the caller frees it. */
static char *built_list(void)
{
    GString *text = g_string_new(NULL);
    for (const MigrationTransport *const *t = migration_transports; *t; t++) {
        if (is_built(*t)) {
            g_string_append_printf(text, "%s%s:", text->len ? ", " : "", (*t)->scheme);
        }
    }
    return g_string_free(text, FALSE);
}

static bool not_built(const MigrationTransport *t, Error **errp)
{
    g_autofree char *list = built_list();
    error_setg(errp, "migration over %s: is not built into this program; it has %s", t->scheme, list);
    return false;
}

/* ---- addresses ---- */

/* What follows "scheme:", or NULL. */
static const char *behind_scheme(const char *uri, const char *scheme)
{
    size_t len = scheme ? strlen(scheme) : 0;
    return len && strncmp(uri, scheme, len) == 0 && uri[len] == ':' ? uri + len + 1 : NULL;
}

static const MigrationTransport *find_scheme(const char *uri, const char **rest)
{
    for (const MigrationTransport *const *t = migration_transports; *t; t++) {
        *rest = behind_scheme(uri, (*t)->scheme);
        if (!*rest) {
            *rest = behind_scheme(uri, (*t)->old_scheme);
        }
        if (*rest) {
            return *t;
        }
    }
    return NULL;
}

static bool parse_uri(MigrationAddress *address, const char *uri, Error **errp)
{
    const char *rest;
    const MigrationTransport *t = find_scheme(uri, &rest);
    if (!t) {
        g_autofree char *list = built_list();
        error_setg(errp, "unknown migration protocol: %.80s (there are %s)", uri, list);
        return false;
    }
    address->transport = t;
    address->args = json_object();
    return is_built(t) ? t->parse(rest, address->args, errp) && t->check(address->args, errp)
                       : not_built(t, errp);
}

static const MigrationTransport *find_addr(const json_t *addr, Error **errp)
{
    const char *transport = migration_args_str(addr, "transport"), *type = migration_args_str(addr, "type");
    for (const MigrationTransport *const *t = migration_transports; *t; t++) {
        if (g_strcmp0((*t)->transport, transport) == 0 && (!(*t)->type || g_strcmp0((*t)->type, type) == 0)) {
            return *t;
        }
    }
    if (!transport) {
        error_setg(errp, "'channels': 'addr' has no 'transport'; it is socket, exec, file or rdma");
    } else if (strcmp(transport, "socket") == 0) {
        error_setg(errp, "'channels': socket type '%.40s' is not known; it is inet, unix or fd",
                   type ? type : "");
    } else {
        error_setg(errp, "'channels': transport '%.40s' is not known; it is socket, exec, file or rdma", transport);
    }
    return NULL;
}

/* The addr of the one main channel; borrowed. */
static json_t *main_addr(json_t *channels, Error **errp)
{
    if (!json_is_array(channels) || json_array_size(channels) != 1) {
        error_setg(errp, "'channels' must be a list with exactly one entry, of channel-type 'main'");
        return NULL;
    }
    static const MigrationArg keys[] = {
        { "channel-type", JSON_STRING, true }, { "addr", JSON_OBJECT, true }, { NULL },
    };
    json_t *channel = json_array_get(channels, 0);
    if (!migration_args_check(channel, keys, "'channels'", errp)) {
        return NULL;
    }
    const char *type = migration_args_str(channel, "channel-type");
    if (strcmp(type, "main") != 0) {
        error_setg(errp, "'channels': channel-type '%.40s' is not supported, only 'main'", type);
        return NULL;
    }
    return json_object_get(channel, "addr");
}

static bool parse_channels(MigrationAddress *address, json_t *channels, Error **errp)
{
    json_t *addr = main_addr(channels, errp);
    const MigrationTransport *t = addr ? find_addr(addr, errp) : NULL;
    if (!t) {
        return false;
    }
    address->transport = t;
    if (!is_built(t)) {
        return not_built(t, errp);
    }
    address->args = json_copy(addr);
    json_object_del(address->args, "transport");
    if (t->type) {
        json_object_del(address->args, "type");
    }
    if (!t->check(address->args, errp)) {
        return false;
    }
    g_autofree char *text = t->text(address->args);
    address->uri = g_strdup_printf("%s:%s", t->scheme, text);
    return true;
}

MigrationAddress *migration_address_parse(const char *uri, json_t *channels, Error **errp)
{
    if (uri && channels) {
        error_setg(errp, "'uri' and 'channels' arguments are mutually exclusive; exactly one of the two "
                         "should be present");
        return NULL;
    }
    if (!uri && !channels) {
        error_setg(errp, "need either 'uri' or 'channels' argument");
        return NULL;
    }
    MigrationAddress *address = g_new0(MigrationAddress, 1);
    address->uri = g_strdup(uri);
    if (!(uri ? parse_uri(address, uri, errp) : parse_channels(address, channels, errp))) {
        migration_address_free(address);
        return NULL;
    }
    return address;
}

void migration_address_free(MigrationAddress *address)
{
    if (address) {
        g_free(address->uri);
        json_decref(address->args);
        g_free(address);
    }
}

const char *migration_address_fd_name(const MigrationAddress *address)
{
    if (address->transport != &migration_transport_fd) {
        return NULL;
    }
    const char *name = migration_args_str(address->args, "str");
    return g_ascii_isdigit(name[0]) ? NULL : name;
}

/* ---- arguments ---- */

bool migration_args_set_inet(json_t *args, const char *text, const char *scheme, Error **errp)
{
    SocketAddress *address = socket_address_new_inet(text, errp);
    if (!address) {
        return false;
    }
    bool ok = json_object_set_new(args, "host", json_string(address->host)) == 0 &&
              json_object_set_new(args, "port", json_string(address->port)) == 0;
    socket_address_free(address);
    if (!ok) {
        error_setg(errp, "%s: the address is not UTF-8", scheme);
    }
    return ok;
}

bool migration_args_check_inet(const json_t *args, const char *scheme, Error **errp)
{
    const char *host = migration_args_str(args, "host"), *port = migration_args_str(args, "port");
    guint64 number;
    if (strchr(host, ',')) {
        error_setg(errp, "%s: host '%s' is no name and no address: it contains a comma", scheme, host);
    } else if (!port[0] || strlen(port) > 32 || strchr(port, ',')) {
        error_setg(errp, "%s: a port number or service name is expected, as in HOST:PORT, and no more", scheme);
    } else if (g_ascii_isdigit(port[0]) && !g_ascii_string_to_unsigned(port, 10, 0, 65535, &number, NULL)) {
        error_setg(errp, "%s: port '%s' is not a number from 0 to 65535", scheme, port);
    } else {
        return true;
    }
    return false;
}

const char *migration_args_str(const json_t *args, const char *key)
{
    return json_string_value(json_object_get(args, key));
}

static const char *type_name(json_type type)
{
    switch (type) {
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
        return "an integer";
    case JSON_ARRAY:
        return "a list";
    case JSON_OBJECT:
        return "an object";
    default:
        return "true or false";
    }
}

static bool check_value(const json_t *value, const MigrationArg *arg, const char *what, Error **errp)
{
    bool fits = arg->type == JSON_TRUE ? json_is_boolean(value) : json_typeof(value) == arg->type;
    if (!fits) {
        error_setg(errp, "%s: '%s' must be %s", what, arg->key, type_name(arg->type));
        return false;
    }
    if (json_is_string(value) && strlen(json_string_value(value)) != json_string_length(value)) {
        error_setg(errp, "%s: '%s' must not have a NUL byte", what, arg->key);
        return false;
    }
    return true;
}

static const MigrationArg *find_arg(const MigrationArg *list, const char *key)
{
    while (list->key && strcmp(list->key, key) != 0) {
        list++;
    }
    return list->key ? list : NULL;
}

bool migration_args_check(const json_t *args, const MigrationArg *list, const char *what, Error **errp)
{
    const char *key;
    json_t *value;
    if (!json_is_object(args)) {
        error_setg(errp, "%s: an object is expected", what);
        return false;
    }
    json_object_foreach((json_t *)args, key, value) {
        const MigrationArg *arg = find_arg(list, key);
        if (!arg) {
            error_setg(errp, "%s: '%.40s' is unexpected", what, key);
            return false;
        }
        if (!check_value(value, arg, what, errp)) {
            return false;
        }
    }
    for (const MigrationArg *arg = list; arg->key; arg++) {
        if (arg->required && !json_object_get(args, arg->key)) {
            error_setg(errp, "%s: '%s' is missing", what, arg->key);
            return false;
        }
    }
    return true;
}

/* ---- opening ---- */

MigrationChannel *migration_connect(const MigrationAddress *address, const MigrationConnectContext *ctx,
                                    Error **errp)
{
    if (!address->transport->connect) {
        not_built(address->transport, errp);
        return NULL;
    }
    return address->transport->connect(address, ctx, errp);
}

MigrationListener *migration_listen(const MigrationAddress *address, const MigrationConnectContext *ctx,
                                    Error **errp)
{
    if (!address->transport->listen) {
        not_built(address->transport, errp);
        return NULL;
    }
    return address->transport->listen(address, ctx, errp);
}

MigrationChannel *migration_accept(MigrationListener *l, int cancel_fd, Error **errp)
{
    return l->ops->accept(l, cancel_fd, errp);
}

void migration_listener_free(MigrationListener *l)
{
    if (l) {
        l->ops->free(l);
    }
}

bool migration_wait_fd(int fd, short events, int cancel_fd, int timeout_ms, const char *doing, Error **errp)
{
    struct pollfd p[2] = { { .fd = fd, .events = events }, { .fd = cancel_fd, .events = POLLIN } };
    while (poll(p, 2, timeout_ms) < 0) {
        if (errno != EINTR) {
            error_setg_errno(errp, errno, "%s", doing);
            return false;
        }
    }
    if (p[1].revents) {
        error_setg(errp, "%s was cancelled", doing);
        return false;
    }
    return true;
}

/* ---- listeners that need not wait ---- */

typedef struct ReadyListener {
    MigrationListener parent;
    MigrationChannel *ch;
} ReadyListener;

static MigrationChannel *ready_accept(MigrationListener *l, int cancel_fd, Error **errp)
{
    ReadyListener *ready = (ReadyListener *)l;
    if (!ready->ch) {
        error_setg(errp, "%s has been used already", l->name);
    }
    return g_steal_pointer(&ready->ch);
}

static void ready_free(MigrationListener *l)
{
    ReadyListener *ready = (ReadyListener *)l;
    if (ready->ch) {
        migration_channel_shutdown(ready->ch);
        migration_channel_close(ready->ch, NULL);
    }
    g_free(l->name);
    g_free(l);
}

MigrationListener *migration_listener_new_ready(MigrationChannel *ch)
{
    static const MigrationListenerOps ops = { .accept = ready_accept, .free = ready_free };
    ReadyListener *ready = g_new0(ReadyListener, 1);
    ready->parent.ops = &ops;
    ready->parent.name = g_strdup(ch->name);
    ready->ch = ch;
    return &ready->parent;
}

/* ---- channels ---- */

bool migration_channel_finish(MigrationChannel *ch, Error **errp)
{
    if (ch->finished) {
        return true;
    }
    ch->finished = true;
    return !ch->ops->finish || ch->ops->finish(ch, errp);
}

void migration_channel_shutdown(MigrationChannel *ch)
{
    ch->ops->shutdown(ch);
}

bool migration_channel_close(MigrationChannel *ch, Error **errp)
{
    Error *err = NULL;
    bool finished = migration_channel_finish(ch, &err);
    bool closed = ch->ops->close(ch, err ? NULL : &err);
    error_propagate(errp, err);
    return finished && closed;
}
