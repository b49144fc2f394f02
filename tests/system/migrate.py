# migrate.py - two emulators between which a guest of guests.py moves.
#
#     with Move(BUSY) as move:
#         move.listen('tcp')
#         move.start()
#         move.finish()
#
# SPDX-License-Identifier: GPL-2.0-or-later
"""Two emulators between which a guest moves."""
import array
import json
import os
import shutil
import socket
import tempfile
import time

import tiny
from godwit import TIMEOUT, QmpError, Timeout, Vm
from guests import COMPLAINTS

HEADER = b'somebody\'s own header' * 200


def chosen(transports):
    """What the source knows after a move over each; GODWIT_TEST_TRANSPORTS=rdma,tcp: other ones than these."""
    names = os.environ.get('GODWIT_TEST_TRANSPORTS')
    return {name: transports.get(name, 'confirmed') for name in names.split(',')} if names else transports


def capabilities(vm, **values):
    """Switches capabilities."""
    vm.qmp('migrate-set-capabilities', capabilities=[
        {'capability': name.replace('_', '-'), 'state': value} for name, value in values.items()])


def pass_fd(vm, fd, fdname):
    """Gives the emulator a descriptor with a name."""
    command_with_fd(vm, fd, 'getfd', fdname=fdname)


def command_with_fd(vm, fd, command, **arguments):
    """getfd or add-fd."""
    if not vm.monitor:
        vm.connect()
    request = {'execute': command, 'arguments': {k.replace('_', '-'): v for k, v in arguments.items()}}
    vm.monitor.sock.sendmsg([json.dumps(request).encode() + b'\r\n'],
                            [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [fd]))])
    reply = vm.monitor.reply()
    assert 'return' in reply, reply


def socket_pair_tcp():
    """Descriptors of both ends of a TCP connection."""
    with socket.create_server(('127.0.0.1', 0)) as server:
        near = socket.create_connection(server.getsockname())
        return near.detach(), server.accept()[0].detach()


def end_status(vm, timeout=TIMEOUT):
    """Waits for a status in which a migration ends, by the events; query-migrate's answer."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        event = vm.monitor.event('MIGRATION')
        if event['data']['status'] in ('completed', 'failed', 'cancelled'):
            return vm.qmp('query-migrate')
    raise Timeout('no end; %r' % vm.qmp('query-migrate'))


def wait_status(vm, status):
    """Waits for an event with that status."""
    while vm.monitor.event('MIGRATION')['data']['status'] != status:
        pass


def refusal(vm, command, **arguments):
    """The error's text of a command that must fail; None if it was accepted."""
    try:
        vm.qmp(command, **arguments)
        return None
    except QmpError as error:
        return error.desc


