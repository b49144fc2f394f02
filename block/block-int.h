/*
 * block-int.h - what the files of block/ share: drivers, nodes, backends and the request.
 *
 * Lobby, private to block/.  Fields are guarded by the machine's lock unless they are marked; a
 * node's I/O callbacks run on worker threads without it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_BLOCK_BLOCK_INT_H
#define GODWIT_BLOCK_BLOCK_INT_H

#include <stdatomic.h>

#include "block/block.h"
#include "system/runstate.h"

/* What detect-zeroes= does to a write that is nothing but zeroes. */
typedef enum DetectZeroes {
    DETECT_ZEROES_OFF,
    DETECT_ZEROES_ON,       /* written as zeroes, which may be faster */
    DETECT_ZEROES_UNMAP,    /* and deallocated where discard=unmap allows it */
} DetectZeroes;

typedef struct BlockDriver {
    const char *name;
    const char *const *keys;    /* options besides the common ones, NULL-terminated */
    bool is_protocol;           /* it has no node below it: locks and caches are its own */
    /* Reads its options, sets bs->length, bs->filename and bs->opaque. On failure it cleans up. */
    bool (*open)(BlockNode *bs, const json_t *options, Error **errp);
    void (*close)(BlockNode *bs);
    /*
     * Makes the node writable or not as a user needs it; may leave bs->read_only on
     * (auto-read-only).
     */
    bool (*set_access)(BlockNode *bs, bool write, Error **errp);        /* may be NULL: as opened */
    bool (*lock)(BlockNode *bs, bool write, Error **errp);              /* may be NULL: no locks */
    void (*unlock)(BlockNode *bs);                                      /* with lock */
    bool (*refresh)(BlockNode *bs, Error **errp);   /* length anew; may be NULL: it never changes */
    uint64_t (*actual_size)(BlockNode *bs);
    /* Sets the mark beside the image, or removes it (MIGRATION_DISK_GOOD); NULL: it has no place for one. */
    bool (*mark)(BlockNode *bs, MigrationDiskMark mark, Error **errp);
    /* The descriptor of the file, the node's own; NULL: there is no file. */
    int (*descriptor)(BlockNode *bs);
    /* Worker thread, several at a time. Ranges are inside bs->length. 0 or -errno. */
    int (*preadv)(BlockNode *bs, uint64_t offset, const struct iovec *iov, int niov);
    int (*pwritev)(BlockNode *bs, uint64_t offset, const struct iovec *iov, int niov);
    int (*flush)(BlockNode *bs);
    int (*pdiscard)(BlockNode *bs, uint64_t offset, uint64_t bytes);
    int (*pwrite_zeroes)(BlockNode *bs, uint64_t offset, uint64_t bytes, bool unmap);
} BlockDriver;

struct BlockNode {
    struct BlockLayer *layer;
    BlockNode *next;
    const BlockDriver *drv;
    char *node_name;
    char *filename;             /* path or URI, for people; NULL if it has none */
    BlockNode *child;           /* of a filter; NULL for a protocol */
    BlockNode *parent;          /* the node that uses this one */
    BlockBackend *blk;          /* or the backend that does */
    bool owned;                 /* made for its parent or drive, goes with it */
    bool read_only;             /* nobody can write now */
    bool auto_read_only;        /* falls back to reading where writing is not allowed */
    bool force_share;           /* a reader that lets others write */
    bool cache_direct, cache_no_flush;
    bool unmap;                 /* discard=unmap: a guest's discard reaches the image */
    DetectZeroes detect_zeroes;
    bool used, used_write;      /* has a user; that user writes */
    bool locked;
    uint64_t length;            /* bytes, a multiple of 512 */
    uint64_t wr_highest_offset;
    void *opaque;               /* the driver's */
};

/* What a failed request does (-drive rerror=, werror=). */
typedef enum BlockOnError {
    BLOCK_ON_ERROR_REPORT,
    BLOCK_ON_ERROR_IGNORE,
    BLOCK_ON_ERROR_STOP,
    BLOCK_ON_ERROR_ENOSPC,
} BlockOnError;

struct BlockBackend {
    struct BlockLayer *layer;
    BlockBackend *next;
    BlockNode *root;
    char *drive_id;             /* NULL: made for a node by blk_attach() */
    char *device_path;          /* NULL: no device has it */
    char *serial;
    bool write_cache;
    BlockOnError on_read_error, on_write_error;
    BlockIOStatus io_status;
    unsigned in_flight;
    BlockStats stats;
    int base_fd;                /* the image that this one began as a copy of; -1: not known */
    /* Disk migration hears of writes; worker threads call it. opaque is set before. */
    _Atomic(MigrationDiskWritten *) written;
    void *written_opaque;
};

