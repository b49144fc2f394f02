/*
 * virtio-ring.c - split virtqueues: taking requests from a ring and giving them back.
 *
 * Lobby, over system/memory.h.  Specification: VIRTIO 1.2, section 2.7.
 * Locks: machine lock; the guest's harts write the same memory meanwhile without it.
 * Invariants: each field of guest memory is read once and checked before use; used->idx is ours alone
 * and never read back (but for one time after a load); a chain ends within its descriptor table.
 *
 * Order towards the guest (its harts are host threads): avail->idx is loaded with acquire before the
 * entries; used->idx is stored with release after them; a full barrier stands between our store of
 * used->idx and our load of what the driver says about interrupts, and between enabling notification
 * and the last look at avail->idx.
 *
 * Layout in guest memory, little-endian:
 *   descriptor  le64 address, le32 length, le16 flags, le16 next          (16 bytes, num of them)
 *   available   le16 flags, le16 idx, le16 ring[num], le16 used_event
 *   used        le16 flags, le16 idx, { le32 id, le32 length } ring[num], le16 avail_event
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <inttypes.h>
#include <string.h>

#include "hw/virtio/virtio-internal.h"
#include "system/machine.h"

enum { DESC_NEXT = 1, DESC_WRITE = 2, DESC_INDIRECT = 4 };
enum { AVAIL_NO_INTERRUPT = 1, USED_NO_NOTIFY = 1 };
enum { OFF_FLAGS = 0, OFF_IDX = 2, OFF_RING = 4 };

typedef struct Desc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags, next;
} Desc;

/* A chain while it is being walked. */
typedef struct Chain {
    unsigned out_num, in_num;
    struct iovec sg[VIRTQUEUE_MAX_SIZE];        /* out, then in */
    hwaddr addr[VIRTQUEUE_MAX_SIZE];
} Chain;

/* ---- guest memory, one access a field ---- */

static uint16_t load16(const uint8_t *p)
{
    return GUINT16_FROM_LE(__atomic_load_n((const uint16_t *)p, __ATOMIC_RELAXED));
}

static void store16(uint8_t *p, uint16_t v)
{
    __atomic_store_n((uint16_t *)p, GUINT16_TO_LE(v), __ATOMIC_RELAXED);
}

static void store32(uint8_t *p, uint32_t v)
{
    __atomic_store_n((uint32_t *)p, GUINT32_TO_LE(v), __ATOMIC_RELAXED);
}

/* table need not be aligned if it is an indirect one. The copy is all that is looked at afterwards. */
static Desc load_desc(const uint8_t *table, unsigned i)
{
    const uint8_t *p = table + 16 * (size_t)i;
    Desc d;
    if (((uintptr_t)p & 7) == 0) {
        d.addr = GUINT64_FROM_LE(__atomic_load_n((const uint64_t *)p, __ATOMIC_RELAXED));
        d.len = GUINT32_FROM_LE(__atomic_load_n((const uint32_t *)(p + 8), __ATOMIC_RELAXED));
        d.flags = load16(p + 12);
        d.next = load16(p + 14);
        return d;
    }
    uint8_t raw[16];
    for (unsigned k = 0; k < sizeof(raw); k++) {
        raw[k] = __atomic_load_n(p + k, __ATOMIC_RELAXED);
    }
    memcpy(&d.addr, raw, 8);
    memcpy(&d.len, raw + 8, 4);
    memcpy(&d.flags, raw + 12, 2);
    memcpy(&d.next, raw + 14, 2);
    d.addr = GUINT64_FROM_LE(d.addr);
    d.len = GUINT32_FROM_LE(d.len);
    d.flags = GUINT16_FROM_LE(d.flags);
    d.next = GUINT16_FROM_LE(d.next);
    return d;
}

static void mark_used_dirty(VirtQueue *vq, size_t offset, size_t len)
{
    memory_unmap(vq->vdev->parent.machine, vq->used_host + offset, len, true, len);
}

/* ---- set-up ---- */

void virtqueue_reset(VirtQueue *vq)
{
    vq->num = vq->num_default;
    vq->num_written = 0;
    vq->align = VIRTIO_RING_ALIGN;
    vq->desc = vq->avail = vq->used = 0;
    vq->ready = false;
    vq->desc_host = vq->avail_host = vq->used_host = NULL;
    vq->last_avail = vq->used_idx = vq->signalled_used = 0;
    vq->signalled_valid = false;
    vq->notification = true;
    vq->inuse = 0;
    vq->kicked = false;
}

