# workload.py - the programs that work in the guest while it moves, and how their reports are read.
#
# Under Linux four processes share a page of counters:
#   heartbeat  every 10 ms one line on standard output, at real-time priority
#   dirtier    rewrites pages at a given rate; before it does it checks every word of what it wrote the
#              last time, so that a lost, stale or torn page is found; also re-reads pages that it
#              wrote only once
#   writer     writes blocks of 64 KiB past the page cache to /dev/vda and reads older ones back
#   spinner    counts loops at the lowest priority: the hart is never idle, and the count is its speed
# Without Linux one bare-metal program does the same in turn, except for the disk.
#
# A line is "@" and nine hexadecimal fields, those of Beat and at the end the sum of the others.  Page i
# in round r holds the words x, x + STEP, x + 2 STEP ... with x = mix(i, r); so does a block.
#
# SPDX-License-Identifier: GPL-2.0-or-later
"""The programs that work in the guest while it moves."""
import collections
import re
import struct

from . import asm

PAGE = 4096
BLOCK = 65536
PERIOD_NS = 10_000_000          # of the heartbeat and of the dirtier's turns
DISK_PERIOD_NS = 20_000_000
COLD_A_TURN = 4                 # pages that are only read, in one of the dirtier's turns
LAG = 8                         # the block read back is this many before the last one
MIX_INDEX, MIX_ROUND, STEP = 0x9e3779b97f4a7c15, 0xc2b2ae3d27d4eb4f, 0x165667b19e3779f9
MASK = (1 << 64) - 1

FIELDS = 'seq ns spin pages rounds bad blocks diskbad'
Beat = collections.namedtuple('Beat', FIELDS)
LINE = re.compile(r'@([0-9a-f]+(?: [0-9a-f]+){8})\n')

# Counters in the shared page.
SPIN, PAGES, ROUNDS, BAD, BLOCKS, DISKBAD = range(0, 48, 8)

