/*
 * virtio-console.c - the ports of a virtio serial device: virtconsole and virtserialport.
 *
 * Lobby, over virtio-serial-bus.c and chardev/char.h.  Specification: VIRTIO 1.2, section 5.3.
 * Locks: machine lock, loop's thread.
 * Invariant: output keeps its order: while the host end takes no more (port->elem is set), nothing is
 * taken from the out queue, and the driver feels the back-pressure.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "hw/char/virtio-serial.h"
#include "system/machine.h"
#include "system/runstate.h"
#include "util/event-sink.h"
#include "util/iov.h"

/* ---- from the guest ---- */

/* Writes what is left of port->elem; true when all of it went. */
static bool write_elem(VirtIOSerialPort *port)
{
    const VirtQueueElement *elem = port->elem;
    size_t skip = port->offset;
    for (unsigned i = 0; i < elem->out_num; i++) {
        const struct iovec *iov = &elem->out_sg[i];
        if (skip >= iov->iov_len) {
            skip -= iov->iov_len;
            continue;
        }
        size_t want = iov->iov_len - skip;
        size_t done = port->chr ? char_write(port->chr, (uint8_t *)iov->iov_base + skip, want) : want;
        port->offset += done;
        skip = 0;
        if (done < want) {
            return false;
        }
    }
    return true;
}

void virtio_port_handle_out(VirtIOSerialPort *port)
{
    unsigned budget = VIRTQUEUE_BUDGET;
    bool pushed = false;
    if (!runstate_is_running(port->bus->vdev.parent.machine)) {
        return;
    }
    while (budget > 0) {
        if (!port->elem) {
            port->elem = virtqueue_pop(port->out);
            port->offset = 0;
        }
        if (!port->elem || !write_elem(port)) {
            break;
        }
        virtqueue_push(port->out, port->elem, 0);
        port->elem = NULL;
        pushed = true;
        budget--;
    }
    if (pushed) {
        virtqueue_notify(port->out);
    }
    if (budget == 0) {
        virtqueue_kick(port->out);
    }
}

static void port_writable(void *opaque)
{
    virtio_port_handle_out(opaque);
}

void virtio_port_emergency(VirtIOSerialPort *port, uint8_t byte)
{
    if (port->chr) {
        char_write(port->chr, &byte, 1);
    }
}

/* ---- to the guest ---- */

/* The size of the next buffer that the driver lent, if it listens. */
static size_t port_can_receive(void *opaque)
{
    VirtIOSerialPort *port = opaque;
    VirtIODevice *vdev = &port->bus->vdev;
    bool listens = port->guest_connected || !virtio_has(vdev, SERIAL_F_MULTIPORT);
    if (!listens || !virtio_ready(vdev) || !runstate_is_running(vdev->parent.machine)) {
        return 0;
    }
    VirtQueueElement *elem = virtqueue_pop(port->in);
    if (!elem) {
        return 0;
    }
    size_t size = iov_size(elem->in_sg, elem->in_num);
    if (size == 0) {
        virtio_error(vdev, "virtio-serial: an input buffer without room");
    }
    virtqueue_unpop(port->in, elem);
    return size;
}

static void port_receive(void *opaque, const uint8_t *buf, size_t len)
{
    VirtIOSerialPort *port = opaque;
    while (len > 0) {
        VirtQueueElement *elem = virtqueue_pop(port->in);
        if (!elem) {
            break;                  /* the guest took its buffer back meanwhile */
        }
        size_t done = iov_from_buf(elem->in_sg, elem->in_num, 0, buf, len);
        virtqueue_push(port->in, elem, done);
        if (done == 0) {
            break;
        }
        buf += done;
        len -= done;
    }
    virtqueue_notify(port->in);
}

void virtio_port_handle_in(VirtIOSerialPort *port)
{
    if (port->chr) {
        char_accept_input(port->chr);
    }
}

/* ---- opening and closing ---- */

