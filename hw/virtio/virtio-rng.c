/*
 * virtio-rng.c - the virtio entropy source.
 *
 * Lobby, over hw/virtio.h.  Specification: VIRTIO 1.2, section 5.4.
 * Locks: machine lock.
 * Invariant: with -icount no host entropy reaches the guest: the bytes come from a generator with a
 * fixed seed whose state migrates; otherwise from the host's random device.
 *
 * One queue, every request only writable buffers; there is no configuration space.  max-bytes and
 * period bound the rate: a request that finds the quota used up stays in the ring until the next one.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "hw/user-object.h"
#include "hw/virtio.h"
#include "system/clock.h"
#include "system/machine.h"
#include "util/iov.h"

#define SEED UINT64_C(0x676f64776974)
#define CHUNK 4096                  /* bytes fetched from the host at a time */
#define REQUEST_MAX (64 * 1024)     /* bytes of one answer; a driver asks again for more */

typedef struct VirtIORng {
    VirtIODevice vdev;
    char *rng;                      /* id of an rng-random or rng-builtin object */
    uint64_t max_bytes;             /* a period */
    uint32_t period_ms;
    const UserObject *object;
    int fd;                         /* rng-random's file, -1: the host's generator */
    VirtQueue *vq;
    uint64_t quota;                 /* bytes left in this period */
    QEMUTimer *timer;               /* end of the period, armed while a limit is set */
    uint64_t seeded_state;
} VirtIORng;

/* SplitMix64. */
static uint64_t seeded_next(VirtIORng *s)
{
    uint64_t z = s->seeded_state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static size_t seeded_bytes(VirtIORng *s, uint8_t *buf, size_t len)
{
    for (size_t i = 0; i < len; i += 8) {
        uint64_t v = GUINT64_TO_LE(seeded_next(s));
        memcpy(buf + i, &v, MIN(8, len - i));
    }
    return len;
}

/* How many bytes the host had at once; 0 only from a file of the user's that has none now. */
static size_t host_bytes(VirtIORng *s, uint8_t *buf, size_t len)
{
    size_t done = 0;
    while (done < len) {
        ssize_t got = s->fd >= 0 ? read(s->fd, buf + done, len - done)
                                 : getrandom(buf + done, len - done, 0);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            break;
        }
        done += got;
    }
    return done;
}

/* Answers one request with at most `limit` bytes; returns how many. */
static size_t answer(VirtIORng *s, VirtQueueElement *elem, uint64_t limit)
{
    uint8_t buf[CHUNK];
    size_t done = 0, want = MIN(iov_size(elem->in_sg, elem->in_num), MIN(limit, REQUEST_MAX));
    while (done < want) {
        size_t piece = MIN(want - done, sizeof(buf));
        size_t got = s->vdev.parent.machine->config->icount ? seeded_bytes(s, buf, piece)
                                                            : host_bytes(s, buf, piece);
        iov_from_buf(elem->in_sg, elem->in_num, done, buf, got);
        done += got;
        if (got < piece) {
            break;
        }
    }
    return done;
}

static bool limited(const VirtIORng *s)
{
    return s->max_bytes < INT64_MAX;
}

static void start_period(VirtIORng *s)
{
    Machine *m = s->vdev.parent.machine;
    if (!timer_pending(s->timer)) {
        timer_mod(s->timer, qemu_clock_get_ns(m, QEMU_CLOCK_VIRTUAL) + s->period_ms * INT64_C(1000000));
    }
}

static void rng_handle_queue(VirtIODevice *vdev, VirtQueue *vq)
{
    VirtIORng *s = (VirtIORng *)vdev;
    VirtQueueElement *elem;
    unsigned budget = VIRTQUEUE_BUDGET;
    bool pushed = false;
    while (s->quota > 0 && budget > 0 && (elem = virtqueue_pop(vq))) {
        budget--;
        size_t len = answer(s, elem, s->quota);
        if (len == 0 && elem->in_num > 0) {
            virtqueue_unpop(vq, elem);  /* the user's file has nothing: ask it again later */
            start_period(s);
            break;
        }
        virtqueue_push(vq, elem, len);
        pushed = true;
        if (limited(s)) {
            s->quota -= len;
            start_period(s);
        }
    }
    if (pushed) {
        virtqueue_notify(vq);
    }
    if (budget == 0) {
        virtqueue_kick(vq);
    }
}

static void period_ends(void *opaque)
{
    VirtIORng *s = opaque;
    s->quota = s->max_bytes;
    virtqueue_kick(s->vq);
}

