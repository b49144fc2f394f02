/*
 * fuzz-hart.c - random instruction words on a hart, in every privilege, on a machine with devices.
 *
 * Input: byte 0: bits 0-1 privilege (0 U, 1 S, 3 M), bit 2 Sv39 with a page table in the input's RAM,
 * bits 3-4 mstatus.FS; then 16 registers of 8 bytes in a compressed form (kind8 value16); the rest is
 * code, at the start of RAM + 4096.  A trap goes to the code's beginning.
 * The hart runs a bounded number of instructions; the emulator must neither crash nor hang.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "fuzz-machine.h"

#define CODE (FUZZ_RAM + 4096)
#define TABLE (FUZZ_RAM + (1 << 20))
#define INSNS 3000
#define CSRW(csr, reg) ((uint32_t)(csr) << 20 | (reg) << 15 | 1 << 12 | 0x73)
#define MRET 0x30200073u

enum { CSR_MSTATUS = 0x300, CSR_MTVEC = 0x305, CSR_STVEC = 0x105, CSR_MEPC = 0x341, CSR_SATP = 0x180,
       CSR_PMPCFG0 = 0x3a0, CSR_PMPADDR0 = 0x3b0, CSR_MEDELEG = 0x302, CSR_MIE = 0x304 };

/* What guest code points at: RAM, code, devices, nothing, odd numbers. */
static uint64_t useful_value(FuzzBytes *in)
{
    static const uint64_t bases[] = {
        0, FUZZ_RAM, CODE, TABLE, 0x10000000, 0x10001000, 0x0c000000, 0x02000000, 0x101000, 0x100000,
        0x10100000, 0x20000000, 0x30000000, FUZZ_RAM + FUZZ_RAM_SIZE - 8, UINT64_MAX << 38, 0x1000,
    };
    uint8_t kind = fuzz_take(in, 1);
    uint64_t low = fuzz_take(in, 2);
    return bases[kind & 15] + (kind & 16 ? low : low & 0xff8);
}

/* Gigapages that map memory onto itself, and one 4 KiB page with rights from the input. */
static void write_tables(Machine *m, FuzzBytes *in)
{
    uint64_t entry;
    for (unsigned i = 0; i < 4; i++) {
        entry = (uint64_t)i << 28 | (fuzz_take(in, 1) | 1);
        address_space_write(m, TABLE + 8 * i, &entry, 8);
    }
}

static void write_words(Machine *m, hwaddr at, const uint32_t *words, size_t bytes)
{
    address_space_write(m, at, words, bytes);
}

/* Machine-mode code that opens memory to all and drops to the privilege. */
static void write_prologue(Machine *m)
{
    static const uint32_t code[] = {
        CSRW(CSR_PMPADDR0, 1), CSRW(CSR_PMPCFG0, 2), CSRW(CSR_SATP, 3), CSRW(CSR_MTVEC, 4),
        CSRW(CSR_STVEC, 4), CSRW(CSR_MEPC, 4), CSRW(CSR_MSTATUS, 5), CSRW(CSR_MEDELEG, 6),
        CSRW(CSR_MIE, 7), MRET,
    };
    write_words(m, FUZZ_RAM, code, sizeof(code));
}

static void prepare(Machine *m, Hart *h, FuzzBytes *in)
{
    uint8_t mode = fuzz_take(in, 1);
    uint64_t x[32] = { 0 };
    for (unsigned i = 8; i < 24; i++) {
        x[i] = useful_value(in);
    }
    if (mode & 4) {
        write_tables(m, in);
    }
    x[1] = UINT64_MAX >> 10;
    x[2] = 0x1f;
    x[3] = mode & 4 ? 8ull << 60 | TABLE >> 12 : 0;
    x[4] = CODE;
    x[5] = (uint64_t)(mode & 3) << 11 | (uint64_t)(mode >> 3 & 3) << 13;
    x[6] = mode & 32 ? 0xffff : 0;
    x[7] = 0xaaa;
    memcpy(h->x, x, sizeof(x));
    write_prologue(m);
    write_words(m, CODE, (const uint32_t *)(in->data + in->at), in->size - in->at);
    h->pc = FUZZ_RAM;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    FuzzBytes in = { data, MIN(size, 65536), 0 };
    Machine *m = fuzz_machine_new(1, true);
    Hart *h = hart_of(cpu_get(m, 0));
    prepare(m, h, &in);
    runstate_set(m, RUN_STATE_RUNNING, NULL);
    fuzz_machine_exec(m, INSNS);
    runstate_set(m, RUN_STATE_PAUSED, NULL);
    fuzz_machine_free(m);
    return 0;
}
