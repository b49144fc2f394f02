/*
 * slirp-options.c - reads the options of -netdev user: addresses, names, forwarded ports.
 *
 * Lobby; below it keyval.  No state.
 * Invariant: the addresses that come out are in the virtual network and differ from each other.
 * Format owned: net=ADDR[/BITS|/MASK]; hostfwd=[tcp|udp]:[HOSTADDR]:HOSTPORT-[GUESTADDR]:GUESTPORT,
 * which may stand several times (a list in JSON, of strings or of {"str": …}); dnssearch likewise.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "net/slirp-options.h"

#include <arpa/inet.h>
#include <string.h>

#include "util/keyval.h"

/* Places of the gateway, the name server and the first guest in the virtual network. */
#define HOST_PLACE 2
#define DNS_PLACE 3
#define DHCP_PLACE 15

static const char *const known_keys[] = {
    "type",
    "id",
    "ipv4",
    "ipv6",
    "net",
    "host",
    "restrict",
    "hostname",
    "domainname",
    "dns",
    "dnssearch",
    "dhcpstart",
    "ipv6-prefix",
    "ipv6-prefixlen",
    "ipv6-host",
    "ipv6-dns",
    "tftp",
    "bootfile",
    "tftp-server-name",
    "hostfwd",
    "guestfwd",
    "smb",
    "smbserver",
    NULL,
};

static bool parse_mask(const char *text, struct in_addr *mask)
{
    uint64_t bits;
    if (keyval_parse_uint(text, 32, &bits, NULL)) {
        mask->s_addr = bits ? htonl(UINT32_MAX << (32 - bits)) : 0;
        return bits >= 1 && bits <= 27;
    }
    if (inet_pton(AF_INET, text, mask) != 1) {
        return false;
    }
    uint32_t inverse = ~ntohl(mask->s_addr);
    /* Ones, then zeroes, with room for DHCP_PLACE guests. */
    return (inverse & (inverse + 1)) == 0 && inverse >= 31 && mask->s_addr != 0;
}

static bool read_net(SlirpOptions *o, const json_t *options, Error **errp)
{
    const char *text = "10.0.2.0/24";
    if (!keyval_get_str(options, "net", &text, errp)) {
        return false;
    }
    g_auto(GStrv) parts = g_strsplit(text, "/", 2);
    if (!parts[0] || inet_pton(AF_INET, parts[0], &o->net) != 1) {
        error_setg(errp, "net=%s: not an IPv4 network such as 10.0.2.0/24", text);
        return false;
    }
    uint32_t address = ntohl(o->net.s_addr);
    /* Without a mask the address's class decides. */
    o->mask.s_addr = htonl(!(address >> 31)       ? 0xff000000
                           : !(address >> 30 & 1) ? 0xffff0000
                                                  : 0xffffff00);
    if (parts[1] && !parse_mask(parts[1], &o->mask)) {
        error_setg(errp,
                   "net=%s: the mask is a number of bits from 1 to 27, or as in 255.255.255.0",
                   text);
        return false;
    }
    /* An address inside the network names it just as well. */
    o->net.s_addr &= o->mask.s_addr;
    return true;
}

/* An address of the virtual network: what key says, or the one at that place. */
static bool read_address(const SlirpOptions *o, const json_t *options, const char *key,
                         unsigned place, struct in_addr *out, Error **errp)
{
    const char *text = NULL;
    out->s_addr = o->net.s_addr | htonl(place);
    if (!keyval_get_str(options, key, &text, errp)) {
        return false;
    }
    if (text && inet_pton(AF_INET, text, out) != 1) {
        error_setg(errp, "%s=%s: not an IPv4 address", key, text);
        return false;
    }
    if ((out->s_addr & o->mask.s_addr) != o->net.s_addr) {
        error_setg(errp, "%s=%s is not in the virtual network", key, text);
        return false;
    }
    return true;
}

