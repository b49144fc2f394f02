/*
 * vnc-off.c - stands in for vnc.c in a build without libvncserver.
 *
 * Lobby.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "ui/console.h"

bool ui_vnc_start(Machine *m, const char *options, Error **errp)
{
    if (strcmp(options, "none") == 0) {
        return true;
    }
    error_setg(errp, "this build has no VNC server: it needs libvncserver (Debian package "
               "libvncserver-dev)");
    return false;
}
