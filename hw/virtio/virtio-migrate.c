/*
 * virtio-migrate.c - how a virtio device stands in a migration stream.
 *
 * Lobby, over migration/vmstate.h and qemu-file.h.  Save and load stand side by side.
 * Locks: machine lock, machine stopped.
 * Invariant: nothing from the stream is used before it was checked against what the device is here.
 *
 * The format is the one that QEMU 7.2 writes (section "virtio-mmio@ADDR/NAME"), big-endian:
 *   be32 device feature selector, be32 driver feature selector, be32 log2 of the legacy page size
 *   u8 status, u8 isr, be16 queue selector, be32 features 31…0
 *   be32 configuration length, its bytes as the driver sees them
 *   be32 number of queues, each: be32 size, be32 alignment, be64 descriptors, be16 last_avail
 *   the device's own part (VirtIODeviceOps.save), then its own subsections
 *   subsection virtio/64bit_features v1: be64 features
 *   subsection virtio/virtqueues v1 (modern): 1024 x { be64 available, be64 used }
 *   subsection virtio/ringsize v1 (if a driver changed one): 1024 x be32 size before the driver chose
 *   subsection virtio/broken v1 (if broken): u8 1
 *   subsection virtio/extra_state v1 (modern), which holds only the nested virtio_mmio/state v1
 *   subsection virtio/started v1 (once a driver is there): u8 1
 * A subsection is 0x05, u8 length and name, be32 version, body; any order is accepted.
 *
 * used->idx is not in the stream: it stands in guest RAM, and with last_avail says how many requests
 * are in flight.  A request in flight is the image of a C struct of a little-endian 64-bit sender:
 *   le32 head, le32 out count, le32 in count, le32 0, le64 in address[1024], le64 out address[1024],
 *   in { le64 0, le64 length }[1024], out { le64 0, le64 length }[1024]
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <inttypes.h>
#include <string.h>

#include "hw/virtio/virtio-internal.h"
#include "system/machine.h"

#define SUBSECTION 0x05
#define CONFIG_MAX 4096             /* bytes of configuration space that a sender may have */

/* ---- requests in flight ---- */

static void put_le64(QEMUFile *f, uint64_t v)
{
    v = GUINT64_TO_LE(v);
    qemu_put_buffer(f, &v, sizeof(v));
}

static uint64_t get_le64(QEMUFile *f)
{
    uint64_t v = 0;
    qemu_get_buffer(f, &v, sizeof(v));
    return GUINT64_FROM_LE(v);
}

static void put_addrs(QEMUFile *f, const hwaddr *addr, unsigned n)
{
    for (unsigned i = 0; i < VIRTQUEUE_MAX_SIZE; i++) {
        put_le64(f, i < n ? addr[i] : 0);
    }
}

static void put_lengths(QEMUFile *f, const struct iovec *sg, unsigned n)
{
    for (unsigned i = 0; i < VIRTQUEUE_MAX_SIZE; i++) {
        put_le64(f, 0);
        put_le64(f, i < n ? sg[i].iov_len : 0);
    }
}

void virtqueue_put_element(QEMUFile *f, const VirtQueueElement *elem)
{
    put_le64(f, elem->index | (uint64_t)elem->out_num << 32);
    put_le64(f, elem->in_num);
    put_addrs(f, elem->in_addr, elem->in_num);
    put_addrs(f, elem->out_addr, elem->out_num);
    put_lengths(f, elem->in_sg, elem->in_num);
    put_lengths(f, elem->out_sg, elem->out_num);
}

static void get_addrs(QEMUFile *f, hwaddr *addr)
{
    for (unsigned i = 0; i < VIRTQUEUE_MAX_SIZE; i++) {
        addr[i] = get_le64(f);
    }
}

static void get_lengths(QEMUFile *f, struct iovec *sg)
{
    for (unsigned i = 0; i < VIRTQUEUE_MAX_SIZE; i++) {
        get_le64(f);
        sg[i].iov_len = get_le64(f);
    }
}

