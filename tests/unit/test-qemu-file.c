/*
 * test-qemu-file.c - the stream over a channel that records, cuts and counts.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "migration/channel.h"
#include "migration/qemu-file.h"

/* ---- a channel in memory ---- */

typedef struct TestChannel {
    MigrationChannel parent;
    GByteArray *bytes;      /* what was written, or what will be read */
    size_t at;              /* read so far */
    size_t fail_at;         /* the byte that cannot be written or read */
    size_t piece;           /* reads bring no more than this */
    unsigned calls, max_iov;
    size_t max_call;
    unsigned direct;        /* reads that asked for exactly `direct_len` */
    size_t direct_len;
    unsigned shutdowns;
} TestChannel;

static bool test_writev(MigrationChannel *ch, struct iovec *iov, int niov, Error **errp)
{
    TestChannel *t = (TestChannel *)ch;
    size_t total = 0;
    g_assert_cmpint(niov, >, 0);
    g_assert_cmpint(niov, <=, QEMU_FILE_MAX_IOV);
    for (int i = 0; i < niov; i++) {
        size_t n = MIN(iov[i].iov_len, t->fail_at - t->bytes->len);
        g_assert_cmpuint(iov[i].iov_len, >, 0);
        g_byte_array_append(t->bytes, iov[i].iov_base, n);
        if (n < iov[i].iov_len) {
            error_setg(errp, "cut at byte %zu", t->fail_at);
            return false;
        }
        total += n;
    }
    t->calls++;
    t->max_iov = MAX(t->max_iov, (unsigned)niov);
    t->max_call = MAX(t->max_call, total);
    return true;
}

static bool test_read(MigrationChannel *ch, void *buf, size_t len, size_t *got, Error **errp)
{
    TestChannel *t = (TestChannel *)ch;
    g_assert_cmpuint(len, >, 0);
    t->calls++;
    t->max_call = MAX(t->max_call, len);
    t->direct += len == t->direct_len;
    if (t->at >= t->fail_at) {
        error_setg(errp, "cut at byte %zu", t->fail_at);
        return false;
    }
    *got = MIN(MIN(len, t->piece), MIN(t->bytes->len, t->fail_at) - t->at);
    memcpy(buf, t->bytes->data + t->at, *got);
    t->at += *got;
    return true;
}

static void test_shutdown(MigrationChannel *ch)
{
    ((TestChannel *)ch)->shutdowns++;
}

static bool test_close(MigrationChannel *ch, Error **errp)
{
    g_assert_not_reached();     /* a file does not close its channel */
}

static const MigrationChannelOps test_ops = {
    .writev = test_writev, .read = test_read, .shutdown = test_shutdown, .close = test_close,
};

static void channel_init(TestChannel *t)
{
    *t = (TestChannel){
        .parent = { .ops = &test_ops, .name = (char *)"test" },
        .bytes = g_byte_array_new(),
        .fail_at = G_MAXSIZE,
        .piece = G_MAXSIZE,
    };
}

static void channel_clear(TestChannel *t)
{
    g_byte_array_unref(t->bytes);
}

/* ---- output ---- */

