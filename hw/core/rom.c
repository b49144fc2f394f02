/*
 * rom.c - blobs that every reset copies into the guest's memory: firmware, kernel, device tree, ROM.
 *
 * Lobby (hw/core), over system/memory.h.  Machine lock held; vCPUs stopped while blobs are copied.
 * Invariant: blobs do not overlap, and each lies in one memory region.
 *
 * A blob is bytes of its own, or a range of an open file that is read again at each reset: a kernel of
 * 30 MB costs no memory of the host, and the file may be removed or replaced meanwhile.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "hw/loader.h"
#include "qdev-internal.h"
#include "system/machine.h"
#include "system/memory.h"
#include "system/runstate.h"
#include "trace/hw-core.h"

typedef struct Rom {
    char *name;
    RAMBlock *block;
    ram_addr_t block_offset;    /* of addr */
    uint64_t addr, len;
    uint8_t *data;              /* given_len bytes, or NULL: of the file */
    int fd;
    uint64_t offset;            /* in the file */
    uint64_t given_len;         /* the rest up to len is zero */
} Rom;

struct RomList {
    Machine *machine;
    GPtrArray *roms;
};

static void rom_free(gpointer opaque)
{
    Rom *rom = opaque;
    if (rom->fd >= 0) {
        close(rom->fd);
    }
    g_free(rom->data);
    g_free(rom->name);
    g_free(rom);
}

RomList *rom_list_new(Machine *m)
{
    RomList *list = g_new0(RomList, 1);
    list->machine = m;
    list->roms = g_ptr_array_new_with_free_func(rom_free);
    return list;
}

void rom_list_free(RomList *list)
{
    g_ptr_array_free(list->roms, TRUE);
    g_free(list);
}

static bool overlaps_another(RomList *list, const char *name, uint64_t addr, uint64_t len,
                             Error **errp)
{
    for (unsigned i = 0; i < list->roms->len; i++) {
        const Rom *rom = list->roms->pdata[i];
        if (addr < rom->addr + rom->len && rom->addr < addr + len) {
            error_setg(errp, "'%s' at 0x%" PRIx64 " to 0x%" PRIx64 " overlaps '%s' at 0x%" PRIx64
                       " to 0x%" PRIx64, name, addr, addr + len - 1, rom->name, rom->addr,
                       rom->addr + rom->len - 1);
            return true;
        }
    }
    return false;
}

/* A blob with everything but its contents; NULL with *errp set if there is no place for it. */
static Rom *rom_add(Machine *m, const char *name, uint64_t addr, uint64_t len, Error **errp)
{
    RomList *list = m->devices->roms;
    MemoryRegion *region = memory_find(m, addr);
    if (!region || !region->block || len > region->size - (addr - region->base)) {
        error_setg(errp, "'%s' needs %" PRIu64 " bytes at 0x%" PRIx64
                   ", where the machine has no memory for it", name, len, addr);
        return NULL;
    }
    if (overlaps_another(list, name, addr, len, errp)) {
        return NULL;
    }
    Rom *rom = g_new0(Rom, 1);
    rom->name = g_strdup(name);
    rom->addr = addr;
    rom->len = len;
    rom->block = region->block;
    rom->block_offset = region->block_offset + (addr - region->base);
    rom->fd = -1;
    g_ptr_array_add(list->roms, rom);
    return rom;
}

bool rom_add_padded(Machine *m, const char *name, uint64_t addr, const void *data,
                    uint64_t data_len, uint64_t len, Error **errp)
{
    if (len == 0) {
        return true;
    }
    Rom *rom = rom_add(m, name, addr, len, errp);
    if (rom) {
        rom->given_len = MIN(data_len, len);
        rom->data = g_malloc(rom->given_len + 1);   /* never NULL, which would mean a file */
        memcpy(rom->data, data, rom->given_len);
    }
    return rom;
}

bool rom_add_bytes(Machine *m, const char *name, uint64_t addr, const void *data, uint64_t len,
                   Error **errp)
{
    return rom_add_padded(m, name, addr, data, len, len, errp);
}

bool rom_add_file(Machine *m, const char *name, uint64_t addr, int fd, uint64_t offset,
                  uint64_t file_len, uint64_t len, Error **errp)
{
    if (len == 0) {
        return true;
    }
    int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (own < 0) {
        error_setg_errno(errp, errno, "'%s': cannot keep the file open", name);
        return false;
    }
    Rom *rom = rom_add(m, name, addr, len, errp);
    if (!rom) {
        close(own);
        return false;
    }
    rom->fd = own;
    rom->offset = offset;
    rom->given_len = MIN(file_len, len);
    return true;
}

void rom_update(Machine *m, uint64_t addr, const void *data, uint64_t len)
{
    GPtrArray *roms = m->devices->roms->roms;
    for (unsigned i = 0; i < roms->len; i++) {
        Rom *rom = roms->pdata[i];
        if (rom->addr == addr && rom->data) {
            memcpy(rom->data, data, MIN(len, rom->given_len));
        }
    }
}

/* Copies one blob; false if its file cannot be read any more. */
static bool rom_copy(const Rom *rom)
{
    uint8_t *to = rom->block->host + rom->block_offset;
    uint64_t done = 0;

    trace_rom_copy(rom->name, rom->addr, rom->len);
    if (rom->data) {
        memcpy(to, rom->data, rom->given_len);
        done = rom->given_len;
    } else {
        while (done < rom->given_len) {
            ssize_t n = pread(rom->fd, to + done, rom->given_len - done, rom->offset + done);
            if (n < 0 && errno == EINTR) {
                continue;
            }
            if (n <= 0) {
                break;
            }
            done += n;
        }
    }
    memset(to + done, 0, rom->len - done);
    ram_block_set_dirty(rom->block, rom->block_offset, rom->len);
    if (done < rom->given_len) {
        trace_rom_read_failed(rom->name, rom->offset + done);
    }
    return done == rom->given_len;
}

/* A machine whose firmware cannot be read again must not run on half of it. */
void rom_list_reset(RomList *list)
{
    bool ok = true;
    for (unsigned i = 0; i < list->roms->len; i++) {
        ok &= rom_copy(list->roms->pdata[i]);
    }
    if (!ok) {
        system_shutdown_request(list->machine, SHUTDOWN_CAUSE_HOST_ERROR, 1);
    }
}

void rom_foreach(Machine *m, void (*fn)(const RomInfo *info, void *opaque), void *opaque)
{
    GPtrArray *roms = m->devices->roms->roms;
    for (unsigned i = 0; i < roms->len; i++) {
        const Rom *rom = roms->pdata[i];
        fn(&(RomInfo){ .name = rom->name, .addr = rom->addr, .len = rom->len }, opaque);
    }
}
