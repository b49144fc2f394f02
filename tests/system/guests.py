# guests.py - programs that check themselves while the machine they run on moves; no compiler needed.
#
#     BUSY      each hart rewrites its own 4 MiB, checking first what it wrote there the last time: a quarter of the
#               pages all the time, the others by and by, so that at any moment some have just become dirty
#     IDLE      each hart has filled its own 4 MiB; every 10 ms its timer wakes it to check all of it
#     sleeper() each hart only sleeps; every 10 ms its timer wakes it
#
# Hart n prints the letter 'a' + n when all is well: BUSY when it has been through all of its memory, the others
# each time they have been woken.  A capital letter is a complaint, and that hart's last word:
#     X   a line of a page is not what was written there last: the page was lost, is stale, torn or another
#     E   the timer's interrupt came before its time, or time went back
#     L   the timer's interrupt came much too late
#
# A page has eight lines of 512 bytes; each begins with its own address and, above, how often it was written.
#
# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs that check themselves while the machine they run on moves."""
import os
import struct
import sys

import tiny
from godwit import TOP

sys.path.insert(0, os.path.join(TOP, 'scripts'))
from migratedemo import asm  # noqa: E402

TICKS_PER_SECOND = 10_000_000   # of the board's timer
PERIOD = TICKS_PER_SECOND // 100
LATE = 10 * TICKS_PER_SECOND    # a busy host, or one that was halted for a while, is no fault
AREA, AREA_BITS = tiny.RAM + (2 << 20), 22
LINE = 512
HOT = 1 << 20                   # bytes that BUSY rewrites in each pass
COLD_A_PASS = 4096              # and of the others
COMPLAINTS = 'XEL'

# s0 … s1: the hart's memory; s2: its letter; s7: LINE; s8: the UART
PREPARE = f'''
    mhartid t0
    addi s2, t0, 97
    slli t1, t0, {AREA_BITS}
    li s0, {AREA}
    add s0, s0, t1
    li t1, {1 << AREA_BITS}
    add s1, s0, t1
    li s7, {LINE}
    li s8, 0x10000000
'''
FILL = '''
    mv t0, s0
fill:
    sd t0, 0(t0)
    add t0, t0, s7
    bltu t0, s1, fill
'''
COMPLAIN = '''
bad:
    li s2, 88
    j complain
early:
    li s2, 69
    j complain
late:
    li s2, 76
complain:
    sb s2, 0(s8)
stop:
    wfi
    j stop
'''


def words(text):
    """The program as tiny.py wants it."""
    image = asm.Assembler(text, tiny.RAM).image()
    return list(struct.unpack('<%dI' % (len(image) // 4), image))


BUSY = words(PREPARE + FILL + f'''
    li s3, 0                # what the hot pages were rewritten
    li s5, 0                # the same of the cold ones
    li t0, {HOT}
    add s9, s0, t0          # behind the hot pages
    mv s4, s9               # the next cold ones
    li s10, 0               # what the time was
pass:
    rdtime t0
    bltu t0, s10, early
    mv s10, t0
    mv a0, s0
    mv a1, s9
    mv a2, s3
    addi s3, s3, 1
    call rewrite
    mv a0, s4
    li t0, {COLD_A_PASS}
    add s4, s4, t0
    mv a1, s4
    mv a2, s5
    call rewrite
    bltu s4, s1, pass
    mv s4, s9
    addi s5, s5, 1
    sb s2, 0(s8)
    j pass
# a0 … a1 have been written a2 times, and are once more
rewrite:
    slli a3, a2, 32
    addi a2, a2, 1
    slli a4, a2, 32
line:
    ld t2, 0(a0)
    add t1, a0, a3
    bne t2, t1, bad
    add t1, a0, a4
    sd t1, 0(a0)
    add a0, a0, s7
    bltu a0, a1, line
    ret
''' + COMPLAIN)

# What is to be done first, how an interrupt at the time s4 is asked for, and where it is then pending.
MTIMER = ('''
    mhartid t0
    slli t0, t0, 3
    li s9, 0x2004000        # mtimecmp
    add s9, s9, t0
    li t0, 0x80             # MTIE
    csrrw zero, mie, t0
''', 'sd s4, 0(s9)', 'csrrs t1, mip, zero', 0x80)

# Into supervisor mode, which may use the time and gets its timer's interrupt itself.
TO_SUPERVISOR = '''
    li t0, -1
    csrrw zero, pmpaddr0, t0
    li t0, 0x1f
    csrrw zero, pmpcfg0, t0
    li t0, 2
    csrrw zero, mcounteren, t0
    li t0, 0x20             # STIP
    csrrw zero, mideleg, t0
    csrrw zero, sie, t0
    li t0, 0x1800
    csrrc zero, mstatus, t0
    li t0, 0x0800
    csrrs zero, mstatus, t0
    la t0, supervisor
    csrrw zero, mepc, t0
    mret
'''
STIMECMP = ('''
    li t0, 1
    slli t0, t0, 63         # STCE
    csrrs zero, menvcfg, t0
''' + TO_SUPERVISOR + '''
supervisor:
''', 'csrrw zero, stimecmp, s4', 'csrrs t1, sip, zero', 0x20)

# As a firmware does it: the machine's timer is set by an ecall, and its interrupt handed on. Uses t5 and t6.
SBI = (MTIMER[0] + '''
    la t0, firmware
    csrrw zero, mtvec, t0
''' + TO_SUPERVISOR + '''
firmware:
    li t5, 0x80
    csrrs t6, mcause, zero
    blt t6, zero, expired
    csrrs t6, mepc, zero
    addi t6, t6, 4
    csrrw zero, mepc, t6
    li t6, 0x20
    csrrc zero, mip, t6
    sd s4, 0(s9)
    csrrs zero, mie, t5
    mret
expired:
    csrrc zero, mie, t5
    li t6, 0x20
    csrrs zero, mip, t6
    mret
supervisor:
''', 'ecall', 'csrrs t1, sip, zero', 0x20)


def woken(timer, begin, work, late):
    """A hart that sleeps until its timer wakes it, does its work, and says so."""
    prepare, arm, pending, bit = timer
    return words(PREPARE + begin + prepare + f'''
beat:
    rdtime s4
    li t1, {PERIOD}
    add s4, s4, t1
    {arm}
doze:
    wfi
    {pending}
    andi t1, t1, {bit}
    beqz t1, doze
    rdtime t0
    bltu t0, s4, early
    sub t0, t0, s4
    li t1, {late}
    bgeu t0, t1, late
    {work}
    sb s2, 0(s8)
    j beat
''' + COMPLAIN)


def sleeper(timer, late=LATE):
    """timer: MTIMER, STIMECMP (needs Sstc) or SBI; late: ticks."""
    return woken(timer, '', '', late)


IDLE = woken(MTIMER, FILL, '''
    mv t0, s0
check:
    ld t1, 0(t0)
    bne t1, t0, bad
    add t0, t0, s7
    bltu t0, s1, check
''', LATE)