struct BlockLayer {
    Machine *machine;
    BlockNode *nodes;
    BlockBackend *backends;
    struct BlockAio *aio;
    VMChangeStateEntry *vm_entry;
    bool inactive;              /* images belong to another process: no locks, no writes */
    bool receiving;             /* they are being filled by an incoming migration: marks are ours */
    unsigned next_name;         /* of generated node names */
};

typedef enum BlockRequestType {
    BLOCK_REQUEST_READ,
    BLOCK_REQUEST_WRITE,
    BLOCK_REQUEST_FLUSH,
    BLOCK_REQUEST_DISCARD,
    BLOCK_REQUEST_ZEROES,
} BlockRequestType;

struct BlockRequest {
    BlockRequest *next;         /* in one of the queues of block-aio.c */
    BlockBackend *blk;
    BlockRequestType type;
    uint64_t offset, bytes;
    const struct iovec *iov;
    int niov;
    bool unmap;                 /* zeroes: may deallocate */
    bool flush_after;           /* the write cache was off at submission */
    int ret;
    int64_t start_ns, due_ns;
    BlockCompletionFunc *cb;
    void *opaque;
};

/* ---- block.c ---- */

/* Opens a node of any driver without asking for a node name. owned: it goes with its user. */
BlockNode *block_node_open(struct BlockLayer *layer, const json_t *options, bool owned,
                           Error **errp);
/* Closes the node and those made for it. It has no user. */
void block_node_close(BlockNode *bs);
/* Takes the node, and what is below it, into use: access mode and locks. */
bool block_node_use(BlockNode *bs, bool write, Error **errp);
void block_node_unuse(BlockNode *bs);
/* Says in *errp who uses the node already; true if nobody does. */
bool block_node_is_free(const BlockNode *bs, Error **errp);
/* The I/O of a node; any thread, the range is inside its length. 0 or -errno. */
int block_node_preadv(BlockNode *bs, uint64_t offset, const struct iovec *iov, int niov);
int block_node_pwritev(BlockNode *bs, uint64_t offset, const struct iovec *iov, int niov);
int block_node_flush(BlockNode *bs);
int block_node_pdiscard(BlockNode *bs, uint64_t offset, uint64_t bytes);
int block_node_pwrite_zeroes(BlockNode *bs, uint64_t offset, uint64_t bytes, bool unmap);

/* ---- block-error.c ---- */

/* Whether the policy hides a failure from device and guest; sends the event then. err: positive errno. */
bool blk_error_is_hidden(BlockBackend *blk, bool is_read, int err);
/* A VMChangeStateHandler; opaque is the layer. */
void block_error_vm_state(void *opaque, bool running, RunState state);

/* ---- block-backend.c ---- */

BlockBackend *blk_new(struct BlockLayer *layer, const char *drive_id);
/* Gives root to blk and takes it into use. On failure blk has no root. */
bool blk_insert(BlockBackend *blk, BlockNode *root, Error **errp);
void blk_free(BlockBackend *blk);
/* Called by block-aio.c. execute: any thread; complete: lock held, frees the request. */
void blk_request_execute(BlockRequest *req);
void blk_request_complete(BlockRequest *req);

/* ---- block-options.c ---- */

/* The options that every driver knows, into bs. */
bool block_options_common(BlockNode *bs, const json_t *options, Error **errp);
/* Fails on a key that neither every driver nor drv knows. */
bool block_options_check(const BlockDriver *drv, const json_t *options, Error **errp);
const BlockDriver *block_driver_find(const char *name, Error **errp);

extern const BlockDriver block_driver_file, block_driver_host_device, block_driver_raw;
extern const BlockDriver block_driver_null_co, block_driver_null_aio, block_driver_nbd;

/* ---- file-lock.c ---- */

/*
 * Marks the open file as read, or written as well, and fails if that and another process's mark
 * exclude each other. must: a file system without locks is an error, else it goes without.
 */
bool file_lock(int fd, const BlockNode *bs, bool write, bool must, Error **errp);
void file_unlock(int fd);

/* ---- block-iov.c ---- */

/* Bytes in all; UINT64_MAX, which no image has, if they do not fit into 64 bits. */
uint64_t block_iov_size(const struct iovec *iov, int niov);
bool block_iov_is_zero(const struct iovec *iov, int niov);

#endif
