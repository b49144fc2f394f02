/*
 * loops.c - guest loops whose speed `make bench` compares: integer, memory, floating point, traps.
 *
 * Bare metal, M mode.  Each loop reports its name, the 10 MHz ticks it took and a checksum; the
 * checksum must be the same under every emulator, or the run is worth nothing.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <stddef.h>
#include <stdint.h>

#define UART ((volatile uint8_t *)0x10000000)
#define BUFFERS ((uint8_t *)0x84000000)     /* free RAM, 64 MiB above the program */
#define NOINLINE __attribute__((noinline))

static uint64_t ticks(void)
{
    /* mtime through the CLINT: no counter has to be enabled for it. */
    return *(volatile uint64_t *)0x0200bff8;
}

static void put_char(char c)
{
    *UART = (uint8_t)c;
}

static void put_text(const char *s)
{
    while (*s) {
        put_char(*s++);
    }
}

static void put_number(uint64_t v)
{
    char text[21];
    int n = 0;
    do {
        text[n++] = (char)('0' + v % 10);
        v /= 10;
    } while (v);
    while (n) {
        put_char(text[--n]);
    }
}

/* The compiler may call these for copies of its own. */
void *memcpy(void *dst, const void *src, size_t n)
{
    uint8_t *d = dst;
    const uint8_t *s = src;
    while (n--) {
        *d++ = *s++;
    }
    return dst;
}

void *memset(void *dst, int c, size_t n)
{
    uint8_t *d = dst;
    while (n--) {
        *d++ = (uint8_t)c;
    }
    return dst;
}

/* ---- integer ---- */

static NOINLINE uint64_t loop_alu(uint64_t n)
{
    uint64_t a = 1, b = 2, c = 3;
    while (n--) {
        a += b ^ (c >> 3);
        b = (b << 1) - a;
        c ^= a + n;
        __asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c));
    }
    return a ^ b ^ c;
}

typedef struct Node {
    struct Node *next;
    int16_t key, data;
} Node;

static Node nodes[256];
static int16_t matrix_a[16 * 16], matrix_b[16 * 16];
static int32_t matrix_c[16 * 16];

static uint16_t crc16(uint16_t crc, uint32_t v)
{
    for (int i = 0; i < 32; i++) {
        uint16_t bit = (crc ^ v) & 1;
        crc >>= 1;
        v >>= 1;
        if (bit) {
            crc ^= 0xa001;
        }
    }
    return crc;
}

/* Insertion of each node into a list sorted by key: pointers and compares. */
static uint32_t list_work(uint32_t seed)
{
    Node head = { NULL, -32768, 0 };
    for (int i = 0; i < 64; i++) {
        seed = seed * 1664525 + 1013904223;
        Node *node = &nodes[i], *p = &head;
        node->key = (int16_t)(seed >> 17);
        node->data = (int16_t)i;
        while (p->next && p->next->key < node->key) {
            p = p->next;
        }
        node->next = p->next;
        p->next = node;
    }
    uint32_t sum = 0;
    for (Node *p = head.next; p; p = p->next) {
        sum = sum * 31 + (uint16_t)p->data;
    }
    return sum;
}

static uint32_t matrix_work(uint32_t seed)
{
    for (int i = 0; i < 256; i++) {
        matrix_a[i] = (int16_t)(seed + i * 7);
        matrix_b[i] = (int16_t)(seed - i * 3);
    }
    uint32_t sum = 0;
    for (int i = 0; i < 16; i++) {
        for (int j = 0; j < 16; j++) {
            int32_t acc = 0;
            for (int k = 0; k < 16; k++) {
                acc += matrix_a[i * 16 + k] * matrix_b[k * 16 + j];
            }
            matrix_c[i * 16 + j] = acc;
            sum += (uint32_t)acc;
        }
    }
    return sum;
}

/* Reads numbers out of a text with a state machine. */
static uint32_t state_work(uint32_t seed)
{
    static const char text[] = "5012,-17,0x1f,3.14e2,+99,abc,7e-3,--,1234567,0.5,";
    enum { START, SIGN, INT, FRACTION, EXPONENT, BAD } state = START;
    uint32_t counts[6] = { 0 };
    for (int round = 0; round < 4; round++) {
        for (const char *p = text; *p; p++) {
            char c = *p == 'x' && (seed & 1) ? '7' : *p;
            if (c == ',') {
                counts[state]++;
                state = START;
                continue;
            }
            switch (state) {
            case START:
                state = c >= '0' && c <= '9' ? INT : c == '-' || c == '+' ? SIGN : BAD;
                break;
            case SIGN:
                state = c >= '0' && c <= '9' ? INT : BAD;
                break;
            case INT:
                state = c >= '0' && c <= '9' ? INT : c == '.' ? FRACTION : c == 'e' ? EXPONENT : BAD;
                break;
            case FRACTION:
                state = c >= '0' && c <= '9' ? FRACTION : c == 'e' ? EXPONENT : BAD;
                break;
            case EXPONENT:
                state = (c >= '0' && c <= '9') || c == '-' ? EXPONENT : BAD;
                break;
            default:
                break;
            }
        }
    }
    return counts[INT] * 1000003u + counts[BAD] * 1009u + counts[EXPONENT] * 31u + counts[FRACTION];
}

static NOINLINE uint64_t loop_mixed(uint64_t n)
{
    uint16_t crc = 0xffff;
    for (uint32_t i = 0; i < n; i++) {
        crc = crc16(crc, list_work(crc + i));
        crc = crc16(crc, matrix_work(crc ^ i));
        crc = crc16(crc, state_work(crc));
    }
    return crc;
}

