/*
 * virtio-serial-bus.c - the virtio serial (console) device: ports, control messages, what migrates.
 *
 * Lobby, over hw/virtio.h.  Specification: VIRTIO 1.2, section 5.3.
 * Locks: machine lock, loop's thread.
 * Invariant: ports[n] is NULL or the port with nr == n, which uses queues 2n and 2n+1 (n = 0) or 2n+2 and
 * 2n+3; queues 2 and 3 carry control messages.
 *
 * Configuration space: 0 le16 columns, 2 le16 rows, 4 le32 most ports, 8 le32 emergency write.
 * A control message: le32 port, le16 event, le16 value; PORT_NAME is followed by the name.
 *
 * In the stream (QEMU's version 3), big-endian: u16 columns, u16 rows, u32 most ports, u32 bitmap[] of the
 * ports there are (port 0 always), u32 number of ports, each { u32 number, u8 guest open, u8 host open,
 * u32 output pending; if so u32 buffer, u64 offset in it, the request's element }.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "hw/char/virtio-serial.h"
#include "system/machine.h"
#include "system/runstate.h"
#include "util/iov.h"

enum { CONFIG_MAX_PORTS = 4, CONFIG_EMERG_WRITE = 8, CONFIG_LEN = 12, MESSAGE_LEN = 8 };
enum { QUEUE_SIZE = 128, CONTROL_QUEUE_SIZE = 32 };

#define MESSAGES_MAX 4096           /* waiting for the driver; what comes on top is lost */

/* ---- ports ---- */

static VirtIOSerialPort *port_of_queue(VirtIOSerial *s, unsigned index)
{
    return s->ports[index < 2 ? 0 : index / 2 - 1];
}

VirtIOSerial *virtio_serial_find(Machine *m, const char *name, Error **errp)
{
    VirtIOSerial *found = NULL;
    for (DeviceState *dev = qdev_first(m); dev; dev = dev->next) {
        if (dev->klass != &virtio_serial_class || !dev->realized) {
            continue;
        }
        g_autofree char *bus = g_strdup_printf("%s.0", dev->id ? dev->id : "virtio-serial-bus");
        if (!name || strcmp(name, bus) == 0) {
            found = (VirtIOSerial *)dev;
        }
    }
    if (!found && name) {
        error_setg(errp, "there is no bus '%s'; a virtio-serial-device with id=X has the bus X.0", name);
    } else if (!found) {
        error_setg(errp, "a port needs a virtio-serial-device before it on the command line");
    }
    return found;
}

/* The number that the user asked for, or the next free one; port 0 is a console's. */
static bool choose_number(VirtIOSerial *s, VirtIOSerialPort *port, Error **errp)
{
    if (port->nr != UINT32_MAX) {
        if (port->nr >= s->max_ports || s->ports[port->nr]) {
            error_setg(errp, "%s: port number %u is %s", port->parent.klass->name, port->nr,
                       port->nr >= s->max_ports ? "not below max_ports" : "taken");
            return false;
        }
        return true;
    }
    for (uint32_t n = port->is_console ? 0 : 1; n < s->max_ports; n++) {
        if (!s->ports[n]) {
            port->nr = n;
            return true;
        }
    }
    error_setg(errp, "%s: all %u ports of the virtio-serial-device are taken", port->parent.klass->name,
               s->max_ports);
    return false;
}

bool virtio_serial_add_port(VirtIOSerial *s, VirtIOSerialPort *port, Error **errp)
{
    if (!choose_number(s, port, errp)) {
        return false;
    }
    unsigned queue = port->nr == 0 ? 0 : 2 * port->nr + 2;
    VirtIOSerialPort **tail = &s->first;
    while (*tail) {
        tail = &(*tail)->next;
    }
    *tail = port;
    s->ports[port->nr] = port;
    port->bus = s;
    port->in = virtio_queue(&s->vdev, queue);
    port->out = virtio_queue(&s->vdev, queue + 1);
    virtio_serial_send(s, port->nr, SERIAL_PORT_ADD, 1, NULL);
    return true;
}

