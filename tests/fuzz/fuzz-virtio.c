/*
 * fuzz-virtio.c - a hostile guest: arbitrary registers, rings and buffers against the virtio devices.
 *
 * One input is one guest's life.  Byte 0 chooses device (bits 0-1: disk, network, serial, display) and
 * the slot's form (bit 2: modern).  A driver sets the device up decently; what follows are operations:
 *   0 offset16 len8 bytes   bytes into the 64 KiB of guest memory that hold the rings
 *   1 register8 value32     store to register 4 * register8 (configuration space included)
 *   2 register8             load from it
 *   3 queue8 index16        head (or garbage) into the available ring, one step
 *   4 queue8                notification
 *   5 queue8 desc8 kind8 len16 flags8 next8   a descriptor that points near something useful
 *   6 len8 bytes            the host's end: a frame or console input
 *   7                       stop, save, load, start
 *   8 queue8 type8 10 x value8   a request that the device should understand, and a notification
 * The emulator must neither crash nor hang; what the device answers does not matter.
 *
 * Built with -fsanitize=fuzzer this is a libFuzzer target; test-virtio-fuzz.c runs it for a bounded
 * number of random inputs.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "tests/unit/virtio-rings.h"

#include "block/block.h"
#include "chardev/char.h"
#include "net/net.h"
#include "ui/console.h"
#include "util/iov.h"

#define FUZZ_WINDOW (FX_RAM_BASE + 0x100000)
#define FUZZ_RING 8                 /* entries */
#define FUZZ_QUEUES 6

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct FuzzInput {
    const uint8_t *data;
    size_t size, at;
} FuzzInput;

static uint32_t fuzz_take(FuzzInput *in, unsigned bytes)
{
    uint32_t v = 0;
    for (unsigned i = 0; i < bytes && in->at < in->size; i++) {
        v |= (uint32_t)in->data[in->at++] << (8 * i);
    }
    return v;
}

typedef struct FuzzGuest {
    VFixture *fx;
    DeviceState *dev;
    NetClientState *host;
    unsigned kind;
    uint16_t avail[FUZZ_QUEUES];
    hwaddr desc[FUZZ_QUEUES], ring[FUZZ_QUEUES];
} FuzzGuest;

static size_t fuzz_host_receive(NetClientState *nc, const struct iovec *iov, int niov)
{
    return iov_size(iov, niov);
}

static void fuzz_host_cleanup(NetClientState *nc)
{
}

static const NetClientOps fuzz_host_ops = {
    .type = "fuzz", .receive = fuzz_host_receive, .cleanup = fuzz_host_cleanup,
};

static void fuzz_back_ends(FuzzGuest *g)
{
    Machine *m = g->fx->m;
    machine_lock(m);
    json_t *node = json_pack("{s:s, s:s, s:i}", "driver", "null-co", "node-name", "n0", "size", 1 << 20);
    json_t *chr = json_pack("{s:s, s:s}", "backend", "null", "id", "c0");
    g_assert_nonnull(block_node_new(m, node, NULL));
    g_assert_nonnull(chardev_new(m, chr, NULL));
    g->host = net_client_new(m, &fuzz_host_ops, "h0", NULL);
    machine_unlock(m);
    json_decref(node);
    json_decref(chr);
}

static void fuzz_device(FuzzGuest *g, unsigned kind)
{
    static const char *const devices[] = {
        "virtio-blk-device,drive=n0,num-queues=2", "virtio-net-device,netdev=h0",
        "virtio-serial-device,max_ports=2", "virtio-gpu-device,max_hostmem=1M",
    };
    g->dev = fx_device(g->fx, devices[kind]);
    if (kind == 2) {
        fx_device(g->fx, "virtconsole,chardev=c0");
        fx_device(g->fx, "virtserialport,name=p");
    }
}

/* Rings at fixed places in the window, everything negotiated. */
static void fuzz_set_up(FuzzGuest *g)
{
    Driver d;
    drv_begin(&d, g->fx, FX_LAST_SLOT, ~UINT64_C(0));
    for (unsigned i = 0; i < FUZZ_QUEUES; i++) {
        fx_write(g->fx, FX_LAST_SLOT, 0x30, i);
        if (fx_read(g->fx, FX_LAST_SLOT, 0x34) == 0) {
            break;
        }
        DrvQueue *q = drv_queue(&d, i, FUZZ_RING);
        g->desc[i] = q->desc;
        g->ring[i] = q->avail;
    }
    drv_ok(&d);
}

static void fuzz_publish(FuzzGuest *g, unsigned queue, uint16_t head)
{
    if (!g->ring[queue]) {
        return;
    }
    uint16_t *avail = fx_ram(g->fx, g->ring[queue]);
    avail[2 + g->avail[queue]++ % FUZZ_RING] = head < 0xf000 ? head % FUZZ_RING : head;
    avail[1] = g->avail[queue];
}

/* Most addresses lie in the window, so that chains get far. */
static void fuzz_descriptor(FuzzGuest *g, FuzzInput *in)
{
    unsigned queue = fuzz_take(in, 1) % FUZZ_QUEUES, at = fuzz_take(in, 1) % FUZZ_RING;
    unsigned kind = fuzz_take(in, 1);
    uint32_t len = fuzz_take(in, 2);
    unsigned flags = fuzz_take(in, 1), next = fuzz_take(in, 1);
    hwaddr addr = FUZZ_WINDOW + 64 * kind;
    if (!g->desc[queue]) {
        return;
    }
    if (kind == 255) {
        addr = UINT64_MAX - len / 2;
    } else if (kind == 254) {
        addr = FX_LAST_SLOT;
    } else if (kind == 253) {
        addr = FX_RAM_BASE + FX_RAM_SIZE - 16;
    }
    DrvBuf b = {addr, kind & 1 ? len : len % 256, false};
    ring_desc(g->fx, g->desc[queue], at, b, flags & 7, kind & 2 ? next : next % FUZZ_RING);
}

