# migration.py - the demonstration of a move: the guest works in process A, moves to B, works there.
#
# SPDX-License-Identifier: GPL-2.0-or-later
"""The demonstration of a move."""
import os

from . import measure, move
from .display import Progress, mega
from .guest import Guest
from .machine import Trouble


class MigrationDemo(Guest):
    """One run."""

    def run(self):
        """The whole; a dictionary of results."""
        self.display.line('It moves %s.' % move.WAYS[self.args.way][0])
        source = self.boot()
        if self.args.move_disk:
            if not self.linux:
                raise Trouble('--move-disk: the bare-metal guest has no disk')
            self.empty_disk('disk-b.img')
        target = self.start('B', '-incoming', 'defer')
        self.display.step('process B (%d) waits with -incoming defer' % target.process.pid)
        load = measure.HostLoad(machine.process.pid for machine in self.machines)
        way = move.Way(self.args.way, self.folder)
        try:
            result, progress = self.migrate(source, target, way)
        finally:
            way.close()
        target.wait(lambda: target.beats, 'a heartbeat from B', 20)
        target.join(source)
        self.watch(target)
        result['other-load-percent'] = load.percent()
        self.display.step('the guest goes on in B: heartbeat %d' % target.beats_now()[-1].beat.seq)
        before, after = source.beats_now(), target.beats_now()
        result['guest-saw'] = measure.heartbeats(before, after, progress.begin)
        result['guest-saw']['torn-lines'] = source.torn + target.torn
        result['timeline'] = measure.timeline(before, after, progress)
        if self.linux:
            result['disk'] = self.settle(target)
        for machine in (target, source):
            machine.quit()
        return result

    def migrate(self, source, target, way):
        """Moves the machine; what is known of that, and the Progress."""
        limits = {'max-bandwidth': int(self.args.bandwidth * 1e6)}
        if self.args.downtime is not None:
            limits['downtime-limit'] = self.args.downtime
        move.set_up(source, limits, self.args.set)
        move.set_up(target, options=self.args.set)
        limits = source.qmp.command('query-migrate-parameters')
        if way.listens_first:
            way.incoming(target)
        uri = way.outgoing(source, target)
        source.qmp.poll_events()
        self.display.step('(qemu) migrate -d %s%s' % ('-b ' if self.args.move_disk else '', uri))
        progress = Progress(self.display)
        progress.header()
        source.qmp.command('migrate', {'uri': uri, **({'blk': True} if self.args.move_disk else {})})
        info = move.follow(source, progress, self.args.timeout)
        if info['status'] != 'completed':
            raise Trouble('the migration ended as %s: %s' % (info['status'], self.reason(info, source, target)))
        if way.listens_first:
            # Some emulators say "completed" a moment before they have added up the times.
            info = source.qmp.command('query-migrate')
        else:
            self.display.step('A has written %s and ends; B reads it'
                              % mega(os.path.getsize(os.path.join(self.folder, 'stream'))))
            source.quit()
            way.incoming(target)
        there = move.arrived(target)
        self.display.step('%s: the guest runs in process B (%d)' % (info['status'], target.process.pid))
        return {'way': self.args.way, 'guest': 'linux' if self.linux else 'bare-metal', 'migration': info,
                'incoming': there, 'passes': progress.passes, 'downtime-limit': limits.get('downtime-limit')}, progress

    @staticmethod
    def reason(info, source, target):
        """Why a migration failed, from whoever knows."""
        known = info.get('error-desc')
        if not known:
            try:
                known = target.qmp.command('query-migrate').get('error-desc')
            except (Trouble, OSError):
                pass
        running = ''
        try:
            running = '; the guest still runs in A' if source.qmp.command('query-status')['running'] else ''
        except (Trouble, OSError):
            pass
        return (known or target.stderr() or 'no reason given') + running