void virtio_serial_remove_port(VirtIOSerialPort *port)
{
    VirtIOSerial *s = port->bus;
    if (!s) {
        return;                     /* the bus went first */
    }
    virtio_port_reset(port);
    for (VirtIOSerialPort **p = &s->first; *p; p = &(*p)->next) {
        if (*p == port) {
            *p = port->next;
            break;
        }
    }
    s->ports[port->nr] = NULL;
    port->bus = NULL;
    virtio_serial_send(s, port->nr, SERIAL_PORT_REMOVE, 1, NULL);
}

/* ---- control messages ---- */

static void flush_messages(VirtIOSerial *s)
{
    bool pushed = false;
    if (!runstate_is_running(s->vdev.parent.machine)) {
        return;                     /* guest memory stands still; serial_vm_state comes back */
    }
    while (!g_queue_is_empty(&s->messages)) {
        VirtQueueElement *elem = virtqueue_pop(s->ctrl_in);
        if (!elem) {
            break;
        }
        GBytes *message = g_queue_pop_head(&s->messages);
        size_t len, done;
        const void *data = g_bytes_get_data(message, &len);
        done = iov_from_buf(elem->in_sg, elem->in_num, 0, data, len);
        virtqueue_push(s->ctrl_in, elem, done);
        g_bytes_unref(message);
        pushed = true;
    }
    if (pushed) {
        virtqueue_notify(s->ctrl_in);
    }
}

void virtio_serial_send(VirtIOSerial *s, uint32_t port, uint16_t event, uint16_t value,
                        const char *text)
{
    size_t text_len = text ? strlen(text) : 0;
    if (!virtio_has(&s->vdev, SERIAL_F_MULTIPORT) || !virtio_ready(&s->vdev) ||
        g_queue_get_length(&s->messages) >= MESSAGES_MAX) {
        return;
    }
    uint8_t *data = g_malloc(MESSAGE_LEN + text_len);
    port = GUINT32_TO_LE(port);
    event = GUINT16_TO_LE(event);
    value = GUINT16_TO_LE(value);
    memcpy(data, &port, 4);
    memcpy(data + 4, &event, 2);
    memcpy(data + 6, &value, 2);
    if (text_len) {
        memcpy(data + MESSAGE_LEN, text, text_len);
    }
    g_queue_push_tail(&s->messages, g_bytes_new_take(data, MESSAGE_LEN + text_len));
    flush_messages(s);
}

static void introduce_port(VirtIOSerial *s, VirtIOSerialPort *port)
{
    if (port->is_console) {
        virtio_serial_send(s, port->nr, SERIAL_CONSOLE_PORT, 1, NULL);
    }
    if (port->name) {
        virtio_serial_send(s, port->nr, SERIAL_PORT_NAME, 1, port->name);
    }
    if (port->host_connected) {
        virtio_serial_send(s, port->nr, SERIAL_PORT_OPEN, 1, NULL);
    }
}

static void handle_message(VirtIOSerial *s, uint32_t nr, uint16_t event, uint16_t value)
{
    if (event == SERIAL_DEVICE_READY) {
        for (VirtIOSerialPort *port = value ? s->first : NULL; port; port = port->next) {
            virtio_serial_send(s, port->nr, SERIAL_PORT_ADD, 1, NULL);
        }
        return;
    }
    VirtIOSerialPort *port = nr < s->max_ports ? s->ports[nr] : NULL;
    if (!port) {
        return;
    }
    if (event == SERIAL_PORT_READY && value) {
        introduce_port(s, port);
    } else if (event == SERIAL_PORT_OPEN) {
        virtio_port_set_guest_connected(port, value != 0);
    }
}

