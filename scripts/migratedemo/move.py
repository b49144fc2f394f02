# move.py - the ways on which a machine moves from process A to process B.
#
# SPDX-License-Identifier: GPL-2.0-or-later
"""The ways on which a machine moves from process A to process B."""
import os
import shlex
import socket
import time

from .machine import QmpRefusal, Trouble

# name: (what the user reads, whether B listens before A begins)
WAYS = {
    'tcp': ('over TCP on the loopback interface', True),
    'unix': ('over a unix socket', True),
    'exec': ('through the commands of exec:, a pipe (no way back: B cannot answer)', True),
    'fd': ('over a socket pair that both monitors were given', True),
    'file': ('through a file: A writes it and ends, B reads it', False),
}
ENDS = ('completed', 'failed', 'cancelled')


class Way:
    """Makes the two URIs of a move; holds what has to stay open meanwhile."""

    def __init__(self, kind, folder):
        self.kind = kind
        self.folder = folder
        self.listens_first = WAYS[kind][1]
        self.open = []

    def incoming(self, machine):
        """Lets B listen, or read."""
        path = os.path.join(self.folder, 'stream')
        if self.kind == 'tcp':
            uri = 'tcp:127.0.0.1:0'
        elif self.kind == 'fd':
            uri = 'fd:' + self.give(machine)
        elif self.kind == 'exec':
            os.mkfifo(path)
            uri = 'exec:cat < ' + shlex.quote(path)
        else:
            uri = '%s:%s' % (self.kind, path)
        machine.qmp.command('migrate-incoming', {'uri': uri})

    def outgoing(self, source, target):
        """The URI for A."""
        path = os.path.join(self.folder, 'stream')
        if self.kind == 'tcp':
            return 'tcp:127.0.0.1:%s' % self.port(target)
        if self.kind == 'fd':
            return 'fd:' + self.give(source)
        if self.kind == 'exec':
            return 'exec:cat > ' + shlex.quote(path)
        return '%s:%s' % (self.kind, path)

    def give(self, machine):
        """Passes one end of the socket pair to a monitor."""
        if not self.open:
            self.open = list(socket.socketpair())
        with self.open.pop() as end:
            machine.qmp.command('getfd', {'fdname': 'demo'}, fds=[end.fileno()])
        return 'demo'

    @staticmethod
    def port(target):
        """The port that B has chosen."""
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            for address in target.qmp.command('query-migrate').get('socket-address', []):
                if address.get('type') == 'inet':
                    return address['port']
            time.sleep(0.02)
        raise Trouble('process B does not say in query-migrate on which port it listens')

    def close(self):
        """Closes what was not given away."""
        for end in self.open:
            end.close()


def follow(source, progress, timeout):
    """Watches A's migration to its end; the last answer of query-migrate."""
    deadline = time.monotonic() + timeout
    while True:
        passes = [event['data']['pass'] for event in source.qmp.poll_events(0.08)
                  if event['event'] == 'MIGRATION_PASS']
        if passes:
            progress.update(source.qmp.command('query-migrate'))
            progress.new_pass(passes[-1])
        info = source.qmp.command('query-migrate')
        progress.update(info)
        if info.get('status') in ENDS:
            progress.end()
            return info
        if time.monotonic() > deadline:
            raise Trouble('the migration does not end within %d s; it is %s' % (timeout, info.get('status')))


def arrived(target, timeout=30):
    """Waits until B runs the machine; its own account of the migration."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        status = target.qmp.command('query-status')
        if status['running']:
            return target.qmp.command('query-migrate')
        info = target.qmp.command('query-migrate')
        if info.get('status') == 'failed':
            raise Trouble('process B could not take the machine: %s' % info.get('error-desc', 'no reason given'))
        time.sleep(0.01)
    raise Trouble('process B does not run the machine; it is %s' % status['status'])


def set_up(machine, parameters=None, options=()):
    """Events on; parameters as given, and only those that are; then what --set names, as people type it."""
    machine.qmp.command('migrate-set-capabilities',
                        {'capabilities': [{'capability': 'events', 'state': True}]})
    if parameters:
        machine.qmp.command('migrate-set-parameters', parameters)
    known = {one['capability'] for one in machine.qmp.command('query-migrate-capabilities')}
    for name, value in options:
        kind = 'capability' if name in known else 'parameter'
        machine.hmp('migrate_set_%s %s %s' % (kind, name, value))


def refused(error):
    """A clearer word for a program without migration."""
    if isinstance(error, QmpRefusal) and 'not been found' in str(error):
        return Trouble('%s\n(this emulator has no migration: build it again)' % error)
    return error
