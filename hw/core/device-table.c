/*
 * device-table.c - every device class that this program has.
 *
 * Lobby (hw/core): the one list; a new device adds a declaration and a row.  Immutable, no locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>

#include "hw/qdev.h"

extern const DeviceClass aclint_mtimer_class;
extern const DeviceClass aclint_swi_class;
extern const DeviceClass fw_cfg_class;
extern const DeviceClass goldfish_rtc_class;
extern const DeviceClass gpex_host_class;
extern const DeviceClass gpex_root_class;
extern const DeviceClass pflash_cfi01_class;
extern const DeviceClass serial_mm_class;
extern const DeviceClass sifive_plic_class;
extern const DeviceClass sifive_test_class;
extern const DeviceClass virtconsole_class;
extern const DeviceClass virtio_balloon_class;
extern const DeviceClass virtio_blk_class;
extern const DeviceClass virtio_gpu_class;
extern const DeviceClass virtio_mmio_class;
extern const DeviceClass virtio_net_class;
extern const DeviceClass virtio_rng_class;
extern const DeviceClass virtio_serial_class;
extern const DeviceClass virtserialport_class;

static const DeviceClass *const table[] = {
    &aclint_swi_class,
    &aclint_mtimer_class,
    &sifive_plic_class,
    &sifive_test_class,
    &gpex_root_class,
    &gpex_host_class,
    &serial_mm_class,
    &goldfish_rtc_class,
    &pflash_cfi01_class,
    &fw_cfg_class,
    &virtio_mmio_class,
    &virtio_blk_class,
    &virtio_net_class,
    &virtio_rng_class,
    &virtio_balloon_class,
    &virtio_serial_class,
    &virtconsole_class,
    &virtserialport_class,
    &virtio_gpu_class,
    NULL,
};

const DeviceClass *const *device_classes(void)
{
    return table;
}

const DeviceClass *device_class_find(const char *name)
{
    for (unsigned i = 0; table[i]; i++) {
        if (strcmp(table[i]->name, name) == 0) {
            return table[i];
        }
    }
    return NULL;
}