void virtqueue_layout_legacy(VirtQueue *vq)
{
    hwaddr end_of_avail;
    vq->avail = vq->desc + 16 * (hwaddr)vq->num;
    end_of_avail = vq->avail + OFF_RING + 2 * (hwaddr)vq->num + 2;
    vq->used = (end_of_avail + vq->align - 1) & ~(hwaddr)(vq->align - 1);
    vq->desc_host = vq->avail_host = vq->used_host = NULL;
}

static uint8_t *map_part(VirtQueue *vq, hwaddr addr, uint64_t len, unsigned align, bool is_write)
{
    uint64_t got = len;
    uint8_t *host = addr % align ? NULL
                                 : memory_map(vq->vdev->parent.machine, addr, &got, is_write);
    if (!host || got < len) {
        virtio_error(vq->vdev, "queue %u: ring part at 0x%" PRIx64 " (0x%" PRIx64 " bytes) is not in RAM"
                     " or not aligned to %u", vq->index, addr, len, align);
        return NULL;
    }
    return host;
}

bool virtqueue_map(VirtQueue *vq)
{
    if (vq->used_host) {
        return true;
    }
    uint64_t n = vq->num;
    vq->desc_host = map_part(vq, vq->desc, 16 * n, 16, false);
    if (!vq->desc_host) {
        return false;
    }
    vq->avail_host = map_part(vq, vq->avail, OFF_RING + 2 * n + 2, 2, false);
    if (!vq->avail_host) {
        return false;
    }
    vq->used_host = map_part(vq, vq->used, OFF_RING + 8 * n + 2, 4, true);
    return vq->used_host;
}

bool virtqueue_resume(VirtQueue *vq, Error **errp)
{
    if (!virtqueue_ready(vq)) {
        return true;
    }
    if (!virtqueue_map(vq)) {
        error_setg(errp, "virtio queue %u: the ring at 0x%" PRIx64 " is not in RAM", vq->index,
                   vq->desc);
        return false;
    }
    vq->used_idx = load16(vq->used_host + OFF_IDX);
    vq->signalled_valid = false;
    vq->inuse = (uint16_t)(vq->last_avail - vq->used_idx);
    if (vq->inuse > vq->num) {
        error_setg(errp, "virtio queue %u: last_avail_idx 0x%x and used index 0x%x are further apart "
                   "than the ring's size 0x%x", vq->index, vq->last_avail, vq->used_idx, vq->num);
        return false;
    }
    return true;
}

unsigned virtqueue_index(const VirtQueue *vq)
{
    return vq->index;
}

VirtQueue *virtio_queue(VirtIODevice *vdev, unsigned index)
{
    return &vdev->vqs[index];
}

bool virtqueue_ready(const VirtQueue *vq)
{
    return vq->ready && vq->num > 0;
}

/* Ready, mapped and the device in order. */
static bool usable(VirtQueue *vq)
{
    return !vq->vdev->broken && virtqueue_ready(vq) && virtqueue_map(vq);
}

/* ---- taking a request ---- */

/* Adds [addr, addr+len) to the chain, in as many pieces as RAM has there. */
static bool chain_add(VirtQueue *vq, Chain *chain, hwaddr addr, uint32_t len, bool is_write)
{
    if (!is_write && chain->in_num > 0) {
        virtio_error(vq->vdev, "queue %u: a readable descriptor stands behind a writable one",
                     vq->index);
        return false;
    }
    while (len > 0) {
        unsigned at = chain->out_num + chain->in_num;
        uint64_t piece = len;
        if (at == VIRTQUEUE_MAX_SIZE) {
            virtio_error(vq->vdev, "queue %u: a request has more than %d buffers", vq->index,
                         VIRTQUEUE_MAX_SIZE);
            return false;
        }
        void *host = memory_map(vq->vdev->parent.machine, addr, &piece, is_write);
        if (!host || piece == 0) {
            virtio_error(vq->vdev, "queue %u: buffer at 0x%" PRIx64 " (0x%x bytes) is not in RAM",
                         vq->index, addr, len);
            return false;
        }
        chain->sg[at] = (struct iovec){host, piece};
        chain->addr[at] = addr;
        *(is_write ? &chain->in_num : &chain->out_num) += 1;
        addr += piece;
        len -= piece;
    }
    return true;
}

/* Maps the table that an indirect descriptor names; *max becomes its number of entries. */
static const uint8_t *map_indirect(VirtQueue *vq, const Desc *d, unsigned *max)
{
    uint64_t len = d->len;
    if (d->len == 0 || d->len % 16 || (d->flags & DESC_NEXT) || d->len / 16 > UINT16_MAX + 1u) {
        virtio_error(vq->vdev, "queue %u: indirect table of 0x%x bytes, flags 0x%x", vq->index, d->len,
                     d->flags);
        return NULL;
    }
    const uint8_t *host = memory_map(vq->vdev->parent.machine, d->addr, &len, false);
    if (!host || len < d->len) {
        virtio_error(vq->vdev, "queue %u: indirect table at 0x%" PRIx64 " is not in RAM", vq->index,
                     d->addr);
        return NULL;
    }
    *max = d->len / 16;
    return host;
}

