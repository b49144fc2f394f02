/*
 * virtio.c - the part that all virtio devices share: status, features, configuration, notifications.
 *
 * Lobby, over system/ and hw/qdev.h.  Specification: VIRTIO 1.2, sections 2.1 to 2.5.
 * Locks: machine lock throughout. Notifications arrive on vCPU threads; a device that says `defer`
 * gets them in a bottom half instead, except with -icount, where order must not depend on the host.
 * Invariants: a handler runs only while the machine runs (what arrives before is remembered in
 * VirtQueue.kicked); a broken device touches no ring until it is reset.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <inttypes.h>
#include <string.h>

#include "hw/virtio/virtio-internal.h"
#include "system/machine.h"
#include "system/runstate.h"
#include "trace/hw-virtio.h"

static bool is_legacy(const VirtIODevice *vdev)
{
    return vdev->transport && vdev->transport->is_legacy(vdev->transport);
}

/* ---- interrupts ---- */

void virtio_raise(VirtIODevice *vdev, uint8_t isr_bit)
{
    vdev->isr |= isr_bit;
    if (vdev->transport) {
        vdev->transport->update_irq(vdev->transport);
    }
}

void virtio_notify_config(VirtIODevice *vdev)
{
    vdev->config_generation++;
    if (vdev->status & VIRTIO_STATUS_DRIVER_OK) {
        virtio_raise(vdev, 2);
    }
}

void virtio_error(VirtIODevice *vdev, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    g_autofree char *text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    trace_virtio_error(vdev->parent.klass->name, text);
    if (vdev->broken) {
        return;
    }
    vdev->broken = true;
    if (virtio_has(vdev, VIRTIO_F_VERSION_1)) {
        vdev->status |= VIRTIO_STATUS_NEEDS_RESET;
        virtio_notify_config(vdev);
    }
}

/* ---- queue handlers ---- */

/* Each kicked queue once, in order of index; a handler may kick again. */
static void run_handlers(VirtIODevice *vdev)
{
    for (unsigned i = 0; i < vdev->nvqs; i++) {
        VirtQueue *vq = &vdev->vqs[i];
        if (!vq->kicked || !runstate_is_running(vdev->parent.machine)) {
            continue;
        }
        vq->kicked = false;
        if (vq->handler && !vdev->broken && virtqueue_ready(vq)) {
            vq->handler(vdev, vq);
        }
    }
}

static void run_handlers_bh(void *opaque)
{
    run_handlers(opaque);
}

void virtio_run_kicked(VirtIODevice *vdev)
{
    if (vdev->ops->defer && !vdev->parent.machine->config->icount) {
        qemu_bh_schedule(vdev->bh);
    } else {
        run_handlers(vdev);
    }
}

void virtio_queue_notify(VirtIODevice *vdev, uint32_t n)
{
    if (n >= vdev->nvqs || vdev->broken || !virtqueue_ready(&vdev->vqs[n])) {
        return;
    }
    /* A modern driver must have finished its set-up first (section 2.1.2). */
    if (!is_legacy(vdev) && !(vdev->status & VIRTIO_STATUS_DRIVER_OK)) {
        return;
    }
    trace_virtio_queue_notify(vdev->parent.klass->name, n);
    vdev->vqs[n].kicked = true;
    virtio_run_kicked(vdev);
}

static void vm_state_changed(void *opaque, bool running, RunState state)
{
    VirtIODevice *vdev = opaque;
    (void)state;
    if (vdev->ops->vm_state) {
        vdev->ops->vm_state(vdev, running);
    }
    if (running) {
        virtio_run_kicked(vdev);
    }
}

/* ---- status, features, reset ---- */

void virtio_set_status(VirtIODevice *vdev, uint8_t status)
{
    trace_virtio_set_status(vdev->parent.klass->name, status);
    if (vdev->broken && virtio_has(vdev, VIRTIO_F_VERSION_1)) {
        status |= VIRTIO_STATUS_NEEDS_RESET;
    }
    vdev->status = status;
    if (vdev->ops->set_status) {
        vdev->ops->set_status(vdev, status);
    }
}

bool virtio_set_features(VirtIODevice *vdev, uint64_t features)
{
    bool good = (features & ~vdev->host_features) == 0;
    if (!is_legacy(vdev) && !(features & VIRTIO_BIT(VIRTIO_F_VERSION_1))) {
        good = false;
    }
    vdev->guest_features = features & vdev->host_features;
    return good;
}

