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
typedef struct BlockResume BlockResume;

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
/*
 * -icount: true if the request was in flight when the machine was saved, and will complete as it would have. Else
 * it is to be submitted. Lock held.
 */
bool block_aio_resume(BlockAio *aio, BlockRequest *req);
/* The backend goes away. */
void block_aio_forget(BlockAio *aio, const BlockBackend *blk);
/* -icount: the requests that wait for their moment, in order; linked by next. Lock held. */
const BlockRequest *block_aio_delayed(const BlockAio *aio);

/* ---- block-resume.c: -icount ---- */

BlockResume *block_resume_new(Machine *m, BlockAio *aio);
void block_resume_free(BlockResume *r);
/* Sets the request's moment and result if it is one of those that arrived. */
bool block_resume_take(BlockResume *r, BlockRequest *req);
void block_resume_forget(BlockResume *r, const BlockBackend *blk);

#endif
