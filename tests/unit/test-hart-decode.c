/*
 * test-hart-decode.c - the decoder: every compressed form, and samples of each 32-bit format.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <xxhash.h>

#include "lib-hart.h"
#include "target/riscv/ops.h"

static Hart hart(const char *model)
{
    Hart h = {0};

    g_assert_true(model_parse(&h, model, NULL));
    return h;
}

/* One of each compressed instruction, with all its immediate's bits in use where it has any. */
static void test_forms(void)
{
    static const struct { uint16_t c; uint32_t word; } forms[] = {
        {0x1ffc, 0x3fc10793},   /* addi4spn a5,sp,1020 */
        {0x3f78, 0x0f873707},   /* fld fa4,248(a4) */
        {0x5f78, 0x07c72703},   /* lw a4,124(a4) */
        {0x7f78, 0x0f873703},   /* ld a4,248(a4) */
        {0xbf78, 0x0ee73c27},   /* fsd fa4,248(a4) */
        {0xdf78, 0x06e72e23},   /* sw a4,124(a4) */
        {0xff78, 0x0ee73c23},   /* sd a4,248(a4) */
        {0x0001, 0x00000013},   /* nop */
        {0x15fd, 0xfff58593},   /* addi a1,a1,-1 */
        {0x35fd, 0xfff5859b},   /* addiw a1,a1,-1 */
        {0x55fd, 0xfff00593},   /* li a1,-1 */
        {0x717d, 0xff010113},   /* addi16sp sp,sp,-16 */
        {0x75fd, 0xfffff5b7},   /* lui a1,0xfffff */
        {0x91fd, 0x03f5d593},   /* srli a1,a1,63 */
        {0x95fd, 0x43f5d593},   /* srai a1,a1,63 */
        {0x99fd, 0xfff5f593},   /* andi a1,a1,-1 */
        {0x8d91, 0x40c585b3},   /* sub a1,a1,a2 */
        {0x8db1, 0x00c5c5b3},   /* xor a1,a1,a2 */
        {0x8dd1, 0x00c5e5b3},   /* or a1,a1,a2 */
        {0x8df1, 0x00c5f5b3},   /* and a1,a1,a2 */
        {0x9d91, 0x40c585bb},   /* subw a1,a1,a2 */
        {0x9db1, 0x00c585bb},   /* addw a1,a1,a2 */
        {0xbffd, 0xfffff06f},   /* j .-2 */
        {0xddfd, 0xfe058fe3},   /* beqz a1,.-2 */
        {0xfdfd, 0xfe059fe3},   /* bnez a1,.-2 */
        {0x15fe, 0x03f59593},   /* slli a1,a1,63 */
        {0x35fe, 0x1f813587},   /* fldsp fa1,504(sp) */
        {0x55fe, 0x0fc12583},   /* lwsp a1,252(sp) */
        {0x75fe, 0x1f813583},   /* ldsp a1,504(sp) */
        {0x8582, 0x00058067},   /* jr a1 */
        {0x85b2, 0x00c005b3},   /* mv a1,a2 */
        {0x9002, 0x00100073},   /* ebreak */
        {0x9582, 0x000580e7},   /* jalr a1 */
        {0x95b2, 0x00c585b3},   /* add a1,a1,a2 */
        {0xbfae, 0x1eb13c27},   /* fsdsp fa1,504(sp) */
        {0xdfae, 0x0eb12e23},   /* swsp a1,252(sp) */
        {0xffae, 0x1eb13c23},   /* sdsp a1,504(sp) */
    };
    Hart h = hart("rv64");

    for (unsigned n = 0; n < G_N_ELEMENTS(forms); n++) {
        g_assert_cmphex(decode_expand(&h, forms[n].c), ==, forms[n].word);
    }
}

