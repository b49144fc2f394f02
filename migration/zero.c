/*
 * zero.c - finds pages that hold nothing but zero bytes, at the speed of memory.
 *
 * Floor F4; below it system/memory's dirty bitmaps.  Any thread.  The page may change while it is read: the answer is then
 * that of some moment, which is enough, since a page that changes is dirty again.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "migration/ram.h"

/*
 * Eight words at a time: the loads are independent, so that one core reads as fast as its memory
 * delivers; wider vectors were measured and are not faster. Most pages that are not zero say so in
 * their first line.
 */
bool page_is_zero(const void *page)
{
    const uint64_t *w = page;
    for (unsigned i = 0; i < TARGET_PAGE_SIZE / sizeof(*w); i += 8) {
        uint64_t any = w[i] | w[i + 1] | w[i + 2] | w[i + 3] | w[i + 4] | w[i + 5] | w[i + 6] | w[i + 7];
        if (any) {
            return false;
        }
    }
    return true;
}

/*
 * Who writes marks the page as touched first and as dirty for the migration then, or marks it both before writing. So
 * a page that looks untouched behind the taking of its dirty bit either is, or its bit is set again.
 */
bool ram_page_is_zero(const RAMBlock *block, ram_addr_t offset)
{
    return !ram_block_page_dirty(block, offset, DIRTY_MEMORY_TOUCHED) || page_is_zero(block->host + offset);
}
