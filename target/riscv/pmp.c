/*
 * pmp.c - physical memory protection: 16 entries of 4-byte granularity.
 *
 * Lobby (target/riscv).  Runs on the hart's thread.
 * Invariant: first[] and last[] follow cfg[] and addr[]: every write goes through pmp_update().
 * Privileged spec 3.7: the lowest-numbered entry that holds any byte of an access decides; it must hold
 * all of them.  M passes where no entry matches; others fail if any entry is implemented.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "mmu.h"

#define CFG_R 1
#define CFG_W 2
#define CFG_X 4
#define CFG_A 0x18
#define CFG_L 0x80
enum { PMP_OFF = 0, PMP_TOR = 1, PMP_NA4 = 2, PMP_NAPOT = 3 };

#define PMP_ADDR_MASK ((1ull << 54) - 1)

static unsigned pmp_mode(uint8_t cfg)
{
    return (cfg & CFG_A) >> 3;
}

void pmp_update(Pmp *p)
{
    p->active = 0;
    for (unsigned n = 0; n < PMP_ENTRIES; n++) {
        uint64_t addr = p->addr[n], ones = addr ^ (addr + 1);   /* trailing ones and the zero above */

        p->first[n] = 1;
        p->last[n] = 0;
        switch (pmp_mode(p->cfg[n])) {
        case PMP_TOR:
            p->first[n] = n ? p->addr[n - 1] << 2 : 0;
            p->last[n] = (addr << 2) - 1;
            if (addr == 0 || p->first[n] > p->last[n]) {
                p->first[n] = 1;
                p->last[n] = 0;
            }
            break;
        case PMP_NA4:
            p->first[n] = addr << 2;
            p->last[n] = (addr << 2) + 3;
            break;
        case PMP_NAPOT:
            p->first[n] = (addr & ~ones) << 2;
            p->last[n] = ((addr | ones) << 2) + 3;
            break;
        }
        if (pmp_mode(p->cfg[n]) != PMP_OFF) {
            p->active = n + 1;
        }
    }
}

bool pmp_allows(const Hart *h, hwaddr pa, unsigned len, Access acc, Priv priv)
{
    static const uint8_t need[] = {[ACCESS_READ] = CFG_R, [ACCESS_WRITE] = CFG_W, [ACCESS_EXEC] = CFG_X};
    const Pmp *p = &h->pmp;
    hwaddr end = pa + len - 1;

    if (!hart_has(h, EXT_PMP)) {
        return true;
    }
    for (unsigned n = 0; n < p->active; n++) {
        if (p->first[n] > end || p->last[n] < pa || p->first[n] > p->last[n]) {
            continue;
        }
        if (p->first[n] > pa || p->last[n] < end) {
            return false;
        }
        return (priv == PRIV_M && !(p->cfg[n] & CFG_L)) || (p->cfg[n] & need[acc]);
    }
    return priv == PRIV_M;
}

/* No entry in force begins or ends inside the page. */
bool pmp_page_uniform(const Hart *h, hwaddr page)
{
    const Pmp *p = &h->pmp;
    hwaddr end = page + TARGET_PAGE_SIZE - 1;

    for (unsigned n = 0; n < p->active; n++) {
        if (p->first[n] > end || p->last[n] < page || p->first[n] > p->last[n]) {
            continue;
        }
        if (p->first[n] > page || p->last[n] < end) {
            return false;
        }
        return true;    /* holds the whole page: what follows does not matter */
    }
    return true;
}

uint8_t pmp_read_cfg(const Pmp *p, unsigned n)
{
    return n < PMP_ENTRIES ? p->cfg[n] : 0;
}

void pmp_write_cfg(Pmp *p, unsigned n, uint8_t cfg)
{
    if (n >= PMP_ENTRIES || (p->cfg[n] & CFG_L)) {
        return;
    }
    if ((cfg & (CFG_R | CFG_W)) == CFG_W) {
        cfg &= (uint8_t)~CFG_W;         /* W without R is reserved */
    }
    p->cfg[n] = cfg & (CFG_R | CFG_W | CFG_X | CFG_A | CFG_L);
    pmp_update(p);
}

/* A locked entry of type TOR locks the address below it too. */
void pmp_write_addr(Pmp *p, unsigned n, uint64_t addr)
{
    if (n >= PMP_ENTRIES || (p->cfg[n] & CFG_L)) {
        return;
    }
    if (n + 1 < PMP_ENTRIES && (p->cfg[n + 1] & CFG_L) && pmp_mode(p->cfg[n + 1]) == PMP_TOR) {
        return;
    }
    p->addr[n] = addr & PMP_ADDR_MASK;
    pmp_update(p);
}
