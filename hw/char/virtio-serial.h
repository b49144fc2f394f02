/*
 * virtio-serial.h - the virtio serial device and its ports.
 *
 * Lobby, private to the two files. Machine lock held.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_HW_CHAR_VIRTIO_SERIAL_H
#define GODWIT_HW_CHAR_VIRTIO_SERIAL_H

#include "chardev/char.h"
#include "hw/virtio.h"

#define VIRTIO_SERIAL_MAX_PORTS 511     /* two queues each and two for control make 1024 */

enum { SERIAL_F_SIZE = 0, SERIAL_F_MULTIPORT = 1, SERIAL_F_EMERG_WRITE = 2 };
enum {                                  /* control events, section 5.3.6.2 */
    SERIAL_DEVICE_READY, SERIAL_PORT_ADD, SERIAL_PORT_REMOVE, SERIAL_PORT_READY,
    SERIAL_CONSOLE_PORT, SERIAL_RESIZE, SERIAL_PORT_OPEN, SERIAL_PORT_NAME,
};

typedef struct VirtIOSerialPort VirtIOSerialPort;

typedef struct VirtIOSerial {
    VirtIODevice vdev;
    uint32_t max_ports;
    bool emergency_write;
    VirtQueue *ctrl_in, *ctrl_out;
    VirtIOSerialPort **ports;           /* by number; NULL: none */
    VirtIOSerialPort *first;            /* in order of creation */
    GQueue messages;                    /* of GBytes: for the driver, which gave no buffer yet */
} VirtIOSerial;

struct VirtIOSerialPort {
    DeviceState parent;
    VirtIOSerial *bus;
    VirtIOSerialPort *next;
    Chardev *chr;                       /* NULL: output is lost */
    char *name;
    uint32_t nr;
    bool is_console;
    bool guest_connected, host_connected;
    bool host_open_sent;                /* what the driver knew of host_connected where it came from */
    VirtQueue *in, *out;                /* to and from the driver */
    VirtQueueElement *elem;             /* output of which `offset` bytes are written */
    uint64_t offset;
};

/* ---- virtio-serial-bus.c ---- */
/* Adds or removes a port; the driver is told. */
bool virtio_serial_add_port(VirtIOSerial *s, VirtIOSerialPort *port, Error **errp);
void virtio_serial_remove_port(VirtIOSerialPort *port);
/* The bus named ("ID.0"), or the last one created if name is NULL. */
VirtIOSerial *virtio_serial_find(Machine *m, const char *name, Error **errp);
/* Queues a control message; text may be NULL. Dropped if the driver has not taken MULTIPORT. */
void virtio_serial_send(VirtIOSerial *s, uint32_t port, uint16_t event, uint16_t value,
                        const char *text);

/* ---- virtio-console.c ---- */
extern const DeviceClass virtio_serial_class, virtconsole_class, virtserialport_class;
/* The driver sent something, or made room, or opened or closed its end. */
void virtio_port_handle_out(VirtIOSerialPort *port);
void virtio_port_handle_in(VirtIOSerialPort *port);
void virtio_port_set_guest_connected(VirtIOSerialPort *port, bool connected);
/* Device reset: forgets what is under way. */
void virtio_port_reset(VirtIOSerialPort *port);
/* One byte of the emergency write. */
void virtio_port_emergency(VirtIOSerialPort *port, uint8_t byte);

#endif
