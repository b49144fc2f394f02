/*
 * fw-cfg.c - the firmware configuration device: a selector, a data port, and DMA.
 *
 * Lobby (hw/nvram).  "qemu,fw-cfg-mmio", firmware configuration interface document.  Register map:
 *   0x00  data      R  the next 1 … 8 bytes of the selected item, in memory order
 *   0x08  selector  W  be16
 *   0x10  DMA       R  "QEMU CFG"   W  be64 guest address of a control structure, high half first;
 *                   the write of the low half starts the transfer
 * Control structure in guest memory, all big-endian: u32 control, u32 length, u64 address.  Control
 * bits: 0x01 error, 0x02 read, 0x04 skip, 0x08 select (item number in bits 31:16), 0x10 write.  When the
 * transfer is done the control word is 0, or 1 after an error.  Items are read only, so write fails.
 *
 * Machine lock held.  A read past an item's end gives zeroes.
 *
 * Migration: section fw_cfg v2: cur_entry u16, cur_offset u32; subsection fw_cfg/dma v0: dma_addr u64.
 * The items themselves do not migrate: both sides make them from their command lines.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "hw/fw-cfg.h"

#include <endian.h>
#include <glib.h>
#include <string.h>

#include "hw/sysbus.h"
#include "migration/vmstate.h"
#include "system/machine.h"
#include "trace/hw-nvram.h"

#define FILE_SLOTS 32
#define ITEM_COUNT (FW_CFG_FILE_FIRST + FILE_SLOTS)
#define FILE_NAME_SIZE 56
#define DMA_CHUNK 4096

enum {
    DATA = 0x00,
    SELECTOR = 0x08,
    DMA = 0x10,
};

enum {
    DMA_ERROR = 0x01,
    DMA_READ = 0x02,
    DMA_SKIP = 0x04,
    DMA_SELECT = 0x08,
    DMA_WRITE = 0x10,
};

typedef struct FWCfgItem {
    uint8_t *data;
    uint32_t len;
} FWCfgItem;

/* One entry of the directory, as the guest reads it. */
typedef struct FWCfgFile {
    uint32_t size;          /* be */
    uint16_t select;        /* be */
    uint16_t reserved;
    char name[FILE_NAME_SIZE];
} FWCfgFile;

typedef struct FWCfgState {
    SysBusDevice parent;
    FWCfgItem items[ITEM_COUNT];
    FWCfgFile files[FILE_SLOTS];
    unsigned num_files;
    uint16_t cur_entry;
    uint32_t cur_offset;
    uint64_t dma_addr;
} FWCfgState;

/* ---- items ---- */

void fw_cfg_add_bytes(DeviceState *fw_cfg, uint16_t key, const void *data, uint32_t len)
{
    FWCfgState *s = (FWCfgState *)fw_cfg;
    if (key >= ITEM_COUNT) {
        return;
    }
    g_free(s->items[key].data);
    s->items[key] = (FWCfgItem){ .data = g_memdup2(data, len), .len = len };
}

void fw_cfg_add_i16(DeviceState *fw_cfg, uint16_t key, uint16_t value)
{
    uint16_t le = htole16(value);
    fw_cfg_add_bytes(fw_cfg, key, &le, sizeof(le));
}

void fw_cfg_add_i32(DeviceState *fw_cfg, uint16_t key, uint32_t value)
{
    uint32_t le = htole32(value);
    fw_cfg_add_bytes(fw_cfg, key, &le, sizeof(le));
}

/* The directory item: be32 count, then the entries. */
static void rebuild_directory(FWCfgState *s)
{
    uint32_t count = htobe32(s->num_files);
    GByteArray *dir = g_byte_array_new();
    g_byte_array_append(dir, (const uint8_t *)&count, sizeof(count));
    for (unsigned i = 0; i < s->num_files; i++) {
        s->files[i].size = htobe32(s->items[FW_CFG_FILE_FIRST + i].len);
        s->files[i].select = htobe16(FW_CFG_FILE_FIRST + i);
        g_byte_array_append(dir, (const uint8_t *)&s->files[i], sizeof(s->files[i]));
    }
    fw_cfg_add_bytes(&s->parent.qdev, FW_CFG_FILE_DIR, dir->data, dir->len);
    g_byte_array_free(dir, TRUE);
}