# Used by both programs: fill and verify memory, print.
COMMON = f'''
# fill: a2 bytes at a0 with a1, a1 + STEP ...
fill:
    li t0, {STEP}
    add t1, a0, a2
fill_next:
    sd a1, 0(a0)
    add a1, a1, t0
    addi a0, a0, 8
    bltu a0, t1, fill_next
    ret
# verify: a0 becomes 0 if a2 bytes at a0 are as fill leaves them, otherwise 1
verify:
    li t0, {STEP}
    add t1, a0, a2
verify_next:
    ld t2, 0(a0)
    bne t2, a1, verify_wrong
    add a1, a1, t0
    addi a0, a0, 8
    bltu a0, t1, verify_next
    li a0, 0
    ret
verify_wrong:
    li a0, 1
    ret
# mix: a1 becomes the first word of item a0 in round a1
mix:
    li t0, {MIX_INDEX}
    li t1, {MIX_ROUND}
    addi t2, a0, 1
    mul t0, t0, t2
    mul t1, t1, a1
    add a1, t0, t1
    ret
# hex: writes a1 in hexadecimal and a blank at a0, which moves on; s9 sums what was written
hex:
    add s9, s9, a1
    li t0, 60
hex_skip:                   # leading zeros
    srl t1, a1, t0
    bnez t1, hex_digit
    beqz t0, hex_digit
    addi t0, t0, -4
    j hex_skip
hex_digit:
    srl t1, a1, t0
    andi t1, t1, 15
    addi t1, t1, 48
    li t2, 58
    blt t1, t2, hex_put
    addi t1, t1, 39
hex_put:
    sb t1, 0(a0)
    addi a0, a0, 1
    beqz t0, hex_end
    addi t0, t0, -4
    j hex_digit
hex_end:
    li t1, 32
    sb t1, 0(a0)
    addi a0, a0, 1
    ret
# beat: a line at a0 with sequence number s1, time a1 and the counters at s0; a0 ends behind it
beat:
    mv s10, ra
    mv s8, a1
    li s9, 0
    li t0, 64
    sb t0, 0(a0)
    addi a0, a0, 1
    mv a1, s1
    call hex
    mv a1, s8
    call hex
    mv s8, s0
    addi s11, s0, 48
beat_next:
    ld a1, 0(s8)
    call hex
    addi s8, s8, 8
    bltu s8, s11, beat_next
    mv a1, s9
    call hex
    li t0, 10
    sb t0, -1(a0)
    mv ra, s10
    ret
# turn: rewrites s5 pages of the hot area s2 (page s3 of it, round s4), reads COLD pages (from s6)
turn:
    mv s10, ra
    mv s7, s5
    beqz s7, turn_cold
turn_hot:
    slli s8, s3, 12
    add s8, s8, s2
    mv a0, s3
    addi a1, s4, -1
    call mix
    mv a0, s8
    li a2, {PAGE}
    call verify
    ld t0, {BAD}(s0)
    add t0, t0, a0
    sd t0, {BAD}(s0)
    mv a0, s3
    mv a1, s4
    call mix
    mv a0, s8
    li a2, {PAGE}
    call fill
    ld t0, {PAGES}(s0)
    addi t0, t0, 1
    sd t0, {PAGES}(s0)
    addi s3, s3, 1
    ld t0, hot(zero)
    bltu s3, t0, turn_same
    li s3, 0
    sd s4, {ROUNDS}(s0)
    addi s4, s4, 1
turn_same:
    addi s7, s7, -1
    bnez s7, turn_hot
turn_cold:
    li s7, {COLD_A_TURN}
turn_read:
    ld t0, all(zero)
    bltu s6, t0, turn_inside
    ld s6, hot(zero)
    beq s6, t0, turn_end
turn_inside:
    mv a0, s6
    li a1, 0
    call mix
    slli a0, s6, 12
    add a0, a0, s2
    li a2, {PAGE}
    call verify
    ld t0, {BAD}(s0)
    add t0, t0, a0
    sd t0, {BAD}(s0)
    addi s6, s6, 1
    addi s7, s7, -1
    bnez s7, turn_read
turn_end:
    mv ra, s10
    ret
# prepare: fills all pages as of round 0
prepare:
    mv s10, ra
    li s3, 0
prepare_next:
    mv a0, s3
    li a1, 0
    call mix
    slli a0, s3, 12
    add a0, a0, s2
    li a2, {PAGE}
    call fill
    addi s3, s3, 1
    ld t0, all(zero)
    bltu s3, t0, prepare_next
    li s3, 0
    li s4, 1
    ld s6, hot(zero)
    mv ra, s10
    ret
'''

LINUX_BASE = 0x10000 + 120

