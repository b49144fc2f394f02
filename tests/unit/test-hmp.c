/*
 * test-hmp.c - the shell: parsing, commands on a bare machine and on a hart, line editing,
 * completion, random input, and the reference manual.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "monitor/hmp-internal.h"

#include "lib-hart.h"
#include "monitor/readline.h"
#include "system/clock.h"
#include "system/memory.h"
#include "system/runstate.h"
#include "util/trace.h"

/* ---- one line on a bare machine ---- */

static Machine *bare_machine_new(void)
{
    Machine *m = g_new0(Machine, 1);
    m->config = g_new0(MachineConfig, 1);
    m->config->name = "godwit0";
    m->loop = main_loop_new();
    m->clocks = clocks_new(m);
    m->memory = memory_new(m);
    m->runstate = runstate_new(m);
    machine_lock(m);
    return m;
}

static void bare_machine_free(Machine *m)
{
    runstate_free(m->runstate);
    memory_free(m->memory);
    clocks_free(m->clocks);
    machine_unlock(m);
    main_loop_free(m->loop);
    g_free(m->config);
    g_free(m);
}

static void expect(Machine *m, const char *line, const char *output)
{
    g_autofree char *text = hmp_run_line(m, NULL, line, -1);
    g_assert_cmpstr(text, ==, output);
}

static void expect_part(Machine *m, const char *line, const char *part)
{
    g_autofree char *text = hmp_run_line(m, NULL, line, -1);
    if (!strstr(text, part)) {
        g_error("'%s' gave '%s' without '%s'", line, text, part);
    }
}

static void test_lines(void)
{
    Machine *m = bare_machine_new();
    expect(m, "", "");
    expect(m, "   ", "");
    expect(m, "# a remark", "");
    expect(m, "foo", "unknown command: 'foo'\r\n");
    expect(m, "  foo/2 bar", "unknown command: 'foo/2'\r\n");
    expect(m, "info foo", "unknown command: 'info foo'\r\n");
    expect(m, "help foo", "unknown command: 'foo'\r\n");
    expect(m, "stop now", "stop: extraneous characters at the end of line: 'now'\r\n"
           "Try \"help stop\" for more information\r\n");
    expect(m, "info status", "VM status: paused (prelaunch)\r\n");
    expect(m, "info name", "godwit0\r\n");
    expect(m, "info uuid", "00000000-0000-0000-0000-000000000000\r\n");
    expect(m, "info cpus", "");
    expect(m, "info registers", "CPU#0 not available\r\n");
    expect(m, "x 0", "No CPU available\r\n");
    expect(m, "info mem", "No CPU available\r\n");
    expect(m, "cpu 1", "invalid CPU index\r\n");
    expect(m, "print 1 + 1", "0x2\r\n");
    expect(m, "migrate -i -d -b", "migrate: argument 'uri' is missing\r\n"
           "Try \"help migrate\" for more information\r\n");
    expect(m, "migrate -d -x tcp:0:1", "migrate: there is no flag '-x'\r\n"
           "Try \"help migrate\" for more information\r\n");
    expect(m, "p/d -1", "-1\r\n");
    expect(m, "p/o 8", "010\r\n");
    expect(m, "p/u -1", "18446744073709551615\r\n");
    expect(m, "p/c 0x41", "'A'\r\n");
    expect(m, "help stop", "stop|s -- stop the machine\r\n");
    expect(m, "help c", "cont|c -- let the machine run\r\n");
    expect(m, "help info status", "info status -- show whether the machine runs\r\n");
    expect_part(m, "print $pc", "unknown register 'pc'");
    expect_part(m, "print", "argument 'value' is missing");
    expect_part(m, "print/z 1", "invalid char 'z' in format");
    expect_part(m, "xp/99999999999999999999x 0", "a count is from 1 to 65536");
    expect_part(m, "xp/0x 0", "a count is from 1");
    expect_part(m, "set_link a maybe", "'maybe' is neither 'on' nor 'off'");
    expect_part(m, "balloon many", "a size is a number");
    expect_part(m, "balloon 99999999T", "a size is a number");
    expect_part(m, "log nonsense", "'nonsense' is no log item");
    expect_part(m, "log trace:no_such_event", "no_such_event");
    expect_part(m, "trace-event no_such_event on", "no_such_event");
    expect_part(m, "logfile /nonexistent/x", "/nonexistent/x");
    expect_part(m, "screendump \"half", "unterminated string");
    expect_part(m, "screendump \"a\"b", "a blank is missing");
    expect_part(m, "screendump a -f", "-f needs a value");
    expect_part(m, "device_add help", "name \"virtio-rng-device\"");
    expect_part(m, "device_add virtio-rng-device,help", "options");
    expect_part(m, "sum 0 0x7fffffffffffffff", "at most");
    expect_part(m, "stop", "no command 'stop'");
    expect_part(m, "info mtree", "system");
    expect_part(m, "info version", "Godwit");
    expect_part(m, "help", "quit|q -- end the emulator\r\n");
    expect_part(m, "info", "info status  -- show whether the machine runs\r\n");
    g_autofree char *longer = g_strnfill(HMP_LINE_MAX + 1, 'a');
    expect(m, longer, "the line is too long; 4095 characters fit\r\n");
    bare_machine_free(m);
}