/* Finds host addresses for the buffers; a piece that RAM here does not hold in one is an error. */
static bool map_buffers(VirtQueue *vq, struct iovec *sg, const hwaddr *addr, unsigned n, bool is_write,
                        Error **errp)
{
    for (unsigned i = 0; i < n; i++) {
        uint64_t len = sg[i].iov_len;
        sg[i].iov_base = len ? memory_map(vq->vdev->parent.machine, addr[i], &len, is_write) : NULL;
        if (!sg[i].iov_base || len < sg[i].iov_len) {
            error_setg(errp, "request in flight: buffer at 0x%" PRIx64 " (0x%zx bytes) is not in RAM",
                       addr[i], sg[i].iov_len);
            return false;
        }
    }
    return true;
}

VirtQueueElement *virtqueue_get_element(QEMUFile *f, VirtQueue *vq, Error **errp)
{
    uint64_t first = get_le64(f), in_num = (uint32_t)get_le64(f), out_num = first >> 32;
    unsigned head = (uint32_t)first;
    g_autofree hwaddr *addrs = g_new(hwaddr, 2 * VIRTQUEUE_MAX_SIZE);
    g_autofree struct iovec *sgs = g_new(struct iovec, 2 * VIRTQUEUE_MAX_SIZE);
    hwaddr *out_addr = addrs + VIRTQUEUE_MAX_SIZE;
    struct iovec *out_sg = sgs + VIRTQUEUE_MAX_SIZE;
    get_addrs(f, addrs);
    get_addrs(f, out_addr);
    get_lengths(f, sgs);
    get_lengths(f, out_sg);
    if (in_num + out_num > VIRTQUEUE_MAX_SIZE || head >= vq->num) {
        error_setg(errp, "request in flight: head %u, %" PRIu64 " + %" PRIu64 " buffers; right are at "
                   "most %u and %d", head, out_num, in_num, vq->num - 1, VIRTQUEUE_MAX_SIZE);
        return NULL;
    }
    if (!map_buffers(vq, sgs, addrs, in_num, true, errp) ||
        !map_buffers(vq, out_sg, out_addr, out_num, false, errp)) {
        return NULL;
    }
    VirtQueueElement *elem = virtqueue_element_new(vq, head, out_num, in_num);
    memcpy(elem->in_addr, addrs, in_num * sizeof(hwaddr));
    memcpy(elem->out_addr, out_addr, out_num * sizeof(hwaddr));
    memcpy(elem->in_sg, sgs, in_num * sizeof(struct iovec));
    memcpy(elem->out_sg, out_sg, out_num * sizeof(struct iovec));
    return elem;
}

/* ---- save ---- */

static void put_subsection(QEMUFile *f, const char *name)
{
    qemu_put_byte(f, SUBSECTION);
    qemu_put_counted_string(f, name);
    qemu_put_be32(f, 1);
}

static void save_ring_addresses(const VirtIODevice *vdev, QEMUFile *f)
{
    put_subsection(f, "virtio/virtqueues");
    for (unsigned i = 0; i < VIRTIO_QUEUE_MAX; i++) {
        const VirtQueue *vq = i < vdev->nvqs && vdev->vqs[i].ready ? &vdev->vqs[i] : NULL;
        qemu_put_be64(f, vq ? vq->avail : 0);
        qemu_put_be64(f, vq ? vq->used : 0);
    }
}

static void save_ring_sizes(const VirtIODevice *vdev, QEMUFile *f)
{
    bool changed = false;
    for (unsigned i = 0; i < vdev->nvqs; i++) {
        changed |= vdev->vqs[i].num != vdev->vqs[i].num_default;
    }
    if (!changed) {
        return;
    }
    put_subsection(f, "virtio/ringsize");
    for (unsigned i = 0; i < VIRTIO_QUEUE_MAX; i++) {
        qemu_put_be32(f, i < vdev->nvqs ? vdev->vqs[i].num_default : 0);
    }
}

