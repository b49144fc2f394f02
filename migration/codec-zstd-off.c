/*
 * codec-zstd-off.c - there is no zstd in this program.
 *
 * Floor F4; below it nothing.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "migration/page-codec.h"

const PageCodec *const page_codec_zstd = NULL;
