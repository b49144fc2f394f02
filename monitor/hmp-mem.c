/*
 * hmp-mem.c - looking at memory and registers: x, xp, print, sum, info registers, info mem.
 *
 * Floor F6; below it system/.  Main loop's thread, machine lock held; a running hart is asked between two
 * of its instructions, and the lock is free while it is waited for.
 * Reading a device's registers by xp is a real access and may have effects (a UART's byte is taken).
 * Invariant: what one command reads and prints is bounded.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "monitor/hmp-internal.h"
#include "system/memory.h"

#define STRING_MAX 1024u            /* bytes of one string that x /s shows */
#define SUM_MAX (256ull << 20)      /* bytes that sum reads */
#define MAPPINGS_MAX 20000u         /* lines of info mem */

/* ---- harts ---- */

CPUState *hmp_cpu(HmpContext *ctx)
{
    CPUState *cpu = ctx->machine->vcpus ? cpu_get(ctx->machine, ctx->cpu_index) : NULL;
    if (!cpu) {
        hmp_printf(ctx, "No CPU available\n");
    }
    return cpu;
}

typedef struct RegisterRequest {
    const char *name;
    uint64_t value;
    bool found;
} RegisterRequest;

static void get_register(CPUState *cpu, void *opaque)
{
    RegisterRequest *request = opaque;
    request->found = cpu->ops->get_register(cpu, request->name, &request->value);
}

bool hmp_register(void *opaque, const char *name, uint64_t *value)
{
    HmpContext *ctx = opaque;
    CPUState *cpu = ctx->machine->vcpus ? cpu_get(ctx->machine, ctx->cpu_index) : NULL;
    RegisterRequest request = { .name = name };
    if (cpu && cpu->ops->get_register) {
        run_on_cpu(cpu, get_register, &request);
    }
    *value = request.value;
    return request.found;
}

typedef struct TranslateRequest {
    uint64_t vaddr, paddr;
    bool found;
} TranslateRequest;

static void translate(CPUState *cpu, void *opaque)
{
    TranslateRequest *request = opaque;
    request->found = cpu->ops->translate(cpu, request->vaddr, &request->paddr);
}

/* ---- reading ---- */

/* Reads by virtual address of cpu, or by physical address if cpu is NULL. */
typedef struct MemReader {
    Machine *machine;
    CPUState *cpu;
    bool cached;                /* page was translated to frame */
    uint64_t page, frame;
} MemReader;

static bool reader_translate(MemReader *r, uint64_t addr, uint64_t *paddr)
{
    uint64_t page = addr & TARGET_PAGE_MASK;
    *paddr = addr;
    if (!r->cpu) {
        return true;
    }
    if (!r->cached || r->page != page) {
        TranslateRequest request = { .vaddr = page };
        run_on_cpu(r->cpu, translate, &request);
        if (!request.found) {
            return false;
        }
        r->cached = true;
        r->page = page;
        r->frame = request.paddr;
    }
    *paddr = r->frame + (addr - page);
    return true;
}

static bool reader_read(MemReader *r, uint64_t addr, void *buf, unsigned len)
{
    while (len) {
        unsigned n = MIN(len, TARGET_PAGE_SIZE - (unsigned)(addr & ~TARGET_PAGE_MASK));
        uint64_t paddr;
        if (!reader_translate(r, addr, &paddr) ||
            address_space_read(r->machine, paddr, buf, n) != MEMTX_OK) {
            return false;
        }
        buf = (char *)buf + n;
        addr += n;
        len -= n;
    }
    return true;
}

/* ---- values as text ---- */

static void append_char(GString *out, unsigned char c)
{
    const char *plain = "\n\r\t\\'";
    const char *escaped = "nrt\\'";
    const char *found = c ? strchr(plain, c) : NULL;
    if (found) {
        g_string_append_printf(out, "\\%c", escaped[found - plain]);
    } else if (c >= 0x20 && c < 0x7f) {
        g_string_append_c(out, c);
    } else {
        g_string_append_printf(out, "\\x%02x", c);
    }
}