static void test_trace_switches(void)
{
    Machine *m = bare_machine_new();
    expect(m, "info trace-events self_test", "self_test : state 0\r\n");
    expect(m, "trace-event self_* on", "");
    expect(m, "info trace-events self_test", "self_test : state 1\r\n");
    expect(m, "log none", "");
    expect(m, "info trace-events self_test", "self_test : state 0\r\n");
    expect(m, "log trace:self_test,unimp", "");
    expect(m, "info trace-events self_test", "self_test : state 1\r\n");
    expect(m, "log none", "");
    expect_part(m, "log help", "guest_errors");
    bare_machine_free(m);
}

/* ---- commands that go through QMP ---- */

static char *qmp_seen;

static bool record(QmpContext *ctx, void *args, void *ret, Error **errp)
{
    json_t *object = args;
    g_free(qmp_seen);
    char *text = object ? json_dumps(object, JSON_SORT_KEYS | JSON_COMPACT) : NULL;
    qmp_seen = g_strdup(text ? text : "{}");
    free(text);
    if (strstr(qmp_seen, "nosuch")) {
        error_setg(errp, "there is no such thing");
        return false;
    }
    *(json_t **)ret = json_pack("{s:i}", "actual", 64 << 20);
    return true;
}

#define FAKE(name) { name, record, NULL, NULL, QMP_COMMAND_RAW }

static const QmpCommand fake_commands[] = {
    FAKE("balloon"), FAKE("cont"), FAKE("device_add"), FAKE("device_del"), FAKE("inject-nmi"),
    FAKE("memsave"), FAKE("netdev_del"), FAKE("object-del"),
    FAKE("pmemsave"), FAKE("query-balloon"), FAKE("quit"), FAKE("screendump"), FAKE("set_link"),
    FAKE("stop"), FAKE("system_powerdown"), FAKE("system_reset"),
};
static const QmpCommandTable fake_table = { fake_commands, G_N_ELEMENTS(fake_commands), "[]" };

