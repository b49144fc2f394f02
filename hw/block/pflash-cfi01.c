/*
 * pflash-cfi01.c - two interleaved 16-bit flash chips with the Intel command set, as one 32-bit bank.
 *
 * Lobby (hw/block), over system/memory.h and block/block.h.  Common Flash Interface specification 2.0;
 * Intel/Sharp extended command set (0001).  There are no registers: while the bank is in read-array
 * mode loads see the bytes directly (ROMD); a store is a command, and then loads come here.
 *   0xff read array   0x70 read status    0x50 clear status   0x90 read identifiers   0x98 CFI query
 *   0x20 … 0xd0 erase the block           0x40, 0x10 … data   program one word
 *   0xe8, count - 1, data …, 0xd0 program a buffer            0x60 … 0x01, 0xd0 lock, unlock
 * Commands and answers appear once in each 16-bit lane; the second lane is as wide as the access.
 *
 * Machine lock held.  Programming and erasing take no time: status always says ready.  The bytes live
 * in a RAM block, so they migrate as RAM; changes reach the image on the main loop's thread (a bottom
 * half), at the latest when the machine stops.
 * Invariant: romd is set exactly while wcycle is 0 and cmd is read array (0x00).
 *
 * Migration: section pflash_cfi01 v1: wcycle u8, cmd u8, status u8, counter u64.  A programming
 * buffer in flight does not migrate; its bytes were written as they came.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "hw/pflash.h"

#include <glib.h>
#include <inttypes.h>
#include <string.h>

#include "block/block.h"
#include "hw/sysbus.h"
#include "migration/vmstate.h"
#include "system/machine.h"
#include "system/runstate.h"
#include "trace/hw-block.h"

#define SECTOR_SIZE 0x40000         /* of the bank: 128 KiB a chip */
#define WRITE_BUFFER 4096           /* bytes of the bank: 2 KiB a chip */
#define BUS_WIDTH 4
#define MANUFACTURER 0x89
#define DEVICE_CODE 0x18
#define STATUS_READY 0x80
#define STATUS_PROGRAM_ERROR 0x10
#define STATUS_ERASE_ERROR 0x20
#define CFI_SIZE 0x52

enum {
    CMD_READ_ARRAY = 0x00,          /* as it stands in cmd; the guest writes 0xff */
    CMD_LOCK_BIT = 0x01,
    CMD_PROGRAM_ALT = 0x10,
    CMD_ERASE = 0x20,
    CMD_PROGRAM = 0x40,
    CMD_CLEAR_STATUS = 0x50,
    CMD_LOCK = 0x60,
    CMD_READ_STATUS = 0x70,
    CMD_READ_ID = 0x90,
    CMD_QUERY = 0x98,
    CMD_CONFIRM = 0xd0,
    CMD_BUFFER = 0xe8,
    CMD_RESET = 0xff,
};

typedef struct PFlashState {
    SysBusDevice parent;
    MemoryRegion region;
    RAMBlock *block;
    BlockBackend *blk;              /* NULL: contents end with the machine */
    uint8_t cfi[CFI_SIZE];
    uint8_t wcycle;                 /* stores of the current command so far */
    uint8_t cmd;
    uint8_t status;
    uint64_t counter;               /* words that the buffer command still expects, minus 1 */
    uint64_t dirty_from, dirty_to;  /* not yet in the image; empty if equal */
    QEMUBH *bh;
    VMChangeStateEntry *vm_entry;
} PFlashState;

/* ---- the CFI table ---- */

static unsigned log2_of(uint64_t v)
{
    return 63 - __builtin_clzll(v);
}

/* CFI specification, table 3 on; sizes are those of one chip. */
static void fill_cfi(PFlashState *s)
{
    unsigned sectors = s->block->used_length / SECTOR_SIZE;
    uint8_t *cfi = s->cfi;

    memcpy(cfi + 0x10, "QRY", 3);
    cfi[0x13] = 0x01;               /* command set: Intel/Sharp extended */
    cfi[0x15] = 0x31;               /* its table */
    cfi[0x1b] = 0x45;               /* Vcc 4.5 V … */
    cfi[0x1c] = 0x55;               /* … 5.5 V; no Vpp */
    cfi[0x1f] = 0x07;               /* word program, 2^n µs */
    cfi[0x20] = 0x07;               /* buffer program, 2^n µs */
    cfi[0x21] = 0x0a;               /* sector erase, 2^n ms */
    cfi[0x23] = 0x04;               /* maxima: 2^n times those */
    cfi[0x24] = 0x04;
    cfi[0x25] = 0x04;
    cfi[0x27] = log2_of(s->block->used_length / 2);
    cfi[0x28] = 0x02;               /* x8 and x16 */
    cfi[0x2a] = log2_of(WRITE_BUFFER / 2);
    cfi[0x2c] = 1;                  /* one erase region: sectors - 1, size / 256 */
    cfi[0x2d] = (sectors - 1) & 0xff;
    cfi[0x2e] = (sectors - 1) >> 8;
    cfi[0x2f] = (SECTOR_SIZE / 2 >> 8) & 0xff;
    cfi[0x30] = SECTOR_SIZE / 2 >> 16;
    memcpy(cfi + 0x31, "PRI10", 5); /* extended table, version 1.0; no optional features */
    cfi[0x3f] = 0x01;               /* one protection field */
}