bool fw_cfg_add_file(DeviceState *fw_cfg, const char *name, const void *data, uint32_t len,
                     Error **errp)
{
    FWCfgState *s = (FWCfgState *)fw_cfg;
    FWCfgItem *items = &s->items[FW_CFG_FILE_FIRST];
    unsigned at = 0;

    while (at < s->num_files && strcmp(s->files[at].name, name) < 0) {
        at++;
    }
    if (at < s->num_files && strcmp(s->files[at].name, name) == 0) {
        error_setg(errp, "there is a firmware file '%s' already", name);
        return false;
    }
    if (strlen(name) >= FILE_NAME_SIZE) {
        error_setg(errp, "firmware file name '%s' is longer than %d bytes", name, FILE_NAME_SIZE - 1);
        return false;
    }
    if (s->num_files == FILE_SLOTS) {
        error_setg(errp, "no room for firmware file '%s': there are %d", name, FILE_SLOTS);
        return false;
    }
    memmove(&s->files[at + 1], &s->files[at], (s->num_files - at) * sizeof(s->files[0]));
    memmove(&items[at + 1], &items[at], (s->num_files - at) * sizeof(items[0]));
    memset(&s->files[at], 0, sizeof(s->files[at]));
    strcpy(s->files[at].name, name);
    items[at] = (FWCfgItem){ .data = g_memdup2(data, len), .len = len };
    s->num_files++;
    rebuild_directory(s);
    return true;
}

/* ---- reading ---- */

static void fw_cfg_select(FWCfgState *s, uint16_t key)
{
    trace_fw_cfg_select(key);
    s->cur_entry = key;
    s->cur_offset = 0;
}

/* The next len bytes of the selected item, zeroes after its end. */
static void fw_cfg_next(FWCfgState *s, uint8_t *buf, uint32_t len)
{
    static const FWCfgItem none;
    const FWCfgItem *item = s->cur_entry < ITEM_COUNT ? &s->items[s->cur_entry] : &none;
    uint32_t left = s->cur_offset < item->len ? item->len - s->cur_offset : 0;
    uint32_t n = MIN(len, left);

    if (n > 0) {
        memcpy(buf, item->data + s->cur_offset, n);
    }
    memset(buf + n, 0, len - n);
    s->cur_offset += n;
}

static bool dma_read_item(FWCfgState *s, hwaddr to, uint32_t len)
{
    uint8_t buf[DMA_CHUNK];
    while (len > 0) {
        uint32_t n = MIN(len, sizeof(buf));
        fw_cfg_next(s, buf, n);
        if (address_space_write(s->parent.qdev.machine, to, buf, n) != MEMTX_OK) {
            return false;
        }
        to += n;
        len -= n;
    }
    return true;
}

static void dma_skip_item(FWCfgState *s, uint32_t len)
{
    uint32_t item_len = s->cur_entry < ITEM_COUNT ? s->items[s->cur_entry].len : 0;
    uint32_t left = s->cur_offset < item_len ? item_len - s->cur_offset : 0;
    s->cur_offset += MIN(len, left);
}

static void fw_cfg_dma_transfer(FWCfgState *s)
{
    Machine *m = s->parent.qdev.machine;
    hwaddr at = s->dma_addr;
    struct {
        uint32_t control, length;
        uint64_t address;
    } dma;
    uint32_t result = 0;

    s->dma_addr = 0;
    if (address_space_read(m, at, &dma, sizeof(dma)) != MEMTX_OK) {
        result = htobe32(DMA_ERROR);
        address_space_write(m, at, &result, sizeof(result));
        return;
    }
    uint32_t control = be32toh(dma.control), len = be32toh(dma.length);
    trace_fw_cfg_dma(control, len, be64toh(dma.address));
    if (control & DMA_SELECT) {
        fw_cfg_select(s, control >> 16);
    }
    if (control & DMA_READ) {
        result = dma_read_item(s, be64toh(dma.address), len) ? 0 : DMA_ERROR;
    } else if (control & DMA_WRITE) {
        result = DMA_ERROR;
    } else if (control & DMA_SKIP) {
        dma_skip_item(s, len);
    }
    result = htobe32(result);
    address_space_write(m, at, &result, sizeof(result));
}