static void test_qmp(void)
{
    static const struct {
        const char *line, *args, *output;
    } cases[] = {
        { "stop", "{}", "" },
        { "c", "{}", "" },
        { "balloon 64", "{\"value\":67108864}", "" },
        { "balloon 1G", "{\"value\":1073741824}", "" },
        { "device_add virtio-rng-device,id=r", "{\"driver\":\"virtio-rng-device\",\"id\":\"r\"}", "" },
        { "device_add {\"driver\":\"d\",\"n\":1}", "{\"driver\":\"d\",\"n\":1}", "" },
        { "device_del nosuch", "{\"id\":\"nosuch\"}", "Error: there is no such thing\r\n" },
        { "memsave 0x1000 16 /tmp/x", "{\"cpu-index\":0,\"filename\":\"/tmp/x\",\"size\":16,\"val\":4096}",
          "" },
        { "pmemsave 0x80000000 (1 << 4) \"a \\\"b\"",
          "{\"filename\":\"a \\\"b\",\"size\":16,\"val\":2147483648}", "" },
        { "screendump f", "{\"filename\":\"f\"}", "" },
        { "screendump f -f png gpu0 1",
          "{\"device\":\"gpu0\",\"filename\":\"f\",\"format\":\"png\",\"head\":1}", "" },
        { "set_link n off", "{\"name\":\"n\",\"up\":false}", "" },
        { "info balloon", "{}", "balloon: actual=64\r\n" },
    };
    Machine *m = bare_machine_new();
    MonitorHub *hub = monitor_hub_new(&(MonitorHubConfig){ .machine = m, .commands = &fake_table });
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = hmp_run_line(m, hub, cases[i].line, 0);
        g_assert_cmpstr(text, ==, cases[i].output);
        g_assert_cmpstr(qmp_seen, ==, cases[i].args);
        g_clear_pointer(&qmp_seen, g_free);
    }
    monitor_hub_free(hub);
    bare_machine_free(m);
}

/* ---- memory and registers of a hart ---- */

static void test_memory(void)
{
    HartBench *b = hart_bench_new(NULL, 1 << 20);
    machine_lock(&b->m);
    uint8_t *ram = b->ram->host;
    memcpy(ram + 0x100, "one\0two \"\n\xff\0", 13);
    memcpy(ram + 0x200, (uint8_t[]){ 0x78, 0x56, 0x34, 0x12, 0xf0, 0xde, 0xbc, 0x9a }, 8);
    b->h->x[10] = 0x80000200;
    expect(&b->m, "xp 0x80000200", "0000000080000200: 0x12345678\r\n");
    expect(&b->m, "x/2xw $a0", "0000000080000200: 0x12345678 0x9abcdef0\r\n");
    expect(&b->m, "x/xg $x10", "0000000080000200: 0x9abcdef012345678\r\n");
    expect(&b->m, "x/2dh 0x80000204", "0000000080000204:  -8464 -25924\r\n");
    expect(&b->m, "x/3c 0x80000100", "0000000080000100: 'o' 'n' 'e'\r\n");
    expect(&b->m, "print 65", "0x41\r\n");
    expect(&b->m, "xp/2s 0x80000100", "0000000080000100: \"one\"\r\n0000000080000104: \"two \"\\n\\xff\"\r\n");
    expect(&b->m, "xp/5xw 0x800000fc", "00000000800000fc: 0x00000000 0x00656e6f 0x206f7774 0x00ff0a22\r\n"
           "000000008000010c: 0x00000000\r\n");
    expect(&b->m, "xp/2xg 0x800ffff8", "00000000800ffff8: 0x0000000000000000 Cannot access memory\r\n");
    expect(&b->m, "x 0", "0000000000000000: Cannot access memory\r\n");
    expect(&b->m, "x/2xg -8", "fffffffffffffff8: Cannot access memory\r\n");
    expect(&b->m, "xp/s 0x800fffff", "00000000800fffff: \"\"\r\n");
    expect(&b->m, "xp/1xb 0x10000005", "0000000010000005: 0x60\r\n");
    expect_part(&b->m, "x/8i $pc", "no disassembler");
    expect(&b->m, "print $a0 + 8", "0x80000208\r\n");
    expect(&b->m, "print $pc", "0x80000000\r\n");
    expect(&b->m, "print $fp - $s0", "0x0\r\n");
    expect(&b->m, "print $satp", "0x0\r\n");
    expect_part(&b->m, "print $x32", "unknown register");
    /* `printf 'one\0' | sum` of coreutils says so too. */
    expect(&b->m, "sum 0x80000100 4", "57435\r\n");
    expect_part(&b->m, "sum 0x80000100 0x200000", "Cannot access memory");
    expect(&b->m, "info cpus", "* CPU #0: thread_id=0\r\n");
    expect_part(&b->m, "info registers", "\r\nCPU#0\r\n");
    expect_part(&b->m, "info registers -a", "x10/a0   0000000080000200");
    expect(&b->m, "info registers 1", "CPU#1 not available\r\n");
    expect(&b->m, "info mem", "No translation or protection\r\n");
    expect_part(&b->m, "info mtree", "0000000080000000-00000000800fffff (prio 0, ram): ram\r\n");
    expect(&b->m, "info irq", "CPU#0: pending: none; enabled: none\r\n");
    expect(&b->m, "info qom-tree",
           "/machine (none-machine)\r\n  /soc0 (container)\r\n    /harts[0] (rv64-riscv-cpu)\r\n");
    expect(&b->m, "info qom-tree /x", "there is no object '/x'\r\n");
    machine_unlock(&b->m);
    hart_bench_free(b);
}