/* The first word of a request of the kind of device. */
static uint32_t fuzz_type(const FuzzGuest *g, unsigned queue, uint8_t type)
{
    static const uint8_t blk[] = {0, 1, 4, 8, 11, 13, 0, 1};
    switch (g->kind) {
    case 0:
        return blk[type % 8];
    case 1:
        return (type & 7) | (type >> 3 & 7) << 8;           /* control: class, command */
    case 2:
        return type % 3;                                    /* control: port */
    default:
        return queue == 1 ? 0x300 + type % 2 : 0x100 + type % 11;
    }
}

/* Body words are small numbers; 255 becomes an address in the window, 254 a huge number. */
static void fuzz_request(FuzzGuest *g, FuzzInput *in)
{
    unsigned queue = fuzz_take(in, 1) % FUZZ_QUEUES;
    uint32_t words[16] = {fuzz_type(g, queue, fuzz_take(in, 1))};
    const hwaddr request = FUZZ_WINDOW + 0xf000;
    unsigned body = g->kind == 3 ? 6 : g->kind == 0 ? 2 : 1;
    if (!g->desc[queue]) {
        return;
    }
    for (unsigned i = 0; i < 10; i++) {
        uint32_t v = fuzz_take(in, 1);
        words[body + i] = v == 255 ? FUZZ_WINDOW : v == 254 ? 0x7fffffff : v;
    }
    memcpy(fx_ram(g->fx, request), words, sizeof(words));
    unsigned out = g->kind == 0 ? 16 + 16 * (words[0] > 8) : g->kind == 1 ? 2 + words[10] % 40 : 64;
    ring_desc(g->fx, g->desc[queue], 0, (DrvBuf){request, out, false}, 1, 1);
    ring_desc(g->fx, g->desc[queue], 1, (DrvBuf){FUZZ_WINDOW + 0xe000, 2049, true}, 0, 0);
    fuzz_publish(g, queue, 0);
    fx_write(g->fx, FX_LAST_SLOT, 0x50, queue);
    fx_settle(g->fx);
}

static void fuzz_host_input(FuzzGuest *g, FuzzInput *in)
{
    uint8_t frame[256];
    size_t len = fuzz_take(in, 1);
    for (size_t i = 0; i < len; i++) {
        frame[i] = fuzz_take(in, 1);
    }
    struct iovec iov = {frame, len};
    machine_lock(g->fx->m);
    net_send(g->host, &iov, 1);
    machine_unlock(g->fx->m);
}

static void fuzz_round_trip(FuzzGuest *g)
{
    size_t len;
    fx_stop(g->fx);
    uint8_t *buf = fx_save(g->dev, &len);
    Error *err = fx_load(g->dev, buf, len);         /* may be refused: the guest owns used->idx */
    error_free(err);
    g_free(buf);
    machine_lock(g->fx->m);
    vm_start(g->fx->m);
    machine_unlock(g->fx->m);
}

static void fuzz_memory(FuzzGuest *g, FuzzInput *in)
{
    uint32_t offset = fuzz_take(in, 2), len = fuzz_take(in, 1);
    for (uint32_t i = 0; i < len; i++) {
        *(uint8_t *)fx_ram(g->fx, FUZZ_WINDOW + offset + i) = fuzz_take(in, 1);
    }
}

static void fuzz_operation(FuzzGuest *g, FuzzInput *in, unsigned *round_trips)
{
    uint32_t reg;
    switch (fuzz_take(in, 1) % 9) {
    case 0:
        fuzz_memory(g, in);
        break;
    case 1:
        reg = 4 * fuzz_take(in, 1);
        fx_write(g->fx, FX_LAST_SLOT, reg, fuzz_take(in, 4));
        break;
    case 2:
        fx_read(g->fx, FX_LAST_SLOT, 4 * fuzz_take(in, 1));
        break;
    case 3:
        reg = fuzz_take(in, 1) % FUZZ_QUEUES;
        fuzz_publish(g, reg, fuzz_take(in, 2));
        break;
    case 4:
        fx_write(g->fx, FX_LAST_SLOT, 0x50, fuzz_take(in, 1) % (FUZZ_QUEUES + 1));
        fx_settle(g->fx);
        break;
    case 5:
        fuzz_descriptor(g, in);
        break;
    case 6:
        fuzz_host_input(g, in);
        break;
    case 8:
        fuzz_request(g, in);
        break;
    default:
        if ((*round_trips)++ < 4) {
            fuzz_round_trip(g);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    FuzzInput in = {data, size, 0};
    unsigned kind = fuzz_take(&in, 1), round_trips = 0;
    FuzzGuest g = {.fx = fx_new(kind & 4, false), .kind = kind & 3};
    fuzz_back_ends(&g);
    fuzz_device(&g, kind & 3);
    fx_start(g.fx);
    fuzz_set_up(&g);
    while (in.at < in.size) {
        fuzz_operation(&g, &in, &round_trips);
    }
    fx_settle(g.fx);
    fx_free(g.fx);
    return 0;
}
