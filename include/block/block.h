/*
 * block.h - disk images: nodes, what a guest device sees of them, and asynchronous requests.
 *
 * Lobby.  A BlockNode is one driver over one place (file, raw over a node, nbd); a BlockBackend is
 * a device's handle on a node with its counters.  Requests start and complete on the main loop's
 * thread with the machine lock held; the I/O itself runs on worker threads.  With -icount a request
 * is done at submission and completes through a virtual-clock timer, so that a run repeats bit for
 * bit.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_BLOCK_BLOCK_H
#define GODWIT_BLOCK_BLOCK_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "migration/disk.h"
#include "migration/snapshot.h"
#include "util/error.h"

typedef struct Machine Machine;
typedef struct BlockNode BlockNode;
typedef struct BlockBackend BlockBackend;
typedef struct BlockRequest BlockRequest;

#define BDRV_SECTOR_SIZE 512

/* ret: 0, or -errno. */
typedef void BlockCompletionFunc(void *opaque, int ret);

/*
 * -blockdev as JSON: {"driver": "file"|"raw"|"nbd"|"null-co"|"host_device", "node-name": …, …};
 * "file" of raw may be a node name or a nested object. The machine owns the node. Images are
 * locked.
 */
BlockNode *block_node_new(Machine *m, const json_t *options, Error **errp);
BlockNode *block_node_find(Machine *m, const char *name);
/* Removes a node that nobody uses. */
bool block_node_remove(Machine *m, const char *name, Error **errp);
/* -drive as JSON {"file": …, "if": "none"|"virtio"|"pflash", "id": …, "format": "raw", …}. */
BlockBackend *block_drive_new(Machine *m, const json_t *options, Error **errp);

/* A handle for a device: name is a node name or a drive's id. Fails if another device has it. */
BlockBackend *blk_attach(Machine *m, const char *name, const char *device_path, Error **errp);
void blk_detach(BlockBackend *blk);
BlockBackend *blk_find(Machine *m, const char *drive_id);

uint64_t blk_length(BlockBackend *blk);         /* bytes */
bool blk_is_read_only(BlockBackend *blk);
bool blk_write_cache(BlockBackend *blk);        /* false: every write is flushed before completion */
void blk_set_write_cache(BlockBackend *blk, bool on);
const char *blk_serial(BlockBackend *blk);      /* -drive serial=, or NULL */
/*
 * What becomes of failed reads (key "rerror") or writes ("werror"): report, ignore, stop, or for writes
 * enospc, which stops if the host is full; NULL and auto change nothing. At first: report, and enospc.
 */
bool blk_set_on_error(BlockBackend *blk, const char *key, const char *policy, Error **errp);
/*
 * For a device whose request has failed with err (a positive errno): sends BLOCK_IO_ERROR. True: the
 * machine is about to stop with run state io-error; the device keeps the request, and submits it again
 * when the machine runs. False: it tells the guest. An ignored failure reaches no device.
 */
bool blk_error_stops(BlockBackend *blk, bool is_read, int err);

/* offset and the iov's length in bytes; iov and its buffers must live until completion. */
BlockRequest *blk_aio_preadv(BlockBackend *blk, uint64_t offset, const struct iovec *iov, int niov,
                             BlockCompletionFunc *cb, void *opaque);
BlockRequest *blk_aio_pwritev(BlockBackend *blk, uint64_t offset, const struct iovec *iov, int niov,
                              BlockCompletionFunc *cb, void *opaque);
BlockRequest *blk_aio_flush(BlockBackend *blk, BlockCompletionFunc *cb, void *opaque);
BlockRequest *blk_aio_pdiscard(BlockBackend *blk, uint64_t offset, uint64_t bytes,
                               BlockCompletionFunc *cb, void *opaque);
BlockRequest *blk_aio_pwrite_zeroes(BlockBackend *blk, uint64_t offset, uint64_t bytes, bool unmap,
                                    BlockCompletionFunc *cb, void *opaque);
/* Synchronous, for loaders and flash; main thread. 0 or -errno. */
int blk_pread(BlockBackend *blk, uint64_t offset, void *buf, uint64_t bytes);
int blk_pwrite(BlockBackend *blk, uint64_t offset, const void *buf, uint64_t bytes);
int blk_flush(BlockBackend *blk);

/*
 * Returns when no request is in flight; their callbacks have run. Lock held. A stop of the machine
 * does that too, but for -icount: there a finished request waits, over stops, for its moment in
 * virtual time.
 */
void blk_drain(BlockBackend *blk);
void block_drain_all(Machine *m);
void block_flush_all(Machine *m);
/* Gives up, or takes back, locks and caches of all images (handover to another process). */
bool block_inactivate_all(Machine *m, Error **errp);
bool block_activate_all(Machine *m, Error **errp);

/*
 * For snapshots, with the machine stopped and nothing in flight: calls fn for each image that the machine
 * writes, with a descriptor of it. Images that only read as zeroes (null) are left out.
 */
bool block_images_foreach(Machine *m, SnapshotImageFunc *fn, void *opaque, Error **errp);
/* The images' contents have been replaced, their sizes have not. */
bool block_images_changed(Machine *m, Error **errp);

/* For disk migration. */
extern const MigrationDiskOps block_migration_ops;

/* For query-block, query-blockstats, query-named-block-nodes and info block. */
typedef struct BlockStats {
    uint64_t rd_bytes, wr_bytes, unmap_bytes;
    uint64_t rd_operations, wr_operations, flush_operations, unmap_operations;
    uint64_t rd_total_time_ns, wr_total_time_ns, flush_total_time_ns;
    uint64_t failed_rd, failed_wr, failed_flush;
    uint64_t wr_highest_offset;
} BlockStats;
typedef enum BlockIOStatus { BLOCK_IO_OK, BLOCK_IO_FAILED, BLOCK_IO_NOSPACE } BlockIOStatus;
typedef struct BlockInfo {
    const char *device;         /* drive id, "" if made by -blockdev */
    const char *qdev;           /* the device's path or NULL */
    const char *node_name, *driver, *file;
    bool read_only, cache_direct, cache_writeback, cache_no_flush;
    uint64_t size;              /* bytes */
    uint64_t actual_size;       /* bytes allocated on the host */
    BlockStats stats;
    BlockIOStatus io_status;    /* why the machine was stopped, until it runs again */
    const char *serial;
} BlockInfo;
void blk_foreach(Machine *m, void (*fn)(const BlockInfo *info, void *opaque), void *opaque);
void block_node_foreach(Machine *m, void (*fn)(const BlockInfo *info, void *opaque), void *opaque);
const char *const *block_driver_names(void);

struct BlockLayer *block_layer_new(Machine *m);
void block_layer_free(struct BlockLayer *layer);

#endif