/* Small puts, page references and large puts in a random order come out in just that order. */
static void test_order(void)
{
    GByteArray *want = g_byte_array_new();
    GPtrArray *pages = g_ptr_array_new_with_free_func(g_free);
    TestChannel t;
    channel_init(&t);
    QEMUFile *f = qemu_file_channel_new_output(&t.parent);
    for (int i = 0; i < 4000; i++) {
        int kind = g_test_rand_int_range(0, 100);
        size_t len = kind < 60   ? g_test_rand_int_range(0, 30)
                     : kind < 95 ? 4096
                     : kind < 98 ? g_test_rand_int_range(0, 40000)
                                 : g_test_rand_int_range(30000, 70000);
        uint8_t *bytes = g_malloc(len + 1);
        for (size_t k = 0; k < len; k++) {
            bytes[k] = i + k;
        }
        g_byte_array_append(want, bytes, len);
        if (kind >= 60 && kind < 98) {
            qemu_put_page_ref(f, bytes, len);
            g_ptr_array_add(pages, bytes);
        } else {
            qemu_put_buffer(f, bytes, len);
            memset(bytes, 0xee, len);   /* the file has its own copy */
            g_free(bytes);
        }
        g_assert_cmpuint(qemu_ftell(f), ==, want->len);
        g_assert_cmpuint(qemu_file_get_transferred(f), ==, t.bytes->len);
    }
    g_assert_true(qemu_fclose(f, NULL));
    g_assert_cmpuint(t.bytes->len, ==, want->len);
    g_assert_true(memcmp(t.bytes->data, want->data, want->len) == 0);
    g_ptr_array_unref(pages);
    g_byte_array_unref(want);
    channel_clear(&t);
}

/* A page is read when it is flushed, not before: nothing has been copied. */
static void test_no_copy(void)
{
    uint8_t page[4096] = { 1 };
    TestChannel t;
    channel_init(&t);
    QEMUFile *f = qemu_file_channel_new_output(&t.parent);
    qemu_put_byte(f, 7);
    qemu_put_page_ref(f, page, sizeof(page));
    page[0] = 2;
    g_assert_true(qemu_fflush(f));
    g_assert_cmpuint(t.bytes->data[0], ==, 7);
    g_assert_cmpuint(t.bytes->data[1], ==, 2);
    g_assert_true(qemu_fclose(f, NULL));
    channel_clear(&t);
}

/* Pages with their heads leave a megabyte at a time; pages that lie one behind the other are one piece. */
static void test_batches(void)
{
    size_t len = 16 << 20;
    uint8_t *ram = g_malloc0(len);
    TestChannel t;
    channel_init(&t);
    QEMUFile *f = qemu_file_channel_new_output(&t.parent);
    for (size_t at = 0; at < len; at += 4096) {
        qemu_put_be64(f, at);
        qemu_put_page_ref(f, ram + at, 4096);
    }
    g_assert_true(qemu_fflush(f));
    g_assert_cmpuint(t.calls, <=, 17);
    g_assert_cmpuint(t.max_call, <=, QEMU_FILE_BATCH + 8192);
    t.calls = t.max_iov = 0;
    for (size_t at = 0; at < len; at += 4096) {
        qemu_put_page_ref(f, ram + at, 4096);
    }
    g_assert_true(qemu_fclose(f, NULL));
    g_assert_cmpuint(t.calls, ==, 16);
    g_assert_cmpuint(t.max_iov, ==, 1);
    /* Small puts alone: the buffer is flushed before it is full, not after. */
    f = qemu_file_channel_new_output(&t.parent);
    t.max_call = 0;
    for (int i = 0; i < 100000; i++) {
        qemu_put_buffer(f, ram, 7);
    }
    g_assert_true(qemu_fclose(f, NULL));
    g_assert_cmpuint(t.max_call, >, 32 * 1024 - 7);
    g_assert_cmpuint(t.max_call, <=, 32 * 1024);
    g_free(ram);
    channel_clear(&t);
}

static void put_sample(QEMUFile *f, const uint8_t *page)
{
    qemu_put_be32(f, 0x01020304);
    qemu_put_counted_string(f, "virt");
    qemu_put_page_ref(f, page, 300);
    qemu_put_be16(f, 0xabcd);
    qemu_fflush(f);
    qemu_put_page_ref(f, page + 300, 100);
    qemu_put_be64(f, 0x1122334455667788);
    qemu_put_byte(f, 9);
}

static const uint8_t *sample_page(void)
{
    static uint8_t page[400];
    for (size_t i = 0; i < sizeof(page); i++) {
        page[i] = i * 7 + 1;
    }
    return page;
}