static void put_pte(HartBench *b, uint64_t table, unsigned n, uint64_t pa, unsigned flags)
{
    uint64_t pte = pa >> 12 << 10 | flags;
    memcpy(b->ram->host + (table - BENCH_RAM) + n * 8, &pte, 8);
}

static void test_info_mem(void)
{
    HartBench *b = hart_bench_new(NULL, 1 << 20);
    machine_lock(&b->m);
    uint64_t root = BENCH_RAM + 0x1000, middle = BENCH_RAM + 0x2000, last = BENCH_RAM + 0x3000;
    b->h->satp = 8ull << 60 | root >> 12;
    b->h->priv = 1;
    put_pte(b, root, 0, middle, 1);
    put_pte(b, middle, 1, last, 1);
    put_pte(b, last, 0, BENCH_RAM + 0x4000, 0xdf);      /* rwxuad */
    put_pte(b, last, 1, BENCH_RAM + 0x5000, 0xdf);
    put_pte(b, last, 2, BENCH_RAM + 0x8000, 0xdf);
    put_pte(b, last, 3, BENCH_RAM + 0x9000, 0x43);      /* r a */
    put_pte(b, root, 511, 0x40000000, 0xef);            /* a gigabyte at the top, rwxgad */
    put_pte(b, root, 5, 0x123456000, 1);                /* no table there */
    expect(&b->m, "info mem",
           "vaddr            paddr            size             attr\r\n"
           "---------------- ---------------- ---------------- -------\r\n"
           "0000000000200000 0000000080004000 0000000000002000 rwxu-ad\r\n"
           "0000000000202000 0000000080008000 0000000000001000 rwxu-ad\r\n"
           "0000000000203000 0000000080009000 0000000000001000 r----a-\r\n"
           "ffffffffc0000000 0000000040000000 0000000040000000 rwx-gad\r\n");
    expect(&b->m, "x/xg 0x200000", "0000000000200000: 0x0000000000000000\r\n");
    expect(&b->m, "x/xg 0x204000", "0000000000204000: Cannot access memory\r\n");
    /* A value that lies on two pages that are not neighbours. */
    memset(b->ram->host + 0x5fff, 0x11, 1);
    memset(b->ram->host + 0x8000, 0x22, 3);
    expect(&b->m, "x/xw 0x201fff", "0000000000201fff: 0x22222211\r\n");

    /* Tables that contain themselves: bounded, and cut. */
    b->h->satp = 10ull << 60 | root >> 12;
    for (unsigned n = 0; n < 512; n++) {
        put_pte(b, root, n, root, 1);
    }
    expect_part(&b->m, "info mem", "-------\r\n");
    machine_unlock(&b->m);
    hart_bench_free(b);
}

/* ---- line editing ---- */

typedef struct Editor {
    Readline *rl;
    GString *screen;
    GPtrArray *lines;
} Editor;

static void editor_write(void *opaque, const char *text, size_t len)
{
    g_string_append_len(((Editor *)opaque)->screen, text, len);
}