void virtio_device_reset(VirtIODevice *vdev)
{
    if (vdev->ops->reset) {
        vdev->ops->reset(vdev);
    }
    if (vdev->bh) {
        qemu_bh_cancel(vdev->bh);
    }
    vdev->guest_features = 0;
    vdev->status = 0;
    vdev->queue_sel = 0;
    vdev->broken = false;
    vdev->config_generation = 0;
    vdev->isr = 0;
    for (unsigned i = 0; i < vdev->nvqs; i++) {
        virtqueue_reset(&vdev->vqs[i]);
    }
    if (vdev->ops->set_status) {
        vdev->ops->set_status(vdev, 0);
    }
    if (vdev->transport) {
        vdev->transport->reset(vdev->transport);
        vdev->transport->update_irq(vdev->transport);
    }
}

void virtio_reset(DeviceState *dev)
{
    virtio_device_reset((VirtIODevice *)dev);
}

/* ---- configuration space ---- */

uint64_t virtio_config_read(VirtIODevice *vdev, uint32_t offset, unsigned size)
{
    uint64_t value = 0;
    if (offset >= vdev->config_len || size > vdev->config_len - offset) {
        return UINT64_MAX >> (64 - 8 * size);
    }
    vdev->ops->get_config(vdev, vdev->config);
    memcpy(&value, vdev->config + offset, size);
    return GUINT64_FROM_LE(value);
}

void virtio_config_write(VirtIODevice *vdev, uint32_t offset, uint64_t value, unsigned size)
{
    if (offset >= vdev->config_len || size > vdev->config_len - offset || !vdev->ops->set_config) {
        return;
    }
    vdev->ops->get_config(vdev, vdev->config);
    value = GUINT64_TO_LE(value);
    memcpy(vdev->config + offset, &value, size);
    vdev->ops->set_config(vdev, vdev->config);
}

/* ---- coming and going ---- */

void virtio_init(VirtIODevice *vdev, const VirtIODeviceOps *ops, uint32_t config_len,
                 unsigned max_queues)
{
    vdev->ops = ops;
    vdev->config_len = config_len;
    vdev->config = g_malloc0(MAX(config_len, 1));
    vdev->vqs = g_new0(VirtQueue, MIN(max_queues, VIRTIO_QUEUE_MAX));
    vdev->nvqs = 0;
    vdev->bh = qemu_bh_new(vdev->parent.machine->loop, run_handlers_bh, vdev);
}

VirtQueue *virtio_add_queue(VirtIODevice *vdev, unsigned size, VirtQueueHandler *handler)
{
    VirtQueue *vq = &vdev->vqs[vdev->nvqs];
    vq->vdev = vdev;
    vq->index = vdev->nvqs++;
    vq->num_default = size;
    vq->handler = handler;
    virtqueue_reset(vq);
    return vq;
}

static uint64_t offered_features(VirtIODevice *vdev)
{
    uint64_t features = 0;
    if (vdev->prop_indirect) {
        features |= VIRTIO_BIT(VIRTIO_F_INDIRECT_DESC);
    }
    if (vdev->prop_event_idx) {
        features |= VIRTIO_BIT(VIRTIO_F_EVENT_IDX);
    }
    if (!is_legacy(vdev)) {
        features |= VIRTIO_BIT(VIRTIO_F_VERSION_1) | VIRTIO_BIT(VIRTIO_F_RING_RESET);
    } else {
        if (vdev->prop_notify_on_empty) {
            features |= VIRTIO_BIT(VIRTIO_F_NOTIFY_ON_EMPTY);
        }
        if (vdev->prop_any_layout) {
            features |= VIRTIO_BIT(VIRTIO_F_ANY_LAYOUT);
        }
    }
    return vdev->ops->get_features ? vdev->ops->get_features(vdev, features) : features;
}

bool virtio_plug(VirtIODevice *vdev, Error **errp)
{
    Machine *m = vdev->parent.machine;
    const char *bus = json_string_value(json_object_get(vdev->parent.options, "bus"));
    VirtioTransport *t = virtio_transport_find(m, bus, errp);
    if (!t) {
        return false;
    }
    t->vdev = vdev;
    vdev->transport = t;
    t->plugged(t);
    vdev->host_features = offered_features(vdev);
    vdev->parent.vmstate_id = g_strdup_printf("virtio-mmio@%016" PRIx64, t->dev->mmio_base);
    vdev->vm_entry = vm_add_change_state_handler(m, vm_state_changed, vdev);
    return true;
}

void virtio_cleanup(VirtIODevice *vdev)
{
    if (vdev->vm_entry) {
        vm_del_change_state_handler(vdev->vm_entry);
        vdev->vm_entry = NULL;
    }
    if (vdev->transport) {
        VirtioTransport *t = vdev->transport;
        vdev->isr = 0;
        t->update_irq(t);
        t->vdev = NULL;
        vdev->transport = NULL;
    }
    if (vdev->bh) {
        qemu_bh_delete(vdev->bh);
        vdev->bh = NULL;
    }
    g_clear_pointer(&vdev->config, g_free);
    g_clear_pointer(&vdev->vqs, g_free);
    vdev->nvqs = 0;
}