/* The channel fails at each byte in turn: everything before it arrived, nothing after, the first error stays. */
static void test_write_errors(void)
{
    TestChannel whole;
    channel_init(&whole);
    QEMUFile *f = qemu_file_channel_new_output(&whole.parent);
    put_sample(f, sample_page());
    g_assert_true(qemu_fclose(f, NULL));
    for (size_t cut = 0; cut <= whole.bytes->len; cut++) {
        TestChannel t;
        Error *err = NULL;
        channel_init(&t);
        t.fail_at = cut;
        f = qemu_file_channel_new_output(&t.parent);
        put_sample(f, sample_page());
        bool ok = qemu_fflush(f);
        unsigned calls = t.calls;
        put_sample(f, sample_page());   /* after an error puts do nothing */
        g_assert_false(qemu_fclose(f, &err));
        g_assert_true(ok == (cut == whole.bytes->len));
        g_autofree char *text = g_strdup_printf("cut at byte %zu", cut);
        g_assert_cmpstr(error_get_pretty(err), ==, text);
        g_assert_cmpuint(t.calls, ==, calls);
        g_assert_cmpuint(t.bytes->len, ==, cut);
        g_assert_true(cut == 0 || memcmp(t.bytes->data, whole.bytes->data, cut) == 0);
        error_free(err);
        channel_clear(&t);
    }
    channel_clear(&whole);
}

static void test_long_string(void)
{
    char text[258];
    Error *err = NULL;
    memset(text, 'x', 256);
    text[256] = '\0';
    QEMUFile *f = qemu_file_new_memory();
    qemu_put_counted_string(f, text);
    g_assert_false(qemu_fclose(f, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "at most 255"));
    error_free(err);
}

/* ---- input ---- */

static void get_sample(QEMUFile *f, bool complete)
{
    char name[256];
    uint8_t page[400];
    uint32_t a = qemu_get_be32(f);
    bool named = qemu_get_counted_string(f, name);
    qemu_get_buffer(f, page, 300);
    uint16_t b = qemu_get_be16(f);
    qemu_get_buffer(f, page + 300, 100);
    uint64_t c = qemu_get_be64(f);
    uint8_t d = qemu_get_byte(f);
    if (complete) {
        g_assert_cmphex(a, ==, 0x01020304);
        g_assert_true(named);
        g_assert_cmpstr(name, ==, "virt");
        g_assert_cmphex(b, ==, 0xabcd);
        g_assert_true(memcmp(page, sample_page(), 400) == 0);
        g_assert_cmphex(c, ==, 0x1122334455667788);
        g_assert_cmpuint(d, ==, 9);
    } else {
        g_assert_cmpuint(d, ==, 0);     /* the last byte is always beyond the cut */
    }
}

/* The stream ends, or the channel fails, at each byte; reads bring whole pieces or single bytes. */
static void check_read_cuts(bool fails, size_t piece)
{
    TestChannel t;
    channel_init(&t);
    QEMUFile *f = qemu_file_channel_new_output(&t.parent);
    put_sample(f, sample_page());
    g_assert_true(qemu_fclose(f, NULL));
    size_t whole = t.bytes->len;
    t.piece = piece;
    for (size_t cut = 0; cut <= whole; cut++) {
        Error *err = NULL;
        t.at = 0;
        t.bytes->len = fails ? whole : cut;
        t.fail_at = fails && cut < whole ? cut : G_MAXSIZE;
        f = qemu_file_channel_new_input(&t.parent);
        get_sample(f, cut == whole);
        g_assert_cmpuint(qemu_file_get_transferred(f), ==, cut);
        bool ok = qemu_fclose(f, &err);
        g_assert_true(ok == (cut == whole));
        if (!ok) {
            g_assert_nonnull(strstr(error_get_pretty(err), fails ? "cut at byte" : "stream ends at byte"));
        }
        error_free(err);
    }
    channel_clear(&t);
}

static void test_read_cuts(void)
{
    check_read_cuts(false, G_MAXSIZE);
    check_read_cuts(false, 1);
    check_read_cuts(true, G_MAXSIZE);
    check_read_cuts(true, 1);
}

