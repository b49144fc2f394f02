# measure.py - what the heartbeats tell about a move, and whether the guest's data are whole.
#
# Arrival times are the host's; the stamp in a heartbeat is the guest's own clock, which stands still
# while no process runs the machine.  Two things follow: the longest silence between two arrivals, and
# how much the guest's clock fell behind the host's across the move.
#
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the heartbeats tell about a move."""
import hashlib
import os
import time

from . import workload

SHOWN_BEFORE, SHOWN_AFTER = 0.5, 1.0    # seconds of a timeline around the move


def longest_silence(beats):
    """Seconds between the two arrivals that lie farthest apart."""
    return max((b.arrival - a.arrival for a, b in zip(beats, beats[1:])), default=0.0)


def offset(beats):
    """How far the host's clock is ahead of the guest's; the least delayed of the heartbeats counts."""
    return min(b.arrival - b.beat.ns / 1e9 for b in beats)


def speed(beats, field='spin'):
    """Units of work a second of the host's time."""
    if len(beats) < 2 or beats[-1].arrival <= beats[0].arrival:
        return None
    done = getattr(beats[-1].beat, field) - getattr(beats[0].beat, field)
    return done / (beats[-1].arrival - beats[0].arrival)


def between(beats, begin, end):
    """The heartbeats that arrived in a time."""
    return [b for b in beats if begin <= b.arrival <= end]


def loss(part, whole):
    """What is missing of the whole, in per cent."""
    return None if not part or not whole else max(0.0, 100 * (1 - part / whole))


def sequence(before, after):
    """Whether every heartbeat is there once, and what the last of them tells about the guest's data."""
    numbers = [b.beat.seq for b in before + after]
    last = after[-1].beat
    return {
        'beats': len(numbers),
        'missing': sum(b - a - 1 for a, b in zip(numbers, numbers[1:]) if b > a + 1),
        'doubled': sum(1 for a, b in zip(numbers, numbers[1:]) if b <= a),
        'pages-rewritten': last.pages,
        'bad-pages': last.bad,
        'disk-blocks': last.blocks,
        'bad-blocks': last.diskbad,
    }


def heartbeats(before, after, begin):
    """A dictionary of what the guest saw; `before` are A's heartbeats, `after` B's."""
    usual = between(before, begin - 3, begin)
    during = between(before, begin, before[-1].arrival)
    settled = between(after, after[0].arrival + 0.3, after[-1].arrival)
    rate = speed(usual)
    # The two seconds before the stop and those after it: jitter in them is filtered by the minimum.
    still = offset(between(after, after[0].arrival, after[0].arrival + 2)) - offset(
        between(before, before[-1].arrival - 2, before[-1].arrival))
    return {
        'silence-ms': 1000 * longest_silence(during[-1:] + after[:1]),
        'silence-anywhere-ms': 1000 * longest_silence(during + between(after, 0, after[0].arrival + 1)),
        'usual-silence-ms': 1000 * longest_silence(usual),
        'clock-stood-ms': max(0.0, 1000 * still),
        'speed-before': rate,
        'lost-during-percent': loss(speed(during), rate),
        'lost-after-percent': loss(speed(settled), rate),
        **sequence(before, after),
    }


def timeline(before, after, progress):
    """Seconds since the beginning of a move: heartbeats from A and from B, bytes left, ends of passes."""
    def moments(beats, first, last):
        return [round(b.arrival - progress.begin, 4) for b in between(beats, first, last)]
    return {
        'a': moments(before, progress.begin - SHOWN_BEFORE, before[-1].arrival),
        'b': moments(after, after[0].arrival, after[0].arrival + SHOWN_AFTER),
        'left': [[round(when, 4), left] for when, left in progress.samples],
        'passes': [round(when - progress.begin, 4) for when in progress.pass_ends],
    }


class HostLoad:
    """How much of the host other programs use, from its making on."""

    def __init__(self, pids):
        self.pids = list(pids)
        self.start = self.now()

    def now(self):
        """Host's time, ticks of all its CPUs that were not idle, ticks of these processes and of this one."""
        with open('/proc/stat', encoding='ascii') as stat:
            user, nice, system, _, _, irq, softirq, steal = (int(n) for n in stat.readline().split()[1:9])
        own = sum(os.times()[:4]) * os.sysconf('SC_CLK_TCK')
        for pid in self.pids:
            with open('/proc/%d/stat' % pid, encoding='ascii', errors='replace') as stat:
                fields = stat.read().rpartition(')')[2].split()
            own += int(fields[11]) + int(fields[12])
        return time.monotonic(), user + nice + system + irq + softirq + steal, own

    def percent(self):
        """Per cent of all CPUs; None where that is not known."""
        try:
            seconds, busy, own = (b - a for a, b in zip(self.start, self.now()))
        except (OSError, ValueError, IndexError):
            return None
        ticks = seconds * os.sysconf('SC_CLK_TCK') * os.cpu_count()
        return max(0.0, 100 * (busy - own) / ticks) if ticks else None


def check_image(path, count, blocks):
    """How many blocks of the image are not what the guest wrote; `count` were acknowledged."""
    wrong = 0
    with open(path, 'rb') as image:
        for number in range(max(0, count - blocks), count):
            where, expected = workload.block_image(number, blocks)
            image.seek(where)
            data = image.read(workload.BLOCK)
            # The place may hold what was being written when the writer was ended.
            if data != expected and data != workload.block_image(number + blocks, blocks)[1]:
                wrong += 1
    return wrong


def sha256(path):
    """The checksum of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, 'rb') as image:
        for piece in iter(lambda: image.read(1 << 20), b''):
            digest.update(piece)
    return digest.hexdigest()