static void handle_ctrl_out(VirtIODevice *vdev, VirtQueue *vq)
{
    VirtIOSerial *s = (VirtIOSerial *)vdev;
    VirtQueueElement *elem;
    unsigned budget = VIRTQUEUE_BUDGET;
    bool pushed = false;
    while (budget > 0 && (elem = virtqueue_pop(vq))) {
        uint8_t raw[MESSAGE_LEN] = {0};
        uint32_t nr;
        uint16_t event, value;
        size_t got = iov_to_buf(elem->out_sg, elem->out_num, 0, raw, sizeof(raw));
        virtqueue_push(vq, elem, 0);
        pushed = true;
        budget--;
        if (got == sizeof(raw)) {
            memcpy(&nr, raw, 4);
            memcpy(&event, raw + 4, 2);
            memcpy(&value, raw + 6, 2);
            handle_message(s, GUINT32_FROM_LE(nr), GUINT16_FROM_LE(event), GUINT16_FROM_LE(value));
        }
    }
    if (pushed) {
        virtqueue_notify(vq);
    }
    if (budget == 0) {
        virtqueue_kick(vq);
    }
}

static void handle_ctrl_in(VirtIODevice *vdev, VirtQueue *vq)
{
    (void)vq;
    flush_messages((VirtIOSerial *)vdev);
}

static void handle_port_in(VirtIODevice *vdev, VirtQueue *vq)
{
    VirtIOSerialPort *port = port_of_queue((VirtIOSerial *)vdev, virtqueue_index(vq));
    if (port) {
        virtio_port_handle_in(port);
    }
}

/* Output to a port that does not exist is taken and lost. */
static void handle_port_out(VirtIODevice *vdev, VirtQueue *vq)
{
    VirtIOSerialPort *port = port_of_queue((VirtIOSerial *)vdev, virtqueue_index(vq));
    VirtQueueElement *elem;
    unsigned budget = VIRTQUEUE_BUDGET;
    if (port) {
        virtio_port_handle_out(port);
        return;
    }
    while (budget-- > 0 && (elem = virtqueue_pop(vq))) {
        virtqueue_push(vq, elem, 0);
        virtqueue_notify(vq);
    }
}

/* ---- device ---- */

static void serial_get_config(VirtIODevice *vdev, uint8_t *config)
{
    uint32_t ports = GUINT32_TO_LE(((VirtIOSerial *)vdev)->max_ports);
    memset(config, 0, CONFIG_LEN);
    memcpy(config + CONFIG_MAX_PORTS, &ports, 4);
}

static void serial_set_config(VirtIODevice *vdev, const uint8_t *config)
{
    VirtIOSerial *s = (VirtIOSerial *)vdev;
    for (VirtIOSerialPort *port = s->first; port && config[CONFIG_EMERG_WRITE]; port = port->next) {
        if (port->is_console && s->emergency_write) {
            virtio_port_emergency(port, config[CONFIG_EMERG_WRITE]);
            break;
        }
    }
}

static uint64_t serial_get_features(VirtIODevice *vdev, uint64_t features)
{
    const VirtIOSerial *s = (VirtIOSerial *)vdev;
    if (s->max_ports > 1) {
        features |= VIRTIO_BIT(SERIAL_F_MULTIPORT);
    }
    return s->emergency_write ? features | VIRTIO_BIT(SERIAL_F_EMERG_WRITE) : features;
}

static void drop_messages(VirtIOSerial *s)
{
    GBytes *message;
    while ((message = g_queue_pop_head(&s->messages))) {
        g_bytes_unref(message);
    }
}

static void serial_reset(VirtIODevice *vdev)
{
    VirtIOSerial *s = (VirtIOSerial *)vdev;
    for (VirtIOSerialPort *port = s->first; port; port = port->next) {
        virtio_port_reset(port);
    }
    drop_messages(s);
}

static void serial_vm_state(VirtIODevice *vdev, bool running)
{
    VirtIOSerial *s = (VirtIOSerial *)vdev;
    flush_messages(s);
    for (VirtIOSerialPort *port = running ? s->first : NULL; port; port = port->next) {
        virtio_port_handle_out(port);
        virtio_port_handle_in(port);
    }
}

/* ---- what migrates ---- */