static void save_subsections(VirtIODevice *vdev, QEMUFile *f)
{
    bool modern = !vdev->transport->is_legacy(vdev->transport);
    put_subsection(f, "virtio/64bit_features");
    qemu_put_be64(f, vdev->guest_features);
    if (modern) {
        save_ring_addresses(vdev, f);
    }
    save_ring_sizes(vdev, f);
    if (vdev->broken) {
        put_subsection(f, "virtio/broken");
        qemu_put_byte(f, 1);
    }
    if (modern) {
        put_subsection(f, "virtio/extra_state");
        put_subsection(f, "virtio_mmio/state");
        vdev->transport->save_extra(vdev->transport, f);
    }
    if (vdev->status & VIRTIO_STATUS_DRIVER_OK) {
        put_subsection(f, "virtio/started");
        qemu_put_byte(f, 1);
    }
}

static void save_queues(const VirtIODevice *vdev, QEMUFile *f)
{
    qemu_put_be32(f, vdev->nvqs);
    for (unsigned i = 0; i < vdev->nvqs; i++) {
        const VirtQueue *vq = &vdev->vqs[i];
        qemu_put_be32(f, vq->num);
        qemu_put_be32(f, vq->align);
        qemu_put_be64(f, vq->ready ? vq->desc : 0);
        qemu_put_be16(f, vq->last_avail);
    }
}

/* The device's own subsections, as the walker of tables would write them. */
static bool save_own_subsections(VirtIODevice *vdev, QEMUFile *f, Error **errp)
{
    const VMStateDescription *const *sub = vdev->ops->subsections;
    for (; sub && *sub; sub++) {
        if ((*sub)->needed && !(*sub)->needed(vdev)) {
            continue;
        }
        qemu_put_byte(f, SUBSECTION);
        qemu_put_counted_string(f, (*sub)->name);
        qemu_put_be32(f, (*sub)->version_id);
        if (!vmstate_save_state(f, *sub, vdev, errp)) {
            return false;
        }
    }
    return true;
}

bool virtio_save_blob(QEMUFile *f, void *opaque, Error **errp)
{
    VirtIODevice *vdev = opaque;
    vdev->transport->save_config(vdev->transport, f);
    qemu_put_byte(f, vdev->status);
    qemu_put_byte(f, vdev->isr);
    qemu_put_be16(f, vdev->queue_sel);
    qemu_put_be32(f, vdev->guest_features);
    if (vdev->config_len) {
        vdev->ops->get_config(vdev, vdev->config);
    }
    qemu_put_be32(f, vdev->config_len);
    qemu_put_buffer(f, vdev->config, vdev->config_len);
    save_queues(vdev, f);
    if (vdev->ops->save && !vdev->ops->save(vdev, f, errp)) {
        return false;
    }
    if (!save_own_subsections(vdev, f, errp)) {
        return false;
    }
    save_subsections(vdev, f);
    return true;
}

/* ---- load ---- */

/* The name of a subsection that comes next in the stream, or false. */
static bool peek_subsection(QEMUFile *f, char name[256])
{
    if (qemu_peek_byte(f, 0) != SUBSECTION) {
        return false;
    }
    int len = qemu_peek_byte(f, 1);
    for (int i = 0; i < len; i++) {
        int c = qemu_peek_byte(f, 2 + i);
        if (c <= 0) {
            return false;
        }
        name[i] = c;
    }
    if (len < 7) {
        return false;
    }
    name[len] = '\0';
    return g_str_has_prefix(name, "virtio");
}

/* Reads 1024 numbers of width 4 or 8 (pairs); only those of the queues here mean something. */
static bool load_ring_addresses(VirtIODevice *vdev, QEMUFile *f, Error **errp)
{
    (void)errp;
    for (unsigned i = 0; i < VIRTIO_QUEUE_MAX; i++) {
        hwaddr avail = qemu_get_be64(f), used = qemu_get_be64(f);
        if (i < vdev->nvqs) {
            vdev->vqs[i].avail = avail;
            vdev->vqs[i].used = used;
        }
    }
    return true;
}

