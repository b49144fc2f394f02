/*
 * fuzz-loader.c - throws bytes at the readers of kernel and firmware files.
 *
 * The blobs that come of it go to a pretended memory: what is asked for must lie in the file.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <glib.h>
#include <stdlib.h>
#include <string.h>

#include "hw/loader.h"
#include "util/trace.h"

#define RAM 0x80000000ull
#define RAM_SIZE (1ull << 20)

bool rom_add_padded(Machine *m, const char *name, uint64_t addr, const void *data,
                    uint64_t data_len, uint64_t len, Error **errp)
{
    /* As rom.c has it: memory has an end, and nothing wraps. */
    if (len && (addr < RAM || addr - RAM >= RAM_SIZE || len > RAM_SIZE - (addr - RAM))) {
        error_setg(errp, "no memory");
        return false;
    }
    g_free(g_memdup2(data, MIN(data_len, len)));    /* touches every byte */
    return true;
}

bool rom_add_file(Machine *m, const char *name, uint64_t addr, int fd, uint64_t offset,
                  uint64_t file_len, uint64_t len, Error **errp)
{
    abort();                            /* no input here is a file */
}

void trace_emit(const TraceEvent *event, const char *fmt, ...)
{
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    Error *err = NULL;
    LoadedImage out = { 0 };
    ImageSource *src = image_source_from_bytes("fuzz", g_memdup2(bytes, len), len);
    bool ok = load_image_source(NULL, src, RAM, RAM_SIZE, &out, &err);
    if (ok != (err == NULL) || (ok && out.low >= out.high)) {
        abort();
    }
    error_free(err);
    return 0;
}