static void editor_line(void *opaque, const char *line)
{
    g_ptr_array_add(((Editor *)opaque)->lines, g_strdup(line));
}

static GPtrArray *editor_complete(void *opaque, const char *line, size_t *word_start)
{
    static const char *const words[] = { "status", "stop", "step", "name" };
    GPtrArray *array = g_ptr_array_new_with_free_func(g_free);
    for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
        g_ptr_array_add(array, g_strdup(words[i]));
    }
    const char *blank = strrchr(line, ' ');
    *word_start = blank ? (size_t)(blank + 1 - line) : 0;
    return array;
}

static void editor_start(Editor *e)
{
    static const ReadlineOps ops = { editor_write, editor_line, editor_complete };
    e->screen = g_string_new(NULL);
    e->lines = g_ptr_array_new_with_free_func(g_free);
    e->rl = readline_new("> ", 40, &ops, e);
}

static void editor_end(Editor *e)
{
    readline_free(e->rl);
    g_string_free(e->screen, TRUE);
    g_ptr_array_unref(e->lines);
}

static void test_editing(void)
{
    static const struct {
        const char *keys, *line;
    } cases[] = {
        { "abc\r", "abc" },
        { "abc\n", "abc" },
        { "abc\x7f\x08" "d\r", "ad" },
        { "bc\001a\r", "abc" },                             /* Ctrl-A */
        { "ac\033[Db\r", "abc" },                           /* left */
        { "ab\033[D\033[D\033[C-\r", "a-b" },
        { "xabc\033[H\033[3~\r", "abc" },                   /* Home, Delete */
        { "xabc\033[1~\004\005d\r", "abcd" },               /* Home, Ctrl-D, Ctrl-E */
        { "ab\033OHx\033OFy\r", "xaby" },
        { "one two\027three\r", "one three" },              /* Ctrl-W */
        { "one two\033b\013three\r", "one three" },         /* ESC b, Ctrl-K */
        { "one two\033[H\033f!\r", "one! two" },            /* ESC f */
        { "garbage\025abc\r", "abc" },                      /* Ctrl-U */
        { "garbage\003abc\r", "abc" },                      /* Ctrl-C */
        { "a\033[99;1Zb\033[200~c\r", "abc" },              /* unknown sequences */
        { "\xc3\xa4\xc3\xb6\x7f\033[Du\r", "u\xc3\xa4" },    /* UTF-8 */
        { "\033[A\r", "u\xc3\xa4" },                        /* up */
        { "\020\020\033[B\r", "u\xc3\xa4" },                /* up twice, down: the same line stands once */
        { "new\020\016er\r", "newer" },                     /* what was being typed comes back */
        { "sta\t\r", "status " },
        { "x na\t!\r", "x name !" },
        { "s\tx\r", "stx" },
        { "zzz\t\r", "zzz" },
    };
    Editor e;
    editor_start(&e);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        readline_feed(e.rl, cases[i].keys, strlen(cases[i].keys));
        g_assert_cmpuint(e.lines->len, ==, i + 1);
        g_assert_cmpstr(e.lines->pdata[i], ==, cases[i].line);
    }
    editor_end(&e);
}

static void test_echo(void)
{
    Editor e;
    editor_start(&e);
    readline_feed(e.rl, "ab\r\nc\r", 6);
    g_assert_cmpstr(e.screen->str, ==, "ab\r\n> c\r\n> ");
    g_assert_cmpuint(e.lines->len, ==, 2);
    /* Two candidates without more in common: they are listed, and the line stands again. */
    g_string_truncate(e.screen, 0);
    readline_feed(e.rl, "st\t", 3);
    g_assert_cmpstr(e.screen->str, ==, "st\r\nstatus  step    stop    \r\n\r> st\033[K");
    readline_feed(e.rl, "\003", 1);
    /* Too long: the bell, and the line does not run. */
    for (int i = 0; i < 41; i++) {
        readline_feed(e.rl, "x", 1);
    }
    readline_feed(e.rl, "\r", 1);
    g_assert_cmpuint(e.lines->len, ==, 2);
    g_assert_nonnull(strstr(e.screen->str, "x\a\r\nthe line was too long"));
    editor_end(&e);
}