static bool read_ipv4(SlirpOptions *o, const json_t *options, Error **errp)
{
    if (!read_net(o, options, errp) ||
        !read_address(o, options, "host", HOST_PLACE, &o->host, errp) ||
        !read_address(o, options, "dns", DNS_PLACE, &o->dns, errp) ||
        !read_address(o, options, "dhcpstart", DHCP_PLACE, &o->dhcp_start, errp)) {
        return false;
    }
    if (o->dns.s_addr == o->host.s_addr || o->dhcp_start.s_addr == o->host.s_addr ||
        o->dhcp_start.s_addr == o->dns.s_addr) {
        error_setg(errp, "host, dns and dhcpstart must be three different addresses");
        return false;
    }
    return true;
}

static bool read_address6(const json_t *options, const char *key, const char *standard,
                          struct in6_addr *out, Error **errp)
{
    const char *text = standard;
    if (!keyval_get_str(options, key, &text, errp)) {
        return false;
    }
    if (inet_pton(AF_INET6, text, out) != 1) {
        error_setg(errp, "%s=%s: not an IPv6 address", key, text);
        return false;
    }
    return true;
}

static bool read_ipv6(SlirpOptions *o, const json_t *options, Error **errp)
{
    uint64_t length = 64;
    if (!read_address6(options, "ipv6-prefix", "fec0::", &o->prefix6, errp) ||
        !keyval_get_uint(options, "ipv6-prefixlen", 126, &length, errp)) {
        return false;
    }
    o->prefix6_len = length;
    /* Places 2 and 3 of the prefix. */
    o->host6 = o->dns6 = o->prefix6;
    o->host6.s6_addr[15] |= HOST_PLACE;
    o->dns6.s6_addr[15] |= DNS_PLACE;
    char host[INET6_ADDRSTRLEN], dns[INET6_ADDRSTRLEN];
    inet_ntop(AF_INET6, &o->host6, host, sizeof(host));
    inet_ntop(AF_INET6, &o->dns6, dns, sizeof(dns));
    return read_address6(options, "ipv6-host", host, &o->host6, errp) &&
           read_address6(options, "ipv6-dns", dns, &o->dns6, errp);
}

/* ---- lists ---- */

/* A string or {"str": …}; NULL if it is neither. */
/* -netdev user,hostfwd=… gives strings, QMP's netdev_add objects. */
static const char *list_text(const json_t *item)
{
    return json_string_value(json_is_object(item) ? json_object_get(item, "str") : item);
}

typedef bool ListFunc(SlirpOptions *o, const char *text, Error **errp);

static bool read_list(SlirpOptions *o, const json_t *options, const char *key, ListFunc *add,
                      Error **errp)
{
    const json_t *list = json_object_get(options, key);
    size_t n = json_is_array(list) ? json_array_size(list) : list ? 1 : 0;
    for (size_t i = 0; i < n; i++) {
        const char *text = list_text(json_is_array(list) ? json_array_get(list, i) : list);
        if (!text) {
            error_setg(errp, "Parameter '%s' expects a string or a list of strings", key);
            return false;
        }
        if (!add(o, text, errp)) {
            return false;
        }
    }
    return true;
}

static bool add_dnssearch(SlirpOptions *o, const char *text, Error **errp)
{
    (void)errp;
    if (!o->dnssearch) {
        o->dnssearch = g_ptr_array_new();
    }
    g_ptr_array_add(o->dnssearch, (void *)text);
    return true;
}

/* "ADDR:PORT" or ":PORT"; standard is taken for an empty address. */
static bool parse_endpoint(const char *text, struct in_addr standard, struct in_addr *address,
                           uint16_t *port)
{
    const char *colon = strrchr(text, ':');
    uint64_t number;
    if (!colon || !keyval_parse_uint(colon + 1, 65535, &number, NULL)) {
        return false;
    }
    g_autofree char *host = g_strndup(text, colon - text);
    *port = number;
    *address = standard;
    return !host[0] || inet_pton(AF_INET, host, address) == 1;
}