/* Element and the place in it, as buffer number and offset within. */
static void save_pending(const VirtIOSerialPort *port, QEMUFile *f)
{
    uint64_t offset = port->offset;
    unsigned i = 0;
    while (i < port->elem->out_num && offset >= port->elem->out_sg[i].iov_len) {
        offset -= port->elem->out_sg[i++].iov_len;
    }
    qemu_put_be32(f, i);
    qemu_put_be64(f, offset);
    virtqueue_put_element(f, port->elem);
}

static bool serial_save(VirtIODevice *vdev, QEMUFile *f, Error **errp)
{
    const VirtIOSerial *s = (VirtIOSerial *)vdev;
    uint32_t count = 0;
    (void)errp;
    qemu_put_be16(f, 0);
    qemu_put_be16(f, 0);
    qemu_put_be32(f, s->max_ports);
    for (uint32_t base = 0; base < s->max_ports; base += 32) {
        uint32_t map = base == 0;
        for (uint32_t n = base; n < MIN(base + 32, s->max_ports); n++) {
            if (s->ports[n]) {
                map |= 1u << (n - base);
                count++;
            }
        }
        qemu_put_be32(f, map);
    }
    qemu_put_be32(f, count);
    for (const VirtIOSerialPort *port = s->first; port; port = port->next) {
        qemu_put_be32(f, port->nr);
        qemu_put_byte(f, port->guest_connected);
        qemu_put_byte(f, port->host_connected);
        qemu_put_be32(f, port->elem != NULL);
        if (port->elem) {
            save_pending(port, f);
        }
    }
    return true;
}

static bool load_pending(VirtIOSerialPort *port, QEMUFile *f, Error **errp)
{
    uint32_t buffer = qemu_get_be32(f);
    uint64_t offset = qemu_get_be64(f);
    if (port->elem) {
        error_setg(errp, "virtio-serial: port %u stands twice in the stream", port->nr);
        return false;
    }
    port->elem = virtqueue_get_element(f, port->out, errp);
    if (!port->elem) {
        return false;
    }
    for (unsigned i = 0; i < MIN(buffer, port->elem->out_num); i++) {
        offset += port->elem->out_sg[i].iov_len;
    }
    port->offset = MIN(offset, iov_size(port->elem->out_sg, port->elem->out_num));
    return true;
}

static bool load_port(VirtIOSerial *s, QEMUFile *f, Error **errp)
{
    uint32_t nr = qemu_get_be32(f);
    VirtIOSerialPort *port = nr < s->max_ports ? s->ports[nr] : NULL;
    if (!port) {
        error_setg(errp, "virtio-serial: port %u is in the stream and not here", nr);
        return false;
    }
    virtio_port_set_guest_connected(port, qemu_get_byte(f) != 0);
    bool host_was_connected = qemu_get_byte(f);
    port->host_open_sent = host_was_connected;
    return !qemu_get_be32(f) || load_pending(port, f, errp);
}

static bool serial_load(VirtIODevice *vdev, QEMUFile *f, int version_id, Error **errp)
{
    VirtIOSerial *s = (VirtIOSerial *)vdev;
    (void)version_id;
    qemu_get_be32(f);               /* columns and rows: never told to the driver */
    uint32_t max_ports = qemu_get_be32(f);
    if (max_ports != s->max_ports) {
        error_setg(errp, "virtio-serial: max_ports is %u in the stream and %u here", max_ports,
                   s->max_ports);
        return false;
    }
    for (uint32_t base = 0; base < max_ports; base += 32) {
        qemu_get_be32(f);           /* each port is named below */
    }
    uint32_t count = qemu_get_be32(f);
    if (count > max_ports) {
        error_setg(errp, "virtio-serial: %u ports in the stream, at most %u can be", count, max_ports);
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!load_port(s, f, errp)) {
            return false;
        }
    }
    return true;
}