LINUX = f'''
    li a1, 4096             # the counters: a shared page
    li a3, 0x21
    call mmap
    mv s0, a0
    call fork
    beqz a0, dirtier
    call fork
    beqz a0, writer
    call fork
    beqz a0, spinner
    li a0, 0                # heartbeat: SCHED_FIFO, priority 1
    li a1, 1
    la a2, one
    li a7, 119
    ecall
    li s1, 0
    call now
    mv s2, a0
heartbeat:
    li a1, {PERIOD_NS}
    mv a0, s2
    call pace
    mv s2, a0
    call now
    mv a1, a0
    la a0, line
    call beat
    la a1, line
    sub a2, a0, a1
    li a0, 1
    li a7, 64               # write
    ecall
    addi s1, s1, 1
    j heartbeat

dirtier:
    ld a1, all(zero)
    slli a1, a1, 12
    li a3, 0x22
    call mmap
    mv s2, a0
    ld s5, quota(zero)
    call prepare
    call now
    mv s1, a0
dirtier_next:
    call turn
    mv a0, s1
    li a1, {PERIOD_NS}
    call pace
    mv s1, a0
    j dirtier_next

spinner:
    li a0, 0
    li a1, 0
    li a2, 19
    li a7, 140              # setpriority
    ecall
spinner_next:
    li t0, 20000
spinner_loop:
    mul t1, t1, t0
    xor t1, t1, t0
    addi t0, t0, -1
    bnez t0, spinner_loop
    ld t0, {SPIN}(s0)
    addi t0, t0, 1
    sd t0, {SPIN}(s0)
    j spinner_next

writer:
    li a0, -100
    la a1, disk
    li a2, 0x4002           # O_RDWR | O_DIRECT
    li a3, 0
    li a7, 56               # openat
    ecall
    blt a0, zero, leave
    mv s1, a0
    li a1, {BLOCK}
    li a3, 0x22
    call mmap
    mv s2, a0
    li s3, 0                # blocks so far
    call now
    mv s4, a0
writer_next:
    mv a0, s3
    call block_word
    mv a0, s2
    li a2, {BLOCK}
    call fill
    mv a0, s3
    call block_offset
    mv a3, a0
    li a7, 68               # pwrite64
    call transfer
    addi s3, s3, 1
    sd s3, {BLOCKS}(s0)
    andi t0, s3, 15
    bnez t0, writer_read
    mv a0, s1
    li a7, 83               # fdatasync
    ecall
writer_read:
    addi s5, s3, -{LAG}
    blt s5, zero, writer_pause
    mv a0, s5
    call block_offset
    mv a3, a0
    li a7, 67               # pread64
    call transfer
    mv a0, s5
    call block_word
    mv a0, s2
    li a2, {BLOCK}
    call verify
    ld t0, {DISKBAD}(s0)
    add t0, t0, a0
    sd t0, {DISKBAD}(s0)
writer_pause:
    mv a0, s4
    li a1, {DISK_PERIOD_NS}
    call pace
    mv s4, a0
    j writer_next
# transfer: pread64 or pwrite64 (a7) of a block at s2; anything but the whole block counts as bad
transfer:
    mv a0, s1
    mv a1, s2
    li a2, {BLOCK}
    ecall
    li t0, {BLOCK}
    beq a0, t0, transfer_end
    ld t0, {DISKBAD}(s0)
    addi t0, t0, 1
    sd t0, {DISKBAD}(s0)
transfer_end:
    ret
# block_offset: where the a0-th block of all goes; block_word: a1 = the first word of it
block_offset:
    ld t0, blocks(zero)
    remu a0, a0, t0
    slli a0, a0, 16
    ret
block_word:
    ld t0, blocks(zero)
    divu a1, a0, t0
    addi a1, a1, 1
    remu a0, a0, t0
    j mix

# mmap: a1 bytes with the flags a3
mmap:
    li a0, 0
    li a2, 3
    li a4, -1
    li a5, 0
    li a7, 222
    ecall
    ret
# fork: the child is killed when the parent ends
fork:
    li a0, 17
    li a1, 0
    li a2, 0
    li a3, 0
    li a4, 0
    li a7, 220              # clone
    ecall
    bnez a0, fork_end
    li a0, 1
    li a1, 9
    li a7, 167              # prctl(PR_SET_PDEATHSIG, SIGKILL)
    ecall
    li a0, 0
fork_end:
    ret
leave:
    li a0, 0
    li a7, 93
    ecall
# now: a0 = CLOCK_MONOTONIC in nanoseconds
now:
    addi sp, sp, -16
    li a0, 1
    mv a1, sp
    li a7, 113              # clock_gettime
    ecall
    ld a0, 0(sp)
    ld t0, 8(sp)
    li t1, 1000000000
    mul a0, a0, t1
    add a0, a0, t0
    addi sp, sp, 16
    ret
# pace: sleeps until a0 + a1; a0 = that time, or now if it has passed
pace:
    addi sp, sp, -32
    sd ra, 16(sp)
    add a0, a0, a1
    sd a0, 24(sp)
    call now
    ld t0, 24(sp)
    bgeu a0, t0, pace_end
    li t1, 1000000000
    divu t2, t0, t1
    sd t2, 0(sp)
    remu t2, t0, t1
    sd t2, 8(sp)
    li a0, 1
    li a1, 1                # TIMER_ABSTIME
    mv a2, sp
    li a3, 0
    li a7, 115              # clock_nanosleep
    ecall
    ld a0, 24(sp)
pace_end:
    ld ra, 16(sp)
    addi sp, sp, 32
    ret
{COMMON}
disk: .asciz "/dev/vda"
one: .asciz "\\x01"
'''

