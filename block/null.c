/*
 * null.c - a disk without content: reads give zeroes, writes vanish.  For tests and measurements.
 *
 * Lobby.  No locks: nothing changes after open.
 * Options: size (default 1 GiB), latency-ns of every request, read-zeroes (accepted: reads always
 * give zeroes here, since stale memory of the host is none of the guest's business).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <time.h>

#include "block/block-int.h"
#include "system/machine.h"
#include "util/iov.h"
#include "util/keyval.h"

#define NULL_DEFAULT_SIZE (1ull << 30)
#define NULL_MAX_LATENCY_NS 10000000000ull

typedef struct NullState {
    uint64_t latency_ns;
} NullState;

static bool null_open(BlockNode *bs, const json_t *options, Error **errp)
{
    NullState s = { 0 };
    uint64_t size = NULL_DEFAULT_SIZE;
    bool read_zeroes;
    if (!keyval_get_size(options, "size", &size, errp) ||
        !keyval_get_bool(options, "read-zeroes", &read_zeroes, errp) ||
        !keyval_get_uint(options, "latency-ns", NULL_MAX_LATENCY_NS, &s.latency_ns, errp)) {
        return false;
    }
    if (size > INT64_MAX - BDRV_SECTOR_SIZE) {
        error_setg(errp, "size %" G_GUINT64_FORMAT " is more than %" G_GINT64_FORMAT, size,
                   INT64_MAX);
        return false;
    }
    bs->length = (size + BDRV_SECTOR_SIZE - 1) / BDRV_SECTOR_SIZE * BDRV_SECTOR_SIZE;
    bs->filename = g_strdup_printf("%s://", bs->drv->name);
    bs->opaque = g_memdup2(&s, sizeof(s));
    return true;
}

static void null_close(BlockNode *bs)
{
    g_free(bs->opaque);
}

static uint64_t null_actual_size(BlockNode *bs)
{
    (void)bs;
    return 0;
}

/* With -icount the guest must not wait for the host's time: requests take none of it. */
static int null_delay(BlockNode *bs)
{
    const NullState *s = bs->opaque;
    const MachineConfig *config = bs->layer->machine->config;
    if (s->latency_ns && !(config && config->icount)) {
        struct timespec ts = { s->latency_ns / 1000000000, s->latency_ns % 1000000000 };
        while (nanosleep(&ts, &ts) < 0 && errno == EINTR) {
        }
    }
    return 0;
}

static int null_preadv(BlockNode *bs, uint64_t offset, const struct iovec *iov, int niov)
{
    (void)offset;
    iov_memset(iov, niov, 0, 0, SIZE_MAX);
    return null_delay(bs);
}

static int null_pwritev(BlockNode *bs, uint64_t offset, const struct iovec *iov, int niov)
{
    (void)offset;
    (void)iov;
    (void)niov;
    return null_delay(bs);
}

static int null_pdiscard(BlockNode *bs, uint64_t offset, uint64_t bytes)
{
    (void)offset;
    (void)bytes;
    return null_delay(bs);
}

static int null_pwrite_zeroes(BlockNode *bs, uint64_t offset, uint64_t bytes, bool unmap)
{
    (void)unmap;
    return null_pdiscard(bs, offset, bytes);
}

static const char *const null_keys[] = { "size", "latency-ns", "read-zeroes", NULL };

#define NULL_DRIVER(NAME) { \
    .name = NAME, .keys = null_keys, .is_protocol = true, .open = null_open, .close = null_close, \
    .actual_size = null_actual_size, .preadv = null_preadv, .pwritev = null_pwritev, \
    .flush = null_delay, .pdiscard = null_pdiscard, .pwrite_zeroes = null_pwrite_zeroes, \
}

const BlockDriver block_driver_null_co = NULL_DRIVER("null-co");
const BlockDriver block_driver_null_aio = NULL_DRIVER("null-aio");