/* A megabyte a read; what is long goes past the buffer once that is empty. */
static void test_big_reads(void)
{
    size_t len = 5 << 20;
    uint8_t *want = g_malloc(len), *got = g_malloc0(len);
    TestChannel t;
    channel_init(&t);
    for (size_t i = 0; i < len; i++) {
        want[i] = i * 31 >> 3;
    }
    g_byte_array_append(t.bytes, want, len);
    QEMUFile *f = qemu_file_channel_new_input(&t.parent);
    for (size_t at = 0; at < 1 << 20; at += 4096) {
        qemu_get_buffer(f, got + at, 4096);
    }
    g_assert_cmpuint(t.calls, ==, 1);
    g_assert_cmpuint(t.max_call, ==, 1 << 20);
    t.direct_len = 3 << 20;
    qemu_get_buffer(f, got + (1 << 20), 3 << 20);
    g_assert_cmpuint(t.direct, ==, 1);
    g_assert_cmpint(qemu_peek_byte(f, 1023), ==, want[(4 << 20) + 1023]);
    qemu_get_buffer(f, got + (4 << 20), 1 << 20);
    g_assert_true(memcmp(want, got, len) == 0);
    g_assert_cmpint(qemu_peek_byte(f, 0), ==, -1);
    g_assert_null(qemu_file_get_error(f));      /* a look at the end is no error */
    g_assert_cmpuint(qemu_ftell(f), ==, len);
    g_assert_true(qemu_fclose(f, NULL));
    g_free(want);
    g_free(got);
    channel_clear(&t);
}

/* Behind a long get comes a head, and then perhaps another one: little is read, and more each time. */
static void test_short_reads(void)
{
    size_t len = 1 << 20;
    uint8_t *want = g_malloc(len), *got = g_malloc0(len);
    TestChannel t;
    channel_init(&t);
    for (size_t i = 0; i < len; i++) {
        want[i] = i * 31 >> 3;
    }
    g_byte_array_append(t.bytes, want, len);
    QEMUFile *f = qemu_file_channel_new_input(&t.parent);
    t.piece = 100000;
    qemu_get_buffer(f, got, 400000);
    t.max_call = 0;
    g_assert_cmpuint(t.at, ==, 400000);         /* to its end, and not beyond */
    qemu_get_buffer(f, got + 400000, 10);
    g_assert_cmpuint(t.max_call, ==, 4096);
    qemu_get_buffer(f, got + 400010, 4096);
    g_assert_cmpuint(t.max_call, ==, 8192);
    qemu_get_buffer(f, got + 404106, 100000);
    g_assert_cmpuint(t.at, ==, 504106);
    t.max_call = 0;
    for (size_t at = 504106; at < len; at++) {
        got[at] = qemu_get_byte(f);
    }
    g_assert_cmpuint(t.max_call, ==, 1 << 20);
    g_assert_true(memcmp(want, got, len) == 0);
    g_assert_true(qemu_fclose(f, NULL));
    g_free(want);
    g_free(got);
    channel_clear(&t);
}

static void test_peek(void)
{
    uint8_t bytes[3000];
    memset(bytes, 5, sizeof(bytes));
    bytes[1023] = 6;
    QEMUFile *f = qemu_file_new_from_buffer(bytes, sizeof(bytes));
    g_assert_cmpint(qemu_peek_byte(f, 1023), ==, 6);
    g_assert_cmpint(qemu_peek_byte(f, 1024), ==, -1);
    g_assert_cmpuint(qemu_ftell(f), ==, 0);
    uint8_t out[2990];
    qemu_get_buffer(f, out, sizeof(out));
    g_assert_cmpint(qemu_peek_byte(f, 9), ==, 5);
    g_assert_cmpint(qemu_peek_byte(f, 10), ==, -1);
    g_assert_true(qemu_fclose(f, NULL));
}

