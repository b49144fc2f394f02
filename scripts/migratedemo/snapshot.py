# snapshot.py - the demonstration of a snapshot: savevm while the guest works in process A, which goes on;
# then process B starts from the snapshot, and guest and disk are those of that moment.
#
# SPDX-License-Identifier: GPL-2.0-or-later
"""The demonstration of a snapshot."""
import os
import time

from . import measure
from .display import mega
from .guest import Guest
from .machine import Trouble

NAME = 'moment'


class SnapshotDemo(Guest):
    """One run."""

    def run(self):
        """The whole; a dictionary of results."""
        store = os.path.join(self.folder, 'snapshots')
        where = ['-snapshots', store]
        source = self.boot(*where)
        load = measure.HostLoad([source.process.pid])
        self.display.step('(qemu) savevm %s' % NAME)
        begin = time.monotonic()
        source.hmp('savevm %s' % NAME, self.args.timeout)
        end = time.monotonic()
        kept = os.path.join(store, NAME)
        sizes = {name: os.stat(os.path.join(kept, name)).st_blocks * 512 for name in os.listdir(kept)}
        self.display.step('saved: %s; the guest goes on in A' % mega(sum(sizes.values())))
        self.watch(source)
        result = {'way': 'snapshot', 'guest': 'linux' if self.linux else 'bare-metal', 'save-seconds': end - begin,
                  'bytes': sizes, 'other-load-percent': load.percent()}
        source.quit()
        beats = source.beats_now()
        self.display.step('A ends at heartbeat %d' % beats[-1].beat.seq)
        after, disk = self.come_back(where, kept)
        moment = after[0].beat.seq
        before, behind = [b for b in beats if b.beat.seq < moment], [b for b in beats if b.beat.seq >= moment]
        if not before or not behind:
            raise Trouble('B began with heartbeat %d; A had %d to %d'
                          % (moment, beats[0].beat.seq, beats[-1].beat.seq))
        saw = measure.sequence(before, after)
        result.update({
            'disk': disk, 'moment': before[-1].beat._asdict(), 'a-went-on-to': behind[-1].beat._asdict(),
            # The reader of the console may lag a little.
            'taken-meanwhile': behind[0].arrival >= begin and before[-1].arrival <= end + 0.5,
            'guest-saw': {**saw, 'silence-ms': 1000 * (behind[0].arrival - before[-1].arrival),
                          'usual-silence-ms': 1000 * measure.longest_silence(before[-300:]),
                          'bad-pages': saw['bad-pages'] + behind[-1].beat.bad,
                          'bad-blocks': saw['bad-blocks'] + behind[-1].beat.diskbad,
                          'torn-lines': sum(machine.torn for machine in self.machines)}})
        return result

    def come_back(self, where, kept):
        """Process B, from the snapshot; its heartbeats, and what became of the disk."""
        disk = {'sha256-when-a-ended': measure.sha256(self.disk)} if self.linux else None
        # With -S the disk can be looked at before the guest writes to it.
        target = self.start('B', *where, '-loadvm', NAME, '-S')
        self.display.step('process B (%d) starts with -loadvm %s' % (target.process.pid, NAME))
        if self.linux:
            disk['sha256-at-load'] = measure.sha256(self.disk)
            disk['sha256-in-snapshot'] = measure.sha256(os.path.join(kept, 'disk0.img'))
        target.qmp.command('cont')
        target.wait(lambda: target.beats, 'a heartbeat from B', 20)
        self.watch(target)
        after = target.beats_now()
        self.display.step('the guest is back in B: heartbeats %d to %d' % (after[0].beat.seq, after[-1].beat.seq))
        if self.linux:
            disk.update(self.settle(target))
            after = target.beats_now()
        target.quit()
        return after, disk