static void append_value(GString *out, const HmpFormat *format, uint64_t value, bool pad)
{
    unsigned bits = format->size * 8;
    int64_t extended = (int64_t)(value << (64 - bits)) >> (64 - bits);
    switch (format->letter) {
    case 'o':
        g_string_append_printf(out, "0%0*" PRIo64, pad ? (int)(bits + 2) / 3 : 0, value);
        break;
    case 'd':
        g_string_append_printf(out, "%*" PRId64, pad ? (int)(bits * 10 + 32) / 33 + 1 : 0, extended);
        break;
    case 'u':
        g_string_append_printf(out, "%*" PRIu64, pad ? (int)(bits * 10 + 32) / 33 : 0, value);
        break;
    case 'c':
        g_string_append_c(out, '\'');
        append_char(out, value);
        g_string_append_c(out, '\'');
        break;
    default:
        g_string_append_printf(out, "0x%0*" PRIx64, pad ? (int)bits / 4 : 0, value);
        break;
    }
}

static uint64_t value_of_bytes(const uint8_t *bytes, unsigned size)
{
    uint64_t value = 0;
    for (unsigned i = size; i-- > 0;) {
        value = value << 8 | bytes[i];      /* RISC-V is little-endian */
    }
    return value;
}

/* ---- x and xp ---- */

static void show_values(HmpCall *call, MemReader *r, uint64_t addr)
{
    const HmpFormat *format = &call->format;
    unsigned per_line = format->size == 1 ? 8 : 16 / format->size;
    g_autoptr(GString) line = g_string_new(NULL);
    for (unsigned i = 0; i < format->count; i++, addr += format->size) {
        uint8_t bytes[8];
        if (i % per_line == 0) {
            g_string_append_printf(line, "%016" PRIx64 ":", addr);
        }
        if (!reader_read(r, addr, bytes, format->size)) {
            hmp_printf(call->ctx, "%s Cannot access memory\n", line->str);
            return;
        }
        g_string_append_c(line, ' ');
        append_value(line, format, value_of_bytes(bytes, format->size), true);
        if (i % per_line == per_line - 1 || i == format->count - 1) {
            hmp_printf(call->ctx, "%s\n", line->str);
            g_string_truncate(line, 0);
        }
    }
}

static void show_strings(HmpCall *call, MemReader *r, uint64_t addr)
{
    for (unsigned i = 0; i < call->format.count; i++) {
        g_autoptr(GString) line = g_string_new(NULL);
        g_string_append_printf(line, "%016" PRIx64 ": \"", addr);
        uint8_t c = 1;
        for (unsigned n = 0; n < STRING_MAX && c; n++, addr++) {
            if (!reader_read(r, addr, &c, 1)) {
                hmp_printf(call->ctx, "%s Cannot access memory\n", line->str);
                return;
            }
            if (c) {
                append_char(line, c);
            }
        }
        hmp_printf(call->ctx, "%s%s\n", line->str, c ? "\"..." : "\"");
    }
}

static void show_memory(HmpCall *call, CPUState *cpu)
{
    MemReader r = { .machine = call->ctx->machine, .cpu = cpu };
    if (!call->ctx->machine->memory) {
        hmp_puts(call->ctx, "the machine has no memory\n");
    } else if (call->format.letter == 'i') {
        hmp_puts(call->ctx, "there is no disassembler here; show the words with /xw and feed them to one\n");
    } else if (call->format.letter == 's') {
        show_strings(call, &r, hmp_uint(call, "addr"));
    } else {
        call->ctx->format = call->format;   /* what the next x does without a format */
        show_values(call, &r, hmp_uint(call, "addr"));
    }
}

void hmp_x(HmpCall *call)
{
    CPUState *cpu = hmp_cpu(call->ctx);
    if (cpu) {
        show_memory(call, cpu);
    }
}

void hmp_xp(HmpCall *call)
{
    show_memory(call, NULL);
}

