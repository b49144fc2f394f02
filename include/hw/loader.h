/*
 * loader.h - what lies in memory when a guest starts: blobs that every reset copies there again, and
 * the readers of firmware and kernel files.
 *
 * Lobby (hw/core).  Machine lock held.  Files are untrusted: sizes are bounded by the room in memory,
 * every offset is checked, and an error names the file and what is wrong with it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_HW_LOADER_H
#define GODWIT_HW_LOADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/error.h"

typedef struct Machine Machine;

/* ---- blobs (rom.c) ---- */

/*
 * Adds len bytes to be copied to guest address addr at every reset. The data is copied. Fails if the
 * range is not memory as a whole or overlaps another blob; the error names both.
 */
bool rom_add_bytes(Machine *m, const char *name, uint64_t addr, const void *data, uint64_t len,
                   Error **errp);
/* The same, then zeroes up to len. */
bool rom_add_padded(Machine *m, const char *name, uint64_t addr, const void *data,
                    uint64_t data_len, uint64_t len, Error **errp);
/* The same for file_len bytes at offset of fd (duplicated; read at each reset), then zeroes up to len. */
bool rom_add_file(Machine *m, const char *name, uint64_t addr, int fd, uint64_t offset,
                  uint64_t file_len, uint64_t len, Error **errp);
/* Replaces the bytes of the blob added by rom_add_bytes() at addr by as many others. */
void rom_update(Machine *m, uint64_t addr, const void *data, uint64_t len);

typedef struct RomInfo {
    const char *name;
    uint64_t addr, len;         /* bytes */
} RomInfo;
/* For info roms, in the order in which they were added. */
void rom_foreach(Machine *m, void (*fn)(const RomInfo *info, void *opaque), void *opaque);

/* ---- image files (loader.c, image-source.c, loader-elf.c) ---- */

/* Bytes to be parsed: a file that stays where it is, or a buffer that was unpacked from one. */
typedef struct ImageSource {
    char *name;                 /* for errors */
    int fd;                     /* -1: the bytes are in data */
    uint8_t *data;
    uint64_t size;
} ImageSource;

/* Opens a regular file. NULL with *errp set on failure. */
ImageSource *image_source_open(const char *path, Error **errp);
/* Over bytes, which it takes (g_malloc). */
ImageSource *image_source_from_bytes(const char *name, uint8_t *data, uint64_t size);
void image_source_free(ImageSource *src);
/* Reads all len bytes at offset, or fails. */
bool image_source_read(const ImageSource *src, uint64_t offset, void *buf, uint64_t len,
                       Error **errp);
/* Makes a blob of len bytes at offset, then zeroes up to mem_len. */
bool image_source_add_rom(Machine *m, const ImageSource *src, uint64_t offset, uint64_t len,
                          uint64_t addr, uint64_t mem_len, Error **errp);

/* Where an image went. */
typedef struct LoadedImage {
    uint64_t entry;
    uint64_t low, high;         /* first address, and the one after the last that it occupies */
} LoadedImage;

/* True if the bytes begin like an ELF file, a gzip file, an EFI zboot image. */
bool image_is_elf(const ImageSource *src);
bool image_is_gzip(const ImageSource *src);
bool image_is_zboot(const ImageSource *src);
/*
 * Loads the PT_LOAD segments of a 64-bit little-endian RISC-V executable by their physical addresses.
 * Fails on any other ELF file, a segment outside memory or of the file, or none at all.
 */
bool load_elf(Machine *m, const ImageSource *src, LoadedImage *out, Error **errp);
/*
 * Unpacks gzip, or an EFI zboot image's payload (gzip or zstd), into a new source of at most max bytes.
 * NULL with *errp set on failure.
 */
ImageSource *image_unpack(const ImageSource *src, uint64_t max, Error **errp);
/*
 * Loads a kernel or firmware: ELF by its own addresses, everything else unpacked if need be and then
 * raw at addr, max bytes at most. An Image's header says how much memory it occupies.
 */
bool load_image(Machine *m, const char *path, uint64_t addr, uint64_t max, LoadedImage *out,
                Error **errp);
/* The same of a source, which it takes. */
bool load_image_source(Machine *m, ImageSource *src, uint64_t addr, uint64_t max, LoadedImage *out,
                       Error **errp);
/* The file as it is, at addr, max bytes at most; out->entry is addr. */
bool load_raw(Machine *m, const char *path, uint64_t addr, uint64_t max, LoadedImage *out,
              Error **errp);

#endif