BARE_BASE = 0x80000000
BARE_AREA = BARE_BASE + (1 << 20)
UART = 0x10000000
TICKS = 10_000_000              # of the board's timer, a second

BARE = f'''
    mhartid t0
    bnez t0, park
    li sp, {BARE_BASE + (1 << 19)}
    la s0, counters
    li s2, {BARE_AREA}
    ld s5, quota(zero)
    call prepare
    li s1, 0
    rdtime t0
    sd t0, 0(sp)
bare_turn:
    call turn
bare_spin:                  # until the next heartbeat is due
    li t0, 2000
bare_loop:
    mul t1, t1, t0
    xor t1, t1, t0
    addi t0, t0, -1
    bnez t0, bare_loop
    ld t0, {SPIN}(s0)
    addi t0, t0, 1
    sd t0, {SPIN}(s0)
    rdtime a1
    ld t0, 0(sp)
    sub t0, a1, t0
    li t1, {TICKS // 100}
    bltu t0, t1, bare_spin
    ld t0, 0(sp)
    add t0, t0, t1
    sd t0, 0(sp)
    li t0, {1_000_000_000 // TICKS}
    mul a1, a1, t0
    la a0, line
    call beat
    la t0, line
    li t1, {UART}
bare_put:
    lbu t2, 5(t1)           # line status: transmit holding register empty
    andi t2, t2, 0x20
    beqz t2, bare_put
    lbu t2, 0(t0)
    sb t2, 0(t1)
    addi t0, t0, 1
    bltu t0, a0, bare_put
    addi s1, s1, 1
    j bare_turn
park:
    wfi
    j park
{COMMON}
counters: .zero 48
'''


def pages_a_turn(rate):
    """Pages that the dirtier rewrites in a turn to reach `rate` bytes a second."""
    return max(1, round(rate * PERIOD_NS / 1e9 / PAGE)) if rate else 0


def with_constants(text, constants):
    """`ld reg, name(zero)` of a constant becomes its value in the program."""
    for name, value in constants.items():
        text = re.sub(r'ld (\w+), %s\(zero\)' % name, r'li \1, %d' % value, text)
    # The line lies behind the program's bytes.
    return text + 'line: .zero 256\n'


def linux_program(rate, hot, cold, blocks):
    """The ELF file: `rate` bytes/s dirtied in `hot` bytes, `cold` bytes written once, blocks on disk."""
    return asm.elf(with_constants(LINUX, {'quota': pages_a_turn(rate), 'hot': hot // PAGE,
                                          'all': (hot + cold) // PAGE, 'blocks': blocks}), LINUX_BASE)


def bare_program(rate, hot, cold):
    """The same as a bare-metal guest; the memory begins 1 MiB into RAM."""
    return asm.elf(with_constants(BARE, {'quota': pages_a_turn(rate), 'hot': hot // PAGE,
                                         'all': (hot + cold) // PAGE}), BARE_BASE, headers=False)


def cpio(files):
    """An initramfs piece with executable files {name: bytes}, to be put behind another one."""
    out = b''
    entries = [(name, 0o100755, data) for name, data in files.items()] + [('TRAILER!!!', 0, b'')]
    for inode, (name, mode, data) in enumerate(entries, 1 << 20):
        fields = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        for piece in (b'070701' + b''.join(b'%08X' % f for f in fields) + name.encode() + b'\0', data):
            out += piece + b'\0' * (-len(piece) % 4)
    return out


def parse_line(fields):
    """A Beat from the fields of LINE, or None if their sum is wrong: a torn line."""
    values = [int(field, 16) for field in fields.split()]
    return Beat(*values[:-1]) if sum(values[:-1]) & MASK == values[-1] else None


def block_image(number, blocks):
    """(offset, bytes) of the number-th block that the writer wrote, on a disk of so many."""
    index, version = number % blocks, number // blocks + 1
    first = ((index + 1) * MIX_INDEX + version * MIX_ROUND) & MASK
    words = ((first + j * STEP) & MASK for j in range(BLOCK // 8))
    return index * BLOCK, struct.pack('<%dQ' % (BLOCK // 8), *words)
