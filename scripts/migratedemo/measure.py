# measure.py - what the heartbeats tell about a move, and whether the guest's data are whole.
#
# Arrival times are the host's; the stamp in a heartbeat is the guest's own clock, which stands still
# while no process runs the machine.  Two things follow: the longest silence between two arrivals, and
# how much the guest's clock fell behind the host's across the move.
#
# SPDX-License-Identifier: GPL-2.0-or-later
"""What the heartbeats tell about a move."""
import hashlib

from . import workload


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


def heartbeats(before, after, begin):
    """A dictionary of what the guest saw; `before` are A's heartbeats, `after` B's."""
    usual = between(before, begin - 3, begin)
    during = between(before, begin, before[-1].arrival)
    settled = between(after, after[0].arrival + 0.3, after[-1].arrival)
    rate = speed(usual)
    sequence = [b.beat.seq for b in before + after]
    # The two seconds before the stop and those after it: jitter in them is filtered by the minimum.
    still = offset(between(after, after[0].arrival, after[0].arrival + 2)) - offset(
        between(before, before[-1].arrival - 2, before[-1].arrival))
    return {
        'silence-ms': 1000 * longest_silence(during[-1:] + after[:1]),
        'silence-anywhere-ms': 1000 * longest_silence(during + between(after, 0, after[0].arrival + 1)),
        'usual-silence-ms': 1000 * longest_silence(usual),
        'clock-stood-ms': max(0.0, 1000 * still),
        'beats': len(sequence),
        'missing': sum(b - a - 1 for a, b in zip(sequence, sequence[1:]) if b > a + 1),
        'doubled': sum(1 for a, b in zip(sequence, sequence[1:]) if b <= a),
        'speed-before': rate,
        'lost-during-percent': loss(speed(during), rate),
        'lost-after-percent': loss(speed(settled), rate),
        'pages-rewritten': after[-1].beat.pages,
        'bad-pages': after[-1].beat.bad,
        'disk-blocks': after[-1].beat.blocks,
        'bad-blocks': after[-1].beat.diskbad,
    }


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