/* The host's end may be open here and not there, or the other way round: the driver hears of it. */
static bool serial_post_load(VirtIODevice *vdev, const uint8_t *config, Error **errp)
{
    VirtIOSerial *s = (VirtIOSerial *)vdev;
    (void)config;
    (void)errp;
    for (VirtIOSerialPort *port = s->first; port; port = port->next) {
        if (port->host_open_sent != port->host_connected) {
            virtio_serial_send(s, port->nr, SERIAL_PORT_OPEN, port->host_connected, NULL);
        }
    }
    return true;
}

static const VMStateDescription vmstate_virtio_serial = {
    .name = "virtio-console",
    .version_id = 3,
    .minimum_version_id = 3,
    .save_blob = virtio_save_blob,
    .load_blob = virtio_load_blob,
};

/* ---- realize ---- */

static const VirtIODeviceOps serial_ops = {
    .device_id = VIRTIO_ID_CONSOLE,
    .defer = true,
    .get_features = serial_get_features,
    .get_config = serial_get_config,
    .set_config = serial_set_config,
    .reset = serial_reset,
    .vm_state = serial_vm_state,
    .save = serial_save,
    .load = serial_load,
    .post_load = serial_post_load,
};

static void serial_unrealize(DeviceState *dev)
{
    VirtIOSerial *s = (VirtIOSerial *)dev;
    while (s->first) {
        if (s->first->chr) {        /* a port without a bus moves no data */
            char_detach(s->first->chr, s->first);
            s->first->chr = NULL;
        }
        virtio_serial_remove_port(s->first);
    }
    drop_messages(s);
    virtio_cleanup(&s->vdev);
    g_clear_pointer(&s->ports, g_free);
}

static bool serial_realize(DeviceState *dev, Error **errp)
{
    VirtIOSerial *s = (VirtIOSerial *)dev;
    if (s->max_ports == 0 || s->max_ports > VIRTIO_SERIAL_MAX_PORTS) {
        error_setg(errp, "virtio-serial-device: max_ports=%u; right is 1 to %d", s->max_ports,
                   VIRTIO_SERIAL_MAX_PORTS);
        return false;
    }
    g_queue_init(&s->messages);
    s->ports = g_new0(VirtIOSerialPort *, s->max_ports);
    virtio_init(&s->vdev, &serial_ops, CONFIG_LEN, 2 * s->max_ports + 2);
    virtio_add_queue(&s->vdev, QUEUE_SIZE, handle_port_in);
    virtio_add_queue(&s->vdev, QUEUE_SIZE, handle_port_out);
    s->ctrl_in = virtio_add_queue(&s->vdev, CONTROL_QUEUE_SIZE, handle_ctrl_in);
    s->ctrl_out = virtio_add_queue(&s->vdev, CONTROL_QUEUE_SIZE, handle_ctrl_out);
    for (uint32_t n = 1; n < s->max_ports; n++) {
        virtio_add_queue(&s->vdev, QUEUE_SIZE, handle_port_in);
        virtio_add_queue(&s->vdev, QUEUE_SIZE, handle_port_out);
    }
    if (!virtio_plug(&s->vdev, errp)) {
        serial_unrealize(dev);
        return false;
    }
    return true;
}

static const Property serial_props[] = {
    {"max_ports", PROP_UINT32, offsetof(VirtIOSerial, max_ports), "31", "port numbers there are"},
    {"emergency-write", PROP_BOOL, offsetof(VirtIOSerial, emergency_write), "on",
     "offer a byte of output through the configuration space"},
    VIRTIO_COMMON_PROPS,
    {0},
};

const DeviceClass virtio_serial_class = {
    .name = "virtio-serial-device",
    .desc = "virtio serial bus for virtconsole and virtserialport",
    .parent = "virtio-device",
    .bus = "virtio-bus",
    .instance_size = sizeof(VirtIOSerial),
    .props = serial_props,
    .user_creatable = true,
    .realize = serial_realize,
    .unrealize = serial_unrealize,
    .reset = virtio_reset,
    .vmsd = &vmstate_virtio_serial,
};
