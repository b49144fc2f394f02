/*
 * block-aio.h - where requests run: worker threads, or at once with -icount.
 *
 * Lobby, private to block/.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_BLOCK_BLOCK_AIO_H
#define GODWIT_BLOCK_BLOCK_AIO_H

#include "block/block-int.h"

typedef struct BlockAio BlockAio;

BlockAio *block_aio_new(Machine *m);
/* Joins the threads. No request is in flight. */
void block_aio_free(BlockAio *aio);
/*
 * Runs the request (blk_request_execute) and completes it later (blk_request_complete). Lock held.
 */
void block_aio_submit(BlockAio *aio, BlockRequest *req);
/* Completes a request later that has its result already. Lock held. */
void block_aio_submit_finished(BlockAio *aio, BlockRequest *req);
/* Waits until a request has finished and completes it. One must be in flight. Lock held. */
void block_aio_wait(BlockAio *aio);

#endif