void hmp_print(HmpCall *call)
{
    g_autoptr(GString) out = g_string_new(NULL);
    HmpFormat format = call->format;
    format.size = 8;
    if (strchr("is", format.letter)) {
        hmp_puts(call->ctx, "print knows the formats o x d u c\n");
        return;
    }
    append_value(out, &format, hmp_uint(call, "value"), false);
    hmp_printf(call->ctx, "%s\n", out->str);
}

/* The checksum of sum(1): rotate right, add. */
void hmp_sum(HmpCall *call)
{
    MemReader r = { .machine = call->ctx->machine };
    uint64_t addr = hmp_uint(call, "start"), left = hmp_uint(call, "size");
    uint16_t sum = 0;
    uint8_t buf[4096];
    if (left > SUM_MAX) {
        hmp_printf(call->ctx, "sum: at most %" PRIu64 " bytes at once\n", (uint64_t)SUM_MAX);
        return;
    }
    while (left) {
        unsigned n = MIN(left, sizeof(buf));
        if (!call->ctx->machine->memory || !reader_read(&r, addr, buf, n)) {
            hmp_printf(call->ctx, "Cannot access memory at 0x%" PRIx64 "\n", addr);
            return;
        }
        for (unsigned i = 0; i < n; i++) {
            sum = (uint16_t)(sum >> 1 | sum << 15) + buf[i];
        }
        addr += n;
        left -= n;
    }
    hmp_printf(call->ctx, "%05u\n", sum);
}

/* ---- info registers ---- */

static void dump_registers(CPUState *cpu, void *opaque)
{
    cpu->ops->dump(cpu, opaque);
}

static void show_registers(HmpContext *ctx, CPUState *cpu)
{
    g_autoptr(GString) out = g_string_new(NULL);
    run_on_cpu(cpu, dump_registers, out);
    hmp_printf(ctx, "\nCPU#%d\n%s", cpu->cpu_index, out->str);
}

void hmp_info_registers(HmpCall *call)
{
    HmpContext *ctx = call->ctx;
    if (hmp_bool(call, "-a")) {
        for (unsigned i = 0; ctx->machine->vcpus && i < cpu_count(ctx->machine); i++) {
            show_registers(ctx, cpu_get(ctx->machine, i));
        }
        return;
    }
    uint64_t index = hmp_has(call, "vcpu") ? hmp_uint(call, "vcpu") : ctx->cpu_index;
    CPUState *cpu = ctx->machine->vcpus && index < cpu_count(ctx->machine)
                        ? cpu_get(ctx->machine, index) : NULL;
    if (cpu) {
        show_registers(ctx, cpu);
    } else {
        hmp_printf(ctx, "CPU#%" PRIu64 " not available\n", index);
    }
}

/* ---- info mem ---- */

typedef struct MappingList {
    GString *out;
    unsigned left;
    bool translated, cut;
} MappingList;

static bool add_mapping(const CPUMapping *mapping, void *opaque)
{
    MappingList *list = opaque;
    if (list->left == 0) {
        list->cut = true;
        return false;
    }
    list->left--;
    g_string_append_printf(list->out, "%016" PRIx64 " %016" PRIx64 " %016" PRIx64 " %s\n", mapping->vaddr,
                           mapping->paddr, mapping->size, mapping->attr);
    return true;
}

static void list_mappings(CPUState *cpu, void *opaque)
{
    MappingList *list = opaque;
    list->translated = cpu->ops->foreach_mapping(cpu, add_mapping, list);
}

void hmp_info_mem(HmpCall *call)
{
    CPUState *cpu = hmp_cpu(call->ctx);
    if (!cpu) {
        return;
    }
    MappingList list = { .out = g_string_new(NULL), .left = MAPPINGS_MAX };
    if (cpu->ops->foreach_mapping) {
        run_on_cpu(cpu, list_mappings, &list);
    }
    if (list.translated) {
        hmp_puts(call->ctx, "vaddr            paddr            size             attr\n"
                 "---------------- ---------------- ---------------- -------\n");
        hmp_puts(call->ctx, list.out->str);
        hmp_puts(call->ctx, list.cut ? "... and more\n" : "");
    } else {
        hmp_puts(call->ctx, "No translation or protection\n");
    }
    g_string_free(list.out, TRUE);
}