/* ---- bytes ---- */

/* The image lacks those bytes. */
static void owe_image(PFlashState *s, uint64_t offset, uint64_t len)
{
    if (s->dirty_from == s->dirty_to) {
        s->dirty_from = offset;
        s->dirty_to = offset + len;
    } else {
        s->dirty_from = MIN(s->dirty_from, offset);
        s->dirty_to = MAX(s->dirty_to, offset + len);
    }
}

static void mark_dirty(PFlashState *s, uint64_t offset, uint64_t len)
{
    ram_block_set_dirty(s->block, offset, len);
    if (s->blk) {
        owe_image(s, offset, len);
        qemu_bh_schedule(s->bh);
    }
}

/* Bottom half, and when the machine stops or starts: main loop's thread. */
static void write_back_bh(void *opaque)
{
    PFlashState *s = opaque;
    if (s->dirty_from == s->dirty_to) {
        return;
    }
    uint64_t from = s->dirty_from / BDRV_SECTOR_SIZE * BDRV_SECTOR_SIZE;
    uint64_t to = (s->dirty_to + BDRV_SECTOR_SIZE - 1) / BDRV_SECTOR_SIZE * BDRV_SECTOR_SIZE;
    int ret = blk_pwrite(s->blk, from, s->block->host + from, to - from);
    s->dirty_from = s->dirty_to = 0;
    if (ret < 0) {
        trace_pflash_write_back_failed(from, -ret);
    }
}

static void pflash_vm_state(void *opaque, bool running, RunState state)
{
    write_back_bh(opaque);
}

static bool is_writable(const PFlashState *s)
{
    return !s->blk || !blk_is_read_only(s->blk);
}

static void program(PFlashState *s, hwaddr addr, uint64_t value, unsigned size)
{
    if (!is_writable(s)) {
        s->status |= STATUS_PROGRAM_ERROR;
        return;
    }
    for (unsigned i = 0; i < size; i++) {
        s->block->host[addr + i] = value >> (8 * i);
    }
    mark_dirty(s, addr, size);
}

static void erase(PFlashState *s, hwaddr addr)
{
    uint64_t start = addr & ~(uint64_t)(SECTOR_SIZE - 1);
    if (!is_writable(s)) {
        s->status |= STATUS_ERASE_ERROR;
        return;
    }
    memset(s->block->host + start, 0xff, SECTOR_SIZE);
    mark_dirty(s, start, SECTOR_SIZE);
}

static uint64_t array_read(const PFlashState *s, hwaddr addr, unsigned size)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < size; i++) {
        value |= (uint64_t)s->block->host[addr + i] << (8 * i);
    }
    return value;
}

/* ---- commands ---- */

static void set_mode(PFlashState *s, uint8_t wcycle, uint8_t cmd)
{
    s->wcycle = wcycle;
    s->cmd = cmd;
    memory_region_set_romd(s->parent.qdev.machine, &s->region, wcycle == 0 && cmd == CMD_READ_ARRAY);
}

static void read_array(PFlashState *s)
{
    set_mode(s, 0, CMD_READ_ARRAY);
}

static void bad_command(PFlashState *s, hwaddr addr, uint64_t value)
{
    trace_pflash_bad_command(addr, value);
    read_array(s);
}

/* The first store of a command. */
static void first_cycle(PFlashState *s, hwaddr addr, uint64_t value)
{
    uint8_t cmd = value;
    switch (cmd) {
    case CMD_READ_ARRAY:
    case CMD_RESET:
        read_array(s);
        break;
    case CMD_CLEAR_STATUS:
        s->status = STATUS_READY;
        read_array(s);
        break;
    case CMD_READ_STATUS:
    case CMD_READ_ID:
    case CMD_QUERY:
        set_mode(s, 0, cmd);
        break;
    case CMD_PROGRAM:
    case CMD_PROGRAM_ALT:
    case CMD_ERASE:
    case CMD_LOCK:
    case CMD_BUFFER:
        s->status |= STATUS_READY;
        set_mode(s, 1, cmd);
        break;
    default:
        bad_command(s, addr, value);
        break;
    }
}

