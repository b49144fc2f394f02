/*
 * transport-cancel.h - waiting for a peer, reading and writing are given up from another thread.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_TRANSPORT_CANCEL_H
#define TESTS_TRANSPORT_CANCEL_H

#include <sys/eventfd.h>

#include "transport-fixture.h"

static inline gpointer cancel_thread(gpointer opaque)
{
    uint64_t one = 1;
    g_assert_cmpint(write(GPOINTER_TO_INT(opaque), &one, sizeof(one)), ==, sizeof(one));
    return NULL;
}

static inline void expect_cancelled_connect(const char *uri)
{
    Error *err = NULL;
    int cancel = eventfd(0, EFD_CLOEXEC);
    MigrationAddress *address = parse(uri);
    MigrationConnectContext ctx = context(cancel);
    GThread *t = g_thread_new("cancel", cancel_thread, GINT_TO_POINTER(cancel));
    g_assert_null(migration_connect(address, &ctx, &err));
    g_thread_join(t);
    expect(err, "cancelled");
    migration_address_free(address);
    close(cancel);
}

static inline gpointer read_thread(gpointer opaque)
{
    MigrationChannel *ch = opaque;
    char buf[16];
    size_t got;
    Error *err = NULL;
    g_assert_false(ch->ops->read(ch, buf, sizeof(buf), &got, &err));
    expect(err, "shut down");
    return NULL;
}

static inline gpointer write_thread(gpointer opaque)
{
    MigrationChannel *ch = opaque;
    Error *err = NULL;
    bool ok;
    do {
        struct iovec iov = { .iov_base = body, .iov_len = BODY };
        ok = ch->ops->writev(ch, &iov, 1, &err);
    } while (ok);
    expect(err, "shut down");
    return NULL;
}

/* A reader and a writer hang on a peer that does nothing; the main thread shuts their channels down. */
static inline void shutdown_both(MigrationChannel *in, MigrationChannel *out)
{
    GThread *reader = g_thread_new("read", read_thread, in), *writer = g_thread_new("write", write_thread, out);
    migration_channel_shutdown(in);
    migration_channel_shutdown(out);
    g_thread_join(reader);
    g_thread_join(writer);
    read_thread(in);        /* and it stays so */
    write_thread(out);
    migration_channel_close(in, NULL);
    if (out != in) {
        migration_channel_close(out, NULL);
    }
}

#endif