/*
 * Walks the chain at head: direct descriptors, the last of which may name an indirect table. Each
 * table is left after at most as many steps as it has entries, so a loop in it ends.
 */
static bool walk(VirtQueue *vq, unsigned head, Chain *chain)
{
    const uint8_t *table = vq->desc_host;
    unsigned max = vq->num, i = head, steps = 0;
    bool indirect = false;
    for (;;) {
        if (i >= max || steps++ >= max) {
            virtio_error(vq->vdev, "queue %u: descriptor %u of a table of %u, or a loop", vq->index, i,
                         max);
            return false;
        }
        Desc d = load_desc(table, i);
        if (d.flags & DESC_INDIRECT) {
            if (indirect) {
                virtio_error(vq->vdev, "queue %u: an indirect table within an indirect table",
                             vq->index);
                return false;
            }
            table = map_indirect(vq, &d, &max);
            if (!table) {
                return false;
            }
            indirect = true;
            i = steps = 0;
            continue;
        }
        if (!chain_add(vq, chain, d.addr, d.len, d.flags & DESC_WRITE)) {
            return false;
        }
        if (!(d.flags & DESC_NEXT)) {
            return true;
        }
        i = d.next;
    }
}

/* One allocation: the element, its two iovecs, its addresses. */
VirtQueueElement *virtqueue_element_new(VirtQueue *vq, unsigned head, unsigned out_num,
                                        unsigned in_num)
{
    size_t n = out_num + in_num;
    VirtQueueElement *elem =
        g_malloc0(sizeof(*elem) + n * (sizeof(struct iovec) + sizeof(hwaddr)));
    elem->vq = vq;
    elem->index = head;
    elem->out_num = out_num;
    elem->in_num = in_num;
    elem->out_sg = (struct iovec *)(elem + 1);
    elem->in_sg = elem->out_sg + out_num;
    elem->out_addr = (hwaddr *)(elem->out_sg + n);
    elem->in_addr = elem->out_addr + out_num;
    return elem;
}

static void set_avail_event(VirtQueue *vq, uint16_t idx)
{
    size_t offset = OFF_RING + 8 * (size_t)vq->num;
    store16(vq->used_host + offset, idx);
    mark_used_dirty(vq, offset, 2);
}

VirtQueueElement *virtqueue_pop(VirtQueue *vq)
{
    if (!usable(vq)) {
        return NULL;
    }
    uint16_t avail = load16(vq->avail_host + OFF_IDX);
    if (avail == vq->last_avail) {
        return NULL;
    }
    __atomic_thread_fence(__ATOMIC_ACQUIRE);    /* entries are read after the index that covers them */
    if ((uint16_t)(avail - vq->last_avail) > vq->num || vq->inuse >= vq->num) {
        virtio_error(vq->vdev, "queue %u: available index went from 0x%x to 0x%x, with %u of %u in use",
                     vq->index, vq->last_avail, avail, vq->inuse, vq->num);
        return NULL;
    }
    unsigned head = load16(vq->avail_host + OFF_RING + 2 * (size_t)(vq->last_avail % vq->num));
    Chain chain;
    chain.out_num = chain.in_num = 0;
    if (!walk(vq, head, &chain)) {
        return NULL;
    }
    vq->last_avail++;
    vq->inuse++;
    if (virtio_has(vq->vdev, VIRTIO_F_EVENT_IDX) && vq->notification) {
        set_avail_event(vq, vq->last_avail);
    }
    VirtQueueElement *elem = virtqueue_element_new(vq, head, chain.out_num, chain.in_num);
    size_t n = chain.out_num + chain.in_num;
    memcpy(elem->out_sg, chain.sg, n * sizeof(struct iovec));
    memcpy(elem->out_addr, chain.addr, n * sizeof(hwaddr));
    return elem;
}

/* ---- giving it back ---- */

/* Unmaps the buffers; the first len bytes of the writable ones have been written. */
static void element_unmap(VirtQueueElement *elem, uint64_t len)
{
    Machine *m = elem->vq->vdev->parent.machine;
    for (unsigned i = 0; i < elem->in_num; i++) {
        uint64_t piece = MIN(len, elem->in_sg[i].iov_len);
        memory_unmap(m, elem->in_sg[i].iov_base, elem->in_sg[i].iov_len, true, piece);
        len -= piece;
    }
    for (unsigned i = 0; i < elem->out_num; i++) {
        memory_unmap(m, elem->out_sg[i].iov_base, elem->out_sg[i].iov_len, false, 0);
    }
}