/* The second store: data, a confirmation, or the buffer's length. */
static void second_cycle(PFlashState *s, hwaddr addr, uint64_t value, unsigned size)
{
    uint8_t confirm = value;
    switch (s->cmd) {
    case CMD_PROGRAM:
    case CMD_PROGRAM_ALT:
        program(s, addr, value, size);
        s->status |= STATUS_READY;
        set_mode(s, 0, CMD_READ_STATUS);
        break;
    case CMD_ERASE:
        if (confirm != CMD_CONFIRM) {
            bad_command(s, addr, value);
            break;
        }
        erase(s, addr);
        s->status |= STATUS_READY;
        set_mode(s, 0, CMD_READ_STATUS);
        break;
    case CMD_LOCK:
        if (confirm != CMD_CONFIRM && confirm != CMD_LOCK_BIT) {
            bad_command(s, addr, value);
            break;
        }
        s->status |= STATUS_READY;      /* blocks are never locked */
        set_mode(s, 0, CMD_READ_STATUS);
        break;
    default:
        s->counter = value & 0xffff;    /* the length's copy in the lower lane */
        if (s->counter >= WRITE_BUFFER / BUS_WIDTH) {
            s->status |= STATUS_PROGRAM_ERROR;
            bad_command(s, addr, value);
            break;
        }
        set_mode(s, 2, s->cmd);
        break;
    }
}

/* Data of the buffer command; the word after the last is the confirmation. */
static void buffer_cycle(PFlashState *s, hwaddr addr, uint64_t value, unsigned size)
{
    if (s->wcycle == 2) {
        program(s, addr, value, size);
        if (s->counter == 0) {
            set_mode(s, 3, s->cmd);
        } else {
            s->counter--;
        }
        return;
    }
    if ((uint8_t)value != CMD_CONFIRM) {
        bad_command(s, addr, value);
        return;
    }
    s->status |= STATUS_READY;
    set_mode(s, 0, CMD_READ_STATUS);
}

/* ---- accesses ---- */

/* One answer a chip: both lanes of a 32-bit access say the same. */
static uint64_t lanes(uint16_t answer, unsigned size)
{
    return size == 4 ? answer | (uint32_t)answer << 16 : size == 1 ? answer & 0xff : answer;
}

static uint64_t pflash_read(void *opaque, hwaddr addr, unsigned size)
{
    PFlashState *s = opaque;
    unsigned index = addr / BUS_WIDTH & 0xff;
    uint64_t value;

    switch (s->wcycle == 0 ? s->cmd : CMD_READ_STATUS) {
    case CMD_READ_ARRAY:
        value = array_read(s, addr, size);
        break;
    case CMD_READ_ID:
        value = lanes(index == 0 ? MANUFACTURER : index == 1 ? DEVICE_CODE : 0, size);
        break;
    case CMD_QUERY:
        value = lanes(index < CFI_SIZE ? s->cfi[index] : 0, size);
        break;
    default:
        value = lanes(s->status, size);
        break;
    }
    trace_pflash_read(addr, value, s->cmd);
    return value;
}

static void pflash_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    PFlashState *s = opaque;
    trace_pflash_write(addr, value, s->wcycle, s->cmd);
    if (s->wcycle == 0) {
        first_cycle(s, addr, value);
    } else if (s->wcycle == 1) {
        second_cycle(s, addr, value, size);
    } else {
        buffer_cycle(s, addr, value, size);
    }
}

static const MemoryRegionOps pflash_ops = {
    .read = pflash_read,
    .write = pflash_write,
    .min_access = 1,
    .max_access = 4,
};

/* ---- what migrates ---- */

static bool cmd_is_known(uint8_t cmd)
{
    static const uint8_t known[] = {
        CMD_READ_ARRAY, CMD_PROGRAM, CMD_PROGRAM_ALT, CMD_ERASE, CMD_CLEAR_STATUS, CMD_LOCK,
        CMD_READ_STATUS, CMD_READ_ID, CMD_QUERY, CMD_BUFFER, CMD_RESET, CMD_CONFIRM,
    };
    return memchr(known, cmd, sizeof(known)) != NULL;
}