/* "wait" suspends the editor, as a command does that goes on. */
static void suspending_line(void *opaque, const char *line)
{
    Editor *e = opaque;
    editor_line(e, line);
    if (strcmp(line, "wait") == 0) {
        readline_suspend(e->rl);
    }
}

static void interrupt(void *opaque)
{
    g_string_append(((Editor *)opaque)->screen, "!");
}

static void keys(Editor *e, const char *text, const char *screen, guint lines)
{
    readline_feed(e->rl, text, strlen(text));
    g_assert_cmpstr(e->screen->str, ==, screen);
    g_assert_cmpuint(e->lines->len, ==, lines);
    g_string_truncate(e->screen, 0);
}

static void test_suspend(void)
{
    static const ReadlineOps ops = { editor_write, suspending_line, editor_complete, interrupt };
    Editor e = { .screen = g_string_new(NULL), .lines = g_ptr_array_new_with_free_func(g_free) };
    e.rl = readline_new("> ", 40, &ops, &e);
    g_assert_cmpuint(readline_room(e.rl), ==, READLINE_AHEAD_MAX);
    keys(&e, "wait\r\na\rwait\rb\rhalf", "wait\r\n", 1);
    g_assert_cmpuint(readline_room(e.rl), ==, READLINE_AHEAD_MAX - strlen("\na\rwait\rb\rhalf"));
    readline_resume(e.rl);
    keys(&e, "x", "> a\r\n> wait\r\n", 3);             /* suspended again: b waits */
    readline_resume(e.rl);
    keys(&e, "\r", "> b\r\n> halfx\r\n> ", 5);
    keys(&e, "wait\rgone\r\003kept\r", "wait\r\n!", 6);  /* Ctrl-C */
    readline_resume(e.rl);
    keys(&e, "wait\rgone\r", "> kept\r\n> wait\r\n", 8);
    readline_reset(e.rl);
    keys(&e, "c\r", "c\r\n> ", 9);
    /* What is more than there is room for is lost; nothing else is. */
    keys(&e, "wait\r", "wait\r\n", 10);
    for (unsigned i = 0; i < READLINE_AHEAD_MAX + 3; i++) {
        readline_feed(e.rl, "\r", 1);
    }
    g_assert_cmpuint(readline_room(e.rl), ==, 0);
    readline_resume(e.rl);
    g_assert_cmpuint(e.lines->len, ==, 10 + READLINE_AHEAD_MAX);
    editor_end(&e);
}

/* ---- a session ---- */

static void append_text(void *opaque, const char *text, size_t len)
{
    g_string_append_len(opaque, text, len);
}

static const HmpSessionOps screen_ops = { .write = append_text };

static void feed(HmpSession *session, const char *text)
{
    hmp_session_feed(session, text, strlen(text));
}

static void test_session(void)
{
    Machine *m = bare_machine_new();
    GString *screen = g_string_new(NULL);
    HmpSession *session = hmp_session_new(m, NULL, &screen_ops, screen);
    feed(session, "info name\r");
    g_assert_cmpstr(screen->str, ==, "");
    hmp_session_open(session);
    g_assert_true(g_str_has_prefix(screen->str, "Godwit "));
    g_assert_true(g_str_has_suffix(screen->str,
                                   " monitor - type 'help' for more information\r\n(qemu) "));
    g_string_truncate(screen, 0);
    feed(session, "info na\t\r");
    g_assert_cmpstr(screen->str, ==, "info name \r\ngodwit0\r\n(qemu) ");
    g_string_truncate(screen, 0);
    feed(session, "p 1\r\ninfo history\r\n");
    g_assert_cmpstr(screen->str, ==, "p 1\r\n0x1\r\n(qemu) info history\r\n0: 'info name'\r\n"
                    "1: 'info name '\r\n2: 'p 1'\r\n3: 'info history'\r\n(qemu) ");
    hmp_session_close(session);
    g_string_truncate(screen, 0);
    feed(session, "info name\r");
    g_assert_cmpstr(screen->str, ==, "");
    hmp_session_free(session);
    g_string_free(screen, TRUE);
    bare_machine_free(m);
}