bool slirp_forward_parse(const SlirpOptions *o, const char *text, SlirpForward *forward,
                         Error **errp)
{
    struct in_addr any = { .s_addr = htonl(INADDR_ANY) };
    /* The first colon ends the protocol, the first dash the host's side. */
    const char *colon = strchr(text, ':'), *dash = strchr(text, '-');
    memset(forward, 0, sizeof(*forward));
    if (colon && dash && dash > colon) {
        g_autofree char *protocol = g_strndup(text, colon - text);
        g_autofree char *host = g_strndup(colon + 1, dash - colon - 1);
        forward->udp = strcmp(protocol, "udp") == 0;
        if ((forward->udp || !protocol[0] || strcmp(protocol, "tcp") == 0) &&
            parse_endpoint(host, any, &forward->host, &forward->host_port) &&
            parse_endpoint(dash + 1, o->dhcp_start, &forward->guest, &forward->guest_port) &&
            forward->guest_port != 0) {
            return true;
        }
    }
    error_setg(errp, "Invalid host forwarding rule '%s'; it is written "
               "[tcp|udp]:[HOSTADDR]:HOSTPORT-[GUESTADDR]:GUESTPORT", text);
    return false;
}

static bool add_forward(SlirpOptions *o, const char *text, Error **errp)
{
    SlirpForward forward;
    if (!slirp_forward_parse(o, text, &forward, errp)) {
        return false;
    }
    g_array_append_val(o->forwards, forward);
    return true;
}

/* ---- all of it ---- */

static bool refuse_absent(const json_t *options, Error **errp)
{
    if (json_object_get(options, "guestfwd")) {
        error_setg(errp,
                   "guestfwd is not available; let a server listen on the host's loopback, which "
                   "the guest reaches at the address host= (10.0.2.2)");
        return false;
    }
    if (json_object_get(options, "smb") || json_object_get(options, "smbserver")) {
        error_setg(errp,
                   "smb is not available; let a file server listen on the host's loopback, which "
                   "the guest reaches at the address host= (10.0.2.2)");
        return false;
    }
    return true;
}

bool slirp_options_read(SlirpOptions *o, const json_t *options, Error **errp)
{
    memset(o, 0, sizeof(*o));
    o->forwards = g_array_new(FALSE, FALSE, sizeof(SlirpForward));
    if (!keyval_check_known(options, known_keys, "netdev user", errp) ||
        !refuse_absent(options, errp)) {
        return false;
    }
    /* Whether a family is on depends on what was said of the other one. */
    bool any_given = json_object_get(options, "ipv4") || json_object_get(options, "ipv6");
    o->ipv4 = o->ipv6 = true;
    if (!keyval_get_bool(options, "ipv4", &o->ipv4, errp) ||
        !keyval_get_bool(options, "ipv6", &o->ipv6, errp) ||
        !keyval_get_bool(options, "restrict", &o->restricted, errp)) {
        return false;
    }
    /* One switched on alone means the other off. */
    if (any_given && o->ipv4 && !json_object_get(options, "ipv4")) {
        o->ipv4 = !o->ipv6;
    } else if (any_given && o->ipv6 && !json_object_get(options, "ipv6")) {
        o->ipv6 = !o->ipv4;
    }
    if (!o->ipv4 && !o->ipv6) {
        error_setg(errp, "IPv4 and IPv6 are both disabled; one of ipv4=on and ipv6=on is needed");
        return false;
    }
    return read_ipv4(o, options, errp) && read_ipv6(o, options, errp) &&
           keyval_get_str(options, "hostname", &o->hostname, errp) &&
           keyval_get_str(options, "domainname", &o->domainname, errp) &&
           keyval_get_str(options, "tftp", &o->tftp, errp) &&
           keyval_get_str(options, "bootfile", &o->bootfile, errp) &&
           keyval_get_str(options, "tftp-server-name", &o->tftp_server_name, errp) &&
           read_list(o, options, "dnssearch", add_dnssearch, errp) &&
           read_list(o, options, "hostfwd", add_forward, errp);
}

void slirp_options_clear(SlirpOptions *o)
{
    if (o->dnssearch) {
        g_ptr_array_unref(o->dnssearch);
    }
    if (o->forwards) {
        g_array_unref(o->forwards);
    }
    memset(o, 0, sizeof(*o));
}