static bool pflash_post_load(void *opaque, int version_id, Error **errp)
{
    PFlashState *s = opaque;
    if (s->wcycle > 3 || !cmd_is_known(s->cmd) || (s->wcycle > 1 && s->cmd != CMD_BUFFER)) {
        error_setg(errp, "a flash bank cannot be in cycle %u of command 0x%02x", s->wcycle, s->cmd);
        return false;
    }
    if (s->wcycle == 2 && s->counter >= WRITE_BUFFER / BUS_WIDTH) {
        error_setg(errp, "%" PRIu64 " words wait for the flash's buffer of %d", s->counter,
                   WRITE_BUFFER / BUS_WIDTH);
        return false;
    }
    set_mode(s, s->wcycle, s->cmd);
    if (s->blk && is_writable(s)) {
        /* The bytes came with the RAM; the image is another's until this machine starts. */
        owe_image(s, 0, s->block->used_length);
    }
    return true;
}

static const VMStateDescription vmstate_pflash = {
    .name = "pflash_cfi01",
    .version_id = 1,
    .minimum_version_id = 1,
    .post_load = pflash_post_load,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT8(wcycle, PFlashState),
        VMSTATE_UINT8(cmd, PFlashState),
        VMSTATE_UINT8(status, PFlashState),
        VMSTATE_UINT64(counter, PFlashState),
        VMSTATE_END_OF_LIST(),
    },
};

/* ---- realize and reset ---- */

static bool pflash_realize(DeviceState *dev, Error **errp)
{
    PFlashState *s = (PFlashState *)dev;
    s->region = (MemoryRegion){
        .name = s->block->idstr, .base = s->parent.base, .size = s->block->used_length,
        .block = s->block, .readonly = true, .romd = true, .ops = &pflash_ops, .opaque = s,
    };
    if (!memory_map_region(dev->machine, &s->region, errp)) {
        return false;
    }
    fill_cfi(s);
    s->status = STATUS_READY;
    s->bh = qemu_bh_new(dev->machine->loop, write_back_bh, s);
    s->vm_entry = vm_add_change_state_handler(dev->machine, pflash_vm_state, s);
    return true;
}

static void pflash_unrealize(DeviceState *dev)
{
    PFlashState *s = (PFlashState *)dev;
    write_back_bh(s);
    vm_del_change_state_handler(s->vm_entry);
    qemu_bh_delete(s->bh);
    memory_unmap_region(dev->machine, &s->region);
}

static void pflash_reset(DeviceState *dev)
{
    PFlashState *s = (PFlashState *)dev;
    s->status = STATUS_READY;
    s->counter = 0;
    read_array(s);
}

static const Property pflash_props[] = {
    { "drive", PROP_DRIVE, offsetof(PFlashState, blk), NULL, "image of the bank" },
    { NULL },
};

const DeviceClass pflash_cfi01_class = {
    .name = "cfi.pflash01",
    .desc = "CFI flash, Intel command set",
    .parent = "sys-bus-device",
    .instance_size = sizeof(PFlashState),
    .props = pflash_props,
    .realize = pflash_realize,
    .unrealize = pflash_unrealize,
    .reset = pflash_reset,
    .vmsd = &vmstate_pflash,
};

DeviceState *pflash_create(Machine *m, hwaddr base, RAMBlock *block, Error **errp)
{
    PFlashState *s = (PFlashState *)qdev_new(m, &pflash_cfi01_class, NULL);
    s->parent.base = s->parent.qdev.mmio_base = base;
    s->block = block;
    return qdev_realize(&s->parent.qdev, errp) ? &s->parent.qdev : NULL;
}

bool pflash_has_drive(const DeviceState *dev)
{
    return ((const PFlashState *)dev)->blk != NULL;
}

bool pflash_attach_drive(DeviceState *dev, const char *drive, Error **errp)
{
    PFlashState *s = (PFlashState *)dev;
    BlockBackend *blk = blk_attach(dev->machine, drive, dev->qom_path, errp);
    if (!blk) {
        return false;
    }
    if (blk_length(blk) != s->block->used_length) {
        error_setg(errp, "flash image '%s' has %" PRIu64 " bytes; the bank has %" PRIu64, drive,
                   blk_length(blk), s->block->used_length);
        blk_detach(blk);
        return false;
    }
    int ret = blk_pread(blk, 0, s->block->host, s->block->used_length);
    if (ret < 0) {
        error_setg_errno(errp, -ret, "flash image '%s' cannot be read", drive);
        blk_detach(blk);
        return false;
    }
    ram_block_set_dirty(s->block, 0, s->block->used_length);
    s->blk = blk;       /* given back with the property */
    dev->options = json_pack("{ss}", "drive", drive);
    return true;
}