/* Our own default stays: the size that a driver chose came with the queue. */
static bool load_ring_sizes(VirtIODevice *vdev, QEMUFile *f, Error **errp)
{
    (void)vdev;
    (void)errp;
    for (unsigned i = 0; i < VIRTIO_QUEUE_MAX; i++) {
        qemu_get_be32(f);
    }
    return true;
}

static bool load_features(VirtIODevice *vdev, QEMUFile *f, Error **errp)
{
    (void)errp;
    vdev->guest_features = qemu_get_be64(f);
    return true;
}

static bool load_broken(VirtIODevice *vdev, QEMUFile *f, Error **errp)
{
    (void)errp;
    vdev->broken = qemu_get_byte(f);
    return true;
}

/* virtio/started and virtio/disabled: both follow from the status. */
static bool load_ignored_byte(VirtIODevice *vdev, QEMUFile *f, Error **errp)
{
    (void)vdev;
    (void)errp;
    qemu_get_byte(f);
    return true;
}

static bool load_endian(VirtIODevice *vdev, QEMUFile *f, Error **errp)
{
    (void)vdev;
    uint8_t endian = qemu_get_byte(f);
    if (endian != 1) {
        error_setg(errp, "virtio/device_endian: %u, but only little-endian (1) guests run here", endian);
    }
    return endian == 1;
}

static bool load_extra(VirtIODevice *vdev, QEMUFile *f, Error **errp)
{
    char name[256];
    if (vdev->transport->is_legacy(vdev->transport)) {
        error_setg(errp, "the stream has a modern virtio-mmio slot, here it is a legacy one: start with "
                   "-global virtio-mmio.force-legacy=false");
        return false;
    }
    qemu_get_byte(f);
    if (!qemu_get_counted_string(f, name) || strcmp(name, "virtio_mmio/state") != 0) {
        error_setg(errp, "virtio/extra_state: holds '%s', expected virtio_mmio/state", name);
        return false;
    }
    qemu_get_be32(f);
    return vdev->transport->load_extra(vdev->transport, f, errp);
}

static const struct {
    const char *name;
    bool (*load)(VirtIODevice *vdev, QEMUFile *f, Error **errp);
} common_subsections[] = {
    {"virtio/64bit_features", load_features},
    {"virtio/virtqueues", load_ring_addresses},
    {"virtio/ringsize", load_ring_sizes},
    {"virtio/broken", load_broken},
    {"virtio/extra_state", load_extra},
    {"virtio/started", load_ignored_byte},
    {"virtio/disabled", load_ignored_byte},
    {"virtio/device_endian", load_endian},
};

static bool load_one_subsection(VirtIODevice *vdev, QEMUFile *f, const char *name, Error **errp)
{
    char got[256];
    qemu_get_byte(f);
    qemu_get_counted_string(f, got);
    int version = (int)qemu_get_be32(f);
    for (unsigned i = 0; i < G_N_ELEMENTS(common_subsections); i++) {
        if (strcmp(name, common_subsections[i].name) == 0) {
            return common_subsections[i].load(vdev, f, errp);
        }
    }
    const VMStateDescription *const *sub = vdev->ops->subsections;
    for (; sub && *sub; sub++) {
        if (strcmp(name, (*sub)->name) == 0) {
            return vmstate_load_state(f, *sub, vdev, version, errp);
        }
    }
    error_setg(errp, "%s: subsection '%s' is not known here", vdev->parent.klass->name, name);
    return false;
}

static bool load_subsections(VirtIODevice *vdev, QEMUFile *f, Error **errp)
{
    char name[256];
    bool extra = false;
    while (peek_subsection(f, name)) {
        if (!load_one_subsection(vdev, f, name, errp)) {
            return false;
        }
        extra |= strcmp(name, "virtio/extra_state") == 0;
    }
    if (!extra && !vdev->transport->is_legacy(vdev->transport)) {
        error_setg(errp, "%s: the stream has a legacy virtio-mmio slot, here it is a modern one%s",
                   vdev->parent.klass->name, vdev->ops->needs_version_1
                   ? ": the sender needs force-legacy=false for this device"
                   : ": start without force-legacy=false");
        return false;
    }
    return true;
}