class Move:
    """A source and a destination with the same arguments, both telling events."""

    def __init__(self, words, *args, dst_args=None, running=True, defer=True):
        self.folder = tempfile.mkdtemp(prefix='godwit-test-')
        guest = tiny.write(self.folder, words)
        base = ['-M', 'virt', '-m', '32M', '-bios', 'none', '-kernel', guest]
        self.args = base + list(args)
        self.dst_args = base + list(args if dst_args is None else dst_args)
        self.uri = None
        self.reads_later = False    # the destination reads what the source has written
        self.src = self.dst = None
        self.src = self.launch(self.args + ([] if running else ['-S']))
        if defer:
            self.replace_destination()

    @staticmethod
    def launch(args):
        """An emulator that tells events."""
        vm = Vm(args)
        capabilities(vm, events=True)
        return vm

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        for vm in (self.src, self.dst):
            if vm:
                vm.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def path(self, name):
        """A file of this move's own."""
        return os.path.join(self.folder, name)

    def onward(self):
        """The destination becomes the source of the next move."""
        self.src.close()
        self.src, self.dst, self.reads_later = self.dst, None, False
        self.replace_destination()

    def replace_destination(self):
        """By a new one, which waits for migrate-incoming."""
        if self.dst:
            self.dst.close()
        self.dst = self.launch(self.dst_args + ['-incoming', 'defer'])

    def incoming(self, uri):
        """Lets the destination wait there."""
        self.dst.qmp('migrate-incoming', uri=uri, exit_on_error=False)

    def listen(self, transport):
        """Lets the destination wait, unless it is to read a file; the source's URI is in self.uri."""
        getattr(self, 'listen_' + transport)()

    def listen_inet(self, where):
        """At a port of the destination's choice."""
        self.incoming(where + ':0')
        self.uri = '%s:%s' % (where, self.dst.qmp('query-migrate')['socket-address'][0]['port'])

    def listen_tcp(self):
        """IPv4."""
        self.listen_inet('tcp:127.0.0.1')

    def listen_tcp6(self):
        """IPv6."""
        self.listen_inet('tcp:[::1]')

    def listen_rdma(self):
        """IPv4."""
        self.listen_inet('rdma:127.0.0.1')

    def listen_rdma6(self):
        """IPv6."""
        self.listen_inet('rdma:[::1]')

    def listen_unix(self):
        """A path; one that an earlier try has left is replaced."""
        self.uri = 'unix:' + self.path('channel')
        self.incoming(self.uri)

    def listen_exec(self):
        """Two children and a FIFO between them."""
        fifo = self.path('fifo')
        os.mkfifo(fifo)
        self.incoming('exec:cat ' + fifo)
        self.uri = 'exec:cat > ' + fifo

    def give(self, src_fd, dst_fd):
        """fd: these two descriptors, which are closed here."""
        for vm, fd in ((self.src, src_fd), (self.dst, dst_fd)):
            pass_fd(vm, fd, 'wire')
            os.close(fd)
        self.uri = 'fd:wire'

    def listen_fd(self):
        """Both ways."""
        ends = socket.socketpair()
        self.give(ends[0].detach(), ends[1].detach())
        self.incoming(self.uri)

    def listen_pipe(self):
        """One way."""
        read_fd, write_fd = os.pipe()
        self.give(write_fd, read_fd)
        self.incoming(self.uri)

    def listen_file(self, suffix=''):
        """A file: the destination reads it when it is complete."""
        self.uri = 'file:' + self.path('stream') + suffix
        self.reads_later = True

    def listen_offset(self):
        """The same, behind somebody's header."""
        with open(self.path('stream'), 'wb') as header:
            header.write(HEADER)
        self.listen_file(',offset=%d' % len(HEADER))

    def start(self):
        """Begins the move."""
        self.src.qmp('migrate', uri=self.uri)

    def finish(self):
        """Waits for both ends; (source's, destination's) query-migrate."""
        src = end_status(self.src)
        if self.reads_later and src['status'] == 'completed':
            self.incoming(self.uri)
        return src, end_status(self.dst)


def moved(move, handover='confirmed'):
    """Waits for the move's end; (whether all is as it should be, what there is to say about it)."""
    src, dst = move.finish()
    states = move.src.qmp('query-status')['status'], move.dst.qmp('query-status')['status']
    good = src['status'] == dst['status'] == 'completed' and src['handover'] == handover
    return good and states == ('postmigrate', 'running'), '%r\n%r\n%r' % (src, dst, states)


def letters(vm, harts=1, rounds=2, timeout=TIMEOUT):
    """Waits until each hart has printed its letter so often, from now on; False if one has complained."""
    start = vm.position = len(vm.output)
    wanted = [chr(ord('a') + n) for n in range(harts)]
    deadline = time.monotonic() + timeout
    while any(vm.output[start:].count(letter) < rounds for letter in wanted):
        vm.expect('[a-h%s]' % COMPLAINTS, deadline - time.monotonic())
        if any(complaint in vm.output for complaint in COMPLAINTS):
            return False
    return True