static void test_sizes(void)
{
    static const struct {
        double bytes;
        const char *text;
    } cases[] = {
        { 0, "0 KiB" }, { 512, "0.5 KiB" }, { 102400, "100 KiB" }, { 9999.0 * 1024, "9999 KiB" },
        { 10000.0 * 1024, "9.8 MiB" }, { 240.0 * (1 << 20), "240 MiB" }, { 1e15, "909 TiB" },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        char text[HMP_SIZE_TEXT];
        g_assert_cmpstr(hmp_size_text(text, cases[i].bytes), ==, cases[i].text);
    }
}

static void expect_words(HmpContext *ctx, const char *line, const char *words)
{
    size_t start;
    GPtrArray *found = hmp_complete(ctx, line, &start);
    g_autoptr(GString) text = g_string_new(NULL);
    g_assert_cmpuint(start, <=, strlen(line));
    for (guint i = 0; i < found->len; i++) {
        if (g_str_has_prefix(found->pdata[i], line + start)) {
            g_string_append_printf(text, "%s ", (char *)found->pdata[i]);
        }
    }
    g_ptr_array_unref(found);
    g_assert_cmpstr(text->str, ==, words);
}

static void test_completion(void)
{
    HartBench *b = hart_bench_new(NULL, 1 << 20);
    machine_lock(&b->m);
    HmpContext ctx = { .machine = &b->m };
    expect_words(&ctx, "sto", "stop ");
    expect_words(&ctx, "  sys", "system_powerdown system_reset ");
    expect_words(&ctx, "info sta", "status ");
    expect_words(&ctx, "info reg", "registers ");
    expect_words(&ctx, "help scr", "screendump ");
    expect_words(&ctx, "help info un", "");
    expect_words(&ctx, "help info uu", "uuid ");
    expect_words(&ctx, "info registers -", "-a ");
    expect_words(&ctx, "info registers ", "0 ");
    expect_words(&ctx, "cpu ", "0 ");
    expect_words(&ctx, "trace-event self_t", "self_test ");
    expect_words(&ctx, "trace-event self_test o", "on off ");
    expect_words(&ctx, "log gu", "guest_errors ");
    expect_words(&ctx, "info nonsense ", "");
    expect_words(&ctx, "nonsense ", "");
    expect_words(&ctx, "device_add riscv.no", "");
    expect_words(&ctx, "migrate -", "-d -b -i -r ");
    expect_words(&ctx, "migrate_set_capability val", "validate-uuid ");
    expect_words(&ctx, "migrate_set_capability validate-uuid ", "on off ");
    expect_words(&ctx, "migrate_set_parameter max-b", "max-bandwidth ");
    expect_words(&ctx, "migrate_set_parameter max-bandwidth ", "128M ");
    expect_words(&ctx, "migrate_set_parameter downtime-limit  ", "300 ");
    expect_words(&ctx, "migrate_set_parameter tls-creds ", "");
    expect_words(&ctx, "migrate_set_parameter nonsense ", "");
    expect_words(&ctx, "migrate_set_parameter downtime-limit 300 ", "");
    expect_words(&ctx, "migrate_continue ", "pre-switchover ");
    expect_words(&ctx, "x_migrate_settle f", "forget ");
    expect_words(&ctx, "loadvm ", "");
    machine_unlock(&b->m);
    hart_bench_free(b);
}

/* ---- random input ---- */