/* A virtconsole counts as connected always: a getty waits for no peer. */
static void port_event(void *opaque, ChardevEvent event)
{
    VirtIOSerialPort *port = opaque;
    bool open = event == CHR_EVENT_OPENED;
    if (port->is_console || (!open && event != CHR_EVENT_CLOSED) || open == port->host_connected) {
        return;
    }
    port->host_connected = open;
    virtio_serial_send(port->bus, port->nr, SERIAL_PORT_OPEN, open, NULL);
}

void virtio_port_set_guest_connected(VirtIOSerialPort *port, bool connected)
{
    if (port->guest_connected == connected) {
        return;
    }
    port->guest_connected = connected;
    if (port->chr && !port->is_console) {
        char_set_frontend_open(port->chr, connected);
    }
    if (port->parent.id && !port->is_console) {
        event_sink_emit(port->parent.machine->events, "VSERPORT_CHANGE",
                        json_pack("{s:s, s:b}", "id", port->parent.id, "open", (int)connected));
    }
    if (connected) {
        virtio_port_handle_in(port);
    }
}

void virtio_port_reset(VirtIOSerialPort *port)
{
    if (port->elem) {
        virtqueue_detach(port->out, port->elem);
        port->elem = NULL;
    }
    port->offset = 0;
    virtio_port_set_guest_connected(port, false);
}

/* ---- realize ---- */

static const CharFrontendOps port_ops = {
    .can_receive = port_can_receive,
    .receive = port_receive,
    .event = port_event,
    .writable = port_writable,
};

static bool port_realize(VirtIOSerialPort *port, Error **errp)
{
    DeviceState *dev = &port->parent;
    const char *bus_name = json_string_value(json_object_get(dev->options, "bus"));
    VirtIOSerial *bus = virtio_serial_find(dev->machine, bus_name, errp);
    if (!bus || !virtio_serial_add_port(bus, port, errp)) {
        return false;
    }
    port->host_connected = port->is_console || (port->chr && char_is_open(port->chr));
    if (port->chr && !char_attach(port->chr, dev->qom_path, &port_ops, port, errp)) {
        virtio_serial_remove_port(port);
        return false;
    }
    if (port->chr && port->is_console) {
        char_set_frontend_open(port->chr, true);
    }
    return true;
}

static bool virtconsole_realize(DeviceState *dev, Error **errp)
{
    VirtIOSerialPort *port = (VirtIOSerialPort *)dev;
    port->is_console = true;
    return port_realize(port, errp);
}

static bool virtserialport_realize(DeviceState *dev, Error **errp)
{
    VirtIOSerialPort *port = (VirtIOSerialPort *)dev;
    if (port->nr == 0) {
        error_setg(errp, "virtserialport: nr=0 is for a virtconsole; right is 1 or more");
        return false;
    }
    return port_realize(port, errp);
}

static void port_unrealize(DeviceState *dev)
{
    VirtIOSerialPort *port = (VirtIOSerialPort *)dev;
    if (port->chr) {
        char_detach(port->chr, port);
    }
    virtio_serial_remove_port(port);
}

static const Property port_props[] = {
    {"chardev", PROP_CHARDEV, offsetof(VirtIOSerialPort, chr), NULL, "the host end"},
    {"name", PROP_STRING, offsetof(VirtIOSerialPort, name), NULL,
     "what the guest finds it by, e.g. org.qemu.guest_agent.0"},
    {"nr", PROP_UINT32, offsetof(VirtIOSerialPort, nr), "4294967295",
     "port number; 4294967295: the next free one"},
    {0},
};

const DeviceClass virtconsole_class = {
    .name = "virtconsole",
    .desc = "console port of a virtio serial device",
    .parent = "virtio-serial-port",
    .bus = "virtio-serial-bus",
    .instance_size = sizeof(VirtIOSerialPort),
    .props = port_props,
    .user_creatable = true,
    .realize = virtconsole_realize,
    .unrealize = port_unrealize,
};

const DeviceClass virtserialport_class = {
    .name = "virtserialport",
    .desc = "named port of a virtio serial device",
    .parent = "virtio-serial-port",
    .bus = "virtio-serial-bus",
    .instance_size = sizeof(VirtIOSerialPort),
    .props = port_props,
    .user_creatable = true,
    .realize = virtserialport_realize,
    .unrealize = port_unrealize,
};