static void test_reserved(void)
{
    static const uint16_t reserved[] = {
        0x0000, 0x8000, 0x2001 | 0 << 7, 0x6101, 0x6081, 0x9c41, 0x9c61, 0x4002, 0x6002, 0x8002,
    };
    Hart h = hart("rv64"), no_d = hart("rv64,d=off"), no_c = hart("rv64,c=off");

    for (unsigned n = 0; n < G_N_ELEMENTS(reserved); n++) {
        g_assert_cmphex(decode_expand(&h, reserved[n]), ==, 0);
    }
    g_assert_cmphex(decode_expand(&no_d, 0x3f78), ==, 0);
    g_assert_cmphex(decode_expand(&no_c, 0x0001), ==, 0);
}

/*
 * All 49152 of them at once. The numbers come from this decoder when each of its expansions had been
 * held against the disassembly of the compressed form by binutils: 46743 valid ones.
 */
static void test_all(void)
{
    Hart h = hart("rv64");
    g_autofree uint32_t *all = g_new0(uint32_t, 65536);
    unsigned valid = 0;

    for (unsigned c = 0; c < 65536; c++) {
        if ((c & 3) != 3) {
            all[c] = GUINT32_TO_LE(decode_expand(&h, (uint16_t)c));
            valid += all[c] != 0;
        }
    }
    g_assert_cmpuint(valid, ==, 46743);
    g_assert_cmphex(XXH3_64bits(all, 65536 * sizeof(uint32_t)), ==, 0x4ae5dcb749136786ull);
}

/* Whatever the word: a handler, registers within the files, and a verdict. */
static void test_any_word(void)
{
    Hart h = hart("rv64");
    uint32_t word = 1;

    for (unsigned n = 0; n < 2000000; n++) {
        Insn i[2] = {{.fn = NULL}, {.fn = NULL}};
        word = word * 1664525 + 1013904223;
        InsnEnd end = decode_insn(&h, word >> 1 | 3, 4, 0x80000000, i);
        g_assert_true(i->fn != NULL && end <= INSN_LAST);
        g_assert_true(i->rd <= 32 && i->rs1 < 32 && i->rs2 < 32 && i->rs3 < 32);
    }
}

static void test_operands(void)
{
    Hart h = hart("rv64");
    Insn i[2];

    decode_insn(&h, 0xfff58593, 4, 0, i);       /* addi a1,a1,-1 */
    g_assert_true(i->fn == op_addi && i->rd == 11 && i->rs1 == 11 && i->imm == -1);
    decode_insn(&h, 0x00000013, 4, 0, i);
    g_assert_true(i->fn == op_nop);
    decode_insn(&h, 0x00c005b3, 4, 0, i);       /* add a1,zero,a2 */
    g_assert_true(i->fn == op_mv && i->rd == 11 && i->rs1 == 12);
    decode_insn(&h, 0xfffff597, 4, 0x80001000, i);      /* auipc a1,-1 */
    g_assert_true(i->fn == op_li && i->imm == 0x80000000);
    g_assert_cmpint(decode_insn(&h, 0xfe059ee3, 4, 0x80001000, i), ==, INSN_LINKED);    /* bnez .-4 */
    g_assert_cmphex(i->imm, ==, 0x80000ffc);
    g_assert_cmpint(decode_insn(&h, 0xffdff06f, 4, 0x80001000, i), ==, INSN_JUMP);      /* j .-4 */
    g_assert_true(i->rd == 32 && i->imm == 0x80000ffc);
    decode_insn(&h, 0x00c5a02f, 4, 0, i);       /* amoadd.w zero,a2,(a1) */
    g_assert_true(i->fn == op_amoadd_w && i->rd == 32 && i->rs1 == 11 && i->rs2 == 12);
    decode_insn(&h, 0x00053507, 4, 0, i);       /* fld fa0,0(a0) */
    g_assert_true(i->fn == op_fld && i->rd == 10);
    decode_insn(&h, 0x02007007, 4, 0, i);       /* vle64.v: there is no V */
    g_assert_true(i->fn == op_illegal);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hart-decode/forms", test_forms);
    g_test_add_func("/hart-decode/reserved", test_reserved);
    g_test_add_func("/hart-decode/all", test_all);
    g_test_add_func("/hart-decode/any-word", test_any_word);
    g_test_add_func("/hart-decode/operands", test_operands);
    return g_test_run();
}