static const char *random_word(GRand *rand)
{
    static const char *const words[] = {
        "x", "xp", "print", "info", "help", "cpu", "sum", "set_link", "balloon", "memsave", "log",
        "trace-event", "status", "mem", "mtree", "registers", "qom-tree", "irq", "history", "0x80000000",
        "/", "/8xw", "/s", "/3c", "-1", "$a0", "(", ")", "'", "\"", "\\", "+", "<<", "on", "off", ",", "=",
        " ", "  ", "\t", "\xff", "\xc3", "99999999999999999999", "{", "}", "*", "%", "device_add", "-a",
        "screendump", "-f", "\x1b[", "\x1b[A", "\x7f", "\x01", "\x03", "\r", "\n", "\x15", "\x0b",
    };
    return words[g_rand_int_range(rand, 0, G_N_ELEMENTS(words))];
}

static void test_random(void)
{
    HartBench *b = hart_bench_new(NULL, 1 << 20);
    GString *screen = g_string_new(NULL);
    GRand *rand = g_rand_new_with_seed(g_test_rand_int());
    b->m.runstate = runstate_new(&b->m);
    machine_lock(&b->m);
    HmpSession *session = hmp_session_new(&b->m, NULL, &screen_ops, screen);
    hmp_session_open(session);
    for (int i = 0; i < 20000; i++) {
        g_autoptr(GString) line = g_string_new(NULL);
        for (int n = g_rand_int_range(rand, 1, 8); n > 0; n--) {
            g_string_append(line, random_word(rand));
            g_string_append(line, g_rand_boolean(rand) ? " " : "");
        }
        g_autofree char *text = hmp_run_line(&b->m, NULL, line->str, g_rand_int_range(rand, -1, 3));
        g_assert_true(g_utf8_validate(text, -1, NULL));
        hmp_session_feed(session, line->str, line->len);
        g_string_truncate(screen, 0);
    }
    trace_enable("*", false, NULL);
    hmp_session_free(session);
    g_rand_free(rand);
    g_string_free(screen, TRUE);
    runstate_free(b->m.runstate);
    machine_unlock(&b->m);
    hart_bench_free(b);
}

/* ---- the manual ---- */

static void check_table(const HmpCommand *table, const char *group, const char *manual)
{
    for (const HmpCommand *c = table; c->name; c++) {
        g_auto(GStrv) names = g_strsplit(c->name, "|", -1);
        /* In a table of Markdown a bar within a cell is written with a backslash. */
        g_auto(GStrv) parts = g_strsplit(c->params, "|", -1);
        g_autofree char *escaped = g_strjoinv("\\|", parts);
        g_autofree char *wanted =
            g_strdup_printf("| `%s%s%s%s` | %s | %s |\n", group, names[0], *escaped ? " " : "", escaped,
                            names[1] ? names[1] : "", c->help);
        if (!strstr(manual, wanted)) {
            g_test_message("docs/user/monitor.md lacks this line: %s", wanted);
            g_test_fail();
        }
        g_assert_true(c->run != NULL && *c->help != 0);
        g_assert_true(!c[1].name || strcmp(c->name, c[1].name) < 0);
    }
}

static void test_manual(void)
{
    g_autofree char *manual = NULL;
    if (!g_file_get_contents("docs/user/monitor.md", &manual, NULL, NULL)) {
        g_test_skip("not started at the top of the source tree");
        return;
    }
    check_table(hmp_commands, "", manual);
    check_table(hmp_info_items, "info ", manual);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hmp/lines", test_lines);
    g_test_add_func("/hmp/trace", test_trace_switches);
    g_test_add_func("/hmp/qmp", test_qmp);
    g_test_add_func("/hmp/memory", test_memory);
    g_test_add_func("/hmp/info-mem", test_info_mem);
    g_test_add_func("/hmp/readline/editing", test_editing);
    g_test_add_func("/hmp/readline/echo", test_echo);
    g_test_add_func("/hmp/readline/suspend", test_suspend);
    g_test_add_func("/hmp/sizes", test_sizes);
    g_test_add_func("/hmp/session", test_session);
    g_test_add_func("/hmp/completion", test_completion);
    g_test_add_func("/hmp/random", test_random);
    g_test_add_func("/hmp/manual", test_manual);
    return g_test_run();
}