static bool load_queues(VirtIODevice *vdev, QEMUFile *f, Error **errp)
{
    uint32_t count = qemu_get_be32(f);
    if (count > vdev->nvqs) {
        error_setg(errp, "%s: %u queues in the stream, %u here", vdev->parent.klass->name, count,
                   vdev->nvqs);
        return false;
    }
    for (unsigned i = 0; i < count; i++) {
        VirtQueue *vq = &vdev->vqs[i];
        uint32_t num = qemu_get_be32(f), align = qemu_get_be32(f);
        vq->desc = qemu_get_be64(f);
        vq->last_avail = qemu_get_be16(f);
        if (num == 0 || num > VIRTQUEUE_MAX_SIZE || (num & (num - 1)) ||
            align == 0 || (align & (align - 1))) {
            error_setg(errp, "%s: queue %u has size %u and alignment %u in the stream; right are powers "
                       "of two, the size at most %d", vdev->parent.klass->name, i, num, align,
                       VIRTQUEUE_MAX_SIZE);
            return false;
        }
        vq->num = num;
        vq->align = align;
        vq->ready = vq->desc != 0;
        virtqueue_layout_legacy(vq);
    }
    return true;
}

/* What must hold between the parts; then the rings come to life. */
static bool finish_load(VirtIODevice *vdev, const uint8_t *config, Error **errp)
{
    uint64_t alien = vdev->guest_features & ~vdev->host_features;
    if (alien) {
        error_setg(errp, "%s: the guest uses features 0x%" PRIx64 " of which 0x%" PRIx64 " are not "
                   "offered here (offered: 0x%" PRIx64 ")", vdev->parent.klass->name,
                   vdev->guest_features, alien, vdev->host_features);
        return false;
    }
    if (vdev->broken && virtio_has(vdev, VIRTIO_F_VERSION_1)) {
        vdev->status |= VIRTIO_STATUS_NEEDS_RESET;
    }
    for (unsigned i = 0; i < vdev->nvqs; i++) {
        if (!vdev->broken && !virtqueue_resume(&vdev->vqs[i], errp)) {
            error_prepend(errp, "%s: ", vdev->parent.klass->name);
            return false;
        }
        /* A notification may have been lost with the sender: look at every ring on start. */
        vdev->vqs[i].kicked = true;
    }
    if (vdev->ops->post_load && !vdev->ops->post_load(vdev, config, errp)) {
        return false;
    }
    vdev->transport->update_irq(vdev->transport);
    return true;
}

bool virtio_load_blob(QEMUFile *f, void *opaque, int version_id, Error **errp)
{
    VirtIODevice *vdev = opaque;
    virtio_device_reset(vdev);
    vdev->transport->load_config(vdev->transport, f);
    vdev->status = qemu_get_byte(f);
    vdev->isr = qemu_get_byte(f);
    vdev->queue_sel = qemu_get_be16(f);
    vdev->guest_features = qemu_get_be32(f);
    uint32_t config_len = qemu_get_be32(f);
    if (config_len > CONFIG_MAX || vdev->queue_sel >= VIRTIO_QUEUE_MAX) {
        error_setg(errp, "%s: %u bytes of configuration and queue selector %u in the stream; right are "
                   "at most %d and %d", vdev->parent.klass->name, config_len, vdev->queue_sel,
                   CONFIG_MAX, VIRTIO_QUEUE_MAX - 1);
        return false;
    }
    /* Zeroed beyond what came, so that post_load may look at all of ours. */
    g_autofree uint8_t *config = g_malloc0(MAX(config_len, vdev->config_len) + 1);
    qemu_get_buffer(f, config, config_len);
    if (!load_queues(vdev, f, errp)) {
        return false;
    }
    if (vdev->ops->load && !vdev->ops->load(vdev, f, version_id, errp)) {
        return false;
    }
    return load_subsections(vdev, f, errp) && finish_load(vdev, config, errp);
}