/* A bad string: a NUL inside, or longer than what is left. */
static void test_bad_strings(void)
{
    char name[256];
    QEMUFile *f = qemu_file_new_from_buffer((const uint8_t *)"\3a\0b", 4);
    g_assert_false(qemu_get_counted_string(f, name));
    g_assert_true(qemu_fclose(f, NULL));
    f = qemu_file_new_from_buffer((const uint8_t *)"\377abc", 4);
    g_assert_false(qemu_get_counted_string(f, name));
    g_assert_cmpstr(name, ==, "abc");   /* and zeroes, not what stood there before */
    g_assert_false(qemu_fclose(f, NULL));
}

/* ---- shutdown, time ---- */

static void test_shut_output(void)
{
    Error *err = NULL;
    TestChannel t;
    channel_init(&t);
    QEMUFile *f = qemu_file_channel_new_output(&t.parent);
    qemu_put_byte(f, 1);
    qemu_file_shutdown(f);
    qemu_file_shutdown(f);
    g_assert_cmpuint(t.shutdowns, ==, 2);
    g_assert_false(qemu_fclose(f, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "shut down"));
    g_assert_cmpuint(t.calls, ==, 0);
    error_free(err);
    channel_clear(&t);
}

typedef struct Sharer {
    QEMUFile *f;
    _Atomic bool ready;
} Sharer;

static gpointer ask_and_shut_thread(gpointer opaque)
{
    Sharer *s = opaque;
    while (qemu_file_get_transferred(s->f) < 4 << 20) {
        g_thread_yield();
    }
    g_assert_cmpuint(qemu_file_send_time_ns(s->f), >, 0);
    qemu_file_shutdown(s->f);
    return NULL;
}

static gpointer drain_thread(gpointer opaque)
{
    int fd = GPOINTER_TO_INT(opaque);
    static char buf[65536];
    size_t left = 6 << 20;      /* then it stops reading: the writer blocks */
    while (left) {
        ssize_t n = read(fd, buf, MIN(sizeof(buf), left));
        if (n <= 0) {
            break;
        }
        left -= n;
    }
    return NULL;
}

/* Another thread watches the numbers and shuts the file down while its owner is stuck in a write. */
static void test_shut_blocked(void)
{
    int pair[2];
    Error *err = NULL;
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
    uint8_t *ram = g_malloc0(1 << 20);
    MigrationChannel *ch = migration_channel_new_fds("pair", pair[0], pair[0]);
    Sharer s = { .f = qemu_file_channel_new_output(ch) };
    GThread *drain = g_thread_new("drain", drain_thread, GINT_TO_POINTER(pair[1]));
    GThread *shut = g_thread_new("shut", ask_and_shut_thread, &s);
    while (!qemu_file_get_error(s.f)) {
        qemu_put_page_ref(s.f, ram, 1 << 20);
    }
    g_thread_join(shut);
    g_thread_join(drain);
    g_assert_false(qemu_fclose(s.f, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "shut down"));
    error_free(err);
    migration_channel_close(ch, NULL);
    close(pair[1]);
    g_free(ram);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qemu-file/output/order", test_order);
    g_test_add_func("/qemu-file/output/no-copy", test_no_copy);
    g_test_add_func("/qemu-file/output/batches", test_batches);
    g_test_add_func("/qemu-file/output/errors", test_write_errors);
    g_test_add_func("/qemu-file/output/long-string", test_long_string);
    g_test_add_func("/qemu-file/input/cuts", test_read_cuts);
    g_test_add_func("/qemu-file/input/big-reads", test_big_reads);
    g_test_add_func("/qemu-file/input/short-reads", test_short_reads);
    g_test_add_func("/qemu-file/input/peek", test_peek);
    g_test_add_func("/qemu-file/input/bad-strings", test_bad_strings);
    g_test_add_func("/qemu-file/shutdown/output", test_shut_output);
    g_test_add_func("/qemu-file/shutdown/blocked", test_shut_blocked);
    return g_test_run();
}
