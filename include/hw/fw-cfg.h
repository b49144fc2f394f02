/*
 * fw-cfg.h - what the machine tells its firmware: items by number, and files by name.
 *
 * Lobby (hw/nvram).  Items are added before the guest runs and are read only for it.  Machine lock held.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_HW_FW_CFG_H
#define GODWIT_HW_FW_CFG_H

#include "hw/qdev.h"

#define TYPE_FW_CFG "fw_cfg_mem"

/* Numbers of the items that this program provides (docs: firmware interface, "selector register"). */
enum {
    FW_CFG_SIGNATURE = 0x00,
    FW_CFG_ID = 0x01,
    FW_CFG_UUID = 0x02,
    FW_CFG_RAM_SIZE = 0x03,
    FW_CFG_NOGRAPHIC = 0x04,
    FW_CFG_NB_CPUS = 0x05,
    FW_CFG_KERNEL_SIZE = 0x08,
    FW_CFG_INITRD_SIZE = 0x0b,
    FW_CFG_BOOT_MENU = 0x0e,
    FW_CFG_MAX_CPUS = 0x0f,
    FW_CFG_KERNEL_DATA = 0x11,
    FW_CFG_INITRD_DATA = 0x12,
    FW_CFG_CMDLINE_SIZE = 0x14,
    FW_CFG_CMDLINE_DATA = 0x15,
    FW_CFG_FILE_DIR = 0x19,
    FW_CFG_FILE_FIRST = 0x20,
};

/* Copies len bytes as item `key`, replacing what was there. key is one of the enumeration. */
void fw_cfg_add_bytes(DeviceState *fw_cfg, uint16_t key, const void *data, uint32_t len);
/* Little-endian numbers. */
void fw_cfg_add_i16(DeviceState *fw_cfg, uint16_t key, uint16_t value);
void fw_cfg_add_i32(DeviceState *fw_cfg, uint16_t key, uint32_t value);
/*
 * Adds a file; the directory is kept sorted by name. Fails if there is one of that name, it is longer
 * than 55 bytes, or there are 32 already.
 */
bool fw_cfg_add_file(DeviceState *fw_cfg, const char *name, const void *data, uint32_t len,
                     Error **errp);

#endif
