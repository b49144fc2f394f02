/*
 * slirp-options.h - the options of -netdev user, read and checked.
 *
 * Lobby, private to net/.  Knows nothing of libslirp.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_NET_SLIRP_OPTIONS_H
#define GODWIT_NET_SLIRP_OPTIONS_H

#include <jansson.h>
#include <netinet/in.h>
#include <stdbool.h>

#include "util/error.h"

/* A port of the host that leads to a port of the guest. */
typedef struct SlirpForward {
    bool udp;
    struct in_addr host, guest;
    uint16_t host_port, guest_port;
} SlirpForward;

/* Texts belong to the JSON object that was read. */
typedef struct SlirpOptions {
    bool ipv4, ipv6, restricted;
    struct in_addr net, mask, host, dns, dhcp_start;
    struct in6_addr prefix6, host6, dns6;
    uint8_t prefix6_len;
    const char *hostname, *domainname, *tftp, *bootfile, *tftp_server_name;
    GPtrArray *dnssearch;       /* of const char *, NULL-terminated; NULL if there is none */
    GArray *forwards;           /* of SlirpForward */
} SlirpOptions;

/* False with *errp set; slirp_options_clear() is needed in either case. */
bool slirp_options_read(SlirpOptions *o, const json_t *options, Error **errp);
void slirp_options_clear(SlirpOptions *o);
/* "tcp::5555-10.0.2.15:22"; o gives the guest's default address. */
bool slirp_forward_parse(const SlirpOptions *o, const char *text, SlirpForward *forward,
                         Error **errp);

#endif