static NOINLINE uint64_t fib(uint64_t n)
{
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

static NOINLINE uint64_t loop_calls(uint64_t n)
{
    return fib(n);
}

static NOINLINE uint64_t t0(uint64_t x) { return x + 1; }
static NOINLINE uint64_t t1(uint64_t x) { return x ^ 0x55; }
static NOINLINE uint64_t t2(uint64_t x) { return x * 3; }
static NOINLINE uint64_t t3(uint64_t x) { return x - 7; }

static NOINLINE uint64_t loop_indirect(uint64_t n)
{
    static uint64_t (*const volatile table[])(uint64_t) = { t0, t1, t2, t3 };
    uint64_t x = 1;
    while (n--) {
        x = table[x & 3](x);
    }
    return x;
}

/* ---- memory ---- */

#define COPY_BYTES (32u << 20)

static NOINLINE uint64_t loop_copy(uint64_t n)
{
    uint64_t *a = (uint64_t *)BUFFERS, *b = (uint64_t *)(BUFFERS + COPY_BYTES);
    for (size_t i = 0; i < COPY_BYTES / 8; i++) {
        a[i] = i * 0x9e3779b97f4a7c15u;
    }
    while (n--) {
        for (size_t i = 0; i < COPY_BYTES / 8; i += 4) {
            uint64_t w0 = a[i], w1 = a[i + 1], w2 = a[i + 2], w3 = a[i + 3];
            b[i] = w0;
            b[i + 1] = w1;
            b[i + 2] = w2;
            b[i + 3] = w3;
        }
        __asm__ volatile("" ::: "memory");
    }
    return b[12345] ^ b[COPY_BYTES / 8 - 1];
}

/* A random walk over 16 MiB: a load depends on the load before it. */
static NOINLINE uint64_t loop_chase(uint64_t n)
{
    uint32_t *next = (uint32_t *)BUFFERS;
    const uint32_t count = 4u << 20;
    for (uint32_t i = 0; i < count; i++) {
        next[i] = (i * 1664525u + 1013904223u) & (count - 1);
    }
    uint32_t at = 0;
    while (n--) {
        at = next[at];
    }
    return at;
}

/* ---- floating point ---- */

static double fa[64 * 64], fb[64 * 64], fc[64 * 64];

static NOINLINE uint64_t loop_matmul(uint64_t n)
{
    for (int i = 0; i < 64 * 64; i++) {
        fa[i] = i * 0.25 + 1.0 / (i + 1);
        fb[i] = 3.0 - i * 0.125;
    }
    while (n--) {
        for (int i = 0; i < 64; i++) {
            for (int j = 0; j < 64; j++) {
                double acc = 0;
                for (int k = 0; k < 64; k++) {
                    acc += fa[i * 64 + k] * fb[k * 64 + j];
                }
                fc[i * 64 + j] = acc;
            }
        }
        __asm__ volatile("" ::: "memory");
    }
    union {
        double d;
        uint64_t u;
    } sum = { .d = 0 };
    for (int i = 0; i < 64 * 64; i++) {
        sum.d += fc[i];
    }
    return sum.u >> 8;
}

/* Single precision with divisions and square roots. */
static NOINLINE uint64_t loop_single(uint64_t n)
{
    float x = 1.5f, y = 0.75f, sum = 0;
    while (n--) {
        x = x * 0.999f + y;
        y = y / (x + 1.0f) + 0.25f;
        sum += __builtin_sqrtf(x * x + y * y);
        __asm__ volatile("" : "+f"(x), "+f"(y));
    }
    union {
        float f;
        uint32_t u;
    } bits = { .f = sum };
    return bits.u;
}

/* ---- traps ---- */

static NOINLINE uint64_t loop_syscalls(uint64_t n)
{
    register uint64_t a0 __asm__("a0") = 0;
    register uint64_t a1 __asm__("a1") = 0;
    /* All of memory is open to U mode, which this enters and, by the last call, leaves. */
    __asm__ volatile("li t1, -1\n csrw pmpaddr0, t1\n li t1, 0x1f\n csrw pmpcfg0, t1\n"
                     "li t1, 0x1800\n csrc mstatus, t1\n la t1, 1f\n csrw mepc, t1\n mret\n"
                     "1: ecall\n addi %[n], %[n], -1\n bnez %[n], 1b\n"
                     "li a1, 1\n ecall\n"
                     : "+r"(a0), "+r"(a1), [n] "+r"(n)
                     :
                     : "t0", "t1", "memory");
    return a0;
}

typedef struct Loop {
    const char *name;
    uint64_t (*run)(uint64_t n);
    uint64_t n;
} Loop;

static const Loop loops[] = {
    { "alu", loop_alu, 60000000 },
    { "mixed", loop_mixed, 1500 },
    { "calls", loop_calls, 29 },
    { "indirect", loop_indirect, 5000000 },
    { "copy", loop_copy, 4 },
    { "chase", loop_chase, 3000000 },
    { "matmul", loop_matmul, 40 },
    { "single", loop_single, 3000000 },
    { "syscalls", loop_syscalls, 500000 },
};

void bench_main(void)
{
    for (size_t i = 0; i < sizeof(loops) / sizeof(loops[0]); i++) {
        loops[i].run(2);        /* warm: code decoded or translated, memory touched */
        uint64_t start = ticks();
        uint64_t sum = loops[i].run(loops[i].n);
        uint64_t end = ticks();
        put_text("bench ");
        put_text(loops[i].name);
        put_char(' ');
        put_number(end - start);
        put_char(' ');
        put_number(sum);
        put_char('\n');
    }
}
