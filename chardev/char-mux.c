/*
 * char-mux.c - one terminal for several users: the Ctrl-A commands of mon:stdio.
 *
 * Lobby, private to chardev/.  Main loop's thread, machine lock held.
 * Invariant: an escape is obeyed even while the front end in focus takes no input.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "block/block.h"
#include "chardev/char-priv.h"
#include "system/runstate.h"

#define CTRL_A 0x01

static const char mux_help[] =
    "\r\n"
    "Ctrl-A h    this help\r\n"
    "Ctrl-A x    end the emulator\r\n"
    "Ctrl-A s    write cached disk data to the images\r\n"
    "Ctrl-A b    send a break\r\n"
    "Ctrl-A c    turn to the next user of this terminal (console, monitor)\r\n"
    "Ctrl-A Ctrl-A  send Ctrl-A\r\n";

static const char mux_bye[] = "Godwit: terminated\r\n";

void char_mux_set_focus(Chardev *chr, unsigned focus)
{
    CharFrontend *from = &chr->frontends[chr->focus], *to = &chr->frontends[focus];
    if (from->ops && from->ops->event) {
        from->ops->event(from->opaque, CHR_EVENT_MUX_OUT);
    }
    chr->focus = focus;
    g_byte_array_set_size(chr->held, 0);
    if (to->ops && to->ops->event) {
        to->ops->event(to->opaque, CHR_EVENT_MUX_IN);
    }
}

static void next_focus(Chardev *chr)
{
    for (unsigned i = 1; i < CHAR_FRONTENDS_MAX; i++) {
        unsigned candidate = (chr->focus + i) % CHAR_FRONTENDS_MAX;
        if (chr->frontends[candidate].ops) {
            char_mux_set_focus(chr, candidate);
            return;
        }
    }
}

static void command(Chardev *chr, uint8_t byte)
{
    switch (byte) {
    case 'h':
    case '?':
        char_write_all(chr, (const uint8_t *)mux_help, strlen(mux_help));
        break;
    case 'x':
        char_write_all(chr, (const uint8_t *)mux_bye, strlen(mux_bye));
        system_shutdown_request(chr->machine, SHUTDOWN_CAUSE_HOST_UI, 0);
        break;
    case 's':
        block_flush_all(chr->machine);
        break;
    case 'b':
        chardev_break(chr);
        break;
    case 'c':
        next_focus(chr);
        break;
    default:
        break;
    }
}

/* Beyond the limit a guest that takes nothing loses what is typed at it; escapes still work. */
static void hold(Chardev *chr, uint8_t byte)
{
    if (chr->held->len < CHAR_MUX_HELD_MAX) {
        g_byte_array_append(chr->held, &byte, 1);
    }
}

void char_mux_deliver(Chardev *chr)
{
    CharFrontend *fe = &chr->frontends[chr->focus];
    while (fe->ops && chr->held->len) {
        uint8_t bytes[256];
        size_t n = MIN(fe->ops->can_receive(fe->opaque), MIN(chr->held->len, sizeof(bytes)));
        if (n == 0) {
            return;
        }
        /* The front end may turn the mux to another one, which empties held. */
        memcpy(bytes, chr->held->data, n);
        g_byte_array_remove_range(chr->held, 0, (guint)n);
        fe->ops->receive(fe->opaque, bytes, n);
    }
}

void char_mux_receive(Chardev *chr, const uint8_t *buf, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (chr->escape_seen) {
            chr->escape_seen = false;
            if (buf[i] == CTRL_A) {
                hold(chr, CTRL_A);
            } else {
                char_mux_deliver(chr);
                command(chr, buf[i]);
            }
        } else if (buf[i] == CTRL_A) {
            chr->escape_seen = true;
        } else {
            hold(chr, buf[i]);
        }
    }
    char_mux_deliver(chr);
}
