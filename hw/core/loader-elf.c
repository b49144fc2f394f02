/*
 * loader-elf.c - an executable's segments into guest memory.
 *
 * Lobby (hw/core), over image-source.c and rom.c.  Machine lock held.  System V ABI, chapters 4 and 5,
 * and the RISC-V ELF psABI.  Invariant: every number of the file is checked against the file's size
 * before it is used; the memory's bounds are checked by rom.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <elf.h>
#include <endian.h>
#include <glib.h>
#include <inttypes.h>
#include <string.h>

#include "hw/loader.h"
#include "trace/hw-core.h"

#ifndef EM_RISCV
#define EM_RISCV 243
#endif
#define MAX_SEGMENTS 512

/* NULL, or what is wrong with the header. */
static const char *header_fault(const Elf64_Ehdr *ehdr)
{
    if (ehdr->e_ident[EI_CLASS] != ELFCLASS64) {
        return "is not a 64-bit ELF file";
    }
    if (ehdr->e_ident[EI_DATA] != ELFDATA2LSB) {
        return "is not a little-endian ELF file";
    }
    if (le16toh(ehdr->e_machine) != EM_RISCV) {
        return "is an ELF file for another processor than RISC-V";
    }
    if (le16toh(ehdr->e_type) != ET_EXEC && le16toh(ehdr->e_type) != ET_DYN) {
        return "is an ELF file that is not linked";
    }
    if (le16toh(ehdr->e_phentsize) != sizeof(Elf64_Phdr)) {
        return "has ELF program headers of a wrong size";
    }
    if (le16toh(ehdr->e_phnum) == 0 || le16toh(ehdr->e_phnum) > MAX_SEGMENTS) {
        return "has no ELF program headers, or more than 512";
    }
    return NULL;
}

static bool load_segment(Machine *m, const ImageSource *src, const Elf64_Phdr *phdr,
                         LoadedImage *out, Error **errp)
{
    uint64_t addr = le64toh(phdr->p_paddr), offset = le64toh(phdr->p_offset);
    uint64_t file_len = le64toh(phdr->p_filesz), len = le64toh(phdr->p_memsz);

    if (len == 0) {
        return true;
    }
    if (file_len > len || addr + len < addr) {
        error_setg(errp, "'%s': an ELF segment at 0x%" PRIx64 " has %" PRIu64
                   " bytes in the file and %" PRIu64 " in memory", src->name, addr, file_len, len);
        return false;
    }
    trace_load_elf_segment(src->name, addr, file_len, len);
    if (!image_source_add_rom(m, src, offset, file_len, addr, len, errp)) {
        return false;
    }
    out->low = MIN(out->low, addr);
    out->high = MAX(out->high, addr + len);
    return true;
}

bool load_elf(Machine *m, const ImageSource *src, LoadedImage *out, Error **errp)
{
    Elf64_Ehdr ehdr;
    if (!image_source_read(src, 0, &ehdr, sizeof(ehdr), errp)) {
        return false;
    }
    const char *fault = header_fault(&ehdr);
    if (fault) {
        error_setg(errp, "'%s' %s; a 64-bit RISC-V executable is needed", src->name, fault);
        return false;
    }
    *out = (LoadedImage){ .entry = le64toh(ehdr.e_entry), .low = UINT64_MAX };
    for (unsigned i = 0; i < le16toh(ehdr.e_phnum); i++) {
        Elf64_Phdr phdr;
        uint64_t at = le64toh(ehdr.e_phoff);
        if (at > src->size) {
            at = src->size;         /* fails below, and cannot wrap around */
        }
        if (!image_source_read(src, at + i * sizeof(phdr), &phdr, sizeof(phdr), errp)) {
            return false;
        }
        if (le32toh(phdr.p_type) == PT_LOAD && !load_segment(m, src, &phdr, out, errp)) {
            return false;
        }
    }
    if (out->high == 0) {
        error_setg(errp, "'%s' has nothing to load: no PT_LOAD segment of its ELF file has a size",
                   src->name);
        return false;
    }
    return true;
}