/* ---- registers ---- */

static uint64_t data_read(void *opaque, hwaddr addr, unsigned size)
{
    uint64_t value = 0;
    fw_cfg_next(opaque, (uint8_t *)&value, size);
    return le64toh(value);
}

static void data_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    trace_fw_cfg_bad(DATA + addr);
}

static uint64_t selector_read(void *opaque, hwaddr addr, unsigned size)
{
    return 0;
}

static void selector_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    fw_cfg_select(opaque, be16toh(htole16(value)));
}

static uint64_t dma_read(void *opaque, hwaddr addr, unsigned size)
{
    uint64_t value = 0;
    memcpy(&value, &"QEMU CFG"[addr], size);
    return le64toh(value);
}

static void dma_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    FWCfgState *s = opaque;
    if (size == 8) {
        s->dma_addr = be64toh(htole64(value));
        fw_cfg_dma_transfer(s);
    } else if (size == 4 && addr == 0) {
        s->dma_addr = (uint64_t)be32toh(htole32(value)) << 32;
    } else if (size == 4) {
        s->dma_addr |= be32toh(htole32(value));
        fw_cfg_dma_transfer(s);
    } else {
        trace_fw_cfg_bad(DMA + addr);
    }
}

static const MemoryRegionOps data_ops = { .read = data_read, .write = data_write };
static const MemoryRegionOps selector_ops = {
    .read = selector_read, .write = selector_write, .min_access = 2, .max_access = 2,
};
static const MemoryRegionOps dma_ops = { .read = dma_read, .write = dma_write };

/* ---- what migrates ---- */

static bool dma_needed(void *opaque)
{
    return true;
}

static const VMStateDescription vmstate_fw_cfg_dma = {
    .name = "fw_cfg/dma",
    .needed = dma_needed,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT64(dma_addr, FWCfgState),
        VMSTATE_END_OF_LIST(),
    },
};

static const VMStateDescription vmstate_fw_cfg = {
    .name = "fw_cfg",
    .version_id = 2,
    .minimum_version_id = 2,
    .fields = (const VMStateField[]) {
        VMSTATE_UINT16(cur_entry, FWCfgState),
        VMSTATE_UINT32(cur_offset, FWCfgState),
        VMSTATE_END_OF_LIST(),
    },
    .subsections = (const VMStateDescription *const[]) { &vmstate_fw_cfg_dma, NULL },
};

/* ---- realize and reset ---- */

static bool fw_cfg_realize(DeviceState *dev, Error **errp)
{
    FWCfgState *s = (FWCfgState *)dev;
    static const uint8_t id[4] = { 3 };     /* bit 0: this interface, bit 1: DMA */

    if (!sysbus_map(&s->parent, "fwcfg.data", DATA, 8, &data_ops, errp) ||
        !sysbus_map(&s->parent, "fwcfg.ctl", SELECTOR, 2, &selector_ops, errp) ||
        !sysbus_map(&s->parent, "fwcfg.dma", DMA, 8, &dma_ops, errp)) {
        sysbus_unmap_all(&s->parent);
        return false;
    }
    fw_cfg_add_bytes(dev, FW_CFG_SIGNATURE, "QEMU", 4);
    fw_cfg_add_bytes(dev, FW_CFG_ID, id, sizeof(id));
    rebuild_directory(s);
    return true;
}

static void fw_cfg_unrealize(DeviceState *dev)
{
    FWCfgState *s = (FWCfgState *)dev;
    sysbus_unmap_all(&s->parent);
    for (unsigned i = 0; i < ITEM_COUNT; i++) {
        g_free(s->items[i].data);
    }
}

static void fw_cfg_reset(DeviceState *dev)
{
    FWCfgState *s = (FWCfgState *)dev;
    fw_cfg_select(s, FW_CFG_SIGNATURE);
    s->dma_addr = 0;
}

const DeviceClass fw_cfg_class = {
    .name = TYPE_FW_CFG,
    .desc = "firmware configuration",
    .parent = "fw_cfg",
    .instance_size = sizeof(FWCfgState),
    .realize = fw_cfg_realize,
    .unrealize = fw_cfg_unrealize,
    .reset = fw_cfg_reset,
    .vmsd = &vmstate_fw_cfg,
};