void virtqueue_fill(VirtQueue *vq, VirtQueueElement *elem, uint32_t len, unsigned offset)
{
    element_unmap(elem, len);
    if (usable(vq)) {
        size_t entry = OFF_RING + 8 * (size_t)((uint16_t)(vq->used_idx + offset) % vq->num);
        store32(vq->used_host + entry, elem->index);
        store32(vq->used_host + entry + 4, len);
        mark_used_dirty(vq, entry, 8);
    }
    g_free(elem);
}

void virtqueue_flush(VirtQueue *vq, unsigned count)
{
    if (!usable(vq)) {
        return;
    }
    uint16_t old = vq->used_idx;
    vq->used_idx += count;
    vq->inuse -= MIN(count, vq->inuse);
    __atomic_store_n((uint16_t *)(vq->used_host + OFF_IDX), GUINT16_TO_LE(vq->used_idx),
                     __ATOMIC_RELEASE);
    mark_used_dirty(vq, OFF_IDX, 2);
    /* After 2^16 entries without an interrupt the event comparison would be wrong by one lap. */
    if ((uint16_t)(vq->used_idx - vq->signalled_used) < (uint16_t)(vq->used_idx - old)) {
        vq->signalled_valid = false;
    }
}

void virtqueue_push(VirtQueue *vq, VirtQueueElement *elem, uint32_t len)
{
    virtqueue_fill(vq, elem, len, 0);
    virtqueue_flush(vq, 1);
}

void virtqueue_detach(VirtQueue *vq, VirtQueueElement *elem)
{
    vq->inuse -= MIN(1, vq->inuse);
    element_unmap(elem, 0);
    g_free(elem);
}

void virtqueue_unpop(VirtQueue *vq, VirtQueueElement *elem)
{
    vq->last_avail--;
    virtqueue_detach(vq, elem);
}

bool virtqueue_rewind(VirtQueue *vq)
{
    if (vq->inuse == 0) {
        return false;
    }
    vq->last_avail--;
    vq->inuse--;
    return true;
}

/* ---- telling each other ---- */

bool virtqueue_empty(VirtQueue *vq)
{
    return !usable(vq) || load16(vq->avail_host + OFF_IDX) == vq->last_avail;
}

void virtqueue_set_notification(VirtQueue *vq, bool on)
{
    vq->notification = on;
    if (!usable(vq)) {
        return;
    }
    if (virtio_has(vq->vdev, VIRTIO_F_EVENT_IDX)) {
        if (on) {
            set_avail_event(vq, load16(vq->avail_host + OFF_IDX));
        }
    } else {
        store16(vq->used_host + OFF_FLAGS, on ? 0 : USED_NO_NOTIFY);
        mark_used_dirty(vq, OFF_FLAGS, 2);
    }
    if (on) {
        __atomic_thread_fence(__ATOMIC_SEQ_CST);    /* the caller looks at the ring once more */
    }
}

/* True if `event` lies in the entries from old (not included) to now: section 2.7.7.1. */
static bool passed_event(uint16_t event, uint16_t now, uint16_t old)
{
    return (uint16_t)(now - event - 1) < (uint16_t)(now - old);
}

static bool driver_wants_interrupt(VirtQueue *vq)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (virtio_has(vq->vdev, VIRTIO_F_NOTIFY_ON_EMPTY) && vq->inuse == 0 && virtqueue_empty(vq)) {
        return true;
    }
    if (!virtio_has(vq->vdev, VIRTIO_F_EVENT_IDX)) {
        return !(load16(vq->avail_host + OFF_FLAGS) & AVAIL_NO_INTERRUPT);
    }
    bool valid = vq->signalled_valid;
    uint16_t old = vq->signalled_used, now = vq->used_idx;
    vq->signalled_valid = true;
    vq->signalled_used = now;
    uint16_t event = load16(vq->avail_host + OFF_RING + 2 * (size_t)vq->num);
    return !valid || passed_event(event, now, old);
}

void virtqueue_notify(VirtQueue *vq)
{
    if (usable(vq) && driver_wants_interrupt(vq)) {
        virtio_raise(vq->vdev, 1);
    }
}

void virtqueue_kick(VirtQueue *vq)
{
    vq->kicked = true;
    if (vq->vdev->parent.machine->config->icount) {
        virtio_run_kicked(vq->vdev);
    } else {
        qemu_bh_schedule(vq->vdev->bh);
    }
}
