/*
 * loader.c - a kernel or firmware file of any known kind into guest memory.
 *
 * Lobby (hw/core), over image-source.c, loader-elf.c and rom.c.  Machine lock held.
 *
 * RISC-V Linux Image header (Linux, Documentation/arch/riscv/boot-image-header): le64 image_size at
 * 16, the memory that it occupies with its bss; le64 flags at 24, bit 0: big-endian kernel;
 * "RISCV\0\0\0" at 48, "RSC\x05" at 56.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <endian.h>
#include <glib.h>
#include <inttypes.h>
#include <string.h>

#include "hw/loader.h"

#define IMAGE_HEADER_SIZE 64

static uint64_t le64_at(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof(v));
    return le64toh(v);
}

/* The memory that the image occupies: what a Linux header says, the file's size otherwise. */
static bool occupied_size(const ImageSource *src, uint64_t *size, Error **errp)
{
    uint8_t header[IMAGE_HEADER_SIZE];
    *size = src->size;
    if (!image_source_read(src, 0, header, sizeof(header), NULL) ||
        memcmp(header + 48, "RISCV\0\0\0", 8) != 0 || memcmp(header + 56, "RSC\x05", 4) != 0) {
        return true;
    }
    if (le64_at(header + 24) & 1) {
        error_setg(errp, "'%s' is a big-endian kernel; the machine is little-endian", src->name);
        return false;
    }
    *size = MAX(src->size, le64_at(header + 16));
    return true;
}

static bool load_source_raw(Machine *m, const ImageSource *src, uint64_t addr, uint64_t max,
                            LoadedImage *out, Error **errp)
{
    uint64_t occupied;
    if (src->size == 0) {
        error_setg(errp, "'%s' is empty", src->name);
        return false;
    }
    if (!occupied_size(src, &occupied, errp)) {
        return false;
    }
    if (occupied > max) {
        error_setg(errp, "'%s' needs %" PRIu64 " bytes at 0x%" PRIx64 ", there are %" PRIu64,
                   src->name, occupied, addr, max);
        return false;
    }
    *out = (LoadedImage){ .entry = addr, .low = addr, .high = addr + occupied };
    return image_source_add_rom(m, src, 0, src->size, addr, src->size, errp);
}

bool load_raw(Machine *m, const char *path, uint64_t addr, uint64_t max, LoadedImage *out,
              Error **errp)
{
    ImageSource *src = image_source_open(path, errp);
    bool ok = src && load_source_raw(m, src, addr, max, out, errp);
    image_source_free(src);
    return ok;
}

bool load_image_source(Machine *m, ImageSource *src, uint64_t addr, uint64_t max, LoadedImage *out,
                       Error **errp)
{
    if (image_is_gzip(src) || image_is_zboot(src)) {
        ImageSource *unpacked = image_unpack(src, max, errp);
        image_source_free(src);
        src = unpacked;
        if (!src) {
            return false;
        }
    }
    bool ok = image_is_elf(src) ? load_elf(m, src, out, errp)
                                : load_source_raw(m, src, addr, max, out, errp);
    image_source_free(src);
    return ok;
}

bool load_image(Machine *m, const char *path, uint64_t addr, uint64_t max, LoadedImage *out,
                Error **errp)
{
    ImageSource *src = image_source_open(path, errp);
    return src && load_image_source(m, src, addr, max, out, errp);
}
