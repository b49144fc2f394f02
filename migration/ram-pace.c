/*
 * ram-pace.c - what pages take on the stream, and what work they are, where that is not just their size.
 *
 * Floor F4; below it the clock.  The migration thread.
 *
 * A stop is to be short. Differences of 50 bytes a page are soon sent, and compressing a page may take longer than
 * sending it: what is left must be counted in bytes of the stream and in time, as the rounds before have shown.
 * Invariant: as long as no round behind the first has shown anything, a page is a page. The first round tells of
 * memory that the guest may never touch.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <glib.h>

#include "migration/ram-internal.h"
#include "system/clock.h"
#include "system/machine.h"

/* A round of fewer pages tells nothing. */
#define MIN_PAGES 64

/* Pages of zeros are next to nothing, and may be others the next time. */
static uint64_t pages_sent(const RAMMigration *r)
{
    return ram_counters_pages(&r->counters) - atomic_load(&r->counters.duplicate);
}

RAMPaceMark ram_pace_mark(const RAMMigration *r)
{
    return (RAMPaceMark){
        .pages = pages_sent(r),
        .bytes = atomic_load(&r->counters.transferred),
        .ns = qemu_clock_get_ns(r->machine, QEMU_CLOCK_REALTIME),
    };
}

void ram_pace_add(RAMMigration *r, const RAMPaceMark *begin)
{
    const RAMPaceMark now = ram_pace_mark(r);
    r->pace.round.pages += now.pages - begin->pages;
    r->pace.round.bytes += now.bytes - begin->bytes;
    r->pace.round.ns += now.ns - begin->ns;
}

void ram_pace_end_round(RAMMigration *r, bool bulk)
{
    RAMPace *p = &r->pace;
    if (p->round.pages >= MIN_PAGES && !bulk) {
        p->before = p->last;
        p->last = p->round;
    }
    p->round = (RAMPaceMark){ 0 };
}

/* The larger of what two rounds say; of one alone, if there was no other. */
static double per_page(const RAMPace *p, double last, double before)
{
    last /= (double)p->last.pages;
    return p->before.pages ? MAX(last, before / (double)p->before.pages) : last;
}

void ram_migration_expect(Machine *m, uint64_t *bytes, int64_t *ns)
{
    const RAMMigration *r = m->ram_migration;
    const RAMPace *p = &r->pace;
    *ns = 0;
    if (!r->sender || !r->sender->shrinks || !p->last.pages) {
        return;
    }
    double pages = (double)*bytes / TARGET_PAGE_SIZE;
    *bytes = (uint64_t)(pages * per_page(p, (double)p->last.bytes, (double)p->before.bytes));
    *ns = (int64_t)(pages * per_page(p, (double)p->last.ns, (double)p->before.ns));
}