static void rng_reset(VirtIODevice *vdev)
{
    VirtIORng *s = (VirtIORng *)vdev;
    timer_del(s->timer);
    s->quota = s->max_bytes;
}

/* ---- what migrates: the rings, and with -icount the generator ---- */

static bool seeded_needed(void *opaque)
{
    return ((VirtIORng *)opaque)->vdev.parent.machine->config->icount;
}

static const VMStateDescription vmstate_seeded = {
    .name = "virtio-rng-device/seeded",
    .version_id = 1,
    .minimum_version_id = 1,
    .needed = seeded_needed,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT64(seeded_state, VirtIORng),
        VMSTATE_END_OF_LIST(),
    },
};

static const VMStateDescription *const rng_subsections[] = {&vmstate_seeded, NULL};

static const VMStateDescription vmstate_virtio_rng = {
    .name = "virtio-rng",
    .version_id = 1,
    .minimum_version_id = 1,
    .save_blob = virtio_save_blob,
    .load_blob = virtio_load_blob,
};

/* ---- realize ---- */

static const VirtIODeviceOps rng_ops = {
    .device_id = VIRTIO_ID_RNG,
    .reset = rng_reset,
    .subsections = rng_subsections,
};

/* rng= names an object; one of type rng-random may name a file. */
static bool open_source(VirtIORng *s, Error **errp)
{
    s->fd = -1;
    if (!s->rng) {
        return true;
    }
    const UserObjects *objects = s->vdev.parent.machine->config->objects;
    const UserObject *object = objects ? user_object_find(objects, s->rng, NULL) : NULL;
    if (!object || !g_str_has_prefix(object->type, "rng-")) {
        error_setg(errp, "virtio-rng: rng=%s is not the id of an rng-random or rng-builtin object",
                   s->rng);
        return false;
    }
    const char *filename = json_string_value(json_object_get(object->options, "filename"));
    if (filename && strcmp(object->type, "rng-random") == 0) {
        s->fd = open(filename, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        if (s->fd < 0) {
            error_setg_errno(errp, errno, "virtio-rng: cannot open '%s'", filename);
            return false;
        }
    }
    s->object = object;
    user_object_ref(object);
    return true;
}

static void rng_unrealize(DeviceState *dev)
{
    VirtIORng *s = (VirtIORng *)dev;
    virtio_cleanup(&s->vdev);
    if (s->timer) {
        timer_free(s->timer);
        s->timer = NULL;
    }
    if (s->fd >= 0) {
        close(s->fd);
        s->fd = -1;
    }
    if (s->object) {
        user_object_unref(s->object);
        s->object = NULL;
    }
}

static bool rng_realize(DeviceState *dev, Error **errp)
{
    VirtIORng *s = (VirtIORng *)dev;
    if (s->max_bytes == 0 || s->period_ms == 0) {
        error_setg(errp, "virtio-rng: max-bytes and period must be greater than 0");
        return false;
    }
    if (!open_source(s, errp)) {
        return false;
    }
    s->quota = s->max_bytes;
    s->seeded_state = SEED;
    s->timer = timer_new_ns(dev->machine, QEMU_CLOCK_VIRTUAL, period_ends, s);
    virtio_init(&s->vdev, &rng_ops, 0, 1);
    s->vq = virtio_add_queue(&s->vdev, 8, rng_handle_queue);
    if (!virtio_plug(&s->vdev, errp)) {
        rng_unrealize(dev);
        return false;
    }
    return true;
}

static const Property rng_props[] = {
    {"rng", PROP_OBJECT, offsetof(VirtIORng, rng), NULL, "an rng-random or rng-builtin object"},
    {"max-bytes", PROP_UINT64, offsetof(VirtIORng, max_bytes), "9223372036854775807",
     "most bytes a period"},
    {"period", PROP_UINT32, offsetof(VirtIORng, period_ms), "65536", "milliseconds"},
    VIRTIO_COMMON_PROPS,
    {0},
};

const DeviceClass virtio_rng_class = {
    .name = "virtio-rng-device",
    .desc = "virtio entropy source",
    .parent = "virtio-device",
    .bus = "virtio-bus",
    .instance_size = sizeof(VirtIORng),
    .props = rng_props,
    .user_creatable = true,
    .realize = rng_realize,
    .unrealize = rng_unrealize,
    .reset = virtio_reset,
    .vmsd = &vmstate_virtio_rng,
};
